//! What was sent is taken at its word or refused with the place that is wrong; nothing is read into it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, member_body};

/// The places and codes of a refusal for wrong fields.
#[track_caller]
fn wrong(reply: Reply) -> Vec<(String, String)> {
    let reply = reply.refused(422, "invalid_fields");
    let errors = reply.json["errors"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|e| (text(&e["field"]), text(&e["code"])))
        .collect()
}

fn at(field: &str, code: &str) -> Vec<(String, String)> {
    vec![(field.to_owned(), code.to_owned())]
}

#[actix_web::test]
async fn a_list_is_never_read_as_an_object() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let positional = json!(["第三黨支部", "branch", tenant.root, {}]);
    let reply = t.post("/organizations", &tenant.admin, positional).await;
    assert_eq!(wrong(reply), at("", "wrong_type"));
    let settings = json!({ "name": "第三黨支部", "kind": "branch", "parent_id": tenant.root, "settings": ["Asia/Shanghai"] });
    let reply = t.post("/organizations", &tenant.admin, settings).await;
    assert_eq!(wrong(reply), at("/settings", "wrong_type"));
    let event = json!({
        "organization_id": tenant.branch_a, "title": "會議", "starts_at": t.in_s(600), "ends_at": t.in_s(6_000),
        "forms": ["lecture"], "geofence": [31.2, 121.5, 100],
    });
    let reply = t.post("/events", &tenant.organizer_a, event).await;
    assert_eq!(wrong(reply), at("/geofence", "wrong_type"));
    let items = json!({ "items": [["AaIL6rDJdyOp8uqfk_h80msFGToKEgqUkB7", tenant.member_a_id]] });
    let reply = t
        .post("/check-ins/batch", &tenant.member_a, items)
        .await
        .expect(200);
    let item = &reply.items()[0];
    assert_eq!(
        (&item["code"], &item["errors"][0]["field"]),
        (&json!("invalid_fields"), &json!(""))
    );
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let reply = t
        .post(&format!("/events/{event}/close"), &tenant.organizer_a, json!([]))
        .await;
    assert_eq!(wrong(reply), at("", "wrong_type"));
}

#[actix_web::test]
async fn null_is_refused_where_a_patch_cannot_empty_a_field() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let member = format!("/members/{}", tenant.member_a_id);
    let branch = format!("/organizations/{}", tenant.branch_a);
    for (path, fields) in [
        (
            format!("/events/{event}"),
            [
                "title",
                "description",
                "place",
                "starts_at",
                "ends_at",
                "forms",
                "expected",
                "opens_before_s",
                "late_after_s",
                "closes_after_s",
                "code_window_s",
                "offline_allowed",
            ]
            .as_slice(),
        ),
        (member.clone(), ["name", "standing", "standing_since"].as_slice()),
        (branch.clone(), ["name", "settings"].as_slice()),
    ] {
        for field in fields {
            let reply = t.patch(&path, &tenant.admin, "*", json!({ *field: null })).await;
            assert_eq!(wrong(reply), at(&format!("/{field}"), "wrong_type"), "{path}");
        }
    }
    // Where it can, null still empties.
    let emptied = t
        .patch(&member, &tenant.admin, "*", json!({ "employee_no": null }))
        .await;
    emptied.expect(200);
    let settings = json!({ "settings": { "late_after_s": null } });
    t.patch(&branch, &tenant.admin, "*", settings).await.expect(200);
}

/// The version, and how often the log tells of a change.
async fn standing_of(t: &TestApp, path: &str, token: &str, admin: &str) -> (String, usize) {
    let etag = t.get(path, token).await.expect(200).header("etag").to_owned();
    let version = etag.split('-').next().unwrap().to_owned();
    let log = t.get("/audit-log?limit=200", admin).await.expect(200);
    let updates = log.items().iter().filter(|entry| {
        let action = entry["action"].as_str().unwrap();
        action.ends_with(".update")
    });
    (version, updates.count())
}

