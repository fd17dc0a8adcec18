//! The small page that a phone's camera opens: no framework, nothing from elsewhere, a strict content policy.

use actix_web::{HttpResponse, web};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/c/assets/check_in.css", web::get().to(css))
        .route("/c/assets/check_in.js", web::get().to(js))
        .route("/c/{code}", web::get().to(page));
}

/// The same page for every code: the page itself asks what the code is worth.
async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("cache-control", "no-cache"))
        .body(include_str!("../page/check_in.html"))
}

async fn css() -> HttpResponse {
    asset("text/css; charset=utf-8", include_str!("../page/check_in.css"))
}

async fn js() -> HttpResponse {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("../page/check_in.js"),
    )
}

fn asset(content_type: &str, body: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(("cache-control", "public, max-age=300"))
        .body(body)
}
