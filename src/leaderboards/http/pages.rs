//! Pages that everybody looks at, written once for each version of their board.

use std::time::Duration;

use moka::future::Cache;

use super::boards::render;
use crate::app::App;
use crate::leaderboards::rules::Board;
use crate::leaderboards::service::Shown;
use crate::organizations::LeaderboardMode;
use crate::platform::error::AppResult;
use crate::platform::http::Rendered;

const MOST: u64 = 2_000;
/// Those of former versions are of no use, and a board that is earned on has four a second.
const KEPT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Pages(Cache<Key, Rendered>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    board: Board,
    at: i64,
    /// How much had changed in the tree before it was written: another name, another mode, another page.
    changes: u64,
    mode: LeaderboardMode,
    from: u64,
    most: usize,
}

impl Default for Pages {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT).build())
    }
}

impl Pages {
    pub async fn page(&self, app: &App, shown: &Shown, from: u64, most: usize) -> AppResult<Rendered> {
        let changes = app.permits.known_changes(shown.board.tenant);
        let key = |at, changes| Key {
            board: shown.board.clone(),
            at,
            changes,
            mode: shown.mode,
            from,
            most,
        };
        if let (Some(at), Some(changes)) = (app.leaderboards.version(&shown.board), changes)
            && let Some(page) = self.0.get(&key(at, changes)).await
        {
            return Ok(page);
        }
        let (page, at) = render(app, shown, from, most).await?;
        if let (Some(at), Some(changes)) = (at, changes) {
            self.0.insert(key(at, changes), page.clone()).await;
        }
        Ok(page)
    }
}
