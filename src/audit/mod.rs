//! The audit log: append-only, written in the transaction of what it tells of. Never a secret, never a body.
//! Every admin write, every annulment and every access refused with 403 is in it (RELIABILITY.md P19).

mod http;
mod service;
mod store;

pub use http::configure;
pub use service::{Entry, record, record_all, record_refusal};
