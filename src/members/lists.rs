//! Reading many members at once: a page of a list, or the whole of it piece by piece.

use super::MemberId;
use super::rules::Standing;
use super::store::{self, FullMemberRow, MemberFilter};
use crate::app::Ctx;
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::DbConnection;
use crate::platform::error::AppResult;
use crate::platform::page::{Found, Page};

/// Rows of a whole list read at once.
const PIECE: usize = 5_000;

/// What a client may narrow the list of members to; `organization` means its whole subtree.
#[derive(Debug, Clone, Default)]
pub struct ListMembers {
    pub organization: Option<OrganizationId>,
    pub standing: Option<Standing>,
    pub q: Option<String>,
    pub include_inactive: bool,
    pub page: Page<(String, MemberId)>,
}

/// Without an organization: everybody the actor administers.
pub fn list_members(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: &ListMembers,
) -> AppResult<Found<FullMemberRow>> {
    let filter = filter_of(conn, ctx, asked)?;
    Ok(store::list_members(conn, &filter)?)
}

/// The whole list, read piece by piece as it is used up.
pub fn all_members(
    conn: &mut DbConnection,
    ctx: &Ctx,
    asked: ListMembers,
) -> AppResult<impl Iterator<Item = AppResult<FullMemberRow>>> {
    let mut filter = filter_of(
        conn,
        ctx,
        &ListMembers {
            page: Page::first(PIECE),
            ..asked
        },
    )?;
    let (mut piece, mut more) = (Vec::new().into_iter(), true);
    Ok(std::iter::from_fn(move || {
        if let Some(row) = piece.next() {
            return Some(Ok(row));
        }
        if !std::mem::take(&mut more) {
            return None;
        }
        match store::list_members(conn, &filter) {
            Ok(Found { rows, .. }) => {
                filter.page.after = rows.last().map(|row| (row.member.name.clone(), row.member.id));
                more = !rows.is_empty();
                piece = rows.into_iter();
                piece.next().map(Ok)
            }
            Err(error) => Some(Err(error.into())),
        }
    }))
}

fn filter_of(conn: &mut DbConnection, ctx: &Ctx, asked: &ListMembers) -> AppResult<MemberFilter> {
    let organizations = match asked.organization {
        None => organizations::ids_with_right(conn, ctx, Right::View)?,
        Some(id) => Some(ids_below(conn, ctx, id, Right::View)?),
    };
    Ok(MemberFilter {
        organizations,
        ids: None,
        standing: asked.standing.map(Standing::as_str),
        q: asked.q.clone(),
        include_inactive: asked.include_inactive,
        without_password: false,
        page: asked.page.clone(),
    })
}

/// The organizations of a subtree in which the actor has this right, archived ones below it included.
pub fn ids_below(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    right: Right,
) -> AppResult<Vec<OrganizationId>> {
    let top = organizations::require(conn, ctx, id, right)?;
    organizations::ids_ever_below(conn, &top)
}
