//! The page that a public address opens, and that a guest comes to from the check-in page: the same look, nothing from
//! elsewhere, a strict content policy.

use actix_web::{HttpResponse, web};

use crate::platform::http::{page_asset, strict_page};

pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/g/assets/guest.js", web::get().to(js))
        .route("/g/{token}", web::get().to(page));
}

/// The same page for every address: the page itself asks what it is worth. `/g/check-in` is for who stands at the door.
async fn page() -> HttpResponse {
    strict_page(include_str!("page/guest.html"))
}

async fn js() -> HttpResponse {
    page_asset("text/javascript; charset=utf-8", include_str!("page/guest.js"))
}
