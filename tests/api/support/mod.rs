//! A server per test, with a database of its own, a clock that stands still, and a small HTTP client.

mod app;
mod client;
mod crowd;
mod data;
mod database;
mod logs;
mod redis_servers;

pub use app::{TestApp, http_client};
pub use client::{CANARY, Reply};
pub use crowd::Person;
pub use data::{PASSWORD, Tenant, member_body, new_uuid};
pub use database::{PostgresDatabase, redis_url};
pub use logs::Logs;
pub use redis_servers::{Process, redis_process};

/// A Python with the foreign clients and readers that some tests ask; `scripts/test.sh` makes one.
pub fn python() -> Option<String> {
    let python = std::env::var("ZHIBU_TEST_PYTHON").ok();
    if python.is_none() {
        eprintln!("LEFT OUT: ZHIBU_TEST_PYTHON names no Python; scripts/test.sh makes one");
    }
    python
}
