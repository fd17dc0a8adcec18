//! Rows and queries of points and of who has passed them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};

use crate::attendance::store::CheckInRow;
use crate::attendance::{CheckInId, CheckpointId, PassageId};
use crate::auth::AccountId;
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{check_ins, checkpoint_passages, checkpoint_plans, checkpoints};
use crate::platform::db::{AnyId, DbConnection, Instant, PairQuery, sql};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = checkpoint_plans)]
pub struct PlanRow {
    pub event_id: EventId,
    pub tenant_id: OrganizationId,
    pub presence: String,
    pub version: i32,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = checkpoints, treat_none_as_null = true)]
pub struct CheckpointRow {
    pub id: CheckpointId,
    pub event_id: EventId,
    pub tenant_id: OrganizationId,
    pub position: i32,
    pub name: String,
    pub kind: String,
    pub opens_after_s: Option<i32>,
    pub closes_after_s: Option<i32>,
    pub in_area: bool,
}

#[derive(Debug, Clone, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = checkpoint_passages)]
pub struct PassageRow {
    pub id: PassageId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub checkpoint_id: CheckpointId,
    pub member_id: MemberId,
    pub check_in_id: CheckInId,
    pub submitted_by: AccountId,
    pub client_event_id: AnyId,
    pub source: String,
    pub passed_at: Instant,
    pub occurred_at: Instant,
    pub received_at: Instant,
    pub flags: String,
    pub device: Option<AnyId>,
    pub reason: Option<String>,
    pub annulled_at: Option<Instant>,
    pub annulled_by: Option<AccountId>,
    pub annul_reason: Option<String>,
}

const PASSAGE: &str = "id, tenant_id, event_id, checkpoint_id, member_id, check_in_id, submitted_by, client_event_id, source, \
     passed_at, occurred_at, received_at, flags, device, reason, annulled_at, annulled_by, annul_reason";

pub fn find_plan(conn: &mut DbConnection, event: EventId) -> QueryResult<Option<PlanRow>> {
    checkpoint_plans::table.find(event).first(conn).optional()
}

pub fn insert_plan(conn: &mut DbConnection, row: &PlanRow) -> QueryResult<usize> {
    diesel::insert_into(checkpoint_plans::table)
        .values(row)
        .execute(conn)
}

pub fn update_plan(conn: &mut DbConnection, row: &PlanRow) -> QueryResult<usize> {
    diesel::update(checkpoint_plans::table.find(row.event_id))
        .set(row)
        .execute(conn)
}

/// The points of these events, in order.
pub fn list_points(conn: &mut DbConnection, events: &[EventId]) -> QueryResult<Vec<CheckpointRow>> {
    checkpoints::table
        .filter(checkpoints::event_id.eq_any(events.to_vec()))
        .order((checkpoints::event_id, checkpoints::position))
        .load(conn)
}

/// The points of an event in order, with how many have passed each.
pub fn list_counted(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<(CheckpointRow, i64)>> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = sql::Uuid)]
        id: CheckpointId,
        #[diesel(sql_type = sql::Uuid)]
        event_id: EventId,
        #[diesel(sql_type = sql::Uuid)]
        tenant_id: OrganizationId,
        #[diesel(sql_type = Integer)]
        position: i32,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<Integer>)]
        opens_after_s: Option<i32>,
        #[diesel(sql_type = Nullable<Integer>)]
        closes_after_s: Option<i32>,
        #[diesel(sql_type = Bool)]
        in_area: bool,
        #[diesel(sql_type = BigInt)]
        passed: i64,
    }
    let rows: Vec<Counted> = diesel::sql_query(
        "SELECT c.id, c.event_id, c.tenant_id, c.position, c.name, c.kind, c.opens_after_s, c.closes_after_s, c.in_area, \
         (SELECT count(*) FROM checkpoint_passages p WHERE p.checkpoint_id = c.id AND p.annulled_at IS NULL) AS passed \
         FROM checkpoints c WHERE c.event_id = $1 ORDER BY c.position",
    )
    .bind::<sql::Uuid, _>(event)
    .load(conn)?;
    let point = |row: Counted| {
        let point = CheckpointRow {
            id: row.id,
            event_id: row.event_id,
            tenant_id: row.tenant_id,
            position: row.position,
            name: row.name,
            kind: row.kind,
            opens_after_s: row.opens_after_s,
            closes_after_s: row.closes_after_s,
            in_area: row.in_area,
        };
        (point, row.passed)
    };
    Ok(rows.into_iter().map(point).collect())
}

