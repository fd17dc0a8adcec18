//! Who gets a code. A code is told once, here; only its hash is kept.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::json;

use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::auth::{self, AccountId, AccountRow};
use crate::members::MemberId;
use crate::members::service::{full_member, ids_below, require_member};
use crate::members::store::{self, FullMemberRow, MemberFilter};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

/// Codes of one request: each is a write, and a sheet of more is not cut by hand.
const MOST: usize = 1_000;

/// For whom: everybody of an organization and below it, or the named members. Those who have a password are left out.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"organization_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
pub struct IssueActivationCodes {
    pub organization_id: Option<OrganizationId>,
    pub member_ids: Option<Vec<MemberId>>,
}

impl Check for IssueActivationCodes {
    fn check(&mut self, problems: &mut Problems) {
        let named = self.member_ids.as_ref().map_or(0, Vec::len);
        if self.organization_id.is_some() == self.member_ids.is_some() {
            problems.add(
                "/organization_id",
                "required",
                "send either organization_id or member_ids",
            );
        } else if named > MOST {
            problems.add(
                "/member_ids",
                "too_long",
                format!("names more than {MOST} members"),
            );
        }
    }
}

#[derive(Debug, Clone)]
pub struct IssuedCode {
    pub member: FullMemberRow,
    pub code: String,
    pub expires_at: Instant,
}

/// New codes for those who have no password; older ones of the same members end. A few statements for all of them.
pub fn issue_codes(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &IssueActivationCodes,
) -> AppResult<Vec<IssuedCode>> {
    let found = candidates(conn, ctx, asked)?;
    // Looked at again under lock: meanwhile somebody may have used an older code, or have left.
    let accounts = auth::lock_accounts(conn, found.iter().map(|row| row.member.id.into()))?;
    let open: HashMap<AccountId, AccountRow> = accounts
        .into_iter()
        .filter(|account| account.password_hash.is_none() && account.disabled_at.is_none())
        .map(|account| (account.id, account))
        .collect();
    let (members, accounts): (Vec<_>, Vec<_>) = found
        .into_iter()
        .filter_map(|row| Some((open.get(&row.member.id.into())?, row)))
        .map(|(account, row)| (row, account))
        .unzip();
    let (config, by) = (&ctx.config.auth, Some(ctx.actor.account));
    let codes = auth::issue_activation_codes(conn, ctx.now, &ctx.ids, config, &accounts, by)?;
    let entries = members
        .iter()
        .map(|member| entry("member.issue_activation_code", member));
    audit::record_all(conn, ctx, entries)?;
    Ok(members
        .into_iter()
        .zip(codes)
        .map(|(member, code)| issued(ctx, member, code))
        .collect())
}

/// A new code for one member. Who has a password may have forgotten it: it is good, and sessions go on, until the code
/// is used.
pub fn issue_code(conn: &mut DbConnection, ctx: &Ctx, id: MemberId) -> AppResult<IssuedCode> {
    require_member(conn, ctx, id, Right::ManageMembers)?;
    organizations::require_over(conn, ctx, id)?;
    let account = auth::lock_account(conn, id.into())?;
    let member = full_member(conn, id)?;
    if member.member.deactivated_at.is_some() || account.disabled_at.is_some() {
        return Err(Code::MemberInactive.into());
    }
    let is_reset = account.password_hash.is_some();
    // Whoever holds a session of mine must not take the account with it: my own password wants the present one.
    if is_reset && ctx.actor.account == account.id {
        return Err(AppError::forbidden());
    }
    let action = match is_reset {
        true => "member.issue_reset_code",
        false => "member.issue_activation_code",
    };
    issue(conn, ctx, member, action)
}

fn issue(conn: &mut DbConnection, ctx: &Ctx, member: FullMemberRow, action: &str) -> AppResult<IssuedCode> {
    let (config, by) = (&ctx.config.auth, Some(ctx.actor.account));
    let id = member.member.id.into();
    let code = auth::issue_activation_code(conn, ctx.now, &ctx.ids, config, id, by)?;
    audit::record(conn, ctx, entry(action, &member))?;
    Ok(issued(ctx, member, code))
}

fn entry<'a>(action: &'a str, member: &FullMemberRow) -> Entry<'a> {
    let member = &member.member;
    Entry::of(
        action,
        member.id.0,
        member.tenant_id,
        member.organization_id,
        json!({}),
    )
}

fn issued(ctx: &Ctx, member: FullMemberRow, code: String) -> IssuedCode {
    IssuedCode {
        member,
        code,
        expires_at: ctx.now.plus_s(ctx.config.auth.activation_code_s),
    }
}

fn candidates(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &IssueActivationCodes,
) -> AppResult<Vec<FullMemberRow>> {
    match (asked.organization_id, &asked.member_ids) {
        (Some(organization), _) => list_below(conn, ctx, organization),
        (None, Some(ids)) => list_named(conn, ctx, ids),
        (None, None) => Ok(Vec::new()),
    }
}

/// A sheet for a whole branch leaves out those whose accounts the asker may not manage.
fn list_below(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
) -> AppResult<Vec<FullMemberRow>> {
    let filter = MemberFilter {
        organizations: Some(ids_below(conn, ctx, organization, Right::ManageMembers)?),
        without_password: true,
        page: Page::first(MOST + 1),
        ..MemberFilter::default()
    };
    let mut found = store::list_members(conn, &filter)?.rows;
    if found.len() > MOST {
        let words = format!("has more than {MOST} members without a password: take smaller organizations");
        return Err(AppError::invalid_field(
            "/organization_id",
            "too_many_members",
            words,
        ));
    }
    let above = organizations::above(conn, ctx, found.iter().map(|row| row.member.id))?;
    found.retain(|row| !above.contains(&row.member.id));
    Ok(found)
}

/// Each of them must be one whose account the asker manages.
fn list_named(conn: &mut DbConnection, ctx: &Ctx, ids: &[MemberId]) -> AppResult<Vec<FullMemberRow>> {
    let ids: BTreeSet<MemberId> = ids.iter().copied().collect();
    let filter = MemberFilter {
        ids: Some(ids.iter().copied().collect()),
        include_inactive: true,
        page: Page::first(MOST),
        ..MemberFilter::default()
    };
    let mut found = store::list_members(conn, &filter)?.rows;
    if found.len() != ids.len() {
        return Err(AppError::not_found());
    }
    let homes: Vec<_> = found.iter().map(|row| row.member.organization_id).collect();
    organizations::require_all(conn, ctx, &homes, Right::ManageMembers)?;
    if !organizations::above(conn, ctx, ids)?.is_empty() {
        return Err(AppError::forbidden());
    }
    found.retain(|row| !row.has_password && row.member.deactivated_at.is_none());
    Ok(found)
}
