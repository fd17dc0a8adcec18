//! Files: uploads by tus 1.0 that survive lost connections, what is refused, quotas, and reading by signed addresses.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Reply, Tenant, TestApp, new_uuid};

pub fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub fn metadata(organization: &str, name: &str) -> String {
    let [organization, name] = [organization, name].map(|text| STANDARD.encode(text));
    format!("organization_id {organization},filename {name},filetype dmlkZW8vbXA0")
}

impl TestApp {
    pub fn tus(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.request(method, path, token).header("tus-resumable", "1.0.0")
    }

    async fn create(&self, token: &str, organization: &str, length: usize) -> Reply {
        let request = self
            .tus(Method::POST, "/uploads", token)
            .header("upload-length", length)
            .header("upload-metadata", metadata(organization, "第一講.mp4"));
        Reply::of(request).await
    }

    pub async fn begin(&self, token: &str, organization: &str, length: usize) -> String {
        let location = self.create(token, organization, length).await.expect(201);
        location
            .header("location")
            .strip_prefix("/api/v1")
            .unwrap()
            .to_owned()
    }

    async fn append(&self, token: &str, upload: &str, offset: usize, bytes: &[u8]) -> Reply {
        Reply::of(self.piece(token, upload, offset, bytes)).await
    }

    pub fn piece(&self, token: &str, upload: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
        self.tus(Method::PATCH, upload, token)
            .header("upload-offset", offset)
            .header("content-type", "application/offset+octet-stream")
            .body(bytes.to_vec())
    }

    async fn head(&self, token: &str, upload: &str) -> Reply {
        Reply::of(self.tus(Method::HEAD, upload, token)).await
    }

    /// The file as it is after its last byte.
    pub async fn upload(&self, token: &str, organization: &str, bytes: &[u8]) -> Reply {
        let upload = self.begin(token, organization, bytes.len()).await;
        if !bytes.is_empty() {
            self.append(token, &upload, 0, bytes).await.expect(204);
        }
        self.get(&upload.replace("/uploads/", "/media/"), token)
            .await
            .expect(200)
    }

    /// An address of ours, wherever the server is reached in this test.
    pub fn here(&self, address: &str) -> String {
        address.replace(&self.app.config.server.public_url, &self.url)
    }
}

async fn lecturer(t: &TestApp, tenant: &Tenant, organization: &str) -> String {
    t.person(tenant, organization, "講師", Some((organization, "lecturer")))
        .await
        .1
}

#[actix_web::test]
async fn an_upload_goes_on_where_it_stopped() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, film) = (lecturer(&t, &tenant, &tenant.branch_a).await, data("lesson.mp4"));
    let told = Reply::of(t.request(Method::OPTIONS, "/uploads", ""))
        .await
        .expect(204);
    assert_eq!(told.header("tus-version"), "1.0.0");
    assert_eq!(told.header("tus-max-size"), "2147483648");
    assert!(told.header("tus-extension").contains("creation-with-upload"));
    let upload = t.begin(&token, &tenant.branch_a, film.len()).await;
    let head = t.head(&token, &upload).await.expect(200);
    assert_eq!(
        (head.header("upload-offset"), head.header("cache-control")),
        ("0", "no-store")
    );
    assert_eq!(head.header("upload-length"), film.len().to_string());
    assert!(head.header("upload-metadata").contains("filetype dmlkZW8vbXA0"));
    assert!(head.header("upload-expires").ends_with(" GMT"));
    let first = t.append(&token, &upload, 0, &film[..4_000]).await.expect(204);
    assert_eq!(
        (first.header("upload-offset"), first.header("tus-resumable")),
        ("4000", "1.0.0")
    );
    for wrong in [0, 3_999, 4_001] {
        let reply = t
            .append(&token, &upload, wrong, &film[wrong..])
            .await
            .refused(409, "upload_offset");
        assert_eq!(
            (&reply.json["offset"], reply.header("tus-resumable")),
            (&json!(4_000), "1.0.0")
        );
    }
    let reply = t
        .append(&token, &upload, 4_000, &[film.as_slice(), b"x"].concat())
        .await;
    reply.refused(413, "too_large");
    assert_eq!(t.head(&token, &upload).await.header("upload-offset"), "4000");
    let media = upload.replace("/uploads/", "/media/");
    let seen = t.get(&media, &token).await.expect(200);
    assert_eq!(
        (&seen.json["state"], &seen.json["received_bytes"]),
        (&json!("uploading"), &json!(4_000))
    );
    assert_eq!(seen.json["content_url"], Value::Null);
    t.append(&token, &upload, 4_000, &film[4_000..]).await.expect(204);
    let seen = t.get(&media, &token).await.expect(200);
    assert_eq!(
        [
            &seen.json["state"],
            &seen.json["kind"],
            &seen.json["content_type"],
            &seen.json["name"]
        ],
        [
            &json!("ready"),
            &json!("video"),
            &json!("video/mp4"),
            &json!("第一講.mp4")
        ]
    );
    assert_eq!(seen.text("/sha256"), hex::encode(sha2::Sha256::digest(&film)));
    let duration = seen.json["duration_s"].as_f64().unwrap();
    assert!((2.9..3.2).contains(&duration), "{duration}");
    assert_eq!(
        t.head(&token, &upload).await.header("upload-offset"),
        film.len().to_string()
    );
    let listed = t
        .get("/media?kind=video&state=ready&count=true", &token)
        .await
        .expect(200);
    assert_eq!(
        (listed.items()[0]["id"].as_str(), &listed.json["count"]),
        (seen.json["id"].as_str(), &json!(1))
    );
    Reply::of(t.tus(Method::DELETE, &upload, &token))
        .await
        .expect(204);
    t.get(&media, &token).await.refused(404, "not_found");
    assert_eq!(t.head(&token, &upload).await.status, 404);
    assert_eq!(files_in(&t), 0);
}

