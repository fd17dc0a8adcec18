//! What may happen in attendance. `check_in_all` is the one place where somebody becomes present, whatever the way.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::CheckInId;
use super::codes;
use super::roster;
use super::rules::{self, Claim, Facts, Source};
use super::store::{self, CheckInRow, Pair};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::auth::AccountId;
use crate::devices::{self, Purpose};
use crate::events::{self, EventId, EventRow};
use crate::members::{self, MemberId};
use crate::organizations::{OrganizationId, Right};
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::ids::Ids;
use crate::platform::keys::Keys;

/// One wish to check somebody in.
#[derive(Debug, Clone)]
pub struct CheckIn {
    pub event: EventId,
    pub member: MemberId,
    /// The member, or who records it: an organiser, or a room's scanner by its id.
    pub submitted_by: AccountId,
    pub tenant: OrganizationId,
    pub client_event_id: AnyId,
    pub claim: Claim,
    /// Checked against the event's windows here, because only the event knows their length.
    pub typed_code: Option<String>,
    pub reason: Option<String>,
}

/// What became of it: a record, and how it relates to the wish.
#[derive(Debug, Clone)]
pub struct CheckedIn {
    pub row: CheckInRow,
    pub found: Found,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Recorded now.
    New,
    /// The same wish, sent again: the record it made the first time.
    Repeat,
    /// Another wish of somebody who is checked in already: the record that stands.
    Standing,
}

impl CheckedIn {
    pub fn is_new(&self) -> bool {
        self.found == Found::New
    }
}

pub type Outcome = AppResult<CheckedIn>;

/// Everything a batch knows, read set-based before the first decision.
struct Known {
    events: HashMap<EventId, EventRow>,
    on_roster: HashSet<Pair>,
    on_leave: HashSet<Pair>,
    effective: HashMap<Pair, CheckInRow>,
    sent: HashMap<(AccountId, AnyId), CheckInRow>,
    devices: HashMap<(EventId, AnyId), HashSet<MemberId>>,
}

/// Decides and records a batch in the caller's transaction, in order of arrival. The events' rows are locked, so two
/// batches on one event take turns, on any number of replicas; the unique keys stand behind that.
pub fn check_in_all(
    conn: &mut DbConnection,
    ids: &Ids,
    keys: &Keys,
    now: Instant,
    batch: &[CheckIn],
) -> AppResult<Vec<Outcome>> {
    let mut known = Known::load(conn, ids, now, batch)?;
    let mut new_rows = Vec::with_capacity(batch.len());
    let outcomes: Vec<Outcome> = batch
        .iter()
        .map(|wish| {
            let outcome = known.decide(ids, keys, wish);
            if let Ok(CheckedIn {
                row,
                found: Found::New,
            }) = &outcome
            {
                known.remember(row);
                new_rows.push(row.clone());
            }
            outcome
        })
        .collect();
    if !new_rows.is_empty() {
        store::insert_check_ins(conn, &new_rows).map_err(AppError::overtaken)?;
        let touched: HashSet<EventId> = new_rows.iter().map(|row| row.event_id).collect();
        for event in known.events.values().filter(|event| touched.contains(&event.id)) {
            events::set_last_seq(conn, event.id, event.last_seq)?;
        }
    }
    Ok(outcomes)
}

