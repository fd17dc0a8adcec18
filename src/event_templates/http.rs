//! `/organizations/{id}/event-templates` and `/event-templates/{id}`.

use actix_web::{HttpRequest, get, post, put, web};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::EventTemplateId;
use super::commands::{SkipDay, TemplateSignUp, WriteEventTemplate};
use super::rules::advice;
use super::service::{self, Day, FullTemplate, read};
use super::store::TemplateRow;
use crate::app::App;
use crate::auth::{AccountId, SignedIn};
use crate::events::{EventId, Expected, Form};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppResult, Language};
use crate::platform::http::{Answer, IdPath, Json, List, Once, PageQuery, Query, Tagged, if_match, language};
use crate::platform::local_time::write_minute;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(list_event_templates)
        .service(create_event_template)
        .service(find_event_template)
        .service(update_event_template)
        .service(end_event_template)
        .service(skip_event_template_day);
}

/// An event that comes again.
#[derive(Serialize, utoipa::ToSchema)]
struct EventTemplateView {
    id: EventTemplateId,
    organization_id: OrganizationId,
    title: String,
    description: String,
    place: String,
    forms: Vec<Form>,
    /// Of organizations and people those that I see; of the quotas of `sign_up` likewise. Only who sees all organizations
    /// writes it anew.
    expected: Expected,
    #[schema(example = "FREQ=MONTHLY;BYDAY=1FR")]
    rule: String,
    starts_on: NaiveDate,
    #[schema(example = "14:30")]
    starts_at: String,
    duration_s: i32,
    time_zone: String,
    ahead_days: i32,
    publish: bool,
    sign_up: Option<TemplateSignUp>,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
    ended_at: Option<Instant>,
    /// Whoever has written it last: occurrences are made with their rights, as these are then.
    written_by: AccountId,
    /// The code of the refusal with which the last run ended, if it made nothing because of it: whoever wrote it may have
    /// lost a role, or an organization that it calls may have been archived.
    #[schema(example = "not_found")]
    last_error: Option<String>,
    /// A JSON pointer: the field that the last run could make nothing of.
    #[schema(example = "/expected")]
    last_error_field: Option<String>,
    /// What somebody can do about it, in the language of Accept-Language.
    last_error_detail: Option<&'static str>,
}

impl EventTemplateView {
    fn of(row: TemplateRow, language: Language) -> AppResult<Self> {
        let (error, field) = (row.last_error.as_deref(), row.last_error_field.as_deref());
        Ok(Self {
            forms: read(&row.forms)?,
            expected: read(&row.expected)?,
            sign_up: row.sign_up.as_ref().map(read).transpose()?,
            written_by: row.author(),
            last_error_detail: error.map(|code| advice(code, field, language)),
            id: row.id,
            organization_id: row.organization_id,
            title: row.title,
            description: row.description,
            place: row.place,
            rule: row.rule,
            starts_on: row.starts_on,
            starts_at: write_minute(u32::try_from(row.starts_at_min).unwrap_or_default()),
            duration_s: row.duration_s,
            time_zone: row.time_zone,
            ahead_days: row.ahead_days,
            publish: row.publish,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
            last_error: row.last_error,
            last_error_field: row.last_error_field,
        })
    }
}

/// A day of a template.
#[derive(Serialize, utoipa::ToSchema)]
struct TemplateDayView {
    day: NaiveDate,
    starts_at: Instant,
    /// Of the event that was made of it.
    event_id: Option<EventId>,
    /// Why it is left out.
    skipped: Option<String>,
}

impl From<Day> for TemplateDayView {
    fn from(day: Day) -> Self {
        let (event_id, skipped) = day.made.map_or((None, None), |made| (made.event_id, made.reason));
        Self {
            day: day.on,
            starts_at: day.starts_at,
            event_id,
            skipped,
        }
    }
}

/// A template with its next days, at most twelve.
#[derive(Serialize, utoipa::ToSchema)]
struct WholeEventTemplateView {
    #[serde(flatten)]
    template: EventTemplateView,
    days: Vec<TemplateDayView>,
}

fn view(template: FullTemplate, language: Language) -> AppResult<WholeEventTemplateView> {
    Ok(WholeEventTemplateView {
        template: EventTemplateView::of(template.row, language)?,
        days: template.days.into_iter().map(TemplateDayView::from).collect(),
    })
}

