//! Leaderboards: who stands where, for whom it is shown, and that a board is right again whatever happened to it.

use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use zhibu::auth::{Actor, SessionId};
use zhibu::leaderboards::{self, Span, Unit, Wanted};

use crate::support::{Person, Reply, Tenant, TestApp};

/// Points by two people's word.
pub async fn give(t: &TestApp, tenant: &Tenant, member: &str, points: i64) -> String {
    let body = json!({ "points": points, "reason": "測試" });
    let award = t
        .post(&format!("/members/{member}/point-awards"), &tenant.system, body)
        .await;
    let award = award.expect(201).id();
    t.act(&format!("/point-awards/{award}/approve"), &tenant.admin)
        .await
        .expect(200);
    award
}

async fn take_back(t: &TestApp, tenant: &Tenant, award: &str) {
    let annul = format!("/point-awards/{award}/annul");
    t.post(&annul, &tenant.admin, json!({ "reason": "測試" }))
        .await
        .expect(200);
}

pub async fn set_mode(t: &TestApp, tenant: &Tenant, organization: &str, mode: &str) {
    let body = json!({ "settings": { "leaderboards": mode } });
    t.patch(
        &format!("/organizations/{organization}"),
        &tenant.system,
        "*",
        body,
    )
    .await
    .expect(200);
}

/// A tenant whose leaderboards are open, with so many people in branch A.
async fn open(t: &TestApp, people: usize) -> (Tenant, Vec<Person>) {
    let tenant = t.tenant().await;
    set_mode(t, &tenant, &tenant.root, "open").await;
    let people = t.crowd(&tenant, people).await;
    (tenant, people)
}

