//! One connection type for both databases, made by the scheme of the URL, set up so that a commit is on disk.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use diesel::{PgConnection, SqliteConnection};

use crate::platform::fault;

#[derive(diesel::MultiConnection)]
pub enum DbConnection {
    Pg(PgConnection),
    Sqlite(SqliteConnection),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Postgres,
    Sqlite,
}

impl DbConnection {
    pub fn backend(&self) -> Backend {
        match self {
            Self::Pg(_) => Backend::Postgres,
            Self::Sqlite(_) => Backend::Sqlite,
        }
    }

    /// The SQL condition 'is one of the ids bound at `bind`' (a `UuidList`), e.g. `id {among}` with `among("$1")`.
    pub fn among(&self, bind: &str) -> String {
        let (open, close) = self.among_parts();
        format!("{open}{bind}{close}")
    }

    /// The same condition, as what stands before and after the bind.
    pub fn among_parts(&self) -> (&'static str, &'static str) {
        match self {
            Self::Pg(_) => ("= ANY(", ")"),
            Self::Sqlite(_) => ("IN (SELECT unhex(value) FROM json_each(", "))"),
        }
    }

    /// Appended to a SELECT whose rows the transaction goes on to change. SQLite has one writer, so needs nothing.
    pub fn for_update(&self) -> &'static str {
        match self {
            // NO KEY: rows that refer to this one by a foreign key may be inserted meanwhile.
            Self::Pg(_) => " FOR NO KEY UPDATE",
            Self::Sqlite(_) => "",
        }
    }

    /// The same, and nobody inserts a row that refers to one of these either.
    pub fn for_update_and_references(&self) -> &'static str {
        match self {
            Self::Pg(_) => " FOR UPDATE",
            Self::Sqlite(_) => "",
        }
    }

    /// Appended to a SELECT whose rows must stay as they are until the transaction ends, while others read them too.
    pub fn for_share(&self) -> &'static str {
        match self {
            Self::Pg(_) => " FOR SHARE",
            Self::Sqlite(_) => "",
        }
    }
}

/// Where the connections go and what each of them is set to.
#[derive(Debug, Clone)]
pub struct Manager {
    pub target: Target,
    pub statement_timeout: Duration,
}

#[derive(Debug, Clone)]
pub enum Target {
    Postgres { url: String },
    SqliteWriter { path: String },
    SqliteReader { path: String },
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot connect to the database: {0}")]
    Connect(#[from] diesel::ConnectionError),
    #[error("cannot set up the database connection: {0}")]
    Setup(#[from] diesel::result::Error),
}

impl r2d2::ManageConnection for Manager {
    type Connection = DbConnection;
    type Error = ConnectError;

    fn connect(&self) -> Result<DbConnection, ConnectError> {
        match &self.target {
            Target::Postgres { url } => self.connect_postgres(url),
            Target::SqliteWriter { path } => connect_sqlite(path, sqlite_writer_settings()),
            Target::SqliteReader { path } => connect_sqlite(path, "PRAGMA query_only = ON;"),
        }
    }

    fn is_valid(&self, conn: &mut DbConnection) -> Result<(), ConnectError> {
        conn.ping().map_err(ConnectError::from)
    }

    fn has_broken(&self, conn: &mut DbConnection) -> bool {
        conn.is_broken()
    }
}

impl Manager {
    /// A connection as the server gives it, before anything of ours is set: to see what it, the database and the role
    /// are set to. SQLite keeps no such settings, so there it is an ordinary one.
    pub fn connect_untouched(&self) -> Result<DbConnection, ConnectError> {
        match &self.target {
            Target::Postgres { url } => Ok(DbConnection::Pg(PgConnection::establish(
                &with_network_deadlines(url),
            )?)),
            Target::SqliteWriter { path } | Target::SqliteReader { path } => connect_sqlite(path, ""),
        }
    }

    fn connect_postgres(&self, url: &str) -> Result<DbConnection, ConnectError> {
        let mut conn = PgConnection::establish(&with_network_deadlines(url))?;
        // force_custom_plan: a plan kept from when a table was small walks it when it is large (measured: a third of the
        // check-ins a second).
        conn.batch_execute(&format!(
            "SET TIME ZONE 'UTC'; SET statement_timeout = {statement}; SET lock_timeout = {statement}; \
             SET idle_in_transaction_session_timeout = 30000; SET synchronous_commit = on; SET jit = off; \
             SET plan_cache_mode = force_custom_plan;",
            statement = self.statement_timeout.as_millis()
        ))?;
        if fault::is_broken("postgres::asynchronous_commit") {
            conn.batch_execute("SET synchronous_commit = off")?;
        }
        Ok(DbConnection::Pg(conn))
    }
}

/// A dead or silent peer must not hold a thread for longer than a caller waits (RELIABILITY.md P5).
fn with_network_deadlines(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in [
        ("connect_timeout", "2"),
        ("tcp_user_timeout", "3000"),
        ("keepalives_idle", "5"),
    ] {
        if !url.contains(name) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={value}"));
        }
    }
    url
}

fn sqlite_writer_settings() -> &'static str {
    if fault::is_broken("sqlite::synchronous_normal") {
        "PRAGMA synchronous = NORMAL;"
    } else {
        ""
    }
}

fn connect_sqlite(path: &str, last: &str) -> Result<DbConnection, ConnectError> {
    let mut conn = SqliteConnection::establish(path)?;
    // synchronous = FULL: a commit is on disk before it is acknowledged (measured: NORMAL does not sync at all).
    // wal_autocheckpoint: in a rush the same pages change again and again; written back every 32 MB instead of every 4,
    // they are written once.
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; \
         PRAGMA wal_autocheckpoint = 8000; {last}"
    ))?;
    Ok(DbConnection::Sqlite(conn))
}
