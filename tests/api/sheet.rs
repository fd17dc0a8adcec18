//! Who sees which lines of an attendance sheet.

use serde_json::{Value, json};

use crate::support::{Reply, TestApp, new_uuid};

#[actix_web::test]
async fn a_secretary_sees_their_own_people_on_the_sheet_of_an_event_that_the_committee_has_called() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.root, json!({})).await;
    let body = t.with_code(&t.code(&tenant.admin, &event).await);
    t.post("/check-ins", &tenant.member_b, body).await.expect(201);
    let path = format!("/events/{event}/attendance");
    let names = |reply: &Reply| -> Vec<String> {
        let line = |line: &Value| line["name"].as_str().unwrap().to_owned();
        reply.items().iter().map(line).collect()
    };
    let whole = t.get(&path, &tenant.admin).await.expect(200);
    assert_eq!(
        (whole.json["whole"].clone(), whole.items().len()),
        (json!(true), 7)
    );
    let part = t.get(&path, &tenant.secretary_b).await.expect(200);
    assert_eq!(names(&part), ["乙成員", "乙書記"]);
    assert_eq!(part.json["whole"], false);
    assert_eq!(
        (&part.json["counts"]["expected"], &part.json["counts"]["present"]),
        (&json!(2), &json!(1))
    );
    let file = t.get_as(&path, &tenant.secretary_b, "text/csv").await.expect(200);
    assert!(file.header("content-disposition").contains("-part"));
    let text = String::from_utf8(file.bytes).unwrap();
    assert!(text.contains("乙成員") && !text.contains("甲"), "{text}");

    // The whole is the event's administration's, and of a branch's own event there is no part for another branch.
    t.get(&format!("/events/{event}/quorum"), &tenant.secretary_b)
        .await
        .refused(403, "forbidden");
    t.get(&path, &tenant.member_b).await.refused(403, "forbidden");
    let others = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let path = format!("/events/{others}/attendance");
    t.get(&path, &tenant.secretary_b).await.refused(404, "not_found");
    t.get(&format!("/events/{others}"), &tenant.secretary_b)
        .await
        .refused(404, "not_found");

    // Not expected themselves, the secretary still hears of what their people are called to.
    let called = json!({ "expected": { "organization_ids": [tenant.root], "standings": ["activist"] } });
    let activists = t.open_event(&tenant.admin, &tenant.root, called).await;
    let named = json!({ "expected": { "member_ids": [tenant.member_b_id] } });
    let named = t.open_event(&tenant.admin, &tenant.root, named).await;
    let list = t.get("/events", &tenant.secretary_b).await.expect(200);
    let listed: Vec<_> = list.items().iter().map(|event| event["id"].clone()).collect();
    for (id, lines) in [(&event, 2), (&activists, 0), (&named, 1)] {
        assert!(listed.contains(&json!(id)));
        let one = t
            .get(&format!("/events/{id}"), &tenant.secretary_b)
            .await
            .expect(200);
        assert_eq!(one.json.get("expected"), None);
        let sheet = t
            .get(&format!("/events/{id}/attendance"), &tenant.secretary_b)
            .await
            .expect(200);
        assert_eq!(sheet.items().len(), lines);
    }
    assert!(!listed.contains(&json!(others)));
    let own = t.get("/events?mine=true", &tenant.secretary_b).await.expect(200);
    assert_eq!(
        own.items().len(),
        1,
        "called, and expected oneself, are two things"
    );

    // A draft is nobody's business but its makers'.
    let draft = json!({
        "organization_id": tenant.root, "title": "草稿", "starts_at": t.in_s(600), "ends_at": t.in_s(6_000), "forms": ["lecture"],
    });
    let draft = t.post("/events", &tenant.admin, draft).await.expect(201).id();
    let path = format!("/events/{draft}/attendance");
    t.get(&path, &tenant.secretary_b).await.refused(404, "not_found");
    let list = t.get("/events", &tenant.secretary_b).await.expect(200);
    assert!(list.items().iter().all(|event| event["id"] != json!(draft)));
}

/// Where somebody has moved, or comes from, is told to those alone who see the place.
#[actix_web::test]
async fn an_organization_out_of_sight_is_not_told_on_a_sheet() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let day = 86_400;
    let body = json!({
        "organization_id": tenant.branch_a, "title": "支部黨員大會", "forms": ["general_meeting"],
        "starts_at": t.in_s(3 * day), "ends_at": t.in_s(3 * day + 7_200),
        "expected": { "member_ids": [tenant.member_a_id] },
    });
    let event = t.post("/events", &tenant.admin, body).await.expect(201).id();
    let publish = format!("/events/{event}/publish");
    t.act(&publish, &tenant.admin).await.expect(200);
    let transfer = format!("/members/{}/transfers", tenant.member_a_id);
    let to = json!({ "organization_id": tenant.branch_b, "reason": "調動" });
    t.post(&transfer, &tenant.admin, to).await.expect(201);

    let home = async |token: &str, member: &str| {
        let path = format!("/events/{event}/attendance");
        let sheet = t.get(&path, token).await.expect(200);
        let is_theirs = |line: &&Value| line["member_id"] == *member;
        sheet.items().iter().find(is_theirs).unwrap()["organization_id"].clone()
    };
    let (moved, comes) = (&tenant.member_a_id, &tenant.member_b_id);
    assert_eq!(home(&tenant.secretary_a, moved).await, Value::Null);
    assert_eq!(home(&tenant.admin, moved).await, tenant.branch_b);

    t.advance_s(3 * day);
    let by_hand = json!({ "member_id": comes, "reason": "列席", "client_event_id": new_uuid() });
    let path = format!("/events/{event}/check-ins");
    t.post(&path, &tenant.admin, by_hand).await.expect(201);
    assert_eq!(home(&tenant.secretary_a, comes).await, Value::Null);
    assert_eq!(home(&tenant.admin, comes).await, tenant.branch_b);
    let path = format!("/events/{event}/attendance");
    for (token, tells) in [(&tenant.secretary_a, false), (&tenant.admin, true)] {
        let file = t.get_as(&path, token, "text/csv").await.expect(200);
        let text = String::from_utf8(file.bytes).unwrap();
        assert!(text.contains("乙成員"), "{text}");
        assert_eq!(text.contains("第二黨支部"), tells, "{text}");
    }
}