/// Boards are followed by themselves in a server, four times a second; in a test when it says so:
/// until every board that is followed is right, for one that must be made anew is shown as it was meanwhile.
pub async fn follow(t: &TestApp) {
    for _ in 0..200 {
        if leaderboards::follow(&t.app).await.unwrap() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn board(t: &TestApp, token: &str, organization: &str, query: &str) -> Reply {
    t.get(&format!("/leaderboards/{organization}?{query}"), token)
        .await
        .expect(200)
}

/// Rank, name and points of each line.
pub fn standing(board: &Reply) -> Vec<(u64, String, i64)> {
    let line = |item: &Value| {
        (
            item["rank"].as_u64().unwrap(),
            item["name"].as_str().unwrap_or("-").to_owned(),
            item["points"].as_i64().unwrap(),
        )
    };
    board.items().iter().map(line).collect()
}

fn line(rank: u64, name: &str, points: i64) -> (u64, String, i64) {
    (rank, name.to_owned(), points)
}

#[actix_web::test]
async fn members_stand_by_their_points_and_equals_by_who_got_there_first() {
    let t = TestApp::start().await;
    let (tenant, people) = open(&t, 6).await;
    for (n, points) in [(0, 10), (1, 20), (2, 20), (3, 20), (4, 5)] {
        t.advance_s(1);
        give(&t, &tenant, &people[n].id, points).await;
    }
    // The first of the three got there last: they had ten before.
    t.advance_s(1);
    give(&t, &tenant, &people[0].id, 10).await;
    give(&t, &tenant, &people[5].id, 30).await;
    let token = &people[4].token;
    let expected = [
        line(1, "群眾0005", 30),
        line(2, "群眾0001", 20),
        line(2, "群眾0002", 20),
        line(2, "群眾0003", 20),
        line(2, "群眾0000", 20),
        line(6, "群眾0004", 5),
    ];
    for span in ["day", "week", "month", "quarter", "year", "all"] {
        let found = board(&t, token, &tenant.root, &format!("span={span}")).await;
        assert_eq!(standing(&found), expected, "{span}");
        assert_eq!(found.json["entrants"], 6);
    }
    // The same for whoever asks, in the branch as in the committee; in pages.
    let first = board(&t, &tenant.admin, &tenant.branch_a, "limit=4").await;
    let cursor = first.text("/next_cursor");
    let second = board(
        &t,
        &tenant.admin,
        &tenant.branch_a,
        &format!("limit=4&cursor={cursor}"),
    )
    .await;
    assert_eq!([standing(&first), standing(&second)].concat(), expected);
    assert_eq!(second.json["next_cursor"], Value::Null);
    assert_eq!(
        (&first.json["starts_on"], &first.json["ends_on"]),
        (&json!("2026-11-01"), &json!("2026-11-30"))
    );
    // One's own rank, with those around; nobody without points has one.
    let mine = t
        .get(&format!("/leaderboards/{}/me", tenant.root), &people[1].token)
        .await
        .expect(200);
    assert_eq!(mine.json["me"], json!({ "rank": 2, "points": 20 }));
    let around: Vec<_> = mine.json["neighbours"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(around, [5, 1, 2, 3, 0].map(|n| json!(format!("群眾000{n}"))));
    // The first screen tells it too, of one's own organization.
    let home = t.get("/home", &people[1].token).await.expect(200);
    assert_eq!(home.json["points"]["month"], 20);
    assert_eq!(
        home.json["rank"],
        json!({ "organization_id": tenant.branch_a, "rank": 2, "entrants": 6 })
    );
    let none = t
        .get(&format!("/leaderboards/{}/me", tenant.root), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(
        (&none.json["me"], &none.json["neighbours"]),
        (&Value::Null, &json!([]))
    );
}

#[actix_web::test]
async fn a_board_follows_what_is_given_taken_back_and_who_comes_and_goes() {
    let t = TestApp::start_for_days().await;
    let (tenant, people) = open(&t, 3).await;
    give(&t, &tenant, &people[0].id, 10).await;
    let token = &people[0].token;
    let of = |organization: &str| {
        let (t, organization) = (&t, organization.to_owned());
        async move { standing(&board(t, token, &organization, "").await) }
    };
    assert_eq!(of(&tenant.root).await, [line(1, "群眾0000", 10)]);
    let second = give(&t, &tenant, &people[1].id, 20).await;
    follow(&t).await;
    assert_eq!(
        of(&tenant.root).await,
        [line(1, "群眾0001", 20), line(2, "群眾0000", 10)]
    );
    take_back(&t, &tenant, &second).await;
    follow(&t).await;
    assert_eq!(of(&tenant.root).await, [line(1, "群眾0000", 10)]);
    // Points go with who is transferred.
    assert_eq!(of(&tenant.branch_a).await.len(), 1);
    let to = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    t.post(&format!("/members/{}/transfers", people[0].id), &tenant.admin, to)
        .await
        .expect(201);
    follow(&t).await;
    assert_eq!(of(&tenant.branch_b).await, [line(1, "群眾0000", 10)]);
    let empty = board(&t, &tenant.admin, &tenant.branch_a, "").await;
    assert_eq!(standing(&empty), []);
    let gone = format!("/members/{}/deactivate", people[0].id);
    t.post(&gone, &tenant.admin, json!({ "reason": "退休" }))
        .await
        .expect(200);
    follow(&t).await;
    assert_eq!(standing(&board(&t, &tenant.admin, &tenant.root, "").await), []);
    t.act(&format!("/members/{}/reactivate", people[0].id), &tenant.admin)
        .await
        .expect(200);
    follow(&t).await;
    assert_eq!(
        standing(&board(&t, &tenant.admin, &tenant.root, "").await),
        [line(1, "群眾0000", 10)]
    );
    // The next day is another board, and the month goes on.
    t.advance_s(86_400);
    assert_eq!(
        standing(&board(&t, &tenant.admin, &tenant.root, "span=day").await),
        []
    );
    let yesterday = board(&t, &tenant.admin, &tenant.root, "span=day&on=2026-11-24").await;
    assert_eq!(standing(&yesterday), [line(1, "群眾0000", 10)]);
    let future = t
        .get(
            &format!("/leaderboards/{}?on=2026-11-26", tenant.root),
            &tenant.admin,
        )
        .await;
    assert_eq!(
        future.refused(422, "invalid_fields").text("/errors/0/code"),
        "in_future"
    );
}

#[actix_web::test]
async fn branches_stand_by_total_and_by_what_each_member_has() {
    let t = TestApp::start().await;
    let (tenant, people) = open(&t, 7).await;
    let group = t.group(&tenant.system, &tenant.branch_b).await;
    // Ten people in A, of whom two have thirty together; two and one of a group in B have twenty-one.
    give(&t, &tenant, &people[0].id, 10).await;
    give(&t, &tenant, &people[1].id, 20).await;
    let (in_group, _) = t.person(&tenant, &group, "組員", None).await;
    give(&t, &tenant, &in_group, 21).await;
    let token = &tenant.member_b;
    let totals = board(&t, token, &tenant.root, "of=branches").await;
    assert_eq!(
        standing(&totals),
        [line(1, "第一黨支部", 30), line(2, "第二黨支部", 21)]
    );
    let averages = async || {
        let found = board(&t, token, &tenant.root, "of=branches&by=average").await;
        let average = |item: &Value| (item["name"].clone(), item["average"].as_f64().unwrap());
        let lines: Vec<_> = found.items().iter().map(average).collect();
        assert!(found.items().iter().all(|item| item["points"].is_null()));
        lines
    };
    assert_eq!(
        averages().await,
        [(json!("第二黨支部"), 7.0), (json!("第一黨支部"), 3.0)]
    );
    // Guests are not counted: whoever becomes one, and is one no more, changes what each has. Thousandths are rounded down.
    let path = format!("/members/{}", tenant.member_b_id);
    for (standing, average) in [("guest", 10.5), ("full", 7.0)] {
        let change = json!({ "standing": standing, "employee_no": "B01" });
        t.patch(&path, &tenant.admin, "*", change).await.expect(200);
        follow(&t).await;
        assert_eq!(averages().await[0], (json!("第二黨支部"), average));
    }
    // Likewise by a roster of the whole committee.
    let name = t.get(&path, &tenant.admin).await.expect(200).text("/name");
    for (standing, average) in [("群眾", 10.5), ("正式黨員", 7.0)] {
        let roster = format!("姓名,工號,黨員類別\n{name},B01,{standing}\n");
        let path = format!("/members/imports?organization_id={}", tenant.root);
        let request = t.request(Method::POST, &path, &tenant.admin);
        let done = Reply::of(request.header("content-type", "text/csv").body(roster)).await;
        assert_eq!(done.expect(201).json["updated"], 1);
        follow(&t).await;
        assert_eq!(averages().await[0], (json!("第二黨支部"), average));
    }
    let more = give(&t, &tenant, &in_group, 2).await;
    follow(&t).await;
    assert_eq!(averages().await[0], (json!("第二黨支部"), 7.666));
    take_back(&t, &tenant, &more).await;
    follow(&t).await;
    // Who leaves takes their points along, and one of those by whom is divided.
    let to = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    t.post(&format!("/members/{}/transfers", people[1].id), &tenant.admin, to)
        .await
        .expect(201);
    follow(&t).await;
    assert_eq!(
        averages().await,
        [(json!("第二黨支部"), 10.25), (json!("第一黨支部"), 1.111)]
    );
    let totals = board(&t, token, &tenant.root, "of=branches").await;
    assert_eq!(
        standing(&totals),
        [line(1, "第二黨支部", 41), line(2, "第一黨支部", 10)]
    );
    // A group that moves to the other branch takes its people along.
    let parent = json!({ "parent_id": tenant.branch_a });
    t.post(&format!("/organizations/{group}/move"), &tenant.admin, parent)
        .await
        .expect(200);
    // The tree is another, so the board is made anew, beside the one that is there.
    let expected = [line(1, "第一黨支部", 31), line(2, "第二黨支部", 20)];
    for _ in 0..1_000 {
        follow(&t).await;
        let totals = board(&t, token, &tenant.root, "of=branches").await;
        if standing(&totals) == expected {
            return;
        }
    }
    panic!("the board stays as it was");
}

#[actix_web::test]
async fn what_is_shown_is_the_organizations_setting_and_the_same_for_everybody() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2).await;
    give(&t, &tenant, &people[0].id, 10).await;
    let paths = ["", "?of=branches", "?of=branches&by=average", "/me"];
    let shown = async |token: &str| {
        let mut codes = Vec::new();
        for path in paths {
            let reply = t
                .get(&format!("/leaderboards/{}{path}", tenant.branch_a), token)
                .await;
            codes.push(match reply.status {
                200 => "shown".to_owned(),
                _ => reply.text("/code"),
            });
        }
        codes
    };
    let (hidden, off) = ("leaderboard_hidden", "leaderboard_off");
    // By default one's own rank.
    assert_eq!(shown(&people[0].token).await, [hidden, hidden, hidden, "shown"]);
    for (mode, expected) in [
        ("off", [off, off, off, off]),
        ("own_rank", [hidden, hidden, hidden, "shown"]),
        ("branches_only", [hidden, "shown", "shown", hidden]),
        ("open", ["shown", "shown", "shown", "shown"]),
    ] {
        // Set above, it is inherited.
        set_mode(&t, &tenant, &tenant.root, mode).await;
        for token in [&people[0].token, &tenant.secretary_a, &tenant.admin] {
            assert_eq!(shown(token).await, expected, "{mode}");
        }
    }
    set_mode(&t, &tenant, &tenant.branch_a, "off").await;
    assert_eq!(shown(&people[0].token).await, [off; 4]);
    board(&t, &people[0].token, &tenant.root, "").await;
    // Nobody outside the line of administration learns that there is one.
    for token in [&tenant.member_b, &t.tenant().await.admin] {
        t.get(&format!("/leaderboards/{}", tenant.branch_a), token)
            .await
            .refused(404, "not_found");
    }
}

/// Privacy: with `own_rank`, no name, id or exact number of a neighbour is in any byte of the response.
#[actix_web::test]
async fn one_s_own_rank_tells_nothing_of_anybody_else() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 5).await;
    let points = [617, 733, 389, 877, 941];
    for (person, points) in people.iter().zip(points) {
        give(&t, &tenant, &person.id, points).await;
    }
    for (n, person) in people.iter().enumerate() {
        for span in ["day", "month", "all"] {
            let path = format!("/leaderboards/{}/me?span={span}", tenant.root);
            let mine = t.get(&path, &person.token).await.expect(200);
            assert_eq!(mine.json["me"]["points"], points[n]);
            let headers: String = mine
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {value:?}\n"))
                .collect();
            let bytes = format!("{headers}{}", String::from_utf8_lossy(&mine.bytes));
            // But for the id that was asked for, which may hold any digits.
            let told = mine.json.to_string().replace(&tenant.root, "");
            for (other, (neighbour, points)) in people.iter().zip(points).enumerate() {
                if other != n {
                    assert!(!bytes.contains(&neighbour.id), "an id");
                    assert!(!bytes.contains(&neighbour.id.replace('-', "")), "an id");
                    assert!(!bytes.contains(&format!("群眾{other:04}")), "a name");
                    assert!(!told.contains(&points.to_string()), "a number");
                }
            }
        }
    }
}

