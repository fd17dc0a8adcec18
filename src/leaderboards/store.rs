//! What rankings are made of: totals of members and branches, who has changed since, standings that are final, and what members wish.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::LeaderboardMoveId;
use super::rules::{Board, Period, Span, Unit};
use crate::members::MemberId;
use crate::organizations::{OrganizationId, path_range};
use crate::platform::db::schema::{leaderboard_moves, leaderboard_periods, leaderboard_wishes};
use crate::platform::db::{AnyId, DbConnection, Instant, Prepared, UuidList, sql};
use crate::platform::page::{Found, Page};

/// An entrant's score as the truth has it.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct ScoreRow {
    #[diesel(sql_type = sql::Uuid)]
    pub id: AnyId,
    #[diesel(sql_type = BigInt)]
    pub points: i64,
    #[diesel(sql_type = Nullable<sql::Instant>)]
    pub reached_at: Option<Instant>,
}

/// Which database this is, and in which of its lives: another one after a restore, and once a standby has taken over, when
/// changes that boards have seen may be gone. Some services keep the rest to themselves; the tables' own ids are told
/// everywhere. None on SQLite, which does not know.
pub fn origin(conn: &mut DbConnection, whole: bool) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Origin {
        #[diesel(sql_type = Text)]
        origin: String,
    }
    let DbConnection::Pg(_) = conn else {
        return Ok(None);
    };
    let life = match whole {
        true => {
            "(SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8), "
        }
        false => "",
    };
    let query = format!(
        "SELECT concat_ws('-', {life}(SELECT oid FROM pg_database WHERE datname = current_database()), \
         CAST(CAST('point_changes' AS regclass) AS oid)) AS origin"
    );
    let found: Origin = diesel::sql_query(query).get_result(conn)?;
    Ok(Some(found.origin))
}

/// Who is looked up.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// All of them, some at a time in the order of their ids.
    After(Option<AnyId>, i32),
    Only(&'a [AnyId]),
}

/// Members of the subtree at `path` who have points on the board, or branches there, with or without.
pub fn list_scores(
    conn: &mut DbConnection,
    board: &Board,
    path: &str,
    who: Who<'_>,
) -> QueryResult<Vec<ScoreRow>> {
    match board.unit {
        Unit::Members => list_member_scores(conn, board, path, who),
        unit => list_branch_scores(conn, board, path, who, unit),
    }
}

/// Of totals or results `t`, each with its name.
const SUMS: [(&str, &str); 2] = [
    ("CAST(coalesce(sum(t.points), 0) AS bigint)", "points"),
    ("max(t.reached_at)", "reached_at"),
];

/// `, points, reached_at` of `m.id`: looked up member by member, whatever the planner thinks of the table.
fn sums(mut query: Prepared, board: &Board) -> Prepared {
    let (span, first, last) = board.period.totals();
    for (sum, name) in SUMS {
        query = if board.is_final {
            query
                .sql(format!(
                    ", (SELECT {sum} FROM leaderboard_results t WHERE t.tenant_id = m.tenant_id AND t.span = '{}' AND t.starts_on = ",
                    board.period.span.as_str()
                ))
                .date(board.period.starts_on)
                .sql(" AND t.member_id = m.id)")
        } else {
            query
                .sql(format!(
                    ", (SELECT {sum} FROM point_totals t WHERE t.member_id = m.id AND t.span = '{span}' AND t.starts_on >= "
                ))
                .date(first)
                .sql(" AND t.starts_on <= ")
                .date(last)
                .sql(")")
        };
        query = query.sql(format!(" AS {name}"));
    }
    query
}

/// Members as they belong now; of a final board as they belonged when it was made.
fn people(board: &Board) -> &'static str {
    if board.is_final {
        "(SELECT r.member_id AS id, r.tenant_id, r.organization_id FROM leaderboard_results r WHERE r.tenant_id = "
    } else if board.unit == Unit::Members {
        "(SELECT p.id, p.tenant_id, p.organization_id FROM members p WHERE p.deactivated_at IS NULL AND p.tenant_id = "
    } else {
        "(SELECT p.id, p.tenant_id, p.organization_id FROM members p WHERE p.deactivated_at IS NULL \
         AND p.standing <> 'guest' AND p.tenant_id = "
    }
}

