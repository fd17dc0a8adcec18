//! Reflections after an event, who sees them, who decides on them; and the materials of an event.

use diesel::RunQueryDsl;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::costs::{PDF, begin_receipt, receipt};
use crate::races::look_then_act;
use crate::sign_ups::{branch_day, sign_up};
use crate::support::{Reply, Tenant, TestApp, new_uuid};

/// An event of branch A that began ten minutes ago.
pub async fn begun_event(t: &TestApp, tenant: &Tenant, change: Value) -> String {
    let mut body = json!({ "starts_at": t.in_s(-600), "ends_at": t.in_s(3_000) });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    t.open_event(&tenant.admin, &tenant.branch_a, body).await
}

/// What somebody shares of an event, for `visibility`.
pub async fn share(t: &TestApp, token: &str, event: &str, visibility: &str) -> Reply {
    let body = json!({ "text": "一碗水也有來處。", "visibility": visibility });
    t.post(&format!("/events/{event}/reflections"), token, body).await
}

async fn act_on(t: &TestApp, token: &str, path: &str, version: &str, body: Value) -> Reply {
    let request = t.request(Method::POST, path, token).json(&body);
    Reply::of(if version.is_empty() {
        request
    } else {
        request.header("if-match", version)
    })
    .await
}

/// Decides on whatever is there.
pub async fn decide(t: &TestApp, token: &str, id: &str, verb: &str) -> Reply {
    let body = match verb {
        "approve" => json!({}),
        _ => json!({ "reason": "請去掉姓名" }),
    };
    act_on(t, token, &format!("/reflections/{id}/{verb}"), "*", body).await
}

async fn like(t: &TestApp, method: Method, token: &str, id: &str) -> Reply {
    Reply::of(t.request(method, &format!("/reflections/{id}/like"), token)).await
}

fn ids(list: &Reply) -> Vec<String> {
    let text = |item: &Value| item["id"].as_str().unwrap().to_owned();
    list.items().iter().map(text).collect()
}

/// What was recorded of a thing, the newest first.
async fn recorded(t: &TestApp, tenant: &Tenant, id: &str) -> Vec<String> {
    let log = t
        .get(&format!("/audit-log?object_id={id}"), &tenant.admin)
        .await
        .expect(200);
    let action = |entry: &Value| entry["action"].as_str().unwrap().to_owned();
    log.items().iter().map(action).collect()
}

