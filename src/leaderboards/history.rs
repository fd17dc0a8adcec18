//! Periods that are over become final: their standings are kept as they were, and no late entry changes them.

use chrono::{Days, NaiveDate};

use super::rules::{Period, Span};
use super::service;
use super::store;
use crate::app::App;
use crate::organizations::{self, OrganizationRow};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::local_time;

/// Days after a period's end in which phones that were offline may still report: the study's own backlog is longer, but few
/// wait so long.
const SETTLING_DAYS: u64 = 3;
/// What ended longer ago than this when a tree is first looked at stays as it is.
const LOOK_BACK_DAYS: u64 = 40;

/// Makes final what has been over for some days: each period of each tree in a transaction of its own.
pub async fn close_periods(app: &App) -> AppResult<()> {
    let now = app.clock.now();
    let due = app.db.read(move |conn| list_due(conn, now)).await?;
    for (tree, period) in due {
        let ids = app.ids.clone();
        let close = move |conn: &mut DbConnection| {
            let is_new = store::insert_results(conn, tree, period, now)?;
            if is_new {
                service::settings_changed(conn, &ids, now, tree, tree)?;
            }
            Ok(is_new)
        };
        if app.db.write_long(close).await? {
            app.permits.forget(tree);
            tracing::info!(tenant = %tree, span = period.span.as_str(), starts_on = %period.starts_on, "standings are final");
        }
    }
    Ok(())
}

fn list_due(
    conn: &mut DbConnection,
    now: Instant,
) -> AppResult<Vec<(organizations::OrganizationId, Period)>> {
    let mut due = Vec::new();
    for tree in organizations::trees(conn)? {
        let today = today_of(&tree, now);
        for span in Span::ENDING {
            let last = store::find_last_period(conn, tree.id, span)?;
            let mut next = match last {
                Some(starts_on) => Period { span, starts_on }.next(),
                None => Some(Period::of(span, first_day(&tree, today))),
            };
            while let Some(period) = next.filter(|period| has_settled(*period, today)) {
                due.push((tree.id, period));
                next = period.next();
            }
        }
    }
    Ok(due)
}

fn today_of(tree: &OrganizationRow, at: Instant) -> NaiveDate {
    local_time::local_date(at, organizations::tree_zone(tree.time_zone.as_deref()))
}

fn first_day(tree: &OrganizationRow, today: NaiveDate) -> NaiveDate {
    let made_on = today_of(tree, tree.created_at);
    let back = today.checked_sub_days(Days::new(LOOK_BACK_DAYS)).unwrap_or(today);
    made_on.max(back)
}

fn has_settled(period: Period, today: NaiveDate) -> bool {
    let settled = period
        .ends_before()
        .and_then(|end| end.checked_add_days(Days::new(SETTLING_DAYS)));
    settled.is_some_and(|day| day <= today)
}
