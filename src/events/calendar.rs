//! iCalendar (RFC 5545) of events. Times are UTC, so no VTIMEZONE is needed; a change counts SEQUENCE up.

use icalendar::{Calendar, Component, EventLike, EventStatus};

use super::rules::Status;
use super::store::EventRow;

pub const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";

pub fn calendar(rows: &[EventRow]) -> String {
    // Not `new`: it would name the crate as the producer, besides us.
    let mut calendar = Calendar::empty();
    calendar
        .append_property(("VERSION", "2.0"))
        .append_property(("PRODID", "-//zhibu//events//ZH"))
        .append_property(("CALSCALE", "GREGORIAN"))
        .name("組織生活");
    for row in rows {
        let mut entry = icalendar::Event::new();
        entry
            .uid(&format!("{}@zhibu", row.id))
            .summary(&row.title)
            .location(&row.place)
            .starts(row.starts_at.utc())
            .ends(row.ends_at.utc())
            .timestamp(row.updated_at.utc())
            .sequence(u32::try_from(row.version - 1).unwrap_or(0));
        if !row.description.is_empty() {
            entry.description(&row.description);
        }
        entry.status(match row.status.as_str() {
            status if status == Status::Cancelled.as_str() => EventStatus::Cancelled,
            status if status == Status::Draft.as_str() => EventStatus::Tentative,
            _ => EventStatus::Confirmed,
        });
        calendar.push(entry.done());
    }
    calendar.done().to_string()
}
