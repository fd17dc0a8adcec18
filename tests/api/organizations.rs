//! The tree, its settings, and roles.

use serde_json::json;

use crate::support::{Reply, TestApp};

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
    // Nobody could close or cancel an archived group's event.
    let event = t.open_event(&tenant.admin, &group, json!({})).await;
    t.act(&format!("/organizations/{group}/archive"), &tenant.admin)
        .await
        .refused(409, "organization_not_empty");
    t.act(&format!("/events/{event}/close"), &tenant.admin)
        .await
        .expect(200);
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

fn group(name: &str, kind: &str, parent: &str) -> serde_json::Value {
    json!({ "name": name, "kind": kind, "parent_id": parent })
}

#[actix_web::test]
async fn whether_and_where_an_organization_stands_is_its_parents_matter() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    // An admin of branch A and of a general branch beside it, but not of what A stands below.
    let (boss, token) = t
        .person(
            &tenant,
            &tenant.branch_a,
            "甲管理",
            Some((&tenant.branch_a, "admin")),
        )
        .await;
    let general = t
        .post(
            "/organizations",
            &tenant.admin,
            group("總支", "general_branch", &tenant.root),
        )
        .await
        .expect(201)
        .id();
    let role = json!({ "member_id": boss, "role": "admin" });
    t.post(&format!("/organizations/{general}/roles"), &tenant.admin, role)
        .await
        .expect(201);
    let to_general = json!({ "parent_id": general });
    let branch = format!("/organizations/{}", tenant.branch_a);
    t.post(&format!("{branch}/move"), &token, to_general.clone())
        .await
        .refused(403, "forbidden");
    t.act(&format!("/organizations/{general}/archive"), &token)
        .await
        .refused(403, "forbidden");
    // Inside their own branch it is theirs to decide.
    let below = t
        .post("/organizations", &token, group("小組", "group", &tenant.branch_a))
        .await
        .expect(201)
        .id();
    t.act(&format!("/organizations/{below}/archive"), &token)
        .await
        .expect(204);
    t.post(&format!("{branch}/move"), &tenant.admin, to_general)
        .await
        .expect(200);
    // Now the general branch is above, and theirs.
    t.post(
        &format!("{branch}/move"),
        &token,
        json!({ "parent_id": tenant.root }),
    )
    .await
    .refused(403, "forbidden");
    t.act(&format!("/organizations/{}/archive", tenant.root), &tenant.admin)
        .await
        .refused(403, "forbidden");
}

#[actix_web::test]
async fn a_tree_is_at_most_sixteen_levels_deep() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let mut line = vec![tenant.root.clone()];
    while line.len() < 15 {
        let parent = line.last().unwrap();
        let made = t
            .post(
                "/organizations",
                &tenant.admin,
                group("黨委", "committee", parent),
            )
            .await
            .expect(201);
        line.push(made.id());
    }
    let branch = t
        .post(
            "/organizations",
            &tenant.admin,
            group("支部", "branch", &line[14]),
        )
        .await
        .expect(201)
        .id();
    let deeper = t
        .post("/organizations", &tenant.admin, group("小組", "group", &branch))
        .await
        .refused(409, "tree_too_deep");
    assert_eq!(deeper.json["limit"], 16);
    // A subtree counts with its height.
    t.post(
        "/organizations",
        &tenant.admin,
        group("小組", "group", &tenant.branch_a),
    )
    .await
    .expect(201);
    let moved = format!("/organizations/{}/move", tenant.branch_a);
    t.post(&moved, &tenant.admin, json!({ "parent_id": line[14] }))
        .await
        .refused(409, "tree_too_deep");
    t.post(&moved, &tenant.admin, json!({ "parent_id": line[13] }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn lists_of_the_tree_come_in_pages() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for n in 0..5 {
        t.post(
            "/organizations",
            &tenant.admin,
            group(&format!("{n}組"), "group", &tenant.branch_a),
        )
        .await
        .expect(201);
    }
    let roles = format!("/organizations/{}/roles", tenant.branch_a);
    for role in ["secretary", "organizer", "lecturer", "inspector"] {
        let body = json!({ "member_id": tenant.member_a_id, "role": role });
        t.post(&roles, &tenant.admin, body).await.expect(201);
    }
    let transfers = format!("/members/{}/transfers", tenant.member_b_id);
    for to in [&tenant.branch_a, &tenant.root, &tenant.branch_b] {
        let body = json!({ "organization_id": to, "reason": "x" });
        t.post(&transfers, &tenant.admin, body).await.expect(201);
    }
    for (path, token, all) in [
        ("/organizations", &tenant.admin, 8),
        ("/organizations", &tenant.secretary_a, 7),
        ("/organizations", &tenant.member_b, 2),
        (roles.as_str(), &tenant.admin, 6),
        (transfers.as_str(), &tenant.admin, 3),
    ] {
        let whole = t.get(path, token).await.expect(200);
        assert_eq!(whole.items().len(), all, "{path}");
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = t.get(&format!("{path}?limit=2{cursor}"), token).await.expect(200);
            assert!(page.items().len() <= 2);
            found.extend(page.items().to_vec());
            match page.json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, whole.items(), "{path}");
    }
    t.get("/organizations?limit=0", &tenant.admin)
        .await
        .refused(422, "invalid_fields");
}

