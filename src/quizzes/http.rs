//! `/lessons/{id}/quiz` and `/quiz-attempts`.

use actix_web::{HttpRequest, delete, get, post, put, web};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::commands::{HandIn, WriteQuiz};
use super::rules::{AttemptStatus, QuestionKind, Quiz};
use super::service::{self, AskedQuestion, FullAttempt, FullQuiz, QuestionStatistics, Statistics};
use super::store::AttemptRow;
use super::{QuestionId, QuizAttemptId};
use crate::app::App;
use crate::auth::SignedIn;
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Json, Once, Tagged, if_match};

/// A whole quiz is larger than other bodies may be.
type QuizBody = Json<WriteQuiz, { 1024 * 1024 }>;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(find_quiz)
        .service(update_quiz)
        .service(archive_quiz)
        .service(start_quiz_attempt)
        .service(find_quiz_statistics)
        .service(find_quiz_attempt)
        .service(hand_in_quiz_attempt);
}

/// One of my attempts, without its questions.
#[derive(Serialize, utoipa::ToSchema)]
struct QuizAttemptBrief {
    id: QuizAttemptId,
    /// From 1.
    number: i32,
    status: AttemptStatus,
    started_at: Instant,
    /// By the server's clock; null without a time limit.
    ends_at: Option<Instant>,
    handed_in_at: Option<Instant>,
    /// In thousandths, rounded down. Null until it is handed in.
    score_permille: Option<i32>,
    passed: bool,
}

impl QuizAttemptBrief {
    fn of(row: &AttemptRow, status: AttemptStatus) -> Self {
        Self {
            id: row.id,
            number: row.number,
            status,
            started_at: row.started_at,
            ends_at: row.ends_at,
            handed_in_at: row.handed_in_at,
            score_permille: row.handed_in_at.and(row.score_permille),
            passed: row.passed,
        }
    }
}

/// The quiz of a lesson. Its questions and their answers are only for those who write the lesson.
#[derive(Serialize, utoipa::ToSchema)]
struct QuizView {
    lesson_id: LessonId,
    /// How many questions an attempt gets.
    question_count: usize,
    /// The score that passes, in thousandths.
    #[schema(example = 600)]
    pass_permille: i32,
    /// Null for as many as one likes.
    attempt_limit: Option<i32>,
    /// How many of them I have left; an open one is used already.
    attempts_left: Option<i32>,
    time_limit_s: Option<i64>,
    /// I have passed it, in whatever version.
    passed: bool,
    /// Mine, the newest first, at most 100.
    attempts: Vec<QuizAttemptBrief>,
    /// As it was written; only for those who write the lesson.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Quiz>,
    version: i32,
    updated_at: Instant,
}

impl From<FullQuiz> for QuizView {
    fn from(full: FullQuiz) -> Self {
        let used = full.attempts.first().map_or(0, |(row, _)| row.number);
        let brief = |(row, status): &(AttemptRow, AttemptStatus)| QuizAttemptBrief::of(row, *status);
        Self {
            lesson_id: full.row.lesson_id,
            question_count: full.quiz.asked(),
            pass_permille: full.quiz.pass_permille,
            attempt_limit: full.quiz.attempt_limit,
            attempts_left: full.quiz.attempt_limit.map(|limit| (limit - used).max(0)),
            time_limit_s: full.quiz.time_limit_s,
            passed: full.passed,
            attempts: full.attempts.iter().map(brief).collect(),
            document: full.is_writer.then_some(full.quiz),
            version: full.row.version,
            updated_at: full.row.updated_at,
        }
    }
}

/// Find the quiz of a lesson: for members what awaits them and how their attempts went, for those who write the lesson all
/// of it.
#[utoipa::path(tag = "quizzes", params(("id" = LessonId, Path)), responses((status = 200, body = QuizView)))]
#[get("/lessons/{id}/quiz")]
async fn find_quiz(app: web::Data<App>, who: SignedIn, id: IdPath<LessonId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let quiz = app
        .db
        .read_fresh(move |conn| service::view_quiz(conn, &ctx, id.0))
        .await?;
    let version = quiz.row.version;
    Ok(Answer::ok(&QuizView::from(quiz))?.version(version))
}

