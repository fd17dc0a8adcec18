//! Who gets a place: room in sessions and quotas, who is next in line, and when one may sign up or cancel. No database,
//! no clock.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SignUpSessionId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::text::{Problems, clean};

/// What became of a sign-up. `attended` and `no_show` are not stored: they follow from the check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SignUpStatus)]
pub enum Status {
    /// In a draw that has not been held yet.
    Entered,
    Confirmed,
    /// A place is kept for them until `offer_ends_at`; they take it or decline.
    Offered,
    Waitlisted,
    Declined,
    /// An offer that was not answered in time.
    Expired,
    Cancelled,
    Attended,
    NoShow,
}

impl Status {
    const ALL: [Self; 9] = [
        Self::Entered,
        Self::Confirmed,
        Self::Offered,
        Self::Waitlisted,
        Self::Declined,
        Self::Expired,
        Self::Cancelled,
        Self::Attended,
        Self::NoShow,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Confirmed => "confirmed",
            Self::Offered => "offered",
            Self::Waitlisted => "waitlisted",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Attended => "attended",
            Self::NoShow => "no_show",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Is a place taken by it?
    pub fn has_place(self) -> bool {
        matches!(self, Self::Confirmed | Self::Offered)
    }

    /// May a member have only one of these for an event?
    pub fn stands(self) -> bool {
        self.has_place() || matches!(self, Self::Waitlisted | Self::Entered)
    }

    /// What it has come to: a confirmed one is answered by the check-in, and by the end of check-in.
    pub fn shown(self, came: bool, over: bool) -> Self {
        match self {
            Self::Confirmed if came => Self::Attended,
            Self::Confirmed if over => Self::NoShow,
            other => other,
        }
    }
}

/// Places of one kind: of a session, or of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// None: no limit.
    pub capacity: Option<i32>,
    pub taken: i32,
}

impl Room {
    pub fn free(&self) -> i32 {
        self.capacity
            .map_or(i32::MAX, |capacity| (capacity - self.taken).max(0))
    }
}

/// Which places a sign-up needs: one of its session, and one of its quota if it counts for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Need {
    pub session: SignUpSessionId,
    pub quota: Option<OrganizationId>,
}

/// The places of one event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    pub sessions: BTreeMap<SignUpSessionId, Room>,
    pub quotas: HashMap<OrganizationId, Room>,
}

impl Places {
    /// How many more of this need fit.
    pub fn free(&self, need: Need) -> i32 {
        let session = self.sessions.get(&need.session).map_or(0, Room::free);
        let quota = need
            .quota
            .and_then(|quota| self.quotas.get(&quota))
            .map_or(i32::MAX, Room::free);
        session.min(quota)
    }

    /// Takes a place if there is one.
    pub fn take(&mut self, need: Need) -> bool {
        let fits = self.free(need) > 0;
        if fits {
            self.change(need, 1);
        }
        fits
    }

    pub fn give_back(&mut self, need: Need) {
        self.change(need, -1);
    }

    fn change(&mut self, need: Need, by: i32) {
        if let Some(room) = self.sessions.get_mut(&need.session) {
            room.taken += by;
        }
        if let Some(room) = need.quota.and_then(|quota| self.quotas.get_mut(&quota)) {
            room.taken += by;
        }
    }

    /// Those without room, in the order of their ids.
    pub fn full_quotas(&self) -> Vec<OrganizationId> {
        let full = self.quotas.iter().filter(|(_, room)| room.free() == 0);
        let mut full: Vec<_> = full.map(|(id, _)| *id).collect();
        full.sort_unstable();
        full
    }

    /// The organization whose quota somebody of this line (from the root down) counts for: the nearest one.
    pub fn quota_of(&self, line: &[uuid::Uuid]) -> Option<OrganizationId> {
        let mut nearest = line.iter().rev().map(|id| OrganizationId(*id));
        nearest.find(|id| self.quotas.contains_key(id))
    }
}

/// Somebody in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<Id> {
    pub id: Id,
    pub seq: i64,
    pub need: Need,
}

/// Somebody who gets a place now, and the organizations whose people stood further ahead but whose quota is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next<Id> {
    pub who: Waiting<Id>,
    pub passed_over: Vec<OrganizationId>,
}

/// Gives the free places to those in line, first come, first served. `line` holds of each need the first ones, at
/// least as many as have room; of the needs without room, the first one.
pub fn fill<Id: Copy>(places: &mut Places, line: &mut Vec<Waiting<Id>>) -> Vec<Next<Id>> {
    line.sort_by_key(|waiting| waiting.seq);
    let mut next = Vec::new();
    let mut blocked: Vec<Need> = Vec::new();
    line.retain(|waiting| {
        let need = waiting.need;
        if !places.take(need) {
            blocked.push(need);
            return true;
        }
        let mut passed_over: Vec<_> = blocked
            .iter()
            .filter(|other| other.session == need.session)
            .filter_map(|other| other.quota)
            .collect();
        passed_over.sort_unstable();
        passed_over.dedup();
        next.push(Next {
            who: *waiting,
            passed_over,
        });
        false
    });
    next
}