#[actix_web::test]
async fn whoever_hides_their_name_is_a_rank_and_a_number() {
    let t = TestApp::start().await;
    let (tenant, people) = open(&t, 2).await;
    for person in &people {
        give(&t, &tenant, &person.id, 10).await;
    }
    let wishes = "/me/leaderboard-wishes";
    assert_eq!(
        t.get(wishes, &people[0].token).await.expect(200).json,
        json!({ "hides_name": false })
    );
    t.put(wishes, &people[0].token, json!({ "hides_name": true }))
        .await
        .expect(200);
    follow(&t).await;
    assert_eq!(
        t.get(wishes, &people[0].token).await.expect(200).json,
        json!({ "hides_name": true })
    );
    let found = board(&t, &people[1].token, &tenant.root, "").await;
    assert_eq!(
        found.items()[0],
        json!({
            "rank": 1, "points": 10, "average": null, "member_id": null, "name": null, "organization_id": null, "organization_name": null,
        })
    );
    assert!(!found.mentions(&people[0].id));
    let around = t
        .get(&format!("/leaderboards/{}/me", tenant.root), &people[1].token)
        .await
        .expect(200);
    assert!(!around.mentions(&people[0].id) && !around.mentions("群眾0000"));
    t.put(wishes, &people[0].token, json!({ "hides_name": false }))
        .await
        .expect(200);
    follow(&t).await;
    assert_eq!(
        board(&t, &people[1].token, &tenant.root, "").await.items()[0]["name"],
        "群眾0000"
    );
    t.put(wishes, &tenant.system, json!({ "hides_name": true }))
        .await
        .refused(403, "forbidden");
}

