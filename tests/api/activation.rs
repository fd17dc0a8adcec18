//! Codes that set a password: races of them, forgotten passwords, and members who have nothing but an employee number.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use zhibu::auth::AccountId;
use zhibu::platform::db::DbConnection;

use crate::support::{PASSWORD, Reply, Tenant, TestApp};

pub const NEW: &str = "four new tractors hum";

/// A member of branch A without a password.
pub async fn newcomer(t: &TestApp, tenant: &Tenant, change: Value) -> String {
    let mut body = json!({ "name": "張三", "organization_id": tenant.branch_a, "standing": "full" });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    t.post("/members", &tenant.admin, body).await.expect(201).id()
}

async fn activate(t: &TestApp, code: &str) -> Reply {
    let body = json!({ "code": code, "password": NEW, "device_id": "phone" });
    t.post("/auth/activations", "", body).await
}

pub async fn issue(t: &TestApp, token: &str, member: &str) -> Reply {
    t.act(&format!("/members/{member}/activation-codes"), token).await
}

async fn log_in(t: &TestApp, account: &str, password: &str) -> Reply {
    let body = json!({ "account": account, "password": password, "device_id": "phone" });
    t.post("/auth/login", "", body).await
}

/// Codes of a member that nobody has used and no later one has ended.
async fn open_codes(t: &TestApp, member: &str) -> i64 {
    use diesel::prelude::*;
    use zhibu::platform::db::schema::activation_codes as codes;
    let (id, now) = (AccountId(member.parse().unwrap()), t.now());
    t.app
        .db
        .write(move |conn| {
            let open = codes::table
                .filter(codes::account_id.eq(id))
                .filter(codes::used_at.is_null())
                .filter(codes::expires_at.gt(now));
            Ok(open.count().get_result(conn)?)
        })
        .await
        .unwrap()
}

#[actix_web::test]
async fn of_codes_issued_at_once_one_is_good() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for round in 0..5 {
        let id = newcomer(&t, &tenant, json!({ "account_name": format!("new-{round}") })).await;
        let sheet = json!({ "member_ids": [id] });
        let one = (0..6).map(|_| issue(&t, &tenant.admin, &id));
        let many = (0..6).map(|_| t.post("/members/activation-codes", &tenant.admin, sheet.clone()));
        let (one, many) = tokio::join!(join_all(one), join_all(many));
        let mut codes: Vec<String> = one.into_iter().map(|r| r.expect(201).text("/code")).collect();
        codes.extend(many.into_iter().map(|r| r.expect(201).text("/items/0/code")));
        assert_eq!(open_codes(&t, &id).await, 1, "round {round}");
        let replies = join_all(codes.iter().map(|code| activate(&t, code))).await;
        let good = replies.iter().filter(|reply| reply.status == 201).count();
        assert_eq!(good, 1, "round {round}");
        assert_eq!(
            replies.iter().filter(|r| r.status == 422).count(),
            11,
            "round {round}"
        );
    }
}

#[actix_web::test]
async fn a_forgotten_password_is_reset_by_whoever_may_and_only_when_the_code_is_used() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let id = newcomer(&t, &tenant, json!({ "account_name": "zhangsan" })).await;
    t.give_password(AccountId(id.parse().unwrap())).await;
    let before = t.login("zhangsan").await;
    let sheet = json!({ "member_ids": [id] });
    let skipped = t
        .post("/members/activation-codes", &tenant.secretary_a, sheet)
        .await
        .expect(201);
    assert!(skipped.items().is_empty(), "a sheet resets nobody");
    issue(&t, &tenant.organizer_a, &id)
        .await
        .refused(403, "forbidden");
    issue(&t, &tenant.secretary_b, &id)
        .await
        .refused(404, "not_found");
    let issued = issue(&t, &tenant.secretary_a, &id).await.expect(201);
    assert_eq!(issued.header("cache-control"), "no-store");
    t.get("/me", &before).await.expect(200);
    log_in(&t, "zhangsan", PASSWORD).await.expect(200);
    activate(&t, &issued.text("/code")).await.expect(201);
    t.get("/me", &before).await.refused(401, "unauthorized");
    log_in(&t, "zhangsan", PASSWORD)
        .await
        .refused(401, "invalid_credentials");
    log_in(&t, "zhangsan", NEW).await.expect(200);

    let request = t
        .request(
            Method::POST,
            &format!("/members/{id}/activation-codes"),
            &tenant.admin,
        )
        .header("accept", "text/html");
    let card = String::from_utf8(Reply::of(request).await.expect(201).bytes).unwrap();
    assert_eq!(card.matches("<article>").count(), 1);
    t.post(
        &format!("/members/{id}/deactivate"),
        &tenant.admin,
        json!({ "reason": "x" }),
    )
    .await
    .expect(200);
    issue(&t, &tenant.admin, &id)
        .await
        .refused(409, "member_inactive");
}

