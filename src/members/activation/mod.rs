//! Activation codes of members who have no password yet, as JSON, as a sheet, or as cards to print and cut.

mod http;
mod page;
mod service;

pub use http::configure;
