//! Rows and queries of notices and of what members have set.

use diesel::dsl::sql as fragment;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::NoticeId;
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{notice_settings, notices};
use crate::platform::db::{AnyId, DbConnection, Instant, Json, MultiBackend, UuidList, delete_some, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = notices)]
pub struct NoticeRow {
    pub id: NoticeId,
    pub tenant_id: OrganizationId,
    pub member_id: MemberId,
    pub kind: String,
    pub source_id: AnyId,
    pub event_id: Option<EventId>,
    pub data: Json,
    pub created_at: Instant,
    pub rings_at: Instant,
    pub read_at: Option<Instant>,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = notice_settings, treat_none_as_null = true)]
pub struct SettingsRow {
    pub member_id: MemberId,
    pub tenant_id: OrganizationId,
    pub muted: Json,
    pub quiet_from_min: Option<i32>,
    pub quiet_until_min: Option<i32>,
    pub updated_at: Instant,
}

/// Rows a statement: PostgreSQL takes 65,535 binds.
const CHUNK: usize = 1_000;

/// What was told before of the same cause is left out.
pub fn insert_notices(conn: &mut DbConnection, rows: &[NoticeRow]) -> QueryResult<()> {
    for chunk in rows.chunks(CHUNK) {
        match conn {
            DbConnection::Pg(c) => diesel::insert_into(notices::table)
                .values(chunk)
                .on_conflict_do_nothing()
                .execute(c)?,
            DbConnection::Sqlite(c) => diesel::insert_or_ignore_into(notices::table)
                .values(chunk)
                .execute(c)?,
        };
    }
    Ok(())
}

/// What these members have set; who has set nothing is left out.
pub fn list_settings(conn: &mut DbConnection, members: &[MemberId]) -> QueryResult<Vec<SettingsRow>> {
    let (open, close) = conn.among_parts();
    let among = fragment::<Bool>("member_id ")
        .sql(open)
        .bind::<sql::UuidList, _>(members.iter().copied().collect::<UuidList>())
        .sql(close);
    notice_settings::table.filter(among).load(conn)
}

/// Writes a member's settings whole.
pub fn save_settings(conn: &mut DbConnection, row: &SettingsRow) -> QueryResult<usize> {
    match conn {
        DbConnection::Pg(c) => diesel::insert_into(notice_settings::table)
            .values(row)
            .on_conflict(notice_settings::member_id)
            .do_update()
            .set(row)
            .execute(c),
        DbConnection::Sqlite(c) => diesel::replace_into(notice_settings::table)
            .values(row)
            .execute(c),
    }
}

/// A member's notices, the newest first.
pub fn list_notices(
    conn: &mut DbConnection,
    member: MemberId,
    unread: bool,
    page: &Page<NoticeId>,
) -> QueryResult<Found<NoticeRow>> {
    let count = page
        .count
        .then(|| narrowed(member, unread).count().get_result(conn));
    let mut query = narrowed(member, unread)
        .order(notices::id.desc())
        .limit(page.fetch());
    if let Some(after) = page.after {
        query = query.filter(notices::id.lt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn narrowed<'a>(member: MemberId, unread: bool) -> notices::BoxedQuery<'a, MultiBackend> {
    let mut query = notices::table.filter(notices::member_id.eq(member)).into_boxed();
    if unread {
        query = query.filter(notices::read_at.is_null());
    }
    query
}

pub fn count_unread(conn: &mut DbConnection, member: MemberId) -> QueryResult<i64> {
    narrowed(member, true).count().get_result(conn)
}

/// Of these, or of all up to one of them: those that were unread are read now.
pub fn mark_read(
    conn: &mut DbConnection,
    member: MemberId,
    ids: &[NoticeId],
    up_to: Option<NoticeId>,
    now: Instant,
) -> QueryResult<usize> {
    let changes = (notices::read_at.eq(now), notices::updated_at.eq(now));
    let unread = notices::member_id.eq(member).and(notices::read_at.is_null());
    match up_to {
        Some(last) => diesel::update(notices::table.filter(unread).filter(notices::id.le(last)))
            .set(changes)
            .execute(conn),
        None => diesel::update(
            notices::table
                .filter(unread)
                .filter(notices::id.eq_any(ids.to_vec())),
        )
        .set(changes)
        .execute(conn),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Activity {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
    #[diesel(sql_type = BigInt)]
    pub notices: i64,
    #[diesel(sql_type = sql::Instant)]
    pub last: Instant,
}

/// Whose inbox has changed since then.
pub fn list_activity(conn: &mut DbConnection, since: Instant) -> QueryResult<Vec<Activity>> {
    // By time, then by member: SQLite would read all there are in the order of their members. What has a limit it leaves alone.
    diesel::sql_query(
        "SELECT member_id, count(*) AS notices, max(updated_at) AS last FROM \
         (SELECT member_id, updated_at FROM notices WHERE updated_at > $1 LIMIT 1000000) AS fresh GROUP BY member_id",
    )
    .bind::<sql::Instant, _>(since)
    .load(conn)
}

/// Some of those that were made before then.
pub fn delete_some_before(conn: &mut DbConnection, before: Instant) -> QueryResult<usize> {
    delete_some(conn, "notices", "id", "created_at < $1", before)
}
