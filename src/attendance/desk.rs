//! The desk (簽到臺): `check_in_all` is the one place where somebody becomes present or passes a point, whatever the way. It
//! takes a batch, reads set-based what the batch needs, and decides each wish in order of arrival.

use std::collections::{HashMap, HashSet};

use super::checkpoints::{CheckpointRow, Kind, PassageRow, Passing, gate_of, insert_passages, new_passage};
use super::rules::{self, Claim, Facts, Gate};
use super::store::{self, CheckInRow, Pair};
use super::{CheckpointId, credit, roster};
use crate::auth::AccountId;
use crate::events::{self, Admission, EventId, EventRow};
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::ids::Ids;
use crate::platform::keys::Keys;
use crate::sharing;
use crate::sign_ups;

/// One wish to check somebody in.
#[derive(Debug, Clone)]
pub struct CheckIn {
    pub event: EventId,
    pub member: MemberId,
    /// The member, or who records it: an organiser, or a room's scanner by its id.
    pub submitted_by: AccountId,
    pub tenant: OrganizationId,
    pub client_event_id: AnyId,
    /// The point whose code was shown, or that an organiser named; none for an event's own code, and for a typed one.
    pub checkpoint: Option<CheckpointId>,
    pub claim: Claim,
    /// Checked against the event's windows here, because only the event knows their length.
    pub typed_code: Option<String>,
    pub reason: Option<String>,
}

/// What became of it: a record, and how it relates to the wish.
#[derive(Debug, Clone)]
pub struct CheckedIn {
    pub row: CheckInRow,
    /// Of a wish that showed a point's code: the passage that stands under the check-in.
    pub passed: Option<PassedPoint>,
    pub found: Found,
}

/// A point, and the record of somebody's passing it.
#[derive(Debug, Clone)]
pub struct PassedPoint {
    pub passage: PassageRow,
    pub point: CheckpointRow,
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

