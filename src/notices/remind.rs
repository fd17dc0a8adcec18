//! The day before an event, those it concerns are reminded, once for each day it is moved to.

use super::rules::Kind;
use super::spread::{Audience, tell};
use crate::events::{self, EventRow};
use crate::platform::config::NoticeConfig;
use crate::platform::db::{Db, Instant};
use crate::platform::error::AppResult;
use crate::platform::ids::Ids;
use crate::platform::jobs::known_keys;
use crate::platform::local_time;

/// What begins within so long may be due: a local day, of 25 hours, and the hours of the day before that are left.
const AHEAD_S: i64 = 50 * 3_600;

pub async fn remind(db: &Db, ids: &Ids, now: Instant, config: &NoticeConfig) -> AppResult<()> {
    let remind_at_min = config.remind_at_min;
    let due = move |conn: &mut _| {
        let mut due = events::list_starting(conn, now, now.plus_s(AHEAD_S))?;
        due.retain(|event| is_due(event, now, remind_at_min));
        let keys: Vec<String> = due.iter().map(key_of).collect();
        let known = known_keys(conn, &keys)?;
        due.retain(|event| !known.contains(&key_of(event)));
        Ok(due)
    };
    for event in db.read_fresh(due).await? {
        let ids = ids.clone();
        db.write(move |conn| {
            let rest = (Audience::Expected, None, Some(key_of(&event)));
            tell(conn, &ids, now, &event, Kind::EventTomorrow, rest)
        })
        .await?;
    }
    Ok(())
}

/// Is it the day before, and late enough?
fn is_due(event: &EventRow, now: Instant, remind_at_min: u32) -> bool {
    let zone = local_time::zone(&event.time_zone);
    let today = local_time::local_date(now, zone);
    let tomorrow = today.succ_opt();
    local_time::minute_of_day(now, zone) >= remind_at_min
        && tomorrow == Some(local_time::local_date(event.starts_at, zone))
}

fn key_of(event: &EventRow) -> String {
    let zone = local_time::zone(&event.time_zone);
    let day = local_time::local_date(event.starts_at, zone);
    format!("event_tomorrow:{}:{day}", event.id)
}
