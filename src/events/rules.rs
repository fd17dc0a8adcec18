//! Forms, states and the check-in window of an event. No database, no clock.

use serde::{Deserialize, Serialize};

use crate::platform::db::Instant;

/// What an event counts as; one event may have several.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    GeneralMeeting,
    CommitteeMeeting,
    GroupMeeting,
    Lecture,
    ThemeDay,
    OrganizationalLifeMeeting,
    AppraisalMeeting,
    Volunteering,
    Visit,
    Training,
    Other,
}

impl Form {
    pub const ALL: [Self; 11] = [
        Self::GeneralMeeting,
        Self::CommitteeMeeting,
        Self::GroupMeeting,
        Self::Lecture,
        Self::ThemeDay,
        Self::OrganizationalLifeMeeting,
        Self::AppraisalMeeting,
        Self::Volunteering,
        Self::Visit,
        Self::Training,
        Self::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::GeneralMeeting => "general_meeting",
            Self::CommitteeMeeting => "committee_meeting",
            Self::GroupMeeting => "group_meeting",
            Self::Lecture => "lecture",
            Self::ThemeDay => "theme_day",
            Self::OrganizationalLifeMeeting => "organizational_life_meeting",
            Self::AppraisalMeeting => "appraisal_meeting",
            Self::Volunteering => "volunteering",
            Self::Visit => "visit",
            Self::Training => "training",
            Self::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// The same forms, in any order; neither has one twice.
    pub fn are_same(some: &[Self], others: &[Self]) -> bool {
        some.len() == others.len() && some.iter().all(|form| others.contains(form))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventStatus)]
pub enum Status {
    Draft,
    Published,
    Cancelled,
    Closed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Draft, Self::Published, Self::Cancelled, Self::Closed]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// When check-in opens, from when one is late, and when it closes: opens <= late and closes, half-open at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub opens_at: Instant,
    pub late_from: Instant,
    pub closes_at: Instant,
}

impl Window {
    /// All three are told from the start, in seconds.
    pub fn around(starts_at: Instant, opens_before_s: i32, late_after_s: i32, closes_after_s: i32) -> Self {
        Self {
            opens_at: starts_at.plus_s(-i64::from(opens_before_s)),
            late_from: starts_at.plus_s(i64::from(late_after_s)),
            closes_at: starts_at.plus_s(i64::from(closes_after_s)),
        }
    }

    pub fn is_open(&self, at: Instant) -> bool {
        self.opens_at <= at && at < self.closes_at
    }

    pub fn is_late(&self, at: Instant) -> bool {
        at >= self.late_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_window_is_open_from_its_first_to_before_its_last_instant(
            start in 0i64..4_000_000_000, before in 0i32..86_400, late in 0i32..86_400, closes in 60i32..604_800, at in -100_000i64..700_000,
        ) {
            let starts_at = Instant::from_micros(start * 1_000_000);
            let window = Window::around(starts_at, before, late, closes);
            let when = starts_at.plus_s(at);
            prop_assert_eq!(window.is_open(when), at >= -i64::from(before) && at < i64::from(closes));
            prop_assert_eq!(window.is_late(when), at >= i64::from(late));
        }
    }

    #[test]
    fn words_go_both_ways() {
        for form in Form::ALL {
            assert_eq!(Form::parse(form.as_str()), Some(form));
        }
        assert_eq!(Form::parse("party"), None);
    }
}
