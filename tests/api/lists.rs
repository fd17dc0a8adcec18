//! What all lists promise: pages that add up to their count, and a list that a phone keeps up to date by what changed.

use serde_json::{Value, json};

use crate::sign_ups::branch_day;
use crate::support::{Reply, Tenant, TestApp};

/// Reads a list one item a page, and holds the count against what was read.
async fn count_by_pages(t: &TestApp, path: &str, token: &str) -> usize {
    let join = if path.contains('?') { '&' } else { '?' };
    let plain = t.get(path, token).await.expect(200);
    assert_eq!(plain.json.get("count"), None, "{path}: nobody asked");
    let (mut ids, mut counts, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = t
            .get(&format!("{path}{join}count=true&limit=1{cursor}"), token)
            .await
            .expect(200);
        ids.extend(page.items().iter().cloned());
        counts.push(page.json["count"].as_u64().expect("a count"));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for (at, item) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(item), "{path}: twice {item}");
    }
    let all = ids.len();
    assert_eq!(counts, vec![all as u64; all], "{path}");
    all
}

#[actix_web::test]
async fn the_count_of_every_list_is_what_its_pages_add_up_to() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let events = [
        t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await,
        t.open_event(&tenant.admin, &tenant.root, json!({})).await,
    ];
    for token in [&tenant.member_a, &tenant.member_b] {
        let path = format!("/events/{}/leave-requests", events[1]);
        t.post(&path, token, json!({ "reason": "出差" }))
            .await
            .expect(201);
    }
    for branch in [&tenant.branch_a, &tenant.branch_b] {
        let path = format!("/members/{}/transfers", tenant.member_b_id);
        t.advance_s(1);
        t.post(
            &path,
            &tenant.admin,
            json!({ "organization_id": branch, "reason": "調動" }),
        )
        .await
        .expect(201);
    }
    for name in ["大屏", "手持"] {
        let path = format!("/organizations/{}/devices", tenant.branch_a);
        t.post(
            &path,
            &tenant.admin,
            json!({ "name": name, "purposes": ["screen"] }),
        )
        .await
        .expect(201);
    }
    let lists = [
        ("/organizations".to_owned(), 3),
        (format!("/organizations/{}/roles", tenant.branch_a), 2),
        (format!("/organizations/{}/devices", tenant.branch_a), 2),
        ("/members".to_owned(), 7),
        ("/members?q=書記".to_owned(), 2),
        (format!("/members/{}/transfers", tenant.member_b_id), 2),
        ("/events".to_owned(), 2),
        (format!("/events?organization_id={}", tenant.branch_a), 1),
        (format!("/events/{}/leave-requests", events[1]), 2),
        (format!("/events/{}/attendance?status=on_leave", events[1]), 0),
        ("/audit-log?action=event.publish".to_owned(), 2),
    ];
    for (path, expected) in lists {
        if expected == 0 {
            let reply = t
                .get(&format!("{path}&count=true"), &tenant.admin)
                .await
                .expect(200);
            assert_eq!(reply.json["count"], 0, "{path}");
        } else {
            assert_eq!(count_by_pages(&t, &path, &tenant.admin).await, expected, "{path}");
        }
    }
    let attendance = format!("/events/{}/attendance", events[1]);
    assert!(count_by_pages(&t, &attendance, &tenant.admin).await >= 7);
    assert!(count_by_pages(&t, "/auth/sessions", &tenant.admin).await >= 1);
    assert_eq!(count_by_pages(&t, "/events?mine=true", &tenant.member_b).await, 1);
}

async fn mine(t: &TestApp, token: &str, since: &str) -> Reply {
    let since = if since.is_empty() {
        String::new()
    } else {
        format!("&updated_since={since}")
    };
    t.get(&format!("/events?mine=true{since}"), token).await
}

fn ids(reply: &Reply) -> Vec<&str> {
    reply
        .items()
        .iter()
        .filter_map(|event| event["id"].as_str())
        .collect()
}

async fn change(t: &TestApp, tenant: &Tenant, event: &str, body: Value) {
    let path = format!("/events/{event}");
    t.patch(&path, &tenant.admin, "*", body).await.expect(200);
}

/// An event long ago enough for its change not to be sent again.
async fn later_event(t: &TestApp, tenant: &Tenant, organization: &str) -> String {
    t.advance_s(1_000);
    let times = json!({ "starts_at": t.in_s(600_000), "ends_at": t.in_s(606_000) });
    t.open_event(&tenant.admin, organization, times).await
}

