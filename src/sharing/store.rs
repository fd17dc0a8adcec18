//! Rows and queries of reflections, their pictures and likes, and of an event's materials. Who sees what is part of the
//! query, so that pages stay full.

use diesel::dsl::sql as fragment;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::{MaterialId, ReflectionId};
use crate::auth::AccountId;
use crate::events::EventId;
use crate::media::MediaId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{event_materials, reflection_likes, reflection_pictures, reflections};
use crate::platform::db::{DbConnection, Instant, LiteralCondition, MultiBackend, PairQuery, UuidList, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset, QueryableByName)]
#[diesel(table_name = reflections, treat_none_as_null = true)]
pub struct ReflectionRow {
    pub id: ReflectionId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub event_id: EventId,
    pub author_id: MemberId,
    pub branch_id: OrganizationId,
    pub text: String,
    pub visibility: String,
    pub status: String,
    pub reason: Option<String>,
    pub decided_at: Option<Instant>,
    pub decided_by: Option<AccountId>,
    pub published_at: Option<Instant>,
    pub withdrawn_at: Option<Instant>,
    pub version: i32,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, Queryable, Insertable, QueryableByName)]
#[diesel(table_name = reflection_pictures)]
pub struct PictureRow {
    pub reflection_id: ReflectionId,
    pub number: i32,
    pub tenant_id: OrganizationId,
    pub media_id: MediaId,
    pub width: i32,
    pub height: i32,
    pub added_at: Instant,
    pub removed_at: Option<Instant>,
}

#[derive(Debug, Clone, Queryable, Insertable, QueryableByName)]
#[diesel(table_name = event_materials)]
pub struct MaterialRow {
    pub id: MaterialId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub title: String,
    pub media_id: MediaId,
    pub position: i32,
    pub created_at: Instant,
    pub created_by: AccountId,
    pub archived_at: Option<Instant>,
    pub archived_by: Option<AccountId>,
}

const REFLECTION: &str = "id, tenant_id, organization_id, event_id, author_id, branch_id, text, visibility, status, reason, \
     decided_at, decided_by, published_at, withdrawn_at, version, created_at, updated_at";

