//! First screens that were made, by account.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde::Serialize;

use super::service::{self, Home};
use super::store::{self, Mark};
use crate::app::Ctx;
use crate::auth::AccountId;
use crate::leaderboards::Shown;
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, Db, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};

/// Bytes of all of them together, about.
const MOST: u64 = 64 << 20;
const KEPT: Duration = Duration::from_secs(600);

pub struct Homes<T>(Cache<AccountId, Arc<Kept<T>>>);

/// One first screen but for the rank, and as long as what it is right.
pub struct Kept<T> {
    pub parts: Arc<T>,
    /// The board on which the rank is found.
    pub board: Option<Shown>,
    marks: Vec<Mark>,
    made_at: Instant,
    until: Instant,
    bytes: u32,
}

impl<T: Serialize> Kept<T> {
    fn make(conn: &mut DbConnection, ctx: &Ctx, marks: Vec<Mark>, view: fn(Home) -> T) -> AppResult<Self> {
        let mut home = service::make(conn, ctx)?;
        let (board, until) = (home.board.take(), home.until);
        let parts = view(home);
        let written = serde_json::to_vec(&parts).map_err(|error| AppError::internal(error.to_string()))?;
        Ok(Self {
            parts: Arc::new(parts),
            board,
            marks,
            made_at: ctx.now,
            until,
            // In memory it is about twice what it is on the way.
            bytes: u32::try_from(written.len() * 2).unwrap_or(u32::MAX),
        })
    }

    /// Is it what would be made now?
    fn is_right(&self, now: Instant, marks: &[Mark]) -> bool {
        self.made_at <= now && now < self.until && self.marks == marks
    }
}

impl<T: Send + Sync + 'static> Default for Homes<T> {
    fn default() -> Self {
        let kept = Cache::builder()
            .max_capacity(MOST)
            .weigher(|_, kept: &Arc<Kept<T>>| kept.bytes)
            .time_to_live(KEPT);
        Self(kept.build())
    }
}

impl<T: Serialize + Send + Sync + 'static> Homes<T> {
    /// Somebody's first screen: the kept one where nothing has changed, else made anew and kept as `view` shows it.
    pub async fn show(
        &self,
        db: &Db,
        ctx: Ctx,
        tree: OrganizationId,
        view: fn(Home) -> T,
    ) -> AppResult<Arc<Kept<T>>> {
        let account = ctx.actor.account;
        let known = self.0.get(&account).await;
        let look = move |conn: &mut DbConnection| {
            // Before all that is read of it: what changes meanwhile is found the next time.
            let marks = store::list_marks(conn, AnyId(account.0), AnyId(tree.0))?;
            match &known {
                Some(kept) if kept.is_right(ctx.now, &marks) => Ok((kept.clone(), false)),
                _ => Ok((Arc::new(Kept::make(conn, &ctx, marks, view)?), true)),
            }
        };
        let (kept, is_new) = db.read_fresh(look).await?;
        if is_new {
            self.0.insert(account, kept.clone()).await;
        }
        Ok(kept)
    }
}
