//! Rows and queries of rosters, check-ins and leave requests. The reads of the lane are set-based: one statement
//! each for a whole batch.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::rules::Source;
use super::{CheckInId, LeaveRequestId};
use crate::auth::AccountId;
use crate::events::EventId;
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{check_ins, leave_requests, make_ups, roster_entries};
use crate::platform::db::{AnyId, DbConnection, Instant, LiteralCondition, PairQuery, Prepared, sql};
use crate::platform::page::{Found, Page};

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

    /// When they came, for whoever has passed no point: an organiser's word, or a phone's that was offline; else our clock.
    pub fn own_time(&self) -> Instant {
        match Source::parse(&self.source) {
            Some(Source::ByHand | Source::PersonalCode | Source::Offline) => {
                self.occurred_at.min(self.received_at)
            }
            _ => self.received_at,
        }
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

impl Pair {
    pub fn of(row: &CheckInRow) -> Self {
        Self {
            event_id: row.event_id,
            member_id: row.member_id,
        }
    }
}

const BY_PERSON: (&str, &str) = ("event_id", "member_id");

const CHECK_IN: &str = "id, tenant_id, event_id, member_id, seq, submitted_by, client_event_id, source, status, occurred_at, \
     received_at, review, flags, device, location, reason, reviewed_at, reviewed_by, annulled_at, annulled_by, annul_reason";

/// Which of these people are on the rosters of these events.
pub fn list_on_roster(conn: &mut DbConnection, asked: &[(EventId, MemberId)]) -> QueryResult<Vec<Pair>> {
    PairQuery::of("event_id, member_id", "roster_entries", BY_PERSON).load(conn, asked)
}

/// Which of these people have an approved leave.
pub fn list_on_leave(conn: &mut DbConnection, asked: &[(EventId, MemberId)]) -> QueryResult<Vec<Pair>> {
    PairQuery {
        condition: " AND status = 'approved'",
        ..PairQuery::of("event_id, member_id", "leave_requests", BY_PERSON)
    }
    .load(conn, asked)
}

/// The effective check-ins of these people at these events.
pub fn list_effective(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> QueryResult<Vec<CheckInRow>> {
    PairQuery {
        condition: " AND annulled_at IS NULL",
        ..PairQuery::of(CHECK_IN, "check_ins", BY_PERSON)
    }
    .load(conn, asked)
}

/// What these phones have sent before under these ids, annulled or not.
pub fn list_by_client_event(
    conn: &mut DbConnection,
    asked: &[(AccountId, AnyId)],
) -> QueryResult<Vec<CheckInRow>> {
    PairQuery::of(CHECK_IN, "check_ins", ("submitted_by", "client_event_id")).load(conn, asked)
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
    PairQuery::of("event_id, device, member_id", "check_ins", ("event_id", "device")).load(conn, asked)
}

/// Inserts a batch: on PostgreSQL one statement over arrays, on SQLite one prepared statement per row.
pub fn insert_check_ins(conn: &mut DbConnection, rows: &[CheckInRow]) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(c) => diesel::insert_into(check_ins::table)
            .values(rows)
            .execute(c)
            .map(|_| ()),
        DbConnection::Pg(c) => Columns::from(rows).execute(c).map(|_| ()),
    }
}

/// The rows turned into columns: one array a bind, so that the statement is planned once, whatever the batch's size.
struct Columns {
    ids: [Vec<AnyId>; 6],
    seq: Vec<i64>,
    texts: [Vec<String>; 3],
    times: [Vec<Instant>; 2],
    optional_texts: [Vec<Option<String>>; 3],
    device: Vec<Option<AnyId>>,
}

impl From<&[CheckInRow]> for Columns {
    fn from(rows: &[CheckInRow]) -> Self {
        fn column<T>(rows: &[CheckInRow], pick: impl Fn(&CheckInRow) -> T) -> Vec<T> {
            rows.iter().map(pick).collect()
        }
        Self {
            ids: [
                column(rows, |r| AnyId(r.id.0)),
                column(rows, |r| AnyId(r.tenant_id.0)),
                column(rows, |r| AnyId(r.event_id.0)),
                column(rows, |r| AnyId(r.member_id.0)),
                column(rows, |r| AnyId(r.submitted_by.0)),
                column(rows, |r| r.client_event_id),
            ],
            seq: column(rows, |r| r.seq),
            texts: [
                column(rows, |r| r.source.clone()),
                column(rows, |r| r.status.clone()),
                column(rows, |r| r.flags.clone()),
            ],
            times: [column(rows, |r| r.occurred_at), column(rows, |r| r.received_at)],
            optional_texts: [
                column(rows, |r| r.review.clone()),
                column(rows, |r| r.location.clone()),
                column(rows, |r| r.reason.clone()),
            ],
            device: column(rows, |r| r.device),
        }
    }
}

