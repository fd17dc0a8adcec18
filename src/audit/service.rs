//! What is recorded, and who may read it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::store::{self, AuditFilter, AuditRow};
use crate::app::Ctx;
use crate::members;
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{AnyId, DbConnection, Json};
use crate::platform::error::AppResult;
use crate::platform::page::Found;

/// One line of the log: `action` is `<object>.<verb>`, e.g. `event.publish`.
pub struct Entry<'a> {
    pub action: &'a str,
    pub object: Uuid,
    /// The tree of what was done, which is not the actor's for a system admin; none for what belongs to no tree.
    pub tenant: Option<OrganizationId>,
    pub organization: Option<OrganizationId>,
    pub detail: Value,
}

impl<'a> Entry<'a> {
    /// Of a thing that belongs to an organization.
    pub fn of(
        action: &'a str,
        object: Uuid,
        tenant: OrganizationId,
        organization: OrganizationId,
        detail: Value,
    ) -> Self {
        Self {
            action,
            object,
            tenant: Some(tenant),
            organization: Some(organization),
            detail,
        }
    }
}

/// Records something that was done, inside its transaction.
pub fn record(conn: &mut DbConnection, ctx: &Ctx, entry: Entry<'_>) -> AppResult<()> {
    record_all(conn, ctx, [entry])
}

/// Records many at once.
pub fn record_all<'a>(
    conn: &mut DbConnection,
    ctx: &Ctx,
    entries: impl IntoIterator<Item = Entry<'a>>,
) -> AppResult<()> {
    let rows: Vec<AuditRow> = entries.into_iter().map(|entry| row(ctx, entry)).collect();
    Ok(store::insert(conn, &rows)?)
}

fn row(ctx: &Ctx, entry: Entry<'_>) -> AuditRow {
    AuditRow {
        id: ctx.ids.make(),
        tenant_id: entry.tenant,
        at: ctx.now,
        actor_id: (!ctx.actor.is_nobody()).then_some(ctx.actor.account),
        action: entry.action.to_owned(),
        outcome: "done".to_owned(),
        object_kind: entry.action.split('.').next().unwrap_or_default().to_owned(),
        object_id: Some(AnyId(entry.object)),
        organization_id: entry.organization,
        detail: Json(entry.detail),
        request_id: ctx.request_id.as_deref().map(str::to_owned),
    }
}

/// Records an access that was refused with 403; the refused transaction has been rolled back, so this is its own.
/// It is filed where whoever was refused belongs: the thing they asked for may be out of their sight.
pub fn record_refusal(conn: &mut DbConnection, ctx: &Ctx, route: &str) -> AppResult<()> {
    let home = match (ctx.actor.is_system_admin, ctx.device) {
        (true, _) => None,
        (false, Some(device)) => Some(device.organization),
        (false, None) => Some(members::find_member(conn, ctx.actor.member()?)?.organization_id),
    };
    let entry = Entry {
        action: "access.refuse",
        object: ctx.actor.account.0,
        tenant: ctx.actor.tenant,
        organization: home,
        detail: json!({ "route": route }),
    };
    let refused = AuditRow {
        outcome: "refused".to_owned(),
        object_id: None,
        ..row(ctx, entry)
    };
    Ok(store::insert(conn, &[refused])?)
}

/// The entries of one organization's subtree; without one, of all organizations whose log the actor may read.
pub fn list_entries(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: Option<OrganizationId>,
    asked: &AuditFilter,
) -> AppResult<Found<AuditRow>> {
    let (organizations, tree) = match organization {
        Some(id) => {
            let top = organizations::require(conn, ctx, id, Right::ReadAuditLog)?;
            let is_root = top.id == top.tenant_id;
            (
                Some(organizations::ids_ever_below(conn, &top)?),
                is_root.then_some(top.id),
            )
        }
        None => {
            let found = organizations::require_anywhere(conn, ctx, Right::ReadAuditLog)?;
            let has = |root: &OrganizationId| found.iter().flatten().any(|id| id == root);
            let tree = ctx.actor.tenant.filter(has);
            (found, tree)
        }
    };
    let filter = AuditFilter {
        organizations,
        tree,
        ..asked.clone()
    };
    Ok(store::list(conn, &filter)?)
}
