//! Rows and queries of events, their forms, and who is expected.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};

use super::commands::MAX_LENGTH_S;
use super::{CalendarFeedId, EventId};
use crate::auth::AccountId;
use crate::members::MemberId;
use crate::organizations::{OrganizationId, Reach};
use crate::platform::db::schema::{calendar_feeds, event_forms, event_members, event_organizations, events};
use crate::platform::db::{
    DbConnection, Instant, LiteralCondition, MultiBackend, PairQuery, Prepared, UuidList, sql as types,
};
use crate::platform::page::{Found, Page};

/// Rows of one INSERT: 3 columns each stay below SQLite's bound on binds.
const BATCH: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, QueryableByName, AsChangeset)]
#[diesel(table_name = events, treat_none_as_null = true)]
pub struct EventRow {
    pub id: EventId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub title: String,
    pub description: String,
    pub place: String,
    pub starts_at: Instant,
    pub ends_at: Instant,
    pub time_zone: String,
    pub status: String,
    pub expected_standings: i32,
    pub opens_before_s: i32,
    pub late_after_s: i32,
    pub closes_after_s: i32,
    pub code_window_s: i32,
    pub offline_allowed: bool,
    pub geofence_latitude: Option<f64>,
    pub geofence_longitude: Option<f64>,
    pub geofence_radius_m: Option<i32>,
    pub check_in_opens_at: Instant,
    pub late_from: Instant,
    pub check_in_closes_at: Instant,
    pub roster_frozen_at: Option<Instant>,
    pub audience_version: i32,
    pub last_seq: i64,
    pub version: i32,
    pub created_at: Instant,
    pub created_by: Option<AccountId>,
    pub updated_at: Instant,
    pub closed_at: Option<Instant>,
    pub cancel_reason: Option<String>,
    pub admission: String,
}

const COLUMNS: &str = "id, tenant_id, organization_id, title, description, place, starts_at, ends_at, time_zone, status, \
     expected_standings, opens_before_s, late_after_s, closes_after_s, code_window_s, offline_allowed, \
     geofence_latitude, geofence_longitude, geofence_radius_m, check_in_opens_at, late_from, check_in_closes_at, \
     roster_frozen_at, audience_version, last_seq, version, created_at, created_by, updated_at, closed_at, cancel_reason, admission";

pub fn insert_event(conn: &mut DbConnection, row: &EventRow) -> QueryResult<usize> {
    diesel::insert_into(events::table).values(row).execute(conn)
}

pub fn find_event(conn: &mut DbConnection, id: EventId) -> QueryResult<Option<EventRow>> {
    events::table.find(id).first(conn).optional()
}

/// The rows, locked until the transaction ends, in the order of their ids so that two batches cannot deadlock.
pub fn lock_events(conn: &mut DbConnection, ids: &[EventId]) -> QueryResult<Vec<EventRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql("SELECT ")
        .sql(COLUMNS)
        .sql(" FROM events WHERE id ")
        .sql(open)
        .ids(ids.iter().copied().collect())
        .sql(close)
        .sql(" ORDER BY id")
        .sql(conn.for_update())
        .load(conn)
}

/// Writes the whole row if its version is still `row.version`, and counts it up.
pub fn update_event(conn: &mut DbConnection, row: &mut EventRow) -> QueryResult<bool> {
    let read = row.version;
    row.version += 1;
    let changed = diesel::update(events::table.find(row.id).filter(events::version.eq(read)))
        .set(&*row)
        .execute(conn)?;
    Ok(changed == 1)
}

/// Published events whose check-in has opened and whose roster is not frozen yet, in the order of their ids. They are few, so
/// their tree and their order are looked at here: for either SQLite would read all events there are.
pub fn list_due_to_freeze(
    conn: &mut DbConnection,
    tenant: Option<OrganizationId>,
    now: Instant,
) -> QueryResult<Vec<EventId>> {
    let mut due: Vec<(EventId, OrganizationId)> = events::table
        .filter(LiteralCondition("events.status = 'published'"))
        .filter(events::roster_frozen_at.is_null())
        .filter(events::check_in_opens_at.le(now))
        .select((events::id, events::tenant_id))
        .load(conn)?;
    due.retain(|(_, of)| tenant.is_none_or(|tenant| *of == tenant));
    due.sort_unstable();
    Ok(due.into_iter().map(|(id, _)| id).collect())
}

