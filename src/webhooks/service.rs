//! Webhooks as they are set up, and messages as they are put on their way.

use std::collections::BTreeMap;

use serde_json::json;

use super::rules::{self, OVERLAP_S};
use super::store::{self, DeliveryRow, WebhookRow};
use super::{DeliveryId, WebhookId, deliver};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events::EventId;
use crate::members::{self, MemberId};
use crate::notices::{Kind, NoticeData, words};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult, Code, Language};
use crate::platform::ids::Ids;
use crate::platform::keys::Keys;
use crate::platform::page::{Found, Page};

/// A notice on its way to the outside.
#[derive(Debug, Clone)]
pub struct Message {
    pub notice: uuid::Uuid,
    pub member: MemberId,
    pub kind: Kind,
    pub event: Option<EventId>,
    pub data: NoticeData,
    /// Not before then.
    pub send_at: Instant,
}

/// Notices a message: what a receiver reads at once.
const TOGETHER: usize = 100;
/// That send for one organization. Each notice is written for each of them, and of those above, in the transaction that made
/// it: by the lanes, too, which are everybody's.
const MOST: i64 = 10;

/// Writes what is to be sent to whoever asked for it, in the transaction of the notices. One statement when nobody did.
pub fn send(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    tenant: OrganizationId,
    messages: &[Message],
) -> AppResult<()> {
    let webhooks = store::list_enabled(conn, tenant)?;
    if webhooks.is_empty() || messages.is_empty() {
        return Ok(());
    }
    let people: Vec<MemberId> = messages.iter().map(|message| message.member).collect();
    let people = members::briefs(conn, &people)?;
    for webhook in &webhooks {
        let kinds = kinds_of(webhook);
        let is_meant = |message: &&Message| {
            let person = people.get(&message.member);
            (kinds.is_empty() || kinds.contains(&message.kind))
                && person.is_some_and(|person| person.line().contains(&webhook.organization_id.0))
        };
        // What may ring at the same time goes together.
        let mut by_time: BTreeMap<Instant, Vec<&Message>> = BTreeMap::new();
        for message in messages.iter().filter(is_meant) {
            by_time.entry(message.send_at).or_default().push(message);
        }
        for (send_at, messages) in by_time {
            for some in messages.chunks(TOGETHER) {
                put_on_its_way(conn, ids, now, webhook, send_at, some)?;
            }
        }
    }
    Ok(())
}

fn put_on_its_way(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    webhook: &WebhookRow,
    send_at: Instant,
    messages: &[&Message],
) -> AppResult<()> {
    let language = language_of(webhook);
    let notice = |message: &&Message| {
        let (headline, text) = words(message.kind, language, &message.data);
        json!({
            "id": message.notice, "kind": message.kind, "member_id": message.member, "event_id": message.event,
            "headline": headline, "text": text,
        })
    };
    let notices: Vec<_> = messages.iter().map(notice).collect();
    let body = json!({ "type": "notices.created", "timestamp": now, "data": { "notices": notices } });
    let row = delivery(ids, now, webhook, "notices.created", send_at, body);
    store::insert_delivery(conn, &row)?;
    deliver::enqueue_delivery(conn, ids, now, &row)
}

fn delivery(
    ids: &Ids,
    now: Instant,
    webhook: &WebhookRow,
    kind: &str,
    send_at: Instant,
    body: serde_json::Value,
) -> DeliveryRow {
    DeliveryRow {
        id: ids.make(),
        tenant_id: webhook.tenant_id,
        webhook_id: webhook.id,
        type_: kind.to_owned(),
        body: body.to_string(),
        created_at: now,
        attempts: 0,
        status: "pending".to_owned(),
        next_at: Some(send_at),
        attempted_at: None,
        response_status: None,
        error: None,
    }
}

/// Empty: all.
pub fn kinds_of(row: &WebhookRow) -> Vec<Kind> {
    serde_json::from_value(row.kinds.0.clone()).unwrap_or_default()
}

pub fn language_of(row: &WebhookRow) -> Language {
    Language::negotiate(&row.language)
}

/// The secrets that sign for a webhook now, the newest first. A server key that is gone signs no more.
pub fn secrets_of(keys: &Keys, row: &WebhookRow, now: Instant) -> Vec<[u8; 32]> {
    let old = match (&row.old_key_id, row.old_secret_until) {
        (Some(key_id), Some(until)) if now < until => secret(keys, row.id, key_id, row.secret_no - 1),
        _ => None,
    };
    secret(keys, row.id, &row.key_id, row.secret_no)
        .into_iter()
        .chain(old)
        .collect()
}

