//! The invariants under concurrency (DOMAIN.md 1 to 5 and 10), each with a control: the same race against a
//! deliberately broken variant must go wrong, or the test proves nothing.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use futures_util::future::join_all;
use serde_json::json;
use zhibu::platform::db::{AnyId, Db, DbConnection, Lane, LaneLimits, sql};

use crate::support::{TestApp, member_body, new_uuid};

#[derive(QueryableByName)]
pub struct Count {
    #[diesel(sql_type = BigInt)]
    pub n: i64,
}

async fn effective(t: &TestApp, event: &str, member: &str) -> i64 {
    let (event, member): (uuid::Uuid, uuid::Uuid) = (event.parse().unwrap(), member.parse().unwrap());
    t.app
        .db
        .read(move |conn| {
            let query = "SELECT count(*) AS n FROM check_ins WHERE event_id = $1 AND member_id = $2 AND annulled_at IS NULL";
            Ok(diesel::sql_query(query)
                .bind::<sql::Uuid, _>(AnyId(event))
                .bind::<sql::Uuid, _>(AnyId(member))
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

/// One number from a query of the test's own.
async fn number(db: &Db, query: &'static str) -> i64 {
    db.read(move |conn| Ok(diesel::sql_query(query).get_result::<Count>(conn)?.n))
        .await
        .unwrap()
}

pub async fn run(db: &Db, statement: impl Into<String>) {
    let statement = statement.into();
    db.write(move |conn| Ok(diesel::sql_query(&statement).execute(conn)?))
        .await
        .unwrap();
}

/// The broken variant of every race here, on the real tables: each of 50 looks first, in a transaction of its own, and
/// then acts on what it has seen, without a lock, a condition or a key. Tells how many acted.
pub async fn look_then_act(
    db: &Db,
    look: &'static str,
    act: impl Fn(&mut DbConnection) -> QueryResult<usize> + Copy + Send + 'static,
) -> usize {
    let crowd = tokio::sync::Barrier::new(50);
    let acted = join_all((0..50).map(|_| async {
        let free = number(db, look).await == 0;
        // Everybody has looked before anybody writes, as happens in a crowd.
        crowd.wait().await;
        if free {
            db.write(move |conn| Ok(act(conn)?)).await.unwrap();
        }
        free
    }));
    acted.await.into_iter().filter(|acted| *acted).count()
}

#[actix_web::test]
async fn control_without_lock_and_key_the_same_race_checks_in_many_times() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let first = t.post("/check-ins", &tenant.member_a, t.with_code(&code)).await;
    let annul = format!("/check-ins/{}/annul", first.expect(201).id());
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "測試" }))
        .await
        .expect(200);
    run(&t.app.db, "DROP INDEX check_ins_effective").await;
    let another = |conn: &mut DbConnection| {
        let copy = "INSERT INTO check_ins (id, tenant_id, event_id, member_id, seq, submitted_by, client_event_id, \
             source, status, occurred_at, received_at, flags) SELECT $1, tenant_id, event_id, member_id, seq, \
             submitted_by, $2, source, status, occurred_at, received_at, flags FROM check_ins \
             WHERE annulled_at IS NOT NULL";
        diesel::sql_query(copy)
            .bind::<sql::Uuid, _>(AnyId(new_uuid().parse().unwrap()))
            .bind::<sql::Uuid, _>(AnyId(new_uuid().parse().unwrap()))
            .execute(conn)
    };
    let look = "SELECT count(*) AS n FROM check_ins WHERE annulled_at IS NULL";
    look_then_act(&t.app.db, look, another).await;
    assert!(
        effective(&t, &event, &tenant.member_a_id).await > 1,
        "the race found nothing to go wrong: it proves nothing"
    );
}

#[actix_web::test]
async fn control_without_its_condition_the_same_record_is_annulled_many_times() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    t.post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    // `… WHERE annulled_at IS NULL` lets one through; who looks first lets everybody reverse the points.
    let acted = look_then_act(
        &t.app.db,
        "SELECT count(*) AS n FROM check_ins WHERE annulled_at IS NOT NULL",
        |conn| diesel::sql_query("UPDATE check_ins SET annulled_at = received_at").execute(conn),
    )
    .await;
    assert!(acted > 1, "the race found nothing to go wrong: it proves nothing");
}

