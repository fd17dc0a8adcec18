//! What may happen to a quiz and its attempts, in which order, and who may see what of them.

use std::collections::HashMap;

use serde_json::json;

use super::commands::{HandIn, WriteQuestion, WriteQuiz, check_indexes};
use super::doors::standings;
use super::rules::{self, AttemptStatus, Drawn, GRACE_S, Question, Quiz};
use super::store::{self, AnswerRow, AttemptCounts, AttemptRow, QuizRow, QuizVersionRow};
use super::{QuestionId, QuizAttemptId};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::lessons::{self, LessonId, LessonPlace};
use crate::members;
use crate::organizations::Right;
use crate::platform::db::{DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::platform::text::Problems;
use crate::points::{self, Deed, Rule};
use crate::study;

/// A member reads so many of their attempts at a quiz, the newest.
const MY_ATTEMPTS: i64 = 100;

/// A quiz as it is shown.
#[derive(Debug, Clone)]
pub struct FullQuiz {
    pub row: QuizRow,
    pub quiz: Quiz,
    /// Only to these the questions are shown.
    pub is_writer: bool,
    /// Mine, the newest first, and how they stand now.
    pub attempts: Vec<(AttemptRow, AttemptStatus)>,
    pub passed: bool,
}

/// An attempt as it is shown.
#[derive(Debug, Clone)]
pub struct FullAttempt {
    pub row: AttemptRow,
    pub status: AttemptStatus,
    pub pass_permille: i32,
    /// Not for those who only look after the member: they may have to take the quiz themselves.
    pub questions: Option<Vec<AskedQuestion>>,
}

/// A question of an attempt, its options as they stand there.
#[derive(Debug, Clone)]
pub struct AskedQuestion {
    pub question: Question,
    pub drawn: Drawn,
    pub chosen: Vec<u8>,
}

/// Writes the whole quiz anew; attempts that have begun stay as they are. Tells whether there was none before.
pub fn write_quiz(
    conn: &mut DbConnection,
    ctx: &Ctx,
    lesson: LessonId,
    version: Option<i32>,
    new: WriteQuiz,
) -> AppResult<(FullQuiz, bool)> {
    let place = lessons::hold_to_write(conn, ctx, lesson)?;
    let stored = store::find_quiz(conn, lesson)?;
    let living = stored.as_ref().filter(|(row, _)| row.archived_at.is_none());
    if version.is_some_and(|version| version != living.map_or(0, |(row, _)| row.version)) {
        return Err(Code::VersionMismatch.into());
    }
    let before = living.map(|(_, version)| read_quiz(version)).transpose()?;
    let quiz = settle(ctx, new, before.as_ref())?;
    if let (Some((row, _)), true) = (living, before.as_ref() == Some(&quiz)) {
        return Ok((with_attempts(conn, ctx, row.clone(), quiz, true)?, false));
    }
    let is_new = living.is_none();
    let row = QuizRow {
        lesson_id: lesson,
        tenant_id: place.tenant,
        version: stored.map_or(0, |(row, _)| row.version) + 1,
        updated_at: ctx.now,
        archived_at: None,
    };
    let document = serde_json::to_value(&quiz).map_err(|error| AppError::internal(error.to_string()))?;
    let written = QuizVersionRow {
        lesson_id: lesson,
        number: row.version,
        tenant_id: place.tenant,
        document: Json(document),
        created_at: ctx.now,
        created_by: Some(ctx.actor.account),
    };
    store::save_quiz(conn, &row, &written)?;
    note(conn, ctx, "quiz.update", lesson, &place, row.version)?;
    Ok((with_attempts(conn, ctx, row, quiz, true)?, is_new))
}

/// Keeps the ids of questions that are there already. One whose options or answer are other than before is another
/// question: what was answered to the old one is not counted with it.
fn settle(ctx: &Ctx, new: WriteQuiz, before: Option<&Quiz>) -> AppResult<Quiz> {
    let known: HashMap<QuestionId, &Question> = before
        .iter()
        .flat_map(|quiz| &quiz.questions)
        .map(|question| (question.id, question))
        .collect();
    let mut problems = Problems::default();
    let mut questions = Vec::new();
    for (n, written) in new.questions.into_iter().enumerate() {
        let sent = written.id;
        let mut question = question_of(ctx, written);
        match sent.map(|id| known.get(&id)) {
            Some(Some(old)) if old.asks_the_same(&question) => question.id = old.id,
            Some(None) => {
                let field = format!("/questions/{n}/id");
                problems.add(field, "no_such_question", "is in the quiz no more, or never was");
            }
            _ => {}
        }
        questions.push(question);
    }
    problems.into_result()?;
    Ok(Quiz {
        draw: new.draw,
        pass_permille: new.pass_permille,
        attempt_limit: new.attempt_limit,
        time_limit_s: new.time_limit_s,
        shuffle: new.shuffle,
        questions,
    })
}

fn question_of(ctx: &Ctx, written: WriteQuestion) -> Question {
    Question {
        id: ctx.ids.make(),
        kind: written.kind,
        text: written.text,
        options: written.options,
        answer: written.answer,
        explanation: written.explanation,
    }
}

/// From now on the lesson has none. Attempts that have begun can be handed in.
pub fn archive_quiz(conn: &mut DbConnection, ctx: &Ctx, lesson: LessonId) -> AppResult<()> {
    let place = lessons::hold_to_write(conn, ctx, lesson)?;
    let (mut row, _) = living(conn, lesson)?;
    row.archived_at = Some(ctx.now);
    row.updated_at = ctx.now;
    store::update_quiz(conn, &row)?;
    note(conn, ctx, "quiz.archive", lesson, &place, row.version)
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    lesson: LessonId,
    place: &LessonPlace,
    version: i32,
) -> AppResult<()> {
    let detail = json!({ "version": version });
    let entry = Entry::of(action, lesson.0, place.tenant, place.organization, detail);
    audit::record(conn, ctx, entry)
}

/// The quiz of a lesson that is there for whoever asks: with its questions for those who write it.
pub fn view_quiz(conn: &mut DbConnection, ctx: &Ctx, lesson: LessonId) -> AppResult<FullQuiz> {
    let place = lessons::place(conn, ctx, lesson)?;
    let (row, quiz) = living(conn, lesson)?;
    with_attempts(conn, ctx, row, quiz, place.is_writer)
}

fn with_attempts(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: QuizRow,
    quiz: Quiz,
    is_writer: bool,
) -> AppResult<FullQuiz> {
    let lesson = row.lesson_id;
    let (attempts, standings) = match ctx.actor.member() {
        Ok(member) => (
            store::list_attempts(conn, member, lesson, MY_ATTEMPTS)?,
            standings(conn, &[(member, lesson)])?,
        ),
        Err(_) => Default::default(),
    };
    let with_status = |row: AttemptRow| {
        let status = status_of(&row, ctx.now);
        (row, status)
    };
    Ok(FullQuiz {
        row,
        quiz,
        is_writer,
        attempts: attempts.into_iter().map(with_status).collect(),
        passed: standings.values().any(|standing| standing.passed()),
    })
}

fn living(conn: &mut DbConnection, lesson: LessonId) -> AppResult<(QuizRow, Quiz)> {
    let found = store::find_quiz(conn, lesson)?;
    let (row, version) = found
        .filter(|(row, _)| row.archived_at.is_none())
        .ok_or_else(AppError::not_found)?;
    Ok((row, read_quiz(&version)?))
}

fn read_quiz(version: &QuizVersionRow) -> AppResult<Quiz> {
    read(&version.document)
}

fn read<T: serde::de::DeserializeOwned>(json: &Json) -> AppResult<T> {
    serde_json::from_value(json.0.clone()).map_err(|_| AppError::internal("a quiz or an attempt is damaged"))
}

fn written<T: serde::Serialize>(value: &T) -> AppResult<Json> {
    let json = serde_json::to_value(value).map_err(|error| AppError::internal(error.to_string()))?;
    Ok(Json(json))
}

/// An attempt that is still open is over when its time is, whoever looks.
fn status_of(row: &AttemptRow, now: Instant) -> AttemptStatus {
    let status = AttemptStatus::parse(&row.status).unwrap_or(AttemptStatus::Expired);
    let is_over = row.ends_at.is_some_and(|end| end.plus_s(GRACE_S) < now);
    if status == AttemptStatus::Open && is_over {
        AttemptStatus::Expired
    } else {
        status
    }
}

/// Begins an attempt, or gives back the one that is open. Tells whether it is new.
pub fn start_attempt(conn: &mut DbConnection, ctx: &Ctx, lesson: LessonId) -> AppResult<(FullAttempt, bool)> {
    let member = ctx.actor.member()?;
    if lessons::admitted(conn, &[(member, lesson)])?.is_empty() {
        return Err(AppError::not_found());
    }
    let (quiz_row, quiz) = living(conn, lesson)?;
    // Whatever else this member begins or hands in meanwhile waits.
    study::hold(conn, member, quiz_row.tenant_id)?;
    let last = store::list_attempts(conn, member, lesson, 1)?.pop();
    let number = last.as_ref().map_or(0, |last| last.number) + 1;
    if let Some(mut last) = last.filter(|last| last.status == AttemptStatus::Open.as_str()) {
        if status_of(&last, ctx.now) == AttemptStatus::Open {
            return Ok((with_questions(conn, ctx, last)?, false));
        }
        AttemptStatus::Expired.as_str().clone_into(&mut last.status);
        last.score_permille = Some(0);
        store::update_attempt(conn, &last)?;
    }
    if quiz.attempt_limit.is_some_and(|limit| number > limit) {
        return Err(Code::AttemptsExhausted.into());
    }
    let row = AttemptRow {
        id: ctx.ids.make(),
        tenant_id: quiz_row.tenant_id,
        lesson_id: lesson,
        member_id: member,
        number,
        quiz_version: quiz_row.version,
        drawn: written(&rules::draw(&quiz, &mut rand::rng()))?,
        status: AttemptStatus::Open.as_str().to_owned(),
        started_at: ctx.now,
        ends_at: quiz.time_limit_s.map(|limit| ctx.now.plus_s(limit)),
        answers: None,
        occurred_at: None,
        handed_in_at: None,
        score_permille: None,
        passed: false,
    };
    store::insert_attempt(conn, &row)?;
    Ok((with_questions(conn, ctx, row)?, true))
}

fn with_questions(conn: &mut DbConnection, ctx: &Ctx, row: AttemptRow) -> AppResult<FullAttempt> {
    let version = store::find_version(conn, row.lesson_id, row.quiz_version)?;
    let version = version.ok_or_else(|| AppError::internal("an attempt at a quiz that is not there"))?;
    let quiz = read_quiz(&version)?;
    let drawn: Vec<Drawn> = read(&row.drawn)?;
    let chosen: Vec<Vec<u8>> = match &row.answers {
        Some(answers) => read(answers)?,
        None => Vec::new(),
    };
    let mut questions = Vec::new();
    for (n, drawn) in drawn.into_iter().enumerate() {
        let question = quiz.questions.get(drawn.question).cloned();
        questions.push(AskedQuestion {
            question: question.ok_or_else(|| AppError::internal("a question that is not there"))?,
            chosen: chosen.get(n).cloned().unwrap_or_default(),
            drawn,
        });
    }
    Ok(FullAttempt {
        status: status_of(&row, ctx.now),
        pass_permille: quiz.pass_permille,
        questions: Some(questions),
        row,
    })
}

/// My own attempt; or, when it has been handed in, that of somebody whom I may view.
pub fn view_attempt(conn: &mut DbConnection, ctx: &Ctx, id: QuizAttemptId) -> AppResult<FullAttempt> {
    let row = store::find_attempt(conn, id)?.ok_or_else(AppError::not_found)?;
    if is_mine(ctx, &row) {
        return with_questions(conn, ctx, row);
    }
    members::require_member(conn, ctx, row.member_id, Right::View)?;
    let lesson = row.lesson_id;
    let mut attempt = with_questions(conn, ctx, row)?;
    if attempt.status != AttemptStatus::HandedIn {
        return Err(AppError::not_found());
    }
    let place = lessons::place(conn, ctx, lesson).permitted()?;
    attempt.questions = attempt
        .questions
        .filter(|_| place.is_some_and(|place| place.is_writer));
    Ok(attempt)
}

fn is_mine(ctx: &Ctx, row: &AttemptRow) -> bool {
    !ctx.actor.is_system_admin && ctx.actor.account == row.member_id.into()
}

/// Hands an attempt in, once; the same answers again get the same answer.
pub fn hand_in(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: QuizAttemptId,
    sent: &HandIn,
) -> AppResult<FullAttempt> {
    let seen = store::find_attempt(conn, id)?.ok_or_else(AppError::not_found)?;
    if !is_mine(ctx, &seen) {
        members::require_member(conn, ctx, seen.member_id, Right::View)?;
        return Err(AppError::forbidden());
    }
    // Nothing else is credited to this member meanwhile, and the row is read again: so neither is it handed in twice, nor
    // is the end of the lesson reached unnoticed.
    study::hold(conn, seen.member_id, seen.tenant_id)?;
    let row = store::find_attempt(conn, id)?.ok_or_else(AppError::not_found)?;
    let mut attempt = with_questions(conn, ctx, row)?;
    let questions = attempt.questions.get_or_insert_default();
    let chosen = chosen_of(questions, sent)?;
    match attempt.status {
        AttemptStatus::Open => {}
        AttemptStatus::Expired => return Err(Code::AttemptExpired.into()),
        AttemptStatus::HandedIn => {
            let before = questions.iter().map(|asked| &asked.chosen);
            return if before.eq(&chosen) {
                Ok(attempt)
            } else {
                Err(Code::AlreadyHandedIn.into())
            };
        }
    }
    for (asked, chosen) in questions.iter_mut().zip(&chosen) {
        asked.chosen.clone_from(chosen);
    }
    // What was done longer ago than a backlog may wait counts as of the longest wait.
    let oldest = ctx.now.plus_s(-study::BACKLOG_S);
    let occurred_at = sent
        .occurred_at
        .min(ctx.now)
        .max(attempt.row.started_at)
        .max(oldest);
    mark(conn, ctx, &mut attempt, &chosen, occurred_at)?;
    if attempt.row.passed {
        let row = &attempt.row;
        let (member, tenant, lesson) = (row.member_id, row.tenant_id, row.lesson_id);
        let deed = Deed::of(Rule::QuizPassed, member, lesson, occurred_at);
        study::quiz_passed(conn, &ctx.ids, ctx.now, member, tenant, lesson, occurred_at)?;
        points::award(conn, &ctx.ids, ctx.now, &[deed])?;
    }
    Ok(attempt)
}

/// Scores an attempt and writes it, with what was made of each question.
fn mark(
    conn: &mut DbConnection,
    ctx: &Ctx,
    attempt: &mut FullAttempt,
    chosen: &[Vec<u8>],
    occurred_at: Instant,
) -> AppResult<()> {
    let questions = attempt.questions.as_deref().unwrap_or_default();
    let right = questions.iter().filter(|asked| asked.is_right()).count();
    let score = rules::score_permille(right, questions.len());
    let row = &mut attempt.row;
    attempt.status = AttemptStatus::HandedIn;
    AttemptStatus::HandedIn.as_str().clone_into(&mut row.status);
    row.answers = Some(written(&chosen)?);
    row.occurred_at = Some(occurred_at);
    row.handed_in_at = Some(ctx.now);
    row.score_permille = Some(score);
    row.passed = score >= attempt.pass_permille;
    store::update_attempt(conn, row)?;
    let answer = |asked: &AskedQuestion| AnswerRow {
        attempt_id: row.id,
        question_id: asked.question.id,
        tenant_id: row.tenant_id,
        lesson_id: row.lesson_id,
        chosen: rules::bits(&asked.drawn.written(&asked.chosen)),
        is_right: asked.is_right(),
    };
    let answers: Vec<AnswerRow> = questions.iter().map(answer).collect();
    store::insert_answers(conn, &answers)?;
    Ok(())
}

impl AskedQuestion {
    pub fn is_right(&self) -> bool {
        self.question.is_right(&self.drawn.written(&self.chosen))
    }
}

/// What was chosen of each question of the attempt, in one form however it was sent; 422 for what was not asked.
fn chosen_of(questions: &[AskedQuestion], sent: &HandIn) -> AppResult<Vec<Vec<u8>>> {
    let mut problems = Problems::default();
    let mut all = vec![Vec::new(); questions.len()];
    for (n, answer) in sent.answers.iter().enumerate() {
        let is_it = |asked: &AskedQuestion| asked.question.id == answer.question_id;
        let at = questions.iter().position(is_it);
        let found = at.and_then(|at| questions.get(at).zip(all.get_mut(at)));
        let Some((asked, place)) = found else {
            let field = format!("/answers/{n}/question_id");
            problems.add(field, "no_such_question", "is no question of this attempt");
            continue;
        };
        let mut chosen = answer.chosen.clone();
        let (kind, options) = (asked.question.kind, asked.question.options.len());
        if !chosen.is_empty() {
            check_indexes(
                &mut problems,
                &format!("/answers/{n}/chosen"),
                kind,
                options,
                &chosen,
            );
        }
        if kind != rules::QuestionKind::Ordering {
            chosen.sort_unstable();
        }
        *place = chosen;
    }
    problems.into_result()?;
    Ok(all)
}

/// What has been made of a quiz, for who writes it: of the questions as they are now.
#[derive(Debug, Clone)]
pub struct Statistics {
    pub counts: AttemptCounts,
    pub questions: Vec<QuestionStatistics>,
}

#[derive(Debug, Clone)]
pub struct QuestionStatistics {
    pub question: Question,
    pub asked: i64,
    pub right: i64,
    /// How often each option was chosen, as they were written.
    pub chosen: Vec<i64>,
}

pub fn view_statistics(conn: &mut DbConnection, ctx: &Ctx, lesson: LessonId) -> AppResult<Statistics> {
    let place = lessons::place(conn, ctx, lesson)?;
    if !place.is_writer {
        return Err(AppError::forbidden());
    }
    let (_, quiz) = living(conn, lesson)?;
    let mut choices: HashMap<QuestionId, Vec<store::ChoiceRow>> = HashMap::new();
    for row in store::count_choices(conn, lesson)? {
        choices.entry(row.question_id).or_default().push(row);
    }
    let count = |question: Question| {
        let rows = choices.remove(&question.id).unwrap_or_default();
        let times = |is_counted: &dyn Fn(&store::ChoiceRow) -> bool| {
            let counted = rows.iter().filter(|row| is_counted(row));
            counted.map(|row| row.times).sum::<i64>()
        };
        let options = (0u8..).take(question.options.len());
        QuestionStatistics {
            asked: times(&|_| true),
            right: times(&|row| row.is_right),
            chosen: options
                .map(|option| times(&|row| row.chosen & rules::bits(&[option]) != 0))
                .collect(),
            question,
        }
    };
    Ok(Statistics {
        counts: store::count_attempts(conn, lesson)?,
        questions: quiz.questions.into_iter().map(count).collect(),
    })
}
