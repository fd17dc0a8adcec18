//! Members over HTTP: create, edit, transfer, deactivate, lists and exports, the roster import, activation codes.

use reqwest::Method;
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};
use zhibu::platform::sheet::{SheetLimits, read_sheet};

use crate::support::{Reply, Tenant, TestApp, member_body, new_uuid};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
pub const ROSTER: &str = "姓名,手机,工号,党员类别,所在支部,备注\r\n\
    张三,138 0000 0001,a01,正式党员,第一黨支部,x\r\n\
    李四,+86-13800000002,A02,预备党员,第二黨支部,\r\n\
    王　五,13800000003,,,,\r\n";

async fn import(
    t: &TestApp,
    token: &str,
    organization: &str,
    dry_run: bool,
    kind: &str,
    file: Vec<u8>,
) -> Reply {
    let path = format!("/members/imports?organization_id={organization}&dry_run={dry_run}");
    Reply::of(
        t.request(Method::POST, &path, token)
            .header("content-type", kind)
            .body(file),
    )
    .await
}

async fn count(t: &TestApp, tenant: &Tenant) -> usize {
    t.get("/members?limit=200", &tenant.admin)
        .await
        .expect(200)
        .items()
        .len()
}

fn counts(reply: &Reply) -> (i64, i64, i64) {
    let number = |name: &str| reply.json[name].as_i64().unwrap();
    (number("created"), number("updated"), number("unchanged"))
}

fn xlsx(rows: &[&[&str]]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (r, row) in rows.iter().enumerate() {
        for (c, text) in row.iter().enumerate() {
            sheet
                .write_string(u32::try_from(r).unwrap(), u16::try_from(c).unwrap(), *text)
                .unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

#[actix_web::test]
async fn a_member_is_created_once_and_edited_by_version() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({ "name": "張　三", "organization_id": tenant.branch_a, "phone": "+86 138-0000-9999",
        "employee_no": "e17", "standing": "probationary", "standing_since": "2026-01-01" });
    let key = new_uuid();
    let send = || {
        t.request(Method::POST, "/members", &tenant.secretary_a)
            .header("idempotency-key", &key)
            .json(&body)
    };
    let made = Reply::of(send()).await.expect(201);
    assert_eq!(
        (made.text("/name"), made.text("/phone")),
        ("張三".into(), "13800009999".into())
    );
    assert_eq!(made.text("/employee_no"), "E17");
    assert_eq!(made.header("location"), format!("/api/v1/members/{}", made.id()));
    assert_eq!(Reply::of(send()).await.expect(201).id(), made.id());
    t.post("/members", &tenant.secretary_a, body.clone())
        .await
        .refused(409, "phone_taken");

    let path = format!("/members/{}", made.id());
    t.patch(&path, &tenant.secretary_a, "", json!({ "name": "x" }))
        .await
        .refused(428, "version_required");
    let tag = t
        .get(&path, &tenant.secretary_a)
        .await
        .expect(200)
        .header("etag")
        .to_owned();
    let change = json!({ "standing": "full", "standing_since": "2026-11-01", "phone": null });
    let changed = t
        .patch(&path, &tenant.secretary_a, &tag, change.clone())
        .await
        .expect(200);
    assert_eq!(
        (changed.text("/standing"), changed.text("/standing_since")),
        ("full".into(), "2026-11-01".into())
    );
    assert!(changed.json["phone"].is_null());
    t.patch(&path, &tenant.secretary_a, &tag, change)
        .await
        .refused(412, "version_mismatch");
    let early = json!({ "standing": "guest", "standing_since": "2020-01-01" });
    t.patch(&path, &tenant.secretary_a, "*", early)
        .await
        .refused(422, "invalid_fields");
    let future = json!({ "standing_since": "2026-11-25" });
    t.patch(&path, &tenant.secretary_a, "*", future)
        .await
        .refused(422, "invalid_fields");
}

#[actix_web::test]
async fn a_body_is_refused_with_all_its_faults() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({ "name": " ", "organization_id": tenant.branch_a, "phone": "12", "employee_no": "!",
        "account_name": "13800000001", "standing": "full", "joined_on": "1800-01-01" });
    let reply = t
        .post("/members", &tenant.admin, body)
        .await
        .refused(422, "invalid_fields");
    let fields: Vec<_> = reply.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        ["/name", "/phone", "/employee_no", "/account_name", "/joined_on"]
    );
}

