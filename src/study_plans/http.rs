//! `/study-plans`.

use actix_web::{HttpRequest, HttpResponse, Responder, get, patch, post, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::StudyPlanId;
use super::commands::{CreateStudyPlan, UpdateStudyPlan};
use super::due::DueLesson;
use super::export::lines_sheet;
use super::rules::{State, Status};
use super::service::{self, FullPlan, Line, ListPlans, Tally};
use crate::app::App;
use crate::auth::SignedIn;
use crate::lessons::LessonId;
use crate::members::{MemberId, Standing};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{
    Answer, IdPath, Json, LIST_OR_SHEET, List, Once, Query, Tagged, Wanted, if_match, language,
    sheet_response, wanted,
};
use crate::platform::page::{Found, Page};
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_study_plans)
        .service(create_study_plan)
        .service(find_study_plan)
        .service(update_study_plan)
        .service(publish_study_plan)
        .service(cancel_study_plan)
        .service(list_study_plan_members)
        .service(excuse_member)
        .service(unexcuse_member);
}

/// A lesson that is asked for.
#[derive(Serialize, utoipa::ToSchema)]
struct PlanLessonView {
    id: LessonId,
    title: String,
    duration_s: f64,
}

/// How many stand where, of those whom I may view. Who is excused is counted as such and nowhere else.
#[derive(Serialize, utoipa::ToSchema)]
struct TallyView {
    members: u32,
    done: u32,
    doing: u32,
    not_begun: u32,
    /// Not done in time, or not at all though the time is over.
    late: u32,
    excused: u32,
}

impl From<Tally> for TallyView {
    fn from(tally: Tally) -> Self {
        Self {
            members: tally.members,
            done: tally.done,
            doing: tally.doing,
            not_begun: tally.not_begun,
            late: tally.late,
            excused: tally.excused,
        }
    }
}

/// Lessons that an organization asks its members to finish by a date.
#[derive(Serialize, utoipa::ToSchema)]
struct StudyPlanView {
    id: StudyPlanId,
    organization_id: OrganizationId,
    #[schema(example = "十一月學習計劃")]
    title: String,
    description: String,
    status: Status,
    /// In the order in which they are meant.
    lessons: Vec<PlanLessonView>,
    standings: Vec<Standing>,
    /// The last day.
    due_on: NaiveDate,
    /// The end of that day where the organization is.
    due_at: Instant,
    grace_days: i32,
    /// Only of one plan, and for those who view people there.
    #[serde(skip_serializing_if = "Option::is_none")]
    tally: Option<TallyView>,
    published_at: Option<Instant>,
    cancelled_at: Option<Instant>,
    cancel_reason: Option<String>,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
}

