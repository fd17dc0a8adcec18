//! Where a batch of reports is credited: everything it needs is read set-based before the first decision, and what has
//! changed is written set-based after the last.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::clock::StudyClock;
use super::course::{claim_of, course_of};
use super::credit;
use super::doubts::{Case, Doubts, Key, Rejected};
use super::played::Played;
use super::rows::{instant, millis, read_clock, read_played, read_progress};
use super::rules::{self, Claim, Doubt, Progress};
use super::store::{self, ClockRow, CompletionRow, ProgressRow, ReviewRow};
use crate::lessons::{self, CourseVersion, LessonId};
use crate::members::{self, MemberId};
use crate::organizations::OrganizationId;
use crate::platform::db::{DbConnection, Instant};
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

struct Line {
    standing: Standing,
    tenant: OrganizationId,
    is_changed: bool,
}

/// A batch's members, locked, with all that is known of them.
pub struct Desk {
    versions: HashMap<LessonId, Vec<CourseVersion>>,
    admitted: HashSet<(MemberId, LessonId)>,
    /// What was theirs until then, which may still wait on their phone.
    was_admitted: HashMap<(MemberId, LessonId), Instant>,
    clocks: HashMap<MemberId, (StudyClock, ClockRow, bool)>,
    lines: HashMap<Key, Line>,
    doubts: Doubts,
    completions: HashMap<(MemberId, LessonId), CompletionRow>,
    quizzes: HashMap<(MemberId, LessonId), QuizStanding>,
    completed: Vec<CompletionRow>,
}

impl Desk {
    /// Locks the clocks of these members, so two batches with one of them take turns, on any number of replicas.
    pub fn open(
        conn: &mut DbConnection,
        now: Instant,
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
        let mut new = pairs.clone();
        new.retain(|pair| !admitted.contains(pair));
        admitted.extend(lessons::admitted(conn, &new)?);
        new.retain(|pair| !admitted.contains(pair));
        let was_admitted = lessons::admitted_until(conn, &new, now.plus_s(-rules::BACKLOG_S))?;
        // Nothing is completed, and nothing doubted, that was not begun.
        let begun: HashSet<_> = rows.iter().map(|row| (row.member_id, row.lesson_id)).collect();
        let begun: Vec<_> = begun.into_iter().collect();
        let completions = store::list_completions(conn, &begun)?;
        let doubts = Doubts::load(conn, &begun)?;
        let quizzes = quizzes::standings(conn, &pairs)?;
        Ok(Self {
            quizzes,
            versions,
            admitted,
            was_admitted,
            clocks: clocks
                .into_iter()
                .map(|row| Ok((row.member_id, (read_clock(&row)?, row, false))))
                .collect::<AppResult<_>>()?,
            lines: rows.into_iter().map(read_line).collect::<AppResult<_>>()?,
            doubts,
            completions: completions
                .into_iter()
                .map(|row| ((row.member_id, row.lesson_id), row))
                .collect(),
            completed: Vec::new(),
        })
    }

    /// Credits one report, or refuses it whole: 404 for what is not there for the member.
    pub fn record(&mut self, ids: &Ids, now: Instant, report: &Report) -> AppResult<Recorded> {
        let version = self.version(now, report)?;
        if version.tenant != report.tenant {
            return Err(AppError::not_found());
        }
        let claim = claim_of(report, &version)?;
        let course = course_of(&version);
        let key = (report.member, report.lesson, version.number);
        let doubted = self.doubts.of_session(key, claim.session)?;
        let line = self.lines.entry(key).or_insert_with(|| Line {
            standing: Standing::default(),
            tenant: report.tenant,
            is_changed: true,
        });
        let (clock, _, clock_changed) = self
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
        if let Some((doubt, doubtful)) = verdict.doubtful.filter(|(_, played)| !played.is_empty()) {
            let case = Case {
                key,
                tenant,
                claim: &claim,
            };
            self.doubts.keep(ids, now, &case, doubt, &doubtful)?;
        }
        self.doubts.settle(now, key, &progress.played)?;
        rejected.extend(self.doubts.of_claim(key, &claim, &progress.played)?);
        let played_at = progress.credited_at.map_or(now, instant).min(now);
        self.complete(key, &version, played_at, now);
        // Begun, so what comes after it in this batch is as if it came in a later one.
        self.admitted.insert((report.member, report.lesson));
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
    fn version(&self, now: Instant, report: &Report) -> AppResult<CourseVersion> {
        let (member, lesson) = (report.member, report.lesson);
        let versions = self.versions.get(&lesson).map(Vec::as_slice).unwrap_or_default();
        let wanted = |version: &&CourseVersion| match report.number {
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
            .filter(|version| self.admits(now, report, version))
            .cloned()
            .ok_or_else(AppError::not_found)
    }

    /// The lesson is for them, or this version of it was when they played it.
    fn admits(&self, now: Instant, report: &Report, version: &CourseVersion) -> bool {
        let pair = (report.member, report.lesson);
        let was_theirs = |until: &Instant| {
            let theirs = now.millis() - rules::BACKLOG_MS..until.millis();
            theirs.contains(&report.claim.occurred_at) && version.published_at < *until
        };
        self.admitted.contains(&pair) || self.was_admitted.get(&pair).is_some_and(was_theirs)
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
        // Not before all that it takes was done, nor before there was such a version.
        let played_at = line.standing.progress.credited_at.map(instant);
        let passed_at = quiz.passed_at.filter(|_| quiz.required);
        let occurred_at = [Some(version.published_at), played_at, passed_at]
            .into_iter()
            .flatten()
            .fold(occurred_at, Instant::max)
            .min(now);
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
        let credited = line.standing.progress.played.clone();
        self.complete(key, &version, played_at, now);
        self.doubts.settle(now, key, &credited)
    }

    /// Writes what has changed, and asks points for what was completed.
    pub fn close(mut self, conn: &mut DbConnection, ids: &Ids, now: Instant) -> AppResult<()> {
        let clocks: Vec<ClockRow> = self
            .clocks
            .into_values()
            .filter(|(_, _, is_changed)| *is_changed)
            .map(|(clock, row, _)| ClockRow {
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
            credit::completions(conn, ids, now, &self.completed, &self.versions)?;
        }
        self.doubts.save(conn)
    }
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
