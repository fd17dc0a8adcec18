//! The order in which rows are taken on PostgreSQL (docs/architecture.md, Storage). While somebody waits for a row,
//! what comes after it must be free, or two of them can wait for each other. SQLite has one writer: nothing to see.

use std::cell::Cell;
use std::future::Future;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use reqwest::Method;
use serde_json::json;
use zhibu::events::EventId;

use crate::points::journal;
use crate::races::Count;
use crate::study_plans::{lesson, study};
use crate::support::{PASSWORD, Reply, Tenant, TestApp, new_uuid};

/// Holds `first` (table and id) until `work` waits for it, and tells whether `second` could be taken meanwhile; none on
/// SQLite.
async fn is_free_while_waiting<T>(
    t: &TestApp,
    first: (&str, &str),
    second: (&str, &str),
    work: impl Future<Output = T>,
) -> (T, Option<bool>) {
    let Some(url) = t.app.config.database.url.as_deref() else {
        return (work.await, None);
    };
    let take = |(table, id): (&str, &str)| {
        format!(
            "SET LOCAL zhibu.tenant = '*'; SELECT id FROM {table} WHERE id = '{id}' FOR NO KEY UPDATE NOWAIT"
        )
    };
    let mut conn = PgConnection::establish(url).unwrap();
    conn.batch_execute(&format!("BEGIN; {}", take(first))).unwrap();
    let watch = async {
        let mut other = until_so_many_wait(url, 1).await;
        let free = other.batch_execute(&format!("BEGIN; {}", take(second))).is_ok();
        other.batch_execute("ROLLBACK").unwrap();
        conn.batch_execute("COMMIT").unwrap();
        free
    };
    let (done, free) = tokio::join!(work, watch);
    (done, Some(free))
}

async fn until_so_many_wait(url: &str, many: i64) -> PgConnection {
    let mut conn = PgConnection::establish(url).unwrap();
    while number_waiting(&mut conn) < many {
        tokio::task::yield_now().await;
    }
    conn
}

fn number_waiting(conn: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = diesel::sql_query(waiting).get_result::<Count>(conn);
    waiting.unwrap().n
}

/// Until the connection commits.
fn hold_member(url: &str, member: &str) -> PgConnection {
    let mut conn = PgConnection::establish(url).unwrap();
    conn.batch_execute(&format!(
        "BEGIN; SET LOCAL zhibu.tenant = '*'; SELECT id FROM members WHERE id = '{member}' FOR NO KEY UPDATE"
    ))
    .unwrap();
    conn
}

/// Between the look at the password and the session there is time.
#[actix_web::test]
async fn a_password_that_is_changed_while_somebody_signs_in_with_the_old_one_begins_no_session() {
    let t = TestApp::start().await;
    let Some(url) = t.app.config.database.url.as_deref() else {
        return;
    };
    t.system_admin("anna").await;
    let before = t.count("sessions").await;
    let mut conn = PgConnection::establish(url).unwrap();
    conn.batch_execute(
        "BEGIN; SET LOCAL zhibu.tenant = '*'; UPDATE accounts SET password_hash = 'another' WHERE account_name = 'anna'",
    )
    .unwrap();
    let login = json!({ "account": "anna", "password": PASSWORD, "device_id": "phone" });
    let (reply, ()) = tokio::join!(t.post("/auth/login", "", login), async {
        until_so_many_wait(url, 1).await;
        conn.batch_execute("COMMIT").unwrap();
    });
    reply.refused(401, "invalid_credentials");
    assert_eq!(t.count("sessions").await, before);
}

#[actix_web::test]
async fn a_member_is_taken_before_the_account() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let id = &tenant.member_a_id;
    let (member, account) = (("members", id.as_str()), ("accounts", id.as_str()));
    let own = t.patch("/me", &tenant.member_a, "", json!({ "phone": "13800000009" }));
    let (reply, free) = is_free_while_waiting(&t, member, account, own).await;
    reply.expect(200);
    assert_ne!(free, Some(false), "of one's own number");

    let path = format!("/members/{id}");
    let theirs = t.patch(&path, &tenant.admin, "*", json!({ "phone": "13800000010" }));
    let (reply, free) = is_free_while_waiting(&t, member, account, theirs).await;
    reply.expect(200);
    assert_ne!(free, Some(false), "of somebody else's number");

    t.patch(&path, &tenant.admin, "*", json!({ "employee_no": "A09" }))
        .await
        .expect(200);
    let import = Reply::of(
        t.request(
            Method::POST,
            &format!("/members/imports?organization_id={}", tenant.root),
            &tenant.admin,
        )
        .header("content-type", "text/csv")
        .body("姓名,手机,工号\r\n甲成員,13800000011,A09\r\n"),
    );
    let (reply, free) = is_free_while_waiting(&t, member, account, import).await;
    assert_eq!(reply.expect(201).json["updated"], 1);
    assert_ne!(free, Some(false), "of a roster");
}