/// Published events that begin in this time, half open.
pub fn list_starting(conn: &mut DbConnection, from: Instant, to: Instant) -> QueryResult<Vec<EventRow>> {
    events::table
        .filter(LiteralCondition("events.status = 'published'"))
        .filter(events::starts_at.ge(from))
        .filter(events::starts_at.lt(to))
        .order(events::starts_at)
        .load(conn)
}

pub fn mark_frozen(conn: &mut DbConnection, id: EventId, now: Instant) -> QueryResult<usize> {
    diesel::update(events::table.find(id))
        .set((events::roster_frozen_at.eq(now), events::updated_at.eq(now)))
        .execute(conn)
}

/// The row is locked by the caller's batch.
pub fn set_last_seq(conn: &mut DbConnection, id: EventId, seq: i64) -> QueryResult<usize> {
    diesel::update(events::table.find(id))
        .set(events::last_seq.eq(seq))
        .execute(conn)
}

pub fn replace_forms(conn: &mut DbConnection, event: &EventRow, forms: &[&str]) -> QueryResult<()> {
    diesel::delete(event_forms::table.filter(event_forms::event_id.eq(event.id))).execute(conn)?;
    for form in forms {
        diesel::insert_into(event_forms::table)
            .values((
                event_forms::event_id.eq(event.id),
                event_forms::form.eq(form),
                event_forms::tenant_id.eq(event.tenant_id),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Replaces the expected organizations and people.
pub fn replace_expected(
    conn: &mut DbConnection,
    event: &EventRow,
    organizations: &[OrganizationId],
    members: &[MemberId],
) -> QueryResult<()> {
    diesel::delete(event_organizations::table.filter(event_organizations::event_id.eq(event.id)))
        .execute(conn)?;
    diesel::delete(event_members::table.filter(event_members::event_id.eq(event.id))).execute(conn)?;
    for some in organizations.chunks(BATCH) {
        use event_organizations::dsl as o;
        let row = |id: &OrganizationId| {
            (
                o::event_id.eq(event.id),
                o::organization_id.eq(*id),
                o::tenant_id.eq(event.tenant_id),
            )
        };
        let rows: Vec<_> = some.iter().map(row).collect();
        let insert = diesel::insert_into(o::event_organizations);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    for some in members.chunks(BATCH) {
        use event_members::dsl as m;
        let row = |id: &MemberId| {
            (
                m::event_id.eq(event.id),
                m::member_id.eq(*id),
                m::tenant_id.eq(event.tenant_id),
            )
        };
        let rows: Vec<_> = some.iter().map(row).collect();
        let insert = diesel::insert_into(m::event_members);
        match conn {
            DbConnection::Pg(c) => insert.values(rows).execute(c)?,
            DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
        };
    }
    Ok(())
}

pub fn list_with_form(
    conn: &mut DbConnection,
    ids: impl Iterator<Item = EventId>,
    form: &'static str,
) -> QueryResult<Vec<EventId>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = types::Uuid)]
        event_id: EventId,
    }
    let (open, close) = conn.among_parts();
    let rows: Vec<Row> = Prepared::default()
        .sql(format!(
            "SELECT event_id FROM event_forms WHERE form = '{form}' AND event_id {open}"
        ))
        .ids(ids.collect())
        .sql(close)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| row.event_id).collect())
}

pub fn list_forms(conn: &mut DbConnection, ids: &[EventId]) -> QueryResult<Vec<(EventId, String)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = types::Uuid)]
        event_id: EventId,
        #[diesel(sql_type = Text)]
        form: String,
    }
    let (open, close) = conn.among_parts();
    let rows: Vec<Row> = Prepared::default()
        .sql(format!(
            "SELECT event_id, form FROM event_forms WHERE event_id {open}"
        ))
        .ids(ids.iter().copied().collect())
        .sql(format!("{close} ORDER BY event_id, form"))
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.event_id, row.form)).collect())
}

