//! Where a batch of reports is credited: everything it needs is read set-based before the first decision, and what has
//! changed is written set-based after the last.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::clock::StudyClock;
use super::played::{Played, Span};
use super::rules::{self, Claim, Course, Doubt, Doubted, Progress};
use super::sessions::Sessions;
use super::store::{self, ClockRow, CompletionRow, ProgressRow, ReviewRow};
use crate::lessons::{self, CourseVersion, Kind, LessonId};
use crate::members::{self, MemberId};
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::platform::ids::Ids;
use crate::quizzes::{self, QuizStanding};

/// What one phone reports of one lesson.
#[derive(Debug, Clone)]
pub struct Report {
    pub member: MemberId,
    pub tenant: OrganizationId,
    pub lesson: LessonId,
    /// Which version was played; none: the one that members are shown.
    pub number: Option<i32>,
    pub claim: Claim,
    /// Of an article: the sections that were seen, counted from 0.
    pub sections: Vec<u32>,
}

/// What became of a report, and how the lesson stands now.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub version: CourseVersion,
    pub standing: Standing,
    /// What of this report counts, credited now or before.
    pub accepted: Played,
    pub rejected: Vec<Rejected>,
    /// Did it credit anything that was not credited before?
    pub is_new: bool,
}

#[derive(Debug, Clone)]
pub struct Rejected {
    pub played: Played,
    pub doubt: Doubt,
    /// It waits for a person; else it is decided.
    pub in_review: bool,
}

/// How a member stands with a version of a lesson.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub progress: Progress,
    pub started_at: Option<Instant>,
    pub updated_at: Option<Instant>,
    /// Of the lesson, in whatever version.
    pub completion: Option<CompletionRow>,
    /// Likewise.
    pub quiz: QuizStanding,
}

type Key = (MemberId, LessonId, i32);

/// A claim on a version.
struct Case<'a> {
    key: Key,
    tenant: OrganizationId,
    claim: &'a Claim,
}

struct Line {
    standing: Standing,
    tenant: OrganizationId,
    is_changed: bool,
}

/// A batch's members, locked, with all that is known of them.
pub struct Desk {
    versions: HashMap<LessonId, Vec<CourseVersion>>,
    admitted: HashSet<(MemberId, LessonId)>,
    clocks: HashMap<MemberId, (ClockRow, StudyClock, bool)>,
    lines: HashMap<Key, Line>,
    reviews: Vec<(ReviewRow, bool)>,
    completions: HashMap<(MemberId, LessonId), CompletionRow>,
    quizzes: HashMap<(MemberId, LessonId), QuizStanding>,
    completed: Vec<CompletionRow>,
}

impl Desk {
    /// Locks the clocks of these members, so two batches with one of them take turns, on any number of replicas.
    pub fn open(
        conn: &mut DbConnection,
        asked: impl Iterator<Item = (MemberId, OrganizationId, LessonId)> + Clone,
    ) -> AppResult<Self> {
        let people: BTreeMap<MemberId, OrganizationId> = asked
            .clone()
            .map(|(member, tenant, _)| (member, tenant))
            .collect();
        let people: Vec<_> = people.into_iter().collect();
        let pairs: HashSet<(MemberId, LessonId)> =
            asked.map(|(member, _, lesson)| (member, lesson)).collect();
        let pairs: Vec<_> = pairs.into_iter().collect();
        let clocks = store::lock_clocks(conn, &people)?;
        let mut versions: HashMap<LessonId, Vec<CourseVersion>> = HashMap::new();
        for version in lessons::versions_of(conn, pairs.iter().map(|(_, lesson)| *lesson))? {
            versions.entry(version.lesson).or_default().push(version);
        }
        let rows = store::list_progress(conn, &pairs)?;
        // Who has begun may go on, whatever has become of the lesson or of their place.
        let mut admitted: HashSet<_> = rows.iter().map(|row| (row.member_id, row.lesson_id)).collect();
        let new: Vec<_> = pairs
            .iter()
            .copied()
            .filter(|pair| !admitted.contains(pair))
            .collect();
        admitted.extend(lessons::admitted(conn, &new)?);
        let completions = store::list_completions(conn, &pairs)?;
        let reviews = store::list_doubted(conn, &pairs)?;
        let quizzes = quizzes::standings(conn, &pairs)?;
        Ok(Self {
            quizzes,
            versions,
            admitted,
            clocks: clocks.into_iter().map(read_clock).collect::<AppResult<_>>()?,
            lines: rows.into_iter().map(read_line).collect::<AppResult<_>>()?,
            reviews: reviews.into_iter().map(|row| (row, false)).collect(),
            completions: completions
                .into_iter()
                .map(|row| ((row.member_id, row.lesson_id), row))
                .collect(),
            completed: Vec::new(),
        })
    }

