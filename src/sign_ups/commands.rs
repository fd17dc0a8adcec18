//! What clients may send about sign-ups, and what is wrong with it before anybody looks into the database.

use std::collections::HashSet;
use std::hash::Hash;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SignUpSessionId;
use super::rules::{Answers, Question, QuestionKind};
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::text::{Check, Problems};

const MAX_PLACES: i32 = 1_000_000;
const MAX_SESSIONS: usize = 20;
const MAX_QUOTAS: usize = 200;
const MAX_QUESTIONS: usize = 20;
const MAX_OPTIONS: usize = 50;
const MAX_GROUP: usize = 200;
const MAX_OFFER_S: i32 = 30 * 86_400;

/// A part of the event with places of its own, like 上午場 and 下午場.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteSession {
    /// Of a session that is there; left out: a new one.
    pub id: Option<SignUpSessionId>,
    #[schema(example = "上午場")]
    pub name: String,
    pub starts_at: Option<Instant>,
    pub ends_at: Option<Instant>,
    /// Null: no limit.
    pub capacity: Option<i32>,
}

/// How many people of an organization and all below it may have a place, in all sessions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub organization_id: OrganizationId,
    pub places: i32,
}

/// How people sign up for an event, whole. Who may is who the event expects.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"capacity": 120, "opens_at": "2026-11-26T00:00:00Z", "closes_at": "2026-11-30T10:00:00Z", "offer_s": 7200, "questions": [{"key": "bus_stop", "kind": "choice", "text": "在哪一站上車？", "required": true, "options": ["東門", "西門"]}]}))]
pub struct WriteSignUpPolicy {
    /// Places of an event without sessions. Null: no limit.
    pub capacity: Option<i32>,
    /// At most 20. With sessions, each has its own capacity, and the event none.
    #[serde(default)]
    pub sessions: Vec<WriteSession>,
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// Left out: as soon as the event is published.
    pub opens_at: Option<Instant>,
    /// Left out, or later than that: when check-in opens.
    pub closes_at: Option<Instant>,
    /// Until then members give their place back by themselves. Left out: until check-in opens.
    pub cancel_until: Option<Instant>,
    /// How long a place that became free is kept for the first in line to accept. Left out: they have it at once.
    pub offer_s: Option<i32>,
    /// Until then people enter a draw instead: in its order they get places and wait in line, and who comes later stands
    /// behind them. When it is held, anybody can check it: see the policy's `draw`.
    pub draw_at: Option<Instant>,
    /// How many may wait for each session; 0: nobody. Left out: as many as like.
    pub waiting_limit: Option<i32>,
    #[serde(default)]
    pub questions: Vec<Question>,
}

impl Check for WriteSignUpPolicy {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_range("/capacity", &self.capacity, 0, MAX_PLACES);
        if self.capacity.is_some() && !self.sessions.is_empty() {
            problems.add(
                "/capacity",
                "not_with_sessions",
                "belongs to each of the sessions",
            );
        }
        problems.optional_range("/offer_s", &self.offer_s, 60, MAX_OFFER_S);
        problems.optional_range("/waiting_limit", &self.waiting_limit, 0, MAX_PLACES);
        if let (Some(opens), Some(closes)) = (self.opens_at, self.closes_at)
            && closes <= opens
        {
            problems.add("/closes_at", "not_after_start", "is not after opens_at");
        }
        if let (Some(opens), Some(draw)) = (self.opens_at, self.draw_at)
            && draw <= opens
        {
            problems.add("/draw_at", "not_after_start", "is not after opens_at");
        }
        self.check_sessions(problems);
        self.check_quotas(problems);
        self.check_questions(problems);
    }
}

impl WriteSignUpPolicy {
    fn check_sessions(&mut self, problems: &mut Problems) {
        count(problems, "/sessions", self.sessions.len(), MAX_SESSIONS);
        for (n, session) in self.sessions.iter_mut().enumerate() {
            problems.within(&format!("/sessions/{n}"), |problems| {
                problems.line("/name", &mut session.name, 1, 100);
                problems.optional_range("/capacity", &session.capacity, 0, MAX_PLACES);
                match (session.starts_at, session.ends_at) {
                    (Some(starts), Some(ends)) if ends <= starts => {
                        problems.add("/ends_at", "not_after_start", "is not after starts_at");
                    }
                    _ => {}
                }
            });
        }
        let ids = self.sessions.iter().map(|session| session.id);
        no_repeats(problems, "/sessions", "/id", ids);
        let names = self.sessions.iter().map(|session| Some(session.name.clone()));
        no_repeats(problems, "/sessions", "/name", names);
    }

