//! What a first screen is made of, and until when time alone changes nothing of it.

use crate::app::Ctx;
use crate::attendance::{self, Mine};
use crate::events::{self, Listed};
use crate::leaderboards::{self, Shown};
use crate::members::{self, MemberSummary};
use crate::notices;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::points::{self, Totals};
use crate::study_plans::{self, DueLesson, SHOWN_LATE_S};

const EVENTS: usize = 20;
const UPCOMING: usize = 10;
const LESSONS: usize = 20;

/// All but the rank.
pub struct Home {
    pub member: Option<MemberSummary>,
    pub check_in_open: Vec<(Listed, Mine)>,
    pub upcoming: Vec<(Listed, Mine)>,
    pub due_lessons: Vec<DueLesson>,
    pub unread_notices: i64,
    pub points: Totals,
    /// The board on which the rank is found; none where nobody is told.
    pub board: Option<Shown>,
    /// When something of it is another though nothing has changed.
    pub until: Instant,
}

/// A member's first screen.
pub fn make(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Home> {
    let me = ctx.actor.member()?;
    let member = members::summary(conn, me)?;
    let listed = events::list_mine_from_now(conn, ctx, EVENTS)?;
    let due_lessons = study_plans::due_lessons(conn, ctx, LESSONS)?;
    let rows: Vec<_> = listed.iter().map(|(row, _)| row.clone()).collect();
    let mine = attendance::mine(conn, ctx, &rows)?;
    let (points, day_ends_at) = points::my_totals(conn, ctx)?;
    let until = until(ctx.now, &listed, &due_lessons).min(day_ends_at);
    let is_open =
        |((row, _), _): &(Listed, Mine)| row.check_in_opens_at <= ctx.now && ctx.now < row.check_in_closes_at;
    let (check_in_open, mut upcoming): (Vec<_>, Vec<_>) = listed.into_iter().zip(mine).partition(is_open);
    upcoming.truncate(UPCOMING);
    let board = match &member {
        Some(member) => leaderboards::own_month(conn, ctx, member.organization_id)?,
        None => None,
    };
    Ok(Home {
        member,
        check_in_open,
        upcoming,
        due_lessons,
        unread_notices: notices::count_unread(conn, me)?,
        points,
        board,
        until,
    })
}

/// The next moment at which an event opens, closes or goes, or a lesson is late or no longer shown.
fn until(now: Instant, events: &[Listed], due: &[DueLesson]) -> Instant {
    // An event is listed at the very moment of its end, still.
    let of_events = events.iter().flat_map(|(row, _)| {
        let gone_at = Instant::from_micros(row.ends_at.micros() + 1);
        [row.check_in_opens_at, row.check_in_closes_at, gone_at]
    });
    let of_lessons = due.iter().flat_map(|lesson| {
        let gone_at = Instant::from_micros(lesson.due_at.plus_s(SHOWN_LATE_S).micros() + 1);
        [lesson.due_at, gone_at]
    });
    let to_come = of_events.chain(of_lessons).filter(|at| now < *at);
    to_come.min().unwrap_or_else(|| now.plus_s(86_400))
}