pub fn files_in(t: &TestApp) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return 0;
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }
    count(&t.app.config.media.folder)
}

#[actix_web::test]
async fn what_is_not_tus_is_refused_before_anything_happens() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, branch) = (&tenant.secretary_a, &tenant.branch_a);
    let create = |headers: Vec<(&'static str, String)>| {
        let request = t.tus(Method::POST, "/uploads", token);
        Reply::of(
            headers
                .into_iter()
                .fold(request, |request, (name, value)| request.header(name, value)),
        )
    };
    let good = metadata(branch, "a.mp4");
    let old = t
        .request(Method::POST, "/uploads", token)
        .header("tus-resumable", "0.2.2");
    let reply = Reply::of(old.header("upload-length", 5))
        .await
        .refused(412, "tus_version");
    assert_eq!(reply.json["tus_version"], "1.0.0");
    for headers in [
        vec![("upload-metadata", good.clone())],
        vec![("upload-length", "-1".into()), ("upload-metadata", good.clone())],
        vec![("upload-length", "x".into()), ("upload-metadata", good.clone())],
        vec![
            ("upload-defer-length", "1".into()),
            ("upload-metadata", good.clone()),
        ],
        vec![
            ("upload-length", "5".into()),
            ("upload-metadata", format!("{good},filename YQ==")),
        ],
        vec![
            ("upload-length", "5".into()),
            ("upload-metadata", "organization_id !".into()),
        ],
    ] {
        create(headers).await.refused(400, "bad_request");
    }
    let length = ("upload-length", "5".to_owned());
    create(vec![length.clone()]).await.refused(422, "invalid_fields");
    let huge = ("upload-length", (1i64 << 40).to_string());
    create(vec![huge, ("upload-metadata", good.clone())])
        .await
        .refused(413, "too_large");
    for foreign in [new_uuid(), tenant.branch_b.clone()] {
        let words = metadata(&foreign, "a.mp4");
        create(vec![length.clone(), ("upload-metadata", words)])
            .await
            .refused(404, "not_found");
    }
    // A plain member sees the branch and may not write there.
    t.create(&tenant.member_a, branch, 5)
        .await
        .refused(403, "forbidden");

    let upload = t.begin(token, branch, 5).await;
    let patch = |name: &'static str, value: &'static str| {
        let mut request = t.piece(token, &upload, 0, b"hello").build().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let http = t.http.clone();
        async move { Reply::of(RequestBuilder::from_parts(http, request)).await }
    };
    patch("tus-resumable", "2.0.0").await.refused(412, "tus_version");
    patch("content-type", "application/json")
        .await
        .refused(415, "unsupported_media_type");
    patch("content-encoding", "gzip")
        .await
        .refused(415, "unsupported_content_encoding");
    patch("upload-offset", "+0").await.refused(400, "bad_request");
    patch("upload-checksum", "md5 XUFAKrxLKna5cZ2REBfFkg==")
        .await
        .refused(400, "bad_request");
    patch("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .await
        .refused(460, "checksum_mismatch");
    assert_eq!(t.head(token, &upload).await.header("upload-offset"), "0");
    patch("upload-checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=")
        .await
        .expect(204);
    assert_eq!(t.head(token, &upload).await.header("upload-offset"), "5");
}