#[actix_web::test]
async fn accounts_of_a_sheet_of_codes_are_taken_in_the_order_of_their_ids() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let mut ids = Vec::new();
    // The order of the names is the other way round.
    for name in ["錢二", "趙一"] {
        let body = json!({ "name": name, "organization_id": tenant.branch_a, "standing": "full" });
        ids.push(t.post("/members", &tenant.admin, body).await.expect(201).id());
    }
    ids.sort_unstable();
    let (first, second) = (("accounts", ids[0].as_str()), ("accounts", ids[1].as_str()));
    for sheet in [
        json!({ "organization_id": tenant.branch_a }),
        json!({ "member_ids": [ids[1], ids[0]] }),
    ] {
        let work = t.post("/members/activation-codes", &tenant.secretary_a, sheet);
        let (reply, free) = is_free_while_waiting(&t, first, second, work).await;
        assert_eq!(reply.expect(201).items().len(), 2);
        assert_ne!(free, Some(false));
    }
}

/// Study that answers an absence freezes the event's roster, and holds the member for their points: in that order, as
/// whoever checks in does.
#[actix_web::test]
async fn an_event_is_taken_before_the_member_who_makes_it_up() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let lesson = lesson(&t, &tenant, "補課").await;
    // Its roster is not frozen before somebody asks.
    let later = json!({ "starts_at": t.in_s(36_000), "ends_at": t.in_s(43_200) });
    let event = t.open_event(&tenant.admin, &tenant.branch_a, later).await;
    t.put(
        &format!("/events/{event}/make-up"),
        &tenant.organizer_a,
        json!({ "lesson_id": lesson }),
    )
    .await
    .expect(200);
    t.advance_s(86_400);
    let (first, second) = (
        ("events", event.as_str()),
        ("members", tenant.member_a_id.as_str()),
    );
    let work = study(&t, &tenant.member_a, &lesson);
    let ((), free) = is_free_while_waiting(&t, first, second, work).await;
    assert_ne!(free, Some(false));
    let points = t.get("/me/points", &tenant.member_a).await.expect(200);
    assert_eq!(journal(&points).last().unwrap().0, "make_up");
}

/// A database that does not answer is a 503 in time, for the lane as for everything else; the phone sends the same again.
#[actix_web::test]
async fn a_check_in_that_cannot_be_written_in_time_is_503_and_succeeds_when_it_is_sent_again() {
    let t = TestApp::start_with(|config| config.database.deadline = Duration::from_millis(300)).await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let body = t.with_code(&t.code(&tenant.admin, &event).await);
    let (db, locked) = (t.app.db.clone(), event.parse::<EventId>().unwrap());
    let (go, wait) = mpsc::channel::<()>();
    let (held, is_held) = tokio::sync::oneshot::channel();
    let (held, wait) = (Mutex::new(Some(held)), Mutex::new(wait));
    let holder = std::thread::spawn(move || {
        db.write_blocking(|conn| {
            zhibu::events::lock_events(conn, &[locked])?;
            if let Some(held) = held.lock().unwrap().take() {
                held.send(()).unwrap();
            }
            let _ = wait.lock().unwrap().recv();
            Ok(())
        })
    });
    is_held.await.unwrap();
    let refused = t.post("/check-ins", &tenant.member_a, body.clone()).await;
    assert_eq!(refused.status, 503, "{}", refused.json);
    assert_ne!(refused.header("retry-after"), "");
    go.send(()).unwrap();
    holder.join().unwrap().unwrap();
    // The first may have been committed since: then this is its repeat.
    let again = t.post("/check-ins", &tenant.member_a, body).await;
    assert!(matches!(again.status, 200 | 201), "{}", again.json);
    let sheet = t
        .get(
            &format!("/events/{event}/attendance?status=present"),
            &tenant.admin,
        )
        .await
        .expect(200);
    assert_eq!(sheet.items().len(), 1);
}

