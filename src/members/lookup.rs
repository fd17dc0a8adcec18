//! Many people at once, for other slices: one query whatever their number.

use std::collections::HashMap;

use chrono_tz::Tz;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use super::{MemberId, Standing, store};
use crate::app::Ctx;
use crate::organizations::{self, Access, OrganizationId, Right, ids_of_path};
use crate::platform::db::{DbConnection, Instant, Prepared, sql};
use crate::platform::error::{AppError, AppResult};

/// What a sheet says of a person.
#[derive(Debug, Clone, QueryableByName)]
pub struct MemberBrief {
    #[diesel(sql_type = sql::Uuid)]
    pub id: MemberId,
    #[diesel(sql_type = sql::Uuid)]
    pub tenant_id: OrganizationId,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub employee_no: Option<String>,
    #[diesel(sql_type = Text)]
    pub standing: String,
    #[diesel(sql_type = sql::Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(sql_type = Text)]
    pub organization_name: String,
    #[diesel(sql_type = Text)]
    organization_path: String,
    #[diesel(sql_type = Nullable<sql::Instant>)]
    pub deactivated_at: Option<Instant>,
}

impl MemberBrief {
    /// The organizations from the root down to their own.
    pub fn line(&self) -> Vec<uuid::Uuid> {
        ids_of_path(&self.organization_path)
    }

    pub fn standing_bit(&self) -> i32 {
        Standing::parse(&self.standing).map_or(0, Standing::bit)
    }
}

/// No permission asked: for services that decide on their own. Whoever does not exist is left out.
pub fn briefs(conn: &mut DbConnection, ids: &[MemberId]) -> AppResult<HashMap<MemberId, MemberBrief>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (open, close) = conn.among_parts();
    let rows: Vec<MemberBrief> = Prepared::default()
        .sql(
            "SELECT m.id, m.tenant_id, m.name, m.employee_no, m.standing, m.organization_id, o.name AS organization_name, \
             o.path AS organization_path, m.deactivated_at FROM members m JOIN organizations o ON o.id = m.organization_id \
             WHERE m.id ",
        )
        .sql(open)
        .ids(ids.iter().copied().collect())
        .sql(close)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Where a member belonged until they were transferred.
#[derive(Debug, Clone, QueryableByName)]
pub struct FormerPlace {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
    #[diesel(sql_type = Text)]
    organization_path: String,
    #[diesel(sql_type = sql::Instant)]
    pub until: Instant,
}

impl FormerPlace {
    /// The organizations from the root down to it.
    pub fn line(&self) -> Vec<uuid::Uuid> {
        ids_of_path(&self.organization_path)
    }
}

/// From where these people were transferred since then. No permission asked.
pub fn former_places(
    conn: &mut DbConnection,
    ids: &[MemberId],
    since: Instant,
) -> AppResult<Vec<FormerPlace>> {
    let (open, close) = conn.among_parts();
    let query = Prepared::default()
        .sql(
            "SELECT t.member_id, o.path AS organization_path, t.transferred_at AS until FROM member_transfers t \
             JOIN organizations o ON o.id = t.from_organization_id WHERE t.member_id ",
        )
        .sql(open)
        .ids(ids.iter().copied().collect())
        .sql(close)
        .sql(" AND t.transferred_at >= ")
        .instant(since);
    Ok(query.load(conn)?)
}

/// A member as far as points go, held until the transaction ends.
#[derive(Debug, Clone, QueryableByName)]
pub struct HeldMember {
    #[diesel(sql_type = sql::Uuid)]
    pub id: MemberId,
    #[diesel(sql_type = sql::Uuid)]
    pub tenant_id: OrganizationId,
    #[diesel(sql_type = sql::Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(sql_type = Text)]
    standing: String,
    #[diesel(sql_type = Nullable<Text>)]
    time_zone: Option<String>,
}

impl HeldMember {
    pub fn standing_bit(&self) -> i32 {
        Standing::parse(&self.standing).map_or(0, Standing::bit)
    }

    /// That of their tree.
    pub fn zone(&self) -> Tz {
        organizations::tree_zone(self.time_zone.as_deref())
    }
}

/// These people, locked in the order of their ids: whoever counts something of one of them takes turns, on any number of
/// replicas. No permission asked.
pub fn hold_members(conn: &mut DbConnection, ids: &[MemberId]) -> AppResult<Vec<HeldMember>> {
    let (open, close) = conn.among_parts();
    let lock = match conn {
        DbConnection::Pg(_) => " ORDER BY m.id FOR NO KEY UPDATE OF m",
        DbConnection::Sqlite(_) => "",
    };
    let query = Prepared::default()
        .sql(
            "SELECT m.id, m.tenant_id, m.organization_id, m.standing, t.time_zone FROM members m \
             JOIN organizations t ON t.id = m.tenant_id WHERE m.id ",
        )
        .sql(open)
        .ids(ids.iter().copied().collect())
        .sql(close)
        .sql(lock);
    Ok(query.load(conn)?)
}

/// Members of these organizations, active or not, some at a time in the order of their ids. No permission asked.
pub fn list_ids(
    conn: &mut DbConnection,
    organizations: &[OrganizationId],
    after: Option<MemberId>,
    limit: usize,
) -> AppResult<Vec<MemberId>> {
    Ok(store::list_ids(conn, organizations, after, limit)?)
}

/// When those of these people came who came after `since`: by being created, or by a transfer from outside of `below`.
pub fn came_since(
    conn: &mut DbConnection,
    ids: &[MemberId],
    since: Instant,
    below: &[OrganizationId],
) -> AppResult<HashMap<MemberId, Instant>> {
    let mut came = HashMap::new();
    for row in store::list_arrivals(conn, ids, since, below)? {
        let at = came.entry(row.member_id).or_insert(row.came_at);
        *at = row.came_at.max(*at);
    }
    Ok(came)
}

/// Refuses unless all of these people are of the tenant and the actor may view each of them: else one of them is not
/// found, and nothing tells which.
pub fn require_members(
    conn: &mut DbConnection,
    ctx: &Ctx,
    tenant: OrganizationId,
    ids: &[MemberId],
) -> AppResult<()> {
    let found = briefs(conn, ids)?;
    let access = Access::load(conn, ctx)?;
    let in_sight = |person: &MemberBrief| {
        person.tenant_id == tenant
            && (access.may(&person.organization_path, Right::View) || ctx.actor.account == person.id.into())
    };
    if ids.iter().all(|id| found.get(id).is_some_and(in_sight)) {
        Ok(())
    } else {
        Err(AppError::not_found())
    }
}

/// Refuses unless the actor manages each of these people, whom they see.
pub fn require_managed(conn: &mut DbConnection, ctx: &Ctx, ids: &[MemberId]) -> AppResult<()> {
    let found = briefs(conn, ids)?;
    let access = Access::load(conn, ctx)?;
    let manages = |person: &MemberBrief| access.may(&person.organization_path, Right::ManageMembers);
    if ids.iter().all(|id| found.get(id).is_some_and(manages)) {
        Ok(())
    } else {
        Err(AppError::forbidden())
    }
}
