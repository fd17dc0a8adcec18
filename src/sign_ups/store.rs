//! Rows and queries of sign-ups, of the line they wait in, and of what became of them. Whoever writes holds the event's row locked.

use diesel::dsl::sql as sql_literal;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};

use super::rules::Status;
use super::{SignUpId, SignUpSessionId, SignUpStepId};
use crate::auth::AccountId;
use crate::events::{self, EventId};
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{sign_up_lines, sign_up_steps, sign_ups};
use crate::platform::db::{
    AnyId, DbConnection, Instant, Json, LiteralCondition, MultiBackend, PairQuery, Prepared, sql,
};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = sign_ups, treat_none_as_null = true)]
pub struct SignUpRow {
    pub id: SignUpId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub session_id: SignUpSessionId,
    pub member_id: MemberId,
    pub organization_id: OrganizationId,
    pub quota_id: Option<OrganizationId>,
    pub seq: i64,
    pub draw_rank: Option<i32>,
    pub status: String,
    pub answers: Json,
    pub submitted_by: AccountId,
    pub client_event_id: AnyId,
    pub received_at: Instant,
    pub confirmed_at: Option<Instant>,
    pub offer_ends_at: Option<Instant>,
    pub ended_at: Option<Instant>,
    pub ended_by: Option<AccountId>,
    pub end_reason: Option<String>,
}

impl SignUpRow {
    /// Entered, confirmed, offered or waitlisted: there is one of a member and event at most.
    pub fn is_standing(&self) -> bool {
        Status::parse(&self.status).is_some_and(Status::stands)
    }

    /// As it is stored, but for an offer that has run out and that nobody has put away yet.
    pub fn status(&self, now: Instant) -> Status {
        match Status::parse(&self.status) {
            Some(Status::Offered) if self.offer_ends_at.is_some_and(|at| at <= now) => Status::Expired,
            status => status.unwrap_or(Status::Cancelled),
        }
    }
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = sign_up_steps)]
pub struct StepRow {
    pub id: SignUpStepId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub session_id: SignUpSessionId,
    pub sign_up_id: SignUpId,
    pub seq: i64,
    pub step: String,
    pub at: Instant,
    pub actor: Option<AccountId>,
    pub reason: Option<String>,
    pub passed_over: Option<Json>,
}

const COLUMNS: &str = "id, tenant_id, event_id, session_id, member_id, organization_id, quota_id, seq, draw_rank, status, \
     answers, submitted_by, client_event_id, received_at, confirmed_at, offer_ends_at, ended_at, ended_by, end_reason";

/// All sign-ups of these members for these events, whatever became of them.
pub fn list_of(conn: &mut DbConnection, asked: &[(EventId, MemberId)]) -> QueryResult<Vec<SignUpRow>> {
    PairQuery::of(COLUMNS, "sign_ups", ("event_id", "member_id")).load(conn, asked)
}

pub fn find_sign_up(conn: &mut DbConnection, id: SignUpId) -> QueryResult<Option<SignUpRow>> {
    sign_ups::table.find(id).first(conn).optional()
}

/// A member's newest one of an event, whatever became of it. They are few; asked for the newest, SQLite walks the event's
/// sign-ups from the last one on.
pub fn find_newest(
    conn: &mut DbConnection,
    event: EventId,
    member: MemberId,
) -> QueryResult<Option<SignUpRow>> {
    let rows = list_of(conn, &[(event, member)])?;
    Ok(rows.into_iter().max_by_key(|row| row.seq))
}

pub fn has_sign_ups(conn: &mut DbConnection, event: EventId) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        sign_ups::table.filter(sign_ups::event_id.eq(event)),
    ))
    .get_result(conn)
}

pub fn has_of_session(
    conn: &mut DbConnection,
    event: EventId,
    session: SignUpSessionId,
) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        sign_ups::table
            .filter(sign_ups::event_id.eq(event))
            .filter(sign_ups::session_id.eq(session)),
    ))
    .get_result(conn)
}

pub fn update_sign_up(conn: &mut DbConnection, row: &SignUpRow) -> QueryResult<usize> {
    diesel::update(sign_ups::table.find(row.id))
        .set(row)
        .execute(conn)
}

