//! Rows and queries of plans, their lessons and who is excused.

use chrono::NaiveDate;
use diesel::dsl::sql as fragment;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer};

use super::StudyPlanId;
use crate::auth::AccountId;
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{study_plan_excuses, study_plan_lessons, study_plans};
use crate::platform::db::{DbConnection, Instant, MultiBackend, PairQuery, Prepared, UuidList, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset, QueryableByName)]
#[diesel(table_name = study_plans, treat_none_as_null = true)]
pub struct PlanRow {
    pub id: StudyPlanId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub title: String,
    pub description: String,
    pub status: String,
    pub standings: i32,
    pub due_on: NaiveDate,
    pub due_at: Instant,
    pub grace_days: i32,
    pub version: i32,
    pub created_at: Instant,
    pub created_by: Option<AccountId>,
    pub updated_at: Instant,
    pub published_at: Option<Instant>,
    pub cancelled_at: Option<Instant>,
    pub cancel_reason: Option<String>,
}

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = study_plan_excuses, treat_none_as_null = true)]
pub struct ExcuseRow {
    pub plan_id: StudyPlanId,
    pub member_id: MemberId,
    pub tenant_id: OrganizationId,
    pub reason: String,
    pub excused_at: Instant,
    pub excused_by: AccountId,
    pub ended_at: Option<Instant>,
}

pub fn insert_plan(conn: &mut DbConnection, row: &PlanRow) -> QueryResult<usize> {
    diesel::insert_into(study_plans::table).values(row).execute(conn)
}