/// The `no`-th secret of a webhook: derived, so that it can be told again to whoever has not got the answer.
pub fn secret(keys: &Keys, id: WebhookId, key_id: &str, no: i32) -> Option<[u8; 32]> {
    let set = keys.all().find(|set| set.id == key_id)?;
    Some(set.webhook.tag(&[id.0.as_bytes(), &no.to_be_bytes()]))
}

/// What is wanted of a webhook.
#[derive(Debug, Clone)]
pub struct WriteWebhook {
    pub url: String,
    pub description: String,
    pub language: Language,
    pub kinds: Vec<Kind>,
}

pub fn create_webhook(
    conn: &mut DbConnection,
    ctx: &Ctx,
    keys: &Keys,
    organization: OrganizationId,
    wanted: &WriteWebhook,
) -> AppResult<WebhookRow> {
    let organization = organizations::require_locked(conn, ctx, organization, Right::ManageOrganization)?;
    require_room(conn, organization.id)?;
    let row = WebhookRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        url: wanted.url.clone(),
        description: wanted.description.clone(),
        language: wanted.language.tag().to_owned(),
        kinds: Json(json!(wanted.kinds)),
        key_id: keys.current.id.clone(),
        secret_no: 1,
        old_key_id: None,
        old_secret_until: None,
        version: 1,
        created_at: ctx.now,
        created_by: ctx.actor.account,
        updated_at: ctx.now,
        failing_since: None,
        disabled_at: None,
        disabled_reason: None,
    };
    store::insert_webhook(conn, &row)?;
    note(conn, ctx, "webhook.create", &row)?;
    Ok(row)
}

/// Call it with the organization locked: whoever makes one at the same moment counts it.
fn require_room(conn: &mut DbConnection, organization: OrganizationId) -> AppResult<()> {
    if store::count_enabled(conn, organization)? >= MOST {
        return Err(Code::TooManyWebhooks.into());
    }
    Ok(())
}

/// The address alone is on record of it: a query may hold a secret of the receiver's.
fn note(conn: &mut DbConnection, ctx: &Ctx, action: &str, row: &WebhookRow) -> AppResult<()> {
    let address = row.url.split(['?', '#']).next().unwrap_or_default();
    let detail = json!({ "url": address, "kinds": row.kinds.0, "disabled": row.disabled_at.is_some() });
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}

pub fn list_webhooks(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    page: &Page<WebhookId>,
) -> AppResult<Found<WebhookRow>> {
    let organization = organizations::require_ever(conn, ctx, organization, Right::ManageOrganization)?;
    Ok(store::list_webhooks(conn, organization.id, page)?)
}