impl Known {
    fn load(conn: &mut DbConnection, ids: &Ids, now: Instant, batch: &[CheckIn]) -> AppResult<Self> {
        let event_ids: Vec<EventId> = batch.iter().map(|wish| wish.event).collect();
        let people: Vec<_> = batch.iter().map(|wish| (wish.event, wish.member)).collect();
        let sent: Vec<_> = batch
            .iter()
            .map(|wish| (wish.submitted_by, wish.client_event_id))
            .collect();
        let phones: Vec<_> = batch
            .iter()
            .filter_map(|w| Some((w.event, AnyId(w.claim.device?))))
            .collect();

        let mut events = events::lock_events(conn, &event_ids)?;
        for event in &mut events {
            roster::freeze_locked(conn, ids, now, event)?;
        }
        let mut devices: HashMap<(EventId, AnyId), HashSet<MemberId>> = HashMap::new();
        if !phones.is_empty() {
            for found in store::list_device_uses(conn, &phones)? {
                devices
                    .entry((found.event_id, found.device))
                    .or_default()
                    .insert(found.member_id);
            }
        }
        let effective = store::list_effective(conn, &people)?;
        let before = store::list_by_client_event(conn, &sent)?;
        Ok(Self {
            on_roster: store::list_on_roster(conn, &people)?.into_iter().collect(),
            on_leave: store::list_on_leave(conn, &people)?.into_iter().collect(),
            effective: effective.into_iter().map(|row| (pair(&row), row)).collect(),
            sent: before
                .into_iter()
                .map(|row| ((row.submitted_by, row.client_event_id), row))
                .collect(),
            devices,
            events: events.into_iter().map(|event| (event.id, event)).collect(),
        })
    }

    fn decide(&mut self, ids: &Ids, keys: &Keys, wish: &CheckIn) -> Outcome {
        if let Some(row) = self.sent.get(&(wish.submitted_by, wish.client_event_id)) {
            let same = row.event_id == wish.event && row.member_id == wish.member;
            return if same {
                Ok(CheckedIn {
                    row: row.clone(),
                    found: Found::Repeat,
                })
            } else {
                Err(Code::ClientEventIdReused.into())
            };
        }
        let pair = Pair {
            event_id: wish.event,
            member_id: wish.member,
        };
        // A code of another tenant's event is as good as none.
        let event = self
            .events
            .get_mut(&wish.event)
            .filter(|event| event.tenant_id == wish.tenant);
        let event = event.ok_or(Code::InvalidCode)?;
        if let Some(typed) = &wish.typed_code
            && !codes::is_typed_code(keys, event.id, event.code_window_s, wish.claim.judged_at, typed)
        {
            return Err(Code::InvalidCode.into());
        }
        if let Some(row) = self.effective.get(&pair) {
            return Ok(CheckedIn {
                row: row.clone(),
                found: Found::Standing,
            });
        }
        let others = wish
            .claim
            .device
            .and_then(|device| self.devices.get(&(wish.event, AnyId(device))));
        let facts = Facts {
            on_roster: self.on_roster.contains(&pair),
            on_leave: self.on_leave.contains(&pair),
            device_used_by_other: others.is_some_and(|members| members.iter().any(|m| *m != wish.member)),
        };
        let accepted = rules::decide(event, facts, &wish.claim)?;
        event.last_seq += 1;
        Ok(CheckedIn {
            row: new_row(ids, event, wish, accepted),
            found: Found::New,
        })
    }

    fn remember(&mut self, row: &CheckInRow) {
        self.effective.insert(pair(row), row.clone());
        self.sent
            .insert((row.submitted_by, row.client_event_id), row.clone());
        if let Some(device) = row.device {
            self.devices
                .entry((row.event_id, device))
                .or_default()
                .insert(row.member_id);
        }
    }
}

fn pair(row: &CheckInRow) -> Pair {
    Pair {
        event_id: row.event_id,
        member_id: row.member_id,
    }
}

fn new_row(ids: &Ids, event: &EventRow, wish: &CheckIn, accepted: rules::Accepted) -> CheckInRow {
    CheckInRow {
        id: ids.make(),
        tenant_id: event.tenant_id,
        event_id: event.id,
        member_id: wish.member,
        seq: event.last_seq,
        submitted_by: wish.submitted_by,
        client_event_id: wish.client_event_id,
        source: wish.claim.source.as_str().to_owned(),
        status: if accepted.late { "late" } else { "present" }.to_owned(),
        occurred_at: wish.claim.claimed_at,
        received_at: wish.claim.received_at,
        review: accepted.review.map(str::to_owned),
        flags: accepted.flags.join(","),
        device: wish.claim.device.map(AnyId),
        location: accepted.location.map(str::to_owned),
        reason: wish.reason.clone(),
        reviewed_at: None,
        reviewed_by: None,
        annulled_at: None,
        annulled_by: None,
        annul_reason: None,
    }
}