#[actix_web::test]
async fn a_phone_asks_for_what_has_changed_since_its_last_list() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let old = later_event(&t, &tenant, &tenant.branch_a).await;
    let new = later_event(&t, &tenant, &tenant.root).await;
    let all = mine(&t, &tenant.member_a, "").await.expect(200);
    assert_eq!(ids(&all), [&*old, &*new]);
    let token = all.text("/sync_token");

    // What changed last comes again; asking again says the same, so that a phone's poll is a 304.
    let same = mine(&t, &tenant.member_a, &token).await.expect(200);
    assert_eq!(
        (ids(&same), same.text("/sync_token")),
        (vec![&*new], token.clone())
    );
    let poll = t
        .request(
            reqwest::Method::GET,
            &format!("/events?mine=true&updated_since={token}"),
            &tenant.member_a,
        )
        .header("if-none-match", same.header("etag"));
    Reply::of(poll).await.expect(304);

    // Edited, cancelled and new: each is told, once the token is renewed the old ones are not.
    t.advance_s(1_000);
    change(&t, &tenant, &old, json!({ "title": "改期的會" })).await;
    let edited = mine(&t, &tenant.member_a, &token).await.expect(200);
    assert_eq!(ids(&edited), [&*old, &*new]);
    let token = edited.text("/sync_token");
    t.advance_s(1_000);
    t.post(
        &format!("/events/{new}/cancel"),
        &tenant.admin,
        json!({ "reason": "颱風" }),
    )
    .await
    .expect(200);
    let cancelled = mine(&t, &tenant.member_a, &token).await.expect(200);
    assert_eq!(ids(&cancelled), [&*old, &*new]);
    assert_eq!(cancelled.items()[1]["status"], "cancelled");
    let token = cancelled.text("/sync_token");
    assert_eq!(
        ids(&mine(&t, &tenant.member_a, &token).await.expect(200)),
        [&*new]
    );
    let third = later_event(&t, &tenant, &tenant.branch_a).await;
    let added = mine(&t, &tenant.member_a, &token).await.expect(200);
    assert_eq!(ids(&added), [&*new, &*third]);

    // Another branch's events are no news.
    let quiet = mine(&t, &tenant.member_b, "").await.expect(200);
    later_event(&t, &tenant, &tenant.branch_a).await;
    let still = mine(&t, &tenant.member_b, &quiet.text("/sync_token"))
        .await
        .expect(200);
    assert_eq!(still.text("/sync_token"), quiet.text("/sync_token"));
}

#[actix_web::test]
async fn a_freezing_roster_is_a_change() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = later_event(&t, &tenant, &tenant.branch_a).await;
    let token = mine(&t, &tenant.member_a, "")
        .await
        .expect(200)
        .text("/sync_token");
    t.advance_s(600_000);
    t.get(&format!("/events/{event}/code"), &tenant.admin)
        .await
        .expect(200);
    let body = t.with_code(&t.code(&tenant.admin, &event).await);
    t.post("/check-ins", &tenant.member_a, body).await.expect(201);
    let frozen = mine(&t, &tenant.member_a, &token).await.expect(200);
    assert_ne!(frozen.items()[0]["roster_frozen_at"], Value::Null);
    assert_ne!(frozen.text("/sync_token"), token);
}

