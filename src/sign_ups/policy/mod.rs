//! How people sign up for an event: written by who manages it, before and while people sign up.

pub mod store;

use std::collections::HashSet;

use chrono::TimeDelta;
use serde_json::json;

use self::store::{Policy, PolicyRow, QuotaRow, SessionRow};
use super::commands::{Quota, WriteSession, WriteSignUpPolicy};
use super::desk::{Desk, questions_of};
use super::lists::{self, FullPolicy};
use super::{draw, store as sign_ups};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::text::Problems;

/// Writes the policy whole, and says whether it is new. The first one turns a draft into an event that people sign up
/// for. Afterwards places may become more, or as few as are taken; what people have answered stays asked.
/// `version` is what the caller has read, 0 where there was none; none means 'whatever is there'.
pub fn write_policy(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    version: Option<i32>,
    wanted: &WriteSignUpPolicy,
) -> AppResult<(FullPolicy, bool)> {
    let mut event = events::hold_to_manage(conn, ctx, event)?;
    if event.closed_at.is_some() {
        return Err(Code::EventOver.into());
    }
    let is_open = event.status == "published" && event.check_in_opens_at <= ctx.now;
    if is_open || event.roster_frozen_at.is_some() {
        return Err(Code::RosterFrozen.into());
    }
    let mut before = store::find_policy(conn, event.id)?;
    if before.is_some() {
        // Settled first, so that nothing below undoes what a draw or an offer's end does.
        Desk::open(conn, &ctx.ids, ctx.now, event.id)?.close(conn, &ctx.ids, ctx.now)?;
        before = store::find_policy(conn, event.id)?;
    }
    if version.is_some_and(|version| version != before.as_ref().map_or(0, |policy| policy.row.version)) {
        return Err(Code::VersionMismatch.into());
    }
    require_quotas(conn, ctx, &event, wanted)?;
    require_within(&event, &wanted.sessions)?;
    if wanted.draw_at.is_some_and(|at| at >= event.check_in_opens_at) {
        let message = "is not before check-in opens";
        return Err(AppError::invalid_field("/draw_at", "too_late", message));
    }
    let is_new = before.is_none();
    let sessions = if let Some(before) = before {
        change_policy(conn, ctx, &event, &before, wanted)?;
        before.sessions
    } else {
        events::admit_by_sign_up(conn, ctx, &mut event)?;
        let row = new_policy(ctx, &event, wanted);
        store::insert_policy(conn, &row)?;
        replace_quotas(conn, &event, wanted, &[])?;
        Vec::new()
    };
    write_sessions(conn, ctx, &event, &sessions, wanted)?;
    let last_start = wanted
        .sessions
        .iter()
        .filter_map(|session| session.starts_at)
        .max();
    events::keep_check_in_open(conn, ctx, &mut event, last_start)?;
    let mut desk = Desk::open(conn, &ctx.ids, ctx.now, event.id)?;
    desk.fill(conn, &ctx.ids, ctx.now)?;
    desk.close(conn, &ctx.ids, ctx.now)?;
    note(conn, ctx, &event, wanted)?;
    let written = lists::find_policy(conn, &event)?.ok_or(Code::NoSignUp)?;
    Ok((written, is_new))
}

/// Gives an event's new copy the same policy, with times so much later. Nothing when nobody signs up for the event.
pub fn clone_policy(
    conn: &mut DbConnection,
    ctx: &Ctx,
    from: EventId,
    to: EventId,
    later_s: i64,
) -> AppResult<()> {
    let Some(Policy {
        row,
        sessions,
        quotas,
    }) = store::find_policy(conn, from)?
    else {
        return Ok(());
    };
    let later = |at: Option<Instant>| at.map(|at| at.plus_s(later_s));
    let whole = sessions.iter().find(|session| session.name.is_empty());
    let session = |session: &SessionRow| WriteSession {
        id: None,
        name: session.name.clone(),
        starts_at: later(session.starts_at),
        ends_at: later(session.ends_at),
        capacity: session.capacity,
    };
    let quota = |quota: &QuotaRow| Quota {
        organization_id: quota.organization_id,
        places: quota.places,
    };
    let wanted = WriteSignUpPolicy {
        capacity: whole.and_then(|session| session.capacity),
        sessions: sessions
            .iter()
            .filter(|session| !session.name.is_empty())
            .map(session)
            .collect(),
        quotas: quotas.iter().map(quota).collect(),
        opens_at: later(row.opens_at),
        closes_at: later(row.closes_at),
        cancel_until: later(row.cancel_until),
        draw_at: later(row.draw_at),
        offer_s: row.offer_s,
        waiting_limit: row.waiting_limit,
        questions: questions_of(&row)?,
    };
    write_policy(conn, ctx, to, None, &wanted).map(|_| ())
}

