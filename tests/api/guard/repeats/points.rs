//! Point rules, awards by two people's word, and what members wish of leaderboards.

use reqwest::RequestBuilder;
use serde_json::json;

use super::{Case, act, cases, hold, post, put};
use crate::points::proposed;
use crate::support::{Tenant, TestApp};

pub const CASES: &[Case] = cases![
    update_point_rule => Natural(&[]),
    simulate_points => Natural(&[]),
    propose_points => Key,
    approve_point_award => Key,
    reject_point_award => Key,
    withdraw_point_award => Key,
    annul_point_award => Key,
    update_leaderboard_wishes => Natural(&[]),
];

#[actix_web::test]
async fn points_are_given_once() {
    hold(CASES).await;
}

async fn update_point_rule(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/point-rules/check_in_late", tenant.root);
    let body = json!({ "from_day": "2027-01-01", "scheme": { "amount": 1 } });
    put(t, &path, &tenant.admin, body)
}

async fn simulate_points(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/point-rules/simulate", tenant.root);
    post(t, &path, &tenant.admin, crate::points::trial())
}

async fn propose_points(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/members/{}/point-awards", tenant.member_a_id);
    let body = json!({ "points": 10, "reason": "黨史知識競賽一等獎" });
    post(t, &path, &tenant.secretary_a, body)
}

async fn update_leaderboard_wishes(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "hides_name": true });
    put(t, "/me/leaderboard-wishes", &tenant.member_a, body)
}

/// Its path.
async fn award(t: &TestApp, tenant: &Tenant) -> String {
    format!("/point-awards/{}", proposed(t, tenant).await)
}

async fn approve_point_award(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    act(t, &format!("{}/approve", award(t, tenant).await), &tenant.admin)
}

async fn reject_point_award(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("{}/reject", award(t, tenant).await);
    post(t, &path, &tenant.admin, json!({ "reason": "不符合規定" }))
}

async fn withdraw_point_award(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    act(
        t,
        &format!("{}/withdraw", award(t, tenant).await),
        &tenant.secretary_a,
    )
}

async fn annul_point_award(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let award = award(t, tenant).await;
    t.act(&format!("{award}/approve"), &tenant.admin)
        .await
        .expect(200);
    let body = json!({ "reason": "重複申報" });
    post(t, &format!("{award}/annul"), &tenant.admin, body)
}
