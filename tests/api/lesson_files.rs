//! Lessons that are played: which files they may have, what members get of them, and what a phone takes along.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::Digest;

use crate::media::data;
use crate::support::{Reply, Tenant, TestApp, new_uuid};

const SUBTITLES: &[u8] = "WEBVTT\n\n00:00.000 --> 00:02.000\n同志們好\n".as_bytes();

async fn file(t: &TestApp, token: &str, organization: &str, bytes: &[u8]) -> String {
    let seen = t.upload(token, organization, bytes).await;
    assert_eq!(seen.json["state"], "ready", "{}", seen.json);
    seen.id()
}

fn film(tenant: &Tenant, change: Value) -> Value {
    let mut body = json!({ "organization_id": tenant.branch_a, "kind": "video", "title": "五分鐘微黨課" });
    body.as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    body
}

async fn published(t: &TestApp, tenant: &Tenant, body: Value) -> String {
    let lesson = t
        .post("/lessons", &tenant.secretary_a, body)
        .await
        .expect(201)
        .id();
    for what in ["submit", "publish"] {
        t.act(&format!("/lessons/{lesson}/{what}"), &tenant.secretary_a)
            .await
            .expect(200);
    }
    lesson
}

#[actix_web::test]
async fn a_film_is_published_with_its_files_and_played_by_members() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, branch) = (&tenant.secretary_a, &tenant.branch_a);
    let bytes = data("lesson.mp4");
    let (video, poster) = (
        file(&t, token, branch, &bytes).await,
        file(&t, token, branch, &data("poster.jpg")).await,
    );
    let subtitles = file(&t, token, branch, SUBTITLES).await;
    let paper = file(&t, token, branch, b"%PDF-1.4\n%%EOF\n").await;
    let lesson = t
        .post("/lessons", token, film(&tenant, json!({})))
        .await
        .expect(201)
        .id();
    let path = format!("/lessons/{lesson}");
    t.act(&format!("{path}/submit"), token)
        .await
        .refused(409, "lesson_incomplete");
    let change = json!({
        "media_id": video, "poster_id": poster, "attachments": [paper],
        "subtitles": [{ "language": "zh-Hant", "media_id": subtitles }],
    });
    let changed = t.patch(&path, token, "*", change.clone()).await.expect(200);
    assert_eq!(changed.json["working_copy"]["subtitles"], change["subtitles"]);
    let same = t.patch(&path, token, "*", change).await.expect(200);
    assert_eq!(same.json["version"], changed.json["version"]);
    t.act(&format!("{path}/submit"), token).await.expect(200);
    let written = t.act(&format!("{path}/publish"), token).await.expect(200);
    // What is kept for a repeat holds no address.
    assert_eq!(written.json["published"]["files"][0]["url"], Value::Null);

    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    let duration = seen.json["published"]["duration_s"].as_f64().unwrap();
    assert!((2.9..3.2).contains(&duration), "{duration}");
    let files = seen.json["published"]["files"].as_array().unwrap();
    let roles: Vec<_> = files.iter().map(|file| file["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["media", "poster", "subtitles", "attachment"]);
    assert_eq!(files[2]["language"], "zh-Hant");
    for (file, bytes) in files
        .iter()
        .zip([bytes.as_slice(), &data("poster.jpg"), SUBTITLES])
    {
        // As a <video> tag asks: no token.
        let address = t.here(file["url"].as_str().unwrap());
        let read = t.get(&address, "").await.expect(200);
        assert!(read.bytes == bytes);
        assert_eq!(file["sha256"], hex::encode(sha2::Sha256::digest(bytes)));
        assert_eq!(
            read.header("content-type"),
            file["content_type"].as_str().unwrap()
        );
    }
    let paper = t
        .get(&t.here(files[3]["url"].as_str().unwrap()), "")
        .await
        .expect(200);
    assert!(paper.header("content-disposition").starts_with("attachment; "));
    // Nothing has changed: a phone that polls is told so.
    let request = t
        .request(Method::GET, &path, &tenant.member_a)
        .header("if-none-match", seen.header("etag"));
    Reply::of(request).await.expect(304);
    let listed = t.get("/lessons", &tenant.member_a).await.expect(200);
    assert_eq!(listed.items()[0]["published"].get("files"), None);
    t.get(&path, &tenant.member_b).await.refused(404, "not_found");

    let offline = format!("{path}/offline");
    let taken = t.get(&offline, &tenant.member_a).await.expect(200);
    assert_eq!(
        (&taken.json["version"]["number"], &taken.json["kind"]),
        (&json!(1), &json!("video"))
    );
    let total: i64 = files
        .iter()
        .map(|file| file["size_bytes"].as_i64().unwrap())
        .sum();
    assert_eq!(taken.json["size_bytes"], total);
    assert_eq!(taken.json["version"]["files"], seen.json["published"]["files"]);
    let request = t
        .request(Method::GET, &offline, &tenant.member_a)
        .header("if-none-match", taken.header("etag"));
    Reply::of(request).await.expect(304);
    t.get(&offline, &tenant.member_b).await.refused(404, "not_found");
}

#[actix_web::test]
async fn a_file_that_a_version_was_published_with_stays() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (token, branch) = (&tenant.secretary_a, &tenant.branch_a);
    let (first, second) = (
        file(&t, token, branch, &data("lesson.mp4")).await,
        file(&t, token, branch, &data("fragmented.mp4")).await,
    );
    let poster = file(&t, token, branch, &data("poster.jpg")).await;
    let lesson = published(
        &t,
        &tenant,
        film(&tenant, json!({ "media_id": first, "poster_id": poster })),
    )
    .await;
    let path = format!("/lessons/{lesson}");
    let edited = t
        .patch(
            &path,
            token,
            "*",
            json!({ "media_id": second, "poster_id": null }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&edited.json["status"], &edited.json["working_copy"]["poster_id"]),
        (&json!("draft"), &Value::Null)
    );
    // Members go on with the first version until the second is published.
    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(seen.json["published"]["files"][0]["media_id"], json!(first));
    for used in [&first, &second, &poster] {
        t.delete(&format!("/media/{used}"), token)
            .await
            .refused(409, "media_in_use");
        let request = t.tus(Method::DELETE, &format!("/uploads/{used}"), token);
        Reply::of(request).await.refused(409, "media_in_use");
    }
    t.patch(&path, token, "*", json!({ "media_id": null }))
        .await
        .expect(200);
    t.act(&format!("{path}/submit"), token)
        .await
        .refused(409, "lesson_incomplete");
    t.delete(&format!("/media/{second}"), token).await.expect(204);
    t.delete(&format!("/media/{first}"), token)
        .await
        .refused(409, "media_in_use");
}

