//! Rows and queries of the journal, of what it adds up to, and of the rules. Whoever writes entries holds the members' rows locked.

use chrono::NaiveDate;
use diesel::dsl::sql as fragment;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Nullable, Text};

use super::rules::AwardStatus;
use super::{PointAwardId, PointEntryId};
use crate::auth::AccountId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{point_awards, point_entries, point_rules, point_totals};
use crate::platform::db::{AnyId, DbConnection, Instant, PairQuery, Prepared, UuidList, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = point_entries)]
pub struct EntryRow {
    pub member_id: MemberId,
    pub source_id: AnyId,
    pub rule: String,
    pub turn: i32,
    pub id: PointEntryId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub subject_id: AnyId,
    pub standing: i32,
    pub minutes: i32,
    pub points: i32,
    pub limited_by: Option<String>,
    pub day: NaiveDate,
    pub occurred_at: Instant,
    pub recorded_at: Instant,
    /// Set when it is inserted.
    pub change_no: i64,
}

const ENTRY: &str = "member_id, source_id, rule, turn, id, tenant_id, organization_id, subject_id, standing, minutes, points, \
     limited_by, day, occurred_at, recorded_at, change_no";

/// All that these sources have given these members, or taken back.
pub fn list_of_sources(conn: &mut DbConnection, asked: &[(MemberId, AnyId)]) -> QueryResult<Vec<EntryRow>> {
    PairQuery::of(ENTRY, "point_entries", ("member_id", "source_id")).load(conn, asked)
}

/// The sources that have given these members anything at this event, lesson or plan.
pub fn list_sources_at(
    conn: &mut DbConnection,
    members: &[MemberId],
    subject: AnyId,
) -> QueryResult<Vec<(MemberId, AnyId)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql::Uuid)]
        member_id: MemberId,
        #[diesel(sql_type = sql::Uuid)]
        source_id: AnyId,
    }
    let (open, close) = conn.among_parts();
    let rows: Vec<Row> = Prepared::default()
        .sql(format!(
            "SELECT DISTINCT member_id, source_id FROM point_entries WHERE member_id {open}"
        ))
        .ids(members.iter().copied().collect())
        .sql(format!("{close} AND subject_id = "))
        .id(subject)
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.member_id, row.source_id))
        .collect())
}

/// What a rule gave somebody on a day.
#[derive(Debug, Clone, QueryableByName)]
pub struct EarnedRow {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
    #[diesel(sql_type = Text)]
    pub rule: String,
    #[diesel(sql_type = Date)]
    pub day: NaiveDate,
    #[diesel(sql_type = Integer)]
    pub points: i32,
}

/// What these members were given from this day on, entry by entry. Each member's are looked up by the index, as `PairQuery` does.
pub fn list_earned(
    conn: &mut DbConnection,
    members: &[MemberId],
    since: NaiveDate,
) -> QueryResult<Vec<EarnedRow>> {
    let ids = UuidList::in_order::<uuid::Uuid>(members.iter().map(|id| id.0));
    let query = match conn {
        DbConnection::Pg(_) => Prepared::default()
            .sql("SELECT t.member_id, t.rule, t.day, t.points FROM unnest(")
            .ids(ids)
            .sql(
                ") AS p(id) CROSS JOIN LATERAL (SELECT member_id, rule, day, points FROM point_entries \
                 WHERE member_id = p.id AND day >= ",
            )
            .date(since)
            .sql(" OFFSET 0) AS t"),
        DbConnection::Sqlite(_) => Prepared::default()
            .sql("SELECT member_id, rule, day, points FROM (SELECT unhex(value) AS wanted FROM json_each(")
            .ids(ids)
            .sql(")) CROSS JOIN point_entries WHERE member_id = wanted AND day >= ")
            .date(since),
    };
    query.load(conn)
}

/// A number of `changes`.
fn change_no(conn: &mut DbConnection, query: &'static str) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let row: Number = Prepared::default().sql(query).get_result(conn)?;
    Ok(row.number)
}

const ABOVE_ALL: &str = "SELECT 1 + max((SELECT coalesce(max(change_no), 0) FROM point_entries), \
     (SELECT coalesce(max(change_no), 0) FROM leaderboard_moves)) AS number";

pub fn settled_change_no(conn: &mut DbConnection) -> QueryResult<i64> {
    let query = match conn {
        DbConnection::Pg(_) => {
            "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) + shift AS number FROM point_changes"
        }
        DbConnection::Sqlite(_) => ABOVE_ALL,
    };
    change_no(conn, query)
}

