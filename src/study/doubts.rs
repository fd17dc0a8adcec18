//! What was claimed and not credited: kept for a person, one review a session and doubt, and closed when it is credited after all.

use super::played::Played;
use super::rows::{instant, millis, read_played};
use super::rules::{Claim, Doubt, Doubted};
use super::store::{self, ReviewRow};
use crate::lessons::LessonId;
use crate::members::{self, MemberId};
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::ids::Ids;

pub const PENDING: &str = "pending";
const SETTLED: &str = "settled";
/// Of one member and lesson.
const MAX_REVIEWS: usize = 20;

/// A member and a version of a lesson.
pub type Key = (MemberId, LessonId, i32);

/// A claim on a version.
pub struct Case<'a> {
    pub key: Key,
    pub tenant: OrganizationId,
    pub claim: &'a Claim,
}

#[derive(Debug, Clone)]
pub struct Rejected {
    pub played: Played,
    pub doubt: Doubt,
    /// It waits for a person; else it is decided.
    pub in_review: bool,
}

/// The open and the refused reviews of a batch's members and lessons.
pub struct Doubts(Vec<Kept>);

struct Kept {
    row: ReviewRow,
    is_changed: bool,
}

impl Kept {
    fn is_about(&self, key: Key) -> bool {
        (self.row.member_id, self.row.lesson_id, self.row.number) == key
    }

    fn is_of(&self, key: Key, session: uuid::Uuid) -> bool {
        self.is_about(key) && self.row.session_id == AnyId(session)
    }

    fn is_open(&self) -> bool {
        self.row.status == PENDING
    }

    fn hold(&mut self, played: &Played) {
        self.row.claimed_ms = millis(played.total_ms());
        self.row.played = played.encode();
        self.is_changed = true;
    }
}

impl Doubts {
    /// The caller holds the members' clocks.
    pub fn load(conn: &mut DbConnection, asked: &[(MemberId, LessonId)]) -> AppResult<Self> {
        let rows = store::list_doubted(conn, asked)?;
        let kept = |row| Kept {
            row,
            is_changed: false,
        };
        Ok(Self(rows.into_iter().map(kept).collect()))
    }

    /// What of a session is doubted already.
    pub fn of_session(&self, key: Key, session: uuid::Uuid) -> AppResult<Doubted> {
        let mut doubted = Doubted::default();
        for kept in self.0.iter().filter(|kept| kept.is_of(key, session)) {
            let may_settle = kept.is_open() && kept.row.doubt == Doubt::TooFast.as_str();
            let list = if may_settle {
                &mut doubted.waiting
            } else {
                &mut doubted.held
            };
            *list = list.union(&read_played(&kept.row.played)?);
        }
        Ok(doubted)
    }

    /// Keeps what is doubtful.
    pub fn keep(
        &mut self,
        ids: &Ids,
        now: Instant,
        case: &Case<'_>,
        doubt: Doubt,
        played: &Played,
    ) -> AppResult<()> {
        let at = self.place_of(ids, now, case, doubt);
        if let Some(kept) = self.0.get_mut(at) {
            let all = read_played(&kept.row.played)?.union(played);
            kept.row.received_at = now;
            kept.hold(&all);
        }
        Ok(())
    }

    /// With the same session's, or in a review of its own; with the newest of the lesson when there are many already, so that
    /// nobody fills the list by making up sessions.
    fn place_of(&mut self, ids: &Ids, now: Instant, case: &Case<'_>, doubt: Doubt) -> usize {
        let takes = |kept: &Kept| kept.is_open() && kept.row.doubt == doubt.as_str();
        let session = case.claim.session;
        let same = self
            .0
            .iter()
            .position(|kept| takes(kept) && kept.is_of(case.key, session));
        let many = self.0.iter().filter(|kept| kept.is_about(case.key)).count() >= MAX_REVIEWS;
        let any = self
            .0
            .iter()
            .rposition(|kept| takes(kept) && kept.is_about(case.key));
        same.or(any.filter(|_| many)).unwrap_or_else(|| {
            self.0.push(Kept {
                row: new_review(ids, now, case, doubt),
                is_changed: true,
            });
            self.0.len() - 1
        })
    }

    /// Closes what has been credited meanwhile, in whatever session it was claimed.
    pub fn settle(&mut self, now: Instant, key: Key, credited: &Played) -> AppResult<()> {
        let open = |kept: &&mut Kept| kept.is_about(key) && kept.is_open();
        for kept in self.0.iter_mut().filter(open) {
            let before = read_played(&kept.row.played)?;
            let waiting = before.minus(credited);
            if waiting.is_empty() {
                SETTLED.clone_into(&mut kept.row.status);
                kept.row.decided_at = Some(now);
                kept.is_changed = true;
            } else if waiting != before {
                kept.hold(&waiting);
            }
        }
        Ok(())
    }

    /// What of this claim is still not credited: waiting, or refused.
    pub fn of_claim(&self, key: Key, claim: &Claim, credited: &Played) -> AppResult<Vec<Rejected>> {
        let open = claim.played.minus(credited);
        let (mut rejected, mut told) = (Vec::new(), Played::default());
        // Its own session's first, for theirs it was.
        let (own, others): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .filter(|kept| kept.is_about(key) && kept.row.status != SETTLED)
            .partition(|kept| kept.is_of(key, claim.session));
        for kept in own.into_iter().chain(others.into_iter().rev()) {
            let played = open.common(&read_played(&kept.row.played)?).minus(&told);
            if played.is_empty() {
                continue;
            }
            told = told.union(&played);
            let in_review = kept.is_open();
            let doubt = Doubt::parse(&kept.row.doubt).filter(|_| in_review);
            rejected.push(Rejected {
                played,
                doubt: doubt.unwrap_or(Doubt::Refused),
                in_review,
            });
        }
        Ok(rejected)
    }

    /// Writes what has changed.
    pub fn save(self, conn: &mut DbConnection) -> AppResult<()> {
        let changed = self.0.into_iter().filter(|kept| kept.is_changed);
        let rows: Vec<ReviewRow> = changed.map(|kept| kept.row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let people = members::briefs(conn, &rows.iter().map(|row| row.member_id).collect::<Vec<_>>())?;
        for mut row in rows {
            if let Some(person) = people.get(&row.member_id) {
                row.organization_id = person.organization_id;
            }
            store::save_review(conn, &row)?;
        }
        Ok(())
    }
}

fn new_review(ids: &Ids, now: Instant, case: &Case<'_>, doubt: Doubt) -> ReviewRow {
    let (member_id, lesson_id, number) = case.key;
    ReviewRow {
        id: ids.make(),
        tenant_id: case.tenant,
        // Their own, filled in when it is saved.
        organization_id: case.tenant,
        member_id,
        lesson_id,
        number,
        session_id: AnyId(case.claim.session),
        doubt: doubt.as_str().to_owned(),
        played: Vec::new(),
        claimed_ms: 0,
        occurred_at: instant(case.claim.occurred_at),
        received_at: now,
        status: PENDING.to_owned(),
        decided_at: None,
        decided_by: None,
        note: None,
    }
}
