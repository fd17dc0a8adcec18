//! The lane of check-ins: everybody checks in within the same minute, so whatever queues up is one transaction.

use std::collections::HashSet;
use std::sync::Arc;

use super::desk::{self, CheckIn, CheckedIn, Outcome};
use super::live::news_of;
use crate::platform::cache::Cache;
use crate::platform::clock::Clock;
use crate::platform::config::CheckInConfig;
use crate::platform::db::{Db, DbConnection, Lane, LaneLimits};
use crate::platform::ids::Ids;
use crate::platform::keys::Keys;

pub type CheckInLane = Lane<CheckIn, CheckedIn>;

/// Its answers come when the check-in is on disk, or is refused; the live screens are told of it.
pub fn start_lane(
    config: &CheckInConfig,
    db: Db,
    ids: Ids,
    keys: Arc<Keys>,
    clock: Clock,
    cache: Cache,
) -> std::io::Result<CheckInLane> {
    let limits = LaneLimits {
        // Check-ins of one event take turns on its row.
        threads: 1,
        queue: config.lane_queue,
        batch: config.lane_batch,
        deadline: db.deadline(),
    };
    let apply = move |conn: &mut DbConnection, batch: &[CheckIn]| {
        desk::check_in_all(conn, &ids, &keys, clock.now(), batch)
    };
    let committed = move |outcomes: &[Outcome]| {
        let done = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
        let touched: HashSet<_> = done
            .filter(|done| done.is_new())
            .map(|done| done.row.event_id)
            .collect();
        for event in touched {
            cache.announce(news_of(event));
        }
    };
    Lane::start("check_ins", db, limits, |_| 0, apply, committed)
}
