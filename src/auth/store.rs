//! Rows and queries of accounts, activation codes, sessions and their revocations. No rule lives here.

use diesel::dsl::sql as fragment;
use diesel::helper_types::{IntoBoxed, Select};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::{AccountId, SessionId};
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{accounts, activation_codes, auth_changes, sessions};
use crate::platform::db::{AnyId, DbConnection, Instant, MultiBackend, UuidList, delete_some, sql};
use crate::platform::page::{Found, Page};

/// Rows of one INSERT: 9 columns each stay below SQLite's bound on binds.
const BATCH: usize = 500;

/// An account. Not `Debug`: a row in a log would show the password's hash.
#[derive(Clone, Queryable, Insertable)]
#[diesel(table_name = accounts, treat_none_as_default_value = false)]
pub struct AccountRow {
    pub id: AccountId,
    pub tenant_id: Option<OrganizationId>,
    pub account_name: Option<String>,
    pub phone: Option<String>,
    pub password_hash: Option<String>,
    pub is_system_admin: bool,
    pub disabled_at: Option<Instant>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub id: SessionId,
    pub tenant_id: Option<OrganizationId>,
    pub account_id: AccountId,
    pub device_id: Option<String>,
    pub device_name: Option<String>,
    pub generation: i32,
    pub rotated_at: Instant,
    pub created_at: Instant,
    pub last_used_at: Instant,
    pub expires_at: Instant,
    pub revoked_at: Option<Instant>,
    pub revoke_reason: Option<String>,
}

#[derive(Insertable)]
#[diesel(table_name = activation_codes)]
pub struct NewCode {
    pub id: AnyId,
    pub tenant_id: Option<OrganizationId>,
    pub account_id: AccountId,
    pub code_hash: Vec<u8>,
    pub created_at: Instant,
    pub created_by: Option<AccountId>,
    pub expires_at: Instant,
}

#[derive(Insertable)]
#[diesel(table_name = auth_changes)]
pub struct NewChange {
    pub id: AnyId,
    pub account_id: AccountId,
    pub session_id: Option<SessionId>,
    pub is_revoked: bool,
    pub changed_at: Instant,
}

#[derive(Debug, Clone, Queryable)]
pub struct ChangeRow {
    pub account_id: AccountId,
    pub session_id: Option<SessionId>,
    pub is_revoked: bool,
    pub changed_at: Instant,
}

// --- accounts

pub fn find_account(conn: &mut DbConnection, id: AccountId) -> QueryResult<Option<AccountRow>> {
    accounts::table.find(id).first(conn).optional()
}

/// `find_account` that holds the row until the transaction ends, so that nobody signs in to what is being locked.
pub fn find_account_for_update(conn: &mut DbConnection, id: AccountId) -> QueryResult<Option<AccountRow>> {
    lock(conn, "accounts", id.0)?;
    find_account(conn, id)
}

/// The same for many, in the order of their ids so that two batches cannot deadlock.
pub fn list_accounts_for_update(
    conn: &mut DbConnection,
    ids: impl IntoIterator<Item = AccountId>,
) -> QueryResult<Vec<AccountRow>> {
    let ids: UuidList = ids.into_iter().collect();
    let (among, lock) = (conn.among("$1"), conn.for_update());
    let query = format!("SELECT id FROM accounts WHERE id {among} ORDER BY id{lock}");
    let _: Vec<Held> = diesel::sql_query(query)
        .bind::<sql::UuidList, _>(ids.clone())
        .load(conn)?;
    let (open, close) = conn.among_parts();
    let among = fragment::<Bool>("accounts.id ")
        .sql(open)
        .bind::<sql::UuidList, _>(ids)
        .sql(close);
    accounts::table.filter(among).order(accounts::id).load(conn)
}