/// On PostgreSQL this goes wrong within a few rounds without the lock in `require_held`.
#[actix_web::test]
async fn nobody_comes_into_an_organization_that_is_being_archived() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for n in 0..24 {
        let name = format!("第{n}支部");
        let branch = t
            .post(
                "/organizations",
                &tenant.admin,
                group(&name, "branch", &tenant.root),
            )
            .await
            .expect(201)
            .id();
        let member = crate::support::member_body(&branch, "新人", &format!("new-{}-{n}", tenant.mark));
        let path = format!("/organizations/{branch}/archive");
        let (made, archived) = if n % 2 == 0 {
            tokio::join!(
                t.post("/members", &tenant.admin, member),
                t.act(&path, &tenant.admin)
            )
        } else {
            let (archived, made) = tokio::join!(
                t.act(&path, &tenant.admin),
                t.post("/members", &tenant.admin, member)
            );
            (made, archived)
        };
        let outcome = (made.status, archived.status);
        assert!(outcome == (201, 409) || outcome == (404, 204), "{outcome:?}");
    }
}

/// A roster that waits for the archiving finds that it came too late.
#[actix_web::test]
async fn no_roster_comes_into_an_organization_that_is_being_archived() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for n in 0..16 {
        let branch = group(&format!("第{n}支部"), "branch", &tenant.root);
        let branch = t
            .post("/organizations", &tenant.admin, branch)
            .await
            .expect(201)
            .id();
        let roster = format!("姓名,手机\n新人{n},139{n:08}\n");
        let path = format!("/members/imports?organization_id={branch}");
        let request = t.request(reqwest::Method::POST, &path, &tenant.admin);
        let import = Reply::of(request.header("content-type", "text/csv").body(roster));
        let archive = format!("/organizations/{branch}/archive");
        let (archived, made) = if n % 4 == 3 {
            let (made, archived) = tokio::join!(import, t.act(&archive, &tenant.admin));
            (archived, made)
        } else {
            tokio::join!(t.act(&archive, &tenant.admin), import)
        };
        let outcome = (made.status, archived.status);
        assert!(outcome == (201, 409) || outcome == (404, 204), "{outcome:?}");
    }
}

#[actix_web::test]
async fn lateness_cannot_begin_after_check_in_has_closed() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let branch = format!("/organizations/{}", tenant.branch_a);
    let settings = json!({ "settings": { "late_after_s": 7_200, "closes_after_s": 3_600 } });
    let refused = t
        .patch(&branch, &tenant.admin, "*", settings)
        .await
        .refused(422, "invalid_fields");
    assert_eq!(refused.text("/errors/0/field"), "/settings/late_after_s");
    // Nothing of it was kept.
    let seen = t.get(&branch, &tenant.admin).await.expect(200);
    assert!(seen.json["settings"]["late_after_s"].as_i64() < Some(7_200));
}

