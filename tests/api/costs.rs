//! What may be spent, what was spent, and who approves it: from the plan to the year's totals, and what must not happen.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Reply, Tenant, TestApp, new_uuid};

pub const PDF: &[u8] = b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\n%%EOF\n";

/// Somebody with the treasurer's role for `organization` and all below it.
pub async fn treasurer(t: &TestApp, tenant: &Tenant, organization: &str) -> String {
    t.person(tenant, organization, "司庫", Some((organization, "treasurer")))
        .await
        .1
}

/// An uploaded receipt, as it is after its last byte.
pub async fn receipt(t: &TestApp, token: &str, organization: &str, bytes: &[u8]) -> Reply {
    let begun = begin_receipt(t, token, organization, "receipt", bytes)
        .await
        .expect(201);
    let media = begun.header("location").replace("/api/v1/uploads/", "/media/");
    t.get(&media, token).await.expect(200)
}

pub async fn begin_receipt(
    t: &TestApp,
    token: &str,
    organization: &str,
    purpose: &str,
    bytes: &[u8],
) -> Reply {
    let [organization, name, purpose] = [organization, "發票.pdf", purpose].map(|text| STANDARD.encode(text));
    let metadata = format!("organization_id {organization},filename {name},purpose {purpose}");
    let request = t
        .tus(Method::POST, "/uploads", token)
        .header("upload-length", bytes.len())
        .header("upload-metadata", metadata)
        .header("content-type", "application/offset+octet-stream")
        .body(bytes.to_vec());
    Reply::of(request).await
}

/// 860.50 for a bus, four days ago, with what a test changes.
pub async fn spend(t: &TestApp, token: &str, event: &str, change: Value) -> Reply {
    t.post(&format!("/events/{event}/expenses"), token, bus(change))
        .await
}

pub fn bus(change: Value) -> Value {
    let mut body = json!({
        "category": "transport", "amount_cents": 86_050, "spent_on": "2026-11-20", "payee": "市公交集團",
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn write_budget(t: &TestApp, token: &str, path: &str, version: &str, body: Value) -> Reply {
    let request = t.request(Method::PUT, path, token).json(&body);
    Reply::of(request.header("if-match", version)).await
}

pub async fn meeting(t: &TestApp, tenant: &Tenant) -> String {
    t.open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await
}

/// The organization's own currency in a year.
async fn totals(t: &TestApp, token: &str, organization: &str, year: i32) -> Value {
    let path = format!("/organizations/{organization}/cost-totals?year={year}");
    t.get(&path, token).await.expect(200).json["currencies"][0].clone()
}

/// Budget, budget below, planned, submitted, approved, remaining.
fn sums(totals: &Value) -> [i64; 6] {
    [
        "budget_cents",
        "budget_below_cents",
        "planned_cents",
        "submitted_cents",
        "approved_cents",
        "remaining_cents",
    ]
    .map(|name| totals[name].as_i64().unwrap())
}

fn category<'a>(totals: &'a Value, name: &str) -> &'a Value {
    let all = totals["categories"].as_array().unwrap();
    all.iter().find(|one| one["category"] == name).unwrap()
}

#[actix_web::test]
async fn from_the_plan_to_the_years_totals() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let year = format!("/organizations/{}/budgets/2026", tenant.branch_a);
    let empty = t.get(&year, &tenant.inspector).await.expect(200);
    assert_eq!(
        (
            &empty.json["lines"],
            &empty.json["version"],
            &empty.json["currency"]
        ),
        (&json!([]), &json!(0), &json!("CNY"))
    );
    let lines = json!([
        { "category": "transport", "amount_cents": 100_000, "note": "主題黨日用車" },
        { "category": "transport", "amount_cents": 50_000, "note": "" },
        { "category": "books", "amount_cents": 30_000, "note": "" },
    ]);
    let written = write_budget(
        &t,
        &treasurer,
        &year,
        empty.header("etag"),
        json!({ "lines": lines }),
    )
    .await;
    let written = written.expect(200);
    assert_eq!(
        (
            &written.json["lines"],
            &written.json["total_cents"],
            &written.json["version"]
        ),
        (&lines, &json!(180_000), &json!(1))
    );
    let years = t
        .get(
            &format!("/organizations/{}/budgets", tenant.branch_a),
            &tenant.secretary_a,
        )
        .await
        .expect(200);
    assert_eq!(
        (&years.items()[0]["year"], &years.items()[0]["total_cents"]),
        (&json!(2026), &json!(180_000))
    );

    let event = meeting(&t, &tenant).await;
    let plan = format!("/events/{event}/budget");
    let lines = json!([{ "category": "transport", "amount_cents": 90_000, "note": "包車" }]);
    let planned = write_budget(&t, &tenant.organizer_a, &plan, "\"0\"", json!({ "lines": lines })).await;
    assert_eq!(planned.expect(200).json["total_cents"], 90_000);
    assert_eq!(t.get(&plan, &treasurer).await.expect(200).json["lines"], lines);

    let file = receipt(&t, &tenant.organizer_a, &tenant.branch_a, PDF).await.id();
    let spent = spend(
        &t,
        &tenant.organizer_a,
        &event,
        json!({ "receipt_media_id": file }),
    )
    .await;
    let spent = spent.expect(201);
    assert_eq!(
        spent.header("location"),
        format!("/api/v1/expenses/{}", spent.id())
    );
    assert_eq!(
        [
            &spent.json["status"],
            &spent.json["amount_cents"],
            &spent.json["currency"],
            &spent.json["submitted_by_name"],
            &spent.json["organization_name"],
            &spent.json["event_title"],
        ],
        [
            &json!("submitted"),
            &json!(86_050),
            &json!("CNY"),
            &json!("甲組織"),
            &json!("第一黨支部"),
            &json!("支部黨員大會"),
        ]
    );
    let now = totals(&t, &treasurer, &tenant.branch_a, 2026).await;
    assert_eq!(sums(&now), [180_000, 0, 90_000, 86_050, 0, 180_000]);

    let path = format!("/expenses/{}", spent.id());
    let approved = t.act(&format!("{path}/approve"), &treasurer).await.expect(200);
    assert_eq!(
        [
            &approved.json["status"],
            &approved.json["decided_by_name"],
            &approved.json["decided_at"]
        ],
        [&json!("approved"), &json!("司庫"), &json!(t.in_s(0))]
    );
    let now = totals(&t, &tenant.inspector, &tenant.branch_a, 2026).await;
    assert_eq!(sums(&now), [180_000, 0, 90_000, 0, 86_050, 93_950]);
    assert_eq!(
        sums(category(&now, "transport")),
        [150_000, 0, 90_000, 0, 86_050, 63_950]
    );
    assert_eq!(sums(category(&now, "books")), [30_000, 0, 0, 0, 0, 30_000]);
    // The committee has no budget of its own: the branch's is one below it.
    let above = totals(&t, &tenant.admin, &tenant.root, 2026).await;
    assert_eq!(sums(&above), [0, 180_000, 90_000, 0, 86_050, -86_050]);

    let annul = format!("{path}/annul");
    let annulled = t
        .post(&annul, &tenant.admin, json!({ "reason": "重複報銷" }))
        .await
        .expect(200);
    assert_eq!(
        [
            &annulled.json["status"],
            &annulled.json["annul_reason"],
            &annulled.json["annulled_by_name"],
            // Who approved it stays.
            &annulled.json["decided_by_name"],
        ],
        [
            &json!("annulled"),
            &json!("重複報銷"),
            &json!("管理員"),
            &json!("司庫")
        ]
    );
    let seen = t.get(&path, &tenant.organizer_a).await.expect(200);
    assert_eq!(seen.json["status"], "annulled");
    let now = totals(&t, &treasurer, &tenant.branch_a, 2026).await;
    assert_eq!(sums(&now), [180_000, 0, 90_000, 0, 0, 180_000]);

    let log = t.get("/audit-log?limit=200", &tenant.admin).await.expect(200);
    let mut actions: Vec<&str> = log
        .items()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .filter(|action| action.contains("expense") || action.contains("budget"))
        .collect();
    actions.reverse();
    assert_eq!(
        actions,
        [
            "organization_budget.write",
            "event_budget.write",
            "expense.submit",
            "expense.approve",
            "expense.annul"
        ]
    );
    let annulment = &log.items()[0];
    assert_eq!(
        (
            &annulment["object_id"],
            &annulment["organization_id"],
            &annulment["detail"]["reason"]
        ),
        (&json!(spent.id()), &json!(tenant.branch_a), &json!("重複報銷"))
    );
    assert_eq!(annulment["detail"]["amount_cents"], 86_050);
}