fn from_people(mut query: Prepared, board: &Board, path: &str) -> Prepared {
    query = query.sql(" FROM ").sql(people(board)).id(board.tenant);
    if board.is_final {
        query = query
            .sql(format!(
                " AND r.span = '{}' AND r.starts_on = ",
                board.period.span.as_str()
            ))
            .date(board.period.starts_on);
    }
    let (low, high) = path_range(path);
    query
        .sql(") m JOIN organizations o ON o.id = m.organization_id AND o.path >= ")
        .text(low)
        .sql(" AND o.path < ")
        .text(high)
}

fn list_member_scores(
    conn: &mut DbConnection,
    board: &Board,
    path: &str,
    who: Who<'_>,
) -> QueryResult<Vec<ScoreRow>> {
    let (open, close) = conn.among_parts();
    let query = Prepared::default().sql("SELECT id, points, reached_at FROM (SELECT m.id AS id");
    let query = from_people(sums(query, board), board, path);
    let query = match who {
        Who::Only(ids) => query
            .sql(format!(" WHERE m.id {open}"))
            .ids(ids.iter().map(|id| id.0).collect())
            .sql(close),
        Who::After(after, limit) => query
            .sql(" WHERE m.id > ")
            .id(after.map_or(uuid::Uuid::nil(), |id| id.0))
            .sql(" ORDER BY m.id LIMIT ")
            .number(limit),
    };
    query.sql(") s").load(conn)
}

/// The branch of an organization `o`.
const BRANCH: &str = "CASE o.kind WHEN 'group' THEN o.parent_id ELSE o.id END";

/// A branch counts its groups' members as its own. Those without members are on no board. Guests earn nothing, so they are not
/// counted either.
fn list_branch_scores(
    conn: &mut DbConnection,
    board: &Board,
    path: &str,
    who: Who<'_>,
    unit: Unit,
) -> QueryResult<Vec<ScoreRow>> {
    let (open, close) = conn.among_parts();
    let points = match unit {
        // Of whole numbers, so rounded down; PostgreSQL's sums of bigint are none.
        Unit::BranchAverages => "CAST(sum(points) AS bigint) * 1000 / CAST(sum(members) AS bigint)",
        _ => "sum(points)",
    };
    let query = Prepared::default().sql(format!(
        "SELECT id, CAST({points} AS bigint) AS points, max(reached_at) AS reached_at FROM (SELECT {BRANCH} AS id"
    ));
    let query = match board.is_final {
        true => from_sizes(query, board, path),
        false => from_people(sums(query.sql(", 1 AS members"), board), board, path),
    };
    let mut query = query
        .sql(" WHERE (o.kind = 'branch' OR (o.kind = 'group' AND o.path <> ")
        .text(path.to_owned())
        .sql("))");
    let limit = match who {
        Who::Only(ids) => {
            let ids: UuidList = ids.iter().map(|id| id.0).collect();
            query = query.sql(format!(" AND {BRANCH} {open}")).ids(ids).sql(close);
            None
        }
        Who::After(after, limit) => {
            query = query
                .sql(format!(" AND {BRANCH} > "))
                .id(after.map_or(uuid::Uuid::nil(), |id| id.0));
            Some(limit)
        }
    };
    query = query.sql(") s GROUP BY id");
    if let Some(limit) = limit {
        query = query.sql(" ORDER BY id LIMIT ").number(limit);
    }
    query.load(conn)
}

