//! P20: a member gets everything that is held about them; an erasure leaves none of it, in the database, in Redis or as a file,
//! and no log ever had it. Every column is judged.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Text;
use reqwest::Method;
use serde_json::json;
use zhibu::auth::AccountId;
use zhibu::members::MemberId;
use zhibu::personal_data::{self, OTHERS, TABLES, Table};
use zhibu::platform::db::{Backend, DbConnection};

use crate::leaderboards::{follow, set_mode};
use crate::sharing::{begun_event, share};
use crate::sign_ups::{sign_up_with, theme_day};
use crate::support::{Logs, Reply, Tenant, TestApp, new_uuid, redis_url};

/// In everything that is written by or about the member, each time with another word behind.
const SONG: &str = "nightingale";
const PHONE: &str = "13912340987";

/// A member of branch A whose fields sing: id and token.
async fn singer(t: &TestApp, tenant: &Tenant) -> (String, String) {
    let body = json!({
        "name": "nightingale-name", "organization_id": tenant.branch_b, "account_name": "nightingale-account", "phone": PHONE,
        "employee_no": "nightingale-number", "standing": "full",
    });
    let request = t.request(Method::POST, "/members", &tenant.admin).json(&body);
    let id = Reply::of(request.header("idempotency-key", new_uuid()))
        .await
        .expect(201)
        .id();
    let transfer = json!({ "organization_id": tenant.branch_a, "reason": "nightingale-transfer" });
    t.post(&format!("/members/{id}/transfers"), &tenant.admin, transfer)
        .await
        .expect(201);
    t.give_password(zhibu::auth::AccountId(id.parse().unwrap())).await;
    let login = json!({
        "account": "nightingale-account", "password": crate::support::PASSWORD, "device_id": "nightingale-phone",
    });
    let token = t
        .post("/auth/login", "", login)
        .await
        .expect(200)
        .text("/access_token");
    (id, token)
}

/// What they do, and what is done to them.
async fn sing(t: &TestApp, tenant: &Tenant, (id, token): &(String, String)) {
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let by_hand = json!({ "member_id": id, "reason": "nightingale-check-in", "client_event_id": new_uuid() });
    let check_in = t
        .post(&format!("/events/{event}/check-ins"), &tenant.admin, by_hand)
        .await;
    let check_in = check_in.expect(201).id();
    let annulled = json!({ "reason": "nightingale-annulment" });
    t.post(&format!("/check-ins/{check_in}/annul"), &tenant.admin, annulled)
        .await
        .expect(200);
    let leave = t
        .post(
            &format!("/events/{event}/leave-requests"),
            token,
            json!({ "reason": "nightingale-leave" }),
        )
        .await;
    let refused = json!({ "note": "nightingale-refusal" });
    let refused = t
        .post(
            &format!("/leave-requests/{}/reject", leave.expect(201).id()),
            &tenant.admin,
            refused,
        )
        .await;
    refused.expect(200);
    let points = json!({ "points": 3, "reason": "nightingale-award" });
    t.post(&format!("/members/{id}/point-awards"), &tenant.admin, points)
        .await
        .expect(201);

    let begun = begun_event(t, tenant, json!({})).await;
    let reflection = json!({ "text": "nightingale-reflection", "visibility": "tree" });
    let reflection = t
        .post(&format!("/events/{begun}/reflections"), token, reflection)
        .await
        .expect(201)
        .id();
    crate::sharing_pictures::add(t, token, &reflection)
        .await
        .expect(201);
    let question = json!({ "capacity": 1, "questions": [{ "key": "bus", "kind": "text", "text": "車站" }] });
    let day = theme_day(t, tenant, question).await;
    let answers = json!({ "answers": { "bus": "nightingale-answer" } });
    sign_up_with(t, token, &day, answers).await.expect(201);
}

/// By others and by themselves, so that what is kept of them for a while is kept.
async fn is_looked_at(t: &TestApp, tenant: &Tenant, (id, token): &(String, String)) {
    set_mode(t, tenant, &tenant.root, "open").await;
    follow(t).await;
    for (path, token) in [
        ("/members?q=nightingale", &tenant.admin),
        (&format!("/members/{id}"), &tenant.admin),
        (
            &format!("/leaderboards/{}?span=all", tenant.branch_a),
            &tenant.admin,
        ),
        (&format!("/leaderboards/{}/me", tenant.branch_a), token),
        ("/home", token),
        ("/me", token),
    ] {
        t.get(path, token).await.expect(200);
    }
    let wrong = json!({ "account": "nightingale-account", "password": "nightingale-password", "device_id": "nightingale-phone" });
    t.post("/auth/login", "", wrong).await.expect(401);
}

async fn left(t: &TestApp, tenant: &Tenant, id: &str) {
    let why = json!({ "reason": "nightingale-leaving" });
    t.post(&format!("/members/{id}/deactivate"), &tenant.admin, why)
        .await
        .expect(200);
}

async fn erase(t: &TestApp, token: &str, id: &str) -> Reply {
    Reply::of(t.request(Method::DELETE, &format!("/members/{id}/personal-data"), token)).await
}

