//! Costs (經費): what an organization may spend in a year, what an event is planned to cost, what was spent, and who
//! approved it. Amounts are whole cents; nothing that was submitted is ever changed or deleted.
//!
//! `budgets` writes plans, `expenses` decides on what was spent, `lists` shows it, `totals` adds up a year.

mod budgets;
mod commands;
mod expenses;
mod export;
mod http;
mod lists;
mod rules;
mod store;
mod totals;

pub use budgets::require_same_currency;
pub use http::configure;

use crate::media::MediaId;
use crate::platform::db::DbConnection;
use crate::platform::error::AppResult;

crate::id_types! {
    ExpenseId,
}

/// For files: is this one the receipt of an expense, whatever became of that?
pub fn uses_file(conn: &mut DbConnection, file: MediaId) -> AppResult<bool> {
    Ok(store::uses_file(conn, file)?)
}
