//! iCalendar (RFC 5545) of events. Times are UTC, so no VTIMEZONE is needed; a change counts SEQUENCE up.

use icalendar::{Calendar, Component, EventLike, EventStatus};

use super::rules::Status;
use super::store::EventRow;

pub const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";

pub fn calendar(rows: &[EventRow], public_url: &str) -> String {
    let mut calendar = Calendar::new();
    calendar
        .name("組織生活")
        .append_property(("PRODID", "-//zhibu//events//ZH"));
    for row in rows {
        let mut entry = icalendar::Event::new();
        entry
            .uid(&format!("{}@zhibu", row.id))
            .summary(&row.title)
            .location(&row.place)
            .starts(row.starts_at.utc())
            .ends(row.ends_at.utc())
            .timestamp(row.updated_at.utc())
            .sequence(u32::try_from(row.version - 1).unwrap_or(0))
            .url(&format!("{public_url}/api/v1/events/{}", row.id));
        if !row.description.is_empty() {
            entry.description(&row.description);
        }
        let cancelled = row.status == Status::Cancelled.as_str();
        entry.status(if cancelled {
            EventStatus::Cancelled
        } else {
            EventStatus::Confirmed
        });
        calendar.push(entry.done());
    }
    calendar.done().to_string()
}
