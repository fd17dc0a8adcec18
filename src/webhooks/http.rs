//! `/organizations/{id}/webhooks`, `/webhooks/{id}` and what was sent.

use actix_web::{HttpRequest, delete, get, post, put, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::address::check_url;
use super::rules::write_secret;
use super::service::{self, WriteWebhook, kinds_of};
use super::store::{DeliveryRow, WebhookRow};
use super::{DeliveryId, WebhookId};
use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::notices::Kind;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::http::{Answer, IdPath, Json, List, Once, PageQuery, Query, Tagged, if_match};
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(list_webhooks)
        .service(create_webhook)
        .service(find_webhook)
        .service(update_webhook)
        .service(delete_webhook)
        .service(rotate_webhook_secret)
        .service(ping_webhook)
        .service(list_webhook_deliveries)
        .service(redeliver_webhook_delivery);
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
enum Words {
    #[serde(rename = "en")]
    En,
    #[default]
    #[serde(rename = "zh-Hans")]
    ZhHans,
    #[serde(rename = "zh-Hant")]
    ZhHant,
}

impl From<Words> for Language {
    fn from(words: Words) -> Self {
        match words {
            Words::En => Self::En,
            Words::ZhHans => Self::ZhHans,
            Words::ZhHant => Self::ZhHant,
        }
    }
}

impl From<Language> for Words {
    fn from(language: Language) -> Self {
        match language {
            Language::En => Self::En,
            Language::ZhHans => Self::ZhHans,
            Language::ZhHant => Self::ZhHant,
        }
    }
}

/// Where the notices of an organization's people are sent.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WriteWebhook, example = json!({"url": "https://gateway.example.org/zhibu", "description": "短信網關", "kinds": ["sign_up_promoted", "event_cancelled"]}))]
struct WebhookBody {
    /// https, on the public internet.
    url: String,
    #[serde(default)]
    description: String,
    /// Of the words in messages.
    #[serde(default)]
    language: Words,
    /// Empty: all kinds.
    #[serde(default)]
    kinds: Vec<Kind>,
}

impl Check for WebhookBody {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/url", &mut self.url, 1, 1_000);
        problems.line("/description", &mut self.description, 0, 200);
        self.kinds.sort_unstable_by_key(|kind| kind.as_str());
        self.kinds.dedup();
    }
}

