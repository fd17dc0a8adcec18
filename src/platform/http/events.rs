//! Server-Sent Events.

use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::Stream;

use crate::platform::error::{AppError, AppResult};

/// A stream that neither caches nor proxies hold back.
pub fn event_stream(stream: impl Stream<Item = AppResult<Bytes>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("content-encoding", "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming::<_, AppError>(stream)
}
