//! Who may do what where. Asked inside the transaction of the work, so a role that was just revoked is gone.
//! What lies outside somebody's line of administration does not exist for them: 404.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::OrganizationId;
use super::rules::{Right, Role, ids_of_path, is_within};
use super::store::{self, OrganizationRow};
use crate::app::Ctx;
use crate::members::MemberId;
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult};

/// What one person may see and do, by paths.
#[derive(Debug, Clone, Default)]
pub struct Access {
    everything: bool,
    home: Option<String>,
    grants: Vec<(String, Role)>,
}

impl Access {
    pub fn load(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Self> {
        if ctx.actor.is_system_admin {
            return Ok(Self {
                everything: true,
                ..Self::default()
            });
        }
        let store::AccessPaths { home, grants } = store::load_access(conn, ctx.actor.member()?)?;
        let grants = grants
            .into_iter()
            .filter_map(|(path, role)| Some((path, Role::parse(&role)?)))
            .collect();
        Ok(Self {
            everything: false,
            home,
            grants,
        })
    }

    /// The line of administration: what one administers, and the nodes above oneself.
    pub fn sees(&self, path: &str) -> bool {
        self.everything
            || self.home.as_deref().is_some_and(|home| is_within(home, path))
            || self
                .grants
                .iter()
                .any(|(granted, _)| is_within(path, granted) || is_within(granted, path))
    }

    pub fn may(&self, path: &str, right: Right) -> bool {
        self.everything
            || self
                .grants
                .iter()
                .any(|(granted, role)| is_within(path, granted) && role.gives(right))
    }

    /// The tops of the subtrees where this right holds; `None` means everywhere.
    pub fn tops(&self, right: Right) -> Option<Vec<&str>> {
        if self.everything {
            return None;
        }
        Some(
            self.grants
                .iter()
                .filter(|(_, role)| role.gives(right))
                .map(|(path, _)| path.as_str())
                .collect(),
        )
    }

    /// The same as `sees`, for a query; `None` means everything.
    pub fn sight(&self) -> Option<store::Sight> {
        if self.everything {
            return None;
        }
        let tops: Vec<String> = self.grants.iter().map(|(path, _)| path.clone()).collect();
        let line = self.home.iter().chain(&tops).flat_map(|path| ids_of_path(path));
        Some(store::Sight {
            line: line.collect(),
            tops,
        })
    }

    pub fn roles(&self) -> impl Iterator<Item = (&str, Role)> {
        self.grants.iter().map(|(path, role)| (path.as_str(), *role))
    }
}

/// The organization, if the actor has this right there: 404 when it is out of sight, 403 when the right is missing.
/// What is archived can be read for ever by those who have a right to read there; nothing else can be done with it.
pub fn require(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    right: Right,
) -> AppResult<OrganizationRow> {
    let row = store::find_ever(conn, id)?;
    permit(&Access::load(conn, ctx)?, row, right)
}

/// `require` for what goes on with the records of an archived organization too: somebody above it ends its events and
/// decides what is open still.
pub fn require_ever(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    right: Right,
) -> AppResult<OrganizationRow> {
    let row = store::find_ever(conn, id)?;
    permit_ever(&Access::load(conn, ctx)?, row, right)
}

/// `require` for several at once, whatever their number: all of them, or the refusal of the first.
pub fn require_all(
    conn: &mut DbConnection,
    ctx: &Ctx,
    ids: &[OrganizationId],
    right: Right,
) -> AppResult<Vec<OrganizationRow>> {
    permit_all(conn, ctx, ids, |access, row| permit(access, row, right))
}

/// `require_all` for where something of one tree goes, or whom it calls. Of the `held` ones, where it has gone before, some
/// may have been archived since: they have nobody, and are in nobody's way.
pub fn require_of_tree(
    conn: &mut DbConnection,
    ctx: &Ctx,
    tenant: OrganizationId,
    ids: &[OrganizationId],
    held: &[OrganizationId],
    right: Right,
) -> AppResult<()> {
    let found = permit_all(conn, ctx, ids, |access, row| match &row {
        Some(there) if held.contains(&there.id) => permit_ever(access, row, right),
        _ => permit(access, row, right),
    })?;
    if found.iter().any(|row| row.tenant_id != tenant) {
        return Err(AppError::not_found());
    }
    Ok(())
}

fn permit_all(
    conn: &mut DbConnection,
    ctx: &Ctx,
    ids: &[OrganizationId],
    permit: impl Fn(&Access, Option<OrganizationRow>) -> AppResult<OrganizationRow>,
) -> AppResult<Vec<OrganizationRow>> {
    let found = store::list_by_path(conn, ids.iter().map(|id| id.0))?;
    let mut found: HashMap<_, _> = found.into_iter().map(|row| (row.id, row)).collect();
    let access = Access::load(conn, ctx)?;
    let once: BTreeSet<_> = ids.iter().collect();
    once.into_iter()
        .map(|id| permit(&access, found.remove(id)))
        .collect()
}

fn permit(access: &Access, row: Option<OrganizationRow>, right: Right) -> AppResult<OrganizationRow> {
    let row = permit_ever(access, row, right)?;
    if row.archived_at.is_some() && !right.only_reads() {
        return Err(AppError::not_found());
    }
    Ok(row)
}

fn permit_ever(access: &Access, row: Option<OrganizationRow>, right: Right) -> AppResult<OrganizationRow> {
    let row = row
        .filter(|row| access.sees(&row.path))
        .ok_or_else(AppError::not_found)?;
    if access.may(&row.path, right) {
        Ok(row)
    } else if row.archived_at.is_some() {
        Err(AppError::not_found())
    } else {
        Err(AppError::forbidden())
    }
}

/// `require` for bringing somebody in: nobody archives the organization before the transaction ends.
pub fn require_held(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    right: Right,
) -> AppResult<OrganizationRow> {
    require(conn, ctx, id, right)?;
    // Who waited here for an archiving finds nothing now.
    store::hold_living(conn, id)?.ok_or_else(AppError::not_found)
}

/// `require` for what is decided about the organization itself: nobody else holds it until the transaction ends.
pub fn require_locked(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    right: Right,
) -> AppResult<OrganizationRow> {
    require(conn, ctx, id, right)?;
    store::lock_organization(conn, id)?;
    // Read again under the lock: it may have been archived or moved meanwhile.
    require(conn, ctx, id, right)
}

/// The organization, if the actor may know that it exists.
pub fn visible(conn: &mut DbConnection, ctx: &Ctx, id: OrganizationId) -> AppResult<OrganizationRow> {
    let access = Access::load(conn, ctx)?;
    visible_to(conn, &access, id)
}

/// `visible` for somebody whose access is known.
pub fn visible_to(
    conn: &mut DbConnection,
    access: &Access,
    id: OrganizationId,
) -> AppResult<OrganizationRow> {
    store::find_ever(conn, id)?
        .filter(|row| row.archived_at.is_none() && access.sees(&row.path))
        .ok_or_else(AppError::not_found)
}

/// The same, for what has a past: an archived one too, for those who may see its people.
pub fn visible_or_archived(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
) -> AppResult<OrganizationRow> {
    let (row, access) = find_with_access(conn, ctx, id)?;
    if row.archived_at.is_some() && !access.may(&row.path, Right::View) {
        return Err(AppError::not_found());
    }
    Ok(row)
}

/// Nobody manages the account of somebody who may do more than they: 403 unless every right that the member's roles
/// give, wherever they give it, is the actor's too. Else a secretary could take over an admin's account.
pub fn require_over(conn: &mut DbConnection, ctx: &Ctx, member: MemberId) -> AppResult<()> {
    if ctx.actor.account == member.into() {
        return Ok(());
    }
    if above(conn, ctx, [member])?.is_empty() {
        Ok(())
    } else {
        Err(AppError::forbidden())
    }
}

/// Those of `members` who may do more than the actor, by what their roles give where.
pub fn above(
    conn: &mut DbConnection,
    ctx: &Ctx,
    members: impl IntoIterator<Item = MemberId>,
) -> AppResult<HashSet<MemberId>> {
    let access = Access::load(conn, ctx)?;
    let grants = store::list_grants_of(conn, members)?;
    let gives_more = |path: &str, role: Role| {
        Right::ALL
            .into_iter()
            .any(|right| role.gives(right) && !access.may(path, right))
    };
    Ok(grants
        .into_iter()
        .filter(|grant| MemberId::from(ctx.actor.account) != grant.member_id)
        .filter(|grant| Role::parse(&grant.role).is_some_and(|role| gives_more(&grant.path, role)))
        .map(|grant| grant.member_id)
        .collect())
}

fn find_with_access(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
) -> AppResult<(OrganizationRow, Access)> {
    let row = store::find_ever(conn, id)?.ok_or_else(AppError::not_found)?;
    let access = Access::load(conn, ctx)?;
    if access.sees(&row.path) {
        Ok((row, access))
    } else {
        Err(AppError::not_found())
    }
}

/// The organizations where the actor has this right to read, archived ones included; none means everywhere.
pub fn ids_with_right(
    conn: &mut DbConnection,
    ctx: &Ctx,
    right: Right,
) -> AppResult<Option<Vec<OrganizationId>>> {
    Ok(reach(conn, ctx, right)?.map(|reach| reach.within))
}

/// How far a right goes: the organizations where it holds, archived ones too, and those above them.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    pub within: Vec<OrganizationId>,
    pub above: Vec<OrganizationId>,
}

/// None means everywhere.
pub fn reach(conn: &mut DbConnection, ctx: &Ctx, right: Right) -> AppResult<Option<Reach>> {
    let access = Access::load(conn, ctx)?;
    let Some(tops) = access.tops(right) else {
        return Ok(None);
    };
    let mut reach = Reach::default();
    for top in tops {
        reach.within.extend(store::list_ids_ever_below(conn, top)?);
        reach
            .above
            .extend(ids_of_path(top).into_iter().map(OrganizationId));
    }
    Ok(Some(reach))
}

/// The organizations where the actor has this right, none for everywhere: 403 for whoever has it nowhere.
pub fn require_anywhere(
    conn: &mut DbConnection,
    ctx: &Ctx,
    right: Right,
) -> AppResult<Option<Vec<OrganizationId>>> {
    match ids_with_right(conn, ctx, right)? {
        Some(ids) if ids.is_empty() => Err(AppError::forbidden()),
        ids => Ok(ids),
    }
}
