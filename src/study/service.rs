//! What may happen to study progress, in which order, and who may see and decide it.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::StudyReviewId;
use super::desk::{Desk, Recorded, Report, Standing};
use super::doubts::PENDING;
use super::played::Played;
use super::rows;
use super::store::{self, CompletionFilter, CompletionRow, ReviewFilter, ReviewRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::lessons::{self, CourseVersion, LessonId};
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::ids::Ids;
use crate::platform::page::{Found, Page};
use crate::quizzes;

/// Credits a batch in the caller's transaction, in order of arrival: an outcome for each.
pub fn record_all(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    batch: &[Report],
) -> AppResult<Vec<AppResult<Recorded>>> {
    let asked = batch
        .iter()
        .map(|report| (report.member, report.tenant, report.lesson));
    let mut desk = Desk::open(conn, now, asked)?;
    let outcomes = batch.iter().map(|report| desk.record(ids, now, report)).collect();
    desk.close(conn, ids, now)?;
    Ok(outcomes)
}

/// A version of a lesson, and how I stand with it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub version: CourseVersion,
    pub standing: Standing,
    /// What of it waits for a person or was refused.
    pub reviews: Vec<(ReviewRow, Played)>,
}

/// How I stand with a lesson: with the version asked for, else the one that I see, else the one that I completed.
pub fn view_progress(
    conn: &mut DbConnection,
    ctx: &Ctx,
    lesson: LessonId,
    number: Option<i32>,
) -> AppResult<Seen> {
    let member = ctx.actor.member()?;
    let rows = store::list_progress(conn, &[(member, lesson)])?;
    if rows.is_empty() {
        lessons::may_see(conn, ctx, lesson)?;
    }
    let completion = store::list_completions(conn, &[(member, lesson)])?.pop();
    let versions = lessons::versions_of(conn, [lesson])?;
    let completed = completion.as_ref().map(|completion| completion.number);
    let find = |wanted: &dyn Fn(&CourseVersion) -> bool| versions.iter().find(|version| wanted(version));
    let version = match number {
        Some(number) => find(&|version| version.number == number),
        None => find(&|version| Some(version.number) == completed).or_else(|| find(&|v| v.is_current)),
    };
    let version = version.cloned().ok_or_else(AppError::not_found)?;
    let row = rows.iter().find(|row| row.number == version.number);
    let quizzes = quizzes::standings(conn, &[(member, lesson)])?;
    let mut standing = Standing {
        completion,
        quiz: quizzes.get(&(member, lesson)).copied().unwrap_or_default(),
        ..Standing::default()
    };
    if let Some(row) = row {
        standing.progress = rows::read_progress(row)?;
        standing.started_at = Some(row.started_at);
        standing.updated_at = Some(row.updated_at);
    }
    let reviews = store::list_doubted(conn, &[(member, lesson)])?;
    let reviews = reviews.into_iter().filter(|row| row.number == version.number);
    Ok(Seen {
        reviews: reviews
            .map(|row| Ok((rows::read_played(&row.played)?, row)))
            .map(|read: AppResult<_>| read.map(|(played, row)| (row, played)))
            .collect::<AppResult<_>>()?,
        version,
        standing,
    })
}

/// What I have begun, the latest first.
pub fn list_mine(
    conn: &mut DbConnection,
    ctx: &Ctx,
    page: &Page<(Instant, LessonId, i32)>,
) -> AppResult<Found<(CourseVersion, Standing)>> {
    let member = ctx.actor.member()?;
    let found = store::list_mine(conn, member, page)?;
    let pairs: Vec<_> = found.rows.iter().map(|row| (member, row.lesson_id)).collect();
    let versions = lessons::versions_of(conn, pairs.iter().map(|(_, lesson)| *lesson))?;
    let completions = store::list_completions(conn, &pairs)?;
    let quizzes = quizzes::standings(conn, &pairs)?;
    let rows = found.rows.into_iter().map(|row| {
        let version = versions
            .iter()
            .find(|version| version.lesson == row.lesson_id && version.number == row.number)
            .cloned()
            .ok_or_else(|| AppError::internal("progress on a version that is not there"))?;
        let completion = completions.iter().find(|c| c.lesson_id == row.lesson_id);
        let standing = Standing {
            progress: rows::read_progress(&row)?,
            started_at: Some(row.started_at),
            updated_at: Some(row.updated_at),
            completion: completion.cloned(),
            quiz: quizzes.get(&(member, row.lesson_id)).copied().unwrap_or_default(),
        };
        Ok((version, standing))
    });
    Ok(Found {
        rows: rows.collect::<AppResult<_>>()?,
        count: found.count,
    })
}