/// What a list of something else says of an event.
#[derive(Debug, Clone, Default, QueryableByName)]
pub struct EventBrief {
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub time_zone: String,
}

pub fn list_briefs(conn: &mut DbConnection, ids: &[EventId]) -> QueryResult<Vec<(EventId, EventBrief)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = types::Uuid)]
        id: EventId,
        #[diesel(embed)]
        brief: EventBrief,
    }
    let (open, close) = conn.among_parts();
    let rows: Vec<Row> = Prepared::default()
        .sql(format!("SELECT id, title, time_zone FROM events WHERE id {open}"))
        .ids(ids.iter().copied().collect())
        .sql(close)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.id, row.brief)).collect())
}

pub fn list_organizations(conn: &mut DbConnection, id: EventId) -> QueryResult<Vec<OrganizationId>> {
    event_organizations::table
        .filter(event_organizations::event_id.eq(id))
        .select(event_organizations::organization_id)
        .order(event_organizations::organization_id)
        .load(conn)
}

pub fn list_named(conn: &mut DbConnection, id: EventId) -> QueryResult<Vec<MemberId>> {
    event_members::table
        .filter(event_members::event_id.eq(id))
        .select(event_members::member_id)
        .order(event_members::member_id)
        .load(conn)
}

/// Those of these people that are named.
pub fn list_named_among(
    conn: &mut DbConnection,
    id: EventId,
    members: &[MemberId],
) -> QueryResult<Vec<MemberId>> {
    let pairs: Vec<_> = members.iter().map(|member| (id, *member)).collect();
    let rows: Vec<NamedRow> =
        PairQuery::of("member_id", "event_members", ("event_id", "member_id")).load(conn, &pairs)?;
    Ok(rows.into_iter().map(|row| row.member_id).collect())
}

#[derive(QueryableByName)]
struct NamedRow {
    #[diesel(sql_type = types::Uuid)]
    member_id: MemberId,
}

/// What a list of events is narrowed to. Who may see what is part of the query, so that pages stay full.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// None means every tenant: for the system admin.
    pub tenant: Option<OrganizationId>,
    /// Organizations whose events the actor manages, drafts included, and whose people others may have called; none
    /// means all of them everywhere.
    pub managed: Option<Reach>,
    pub member: Option<Attendee>,
    /// Only events the member is expected at.
    pub mine: bool,
    pub organizations: Option<Vec<OrganizationId>>,
    pub form: Option<&'static str>,
    /// Events that end, or whose check-in closes, at or after this.
    pub from: Option<Instant>,
    /// Events that start before this.
    pub to: Option<Instant>,
    /// Neither drafts, nor what was cancelled or closed.
    pub published: bool,
    /// Events whose check-in is open at this instant.
    pub open_at: Option<Instant>,
    /// Events that were changed at or after this.
    pub updated_from: Option<Instant>,
    pub page: Page<(Instant, EventId)>,
}

/// A member as far as 'expected?' goes: who, the organizations from the root down to theirs, and the standing's bit.
#[derive(Debug, Clone)]
pub struct Attendee {
    pub id: MemberId,
    pub line: Vec<uuid::Uuid>,
    pub standing: i32,
    /// Count what has happened to the member, and to their organization and its place in the tree.
    pub versions: [i32; 2],
}

type Condition = Box<dyn diesel::BoxableExpression<events::table, MultiBackend, SqlType = Bool>>;

/// On the frozen roster; or, before that, named, or of a standing and an organization that are expected. Where people sign
/// up, those who might have keep the event in sight, and whoever has signed up has it.
fn is_expected(conn: &DbConnection, who: &Attendee) -> Condition {
    let (open, close) = conn.among_parts();
    Box::new(
        sql::<Bool>("(EXISTS (SELECT 1 FROM roster_entries r WHERE r.event_id = events.id AND r.member_id = ")
            .bind::<types::Uuid, _>(who.id)
            .sql(") OR ((events.roster_frozen_at IS NULL OR events.admission = 'sign_up') AND (EXISTS (SELECT 1 FROM event_members m WHERE m.event_id = events.id AND m.member_id = ")
            .bind::<types::Uuid, _>(who.id)
            .sql(") OR ((events.expected_standings & ")
            .bind::<Integer, _>(who.standing)
            .sql(&format!(") <> 0 AND EXISTS (SELECT 1 FROM event_organizations x WHERE x.event_id = events.id AND x.organization_id {open}"))
            .bind::<types::UuidList, _>(who.line.iter().copied().collect::<UuidList>())
            .sql(&format!("{close}))) OR (events.admission = 'sign_up' AND EXISTS (SELECT 1 FROM sign_ups s WHERE s.event_id = events.id AND s.member_id = "))
            .bind::<types::Uuid, _>(who.id)
            .sql(" AND s.status IN ('entered', 'confirmed', 'offered', 'waitlisted')))))"),
    )
}

