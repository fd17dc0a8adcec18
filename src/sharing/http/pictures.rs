//! Pictures of a reflection. Their bytes are the media slice's.

use actix_web::{delete, post, web};

use super::view::PictureView;
use crate::app::App;
use crate::auth::SignedIn;
use crate::media::{PICTURE_BYTES, begin_picture};
use crate::platform::db::AnyId;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, OnceBytes};
use crate::sharing::ReflectionId;
use crate::sharing::reflections;

const TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// Add a picture to what I have written: the body itself, a JPEG, PNG or WebP of at most 10 MiB and 50 million pixels, nine
/// for a reflection. It is written anew, upright and at most 2,048 pixels a side: of place, camera and time nothing is kept.
/// What was published waits to be read again then, unless the installation shows reflections at once.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"))), responses((status = 201, body = PictureView), (status = 409, description = "limit_reached, reflection_status: `state` says how it stands"), (status = 413, description = "too_large: more bytes, or with `limit_pixels` more pixels than are taken; media_quota_exceeded"), (status = 415, description = "unsupported_media_type: none of the three, whatever the header says"), (status = 422, description = "picture_unreadable, invalid_fields")))]
#[post("/reflections/{id}/pictures")]
pub async fn add_reflection_picture(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    once: OnceBytes,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0.clone());
    // Nobody who may not add one makes us read it.
    let asker = ctx.clone();
    let reflection = app
        .db
        .read_fresh(move |conn| reflections::require_author(conn, &asker, id.0))
        .await?;
    let turn = app.media.picture_turn().await?;
    let (sent, key) = once.read(&TYPES, PICTURE_BYTES).await?;
    // A repeat is answered whatever has become of the room since; the transaction below asks for both again.
    let (asker, asked) = (ctx.clone(), key.clone());
    let look = move |conn: &mut _| {
        let kept = asked.kept(conn, AnyId(asker.actor.account.0))?;
        if kept.is_none() {
            reflections::require_room(conn, &asker, id.0)?;
        }
        Ok(kept)
    };
    if let Some(kept) = app.db.read_fresh(look).await? {
        return Ok(kept);
    }
    let picture = app.media.rewrite_picture(sent).await?;
    drop(turn);
    let made = picture.clone();
    let file = app
        .db
        .write(move |conn| begin_picture(conn, &ctx, reflection.organization_id, &made))
        .await?;
    let added = async {
        app.media.put_picture(&file, &picture).await?;
        let media = file.id;
        app.write_once(who.0, key, move |conn, ctx| {
            let (row, picture) = reflections::add_picture(conn, ctx, id.0, media, &picture)?;
            Ok(Answer::created(&PictureView::of(&picture))?.version(row.version))
        })
        .await
    };
    let added = added.await;
    // Refused, or a repeat of one that was added: then this file is of no use.
    if added.as_ref().map_or(true, |answer| answer.replayed) {
        app.media.drop_picture(&file).await;
    }
    added
}

/// Take a picture away from what I have written. The room it took is free at once.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path), ("number" = i32, Path, description = "As the picture says")), responses((status = 204)))]
#[delete("/reflections/{id}/pictures/{number}")]
pub async fn remove_reflection_picture(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    path: web::Path<(String, String)>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let number = path.1.parse::<i32>().map_err(|_| AppError::not_found())?;
    app.db
        .write(move |conn| reflections::remove_picture(conn, &ctx, id.0, number))
        .await?;
    Ok(Answer::no_content())
}
