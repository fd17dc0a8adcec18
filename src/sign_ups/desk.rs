//! An event's places, locked: everything is read before the first decision, and what has changed is written after the
//! last. After every change the free places have gone to the first in line; so whoever comes new may take a free one.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::draw;
use super::policy::store::{self as policies, Policy, PolicyRow, QuotaRow, SessionRow};
use super::rules::{self, Need, Next, Places, Question, Room, Status, Terms, Waiting};
use super::store::{self, Line, SignUpRow, StepRow};
use super::{SignUpId, SignUpSessionId, SignUpStepId};
use crate::app::Ctx;
use crate::auth::AccountId;
use crate::events::{self, EventId, EventRow};
use crate::notices::{self, Kind, NewNotice, NoticeData};
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::ids::Ids;

/// What happened to a sign-up, by whom and why.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    /// None: the system.
    pub actor: Option<AccountId>,
    pub reason: Option<String>,
}

pub struct Desk {
    pub event: EventRow,
    pub policy: PolicyRow,
    /// The policy as it is stored.
    read: PolicyRow,
    pub questions: Vec<Question>,
    pub sessions: Vec<SessionRow>,
    pub quotas: Vec<QuotaRow>,
    pub places: Places,
    waiting: HashMap<SignUpSessionId, i32>,
    /// How many more wait, by session and thousand of arrivals.
    lines: BTreeMap<(SignUpSessionId, i32), i32>,
    steps: Vec<StepRow>,
    notices: Vec<NewNotice>,
    offers_changed: bool,
}

impl Desk {
    /// Locks these events. Those whose places are given by sign-up get a desk; of it, offers that have run out are put
    /// away first.
    pub fn open_all(
        conn: &mut DbConnection,
        ids: &Ids,
        now: Instant,
        wanted: &[EventId],
    ) -> AppResult<(Vec<EventRow>, HashMap<EventId, Self>)> {
        let events = events::lock_events(conn, wanted)?;
        let held: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let mut desks = HashMap::new();
        for policy in policies::list_policies(conn, &held)? {
            let Some(event) = events.iter().find(|event| event.id == policy.row.event_id) else {
                continue;
            };
            let mut desk = Self::of(event.clone(), policy)?;
            desk.settle(conn, ids, now)?;
            desks.insert(event.id, desk);
        }
        Ok((events, desks))
    }

    /// The desk of one event; 409 when nobody signs up for it.
    pub fn open(conn: &mut DbConnection, ids: &Ids, now: Instant, event: EventId) -> AppResult<Self> {
        let (_, mut desks) = Self::open_all(conn, ids, now, &[event])?;
        desks.remove(&event).ok_or_else(|| Code::NoSignUp.into())
    }

    fn of(event: EventRow, policy: Policy) -> AppResult<Self> {
        let Policy {
            row: policy,
            sessions,
            quotas,
        } = policy;
        let questions = questions_of(&policy)?;
        let session_room = |row: &SessionRow| {
            let room = Room {
                capacity: row.capacity,
                taken: row.taken,
            };
            (row.id, room)
        };
        let quota_room = |row: &QuotaRow| {
            let room = Room {
                capacity: Some(row.places),
                taken: row.taken,
            };
            (row.organization_id, room)
        };
        Ok(Self {
            places: Places {
                sessions: sessions.iter().map(session_room).collect(),
                quotas: quotas.iter().map(quota_room).collect(),
            },
            waiting: sessions.iter().map(|row| (row.id, row.waiting)).collect(),
            event,
            read: policy.clone(),
            policy,
            questions,
            sessions,
            quotas,
            lines: BTreeMap::new(),
            steps: Vec::new(),
            notices: Vec::new(),
            offers_changed: false,
        })
    }

    pub fn terms(&self) -> Terms {
        terms_of(&self.event, &self.policy)
    }

    /// Can places still change hands? Not once the roster is fixed, and not when the event does not take place.
    pub fn require_before_roster(&self, now: Instant) -> AppResult<()> {
        match self.event.status.as_str() {
            "cancelled" => return Err(Code::EventCancelled.into()),
            "closed" => return Err(Code::EventOver.into()),
            _ => {}
        }
        if self.is_settled(now) {
            return Err(Code::RosterFrozen.into());
        }
        Ok(())
    }

    fn is_settled(&self, now: Instant) -> bool {
        self.event.roster_frozen_at.is_some() || self.event.check_in_opens_at <= now
    }

