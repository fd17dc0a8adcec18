//! Make-up (補課): a lesson that answers an absence. It never makes anybody present, so the quorum does not know of it.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::credit;
use super::roster;
use super::store::{self, MakeUpRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow};
use crate::lessons::{self, LessonId};
use crate::members::MemberId;
use crate::organizations::Right;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::study;

/// Days after an event in which an absence can be made up.
const DUE_DAYS: i64 = 30;

/// Which lesson answers an absence, or none any more. It may be said at any time, after the event too.
pub fn set_make_up(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    lesson: Option<LessonId>,
) -> AppResult<Option<MakeUpRow>> {
    events::require_event(conn, ctx, id, Right::ManageEvents)?;
    if let Some(lesson) = lesson {
        // Before the event, as whoever completes it does: either they find this, or this finds them.
        lessons::hold_versions(conn, lesson)?;
    }
    let event = events::lock_events(conn, &[id])?.pop();
    let event = event.ok_or_else(AppError::not_found)?;
    let before = store::find_make_ups(conn, &[id])?.pop();
    if before.as_ref().map(|row| row.lesson_id) == lesson {
        return Ok(before);
    }
    store::delete_make_up(conn, id)?;
    let row = lesson.map(|lesson_id| MakeUpRow {
        event_id: id,
        tenant_id: event.tenant_id,
        lesson_id,
        set_at: ctx.now,
        set_by: ctx.actor.account,
    });
    if let Some(row) = &row {
        events::require_not_cancelled(&event)?;
        require_for_all(conn, &event, row.lesson_id)?;
        store::insert_make_up(conn, row)?;
    }
    let detail = json!({ "lesson_id": lesson });
    let entry = Entry::of(
        "event.make_up",
        id.0,
        event.tenant_id,
        event.organization_id,
        detail,
    );
    audit::record(conn, ctx, entry)?;
    credit::make_up_set(conn, ctx, &event, before.as_ref(), row.as_ref())?;
    Ok(row)
}

/// Nobody is sent to a lesson that they cannot open: it is published for everybody who is expected.
fn require_for_all(conn: &mut DbConnection, event: &EventRow, lesson: LessonId) -> AppResult<()> {
    let expected = roster::current(conn, event)?;
    let pairs: Vec<_> = expected.iter().map(|entry| (entry.member_id, lesson)).collect();
    if lessons::admitted(conn, &pairs)?.len() == pairs.len() {
        return Ok(());
    }
    let message = "is not published for all who are expected";
    Err(AppError::invalid_field("/lesson_id", "not_for_them", message))
}

/// Until when it answers an absence.
pub fn due_at(event: &EventRow) -> Instant {
    due_after(event.ends_at)
}

fn due_after(ends_at: Instant) -> Instant {
    ends_at.plus_s(DUE_DAYS * 86_400)
}

/// Does studying at `at` make up for an event that ended at `ends_at`? Whoever had studied it before did nothing more for it.
pub fn is_in_time(ends_at: Instant, at: Instant) -> bool {
    at >= ends_at && at < due_after(ends_at)
}

/// What these events allow, of those that allow anything.
pub fn make_ups_of(conn: &mut DbConnection, events: &[EventId]) -> AppResult<HashMap<EventId, MakeUpRow>> {
    let rows = store::find_make_ups(conn, events)?;
    Ok(rows.into_iter().map(|row| (row.event_id, row)).collect())
}

/// Who of these members has completed what the event allows in time. Whoever had studied it before need not again: a lesson is
/// completed once.
pub fn answered(
    conn: &mut DbConnection,
    event: &EventRow,
    make_up: Option<&MakeUpRow>,
    members: &[MemberId],
) -> AppResult<HashSet<MemberId>> {
    let Some(make_up) = make_up else {
        return Ok(HashSet::new());
    };
    let studied = study::studied(conn, members, &[make_up.lesson_id])?;
    let in_time = studied
        .completed
        .into_iter()
        .filter(|(_, at)| *at < due_at(event));
    Ok(in_time.map(|((member, _), _)| member).collect())
}

/// For the view: what the lesson is called. No permission asked: whoever sees the event may know.
pub fn title_of(conn: &mut DbConnection, lesson: LessonId) -> AppResult<String> {
    let versions = lessons::versions_of(conn, [lesson])?;
    let current = versions.into_iter().find(|version| version.is_current);
    Ok(current.map(|version| version.title).unwrap_or_default())
}
