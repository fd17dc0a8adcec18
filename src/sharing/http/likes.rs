//! Likes: kind words without a number.

use actix_web::{delete, get, put, web};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, List, Query, Tagged};
use crate::platform::page::Page;
use crate::platform::text::Check;
use crate::sharing::ReflectionId;
use crate::sharing::lists::{self, Like};
use crate::sharing::reflections;

async fn set_like(app: &App, actor: Actor, id: ReflectionId, likes: bool) -> AppResult<Answer> {
    let ctx = app.ctx(actor);
    app.db
        .write(move |conn| reflections::set_like(conn, &ctx, id, likes))
        .await?;
    Ok(Answer::no_content())
}

/// Like a published reflection. Done before, it stays so. Its author sees who likes it; how many do is shown to nobody and
/// used nowhere.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), responses((status = 204), (status = 409, description = "reflection_status: `state` says how it stands")))]
#[put("/reflections/{id}/like")]
pub async fn like_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
) -> AppResult<Answer> {
    set_like(&app, who.0, id.0, true).await
}

/// Like a reflection no more. Done before, it stays so.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), responses((status = 204)))]
#[delete("/reflections/{id}/like")]
pub async fn unlike_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
) -> AppResult<Answer> {
    set_like(&app, who.0, id.0, false).await
}

/// Somebody who likes a reflection.
#[derive(Serialize, utoipa::ToSchema)]
struct LikeView {
    member_id: MemberId,
    name: String,
    liked_at: Instant,
}

impl From<Like> for LikeView {
    fn from(like: Like) -> Self {
        Self {
            member_id: like.member,
            name: like.name,
            liked_at: like.liked_at,
        }
    }
}

/// Without `count`: likes are not counted.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LikeQuery {
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Check for LikeQuery {}

/// List who likes what I have written, in the order in which they came to; for its author alone.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path), LikeQuery), responses((status = 200, body = List<LikeView>)))]
#[get("/reflections/{id}/likes")]
pub async fn list_reflection_likes(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    query: Query<LikeQuery>,
) -> AppResult<Tagged<List<LikeView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<(Instant, MemberId)>::from_query(query.limit, query.cursor.as_deref(), None)?;
    let asked = page.clone();
    let found = app
        .db
        .read(move |conn| lists::list_likes(conn, &ctx, id.0, &asked))
        .await?;
    Ok(Tagged(page.list(
        found,
        |like| (like.liked_at, like.member),
        LikeView::from,
    )))
}