    /// What somebody of this line of organizations needs for this session.
    pub fn need(&self, session: Option<SignUpSessionId>, line: &[uuid::Uuid]) -> AppResult<Need> {
        let found = match (session, self.sessions.as_slice()) {
            (None, [only]) => Some(only.id),
            (None, _) => {
                let message = "must name one of the event's sessions";
                return Err(AppError::invalid_field("/session_id", "required", message));
            }
            (Some(id), sessions) => sessions.iter().map(|row| row.id).find(|other| *other == id),
        };
        let session = found.ok_or_else(|| {
            AppError::invalid_field("/session_id", "unknown", "is no session of this event")
        })?;
        Ok(Need {
            session,
            quota: self.places.quota_of(line),
        })
    }

    pub fn next_seq(&mut self) -> i64 {
        self.policy.last_seq += 1;
        self.policy.last_seq
    }

    /// Does one more find room in this session's line?
    pub fn may_wait(&self, session: SignUpSessionId) -> bool {
        let limit = self.policy.waiting_limit;
        limit.is_none_or(|limit| self.waiting(session) < limit)
    }

    pub fn waiting(&self, session: SignUpSessionId) -> i32 {
        self.waiting.get(&session).copied().unwrap_or(0)
    }

    /// Puts a new one at the end of its line.
    pub fn enqueue(&mut self, row: &SignUpRow) {
        self.count_waiting(row, 1);
    }

    fn count_waiting(&mut self, row: &SignUpRow, by: i32) {
        *self.waiting.entry(row.session_id).or_default() += by;
        let counter = (row.session_id, store::thousand_of(row.seq));
        *self.lines.entry(counter).or_default() += by;
    }

    /// Ends what somebody has: their place is free, or they leave the line.
    pub fn release(&mut self, row: &SignUpRow) {
        match Status::parse(&row.status) {
            Some(Status::Waitlisted) => self.count_waiting(row, -1),
            Some(status) if status.has_place() => self.places.give_back(need_of(row)),
            _ => {}
        }
        self.offers_changed |= row.status == Status::Offered.as_str();
    }

    /// Ends a sign-up by the actor's hand; whoever is first in line gets the place with the next `fill`.
    pub fn end(
        &mut self,
        conn: &mut DbConnection,
        ctx: &Ctx,
        mut row: SignUpRow,
        status: Status,
        reason: Option<String>,
    ) -> AppResult<SignUpRow> {
        self.release(&row);
        status.as_str().clone_into(&mut row.status);
        row.ended_at = Some(ctx.now);
        row.ended_by = Some(ctx.actor.account);
        row.end_reason.clone_from(&reason);
        let cause = Cause {
            actor: Some(ctx.actor.account),
            reason,
        };
        self.record(conn, &ctx.ids, ctx.now, &row, status.as_str(), cause)?;
        Ok(row)
    }

    /// The place that was offered is theirs: nothing lapses any more.
    pub fn end_offer(&mut self) {
        self.offers_changed = true;
    }

    /// Writes the row as it is now, and a step that says how it came to be so.
    pub fn record(
        &mut self,
        conn: &mut DbConnection,
        ids: &Ids,
        now: Instant,
        row: &SignUpRow,
        step: &str,
        cause: Cause,
    ) -> AppResult<()> {
        store::update_sign_up(conn, row)?;
        self.note(ids, now, row, step, cause, &[]);
        Ok(())
    }

    /// Puts a step on record, and tells the member. `passed_over`: whose people stood further ahead, without room in
    /// their quota.
    fn note(
        &mut self,
        ids: &Ids,
        now: Instant,
        row: &SignUpRow,
        step: &str,
        cause: Cause,
        passed_over: &[OrganizationId],
    ) {
        let id: SignUpStepId = ids.make();
        // What somebody has done themselves they need not be told.
        if cause.actor != Some(row.member_id.into())
            && let Some(kind) = notice_of(step)
        {
            self.tell(AnyId(id.0), row, kind, cause.reason.clone());
        }
        self.steps.push(StepRow {
            id,
            tenant_id: row.tenant_id,
            event_id: row.event_id,
            session_id: row.session_id,
            sign_up_id: row.id,
            seq: row.seq,
            step: step.to_owned(),
            at: now,
            actor: cause.actor,
            reason: cause.reason,
            passed_over: (!passed_over.is_empty()).then(|| Json(json!(passed_over))),
        });
    }

    /// A place that a newcomer got is put on record where people wait for one whose quota has no room: why them.
    pub fn note_passing(&mut self, ids: &Ids, now: Instant, row: &SignUpRow) {
        if self.waiting(row.session_id) == 0 {
            return;
        }
        let full = self.places.full_quotas();
        if !full.is_empty() {
            self.note(ids, now, row, "confirmed", Cause::default(), &full);
        }
    }