/// The field and the code of the first thing that is wrong.
#[track_caller]
fn wrong(reply: Reply) -> (String, String) {
    let reply = reply.refused(422, "invalid_fields");
    (reply.text("/errors/0/field"), reply.text("/errors/0/code"))
}

#[actix_web::test]
async fn amounts_days_and_words_have_bounds() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, event) = (&tenant.organizer_a, meeting(&t, &tenant).await);
    for (change, field, code) in [
        (json!({ "amount_cents": 0 }), "/amount_cents", "too_small"),
        (json!({ "amount_cents": -1 }), "/amount_cents", "too_small"),
        (
            json!({ "amount_cents": 10_000_000_001i64 }),
            "/amount_cents",
            "too_large",
        ),
        (json!({ "amount_cents": i64::MAX }), "/amount_cents", "too_large"),
        (json!({ "amount_cents": u64::MAX }), "/amount_cents", "wrong_type"),
        (json!({ "amount_cents": 12.5 }), "/amount_cents", "wrong_type"),
        (json!({ "amount_cents": "860.50" }), "/amount_cents", "wrong_type"),
        (json!({ "currency": "JPY" }), "/currency", "unknown_currency"),
        (json!({ "currency": "cny" }), "/currency", "unknown_currency"),
        (json!({ "category": "bribe" }), "/category", "unknown_value"),
        (json!({ "spent_on": "2026-11-25" }), "/spent_on", "in_future"),
        (json!({ "spent_on": "1999-12-31" }), "/spent_on", "out_of_range"),
        (json!({ "spent_on": "2200-01-01" }), "/spent_on", "out_of_range"),
        (json!({ "spent_on": "2026-02-30" }), "/spent_on", "wrong_type"),
        (json!({ "payee": " " }), "/payee", "required"),
        (json!({ "payee": "長".repeat(201) }), "/payee", "too_long"),
        (json!({ "note": "長".repeat(1_001) }), "/note", "too_long"),
        (json!({ "status": "approved" }), "/status", "unknown_field"),
        (
            json!({ "submitted_by": new_uuid() }),
            "/submitted_by",
            "unknown_field",
        ),
    ] {
        let told = wrong(spend(&t, token, &event, change.clone()).await);
        assert_eq!(told, (field.to_owned(), code.to_owned()), "{change}");
    }
    let most = spend(&t, token, &event, json!({ "amount_cents": 10_000_000_000i64 })).await;
    assert_eq!(most.expect(201).json["amount_cents"], 10_000_000_000i64);
    spend(
        &t,
        token,
        &event,
        json!({ "spent_on": "2026-11-24", "amount_cents": 1 }),
    )
    .await
    .expect(201);

    let plan = format!("/events/{event}/budget");
    let line = |cents: i64| json!({ "category": "venue", "amount_cents": cents });
    for (body, field, code) in [
        (
            json!({ "lines": [line(1), line(0)] }),
            "/lines/1/amount_cents",
            "too_small",
        ),
        (json!({ "lines": vec![line(1); 101] }), "/lines", "too_many"),
        (
            json!({ "lines": [], "currency": "RMB" }),
            "/currency",
            "unknown_currency",
        ),
        (
            json!({ "lines": [{ "category": "venue", "amount_cents": 1, "note": "字".repeat(201) }] }),
            "/lines/0/note",
            "too_long",
        ),
    ] {
        let told = wrong(write_budget(&t, token, &plan, "*", body).await);
        assert_eq!(told, (field.to_owned(), code.to_owned()));
    }
    let full = json!({ "lines": vec![line(10_000_000_000); 100] });
    let written = write_budget(&t, token, &plan, "*", full).await.expect(200);
    assert_eq!(written.json["total_cents"], 1_000_000_000_000i64);
    // Emptied again.
    let emptied = write_budget(&t, token, &plan, "*", json!({ "lines": [] }))
        .await
        .expect(200);
    assert_eq!(
        (&emptied.json["lines"], &emptied.json["version"]),
        (&json!([]), &json!(2))
    );
    for year in ["1999", "2200", "02026", "+2026", "twenty"] {
        t.get(
            &format!("/organizations/{}/budgets/{year}", tenant.root),
            &tenant.admin,
        )
        .await
        .refused(404, "not_found");
    }
    for query in ["year=1999", "year=x", "status=paid", "category=bribe", "payee=x"] {
        t.get(
            &format!("/organizations/{}/expenses?{query}", tenant.root),
            &tenant.admin,
        )
        .await
        .refused(422, "invalid_fields");
    }
}

