//! Granting and revoking roles.

use serde_json::json;

use super::access::{require, require_ever};
use super::rules::{Right, Role};
use super::service::note;
use super::store::{self, AdminRow, RoleGrantRow};
use super::{OrganizationId, RoleGrantId};
use crate::app::Ctx;
use crate::leaderboards;
use crate::members::{self, MemberId};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::page::{Found, Page};

/// Grants a role on an organization; granting it again gives the grant that is there.
pub fn grant_role(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    member: MemberId,
    role: Role,
) -> AppResult<RoleGrantRow> {
    let row = require(conn, ctx, organization, Right::ManageOrganization)?;
    members::require_member(conn, ctx, member, Right::View)?;
    // Takes turns with a deactivation at the same instant: nobody who has left is granted a role.
    let holder = members::hold_member(conn, member)?;
    if holder.deactivated_at.is_some() {
        return Err(Code::MemberInactive.into());
    }
    if holder.tenant_id != row.tenant_id {
        return Err(AppError::not_found());
    }
    if let Some(same) = store::find_same_grant(conn, organization, member, role.as_str())? {
        return Ok(same);
    }
    let grant = RoleGrantRow {
        id: ctx.ids.make(),
        tenant_id: row.tenant_id,
        organization_id: organization,
        member_id: member,
        role: role.as_str().to_owned(),
        granted_at: ctx.now,
        granted_by: Some(ctx.actor.account),
        revoked_at: None,
        revoked_by: None,
    };
    store::insert_grant(conn, &grant).map_err(AppError::overtaken)?;
    leaderboards::settings_changed(conn, &ctx.ids, ctx.now, row.tenant_id, organization)?;
    note(
        conn,
        ctx,
        "role.grant",
        &row,
        json!({ "member_id": member, "role": role }),
    )?;
    Ok(grant)
}

/// The grants on this organization itself, the oldest first.
pub fn list_roles(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    page: &Page<(Instant, RoleGrantId)>,
) -> AppResult<Found<(RoleGrantRow, String)>> {
    require(conn, ctx, organization, Right::View)?;
    Ok(store::list_grants(conn, organization, page)?)
}

/// On an archived organization too: by those above it.
pub fn revoke_role(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    grant: RoleGrantId,
) -> AppResult<()> {
    let row = require_ever(conn, ctx, organization, Right::ManageOrganization)?;
    let found = store::find_grant(conn, grant)?.filter(|g| g.organization_id == organization);
    let found = found.ok_or_else(AppError::not_found)?;
    if organization == row.tenant_id && found.role == Role::Admin.as_str() {
        keep_an_admin(conn, ctx, row.tenant_id, |other| other.id != grant)?;
    }
    // Of many who revoke it at once one has done so, and the rest come too late.
    if store::revoke_grant(conn, grant, ctx.actor.account, ctx.now)? == 0 {
        return Err(AppError::not_found());
    }
    leaderboards::settings_changed(conn, &ctx.ids, ctx.now, row.tenant_id, organization)?;
    note(
        conn,
        ctx,
        "role.revoke",
        &row,
        json!({ "member_id": found.member_id, "role": found.role }),
    )
}

/// `keep_an_admin` for a member who leaves with all their roles.
pub fn keep_an_admin_besides(
    conn: &mut DbConnection,
    ctx: &Ctx,
    tenant: OrganizationId,
    leaving: MemberId,
) -> AppResult<()> {
    let theirs = store::find_same_grant(conn, tenant, leaving, Role::Admin.as_str())?;
    match theirs {
        Some(_) => keep_an_admin(conn, ctx, tenant, |other| other.member_id != leaving),
        None => Ok(()),
    }
}

/// A tree whose last admin has gone can only be helped from outside: 409. Those outside, the system admins, may do it.
/// Holds the tree until the transaction ends, so that of two admins who leave at once one stays.
fn keep_an_admin(
    conn: &mut DbConnection,
    ctx: &Ctx,
    tenant: OrganizationId,
    stays: impl Fn(&AdminRow) -> bool,
) -> AppResult<()> {
    if ctx.actor.is_system_admin {
        return Ok(());
    }
    store::lock_tenant(conn, tenant)?;
    let admins = store::list_active_admins(conn, tenant)?;
    if admins.iter().any(stays) {
        Ok(())
    } else {
        Err(Code::LastAdmin.into())
    }
}