#[actix_web::test]
async fn an_upload_may_begin_with_its_creation_and_be_overridden_to() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, sound) = (&tenant.secretary_a, data("lesson.mp3"));
    let request = t
        .tus(Method::POST, "/uploads", token)
        .header("upload-length", sound.len())
        .header("upload-metadata", metadata(&tenant.branch_a, "../../etc/passwd"))
        .header("content-type", "application/offset+octet-stream")
        .body(sound[..100].to_vec());
    let begun = Reply::of(request).await.expect(201);
    assert_eq!(begun.header("upload-offset"), "100");
    let upload = begun.header("location").strip_prefix("/api/v1").unwrap();
    let other = t
        .tus(Method::POST, upload, token)
        .header("x-http-method-override", "PUT");
    Reply::of(other).await.refused(400, "bad_request");
    let request = t
        .tus(Method::POST, upload, token)
        .header("x-http-method-override", "PATCH")
        .header("upload-offset", 100)
        .header("content-type", "application/offset+octet-stream")
        .body(sound[100..].to_vec());
    Reply::of(request).await.expect(204);
    let seen = t
        .get(&upload.replace("/uploads/", "/media/"), token)
        .await
        .expect(200);
    assert_eq!(
        (&seen.json["kind"], &seen.json["name"]),
        (&json!("audio"), &json!("passwd"))
    );
    let request = t
        .tus(Method::POST, upload, token)
        .header("x-http-method-override", "DELETE");
    Reply::of(request).await.expect(204);
    // One that is damaged at once leaves nothing behind.
    let request = t
        .tus(Method::POST, "/uploads", token)
        .header("upload-length", 5)
        .header("upload-metadata", metadata(&tenant.branch_a, "x"))
        .header("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .header("content-type", "application/offset+octet-stream")
        .body("hello");
    Reply::of(request).await.refused(460, "checksum_mismatch");
    assert_eq!(t.get("/media", token).await.expect(200).items().len(), 0);
}

#[actix_web::test]
async fn an_upload_belongs_to_whoever_began_it() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (mine, other) = (
        lecturer(&t, &tenant, &tenant.branch_a).await,
        lecturer(&t, &tenant, &tenant.branch_a).await,
    );
    let upload = t.begin(&mine, &tenant.branch_a, 5).await;
    for (token, status) in [
        (&other, 403),
        (&tenant.inspector, 403),
        (&tenant.member_a, 404),
        (&tenant.secretary_b, 404),
    ] {
        assert_eq!(t.head(token, &upload).await.status, status);
        assert_eq!(t.append(token, &upload, 0, b"hello").await.status, status);
        assert_eq!(
            Reply::of(t.tus(Method::DELETE, &upload, token)).await.status,
            status
        );
    }
    assert_eq!(t.get("/media", &other).await.expect(200).items().len(), 1);
    assert_eq!(
        t.get("/media", &tenant.secretary_b)
            .await
            .expect(200)
            .items()
            .len(),
        0
    );
    t.append(&tenant.admin, &upload, 0, b"hello").await.expect(204);
}