/// Names are remembered beside boards; another one is shown as soon as boards have followed.
#[actix_web::test]
async fn another_name_is_shown_of_a_member_and_of_a_branch_whoever_wrote_it() {
    let t = TestApp::start().await;
    let (tenant, people) = open(&t, 2).await;
    for (person, points) in people.iter().zip([20, 10]) {
        give(&t, &tenant, &person.id, points).await;
    }
    let member = format!("/members/{}", people[0].id);
    let edit =
        async |path: &str, body: Value| drop(t.patch(path, &tenant.system, "*", body).await.expect(200));
    edit(&member, json!({ "employee_no": "B01" })).await;
    let first = async || {
        follow(&t).await;
        let page = board(&t, &tenant.admin, &tenant.root, "span=month").await;
        let mine = format!("/leaderboards/{}/me", tenant.root);
        let around = t.get(&mine, &people[1].token).await.expect(200).json;
        let (line, same) = (&page.items()[0], &around["neighbours"][0]);
        assert_eq!(line, same, "both show the same");
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("name"), text("organization_name"))
    };
    assert_eq!(first().await.0, "群眾0000");
    edit(&member, json!({ "name": "趙新名" })).await;
    assert_eq!(first().await.0, "趙新名");
    let roster = t.request(
        Method::POST,
        &format!("/members/imports?organization_id={}", tenant.root),
        &tenant.system,
    );
    let roster = roster
        .header("content-type", "text/csv")
        .body("姓名,工号\r\n趙又名,B01\r\n");
    assert_eq!(Reply::of(roster).await.expect(201).json["updated"], 1);
    assert_eq!(first().await.0, "趙又名");
    let branch = format!("/organizations/{}", tenant.branch_a);
    edit(&branch, json!({ "name": "第九支部" })).await;
    assert_eq!(first().await.1, "第九支部");
}

