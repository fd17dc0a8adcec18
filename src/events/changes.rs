//! What an edit has changed, for the audit log: the old and the new value of each field.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::store::EventRow;

#[derive(Debug, Default)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// The fields that a person sets; those that follow from them are left out.
    pub fn between(old: &EventRow, new: &EventRow) -> Self {
        let mut changes = Self::default();
        changes.note("title", &old.title, &new.title);
        changes.note("description", &old.description, &new.description);
        changes.note("place", &old.place, &new.place);
        changes.note("starts_at", &old.starts_at, &new.starts_at);
        changes.note("ends_at", &old.ends_at, &new.ends_at);
        changes.note("opens_before_s", &old.opens_before_s, &new.opens_before_s);
        changes.note("late_after_s", &old.late_after_s, &new.late_after_s);
        changes.note("closes_after_s", &old.closes_after_s, &new.closes_after_s);
        changes.note("code_window_s", &old.code_window_s, &new.code_window_s);
        changes.note("offline_allowed", &old.offline_allowed, &new.offline_allowed);
        changes.note("geofence", &geofence(old), &geofence(new));
        changes
    }

    pub fn note<T: PartialEq + Serialize>(&mut self, field: &str, old: &T, new: &T) {
        if old != new {
            self.0.insert(field.to_owned(), json!({ "old": old, "new": new }));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_detail(self) -> Value {
        json!({ "changes": self.0 })
    }
}

fn geofence(row: &EventRow) -> (Option<f64>, Option<f64>, Option<i32>) {
    (
        row.geofence_latitude,
        row.geofence_longitude,
        row.geofence_radius_m,
    )
}
