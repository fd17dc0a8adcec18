//! Rows and queries of progress, completions and reviews. What the lane reads and writes is set-based: one statement
//! each for a whole batch.

use std::collections::HashSet;

use diesel::dsl::sql as fragment;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Binary, Bool, Integer, Nullable};

use super::StudyReviewId;
use crate::auth::AccountId;
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{lesson_completions, lesson_progress, study_clocks, study_reviews};
use crate::platform::db::{AnyId, DbConnection, Instant, PairQuery, Prepared, UuidList, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = study_clocks)]
pub struct ClockRow {
    pub member_id: MemberId,
    pub tenant_id: OrganizationId,
    pub slots: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = lesson_progress, treat_none_as_null = true)]
pub struct ProgressRow {
    pub member_id: MemberId,
    pub lesson_id: LessonId,
    pub number: i32,
    pub tenant_id: OrganizationId,
    pub played: Vec<u8>,
    pub covered_ms: i32,
    pub sessions: Vec<u8>,
    pub position_ms: i32,
    pub position_at: Option<Instant>,
    pub credited_at: Option<Instant>,
    pub started_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable)]
#[diesel(table_name = lesson_completions)]
pub struct CompletionRow {
    pub member_id: MemberId,
    pub lesson_id: LessonId,
    pub number: i32,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub rule: String,
    pub threshold_permille: i32,
    pub covered_ms: i32,
    pub played: Vec<u8>,
    pub occurred_at: Instant,
    pub received_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = study_reviews, treat_none_as_null = true)]
pub struct ReviewRow {
    pub id: StudyReviewId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub member_id: MemberId,
    pub lesson_id: LessonId,
    pub number: i32,
    pub session_id: AnyId,
    pub doubt: String,
    pub played: Vec<u8>,
    pub claimed_ms: i32,
    pub occurred_at: Instant,
    pub received_at: Instant,
    pub status: String,
    pub decided_at: Option<Instant>,
    pub decided_by: Option<AccountId>,
    pub note: Option<String>,
}

/// The clocks of these members, in the order of their ids, locked until the transaction ends; of members who never
/// studied, new ones (over those two replicas may wait for each other: the one that the database ends is tried again).
pub fn lock_clocks(
    conn: &mut DbConnection,
    members: &[(MemberId, OrganizationId)],
) -> QueryResult<Vec<ClockRow>> {
    let mut found = lock_existing(conn, members.iter().map(|(member, _)| *member))?;
    let known: HashSet<MemberId> = found.iter().map(|row| row.member_id).collect();
    let new: Vec<ClockRow> = members
        .iter()
        .filter(|(member, _)| !known.contains(member))
        .map(|(member_id, tenant_id)| ClockRow {
            member_id: *member_id,
            tenant_id: *tenant_id,
            slots: Vec::new(),
        })
        .collect();
    match conn {
        // Nobody else writes meanwhile: they are inserted when they are saved.
        DbConnection::Sqlite(_) => found.extend(new),
        DbConnection::Pg(_) if new.is_empty() => {}
        DbConnection::Pg(_) => {
            let inserted = insert_clocks(conn, &new)?;
            let known: HashSet<MemberId> = inserted.iter().map(|row| row.member_id).collect();
            let overtaken: Vec<MemberId> = new
                .iter()
                .map(|row| row.member_id)
                .filter(|member| !known.contains(member))
                .collect();
            found.extend(inserted);
            if !overtaken.is_empty() {
                found.extend(lock_existing(conn, overtaken.into_iter())?);
            }
        }
    }
    Ok(found)
}

/// Those of them that nobody else has inserted meanwhile: they are ours until the transaction ends.
fn insert_clocks(conn: &mut DbConnection, rows: &[ClockRow]) -> QueryResult<Vec<ClockRow>> {
    Prepared::default()
        .sql("INSERT INTO study_clocks (member_id, tenant_id, slots) SELECT m, t, ''::bytea FROM unnest(")
        .ids(UuidList::in_order(rows.iter().map(|row| row.member_id)))
        .sql(", ")
        .ids(UuidList::in_order(rows.iter().map(|row| row.tenant_id)))
        .sql(") AS n(m, t) ON CONFLICT DO NOTHING RETURNING member_id, tenant_id, slots")
        .load(conn)
}

