//! The tree, its settings, and roles.

use serde_json::json;

use crate::support::TestApp;

#[actix_web::test]
async fn settings_come_from_the_nearest_ancestor_that_sets_them() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}", tenant.root);
    let body = json!({ "settings": { "time_zone": "Asia/Urumqi", "late_after_s": 60 } });
    t.patch(&path, &tenant.admin, "\"1\"", body).await.expect(200);
    let branch = format!("/organizations/{}", tenant.branch_a);
    t.patch(
        &branch,
        &tenant.admin,
        "*",
        json!({ "settings": { "late_after_s": 120 } }),
    )
    .await
    .expect(200);

    let a = t.get(&branch, &tenant.admin).await.expect(200);
    let b = t
        .get(&format!("/organizations/{}", tenant.branch_b), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(
        (
            &a.json["settings"]["late_after_s"],
            a.text("/settings/time_zone").as_str()
        ),
        (&json!(120), "Asia/Urumqi")
    );
    assert_eq!(b.json["settings"]["late_after_s"], 60);

    t.patch(
        &branch,
        &tenant.admin,
        "*",
        json!({ "settings": { "late_after_s": null } }),
    )
    .await
    .expect(200);
    assert_eq!(
        t.get(&branch, &tenant.admin).await.json["settings"]["late_after_s"],
        60
    );
}

#[actix_web::test]
async fn an_edit_of_something_changed_meanwhile_is_refused() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}", tenant.branch_a);
    t.patch(&path, &tenant.admin, "", json!({ "name": "甲" }))
        .await
        .refused(428, "version_required");
    t.patch(&path, &tenant.admin, "\"1\"", json!({ "name": "甲" }))
        .await
        .expect(200);
    t.patch(&path, &tenant.admin, "\"1\"", json!({ "name": "乙" }))
        .await
        .refused(412, "version_mismatch");
}

