//! Rows and queries of budgets, expenses and their sums.

use chrono::NaiveDate;
use diesel::dsl::sql as fragment;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Date, Integer, Text};

use super::ExpenseId;
use super::rules::ExpenseStatus;
use crate::auth::AccountId;
use crate::events::EventId;
use crate::media::MediaId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{
    event_budget_lines, event_budgets, events, expenses, media_files, organization_budget_lines,
    organization_budgets,
};
use crate::platform::db::{DbConnection, Instant, LiteralCondition, MultiBackend, UuidList, sql};
use crate::platform::page::{Found, Page};

/// A year of an organization.
#[derive(Debug, Clone, Queryable, Insertable, AsChangeset, QueryableByName)]
#[diesel(table_name = organization_budgets)]
pub struct BudgetRow {
    pub organization_id: OrganizationId,
    pub year: i32,
    pub tenant_id: OrganizationId,
    pub currency: String,
    pub version: i32,
    pub updated_at: Instant,
    pub updated_by: AccountId,
}

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = event_budgets)]
pub struct EventBudgetRow {
    pub event_id: EventId,
    pub tenant_id: OrganizationId,
    pub currency: String,
    pub version: i32,
    pub updated_at: Instant,
    pub updated_by: AccountId,
}

/// A line of either kind of budget.
#[derive(Debug, Clone, Queryable)]
pub struct LineRow {
    pub category: String,
    pub amount_cents: i64,
    pub note: String,
}

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset, QueryableByName)]
#[diesel(table_name = expenses, treat_none_as_null = true)]
pub struct ExpenseRow {
    pub id: ExpenseId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub event_id: EventId,
    pub category: String,
    pub amount_cents: i64,
    pub currency: String,
    pub spent_on: NaiveDate,
    pub payee: String,
    pub note: String,
    pub receipt_media_id: Option<MediaId>,
    pub status: String,
    pub submitted_at: Instant,
    pub submitted_by: AccountId,
    pub decided_at: Option<Instant>,
    pub decided_by: Option<AccountId>,
    pub reason: Option<String>,
    pub annulled_at: Option<Instant>,
    pub annulled_by: Option<AccountId>,
    pub annul_reason: Option<String>,
}

impl ExpenseRow {
    pub fn status(&self) -> ExpenseStatus {
        ExpenseStatus::parse(&self.status).unwrap_or(ExpenseStatus::Annulled)
    }
}

pub fn find_budget(
    conn: &mut DbConnection,
    organization: OrganizationId,
    year: i32,
) -> QueryResult<Option<BudgetRow>> {
    organization_budgets::table
        .find((organization, year))
        .first(conn)
        .optional()
}

/// In their order.
pub fn list_budget_lines(
    conn: &mut DbConnection,
    organization: OrganizationId,
    year: i32,
) -> QueryResult<Vec<LineRow>> {
    use organization_budget_lines::dsl as l;
    l::organization_budget_lines
        .filter(l::organization_id.eq(organization))
        .filter(l::year.eq(year))
        .order(l::position)
        .select((l::category, l::amount_cents, l::note))
        .load(conn)
}

/// Writes a year's budget with its lines, in the place of what was there. The caller holds the organization.
pub fn save_budget(conn: &mut DbConnection, row: &BudgetRow, lines: &[LineRow]) -> QueryResult<()> {
    use organization_budget_lines::dsl as l;
    let changed = diesel::update(organization_budgets::table.find((row.organization_id, row.year)))
        .set(row)
        .execute(conn)?;
    if changed == 0 {
        diesel::insert_into(organization_budgets::table)
            .values(row)
            .execute(conn)?;
    }
    let old = l::organization_budget_lines
        .filter(l::organization_id.eq(row.organization_id))
        .filter(l::year.eq(row.year));
    diesel::delete(old).execute(conn)?;
    let line = |(position, line): (i32, &LineRow)| {
        (
            l::organization_id.eq(row.organization_id),
            l::year.eq(row.year),
            l::position.eq(position),
            l::tenant_id.eq(row.tenant_id),
            l::category.eq(line.category.clone()),
            l::amount_cents.eq(line.amount_cents),
            l::note.eq(line.note.clone()),
        )
    };
    let rows: Vec<_> = (0i32..).zip(lines).map(line).collect();
    let insert = diesel::insert_into(l::organization_budget_lines);
    match conn {
        DbConnection::Pg(c) => insert.values(rows).execute(c)?,
        DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
    };
    Ok(())
}