#[actix_web::test]
async fn a_budget_is_written_on_what_was_read() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let event = meeting(&t, &tenant).await;
    let line = |cents: i64| json!({ "lines": [{ "category": "venue", "amount_cents": cents, "note": "" }] });
    for (path, token) in [
        (format!("/organizations/{}/budgets/2026", tenant.root), &treasurer),
        (format!("/events/{event}/budget"), &tenant.organizer_a),
    ] {
        t.put(&path, token, line(1))
            .await
            .refused(428, "version_required");
        write_budget(&t, token, &path, "\"1\"", line(1))
            .await
            .refused(412, "version_mismatch");
        let first = write_budget(&t, token, &path, "\"0\"", line(1)).await.expect(200);
        write_budget(&t, token, &path, "\"0\"", line(2))
            .await
            .refused(412, "version_mismatch");
        // What changes nothing leaves the version and the log alone.
        let same = write_budget(&t, token, &path, first.header("etag"), line(1))
            .await
            .expect(200);
        assert_eq!(same.json["version"], 1);
        let second = write_budget(&t, token, &path, first.header("etag"), line(2))
            .await
            .expect(200);
        assert_eq!(
            (&second.json["version"], &second.json["total_cents"]),
            (&json!(2), &json!(2))
        );
        let request = t
            .request(Method::GET, &path, token)
            .header("if-none-match", second.header("etag"));
        Reply::of(request).await.expect(304);
    }
    for action in ["organization_budget.write", "event_budget.write"] {
        let log = t.get(&format!("/audit-log?action={action}"), &tenant.admin).await;
        assert_eq!(log.expect(200).items().len(), 2, "{action}");
    }
    // Nothing is planned for what is over.
    t.act(&format!("/events/{event}/close"), &tenant.organizer_a)
        .await
        .expect(200);
    write_budget(
        &t,
        &tenant.organizer_a,
        &format!("/events/{event}/budget"),
        "*",
        line(3),
    )
    .await
    .refused(409, "event_over");
    // What it has cost comes in afterwards.
    spend(&t, &tenant.organizer_a, &event, json!({}))
        .await
        .expect(201);
}

#[actix_web::test]
async fn an_organization_has_one_currency_in_a_year() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let (token, event) = (&tenant.organizer_a, meeting(&t, &tenant).await);
    let year = |year: i32| format!("/organizations/{}/budgets/{year}", tenant.branch_a);
    let in_dollars = json!({ "currency": "HKD", "lines": [{ "category": "books", "amount_cents": 500 }] });
    write_budget(&t, &treasurer, &year(2025), "\"0\"", in_dollars.clone())
        .await
        .expect(200);
    let refused = spend(
        &t,
        token,
        &event,
        json!({ "spent_on": "2025-12-31", "currency": "CNY" }),
    )
    .await;
    assert_eq!(refused.refused(409, "other_currency").json["currency"], "HKD");
    let refused = spend(&t, token, &event, json!({ "currency": "HKD" })).await;
    assert_eq!(refused.refused(409, "other_currency").json["currency"], "CNY");
    let before = spend(&t, token, &event, json!({ "spent_on": "2025-12-31" }))
        .await
        .expect(201);
    assert_eq!(before.json["currency"], "HKD");
    let now = spend(&t, token, &event, json!({ "currency": "CNY" }))
        .await
        .expect(201);
    assert_eq!(now.json["currency"], "CNY");
    // It stays once something was spent in it, and is free again when that was taken back.
    let refused = write_budget(&t, &treasurer, &year(2026), "*", in_dollars.clone()).await;
    assert_eq!(refused.refused(409, "other_currency").json["currency"], "CNY");
    t.act(&format!("/expenses/{}/withdraw", now.id()), token)
        .await
        .expect(200);
    let plan = format!("/events/{event}/budget");
    let lines = json!({ "lines": [{ "category": "venue", "amount_cents": 100 }] });
    write_budget(&t, token, &plan, "*", lines.clone())
        .await
        .expect(200);
    write_budget(&t, &treasurer, &year(2026), "*", in_dollars.clone())
        .await
        .refused(409, "other_currency");
    t.post(
        &format!("/events/{event}/cancel"),
        token,
        json!({ "reason": "x" }),
    )
    .await
    .expect(200);
    write_budget(&t, &treasurer, &year(2026), "*", in_dollars)
        .await
        .expect(200);
    // The committee's totals keep currencies apart, its own first.
    let path = format!("/organizations/{}/cost-totals?year=2025", tenant.root);
    let above = t.get(&path, &treasurer).await.expect(200);
    let all = above.json["currencies"].as_array().unwrap();
    let names: Vec<_> = all.iter().map(|one| one["currency"].as_str().unwrap()).collect();
    assert_eq!(names, ["CNY", "HKD"]);
    assert_eq!(sums(&all[0]), [0; 6]);
    assert_eq!(sums(&all[1]), [0, 500, 0, 86_050, 0, 0]);
}

