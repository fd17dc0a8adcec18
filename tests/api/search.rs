//! Search: what is found in Chinese, by whom, and how it is shown.

use serde_json::{Value, json};

use crate::lessons::{draft, publish};
use crate::support::{Reply, Tenant, TestApp};

async fn published(t: &TestApp, tenant: &Tenant, change: Value) -> String {
    let lesson = draft(t, &tenant.admin, &tenant.root, change).await;
    publish(t, tenant, &lesson).await;
    lesson
}

async fn search(t: &TestApp, token: &str, words: &str, more: &[(&str, &str)]) -> Reply {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("q", words).extend_pairs(more);
    t.get(&format!("/lessons/search?{}", query.finish()), token).await
}

fn found(reply: &Reply) -> Vec<&str> {
    let hits = reply.items().iter();
    hits.filter_map(|hit| hit["lesson_id"].as_str()).collect()
}

/// `前[中]後`
fn shown(pieces: &Value) -> String {
    let show = |piece: &Value| {
        let text = piece["text"].as_str().unwrap();
        if piece["hit"] == true {
            format!("[{text}]")
        } else {
            text.to_owned()
        }
    };
    pieces.as_array().unwrap().iter().map(show).collect()
}

#[actix_web::test]
async fn two_signs_one_sign_and_words_are_found_in_either_script() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let traditional = json!({ "title": "黨史學習教育", "summary": "為了人民", "body": "# 計畫\n\n- 瞭解 A股 與 COVID-19\n- 史" });
    let traditional = published(&t, &tenant, traditional).await;
    let simplified =
        json!({ "title": "党史第二讲", "body": "计划生育", "transcript": "为了人民，了解历史。党，史" });
    let simplified = published(&t, &tenant, simplified).await;
    for (words, expected) in [
        ("党史", vec![&simplified, &traditional]),
        ("黨史", vec![&simplified, &traditional]),
        ("计划", vec![&simplified, &traditional]),
        ("計畫", vec![&simplified, &traditional]),
        ("了解", vec![&simplified, &traditional]),
        ("為了人民", vec![&traditional, &simplified]),
        ("史學習", vec![&traditional]),
        ("史学习教育", vec![&traditional]),
        ("育", vec![&traditional, &simplified]),
        ("讲", vec![&simplified]),
        ("ａ股", vec![&traditional]),
        ("covid-19", vec![&traditional]),
        ("19", vec![&traditional]),
        ("党史 生育", vec![&simplified]),
        ("党史 生育 股", vec![]),
        // Both pieces are in it, and not side by side.
        ("人民计划", vec![]),
        ("学习党史", vec![]),
        ("1", vec![]),
        ("黨，史", vec![&simplified]),
    ] {
        let reply = search(&t, &tenant.member_a, words, &[]).await.expect(200);
        let mut ids = found(&reply);
        if words != "為了人民" && words != "育" {
            // Equal in kind: their order is another test's.
            ids.sort_unstable_by(|one, other| other.cmp(one));
        }
        assert_eq!(ids, expected, "{words}");
    }
}

#[actix_web::test]
async fn hits_are_shown_as_they_were_written() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let transcript = format!("{}為了黨史{}", "前".repeat(100), "後".repeat(100));
    let lesson =
        json!({ "title": "黨史<b>", "summary": "無", "body": "**为了**党史", "transcript": transcript });
    published(&t, &tenant, lesson).await;
    let reply = search(&t, &tenant.member_a, "党史", &[("count", "true")])
        .await
        .expect(200);
    assert_eq!(reply.json["count"], 1);
    let hit = &reply.items()[0];
    assert_eq!(shown(&hit["title"]), "[黨史]<b>");
    let passages = hit["passages"].as_array().unwrap();
    assert_eq!(
        (&passages[0]["field"], shown(&passages[0]["pieces"])),
        (&json!("body"), "为了[党史]".to_owned())
    );
    assert_eq!(
        (&passages[1]["field"], &passages[1]["at"]),
        (&json!("transcript"), &json!(82))
    );
    let expected = format!("{}為了[黨史]{}", "前".repeat(18), "後".repeat(58));
    assert_eq!(shown(&passages[1]["pieces"]), expected);
    assert_eq!(passages.len(), 2);
}

