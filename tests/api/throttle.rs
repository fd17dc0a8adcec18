//! What stops guessing, and whom it must not stop: limits by account, by device, by address (RELIABILITY.md P13).

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use zhibu::auth::AccountId;
use zhibu::platform::config::{Config, HASHING_MEMORY_KIB, Network};

use crate::support::{PASSWORD, Reply, TestApp, new_uuid};

const WRONG: &str = "not the password at all";

async fn log_in(t: &TestApp, account: &str, password: &str, device: &str) -> Reply {
    let body = json!({ "account": account, "password": password, "device_id": device });
    t.post("/auth/login", "", body).await
}

/// Wrong passwords until one is refused with 429: how many were looked at, and that refusal.
async fn guess(t: &TestApp, account: &str, device: &str) -> (usize, Reply) {
    for tries in 0..30 {
        let reply = log_in(t, account, WRONG, device).await;
        if reply.status == 429 {
            return (tries, reply);
        }
        reply.refused(401, "invalid_credentials");
    }
    panic!("never stopped");
}

/// A tenant of one member with this phone number, and a password: the root's and the member's ids.
async fn tenant_of_one(t: &TestApp, system: &str, phone: &str, password: &str) -> (String, String) {
    let root = json!({ "name": "黨委", "kind": "committee" });
    let root = t.post("/organizations", system, root).await.expect(201).id();
    let name = format!("m-{}", hex::encode(rand::random::<[u8; 4]>()));
    let body = json!({ "name": "張三", "organization_id": root, "standing": "full", "phone": phone, "account_name": name });
    let member = t.post("/members", system, body).await.expect(201).id();
    let (id, now) = (AccountId(member.parse().unwrap()), t.now());
    let hash = zhibu::auth::hash_password(password, t.app.config.auth.hashing_memory_kib).unwrap();
    t.app
        .db
        .write(move |conn| zhibu::auth::set_password(conn, now, id, &hash))
        .await
        .unwrap();
    (root, member)
}

#[actix_web::test]
async fn a_phone_number_and_an_account_name_are_one_account_and_nobody_looks_like_somebody() {
    let t = TestApp::start().await;
    let system = t.system_admin("root").await;
    let root = json!({ "name": "黨委", "kind": "committee" });
    let root = t.post("/organizations", &system, root).await.expect(201).id();
    let body = json!({ "name": "張三", "organization_id": root, "standing": "full", "phone": "13800138000", "account_name": "zhangsan" });
    let id = t.post("/members", &system, body).await.expect(201).id();
    t.give_password(AccountId(id.parse().unwrap())).await;
    for _ in 0..5 {
        log_in(&t, "13800138000", WRONG, "thief")
            .await
            .refused(401, "invalid_credentials");
    }
    let (tries, stopped) = guess(&t, "ZhangSan", "thief").await;
    assert_eq!(tries, 5);
    let seconds: u64 = stopped.header("retry-after").parse().unwrap();
    assert!((1..=3_601).contains(&seconds));
    assert_eq!(stopped.header("ratelimit-policy"), "\"login\";q=10;w=3600");
    assert!(stopped.header("ratelimit").starts_with("\"login\";r=0;t="));
    log_in(&t, "+86 138-0013-8000", PASSWORD, "another")
        .await
        .refused(429, "rate_limited");
    // The same number of tries, however it is written, where there is nobody.
    for spelling in ["13900139000", "+86 139 0013 9000"] {
        for _ in 0..2 {
            log_in(&t, spelling, WRONG, "thief")
                .await
                .refused(401, "invalid_credentials");
        }
    }
    assert_eq!(guess(&t, "139-0013-9000", "thief").await.0, 6);
    // And for that name alone.
    log_in(&t, "13900139001", WRONG, "thief")
        .await
        .refused(401, "invalid_credentials");
}

#[actix_web::test]
async fn without_redis_the_process_counts_by_itself() {
    let t = TestApp::start_with(|c| {
        c.cache.redis = Some("redis://127.0.0.1:1/".parse().unwrap());
        c.cache.deadline = std::time::Duration::from_millis(10);
    })
    .await;
    t.system_admin("anna").await;
    for name in ["anna", "nobody"] {
        assert_eq!(guess(&t, name, "thief").await.0, 10);
    }
    log_in(&t, "anna", PASSWORD, "thief")
        .await
        .refused(429, "rate_limited");
}

