//! Guests (來賓): people without an account at one event, put down by an organiser or by themselves through a public
//! address. Name and phone, with their consent, and no longer than is needed: then they are erased.

mod commands;
mod http;
mod links;
mod pages;
mod pass;
mod service;
mod store;

pub use http::configure;
pub use pages::configure as configure_pages;
pub use service::erase_due;

use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::platform::jobs::Jobs;

crate::id_types! {
    GuestId,
    GuestLinkId,
}

/// What is held about guests is erased within the hour after it is due.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let app = app.clone();
    jobs.every("erase guests", Duration::from_secs(3_600), move || {
        let app = app.clone();
        async move {
            let (now, keep_s) = (app.clock.now(), app.config.guests.keep_days * 86_400);
            app.db
                .write_long(move |conn| erase_due(conn, now, keep_s).map(|_| ()))
                .await
        }
    });
}
