//! What may happen to a sign-up afterwards: cancelled, an offer accepted or declined, moved to another session.

use serde_json::json;

use super::commands::MoveSignUp;
use super::desk::{Cause, Desk, need_of};
use super::rules::{Need, Status};
use super::store::{self, SignUpRow};
use super::{SignUpId, lists};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events;
use crate::members;
use crate::organizations::Right;
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult, Code, Permitted};

/// As whom the actor changes a sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Who manages the event: at any time, and with a reason on record.
    Organiser,
    /// The member: within the terms.
    Member,
    /// Who manages them: within the terms, and on record.
    Secretary,
}

/// A sign-up that stands, with its event's places locked.
struct Held {
    desk: Desk,
    row: SignUpRow,
    who: Who,
}

/// 403 for whoever sees it, and neither is the member nor manages the member or the event; 409 when it is over with.
fn hold(conn: &mut DbConnection, ctx: &Ctx, id: SignUpId) -> AppResult<Held> {
    let seen = store::find_sign_up(conn, id)?.ok_or_else(AppError::not_found)?;
    let Some(who) = who_is(conn, ctx, &seen)? else {
        lists::view(conn, ctx, id)?;
        return Err(AppError::forbidden());
    };
    let desk = Desk::open(conn, &ctx.ids, ctx.now, seen.event_id)?;
    let row = store::find_sign_up(conn, id)?.ok_or_else(AppError::not_found)?;
    let status = row.status(ctx.now);
    if !status.stands() {
        return Err(AppError::from(Code::SignUpEnded).with("state", status));
    }
    desk.require_before_roster(ctx.now)?;
    Ok(Held { desk, row, who })
}

fn who_is(conn: &mut DbConnection, ctx: &Ctx, row: &SignUpRow) -> AppResult<Option<Who>> {
    if ctx.actor.account == row.member_id.into() {
        return Ok(Some(Who::Member));
    }
    let manages_event = events::require_event(conn, ctx, row.event_id, Right::ManageEvents).permitted()?;
    if manages_event.is_some() {
        return Ok(Some(Who::Organiser));
    }
    let manages_them = members::require_member(conn, ctx, row.member_id, Right::ManageMembers).permitted()?;
    Ok(manages_them.map(|_| Who::Secretary))
}

/// Gives a place back, or leaves the line. Whoever is first in line gets the place in the same moment.
pub fn cancel(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: SignUpId,
    reason: Option<String>,
) -> AppResult<lists::Shown> {
    let mut held = hold(conn, ctx, id)?;
    match held.who {
        Who::Organiser if reason.is_none() => {
            let message = "tells the member why";
            return Err(AppError::invalid_field("/reason", "required", message));
        }
        Who::Organiser => {}
        Who::Member | Who::Secretary => require_in_time(ctx, &held)?,
    }
    let Held { desk, row, .. } = &mut held;
    *row = desk.end(conn, ctx, row.clone(), Status::Cancelled, reason.clone())?;
    note(conn, ctx, "sign_up.cancel", &held, json!({ "reason": reason }))?;
    finish(conn, ctx, held)
}

/// A place that is firmly theirs is given back in time; whoever waits, or was only offered one, may go at any time.
fn require_in_time(ctx: &Ctx, held: &Held) -> AppResult<()> {
    let until = held.desk.terms().cancel_until();
    if held.row.status == Status::Confirmed.as_str() && ctx.now >= until {
        return Err(AppError::from(Code::CancelTooLate).with("cancel_until", until));
    }
    Ok(())
}

/// Takes the place that was offered.
pub fn accept(conn: &mut DbConnection, ctx: &Ctx, id: SignUpId) -> AppResult<lists::Shown> {
    let mut held = offered(conn, ctx, id)?;
    let Held { desk, row, .. } = &mut held;
    // The place stays taken: only the offer ends.
    desk.end_offer();
    Status::Confirmed.as_str().clone_into(&mut row.status);
    row.confirmed_at = Some(ctx.now);
    row.offer_ends_at = None;
    let cause = Cause {
        actor: Some(ctx.actor.account),
        reason: None,
    };
    desk.record(conn, &ctx.ids, ctx.now, row, "accepted", cause)?;
    note(conn, ctx, "sign_up.accept", &held, json!({}))?;
    finish(conn, ctx, held)
}

