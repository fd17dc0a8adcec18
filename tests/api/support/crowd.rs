//! Many people at once, from a roster.

use reqwest::Method;

use super::{Reply, Tenant, TestApp};

/// Somebody of a crowd: their id, and a token.
pub struct Person {
    pub id: String,
    pub token: String,
}

impl TestApp {
    /// So many full members of branch A, in the order of their numbers.
    pub async fn crowd(&self, tenant: &Tenant, many: usize) -> Vec<Person> {
        let mut csv = String::from("姓名,工號,黨員類別,所在支部\n");
        for n in 0..many {
            csv.push_str(&format!("群眾{n:04},Q{n:04},正式黨員,第一黨支部\n"));
        }
        let path = format!("/members/imports?organization_id={}", tenant.root);
        let request = self.request(Method::POST, &path, &tenant.admin);
        Reply::of(request.header("content-type", "text/csv").body(csv))
            .await
            .expect(201);
        let (mut people, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self
                .get(&format!("/members?q=群眾&limit=200{cursor}"), &tenant.admin)
                .await
                .expect(200);
            for member in page.items() {
                let name = member["name"].as_str().unwrap().to_owned();
                people.push((name, member["id"].as_str().unwrap().to_owned()));
            }
            match page.json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(people.len(), many);
        people.sort();
        let person = |(_, id): (String, String)| Person {
            token: self.token_of(&id, &tenant.root),
            id,
        };
        people.into_iter().map(person).collect()
    }
}
