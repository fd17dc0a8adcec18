//! What may happen to a plan, who sees it, and who stands where with it.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::StudyPlanId;
use super::commands::{CreateStudyPlan, MAX_LESSONS, UpdateStudyPlan};
use super::rules::{self, State, Status};
use super::store::{self, Asked, ExcuseRow, PlanFilter, PlanRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::lessons::{self, LessonId, SeriesId};
use crate::members::{self, MemberId, Standing};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::platform::local_time;
use crate::platform::page::{Found, Page};
use crate::platform::text::Problems;
use crate::study;

/// A lesson of a plan, by the title that members see.
#[derive(Debug, Clone)]
pub struct PlanLesson {
    pub id: LessonId,
    pub title: String,
    pub duration_ms: u32,
}

/// A plan as it is shown.
#[derive(Debug, Clone)]
pub struct FullPlan {
    pub row: PlanRow,
    pub lessons: Vec<PlanLesson>,
}

pub fn create_plan(conn: &mut DbConnection, ctx: &Ctx, new: CreateStudyPlan) -> AppResult<FullPlan> {
    let organization = organizations::require_held(conn, ctx, new.organization_id, Right::PublishLessons)?;
    let row = PlanRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        title: new.title,
        description: new.description,
        status: Status::Draft.as_str().to_owned(),
        standings: bits(&new.standings),
        due_on: new.due_on,
        due_at: end_of(conn, ctx, organization.id, new.due_on)?,
        grace_days: new.grace_days.unwrap_or(14),
        version: 1,
        created_at: ctx.now,
        created_by: Some(ctx.actor.account),
        updated_at: ctx.now,
        published_at: None,
        cancelled_at: None,
        cancel_reason: None,
    };
    let lessons = planned(conn, ctx, &row, new.lesson_ids, &new.series_ids)?;
    store::insert_plan(conn, &row)?;
    store::replace_lessons(conn, &row, &lessons)?;
    note(
        conn,
        ctx,
        "study_plan.create",
        &row,
        json!({ "title": row.title }),
    )?;
    with_lessons(conn, row)
}

fn bits(standings: &[Standing]) -> i32 {
    let all: &[Standing] = if standings.is_empty() {
        &Standing::ALL
    } else {
        standings
    };
    all.iter().fold(0, |bits, standing| bits | standing.bit())
}

fn end_of(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    day: NaiveDate,
) -> AppResult<Instant> {
    let organization = organizations::find_organization(conn, organization)?;
    let zone = organizations::settings_of(conn, &organization, &ctx.config.check_in)?.time_zone;
    let end = local_time::end_of_day(day, local_time::zone(&zone));
    if end <= ctx.now {
        return Err(AppError::invalid_field("/due_on", "in_past", "lies in the past"));
    }
    Ok(end)
}

/// Nobody is asked for what they cannot see: 422 with the lessons that are not published for all of them.
fn require_meant_for(conn: &mut DbConnection, row: &PlanRow, lessons: &[LessonId]) -> AppResult<()> {
    let meant = meant(conn, row, lessons.to_vec())?;
    let mut problems = Problems::default();
    for (n, _) in lessons
        .iter()
        .enumerate()
        .filter(|(_, lesson)| !meant.contains(lesson))
    {
        let message = "is not published for all whom the plan asks";
        problems.add(format!("/lesson_ids/{n}"), "not_for_them", message);
    }
    problems.into_result()
}

/// The lessons that are named, and after them those of the series which are for all of them, each once.
fn planned(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &PlanRow,
    mut lessons: Vec<LessonId>,
    series: &[SeriesId],
) -> AppResult<Vec<LessonId>> {
    require_meant_for(conn, row, &lessons)?;
    let mut problems = Problems::default();
    for (n, id) in series.iter().enumerate() {
        let held = lessons::series_lessons(conn, ctx, *id).permitted()?;
        let held = meant(conn, row, held.unwrap_or_default())?;
        if held.is_empty() {
            let message = "has no lesson that is published for all whom the plan asks";
            problems.add(format!("/series_ids/{n}"), "not_for_them", message);
        }
        let new: Vec<_> = held.into_iter().filter(|id| !lessons.contains(id)).collect();
        lessons.extend(new);
    }
    if lessons.len() > MAX_LESSONS {
        let message = format!("leads to more than {MAX_LESSONS} lessons");
        problems.add("/series_ids", "wrong_count", message);
    }
    problems.into_result()?;
    Ok(lessons)
}

