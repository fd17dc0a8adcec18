//! The audit log: append-only, written in the transaction of what it tells of. Never a secret, never a body.

use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::app::Ctx;
use crate::auth::{AccountId, Actor};
use crate::organizations::OrganizationId;
use crate::platform::db::schema::audit_log;
use crate::platform::db::{AnyId, DbConnection, Instant, Json};
use crate::platform::error::AppResult;
use crate::platform::ids::Ids;

#[derive(Insertable)]
#[diesel(table_name = audit_log)]
struct NewEntry<'a> {
    id: AnyId,
    tenant_id: Option<OrganizationId>,
    at: Instant,
    actor_id: Option<AccountId>,
    action: &'a str,
    outcome: &'a str,
    object_kind: &'a str,
    object_id: Option<AnyId>,
    organization_id: Option<OrganizationId>,
    detail: Json,
}

/// One line of the log: `action` is `<object>.<verb>`, e.g. `event.publish`.
pub struct Entry<'a> {
    pub action: &'a str,
    pub object: Uuid,
    pub organization: Option<OrganizationId>,
    pub detail: Value,
}

/// Records something that was done, inside its transaction.
pub fn record(conn: &mut DbConnection, ctx: &Ctx, entry: Entry<'_>) -> AppResult<()> {
    let new = NewEntry {
        id: ctx.ids.make(),
        tenant_id: ctx.actor.tenant.or(entry.organization),
        at: ctx.now,
        actor_id: (!ctx.actor.is_nobody()).then_some(ctx.actor.account),
        action: entry.action,
        outcome: "done",
        object_kind: entry.action.split('.').next().unwrap_or_default(),
        object_id: Some(AnyId(entry.object)),
        organization_id: entry.organization,
        detail: Json(entry.detail),
    };
    diesel::insert_into(audit_log::table).values(&new).execute(conn)?;
    Ok(())
}

/// Records an access that was refused with 403; the refused transaction has been rolled back, so this is its own.
pub fn record_refusal(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    actor: &Actor,
    route: &str,
) -> AppResult<()> {
    let new = NewEntry {
        id: ids.make(),
        tenant_id: actor.tenant,
        at: now,
        actor_id: Some(actor.account),
        action: "access.refuse",
        outcome: "refused",
        object_kind: "access",
        object_id: None,
        organization_id: None,
        detail: Json(serde_json::json!({ "route": route })),
    };
    diesel::insert_into(audit_log::table).values(&new).execute(conn)?;
    Ok(())
}
