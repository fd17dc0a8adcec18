//! Answers, and the ETag that a client sends back: `If-Match` with an edit, `If-None-Match` with a poll.

use actix_web::body::BoxBody;
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Responder};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::platform::error::{AppError, AppResult, Code};

/// What a write answers, or a read of one thing; in this form a write's is also kept for a repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    /// The version of a thing that counts them.
    pub etag: Option<String>,
    pub location: Option<String>,
    pub replayed: bool,
}

impl Answer {
    pub fn ok(view: &impl Serialize) -> AppResult<Self> {
        Self::with_status(200, view)
    }

    pub fn created(view: &impl Serialize) -> AppResult<Self> {
        Self::with_status(201, view)
    }

    pub fn no_content() -> Self {
        Self {
            status: 204,
            body: String::new(),
            etag: None,
            location: None,
            replayed: false,
        }
    }

    fn with_status(status: u16, view: &impl Serialize) -> AppResult<Self> {
        let body = serde_json::to_string(view).map_err(|error| AppError::internal(error.to_string()))?;
        Ok(Self {
            status,
            body,
            etag: None,
            location: None,
            replayed: false,
        })
    }

    /// What was kept of a write whose answer shows more than may be kept: a secret, or what is erased one day.
    pub fn kept<T: DeserializeOwned>(&self) -> AppResult<T> {
        serde_json::from_str(&self.body)
            .map_err(|error| AppError::internal(format!("an unreadable answer was kept: {error}")))
    }

    /// The same answer with this to show.
    pub fn showing(mut self, view: &impl Serialize) -> AppResult<Self> {
        self.body = serde_json::to_string(view).map_err(|error| AppError::internal(error.to_string()))?;
        Ok(self)
    }

    /// For a thing that counts its versions.
    #[must_use]
    pub fn version(mut self, version: i32) -> Self {
        self.etag = Some(version.to_string());
        self
    }

    /// Where the new thing is, as a path.
    #[must_use]
    pub fn at(mut self, path: String) -> Self {
        self.location = Some(path);
        self
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        if let Some(version) = &self.etag {
            // What is shown may change without a new version (an organization's name in a member): so both.
            let tag = format!("\"{version}-{}\"", digest(self.body.as_bytes()));
            if request.method() == Method::GET && has_tag(request, &tag) {
                return not_modified(tag);
            }
            response.insert_header((ETAG, tag));
        }
        if let Some(location) = self.location {
            response.insert_header((LOCATION, location));
        }
        if self.replayed {
            response.insert_header(("idempotency-replayed", "true"));
        }
        if self.body.is_empty() {
            response.finish()
        } else {
            response.content_type("application/json").body(self.body)
        }
    }
}

/// The version a client has read, from `If-Match`: 428 when there is none. `*` means whatever is there.
pub fn if_match(request: &HttpRequest) -> AppResult<Option<i32>> {
    let value = request.headers().get(IF_MATCH).ok_or(Code::VersionRequired)?;
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.trim_start_matches("W/").trim_matches('"');
    // An edit is judged by the version alone.
    let version = tag.split('-').next().unwrap_or(tag);
    let version = version.parse().map_err(|_| Code::VersionMismatch)?;
    // The version after it must be a number still.
    if version == i32::MAX {
        Err(Code::VersionMismatch.into())
    } else {
        Ok(Some(version))
    }
}

/// A read that a phone polls: 304 when what it has is still right.
pub struct Tagged<T>(pub T);

impl<T: Serialize> Responder for Tagged<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match Rendered::of(&self.0) {
            Ok(rendered) => rendered.respond_to(request),
            Err(error) => HttpResponse::from_error(error),
        }
    }
}

/// A `Tagged` view that is written once and answered to many.
#[derive(Debug, Clone)]
pub struct Rendered {
    body: Bytes,
    tag: String,
}

impl Rendered {
    pub fn of(view: &impl Serialize) -> AppResult<Self> {
        let body =
            serde_json::to_vec(view).map_err(|_| AppError::internal("a view that cannot be written"))?;
        Ok(Self {
            // Weak: the compressed forms of one body share it.
            tag: format!("W/\"{}\"", digest(&body)),
            body: body.into(),
        })
    }
}

impl Responder for Rendered {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        if has_tag(request, &self.tag) {
            return not_modified(self.tag);
        }
        HttpResponse::Ok()
            .insert_header((ETAG, self.tag))
            .insert_header((CACHE_CONTROL, POLLED))
            .content_type("application/json")
            .body(self.body)
    }
}

/// Kept by the one who asked, and asked about each time.
const POLLED: &str = "private, no-cache";

fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body).get(..12).unwrap_or_default())
}

fn not_modified(tag: String) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, POLLED))
        .finish()
}

/// Does `If-None-Match` name this tag?
pub fn has_tag(request: &HttpRequest, tag: &str) -> bool {
    let mut values = request.headers().get_all(IF_NONE_MATCH);
    values.any(|value| matches(value, tag))
}

fn matches(value: &HeaderValue, tag: &str) -> bool {
    let text = value.to_str().unwrap_or_default();
    let opaque = tag.trim_start_matches("W/");
    text.split(',')
        .map(|t| t.trim().trim_start_matches("W/"))
        .any(|t| t == opaque || t == "*")
}
