//! What is proposed, who confirms it, and who sees whose hours.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use serde_json::json;

use super::ServiceHoursId;
use super::commands::{ConfirmItem, ConfirmServiceHours};
use super::rules::{self, Refusal};
use super::store::{self, Annulment, HoursRow, TotalRow, YearRow};
use crate::app::Ctx;
use crate::attendance::{self, Attended, CheckInId};
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow, Form};
use crate::members::{self, MemberId};
use crate::organizations::{self, OrganizationId, OrganizationRow, Right};
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Conflict};
use crate::platform::local_time;
use crate::platform::page::{Found, Page};
use crate::points::{self, Deed, Rule};

/// Somebody who came, what is proposed for them, and what was confirmed.
pub struct Proposal {
    pub person: Attended,
    pub confirmed: Option<HoursRow>,
}

/// The organizations in these rows that the reader sees: people move, and who came may come from anywhere.
pub type Seen = HashSet<OrganizationId>;

fn seen_among<'a>(
    conn: &mut DbConnection,
    ctx: &Ctx,
    rows: impl Iterator<Item = &'a HoursRow>,
) -> AppResult<Seen> {
    let homes: Vec<OrganizationId> = rows.map(|row| row.organization_id).collect();
    organizations::in_sight(conn, ctx, &homes)
}

