//! Imports point inward, files stay small, and each room keeps to its own words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every source file under `src`, with its text.
pub fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(
        &PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut found,
    );
    found
}

fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push((
                path.to_string_lossy().replace('\\', "/"),
                std::fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

const SLICES: [&str; 24] = [
    "auth",
    "organizations",
    "members",
    "personal_data",
    "events",
    "event_templates",
    "guests",
    "attendance",
    "sign_ups",
    "devices",
    "lessons",
    "study",
    "quizzes",
    "study_plans",
    "media",
    "costs",
    "volunteering",
    "points",
    "leaderboards",
    "home",
    "sharing",
    "audit",
    "notices",
    "webhooks",
];

/// The house's own lines: what stands in a test module is no import of it, and words in comments are none.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]")
        .next()
        .unwrap_or("")
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// What a file does by its name: `http.rs` and everything in an `http/` folder speak HTTP.
fn is_http(path: &str) -> bool {
    path.ends_with("/http.rs") || path.contains("/http/")
}

/// Rooms that speak HTTP under another name, each for its reason.
const HTTP_TOO: [&str; 12] = [
    // Feeds cursors.
    "src/fuzz.rs",
    // Extractors and the answers of negotiation.
    "auth/extract.rs",
    "devices/extract.rs",
    "members/export.rs",
    // They start what serves: `web::Data` is how handlers and jobs share the App.
    "auth/state.rs",
    "src/cli.rs",
    "members/activation/page.rs",
    "guests/pages.rs",
    // Doors name the configure functions of their slices.
    "mod.rs",
    "src/routes.rs",
    "src/server.rs",
    "src/app.rs",
];

#[test]
fn the_platform_knows_no_slice() {
    for (path, text) in sources().iter().filter(|(path, _)| path.contains("/platform/")) {
        for line in lines(text) {
            for slice in SLICES {
                assert!(!line.contains(&format!("crate::{slice}")), "{path}: {line}");
            }
        }
    }
}

#[test]
fn services_and_stores_know_no_http_and_rules_no_database() {
    for (path, text) in sources() {
        let name = path.rsplit('/').next().unwrap();
        for line in lines(&text) {
            if name == "store.rs" {
                assert!(
                    !line.contains("AppError") && !line.contains("AppResult"),
                    "{path}: {line}"
                );
            }
            if name == "rules.rs" {
                assert!(
                    !line.contains("diesel") && !line.contains("actix"),
                    "{path}: {line}"
                );
            }
            if is_http(&path) && !path.contains("/platform/") {
                assert!(!line.contains("diesel"), "{path}: {line}");
            }
        }
    }
}

#[test]
fn only_the_rooms_that_speak_http_know_it() {
    for (path, text) in sources().iter().filter(|(path, _)| !path.contains("/platform/")) {
        if is_http(path) || HTTP_TOO.iter().any(|room| path.ends_with(room)) {
            continue;
        }
        for line in lines(text) {
            let speaks =
                line.contains("actix_web") || line.contains("super::http") || line.contains("::http::");
            assert!(!speaks, "{path}: {line}");
        }
    }
}

#[test]
fn a_slice_calls_anothers_door_and_never_its_store() {
    for (path, text) in sources() {
        for slice in SLICES {
            let own = path.contains(&format!("/src/{slice}/"));
            let inner = ["store", "http", "service", "rules"].map(|room| format!("crate::{slice}::{room}"));
            let reaches = lines(&text).find(|line| inner.iter().any(|room| line.contains(room)));
            assert!(own || reaches.is_none(), "{path}: {reaches:?}");
        }
    }
}

#[test]
fn files_stay_small_enough_to_know() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        // The list of all tables is one list.
        let is_list = path.ends_with("/schema.rs");
        assert!(
            is_list || lines <= 650,
            "{path} has {lines} lines: perhaps two rooms"
        );
        assert!(text.starts_with("//!"), "{path} does not say what it owns");
    }
}

/// A page that is served and not listed would be refused before its handler is reached.
#[test]
fn every_page_outside_the_api_is_on_the_list_of_pages() {
    let mut served = BTreeSet::new();
    for (_, text) in sources() {
        for line in lines(&text) {
            for opening in [".route(\"/", "web::resource(\"/"] {
                if let Some((_, rest)) = line.split_once(opening) {
                    let path = rest.split('"').next().unwrap();
                    served.insert(format!("/{path}"));
                }
            }
        }
    }
    // The folder of the API document's page is a service of its own.
    served.insert("/docs/{_}*".to_owned());
    let listed: BTreeSet<String> = zhibu::routes::PAGES.map(str::to_owned).into();
    assert_eq!(served, listed);
}
