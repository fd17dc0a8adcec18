//! Reflections, their pictures, and materials.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Case, act, cases, delete, hold, patch, post};
use crate::media::data;
use crate::sharing::{begun_event, decide, share};
use crate::sharing_pictures::{add, png};
use crate::support::{Reply, Tenant, TestApp};

pub const CASES: &[Case] = cases![
    create_reflection => Key,
    update_reflection => Natural(&[]),
    approve_reflection => Key,
    reject_reflection => Key,
    hide_reflection => Key,
    withdraw_reflection => Key,
    like_reflection => Natural(&[]),
    unlike_reflection => Natural(&[]),
    add_reflection_picture => KeyAnd(&["media_files"], "a picture of no use is dropped at once, with its bytes and its room"),
    remove_reflection_picture => Natural(&[404]),
    create_material => Key,
    archive_material => Natural(&[404]),
];

#[actix_web::test]
async fn words_are_shared_once() {
    hold(CASES).await;
}

async fn create_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = begun_event(t, tenant, json!({})).await;
    let body = json!({ "text": "一碗水也有來處。", "visibility": "branch" });
    post(t, &format!("/events/{event}/reflections"), &tenant.member_a, body)
}

async fn shared(t: &TestApp, tenant: &Tenant) -> String {
    let event = begun_event(t, tenant, json!({})).await;
    let shared = share(t, &tenant.member_a, &event, "event").await;
    shared.expect(201).id()
}

async fn approved(t: &TestApp, tenant: &Tenant) -> String {
    let id = shared(t, tenant).await;
    decide(t, &tenant.admin, &id, "approve").await.expect(200);
    id
}

async fn update_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = shared(t, tenant).await;
    let path = format!("/reflections/{id}");
    patch(t, &path, &tenant.member_a, json!({ "text": "飲水思源。" }))
}

/// Of the version that was read, which is an older one when a repeat comes: that is answered all the same.
fn decided(t: &TestApp, tenant: &Tenant, id: &str, verb: &str, version: &str, body: Value) -> RequestBuilder {
    let request = post(t, &format!("/reflections/{id}/{verb}"), &tenant.admin, body);
    request.header("if-match", version)
}

async fn approve_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = shared(t, tenant).await;
    decided(t, tenant, &id, "approve", "\"1\"", json!({}))
}

async fn reject_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = shared(t, tenant).await;
    decided(
        t,
        tenant,
        &id,
        "reject",
        "\"1\"",
        json!({ "reason": "請去掉姓名" }),
    )
}

async fn hide_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = approved(t, tenant).await;
    decided(t, tenant, &id, "hide", "\"2\"", json!({ "reason": "請去掉姓名" }))
}

async fn withdraw_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = approved(t, tenant).await;
    act(t, &format!("/reflections/{id}/withdraw"), &tenant.member_a)
}

async fn like_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = approved(t, tenant).await;
    t.request(
        Method::PUT,
        &format!("/reflections/{id}/like"),
        &tenant.organizer_a,
    )
}

async fn unlike_reflection(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/reflections/{}/like", approved(t, tenant).await);
    t.put(&path, &tenant.organizer_a, json!({})).await.expect(204);
    delete(t, &path, &tenant.organizer_a)
}

/// The last one that may be added: whoever repeats it is not told that there is no room.
async fn add_reflection_picture(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = shared(t, tenant).await;
    for _ in 0..8 {
        add(t, &tenant.member_a, &id).await.expect(201);
    }
    let request = act(t, &format!("/reflections/{id}/pictures"), &tenant.member_a);
    request.header("content-type", "image/png").body(png(12, 8))
}

async fn remove_reflection_picture(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let id = shared(t, tenant).await;
    add(t, &tenant.member_a, &id).await.expect(201);
    delete(t, &format!("/reflections/{id}/pictures/1"), &tenant.member_a)
}

async fn create_material(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let file = t
        .upload(&tenant.secretary_a, &tenant.branch_a, &data("poster.jpg"))
        .await;
    let event = begun_event(t, tenant, json!({})).await;
    let body = json!({ "title": "參觀路線", "media_id": file.id() });
    post(t, &format!("/events/{event}/materials"), &tenant.admin, body)
}

async fn archive_material(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let made = Reply::of(create_material(t, tenant).await).await;
    delete(t, &format!("/materials/{}", made.expect(201).id()), &tenant.admin)
}
