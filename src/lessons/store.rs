//! Rows and queries of lessons, their published versions, tags and audience.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use serde::Deserialize;

use super::LessonId;
use super::article::Section;
use crate::auth::AccountId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{
    lesson_files, lesson_organizations, lesson_tags, lesson_versions, lessons,
};
use crate::platform::db::{
    AnyId, DbConnection, Instant, Json, MultiBackend, Prepared, UuidList, sql as types,
};
use crate::platform::page::{Found, Page};

/// The working copy.
#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset, QueryableByName)]
#[diesel(table_name = lessons, treat_none_as_null = true)]
pub struct LessonRow {
    pub id: LessonId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub kind: String,
    pub status: String,
    pub title: String,
    pub summary: String,
    pub body: String,
    pub transcript: String,
    pub media_id: Option<AnyId>,
    pub threshold_permille: i32,
    pub speed_percent: i32,
    pub audience_standings: i32,
    pub published_number: Option<i32>,
    pub version: i32,
    pub created_at: Instant,
    pub created_by: Option<AccountId>,
    pub updated_at: Instant,
    pub submitted_at: Option<Instant>,
    pub submitted_by: Option<AccountId>,
    pub reviewed_at: Option<Instant>,
    pub reviewed_by: Option<AccountId>,
    pub review_note: Option<String>,
    pub archived_at: Option<Instant>,
}

/// A published version without its words.
#[derive(Debug, Clone, QueryableByName)]
pub struct CourseRow {
    #[diesel(sql_type = types::Uuid)]
    pub lesson_id: LessonId,
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = types::Uuid)]
    pub tenant_id: OrganizationId,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Integer)]
    pub duration_ms: i32,
    #[diesel(sql_type = types::Json)]
    sections: Json,
    #[diesel(sql_type = Integer)]
    pub threshold_permille: i32,
    #[diesel(sql_type = Integer)]
    pub speed_percent: i32,
    #[diesel(sql_type = Nullable<Integer>)]
    pub published_number: Option<i32>,
    #[diesel(sql_type = types::Instant)]
    pub published_at: Instant,
}

/// An organization that a published lesson is for, and the standings.
#[derive(Debug, Clone, QueryableByName)]
pub struct AudienceRow {
    #[diesel(sql_type = types::Uuid)]
    pub lesson_id: LessonId,
    #[diesel(sql_type = types::Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(sql_type = Integer)]
    pub audience_standings: i32,
    #[diesel(sql_type = Nullable<types::Instant>)]
    pub archived_at: Option<Instant>,
}

/// What was published; never changed.
#[derive(Debug, Clone, PartialEq, Queryable, Insertable, QueryableByName)]
#[diesel(table_name = lesson_versions, treat_none_as_default_value = false)]
pub struct VersionRow {
    pub lesson_id: LessonId,
    pub number: i32,
    pub tenant_id: OrganizationId,
    pub title: String,
    pub summary: String,
    pub body: String,
    pub body_html: String,
    pub transcript: String,
    pub media_id: Option<AnyId>,
    pub duration_ms: i32,
    pub sections: Json,
    pub threshold_permille: i32,
    pub speed_percent: i32,
    pub published_at: Instant,
    pub published_by: Option<AccountId>,
}

impl VersionRow {
    pub fn sections(&self) -> Vec<Section> {
        sections_in(&self.sections)
    }
}

impl CourseRow {
    pub fn sections(&self) -> Vec<Section> {
        sections_in(&self.sections)
    }
}

fn sections_in(json: &Json) -> Vec<Section> {
    Vec::deserialize(&json.0).unwrap_or_default()
}

pub fn insert_lesson(conn: &mut DbConnection, row: &LessonRow) -> QueryResult<usize> {
    diesel::insert_into(lessons::table).values(row).execute(conn)
}