fn lock_existing(
    conn: &mut DbConnection,
    members: impl Iterator<Item = MemberId>,
) -> QueryResult<Vec<ClockRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!(
            "SELECT member_id, tenant_id, slots FROM study_clocks WHERE member_id {open}"
        ))
        .ids(members.collect::<UuidList>())
        .sql(format!("{close} ORDER BY member_id{}", conn.for_update()))
        .load(conn)
}

const BY_LESSON: (&str, &str) = ("member_id", "lesson_id");

const PROGRESS: &str = "member_id, lesson_id, number, tenant_id, played, covered_ms, sessions, position_ms, position_at, credited_at, started_at, updated_at";

/// What these members have played of these lessons, in all versions.
pub fn list_progress(
    conn: &mut DbConnection,
    asked: &[(MemberId, LessonId)],
) -> QueryResult<Vec<ProgressRow>> {
    PairQuery::of(PROGRESS, "lesson_progress", BY_LESSON).load(conn, asked)
}

pub fn list_completions(
    conn: &mut DbConnection,
    asked: &[(MemberId, LessonId)],
) -> QueryResult<Vec<CompletionRow>> {
    let columns = "member_id, lesson_id, number, tenant_id, organization_id, rule, threshold_permille, covered_ms, played, \
         occurred_at, received_at";
    PairQuery::of(columns, "lesson_completions", BY_LESSON).load(conn, asked)
}

/// What of theirs waits for a person or was refused by one.
pub fn list_doubted(conn: &mut DbConnection, asked: &[(MemberId, LessonId)]) -> QueryResult<Vec<ReviewRow>> {
    let columns = "id, tenant_id, organization_id, member_id, lesson_id, number, session_id, doubt, played, claimed_ms, \
         occurred_at, received_at, status, decided_at, decided_by, note";
    PairQuery {
        condition: " AND status IN ('pending', 'refused')",
        ..PairQuery::of(columns, "study_reviews", BY_LESSON)
    }
    .load(conn, asked)
}

pub fn save_clocks(conn: &mut DbConnection, rows: &[ClockRow]) -> QueryResult<()> {
    use study_clocks::dsl as c;
    match conn {
        DbConnection::Sqlite(conn) => {
            for row in rows {
                diesel::insert_into(c::study_clocks)
                    .values(row)
                    .on_conflict(c::member_id)
                    .do_update()
                    .set(c::slots.eq(&row.slots))
                    .execute(conn)?;
            }
        }
        DbConnection::Pg(conn) => {
            let columns = ClockColumns {
                members: rows.iter().map(|row| AnyId(row.member_id.0)).collect(),
                slots: rows.iter().map(|row| row.slots.as_slice()).collect(),
            };
            columns.execute(conn)?;
        }
    }
    Ok(())
}

struct ClockColumns<'a> {
    members: Vec<AnyId>,
    slots: Vec<&'a [u8]>,
}

impl QueryId for ClockColumns<'_> {
    type QueryId = ClockColumns<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for ClockColumns<'_> {}

impl QueryFragment<Pg> for ClockColumns<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE study_clocks SET slots = n.slots FROM unnest(");
        out.push_bind_param::<Array<sql::Uuid>, _>(&self.members)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.slots)?;
        out.push_sql(") AS n(member_id, slots) WHERE study_clocks.member_id = n.member_id");
        Ok(())
    }
}