pub fn raise_change_numbers(conn: &mut DbConnection) -> QueryResult<()> {
    if let DbConnection::Pg(_) = conn {
        let above = "SELECT 1 + GREATEST((SELECT coalesce(max(change_no), 0) FROM point_entries), \
             (SELECT coalesce(max(change_no), 0) FROM leaderboard_moves)) AS number";
        let above = change_no(conn, above)?;
        Prepared::default()
            .sql("UPDATE point_changes SET shift = shift + x.missing FROM (SELECT ")
            .long(above)
            .sql(
                " - shift - CAST(CAST(pg_current_xact_id() AS text) AS bigint) AS missing FROM point_changes) AS x \
                 WHERE x.missing > 0",
            )
            .execute(conn)?;
    }
    Ok(())
}

pub fn next_change_no(conn: &mut DbConnection) -> QueryResult<i64> {
    let query = match conn {
        DbConnection::Pg(_) => {
            "SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint) + shift AS number FROM point_changes"
        }
        DbConnection::Sqlite(_) => ABOVE_ALL,
    };
    change_no(conn, query)
}

/// Inserts entries, with the number of this change.
pub fn insert_entries(conn: &mut DbConnection, rows: &mut [EntryRow]) -> QueryResult<()> {
    let change_no = next_change_no(conn)?;
    for row in &mut *rows {
        row.change_no = change_no;
    }
    match conn {
        DbConnection::Sqlite(c) => diesel::insert_into(point_entries::table)
            .values(&*rows)
            .execute(c)
            .map(|_| ()),
        DbConnection::Pg(c) => EntryColumns::from(&*rows).execute(c).map(|_| ()),
    }
}

/// The rows turned into columns: one array a bind, so that the statement is planned once, whatever their number.
struct EntryColumns {
    ids: [Vec<AnyId>; 6],
    rules: Vec<String>,
    numbers: [Vec<i32>; 4],
    limits: Vec<Option<String>>,
    days: Vec<NaiveDate>,
    times: [Vec<Instant>; 2],
    changes: Vec<i64>,
}

impl From<&[EntryRow]> for EntryColumns {
    fn from(rows: &[EntryRow]) -> Self {
        fn column<T>(rows: &[EntryRow], pick: impl Fn(&EntryRow) -> T) -> Vec<T> {
            rows.iter().map(pick).collect()
        }
        Self {
            ids: [
                column(rows, |r| AnyId(r.member_id.0)),
                column(rows, |r| r.source_id),
                column(rows, |r| AnyId(r.id.0)),
                column(rows, |r| AnyId(r.tenant_id.0)),
                column(rows, |r| AnyId(r.organization_id.0)),
                column(rows, |r| r.subject_id),
            ],
            rules: column(rows, |r| r.rule.clone()),
            numbers: [
                column(rows, |r| r.turn),
                column(rows, |r| r.standing),
                column(rows, |r| r.minutes),
                column(rows, |r| r.points),
            ],
            limits: column(rows, |r| r.limited_by.clone()),
            days: column(rows, |r| r.day),
            times: [column(rows, |r| r.occurred_at), column(rows, |r| r.recorded_at)],
            changes: column(rows, |r| r.change_no),
        }
    }
}

impl QueryId for EntryColumns {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for EntryColumns {}

impl QueryFragment<Pg> for EntryColumns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO point_entries (member_id, source_id, id, tenant_id, organization_id, subject_id, turn, standing, \
             minutes, points, occurred_at, recorded_at, rule, limited_by, day, change_no) SELECT * FROM unnest(",
        );
        for ids in &self.ids {
            out.push_bind_param::<Array<sql::Uuid>, _>(ids)?;
            out.push_sql(", ");
        }
        for numbers in &self.numbers {
            out.push_bind_param::<Array<Integer>, _>(numbers)?;
            out.push_sql(", ");
        }
        for times in &self.times {
            out.push_bind_param::<Array<sql::Instant>, _>(times)?;
            out.push_sql(", ");
        }
        out.push_bind_param::<Array<Text>, _>(&self.rules)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.limits)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Date>, _>(&self.days)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.changes)?;
        out.push_sql(")");
        Ok(())
    }
}

/// What is kept of a member's entries in a day, month or year.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, QueryableByName)]
#[diesel(table_name = point_totals)]
pub struct TotalRow {
    pub member_id: MemberId,
    pub span: String,
    pub starts_on: NaiveDate,
    pub tenant_id: OrganizationId,
    pub points: i64,
    pub reached_at: Instant,
}

