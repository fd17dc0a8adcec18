//! Rows and queries of guests and of the addresses they come by.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer};

use super::{GuestId, GuestLinkId};
use crate::auth::AccountId;
use crate::events::EventId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{guest_links, guests};
use crate::platform::db::{AnyId, DbConnection, Instant, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = guest_links)]
pub struct LinkRow {
    pub id: GuestLinkId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub token_hash: Vec<u8>,
    pub places: i32,
    pub taken: i32,
    pub expires_at: Instant,
    pub created_at: Instant,
    pub created_by: AccountId,
    pub revoked_at: Option<Instant>,
    pub revoked_by: Option<AccountId>,
}

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = guests, treat_none_as_null = true)]
pub struct GuestRow {
    pub id: GuestId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub link_id: Option<GuestLinkId>,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub note: String,
    pub consent_at: Instant,
    pub client_event_id: Option<AnyId>,
    pub added_by: Option<AccountId>,
    pub created_at: Instant,
    pub cancelled_at: Option<Instant>,
    pub cancelled_by: Option<AccountId>,
    pub checked_in_at: Option<Instant>,
    pub check_in_source: Option<String>,
    pub checked_in_by: Option<AccountId>,
    pub erased_at: Option<Instant>,
}

pub fn insert_link(conn: &mut DbConnection, row: &LinkRow) -> QueryResult<usize> {
    diesel::insert_into(guest_links::table).values(row).execute(conn)
}

pub fn find_link(conn: &mut DbConnection, id: GuestLinkId) -> QueryResult<Option<LinkRow>> {
    guest_links::table.find(id).first(conn).optional()
}

pub fn find_link_by_token(conn: &mut DbConnection, hash: &[u8]) -> QueryResult<Option<LinkRow>> {
    guest_links::table
        .filter(guest_links::token_hash.eq(hash))
        .first(conn)
        .optional()
}

/// Of an event, the oldest first.
pub fn list_links(
    conn: &mut DbConnection,
    event: EventId,
    page: &Page<GuestLinkId>,
) -> QueryResult<Found<LinkRow>> {
    let all = || guest_links::table.filter(guest_links::event_id.eq(event));
    let count = page.count.then(|| all().count().get_result(conn));
    let mut query = all().order(guest_links::id).limit(page.fetch()).into_boxed();
    if let Some(after) = page.after {
        query = query.filter(guest_links::id.gt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

pub fn revoke_link(
    conn: &mut DbConnection,
    id: GuestLinkId,
    by: AccountId,
    now: Instant,
) -> QueryResult<usize> {
    diesel::update(guest_links::table.find(id))
        .filter(guest_links::revoked_at.is_null())
        .set((guest_links::revoked_at.eq(now), guest_links::revoked_by.eq(by)))
        .execute(conn)
}

/// Takes a place if there is one, in one statement: it is never given twice.
pub fn take_place(conn: &mut DbConnection, hash: &[u8], now: Instant) -> QueryResult<Option<LinkRow>> {
    diesel::sql_query(
        "UPDATE guest_links SET taken = taken + 1 WHERE token_hash = $1 AND taken < places AND revoked_at IS NULL \
         AND expires_at > $2 RETURNING *",
    )
    .bind::<Binary, _>(hash)
    .bind::<sql::Instant, _>(now)
    .get_result(conn)
    .optional()
}

pub fn give_place_back(conn: &mut DbConnection, id: GuestLinkId) -> QueryResult<usize> {
    diesel::update(guest_links::table.find(id))
        .set(guest_links::taken.eq(guest_links::taken - 1))
        .execute(conn)
}

/// How many guests were ever put down by an address.
pub fn count_of_link(conn: &mut DbConnection, id: GuestLinkId) -> QueryResult<i64> {
    guests::table
        .filter(guests::link_id.eq(id))
        .filter(guests::client_event_id.is_not_null())
        .count()
        .get_result(conn)
}

pub fn insert_guest(conn: &mut DbConnection, row: &GuestRow) -> QueryResult<usize> {
    diesel::insert_into(guests::table).values(row).execute(conn)
}

pub fn find_guest(conn: &mut DbConnection, id: GuestId) -> QueryResult<Option<GuestRow>> {
    guests::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_guest(conn: &mut DbConnection, id: GuestId) -> QueryResult<Option<GuestRow>> {
    let query = format!("SELECT * FROM guests WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// Writes the whole row, which the caller holds locked.
pub fn update_guest(conn: &mut DbConnection, row: &GuestRow) -> QueryResult<usize> {
    diesel::update(guests::table.find(row.id)).set(row).execute(conn)
}

/// What came by this link with this id.
pub fn find_sent(conn: &mut DbConnection, link: GuestLinkId, id: AnyId) -> QueryResult<Option<GuestRow>> {
    guests::table
        .filter(guests::link_id.eq(link))
        .filter(guests::client_event_id.eq(id))
        .first(conn)
        .optional()
}

/// Whoever stands on an event's list with this number.
pub fn find_by_phone(conn: &mut DbConnection, event: EventId, phone: &str) -> QueryResult<Option<GuestRow>> {
    guests::table
        .filter(guests::event_id.eq(event))
        .filter(guests::phone.eq(phone))
        .filter(guests::cancelled_at.is_null())
        .first(conn)
        .optional()
}

/// Of an event, in the order they were put down; those who gave their place back are left out.
pub fn list_guests(
    conn: &mut DbConnection,
    event: EventId,
    checked_in: Option<bool>,
    page: &Page<GuestId>,
) -> QueryResult<Found<GuestRow>> {
    let all = || {
        let mut query = guests::table
            .filter(guests::event_id.eq(event))
            .filter(guests::cancelled_at.is_null())
            .into_boxed();
        query = match checked_in {
            Some(true) => query.filter(guests::checked_in_at.is_not_null()),
            Some(false) => query.filter(guests::checked_in_at.is_null()),
            None => query,
        };
        query
    };
    let count = page.count.then(|| all().count().get_result(conn));
    let mut query = all().order(guests::id).limit(page.fetch());
    if let Some(after) = page.after {
        query = query.filter(guests::id.gt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// Erases what is personal of some guests of events that ended, or were closed or cancelled, before then; tells how many.
pub fn erase_ended(
    conn: &mut DbConnection,
    now: Instant,
    ended_before: Instant,
    most: i64,
) -> QueryResult<usize> {
    diesel::sql_query(
        "UPDATE guests SET name = NULL, phone = NULL, note = '', erased_at = $1 WHERE id IN (SELECT g.id FROM guests g \
         JOIN events e ON e.id = g.event_id WHERE g.erased_at IS NULL AND (e.ends_at < $2 OR e.closed_at < $2) LIMIT $3)",
    )
    .bind::<sql::Instant, _>(now)
    .bind::<sql::Instant, _>(ended_before)
    .bind::<BigInt, _>(most)
    .execute(conn)
}

#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Counts {
    #[diesel(sql_type = Integer)]
    pub invited: i32,
    #[diesel(sql_type = Integer)]
    pub present: i32,
}

/// How many guests an event has, and how many of them came.
pub fn count_guests(conn: &mut DbConnection, event: EventId) -> QueryResult<Counts> {
    diesel::sql_query(
        "SELECT CAST(count(*) AS integer) AS invited, CAST(count(checked_in_at) AS integer) AS present FROM guests \
         WHERE event_id = $1 AND cancelled_at IS NULL",
    )
    .bind::<sql::Uuid, _>(event)
    .get_result(conn)
}