    /// Credits one report, or refuses it whole: 404 for what is not there for the member.
    pub fn record(&mut self, ids: &Ids, now: Instant, report: &Report) -> AppResult<Recorded> {
        let version = self.version(now, report.member, report.lesson, report.number)?;
        if version.tenant != report.tenant {
            return Err(AppError::not_found());
        }
        let claim = claim_of(report, &version)?;
        let course = course_of(&version);
        let key = (report.member, report.lesson, version.number);
        let doubted = self.doubted(key, claim.session)?;
        let line = self.lines.entry(key).or_insert_with(|| Line {
            standing: Standing::default(),
            tenant: report.tenant,
            is_changed: true,
        });
        let (_, clock, clock_changed) = self
            .clocks
            .get_mut(&report.member)
            .ok_or_else(|| AppError::internal("a member's clock is missing"))?;
        let (clock_before, before) = (clock.clone(), line.standing.progress.clone());
        let progress = &mut line.standing.progress;
        let verdict = rules::credit(clock, progress, &doubted, course, &claim, now.millis());
        *clock_changed |= *clock != clock_before;
        if *progress != before || line.standing.updated_at.is_none() {
            line.is_changed = true;
            line.standing.updated_at = Some(now);
            line.standing.started_at.get_or_insert(now);
        }
        let (progress, tenant) = (progress.clone(), line.tenant);
        let mut rejected = rejected_of(&verdict);
        let doubtful = verdict.doubtful.filter(|(_, played)| !played.is_empty());
        let case = Case {
            key,
            tenant,
            claim: &claim,
        };
        self.review(ids, now, &case, doubtful, &progress.played)?;
        rejected.extend(self.still_doubted(key, &claim, &progress.played)?);
        let played_at = progress.credited_at.map_or(now, instant).min(now);
        self.complete(key, &version, played_at, now);
        Ok(Recorded {
            accepted: claim.played.common(&progress.played),
            rejected,
            is_new: !verdict.accepted.is_empty() || !verdict.settled.is_empty(),
            standing: self.standing(key),
            version,
        })
    }

    /// The version that is meant, if it can have been played: it is the one that members are shown, or was for as long as a
    /// backlog may wait, or the member has begun it.
    fn version(
        &self,
        now: Instant,
        member: MemberId,
        lesson: LessonId,
        number: Option<i32>,
    ) -> AppResult<CourseVersion> {
        let versions = self.versions.get(&lesson).map(Vec::as_slice).unwrap_or_default();
        let wanted = |version: &&CourseVersion| match number {
            Some(number) => version.number == number,
            None => version.is_current,
        };
        let was_shown = |version: &CourseVersion| {
            let next = versions.iter().find(|other| other.number == version.number + 1);
            next.is_none_or(|next| next.published_at.millis() >= now.millis() - rules::BACKLOG_MS)
        };
        let is_open = |version: &&CourseVersion| {
            let has_begun = self.lines.contains_key(&(member, lesson, version.number));
            version.is_current || has_begun || was_shown(version)
        };
        let found = versions.iter().find(wanted).filter(is_open);
        found
            .filter(|_| self.admitted.contains(&(member, lesson)))
            .cloned()
            .ok_or_else(AppError::not_found)
    }

    fn doubted(&self, key: Key, session: uuid::Uuid) -> AppResult<Doubted> {
        let mut doubted = Doubted::default();
        for (row, _) in self.reviews.iter().filter(|(row, _)| is_of(row, key, session)) {
            let may_settle = row.status == PENDING && row.doubt == Doubt::TooFast.as_str();
            let list = if may_settle {
                &mut doubted.waiting
            } else {
                &mut doubted.held
            };
            *list = list.union(&read_played(&row.played)?);
        }
        Ok(doubted)
    }