#[actix_web::test]
async fn only_a_fitting_file_of_ones_own_sight_goes_with_a_lesson() {
    let t = TestApp::start().await;
    let (tenant, theirs) = (t.tenant().await, t.tenant().await);
    let token = &tenant.secretary_a;
    let (video, sound, poster) = (
        file(&t, token, &tenant.branch_a, &data("lesson.mp4")).await,
        file(&t, token, &tenant.branch_a, &data("lesson.mp3")).await,
        file(&t, token, &tenant.branch_a, &data("poster.jpg")).await,
    );
    let sibling = file(&t, &tenant.secretary_b, &tenant.branch_b, &data("lesson.mp4")).await;
    let foreign = file(&t, &theirs.secretary_a, &theirs.branch_a, &data("lesson.mp4")).await;
    let refused = t.upload(token, &tenant.branch_a, b"PK\x03\x04").await.id();
    let create = |change: Value| t.post("/lessons", token, film(&tenant, change));
    for other in [&sibling, &foreign, &new_uuid()] {
        create(json!({ "media_id": other }))
            .await
            .refused(404, "not_found");
        create(json!({ "attachments": [other] }))
            .await
            .refused(404, "not_found");
    }
    create(json!({ "media_id": refused }))
        .await
        .refused(409, "media_not_ready");
    let subtitles = |language: &str, id: &str| json!({ "language": language, "media_id": id });
    for (change, field, code) in [
        (json!({ "media_id": sound }), "/media_id", "wrong_kind"),
        (json!({ "media_id": poster }), "/media_id", "wrong_kind"),
        (json!({ "poster_id": video }), "/poster_id", "wrong_kind"),
        (
            json!({ "kind": "article", "media_id": video }),
            "/media_id",
            "wrong_kind",
        ),
        (
            json!({ "kind": "audio", "media_id": video }),
            "/media_id",
            "wrong_kind",
        ),
        (
            json!({ "subtitles": [subtitles("zh", &poster)] }),
            "/subtitles",
            "wrong_kind",
        ),
        (
            json!({ "subtitles": [subtitles("中文", &poster)] }),
            "/subtitles/0/language",
            "malformed",
        ),
        (
            json!({ "subtitles": [subtitles("zh", &poster), subtitles("ZH", &poster)] }),
            "/subtitles/1/language",
            "repeated",
        ),
        (
            json!({ "attachments": [poster, poster] }),
            "/attachments",
            "repeated",
        ),
        (
            json!({ "attachments": vec![poster.clone(); 21] }),
            "/attachments",
            "too_many",
        ),
    ] {
        let reply = create(change).await.refused(422, "invalid_fields");
        let error = &reply.json["errors"][0];
        assert_eq!(
            (error["field"].as_str(), error["code"].as_str()),
            (Some(field), Some(code))
        );
    }
    // The committee's own may be used by whoever sees them: its admin, below it as well.
    let ours = file(&t, &tenant.admin, &tenant.root, &data("lesson.mp4")).await;
    create(json!({ "media_id": ours }))
        .await
        .refused(404, "not_found");
    t.post(
        "/lessons",
        &tenant.admin,
        film(&tenant, json!({ "media_id": ours })),
    )
    .await
    .expect(201);
    create(json!({ "kind": "audio", "media_id": sound, "poster_id": poster }))
        .await
        .expect(201);
}

