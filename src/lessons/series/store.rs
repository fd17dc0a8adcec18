//! Rows and queries of series and the lessons in them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};

use super::commands::SeriesPlace;
use crate::auth::AccountId;
use crate::lessons::store::{Sight, for_student};
use crate::lessons::{LessonId, SeriesId};
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{lesson_series, series_lessons};
use crate::platform::db::{AnyId, DbConnection, Instant, Json, UuidList, sql as types};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset, QueryableByName)]
#[diesel(table_name = lesson_series, treat_none_as_null = true)]
pub struct SeriesRow {
    pub id: SeriesId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub title: String,
    pub summary: String,
    pub status: String,
    pub version: i32,
    pub created_at: Instant,
    pub created_by: Option<AccountId>,
    pub updated_at: Instant,
    pub published_at: Option<Instant>,
    pub archived_at: Option<Instant>,
}

/// A lesson in its place, with what is shown of it there.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct EntryRow {
    #[diesel(sql_type = types::Uuid)]
    pub lesson_id: LessonId,
    #[diesel(sql_type = types::Json)]
    pub prerequisite_ids: Json,
    #[diesel(sql_type = types::Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Of the working copy, like `title`.
    #[diesel(sql_type = Text)]
    pub status: String,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub published_title: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub duration_ms: Option<i32>,
}

impl EntryRow {
    pub fn prerequisites(&self) -> Vec<LessonId> {
        serde_json::from_value(self.prerequisite_ids.0.clone()).unwrap_or_default()
    }
}

pub fn insert_series(conn: &mut DbConnection, row: &SeriesRow) -> QueryResult<usize> {
    diesel::insert_into(lesson_series::table)
        .values(row)
        .execute(conn)
}

