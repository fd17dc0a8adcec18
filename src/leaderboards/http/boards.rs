//! An organization's rankings, one's own rank, and what is final.

use actix_web::{get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::SignedIn;
use crate::leaderboards::names::LineNames;
use crate::leaderboards::rules::{Span, Unit};
use crate::leaderboards::service::{self, Shown, Wanted};
use crate::leaderboards::store::PeriodRow;
use crate::members::MemberId;
use crate::organizations::{LeaderboardMode, OrganizationId};
use crate::platform::boards::Line;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{IdPath, List, Query, Rendered, Tagged, cursor_of};
use crate::platform::page::Page;
use crate::platform::text::Check;

/// Who is ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaderboardOf {
    #[default]
    Members,
    Branches,
}

/// By what branches are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaderboardBy {
    /// The points of all members together.
    #[default]
    Total,
    /// For each member, so that a small branch is not behind a large one for being small.
    Average,
}

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BoardQuery {
    /// Members or branches; members when it is left out.
    of: Option<LeaderboardOf>,
    /// Of branches: by total when it is left out.
    by: Option<LeaderboardBy>,
    /// The month when it is left out.
    span: Option<Span>,
    /// A day of the period that is meant, in the tree's zone; today when it is left out.
    on: Option<NaiveDate>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Check for BoardQuery {}

impl BoardQuery {
    pub fn wanted(&self, organization: OrganizationId) -> Wanted {
        let unit = match (self.of.unwrap_or_default(), self.by.unwrap_or_default()) {
            (LeaderboardOf::Members, _) => Unit::Members,
            (LeaderboardOf::Branches, LeaderboardBy::Total) => Unit::BranchTotals,
            (LeaderboardOf::Branches, LeaderboardBy::Average) => Unit::BranchAverages,
        };
        Wanted {
            organization,
            unit,
            span: self.span.unwrap_or(Span::Month),
            on: self.on,
        }
    }
}

/// What a ranking is of.
#[derive(Serialize, utoipa::ToSchema)]
pub struct BoardHead {
    organization_id: OrganizationId,
    organization_name: String,
    mode: LeaderboardMode,
    of: LeaderboardOf,
    /// Only of branches.
    by: Option<LeaderboardBy>,
    span: Span,
    starts_on: NaiveDate,
    /// The last day; null: it never ends.
    ends_on: Option<NaiveDate>,
    /// Its standings change no more since then; null: they may.
    final_at: Option<Instant>,
    /// What happened since then may be missing; null: nothing is.
    stale_since: Option<Instant>,
    /// How many are ranked: members with any points, branches with any members.
    entrants: u64,
}

impl BoardHead {
    pub fn of(shown: &Shown, entrants: u64, stale_since: Option<Instant>) -> Self {
        let board = &shown.board;
        let (of, by) = match board.unit {
            Unit::Members => (LeaderboardOf::Members, None),
            Unit::BranchTotals => (LeaderboardOf::Branches, Some(LeaderboardBy::Total)),
            Unit::BranchAverages => (LeaderboardOf::Branches, Some(LeaderboardBy::Average)),
        };
        Self {
            organization_id: board.top,
            organization_name: shown.name.clone(),
            mode: shown.mode,
            of,
            by,
            span: board.period.span,
            starts_on: board.period.starts_on,
            ends_on: board.period.ends_before().and_then(|end| end.pred_opt()),
            final_at: shown.final_at,
            stale_since,
            entrants,
        }
    }
}

/// A line of a ranking.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LeaderboardLineView {
    /// Equal points have equal ranks, and the next is one more than those before it: 1, 2, 2, 4. Of equals the one who got
    /// there first stands first.
    rank: u64,
    /// Of a member, or of a branch's members together; null where branches are ranked by average.
    points: Option<i64>,
    /// For each member of the branch.
    average: Option<f64>,
    /// Null: they hide their name; or it is a branch.
    member_id: Option<MemberId>,
    name: Option<String>,
    /// The branch; of a member where they belong.
    organization_id: Option<OrganizationId>,
    organization_name: Option<String>,
}

/// Lines with their names. Who hides theirs is a rank and a number.
pub fn lines(unit: Unit, lines: &[Line], names: &LineNames) -> Vec<LeaderboardLineView> {
    let view = |line: &Line| {
        let name = names.get(&line.id).filter(|row| !row.hides_name);
        let points = line.score.points;
        #[expect(
            clippy::cast_precision_loss,
            reason = "thousandths of points are far below 2^52"
        )]
        let average = (unit == Unit::BranchAverages).then_some(points as f64 / 1_000.0);
        LeaderboardLineView {
            rank: line.rank,
            points: (unit != Unit::BranchAverages).then_some(points),
            average,
            member_id: name
                .filter(|_| unit == Unit::Members)
                .map(|row| MemberId(row.id.0)),
            name: name.map(|row| row.name.clone()),
            organization_id: name.map(|row| row.organization_id),
            organization_name: name.map(|row| row.organization_name.clone()),
        }
    };
    lines.iter().map(view).collect()
}

/// A page of a ranking.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LeaderboardView {
    #[serde(flatten)]
    head: BoardHead,
    items: Vec<LeaderboardLineView>,
    next_cursor: Option<String>,
}