#[actix_web::test]
async fn an_upload_that_is_left_expires_and_its_room_is_free() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let token = &tenant.secretary_a;
    let upload = t.begin(token, &tenant.branch_a, 10).await;
    t.advance_s(86_000);
    t.append(token, &upload, 0, b"hello").await.expect(204);
    t.advance_s(86_000);
    assert_eq!(
        t.head(token, &upload).await.expect(200).header("upload-offset"),
        "5"
    );
    t.advance_s(401);
    let gone = t.head(token, &upload).await.expect(410);
    assert_eq!(
        (gone.header("upload-offset"), gone.header("tus-resumable")),
        ("", "1.0.0")
    );
    t.append(token, &upload, 5, b"world")
        .await
        .refused(410, "upload_expired");
    assert_eq!(files_in(&t), 1);
    t.app.media.sweep().await.unwrap();
    assert_eq!(files_in(&t), 0);
    t.append(token, &upload, 5, b"world")
        .await
        .refused(410, "upload_expired");
    let seen = t
        .get(&upload.replace("/uploads/", "/media/"), token)
        .await
        .expect(200);
    assert_eq!(seen.json["state"], "expired");
}

#[actix_web::test]
async fn of_ten_who_begin_at_once_those_get_in_whose_files_fit() {
    let t = TestApp::start_with(|config| config.media.quota_bytes = 3_500).await;
    let tenant = t.tenant().await;
    // Both branches of one tree share its room.
    let all = (0..10).map(|n| {
        let (token, branch) = match n % 2 {
            0 => (&tenant.secretary_a, &tenant.branch_a),
            _ => (&tenant.secretary_b, &tenant.branch_b),
        };
        t.create(token, branch, 1_000)
    });
    let (made, refused): (Vec<_>, Vec<_>) = join_all(all)
        .await
        .into_iter()
        .partition(|reply| reply.status == 201);
    assert_eq!(made.len(), 3);
    for reply in refused {
        let reply = reply.refused(413, "media_quota_exceeded");
        assert_eq!(
            (&reply.json["quota_bytes"], &reply.json["used_bytes"]),
            (&json!(3_500), &json!(3_000))
        );
    }
    let one = made[0].header("location").strip_prefix("/api/v1").unwrap();
    Reply::of(t.tus(Method::DELETE, one, &tenant.admin))
        .await
        .expect(204);
    t.create(&tenant.secretary_a, &tenant.branch_a, 1_500)
        .await
        .expect(201);
    t.create(&tenant.secretary_a, &tenant.branch_a, 1)
        .await
        .refused(413, "media_quota_exceeded");
    // Another tree has its own.
    let theirs = t.tenant().await;
    t.create(&theirs.secretary_a, &theirs.branch_a, 3_500)
        .await
        .expect(201);
}

#[actix_web::test]
async fn hostile_files_are_refused_and_their_bytes_go() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, film) = (&tenant.secretary_a, data("lesson.mp4"));
    let mut claims = film.clone();
    let table = claims.windows(4).position(|part| part == b"stsz").unwrap();
    claims[table + 12..table + 16].copy_from_slice(&u32::MAX.to_be_bytes());
    let moov = film.windows(4).position(|part| part == b"moov").unwrap();
    let mut huge = film.clone();
    huge[moov - 4..moov].copy_from_slice(&(20u32 << 20).to_be_bytes());
    huge.resize(moov + (20 << 20), 0);
    let wide = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\x01\0\0\0\x01\0\0\x08\x06\0\0\0".to_vec();
    let page = [b"\xFF\xD8\xFF".as_slice(), b"<html><script>alert(1)</script>"].concat();
    for (bytes, refusal) in [
        (Vec::new(), "media_unreadable"),
        (film[..film.len() - 100].to_vec(), "media_unreadable"),
        (claims, "media_unreadable"),
        (huge, "media_unreadable"),
        (page, "media_unreadable"),
        (
            b"\x1A\x45\xDF\xA3\x42\x82\x84webm and no more".to_vec(),
            "media_unreadable",
        ),
        (
            [b"PK\x03\x04", vec![0; 5_000].as_slice()].concat(),
            "media_type_not_allowed",
        ),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(),
            "media_type_not_allowed",
        ),
        (b"#!/bin/sh\n".to_vec(), "media_type_not_allowed"),
        (wide, "media_too_large"),
    ] {
        let seen = t.upload(token, &tenant.branch_a, &bytes).await;
        assert_eq!(
            seen.json["refusal"],
            refusal,
            "{:?}",
            &bytes[..bytes.len().min(20)]
        );
        assert_eq!(
            (&seen.json["state"], &seen.json["content_url"]),
            (&json!("refused"), &Value::Null)
        );
    }
    assert_eq!(files_in(&t), 0);
    // What is two things at once is served as the one that its first bytes say, and as nothing else.
    let both = [
        data("poster.jpg").as_slice(),
        b"<script>alert(1)</script>PK\x03\x04",
    ]
    .concat();
    let seen = t.upload(token, &tenant.branch_a, &both).await;
    assert_eq!(
        (&seen.json["state"], &seen.json["kind"]),
        (&json!("ready"), &json!("image"))
    );
    let read = t.get(&t.here(&seen.text("/content_url")), "").await.expect(200);
    assert_eq!(
        (read.header("content-type"), read.header("x-content-type-options")),
        ("image/jpeg", "nosniff")
    );
}

