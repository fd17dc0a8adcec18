//! Events (組織生活活動): one dated gathering of one or more forms, who is expected, and when its check-in is open.
//! Attendance itself lives in `attendance`.

mod admission;
mod calendar;
mod changes;
mod commands;
mod copy;
mod http;
mod lists;
mod rules;
mod service;
mod sight;
mod store;
mod sync;

pub use admission::{Admission, admit_by_sign_up, called_among, hold_to_manage, keep_check_in_open};
pub use commands::{CreateEvent, Expected, MAX_LENGTH_S, PublishEvent, check_expected};
pub use http::{EventView, configure, configure_feeds};
pub use lists::{Listed, list_mine_from_now, list_open};
pub use rules::{Form, Status, Window};
pub use service::{
    briefs, calls_my_people, close_event, create_event, find_event, forms_of, has_unfinished, is_attendee,
    publish_event, require_event, require_not_cancelled, settle_expected, view_event_row, with_form,
};
pub use sight::Sight;
pub use store::{
    EventBrief, EventRow, list_due_to_freeze, list_named, list_organizations, list_starting, lock_events,
    mark_frozen, set_last_seq,
};

crate::id_types! {
    EventId,
    CalendarFeedId,
}