/// A year's budget and what its lines add up to.
#[derive(Debug, Clone, QueryableByName)]
pub struct BudgetTotalRow {
    #[diesel(embed)]
    pub budget: BudgetRow,
    #[diesel(sql_type = BigInt)]
    pub total_cents: i64,
}

/// The newest year first.
pub fn list_budgets(
    conn: &mut DbConnection,
    organization: OrganizationId,
    page: &Page<i32>,
) -> QueryResult<Found<BudgetTotalRow>> {
    let query = "SELECT b.*, (SELECT CAST(COALESCE(SUM(l.amount_cents), 0) AS BIGINT) FROM organization_budget_lines l \
                 WHERE l.organization_id = b.organization_id AND l.year = b.year) AS total_cents \
                 FROM organization_budgets b WHERE b.organization_id = $1 AND b.year < $2 ORDER BY b.year DESC LIMIT $3";
    let rows = diesel::sql_query(query)
        .bind::<sql::Uuid, _>(organization)
        .bind::<Integer, _>(page.after.unwrap_or(i32::MAX))
        .bind::<BigInt, _>(page.fetch())
        .load(conn)?;
    let of_organization =
        organization_budgets::table.filter(organization_budgets::organization_id.eq(organization));
    let count = page.count.then(|| of_organization.count().get_result(conn));
    Ok(Found {
        rows,
        count: count.transpose()?,
    })
}

pub fn find_event_budget(conn: &mut DbConnection, event: EventId) -> QueryResult<Option<EventBudgetRow>> {
    event_budgets::table.find(event).first(conn).optional()
}

/// In their order.
pub fn list_event_lines(conn: &mut DbConnection, event: EventId) -> QueryResult<Vec<LineRow>> {
    use event_budget_lines::dsl as l;
    l::event_budget_lines
        .filter(l::event_id.eq(event))
        .order(l::position)
        .select((l::category, l::amount_cents, l::note))
        .load(conn)
}

/// Writes an event's budget with its lines, in the place of what was there. The caller holds the event.
pub fn save_event_budget(
    conn: &mut DbConnection,
    row: &EventBudgetRow,
    lines: &[LineRow],
) -> QueryResult<()> {
    use event_budget_lines::dsl as l;
    let changed = diesel::update(event_budgets::table.find(row.event_id))
        .set(row)
        .execute(conn)?;
    if changed == 0 {
        diesel::insert_into(event_budgets::table)
            .values(row)
            .execute(conn)?;
    }
    diesel::delete(l::event_budget_lines.filter(l::event_id.eq(row.event_id))).execute(conn)?;
    let line = |(position, line): (i32, &LineRow)| {
        (
            l::event_id.eq(row.event_id),
            l::position.eq(position),
            l::tenant_id.eq(row.tenant_id),
            l::category.eq(line.category.clone()),
            l::amount_cents.eq(line.amount_cents),
            l::note.eq(line.note.clone()),
        )
    };
    let rows: Vec<_> = (0i32..).zip(lines).map(line).collect();
    let insert = diesel::insert_into(l::event_budget_lines);
    match conn {
        DbConnection::Pg(c) => insert.values(rows).execute(c)?,
        DbConnection::Sqlite(c) => insert.values(rows).execute(c)?,
    };
    Ok(())
}

/// A currency other than this one that the organization has planned or spent in, in a year that has these days and
/// instants.
pub fn find_other_currency(
    conn: &mut DbConnection,
    organization: OrganizationId,
    currency: &str,
    days: (NaiveDate, NaiveDate),
    instants: (Instant, Instant),
) -> QueryResult<Option<String>> {
    let counts = [
        ExpenseStatus::Submitted.as_str(),
        ExpenseStatus::Approved.as_str(),
    ];
    let spent = expenses::table
        .filter(expenses::organization_id.eq(organization))
        .filter(expenses::spent_on.ge(days.0))
        .filter(expenses::spent_on.lt(days.1))
        .filter(expenses::status.eq_any(counts))
        .filter(expenses::currency.ne(currency))
        .select(expenses::currency)
        .first(conn)
        .optional()?;
    if spent.is_some() {
        return Ok(spent);
    }
    event_budgets::table
        .inner_join(events::table.on(events::id.eq(event_budgets::event_id)))
        .filter(events::organization_id.eq(organization))
        .filter(events::starts_at.ge(instants.0))
        .filter(events::starts_at.lt(instants.1))
        .filter(events::status.ne("cancelled"))
        .filter(event_budgets::currency.ne(currency))
        // A plan of nothing is in no currency.
        .filter(diesel::dsl::exists(
            event_budget_lines::table.filter(event_budget_lines::event_id.eq(event_budgets::event_id)),
        ))
        .select(event_budgets::currency)
        .first(conn)
        .optional()
}

