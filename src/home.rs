//! `GET /home`: a phone's first screen in one request. Reads only; each part comes from its slice.

use actix_web::{get, web};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::attendance::{self, MyAttendanceView};
use crate::auth::SignedIn;
use crate::events::{self, EventRow, EventView};
use crate::members::{self, MemberSummary};
use crate::notices;
use crate::platform::error::AppResult;
use crate::platform::http::Tagged;
use crate::study_plans::{self, DueLessonView};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(find_home);
}

#[derive(Serialize, utoipa::ToSchema)]
struct HomeView {
    /// Null for a system admin, who is nobody's member.
    member: Option<MemberSummary>,
    /// Events I am expected at whose check-in is open now.
    check_in_open: Vec<HomeEventView>,
    /// The next ones after that, at most ten.
    upcoming: Vec<HomeEventView>,
    /// What study plans ask of me, the first to be due first, at most twenty.
    due_lessons: Vec<DueLessonView>,
    /// How many of my notices I have not read.
    unread_notices: i64,
}

/// An event with my own line of it.
#[derive(Serialize, utoipa::ToSchema)]
struct HomeEventView {
    #[serde(flatten)]
    event: EventView,
    mine: MyAttendanceView,
}

/// A phone's first screen: who I am, where I can check in now, what comes next, and what I am asked to study.
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
                    due_lessons: Vec::new(),
                    unread_notices: 0,
                });
            }
            let member = members::summary(conn, ctx.actor.member()?)?;
            let mine = events::list_mine_from_now(conn, &ctx, 20)?;
            let due = study_plans::due_lessons(conn, &ctx, 20)?;
            let rows: Vec<EventRow> = mine.iter().map(|(row, _)| row.clone()).collect();
            let lines = attendance::mine(conn, &ctx, &rows)?;
            let is_open =
                |row: &EventRow| row.check_in_opens_at <= ctx.now && ctx.now < row.check_in_closes_at;
            let mut view = HomeView {
                member,
                check_in_open: Vec::new(),
                upcoming: Vec::new(),
                due_lessons: due.into_iter().map(DueLessonView::from).collect(),
                unread_notices: notices::count_unread(conn, ctx.actor.member()?)?,
            };
            for (event, line) in mine.into_iter().zip(lines) {
                let list = if is_open(&event.0) {
                    &mut view.check_in_open
                } else {
                    &mut view.upcoming
                };
                list.push(HomeEventView {
                    event: event.into(),
                    mine: line.into(),
                });
            }
            view.upcoming.truncate(10);
            Ok(view)
        })
        .await?;
    Ok(Tagged(view))
}
