//! Rows and queries of members, their standings and transfers. No rules.

use chrono::NaiveDate;
use diesel::dsl::{IntoBoxed, sql as fragment};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Date, Text};

use super::{MemberId, StandingId, TransferId};
use crate::auth::AccountId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{accounts, member_standings, member_transfers, members, organizations};
use crate::platform::db::{DbConnection, Instant, MultiBackend, UuidList, sql};
use crate::platform::page::{Found, Page};

/// Rows of one INSERT: 13 columns each stay below SQLite's bound on binds.
const BATCH: usize = 500;

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, QueryableByName)]
#[diesel(table_name = members, treat_none_as_default_value = false)]
pub struct MemberRow {
    pub id: MemberId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub employee_no: Option<String>,
    pub standing: String,
    pub standing_since: NaiveDate,
    pub joined_on: Option<NaiveDate>,
    pub deactivated_at: Option<Instant>,
    pub deactivate_reason: Option<String>,
    pub version: i32,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = member_standings, treat_none_as_default_value = false)]
pub struct StandingRow {
    pub id: StandingId,
    pub tenant_id: OrganizationId,
    pub member_id: MemberId,
    pub standing: String,
    pub since: NaiveDate,
    pub recorded_at: Instant,
    pub recorded_by: Option<AccountId>,
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = member_transfers, treat_none_as_default_value = false)]
pub struct TransferRow {
    pub id: TransferId,
    pub tenant_id: OrganizationId,
    pub member_id: MemberId,
    pub from_organization_id: OrganizationId,
    pub to_organization_id: OrganizationId,
    pub reason: String,
    pub transferred_at: Instant,
    pub transferred_by: Option<AccountId>,
}

/// A member with what other tables hold of the same person.
#[derive(Debug, Clone, Queryable)]
pub struct FullMemberRow {
    pub member: MemberRow,
    pub organization_name: String,
    pub phone: Option<String>,
    pub account_name: Option<String>,
    pub has_password: bool,
}

pub fn find_member(conn: &mut DbConnection, id: MemberId) -> QueryResult<Option<MemberRow>> {
    members::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_member(conn: &mut DbConnection, id: MemberId) -> QueryResult<Option<MemberRow>> {
    let sql = format!("SELECT * FROM members WHERE id = $1{}", conn.for_update());
    diesel::sql_query(sql)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// The rows that are there, locked until the transaction ends, in the order of their ids so that two cannot deadlock.
pub fn lock_members(
    conn: &mut DbConnection,
    ids: impl IntoIterator<Item = MemberId>,
) -> QueryResult<Vec<MemberRow>> {
    let (among, lock) = (conn.among("$1"), conn.for_update());
    diesel::sql_query(format!(
        "SELECT * FROM members WHERE id {among} ORDER BY id{lock}"
    ))
    .bind::<sql::UuidList, _>(ids.into_iter().collect::<UuidList>())
    .load(conn)
}

/// Members of these organizations, active or not, in the order of their ids.
pub fn list_ids(
    conn: &mut DbConnection,
    organizations: &[OrganizationId],
    after: Option<MemberId>,
    limit: usize,
) -> QueryResult<Vec<MemberId>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql::Uuid)]
        id: MemberId,
    }
    let among = conn.among("$1");
    let rows: Vec<Row> = diesel::sql_query(format!(
        "SELECT id FROM members WHERE organization_id {among} AND id > $2 ORDER BY id LIMIT {limit}"
    ))
    .bind::<sql::UuidList, _>(organizations.iter().copied().collect::<UuidList>())
    .bind::<sql::Uuid, _>(after.unwrap_or(MemberId(uuid::Uuid::nil())))
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

pub fn find_full_member(conn: &mut DbConnection, id: MemberId) -> QueryResult<Option<FullMemberRow>> {
    members::table
        .inner_join(organizations::table.on(organizations::id.eq(members::organization_id)))
        .inner_join(accounts::table.on(accounts::id.eq(members::id)))
        .filter(members::id.eq(id))
        .select((
            members::all_columns,
            organizations::name,
            accounts::phone,
            accounts::account_name,
            accounts::password_hash.is_not_null(),
        ))
        .first(conn)
        .optional()
}

/// Who could sign in under this employee number, the older account first.
pub fn list_by_employee_no(
    conn: &mut DbConnection,
    number: &str,
    tenant: Option<OrganizationId>,
    limit: i64,
) -> QueryResult<Vec<MemberId>> {
    let mut found = members::table
        .inner_join(accounts::table.on(accounts::id.eq(members::id)))
        .filter(members::employee_no.eq(number))
        .filter(accounts::disabled_at.is_null())
        .filter(accounts::password_hash.is_not_null())
        .order((accounts::created_at, accounts::id))
        .select(members::id)
        .limit(limit)
        .into_boxed();
    if let Some(tenant) = tenant {
        found = found.filter(members::tenant_id.eq(tenant));
    }
    found.load(conn)
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    /// None means everywhere.
    pub organizations: Option<Vec<OrganizationId>>,
    /// None means everybody.
    pub ids: Option<Vec<MemberId>>,
    pub standing: Option<&'static str>,
    /// Part of a name, phone number or employee number.
    pub q: Option<String>,
    pub include_inactive: bool,
    pub without_password: bool,
    pub page: Page<(String, MemberId)>,
}

