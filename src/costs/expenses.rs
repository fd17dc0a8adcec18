//! What was spent: submitted by who manages the event, decided on by somebody else. It is never changed: who made a
//! mistake withdraws it and submits another, so nobody approves an amount that they have not read.

use chrono::Datelike;
use serde_json::{Value, json};

use super::ExpenseId;
use super::budgets::require_currency;
use super::commands::CreateExpense;
use super::rules::ExpenseStatus;
use super::store::{self, ExpenseRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events::{self, EventId};
use crate::media::{self, MediaId, MediaPurpose};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::local_time;

pub fn submit_expense(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    new: CreateExpense,
) -> AppResult<ExpenseRow> {
    let event = events::require_event(conn, ctx, event, Right::ManageEvents)?;
    // Held: its currency stays, and nobody archives it meanwhile.
    organizations::require_held(conn, ctx, event.organization_id, Right::ManageEvents)?;
    let today = local_time::local_date(ctx.now, local_time::zone(&event.time_zone));
    if new.spent_on > today {
        return Err(AppError::invalid_field(
            "/spent_on",
            "in_future",
            "lies in the future",
        ));
    }
    let year = new.spent_on.year();
    let currency = require_currency(conn, event.organization_id, year, new.currency.as_deref())?;
    if let Some(receipt) = new.receipt_media_id {
        hold_receipt(conn, ctx, event.organization_id, receipt)?;
    }
    let row = ExpenseRow {
        id: ctx.ids.make(),
        tenant_id: event.tenant_id,
        organization_id: event.organization_id,
        event_id: event.id,
        category: new.category.as_str().to_owned(),
        amount_cents: new.amount_cents,
        currency,
        spent_on: new.spent_on,
        payee: new.payee,
        note: new.note,
        receipt_media_id: new.receipt_media_id,
        status: ExpenseStatus::Submitted.as_str().to_owned(),
        submitted_at: ctx.now,
        submitted_by: ctx.actor.account,
        decided_at: None,
        decided_by: None,
        reason: None,
        annulled_at: None,
        annulled_by: None,
        annul_reason: None,
    };
    store::insert_expense(conn, &row)?;
    note(conn, ctx, "expense.submit", &row, None)?;
    Ok(row)
}

/// A receipt of the event's own organization, so that who sees the one sees the other; it stays for as long as the
/// expense is on record.
fn hold_receipt(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    id: MediaId,
) -> AppResult<()> {
    let file = media::hold_files(conn, ctx, &[id])?
        .pop()
        .ok_or_else(AppError::not_found)?;
    let refuse = |code, words| AppError::invalid_field("/receipt_media_id", code, words);
    if file.purpose() != MediaPurpose::Receipt {
        return Err(refuse("wrong_purpose", "was not uploaded as a receipt"));
    }
    if file.organization_id != organization {
        return Err(refuse(
            "wrong_organization",
            "was uploaded for another organization",
        ));
    }
    // What is not ready has no kind.
    file.kind().ok_or(Code::MediaNotReady)?;
    Ok(())
}

pub fn approve_expense(conn: &mut DbConnection, ctx: &Ctx, id: ExpenseId) -> AppResult<ExpenseRow> {
    let row = held_to_decide(conn, ctx, id)?;
    decide(conn, ctx, row, ExpenseStatus::Approved, None)
}

pub fn reject_expense(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ExpenseId,
    reason: &str,
) -> AppResult<ExpenseRow> {
    let row = held_to_decide(conn, ctx, id)?;
    decide(conn, ctx, row, ExpenseStatus::Rejected, Some(reason))
}

/// Taken back by who submitted it.
pub fn withdraw_expense(conn: &mut DbConnection, ctx: &Ctx, id: ExpenseId) -> AppResult<ExpenseRow> {
    let row = held(conn, ctx, id, Right::View)?;
    if row.submitted_by != ctx.actor.account {
        return Err(AppError::forbidden());
    }
    decide(conn, ctx, row, ExpenseStatus::Withdrawn, None)
}

/// What was approved counts no more. It stays on record, with who approved it.
pub fn annul_expense(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ExpenseId,
    reason: &str,
) -> AppResult<ExpenseRow> {
    let mut row = held_to_decide(conn, ctx, id)?;
    if row.status() != ExpenseStatus::Approved {
        return Err(AppError::from(Code::ExpenseNotApproved).with("state", row.status()));
    }
    ExpenseStatus::Annulled.as_str().clone_into(&mut row.status);
    row.annulled_at = Some(ctx.now);
    row.annulled_by = Some(ctx.actor.account);
    row.annul_reason = Some(reason.to_owned());
    store::update_expense(conn, &row)?;
    note(conn, ctx, "expense.annul", &row, Some(reason))?;
    Ok(row)
}

/// Of a row that is locked: whoever comes second finds what the first has decided.
fn decide(
    conn: &mut DbConnection,
    ctx: &Ctx,
    mut row: ExpenseRow,
    status: ExpenseStatus,
    reason: Option<&str>,
) -> AppResult<ExpenseRow> {
    if row.status() != ExpenseStatus::Submitted {
        return Err(AppError::from(Code::ExpenseDecided).with("state", row.status()));
    }
    status.as_str().clone_into(&mut row.status);
    row.decided_at = Some(ctx.now);
    row.decided_by = Some(ctx.actor.account);
    row.reason = reason.map(str::to_owned);
    store::update_expense(conn, &row)?;
    let action = match status {
        ExpenseStatus::Approved => "expense.approve",
        ExpenseStatus::Rejected => "expense.reject",
        _ => "expense.withdraw",
    };
    note(conn, ctx, action, &row, reason)?;
    Ok(row)
}

/// Of somebody else's: nobody decides on what they have submitted, whatever their roles.
fn held_to_decide(conn: &mut DbConnection, ctx: &Ctx, id: ExpenseId) -> AppResult<ExpenseRow> {
    let row = held(conn, ctx, id, Right::ManageCosts)?;
    if row.submitted_by == ctx.actor.account {
        return Err(Code::OwnExpense.into());
    }
    Ok(row)
}

/// Locked until the transaction ends. An archived organization's is decided on by those above it.
fn held(conn: &mut DbConnection, ctx: &Ctx, id: ExpenseId, right: Right) -> AppResult<ExpenseRow> {
    let seen = store::find_expense(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require_ever(conn, ctx, seen.organization_id, right)?;
    store::lock_expense(conn, id)?.ok_or_else(AppError::not_found)
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &ExpenseRow,
    reason: Option<&str>,
) -> AppResult<()> {
    let mut detail = json!({
        "event_id": row.event_id, "category": row.category, "amount_cents": row.amount_cents, "currency": row.currency,
    });
    if let (Some(reason), Value::Object(members)) = (reason, &mut detail) {
        members.insert("reason".to_owned(), json!(reason));
    }
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}
