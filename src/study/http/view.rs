//! Progress as it is told: seconds outside, milliseconds inside.

use serde::Serialize;

use crate::lessons::{CourseVersion, Kind, LessonId};
use crate::platform::db::Instant;
use crate::study::course::section_spans;
use crate::study::desk::{Recorded, Standing};
use crate::study::doubts::Rejected;
use crate::study::played::{Played, Span};
use crate::study::rules::Doubt;

/// From when to when, in seconds of the lesson.
pub type Range = [f64; 2];

fn seconds(ms: u32) -> f64 {
    f64::from(ms) / 1_000.0
}

pub fn ranges(played: &Played) -> Vec<Range> {
    let range = |span: &Span| [seconds(span.from), seconds(span.to)];
    played.spans().iter().map(range).collect()
}

/// Recorded for good when the lesson was completed, and on what.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CompletionView {
    /// The version that was studied.
    version: i32,
    /// What made it complete: `coverage`, of at least the threshold, or `coverage_and_quiz`.
    #[schema(example = "coverage")]
    rule: String,
    threshold_permille: i32,
    /// The phone's time of what completed it, never later than `received_at`.
    occurred_at: Instant,
    received_at: Instant,
}

/// How I stand with the quiz of a lesson.
#[derive(Serialize, utoipa::ToSchema)]
pub struct QuizStandingView {
    /// The lesson has a quiz, so it takes passing it to complete the lesson.
    required: bool,
    /// I have passed it.
    passed: bool,
}

/// How I stand with a lesson.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ProgressView {
    lesson_id: LessonId,
    title: String,
    kind: Kind,
    /// The published version that this is about.
    version: i32,
    /// How much of it is covered, 0 to 1.
    #[schema(example = 0.613)]
    coverage: f64,
    covered_s: f64,
    /// Of an article the least that reading it takes.
    duration_s: f64,
    /// Once true it stays so, whatever becomes of the lesson.
    completed: bool,
    completion: Option<CompletionView>,
    quiz: QuizStandingView,
    /// Where to go on, in seconds; in an article the number of a section. The phone that was there last tells it.
    position: f64,
    /// Of an article: the sections that are credited, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    sections_seen: Option<Vec<usize>>,
    started_at: Option<Instant>,
    updated_at: Option<Instant>,
}

impl ProgressView {
    pub fn of(version: &CourseVersion, standing: Standing) -> Self {
        let progress = standing.progress;
        let covered_ms = progress.played.total_ms() as f64;
        let is_article = version.kind == Kind::Article;
        let coverage = if version.duration_ms == 0 {
            1.0
        } else {
            covered_ms / f64::from(version.duration_ms)
        };
        Self {
            lesson_id: version.lesson,
            title: version.title.clone(),
            kind: version.kind,
            version: version.number,
            // Down, so that it never seems more than it is.
            coverage: (coverage * 10_000.0).floor() / 10_000.0,
            covered_s: covered_ms / 1_000.0,
            duration_s: seconds(version.duration_ms),
            completed: standing.completion.is_some(),
            completion: standing.completion.map(|row| CompletionView {
                version: row.number,
                rule: row.rule,
                threshold_permille: row.threshold_permille,
                occurred_at: row.occurred_at,
                received_at: row.received_at,
            }),
            quiz: QuizStandingView {
                required: standing.quiz.required,
                passed: standing.quiz.passed(),
            },
            position: if is_article {
                f64::from(progress.position_ms)
            } else {
                seconds(progress.position_ms)
            },
            sections_seen: is_article.then(|| sections_seen(version, &progress.played)),
            started_at: standing.started_at,
            updated_at: standing.updated_at,
        }
    }
}

fn sections_seen(version: &CourseVersion, played: &Played) -> Vec<usize> {
    let spans = section_spans(version);
    let is_seen = |span: &Span| Played::of([*span]).minus(played).is_empty();
    (0..spans.len())
        .filter(|n| spans.get(*n).is_some_and(is_seen))
        .collect()
}

/// Why ranges of a report are not credited.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RejectedView {
    #[schema(value_type = Vec<[f64; 2]>)]
    ranges: Vec<Range>,
    code: Doubt,
    /// A secretary decides whether it counts; nothing needs to be sent again.
    in_review: bool,
}

impl From<Rejected> for RejectedView {
    fn from(rejected: Rejected) -> Self {
        Self {
            ranges: ranges(&rejected.played),
            code: rejected.doubt,
            in_review: rejected.in_review,
        }
    }
}

/// How I stand after a report, and what of it counts. The same report again gets the same answer.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RecordedView {
    #[serde(flatten)]
    progress: ProgressView,
    /// What of this report counts, now or already before; of an article on the line of its sections' reading times.
    #[schema(value_type = Vec<[f64; 2]>, example = json!([[0.0, 15.2], [30.0, 61.5]]))]
    accepted: Vec<Range>,
    rejected: Vec<RejectedView>,
}

impl From<Recorded> for RecordedView {
    fn from(recorded: Recorded) -> Self {
        Self {
            progress: ProgressView::of(&recorded.version, recorded.standing),
            accepted: ranges(&recorded.accepted),
            rejected: recorded.rejected.into_iter().map(RejectedView::from).collect(),
        }
    }
}
