//! Signing up, one by one through the lane or a group at once: who may, and who gets a place.

use std::collections::{HashMap, HashSet};

use super::desk::{self, Desk};
use super::rules::{self, Answers, Status};
use super::store::{self, SignUpRow};
use super::{SignUpSessionId, commands::CreateGroupSignUp};
use crate::app::Ctx;
use crate::attendance;
use crate::audit::{self, Entry};
use crate::auth::AccountId;
use crate::events::{self, EventId, EventRow};
use crate::members::{self, MemberBrief, MemberId};
use crate::notices;
use crate::organizations::{OrganizationId, Right};
use crate::platform::db::{AnyId, DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::platform::ids::Ids;

/// One wish to sign somebody up.
#[derive(Debug, Clone)]
pub struct SignUp {
    pub event: EventId,
    pub member: MemberId,
    pub tenant: OrganizationId,
    /// The member, or who signs them up.
    pub submitted_by: AccountId,
    pub client_event_id: AnyId,
    pub session: Option<SignUpSessionId>,
    pub answers: Answers,
    /// Wait in line if there is no place?
    pub wait: bool,
    /// Whoever manages the event may sign anybody up whom they see, at any time until the roster is fixed.
    pub by_organiser: bool,
}

/// A sign-up on record, and how it relates to the wish.
#[derive(Debug, Clone)]
pub struct SignedUp {
    pub row: SignUpRow,
    pub found: Found,
    /// 1: the first in line. Only of who waits.
    pub place_in_line: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Recorded now.
    New,
    /// The same wish, sent again.
    Repeat,
    /// Another wish of somebody whose sign-up stands.
    Standing,
}

pub type Outcome = AppResult<SignedUp>;

/// Everything a batch knows, read set-based before the first decision.
struct Known {
    events: HashMap<EventId, EventRow>,
    desks: HashMap<EventId, Desk>,
    people: HashMap<MemberId, MemberBrief>,
    called: HashSet<(EventId, MemberId)>,
    on_leave: HashSet<(EventId, MemberId)>,
    /// All that these people have sent before for these events.
    sign_ups: HashMap<(EventId, MemberId), Vec<SignUpRow>>,
}

/// Decides and records a batch in the caller's transaction, in order of arrival. The events' rows are locked, so two
/// batches for one event take turns, on any number of replicas; the unique keys stand behind that.
pub fn sign_up_all(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    batch: &[SignUp],
) -> AppResult<Vec<Outcome>> {
    let mut known = Known::load(conn, ids, now, batch)?;
    let mut new_rows = Vec::with_capacity(batch.len());
    let mut outcomes = Vec::with_capacity(batch.len());
    for wish in batch {
        let mut outcome = known.decide(ids, now, wish);
        if let Ok(done) = &mut outcome {
            if done.found == Found::New {
                known.remember(&done.row);
                new_rows.push(done.row.clone());
            } else if done.row.status(now) == Status::Waitlisted && is_stored(&done.row, &new_rows) {
                done.place_in_line = Some(store::count_ahead(conn, done.row.session_id, done.row.seq)? + 1);
            }
        }
        outcomes.push(outcome);
    }
    if !new_rows.is_empty() {
        store::insert_sign_ups(conn, &new_rows).map_err(AppError::overtaken)?;
    }
    for (_, desk) in known.desks {
        desk.close(conn, ids, now)?;
    }
    Ok(outcomes)
}

/// Was it there before this batch? The place of one that was not is told with the first of its wishes.
fn is_stored(row: &SignUpRow, new: &[SignUpRow]) -> bool {
    new.iter().all(|other| other.id != row.id)
}

impl Known {
    fn load(conn: &mut DbConnection, ids: &Ids, now: Instant, batch: &[SignUp]) -> AppResult<Self> {
        let wanted: Vec<EventId> = batch.iter().map(|wish| wish.event).collect();
        let pairs: Vec<_> = batch.iter().map(|wish| (wish.event, wish.member)).collect();
        let (events, desks) = Desk::open_all(conn, ids, now, &wanted)?;
        let members: Vec<MemberId> = batch.iter().map(|wish| wish.member).collect();
        let people = members::briefs(conn, &members)?;
        let mut called = HashSet::new();
        for event in &events {
            let of_event = pairs.iter().filter(|(id, _)| *id == event.id);
            let asked: Vec<&MemberBrief> = of_event.filter_map(|(_, member)| people.get(member)).collect();
            for member in events::called_among(conn, event, &asked)? {
                called.insert((event.id, member));
            }
        }
        let mut sign_ups: HashMap<_, Vec<SignUpRow>> = HashMap::new();
        for row in store::list_of(conn, &pairs)? {
            sign_ups
                .entry((row.event_id, row.member_id))
                .or_default()
                .push(row);
        }
        Ok(Self {
            events: events.into_iter().map(|event| (event.id, event)).collect(),
            desks,
            people,
            called,
            on_leave: attendance::on_leave(conn, &pairs)?.into_iter().collect(),
            sign_ups,
        })
    }

    fn decide(&mut self, ids: &Ids, now: Instant, wish: &SignUp) -> Outcome {
        let pair = (wish.event, wish.member);
        let sent_before = self.sign_ups.get(&pair).map_or(&[][..], Vec::as_slice);
        if let Some(row) = sent_before.iter().find(|row| is_repeat(row, wish)) {
            return Ok(found(row, Found::Repeat));
        }
        let may_come = wish.by_organiser || self.called.contains(&pair);
        let event = self
            .events
            .get(&wish.event)
            .filter(|event| event.tenant_id == wish.tenant && event.status != "draft" && may_come);
        let event = event.ok_or_else(AppError::not_found)?;
        let person = self.people.get(&wish.member).ok_or_else(AppError::not_found)?;
        if let Some(row) = sent_before.iter().find(|row| row.is_standing()) {
            return Ok(found(row, Found::Standing));
        }
        if person.deactivated_at.is_some() {
            return Err(Code::MemberInactive.into());
        }
        if self.on_leave.contains(&pair) {
            return Err(Code::OnLeave.into());
        }
        let desk = self.desks.get_mut(&event.id).ok_or(Code::NoSignUp)?;
        if wish.by_organiser {
            desk.require_before_roster(now)?;
        } else {
            require_open(desk, now)?;
        }
        place(desk, ids, now, wish, person)
    }

    fn remember(&mut self, row: &SignUpRow) {
        self.sign_ups
            .entry((row.event_id, row.member_id))
            .or_default()
            .push(row.clone());
    }
}

/// The scope of a `client_event_id` is the account and the event.
fn is_repeat(row: &SignUpRow, wish: &SignUp) -> bool {
    (row.submitted_by, row.client_event_id) == (wish.submitted_by, wish.client_event_id)
}

fn found(row: &SignUpRow, found: Found) -> SignedUp {
    SignedUp {
        row: row.clone(),
        found,
        place_in_line: None,
    }
}

fn require_open(desk: &Desk, now: Instant) -> AppResult<()> {
    match desk.event.status.as_str() {
        "cancelled" => return Err(Code::EventCancelled.into()),
        "closed" => return Err(Code::EventOver.into()),
        _ => {}
    }
    // By the clock of another replica it may be time already.
    if desk.event.roster_frozen_at.is_some() {
        return Err(AppError::from(Code::SignUpClosed).with("closed_at", desk.terms().closes_at()));
    }
    desk.terms().require_open(now)
}

/// A place if there is one; else the end of the line.
fn place(desk: &mut Desk, ids: &Ids, now: Instant, wish: &SignUp, person: &MemberBrief) -> Outcome {
    let need = desk.need(wish.session, &person.line())?;
    let answers = rules::check_answers(&desk.questions, &wish.answers)?;
    let status = if desk.is_before_draw() {
        Status::Entered
    } else if desk.places.take(need) {
        Status::Confirmed
    } else if wish.wait && desk.may_wait(need.session) {
        Status::Waitlisted
    } else {
        return Err(AppError::from(Code::SignUpFull).with("waiting", desk.waiting(need.session)));
    };
    let row = SignUpRow {
        id: ids.make(),
        tenant_id: desk.event.tenant_id,
        event_id: desk.event.id,
        session_id: need.session,
        member_id: wish.member,
        organization_id: person.organization_id,
        quota_id: need.quota,
        seq: desk.next_seq(),
        draw_rank: None,
        status: status.as_str().to_owned(),
        answers: Json(serde_json::Value::Object(answers)),
        submitted_by: wish.submitted_by,
        client_event_id: wish.client_event_id,
        received_at: now,
        confirmed_at: (status == Status::Confirmed).then_some(now),
        offer_ends_at: None,
        ended_at: None,
        ended_by: None,
        end_reason: None,
    };
    if status == Status::Confirmed {
        desk.tell(ids.make(), &row, notices::Kind::SignUpConfirmed, None);
        desk.note_passing(ids, now, &row);
    }
    let mut place_in_line = None;
    if status == Status::Waitlisted {
        desk.enqueue(&row);
        place_in_line = Some(i64::from(desk.waiting(need.session)));
    }
    Ok(SignedUp {
        row,
        found: Found::New,
        place_in_line,
    })
}

/// What became of one person of a group.
#[derive(Debug)]
pub struct GroupItem {
    pub member: MemberId,
    pub outcome: Outcome,
}

/// Signs several people up: by who manages the event, or by who manages these people.
pub fn sign_up_group(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    group: &CreateGroupSignUp,
) -> AppResult<Vec<GroupItem>> {
    let row = events::view_event_row(conn, ctx, event)?;
    let by_organiser = events::require_event(conn, ctx, event, Right::ManageEvents)
        .permitted()?
        .is_some();
    members::require_members(conn, ctx, row.tenant_id, &group.member_ids)?;
    if !by_organiser {
        members::require_managed(conn, ctx, &group.member_ids)?;
    }
    let wish = |member: &MemberId| SignUp {
        event,
        member: *member,
        tenant: row.tenant_id,
        submitted_by: ctx.actor.account,
        client_event_id: ctx.ids.make(),
        session: group.session_id,
        answers: group.answers.clone(),
        wait: group.wait,
        by_organiser,
    };
    let batch: Vec<SignUp> = group.member_ids.iter().map(wish).collect();
    let outcomes = sign_up_all(conn, &ctx.ids, ctx.now, &batch)?;
    let items: Vec<GroupItem> = group
        .member_ids
        .iter()
        .zip(outcomes)
        .map(|(member, outcome)| GroupItem {
            member: *member,
            outcome,
        })
        .collect();
    if group.all_or_none {
        return all_of(conn, ctx, &row, items);
    }
    note_group(conn, ctx, &row, &items)?;
    Ok(items)
}

/// All have a place, or are in the draw; or the transaction ends and nobody has.
fn all_of(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    items: Vec<GroupItem>,
) -> AppResult<Vec<GroupItem>> {
    let lacks = |item: &GroupItem| match &item.outcome {
        Ok(done) => done.row.status(ctx.now) == Status::Waitlisted,
        Err(_) => true,
    };
    let without: Vec<MemberId> = items
        .iter()
        .filter(|item| lacks(item))
        .map(|item| item.member)
        .collect();
    if without.is_empty() {
        note_group(conn, ctx, event, &items)?;
        return Ok(items);
    }
    // What is wrong with the request itself is told as it is.
    let reason = items.into_iter().find_map(|item| item.outcome.err());
    match reason {
        Some(error) if error.code() != Code::SignUpFull => Err(error.with("member_ids", without)),
        _ => Err(AppError::from(Code::SignUpFull).with("member_ids", without)),
    }
}

fn note_group(conn: &mut DbConnection, ctx: &Ctx, event: &EventRow, items: &[GroupItem]) -> AppResult<()> {
    let new: Vec<MemberId> = items
        .iter()
        .filter(|item| matches!(&item.outcome, Ok(done) if done.found == Found::New))
        .map(|item| item.member)
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let detail = serde_json::json!({ "member_ids": new });
    let entry = Entry::of(
        "sign_up.create_group",
        event.id.0,
        event.tenant_id,
        event.organization_id,
        detail,
    );
    audit::record(conn, ctx, entry)
}

/// Gives back whatever a member has who will not come: places, offers and places in line of these events, whose rosters
/// are not fixed yet.
pub fn leave(
    conn: &mut DbConnection,
    ctx: &Ctx,
    events: &[EventId],
    member: MemberId,
    reason: &str,
) -> AppResult<()> {
    let pairs: Vec<_> = events.iter().map(|event| (*event, member)).collect();
    let standing = store::list_of(conn, &pairs)?;
    let standing: Vec<SignUpRow> = standing.into_iter().filter(SignUpRow::is_standing).collect();
    let held: Vec<EventId> = standing.iter().map(|row| row.event_id).collect();
    let (_, mut desks) = Desk::open_all(conn, &ctx.ids, ctx.now, &held)?;
    // As they are now that nobody else changes them.
    for row in store::list_of(conn, &pairs)?
        .into_iter()
        .filter(SignUpRow::is_standing)
    {
        let Some(desk) = desks.get_mut(&row.event_id) else {
            continue;
        };
        if desk.require_before_roster(ctx.now).is_ok() {
            desk.end(conn, ctx, row, Status::Cancelled, Some(reason.to_owned()))?;
            desk.fill(conn, &ctx.ids, ctx.now)?;
        }
    }
    for (_, desk) in desks {
        desk.close(conn, &ctx.ids, ctx.now)?;
    }
    Ok(())
}

/// Holds a draw that is due, and gives on the places of offers that have run out, whether anybody looks or not.
pub fn settle_lapsed(conn: &mut DbConnection, ids: &Ids, now: Instant, event: EventId) -> AppResult<()> {
    desk::Desk::open(conn, ids, now, event)?.close(conn, ids, now)
}
