//! What is due for a member, and who has just finished a plan: for other slices.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::StudyPlanId;
use super::rules;
use super::service::{FullPlan, PlanLesson, asked, with_all_lessons};
use super::store::{self, PlanRow};
use crate::app::Ctx;
use crate::lessons::{self, Audiences, LessonId};
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::study;

/// When a member came to those whom the plan asks, if that was after it was published.
fn came_to(
    conn: &mut DbConnection,
    now: Instant,
    member: MemberId,
    plan: &PlanRow,
) -> AppResult<Option<Instant>> {
    let organization = organizations::find_organization(conn, plan.organization_id)?;
    let below = organizations::ids_ever_below(conn, &organization)?;
    let since = plan.published_at.unwrap_or(now);
    Ok(members::came_since(conn, &[member], since, &below)?.remove(&member))
}

/// A lesson that some plan asks of me and that I have not completed.
#[derive(Debug, Clone)]
pub struct DueLesson {
    pub plan: StudyPlanId,
    pub plan_title: String,
    pub lesson: LessonId,
    pub title: String,
    pub duration_ms: u32,
    pub due_at: Instant,
    pub late: bool,
    pub begun: bool,
}

/// How long something late stays on the first screen.
pub const SHOWN_LATE_S: i64 = 180 * 86_400;

/// What is due for me, the first to be due first; a lesson that two plans ask for once. What I cannot open is not due.
pub fn due_lessons(conn: &mut DbConnection, ctx: &Ctx, most: usize) -> AppResult<Vec<DueLesson>> {
    let Some(who) = asked(conn, ctx)? else {
        return Ok(Vec::new());
    };
    let member = ctx.actor.member()?;
    let excused = store::list_excused_plans(conn, member)?;
    let mut rows = store::list_asking(conn, &who, ctx.now.plus_s(-SHOWN_LATE_S))?;
    rows.retain(|row| !excused.contains(&row.id));
    let plans = with_all_lessons(conn, rows)?;
    let lessons: Vec<LessonId> = plans
        .iter()
        .flat_map(|plan| plan.lessons.iter().map(|lesson| lesson.id))
        .collect();
    if lessons.is_empty() {
        return Ok(Vec::new());
    }
    let pairs: Vec<_> = lessons.iter().map(|lesson| (member, *lesson)).collect();
    let admitted = lessons::admitted(conn, &pairs)?;
    let studied = study::studied(conn, &[member], &lessons)?;
    let begun = study::begun_lessons(conn, member, &lessons)?;
    // Most have been there longer than any plan: then nobody looks where they came from.
    let oldest = plans.iter().filter_map(|plan| plan.row.published_at).min();
    let is_new = !members::came_since(conn, &[member], oldest.unwrap_or(ctx.now), &[])?.is_empty();
    let mut due: Vec<DueLesson> = Vec::new();
    for plan in plans {
        let came_at = if is_new {
            came_to(conn, ctx.now, member, &plan.row)?
        } else {
            None
        };
        if came_at.is_some_and(|at| at >= plan.row.due_at) {
            continue;
        }
        let due_at = rules::due_for(plan.row.due_at, came_at, plan.row.grace_days);
        for lesson in plan.lessons {
            let is_open = !studied.completed.contains_key(&(member, lesson.id));
            if is_open && admitted.contains(&(member, lesson.id)) {
                due.push(DueLesson {
                    plan: plan.row.id,
                    plan_title: plan.row.title.clone(),
                    lesson: lesson.id,
                    title: lesson.title,
                    duration_ms: lesson.duration_ms,
                    due_at,
                    late: ctx.now >= due_at,
                    begun: begun.contains(&lesson.id),
                });
            }
        }
    }
    due.sort_by_key(|lesson| lesson.due_at);
    let mut seen = HashSet::new();
    due.retain(|lesson| seen.insert(lesson.lesson));
    due.truncate(most);
    Ok(due)
}

/// What these plans are called. No permission asked.
pub fn titles(conn: &mut DbConnection, plans: &[StudyPlanId]) -> AppResult<HashMap<StudyPlanId, String>> {
    let rows = store::list_by_id(conn, plans)?;
    Ok(rows.into_iter().map(|row| (row.id, row.title)).collect())
}

