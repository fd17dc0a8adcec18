//! What may happen to a member, in which order, and what else must change with it.

use std::collections::HashSet;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::json;

pub use super::commands::{CreateMember, TransferMember, UpdateMe, UpdateMember};
pub use super::lists::{ListMembers, all_members, ids_below, list_members};
use super::rules::{EmployeeNo, Standing};
use super::store::{self, FullMemberRow, MemberRow, StandingRow, TransferRow};
use super::{MemberId, TransferId};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::auth::{self, NewAccount};
use crate::leaderboards;
use crate::organizations::{self, OrganizationId, OrganizationRow, Right};
use crate::personal_data;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Conflict, Permitted};
use crate::platform::local_time;
use crate::platform::page::{Found, Page};
use crate::platform::text::Patch;
use crate::points;
use crate::sign_ups;

/// What other slices show of a member.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct MemberSummary {
    pub id: MemberId,
    pub name: String,
    pub organization_id: OrganizationId,
    pub organization_name: String,
    pub standing: Standing,
}

/// A move as it is shown: from where and to where, as far as the reader sees these; to the member themselves, all of it.
pub struct Transfer {
    pub row: TransferRow,
    pub from: Option<OrganizationId>,
    pub to: Option<OrganizationId>,
}

impl From<TransferRow> for Transfer {
    fn from(row: TransferRow) -> Self {
        let (from, to) = (Some(row.from_organization_id), Some(row.to_organization_id));
        Self { row, from, to }
    }
}

/// Somebody who should attend, with the rights of one date.
#[derive(Debug, Clone)]
pub struct ExpectedMember {
    pub member_id: MemberId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub standing: Standing,
    pub may_vote: bool,
}

/// No permission asked: for services that decide on their own.
pub fn find_member(conn: &mut DbConnection, id: MemberId) -> AppResult<MemberRow> {
    store::find_member(conn, id)?.ok_or_else(AppError::not_found)
}

/// No permission asked. None for the system admin, who is no member.
pub fn summary(conn: &mut DbConnection, id: MemberId) -> AppResult<Option<MemberSummary>> {
    store::find_full_member(conn, id)?
        .map(|full| summary_of(&full))
        .transpose()
}

pub fn summary_of(full: &FullMemberRow) -> AppResult<MemberSummary> {
    Ok(MemberSummary {
        id: full.member.id,
        name: full.member.name.clone(),
        organization_id: full.member.organization_id,
        organization_name: full.organization_name.clone(),
        standing: standing_of(&full.member.standing)?,
    })
}

pub fn standing_of(stored: &str) -> AppResult<Standing> {
    Standing::parse(stored).ok_or_else(|| AppError::internal("a member of unknown standing"))
}

/// The member, if the actor has this right where the member belongs: 404 when that is out of sight, 403 when the right
/// is missing. Everybody may view themselves.
pub fn require_member(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: MemberId,
    right: Right,
) -> AppResult<MemberRow> {
    let row = find_member(conn, id)?;
    if right == Right::View && ctx.actor.account.0 == id.0 {
        return Ok(row);
    }
    organizations::require(conn, ctx, row.organization_id, right)?;
    Ok(row)
}

/// Does the actor look after this member? No to anybody who is no member.
pub fn may_manage(conn: &mut DbConnection, ctx: &Ctx, id: MemberId) -> AppResult<bool> {
    Ok(require_member(conn, ctx, id, Right::ManageMembers)
        .permitted()?
        .is_some())
}

/// The same, with what is shown of a member.
pub fn view_member(conn: &mut DbConnection, ctx: &Ctx, id: MemberId) -> AppResult<FullMemberRow> {
    require_member(conn, ctx, id, Right::View)?;
    full_member(conn, id)
}

/// No permission asked.
pub fn full_member(conn: &mut DbConnection, id: MemberId) -> AppResult<FullMemberRow> {
    store::find_full_member(conn, id)?.ok_or_else(AppError::not_found)
}

/// Who could sign in with this as an employee number; for the sign-in, which asks for no permission.
pub fn list_by_employee_no(
    conn: &mut DbConnection,
    typed: &str,
    tenant: Option<OrganizationId>,
    limit: i64,
) -> AppResult<Vec<MemberId>> {
    match EmployeeNo::parse(typed) {
        Ok(number) => Ok(store::list_by_employee_no(conn, number.as_str(), tenant, limit)?),
        Err(_) => Ok(Vec::new()),
    }
}

