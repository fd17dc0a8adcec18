//! What an organization may spend in a year, and what an event is planned to cost: written whole, in turns.

use chrono::Datelike;
use serde_json::json;

use super::commands::{BudgetLine, WriteBudget};
use super::rules::{CostCategory, DEFAULT_CURRENCY, days_of};
use super::store::{self, BudgetRow, BudgetTotalRow, EventBudgetRow, LineRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow};
use crate::organizations::{self, OrganizationId, OrganizationRow, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::local_time;
use crate::platform::page::{Found, Page};

/// A budget as it is shown. One that nobody has written is there too: empty, at version 0.
#[derive(Debug, Clone)]
pub struct Budget {
    pub currency: String,
    pub lines: Vec<BudgetLine>,
    pub version: i32,
    pub updated_at: Option<Instant>,
}

impl Budget {
    fn empty(currency: String) -> Self {
        Self {
            currency,
            lines: Vec::new(),
            version: 0,
            updated_at: None,
        }
    }

    fn is(&self, currency: &str, lines: &[BudgetLine]) -> bool {
        self.version > 0 && self.currency == currency && self.lines == lines
    }

    /// At most a hundred lines, none above the largest amount.
    pub fn total_cents(&self) -> i64 {
        self.lines.iter().map(|line| line.amount_cents).sum()
    }
}

fn lines_of(rows: Vec<LineRow>) -> Vec<BudgetLine> {
    let line = |row: LineRow| BudgetLine {
        category: CostCategory::parse(&row.category).unwrap_or(CostCategory::Other),
        amount_cents: row.amount_cents,
        note: row.note,
    };
    rows.into_iter().map(line).collect()
}

fn rows_of(lines: &[BudgetLine]) -> Vec<LineRow> {
    let row = |line: &BudgetLine| LineRow {
        category: line.category.as_str().to_owned(),
        amount_cents: line.amount_cents,
        note: line.note.clone(),
    };
    lines.iter().map(row).collect()
}

/// `version` is what the caller has read, 0 where there was nothing; none means 'whatever is there'.
fn require_version(read: Option<i32>, is: i32) -> AppResult<()> {
    match read {
        Some(read) if read != is => Err(Code::VersionMismatch.into()),
        _ => Ok(()),
    }
}

fn read_budget(conn: &mut DbConnection, organization: OrganizationId, year: i32) -> AppResult<Budget> {
    let Some(row) = store::find_budget(conn, organization, year)? else {
        return Ok(Budget::empty(DEFAULT_CURRENCY.to_owned()));
    };
    Ok(Budget {
        lines: lines_of(store::list_budget_lines(conn, organization, year)?),
        currency: row.currency,
        version: row.version,
        updated_at: Some(row.updated_at),
    })
}

/// For who sees what is spent there.
pub fn view_budget(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    year: i32,
) -> AppResult<Budget> {
    organizations::require(conn, ctx, organization, Right::View)?;
    read_budget(conn, organization, year)
}

/// The years that have a budget.
pub fn list_budgets(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    page: &Page<i32>,
) -> AppResult<Found<BudgetTotalRow>> {
    organizations::require(conn, ctx, organization, Right::View)?;
    Ok(store::list_budgets(conn, organization, page)?)
}

/// Writes a year's budget. The organization is held meanwhile, so that nothing is planned or spent in a currency that
/// this is about to change; what changes nothing leaves the version and the log alone.
pub fn write_budget(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    year: i32,
    version: Option<i32>,
    wanted: &WriteBudget,
) -> AppResult<Budget> {
    let organization = organizations::require_locked(conn, ctx, organization, Right::ManageCosts)?;
    let before = read_budget(conn, organization.id, year)?;
    require_version(version, before.version)?;
    let currency = wanted.currency.clone().unwrap_or_else(|| before.currency.clone());
    let (days, instants) = (days_of(year), year_of(conn, ctx, &organization, year)?);
    // What is as it was can be in nobody's way.
    if currency != before.currency
        && let Some(other) = store::find_other_currency(conn, organization.id, &currency, days, instants)?
    {
        return Err(other_currency(&other));
    }
    if !before.is(&currency, &wanted.lines) {
        let row = BudgetRow {
            organization_id: organization.id,
            year,
            tenant_id: organization.tenant_id,
            currency,
            version: before.version + 1,
            updated_at: ctx.now,
            updated_by: ctx.actor.account,
        };
        store::save_budget(conn, &row, &rows_of(&wanted.lines))?;
        let detail = json!({ "year": year, "currency": row.currency, "lines": wanted.lines });
        let (id, tenant) = (organization.id, organization.tenant_id);
        audit::record(
            conn,
            ctx,
            Entry::of("organization_budget.write", id.0, tenant, id, detail),
        )?;
    }
    read_budget(conn, organization.id, year)
}

/// The first instant of a year where the organization is, and that of the next one.
pub fn year_of(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: &OrganizationRow,
    year: i32,
) -> AppResult<(Instant, Instant)> {
    let zone = organizations::settings_of(conn, organization, &ctx.config.check_in)?.time_zone;
    let zone = local_time::zone(&zone);
    let (first, next) = days_of(year);
    let begin = |day: chrono::NaiveDate| local_time::end_of_day(day.pred_opt().unwrap_or(day), zone);
    Ok((begin(first), begin(next)))
}

/// The currency of an organization's year. The caller holds the organization, so that it stays.
pub fn require_currency(
    conn: &mut DbConnection,
    organization: OrganizationId,
    year: i32,
    wanted: Option<&str>,
) -> AppResult<String> {
    let row = store::find_budget(conn, organization, year)?;
    let currency = row.map_or_else(|| DEFAULT_CURRENCY.to_owned(), |row| row.currency);
    match wanted {
        Some(wanted) if wanted != currency => Err(other_currency(&currency)),
        _ => Ok(currency),
    }
}

fn other_currency(currency: &str) -> AppError {
    AppError::from(Code::OtherCurrency).with("currency", currency)
}

fn read_event_budget(conn: &mut DbConnection, event: &EventRow) -> AppResult<Budget> {
    let Some(row) = store::find_event_budget(conn, event.id)? else {
        let currency = require_currency(conn, event.organization_id, event_year(event), None)?;
        return Ok(Budget::empty(currency));
    };
    Ok(Budget {
        lines: lines_of(store::list_event_lines(conn, event.id)?),
        currency: row.currency,
        version: row.version,
        updated_at: Some(row.updated_at),
    })
}

/// The year in which it begins, where it is.
fn event_year(event: &EventRow) -> i32 {
    local_time::local_date(event.starts_at, local_time::zone(&event.time_zone)).year()
}

/// An event is to begin at another time: in a year with another currency than its plan's it cannot.
pub fn require_same_currency(conn: &mut DbConnection, before: &EventRow, after: &EventRow) -> AppResult<()> {
    if event_year(before) == event_year(after) {
        return Ok(());
    }
    match store::find_event_budget(conn, after.id)? {
        Some(plan) if !store::list_event_lines(conn, after.id)?.is_empty() => {
            let (organization, year) = (after.organization_id, event_year(after));
            require_currency(conn, organization, year, Some(&plan.currency)).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// For who sees what is spent there.
pub fn view_event_budget(conn: &mut DbConnection, ctx: &Ctx, event: EventId) -> AppResult<Budget> {
    let event = events::require_event(conn, ctx, event, Right::View)?;
    read_event_budget(conn, &event)
}

/// Writes what an event is planned to cost, until it is over.
pub fn write_event_budget(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    version: Option<i32>,
    wanted: &WriteBudget,
) -> AppResult<Budget> {
    let seen = events::require_event(conn, ctx, event, Right::ManageEvents)?;
    organizations::require_held(conn, ctx, seen.organization_id, Right::ManageEvents)?;
    let event = events::hold_to_manage(conn, ctx, event)?;
    if event.closed_at.is_some() {
        return Err(Code::EventOver.into());
    }
    let before = read_event_budget(conn, &event)?;
    require_version(version, before.version)?;
    let year = event_year(&event);
    let currency = require_currency(conn, event.organization_id, year, wanted.currency.as_deref())?;
    if !before.is(&currency, &wanted.lines) {
        let row = EventBudgetRow {
            event_id: event.id,
            tenant_id: event.tenant_id,
            currency,
            version: before.version + 1,
            updated_at: ctx.now,
            updated_by: ctx.actor.account,
        };
        store::save_event_budget(conn, &row, &rows_of(&wanted.lines))?;
        let detail = json!({ "currency": row.currency, "lines": wanted.lines });
        let (tenant, organization) = (event.tenant_id, event.organization_id);
        audit::record(
            conn,
            ctx,
            Entry::of("event_budget.write", event.id.0, tenant, organization, detail),
        )?;
    }
    read_event_budget(conn, &event)
}
