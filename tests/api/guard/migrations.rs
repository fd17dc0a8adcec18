//! Migrations run up, down, up; and both databases end with the same tables, columns and indexes.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::TestApp;
use zhibu::doctor::manager;
use zhibu::platform::db::{Backend, DbConnection, migrate};

fn names(backend: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(backend);
    std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(names("sqlite"), names("postgres"));
    for name in names("sqlite") {
        let read = |backend: &str, file: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("migrations")
                .join(backend)
                .join(&name)
                .join(file);
            std::fs::read_to_string(path).unwrap()
        };
        assert_eq!(
            shape(&read("sqlite", "up.sql")),
            shape(&read("postgres", "up.sql")),
            "{name}"
        );
        assert!(
            shared(&read("sqlite", "down.sql")).eq(shared(&read("postgres", "down.sql"))),
            "{name}"
        );
    }
}

/// A migration may hold, between `Begin of what only …` and `End of what only …`, what one database needs in a form of
/// its own. Three do: a search index is a virtual table here and a tsvector there, triggers are written in two languages, and
/// row-level security is there only.
fn shared(sql: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    sql.lines().filter(move |line| {
        inside |= line.contains("Begin of what only ");
        let mine = inside;
        inside &= !line.contains("End of what only ");
        !mine
    })
}

/// Tables, columns, nullability, keys and indexes, without the words that differ between the two.
fn shape(sql: &str) -> Vec<String> {
    let pairs = [
        ("BLOB", "uuid"),
        ("BLOB", "bytea"),
        ("INTEGER", "timestamptz"),
        ("INTEGER", "integer"),
        ("INTEGER", "bigint"),
        ("INTEGER", "boolean"),
        ("TEXT", "text"),
        ("TEXT", "jsonb"),
        ("TEXT", "date"),
        ("REAL", "double precision"),
        ("", " COLLATE \"C\""),
        ("DEFAULT 0", "DEFAULT false"),
        ("DEFAULT 1", "DEFAULT true"),
    ];
    shared(sql)
        .map(|line| {
            let mut line = line.split(" --").next().unwrap().to_owned();
            for (sqlite, postgres) in pairs {
                line = line
                    .replace(&format!(" {postgres}"), &format!(" {sqlite}"))
                    .replace(postgres, sqlite);
            }
            if let (Some(from), Some(to)) = (line.find(" CHECK ("), line.find(" IN (0, 1))")) {
                line.replace_range(from..to + " IN (0, 1))".len(), "");
            }
            line.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace(") STRICT, WITHOUT ROWID;", ");")
                .replace(") STRICT;", ");")
        })
        .collect()
}

#[actix_web::test]
async fn up_down_up_ends_where_it_began() {
    let t = TestApp::start().await;
    let manager = manager(&t.app.config);
    let before = tables(&t).await;
    assert!(before.len() > 40, "{before:?}");
    assert!(migrate::pending(&manager).unwrap().is_empty());
    migrate::revert_all(&manager).unwrap();
    assert_eq!(migrate::pending(&manager).unwrap().len(), names("sqlite").len());
    migrate::run(&manager).unwrap();
    assert_eq!(tables(&t).await, before);
}

/// Tables and indexes by name.
async fn tables(t: &TestApp) -> BTreeSet<String> {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let query = match t.app.db.backend() {
        Backend::Sqlite => {
            "SELECT type || ' ' || name AS name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        }
        Backend::Postgres => {
            "SELECT CAST(relkind AS text) || ' ' || relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
        }
    };
    t.app
        .db
        .write(move |conn: &mut DbConnection| Ok(diesel::sql_query(query).load::<Name>(conn)?))
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.name)
        .collect()
}