/// Of a final board: how many belonged to each organization then, and what they had.
fn from_sizes(mut query: Prepared, board: &Board, path: &str) -> Prepared {
    let span = board.period.span.as_str();
    query = query.sql(", z.members");
    for (sum, name) in SUMS {
        query = query.sql(format!(
            ", (SELECT {sum} FROM leaderboard_results t WHERE t.tenant_id = z.tenant_id AND t.span = z.span \
             AND t.starts_on = z.starts_on AND t.organization_id = z.organization_id) AS {name}"
        ));
    }
    let (low, high) = path_range(path);
    query
        .sql(" FROM (SELECT * FROM leaderboard_sizes WHERE tenant_id = ")
        .id(board.tenant)
        .sql(format!(" AND span = '{span}' AND starts_on = "))
        .date(board.period.starts_on)
        .sql(") z JOIN organizations o ON o.id = z.organization_id AND o.path >= ")
        .text(low)
        .sql(" AND o.path < ")
        .text(high)
}

/// Somebody who must be looked at again.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct ChangeRow {
    #[diesel(sql_type = sql::Uuid)]
    pub tenant_id: OrganizationId,
    /// None: the whole tree.
    #[diesel(sql_type = Nullable<sql::Uuid>)]
    pub member_id: Option<MemberId>,
    /// Where they are no more.
    #[diesel(sql_type = Nullable<sql::Uuid>)]
    pub organization_id: Option<OrganizationId>,
    #[diesel(sql_type = BigInt)]
    pub change_no: i64,
}

impl ChangeRow {
    pub fn is_of_tree(&self) -> bool {
        self.member_id.is_none() && self.organization_id.is_none()
    }
}

/// What was written under this number or a later one, the latest first; one more than `limit` when there is more.
pub fn list_changes(conn: &mut DbConnection, since: i64, limit: i32) -> QueryResult<Vec<ChangeRow>> {
    let none = match conn {
        DbConnection::Pg(_) => "CAST(NULL AS uuid)",
        DbConnection::Sqlite(_) => "NULL",
    };
    Prepared::default()
        .sql(format!(
            "SELECT tenant_id, member_id, {none} AS organization_id, change_no FROM point_entries WHERE change_no >= "
        ))
        .long(since)
        .sql(
            " UNION SELECT tenant_id, member_id, organization_id, change_no FROM leaderboard_moves WHERE change_no >= ",
        )
        .long(since)
        .sql(" ORDER BY change_no DESC LIMIT ")
        .number(limit.saturating_add(1))
        .load(conn)
}

/// The numbers, this one or later ones, under which the whole of a tree has changed.
pub fn list_tree_changes(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    since: i64,
) -> QueryResult<Vec<i64>> {
    leaderboard_moves::table
        .filter(leaderboard_moves::change_no.ge(since))
        .filter(leaderboard_moves::tenant_id.eq(tenant))
        .filter(leaderboard_moves::member_id.is_null())
        .filter(leaderboard_moves::organization_id.is_null())
        .select(leaderboard_moves::change_no)
        .distinct()
        .load(conn)
}

/// The trees in which anything has moved since.
pub fn list_moved_trees(conn: &mut DbConnection, since: i64) -> QueryResult<Vec<OrganizationId>> {
    leaderboard_moves::table
        .filter(leaderboard_moves::change_no.ge(since))
        .select(leaderboard_moves::tenant_id)
        .distinct()
        .load(conn)
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = leaderboard_moves)]
pub struct MoveRow {
    pub id: LeaderboardMoveId,
    pub tenant_id: OrganizationId,
    pub member_id: Option<MemberId>,
    pub organization_id: Option<OrganizationId>,
    pub change_no: i64,
    pub moved_at: Instant,
}

pub fn insert_moves(conn: &mut DbConnection, rows: &[MoveRow]) -> QueryResult<()> {
    for some in rows.chunks(1_000) {
        match conn {
            DbConnection::Sqlite(c) => diesel::insert_into(leaderboard_moves::table)
                .values(some)
                .execute(c)?,
            DbConnection::Pg(c) => diesel::insert_into(leaderboard_moves::table)
                .values(some)
                .execute(c)?,
        };
    }
    Ok(())
}