/// An event of branch A to which nobody came, a day ago, and a lesson.
async fn absence(t: &TestApp) -> (Tenant, String, String) {
    let tenant = t.tenant().await;
    let lesson = lesson(t, &tenant, "補課").await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    t.advance_s(86_400);
    (tenant, event, lesson)
}

async fn answer(t: &TestApp, tenant: &Tenant, event: &str, lesson: &str) {
    let path = format!("/events/{event}/make-up");
    let body = json!({ "lesson_id": lesson });
    t.put(&path, &tenant.organizer_a, body).await.expect(200);
}

/// Whoever is marked present at the moment in which they make their absence up has done one of the two: who completes the
/// lesson asks who came while the event is held, after a mark that waits in the middle.
#[actix_web::test]
async fn an_absence_is_not_made_up_beside_a_mark_that_waits() {
    let t = TestApp::start_for_days().await;
    let Some(url) = t.app.config.database.url.as_deref() else {
        return;
    };
    let (tenant, event, lesson) = absence(&t).await;
    answer(&t, &tenant, &event, &lesson).await;
    let member = &tenant.member_a_id;
    let mut conn = hold_member(url, member);
    let path = format!("/events/{event}/check-ins");
    let by_hand = json!({ "member_id": member, "reason": "當時在場", "client_event_id": new_uuid() });
    let marked = t.post(&path, &tenant.organizer_a, by_hand);
    let made_up = async {
        until_so_many_wait(url, 1).await;
        study(&t, &tenant.member_a, &lesson).await;
    };
    let let_go = async {
        until_so_many_wait(url, 2).await;
        conn.batch_execute("COMMIT").unwrap();
    };
    let (marked, (), ()) = tokio::join!(marked, made_up, let_go);
    marked.expect(201);
    let points = t.get("/me/points", &tenant.member_a).await.expect(200);
    let mut rules: Vec<String> = journal(&points).into_iter().map(|(rule, _)| rule).collect();
    rules.sort_unstable();
    assert_eq!(rules, ["check_in_late", "lesson_completed"]);
}

/// A lesson is named as the answer to an absence in the moment in which somebody completes it: one of the two finds the
/// other.
#[actix_web::test]
async fn a_lesson_that_comes_to_answer_an_absence_waits_for_who_completes_it() {
    let t = TestApp::start_for_days().await;
    let Some(url) = t.app.config.database.url.as_deref() else {
        return;
    };
    let (tenant, event, lesson) = absence(&t).await;
    let mut conn = hold_member(url, &tenant.member_a_id);
    let is_named = Cell::new(false);
    let named = async {
        until_so_many_wait(url, 1).await;
        answer(&t, &tenant, &event, &lesson).await;
        is_named.set(true);
    };
    let let_go = async {
        let mut look = PgConnection::establish(url).unwrap();
        while !is_named.get() && number_waiting(&mut look) < 2 {
            tokio::task::yield_now().await;
        }
        conn.batch_execute("COMMIT").unwrap();
    };
    tokio::join!(study(&t, &tenant.member_a, &lesson), named, let_go);
    let points = t.get("/me/points", &tenant.member_a).await.expect(200);
    let mut rules: Vec<String> = journal(&points).into_iter().map(|(rule, _)| rule).collect();
    rules.sort_unstable();
    assert_eq!(rules, ["lesson_completed", "make_up"]);
}

/// And one that is taken away in that moment answers nothing any more.
#[actix_web::test]
async fn a_lesson_that_answers_no_absence_any_more_gives_nothing_for_one() {
    let t = TestApp::start_for_days().await;
    let Some(url) = t.app.config.database.url.as_deref() else {
        return;
    };
    let (tenant, event, lesson) = absence(&t).await;
    answer(&t, &tenant, &event, &lesson).await;
    let mut conn = PgConnection::establish(url).unwrap();
    conn.batch_execute(&format!(
        "BEGIN; SET LOCAL zhibu.tenant = '*'; SELECT id FROM events WHERE id = '{event}' FOR NO KEY UPDATE; \
         DELETE FROM make_ups WHERE event_id = '{event}'"
    ))
    .unwrap();
    let let_go = async {
        until_so_many_wait(url, 1).await;
        conn.batch_execute("COMMIT").unwrap();
    };
    tokio::join!(study(&t, &tenant.member_a, &lesson), let_go);
    let points = t.get("/me/points", &tenant.member_a).await.expect(200);
    assert_eq!(journal(&points), [("lesson_completed".to_owned(), 1)]);
}