/// Those of these lessons that are published for everybody whom the plan asks.
fn meant(conn: &mut DbConnection, row: &PlanRow, mut lessons: Vec<LessonId>) -> AppResult<Vec<LessonId>> {
    let organization = organizations::find_organization(conn, row.organization_id)?;
    let line = organizations::ids_of_path(&organization.path);
    let audiences = lessons::audiences(conn, lessons.iter().copied())?;
    lessons.retain(|lesson| audiences.covers(*lesson, &line, row.standings));
    Ok(lessons)
}

pub fn update_plan(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: StudyPlanId,
    version: Option<i32>,
    change: UpdateStudyPlan,
) -> AppResult<FullPlan> {
    let mut row = held_plan(conn, ctx, id)?;
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    let is_draft = row.status == Status::Draft.as_str();
    let names_lessons = change.lesson_ids.is_some() || change.series_ids.is_some();
    let changes_terms = names_lessons || change.standings.is_some() || change.grace_days.is_some();
    if !is_draft && changes_terms {
        return Err(Code::StudyPlanPublished.into());
    }
    let before = row.clone();
    row.title = change.title.unwrap_or(row.title);
    row.description = change.description.unwrap_or(row.description);
    row.grace_days = change.grace_days.unwrap_or(row.grace_days);
    row.standings = change
        .standings
        .map_or(row.standings, |standings| bits(&standings));
    if let Some(day) = change.due_on.filter(|day| *day != row.due_on) {
        if !is_draft && day < row.due_on {
            return Err(Code::StudyPlanPublished.into());
        }
        row.due_on = day;
        row.due_at = end_of(conn, ctx, row.organization_id, day)?;
    }
    let lessons_before = lessons_of(conn, id)?;
    let mut lessons = lessons_before.clone();
    if names_lessons {
        let (named, series) = (change.lesson_ids, change.series_ids);
        lessons = planned(
            conn,
            ctx,
            &row,
            named.unwrap_or_default(),
            &series.unwrap_or_default(),
        )?;
    }
    if row != before || lessons != lessons_before {
        if is_draft {
            require_meant_for(conn, &row, &lessons)?;
            store::replace_lessons(conn, &row, &lessons)?;
        }
        save(conn, ctx, &mut row, "study_plan.update", json!({}))?;
    }
    with_lessons(conn, row)
}

/// From now on it is asked of everybody who belongs there, and of whoever comes later.
pub fn publish_plan(conn: &mut DbConnection, ctx: &Ctx, id: StudyPlanId) -> AppResult<FullPlan> {
    let mut row = held_plan(conn, ctx, id)?;
    if row.status != Status::Draft.as_str() {
        return Err(Code::NotADraft.into());
    }
    row.due_at = end_of(conn, ctx, row.organization_id, row.due_on)?;
    let lessons = lessons_of(conn, id)?;
    require_meant_for(conn, &row, &lessons)?;
    Status::Published.as_str().clone_into(&mut row.status);
    row.published_at = Some(ctx.now);
    save(conn, ctx, &mut row, "study_plan.publish", json!({}))?;
    with_lessons(conn, row)
}

/// It is asked of nobody any more; what was studied stays.
pub fn cancel_plan(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: StudyPlanId,
    reason: String,
) -> AppResult<FullPlan> {
    let mut row = held_plan(conn, ctx, id)?;
    let detail = json!({ "reason": reason });
    Status::Cancelled.as_str().clone_into(&mut row.status);
    row.cancelled_at = Some(ctx.now);
    row.cancel_reason = Some(reason);
    save(conn, ctx, &mut row, "study_plan.cancel", detail)?;
    with_lessons(conn, row)
}

