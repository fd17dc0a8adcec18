//! What may happen in attendance, beside the lane: organisers check people in, annul and accept.

use serde_json::json;

use super::checkpoints::{self, CheckpointRow};
use super::desk::{CheckIn, CheckedIn, Found, Outcome, check_in_all};
use super::roster;
use super::rules::{Claim, Gate, Source};
use super::store::{self, CheckInRow};
use super::{CheckInId, CheckpointId, credit};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::auth::AccountId;
use crate::devices::{self, Purpose};
use crate::events::{self, EventId, EventRow};
use crate::members::{self, MemberId};
use crate::organizations::Right;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::keys::Keys;
use crate::volunteering;

/// What this account has sent before under this id.
pub fn find_recorded(conn: &mut DbConnection, by: AccountId, id: AnyId) -> AppResult<Option<CheckedIn>> {
    let found = Found::Repeat;
    if let Some((passed, row)) = checkpoints::find_sent(conn, by, id)? {
        return Ok(Some(CheckedIn {
            row,
            passed: Some(passed),
            found,
        }));
    }
    let row = store::list_by_client_event(conn, &[(by, id)])?.pop();
    Ok(row.map(|row| CheckedIn {
        row,
        passed: None,
        found,
    }))
}

/// Whom an organiser checks in, and where.
#[derive(Debug, Clone)]
pub enum Whom {
    /// By the personal code on the member's phone, and what the organiser noted.
    Code(MemberId, Option<String>),
    /// By hand, with a reason.
    Named(MemberId, String),
}

/// An organiser's word for somebody's check-in, or a room's scanner's.
#[derive(Debug, Clone)]
pub struct CheckInFor {
    pub whom: Whom,
    /// The point they pass; none: they are present, without passing any.
    pub checkpoint: Option<CheckpointId>,
    pub client_event_id: AnyId,
    pub occurred_at: Option<Instant>,
}

/// An organiser, or a room's scanner, checks somebody in; the person need not be on the roster.
pub fn check_in_for(
    conn: &mut DbConnection,
    ctx: &Ctx,
    keys: &Keys,
    event: EventId,
    asked: &CheckInFor,
) -> Outcome {
    let row = devices::require_event(conn, ctx, event, Right::ManageEvents, Purpose::Scanner)?;
    // Marking by hand is a person's word for somebody who shows no code.
    if ctx.device.is_some() && matches!(asked.whom, Whom::Named(..)) {
        return Err(AppError::forbidden());
    }
    if asked.checkpoint.is_some() {
        checkpoints::require_gate(conn, &row, asked.checkpoint)?;
    }
    roster::freeze_if_due(conn, &ctx.ids, ctx.now, event)?;
    let (member, source, reason) = match &asked.whom {
        Whom::Code(member, reason) => (*member, Source::PersonalCode, reason.clone()),
        Whom::Named(member, reason) => (*member, Source::ByHand, Some(reason.clone())),
    };
    let person = members::find_member(conn, member)?;
    if person.tenant_id != row.tenant_id {
        return Err(AppError::not_found());
    }
    let (by_hand, has_left) = (source == Source::ByHand, person.deactivated_at.is_some());
    if (by_hand || has_left) && store::list_on_roster(conn, &[(event, member)])?.is_empty() {
        // Somebody outside the organiser's sight shows a code or is on the roster; a bare id tells nothing of them.
        if by_hand {
            members::require_member(conn, ctx, member, Right::View)?;
        }
        // Who came before they left is found again by a repeat.
        if has_left && store::list_effective(conn, &[(event, member)])?.is_empty() {
            return Err(Code::MemberInactive.into());
        }
    }
    // A device has no word of its own about when somebody came: the code is fresh, so it is now.
    let claimed = asked.occurred_at.filter(|_| ctx.device.is_none());
    let at = claimed.unwrap_or(ctx.now).min(ctx.now);
    let wish = CheckIn {
        event,
        member,
        submitted_by: ctx.actor.account,
        tenant: row.tenant_id,
        client_event_id: asked.client_event_id,
        checkpoint: asked.checkpoint,
        claim: Claim {
            source,
            judged_at: at,
            claimed_at: at,
            received_at: ctx.now,
            location: None,
            device: None,
        },
        typed_code: None,
        reason,
    };
    let outcome = check_in_all(conn, &ctx.ids, keys, ctx.now, &[wish])?.pop();
    let outcome = outcome.ok_or_else(|| AppError::internal("a check-in without an outcome"))??;
    if outcome.is_new() {
        let mut detail = json!({ "member_id": member, "event_id": event, "source": source });
        if let (Some(point), Some(detail)) = (asked.checkpoint, detail.as_object_mut()) {
            detail.insert("checkpoint_id".to_owned(), json!(point));
        }
        note(conn, ctx, "check_in.record", outcome.row.id.0, &row, detail)?;
    }
    Ok(outcome)
}

/// Records that a member came to an event in the past: for data that is brought along. Whoever was not expected is
/// left out.
pub fn record_past(
    conn: &mut DbConnection,
    ctx: &Ctx,
    keys: &Keys,
    event: &EventRow,
    member: MemberId,
    at: Instant,
    source: Source,
) -> AppResult<()> {
    let wish = CheckIn {
        event: event.id,
        member,
        submitted_by: member.into(),
        tenant: event.tenant_id,
        client_event_id: ctx.ids.make(),
        checkpoint: None,
        claim: Claim {
            source,
            judged_at: at,
            claimed_at: at,
            received_at: at,
            location: None,
            device: None,
        },
        typed_code: None,
        reason: None,
    };
    match check_in_all(conn, &ctx.ids, keys, ctx.now, &[wish])?.pop() {
        Some(Err(error)) if error.code() != Code::NotExpected => Err(error),
        _ => Ok(()),
    }
}

