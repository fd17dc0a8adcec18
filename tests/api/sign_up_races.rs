//! Promise P6 and invariant 9: places are never oversold and never left empty for whom they fit, the line is first come,
//! first served, and a freed place goes to exactly one person. Each with a control.

use std::collections::HashMap;

use diesel::prelude::*;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use zhibu::platform::clock::Clock;

use crate::process::beside;
use crate::races::look_then_act;
use crate::sign_ups::{policy, sign_up, theme_day};
use crate::support::{Person, Reply, Tenant, TestApp, new_uuid};

/// Everybody's sign-up as the organiser sees it, in order of arrival.
async fn all(t: &TestApp, tenant: &Tenant, event: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/events/{event}/sign-ups?limit=200{cursor}");
        let page = t.get(&path, &tenant.admin).await.expect(200);
        items.extend(page.items().iter().cloned());
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

async fn session(t: &TestApp, tenant: &Tenant, event: &str) -> Value {
    let path = format!("/events/{event}/sign-up-policy");
    t.get(&path, &tenant.admin).await.expect(200).json["sessions"][0].clone()
}

fn count(items: &[Value], status: &str) -> i64 {
    items.iter().filter(|item| item["status"] == status).count() as i64
}

/// Who waits came after everybody who was given a place from the line, and places are as many as can be.
fn is_true(items: &[Value], session: &Value) {
    let (confirmed, waiting) = (count(items, "confirmed"), count(items, "waitlisted"));
    let numbers = (
        session["taken"].as_i64().unwrap(),
        session["waiting"].as_i64().unwrap(),
    );
    assert_eq!(numbers, (confirmed, waiting));
    let capacity = session["capacity"].as_i64().unwrap();
    assert_eq!(confirmed, capacity.min(confirmed + waiting));
    let seq = |item: &Value| item["seq"].as_i64().unwrap();
    let first_waiting = items
        .iter()
        .filter(|item| item["status"] == "waitlisted")
        .map(seq)
        .min();
    let last_confirmed = items
        .iter()
        .filter(|item| item["status"] == "confirmed")
        .map(seq)
        .max();
    if let (Some(first), Some(last)) = (first_waiting, last_confirmed) {
        assert!(last < first, "somebody at {last} has overtaken {first}");
    }
}

/// The crowd signs up on two servers at once.
async fn herd(t: &TestApp, servers: [&str; 2], event: &str, people: &[Person]) -> Vec<Reply> {
    join_all(people.iter().zip(servers.iter().cycle()).map(|(person, server)| {
        let path = format!("{server}/api/v1/events/{event}/sign-ups");
        let body = json!({ "client_event_id": new_uuid() });
        async move { t.post(&path, &person.token, body).await }
    }))
    .await
}

#[actix_web::test]
async fn a_herd_on_two_processes_gets_as_many_places_as_there_are() {
    let t = TestApp::start().await;
    t.clock().set(Clock::system().now());
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 1_000).await;
    let servers = [beside(&t).await, beside(&t).await];
    for capacity in [0, 1, 50, 999] {
        let event = theme_day(&t, &tenant, json!({ "capacity": capacity })).await;
        let replies = herd(&t, [&servers[0].url, &servers[1].url], &event, &people).await;
        let refused = replies.iter().find(|reply| reply.status != 201);
        assert!(refused.is_none(), "{capacity}: {refused:?}");
        let told = |status: &str| {
            replies
                .iter()
                .filter(|reply| reply.json["status"] == status)
                .count() as i64
        };
        assert_eq!(told("confirmed"), capacity);
        // Everybody was told a true place in line: each place once.
        let mut places: Vec<i64> = replies
            .iter()
            .filter_map(|r| r.json["place_in_line"].as_i64())
            .collect();
        places.sort_unstable();
        assert!(places.iter().copied().eq(1..=told("waitlisted")));
        is_true(
            &all(&t, &tenant, &event).await,
            &session(&t, &tenant, &event).await,
        );
    }
}