#[actix_web::test]
async fn nobody_resets_their_own_password_or_that_of_somebody_who_may_do_more() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (boss, token) = t
        .person(&tenant, &tenant.branch_a, "管理員", Some((&tenant.root, "admin")))
        .await;
    issue(&t, &tenant.secretary_a, &boss)
        .await
        .refused(403, "forbidden");
    issue(&t, &token, &boss).await.refused(403, "forbidden");
    issue(&t, &tenant.admin, &boss).await.expect(201);
}

#[actix_web::test]
async fn an_employee_number_is_enough_to_sign_in() {
    let t = TestApp::start().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let id = newcomer(&t, &tenant, json!({ "employee_no": "A0017" })).await;
    let code = issue(&t, &tenant.admin, &id).await.expect(201).text("/code");
    log_in(&t, "A0017", NEW).await.refused(401, "invalid_credentials");
    activate(&t, &code).await.expect(201);
    for typed in ["A0017", " a0017", "Ａ００１７"] {
        let reply = log_in(&t, typed, NEW).await.expect(200);
        assert_eq!(reply.text("/member/id"), id, "{typed}");
    }
    let in_tree = |root: &str| json!({ "account": "a0017", "password": NEW, "organization_id": root });
    t.post("/auth/login", "", in_tree(&tenant.root)).await.expect(200);
    t.post("/auth/login", "", in_tree(&other.root))
        .await
        .refused(401, "invalid_credentials");
    // Numbers are the tree's own: the other one's 0017 is somebody else, who does not crowd out a name.
    let body = json!({ "name": "李四", "organization_id": other.branch_a, "standing": "full", "account_name": "a0017" });
    let named = t
        .post("/members", &other.admin, body.clone())
        .await
        .expect(201)
        .id();
    let mut again = body;
    again["phone"] = json!("13800000099");
    t.post("/members", &other.admin, again)
        .await
        .refused(409, "account_name_taken");
    let code = issue(&t, &other.admin, &named).await.expect(201).text("/code");
    activate(&t, &code).await.expect(201);
    assert_eq!(
        log_in(&t, "A0017", NEW).await.expect(200).text("/member/id"),
        named
    );
    // The password tells which of them it is.
    t.give_password(AccountId(named.parse().unwrap())).await;
    for (password, who) in [(PASSWORD, &named), (NEW, &id)] {
        let reply = log_in(&t, "A0017", password).await.expect(200);
        assert_eq!(&reply.text("/member/id"), who);
    }
    t.post(
        &format!("/members/{id}/deactivate"),
        &tenant.admin,
        json!({ "reason": "x" }),
    )
    .await
    .expect(200);
    t.post("/auth/login", "", in_tree(&tenant.root))
        .await
        .refused(401, "invalid_credentials");
}

