//! The small page that a phone's camera opens.

use actix_web::{HttpResponse, web};

use crate::platform::http::{page_asset, strict_page};

pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/c/assets/check_in.css", web::get().to(css))
        .route("/c/assets/check_in.js", web::get().to(js))
        .route("/c/{code}", web::get().to(page));
}

/// The same page for every code: the page itself asks what the code is worth.
async fn page() -> HttpResponse {
    strict_page(include_str!("../page/check_in.html"))
}

async fn css() -> HttpResponse {
    page_asset("text/css; charset=utf-8", include_str!("../page/check_in.css"))
}

async fn js() -> HttpResponse {
    page_asset(
        "text/javascript; charset=utf-8",
        include_str!("../page/check_in.js"),
    )
}