#[actix_web::test]
async fn a_patch_that_changes_nothing_leaves_version_and_log_alone() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let mut body = member_body(&tenant.branch_a, "丙成員", &format!("c-{}", tenant.mark));
    body["phone"] = json!("13800000077");
    body["employee_no"] = json!("C-77");
    let member = t.post("/members", &tenant.admin, body).await.expect(201);
    let event = json!({
        "organization_id": tenant.branch_a, "title": "會議", "starts_at": t.in_s(90_000), "ends_at": t.in_s(95_000),
        "forms": ["visit", "lecture"], "expected": { "standings": ["probationary", "full"], "member_ids": [tenant.member_b_id] },
    });
    let event = t.post("/events", &tenant.admin, event).await.expect(201);
    let things = [
        (
            format!("/events/{}", event.id()),
            &tenant.admin,
            json!({
                "title": " 會議", "starts_at": event.json["starts_at"], "forms": ["visit", "lecture", "visit"],
                "expected": { "standings": ["full", "probationary", "full"], "member_ids": [tenant.member_b_id] },
                "geofence": null, "code_window_s": event.json["code_window_s"],
            }),
            json!({ "forms": ["lecture"] }),
        ),
        (
            format!("/members/{}", member.id()),
            &tenant.admin,
            json!({
                "name": "丙成員", "phone": "+86 138 0000 0077", "employee_no": "C-77", "standing": "full",
                "account_name": member.json["account_name"], "standing_since": member.json["standing_since"],
            }),
            json!({ "phone": null }),
        ),
        (
            format!("/organizations/{}", tenant.branch_a),
            &tenant.admin,
            json!({ "name": "第一黨支部", "settings": { "late_after_s": null } }),
            json!({ "settings": { "late_after_s": 60 } }),
        ),
        (
            "/me".to_owned(),
            &tenant.member_a,
            json!({ "phone": null }),
            json!({ "phone": "13800000078" }),
        ),
    ];
    for (path, token, same, other) in things {
        let before = standing_of(&t, &path, token, &tenant.admin).await;
        for nothing in [json!({}), same] {
            t.patch(&path, token, &before.0, nothing).await.expect(200);
            assert_eq!(
                standing_of(&t, &path, token, &tenant.admin).await,
                before,
                "{path}"
            );
            t.patch(&path, token, "\"99\"", json!({}))
                .await
                .refused(412, "version_mismatch");
        }
        t.patch(&path, token, &before.0, other).await.expect(200);
        let after = standing_of(&t, &path, token, &tenant.admin).await;
        assert_ne!(after.0, before.0, "{path}");
        assert_eq!(after.1, before.1 + 1, "{path}");
    }
}

#[actix_web::test]
async fn a_wrong_parameter_is_told_by_its_name_and_none_is_taken_where_there_are_none() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    for (query, name, code) in [
        ("/events?mine=yes", "mine", "wrong_type"),
        ("/events?form=party", "form", "unknown_value"),
        ("/events?limit=5&limit=6", "limit", "duplicate_parameter"),
        ("/events?organization_id=7", "organization_id", "wrong_type"),
        ("/members?standing=full&colour=red", "colour", "unknown_parameter"),
        ("/home?fresh=1", "fresh", "unknown_parameter"),
        ("/me?verbose", "verbose", "unknown_parameter"),
    ] {
        let reply = t.get(query, &tenant.admin).await;
        assert_eq!(wrong(reply), at(name, code), "{query}");
    }
    let reply = t
        .act(
            &format!("/events/{event}/close?dry_run=true"),
            &tenant.organizer_a,
        )
        .await;
    assert_eq!(wrong(reply), at("dry_run", "unknown_parameter"));
    // A page takes what is added to its address.
    let page = format!("{}/healthz?from=balancer", t.url);
    t.get(&page, "").await.expect(200);
}

#[actix_web::test]
async fn head_is_get_without_the_body_and_a_stream_ends_at_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let head = |path: String| Reply::of(t.request(Method::HEAD, &path, &tenant.organizer_a));
    for path in [
        format!("/events/{event}"),
        "/me".to_owned(),
        format!("{}/healthz", t.url),
        format!("{}/errors/closed", t.url),
    ] {
        let (got, headed) = (t.get(&path, &tenant.organizer_a).await, head(path.clone()).await);
        assert_eq!((headed.status, headed.bytes.len()), (200, 0), "{path}");
        for name in ["content-type", "content-length", "etag"] {
            assert_eq!(headed.header(name), got.header(name), "{path} {name}");
        }
    }
    let live = head(format!("/events/{event}/live")).await.expect(200);
    assert_eq!(live.header("content-type"), "text/event-stream");
    assert_eq!(live.bytes.len(), 0);
    let missing = head("/events/01a20be8-c3a0-73b6-8911-a9d308c2654c".to_owned()).await;
    assert_eq!((missing.status, missing.bytes.len()), (404, 0));
    assert_eq!(head("/auth/login".to_owned()).await.status, 405);
    for path in ["/healthz", "/c/whatever", "/errors/closed", "/docs/"] {
        let reply = t.act(&format!("{}{path}", t.url), "").await;
        assert_eq!(
            reply.refused(405, "method_not_allowed").header("allow"),
            "GET, HEAD",
            "{path}"
        );
    }
}

