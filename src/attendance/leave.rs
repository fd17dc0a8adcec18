//! Leave (請假): asked before the event, decided by the organiser, who may change their mind until the event is closed.

use serde_json::json;

use super::LeaveRequestId;
use super::service::note;
use super::store::{self, CheckInRow, LeaveRow};
use crate::app::Ctx;
use crate::events::{self, EventId, EventRow};
use crate::members::MemberId;
use crate::organizations::Right;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Conflict, Permitted};
use crate::platform::page::{Found, Page};
use crate::sign_ups;

/// What became of asking.
pub enum Asked {
    Requested(LeaveRow),
    /// Whoever is there needs no leave.
    Came(CheckInRow),
}

/// A member asks for leave, before the event begins.
pub fn request_leave(conn: &mut DbConnection, ctx: &Ctx, event: EventId, reason: &str) -> AppResult<Asked> {
    let member = ctx.actor.member()?;
    let row = events::view_event_row(conn, ctx, event)?;
    if row.closed_at.is_some() {
        return Err(Code::EventOver.into());
    }
    if ctx.now >= row.starts_at {
        return Err(Code::LeaveTooLate.into());
    }
    if !events::is_attendee(conn, ctx, event)? {
        return Err(Code::NotExpected.into());
    }
    if let Some(came) = store::list_effective(conn, &[(event, member)])?.pop() {
        return Ok(Asked::Came(came));
    }
    if store::find_open_leave(conn, event, member)?.is_some() {
        return Err(Code::LeaveAlreadyRequested.into());
    }
    let leave = LeaveRow {
        id: ctx.ids.make(),
        tenant_id: row.tenant_id,
        event_id: event,
        member_id: member,
        reason: reason.to_owned(),
        status: "pending".to_owned(),
        requested_at: ctx.now,
        decided_at: None,
        decided_by: None,
        decision_note: None,
    };
    store::insert_leave(conn, &leave).on_conflict_is(Code::LeaveAlreadyRequested)?;
    Ok(Asked::Requested(leave))
}

/// Which of these people have an approved leave: nobody keeps a place for them. No permission asked.
pub fn on_leave(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> AppResult<Vec<(EventId, MemberId)>> {
    let pairs = store::list_on_leave(conn, asked)?;
    Ok(pairs
        .into_iter()
        .map(|pair| (pair.event_id, pair.member_id))
        .collect())
}

/// The leave requests of an event, oldest first, for those who may see its attendance.
pub fn list_leave(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    page: &Page<(Instant, LeaveRequestId)>,
) -> AppResult<Found<LeaveRow>> {
    events::require_event(conn, ctx, event, Right::View)?;
    Ok(store::list_event_leave(conn, event, page)?)
}

/// Approves or rejects, also what was decided the other way before. A rejected member who has asked again since is
/// answered by that newer request.
pub fn decide_leave(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: LeaveRequestId,
    approve: bool,
    words: Option<&str>,
) -> AppResult<LeaveRow> {
    let leave = store::find_leave(conn, id)?.ok_or_else(AppError::not_found)?;
    events::require_event(conn, ctx, leave.event_id, Right::ManageEvents)?;
    let event = hold_open_event(conn, leave.event_id)?;
    let (status, action) = if approve {
        ("approved", "leave.approve")
    } else {
        ("rejected", "leave.reject")
    };
    let decided = store::decide_leave(conn, id, status, ctx.actor.account, words, ctx.now);
    if !decided.on_conflict_is(Code::LeaveAlreadyRequested)? {
        return Err(Code::LeaveAlreadyDecided.into());
    }
    if approve {
        // Somebody else may come in their place.
        sign_ups::give_back(conn, ctx, event.id, leave.member_id, "on_leave")?;
    }
    note(conn, ctx, action, id.0, &event, json!({}))?;
    store::find_leave(conn, id)?.ok_or_else(AppError::not_found)
}

/// The event's row, locked. The batch that checks somebody in holds it too: leave and presence cannot pass each other,
/// nor can a decision and the closing.
fn hold_open_event(conn: &mut DbConnection, id: EventId) -> AppResult<EventRow> {
    let event = events::lock_events(conn, &[id])?.pop();
    let event = event.ok_or_else(AppError::not_found)?;
    match event.closed_at {
        Some(_) => Err(Code::EventOver.into()),
        None => Ok(event),
    }
}

/// A member takes their own request back, approved or not: they come after all.
pub fn withdraw_leave(conn: &mut DbConnection, ctx: &Ctx, id: LeaveRequestId) -> AppResult<LeaveRow> {
    let member = ctx.actor.member()?;
    let leave = store::find_leave(conn, id)?.ok_or_else(AppError::not_found)?;
    if leave.member_id != member {
        // Who reads the event's requests is told that this one is another's; to others there is none.
        let reads = events::require_event(conn, ctx, leave.event_id, Right::View).permitted()?;
        return Err(reads.map_or_else(AppError::not_found, |_| AppError::forbidden()));
    }
    let event = hold_open_event(conn, leave.event_id)?;
    if !store::withdraw_leave(conn, id)? {
        return Err(Code::LeaveAlreadyDecided.into());
    }
    note(conn, ctx, "leave.withdraw", id.0, &event, json!({}))?;
    store::find_leave(conn, id)?.ok_or_else(AppError::not_found)
}