/// Everybody who came to a volunteering event, by name, for those who see its attendance.
pub fn list_proposals(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<(Vec<Proposal>, Seen)> {
    let event = events::require_event(conn, ctx, id, Right::View)?;
    require_volunteering(conn, id)?;
    let proposals = read_proposals(conn, ctx, &event)?;
    let confirmed = proposals.iter().filter_map(|one| one.confirmed.as_ref());
    let homes: Vec<OrganizationId> = confirmed
        .map(|row| row.organization_id)
        .chain(proposals.iter().map(|one| one.person.organization))
        .collect();
    let seen = organizations::in_sight(conn, ctx, &homes)?;
    Ok((proposals, seen))
}

fn read_proposals(conn: &mut DbConnection, ctx: &Ctx, event: &EventRow) -> AppResult<Vec<Proposal>> {
    let confirmed = store::list_of_event(conn, event.id)?;
    let mut confirmed: HashMap<MemberId, HoursRow> =
        confirmed.into_iter().map(|row| (row.member_id, row)).collect();
    let came = attendance::attended(conn, ctx, event)?;
    let proposal = |person: Attended| Proposal {
        confirmed: confirmed.remove(&person.member),
        person,
    };
    Ok(came.into_iter().map(proposal).collect())
}

fn require_volunteering(conn: &mut DbConnection, id: EventId) -> AppResult<()> {
    if events::forms_of(conn, id)?.contains(&Form::Volunteering) {
        Ok(())
    } else {
        Err(Code::NotVolunteering.into())
    }
}

/// Confirms hours: all that are asked for, or none. The event's row is held, so two organisers take turns, and the
/// second finds what the first has confirmed.
pub fn confirm_hours(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    asked: &ConfirmServiceHours,
) -> AppResult<(Vec<HoursRow>, Seen)> {
    let event = events::hold_to_manage(conn, ctx, id)?;
    events::require_not_cancelled(&event)?;
    require_volunteering(conn, id)?;
    let proposals = read_proposals(conn, ctx, &event)?;
    let rows = if asked.all {
        all_proposed(ctx, &event, &proposals)
    } else {
        let people: HashMap<MemberId, &Proposal> =
            proposals.iter().map(|one| (one.person.member, one)).collect();
        let mut rows = Vec::with_capacity(asked.items.len());
        for (n, item) in asked.items.iter().enumerate() {
            let Some(proposal) = people.get(&item.member_id) else {
                // Whoever is in nobody's sight here is told nothing of.
                members::require_member(conn, ctx, item.member_id, Right::View)?;
                return Err(AppError::from(Code::NotCheckedIn).with("member_id", item.member_id));
            };
            rows.push(confirmed_row(ctx, &event, proposal, n, item)?);
        }
        rows
    };
    store::insert_hours(conn, &rows).on_conflict_is(Code::HoursConfirmed)?;
    let notes: Vec<_> = rows.iter().map(|row| confirmation(&event, row)).collect();
    audit::record_all(conn, ctx, notes)?;
    let began = |row: &HoursRow| {
        let person = proposals.iter().find(|one| one.person.member == row.member_id);
        person.map_or(row.confirmed_at, |one| one.person.first_in_at)
    };
    let deeds: Vec<Deed> = rows.iter().map(|row| deed_of(row, began(row))).collect();
    points::award(conn, &ctx.ids, ctx.now, &deeds)?;
    let seen = seen_among(conn, ctx, rows.iter())?;
    Ok((rows, seen))
}

fn deed_of(row: &HoursRow, began_at: Instant) -> Deed {
    Deed {
        source: AnyId(row.id.0),
        minutes: row.minutes,
        is_new: true,
        ..Deed::of(Rule::VolunteerHour, row.member_id, row.event_id, began_at)
    }
}

fn confirmation<'a>(event: &EventRow, row: &HoursRow) -> Entry<'a> {
    let detail = json!({
        "event_id": event.id, "member_id": row.member_id, "minutes": row.minutes,
        "proposed_minutes": row.proposed_minutes, "reason": row.reason,
    });
    let action = "service_hours.confirm";
    Entry::of(action, row.id.0, event.tenant_id, event.organization_id, detail)
}

/// Of everybody with a check-out whose check-in waits for nobody, and whose hours were not confirmed yet.
fn all_proposed(ctx: &Ctx, event: &EventRow, proposals: &[Proposal]) -> Vec<HoursRow> {
    let open = proposals
        .iter()
        .filter(|one| one.confirmed.is_none() && !one.person.waits_for_review);
    open.filter_map(|one| {
        let minutes = one.person.minutes?;
        Some(new_row(ctx, event, &one.person, minutes, None))
    })
    .collect()
}

fn confirmed_row(
    ctx: &Ctx,
    event: &EventRow,
    proposal: &Proposal,
    n: usize,
    item: &ConfirmItem,
) -> AppResult<HoursRow> {
    let person = &proposal.person;
    if let Some(row) = &proposal.confirmed {
        let error = AppError::from(Code::HoursConfirmed).with("member_id", row.member_id);
        return Err(error.with("service_hours_id", row.id));
    }
    let is_over = event.closed_at.is_some() || ctx.now >= event.ends_at;
    let minutes = rules::decide(person.minutes, is_over, item.minutes, item.reason.is_some());
    let minutes = minutes.map_err(|refusal| match refusal {
        Refusal::NotCheckedOut => AppError::from(Code::NotCheckedOut).with("member_id", person.member),
        Refusal::NeedsReason => {
            let message = "say why these are not the minutes that are proposed";
            AppError::invalid_field(&format!("/items/{n}/reason"), "required", message)
        }
    })?;
    Ok(new_row(ctx, event, person, minutes, item.reason.clone()))
}

fn new_row(ctx: &Ctx, event: &EventRow, person: &Attended, minutes: i32, reason: Option<String>) -> HoursRow {
    let (served_on, year) = rules::counts_for(person.first_in_at, local_time::zone(&event.time_zone));
    HoursRow {
        id: ctx.ids.make(),
        tenant_id: event.tenant_id,
        event_id: event.id,
        member_id: person.member,
        organization_id: person.organization,
        check_in_id: person.check_in,
        served_on,
        year,
        minutes,
        proposed_minutes: person.minutes,
        reason,
        confirmed_at: ctx.now,
        confirmed_by: ctx.actor.account,
        annulled_at: None,
        annulled_by: None,
        annul_reason: None,
    }
}

/// Takes confirmed hours back: the record stays, with who, when and why; they may be confirmed anew.
pub fn annul_hours(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ServiceHoursId,
    reason: &str,
) -> AppResult<(HoursRow, Seen)> {
    let row = store::find_hours(conn, id)?.ok_or_else(AppError::not_found)?;
    let event = events::hold_to_manage(conn, ctx, row.event_id)?;
    if !store::annul_hours(conn, id, &annulment(ctx, reason))? {
        return Err(Code::AlreadyAnnulled.into());
    }
    let detail = json!({ "reason": reason, "member_id": row.member_id, "minutes": row.minutes });
    let action = "service_hours.annul";
    let entry = Entry::of(action, id.0, event.tenant_id, event.organization_id, detail);
    audit::record(conn, ctx, entry)?;
    points::reverse(conn, &ctx.ids, ctx.now, &[(row.member_id, AnyId(id.0))])?;
    let row = store::find_hours(conn, id)?.ok_or_else(AppError::not_found)?;
    let seen = seen_among(conn, ctx, std::iter::once(&row))?;
    Ok((row, seen))
}

/// Whoever was not there has served no hours: taken back with their check-in, by whoever takes that back. The caller
/// holds the event's row.
pub fn annul_with_check_in(
    conn: &mut DbConnection,
    ctx: &Ctx,
    check_in: CheckInId,
    reason: &str,
) -> AppResult<()> {
    let under = store::list_under(conn, check_in)?;
    store::annul_hours_under(conn, check_in, &annulment(ctx, reason))?;
    let undone: Vec<_> = under.iter().map(|row| (row.member_id, AnyId(row.id.0))).collect();
    points::reverse(conn, &ctx.ids, ctx.now, &undone)
}

/// Nobody has served at what did not take place. Its points are taken back by who cancels, who holds the event's row.
pub fn annul_with_event(conn: &mut DbConnection, ctx: &Ctx, event: EventId, reason: &str) -> AppResult<()> {
    store::annul_hours_at(conn, event, &annulment(ctx, reason))?;
    Ok(())
}

fn annulment<'a>(ctx: &Ctx, reason: &'a str) -> Annulment<'a> {
    Annulment {
        annulled_at: ctx.now,
        annulled_by: ctx.actor.account,
        annul_reason: reason,
    }
}

