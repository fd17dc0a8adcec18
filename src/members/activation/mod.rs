//! Codes with which members set their first password, or a new one: as JSON, as a sheet, or as cards to print and cut.

mod http;
mod page;
mod service;

pub use http::configure;
