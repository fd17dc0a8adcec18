//! What holds for a path before its handler is asked: which methods it takes, HEAD among them, and whether it has
//! parameters at all. Known from the OpenAPI document.

use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, MessageBody, None as NoBody};
use actix_web::dev::{ResourceDef, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::platform::error::{AppError, AppResult};

/// The paths with their methods, as app data.
#[derive(Clone)]
pub struct KnownPaths(Arc<Vec<Known>>);

struct Known {
    path: ResourceDef,
    /// A method, and whether it takes parameters in the query.
    methods: Vec<(Method, bool)>,
}

impl KnownPaths {
    /// Those of the document, and `pages` that are read and have no operation.
    pub fn of(document: &OpenApi, pages: &[&str]) -> Self {
        let operations = document.paths.paths.iter().map(|(path, item)| Known {
            path: ResourceDef::new(path.as_str()),
            methods: [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ]
            .into_iter()
            .filter_map(|(method, operation)| Some((method, takes_parameters(operation.as_ref()?))))
            .collect(),
        });
        let pages = pages.iter().map(|path| Known {
            path: ResourceDef::new(*path),
            // What is added to a page's address is nobody's business.
            methods: vec![(Method::GET, true)],
        });
        Self(Arc::new(operations.chain(pages).collect()))
    }

    fn at<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Known> {
        self.0.iter().filter(move |known| known.path.is_match(path))
    }

    /// Is there an operation here, and has it no parameters?
    fn takes_none(&self, method: &Method, path: &str) -> bool {
        let mut takes = self
            .at(path)
            .flat_map(|known| &known.methods)
            .filter(|(its, _)| its == method)
            .map(|(_, takes)| *takes)
            .peekable();
        takes.peek().is_some() && !takes.any(|takes| takes)
    }
}

fn takes_parameters(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        // A shared one may be of any kind.
        RefOr::Ref(_) => true,
    })
}

/// 405 with `Allow` for a path that takes other methods, else 404.
pub async fn nothing_here(request: HttpRequest, known: web::Data<KnownPaths>) -> AppResult<HttpResponse> {
    let here = known.at(request.path()).next().ok_or_else(AppError::not_found)?;
    let allow: Vec<&str> = here
        .methods
        .iter()
        .map(|(method, _)| match method {
            &Method::GET => "GET, HEAD",
            other => other.as_str(),
        })
        .collect();
    Ok(HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, allow.join(", ")))
        .finish())
}

/// An operation without parameters takes none: what was meant as a filter is not silently left unheeded.
pub async fn refuse_stray_parameters(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let query = request.query_string();
    let is_stray = !query.is_empty()
        && request
            .app_data::<web::Data<KnownPaths>>()
            .is_some_and(|known| known.takes_none(request.method(), request.path()));
    if is_stray {
        let name = query.split(['=', '&']).next().unwrap_or_default();
        let error = AppError::invalid_field(name, "unknown_parameter", "this operation takes no parameters");
        return Ok(request.error_response(error));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Was it a HEAD, which handlers see as the GET that it is answered as?
pub fn was_head(request: &HttpRequest) -> bool {
    request.extensions().contains::<WasHead>()
}

struct WasHead;

/// HEAD is answered as GET is, without the body: the connection leaves a body of known length out by itself, and a
/// stream would never end, so it is dropped here.
pub async fn answer_head(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(WasHead);
    }
    let response = next.call(request).await?.map_into_boxed_body();
    if !is_head || response.response().body().size() != BodySize::Stream {
        return Ok(response);
    }
    Ok(response.map_body(|_, _| NoBody::new().boxed()))
}