#[actix_web::test]
async fn a_transfer_is_kept_and_needs_both_ends() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/members/{}/transfers", tenant.member_a_id);
    let to_b = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    t.post(&path, &tenant.secretary_a, to_b.clone())
        .await
        .refused(404, "not_found");
    t.post(&path, &tenant.organizer_a, to_b.clone())
        .await
        .refused(403, "forbidden");
    t.post(&path, &tenant.admin, to_b.clone()).await.expect(201);
    t.post(&path, &tenant.admin, to_b.clone())
        .await
        .refused(409, "already_there");
    let history = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(history.items().len(), 1);
    assert_eq!(history.text("/items/0/from_organization_id"), tenant.branch_a);
    // Out of sight for the secretary who had them.
    t.get(&format!("/members/{}", tenant.member_a_id), &tenant.secretary_a)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn where_somebody_came_from_is_told_to_those_who_see_it() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/members/{}/transfers", tenant.member_a_id);
    let to_b = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    t.post(&path, &tenant.admin, to_b).await.expect(201);
    let (from, to) = (json!(tenant.branch_a), json!(tenant.branch_b));
    for (token, from) in [
        (&tenant.secretary_b, &Value::Null),
        (&tenant.admin, &from),
        (&tenant.member_a, &from),
    ] {
        let told = t.get(&path, token).await.expect(200);
        let told = &told.items()[0];
        assert_eq!(
            (&told["from_organization_id"], &told["to_organization_id"]),
            (from, &to)
        );
    }
}

#[actix_web::test]
async fn a_deactivated_member_cannot_go_on_and_comes_back() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/members/{}", tenant.member_a_id);
    let reason = json!({ "reason": "調離" });
    t.get("/me", &tenant.member_a).await.expect(200);
    t.post(&format!("{path}/deactivate"), &tenant.secretary_b, reason.clone())
        .await
        .refused(404, "not_found");
    t.post(&format!("{path}/deactivate"), &tenant.secretary_a, reason.clone())
        .await
        .expect(200);
    t.post(&format!("{path}/deactivate"), &tenant.secretary_a, reason)
        .await
        .refused(409, "member_inactive");
    let before = count(&t, &tenant).await;
    let all = t
        .get("/members?include_inactive=true&limit=200", &tenant.admin)
        .await
        .expect(200)
        .items()
        .len();
    assert_eq!(all, before + 1);
    let mut status = 200;
    for _ in 0..40 {
        status = t.get("/me", &tenant.member_a).await.status;
        if status == 401 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(status, 401);
    t.act(&format!("{path}/reactivate"), &tenant.secretary_a)
        .await
        .expect(200);
    assert_eq!(count(&t, &tenant).await, before + 1);
}

#[actix_web::test]
async fn people_are_seen_only_along_their_line() {
    let t = TestApp::start().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let path = format!("/members/{}", tenant.member_a_id);
    for token in [
        &other.admin,
        &other.member_a,
        &tenant.secretary_b,
        &tenant.member_b,
    ] {
        t.get(&path, token).await.refused(404, "not_found");
        t.patch(&path, token, "*", json!({ "name": "x" }))
            .await
            .refused(404, "not_found");
        t.get(&format!("/members?organization_id={}", tenant.branch_a), token)
            .await
            .refused(404, "not_found");
    }
    t.get(&path, &tenant.member_a).await.expect(200);
    t.patch(&path, &tenant.member_a, "*", json!({ "name": "x" }))
        .await
        .refused(403, "forbidden");
    assert_eq!(
        t.get("/members", &tenant.member_a)
            .await
            .expect(200)
            .items()
            .len(),
        0
    );
    assert_eq!(
        t.get("/members", &tenant.secretary_a)
            .await
            .expect(200)
            .items()
            .len(),
        3
    );
    let into_other = member_body(&other.branch_a, "某人", "somebody");
    t.post("/members", &tenant.admin, into_other)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn a_list_is_searched_paged_and_exported() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    import(&t, &tenant.admin, &tenant.root, false, "text/csv", ROSTER.into())
        .await
        .expect(201);
    let found = |q: &'static str| {
        let encoded: String = q.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let request = t.request(Method::GET, &format!("/members?q={encoded}"), &tenant.admin);
        async { Reply::of(request).await.expect(200).items().len() }
    };
    assert_eq!(
        (found("张").await, found("00000002").await, found("a0").await),
        (1, 1, 2)
    );
    assert_eq!((found("%").await, found("_").await, found("\\").await), (0, 0, 0));
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = t
            .get(&format!("/members?limit=3{cursor}"), &tenant.admin)
            .await
            .expect(200);
        names.extend(page.items().iter().map(|m| m["id"].as_str().unwrap().to_owned()));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names.len(), count(&t, &tenant).await);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count(&t, &tenant).await);
    for kind in ["text/csv", XLSX] {
        let file = t
            .get_as("/members?standing=probationary", &tenant.admin, kind)
            .await
            .expect(200);
        assert!(file.header("content-type").starts_with(kind));
        let rows = read_sheet(&file.bytes, &SheetLimits::default()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[1].cell(0), rows[1].cell(1), rows[1].cell(2)),
            ("李四", "13800000002", "A02")
        );
        // What was exported can be sent back, and changes nothing.
        let back = import(&t, &tenant.admin, &tenant.root, true, kind, file.bytes)
            .await
            .expect(200);
        assert_eq!(counts(&back), (0, 0, 1));
    }
    t.get_as("/members", &tenant.admin, "image/png")
        .await
        .refused(406, "not_acceptable");
    t.get("/members?nonsense=1", &tenant.admin)
        .await
        .refused(422, "invalid_fields");
}

