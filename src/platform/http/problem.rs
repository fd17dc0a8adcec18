//! RFC 9457 problem documents, in the caller's language, for our errors and the framework's alike.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LANGUAGE, CONTENT_RANGE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

use crate::platform::error::{AppError, Code, FieldError, Language};

/// The shape of every 4xx and 5xx answer. Each `code` may add members of its own.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "only its schema is used; the document is written member by member"
)]
pub struct Problem {
    #[schema(example = "https://zhibu.example.org/errors/already_checked_in")]
    r#type: String,
    title: String,
    #[schema(example = 409)]
    status: u16,
    /// Stable: programs go by it.
    #[schema(example = "already_checked_in")]
    code: String,
    /// For people, in the language of Accept-Language.
    detail: String,
    request_id: String,
    /// Present when fields are wrong: all of them at once.
    errors: Option<Vec<FieldError>>,
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The frame writes the document, because it knows the request's language and id; this is the bare status.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

/// Whom a problem is told to: in which language, about which request, and below which address its `type` stands.
#[derive(Debug, Clone, Copy)]
pub struct Listener<'a> {
    pub public_url: &'a str,
    pub language: Language,
    pub request_id: &'a str,
}

pub fn problem_response(error: &AppError, to: Listener<'_>) -> HttpResponse {
    let (code, language) = (error.code(), to.language);
    let mut document = json!({
        "type": format!("{}/errors/{}", to.public_url, code.wire()),
        "title": title(code),
        "status": code.status(),
        "code": code.wire(),
        "detail": code.text(language),
        "request_id": to.request_id,
    });
    if let Value::Object(members) = &mut document {
        if !error.errors().is_empty() {
            members.insert("errors".into(), json!(error.errors()));
        }
        for (name, value) in error.members() {
            members.insert(name.clone(), value.clone());
        }
    }
    let mut response = HttpResponse::build(error.status_code());
    response.insert_header((CONTENT_LANGUAGE, language.tag()));
    if let Some(seconds) = error.retry_after_s() {
        // Spread the repeats of a crowd that was refused together.
        response.insert_header((
            RETRY_AFTER,
            (seconds + u64::from(rand::random::<u8>() % 2)).to_string(),
        ));
        if let Some(limit) = error.limit() {
            // draft-ietf-httpapi-ratelimit-headers: names are strings, quantities integers, windows in seconds.
            let (name, quota, window_s) = (limit.name, limit.quota, limit.window.as_secs());
            response.insert_header(("ratelimit-policy", format!("\"{name}\";q={quota};w={window_s}")));
            response.insert_header(("ratelimit", format!("\"{name}\";r=0;t={seconds}")));
        }
    }
    if code == Code::Unauthorized {
        response.insert_header(("www-authenticate", "Bearer"));
    }
    if code == Code::RangeNotSatisfiable
        && let Some(size) = error.members().get("size_bytes")
    {
        response.insert_header((CONTENT_RANGE, format!("bytes */{size}")));
    }
    response
        .content_type("application/problem+json")
        .body(document.to_string())
}

/// The wire code in words: the same for every language, as RFC 9457 wants it for one type.
pub(super) fn title(code: Code) -> String {
    let words = code.wire().replace('_', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
