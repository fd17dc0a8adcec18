//! The rules of attendance as pure functions: when a check-in is accepted, quorum, places on the map.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::events::{EventRow, Form, Window};
use crate::platform::db::Instant;
use crate::platform::error::{AppError, Code};

/// How somebody was checked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Code,
    TypedCode,
    Proof,
    PersonalCode,
    ByHand,
    Offline,
    /// A check-out by an exit of everybody.
    ExitAll,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::TypedCode => "typed_code",
            Self::Proof => "proof",
            Self::PersonalCode => "personal_code",
            Self::ByHand => "by_hand",
            Self::Offline => "offline",
            Self::ExitAll => "exit_all",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Code,
            Self::TypedCode,
            Self::Proof,
            Self::PersonalCode,
            Self::ByHand,
            Self::Offline,
            Self::ExitAll,
        ]
        .into_iter()
        .find(|source| source.as_str() == text)
    }
}

/// One person's line on the sheet. `expected` is who has not come while check-in is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Expected,
    Present,
    Late,
    OnLeave,
    Absent,
    /// Absent or on leave, and answered by study since.
    MadeUp,
    /// Might have signed up, and has no place. Nobody waits for them.
    NotExpected,
}

impl Presence {
    /// A check-in beats a leave; a no-show is absent, reason unknown, once check-in is over.
    pub fn of(check_in: Option<&str>, on_leave: bool, over: bool) -> Self {
        match (check_in, on_leave, over) {
            (Some("late"), _, _) => Self::Late,
            (Some(_), _, _) => Self::Present,
            (None, true, _) => Self::OnLeave,
            (None, false, true) => Self::Absent,
            (None, false, false) => Self::Expected,
        }
    }

    /// The same where people sign up: nobody is absent without a place.
    #[must_use]
    pub fn with_place(self, has_place: bool) -> Self {
        match self {
            Self::Expected | Self::Absent if !has_place => Self::NotExpected,
            other => other,
        }
    }

    /// The same once an absence has been answered by study. Nobody becomes present by it.
    #[must_use]
    pub fn answered(self, by_study: bool) -> Self {
        match self {
            Self::OnLeave | Self::Absent if by_study => Self::MadeUp,
            other => other,
        }
    }
}

/// Where a phone says it is, at the moment of check-in only. It is judged and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    pub latitude: f64,
    pub longitude: f64,
    pub accuracy_m: f64,
}

/// What is kept of a location: inside or outside, and how sure the phone was.
pub fn judge_location(event: &EventRow, location: &Location) -> Option<&'static str> {
    let center = (event.geofence_latitude?, event.geofence_longitude?);
    let radius_m = f64::from(event.geofence_radius_m?);
    let distance = distance_m(center, (location.latitude, location.longitude));
    Some(judge_distance(distance, radius_m, location.accuracy_m))
}

fn judge_distance(distance_m: f64, radius_m: f64, accuracy_m: f64) -> &'static str {
    // A phone indoors is often wrong by its own accuracy; beyond 500 m of it the claim is worth nothing.
    let inside = distance_m <= radius_m + accuracy_m.clamp(0.0, 500.0);
    match (inside, accuracy_m <= 50.0) {
        (true, true) => "inside_precise",
        (true, false) => "inside_coarse",
        (false, true) => "outside_precise",
        (false, false) => "outside_coarse",
    }
}

/// Great-circle distance (haversine) in metres.
fn distance_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    const EARTH_M: f64 = 6_371_008.8;
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let h = half(b.0 - a.0) + lat_a.cos() * lat_b.cos() * half(b.1 - a.1);
    2.0 * EARTH_M * h.sqrt().min(1.0).asin()
}

/// What is known when one check-in is decided.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    pub on_roster: bool,
    pub on_leave: bool,
    pub device_used_by_other: bool,
}

