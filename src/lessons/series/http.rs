//! `/series`.

use std::collections::HashSet;

use actix_web::{HttpRequest, get, patch, post, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::commands::{CreateSeries, UpdateSeries};
use super::rules::SeriesStatus;
use super::service::{self, FullSeries, ListSeries};
use super::store::{EntryRow, SeriesRow};
use crate::app::App;
use crate::auth::SignedIn;
use crate::lessons::rules::{Kind, Status};
use crate::lessons::{LessonId, SeriesId};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Json, List, Once, Query, Tagged, if_match};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_series)
        .service(create_series)
        .service(find_series)
        .service(update_series)
        .service(publish_series)
        .service(archive_series);
}

/// A lesson in its place.
#[derive(Serialize, utoipa::ToSchema)]
struct SeriesLessonView {
    lesson_id: LessonId,
    /// As it is published; of what I write or inspect, the working copy's.
    #[schema(example = "五分鐘微黨課")]
    title: String,
    kind: Kind,
    /// Likewise.
    status: Status,
    /// Of what is published; null before that.
    duration_s: Option<f64>,
    /// Lessons further up, to be finished first; those that I may see.
    prerequisite_ids: Vec<LessonId>,
}

/// A series; in lists without its lessons.
#[derive(Serialize, utoipa::ToSchema)]
struct SeriesView {
    id: SeriesId,
    organization_id: OrganizationId,
    #[schema(example = "黨史專題")]
    title: String,
    summary: String,
    status: SeriesStatus,
    /// In their order, those that I may see. Only of one series.
    #[serde(skip_serializing_if = "Option::is_none")]
    lessons: Option<Vec<SeriesLessonView>>,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
    published_at: Option<Instant>,
}

impl From<SeriesRow> for SeriesView {
    fn from(row: SeriesRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            title: row.title,
            summary: row.summary,
            status: SeriesStatus::parse(&row.status).unwrap_or(SeriesStatus::Draft),
            lessons: None,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            published_at: row.published_at,
        }
    }
}

impl From<FullSeries> for SeriesView {
    fn from(series: FullSeries) -> Self {
        let seen: HashSet<LessonId> = series.entries.iter().map(|entry| entry.lesson_id).collect();
        let view = |entry: EntryRow| {
            let mut prerequisite_ids = entry.prerequisites();
            prerequisite_ids.retain(|id| seen.contains(id));
            let (title, status) = match entry.published_title {
                Some(title) if !series.sight.manages(entry.organization_id) => (title, Status::Published),
                _ => (entry.title, Status::parse(&entry.status).unwrap_or(Status::Draft)),
            };
            SeriesLessonView {
                lesson_id: entry.lesson_id,
                title,
                kind: Kind::parse(&entry.kind).unwrap_or(Kind::Article),
                status,
                duration_s: entry.duration_ms.map(|ms| f64::from(ms) / 1_000.0),
                prerequisite_ids,
            }
        };
        Self {
            lessons: Some(series.entries.into_iter().map(view).collect()),
            ..Self::from(series.row)
        }
    }
}

fn answer(series: FullSeries) -> AppResult<Answer> {
    let version = series.row.version;
    Ok(Answer::ok(&SeriesView::from(series))?.version(version))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SeriesQuery {
    /// Series of this organization or one below it.
    organization_id: Option<OrganizationId>,
    /// Without it all but the archived.
    status: Option<SeriesStatus>,
    /// Only those published that hold a lesson for me.
    mine: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for SeriesQuery {}

/// List series, the newest first: those I write or inspect, and the published ones that hold a lesson for me.
#[utoipa::path(tag = "lessons", params(SeriesQuery), responses((status = 200, body = List<SeriesView>)))]
#[get("/series")]
async fn list_series(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<SeriesQuery>,
) -> AppResult<Tagged<List<SeriesView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<SeriesId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListSeries {
        organization: query.organization_id,
        status: query.status,
        mine: query.mine.unwrap_or(false),
        page: page.clone(),
    };
    let found = app
        .db
        .read(move |conn| service::list_series(conn, &ctx, &asked))
        .await?;
    Ok(Tagged(page.list(found, |row| row.id, SeriesView::from)))
}

/// Create a series as a draft. Its lessons are such as I may see, of the same tree; one lesson may be in several series.
#[utoipa::path(tag = "lessons", request_body = CreateSeries, responses((status = 201, body = SeriesView)))]
#[post("/series")]
async fn create_series(app: web::Data<App>, who: SignedIn, once: Once<CreateSeries>) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let series = service::create_series(conn, ctx, body.clone())?;
        let (id, version) = (series.row.id, series.row.version);
        let answer = Answer::created(&SeriesView::from(series))?;
        Ok(answer.version(version).at(format!("/api/v1/series/{id}")))
    })
    .await
}

/// Find one series that I write or inspect, or that is published and holds a lesson for me: of its lessons those that
/// I may see.
#[utoipa::path(tag = "lessons", params(("id" = SeriesId, Path)), responses((status = 200, body = SeriesView)))]
#[get("/series/{id}")]
async fn find_series(app: web::Data<App>, who: SignedIn, id: IdPath<SeriesId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    answer(
        app.db
            .read(move |conn| service::view_series(conn, &ctx, id.0))
            .await?,
    )
}

/// Change a series; `lessons` replaces the whole order. Of a published one everybody sees the change at once, so it takes
/// the right to publish lessons. Needs `If-Match`.
#[utoipa::path(tag = "lessons", params(("id" = SeriesId, Path)), request_body = UpdateSeries, responses((status = 200, body = SeriesView), (status = 409, description = "series_empty, series_archived"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[patch("/series/{id}")]
async fn update_series(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SeriesId>,
    request: HttpRequest,
    body: Json<UpdateSeries>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    answer(
        app.db
            .write(move |conn| service::update_series(conn, &ctx, id.0, version, body.0.clone()))
            .await?,
    )
}

/// Publish a draft: everybody sees it for whom one of its published lessons is.
#[utoipa::path(tag = "lessons", params(("id" = SeriesId, Path)), responses((status = 200, body = SeriesView), (status = 409, description = "not_a_draft, series_empty, series_archived")))]
#[post("/series/{id}/publish")]
async fn publish_series(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SeriesId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        answer(service::publish_series(conn, ctx, id.0)?)
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "已由新專題取代"}))]
struct ArchiveSeries {
    reason: String,
}

impl Check for ArchiveSeries {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Put a series away: nobody is shown it any more, and what it asked to be finished first is not asked. Its lessons stay.
#[utoipa::path(tag = "lessons", params(("id" = SeriesId, Path)), request_body = ArchiveSeries, responses((status = 200, body = SeriesView), (status = 409, description = "series_archived")))]
#[post("/series/{id}/archive")]
async fn archive_series(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SeriesId>,
    once: Once<ArchiveSeries>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(service::archive_series(conn, ctx, id.0, &body.reason)?)
    })
    .await
}
