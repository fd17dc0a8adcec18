//! What is shown of expenses: one with its receipt, an event's, and those of an organization and all below it.

use std::collections::HashMap;

use super::ExpenseId;
use super::rules::{CostCategory, ExpenseStatus, days_of};
use super::store::{self, ExpenseFilter, ExpenseRow};
use crate::app::Ctx;
use crate::auth::AccountId;
use crate::events::{self, EventBrief, EventId};
use crate::media::{self, FileRow};
use crate::members::{self, MemberId};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult};
use crate::platform::page::{Found, Page};

/// An expense with the names that go with it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub row: ExpenseRow,
    pub event: EventBrief,
    pub organization_name: String,
    /// Of those in the row who are members: a system admin is none.
    pub names: HashMap<AccountId, String>,
}

impl Listed {
    pub fn name(&self, account: Option<AccountId>) -> Option<String> {
        self.names.get(&account?).cloned()
    }
}

/// What a client may narrow the list to.
#[derive(Debug, Clone, Default)]
pub struct ListExpenses {
    pub year: Option<i32>,
    pub status: Option<ExpenseStatus>,
    pub category: Option<CostCategory>,
    pub page: Page<ExpenseId>,
}

impl ListExpenses {
    fn filter(&self) -> ExpenseFilter {
        ExpenseFilter {
            days: self.year.map(days_of),
            status: self.status.map(ExpenseStatus::as_str),
            category: self.category.map(CostCategory::as_str),
            page: self.page.clone(),
            ..ExpenseFilter::default()
        }
    }
}

pub fn list_of_event(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    asked: &ListExpenses,
) -> AppResult<Found<Listed>> {
    events::require_event(conn, ctx, event, Right::View)?;
    let filter = ExpenseFilter {
        event: Some(event),
        ..asked.filter()
    };
    list(conn, &filter)
}

/// Those of the organization and of all that stand or stood below it.
pub fn list_of_organization(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    asked: &ListExpenses,
) -> AppResult<Found<Listed>> {
    let top = organizations::require(conn, ctx, organization, Right::View)?;
    let filter = ExpenseFilter {
        organizations: Some(organizations::ids_ever_below(conn, &top)?),
        ..asked.filter()
    };
    list(conn, &filter)
}

fn list(conn: &mut DbConnection, filter: &ExpenseFilter) -> AppResult<Found<Listed>> {
    let found = store::list_expenses(conn, filter)?;
    Ok(Found {
        rows: with_names(conn, found.rows)?,
        count: found.count,
    })
}

/// A receipt, and the other expenses in the actor's sight that count and have the same bytes for one.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub file: FileRow,
    pub also_of: Vec<ExpenseId>,
}

/// Of the expenses with the same receipt.
const MOST_ALIKE: i64 = 20;

/// One expense, with its receipt.
pub fn view_expense(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ExpenseId,
) -> AppResult<(Listed, Option<Receipt>)> {
    let row = store::find_expense(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require_ever(conn, ctx, row.organization_id, Right::View)?;
    let receipt: Vec<_> = row.receipt_media_id.into_iter().collect();
    let receipt = match media::list_files(conn, &receipt)?.pop() {
        Some(file) => Some(with_others(conn, ctx, &row, file)?),
        None => None,
    };
    Ok((with_name(conn, row)?, receipt))
}

fn with_others(conn: &mut DbConnection, ctx: &Ctx, row: &ExpenseRow, file: FileRow) -> AppResult<Receipt> {
    let sha256 = file.sha256.as_deref().unwrap_or_default();
    let sight = organizations::ids_with_right(conn, ctx, Right::View)?;
    let also_of = store::list_of_receipt(conn, row, sight, sha256, MOST_ALIKE)?;
    Ok(Receipt { also_of, file })
}

pub fn with_name(conn: &mut DbConnection, row: ExpenseRow) -> AppResult<Listed> {
    let listed = with_names(conn, vec![row])?.pop();
    listed.ok_or_else(|| AppError::internal("an expense that is not listed"))
}

fn with_names(conn: &mut DbConnection, rows: Vec<ExpenseRow>) -> AppResult<Vec<Listed>> {
    let events: Vec<EventId> = rows.iter().map(|row| row.event_id).collect();
    let organizations: Vec<OrganizationId> = rows.iter().map(|row| row.organization_id).collect();
    let people: Vec<MemberId> = rows.iter().flat_map(people_of).map(MemberId::from).collect();
    let events = events::briefs(conn, &events)?;
    let organizations = organizations::names(conn, &organizations)?;
    let people = members::briefs(conn, &people)?;
    let listed = |row: ExpenseRow| Listed {
        event: events.get(&row.event_id).cloned().unwrap_or_default(),
        organization_name: organizations
            .get(&row.organization_id)
            .cloned()
            .unwrap_or_default(),
        names: people_of(&row)
            .filter_map(|id| Some((id, people.get(&id.into())?.name.clone())))
            .collect(),
        row,
    };
    Ok(rows.into_iter().map(listed).collect())
}

fn people_of(row: &ExpenseRow) -> impl Iterator<Item = AccountId> + use<> {
    [Some(row.submitted_by), row.decided_by, row.annulled_by]
        .into_iter()
        .flatten()
}
