//! Rows and queries of confirmed hours.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};

use super::ServiceHoursId;
use crate::attendance::CheckInId;
use crate::auth::AccountId;
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{events, service_hours};
use crate::platform::db::{DbConnection, Instant, UuidList, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = service_hours)]
pub struct HoursRow {
    pub id: ServiceHoursId,
    pub tenant_id: OrganizationId,
    pub event_id: EventId,
    pub member_id: MemberId,
    pub organization_id: OrganizationId,
    pub check_in_id: CheckInId,
    pub served_on: NaiveDate,
    pub year: i32,
    pub minutes: i32,
    pub proposed_minutes: Option<i32>,
    pub reason: Option<String>,
    pub confirmed_at: Instant,
    pub confirmed_by: AccountId,
    pub annulled_at: Option<Instant>,
    pub annulled_by: Option<AccountId>,
    pub annul_reason: Option<String>,
}

/// In statements of bounded size.
pub fn insert_hours(conn: &mut DbConnection, rows: &[HoursRow]) -> QueryResult<()> {
    for some in rows.chunks(1_000) {
        match conn {
            DbConnection::Sqlite(c) => diesel::insert_into(service_hours::table)
                .values(some)
                .execute(c)?,
            DbConnection::Pg(c) => diesel::insert_into(service_hours::table)
                .values(some)
                .execute(c)?,
        };
    }
    Ok(())
}

pub fn find_hours(conn: &mut DbConnection, id: ServiceHoursId) -> QueryResult<Option<HoursRow>> {
    service_hours::table.find(id).first(conn).optional()
}

/// What stands of an event.
pub fn list_of_event(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<HoursRow>> {
    service_hours::table
        .filter(service_hours::event_id.eq(event))
        .filter(service_hours::annulled_at.is_null())
        .load(conn)
}

/// Who takes something back, when and why.
#[derive(AsChangeset)]
#[diesel(table_name = service_hours)]
pub struct Annulment<'a> {
    pub annulled_at: Instant,
    pub annulled_by: AccountId,
    pub annul_reason: &'a str,
}

pub fn annul_hours(
    conn: &mut DbConnection,
    id: ServiceHoursId,
    annulment: &Annulment<'_>,
) -> QueryResult<bool> {
    diesel::update(service_hours::table.find(id))
        .filter(service_hours::annulled_at.is_null())
        .set(annulment)
        .execute(conn)
        .map(|changed| changed == 1)
}

/// What stands under a check-in.
pub fn list_under(conn: &mut DbConnection, check_in: CheckInId) -> QueryResult<Vec<HoursRow>> {
    service_hours::table
        .filter(service_hours::check_in_id.eq(check_in))
        .filter(service_hours::annulled_at.is_null())
        .load(conn)
}

pub fn annul_hours_under(
    conn: &mut DbConnection,
    check_in: CheckInId,
    annulment: &Annulment<'_>,
) -> QueryResult<usize> {
    diesel::update(service_hours::table)
        .filter(service_hours::check_in_id.eq(check_in))
        .filter(service_hours::annulled_at.is_null())
        .set(annulment)
        .execute(conn)
}

pub fn annul_hours_at(
    conn: &mut DbConnection,
    event: EventId,
    annulment: &Annulment<'_>,
) -> QueryResult<usize> {
    diesel::update(service_hours::table)
        .filter(service_hours::event_id.eq(event))
        .filter(service_hours::annulled_at.is_null())
        .set(annulment)
        .execute(conn)
}