impl From<FullPlan> for StudyPlanView {
    fn from(plan: FullPlan) -> Self {
        let row = plan.row;
        let lessons = plan.lessons.into_iter().map(|lesson| PlanLessonView {
            id: lesson.id,
            title: lesson.title,
            duration_s: f64::from(lesson.duration_ms) / 1_000.0,
        });
        Self {
            id: row.id,
            organization_id: row.organization_id,
            title: row.title,
            description: row.description,
            status: Status::parse(&row.status).unwrap_or(Status::Draft),
            lessons: lessons.collect(),
            standings: Standing::from_bits(row.standings),
            due_on: row.due_on,
            due_at: row.due_at,
            grace_days: row.grace_days,
            tally: None,
            published_at: row.published_at,
            cancelled_at: row.cancelled_at,
            cancel_reason: row.cancel_reason,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn answer(plan: FullPlan) -> AppResult<Answer> {
    let version = plan.row.version;
    Ok(Answer::ok(&StudyPlanView::from(plan))?.version(version))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StudyPlanQuery {
    /// Plans of this organization or one below it.
    organization_id: Option<OrganizationId>,
    status: Option<Status>,
    /// Only what is asked of me.
    mine: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for StudyPlanQuery {}

/// List study plans, the newest first: those whose people I view, and those that ask me.
#[utoipa::path(tag = "study plans", params(StudyPlanQuery), responses((status = 200, body = List<StudyPlanView>)))]
#[get("/study-plans")]
async fn list_study_plans(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<StudyPlanQuery>,
) -> AppResult<Tagged<List<StudyPlanView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<StudyPlanId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListPlans {
        organization: query.organization_id,
        status: query.status,
        mine: query.mine.unwrap_or(false),
        page: page.clone(),
    };
    let found = app
        .db
        .read(move |conn| service::list_plans(conn, &ctx, &asked))
        .await?;
    Ok(Tagged(page.list(found, |plan| plan.row.id, StudyPlanView::from)))
}

/// Create a study plan as a draft. Its lessons must be published for everybody whom it asks.
#[utoipa::path(tag = "study plans", request_body = CreateStudyPlan, responses((status = 201, body = StudyPlanView)))]
#[post("/study-plans")]
async fn create_study_plan(
    app: web::Data<App>,
    who: SignedIn,
    once: Once<CreateStudyPlan>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let plan = service::create_plan(conn, ctx, body.clone())?;
        let (id, version) = (plan.row.id, plan.row.version);
        let answer = Answer::created(&StudyPlanView::from(plan))?;
        Ok(answer.version(version).at(format!("/api/v1/study-plans/{id}")))
    })
    .await
}

/// Find one study plan; for those who view people there with how many stand where.
#[utoipa::path(tag = "study plans", params(("id" = StudyPlanId, Path)), responses((status = 200, body = StudyPlanView)))]
#[get("/study-plans/{id}")]
async fn find_study_plan(app: web::Data<App>, who: SignedIn, id: IdPath<StudyPlanId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let (plan, tally) = app
        .db
        .read_long(move |conn| service::view_plan(conn, &ctx, id.0))
        .await?;
    let version = plan.row.version;
    let view = StudyPlanView {
        tally: tally.map(TallyView::from),
        ..plan.into()
    };
    Ok(Answer::ok(&view)?.version(version))
}

/// Change a plan. Once it is published only its words can be changed, and its day moved back. Needs `If-Match`.
#[utoipa::path(tag = "study plans", params(("id" = StudyPlanId, Path)), request_body = UpdateStudyPlan, responses((status = 200, body = StudyPlanView), (status = 409, description = "study_plan_published, study_plan_cancelled"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[patch("/study-plans/{id}")]
async fn update_study_plan(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyPlanId>,
    request: HttpRequest,
    body: Json<UpdateStudyPlan>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    answer(
        app.db
            .write(move |conn| service::update_plan(conn, &ctx, id.0, version, body.0.clone()))
            .await?,
    )
}

/// Publish a plan: it is asked of everybody who belongs there, and of whoever comes later.
#[utoipa::path(tag = "study plans", params(("id" = StudyPlanId, Path)), responses((status = 200, body = StudyPlanView), (status = 409, description = "not_a_draft, study_plan_cancelled")))]
#[post("/study-plans/{id}/publish")]
async fn publish_study_plan(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyPlanId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        answer(service::publish_plan(conn, ctx, id.0)?)
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "與上級計劃重複"}))]
struct CancelStudyPlan {
    reason: String,
}

impl Check for CancelStudyPlan {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Cancel a plan: it is asked of nobody any more; what was studied stays on record.
#[utoipa::path(tag = "study plans", params(("id" = StudyPlanId, Path)), request_body = CancelStudyPlan, responses((status = 200, body = StudyPlanView), (status = 409, description = "study_plan_cancelled")))]
#[post("/study-plans/{id}/cancel")]
async fn cancel_study_plan(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyPlanId>,
    once: Once<CancelStudyPlan>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(service::cancel_plan(conn, ctx, id.0, body.reason.clone())?)
    })
    .await
}

/// How a member stands with a plan.
#[derive(Serialize, utoipa::ToSchema)]
struct PlanMemberView {
    member_id: MemberId,
    name: String,
    organization_id: OrganizationId,
    organization_name: String,
    state: State,
    /// Not done in time, or not at all though the time is over.
    late: bool,
    /// Of `lessons` many.
    completed: usize,
    lessons: usize,
    /// When the last of them was completed, once all are.
    completed_at: Option<Instant>,
    /// Later than the plan's for whoever came after it was published.
    due_at: Instant,
    /// Why they need not; null: they are asked.
    excuse: Option<String>,
}

