//! Points by people's word: proposed by one who manages the member, approved by another. Nobody proposes or approves their own.

use serde_json::{Value, json};

use super::PointAwardId;
use super::commands::ProposePoints;
use super::journal;
use super::rules::AwardStatus;
use super::store::{self, AwardRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{AnyId, DbConnection};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::page::{Found, Page};

impl AwardRow {
    pub fn status(&self) -> AwardStatus {
        AwardStatus::parse(&self.status).unwrap_or(AwardStatus::Withdrawn)
    }
}

/// An award with whom it is for.
pub type FullAward = (AwardRow, Option<MemberBrief>);

pub fn propose(
    conn: &mut DbConnection,
    ctx: &Ctx,
    member: MemberId,
    new: &ProposePoints,
) -> AppResult<FullAward> {
    let person = members::require_member(conn, ctx, member, Right::ManageMembers)?;
    if ctx.actor.account == member.into() {
        return Err(Code::OwnAward.into());
    }
    if person.deactivated_at.is_some() {
        return Err(Code::MemberInactive.into());
    }
    let row = AwardRow {
        id: ctx.ids.make(),
        tenant_id: person.tenant_id,
        organization_id: person.organization_id,
        member_id: member,
        points: new.points,
        reason: new.reason.clone(),
        status: AwardStatus::Proposed.as_str().to_owned(),
        proposed_at: ctx.now,
        proposed_by: ctx.actor.account,
        decided_at: None,
        decided_by: None,
        note: None,
        annulled_at: None,
        annulled_by: None,
        annul_reason: None,
    };
    store::insert_award(conn, &row)?;
    note(conn, ctx, "point_award.propose", &row, None)?;
    with_name(conn, row)
}

/// Those of an organization and all below it, the newest first, for who views people there.
pub fn list_awards(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    status: Option<AwardStatus>,
    page: &Page<PointAwardId>,
) -> AppResult<Found<FullAward>> {
    let top = organizations::require(conn, ctx, id, Right::View)?;
    let below = organizations::ids_ever_below(conn, &top)?;
    let found = store::list_awards(conn, &below, status.map(AwardStatus::as_str), page)?;
    let ids: Vec<MemberId> = found.rows.iter().map(|row| row.member_id).collect();
    let people = members::briefs(conn, &ids)?;
    let full = |row: AwardRow| {
        let person = people.get(&row.member_id).cloned();
        (row, person)
    };
    Ok(Found {
        rows: found.rows.into_iter().map(full).collect(),
        count: found.count,
    })
}

/// By a second person: the points are given in this moment.
pub fn approve(conn: &mut DbConnection, ctx: &Ctx, id: PointAwardId) -> AppResult<FullAward> {
    let row = held_to_decide(conn, ctx, id)?;
    if members::find_member(conn, row.member_id)?
        .deactivated_at
        .is_some()
    {
        return Err(Code::MemberInactive.into());
    }
    let row = decide(conn, ctx, row, AwardStatus::Approved, None)?;
    journal::award_by_hand(
        conn,
        &ctx.ids,
        ctx.now,
        row.member_id,
        AnyId(row.id.0),
        row.points,
    )?;
    with_name(conn, row)
}

pub fn reject(conn: &mut DbConnection, ctx: &Ctx, id: PointAwardId, reason: &str) -> AppResult<FullAward> {
    let row = held_to_decide(conn, ctx, id)?;
    let row = decide(conn, ctx, row, AwardStatus::Rejected, Some(reason))?;
    with_name(conn, row)
}

/// Taken back by who proposed it, wherever the member is by now.
pub fn withdraw(conn: &mut DbConnection, ctx: &Ctx, id: PointAwardId) -> AppResult<FullAward> {
    let seen = store::find_award(conn, id)?.ok_or_else(AppError::not_found)?;
    if seen.proposed_by != ctx.actor.account {
        held(conn, ctx, id)?;
        return Err(AppError::forbidden());
    }
    let row = store::lock_award(conn, id)?.ok_or_else(AppError::not_found)?;
    let row = decide(conn, ctx, row, AwardStatus::Withdrawn, None)?;
    with_name(conn, row)
}

/// What was approved is taken back, with its points; the record stays.
pub fn annul(conn: &mut DbConnection, ctx: &Ctx, id: PointAwardId, reason: &str) -> AppResult<FullAward> {
    let mut row = held(conn, ctx, id)?;
    if row.status() != AwardStatus::Approved {
        return Err(AppError::from(Code::AwardNotApproved).with("state", row.status()));
    }
    AwardStatus::Annulled.as_str().clone_into(&mut row.status);
    row.annulled_at = Some(ctx.now);
    row.annulled_by = Some(ctx.actor.account);
    row.annul_reason = Some(reason.to_owned());
    store::update_award(conn, &row)?;
    journal::reverse(conn, &ctx.ids, ctx.now, &[(row.member_id, AnyId(row.id.0))])?;
    note(conn, ctx, "point_award.annul", &row, Some(reason))?;
    with_name(conn, row)
}

/// Of a row that is locked: whoever comes second finds what the first has decided.
fn decide(
    conn: &mut DbConnection,
    ctx: &Ctx,
    mut row: AwardRow,
    status: AwardStatus,
    reason: Option<&str>,
) -> AppResult<AwardRow> {
    if row.status() != AwardStatus::Proposed {
        return Err(AppError::from(Code::AwardDecided).with("state", row.status()));
    }
    status.as_str().clone_into(&mut row.status);
    row.decided_at = Some(ctx.now);
    row.decided_by = Some(ctx.actor.account);
    row.note = reason.map(str::to_owned);
    store::update_award(conn, &row)?;
    let action = match status {
        AwardStatus::Approved => "point_award.approve",
        AwardStatus::Rejected => "point_award.reject",
        _ => "point_award.withdraw",
    };
    note(conn, ctx, action, &row, reason)?;
    Ok(row)
}

/// A member moves: what waits for a decision is listed where those are who decide on it. Ask before the member's row is
/// locked, as whoever approves does.
pub fn take_along(conn: &mut DbConnection, member: MemberId, to: OrganizationId) -> AppResult<()> {
    store::move_proposed(conn, member, to)?;
    Ok(())
}

/// Neither of what they have proposed, nor for themselves.
fn held_to_decide(conn: &mut DbConnection, ctx: &Ctx, id: PointAwardId) -> AppResult<AwardRow> {
    let row = held(conn, ctx, id)?;
    if row.proposed_by == ctx.actor.account || ctx.actor.account == row.member_id.into() {
        return Err(Code::OwnAward.into());
    }
    Ok(row)
}

/// Locked until the transaction ends. By who manages the member now; an archived organization's by those above it.
fn held(conn: &mut DbConnection, ctx: &Ctx, id: PointAwardId) -> AppResult<AwardRow> {
    let seen = store::find_award(conn, id)?.ok_or_else(AppError::not_found)?;
    let member = members::find_member(conn, seen.member_id)?;
    organizations::require_ever(conn, ctx, member.organization_id, Right::ManageMembers)?;
    store::lock_award(conn, id)?.ok_or_else(AppError::not_found)
}

fn with_name(conn: &mut DbConnection, row: AwardRow) -> AppResult<FullAward> {
    let person = members::briefs(conn, &[row.member_id])?.remove(&row.member_id);
    Ok((row, person))
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &AwardRow,
    reason: Option<&str>,
) -> AppResult<()> {
    let mut detail = json!({ "member_id": row.member_id, "points": row.points });
    if let (Some(reason), Value::Object(members)) = (reason, &mut detail) {
        members.insert("reason".to_owned(), json!(reason));
    }
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}