#[actix_web::test]
async fn a_period_that_is_over_becomes_final_and_no_late_entry_changes_it() {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 400 * 86_400).await;
    let (tenant, people) = open(&t, 3).await;
    let first = give(&t, &tenant, &people[0].id, 30).await;
    give(&t, &tenant, &people[1].id, 20).await;
    let token = &people[2].token;
    let of = async |query: &str| board(&t, token, &tenant.root, query).await;
    // The month ends; three days later it is final.
    t.clock().set("2026-12-03T10:00:00Z".parse().unwrap());
    leaderboards::close_periods(&t.app).await.unwrap();
    let november = "span=month&on=2026-11-15";
    assert_eq!(of(november).await.json["final_at"], Value::Null);
    t.clock().set("2026-12-04T10:00:00Z".parse().unwrap());
    leaderboards::close_periods(&t.app).await.unwrap();
    leaderboards::close_periods(&t.app).await.unwrap();
    let expected = [line(1, "群眾0000", 30), line(2, "群眾0001", 20)];
    let found = of(november).await;
    assert_eq!(standing(&found), expected);
    assert_eq!(found.json["final_at"], "2026-12-04T10:00:00Z");
    // What is taken back, and who leaves, changes what counts now, not what was.
    take_back(&t, &tenant, &first).await;
    let to = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    t.post(&format!("/members/{}/transfers", people[1].id), &tenant.admin, to)
        .await
        .expect(201);
    follow(&t).await;
    assert_eq!(standing(&of(november).await), expected);
    assert_eq!(standing(&of("span=all").await), [line(1, "群眾0001", 20)]);
    let then = board(&t, token, &tenant.branch_a, november).await;
    assert_eq!(standing(&then), expected);
    let branches = of("of=branches&span=month&on=2026-11-15").await;
    assert_eq!(standing(&branches)[0], line(1, "第一黨支部", 50));
    // Over all who belonged there then, those without points too.
    let averages = of("of=branches&by=average&span=month&on=2026-11-15").await;
    assert_eq!(averages.items()[0]["average"], 8.333);
    assert_eq!(averages.json["entrants"], 2);
    let history = t
        .get(&format!("/leaderboards/{}/history", tenant.root), token)
        .await
        .expect(200);
    assert_eq!(history.items()[0]["starts_on"], "2026-11-01");
    let days = t
        .get(
            &format!("/leaderboards/{}/history?span=day&count=true", tenant.root),
            token,
        )
        .await
        .expect(200);
    // From the day on which the tree was made to the last of November: the first of December ends too late.
    assert_eq!(
        (&days.json["count"], &days.items()[0]["starts_on"]),
        (&json!(7), &json!("2026-11-30"))
    );
}

#[actix_web::test]
async fn a_board_that_is_gone_is_made_anew_by_whoever_looks_however_many() {
    let t = TestApp::start().await;
    let (tenant, people) = open(&t, 3).await;
    for (person, points) in people.iter().zip([10, 20, 30]) {
        give(&t, &tenant, &person.id, points).await;
    }
    let (replica, stop) = t.replica().await;
    let expected = [
        line(1, "群眾0002", 30),
        line(2, "群眾0001", 20),
        line(3, "群眾0000", 10),
    ];
    let all = join_all((0..40).map(|n| {
        let server = if n % 2 == 0 {
            String::new()
        } else {
            format!("{replica}/api/v1")
        };
        let (t, token, path) = (
            &t,
            &people[0].token,
            format!("{server}/leaderboards/{}", tenant.root),
        );
        async move { standing(&t.get(&path, token).await.expect(200)) }
    }))
    .await;
    assert!(all.iter().all(|found| *found == expected));
    stop.stop(false).await;
}

