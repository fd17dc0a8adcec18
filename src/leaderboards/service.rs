//! Who may see which ranking, whose names are shown on it, what somebody wishes for themselves, and what makes boards look again.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::rules::{Board, Period, Span, Unit};
use super::store::{self, MoveRow, NameRow, PeriodRow};
use crate::app::Ctx;
use crate::members::{self, MemberId};
use crate::organizations::{self, Access, LeaderboardMode, OrganizationId, OrganizationRow};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::ids::Ids;
use crate::platform::local_time;
use crate::platform::page::{Found, Page};
use crate::points;

/// Which ranking somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub organization: OrganizationId,
    pub unit: Unit,
    pub span: Span,
    /// A day of the period; none: today.
    pub on: Option<NaiveDate>,
}

/// A ranking, and what is shown of it.
#[derive(Debug, Clone)]
pub struct Shown {
    pub board: Board,
    /// The organization's.
    pub path: String,
    pub name: String,
    pub mode: LeaderboardMode,
    /// Since when its standings are final.
    pub final_at: Option<Instant>,
    /// When the tree's day ends: then other periods are meant.
    pub day_ends_at: Instant,
}

impl Shown {
    /// Refused unless everybody who may look there is shown the lines.
    pub fn require_lines(&self) -> AppResult<()> {
        match self.board.unit.is_shown(self.mode) {
            true => Ok(()),
            false => Err(hidden(self.mode)),
        }
    }

    /// Refused unless everybody may know where they stand themselves.
    pub fn require_own_rank(&self) -> AppResult<()> {
        match self.mode {
            LeaderboardMode::OwnRank | LeaderboardMode::Open => Ok(()),
            mode => Err(hidden(mode)),
        }
    }
}

fn hidden(mode: LeaderboardMode) -> AppError {
    match mode {
        LeaderboardMode::Off => Code::LeaderboardOff.into(),
        mode => AppError::from(Code::LeaderboardHidden).with("mode", mode),
    }
}

/// The ranking, if the actor may look there.
pub fn find(conn: &mut DbConnection, ctx: &Ctx, wanted: Wanted) -> AppResult<Shown> {
    let access = Access::load(conn, ctx)?;
    find_for(conn, ctx, &access, wanted)
}

/// `find` for somebody whose access is known.
pub fn find_for(conn: &mut DbConnection, ctx: &Ctx, access: &Access, wanted: Wanted) -> AppResult<Shown> {
    let top = organizations::visible_to(conn, access, wanted.organization)?;
    let mode = organizations::settings_of(conn, &top, &ctx.config.check_in)?.leaderboards;
    if mode == LeaderboardMode::Off {
        return Err(hidden(mode));
    }
    let zone = zone(conn, &top)?;
    let today = local_time::local_date(ctx.now, zone);
    let on = wanted.on.unwrap_or(today);
    if on < points::BEGINNING {
        return Err(AppError::invalid_field("on", "out_of_range", "lies before 1970"));
    }
    if on > today {
        return Err(AppError::invalid_field("on", "in_future", "lies in the future"));
    }
    let period = Period::of(wanted.span, on);
    let is_over = period.ends_before().is_some_and(|end| end <= today);
    let made = match is_over {
        true => store::find_period(conn, top.tenant_id, period)?,
        false => None,
    };
    Ok(Shown {
        board: Board {
            tenant: top.tenant_id,
            top: top.id,
            unit: wanted.unit,
            period,
            is_final: made.is_some(),
        },
        path: top.path,
        name: top.name,
        mode,
        final_at: made.map(|row| row.final_at),
        day_ends_at: local_time::end_of_day(today, zone),
    })
}

/// That of the tree's calendar.
fn zone(conn: &mut DbConnection, row: &OrganizationRow) -> AppResult<Tz> {
    let root = organizations::find_organization(conn, row.tenant_id)?;
    Ok(organizations::tree_zone(root.time_zone.as_deref()))
}

