//! Which slices and pages are served. A slice's routes and their documentation are one declaration in its `http.rs`;
//! all of them together are `/docs`, or `zhibu openapi`.

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::platform::http::configure_error_pages;
use crate::{
    attendance, audit, auth, costs, devices, event_templates, events, guests, home, lessons, media, members,
    notices, organizations, quizzes, sharing, sign_ups, study, study_plans, volunteering, webhooks,
};

/// Everything under `/api/v1`.
pub fn api(cfg: &mut ServiceConfig) {
    auth::configure(cfg);
    home::configure(cfg);
    organizations::configure(cfg);
    members::configure(cfg);
    events::configure(cfg);
    event_templates::configure(cfg);
    attendance::configure(cfg);
    sign_ups::configure(cfg);
    guests::configure(cfg);
    notices::configure(cfg);
    webhooks::configure(cfg);
    devices::configure(cfg);
    lessons::configure(cfg);
    study::configure(cfg);
    quizzes::configure(cfg);
    study_plans::configure(cfg);
    volunteering::configure(cfg);
    media::configure(cfg);
    costs::configure(cfg);
    sharing::configure(cfg);
    audit::configure(cfg);
}

/// What stands outside the API: the page a camera opens, calendar addresses, and what error codes mean. `server` adds health and metrics.
pub fn pages(cfg: &mut web::ServiceConfig) {
    attendance::configure_pages(cfg);
    guests::configure_pages(cfg);
    events::configure_feeds(cfg);
    configure_error_pages(cfg);
}

/// Where those pages, and what `server` adds, are read.
pub const PAGES: [&str; 14] = [
    "/",
    "/docs",
    "/docs/{_}*",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/openapi.json",
    "/c/assets/check_in.css",
    "/c/assets/check_in.js",
    "/c/{code}",
    "/g/assets/guest.js",
    "/g/{token}",
    "/calendars/{token}.ics",
    "/errors/{code}",
];