#[actix_web::test]
async fn a_file_is_read_in_parts_byte_for_byte() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for name in ["lesson.mp4", "lesson.mp3", "lesson.webm", "lesson.m4a"] {
        let bytes = data(name);
        let seen = t.upload(&tenant.secretary_a, &tenant.branch_a, &bytes).await;
        let address = t.here(&seen.text("/content_url"));
        let tag = format!("\"{}\"", seen.text("/sha256"));
        let read = |method: Method, headers: Vec<(&'static str, String)>| {
            let request = t
                .request(method, &address, "")
                .header("accept-encoding", "gzip, br");
            Reply::of(
                headers
                    .into_iter()
                    .fold(request, |request, (name, value)| request.header(name, value)),
            )
        };
        let whole = read(Method::GET, vec![]).await.expect(200);
        assert!(whole.bytes == bytes, "{name}");
        assert_eq!(
            [
                whole.header("etag"),
                whole.header("accept-ranges"),
                whole.header("content-encoding")
            ],
            [tag.as_str(), "bytes", ""]
        );
        assert!(whole.header("cache-control").starts_with("private, max-age="));
        assert_eq!(whole.header("content-length"), bytes.len().to_string());
        let (mut glued, step) = (Vec::new(), 1_000);
        for from in (0..bytes.len()).step_by(step) {
            let range = format!("bytes={from}-{}", from + step - 1);
            let part = read(Method::GET, vec![("range", range), ("if-range", tag.clone())])
                .await
                .expect(206);
            let to = (from + step).min(bytes.len()) - 1;
            assert_eq!(
                part.header("content-range"),
                format!("bytes {from}-{to}/{}", bytes.len())
            );
            glued.extend(part.bytes);
        }
        assert!(glued == bytes, "{name}");
        let tail = read(Method::GET, vec![("range", "bytes=-7".into())])
            .await
            .expect(206);
        assert_eq!(tail.bytes, bytes[bytes.len() - 7..]);
        for whole in ["bytes=0-1,5-9", "bytes=9-1", "pages=1-2"] {
            let reply = read(Method::GET, vec![("range", whole.into())]).await.expect(200);
            assert!(reply.bytes == bytes);
        }
        let changed = vec![("range", "bytes=0-1".into()), ("if-range", "\"other\"".into())];
        assert_eq!(
            read(Method::GET, changed).await.expect(200).bytes.len(),
            bytes.len()
        );
        let behind = read(Method::GET, vec![("range", format!("bytes={}-", bytes.len()))]).await;
        let behind = behind.refused(416, "range_not_satisfiable");
        assert_eq!(behind.header("content-range"), format!("bytes */{}", bytes.len()));
        let known = read(Method::GET, vec![("if-none-match", format!("\"x\", {tag}"))])
            .await
            .expect(304);
        assert_eq!((known.header("etag"), known.bytes.len()), (tag.as_str(), 0));
        let head = read(Method::HEAD, vec![]).await.expect(200);
        assert_eq!(
            (head.header("content-length"), head.bytes.len()),
            (whole.header("content-length"), 0)
        );
        let head = read(Method::HEAD, vec![("range", "bytes=5-14".into())])
            .await
            .expect(206);
        assert_eq!(head.header("content-length"), "10");
    }
}

