//! Rows and queries of templates and of the days that were made of them.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::EventTemplateId;
use crate::auth::AccountId;
use crate::events::EventId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{event_template_days, event_templates, organizations};
use crate::platform::db::{DbConnection, Instant, Json, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = event_templates, treat_none_as_null = true)]
pub struct TemplateRow {
    pub id: EventTemplateId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub title: String,
    pub description: String,
    pub place: String,
    pub forms: Json,
    pub expected: Json,
    pub rule: String,
    pub starts_on: NaiveDate,
    pub starts_at_min: i32,
    pub duration_s: i32,
    pub time_zone: String,
    pub ahead_days: i32,
    pub publish: bool,
    pub sign_up: Option<Json>,
    pub version: i32,
    pub created_at: Instant,
    pub created_by: AccountId,
    pub updated_at: Instant,
    pub ended_at: Option<Instant>,
    pub ended_by: Option<AccountId>,
    pub last_error: Option<String>,
    /// None: `created_by`. A server of before this column writes none.
    pub written_by: Option<AccountId>,
    pub last_error_field: Option<String>,
}

impl TemplateRow {
    /// With whose rights its occurrences are made.
    pub fn author(&self) -> AccountId {
        self.written_by.unwrap_or(self.created_by)
    }
}

/// Why a run has made nothing: a code, and the field that it could make nothing of.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = event_templates, treat_none_as_null = true)]
pub struct Failure {
    pub last_error: Option<&'static str>,
    pub last_error_field: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable)]
#[diesel(table_name = event_template_days)]
pub struct DayRow {
    pub template_id: EventTemplateId,
    pub on_day: NaiveDate,
    pub tenant_id: OrganizationId,
    pub event_id: Option<EventId>,
    pub reason: Option<String>,
    pub created_at: Instant,
}

pub fn insert_template(conn: &mut DbConnection, row: &TemplateRow) -> QueryResult<usize> {
    diesel::insert_into(event_templates::table)
        .values(row)
        .execute(conn)
}

pub fn find_template(conn: &mut DbConnection, id: EventTemplateId) -> QueryResult<Option<TemplateRow>> {
    event_templates::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends: of two that make its days one waits.
pub fn lock_template(conn: &mut DbConnection, id: EventTemplateId) -> QueryResult<Option<TemplateRow>> {
    let query = format!("SELECT * FROM event_templates WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// Writes the whole row, which the caller holds locked.
pub fn update_template(conn: &mut DbConnection, row: &TemplateRow) -> QueryResult<usize> {
    diesel::update(event_templates::table.find(row.id))
        .set(row)
        .execute(conn)
}

/// Why the last run has made nothing; the default when it has.
pub fn set_failure(conn: &mut DbConnection, id: EventTemplateId, failure: &Failure) -> QueryResult<usize> {
    diesel::update(event_templates::table.find(id))
        .set(failure)
        .execute(conn)
}

/// Of one organization, the oldest first.
pub fn list_templates(
    conn: &mut DbConnection,
    organization: OrganizationId,
    page: &Page<EventTemplateId>,
) -> QueryResult<Found<TemplateRow>> {
    let all = || event_templates::table.filter(event_templates::organization_id.eq(organization));
    let count = page.count.then(|| all().count().get_result(conn));
    let mut query = all().order(event_templates::id).limit(page.fetch()).into_boxed();
    if let Some(after) = page.after {
        query = query.filter(event_templates::id.gt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// Those that have not ended.
pub fn list_active(conn: &mut DbConnection) -> QueryResult<Vec<EventTemplateId>> {
    let living = organizations::table
        .filter(organizations::archived_at.is_null())
        .select(organizations::id);
    event_templates::table
        .filter(event_templates::ended_at.is_null())
        .filter(event_templates::organization_id.eq_any(living))
        .order(event_templates::id)
        .select(event_templates::id)
        .load(conn)
}

pub fn insert_day(conn: &mut DbConnection, row: &DayRow) -> QueryResult<usize> {
    diesel::insert_into(event_template_days::table)
        .values(row)
        .execute(conn)
}

/// What has become of the days from then on.
pub fn list_days(conn: &mut DbConnection, id: EventTemplateId, from: NaiveDate) -> QueryResult<Vec<DayRow>> {
    event_template_days::table
        .filter(event_template_days::template_id.eq(id))
        .filter(event_template_days::on_day.ge(from))
        .order(event_template_days::on_day)
        .load(conn)
}