/// Called, and some of those who were called belong to these organizations: by an organization there or above, or by
/// name.
fn calls(conn: &DbConnection, reach: &Reach) -> Condition {
    let (open, close) = conn.among_parts();
    let ids = |ids: &mut dyn Iterator<Item = &OrganizationId>| ids.copied().collect::<UuidList>();
    let people = sql::<Bool>(&format!("(EXISTS (SELECT 1 FROM event_organizations c WHERE c.event_id = events.id AND c.organization_id {open}"))
        .bind::<types::UuidList, _>(ids(&mut reach.within.iter().chain(&reach.above)))
        .sql(&format!("{close}) OR EXISTS (SELECT 1 FROM event_members n JOIN members p ON p.id = n.member_id WHERE n.event_id = events.id AND p.organization_id {open}"))
        .bind::<types::UuidList, _>(ids(&mut reach.within.iter()))
        .sql(&format!("{close}))"));
    Box::new(people.and(was_called()))
}

/// Has this event called people of these organizations?
pub fn calls_people(conn: &mut DbConnection, id: EventId, reach: &Reach) -> QueryResult<bool> {
    let called = calls(conn, reach);
    holds(conn, id, called)
}

fn holds(conn: &mut DbConnection, id: EventId, condition: Condition) -> QueryResult<bool> {
    let found: Option<EventId> = events::table
        .filter(events::id.eq(id))
        .filter(condition)
        .select(events::id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

fn of_organizations(conn: &DbConnection, ids: &[OrganizationId]) -> Condition {
    let (open, close) = conn.among_parts();
    Box::new(
        sql::<Bool>(&format!("(events.organization_id {open}"))
            .bind::<types::UuidList, _>(ids.iter().copied().collect::<UuidList>())
            .sql(&format!("{close})")),
    )
}

/// Drafts, and what was cancelled as a draft, are seen only by those who manage them: what was called and has ended
/// has a frozen roster.
fn was_called() -> Condition {
    Box::new(
        events::status
            .eq("published")
            .or(events::roster_frozen_at.is_not_null()),
    )
}

/// Neither closed nor cancelled, and not over by itself either.
pub fn has_unfinished(
    conn: &mut DbConnection,
    organization: OrganizationId,
    now: Instant,
) -> QueryResult<bool> {
    let unfinished = events::table
        .filter(events::organization_id.eq(organization))
        .filter(events::closed_at.is_null())
        .filter(events::starts_at.ge(now.plus_s(-MAX_LENGTH_S)))
        .filter(events::ends_at.gt(now).or(events::check_in_closes_at.gt(now)));
    diesel::select(diesel::dsl::exists(unfinished)).get_result(conn)
}

/// Events in order of their start.
pub fn list_events(conn: &mut DbConnection, filter: &EventFilter) -> QueryResult<Found<EventRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order((events::starts_at, events::id))
        .limit(page.fetch());
    if let Some((at, id)) = page.after {
        query = query.filter(
            events::starts_at
                .gt(at)
                .or(events::starts_at.eq(at).and(events::id.gt(id))),
        );
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// When one of these events was changed last, whatever the page.
pub fn last_change(conn: &mut DbConnection, filter: &EventFilter) -> QueryResult<Option<Instant>> {
    narrowed(conn, filter)
        .select(sql::<Nullable<types::Instant>>("max(events.updated_at)"))
        .get_result(conn)
}

/// How often who is expected at a published event of the tenant has changed.
pub fn sum_audience_versions(conn: &mut DbConnection, tenant: OrganizationId) -> QueryResult<i64> {
    let sum: Option<i64> = events::table
        .filter(events::tenant_id.eq(tenant))
        .filter(LiteralCondition("events.audience_version > 0"))
        .select(sql::<Nullable<BigInt>>("sum(audience_version)"))
        .get_result(conn)?;
    Ok(sum.unwrap_or(0))
}

/// All that the filter lets through, whatever the page.
fn narrowed<'a>(conn: &DbConnection, filter: &EventFilter) -> events::BoxedQuery<'a, MultiBackend> {
    let mut query = events::table.into_boxed();
    let expected = filter.member.as_ref().map(|who| is_expected(conn, who));
    let attended: Condition = match expected {
        Some(expected) => Box::new(expected.and(was_called())),
        None => Box::new(sql::<Bool>("1 = 0")),
    };
    query = match (&filter.managed, filter.mine) {
        (_, true) => query.filter(attended),
        (None, false) => query,
        (Some(reach), false) => query.filter(
            of_organizations(conn, &reach.within)
                .or(attended)
                .or(calls(conn, reach)),
        ),
    };
    if let Some(tenant) = filter.tenant {
        query = query.filter(events::tenant_id.eq(tenant));
    }
    if let Some(organizations) = &filter.organizations {
        query = query.filter(of_organizations(conn, organizations));
    }
    if let Some(form) = filter.form {
        query = query.filter(
            sql::<Bool>("EXISTS (SELECT 1 FROM event_forms f WHERE f.event_id = events.id AND f.form = ")
                .bind::<Text, _>(form)
                .sql(")"),
        );
    }
    if let Some(from) = filter.from {
        query = query
            // No event is longer than this, nor is its check-in: the index on the start need not be read from 1970 on.
            .filter(events::starts_at.ge(from.plus_s(-MAX_LENGTH_S)))
            .filter(events::ends_at.ge(from).or(events::check_in_closes_at.gt(from)));
    }
    if let Some(to) = filter.to {
        query = query.filter(events::starts_at.lt(to));
    }
    if filter.published {
        query = query.filter(events::status.eq("published"));
    }
    if let Some(at) = filter.open_at {
        query = query
            .filter(events::status.eq("published"))
            .filter(events::starts_at.ge(at.plus_s(-MAX_LENGTH_S)))
            .filter(events::check_in_opens_at.le(at))
            .filter(events::check_in_closes_at.gt(at));
    }
    if let Some(from) = filter.updated_from {
        query = query.filter(events::updated_at.ge(from));
    }
    query
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = calendar_feeds)]
pub struct CalendarFeedRow {
    pub id: CalendarFeedId,
    pub tenant_id: OrganizationId,
    pub member_id: MemberId,
    pub token_hash: Vec<u8>,
    pub created_at: Instant,
    pub revoked_at: Option<Instant>,
}

pub fn insert_feed(conn: &mut DbConnection, row: &CalendarFeedRow) -> QueryResult<usize> {
    diesel::insert_into(calendar_feeds::table)
        .values(row)
        .execute(conn)
}

pub fn find_feed(conn: &mut DbConnection, token_hash: &[u8]) -> QueryResult<Option<CalendarFeedRow>> {
    calendar_feeds::table
        .filter(calendar_feeds::token_hash.eq(token_hash))
        .filter(calendar_feeds::revoked_at.is_null())
        .first(conn)
        .optional()
}

pub fn revoke_feeds(conn: &mut DbConnection, member: MemberId, now: Instant) -> QueryResult<usize> {
    diesel::update(calendar_feeds::table.filter(calendar_feeds::member_id.eq(member)))
        .filter(calendar_feeds::revoked_at.is_null())
        .set(calendar_feeds::revoked_at.eq(now))
        .execute(conn)
}

/// Is the member expected at what was called?
pub fn is_attendee(conn: &mut DbConnection, id: EventId, who: &Attendee) -> QueryResult<bool> {
    let expected = is_expected(conn, who).and(was_called());
    holds(conn, id, Box::new(expected))
}
