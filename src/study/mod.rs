//! Study (學習): what was really played of a lesson, on whatever phone and in whatever order it is told, credited once
//! and never lost; completions; and what does not fit the clock, for a person to decide.
//!
//! `rules` credits one claim, purely; `desk` does it for a batch between two rounds of set-based statements; the lane
//! makes a transaction of whatever has queued up.

mod clock;
mod course;
mod credit;
mod desk;
mod doubts;
mod http;
mod lane;
mod played;
mod rows;
mod rules;
mod service;
mod sessions;
mod store;
mod varint;
mod xapi;

pub use http::configure;
pub use lane::{StudyLane, start_lane};
pub use played::{Played, Span};
pub use rules::BACKLOG_S;
pub use service::{Studied, begun_lessons, hold, quiz_passed, studied};

crate::id_types! {
    StudyReviewId,
}
