//! Migrations: the same names for both databases, compiled in, run at start and by `zhibu migrate`.

use std::collections::HashSet;
use std::fs::File;
use std::sync::LazyLock;

use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::conn::{DbConnection, Manager, Target};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Held while migrating, so that replicas starting together take turns.
const POSTGRES_LOCK: i64 = 0x007a_6869_6275; // "zhibu"

pub type MigrateError = Box<dyn std::error::Error + Send + Sync>;

/// Runs what is pending and names it. Each migration is its own transaction: killed half-way, it can be run again.
pub fn run(manager: &Manager) -> Result<Vec<String>, MigrateError> {
    let _turn = turn(manager)?;
    let mut conn = connect(manager)?;
    lock(&mut conn)?;
    let ran = match &mut conn {
        DbConnection::Pg(c) => c
            .run_pending_migrations(POSTGRES)?
            .iter()
            .map(ToString::to_string)
            .collect(),
        DbConnection::Sqlite(c) => c
            .run_pending_migrations(SQLITE)?
            .iter()
            .map(ToString::to_string)
            .collect(),
    };
    Ok(ran)
}

/// The names of the migrations that have not run yet.
pub fn pending(manager: &Manager) -> Result<Vec<String>, MigrateError> {
    let names = match &mut connect(manager)? {
        DbConnection::Pg(c) => c
            .pending_migrations(POSTGRES)?
            .iter()
            .map(|m| m.name().to_string())
            .collect(),
        DbConnection::Sqlite(c) => c
            .pending_migrations(SQLITE)?
            .iter()
            .map(|m| m.name().to_string())
            .collect(),
    };
    Ok(names)
}

/// Has every migration of this binary run? A database that is ahead of it counts: while replicas are replaced one by
/// one the old ones go on, so a migration adds and never takes away what the version before it uses.
pub fn is_current(conn: &mut DbConnection) -> QueryResult<bool> {
    static OURS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let migrations: Vec<Box<dyn Migration<diesel::pg::Pg>>> = POSTGRES.migrations().unwrap_or_default();
        migrations
            .iter()
            .map(|migration| migration.name().version().to_string())
            .collect()
    });
    #[derive(QueryableByName)]
    struct Ran {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    // Not diesel's own look, which would make the table where there is none.
    let ran: Vec<Ran> = diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(conn)?;
    let ran: HashSet<&str> = ran.iter().map(|row| row.version.as_str()).collect();
    Ok(OURS.iter().all(|version| ran.contains(version.as_str())))
}

/// Undoes every migration: for the test that runs up, down, up.
pub fn revert_all(manager: &Manager) -> Result<(), MigrateError> {
    match &mut connect(manager)? {
        DbConnection::Pg(c) => c.revert_all_migrations(POSTGRES).map(|_| ()),
        DbConnection::Sqlite(c) => c.revert_all_migrations(SQLITE).map(|_| ()),
    }
}

/// Behind no fence: a migration is about all trees.
fn connect(manager: &Manager) -> Result<DbConnection, MigrateError> {
    use diesel::connection::SimpleConnection;
    let mut conn = r2d2::ManageConnection::connect(manager)?;
    if let DbConnection::Pg(c) = &mut conn {
        c.batch_execute("SET zhibu.tenant = '*'")?;
    }
    Ok(conn)
}

/// Processes that start together on one SQLite file take turns from before they open it: the switch to WAL and the
/// look at what is pending are no transaction. Ends with the value, or with the process.
fn turn(manager: &Manager) -> std::io::Result<Option<File>> {
    match &manager.target {
        Target::Postgres { .. } => Ok(None),
        Target::SqliteWriter { path } | Target::SqliteReader { path } => {
            let file = File::create(format!("{path}.lock"))?;
            file.lock()?;
            Ok(Some(file))
        }
    }
}

fn lock(conn: &mut DbConnection) -> Result<(), MigrateError> {
    use diesel::connection::SimpleConnection;
    if let DbConnection::Pg(c) = conn {
        c.batch_execute(&format!(
            "SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({POSTGRES_LOCK});"
        ))?;
    }
    Ok(())
}
