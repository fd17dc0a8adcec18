//! Public addresses: made, shown, ended; and what somebody who opens one is told.

use serde_json::json;

use super::GuestLinkId;
use super::commands::CreateGuestLink;
use super::service::{guests_left, note};
use super::store::{self, LinkRow};
use crate::app::Ctx;
use crate::events::{self, EventId, EventRow};
use crate::organizations::{self, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::keys::{hash_secret, random_secret};
use crate::platform::page::{Found, Page};

/// The link, and the secret in its address, which is never told again.
pub fn create_link(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    wanted: &CreateGuestLink,
) -> AppResult<(LinkRow, String)> {
    let event = require_open(conn, ctx, event)?;
    if wanted.expires_at <= ctx.now || wanted.expires_at > event.ends_at {
        let message = "is not between now and the event's end";
        return Err(AppError::invalid_field("/expires_at", "out_of_range", message));
    }
    let secret = random_secret::<16>();
    let row = LinkRow {
        id: ctx.ids.make(),
        tenant_id: event.tenant_id,
        event_id: event.id,
        token_hash: hash_secret(&secret),
        places: wanted.places,
        taken: 0,
        expires_at: wanted.expires_at,
        created_at: ctx.now,
        created_by: ctx.actor.account,
        revoked_at: None,
        revoked_by: None,
    };
    store::insert_link(conn, &row)?;
    note(
        conn,
        ctx,
        "guest_link.create",
        row.id.0,
        &event,
        json!({ "places": row.places }),
    )?;
    Ok((row, secret))
}

/// The row of an event that guests can still be put down for, by who manages it.
pub fn require_open(conn: &mut DbConnection, ctx: &Ctx, event: EventId) -> AppResult<EventRow> {
    let event = events::require_event(conn, ctx, event, Right::ManageEvents)?;
    takes_guests(&event, ctx.now)?;
    Ok(event)
}

/// Until the event is over.
pub fn takes_guests(event: &EventRow, now: Instant) -> AppResult<()> {
    match event.status.as_str() {
        "cancelled" => Err(Code::EventCancelled.into()),
        "closed" => Err(Code::EventOver.into()),
        _ if event.ends_at <= now => Err(Code::EventOver.into()),
        _ => Ok(()),
    }
}

pub fn list_links(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    page: &Page<GuestLinkId>,
) -> AppResult<Found<LinkRow>> {
    let event = events::require_event(conn, ctx, event, Right::ManageEvents)?;
    Ok(store::list_links(conn, event.id, page)?)
}

/// Nobody comes by it any more; who has come stays on the list.
pub fn revoke_link(conn: &mut DbConnection, ctx: &Ctx, id: GuestLinkId) -> AppResult<LinkRow> {
    let row = store::find_link(conn, id)?.ok_or_else(AppError::not_found)?;
    let event = events::require_event(conn, ctx, row.event_id, Right::ManageEvents)?;
    if store::revoke_link(conn, id, ctx.actor.account, ctx.now)? == 1 {
        note(conn, ctx, "guest_link.revoke", id.0, &event, json!({}))?;
    }
    store::find_link(conn, id)?.ok_or_else(AppError::not_found)
}

/// What whoever opens an address is told of its event.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub event: EventRow,
    pub organization: String,
    pub expires_at: Instant,
    pub places_left: i32,
}

/// 404 for an address that is none, was ended, or is of an event that is not announced; it tells nothing else.
pub fn find_invitation(conn: &mut DbConnection, now: Instant, secret: &str) -> AppResult<Invitation> {
    let link = store::find_link_by_token(conn, &hash_secret(secret))?.ok_or_else(AppError::not_found)?;
    let event = invited(conn, &link)?;
    let names = organizations::names(conn, &[event.organization_id])?;
    let is_over = link.expires_at <= now || takes_guests(&event, now).is_err();
    let guests_left = i32::try_from(guests_left(conn, &link)?).unwrap_or(i32::MAX);
    Ok(Invitation {
        organization: names.get(&event.organization_id).cloned().unwrap_or_default(),
        expires_at: link.expires_at,
        places_left: if is_over {
            0
        } else {
            guests_left.min(link.places - link.taken)
        },
        event,
    })
}

/// The event of a link that is good.
pub fn invited(conn: &mut DbConnection, link: &LinkRow) -> AppResult<EventRow> {
    let event = events::find_event(conn, link.event_id)?;
    if link.revoked_at.is_some() || event.status == "draft" {
        return Err(AppError::not_found());
    }
    Ok(event)
}