/// Writes these rows, whether they were there before or not.
pub fn save_progress(conn: &mut DbConnection, rows: &[ProgressRow]) -> QueryResult<()> {
    use lesson_progress::dsl as p;
    match conn {
        DbConnection::Sqlite(conn) => {
            for row in rows {
                diesel::insert_into(p::lesson_progress)
                    .values(row)
                    .on_conflict((p::member_id, p::lesson_id, p::number))
                    .do_update()
                    .set((
                        p::played.eq(&row.played),
                        p::covered_ms.eq(row.covered_ms),
                        p::sessions.eq(&row.sessions),
                        p::position_ms.eq(row.position_ms),
                        p::position_at.eq(row.position_at),
                        p::credited_at.eq(row.credited_at),
                        p::updated_at.eq(row.updated_at),
                    ))
                    .execute(conn)?;
            }
            Ok(())
        }
        DbConnection::Pg(conn) => ProgressColumns::from(rows).execute(conn).map(|_| ()),
    }
}

/// The rows turned into columns: one array a bind, so that the statement is planned once, whatever the batch's size.
struct ProgressColumns<'a> {
    ids: [Vec<AnyId>; 3],
    numbers: [Vec<i32>; 3],
    blobs: [Vec<&'a [u8]>; 2],
    maybe_times: [Vec<Option<Instant>>; 2],
    times: [Vec<Instant>; 2],
}

impl<'a> From<&'a [ProgressRow]> for ProgressColumns<'a> {
    fn from(rows: &'a [ProgressRow]) -> Self {
        fn column<'a, T>(rows: &'a [ProgressRow], pick: impl Fn(&'a ProgressRow) -> T) -> Vec<T> {
            rows.iter().map(pick).collect()
        }
        Self {
            ids: [
                column(rows, |r| AnyId(r.member_id.0)),
                column(rows, |r| AnyId(r.lesson_id.0)),
                column(rows, |r| AnyId(r.tenant_id.0)),
            ],
            numbers: [
                column(rows, |r| r.number),
                column(rows, |r| r.covered_ms),
                column(rows, |r| r.position_ms),
            ],
            blobs: [
                column(rows, |r| r.played.as_slice()),
                column(rows, |r| r.sessions.as_slice()),
            ],
            maybe_times: [column(rows, |r| r.position_at), column(rows, |r| r.credited_at)],
            times: [column(rows, |r| r.started_at), column(rows, |r| r.updated_at)],
        }
    }
}

impl QueryId for ProgressColumns<'_> {
    type QueryId = ProgressColumns<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for ProgressColumns<'_> {}

impl QueryFragment<Pg> for ProgressColumns<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO lesson_progress (member_id, lesson_id, tenant_id, number, covered_ms, position_ms, played, \
             sessions, position_at, credited_at, started_at, updated_at) SELECT * FROM unnest(",
        );
        for ids in &self.ids {
            out.push_bind_param::<Array<sql::Uuid>, _>(ids)?;
            out.push_sql(", ");
        }
        for numbers in &self.numbers {
            out.push_bind_param::<Array<Integer>, _>(numbers)?;
            out.push_sql(", ");
        }
        for blobs in &self.blobs {
            out.push_bind_param::<Array<Binary>, _>(blobs)?;
            out.push_sql(", ");
        }
        for times in &self.maybe_times {
            out.push_bind_param::<Array<Nullable<sql::Instant>>, _>(times)?;
            out.push_sql(", ");
        }
        let [started_at, updated_at] = &self.times;
        out.push_bind_param::<Array<sql::Instant>, _>(started_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<sql::Instant>, _>(updated_at)?;
        out.push_sql(
            ") ON CONFLICT (member_id, lesson_id, number) DO UPDATE SET played = EXCLUDED.played, \
             covered_ms = EXCLUDED.covered_ms, sessions = EXCLUDED.sessions, position_ms = EXCLUDED.position_ms, \
             position_at = EXCLUDED.position_at, credited_at = EXCLUDED.credited_at, updated_at = EXCLUDED.updated_at",
        );
        Ok(())
    }
}

/// Records completions that are new; there is one for each member and lesson, whoever comes first.
pub fn insert_completions(conn: &mut DbConnection, rows: &[CompletionRow]) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(conn) => {
            for row in rows {
                diesel::insert_into(lesson_completions::table)
                    .values(row)
                    .on_conflict_do_nothing()
                    .execute(conn)?;
            }
        }
        DbConnection::Pg(conn) => {
            diesel::insert_into(lesson_completions::table)
                .values(rows)
                .on_conflict_do_nothing()
                .execute(conn)?;
        }
    }
    Ok(())
}