fn answer(template: FullTemplate, language: Language) -> AppResult<Answer> {
    let version = template.row.version;
    Ok(Answer::ok(&view(template, language)?)?.version(version))
}

/// List an organization's templates, the oldest first, ended ones too.
#[utoipa::path(tag = "event templates", params(("id" = OrganizationId, Path), PageQuery), responses((status = 200, body = List<EventTemplateView>)))]
#[get("/organizations/{id}/event-templates")]
async fn list_event_templates(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    request: HttpRequest,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<EventTemplateView>>> {
    let (ctx, page, words) = (
        app.ctx(who.0),
        query.0.page::<EventTemplateId>()?,
        language(&request),
    );
    let asked = page.clone();
    let read = move |conn: &mut _| service::list_templates(conn, &ctx, id.0, &asked);
    let found = app.db.read(read).await?;
    let list = page.list(
        found,
        |row: &TemplateRow| row.id,
        |row| EventTemplateView::of(row, words),
    );
    Ok(Tagged(list.transpose()?))
}

/// Write an event that comes again, calling whom one may call oneself. Of what is due within `ahead_days` the first twelve
/// are made at once, the rest within the hour or in its time, with the rights that whoever wrote it last has then.
#[utoipa::path(tag = "event templates", params(("id" = OrganizationId, Path)), request_body = WriteEventTemplate, responses((status = 201, body = WholeEventTemplateView)))]
#[post("/organizations/{id}/event-templates")]
async fn create_event_template(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    request: HttpRequest,
    once: Once<WriteEventTemplate>,
) -> AppResult<Answer> {
    let (Once { body, key }, words) = (once, language(&request));
    app.write_once(who.0, key, move |conn, ctx| {
        let made = service::create_template(conn, ctx, id.0, &body)?;
        let (id, version) = (made.row.id, made.row.version);
        let answer = Answer::created(&view(made, words)?)?.version(version);
        Ok(answer.at(format!("/api/v1/event-templates/{id}")))
    })
    .await
}

/// Find a template, and what has become of its next days.
#[utoipa::path(tag = "event templates", params(("id" = EventTemplateId, Path)), responses((status = 200, body = WholeEventTemplateView)))]
#[get("/event-templates/{id}")]
async fn find_event_template(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventTemplateId>,
    request: HttpRequest,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let read = move |conn: &mut _| service::view_template(conn, &ctx, id.0);
    answer(app.db.read(read).await?, language(&request))
}

/// Write a template whole. Days that were made already are events of their own and stay as they are. Needs `If-Match`.
#[utoipa::path(tag = "event templates", params(("id" = EventTemplateId, Path)), request_body = WriteEventTemplate, responses((status = 200, body = WholeEventTemplateView), (status = 409, description = "event_template_ended"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[put("/event-templates/{id}")]
async fn update_event_template(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventTemplateId>,
    request: HttpRequest,
    body: Json<WriteEventTemplate>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    let update = move |conn: &mut _| service::update_template(conn, &ctx, id.0, version, &body.0);
    answer(app.db.write(update).await?, language(&request))
}

/// End a template: no more days are made. The events that were made of it stay.
#[utoipa::path(tag = "event templates", params(("id" = EventTemplateId, Path)), responses((status = 200, body = WholeEventTemplateView), (status = 409, description = "event_template_ended")))]
#[post("/event-templates/{id}/end")]
async fn end_event_template(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventTemplateId>,
    request: HttpRequest,
    once: Once<()>,
) -> AppResult<Answer> {
    let words = language(&request);
    app.write_once(who.0, once.key, move |conn, ctx| {
        answer(service::end_template(conn, ctx, id.0)?, words)
    })
    .await
}

/// Leave one of its days out, like a holiday. A day that was made is an event: cancel that instead.
#[utoipa::path(tag = "event templates", params(("id" = EventTemplateId, Path)), request_body = SkipDay, responses((status = 200, body = WholeEventTemplateView), (status = 409, description = "event_template_ended, occurrence_made")))]
#[post("/event-templates/{id}/skip")]
async fn skip_event_template_day(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventTemplateId>,
    request: HttpRequest,
    once: Once<SkipDay>,
) -> AppResult<Answer> {
    let (Once { body, key }, words) = (once, language(&request));
    app.write_once(who.0, key, move |conn, ctx| {
        answer(service::skip_day(conn, ctx, id.0, &body)?, words)
    })
    .await
}
