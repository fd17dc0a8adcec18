//! `/media`: what was uploaded, for those who write lessons or see expenses.

use actix_web::{delete, get, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::auth::{AccountId, Actor, SignedIn};
use crate::media::rules::{MediaKind, MediaPurpose, MediaState, Refusal};
use crate::media::service::{self, ListMedia};
use crate::media::store::FileRow;
use crate::media::{MediaId, url_of};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, List, Query, Tagged};
use crate::platform::page::Page;
use crate::platform::text::Check;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_media).service(find_media).service(delete_media);
}

/// A file, and how far it has come.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MediaView {
    id: MediaId,
    organization_id: OrganizationId,
    purpose: MediaPurpose,
    /// What its uploader calls it.
    #[schema(example = "微黨課第一講.mp4")]
    name: String,
    state: MediaState,
    /// Why it was refused.
    refusal: Option<Refusal>,
    /// By its own bytes; null until it is ready, as are the type, the hash and the duration.
    kind: Option<MediaKind>,
    #[schema(example = "video/mp4")]
    content_type: Option<String>,
    size_bytes: i64,
    /// Of them, what has arrived.
    received_bytes: i64,
    /// Of all its bytes, in hexadecimal; between quotes it is the `ETag` of the content.
    sha256: Option<String>,
    /// Counted from what there is to play, whatever the file's header says; null for what is not played.
    duration_s: Option<f64>,
    /// While it arrives: when the upload is given up if nothing more comes.
    expires_at: Option<Instant>,
    /// Where its bytes are read for some hours without a token; null until it is ready, and in lists.
    content_url: Option<String>,
    created_at: Instant,
    created_by: AccountId,
}

impl MediaView {
    pub fn brief(row: FileRow) -> Self {
        let state = row.state();
        Self {
            id: row.id,
            organization_id: row.organization_id,
            purpose: row.purpose(),
            state,
            refusal: row.refusal.as_deref().and_then(Refusal::parse),
            kind: row.kind(),
            sha256: row.sha256_hex(),
            name: row.name,
            content_type: row.content_type,
            size_bytes: row.size_bytes,
            received_bytes: row.received_bytes,
            duration_s: row.duration_ms.map(|ms| f64::from(ms) / 1_000.0),
            expires_at: (state == MediaState::Uploading).then_some(row.expires_at),
            content_url: None,
            created_at: row.created_at,
            created_by: row.created_by,
        }
    }

    pub fn whole(row: FileRow, app: &App, actor: &Actor) -> Self {
        let is_ready = row.state() == MediaState::Ready;
        let id = row.id;
        Self {
            content_url: is_ready.then(|| url_of(app, actor, id)),
            ..Self::brief(row)
        }
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MediaQuery {
    /// Only this organization's and of all below it.
    organization_id: Option<OrganizationId>,
    purpose: Option<MediaPurpose>,
    kind: Option<MediaKind>,
    state: Option<MediaState>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for MediaQuery {}

/// List the files of the organizations whose lessons I write or inspect, the newest first; receipts for who sees what is
/// spent there.
#[utoipa::path(tag = "media", params(MediaQuery), responses((status = 200, body = List<MediaView>)))]
#[get("/media")]
async fn list_media(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<MediaQuery>,
) -> AppResult<Tagged<List<MediaView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<MediaId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListMedia {
        organization: query.organization_id,
        purpose: query.purpose,
        kind: query.kind,
        state: query.state,
        page: page.clone(),
    };
    let found = app
        .db
        .read(move |conn| service::list_media(conn, &ctx, &asked))
        .await?;
    Ok(Tagged(page.list(found, |row| row.id, MediaView::brief)))
}

/// Find one file of an organization whose lessons I write or inspect, or whose expenses I see. After the last byte of an upload `state` is
/// `checking` for a moment, then `ready`, or `refused` with why: media_unreadable, media_type_not_allowed,
/// media_too_long, media_too_large.
#[utoipa::path(tag = "media", params(("id" = MediaId, Path)), responses((status = 200, body = MediaView)))]
#[get("/media/{id}")]
async fn find_media(app: web::Data<App>, who: SignedIn, id: IdPath<MediaId>) -> AppResult<Tagged<MediaView>> {
    let (ctx, actor) = (app.ctx(who.0.clone()), who.0);
    let row = app
        .db
        .read_fresh(move |conn| service::view_file(conn, &ctx, id.0))
        .await?;
    Ok(Tagged(MediaView::whole(row, &app, &actor)))
}

/// Delete a file that no lesson, no expense and no event uses, or end its upload. The room it took is free at once.
#[utoipa::path(tag = "media", params(("id" = MediaId, Path)), responses((status = 204), (status = 409, description = "media_in_use")))]
#[delete("/media/{id}")]
async fn delete_media(app: web::Data<App>, who: SignedIn, id: IdPath<MediaId>) -> AppResult<Answer> {
    delete(&app, who.0, id.0).await?;
    Ok(Answer::no_content())
}

pub async fn delete(app: &App, actor: Actor, id: MediaId) -> AppResult<()> {
    let ctx = app.ctx(actor);
    let row = app
        .db
        .write(move |conn| service::delete_file(conn, &ctx, id))
        .await?;
    app.media.clear(row.id, row.tenant_id).await;
    Ok(())
}