#[actix_web::test]
async fn a_roster_is_imported_in_each_form_and_only_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let before = count(&t, &tenant).await;
    let dry = import(&t, &tenant.admin, &tenant.root, true, "text/csv", ROSTER.into())
        .await
        .expect(200);
    assert_eq!((counts(&dry), count(&t, &tenant).await), ((3, 0, 0), before));
    assert_eq!(
        (&dry.json["ignored_columns"], &dry.json["standing_assumed"]),
        (&json!(["备注"]), &json!(1))
    );
    let gb18030 = encoding_rs::GB18030.encode(ROSTER).0.into_owned();
    let made = import(
        &t,
        &tenant.admin,
        &tenant.root,
        false,
        "text/csv",
        gb18030.clone(),
    )
    .await
    .expect(201);
    assert_eq!((counts(&made), count(&t, &tenant).await), ((3, 0, 0), before + 3));
    let again = import(
        &t,
        &tenant.admin,
        &tenant.root,
        false,
        "application/octet-stream",
        gb18030,
    )
    .await
    .expect(201);
    assert_eq!(
        (counts(&again), count(&t, &tenant).await),
        ((0, 0, 3), before + 3)
    );

    let book = xlsx(&[
        &["黨員名冊"],
        &["姓名", "工號", "手機", "黨員類別", "所在支部"],
        &["張三", "A01", "13900000001", "正式黨員", "第二黨支部"],
        &["趙六", "A06", "", "入黨積極分子", "第一黨支部"],
    ]);
    let path = format!("/members/imports?organization_id={}", tenant.root);
    let form = || {
        let file = reqwest::multipart::Part::bytes(book.clone()).file_name("名冊.xlsx");
        t.request(Method::POST, &path, &tenant.admin)
            .multipart(reqwest::multipart::Form::new().part("file", file))
    };
    assert_eq!(counts(&Reply::of(form()).await.expect(201)), (1, 1, 0));
    assert_eq!(counts(&Reply::of(form()).await.expect(201)), (0, 0, 2));
    let moved = t.get("/members?q=A01", &tenant.admin).await.expect(200);
    assert_eq!(
        (moved.text("/items/0/name"), moved.text("/items/0/phone")),
        ("張三".into(), "13900000001".into())
    );
    let transfers = t
        .get(
            &format!("/members/{}/transfers", moved.text("/items/0/id")),
            &tenant.admin,
        )
        .await
        .expect(200);
    assert_eq!(transfers.text("/items/0/to_organization_id"), tenant.branch_b);
}

