//! What happens to a sign-up afterwards.

use actix_web::{get, post, web};

use super::view::{SignUpView, WholeSignUpView};
use crate::app::App;
use crate::auth::SignedIn;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Once, Tagged};
use crate::sign_ups::SignUpId;
use crate::sign_ups::changes;
use crate::sign_ups::commands::{CancelSignUp, MoveSignUp};
use crate::sign_ups::lists::{self, Shown};

fn answer(shown: Shown) -> AppResult<Answer> {
    Answer::ok(&SignUpView::from(shown))
}

/// Find a sign-up with what happened to it, and why others got a place first.
#[utoipa::path(tag = "sign-ups", params(("id" = SignUpId, Path)), responses((status = 200, body = WholeSignUpView)))]
#[get("/sign-ups/{id}")]
pub async fn find_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SignUpId>,
) -> AppResult<Tagged<WholeSignUpView>> {
    let ctx = app.ctx(who.0);
    let found = app.db.read(move |conn| lists::view(conn, &ctx, id.0)).await?;
    Ok(Tagged(found.into()))
}

/// Cancel a sign-up: the first in line gets the place in the same moment. Members until `cancel_until`, and from the line at
/// any time; an organiser until the roster is frozen, with a reason.
#[utoipa::path(tag = "sign-ups", params(("id" = SignUpId, Path)), request_body = CancelSignUp, responses((status = 200, body = SignUpView), (status = 409, description = "sign_up_ended, cancel_too_late, roster_frozen, event_cancelled, event_over")))]
#[post("/sign-ups/{id}/cancel")]
pub async fn cancel_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SignUpId>,
    once: Once<CancelSignUp>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(changes::cancel(conn, ctx, id.0, body.reason.clone())?)
    })
    .await
}

/// Accept the place that is offered.
#[utoipa::path(tag = "sign-ups", params(("id" = SignUpId, Path)), responses((status = 200, body = SignUpView), (status = 403, description = "forbidden: only who it was offered to, or who manages them"), (status = 409, description = "sign_up_ended, not_offered, roster_frozen, event_cancelled, event_over")))]
#[post("/sign-ups/{id}/accept")]
pub async fn accept_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SignUpId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        answer(changes::accept(conn, ctx, id.0)?)
    })
    .await
}

/// Decline the place that is offered: it goes to the next in line.
#[utoipa::path(tag = "sign-ups", params(("id" = SignUpId, Path)), responses((status = 200, body = SignUpView), (status = 403, description = "forbidden: only who it was offered to, or who manages them"), (status = 409, description = "sign_up_ended, not_offered, roster_frozen, event_cancelled, event_over")))]
#[post("/sign-ups/{id}/decline")]
pub async fn decline_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SignUpId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        answer(changes::decline(conn, ctx, id.0)?)
    })
    .await
}

/// Move a sign-up to another session where there is room; the place it leaves goes to the first in line there.
#[utoipa::path(tag = "sign-ups", params(("id" = SignUpId, Path)), request_body = MoveSignUp, responses((status = 200, body = SignUpView), (status = 409, description = "sign_up_full, sign_up_ended, cancel_too_late, roster_frozen, event_cancelled, event_over")))]
#[post("/sign-ups/{id}/move")]
pub async fn move_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<SignUpId>,
    once: Once<MoveSignUp>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(changes::move_to(conn, ctx, id.0, &body)?)
    })
    .await
}