pub fn insert_point(conn: &mut DbConnection, row: &CheckpointRow) -> QueryResult<usize> {
    diesel::insert_into(checkpoints::table).values(row).execute(conn)
}

pub fn update_point(conn: &mut DbConnection, row: &CheckpointRow) -> QueryResult<usize> {
    diesel::update(checkpoints::table.find(row.id))
        .set(row)
        .execute(conn)
}

pub fn delete_point(conn: &mut DbConnection, id: CheckpointId) -> QueryResult<usize> {
    diesel::delete(checkpoints::table.find(id)).execute(conn)
}

/// The points of an event that somebody has ever passed, annulled since or not.
pub fn list_used(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<CheckpointId>> {
    checkpoint_passages::table
        .filter(checkpoint_passages::event_id.eq(event))
        .select(checkpoint_passages::checkpoint_id)
        .distinct()
        .load(conn)
}

/// What these people have passed at these events, as far as it stands.
pub fn list_passages_of(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> QueryResult<Vec<PassageRow>> {
    PairQuery {
        condition: " AND annulled_at IS NULL",
        ..PairQuery::of(PASSAGE, "checkpoint_passages", ("event_id", "member_id"))
    }
    .load(conn, asked)
}

/// What these phones have sent before under these ids, annulled or not.
pub fn list_by_client_event(
    conn: &mut DbConnection,
    asked: &[(AccountId, AnyId)],
) -> QueryResult<Vec<PassageRow>> {
    PairQuery::of(
        PASSAGE,
        "checkpoint_passages",
        ("submitted_by", "client_event_id"),
    )
    .load(conn, asked)
}

/// All that people have passed at an event, as far as it stands, in order of time.
pub fn list_event_passages(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<PassageRow>> {
    checkpoint_passages::table
        .filter(checkpoint_passages::event_id.eq(event))
        .filter(checkpoint_passages::annulled_at.is_null())
        .order((checkpoint_passages::passed_at, checkpoint_passages::id))
        .load(conn)
}

/// The check-ins of these ids, annulled or not.
pub fn list_check_ins(conn: &mut DbConnection, ids: &[CheckInId]) -> QueryResult<Vec<CheckInRow>> {
    check_ins::table
        .filter(check_ins::id.eq_any(ids.to_vec()))
        .load(conn)
}

/// In statements of bounded size.
pub fn insert_passages(conn: &mut DbConnection, rows: &[PassageRow]) -> QueryResult<()> {
    for some in rows.chunks(1_000) {
        match conn {
            DbConnection::Sqlite(c) => diesel::insert_into(checkpoint_passages::table)
                .values(some)
                .execute(c)?,
            DbConnection::Pg(c) => diesel::insert_into(checkpoint_passages::table)
                .values(some)
                .execute(c)?,
        };
    }
    Ok(())
}

pub fn find_passage(conn: &mut DbConnection, id: PassageId) -> QueryResult<Option<PassageRow>> {
    checkpoint_passages::table.find(id).first(conn).optional()
}

/// Who takes something back, when and why.
#[derive(AsChangeset)]
#[diesel(table_name = checkpoint_passages)]
pub struct Annulment<'a> {
    pub annulled_at: Instant,
    pub annulled_by: AccountId,
    pub annul_reason: &'a str,
}

pub fn annul_passage(conn: &mut DbConnection, id: PassageId, annulment: &Annulment<'_>) -> QueryResult<bool> {
    diesel::update(checkpoint_passages::table.find(id))
        .filter(checkpoint_passages::annulled_at.is_null())
        .set(annulment)
        .execute(conn)
        .map(|changed| changed == 1)
}

/// All that somebody has passed under a check-in.
pub fn annul_passages_under(
    conn: &mut DbConnection,
    check_in: &CheckInRow,
    annulment: &Annulment<'_>,
) -> QueryResult<usize> {
    diesel::update(checkpoint_passages::table)
        .filter(checkpoint_passages::event_id.eq(check_in.event_id))
        .filter(checkpoint_passages::member_id.eq(check_in.member_id))
        .filter(checkpoint_passages::check_in_id.eq(check_in.id))
        .filter(checkpoint_passages::annulled_at.is_null())
        .set(annulment)
        .execute(conn)
}
