//! Guests: put down, checked in, taken off, and forgotten.

use serde_json::json;

use super::commands::{CreateGuest, CreateOwnGuest};
use super::store::{self, Counts, GuestRow, LinkRow};
use super::{GuestId, links};
use crate::app::Ctx;
use crate::attendance;
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow};
use crate::organizations::Right;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Conflict};
use crate::platform::ids::Ids;
use crate::platform::keys::hash_secret;
use crate::platform::page::{Found, Page};

/// An organiser puts somebody down.
pub fn create_guest(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    new: &CreateGuest,
) -> AppResult<GuestRow> {
    let event = links::require_open(conn, ctx, event)?;
    let row = GuestRow {
        note: new.note.clone(),
        added_by: Some(ctx.actor.account),
        ..row_of(&ctx.ids, ctx.now, &event, &new.name, &new.phone)
    };
    insert(conn, &row)?;
    note(conn, ctx, "guest.create", row.id.0, &event, json!({}))?;
    Ok(row)
}

fn row_of(ids: &Ids, now: Instant, event: &EventRow, name: &str, phone: &str) -> GuestRow {
    GuestRow {
        id: ids.make(),
        tenant_id: event.tenant_id,
        event_id: event.id,
        link_id: None,
        name: Some(name.to_owned()),
        phone: Some(phone.to_owned()),
        note: String::new(),
        consent_at: now,
        client_event_id: None,
        added_by: None,
        created_at: now,
        cancelled_at: None,
        cancelled_by: None,
        checked_in_at: None,
        check_in_source: None,
        checked_in_by: None,
        erased_at: None,
    }
}

fn insert(conn: &mut DbConnection, row: &GuestRow) -> AppResult<()> {
    // Asked first: a failed insert would end the transaction on PostgreSQL. The unique key stands behind it.
    let phone = row.phone.as_deref().unwrap_or_default();
    if store::find_by_phone(conn, row.event_id, phone)?.is_some() {
        return Err(Code::GuestExists.into());
    }
    store::insert_guest(conn, row).on_conflict_is(Code::GuestExists)?;
    Ok(())
}

/// For each place of a public address so many guests are ever put down by it, those included who gave theirs back: a
/// stranger who takes and gives back for ever leaves no rows without end.
const GUESTS_A_PLACE: i64 = 3;

/// How many can be put down by this address still, its places aside.
pub fn guests_left(conn: &mut DbConnection, link: &LinkRow) -> AppResult<i64> {
    let ever = store::count_of_link(conn, link.id)?;
    Ok((i64::from(link.places) * GUESTS_A_PLACE - ever).max(0))
}

/// Somebody puts themselves down by a public address. The same id again finds the same guest; `true`: this one is new.
pub fn create_own_guest(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    secret: &str,
    new: &CreateOwnGuest,
) -> AppResult<(GuestRow, bool)> {
    let hash = hash_secret(secret);
    let link = store::find_link_by_token(conn, &hash)?.ok_or_else(AppError::not_found)?;
    let sent = AnyId(new.client_event_id);
    // The place is taken first: whoever sends the same at the same instant waits here, and finds what came of it.
    let taken = store::take_place(conn, &hash, now)?;
    if let Some(row) = store::find_sent(conn, link.id, sent)? {
        if taken.is_some() {
            store::give_place_back(conn, link.id)?;
        }
        return Ok((row, false));
    }
    let event = links::invited(conn, &link)?;
    links::takes_guests(&event, now)?;
    if taken.is_none() && link.expires_at <= now {
        return Err(Code::GuestLinkExpired.into());
    }
    // Counted while the address is held, as it is by whoever has taken a place.
    if taken.is_none() || guests_left(conn, &link)? <= 0 {
        return Err(Code::GuestLinkFull.into());
    }
    let row = GuestRow {
        link_id: Some(link.id),
        client_event_id: Some(sent),
        ..row_of(ids, now, &event, &new.name, &new.phone)
    };
    insert(conn, &row)?;
    Ok((row, true))
}

/// How a guest is known at the door.
#[derive(Debug, Clone)]
pub enum Known {
    Pass(GuestId),
    Phone(String),
}

/// A guest checks in with the code on the screen; the caller has read it. Doing it again finds the same; `true`: it is new.
pub fn check_in(
    conn: &mut DbConnection,
    now: Instant,
    event: EventId,
    known: &Known,
) -> AppResult<(GuestRow, EventRow, bool)> {
    let row = match known {
        Known::Pass(id) => store::find_guest(conn, *id)?.filter(|row| row.event_id == event),
        Known::Phone(phone) => store::find_by_phone(conn, event, phone)?,
    };
    let row = row
        .filter(|row| row.cancelled_at.is_none())
        .ok_or(Code::NotExpected)?;
    let mut row = store::lock_guest(conn, row.id)?.ok_or(Code::NotExpected)?;
    let event = events::find_event(conn, event)?;
    if row.cancelled_at.is_some() {
        return Err(Code::NotExpected.into());
    }
    if row.checked_in_at.is_some() {
        return Ok((row, event, false));
    }
    attendance::open_for_check_in(&event, now)?;
    row.checked_in_at = Some(now);
    row.check_in_source = Some(match known {
        Known::Pass(_) => "pass".to_owned(),
        Known::Phone(_) => "phone".to_owned(),
    });
    store::update_guest(conn, &row)?;
    Ok((row, event, true))
}