/// Except the one with the highest number, above which numbers go on.
pub fn delete_moves_before(conn: &mut DbConnection, at: Instant) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM leaderboard_moves WHERE moved_at < $1 AND change_no < (SELECT max(change_no) FROM leaderboard_moves)",
    )
    .bind::<sql::Instant, _>(at)
    .execute(conn)
}

/// A line's name, and whether its member hides it.
#[derive(Debug, Clone, QueryableByName)]
pub struct NameRow {
    #[diesel(sql_type = sql::Uuid)]
    pub id: AnyId,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = sql::Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(sql_type = Text)]
    pub organization_name: String,
    #[diesel(sql_type = Bool)]
    pub hides_name: bool,
}

pub fn list_member_names(conn: &mut DbConnection, ids: &[uuid::Uuid]) -> QueryResult<Vec<NameRow>> {
    let (open, close) = conn.among_parts();
    let hides = match conn {
        DbConnection::Pg(_) => "coalesce(w.hides_name, false)",
        DbConnection::Sqlite(_) => "coalesce(w.hides_name, 0)",
    };
    Prepared::default()
        .sql(format!(
            "SELECT m.id, m.name, o.id AS organization_id, o.name AS organization_name, {hides} AS hides_name \
             FROM members m JOIN organizations o ON o.id = m.organization_id \
             LEFT JOIN leaderboard_wishes w ON w.member_id = m.id WHERE m.id {open}"
        ))
        .ids(ids.iter().copied().collect())
        .sql(close)
        .load(conn)
}

pub fn find_wish(conn: &mut DbConnection, member: MemberId) -> QueryResult<Option<bool>> {
    leaderboard_wishes::table
        .find(member)
        .select(leaderboard_wishes::hides_name)
        .first(conn)
        .optional()
}

