//! The invariants under concurrency (DOMAIN.md 1, 2, 3, 5), each with a control: the same race against a deliberately
//! broken variant must go wrong, or the test proves nothing.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use futures_util::future::join_all;
use serde_json::json;
use zhibu::platform::db::{Db, sql};

use crate::support::{TestApp, member_body, new_uuid};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

async fn effective(t: &TestApp, event: &str, member: &str) -> i64 {
    let (event, member): (uuid::Uuid, uuid::Uuid) = (event.parse().unwrap(), member.parse().unwrap());
    t.app
        .db
        .read(move |conn| {
            let query = "SELECT count(*) AS n FROM check_ins WHERE event_id = $1 AND member_id = $2 AND annulled_at IS NULL";
            Ok(diesel::sql_query(query)
                .bind::<sql::Uuid, _>(zhibu::platform::db::AnyId(event))
                .bind::<sql::Uuid, _>(zhibu::platform::db::AnyId(member))
                .get_result::<Count>(conn)?
                .n)
        })
        .await
        .unwrap()
}

#[actix_web::test]
async fn fifty_identical_requests_on_two_replicas_are_one_check_in_with_one_body() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let body = t.with_code(&t.code(&tenant.organizer_a, &event).await);
    let all = join_all((0..50).map(|n| {
        let path = if n % 2 == 0 {
            "/check-ins".to_owned()
        } else {
            format!("{replica}/api/v1/check-ins")
        };
        let (t, token, body) = (&t, tenant.member_a.clone(), body.clone());
        async move { t.post(&path, &token, body).await }
    }))
    .await;
    assert_eq!(all.iter().filter(|reply| reply.status == 201).count(), 1);
    assert_eq!(all.iter().filter(|reply| reply.status == 200).count(), 49);
    assert!(all.iter().all(|reply| reply.bytes == all[0].bytes));
    assert_eq!(effective(&t, &event, &tenant.member_a_id).await, 1);
    stop.stop(false).await;
}

#[actix_web::test]
async fn fifty_phones_of_one_member_are_one_check_in() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let all = join_all((0..50).map(|_| t.post("/check-ins", &tenant.member_a, t.with_code(&code)))).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 201).count(), 1);
    assert!(
        all.iter()
            .filter(|r| r.status != 201)
            .all(|r| r.status == 409 && r.json["code"] == "already_checked_in")
    );
    assert_eq!(effective(&t, &event, &tenant.member_a_id).await, 1);
}

/// The broken variant: look first, then insert, each in a transaction of its own and without the unique key.
async fn look_then_insert(db: &Db, crowd: &tokio::sync::Barrier, n: i64) {
    let seen = db
        .read(|conn| {
            Ok(diesel::sql_query("SELECT count(*) AS n FROM broken")
                .get_result::<Count>(conn)?
                .n)
        })
        .await
        .unwrap();
    // Everybody has looked before anybody writes, as happens in a crowd.
    crowd.wait().await;
    if seen == 0 {
        let insert = format!("INSERT INTO broken (n) VALUES ({n})");
        db.write(move |conn| Ok(diesel::sql_query(&insert).execute(conn)?))
            .await
            .unwrap();
    }
}

#[actix_web::test]
async fn control_without_the_lock_and_the_key_the_same_race_records_many() {
    let t = TestApp::start().await;
    t.app
        .db
        .write(|conn| Ok(diesel::sql_query("CREATE TABLE broken (n BIGINT)").execute(conn)?))
        .await
        .unwrap();
    let crowd = tokio::sync::Barrier::new(50);
    join_all((0..50).map(|n| look_then_insert(&t.app.db, &crowd, n))).await;
    let stored = t
        .app
        .db
        .read(|conn| {
            Ok(diesel::sql_query("SELECT count(*) AS n FROM broken")
                .get_result::<Count>(conn)?
                .n)
        })
        .await
        .unwrap();
    assert!(
        stored > 1,
        "the race found nothing to go wrong: it proves nothing"
    );
}

#[actix_web::test]
async fn annulling_and_checking_in_at_once_leaves_at_most_one_effective_record() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    for _ in 0..5 {
        let first = t.post("/check-ins", &tenant.member_a, t.with_code(&code)).await;
        let id = if first.status == 201 {
            first.id()
        } else {
            first.text("/check_in/id")
        };
        let annul = format!("/check-ins/{id}/annul");
        let annuls =
            join_all((0..5).map(|_| t.post(&annul, &tenant.organizer_a, json!({ "reason": "測試" }))));
        let again = join_all((0..5).map(|_| t.post("/check-ins", &tenant.member_a, t.with_code(&code))));
        let (annuls, again) = tokio::join!(annuls, again);
        assert_eq!(annuls.iter().filter(|reply| reply.status == 200).count(), 1);
        assert!(again.iter().filter(|reply| reply.status == 201).count() <= 1);
        assert!(effective(&t, &event, &tenant.member_a_id).await <= 1);
    }
}

#[actix_web::test]
async fn a_frozen_roster_does_not_change_when_people_are_transferred_while_all_check_in() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let body = member_body(
            &tenant.branch_a,
            &format!("調動{n:02}"),
            &format!("move-{}-{n}", tenant.mark),
        );
        ids.push(t.post("/members", &tenant.admin, body).await.expect(201).id());
    }
    let starts = json!({ "starts_at": t.in_s(3_600), "ends_at": t.in_s(7_200) });
    let event = t.open_event(&tenant.organizer_a, &tenant.branch_a, starts).await;
    // Check-in has opened, and nobody has asked for anything yet: the transfers themselves freeze the roster first.
    t.advance_s(1_801);
    let code = t.code(&tenant.organizer_a, &event).await;
    let moves = join_all(ids.iter().map(|id| {
        let body = json!({ "organization_id": tenant.branch_b, "reason": "調動" });
        let (t, path, token) = (&t, format!("/members/{id}/transfers"), tenant.admin.clone());
        async move { t.post(&path, &token, body).await }
    }));
    let arrivals = join_all(ids.iter().map(|id| {
        let token = t.token_of(id, &tenant.root);
        let (t, body) = (&t, t.with_code(&code));
        async move { t.post("/check-ins", &token, body).await }
    }));
    let (moves, arrivals) = tokio::join!(moves, arrivals);
    assert!(moves.iter().all(|reply| reply.status == 201), "{}", moves[0].json);
    assert!(
        arrivals.iter().all(|reply| reply.status == 201),
        "{}",
        arrivals[0].json
    );
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(sheet.json["counts"]["expected"], 23);
    assert!(ids.iter().all(|id| {
        sheet
            .items()
            .iter()
            .any(|line| line["member_id"] == *id && line["expected"] == true)
    }));
    // Control: an event that opens after the transfers does not expect them.
    let later = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let sheet = t
        .get(&format!("/events/{later}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(sheet.json["counts"]["expected"], 3);
}

#[actix_web::test]
async fn a_refused_check_in_does_not_fail_its_neighbours() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.root, json!({})).await;
    let code = t.code(&tenant.admin, &event).await;
    // A refusal by the rule, in the middle of a batch. A command that makes the database itself fail is not tried here.
    let ghost = t.token_of(&new_uuid(), &tenant.root);
    let tokens = [
        &tenant.member_a,
        &ghost,
        &tenant.member_b,
        &tenant.secretary_a,
        &tenant.secretary_b,
    ];
    let all = join_all(
        tokens
            .iter()
            .map(|token| t.post("/check-ins", token, t.with_code(&code))),
    )
    .await;
    let statuses: Vec<u16> = all.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [201, 403, 201, 201, 201]);
}
