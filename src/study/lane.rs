//! The lane of progress reports: what a hall of phones reports in the same seconds is one transaction, or one
//! for each thread: members share nothing, so each of them has a thread.

use super::desk::{Recorded, Report};
use super::service;
use crate::platform::clock::Clock;
use crate::platform::config::StudyConfig;
use crate::platform::db::{Backend, Db, DbConnection, Lane, LaneLimits};
use crate::platform::ids::Ids;

pub type StudyLane = Lane<Report, Recorded>;

/// Its answers come when the progress is on disk, or is refused.
pub fn start_lane(config: &StudyConfig, db: Db, ids: Ids, clock: Clock) -> std::io::Result<StudyLane> {
    let limits = LaneLimits {
        // SQLite has one writer.
        threads: match db.backend() {
            Backend::Sqlite => 1,
            Backend::Postgres => config.lane_threads,
        },
        queue: config.lane_queue,
        batch: config.lane_batch,
        deadline: db.deadline(),
    };
    let apply =
        move |conn: &mut DbConnection, batch: &[Report]| service::record_all(conn, &ids, clock.now(), batch);
    let spread = |report: &Report| report.member.0.as_u64_pair().1;
    Lane::start("study", db, limits, spread, apply, |_| {})
}