#[actix_web::test]
async fn nobody_decides_on_what_they_have_submitted() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (branch, reason) = (&tenant.branch_a, json!({ "reason": "x" }));
    let (both_id, both) = t
        .person(&tenant, branch, "身兼兩職", Some((branch, "organizer")))
        .await;
    let grant = json!({ "member_id": both_id, "role": "treasurer" });
    t.post(&format!("/organizations/{branch}/roles"), &tenant.admin, grant)
        .await
        .expect(201);
    let event = meeting(&t, &tenant).await;
    for own in [&both, &tenant.admin, &tenant.system] {
        let path = format!(
            "/expenses/{}",
            spend(&t, own, &event, json!({})).await.expect(201).id()
        );
        t.act(&format!("{path}/approve"), own)
            .await
            .refused(403, "own_expense");
        t.post(&format!("{path}/reject"), own, reason.clone())
            .await
            .refused(403, "own_expense");
        let other = if own == &both { &tenant.admin } else { &both };
        // Nor is it theirs to take back.
        t.act(&format!("{path}/withdraw"), other)
            .await
            .refused(403, "forbidden");
        t.act(&format!("{path}/approve"), other).await.expect(200);
        t.post(&format!("{path}/annul"), own, reason.clone())
            .await
            .refused(403, "own_expense");
        t.act(&format!("{path}/withdraw"), own)
            .await
            .refused(409, "expense_decided");
        assert_eq!(t.get(&path, own).await.expect(200).json["status"], "approved");
    }
    // A secretary and an organizer have money spent: they approve nothing, also not each other's.
    let path = format!(
        "/expenses/{}",
        spend(&t, &tenant.secretary_a, &event, json!({}))
            .await
            .expect(201)
            .id()
    );
    for token in [
        &tenant.organizer_a,
        &tenant.secretary_a,
        &tenant.inspector,
        &tenant.member_a,
    ] {
        t.act(&format!("{path}/approve"), token)
            .await
            .refused(403, "forbidden");
    }
    // Once withdrawn it is over.
    let withdrawn = t
        .act(&format!("{path}/withdraw"), &tenant.secretary_a)
        .await
        .expect(200);
    assert_eq!(withdrawn.json["status"], "withdrawn");
    for (verb, code) in [
        ("approve", "expense_decided"),
        ("reject", "expense_decided"),
        ("annul", "expense_not_approved"),
    ] {
        let body = if verb == "approve" {
            json!({})
        } else {
            reason.clone()
        };
        let refused = t.post(&format!("{path}/{verb}"), &both, body).await;
        assert_eq!(refused.refused(409, code).json["state"], "withdrawn", "{verb}");
    }
    // What was rejected says why, and stays so.
    let path = format!(
        "/expenses/{}",
        spend(&t, &tenant.organizer_a, &event, json!({}))
            .await
            .expect(201)
            .id()
    );
    t.post(&format!("{path}/reject"), &both, json!({}))
        .await
        .refused(422, "invalid_fields");
    let rejected = t
        .post(
            &format!("{path}/reject"),
            &both,
            json!({ "reason": "發票抬頭不符" }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&rejected.json["status"], &rejected.json["reason"]),
        (&json!("rejected"), &json!("發票抬頭不符"))
    );
    t.act(&format!("{path}/approve"), &tenant.admin)
        .await
        .refused(409, "expense_decided");
}

/// Else a secretary could sign in as the treasurer and approve their own spending.
#[actix_web::test]
async fn a_secretary_has_no_hold_on_the_treasurers_account() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let branch = &tenant.branch_a;
    let (id, _) = t
        .person(&tenant, branch, "司庫", Some((branch, "treasurer")))
        .await;
    let codes = format!("/members/{id}/activation-codes");
    t.act(&codes, &tenant.secretary_a).await.refused(403, "forbidden");
    t.act(&codes, &tenant.admin).await.expect(201);
}

#[actix_web::test]
async fn who_sees_and_who_does_what() {
    let t = TestApp::start().await;
    let (tenant, theirs) = (t.tenant().await, t.tenant().await);
    let treasurer_a = treasurer(&t, &tenant, &tenant.branch_a).await;
    let treasurer_b = treasurer(&t, &tenant, &tenant.branch_b).await;
    let lecturer = t
        .person(
            &tenant,
            &tenant.branch_a,
            "講師",
            Some((&tenant.branch_a, "lecturer")),
        )
        .await
        .1;
    let event = meeting(&t, &tenant).await;
    let id = spend(&t, &tenant.organizer_a, &event, json!({}))
        .await
        .expect(201)
        .id();
    let branch = format!("/organizations/{}", tenant.branch_a);
    let reads = [
        format!("/expenses/{id}"),
        format!("/events/{event}/expenses"),
        format!("/events/{event}/budget"),
        format!("{branch}/expenses"),
        format!("{branch}/budgets"),
        format!("{branch}/budgets/2026"),
        format!("{branch}/cost-totals"),
    ];
    for (token, status) in [
        (&tenant.admin, 200),
        (&treasurer_a, 200),
        (&tenant.secretary_a, 200),
        (&tenant.organizer_a, 200),
        (&tenant.inspector, 200),
        (&tenant.member_a, 403),
        (&lecturer, 403),
        (&treasurer_b, 404),
        (&tenant.secretary_b, 404),
        (&tenant.member_b, 404),
        (&theirs.admin, 404),
    ] {
        for path in &reads {
            assert_eq!(t.get(path, token).await.status, status, "{path}");
        }
    }
    let lines = json!({ "lines": [] });
    let writes = [
        (Method::POST, format!("/events/{event}/expenses"), bus(json!({}))),
        (Method::PUT, format!("/events/{event}/budget"), lines.clone()),
        (Method::PUT, format!("{branch}/budgets/2026"), lines),
        (Method::POST, format!("/expenses/{id}/approve"), json!({})),
    ];
    for (token, expected) in [
        (&tenant.inspector, [403, 403, 403, 403]),
        (&tenant.member_a, [403, 403, 403, 403]),
        (&lecturer, [403, 403, 403, 403]),
        (&treasurer_b, [404, 404, 404, 404]),
        (&theirs.admin, [404, 404, 404, 404]),
        (&tenant.organizer_a, [201, 200, 403, 403]),
        (&tenant.secretary_a, [201, 200, 403, 403]),
        (&treasurer_a, [403, 403, 200, 200]),
        (&tenant.admin, [201, 200, 200, 409]),
    ] {
        let mut told = Vec::new();
        for (method, path, body) in &writes {
            let request = t.request(method.clone(), path, token).json(body);
            told.push(Reply::of(request.header("if-match", "*")).await.status);
        }
        assert_eq!(told, expected);
    }
    // A branch's treasurer decides nothing above it.
    let above = t.open_event(&tenant.admin, &tenant.root, json!({})).await;
    let id = spend(&t, &tenant.admin, &above, json!({})).await.expect(201).id();
    t.act(&format!("/expenses/{id}/approve"), &treasurer_a)
        .await
        .refused(403, "forbidden");
    t.get(&format!("/events/{above}/expenses"), &treasurer_a)
        .await
        .refused(403, "forbidden");
}

