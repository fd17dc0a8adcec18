//! Notices (通知): what a member should know, in an inbox of their own; read, muted or kept for the morning as they like.
//! Other slices post here in the transaction of the cause; whatever goes to many people is spread by a job.

mod http;
mod live;
mod post;
mod remind;
mod rules;
mod service;
mod spread;
mod store;

pub use http::configure;
pub use live::NoticeHub;
pub use post::{NewNotice, post};
pub use remind::remind;
pub use rules::{Kind, NoticeData, rings_by_default, words};
pub use service::count_unread;
pub use spread::{Audience, data_of, handle, tell};

use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::platform::jobs::Jobs;

crate::id_types! {
    NoticeId,
}

/// People are reminded of tomorrow's events, and old notices are forgotten.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let reminding = app.clone();
    jobs.every("remind of tomorrow", Duration::from_secs(60), move || {
        let app = reminding.clone();
        async move { remind(&app.db, &app.ids, app.clock.now(), &app.config.notices).await }
    });
    let sweeping = app.clone();
    jobs.every("sweep notices", Duration::from_secs(3_600), move || {
        let app = sweeping.clone();
        async move {
            let before = app.clock.now().plus_s(-app.config.notices.keep_days * 86_400);
            app.db
                .sweep(move |conn| store::delete_some_before(conn, before))
                .await
        }
    });
}
