//! A ranking live: its first lines, sent again when they change.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web};
use serde::Serialize;

use super::boards::{BoardHead, BoardQuery, LeaderboardLineView, ids_of, lines};
use crate::app::App;
use crate::auth::Stay;
use crate::leaderboards::keeper::{Keeper, news_of};
use crate::leaderboards::names::Names;
use crate::leaderboards::rules::Board;
use crate::leaderboards::service::{Shown, Wanted};
use crate::organizations::OrganizationId;
use crate::platform::cache::Cache;
use crate::platform::error::AppResult;
use crate::platform::frames::{Frame, Frames, Latest};
use crate::platform::http::{IdPath, Query, Watcher, live_stream};

const LINES: u64 = 50;

/// The first lines of a ranking.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LeaderboardFrame {
    #[serde(flatten)]
    head: BoardHead,
    /// At most fifty.
    items: Vec<LeaderboardLineView>,
}

/// The rankings that are watched on this process.
#[derive(Clone)]
pub struct LiveBoards {
    names: Names,
    keeper: Keeper,
    frames: Frames<Board>,
}

impl LiveBoards {
    pub fn new(names: Names, cache: Cache, keeper: Keeper) -> Self {
        Self {
            names,
            keeper,
            frames: Frames::new(cache),
        }
    }

    fn watch(&self, shown: Arc<Shown>) -> Latest {
        let (hub, board) = (self.clone(), shown.board.clone());
        self.frames.watch(&board, news_of(&board), move || {
            let (hub, shown) = (hub.clone(), shown.clone());
            async move { hub.frame(&shown).await }
        })
    }

    async fn frame(&self, shown: &Shown) -> AppResult<Frame> {
        let reading = self.keeper.page(&shown.board, 0, LINES).await?;
        let (page, unit) = (reading.found, shown.board.unit);
        let names = self.names.of(&shown.board, ids_of(&page.lines)).await?;
        let frame = LeaderboardFrame {
            head: BoardHead::of(shown, page.size, reading.stale_since),
            items: lines(unit, &page.lines, &names),
        };
        Frame::of("leaderboard", page.at, &frame)
    }
}

/// Watch a ranking live (Server-Sent Events): its first fifty lines, whenever they change. Each event is the whole state, and
/// the first comes at once, so that a stream taken up again with `Last-Event-ID` has missed nothing; who is slow misses some, never
/// the newest. It is shown
/// to whom the ranking is shown. The stream ends with the access token: refresh, and resume.
#[utoipa::path(tag = "leaderboards", params(("id" = OrganizationId, Path), BoardQuery), responses((status = 200, description = "text/event-stream of LeaderboardFrame", body = LeaderboardFrame, content_type = "text/event-stream"), (status = 403, description = "leaderboard_off; leaderboard_hidden: `mode` says what is shown")))]
#[get("/leaderboards/{id}/live")]
pub async fn watch_leaderboard(
    app: web::Data<App>,
    who: Stay,
    id: IdPath<OrganizationId>,
    query: Query<BoardQuery>,
) -> AppResult<HttpResponse> {
    let wanted = query.0.wanted(id.0);
    let shown = require_shown(&app, &who, wanted).await?;
    let (frames, stopping) = (app.live_boards.watch(shown), app.live.stopping());
    Ok(live_stream(frames, stopping, Listener { app, who, wanted }))
}

async fn require_shown(app: &App, who: &Stay, wanted: Wanted) -> AppResult<Arc<Shown>> {
    let shown = app.permits.find(app, who.actor.clone(), wanted).await?;
    shown.require_lines()?;
    Ok(shown)
}

struct Listener {
    app: web::Data<App>,
    who: Stay,
    wanted: Wanted,
}

impl Watcher for Listener {
    fn is_valid(&self) -> bool {
        self.who.is_valid(&self.app)
    }

    async fn may_watch(&mut self) -> bool {
        require_shown(&self.app, &self.who, self.wanted).await.is_ok()
    }
}
