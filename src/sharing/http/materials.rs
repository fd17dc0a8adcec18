//! The materials of an event.

use actix_web::{delete, get, post, web};
use serde::Serialize;

use crate::app::App;
use crate::auth::SignedIn;
use crate::events::EventId;
use crate::media::{self, MediaId, MediaKind};
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, List, Once, PageQuery, Query, Tagged};
use crate::sharing::MaterialId;
use crate::sharing::commands::CreateMaterial;
use crate::sharing::materials::{self, Material};

/// A file that goes with an event.
#[derive(Serialize, utoipa::ToSchema)]
struct MaterialView {
    id: MaterialId,
    event_id: EventId,
    #[schema(example = "參觀路線")]
    title: String,
    /// The smallest stands first.
    position: i32,
    media_id: MediaId,
    /// What its uploader calls it.
    name: String,
    kind: Option<MediaKind>,
    content_type: Option<String>,
    size_bytes: i64,
    duration_s: Option<f64>,
    /// Where it is read for some hours without a token; in lists alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    created_at: Instant,
}

impl From<Material> for MaterialView {
    fn from(material: Material) -> Self {
        let Material { row, file } = material;
        Self {
            id: row.id,
            event_id: row.event_id,
            title: row.title,
            position: row.position,
            media_id: row.media_id,
            kind: file.kind(),
            name: file.name,
            content_type: file.content_type,
            size_bytes: file.size_bytes,
            duration_s: file.duration_ms.map(|ms| f64::from(ms) / 1_000.0),
            url: None,
            created_at: row.created_at,
        }
    }
}

/// Put a file beside an event that I manage: slides, a route, a notice. Those who take part read it, before the event and
/// after; at most fifty.
#[utoipa::path(tag = "sharing", params(("id" = EventId, Path)), request_body = CreateMaterial, responses((status = 201, body = MaterialView), (status = 409, description = "limit_reached, media_not_ready")))]
#[post("/events/{id}/materials")]
pub async fn create_material(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<CreateMaterial>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let material = materials::create_material(conn, ctx, id.0, body.clone())?;
        Answer::created(&MaterialView::from(material))
    })
    .await
}

/// List the materials of an event, in their order, with where they are read: for those who are expected at it or came,
/// where people sign up those who have a place, and for its administration.
#[utoipa::path(tag = "sharing", params(("id" = EventId, Path), PageQuery), responses((status = 200, body = List<MaterialView>)))]
#[get("/events/{id}/materials")]
pub async fn list_materials(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<MaterialView>>> {
    let (ctx, page) = (app.ctx(who.0.clone()), query.0.page::<(i32, MaterialId)>()?);
    let asked = page.clone();
    let found = app
        .db
        .read(move |conn| materials::list_materials(conn, &ctx, id.0, &asked))
        .await?;
    let view = |material: Material| MaterialView {
        url: Some(media::url_of(&app, &who.0, material.file.id)),
        ..material.into()
    };
    let key = |material: &Material| (material.row.position, material.row.id);
    Ok(Tagged(page.list(found, key, view)))
}

/// Take a material away from an event that I manage. It is shown no more; the file stays, and may be deleted then.
#[utoipa::path(tag = "sharing", params(("id" = MaterialId, Path)), responses((status = 204)))]
#[delete("/materials/{id}")]
pub async fn archive_material(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MaterialId>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    app.db
        .write(move |conn| materials::archive_material(conn, &ctx, id.0))
        .await?;
    Ok(Answer::no_content())
}