/// Somebody need not, or must again. Decided by who manages their people.
pub fn excuse(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: StudyPlanId,
    member: MemberId,
    reason: Option<String>,
) -> AppResult<Line> {
    let seen = viewed_plan(conn, ctx, id)?;
    members::require_member(conn, ctx, member, Right::ManageMembers)?;
    if ctx.actor.account == member.into() {
        return Err(AppError::forbidden());
    }
    let row = store::lock_plan(conn, id)?.ok_or_else(AppError::not_found)?;
    if row.status != Status::Published.as_str() {
        return Err(Code::StudyPlanNotPublished.into());
    }
    let lines = lines_of(conn, ctx, &seen, Some(member))?;
    let mut line = lines.into_iter().next().ok_or_else(AppError::not_found)?;
    let (action, ended_at) = match &reason {
        Some(_) => ("study_plan.excuse", None),
        None => ("study_plan.unexcuse", Some(ctx.now)),
    };
    let excuse = ExcuseRow {
        plan_id: id,
        member_id: member,
        tenant_id: row.tenant_id,
        reason: reason.clone().or(line.excuse).unwrap_or_default(),
        excused_at: ctx.now,
        excused_by: ctx.actor.account,
        ended_at,
    };
    store::save_excuse(conn, &excuse)?;
    note(conn, ctx, action, &row, json!({ "member_id": member }))?;
    line.excuse = reason;
    Ok(line)
}

fn save(conn: &mut DbConnection, ctx: &Ctx, row: &mut PlanRow, action: &str, detail: Value) -> AppResult<()> {
    row.updated_at = ctx.now;
    store::update_plan(conn, row)?;
    note(conn, ctx, action, row, detail)
}

fn note(conn: &mut DbConnection, ctx: &Ctx, action: &str, row: &PlanRow, detail: Value) -> AppResult<()> {
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}

fn lessons_of(conn: &mut DbConnection, id: StudyPlanId) -> AppResult<Vec<LessonId>> {
    let rows = store::list_lessons(conn, &[id])?;
    Ok(rows.into_iter().map(|(_, lesson)| lesson).collect())
}

fn with_lessons(conn: &mut DbConnection, row: PlanRow) -> AppResult<FullPlan> {
    let plans = with_all_lessons(conn, vec![row])?;
    plans.into_iter().next().ok_or_else(AppError::not_found)
}

pub fn with_all_lessons(conn: &mut DbConnection, rows: Vec<PlanRow>) -> AppResult<Vec<FullPlan>> {
    let ids: Vec<StudyPlanId> = rows.iter().map(|row| row.id).collect();
    let planned = store::list_lessons(conn, &ids)?;
    let versions = lessons::versions_of(conn, planned.iter().map(|(_, lesson)| *lesson))?;
    let current: HashMap<LessonId, _> = versions
        .into_iter()
        .filter(|version| version.is_current)
        .map(|version| (version.lesson, version))
        .collect();
    let lesson = |id: &LessonId| {
        let version = current.get(id)?;
        Some(PlanLesson {
            id: *id,
            title: version.title.clone(),
            duration_ms: version.duration_ms,
        })
    };
    let full = |row: PlanRow| FullPlan {
        lessons: planned
            .iter()
            .filter(|(plan, _)| *plan == row.id)
            .filter_map(|(_, id)| lesson(id))
            .collect(),
        row,
    };
    Ok(rows.into_iter().map(full).collect())
}

/// Locked until the transaction ends; 409 once it is cancelled.
fn held_plan(conn: &mut DbConnection, ctx: &Ctx, id: StudyPlanId) -> AppResult<PlanRow> {
    let seen = viewed_plan(conn, ctx, id)?;
    organizations::require(conn, ctx, seen.organization_id, Right::PublishLessons)?;
    let row = store::lock_plan(conn, id)?.ok_or_else(AppError::not_found)?;
    if row.status == Status::Cancelled.as_str() {
        return Err(Code::StudyPlanCancelled.into());
    }
    Ok(row)
}

