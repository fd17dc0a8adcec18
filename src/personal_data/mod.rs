//! Personal data: a member gets all that is held about them, and an admin erases it of somebody who has left. What stays are
//! facts without a person (somebody attended, on time), so that an organization's figures stay what they were.
//!
//! `tables` says of each table whose rows are whose and which columns tell of a person; one mechanism does the rest. A test
//! compares it with the database, so a new column is judged before it is merged. Reads and empties other slices' tables
//! directly: the one place that may, because it asks nothing of what they mean.

mod http;
mod service;
mod store;
mod tables;

pub use http::configure;
pub use service::{Mentions, erase, find_mentions, is_erased};
pub use tables::{Erasure, OTHERS, TABLES, Table};
