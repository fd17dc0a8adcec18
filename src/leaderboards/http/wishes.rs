//! What members want of leaderboards for themselves.

use actix_web::{get, put, web};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::SignedIn;
use crate::leaderboards::service;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, Json, Tagged};
use crate::platform::text::Check;

/// What I want of leaderboards.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"hides_name": true}))]
pub struct LeaderboardWishes {
    /// On rankings that others see I am a rank and a number, without a name.
    hides_name: bool,
}

impl Check for LeaderboardWishes {}

/// Find what I want of leaderboards.
#[utoipa::path(tag = "leaderboards", responses((status = 200, body = LeaderboardWishes)))]
#[get("/me/leaderboard-wishes")]
pub async fn find_leaderboard_wishes(
    app: web::Data<App>,
    who: SignedIn,
) -> AppResult<Tagged<LeaderboardWishes>> {
    let ctx = app.ctx(who.0);
    let hides_name = app.db.read(move |conn| service::view_wish(conn, &ctx)).await?;
    Ok(Tagged(LeaderboardWishes { hides_name }))
}

/// Say what I want of leaderboards. It holds within seconds, on final ones too.
#[utoipa::path(tag = "leaderboards", request_body = LeaderboardWishes, responses((status = 200, body = LeaderboardWishes)))]
#[put("/me/leaderboard-wishes")]
pub async fn update_leaderboard_wishes(
    app: web::Data<App>,
    who: SignedIn,
    body: Json<LeaderboardWishes>,
) -> AppResult<Answer> {
    let (ctx, wishes) = (app.ctx(who.0), body.0);
    let hides_name = wishes.hides_name;
    app.db
        .write(move |conn| service::write_wish(conn, &ctx, hides_name))
        .await?;
    Answer::ok(&wishes)
}