pub fn find_plan(conn: &mut DbConnection, id: StudyPlanId) -> QueryResult<Option<PlanRow>> {
    study_plans::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_plan(conn: &mut DbConnection, id: StudyPlanId) -> QueryResult<Option<PlanRow>> {
    let query = format!("SELECT * FROM study_plans WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// Writes the whole row, which the caller holds locked, and counts its version up.
pub fn update_plan(conn: &mut DbConnection, row: &mut PlanRow) -> QueryResult<usize> {
    row.version += 1;
    diesel::update(study_plans::table.find(row.id))
        .set(&*row)
        .execute(conn)
}

pub fn replace_lessons(conn: &mut DbConnection, plan: &PlanRow, lessons: &[LessonId]) -> QueryResult<()> {
    use study_plan_lessons::dsl as l;
    diesel::delete(l::study_plan_lessons.filter(l::plan_id.eq(plan.id))).execute(conn)?;
    for (position, lesson) in (0i32..).zip(lessons) {
        diesel::insert_into(l::study_plan_lessons)
            .values((
                l::plan_id.eq(plan.id),
                l::lesson_id.eq(*lesson),
                l::position.eq(position),
                l::tenant_id.eq(plan.tenant_id),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The lessons of these plans, in order.
pub fn list_lessons(
    conn: &mut DbConnection,
    plans: &[StudyPlanId],
) -> QueryResult<Vec<(StudyPlanId, LessonId)>> {
    use study_plan_lessons::dsl as l;
    l::study_plan_lessons
        .filter(l::plan_id.eq_any(plans.to_vec()))
        .order((l::plan_id, l::position))
        .select((l::plan_id, l::lesson_id))
        .load(conn)
}

/// Writes an excuse, whether there was one before or not. The caller holds the plan locked.
pub fn save_excuse(conn: &mut DbConnection, row: &ExcuseRow) -> QueryResult<()> {
    let changed = diesel::update(study_plan_excuses::table.find((row.plan_id, row.member_id)))
        .set(row)
        .execute(conn)?;
    if changed == 0 {
        diesel::insert_into(study_plan_excuses::table)
            .values(row)
            .execute(conn)?;
    }
    Ok(())
}

/// Who is excused from a plan.
pub fn list_excuses(conn: &mut DbConnection, plan: StudyPlanId) -> QueryResult<Vec<ExcuseRow>> {
    use study_plan_excuses::dsl as e;
    e::study_plan_excuses
        .filter(e::plan_id.eq(plan))
        .filter(e::ended_at.is_null())
        .load(conn)
}

/// The plans that a member is excused from.
pub fn list_excused_plans(conn: &mut DbConnection, member: MemberId) -> QueryResult<Vec<StudyPlanId>> {
    use study_plan_excuses::dsl as e;
    e::study_plan_excuses
        .filter(e::member_id.eq(member))
        .filter(e::ended_at.is_null())
        .select(e::plan_id)
        .load(conn)
}

/// A member as far as 'am I asked?' goes: the organizations from the root down to theirs, and the standing's bit.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: Vec<uuid::Uuid>,
    pub standing: i32,
}

/// What a list is narrowed to. Who may see what is part of the query, so that pages stay full.
#[derive(Debug, Clone, Default)]
pub struct PlanFilter {
    /// None means every tenant: for the system admin.
    pub tenant: Option<OrganizationId>,
    /// Organizations whose plans the actor sees, drafts included; none means everywhere.
    pub managed: Option<Vec<OrganizationId>>,
    /// Organizations above those, whose published plans ask the people below.
    pub above: Vec<OrganizationId>,
    pub asked: Option<Asked>,
    pub mine: bool,
    pub organizations: Option<Vec<OrganizationId>>,
    pub status: Option<&'static str>,
    pub page: Page<StudyPlanId>,
}

type Condition = Box<dyn diesel::BoxableExpression<study_plans::table, MultiBackend, SqlType = Bool>>;

/// Published, and asking such a member.
fn asks(conn: &DbConnection, who: &Asked) -> Condition {
    let (open, close) = conn.among_parts();
    Box::new(
        fragment::<Bool>("(study_plans.status = 'published' AND (study_plans.standings & ")
            .bind::<Integer, _>(who.standing)
            .sql(&format!(") <> 0 AND study_plans.organization_id {open}"))
            .bind::<sql::UuidList, _>(who.line.iter().copied().collect::<UuidList>())
            .sql(&format!("{close})")),
    )
}

fn of_organizations(conn: &DbConnection, ids: &[OrganizationId], more: &str) -> Condition {
    let (open, close) = conn.among_parts();
    Box::new(
        fragment::<Bool>(&format!("({more}study_plans.organization_id {open}"))
            .bind::<sql::UuidList, _>(ids.iter().copied().collect::<UuidList>())
            .sql(&format!("{close})")),
    )
}

/// The newest first.
pub fn list_plans(conn: &mut DbConnection, filter: &PlanFilter) -> QueryResult<Found<PlanRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order(study_plans::id.desc())
        .limit(page.fetch());
    if let Some(id) = page.after {
        query = query.filter(study_plans::id.lt(id));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn narrowed<'a>(conn: &DbConnection, filter: &PlanFilter) -> study_plans::BoxedQuery<'a, MultiBackend> {
    let mut query = study_plans::table.into_boxed();
    let mine = match &filter.asked {
        Some(who) => asks(conn, who),
        None => Box::new(fragment::<Bool>("1 = 0")),
    };
    query = match (&filter.managed, filter.mine) {
        (_, true) => query.filter(mine),
        (None, false) => query,
        (Some(managed), false) => {
            let above = of_organizations(conn, &filter.above, "study_plans.status = 'published' AND ");
            query.filter(of_organizations(conn, managed, "").or(above).or(mine))
        }
    };
    if let Some(tenant) = filter.tenant {
        query = query.filter(study_plans::tenant_id.eq(tenant));
    }
    if let Some(organizations) = &filter.organizations {
        query = query.filter(of_organizations(conn, organizations, ""));
    }
    if let Some(status) = filter.status {
        query = query.filter(study_plans::status.eq(status));
    }
    query
}

/// The published plans that ask such a member and were due after `since`, the first to be due first.
pub fn list_asking(conn: &mut DbConnection, who: &Asked, since: Instant) -> QueryResult<Vec<PlanRow>> {
    study_plans::table
        .filter(asks(conn, who))
        .filter(study_plans::due_at.gt(since))
        .order((study_plans::due_at, study_plans::id))
        .load(conn)
}

pub fn list_by_id(conn: &mut DbConnection, ids: &[StudyPlanId]) -> QueryResult<Vec<PlanRow>> {
    study_plans::table
        .filter(study_plans::id.eq_any(ids.to_vec()))
        .load(conn)
}

const PLAN: &str = "id, tenant_id, organization_id, title, description, status, standings, due_on, due_at, grace_days, version, \
     created_at, created_by, updated_at, published_at, cancelled_at, cancel_reason";

/// The published plans that ask for one of these lessons.
pub fn list_with_lessons(conn: &mut DbConnection, lessons: &[LessonId]) -> QueryResult<Vec<PlanRow>> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql(format!(
            "SELECT {PLAN} FROM study_plans WHERE status = 'published' AND id IN \
             (SELECT plan_id FROM study_plan_lessons WHERE lesson_id {open}"
        ))
        .ids(lessons.iter().copied().collect())
        .sql(format!("{close}) ORDER BY id"))
        .load(conn)
}

/// Which of these members are excused from which of these plans.
pub fn list_excused(
    conn: &mut DbConnection,
    asked: &[(StudyPlanId, MemberId)],
) -> QueryResult<Vec<(StudyPlanId, MemberId)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql::Uuid)]
        plan_id: StudyPlanId,
        #[diesel(sql_type = sql::Uuid)]
        member_id: MemberId,
    }
    let query = PairQuery {
        condition: " AND ended_at IS NULL",
        ..PairQuery::of(
            "plan_id, member_id",
            "study_plan_excuses",
            ("plan_id", "member_id"),
        )
    };
    let rows: Vec<Row> = query.load(conn, asked)?;
    Ok(rows.into_iter().map(|row| (row.plan_id, row.member_id)).collect())
}