/// A plan that somebody has done in time.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    pub member: MemberId,
    pub plan: StudyPlanId,
    /// When the last of its lessons was completed.
    pub at: Instant,
}

/// Which plans, in time, are done now that these members have completed these lessons; the completions are written. One
/// statement where no plan asks for any of them.
pub fn finished_by(
    conn: &mut DbConnection,
    now: Instant,
    completed: &[(MemberId, LessonId)],
) -> AppResult<Vec<Finished>> {
    let lessons: BTreeSet<LessonId> = completed.iter().map(|(_, lesson)| *lesson).collect();
    let lessons: Vec<_> = lessons.into_iter().collect();
    let rows = store::list_with_lessons(conn, &lessons)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<StudyPlanId> = rows.iter().map(|row| row.id).collect();
    let members: BTreeSet<MemberId> = completed.iter().map(|(member, _)| *member).collect();
    let members: Vec<_> = members.into_iter().collect();
    let pairs: Vec<_> = ids
        .iter()
        .flat_map(|plan| members.iter().map(|member| (*plan, *member)))
        .collect();
    let excused: HashSet<_> = store::list_excused(conn, &pairs)?.into_iter().collect();
    let people = members::briefs(conn, &members)?;
    let plans = with_all_lessons(conn, rows)?;
    let asked_for = plans
        .iter()
        .flat_map(|plan| plan.lessons.iter().map(|lesson| lesson.id));
    let asked_for: BTreeSet<LessonId> = asked_for.collect();
    let asked_for: Vec<_> = asked_for.into_iter().collect();
    let studied = study::studied(conn, &members, &asked_for)?;
    let audiences = lessons::audiences(conn, asked_for.iter().copied())?;
    let mut finished = Vec::new();
    for plan in &plans {
        // Whoever ends with a lesson that was put away meanwhile has ended, too.
        let has = |lesson: &LessonId| plan.lessons.iter().any(|planned| planned.id == *lesson);
        let now_done = completed.iter().filter(|(_, lesson)| has(lesson));
        for member in now_done.map(|(member, _)| *member).collect::<BTreeSet<_>>() {
            let asked = people.get(&member).and_then(|person| line_to(plan, person));
            let Some(line) = asked.filter(|_| !excused.contains(&(plan.row.id, member))) else {
                continue;
            };
            let Some(at) = done_at(plan, &line, &audiences, member, &studied) else {
                continue;
            };
            if is_in_time(conn, now, &plan.row, member, at)? {
                finished.push(Finished {
                    member,
                    plan: plan.row.id,
                    at,
                });
            }
        }
    }
    Ok(finished)
}

/// The line of the plan's organization, of somebody whom it asks.
fn line_to(plan: &FullPlan, person: &MemberBrief) -> Option<Vec<uuid::Uuid>> {
    let mut line = person.line();
    let end = line.iter().position(|id| *id == plan.row.organization_id.0)?;
    line.truncate(end + 1);
    (person.standing_bit() & plan.row.standings != 0).then_some(line)
}

fn is_in_time(
    conn: &mut DbConnection,
    now: Instant,
    plan: &PlanRow,
    member: MemberId,
    at: Instant,
) -> AppResult<bool> {
    if at < plan.due_at {
        return Ok(true);
    }
    let came_at = came_to(conn, now, member, plan)?;
    // Whoever came when it was over is not asked.
    let was_asked = came_at.is_none_or(|came_at| came_at < plan.due_at);
    Ok(was_asked && at < rules::due_for(plan.due_at, came_at, plan.grace_days))
}

/// When the last of the lessons that a plan asks still was completed, none while one is not: nobody is asked for what was
/// put away, or is not for all of them any more.
fn done_at(
    plan: &FullPlan,
    line: &[uuid::Uuid],
    audiences: &Audiences,
    member: MemberId,
    studied: &study::Studied,
) -> Option<Instant> {
    let is_open = |lesson: &&PlanLesson| audiences.covers(lesson.id, line, plan.row.standings);
    let lessons = plan.lessons.iter().filter(is_open);
    let times = lessons.map(|lesson| studied.completed.get(&(member, lesson.id)).copied());
    times.collect::<Option<Vec<_>>>()?.into_iter().max()
}