pub fn insert_expense(conn: &mut DbConnection, row: &ExpenseRow) -> QueryResult<usize> {
    diesel::insert_into(expenses::table).values(row).execute(conn)
}

pub fn find_expense(conn: &mut DbConnection, id: ExpenseId) -> QueryResult<Option<ExpenseRow>> {
    expenses::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_expense(conn: &mut DbConnection, id: ExpenseId) -> QueryResult<Option<ExpenseRow>> {
    let query = format!("SELECT * FROM expenses WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// Writes the whole row, which the caller holds locked.
pub fn update_expense(conn: &mut DbConnection, row: &ExpenseRow) -> QueryResult<usize> {
    diesel::update(expenses::table.find(row.id))
        .set(row)
        .execute(conn)
}

pub fn uses_file(conn: &mut DbConnection, file: MediaId) -> QueryResult<bool> {
    use diesel::dsl::exists;
    diesel::select(exists(
        expenses::table.filter(expenses::receipt_media_id.eq(file)),
    ))
    .get_result(conn)
}

/// Other expenses of these organizations, of all with none, that wait or were approved and have a receipt of these bytes.
pub fn list_of_receipt(
    conn: &mut DbConnection,
    expense: &ExpenseRow,
    organizations: Option<Vec<OrganizationId>>,
    sha256: &[u8],
    limit: i64,
) -> QueryResult<Vec<ExpenseId>> {
    let counts = [
        ExpenseStatus::Submitted.as_str(),
        ExpenseStatus::Approved.as_str(),
    ];
    let mut query = media_files::table
        .inner_join(expenses::table.on(expenses::receipt_media_id.eq(media_files::id.nullable())))
        .filter(media_files::tenant_id.eq(expense.tenant_id))
        .filter(media_files::sha256.eq(sha256))
        .filter(LiteralCondition("media_files.purpose = 'receipt'"))
        .filter(expenses::status.eq_any(counts))
        .filter(expenses::id.ne(expense.id))
        .order(expenses::id)
        .select(expenses::id)
        .limit(limit)
        .into_boxed();
    if let Some(organizations) = organizations {
        query = query.filter(expenses::organization_id.eq_any(organizations));
    }
    query.load(conn)
}

/// What a list of expenses is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct ExpenseFilter {
    pub event: Option<EventId>,
    pub organizations: Option<Vec<OrganizationId>>,
    /// From the first of these days on, and before the second.
    pub days: Option<(NaiveDate, NaiveDate)>,
    pub status: Option<&'static str>,
    pub category: Option<&'static str>,
    pub page: Page<ExpenseId>,
}

/// The newest first.
pub fn list_expenses(conn: &mut DbConnection, filter: &ExpenseFilter) -> QueryResult<Found<ExpenseRow>> {
    let page = &filter.page;
    let count = page
        .count
        .then(|| narrowed(conn, filter).count().get_result(conn));
    let mut query = narrowed(conn, filter)
        .order(expenses::id.desc())
        .limit(page.fetch());
    if let Some(id) = page.after {
        query = query.filter(expenses::id.lt(id));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

fn narrowed<'a>(conn: &DbConnection, filter: &ExpenseFilter) -> expenses::BoxedQuery<'a, MultiBackend> {
    let mut query = expenses::table.into_boxed();
    if let Some(event) = filter.event {
        query = query.filter(expenses::event_id.eq(event));
    }
    if let Some(organizations) = &filter.organizations {
        let (open, close) = conn.among_parts();
        query = query.filter(
            fragment::<Bool>(&format!("(expenses.organization_id {open}"))
                .bind::<sql::UuidList, _>(organizations.iter().copied().collect::<UuidList>())
                .sql(&format!("{close})")),
        );
    }
    if let Some((from, to)) = filter.days {
        query = query.filter(expenses::spent_on.ge(from).and(expenses::spent_on.lt(to)));
    }
    if let Some(status) = filter.status {
        query = query.filter(expenses::status.eq(status));
    }
    if let Some(category) = filter.category {
        query = query.filter(expenses::category.eq(category));
    }
    query
}

/// A sum that a query has made of a category, or of an organization; `kind` as `rules::Kind` reads it.
pub trait SumRow: QueryableByName<MultiBackend> + 'static {
    /// Which of the two columns it is split by.
    fn part(category: &'static str, organization: &'static str) -> &'static str;
}

#[derive(Debug, Clone, QueryableByName)]
pub struct CategorySum {
    #[diesel(sql_type = Text)]
    pub part: String,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = BigInt)]
    pub cents: i64,
}

impl SumRow for CategorySum {
    fn part(category: &'static str, _: &'static str) -> &'static str {
        category
    }
}