/// A plan that the actor may know of: those who view its organization or, once it is published, people below it; and
/// whom it asks.
fn viewed_plan(conn: &mut DbConnection, ctx: &Ctx, id: StudyPlanId) -> AppResult<PlanRow> {
    let row = store::find_plan(conn, id)?.ok_or_else(AppError::not_found)?;
    let manages = organizations::require_ever(conn, ctx, row.organization_id, Right::View).permitted()?;
    if manages.is_some() {
        return Ok(row);
    }
    if row.status == Status::Draft.as_str() {
        return Err(AppError::not_found());
    }
    let is_asked = match asked(conn, ctx)? {
        Some(who) => who.line.contains(&row.organization_id.0) && who.standing & row.standings != 0,
        None => false,
    };
    let mut is_above_mine = || -> AppResult<bool> {
        let reach = organizations::reach(conn, ctx, Right::View)?;
        Ok(reach.is_none_or(|reach| reach.above.contains(&row.organization_id)))
    };
    if is_asked || is_above_mine()? {
        Ok(row)
    } else {
        Err(AppError::not_found())
    }
}

pub fn asked(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Option<Asked>> {
    if ctx.actor.is_system_admin {
        return Ok(None);
    }
    let member = ctx.actor.member()?;
    let person = members::briefs(conn, &[member])?.remove(&member);
    Ok(person.map(|person| Asked {
        line: person.line(),
        standing: person.standing_bit(),
    }))
}

/// A plan, with how everybody stands for those who view people there.
pub fn view_plan(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: StudyPlanId,
) -> AppResult<(FullPlan, Option<Tally>)> {
    let row = viewed_plan(conn, ctx, id)?;
    let tally = match organizations::ids_with_right(conn, ctx, Right::View)? {
        Some(ids) if ids.is_empty() => None,
        _ => Some(Tally::of(&lines_of(conn, ctx, &row, None)?)),
    };
    Ok((with_lessons(conn, row)?, tally))
}

/// What a client may narrow the list to.
#[derive(Debug, Clone, Default)]
pub struct ListPlans {
    pub organization: Option<OrganizationId>,
    pub status: Option<Status>,
    pub mine: bool,
    pub page: Page<StudyPlanId>,
}

pub fn list_plans(conn: &mut DbConnection, ctx: &Ctx, asked_for: &ListPlans) -> AppResult<Found<FullPlan>> {
    let reach = organizations::reach(conn, ctx, Right::View)?;
    let filter = PlanFilter {
        tenant: ctx.actor.tenant,
        managed: reach.as_ref().map(|reach| reach.within.clone()),
        above: reach.map(|reach| reach.above).unwrap_or_default(),
        asked: asked(conn, ctx)?,
        mine: asked_for.mine,
        organizations: organizations::narrowed(conn, ctx, asked_for.organization)?,
        status: asked_for.status.map(Status::as_str),
        page: asked_for.page.clone(),
    };
    let found = store::list_plans(conn, &filter)?;
    Ok(Found {
        rows: with_all_lessons(conn, found.rows)?,
        count: found.count,
    })
}

/// How one member stands with a plan.
#[derive(Debug, Clone)]
pub struct Line {
    pub member: MemberId,
    pub name: String,
    pub organization: OrganizationId,
    pub organization_name: String,
    pub state: State,
    pub late: bool,
    pub completed: usize,
    pub lessons: usize,
    pub completed_at: Option<Instant>,
    pub due_at: Instant,
    /// Why they need not.
    pub excuse: Option<String>,
}

/// How many stand where. Those who are excused are counted as such and nowhere else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub members: u32,
    pub done: u32,
    pub doing: u32,
    pub not_begun: u32,
    pub late: u32,
    pub excused: u32,
}

impl Tally {
    fn of(lines: &[Line]) -> Self {
        let mut tally = Self::default();
        for line in lines {
            if line.excuse.is_some() {
                tally.excused += 1;
                continue;
            }
            tally.members += 1;
            tally.late += u32::from(line.late);
            match line.state {
                State::Done => tally.done += 1,
                State::Doing => tally.doing += 1,
                State::NotBegun => tally.not_begun += 1,
            }
        }
        tally
    }
}