#[actix_web::test]
async fn a_success_forgets_its_own_failures_only() {
    let t = TestApp::start().await;
    t.system_admin("anna").await;
    t.system_admin("bert").await;
    for _ in 0..9 {
        log_in(&t, "anna", WRONG, "x").await.expect(401);
        log_in(&t, "bert", WRONG, "x").await.expect(401);
    }
    log_in(&t, "anna", PASSWORD, "x").await.expect(200);
    assert_eq!(guess(&t, "bert", "y").await.0, 1);
    assert_eq!(guess(&t, "anna", "y").await.0, 10);
}

#[actix_web::test]
async fn parallel_guesses_do_not_get_past_and_overload_is_no_failure() {
    let t = TestApp::start_with(|c| {
        (c.auth.hashing_threads, c.auth.hashing_queue) = (1, 3);
        c.auth.hashing_memory_kib = HASHING_MEMORY_KIB; // it has to take its time
    })
    .await;
    t.system_admin("anna").await;
    for name in ["anna", "nobody"] {
        let (mut looked_at, mut overloaded) = (0, 0);
        loop {
            let replies = join_all((0..30).map(|_| log_in(&t, name, WRONG, "x"))).await;
            looked_at += replies.iter().filter(|r| r.status == 401).count();
            overloaded += replies.iter().filter(|r| r.status == 503).count();
            if replies.iter().all(|r| r.status == 429) {
                break;
            }
        }
        assert_eq!(looked_at, 10, "{name}");
        assert!(
            overloaded > 0,
            "{name}: the queue was never full, so nothing was shown"
        );
    }
}

#[actix_web::test]
async fn a_device_stays_known_after_sign_out_but_not_after_it_was_cut_off() {
    let t = TestApp::start().await;
    t.system_admin("anna").await;
    let token = |reply: Reply| reply.expect(200).text("/access_token");
    let phone = token(log_in(&t, "anna", PASSWORD, "phone").await);
    let lost = token(log_in(&t, "anna", PASSWORD, "lost").await);
    let sessions = t.get("/auth/sessions", &lost).await.expect(200);
    let own = sessions.items().iter().find(|s| s["is_current"] == true).unwrap();
    let own = own["id"].as_str().unwrap().to_owned();
    t.delete(&format!("/auth/sessions/{own}"), &phone)
        .await
        .expect(204);
    t.act("/auth/logout", &phone).await.expect(204);
    let stolen = log_in(&t, "anna", PASSWORD, "stolen")
        .await
        .expect(200)
        .text("/refresh_token");
    for device in ["stolen", "stolen", "another"] {
        let body = json!({ "refresh_token": stolen, "device_id": device });
        t.post("/auth/refresh", "", body).await;
    }
    assert_eq!(guess(&t, "anna", "thief").await.0, 10);
    log_in(&t, "anna", PASSWORD, "lost").await.expect(429);
    log_in(&t, "anna", PASSWORD, "stolen").await.expect(429);
    log_in(&t, "anna", PASSWORD, "phone").await.expect(200);
    // A known device has a limit of its own, and its successes give strangers no fresh tries.
    assert_eq!(guess(&t, "anna", "phone").await.0, 10);
    log_in(&t, "anna", PASSWORD, "thief").await.expect(429);
}

#[actix_web::test]
async fn members_of_five_tenants_with_one_phone_number_all_sign_in() {
    let t = TestApp::start().await;
    let system = t.system_admin("root").await;
    let phone = "13800138000";
    let mut people = Vec::new();
    for n in 0..5 {
        // The last two use the same password.
        let password = format!("three old tractors {}", n.min(3));
        people.push((tenant_of_one(&t, &system, phone, &password).await, password));
        t.advance_s(1);
    }
    let who = |reply: Reply| reply.expect(200).text("/member/id");
    for ((_, member), password) in &people[..4] {
        assert_eq!(who(log_in(&t, phone, password, "x").await), *member);
    }
    let (last, password) = &people[4];
    assert_eq!(
        who(log_in(&t, phone, password, "x").await),
        people[3].0.1,
        "the older one"
    );
    let narrowed = |organization: &str, password: &str| {
        let body = json!({ "account": phone, "password": password, "organization_id": organization });
        let t = &t;
        async move { t.post("/auth/login", "", body).await }
    };
    assert_eq!(who(narrowed(&last.0, password).await), last.1);
    narrowed(&last.0, &people[0].1)
        .await
        .refused(401, "invalid_credentials");
    narrowed(&new_uuid(), password)
        .await
        .refused(401, "invalid_credentials");
    // Somebody else's failures in one tenant leave the others alone.
    for _ in 0..10 {
        narrowed(&last.0, WRONG).await;
    }
    narrowed(&last.0, password).await.refused(429, "rate_limited");
    narrowed(&people[3].0.0, password).await.expect(200);
}

