//! The frame around every request: its id, its span and log line, its metrics, its bounds, and problem documents.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{ACCEPT_LANGUAGE, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use tracing::Instrument;

use super::fenced::fenced;
use super::pieces::in_pieces;
use super::problem::{Listener, problem_response};
use crate::platform::db::Fence;
use crate::platform::error::{AppError, Code, Language};
use crate::platform::ids::Ids;

const HEADER_LIMIT: usize = 16 * 1024;

/// What the frame needs, as app data.
#[derive(Clone, Default)]
pub struct Frame {
    pub ids: Ids,
    /// Where we are reached; the `type` of a problem is an address below it.
    pub public_url: Arc<str>,
}

#[derive(Debug, Clone)]
pub struct RequestId(pub String);

tokio::task_local! {
    /// The id of the request that this task answers, for whoever writes it down (the audit log).
    static CURRENT: Arc<str>;
}

/// None outside of a request.
pub fn current_request_id() -> Option<Arc<str>> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The language a request asks for.
pub fn language(request: &HttpRequest) -> Language {
    let header = request
        .headers()
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    header.map(Language::negotiate).unwrap_or_default()
}

pub async fn frame(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = std::time::Instant::now();
    let frame = request
        .app_data::<web::Data<Frame>>()
        .map(|frame| frame.get_ref().clone())
        .unwrap_or_default();
    let id = frame.ids.make::<uuid::Uuid>().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let span = tracing::info_span!("request", request_id = %id);

    // No clone of the request may live across the call: the router needs it for itself.
    let to = Listener {
        public_url: &frame.public_url,
        language: language(request.request()),
        request_id: &id,
    };
    let mut response = if header_bytes(&request) > HEADER_LIMIT {
        request.into_response(problem_response(&Code::HeadersTooLarge.into(), to))
    } else {
        let answered = async {
            let response = next.call(request).await?;
            Ok(response.map_body(|_, body| fenced(body.boxed())))
        };
        let answered = Fence::around(answered.instrument(span.clone()));
        match CURRENT.scope(Arc::from(id.as_str()), answered).await {
            Ok(response) => explain(response, to),
            Err(error) => {
                let problem = as_problem(&error, to);
                return Err(InternalError::from_response(error, problem).into());
            }
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-request-id"), value);
    }
    response.headers_mut().insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );

    let route = response
        .request()
        .match_pattern()
        .unwrap_or_else(|| "none".into());
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    metrics::histogram!("zhibu_http_request_seconds", "method" => label(&method), "route" => route.clone(), "status" => status.to_string())
        .record(elapsed.as_secs_f64());
    // The route, not the path: a check-in code in a path is a secret for some seconds.
    span.in_scope(
        || tracing::info!(target: "zhibu::access", %method, %route, status, ms = elapsed.as_millis() as u64, "answered"),
    );
    Ok(response.map_body(|_, body| in_pieces(body)))
}

/// A metric's labels are kept for good: a method that somebody made up must not add one.
fn label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn header_bytes(request: &ServiceRequest) -> usize {
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    headers + request.uri().to_string().len()
}

/// An error that left a handler, or a bare error status of the framework, becomes a problem document.
fn explain(response: ServiceResponse<BoxBody>, to: Listener<'_>) -> ServiceResponse<BoxBody> {
    if !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let written = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"application/problem+json"));
    if written {
        return response;
    }
    let allow = response.headers().get(ALLOW).cloned();
    let problem = match response.response().error() {
        Some(error) => as_problem(error, to),
        None => problem_response(&by_status(response.status()), to),
    };
    let (request, _) = response.into_parts();
    let mut response = ServiceResponse::new(request, problem);
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn as_problem(error: &Error, to: Listener<'_>) -> actix_web::HttpResponse {
    let own = error.as_error::<AppError>();
    let framework;
    let error = match own {
        Some(own) => own,
        None => {
            framework = by_status(error.as_response_error().status_code()).caused_by(error.to_string());
            &framework
        }
    };
    match error.code().status() {
        // Whoever asks again is served: in a rush these are many.
        503 => tracing::warn!(request_id = to.request_id, %error, "answered 503"),
        500.. => tracing::error!(request_id = to.request_id, %error, "answered with a server error"),
        _ => {}
    }
    problem_response(error, to)
}

fn by_status(status: StatusCode) -> AppError {
    match status.as_u16() {
        401 => Code::Unauthorized,
        403 => Code::Forbidden,
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        406 => Code::NotAcceptable,
        408 => Code::RequestTimeout,
        413 => Code::TooLarge,
        415 => Code::UnsupportedMediaType,
        431 => Code::HeadersTooLarge,
        429 => Code::RateLimited,
        503 => Code::Overloaded,
        400..=499 => Code::BadRequest,
        _ => Code::Internal,
    }
    .into()
}