#[actix_web::test]
async fn a_receipt_is_seen_by_who_sees_the_expense() {
    let t = TestApp::start().await;
    let (tenant, theirs) = (t.tenant().await, t.tenant().await);
    let (token, branch) = (&tenant.organizer_a, &tenant.branch_a);
    let lecturer = t
        .person(&tenant, branch, "講師", Some((branch, "lecturer")))
        .await
        .1;
    let treasurer = treasurer(&t, &tenant, branch).await;
    let paper = receipt(&t, token, branch, PDF).await;
    assert_eq!(
        [&paper.json["state"], &paper.json["kind"], &paper.json["purpose"]],
        [&json!("ready"), &json!("document"), &json!("receipt")]
    );
    let photo = receipt(&t, token, branch, &crate::media::data("poster.jpg")).await;
    assert_eq!(photo.json["kind"], "image");
    // Nothing else is a receipt, whatever it is called.
    let film = receipt(&t, token, branch, &crate::media::data("lesson.mp4")).await;
    assert_eq!(film.json["refusal"], "media_type_not_allowed");
    for refused in [
        begin_receipt(&t, token, branch, "poster", PDF).await,
        begin_receipt(&t, token, branch, "Receipt", PDF).await,
    ] {
        assert_eq!(wrong(refused), ("purpose".to_owned(), "unknown_value".to_owned()));
    }
    let large = begin_receipt(&t, token, branch, "receipt", &vec![b'x'; (20 << 20) + 1]).await;
    assert_eq!(large.refused(413, "too_large").json["limit_bytes"], 20 << 20);
    begin_receipt(&t, &lecturer, branch, "receipt", PDF)
        .await
        .refused(403, "forbidden");
    begin_receipt(&t, token, branch, "lesson", PDF)
        .await
        .refused(403, "forbidden");

    let event = meeting(&t, &tenant).await;
    let with = |id: &str| json!({ "receipt_media_id": id });
    let spent = spend(&t, token, &event, with(&paper.id())).await.expect(201);
    assert_eq!(spent.json.get("receipt"), None);
    let path = format!("/expenses/{}", spent.id());
    for list in [
        format!("/events/{event}/expenses"),
        format!("/organizations/{branch}/expenses"),
    ] {
        let listed = t.get(&list, &treasurer).await.expect(200);
        assert_eq!(listed.items()[0]["receipt_media_id"], paper.json["id"]);
        assert_eq!(listed.items()[0].get("receipt"), None);
    }
    let media = format!("/media/{}", paper.id());
    for who in [
        token,
        &treasurer,
        &tenant.secretary_a,
        &tenant.inspector,
        &tenant.admin,
    ] {
        let seen = t.get(&path, who).await.expect(200);
        assert_eq!(seen.json["receipt"]["sha256"], paper.json["sha256"]);
        let read = t.get(&t.here(&seen.text("/receipt/url")), "").await.expect(200);
        assert_eq!(read.bytes, PDF);
        assert_eq!(read.header("content-type"), "application/pdf");
        assert_eq!(read.header("x-content-type-options"), "nosniff");
        assert!(read.header("content-disposition").starts_with("attachment; "));
        t.get(&media, who).await.expect(200);
    }
    for (who, status) in [
        (&lecturer, 404),
        (&tenant.member_a, 404),
        (&tenant.secretary_b, 404),
        (&theirs.admin, 404),
    ] {
        assert_eq!(t.get(&media, who).await.status, status);
        assert_eq!(t.get("/media", who).await.expect(200).items().len(), 0);
    }
    let listed = t
        .get("/media?purpose=receipt&state=ready", &treasurer)
        .await
        .expect(200);
    assert_eq!(listed.items().len(), 2);
    assert_eq!(
        t.get("/media?purpose=lesson", &treasurer)
            .await
            .expect(200)
            .items()
            .len(),
        0
    );
    // It is kept for as long as the expense is on record, and goes into no lesson.
    t.delete(&media, token).await.refused(409, "media_in_use");
    t.act(&format!("{path}/withdraw"), token).await.expect(200);
    t.delete(&media, &tenant.admin).await.refused(409, "media_in_use");
    t.delete(&format!("/media/{}", photo.id()), token)
        .await
        .expect(204);
    let lesson = json!({ "organization_id": branch, "kind": "article", "title": "x", "body": "x", "attachments": [paper.id()] });
    let refused = t.post("/lessons", &tenant.secretary_a, lesson).await;
    assert_eq!(
        wrong(refused),
        ("/attachments".to_owned(), "wrong_purpose".to_owned())
    );

    // A receipt of somebody else's, of elsewhere, of another purpose, of no use.
    let of_b = receipt(&t, &tenant.secretary_b, &tenant.branch_b, PDF).await.id();
    let foreign = receipt(&t, &theirs.admin, &theirs.branch_a, PDF).await.id();
    for hidden in [&of_b, &foreign, &new_uuid(), &photo.id()] {
        spend(&t, token, &event, with(hidden))
            .await
            .refused(404, "not_found");
    }
    let refused = spend(&t, &tenant.admin, &event, with(&of_b)).await;
    assert_eq!(
        wrong(refused),
        ("/receipt_media_id".to_owned(), "wrong_organization".to_owned())
    );
    let attachment = t.upload(&tenant.secretary_a, branch, PDF).await;
    assert_eq!(attachment.json["purpose"], "lesson");
    let refused = spend(&t, token, &event, with(&attachment.id())).await;
    assert_eq!(
        wrong(refused),
        ("/receipt_media_id".to_owned(), "wrong_purpose".to_owned())
    );
    spend(&t, token, &event, with(&film.id()))
        .await
        .refused(409, "media_not_ready");
}

