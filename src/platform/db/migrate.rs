//! Migrations: the same names for both databases, compiled in, run at start and by `zhibu migrate`.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::conn::{DbConnection, Manager};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Held while migrating, so that replicas starting together take turns.
const POSTGRES_LOCK: i64 = 0x007a_6869_6275; // "zhibu"

pub type MigrateError = Box<dyn std::error::Error + Send + Sync>;

/// Runs what is pending and names it. Each migration is its own transaction: killed half-way, it can be run again.
pub fn run(manager: &Manager) -> Result<Vec<String>, MigrateError> {
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
    use diesel::migration::Migration;
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

/// Undoes every migration: for the test that runs up, down, up.
pub fn revert_all(manager: &Manager) -> Result<(), MigrateError> {
    match &mut connect(manager)? {
        DbConnection::Pg(c) => c.revert_all_migrations(POSTGRES).map(|_| ()),
        DbConnection::Sqlite(c) => c.revert_all_migrations(SQLITE).map(|_| ()),
    }
}

fn connect(manager: &Manager) -> Result<DbConnection, MigrateError> {
    Ok(r2d2::ManageConnection::connect(manager)?)
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
