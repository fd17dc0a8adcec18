//! What a board would be if it were made of the database now: all of it, or what has changed since it was right.

use std::collections::{BTreeSet, HashMap};

use super::rules::{Board, Unit};
use super::store::{self, ChangeRow, ScoreRow, Who};
use crate::members::MemberId;
use crate::organizations::{self, OrganizationId};
use crate::platform::boards::{Batch, Extent, Score};
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::points;

/// Rows that are read from the database at a time.
const ROWS: i32 = 50_000;
/// With more changes than this a board is made anew.
const MOST_CHANGES: i32 = 20_000;

fn score_of(row: &ScoreRow) -> Score {
    Score {
        points: row.points,
        reached_at: row.reached_at.map_or(0, Instant::micros),
    }
}

/// Is there a line for it? Members without points have none, branches do.
fn is_listed(board: &Board, row: &ScoreRow) -> bool {
    board.unit != Unit::Members || row.points > 0
}

/// Everybody on a board, each once, so many at a time until `take` says that nobody wants more.
pub fn read_whole(
    conn: &mut DbConnection,
    board: &Board,
    mut take: impl FnMut(Vec<(uuid::Uuid, Score)>) -> bool,
) -> AppResult<()> {
    let path = organizations::find_organization(conn, board.top)?.path;
    let mut after = None;
    loop {
        let rows = store::list_scores(conn, board, &path, Who::After(after, ROWS))?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = Some(last.id);
        let listed = rows.iter().filter(|row| is_listed(board, row));
        if !take(listed.map(|row| (row.id.0, score_of(row))).collect()) {
            return Ok(());
        }
    }
}

/// How far a board goes that is read after this. Changes of the tree itself are told one by one: the version stands still while
/// any transaction on the server is open, and a board that was made anew for such a change need not be made for it again.
pub fn read_extent(conn: &mut DbConnection, board: &Board) -> AppResult<Extent> {
    let at = points::settled_change_no(conn)?;
    let besides = store::list_tree_changes(conn, board.tenant, at)?;
    Ok(Extent { at, besides })
}

/// What has become of a board.
pub enum BoardNews {
    /// It is as it was, at this version.
    Nothing(i64),
    Changes(Batch),
    /// Too much: it is made anew.
    Anew,
}

/// What has changed for each of these boards that it does not show: absolute scores, so that nothing is counted twice.
pub fn read_changes(
    conn: &mut DbConnection,
    boards: &[(Board, Extent)],
) -> AppResult<Vec<(Board, BoardNews)>> {
    // Before the changes: what they miss bears this number or a later one.
    let to = points::settled_change_no(conn)?;
    let first = boards.iter().map(|(_, extent)| extent.at).min().unwrap_or(to);
    let changes = store::list_changes(conn, first, MOST_CHANGES)?;
    // The latest first: what is cut off is the oldest.
    let is_cut = changes.len() > usize::try_from(MOST_CHANGES).unwrap_or(usize::MAX);
    let oldest = changes.last().map_or(first, |change| change.change_no);
    let mut news = Vec::with_capacity(boards.len());
    for (board, Extent { at, besides }) in boards {
        let of_board: Vec<&ChangeRow> = changes
            .iter()
            .filter(|change| change.change_no >= *at && change.tenant_id == board.tenant)
            .collect();
        let is_moved = |change: &&ChangeRow| change.is_of_tree() && !besides.contains(&change.change_no);
        let told = if (is_cut && oldest >= *at) || of_board.iter().any(is_moved) {
            BoardNews::Anew
        } else if of_board.is_empty() {
            BoardNews::Nothing(*at)
        } else {
            let members = of_board.iter().filter_map(|change| change.member_id).collect();
            let left = of_board
                .iter()
                .filter_map(|change| change.organization_id)
                .collect();
            BoardNews::Changes(Batch {
                from: *at,
                to,
                changes: read_entrants(conn, board, &members, &left)?,
            })
        };
        news.push((board.clone(), told));
    }
    Ok(news)
}

/// The scores of these members, or of their branches and of those that they have left.
fn read_entrants(
    conn: &mut DbConnection,
    board: &Board,
    members: &BTreeSet<MemberId>,
    left: &BTreeSet<OrganizationId>,
) -> AppResult<Vec<(uuid::Uuid, Option<Score>)>> {
    let path = organizations::find_organization(conn, board.top)?.path;
    let asked: Vec<AnyId> = match board.unit {
        Unit::Members => members.iter().map(|id| AnyId(id.0)).collect(),
        _ => store::list_branches_of(conn, members, left)?,
    };
    let mut changes: HashMap<uuid::Uuid, Option<Score>> = asked.iter().map(|id| (id.0, None)).collect();
    for row in store::list_scores(conn, board, &path, Who::Only(&asked))? {
        if is_listed(board, &row) {
            changes.insert(row.id.0, Some(score_of(&row)));
        }
    }
    Ok(changes.into_iter().collect())
}
