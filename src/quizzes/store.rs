//! Rows and queries of quizzes, their versions, and attempts.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable};

use super::{QuestionId, QuizAttemptId};
use crate::auth::AccountId;
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{lesson_quizzes, quiz_answers, quiz_attempts, quiz_versions};
use crate::platform::db::{DbConnection, Instant, Json, Prepared, UuidList, sql as types};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, QueryableByName)]
#[diesel(table_name = lesson_quizzes, treat_none_as_null = true)]
pub struct QuizRow {
    pub lesson_id: LessonId,
    pub tenant_id: OrganizationId,
    pub version: i32,
    pub updated_at: Instant,
    pub archived_at: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = quiz_versions)]
pub struct QuizVersionRow {
    pub lesson_id: LessonId,
    pub number: i32,
    pub tenant_id: OrganizationId,
    pub document: Json,
    pub created_at: Instant,
    pub created_by: Option<AccountId>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = quiz_attempts, treat_none_as_null = true)]
pub struct AttemptRow {
    pub id: QuizAttemptId,
    pub tenant_id: OrganizationId,
    pub lesson_id: LessonId,
    pub member_id: MemberId,
    pub number: i32,
    pub quiz_version: i32,
    pub drawn: Json,
    pub status: String,
    pub started_at: Instant,
    pub ends_at: Option<Instant>,
    pub answers: Option<Json>,
    pub occurred_at: Option<Instant>,
    pub handed_in_at: Option<Instant>,
    pub score_permille: Option<i32>,
    pub passed: bool,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = quiz_answers)]
pub struct AnswerRow {
    pub attempt_id: QuizAttemptId,
    pub question_id: QuestionId,
    pub tenant_id: OrganizationId,
    pub lesson_id: LessonId,
    pub chosen: i32,
    pub is_right: bool,
}

/// Whether archived or not, with its newest version.
pub fn find_quiz(
    conn: &mut DbConnection,
    lesson: LessonId,
) -> QueryResult<Option<(QuizRow, QuizVersionRow)>> {
    lesson_quizzes::table
        .inner_join(
            quiz_versions::table.on(quiz_versions::lesson_id
                .eq(lesson_quizzes::lesson_id)
                .and(quiz_versions::number.eq(lesson_quizzes::version))),
        )
        .filter(lesson_quizzes::lesson_id.eq(lesson))
        .first(conn)
        .optional()
}

pub fn find_version(
    conn: &mut DbConnection,
    lesson: LessonId,
    number: i32,
) -> QueryResult<Option<QuizVersionRow>> {
    quiz_versions::table.find((lesson, number)).first(conn).optional()
}

/// A new version, and the quiz that shows it. The caller holds the lesson.
pub fn save_quiz(conn: &mut DbConnection, row: &QuizRow, version: &QuizVersionRow) -> QueryResult<()> {
    if update_quiz(conn, row)? == 0 {
        diesel::insert_into(lesson_quizzes::table)
            .values(row)
            .execute(conn)?;
    }
    diesel::insert_into(quiz_versions::table)
        .values(version)
        .execute(conn)?;
    Ok(())
}

pub fn update_quiz(conn: &mut DbConnection, row: &QuizRow) -> QueryResult<usize> {
    diesel::update(lesson_quizzes::table.find(row.lesson_id))
        .set(row)
        .execute(conn)
}

pub fn insert_attempt(conn: &mut DbConnection, row: &AttemptRow) -> QueryResult<usize> {
    diesel::insert_into(quiz_attempts::table)
        .values(row)
        .execute(conn)
}

/// The caller holds its member's clock.
pub fn update_attempt(conn: &mut DbConnection, row: &AttemptRow) -> QueryResult<usize> {
    diesel::update(quiz_attempts::table.find(row.id))
        .set(row)
        .execute(conn)
}

