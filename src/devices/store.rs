//! Rows and queries of devices.

use diesel::prelude::*;

use super::DeviceId;
use crate::auth::AccountId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{devices, organizations};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::page::{Found, Page};

/// A device. Not `Debug`: what could open a room stays out of logs, hashed or not.
#[derive(Clone, Queryable, Insertable)]
#[diesel(table_name = devices, treat_none_as_default_value = false)]
pub struct DeviceRow {
    pub id: DeviceId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub is_screen: bool,
    pub is_scanner: bool,
    pub code_hash: Option<Vec<u8>>,
    pub code_expires_at: Instant,
    pub token_hash: Option<Vec<u8>>,
    pub created_at: Instant,
    pub created_by: Option<AccountId>,
    pub enrolled_at: Option<Instant>,
    pub expires_at: Option<Instant>,
    pub last_seen_at: Option<Instant>,
    pub revoked_at: Option<Instant>,
    pub revoked_by: Option<AccountId>,
}

pub fn insert_device(conn: &mut DbConnection, row: &DeviceRow) -> QueryResult<usize> {
    diesel::insert_into(devices::table).values(row).execute(conn)
}

/// The devices of one organization that are not revoked, the oldest first.
pub fn list_devices(
    conn: &mut DbConnection,
    organization: OrganizationId,
    page: &Page<(Instant, DeviceId)>,
) -> QueryResult<Found<DeviceRow>> {
    let living = || {
        devices::table
            .filter(devices::organization_id.eq(organization))
            .filter(devices::revoked_at.is_null())
    };
    let mut query = living()
        .order((devices::created_at, devices::id))
        .limit(page.fetch())
        .into_boxed();
    if let Some((at, id)) = page.after {
        query = query.filter(
            devices::created_at
                .gt(at)
                .or(devices::created_at.eq(at).and(devices::id.gt(id))),
        );
    }
    let count = page.count.then(|| living().count().get_result(conn));
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

pub fn find_device(conn: &mut DbConnection, id: DeviceId) -> QueryResult<Option<DeviceRow>> {
    devices::table.find(id).first(conn).optional()
}

/// The device that holds this token and may use it: neither revoked nor expired, its organization not archived.
pub fn find_by_token(conn: &mut DbConnection, hash: &[u8], now: Instant) -> QueryResult<Option<DeviceRow>> {
    devices::table
        .inner_join(organizations::table.on(organizations::id.eq(devices::organization_id)))
        .filter(organizations::archived_at.is_null())
        .filter(devices::token_hash.eq(hash))
        .filter(devices::revoked_at.is_null())
        .filter(devices::expires_at.is_null().or(devices::expires_at.gt(now)))
        .select(devices::all_columns)
        .first(conn)
        .optional()
}

/// The same, of a device that has shown its token before.
pub fn find_live(conn: &mut DbConnection, id: DeviceId, now: Instant) -> QueryResult<Option<DeviceRow>> {
    devices::table
        .inner_join(organizations::table.on(organizations::id.eq(devices::organization_id)))
        .filter(organizations::archived_at.is_null())
        .filter(devices::id.eq(id))
        .filter(devices::token_hash.is_not_null())
        .filter(devices::revoked_at.is_null())
        .filter(devices::expires_at.is_null().or(devices::expires_at.gt(now)))
        .select(devices::all_columns)
        .first(conn)
        .optional()
}

/// Uses a code up and sets the token; 0 when somebody was faster, or it has ended.
pub fn use_code(
    conn: &mut DbConnection,
    code_hash: &[u8],
    token_hash: &[u8],
    now: Instant,
) -> QueryResult<usize> {
    let open = devices::table
        .filter(devices::code_hash.eq(code_hash))
        .filter(devices::code_expires_at.gt(now))
        .filter(devices::revoked_at.is_null());
    diesel::update(open)
        .set((
            devices::code_hash.eq(None::<Vec<u8>>),
            devices::token_hash.eq(token_hash),
            devices::enrolled_at.eq(now),
            devices::last_seen_at.eq(now),
        ))
        .execute(conn)
}

pub fn set_last_seen(conn: &mut DbConnection, id: DeviceId, now: Instant) -> QueryResult<usize> {
    diesel::update(devices::table.find(id))
        .set(devices::last_seen_at.eq(now))
        .execute(conn)
}

/// Tells whether it was there to be revoked.
pub fn revoke_device(
    conn: &mut DbConnection,
    id: DeviceId,
    by: AccountId,
    now: Instant,
) -> QueryResult<bool> {
    let changed = diesel::update(devices::table.find(id).filter(devices::revoked_at.is_null()))
        .set((devices::revoked_at.eq(now), devices::revoked_by.eq(by)))
        .execute(conn)?;
    Ok(changed == 1)
}
