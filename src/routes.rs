//! Which slices and pages are served. A slice's routes and their documentation are one declaration in its `http.rs`;
//! all of them together are `/docs`, or `zhibu openapi`.

use std::collections::HashMap;

use actix_web::{App as ActixApp, web};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_actix_web::{AppExt, scope};

use crate::platform::http::{OfSlice, configure_error_pages};
use crate::{
    attendance, audit, auth, costs, devices, event_templates, events, guests, home, leaderboards, lessons,
    media, members, notices, organizations, personal_data, points, quizzes, sharing, sign_ups, study,
    study_plans, volunteering, webhooks,
};

/// What each slice serves. All of a path's operations are one slice's.
const SLICES: [fn(&mut ServiceConfig); 24] = [
    auth::configure,
    home::configure,
    organizations::configure,
    members::configure,
    personal_data::configure,
    events::configure,
    event_templates::configure,
    attendance::configure,
    sign_ups::configure,
    guests::configure,
    notices::configure,
    webhooks::configure,
    devices::configure,
    lessons::configure,
    study::configure,
    quizzes::configure,
    study_plans::configure,
    volunteering::configure,
    points::configure,
    leaderboards::configure,
    media::configure,
    costs::configure,
    sharing::configure,
    audit::configure,
];

/// Everything under `/api/v1`: a request is given to the slice that serves its path.
pub fn api(cfg: &mut ServiceConfig) {
    for (nth, configure) in SLICES.into_iter().enumerate() {
        cfg.service(scope("").guard(OfSlice(nth)).configure(configure));
    }
}

/// The number of the slice that serves each path.
pub fn slices_of_paths() -> HashMap<String, usize> {
    numbered_paths().into_iter().collect()
}

fn numbered_paths() -> Vec<(String, usize)> {
    let paths_of = |configure: fn(&mut ServiceConfig)| {
        let app = ActixApp::new().into_utoipa_app();
        let (_, document) = app
            .service(scope("/api/v1").configure(configure))
            .split_for_parts();
        document.paths.paths.into_keys()
    };
    let numbered = SLICES.into_iter().enumerate();
    numbered
        .flat_map(|(nth, configure)| paths_of(configure).map(move |path| (path, nth)))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two slices with one path the second would never be asked.
    #[test]
    fn a_path_is_served_by_one_slice() {
        let mut paths = numbered_paths();
        let all = paths.len();
        assert_eq!(slices_of_paths().len(), all, "{:?}", {
            paths.sort();
            paths.retain(|(path, nth)| slices_of_paths()[path] != *nth);
            paths
        });
    }
}
