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
    let base = &t.app.config.server.public_url;
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
        assert_eq!(reply.text("/type"), format!("{base}/errors/unauthorized"));
        assert_eq!(reply.text("/request_id"), reply.header("x-request-id"));
    }
}

#[actix_web::test]
async fn what_a_problem_is_called_is_an_address_that_explains_it() {
    let t = TestApp::start().await;
    for code in Code::ALL {
        let page = t
            .get(&format!("{}/errors/{}", t.url, code.wire()), "")
            .await
            .expect(200);
        let html = String::from_utf8(page.bytes.clone()).unwrap();
        assert!(html.contains(code.wire()) && html.contains(&code.status().to_string()));
        for language in [Language::En, Language::ZhHans, Language::ZhHant] {
            let text = code.text(language);
            assert!(!text.contains(['<', '&']), "{text} would need escaping");
            assert!(html.contains(text), "{} lacks {text}", code.wire());
        }
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(
            page.header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
    t.get(&format!("{}/errors/no_such_code", t.url), "")
        .await
        .refused(404, "not_found");
    // The framework's own refusals say it in the same way.
    let reply = t.get("/nowhere", "").await.refused(404, "not_found");
    let base = &t.app.config.server.public_url;
    assert_eq!(reply.text("/type"), format!("{base}/errors/not_found"));
}