#[actix_web::test]
async fn one_bill_that_comes_twice_is_shown_to_who_decides() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let (branch_a, branch_b) = (&tenant.branch_a, &tenant.branch_b);
    let of_b = t.open_event(&tenant.secretary_b, branch_b, json!({})).await;
    let places = [
        (&tenant.organizer_a, branch_a, meeting(&t, &tenant).await),
        (&tenant.secretary_b, branch_b, of_b),
    ];
    let mut ids = Vec::new();
    for (token, organization, event) in &places {
        let file = receipt(&t, token, organization, PDF).await.id();
        let spent = spend(&t, token, event, json!({ "receipt_media_id": file })).await;
        ids.push(spent.expect(201).id());
    }
    let also_of = async |id: &str, token: &str| {
        let seen = t.get(&format!("/expenses/{id}"), token).await.expect(200);
        seen.json["receipt"]["also_of_expense_ids"].clone()
    };
    assert_eq!(also_of(&ids[0], &treasurer).await, json!([ids[1]]));
    assert_eq!(also_of(&ids[1], &treasurer).await, json!([ids[0]]));
    // Who sees one of the two learns nothing of the other.
    assert_eq!(also_of(&ids[0], &tenant.secretary_a).await, json!([]));
    let reject = format!("/expenses/{}/reject", ids[1]);
    t.post(&reject, &treasurer, json!({ "reason": "重複報銷" }))
        .await
        .expect(200);
    assert_eq!(also_of(&ids[0], &treasurer).await, json!([]));
    assert_eq!(also_of(&ids[1], &treasurer).await, json!([ids[0]]));
}

/// What somebody reads back from a workbook: text, and numbers as numbers.
fn workbook(bytes: Vec<u8>) -> Vec<Vec<calamine::Data>> {
    use calamine::{Reader, Xlsx};
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(bytes)).unwrap();
    let sheet = book.worksheet_range_at(0).unwrap().unwrap();
    sheet.rows().map(<[calamine::Data]>::to_vec).collect()
}

#[actix_web::test]
async fn the_list_is_read_back_from_a_file() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let event = meeting(&t, &tenant).await;
    let other = t
        .open_event(&tenant.secretary_b, &tenant.branch_b, json!({}))
        .await;
    let evil = json!({ "payee": "=HYPERLINK(\"http://x\")", "note": "@SUM(A1)\n第二行", "amount_cents": 5 });
    spend(&t, &tenant.organizer_a, &event, evil).await.expect(201);
    let id = spend(&t, &tenant.secretary_b, &other, json!({}))
        .await
        .expect(201)
        .id();
    t.act(&format!("/expenses/{id}/approve"), &treasurer)
        .await
        .expect(200);
    let path = format!("/organizations/{}/expenses", tenant.root);
    let read = async |path: &str, accept: &'static str| {
        let request = t
            .request(Method::GET, path, &treasurer)
            .header("accept", accept)
            .header("accept-language", "zh-Hant");
        Reply::of(request).await.expect(200)
    };
    let csv = read(&path, "text/csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        csv.header("content-disposition"),
        "attachment; filename=\"expenses.csv\""
    );
    let text = String::from_utf8(csv.bytes).unwrap();
    let mut lines = csv::ReaderBuilder::new().from_reader(text.trim_start_matches('\u{FEFF}').as_bytes());
    assert_eq!(&lines.headers().unwrap()[4], "金額");
    let lines: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
    let cells = |line: &csv::StringRecord, many: usize| -> Vec<String> {
        line.iter().take(many).map(str::to_owned).collect()
    };
    // The newest first; times are those of the place.
    assert_eq!(
        cells(&lines[0], 14),
        [
            "2026-11-20",
            "第二黨支部",
            "支部黨員大會",
            "交通",
            "860.50",
            "CNY",
            "市公交集團",
            "",
            "已批准",
            "乙書記",
            "2026-11-24 09:30:00",
            "司庫",
            "2026-11-24 09:30:00",
            "",
        ]
    );
    assert_eq!(
        cells(&lines[1], 9),
        [
            "2026-11-20",
            "第一黨支部",
            "支部黨員大會",
            "交通",
            "0.05",
            "CNY",
            "'=HYPERLINK(\"http://x\")",
            "'@SUM(A1)\n第二行",
            "待審批",
        ]
    );
    assert_eq!(lines.len(), 2);

    let xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let rows = workbook(read(&path, xlsx).await.bytes);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1][4], calamine::Data::Float(860.5));
    assert_eq!(rows[2][4], calamine::Data::Float(0.05));
    assert_eq!(
        rows[2][6],
        calamine::Data::String("=HYPERLINK(\"http://x\")".into())
    );

    // The list's own filters, and those who may see it.
    let count = async |query: &str| {
        let text = read(&format!("{path}?{query}"), "text/csv").await.bytes;
        String::from_utf8(text).unwrap().matches("2026-11-20").count()
    };
    assert_eq!(count("status=approved&limit=1").await, 1);
    assert_eq!(count("limit=1").await, 2);
    assert_eq!(count("year=2025").await, 0);
    assert_eq!(count("category=books").await, 0);
    let own = read(&format!("/events/{event}/expenses"), "text/csv").await.bytes;
    assert!(!String::from_utf8(own).unwrap().contains("第二黨支部"));
    t.get_as(&path, &treasurer, "image/png")
        .await
        .refused(406, "not_acceptable");
    t.get_as(&path, &tenant.member_a, "text/csv")
        .await
        .refused(403, "forbidden");
    t.get_as(&path, &tenant.secretary_a, "text/csv")
        .await
        .refused(403, "forbidden");
}

