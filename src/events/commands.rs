//! What clients may send about an event, and what is wrong with it before anybody looks into the database.

use serde::{Deserialize, Serialize};

use super::rules::Form;
use super::store::EventRow;
use crate::members::{MemberId, Standing};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::text::{Check, Patch, Problems, patch, present};

const MAX_NAMED: usize = 2_000;
const MAX_ORGANIZATIONS: usize = 200;
pub const MAX_LENGTH_S: i64 = 31 * 86_400;

/// Who should attend: the members of these organizations and all below them, of these standings, and the people named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// Empty: the event's own organization.
    pub organization_ids: Vec<OrganizationId>,
    /// Empty: full and probationary members.
    pub standings: Vec<Standing>,
    /// People named one by one, whatever their organization or standing.
    pub member_ids: Vec<MemberId>,
}

/// A circle on the map; a phone inside it, or near its edge, is taken to be there.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Geofence {
    pub latitude: f64,
    pub longitude: f64,
    pub radius_m: i32,
}

/// A new event, a draft until it is published. Settings that are left out come from the organization.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"organization_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "title": "第四季度支部黨員大會", "place": "三樓會議室", "starts_at": "2026-12-01T06:30:00Z", "ends_at": "2026-12-01T08:00:00Z", "forms": ["general_meeting", "theme_day"], "expected": {"standings": ["full", "probationary"]}}))]
pub struct CreateEvent {
    pub organization_id: OrganizationId,
    #[schema(example = "第四季度支部黨員大會")]
    pub title: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    #[schema(example = "三樓會議室")]
    pub place: String,
    pub starts_at: Instant,
    pub ends_at: Instant,
    pub forms: Vec<Form>,
    #[serde(default)]
    pub expected: Expected,
    /// Check-in opens so long before the start.
    pub opens_before_s: Option<i32>,
    /// Late from so long after the start.
    pub late_after_s: Option<i32>,
    /// Check-in closes so long after the start.
    pub closes_after_s: Option<i32>,
    pub code_window_s: Option<i32>,
    pub offline_allowed: Option<bool>,
    pub geofence: Option<Geofence>,
}

/// A merge patch: what is left out stays, null takes the geofence away. From the opening of check-in on, what decides
/// who is present is fixed; words, forms and the end are not.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"place": "四樓會議室", "starts_at": "2026-12-01T07:00:00Z", "ends_at": "2026-12-01T08:30:00Z"}))]
pub struct UpdateEvent {
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub place: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub starts_at: Option<Instant>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub ends_at: Option<Instant>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub forms: Option<Vec<Form>>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub expected: Option<Expected>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub opens_before_s: Option<i32>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub late_after_s: Option<i32>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub closes_after_s: Option<i32>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub code_window_s: Option<i32>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub offline_allowed: Option<bool>,
    #[serde(default, with = "patch")]
    #[schema(value_type = Option<Geofence>)]
    pub geofence: Patch<Geofence>,
}

/// Everybody whom the event calls gets a notice, unless it is not wanted.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"message": "請自備水杯"}))]
pub struct PublishEvent {
    /// Default: true.
    pub notify: Option<bool>,
    /// What the notice says beside title, time and place.
    pub message: Option<String>,
}

impl PublishEvent {
    /// Without a notice to anybody.
    pub fn quietly() -> Self {
        Self {
            notify: Some(false),
            message: None,
        }
    }
}

impl Check for PublishEvent {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("/message", &mut self.message, 200);
    }
}

/// When the copy begins. The rest is as it was.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"starts_at": "2026-12-29T06:30:00Z"}))]
pub struct CloneEvent {
    pub starts_at: Instant,
    pub title: Option<String>,
}

impl Check for CloneEvent {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(title) = &mut self.title {
            problems.line("/title", title, 1, 200);
        }
    }
}

pub fn geofence_of(row: &EventRow) -> Option<Geofence> {
    Some(Geofence {
        latitude: row.geofence_latitude?,
        longitude: row.geofence_longitude?,
        radius_m: row.geofence_radius_m?,
    })
}

impl Check for CreateEvent {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/title", &mut self.title, 1, 200);
        problems.paragraph("/description", &mut self.description, 0, 5_000);
        problems.line("/place", &mut self.place, 0, 200);
        check_times(problems, self.starts_at, self.ends_at);
        check_forms(problems, &mut self.forms);
        check_expected(problems, &self.expected);
        check_window(
            problems,
            self.opens_before_s,
            self.late_after_s,
            self.closes_after_s,
            self.code_window_s,
        );
        check_geofence(problems, self.geofence);
    }
}