#[actix_web::test]
async fn from_the_first_word_to_the_last() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (peer_id, peer) = t.person(&tenant, &tenant.branch_a, "甲同志", None).await;
    let event = begun_event(&t, &tenant, json!({})).await;
    let path = format!("/events/{event}/reflections");
    for (body, field) in [
        (json!({ "text": " ", "visibility": "event" }), "/text"),
        (
            json!({ "text": "字".repeat(5_001), "visibility": "event" }),
            "/text",
        ),
        (json!({ "text": "x", "visibility": "world" }), "/visibility"),
        (json!({ "text": "x", "visibility": "tree", "likes": 9 }), "/likes"),
    ] {
        let refused = t.post(&path, &tenant.member_a, body).await;
        assert_eq!(
            refused.refused(422, "invalid_fields").json["errors"][0]["field"],
            field
        );
    }
    let body = json!({ "text": "字".repeat(5_000), "visibility": "event" });
    let shared = t.post(&path, &tenant.member_a, body).await.expect(201);
    let (id, one) = (shared.id(), format!("/reflections/{}", shared.id()));
    assert_eq!(shared.header("location"), format!("/api/v1{one}"));
    assert_eq!(
        [
            &shared.json["status"],
            &shared.json["author_name"],
            &shared.json["branch_name"],
            &shared.json["event_title"],
            &shared.json["pictures"],
            &shared.json["liked_by_me"],
            &shared.json["published_at"],
            &shared.json["version"],
        ],
        [
            &json!("pending"),
            &json!("甲成員"),
            &json!("第一黨支部"),
            &json!("支部黨員大會"),
            &json!([]),
            &json!(false),
            &Value::Null,
            &json!(1),
        ]
    );
    let again = share(&t, &tenant.member_a, &event, "tree").await;
    assert_eq!(again.refused(409, "already_shared").json["reflection_id"], id);

    // Its author changes it, of the version that they have read.
    let change = json!({ "text": "飲水思源。" });
    t.patch(&one, &tenant.member_a, "", change.clone())
        .await
        .refused(428, "version_required");
    t.patch(&one, &tenant.member_a, "\"7\"", change.clone())
        .await
        .refused(412, "version_mismatch");
    let changed = t.patch(&one, &tenant.member_a, "\"1\"", change.clone()).await;
    assert_eq!(changed.expect(200).json["version"], 2);
    let same = t.patch(&one, &tenant.member_a, "\"2\"", change.clone()).await;
    assert_eq!(same.expect(200).json["version"], 2);
    t.patch(&one, &tenant.organizer_a, "*", change.clone())
        .await
        .refused(403, "forbidden");
    t.patch(&one, &peer, "*", change).await.refused(404, "not_found");

    // Approved is what was read.
    let waiting = t
        .get("/reflections?pending=true", &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(ids(&waiting), [id.clone()]);
    assert_eq!(
        ids(&t.get("/reflections?pending=true", &peer).await.expect(200)),
        [""; 0]
    );
    let approve = format!("{one}/approve");
    act_on(&t, &tenant.organizer_a, &approve, "", json!({}))
        .await
        .refused(428, "version_required");
    act_on(&t, &tenant.organizer_a, &approve, "\"1\"", json!({}))
        .await
        .refused(412, "version_mismatch");
    let etag = t
        .get(&one, &tenant.organizer_a)
        .await
        .expect(200)
        .header("etag")
        .to_owned();
    let approved = act_on(&t, &tenant.organizer_a, &approve, &etag, json!({})).await;
    assert_eq!(approved.expect(200).json["status"], "published");
    decide(&t, &tenant.organizer_a, &id, "approve")
        .await
        .refused(409, "reflection_status");
    decide(&t, &tenant.organizer_a, &id, "reject")
        .await
        .refused(409, "reflection_status");
    let seen = t.get(&one, &peer).await.expect(200);
    assert_eq!(
        (seen.text("/text"), &seen.json["reason"]),
        ("飲水思源。".into(), &Value::Null)
    );

    // Liked without a number; its author sees by whom.
    let likes = format!("{one}/likes");
    for _ in 0..2 {
        like(&t, Method::PUT, &peer, &id).await.expect(204);
    }
    assert_eq!(t.get(&one, &peer).await.json["liked_by_me"], true);
    assert_eq!(t.get(&one, &tenant.member_a).await.json["liked_by_me"], false);
    let by = t.get(&likes, &tenant.member_a).await.expect(200);
    assert_eq!(
        by.json,
        json!({ "items": [{ "member_id": peer_id, "name": "甲同志", "liked_at": t.in_s(0) }], "next_cursor": null })
    );
    for other in [&peer, &tenant.organizer_a, &tenant.admin] {
        t.get(&likes, other).await.refused(403, "forbidden");
    }
    t.get(&format!("{likes}?count=true"), &tenant.member_a)
        .await
        .refused(422, "invalid_fields");
    for token in [&peer, &tenant.member_a, &tenant.admin] {
        let told = t.get(&one, token).await.expect(200);
        let fields: Vec<&String> = told.json.as_object().unwrap().keys().collect();
        assert!(
            !fields
                .iter()
                .any(|field| field.contains("like") && *field != "liked_by_me"),
            "{fields:?}"
        );
    }
    for _ in 0..2 {
        like(&t, Method::DELETE, &peer, &id).await.expect(204);
    }
    assert_eq!(t.get(&likes, &tenant.member_a).await.expect(200).items().len(), 0);

    // What is changed is read again; what is hidden can be shown again, and what is withdrawn makes room.
    let change = json!({ "visibility": "tree" });
    let changed = t.patch(&one, &tenant.member_a, "*", change).await.expect(200);
    assert_eq!(
        (&changed.json["status"], &changed.json["published_at"]),
        (&json!("pending"), &Value::Null)
    );
    t.get(&one, &peer).await.refused(404, "not_found");
    like(&t, Method::PUT, &tenant.member_a, &id)
        .await
        .refused(409, "reflection_status");
    decide(&t, &tenant.organizer_a, &id, "approve").await.expect(200);
    let hidden = decide(&t, &tenant.secretary_a, &id, "hide").await.expect(200);
    assert_eq!(
        (hidden.text("/status"), hidden.text("/reason")),
        ("hidden".into(), "請去掉姓名".into())
    );
    t.patch(&one, &tenant.member_a, "*", json!({ "text": "x" }))
        .await
        .refused(409, "reflection_status");
    let told = t
        .get("/reflections?mine=true", &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(told.items()[0]["reason"], "請去掉姓名");
    let shown = decide(&t, &tenant.secretary_a, &id, "approve").await.expect(200);
    assert_eq!(
        (shown.text("/status"), &shown.json["reason"]),
        ("published".into(), &Value::Null)
    );
    for token in [&peer, &tenant.admin] {
        t.act(&format!("{one}/withdraw"), token)
            .await
            .refused(403, "forbidden");
    }
    for _ in 0..2 {
        let withdrawn = t
            .act(&format!("{one}/withdraw"), &tenant.member_a)
            .await
            .expect(200);
        assert_eq!(withdrawn.json["status"], "withdrawn");
    }
    let second = share(&t, &tenant.member_a, &event, "tree").await.expect(201).id();
    decide(&t, &tenant.organizer_a, &second, "reject")
        .await
        .expect(200);
    share(&t, &tenant.member_a, &event, "tree").await.expect(201);
    assert_eq!(
        recorded(&t, &tenant, &id).await,
        [
            "reflection.approve",
            "reflection.hide",
            "reflection.approve",
            "reflection.approve"
        ]
    );
    assert_eq!(recorded(&t, &tenant, &second).await, ["reflection.reject"]);
}

#[actix_web::test]
async fn only_who_took_part_shares_and_not_before_it_begins() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let early = share(&t, &tenant.member_a, &event, "event").await;
    assert_eq!(
        early.refused(409, "event_not_begun").json["starts_at"],
        t.in_s(600)
    );
    t.advance_s(600);
    share(&t, &tenant.member_a, &event, "event").await.expect(201);
    // Who may see the event and did not take part is told so; who may not learns nothing.
    for token in [&tenant.inspector, &tenant.admin] {
        share(&t, token, &event, "event")
            .await
            .refused(403, "not_expected");
    }
    share(&t, &tenant.system, &event, "event")
        .await
        .refused(403, "forbidden");
    share(&t, &tenant.member_b, &event, "event")
        .await
        .refused(404, "not_found");
    // Whoever came took part.
    let by_hand = json!({ "member_id": tenant.member_b_id, "reason": "列席", "client_event_id": new_uuid() });
    t.post(&format!("/events/{event}/check-ins"), &tenant.admin, by_hand)
        .await
        .expect(201);
    share(&t, &tenant.member_b, &event, "event").await.expect(201);

    // Where people sign up, that is who has a place.
    let day = branch_day(&t, &tenant).await;
    sign_up(&t, &tenant.member_a, &day).await.expect(201);
    t.advance_s(3 * 86_400);
    share(&t, &tenant.secretary_a, &day, "event")
        .await
        .refused(403, "not_expected");
    share(&t, &tenant.member_a, &day, "event").await.expect(201);

    let called_off = begun_event(&t, &tenant, json!({})).await;
    let reason = json!({ "reason": "暴雨" });
    t.post(&format!("/events/{called_off}/cancel"), &tenant.admin, reason)
        .await
        .expect(200);
    share(&t, &tenant.member_a, &called_off, "event")
        .await
        .refused(409, "event_cancelled");

    // Whoever is deactivated does nothing more, and what they wrote stays.
    let shared = t
        .get("/reflections?mine=true", &tenant.member_b)
        .await
        .expect(200);
    let id = ids(&shared).remove(0);
    decide(&t, &tenant.admin, &id, "approve").await.expect(200);
    let reason = json!({ "reason": "調離" });
    t.post(
        &format!("/members/{}/deactivate", tenant.member_b_id),
        &tenant.admin,
        reason,
    )
    .await
    .expect(200);
    for _ in 0..40 {
        if t.get("/me", &tenant.member_b).await.status == 401 {
            break;
        }
        // Every process knows within a second.
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    for (method, path) in [
        (Method::GET, format!("/reflections/{id}")),
        (Method::POST, format!("/reflections/{id}/withdraw")),
        (Method::PUT, format!("/reflections/{id}/like")),
        (Method::POST, format!("/reflections/{id}/pictures")),
        (Method::GET, format!("/events/{event}/materials")),
    ] {
        Reply::of(t.request(method, &path, &tenant.member_b))
            .await
            .refused(401, "unauthorized");
    }
    assert_eq!(
        t.get(&format!("/reflections/{id}"), &tenant.member_a)
            .await
            .expect(200)
            .json["author_name"],
        "乙成員"
    );
}

/// Somebody who looks: a name, a token, from which visibility on they see what is published (3: never; none: they see
/// everything as it stands), and whether they may know of the event.
struct Looker {
    name: &'static str,
    token: String,
    from: Option<usize>,
    sees_event: bool,
}

async fn lookers(t: &TestApp, tenant: &Tenant) -> (Vec<Looker>, [String; 2]) {
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    let (companion_id, companion) = t.person(tenant, &tenant.branch_b, "同行", None).await;
    let (guest_id, guest) = t.person(tenant, &tenant.branch_b, "列席", None).await;
    let neighbour = t.person(tenant, &tenant.branch_a, "同支部", None).await.1;
    let in_group = t.person(tenant, &group, "同小組", None).await.1;
    let above = t.person(tenant, &tenant.root, "機關", None).await.1;
    let stranger = t.tenant().await;
    let looker = |name, token: &str, from, sees_event| Looker {
        name,
        token: token.to_owned(),
        from,
        sees_event,
    };
    let all = vec![
        looker("author", &tenant.member_a, None, true),
        looker("organizer", &tenant.organizer_a, None, true),
        looker("secretary", &tenant.secretary_a, None, true),
        looker("admin", &tenant.admin, None, true),
        looker("system admin", &tenant.system, None, true),
        looker("inspector", &tenant.inspector, Some(0), true),
        looker("companion", &companion, Some(0), true),
        looker("guest who came", &guest, Some(0), true),
        looker("neighbour", &neighbour, Some(1), false),
        looker("in the branch's group", &in_group, Some(1), false),
        looker("other branch", &tenant.member_b, Some(2), false),
        // One of theirs was called, so they know of the event.
        looker("other secretary", &tenant.secretary_b, Some(2), true),
        looker("above", &above, Some(2), false),
        looker("other tenant", &stranger.member_a, Some(3), false),
        looker("other tenant's admin", &stranger.admin, Some(3), false),
    ];
    (all, [companion_id, guest_id])
}

/// Every looker at every reflection there is, in each list: `there` is (id, visibility, whether it is published).
async fn look(t: &TestApp, event: &str, lookers: &[Looker], there: &[(&str, usize, bool)]) {
    for looker in lookers {
        let sees = |(_, visibility, published): &(&str, usize, bool)| {
            looker.from.is_none_or(|from| *published && *visibility >= from)
        };
        for one in there {
            let reply = t.get(&format!("/reflections/{}", one.0), &looker.token).await;
            let expected = if sees(one) { 200 } else { 404 };
            assert_eq!(reply.status, expected, "{} {one:?}", looker.name);
            if expected == 200 {
                assert!(reply.json["pictures"][0]["url"].is_string(), "{}", looker.name);
            }
        }
        let seen: Vec<&str> = there
            .iter()
            .rev()
            .filter(|one| sees(one))
            .map(|one| one.0)
            .collect();
        let list = t
            .get(&format!("/events/{event}/reflections?count=true"), &looker.token)
            .await;
        if looker.sees_event || !seen.is_empty() {
            assert_eq!(ids(&list), seen, "{} of {there:?}", looker.name);
            assert_eq!(list.json["count"], seen.len(), "{}", looker.name);
        } else {
            list.refused(404, "not_found");
        }
        let feed: Vec<&str> = there
            .iter()
            .rev()
            .filter(|one| one.2 && sees(one))
            .map(|one| one.0)
            .collect();
        let all = t.get("/reflections?limit=200", &looker.token).await.expect(200);
        let here: Vec<&str> = all
            .items()
            .iter()
            .filter(|item| item["event_id"] == event)
            .map(|item| item["id"].as_str().unwrap())
            .collect();
        assert_eq!(here, feed, "{} of {there:?}", looker.name);
    }
}

#[actix_web::test]
async fn who_sees_what_in_each_state() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (lookers, [companion, guest]) = lookers(&t, &tenant).await;
    for (visibility, word) in ["event", "branch", "tree"].into_iter().enumerate() {
        let called = json!({ "expected": { "member_ids": [tenant.member_a_id, companion] } });
        let event = begun_event(&t, &tenant, called).await;
        let by_hand = json!({ "member_id": guest, "reason": "列席", "client_event_id": new_uuid() });
        t.post(&format!("/events/{event}/check-ins"), &tenant.admin, by_hand)
            .await
            .expect(201);
        let first = share(&t, &tenant.member_a, &event, word).await.expect(201).id();
        crate::sharing_pictures::add(&t, &tenant.member_a, &first)
            .await
            .expect(201);
        look(&t, &event, &lookers, &[(&first, visibility, false)]).await;
        decide(&t, &tenant.organizer_a, &first, "approve")
            .await
            .expect(200);
        look(&t, &event, &lookers, &[(&first, visibility, true)]).await;
        decide(&t, &tenant.organizer_a, &first, "hide").await.expect(200);
        look(&t, &event, &lookers, &[(&first, visibility, false)]).await;
        t.act(&format!("/reflections/{first}/withdraw"), &tenant.member_a)
            .await
            .expect(200);
        let second = share(&t, &tenant.member_a, &event, word).await.expect(201).id();
        crate::sharing_pictures::add(&t, &tenant.member_a, &second)
            .await
            .expect(201);
        decide(&t, &tenant.organizer_a, &second, "reject")
            .await
            .expect(200);
        let both = [
            (first.as_str(), visibility, false),
            (second.as_str(), visibility, false),
        ];
        look(&t, &event, &lookers, &both).await;
        // A known thing is not everybody's to decide on.
        let third = share(&t, &tenant.member_a, &event, word).await.expect(201).id();
        decide(&t, &tenant.organizer_a, &third, "approve")
            .await
            .expect(200);
        for looker in &lookers {
            let expected = match looker.from {
                None if looker.name == "author" => 403,
                None => 409,
                Some(from) if visibility >= from => 403,
                Some(_) => 404,
            };
            let tried = decide(&t, &looker.token, &third, "approve").await;
            assert_eq!(tried.status, expected, "{} {word}", looker.name);
        }
    }
    // Whoever goes to another branch sees what is that one's.
    let moved = json!({ "organization_id": tenant.branch_a, "reason": "調動" });
    let reflections = "/reflections?limit=200";
    let before = t
        .get(reflections, &tenant.member_b)
        .await
        .expect(200)
        .items()
        .len();
    t.post(
        &format!("/members/{}/transfers", tenant.member_b_id),
        &tenant.admin,
        moved,
    )
    .await
    .expect(201);
    let after = t
        .get(reflections, &tenant.member_b)
        .await
        .expect(200)
        .items()
        .len();
    assert_eq!((before, after), (1, 2));
}