    /// Keeps what is doubtful for a person, one review a session and doubt; then closes what has been credited meanwhile.
    fn review(
        &mut self,
        ids: &Ids,
        now: Instant,
        case: &Case<'_>,
        doubtful: Option<(Doubt, Played)>,
        credited: &Played,
    ) -> AppResult<()> {
        if let Some((doubt, new)) = doubtful {
            let at = self.review_of(ids, now, case, doubt);
            if let Some((row, changed)) = self.reviews.get_mut(at) {
                let played = read_played(&row.played)?.union(&new);
                row.claimed_ms = millis(played.total_ms());
                row.played = played.encode();
                row.received_at = now;
                *changed = true;
            }
        }
        let of_lesson = |row: &ReviewRow| (row.member_id, row.lesson_id, row.number) == case.key;
        for (row, changed) in self.reviews.iter_mut().filter(|(row, _)| of_lesson(row)) {
            if row.status != PENDING {
                continue;
            }
            let before = read_played(&row.played)?;
            let waiting = before.minus(credited);
            if waiting == before {
                continue;
            }
            *changed = true;
            if waiting.is_empty() {
                SETTLED.clone_into(&mut row.status);
                row.decided_at = Some(now);
            } else {
                row.claimed_ms = millis(waiting.total_ms());
                row.played = waiting.encode();
            }
        }
        Ok(())
    }

    /// Where such a claim is kept: with the same session's, or in a review of its own; with the newest of the lesson when
    /// there are many already, so that nobody fills the list by making up sessions.
    fn review_of(&mut self, ids: &Ids, now: Instant, case: &Case<'_>, doubt: Doubt) -> usize {
        let of_lesson = |row: &ReviewRow| (row.member_id, row.lesson_id, row.number) == case.key;
        let is_open = |row: &ReviewRow| row.status == PENDING && row.doubt == doubt.as_str();
        let same = self
            .reviews
            .iter()
            .position(|(row, _)| is_open(row) && is_of(row, case.key, case.claim.session));
        let many = self.reviews.iter().filter(|(row, _)| of_lesson(row)).count() >= MAX_REVIEWS;
        let any = self
            .reviews
            .iter()
            .rposition(|(row, _)| is_open(row) && of_lesson(row));
        if let Some(at) = same.or(any.filter(|_| many)) {
            return at;
        }
        self.reviews.push((new_review(ids, now, case, doubt), true));
        self.reviews.len() - 1
    }

    /// What of this report is still not credited: sent before, and waiting or refused since.
    fn still_doubted(&self, key: Key, claim: &Claim, credited: &Played) -> AppResult<Vec<Rejected>> {
        let open = claim.played.minus(credited);
        let (mut rejected, mut told) = (Vec::new(), Played::default());
        let of_lesson = |row: &ReviewRow| (row.member_id, row.lesson_id, row.number) == key;
        // Its own session's first, for theirs it was.
        let (own, others): (Vec<_>, Vec<_>) = self
            .reviews
            .iter()
            .map(|(row, _)| row)
            .filter(|row| of_lesson(row) && row.status != SETTLED)
            .partition(|row| is_of(row, key, claim.session));
        for row in own.into_iter().chain(others.into_iter().rev()) {
            let played = open.common(&read_played(&row.played)?).minus(&told);
            if played.is_empty() {
                continue;
            }
            told = told.union(&played);
            let in_review = row.status == PENDING;
            let doubt = Doubt::parse(&row.doubt).filter(|_| in_review);
            rejected.push(Rejected {
                played,
                doubt: doubt.unwrap_or(Doubt::Refused),
                in_review,
            });
        }
        Ok(rejected)
    }

    fn complete(&mut self, key: Key, version: &CourseVersion, occurred_at: Instant, now: Instant) {
        let (member, lesson, number) = key;
        let Some(line) = self.lines.get(&key) else { return };
        let played = &line.standing.progress.played;
        if self.completions.contains_key(&(member, lesson)) || !course_of(version).is_covered(played) {
            return;
        }
        let quiz = self.quiz(member, lesson);
        if !quiz.is_met() {
            return;
        }
        let rule = if quiz.required {
            "coverage_and_quiz"
        } else {
            "coverage"
        };
        let row = CompletionRow {
            member_id: member,
            lesson_id: lesson,
            number,
            tenant_id: line.tenant,
            // Their own, filled in when it is saved.
            organization_id: line.tenant,
            rule: rule.to_owned(),
            threshold_permille: i32::try_from(version.threshold_permille).unwrap_or(i32::MAX),
            covered_ms: millis(played.total_ms()),
            played: played.encode(),
            occurred_at,
            received_at: now,
        };
        self.completed.push(row.clone());
        self.completions.insert((member, lesson), row);
    }

