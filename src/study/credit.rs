//! What study is worth: asked of points in the transaction in which a lesson is completed.

use std::collections::HashMap;

use super::store::CompletionRow;
use crate::attendance;
use crate::lessons::{CourseVersion, LessonId};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::ids::Ids;
use crate::points::{self, Deed, Rule};
use crate::study_plans;

/// A lesson gives by its length, whoever studied it how long; and it may be the last of a plan, or answer an absence.
pub fn completions(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    rows: &[CompletionRow],
    versions: &HashMap<LessonId, Vec<CourseVersion>>,
) -> AppResult<()> {
    let completed: Vec<_> = rows
        .iter()
        .map(|row| (row.member_id, row.lesson_id, row.occurred_at))
        .collect();
    // Before the members are held: events are locked first, always.
    let made_up = attendance::made_up_by(conn, ids, now, &completed)?;
    let mut deeds: Vec<Deed> = Vec::with_capacity(rows.len());
    for row in rows {
        let versions = versions.get(&row.lesson_id).into_iter().flatten();
        let version = versions.clone().find(|version| version.number == row.number);
        deeds.push(Deed {
            minutes: version.map_or(0, |version| minutes_of(version.duration_ms)),
            is_new: true,
            ..Deed::of(
                Rule::LessonCompleted,
                row.member_id,
                row.lesson_id,
                row.occurred_at,
            )
        });
    }
    let completed: Vec<_> = rows.iter().map(|row| (row.member_id, row.lesson_id)).collect();
    for done in study_plans::finished_by(conn, now, &completed)? {
        // It may have had other lessons, and been finished before: then nothing is given.
        deeds.push(Deed::of(Rule::PlanFinished, done.member, done.plan, done.at));
    }
    deeds.extend(made_up);
    points::award(conn, ids, now, &deeds)
}

/// Begun minutes count whole.
fn minutes_of(duration_ms: u32) -> i32 {
    i32::try_from(duration_ms.div_ceil(60_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_minute_counts_whole() {
        for (duration_ms, minutes) in [(0, 0), (1, 1), (60_000, 1), (60_001, 2), (u32::MAX, 71_583)] {
            assert_eq!(minutes_of(duration_ms), minutes, "{duration_ms} ms");
        }
    }
}
