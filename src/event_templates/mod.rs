//! Event templates: what comes again on a fixed day (每月固定黨日) is written once, and each occurrence becomes an event of
//! its own some time ahead. What was made is an event like any other: a change of the template is for later ones.

mod commands;
mod http;
mod rules;
mod service;
mod store;

pub use http::configure;
pub use service::make_due;

use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::auth::Actor;
use crate::platform::jobs::Jobs;

crate::id_types! {
    EventTemplateId,
}

/// Occurrences are made within the hour after they are due.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let app = app.clone();
    jobs.every("make occurrences", Duration::from_secs(3_600), move || {
        let app = app.clone();
        async move { make_due(&app.db, &|| app.ctx(Actor::operator())).await }
    });
}