#[actix_web::test]
async fn each_organization_stands_against_its_own_budget() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    for (organization, cents) in [(&tenant.root, 900), (&tenant.branch_a, 500), (&group, 100)] {
        let path = format!("/organizations/{organization}/budgets/2026");
        let body = json!({ "lines": [{ "category": "transport", "amount_cents": cents }] });
        write_budget(&t, &treasurer, &path, "*", body).await.expect(200);
    }
    for (organization, cents) in [(&tenant.branch_a, 30), (&group, 150), (&tenant.branch_b, 7)] {
        let event = t.open_event(&tenant.admin, organization, json!({})).await;
        let body = json!({ "amount_cents": cents });
        let id = spend(&t, &tenant.admin, &event, body).await.expect(201).id();
        t.act(&format!("/expenses/{id}/approve"), &treasurer)
            .await
            .expect(200);
    }
    let path = format!("/organizations/{}/cost-totals/organizations", tenant.root);
    let list = t
        .get(&format!("{path}?count=true"), &tenant.inspector)
        .await
        .expect(200);
    assert_eq!(list.json["count"], 4);
    let of = |id: &str| {
        let found = list
            .items()
            .iter()
            .find(|item| item["organization_id"] == id)
            .unwrap();
        sums(&found["currencies"][0])
    };
    assert_eq!(of(&tenant.root), [900, 600, 0, 0, 187, 713]);
    assert_eq!(of(&tenant.branch_a), [500, 100, 0, 0, 180, 320]);
    assert_eq!(of(&group), [100, 0, 0, 0, 150, -50]);
    assert_eq!(of(&tenant.branch_b), [0, 0, 0, 0, 7, -7]);
    // The same as each says of itself.
    for id in [&tenant.root, &tenant.branch_a, &group, &tenant.branch_b] {
        assert_eq!(sums(&totals(&t, &treasurer, id, 2026).await), of(id));
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = t
            .get(&format!("{path}?limit=3{cursor}"), &treasurer)
            .await
            .expect(200);
        found.extend(page.items().to_vec());
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, list.items());
    let own = format!(
        "/organizations/{}/cost-totals/organizations?year=2025",
        tenant.branch_b
    );
    let none = t.get(&own, &tenant.secretary_b).await.expect(200);
    assert_eq!(
        (none.items().len(), &none.items()[0]["currencies"]),
        (1, &json!([]))
    );
    t.get(&path, &tenant.secretary_a).await.refused(403, "forbidden");

    let csv = t.get_as(&path, &treasurer, "text/csv").await.expect(200);
    let text = String::from_utf8(csv.bytes).unwrap();
    assert!(
        text.contains("\r\n機關黨委,CNY,9.00,6.00,0.00,0.00,1.87,7.13\r\n"),
        "{text}"
    );
    assert!(
        text.contains("\r\n第一黨小組,CNY,1.00,0.00,0.00,0.00,1.50,-0.50\r\n"),
        "{text}"
    );
    let xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let rows = workbook(t.get_as(&path, &treasurer, xlsx).await.expect(200).bytes);
    let group = rows
        .iter()
        .find(|row| row[0] == calamine::Data::String("第一黨小組".into()))
        .unwrap();
    assert_eq!(group[7], calamine::Data::Float(-0.5));
}

#[actix_web::test]
async fn lists_come_in_pages_and_by_state() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = meeting(&t, &tenant).await;
    let mut ids = Vec::new();
    for n in 1..=5 {
        let change = json!({ "amount_cents": n, "spent_on": format!("202{}-01-0{n}", 4 + n % 3) });
        ids.push(
            spend(&t, &tenant.organizer_a, &event, change)
                .await
                .expect(201)
                .id(),
        );
    }
    t.act(&format!("/expenses/{}/approve", ids[0]), &tenant.admin)
        .await
        .expect(200);
    ids.reverse();
    for list in [
        format!("/events/{event}/expenses"),
        format!("/organizations/{}/expenses", tenant.root),
    ] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = t
                .get(&format!("{list}?limit=2&count=true{cursor}"), &tenant.admin)
                .await
                .expect(200);
            assert_eq!(page.json["count"], 5);
            found.extend(
                page.items()
                    .iter()
                    .map(|item| item["id"].as_str().unwrap().to_owned()),
            );
            match page.json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, ids);
        let many = async |query: &str| {
            t.get(&format!("{list}?{query}"), &tenant.admin)
                .await
                .expect(200)
                .items()
                .len()
        };
        assert_eq!(
            [
                many("status=approved").await,
                many("status=submitted").await,
                many("year=2025").await,
                many("year=2025&status=submitted").await,
                many("category=venue").await
            ],
            [1, 4, 2, 1, 0]
        );
    }
}