pub fn find_lesson(conn: &mut DbConnection, id: LessonId) -> QueryResult<Option<LessonRow>> {
    lessons::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_lesson(conn: &mut DbConnection, id: LessonId) -> QueryResult<Option<LessonRow>> {
    let query = format!("SELECT * FROM lessons WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<types::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// Takes all that was ever published of it: a completion names one of them, and waits.
pub fn lock_versions(conn: &mut DbConnection, lesson: LessonId) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Held {
        #[diesel(sql_type = types::Uuid, column_name = lesson_id)]
        _lesson: LessonId,
    }
    let query = format!(
        "SELECT lesson_id FROM lesson_versions WHERE lesson_id = $1 ORDER BY number{}",
        conn.for_update_and_references()
    );
    diesel::sql_query(query)
        .bind::<types::Uuid, _>(lesson)
        .load::<Held>(conn)
        .map(|_| ())
}

/// Writes the whole row, which the caller holds locked, and counts its version up.
pub fn update_lesson(conn: &mut DbConnection, row: &mut LessonRow) -> QueryResult<usize> {
    row.version += 1;
    diesel::update(lessons::table.find(row.id))
        .set(&*row)
        .execute(conn)
}

pub fn insert_version(conn: &mut DbConnection, row: &VersionRow) -> QueryResult<usize> {
    diesel::insert_into(lesson_versions::table)
        .values(row)
        .execute(conn)
}

/// What members see of these lessons.
pub fn list_published(conn: &mut DbConnection, ids: &[LessonId]) -> QueryResult<Vec<VersionRow>> {
    let query = format!(
        "SELECT v.* FROM lesson_versions v JOIN lessons l ON l.id = v.lesson_id AND l.published_number = v.number \
         WHERE l.id {}",
        conn.among("$1")
    );
    diesel::sql_query(query)
        .bind::<types::UuidList, _>(ids.iter().copied().collect::<UuidList>())
        .load(conn)
}

/// All published versions of these lessons.
pub fn list_courses(conn: &mut DbConnection, lessons: UuidList) -> QueryResult<Vec<CourseRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!(
            "SELECT v.lesson_id, v.number, v.tenant_id, l.kind, v.title, v.duration_ms, v.sections, v.threshold_permille, \
             v.speed_percent, l.published_number, v.published_at FROM lessons l JOIN lesson_versions v ON v.lesson_id = l.id WHERE l.id {open}"
        ))
        .ids(lessons)
        .sql(close)
        .load(conn)
}

/// Whom these lessons are for that were published, archived or not.
pub fn list_audiences_ever(conn: &mut DbConnection, lessons: UuidList) -> QueryResult<Vec<AudienceRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!(
            "SELECT a.lesson_id, a.organization_id, l.audience_standings, l.archived_at FROM lessons l \
             JOIN lesson_organizations a ON a.lesson_id = l.id WHERE l.published_number IS NOT NULL AND l.id {open}"
        ))
        .ids(lessons)
        .sql(close)
        .load(conn)
}

/// Whom these lessons are for, if they are published and not put away.
pub fn list_audiences(conn: &mut DbConnection, lessons: UuidList) -> QueryResult<Vec<AudienceRow>> {
    let mut rows = list_audiences_ever(conn, lessons)?;
    rows.retain(|row| row.archived_at.is_none());
    Ok(rows)
}

/// What members see of the lessons after this one, in the order of their ids, locked until the transaction ends.
pub fn lock_published(
    conn: &mut DbConnection,
    after: Option<LessonId>,
    limit: i64,
) -> QueryResult<Vec<VersionRow>> {
    let query = format!(
        "SELECT v.* FROM lesson_versions v JOIN lessons l ON l.id = v.lesson_id AND l.published_number = v.number \
         WHERE l.id > $1 AND l.archived_at IS NULL ORDER BY l.id LIMIT $2{}",
        conn.for_update()
    );
    diesel::sql_query(query)
        .bind::<types::Uuid, _>(after.unwrap_or(LessonId(uuid::Uuid::nil())))
        .bind::<BigInt, _>(limit)
        .load(conn)
}

/// All that was ever published of a lesson, the newest first.
pub fn list_versions(
    conn: &mut DbConnection,
    id: LessonId,
    page: &Page<i32>,
) -> QueryResult<Found<VersionRow>> {
    let of_lesson = || lesson_versions::table.filter(lesson_versions::lesson_id.eq(id));
    let mut query = of_lesson()
        .order(lesson_versions::number.desc())
        .limit(page.fetch())
        .into_boxed();
    if let Some(number) = page.after {
        query = query.filter(lesson_versions::number.lt(number));
    }
    let count = page.count.then(|| of_lesson().count().get_result(conn));
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

pub fn replace_tags(conn: &mut DbConnection, lesson: &LessonRow, tags: &[String]) -> QueryResult<()> {
    use lesson_tags::dsl as t;
    diesel::delete(t::lesson_tags.filter(t::lesson_id.eq(lesson.id))).execute(conn)?;
    for tag in tags {
        diesel::insert_into(t::lesson_tags)
            .values((
                t::lesson_id.eq(lesson.id),
                t::tag.eq(tag),
                t::tenant_id.eq(lesson.tenant_id),
            ))
            .execute(conn)?;
    }
    Ok(())
}

pub fn list_tags(conn: &mut DbConnection, ids: &[LessonId]) -> QueryResult<Vec<(LessonId, String)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = types::Uuid)]
        lesson_id: LessonId,
        #[diesel(sql_type = Text)]
        tag: String,
    }
    let query = format!(
        "SELECT lesson_id, tag FROM lesson_tags WHERE lesson_id {}",
        conn.among("$1")
    );
    let rows: Vec<Row> = diesel::sql_query(query)
        .bind::<types::UuidList, _>(ids.iter().copied().collect::<UuidList>())
        .load(conn)?;
    let mut tags: Vec<_> = rows.into_iter().map(|row| (row.lesson_id, row.tag)).collect();
    // As they are written (`check_tags`), whatever the database's language thinks of their order.
    tags.sort_unstable();
    Ok(tags)
}

