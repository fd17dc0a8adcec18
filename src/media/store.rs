//! Rows and queries of files.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::MediaId;
use super::probe::Probed;
use super::rules::{MediaKind, MediaPurpose, MediaState, Refusal};
use crate::auth::AccountId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::media_files;
use crate::platform::db::{DbConnection, Instant, MultiBackend, UuidList, sql as types};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, QueryableByName)]
#[diesel(table_name = media_files, treat_none_as_default_value = false)]
pub struct FileRow {
    pub id: MediaId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub state: String,
    pub refusal: Option<String>,
    pub kind: Option<String>,
    pub content_type: Option<String>,
    pub size_bytes: i64,
    pub received_bytes: i64,
    pub sha256: Option<Vec<u8>>,
    pub duration_ms: Option<i32>,
    pub upload_metadata: String,
    pub expires_at: Instant,
    pub created_at: Instant,
    pub created_by: AccountId,
    pub updated_at: Instant,
    pub deleted_at: Option<Instant>,
    pub deleted_by: Option<AccountId>,
    pub cleared_at: Option<Instant>,
    pub purpose: String,
}

impl FileRow {
    pub fn state(&self) -> MediaState {
        MediaState::parse(&self.state).unwrap_or(MediaState::Refused)
    }

    pub fn kind(&self) -> Option<MediaKind> {
        self.kind.as_deref().and_then(MediaKind::parse)
    }

    pub fn purpose(&self) -> MediaPurpose {
        MediaPurpose::parse(&self.purpose).unwrap_or(MediaPurpose::Receipt)
    }

    /// As it stands in JSON, and between quotes as the strong `ETag` of its bytes.
    pub fn sha256_hex(&self) -> Option<String> {
        self.sha256.as_ref().map(hex::encode)
    }
}

pub fn insert_file(conn: &mut DbConnection, row: &FileRow) -> QueryResult<usize> {
    diesel::insert_into(media_files::table).values(row).execute(conn)
}

/// Deleted ones are not found.
pub fn find_file(conn: &mut DbConnection, id: MediaId) -> QueryResult<Option<FileRow>> {
    media_files::table
        .find(id)
        .filter(media_files::deleted_at.is_null())
        .first(conn)
        .optional()
}

/// The rows that are there, locked until the transaction ends, in the order of their ids.
pub fn lock_files(conn: &mut DbConnection, ids: &[MediaId]) -> QueryResult<Vec<FileRow>> {
    let query = format!(
        "SELECT * FROM media_files WHERE id {} AND deleted_at IS NULL ORDER BY id{}",
        conn.among("$1"),
        conn.for_update()
    );
    diesel::sql_query(query)
        .bind::<types::UuidList, _>(ids.iter().copied().collect::<UuidList>())
        .load(conn)
}

/// Whether they are deleted or not: what a version was published with is on record.
pub fn list_by_ids(conn: &mut DbConnection, ids: &[MediaId]) -> QueryResult<Vec<FileRow>> {
    let query = format!("SELECT * FROM media_files WHERE id {}", conn.among("$1"));
    diesel::sql_query(query)
        .bind::<types::UuidList, _>(ids.iter().copied().collect::<UuidList>())
        .load(conn)
}

/// What the files of a tree take, or will take once they are here.
pub fn used_bytes(conn: &mut DbConnection, tenant: OrganizationId) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let query = "SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes FROM media_files \
                 WHERE tenant_id = $1 AND state IN ('uploading', 'checking', 'ready') AND deleted_at IS NULL";
    let used: Used = diesel::sql_query(query)
        .bind::<types::Uuid, _>(tenant)
        .get_result(conn)?;
    Ok(used.bytes)
}

