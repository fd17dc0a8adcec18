//! The roster (應到): who should attend, frozen in the first transaction after check-in has opened. Whatever could
//! change it (transfers, standings, moves) freezes what is due first, so it is as it was at the opening.

use chrono::NaiveDate;

use super::store::{self, RosterRow};
use crate::app::Ctx;
use crate::events::{self, Admission, EventId, EventRow, Status};
use crate::members::{self, MemberId};
use crate::organizations::OrganizationId;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::ids::Ids;
use crate::platform::local_time;
use crate::sign_ups;

/// Freezes every roster of the tenant that is due. Call it before changing who belongs where.
pub fn freeze_due_rosters(conn: &mut DbConnection, ctx: &Ctx, tenant: OrganizationId) -> AppResult<()> {
    for event in events::list_due_to_freeze(conn, Some(tenant), ctx.now)? {
        freeze_if_due(conn, &ctx.ids, ctx.now, event)?;
    }
    Ok(())
}

/// Locks the event and freezes its roster when check-in has opened and nobody has done it yet.
pub fn freeze_if_due(conn: &mut DbConnection, ids: &Ids, now: Instant, event: EventId) -> AppResult<()> {
    if let Some(mut row) = events::lock_events(conn, &[event])?.pop() {
        freeze_locked(conn, ids, now, &mut row)?;
    }
    Ok(())
}

/// The same for a row that the caller holds locked.
pub fn freeze_locked(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    event: &mut EventRow,
) -> AppResult<()> {
    let due =
        event.roster_frozen_at.is_none() && event.status == "published" && event.check_in_opens_at <= now;
    if due {
        freeze(conn, ids, now, event)
    } else {
        Ok(())
    }
}

/// Freezes a published event's roster whatever the hour, because the event ends; the caller holds the row locked.
pub fn freeze_now(conn: &mut DbConnection, ids: &Ids, now: Instant, event: &mut EventRow) -> AppResult<()> {
    let called = event.roster_frozen_at.is_none() && event.status == "published";
    if called {
        freeze(conn, ids, now, event)
    } else {
        Ok(())
    }
}

fn freeze(conn: &mut DbConnection, ids: &Ids, now: Instant, event: &mut EventRow) -> AppResult<()> {
    sign_ups::hold_due_draw(conn, ids, now, event)?;
    let roster = preview(conn, event)?;
    store::insert_roster(conn, &roster)?;
    events::mark_frozen(conn, event.id, now)?;
    event.roster_frozen_at = Some(now);
    Ok(())
}

/// Who would be on the roster if it were frozen now.
pub fn preview(conn: &mut DbConnection, event: &EventRow) -> AppResult<Vec<RosterRow>> {
    // Where people sign up, expected is who has a place.
    let (organizations, named) = match Admission::of(event) {
        Admission::Roster => {
            let organizations = events::list_organizations(conn, event.id)?;
            (organizations, events::list_named(conn, event.id)?)
        }
        Admission::SignUp => (Vec::new(), sign_ups::confirmed(conn, event.id)?),
    };
    let on = local_date(event);
    let expected = members::expected_members(conn, &organizations, event.expected_standings, &named, on)?;
    Ok(expected
        .into_iter()
        .map(|member| RosterRow {
            event_id: event.id,
            member_id: member.member_id,
            tenant_id: event.tenant_id,
            organization_id: member.organization_id,
            name: member.name,
            standing: member.standing.as_str().to_owned(),
            may_vote: member.may_vote,
        })
        .collect())
}

/// Who is expected: on the roster, or would be if it were frozen now. No permission asked.
pub fn expected(conn: &mut DbConnection, event: &EventRow) -> AppResult<Vec<MemberId>> {
    Ok(current(conn, event)?
        .into_iter()
        .map(|row| row.member_id)
        .collect())
}

/// Everybody the event calls, whether or not they must sign up for a place. No permission asked.
pub fn called(conn: &mut DbConnection, event: &EventRow) -> AppResult<Vec<MemberId>> {
    let organizations = events::list_organizations(conn, event.id)?;
    let named = events::list_named(conn, event.id)?;
    let on = local_date(event);
    let called = members::expected_members(conn, &organizations, event.expected_standings, &named, on)?;
    Ok(called.into_iter().map(|member| member.member_id).collect())
}

/// Does this member take part: expected at what was called, or come to it? Where people sign up, expected is who has a
/// place. No permission asked.
pub fn takes_part(conn: &mut DbConnection, event: &EventRow, member: MemberId) -> AppResult<bool> {
    let asked = [(event.id, member)];
    if !store::list_effective(conn, &asked)?.is_empty() {
        return Ok(true);
    }
    if event.roster_frozen_at.is_some() {
        return Ok(!store::list_on_roster(conn, &asked)?.is_empty());
    }
    if event.status != Status::Published.as_str() {
        return Ok(false);
    }
    match Admission::of(event) {
        Admission::SignUp => Ok(!sign_ups::placed(conn, &asked)?.is_empty()),
        Admission::Roster => {
            let people = members::briefs(conn, &[member])?;
            let people: Vec<_> = people.values().collect();
            Ok(!events::called_among(conn, event, &people)?.is_empty())
        }
    }
}

/// The roster as it is: frozen, or as it would be.
pub fn current(conn: &mut DbConnection, event: &EventRow) -> AppResult<Vec<RosterRow>> {
    if event.roster_frozen_at.is_some() {
        Ok(store::list_roster(conn, event.id)?)
    } else {
        preview(conn, event)
    }
}

/// Rights on the day of the event, in the tree's own zone.
fn local_date(event: &EventRow) -> NaiveDate {
    local_time::local_date(event.starts_at, local_time::zone(&event.time_zone))
}
