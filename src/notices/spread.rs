//! What concerns many people at once: its cause writes one job, and the job fills the inboxes a share at a time, so that
//! neither the cause nor a share holds the database for long.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::post::{NewNotice, post};
use super::rules::{Kind, NoticeData};
use crate::attendance;
use crate::events::{self, Admission, EventId, EventRow};
use crate::members::{self, MemberId};
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::platform::ids::Ids;
use crate::platform::jobs::{Fate, Handlers, Job, NewJob, enqueue};
use crate::sign_ups::{self, MemberSession};

const JOB: &str = "notices.spread";
/// Inboxes a transaction.
const SHARE: usize = 2_000;

/// Whom an event's notice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody it calls.
    Called,
    /// Who is expected; where people sign up, who has a place, waits for one or is in the draw.
    Concerned,
    /// Who is expected; where people sign up, who has a place.
    Expected,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Payload {
    source: AnyId,
    event: EventId,
    kind: Kind,
    audience: Audience,
    data: NoticeData,
    /// The last one who was told.
    after: Option<MemberId>,
}

/// Tells an event's people. `key`: of two with the same one the second is not told.
pub fn tell(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    event: &EventRow,
    kind: Kind,
    (audience, reason, key): (Audience, Option<&str>, Option<String>),
) -> AppResult<()> {
    let payload = Payload {
        source: ids.make(),
        event: event.id,
        kind,
        audience,
        data: NoticeData {
            reason: reason.map(str::to_owned),
            ..data_of(event)
        },
        after: None,
    };
    let job = NewJob {
        tenant: AnyId(event.tenant_id.0),
        kind: JOB,
        key,
        payload: json!(payload),
        run_at: now,
    };
    Ok(enqueue(conn, ids, now, &job)?)
}

/// What every notice of an event tells.
pub fn data_of(event: &EventRow) -> NoticeData {
    NoticeData {
        title: event.title.clone(),
        starts_at: Some(event.starts_at),
        place: event.place.clone(),
        time_zone: event.time_zone.clone(),
        ..NoticeData::default()
    }
}

/// Registers the job.
pub fn handle(handlers: &mut Handlers, ids: Ids) {
    handlers.in_database(JOB, move |conn, now, job| spread(conn, &ids, now, job));
}

fn spread(conn: &mut DbConnection, ids: &Ids, now: Instant, job: &Job) -> AppResult<Fate> {
    let mut payload: Payload = serde_json::from_value(job.payload.0.clone())
        .map_err(|error| AppError::internal(format!("unreadable job: {error}")))?;
    let event = events::find_event(conn, payload.event)?;
    let mut people = people_of(conn, &event, payload.audience)?;
    people.sort_unstable();
    people.dedup();
    people.retain(|member| payload.after.is_none_or(|last| *member > last));
    let is_last = people.len() <= SHARE;
    people.truncate(SHARE);
    payload.after = people.last().copied();
    // Rosters keep who has left since.
    let briefs = members::briefs(conn, &people)?;
    people.retain(|member| {
        briefs
            .get(member)
            .is_some_and(|person| person.deactivated_at.is_none())
    });
    let sessions = sessions_of(conn, &event, &people)?;
    let notice = |member: &MemberId| NewNotice {
        tenant: event.tenant_id,
        member: *member,
        kind: payload.kind,
        source: payload.source,
        event: Some(event.id),
        data: at_session(payload.data.clone(), sessions.get(&(event.id, *member))),
    };
    let new: Vec<NewNotice> = people.iter().map(notice).collect();
    post(conn, ids, now, &new)?;
    Ok(if is_last {
        Fate::Done
    } else {
        Fate::More(json!(payload))
    })
}

type Sessions = HashMap<(EventId, MemberId), MemberSession>;

fn sessions_of(conn: &mut DbConnection, event: &EventRow, people: &[MemberId]) -> AppResult<Sessions> {
    if Admission::of(event) == Admission::Roster {
        return Ok(Sessions::new());
    }
    let asked: Vec<_> = people.iter().map(|member| (event.id, *member)).collect();
    sign_ups::sessions_of(conn, &asked)
}

/// Whoever has a place in a session is told when that begins.
fn at_session(data: NoticeData, session: Option<&MemberSession>) -> NoticeData {
    let Some(session) = session else { return data };
    NoticeData {
        session: Some(session.name.clone()).filter(|name| !name.is_empty()),
        starts_at: session.starts_at.or(data.starts_at),
        ..data
    }
}

fn people_of(conn: &mut DbConnection, event: &EventRow, audience: Audience) -> AppResult<Vec<MemberId>> {
    match (audience, Admission::of(event)) {
        (Audience::Concerned, Admission::SignUp) => sign_ups::standing_members(conn, event.id),
        (Audience::Expected, Admission::SignUp) => sign_ups::confirmed(conn, event.id),
        (Audience::Concerned | Audience::Expected, Admission::Roster) => attendance::expected(conn, event),
        (Audience::Called, _) => attendance::called(conn, event),
    }
}