    /// Completes a lesson on the newest of its versions that the member has covered, if it is not completed already.
    pub fn complete_covered(
        &mut self,
        member: MemberId,
        lesson: LessonId,
        occurred_at: Instant,
        now: Instant,
    ) {
        let mut versions = self.versions.get(&lesson).cloned().unwrap_or_default();
        versions.sort_unstable_by_key(|version| std::cmp::Reverse(version.number));
        for version in versions {
            self.complete((member, lesson, version.number), &version, occurred_at, now);
        }
    }

    fn quiz(&self, member: MemberId, lesson: LessonId) -> QuizStanding {
        self.quizzes.get(&(member, lesson)).copied().unwrap_or_default()
    }

    fn standing(&self, key: Key) -> Standing {
        let (member, lesson, _) = key;
        let mut standing = self
            .lines
            .get(&key)
            .map(|line| line.standing.clone())
            .unwrap_or_default();
        standing.completion = self.completions.get(&(member, lesson)).cloned();
        standing.quiz = self.quiz(member, lesson);
        standing
    }

    /// A person lets what waited count, or refuses it. The row is the caller's, locked with its member's clock.
    pub fn accept(&mut self, now: Instant, review: &ReviewRow) -> AppResult<()> {
        let key = (review.member_id, review.lesson_id, review.number);
        let version = self.versions.get(&review.lesson_id);
        let version = version
            .and_then(|versions| versions.iter().find(|version| version.number == review.number))
            .cloned()
            .ok_or_else(AppError::not_found)?;
        let line = self.lines.entry(key).or_insert_with(|| Line {
            standing: Standing {
                started_at: Some(now),
                ..Standing::default()
            },
            tenant: review.tenant_id,
            is_changed: true,
        });
        let progress = &mut line.standing.progress;
        progress.played = progress.played.union(&read_played(&review.played)?);
        let played_at = review.occurred_at.min(now);
        progress.credited_at = progress.credited_at.max(Some(played_at.millis()));
        let played_at = progress.credited_at.map_or(played_at, instant);
        line.standing.updated_at = Some(now);
        line.is_changed = true;
        self.complete(key, &version, played_at, now);
        Ok(())
    }

    /// Writes what has changed. Says which lessons were completed now.
    pub fn close(mut self, conn: &mut DbConnection) -> AppResult<Vec<CompletionRow>> {
        let clocks: Vec<ClockRow> = self
            .clocks
            .into_values()
            .filter(|(_, _, is_changed)| *is_changed)
            .map(|(row, clock, _)| ClockRow {
                slots: clock.encode(),
                ..row
            })
            .collect();
        let lines = self.lines.into_iter().filter(|(_, line)| line.is_changed);
        let rows: Vec<ProgressRow> = lines.map(|(key, line)| write_line(key, &line)).collect();
        if !clocks.is_empty() {
            store::save_clocks(conn, &clocks)?;
        }
        if !rows.is_empty() {
            store::save_progress(conn, &rows)?;
        }
        if !self.completed.is_empty() {
            let members: Vec<MemberId> = self.completed.iter().map(|row| row.member_id).collect();
            let people = members::briefs(conn, &members)?;
            for row in &mut self.completed {
                if let Some(person) = people.get(&row.member_id) {
                    row.organization_id = person.organization_id;
                }
            }
            store::insert_completions(conn, &self.completed)?;
        }
        let reviews: Vec<ReviewRow> = self
            .reviews
            .into_iter()
            .filter_map(|(row, is_changed)| is_changed.then_some(row))
            .collect();
        if !reviews.is_empty() {
            save_reviews(conn, reviews)?;
        }
        Ok(self.completed)
    }
}

pub const PENDING: &str = "pending";
const SETTLED: &str = "settled";
/// Of one member and lesson.
const MAX_REVIEWS: usize = 20;

fn is_of(row: &ReviewRow, (member, lesson, number): Key, session: uuid::Uuid) -> bool {
    row.member_id == member
        && row.lesson_id == lesson
        && row.number == number
        && row.session_id == AnyId(session)
}

