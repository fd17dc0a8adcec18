//! Rows and queries of rosters, check-ins and leave requests. The reads of the lane are set-based: one statement
//! each for a whole batch.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use uuid::Uuid;

use super::{CheckInId, LeaveRequestId};
use crate::auth::AccountId;
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{check_ins, leave_requests, roster_entries};
use crate::platform::db::{AnyId, DbConnection, Instant, UuidList, sql};

#[derive(Debug, Clone, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = check_ins)]
pub struct CheckInRow {
    pub id: CheckInId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub member_id: MemberId,
    pub seq: i64,
    pub submitted_by: AccountId,
    pub client_event_id: AnyId,
    pub source: String,
    pub status: String,
    pub occurred_at: Instant,
    pub received_at: Instant,
    pub review: Option<String>,
    pub flags: String,
    pub device: Option<AnyId>,
    pub location: Option<String>,
    pub reason: Option<String>,
    pub reviewed_at: Option<Instant>,
    pub reviewed_by: Option<AccountId>,
    pub annulled_at: Option<Instant>,
    pub annulled_by: Option<AccountId>,
    pub annul_reason: Option<String>,
}

impl CheckInRow {
    /// Does it wait for a person's decision? Until then it does not count for a quorum.
    pub fn waits_for_review(&self) -> bool {
        self.review.is_some() && self.reviewed_at.is_none()
    }
}

#[derive(Debug, Clone, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = roster_entries)]
pub struct RosterRow {
    pub event_id: EventId,
    pub member_id: MemberId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub standing: String,
    pub may_vote: bool,
}

#[derive(Debug, Clone, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = leave_requests)]
pub struct LeaveRow {
    pub id: LeaveRequestId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub member_id: MemberId,
    pub reason: String,
    pub status: String,
    pub requested_at: Instant,
    pub decided_at: Option<Instant>,
    pub decided_by: Option<AccountId>,
    pub decision_note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, QueryableByName)]
pub struct Pair {
    #[diesel(sql_type = sql::Uuid)]
    pub event_id: EventId,
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
}

/// The rows of `table` whose columns `keys` are one of the pairs bound as `$1` and `$2`. PostgreSQL looks each pair up by
/// both columns whatever it knows of the table (two `= ANY` made it walk all check-ins of an event until the first
/// ANALYZE: 3 ms instead of 0.2); SQLite walks the product of both lists in one index, and may tell of pairs nobody asked
/// for.
fn of_pairs(conn: &DbConnection, columns: &str, table: &str, keys: (&str, &str), condition: &str) -> String {
    let (a, b) = keys;
    match conn {
        DbConnection::Pg(_) => format!(
            "SELECT {columns} FROM unnest($1, $2) AS p(a, b) \
             CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {a} = p.a AND {b} = p.b{condition} OFFSET 0) AS t"
        ),
        DbConnection::Sqlite(_) => format!(
            "SELECT {columns} FROM {table} AS t WHERE {a} {} AND {b} {}{condition}",
            conn.among("$1"),
            conn.among("$2")
        ),
    }
}

fn load_pairs<T, A, B>(conn: &mut DbConnection, query: String, pairs: &[(A, B)]) -> QueryResult<Vec<T>>
where
    T: diesel::deserialize::QueryableByName<crate::platform::db::MultiBackend> + 'static,
    A: Into<Uuid> + Copy,
    B: Into<Uuid> + Copy,
{
    diesel::sql_query(query)
        .bind::<sql::UuidList, _>(UuidList::in_order(pairs.iter().map(|(a, _)| *a)))
        .bind::<sql::UuidList, _>(UuidList::in_order(pairs.iter().map(|(_, b)| *b)))
        .load(conn)
}

/// Which of these people are on the rosters of these events.
pub fn list_on_roster(conn: &mut DbConnection, asked: &[(EventId, MemberId)]) -> QueryResult<Vec<Pair>> {
    let query = of_pairs(
        conn,
        "event_id, member_id",
        "roster_entries",
        ("event_id", "member_id"),
        "",
    );
    load_pairs(conn, query, asked)
}

/// Which of these people have an approved leave.
pub fn list_on_leave(conn: &mut DbConnection, asked: &[(EventId, MemberId)]) -> QueryResult<Vec<Pair>> {
    let approved = " AND status = 'approved'";
    let query = of_pairs(
        conn,
        "event_id, member_id",
        "leave_requests",
        ("event_id", "member_id"),
        approved,
    );
    load_pairs(conn, query, asked)
}

