//! Who sees which lines of an attendance sheet.

use serde_json::{Value, json};

use crate::support::{Reply, TestApp};

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
