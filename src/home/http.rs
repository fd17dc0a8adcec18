//! The first screen's one operation.

use std::sync::Arc;

use actix_web::{get, web};
use serde::{Serialize, Serializer};
use utoipa_actix_web::service_config::ServiceConfig;

use super::kept::Kept;
use super::service::Home;
use crate::app::App;
use crate::attendance::{Mine, MyAttendanceView};
use crate::auth::SignedIn;
use crate::events::{EventView, Listed};
use crate::members::MemberSummary;
use crate::organizations::OrganizationId;
use crate::platform::error::AppResult;
use crate::platform::http::Tagged;
use crate::points::PointTotalsView;
use crate::study_plans::DueLessonView;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(find_home);
}

#[derive(Serialize, utoipa::ToSchema)]
struct HomeView {
    #[serde(flatten)]
    #[schema(value_type = HomeParts)]
    parts: Parts,
    /// Where I stand this month in my own organization; null where nobody is told, while nobody can tell, and without points.
    rank: Option<HomeRankView>,
}

/// What is kept, written as itself.
struct Parts(Arc<HomeParts>);

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[derive(Default, Serialize, utoipa::ToSchema)]
pub struct HomeParts {
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

impl From<(Listed, Mine)> for HomeEventView {
    fn from((event, mine): (Listed, Mine)) -> Self {
        Self {
            event: event.into(),
            mine: mine.into(),
        }
    }
}

impl From<Home> for HomeParts {
    fn from(home: Home) -> Self {
        Self {
            member: home.member,
            check_in_open: home.check_in_open.into_iter().map(HomeEventView::from).collect(),
            upcoming: home.upcoming.into_iter().map(HomeEventView::from).collect(),
            due_lessons: home.due_lessons.into_iter().map(DueLessonView::from).collect(),
            unread_notices: home.unread_notices,
            points: Some(home.points.into()),
        }
    }
}

/// A phone's first screen: who I am, where I can check in now, what comes next, what I am asked to study, and what I have earned.
#[utoipa::path(tag = "home", responses((status = 200, body = HomeView)))]
#[get("/home")]
async fn find_home(app: web::Data<App>, who: SignedIn) -> AppResult<Tagged<HomeView>> {
    let account = who.0.account;
    let Some(tenant) = who.0.tenant else {
        let parts = Parts(Arc::default());
        return Ok(Tagged(HomeView { parts, rank: None }));
    };
    let kept = app
        .homes
        .show(&app.db, app.ctx(who.0), tenant, HomeParts::from)
        .await?;
    Ok(Tagged(HomeView {
        parts: Parts(kept.parts.clone()),
        rank: rank(&app, &kept, account.0).await,
    }))
}

/// Others' points change it, so it is not kept.
async fn rank(app: &App, kept: &Kept<HomeParts>, me: uuid::Uuid) -> Option<HomeRankView> {
    let shown = kept.board.as_ref()?;
    let found = app.leaderboards.glance(&shown.board, me).await?;
    found.line.map(|line| HomeRankView {
        organization_id: shown.board.top,
        rank: line.rank,
        entrants: found.size,
    })
}