/// The effective check-ins of these people at these events.
pub fn list_effective(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> QueryResult<Vec<CheckInRow>> {
    let query = of_pairs(
        conn,
        "t.*",
        "check_ins",
        ("event_id", "member_id"),
        " AND annulled_at IS NULL",
    );
    load_pairs(conn, query, asked)
}

/// What these phones have sent before under these ids, annulled or not.
pub fn list_by_client_event(
    conn: &mut DbConnection,
    asked: &[(AccountId, AnyId)],
) -> QueryResult<Vec<CheckInRow>> {
    let query = of_pairs(conn, "t.*", "check_ins", ("submitted_by", "client_event_id"), "");
    load_pairs(conn, query, asked)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, QueryableByName)]
pub struct DeviceUse {
    #[diesel(sql_type = sql::Uuid)]
    pub event_id: EventId,
    #[diesel(sql_type = sql::Uuid)]
    pub device: AnyId,
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
}

/// Who has used these devices at these events.
pub fn list_device_uses(conn: &mut DbConnection, asked: &[(EventId, AnyId)]) -> QueryResult<Vec<DeviceUse>> {
    let query = of_pairs(
        conn,
        "event_id, device, member_id",
        "check_ins",
        ("event_id", "device"),
        "",
    );
    load_pairs(conn, query, asked)
}

/// Inserts a batch: on PostgreSQL one statement over arrays, on SQLite one prepared statement per row.
pub fn insert_check_ins(conn: &mut DbConnection, rows: &[CheckInRow]) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(c) => diesel::insert_into(check_ins::table)
            .values(rows)
            .execute(c)
            .map(|_| ()),
        DbConnection::Pg(c) => insert_check_ins_pg(c, rows),
    }
}

fn insert_check_ins_pg(conn: &mut PgConnection, rows: &[CheckInRow]) -> QueryResult<()> {
    fn column<T>(rows: &[CheckInRow], pick: impl Fn(&CheckInRow) -> T) -> Vec<T> {
        rows.iter().map(pick).collect()
    }
    diesel::sql_query(
        "INSERT INTO check_ins (id, tenant_id, event_id, member_id, seq, submitted_by, client_event_id, source, status, \
         occurred_at, received_at, review, flags, device, location, reason) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind::<Array<sql::Uuid>, _>(column(rows, |r| r.id))
    .bind::<Array<sql::Uuid>, _>(column(rows, |r| r.tenant_id))
    .bind::<Array<sql::Uuid>, _>(column(rows, |r| r.event_id))
    .bind::<Array<sql::Uuid>, _>(column(rows, |r| r.member_id))
    .bind::<Array<BigInt>, _>(column(rows, |r| r.seq))
    .bind::<Array<sql::Uuid>, _>(column(rows, |r| r.submitted_by))
    .bind::<Array<sql::Uuid>, _>(column(rows, |r| r.client_event_id))
    .bind::<Array<Text>, _>(column(rows, |r| r.source.clone()))
    .bind::<Array<Text>, _>(column(rows, |r| r.status.clone()))
    .bind::<Array<sql::Instant>, _>(column(rows, |r| r.occurred_at))
    .bind::<Array<sql::Instant>, _>(column(rows, |r| r.received_at))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |r| r.review.clone()))
    .bind::<Array<Text>, _>(column(rows, |r| r.flags.clone()))
    .bind::<Array<Nullable<sql::Uuid>>, _>(column(rows, |r| r.device))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |r| r.location.clone()))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |r| r.reason.clone()))
    .execute(conn)
    .map(|_| ())
}

/// Inserts a frozen roster, in statements of bounded size.
pub fn insert_roster(conn: &mut DbConnection, rows: &[RosterRow]) -> QueryResult<()> {
    for chunk in rows.chunks(1_000) {
        match conn {
            DbConnection::Sqlite(c) => diesel::insert_into(roster_entries::table)
                .values(chunk)
                .execute(c)?,
            DbConnection::Pg(c) => diesel::insert_into(roster_entries::table)
                .values(chunk)
                .execute(c)?,
        };
    }
    Ok(())
}