diesel::define_sql_function! {
    fn lower(text: Text) -> Text;
}

/// A member with their organization and account.
#[diesel::dsl::auto_type(type_name = "FullMembers")]
fn full_members() -> _ {
    members::table
        .inner_join(organizations::table.on(organizations::id.eq(members::organization_id)))
        .inner_join(accounts::table.on(accounts::id.eq(members::id)))
}

/// In order of name and id.
pub fn list_members(conn: &mut DbConnection, filter: &MemberFilter) -> QueryResult<Found<FullMemberRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .select((
            members::all_columns,
            organizations::name,
            accounts::phone,
            accounts::account_name,
            accounts::password_hash.is_not_null(),
        ))
        .order((members::name.asc(), members::id.asc()))
        .limit(page.fetch());
    if let Some((name, id)) = &page.after {
        query = query.filter(
            members::name
                .gt(name)
                .or(members::name.eq(name).and(members::id.gt(*id))),
        );
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// All that the filter lets through, whatever the page.
fn narrowed<'a>(conn: &DbConnection, filter: &MemberFilter) -> IntoBoxed<'a, FullMembers, MultiBackend> {
    let (open, close) = conn.among_parts();
    let mut query = full_members().into_boxed();
    if let Some(organizations) = &filter.organizations {
        let ids = UuidList::from_iter(organizations.iter().copied());
        let among = fragment::<Bool>("members.organization_id ")
            .sql(open)
            .bind::<sql::UuidList, _>(ids)
            .sql(close);
        query = query.filter(among);
    }
    if let Some(ids) = &filter.ids {
        let among = fragment::<Bool>("members.id ")
            .sql(open)
            .bind::<sql::UuidList, _>(UuidList::from_iter(ids.iter().copied()))
            .sql(close);
        query = query.filter(among);
    }
    if let Some(standing) = filter.standing {
        query = query.filter(members::standing.eq(standing));
    }
    if !filter.include_inactive {
        query = query.filter(members::deactivated_at.is_null());
    }
    if filter.without_password {
        query = query.filter(accounts::password_hash.is_null());
    }
    if let Some(q) = &filter.q {
        let like = contains(q);
        query = query.filter(
            members::name
                .like(like.clone())
                .escape('\\')
                .or(lower(members::name)
                    .like(contains(&q.to_lowercase()))
                    .escape('\\'))
                .or(members::employee_no
                    .like(contains(&q.to_uppercase()))
                    .escape('\\')
                    .assume_not_null())
                .or(accounts::phone.like(like).escape('\\').assume_not_null()),
        );
    }
    query
}

/// A LIKE pattern in which the text stands for itself.
fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

pub fn insert_members(conn: &mut DbConnection, rows: &[MemberRow]) -> QueryResult<()> {
    for rows in rows.chunks(BATCH) {
        let insert = diesel::insert_into(members::table);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    Ok(())
}

pub fn insert_standings(conn: &mut DbConnection, rows: &[StandingRow]) -> QueryResult<()> {
    for rows in rows.chunks(BATCH) {
        let insert = diesel::insert_into(member_standings::table);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    Ok(())
}

pub fn insert_transfers(conn: &mut DbConnection, rows: &[TransferRow]) -> QueryResult<()> {
    for rows in rows.chunks(BATCH) {
        let insert = diesel::insert_into(member_transfers::table);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    Ok(())
}

/// Writes everything that may change, if the version is still the row's; counts the version up. Tells whether it was.
pub fn update_member(conn: &mut DbConnection, row: &MemberRow) -> QueryResult<bool> {
    let changed = diesel::update(
        members::table
            .find(row.id)
            .filter(members::version.eq(row.version)),
    )
    .set((
        members::organization_id.eq(row.organization_id),
        members::name.eq(&row.name),
        members::employee_no.eq(&row.employee_no),
        members::standing.eq(&row.standing),
        members::standing_since.eq(row.standing_since),
        members::joined_on.eq(row.joined_on),
        members::deactivated_at.eq(row.deactivated_at),
        members::deactivate_reason.eq(&row.deactivate_reason),
        members::updated_at.eq(row.updated_at),
        members::version.eq(row.version + 1),
    ))
    .execute(conn)?;
    Ok(changed == 1)
}

/// The dates and standings of one member, the latest first.
pub fn list_standings(conn: &mut DbConnection, id: MemberId) -> QueryResult<Vec<StandingRow>> {
    member_standings::table
        .filter(member_standings::member_id.eq(id))
        .order(member_standings::since.desc())
        .load(conn)
}

/// Corrects one entry of the history in place.
pub fn update_standing(conn: &mut DbConnection, row: &StandingRow) -> QueryResult<usize> {
    diesel::update(member_standings::table.find(row.id))
        .set((
            member_standings::standing.eq(&row.standing),
            member_standings::since.eq(row.since),
            member_standings::recorded_at.eq(row.recorded_at),
            member_standings::recorded_by.eq(row.recorded_by),
        ))
        .execute(conn)
}

/// The latest first.
pub fn list_transfers(
    conn: &mut DbConnection,
    id: MemberId,
    page: &Page<(Instant, TransferId)>,
) -> QueryResult<Found<TransferRow>> {
    use member_transfers::dsl as t;
    let of_member = || t::member_transfers.filter(t::member_id.eq(id));
    let mut query = of_member()
        .order((t::transferred_at.desc(), t::id.desc()))
        .limit(page.fetch())
        .into_boxed();
    if let Some((at, id)) = page.after {
        query = query.filter(
            t::transferred_at
                .lt(at)
                .or(t::transferred_at.eq(at).and(t::id.lt(id))),
        );
    }
    let count = page.count.then(|| of_member().count().get_result(conn));
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// A person with the standing of one date.
#[derive(Debug, QueryableByName)]
pub struct DatedMemberRow {
    #[diesel(sql_type = sql::Uuid)]
    pub id: MemberId,
    #[diesel(sql_type = sql::Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub standing: String,
}

pub fn ids_below(conn: &mut DbConnection, tops: &[OrganizationId]) -> QueryResult<Vec<OrganizationId>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = sql::Uuid)]
        id: OrganizationId,
    }
    // '0' is the character after '/': the half-open range of a subtree, as `path_range` makes it.
    let sql = format!(
        "SELECT DISTINCT d.id FROM organizations t \
         JOIN organizations d ON d.path >= t.path AND d.path < substr(t.path, 1, length(t.path) - 1) || '0' \
         WHERE t.id {}",
        conn.among("$1")
    );
    let tops = UuidList::from_iter(tops.iter().copied());
    let rows: Vec<Id> = diesel::sql_query(sql).bind::<sql::UuidList, _>(tops).load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Active members who belong to one of `organizations` or are named, each once. Before the first date of the history
/// the first standing holds.
pub fn list_dated_members(
    conn: &mut DbConnection,
    organizations: &[OrganizationId],
    named: &[MemberId],
    on: NaiveDate,
) -> QueryResult<Vec<DatedMemberRow>> {
    let sql = format!(
        "SELECT m.id, m.organization_id, m.name, COALESCE(\
         (SELECT s.standing FROM member_standings s WHERE s.member_id = m.id AND s.since <= $1 \
          ORDER BY s.since DESC LIMIT 1), \
         (SELECT s.standing FROM member_standings s WHERE s.member_id = m.id ORDER BY s.since LIMIT 1), \
         m.standing) AS standing \
         FROM members m WHERE m.deactivated_at IS NULL AND (m.organization_id {} OR m.id {}) \
         ORDER BY m.name, m.id",
        conn.among("$2"),
        conn.among("$3")
    );
    diesel::sql_query(sql)
        .bind::<Date, _>(on)
        .bind::<sql::UuidList, _>(UuidList::from_iter(organizations.iter().copied()))
        .bind::<sql::UuidList, _>(UuidList::from_iter(named.iter().copied()))
        .load(conn)
}

/// A person of the tenant as the import knows them again.
#[derive(Debug, Clone, Queryable)]
pub struct KnownRow {
    pub member: MemberRow,
    pub phone: Option<String>,
}

pub fn list_known(conn: &mut DbConnection, tenant: OrganizationId) -> QueryResult<Vec<KnownRow>> {
    members::table
        .inner_join(accounts::table.on(accounts::id.eq(members::id)))
        .filter(members::tenant_id.eq(tenant))
        .select((members::all_columns, accounts::phone))
        .load(conn)
}

/// When somebody came.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct ArrivalRow {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
    #[diesel(sql_type = sql::Instant)]
    pub came_at: Instant,
}

/// Those of these people who were created after `since`, and those who were transferred after it from elsewhere than `below`.
pub fn list_arrivals(
    conn: &mut DbConnection,
    ids: &[MemberId],
    since: Instant,
    below: &[OrganizationId],
) -> QueryResult<Vec<ArrivalRow>> {
    let people: UuidList = ids.iter().copied().collect();
    let query = format!(
        "SELECT id AS member_id, created_at AS came_at FROM members WHERE id {} AND created_at > $2 \
         UNION ALL SELECT member_id, transferred_at FROM member_transfers WHERE member_id {} AND transferred_at > $4 \
         AND NOT (from_organization_id {})",
        conn.among("$1"),
        conn.among("$3"),
        conn.among("$5"),
    );
    diesel::sql_query(query)
        .bind::<sql::UuidList, _>(people.clone())
        .bind::<sql::Instant, _>(since)
        .bind::<sql::UuidList, _>(people)
        .bind::<sql::Instant, _>(since)
        .bind::<sql::UuidList, _>(below.iter().copied().collect::<UuidList>())
        .load(conn)
}