/// An organiser checks a guest in by hand; doing it again changes nothing.
pub fn check_in_by_hand(conn: &mut DbConnection, ctx: &Ctx, id: GuestId) -> AppResult<GuestRow> {
    let (mut row, event) = hold(conn, ctx, id)?;
    if row.checked_in_at.is_some() {
        return Ok(row);
    }
    if row.cancelled_at.is_some() {
        return Err(Code::GuestCancelled.into());
    }
    attendance::open_for_check_in(&event, ctx.now)?;
    row.checked_in_at = Some(ctx.now);
    row.check_in_source = Some("by_hand".to_owned());
    row.checked_in_by = Some(ctx.actor.account);
    store::update_guest(conn, &row)?;
    note(conn, ctx, "guest.check_in", id.0, &event, json!({}))?;
    Ok(row)
}

/// The guest's row, locked, for who manages the event.
fn hold(conn: &mut DbConnection, ctx: &Ctx, id: GuestId) -> AppResult<(GuestRow, EventRow)> {
    let row = store::find_guest(conn, id)?.ok_or_else(AppError::not_found)?;
    let event = events::require_event(conn, ctx, row.event_id, Right::ManageEvents)?;
    let row = store::lock_guest(conn, id)?.ok_or_else(AppError::not_found)?;
    Ok((row, event))
}

/// Takes a guest off the list and erases what is held about them. That somebody came stays counted, without a name.
pub fn remove_guest(conn: &mut DbConnection, ctx: &Ctx, id: GuestId) -> AppResult<GuestRow> {
    let (mut row, event) = hold(conn, ctx, id)?;
    if erase(conn, ctx.now, &mut row)? {
        row.cancelled_by = row.cancelled_at.map(|_| ctx.actor.account);
        store::update_guest(conn, &row)?;
        note(conn, ctx, "guest.remove", id.0, &event, json!({}))?;
    }
    Ok(row)
}

/// The guest does so themselves, by their pass. False when it was done before.
pub fn cancel_own_guest(conn: &mut DbConnection, now: Instant, id: GuestId) -> AppResult<bool> {
    let mut row = store::lock_guest(conn, id)?.ok_or_else(AppError::not_found)?;
    erase(conn, now, &mut row)
}

/// False when it was done before.
fn erase(conn: &mut DbConnection, now: Instant, row: &mut GuestRow) -> AppResult<bool> {
    if row.erased_at.is_some() {
        return Ok(false);
    }
    if row.checked_in_at.is_none() {
        row.cancelled_at = Some(now);
        if let Some(link) = row.link_id {
            store::give_place_back(conn, link)?;
        }
    }
    row.name = None;
    row.phone = None;
    row.note.clear();
    row.erased_at = Some(now);
    store::update_guest(conn, row)?;
    Ok(true)
}

/// A guest, for who manages the event.
pub fn view_guest(conn: &mut DbConnection, ctx: &Ctx, id: GuestId) -> AppResult<GuestRow> {
    let row = store::find_guest(conn, id)?.ok_or_else(AppError::not_found)?;
    events::require_event(conn, ctx, row.event_id, Right::ManageEvents)?;
    Ok(row)
}

/// The guests of an event, in the order they were put down, for who manages it.
pub fn list_guests(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    checked_in: Option<bool>,
    page: &Page<GuestId>,
) -> AppResult<(Found<GuestRow>, Counts)> {
    let event = events::require_event(conn, ctx, event, Right::ManageEvents)?;
    let counts = store::count_guests(conn, event.id)?;
    Ok((store::list_guests(conn, event.id, checked_in, page)?, counts))
}

/// Guests a statement.
const SHARE: i64 = 5_000;

/// Erases what is held about guests of events that ended so long ago, or were closed or cancelled before their end; tells
/// how many were.
pub fn erase_due(conn: &mut DbConnection, now: Instant, keep_s: i64) -> AppResult<usize> {
    let mut erased = 0;
    loop {
        let some = store::erase_ended(conn, now, now.plus_s(-keep_s), SHARE)?;
        erased += some;
        if some == 0 {
            return Ok(erased);
        }
    }
}

pub fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    object: uuid::Uuid,
    event: &EventRow,
    detail: serde_json::Value,
) -> AppResult<()> {
    let entry = Entry::of(action, object, event.tenant_id, event.organization_id, detail);
    audit::record(conn, ctx, entry)
}
