//! P7, a retry is harmless: each write operation of the document is sent alone in one tenant, and several times at once in
//! another just like it: to two servers, with answers lost, and once more to a server that has just started. What it leaves
//! in the database must be the same. An operation without a case fails.

mod attendance;
mod costs;
mod events;
mod guests;
mod learning;
mod media;
mod outside;
mod people;
mod places;
mod points;
mod sending;
mod sharing;
mod study;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::LocalBoxFuture;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::openapi::operations;
use crate::support::{Reply, Tenant, TestApp};
use sending::{Keys, World};

/// Operations without a case, each with its reason.
const WITHOUT_REPEAT: [(&str, &str); 2] = [
    (
        "login",
        "each sign-in begins a session of its own, of at most fifty",
    ),
    (
        "refresh_session",
        "P11 has its own rule for a lost answer, and its own tests in auth.rs",
    ),
];

/// Why a repeat of an operation is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All copies bear one `Idempotency-Key`: each gets the first one's answer.
    Key,
    /// The same, but what a copy had begun beside the first one is given up: only these tables grow by it; and why that
    /// harms nobody.
    KeyAnd(&'static [&'static str], &'static str),
    /// The body bears the phone's id: 201, and from then on 200 with the same body.
    ClientEventId,
    /// Done again it changes nothing. A repeat may be answered with one of these, too.
    Natural(&'static [u16]),
    /// The same, but each copy is told what it has added itself.
    Merged,
    /// The answer is never kept, since it holds a secret: a repeat makes another one. Only these tables grow by it; and why
    /// that harms nobody.
    Anew(&'static [&'static str], &'static str),
}

impl Kind {
    fn allows(self, first: u16, status: u16) -> bool {
        match self {
            Self::Key | Self::KeyAnd(..) | Self::Merged | Self::Anew(..) => status == first,
            Self::ClientEventId => status == 200 || status == 201,
            Self::Natural(others) => status == first || others.contains(&status),
        }
    }

    fn has_key(self) -> bool {
        matches!(self, Self::Key | Self::KeyAnd(..))
    }

    /// Is there one answer, whoever gets it?
    fn answers_alike(self) -> bool {
        !matches!(self, Self::Merged | Self::Anew(..))
    }

    fn may_grow(self, column: &str) -> bool {
        match self {
            Self::KeyAnd(tables, _) | Self::Anew(tables, _) => {
                let table = column.split('.').next().unwrap();
                tables.contains(&table)
            }
            _ => false,
        }
    }
}

/// One operation, and how a fresh tenant comes to where somebody sends it.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub kind: Kind,
    pub request: for<'a> fn(&'a TestApp, &'a Tenant) -> LocalBoxFuture<'a, RequestBuilder>,
}

/// Cases by the functions that prepare them, which are called as their operations are.
macro_rules! cases {
    ($($name:ident => $kind:expr),* $(,)?) => {{
        use crate::guard::repeats::{Case, Kind::*};
        &[$(Case { name: stringify!($name), kind: $kind, request: |t, tenant| Box::pin($name(t, tenant)) }),*]
    }};
}
use cases;

const ALL: [&[Case]; 12] = [
    attendance::CASES,
    costs::CASES,
    events::CASES,
    guests::CASES,
    learning::CASES,
    media::CASES,
    outside::CASES,
    people::CASES,
    places::CASES,
    points::CASES,
    sharing::CASES,
    study::CASES,
];

fn post(t: &TestApp, path: &str, token: &str, body: Value) -> RequestBuilder {
    t.request(Method::POST, path, token).json(&body)
}

fn act(t: &TestApp, path: &str, token: &str) -> RequestBuilder {
    t.request(Method::POST, path, token)
}

/// On whatever is there.
fn put(t: &TestApp, path: &str, token: &str, body: Value) -> RequestBuilder {
    let request = t.request(Method::PUT, path, token).json(&body);
    request.header("if-match", "*")
}

/// On whatever is there.
fn patch(t: &TestApp, path: &str, token: &str, body: Value) -> RequestBuilder {
    let request = t.request(Method::PATCH, path, token).json(&body);
    request.header("if-match", "*")
}

fn delete(t: &TestApp, path: &str, token: &str) -> RequestBuilder {
    t.request(Method::DELETE, path, token)
}