/// Writes a review, whether it was there before or not. The caller holds its member's clock.
pub fn save_review(conn: &mut DbConnection, row: &ReviewRow) -> QueryResult<()> {
    let changed = diesel::update(study_reviews::table.find(row.id))
        .set(row)
        .execute(conn)?;
    if changed == 0 {
        diesel::insert_into(study_reviews::table)
            .values(row)
            .execute(conn)?;
    }
    Ok(())
}

pub fn find_review(conn: &mut DbConnection, id: StudyReviewId) -> QueryResult<Option<ReviewRow>> {
    study_reviews::table.find(id).first(conn).optional()
}

/// Whose reviews are listed. Who may see what is part of the query, so that pages stay full.
#[derive(Debug, Clone, Default)]
pub struct ReviewFilter {
    /// None means every tenant: for the system admin.
    pub tenant: Option<OrganizationId>,
    /// None means everywhere.
    pub within: Option<Vec<OrganizationId>>,
    pub organizations: Option<Vec<OrganizationId>>,
    pub status: Option<&'static str>,
    pub page: Page<StudyReviewId>,
}

/// The newest first.
pub fn list_reviews(conn: &mut DbConnection, filter: &ReviewFilter) -> QueryResult<Found<ReviewRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order(study_reviews::id.desc())
        .limit(page.fetch());
    if let Some(id) = page.after {
        query = query.filter(study_reviews::id.lt(id));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn narrowed<'a>(
    conn: &DbConnection,
    filter: &ReviewFilter,
) -> study_reviews::BoxedQuery<'a, crate::platform::db::MultiBackend> {
    let (open, close) = conn.among_parts();
    let mut query = study_reviews::table.into_boxed();
    if let Some(tenant) = filter.tenant {
        query = query.filter(study_reviews::tenant_id.eq(tenant));
    }
    for ids in [&filter.within, &filter.organizations].into_iter().flatten() {
        query = query.filter(
            fragment::<Bool>(&format!("study_reviews.organization_id {open}"))
                .bind::<sql::UuidList, _>(ids.iter().copied().collect::<UuidList>())
                .sql(close),
        );
    }
    if let Some(status) = filter.status {
        query = query.filter(study_reviews::status.eq(status));
    }
    query
}

/// What a member has begun, the latest first.
pub fn list_mine(
    conn: &mut DbConnection,
    member: MemberId,
    page: &Page<(Instant, LessonId, i32)>,
) -> QueryResult<Found<ProgressRow>> {
    let mine = || lesson_progress::table.filter(lesson_progress::member_id.eq(member));
    let mut query = mine()
        .order((
            lesson_progress::started_at.desc(),
            lesson_progress::lesson_id.desc(),
            lesson_progress::number.desc(),
        ))
        .limit(page.fetch())
        .into_boxed();
    if let Some((at, lesson, number)) = page.after {
        use lesson_progress::dsl as p;
        let same = p::lesson_id.eq(lesson).and(p::number.lt(number));
        let later = p::lesson_id.lt(lesson).or(same);
        query = query.filter(p::started_at.lt(at).or(p::started_at.eq(at).and(later)));
    }
    let count = page.count.then(|| mine().count().get_result(conn));
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// What one member has completed of some lessons.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct CompletedRow {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
    #[diesel(sql_type = sql::Uuid)]
    pub lesson_id: LessonId,
    #[diesel(sql_type = sql::Instant)]
    pub occurred_at: Instant,
}

#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct BegunRow {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
}

/// Which of these lessons these members have completed, and when.
pub fn list_completed(
    conn: &mut DbConnection,
    members: &[MemberId],
    lessons: &[LessonId],
) -> QueryResult<Vec<CompletedRow>> {
    among(
        conn,
        "SELECT member_id, lesson_id, occurred_at FROM lesson_completions",
        members,
        lessons,
    )
}

