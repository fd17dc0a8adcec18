//! Which database, and how long it may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, within, wrong};

#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `postgres://…`; none means SQLite at `sqlite_path`.
    pub url: Option<String>,
    pub read_url: Option<String>,
    pub sqlite_path: PathBuf,
    pub connections: u32,
    pub deadline: Duration,
    pub statement_timeout: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDatabase {
    url: String,
    read_url: String,
    connections: u32,
    deadline_ms: u64,
    statement_timeout_ms: u64,
}

impl RawDatabase {
    pub(super) fn validate(self, data: &Path) -> Result<DatabaseConfig, ConfigError> {
        within("database.connections", self.connections, 1..=500, "")?;
        within(
            "database.deadline_ms",
            self.deadline_ms,
            100..=60_000,
            "milliseconds",
        )?;
        within(
            "database.statement_timeout_ms",
            self.statement_timeout_ms,
            100..=600_000,
            "milliseconds",
        )?;
        let url = postgres("database.url", self.url)?;
        let read_url = postgres("database.read_url", self.read_url)?;
        if url.is_none() && read_url.is_some() {
            let allowed =
                "empty, unless database.url (DATABASE_URL) names the primary that it is a replica of";
            return Err(wrong("database.read_url", "…", allowed));
        }
        Ok(DatabaseConfig {
            url,
            read_url,
            sqlite_path: data.join("zhibu.db"),
            connections: self.connections,
            deadline: Duration::from_millis(self.deadline_ms),
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
        })
    }
}

fn postgres(name: &'static str, url: String) -> Result<Option<String>, ConfigError> {
    match url.as_str() {
        "" => Ok(None),
        u if u.starts_with("postgres://") || u.starts_with("postgresql://") => Ok(Some(url)),
        // The value holds a password: it is not repeated.
        _ => {
            let allowed = "postgres://user:password@host/name, or empty for SQLite in the data folder";
            Err(wrong(name, "…", allowed))
        }
    }
}
