//! `/uploads` (tus 1.0), `/media`, and the bytes themselves.

mod serve;
mod tus;
mod views;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{ACCEPT_ENCODING, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use utoipa_actix_web::service_config::ServiceConfig;

pub use serve::url_of;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    tus::configure(cfg);
    views::configure(cfg);
    serve::configure(cfg);
}

const UPLOADS: &str = "/api/v1/uploads";
const MEDIA: &str = "/api/v1/media/";

/// Outside of everything else: each answer about an upload says which tus we speak, refusals too; and what is a file's
/// own bytes is not compressed, for their ranges and their tag are of the bytes as they are.
pub async fn at_the_edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let path = request.path();
    let is_upload = path == UPLOADS || path.starts_with("/api/v1/uploads/");
    if path.starts_with(MEDIA) && path.ends_with("/content") {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    let version = (
        HeaderName::from_static("tus-resumable"),
        HeaderValue::from_static(super::tus::VERSION),
    );
    match next.call(request).await {
        Ok(mut response) => {
            if is_upload {
                response.headers_mut().insert(version.0, version.1);
            }
            Ok(response)
        }
        Err(error) if is_upload => {
            let mut response = error.error_response();
            response.headers_mut().insert(version.0, version.1);
            Err(InternalError::from_response(error, response).into())
        }
        Err(error) => Err(error),
    }
}
