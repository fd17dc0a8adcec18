//! iCalendar (RFC 5545, 5546) of events. Times are UTC, so no VTIMEZONE is needed; a change counts SEQUENCE up, and a
//! calendar that has an event by its UID changes it in place, or strikes it out.

use std::collections::HashMap;

use icalendar::{Calendar, Component, EventLike, EventStatus, Property};

use super::rules::Status;
use super::store::EventRow;
use crate::organizations::OrganizationId;

pub const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";

/// What a calendar program does with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Shows these events as they are now.
    Publish,
    /// Takes this event off.
    Cancel,
}

impl Method {
    /// Of a file with one event.
    pub fn of(row: &EventRow) -> Self {
        if row.status == Status::Cancelled.as_str() {
            Self::Cancel
        } else {
            Self::Publish
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::Cancel => "CANCEL",
        }
    }
}

/// `names` are of the organizations that call.
pub fn calendar(rows: &[EventRow], names: &HashMap<OrganizationId, String>, method: Method) -> String {
    // Not `new`: it would name the crate as the producer, besides us.
    let mut calendar = Calendar::empty();
    calendar
        .append_property(("VERSION", "2.0"))
        .append_property(("PRODID", "-//zhibu//events//ZH"))
        .append_property(("CALSCALE", "GREGORIAN"))
        .append_property(("METHOD", method.as_str()))
        .name("組織生活");
    for row in rows {
        calendar.push(entry(row, names));
    }
    calendar.done().to_string()
}

fn entry(row: &EventRow, names: &HashMap<OrganizationId, String>) -> icalendar::Event {
    // An address that is none: nobody is to write to an organization by mail, and both methods must name an organizer.
    let mut organizer = Property::new("ORGANIZER", format!("urn:uuid:{}", row.organization_id));
    if let Some(name) = names.get(&row.organization_id) {
        organizer.add_parameter("CN", &quoted(name));
    }
    let mut entry = icalendar::Event::new();
    entry
        .uid(&format!("{}@zhibu", row.id))
        .summary(&row.title)
        .location(&row.place)
        .starts(row.starts_at.utc())
        .ends(row.ends_at.utc())
        .timestamp(row.updated_at.utc())
        .sequence(u32::try_from(row.version - 1).unwrap_or(0))
        .append_property(organizer.done());
    if !row.description.is_empty() {
        entry.description(&row.description);
    }
    entry.status(match row.status.as_str() {
        status if status == Status::Cancelled.as_str() => EventStatus::Cancelled,
        status if status == Status::Draft.as_str() => EventStatus::Tentative,
        _ => EventStatus::Confirmed,
    });
    entry.done()
}

/// A parameter's value cannot hold a double quote, nor a line's end.
fn quoted(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c == '"' || c.is_control() { '\'' } else { c })
        .collect();
    format!("\"{clean}\"")
}
