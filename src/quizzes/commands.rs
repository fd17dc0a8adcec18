//! What clients may send about a quiz, and what is wrong with it before anybody looks into the database.

use std::collections::HashSet;

use serde::Deserialize;

use super::QuestionId;
use super::rules::{Flaw, QuestionKind, flaws};
use crate::platform::db::Instant;
use crate::platform::text::{Check, Problems};

pub const MAX_QUESTIONS: usize = 300;
const MAX_OPTIONS: usize = 10;

/// A question of the bank.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteQuestion {
    /// Of a question that is in the quiz already; left out of a new one.
    pub id: Option<QuestionId>,
    pub kind: QuestionKind,
    /// 1 to 2,000 characters.
    pub text: String,
    /// 2 to 10, no two the same; of `true_false` two.
    pub options: Vec<String>,
    /// Indexes of `options`, from 0: one of `single` and `true_false`, one or more of `multiple`, all of `ordering` in
    /// their order.
    pub answer: Vec<u8>,
    /// Shown with the answer, at most 2,000 characters.
    #[serde(default)]
    pub explanation: String,
}

/// The whole quiz of a lesson.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"pass_permille": 600, "attempt_limit": 3, "time_limit_s": 600, "questions": [{"kind": "single", "text": "中國共產黨成立於哪一年？", "options": ["1919", "1921", "1927"], "answer": [1], "explanation": "1921 年 7 月，一大召開。"}]}))]
pub struct WriteQuiz {
    /// How many of the questions an attempt gets; all when left out.
    pub draw: Option<u16>,
    /// The score that passes, in thousandths: 0 to 1,000.
    #[serde(default = "default_pass")]
    #[schema(default = 600)]
    pub pass_permille: i32,
    /// How often a member may try, 1 to 100; without a limit when left out.
    pub attempt_limit: Option<i32>,
    /// How long an attempt may take by the server's clock, 10 s to a day; without a limit when left out.
    pub time_limit_s: Option<i64>,
    /// Questions and options in another order at each attempt. The options of an ordering always are, those of
    /// `true_false` never.
    #[serde(default = "default_shuffle")]
    #[schema(default = true)]
    pub shuffle: bool,
    /// 1 to 300.
    pub questions: Vec<WriteQuestion>,
}

fn default_pass() -> i32 {
    600
}

fn default_shuffle() -> bool {
    true
}

impl Check for WriteQuiz {
    fn check(&mut self, problems: &mut Problems) {
        problems.range("/pass_permille", &self.pass_permille, 0, 1_000);
        problems.optional_range("/attempt_limit", &self.attempt_limit, 1, 100);
        problems.optional_range("/time_limit_s", &self.time_limit_s, 10, 86_400);
        let count = self.questions.len();
        if count == 0 {
            return problems.add("/questions", "required", "has no item");
        }
        if count > MAX_QUESTIONS {
            let message = format!("has more than {MAX_QUESTIONS} items");
            return problems.add("/questions", "too_many", message);
        }
        let most = u16::try_from(count).unwrap_or(u16::MAX);
        problems.optional_range("/draw", &self.draw, 1, most);
        let mut ids = HashSet::new();
        for (n, question) in self.questions.iter_mut().enumerate() {
            problems.within(&format!("/questions/{n}"), |problems| {
                if question.id.is_some_and(|id| !ids.insert(id)) {
                    problems.add("/id", "repeated", "is the id of another question here");
                }
                question.check(problems);
            });
        }
    }
}

impl Check for WriteQuestion {
    fn check(&mut self, problems: &mut Problems) {
        problems.paragraph("/text", &mut self.text, 1, 2_000);
        problems.paragraph("/explanation", &mut self.explanation, 0, 2_000);
        let (least, most) = match self.kind {
            QuestionKind::TrueFalse => (2, 2),
            _ => (2, MAX_OPTIONS),
        };
        if self.options.len() < least {
            let message = format!("has less than {least} items");
            problems.add("/options", "too_few", message);
        } else if self.options.len() > most {
            problems.add("/options", "too_many", format!("has more than {most} items"));
        } else {
            let mut seen = HashSet::new();
            for (n, option) in self.options.iter_mut().enumerate() {
                problems.paragraph(&format!("/options/{n}"), option, 1, 500);
                if !seen.insert(option.clone()) {
                    problems.add(format!("/options/{n}"), "repeated", "stands there already");
                }
            }
        }
        check_indexes(problems, "/answer", self.kind, self.options.len(), &self.answer);
        if self.answer.is_empty() && self.kind == QuestionKind::Multiple {
            problems.add("/answer", "required", "has no item");
        }
        if self.kind != QuestionKind::Ordering {
            self.answer.sort_unstable();
        }
    }
}

/// Looks indexes over that are to answer a question.
pub fn check_indexes(
    problems: &mut Problems,
    field: &str,
    kind: QuestionKind,
    options: usize,
    indexes: &[u8],
) {
    for flaw in flaws(kind, options, indexes) {
        match flaw {
            Flaw::NoSuchOption(at) => problems.add(
                format!("{field}/{at}"),
                "no_such_option",
                format!("there are {options} options, counted from 0"),
            ),
            Flaw::Repeated(at) => {
                problems.add(format!("{field}/{at}"), "repeated", "stands there already");
            }
            Flaw::NotOne => problems.add(field, "not_one", "is not exactly one option"),
            Flaw::NotAll => problems.add(field, "not_all", "is not all options, each once"),
        }
    }
}

/// What was chosen of one question.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenAnswer {
    pub question_id: QuestionId,
    /// Places of the options as they stood in this attempt, from 0; of an ordering all of them, in their order. None: not
    /// answered.
    pub chosen: Vec<u8>,
}

/// All that was chosen in an attempt.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"answers": [{"question_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "chosen": [1]}], "occurred_at": "2026-11-24T01:35:00Z"}))]
pub struct HandIn {
    /// Questions left out are not answered, and so wrong.
    pub answers: Vec<ChosenAnswer>,
    /// By the phone's clock.
    pub occurred_at: Instant,
}

impl Check for HandIn {
    fn check(&mut self, problems: &mut Problems) {
        if self.answers.len() > MAX_QUESTIONS {
            let message = format!("has more than {MAX_QUESTIONS} items");
            return problems.add("/answers", "too_many", message);
        }
        let mut seen = HashSet::new();
        for (n, answer) in self.answers.iter().enumerate() {
            if !seen.insert(answer.question_id) {
                let field = format!("/answers/{n}/question_id");
                problems.add(field, "repeated", "was answered further up");
            }
        }
    }
}