/// From the upload to the completion: what counts is as long as the file itself tells, on two phones, with the rest lost and
/// sent again.
#[actix_web::test]
async fn an_uploaded_film_is_studied_to_its_own_end() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for name in ["lesson.mp4", "lesson.mp3"] {
        let kind = if name.ends_with("mp3") { "audio" } else { "video" };
        let media = file(&t, &tenant.secretary_a, &tenant.branch_a, &data(name)).await;
        let lesson = published(
            &t,
            &tenant,
            film(&tenant, json!({ "kind": kind, "media_id": media })),
        )
        .await;
        let path = format!("/lessons/{lesson}/progress");
        let report =
            |played: Value| json!({ "session_id": new_uuid(), "played": played, "occurred_at": t.in_s(0) });
        t.advance_s(60);
        let first = report(json!([[0.0, 1.5], [90.0, 100.0]]));
        let told = t.put(&path, &tenant.member_a, first.clone()).await.expect(200);
        assert_eq!(told.json["accepted"], json!([[0.0, 1.5]]), "{}", told.json);
        assert_eq!(told.json["rejected"][0]["code"], "beyond_end");
        assert_eq!(told.json["completed"], false);
        let other = report(json!([[1.0, 4.0]]));
        let told = t.put(&path, &tenant.member_a, other).await.expect(200);
        assert_eq!(
            (&told.json["completed"], &told.json["coverage"]),
            (&json!(true), &json!(1.0))
        );
        let again = t.put(&path, &tenant.member_a, first).await.expect(200);
        assert_eq!(again.json["covered_s"], told.json["duration_s"]);
    }
}
