//! Rows and queries of organizations and role grants.

use diesel::dsl::sql as fragment;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::rules::{Role, path_range};
use super::{OrganizationId, RoleGrantId};
use crate::auth::AccountId;
use crate::members::MemberId;
use crate::platform::db::schema::{members, organizations, role_grants};
use crate::platform::db::{DbConnection, Instant, MultiBackend, UuidList, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, QueryableByName)]
#[diesel(table_name = organizations)]
pub struct OrganizationRow {
    pub id: OrganizationId,
    pub tenant_id: OrganizationId,
    pub parent_id: Option<OrganizationId>,
    pub kind: String,
    pub name: String,
    pub path: String,
    pub time_zone: Option<String>,
    pub opens_before_s: Option<i32>,
    pub late_after_s: Option<i32>,
    pub closes_after_s: Option<i32>,
    pub code_window_s: Option<i32>,
    pub offline_allowed: Option<bool>,
    pub version: i32,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub archived_at: Option<Instant>,
    pub leaderboards: Option<String>,
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = role_grants)]
pub struct RoleGrantRow {
    pub id: RoleGrantId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub member_id: MemberId,
    pub role: String,
    pub granted_at: Instant,
    pub granted_by: Option<AccountId>,
    pub revoked_at: Option<Instant>,
    pub revoked_by: Option<AccountId>,
}

pub fn insert_organization(conn: &mut DbConnection, row: &OrganizationRow) -> QueryResult<usize> {
    diesel::insert_into(organizations::table)
        .values(row)
        .execute(conn)
}

/// Archived or not.
pub fn find_ever(conn: &mut DbConnection, id: OrganizationId) -> QueryResult<Option<OrganizationRow>> {
    organizations::table.find(id).first(conn).optional()
}

/// These nodes, archived ones included, in the order of their paths: what is above comes first.
pub fn list_by_path(
    conn: &mut DbConnection,
    ids: impl IntoIterator<Item = uuid::Uuid>,
) -> QueryResult<Vec<OrganizationRow>> {
    let among = conn.among("$1");
    diesel::sql_query(format!(
        "SELECT * FROM organizations WHERE id {among} ORDER BY path"
    ))
    .bind::<sql::UuidList, _>(crate::platform::db::UuidList::from_iter(ids))
    .load(conn)
}

pub fn list_roots(conn: &mut DbConnection) -> QueryResult<Vec<OrganizationRow>> {
    organizations::table
        .filter(organizations::parent_id.is_null())
        .order(organizations::id)
        .load(conn)
}

pub fn list_subtree(conn: &mut DbConnection, path: &str) -> QueryResult<Vec<OrganizationRow>> {
    let (low, high) = path_range(path);
    organizations::table
        .filter(organizations::path.ge(low).and(organizations::path.lt(high)))
        .filter(organizations::archived_at.is_null())
        .order(organizations::path)
        .load(conn)
}

/// Archived ones too.
pub fn list_subtree_ever(conn: &mut DbConnection, path: &str) -> QueryResult<Vec<OrganizationRow>> {
    let (low, high) = path_range(path);
    organizations::table
        .filter(organizations::path.ge(low).and(organizations::path.lt(high)))
        .order(organizations::path)
        .load(conn)
}

/// Archived ones too.
pub fn list_ids_ever_below(conn: &mut DbConnection, path: &str) -> QueryResult<Vec<OrganizationId>> {
    let (low, high) = path_range(path);
    organizations::table
        .filter(organizations::path.ge(low).and(organizations::path.lt(high)))
        .select(organizations::id)
        .load(conn)
}

/// What somebody may know of: single nodes, and whole subtrees by their paths.
pub struct Sight {
    pub line: Vec<uuid::Uuid>,
    pub tops: Vec<String>,
}