#[actix_web::test]
async fn one_bad_row_keeps_all_out_and_every_bad_row_is_told() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    import(&t, &tenant.admin, &tenant.root, false, "text/csv", ROSTER.into())
        .await
        .expect(201);
    let before = count(&t, &tenant).await;
    let file = "姓名,手机,工号,党员类别,所在支部\n好人,13700000001,,,\n,13700000002,,,\n甲,123,,,\n乙,13700000003,,神仙,\n\
        丙,13700000004,,,無此支部\n丁,13700000001,,,\n戊,,,,\n己,13800000001,A02,,\n";
    let refused = import(&t, &tenant.admin, &tenant.root, false, "text/csv", file.into()).await;
    let refused = refused.refused(422, "import_rejected");
    let rows = refused.json["rows"].as_array().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|r| (r["row"].as_i64().unwrap(), r["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "name_missing"),
            (4, "phone_invalid"),
            (5, "standing_unknown"),
            (6, "organization_unknown"),
            (7, "phone_duplicate_in_file"),
            (8, "phone_or_employee_no_missing"),
            (9, "identity_conflict"),
        ]
    );
    let columns: Vec<_> = rows.iter().map(|r| r["column"].as_str().unwrap()).collect();
    assert_eq!(
        columns,
        ["姓名", "手机", "党员类别", "所在支部", "手机", "手机", "工号"]
    );
    assert_eq!(count(&t, &tenant).await, before);

    // 李四 lives in branch B: the secretary of A learns that the row cannot be, and no more.
    let elsewhere = "姓名,手机\n李四,13800000002\n";
    let refused = import(
        &t,
        &tenant.secretary_a,
        &tenant.branch_a,
        true,
        "text/csv",
        elsewhere.into(),
    )
    .await;
    let row = refused.refused(422, "import_rejected").json["rows"][0].clone();
    assert_eq!(
        (&row["code"], &row["value"]),
        (&json!("member_elsewhere"), &json!(""))
    );
}

#[actix_web::test]
async fn an_import_takes_only_spreadsheets_from_those_who_may() {
    let t = TestApp::start().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let send = |token: &str, kind: &'static str, file: Vec<u8>| {
        let (token, root) = (token.to_owned(), tenant.root.clone());
        let t = &t;
        async move { import(t, &token, &root, false, kind, file).await }
    };
    send(&other.admin, "text/csv", ROSTER.into())
        .await
        .refused(404, "not_found");
    send(&tenant.secretary_a, "text/csv", ROSTER.into())
        .await
        .refused(403, "forbidden");
    send(&tenant.inspector, "text/csv", ROSTER.into())
        .await
        .refused(403, "forbidden");
    send(&tenant.admin, "application/json", b"{}".to_vec())
        .await
        .refused(415, "unsupported_media_type");
    send(&tenant.admin, "application/octet-stream", vec![0, 1, 2])
        .await
        .refused(422, "no_spreadsheet");
    send(&tenant.admin, "multipart/form-data; boundary=x", b"--x".to_vec())
        .await
        .refused(400, "bad_request");
    send(&tenant.admin, "text/csv", vec![b'a'; (8 << 20) + 1])
        .await
        .refused(413, "too_large");
}

#[actix_web::test]
async fn activation_codes_are_told_once_and_printed() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({ "name": "<b>張三</b>", "organization_id": tenant.branch_a, "phone": "13800000001", "standing": "full" });
    let id = t
        .post("/members", &tenant.secretary_a, body)
        .await
        .expect(201)
        .id();
    let ask = json!({ "organization_id": tenant.branch_a });
    t.post("/members/activation-codes", &tenant.organizer_a, ask.clone())
        .await
        .refused(403, "forbidden");
    t.post("/members/activation-codes", &tenant.admin, json!({}))
        .await
        .refused(422, "invalid_fields");
    let old = t
        .post("/members/activation-codes", &tenant.secretary_a, ask)
        .await
        .expect(201);
    assert_eq!(
        (old.items().len(), old.text("/items/0/member_id")),
        (1, id.clone())
    );
    let request = t
        .request(Method::POST, "/members/activation-codes", &tenant.secretary_a)
        .header("accept", "text/html");
    let page = Reply::of(request.json(&json!({ "member_ids": [id, tenant.member_a_id] })))
        .await
        .expect(201);
    let page = String::from_utf8(page.bytes).unwrap();
    assert!(page.contains("&lt;b&gt;張三&lt;/b&gt;") && !page.contains("<b>"));
    assert_eq!(page.matches("<article>").count(), 1);
    let code = page
        .split("class=\"code\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let activate = |code: &str| json!({ "code": code, "password": "three old tractors sing" });
    t.post("/auth/activations", "", activate(&old.text("/items/0/code")))
        .await
        .refused(422, "activation_code_invalid");
    let signed_in = t.post("/auth/activations", "", activate(code)).await;
    assert!(signed_in.status < 300, "{}", signed_in.json);
    let me = t.get("/me", &signed_in.text("/access_token")).await.expect(200);
    assert_eq!(me.text("/member/id"), id);
}