/// What somebody asks for. Times: `judged_at` is the server's, `claimed_at` the phone's.
#[derive(Debug, Clone)]
pub struct Claim {
    pub source: Source,
    pub judged_at: Instant,
    pub claimed_at: Instant,
    pub received_at: Instant,
    pub location: Option<Location>,
    pub device: Option<Uuid>,
}

impl Claim {
    /// An organiser answers for it in person.
    fn is_organisers(&self) -> bool {
        matches!(self.source, Source::ByHand | Source::PersonalCode)
    }
}

/// An accepted check-in, before it is a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub late: bool,
    /// Why a person should look at it before it counts.
    pub review: Option<&'static str>,
    pub flags: Vec<&'static str>,
    pub location: Option<&'static str>,
}

/// A phone whose clock is further off than this is pointed out.
const FAR_CLOCK_S: i64 = 300;

/// When a check-in is open, and whether the event's geofence holds: for the event itself, or for one of its points.
#[derive(Debug, Clone, Copy)]
pub struct Gate {
    pub window: Window,
    pub in_area: bool,
}

impl Gate {
    pub fn of(event: &EventRow) -> Self {
        Self {
            window: Window {
                opens_at: event.check_in_opens_at,
                late_from: event.late_from,
                closes_at: event.check_in_closes_at,
            },
            in_area: true,
        }
    }

    /// The same for somebody whose session begins at a time of its own.
    pub fn of_session(event: &EventRow, starts_at: Instant) -> Self {
        Self {
            window: Window::around(
                starts_at,
                event.opens_before_s,
                event.late_after_s,
                event.closes_after_s,
            ),
            in_area: true,
        }
    }
}

/// May this check-in be recorded? Refusals name what the member can do about it.
pub fn decide(event: &EventRow, gate: Gate, facts: Facts, claim: &Claim) -> Result<Accepted, AppError> {
    let window = gate.window;
    match event.status.as_str() {
        "cancelled" => return Err(Code::EventCancelled.into()),
        // To whom a code is no clue, a draft does not exist; its makers know it.
        "draft" if claim.is_organisers() => {
            return Err(AppError::from(Code::NotOpenYet).with("opens_at", window.opens_at));
        }
        "draft" => return Err(Code::InvalidCode.into()),
        _ => {}
    }
    if claim.judged_at < window.opens_at {
        return Err(AppError::from(Code::NotOpenYet).with("opens_at", window.opens_at));
    }
    let offline = claim.source == Source::Offline;
    let over = claim.judged_at >= window.closes_at || event.closed_at.is_some_and(|at| claim.judged_at >= at);
    if over && !claim.is_organisers() {
        return Err(Code::Closed.into());
    }
    if offline && !event.offline_allowed {
        return Err(Code::OfflineNotAllowed.into());
    }
    if !claim.is_organisers() {
        if !facts.on_roster {
            return Err(Code::NotExpected.into());
        }
        if facts.on_leave {
            return Err(Code::OnLeave.into());
        }
    }
    let location = judge_place(event, gate, claim)?;
    Ok(Accepted {
        late: window.is_late(claim.judged_at),
        review: offline.then_some("late_upload"),
        flags: flags(facts, claim),
        location,
    })
}

fn judge_place(event: &EventRow, gate: Gate, claim: &Claim) -> Result<Option<&'static str>, AppError> {
    if event.geofence_radius_m.is_none() || !gate.in_area || claim.is_organisers() {
        return Ok(None);
    }
    match &claim.location {
        None if claim.source == Source::Offline => Ok(None),
        None => Err(Code::LocationRequired.into()),
        Some(location) => match judge_location(event, location) {
            Some(place) if place.starts_with("outside") => Err(Code::OutsideArea.into()),
            place => Ok(place),
        },
    }
}