/// All times of an event's sign-up are moved as far as the event is: sessions, the opening, the ends, and a draw that was
/// not held yet. What would end before now by that ends when it did, and at the latest when check-in opens.
pub fn move_times(conn: &mut DbConnection, ctx: &Ctx, event: EventId, by: TimeDelta) -> AppResult<()> {
    if by.is_zero() {
        return Ok(());
    }
    let Some(Policy {
        mut row, sessions, ..
    }) = store::find_policy(conn, event)?
    else {
        return Ok(());
    };
    let moved = |at: Option<Instant>| at.map(|at| at.plus_s(by.num_seconds()));
    let end = |at: Option<Instant>| moved(at).filter(|to| *to > ctx.now).or(at);
    let before = row.clone();
    if row.opens_at.is_some_and(|at| at > ctx.now) {
        row.opens_at = moved(row.opens_at);
    }
    row.closes_at = end(row.closes_at);
    row.cancel_until = end(row.cancel_until);
    if row.drawn_at.is_none() {
        row.draw_at = end(row.draw_at);
    }
    let timed = |session: &SessionRow| session.starts_at.is_some() || session.ends_at.is_some();
    let timed: Vec<SessionRow> = sessions.into_iter().filter(timed).collect();
    if timed.is_empty() && row == before {
        return Ok(());
    }
    for session in timed {
        let session = SessionRow {
            starts_at: moved(session.starts_at),
            ends_at: moved(session.ends_at),
            ..session
        };
        store::update_session(conn, &session)?;
    }
    // Whoever has read the times of before does not write them back.
    row.version += 1;
    row.updated_at = ctx.now;
    store::update_policy(conn, &row)?;
    Ok(())
}

fn new_policy(ctx: &Ctx, event: &EventRow, wanted: &WriteSignUpPolicy) -> PolicyRow {
    PolicyRow {
        event_id: event.id,
        tenant_id: event.tenant_id,
        opens_at: wanted.opens_at,
        closes_at: wanted.closes_at,
        cancel_until: wanted.cancel_until,
        offer_s: wanted.offer_s,
        waiting_limit: wanted.waiting_limit,
        questions: Json(json!(wanted.questions)),
        draw_at: wanted.draw_at,
        draw_seed: wanted.draw_at.map(|_| draw::new_seed()),
        drawn_at: None,
        last_seq: 0,
        next_lapse_at: None,
        version: 1,
        created_at: ctx.now,
        updated_at: ctx.now,
    }
}

/// A quota is for people whom the event can call: of its tree, and in the actor's sight.
fn require_quotas(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    wanted: &WriteSignUpPolicy,
) -> AppResult<()> {
    let ids: Vec<OrganizationId> = wanted.quotas.iter().map(|quota| quota.organization_id).collect();
    organizations::require_of_tree(conn, ctx, event.tenant_id, &ids, &[], Right::ManageEvents)
}

/// Sessions are parts of the event.
fn require_within(event: &EventRow, sessions: &[WriteSession]) -> AppResult<()> {
    let mut problems = Problems::default();
    for (nth, session) in sessions.iter().enumerate() {
        for (field, at) in [("starts_at", session.starts_at), ("ends_at", session.ends_at)] {
            if at.is_some_and(|at| at < event.starts_at || at > event.ends_at) {
                problems.add(
                    format!("/sessions/{nth}/{field}"),
                    "outside_event",
                    "is outside the event's own times",
                );
            }
        }
    }
    problems.into_result()
}

/// The event has other times now, and its sessions were moved with it: none of them may be left outside.
pub fn require_sessions_within(conn: &mut DbConnection, event: &EventRow) -> AppResult<()> {
    let Some(Policy { sessions, .. }) = store::find_policy(conn, event.id)? else {
        return Ok(());
    };
    let is_outside = |at: Option<Instant>| at.is_some_and(|at| at < event.starts_at || at > event.ends_at);
    match sessions
        .iter()
        .find(|session| is_outside(session.starts_at) || is_outside(session.ends_at))
    {
        Some(session) => {
            let message = format!("would leave the session {:?} outside the event", session.name);
            Err(AppError::invalid_field("/ends_at", "leaves_out_session", message))
        }
        None => Ok(()),
    }
}