#[actix_web::test]
async fn lists_come_in_pages_and_are_not_sent_twice() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let event = begun_event(&t, &tenant, json!({})).await;
        made.push(
            share(&t, &tenant.member_a, &event, "event")
                .await
                .expect(201)
                .id(),
        );
    }
    made.reverse();
    let (mut cursor, mut found) = (String::new(), Vec::new());
    loop {
        let path = format!("/reflections?mine=true&limit=2&count=true{cursor}");
        let page = t.get(&path, &tenant.member_a).await.expect(200);
        assert_eq!(page.json["count"], 3);
        found.extend(ids(&page));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, made);
    let path = "/reflections?pending=true";
    let list = t.get(path, &tenant.secretary_a).await.expect(200);
    assert_eq!(ids(&list), made);
    let again = t
        .request(Method::GET, path, &tenant.secretary_a)
        .header("if-none-match", list.header("etag"));
    assert_eq!(Reply::of(again).await.status, 304);
    t.get("/reflections?mine=true", &tenant.system)
        .await
        .refused(403, "forbidden");
}

#[actix_web::test]
async fn without_moderation_it_is_seen_at_once_unless_its_author_was_refused_before() {
    let t = TestApp::start_with(|config| config.sharing.moderated = false).await;
    let tenant = t.tenant().await;
    let event = begun_event(&t, &tenant, json!({})).await;
    let shared = share(&t, &tenant.member_a, &event, "event").await.expect(201);
    assert_eq!(
        (shared.text("/status"), shared.text("/published_at")),
        ("published".into(), t.in_s(0))
    );
    let (id, one) = (shared.id(), format!("/reflections/{}", shared.id()));
    let changed = t
        .patch(&one, &tenant.member_a, "*", json!({ "text": "又想了想" }))
        .await;
    assert_eq!(changed.expect(200).json["status"], "published");
    decide(&t, &tenant.organizer_a, &id, "hide").await.expect(200);
    // Taking it back and writing it again does not get round that.
    t.act(&format!("{one}/withdraw"), &tenant.member_a)
        .await
        .expect(200);
    let again = share(&t, &tenant.member_a, &event, "event").await.expect(201);
    assert_eq!(again.json["status"], "pending");
    let other = begun_event(&t, &tenant, json!({})).await;
    let other = share(&t, &tenant.member_a, &other, "event").await.expect(201);
    assert_eq!(other.json["status"], "published");
}

