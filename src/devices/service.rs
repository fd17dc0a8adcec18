//! Who makes and revokes a device, how it turns its code into a token, and which events it may touch.

use serde_json::json;

use super::rules::{CODE_LENGTH, CODE_S, Purpose, RoomDevice, is_shown};
use super::store::{self, DeviceRow};
use super::{DeviceId, rules};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::keys::{hash_secret, random_secret};
use crate::platform::page::{Found, Page};
use crate::platform::short_code;

/// A device as an organiser describes it.
#[derive(Debug, Clone)]
pub struct NewDevice {
    pub name: String,
    pub purposes: Vec<Purpose>,
    /// Seconds that it may be used; none means until it is revoked.
    pub lives_s: Option<i64>,
}

/// Makes a device and its enrolment code, which is told here once: only its hash is kept.
pub fn create_device(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    new: &NewDevice,
) -> AppResult<(DeviceRow, String)> {
    let organization = organizations::require_held(conn, ctx, organization, Right::ManageEvents)?;
    let code = short_code::make::<CODE_LENGTH>(rand::random());
    let row = DeviceRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        name: new.name.clone(),
        is_screen: new.purposes.contains(&Purpose::Screen),
        is_scanner: new.purposes.contains(&Purpose::Scanner),
        code_hash: Some(hash_secret(&code.replace('-', ""))),
        code_expires_at: ctx.now.plus_s(CODE_S),
        token_hash: None,
        created_at: ctx.now,
        created_by: Some(ctx.actor.account),
        enrolled_at: None,
        expires_at: new.lives_s.map(|s| ctx.now.plus_s(s)),
        last_seen_at: None,
        revoked_at: None,
        revoked_by: None,
    };
    store::insert_device(conn, &row).map_err(AppError::overtaken)?;
    let detail = json!({ "name": row.name, "purposes": new.purposes });
    note(conn, ctx, "device.create", &row, detail)?;
    Ok((row, code))
}

pub fn list_devices(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    page: &Page<(Instant, DeviceId)>,
) -> AppResult<Found<DeviceRow>> {
    organizations::require(conn, ctx, organization, Right::ManageEvents)?;
    Ok(store::list_devices(conn, organization, page)?)
}

/// Ends a device, or the code of one that has not enrolled yet.
pub fn revoke_device(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    id: DeviceId,
) -> AppResult<()> {
    organizations::require(conn, ctx, organization, Right::ManageEvents)?;
    let found = store::find_device(conn, id)?.filter(|row| row.organization_id == organization);
    let row = found.ok_or_else(AppError::not_found)?;
    if !store::revoke_device(conn, id, ctx.actor.account, ctx.now)? {
        return Err(AppError::not_found());
    }
    note(conn, ctx, "device.revoke", &row, json!({ "name": row.name }))
}

/// Turns a typed code into a token. Wrong, used, expired and revoked are one refusal.
pub fn enrol_device(conn: &mut DbConnection, ctx: &Ctx, typed: &str) -> AppResult<(DeviceRow, String)> {
    let code = short_code::normalise::<CODE_LENGTH>(typed).ok_or(Code::DeviceCodeInvalid)?;
    let token = random_secret::<32>();
    let token_hash = hash_secret(&token);
    if store::use_code(conn, &hash_secret(&code), &token_hash, ctx.now)? == 0 {
        return Err(Code::DeviceCodeInvalid.into());
    }
    // An organization that was archived meanwhile, or a device that has outlived its time, rolls the use back.
    let row = store::find_by_token(conn, &token_hash, ctx.now)?.ok_or(Code::DeviceCodeInvalid)?;
    let by_itself = Ctx {
        actor: device_of(&row).actor(),
        ..ctx.clone()
    };
    note(
        conn,
        &by_itself,
        "device.enrol",
        &row,
        json!({ "name": row.name }),
    )?;
    Ok((row, token))
}

/// Who holds this token now.
pub fn find_by_token(conn: &mut DbConnection, now: Instant, token: &str) -> AppResult<Option<RoomDevice>> {
    if token.len() != rules::TOKEN_LENGTH {
        return Ok(None);
    }
    let row = store::find_by_token(conn, &hash_secret(token), now)?;
    Ok(row.as_ref().map(device_of))
}

pub fn note_seen(conn: &mut DbConnection, now: Instant, id: DeviceId) -> AppResult<()> {
    store::set_last_seen(conn, id, now)?;
    Ok(())
}

fn device_of(row: &DeviceRow) -> RoomDevice {
    RoomDevice {
        id: row.id,
        tenant: row.tenant_id,
        organization: row.organization_id,
        is_screen: row.is_screen,
        is_scanner: row.is_scanner,
        last_seen_at: row.last_seen_at,
    }
}

/// The row of an event, for a person with this right there, or for a device of this purpose whose organization, or one
/// below it, has called the event. What is not the device's looks missing.
pub fn require_event(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    right: Right,
    purpose: Purpose,
) -> AppResult<EventRow> {
    let Some(device) = ctx.device else {
        return events::require_event(conn, ctx, id, right);
    };
    let device = require_live(conn, ctx, device, purpose)?;
    let event = events::find_event(conn, id)?;
    let caller = organizations::find_organization(conn, event.organization_id)?;
    let is_below = organizations::ids_of_path(&caller.path).contains(&device.organization.0);
    let is_shown = is_shown(&event.status, event.ends_at, event.check_in_closes_at, ctx.now);
    if is_below && is_shown && caller.archived_at.is_none() {
        Ok(event)
    } else {
        Err(AppError::not_found())
    }
}

/// Looked up again in the transaction of the work: what was revoked since the request came in is gone.
fn require_live(
    conn: &mut DbConnection,
    ctx: &Ctx,
    device: RoomDevice,
    purpose: Purpose,
) -> AppResult<RoomDevice> {
    let row = store::find_live(conn, device.id, ctx.now)?.ok_or_else(AppError::unauthorized)?;
    let device = device_of(&row);
    device.require(purpose)?;
    Ok(device)
}

/// The events that a screen can show now: of its organization and below it, with check-in open.
pub fn list_device_events(
    conn: &mut DbConnection,
    ctx: &Ctx,
    device: RoomDevice,
    page: &Page<(Instant, EventId)>,
) -> AppResult<Found<EventRow>> {
    let device = require_live(conn, ctx, device, Purpose::Screen)?;
    let top = organizations::find_organization(conn, device.organization)?;
    let below = organizations::subtree(conn, &top)?;
    let ids = below.into_iter().map(|organization| organization.id).collect();
    events::list_open(conn, ctx, ids, page)
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &DeviceRow,
    detail: serde_json::Value,
) -> AppResult<()> {
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}