#[actix_web::test]
async fn people_change_their_own_number_and_nothing_more() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let me = t.get("/me", &tenant.secretary_a).await.expect(200);
    assert_eq!(
        me.json["roles"],
        json!([{ "organization_id": tenant.branch_a, "role": "secretary" }])
    );
    assert!(t.get("/me", &tenant.system).await.expect(200).json["member"].is_null());
    let tag = me.header("etag").to_owned();
    let phone = json!({ "phone": "13800000008" });
    assert_eq!(
        t.patch("/me", &tenant.secretary_a, &tag, phone.clone())
            .await
            .expect(200)
            .text("/phone"),
        "13800000008"
    );
    t.patch("/me", &tenant.secretary_a, &tag, phone.clone())
        .await
        .refused(412, "version_mismatch");
    t.patch("/me", &tenant.member_a, "", phone)
        .await
        .refused(409, "phone_taken");
    t.patch("/me", &tenant.member_a, "", json!({ "standing": "full" }))
        .await
        .refused(422, "invalid_fields");
}

/// The only rows of a refused import: code, column and value of each.
async fn bad_rows(t: &TestApp, token: &str, organization: &str, file: &str) -> Vec<(String, String, String)> {
    let refused = import(t, token, organization, true, "text/csv", file.to_owned().into()).await;
    let refused = refused.refused(422, "import_rejected");
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or("?").to_owned();
    refused.json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(row, "code"), text(row, "column"), text(row, "value")))
        .collect()
}

#[actix_web::test]
async fn an_import_tells_nothing_of_people_it_is_not_about() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    import(&t, &tenant.admin, &tenant.root, false, "text/csv", ROSTER.into())
        .await
        .expect(201);
    // 李四 (13800000002, A02) belongs to branch B, 张三 (13800000001, A01) to A. Whatever matches of 李四, with the right
    // name or not, together with another's number or not: one answer.
    let file = "姓名,手机,工号\n李四,13800000002,A02\n李四,13800000002,\n李四,,A02\n别人,13800000002,\n别人,,A02\n\
        李四,13800000002,Z99\n李四,13700000099,A02\n张三,13800000001,A02\n张三,13800000002,A01\n";
    for row in file.lines().skip(1) {
        let bad = bad_rows(
            &t,
            &tenant.secretary_a,
            &tenant.branch_a,
            &format!("姓名,手机,工号\n{row}\n"),
        )
        .await;
        let same = (
            "member_elsewhere".to_owned(),
            "手机 / 工号".to_owned(),
            String::new(),
        );
        assert_eq!(bad, [same], "{row}");
    }
}

#[actix_web::test]
async fn a_phone_alone_renames_nobody_and_an_employee_number_mends_a_name() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    import(&t, &tenant.admin, &tenant.root, false, "text/csv", ROSTER.into())
        .await
        .expect(201);
    let told = |column: &str, value: &str| {
        (
            "identity_conflict".to_owned(),
            column.to_owned(),
            value.to_owned(),
        )
    };
    for (row, expected) in [
        ("张珊,13800000001,", told("姓名", "张珊")),
        // 王五 has no number at work: another name with one is somebody else who got the phone.
        ("赵六,13800000003,C03", told("姓名", "赵六")),
        ("张三,13800000001,C09", told("工号", "C09")),
        ("张三,13800000001,A02", told("工号", "A02")),
    ] {
        let file = format!("姓名,手机,工号\n{row}\n");
        assert_eq!(
            bad_rows(&t, &tenant.admin, &tenant.root, &file).await,
            [expected],
            "{row}"
        );
    }
    let file = "姓名,手机,工号\n张珊,13800000001,A01\n李肆,,A02\n王五,13800000003,C03\n";
    let mended = import(&t, &tenant.admin, &tenant.root, false, "text/csv", file.into()).await;
    assert_eq!(counts(&mended.expect(201)), (0, 3, 0));
    for (number, name) in [("A01", "张珊"), ("A02", "李肆"), ("C03", "王五")] {
        let found = t
            .get(&format!("/members?q={number}"), &tenant.admin)
            .await
            .expect(200);
        assert_eq!(found.text("/items/0/name"), name);
    }
}

