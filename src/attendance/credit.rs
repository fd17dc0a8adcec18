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
            member: row.member_id,
            rule,
            source: AnyId(row.id.0),
            subject: AnyId(row.event_id.0),
            minutes: 0,
            occurred_at: row.own_time(),
            is_new: true,
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

/// A check-in that was annulled has earned nothing.
pub fn take_back(conn: &mut DbConnection, ctx: &Ctx, row: &CheckInRow) -> AppResult<()> {
    points::reverse(conn, &ctx.ids, ctx.now, &[(row.member_id, AnyId(row.id.0))])
}

/// Whoever turns out to have been present has made nothing up.
pub fn were_present(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    people: impl Iterator<Item = Pair>,
) -> AppResult<()> {
    let undone: Vec<_> = people
        .map(|pair| (pair.member_id, AnyId(pair.event_id.0)))
        .collect();
    points::reverse(conn, ids, now, &undone)
}

/// What did not take place was attended and made up by nobody. The caller holds the event's row, whose roster is frozen.
pub fn event_cancelled(conn: &mut DbConnection, ctx: &Ctx, event: EventId) -> AppResult<()> {
    let came = store::list_event_check_ins(conn, event)?;
    let expected = store::list_roster(conn, event)?;
    let came = came.iter().map(|row| (row.member_id, AnyId(row.id.0)));
    let expected = expected.iter().map(|row| (row.member_id, AnyId(event.0)));
    let undone: Vec<_> = came.chain(expected).collect();
    points::reverse(conn, &ctx.ids, ctx.now, &undone)
}

/// Lessons that were just completed, and the absences that they answer: of events that are over, by whoever was expected and
/// did not come. One statement where no event names any of them.
pub fn lessons_completed(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    completed: &[(MemberId, LessonId, Instant)],
) -> AppResult<()> {
    let lessons: BTreeSet<LessonId> = completed.iter().map(|(_, lesson, _)| *lesson).collect();
    let answers = store::list_make_up_events(conn, lessons.into_iter())?;
    let mut made_up = Vec::new();
    for (member, lesson, at) in completed {
        let of_lesson = answers.iter().filter(|answer| answer.lesson_id == *lesson);
        let in_time = of_lesson.filter(|answer| make_up::is_in_time(answer.ends_at, *at));
        made_up.extend(in_time.map(|answer| (answer.event_id, *member, *at)));
    }
    // Who was expected is known once the roster is frozen.
    for event in made_up.iter().map(|(event, ..)| *event).collect::<BTreeSet<_>>() {
        roster::freeze_if_due(conn, ids, now, event)?;
    }
    credit_make_ups(conn, ids, now, &made_up)
}

/// A lesson that answers an absence was named, changed or taken away: who has studied it since the event gets points for
/// it, and who has studied another for that one no more.
pub fn make_up_set(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    now_set: Option<&MakeUpRow>,
) -> AppResult<()> {
    roster::freeze_if_due(conn, &ctx.ids, ctx.now, event.id)?;
    let event = &events::find_event(conn, event.id)?;
    let expected = roster::current(conn, event)?;
    let expected: Vec<MemberId> = expected.iter().map(|entry| entry.member_id).collect();
    let before: Vec<_> = expected
        .iter()
        .map(|member| (*member, AnyId(event.id.0)))
        .collect();
    points::reverse(conn, &ctx.ids, ctx.now, &before)?;
    let Some(now_set) = now_set else { return Ok(()) };
    let studied = study::studied(conn, &expected, &[now_set.lesson_id])?;
    let in_time = studied
        .completed
        .into_iter()
        .filter(|(_, at)| make_up::is_in_time(event.ends_at, *at));
    let made_up: Vec<_> = in_time.map(|((member, _), at)| (event.id, member, at)).collect();
    credit_make_ups(conn, &ctx.ids, ctx.now, &made_up)
}

fn credit_make_ups(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    made_up: &[(EventId, MemberId, Instant)],
) -> AppResult<()> {
    if made_up.is_empty() {
        return Ok(());
    }
    let pairs: Vec<_> = made_up
        .iter()
        .map(|(event, member, _)| (*event, *member))
        .collect();
    let expected: HashSet<Pair> = store::list_on_roster(conn, &pairs)?.into_iter().collect();
    let came: HashSet<Pair> = store::list_effective(conn, &pairs)?
        .iter()
        .map(Pair::of)
        .collect();
    let away = made_up.iter().filter(|(event_id, member_id, _)| {
        let pair = Pair {
            event_id: *event_id,
            member_id: *member_id,
        };
        expected.contains(&pair) && !came.contains(&pair)
    });
    let deeds: Vec<Deed> = away
        .map(|(event, member, at)| Deed {
            member: *member,
            rule: Rule::MakeUp,
            source: AnyId(event.0),
            subject: AnyId(event.0),
            minutes: 0,
            occurred_at: *at,
            is_new: false,
        })
        .collect();
    points::award(conn, ids, now, &deeds)
}