/// Everybody whom the plan asks and whom the actor may view, by name.
pub fn plan_lines(conn: &mut DbConnection, ctx: &Ctx, id: StudyPlanId) -> AppResult<(FullPlan, Vec<Line>)> {
    let row = viewed_plan(conn, ctx, id)?;
    require_some_of_its_people(conn, ctx, &row)?;
    let lines = lines_of(conn, ctx, &row, None)?;
    Ok((with_lessons(conn, row)?, lines))
}

/// Whoever views none of the organizations that a plan is for sees it as any member does.
fn require_some_of_its_people(conn: &mut DbConnection, ctx: &Ctx, row: &PlanRow) -> AppResult<()> {
    let Some(own) = organizations::ids_with_right(conn, ctx, Right::View)? else {
        return Ok(());
    };
    let organization = organizations::find_organization(conn, row.organization_id)?;
    let below = organizations::ids_ever_below(conn, &organization)?;
    match own.iter().any(|id| below.contains(id)) {
        true => Ok(()),
        false => Err(AppError::forbidden()),
    }
}

fn lines_of(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &PlanRow,
    only: Option<MemberId>,
) -> AppResult<Vec<Line>> {
    let organization = organizations::find_organization(conn, row.organization_id)?;
    let below = organizations::ids_ever_below(conn, &organization)?;
    let within: Option<HashSet<OrganizationId>> =
        organizations::ids_with_right(conn, ctx, Right::View)?.map(|ids| ids.into_iter().collect());
    let today = members::today(conn, ctx, &organization)?;
    let mut people = match only {
        None => members::expected_members(conn, &[row.organization_id], row.standings, &[], today)?,
        Some(member) => members::expected_members(conn, &[], 0, &[member], today)?,
    };
    people.retain(|person| {
        below.contains(&person.organization_id)
            && row.standings & person.standing.bit() != 0
            && within
                .as_ref()
                .is_none_or(|ids| ids.contains(&person.organization_id))
    });
    let ids: Vec<MemberId> = people.iter().map(|person| person.member_id).collect();
    let lessons = open_lessons(conn, row)?;
    let studied = study::studied(conn, &ids, &lessons)?;
    let since = row.published_at.unwrap_or(ctx.now);
    let came = members::came_since(conn, &ids, since, &below)?;
    // Whoever came when it was over is not asked any more.
    people.retain(|person| came.get(&person.member_id).is_none_or(|at| *at < row.due_at));
    let excuses = store::list_excuses(conn, row.id)?;
    let excuses: HashMap<MemberId, String> = excuses
        .into_iter()
        .map(|row| (row.member_id, row.reason))
        .collect();
    let homes: Vec<OrganizationId> = people.iter().map(|person| person.organization_id).collect();
    let names = organizations::names(conn, &homes)?;
    let line = |person: members::ExpectedMember| {
        let member = person.member_id;
        let done: Vec<Instant> = lessons
            .iter()
            .filter_map(|lesson| studied.completed.get(&(member, *lesson)).copied())
            .collect();
        let of_plan = rules::Studied {
            lessons: lessons.len(),
            completed: done.len(),
            completed_at: done.iter().copied().max(),
            begun: studied.begun.contains(&member),
        };
        let due_at = rules::due_for(row.due_at, came.get(&member).copied(), row.grace_days);
        let (state, late) = rules::stand(of_plan, due_at, ctx.now);
        Line {
            member,
            name: person.name,
            organization: person.organization_id,
            organization_name: names.get(&person.organization_id).cloned().unwrap_or_default(),
            state,
            late,
            completed: done.len(),
            lessons: lessons.len(),
            completed_at: of_plan.completed_at.filter(|_| state == State::Done),
            due_at,
            excuse: excuses.get(&member).cloned(),
        }
    };
    let mut lines: Vec<Line> = people.into_iter().map(line).collect();
    lines.sort_by(|a, b| (&a.name, a.member).cmp(&(&b.name, b.member)));
    Ok(lines)
}

/// The plan's lessons without those that have been put away, or are not for all of them any more, since it was published:
/// nobody is late with what they cannot open.
fn open_lessons(conn: &mut DbConnection, row: &PlanRow) -> AppResult<Vec<LessonId>> {
    let lessons = lessons_of(conn, row.id)?;
    meant(conn, row, lessons)
}