#[actix_web::test]
async fn an_import_changes_nobody_who_may_do_more_than_the_importer() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    import(&t, &tenant.admin, &tenant.root, false, "text/csv", ROSTER.into())
        .await
        .expect(201);
    let boss = t
        .get("/members?q=A01", &tenant.admin)
        .await
        .expect(200)
        .text("/items/0/id");
    let role = json!({ "member_id": boss, "role": "admin" });
    t.post(
        &format!("/organizations/{}/roles", tenant.root),
        &tenant.admin,
        role,
    )
    .await
    .expect(201);
    let phone = "姓名,手机,工号\n张三,13900000009,A01\n";
    let bad = bad_rows(&t, &tenant.secretary_a, &tenant.branch_a, phone).await;
    let told = (
        "member_has_more_rights".to_owned(),
        "手机 / 工号".to_owned(),
        "张三".to_owned(),
    );
    assert_eq!(bad, [told]);
    // A row that changes nothing may stay in the roster, and whoever may do as much may change them.
    let same = "姓名,手机,工号\n张三,13800000001,A01\n";
    let kept = import(
        &t,
        &tenant.secretary_a,
        &tenant.branch_a,
        false,
        "text/csv",
        same.into(),
    )
    .await;
    assert_eq!(counts(&kept.expect(201)), (0, 0, 1));
    let changed = import(&t, &tenant.admin, &tenant.root, false, "text/csv", phone.into()).await;
    assert_eq!(counts(&changed.expect(201)), (0, 1, 0));
}

/// On PostgreSQL with neither the lock of the tree nor the retry, most of these are refused.
#[actix_web::test]
async fn eight_imports_of_one_file_at_once_make_everybody_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let before = count(&t, &tenant).await;
    let rows: String = (0..60).map(|n| format!("人{n},1380000{n:04},N{n}\n")).collect();
    let file = format!("姓名,手机,工号\n{rows}");
    let all = futures_util::future::join_all((0..8).map(|n| {
        let path = format!("/members/imports?organization_id={}", tenant.root);
        let path = if n % 2 == 0 {
            path
        } else {
            format!("{replica}/api/v1{path}")
        };
        let request = t.request(Method::POST, &path, &tenant.admin);
        Reply::of(request.header("content-type", "text/csv").body(file.clone()))
    }))
    .await;
    let mut outcomes: Vec<_> = all.iter().map(|reply| (reply.status, counts(reply))).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes[..7], [(201, (0, 0, 60)); 7]);
    assert_eq!(outcomes[7], (201, (60, 0, 0)));
    assert_eq!(count(&t, &tenant).await, before + 60);
    stop.stop(false).await;
}

#[actix_web::test]
async fn rosters_are_read_few_at_a_time() {
    let t = TestApp::start_with(|config| config.database.deadline = std::time::Duration::from_secs(2)).await;
    let tenant = t.tenant().await;
    let turns = t.app.roster_turns.clone().acquire_many_owned(2).await.unwrap();
    let busy = import(&t, &tenant.admin, &tenant.root, true, "text/csv", ROSTER.into()).await;
    assert!(!busy.refused(503, "overloaded").header("retry-after").is_empty());
    drop(turns);
    import(&t, &tenant.admin, &tenant.root, true, "text/csv", ROSTER.into())
        .await
        .expect(200);
}

#[actix_web::test]
async fn an_export_holds_everybody_however_many() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for first in [0, 11_000] {
        let rows: String = (first..first + 11_000).map(|n| format!("人{n},N{n}\n")).collect();
        let file = format!("姓名,工号\n{rows}");
        import(
            &t,
            &tenant.admin,
            &tenant.branch_b,
            false,
            "text/csv",
            file.into(),
        )
        .await
        .expect(201);
    }
    let path = format!("/members?organization_id={}", tenant.branch_b);
    let file = t.get_as(&path, &tenant.admin, "text/csv").await.expect(200);
    let text = String::from_utf8(file.bytes).unwrap();
    let names: std::collections::HashSet<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    // Two who were there before.
    assert_eq!((text.lines().count(), names.len()), (22_003, 22_002));
}