fn at(server: &str, path: &str) -> String {
    format!("{server}/api/v1{path}")
}

#[actix_web::test]
async fn of_many_at_once_one_is_shared_and_one_decides() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let t = &t;
    for _ in 0..4 {
        let event = begun_event(t, &tenant, json!({})).await;
        let path = format!("/events/{event}/reflections");
        let replies = join_all((0..8).map(|n| {
            let path = at(if n % 2 == 0 { &replica } else { &t.url }, &path);
            let body = json!({ "text": format!("{n}"), "visibility": "tree" });
            let token = &tenant.member_a;
            async move { t.post(&path, token, body).await }
        }))
        .await;
        let (made, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
        assert_eq!(made.len(), 1);
        let id = made[0].id();
        for reply in refused {
            assert_eq!(reply.refused(409, "already_shared").json["reflection_id"], id);
        }
        let decisions = join_all((0..8).map(|n| {
            let (verb, token) = match n % 3 {
                0 => ("approve", &tenant.organizer_a),
                1 => ("approve", &tenant.secretary_a),
                _ => ("reject", &tenant.admin),
            };
            let server = if n % 2 == 0 { &replica } else { &t.url };
            let path = at(server, &format!("/reflections/{id}/{verb}"));
            let body = if verb == "reject" {
                json!({ "reason": "x" })
            } else {
                json!({})
            };
            async move { act_on(t, token, &path, "\"1\"", body).await }
        }))
        .await;
        let (done, refused): (Vec<_>, Vec<_>) = decisions.into_iter().partition(|reply| reply.status == 200);
        assert_eq!(done.len(), 1);
        for reply in refused {
            reply.refused(412, "version_mismatch");
        }
        let kept = t
            .get(&format!("/reflections/{id}"), &tenant.admin)
            .await
            .expect(200);
        assert_eq!(
            (&kept.json["status"], &kept.json["version"]),
            (&done[0].json["status"], &json!(2))
        );
        assert_eq!(recorded(t, &tenant, &id).await.len(), 1);
    }
    stop.stop(false).await;
}