impl Check for UpdateEvent {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(title) = &mut self.title {
            problems.line("/title", title, 1, 200);
        }
        if let Some(description) = &mut self.description {
            problems.paragraph("/description", description, 0, 5_000);
        }
        if let Some(place) = &mut self.place {
            problems.line("/place", place, 0, 200);
        }
        if let Some(forms) = &mut self.forms {
            check_forms(problems, forms);
        }
        if let Some(expected) = &self.expected {
            check_expected(problems, expected);
        }
        check_window(
            problems,
            self.opens_before_s,
            self.late_after_s,
            self.closes_after_s,
            self.code_window_s,
        );
        check_geofence(problems, self.geofence.flatten());
    }
}

pub fn check_times(problems: &mut Problems, starts_at: Instant, ends_at: Instant) {
    if ends_at <= starts_at {
        problems.add("/ends_at", "not_after_start", "is not after starts_at");
    } else if ends_at > starts_at.plus_s(MAX_LENGTH_S) {
        problems.add("/ends_at", "too_long", "is more than 31 days after starts_at");
    }
}

fn check_forms(problems: &mut Problems, forms: &mut Vec<Form>) {
    forms.sort_unstable();
    forms.dedup();
    if forms.is_empty() {
        problems.add("/forms", "required", "needs at least one form");
    }
}

pub fn check_expected(problems: &mut Problems, expected: &Expected) {
    if expected.organization_ids.len() > MAX_ORGANIZATIONS {
        problems.add(
            "/expected/organization_ids",
            "too_many",
            format!("has more than {MAX_ORGANIZATIONS} items"),
        );
    }
    if expected.member_ids.len() > MAX_NAMED {
        problems.add(
            "/expected/member_ids",
            "too_many",
            format!("has more than {MAX_NAMED} items"),
        );
    }
}

fn check_window(
    problems: &mut Problems,
    opens: Option<i32>,
    late: Option<i32>,
    closes: Option<i32>,
    code: Option<i32>,
) {
    problems.optional_range("/opens_before_s", &opens, 0, 86_400);
    problems.optional_range("/late_after_s", &late, 0, 86_400);
    problems.optional_range("/closes_after_s", &closes, 60, 604_800);
    problems.optional_range("/code_window_s", &code, 5, 120);
    if let (Some(late), Some(closes)) = (late, closes)
        && late > closes
    {
        problems.add("/late_after_s", "too_large", late_too_large(closes));
    }
}

pub fn late_too_large(closes_after_s: i32) -> String {
    format!("must be at most closes_after_s, which is {closes_after_s}")
}

fn check_geofence(problems: &mut Problems, geofence: Option<Geofence>) {
    if let Some(fence) = geofence {
        problems.range("/geofence/latitude", &fence.latitude, -90.0, 90.0);
        problems.range("/geofence/longitude", &fence.longitude, -180.0, 180.0);
        problems.range("/geofence/radius_m", &fence.radius_m, 20, 50_000);
    }
}

impl UpdateEvent {
    /// Does it touch what is fixed once check-in has opened?
    pub fn touches_check_in(&self) -> bool {
        self.starts_at.is_some()
            || self.expected.is_some()
            || self.opens_before_s.is_some()
            || self.late_after_s.is_some()
            || self.closes_after_s.is_some()
            || self.code_window_s.is_some()
            || self.offline_allowed.is_some()
            || self.geofence.is_some()
    }

    pub fn apply(self, row: &mut EventRow) {
        fn set<T>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        set(&mut row.title, self.title);
        set(&mut row.description, self.description);
        set(&mut row.place, self.place);
        set(&mut row.starts_at, self.starts_at);
        set(&mut row.ends_at, self.ends_at);
        set(&mut row.opens_before_s, self.opens_before_s);
        set(&mut row.late_after_s, self.late_after_s);
        set(&mut row.closes_after_s, self.closes_after_s);
        set(&mut row.code_window_s, self.code_window_s);
        set(&mut row.offline_allowed, self.offline_allowed);
        if let Some(geofence) = self.geofence {
            set_geofence(row, geofence);
        }
    }
}

pub fn set_geofence(row: &mut EventRow, geofence: Option<Geofence>) {
    row.geofence_latitude = geofence.map(|g| g.latitude);
    row.geofence_longitude = geofence.map(|g| g.longitude);
    row.geofence_radius_m = geofence.map(|g| g.radius_m);
}