#[actix_web::test]
async fn cancels_promotions_and_capacity_edits_in_between_leave_it_true() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 120).await;
    let (replica, stop) = t.replica().await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 30 })).await;
    let servers = [t.url.as_str(), replica.as_str()];
    let early = herd(&t, servers, &event, &people[..60]).await;
    let cancels = join_all(
        early
            .iter()
            .zip(&people)
            .step_by(3)
            .enumerate()
            .map(|(n, (reply, person))| {
                let path = format!("/sign-ups/{}/cancel", reply.id());
                let path = if n % 2 == 0 {
                    path
                } else {
                    format!("{replica}/api/v1{path}")
                };
                let t = &t;
                async move { t.post(&path, &person.token, json!({})).await }
            }),
    );
    let edits = join_all(
        [35, 20, 50, 45].map(|capacity| policy(&t, &tenant.admin, &event, json!({ "capacity": capacity }))),
    );
    let (late, cancels, edits) = tokio::join!(herd(&t, servers, &event, &people[60..]), cancels, edits);
    assert!(late.iter().all(|reply| reply.status == 201));
    assert!(
        cancels.iter().all(|reply| reply.status == 200),
        "{}",
        cancels[0].json
    );
    // To fewer than are taken is refused, whatever the others did meanwhile.
    assert!(
        edits
            .iter()
            .all(|reply| reply.status == 200 || reply.json["code"] == "capacity_below_taken")
    );
    let items = all(&t, &tenant, &event).await;
    assert_eq!((items.len(), count(&items, "cancelled")), (120, 20));
    is_true(&items, &session(&t, &tenant, &event).await);
    // The line as members see it: each place once, in order of arrival.
    let token: HashMap<&str, &str> = people.iter().map(|p| (p.id.as_str(), p.token.as_str())).collect();
    let waiting = items.iter().filter(|item| item["status"] == "waitlisted");
    for (n, item) in waiting.enumerate() {
        let token = token[item["member_id"].as_str().unwrap()];
        let mine = t
            .get(&format!("/events/{event}/sign-ups/mine"), token)
            .await
            .expect(200);
        assert_eq!(mine.json["place_in_line"], n + 1);
    }
    stop.stop(false).await;
}

/// In each of two processes people come in waves, a wave when the one before it has its answers; every fifth of those who
/// got a place gives it back meanwhile, and the organiser adds places.
#[actix_web::test]
async fn two_processes_sell_each_place_once_in_the_order_of_arrival_of_each() {
    let t = TestApp::start().await;
    t.clock().set(Clock::system().now());
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 400).await;
    let servers = [beside(&t).await, beside(&t).await];
    let event = theme_day(&t, &tenant, json!({ "capacity": 50 })).await;
    let (left, right) = people.split_at(200);
    let edits = async {
        for capacity in [60, 55, 70] {
            let edit = policy(&t, &tenant.admin, &event, json!({ "capacity": capacity })).await;
            assert!(edit.status == 200 || edit.json["code"] == "capacity_below_taken");
        }
        policy(&t, &tenant.admin, &event, json!({ "capacity": 80 }))
            .await
            .expect(200);
    };
    let (left, right, ()) = tokio::join!(
        waves(&t, &servers[0].url, &event, left),
        waves(&t, &servers[1].url, &event, right),
        edits
    );
    let items = all(&t, &tenant, &event).await;
    assert_eq!((items.len(), count(&items, "confirmed")), (400, 80));
    is_true(&items, &session(&t, &tenant, &event).await);
    let seq: HashMap<&str, i64> = items
        .iter()
        .map(|item| (item["id"].as_str().unwrap(), item["seq"].as_i64().unwrap()))
        .collect();
    for waves in [left, right] {
        let of_wave = |ids: &Vec<String>| ids.iter().map(|id| seq[id.as_str()]).collect::<Vec<_>>();
        let waves: Vec<Vec<i64>> = waves.iter().map(of_wave).collect();
        for pair in waves.windows(2) {
            assert!(pair[0].iter().max() < pair[1].iter().min(), "{pair:?}");
        }
    }
}