fn change_policy(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    Policy {
        row: before, quotas, ..
    }: &Policy,
    wanted: &WriteSignUpPolicy,
) -> AppResult<()> {
    let limited: HashSet<_> = quotas.iter().map(|row| row.organization_id).collect();
    let to_limit: HashSet<_> = wanted.quotas.iter().map(|quota| quota.organization_id).collect();
    let asks_the_same = questions_of(before)? == wanted.questions;
    // The day of a draw may be moved; that there is one may not, nor what it has decided.
    let draws_the_same = before.draw_at.is_some() == wanted.draw_at.is_some()
        && (before.drawn_at.is_none() || before.draw_at == wanted.draw_at);
    let is_same = limited == to_limit && asks_the_same && draws_the_same;
    if !is_same && sign_ups::has_sign_ups(conn, event.id)? {
        return Err(Code::SignUpsBegun.into());
    }
    replace_quotas(conn, event, wanted, quotas)?;
    let new = new_policy(ctx, event, wanted);
    // One that was held without an entry, and is to be held again, is another draw: its seed is known to everybody.
    let is_that_draw = before.drawn_at.is_none() || before.draw_at == wanted.draw_at;
    let row = PolicyRow {
        // What was promised before the first entry stands.
        draw_seed: before
            .draw_seed
            .clone()
            .filter(|_| wanted.draw_at.is_some() && is_that_draw)
            .or(new.draw_seed.clone()),
        drawn_at: before.drawn_at.filter(|_| is_that_draw),
        last_seq: before.last_seq,
        next_lapse_at: before.next_lapse_at,
        version: before.version + 1,
        created_at: before.created_at,
        ..new
    };
    store::update_policy(conn, &row)?;
    Ok(())
}

fn replace_quotas(
    conn: &mut DbConnection,
    event: &EventRow,
    wanted: &WriteSignUpPolicy,
    before: &[QuotaRow],
) -> AppResult<()> {
    store::delete_quotas(conn, event.id)?;
    for quota in &wanted.quotas {
        let had = before
            .iter()
            .find(|row| row.organization_id == quota.organization_id);
        let taken = had.map_or(0, |row| row.taken);
        if quota.places < taken {
            let error = AppError::from(Code::CapacityBelowTaken).with("taken", taken);
            return Err(error.with("organization_id", quota.organization_id));
        }
        let row = QuotaRow {
            event_id: event.id,
            organization_id: quota.organization_id,
            tenant_id: event.tenant_id,
            places: quota.places,
            taken,
        };
        store::insert_quota(conn, &row)?;
    }
    Ok(())
}

/// Sessions are known again by their id; that of an event without sessions by having no name.
fn write_sessions(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    before: &[SessionRow],
    wanted: &WriteSignUpPolicy,
) -> AppResult<()> {
    let unnamed = before.iter().find(|row| row.name.is_empty());
    let whole = [WriteSession {
        id: unnamed.map(|row| row.id),
        name: String::new(),
        starts_at: None,
        ends_at: None,
        capacity: wanted.capacity,
    }];
    let sessions = if wanted.sessions.is_empty() {
        &whole
    } else {
        wanted.sessions.as_slice()
    };
    for row in before
        .iter()
        .filter(|row| sessions.iter().all(|other| other.id != Some(row.id)))
    {
        if sign_ups::has_of_session(conn, event.id, row.id)? {
            return Err(AppError::from(Code::SessionInUse).with("session_id", row.id));
        }
        store::delete_session(conn, row.id)?;
    }
    for (position, session) in (0i32..).zip(sessions) {
        write_session(conn, ctx, event, before, position, session)?;
    }
    Ok(())
}

fn write_session(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    before: &[SessionRow],
    position: i32,
    wanted: &WriteSession,
) -> AppResult<()> {
    let had = before.iter().find(|row| Some(row.id) == wanted.id);
    if wanted.id.is_some() && had.is_none() {
        let field = format!("/sessions/{position}/id");
        return Err(AppError::invalid_field(
            &field,
            "unknown",
            "is no session of this event",
        ));
    }
    let row = SessionRow {
        id: had.map_or_else(|| ctx.ids.make(), |row| row.id),
        event_id: event.id,
        tenant_id: event.tenant_id,
        position,
        name: wanted.name.clone(),
        starts_at: wanted.starts_at,
        ends_at: wanted.ends_at,
        capacity: wanted.capacity,
        taken: had.map_or(0, |row| row.taken),
        waiting: had.map_or(0, |row| row.waiting),
    };
    if row.capacity.is_some_and(|capacity| capacity < row.taken) {
        let error = AppError::from(Code::CapacityBelowTaken).with("taken", row.taken);
        return Err(error.with("session_id", row.id));
    }
    match had {
        Some(_) => store::update_session(conn, &row)?,
        None => store::insert_session(conn, &row)?,
    };
    Ok(())
}

fn note(conn: &mut DbConnection, ctx: &Ctx, event: &EventRow, wanted: &WriteSignUpPolicy) -> AppResult<()> {
    let places: Vec<_> = wanted
        .sessions
        .iter()
        .map(|session| json!({ "name": session.name, "capacity": session.capacity }))
        .collect();
    let detail = json!({
        "capacity": wanted.capacity, "sessions": places, "quotas": wanted.quotas, "opens_at": wanted.opens_at,
        "closes_at": wanted.closes_at, "cancel_until": wanted.cancel_until, "draw_at": wanted.draw_at,
        "offer_s": wanted.offer_s, "waiting_limit": wanted.waiting_limit, "questions": wanted.questions,
    });
    let entry = Entry::of(
        "sign_up_policy.write",
        event.id.0,
        event.tenant_id,
        event.organization_id,
        detail,
    );
    audit::record(conn, ctx, entry)
}
