//! Upgrades (RELIABILITY.md P18): a migration that is killed half-way is run again, and nothing tells that it was.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::process::{run, with_database};
use crate::support::PostgresDatabase;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// What a query finds in a database that may not be there yet.
fn names(
    folder: &Path,
    database: Option<&PostgresDatabase>,
    sqlite: &str,
    postgres: &str,
) -> BTreeSet<String> {
    let found = match database {
        Some(database) => PgConnection::establish(&database.url)
            .ok()
            .and_then(|mut conn| diesel::sql_query(postgres).load::<Name>(&mut conn).ok()),
        None => SqliteConnection::establish(&folder.join("data/zhibu.db").to_string_lossy())
            .ok()
            .and_then(|mut conn| diesel::sql_query(sqlite).load::<Name>(&mut conn).ok()),
    };
    found
        .unwrap_or_default()
        .into_iter()
        .map(|row| row.name)
        .collect()
}

fn migrations(folder: &Path, database: Option<&PostgresDatabase>) -> usize {
    let query = "SELECT version AS name FROM __diesel_schema_migrations";
    names(folder, database, query, query).len()
}

/// Tables with their columns, indexes, triggers and fences.
fn schema(folder: &Path, database: Option<&PostgresDatabase>) -> BTreeSet<String> {
    let sqlite = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS name FROM sqlite_master";
    let postgres = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS name \
         FROM information_schema.columns WHERE table_schema = 'public' \
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
         UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
         UNION ALL SELECT CAST(polrelid AS regclass) || ' ' || pg_get_expr(polqual, polrelid) FROM pg_policy";
    names(folder, database, sqlite, postgres)
}

#[actix_web::test]
async fn a_migration_that_is_killed_half_way_is_run_again() {
    let [killed, whole] = [(); 2].map(|()| (tempfile::tempdir().unwrap(), PostgresDatabase::if_wanted()));
    for (folder, _) in [&killed, &whole] {
        std::fs::create_dir(folder.path().join("data")).unwrap();
    }
    let (folder, database) = (killed.0.path(), killed.1.as_ref());
    let migrate = || {
        let mut command = with_database(folder, database);
        command.arg("migrate").stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let all = {
        let (good, words) = run(with_database(whole.0.path(), whole.1.as_ref()).arg("migrate"));
        assert!(good, "{words}");
        migrations(whole.0.path(), whole.1.as_ref())
    };
    // Each is killed in what follows on so many: a commit more may be through by then.
    let (mut last, mut half_way) = (0, 0);
    for stop_at in [0, 1, 4, 9, 15, 22, 28, all - 1] {
        let mut child = migrate().spawn().unwrap();
        while migrations(folder, database) < stop_at && child.try_wait().unwrap().is_none() {
            actix_web::rt::task::yield_now().await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = migrations(folder, database);
        assert!(ran >= last, "what was committed stays");
        half_way += usize::from(0 < ran && ran < all);
        last = ran;
    }
    assert!(half_way > 0, "no kill met it on its way");
    let (good, words) = run(with_database(folder, database).arg("migrate"));
    assert!(good, "{words}");
    assert_eq!(migrations(folder, database), all);
    assert_eq!(schema(folder, database), schema(whole.0.path(), whole.1.as_ref()));
    let (good, words) = run(with_database(folder, database).args(["migrate", "--check"]));
    assert!(good && !words.contains("pending"), "{words}");
}