/// The board of this month of the members of an organization, for what is shown beside other things; none where nobody
/// may know their own rank.
pub fn own_month(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
) -> AppResult<Option<Shown>> {
    let wanted = Wanted {
        organization,
        unit: Unit::Members,
        span: Span::Month,
        on: None,
    };
    let found = find(conn, ctx, wanted).and_then(|shown| shown.require_own_rank().map(|()| shown));
    match found {
        Ok(shown) => Ok(Some(shown)),
        Err(error) if [Code::LeaderboardOff, Code::LeaderboardHidden].contains(&error.code()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What members are called on boards, with their organizations.
pub fn member_names(conn: &mut DbConnection, ids: &[uuid::Uuid]) -> AppResult<Vec<NameRow>> {
    let mut rows = store::list_member_names(conn, ids)?;
    // An organization whose own members are not shown does not have them shown above it.
    let modes = organizations::leaderboard_modes(conn, rows.iter().map(|row| row.organization_id))?;
    for row in &mut rows {
        let mode = modes.get(&row.organization_id).copied().unwrap_or_default();
        row.hides_name |= !Unit::Members.is_shown(mode);
    }
    Ok(rows)
}

pub fn branch_names(conn: &mut DbConnection, ids: &[uuid::Uuid]) -> AppResult<Vec<NameRow>> {
    Ok(store::list_branch_names(conn, ids)?)
}

/// The periods of an organization's tree whose standings are final, the newest first, for whoever may see a ranking there.
pub fn list_final(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    span: Span,
    page: &Page<NaiveDate>,
) -> AppResult<Found<PeriodRow>> {
    let wanted = Wanted {
        organization: id,
        unit: Unit::Members,
        span,
        on: None,
    };
    let shown = find(conn, ctx, wanted)?;
    Ok(store::list_periods(
        conn,
        shown.board.tenant,
        span.as_str(),
        page,
    )?)
}

/// Does the actor hide their name on leaderboards?
pub fn view_wish(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<bool> {
    let member = ctx.actor.member()?;
    Ok(store::find_wish(conn, member)?.unwrap_or_default())
}

pub fn write_wish(conn: &mut DbConnection, ctx: &Ctx, hides_name: bool) -> AppResult<()> {
    let member = ctx.actor.member()?;
    let person = members::hold_member(conn, member)?;
    if store::find_wish(conn, member)?.unwrap_or_default() == hides_name {
        return Ok(());
    }
    store::save_wish(conn, member, person.tenant_id, hides_name, ctx.now)?;
    // So that boards on which they stand are shown anew.
    members_moved(conn, &ctx.ids, ctx.now, person.tenant_id, &[(member, None)])
}

/// Members came, left, moved from one organization to another, or have other names: their boards look again. `from` is where they are no more.
pub fn members_moved(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    tenant: OrganizationId,
    moved: &[(MemberId, Option<OrganizationId>)],
) -> AppResult<()> {
    let rows = moved.iter().map(|(member, from)| (Some(*member), *from));
    insert_moves(conn, ids, now, tenant, rows)
}

/// What is shown in an organization, or to whom, is another; or some of its members have other names.
pub fn settings_changed(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    tenant: OrganizationId,
    organization: OrganizationId,
) -> AppResult<()> {
    insert_moves(conn, ids, now, tenant, [(None, Some(organization))].into_iter())
}

/// The tree is another: all its boards are made anew.
pub fn tree_moved(conn: &mut DbConnection, ids: &Ids, now: Instant, tenant: OrganizationId) -> AppResult<()> {
    insert_moves(conn, ids, now, tenant, [(None, None)].into_iter())
}

fn insert_moves(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    tenant_id: OrganizationId,
    moved: impl Iterator<Item = (Option<MemberId>, Option<OrganizationId>)>,
) -> AppResult<()> {
    let change_no = points::next_change_no(conn)?;
    let row = |(member_id, organization_id)| MoveRow {
        id: ids.make(),
        tenant_id,
        member_id,
        organization_id,
        change_no,
        moved_at: now,
    };
    let rows: Vec<MoveRow> = moved.map(row).collect();
    Ok(store::insert_moves(conn, &rows)?)
}

/// How long it is remembered who moved: far longer than any board is behind.
const REMEMBERED_S: i64 = 86_400;

pub fn forget_moves(conn: &mut DbConnection, now: Instant) -> AppResult<usize> {
    Ok(store::delete_moves_before(conn, now.plus_s(-REMEMBERED_S))?)
}