pub fn create_member(conn: &mut DbConnection, ctx: &Ctx, new: &CreateMember) -> AppResult<MemberRow> {
    let organization = organizations::require_held(conn, ctx, new.organization_id, Right::ManageMembers)?;
    let today = today(conn, ctx, &organization)?;
    let since = new.standing_since.unwrap_or(today);
    not_in_future("/standing_since", since, today)?;
    crate::attendance::freeze_due_rosters(conn, ctx, organization.tenant_id)?;
    let id: MemberId = ctx.ids.make();
    let account = NewAccount {
        id: id.into(),
        tenant: Some(organization.tenant_id),
        account_name: new.account_name.clone(),
        phone: new.phone.clone(),
    };
    auth::create_account(conn, ctx, account)?;
    let row = MemberRow {
        id,
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        name: new.name.clone(),
        employee_no: new.employee_no.clone(),
        standing: new.standing.as_str().to_owned(),
        standing_since: since,
        joined_on: new.joined_on,
        deactivated_at: None,
        deactivate_reason: None,
        version: 1,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    store::insert_members(conn, std::slice::from_ref(&row)).on_conflict_is(Code::EmployeeNoTaken)?;
    store::insert_standings(conn, &[standing_row(ctx, &row)])?;
    tell_boards(conn, ctx, &row, None)?;
    note(
        conn,
        ctx,
        "member.create",
        &row,
        json!({ "standing": row.standing }),
    )?;
    Ok(row)
}

/// The entry of the history that `row`'s standing is.
pub fn standing_row(ctx: &Ctx, row: &MemberRow) -> StandingRow {
    StandingRow {
        id: ctx.ids.make(),
        tenant_id: row.tenant_id,
        member_id: row.id,
        standing: row.standing.clone(),
        since: row.standing_since,
        recorded_at: ctx.now,
        recorded_by: Some(ctx.actor.account),
    }
}

/// `version` is what the caller has read; none means 'whatever is there'.
pub fn update_member(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: MemberId,
    version: Option<i32>,
    change: &UpdateMember,
) -> AppResult<MemberRow> {
    let tenant = require_member(conn, ctx, id, Right::ManageMembers)?.tenant_id;
    organizations::require_over(conn, ctx, id)?;
    let changes_standing = change.standing.is_some() || change.standing_since.is_some();
    if changes_standing {
        crate::attendance::freeze_due_rosters(conn, ctx, tenant)?;
    }
    let mut row = lock_member(conn, ctx, id, version)?;
    let before = row.clone();
    if let Some(name) = &change.name {
        row.name.clone_from(name);
    }
    if let Some(employee_no) = &change.employee_no {
        row.employee_no.clone_from(employee_no);
    }
    if let Some(joined_on) = change.joined_on {
        row.joined_on = joined_on;
    }
    if changes_standing {
        let organization = organizations::find_organization(conn, row.organization_id)?;
        let today = today(conn, ctx, &organization)?;
        change_standing(conn, ctx, &mut row, change.standing, change.standing_since, today)?;
    }
    if !update_account(conn, ctx, id, &change.account_name, &change.phone)? && row == before {
        return Ok(row);
    }
    // Boards of branches leave guests out.
    let is_guest = |row: &MemberRow| row.standing == Standing::Guest.as_str();
    if row.name != before.name || is_guest(&row) != is_guest(&before) {
        tell_boards(conn, ctx, &row, None)?;
    }
    save(
        conn,
        ctx,
        row,
        "member.update",
        json!({ "fields": change.fields() }),
    )
}

/// What members may change about themselves. The system admin has no member's row, so no version.
pub fn update_me(
    conn: &mut DbConnection,
    ctx: &Ctx,
    version: Option<i32>,
    change: &UpdateMe,
) -> AppResult<()> {
    let id = MemberId::from(ctx.actor.account);
    if ctx.actor.is_system_admin {
        if !update_account(conn, ctx, id, &change.account_name, &change.phone)? {
            return Ok(());
        }
        let entry = Entry {
            action: "account.update",
            object: ctx.actor.account.0,
            tenant: None,
            organization: None,
            detail: json!({ "fields": change.fields() }),
        };
        return audit::record(conn, ctx, entry);
    }
    let row = hold_member(conn, ctx.actor.member()?)?;
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    if update_account(conn, ctx, id, &change.account_name, &change.phone)? {
        let detail = json!({ "fields": change.fields(), "own": true });
        save(conn, ctx, row, "member.update", detail)?;
    }
    Ok(())
}

/// Has it changed anything?
fn update_account(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: MemberId,
    account_name: &Patch<String>,
    phone: &Patch<String>,
) -> AppResult<bool> {
    if account_name.is_none() && phone.is_none() {
        return Ok(false);
    }
    auth::update_account(conn, ctx, id.into(), account_name.clone(), phone.clone())
}

/// Another standing begins a new entry of the history; the same standing with another date corrects the last entry.
/// History before the last entry is never rewritten.
pub fn change_standing(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &mut MemberRow,
    standing: Option<Standing>,
    since: Option<NaiveDate>,
    today: NaiveDate,
) -> AppResult<()> {
    let standing = standing.map_or_else(|| standing_of(&row.standing), Ok)?;
    let is_new = standing.as_str() != row.standing;
    let since = since.unwrap_or(if is_new { today } else { row.standing_since });
    if !is_new && since == row.standing_since {
        return Ok(());
    }
    not_in_future("/standing_since", since, today)?;
    let history = store::list_standings(conn, row.id)?;
    let mut history = history.into_iter();
    let (last, before) = (history.next(), history.next());
    let earliest = if is_new {
        last.as_ref().map(|l| l.since)
    } else {
        before.map(|b| b.since.succ_opt().unwrap_or(b.since))
    };
    if earliest.is_some_and(|earliest| since < earliest) {
        return Err(AppError::invalid_field(
            "/standing_since",
            "too_early",
            "lies before an earlier standing began",
        ));
    }
    row.standing = standing.as_str().to_owned();
    row.standing_since = since;
    match last {
        // The same day twice is a correction too.
        Some(last) if !is_new || last.since == since => {
            store::update_standing(
                conn,
                &StandingRow {
                    id: last.id,
                    ..standing_row(ctx, row)
                },
            )?;
        }
        _ => store::insert_standings(conn, &[standing_row(ctx, row)])?,
    }
    Ok(())
}

/// Moves a member to another organization of the same tree. The actor manages the members of both.
pub fn transfer_member(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: MemberId,
    to: &TransferMember,
) -> AppResult<(MemberRow, TransferRow)> {
    let tenant = require_member(conn, ctx, id, Right::ManageMembers)?.tenant_id;
    organizations::require_over(conn, ctx, id)?;
    let target = organizations::require_held(conn, ctx, to.organization_id, Right::ManageMembers)?;
    if target.tenant_id != tenant {
        return Err(AppError::not_found());
    }
    crate::attendance::freeze_due_rosters(conn, ctx, tenant)?;
    points::take_along(conn, id, target.id)?;
    let mut row = lock_member(conn, ctx, id, None)?;
    if row.deactivated_at.is_some() {
        return Err(Code::MemberInactive.into());
    }
    if row.organization_id == target.id {
        return Err(Code::AlreadyThere.into());
    }
    let transfer = transfer_row(ctx, &row, target.id, &to.reason);
    row.organization_id = target.id;
    store::insert_transfers(conn, std::slice::from_ref(&transfer))?;
    tell_boards(conn, ctx, &row, Some(transfer.from_organization_id))?;
    let detail = json!({ "from": transfer.from_organization_id, "to": target.id, "reason": to.reason });
    Ok((save(conn, ctx, row, "member.transfer", detail)?, transfer))
}

pub fn transfer_row(ctx: &Ctx, row: &MemberRow, to: OrganizationId, reason: &str) -> TransferRow {
    TransferRow {
        id: ctx.ids.make(),
        tenant_id: row.tenant_id,
        member_id: row.id,
        from_organization_id: row.organization_id,
        to_organization_id: to,
        reason: reason.to_owned(),
        transferred_at: ctx.now,
        transferred_by: Some(ctx.actor.account),
    }
}

pub fn list_transfers(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: MemberId,
    page: &Page<(Instant, TransferId)>,
) -> AppResult<Found<Transfer>> {
    require_member(conn, ctx, id, Right::View)?;
    let Found { rows, count } = store::list_transfers(conn, id, page)?;
    let mut transfers: Vec<Transfer> = rows.into_iter().map(Transfer::from).collect();
    if ctx.actor.account.0 != id.0 {
        hide_out_of_sight(conn, ctx, &mut transfers)?;
    }
    Ok(Found {
        rows: transfers,
        count,
    })
}

fn hide_out_of_sight(conn: &mut DbConnection, ctx: &Ctx, transfers: &mut [Transfer]) -> AppResult<()> {
    let ends: Vec<OrganizationId> = transfers
        .iter()
        .flat_map(|one| [one.from, one.to])
        .flatten()
        .collect();
    let seen = organizations::in_sight(conn, ctx, &ends)?;
    for end in transfers.iter_mut().flat_map(|one| [&mut one.from, &mut one.to]) {
        *end = end.filter(|id| seen.contains(id));
    }
    Ok(())
}

/// Ends membership here: no sign-in, on no roster from now on. Nothing is deleted.
pub fn deactivate_member(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: MemberId,
    reason: &str,
) -> AppResult<MemberRow> {
    let tenant = require_member(conn, ctx, id, Right::ManageMembers)?.tenant_id;
    organizations::require_over(conn, ctx, id)?;
    organizations::keep_an_admin_besides(conn, ctx, tenant, id)?;
    crate::attendance::freeze_due_rosters(conn, ctx, tenant)?;
    // Before the member's row is locked: events are locked first, always.
    sign_ups::give_back_all(conn, ctx, tenant, id, "deactivated")?;
    let mut row = lock_member(conn, ctx, id, None)?;
    if row.deactivated_at.is_some() {
        return Err(Code::MemberInactive.into());
    }
    row.deactivated_at = Some(ctx.now);
    row.deactivate_reason = Some(reason.to_owned());
    auth::disable_account(conn, ctx, id.into())?;
    tell_boards(conn, ctx, &row, None)?;
    save(conn, ctx, row, "member.deactivate", json!({ "reason": reason }))
}

/// Takes a deactivation back; a member who is active stays as they are.
pub fn reactivate_member(conn: &mut DbConnection, ctx: &Ctx, id: MemberId) -> AppResult<MemberRow> {
    let found = require_member(conn, ctx, id, Right::ManageMembers)?;
    organizations::require_over(conn, ctx, id)?;
    organizations::require_held(conn, ctx, found.organization_id, Right::ManageMembers)?;
    let tenant = found.tenant_id;
    crate::attendance::freeze_due_rosters(conn, ctx, tenant)?;
    let mut row = lock_member(conn, ctx, id, None)?;
    if row.deactivated_at.is_none() {
        return Ok(row);
    }
    row.deactivated_at = None;
    row.deactivate_reason = None;
    auth::enable_account(conn, ctx, id.into())?;
    tell_boards(conn, ctx, &row, None)?;
    save(conn, ctx, row, "member.reactivate", json!({}))
}

/// Somebody came, left, moved or has another name: what boards show of them is looked up again.
fn tell_boards(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &MemberRow,
    from: Option<OrganizationId>,
) -> AppResult<()> {
    leaderboards::members_moved(conn, &ctx.ids, ctx.now, row.tenant_id, &[(row.id, from)])
}

/// Active members of the organizations (each with what is below it) whose standing of that date is among
/// `standings` (bits of `Standing::bit`), and the active ones of `named` whatever their standing. Nobody twice.
pub fn expected_members(
    conn: &mut DbConnection,
    organizations: &[OrganizationId],
    standings: i32,
    named: &[MemberId],
    on: NaiveDate,
) -> AppResult<Vec<ExpectedMember>> {
    let below = if organizations.is_empty() {
        Vec::new()
    } else {
        store::ids_below(conn, organizations)?
    };
    let named_too: HashSet<MemberId> = named.iter().copied().collect();
    let mut expected = Vec::new();
    for row in store::list_dated_members(conn, &below, named, on)? {
        let standing = standing_of(&row.standing)?;
        if standings & standing.bit() != 0 || named_too.contains(&row.id) {
            expected.push(ExpectedMember {
                member_id: row.id,
                organization_id: row.organization_id,
                name: row.name,
                standing,
                may_vote: standing.may_vote(),
            });
        }
    }
    Ok(expected)
}

/// The date where the organization is.
pub fn today(conn: &mut DbConnection, ctx: &Ctx, organization: &OrganizationRow) -> AppResult<NaiveDate> {
    let zone = organizations::settings_of(conn, organization, &ctx.config.check_in)?.time_zone;
    Ok(local_time::local_date(ctx.now, local_time::zone(&zone)))
}

fn not_in_future(field: &str, date: NaiveDate, today: NaiveDate) -> AppResult<()> {
    if date <= today {
        Ok(())
    } else {
        Err(AppError::invalid_field(field, "in_future", "lies in the future"))
    }
}

/// The row, locked until the transaction ends, for other slices to take turns on. No permission asked.
pub fn hold_member(conn: &mut DbConnection, id: MemberId) -> AppResult<MemberRow> {
    store::lock_member(conn, id)?.ok_or_else(AppError::not_found)
}

/// The row under lock: read again, because it may have changed, or moved out of the actor's sight, since it was asked for.
fn lock_member(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: MemberId,
    version: Option<i32>,
) -> AppResult<MemberRow> {
    let row = hold_member(conn, id)?;
    organizations::require(conn, ctx, row.organization_id, Right::ManageMembers)?;
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    if row.deactivated_at.is_some() && personal_data::is_erased(conn, id)? {
        return Err(Code::MemberErased.into());
    }
    Ok(row)
}

/// Writes a row that the caller holds locked.
pub fn save(
    conn: &mut DbConnection,
    ctx: &Ctx,
    mut row: MemberRow,
    action: &str,
    detail: serde_json::Value,
) -> AppResult<MemberRow> {
    row.updated_at = ctx.now;
    if !store::update_member(conn, &row).on_conflict_is(Code::EmployeeNoTaken)? {
        return Err(Code::VersionMismatch.into());
    }
    row.version += 1;
    note(conn, ctx, action, &row, detail)?;
    Ok(row)
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &MemberRow,
    detail: serde_json::Value,
) -> AppResult<()> {
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}
