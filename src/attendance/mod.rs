//! Attendance (考勤): the roster frozen at opening, check-in by code, typed code, proof, personal code or by hand,
//! points to pass (簽到點) and a check-out, leave, quorum, the sheet, and the live screen. What is earned by coming is asked
//! of points; ledgers read from here, and nothing here knows of them.

mod checkpoints;
mod codes;
mod credit;
mod desk;
mod doors;
mod export;
mod http;
mod lane;
mod leave;
mod live;
mod make_up;
mod roster;
mod rules;
mod service;
mod sheet;
mod store;

pub use checkpoints::clone_points;
#[cfg(feature = "failpoints")]
pub(crate) use codes::{code_in, read as read_code, read_personal, read_proof, show as show_code};
pub use credit::{event_cancelled, made_up_by};
pub use doors::{event_of_code, event_of_proof};
pub use http::{MyAttendanceView, configure, configure_pages};
pub use lane::{CheckInLane, start_lane};
pub use leave::on_leave;
pub use live::{LiveHub, news_of};
pub use roster::{called, expected, freeze_due_rosters, freeze_if_due, freeze_now, takes_part};
pub use rules::Source;
pub use service::{open_for_check_in, record_past};
pub use sheet::{Attended, Mine, attended, came, is_over, mine};

use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::events;
use crate::platform::jobs::Jobs;

crate::id_types! {
    CheckInId,
    CheckpointId,
    LeaveRequestId,
    PassageId,
}

/// Rosters are frozen within seconds of the opening even when nobody checks in.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let app = app.clone();
    jobs.every("freeze rosters", Duration::from_secs(5), move || {
        let app = app.clone();
        async move {
            let now = app.clock.now();
            let due = move |conn: &mut _| Ok(events::list_due_to_freeze(conn, None, now)?);
            // Each event in a transaction of its own: its row is held no longer than its own roster takes.
            for event in app.db.read(due).await? {
                let ids = app.ids.clone();
                let freeze = move |conn: &mut _| roster::freeze_if_due(conn, &ids, now, event);
                if let Err(error) = app.db.write_long(freeze).await {
                    tracing::warn!(%event, %error, "cannot freeze a roster; the next run tries again");
                }
            }
            Ok(())
        }
    });
}
