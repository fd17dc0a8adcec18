//! Deciding on reflections: of the version that was read, or not at all.

use actix_web::{HttpRequest, post, web};

use super::view::{ReflectionView, answer};
use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Key, Once, if_match};
use crate::sharing::ReflectionId;
use crate::sharing::commands::ReflectionReason;
use crate::sharing::reflections;
use crate::sharing::rules::Decision;

struct Decided {
    id: ReflectionId,
    /// What was read; none: whatever is there.
    version: Option<i32>,
    decision: Decision,
    reason: Option<String>,
}

async fn decide(app: &App, actor: Actor, key: Key, decided: Decided) -> AppResult<Answer> {
    app.write_once(actor, key, move |conn, ctx| {
        let Decided {
            id,
            version,
            decision,
            reason,
        } = &decided;
        answer(reflections::decide(
            conn,
            ctx,
            *id,
            *version,
            *decision,
            reason.as_deref(),
        )?)
    })
    .await
}

/// Publish a reflection that waits, or one that was hidden, as who manages the event. Needs `If-Match`: what is approved is
/// what was read, whatever its author changes meanwhile.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), responses((status = 200, body = ReflectionView), (status = 409, description = "reflection_status: `state` says how it stands"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[post("/reflections/{id}/approve")]
pub async fn approve_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    request: HttpRequest,
    once: Once<()>,
) -> AppResult<Answer> {
    let decided = Decided {
        id: id.0,
        version: if_match(&request)?,
        decision: Decision::Approve,
        reason: None,
    };
    decide(&app, who.0, once.key, decided).await
}

/// Reject a reflection that waits, as who manages the event, with a reason that its author reads. They may write another.
/// Needs `If-Match`.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), request_body = ReflectionReason, responses((status = 200, body = ReflectionView), (status = 409, description = "reflection_status: `state` says how it stands"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[post("/reflections/{id}/reject")]
pub async fn reject_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    request: HttpRequest,
    once: Once<ReflectionReason>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let decided = Decided {
        id: id.0,
        version: if_match(&request)?,
        decision: Decision::Reject,
        reason: Some(body.reason),
    };
    decide(&app, who.0, key, decided).await
}

/// Take a published reflection out of sight, as who manages the event, with a reason that its author reads. Addresses of
/// its pictures are given to nobody else any more; those that were given end within hours. Needs `If-Match`.
#[utoipa::path(tag = "sharing", params(("id" = ReflectionId, Path)), request_body = ReflectionReason, responses((status = 200, body = ReflectionView), (status = 409, description = "reflection_status: `state` says how it stands"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[post("/reflections/{id}/hide")]
pub async fn hide_reflection(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ReflectionId>,
    request: HttpRequest,
    once: Once<ReflectionReason>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let decided = Decided {
        id: id.0,
        version: if_match(&request)?,
        decision: Decision::Hide,
        reason: Some(body.reason),
    };
    decide(&app, who.0, key, decided).await
}