/// When members may sign up and cancel.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub opens_at: Option<Instant>,
    pub closes_at: Option<Instant>,
    pub cancel_until: Option<Instant>,
    pub draw_at: Option<Instant>,
    /// From then on the roster is fixed: whatever is later gives way to it.
    pub check_in_opens_at: Instant,
}

impl Terms {
    pub fn closes_at(&self) -> Instant {
        self.until(self.closes_at)
    }

    pub fn cancel_until(&self) -> Instant {
        self.until(self.cancel_until)
    }

    /// Who signs up before enters a draw.
    pub fn draw_at(&self) -> Option<Instant> {
        self.draw_at.map(|at| at.min(self.check_in_opens_at))
    }

    fn until(&self, at: Option<Instant>) -> Instant {
        at.map_or(self.check_in_opens_at, |at| at.min(self.check_in_opens_at))
    }

    /// May members sign up now?
    pub fn require_open(&self, now: Instant) -> AppResult<()> {
        match self.opens_at {
            Some(at) if now < at => Err(AppError::from(Code::SignUpNotOpen).with("opens_at", at)),
            _ if now >= self.closes_at() => {
                Err(AppError::from(Code::SignUpClosed).with("closed_at", self.closes_at()))
            }
            _ => Ok(()),
        }
    }

    /// An offer ends when the roster is fixed, at the latest.
    pub fn offer_ends_at(&self, now: Instant, offer_s: i32) -> Instant {
        now.plus_s(i64::from(offer_s)).min(self.check_in_opens_at)
    }
}

/// How a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SignUpQuestionKind)]
pub enum QuestionKind {
    /// One of its options.
    Choice,
    Text,
    Number,
}

/// Something that is asked at sign-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignUpQuestion)]
pub struct Question {
    /// Short, made up by the organiser, the key of its answer.
    #[schema(example = "bus_stop")]
    pub key: String,
    pub kind: QuestionKind,
    #[schema(example = "在哪一站上車？")]
    pub text: String,
    #[serde(default)]
    pub required: bool,
    /// Of a choice.
    #[serde(default)]
    pub options: Vec<String>,
}

/// Answers by the keys of their questions.
pub type Answers = serde_json::Map<String, Value>;

const MAX_ANSWER: usize = 500;
const MAX_NUMBER: f64 = 1e12;

/// The answers as they are stored, or what is wrong with them.
pub fn check_answers(questions: &[Question], answers: &Answers) -> AppResult<Answers> {
    let mut problems = Problems::default();
    let mut kept = Answers::new();
    for question in questions {
        let field = format!("/answers/{}", question.key);
        match answers.get(&question.key).filter(|value| !value.is_null()) {
            None if question.required => problems.add(field, "required", "must be answered"),
            None => {}
            Some(value) => match read_answer(question, value) {
                Ok(value) => {
                    kept.insert(question.key.clone(), value);
                }
                Err((code, message)) => problems.add(field, code, message),
            },
        }
    }
    for key in answers.keys() {
        if !questions.iter().any(|question| question.key == *key) {
            problems.add(format!("/answers/{key}"), "unknown", "is not asked");
        }
    }
    problems.into_result()?;
    Ok(kept)
}

