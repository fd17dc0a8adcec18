//! What attendance is worth: asked of points in the transaction in which somebody becomes present, makes an absence up, or is
//! present no more.

use std::collections::{BTreeSet, HashSet};

use super::make_up;
use super::roster;
use super::store::{self, CheckInRow, MakeUpRow, Pair};
use crate::app::Ctx;
use crate::events::{self, EventId, EventRow, Form};
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::ids::Ids;
use crate::points::{self, Deed, Rule};
use crate::study;
use crate::volunteering;

/// New check-ins, or ones that a person has let count: whoever waits for review has earned nothing yet. A theme day gives its own
/// besides.
pub fn check_ins(conn: &mut DbConnection, ids: &Ids, now: Instant, rows: &[CheckInRow]) -> AppResult<()> {
    let counting: Vec<&CheckInRow> = rows.iter().filter(|row| !row.waits_for_review()).collect();
    if counting.is_empty() {
        return Ok(());
    }
    let events: BTreeSet<EventId> = counting.iter().map(|row| row.event_id).collect();
    let theme_days = events::with_form(conn, events.into_iter(), Form::ThemeDay)?;
    let mut deeds = Vec::with_capacity(counting.len());
    for row in counting {
        let rule = match row.status.as_str() {
            "late" => Rule::CheckInLate,
            _ => Rule::CheckInOnTime,
        };
        let deed = Deed {
            source: AnyId(row.id.0),
            is_new: true,
            ..Deed::of(rule, row.member_id, row.event_id, row.own_time())
        };
        deeds.push(deed);
        if theme_days.contains(&row.event_id) {
            deeds.push(Deed {
                rule: Rule::ThemeDayAttended,
                ..deed
            });
        }
    }
    points::award(conn, ids, now, &deeds)
}

/// A check-in that was annulled has earned nothing; and whoever had made the event up has made it up again. Who was not
/// expected either has not taken part at all: what they said of the event, with anything else, is worth nothing.
pub fn take_back(conn: &mut DbConnection, ctx: &Ctx, event: &EventRow, row: &CheckInRow) -> AppResult<()> {
    if store::list_on_roster(conn, &[(event.id, row.member_id)])?.is_empty() {
        return points::reverse_all_at(conn, &ctx.ids, ctx.now, &[row.member_id], AnyId(event.id.0));
    }
    points::reverse(conn, &ctx.ids, ctx.now, &[(row.member_id, AnyId(row.id.0))])?;
    let make_up = store::find_make_ups(conn, &[event.id])?.pop();
    match make_up {
        Some(make_up) => credit_studied(conn, ctx, event, make_up.lesson_id, &[row.member_id]),
        None => Ok(()),
    }
}

/// Whoever turns out to have been present has made nothing up.
pub fn were_present(conn: &mut DbConnection, ids: &Ids, now: Instant, rows: &[&CheckInRow]) -> AppResult<()> {
    let counting = rows.iter().filter(|row| !row.waits_for_review());
    let undone: Vec<_> = counting
        .map(|row| (row.member_id, AnyId(row.event_id.0)))
        .collect();
    points::reverse(conn, ids, now, &undone)
}

/// What did not take place was attended, made up, served at and reflected on by nobody. The caller holds the event's row, whose
/// roster is frozen.
pub fn event_cancelled(conn: &mut DbConnection, ctx: &Ctx, event: &EventRow) -> AppResult<()> {
    let came = store::list_event_check_ins(conn, event.id)?;
    // Before it has begun nothing else can have been earned at it.
    if came.is_empty() && ctx.now < event.starts_at {
        return Ok(());
    }
    let expected = store::list_roster(conn, event.id)?;
    let people: BTreeSet<MemberId> = came
        .iter()
        .map(|row| row.member_id)
        .chain(expected.iter().map(|row| row.member_id))
        .collect();
    let people: Vec<MemberId> = people.into_iter().collect();
    let reason = event.cancel_reason.as_deref().unwrap_or_default();
    volunteering::annul_with_event(conn, ctx, event.id, reason)?;
    points::reverse_all_at(conn, &ctx.ids, ctx.now, &people, AnyId(event.id.0))
}