/// One of an archived organization too, for those above it: what it has still to send can be read, and ended.
pub fn view_webhook(conn: &mut DbConnection, ctx: &Ctx, id: WebhookId) -> AppResult<WebhookRow> {
    let row = store::find_webhook(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require_ever(conn, ctx, row.organization_id, Right::ManageOrganization)?;
    Ok(row)
}

/// To be changed, locked until the transaction ends. `version` is what the caller has read; none means 'whatever is
/// there'.
fn hold(conn: &mut DbConnection, ctx: &Ctx, id: WebhookId, version: Option<i32>) -> AppResult<WebhookRow> {
    let row = view_webhook(conn, ctx, id)?;
    organizations::require(conn, ctx, row.organization_id, Right::ManageOrganization)?;
    lock(conn, id, version)
}

fn lock(conn: &mut DbConnection, id: WebhookId, version: Option<i32>) -> AppResult<WebhookRow> {
    let row = store::lock_webhook(conn, id)?.ok_or_else(AppError::not_found)?;
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    Ok(row)
}

/// Writes it whole. One that had been ended sends again; one that is like that stays as it is.
pub fn update_webhook(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: WebhookId,
    version: Option<i32>,
    wanted: &WriteWebhook,
) -> AppResult<WebhookRow> {
    let seen = view_webhook(conn, ctx, id)?;
    let was_disabled = seen.disabled_at.is_some();
    if was_disabled {
        organizations::require_locked(conn, ctx, seen.organization_id, Right::ManageOrganization)?;
        require_room(conn, seen.organization_id)?;
    }
    let mut row = hold(conn, ctx, id, version)?;
    if row.disabled_at.is_some() && !was_disabled {
        return Err(AppError::again());
    }
    let before = row.clone();
    row.url.clone_from(&wanted.url);
    row.description.clone_from(&wanted.description);
    wanted.language.tag().clone_into(&mut row.language);
    row.kinds = Json(json!(wanted.kinds));
    row.disabled_at = None;
    row.disabled_reason = None;
    row.failing_since = None;
    if row == before {
        return Ok(row);
    }
    save(conn, ctx, "webhook.update", row)
}

/// Sends no more. What was sent stays on record.
pub fn disable_webhook(conn: &mut DbConnection, ctx: &Ctx, id: WebhookId) -> AppResult<WebhookRow> {
    view_webhook(conn, ctx, id)?;
    let mut row = lock(conn, id, None)?;
    if row.disabled_at.is_some() {
        return Ok(row);
    }
    row.disabled_at = Some(ctx.now);
    row.disabled_reason = Some("by an administrator".to_owned());
    save(conn, ctx, "webhook.disable", row)
}

/// A new secret. The one before it signs beside it for a day, so that the receiver can be changed without a gap; it has to
/// be the one that the receiver knows, so whoever asks says which version they have read.
pub fn rotate_secret(
    conn: &mut DbConnection,
    ctx: &Ctx,
    keys: &Keys,
    id: WebhookId,
    version: Option<i32>,
) -> AppResult<WebhookRow> {
    let mut row = hold(conn, ctx, id, version)?;
    row.old_key_id = Some(std::mem::replace(&mut row.key_id, keys.current.id.clone()));
    row.old_secret_until = Some(ctx.now.plus_s(OVERLAP_S));
    row.secret_no += 1;
    save(conn, ctx, "webhook.rotate_secret", row)
}

fn save(conn: &mut DbConnection, ctx: &Ctx, action: &str, mut row: WebhookRow) -> AppResult<WebhookRow> {
    row.version += 1;
    row.updated_at = ctx.now;
    store::update_webhook(conn, &row)?;
    note(conn, ctx, action, &row)?;
    Ok(row)
}

/// Sends a message without a notice in it, to see whether it arrives.
pub fn ping(conn: &mut DbConnection, ctx: &Ctx, id: WebhookId) -> AppResult<DeliveryRow> {
    let row = hold(conn, ctx, id, None)?;
    require_enabled(&row)?;
    let body = json!({ "type": "ping", "timestamp": ctx.now, "data": {} });
    note(conn, ctx, "webhook.ping", &row)?;
    let row = delivery(&ctx.ids, ctx.now, &row, "ping", ctx.now, body);
    store::insert_delivery(conn, &row)?;
    deliver::enqueue_delivery(conn, &ctx.ids, ctx.now, &row)?;
    Ok(row)
}

fn require_enabled(row: &WebhookRow) -> AppResult<()> {
    if row.disabled_at.is_some() {
        return Err(Code::WebhookDisabled.into());
    }
    Ok(())
}

pub fn list_deliveries(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: WebhookId,
    page: &Page<DeliveryId>,
) -> AppResult<Found<DeliveryRow>> {
    let row = view_webhook(conn, ctx, id)?;
    Ok(store::list_deliveries(conn, row.id, page)?)
}

/// Sends once more what was given up.
pub fn redeliver(conn: &mut DbConnection, ctx: &Ctx, id: DeliveryId) -> AppResult<DeliveryRow> {
    let found = store::find_delivery(conn, id)?.ok_or_else(AppError::not_found)?;
    let webhook = hold(conn, ctx, found.webhook_id, None)?;
    require_enabled(&webhook)?;
    // Read again: under the webhook's lock nobody else sends it once more.
    let mut row = store::find_delivery(conn, id)?.ok_or_else(AppError::not_found)?;
    if row.status != "failed" {
        return Err(Code::DeliveryNotFailed.into());
    }
    "pending".clone_into(&mut row.status);
    row.attempts = 0;
    row.next_at = Some(ctx.now);
    store::update_delivery(conn, &row)?;
    note(conn, ctx, "webhook.redeliver", &webhook)?;
    deliver::enqueue_delivery(conn, &ctx.ids, ctx.now, &row)?;
    Ok(row)
}

/// Takes a member's notices out of what was sent, or is still to be: the others' stay.
pub fn forget(conn: &mut DbConnection, tenant: OrganizationId, member: MemberId) -> AppResult<()> {
    for (id, body) in store::list_mentions(conn, tenant, &member.to_string())? {
        store::set_body(conn, id, &rules::without(&body, &member.to_string()))?;
    }
    Ok(())
}