/// Each case; all differences are told together.
async fn hold(cases: &[Case]) {
    let mut world = World::start().await;
    let mut wrong = Vec::new();
    for case in cases {
        if let Err(words) = compare(&mut world, case, Keys::One).await {
            wrong.push(format!("{}: {words}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn compare(world: &mut World, case: &Case, keys: Keys) -> Result<(), String> {
    let (first, once) = world.once(case).await;
    if first.status >= 300 {
        return Err(format!("alone {} {}", first.status, first.json));
    }
    let (answers, often) = world.often(case, keys).await;
    judge(case.kind, &first, &answers)?;
    let columns: BTreeSet<&String> = once.keys().chain(often.keys()).collect();
    let of = |counts: &BTreeMap<String, i64>, column: &String| counts.get(column).copied().unwrap_or(0);
    let other =
        |column: &&String| !case.kind.may_grow(column.as_str()) && of(&once, column) != of(&often, column);
    let differing = columns.into_iter().filter(other);
    let told = differing.map(|column| format!("{column} {} {}", of(&once, column), of(&often, column)));
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "sent once and {} times it leaves {}",
            answers.len(),
            told.join(", ")
        )),
    }
}

fn judge(kind: Kind, first: &Reply, answers: &[Reply]) -> Result<(), String> {
    if let Some(other) = answers.iter().find(|a| !kind.allows(first.status, a.status)) {
        return Err(format!("a repeat is answered {} {}", other.status, other.json));
    }
    let done: Vec<&Reply> = answers.iter().filter(|answer| answer.status < 300).collect();
    if !kind.answers_alike() || done.is_empty() {
        return Ok(());
    }
    if let Some(other) = done.iter().find(|answer| answer.bytes != done[0].bytes) {
        return Err(format!("two answers: {} and {}", done[0].json, other.json));
    }
    for name in ["etag", "location"] {
        let mut told: BTreeSet<&str> = done.iter().map(|answer| answer.header(name)).collect();
        // Only what was created says where it is.
        if !kind.has_key() {
            told.remove("");
        }
        if told.len() > 1 {
            return Err(format!("two answers: {name} {told:?}"));
        }
    }
    Ok(())
}

/// A new operation is a new decision.
#[test]
fn every_write_has_a_case_and_the_document_says_of_which_kind() {
    let mut missing = Vec::new();
    let mut cases: BTreeMap<&str, &Case> = ALL.iter().flat_map(|cases| *cases).map(|c| (c.name, c)).collect();
    let mut without: BTreeSet<&str> = WITHOUT_REPEAT.iter().map(|(name, _)| *name).collect();
    for (_, method, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        if method == "get" || without.remove(name) {
            continue;
        }
        let Some(case) = cases.remove(name) else {
            missing.push(name.to_owned());
            continue;
        };
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let takes_key = parameters.iter().any(|one| one["name"] == "Idempotency-Key");
        assert_eq!(case.kind.has_key(), takes_key, "{name}");
        if let Kind::KeyAnd(_, why) | Kind::Anew(_, why) = case.kind {
            assert!(!why.is_empty(), "{name}");
        }
    }
    assert!(missing.is_empty(), "no case of {missing:?}");
    assert!(cases.is_empty(), "no such operation: {:?}", cases.keys());
    assert!(without.is_empty(), "no such operation: {without:?}");
}

#[actix_web::test]
async fn control_a_client_that_makes_a_key_for_each_attempt_is_told_from_one_that_keeps_it() {
    let mut world = World::start().await;
    let case = events::CASES
        .iter()
        .find(|case| case.name == "create_event")
        .unwrap();
    compare(&mut world, case, Keys::One).await.unwrap();
    let told = compare(&mut world, case, Keys::OneEach).await.unwrap_err();
    assert!(told.contains("two answers"), "{told}");
    // And what such a client leaves, even if nobody compares its answers.
    let blind = Case {
        kind: Kind::Merged,
        ..*case
    };
    let told = compare(&mut world, &blind, Keys::OneEach).await.unwrap_err();
    assert!(
        told.contains("events.rows 1 ") && told.contains("audit_log.rows 1 "),
        "{told}"
    );
}