/// A member's hours with the events' titles, and their years.
pub struct Hours {
    pub member: MemberId,
    pub found: Found<(HoursRow, String)>,
    pub seen: Seen,
    pub years: Vec<YearRow>,
}

/// One's own, or those of a member whom the actor may view.
pub fn member_hours(
    conn: &mut DbConnection,
    ctx: &Ctx,
    member: MemberId,
    year: Option<i32>,
    page: &Page<(NaiveDate, ServiceHoursId)>,
) -> AppResult<Hours> {
    members::require_member(conn, ctx, member, Right::View)?;
    let found = store::list_of_member(conn, member, year, page)?;
    Ok(Hours {
        member,
        seen: seen_among(conn, ctx, found.rows.iter().map(|(row, _)| row))?,
        found,
        years: store::list_years(conn, member)?,
    })
}

/// Events of one statement; nobody serves at more.
const MOST: usize = 5_000;

/// All that a statement says.
pub struct Statement {
    pub name: String,
    pub employee_no: Option<String>,
    pub organization: String,
    /// None: all years.
    pub year: Option<i32>,
    /// In order of time.
    pub items: Vec<(HoursRow, String)>,
    pub total_minutes: i64,
    /// The day of issue, where the member's organization is.
    pub issued_on: NaiveDate,
    /// Who asked for it; none for a system admin, who is nobody's member.
    pub issued_by: Option<String>,
}

pub fn statement(
    conn: &mut DbConnection,
    ctx: &Ctx,
    member: MemberId,
    year: Option<i32>,
) -> AppResult<Statement> {
    let hours = member_hours(conn, ctx, member, year, &Page::first(MOST))?;
    let asker = MemberId::from(ctx.actor.account);
    let mut people = members::briefs(conn, &[member, asker])?;
    let issued_by = people.get(&asker).map(|person| person.name.clone());
    let person = people.remove(&member).ok_or_else(AppError::not_found)?;
    let home = organizations::find_organization(conn, person.organization_id)?;
    let mut items = hours.found.rows;
    items.reverse();
    Ok(Statement {
        name: person.name,
        employee_no: person.employee_no,
        organization: person.organization_name,
        year,
        total_minutes: items.iter().map(|(row, _)| i64::from(row.minutes)).sum(),
        items,
        issued_on: members::today(conn, ctx, &home)?,
        issued_by,
    })
}

/// What the members of a subtree have in a year, this one if none is named: which, and those who have any.
pub fn list_totals(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    year: Option<i32>,
    page: &Page<(String, MemberId)>,
) -> AppResult<(i32, Found<TotalRow>)> {
    let top = organizations::require(conn, ctx, id, Right::View)?;
    let year = match year {
        Some(year) => year,
        None => year_now(conn, ctx, &top, ctx.now)?,
    };
    let ids = organizations::ids_ever_below(conn, &top)?;
    Ok((year, store::list_totals(conn, &ids, year, page)?))
}

fn year_now(conn: &mut DbConnection, ctx: &Ctx, top: &OrganizationRow, now: Instant) -> AppResult<i32> {
    let settings = organizations::settings_of(conn, top, &ctx.config.check_in)?;
    Ok(rules::counts_for(now, local_time::zone(&settings.time_zone)).1)
}