/// What lessons that were just completed are worth as answers to absences: from events that are over, for whoever was expected
/// and did not come. One statement where no event names any of them. Events are locked here, so ask before members are.
pub fn made_up_by(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    completed: &[(MemberId, LessonId, Instant)],
) -> AppResult<Vec<Deed>> {
    let asked: BTreeSet<EventId> = answered(conn, completed)?
        .iter()
        .map(|(event, ..)| *event)
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<EventId> = asked.into_iter().collect();
    for event in &mut events::lock_events(conn, &asked)? {
        // Who was expected is known once the roster is frozen.
        roster::freeze_locked(conn, ids, now, event)?;
    }
    // Whether it took place, what answers it and who came stay as they are while it is held: asked again. That a lesson
    // comes to answer another one waits for this completion (`lessons::hold_versions`).
    let made_up = answered(conn, completed)?;
    make_up_deeds(conn, &made_up)
}

/// The absences that these completions answer, if there are any: event, member, and when.
fn answered(
    conn: &mut DbConnection,
    completed: &[(MemberId, LessonId, Instant)],
) -> AppResult<Vec<(EventId, MemberId, Instant)>> {
    let lessons: BTreeSet<LessonId> = completed.iter().map(|(_, lesson, _)| *lesson).collect();
    let answers = store::list_make_up_events(conn, lessons.into_iter())?;
    let mut made_up = Vec::new();
    for (member, lesson, at) in completed {
        let of_lesson = answers.iter().filter(|answer| answer.lesson_id == *lesson);
        for answer in of_lesson.filter(|answer| make_up::is_in_time(answer.ends_at, *at)) {
            made_up.push((answer.event_id, *member, *at));
        }
    }
    Ok(made_up)
}

/// A lesson that answers an absence was named, changed or taken away: who has studied it since the event gets points for
/// it, and who has studied another for that one no more.
pub fn make_up_set(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    before: Option<&MakeUpRow>,
    now_set: Option<&MakeUpRow>,
) -> AppResult<()> {
    roster::freeze_if_due(conn, &ctx.ids, ctx.now, event.id)?;
    let event = &events::find_event(conn, event.id)?;
    let expected = roster::current(conn, event)?;
    let expected: Vec<MemberId> = expected.iter().map(|entry| entry.member_id).collect();
    if before.is_some() {
        let given = expected.iter().map(|member| (*member, AnyId(event.id.0)));
        points::reverse(conn, &ctx.ids, ctx.now, &given.collect::<Vec<_>>())?;
    }
    let Some(now_set) = now_set else { return Ok(()) };
    credit_studied(conn, ctx, event, now_set.lesson_id, &expected)
}

/// Those of these members who have studied it since the event, if it took place. The caller holds the event's row.
fn credit_studied(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    lesson: LessonId,
    members: &[MemberId],
) -> AppResult<()> {
    if events::require_not_cancelled(event).is_err() {
        return Ok(());
    }
    let studied = study::studied(conn, members, &[lesson])?;
    let in_time = studied
        .completed
        .into_iter()
        .filter(|(_, at)| make_up::is_in_time(event.ends_at, *at));
    let made_up: Vec<_> = in_time.map(|((member, _), at)| (event.id, member, at)).collect();
    let deeds = make_up_deeds(conn, &made_up)?;
    points::award(conn, &ctx.ids, ctx.now, &deeds)
}

/// Of those who were expected and did not come. Who waits for review has not come yet.
fn make_up_deeds(conn: &mut DbConnection, made_up: &[(EventId, MemberId, Instant)]) -> AppResult<Vec<Deed>> {
    if made_up.is_empty() {
        return Ok(Vec::new());
    }
    let pairs: Vec<_> = made_up
        .iter()
        .map(|(event, member, _)| (*event, *member))
        .collect();
    let expected: HashSet<Pair> = store::list_on_roster(conn, &pairs)?.into_iter().collect();
    let came: HashSet<Pair> = store::list_effective(conn, &pairs)?
        .iter()
        .filter(|row| !row.waits_for_review())
        .map(Pair::of)
        .collect();
    let away = made_up.iter().filter(|(event_id, member_id, _)| {
        let pair = Pair {
            event_id: *event_id,
            member_id: *member_id,
        };
        expected.contains(&pair) && !came.contains(&pair)
    });
    Ok(away
        .map(|(event, member, at)| Deed::of(Rule::MakeUp, *member, *event, *at))
        .collect())
}