/// Each hash takes its time: of many that the same word may mean, eight are tried. The tree makes it one.
#[actix_web::test]
async fn of_those_whom_a_word_may_mean_eight_are_tried() {
    let t = TestApp::start().await;
    let trees = [(); 8].map(|()| t.tenant());
    let trees = futures_util::future::join_all(trees).await;
    // A name comes before numbers.
    let mut people = vec![newcomer(&t, &trees[0], json!({ "account_name": "b7" })).await];
    for tree in &trees {
        people.push(newcomer(&t, tree, json!({ "employee_no": "B7" })).await);
    }
    let people: Vec<AccountId> = people
        .iter()
        .map(|id| id.parse().unwrap())
        .map(AccountId)
        .collect();
    for one in &people {
        t.give_password(*one).await;
    }
    let hash = zhibu::auth::hash_password(NEW, t.app.config.auth.hashing_memory_kib).unwrap();
    let status = async |who: AccountId, tree: Option<&Tenant>| {
        let (now, hash) = (t.now(), hash.clone());
        let set = move |conn: &mut DbConnection| zhibu::auth::set_password(conn, now, who, &hash);
        t.app.db.write(set).await.unwrap();
        let tree = tree.map(|tree| &tree.root);
        let body = json!({ "account": "b7", "password": NEW, "organization_id": tree });
        t.post("/auth/login", "", body).await.status
    };
    assert_eq!(status(people[8], None).await, 401);
    assert_eq!(status(people[8], Some(&trees[7])).await, 200);
    assert_eq!(status(people[7], None).await, 200);
}

#[actix_web::test]
async fn a_device_that_activated_is_known() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let id = newcomer(&t, &tenant, json!({ "account_name": "zhangsan" })).await;
    let code = issue(&t, &tenant.admin, &id).await.expect(201).text("/code");
    activate(&t, &code).await.expect(201);
    let thief = json!({ "account": "zhangsan", "password": "not the password at all", "device_id": "thief" });
    for _ in 0..10 {
        t.post("/auth/login", "", thief.clone()).await.expect(401);
    }
    t.post("/auth/login", "", thief).await.expect(429);
    log_in(&t, "zhangsan", NEW).await.expect(200);
    let page = include_str!("../../src/attendance/page/check_in.js");
    let sends = page.lines().find(|line| line.contains("'/auth/activations'"));
    assert!(sends.is_some_and(|line| line.contains("device_id: deviceId")));
}

#[actix_web::test]
async fn a_code_that_was_kept_opens_no_account_that_has_risen_since_and_none_for_somebody_who_left() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let id = newcomer(&t, &tenant, json!({ "account_name": "zhangsan" })).await;
    let kept = issue(&t, &tenant.secretary_a, &id)
        .await
        .expect(201)
        .text("/code");
    let role = json!({ "member_id": id, "role": "admin" });
    let roles = format!("/organizations/{}/roles", tenant.root);
    t.post(&roles, &tenant.admin, role).await.expect(201);
    activate(&t, &kept).await.refused(422, "activation_code_invalid");
    let good = issue(&t, &tenant.admin, &id).await.expect(201).text("/code");
    activate(&t, &good).await.expect(201);

    let (leaver, token) = t
        .person(&tenant, &tenant.root, "離職", Some((&tenant.root, "admin")))
        .await;
    let reset = issue(&t, &token, &tenant.member_a_id)
        .await
        .expect(201)
        .text("/code");
    let first = newcomer(&t, &tenant, json!({ "account_name": "lisi" })).await;
    let first = issue(&t, &token, &first).await.expect(201).text("/code");
    t.post(
        &format!("/members/{leaver}/deactivate"),
        &tenant.system,
        json!({ "reason": "x" }),
    )
    .await
    .expect(200);
    activate(&t, &reset).await.refused(422, "activation_code_invalid");
    // Cards that were handed out for a first password stay good.
    activate(&t, &first).await.expect(201);
}

