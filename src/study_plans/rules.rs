//! Where a member stands with a plan. No database, no clock.

use serde::{Deserialize, Serialize};

use crate::platform::db::Instant;

const DAY_S: i64 = 86_400;

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StudyPlanStatus)]
pub enum Status {
    Draft,
    Published,
    Cancelled,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Draft, Self::Published, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// How far a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Done,
    Doing,
    NotBegun,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Doing => "doing",
            Self::NotBegun => "not_begun",
        }
    }
}

/// What is known of a member's study of the plan's lessons.
#[derive(Debug, Clone, Copy, Default)]
pub struct Studied {
    pub lessons: usize,
    pub completed: usize,
    /// Of the last one that was completed.
    pub completed_at: Option<Instant>,
    /// Has any of them been begun?
    pub begun: bool,
}

/// When it is due for a member: whoever came after it was published has some days from then.
pub fn due_for(due_at: Instant, came_at: Option<Instant>, grace_days: i32) -> Instant {
    let grace = came_at.map(|at| at.plus_s(i64::from(grace_days) * DAY_S));
    grace.map_or(due_at, |until| until.max(due_at))
}

/// How far, and too late? What was finished after its time stays late.
pub fn stand(studied: Studied, due_at: Instant, now: Instant) -> (State, bool) {
    if studied.completed >= studied.lessons {
        return (State::Done, studied.completed_at.is_some_and(|at| at >= due_at));
    }
    let state = if studied.completed > 0 || studied.begun {
        State::Doing
    } else {
        State::NotBegun
    };
    (state, now >= due_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Instant {
        Instant::from_micros(0).plus_s(n * DAY_S)
    }

    #[test]
    fn whoever_comes_later_has_some_days_from_then() {
        assert_eq!(due_for(day(30), None, 14), day(30));
        assert_eq!(due_for(day(30), Some(day(2)), 14), day(30));
        assert_eq!(due_for(day(30), Some(day(25)), 14), day(39));
    }

    #[test]
    fn done_doing_not_begun_and_late() {
        let studied = |completed, at: Option<i64>, begun| Studied {
            lessons: 2,
            completed,
            completed_at: at.map(day),
            begun,
        };
        assert_eq!(
            stand(studied(0, None, false), day(9), day(8)),
            (State::NotBegun, false)
        );
        assert_eq!(
            stand(studied(0, None, true), day(9), day(9)),
            (State::Doing, true)
        );
        assert_eq!(
            stand(studied(1, Some(3), false), day(9), day(8)),
            (State::Doing, false)
        );
        assert_eq!(
            stand(studied(2, Some(8), true), day(9), day(20)),
            (State::Done, false)
        );
        assert_eq!(
            stand(studied(2, Some(9), true), day(9), day(20)),
            (State::Done, true)
        );
    }
}
