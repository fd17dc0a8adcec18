//! A year of an organization and all below it, added up by the database.

use std::collections::{BTreeMap, HashMap};

use chrono::Datelike;

use super::budgets::{require_currency, year_of};
use super::rules::{CostCategory, CurrencySums, Kind, Sums, days_of, roll_up};
use super::store::{self, CategorySum, OrganizationSum, SumRow};
use crate::app::Ctx;
use crate::organizations::{self, OrganizationId, OrganizationRow, Right, ids_of_path};
use crate::platform::db::{DbConnection, UuidList};
use crate::platform::error::{AppError, AppResult};
use crate::platform::local_time;

/// What was planned and spent, by currency.
#[derive(Debug, Clone)]
pub struct Totals {
    pub year: i32,
    /// The organization's own.
    pub currency: String,
    pub by_currency: BTreeMap<String, CurrencySums>,
}

/// Of the present year, if none is asked for.
pub fn view_totals(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    year: Option<i32>,
) -> AppResult<Totals> {
    let top = organizations::require(conn, ctx, organization, Right::View)?;
    let year = year_or_present(conn, ctx, &top, year)?;
    let below = organizations::ids_ever_below(conn, &top)?;
    let mut by_currency: BTreeMap<String, CurrencySums> = BTreeMap::new();
    let mut add = |row: CategorySum, is_above: bool| -> AppResult<()> {
        let kind = kind_of(&row.kind)?;
        let kind = if is_above { kind.seen_from_above() } else { kind };
        let category = CostCategory::parse(&row.part).unwrap_or(CostCategory::Other);
        by_currency
            .entry(row.currency)
            .or_default()
            .add(category, kind, row.cents);
        Ok(())
    };
    for row in sums_of(conn, ctx, &top, &[top.id], year)? {
        add(row, false)?;
    }
    let below: Vec<OrganizationId> = below.into_iter().filter(|id| *id != top.id).collect();
    for row in sums_of(conn, ctx, &top, &below, year)? {
        add(row, true)?;
    }
    let currency = require_currency(conn, top.id, year, None)?;
    by_currency.entry(currency.clone()).or_default();
    Ok(Totals {
        year,
        currency,
        by_currency,
    })
}

/// Everything that counts for a year of these organizations. The year of a plan is that of `top`.
fn sums_of<T: SumRow>(
    conn: &mut DbConnection,
    ctx: &Ctx,
    top: &OrganizationRow,
    organizations: &[OrganizationId],
    year: i32,
) -> AppResult<Vec<T>> {
    let organizations: UuidList = organizations.iter().copied().collect();
    let mut rows = store::sum_budgets(conn, &organizations, year)?;
    let instants = year_of(conn, ctx, top, year)?;
    rows.extend(store::sum_planned(conn, &organizations, instants)?);
    rows.extend(store::sum_expenses(conn, &organizations, days_of(year))?);
    Ok(rows)
}

fn kind_of(word: &str) -> AppResult<Kind> {
    Kind::parse(word).ok_or_else(|| AppError::internal("a sum of an unknown kind"))
}

fn year_or_present(
    conn: &mut DbConnection,
    ctx: &Ctx,
    top: &OrganizationRow,
    year: Option<i32>,
) -> AppResult<i32> {
    if let Some(year) = year {
        return Ok(year);
    }
    let zone = organizations::settings_of(conn, top, &ctx.config.check_in)?.time_zone;
    Ok(local_time::local_date(ctx.now, local_time::zone(&zone)).year())
}

/// What one organization, with all below it, has planned and spent in a year.
#[derive(Debug, Clone)]
pub struct OrganizationTotals {
    pub organization: OrganizationRow,
    /// Empty for one without a budget that has planned and spent nothing.
    pub by_currency: BTreeMap<String, Sums>,
}

/// The organization and each below it, in the order of their paths. What was put away is there if anything was spent.
pub fn list_totals(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    year: Option<i32>,
) -> AppResult<Vec<OrganizationTotals>> {
    let top = organizations::require(conn, ctx, organization, Right::View)?;
    let year = year_or_present(conn, ctx, &top, year)?;
    let nodes = organizations::subtree_ever(conn, &top)?;
    let ids: Vec<OrganizationId> = nodes.iter().map(|node| node.id).collect();
    let rows: Vec<OrganizationSum> = sums_of(conn, ctx, &top, &ids, year)?;
    let mut own = Vec::with_capacity(rows.len());
    for row in rows {
        own.push((row.part, row.currency, kind_of(&row.kind)?, row.cents));
    }
    let paths: HashMap<OrganizationId, &str> =
        nodes.iter().map(|node| (node.id, node.path.as_str())).collect();
    let line = |id: OrganizationId| {
        let path = paths.get(&id).copied().unwrap_or_default();
        ids_of_path(path).into_iter().map(OrganizationId).collect()
    };
    let mut sums = roll_up(own, line);
    let totals = |organization: OrganizationRow| OrganizationTotals {
        by_currency: sums.remove(&organization.id).unwrap_or_default(),
        organization,
    };
    let mut all: Vec<OrganizationTotals> = nodes.into_iter().map(totals).collect();
    all.retain(|one| one.organization.archived_at.is_none() || !one.by_currency.is_empty());
    Ok(all)
}