#[actix_web::test]
async fn an_address_is_good_for_one_file_one_session_and_a_while() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let account = format!("lecturer-{}", tenant.mark);
    let body = crate::support::member_body(&tenant.branch_a, "講師", &account);
    let member = t.post("/members", &tenant.admin, body).await.expect(201).id();
    let role = json!({ "member_id": member, "role": "lecturer" });
    t.post(
        &format!("/organizations/{}/roles", tenant.branch_a),
        &tenant.system,
        role,
    )
    .await
    .expect(201);
    t.give_password(zhibu::auth::AccountId(member.parse().unwrap()))
        .await;
    let token = t.login(&account).await;
    let seen = t.upload(&token, &tenant.branch_a, &data("lesson.mp3")).await;
    let other = t.upload(&token, &tenant.branch_a, &data("poster.jpg")).await;
    let address = t.here(&seen.text("/content_url"));
    // The same member in the same hour gets the same address, so what polls keeps its tag.
    let again = t.get(&format!("/media/{}", seen.id()), &token).await;
    assert_eq!(t.here(&again.text("/content_url")), address);
    assert_eq!(again.header("etag"), seen.header("etag"));
    t.get(&address, "").await.expect(200);
    let (bare, ticket) = address.split_once("?ticket=").unwrap();
    let turned: String = ticket.chars().rev().collect();
    for forged in [
        bare.to_owned(),
        format!("{bare}?ticket="),
        format!("{bare}?ticket={turned}"),
        format!("{bare}?ticket={}", &ticket[..74]),
        address.replace(&seen.id(), &other.id()),
        address.replace(&seen.id(), &new_uuid()),
    ] {
        t.get(&forged, "").await.refused(404, "not_found");
        // A token is no ticket.
        t.get(&forged, &tenant.admin).await.refused(404, "not_found");
    }
    t.get(&format!("{address}&x=1"), "")
        .await
        .refused(422, "invalid_fields");
    t.advance_s(14_399);
    t.get(&address, "").await.expect(200);
    t.advance_s(3_601);
    t.get(&address, "").await.refused(410, "media_url_expired");

    // Signed out: within a moment, here at once. Another session of the same member goes on.
    let (token, other) = (t.login(&account).await, t.login(&account).await);
    let path = format!("/media/{}", seen.id());
    let address = t.here(&t.get(&path, &token).await.expect(200).text("/content_url"));
    let theirs = t.here(&t.get(&path, &other).await.expect(200).text("/content_url"));
    assert_ne!(address, theirs);
    t.get(&address, "").await.expect(200);
    t.act("/auth/logout", &token).await.expect(204);
    t.get(&address, "").await.refused(410, "media_url_expired");
    t.get(&theirs, "").await.expect(200);
    // It is remembered for as long as the address would hold, by a process that was not there as well.
    t.advance_s(13_000);
    t.app.auth.catch_up(&t.app.db, &t.app.clock).await.unwrap();
    t.get(&address, "").await.refused(410, "media_url_expired");
    t.get(&theirs, "").await.expect(200);
    let (replica, handle) = t.replica().await;
    for (address, status) in [(&address, 410), (&theirs, 200)] {
        t.get(&address.replace(&t.url, &replica), "").await.expect(status);
    }
    handle.stop(false).await;
}

#[actix_web::test]
async fn a_proxy_in_front_may_send_the_bytes_and_the_right_is_still_ours_to_judge() {
    let t = TestApp::start_with(|config| config.media.x_accel_prefix = Some("/_media/".into())).await;
    let tenant = t.tenant().await;
    let seen = t
        .upload(&tenant.secretary_a, &tenant.branch_a, &data("lesson.mp4"))
        .await;
    let address = t.here(&seen.text("/content_url"));
    let reply = t.get(&address, "").await.expect(200);
    let place = format!("/_media/{}/{}", tenant.root, seen.id());
    assert_eq!(
        (reply.header("x-accel-redirect"), reply.bytes.len()),
        (place.as_str(), 0)
    );
    assert_eq!(reply.header("content-type"), "video/mp4");
    let file = t
        .app
        .config
        .media
        .folder
        .join("files")
        .join(place.trim_start_matches("/_media/"));
    assert!(std::fs::read(file).unwrap() == data("lesson.mp4"));
    let forged = address.replace("ticket=", "ticket=A");
    assert_eq!(
        t.get(&forged, "")
            .await
            .refused(404, "not_found")
            .header("x-accel-redirect"),
        ""
    );
}