pub fn find_series(conn: &mut DbConnection, id: SeriesId) -> QueryResult<Option<SeriesRow>> {
    lesson_series::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_series(conn: &mut DbConnection, id: SeriesId) -> QueryResult<Option<SeriesRow>> {
    let query = format!("SELECT * FROM lesson_series WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<types::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// Writes the whole row, which the caller holds locked, and counts its version up.
pub fn update_series(conn: &mut DbConnection, row: &mut SeriesRow) -> QueryResult<usize> {
    row.version += 1;
    diesel::update(lesson_series::table.find(row.id))
        .set(&*row)
        .execute(conn)
}

pub fn replace_lessons(conn: &mut DbConnection, row: &SeriesRow, places: &[SeriesPlace]) -> QueryResult<()> {
    use series_lessons::dsl as s;
    diesel::delete(s::series_lessons.filter(s::series_id.eq(row.id))).execute(conn)?;
    for (position, place) in (1..).zip(places) {
        diesel::insert_into(s::series_lessons)
            .values((
                s::series_id.eq(row.id),
                s::lesson_id.eq(place.lesson_id),
                s::tenant_id.eq(row.tenant_id),
                s::position.eq(position),
                s::prerequisite_ids.eq(Json(serde_json::json!(place.prerequisite_ids))),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The order as it is stored, whoever may see what of it.
pub fn list_places(conn: &mut DbConnection, id: SeriesId) -> QueryResult<Vec<(LessonId, Json)>> {
    use series_lessons::dsl as s;
    s::series_lessons
        .filter(s::series_id.eq(id))
        .order(s::position)
        .select((s::lesson_id, s::prerequisite_ids))
        .load(conn)
}

/// In their order, those that the actor may see.
pub fn list_entries(conn: &mut DbConnection, id: SeriesId, sight: &Sight) -> QueryResult<Vec<EntryRow>> {
    let query = format!(
        "SELECT e.lesson_id, e.prerequisite_ids, l.organization_id, l.kind, l.status, l.title, v.title AS published_title, v.duration_ms \
         FROM series_lessons e JOIN lessons l ON l.id = e.lesson_id \
         LEFT JOIN lesson_versions v ON v.lesson_id = l.id AND v.number = l.published_number \
         WHERE e.series_id = $1 AND ($2 OR l.organization_id {} OR {}) ORDER BY e.position",
        conn.among("$3"),
        for_student(conn, "l", "$4", "$5")
    );
    let (everywhere, managed) = sight.managed_binds(false);
    let (standing, line) = sight.student_binds();
    diesel::sql_query(query)
        .bind::<types::Uuid, _>(id)
        .bind::<Bool, _>(everywhere)
        .bind::<types::UuidList, _>(managed)
        .bind::<Integer, _>(standing)
        .bind::<types::UuidList, _>(line)
        .load(conn)
}

/// Which of these lessons of a tenant the actor may put into a series: those they see, the archived left out.
pub fn list_usable(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    ids: &[LessonId],
    sight: &Sight,
) -> QueryResult<Vec<LessonId>> {
    let query = format!(
        "SELECT l.id FROM lessons l WHERE l.id {} AND l.tenant_id = $2 AND l.archived_at IS NULL \
         AND ($3 OR l.organization_id {} OR {})",
        conn.among("$1"),
        conn.among("$4"),
        for_student(conn, "l", "$5", "$6")
    );
    let (everywhere, managed) = sight.managed_binds(false);
    let (standing, line) = sight.student_binds();
    let rows: Vec<IdRow> = diesel::sql_query(query)
        .bind::<types::UuidList, _>(ids.iter().copied().collect::<UuidList>())
        .bind::<types::Uuid, _>(tenant)
        .bind::<Bool, _>(everywhere)
        .bind::<types::UuidList, _>(managed)
        .bind::<Integer, _>(standing)
        .bind::<types::UuidList, _>(line)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| LessonId(row.id.0)).collect())
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = types::Uuid)]
    id: AnyId,
}

/// What published series say is to be finished before this lesson, as far as it is published for the actor.
pub fn list_prerequisites(
    conn: &mut DbConnection,
    lesson: LessonId,
    sight: &Sight,
) -> QueryResult<Vec<LessonId>> {
    let asked = series_lessons::table
        .inner_join(lesson_series::table.on(lesson_series::id.eq(series_lessons::series_id)))
        .filter(series_lessons::lesson_id.eq(lesson))
        .filter(lesson_series::status.eq("published"))
        .select(series_lessons::prerequisite_ids)
        .load::<Json>(conn)?;
    let ids: UuidList = asked
        .into_iter()
        .flat_map(|Json(ids)| serde_json::from_value::<Vec<LessonId>>(ids).unwrap_or_default())
        .collect();
    let query = format!(
        "SELECT l.id FROM lessons l WHERE l.id {} AND {} ORDER BY l.id",
        conn.among("$1"),
        for_student(conn, "l", "$2", "$3")
    );
    let (standing, line) = sight.student_binds();
    let rows: Vec<IdRow> = diesel::sql_query(query)
        .bind::<types::UuidList, _>(ids)
        .bind::<Integer, _>(standing)
        .bind::<types::UuidList, _>(line)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| LessonId(row.id.0)).collect())
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct SeriesFilter {
    pub sight: Sight,
    /// Only what is published and holds something for the actor.
    pub mine: bool,
    pub organizations: Option<Vec<OrganizationId>>,
    /// None: all but the archived.
    pub status: Option<&'static str>,
    pub page: Page<SeriesId>,
}

/// `s` is a series the filter lets through; ten binds.
fn condition(conn: &DbConnection) -> String {
    format!(
        "($1 OR s.tenant_id = $2) AND ($3 OR s.organization_id {}) AND (($5 <> '' AND s.status = $5) OR ($5 = '' AND s.archived_at IS NULL)) \
         AND ($6 OR s.organization_id {} OR (s.status = 'published' AND EXISTS \
         (SELECT 1 FROM series_lessons e JOIN lessons l ON l.id = e.lesson_id WHERE e.series_id = s.id AND {})))",
        conn.among("$4"),
        conn.among("$7"),
        for_student(conn, "l", "$8", "$9")
    )
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let filter: &SeriesFilter = $filter;
        let (every_tenant, tenant) = filter.sight.tenant_binds();
        let (everywhere, managed) = filter.sight.managed_binds(filter.mine);
        let (standing, line) = filter.sight.student_binds();
        let within = filter.organizations.iter().flatten().copied();
        diesel::sql_query($query)
            .bind::<Bool, _>(every_tenant)
            .bind::<types::Uuid, _>(tenant)
            .bind::<Bool, _>(filter.organizations.is_none())
            .bind::<types::UuidList, _>(within.collect::<UuidList>())
            .bind::<Text, _>(filter.status.unwrap_or_default())
            .bind::<Bool, _>(everywhere)
            .bind::<types::UuidList, _>(managed)
            .bind::<Integer, _>(standing)
            .bind::<types::UuidList, _>(line)
    }};
}

/// The newest first.
pub fn list_series(conn: &mut DbConnection, filter: &SeriesFilter) -> QueryResult<Found<SeriesRow>> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let page = &filter.page;
    let condition = condition(conn);
    let query = format!(
        "SELECT s.* FROM lesson_series s WHERE {condition} AND ($10 OR s.id < $11) ORDER BY s.id DESC LIMIT $12"
    );
    let after = page.after.map_or(uuid::Uuid::nil(), |id| id.0);
    let rows = filtered!(query, filter)
        .bind::<Bool, _>(page.after.is_none())
        .bind::<types::Uuid, _>(AnyId(after))
        .bind::<BigInt, _>(page.fetch())
        .load(conn)?;
    let count = if page.count {
        let query = format!("SELECT COUNT(*) AS count FROM lesson_series s WHERE {condition}");
        Some(filtered!(query, filter).get_result::<Count>(conn)?.count)
    } else {
        None
    };
    Ok(Found { rows, count })
}