pub fn list_roster(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<RosterRow>> {
    roster_entries::table
        .filter(roster_entries::event_id.eq(event))
        .load(conn)
}

/// The effective check-ins of an event, in the order they came.
pub fn list_event_check_ins(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<CheckInRow>> {
    check_ins::table
        .filter(check_ins::event_id.eq(event))
        .filter(check_ins::annulled_at.is_null())
        .order(check_ins::seq)
        .load(conn)
}

pub fn list_event_leave(
    conn: &mut DbConnection,
    event: EventId,
    after: Option<(Instant, LeaveRequestId)>,
    limit: i64,
) -> QueryResult<Vec<LeaveRow>> {
    let mut query = leave_requests::table
        .filter(leave_requests::event_id.eq(event))
        .order((leave_requests::requested_at, leave_requests::id))
        .limit(limit)
        .into_boxed();
    if let Some((at, id)) = after {
        query = query.filter(
            leave_requests::requested_at
                .gt(at)
                .or(leave_requests::requested_at.eq(at).and(leave_requests::id.gt(id))),
        );
    }
    query.load(conn)
}

pub fn list_approved_leave(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<MemberId>> {
    leave_requests::table
        .filter(leave_requests::event_id.eq(event))
        .filter(leave_requests::status.eq("approved"))
        .select(leave_requests::member_id)
        .load(conn)
}

/// All leave requests of these people for these events, oldest first.
pub fn list_leave_of(conn: &mut DbConnection, asked: &[(EventId, MemberId)]) -> QueryResult<Vec<LeaveRow>> {
    let query = of_pairs(conn, "t.*", "leave_requests", ("event_id", "member_id"), "");
    load_pairs(conn, format!("{query} ORDER BY requested_at, id"), asked)
}

pub fn find_check_in(conn: &mut DbConnection, id: CheckInId) -> QueryResult<Option<CheckInRow>> {
    check_ins::table.find(id).first(conn).optional()
}

pub fn annul_check_in(
    conn: &mut DbConnection,
    id: CheckInId,
    by: AccountId,
    reason: &str,
    now: Instant,
) -> QueryResult<bool> {
    diesel::update(check_ins::table.find(id).filter(check_ins::annulled_at.is_null()))
        .set((
            check_ins::annulled_at.eq(now),
            check_ins::annulled_by.eq(by),
            check_ins::annul_reason.eq(reason),
        ))
        .execute(conn)
        .map(|changed| changed == 1)
}

pub fn accept_check_in(
    conn: &mut DbConnection,
    id: CheckInId,
    by: AccountId,
    now: Instant,
) -> QueryResult<bool> {
    diesel::update(check_ins::table.find(id))
        .filter(check_ins::review.is_not_null())
        .filter(check_ins::reviewed_at.is_null())
        .filter(check_ins::annulled_at.is_null())
        .set((check_ins::reviewed_at.eq(now), check_ins::reviewed_by.eq(by)))
        .execute(conn)
        .map(|changed| changed == 1)
}

pub fn insert_leave(conn: &mut DbConnection, row: &LeaveRow) -> QueryResult<usize> {
    diesel::insert_into(leave_requests::table)
        .values(row)
        .execute(conn)
}

pub fn find_leave(conn: &mut DbConnection, id: LeaveRequestId) -> QueryResult<Option<LeaveRow>> {
    leave_requests::table.find(id).first(conn).optional()
}

pub fn find_open_leave(
    conn: &mut DbConnection,
    event: EventId,
    member: MemberId,
) -> QueryResult<Option<LeaveRow>> {
    leave_requests::table
        .filter(leave_requests::event_id.eq(event))
        .filter(leave_requests::member_id.eq(member))
        .filter(leave_requests::status.ne("rejected"))
        .first(conn)
        .optional()
}

pub fn decide_leave(
    conn: &mut DbConnection,
    id: LeaveRequestId,
    status: &str,
    by: AccountId,
    note: Option<&str>,
    now: Instant,
) -> QueryResult<bool> {
    diesel::update(
        leave_requests::table
            .find(id)
            .filter(leave_requests::status.eq("pending")),
    )
    .set((
        leave_requests::status.eq(status),
        leave_requests::decided_at.eq(now),
        leave_requests::decided_by.eq(by),
        leave_requests::decision_note.eq(note),
    ))
    .execute(conn)
    .map(|changed| changed == 1)
}

/// Check-ins of an event after a sequence number, with names: for the live screen.
pub fn list_newest(
    conn: &mut DbConnection,
    event: EventId,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<(CheckInRow, String)>> {
    use crate::platform::db::schema::members;
    check_ins::table
        .inner_join(members::table.on(members::id.eq(check_ins::member_id)))
        .filter(check_ins::event_id.eq(event))
        .filter(check_ins::annulled_at.is_null())
        .filter(check_ins::seq.gt(after))
        .order(check_ins::seq.desc())
        .limit(limit)
        .select((check_ins::all_columns, members::name))
        .load(conn)
}

/// How many are present and late, and how many of them wait for review.
pub fn count_check_ins(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<(String, bool, i64)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        status: String,
        #[diesel(sql_type = BigInt)]
        waiting: i64,
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT status, CAST(CASE WHEN review IS NOT NULL AND reviewed_at IS NULL THEN 1 ELSE 0 END AS BIGINT) AS waiting, \
         count(*) AS n FROM check_ins WHERE event_id = $1 AND annulled_at IS NULL GROUP BY 1, 2",
    )
    .bind::<sql::Uuid, _>(event)
    .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.status, row.waiting == 1, row.n))
        .collect())
}

pub fn count_roster(conn: &mut DbConnection, event: EventId) -> QueryResult<i64> {
    roster_entries::table
        .filter(roster_entries::event_id.eq(event))
        .count()
        .get_result(conn)
}
