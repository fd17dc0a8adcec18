//! What other slices ask of quizzes, many at once: one query whatever their number.

use std::collections::HashMap;

use super::store;
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;

/// How a member stands with the quiz of a lesson. The default: it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuizStanding {
    /// The lesson has a quiz now.
    pub required: bool,
    /// When the member passed it first, in whatever version.
    pub passed_at: Option<Instant>,
}

impl QuizStanding {
    /// Does it let the lesson be completed?
    pub fn is_met(self) -> bool {
        self.passed() || !self.required
    }

    pub fn passed(self) -> bool {
        self.passed_at.is_some()
    }
}

/// How these members stand with the quizzes of these lessons; pairs whose lesson has none are left out. No permission
/// asked. Whoever goes on to complete a lesson holds the member's clock (`study::hold`), so that no hand-in comes between.
pub fn standings(
    conn: &mut DbConnection,
    asked: &[(MemberId, LessonId)],
) -> AppResult<HashMap<(MemberId, LessonId), QuizStanding>> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let members = asked.iter().map(|(member, _)| *member).collect();
    let lessons = asked.iter().map(|(_, lesson)| *lesson).collect();
    // A row for each quiz and member who passed it; one without a member when nobody did.
    let mut passed: HashMap<LessonId, HashMap<MemberId, Instant>> = HashMap::new();
    for row in store::list_passed(conn, members, lessons)? {
        let of_lesson = passed.entry(row.lesson_id).or_default();
        if let (Some(member), Some(at)) = (row.member_id, row.passed_at) {
            let first = of_lesson.entry(member).or_insert(at);
            *first = at.min(*first);
        }
    }
    let standing = |pair: &(MemberId, LessonId)| {
        let members = passed.get(&pair.1)?;
        let standing = QuizStanding {
            required: true,
            passed_at: members.get(&pair.0).copied(),
        };
        Some((*pair, standing))
    };
    Ok(asked.iter().filter_map(standing).collect())
}
