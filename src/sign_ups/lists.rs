//! What is shown of sign-ups: one's own, one with its history, an event's list, and an event's terms with its numbers.

use std::collections::HashMap;

use super::desk::{questions_of, terms_of};
use super::policy::store::{self as policies, Policy, PolicyRow, QuotaRow, SessionRow};
use super::rules::{Question, Status, Terms};
use super::store::{self, SignUpFilter, SignUpRow, StepRow};
use super::{MemberSession, SignUpId, SignUpSessionId};
use crate::app::Ctx;
use crate::attendance;
use crate::events::{self, EventId, EventRow};
use crate::members::{self, MemberId};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Permitted};
use crate::platform::page::{Found, Page};

/// A sign-up as it is shown.
#[derive(Debug, Clone)]
pub struct Shown {
    pub row: SignUpRow,
    pub status: Status,
    /// 1: the first in line. Only of who waits.
    pub place_in_line: Option<i64>,
}

pub fn show(conn: &mut DbConnection, ctx: &Ctx, event: &EventRow, row: SignUpRow) -> AppResult<Shown> {
    let came = attendance::came(conn, &[(event.id, row.member_id)])?;
    let over = attendance::is_over(event, ctx.now);
    let status = row.status(ctx.now).shown(!came.is_empty(), over);
    let place_in_line = match status {
        Status::Waitlisted => Some(store::count_ahead(conn, row.session_id, row.seq)? + 1),
        _ => None,
    };
    Ok(Shown {
        row,
        status,
        place_in_line,
    })
}

/// Somebody further back in line got a place, because the quota of whoever stood here was full.
#[derive(Debug, Clone)]
pub struct PassedOver {
    pub at: Instant,
    pub quota: OrganizationId,
}

/// What happened to a sign-up.
#[derive(Debug, Clone)]
pub struct History {
    pub steps: Vec<StepRow>,
    pub passed_over: Vec<PassedOver>,
}

/// My newest sign-up for an event, whatever became of it.
pub fn find_mine(conn: &mut DbConnection, ctx: &Ctx, event: EventId) -> AppResult<Shown> {
    let row = store::find_newest(conn, event, ctx.actor.member()?)?.ok_or_else(AppError::not_found)?;
    let event = events::find_event(conn, event)?;
    show(conn, ctx, &event, row)
}

/// What somebody is told whom an event does not expect: to them it may be something to look at (403), or nothing (404).
pub fn why_not(conn: &mut DbConnection, ctx: &Ctx, event: EventId) -> AppResult<AppError> {
    events::view_event_row(conn, ctx, event)?;
    Ok(AppError::forbidden())
}

/// One sign-up with its history: for the member, for who views the member, and for who views the event.
pub fn view(conn: &mut DbConnection, ctx: &Ctx, id: SignUpId) -> AppResult<(Shown, History)> {
    let row = store::find_sign_up(conn, id)?.ok_or_else(AppError::not_found)?;
    let is_mine = ctx.actor.account == row.member_id.into();
    let may = is_mine
        || events::require_event(conn, ctx, row.event_id, Right::View)
            .permitted()?
            .is_some()
        || members::require_member(conn, ctx, row.member_id, Right::View)
            .permitted()?
            .is_some();
    if !may {
        return Err(AppError::not_found());
    }
    let steps = store::list_steps(conn, row.id)?;
    let mut passing = Vec::new();
    if let Some(quota) = row.quota_id {
        let until = waited_until(&row, &steps);
        let steps = store::list_passing(conn, (row.session_id, quota), row.seq, row.received_at, until)?;
        passing.extend(steps.iter().map(|step| PassedOver { at: step.at, quota }));
    }
    let history = History {
        passed_over: passing,
        steps,
    };
    let event = events::find_event(conn, row.event_id)?;
    Ok((show(conn, ctx, &event, row)?, history))
}

/// Once they had a place, or were offered one, nobody passed them.
fn waited_until(row: &SignUpRow, steps: &[StepRow]) -> Option<Instant> {
    let first = steps
        .iter()
        .find(|step| ["offered", "promoted"].contains(&step.step.as_str()));
    first.map(|step| step.at).or(row.confirmed_at).or(row.ended_at)
}