#[actix_web::test]
async fn an_export_has_all_that_is_mine_and_nothing_of_others() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let me = singer(&t, &tenant).await;
    sing(&t, &tenant, &me).await;
    share(
        &t,
        &tenant.member_b,
        &begun_event(&t, &tenant, json!({})).await,
        "tree",
    )
    .await;
    let reply = t.get("/me/export", &me.1).await.expect(200);
    // Account names are kept in small letters, numbers in capitals.
    let text = String::from_utf8(reply.bytes.clone()).unwrap().to_lowercase();
    for word in [
        "name",
        "account",
        "number",
        "transfer",
        "phone",
        "check-in",
        "annulment",
        "leave",
        "refusal",
        "award",
        "reflection",
        "answer",
    ] {
        assert!(text.contains(&format!("{SONG}-{word}")), "{word}: {text}");
    }
    assert!(
        text.contains(PHONE) && !text.contains("乙成員") && !text.contains("一碗水"),
        "{text}"
    );
    assert!(
        !text.contains("argon2") && !text.contains("password_hash"),
        "{text}"
    );
    let records = &reply.json["records"];
    assert_eq!(records["members"][0]["id"], json!(me.0));
    assert_eq!(records["accounts"][0]["is_system_admin"], json!(false));
    assert_eq!(records["reflection_pictures"].as_array().unwrap().len(), 1);
    for at in [
        &records["check_ins"][0]["received_at"],
        &records["members"][0]["created_at"],
    ] {
        assert_eq!(at, &json!(t.in_s(0)));
    }
    t.get("/me/export", &tenant.system)
        .await
        .refused(403, "forbidden");
}

#[actix_web::test]
async fn an_erasure_leaves_nothing_to_be_found() {
    let logs = Logs::kept();
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let me = singer(&t, &tenant).await;
    sing(&t, &tenant, &me).await;
    is_looked_at(&t, &tenant, &me).await;
    erase(&t, &tenant.admin, &me.0)
        .await
        .refused(409, "member_active");
    left(&t, &tenant, &me.0).await;
    erase(&t, &tenant.secretary_a, &me.0)
        .await
        .refused(403, "forbidden");
    assert!(t.dump().await.to_lowercase().contains(SONG));
    let (figures, folder) = (figures(&t).await, t.app.config.media.folder.join("files"));
    assert_eq!(files(&folder), 1);

    erase(&t, &tenant.admin, &me.0).await.expect(204);
    t.run_jobs().await;
    t.app.media.sweep().await.unwrap();
    let dump = t.dump().await.to_lowercase();
    let found: Vec<&str> = dump
        .lines()
        .filter(|line| line.contains(SONG) || line.contains(PHONE))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(files(&folder), 0);
    let cached = t.dump_redis().to_lowercase();
    assert_eq!(
        cached.is_empty(),
        redis_url().is_none(),
        "there is something to look at"
    );
    assert!(!cached.contains(SONG) && !cached.contains(PHONE), "{cached}");
    // A log cannot be taken back: nothing may have come there at any time.
    let log = logs.text().to_lowercase();
    assert!(log.contains("/members/{id}/personal-data"), "{log}");
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(SONG) || line.contains(PHONE))
        .collect();
    assert!(told.is_empty(), "{told:#?}");
    // What was done stays done.
    assert_eq!(self::figures(&t).await, figures);
    erase(&t, &tenant.admin, &me.0).await.expect(204);
    let back = t
        .act(&format!("/members/{}/reactivate", me.0), &tenant.admin)
        .await;
    back.refused(409, "member_erased");
    // The number is free for somebody else.
    singer(&t, &tenant).await;
}

/// The log is read before the transaction that empties it: what is written there meanwhile must not stay.
#[actix_web::test]
async fn what_is_said_while_an_erasure_looks_for_it_goes_too() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let me = singer(&t, &tenant).await;
    sing(&t, &tenant, &me).await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let by_hand = json!({ "member_id": me.0, "reason": "x", "client_event_id": new_uuid() });
    let check_in = t
        .post(&format!("/events/{event}/check-ins"), &tenant.admin, by_hand)
        .await;
    let check_in = check_in.expect(201).id();
    left(&t, &tenant, &me.0).await;
    // So long before that the transaction does not look there itself.
    t.advance_s(86_400);
    let admin = t.get("/me", &tenant.admin).await.expect(200).text("/account_id");
    let (db, id, admin) = (
        &t.app.db,
        MemberId(me.0.parse().unwrap()),
        AccountId(admin.parse().unwrap()),
    );
    let actor = db.read(move |conn| zhibu::auth::actor_of(conn, admin)).await;
    let ctx = t.app.ctx(actor.unwrap());
    let asked = ctx.clone();
    let known = db
        .read(move |conn| personal_data::find_mentions(conn, &asked, id))
        .await;
    let known = known.unwrap();
    // A line of the log, and an answer that is kept for repeats.
    let path = format!("/check-ins/{check_in}/annul");
    let annul = t.request(Method::POST, &path, &tenant.admin);
    let annul = annul.json(&json!({ "reason": "nightingale-meanwhile" }));
    Reply::of(annul.header("idempotency-key", new_uuid()))
        .await
        .expect(200);
    db.write(move |conn| personal_data::erase(conn, &ctx, &known))
        .await
        .unwrap();
    let dump = t.dump().await.to_lowercase();
    let found: Vec<&str> = dump.lines().filter(|line| line.contains(SONG)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Attendance and points, which belong to the organization too.
async fn figures(t: &TestApp) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in [
        "members",
        "check_ins",
        "roster_entries",
        "leave_requests",
        "sign_ups",
        "point_entries",
    ] {
        counts.push(t.count(table).await);
    }
    counts
}

