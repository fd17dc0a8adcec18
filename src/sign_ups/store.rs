//! Rows and queries of sign-ups and of the places they take. Whoever writes holds the event's row locked.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};

use super::rules::Status;
use super::{SignUpId, SignUpSessionId, SignUpStepId};
use crate::auth::AccountId;
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{
    events, sign_up_lines, sign_up_policies, sign_up_quotas, sign_up_sessions, sign_up_steps, sign_ups,
};
use crate::platform::db::{AnyId, DbConnection, Instant, Json, MultiBackend, PairQuery, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = sign_up_policies, treat_none_as_null = true)]
pub struct PolicyRow {
    pub event_id: EventId,
    pub tenant_id: OrganizationId,
    pub opens_at: Option<Instant>,
    pub closes_at: Option<Instant>,
    pub cancel_until: Option<Instant>,
    pub offer_s: Option<i32>,
    pub waiting_limit: Option<i32>,
    pub questions: Json,
    pub draw_at: Option<Instant>,
    pub draw_seed: Option<String>,
    pub drawn_at: Option<Instant>,
    pub last_seq: i64,
    pub next_lapse_at: Option<Instant>,
    pub version: i32,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = sign_up_sessions, treat_none_as_null = true)]
pub struct SessionRow {
    pub id: SignUpSessionId,
    pub event_id: EventId,
    pub tenant_id: OrganizationId,
    pub position: i32,
    pub name: String,
    pub starts_at: Option<Instant>,
    pub ends_at: Option<Instant>,
    pub capacity: Option<i32>,
    pub taken: i32,
    pub waiting: i32,
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = sign_up_quotas)]
pub struct QuotaRow {
    pub event_id: EventId,
    pub organization_id: OrganizationId,
    pub tenant_id: OrganizationId,
    pub places: i32,
    pub taken: i32,
}

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

pub fn list_policies(conn: &mut DbConnection, events: &[EventId]) -> QueryResult<Vec<PolicyRow>> {
    sign_up_policies::table
        .filter(sign_up_policies::event_id.eq_any(events.to_vec()))
        .load(conn)
}

pub fn insert_policy(conn: &mut DbConnection, row: &PolicyRow) -> QueryResult<usize> {
    diesel::insert_into(sign_up_policies::table)
        .values(row)
        .execute(conn)
}

pub fn update_policy(conn: &mut DbConnection, row: &PolicyRow) -> QueryResult<usize> {
    diesel::update(sign_up_policies::table.find(row.event_id))
        .set(row)
        .execute(conn)
}

/// Events of which an offer has run out, or whose draw is due.
pub fn list_due(conn: &mut DbConnection, now: Instant) -> QueryResult<Vec<EventId>> {
    let mut due: Vec<EventId> = sign_up_policies::table
        .filter(sign_up_policies::next_lapse_at.le(now))
        .order(sign_up_policies::next_lapse_at)
        .select(sign_up_policies::event_id)
        .load(conn)?;
    let draws: Vec<EventId> = sign_up_policies::table
        .inner_join(events::table.on(events::id.eq(sign_up_policies::event_id)))
        .filter(sign_up_policies::draw_at.le(now))
        .filter(sign_up_policies::drawn_at.is_null())
        .filter(events::status.eq("published"))
        .select(sign_up_policies::event_id)
        .load(conn)?;
    due.extend(draws);
    Ok(due)
}

/// In their order.
pub fn list_sessions(conn: &mut DbConnection, events: &[EventId]) -> QueryResult<Vec<SessionRow>> {
    sign_up_sessions::table
        .filter(sign_up_sessions::event_id.eq_any(events.to_vec()))
        .order((sign_up_sessions::event_id, sign_up_sessions::position))
        .load(conn)
}

pub fn insert_session(conn: &mut DbConnection, row: &SessionRow) -> QueryResult<usize> {
    diesel::insert_into(sign_up_sessions::table)
        .values(row)
        .execute(conn)
}

pub fn update_session(conn: &mut DbConnection, row: &SessionRow) -> QueryResult<usize> {
    diesel::update(sign_up_sessions::table.find(row.id))
        .set(row)
        .execute(conn)
}

pub fn delete_session(conn: &mut DbConnection, id: SignUpSessionId) -> QueryResult<usize> {
    diesel::delete(sign_up_sessions::table.find(id)).execute(conn)
}

pub fn list_quotas(conn: &mut DbConnection, events: &[EventId]) -> QueryResult<Vec<QuotaRow>> {
    sign_up_quotas::table
        .filter(sign_up_quotas::event_id.eq_any(events.to_vec()))
        .order((sign_up_quotas::event_id, sign_up_quotas::organization_id))
        .load(conn)
}

pub fn insert_quota(conn: &mut DbConnection, row: &QuotaRow) -> QueryResult<usize> {
    diesel::insert_into(sign_up_quotas::table)
        .values(row)
        .execute(conn)
}

pub fn update_quota(conn: &mut DbConnection, row: &QuotaRow) -> QueryResult<usize> {
    diesel::update(sign_up_quotas::table.find((row.event_id, row.organization_id)))
        .set(row)
        .execute(conn)
}

pub fn delete_quotas(conn: &mut DbConnection, event: EventId) -> QueryResult<usize> {
    diesel::delete(sign_up_quotas::table.filter(sign_up_quotas::event_id.eq(event))).execute(conn)
}

