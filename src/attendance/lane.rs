//! The lane of check-ins: everybody checks in within the same minute, so whatever queues up is one transaction.

use std::collections::HashSet;
use std::sync::Arc;

use super::live::news_of;
use super::service::{self, CheckIn, CheckedIn, Outcome};
use crate::platform::cache::Cache;
use crate::platform::clock::Clock;
use crate::platform::config::CheckInConfig;
use crate::platform::db::{Db, DbConnection, Lane, LaneLimits};
use crate::platform::error::{AppError, AppResult};
use crate::platform::ids::Ids;
use crate::platform::keys::Keys;

#[derive(Clone)]
pub struct CheckInLane {
    how: How,
}

#[derive(Clone)]
enum How {
    Lane(Lane<CheckIn, Outcome>),
    /// A transaction for each check-in: what the benchmark compares the lane with.
    Each {
        db: Db,
        desk: Desk,
    },
}

/// What it takes to apply a batch, and to tell of it.
#[derive(Clone)]
struct Desk {
    ids: Ids,
    keys: Arc<Keys>,
    clock: Clock,
    cache: Cache,
}

impl Desk {
    fn apply(&self, conn: &mut DbConnection, batch: &[CheckIn]) -> AppResult<Vec<Outcome>> {
        service::check_in_all(conn, &self.ids, &self.keys, self.clock.now(), batch)
    }

    fn committed(&self, outcomes: &[Outcome]) {
        let done = outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().ok())
            .filter(|done| done.is_new());
        let touched: HashSet<_> = done.map(|done| done.row.event_id).collect();
        for event in touched {
            self.cache.announce(news_of(event));
        }
    }
}

impl CheckInLane {
    pub fn start(
        config: &CheckInConfig,
        db: Db,
        ids: Ids,
        keys: Arc<Keys>,
        clock: Clock,
        cache: Cache,
    ) -> std::io::Result<Self> {
        let desk = Desk {
            ids,
            keys,
            clock,
            cache,
        };
        if config.lane_batch == 0 {
            return Ok(Self {
                how: How::Each { db, desk },
            });
        }
        let limits = LaneLimits {
            queue: config.lane_queue,
            batch: config.lane_batch,
            deadline: db.deadline(),
        };
        let teller = desk.clone();
        let apply = move |conn: &mut DbConnection, batch: &[CheckIn]| desk.apply(conn, batch);
        let committed = move |outcomes: &[Outcome]| teller.committed(outcomes);
        Ok(Self {
            how: How::Lane(Lane::start("check_ins", db, limits, apply, committed)?),
        })
    }

    /// Waits until the check-in is on disk, or is refused.
    pub async fn submit(&self, wish: CheckIn) -> AppResult<CheckedIn> {
        match &self.how {
            How::Lane(lane) => lane.submit(wish).await?,
            How::Each { db, desk } => {
                let teller = desk.clone();
                let desk = desk.clone();
                let outcomes = db
                    .write(move |conn| desk.apply(conn, std::slice::from_ref(&wish)))
                    .await?;
                teller.committed(&outcomes);
                outcomes
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Err(AppError::internal("no outcome")))
            }
        }
    }

    /// Check-ins waiting now.
    pub fn waiting(&self) -> usize {
        match &self.how {
            How::Lane(lane) => lane.waiting(),
            How::Each { .. } => 0,
        }
    }

    /// Does it still take check-ins?
    pub fn is_running(&self) -> bool {
        match &self.how {
            How::Lane(lane) => lane.is_running(),
            How::Each { .. } => true,
        }
    }

    /// Lets what is queued finish. Blocks.
    pub fn finish(&self) {
        if let How::Lane(lane) = &self.how {
            lane.finish();
        }
    }
}
