//! A server per test, with a database of its own, a clock that stands still, and a small HTTP client.

mod app;
mod client;
mod crowd;
mod data;

pub use app::{PostgresDatabase, TestApp, http_client};
pub use client::{CANARY, Reply};
pub use crowd::Person;
pub use data::{PASSWORD, Tenant, member_body, new_uuid};
