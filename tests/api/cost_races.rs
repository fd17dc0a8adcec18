//! Money under many hands at once: each decision once, each key once, budgets in turns; and sums that are the sums.

use std::collections::BTreeMap;

use diesel::prelude::*;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::costs::{spend, treasurer};
use crate::races::look_then_act;
use crate::support::{Reply, TestApp, new_uuid};

fn at(server: &str, path: &str) -> String {
    format!("{server}/api/v1{path}")
}

#[actix_web::test]
async fn of_many_who_decide_at_once_one_does() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let first = treasurer(&t, &tenant, &tenant.root).await;
    let second = treasurer(&t, &tenant, &tenant.branch_a).await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let t = &t;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let id = spend(t, &tenant.organizer_a, &event, json!({}))
            .await
            .expect(201)
            .id();
        // Two treasurers and an admin approve and reject, and the organizer takes it back.
        let replies = join_all((0..12).map(|n| {
            let (verb, token) = match n % 4 {
                0 => ("approve", &first),
                1 => ("reject", &second),
                2 => ("approve", &tenant.admin),
                _ => ("withdraw", &tenant.organizer_a),
            };
            let server = if n % 3 == 0 { &replica } else { &t.url };
            let path = at(server, &format!("/expenses/{id}/{verb}"));
            let body = if verb == "reject" {
                json!({ "reason": "x" })
            } else {
                json!({})
            };
            async move { t.post(&path, token, body).await }
        }))
        .await;
        let (done, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
        assert_eq!(done.len(), 1);
        let status = done[0].text("/status");
        for reply in refused {
            assert_eq!(reply.refused(409, "expense_decided").json["state"], status);
        }
        let kept = t.get(&format!("/expenses/{id}"), &first).await.expect(200);
        for field in ["status", "decided_by", "decided_at", "reason"] {
            assert_eq!(kept.json[field], done[0].json[field], "{field}");
        }
        let log = t
            .get(&format!("/audit-log?object_id={id}"), &tenant.admin)
            .await
            .expect(200);
        assert_eq!(log.items().len(), 2, "submitted, and decided on once");
        statuses.push(status);
    }
    // And of many who annul, one.
    let id = spend(t, &tenant.organizer_a, &event, json!({}))
        .await
        .expect(201)
        .id();
    t.act(&format!("/expenses/{id}/approve"), &first)
        .await
        .expect(200);
    let replies = join_all((0..10).map(|n| {
        let (server, token) = if n % 2 == 0 {
            (&replica, &first)
        } else {
            (&t.url, &tenant.admin)
        };
        let path = at(server, &format!("/expenses/{id}/annul"));
        async move { t.post(&path, token, json!({ "reason": format!("{n}") })).await }
    }))
    .await;
    let done = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(done, 1, "{statuses:?}");
    for reply in replies.into_iter().filter(|reply| reply.status != 200) {
        reply.refused(409, "expense_not_approved");
    }
    stop.stop(false).await;
}

/// Who looks without a lock, and then writes, decides once more.
#[actix_web::test]
async fn control_without_the_lock_the_same_race_decides_many_times() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    spend(&t, &tenant.organizer_a, &event, json!({}))
        .await
        .expect(201);
    let look = "SELECT count(*) AS n FROM expenses WHERE status <> 'submitted'";
    let acted = look_then_act(&t.app.db, look, |conn| {
        diesel::sql_query("UPDATE expenses SET status = 'approved'").execute(conn)
    })
    .await;
    assert!(acted > 1, "the race found nothing to go wrong: it proves nothing");
}

