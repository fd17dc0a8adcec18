//! `GET /home`: a phone's first screen in one request. Reads only; each part comes from its slice.

use actix_web::{get, web};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::{App, Ctx};
use crate::attendance::{self, MyAttendanceView};
use crate::auth::SignedIn;
use crate::events::{self, EventRow, EventView};
use crate::leaderboards::{self, Shown};
use crate::members::{self, MemberSummary};
use crate::notices;
use crate::organizations::OrganizationId;
use crate::platform::db::DbConnection;
use crate::platform::error::AppResult;
use crate::platform::http::Tagged;
use crate::points::{self, PointTotalsView};
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
    /// What I have earned; null for a system admin.
    points: Option<PointTotalsView>,
    /// Where I stand this month in my own organization; null where nobody is told, while nobody can tell, and without points.
    rank: Option<HomeRankView>,
}

/// Among the members of my own organization.
#[derive(Serialize, utoipa::ToSchema)]
struct HomeRankView {
    organization_id: OrganizationId,
    rank: u64,
    /// How many have any points.
    entrants: u64,
}

/// An event with my own line of it.
#[derive(Serialize, utoipa::ToSchema)]
struct HomeEventView {
    #[serde(flatten)]
    event: EventView,
    mine: MyAttendanceView,
}

/// A phone's first screen: who I am, where I can check in now, what comes next, what I am asked to study, and what I have earned.
#[utoipa::path(tag = "home", responses((status = 200, body = HomeView)))]
#[get("/home")]
async fn find_home(app: web::Data<App>, who: SignedIn) -> AppResult<Tagged<HomeView>> {
    let (ctx, me) = (app.ctx(who.0.clone()), who.0.account.0);
    let (mut view, shown) = app.db.read(move |conn| view_home(conn, &ctx)).await?;
    if let Some(shown) = shown
        && let Some(found) = app.leaderboards.glance(&shown.board, me).await
    {
        view.rank = found.line.map(|line| HomeRankView {
            organization_id: shown.board.top,
            rank: line.rank,
            entrants: found.size,
        });
    }
    Ok(Tagged(view))
}

/// All but the rank, and the board on which that is found.
fn view_home(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<(HomeView, Option<Shown>)> {
    let mut view = HomeView {
        member: None,
        check_in_open: Vec::new(),
        upcoming: Vec::new(),
        due_lessons: Vec::new(),
        unread_notices: 0,
        points: None,
        rank: None,
    };
    if ctx.actor.is_system_admin {
        return Ok((view, None));
    }
    let me = ctx.actor.member()?;
    view.member = members::summary(conn, me)?;
    let mine = events::list_mine_from_now(conn, ctx, 20)?;
    let due = study_plans::due_lessons(conn, ctx, 20)?;
    view.due_lessons = due.into_iter().map(DueLessonView::from).collect();
    view.unread_notices = notices::count_unread(conn, me)?;
    let rows: Vec<EventRow> = mine.iter().map(|(row, _)| row.clone()).collect();
    let lines = attendance::mine(conn, ctx, &rows)?;
    let is_open = |row: &EventRow| row.check_in_opens_at <= ctx.now && ctx.now < row.check_in_closes_at;
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
    view.points = Some(points::my_totals(conn, ctx)?.into());
    let shown = match &view.member {
        Some(member) => leaderboards::own_month(conn, ctx, member.organization_id)?,
        None => None,
    };
    Ok((view, shown))
}
