//! `Idempotency-Key` (IETF draft): the answer of a write is committed together with its effect, so a repeat finds it.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use crate::platform::db::AnyId;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use diesel::prelude::*;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::body::{JSON_LIMIT, parse, read_limited, require_json};
use crate::platform::db::schema::idempotency_keys;
use crate::platform::db::{DbConnection, Instant, delete_some};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::fault;
use crate::platform::text::Check;

/// A checked JSON body that is applied at most once per `Idempotency-Key`. Without the header it is applied each time.
pub struct Once<T> {
    pub body: T,
    pub key: Key,
}

#[derive(Clone)]
pub struct Key(Option<Sent>);

#[derive(Clone)]
struct Sent {
    key: String,
    route: String,
    fingerprint: Vec<u8>,
}

impl<T: DeserializeOwned + Check + 'static> FromRequest for Once<T> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = AppResult<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read_limited(&request, payload, JSON_LIMIT).await?;
            // A write without fields may come without a body, or with an empty object.
            let without_fields = std::mem::size_of::<T>() == 0;
            let json: &[u8] = match bytes.trim_ascii() {
                b"" | b"{}" if without_fields => b"null",
                b"" => b"{}",
                _ => &bytes,
            };
            if !bytes.is_empty() {
                require_json(&request)?;
            }
            Ok(Self {
                key: Key::from_request(&request, &bytes)?,
                body: parse(json)?,
            })
        })
    }
}

/// The same for a body that is no JSON. It is unread: whoever may not send it is told so first.
pub struct OnceBytes {
    request: HttpRequest,
    payload: Payload,
}

impl FromRequest for OnceBytes {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            request: request.clone(),
            payload: payload.take(),
        }))
    }
}

impl OnceBytes {
    /// At most `limit` bytes of one of these media types, and the key of them.
    pub async fn read(self, types: &[&str], limit: usize) -> AppResult<(Bytes, Key)> {
        let content_type = self.request.headers().get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !types.iter().any(|taken| essence.eq_ignore_ascii_case(taken)) {
            return Err(Code::UnsupportedMediaType.into());
        }
        let bytes = read_limited(&self.request, self.payload, limit).await?;
        let key = Key::from_request(&self.request, &bytes)?;
        Ok((bytes, key))
    }
}

impl Key {
    /// For bodies that are not JSON: the caller has read the bytes.
    pub fn from_request(request: &HttpRequest, body: &[u8]) -> AppResult<Self> {
        let Some(header) = request.headers().get("idempotency-key") else {
            return Ok(Self(None));
        };
        let key = header
            .to_str()
            .unwrap_or_default()
            .trim()
            .trim_matches('"')
            .to_owned();
        if key.is_empty() || key.len() > 255 {
            return Err(AppError::invalid_field(
                "Idempotency-Key",
                "malformed",
                "is not 1 to 255 visible characters",
            ));
        }
        let route = format!("{} {}", request.method(), request.path());
        let mut fingerprint = Sha256::new();
        for part in [route.as_bytes(), request.query_string().as_bytes(), body] {
            fingerprint.update((part.len() as u64).to_be_bytes());
            fingerprint.update(part);
        }
        Ok(Self(Some(Sent {
            key,
            route,
            fingerprint: fingerprint.finalize().to_vec(),
        })))
    }

    /// Does `work` and keeps its answer in the same transaction, or gives the answer that was kept.
    /// A repeat that arrives while the first is running waits for its commit.
    pub fn once(
        &self,
        conn: &mut DbConnection,
        account: AnyId,
        now: Instant,
        work: impl FnOnce(&mut DbConnection) -> AppResult<Answer>,
    ) -> AppResult<Answer> {
        let Some(sent) = &self.0 else { return work(conn) };
        fault::point("idempotency::before_row");
        if !insert_placeholder(conn, account, sent, now)? {
            return replay(conn, account, sent);
        }
        let answer = work(conn)?;
        store_answer(conn, account, sent, &answer)?;
        fault::point("idempotency::after_row");
        Ok(answer)
    }

    /// The answer that was kept: for whoever would do much before the transaction of `once`, which asks again.
    pub fn kept(&self, conn: &mut DbConnection, account: AnyId) -> AppResult<Option<Answer>> {
        match &self.0 {
            Some(sent) => find_answer(conn, account, sent),
            None => Ok(None),
        }
    }
}

fn insert_placeholder(
    conn: &mut DbConnection,
    account: AnyId,
    sent: &Sent,
    now: Instant,
) -> QueryResult<bool> {
    use crate::platform::db::sql;
    use diesel::sql_types::{Binary, Text};
    let inserted = diesel::sql_query(
        "INSERT INTO idempotency_keys (account_id, route, key, fingerprint, status, body, created_at) \
         VALUES ($1, $2, $3, $4, 0, '', $5) ON CONFLICT DO NOTHING",
    )
    .bind::<sql::Uuid, _>(account)
    .bind::<Text, _>(&sent.route)
    .bind::<Text, _>(&sent.key)
    .bind::<Binary, _>(&sent.fingerprint)
    .bind::<sql::Instant, _>(now)
    .execute(conn)?;
    Ok(inserted == 1)
}

type Stored = (Vec<u8>, i32, String, Option<String>, Option<String>);

fn replay(conn: &mut DbConnection, account: AnyId, sent: &Sent) -> AppResult<Answer> {
    // Swept since the conflict told of it: the next attempt is the first.
    find_answer(conn, account, sent)?.ok_or_else(AppError::again)
}

fn find_answer(conn: &mut DbConnection, account: AnyId, sent: &Sent) -> AppResult<Option<Answer>> {
    use idempotency_keys::dsl as k;
    let stored: Option<Stored> = k::idempotency_keys
        .find((account, &sent.route, &sent.key))
        .select((k::fingerprint, k::status, k::body, k::etag, k::location))
        .first(conn)
        .optional()?;
    let Some((fingerprint, status, body, etag, location)) = stored else {
        return Ok(None);
    };
    if fingerprint != sent.fingerprint {
        return Err(Code::IdempotencyKeyReused.into());
    }
    let status = u16::try_from(status).unwrap_or(200);
    Ok(Some(Answer {
        status,
        body,
        etag,
        location,
        replayed: true,
    }))
}

fn store_answer(conn: &mut DbConnection, account: AnyId, sent: &Sent, answer: &Answer) -> QueryResult<usize> {
    use idempotency_keys::dsl as k;
    diesel::update(k::idempotency_keys.find((account, &sent.route, &sent.key)))
        .set((
            k::status.eq(i32::from(answer.status)),
            k::body.eq(&answer.body),
            k::etag.eq(&answer.etag),
            k::location.eq(&answer.location),
        ))
        .execute(conn)
}

/// Forgets some of the answers that are older than a day.
pub fn sweep_keys(conn: &mut DbConnection, now: Instant) -> QueryResult<usize> {
    let key = "account_id, route, key";
    delete_some(
        conn,
        "idempotency_keys",
        key,
        "created_at < $1",
        now.plus_s(-86_400),
    )
}
