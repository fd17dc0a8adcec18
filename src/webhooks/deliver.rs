//! Sending: one attempt at a message, signed, and what follows from its answer.

use std::sync::Arc;

use serde_json::json;

use super::rules::{self, GIVE_UP_S};
use super::service::secrets_of;
use super::store::{self, DeliveryRow, WebhookRow};
use super::{DeliveryId, address};
use crate::platform::clock::Clock;
use crate::platform::config::WebhookConfig;
use crate::platform::db::{AnyId, Db, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::platform::ids::Ids;
use crate::platform::jobs::{Fate, Handlers, Job, NewJob, enqueue_toward};
use crate::platform::keys::Keys;

const JOB: &str = "webhooks.deliver";

pub fn enqueue_delivery(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    row: &DeliveryRow,
) -> AppResult<()> {
    let job = NewJob {
        tenant: AnyId(row.tenant_id.0),
        kind: JOB,
        key: None,
        payload: json!({ "delivery_id": row.id }),
        run_at: row.next_at.unwrap_or(now),
    };
    Ok(enqueue_toward(conn, ids, now, &job, AnyId(row.webhook_id.0))?)
}

/// Registers the job.
pub fn handle(handlers: &mut Handlers, sender: Sender) {
    handlers.outside(JOB, move |job| {
        let sender = sender.clone();
        async move { sender.deliver(job).await }
    });
}

#[derive(Clone)]
pub struct Sender {
    db: Db,
    clock: Clock,
    keys: Arc<Keys>,
    client: reqwest::Client,
    allow_private: bool,
}

/// What came of an attempt: a status, or why there was none.
type Response = Result<u16, String>;

impl Sender {
    pub fn new(db: Db, clock: Clock, keys: Arc<Keys>, config: &WebhookConfig) -> reqwest::Result<Self> {
        // `main` has installed it; what calls us from elsewhere may not have.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            db,
            clock,
            keys,
            client: address::client(config.timeout, config.allow_private)?,
            allow_private: config.allow_private,
        })
    }

    async fn deliver(&self, job: Job) -> AppResult<Fate> {
        let id = job.payload.0.get("delivery_id").cloned().unwrap_or_default();
        let id: DeliveryId = serde_json::from_value(id)
            .map_err(|error| AppError::internal(format!("unreadable job: {error}")))?;
        let read = move |conn: &mut _| {
            let delivery = store::find_delivery(conn, id)?;
            Ok(match delivery {
                Some(row) => store::find_webhook(conn, row.webhook_id)?.map(|webhook| (webhook, row)),
                None => None,
            })
        };
        // Forgotten, or sent by whoever had this job before.
        let Some((webhook, delivery)) = self.db.read_fresh(read).await? else {
            return Ok(Fate::Done);
        };
        if delivery.status != "pending" {
            return Ok(Fate::Done);
        }
        let response = if webhook.disabled_at.is_some() {
            Err("the webhook was disabled".to_owned())
        } else {
            self.post(&webhook, &delivery).await
        };
        let now = self.clock.now();
        let record = move |conn: &mut _| record(conn, now, &delivery, response.clone());
        self.db.write(record).await
    }

    async fn post(&self, webhook: &WebhookRow, delivery: &DeliveryRow) -> Response {
        let now = self.clock.now();
        let secrets = secrets_of(&self.keys, webhook, now);
        if secrets.is_empty() {
            return Err("the server key of its secret is gone: make a new secret".to_owned());
        }
        let url =
            address::check_url(&webhook.url, self.allow_private).map_err(|(_, words)| words.to_owned())?;
        let id = format!("msg_{}", delivery.id.0.simple());
        let sent = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.seconds().to_string())
            .header(
                "webhook-signature",
                rules::sign(&secrets, &id, now.seconds(), &delivery.body),
            )
            .body(delivery.body.clone())
            .send()
            .await;
        match sent {
            // Nothing is read of the body: it is nobody's business here, and may be endless.
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(reason(&error)),
        }
    }
}

/// The last cause tells; the address stays out of it, for its query may hold a secret.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(200).collect()
}

fn record(conn: &mut DbConnection, now: Instant, seen: &DeliveryRow, response: Response) -> AppResult<Fate> {
    // Locked, as by whoever redelivers or disables.
    let Some(mut webhook) = store::lock_webhook(conn, seen.webhook_id)? else {
        return Ok(Fate::Done);
    };
    let Some(mut row) = store::find_delivery(conn, seen.id)? else {
        return Ok(Fate::Done);
    };
    row.attempts = seen.attempts + 1;
    row.attempted_at = Some(now);
    row.response_status = response.as_ref().ok().map(|status| i32::from(*status));
    row.error = response.as_ref().err().cloned();
    row.next_at = None;
    let fate = if matches!(response, Ok(200..=299)) {
        "delivered".clone_into(&mut row.status);
        webhook.failing_since = None;
        Fate::Done
    } else {
        let why = row
            .error
            .clone()
            .unwrap_or_else(|| format!("answered {}", response.unwrap_or_default()));
        let since = *webhook.failing_since.get_or_insert(now);
        // 410 Gone: the receiver asks not to be sent to any more.
        if row.response_status == Some(410) {
            disable(&mut webhook, now, "answered 410 Gone");
        } else if now >= since.plus_s(GIVE_UP_S) {
            disable(&mut webhook, now, "has failed for five days");
        }
        match rules::next_attempt(row.attempts, now).filter(|_| webhook.disabled_at.is_none()) {
            Some(at) => {
                row.next_at = Some(at);
                Fate::Again(at, why)
            }
            None => {
                "failed".clone_into(&mut row.status);
                Fate::Done
            }
        }
    };
    store::update_delivery(conn, &row)?;
    store::update_webhook(conn, &webhook)?;
    Ok(fate)
}

fn disable(webhook: &mut WebhookRow, now: Instant, reason: &str) {
    if webhook.disabled_at.is_none() {
        webhook.disabled_at = Some(now);
        webhook.disabled_reason = Some(reason.to_owned());
        webhook.version += 1;
        webhook.updated_at = now;
    }
}
