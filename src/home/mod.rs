//! `GET /home`: a phone's first screen in one request. Reads only; each part comes from its slice.
//!
//! It is kept for each account, and is right as long as nothing has changed of what it shows. The database itself notes that,
//! in the transaction of the change and whoever makes it: triggers on the tables that a first screen is made of leave a row
//! of `home_changes` for the member, or for the whole tree. So a kept one costs one look at an index, on any replica, and
//! is never behind. What time alone changes is known when it is made. A new table that a first screen reads needs its
//! trigger; a test makes every write of the API and compares.

mod http;
mod kept;
mod service;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::platform::jobs::Jobs;

pub use http::{HomeParts, configure};
pub use kept::Homes;

/// Far longer than a first screen is kept.
const PRUNING: Duration = Duration::from_secs(3_600);

pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let (app, last) = (app.clone(), Arc::new(AtomicI64::new(0)));
    jobs.every("prune home changes", PRUNING, move || {
        let (app, last) = (app.clone(), last.clone());
        async move {
            // What was there an hour ago.
            let upto = last.load(Ordering::Relaxed);
            let prune = move |conn: &mut _| Ok(store::prune_changes(conn, upto)?);
            last.store(app.db.write_long(prune).await?, Ordering::Relaxed);
            Ok(())
        }
    });
}