/// Who looks without a lock and a version, and then writes, decides once more.
#[actix_web::test]
async fn control_without_the_lock_the_same_race_decides_many_times() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = begun_event(&t, &tenant, json!({})).await;
    share(&t, &tenant.member_a, &event, "tree").await.expect(201);
    let look = "SELECT count(*) AS n FROM reflections WHERE status <> 'pending'";
    let acted = look_then_act(&t.app.db, look, |conn| {
        diesel::sql_query("UPDATE reflections SET status = 'published'").execute(conn)
    })
    .await;
    assert!(acted > 1, "the race found nothing to go wrong: it proves nothing");
}

#[actix_web::test]
async fn what_was_approved_is_what_was_read_whatever_its_author_does_meanwhile() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let mut won = [0, 0];
    for _ in 0..12 {
        let event = begun_event(&t, &tenant, json!({})).await;
        let id = share(&t, &tenant.member_a, &event, "tree").await.expect(201).id();
        let one = format!("/reflections/{id}");
        let (there, approve) = (at(&replica, &one), format!("{one}/approve"));
        let edit = t.patch(&there, &tenant.member_a, "\"1\"", json!({ "text": "換了" }));
        let approval = act_on(&t, &tenant.organizer_a, &approve, "\"1\"", json!({}));
        let (edited, approved) = futures_util::join!(edit, approval);
        let kept = t.get(&one, &tenant.admin).await.expect(200);
        let kept = (kept.text("/status"), kept.text("/text"));
        match (edited.status, approved.status) {
            (200, 412) => assert_eq!(kept, ("pending".into(), "換了".into())),
            (412, 200) => assert_eq!(kept, ("published".into(), "一碗水也有來處。".into())),
            other => panic!("{other:?}"),
        }
        won[usize::from(approved.status == 200)] += 1;
    }
    assert_eq!(won[0] + won[1], 12);
    stop.stop(false).await;
}

