//! Webhooks: where an organization has the notices of its people sent, for a gateway that forwards them (SMS, a chat).
//! Messages are signed and repeated as Standard Webhooks says; each is written in the transaction of its cause.

mod address;
mod deliver;
mod http;
mod rules;
mod service;
mod store;

pub use deliver::{Sender, handle};
pub use http::configure;
pub use service::{Message, forget, send};

use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::platform::error::AppResult;
use crate::platform::jobs::Jobs;

crate::id_types! {
    WebhookId,
    /// The message's id too: it is the same in each attempt.
    DeliveryId,
}

const KEEP_S: i64 = 90 * 86_400;
/// So long after the time of its next attempt nobody makes it any more.
const LEFT_S: i64 = 2 * 86_400;

/// What was sent is forgotten after ninety days.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let app = app.clone();
    jobs.every(
        "sweep webhook deliveries",
        Duration::from_secs(3_600),
        move || {
            let app = app.clone();
            async move { sweep(&app).await }
        },
    );
}

/// One round of that. What nobody tries any more has failed, and can be sent once more.
pub async fn sweep(app: &App) -> AppResult<()> {
    let (old, left) = (app.clock.now().plus_s(-KEEP_S), app.clock.now().plus_s(-LEFT_S));
    app.db
        .sweep(move |conn| store::delete_some_before(conn, old))
        .await?;
    app.db.sweep(move |conn| store::give_up_some(conn, left)).await
}