#[actix_web::test]
async fn the_title_counts_more_than_the_summary_and_pages_hold_together() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let in_title = published(&t, &tenant, json!({ "title": "黨史", "body": "甲" })).await;
    let in_summary = json!({ "title": "丙", "summary": "黨史", "body": "甲" });
    let in_summary = published(&t, &tenant, in_summary).await;
    let in_body = published(&t, &tenant, json!({ "title": "丁", "body": "黨史" })).await;
    let again = published(&t, &tenant, json!({ "title": "丁", "body": "黨史" })).await;
    published(&t, &tenant, json!({ "title": "別的" })).await;
    let expected = [&in_title, &in_summary, &again, &in_body];
    let all = search(&t, &tenant.member_a, "党史", &[]).await.expect(200);
    assert_eq!(found(&all), expected);
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut more = vec![("limit", "1"), ("count", "true")];
        if !cursor.is_empty() {
            more.push(("cursor", &cursor));
        }
        let page = search(&t, &tenant.member_a, "党史", &more).await.expect(200);
        assert_eq!(page.json["count"], 4);
        pages.extend(found(&page).into_iter().map(str::to_owned));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(pages.iter().collect::<Vec<_>>(), expected);
}

#[actix_web::test]
async fn nobody_finds_what_they_may_not_see() {
    let t = TestApp::start().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let everybodys = published(&t, &tenant, json!({ "title": "黨史一" })).await;
    let only_b = json!({ "title": "黨史二", "audience": { "organization_ids": [tenant.branch_b] } });
    let only_b = published(&t, &tenant, only_b).await;
    let activists = json!({ "title": "黨史三", "audience": { "standings": ["activist"] } });
    let activists = published(&t, &tenant, activists).await;
    draft(&t, &tenant.admin, &tenant.root, json!({ "title": "黨史四" })).await;
    let list = |token: &str, more: &'static [(&'static str, &'static str)]| {
        let (t, token) = (&t, token.to_owned());
        async move {
            let reply = search(t, &token, "党史", more).await.expect(200);
            let mut ids: Vec<String> = found(&reply).into_iter().map(str::to_owned).collect();
            ids.sort_unstable();
            ids
        }
    };
    let (a, b, c) = (everybodys.clone(), only_b.clone(), activists.clone());
    assert_eq!(list(&tenant.member_a, &[]).await, [a.clone()]);
    assert_eq!(list(&tenant.member_b, &[]).await, [a.clone(), b.clone()]);
    assert_eq!(list(&tenant.admin, &[]).await, [a.clone(), b.clone(), c.clone()]);
    assert_eq!(
        list(&tenant.inspector, &[]).await,
        [a.clone(), b.clone(), c.clone()]
    );
    assert_eq!(list(&tenant.admin, &[("mine", "true")]).await, [a.clone()]);
    assert_eq!(list(&tenant.system, &[]).await.len(), 3);
    assert!(list(&tenant.admin, &[("kind", "video")]).await.is_empty());
    assert!(list(&other.admin, &[]).await.is_empty());
    assert!(list(&other.member_a, &[]).await.is_empty());

    // The words of what is being edited are found when they are published, and those they replace no more.
    let path = format!("/lessons/{everybodys}");
    let change = json!({ "title": "新課" });
    t.patch(&path, &tenant.admin, "*", change).await.expect(200);
    assert_eq!(list(&tenant.member_a, &[]).await, [a.clone()]);
    publish(&t, &tenant, &everybodys).await;
    assert!(list(&tenant.member_a, &[]).await.is_empty());
    let reply = search(&t, &tenant.member_a, "新课", &[]).await.expect(200);
    assert_eq!(found(&reply), [&*everybodys]);
    let reason = json!({ "reason": "過時" });
    t.post(&format!("{path}/archive"), &tenant.admin, reason)
        .await
        .expect(200);
    let reply = search(&t, &tenant.admin, "新课", &[]).await.expect(200);
    assert!(found(&reply).is_empty());
}

