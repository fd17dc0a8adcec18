//! A condition that stands in the query as it is written, with no bind in it.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::prelude::QueryResult;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Bool;

use super::conn::MultiBackend;

/// What an index of a part of a table needs. SQLite plans a kept statement once for all values, and uses such an index only
/// when the query states its condition in the index's own words. Unlike with `diesel::dsl::sql`, the statement is kept.
#[derive(Debug, Clone, Copy)]
pub struct LiteralCondition(pub &'static str);

impl Expression for LiteralCondition {
    type SqlType = Bool;
}

impl<T> AppearsOnTable<T> for LiteralCondition {}
impl<T> SelectableExpression<T> for LiteralCondition {}

impl ValidGrouping<()> for LiteralCondition {
    type IsAggregate = is_aggregate::No;
}

/// Kept by its text.
impl QueryId for LiteralCondition {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<MultiBackend> for LiteralCondition {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    fn plan(conn: &mut SqliteConnection, condition: &str) -> String {
        let query = format!("EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE due <= 5 AND {condition}");
        let steps: Vec<Step> = diesel::sql_query(query)
            .bind::<Text, _>("waiting")
            .load(conn)
            .unwrap();
        steps.into_iter().map(|step| step.detail).collect()
    }

    /// `.cargo/config.toml` has SQLite compiled so; without it, a statement is planned anew for each value.
    #[test]
    fn a_part_of_a_table_is_found_by_the_words_of_its_index_alone() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        conn.batch_execute(
            "CREATE TABLE jobs (id INTEGER, due INTEGER, status TEXT); \
             CREATE INDEX jobs_waiting ON jobs (due) WHERE status = 'waiting';",
        )
        .unwrap();
        assert!(plan(&mut conn, "status = 'waiting' AND ? = ?1").contains("jobs_waiting"));
        assert_eq!(plan(&mut conn, "status = ?"), "SCAN jobs");
    }
}