#[actix_web::test]
async fn signing_in_to_my_own_account_gives_no_free_guess_at_my_neighbours() {
    let t = TestApp::start().await;
    let system = t.system_admin("root").await;
    let phone = "13800138000";
    let (victims, _) = tenant_of_one(&t, &system, phone, "nobody guesses this").await;
    tenant_of_one(&t, &system, phone, "the thief's own one").await;
    for _ in 0..10 {
        log_in(&t, phone, "the thief's own one", "thief")
            .await
            .expect(200);
    }
    let body = json!({ "account": phone, "password": "nobody guesses this", "organization_id": victims });
    t.post("/auth/login", "", body).await.refused(429, "rate_limited");
    // Nor does its own password open it among the accounts of the number, while the thief's own opens theirs.
    log_in(&t, phone, "nobody guesses this", "thief")
        .await
        .refused(429, "rate_limited");
    log_in(&t, phone, "the thief's own one", "thief")
        .await
        .expect(200);
}

fn behind_a_proxy(config: &mut Config) {
    config.server.trusted_proxies = Network::parse_list("127.0.0.1").unwrap();
    config.auth.failures_per_address_per_hour = 10;
    config.check_in.proofs_per_address = 10;
}

async fn post_from(t: &TestApp, address: &str, path: &str, body: &Value) -> Reply {
    let request = t
        .request(Method::POST, path, "")
        .header("x-forwarded-for", format!("203.0.113.77, {address}"));
    Reply::of(request.json(body)).await
}

#[actix_web::test]
async fn failures_are_limited_by_address_too_but_not_on_a_known_device() {
    let t = TestApp::start_with(behind_a_proxy).await;
    t.system_admin("anna").await;
    log_in(&t, "anna", PASSWORD, "her phone").await.expect(200);
    let (bad, good) = ("198.51.100.1", "198.51.100.2");
    let login = |name: String, password: &str, device: &str| json!({ "account": name, "password": password, "device_id": device });
    for n in 0..10 {
        let body = login(format!("name{n}"), WRONG, "x");
        post_from(&t, bad, "/auth/login", &body).await.expect(401);
    }
    let hers = |device| login("anna".into(), PASSWORD, device);
    let stopped = post_from(&t, bad, "/auth/login", &hers("x")).await;
    let stopped = stopped.refused(429, "rate_limited");
    assert_eq!(
        stopped.header("ratelimit-policy"),
        "\"login-address\";q=10;w=3600"
    );
    post_from(&t, bad, "/auth/login", &hers("her phone"))
        .await
        .expect(200);
    post_from(&t, good, "/auth/login", &hers("x")).await.expect(200);

    let open = [
        (
            "/auth/activations",
            json!({ "code": "K7QF-9XM2-P4TD", "password": PASSWORD }),
            422,
        ),
        ("/auth/refresh", json!({ "refresh_token": "x" }), 401),
        ("/check-in-proofs", json!({ "code": "x", "device_id": "x" }), 422),
    ];
    for (path, body, status) in &open {
        for _ in 0..10 {
            post_from(&t, bad, path, body).await.expect(*status);
        }
        post_from(&t, bad, path, body).await.refused(429, "rate_limited");
        post_from(&t, good, path, body).await.expect(*status);
    }
}

#[actix_web::test]
async fn what_a_stranger_makes_up_behind_the_same_address_stops_nobody() {
    let t = TestApp::start_with(behind_a_proxy).await;
    let tenant = t.tenant().await;
    t.system_admin("anna").await;
    let tokens = log_in(&t, "anna", PASSWORD, "her phone").await.expect(200);
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let code = t.code(&tenant.admin, &event).await;
    let hall = "198.51.100.7";
    for _ in 0..11 {
        post_from(&t, hall, "/auth/refresh", &json!({ "refresh_token": "x" })).await;
        post_from(
            &t,
            hall,
            "/check-in-proofs",
            &json!({ "code": "x", "device_id": "x" }),
        )
        .await;
    }
    let refresh = json!({ "refresh_token": tokens.text("/refresh_token"), "device_id": "her phone" });
    post_from(&t, hall, "/auth/refresh", &refresh).await.expect(200);
    let proof = json!({ "code": code, "device_id": "a phone" });
    post_from(&t, hall, "/check-in-proofs", &proof).await.expect(201);
}