/// What the settings of this server allow is known here only.
fn wanted(app: &App, body: WebhookBody) -> AppResult<WriteWebhook> {
    check_url(&body.url, app.config.webhooks.allow_private)
        .map_err(|(code, words)| AppError::invalid_field("/url", code, words))?;
    Ok(WriteWebhook {
        url: body.url,
        description: body.description,
        language: body.language.into(),
        kinds: body.kinds,
    })
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
struct WebhookView {
    id: WebhookId,
    organization_id: OrganizationId,
    url: String,
    description: String,
    language: Words,
    kinds: Vec<Kind>,
    version: i32,
    created_at: Instant,
    /// Since then every attempt has failed; after five days it is disabled.
    failing_since: Option<Instant>,
    disabled_at: Option<Instant>,
    disabled_reason: Option<String>,
}

impl From<WebhookRow> for WebhookView {
    fn from(row: WebhookRow) -> Self {
        Self {
            language: service::language_of(&row).into(),
            kinds: kinds_of(&row),
            id: row.id,
            organization_id: row.organization_id,
            url: row.url,
            description: row.description,
            version: row.version,
            created_at: row.created_at,
            failing_since: row.failing_since,
            disabled_at: row.disabled_at,
            disabled_reason: row.disabled_reason,
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct WebhookSecretView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Verify messages with it, by a library of standardwebhooks.com. Only the write that makes it shows it, and its repeats.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// What is kept of a write for its repeat: not the secret, but which one it is.
#[derive(Serialize, Deserialize)]
struct KeptSecret {
    id: WebhookId,
    key_id: String,
    secret_no: i32,
}

impl KeptSecret {
    fn of(row: &WebhookRow) -> Self {
        Self {
            id: row.id,
            key_id: row.key_id.clone(),
            secret_no: row.secret_no,
        }
    }
}

/// The webhook as it is now, for who manages it still, with the secret that the write has made.
async fn shown(app: &App, who: Actor, kept: Answer) -> AppResult<Answer> {
    let (
        ctx,
        KeptSecret {
            id,
            key_id,
            secret_no,
        },
    ) = (app.ctx(who), kept.kept()?);
    let read = move |conn: &mut _| service::view_webhook(conn, &ctx, id);
    let row = app.db.read_fresh(read).await?;
    let secret = service::secret(&app.keys, id, &key_id, secret_no)
        .ok_or_else(|| AppError::internal("the server key of a new secret is gone"))?;
    let version = row.version;
    let view = WebhookSecretView {
        webhook: row.into(),
        secret: write_secret(&secret),
    };
    Ok(kept.showing(&view)?.version(version))
}

/// A message, and how far it has come.
#[derive(Serialize, utoipa::ToSchema)]
struct DeliveryView {
    /// Sent as `webhook-id`, after `msg_` and without hyphens: the same in each attempt.
    id: DeliveryId,
    webhook_id: WebhookId,
    /// notices.created or ping.
    #[serde(rename = "type")]
    #[schema(example = "notices.created")]
    kind: String,
    /// pending, delivered or failed.
    #[schema(example = "delivered")]
    status: String,
    created_at: Instant,
    attempts: i32,
    next_at: Option<Instant>,
    attempted_at: Option<Instant>,
    /// What the last attempt was answered.
    response_status: Option<i32>,
    error: Option<String>,
}

impl From<DeliveryRow> for DeliveryView {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            webhook_id: row.webhook_id,
            kind: row.type_,
            status: row.status,
            created_at: row.created_at,
            attempts: row.attempts,
            next_at: row.next_at,
            attempted_at: row.attempted_at,
            response_status: row.response_status,
            error: row.error,
        }
    }
}

/// List where an organization has notices sent, the oldest first.
#[utoipa::path(tag = "webhooks", params(("id" = OrganizationId, Path), PageQuery), responses((status = 200, body = List<WebhookView>)))]
#[get("/organizations/{id}/webhooks")]
async fn list_webhooks(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<WebhookView>>> {
    let (ctx, page) = (app.ctx(who.0), query.0.page::<WebhookId>()?);
    let asked = page.clone();
    let read = move |conn: &mut _| service::list_webhooks(conn, &ctx, id.0, &asked);
    let found = app.db.read(read).await?;
    Ok(Tagged(page.list(
        found,
        |row: &WebhookRow| row.id,
        WebhookView::from,
    )))
}

/// Have the notices of an organization's people, and of all below it, sent to an address: signed as Standard Webhooks
/// says, at most a hundred notices a message, repeated for three days until it is answered with 2xx. A message may come
/// twice: its `webhook-id` tells. Ten of an organization send at most.
#[utoipa::path(tag = "webhooks", params(("id" = OrganizationId, Path)), request_body = WebhookBody, responses((status = 201, body = WebhookSecretView), (status = 409, description = "too_many_webhooks")))]
#[post("/organizations/{id}/webhooks")]
async fn create_webhook(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    once: Once<WebhookBody>,
) -> AppResult<Answer> {
    let (keys, wanted) = (app.keys.clone(), wanted(&app, once.body)?);
    let create = move |conn: &mut _, ctx: &_| {
        let row = service::create_webhook(conn, ctx, &keys, id.0, &wanted)?;
        Ok(Answer::created(&KeptSecret::of(&row))?.at(format!("/api/v1/webhooks/{}", row.id)))
    };
    let kept = app.write_once(who.0.clone(), once.key, create).await?;
    shown(&app, who.0, kept).await
}

/// Find a webhook.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookId, Path)), responses((status = 200, body = WebhookView)))]
#[get("/webhooks/{id}")]
async fn find_webhook(app: web::Data<App>, who: SignedIn, id: IdPath<WebhookId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    answer(
        app.db
            .read(move |conn| service::view_webhook(conn, &ctx, id.0))
            .await?,
    )
}

fn answer(row: WebhookRow) -> AppResult<Answer> {
    let version = row.version;
    Ok(Answer::ok(&WebhookView::from(row))?.version(version))
}

/// Write a webhook whole. One that was disabled sends again. Needs `If-Match`.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookId, Path)), request_body = WebhookBody, responses((status = 200, body = WebhookView), (status = 409, description = "too_many_webhooks"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[put("/webhooks/{id}")]
async fn update_webhook(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<WebhookId>,
    request: HttpRequest,
    body: Json<WebhookBody>,
) -> AppResult<Answer> {
    let (ctx, version, wanted) = (app.ctx(who.0), if_match(&request)?, wanted(&app, body.0)?);
    let update = move |conn: &mut _| service::update_webhook(conn, &ctx, id.0, version, &wanted);
    answer(app.db.write(update).await?)
}

/// Disable a webhook: nothing more is sent. It stays on record, with what was sent.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookId, Path)), responses((status = 200, body = WebhookView)))]
#[delete("/webhooks/{id}")]
async fn delete_webhook(app: web::Data<App>, who: SignedIn, id: IdPath<WebhookId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    answer(
        app.db
            .write(move |conn| service::disable_webhook(conn, &ctx, id.0))
            .await?,
    )
}

/// Make a new secret. For a day messages bear a signature by the old one too. Needs `If-Match`, so that whoever has not got
/// the answer makes no second one: that would end the only secret which the receiver knows. A repeat with the same
/// `Idempotency-Key` is told the same secret.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookId, Path)), responses((status = 200, body = WebhookSecretView), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[post("/webhooks/{id}/rotate-secret")]
async fn rotate_webhook_secret(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<WebhookId>,
    request: HttpRequest,
    once: Once<()>,
) -> AppResult<Answer> {
    let (keys, version) = (app.keys.clone(), if_match(&request)?);
    let rotate = move |conn: &mut _, ctx: &_| {
        Answer::ok(&KeptSecret::of(&service::rotate_secret(
            conn, ctx, &keys, id.0, version,
        )?))
    };
    let kept = app.write_once(who.0.clone(), once.key, rotate).await?;
    shown(&app, who.0, kept).await
}

/// Send a message of type `ping`, to see whether it arrives.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookId, Path)), responses((status = 201, body = DeliveryView), (status = 409, description = "webhook_disabled")))]
#[post("/webhooks/{id}/ping")]
async fn ping_webhook(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<WebhookId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        Answer::created(&DeliveryView::from(service::ping(conn, ctx, id.0)?))
    })
    .await
}

/// List what was sent, the newest first. It is forgotten after ninety days.
#[utoipa::path(tag = "webhooks", params(("id" = WebhookId, Path), PageQuery), responses((status = 200, body = List<DeliveryView>)))]
#[get("/webhooks/{id}/deliveries")]
async fn list_webhook_deliveries(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<WebhookId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<DeliveryView>>> {
    let (ctx, page) = (app.ctx(who.0), query.0.page::<DeliveryId>()?);
    let asked = page.clone();
    let read = move |conn: &mut _| service::list_deliveries(conn, &ctx, id.0, &asked);
    let found = app.db.read(read).await?;
    Ok(Tagged(page.list(
        found,
        |row: &DeliveryRow| row.id,
        DeliveryView::from,
    )))
}

/// Send once more what had failed for good.
#[utoipa::path(tag = "webhooks", params(("id" = DeliveryId, Path)), responses((status = 200, body = DeliveryView), (status = 409, description = "delivery_not_failed, webhook_disabled")))]
#[post("/webhook-deliveries/{id}/redeliver")]
async fn redeliver_webhook_delivery(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<DeliveryId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        Answer::ok(&DeliveryView::from(service::redeliver(conn, ctx, id.0)?))
    })
    .await
}