/// What a phone sends, on a connection of its own, up to where it is cut.
async fn half_a_request(
    t: &TestApp,
    token: &str,
    upload: &str,
    offset: usize,
    whole: &[u8],
    sent: usize,
) -> TcpStream {
    let mut stream = TcpStream::connect(t.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let head = format!(
        "PATCH /api/v1{upload} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ntus-resumable: 1.0.0\r\n\
         upload-offset: {offset}\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: {}\r\n\r\n",
        whole.len() - offset
    );
    // In one piece: what comes back at once finds all of it or nothing.
    let request = [head.as_bytes(), &whole[offset..offset + sent]].concat();
    stream.write_all(&request).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// Until so many bytes of the request have reached the server's own file.
async fn arrived(t: &TestApp, token: &str, upload: &str, least: usize) -> usize {
    loop {
        let offset: usize = t
            .head(token, upload)
            .await
            .expect(200)
            .header("upload-offset")
            .parse()
            .unwrap();
        if offset >= least {
            return offset;
        }
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn what_arrived_before_the_connection_was_lost_is_kept() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, film) = (&tenant.secretary_a, data("lesson.mp4"));
    let upload = t.begin(token, &tenant.branch_a, film.len()).await;
    // Cut: the client is gone.
    let stream = half_a_request(&t, token, &upload, 0, &film, 3_000).await;
    drop(stream);
    assert_eq!(arrived(&t, token, &upload, 1).await, 3_000);
    // Hanging: the client came back on another connection, the old one was never closed.
    let hanging = half_a_request(&t, token, &upload, 3_000, &film, 2_000).await;
    assert_eq!(arrived(&t, token, &upload, 3_001).await, 5_000);
    drop(hanging);
    // What cannot be verified is not kept.
    let mut stream = TcpStream::connect(t.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let head = format!(
        "PATCH /api/v1{upload} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ntus-resumable: 1.0.0\r\n\
         upload-offset: 5000\r\nupload-checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: 2000\r\n\r\n"
    );
    let request = [head.as_bytes(), &film[5_000..6_000]].concat();
    stream.write_all(&request).await.unwrap();
    drop(stream);
    // As a client does: HEAD, PATCH, and again for as long as it is told that somebody else writes.
    while {
        assert_eq!(arrived(&t, token, &upload, 0).await, 5_000);
        t.append(token, &upload, 5_000, &film[5_000..]).await.status == 423
    } {}
    let seen = t
        .get(&upload.replace("/uploads/", "/media/"), token)
        .await
        .expect(200);
    assert_eq!(seen.text("/sha256"), hex::encode(sha2::Sha256::digest(&film)));
}

#[actix_web::test]
async fn one_request_writes_at_a_time_and_one_without_bytes_ends() {
    let t = TestApp::start_with(|config| config.media.idle = std::time::Duration::from_secs(2)).await;
    let tenant = t.tenant().await;
    let (token, film) = (&tenant.secretary_a, data("lesson.mp4"));
    let upload = t.begin(token, &tenant.branch_a, film.len()).await;
    t.append(token, &upload, 0, b"").await.expect(204);
    // As another process does that writes to it.
    let id = upload.rsplit('/').next().unwrap();
    let part = t
        .app
        .config
        .media
        .folder
        .join("uploads")
        .join(format!("{id}.part"));
    let other = std::fs::File::open(part).unwrap();
    other.try_lock().unwrap();
    let reply = t
        .append(token, &upload, 0, &film)
        .await
        .refused(423, "upload_locked");
    assert_eq!(reply.header("tus-resumable"), "1.0.0");
    drop(other);
    let mut slow = half_a_request(&t, token, &upload, 0, &film, 3_000).await;
    let mut answer = vec![0; 4_096];
    let n = slow.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(
        text.starts_with("HTTP/1.1 408") && text.contains("\"offset\":3000"),
        "{text}"
    );
    assert_eq!(t.head(token, &upload).await.header("upload-offset"), "3000");
}

/// As a process leaves all files that ends between the last byte and the answer.
async fn break_checks_off(t: &TestApp) {
    let again = "UPDATE media_files SET state = 'checking', kind = NULL, sha256 = NULL";
    t.app
        .db
        .write(move |conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query(again), conn)?))
        .await
        .unwrap();
}

/// Where the bytes of a file lie that was found good.
fn stored(t: &TestApp, tenant: &Tenant, id: &str) -> PathBuf {
    let folder = &t.app.config.media.folder;
    folder.join("files").join(&tenant.root).join(id)
}

#[actix_web::test]
async fn a_check_that_was_broken_off_is_done_again() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let seen = t
        .upload(&tenant.secretary_a, &tenant.branch_a, &data("lesson.mp3"))
        .await;
    let id = seen.id();
    // Its file has been moved, or not.
    let root = t.app.config.media.folder.clone();
    let (stored, part) = (
        stored(&t, &tenant, &id),
        root.join("uploads").join(format!("{id}.part")),
    );
    for moved_back in [false, true] {
        if moved_back {
            std::fs::rename(&stored, &part).unwrap();
        }
        break_checks_off(&t).await;
        t.app.media.resume_checks().await.unwrap();
        let now = t
            .get(&format!("/media/{id}"), &tenant.secretary_a)
            .await
            .expect(200);
        assert_eq!(
            (&now.json["state"], &now.json["sha256"]),
            (&json!("ready"), &seen.json["sha256"])
        );
        assert!(stored.exists() && !part.exists());
    }
}

