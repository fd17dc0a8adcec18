//! What clients may send about templates, and what is wrong with it before anybody looks into the database.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::events::{Expected, Form, check_expected};
use crate::platform::db::Instant;
use crate::platform::local_time::parse_minute;
use crate::platform::text::{Check, Problems};
use crate::sign_ups::{Question, Quota, WriteSession, WriteSignUpPolicy};

const MAX_AHEAD_DAYS: i32 = 180;
const MAX_BEFORE_S: i32 = 180 * 86_400;
const MAX_LENGTH_S: i32 = 31 * 86_400;
/// Days are counted from the first one on, so it must not lie ages ago.
const FIRST_YEARS: RangeInclusive<i32> = 2000..=2199;

/// An event that comes again, whole.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "每月主題黨日", "place": "三樓會議室", "forms": ["theme_day"], "rule": "FREQ=MONTHLY;BYDAY=1FR", "starts_on": "2026-12-04", "starts_at": "14:30", "duration_s": 7200, "ahead_days": 21}))]
pub struct WriteEventTemplate {
    #[schema(example = "每月主題黨日")]
    pub title: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub place: String,
    pub forms: Vec<Form>,
    #[serde(default)]
    pub expected: Expected,
    /// On which days, as RFC 5545 writes it, without DTSTART; at least one within five years.
    #[schema(example = "FREQ=MONTHLY;BYDAY=1FR")]
    pub rule: String,
    /// The first day, of the years 2000 to 2199.
    pub starts_on: NaiveDate,
    /// The hour, in the time zone of the organization.
    #[schema(example = "14:30")]
    pub starts_at: String,
    pub duration_s: i32,
    /// So long before its day an occurrence is made, 1 to 180 days.
    pub ahead_days: i32,
    /// Publish it at once, which tells everybody it calls (default); else it is a draft.
    pub publish: Option<bool>,
    /// How people sign up for it. Left out: they are called.
    pub sign_up: Option<TemplateSignUp>,
}

/// How people sign up for an occurrence: as in a sign-up policy, with times told from its start.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSignUp {
    /// Places of an event without sessions. Null: no limit.
    pub capacity: Option<i32>,
    #[serde(default)]
    pub sessions: Vec<TemplateSession>,
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// Left out: as soon as it is published.
    pub opens_before_s: Option<i32>,
    /// Left out: when check-in opens.
    pub closes_before_s: Option<i32>,
    /// Left out: when check-in opens.
    pub cancel_before_s: Option<i32>,
    pub draw_before_s: Option<i32>,
    pub offer_s: Option<i32>,
    pub waiting_limit: Option<i32>,
    #[serde(default)]
    pub questions: Vec<Question>,
}

/// A part of an occurrence with places of its own.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSession {
    #[schema(example = "上午場")]
    pub name: String,
    /// Null: no limit.
    pub capacity: Option<i32>,
}

impl TemplateSignUp {
    /// The policy of an occurrence that begins then.
    pub fn policy(&self, starts_at: Instant) -> WriteSignUpPolicy {
        let before = |seconds: Option<i32>| seconds.map(|seconds| starts_at.plus_s(-i64::from(seconds)));
        let session = |session: &TemplateSession| WriteSession {
            id: None,
            name: session.name.clone(),
            starts_at: None,
            ends_at: None,
            capacity: session.capacity,
        };
        WriteSignUpPolicy {
            capacity: self.capacity,
            sessions: self.sessions.iter().map(session).collect(),
            quotas: self.quotas.clone(),
            opens_at: before(self.opens_before_s),
            closes_at: before(self.closes_before_s),
            cancel_until: before(self.cancel_before_s),
            draw_at: before(self.draw_before_s),
            offer_s: self.offer_s,
            waiting_limit: self.waiting_limit,
            questions: self.questions.clone(),
        }
    }

    /// What is wrong with it is what would be wrong with an occurrence's policy, times aside: those are told by the fields
    /// of a template. Texts are cleaned on the way.
    fn check(&mut self, problems: &mut Problems) {
        for (field, value) in [
            ("/opens_before_s", &self.opens_before_s),
            ("/closes_before_s", &self.closes_before_s),
            ("/cancel_before_s", &self.cancel_before_s),
            ("/draw_before_s", &self.draw_before_s),
        ] {
            problems.optional_range(field, value, 0, MAX_BEFORE_S);
        }
        for (field, value) in [
            ("/closes_before_s", self.closes_before_s),
            ("/draw_before_s", self.draw_before_s),
        ] {
            if let (Some(opens), Some(later)) = (self.opens_before_s, value)
                && later >= opens
            {
                problems.add(field, "not_after_start", "is not less than opens_before_s");
            }
        }
        let mut policy = WriteSignUpPolicy {
            opens_at: None,
            closes_at: None,
            draw_at: None,
            ..self.policy(Instant::from_micros(0))
        };
        policy.check(problems);
        self.questions = policy.questions;
        for (session, checked) in self.sessions.iter_mut().zip(policy.sessions) {
            session.name = checked.name;
        }
    }
}

impl Check for WriteEventTemplate {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/title", &mut self.title, 1, 200);
        problems.paragraph("/description", &mut self.description, 0, 5_000);
        problems.line("/place", &mut self.place, 0, 200);
        problems.line("/rule", &mut self.rule, 1, 300);
        problems.range("/duration_s", &self.duration_s, 60, MAX_LENGTH_S);
        problems.range("/ahead_days", &self.ahead_days, 1, MAX_AHEAD_DAYS);
        self.forms.sort_unstable();
        self.forms.dedup();
        if self.forms.is_empty() {
            problems.add("/forms", "required", "needs at least one form");
        }
        check_expected(problems, &self.expected);
        if !FIRST_YEARS.contains(&self.starts_on.year()) {
            let (first, last) = (FIRST_YEARS.start(), FIRST_YEARS.end());
            let message = format!("lies outside of the years {first} to {last}");
            problems.add("/starts_on", "out_of_range", message);
        }
        if parse_minute(&self.starts_at).is_none() {
            problems.add("/starts_at", "malformed", "is not a time of day like 14:30");
        }
        if let Some(sign_up) = &mut self.sign_up {
            problems.within("/sign_up", |problems| sign_up.check(problems));
        }
    }
}

/// One of its days is left out.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"day": "2027-01-01", "reason": "元旦"}))]
pub struct SkipDay {
    pub day: NaiveDate,
    pub reason: String,
}

impl Check for SkipDay {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 200);
    }
}