/// Hints for a person to look at; never a punishment by the machine.
fn flags(facts: Facts, claim: &Claim) -> Vec<&'static str> {
    let mut flags = Vec::new();
    if facts.device_used_by_other {
        flags.push("shared_device");
    }
    // Between seeing the code and sending it, any time is honest: signing in first may take a while.
    let early_s = claim.judged_at.minus(claim.claimed_at).num_seconds();
    let ahead_s = claim.claimed_at.minus(claim.received_at).num_seconds();
    let off_by_s = early_s.max(ahead_s);
    if claim.source == Source::Offline {
        flags.push("late_upload");
    } else if off_by_s > FAR_CLOCK_S {
        flags.push("far_clock");
    }
    flags
}

/// One check-in of a sheet, as far as hints go.
#[derive(Debug, Clone, Copy)]
pub struct Act {
    pub id: Uuid,
    pub member: Uuid,
    pub by: Uuid,
    pub by_hand: bool,
    pub device: Option<Uuid>,
    pub at: Instant,
}

/// Nobody looks at so many people in so short a time.
const BURST_MARKS: usize = 5;
const BURST_S: i64 = 10;

/// Hints that no check-in shows by itself: everybody on a device that several used, the first of them included; and
/// marks by hand that one person made faster than people come through a door.
pub fn sheet_hints(acts: &[Act]) -> Vec<(Uuid, &'static str)> {
    let mut hints = Vec::new();
    let mut on_device: HashMap<Uuid, Vec<&Act>> = HashMap::new();
    let mut by_hand: HashMap<Uuid, Vec<&Act>> = HashMap::new();
    for act in acts {
        if let Some(device) = act.device {
            on_device.entry(device).or_default().push(act);
        }
        if act.by_hand {
            by_hand.entry(act.by).or_default().push(act);
        }
    }
    for users in on_device.values() {
        if users
            .iter()
            .any(|act| users.first().is_some_and(|one| one.member != act.member))
        {
            hints.extend(users.iter().map(|act| (act.id, "shared_device")));
        }
    }
    for marks in by_hand.values_mut() {
        marks.sort_by_key(|act| act.at);
        let mut burst: Vec<Uuid> = marks
            .windows(BURST_MARKS)
            .filter(|run| match (run.first(), run.last()) {
                (Some(first), Some(last)) => last.at.minus(first.at).num_seconds() < BURST_S,
                _ => false,
            })
            .flat_map(|run| run.iter().map(|act| act.id))
            .collect();
        burst.sort_unstable();
        burst.dedup();
        hints.extend(burst.into_iter().map(|id| (id, "burst")));
    }
    hints
}

/// Numbers of a roster that quorum rules ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turnout {
    pub expected: u32,
    /// Of the expected: those with voting rights on the day.
    pub may_vote: u32,
    pub present: u32,
    pub voters_present: u32,
}

/// The rule a form's quorum follows. Source: DOMAIN.md, 'Rules to encode'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuorumRule {
    /// A general meeting may vote when at least half of the members with voting rights are present.
    HalfOfVoters,
    /// A committee meets when at least half of it is present.
    HalfOfExpected,
    /// This form asks for no quorum.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    pub rule: QuorumRule,
    /// How many of those the rule counts must be present.
    pub required: u32,
    pub counted: u32,
    pub reached: bool,
    pub missing: u32,
}

/// Is the quorum of this form reached? Those on leave stay in the denominator.
pub fn quorum(form: Form, turnout: Turnout) -> Quorum {
    let (rule, of, counted) = match form {
        Form::GeneralMeeting => (QuorumRule::HalfOfVoters, turnout.may_vote, turnout.voters_present),
        Form::CommitteeMeeting => (QuorumRule::HalfOfExpected, turnout.expected, turnout.present),
        _ => (QuorumRule::None, 0, turnout.present),
    };
    let required = of.div_ceil(2);
    let missing = required.saturating_sub(counted);
    // Nobody to count is no meeting.
    let reached = rule == QuorumRule::None || (of > 0 && missing == 0);
    Quorum {
        rule,
        required,
        counted,
        reached,
        missing,
    }
}

/// The votes a motion needs: more than half of those who should attend and may vote, present or not.
pub fn votes_needed(may_vote: u32) -> u32 {
    may_vote / 2 + 1
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