#[actix_web::test]
async fn the_same_key_shares_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = begun_event(&t, &tenant, json!({})).await;
    let path = format!("/events/{event}/reflections");
    let send = |text: &str| {
        let body = json!({ "text": text, "visibility": "branch" });
        let request = t.request(Method::POST, &path, &tenant.member_a).json(&body);
        Reply::of(request.header("idempotency-key", "\"k1\""))
    };
    let all = join_all((0..6).map(|_| send("一次"))).await;
    for reply in &all {
        assert_eq!((reply.status, &reply.json), (201, &all[0].json));
    }
    let replayed = all
        .iter()
        .filter(|reply| reply.header("idempotency-replayed") == "true");
    assert_eq!(replayed.count(), 5);
    send("兩次").await.refused(422, "idempotency_key_reused");
    assert_eq!(t.count("reflections").await, 1);
}

async fn file(t: &TestApp, token: &str, organization: &str, bytes: &[u8]) -> String {
    t.upload(token, organization, bytes).await.id()
}

#[actix_web::test]
async fn materials_are_for_those_who_take_part() {
    let t = TestApp::start_for_days().await;
    let (tenant, stranger) = (t.tenant().await, t.tenant().await);
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let path = format!("/events/{event}/materials");
    let slides = file(&t, &tenant.secretary_a, &tenant.branch_a, PDF).await;
    let picture = crate::media::data("poster.jpg");
    let picture = file(&t, &tenant.secretary_a, &tenant.branch_a, &picture).await;
    let put = |token: &str, title: &str, media: &str, position: Option<i32>| {
        let body = json!({ "title": title, "media_id": media, "position": position });
        let (path, token) = (path.clone(), token.to_owned());
        let t = &t;
        async move { t.post(&path, &token, body).await }
    };
    put(&tenant.member_a, "x", &slides, None)
        .await
        .refused(403, "forbidden");
    put(&tenant.secretary_b, "x", &slides, None)
        .await
        .refused(404, "not_found");
    let first = put(&tenant.organizer_a, "講義", &slides, None).await.expect(201);
    assert_eq!(
        [
            &first.json["kind"],
            &first.json["position"],
            &first.json["size_bytes"]
        ],
        [&json!("document"), &json!(0), &json!(PDF.len())]
    );
    let second = put(&tenant.organizer_a, "路線", &picture, None).await.expect(201);
    put(&tenant.organizer_a, "通知", &slides, Some(0))
        .await
        .expect(201);
    // Not of this tree, not there, not ready, not of a kind to be shown.
    let theirs = file(&t, &stranger.secretary_a, &stranger.branch_a, PDF).await;
    for media in [&theirs, &new_uuid()] {
        put(&tenant.organizer_a, "x", media, None)
            .await
            .refused(404, "not_found");
    }
    // An organizer, who writes no lessons, uploads materials; what an event cost is none, and pictures are nobody's to upload.
    let route = begin_receipt(&t, &tenant.organizer_a, &tenant.branch_a, "material", PDF).await;
    let route = route
        .expect(201)
        .header("location")
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let fourth = put(&tenant.organizer_a, "x", &route, None).await.expect(201);
    t.delete(&format!("/materials/{}", fourth.id()), &tenant.organizer_a)
        .await
        .expect(204);
    let bill = receipt(&t, &tenant.organizer_a, &tenant.branch_a, PDF).await.id();
    put(&tenant.organizer_a, "x", &bill, None)
        .await
        .refused(422, "invalid_fields");
    begin_receipt(&t, &tenant.organizer_a, &tenant.branch_a, "picture", PDF)
        .await
        .refused(422, "invalid_fields");
    let broken = file(&t, &tenant.secretary_a, &tenant.branch_a, b"GIF89a").await;
    put(&tenant.organizer_a, "x", &broken, None)
        .await
        .refused(409, "media_not_ready");
    let vtt = b"WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n";
    let vtt = file(&t, &tenant.secretary_a, &tenant.branch_a, vtt).await;
    put(&tenant.organizer_a, "x", &vtt, None)
        .await
        .refused(422, "invalid_fields");

    // Before the event and after it, in their order, and read without a token.
    let titles = |list: &Reply| -> Vec<String> {
        let items = list.items().iter();
        items
            .map(|item| item["title"].as_str().unwrap().to_owned())
            .collect()
    };
    for _ in 0..2 {
        for token in [
            &tenant.member_a,
            &tenant.inspector,
            &tenant.organizer_a,
            &tenant.system,
        ] {
            let list = t.get(&path, token).await.expect(200);
            assert_eq!(titles(&list), ["講義", "通知", "路線"]);
            let read = t.get(&t.here(list.items()[0]["url"].as_str().unwrap()), "").await;
            assert_eq!(read.expect(200).bytes, PDF);
        }
        for token in [&tenant.member_b, &tenant.secretary_b, &stranger.admin] {
            t.get(&path, token).await.refused(404, "not_found");
        }
        t.advance_s(9_000);
    }
    let page = t
        .get(&format!("{path}?limit=1&count=true"), &tenant.member_a)
        .await;
    let page = page.expect(200);
    assert_eq!(
        (titles(&page), &page.json["count"]),
        (vec!["講義".into()], &json!(3))
    );
    let next = format!("{path}?cursor={}", page.text("/next_cursor"));
    assert_eq!(
        titles(&t.get(&next, &tenant.member_a).await.expect(200)),
        ["通知", "路線"]
    );

    // A file that is shown is not deleted; one that was taken away may be.
    let (media, material) = (format!("/media/{picture}"), format!("/materials/{}", second.id()));
    t.delete(&media, &tenant.secretary_a)
        .await
        .refused(409, "media_in_use");
    t.delete(&material, &tenant.member_a)
        .await
        .refused(403, "forbidden");
    t.delete(&material, &tenant.member_b)
        .await
        .refused(404, "not_found");
    t.delete(&material, &tenant.organizer_a).await.expect(204);
    t.delete(&material, &tenant.organizer_a)
        .await
        .refused(404, "not_found");
    assert_eq!(
        titles(&t.get(&path, &tenant.member_a).await.expect(200)),
        ["講義", "通知"]
    );
    t.delete(&media, &tenant.secretary_a).await.expect(204);
    assert_eq!(
        recorded(&t, &tenant, &second.id()).await,
        ["material.archive", "material.create"]
    );
    assert_eq!(t.count("event_materials").await, 4);
}