/// Adds to totals. No member's span is there twice.
pub fn add_to_totals(conn: &mut DbConnection, rows: &[TotalRow]) -> QueryResult<()> {
    if let DbConnection::Pg(c) = conn {
        return TotalColumns::from(rows).execute(c).map(|_| ());
    }
    for row in rows {
        Prepared::default()
            .sql("INSERT INTO point_totals (member_id, span, starts_on, tenant_id, points, reached_at) VALUES (")
            .id(row.member_id)
            .sql(", ")
            .text(row.span.clone())
            .sql(", ")
            .date(row.starts_on)
            .sql(", ")
            .id(row.tenant_id)
            .sql(", ")
            .long(row.points)
            .sql(", ")
            .instant(row.reached_at)
            .sql(
                ") ON CONFLICT (member_id, span, starts_on) DO UPDATE SET points = point_totals.points + EXCLUDED.points, \
                 reached_at = max(point_totals.reached_at, EXCLUDED.reached_at)",
            )
            .execute(conn)?;
    }
    Ok(())
}

struct TotalColumns {
    members: Vec<AnyId>,
    tenants: Vec<AnyId>,
    spans: Vec<String>,
    days: Vec<NaiveDate>,
    points: Vec<i64>,
    reached_at: Vec<Instant>,
}

impl From<&[TotalRow]> for TotalColumns {
    fn from(rows: &[TotalRow]) -> Self {
        Self {
            members: rows.iter().map(|row| AnyId(row.member_id.0)).collect(),
            tenants: rows.iter().map(|row| AnyId(row.tenant_id.0)).collect(),
            spans: rows.iter().map(|row| row.span.clone()).collect(),
            days: rows.iter().map(|row| row.starts_on).collect(),
            points: rows.iter().map(|row| row.points).collect(),
            reached_at: rows.iter().map(|row| row.reached_at).collect(),
        }
    }
}

impl QueryId for TotalColumns {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for TotalColumns {}

impl QueryFragment<Pg> for TotalColumns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO point_totals (member_id, tenant_id, span, starts_on, points, reached_at) SELECT * FROM unnest(",
        );
        out.push_bind_param::<Array<sql::Uuid>, _>(&self.members)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<sql::Uuid>, _>(&self.tenants)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.spans)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Date>, _>(&self.days)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.points)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<sql::Instant>, _>(&self.reached_at)?;
        out.push_sql(
            ") ON CONFLICT (member_id, span, starts_on) DO UPDATE SET points = point_totals.points + EXCLUDED.points, \
             reached_at = GREATEST(point_totals.reached_at, EXCLUDED.reached_at)",
        );
        Ok(())
    }
}

/// A member's totals that begin on one of these days or later: `since` of days, months and years.
pub fn list_totals(
    conn: &mut DbConnection,
    member: MemberId,
    since: &[(&str, NaiveDate)],
) -> QueryResult<Vec<TotalRow>> {
    let mut all = Vec::new();
    for (span, day) in since {
        let rows: Vec<TotalRow> = point_totals::table
            .filter(point_totals::member_id.eq(member))
            .filter(point_totals::span.eq(*span))
            .filter(point_totals::starts_on.ge(*day))
            .load(conn)?;
        all.extend(rows);
    }
    Ok(all)
}

/// A member's entries that they are told of, the newest day first: not those of rules that give nothing.
pub fn list_entries(
    conn: &mut DbConnection,
    member: MemberId,
    page: &Page<(NaiveDate, PointEntryId)>,
) -> QueryResult<Found<EntryRow>> {
    let told = || {
        point_entries::table
            .filter(point_entries::member_id.eq(member))
            .filter(
                point_entries::limited_by
                    .is_null()
                    .or(point_entries::limited_by.ne_all(["off", "standing"])),
            )
            .into_boxed()
    };
    let count = page.count.then(|| told().count().get_result(conn));
    let mut query = told()
        .order((point_entries::day.desc(), point_entries::id.desc()))
        .limit(page.fetch());
    if let Some((day, id)) = page.after {
        query = query.filter(
            point_entries::day
                .lt(day)
                .or(point_entries::day.eq(day).and(point_entries::id.lt(id))),
        );
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// What was written for these members and days, member by member, in order of time.
pub fn list_between(
    conn: &mut DbConnection,
    members: &[MemberId],
    from: NaiveDate,
    to: NaiveDate,
) -> QueryResult<Vec<EntryRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!(
            "SELECT {ENTRY} FROM point_entries WHERE member_id {open}"
        ))
        .ids(members.iter().copied().collect())
        .sql(format!("{close} AND day >= "))
        .date(from)
        .sql(" AND day <= ")
        .date(to)
        .sql(" ORDER BY member_id, id")
        .load(conn)
}

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = point_rules, treat_none_as_null = true)]
pub struct RuleRow {
    pub tenant_id: OrganizationId,
    pub rule: String,
    pub from_day: NaiveDate,
    pub amount: i32,
    pub per_minutes: Option<i32>,
    pub day_max: Option<i32>,
    pub week_max: Option<i32>,
    pub year_max: Option<i32>,
    pub standings: i32,
    pub set_at: Instant,
    pub set_by: AccountId,
}