/// What was claimed and not credited, with whom and what it is about.
#[derive(Debug, Clone)]
pub struct FullReview {
    pub row: ReviewRow,
    pub played: Played,
    pub member: Option<MemberBrief>,
    pub title: String,
}

fn with_names(conn: &mut DbConnection, rows: Vec<ReviewRow>) -> AppResult<Vec<FullReview>> {
    let members: Vec<MemberId> = rows.iter().map(|row| row.member_id).collect();
    let people = members::briefs(conn, &members)?;
    let versions = lessons::versions_of(conn, rows.iter().map(|row| row.lesson_id))?;
    let full = |row: ReviewRow| {
        let version = versions
            .iter()
            .find(|version| version.lesson == row.lesson_id && version.number == row.number);
        Ok(FullReview {
            played: rows::read_played(&row.played)?,
            member: people.get(&row.member_id).cloned(),
            title: version.map(|version| version.title.clone()).unwrap_or_default(),
            row,
        })
    };
    rows.into_iter().map(full).collect()
}

/// What a client may narrow the list of reviews to.
#[derive(Debug, Clone, Default)]
pub struct ListReviews {
    pub organization: Option<OrganizationId>,
    pub status: Option<&'static str>,
    pub page: Page<StudyReviewId>,
}

/// Those of the organizations whose people the actor may view.
pub fn list_reviews(conn: &mut DbConnection, ctx: &Ctx, asked: &ListReviews) -> AppResult<Found<FullReview>> {
    let within = organizations::require_anywhere(conn, ctx, Right::View)?;
    let organizations = organizations::narrowed(conn, ctx, asked.organization)?;
    let filter = ReviewFilter {
        tenant: ctx.actor.tenant,
        within,
        organizations,
        status: asked.status,
        page: asked.page.clone(),
    };
    let found = store::list_reviews(conn, &filter)?;
    Ok(Found {
        rows: with_names(conn, found.rows)?,
        count: found.count,
    })
}

/// What a person makes of a review.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It counts.
    Accept,
    /// It does not, with words for the member.
    Refuse(String),
}