/// Who of these members has begun any of these lessons.
pub fn list_begun(
    conn: &mut DbConnection,
    members: &[MemberId],
    lessons: &[LessonId],
) -> QueryResult<Vec<BegunRow>> {
    among(
        conn,
        "SELECT DISTINCT member_id FROM lesson_progress",
        members,
        lessons,
    )
}

fn among<T: diesel::deserialize::QueryableByName<crate::platform::db::MultiBackend> + 'static>(
    conn: &mut DbConnection,
    select: &str,
    members: &[MemberId],
    lessons: &[LessonId],
) -> QueryResult<Vec<T>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!("{select} WHERE member_id {open}"))
        .ids(members.iter().copied().collect())
        .sql(format!("{close} AND lesson_id {open}"))
        .ids(lessons.iter().copied().collect())
        .sql(close)
        .load(conn)
}

/// Which completions a record store reads.
#[derive(Debug, Clone, Default)]
pub struct CompletionFilter {
    /// None means every tenant: for the system admin.
    pub tenant: Option<OrganizationId>,
    /// Organizations whose people the actor may view; none means everywhere.
    pub within: Option<Vec<OrganizationId>>,
    /// Whose own they are besides.
    pub member: Option<MemberId>,
    pub since: Option<Instant>,
    pub until: Option<Instant>,
    pub lesson: Option<LessonId>,
    pub ascending: bool,
    pub page: Page<(Instant, MemberId, LessonId)>,
}

/// In order of their arrival.
pub fn read_completions(
    conn: &mut DbConnection,
    filter: &CompletionFilter,
) -> QueryResult<Found<CompletionRow>> {
    use lesson_completions::dsl as c;
    let mut query = c::lesson_completions.limit(filter.page.fetch()).into_boxed();
    // Without the tenant, by which SQLite would read everybody's.
    let only_own = filter
        .member
        .filter(|_| filter.within.as_ref().is_some_and(Vec::is_empty));
    if let Some(member) = only_own {
        query = query.filter(c::member_id.eq(member));
    } else if let Some(tenant) = filter.tenant {
        query = query.filter(c::tenant_id.eq(tenant));
    }
    if let Some(within) = filter.within.as_ref().filter(|_| only_own.is_none()) {
        let (open, close) = conn.among_parts();
        let theirs = fragment::<Bool>(&format!("(lesson_completions.organization_id {open}"))
            .bind::<sql::UuidList, _>(within.iter().copied().collect::<UuidList>())
            .sql(&format!("{close})"));
        query = match filter.member {
            Some(member) => query.filter(theirs.or(c::member_id.eq(member))),
            None => query.filter(theirs),
        };
    }
    if let Some(since) = filter.since {
        query = query.filter(c::received_at.gt(since));
    }
    if let Some(until) = filter.until {
        query = query.filter(c::received_at.le(until));
    }
    if let Some(lesson) = filter.lesson {
        query = query.filter(c::lesson_id.eq(lesson));
    }
    if let Some((at, member, lesson)) = filter.page.after {
        let sign = if filter.ascending { ">" } else { "<" };
        // As one value it is a range of the index; as conditions joined by OR it is none.
        let beyond = fragment::<Bool>(&format!(
            "(lesson_completions.received_at, lesson_completions.member_id, lesson_completions.lesson_id) {sign} ("
        ));
        let beyond = beyond.bind::<sql::Instant, _>(at).sql(", ");
        let beyond = beyond.bind::<sql::Uuid, _>(member).sql(", ");
        query = query.filter(beyond.bind::<sql::Uuid, _>(lesson).sql(")"));
    }
    query = if filter.ascending {
        query.order((c::received_at, c::member_id, c::lesson_id))
    } else {
        query.order((c::received_at.desc(), c::member_id.desc(), c::lesson_id.desc()))
    };
    Ok(Found {
        rows: query.load(conn)?,
        count: None,
    })
}
