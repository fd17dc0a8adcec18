//! The lane of check-ins: everybody checks in within the same minute, so whatever queues up is one transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::live::news_of;
use super::service::{self, CheckIn, CheckedIn, Outcome};
use crate::platform::cache::Cache;
use crate::platform::clock::Clock;
use crate::platform::config::CheckInConfig;
use crate::platform::db::{Db, Lane, LaneLimits};
use crate::platform::error::AppResult;
use crate::platform::ids::Ids;
use crate::platform::keys::Keys;

#[derive(Clone)]
pub struct CheckInLane(Lane<CheckIn, Outcome>);

impl CheckInLane {
    pub fn start(
        config: &CheckInConfig,
        db: Db,
        ids: Ids,
        keys: Arc<Keys>,
        clock: Clock,
        cache: Cache,
    ) -> Self {
        let limits = LaneLimits {
            queue: config.lane_queue,
            batch: config.lane_batch,
            deadline: Duration::from_secs(5),
        };
        let apply = move |conn: &mut _, batch: &[CheckIn]| {
            service::check_in_all(conn, &ids, &keys, clock.now(), batch)
        };
        let committed = move |outcomes: &[Outcome]| {
            let touched: HashSet<_> = outcomes
                .iter()
                .filter_map(|outcome| outcome.as_ref().ok())
                .filter(|done| done.created)
                .map(|done| done.row.event_id)
                .collect();
            for event in touched {
                cache.announce(news_of(event));
            }
        };
        Self(Lane::start("check_ins", db, limits, apply, committed))
    }

    /// Waits until the check-in is on disk, or is refused.
    pub async fn submit(&self, wish: CheckIn) -> AppResult<CheckedIn> {
        self.0.submit(wish).await?
    }

    /// Check-ins waiting now.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Lets what is queued finish. Blocks.
    pub fn finish(&self) {
        self.0.finish();
    }
}