fn files(folder: &std::path::Path) -> usize {
    let trees = std::fs::read_dir(folder).into_iter().flatten();
    trees
        .flat_map(|tree| std::fs::read_dir(tree.unwrap().path()).unwrap())
        .count()
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    of: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

/// Tables and columns of SQLite; the same are in PostgreSQL, as another test shows.
async fn columns_where(t: &TestApp, is_meant: impl Fn(&Column) -> bool) -> BTreeSet<(String, String)> {
    let query = "SELECT m.name AS of, c.name AS name, c.type AS kind FROM sqlite_master m, pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'lesson_search%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'";
    let read = move |conn: &mut DbConnection| Ok(diesel::sql_query(query).load::<Column>(conn)?);
    let found = t.app.db.read(read).await.unwrap();
    let meant = found.into_iter().filter(|column| is_meant(column));
    meant.map(|column| (column.of, column.name)).collect()
}

/// Text and bytes; days are text in SQLite, and tell nothing.
fn may_tell(Column { name, kind, .. }: &Column) -> bool {
    match kind.as_str() {
        "TEXT" => {
            !(name == "day" || name.ends_with("_on") || name.ends_with("_day") || name.ends_with("since"))
        }
        "BLOB" => !(name == "id" || name.ends_with("_id") || name.ends_with("_by") || name == "actor"),
        _ => false,
    }
}

#[actix_web::test]
async fn every_column_that_may_tell_of_a_person_is_judged() {
    let t = TestApp::start().await;
    if t.app.db.backend() == Backend::Postgres {
        return;
    }
    let there = columns_where(&t, may_tell).await;
    let mut judged = BTreeSet::new();
    for table in TABLES {
        judged.extend(judged_of(table, &there));
    }
    for (table, columns) in OTHERS {
        judged.extend(
            columns
                .iter()
                .map(|column| ((*table).to_owned(), (*column).to_owned())),
        );
    }
    let open: Vec<_> = there.difference(&judged).collect();
    assert!(
        open.is_empty(),
        "in src/personal_data/tables.rs none says what becomes of {open:?}"
    );
    let gone: Vec<_> = judged.difference(&there).collect();
    assert!(gone.is_empty(), "not in the database: {gone:?}");
}

/// Rows that are deleted take all their columns along.
fn judged_of(table: &Table, there: &BTreeSet<(String, String)>) -> Vec<(String, String)> {
    use zhibu::personal_data::Erasure;
    let name = table.name.to_owned();
    match table.erasure {
        Erasure::Delete => there.iter().filter(|(of, _)| *of == name).cloned().collect(),
        Erasure::Blank(blanked) => {
            let columns = table.kept.iter().chain(blanked.iter().map(|(column, _)| column));
            columns
                .map(|column| (name.clone(), (*column).to_owned()))
                .collect()
        }
    }
}

/// Nothing but these names is hidden or read as JSON, or as yes and no, that is there.
#[actix_web::test]
async fn no_tag_names_what_is_not_there() {
    let t = TestApp::start().await;
    let dump = |table: &'static Table| {
        let query = format!("SELECT * FROM {} t WHERE 1 = 0", table.name);
        let tagged = [table.hidden, table.json, table.yes_or_no].concat();
        let read = move |conn: &mut DbConnection| {
            for column in &tagged {
                diesel::sql_query(query.replace('*', column)).execute(conn)?;
            }
            Ok(())
        };
        t.app.db.read(read)
    };
    for table in TABLES {
        dump(table)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", table.name));
    }
}

/// A table of people without a word in it is theirs too.
#[actix_web::test]
async fn every_table_with_rows_of_a_member_is_among_those_that_are_given_out() {
    let t = TestApp::start().await;
    if t.app.db.backend() == Backend::Postgres {
        return;
    }
    let given: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    let whose = ["member_id", "account_id", "author_id", "attempt_id", "sign_up_id"];
    let all = columns_where(&t, move |column| whose.contains(&column.name.as_str())).await;
    let missing: Vec<_> = all
        .iter()
        .filter(|(of, _)| !given.contains(of.as_str()))
        .collect();
    // That they were erased, which is said of nobody who can still ask.
    assert_eq!(missing, [&("erasures".to_owned(), "member_id".to_owned())]);
}