/// List a ranking of an organization's members, or of its branches, those of all organizations below it included. Whether it
/// is shown is the organization's setting `leaderboards`: `off`, `own_rank`, `branches_only` or `open`; it is the same for
/// everybody. Who hides their name, or belongs where members are not shown, is a rank and a number. A member's points go with them when they are transferred: to the boards of where they belong now. A period
/// that is over is final some days later, and stays as it was then.
#[utoipa::path(tag = "leaderboards", params(("id" = OrganizationId, Path), BoardQuery), responses((status = 200, body = LeaderboardView), (status = 403, description = "leaderboard_off; leaderboard_hidden: `mode` says what is shown")))]
#[get("/leaderboards/{id}")]
pub async fn list_leaderboard(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<BoardQuery>,
) -> AppResult<Rendered> {
    let query = query.0;
    let page = Page::<u64>::from_query(query.limit, query.cursor.as_deref(), None)?;
    let shown = app.permits.find(&app, who.0, query.wanted(id.0)).await?;
    shown.require_lines()?;
    let from = page.after.map_or(0, |position| position.saturating_add(1));
    app.pages.page(&app, &shown, from, page.limit).await
}

/// A page of a ranking as it is now, and the version of the board; none of one that may be behind.
pub async fn render(app: &App, shown: &Shown, from: u64, most: usize) -> AppResult<(Rendered, Option<i64>)> {
    let unit = shown.board.unit;
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let reading = app.leaderboards.page(&shown.board, from, limit).await?;
    let mut found = reading.found;
    let has_more = found.lines.len() > most;
    found.lines.truncate(most);
    let last = found.lines.last().filter(|_| has_more);
    let next_cursor = last.and_then(|line| cursor_of(&line.position));
    let names = app.board_names.of(&shown.board, ids_of(&found.lines)).await?;
    let at = reading.stale_since.is_none().then_some(found.at);
    let view = LeaderboardView {
        head: BoardHead::of(shown, found.size, reading.stale_since),
        items: lines(unit, &found.lines, &names),
        next_cursor,
    };
    Ok((Rendered::of(&view)?, at))
}

pub fn ids_of(lines: &[Line]) -> Vec<uuid::Uuid> {
    lines.iter().map(|line| line.id).collect()
}

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OwnRankQuery {
    /// The month when it is left out.
    span: Option<Span>,
    /// A day of the period that is meant, in the tree's zone; today when it is left out.
    on: Option<NaiveDate>,
}

impl Check for OwnRankQuery {}

/// My place.
#[derive(Serialize, utoipa::ToSchema)]
struct MyLineView {
    rank: u64,
    points: i64,
}

/// Where I stand.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OwnRankView {
    #[serde(flatten)]
    head: BoardHead,
    /// Null: I have no points in this period, or do not belong here.
    me: Option<MyLineView>,
    /// Up to three before and after me, and my own line; empty unless the organization's leaderboards are open.
    neighbours: Vec<LeaderboardLineView>,
}

/// How many on either side.
const NEIGHBOURS: u64 = 3;

/// Find my own rank among the members of an organization and all below it. Unless its leaderboards are open, nothing is told
/// of anybody else.
#[utoipa::path(tag = "leaderboards", params(("id" = OrganizationId, Path), OwnRankQuery), responses((status = 200, body = OwnRankView), (status = 403, description = "leaderboard_off; leaderboard_hidden: `mode` says what is shown")))]
#[get("/leaderboards/{id}/me")]
pub async fn find_my_rank(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<OwnRankQuery>,
) -> AppResult<Tagged<OwnRankView>> {
    let me = who.0.account.0;
    let wanted = Wanted {
        organization: id.0,
        unit: Unit::Members,
        span: query.0.span.unwrap_or(Span::Month),
        on: query.0.on,
    };
    who.0.member()?;
    let shown = app.permits.find(&app, who.0, wanted).await?;
    shown.require_own_rank()?;
    let is_open = wanted.unit.is_shown(shown.mode);
    let neighbours = if is_open { NEIGHBOURS } else { 0 };
    let reading = app.leaderboards.find(&shown.board, me, neighbours).await?;
    let found = reading.found;
    let around = match is_open {
        true => {
            let names = app.board_names.of(&shown.board, ids_of(&found.around)).await?;
            lines(Unit::Members, &found.around, &names)
        }
        false => Vec::new(),
    };
    Ok(Tagged(OwnRankView {
        head: BoardHead::of(&shown, found.size, reading.stale_since),
        me: found.line.map(|line| MyLineView {
            rank: line.rank,
            points: line.score.points,
        }),
        neighbours: around,
    }))
}

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// The month when it is left out.
    span: Option<Span>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for HistoryQuery {}

/// A period whose standings are final. Its ranking is read with `span` and `on`.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FinalPeriodView {
    span: Span,
    starts_on: NaiveDate,
    final_at: Instant,
}

impl From<PeriodRow> for FinalPeriodView {
    fn from(row: PeriodRow) -> Self {
        Self {
            span: Span::parse(&row.span).unwrap_or(Span::Day),
            starts_on: row.starts_on,
            final_at: row.final_at,
        }
    }
}

/// List the periods whose standings are final, the newest first.
#[utoipa::path(tag = "leaderboards", params(("id" = OrganizationId, Path), HistoryQuery), responses((status = 200, body = List<FinalPeriodView>), (status = 403, description = "leaderboard_off")))]
#[get("/leaderboards/{id}/history")]
pub async fn list_final_leaderboards(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<HistoryQuery>,
) -> AppResult<Tagged<List<FinalPeriodView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<NaiveDate>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let (asked, span) = (page.clone(), query.span.unwrap_or(Span::Month));
    let read = move |conn: &mut _| service::list_final(conn, &ctx, id.0, span, &asked);
    let found = app.db.read(read).await?;
    Ok(Tagged(page.list(
        found,
        |row| row.starts_on,
        FinalPeriodView::from,
    )))
}