    fn check_quotas(&self, problems: &mut Problems) {
        count(problems, "/quotas", self.quotas.len(), MAX_QUOTAS);
        for (n, quota) in self.quotas.iter().enumerate() {
            problems.range(&format!("/quotas/{n}/places"), &quota.places, 0, MAX_PLACES);
        }
        let ids = self.quotas.iter().map(|quota| Some(quota.organization_id));
        no_repeats(problems, "/quotas", "/organization_id", ids);
    }

    fn check_questions(&mut self, problems: &mut Problems) {
        count(problems, "/questions", self.questions.len(), MAX_QUESTIONS);
        for (n, question) in self.questions.iter_mut().enumerate() {
            problems.within(&format!("/questions/{n}"), |problems| {
                problems.line("/key", &mut question.key, 1, 40);
                // It stands in JSON pointers and in the columns of files.
                if !question
                    .key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_')
                {
                    problems.add("/key", "not_a_key", "has other signs than letters, digits and _");
                }
                problems.line("/text", &mut question.text, 1, 200);
                count(problems, "/options", question.options.len(), MAX_OPTIONS);
                if (question.kind == QuestionKind::Choice) != (question.options.len() >= 2) {
                    problems.add(
                        "/options",
                        "wrong_count",
                        "a choice has at least two, any other none",
                    );
                }
                for (n, option) in question.options.iter_mut().enumerate() {
                    problems.line(&format!("/options/{n}"), option, 1, 100);
                }
            });
        }
        let keys = self.questions.iter().map(|question| Some(question.key.clone()));
        no_repeats(problems, "/questions", "/key", keys);
    }
}

fn count(problems: &mut Problems, field: &str, count: usize, most: usize) {
    if count > most {
        problems.add(field, "too_many", format!("has more than {most} items"));
    }
}

fn no_repeats<T: Eq + Hash>(
    problems: &mut Problems,
    list: &str,
    part: &str,
    items: impl Iterator<Item = Option<T>>,
) {
    let mut seen = HashSet::new();
    for (n, item) in items.enumerate() {
        if item.is_some_and(|item| !seen.insert(item)) {
            problems.add(format!("{list}/{n}{part}"), "duplicate", "is there twice");
        }
    }
}

/// A member's wish to join.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"client_event_id": "6a2f41a3-c54c-fce8-32d2-0324e1c32e22", "answers": {"bus_stop": "東門"}}))]
pub struct CreateSignUp {
    /// A UUID made on the phone: the same id again gives the same answer.
    pub client_event_id: Uuid,
    /// Needed where there is more than one.
    pub session_id: Option<SignUpSessionId>,
    /// By the keys of the policy's questions.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub answers: Answers,
    /// Wait in line if all places are taken? Else that is a refusal.
    #[serde(default = "yes")]
    pub wait: bool,
}

fn yes() -> bool {
    true
}

impl Check for CreateSignUp {}

/// Several people at once, by their secretary or the event's organiser.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"member_ids": ["01a20be8-c3a0-73b6-8911-a9d308c2654c"], "all_or_none": true}))]
pub struct CreateGroupSignUp {
    /// In the order in which they get places; at most 200.
    pub member_ids: Vec<MemberId>,
    pub session_id: Option<SignUpSessionId>,
    /// The same for all of them.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub answers: Answers,
    /// True: either all of them get a place, or nobody is signed up. False: as many as fit.
    pub all_or_none: bool,
    /// Do those wait in line who do not fit? Not with `all_or_none`.
    #[serde(default)]
    pub wait: bool,
}

impl Check for CreateGroupSignUp {
    fn check(&mut self, problems: &mut Problems) {
        if self.member_ids.is_empty() {
            problems.add("/member_ids", "required", "needs at least one item");
        }
        count(problems, "/member_ids", self.member_ids.len(), MAX_GROUP);
        no_repeats(
            problems,
            "/member_ids",
            "",
            self.member_ids.iter().copied().map(Some),
        );
        if self.all_or_none && self.wait {
            problems.add("/wait", "not_with_all_or_none", "does not go with all_or_none");
        }
    }
}

/// Why a sign-up is cancelled. An organiser who cancels somebody else's says so.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "臨時出差"}))]
pub struct CancelSignUp {
    pub reason: Option<String>,
}

impl Check for CancelSignUp {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("/reason", &mut self.reason, 500);
    }
}

/// To another session, where there is room.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"session_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
pub struct MoveSignUp {
    pub session_id: SignUpSessionId,
    pub reason: Option<String>,
}

impl Check for MoveSignUp {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("/reason", &mut self.reason, 500);
    }
}
