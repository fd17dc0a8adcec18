//! What a tenant has in the database, as numbers that tell one effect from two: the rows of each table, and of each column
//! how many values it has and what its numbers add up to. Instants count as values only: no two requests have the same.

use std::collections::BTreeMap;

use diesel::RunQueryDsl;
use diesel::sql_types::{Bool, Text};
use zhibu::platform::db::{Backend, DbConnection};

use crate::study::id_sql;
use crate::support::{Tenant, TestApp};

/// `table.column` to a number.
pub type Counts = BTreeMap<String, i64>;

/// What other than requests writes while they are under way: the bytes of deleted files go in rounds of their own.
/// Numbers of changes go through the whole database.
const IN_ROUNDS: [&str; 3] = [
    "media_files.cleared_at",
    "point_entries.change_no",
    "leaderboard_moves.change_no",
];

/// The statement that counts. The search index is left out: it is made from lessons, and SQLite's counts blocks. So are the
/// changes of first screens, which say only that they are to be made anew.
pub struct Tables(String);

#[derive(diesel::QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_number: bool,
}

#[derive(diesel::QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    counts: String,
}

const SQLITE: &str = "SELECT m.name AS \"table\", c.name AS name, c.type = 'INTEGER' AS is_number \
    FROM sqlite_master m JOIN pragma_table_info(m.name) c \
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'lesson_search%' AND m.name <> 'home_changes'";
const POSTGRES: &str = "SELECT table_name::text AS \"table\", column_name::text AS name, \
    data_type IN ('smallint', 'integer', 'bigint') AS is_number \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'lesson_search%' AND table_name <> 'home_changes'";

impl Tables {
    pub async fn of(t: &TestApp) -> Self {
        let query = match t.app.db.backend() {
            Backend::Sqlite => SQLITE,
            Backend::Postgres => POSTGRES,
        };
        let list = move |conn: &mut DbConnection| Ok(diesel::sql_query(query).load::<Column>(conn)?);
        let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for column in t.app.db.read_fresh(list).await.unwrap() {
            tables.entry(column.table.clone()).or_default().push(column);
        }
        assert!(tables.len() > 60, "only {} tables", tables.len());
        let selects = tables.iter().map(|(table, columns)| select(table, columns));
        Self(selects.collect::<Vec<_>>().join(" UNION ALL "))
    }

    pub async fn count(&self, t: &TestApp, tenant: &Tenant) -> Counts {
        let query = self.0.replace("$tenant", &id_sql(t, &tenant.root));
        let count = move |conn: &mut DbConnection| Ok(diesel::sql_query(&query).load::<Counted>(conn)?);
        let counted = t.app.db.read_fresh(count).await.unwrap();
        let pairs = counted.iter().flat_map(|row| row.counts.split(' '));
        let number = |pair: &str| {
            let (column, number) = pair.rsplit_once('=').unwrap();
            (column.to_owned(), number.parse().unwrap())
        };
        pairs.map(number).collect()
    }
}

/// One row of words like `events.title=3`.
fn select(table: &str, columns: &[Column]) -> String {
    let mut counts = format!("SELECT '{table}.rows=' || count(*)");
    for Column { name, is_number, .. } in columns {
        let column = format!("{table}.{name}");
        if IN_ROUNDS.contains(&column.as_str()) {
            continue;
        }
        counts.push_str(&format!(" || ' {column}=' || count(\"{name}\")"));
        if *is_number {
            // On SQLite instants are numbers: of microseconds.
            let number = format!("CASE WHEN \"{name}\" < 1000000000000 THEN \"{name}\" END");
            counts.push_str(&format!(" || ' {column}+=' || coalesce(sum({number}), 0)"));
        }
    }
    let is_of_tenants = columns.iter().any(|column| column.name == "tenant_id");
    let whose = if is_of_tenants {
        " WHERE tenant_id = $tenant"
    } else {
        ""
    };
    format!("{counts} AS counts FROM {table}{whose}")
}

/// What has changed.
pub fn since(before: &Counts, after: &Counts) -> Counts {
    let change = |(column, now): (&String, &i64)| (column.clone(), now - before[column]);
    let changes = after.iter().map(change);
    changes.filter(|(_, change)| *change != 0).collect()
}
