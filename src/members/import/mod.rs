//! The roster import: a spreadsheet in, all rows or none, every bad row named, and the same file twice changes nothing.

mod file;
mod http;
mod plan;
mod service;
mod words;

pub use http::configure;
#[cfg(feature = "failpoints")]
pub(crate) use service::read_roster;
pub use service::{ImportReport, ImportStage, import_roster};
