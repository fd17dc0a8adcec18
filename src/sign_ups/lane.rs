//! The lane of sign-ups: at eight o'clock everybody asks at once, so whatever queues up is one transaction, in order of
//! arrival.

use super::service::{self, SignUp, SignedUp};
use crate::platform::clock::Clock;
use crate::platform::config::SignUpConfig;
use crate::platform::db::{Db, DbConnection, Lane, LaneLimits};
use crate::platform::ids::Ids;

pub type SignUpLane = Lane<SignUp, SignedUp>;

/// Its answers come when the sign-up is on disk, or is refused.
pub fn start_lane(config: &SignUpConfig, db: Db, ids: Ids, clock: Clock) -> std::io::Result<SignUpLane> {
    let limits = LaneLimits {
        // One line for all: who comes first is first.
        threads: 1,
        queue: config.lane_queue,
        batch: config.lane_batch,
        deadline: db.deadline(),
    };
    let apply =
        move |conn: &mut DbConnection, batch: &[SignUp]| service::sign_up_all(conn, &ids, clock.now(), batch);
    Lane::start("sign_ups", db, limits, |_| 0, apply, |_| {})
}