#[actix_web::test]
async fn an_expense_is_of_its_own_day_and_a_plan_of_where_the_organization_is() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (token, event) = (&tenant.organizer_a, meeting(&t, &tenant).await);
    // Half past midnight of the 25th in Shanghai, while it is still the 24th in London.
    t.advance_s(15 * 3_600);
    let on = |day: &str, cents: i64| json!({ "spent_on": day, "amount_cents": cents });
    spend(&t, token, &event, on("2026-11-25", 1)).await.expect(201);
    assert_eq!(
        wrong(spend(&t, token, &event, on("2026-11-26", 1)).await),
        ("/spent_on".to_owned(), "in_future".to_owned())
    );
    // New Year's Eve in Shanghai ends at 16:00 UTC.
    let planned = async |starts_at: &str, ends_at: &str, cents: i64| {
        let times = json!({ "starts_at": starts_at, "ends_at": ends_at });
        let event = t.open_event(token, &tenant.branch_a, times).await;
        let lines = json!({ "lines": [{ "category": "venue", "amount_cents": cents }] });
        write_budget(&t, token, &format!("/events/{event}/budget"), "*", lines)
            .await
            .expect(200);
        event
    };
    planned("2026-12-31T15:59:59Z", "2026-12-31T18:00:00Z", 10).await;
    let cancelled = planned("2026-12-31T15:00:00Z", "2026-12-31T18:00:00Z", 1_000).await;
    t.post(
        &format!("/events/{cancelled}/cancel"),
        token,
        json!({ "reason": "x" }),
    )
    .await
    .expect(200);
    planned("2026-12-31T16:00:00Z", "2026-12-31T18:00:00Z", 200).await;
    let both = async || {
        let of = async |year| sums(&totals(&t, &tenant.secretary_a, &tenant.branch_a, year).await);
        (of(2026).await, of(2027).await)
    };
    assert_eq!(both().await, ([0, 0, 10, 1, 0, 0], [0, 0, 200, 0, 0, 0]));
    // It has moved to the next year by the clock of the place, and so has the present year.
    t.advance_s(86_400 * 37 + 5_400);
    let secretary = t.token_of(&tenant.member_a_id, &tenant.root);
    let grant = json!({ "member_id": tenant.member_a_id, "role": "organizer" });
    let roles = format!("/organizations/{}/roles", tenant.branch_a);
    let system = t.system_admin("new-year").await;
    t.post(&roles, &system, grant).await.expect(201);
    let late = [("2026-12-31", 30), ("2027-01-01", 400)];
    for (day, cents) in late {
        spend(&t, &secretary, &event, on(day, cents)).await.expect(201);
    }
    let of = async |query: &str| {
        let path = format!("/organizations/{}/cost-totals{query}", tenant.branch_a);
        let told = t.get(&path, &secretary).await.expect(200).json;
        (
            told["year"].as_i64().unwrap(),
            told["currencies"][0]["submitted_cents"].as_i64().unwrap(),
        )
    };
    assert_eq!(of("?year=2026").await, (2026, 31));
    assert_eq!(of("").await, (2027, 400));
}

#[actix_web::test]
async fn an_event_moves_into_no_year_of_another_currency_and_stands_in_no_budgets_way() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let treasurer = treasurer(&t, &tenant, &tenant.root).await;
    let year = |year: i32| format!("/organizations/{}/budgets/{year}", tenant.branch_a);
    let budget = |currency: &str, cents: i64| json!({ "currency": currency, "lines": [{ "category": "books", "amount_cents": cents }] });
    for (of, currency) in [(2026, "HKD"), (2027, "CNY")] {
        write_budget(&t, &treasurer, &year(of), "*", budget(currency, 500))
            .await
            .expect(200);
    }
    let begins = json!({ "starts_at": "2026-12-20T01:00:00Z", "ends_at": "2026-12-20T03:00:00Z" });
    let event = t.open_event(&tenant.organizer_a, &tenant.branch_a, begins).await;
    let plan = format!("/events/{event}/budget");
    let planned = json!({ "lines": [{ "category": "venue", "amount_cents": 100 }] });
    let (token, event) = (&tenant.organizer_a, format!("/events/{event}"));
    assert_eq!(
        write_budget(&t, token, &plan, "*", planned)
            .await
            .expect(200)
            .json["currency"],
        "HKD"
    );
    let new_year = json!({ "starts_at": "2027-01-10T01:00:00Z", "ends_at": "2027-01-10T03:00:00Z" });
    let refused = t.patch(&event, token, "*", new_year.clone()).await;
    assert_eq!(refused.refused(409, "other_currency").json["currency"], "CNY");
    let later = json!({ "starts_at": "2026-12-30T01:00:00Z", "ends_at": "2026-12-30T03:00:00Z" });
    t.patch(&event, token, "*", later).await.expect(200);
    // Without a plan there is nothing in the way, and what plans nothing is in no currency.
    write_budget(&t, token, &plan, "*", json!({ "lines": [] }))
        .await
        .expect(200);
    t.patch(&event, token, "*", new_year).await.expect(200);
    write_budget(&t, &treasurer, &year(2026), "*", budget("CNY", 600))
        .await
        .expect(200);
    write_budget(&t, &treasurer, &year(2027), "*", budget("CNY", 700))
        .await
        .expect(200);
}

/// One bill of many branches: those out of sight take nobody's place in the warning.
#[actix_web::test]
async fn a_bill_that_comes_twice_is_seen_among_many_out_of_sight() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let of_b = t
        .open_event(&tenant.secretary_b, &tenant.branch_b, json!({}))
        .await;
    let file = receipt(&t, &tenant.secretary_b, &tenant.branch_b, PDF).await.id();
    for _ in 0..20 {
        spend(
            &t,
            &tenant.secretary_b,
            &of_b,
            json!({ "receipt_media_id": file }),
        )
        .await
        .expect(201);
    }
    let (token, event) = (&tenant.organizer_a, meeting(&t, &tenant).await);
    let file = receipt(&t, token, &tenant.branch_a, PDF).await.id();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let spent = spend(&t, token, &event, json!({ "receipt_media_id": file })).await;
        ids.push(spent.expect(201).id());
    }
    let seen = t
        .get(&format!("/expenses/{}", ids[1]), &tenant.secretary_a)
        .await
        .expect(200);
    assert_eq!(seen.json["receipt"]["also_of_expense_ids"], json!([ids[0]]));
}