/// The ids of their sign-ups, wave by wave.
async fn waves(t: &TestApp, server: &str, event: &str, people: &[Person]) -> Vec<Vec<String>> {
    let mut waves = Vec::new();
    for wave in people.chunks(25) {
        let path = format!("{server}/api/v1/events/{event}/sign-ups");
        let sent = wave.iter().map(|person| sign_up_at(t, &path, &person.token));
        let replies: Vec<Reply> = join_all(sent).await;
        let gone = replies
            .iter()
            .zip(wave)
            .filter(|(reply, _)| reply.json["status"] == "confirmed")
            .step_by(5);
        join_all(gone.map(|(reply, person)| async {
            let path = format!("{server}/api/v1/sign-ups/{}/cancel", reply.id());
            t.post(&path, &person.token, json!({})).await.expect(200);
        }))
        .await;
        waves.push(replies.iter().map(Reply::id).collect());
    }
    waves
}

async fn sign_up_at(t: &TestApp, path: &str, token: &str) -> Reply {
    t.post(path, token, json!({ "client_event_id": new_uuid() }))
        .await
        .expect(201)
}

#[actix_web::test]
async fn control_looking_first_sells_one_place_to_many() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    theme_day(&t, &tenant, json!({ "capacity": 1 })).await;
    // A limit that is looked at, not taken: each finds the place free, and each has it.
    let look = "SELECT CAST(sum(taken) AS BIGINT) AS n FROM sign_up_sessions";
    let sold = look_then_act(&t.app.db, look, |conn| {
        diesel::sql_query("UPDATE sign_up_sessions SET taken = 1").execute(conn)
    })
    .await;
    assert!(sold > 1, "{sold}");
    // The database itself refuses the second.
    let oversell = |conn: &mut zhibu::platform::db::DbConnection| {
        Ok(diesel::sql_query("UPDATE sign_up_sessions SET taken = taken + 1").execute(conn)?)
    };
    assert!(t.app.db.write(oversell).await.is_err());
}

#[actix_web::test]
async fn a_place_that_becomes_free_in_three_ways_at_once_goes_to_one_person_each() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 10).await;
    let (replica, stop) = t.replica().await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 2, "offer_s": 3_600 })).await;
    let mut ids = Vec::new();
    for person in &people {
        ids.push(sign_up(&t, &person.token, &event).await.expect(201).id());
    }
    let cancel = |n: usize, base: &str| {
        let (t, token, path) = (
            &t,
            people[n].token.clone(),
            format!("{base}/sign-ups/{}/cancel", ids[n]),
        );
        async move { t.post(&path, &token, json!({})).await }
    };
    // The third has an offer, which lapses at the moment the second cancels and a place is added.
    cancel(0, "").await.expect(200);
    t.advance_s(3_600);
    let remote = format!("{replica}/api/v1");
    let accept = format!("/sign-ups/{}/accept", ids[2]);
    let more = json!({ "capacity": 3, "offer_s": 3_600 });
    let (a, b, c, d) = tokio::join!(
        cancel(1, &remote),
        policy(&t, &tenant.admin, &event, more),
        t.act(&accept, &people[2].token),
        sign_up(&t, &tenant.member_b, &event),
    );
    assert_eq!((a.status, b.status, c.status, d.status), (200, 200, 409, 201));
    let items = all(&t, &tenant, &event).await;
    let offered: Vec<i64> = items
        .iter()
        .filter(|i| i["status"] == "offered")
        .map(|i| i["seq"].as_i64().unwrap())
        .collect();
    assert_eq!(offered, [4, 5, 6], "three places, the first three in line");
    assert_eq!(count(&items, "expired"), 1);
    assert_eq!(session(&t, &tenant, &event).await["taken"], 3);
    stop.stop(false).await;
}

