//! The second fence between trees: on PostgreSQL a statement that forgets whose rows it wants gets those of whoever asks, and
//! one that belongs to nobody gets none.

use actix_web::middleware::from_fn;
use actix_web::{App as ActixApp, HttpResponse, test as http, web};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use futures_util::stream;
use zhibu::app::App;
use zhibu::auth::SignedIn;
use zhibu::platform::db::DbConnection;
use zhibu::platform::error::AppResult;
use zhibu::platform::http::frame;

use crate::races::Count;
use crate::support::{Tenant, TestApp};

/// Two trees, and a way to the database that says nothing of itself.
async fn two_trees() -> Option<(TestApp, [Tenant; 2], PgConnection)> {
    let t = TestApp::start().await;
    let Some(url) = t.app.config.database.url.clone() else {
        eprintln!("LEFT OUT: SQLite has no row-level security");
        return None;
    };
    let one = t.tenant().await;
    let other = t.another_tenant(&one.system).await;
    Some((t, [one, other], PgConnection::establish(&url).unwrap()))
}

fn count(conn: &mut PgConnection, from: &str) -> i64 {
    diesel::sql_query(format!("SELECT count(*) AS n FROM {from}"))
        .get_result::<Count>(conn)
        .unwrap()
        .n
}

fn is_about(conn: &mut PgConnection, tenant: &str) {
    conn.batch_execute(&format!("SET zhibu.tenant = '{tenant}'"))
        .unwrap();
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

fn names(conn: &mut PgConnection, query: &str) -> Vec<String> {
    let rows = diesel::sql_query(query).load::<Name>(conn).unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

/// Full text is left out, for its index (migration 0033).
#[actix_web::test]
async fn every_table_of_a_tree_is_fenced() {
    let Some((_t, _, mut conn)) = two_trees().await else {
        return;
    };
    let of_trees = "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT attisdropped \
                    WHERE c.relkind = 'r' AND c.relnamespace = CAST('public' AS regnamespace)";
    let open = format!(
        "SELECT CAST(relname AS text) AS name {of_trees} AND NOT (relrowsecurity AND relforcerowsecurity \
         AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'tenant'))"
    );
    assert_eq!(names(&mut conn, &open), ["lesson_search"]);
    let all = names(
        &mut conn,
        &format!("SELECT CAST(relname AS text) AS name {of_trees}"),
    );
    assert!(all.len() > 50, "{all:?}");
    for table in all {
        assert_eq!(count(&mut conn, &table), 0, "{table}, to whoever says nothing");
    }
}

#[actix_web::test]
async fn a_statement_that_forgets_its_tree_sees_and_writes_no_other() {
    let Some((_t, [one, other], mut conn)) = two_trees().await else {
        return;
    };
    assert_eq!(count(&mut conn, "members"), 0);
    is_about(&mut conn, "*");
    let all = count(&mut conn, "members");
    let [of_one, of_other] = [&one, &other].map(|tree| {
        is_about(&mut conn, &tree.root);
        let theirs = format!("members WHERE tenant_id = '{}'", tree.root);
        assert_eq!(count(&mut conn, "members"), count(&mut conn, &theirs));
        count(&mut conn, "members")
    });
    assert!(of_one > 0 && of_other > 0 && of_one + of_other == all);

    is_about(&mut conn, &one.root);
    let hers = format!("UPDATE members SET name = 'x' WHERE id = '{}'", other.member_a_id);
    assert_eq!(diesel::sql_query(hers).execute(&mut conn).unwrap(), 0);
    let away = format!(
        "UPDATE members SET tenant_id = '{}' WHERE id = '{}'",
        other.root, one.member_a_id
    );
    let refused = diesel::sql_query(away).execute(&mut conn).unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");

    // A transaction takes its fence with it.
    conn.batch_execute(&format!(
        "RESET zhibu.tenant; BEGIN; SET LOCAL zhibu.tenant = '{}'",
        one.root
    ))
    .unwrap();
    assert_eq!(count(&mut conn, "members"), of_one);
    conn.batch_execute("COMMIT").unwrap();
    assert_eq!(count(&mut conn, "members"), 0);
}

fn count_members(conn: &mut DbConnection) -> AppResult<i64> {
    let query = diesel::sql_query("SELECT count(*) AS n FROM members");
    Ok(query.get_result::<Count>(conn)?.n)
}

/// Handlers that forget.
async fn in_each_way(app: web::Data<App>, _who: SignedIn) -> AppResult<HttpResponse> {
    let db = &app.db;
    let seen = [
        db.read(count_members).await?,
        db.read_fresh(count_members).await?,
        db.read_long(count_members).await?,
        db.write(count_members).await?,
        db.write_long(count_members).await?,
    ];
    Ok(HttpResponse::Ok().json(seen))
}

async fn while_it_is_sent(app: web::Data<App>, _who: SignedIn) -> HttpResponse {
    let seen = stream::once(async move {
        let seen = app.db.read(count_members).await?;
        AppResult::Ok(web::Bytes::from(seen.to_string()))
    });
    HttpResponse::Ok().streaming(seen)
}

async fn before_anybody_is_known(app: web::Data<App>) -> AppResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(app.db.read(count_members).await?))
}

#[actix_web::test]
async fn a_request_is_behind_the_fence_of_whoever_asks() {
    let Some((t, trees, mut conn)) = two_trees().await else {
        return;
    };
    let server = ActixApp::new()
        .app_data(t.app.clone())
        .route("/ways", web::get().to(in_each_way))
        .route("/stream", web::get().to(while_it_is_sent))
        .route("/nobody", web::get().to(before_anybody_is_known))
        .wrap(from_fn(frame));
    let server = http::init_service(server).await;
    let ask = async |path: &str, token: &str| {
        let request = http::TestRequest::get().uri(path);
        let request = request.insert_header(("authorization", format!("Bearer {token}")));
        let body = http::call_and_read_body(&server, request.to_request()).await;
        String::from_utf8(body.to_vec()).unwrap()
    };
    is_about(&mut conn, "*");
    let all = count(&mut conn, "members");
    for tree in &trees {
        is_about(&mut conn, &tree.root);
        let theirs = count(&mut conn, "members");
        assert!(theirs < all);
        assert_eq!(
            ask("/ways", &tree.member_a).await,
            format!("{:?}", [theirs; 5]).replace(' ', "")
        );
        assert_eq!(ask("/stream", &tree.member_a).await, theirs.to_string());
    }
    // Who belongs to no tree, and who has not said who they are.
    assert_eq!(
        ask("/ways", &trees[0].system).await,
        format!("{:?}", [all; 5]).replace(' ', "")
    );
    assert_eq!(ask("/nobody", &trees[0].member_a).await, all.to_string());
}