#[actix_web::test]
async fn who_may_have_been_taken_off_an_event_reads_the_whole_list_again() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = later_event(&t, &tenant, &tenant.root).await;
    let first = mine(&t, &tenant.member_b, "")
        .await
        .expect(200)
        .text("/sync_token");
    let expected = json!({ "expected": { "organization_ids": [tenant.branch_a] } });
    change(&t, &tenant, &event, expected).await;
    mine(&t, &tenant.member_b, &first)
        .await
        .refused(410, "sync_token_outdated");
    let again = mine(&t, &tenant.member_b, "").await.expect(200);
    assert!(ids(&again).is_empty());

    // A draft has no attendees yet: whoever it is about to call need not know.
    let token = again.text("/sync_token");
    let draft = json!({
        "organization_id": tenant.branch_b, "title": "草稿", "starts_at": t.in_s(90_000), "ends_at": t.in_s(95_000), "forms": ["lecture"],
    });
    let draft = t.post("/events", &tenant.admin, draft).await.expect(201).id();
    let expected = json!({ "expected": { "organization_ids": [tenant.root] } });
    change(&t, &tenant, &draft, expected).await;
    assert!(ids(&mine(&t, &tenant.member_b, &token).await.expect(200)).is_empty());

    // A transfer puts the member into another place, with other events.
    let path = format!("/members/{}/transfers", tenant.member_b_id);
    let transfer = json!({ "organization_id": tenant.branch_a, "reason": "調動" });
    t.post(&path, &tenant.admin, transfer).await.expect(201);
    mine(&t, &tenant.member_b, &token)
        .await
        .refused(410, "sync_token_outdated");
    assert_eq!(ids(&mine(&t, &tenant.member_b, "").await.expect(200)), [&*event]);

    // There and back: what was frozen meanwhile was frozen without them.
    let token = mine(&t, &tenant.member_b, "")
        .await
        .expect(200)
        .text("/sync_token");
    for branch in [&tenant.branch_b, &tenant.branch_a] {
        let transfer = json!({ "organization_id": branch, "reason": "調動" });
        t.post(&path, &tenant.admin, transfer).await.expect(201);
    }
    mine(&t, &tenant.member_b, &token)
        .await
        .refused(410, "sync_token_outdated");

    // So with the organization itself.
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    let transfer = json!({ "organization_id": group, "reason": "調動" });
    t.post(&path, &tenant.admin, transfer).await.expect(201);
    let token = mine(&t, &tenant.member_b, "")
        .await
        .expect(200)
        .text("/sync_token");
    for parent in [&tenant.branch_b, &tenant.branch_a] {
        let path = format!("/organizations/{group}/move");
        t.post(&path, &tenant.admin, json!({ "parent_id": parent }))
            .await
            .expect(200);
    }
    mine(&t, &tenant.member_b, &token)
        .await
        .refused(410, "sync_token_outdated");

    // Nobody else's token, nothing that is none, and no filter that would hide a change.
    mine(&t, &tenant.member_a, &token)
        .await
        .refused(410, "sync_token_outdated");
    for query in [
        "mine=true&updated_since=x".to_owned(),
        format!("updated_since={token}"),
        format!("mine=true&form=lecture&updated_since={token}"),
        format!("mine=true&from={}&updated_since={token}", t.in_s(0)),
    ] {
        let refused = t
            .get(&format!("/events?{query}"), &tenant.member_a)
            .await
            .refused(422, "invalid_fields");
        assert_eq!(refused.json["errors"][0]["field"], "updated_since", "{query}");
    }
}

#[actix_web::test]
async fn who_signs_up_or_is_taken_off_reads_the_whole_list_again() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = branch_day(&t, &tenant).await;
    t.advance_s(1_000);
    let known = later_event(&t, &tenant, &tenant.branch_b).await;
    let read = async |since: &str| mine(&t, &tenant.member_b, since).await;
    let first = read("").await.expect(200);
    assert_eq!(ids(&first), [&*known]);
    let group = json!({ "member_ids": [tenant.member_b_id], "all_or_none": true });
    let path = format!("/events/{event}/sign-ups/group");
    t.post(&path, &tenant.admin, group.clone()).await.expect(200);
    read(&first.text("/sync_token"))
        .await
        .refused(410, "sync_token_outdated");
    let second = read("").await.expect(200);
    assert_eq!(ids(&second).len(), 2);
    read(&second.text("/sync_token")).await.expect(200);
    let id = t
        .get(&format!("/events/{event}/sign-ups/mine"), &tenant.member_b)
        .await
        .expect(200)
        .id();
    let why = json!({ "reason": "調整" });
    t.post(&format!("/sign-ups/{id}/cancel"), &tenant.admin, why)
        .await
        .expect(200);
    read(&second.text("/sync_token"))
        .await
        .refused(410, "sync_token_outdated");
    assert_eq!(ids(&read("").await.expect(200)), [&*known]);
    // That an event is over by and by takes nothing back, and hides no sign-up that comes after.
    t.post(&path, &tenant.admin, group).await.expect(200);
    let third = read("").await.expect(200);
    t.advance_s(4 * 86_400);
    let same = read(&third.text("/sync_token")).await.expect(200);
    // Nor does the next thirty days' beginning, from which on sign-ups are looked at.
    t.advance_s(10 * 86_400);
    read(&third.text("/sync_token")).await.expect(200);
    assert_ne!(
        read(&same.text("/sync_token"))
            .await
            .expect(200)
            .text("/sync_token"),
        same.text("/sync_token")
    );
    let other = branch_day(&t, &tenant).await;
    t.advance_s(1_000);
    let last = later_event(&t, &tenant, &tenant.branch_b).await;
    let fourth = read(&third.text("/sync_token")).await.expect(200);
    assert!(ids(&fourth).contains(&&*last));
    let group = json!({ "member_ids": [tenant.member_b_id], "all_or_none": true });
    t.post(&format!("/events/{other}/sign-ups/group"), &tenant.admin, group)
        .await
        .expect(200);
    read(&fourth.text("/sync_token"))
        .await
        .refused(410, "sync_token_outdated");
}
