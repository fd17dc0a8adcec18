//! What clients may send about points, and what is wrong with it before anybody looks into the database.

use std::collections::HashSet;

use serde::Deserialize;

use super::rules::{Kind, PresenceRule};
use crate::attendance::CheckpointId;
use crate::platform::db::Instant;
use crate::platform::text::{Check, Problems};

const MAX_POINTS: usize = 20;
const WEEK_S: i32 = 7 * 86_400;

/// A point that people pass, with a code of its own.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteCheckpoint {
    /// Of a point that is there; left out: a new one.
    pub id: Option<CheckpointId>,
    #[schema(example = "出發")]
    pub name: String,
    pub kind: Kind,
    /// Opens so long after the event's start, negative: before it. Left out: when the event's check-in opens.
    pub opens_after_s: Option<i32>,
    /// Closes so long after the event's start. Left out: with the event's check-in, and no check-in point is open for
    /// longer; of a check-out, two hours after the event's end.
    pub closes_after_s: Option<i32>,
    /// False: the event's geofence is not asked for here.
    #[serde(default = "yes")]
    pub in_area: bool,
}

fn yes() -> bool {
    true
}

/// The points of an event, whole and in order.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"checkpoints": [{"name": "出發", "kind": "check_in", "closes_after_s": 0, "in_area": false}, {"name": "場館", "kind": "check_in"}, {"name": "簽退", "kind": "check_out"}], "presence": "any"}))]
pub struct WriteCheckpoints {
    /// At most 20, one of them a check-out. Empty: the event has one code again.
    pub checkpoints: Vec<WriteCheckpoint>,
    /// `all`: whoever lacks one of the check-in points is shown as incomplete, and is present all the same.
    #[serde(default)]
    pub presence: PresenceRule,
}

impl Check for WriteCheckpoints {
    fn check(&mut self, problems: &mut Problems) {
        if self.checkpoints.len() > MAX_POINTS {
            problems.add(
                "/checkpoints",
                "too_many",
                format!("has more than {MAX_POINTS} items"),
            );
        }
        let of_kind = |kind| self.checkpoints.iter().filter(|point| point.kind == kind).count();
        if of_kind(Kind::CheckOut) > 1 {
            problems.add("/checkpoints", "too_many", "has more than one check-out");
        }
        if !self.checkpoints.is_empty() && of_kind(Kind::CheckIn) == 0 {
            problems.add("/checkpoints", "required", "needs a check-in point");
        }
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        for (n, point) in self.checkpoints.iter_mut().enumerate() {
            problems.within(&format!("/checkpoints/{n}"), |problems| {
                problems.line("/name", &mut point.name, 1, 50);
                problems.optional_range("/opens_after_s", &point.opens_after_s, -WEEK_S, WEEK_S);
                problems.optional_range("/closes_after_s", &point.closes_after_s, -WEEK_S, WEEK_S);
                if let (Some(opens), Some(closes)) = (point.opens_after_s, point.closes_after_s)
                    && closes <= opens
                {
                    problems.add("/closes_after_s", "not_after_start", "is not after opens_after_s");
                }
                if point.id.is_some_and(|id| !ids.insert(id)) {
                    problems.add("/id", "duplicate", "is there twice");
                }
                if !names.insert(point.name.clone()) {
                    problems.add("/name", "duplicate", "is there twice");
                }
            });
        }
    }
}

/// Everybody leaves.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "全體返程"}))]
pub struct ExitAll {
    /// When they left, not in the future. Left out: now.
    pub at: Option<Instant>,
    pub reason: Option<String>,
}

impl Check for ExitAll {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("/reason", &mut self.reason, 500);
    }
}
