//! The table of error codes: each is used, has a fitting status, and words in three languages.

use std::collections::HashSet;

use zhibu::platform::error::{Code, Language};

use super::layers::sources;
use crate::support::TestApp;

#[test]
fn each_code_is_used_unique_and_has_its_words() {
    let mut seen = HashSet::new();
    let code: String = sources()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("error/code.rs"))
        .map(|(_, text)| text)
        .collect();
    for each in Code::ALL {
        assert!(seen.insert(each.wire()), "{} stands twice", each.wire());
        assert!((400..600).contains(&each.status()), "{}", each.wire());
        let words = [Language::En, Language::ZhHans, Language::ZhHant].map(|language| each.text(language));
        assert!(
            words.iter().all(|text| text.chars().count() >= 3),
            "{}",
            each.wire()
        );
        assert!(
            words[0].is_ascii() && !words[1].is_ascii() && !words[2].is_ascii(),
            "{}",
            each.wire()
        );
        assert!(
            code.contains(&format!("Code::{each:?}")),
            "{} is never answered",
            each.wire()
        );
    }
}

#[actix_web::test]
async fn the_detail_follows_the_language_and_the_code_never_does() {
    let t = TestApp::start().await;
    for (header, language) in [
        ("zh-CN,zh;q=0.9", Language::ZhHans),
        ("zh-TW", Language::ZhHant),
        ("zh-HK;q=0.8, en;q=0.2", Language::ZhHant),
        ("en-GB", Language::En),
        ("fr", Language::En),
        ("en;q=0.1, zh-Hant;q=0.9", Language::ZhHant),
    ] {
        let request = t
            .request(reqwest::Method::GET, "/home", "")
            .header("accept-language", header);
        let reply = crate::support::Reply::of(request)
            .await
            .refused(401, "unauthorized");
        assert_eq!(
            reply.text("/detail"),
            Code::Unauthorized.text(language),
            "{header}"
        );
        assert_eq!(reply.header("content-language"), language.tag());
        assert_eq!(reply.text("/request_id"), reply.header("x-request-id"));
    }
}
