//! When a point may be passed, and what follows from the points that somebody has passed. No database, no clock.
//!
//! - Present is whoever has passed one check-in point within its window. Where `presence` is `all`, whoever lacks one is
//!   shown as incomplete to a person, and stays present.
//! - Minutes run from the first check-in point passed (of somebody checked in past all of them: from their check-in) to
//!   the check-out, and end half an hour after the event's end at the latest. Without a check-out there are none: a
//!   person decides.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::store::CheckpointRow;
use crate::attendance::CheckpointId;
use crate::attendance::rules::Gate;
use crate::events::{EventRow, Window};
use crate::platform::db::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CheckpointKind)]
pub enum Kind {
    CheckIn,
    CheckOut,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckIn => "check_in",
            Self::CheckOut => "check_out",
        }
    }

    pub fn of(point: &CheckpointRow) -> Self {
        if point.kind == Self::CheckOut.as_str() {
            Self::CheckOut
        } else {
            Self::CheckIn
        }
    }
}

/// How many of the check-in points somebody is asked to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceRule {
    #[default]
    Any,
    All,
}

impl PresenceRule {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::All => "all",
        }
    }

    pub fn parse(text: &str) -> Self {
        if text == Self::All.as_str() {
            Self::All
        } else {
            Self::Any
        }
    }
}

/// Nobody's minutes run on for longer than this after the event's end.
const GRACE_S: i64 = 1_800;
/// How long after the event's end a check-out is open, unless its organiser says otherwise: buses are late.
const OPEN_AFTER_END_S: i64 = 7_200;

/// When minutes end at the latest.
pub fn minutes_until(event: &EventRow) -> Instant {
    event.ends_at.plus_s(GRACE_S)
}

/// Where and when passing a point is judged. A check-in point is open within the event's check-in only: nobody is absent
/// before the last one closes.
pub fn gate(event: &EventRow, point: &CheckpointRow) -> Gate {
    let whole = Gate::of(event);
    let after = |after_s: Option<i32>| after_s.map(|s| event.starts_at.plus_s(i64::from(s)));
    let (opens, closes) = (after(point.opens_after_s), after(point.closes_after_s));
    let all = whole.window;
    let window = match Kind::of(point) {
        Kind::CheckIn => Window {
            opens_at: opens.map_or(all.opens_at, |at| at.max(all.opens_at)),
            closes_at: closes.map_or(all.closes_at, |at| at.min(all.closes_at)),
            ..all
        },
        Kind::CheckOut => Window {
            opens_at: opens.map_or(all.opens_at, |at| at.max(all.opens_at)),
            closes_at: closes.unwrap_or_else(|| event.ends_at.plus_s(OPEN_AFTER_END_S)),
            ..all
        },
    };
    Gate {
        window,
        in_area: point.in_area,
    }
}

/// A point that somebody has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    pub checkpoint: CheckpointId,
    pub kind: Kind,
    pub at: Instant,
}

/// What follows from the points that somebody who is checked in has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    pub first_in_at: Instant,
    pub out_at: Option<Instant>,
    pub minutes: Option<i32>,
    /// Lacks a check-in point where all are asked for.
    pub is_incomplete: bool,
}

/// From when minutes run: `checked_in_at` is the check-in's own time, for whoever has passed no check-in point.
pub fn first_in_at(checked_in_at: Instant, passed: &[Passed]) -> Instant {
    let entries = passed.iter().filter(|one| one.kind == Kind::CheckIn);
    entries.map(|one| one.at).min().unwrap_or(checked_in_at)
}

pub fn stay(
    rule: PresenceRule,
    until: Instant,
    asked: &[CheckpointId],
    checked_in_at: Instant,
    passed: &[Passed],
) -> Stay {
    let first_in_at = first_in_at(checked_in_at, passed);
    let out = passed.iter().find(|one| one.kind == Kind::CheckOut);
    let has: HashSet<CheckpointId> = passed.iter().map(|one| one.checkpoint).collect();
    Stay {
        first_in_at,
        out_at: out.map(|one| one.at),
        minutes: out.map(|one| minutes(first_in_at, one.at, until)),
        is_incomplete: rule == PresenceRule::All && asked.iter().any(|point| !has.contains(point)),
    }
}

/// Whole minutes, never negative.
fn minutes(from: Instant, to: Instant, until: Instant) -> i32 {
    let whole = to.min(until).minus(from).num_minutes().max(0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Instant {
        Instant::from_micros(0).plus_s(second)
    }

    fn point(n: u128) -> CheckpointId {
        CheckpointId(uuid::Uuid::from_u128(n))
    }

    fn passed(n: u128, kind: Kind, second: i64) -> Passed {
        Passed {
            checkpoint: point(n),
            kind,
            at: at(second),
        }
    }

    #[test]
    fn minutes_run_from_the_first_point_to_the_check_out() {
        let points = [point(1), point(2)];
        let both = [
            passed(2, Kind::CheckIn, 900),
            passed(1, Kind::CheckIn, 300),
            passed(3, Kind::CheckOut, 4_259),
        ];
        let of = |rule, passed: &[Passed]| stay(rule, at(9_000), &points, at(600), passed);
        let whole = of(PresenceRule::All, &both);
        assert_eq!(
            (whole.first_in_at, whole.minutes, whole.is_incomplete),
            (at(300), Some(65), false)
        );
        let one = of(PresenceRule::All, &both[..1]);
        assert_eq!((one.out_at, one.minutes, one.is_incomplete), (None, None, true));
        assert!(!of(PresenceRule::Any, &both[..1]).is_incomplete);
        // Marked by hand past all points.
        let past = of(PresenceRule::Any, &both[2..]);
        assert_eq!((past.first_in_at, past.minutes), (at(600), Some(60)));
    }

    proptest! {
        /// Never negative, never beyond the end with its grace, never less for staying longer, whatever the order.
        #[test]
        fn minutes_are_bounded_and_grow_with_the_stay(
            entries in prop::collection::vec(0i64..20_000, 1..6), out in 0i64..40_000, more in 0i64..9_000, until in 0i64..30_000,
        ) {
            let passing = |out: i64| -> Vec<Passed> {
                let entries = entries.iter().zip(1u128..).map(|(second, n)| passed(n, Kind::CheckIn, *second));
                entries.chain([passed(99, Kind::CheckOut, out)]).collect()
            };
            let of = |passed: &[Passed]| stay(PresenceRule::Any, at(until), &[], at(0), passed);
            let told = of(&passing(out));
            let first = entries.iter().min().copied().unwrap();
            let naive = (out.min(until) - first).max(0) / 60;
            prop_assert_eq!(told.minutes.map(i64::from), Some(naive));
            prop_assert!(of(&passing(out + more)).minutes >= told.minutes);
            let mut turned = passing(out);
            turned.reverse();
            prop_assert_eq!(of(&turned), told);
        }
    }
}