    /// Tells the member; `source` stands for what has happened.
    pub fn tell(&mut self, source: AnyId, row: &SignUpRow, kind: Kind, reason: Option<String>) {
        let session = self.sessions.iter().find(|session| session.id == row.session_id);
        let starts_at = session.and_then(|session| session.starts_at);
        let session = session.map(|session| session.name.clone());
        self.notices.push(NewNotice {
            tenant: row.tenant_id,
            member: row.member_id,
            kind,
            source,
            event: Some(row.event_id),
            data: NoticeData {
                session: session.filter(|name| !name.is_empty()),
                starts_at: starts_at.or(Some(self.event.starts_at)),
                offer_ends_at: row.offer_ends_at.filter(|_| kind == Kind::SignUpOffered),
                reason,
                ..notices::data_of(&self.event)
            },
        });
    }

    /// Ends offers that nobody has answered in time, and gives their places on.
    fn settle(&mut self, conn: &mut DbConnection, ids: &Ids, now: Instant) -> AppResult<()> {
        if self.event.status != "published" {
            // Of an event that does not take place, or is over, nobody need answer an offer any more.
            self.policy.next_lapse_at = None;
            return Ok(());
        }
        self.hold_draw(conn, ids, now)?;
        if self.policy.next_lapse_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        for mut row in store::list_lapsed_offers(conn, self.event.id, now)? {
            self.release(&row);
            Status::Expired.as_str().clone_into(&mut row.status);
            row.ended_at = row.offer_ends_at;
            self.record(conn, ids, now, &row, "expired", Cause::default())?;
        }
        self.offers_changed = true;
        self.fill(conn, ids, now)
    }

    /// Do people who sign up now enter a draw?
    pub fn is_before_draw(&self) -> bool {
        self.policy.draw_at.is_some() && self.policy.drawn_at.is_none()
    }

    /// Once it is due: the entries become a line in the order of the draw, and the first of it have the places.
    fn hold_draw(&mut self, conn: &mut DbConnection, ids: &Ids, now: Instant) -> AppResult<()> {
        let is_due = self.terms().draw_at().is_some_and(|at| at <= now);
        if !is_due || !self.is_before_draw() || self.event.status != "published" {
            return Ok(());
        }
        let mut entries = store::list_entered(conn, self.event.id)?;
        let seed = self.policy.draw_seed.as_deref().unwrap_or_default();
        draw::order(seed, &mut entries, |row| row.id)
            .ok_or_else(|| AppError::internal("a draw without a seed"))?;
        for (rank, row) in (1i32..).zip(&mut entries) {
            row.seq = self.next_seq();
            row.draw_rank = Some(rank);
        }
        let waiting = |row: &SignUpRow| Waiting {
            id: row.id,
            seq: row.seq,
            need: need_of(row),
        };
        let mut line: Vec<_> = entries.iter().map(waiting).collect();
        let placed = rules::fill(&mut self.places, &mut line);
        let placed: HashMap<SignUpId, Vec<OrganizationId>> = placed
            .into_iter()
            .map(|next| (next.who.id, next.passed_over))
            .collect();
        for row in &mut entries {
            let (status, kind) = if let Some(passed_over) = placed.get(&row.id) {
                row.confirmed_at = Some(now);
                if !passed_over.is_empty() {
                    self.note(ids, now, row, "drawn", Cause::default(), passed_over);
                }
                (Status::Confirmed, Kind::SignUpConfirmed)
            } else {
                self.enqueue(row);
                (Status::Waitlisted, Kind::SignUpWaitlisted)
            };
            status.as_str().clone_into(&mut row.status);
            self.tell(AnyId(row.id.0), row, kind, None);
        }
        store::save_placed(conn, &entries)?;
        self.policy.drawn_at = Some(now);
        Ok(())
    }

    /// Gives the free places to the first in line. Call it after every change that may free one.
    pub fn fill(&mut self, conn: &mut DbConnection, ids: &Ids, now: Instant) -> AppResult<()> {
        if self.is_settled(now) || self.event.status != "published" {
            return Ok(());
        }
        let open: Vec<SignUpSessionId> = self
            .sessions
            .iter()
            .map(|row| row.id)
            .filter(|id| self.waiting(*id) > 0 && self.places.sessions.get(id).is_some_and(|s| s.free() > 0))
            .collect();
        let mut rows: HashMap<SignUpId, SignUpRow> = HashMap::new();
        for session in open {
            for row in self.first_in_line(conn, session)? {
                rows.insert(row.id, row);
            }
        }
        let waiting = |row: &SignUpRow| Waiting {
            id: row.id,
            seq: row.seq,
            need: need_of(row),
        };
        let mut line: Vec<_> = rows.values().map(waiting).collect();
        let mut promoted = Vec::new();
        for next in rules::fill(&mut self.places, &mut line) {
            if let Some(row) = rows.remove(&next.who.id) {
                promoted.push(self.promote(ids, now, row, &next));
            }
        }
        Ok(store::save_placed(conn, &promoted)?)
    }