#[actix_web::test]
async fn a_file_that_cannot_be_checked_keeps_no_other_waiting_and_is_given_up_after_a_day() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let ids: [_; 2] = some_lessons(&t, &tenant).await;
    // The bytes of the first are nowhere, as after a restore.
    let lost = stored(&t, &tenant, &ids[0]);
    std::fs::remove_file(lost).unwrap();
    break_checks_off(&t).await;
    t.app.media.resume_checks().await.unwrap();
    let seen = async |id: &String| {
        let seen = t.get(&format!("/media/{id}"), &tenant.secretary_a).await;
        seen.expect(200).json
    };
    assert_eq!(
        (&seen(&ids[0]).await["state"], &seen(&ids[1]).await["state"]),
        (&json!("checking"), &json!("ready"))
    );
    t.advance_s(86_400);
    t.app.media.resume_checks().await.unwrap();
    let lost = seen(&ids[0]).await;
    assert_eq!(
        (&lost["state"], &lost["refusal"]),
        (&json!("refused"), &json!("media_unreadable")),
        "{lost}"
    );
}

async fn some_lessons<const N: usize>(t: &TestApp, tenant: &Tenant) -> [String; N] {
    let file = data("lesson.mp3");
    let mut ids = [const { String::new() }; N];
    for id in &mut ids {
        *id = t.upload(&tenant.secretary_a, &tenant.branch_a, &file).await.id();
    }
    ids
}

#[actix_web::test]
async fn a_file_that_cannot_be_removed_keeps_no_other() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let ids = some_lessons(&t, &tenant).await;
    let [one, stuck, other] = ids.each_ref().map(|id| stored(&t, &tenant, id));
    // Nothing that removes files removes a folder.
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir(&stuck).unwrap();
    let deleted = "UPDATE media_files SET deleted_at = created_at";
    t.app
        .db
        .write(move |conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query(deleted), conn)?))
        .await
        .unwrap();
    t.app.media.sweep().await.unwrap();
    assert_eq!(
        (one.exists(), stuck.exists(), other.exists()),
        (false, true, false)
    );
    std::fs::remove_dir(&stuck).unwrap();
    std::fs::write(&stuck, "x").unwrap();
    t.app.media.sweep().await.unwrap();
    assert!(!stuck.exists());
}

/// Two servers begin with what a third one left between moving a file and saying so; the one that comes too late leaves
/// the bytes alone.
#[actix_web::test]
async fn of_two_checks_of_one_file_neither_takes_its_bytes_away() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let seen = t
        .upload(&tenant.secretary_a, &tenant.branch_a, &data("lesson.mp3"))
        .await;
    let stored = stored(&t, &tenant, &seen.id());
    for _ in 0..10 {
        break_checks_off(&t).await;
        let (one, two) = futures_util::join!(t.app.media.resume_checks(), t.app.media.resume_checks());
        one.unwrap();
        two.unwrap();
        let now = t
            .get(&format!("/media/{}", seen.id()), &tenant.secretary_a)
            .await
            .expect(200);
        assert_eq!((&now.json["state"], stored.exists()), (&json!("ready"), true));
    }
}
