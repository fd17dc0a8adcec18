//! Leaderboards (排行榜): where members and branches stand by their points, in a day, week, month, quarter, year or at all.
//! The truth is in `points`; boards are derived from it, kept in Redis or in this process by the `keeper`, and always right
//! again within seconds. Who sees what is the organization's setting, and never more than it says.

mod history;
mod http;
mod keeper;
mod names;
mod permits;
mod rules;
mod service;
mod store;
mod truth;

pub use history::close_periods;
pub use http::{LiveBoards, Pages, configure};
pub use keeper::Keeper;
pub use names::Names;
pub use permits::Permits;
pub use rules::{Board, Period, Span, Unit};
pub use service::{Shown, Wanted, forget_moves, members_moved, own_month, settings_changed, tree_moved};

use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::platform::error::AppResult;
use crate::platform::jobs::Jobs;

crate::id_types! {
    LeaderboardMoveId,
}

/// How often boards are brought to where the truth is.
const PACE: Duration = Duration::from_millis(250);
const KEEPING: Duration = Duration::from_secs(5);
const CLOSING: Duration = Duration::from_secs(300);

/// Brings what is kept of leaderboards to where the truth is. False: some are being made anew, and shown as they were until then.
pub async fn follow(app: &App) -> AppResult<bool> {
    app.permits.look(&app.db).await?;
    app.leaderboards.follow().await
}

pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    // As with other jobs: in tests nothing happens by itself.
    if app.config.jobs.pace.is_some() {
        let following = app.clone();
        jobs.every("follow leaderboards", PACE, move || {
            let app = following.clone();
            async move { follow(&app).await.map(|_| ()) }
        });
        let closing = app.clone();
        jobs.every("close leaderboards", CLOSING, move || {
            let app = closing.clone();
            async move { close_periods(&app).await }
        });
    }
    let keeper = app.leaderboards.clone();
    jobs.every("keep leaderboards", KEEPING, move || {
        let keeper = keeper.clone();
        async move {
            keeper.keep().await;
            Ok(())
        }
    });
    let app = app.clone();
    jobs.every("forget moves", Duration::from_secs(3_600), move || {
        let app = app.clone();
        async move {
            let now = app.clock.now();
            let forget = move |conn: &mut _| service::forget_moves(conn, now);
            app.db.write(forget).await.map(|_| ())
        }
    });
}