#[actix_web::test]
async fn the_same_key_is_one_expense_however_often_it_is_sent() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let path = format!("/events/{event}/expenses");
    let body = |cents: usize| json!({ "category": "venue", "amount_cents": cents, "spent_on": "2026-11-20", "payee": "會議中心" });
    for times in 1..=8 {
        let key = new_uuid();
        let replies = join_all((0..times).map(|n| {
            let server = if n % 2 == 0 { &t.url } else { &replica };
            let request = t.request(Method::POST, &at(server, &path), &tenant.organizer_a);
            Reply::of(request.header("idempotency-key", &key).json(&body(times)))
        }))
        .await;
        let ids: Vec<String> = replies.into_iter().map(|reply| reply.expect(201).id()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{times}: {ids:?}");
        let other = t.request(Method::POST, &path, &tenant.organizer_a);
        Reply::of(other.header("idempotency-key", &key).json(&body(times + 1)))
            .await
            .refused(422, "idempotency_key_reused");
    }
    let list = t
        .get(&format!("{path}?count=true"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(list.json["count"], 8);
    // A decision that is sent again is told again, and not refused.
    let id = list.items()[0]["id"].as_str().unwrap().to_owned();
    let key = new_uuid();
    for _ in 0..3 {
        let request = t.request(Method::POST, &format!("/expenses/{id}/approve"), &tenant.admin);
        let told = Reply::of(request.header("idempotency-key", &key))
            .await
            .expect(200);
        assert_eq!(told.json["status"], "approved");
    }
    stop.stop(false).await;
}

#[actix_web::test]
async fn of_many_first_writers_of_a_budget_one_writes() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    for (path, token) in [
        (
            format!("/organizations/{}/budgets/2026", tenant.branch_a),
            &treasurer,
        ),
        (format!("/events/{event}/budget"), &tenant.organizer_a),
    ] {
        let replies = join_all((1..=10).map(|n| {
            let server = if n % 2 == 0 { &t.url } else { &replica };
            let lines = json!({ "lines": [{ "category": "venue", "amount_cents": n }, { "category": "books", "amount_cents": n }] });
            let request = t.request(Method::PUT, &at(server, &path), token).json(&lines);
            Reply::of(request.header("if-match", "\"0\""))
        }))
        .await;
        let (done, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
        assert_eq!((done.len(), refused.len()), (1, 9));
        for reply in refused {
            reply.refused(412, "version_mismatch");
        }
        let kept = t.get(&path, &treasurer).await.expect(200);
        assert_eq!(kept.json, done[0].json);
    }
    stop.stop(false).await;
}

/// A currency is changed while something is spent in it: one of the two happens.
#[actix_web::test]
async fn a_years_currency_and_its_expenses_never_part() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let years: Vec<i32> = (2001..=2012).collect();
    for year in &years {
        let path = at(
            &replica,
            &format!("/organizations/{}/budgets/{year}", tenant.branch_a),
        );
        let body = json!({ "currency": "HKD", "lines": [] });
        let budget = t.request(Method::PUT, &path, &tenant.admin).json(&body);
        let (written, spent) = tokio::join!(
            Reply::of(budget.header("if-match", "*")),
            spend(
                &t,
                &tenant.organizer_a,
                &event,
                json!({ "spent_on": format!("{year}-06-01") })
            ),
        );
        let spent = spent.expect(201);
        match written.status {
            200 => assert_eq!(spent.json["currency"], "HKD"),
            _ => {
                written.refused(409, "other_currency");
                assert_eq!(spent.json["currency"], "CNY");
            }
        }
    }
    stop.stop(false).await;
}

/// What the test itself knows of an expense.
struct Known {
    place: usize,
    year: i32,
    category: &'static str,
    cents: i64,
    status: &'static str,
}

const CATEGORIES: [&str; 4] = ["venue", "books", "lecturer_fee", "assistance"];
/// The first and last days of three years.
const DAYS: [&str; 6] = [
    "2024-01-01",
    "2024-12-31",
    "2025-01-01",
    "2025-12-31",
    "2026-01-01",
    "2026-11-24",
];

#[actix_web::test]
async fn the_totals_are_the_plain_sums() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    // Each place with those that count for it.
    let places = [
        (&tenant.root, vec![0, 1, 2, 3]),
        (&tenant.branch_a, vec![1, 2]),
        (&group, vec![2]),
        (&tenant.branch_b, vec![3]),
    ];
    let mut events = Vec::new();
    for (place, _) in &places {
        events.push(t.open_event(&tenant.admin, place, json!({})).await);
    }
    let mut known = Vec::new();
    for _ in 0..60 {
        let place = random.random_range(0..places.len());
        let (day, category) = (
            DAYS[random.random_range(0..DAYS.len())],
            CATEGORIES[random.random_range(0..CATEGORIES.len())],
        );
        let cents = match random.random_range(0..4) {
            0 => 10_000_000_000 - random.random_range(0..3),
            _ => random.random_range(1..1_000_000),
        };
        let body = json!({ "category": category, "amount_cents": cents, "spent_on": day });
        let id = spend(&t, &tenant.admin, &events[place], body)
            .await
            .expect(201)
            .id();
        let (status, verbs): (_, &[&str]) = match random.random_range(0..5) {
            0 => ("submitted", &[]),
            1 => ("rejected", &["reject"]),
            2 => ("annulled", &["approve", "annul"]),
            3 => ("withdrawn", &["withdraw"]),
            _ => ("approved", &["approve"]),
        };
        for verb in verbs {
            let by = if *verb == "withdraw" {
                &tenant.admin
            } else {
                &tenant.system
            };
            let body = match *verb {
                "reject" | "annul" => json!({ "reason": "x" }),
                _ => json!({}),
            };
            let path = format!("/expenses/{id}/{verb}");
            t.post(&path, by, body).await.expect(200);
        }
        known.push(Known {
            place,
            year: day[..4].parse().unwrap(),
            category,
            cents,
            status,
        });
    }
    for (organization, counted) in &places {
        for year in 2023..=2026 {
            let path = format!("/organizations/{organization}/cost-totals?year={year}");
            let told = t.get(&path, &tenant.inspector).await.expect(200).json;
            let sum = |status: &str, category: Option<&str>| -> i64 {
                let of = known.iter().filter(|one| {
                    counted.contains(&one.place)
                        && one.year == year
                        && one.status == status
                        && category.is_none_or(|category| category == one.category)
                });
                of.map(|one| one.cents).sum()
            };
            let both = |category| (sum("submitted", category), sum("approved", category));
            assert_eq!(told["currencies"].as_array().unwrap().len(), 1);
            let all = &told["currencies"][0];
            let read = |sums: &Value| {
                assert_eq!(sums["remaining_cents"], -sums["approved_cents"].as_i64().unwrap());
                (
                    sums["submitted_cents"].as_i64().unwrap(),
                    sums["approved_cents"].as_i64().unwrap(),
                )
            };
            assert_eq!(read(all), both(None), "{organization} {year}, seed {seed}");
            let told: BTreeMap<&str, (i64, i64)> = all["categories"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| (one["category"].as_str().unwrap(), read(one)))
                .collect();
            for category in CATEGORIES {
                let expected = both(Some(category));
                let found = told.get(category).copied().unwrap_or_default();
                assert_eq!(found, expected, "{organization} {year} {category}, seed {seed}");
            }
        }
    }
}