#[actix_web::test]
async fn control_a_transfer_past_the_rules_changes_a_roster_that_is_due() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let starts = json!({ "starts_at": t.in_s(3_600), "ends_at": t.in_s(7_200) });
    let event = t.open_event(&tenant.organizer_a, &tenant.branch_a, starts).await;
    t.advance_s(1_801);
    // What a transfer does, without freezing what is due first.
    run(
        &t.app.db,
        "UPDATE members SET organization_id = (SELECT id FROM organizations WHERE kind = 'branch' \
         AND id <> members.organization_id LIMIT 1) WHERE name = '甲成員'",
    )
    .await;
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(
        sheet.json["counts"]["expected"], 2,
        "three were expected when check-in opened"
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
    // Control: a roster that is not frozen, asked for after the same transfers, has lost them all.
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
    // A refusal by the rule, in the middle of a batch.
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

/// A lane of numbers into a table that takes no 3, which panics over a 4; the first batch waits until the whole crowd has queued up.
fn lane_of_numbers(
    db: &Db,
    began: tokio::sync::mpsc::UnboundedSender<()>,
    start: std::sync::mpsc::Receiver<()>,
) -> Lane<i64, i64> {
    let limits = LaneLimits {
        threads: 1,
        queue: 64,
        batch: 64,
        deadline: std::time::Duration::from_secs(10),
    };
    let start = std::sync::Mutex::new(start);
    let apply = move |conn: &mut DbConnection, batch: &[i64]| {
        if batch == [0] {
            let _ = began.send(());
            let _ = start.lock().unwrap().recv();
        }
        for n in batch {
            assert!(*n != 4, "this is the panic of the test");
            diesel::sql_query(format!("INSERT INTO fussy (n) VALUES ({n})")).execute(conn)?;
        }
        Ok(batch.iter().copied().map(Ok).collect())
    };
    Lane::start("numbers", db.clone(), limits, |_| 0, apply, |_| {}).unwrap()
}

#[actix_web::test]
async fn a_command_that_is_refused_or_panics_does_not_fail_its_neighbours() {
    let t = TestApp::start().await;
    run(&t.app.db, "CREATE TABLE fussy (n BIGINT NOT NULL CHECK (n <> 3))").await;
    let (go, start) = std::sync::mpsc::channel();
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let lane = lane_of_numbers(&t.app.db, began, start);
    let first = lane.submit(0);
    // Not before the first is a batch of its own: else they could be one with it, and nobody would wait.
    let rest = async {
        begun.recv().await.unwrap();
        join_all((1..=5).map(|n| lane.submit(n))).await
    };
    let open = async {
        while lane.waiting() < 5 {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
    };
    let (first, rest, ()) = tokio::join!(first, rest, open);
    assert_eq!(first.unwrap(), 0);
    let answers: Vec<Option<i64>> = rest.into_iter().map(Result::ok).collect();
    assert_eq!(answers, [Some(1), Some(2), None, None, Some(5)]);
    assert_eq!(number(&t.app.db, "SELECT count(*) AS n FROM fussy").await, 4);
    assert!(lane.is_running());
    assert_eq!(lane.submit(6).await.unwrap(), 6);
}

#[actix_web::test]
async fn the_quorum_is_never_ahead_of_who_is_present_while_all_arrive() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let mut voters = vec![tenant.member_a_id.clone()];
    // The branch has three full members; ten with these.
    for n in 0..7 {
        let account = format!("vote-{}-{n}", tenant.mark);
        let body = member_body(&tenant.branch_a, &format!("表決{n}"), &account);
        voters.push(t.post("/members", &tenant.admin, body).await.expect(201).id());
    }
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let path = format!("/events/{event}/quorum");
    let quorum = || async { t.get(&path, &tenant.organizer_a).await.expect(200).json };
    let arrive = |people: std::ops::Range<usize>| {
        // Each with three phones at once.
        join_all(voters[people].iter().flat_map(|id| [id; 3]).map(|id| {
            let token = t.token_of(id, &tenant.root);
            let (t, body) = (&t, t.with_code(&code));
            async move { t.post("/check-ins", &token, body).await }
        }))
    };
    let holds = |seen: &serde_json::Value| {
        let (counted, form) = (seen["voters_present"].as_u64().unwrap(), &seen["forms"][0]);
        assert_eq!(seen["may_vote"], 10);
        assert_eq!(form["reached"], counted * 2 >= 10, "{seen}");
        assert_eq!(
            form["missing"].as_u64().unwrap(),
            5_u64.saturating_sub(counted),
            "{seen}"
        );
    };
    let (arrived, seen) = tokio::join!(arrive(0..4), join_all((0..10).map(|_| quorum())));
    seen.iter().for_each(holds);
    // Four of ten: one short, however many phones asked.
    let now = quorum().await;
    assert_eq!(
        (&now["forms"][0]["reached"], &now["forms"][0]["missing"]),
        (&json!(false), &json!(1))
    );
    // Control: who counts answers instead of people has had enough of them long ago.
    assert!(arrived.len() >= 5);
    let (_, seen) = tokio::join!(arrive(4..5), join_all((0..10).map(|_| quorum())));
    seen.iter().for_each(holds);
    assert_eq!(quorum().await["forms"][0]["reached"], true);

    // One is annulled while another comes: half again, never more.
    let gone = arrived.iter().find(|reply| reply.status == 201).unwrap().id();
    let annul = format!("/check-ins/{gone}/annul");
    let (annulled, _) = tokio::join!(
        t.post(&annul, &tenant.organizer_a, json!({ "reason": "測試" })),
        arrive(5..6)
    );
    annulled.expect(200);
    let now = quorum().await;
    holds(&now);
    assert_eq!((&now["present"], &now["votes_needed"]), (&json!(5), &json!(6)));
}

#[actix_web::test]
async fn nobody_sees_a_sibling_branch_while_its_people_move_in_and_out() {
    let t = TestApp::start().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let stays = &tenant.member_a_id;
    let mut movers = Vec::new();
    for n in 0..6 {
        let account = format!("in-out-{}-{n}", tenant.mark);
        let body = member_body(&tenant.branch_a, &format!("往返{n}"), &account);
        movers.push(t.post("/members", &tenant.admin, body).await.expect(201).id());
    }
    let go = |to: &str| {
        let body = json!({ "organization_id": to, "reason": "調動" });
        let (t, token) = (&t, &tenant.admin);
        let moves = movers.iter().map(move |id| {
            let (path, body) = (format!("/members/{id}/transfers"), body.clone());
            async move { t.post(&path, token, body).await.expect(201) }
        });
        join_all(moves)
    };
    let moving = async {
        go(&tenant.branch_b).await;
        go(&tenant.branch_a).await;
    };
    let looking = join_all((0..20).map(|_| async {
        let list = t.get("/members?limit=200", &tenant.secretary_b).await.expect(200);
        let foreign = t.get(&format!("/members/{stays}"), &tenant.secretary_b).await;
        let stranger = t.get(&format!("/members/{stays}"), &other.admin).await;
        (list, foreign, stranger)
    }));
    let ((), seen) = tokio::join!(moving, looking);
    for (list, foreign, stranger) in &seen {
        // Whoever is listed belongs here by the same look at the database.
        assert!(
            list.items()
                .iter()
                .all(|m| m["organization_id"] == tenant.branch_b),
            "{}",
            list.json
        );
        assert_eq!((foreign.status, stranger.status), (404, 404));
        let without_id = |reply: &crate::support::Reply| {
            let mut json = reply.json.clone();
            json.as_object_mut().unwrap().remove("request_id");
            json
        };
        assert_eq!(without_id(foreign), without_id(stranger));
    }
    let left = t.get("/members?limit=200", &tenant.secretary_b).await.expect(200);
    assert_eq!(left.items().len(), 2);
    // Control: the same list without its condition shows both branches and both tenants.
    let all = number(
        &t.app.db,
        "SELECT count(DISTINCT organization_id) AS n FROM members",
    )
    .await;
    assert!(all >= 4);
}
