//! Rows and queries of what an event's places are given by: its policy, its sessions and its quotas. Whoever writes holds
//! the event's row locked.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::events::EventId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{events, sign_up_policies, sign_up_quotas, sign_up_sessions};
use crate::platform::db::{DbConnection, Instant, Json, Prepared};
use crate::sign_ups::SignUpSessionId;

#[derive(Debug, Clone, PartialEq, QueryableByName, Insertable, AsChangeset)]
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

#[derive(Debug, Clone, PartialEq, QueryableByName, Insertable, AsChangeset)]
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

/// A policy with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub row: PolicyRow,
    /// In their order; at least one.
    pub sessions: Vec<SessionRow>,
    pub quotas: Vec<QuotaRow>,
}

/// A session beside its policy.
#[derive(QueryableByName)]
struct Line {
    #[diesel(embed)]
    policy: PolicyRow,
    #[diesel(embed)]
    session: SessionRow,
    #[diesel(sql_type = Bool)]
    has_quotas: bool,
}

const LINES: &str = "SELECT p.event_id, p.tenant_id, p.opens_at, p.closes_at, p.cancel_until, p.offer_s, p.waiting_limit, \
     p.questions, p.draw_at, p.draw_seed, p.drawn_at, p.last_seq, p.next_lapse_at, p.version, p.created_at, p.updated_at, \
     s.id, s.position, s.name, s.starts_at, s.ends_at, s.capacity, s.taken, s.waiting, \
     EXISTS (SELECT 1 FROM sign_up_quotas q WHERE q.event_id = p.event_id) AS has_quotas \
     FROM sign_up_policies p JOIN sign_up_sessions s ON s.event_id = p.event_id WHERE p.event_id ";

pub fn find_policy(conn: &mut DbConnection, event: EventId) -> QueryResult<Option<Policy>> {
    Ok(list_policies(conn, &[event])?.pop())
}

/// Those of these events for which people sign up.
pub fn list_policies(conn: &mut DbConnection, events: &[EventId]) -> QueryResult<Vec<Policy>> {
    let (open, close) = conn.among_parts();
    let lines: Vec<Line> = Prepared::default()
        .sql(LINES)
        .sql(open)
        .ids(events.iter().copied().collect())
        .sql(close)
        .sql(" ORDER BY p.event_id, s.position")
        .load(conn)?;
    let mut policies: Vec<Policy> = Vec::new();
    let mut limited = Vec::new();
    for line in lines {
        match policies.last_mut() {
            Some(policy) if policy.row.event_id == line.policy.event_id => policy.sessions.push(line.session),
            _ => {
                if line.has_quotas {
                    limited.push(line.policy.event_id);
                }
                policies.push(Policy {
                    row: line.policy,
                    sessions: vec![line.session],
                    quotas: Vec::new(),
                });
            }
        }
    }
    if !limited.is_empty() {
        let mut quotas = list_quotas(conn, limited)?;
        for policy in &mut policies {
            policy.quotas = quotas.remove(&policy.row.event_id).unwrap_or_default();
        }
    }
    Ok(policies)
}

fn list_quotas(
    conn: &mut DbConnection,
    events: Vec<EventId>,
) -> QueryResult<HashMap<EventId, Vec<QuotaRow>>> {
    let rows: Vec<QuotaRow> = sign_up_quotas::table
        .filter(sign_up_quotas::event_id.eq_any(events))
        .order((sign_up_quotas::event_id, sign_up_quotas::organization_id))
        .load(conn)?;
    let mut quotas: HashMap<EventId, Vec<QuotaRow>> = HashMap::new();
    for row in rows {
        quotas.entry(row.event_id).or_default().push(row);
    }
    Ok(quotas)
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

/// How far the arrivals, the offers and the draw have come.
pub fn update_state(conn: &mut DbConnection, row: &PolicyRow) -> QueryResult<usize> {
    use sign_up_policies::dsl as p;
    diesel::update(p::sign_up_policies.find(row.event_id))
        .set((
            p::last_seq.eq(row.last_seq),
            p::next_lapse_at.eq(row.next_lapse_at),
            p::drawn_at.eq(row.drawn_at),
        ))
        .execute(conn)
}

/// When the last of an event's sessions begins, where they have times of their own.
pub fn last_start(conn: &mut DbConnection, event: EventId) -> QueryResult<Option<Instant>> {
    sign_up_sessions::table
        .filter(sign_up_sessions::event_id.eq(event))
        .filter(sign_up_sessions::starts_at.is_not_null())
        .order(sign_up_sessions::starts_at.desc())
        .select(sign_up_sessions::starts_at.assume_not_null())
        .first(conn)
        .optional()
}

/// Has any of these events a session that begins at a time of its own?
pub fn has_timed_sessions(conn: &mut DbConnection, events: &[EventId]) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Timed {
        #[diesel(sql_type = Bool)]
        is_timed: bool,
    }
    let (open, close) = conn.among_parts();
    let found: Timed = Prepared::default()
        .sql("SELECT EXISTS (SELECT 1 FROM sign_up_sessions WHERE starts_at IS NOT NULL AND event_id ")
        .sql(open)
        .ids(events.iter().copied().collect())
        .sql(close)
        .sql(") AS is_timed")
        .get_result(conn)?;
    Ok(found.is_timed)
}

/// A tenant's events whose places can still change hands.
pub fn list_open(conn: &mut DbConnection, tenant: OrganizationId) -> QueryResult<Vec<EventId>> {
    sign_up_policies::table
        .inner_join(events::table.on(events::id.eq(sign_up_policies::event_id)))
        .filter(sign_up_policies::tenant_id.eq(tenant))
        .filter(events::status.eq("published"))
        .filter(events::roster_frozen_at.is_null())
        .select(sign_up_policies::event_id)
        .load(conn)
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

/// How many places of a session are taken, and how many people wait for one.
pub fn update_numbers(
    conn: &mut DbConnection,
    id: SignUpSessionId,
    taken: i32,
    waiting: i32,
) -> QueryResult<usize> {
    diesel::update(sign_up_sessions::table.find(id))
        .set((
            sign_up_sessions::taken.eq(taken),
            sign_up_sessions::waiting.eq(waiting),
        ))
        .execute(conn)
}

pub fn delete_session(conn: &mut DbConnection, id: SignUpSessionId) -> QueryResult<usize> {
    diesel::delete(sign_up_sessions::table.find(id)).execute(conn)
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