/// The first in line of a session: of all, or of those who count for this quota, or for none.
pub fn list_line(
    conn: &mut DbConnection,
    session: SignUpSessionId,
    quota: Line,
    limit: i64,
) -> QueryResult<Vec<SignUpRow>> {
    let mut query = sign_ups::table
        .filter(sign_ups::session_id.eq(session))
        .filter(LiteralCondition("sign_ups.status = 'waitlisted'"))
        .order(sign_ups::seq)
        .limit(limit)
        .into_boxed();
    query = match quota {
        Line::All => query,
        Line::Of(quota) => query.filter(sign_ups::quota_id.eq(quota)),
        Line::OfNone => query.filter(sign_ups::quota_id.is_null()),
    };
    query.load(conn)
}

/// Whose line.
#[derive(Debug, Clone, Copy)]
pub enum Line {
    All,
    Of(OrganizationId),
    OfNone,
}

/// Offers of an event that have run out.
pub fn list_lapsed_offers(
    conn: &mut DbConnection,
    event: EventId,
    now: Instant,
) -> QueryResult<Vec<SignUpRow>> {
    sign_ups::table
        .filter(sign_ups::event_id.eq(event))
        .filter(LiteralCondition("sign_ups.status = 'offered'"))
        .filter(sign_ups::offer_ends_at.le(now))
        .order(sign_ups::seq)
        .load(conn)
}

/// Who has entered the draw of an event.
pub fn list_entered(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<SignUpRow>> {
    sign_ups::table
        .filter(sign_ups::event_id.eq(event))
        .filter(sign_ups::status.eq("entered"))
        .load(conn)
}

/// Writes where these stand in line now, and what they have: after a draw, or when free places went to the first of a line.
pub fn save_placed(conn: &mut DbConnection, rows: &[SignUpRow]) -> QueryResult<()> {
    use sign_ups::dsl as s;
    if let DbConnection::Pg(conn) = conn {
        return PlacedColumns::from(rows).execute(conn).map(|_| ());
    }
    for row in rows {
        diesel::update(s::sign_ups.find(row.id))
            .set((
                s::seq.eq(row.seq),
                s::draw_rank.eq(row.draw_rank),
                s::status.eq(&row.status),
                s::confirmed_at.eq(row.confirmed_at),
                s::offer_ends_at.eq(row.offer_ends_at),
            ))
            .execute(conn)?;
    }
    Ok(())
}

struct PlacedColumns {
    ids: Vec<AnyId>,
    seq: Vec<i64>,
    ranks: Vec<Option<i32>>,
    status: Vec<String>,
    confirmed_at: Vec<Option<Instant>>,
    offer_ends_at: Vec<Option<Instant>>,
}

impl From<&[SignUpRow]> for PlacedColumns {
    fn from(rows: &[SignUpRow]) -> Self {
        Self {
            ids: rows.iter().map(|row| AnyId(row.id.0)).collect(),
            seq: rows.iter().map(|row| row.seq).collect(),
            ranks: rows.iter().map(|row| row.draw_rank).collect(),
            status: rows.iter().map(|row| row.status.clone()).collect(),
            confirmed_at: rows.iter().map(|row| row.confirmed_at).collect(),
            offer_ends_at: rows.iter().map(|row| row.offer_ends_at).collect(),
        }
    }
}

impl QueryId for PlacedColumns {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for PlacedColumns {}

impl QueryFragment<Pg> for PlacedColumns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE sign_ups SET seq = n.seq, draw_rank = n.draw_rank, status = n.status, confirmed_at = n.confirmed_at, \
             offer_ends_at = n.offer_ends_at FROM unnest(",
        );
        out.push_bind_param::<Array<sql::Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seq)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Integer>>, _>(&self.ranks)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.status)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<sql::Instant>>, _>(&self.confirmed_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<sql::Instant>>, _>(&self.offer_ends_at)?;
        out.push_sql(
            ") AS n(id, seq, draw_rank, status, confirmed_at, offer_ends_at) WHERE sign_ups.id = n.id",
        );
        Ok(())
    }
}

