//! The lane of progress reports: what a hall of phones reports in the same seconds is one transaction.

use super::desk::{Recorded, Report};
use super::service;
use crate::platform::clock::Clock;
use crate::platform::config::StudyConfig;
use crate::platform::db::{Db, DbConnection, Lane, LaneLimits};
use crate::platform::ids::Ids;

pub type StudyLane = Lane<Report, Recorded>;

/// Its answers come when the progress is on disk, or is refused.
pub fn start_lane(config: &StudyConfig, db: Db, ids: Ids, clock: Clock) -> std::io::Result<StudyLane> {
    let limits = LaneLimits {
        queue: config.lane_queue,
        batch: config.lane_batch,
        deadline: db.deadline(),
    };
    let apply =
        move |conn: &mut DbConnection, batch: &[Report]| service::record_all(conn, &ids, clock.now(), batch);
    Lane::start("study", db, limits, apply, |_| {})
}