pub fn replace_audience(
    conn: &mut DbConnection,
    lesson: &LessonRow,
    organizations: &[OrganizationId],
) -> QueryResult<()> {
    use lesson_organizations::dsl as o;
    diesel::delete(o::lesson_organizations.filter(o::lesson_id.eq(lesson.id))).execute(conn)?;
    for organization in organizations {
        diesel::insert_into(o::lesson_organizations)
            .values((
                o::lesson_id.eq(lesson.id),
                o::organization_id.eq(*organization),
                o::tenant_id.eq(lesson.tenant_id),
            ))
            .execute(conn)?;
    }
    Ok(())
}

pub fn list_audience(conn: &mut DbConnection, id: LessonId) -> QueryResult<Vec<OrganizationId>> {
    use lesson_organizations::dsl as o;
    o::lesson_organizations
        .filter(o::lesson_id.eq(id))
        .select(o::organization_id)
        .order(o::organization_id)
        .load(conn)
}

/// A member as far as 'for me?' goes: the organizations from the root down to theirs, and the standing's bit.
#[derive(Debug, Clone)]
pub struct Student {
    pub line: Vec<uuid::Uuid>,
    pub standing: i32,
}

/// Who looks, as far as lessons go.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// None means every tenant: for the system admin.
    pub tenant: Option<OrganizationId>,
    /// Organizations whose lessons the actor may write or inspect; none means all of them everywhere.
    pub managed: Option<Vec<OrganizationId>>,
    pub student: Option<Student>,
}

impl Sight {
    pub fn manages(&self, organization: OrganizationId) -> bool {
        self.managed
            .as_ref()
            .is_none_or(|managed| managed.contains(&organization))
    }

    /// For a condition that says '$n is true, or the organization is one of $m'; nothing is managed when only `mine` is asked.
    pub fn managed_binds(&self, mine: bool) -> (bool, UuidList) {
        let ids = self.managed.iter().flatten().copied().filter(|_| !mine);
        (self.managed.is_none() && !mine, ids.collect())
    }

    /// For `for_student`: nobody is no member of anything.
    pub fn student_binds(&self) -> (i32, UuidList) {
        let line = self.student.iter().flat_map(|who| who.line.iter().copied());
        (
            self.student.as_ref().map_or(0, |who| who.standing),
            line.collect(),
        )
    }

    /// For a condition that says '$n is true, or the tenant is $m'.
    pub fn tenant_binds(&self) -> (bool, AnyId) {
        let tenant = self.tenant.map_or(uuid::Uuid::nil(), |tenant| tenant.0);
        (self.tenant.is_none(), AnyId(tenant))
    }
}

/// What a list is narrowed to. Who may see what is part of the query, so that pages stay full.
#[derive(Debug, Clone, Default)]
pub struct LessonFilter {
    pub sight: Sight,
    /// Only what is published for the actor.
    pub mine: bool,
    pub organizations: Option<Vec<OrganizationId>>,
    pub kind: Option<&'static str>,
    /// None: all but the archived.
    pub status: Option<&'static str>,
    pub tag: Option<String>,
    pub page: Page<LessonId>,
}

type Condition = Box<dyn diesel::BoxableExpression<lessons::table, MultiBackend, SqlType = Bool>>;

/// Published, not put away, and for a member: the SQL before, between and after the binds of the standing's bit and of
/// the line of organizations, for the lesson called `name` in the query.
fn for_student_parts(conn: &DbConnection, name: &str) -> [String; 3] {
    let (open, close) = conn.among_parts();
    [
        format!(
            "({name}.published_number IS NOT NULL AND {name}.archived_at IS NULL AND ({name}.audience_standings & "
        ),
        format!(
            ") <> 0 AND EXISTS (SELECT 1 FROM lesson_organizations a WHERE a.lesson_id = {name}.id AND a.organization_id {open}"
        ),
        format!("{close}))"),
    ]
}

/// The same condition for a query written out, with the numbers of its two binds.
pub fn for_student(conn: &DbConnection, name: &str, standing: &str, line: &str) -> String {
    let [before, between, after] = for_student_parts(conn, name);
    [&before, standing, &between, line, &after]
        .map(|part| part.to_owned())
        .concat()
}