impl QueryId for Columns {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Columns {}

impl QueryFragment<Pg> for Columns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO check_ins (id, tenant_id, event_id, member_id, submitted_by, client_event_id, seq, \
             source, status, flags, occurred_at, received_at, review, location, reason, device) SELECT * FROM unnest(",
        );
        for ids in &self.ids {
            out.push_bind_param::<Array<sql::Uuid>, _>(ids)?;
            out.push_sql(", ");
        }
        out.push_bind_param::<Array<BigInt>, _>(&self.seq)?;
        for texts in &self.texts {
            out.push_sql(", ");
            out.push_bind_param::<Array<Text>, _>(texts)?;
        }
        for times in &self.times {
            out.push_sql(", ");
            out.push_bind_param::<Array<sql::Instant>, _>(times)?;
        }
        for texts in &self.optional_texts {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<Text>>, _>(texts)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<sql::Uuid>>, _>(&self.device)?;
        out.push_sql(")");
        Ok(())
    }
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
    page: &Page<(Instant, LeaveRequestId)>,
) -> QueryResult<Found<LeaveRow>> {
    let of_event = || leave_requests::table.filter(leave_requests::event_id.eq(event));
    let mut query = of_event()
        .order((leave_requests::requested_at, leave_requests::id))
        .limit(page.fetch())
        .into_boxed();
    if let Some((at, id)) = page.after {
        query = query.filter(
            leave_requests::requested_at
                .gt(at)
                .or(leave_requests::requested_at.eq(at).and(leave_requests::id.gt(id))),
        );
    }
    let count = page.count.then(|| of_event().count().get_result(conn));
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
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
    let columns = "id, tenant_id, event_id, member_id, reason, status, requested_at, decided_at, decided_by, decision_note";
    PairQuery {
        order: " ORDER BY requested_at, id",
        ..PairQuery::of(columns, "leave_requests", BY_PERSON)
    }
    .load(conn, asked)
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

/// What this member has asked for and may still be had: pending or approved.
pub fn find_open_leave(
    conn: &mut DbConnection,
    event: EventId,
    member: MemberId,
) -> QueryResult<Option<LeaveRow>> {
    leave_requests::table
        .filter(leave_requests::event_id.eq(event))
        .filter(leave_requests::member_id.eq(member))
        .filter(LiteralCondition(
            "leave_requests.status IN ('pending', 'approved')",
        ))
        .first(conn)
        .optional()
}

/// Sets what became of a leave request; false if that is what it was, or if the member has withdrawn it.
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
            .filter(leave_requests::status.ne(status))
            .filter(leave_requests::status.ne("withdrawn")),
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

/// Takes a request back that is pending or approved; false for any other.
pub fn withdraw_leave(conn: &mut DbConnection, id: LeaveRequestId) -> QueryResult<bool> {
    diesel::update(leave_requests::table.find(id))
        .filter(leave_requests::status.eq_any(["pending", "approved"]))
        .set(leave_requests::status.eq("withdrawn"))
        .execute(conn)
        .map(|changed| changed == 1)
}

/// The newest check-ins of an event that stand, with names: for the live screen.
pub fn list_newest(
    conn: &mut DbConnection,
    event: EventId,
    limit: i64,
) -> QueryResult<Vec<(CheckInRow, String)>> {
    use crate::platform::db::schema::members;
    check_ins::table
        .inner_join(members::table.on(members::id.eq(check_ins::member_id)))
        .filter(check_ins::event_id.eq(event))
        .filter(check_ins::annulled_at.is_null())
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

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = make_ups)]
pub struct MakeUpRow {
    pub event_id: EventId,
    pub tenant_id: OrganizationId,
    pub lesson_id: LessonId,
    pub set_at: Instant,
    pub set_by: AccountId,
}

pub fn find_make_ups(conn: &mut DbConnection, events: &[EventId]) -> QueryResult<Vec<MakeUpRow>> {
    make_ups::table
        .filter(make_ups::event_id.eq_any(events.to_vec()))
        .load(conn)
}

/// An event whose absences a lesson answers.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct MakeUpEvent {
    #[diesel(sql_type = sql::Uuid)]
    pub event_id: EventId,
    #[diesel(sql_type = sql::Uuid)]
    pub lesson_id: LessonId,
    #[diesel(sql_type = sql::Instant)]
    pub ends_at: Instant,
}

/// Those that these lessons answer, of events that took place.
pub fn list_make_up_events(
    conn: &mut DbConnection,
    lessons: impl Iterator<Item = LessonId>,
) -> QueryResult<Vec<MakeUpEvent>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!(
            "SELECT u.event_id, u.lesson_id, e.ends_at FROM make_ups u JOIN events e ON e.id = u.event_id \
             WHERE e.status IN ('published', 'closed') AND u.lesson_id {open}"
        ))
        .ids(lessons.collect())
        .sql(close)
        .load(conn)
}

pub fn insert_make_up(conn: &mut DbConnection, row: &MakeUpRow) -> QueryResult<usize> {
    diesel::insert_into(make_ups::table).values(row).execute(conn)
}

pub fn delete_make_up(conn: &mut DbConnection, event: EventId) -> QueryResult<usize> {
    diesel::delete(make_ups::table.find(event)).execute(conn)
}