    /// As many as have room, of each quota; and the first of those who have none.
    fn first_in_line(&self, conn: &mut DbConnection, session: SignUpSessionId) -> AppResult<Vec<SignUpRow>> {
        let most = self.waiting(session);
        let limit = |quota| i64::from(self.places.free(Need { session, quota }).clamp(1, most));
        if self.quotas.is_empty() {
            return Ok(store::list_line(conn, session, Line::All, limit(None))?);
        }
        let mut rows = store::list_line(conn, session, Line::OfNone, limit(None))?;
        for quota in self.quotas.iter().map(|row| row.organization_id) {
            rows.extend(store::list_line(
                conn,
                session,
                Line::Of(quota),
                limit(Some(quota)),
            )?);
        }
        Ok(rows)
    }

    fn promote(&mut self, ids: &Ids, now: Instant, mut row: SignUpRow, next: &Next<SignUpId>) -> SignUpRow {
        self.count_waiting(&row, -1);
        let step = if let Some(offer_s) = self.policy.offer_s {
            Status::Offered.as_str().clone_into(&mut row.status);
            // Nobody is woken by an offer, so nobody loses it in their sleep.
            let told_at = notices::rings_by_default(now, &self.event.time_zone);
            row.offer_ends_at = Some(self.terms().offer_ends_at(told_at, offer_s));
            self.offers_changed = true;
            "offered"
        } else {
            Status::Confirmed.as_str().clone_into(&mut row.status);
            row.confirmed_at = Some(now);
            "promoted"
        };
        self.note(ids, now, &row, step, Cause::default(), &next.passed_over);
        row
    }

    /// Writes what has changed, and tells those it concerns.
    pub fn close(mut self, conn: &mut DbConnection, ids: &Ids, now: Instant) -> AppResult<()> {
        for row in &self.sessions {
            let taken = self
                .places
                .sessions
                .get(&row.id)
                .map_or(row.taken, |room| room.taken);
            let waiting = self.waiting(row.id);
            if (taken, waiting) != (row.taken, row.waiting) {
                policies::update_numbers(conn, row.id, taken, waiting)?;
            }
        }
        for row in &self.quotas {
            let room = self.places.quotas.get(&row.organization_id);
            let taken = room.map_or(row.taken, |room| room.taken);
            if taken != row.taken {
                policies::update_quota(conn, &QuotaRow { taken, ..row.clone() })?;
            }
        }
        for ((session, thousand), by) in self.lines.iter().filter(|(_, by)| **by != 0) {
            store::count_line(conn, self.event.tenant_id, *session, *thousand, *by)?;
        }
        if self.offers_changed {
            self.policy.next_lapse_at = store::next_lapse(conn, self.event.id)?;
        }
        if self.policy != self.read {
            policies::update_state(conn, &self.policy)?;
        }
        store::insert_steps(conn, &self.steps)?;
        notices::post(conn, ids, now, &self.notices)
    }
}

/// The draw of an event whose roster is about to be frozen, if nobody has held it yet. The caller holds its row.
pub fn hold_due_draw(conn: &mut DbConnection, ids: &Ids, now: Instant, event: &EventRow) -> AppResult<()> {
    let Some(policy) = policies::find_policy(conn, event.id)? else {
        return Ok(());
    };
    let mut desk = Desk::of(event.clone(), policy)?;
    desk.hold_draw(conn, ids, now)?;
    desk.close(conn, ids, now)
}

/// Does such a step concern the member enough to be told?
fn notice_of(step: &str) -> Option<Kind> {
    Some(match step {
        "offered" => Kind::SignUpOffered,
        "promoted" => Kind::SignUpPromoted,
        "expired" => Kind::SignUpExpired,
        "cancelled" => Kind::SignUpCancelled,
        "moved" => Kind::SignUpMoved,
        _ => return None,
    })
}

/// What a stored sign-up needs.
pub fn need_of(row: &SignUpRow) -> Need {
    Need {
        session: row.session_id,
        quota: row.quota_id,
    }
}

pub fn questions_of(policy: &PolicyRow) -> AppResult<Vec<Question>> {
    serde_json::from_value(policy.questions.0.clone())
        .map_err(|error| AppError::internal(format!("unreadable questions: {error}")))
}

pub fn terms_of(event: &EventRow, policy: &PolicyRow) -> Terms {
    Terms {
        opens_at: policy.opens_at,
        closes_at: policy.closes_at,
        cancel_until: policy.cancel_until,
        draw_at: policy.draw_at,
        check_in_opens_at: event.check_in_opens_at,
    }
}