#[actix_web::test]
async fn the_fifty_first_session_ends_the_one_used_longest_ago() {
    let t = TestApp::start().await;
    t.system_admin("anna").await;
    let first = log_in(&t, "anna", PASSWORD, "d0").await.expect(200);
    t.advance_s(1);
    for n in 1..=50 {
        log_in(&t, "anna", PASSWORD, &format!("d{n}")).await.expect(200);
    }
    let refresh = json!({ "refresh_token": first.text("/refresh_token"), "device_id": "d0" });
    t.post("/auth/refresh", "", refresh)
        .await
        .refused(401, "invalid_refresh_token");
    let token = t.login("anna").await;
    let sessions = t.get("/auth/sessions?limit=100", &token).await.expect(200);
    assert_eq!(sessions.items().len(), 50);
}

#[actix_web::test]
async fn a_stranger_cannot_invent_an_address() {
    let t = TestApp::start_with(|config| {
        behind_a_proxy(config);
        config.server.trusted_proxies.clear();
    })
    .await;
    let body = json!({ "refresh_token": "x" });
    for n in 0..10 {
        post_from(&t, &format!("198.51.100.{n}"), "/auth/refresh", &body)
            .await
            .expect(401);
    }
    post_from(&t, "198.51.100.99", "/auth/refresh", &body)
        .await
        .refused(429, "rate_limited");
}