const COLUMNS: &str = "id, tenant_id, event_id, session_id, member_id, organization_id, quota_id, seq, draw_rank, status, \
     answers, submitted_by, client_event_id, received_at, confirmed_at, offer_ends_at, ended_at, ended_by, end_reason";

/// Those of these members that stand: entered, confirmed, offered or waitlisted.
pub fn list_standing(conn: &mut DbConnection, asked: &[(EventId, MemberId)]) -> QueryResult<Vec<SignUpRow>> {
    PairQuery {
        condition: " AND status IN ('entered', 'confirmed', 'offered', 'waitlisted')",
        ..PairQuery::of(COLUMNS, "sign_ups", ("event_id", "member_id"))
    }
    .load(conn, asked)
}

/// What these accounts have sent before under these ids.
pub fn list_by_client_event(
    conn: &mut DbConnection,
    sent: &[(AccountId, AnyId)],
) -> QueryResult<Vec<SignUpRow>> {
    PairQuery::of(COLUMNS, "sign_ups", ("submitted_by", "client_event_id")).load(conn, sent)
}

pub fn find_sign_up(conn: &mut DbConnection, id: SignUpId) -> QueryResult<Option<SignUpRow>> {
    sign_ups::table.find(id).first(conn).optional()
}

/// A member's newest one of an event, whatever became of it.
pub fn find_newest(
    conn: &mut DbConnection,
    event: EventId,
    member: MemberId,
) -> QueryResult<Option<SignUpRow>> {
    sign_ups::table
        .filter(sign_ups::event_id.eq(event))
        .filter(sign_ups::member_id.eq(member))
        .order(sign_ups::seq.desc())
        .first(conn)
        .optional()
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
        .filter(sign_ups::status.eq("waitlisted"))
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
        .filter(sign_ups::status.eq("offered"))
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

/// What the draw has made of an entry.
pub struct Drawn {
    pub id: SignUpId,
    pub seq: i64,
    pub rank: i32,
    pub status: Status,
    pub confirmed_at: Option<Instant>,
}

pub fn save_drawn(conn: &mut DbConnection, rows: &[Drawn]) -> QueryResult<()> {
    use sign_ups::dsl as s;
    if let DbConnection::Pg(conn) = conn {
        return DrawnColumns::from(rows).execute(conn).map(|_| ());
    }
    for row in rows {
        diesel::update(s::sign_ups.find(row.id))
            .set((
                s::seq.eq(row.seq),
                s::draw_rank.eq(row.rank),
                s::status.eq(row.status.as_str()),
                s::confirmed_at.eq(row.confirmed_at),
            ))
            .execute(conn)?;
    }
    Ok(())
}

struct DrawnColumns {
    ids: Vec<AnyId>,
    seq: Vec<i64>,
    ranks: Vec<i32>,
    status: Vec<&'static str>,
    confirmed_at: Vec<Option<Instant>>,
}

impl From<&[Drawn]> for DrawnColumns {
    fn from(rows: &[Drawn]) -> Self {
        Self {
            ids: rows.iter().map(|row| AnyId(row.id.0)).collect(),
            seq: rows.iter().map(|row| row.seq).collect(),
            ranks: rows.iter().map(|row| row.rank).collect(),
            status: rows.iter().map(|row| row.status.as_str()).collect(),
            confirmed_at: rows.iter().map(|row| row.confirmed_at).collect(),
        }
    }
}

impl QueryId for DrawnColumns {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for DrawnColumns {}

impl QueryFragment<Pg> for DrawnColumns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE sign_ups SET seq = n.seq, draw_rank = n.draw_rank, status = n.status, confirmed_at = n.confirmed_at FROM unnest(");
        out.push_bind_param::<Array<sql::Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seq)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.ranks)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.status)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<sql::Instant>>, _>(&self.confirmed_at)?;
        out.push_sql(") AS n(id, seq, draw_rank, status, confirmed_at) WHERE sign_ups.id = n.id");
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
        .filter(sign_ups::status.eq("offered"))
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
    let query = "INSERT INTO sign_up_lines (session_id, tenant_id, thousand, waiting) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (session_id, thousand) DO UPDATE SET waiting = sign_up_lines.waiting + EXCLUDED.waiting";
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(session)
        .bind::<sql::Uuid, _>(tenant)
        .bind::<Integer, _>(thousand)
        .bind::<Integer, _>(by)
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
        .filter(sign_ups::status.eq("waitlisted"))
        .filter(sign_ups::seq.ge(i64::from(thousand) * LINE_STEP))
        .filter(sign_ups::seq.lt(seq))
        .count()
        .get_result(conn)?;
    Ok(before.unwrap_or(0) + beside)
}

pub fn insert_steps(conn: &mut DbConnection, rows: &[StepRow]) -> QueryResult<()> {
    for row in rows {
        diesel::insert_into(sign_up_steps::table)
            .values(row)
            .execute(conn)?;
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

/// Steps by which somebody further back in line got a place, though these organizations' people stood ahead of them.
pub fn list_passing(
    conn: &mut DbConnection,
    session: SignUpSessionId,
    seq: i64,
    since: Instant,
) -> QueryResult<Vec<StepRow>> {
    sign_up_steps::table
        .filter(sign_up_steps::session_id.eq(session))
        .filter(sign_up_steps::seq.gt(seq))
        .filter(sign_up_steps::at.ge(since))
        .filter(sign_up_steps::passed_over.is_not_null())
        .order(sign_up_steps::id)
        .limit(100)
        .load(conn)
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
