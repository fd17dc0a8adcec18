//! Lists of events, and what a phone must know to keep its own list up to date.

use super::EventId;
use super::rules::Form;
use super::service::attendee;
use super::store::{self, Attendee, EventFilter, EventRow};
use super::sync::{LATENESS_S, SyncToken};
use crate::app::Ctx;
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppResult, Code};
use crate::platform::page::{Found, Page};
use crate::sign_ups;

/// An event and what it counts as.
pub type Listed = (EventRow, Vec<Form>);

/// What a client may narrow the list of events to.
#[derive(Debug, Clone, Default)]
pub struct ListEvents {
    pub check_in_open: bool,
    pub published: bool,
    pub form: Option<Form>,
    pub from: Option<Instant>,
    pub to: Option<Instant>,
    pub organization: Option<OrganizationId>,
    pub mine: bool,
    /// Only what has changed since the list that gave this token.
    pub updated_since: Option<SyncToken>,
    pub page: Page<(Instant, EventId)>,
}

/// The events, and with the first page of my own the token that asks for what changes from now on.
pub fn list_events(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &ListEvents,
) -> AppResult<(Found<Listed>, Option<SyncToken>)> {
    let known = asked.updated_since.as_ref();
    let filter = EventFilter {
        tenant: ctx.actor.tenant,
        managed: organizations::reach(conn, ctx, Right::View)?,
        member: attendee(conn, ctx)?,
        mine: asked.mine,
        organizations: organizations::narrowed(conn, ctx, asked.organization)?,
        form: asked.form.map(Form::as_str),
        from: asked.from,
        to: asked.to,
        published: asked.published,
        open_at: asked.check_in_open.then_some(ctx.now),
        updated_from: known.and_then(|token| token.at).map(|at| at.plus_s(-LATENESS_S)),
        page: asked.page.clone(),
    };
    let token = match &filter.member {
        Some(who) if asked.mine => Some(next_token(conn, ctx.now, &filter, who, known)?),
        _ => None,
    };
    let found = store::list_events(conn, &filter)?;
    let rows = with_forms(conn, found.rows)?;
    let count = found.count;
    Ok((
        Found { rows, count },
        token.filter(|_| asked.page.after.is_none()),
    ))
}

/// A list by a token holds only for the same person in the same place: who has been transferred, even there and back,
/// or may have been taken off an event since, must read the whole list again, for a list of changes cannot name what is gone.
/// So must who has signed up, or whose sign-up has ended: that changes no event.
fn next_token(
    conn: &mut DbConnection,
    now: Instant,
    filter: &EventFilter,
    who: &Attendee,
    known: Option<&SyncToken>,
) -> AppResult<SyncToken> {
    let audiences = match filter.tenant {
        Some(tenant) => store::sum_audience_versions(conn, tenant)?,
        None => 0,
    };
    let at = store::last_change(conn, filter)?.or(known.and_then(|known| known.at));
    let mut token = |since| {
        let sign_ups = match filter.tenant {
            Some(tenant) => sign_ups::of_events_after(conn, tenant, who.id, since)?,
            None => Vec::new(),
        };
        AppResult::Ok(SyncToken::new(at, who, audiences, since, &sign_ups))
    };
    let next = token(SyncToken::begin_of_period(now))?;
    let Some(known) = known else { return Ok(next) };
    let since = known.since.ok_or(Code::SyncTokenOutdated)?;
    let is_same = match next.since == known.since {
        true => next.audience == known.audience,
        false => token(since)?.audience == known.audience,
    };
    if is_same {
        Ok(next)
    } else {
        Err(Code::SyncTokenOutdated.into())
    }
}

/// The events of these organizations whose check-in is open now, soonest first. No permission asked.
pub fn list_open(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organizations: Vec<OrganizationId>,
    page: &Page<(Instant, EventId)>,
) -> AppResult<Found<EventRow>> {
    let filter = EventFilter {
        organizations: Some(organizations),
        open_at: Some(ctx.now),
        page: page.clone(),
        ..EventFilter::default()
    };
    Ok(store::list_events(conn, &filter)?)
}

/// The first `most` published events I am expected at that are not over, soonest first.
pub fn list_mine_from_now(conn: &mut DbConnection, ctx: &Ctx, most: usize) -> AppResult<Vec<Listed>> {
    let filter = EventFilter {
        tenant: ctx.actor.tenant,
        member: attendee(conn, ctx)?,
        mine: true,
        published: true,
        from: Some(ctx.now),
        page: Page::first(most),
        ..EventFilter::default()
    };
    let found = store::list_events(conn, &filter)?;
    with_forms(conn, found.rows)
}

fn with_forms(conn: &mut DbConnection, rows: Vec<EventRow>) -> AppResult<Vec<Listed>> {
    let ids: Vec<EventId> = rows.iter().map(|row| row.id).collect();
    let forms = store::list_forms(conn, &ids)?;
    let of = |id: EventId| {
        forms
            .iter()
            .filter(|(e, _)| *e == id)
            .filter_map(|(_, f)| Form::parse(f))
            .collect()
    };
    Ok(rows
        .into_iter()
        .map(|row| (of(row.id), row))
        .map(|(forms, row)| (row, forms))
        .collect())
}