/// Those drawn, in the order of the draw.
pub fn list_drawn(
    conn: &mut DbConnection,
    event: EventId,
    page: &Page<i32>,
) -> QueryResult<Found<SignUpRow>> {
    let all = || {
        sign_ups::table
            .filter(sign_ups::event_id.eq(event))
            .filter(sign_ups::draw_rank.is_not_null())
    };
    let count = page.count.then(|| all().count().get_result(conn));
    let rows = all()
        .filter(sign_ups::draw_rank.gt(page.after.unwrap_or(0)))
        .order(sign_ups::draw_rank)
        .limit(page.fetch())
        .load(conn)?;
    Ok(Found {
        rows,
        count: count.transpose()?,
    })
}

pub fn next_lapse(conn: &mut DbConnection, event: EventId) -> QueryResult<Option<Instant>> {
    let first: Option<Option<Instant>> = sign_ups::table
        .filter(sign_ups::event_id.eq(event))
        .filter(LiteralCondition("sign_ups.status = 'offered'"))
        .order(sign_ups::offer_ends_at)
        .select(sign_ups::offer_ends_at)
        .first(conn)
        .optional()?;
    Ok(first.flatten())
}

/// Who has a confirmed place.
pub fn list_confirmed(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<MemberId>> {
    sign_ups::table
        .filter(sign_ups::event_id.eq(event))
        .filter(sign_ups::status.eq("confirmed"))
        .order(sign_ups::seq)
        .select(sign_ups::member_id)
        .load(conn)
}

/// Who has a place, waits for one, or is in the draw.
pub fn list_standing_members(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<MemberId>> {
    sign_ups::table
        .filter(sign_ups::event_id.eq(event))
        .filter(sign_ups::status.eq_any(["entered", "confirmed", "offered", "waitlisted"]))
        .select(sign_ups::member_id)
        .load(conn)
}

/// How many arrivals share a counter.
const LINE_STEP: i64 = 1_000;

/// So many more (or fewer) of those about this number of arrival wait.
pub fn count_line(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    session: SignUpSessionId,
    thousand: i32,
    by: i32,
) -> QueryResult<()> {
    Prepared::default()
        .sql("INSERT INTO sign_up_lines (session_id, tenant_id, thousand, waiting) VALUES (")
        .id(session)
        .sql(", ")
        .id(tenant)
        .sql(", ")
        .number(thousand)
        .sql(", ")
        .number(by)
        .sql(
            ") ON CONFLICT (session_id, thousand) DO UPDATE SET waiting = sign_up_lines.waiting + EXCLUDED.waiting",
        )
        .execute(conn)
        .map(|_| ())
}

/// Which counter counts this number of arrival.
pub fn thousand_of(seq: i64) -> i32 {
    i32::try_from(seq / LINE_STEP).unwrap_or(i32::MAX)
}

/// How many wait in front of this number of arrival.
pub fn count_ahead(conn: &mut DbConnection, session: SignUpSessionId, seq: i64) -> QueryResult<i64> {
    let thousand = thousand_of(seq);
    let before: Option<i64> = sign_up_lines::table
        .filter(sign_up_lines::session_id.eq(session))
        .filter(sign_up_lines::thousand.lt(thousand))
        .select(diesel::dsl::sum(sign_up_lines::waiting))
        .get_result(conn)?;
    let beside: i64 = sign_ups::table
        .filter(sign_ups::session_id.eq(session))
        .filter(LiteralCondition("sign_ups.status = 'waitlisted'"))
        .filter(sign_ups::seq.ge(i64::from(thousand) * LINE_STEP))
        .filter(sign_ups::seq.lt(seq))
        .count()
        .get_result(conn)?;
    Ok(before.unwrap_or(0) + beside)
}

/// Who waits between these two numbers of arrival, both among them, in that order.
pub fn list_waiting(
    conn: &mut DbConnection,
    session: SignUpSessionId,
    first: i64,
    last: i64,
) -> QueryResult<Vec<SignUpId>> {
    sign_ups::table
        .filter(sign_ups::session_id.eq(session))
        .filter(LiteralCondition("sign_ups.status = 'waitlisted'"))
        .filter(sign_ups::seq.between(first, last))
        .order(sign_ups::seq)
        .select(sign_ups::id)
        .load(conn)
}

#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct ChangesRow {
    #[diesel(sql_type = sql::Uuid)]
    pub event_id: EventId,
    #[diesel(sql_type = BigInt)]
    pub changes: i64,
}

/// Of each of these events that has a policy: how often that was written anew, and what a member's sign-ups came to;
/// a draw that was held is no step.
pub fn list_changes(
    conn: &mut DbConnection,
    member: MemberId,
    events: &[EventId],
) -> QueryResult<Vec<ChangesRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(
            "SELECT p.event_id, CAST(p.version - 1 + count(s.id) + count(s.draw_rank) + sum((SELECT count(*) FROM sign_up_steps t \
             WHERE t.sign_up_id = s.id)) AS bigint) AS changes \
             FROM sign_up_policies p LEFT JOIN sign_ups s ON s.event_id = p.event_id AND s.member_id = ",
        )
        .id(member.0)
        .sql(format!(" WHERE p.event_id {open}"))
        .ids(events.iter().map(|id| id.0).collect())
        .sql(format!("{close} GROUP BY p.event_id, p.version"))
        .load(conn)
}

