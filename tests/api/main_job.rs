//! The main job on real input: a roster of 200 people from a spreadsheet, a meeting, a QR picture read by a real
//! decoder, everybody checked in one way or another, and the sheet exported and compared line by line.

use std::collections::HashMap;
use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};

use crate::support::{Reply, Tenant, TestApp, new_uuid};

const PEOPLE: usize = 200;
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn name(n: usize) -> String {
    format!("成員{n:03}")
}

fn roster(extra: impl Fn(&mut rust_xlsxwriter::Worksheet)) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, header) in ["姓名", "手機", "工號", "黨員類別", "所在支部"]
        .into_iter()
        .enumerate()
    {
        sheet.write(0, u16::try_from(column).unwrap(), header).unwrap();
    }
    for n in 0..PEOPLE {
        let row = u32::try_from(n + 1).unwrap();
        sheet.write(row, 0, name(n)).unwrap();
        // As people type them: a number, not text.
        sheet.write(row, 1, 13_900_000_000_f64 + n as f64).unwrap();
        sheet.write(row, 2, format!("G{n:04}")).unwrap();
        sheet
            .write(
                row,
                3,
                if n % 10 == 0 {
                    "預備黨員"
                } else {
                    "正式黨員"
                },
            )
            .unwrap();
        sheet
            .write(
                row,
                4,
                if n % 2 == 0 {
                    "第一黨支部"
                } else {
                    "第二黨支部"
                },
            )
            .unwrap();
    }
    extra(sheet);
    book.save_to_buffer().unwrap()
}

async fn import(t: &TestApp, tenant: &Tenant, bytes: Vec<u8>, dry_run: bool) -> Reply {
    let path = format!(
        "/members/imports?organization_id={}&dry_run={dry_run}",
        tenant.root
    );
    let request = t
        .request(reqwest::Method::POST, &path, &tenant.admin)
        .header("content-type", XLSX)
        .body(bytes);
    Reply::of(request).await
}

/// Reads the picture as a phone would.
fn decode_qr(png_bytes: &[u8]) -> String {
    let mut reader = png::Decoder::new(Cursor::new(png_bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let width = info.width as usize;
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, info.height as usize, |x, y| {
        pixels[y * width + x]
    });
    let grids = image.detect_grids();
    grids[0].decode().unwrap().1
}

#[actix_web::test]
async fn two_hundred_people_are_imported_checked_in_and_exported() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let checked = import(&t, &tenant, roster(|_| {}), true).await.expect(200);
    assert_eq!(
        (&checked.json["dry_run"], &checked.json["created"]),
        (&json!(true), &json!(PEOPLE)),
        "{}",
        checked.json
    );
    let done = import(&t, &tenant, roster(|_| {}), false).await.expect(201);
    assert_eq!(done.json["created"], PEOPLE);
    let again = import(&t, &tenant, roster(|_| {}), false).await;
    assert_eq!(
        (
            &again.json["created"],
            &again.json["updated"],
            &again.json["unchanged"]
        ),
        (&json!(0), &json!(0), &json!(PEOPLE))
    );
    let bad = import(
        &t,
        &tenant,
        roster(|sheet| {
            sheet.write(5, 1, "123").unwrap();
        }),
        false,
    )
    .await;
    assert_eq!(bad.refused(422, "import_rejected").json["rows"][0]["row"], 6);

    let event = t
        .open_event(
            &tenant.admin,
            &tenant.root,
            json!({ "forms": ["general_meeting", "theme_day"] }),
        )
        .await;
    let people = people_of(&t, &tenant).await;
    assert_eq!(people.len(), PEOPLE);
    check_everybody_in(&t, &tenant, &event, &people).await;
    t.act(&format!("/events/{event}/close"), &tenant.admin)
        .await
        .expect(200);

    let path = format!("/events/{event}/attendance");
    let file = t.get_as(&path, &tenant.admin, XLSX).await.expect(200);
    let rows = read_sheet(&file.bytes);
    for n in 0..PEOPLE {
        let row = &rows[&name(n)];
        assert_eq!(row["工號"], format!("G{n:04}"));
        assert_eq!(
            row["所在支部"],
            if n % 2 == 0 {
                "第一黨支部"
            } else {
                "第二黨支部"
            }
        );
        assert_eq!(
            row["黨員類別"],
            if n % 10 == 0 {
                "預備黨員"
            } else {
                "正式黨員"
            },
            "{row:?}"
        );
        assert_eq!(
            (row["應到"].as_str(), row["狀態"].as_str()),
            ("是", "實到"),
            "{row:?}"
        );
        assert_eq!(row["方式"], way(n).1, "{row:?}");
        // Two hundred marks by one test are faster than people come through a door, and only those by hand.
        assert_eq!(
            row["提示"],
            if way(n).0 == "hand" { "burst" } else { "" },
            "{row:?}"
        );
    }
    assert_eq!(rows["管理員"]["狀態"], "缺席");
    let csv = t.get_as(&path, &tenant.admin, "text/csv").await.expect(200);
    assert_eq!(
        String::from_utf8(csv.bytes).unwrap().lines().count(),
        rows.len() + 1
    );

    let quorum = t
        .get(&format!("/events/{event}/quorum"), &tenant.admin)
        .await
        .expect(200);
    // 180 full members from the file and seven from the tenant.
    assert_eq!(
        (&quorum.json["may_vote"], &quorum.json["forms"][0]["reached"]),
        (&json!(187), &json!(true))
    );
}

