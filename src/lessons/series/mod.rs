//! Series (專題): lessons in an order, some of them to be finished before others. It has no audience of its own: of a
//! published series a member sees the lessons that are for them, and none when there are none.

mod commands;
pub mod http;
mod rules;
mod service;
mod store;

pub use service::{prerequisites, series_lessons};
