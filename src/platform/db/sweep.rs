//! Clearing away what is of no use any more, some rows a transaction (`Db::sweep`).

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{DbConnection, Instant, sql};

/// Rows that one transaction clears away: well below what a statement may take.
pub const SWEPT_AT_ONCE: i64 = 2_000;

/// Deletes some of the rows of `table` that are `old`: SQL in which `$1` is an instant. `key` names the columns of the
/// primary key.
pub fn delete_some(
    conn: &mut DbConnection,
    table: &'static str,
    key: &'static str,
    old: &'static str,
    before: Instant,
) -> QueryResult<usize> {
    diesel::sql_query(format!(
        "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {old} LIMIT $2)"
    ))
    .bind::<sql::Instant, _>(before)
    .bind::<BigInt, _>(SWEPT_AT_ONCE)
    .execute(conn)
}