pub fn find_attempt(conn: &mut DbConnection, id: QuizAttemptId) -> QueryResult<Option<AttemptRow>> {
    quiz_attempts::table.find(id).first(conn).optional()
}

/// A member's attempts at the quiz of a lesson, the newest first.
pub fn list_attempts(
    conn: &mut DbConnection,
    member: MemberId,
    lesson: LessonId,
    limit: i64,
) -> QueryResult<Vec<AttemptRow>> {
    use quiz_attempts::dsl as a;
    a::quiz_attempts
        .filter(a::member_id.eq(member).and(a::lesson_id.eq(lesson)))
        .order(a::number.desc())
        .limit(limit)
        .load(conn)
}

pub fn insert_answers(conn: &mut DbConnection, rows: &[AnswerRow]) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(conn) => {
            for row in rows {
                diesel::insert_into(quiz_answers::table)
                    .values(row)
                    .execute(conn)?;
            }
        }
        DbConnection::Pg(conn) => {
            diesel::insert_into(quiz_answers::table)
                .values(rows)
                .execute(conn)?;
        }
    }
    Ok(())
}

/// A quiz, and somebody who passed it, if anybody of those asked for did.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct PassedRow {
    #[diesel(sql_type = types::Uuid)]
    pub lesson_id: LessonId,
    #[diesel(sql_type = Nullable<types::Uuid>)]
    pub member_id: Option<MemberId>,
    #[diesel(sql_type = Nullable<types::Instant>)]
    pub passed_at: Option<Instant>,
}

pub fn list_passed(
    conn: &mut DbConnection,
    members: UuidList,
    lessons: UuidList,
) -> QueryResult<Vec<PassedRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!(
            "SELECT q.lesson_id, a.member_id, a.occurred_at AS passed_at FROM lesson_quizzes q \
             LEFT JOIN quiz_attempts a ON a.lesson_id = q.lesson_id AND a.passed AND a.member_id {open}"
        ))
        .ids(members)
        .sql(format!(
            "{close} WHERE q.archived_at IS NULL AND q.lesson_id {open}"
        ))
        .ids(lessons)
        .sql(close)
        .load(conn)
}

/// All attempts at a quiz together.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct AttemptCounts {
    #[diesel(sql_type = BigInt)]
    pub members: i64,
    #[diesel(sql_type = BigInt)]
    pub members_passed: i64,
    #[diesel(sql_type = BigInt)]
    pub attempts: i64,
    #[diesel(sql_type = BigInt)]
    pub handed_in: i64,
    #[diesel(sql_type = BigInt)]
    pub passed: i64,
}

pub fn count_attempts(conn: &mut DbConnection, lesson: LessonId) -> QueryResult<AttemptCounts> {
    diesel::sql_query(
        "SELECT count(DISTINCT member_id) AS members, count(DISTINCT CASE WHEN passed THEN member_id END) AS members_passed, \
         count(*) AS attempts, count(handed_in_at) AS handed_in, count(CASE WHEN passed THEN 1 END) AS passed \
         FROM quiz_attempts WHERE lesson_id = $1",
    )
    .bind::<types::Uuid, _>(lesson)
    .get_result(conn)
}

/// How often the same was chosen of a question.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct ChoiceRow {
    #[diesel(sql_type = types::Uuid)]
    pub question_id: QuestionId,
    #[diesel(sql_type = Integer)]
    pub chosen: i32,
    #[diesel(sql_type = Bool)]
    pub is_right: bool,
    #[diesel(sql_type = BigInt)]
    pub times: i64,
}

pub fn count_choices(conn: &mut DbConnection, lesson: LessonId) -> QueryResult<Vec<ChoiceRow>> {
    diesel::sql_query(
        "SELECT question_id, chosen, is_right, count(*) AS times FROM quiz_answers WHERE lesson_id = $1 \
         GROUP BY question_id, chosen, is_right",
    )
    .bind::<types::Uuid, _>(lesson)
    .load(conn)
}
