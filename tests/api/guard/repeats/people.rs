//! Organizations, members, their roles, and their accounts.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Case, act, cases, delete, hold, patch, post};
use crate::activation::{NEW, issue, newcomer};
use crate::members::ROSTER;
use crate::support::{PASSWORD, Tenant, TestApp, member_body};

pub const CASES: &[Case] = cases![
    create_organization => Key,
    update_organization => Natural(&[]),
    move_organization => Key,
    archive_organization => Key,
    grant_role => Key,
    revoke_role => Natural(&[404]),
    create_member => Key,
    update_member => Natural(&[]),
    update_me => Natural(&[]),
    transfer_member => Key,
    deactivate_member => Key,
    reactivate_member => Key,
    erase_member => Natural(&[]),
    import_members => Merged,
    issue_activation_code => Anew(&["activation_codes", "audit_log"], "the newest code is good, and those before have ended"),
    issue_activation_codes => Anew(&["activation_codes", "audit_log"], "the newest code is good, and those before have ended"),
    activate_account => Natural(&[422]),
    change_password => Natural(&[403]),
    delete_session => Natural(&[]),
    logout => Natural(&[401]),
];

#[actix_web::test]
async fn people_are_entered_once() {
    hold(CASES).await;
}

async fn create_organization(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "name": "第一小組", "kind": "group", "parent_id": tenant.branch_a });
    post(t, "/organizations", &tenant.admin, body)
}

/// Of a group of branch A.
async fn path_of_group(t: &TestApp, tenant: &Tenant) -> String {
    let body = json!({ "name": "第一小組", "kind": "group", "parent_id": tenant.branch_a });
    let group = t.post("/organizations", &tenant.admin, body).await;
    format!("/organizations/{}", group.expect(201).id())
}

async fn update_organization(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "name": "第二小組", "settings": { "late_after_s": 60 } });
    patch(t, &path_of_group(t, tenant).await, &tenant.admin, body)
}

async fn move_organization(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let group = path_of_group(t, tenant).await;
    let body = json!({ "parent_id": tenant.branch_b });
    post(t, &format!("{group}/move"), &tenant.admin, body)
}

async fn archive_organization(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let group = path_of_group(t, tenant).await;
    act(t, &format!("{group}/archive"), &tenant.admin)
}

async fn grant_role(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/roles", tenant.branch_a);
    let body = json!({ "member_id": tenant.member_a_id, "role": "organizer" });
    post(t, &path, &tenant.admin, body)
}

async fn revoke_role(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/roles", tenant.branch_a);
    let body = json!({ "member_id": tenant.member_a_id, "role": "organizer" });
    let grant = t.post(&path, &tenant.admin, body).await.expect(201).id();
    delete(t, &format!("{path}/{grant}"), &tenant.admin)
}

async fn create_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = member_body(&tenant.branch_a, "張三", &format!("zhang-{}", tenant.mark));
    post(t, "/members", &tenant.admin, body)
}

fn path_of_member(tenant: &Tenant) -> String {
    format!("/members/{}", tenant.member_a_id)
}

async fn update_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "name": "張三", "standing": "probationary", "phone": "13900000077" });
    patch(t, &path_of_member(tenant), &tenant.admin, body)
}

async fn update_me(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    patch(t, "/me", &tenant.member_a, json!({ "phone": "13900000078" }))
}

async fn transfer_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("{}/transfers", path_of_member(tenant));
    let body = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    post(t, &path, &tenant.admin, body)
}

async fn deactivate_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("{}/deactivate", path_of_member(tenant));
    post(t, &path, &tenant.admin, json!({ "reason": "調離" }))
}

async fn reactivate_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let member = path_of_member(tenant);
    let why = json!({ "reason": "調離" });
    let left = t.post(&format!("{member}/deactivate"), &tenant.admin, why).await;
    left.expect(200);
    act(t, &format!("{member}/reactivate"), &tenant.admin)
}

async fn erase_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let member = path_of_member(tenant);
    let why = json!({ "reason": "調離" });
    let left = t.post(&format!("{member}/deactivate"), &tenant.admin, why).await;
    left.expect(200);
    delete(t, &format!("{member}/personal-data"), &tenant.admin)
}

async fn import_members(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/members/imports?organization_id={}", tenant.root);
    let request = t.request(Method::POST, &path, &tenant.admin);
    request.header("content-type", "text/csv").body(ROSTER)
}

async fn issue_activation_code(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let member = newcomer(t, tenant, json!({})).await;
    act(t, &format!("/members/{member}/activation-codes"), &tenant.admin)
}

async fn issue_activation_codes(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "organization_id": tenant.branch_a });
    post(t, "/members/activation-codes", &tenant.admin, body)
}

/// Whoever loses the answer signs in with the password that they have chosen.
async fn activate_account(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let member = newcomer(
        t,
        tenant,
        json!({ "account_name": format!("new-{}", tenant.mark) }),
    )
    .await;
    let code = issue(t, &tenant.admin, &member).await.expect(201).text("/code");
    let body = json!({ "code": code, "password": NEW, "device_id": "phone" });
    post(t, "/auth/activations", "", body)
}

/// A repeat names a password that is the current one no more.
async fn change_password(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (_, token) = t.person(tenant, &tenant.branch_a, "張三", None).await;
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    post(t, "/auth/password", &token, body)
}

async fn delete_session(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (id, _) = t.person(tenant, &tenant.branch_a, "張三", None).await;
    let elsewhere = t.token_of(&id, &tenant.root);
    let sessions = t.get("/auth/sessions", &elsewhere).await.expect(200);
    let path = format!("/auth/sessions/{}", sessions.text("/items/0/id"));
    delete(t, &path, &elsewhere)
}

async fn logout(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (_, token) = t.person(tenant, &tenant.branch_a, "張三", None).await;
    act(t, "/auth/logout", &token)
}
