//! What clients may send about points, and what is wrong with it before anybody looks into the database.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use super::rules::{Rule, Scheme};
use crate::members::Standing;
use crate::platform::text::{Check, Problems};

const MAX_AMOUNT: i32 = 1_000;
const MAX_LIMIT: i32 = 100_000;
/// A year and a day, so that a year can be compared whole.
const MAX_DAYS: i64 = 367;

/// What a rule gives.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteScheme {
    /// 0 to 1,000; 0: nothing.
    #[schema(minimum = 0, maximum = 1000)]
    pub amount: i32,
    /// Of rules that give by time (lesson_completed, volunteer_hour): the amount is for so many minutes, and a part of it for
    /// a part of them, rounded down.
    pub per_minutes: Option<i32>,
    /// At most so many points of this rule a day; left out: as many as are earned.
    pub day_max: Option<i32>,
    /// In a week from Monday to Sunday.
    pub week_max: Option<i32>,
    pub year_max: Option<i32>,
    /// Who it is for; left out or empty: everybody.
    #[serde(default)]
    pub standings: Vec<Standing>,
}

impl From<&WriteScheme> for Scheme {
    fn from(new: &WriteScheme) -> Self {
        let everybody = new.standings.is_empty();
        let standings = if everybody {
            &Standing::ALL[..]
        } else {
            &new.standings
        };
        Self {
            amount: new.amount,
            per_minutes: new.per_minutes,
            day_max: new.day_max,
            week_max: new.week_max,
            year_max: new.year_max,
            standings: standings.iter().fold(0, |bits, standing| bits | standing.bit()),
        }
    }
}

impl Check for WriteScheme {
    fn check(&mut self, problems: &mut Problems) {
        problems.range("/amount", &self.amount, 0, MAX_AMOUNT);
        problems.optional_range("/per_minutes", &self.per_minutes, 1, 1_440);
        problems.optional_range("/day_max", &self.day_max, 0, MAX_LIMIT);
        problems.optional_range("/week_max", &self.week_max, 0, MAX_LIMIT);
        problems.optional_range("/year_max", &self.year_max, 0, MAX_LIMIT);
    }
}

/// What a rule gives from a day on.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from_day": "2027-01-01", "scheme": {"amount": 5, "day_max": 10, "standings": ["full", "probationary"]}}))]
pub struct WriteRule {
    /// A day to come in the tree's zone.
    pub from_day: NaiveDate,
    pub scheme: WriteScheme,
}

impl Check for WriteRule {
    fn check(&mut self, problems: &mut Problems) {
        check_year(problems, "/from_day", self.from_day);
        problems.within("/scheme", |problems| self.scheme.check(problems));
    }
}

/// A rule that is tried.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TryRule {
    pub rule: Rule,
    pub scheme: WriteScheme,
}

/// Which rules are tried on which days; rules that are not named are as they were.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from_day": "2026-10-01", "to_day": "2026-10-31", "rules": [{"rule": "check_in_on_time", "scheme": {"amount": 3, "day_max": 6}}]}))]
pub struct SimulatePoints {
    pub from_day: NaiveDate,
    /// The last day; at most 366 after the first.
    pub to_day: NaiveDate,
    /// At least one, each rule once.
    pub rules: Vec<TryRule>,
}

impl Check for SimulatePoints {
    fn check(&mut self, problems: &mut Problems) {
        check_year(problems, "/from_day", self.from_day);
        check_year(problems, "/to_day", self.to_day);
        let days = self.to_day.signed_duration_since(self.from_day).num_days();
        if days < 0 {
            problems.add("/to_day", "too_early", "lies before from_day");
        } else if days >= MAX_DAYS {
            problems.add("/to_day", "too_late", "lies more than 366 days after from_day");
        }
        if self.rules.is_empty() {
            problems.add("/rules", "required", "must not be empty");
        }
        let mut seen = HashSet::new();
        for (n, one) in self.rules.iter_mut().enumerate() {
            problems.within(&format!("/rules/{n}"), |problems| {
                if one.rule == Rule::ManualAward {
                    problems.add("/rule", "not_a_rule", "is given by two people's word, by no rule");
                }
                if !seen.insert(one.rule) {
                    problems.add("/rule", "duplicate", "is there twice");
                }
                problems.within("/scheme", |problems| one.scheme.check(problems));
                if let Some((code, words)) = one.rule.unit_problem(one.scheme.per_minutes) {
                    problems.add("/scheme/per_minutes", code, words);
                }
            });
        }
    }
}

/// Points for a member, for a reason.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"points": 10, "reason": "黨史知識競賽一等獎"}))]
pub struct ProposePoints {
    /// 1 to 1,000.
    #[schema(minimum = 1, maximum = 1000)]
    pub points: i32,
    pub reason: String,
}

impl Check for ProposePoints {
    fn check(&mut self, problems: &mut Problems) {
        problems.range("/points", &self.points, 1, MAX_AMOUNT);
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Why.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "重複申報"}))]
pub struct AwardReason {
    pub reason: String,
}

impl Check for AwardReason {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

fn check_year(problems: &mut Problems, field: &str, day: NaiveDate) {
    if !(1970..=2999).contains(&day.year()) {
        problems.add(field, "out_of_range", "lies outside of the years 1970 to 2999");
    }
}
