//! What was sent is taken at its word or refused with the place that is wrong; nothing is read into it.

use serde_json::{Value, json};

use crate::support::{Reply, TestApp};

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
