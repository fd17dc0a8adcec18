//! What is in the database, as numbers that tell one effect from two: the rows of each table, and of each column how many
//! values it has and what its numbers add up to. Instants count as values only: no two requests have the same.

use std::collections::BTreeMap;

use diesel::RunQueryDsl;
use diesel::sql_types::{Bool, Text};
use zhibu::platform::db::{Backend, DbConnection};

use crate::support::TestApp;

/// `table.column` to a number.
pub type Counts = BTreeMap<String, i64>;

/// The statements that count. The search index is left out: it is made from lessons, and SQLite's counts blocks.
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
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'lesson_search%'";
const POSTGRES: &str = "SELECT table_name::text AS \"table\", column_name::text AS name, \
    data_type IN ('smallint', 'integer', 'bigint') AS is_number \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'lesson_search%'";

impl Tables {
    pub async fn of(t: &TestApp) -> Self {
        let query = match t.app.db.backend() {
            Backend::Sqlite => SQLITE,
            Backend::Postgres => POSTGRES,
        };
        let list = move |conn: &mut DbConnection| Ok(diesel::sql_query(query).load::<Column>(conn)?);
        let mut tables: BTreeMap<String, String> = BTreeMap::new();
        for Column {
            table,
            name,
            is_number,
        } in t.app.db.read_fresh(list).await.unwrap()
        {
            let counts = tables
                .entry(table.clone())
                .or_insert_with(|| format!("SELECT '{table}.rows=' || count(*)"));
            counts.push_str(&format!(" || ' {table}.{name}=' || count(\"{name}\")"));
            if is_number {
                // On SQLite instants are numbers: of microseconds.
                let number = format!("CASE WHEN \"{name}\" < 1000000000000 THEN \"{name}\" END");
                counts.push_str(&format!(" || ' {table}.{name}+=' || coalesce(sum({number}), 0)"));
            }
        }
        assert!(tables.len() > 60, "only {} tables", tables.len());
        let counts = tables
            .iter()
            .map(|(table, counts)| format!("{counts} AS counts FROM {table}"));
        Self(counts.collect::<Vec<_>>().join(" UNION ALL "))
    }

    pub async fn count(&self, t: &TestApp) -> Counts {
        let query = self.0.clone();
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

/// What has changed.
pub fn since(before: &Counts, after: &Counts) -> Counts {
    let change = |(column, now): (&String, &i64)| (column.clone(), now - before[column]);
    let changes = after.iter().map(change);
    changes.filter(|(_, change)| *change != 0).collect()
}
