//! The first screen: kept for each account, and never behind what it shows.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use zhibu::platform::db::{Backend, DbConnection, Instant};

use crate::study_plans::{lesson, published};
use crate::support::{Tenant, TestApp};

/// But for the rank, which follows others a moment later.
fn without_rank(mut home: Value) -> Value {
    home["rank"] = Value::Null;
    home
}

async fn home(t: &TestApp, token: &str) -> Value {
    without_rank(t.get("/home", token).await.expect(200).json)
}

/// What a server shows that has never made it before.
async fn made_anew(t: &TestApp, token: &str) -> Value {
    let (url, handle) = t.replica().await;
    let request = t.http.get(format!("{url}/api/v1/home")).bearer_auth(token);
    let made = request.send().await.unwrap().json().await.unwrap();
    handle.stop(false).await;
    without_rank(made)
}

async fn check_in(t: &TestApp, tenant: &Tenant, event: &str, token: &str) {
    let code = t.code(&tenant.admin, event).await;
    t.post("/check-ins", token, t.with_code(&code)).await.expect(201);
}

/// What servers do every five seconds: else one of the two that are compared may do it in between.
async fn freeze_due(t: &TestApp, tenant: &Tenant) {
    let ctx = t.app.ctx(zhibu::auth::Actor::operator());
    let root = zhibu::organizations::OrganizationId(tenant.root.parse().unwrap());
    let freeze = move |conn: &mut DbConnection| zhibu::attendance::freeze_due_rosters(conn, &ctx, root);
    t.app.db.write_long(freeze).await.unwrap();
}

fn at(instant: &Value) -> i64 {
    serde_json::from_value::<Instant>(instant.clone())
        .unwrap()
        .micros()
}

#[actix_web::test]
async fn what_time_alone_changes_is_shown_at_its_moment() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let later = json!({ "starts_at": t.in_s(90_000), "ends_at": t.in_s(97_200) });
    t.open_event(&tenant.admin, &tenant.branch_a, later).await;
    let done = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    check_in(&t, &tenant, &done, &tenant.member_a).await;
    let lesson = lesson(&t, &tenant, "第一課").await;
    published(&t, &tenant, &[&lesson], 3).await;
    let first = home(&t, &tenant.member_a).await;
    assert_eq!(first["due_lessons"][0]["late"], false, "{first}");
    assert!(first["points"]["today"].as_i64().unwrap() > 0, "{first}");
    let events = [&first["check_in_open"][0], &first["upcoming"][0]];
    let mut moments: Vec<i64> = ["check_in_opens_at", "check_in_closes_at", "ends_at"]
        .iter()
        .flat_map(|name| events.map(|event| at(&event[name])))
        .chain([at(&first["due_lessons"][0]["due_at"])])
        .chain((0..4).map(|days| {
            // Midnight in the tree's zone.
            let zone = chrono_tz::Asia::Shanghai;
            let day = zhibu::platform::local_time::local_date(t.now().plus_s(days * 86_400), zone);
            zhibu::platform::local_time::end_of_day(day, zone).micros()
        }))
        .collect();
    moments.sort_unstable();
    moments.retain(|moment| *moment > t.now().micros());
    let (mut shown, mut last) = (0, first);
    for moment in moments {
        for micros in [moment - 1, moment, moment + 1] {
            t.clock().set(Instant::from_micros(micros));
            freeze_due(&t, &tenant).await;
            let kept = home(&t, &tenant.member_a).await;
            assert_eq!(
                kept,
                made_anew(&t, &tenant.member_a).await,
                "{}",
                Instant::from_micros(micros)
            );
            shown += usize::from(kept != last);
            last = kept;
        }
    }
    // It opens, closes and goes, twice; is late; and yesterday's points are not today's.
    assert!(shown >= 5, "{shown}: {last}");
    assert_eq!(last["due_lessons"][0]["late"], true, "{last}");
    assert_eq!(last["points"]["today"], 0, "{last}");
}

#[actix_web::test]
async fn a_check_in_at_one_server_is_on_the_first_screen_of_another_at_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    // The first who comes fixes who is expected, which everybody is shown.
    check_in(&t, &tenant, &event, &tenant.secretary_a).await;
    let (url, handle) = t.replica().await;
    let there = async || {
        let request = t
            .http
            .get(format!("{url}/api/v1/home"))
            .bearer_auth(&tenant.member_a);
        without_rank(request.send().await.unwrap().json().await.unwrap())
    };
    let before = there().await;
    assert_eq!(
        before["check_in_open"][0]["mine"]["status"], "expected",
        "{before}"
    );
    assert_eq!(there().await, before);
    check_in(&t, &tenant, &event, &tenant.member_a).await;
    let after = there().await;
    assert_eq!(after["check_in_open"][0]["mine"]["status"], "present", "{after}");
    assert!(after["points"]["today"].as_i64() > before["points"]["today"].as_i64());
    assert_eq!(after, home(&t, &tenant.member_a).await);
    handle.stop(false).await;
}

#[actix_web::test]
async fn control_without_its_triggers_a_first_screen_is_behind() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    // The first who comes fixes who is expected, which everybody is shown.
    check_in(&t, &tenant, &event, &tenant.secretary_a).await;
    let before = home(&t, &tenant.member_a).await;
    let backend = t.app.db.backend();
    let drop = move |conn: &mut DbConnection| {
        for (table, trigger) in [
            ("check_ins", "home_check_ins_insert"),
            ("point_entries", "home_point_entries_insert"),
        ] {
            let on = match backend {
                Backend::Sqlite => String::new(),
                Backend::Postgres => format!(" ON {table}"),
            };
            conn.batch_execute(&format!("DROP TRIGGER {trigger}{on}"))?;
        }
        Ok(())
    };
    t.app.db.write(drop).await.unwrap();
    check_in(&t, &tenant, &event, &tenant.member_a).await;
    assert_eq!(home(&t, &tenant.member_a).await, before);
    assert_ne!(made_anew(&t, &tenant.member_a).await, before);
}

/// On PostgreSQL of two transactions the one with the lower number may end last.
#[actix_web::test]
async fn a_change_that_is_committed_late_is_found_too() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    if t.app.db.backend() == Backend::Sqlite {
        return;
    }
    let count = |id: &str| format!("INSERT INTO home_changes (subject_id) VALUES ('{id}')");
    let (insert, path) = (count(&tenant.member_a_id), "/home");
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let (wait, begun) = (std::sync::Mutex::new(wait), std::sync::Mutex::new(Some(begun)));
    let rename = format!(
        "UPDATE members SET name = '後到' WHERE id = '{}'",
        tenant.member_a_id
    );
    let late = {
        let db = t.app.db.clone();
        tokio::spawn(async move {
            let write = move |conn: &mut DbConnection| {
                diesel::sql_query(&rename).execute(conn)?;
                if let Some(begun) = begun.lock().unwrap().take() {
                    begun.send(()).unwrap();
                    wait.lock().unwrap().recv().unwrap();
                }
                Ok(())
            };
            db.write_long(write).await
        })
    };
    has_begun.await.unwrap();
    let early = move |conn: &mut DbConnection| Ok(diesel::sql_query(&insert).execute(conn).map(|_| ())?);
    t.app.db.write(early).await.unwrap();
    let before = t.get(path, &tenant.member_a).await.expect(200).json;
    go_on.send(()).unwrap();
    late.await.unwrap().unwrap();
    let after = home(&t, &tenant.member_a).await;
    assert_ne!(after["member"]["name"], before["member"]["name"]);
    assert_eq!(after["member"]["name"], "後到");
}