#[actix_web::test]
async fn lateness_that_is_inherited_gives_way_to_the_end_of_check_in() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let branch = format!("/organizations/{}", tenant.branch_a);
    let root = format!("/organizations/{}", tenant.root);
    let late = json!({ "settings": { "late_after_s": 3_000, "closes_after_s": 3_600 } });
    t.patch(&branch, &tenant.admin, "*", late).await.expect(200);
    let late = json!({ "settings": { "closes_after_s": null } });
    t.patch(&branch, &tenant.admin, "*", late).await.expect(200);
    let shorter = json!({ "settings": { "late_after_s": 600, "closes_after_s": 1_800 } });
    t.patch(&root, &tenant.admin, "*", shorter).await.expect(200);
    let seen = t.get(&branch, &tenant.admin).await.expect(200);
    assert_eq!(seen.json["settings"]["late_after_s"], 1_800);
    let name = json!({ "name": "改名的支部" });
    t.patch(&branch, &tenant.admin, "*", name).await.expect(200);
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let event = t
        .get(&format!("/events/{event}"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(event.json["late_from"], event.json["check_in_closes_at"]);
    t.open_event(&tenant.admin, &tenant.branch_a, json!({ "closes_after_s": 60 }))
        .await;
}

#[actix_web::test]
async fn what_an_archived_organization_left_open_is_decided_by_those_above() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    let named = json!({ "expected": { "member_ids": [tenant.member_a_id] } });
    let event = t.open_event(&tenant.admin, &group, named).await;
    let scanned = json!({ "items": [t.with_code(&t.code(&tenant.admin, &event).await)] });
    t.advance_s(40_000);
    t.act(&format!("/organizations/{group}/archive"), &tenant.admin)
        .await
        .expect(204);
    let uploaded = t
        .post("/check-ins/batch", &tenant.member_a, scanned)
        .await
        .expect(200);
    assert_eq!(uploaded.items()[0]["outcome"], "review", "{}", uploaded.json);
    let id = uploaded.text("/items/0/check_in/id");
    t.act(&format!("/check-ins/{id}/accept"), &tenant.secretary_a)
        .await
        .expect(200);
    t.post(
        &format!("/check-ins/{id}/annul"),
        &tenant.secretary_a,
        json!({ "reason": "代簽" }),
    )
    .await
    .expect(200);
    let event = format!("/events/{event}");
    t.patch(&event, &tenant.admin, "*", json!({ "title": "x" }))
        .await
        .refused(404, "not_found");
    t.act(&format!("{event}/close"), &tenant.secretary_a)
        .await
        .expect(200);
}

/// Roles there end, people who have left can be erased, lessons and webhooks are put away: by those above.
#[actix_web::test]
async fn what_an_archived_organization_leaves_behind_can_be_ended() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    let (left, _) = t.person(&tenant, &group, "離任者", None).await;
    let roles = format!("/organizations/{group}/roles");
    let inspector = json!({ "member_id": tenant.member_b_id, "role": "inspector" });
    let grant = t.post(&roles, &tenant.admin, inspector).await.expect(201).id();
    let audience = json!({ "audience": { "organization_ids": [tenant.root] } });
    let lesson = crate::lessons::draft(&t, &tenant.admin, &group, audience).await;
    crate::lessons::publish(&t, &tenant, &lesson).await;
    let hook =
        json!({ "url": "http://127.0.0.1:9/hook", "description": "x", "language": "zh-Hant", "kinds": [] });
    let hook = t
        .post(&format!("/organizations/{group}/webhooks"), &tenant.admin, hook)
        .await
        .expect(201)
        .id();
    let path = format!("/members/{left}");
    t.post(
        &format!("{path}/deactivate"),
        &tenant.admin,
        json!({ "reason": "離任" }),
    )
    .await
    .expect(200);
    t.act(&format!("/organizations/{group}/archive"), &tenant.admin)
        .await
        .expect(204);

    t.delete(&format!("{roles}/{grant}"), &tenant.admin)
        .await
        .expect(204);
    t.delete(&format!("{path}/personal-data"), &tenant.admin)
        .await
        .expect(204);
    let archive = format!("/lessons/{lesson}/archive");
    t.post(&archive, &tenant.member_a, json!({ "reason": "x" }))
        .await
        .refused(403, "forbidden");
    t.post(&archive, &tenant.admin, json!({ "reason": "過時" }))
        .await
        .expect(200);
    let hook = format!("/webhooks/{hook}");
    t.get(&hook, &tenant.admin).await.expect(200);
    t.get(&hook, &tenant.secretary_b).await.refused(404, "not_found");
    t.act(&format!("{hook}/ping"), &tenant.admin)
        .await
        .refused(404, "not_found");
    t.delete(&hook, &tenant.admin).await.expect(200);
}