/// A member's hours with the events' titles, the newest first.
pub fn list_of_member(
    conn: &mut DbConnection,
    member: MemberId,
    year: Option<i32>,
    page: &Page<(NaiveDate, ServiceHoursId)>,
) -> QueryResult<Found<(HoursRow, String)>> {
    let of_member = || {
        let mut query = service_hours::table
            .inner_join(events::table.on(events::id.eq(service_hours::event_id)))
            .filter(service_hours::member_id.eq(member))
            .filter(service_hours::annulled_at.is_null())
            .into_boxed();
        if let Some(year) = year {
            query = query.filter(service_hours::year.eq(year));
        }
        query
    };
    let count = page.count.then(|| of_member().count().get_result(conn));
    let mut query = of_member()
        .order((service_hours::served_on.desc(), service_hours::id.desc()))
        .limit(page.fetch());
    if let Some((day, id)) = page.after {
        query = query.filter(
            service_hours::served_on
                .lt(day)
                .or(service_hours::served_on.eq(day).and(service_hours::id.lt(id))),
        );
    }
    Ok(Found {
        rows: query
            .select((service_hours::all_columns, events::title))
            .load(conn)?,
        count: count.transpose()?,
    })
}

/// A year of a member.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct YearRow {
    #[diesel(sql_type = Integer)]
    pub year: i32,
    #[diesel(sql_type = BigInt)]
    pub minutes: i64,
    #[diesel(sql_type = BigInt)]
    pub events: i64,
}

/// The newest year first.
pub fn list_years(conn: &mut DbConnection, member: MemberId) -> QueryResult<Vec<YearRow>> {
    diesel::sql_query(
        "SELECT year, CAST(sum(minutes) AS BIGINT) AS minutes, count(*) AS events FROM service_hours \
         WHERE member_id = $1 AND annulled_at IS NULL GROUP BY year ORDER BY year DESC",
    )
    .bind::<sql::Uuid, _>(member)
    .load(conn)
}

/// What a member of a subtree has in a year.
#[derive(Debug, Clone, QueryableByName)]
pub struct TotalRow {
    #[diesel(sql_type = sql::Uuid)]
    pub member_id: MemberId,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub employee_no: Option<String>,
    #[diesel(sql_type = sql::Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(sql_type = Text)]
    pub organization_name: String,
    #[diesel(sql_type = BigInt)]
    pub minutes: i64,
    #[diesel(sql_type = BigInt)]
    pub events: i64,
}

/// Members of these organizations who have hours of that year, by name.
pub fn list_totals(
    conn: &mut DbConnection,
    organizations: &[OrganizationId],
    year: i32,
    page: &Page<(String, MemberId)>,
) -> QueryResult<Found<TotalRow>> {
    let ids = || organizations.iter().copied().collect::<UuidList>();
    let of_year = format!(
        "FROM members m JOIN service_hours h ON h.member_id = m.id JOIN organizations o ON o.id = m.organization_id \
         WHERE m.organization_id {} AND h.year = $2 AND h.annulled_at IS NULL",
        conn.among("$1")
    );
    let count = match page.count {
        false => None,
        true => {
            #[derive(QueryableByName)]
            struct Count {
                #[diesel(sql_type = BigInt)]
                n: i64,
            }
            let query = format!("SELECT count(DISTINCT m.id) AS n {of_year}");
            let counted: Count = diesel::sql_query(query)
                .bind::<sql::UuidList, _>(ids())
                .bind::<Integer, _>(year)
                .get_result(conn)?;
            Some(counted.n)
        }
    };
    // Nobody's name is empty: from the beginning is after nothing.
    let (name, id) = page
        .after
        .clone()
        .unwrap_or((String::new(), MemberId(uuid::Uuid::nil())));
    let query = format!(
        "SELECT m.id AS member_id, m.name, m.employee_no, m.organization_id, o.name AS organization_name, \
         CAST(sum(h.minutes) AS BIGINT) AS minutes, count(*) AS events {of_year} AND (m.name, m.id) > ($3, $4) \
         GROUP BY m.id, m.name, m.employee_no, m.organization_id, o.name ORDER BY m.name, m.id LIMIT {}",
        page.fetch()
    );
    let rows = diesel::sql_query(query)
        .bind::<sql::UuidList, _>(ids())
        .bind::<Integer, _>(year)
        .bind::<Text, _>(name)
        .bind::<sql::Uuid, _>(id)
        .load(conn)?;
    Ok(Found { rows, count })
}