#[actix_web::test]
async fn every_write_sent_many_times_is_done_once() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 6).await;
    let (replica, stop) = t.replica().await;
    let event = theme_day(&t, &tenant, json!({ "sessions": [{ "name": "甲", "capacity": 2 }, { "name": "乙", "capacity": 2 }], "offer_s": 600 })).await;
    let path = format!("/events/{event}/sign-up-policy");
    let sessions = t.get(&path, &tenant.admin).await.expect(200).json["sessions"].clone();
    let at = |n: usize| sessions[n]["id"].clone();
    // Eight times in parallel, on two replicas, with one key; all answers are one.
    let send = |path: String, token: String, body: Value| {
        let (t, replica, key) = (&t, &replica, new_uuid());
        async move {
            let replies = join_all((0..8).map(|n| {
                let path = if n % 2 == 0 {
                    path.clone()
                } else {
                    format!("{replica}/api/v1{path}")
                };
                let request = t.request(Method::POST, &path, &token).json(&body);
                Reply::of(request.header("idempotency-key", &key))
            }))
            .await;
            assert!(
                replies.iter().all(|reply| reply.bytes == replies[0].bytes),
                "{path}"
            );
            replies.into_iter().next().unwrap()
        }
    };
    let group = json!({ "member_ids": [people[0].id, people[1].id, people[2].id], "session_id": at(0), "all_or_none": false, "wait": true });
    let done = send(
        format!("/events/{event}/sign-ups/group"),
        tenant.admin.clone(),
        group,
    )
    .await
    .expect(200);
    let id = |n: usize| done.items()[n]["sign_up"]["id"].as_str().unwrap().to_owned();
    let to = |n: usize, what: &str| format!("/sign-ups/{}/{what}", id(n));
    // Moving to the other session makes an offer to the third, who declines it.
    send(
        to(0, "move"),
        people[0].token.clone(),
        json!({ "session_id": at(1) }),
    )
    .await
    .expect(200);
    send(to(2, "decline"), people[2].token.clone(), json!({}))
        .await
        .expect(200);
    send(
        to(1, "cancel"),
        people[1].token.clone(),
        json!({ "reason": "出差" }),
    )
    .await
    .expect(200);
    let one = json!({ "client_event_id": new_uuid(), "session_id": at(0) });
    let replies = join_all((0..8).map(|n| {
        let path = format!("/events/{event}/sign-ups");
        let path = if n % 2 == 0 {
            path
        } else {
            format!("{replica}/api/v1{path}")
        };
        let (t, token, one) = (&t, people[3].token.clone(), one.clone());
        async move { t.post(&path, &token, one).await }
    }))
    .await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    assert!(replies.iter().all(|reply| reply.bytes == replies[0].bytes));
    let items = all(&t, &tenant, &event).await;
    let words: Vec<&str> = items
        .iter()
        .map(|item| item["status"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["confirmed", "cancelled", "declined", "confirmed"]);
    let steps = t
        .get(&format!("/sign-ups/{}", id(2)), &people[2].token)
        .await
        .expect(200);
    assert_eq!(steps.json["steps"].as_array().unwrap().len(), 2);
    stop.stop(false).await;
}

#[actix_web::test]
async fn a_place_in_a_long_line_is_counted_across_the_thousands() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 8).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 0 })).await;
    let skip = |to: i64| {
        let query = format!("UPDATE sign_up_policies SET last_seq = {to}");
        t.app
            .db
            .write(move |conn| Ok(diesel::sql_query(&query).execute(conn)?))
    };
    let mut ids = Vec::new();
    for (n, person) in people.iter().enumerate() {
        // Two before the thousandth arrival, two after, two after the two thousandth, and so on.
        if n % 2 == 0 {
            skip(n as i64 / 2 * 1_000 + 998).await.unwrap();
        }
        ids.push(sign_up(&t, &person.token, &event).await.expect(201).id());
    }
    let mine = |n: usize| {
        let (t, path, token) = (
            &t,
            format!("/events/{event}/sign-ups/mine"),
            people[n].token.clone(),
        );
        async move { t.get(&path, &token).await.expect(200).json["place_in_line"].as_i64() }
    };
    for n in 0..people.len() {
        assert_eq!(mine(n).await, Some(n as i64 + 1));
    }
    t.post(
        &format!("/sign-ups/{}/cancel", ids[3]),
        &people[3].token,
        json!({}),
    )
    .await
    .expect(200);
    assert_eq!(
        (mine(2).await, mine(4).await, mine(7).await),
        (Some(3), Some(4), Some(7))
    );
    policy(&t, &tenant.admin, &event, json!({ "capacity": 3 }))
        .await
        .expect(200);
    assert_eq!(
        (mine(2).await, mine(4).await, mine(7).await),
        (None, Some(1), Some(4))
    );
}
