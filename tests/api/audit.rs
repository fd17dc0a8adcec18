//! The audit log: what is in it, who may read it, and how it is paged.

use diesel::RunQueryDsl;
use serde_json::{Value, json};
use zhibu::platform::db::DbConnection;

use crate::support::{Reply, Tenant, TestApp, member_body};

async fn log(t: &TestApp, token: &str, query: &str) -> Reply {
    t.get(&format!("/audit-log?{query}"), token).await.expect(200)
}

fn actions(reply: &Reply) -> Vec<&str> {
    reply
        .items()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect()
}

/// An admin of branch B, who has nothing to do with branch A.
async fn admin_of_b(t: &TestApp, tenant: &Tenant) -> String {
    let role = Some((tenant.branch_b.as_str(), "admin"));
    t.person(tenant, &tenant.branch_b, "乙管理", role).await.1
}

#[actix_web::test]
async fn every_admin_write_is_on_record_with_its_request_and_its_tree() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({ "name": "小組", "kind": "group", "parent_id": tenant.branch_a });
    // The system admin belongs to no tree; what they do is in the log of the tree they do it to.
    let made = t.post("/organizations", &tenant.system, body).await.expect(201);
    let group = made.id();
    let one = log(&t, &tenant.admin, &format!("object_id={group}")).await;
    assert_eq!(actions(&one), ["organization.create"]);
    assert_eq!(one.text("/items/0/request_id"), made.header("x-request-id"));
    assert_eq!(one.text("/items/0/organization_id"), group);

    let path = format!("/organizations/{group}");
    t.patch(&path, &tenant.admin, "*", json!({ "name": "一組" }))
        .await
        .expect(200);
    let role = json!({ "member_id": tenant.member_a_id, "role": "organizer" });
    let grant = t
        .post(&format!("{path}/roles"), &tenant.admin, role)
        .await
        .expect(201)
        .id();
    t.delete(&format!("{path}/roles/{grant}"), &tenant.admin)
        .await
        .expect(204);
    t.post(
        &format!("{path}/move"),
        &tenant.admin,
        json!({ "parent_id": tenant.branch_b }),
    )
    .await
    .expect(200);
    t.act(&format!("{path}/archive"), &tenant.admin).await.expect(204);
    let all = log(&t, &tenant.inspector, &format!("organization_id={group}")).await;
    assert_eq!(
        actions(&all),
        [
            "organization.archive",
            "organization.move",
            "role.revoke",
            "role.grant",
            "organization.update",
            "organization.create",
        ]
    );
    assert!(all.items().iter().all(|entry| entry["request_id"].is_string()));
    assert_eq!(all.items()[3]["detail"]["member_id"], tenant.member_a_id);

    let filtered = format!(
        "organization_id={group}&action=role.grant&actor_id={}",
        all.text("/items/0/actor_id")
    );
    assert_eq!(actions(&log(&t, &tenant.admin, &filtered).await), ["role.grant"]);
    let later = format!("organization_id={group}&from={}", t.in_s(1));
    assert!(log(&t, &tenant.admin, &later).await.items().is_empty());
    let until = format!("organization_id={group}&to={}", t.in_s(1));
    assert_eq!(log(&t, &tenant.admin, &until).await.items().len(), 6);
}