/// What this account has sent before under this id.
pub fn find_recorded(conn: &mut DbConnection, by: AccountId, id: AnyId) -> AppResult<Option<CheckInRow>> {
    Ok(store::list_by_client_event(conn, &[(by, id)])?.pop())
}

/// Whom an organiser checks in.
#[derive(Debug, Clone)]
pub enum Whom {
    /// By the personal code on the member's phone, and what the organiser noted.
    Code(MemberId, Option<String>),
    /// By hand, with a reason.
    Named(MemberId, String),
}

/// An organiser, or a room's scanner, checks somebody in; the person need not be on the roster.
pub fn check_in_for(
    conn: &mut DbConnection,
    ctx: &Ctx,
    keys: &Keys,
    event: EventId,
    whom: &Whom,
    client_event_id: AnyId,
    occurred_at: Option<Instant>,
) -> Outcome {
    let row = devices::require_event(conn, ctx, event, Right::ManageEvents, Purpose::Scanner)?;
    // Marking by hand is a person's word for somebody who shows no code.
    if ctx.device.is_some() && matches!(whom, Whom::Named(..)) {
        return Err(AppError::forbidden());
    }
    roster::freeze_if_due(conn, &ctx.ids, ctx.now, event)?;
    let (member, source, reason) = match whom {
        Whom::Code(member, reason) => (*member, Source::PersonalCode, reason.clone()),
        Whom::Named(member, reason) => (*member, Source::ByHand, Some(reason.clone())),
    };
    let person = members::find_member(conn, member)?;
    if person.tenant_id != row.tenant_id {
        return Err(AppError::not_found());
    }
    // Somebody outside the organiser's sight shows a code or is on the roster; a bare id tells nothing of them.
    if source == Source::ByHand && store::list_on_roster(conn, &[(event, member)])?.is_empty() {
        members::require_member(conn, ctx, member, Right::View)?;
    }
    // A device has no word of its own about when somebody came: the code is fresh, so it is now.
    let claimed = occurred_at.filter(|_| ctx.device.is_none());
    let at = claimed.unwrap_or(ctx.now).min(ctx.now);
    let wish = CheckIn {
        event,
        member,
        submitted_by: ctx.actor.account,
        tenant: row.tenant_id,
        client_event_id,
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
        let detail = json!({ "member_id": member, "event_id": event, "source": source });
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

/// Takes a check-in back: the record stays, with who, when and why; the person is no longer present.
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
    reload(conn, id)
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

/// The row of an event whose code may be shown now.
pub fn event_to_show(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<EventRow> {
    let row = devices::require_event(conn, ctx, id, Right::ManageEvents, Purpose::Screen)?;
    open_for_check_in(&row, ctx.now)?;
    Ok(row)
}

/// Refuses when check-in to this event is not open at `now`.
pub fn open_for_check_in(row: &EventRow, now: Instant) -> AppResult<()> {
    match row.status.as_str() {
        "cancelled" => return Err(Code::EventCancelled.into()),
        "closed" => return Err(Code::Closed.into()),
        "draft" => return Err(AppError::from(Code::NotOpenYet).with("opens_at", row.check_in_opens_at)),
        _ => {}
    }
    if now < row.check_in_opens_at {
        return Err(AppError::from(Code::NotOpenYet).with("opens_at", row.check_in_opens_at));
    }
    if now >= row.check_in_closes_at {
        return Err(Code::Closed.into());
    }
    Ok(())
}