fn read_answer(question: &Question, value: &Value) -> Result<Value, (&'static str, String)> {
    match (question.kind, value) {
        (QuestionKind::Choice, Value::String(text)) if question.options.contains(text) => Ok(value.clone()),
        (QuestionKind::Choice, _) => Err(("not_an_option", "is none of the options".to_owned())),
        (QuestionKind::Text, Value::String(text)) => {
            let text = clean(text);
            if text.chars().count() > MAX_ANSWER {
                Err(("too_long", format!("is longer than {MAX_ANSWER} characters")))
            } else if text.chars().any(|c| c.is_control() && c != '\n') {
                Err((
                    "control_character",
                    "control characters are not allowed".to_owned(),
                ))
            } else if text.is_empty() && question.required {
                Err(("required", "must be answered".to_owned()))
            } else {
                Ok(Value::String(text))
            }
        }
        (QuestionKind::Text, _) => Err(("not_text", "is not text".to_owned())),
        (QuestionKind::Number, Value::Number(number)) => match number.as_f64() {
            Some(size) if size.abs() <= MAX_NUMBER => Ok(value.clone()),
            _ => Err(("out_of_range", "is too large".to_owned())),
        },
        (QuestionKind::Number, _) => Err(("not_a_number", "is not a number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn session(n: u128) -> SignUpSessionId {
        SignUpSessionId(uuid::Uuid::from_u128(n))
    }

    fn quota(n: u128) -> OrganizationId {
        OrganizationId(uuid::Uuid::from_u128(n))
    }

    fn places(sessions: &[i32], quotas: &[i32]) -> Places {
        let room = |capacity: &i32| Room {
            capacity: Some(*capacity),
            taken: 0,
        };
        Places {
            sessions: (0u128..).map(session).zip(sessions.iter().map(room)).collect(),
            quotas: (0u128..).map(quota).zip(quotas.iter().map(room)).collect(),
        }
    }

    fn waiting(seq: i64, of_session: u128, of_quota: Option<u128>) -> Waiting<i64> {
        Waiting {
            id: seq,
            seq,
            need: Need {
                session: session(of_session),
                quota: of_quota.map(quota),
            },
        }
    }

    #[test]
    fn a_text_is_as_long_as_it_may_be_and_holds_lines_and_nothing_that_is_not_seen() {
        let question = |required| Question {
            key: "why".into(),
            kind: QuestionKind::Text,
            text: "為什麼？".into(),
            required,
            options: Vec::new(),
        };
        let read = |required, text: &str| {
            let read = read_answer(&question(required), &json!(text));
            read.map_err(|(code, _)| code)
        };
        let longest = "字".repeat(MAX_ANSWER);
        assert_eq!(read(true, &longest), Ok(json!(longest)));
        assert_eq!(read(true, &format!("{longest}字")), Err("too_long"));
        assert_eq!(read(true, "一\n二"), Ok(json!("一\n二")));
        assert_eq!(read(true, "一\u{7}二"), Err("control_character"));
        assert_eq!(read(true, ""), Err("required"));
        assert_eq!(read(false, ""), Ok(json!("")));
    }

    #[test]
    fn a_full_quota_is_passed_over_and_said_so() {
        let mut places = places(&[2], &[1]);
        let mut line = vec![
            waiting(1, 0, Some(0)),
            waiting(2, 0, Some(0)),
            waiting(3, 0, None),
            waiting(4, 0, None),
        ];
        let next = fill(&mut places, &mut line);
        let got: Vec<_> = next
            .iter()
            .map(|next| (next.who.seq, next.passed_over.clone()))
            .collect();
        assert_eq!(got, [(1, vec![]), (3, vec![quota(0)])]);
        assert_eq!(line.iter().map(|w| w.seq).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn the_nearest_quota_counts() {
        let places = places(&[1], &[1, 1]);
        let line = [quota(7).0, quota(0).0, quota(1).0, quota(9).0];
        assert_eq!(places.quota_of(&line), Some(quota(1)));
        assert_eq!(places.quota_of(&line[..1]), None);
    }

    proptest! {
        /// Places are never oversold, never left empty for whom they fit, and nobody overtakes an equal.
        #[test]
        fn free_places_go_to_the_first_in_line(
            sessions in prop::collection::vec(0i32..5, 1..4), quotas in prop::collection::vec(0i32..4, 0..3),
            who in prop::collection::vec((0u128..4, prop::option::of(0u128..3)), 0..40),
        ) {
            let mut all = places(&sessions, &quotas);
            let mut line: Vec<_> = who.iter().enumerate().map(|(n, (s, q))| waiting(n as i64, *s, *q)).collect();
            let before = line.clone();
            let next = fill(&mut all, &mut line);
            prop_assert_eq!(next.len() + line.len(), before.len());
            for room in all.sessions.values().chain(all.quotas.values()) {
                prop_assert!(room.taken <= room.capacity.unwrap());
            }
            let taken: i32 = all.sessions.values().map(|room| room.taken).sum();
            prop_assert_eq!(taken as usize, next.len());
            for left in &line {
                prop_assert!(all.free(left.need) <= 0, "a place stayed empty");
                prop_assert!(next.iter().all(|n| n.who.need != left.need || n.who.seq < left.seq), "overtaken");
            }
        }
    }

    #[test]
    fn answers_are_what_was_asked() {
        let question = |key: &str, kind, required| Question {
            key: key.to_owned(),
            kind,
            text: key.to_owned(),
            required,
            options: vec!["甲".to_owned(), "乙".to_owned()],
        };
        let questions = [
            question("stop", QuestionKind::Choice, true),
            question("note", QuestionKind::Text, false),
            question("people", QuestionKind::Number, false),
        ];
        let check = |answers: Value| check_answers(&questions, answers.as_object().unwrap());
        let kept = check(json!({ "stop": "甲", "note": " 素食 ", "people": 2 })).unwrap();
        assert_eq!(
            Value::Object(kept),
            json!({ "stop": "甲", "note": "素食", "people": 2 })
        );
        for (bad, code) in [
            (json!({}), "required"),
            (json!({ "stop": "丙" }), "not_an_option"),
            (json!({ "stop": "甲", "note": 1 }), "not_text"),
            (json!({ "stop": "甲", "people": 1e300 }), "out_of_range"),
            (json!({ "stop": "甲", "car": true }), "unknown"),
        ] {
            assert_eq!(check(bad).unwrap_err().errors()[0].code, code);
        }
    }
}