/// Decides a review, once.
pub fn decide_review(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: StudyReviewId,
    decision: &Decision,
) -> AppResult<FullReview> {
    let seen = store::find_review(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require_ever(conn, ctx, seen.organization_id, Right::ManageMembers)?;
    if ctx.actor.account == seen.member_id.into() {
        return Err(AppError::forbidden());
    }
    let asked = [(seen.member_id, seen.tenant_id, seen.lesson_id)];
    let mut desk = Desk::open(conn, ctx.now, asked.into_iter())?;
    // Read again: the clock is locked only now.
    let mut row = store::find_review(conn, id)?.ok_or_else(AppError::not_found)?;
    if row.status != PENDING {
        return Err(Code::ReviewAlreadyDecided.into());
    }
    match decision {
        Decision::Accept => {
            "accepted".clone_into(&mut row.status);
            desk.accept(ctx.now, &row)?;
        }
        Decision::Refuse(words) => {
            "refused".clone_into(&mut row.status);
            row.note = Some(words.clone());
        }
    }
    desk.close(conn, &ctx.ids, ctx.now)?;
    row.decided_at = Some(ctx.now);
    row.decided_by = Some(ctx.actor.account);
    store::save_review(conn, &row)?;
    let detail = json!({ "member_id": row.member_id, "status": row.status });
    let entry = Entry::of(
        "study_review.decide",
        row.id.0,
        row.tenant_id,
        row.organization_id,
        detail,
    );
    audit::record(conn, ctx, entry)?;
    let full = with_names(conn, vec![row])?.pop();
    full.ok_or_else(AppError::not_found)
}

/// Takes turns with all that is credited to a member, until the transaction ends.
pub fn hold(conn: &mut DbConnection, member: MemberId, tenant: OrganizationId) -> AppResult<()> {
    store::lock_clocks(conn, &[(member, tenant)])?;
    Ok(())
}

/// Completes a lesson whose quiz was passed in this transaction, if enough of it is covered already. No permission asked.
pub fn quiz_passed(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    member: MemberId,
    tenant: OrganizationId,
    lesson: LessonId,
    occurred_at: Instant,
) -> AppResult<()> {
    let mut desk = Desk::open(conn, now, [(member, tenant, lesson)].into_iter())?;
    desk.complete_covered(member, lesson, occurred_at, now);
    desk.close(conn, ids, now)
}

/// How far members are with some lessons.
#[derive(Debug, Clone, Default)]
pub struct Studied {
    pub completed: HashMap<(MemberId, LessonId), Instant>,
    pub begun: HashSet<MemberId>,
}

/// No permission asked: for services that decide on their own.
pub fn studied(conn: &mut DbConnection, members: &[MemberId], lessons: &[LessonId]) -> AppResult<Studied> {
    let completed = store::list_completed(conn, members, lessons)?;
    let begun = store::list_begun(conn, members, lessons)?;
    Ok(Studied {
        completed: completed
            .into_iter()
            .map(|row| ((row.member_id, row.lesson_id), row.occurred_at))
            .collect(),
        begun: begun.into_iter().map(|row| row.member_id).collect(),
    })
}

/// Which of these lessons a member has begun. No permission asked.
pub fn begun_lessons(
    conn: &mut DbConnection,
    member: MemberId,
    lessons: &[LessonId],
) -> AppResult<HashSet<LessonId>> {
    let pairs: Vec<_> = lessons.iter().map(|lesson| (member, *lesson)).collect();
    let rows = store::list_progress(conn, &pairs)?;
    Ok(rows.into_iter().map(|row| row.lesson_id).collect())
}

/// A completion, and the version it was earned on.
#[derive(Debug, Clone)]
pub struct FullCompletion {
    pub row: CompletionRow,
    pub version: CourseVersion,
}

/// What a record store asks for.
#[derive(Debug, Clone, Default)]
pub struct ReadCompletions {
    pub since: Option<Instant>,
    pub until: Option<Instant>,
    pub lesson: Option<LessonId>,
    pub ascending: bool,
    pub page: Page<(Instant, MemberId, LessonId)>,
}

const LONGEST_WRITE_S: i64 = 30;

/// Until when nothing is added to what has been read: a completion bears the time at which its transaction began.
pub fn settled_until(ctx: &Ctx) -> Instant {
    ctx.now.plus_s(-LONGEST_WRITE_S)
}

/// Those of the people whom the actor might view when they completed them, and the actor's own.
pub fn read_completions(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &ReadCompletions,
) -> AppResult<Found<FullCompletion>> {
    let settled = settled_until(ctx);
    let filter = CompletionFilter {
        tenant: ctx.actor.tenant,
        within: organizations::ids_with_right(conn, ctx, Right::View)?,
        member: match ctx.actor.is_system_admin {
            true => None,
            false => Some(ctx.actor.member()?),
        },
        since: asked.since,
        until: Some(asked.until.map_or(settled, |until| until.min(settled))),
        lesson: asked.lesson,
        ascending: asked.ascending,
        page: asked.page.clone(),
    };
    let found = store::read_completions(conn, &filter)?;
    let versions = lessons::versions_of(conn, found.rows.iter().map(|row| row.lesson_id))?;
    let full = |row: CompletionRow| {
        let version = versions
            .iter()
            .find(|version| version.lesson == row.lesson_id && version.number == row.number)
            .cloned()
            .ok_or_else(|| AppError::internal("a completion of a version that is not there"))?;
        Ok(FullCompletion { row, version })
    };
    Ok(Found {
        rows: found.rows.into_iter().map(full).collect::<AppResult<_>>()?,
        count: found.count,
    })
}