/// Write the quiz of a lesson, whole and anew; at most 1 MiB. Attempts that have begun keep the questions they have. A question
/// sent with its `id` goes on being counted as the same one, unless its options or its answer changed: then it gets a new
/// id. It holds at once: of a published lesson it takes the right to publish lessons. Needs `If-Match`: `"0"` where there is
/// no quiz yet.
#[utoipa::path(tag = "quizzes", params(("id" = LessonId, Path)), request_body = WriteQuiz, responses((status = 200, body = QuizView), (status = 201, body = QuizView), (status = 409, description = "lesson_in_review, lesson_archived"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[put("/lessons/{id}/quiz")]
async fn update_quiz(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    request: HttpRequest,
    body: QuizBody,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    let (quiz, is_new) = app
        .db
        .write(move |conn| service::write_quiz(conn, &ctx, id.0, version, body.0.clone()))
        .await?;
    let version = quiz.row.version;
    let view = QuizView::from(quiz);
    let answer = if is_new {
        Answer::created(&view)?.at(format!("/api/v1/lessons/{}/quiz", view.lesson_id))
    } else {
        Answer::ok(&view)?
    };
    Ok(answer.version(version))
}

/// Put the quiz of a lesson away: from now on coverage alone completes the lesson, with a member's next report. Attempts
/// stay on record, and count when a quiz is written again. Of a published lesson it takes the right to publish lessons.
#[utoipa::path(tag = "quizzes", params(("id" = LessonId, Path)), responses((status = 204), (status = 409, description = "lesson_in_review, lesson_archived")))]
#[delete("/lessons/{id}/quiz")]
async fn archive_quiz(app: web::Data<App>, who: SignedIn, id: IdPath<LessonId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    app.db
        .write(move |conn| service::archive_quiz(conn, &ctx, id.0))
        .await?;
    Ok(Answer::no_content())
}

/// A question of an attempt; how it was answered and what is right only once that is handed in.
#[derive(Serialize, utoipa::ToSchema)]
struct AskedQuestionView {
    id: QuestionId,
    kind: QuestionKind,
    text: String,
    /// In the order of this attempt; answers tell places in it, from 0.
    options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<QuestionResultView>,
}

/// What was made of a question.
#[derive(Serialize, utoipa::ToSchema)]
struct QuestionResultView {
    chosen: Vec<u8>,
    is_right: bool,
    answer: Vec<u8>,
    explanation: String,
}

impl AskedQuestionView {
    fn of(asked: AskedQuestion, is_handed_in: bool) -> Self {
        let is_right = asked.is_right();
        let AskedQuestion {
            question,
            drawn,
            chosen,
        } = asked;
        let (options, answer) = (drawn.options(&question), drawn.places(&question));
        let (text, explanation) = (question.text, question.explanation);
        Self {
            id: question.id,
            kind: question.kind,
            text,
            options,
            result: is_handed_in.then_some(QuestionResultView {
                chosen,
                is_right,
                answer,
                explanation,
            }),
        }
    }
}

/// An attempt at a quiz.
#[derive(Serialize, utoipa::ToSchema)]
struct QuizAttemptView {
    #[serde(flatten)]
    attempt: QuizAttemptBrief,
    lesson_id: LessonId,
    member_id: MemberId,
    pass_permille: i32,
    /// Left out for those who only look after the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    questions: Option<Vec<AskedQuestionView>>,
}

impl From<FullAttempt> for QuizAttemptView {
    fn from(full: FullAttempt) -> Self {
        let is_handed_in = full.status == AttemptStatus::HandedIn;
        let view = |asked| AskedQuestionView::of(asked, is_handed_in);
        Self {
            attempt: QuizAttemptBrief::of(&full.row, full.status),
            lesson_id: full.row.lesson_id,
            member_id: full.row.member_id,
            pass_permille: full.pass_permille,
            questions: full
                .questions
                .map(|questions| questions.into_iter().map(view).collect()),
        }
    }
}