#[actix_web::test]
async fn whatever_is_typed_is_only_looked_for() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lesson = published(&t, &tenant, json!({ "title": "黨史 OR title near null" })).await;
    for words in [
        "\"",
        "\"\"\"",
        "'",
        "''",
        "\\",
        "*",
        "党*",
        "党史\"",
        "\"党史",
        "党史:*",
        "党史) OR (1=1",
        "title:党史",
        "NEAR(党史 OR, 2)",
        "党史 & !x | <->",
        "^党史",
        "-党史",
        "%",
        "_",
        "党%",
        "😀",
        "\u{301}",
        "ﷺ",
        "a'b",
        ":A",
        "--",
        ";DROP TABLE lessons",
    ] {
        search(&t, &tenant.member_a, words, &[]).await.expect(200);
    }
    for (words, hits) in [
        ("党史:*", 1),
        ("or", 1),
        ("NOT 党史", 0),
        ("%", 0),
        ("党史 OR 没有", 0),
        ("^党史", 1),
    ] {
        let reply = search(&t, &tenant.member_a, words, &[]).await.expect(200);
        assert_eq!(reply.items().len(), hits, "{words}");
        assert!(found(&reply).iter().all(|id| *id == lesson));
    }
    for words in ["", "  ", &"x".repeat(101), "a b c d e f g h i j k"] {
        search(&t, &tenant.member_a, words, &[])
            .await
            .refused(422, "invalid_fields");
    }
    for cursor in [
        "WzEsMl0",
        "eA",
        &base64_cursor("[18446744073709551615,\"01a20be8-c3a0-73b6-8911-a9d308c2654c\"]"),
    ] {
        let reply = search(&t, &tenant.member_a, "党史", &[("cursor", cursor)]).await;
        assert!(
            reply.status == 422 || reply.status == 200,
            "{cursor}: {}",
            reply.json
        );
    }
}

fn base64_cursor(json: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
}

/// Longer than PostgreSQL's positions reach, each bigram once or very often.
#[actix_web::test]
async fn the_end_of_a_long_text_is_found_too() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let long: String = (0..19_000u32)
        .filter_map(|n| char::from_u32(0x4E00 + n * 7 % 20_000))
        .collect();
    let body = format!("{long}\n\n{}", "我们".repeat(300));
    let lesson = draft(&t, &tenant.admin, &tenant.root, json!({ "body": body })).await;
    let transcript = json!({ "transcript": format!("{}黨史學習教育", "学".repeat(19_000)) });
    t.patch(&format!("/lessons/{lesson}"), &tenant.admin, "*", transcript)
        .await
        .expect(200);
    publish(&t, &tenant, &lesson).await;
    let end: String = long.chars().skip(18_990).collect();
    for words in ["史學習教", "育", &end, "们我们我"] {
        let reply = search(&t, &tenant.member_a, words, &[]).await.expect(200);
        assert_eq!(found(&reply), [&*lesson], "{words}");
        assert!(
            !reply.items()[0]["passages"].as_array().unwrap().is_empty(),
            "{words}"
        );
    }
}

#[actix_web::test]
async fn an_index_that_was_lost_is_written_anew() {
    use diesel::RunQueryDsl;
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lesson = published(&t, &tenant, json!({ "title": "黨史" })).await;
    draft(&t, &tenant.admin, &tenant.root, json!({ "title": "黨史" })).await;
    let write =
        |work: fn(&mut zhibu::platform::db::DbConnection) -> zhibu::platform::error::AppResult<usize>| {
            t.app.db.write(work)
        };
    let lose = |conn: &mut _| Ok(diesel::sql_query("DELETE FROM lesson_search").execute(conn)?);
    write(lose).await.unwrap();
    let reply = search(&t, &tenant.member_a, "党史", &[]).await.expect(200);
    assert!(found(&reply).is_empty());
    for _ in 0..2 {
        write(|conn| {
            let last = zhibu::lessons::reindex(conn, None)?;
            assert_eq!(zhibu::lessons::reindex(conn, last)?, None);
            Ok(0)
        })
        .await
        .unwrap();
        let reply = search(&t, &tenant.member_a, "党史", &[]).await.expect(200);
        assert_eq!(found(&reply), [&*lesson]);
    }
}