const RULE: &str =
    "tenant_id, rule, from_day, amount, per_minutes, day_max, week_max, year_max, standings, set_at, set_by";

/// All that these trees have ever set, in order of time.
pub fn list_rules(
    conn: &mut DbConnection,
    tenants: impl IntoIterator<Item = OrganizationId>,
) -> QueryResult<Vec<RuleRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!("SELECT {RULE} FROM point_rules WHERE tenant_id {open}"))
        .ids(tenants.into_iter().collect())
        .sql(format!("{close} ORDER BY tenant_id, rule, from_day"))
        .load(conn)
}

/// Writes what a rule gives from its day on, in place of what was written for that day before. The caller holds the tree.
pub fn save_rule(conn: &mut DbConnection, row: &RuleRow) -> QueryResult<()> {
    let key = (row.tenant_id, &row.rule, row.from_day);
    let changed = diesel::update(point_rules::table.find(key))
        .set(row)
        .execute(conn)?;
    if changed == 0 {
        diesel::insert_into(point_rules::table)
            .values(row)
            .execute(conn)?;
    }
    Ok(())
}

#[derive(Debug, Clone, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = point_awards, treat_none_as_null = true)]
pub struct AwardRow {
    pub id: PointAwardId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub member_id: MemberId,
    pub points: i32,
    pub reason: String,
    pub status: String,
    pub proposed_at: Instant,
    pub proposed_by: AccountId,
    pub decided_at: Option<Instant>,
    pub decided_by: Option<AccountId>,
    pub note: Option<String>,
    pub annulled_at: Option<Instant>,
    pub annulled_by: Option<AccountId>,
    pub annul_reason: Option<String>,
}

pub fn insert_award(conn: &mut DbConnection, row: &AwardRow) -> QueryResult<usize> {
    diesel::insert_into(point_awards::table).values(row).execute(conn)
}

pub fn find_award(conn: &mut DbConnection, id: PointAwardId) -> QueryResult<Option<AwardRow>> {
    point_awards::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_award(conn: &mut DbConnection, id: PointAwardId) -> QueryResult<Option<AwardRow>> {
    let query = format!("SELECT * FROM point_awards WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

pub fn update_award(conn: &mut DbConnection, row: &AwardRow) -> QueryResult<usize> {
    diesel::update(point_awards::table.find(row.id))
        .set(row)
        .execute(conn)
}

pub fn list_awards_by_id(
    conn: &mut DbConnection,
    ids: impl IntoIterator<Item = uuid::Uuid>,
) -> QueryResult<Vec<AwardRow>> {
    let among = conn.among("$1");
    diesel::sql_query(format!("SELECT * FROM point_awards WHERE id {among}"))
        .bind::<sql::UuidList, _>(ids.into_iter().collect::<UuidList>())
        .load(conn)
}

pub fn move_proposed(conn: &mut DbConnection, member: MemberId, to: OrganizationId) -> QueryResult<usize> {
    diesel::update(point_awards::table)
        .filter(point_awards::member_id.eq(member))
        .filter(point_awards::status.eq(AwardStatus::Proposed.as_str()))
        .set(point_awards::organization_id.eq(to))
        .execute(conn)
}

/// Of these organizations, the newest first.
pub fn list_awards(
    conn: &mut DbConnection,
    organizations: &[OrganizationId],
    status: Option<&'static str>,
    page: &Page<PointAwardId>,
) -> QueryResult<Found<AwardRow>> {
    let (open, close) = conn.among_parts();
    let narrowed = || {
        let mut query = point_awards::table
            .filter(
                fragment::<Bool>(&format!("point_awards.organization_id {open}"))
                    .bind::<sql::UuidList, _>(organizations.iter().copied().collect::<UuidList>())
                    .sql(close),
            )
            .into_boxed();
        if let Some(status) = status {
            query = query.filter(point_awards::status.eq(status));
        }
        query
    };
    let count = page.count.then(|| narrowed().count().get_result(conn));
    let mut query = narrowed().order(point_awards::id.desc()).limit(page.fetch());
    if let Some(id) = page.after {
        query = query.filter(point_awards::id.lt(id));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}