#[actix_web::test]
async fn the_log_is_read_along_the_line_by_admins_and_inspectors_only() {
    let t = TestApp::start().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let admin_b = admin_of_b(&t, &tenant).await;
    let body = member_body(&tenant.branch_a, "某人", &format!("some-{}", tenant.mark));
    let made = t
        .post("/members", &tenant.secretary_a, body)
        .await
        .expect(201)
        .id();

    let seen = log(&t, &tenant.admin, &format!("object_id={made}")).await;
    assert_eq!(actions(&seen), ["member.create"]);
    assert_eq!(
        seen.items().len(),
        log(&t, &tenant.system, &format!("object_id={made}"))
            .await
            .items()
            .len()
    );
    // A sibling's admin and another tree's see nothing of it, whatever they ask for.
    for token in [&admin_b, &other.admin, &other.inspector] {
        assert!(
            log(&t, token, &format!("object_id={made}"))
                .await
                .items()
                .is_empty()
        );
        t.get(&format!("/audit-log?organization_id={}", tenant.branch_a), token)
            .await
            .refused(404, "not_found");
    }
    let own = log(&t, &admin_b, "limit=200").await;
    assert!(!own.items().is_empty());
    assert!(
        own.items()
            .iter()
            .all(|entry| entry["organization_id"] == *tenant.branch_b)
    );
    // Above oneself is known to be there, and not one's own.
    t.get(&format!("/audit-log?organization_id={}", tenant.root), &admin_b)
        .await
        .refused(403, "forbidden");
    for token in [&tenant.secretary_a, &tenant.organizer_a, &tenant.member_a] {
        t.get("/audit-log", token).await.refused(403, "forbidden");
    }
    t.get("/audit-log?object=1", &tenant.admin)
        .await
        .refused(422, "invalid_fields");
}

#[actix_web::test]
async fn a_refusal_is_filed_where_the_person_belongs() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let admin_b = admin_of_b(&t, &tenant).await;
    let path = format!("/organizations/{}/roles", tenant.branch_a);
    let refused = t.get(&path, &tenant.member_a).await.refused(403, "forbidden");
    let found = log(&t, &tenant.admin, "action=access.refuse").await;
    assert_eq!(found.items().len(), 1);
    let entry = &found.items()[0];
    assert_eq!(
        (&entry["outcome"], &entry["actor_id"], &entry["organization_id"]),
        (
            &json!("refused"),
            &json!(tenant.member_a_id),
            &json!(tenant.branch_a)
        )
    );
    assert_eq!(entry["request_id"], refused.text("/request_id"));
    assert_eq!(entry["detail"]["route"], format!("GET /api/v1{path}"));
    assert!(log(&t, &admin_b, "action=access.refuse").await.items().is_empty());
}