#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct SinceRow {
    #[diesel(sql_type = sql::Uuid)]
    pub id: SignUpId,
    #[diesel(sql_type = Bool)]
    pub has_ended: bool,
}

/// By the events that end after that, for no index begins with the member: the fewer, the more people sign up in a second.
pub fn list_of_events_after(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    member: MemberId,
    after: Instant,
) -> QueryResult<Vec<SinceRow>> {
    diesel::sql_query(
        "SELECT s.id, s.ended_at IS NOT NULL AS has_ended FROM events e \
         JOIN sign_ups s ON s.event_id = e.id AND s.member_id = $1 \
         WHERE e.tenant_id = $2 AND e.starts_at > $3 AND e.ends_at > $4 AND e.admission = 'sign_up' ORDER BY s.id",
    )
    .bind::<sql::Uuid, _>(member)
    .bind::<sql::Uuid, _>(tenant)
    .bind::<sql::Instant, _>(after.plus_s(-events::MAX_LENGTH_S))
    .bind::<sql::Instant, _>(after)
    .load(conn)
}

pub fn insert_steps(conn: &mut DbConnection, rows: &[StepRow]) -> QueryResult<()> {
    // Not so many that their binds are more than a statement may have.
    for some in rows.chunks(1_000) {
        match conn {
            DbConnection::Sqlite(c) => diesel::insert_into(sign_up_steps::table)
                .values(some)
                .execute(c)?,
            DbConnection::Pg(c) => diesel::insert_into(sign_up_steps::table)
                .values(some)
                .execute(c)?,
        };
    }
    Ok(())
}

/// Oldest first.
pub fn list_steps(conn: &mut DbConnection, sign_up: SignUpId) -> QueryResult<Vec<StepRow>> {
    sign_up_steps::table
        .filter(sign_up_steps::sign_up_id.eq(sign_up))
        .order(sign_up_steps::id)
        .load(conn)
}

/// Steps by which somebody further back in line got a place, though people of this quota stood ahead of them.
pub fn list_passing(
    conn: &mut DbConnection,
    (session, quota): (SignUpSessionId, OrganizationId),
    seq: i64,
    since: Instant,
    until: Option<Instant>,
) -> QueryResult<Vec<StepRow>> {
    let names_it =
        sql_literal::<Bool>("CAST(passed_over AS text) LIKE ").bind::<Text, _>(format!("%{quota}%"));
    let mut query = sign_up_steps::table
        .filter(sign_up_steps::session_id.eq(session))
        .filter(sign_up_steps::seq.gt(seq))
        .filter(sign_up_steps::at.ge(since))
        .filter(sign_up_steps::passed_over.is_not_null())
        .filter(names_it)
        .order(sign_up_steps::id)
        .limit(100)
        .into_boxed();
    if let Some(until) = until {
        query = query.filter(sign_up_steps::at.lt(until));
    }
    query.load(conn)
}