/// Accounts that could sign in under this name or number, oldest first: names are unique only inside a tenant.
pub fn list_sign_in_candidates(
    conn: &mut DbConnection,
    name: &str,
    phone: Option<&str>,
    tenant: Option<OrganizationId>,
    limit: i64,
) -> QueryResult<Vec<AccountRow>> {
    let mut found = accounts::table
        .filter(accounts::account_name.eq(name).or(accounts::phone.eq(phone)))
        .filter(accounts::disabled_at.is_null())
        .filter(accounts::password_hash.is_not_null())
        .order((accounts::created_at, accounts::id))
        .limit(limit)
        .into_boxed();
    if let Some(tenant) = tenant {
        found = found.filter(accounts::tenant_id.eq(tenant));
    }
    found.load(conn)
}

type AccountIds<'a> = IntoBoxed<'a, Select<accounts::table, accounts::id>, MultiBackend>;

/// The accounts of a tenant; without one, those of no tenant: the system admins.
fn ids_in<'a>(tenant: Option<OrganizationId>) -> AccountIds<'a> {
    let ids = accounts::table.select(accounts::id).into_boxed();
    match tenant {
        Some(tenant) => ids.filter(accounts::tenant_id.eq(tenant)),
        None => ids.filter(accounts::tenant_id.is_null()),
    }
}

/// Whose account name this is in the tenant.
pub fn find_by_name(
    conn: &mut DbConnection,
    tenant: Option<OrganizationId>,
    name: &str,
) -> QueryResult<Option<AccountId>> {
    let named = ids_in(tenant).filter(accounts::account_name.eq(name));
    named.first(conn).optional()
}

/// Whose phone number this is in the tenant.
pub fn find_by_phone(
    conn: &mut DbConnection,
    tenant: Option<OrganizationId>,
    phone: &str,
) -> QueryResult<Option<AccountId>> {
    let called = ids_in(tenant).filter(accounts::phone.eq(phone));
    called.first(conn).optional()
}

pub fn insert_account(conn: &mut DbConnection, row: &AccountRow) -> QueryResult<usize> {
    diesel::insert_into(accounts::table).values(row).execute(conn)
}

