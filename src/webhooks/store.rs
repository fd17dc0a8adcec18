//! Rows and queries of webhooks and of what was sent to them.

use diesel::prelude::*;

use super::{DeliveryId, WebhookId};
use crate::auth::AccountId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::{webhook_deliveries, webhooks};
use crate::platform::db::{DbConnection, Instant, Json, SWEPT_AT_ONCE, delete_some, sql};
use crate::platform::page::{Found, Page};

#[derive(Debug, Clone, PartialEq, Queryable, QueryableByName, Insertable, AsChangeset)]
#[diesel(table_name = webhooks, treat_none_as_null = true)]
pub struct WebhookRow {
    pub id: WebhookId,
    pub tenant_id: OrganizationId,
    pub organization_id: OrganizationId,
    pub url: String,
    pub description: String,
    pub language: String,
    pub kinds: Json,
    pub key_id: String,
    pub secret_no: i32,
    pub old_key_id: Option<String>,
    pub old_secret_until: Option<Instant>,
    pub version: i32,
    pub created_at: Instant,
    pub created_by: AccountId,
    pub updated_at: Instant,
    pub failing_since: Option<Instant>,
    pub disabled_at: Option<Instant>,
    pub disabled_reason: Option<String>,
}

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = webhook_deliveries, treat_none_as_null = true)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub tenant_id: OrganizationId,
    pub webhook_id: WebhookId,
    pub type_: String,
    pub body: String,
    pub created_at: Instant,
    pub attempts: i32,
    pub status: String,
    pub next_at: Option<Instant>,
    pub attempted_at: Option<Instant>,
    pub response_status: Option<i32>,
    pub error: Option<String>,
}

pub fn insert_webhook(conn: &mut DbConnection, row: &WebhookRow) -> QueryResult<usize> {
    diesel::insert_into(webhooks::table).values(row).execute(conn)
}

pub fn find_webhook(conn: &mut DbConnection, id: WebhookId) -> QueryResult<Option<WebhookRow>> {
    webhooks::table.find(id).first(conn).optional()
}

/// The row, locked until the transaction ends.
pub fn lock_webhook(conn: &mut DbConnection, id: WebhookId) -> QueryResult<Option<WebhookRow>> {
    let query = format!("SELECT * FROM webhooks WHERE id = $1{}", conn.for_update());
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(id)
        .get_result(conn)
        .optional()
}

/// Writes the whole row, which the caller holds locked.
pub fn update_webhook(conn: &mut DbConnection, row: &WebhookRow) -> QueryResult<usize> {
    diesel::update(webhooks::table.find(row.id))
        .set(row)
        .execute(conn)
}

/// Of one organization, the oldest first.
pub fn list_webhooks(
    conn: &mut DbConnection,
    organization: OrganizationId,
    page: &Page<WebhookId>,
) -> QueryResult<Found<WebhookRow>> {
    let all = || webhooks::table.filter(webhooks::organization_id.eq(organization));
    let count = page.count.then(|| all().count().get_result(conn));
    let mut query = all().order(webhooks::id).limit(page.fetch()).into_boxed();
    if let Some(after) = page.after {
        query = query.filter(webhooks::id.gt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// Those of a tenant that are to be sent to.
pub fn list_enabled(conn: &mut DbConnection, tenant: OrganizationId) -> QueryResult<Vec<WebhookRow>> {
    webhooks::table
        .filter(webhooks::tenant_id.eq(tenant))
        .filter(webhooks::disabled_at.is_null())
        .load(conn)
}

pub fn insert_delivery(conn: &mut DbConnection, row: &DeliveryRow) -> QueryResult<usize> {
    diesel::insert_into(webhook_deliveries::table)
        .values(row)
        .execute(conn)
}

pub fn find_delivery(conn: &mut DbConnection, id: DeliveryId) -> QueryResult<Option<DeliveryRow>> {
    webhook_deliveries::table.find(id).first(conn).optional()
}

/// How it goes with it; what is sent stays.
pub fn update_delivery(conn: &mut DbConnection, row: &DeliveryRow) -> QueryResult<usize> {
    use webhook_deliveries::dsl as d;
    diesel::update(d::webhook_deliveries.find(row.id))
        .set((
            d::attempts.eq(row.attempts),
            d::status.eq(&row.status),
            d::next_at.eq(row.next_at),
            d::attempted_at.eq(row.attempted_at),
            d::response_status.eq(row.response_status),
            d::error.eq(&row.error),
        ))
        .execute(conn)
}

/// What has this text in it.
pub fn list_mentions(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    text: &str,
) -> QueryResult<Vec<(DeliveryId, String)>> {
    webhook_deliveries::table
        .filter(webhook_deliveries::tenant_id.eq(tenant))
        .filter(webhook_deliveries::body.like(format!("%{text}%")))
        .select((webhook_deliveries::id, webhook_deliveries::body))
        .load(conn)
}

pub fn set_body(conn: &mut DbConnection, id: DeliveryId, body: &str) -> QueryResult<usize> {
    diesel::update(webhook_deliveries::table.find(id))
        .set(webhook_deliveries::body.eq(body))
        .execute(conn)
}

/// The newest first.
pub fn list_deliveries(
    conn: &mut DbConnection,
    webhook: WebhookId,
    page: &Page<DeliveryId>,
) -> QueryResult<Found<DeliveryRow>> {
    let all = || webhook_deliveries::table.filter(webhook_deliveries::webhook_id.eq(webhook));
    let count = page.count.then(|| all().count().get_result(conn));
    let mut query = all()
        .order(webhook_deliveries::id.desc())
        .limit(page.fetch())
        .into_boxed();
    if let Some(after) = page.after {
        query = query.filter(webhook_deliveries::id.lt(after));
    }
    Ok(Found {
        rows: query.load(conn)?,
        count: count.transpose()?,
    })
}

/// Some of those that were written before then.
pub fn delete_some_before(conn: &mut DbConnection, before: Instant) -> QueryResult<usize> {
    delete_some(conn, "webhook_deliveries", "id", "created_at < $1", before)
}

/// Some of those whose next attempt was due before then have failed: nobody makes it any more, for their job was given up.
pub fn give_up_some(conn: &mut DbConnection, before: Instant) -> QueryResult<usize> {
    // The status stands there as a word, for only so the index is found.
    diesel::sql_query(
        "UPDATE webhook_deliveries SET status = 'failed', next_at = NULL WHERE id IN \
         (SELECT id FROM webhook_deliveries WHERE status = 'pending' AND next_at < $1 LIMIT $2)",
    )
    .bind::<sql::Instant, _>(before)
    .bind::<diesel::sql_types::BigInt, _>(SWEPT_AT_ONCE)
    .execute(conn)
}

pub fn count_enabled(conn: &mut DbConnection, organization: OrganizationId) -> QueryResult<i64> {
    webhooks::table
        .filter(webhooks::organization_id.eq(organization))
        .filter(webhooks::disabled_at.is_null())
        .count()
        .get_result(conn)
}