/// What a list of sign-ups is narrowed to.
#[derive(Debug, Clone)]
pub struct SignUpFilter {
    pub event: EventId,
    /// Only people of these organizations; none: all.
    pub organizations: Option<Vec<OrganizationId>>,
    pub status: Option<Status>,
    pub session: Option<SignUpSessionId>,
    pub page: Page<i64>,
}

/// In order of arrival.
pub fn list_sign_ups(conn: &mut DbConnection, filter: &SignUpFilter) -> QueryResult<Found<SignUpRow>> {
    let page = &filter.page;
    let count = page.count.then(|| narrowed(filter).count().get_result(conn));
    let mut query = narrowed(filter).order(sign_ups::seq).limit(page.fetch());
    if let Some(after) = page.after {
        query = query.filter(sign_ups::seq.gt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn narrowed<'a>(filter: &SignUpFilter) -> sign_ups::BoxedQuery<'a, MultiBackend> {
    let mut query = sign_ups::table
        .filter(sign_ups::event_id.eq(filter.event))
        .into_boxed();
    if let Some(organizations) = &filter.organizations {
        query = query.filter(sign_ups::organization_id.eq_any(organizations.clone()));
    }
    if let Some(status) = filter.status {
        query = query.filter(sign_ups::status.eq(status.as_str()));
    }
    if let Some(session) = filter.session {
        query = query.filter(sign_ups::session_id.eq(session));
    }
    query
}

pub fn insert_sign_ups(conn: &mut DbConnection, rows: &[SignUpRow]) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(c) => diesel::insert_into(sign_ups::table)
            .values(rows)
            .execute(c)
            .map(|_| ()),
        DbConnection::Pg(c) => Columns::from(rows).execute(c).map(|_| ()),
    }
}

/// The rows turned into columns: one array a bind, so that the statement is planned once, whatever the batch's size.
/// What ends a sign-up is not there yet.
struct Columns {
    ids: [Vec<AnyId>; 8],
    quota: Vec<Option<AnyId>>,
    seq: Vec<i64>,
    status: Vec<String>,
    answers: Vec<Json>,
    received_at: Vec<Instant>,
    confirmed_at: Vec<Option<Instant>>,
}

impl From<&[SignUpRow]> for Columns {
    fn from(rows: &[SignUpRow]) -> Self {
        fn column<T>(rows: &[SignUpRow], pick: impl Fn(&SignUpRow) -> T) -> Vec<T> {
            rows.iter().map(pick).collect()
        }
        Self {
            ids: [
                column(rows, |r| AnyId(r.id.0)),
                column(rows, |r| AnyId(r.tenant_id.0)),
                column(rows, |r| AnyId(r.event_id.0)),
                column(rows, |r| AnyId(r.session_id.0)),
                column(rows, |r| AnyId(r.member_id.0)),
                column(rows, |r| AnyId(r.organization_id.0)),
                column(rows, |r| AnyId(r.submitted_by.0)),
                column(rows, |r| r.client_event_id),
            ],
            quota: column(rows, |r| r.quota_id.map(|id| AnyId(id.0))),
            seq: column(rows, |r| r.seq),
            status: column(rows, |r| r.status.clone()),
            answers: column(rows, |r| r.answers.clone()),
            received_at: column(rows, |r| r.received_at),
            confirmed_at: column(rows, |r| r.confirmed_at),
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
            "INSERT INTO sign_ups (id, tenant_id, event_id, session_id, member_id, organization_id, submitted_by, \
             client_event_id, quota_id, seq, status, answers, received_at, confirmed_at) SELECT * FROM unnest(",
        );
        for ids in &self.ids {
            out.push_bind_param::<Array<sql::Uuid>, _>(ids)?;
            out.push_sql(", ");
        }
        out.push_bind_param::<Array<Nullable<sql::Uuid>>, _>(&self.quota)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seq)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.status)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<sql::Json>, _>(&self.answers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<sql::Instant>, _>(&self.received_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<sql::Instant>>, _>(&self.confirmed_at)?;
        out.push_sql(")");
        Ok(())
    }
}