#[actix_web::test]
async fn where_people_sign_up_materials_are_for_who_has_a_place_and_for_no_draft_of_anybody() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let slides = file(&t, &tenant.secretary_a, &tenant.branch_a, PDF).await;
    let body = json!({ "title": "路線", "media_id": slides });
    let day = branch_day(&t, &tenant).await;
    let path = format!("/events/{day}/materials");
    t.post(&path, &tenant.admin, body.clone()).await.expect(201);
    t.get(&path, &tenant.member_a).await.refused(403, "forbidden");
    sign_up(&t, &tenant.member_a, &day).await.expect(201);
    assert_eq!(t.get(&path, &tenant.member_a).await.expect(200).items().len(), 1);
    let other = t.person(&tenant, &tenant.branch_a, "候補", None).await.1;
    sign_up(&t, &other, &day).await.expect(201);
    t.get(&path, &other).await.refused(403, "forbidden");

    let draft = json!({
        "organization_id": tenant.branch_a, "title": "草案", "forms": ["lecture"],
        "starts_at": t.in_s(900), "ends_at": t.in_s(1_900),
    });
    let draft = t
        .post("/events", &tenant.organizer_a, draft)
        .await
        .expect(201)
        .id();
    let path = format!("/events/{draft}/materials");
    t.post(&path, &tenant.organizer_a, body).await.expect(201);
    t.get(&path, &tenant.organizer_a).await.expect(200);
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    t.act(&format!("/events/{draft}/publish"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(t.get(&path, &tenant.member_a).await.expect(200).items().len(), 1);
}

#[actix_web::test]
async fn of_many_who_add_materials_at_once_no_more_get_in_than_may() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = begun_event(&t, &tenant, json!({})).await;
    let slides = file(&t, &tenant.secretary_a, &tenant.branch_a, PDF).await;
    let path = format!("/events/{event}/materials");
    let replies = join_all((0..54).map(|n| {
        let body = json!({ "title": format!("{n}"), "media_id": slides });
        t.post(&path, &tenant.organizer_a, body)
    }))
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((made.len(), refused.len()), (50, 4));
    for reply in refused {
        assert_eq!(reply.refused(409, "limit_reached").json["limit"], 50);
    }
    let list = t
        .get(&format!("{path}?limit=200"), &tenant.member_a)
        .await
        .expect(200);
    let mut places: Vec<i64> = list
        .items()
        .iter()
        .map(|item| item["position"].as_i64().unwrap())
        .collect();
    places.dedup();
    assert_eq!(places, (0..50).collect::<Vec<i64>>());
}
