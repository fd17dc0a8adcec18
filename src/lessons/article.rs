//! Articles: Markdown as it was written, and the clean HTML that is served. Sanitised once, when it is published.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use comrak::arena_tree::NodeEdge;
use comrak::{Arena, Options};

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

/// Deeper than anybody reads; what parses HTML takes a time that grows with the square of the depth.
const MAX_DEPTH: usize = 32;

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    // HTML in Markdown is shown as the text that it is.
    options.render.escape = true;
    options
}

/// Quotes in quotes, lists in lists and so on, deeper than `render` takes.
pub fn is_too_deep(markdown: &str) -> bool {
    let arena = Arena::new();
    let mut depth = 0usize;
    for edge in comrak::parse_document(&arena, markdown, &options()).traverse() {
        match edge {
            NodeEdge::Start(_) if depth > MAX_DEPTH => return true,
            NodeEdge::Start(_) => depth += 1,
            NodeEdge::End(_) => depth -= 1,
        }
    }
    false
}

/// HTML without scripts, styles, pictures, or links that are none.
pub fn render(markdown: &str) -> String {
    let html = comrak::markdown_to_html(markdown, &options());
    CLEANER.clean(&html).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_run_is_text_or_gone() {
        let html = render(
            "# 黨課\n\n**重點**與[連結](https://example.org/a?b=1)\n\n| 甲 | 乙 |\n|---|---|\n| 1 | 2 |\n\n\
             [壞](javascript:alert(1)) [壞](data:text/html,x) ![圖](https://example.org/x.png)\n\n\
             <script>alert(1)</script><img src=x onerror=alert(1)> <a href=\"/x\" onclick=\"y()\">末</a>",
        );
        for good in [
            "<h1>黨課</h1>",
            "<strong>重點</strong>",
            "href=\"https://example.org/a?b=1\"",
            "<td>1</td>",
            "&lt;script&gt;",
            "末",
        ] {
            assert!(html.contains(good), "{good} in {html}");
        }
        for bad in ["<script", "<img", "javascript:", "data:", "<a href=\"/x\""] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_found() {
        for piece in ["> ", ">", "+ ", "1. "] {
            assert!(!is_too_deep(&format!("{}x", piece.repeat(5))), "{piece}");
            assert!(is_too_deep(&format!("{}x", piece.repeat(5_000))), "{piece}");
        }
        // These nest nothing, however often they are repeated.
        for piece in ["[", "*", "<ul><li>", "**a_", "![", "`"] {
            let text = piece.repeat(20_000 / piece.len());
            assert!(is_too_deep(&text) || !render(&text).is_empty(), "{piece}");
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