/// Somebody as far as 'may I see it?' goes.
#[derive(Debug, Clone)]
pub struct Reader {
    pub tenant: OrganizationId,
    pub member: MemberId,
    /// Home, or the branch above a group.
    pub branch: OrganizationId,
    /// Organizations whose events they manage, and those whose people they view.
    pub manages: Vec<OrganizationId>,
    pub views: Vec<OrganizationId>,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct ReflectionFilter {
    /// None sees everything: the system admin.
    pub reader: Option<Reader>,
    pub event: Option<EventId>,
    pub author: Option<MemberId>,
    pub status: Option<&'static str>,
    pub page: Page<ReflectionId>,
}

type Condition = Box<dyn diesel::BoxableExpression<reflections::table, MultiBackend, SqlType = Bool>>;

/// The author's own and those of the events that somebody manages, as they stand; of what is published, that which is
/// for them. Who took part is on the frozen roster, or came: a reflection freezes it.
fn is_seen_by(conn: &DbConnection, reader: &Reader) -> Condition {
    let (open, close) = conn.among_parts();
    let list = |ids: &[OrganizationId]| ids.iter().copied().collect::<UuidList>();
    Box::new(
        fragment::<Bool>("(reflections.tenant_id = ")
            .bind::<sql::Uuid, _>(reader.tenant)
            .sql(" AND (reflections.author_id = ")
            .bind::<sql::Uuid, _>(reader.member)
            .sql(&format!(" OR reflections.organization_id {open}"))
            .bind::<sql::UuidList, _>(list(&reader.manages))
            .sql(&format!(
                "{close} OR (reflections.status = 'published' AND (reflections.visibility = 'tree' \
                 OR (reflections.visibility = 'branch' AND reflections.branch_id = "
            ))
            .bind::<sql::Uuid, _>(reader.branch)
            .sql(&format!(") OR reflections.organization_id {open}"))
            .bind::<sql::UuidList, _>(list(&reader.views))
            .sql(&format!(
                "{close} OR EXISTS (SELECT 1 FROM roster_entries e WHERE e.event_id = reflections.event_id AND e.member_id = "
            ))
            .bind::<sql::Uuid, _>(reader.member)
            .sql(
                ") OR EXISTS (SELECT 1 FROM check_ins c WHERE c.event_id = reflections.event_id \
                 AND c.annulled_at IS NULL AND c.member_id = ",
            )
            .bind::<sql::Uuid, _>(reader.member)
            .sql(")))))"),
    )
}

fn narrowed<'a>(conn: &DbConnection, filter: &ReflectionFilter) -> reflections::BoxedQuery<'a, MultiBackend> {
    let mut query = reflections::table.into_boxed();
    if let Some(reader) = &filter.reader {
        // Said once more in the open, for the index.
        query = query
            .filter(reflections::tenant_id.eq(reader.tenant))
            .filter(is_seen_by(conn, reader));
    }
    if let Some(event) = filter.event {
        query = query.filter(reflections::event_id.eq(event));
    }
    if let Some(author) = filter.author {
        query = query.filter(reflections::author_id.eq(author));
    }
    if let Some(status) = filter.status {
        query = query.filter(reflections::status.eq(status));
    }
    query
}

/// The newest first.
pub fn list_reflections(
    conn: &mut DbConnection,
    filter: &ReflectionFilter,
) -> QueryResult<Found<ReflectionRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order(reflections::id.desc())
        .limit(page.fetch());
    if let Some(id) = page.after {
        query = query.filter(reflections::id.lt(id));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// The row, if the reader may see it.
pub fn find_seen(
    conn: &mut DbConnection,
    id: ReflectionId,
    reader: Option<Reader>,
) -> QueryResult<Option<ReflectionRow>> {
    let filter = ReflectionFilter {
        reader,
        ..ReflectionFilter::default()
    };
    narrowed(conn, &filter)
        .filter(reflections::id.eq(id))
        .first(conn)
        .optional()
}

/// The row, locked until the transaction ends.
pub fn lock_reflection(conn: &mut DbConnection, id: ReflectionId) -> QueryResult<Option<ReflectionRow>> {
    let query = format!("SELECT * FROM reflections WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// All of one author, whatever became of them, locked until the transaction ends.
pub fn lock_all_of(conn: &mut DbConnection, author: MemberId) -> QueryResult<Vec<ReflectionRow>> {
    let lock = conn.for_update();
    diesel::sql_query(format!(
        "SELECT * FROM reflections WHERE author_id = $1 ORDER BY id{lock}"
    ))
    .bind::<sql::Uuid, _>(author)
    .load(conn)
}

/// What this member has shared of the event and neither withdrawn nor had rejected.
pub fn find_standing(
    conn: &mut DbConnection,
    event: EventId,
    author: MemberId,
) -> QueryResult<Option<ReflectionId>> {
    reflections::table
        .filter(reflections::event_id.eq(event))
        .filter(reflections::author_id.eq(author))
        .filter(LiteralCondition(
            "reflections.status IN ('pending', 'published', 'hidden')",
        ))
        .select(reflections::id)
        .first(conn)
        .optional()
}

/// The same of many, whole.
pub fn list_standing(
    conn: &mut DbConnection,
    people: &[(EventId, MemberId)],
) -> QueryResult<Vec<ReflectionRow>> {
    PairQuery {
        condition: " AND status IN ('pending', 'published', 'hidden')",
        ..PairQuery::of(REFLECTION, "reflections", ("event_id", "author_id"))
    }
    .load(conn, people)
}

/// Was anything that this member wrote of the event refused or hidden, and not shown again?
pub fn was_refused(conn: &mut DbConnection, event: EventId, author: MemberId) -> QueryResult<bool> {
    let refused = reflections::table
        .filter(reflections::event_id.eq(event))
        .filter(reflections::author_id.eq(author))
        .filter(reflections::reason.is_not_null());
    diesel::select(diesel::dsl::exists(refused)).get_result(conn)
}

pub fn insert_reflection(conn: &mut DbConnection, row: &ReflectionRow) -> QueryResult<usize> {
    diesel::insert_into(reflections::table).values(row).execute(conn)
}

/// Writes the whole row, which the caller holds locked, and counts its version up.
pub fn update_reflection(conn: &mut DbConnection, row: &mut ReflectionRow) -> QueryResult<usize> {
    row.version += 1;
    diesel::update(reflections::table.find(row.id))
        .set(&*row)
        .execute(conn)
}

/// The pictures of these reflections that were not removed, in order.
pub fn list_pictures(conn: &mut DbConnection, ids: &[ReflectionId]) -> QueryResult<Vec<PictureRow>> {
    let query = format!(
        "SELECT * FROM reflection_pictures WHERE reflection_id {} AND removed_at IS NULL ORDER BY reflection_id, number",
        conn.among("$1")
    );
    diesel::sql_query(query)
        .bind::<sql::UuidList, _>(ids.iter().copied().collect::<UuidList>())
        .load(conn)
}

/// Those that were removed too. The caller holds the reflection.
pub fn list_pictures_ever(conn: &mut DbConnection, id: ReflectionId) -> QueryResult<Vec<PictureRow>> {
    reflection_pictures::table
        .filter(reflection_pictures::reflection_id.eq(id))
        .order(reflection_pictures::number)
        .load(conn)
}

pub fn insert_picture(conn: &mut DbConnection, row: &PictureRow) -> QueryResult<usize> {
    diesel::insert_into(reflection_pictures::table)
        .values(row)
        .execute(conn)
}

pub fn remove_picture(conn: &mut DbConnection, row: &PictureRow, now: Instant) -> QueryResult<usize> {
    diesel::update(reflection_pictures::table.find((row.reflection_id, row.number)))
        .set(reflection_pictures::removed_at.eq(now))
        .execute(conn)
}

/// Which of these reflections the member likes.
pub fn list_liked(
    conn: &mut DbConnection,
    member: MemberId,
    ids: &[ReflectionId],
) -> QueryResult<Vec<ReflectionId>> {
    use reflection_likes::dsl as l;
    l::reflection_likes
        .filter(l::member_id.eq(member))
        .filter(l::reflection_id.eq_any(ids.to_vec()))
        .select(l::reflection_id)
        .load(conn)
}

/// Liked before: nothing changes.
pub fn insert_like(
    conn: &mut DbConnection,
    row: &ReflectionRow,
    member: MemberId,
    now: Instant,
) -> QueryResult<usize> {
    let query = "INSERT INTO reflection_likes (reflection_id, member_id, tenant_id, liked_at) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(row.id)
        .bind::<sql::Uuid, _>(member)
        .bind::<sql::Uuid, _>(row.tenant_id)
        .bind::<sql::Instant, _>(now)
        .execute(conn)
}

/// Whether there was one.
pub fn delete_like(conn: &mut DbConnection, id: ReflectionId, member: MemberId) -> QueryResult<bool> {
    let deleted = diesel::delete(reflection_likes::table.find((id, member))).execute(conn)?;
    Ok(deleted == 1)
}

/// Who likes it, in the order in which they came to.
pub fn list_likes(
    conn: &mut DbConnection,
    id: ReflectionId,
    page: &Page<(Instant, MemberId)>,
) -> QueryResult<Vec<(MemberId, Instant)>> {
    use reflection_likes::dsl as l;
    let mut query = l::reflection_likes
        .filter(l::reflection_id.eq(id))
        .order((l::liked_at, l::member_id))
        .select((l::member_id, l::liked_at))
        .limit(page.fetch())
        .into_boxed();
    if let Some((at, member)) = page.after {
        query = query.filter(
            l::liked_at
                .gt(at)
                .or(l::liked_at.eq(at).and(l::member_id.gt(member))),
        );
    }
    query.load(conn)
}

pub fn insert_material(conn: &mut DbConnection, row: &MaterialRow) -> QueryResult<usize> {
    diesel::insert_into(event_materials::table)
        .values(row)
        .execute(conn)
}

pub fn find_material(conn: &mut DbConnection, id: MaterialId) -> QueryResult<Option<MaterialRow>> {
    event_materials::table.find(id).first(conn).optional()
}

/// Whether it was there still.
pub fn archive_material(
    conn: &mut DbConnection,
    id: MaterialId,
    by: AccountId,
    now: Instant,
) -> QueryResult<bool> {
    use event_materials::dsl as m;
    let changed = diesel::update(m::event_materials.find(id))
        .filter(m::archived_at.is_null())
        .set((m::archived_at.eq(now), m::archived_by.eq(by)))
        .execute(conn)?;
    Ok(changed == 1)
}

pub fn is_material(conn: &mut DbConnection, file: MediaId) -> QueryResult<bool> {
    let of_file = event_materials::table
        .filter(event_materials::media_id.eq(file))
        .filter(event_materials::archived_at.is_null());
    diesel::select(diesel::dsl::exists(of_file)).get_result(conn)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn materials_of(event: EventId) -> _ {
    event_materials::table
        .filter(event_materials::event_id.eq(event))
        .filter(event_materials::archived_at.is_null())
}

/// How many there are, and where the last one stands.
pub fn end_of_materials(conn: &mut DbConnection, event: EventId) -> QueryResult<(i64, Option<i32>)> {
    let count = materials_of(event).count().get_result(conn)?;
    let last = materials_of(event)
        .select(diesel::dsl::max(event_materials::position))
        .first(conn)?;
    Ok((count, last))
}

/// In their order.
pub fn list_materials(
    conn: &mut DbConnection,
    event: EventId,
    page: &Page<(i32, MaterialId)>,
) -> QueryResult<Found<MaterialRow>> {
    use event_materials::dsl as m;
    let count = page.count.then(|| materials_of(event).count().get_result(conn));
    let mut query = materials_of(event)
        .order((m::position, m::id))
        .limit(page.fetch())
        .into_boxed();
    if let Some((position, id)) = page.after {
        query = query.filter(
            m::position
                .gt(position)
                .or(m::position.eq(position).and(m::id.gt(id))),
        );
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}
