//! What holds for a path before its handler is asked: which slice serves it, which methods it takes, HEAD among them, and
//! whether it has parameters at all. Known from the OpenAPI document, and looked up once a request.

use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, MessageBody, None as NoBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use matchit::Router;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

use crate::platform::error::{AppError, AppResult};

/// The paths with their methods, as app data.
#[derive(Clone)]
pub struct KnownPaths(Arc<Router<Arc<Known>>>);

struct Known {
    /// Which slice serves it; none: it is a page.
    slice: Option<usize>,
    /// A method, and whether it takes parameters in the query.
    methods: Vec<(Method, bool)>,
}

impl KnownPaths {
    /// Those of the document, each served by the slice of this number, and `pages` that are read and have no operation.
    /// Fails on paths that cannot be told from one another.
    pub fn of(
        document: &OpenApi,
        slice_of: impl Fn(&str) -> Option<usize>,
        pages: &[&str],
    ) -> Result<Self, matchit::InsertError> {
        let mut router = Router::new();
        for (path, item) in &document.paths.paths {
            let known = Known {
                slice: slice_of(path),
                methods: methods_of(item),
            };
            router.insert(pattern(path), Arc::new(known))?;
        }
        let page = Arc::new(Known {
            slice: None,
            // What is added to a page's address is nobody's business.
            methods: vec![(Method::GET, true)],
        });
        for path in pages.iter().map(|path| pattern(path)) {
            // What follows may be nothing.
            if let Some(folder) = path.strip_suffix("{*rest}") {
                router.insert(folder, page.clone())?;
            }
            router.insert(path, page.clone())?;
        }
        Ok(Self(Arc::new(router)))
    }

    fn at(&self, path: &str) -> Option<Arc<Known>> {
        self.0.at(path).ok().map(|found| found.value.clone())
    }
}

/// As the router writes it: what a segment is called is of no account, and what follows everything has its star in front.
fn pattern(path: &str) -> String {
    let segment = |(nth, segment): (usize, &str)| match (segment.find('{'), segment.find('}')) {
        (Some(0), Some(_)) if segment.ends_with('*') => "{*rest}".to_owned(),
        (Some(from), Some(to)) => {
            let (before, after) = (segment.get(..from), segment.get(to + 1..));
            format!(
                "{}{{p{nth}}}{}",
                before.unwrap_or_default(),
                after.unwrap_or_default()
            )
        }
        _ => segment.to_owned(),
    };
    path.split('/')
        .enumerate()
        .map(segment)
        .collect::<Vec<_>>()
        .join("/")
}

fn methods_of(item: &PathItem) -> Vec<(Method, bool)> {
    [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, takes_parameters(operation.as_ref()?))))
    .collect()
}

impl Known {
    /// Is there an operation here, and has it no parameters?
    fn takes_none(&self, method: &Method) -> bool {
        let operation = self.methods.iter().find(|(its, _)| its == method);
        operation.is_some_and(|(_, takes)| !takes)
    }
}

/// Lets through what the slice of this number serves. Handlers are found by trying their patterns one by one; among all of
/// them that took longer than the request itself.
pub struct OfSlice(pub usize);

impl Guard for OfSlice {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        let here = context.req_data();
        here.get::<Arc<Known>>()
            .is_some_and(|known| known.slice == Some(self.0))
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
pub async fn nothing_here(request: HttpRequest) -> AppResult<HttpResponse> {
    let here = request.extensions().get::<Arc<Known>>().cloned();
    let here = here.ok_or_else(AppError::not_found)?;
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

/// Looks up what is known of the path. An operation without parameters takes none: what was meant as a filter is not
/// silently left unheeded.
pub async fn know_path(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let known = request.app_data::<web::Data<KnownPaths>>();
    if let Some(here) = known.and_then(|known| known.at(request.path())) {
        let query = request.query_string();
        if !query.is_empty() && here.takes_none(request.method()) {
            let name = query.split(['=', '&']).next().unwrap_or_default();
            let error =
                AppError::invalid_field(name, "unknown_parameter", "this operation takes no parameters");
            return Ok(request.error_response(error));
        }
        request.extensions_mut().insert(here);
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
