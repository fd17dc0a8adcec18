//! How somebody comes to be expected: called, or by signing up for one of the event's places.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::EventId;
use super::rules::Status;
use super::service::{managed_event, save};
use super::store::{self, EventRow};
use crate::app::Ctx;
use crate::members::{MemberBrief, MemberId};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppResult, Code};
use crate::sign_ups;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Everybody who is called is expected.
    Roster,
    /// Who is called may sign up; expected is who has a place.
    SignUp,
}

impl Admission {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Roster => "roster",
            Self::SignUp => "sign_up",
        }
    }

    pub fn of(row: &EventRow) -> Self {
        if row.admission == Self::SignUp.as_str() {
            Self::SignUp
        } else {
            Self::Roster
        }
    }
}

/// The row of an event that the actor manages, locked until the transaction ends.
pub fn hold_to_manage(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<EventRow> {
    managed_event(conn, ctx, id).map(|event| event.row)
}

/// From now on people sign up for this event, whose row the caller holds. Only for a draft: nobody was called yet.
pub fn admit_by_sign_up(conn: &mut DbConnection, ctx: &Ctx, row: &mut EventRow) -> AppResult<()> {
    if row.status != Status::Draft.as_str() {
        return Err(Code::SignUpNeedsDraft.into());
    }
    Admission::SignUp.as_str().clone_into(&mut row.admission);
    let detail =
        json!({ "changes": { "admission": { "old": Admission::Roster, "new": Admission::SignUp } } });
    save(conn, ctx, row, "event.update", detail)
}

/// Check-in stays open for whoever comes to the last session. The caller holds the event's row.
pub fn keep_check_in_open(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &mut EventRow,
    last_start: Option<Instant>,
) -> AppResult<()> {
    let before = row.check_in_closes_at;
    row.check_in_closes_at = closes_at(row, last_start);
    if row.check_in_closes_at == before {
        return Ok(());
    }
    let detail =
        json!({ "changes": { "check_in_closes_at": { "old": before, "new": row.check_in_closes_at } } });
    save(conn, ctx, row, "event.update", detail)
}

/// When check-in closes for whoever comes last: to the event, or to a session that begins later.
pub(super) fn closes_at(row: &EventRow, last_start: Option<Instant>) -> Instant {
    let last = last_start.map_or(row.starts_at, |start| start.max(row.starts_at));
    last.plus_s(i64::from(row.closes_after_s))
}

/// These events as a member comes to them: at the times of their session, where it has times of its own.
pub(super) fn as_attended(
    conn: &mut DbConnection,
    member: MemberId,
    mut rows: Vec<EventRow>,
) -> AppResult<Vec<EventRow>> {
    let by_sign_up = rows.iter().filter(|row| Admission::of(row) == Admission::SignUp);
    let asked: Vec<_> = by_sign_up.map(|row| (row.id, member)).collect();
    let sessions = sign_ups::sessions_of(conn, &asked)?;
    let events: Vec<EventId> = asked.into_iter().map(|(event, _)| event).collect();
    let changes = sign_ups::changes_of(conn, member, &events)?;
    for row in &mut rows {
        if let Some(session) = sessions.get(&(row.id, member)) {
            row.starts_at = session.starts_at.unwrap_or(row.starts_at);
            row.ends_at = session.ends_at.unwrap_or(row.ends_at);
        }
        // A calendar takes a change from what is counted up, and never down: also by who has given a place back.
        row.version += changes.get(&row.id).copied().unwrap_or(0);
    }
    Ok(rows)
}

/// Those of these people that the event calls, by name or by standing and organization, whatever its roster says.
pub fn called_among(
    conn: &mut DbConnection,
    event: &EventRow,
    people: &[&MemberBrief],
) -> AppResult<HashSet<MemberId>> {
    let organizations = store::list_organizations(conn, event.id)?;
    let belongs = |person: &MemberBrief| {
        let line = person.line();
        organizations
            .iter()
            .any(|organization| line.contains(&organization.0))
    };
    let (meant, others): (Vec<&MemberBrief>, Vec<&MemberBrief>) = people
        .iter()
        .partition(|person| person.standing_bit() & event.expected_standings != 0 && belongs(person));
    let mut called: HashSet<MemberId> = meant.iter().map(|person| person.id).collect();
    // Who is called with everybody needs no name on the list; often nobody is left to ask it for.
    let others: Vec<MemberId> = others.iter().map(|person| person.id).collect();
    called.extend(store::list_named_among(conn, event.id, &others)?);
    Ok(called)
}