#[actix_web::test]
async fn everybody_in_a_roster_is_on_record_and_pages_hold_each_entry_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let file: String = (0..7).map(|n| format!("人{n},1380000000{n}\n")).collect();
    let import = |file: String| {
        let path = format!("/members/imports?organization_id={}", tenant.branch_a);
        let request = t.request(reqwest::Method::POST, &path, &tenant.secretary_a);
        Reply::of(request.header("content-type", "text/csv").body(file))
    };
    let made = import(format!("姓名,手机\n{file}")).await.expect(201);
    import("姓名,手机,党员类别\n人0,13800000000,预备党员\n".to_owned())
        .await
        .expect(201);
    let request_id = made.header("x-request-id");

    let (mut entries, mut cursor): (Vec<Value>, String) = (Vec::new(), String::new());
    loop {
        let page = log(
            &t,
            &tenant.admin,
            &format!("organization_id={}&limit=3{cursor}", tenant.branch_a),
        )
        .await;
        entries.extend(page.items().iter().cloned());
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let ids: std::collections::HashSet<&str> = entries.iter().map(|e| e["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), entries.len());
    let of = |action: &str| {
        entries
            .iter()
            .filter(|e| e["action"] == action)
            .collect::<Vec<_>>()
    };
    let created: Vec<_> = of("member.create")
        .into_iter()
        .filter(|e| e["detail"]["import"] == true)
        .collect();
    assert_eq!(created.len(), 7);
    assert!(created.iter().all(|e| e["request_id"] == request_id));
    assert_eq!(of("member.import").len(), 2);
    assert_eq!(of("member.import")[1]["detail"]["created"], 7);
    let updates = of("member.update");
    assert_eq!(
        (updates.len(), &updates[0]["detail"]["fields"]),
        (1, &json!(["standing"]))
    );
    // Neither names nor numbers: ids say who.
    assert!(!serde_json::to_string(&entries).unwrap().contains("1380000000"));
}

#[actix_web::test]
async fn the_past_of_an_archived_branch_stays_readable_from_above() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({ "name": "第三黨支部", "kind": "branch", "parent_id": tenant.root });
    let branch = t
        .post("/organizations", &tenant.admin, body)
        .await
        .expect(201)
        .id();
    let (member, token) = t.person(&tenant, &branch, "丙成員", None).await;
    let event = t.open_event(&tenant.admin, &branch, json!({})).await;
    let code = t.code(&tenant.admin, &event).await;
    t.post("/check-ins", &token, t.with_code(&code)).await.expect(201);
    t.act(&format!("/events/{event}/close"), &tenant.admin)
        .await
        .expect(200);
    let to = json!({ "organization_id": tenant.branch_a, "reason": "合併" });
    t.post(&format!("/members/{member}/transfers"), &tenant.admin, to)
        .await
        .expect(201);
    t.act(&format!("/organizations/{branch}/archive"), &tenant.admin)
        .await
        .expect(204);

    for token in [&tenant.admin, &tenant.inspector] {
        t.get(&format!("/events/{event}"), token).await.expect(200);
        let sheet = t
            .get(&format!("/events/{event}/attendance"), token)
            .await
            .expect(200);
        assert_eq!(sheet.text("/items/0/member_id"), member);
        t.get(&format!("/events/{event}/quorum"), token).await.expect(200);
        for list in [
            "/events".to_owned(),
            format!("/events?organization_id={}", tenant.root),
            format!("/events?organization_id={branch}"),
        ] {
            let found = t.get(&list, token).await.expect(200);
            assert!(found.items().iter().any(|e| e["id"] == *event), "{list}");
        }
        for kept in ["expenses", "event-templates"] {
            t.get(&format!("/organizations/{branch}/{kept}"), token)
                .await
                .expect(200);
        }
        t.get(&format!("/organizations/{branch}"), token)
            .await
            .refused(404, "not_found");
    }
    // Whoever attended keeps their own record; a sibling's secretary learns nothing.
    t.get(&format!("/events/{event}"), &token).await.expect(200);
    for path in [
        format!("/events/{event}"),
        format!("/events?organization_id={branch}"),
    ] {
        t.get(&path, &tenant.secretary_a).await.refused(404, "not_found");
    }
    // Nothing new happens there.
    t.post(
        "/members",
        &tenant.admin,
        member_body(&branch, "新人", "newcomer"),
    )
    .await
    .refused(404, "not_found");
}

#[actix_web::test]
async fn refusals_without_end_do_not_fill_the_log() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for _ in 0..25 {
        let path = format!("/organizations/{}/archive", tenant.branch_a);
        t.act(&path, &tenant.member_a).await.refused(403, "forbidden");
    }
    let refused = log(&t, &tenant.admin, "action=access.refuse").await;
    assert_eq!(refused.items().len(), 20);
}

/// The error of a statement of an operator's, or the number of rows that it changed.
async fn by_hand(t: &TestApp, query: &'static str) -> Result<usize, String> {
    let run = move |conn: &mut DbConnection| Ok(diesel::sql_query(query).execute(conn)?);
    t.app.db.write(run).await.map_err(|error| format!("{error:?}"))
}

#[actix_web::test]
async fn no_line_goes_or_changes_whoever_asks_the_database() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let before = log(&t, &tenant.admin, "limit=100").await;
    assert!(before.items().len() > 3);
    for refused in [
        "DELETE FROM audit_log",
        "UPDATE audit_log SET outcome = 'refused', detail = '{}'",
        "UPDATE audit_log SET actor_id = NULL",
        "UPDATE audit_log SET detail = '{\"nothing\":\"happened\"}'",
    ] {
        let error = by_hand(&t, refused).await.unwrap_err();
        assert!(error.contains("append-only"), "{refused}: {error}");
    }
    assert_eq!(log(&t, &tenant.admin, "limit=100").await.json, before.json);
    // Control: an erasure empties words, and those alone.
    let emptied = by_hand(&t, "UPDATE audit_log SET detail = '{}'").await.unwrap();
    assert!(emptied >= before.items().len());
    let after = log(&t, &tenant.admin, "limit=100").await;
    assert_eq!(actions(&after), actions(&before));
}