/// Takes a check-in back, with all that was passed and confirmed under it: the records stay, with who, when and why; the person is no
/// longer present.
pub fn annul_check_in(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: CheckInId,
    reason: &str,
) -> AppResult<CheckInRow> {
    let (row, event) = managed_check_in(conn, ctx, id)?;
    if !store::annul_check_in(conn, row.id, ctx.actor.account, reason, ctx.now)? {
        return Err(Code::AlreadyAnnulled.into());
    }
    checkpoints::annul_with(conn, ctx, &row, reason)?;
    volunteering::annul_with_check_in(conn, ctx, row.id, reason)?;
    credit::take_back(conn, ctx, &event, &row)?;
    events::set_last_seq(conn, event.id, event.last_seq + 1)?;
    note(
        conn,
        ctx,
        "check_in.annul",
        id.0,
        &event,
        json!({ "reason": reason, "member_id": row.member_id }),
    )?;
    reload(conn, id)
}

/// A person has looked at a check-in that waited for review, and lets it count.
pub fn accept_check_in(conn: &mut DbConnection, ctx: &Ctx, id: CheckInId) -> AppResult<CheckInRow> {
    let (row, event) = managed_check_in(conn, ctx, id)?;
    events::require_not_cancelled(&event)?;
    if !store::accept_check_in(conn, row.id, ctx.actor.account, ctx.now)? {
        return Err(Code::NotInReview.into());
    }
    events::set_last_seq(conn, event.id, event.last_seq + 1)?;
    note(
        conn,
        ctx,
        "check_in.accept",
        id.0,
        &event,
        json!({ "member_id": row.member_id }),
    )?;
    let row = reload(conn, id)?;
    credit::check_ins(conn, &ctx.ids, ctx.now, std::slice::from_ref(&row))?;
    credit::were_present(conn, &ctx.ids, ctx.now, &[&row])?;
    Ok(row)
}

/// The check-in, and its event's row locked: a decision takes its turn with the batches.
fn managed_check_in(conn: &mut DbConnection, ctx: &Ctx, id: CheckInId) -> AppResult<(CheckInRow, EventRow)> {
    let row = store::find_check_in(conn, id)?.ok_or_else(AppError::not_found)?;
    events::require_event(conn, ctx, row.event_id, Right::ManageEvents)?;
    let event = events::lock_events(conn, &[row.event_id])?.pop();
    Ok((row, event.ok_or_else(AppError::not_found)?))
}

fn reload(conn: &mut DbConnection, id: CheckInId) -> AppResult<CheckInRow> {
    store::find_check_in(conn, id)?.ok_or_else(AppError::not_found)
}

/// One line in the audit log about something of an event.
pub fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    object: uuid::Uuid,
    event: &EventRow,
    detail: serde_json::Value,
) -> AppResult<()> {
    let entry = Entry::of(action, object, event.tenant_id, event.organization_id, detail);
    audit::record(conn, ctx, entry)
}

/// The row of an event whose code, or that of one of its points, may be shown now.
pub fn event_to_show(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    checkpoint: Option<CheckpointId>,
) -> AppResult<EventRow> {
    let row = devices::require_event(conn, ctx, id, Right::ManageEvents, Purpose::Screen)?;
    let gate = checkpoints::require_gate(conn, &row, checkpoint)?;
    require_open(&row, gate, ctx.now)?;
    Ok(row)
}

/// The event of a code that somebody has seen, and the point it belongs to.
pub fn event_of_code(
    conn: &mut DbConnection,
    now: Instant,
    id: EventId,
    checkpoint: Option<CheckpointId>,
) -> AppResult<(EventRow, Option<CheckpointRow>)> {
    let row = events::find_event(conn, id)?;
    let point = match checkpoint {
        Some(id) => {
            let plan = checkpoints::plan_of(conn, row.id)?;
            let point = plan.points.into_iter().find(|point| point.id == id);
            Some(point.ok_or_else(AppError::not_found)?)
        }
        None => None,
    };
    require_open(&row, checkpoints::gate_of(&row, point.as_ref()), now)?;
    Ok((row, point))
}

/// Refuses when check-in to this event is not open at `now`, whatever its points.
pub fn open_for_check_in(row: &EventRow, now: Instant) -> AppResult<()> {
    require_open(row, Gate::of(row), now)
}

/// Refuses when what is asked for is not open at `now`.
fn require_open(row: &EventRow, gate: Gate, now: Instant) -> AppResult<()> {
    let opens_at = gate.window.opens_at;
    match row.status.as_str() {
        "cancelled" => return Err(Code::EventCancelled.into()),
        "closed" => return Err(Code::Closed.into()),
        "draft" => return Err(AppError::from(Code::NotOpenYet).with("opens_at", opens_at)),
        _ => {}
    }
    if now < opens_at {
        return Err(AppError::from(Code::NotOpenYet).with("opens_at", opens_at));
    }
    if now >= gate.window.closes_at {
        return Err(Code::Closed.into());
    }
    Ok(())
}