#[actix_web::test]
async fn every_list_with_a_file_heeds_the_whole_accept_header_and_its_own_filters() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    t.post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    let attendance = format!("/events/{event}/attendance");
    for path in [attendance.as_str(), "/members"] {
        for (accept, kind) in [
            (
                "Text/CSV;q=0.9, application/json;q=0.8",
                "text/csv; charset=utf-8",
            ),
            ("text/csv;q=0, application/json", "application/json"),
            ("text/csv;q=0.1, */*;q=0.5", "application/json"),
            ("*/*", "application/json"),
        ] {
            let reply = t.get_as(path, &tenant.secretary_a, accept).await.expect(200);
            assert_eq!(reply.header("content-type"), kind, "{path} {accept}");
        }
        t.get_as(path, &tenant.secretary_a, "image/png")
            .await
            .refused(406, "not_acceptable");
    }
    let whole = t
        .get_as(&attendance, &tenant.organizer_a, "text/csv")
        .await
        .expect(200);
    let present = t
        .get_as(
            &format!("{attendance}?status=present&limit=1"),
            &tenant.organizer_a,
            "text/csv",
        )
        .await
        .expect(200);
    let lines = |reply: &Reply| String::from_utf8(reply.bytes.clone()).unwrap().lines().count();
    assert!(lines(&whole) > 2);
    assert_eq!(lines(&present), 2);
    assert_eq!(present.header("cache-control"), "private, no-store");
    let name = format!("attachment; filename=\"attendance-{event}.csv\"");
    assert_eq!(present.header("content-disposition"), name);
}

#[actix_web::test]
async fn invisible_characters_are_refused_in_names_and_titles() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = format!("/members/{}", tenant.member_a_id);
    let branch = format!("/organizations/{}", tenant.branch_a);
    for hidden in ["\u{200b}", "\u{202e}", "\u{2066}", "\u{feff}"] {
        let name = format!("王{hidden}小明");
        let reply = t
            .patch(&member, &tenant.admin, "*", json!({ "name": name }))
            .await;
        assert_eq!(wrong(reply), at("/name", "name_invalid"));
        let reply = t
            .patch(&branch, &tenant.admin, "*", json!({ "name": name }))
            .await;
        assert_eq!(wrong(reply), at("/name", "invisible_character"));
        let event = json!({
            "organization_id": tenant.branch_a, "title": name, "place": name, "description": name,
            "starts_at": t.in_s(600), "ends_at": t.in_s(6_000), "forms": ["lecture"],
        });
        let told = wrong(t.post("/events", &tenant.organizer_a, event).await);
        let expected = [
            at("/title", "invisible_character"),
            at("/place", "invisible_character"),
        ];
        assert_eq!(told, expected.concat());
        let reply = t
            .patch(
                "/me",
                &tenant.member_a,
                "",
                json!({ "account_name": format!("wang{hidden}") }),
            )
            .await;
        assert_eq!(wrong(reply), at("/account_name", "invisible_character"));
    }
    let family = json!({
        "organization_id": tenant.branch_a, "title": "家庭日👨‍👩‍👧", "starts_at": t.in_s(600), "ends_at": t.in_s(6_000), "forms": ["other"],
    });
    t.post("/events", &tenant.organizer_a, family).await.expect(201);
}

#[actix_web::test]
async fn an_id_in_a_path_is_written_in_one_way() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let id = tenant.branch_a.clone();
    let roles = format!("/organizations/{id}/roles");
    let grant = t.get(&roles, &tenant.admin).await.expect(200).items()[0]["id"].clone();
    let grant = grant.as_str().unwrap();
    let other_ways = |id: &str| {
        let simple = id.replace('-', "");
        [
            format!("%7B{id}%7D"),
            format!("urn:uuid:{id}"),
            simple,
            format!("{id}%20"),
            format!("{id}-"),
        ]
    };
    for other in other_ways(&id) {
        t.get(&format!("/organizations/{other}"), &tenant.admin)
            .await
            .refused(404, "not_found");
    }
    for other in other_ways(grant) {
        t.delete(&format!("{roles}/{other}"), &tenant.admin)
            .await
            .refused(404, "not_found");
    }
    let upper = format!("/organizations/{}", id.to_uppercase());
    assert_eq!(t.get(&upper, &tenant.admin).await.expect(200).id(), id);
    t.delete(&format!("{roles}/{}", grant.to_uppercase()), &tenant.admin)
        .await
        .expect(204);
}
