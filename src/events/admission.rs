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
use crate::platform::db::DbConnection;
use crate::platform::error::{AppResult, Code};

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

/// Those of these people that the event calls, by name or by standing and organization, whatever its roster says.
pub fn called_among(
    conn: &mut DbConnection,
    event: &EventRow,
    people: &[&MemberBrief],
) -> AppResult<HashSet<MemberId>> {
    let ids: Vec<MemberId> = people.iter().map(|person| person.id).collect();
    let mut called: HashSet<MemberId> = store::list_named_among(conn, event.id, &ids)?
        .into_iter()
        .collect();
    let organizations = store::list_organizations(conn, event.id)?;
    let belongs = |person: &MemberBrief| {
        let line = person.line();
        organizations
            .iter()
            .any(|organization| line.contains(&organization.0))
    };
    let meant = people
        .iter()
        .filter(|person| person.standing_bit() & event.expected_standings != 0 && belongs(person));
    called.extend(meant.map(|person| person.id));
    Ok(called)
}