/// What was read before a change, and comes to be remembered only after everybody was told of it, would outlive it.
#[actix_web::test]
async fn a_permit_that_was_read_before_a_change_is_not_remembered_after_it() {
    let t = TestApp::start().await;
    let (tenant, people) = open(&t, 1).await;
    let actor = Actor {
        account: people[0].id.parse().unwrap(),
        session: SessionId(uuid::Uuid::nil()),
        tenant: Some(tenant.root.parse().unwrap()),
        is_system_admin: false,
    };
    let wanted = Wanted {
        organization: tenant.branch_a.parse().unwrap(),
        unit: Unit::Members,
        span: Span::Month,
        on: None,
    };
    let find = || t.app.permits.find(&t.app, actor.clone(), wanted);
    let mut overtaken = 0;
    for _ in 0..50 {
        set_mode(&t, &tenant, &tenant.root, "open").await;
        follow(&t).await;
        let mut looking = Box::pin(find());
        // It is read on another thread meanwhile, and comes back when it is asked again; or has come already.
        let is_back = futures_util::poll!(&mut looking).is_ready();
        set_mode(&t, &tenant, &tenant.root, "off").await;
        follow(&t).await;
        if !is_back && looking.await.is_ok() {
            overtaken += 1;
        }
        assert!(find().await.is_err(), "remembered though it is withdrawn");
        if overtaken == 3 {
            break;
        }
    }
    assert!(overtaken > 0, "nothing was overtaken: it proves nothing");
}

/// Numbers of changes go on above those that were forgotten: else what comes next would look old.
#[actix_web::test]
async fn what_is_forgotten_of_moves_hides_no_points_that_come_after() {
    let t = TestApp::start_for_days().await;
    let (tenant, people) = open(&t, 1).await;
    give(&t, &tenant, &people[0].id, 10).await;
    for _ in 0..5 {
        set_mode(&t, &tenant, &tenant.root, "off").await;
        set_mode(&t, &tenant, &tenant.root, "open").await;
    }
    follow(&t).await;
    let all = async || standing(&board(&t, &tenant.admin, &tenant.root, "span=all").await);
    assert_eq!(all().await, [line(1, "群眾0000", 10)]);
    t.advance_s(2 * 86_400);
    let now = t.now();
    let forget = move |conn: &mut _| leaderboards::forget_moves(conn, now);
    assert!(t.app.db.write(forget).await.unwrap() > 0);
    for points in [10, 20, 30] {
        give(&t, &tenant, &people[0].id, points).await;
        follow(&t).await;
    }
    assert_eq!(all().await, [line(1, "群眾0000", 70)]);
}

#[actix_web::test]
async fn a_ranking_is_watched_live_by_those_to_whom_it_is_shown_for_as_long_as_it_is() {
    let t = TestApp::start().await;
    let (tenant, people) = open(&t, 2).await;
    give(&t, &tenant, &people[0].id, 10).await;
    let path = format!("/leaderboards/{}/live", tenant.root);
    t.get(&path, &t.tenant().await.admin)
        .await
        .refused(404, "not_found");
    let watch = async |last: Option<&str>| {
        let request = t.request(Method::GET, &path, &people[0].token);
        let request = match last {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        Box::pin(request.send().await.unwrap().bytes_stream())
    };
    let mut screen = watch(None).await;
    let mut text = String::new();
    read_until(&mut screen, &mut text, "群眾0000").await;
    give(&t, &tenant, &people[1].id, 20).await;
    follow(&t).await;
    text.clear();
    read_until(&mut screen, &mut text, "群眾0001").await;
    assert!(text.contains("\"rank\":2,\"points\":10"), "{text}");
    // Taken up again it shows everything, whatever was missed in between.
    let id = text
        .rsplit("id: ")
        .next()
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    give(&t, &tenant, &people[0].id, 30).await;
    follow(&t).await;
    let mut resumed = watch(Some(&id)).await;
    let mut text = String::new();
    read_until(&mut resumed, &mut text, "\"rank\":1,\"points\":40").await;
    // It ends when it is shown no more.
    set_mode(&t, &tenant, &tenant.root, "own_rank").await;
    while screen.next().await.is_some() {}
}

async fn read_until<S>(stream: &mut S, text: &mut String, wanted: &str)
where
    S: futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin,
{
    while !(text.contains(wanted) && text.ends_with("\n\n")) {
        let bytes = stream.next().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
}