fn is_for(conn: &DbConnection, who: &Student) -> Condition {
    let [before, between, after] = for_student_parts(conn, "lessons");
    Box::new(
        sql::<Bool>(&before)
            .bind::<Integer, _>(who.standing)
            .sql(&between)
            .bind::<types::UuidList, _>(who.line.iter().copied().collect::<UuidList>())
            .sql(&after),
    )
}

fn of_organizations(conn: &DbConnection, ids: &[OrganizationId]) -> Condition {
    let (open, close) = conn.among_parts();
    Box::new(
        sql::<Bool>(&format!("(lessons.organization_id {open}"))
            .bind::<types::UuidList, _>(ids.iter().copied().collect::<UuidList>())
            .sql(&format!("{close})")),
    )
}

/// The newest first.
pub fn list_lessons(conn: &mut DbConnection, filter: &LessonFilter) -> QueryResult<Found<LessonRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order(lessons::id.desc())
        .limit(page.fetch());
    if let Some(id) = page.after {
        query = query.filter(lessons::id.lt(id));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn narrowed<'a>(conn: &DbConnection, filter: &LessonFilter) -> lessons::BoxedQuery<'a, MultiBackend> {
    let mut query = lessons::table.into_boxed();
    let mine = match &filter.sight.student {
        Some(who) => is_for(conn, who),
        None => Box::new(sql::<Bool>("1 = 0")),
    };
    query = match (&filter.sight.managed, filter.mine) {
        (_, true) => query.filter(mine),
        (None, false) => query,
        (Some(managed), false) => query.filter(of_organizations(conn, managed).or(mine)),
    };
    if let Some(tenant) = filter.sight.tenant {
        query = query.filter(lessons::tenant_id.eq(tenant));
    }
    if let Some(organizations) = &filter.organizations {
        query = query.filter(of_organizations(conn, organizations));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(lessons::kind.eq(kind));
    }
    query = match filter.status {
        Some(status) => query.filter(lessons::status.eq(status)),
        None => query.filter(lessons::archived_at.is_null()),
    };
    if let Some(tag) = &filter.tag {
        query = query.filter(
            sql::<Bool>("EXISTS (SELECT 1 FROM lesson_tags t WHERE t.lesson_id = lessons.id AND t.tag = ")
                .bind::<Text, _>(tag.clone())
                .sql(")"),
        );
    }
    query
}

/// A file beside what is played, of a version or (0) of the working copy.
#[derive(Debug, Clone, PartialEq, Queryable, Insertable)]
#[diesel(table_name = lesson_files, treat_none_as_default_value = false)]
pub struct LessonFileRow {
    pub lesson_id: LessonId,
    pub number: i32,
    pub role: String,
    pub position: i32,
    pub tenant_id: OrganizationId,
    pub language: Option<String>,
    pub media_id: AnyId,
}

/// In their order.
pub fn list_files(conn: &mut DbConnection, lesson: LessonId, number: i32) -> QueryResult<Vec<LessonFileRow>> {
    lesson_files::table
        .filter(lesson_files::lesson_id.eq(lesson))
        .filter(lesson_files::number.eq(number))
        .order(lesson_files::position)
        .load(conn)
}

pub fn replace_files(
    conn: &mut DbConnection,
    lesson: LessonId,
    number: i32,
    rows: &[LessonFileRow],
) -> QueryResult<()> {
    use lesson_files::dsl as f;
    let old = f::lesson_files
        .filter(f::lesson_id.eq(lesson))
        .filter(f::number.eq(number));
    diesel::delete(old).execute(conn)?;
    for row in rows {
        diesel::insert_into(f::lesson_files).values(row).execute(conn)?;
    }
    Ok(())
}

/// Does a lesson use this file, or did it when a version was published?
pub fn uses_file(conn: &mut DbConnection, file: AnyId) -> QueryResult<bool> {
    use diesel::dsl::exists;
    let working = lessons::table.filter(lessons::media_id.eq(file));
    let published = lesson_versions::table.filter(lesson_versions::media_id.eq(file));
    let beside = lesson_files::table.filter(lesson_files::media_id.eq(file));
    Ok(diesel::select(exists(beside)).get_result(conn)?
        || diesel::select(exists(working)).get_result(conn)?
        || diesel::select(exists(published)).get_result(conn)?)
}

/// Is it published for such a member?
pub fn is_for_student(conn: &mut DbConnection, id: LessonId, who: &Student) -> QueryResult<bool> {
    let found: Option<LessonId> = lessons::table
        .filter(lessons::id.eq(id))
        .filter(is_for(conn, who))
        .select(lessons::id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}
