//! `GET /home`: a phone's first screen in one request. Reads only; each part comes from its slice.

use actix_web::{get, web};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::auth::SignedIn;
use crate::events::{self, EventView};
use crate::members::{self, MemberSummary};
use crate::platform::error::AppResult;
use crate::platform::http::Tagged;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(find_home);
}

#[derive(Serialize, utoipa::ToSchema)]
struct HomeView {
    /// Null for a system admin, who is nobody's member.
    member: Option<MemberSummary>,
    /// Events I am expected at whose check-in is open now.
    check_in_open: Vec<EventView>,
    /// The next ones after that, at most ten.
    upcoming: Vec<EventView>,
}

/// A phone's first screen: who I am, where I can check in now, and what comes next.
#[utoipa::path(tag = "home", responses((status = 200, body = HomeView)))]
#[get("/home")]
async fn find_home(app: web::Data<App>, who: SignedIn) -> AppResult<Tagged<HomeView>> {
    let ctx = app.ctx(who.0);
    let view = app
        .db
        .read(move |conn| {
            if ctx.actor.is_system_admin {
                return Ok(HomeView {
                    member: None,
                    check_in_open: Vec::new(),
                    upcoming: Vec::new(),
                });
            }
            let member = members::summary(conn, ctx.actor.member()?)?;
            let mine = events::list_mine_from_now(conn, &ctx, 20)?;
            let (open, later): (Vec<_>, Vec<_>) = mine
                .into_iter()
                .partition(|(row, _)| row.check_in_opens_at <= ctx.now && ctx.now < row.check_in_closes_at);
            Ok(HomeView {
                member,
                check_in_open: open.into_iter().map(EventView::from).collect(),
                upcoming: later.into_iter().take(10).map(EventView::from).collect(),
            })
        })
        .await?;
    Ok(Tagged(view))
}
