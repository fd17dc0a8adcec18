//! Who is expected, against a model: random people in a random tree, events of random days in several time zones.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Tenant, TestApp};

const STANDINGS: [&str; 4] = ["full", "probationary", "activist", "guest"];

struct Person {
    id: String,
    organization: usize,
    /// Standings with the day each began, oldest first.
    history: Vec<(NaiveDate, &'static str)>,
    active: bool,
}

impl Person {
    /// A standing is a function of the date; before the first one is known, it is the first.
    fn standing(&self, on: NaiveDate) -> &'static str {
        let known = self.history.iter().rev().find(|(since, _)| *since <= on);
        known.or(self.history.first()).unwrap().1
    }
}

/// The tree: places in the list, each with its parent's.
struct World {
    organizations: Vec<(String, Option<usize>)>,
    people: Vec<Person>,
}

impl World {
    fn is_within(&self, mut node: usize, top: usize) -> bool {
        loop {
            if node == top {
                return true;
            }
            match self.organizations[node].1 {
                Some(parent) => node = parent,
                None => return false,
            }
        }
    }

    fn expected(
        &self,
        tops: &[usize],
        standings: &[&str],
        named: &[usize],
        on: NaiveDate,
    ) -> BTreeMap<String, bool> {
        let mut expected = BTreeMap::new();
        for (n, person) in self.people.iter().enumerate().filter(|(_, p)| p.active) {
            let standing = person.standing(on);
            let called = standings.contains(&standing)
                && tops.iter().any(|top| self.is_within(person.organization, *top));
            if called || named.contains(&n) {
                expected.insert(person.id.clone(), standing == "full");
            }
        }
        expected
    }
}

fn day(rng: &mut StdRng, from: u32, to: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, rng.random_range(from..=to)).unwrap()
}

async fn build(t: &TestApp, tenant: &Tenant, rng: &mut StdRng) -> World {
    let mut organizations = vec![(tenant.root.clone(), None)];
    for n in 0..6 {
        let parent = rng.random_range(0..organizations.len());
        let body =
            json!({ "name": format!("組織{n}"), "kind": "committee", "parent_id": organizations[parent].0 });
        let made = t
            .post("/organizations", &tenant.admin, body)
            .await
            .expect(201)
            .id();
        organizations.push((made, Some(parent)));
    }
    let mut people = Vec::new();
    for n in 0..30 {
        let organization = rng.random_range(0..organizations.len());
        let (first, since) = (STANDINGS[rng.random_range(0..4)], day(rng, 1, 15));
        let body = json!({
            "name": format!("某{n:02}"), "organization_id": organizations[organization].0, "standing": first,
            "standing_since": since, "account_name": format!("roster-{}-{n}", tenant.mark),
        });
        let id = t.post("/members", &tenant.admin, body).await.expect(201).id();
        let mut person = Person {
            id,
            organization,
            history: vec![(since, first)],
            active: true,
        };
        let (second, since) = (STANDINGS[rng.random_range(0..4)], day(rng, 16, 24));
        if second != first {
            let change = json!({ "standing": second, "standing_since": since });
            t.patch(&format!("/members/{}", person.id), &tenant.admin, "*", change)
                .await
                .expect(200);
            person.history.push((since, second));
        }
        if rng.random_range(0..8) == 0 {
            let path = format!("/members/{}/deactivate", person.id);
            t.post(&path, &tenant.admin, json!({ "reason": "調離" }))
                .await
                .expect(200);
            person.active = false;
        }
        people.push(person);
    }
    World {
        organizations,
        people,
    }
}

/// Everybody expected on the sheet, and whether they may vote; people of other tests' making are left out.
async fn roster_of(t: &TestApp, tenant: &Tenant, event: &str) -> BTreeMap<String, bool> {
    let path = format!("/events/{event}/attendance?limit=200");
    let sheet = t.get(&path, &tenant.admin).await.expect(200);
    let lines = sheet
        .items()
        .iter()
        .filter(|line| line["name"].as_str().unwrap().starts_with('某'));
    lines
        .map(|line| {
            assert_eq!(line["expected"], true);
            (
                line["member_id"].as_str().unwrap().to_owned(),
                line["may_vote"] == true,
            )
        })
        .collect()
}

#[actix_web::test]
async fn the_roster_is_what_the_rules_say_for_any_tree_people_and_day() {
    let t = TestApp::start_for_days().await;
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let tenant = t.tenant().await;
    let world = build(&t, &tenant, &mut rng).await;
    for zone in ["Asia/Shanghai", "Pacific/Auckland", "America/New_York"] {
        let settings = json!({ "settings": { "time_zone": zone } });
        t.patch(
            &format!("/organizations/{}", tenant.root),
            &tenant.admin,
            "*",
            settings,
        )
        .await
        .expect(200);
        for _ in 0..8 {
            // Around midnight too: the day of an event is the tree's, not Greenwich's.
            let minute = rng.random_range(10 * 24 * 60..28 * 24 * 60);
            let start =
                "2026-11-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::Duration::minutes(minute);
            let on = start.with_timezone(&zone.parse::<Tz>().unwrap()).date_naive();
            let some = |rng: &mut StdRng, all: usize, most: usize| -> Vec<usize> {
                (0..rng.random_range(0..=most))
                    .map(|_| rng.random_range(0..all))
                    .collect()
            };
            let (own, tops) = (
                rng.random_range(0..world.organizations.len()),
                some(&mut rng, world.organizations.len(), 2),
            );
            let named: Vec<usize> = some(&mut rng, world.people.len(), 3);
            let standings: Vec<&str> = some(&mut rng, 4, 3).into_iter().map(|n| STANDINGS[n]).collect();
            let ids = |places: &[usize]| -> Vec<Value> {
                places.iter().map(|n| json!(world.organizations[*n].0)).collect()
            };
            let people: Vec<&String> = named.iter().map(|n| &world.people[*n].id).collect();
            let body = json!({
                "organization_id": world.organizations[own].0, "title": "大會", "forms": ["general_meeting"],
                "starts_at": start, "ends_at": start + chrono::Duration::hours(1),
                "expected": { "organization_ids": ids(&tops), "standings": standings, "member_ids": people },
            });
            let event = t
                .post("/events", &tenant.admin, body.clone())
                .await
                .expect(201)
                .id();
            let tops = if tops.is_empty() && named.is_empty() {
                vec![own]
            } else {
                tops
            };
            let standings = if standings.is_empty() {
                vec!["full", "probationary"]
            } else {
                standings
            };
            let expected = world.expected(&tops, &standings, &named, on);
            assert_eq!(
                roster_of(&t, &tenant, &event).await,
                expected,
                "seed {seed}, {zone}: {body}"
            );
        }
    }
}