pub fn insert_accounts(conn: &mut DbConnection, rows: &[AccountRow]) -> QueryResult<()> {
    for rows in rows.chunks(BATCH) {
        let insert = diesel::insert_into(accounts::table);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    Ok(())
}

pub fn update_account_name(
    conn: &mut DbConnection,
    id: AccountId,
    name: Option<&str>,
    now: Instant,
) -> QueryResult<usize> {
    diesel::update(accounts::table.find(id))
        .set((accounts::account_name.eq(name), accounts::updated_at.eq(now)))
        .execute(conn)
}

pub fn update_phone(
    conn: &mut DbConnection,
    id: AccountId,
    phone: Option<&str>,
    now: Instant,
) -> QueryResult<usize> {
    diesel::update(accounts::table.find(id))
        .set((accounts::phone.eq(phone), accounts::updated_at.eq(now)))
        .execute(conn)
}

pub fn update_password(
    conn: &mut DbConnection,
    id: AccountId,
    hash: &str,
    now: Instant,
) -> QueryResult<usize> {
    diesel::update(accounts::table.find(id))
        .set((accounts::password_hash.eq(hash), accounts::updated_at.eq(now)))
        .execute(conn)
}

pub fn update_disabled(
    conn: &mut DbConnection,
    id: AccountId,
    disabled_at: Option<Instant>,
    now: Instant,
) -> QueryResult<usize> {
    diesel::update(accounts::table.find(id))
        .set((
            accounts::disabled_at.eq(disabled_at),
            accounts::updated_at.eq(now),
        ))
        .execute(conn)
}

// --- activation codes

/// Ends the codes of an account that nobody has used yet.
pub fn end_codes(conn: &mut DbConnection, account: AccountId, now: Instant) -> QueryResult<usize> {
    let open = activation_codes::table
        .filter(activation_codes::account_id.eq(account))
        .filter(activation_codes::used_at.is_null())
        .filter(activation_codes::expires_at.gt(now));
    diesel::update(open)
        .set(activation_codes::expires_at.eq(now))
        .execute(conn)
}

/// The same for many accounts.
pub fn end_codes_of(
    conn: &mut DbConnection,
    accounts: impl IntoIterator<Item = AccountId>,
    now: Instant,
) -> QueryResult<usize> {
    let among = conn.among("$2");
    diesel::sql_query(format!(
        "UPDATE activation_codes SET expires_at = $1 \
         WHERE used_at IS NULL AND expires_at > $1 AND account_id {among}"
    ))
    .bind::<sql::Instant, _>(now)
    .bind::<sql::UuidList, _>(accounts.into_iter().collect::<UuidList>())
    .execute(conn)
}

pub fn insert_codes(conn: &mut DbConnection, rows: &[NewCode]) -> QueryResult<()> {
    for rows in rows.chunks(BATCH) {
        let insert = diesel::insert_into(activation_codes::table);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    Ok(())
}

/// Whom a code is for, and who issued it; none for the command line.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct OpenCode {
    pub account: AccountId,
    pub issuer: Option<AccountId>,
}

/// A code that is still good.
pub fn find_code(conn: &mut DbConnection, hash: &[u8], now: Instant) -> QueryResult<Option<OpenCode>> {
    activation_codes::table
        .filter(activation_codes::code_hash.eq(hash))
        .filter(activation_codes::used_at.is_null())
        .filter(activation_codes::expires_at.gt(now))
        .select((activation_codes::account_id, activation_codes::created_by))
        .first(conn)
        .optional()
}

/// Uses a code up; 0 when somebody was faster or it has ended.
pub fn use_code(conn: &mut DbConnection, hash: &[u8], now: Instant) -> QueryResult<usize> {
    let open = activation_codes::table
        .filter(activation_codes::code_hash.eq(hash))
        .filter(activation_codes::used_at.is_null())
        .filter(activation_codes::expires_at.gt(now));
    diesel::update(open)
        .set(activation_codes::used_at.eq(now))
        .execute(conn)
}

// --- sessions

pub fn insert_session(conn: &mut DbConnection, row: &SessionRow) -> QueryResult<usize> {
    diesel::insert_into(sessions::table).values(row).execute(conn)
}

pub fn find_session(conn: &mut DbConnection, id: SessionId) -> QueryResult<Option<SessionRow>> {
    sessions::table.find(id).first(conn).optional()
}

pub fn find_session_for_update(conn: &mut DbConnection, id: SessionId) -> QueryResult<Option<SessionRow>> {
    lock(conn, "sessions", id.0)?;
    find_session(conn, id)
}

/// The live sessions of an account, newest first.
pub fn list_sessions(
    conn: &mut DbConnection,
    account: AccountId,
    now: Instant,
    page: &Page<(Instant, SessionId)>,
) -> QueryResult<Found<SessionRow>> {
    let live = || {
        sessions::table
            .filter(sessions::account_id.eq(account))
            .filter(sessions::revoked_at.is_null())
            .filter(sessions::expires_at.gt(now))
    };
    let mut query = live()
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .limit(page.fetch())
        .into_boxed();
    if let Some((at, id)) = page.after {
        query = query.filter(
            sessions::created_at
                .lt(at)
                .or(sessions::created_at.eq(at).and(sessions::id.lt(id))),
        );
    }
    let count = page.count.then(|| live().count().get_result(conn));
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// The live sessions of an account, the one used last first.
pub fn list_live_session_ids(
    conn: &mut DbConnection,
    account: AccountId,
    now: Instant,
) -> QueryResult<Vec<SessionId>> {
    sessions::table
        .filter(sessions::account_id.eq(account))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .order((sessions::last_used_at.desc(), sessions::id.desc()))
        .select(sessions::id)
        .load(conn)
}

/// Why a session was ended.
pub const BY_OWNER: &str = "ended_by_owner";
pub const REUSED: &str = "refresh_token_reused";
pub const DISABLED: &str = "account_disabled";
/// What says that the device is no longer its owner's, or never was.
const DISTRUST: [&str; 3] = [BY_OWNER, REUSED, DISABLED];

/// Has the account signed in on this device, and not been cut off from it since? A session that was signed out of,
/// replaced or has expired leaves its device known, until it is swept a month later.
pub fn knows_device(conn: &mut DbConnection, account: AccountId, device: &str) -> QueryResult<bool> {
    let distrusted: Option<Option<Instant>> = sessions::table
        .filter(sessions::account_id.eq(account))
        .filter(sessions::device_id.eq(device))
        .filter(sessions::revoke_reason.eq_any(DISTRUST))
        .order(sessions::revoked_at.desc())
        .select(sessions::revoked_at)
        .first(conn)
        .optional()?;
    let mut trusted = sessions::table
        .filter(sessions::account_id.eq(account))
        .filter(sessions::device_id.eq(device))
        .filter(
            sessions::revoke_reason
                .is_null()
                .or(sessions::revoke_reason.ne_all(DISTRUST)),
        )
        .select(sessions::id)
        .into_boxed();
    if let Some(Some(at)) = distrusted {
        trusted = trusted.filter(sessions::created_at.gt(at));
    }
    let found: Option<SessionId> = trusted.first(conn).optional()?;
    Ok(found.is_some())
}

/// The next generation, if nobody else began it.
pub fn advance_session(
    conn: &mut DbConnection,
    id: SessionId,
    generation: i32,
    now: Instant,
    expires_at: Instant,
) -> QueryResult<usize> {
    let current = sessions::table
        .find(id)
        .filter(sessions::generation.eq(generation))
        .filter(sessions::revoked_at.is_null());
    diesel::update(current)
        .set((
            sessions::generation.eq(generation.saturating_add(1)),
            sessions::rotated_at.eq(now),
            sessions::last_used_at.eq(now),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(conn)
}

pub fn revoke_session(
    conn: &mut DbConnection,
    id: SessionId,
    now: Instant,
    reason: &str,
) -> QueryResult<usize> {
    let live = sessions::table.find(id).filter(sessions::revoked_at.is_null());
    diesel::update(live)
        .set((sessions::revoked_at.eq(now), sessions::revoke_reason.eq(reason)))
        .execute(conn)
}

pub fn revoke_sessions(
    conn: &mut DbConnection,
    ids: &[SessionId],
    now: Instant,
    reason: &str,
) -> QueryResult<usize> {
    let live = sessions::table
        .filter(sessions::id.eq_any(ids))
        .filter(sessions::revoked_at.is_null());
    diesel::update(live)
        .set((sessions::revoked_at.eq(now), sessions::revoke_reason.eq(reason)))
        .execute(conn)
}

/// Some of those that had ended before then.
pub fn delete_some_sessions(conn: &mut DbConnection, at: Instant) -> QueryResult<usize> {
    delete_some(conn, "sessions", "id", "expires_at < $1 OR revoked_at < $1", at)
}

// --- what every process must learn

pub fn insert_changes(conn: &mut DbConnection, changes: &[NewChange]) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(c) => diesel::insert_into(auth_changes::table)
            .values(changes)
            .execute(c)?,
        DbConnection::Pg(c) => diesel::insert_into(auth_changes::table)
            .values(changes)
            .execute(c)?,
    };
    Ok(())
}

pub fn list_changes(conn: &mut DbConnection, since: Instant) -> QueryResult<Vec<ChangeRow>> {
    auth_changes::table
        .filter(auth_changes::changed_at.ge(since))
        .order((auth_changes::changed_at, auth_changes::id))
        .select((
            auth_changes::account_id,
            auth_changes::session_id,
            auth_changes::is_revoked,
            auth_changes::changed_at,
        ))
        .load(conn)
}

/// Some of those from before then.
pub fn delete_some_changes(conn: &mut DbConnection, at: Instant) -> QueryResult<usize> {
    delete_some(conn, "auth_changes", "id", "changed_at < $1", at)
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = sql::Uuid)]
    #[expect(dead_code, reason = "only the lock is wanted")]
    id: AnyId,
}

/// Holds one row until the transaction ends.
fn lock(conn: &mut DbConnection, table: &'static str, id: uuid::Uuid) -> QueryResult<()> {
    let query = format!("SELECT id FROM {table} WHERE id = $1{}", conn.for_update());
    let _: Vec<Held> = diesel::sql_query(query).bind::<sql::Uuid, _>(id).load(conn)?;
    Ok(())
}

pub fn count_system_admins(conn: &mut DbConnection) -> QueryResult<i64> {
    accounts::table
        .filter(accounts::is_system_admin.eq(true))
        .count()
        .get_result(conn)
}
