//! Changes are numbered so that whoever follows them misses none: each bears the number of its transaction. A reader takes
//! what bears the number it has come to, or a later one, and comes to the oldest transaction that was still under way when it
//! looked: what commits after it has looked bears that number, or a later one. On SQLite writers take turns, so the numbers do.

use super::store;
use crate::platform::db::DbConnection;
use crate::platform::error::AppResult;

/// The number of what this transaction writes.
pub fn next_change_no(conn: &mut DbConnection) -> AppResult<i64> {
    Ok(store::next_change_no(conn)?)
}

/// All that bears a smaller number is seen from here on. Ask before reading what is to be followed from it.
pub fn settled_change_no(conn: &mut DbConnection) -> AppResult<i64> {
    Ok(store::settled_change_no(conn)?)
}

/// In a database that was restored from a dump transactions are counted anew: their numbers are raised above those that are
/// there. Call it before anything is written.
pub fn mend_change_numbers(conn: &mut DbConnection) -> AppResult<()> {
    Ok(store::raise_change_numbers(conn)?)
}
