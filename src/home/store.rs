//! What has changed of first screens. Written by triggers alone (migration 0031).

use diesel::dsl::{count_star, max, min};
use diesel::prelude::*;

use crate::platform::db::schema::home_changes;
use crate::platform::db::{AnyId, DbConnection};

/// The rows of one member or tree: how many, the first and the last. A transaction with a lower number may end after one with
/// a higher, so the last alone does not tell.
pub type Mark = (AnyId, i64, Option<i64>, Option<i64>);

/// What has changed so far for a member, and for their tree.
pub fn list_marks(conn: &mut DbConnection, member: AnyId, tree: AnyId) -> QueryResult<Vec<Mark>> {
    home_changes::table
        .filter(
            home_changes::subject_id
                .eq(member)
                .or(home_changes::subject_id.eq(tree)),
        )
        .group_by(home_changes::subject_id)
        .order(home_changes::subject_id)
        .select((
            home_changes::subject_id,
            count_star(),
            min(home_changes::change_no),
            max(home_changes::change_no),
        ))
        .load(conn)
}

/// Forgets changes up to a number, and tells the newest. Nothing on SQLite, which counts in one row for each.
pub fn prune_changes(conn: &mut DbConnection, upto: i64) -> QueryResult<i64> {
    if let DbConnection::Pg(conn) = conn {
        diesel::delete(home_changes::table.filter(home_changes::change_no.le(upto))).execute(conn)?;
    }
    let newest: Option<i64> = home_changes::table
        .select(max(home_changes::change_no))
        .first(conn)?;
    Ok(newest.unwrap_or_default())
}
