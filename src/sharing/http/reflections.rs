//! Writing reflections, taking them back, and lists of them.

use actix_web::{HttpRequest, get, patch, post, web};
use serde::Deserialize;

use super::view::{ReflectionView, answer};
use crate::app::App;
use crate::auth::SignedIn;
use crate::events::EventId;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Json, List, Once, PageQuery, Query, Tagged, if_match};
use crate::platform::page::Page;
use crate::platform::text::Check;
use crate::sharing::ReflectionId;
use crate::sharing::commands::{CreateReflection, UpdateReflection};
use crate::sharing::lists::{self, ListReflections};
use crate::sharing::reflections;

/// Share what I took away from an event that I was expected at or came to, once it has begun. This is never asked of
/// anybody: nothing reminds of it, nothing counts it, no plan, ledger or ranking knows of it. One of mine stands for each
/// event; one that was withdrawn or rejected makes room for another. Unless the installation says otherwise others see it once
/// somebody who manages the event has approved it.
#[utoipa::path(tag = "sharing", params(("id" = EventId, Path)), request_body = CreateReflection, responses((status = 201, body = ReflectionView), (status = 403, description = "forbidden, not_expected: I did not take part"), (status = 409, description = "event_not_begun, event_cancelled, already_shared: `reflection_id` names it")))]
#[post("/events/{id}/reflections")]
pub async fn create_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<CreateReflection>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let shown = reflections::create_reflection(conn, ctx, id.0, body.clone())?;
        let version = shown.row.version;
        let view = ReflectionView::from(shown);
        let answer = Answer::created(&view)?.version(version);
        Ok(answer.at(format!("/api/v1/reflections/{}", view.id)))
    })
    .await
}

/// List the reflections on an event that I may see, the newest first: what is published and for me, my own, and all of
/// them as they stand for who manages the event.
#[utoipa::path(tag = "sharing", params(("id" = EventId, Path), PageQuery), responses((status = 200, body = List<ReflectionView>)))]
#[get("/events/{id}/reflections")]
pub async fn list_event_reflections(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<ReflectionView>>> {
    let (ctx, page) = (app.ctx(who.0.clone()), query.0.page::<ReflectionId>()?);
    let asked = page.clone();
    let found = app
        .db
        .read(move |conn| lists::list_of_event(conn, &ctx, id.0, &asked))
        .await?;
    let view = |shown| ReflectionView::readable(shown, &app, &who.0);
    Ok(Tagged(page.list(found, |shown| shown.row.id, view)))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReflectionQuery {
    /// Only what I have written, as it stands.
    mine: Option<bool>,
    /// Only what waits to be read: of the events that I manage, and my own.
    pending: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for ReflectionQuery {}

/// List reflections, the newest first: what is published of all events and for me. With `mine` what I have written, with
/// `pending` what waits for me to decide on it.
#[utoipa::path(tag = "sharing", params(ReflectionQuery), responses((status = 200, body = List<ReflectionView>)))]
#[get("/reflections")]
pub async fn list_reflections(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<ReflectionQuery>,
) -> AppResult<Tagged<List<ReflectionView>>> {
    let (ctx, query) = (app.ctx(who.0.clone()), query.0);
    let page = Page::<ReflectionId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListReflections {
        mine: query.mine.unwrap_or(false),
        pending: query.pending.unwrap_or(false),
        page: page.clone(),
    };
    let found = app
        .db
        .read(move |conn| lists::list_reflections(conn, &ctx, &asked))
        .await?;
    let view = |shown| ReflectionView::readable(shown, &app, &who.0);
    Ok(Tagged(page.list(found, |shown| shown.row.id, view)))
}

/// Find one reflection, with the addresses of its pictures.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), responses((status = 200, body = ReflectionView)))]
#[get("/reflections/{id}")]
pub async fn find_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0.clone());
    let shown = app
        .db
        .read_fresh(move |conn| lists::view_reflection(conn, &ctx, id.0))
        .await?;
    let version = shown.row.version;
    Ok(Answer::ok(&ReflectionView::readable(shown, &app, &who.0))?.version(version))
}

/// Change what I have written, while it waits or once it is published; what was published waits again then, unless the
/// installation shows reflections at once. Needs `If-Match`.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), request_body = UpdateReflection, responses((status = 200, body = ReflectionView), (status = 409, description = "reflection_status: `state` says how it stands"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[patch("/reflections/{id}")]
pub async fn update_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    request: HttpRequest,
    body: Json<UpdateReflection>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    answer(
        app.db
            .write(move |conn| reflections::update_reflection(conn, &ctx, id.0, version, body.0.clone()))
            .await?,
    )
}

/// Take back what I have written, whenever I like, without a reason. Done before, it stays so.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), responses((status = 200, body = ReflectionView)))]
#[post("/reflections/{id}/withdraw")]
pub async fn withdraw_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        answer(reflections::withdraw_reflection(conn, ctx, id.0)?)
    })
    .await
}