pub fn sessions_of(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> AppResult<HashMap<(EventId, MemberId), MemberSession>> {
    let mut placed = store::list_of(conn, asked)?;
    placed.retain(|row| row.status == Status::Confirmed.as_str());
    if placed.is_empty() {
        return Ok(HashMap::new());
    }
    let events: Vec<EventId> = placed.iter().map(|row| row.event_id).collect();
    let policies = policies::list_policies(conn, &events)?;
    let session_of = |row: &SignUpRow| {
        let policy = policies
            .iter()
            .find(|policy| policy.row.event_id == row.event_id)?;
        let session = policy
            .sessions
            .iter()
            .find(|session| session.id == row.session_id)?;
        let session = MemberSession {
            name: session.name.clone(),
            starts_at: session.starts_at,
            ends_at: session.ends_at,
        };
        Some(((row.event_id, row.member_id), session))
    };
    Ok(placed.iter().filter_map(session_of).collect())
}

/// What a client may narrow the list to.
#[derive(Debug, Clone)]
pub struct ListSignUps {
    pub event: EventId,
    pub status: Option<Status>,
    pub session: Option<SignUpSessionId>,
    pub page: Page<i64>,
}

/// A line of an event's list.
#[derive(Debug, Clone)]
pub struct Listed {
    pub row: SignUpRow,
    pub status: Status,
    /// 1: the first in line. Only of who waits.
    pub place_in_line: Option<i64>,
    pub name: String,
    pub organization_name: String,
}

/// The sign-ups of an event, in order of arrival: all for who views the event; for who views some of the people called,
/// theirs.
pub fn list(conn: &mut DbConnection, ctx: &Ctx, asked: &ListSignUps) -> AppResult<Found<Listed>> {
    let event = events::view_event_row(conn, ctx, asked.event)?;
    let sees_all = events::require_event(conn, ctx, asked.event, Right::View)
        .permitted()?
        .is_some();
    if !sees_all && !events::calls_my_people(conn, ctx, asked.event)? {
        return Err(AppError::forbidden());
    }
    let own = organizations::ids_with_right(conn, ctx, Right::View)?;
    let filter = SignUpFilter {
        event: asked.event,
        organizations: if sees_all { None } else { own },
        // What is not stored is asked for as what it was.
        status: asked.status,
        session: asked.session,
        page: asked.page.clone(),
    };
    let found = store::list_sign_ups(conn, &filter)?;
    Ok(Found {
        rows: with_names(conn, ctx, &event, found.rows)?,
        count: found.count,
    })
}

fn with_names(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    rows: Vec<SignUpRow>,
) -> AppResult<Vec<Listed>> {
    let people: Vec<MemberId> = rows.iter().map(|row| row.member_id).collect();
    let homes: Vec<OrganizationId> = rows.iter().map(|row| row.organization_id).collect();
    let pairs: Vec<_> = people.iter().map(|member| (event.id, *member)).collect();
    let came = attendance::came(conn, &pairs)?;
    let over = attendance::is_over(event, ctx.now);
    let people = members::briefs(conn, &people)?;
    let homes = organizations::names(conn, &homes)?;
    let places = places_in_line(conn, &rows)?;
    let listed = |row: SignUpRow| Listed {
        place_in_line: places.get(&row.id).copied(),
        status: row
            .status(ctx.now)
            .shown(came.contains(&(event.id, row.member_id)), over),
        name: people
            .get(&row.member_id)
            .map(|person| person.name.clone())
            .unwrap_or_default(),
        organization_name: homes.get(&row.organization_id).cloned().unwrap_or_default(),
        row,
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// Where those of these rows stand that wait: two queries for each session that somebody waits for.
fn places_in_line(conn: &mut DbConnection, rows: &[SignUpRow]) -> AppResult<HashMap<SignUpId, i64>> {
    let mut lines: HashMap<SignUpSessionId, (i64, i64)> = HashMap::new();
    let waits = |row: &&SignUpRow| row.status == Status::Waitlisted.as_str();
    for row in rows.iter().filter(waits) {
        let (first, last) = lines.entry(row.session_id).or_insert((row.seq, row.seq));
        (*first, *last) = (row.seq.min(*first), row.seq.max(*last));
    }
    let mut places = HashMap::new();
    for (session, (first, last)) in lines {
        let ahead = store::count_ahead(conn, session, first)?;
        let waiting = store::list_waiting(conn, session, first, last)?;
        places.extend(waiting.into_iter().zip(ahead + 1..));
    }
    Ok(places)
}

/// The entries of a draw that was held, in its order, for everybody who sees the event: no names, and no organization
/// out of the reader's sight, so that it can be told to all who were in it.
pub fn list_drawn(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    page: &Page<i32>,
) -> AppResult<Found<SignUpRow>> {
    events::view_event_row(conn, ctx, event)?;
    let mut found = store::list_drawn(conn, event, page)?;
    let quotas: Vec<OrganizationId> = found.rows.iter().filter_map(|row| row.quota_id).collect();
    let seen = organizations::in_sight(conn, ctx, &quotas)?;
    for row in &mut found.rows {
        row.quota_id = row.quota_id.filter(|quota| seen.contains(quota));
    }
    Ok(found)
}

/// How people sign up for an event, and how many have.
#[derive(Debug, Clone)]
pub struct FullPolicy {
    pub row: PolicyRow,
    pub questions: Vec<Question>,
    pub terms: Terms,
    /// The event's.
    pub time_zone: String,
    pub sessions: Vec<SessionRow>,
    pub quotas: Vec<(QuotaRow, String)>,
}

/// For everybody who sees the event; of its quotas only those of organizations that they see.
pub fn view_policy(conn: &mut DbConnection, ctx: &Ctx, event: EventId) -> AppResult<FullPolicy> {
    let event = events::view_event_row(conn, ctx, event)?;
    let mut policy = find_policy(conn, &event)?.ok_or_else(AppError::not_found)?;
    let sees_all = events::require_event(conn, ctx, event.id, Right::View).permitted()?;
    if sees_all.is_none() {
        let ids: Vec<_> = policy.quotas.iter().map(|(row, _)| row.organization_id).collect();
        let seen = organizations::in_sight(conn, ctx, &ids)?;
        policy
            .quotas
            .retain(|(row, _)| seen.contains(&row.organization_id));
    }
    Ok(policy)
}

/// No permission asked.
pub fn find_policy(conn: &mut DbConnection, event: &EventRow) -> AppResult<Option<FullPolicy>> {
    let Some(policy) = policies::find_policy(conn, event.id)? else {
        return Ok(None);
    };
    let Policy {
        row,
        sessions,
        quotas,
    } = policy;
    let ids: Vec<OrganizationId> = quotas.iter().map(|row| row.organization_id).collect();
    let mut names: HashMap<OrganizationId, String> = organizations::names(conn, &ids)?;
    let named = |row: QuotaRow| {
        let name = names.remove(&row.organization_id).unwrap_or_default();
        (row, name)
    };
    Ok(Some(FullPolicy {
        questions: questions_of(&row)?,
        terms: terms_of(event, &row),
        time_zone: event.time_zone.clone(),
        sessions,
        quotas: quotas.into_iter().map(named).collect(),
        row,
    }))
}