/// Everybody imported, by name, over all pages.
async fn people_of(t: &TestApp, tenant: &Tenant) -> HashMap<String, String> {
    let (mut people, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = t
            .get(&format!("/members?q=成員&limit=150{cursor}"), &tenant.admin)
            .await
            .expect(200);
        for member in page.items() {
            let name = member["name"].as_str().unwrap().to_owned();
            if name.starts_with("成員") {
                people.insert(name, member["id"].as_str().unwrap().to_owned());
            }
        }
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return people,
        }
    }
}

/// How each of them gets in, and the sheet's word for it.
fn way(n: usize) -> (&'static str, &'static str) {
    match n % 20 {
        3 => ("typed", "輸入碼"),
        7 => ("hand", "手動登記"),
        11 => ("batch", "掃碼"),
        _ => ("code", "掃碼"),
    }
}

async fn check_everybody_in(t: &TestApp, tenant: &Tenant, event: &str, people: &HashMap<String, String>) {
    let picture = t
        .get(&format!("/events/{event}/code.png"), &tenant.admin)
        .await
        .expect(200);
    let url = decode_qr(&picture.bytes);
    assert!(url.starts_with("https://zhibu.test/c/"), "{url}");
    let shown = t
        .get(&format!("/events/{event}/code"), &tenant.admin)
        .await
        .expect(200);
    let typed = shown.text("/typed_code");
    let all = (0..PEOPLE).map(|n| {
        let (url, typed, member) = (url.clone(), typed.clone(), people[&name(n)].clone());
        async move {
            let token = t.token_of(&member, &tenant.root);
            let common = json!({ "client_event_id": new_uuid(), "occurred_at": t.in_s(0) });
            let with = |more: Value| {
                let mut body = common.clone();
                body.as_object_mut()
                    .unwrap()
                    .extend(more.as_object().unwrap().clone());
                body
            };
            match way(n).0 {
                "typed" => {
                    let body = with(json!({ "event_id": event, "typed_code": typed }));
                    t.post("/check-ins", &token, body).await.expect(201);
                }
                "hand" => {
                    let body =
                        json!({ "member_id": member, "reason": "手機沒電", "client_event_id": new_uuid() });
                    t.post(&format!("/events/{event}/check-ins"), &tenant.admin, body)
                        .await
                        .expect(201);
                }
                "batch" => {
                    let body = json!({ "items": [with(json!({ "code": url }))] });
                    let reply = t.post("/check-ins/batch", &token, body).await.expect(200);
                    assert_eq!(reply.items()[0]["outcome"], "created");
                }
                _ => {
                    let body = with(json!({ "code": url }));
                    let first = t.post("/check-ins", &token, body.clone()).await.expect(201);
                    if n % 5 == 0 {
                        assert_eq!(
                            t.post("/check-ins", &token, body).await.expect(200).bytes,
                            first.bytes
                        );
                    }
                }
            }
        }
    });
    futures_util::future::join_all(all).await;
}

/// The sheet's rows by name, their cells by header.
fn read_sheet(bytes: &[u8]) -> HashMap<String, HashMap<String, String>> {
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(bytes)).unwrap();
    let range = book.worksheet_range_at(0).unwrap().unwrap();
    let text = |cell: &Data| cell.to_string();
    let headers: Vec<String> = range.rows().next().unwrap().iter().map(text).collect();
    let cells = |row: &[Data]| headers.iter().cloned().zip(row.iter().map(text)).collect();
    range
        .rows()
        .skip(1)
        .map(|row| (text(&row[0]), cells(row)))
        .collect()
}