#[actix_web::test]
async fn whether_a_number_is_taken_is_told_a_few_times_an_hour() {
    let t = TestApp::start_with(|c| c.auth.phone_changes_per_hour = 3).await;
    let system = t.system_admin("root").await;
    let (root, _) = tenant_of_one(&t, &system, "13800138000", "three old tractors").await;
    let body = json!({ "name": "李四", "organization_id": root, "standing": "full", "account_name": "lisi" });
    let id = t.post("/members", &system, body).await.expect(201).id();
    t.give_password(AccountId(id.parse().unwrap())).await;
    let token = t.login("lisi").await;
    for _ in 0..3 {
        t.patch("/me", &token, "", json!({ "phone": "13800138000" }))
            .await
            .refused(409, "phone_taken");
    }
    t.patch("/me", &token, "", json!({ "phone": "13800138000" }))
        .await
        .refused(429, "rate_limited");
    t.patch("/me", &token, "", json!({ "account_name": "lisi2" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn one_typed_code_sent_fifty_times_at_once_is_one_check_in() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let shown = t
        .get(&format!("/events/{event}/code"), &tenant.organizer_a)
        .await
        .expect(200);
    let typed = |code: &str| json!({ "event_id": event, "typed_code": code, "client_event_id": new_uuid(), "occurred_at": t.in_s(0) });
    let body = typed(&shown.text("/typed_code"));
    let replies = join_all((0..50).map(|_| t.post("/check-ins", &tenant.member_a, body.clone()))).await;
    assert_eq!(replies.iter().filter(|r| r.status == 201).count(), 1);
    assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 49);

    let right = shown.text("/typed_code");
    let bodies: Vec<Value> = (0..20).map(|_| typed(&right)).collect();
    let sends = bodies
        .iter()
        .map(|body| t.post("/check-ins", &tenant.organizer_a, body.clone()));
    let replies = join_all(sends).await;
    assert_eq!(replies.iter().filter(|r| r.status == 201).count(), 1);
    assert_eq!(replies.iter().filter(|r| r.status == 409).count(), 19);

    // Parallel guesses: five are looked at. What a repeat is answered does not depend on the tries left.
    let wrong: Vec<Value> = (0..20)
        .map(|n| {
            typed(&format!(
                "{:06}",
                (shown.text("/typed_code").parse::<u32>().unwrap() + 1 + n) % 1_000_000
            ))
        })
        .collect();
    let replies = join_all(
        wrong
            .iter()
            .map(|body| t.post("/check-ins", &tenant.secretary_a, body.clone())),
    )
    .await;
    assert_eq!(replies.iter().filter(|r| r.status == 422).count(), 5);
    assert_eq!(replies.iter().filter(|r| r.status == 429).count(), 15);
    for body in &wrong {
        t.post("/check-ins", &tenant.member_a, body.clone()).await;
    }
    t.post("/check-ins", &tenant.member_a, body.clone())
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_repeat_gives_no_wrong_guess_back() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let shown = t
        .get(&format!("/events/{event}/code"), &tenant.organizer_a)
        .await
        .expect(200);
    let right = shown.text("/typed_code");
    let typed = |code: &str, id: &str| json!({ "event_id": event, "typed_code": code, "client_event_id": id, "occurred_at": t.in_s(0) });
    let done = new_uuid();
    t.post("/check-ins", &tenant.member_a, typed(&right, &done))
        .await
        .expect(201);
    let mut looked_at = 0;
    for n in 1..=20 {
        let wrong = format!("{:06}", (right.parse::<u32>().unwrap() + n) % 1_000_000);
        let guess = t
            .post("/check-ins", &tenant.member_a, typed(&wrong, &new_uuid()))
            .await;
        looked_at += usize::from(guess.status == 422);
        t.post("/check-ins", &tenant.member_a, typed(&wrong, &done))
            .await
            .expect(200);
    }
    // A repeat is answered whatever code it brings, so it is counted as a guess, and takes none back.
    assert!((1..=5).contains(&looked_at), "{looked_at} were looked at");
}

#[actix_web::test]
async fn guesses_from_another_tenant_close_no_event() {
    let t = TestApp::start_with(|c| c.check_in.typed_guesses_per_event = 3).await;
    let (tenant, strangers) = (t.tenant().await, t.tenant().await);
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let right = t
        .get(&format!("/events/{event}/code"), &tenant.organizer_a)
        .await
        .expect(200)
        .text("/typed_code");
    let wrong = format!("{:06}", (right.parse::<u32>().unwrap() + 1) % 1_000_000);
    let typed = |code: &str| json!({ "event_id": event, "typed_code": code, "client_event_id": new_uuid(), "occurred_at": t.in_s(0) });
    for stranger in [&strangers.member_a, &strangers.admin, &strangers.secretary_a] {
        t.post("/check-ins", stranger, typed(&right))
            .await
            .refused(422, "invalid_code");
    }
    t.post("/check-ins", &tenant.member_a, typed(&right))
        .await
        .expect(201);
    for own in [&tenant.organizer_a, &tenant.secretary_b, &tenant.member_b] {
        t.post("/check-ins", own, typed(&wrong))
            .await
            .refused(422, "invalid_code");
    }
    let stopped = t
        .post("/check-ins", &tenant.secretary_a, typed(&right))
        .await
        .refused(429, "rate_limited");
    assert_eq!(
        stopped.header("ratelimit-policy"),
        "\"typed-code-event\";q=3;w=300"
    );
}

/// Ids of events can be made up, and each guess takes a counter: nobody fills the room of all others with them.
#[actix_web::test]
async fn guesses_at_events_that_are_not_there_are_counted_with_the_member() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let made_up = || {
        json!({
            "event_id": new_uuid(), "typed_code": "000000", "client_event_id": new_uuid(), "occurred_at": t.in_s(0),
        })
    };
    let items: Vec<_> = std::iter::repeat_with(made_up).take(80).collect();
    let batch = t
        .post("/check-ins/batch", &tenant.member_a, json!({ "items": items }))
        .await
        .expect(200);
    let codes = |code: &str| batch.items().iter().filter(|item| item["code"] == code).count();
    assert_eq!(
        (codes("invalid_code"), codes("rate_limited")),
        (50, 30),
        "{}",
        batch.json
    );
    // Others type theirs, and what is no guess is judged.
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let path = format!("/events/{event}/code");
    let code = t.get(&path, &tenant.organizer_a).await.expect(200);
    let typed = json!({
        "event_id": event, "typed_code": code.text("/typed_code"), "client_event_id": new_uuid(), "occurred_at": t.in_s(0),
    });
    t.post("/check-ins", &tenant.secretary_a, typed).await.expect(201);
    let scanned = t.with_code(&code.text("/code"));
    t.post("/check-ins", &tenant.member_a, scanned).await.expect(201);
}