#[actix_web::test]
async fn a_subtree_moves_and_takes_its_people_along() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let post =
        |name: &str, kind: &str, parent: &str| json!({ "name": name, "kind": kind, "parent_id": parent });
    let general = t
        .post(
            "/organizations",
            &tenant.admin,
            post("總支", "general_branch", &tenant.root),
        )
        .await
        .expect(201)
        .id();
    let group = t
        .post(
            "/organizations",
            &tenant.admin,
            post("小組", "group", &tenant.branch_a),
        )
        .await
        .expect(201)
        .id();
    t.post(
        "/organizations",
        &tenant.admin,
        post("小組", "group", &tenant.branch_a),
    )
    .await
    .refused(409, "name_taken");
    t.post(
        "/organizations",
        &tenant.admin,
        post("小組", "group", &tenant.root),
    )
    .await
    .refused(422, "kind_not_allowed_here");

    let moved = format!("/organizations/{}/move", tenant.branch_a);
    t.post(&moved, &tenant.admin, json!({ "parent_id": general }))
        .await
        .expect(200);
    let found = t
        .get(&format!("/organizations/{group}"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(found.json["depth"], 3);
    t.get(&format!("/organizations/{group}"), &tenant.secretary_a)
        .await
        .expect(200);

    t.post(
        &format!("/organizations/{general}/move"),
        &tenant.admin,
        json!({ "parent_id": tenant.branch_a }),
    )
    .await
    .refused(409, "move_into_own_subtree");
    t.act(&format!("/organizations/{general}/archive"), &tenant.admin)
        .await
        .refused(409, "organization_not_empty");
    t.act(&format!("/organizations/{group}/archive"), &tenant.admin)
        .await
        .expect(204);
    t.get(&format!("/organizations/{group}"), &tenant.admin)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn a_role_holds_below_and_ends_with_the_next_request() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let roles = format!("/organizations/{}/roles", tenant.branch_a);
    t.get(&roles, &tenant.member_a).await.refused(403, "forbidden");
    let body = json!({ "member_id": tenant.member_a_id, "role": "secretary" });
    let grant = t.post(&roles, &tenant.admin, body.clone()).await.expect(201).id();
    assert_eq!(
        t.post(&roles, &tenant.admin, body.clone()).await.expect(201).id(),
        grant
    );
    t.get(&roles, &tenant.member_a).await.expect(200);
    t.post(&roles, &tenant.secretary_a, body)
        .await
        .refused(403, "forbidden");
    t.delete(&format!("{roles}/{grant}"), &tenant.admin)
        .await
        .expect(204);
    t.get(&roles, &tenant.member_a).await.refused(403, "forbidden");
}

#[actix_web::test]
async fn another_tenant_and_a_sibling_branch_do_not_exist() {
    let t = TestApp::start().await;
    let (mine, other) = (t.tenant().await, t.tenant().await);
    let foreign = t
        .get(&format!("/organizations/{}", other.root), &mine.admin)
        .await
        .refused(404, "not_found");
    let missing = t
        .get(&format!("/organizations/{}", mine.member_a_id), &mine.admin)
        .await
        .refused(404, "not_found");
    let without_id = |mut reply: serde_json::Value| {
        reply.as_object_mut().unwrap().remove("request_id");
        reply
    };
    assert_eq!(without_id(foreign.json), without_id(missing.json));
    t.get(&format!("/organizations/{}", mine.branch_b), &mine.secretary_a)
        .await
        .refused(404, "not_found");
    let seen = t.get("/organizations", &mine.secretary_a).await.expect(200);
    let ids: Vec<&str> = seen.items().iter().map(|o| o["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [mine.root.as_str(), mine.branch_a.as_str()]);
}

#[actix_web::test]
async fn only_a_system_admin_makes_a_tenant_and_refusals_are_on_record() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    t.post(
        "/organizations",
        &tenant.admin,
        json!({ "name": "新樹", "kind": "committee" }),
    )
    .await
    .refused(403, "forbidden");
    let refused = t
        .app
        .db
        .read(|conn| {
            use diesel::prelude::*;
            use zhibu::platform::db::schema::audit_log::dsl as log;
            Ok(log::audit_log
                .filter(log::outcome.eq("refused"))
                .count()
                .get_result::<i64>(conn)?)
        })
        .await
        .unwrap();
    assert_eq!(refused, 1);
}

#[actix_web::test]
async fn a_repeat_with_the_same_key_is_answered_and_done_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({ "name": "第三黨支部", "kind": "branch", "parent_id": tenant.root });
    let send = |body: serde_json::Value| {
        let request = t.request(reqwest::Method::POST, "/organizations", &tenant.admin);
        crate::support::Reply::of(request.header("idempotency-key", "k-1").json(&body))
    };
    let all = futures_util::future::join_all((0..8).map(|_| send(body.clone()))).await;
    let first = &all[0].bytes;
    assert!(
        all.iter()
            .all(|reply| reply.status == 201 && reply.bytes == *first)
    );
    assert_eq!(
        all.iter()
            .filter(|reply| reply.header("idempotency-replayed") == "true")
            .count(),
        7
    );
    send(json!({ "name": "別的", "kind": "branch", "parent_id": tenant.root }))
        .await
        .refused(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn nobody_manages_the_account_of_somebody_who_may_do_more() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    // A colleague of branch A who has no password yet, and is made admin of the whole tree.
    let body = crate::support::member_body(&tenant.branch_a, "新管理員", &format!("boss-{}", tenant.mark));
    let boss = t.post("/members", &tenant.admin, body).await.expect(201).id();
    let codes = json!({ "member_ids": [boss] });
    t.post("/members/activation-codes", &tenant.secretary_a, codes.clone())
        .await
        .expect(201);
    let role = json!({ "member_id": boss, "role": "admin" });
    t.post(
        &format!("/organizations/{}/roles", tenant.root),
        &tenant.admin,
        role,
    )
    .await
    .expect(201);
    t.post("/members/activation-codes", &tenant.secretary_a, codes)
        .await
        .refused(403, "forbidden");
    let whole = json!({ "organization_id": tenant.branch_a });
    let sheet = t
        .post("/members/activation-codes", &tenant.secretary_a, whole)
        .await
        .expect(201);
    assert!(sheet.items().iter().all(|item| item["member_id"] != boss));
    let path = format!("/members/{boss}");
    t.patch(&path, &tenant.secretary_a, "*", json!({ "phone": null }))
        .await
        .refused(403, "forbidden");
    t.post(
        &format!("{path}/deactivate"),
        &tenant.secretary_a,
        json!({ "reason": "x" }),
    )
    .await
    .refused(403, "forbidden");
    t.post(
        &format!("{path}/deactivate"),
        &tenant.admin,
        json!({ "reason": "離職" }),
    )
    .await
    .expect(200);
}