/// Who could make somebody an admin again, once nobody is? Those outside the tree alone.
#[actix_web::test]
async fn a_tree_keeps_an_admin() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let roles = format!("/organizations/{}/roles", tenant.root);
    let me = t.get("/me", &tenant.admin).await.expect(200).text("/account_id");
    let mine = t.get(&roles, &tenant.admin).await.expect(200);
    let is_admin = |grant: &&serde_json::Value| grant["role"] == "admin";
    let mine = mine.items().iter().find(is_admin).unwrap()["id"].clone();
    let mine = format!("{roles}/{}", mine.as_str().unwrap());
    t.delete(&mine, &tenant.admin).await.refused(409, "last_admin");
    let leave = format!("/members/{me}/deactivate");
    let reason = json!({ "reason": "離任" });
    t.post(&leave, &tenant.admin, reason.clone())
        .await
        .refused(409, "last_admin");

    // An admin of a branch, or one who has left, is none of the tree.
    let below = json!({ "member_id": tenant.member_a_id, "role": "admin" });
    let branch = format!("/organizations/{}/roles", tenant.branch_a);
    let below = t.post(&branch, &tenant.admin, below).await.expect(201).id();
    t.delete(&mine, &tenant.admin).await.refused(409, "last_admin");
    t.delete(&format!("{branch}/{below}"), &tenant.admin)
        .await
        .expect(204);
    let second = json!({ "member_id": tenant.member_b_id, "role": "admin" });
    t.post(&roles, &tenant.admin, second).await.expect(201);
    let left = format!("/members/{}", tenant.member_b_id);
    t.post(&format!("{left}/deactivate"), &tenant.admin, reason.clone())
        .await
        .expect(200);
    t.delete(&mine, &tenant.admin).await.refused(409, "last_admin");
    t.act(&format!("{left}/reactivate"), &tenant.admin)
        .await
        .expect(200);

    t.post(&leave, &tenant.admin, reason).await.expect(200);
    // Nobody but a system admin.
    let last = t.get(&roles, &tenant.system).await.expect(200);
    let is_theirs = |grant: &&serde_json::Value| grant["member_id"] == tenant.member_b_id && is_admin(grant);
    let last = last.items().iter().find(is_theirs).unwrap()["id"].clone();
    t.delete(&format!("{roles}/{}", last.as_str().unwrap()), &tenant.system)
        .await
        .expect(204);
}

#[actix_web::test]
async fn of_two_admins_who_go_at_once_one_stays() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for round in 0..24 {
        let other = t.another_tenant(&tenant.system).await;
        let roles = format!("/organizations/{}/roles", other.root);
        let second = json!({ "member_id": other.member_b_id, "role": "admin" });
        let theirs = t.post(&roles, &other.admin, second).await.expect(201).id();
        let theirs = format!("{roles}/{theirs}");
        let me = t.get("/me", &other.admin).await.expect(200).text("/account_id");
        let leave = format!("/members/{me}/deactivate");
        let reason = json!({ "reason": "離任" });
        let (one, two) = if round % 2 == 0 {
            tokio::join!(
                t.post(&leave, &other.admin, reason),
                t.delete(&theirs, &other.member_b)
            )
        } else {
            let (two, one) = tokio::join!(
                t.delete(&theirs, &other.member_b),
                t.post(&leave, &other.admin, reason)
            );
            (one, two)
        };
        let outcome = (one.status, two.status);
        assert!(outcome == (200, 409) || outcome == (409, 204), "{outcome:?}");
    }
}