/// Leaves the place that was offered to the next in line.
pub fn decline(conn: &mut DbConnection, ctx: &Ctx, id: SignUpId) -> AppResult<lists::Shown> {
    let mut held = offered(conn, ctx, id)?;
    let Held { desk, row, .. } = &mut held;
    *row = desk.end(conn, ctx, row.clone(), Status::Declined, None)?;
    note(conn, ctx, "sign_up.decline", &held, json!({}))?;
    finish(conn, ctx, held)
}

/// An offer is answered by who it was made to, or by who manages them.
fn offered(conn: &mut DbConnection, ctx: &Ctx, id: SignUpId) -> AppResult<Held> {
    let mut held = hold(conn, ctx, id)?;
    if held.who == Who::Organiser {
        // Whoever manages the event answers for nobody, unless they manage them too.
        members::require_member(conn, ctx, held.row.member_id, Right::ManageMembers)
            .permitted()?
            .ok_or_else(AppError::forbidden)?;
        held.who = Who::Secretary;
    }
    if held.row.status != Status::Offered.as_str() {
        return Err(Code::NotOffered.into());
    }
    Ok(held)
}

/// To another session where there is room; whoever waits may take a place there as well. Who is in a draw is drawn for the
/// other session.
pub fn move_to(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: SignUpId,
    wanted: &MoveSignUp,
) -> AppResult<lists::Shown> {
    let mut held = hold(conn, ctx, id)?;
    if held.who != Who::Organiser {
        require_in_time(ctx, &held)?;
        // Who has no place yet takes one like anybody who signs up.
        if held.row.status == Status::Waitlisted.as_str() {
            held.desk.terms().require_open(ctx.now)?;
        }
    }
    let Held { desk, row, .. } = &mut held;
    let need = Need {
        session: desk.need(Some(wanted.session_id), &[])?.session,
        quota: row.quota_id,
    };
    if need.session == row.session_id {
        return finish(conn, ctx, held);
    }
    desk.release(row);
    let is_entry = row.status == Status::Entered.as_str();
    if !is_entry && !desk.places.take(need) {
        return Err(AppError::from(Code::SignUpFull).with("waiting", desk.waiting(need.session)));
    }
    let before = need_of(row).session;
    row.session_id = need.session;
    if !is_entry {
        Status::Confirmed.as_str().clone_into(&mut row.status);
        row.confirmed_at = row.confirmed_at.or(Some(ctx.now));
        row.offer_ends_at = None;
    }
    let cause = Cause {
        actor: Some(ctx.actor.account),
        reason: wanted.reason.clone(),
    };
    desk.record(conn, &ctx.ids, ctx.now, row, "moved", cause)?;
    let detail = json!({ "from": before, "to": need.session, "reason": wanted.reason });
    note(conn, ctx, "sign_up.move", &held, detail)?;
    finish(conn, ctx, held)
}

/// The places that became free go to the first in line.
fn finish(conn: &mut DbConnection, ctx: &Ctx, held: Held) -> AppResult<lists::Shown> {
    let Held { mut desk, row, .. } = held;
    desk.fill(conn, &ctx.ids, ctx.now)?;
    let event = desk.event.clone();
    desk.close(conn, &ctx.ids, ctx.now)?;
    lists::show(conn, ctx, &event, row)
}

/// What somebody else does to a member's sign-up is in the log; what they do themselves is told by its steps.
fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    Held { desk, row, who }: &Held,
    mut detail: serde_json::Value,
) -> AppResult<()> {
    if *who == Who::Member {
        return Ok(());
    }
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("member_id".to_owned(), json!(row.member_id));
        detail.insert("event_id".to_owned(), json!(row.event_id));
    }
    let entry = Entry::of(
        action,
        row.id.0,
        row.tenant_id,
        desk.event.organization_id,
        detail,
    );
    audit::record(conn, ctx, entry)
}