#[actix_web::test]
async fn a_code_that_was_kept_resets_no_password_once_its_issuer_may_not_or_its_member_has_moved() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let branch = &tenant.branch_a;
    let (secretary, token) = t
        .person(&tenant, branch, "前書記", Some((branch, "secretary")))
        .await;
    let (moving, _) = t.person(&tenant, branch, "調走的", None).await;
    let codes = async |token: &str| {
        let mut codes = Vec::new();
        for member in [&tenant.member_a_id, &moving] {
            codes.push(issue(&t, token, member).await.expect(201).text("/code"));
        }
        codes
    };
    let kept = codes(&token).await;
    let to = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    t.post(&format!("/members/{moving}/transfers"), &tenant.admin, to)
        .await
        .expect(201);
    activate(&t, &kept[1])
        .await
        .refused(422, "activation_code_invalid");
    let new = newcomer(&t, &tenant, json!({ "account_name": "zhangsan" })).await;
    let first = issue(&t, &token, &new).await.expect(201).text("/code");
    let roles = format!("/organizations/{branch}/roles");
    let held = t.get(&roles, &tenant.admin).await.expect(200);
    let held = held.items().iter().find(|grant| grant["member_id"] == secretary);
    let grant = held.unwrap()["id"].as_str().unwrap().to_owned();
    t.delete(&format!("{roles}/{grant}"), &tenant.admin)
        .await
        .expect(204);
    activate(&t, &kept[0])
        .await
        .refused(422, "activation_code_invalid");
    activate(&t, &first).await.expect(201);
    // Whoever may still, may.
    activate(&t, &codes(&tenant.admin).await[0]).await.expect(201);
}

/// Actor, action, object and detail of what is on record about accounts and sessions, the oldest first.
async fn recorded(t: &TestApp) -> Vec<(Option<String>, String, String, Value)> {
    use diesel::prelude::*;
    use zhibu::platform::db::schema::audit_log as log;
    use zhibu::platform::db::{AnyId, Json};
    type Line = (Option<AccountId>, String, Option<AnyId>, Json);
    let read = |conn: &mut _| {
        let lines = log::table
            .filter(log::object_kind.eq_any(["account", "session"]))
            .order((log::at, log::id))
            .select((log::actor_id, log::action, log::object_id, log::detail));
        Ok(lines.load::<Line>(conn)?)
    };
    let lines = t.app.db.write(read).await.unwrap();
    let line = |(actor, action, object, detail): Line| {
        (
            actor.map(|a| a.to_string()),
            action,
            object.unwrap().0.to_string(),
            detail.0,
        )
    };
    lines.into_iter().map(line).collect()
}

#[actix_web::test]
async fn what_happens_to_an_account_is_on_record() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let id = newcomer(&t, &tenant, json!({ "account_name": "zhangsan" })).await;
    let code = issue(&t, &tenant.admin, &id).await.expect(201).text("/code");
    let first = activate(&t, &code).await.expect(201);
    let change = json!({ "current_password": NEW, "new_password": "five tall tractors rest" });
    t.post("/auth/password", &first.text("/access_token"), change)
        .await
        .expect(204);
    t.advance_s(1);
    let second = log_in(&t, "zhangsan", "five tall tractors rest")
        .await
        .expect(200);
    let sessions = t
        .get("/auth/sessions", &first.text("/access_token"))
        .await
        .expect(200);
    let other = sessions
        .items()
        .iter()
        .find(|s| s["is_current"] == false)
        .unwrap();
    let path = format!("/auth/sessions/{}", other["id"].as_str().unwrap());
    for _ in 0..2 {
        t.delete(&path, &first.text("/access_token")).await.expect(204);
    }
    drop(second);
    let stolen = json!({ "refresh_token": first.text("/refresh_token"), "device_id": "another" });
    t.advance_s(1);
    t.post("/auth/refresh", "", stolen).await.expect(401);
    let guess = json!({ "account": "zhangsan", "password": "not the password at all" });
    for _ in 0..15 {
        t.advance_s(1);
        t.post("/auth/login", "", guess.clone()).await;
    }
    // What is recorded beside the answer comes a moment later.
    let mut lines = recorded(&t).await;
    for _ in 0..200 {
        if lines.iter().any(|line| line.1 == "account.throttle") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        lines = recorded(&t).await;
    }
    let own = Some(id.clone());
    let told: Vec<_> = lines
        .iter()
        .map(|(actor, action, _, detail)| (actor.clone(), action.as_str(), detail.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (own.clone(), "account.activate", json!({ "reset": false })),
            (own.clone(), "account.change_password", json!({})),
            (own.clone(), "session.end", json!({ "reason": "ended_by_owner" })),
            (own, "session.end", json!({ "reason": "refresh_token_reused" })),
            (None, "account.throttle", json!({ "known_device": false })),
        ]
    );
    assert_eq!(lines.last().unwrap().2, id);
}