#[derive(Debug, Clone, QueryableByName)]
pub struct OrganizationSum {
    #[diesel(sql_type = sql::Uuid)]
    pub part: OrganizationId,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = BigInt)]
    pub cents: i64,
}

impl SumRow for OrganizationSum {
    fn part(_: &'static str, organization: &'static str) -> &'static str {
        organization
    }
}

/// What was submitted and approved by these organizations on days of a year.
pub fn sum_expenses<T: SumRow>(
    conn: &mut DbConnection,
    organizations: &UuidList,
    (from, to): (NaiveDate, NaiveDate),
) -> QueryResult<Vec<T>> {
    let part = T::part("category", "organization_id");
    let query = format!(
        "SELECT {part} AS part, currency, status AS kind, CAST(SUM(amount_cents) AS BIGINT) AS cents FROM expenses \
         WHERE organization_id {} AND spent_on >= $2 AND spent_on < $3 AND status IN ('submitted', 'approved') \
         GROUP BY {part}, currency, status",
        conn.among("$1")
    );
    diesel::sql_query(query)
        .bind::<sql::UuidList, _>(organizations)
        .bind::<Date, _>(from)
        .bind::<Date, _>(to)
        .load(conn)
}

/// What events of these organizations that begin in a year, and were not cancelled, are planned to cost.
pub fn sum_planned<T: SumRow>(
    conn: &mut DbConnection,
    organizations: &UuidList,
    (from, to): (Instant, Instant),
) -> QueryResult<Vec<T>> {
    let part = T::part("l.category", "e.organization_id");
    let query = format!(
        "SELECT {part} AS part, b.currency, 'planned' AS kind, CAST(SUM(l.amount_cents) AS BIGINT) AS cents \
         FROM events e JOIN event_budgets b ON b.event_id = e.id JOIN event_budget_lines l ON l.event_id = b.event_id \
         WHERE e.organization_id {} AND e.starts_at >= $2 AND e.starts_at < $3 AND e.status <> 'cancelled' \
         GROUP BY {part}, b.currency",
        conn.among("$1")
    );
    diesel::sql_query(query)
        .bind::<sql::UuidList, _>(organizations)
        .bind::<sql::Instant, _>(from)
        .bind::<sql::Instant, _>(to)
        .load(conn)
}

/// What these organizations may spend in a year.
pub fn sum_budgets<T: SumRow>(
    conn: &mut DbConnection,
    organizations: &UuidList,
    year: i32,
) -> QueryResult<Vec<T>> {
    let part = T::part("l.category", "l.organization_id");
    let query = format!(
        "SELECT {part} AS part, b.currency, 'budget' AS kind, CAST(SUM(l.amount_cents) AS BIGINT) AS cents \
         FROM organization_budgets b JOIN organization_budget_lines l \
         ON l.organization_id = b.organization_id AND l.year = b.year \
         WHERE b.organization_id {} AND b.year = $2 GROUP BY {part}, b.currency",
        conn.among("$1")
    );
    diesel::sql_query(query)
        .bind::<sql::UuidList, _>(organizations)
        .bind::<Integer, _>(year)
        .load(conn)
}
