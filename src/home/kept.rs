//! First screens that were made, by account.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::store::Mark;
use crate::auth::AccountId;
use crate::leaderboards::Shown;
use crate::platform::db::Instant;

/// Bytes of all of them together, about.
const MOST: u64 = 64 << 20;
const KEPT: Duration = Duration::from_secs(600);

pub struct Homes<T>(Cache<AccountId, Arc<Kept<T>>>);

/// One first screen but for the rank, and as long as what it is right.
pub struct Kept<T> {
    pub parts: Arc<T>,
    /// The board on which the rank is found.
    pub board: Option<Shown>,
    pub marks: Vec<Mark>,
    pub made_at: Instant,
    pub until: Instant,
    pub bytes: u32,
}

impl<T> Kept<T> {
    /// Is it what would be made now?
    pub fn is_right(&self, now: Instant, marks: &[Mark]) -> bool {
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

impl<T: Send + Sync + 'static> Homes<T> {
    pub async fn find(&self, account: AccountId) -> Option<Arc<Kept<T>>> {
        self.0.get(&account).await
    }

    pub async fn keep(&self, account: AccountId, kept: Arc<Kept<T>>) {
        self.0.insert(account, kept).await;
    }
}
