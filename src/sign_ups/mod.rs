//! Sign-ups (報名): how people join an event whose places are limited. Sessions, quotas, the waiting list (候補), offers,
//! and the line they are given in: first come, first served. Who has a place when check-in opens is the roster.

mod changes;
mod commands;
mod desk;
mod draw;
mod export;
mod http;
mod lane;
mod lists;
mod policy;
mod rules;
mod service;
mod store;

pub use commands::{Quota, WriteSession, WriteSignUpPolicy};
pub use desk::hold_due_draw;
pub use http::configure;
pub use lane::{SignUpLane, start_lane};
pub use policy::{clone_policy, move_times, require_sessions_within, write_policy};
pub use rules::Question;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use actix_web::web;

use crate::app::{App, Ctx};
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::jobs::Jobs;

crate::id_types! {
    SignUpId,
    SignUpSessionId,
    SignUpStepId,
}

/// Who has a place, firmly: they are expected. No permission asked.
pub fn confirmed(conn: &mut DbConnection, event: EventId) -> AppResult<Vec<MemberId>> {
    Ok(store::list_confirmed(conn, event)?)
}

/// A session as one of its people comes to it.
#[derive(Debug, Clone)]
pub struct MemberSession {
    /// Empty for an event without sessions.
    pub name: String,
    /// None: the event's own.
    pub starts_at: Option<Instant>,
    pub ends_at: Option<Instant>,
}

/// The sessions in which these people have a place, firmly. No permission asked.
pub fn sessions_of(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> AppResult<HashMap<(EventId, MemberId), MemberSession>> {
    lists::sessions_of(conn, asked)
}

/// When those of these people come whose session begins at a time of its own. No permission asked.
pub fn session_starts(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> AppResult<HashMap<(EventId, MemberId), Instant>> {
    let events: Vec<EventId> = asked.iter().map(|(event, _)| *event).collect();
    // Most events have none, and a batch at the door need not ask for its people.
    if !policy::store::has_timed_sessions(conn, &events)? {
        return Ok(HashMap::new());
    }
    let sessions = lists::sessions_of(conn, asked)?.into_iter();
    Ok(sessions
        .filter_map(|(who, session)| Some((who, session.starts_at?)))
        .collect())
}

/// How often what a member has to do with each of these events has changed by its sign-up: the policy was written, they
/// signed up, or something became of that. Only ever more. No permission asked.
pub fn changes_of(
    conn: &mut DbConnection,
    member: MemberId,
    events: &[EventId],
) -> AppResult<HashMap<EventId, i32>> {
    let changes = store::list_changes(conn, member, events)?.into_iter();
    Ok(changes
        .map(|row| (row.event_id, i32::try_from(row.changes).unwrap_or(i32::MAX)))
        .collect())
}

/// What a member has signed up for of this tree that ends after that, and whether that sign-up has ended. No permission
/// asked.
pub fn of_events_after(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    member: MemberId,
    after: Instant,
) -> AppResult<Vec<(SignUpId, bool)>> {
    let rows = store::list_of_events_after(conn, tenant, member, after)?;
    Ok(rows.into_iter().map(|row| (row.id, row.has_ended)).collect())
}

/// When the last session of an event begins, where sessions have times of their own. No permission asked.
pub fn last_start(conn: &mut DbConnection, event: EventId) -> AppResult<Option<Instant>> {
    Ok(policy::store::last_start(conn, event)?)
}

/// Gives back what a member has of an event to which they will not come, for this reason; nothing once the roster is
/// fixed. No permission asked.
pub fn give_back(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    member: MemberId,
    reason: &str,
) -> AppResult<()> {
    service::leave(conn, ctx, &[event], member, reason)
}

/// The same for all events of a tenant that are to come.
pub fn give_back_all(
    conn: &mut DbConnection,
    ctx: &Ctx,
    tenant: OrganizationId,
    member: MemberId,
    reason: &str,
) -> AppResult<()> {
    let open = policy::store::list_open(conn, tenant)?;
    service::leave(conn, ctx, &open, member, reason)
}

/// Who has a place, waits for one, or is in the draw. No permission asked.
pub fn standing_members(conn: &mut DbConnection, event: EventId) -> AppResult<Vec<MemberId>> {
    Ok(store::list_standing_members(conn, event)?)
}

/// Which of these people have a place at which of these events. No permission asked.
pub fn placed(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> AppResult<HashSet<(EventId, MemberId)>> {
    let rows = store::list_of(conn, asked)?;
    let confirmed = rows
        .into_iter()
        .filter(|row| row.status == rules::Status::Confirmed.as_str());
    Ok(confirmed.map(|row| (row.event_id, row.member_id)).collect())
}

/// A draw is held, and an offer that nobody answers goes on, within seconds of its time, even when nobody looks.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let app = app.clone();
    jobs.every("settle sign-ups", Duration::from_secs(5), move || {
        let app = app.clone();
        async move {
            let now = app.clock.now();
            let due = move |conn: &mut _| Ok(policy::store::list_due(conn, now)?);
            for event in app.db.read_fresh(due).await? {
                let ids = app.ids.clone();
                let settle = move |conn: &mut _| service::settle_lapsed(conn, &ids, now, event);
                if let Err(error) = app.db.write_long(settle).await {
                    tracing::warn!(%event, %error, "cannot settle sign-ups; the next run tries again");
                }
            }
            Ok(())
        }
    });
}
