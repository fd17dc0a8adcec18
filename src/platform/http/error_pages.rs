//! `GET /errors/{code}`: what the `type` of a problem document leads to. Plain words, nothing from elsewhere.

use actix_web::{HttpResponse, web};

use super::problem::title;
use crate::platform::error::{AppError, AppResult, Code, Language};

/// Nothing is loaded and nothing runs.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub fn configure_error_pages(cfg: &mut web::ServiceConfig) {
    cfg.route("/errors/{code}", web::get().to(find_error_page));
}

async fn find_error_page(wire: web::Path<String>) -> AppResult<HttpResponse> {
    let code = Code::ALL.iter().find(|code| code.wire() == wire.as_str());
    let code = *code.ok_or_else(AppError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("cache-control", "public, max-age=3600"))
        .body(page(code)))
}

fn page(code: Code) -> String {
    let (title, wire, status) = (title(code), code.wire(), code.status());
    let texts: String = [Language::ZhHans, Language::ZhHant, Language::En]
        .iter()
        .map(|language| format!("<p lang=\"{}\">{}</p>\n", language.tag(), code.text(*language)))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<p><code>{wire}</code>, HTTP {status}</p>\n{texts}</body>\n</html>\n"
    )
}
