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
