//! Who gets a code. A code is told once, here; only its hash is kept.

use serde::Deserialize;
use serde_json::json;

use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::auth;
use crate::members::MemberId;
use crate::members::service::{full_member, ids_below, require_member};
use crate::members::store::{self, FullMemberRow, MemberFilter};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::platform::text::{Check, Problems};

/// Codes of one request: each is a write, and a sheet of more is not cut by hand.
const MOST: usize = 1_000;

/// For whom: everybody of an organization and below it, or the named members. Those who have a password are left out.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
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

/// New codes; older ones of the same members end.
pub fn issue_codes(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &IssueActivationCodes,
) -> AppResult<Vec<IssuedCode>> {
    let config = &ctx.config.auth;
    let mut issued = Vec::new();
    for member in candidates(conn, ctx, asked)? {
        let (id, tenant) = (member.member.id, member.member.tenant_id);
        let by = Some(ctx.actor.account);
        let code = auth::issue_activation_code(conn, ctx.now, &ctx.ids, config, id.into(), Some(tenant), by)?;
        let entry = Entry {
            action: "member.issue_activation_code",
            object: id.0,
            tenant: Some(tenant),
            organization: Some(member.member.organization_id),
            detail: json!({}),
        };
        audit::record(conn, ctx, entry)?;
        issued.push(IssuedCode {
            member,
            code,
            expires_at: ctx.now.plus_s(config.activation_code_s),
        });
    }
    Ok(issued)
}

fn candidates(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &IssueActivationCodes,
) -> AppResult<Vec<FullMemberRow>> {
    let mut found = Vec::new();
    if let Some(organization) = asked.organization_id {
        let filter = MemberFilter {
            organizations: Some(ids_below(conn, ctx, organization, Right::ManageMembers)?),
            without_password: true,
            limit: i64::try_from(MOST).unwrap_or(i64::MAX).saturating_add(1),
            ..MemberFilter::default()
        };
        found = store::list_members(conn, &filter)?;
        if found.len() > MOST {
            let words =
                format!("has more than {MOST} members without a password: take smaller organizations");
            return Err(AppError::invalid_field(
                "/organization_id",
                "too_many_members",
                words,
            ));
        }
    }
    // A sheet for a whole branch leaves out those whose accounts the asker may not manage.
    found.retain(|row| organizations::require_over(conn, ctx, row.member.id).is_ok());
    let mut named = asked.member_ids.clone().unwrap_or_default();
    named.sort_unstable();
    named.dedup();
    for id in named {
        require_member(conn, ctx, id, Right::ManageMembers)?;
        organizations::require_over(conn, ctx, id)?;
        let member = full_member(conn, id)?;
        if !member.has_password && member.member.deactivated_at.is_none() {
            found.push(member);
        }
    }
    Ok(found)
}