impl From<Line> for PlanMemberView {
    fn from(line: Line) -> Self {
        Self {
            member_id: line.member,
            name: line.name,
            organization_id: line.organization,
            organization_name: line.organization_name,
            state: line.state,
            late: line.late,
            completed: line.completed,
            lessons: line.lessons,
            completed_at: line.completed_at,
            due_at: line.due_at,
            excuse: line.excuse,
        }
    }
}

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlanMemberQuery {
    state: Option<State>,
    late: Option<bool>,
    /// Only those who are excused, or only those who are not.
    excused: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for PlanMemberQuery {}

impl PlanMemberQuery {
    fn takes(&self, line: &Line) -> bool {
        self.state.is_none_or(|state| state == line.state)
            && self.late.is_none_or(|late| late == line.late)
            && self
                .excused
                .is_none_or(|excused| excused == line.excuse.is_some())
    }
}

/// List who stands where with a plan, by name: those whom I may view. With `Accept: text/csv` or the XLSX media type the
/// whole list comes as a file.
#[utoipa::path(tag = "study plans", params(("id" = StudyPlanId, Path), PlanMemberQuery), responses((status = 200, content((List<PlanMemberView> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 403, description = "forbidden"), (status = 406, description = "not_acceptable")))]
#[get("/study-plans/{id}/members")]
async fn list_study_plan_members(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyPlanId>,
    request: HttpRequest,
    query: Query<PlanMemberQuery>,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let wanted = wanted(&request, &LIST_OR_SHEET)?;
    let page = Page::<(String, MemberId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let (_, mut lines) = app
        .db
        .read_long(move |conn| service::plan_lines(conn, &ctx, id.0))
        .await?;
    lines.retain(|line| query.takes(line));
    if let Wanted::Sheet(format) = wanted {
        let language = language(&request);
        let bytes = web::block(move || lines_sheet(format, language, lines)).await;
        let bytes = bytes.map_err(|_| crate::platform::error::AppError::unavailable())??;
        return Ok(sheet_response(format, "study-plan", bytes));
    }
    let count = page.count.then(|| i64::try_from(lines.len()).unwrap_or(i64::MAX));
    let after = page.after.clone();
    let rows = lines
        .into_iter()
        .filter(|line| {
            after
                .as_ref()
                .is_none_or(|(name, id)| (&line.name, line.member) > (name, *id))
        })
        .take(page.limit + 1)
        .collect();
    let found = Found { rows, count };
    let key = |line: &Line| (line.name.clone(), line.member);
    Ok(Tagged(page.list(found, key, PlanMemberView::from)).respond_to(&request))
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"member_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "reason": "住院"}))]
struct ExcuseMember {
    member_id: MemberId,
    reason: String,
}

impl Check for ExcuseMember {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Excuse a member from a plan, with a reason: they leave the numbers it is measured by.
#[utoipa::path(tag = "study plans", params(("id" = StudyPlanId, Path)), request_body = ExcuseMember, responses((status = 200, body = PlanMemberView), (status = 403, description = "forbidden"), (status = 409, description = "study_plan_not_published")))]
#[post("/study-plans/{id}/excuse")]
async fn excuse_member(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyPlanId>,
    once: Once<ExcuseMember>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let line = service::excuse(conn, ctx, id.0, body.member_id, Some(body.reason.clone()))?;
        Answer::ok(&PlanMemberView::from(line))
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"member_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
struct UnexcuseMember {
    member_id: MemberId,
}

impl Check for UnexcuseMember {}

/// Ask a member again who had been excused.
#[utoipa::path(tag = "study plans", params(("id" = StudyPlanId, Path)), request_body = UnexcuseMember, responses((status = 200, body = PlanMemberView), (status = 403, description = "forbidden"), (status = 409, description = "study_plan_not_published")))]
#[post("/study-plans/{id}/unexcuse")]
async fn unexcuse_member(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyPlanId>,
    once: Once<UnexcuseMember>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let line = service::excuse(conn, ctx, id.0, body.member_id, None)?;
        Answer::ok(&PlanMemberView::from(line))
    })
    .await
}

/// A lesson that a plan asks of me.
#[derive(Serialize, utoipa::ToSchema)]
pub struct DueLessonView {
    study_plan_id: StudyPlanId,
    study_plan_title: String,
    lesson_id: LessonId,
    title: String,
    duration_s: f64,
    due_at: Instant,
    late: bool,
    begun: bool,
}

impl From<DueLesson> for DueLessonView {
    fn from(due: DueLesson) -> Self {
        Self {
            study_plan_id: due.plan,
            study_plan_title: due.plan_title,
            lesson_id: due.lesson,
            title: due.title,
            duration_s: f64::from(due.duration_ms) / 1_000.0,
            due_at: due.due_at,
            late: due.late,
            begun: due.begun,
        }
    }
}