/// Begin an attempt: the server draws and shuffles the questions, and its clock runs. While one is open it is given back,
/// with 200, instead of another. One whose time was over counts as used.
#[utoipa::path(tag = "quizzes", params(("id" = LessonId, Path)), responses((status = 201, body = QuizAttemptView), (status = 200, body = QuizAttemptView), (status = 403, description = "forbidden: an account without a member"), (status = 409, description = "attempts_exhausted")))]
#[post("/lessons/{id}/quiz/attempts")]
async fn start_quiz_attempt(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        let (attempt, is_new) = service::start_attempt(conn, ctx, id.0)?;
        let view = QuizAttemptView::from(attempt);
        let at = format!("/api/v1/quiz-attempts/{}", view.attempt.id);
        if is_new {
            Ok(Answer::created(&view)?.at(at))
        } else {
            Answer::ok(&view)
        }
    })
    .await
}

/// Find an attempt of mine: with answers and explanations once it is handed in. Those who may view its member find what
/// was handed in, those who write the lesson with its questions.
#[utoipa::path(tag = "quizzes", params(("id" = QuizAttemptId, Path)), responses((status = 200, body = QuizAttemptView)))]
#[get("/quiz-attempts/{id}")]
async fn find_quiz_attempt(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<QuizAttemptId>,
) -> AppResult<Tagged<QuizAttemptView>> {
    let ctx = app.ctx(who.0);
    let attempt = app
        .db
        .read_fresh(move |conn| service::view_attempt(conn, &ctx, id.0))
        .await?;
    Ok(Tagged(attempt.into()))
}

/// Hand an attempt in. A question is right or wrong as a whole; the score is rounded down. Thirty seconds after the end are
/// let pass for the way. The same answers again get the same answer, whatever the key. Who passes has completed the lesson,
/// if enough of it is covered.
#[utoipa::path(tag = "quizzes", params(("id" = QuizAttemptId, Path)), request_body = HandIn, responses((status = 200, body = QuizAttemptView), (status = 409, description = "already_handed_in, attempt_expired")))]
#[post("/quiz-attempts/{id}/hand-in")]
async fn hand_in_quiz_attempt(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<QuizAttemptId>,
    once: Once<HandIn>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        Answer::ok(&QuizAttemptView::from(service::hand_in(conn, ctx, id.0, &body)?))
    })
    .await
}

/// How often an option was chosen.
#[derive(Serialize, utoipa::ToSchema)]
struct OptionStatisticsView {
    text: String,
    chosen: i64,
}

/// What was made of a question in all that was handed in.
#[derive(Serialize, utoipa::ToSchema)]
struct QuestionStatisticsView {
    id: QuestionId,
    kind: QuestionKind,
    text: String,
    asked: i64,
    right: i64,
    /// As they were written. Of an ordering who answered chose all of them.
    options: Vec<OptionStatisticsView>,
}

impl From<QuestionStatistics> for QuestionStatisticsView {
    fn from(one: QuestionStatistics) -> Self {
        let options = one.question.options.into_iter().zip(one.chosen);
        Self {
            id: one.question.id,
            kind: one.question.kind,
            text: one.question.text,
            asked: one.asked,
            right: one.right,
            options: options
                .map(|(text, chosen)| OptionStatisticsView { text, chosen })
                .collect(),
        }
    }
}

/// What has been made of a quiz.
#[derive(Serialize, utoipa::ToSchema)]
struct QuizStatisticsView {
    /// Who began an attempt.
    members: i64,
    members_passed: i64,
    attempts: i64,
    handed_in: i64,
    /// Attempts that passed.
    passed: i64,
    /// As they are in the quiz now.
    questions: Vec<QuestionStatisticsView>,
}

impl From<Statistics> for QuizStatisticsView {
    fn from(statistics: Statistics) -> Self {
        let counts = statistics.counts;
        let questions = statistics.questions.into_iter();
        Self {
            members: counts.members,
            members_passed: counts.members_passed,
            attempts: counts.attempts,
            handed_in: counts.handed_in,
            passed: counts.passed,
            questions: questions.map(QuestionStatisticsView::from).collect(),
        }
    }
}

/// Find what members made of a quiz, question by question: for those who write the lesson.
#[utoipa::path(tag = "quizzes", params(("id" = LessonId, Path)), responses((status = 200, body = QuizStatisticsView)))]
#[get("/lessons/{id}/quiz/statistics")]
async fn find_quiz_statistics(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
) -> AppResult<Tagged<QuizStatisticsView>> {
    let ctx = app.ctx(who.0);
    let statistics = app
        .db
        .read(move |conn| service::view_statistics(conn, &ctx, id.0))
        .await?;
    Ok(Tagged(statistics.into()))
}