/// Writes what a member wishes, whether they wished anything before or not. The caller holds the member.
pub fn save_wish(
    conn: &mut DbConnection,
    member: MemberId,
    tenant: OrganizationId,
    hides_name: bool,
    now: Instant,
) -> QueryResult<()> {
    use leaderboard_wishes::dsl as w;
    let changed = diesel::update(w::leaderboard_wishes.find(member))
        .set((w::hides_name.eq(hides_name), w::updated_at.eq(now)))
        .execute(conn)?;
    if changed == 0 {
        diesel::insert_into(w::leaderboard_wishes)
            .values((
                w::member_id.eq(member),
                w::tenant_id.eq(tenant),
                w::hides_name.eq(hides_name),
                w::updated_at.eq(now),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// A period whose standings are final, and since when.
#[derive(Debug, Clone, Queryable)]
pub struct PeriodRow {
    pub span: String,
    pub starts_on: NaiveDate,
    pub final_at: Instant,
}

const PERIOD: (
    leaderboard_periods::span,
    leaderboard_periods::starts_on,
    leaderboard_periods::final_at,
) = (
    leaderboard_periods::span,
    leaderboard_periods::starts_on,
    leaderboard_periods::final_at,
);

pub fn find_period(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    period: Period,
) -> QueryResult<Option<PeriodRow>> {
    leaderboard_periods::table
        .find((tenant, period.span.as_str(), period.starts_on))
        .select(PERIOD)
        .first(conn)
        .optional()
}

/// The newest first.
pub fn list_periods(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    span: &str,
    page: &Page<NaiveDate>,
) -> QueryResult<Found<PeriodRow>> {
    let of_span = || {
        leaderboard_periods::table
            .filter(leaderboard_periods::tenant_id.eq(tenant))
            .filter(leaderboard_periods::span.eq(span.to_owned()))
            .into_boxed()
    };
    let count = page.count.then(|| of_span().count().get_result(conn));
    let mut query = of_span()
        .select(PERIOD)
        .order(leaderboard_periods::starts_on.desc())
        .limit(page.fetch());
    if let Some(after) = page.after {
        query = query.filter(leaderboard_periods::starts_on.lt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// Keeps the standings of a period as they are; false if somebody has done it.
pub fn insert_results(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    period: Period,
    now: Instant,
) -> QueryResult<bool> {
    let (of, first, last) = period.totals();
    let made = Prepared::default()
        .sql("INSERT INTO leaderboard_periods (tenant_id, span, starts_on, final_at) VALUES (")
        .id(tenant)
        .sql(format!(", '{}', ", period.span.as_str()))
        .date(period.starts_on)
        .sql(", ")
        .instant(now)
        .sql(") ON CONFLICT (tenant_id, span, starts_on) DO NOTHING")
        .execute(conn)?;
    if made == 0 {
        return Ok(false);
    }
    Prepared::default()
        .sql(format!(
            "INSERT INTO leaderboard_results (member_id, span, starts_on, tenant_id, organization_id, points, reached_at) \
             SELECT m.id, '{}', ",
            period.span.as_str()
        ))
        .date(period.starts_on)
        .sql(format!(
            ", m.tenant_id, m.organization_id, CAST(sum(t.points) AS bigint), max(t.reached_at) FROM members m \
             JOIN point_totals t ON t.member_id = m.id AND t.span = '{of}' AND t.starts_on >= "
        ))
        .date(first)
        .sql(" AND t.starts_on <= ")
        .date(last)
        .sql(" WHERE m.deactivated_at IS NULL AND m.tenant_id = ")
        .id(tenant)
        .sql(" GROUP BY m.id, m.tenant_id, m.organization_id HAVING sum(t.points) > 0")
        .execute(conn)?;
    Prepared::default()
        .sql(format!(
            "INSERT INTO leaderboard_sizes (tenant_id, span, starts_on, organization_id, members) SELECT m.tenant_id, '{}', ",
            period.span.as_str()
        ))
        .date(period.starts_on)
        .sql(
            ", m.organization_id, count(*) FROM members m WHERE m.deactivated_at IS NULL AND m.standing <> 'guest' \
             AND m.tenant_id = ",
        )
        .id(tenant)
        .sql(" GROUP BY m.tenant_id, m.organization_id")
        .execute(conn)?;
    Ok(true)
}

/// The branches to which these members belong, and in which these organizations are.
pub fn list_branches_of(
    conn: &mut DbConnection,
    members: &BTreeSet<MemberId>,
    organizations: &BTreeSet<OrganizationId>,
) -> QueryResult<Vec<AnyId>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql::Uuid)]
        id: AnyId,
    }
    let (open, close) = conn.among_parts();
    let rows: Vec<Row> = Prepared::default()
        .sql(format!(
            "SELECT DISTINCT CASE o.kind WHEN 'group' THEN o.parent_id ELSE o.id END AS id FROM organizations o \
             WHERE o.kind IN ('branch', 'group') AND (o.id {open}"
        ))
        .ids(organizations.iter().map(|id| id.0).collect())
        .sql(format!(
            "{close} OR o.id IN (SELECT organization_id FROM members WHERE id {open}"
        ))
        .ids(members.iter().map(|id| id.0).collect())
        .sql(format!("{close}))"))
        .load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

pub fn list_branch_names(conn: &mut DbConnection, ids: &[uuid::Uuid]) -> QueryResult<Vec<NameRow>> {
    let (open, close) = conn.among_parts();
    let shown = match conn {
        DbConnection::Pg(_) => "false",
        DbConnection::Sqlite(_) => "0",
    };
    Prepared::default()
        .sql(format!(
            "SELECT o.id, o.name, o.id AS organization_id, o.name AS organization_name, {shown} AS hides_name \
             FROM organizations o WHERE o.id {open}"
        ))
        .ids(ids.iter().copied().collect())
        .sql(close)
        .load(conn)
}

/// The last period of this span whose standings are final.
pub fn find_last_period(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    span: Span,
) -> QueryResult<Option<NaiveDate>> {
    leaderboard_periods::table
        .filter(leaderboard_periods::tenant_id.eq(tenant))
        .filter(leaderboard_periods::span.eq(span.as_str()))
        .order(leaderboard_periods::starts_on.desc())
        .select(leaderboard_periods::starts_on)
        .first(conn)
        .optional()
}
