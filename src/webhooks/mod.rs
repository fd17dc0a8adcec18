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
use crate::platform::jobs::Jobs;

crate::id_types! {
    WebhookId,
    /// The message's id too: it is the same in each attempt.
    DeliveryId,
}

const KEEP_S: i64 = 90 * 86_400;

/// What was sent is forgotten after ninety days.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let app = app.clone();
    jobs.every(
        "sweep webhook deliveries",
        Duration::from_secs(3_600),
        move || {
            let app = app.clone();
            async move {
                let before = app.clock.now().plus_s(-KEEP_S);
                let sweep =
                    move |conn: &mut _| Ok(store::delete_deliveries_before(conn, before).map(|_| ())?);
                app.db.write_long(sweep).await
            }
        },
    );
}
