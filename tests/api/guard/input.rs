//! Bad input never reaches the rules: the framework's own errors are problem documents, and everything has a bound.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Reply, TestApp};

#[actix_web::test]
async fn the_frameworks_errors_are_problem_documents() {
    let t = TestApp::start().await;
    t.get("/nowhere", "").await.refused(404, "not_found");
    t.get(&format!("{}/nowhere", t.url), "")
        .await
        .refused(404, "not_found");
    let reply = t.get("/auth/login", "").await.refused(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), "POST");
    let tenant = t.tenant().await;
    let login = |body: &'static str, content_type: &'static str| {
        Reply::of(
            t.request(Method::POST, "/auth/login", "")
                .header("content-type", content_type)
                .body(body),
        )
    };
    login("{", "application/json")
        .await
        .refused(400, "malformed_json");
    login("{}", "text/plain")
        .await
        .refused(415, "unsupported_media_type");
    let unknown = login(
        r#"{"account":"a","password":"b","colour":"red"}"#,
        "application/json",
    )
    .await;
    assert_eq!(
        unknown.refused(422, "invalid_fields").json["errors"][0]["code"],
        "unknown_field"
    );
    let twice = login(
        r#"{"account":"a","account":"a","password":"b"}"#,
        "application/json",
    )
    .await;
    assert_eq!(
        twice.refused(422, "invalid_fields").json["errors"][0]["code"],
        "duplicate_field"
    );
    let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    let reply = Reply::of(
        t.request(Method::POST, "/auth/login", "")
            .header("content-type", "application/json")
            .body(deep),
    )
    .await;
    assert!(reply.status == 400 || reply.status == 422, "{}", reply.json);
    t.get("/events/not-an-id", &tenant.admin)
        .await
        .refused(404, "not_found");
    t.post(
        "/organizations",
        &tenant.admin,
        json!({ "name": "a\u{0}b", "kind": "branch", "parent_id": tenant.root }),
    )
    .await
    .refused(422, "invalid_fields");
    t.post(
        "/organizations",
        &tenant.admin,
        json!({ "name": "x", "kind": "party", "parent_id": tenant.root }),
    )
    .await
    .refused(422, "invalid_fields");
    t.get("/events?limit=201", &tenant.admin)
        .await
        .refused(422, "invalid_fields");
    // base64url of ["\u0000","…"]: a forged cursor is refused before a database sees it.
    let forged = "WyJcdTAwMDAiLCIwMTlhYjMxMi0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDAiXQ";
    t.get(&format!("/members?cursor={forged}"), &tenant.admin)
        .await
        .refused(422, "invalid_fields");
    t.get("/events?limit=-1", &tenant.admin)
        .await
        .refused(422, "invalid_fields");
}

#[actix_web::test]
async fn bodies_and_headers_are_bounded() {
    let t = TestApp::start().await;
    let huge = format!(r#"{{"account":"{}","password":"b"}}"#, "x".repeat(70_000));
    let request = t
        .request(Method::POST, "/auth/login", "")
        .header("content-type", "application/json")
        .body(huge);
    Reply::of(request).await.refused(413, "too_large");
    let request = t
        .request(Method::GET, "/home", "")
        .header("x-padding", "x".repeat(20_000));
    Reply::of(request).await.refused(431, "headers_too_large");
    let tenant = t.tenant().await;
    let items: Vec<_> = (0..101).map(|_| t.with_code("x")).collect();
    t.post("/check-ins/batch", &tenant.member_a, json!({ "items": items }))
        .await
        .refused(422, "invalid_fields");
}

#[actix_web::test]
async fn a_compressed_body_is_refused_and_a_too_long_one_unread() {
    let t = TestApp::start().await;
    let send = |coding: &'static str| {
        let body = json!({ "account": "nobody", "password": "wrong" });
        let request = t.request(Method::POST, "/auth/login", "").json(&body);
        Reply::of(request.header("content-encoding", coding))
    };
    for coding in ["gzip", "br", "identity, gzip"] {
        send(coding).await.refused(415, "unsupported_content_encoding");
    }
    send("Identity").await.refused(401, "invalid_credentials");
    // Not a byte of the body is sent, so the answer cannot have waited for one.
    let mut stream = tokio::net::TcpStream::connect(t.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 65537\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let n = stream.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(
        text.starts_with("HTTP/1.1 413") && text.contains("\"limit_bytes\":65536"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_body_that_drips_is_cut_off() {
    let t = TestApp::start_with(|c| c.server.request_timeout = std::time::Duration::from_secs(1)).await;
    let address = t.url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let n = stream.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(
        text.starts_with("HTTP/1.1 408") && text.contains("request_timeout"),
        "{text}"
    );
}

#[actix_web::test]
async fn probes_documents_and_the_phone_page_are_served() {
    let t = TestApp::start().await;
    let get = |path: &str| {
        let address = format!("{}{path}", t.url);
        let t = &t;
        async move { t.get(&address, "").await }
    };
    get("/healthz").await.expect(200);
    assert_eq!(get("/readyz").await.expect(200).json["status"], "ready");
    assert!(
        String::from_utf8(get("/metrics").await.expect(200).bytes)
            .unwrap()
            .contains("zhibu_http_request_seconds")
    );
    assert_eq!(
        get("/api/v1/openapi.json").await.expect(200).json["info"]["title"],
        "zhibu"
    );
    let docs = get("/docs/").await.expect(200);
    assert!(String::from_utf8(docs.bytes).unwrap().contains("swagger-ui"));
    let page = get("/c/whatever").await.expect(200);
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    assert!(page.bytes.len() < 25_000);
    get("/c/assets/check_in.js").await.expect(200);
    get("/c/assets/check_in.css").await.expect(200);
}