/// Parents before children.
pub fn list_visible(
    conn: &mut DbConnection,
    sight: Option<&Sight>,
    page: &Page<String>,
) -> QueryResult<Found<OrganizationRow>> {
    let count = page.count.then(|| seen(conn, sight).count().get_result(conn));
    let mut query = seen(conn, sight).order(organizations::path).limit(page.fetch());
    if let Some(after) = &page.after {
        query = query.filter(organizations::path.gt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn seen<'a>(conn: &DbConnection, sight: Option<&Sight>) -> organizations::BoxedQuery<'a, MultiBackend> {
    let (open, close) = conn.among_parts();
    let mut query = organizations::table.into_boxed();
    if let Some(sight) = sight {
        let line = fragment::<Bool>("organizations.id ")
            .sql(open)
            .bind::<sql::UuidList, _>(UuidList::from_iter(sight.line.iter().copied()))
            .sql(close);
        query = query.filter(line);
        for top in &sight.tops {
            let (low, high) = path_range(top);
            query = query.or_filter(organizations::path.ge(low).and(organizations::path.lt(high)));
        }
    }
    query.filter(organizations::archived_at.is_null())
}

/// Changes the row if its version is still `version` (any, when none); tells whether it was.
pub fn update_organization(
    conn: &mut DbConnection,
    row: &OrganizationRow,
    version: Option<i32>,
) -> QueryResult<bool> {
    let expected = version.unwrap_or(row.version);
    let changed = diesel::update(
        organizations::table
            .find(row.id)
            .filter(organizations::version.eq(expected)),
    )
    .set((
        organizations::name.eq(&row.name),
        organizations::time_zone.eq(&row.time_zone),
        organizations::opens_before_s.eq(row.opens_before_s),
        organizations::late_after_s.eq(row.late_after_s),
        organizations::closes_after_s.eq(row.closes_after_s),
        organizations::code_window_s.eq(row.code_window_s),
        organizations::offline_allowed.eq(row.offline_allowed),
        organizations::leaderboards.eq(&row.leaderboards),
        organizations::archived_at.eq(row.archived_at),
        organizations::updated_at.eq(row.updated_at),
        organizations::version.eq(expected + 1),
    ))
    .execute(conn)?;
    Ok(changed == 1)
}

/// Hangs a subtree under another node: every path below it changes its beginning.
pub fn move_subtree(
    conn: &mut DbConnection,
    row: &OrganizationRow,
    new_parent: OrganizationId,
    new_path: &str,
    now: Instant,
) -> QueryResult<usize> {
    let (low, high) = path_range(&row.path);
    diesel::sql_query(
        "UPDATE organizations SET path = $1 || substr(path, $2), updated_at = $3, version = version + 1 \
         WHERE path >= $4 AND path < $5",
    )
    .bind::<Text, _>(new_path)
    .bind::<diesel::sql_types::Integer, _>(
        i32::try_from(row.path.len())
            .unwrap_or(i32::MAX)
            .saturating_add(1),
    )
    .bind::<sql::Instant, _>(now)
    .bind::<Text, _>(low)
    .bind::<Text, _>(high)
    .execute(conn)?;
    diesel::update(organizations::table.find(row.id))
        .set(organizations::parent_id.eq(new_parent))
        .execute(conn)
}

/// Takes the tenant's root row, so that two moves in one tree cannot make a ring.
pub fn lock_tenant(conn: &mut DbConnection, tenant: OrganizationId) -> QueryResult<()> {
    lock_organization(conn, tenant)
}

/// Takes the row until the transaction ends.
pub fn lock_organization(conn: &mut DbConnection, id: OrganizationId) -> QueryResult<()> {
    let sql = format!("SELECT * FROM organizations WHERE id = $1{}", conn.for_update());
    diesel::sql_query(sql)
        .bind::<sql::Uuid, _>(id)
        .load::<OrganizationRow>(conn)
        .map(|_| ())
}

/// Takes the rows of a subtree, archived ones too.
pub fn lock_subtree(conn: &mut DbConnection, path: &str) -> QueryResult<()> {
    let (low, high) = path_range(path);
    let sql = format!(
        "SELECT * FROM organizations WHERE path >= $1 AND path < $2 ORDER BY id{}",
        conn.for_update()
    );
    diesel::sql_query(sql)
        .bind::<Text, _>(low)
        .bind::<Text, _>(high)
        .load::<OrganizationRow>(conn)
        .map(|_| ())
}

/// The row, kept from being archived until the transaction ends; none when it is archived.
pub fn hold_living(conn: &mut DbConnection, id: OrganizationId) -> QueryResult<Option<OrganizationRow>> {
    let sql = format!(
        "SELECT * FROM organizations WHERE id = $1 AND archived_at IS NULL{}",
        conn.for_share()
    );
    diesel::sql_query(sql)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

pub fn has_content(conn: &mut DbConnection, id: OrganizationId) -> QueryResult<bool> {
    use diesel::dsl::{exists, select};
    let children = organizations::table
        .filter(organizations::parent_id.eq(id))
        .filter(organizations::archived_at.is_null());
    let people = members::table
        .filter(members::organization_id.eq(id))
        .filter(members::deactivated_at.is_null());
    Ok(select(exists(children)).get_result::<bool>(conn)?
        || select(exists(people)).get_result::<bool>(conn)?)
}

/// The actor's own home path, and the path and role of each grant.
pub struct AccessPaths {
    pub home: Option<String>,
    pub grants: Vec<(String, String)>,
}

pub fn load_access(conn: &mut DbConnection, member: MemberId) -> QueryResult<AccessPaths> {
    let home = members::table
        .inner_join(organizations::table.on(organizations::id.eq(members::organization_id)))
        .filter(members::id.eq(member))
        .select(organizations::path)
        .first(conn)
        .optional()?;
    let grants = role_grants::table
        .inner_join(organizations::table.on(organizations::id.eq(role_grants::organization_id)))
        .filter(role_grants::member_id.eq(member))
        .filter(role_grants::revoked_at.is_null())
        .select((organizations::path, role_grants::role))
        .load(conn)?;
    Ok(AccessPaths { home, grants })
}

/// A role that somebody has somewhere.
#[derive(Debug, QueryableByName)]
pub struct HeldRole {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
    #[diesel(sql_type = Text)]
    pub path: String,
    #[diesel(sql_type = Text)]
    pub role: String,
}

/// The grants in force of all these people.
pub fn list_grants_of(
    conn: &mut DbConnection,
    members: impl IntoIterator<Item = MemberId>,
) -> QueryResult<Vec<HeldRole>> {
    let query = format!(
        "SELECT g.member_id, o.path, g.role FROM role_grants g \
         JOIN organizations o ON o.id = g.organization_id \
         WHERE g.revoked_at IS NULL AND g.member_id {}",
        conn.among("$1")
    );
    diesel::sql_query(query)
        .bind::<sql::UuidList, _>(members.into_iter().collect::<UuidList>())
        .load(conn)
}

pub fn insert_grant(conn: &mut DbConnection, row: &RoleGrantRow) -> QueryResult<usize> {
    diesel::insert_into(role_grants::table).values(row).execute(conn)
}

pub fn find_grant(conn: &mut DbConnection, id: RoleGrantId) -> QueryResult<Option<RoleGrantRow>> {
    role_grants::table
        .find(id)
        .filter(role_grants::revoked_at.is_null())
        .first(conn)
        .optional()
}

pub fn find_same_grant(
    conn: &mut DbConnection,
    organization: OrganizationId,
    member: MemberId,
    role: &str,
) -> QueryResult<Option<RoleGrantRow>> {
    role_grants::table
        .filter(role_grants::organization_id.eq(organization))
        .filter(role_grants::member_id.eq(member))
        .filter(role_grants::role.eq(role))
        .filter(role_grants::revoked_at.is_null())
        .first(conn)
        .optional()
}

/// Somebody who administers an organization itself.
#[derive(Debug, Queryable)]
pub struct AdminRow {
    pub id: RoleGrantId,
    pub member_id: MemberId,
}

/// Those who administer this organization itself, and have not left.
pub fn list_active_admins(
    conn: &mut DbConnection,
    organization: OrganizationId,
) -> QueryResult<Vec<AdminRow>> {
    role_grants::table
        .inner_join(members::table.on(members::id.eq(role_grants::member_id)))
        .filter(role_grants::organization_id.eq(organization))
        .filter(role_grants::role.eq(Role::Admin.as_str()))
        .filter(role_grants::revoked_at.is_null())
        .filter(members::deactivated_at.is_null())
        .select((role_grants::id, role_grants::member_id))
        .load(conn)
}

/// The grants in force on one organization, with the holders' names.
pub fn list_grants(
    conn: &mut DbConnection,
    organization: OrganizationId,
    page: &Page<(Instant, RoleGrantId)>,
) -> QueryResult<Found<(RoleGrantRow, String)>> {
    let in_force = || {
        role_grants::table
            .inner_join(members::table.on(members::id.eq(role_grants::member_id)))
            .filter(role_grants::organization_id.eq(organization))
            .filter(role_grants::revoked_at.is_null())
    };
    let mut query = in_force()
        .order((role_grants::granted_at, role_grants::id))
        .select((role_grants::all_columns, members::name))
        .limit(page.fetch())
        .into_boxed();
    if let Some((at, id)) = page.after {
        query = query.filter(
            role_grants::granted_at
                .gt(at)
                .or(role_grants::granted_at.eq(at).and(role_grants::id.gt(id))),
        );
    }
    let count = page.count.then(|| in_force().count().get_result(conn));
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

pub fn revoke_grant(
    conn: &mut DbConnection,
    id: RoleGrantId,
    by: AccountId,
    now: Instant,
) -> QueryResult<usize> {
    diesel::update(
        role_grants::table
            .find(id)
            .filter(role_grants::revoked_at.is_null()),
    )
    .set((role_grants::revoked_at.eq(now), role_grants::revoked_by.eq(by)))
    .execute(conn)
}
