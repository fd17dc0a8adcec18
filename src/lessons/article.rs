//! Articles: Markdown as it was written, and the clean HTML that is served. Sanitised once, when it is published.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

/// What an article may consist of. Pictures come with the media of a lesson, so there are none from elsewhere.
static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::empty();
    cleaner
        .tags(HashSet::from([
            "p",
            "br",
            "hr",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "ul",
            "ol",
            "li",
            "blockquote",
            "pre",
            "code",
            "em",
            "strong",
            "del",
            "a",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        ]))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("ol", HashSet::from(["start"])),
        ]))
        .url_schemes(HashSet::from(["https", "http", "mailto", "tel"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"));
    cleaner
});

/// HTML without scripts, styles, pictures, or links that are none.
pub fn render(markdown: &str) -> String {
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    // Raw HTML passes here, so that its text is not lost, and is cleaned with the rest.
    options.render.r#unsafe = true;
    let html = comrak::markdown_to_html(markdown, &options);
    CLEANER.clean(&html).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_run_is_gone_and_what_is_text_stays() {
        let html = render(
            "# 黨課\n\n**重點**與[連結](https://example.org/a?b=1)\n\n| 甲 | 乙 |\n|---|---|\n| 1 | 2 |\n\n<script>alert(1)</script>\
             <img src=x onerror=alert(1)>\n\n[壞](javascript:alert(1))\n\n<a href=\"data:text/html,x\" onclick=\"y()\">z</a>\
             <svg onload=alert(1)> <iframe src=\"//evil\"></iframe> <p style=\"position:fixed\">末</p>",
        );
        for good in [
            "<h1>黨課</h1>",
            "<strong>重點</strong>",
            "href=\"https://example.org/a?b=1\"",
            "<td>1</td>",
            "末",
        ] {
            assert!(html.contains(good), "{good} in {html}");
        }
        for bad in [
            "script",
            "alert(1)<",
            "onerror",
            "onclick",
            "javascript:",
            "data:",
            "svg",
            "iframe",
            "style",
            "<img",
        ] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in any::<String>()) {
            let once = render(&text);
            prop_assert_eq!(CLEANER.clean(&once).to_string(), once);
        }
    }
}