fn rejected_of(verdict: &rules::Verdict) -> Vec<Rejected> {
    let of_no_use = [
        (Doubt::BeyondEnd, &verdict.beyond_end),
        (Doubt::TooScattered, &verdict.too_scattered),
    ];
    let told = of_no_use.into_iter().filter(|(_, played)| !played.is_empty());
    told.map(|(doubt, played)| Rejected {
        played: played.clone(),
        doubt,
        in_review: false,
    })
    .collect()
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

fn save_reviews(conn: &mut DbConnection, rows: Vec<ReviewRow>) -> AppResult<()> {
    let members: Vec<MemberId> = rows.iter().map(|row| row.member_id).collect();
    let people = members::briefs(conn, &members)?;
    for mut row in rows {
        if let Some(person) = people.get(&row.member_id) {
            row.organization_id = person.organization_id;
        }
        store::save_review(conn, &row)?;
    }
    Ok(())
}

/// An article's sections are laid one behind the other on a line of time, each as long as reading it takes at least.
fn claim_of(report: &Report, version: &CourseVersion) -> AppResult<Claim> {
    let mut claim = report.claim.clone();
    if version.kind != Kind::Article {
        if !report.sections.is_empty() {
            let message = "this lesson is played: tell what was played, not sections";
            return Err(AppError::invalid_field("/sections", "not_an_article", message));
        }
        return Ok(claim);
    }
    if !claim.played.is_empty() {
        let message = "this lesson is an article: tell the sections that were seen";
        return Err(AppError::invalid_field("/played", "an_article", message));
    }
    let spans = section_spans(version);
    let mut seen = Vec::new();
    for (n, section) in report.sections.iter().enumerate() {
        let span = usize::try_from(*section).ok().and_then(|n| spans.get(n));
        let Some(span) = span else {
            let message = format!("the article has {} sections, counted from 0", spans.len());
            return Err(AppError::invalid_field(
                &format!("/sections/{n}"),
                "no_such_section",
                message,
            ));
        };
        seen.push(*span);
    }
    claim.played = Played::of(seen);
    // The position in an article is a section's number.
    claim.position_ms = claim.position_ms.map(|ms| ms / 1_000);
    Ok(claim)
}

pub fn section_spans(version: &CourseVersion) -> Vec<Span> {
    let mut at = 0u32;
    let lay = |ms: &u32| {
        let from = at;
        at = at.saturating_add(*ms);
        Span { from, to: at }
    };
    version.sections_ms.iter().map(lay).collect()
}

fn course_of(version: &CourseVersion) -> Course {
    Course {
        duration_ms: version.duration_ms,
        threshold_permille: version.threshold_permille,
        speed_percent: if version.kind == Kind::Article {
            100
        } else {
            version.speed_percent
        },
    }
}

fn read_clock(row: ClockRow) -> AppResult<(MemberId, (ClockRow, StudyClock, bool))> {
    let clock =
        StudyClock::decode(&row.slots).ok_or_else(|| AppError::internal("a study clock is damaged"))?;
    Ok((row.member_id, (row, clock, false)))
}

pub fn read_played(bytes: &[u8]) -> AppResult<Played> {
    Played::decode(bytes).ok_or_else(|| AppError::internal("what was played is damaged"))
}

pub fn read_progress(row: &ProgressRow) -> AppResult<Progress> {
    let sessions = Sessions::decode(&row.sessions);
    Ok(Progress {
        played: read_played(&row.played)?,
        sessions: sessions.ok_or_else(|| AppError::internal("study sessions are damaged"))?,
        position_ms: u32::try_from(row.position_ms).unwrap_or(0),
        position_at: row.position_at.map(Instant::millis),
        credited_at: row.credited_at.map(Instant::millis),
    })
}

fn read_line(row: ProgressRow) -> AppResult<(Key, Line)> {
    let standing = Standing {
        progress: read_progress(&row)?,
        started_at: Some(row.started_at),
        updated_at: Some(row.updated_at),
        ..Standing::default()
    };
    let line = Line {
        standing,
        tenant: row.tenant_id,
        is_changed: false,
    };
    Ok(((row.member_id, row.lesson_id, row.number), line))
}

fn write_line((member_id, lesson_id, number): Key, line: &Line) -> ProgressRow {
    let Line { standing, tenant, .. } = line;
    let progress = &standing.progress;
    let updated_at = standing.updated_at.unwrap_or(Instant::from_micros(0));
    ProgressRow {
        member_id,
        lesson_id,
        number,
        tenant_id: *tenant,
        played: progress.played.encode(),
        covered_ms: millis(progress.played.total_ms()),
        sessions: progress.sessions.encode(),
        position_ms: i32::try_from(progress.position_ms).unwrap_or(i32::MAX),
        position_at: progress.position_at.map(instant),
        credited_at: progress.credited_at.map(instant),
        started_at: standing.started_at.unwrap_or(updated_at),
        updated_at,
    }
}

fn instant(wall: i64) -> Instant {
    Instant::from_micros(wall.saturating_mul(1_000))
}

fn millis(ms: u64) -> i32 {
    i32::try_from(ms).unwrap_or(i32::MAX)
}
