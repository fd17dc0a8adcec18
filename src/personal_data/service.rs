//! Who may have what, and the order of an erasure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::store::{self, ErasureRow};
use super::tables::TABLES;
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::leaderboards;
use crate::members::{self, MemberId};
use crate::organizations::{self, Right};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppResult, Code};
use crate::sharing;
use crate::webhooks;

/// Rows by the name of their table; tables without any are left out.
pub type Records = BTreeMap<&'static str, Vec<Value>>;

/// All that is held about the actor.
pub fn export(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Records> {
    let me = ctx.actor.member()?;
    let mut records = Records::new();
    for table in TABLES {
        let rows = store::list_rows(conn, table, me)?;
        if !rows.is_empty() {
            records.insert(table.name, rows);
        }
    }
    Ok(records)
}

/// Empties what tells of a person who has left. By whoever manages the organization, and may do no less than they could.
/// It cannot be taken back; done before, nothing changes.
pub fn erase(conn: &mut DbConnection, ctx: &Ctx, id: MemberId) -> AppResult<()> {
    // Of an archived organization too: by those above it.
    let seen = members::find_member(conn, id)?;
    organizations::require_ever(conn, ctx, seen.organization_id, Right::ManageOrganization)?;
    organizations::require_over(conn, ctx, id)?;
    let member = members::hold_member(conn, id)?;
    organizations::require_ever(conn, ctx, member.organization_id, Right::ManageOrganization)?;
    if store::is_erased(conn, id)? {
        return Ok(());
    }
    if member.deactivated_at.is_none() {
        return Err(Code::MemberActive.into());
    }
    sharing::withdraw_all(conn, ctx, id)?;
    for table in TABLES {
        store::erase_rows(conn, table, id)?;
    }
    store::empty_mentions(conn, member.tenant_id, id)?;
    webhooks::forget(conn, member.tenant_id, id)?;
    // Boards and other processes must forget the name, too.
    leaderboards::members_moved(conn, &ctx.ids, ctx.now, member.tenant_id, &[(id, None)])?;
    let erasure = ErasureRow {
        member_id: id,
        tenant_id: member.tenant_id,
        erased_at: ctx.now,
        erased_by: ctx.actor.account,
    };
    store::insert_erasure(conn, &erasure)?;
    let entry = Entry::of(
        "member.erase",
        id.0,
        member.tenant_id,
        member.organization_id,
        json!({}),
    );
    audit::record(conn, ctx, entry)
}

/// Nobody comes back whose name is not known any more.
pub fn is_erased(conn: &mut DbConnection, member: MemberId) -> AppResult<bool> {
    Ok(store::is_erased(conn, member)?)
}