/// From `from` bytes to `to`, if it still stands at `from`; complete when that is all.
pub fn advance(
    conn: &mut DbConnection,
    id: MediaId,
    (from, to): (i64, i64),
    state: MediaState,
    now: Instant,
    expires_at: Instant,
) -> QueryResult<bool> {
    use media_files::dsl as f;
    let here = f::media_files
        .find(id)
        .filter(f::received_bytes.eq(from))
        .filter(f::state.eq(MediaState::Uploading.as_str()))
        .filter(f::deleted_at.is_null());
    let changed = diesel::update(here)
        .set((
            f::received_bytes.eq(to),
            f::state.eq(state.as_str()),
            f::updated_at.eq(now),
            f::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Whether it was still being checked.
pub fn set_ready(
    conn: &mut DbConnection,
    id: MediaId,
    probed: &Probed,
    sha256: &[u8],
    now: Instant,
) -> QueryResult<bool> {
    use media_files::dsl as f;
    let changed = diesel::update(checked(id))
        .set((
            f::state.eq(MediaState::Ready.as_str()),
            f::kind.eq(probed.kind.as_str()),
            f::content_type.eq(probed.content_type),
            f::duration_ms.eq(probed.duration_ms),
            f::sha256.eq(sha256),
            f::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Whether it was still waiting for that.
pub fn settle_picture(
    conn: &mut DbConnection,
    id: MediaId,
    sha256: &[u8],
    now: Instant,
) -> QueryResult<bool> {
    use media_files::dsl as f;
    let changed = diesel::update(untouched(id))
        .set((
            f::state.eq(MediaState::Ready.as_str()),
            f::kind.eq(MediaKind::Image.as_str()),
            f::content_type.eq("image/jpeg"),
            f::received_bytes.eq(f::size_bytes),
            f::sha256.eq(sha256),
            f::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Whether it was still waiting for its bytes.
pub fn drop_upload(conn: &mut DbConnection, id: MediaId, by: AccountId, now: Instant) -> QueryResult<bool> {
    use media_files::dsl as f;
    let changed = diesel::update(untouched(id))
        .set((f::deleted_at.eq(now), f::deleted_by.eq(by), f::updated_at.eq(now)))
        .execute(conn)?;
    Ok(changed == 1)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn untouched(id: MediaId) -> _ {
    let uploading: &'static str = "uploading";
    media_files::table
        .filter(media_files::id.eq(id))
        .filter(media_files::state.eq(uploading))
        .filter(media_files::received_bytes.eq(0_i64))
        .filter(media_files::deleted_at.is_null())
}

pub fn set_refused(conn: &mut DbConnection, id: MediaId, why: Refusal, now: Instant) -> QueryResult<bool> {
    use media_files::dsl as f;
    let changed = diesel::update(checked(id))
        .set((
            f::state.eq(MediaState::Refused.as_str()),
            f::refusal.eq(why.as_str()),
            f::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn checked(id: MediaId) -> _ {
    let checking: &'static str = "checking";
    media_files::table
        .filter(media_files::id.eq(id))
        .filter(media_files::state.eq(checking))
        .filter(media_files::deleted_at.is_null())
}

pub fn delete_file(conn: &mut DbConnection, id: MediaId, by: AccountId, now: Instant) -> QueryResult<usize> {
    use media_files::dsl as f;
    diesel::update(f::media_files.find(id))
        .set((f::deleted_at.eq(now), f::deleted_by.eq(by), f::updated_at.eq(now)))
        .execute(conn)
}

/// Uploads that were left for too long.
pub fn expire_uploads(conn: &mut DbConnection, now: Instant) -> QueryResult<usize> {
    use media_files::dsl as f;
    let left = f::media_files
        .filter(f::state.eq(MediaState::Uploading.as_str()))
        .filter(f::expires_at.le(now))
        .filter(f::deleted_at.is_null());
    diesel::update(left)
        .set((f::state.eq(MediaState::Expired.as_str()), f::updated_at.eq(now)))
        .execute(conn)
}

/// Files that are of no use any more and may still have bytes.
pub fn list_uncleared(conn: &mut DbConnection, limit: i64) -> QueryResult<Vec<(MediaId, OrganizationId)>> {
    use media_files::dsl as f;
    let useless = [MediaState::Refused.as_str(), MediaState::Expired.as_str()];
    f::media_files
        .filter(f::cleared_at.is_null())
        .filter(f::deleted_at.is_not_null().or(f::state.eq_any(useless)))
        .select((f::id, f::tenant_id))
        .limit(limit)
        .load(conn)
}

pub fn set_cleared(conn: &mut DbConnection, id: MediaId, now: Instant) -> QueryResult<usize> {
    use media_files::dsl as f;
    diesel::update(f::media_files.find(id))
        .set(f::cleared_at.eq(now))
        .execute(conn)
}

/// Complete files that nobody has said yet what they are.
pub fn list_checking(conn: &mut DbConnection, limit: i64) -> QueryResult<Vec<MediaId>> {
    use media_files::dsl as f;
    f::media_files
        .filter(f::state.eq(MediaState::Checking.as_str()))
        .filter(f::deleted_at.is_null())
        .order(f::id)
        .select(f::id)
        .limit(limit)
        .load(conn)
}

/// Organizations whose files somebody may see: those of lessons, and all.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    pub of_lessons: Vec<OrganizationId>,
    pub all: Vec<OrganizationId>,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct FileFilter {
    /// None means every tenant: for the system admin.
    pub tenant: Option<OrganizationId>,
    /// What the actor may see; none means all.
    pub sight: Option<Sight>,
    pub organizations: Option<Vec<OrganizationId>>,
    pub purpose: Option<MediaPurpose>,
    pub kind: Option<MediaKind>,
    pub state: Option<MediaState>,
    pub page: Page<MediaId>,
}

/// The newest first.
pub fn list_files(conn: &mut DbConnection, filter: &FileFilter) -> QueryResult<Found<FileRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order(media_files::id.desc())
        .limit(page.fetch());
    if let Some(id) = page.after {
        query = query.filter(media_files::id.lt(id));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn narrowed<'a>(conn: &DbConnection, filter: &FileFilter) -> media_files::BoxedQuery<'a, MultiBackend> {
    use diesel::dsl::sql;
    use diesel::sql_types::Bool;
    // Members' pictures are seen with what they were sent for.
    let mut query = media_files::table
        .filter(media_files::deleted_at.is_null())
        .filter(media_files::purpose.ne(MediaPurpose::Picture.as_str()))
        .into_boxed();
    let (open, close) = conn.among_parts();
    let list = |ids: &[OrganizationId]| ids.iter().copied().collect::<UuidList>();
    if let Some(ids) = &filter.organizations {
        query = query.filter(
            sql::<Bool>(&format!("(media_files.organization_id {open}"))
                .bind::<types::UuidList, _>(list(ids))
                .sql(&format!("{close})")),
        );
    }
    if let Some(sight) = &filter.sight {
        query = query.filter(
            sql::<Bool>(&format!("(media_files.organization_id {open}"))
                .bind::<types::UuidList, _>(list(&sight.all))
                .sql(&format!(
                    "{close} OR (media_files.purpose = 'lesson' AND media_files.organization_id {open}"
                ))
                .bind::<types::UuidList, _>(list(&sight.of_lessons))
                .sql(&format!("{close}))")),
        );
    }
    if let Some(tenant) = filter.tenant {
        query = query.filter(media_files::tenant_id.eq(tenant));
    }
    if let Some(purpose) = filter.purpose {
        query = query.filter(media_files::purpose.eq(purpose.as_str()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(media_files::kind.eq(kind.as_str()));
    }
    if let Some(state) = filter.state {
        query = query.filter(media_files::state.eq(state.as_str()));
    }
    query
}
