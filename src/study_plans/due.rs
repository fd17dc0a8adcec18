//! What is due for a member, and who has just finished a plan: for other slices.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::StudyPlanId;
use super::rules;
use super::service::{FullPlan, asked, with_all_lessons};
use super::store::{self, PlanRow};
use crate::app::Ctx;
use crate::lessons::{self, Audiences, LessonId};
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::study;

/// When members came to those whom the plan asks, of those who came after it was published.
fn came_to(
    conn: &mut DbConnection,
    now: Instant,
    members: &[MemberId],
    plan: &PlanRow,
) -> AppResult<HashMap<MemberId, Instant>> {
    let organization = organizations::find_organization(conn, plan.organization_id)?;
    let below = organizations::ids_ever_below(conn, &organization)?;
    let since = plan.published_at.unwrap_or(now);
    members::came_since(conn, members, since, &below)
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
            came_to(conn, ctx.now, &[member], &plan.row)?.remove(&member)
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
        let now_done: BTreeSet<_> = now_done.map(|(member, _)| *member).collect();
        let asked = now_done.into_iter().filter_map(|member| people.get(&member));
        let asked = asked.filter_map(|person| Some((person.id, line_to(plan, person)?)));
        let asked: Vec<_> = asked
            .filter(|(member, _)| !excused.contains(&(plan.row.id, *member)))
            .collect();
        // The line ends with the plan's organization: it is the same for all.
        let Some((_, line)) = asked.first() else { continue };
        let open = still_asked(plan, line, &audiences);
        let done = asked.iter().filter_map(|(member, _)| {
            let times = open
                .iter()
                .map(|lesson| studied.completed.get(&(*member, *lesson)).copied());
            let at = times.collect::<Option<Vec<_>>>()?.into_iter().max()?;
            Some((*member, at))
        });
        let done: Vec<_> = done.collect();
        let in_time = in_time(conn, now, &plan.row, done)?;
        finished.extend(in_time.into_iter().map(|(member, at)| Finished {
            member,
            plan: plan.row.id,
            at,
        }));
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

/// Those of them who were in time: one look where they came from, and none before the plan is due.
fn in_time(
    conn: &mut DbConnection,
    now: Instant,
    plan: &PlanRow,
    mut done: Vec<(MemberId, Instant)>,
) -> AppResult<Vec<(MemberId, Instant)>> {
    let late = done.iter().filter(|(_, at)| *at >= plan.due_at);
    let late: Vec<_> = late.map(|(member, _)| *member).collect();
    if !late.is_empty() {
        let came = came_to(conn, now, &late, plan)?;
        done.retain(|(member, at)| {
            let came_at = came.get(member).copied();
            // Whoever came when it was over is not asked.
            let was_asked = came_at.is_none_or(|came_at| came_at < plan.due_at);
            *at < plan.due_at || was_asked && *at < rules::due_for(plan.due_at, came_at, plan.grace_days)
        });
    }
    Ok(done)
}

/// The lessons that a plan asks for still: nobody is asked for what was put away, or is not for all of them any more.
fn still_asked(plan: &FullPlan, line: &[uuid::Uuid], audiences: &Audiences) -> Vec<LessonId> {
    let lessons = plan.lessons.iter().map(|lesson| lesson.id);
    lessons
        .filter(|lesson| audiences.covers(*lesson, line, plan.row.standings))
        .collect()
}