    /// Is the check-in itself of this wish? Who is present already passes further points without one.
    pub fn made_present(&self) -> bool {
        let sent = (self.row.submitted_by, self.row.client_event_id);
        self.passed.as_ref().is_none_or(|passed| {
            let passage = &passed.passage;
            (passage.submitted_by, passage.client_event_id) == sent
        })
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
    passing: Passing,
    /// When their session begins, where it has a time of its own.
    session_starts: HashMap<Pair, Instant>,
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
    let mut known = Known::load(conn, ids, keys, now, batch)?;
    let (mut new_rows, mut new_passages) = (Vec::with_capacity(batch.len()), Vec::new());
    let outcomes: Vec<Outcome> = batch
        .iter()
        .map(|wish| {
            let outcome = known.decide(ids, keys, wish);
            if let Ok(done) = &outcome
                && done.is_new()
            {
                known.remember(done);
                new_rows.extend(done.made_present().then(|| done.row.clone()));
                new_passages.extend(done.passed.as_ref().map(|passed| passed.passage.clone()));
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
    insert_passages(conn, &new_passages).map_err(AppError::overtaken)?;
    credit::check_ins(conn, ids, now, &new_rows)?;
    let is_over = |row: &&CheckInRow| {
        let event = known.events.get(&row.event_id);
        event.is_some_and(|event| event.ends_at <= now)
    };
    let late: Vec<&CheckInRow> = new_rows.iter().filter(is_over).collect();
    credit::were_present(conn, ids, now, &late)?;
    // Only organisers mark who was not expected.
    let besides = new_rows
        .iter()
        .filter(|row| !known.on_roster.contains(&Pair::of(row)));
    let besides: Vec<_> = besides.map(|row| (row.event_id, row.member_id)).collect();
    sharing::took_part_after_all(conn, ids, now, &besides)?;
    Ok(outcomes)
}

impl Known {
    fn load(
        conn: &mut DbConnection,
        ids: &Ids,
        keys: &Keys,
        now: Instant,
        batch: &[CheckIn],
    ) -> AppResult<Self> {
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
        let events: HashMap<_, _> = events.into_iter().map(|event| (event.id, event)).collect();
        Ok(Self {
            session_starts: session_starts(conn, &events, &people)?,
            passing: Passing::load(conn, keys, &events, batch)?,
            on_roster: store::list_on_roster(conn, &people)?.into_iter().collect(),
            on_leave: store::list_on_leave(conn, &people)?.into_iter().collect(),
            effective: effective.into_iter().map(|row| (Pair::of(&row), row)).collect(),
            sent: before
                .into_iter()
                .map(|row| ((row.submitted_by, row.client_event_id), row))
                .collect(),
            devices,
            events,
        })
    }

    fn decide(&mut self, ids: &Ids, keys: &Keys, wish: &CheckIn) -> Outcome {
        if let Some(before) = self.sent_before(wish) {
            return before;
        }
        let pair = Pair {
            event_id: wish.event,
            member_id: wish.member,
        };
        // A code of another tenant's event is as good as none.
        let event = self.events.get(&wish.event);
        let event = event.filter(|event| event.tenant_id == wish.tenant);
        let event = event.ok_or(Code::InvalidCode)?;
        let point = self.passing.point_of(keys, event, wish)?;
        if let Some(standing) = self.standing(pair, point.as_ref()) {
            return Ok(standing);
        }
        let present = self.effective.get(&pair).cloned();
        let leaves = point
            .as_ref()
            .is_some_and(|point| Kind::of(point) == Kind::CheckOut);
        let gate = match (&point, self.session_starts.get(&pair)) {
            (None, Some(starts_at)) => Gate::of_session(event, *starts_at),
            _ => gate_of(event, point.as_ref()),
        };
        let facts = self.facts(wish, pair, present.is_some() || leaves);
        let accepted = rules::decide(event, gate, facts, &wish.claim)?;
        if leaves {
            let since = present.as_ref().map(|row| self.passing.first_in_at(pair, row));
            if since.is_none_or(|since| wish.claim.judged_at < since) {
                return Err(Code::NotCheckedIn.into());
            }
        }
        let flags = accepted.flags.clone();
        let row = match present {
            Some(row) => row,
            None => self.new_row(ids, wish, accepted)?,
        };
        let passed = point.map(|point| PassedPoint {
            passage: new_passage(ids, wish, &point, row.id, &flags),
            point,
        });
        Ok(CheckedIn {
            row,
            passed,
            found: Found::New,
        })
    }

    /// The answer to a wish that was sent before: its record, or that its id was used for something else.
    fn sent_before(&self, wish: &CheckIn) -> Option<Outcome> {
        let is_theirs = |event, member| (event, member) == (wish.event, wish.member);
        let (row, passed, same) = match self.passing.sent_before(wish) {
            Some((passed, row)) => {
                let point = passed.as_ref().map(|passed| passed.point.id);
                let names_it = point.is_some() && (wish.checkpoint.is_none() || wish.checkpoint == point);
                let same = names_it && is_theirs(row.event_id, row.member_id);
                (row, passed, same)
            }
            None => {
                let row = self.sent.get(&(wish.submitted_by, wish.client_event_id))?;
                let same = wish.checkpoint.is_none() && is_theirs(row.event_id, row.member_id);
                (row.clone(), None, same)
            }
        };
        Some(if same {
            Ok(CheckedIn {
                row,
                passed,
                found: Found::Repeat,
            })
        } else {
            Err(Code::ClientEventIdReused.into())
        })
    }

    /// What stands already of what is wished for: the passage of the point, or the check-in where none is named.
    fn standing(&self, pair: Pair, point: Option<&CheckpointRow>) -> Option<CheckedIn> {
        let row = self.effective.get(&pair)?.clone();
        let passed = match point {
            Some(point) => Some(PassedPoint {
                passage: self.passing.passed(pair, point.id)?.clone(),
                point: point.clone(),
            }),
            None => None,
        };
        Some(CheckedIn {
            row,
            passed,
            found: Found::Standing,
        })
    }

    /// `is_admitted`: whoever is present, or leaves, need not be expected.
    fn facts(&self, wish: &CheckIn, pair: Pair, is_admitted: bool) -> Facts {
        let device = wish.claim.device.map(|device| (wish.event, AnyId(device)));
        let others = device.and_then(|device| self.devices.get(&device));
        Facts {
            on_roster: is_admitted || self.on_roster.contains(&pair),
            on_leave: !is_admitted && self.on_leave.contains(&pair),
            device_used_by_other: others.is_some_and(|members| members.iter().any(|m| *m != wish.member)),
        }
    }

    fn new_row(&mut self, ids: &Ids, wish: &CheckIn, accepted: rules::Accepted) -> AppResult<CheckInRow> {
        let event = self.events.get_mut(&wish.event).ok_or(Code::InvalidCode)?;
        event.last_seq += 1;
        Ok(new_row(ids, event, wish, accepted))
    }

    fn remember(&mut self, done: &CheckedIn) {
        let row = &done.row;
        if let Some(passed) = &done.passed {
            self.passing.remember(&passed.passage, row);
        }
        if !done.made_present() {
            return;
        }
        self.effective.insert(Pair::of(row), row.clone());
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

fn session_starts(
    conn: &mut DbConnection,
    events: &HashMap<EventId, EventRow>,
    people: &[(EventId, MemberId)],
) -> AppResult<HashMap<Pair, Instant>> {
    let by_sign_up = |event: &EventId| {
        events
            .get(event)
            .is_some_and(|event| Admission::of(event) == Admission::SignUp)
    };
    let asked: Vec<_> = people
        .iter()
        .filter(|(event, _)| by_sign_up(event))
        .copied()
        .collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let starts = sign_ups::session_starts(conn, &asked)?.into_iter();
    Ok(starts
        .map(|((event_id, member_id), at)| (Pair { event_id, member_id }, at))
        .collect())
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
