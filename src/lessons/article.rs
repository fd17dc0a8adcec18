//! Articles: Markdown as it was written, and the clean HTML that is served, in sections. Sanitised once, when it is published.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use comrak::arena_tree::NodeEdge;
use comrak::nodes::{AstNode, Node, NodeValue};
use comrak::{Arena, Options};
use serde::{Deserialize, Serialize};

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
            "section",
        ]))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("ol", HashSet::from(["start"])),
            ("section", HashSet::from(["id"])),
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

/// A part of an article, from one heading to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Empty for what stands above the first heading.
    pub title: String,
    /// The least time, in milliseconds, in which anybody reads it.
    pub ms: u32,
}

/// An article as it is published.
#[derive(Debug)]
pub struct Article {
    /// Without scripts, styles, pictures, or links that are none; section 0 is `<section id="section-0">` and so on.
    pub html: String,
    pub sections: Vec<Section>,
}

/// Headings after this many belong to the last section.
const MAX_SECTIONS: usize = 100;

/// Each of the article's own headings, not those in quotes or lists, begins a section.
pub fn render(markdown: &str) -> Article {
    let arena = Arena::new();
    let root = comrak::parse_document(&arena, markdown, &options());
    let blocks: Vec<Node<'_>> = root.children().collect();
    let mut sections: Vec<Section> = Vec::new();
    for block in blocks {
        let is_heading = matches!(block.data.borrow().value, NodeValue::Heading(_));
        if sections.is_empty() || (is_heading && sections.len() < MAX_SECTIONS) {
            let end = if sections.is_empty() { "" } else { "</section>" };
            let begin = format!("{end}<section id=\"section-{}\">", sections.len());
            block.insert_before(arena.alloc(AstNode::from(NodeValue::Raw(begin))));
            let title = if is_heading {
                visible_text(block)
            } else {
                String::new()
            };
            sections.push(Section { title, ms: 0 });
        }
        if let Some(section) = sections.last_mut() {
            section.ms = section.ms.saturating_add(least_reading_ms(&visible_text(block)));
        }
    }
    if !sections.is_empty() {
        root.append(arena.alloc(AstNode::from(NodeValue::Raw("</section>".to_owned()))));
    }
    let mut html = String::new();
    // Writing into a String does not fail.
    let _ = comrak::format_html(root, &options(), &mut html);
    Article {
        html: CLEANER.clean(&html).to_string(),
        sections,
    }
}

/// An article's words as a reader sees them, a line for each paragraph, item and cell.
pub fn plain(markdown: &str) -> String {
    let arena = Arena::new();
    let mut text = String::new();
    for part in comrak::parse_document(&arena, markdown, &options()).descendants() {
        let part = part.data.borrow();
        if part.value.block() && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        push_words(&mut text, &part.value);
    }
    text
}

/// The words that a reader sees, without markup.
fn visible_text(node: Node<'_>) -> String {
    let mut text = String::new();
    for part in node.descendants() {
        push_words(&mut text, &part.data.borrow().value);
    }
    text
}

fn push_words(text: &mut String, value: &NodeValue) {
    match value {
        NodeValue::Text(words) => text.push_str(words),
        NodeValue::Code(code) => text.push_str(&code.literal),
        NodeValue::CodeBlock(code) => text.push_str(&code.literal),
        NodeValue::HtmlBlock(html) => text.push_str(&html.literal),
        NodeValue::HtmlInline(html) => text.push_str(html),
        NodeValue::SoftBreak | NodeValue::LineBreak => text.push(' '),
        _ => {}
    }
}

/// As fast as practised readers skim: 1,000 Chinese characters a minute, other scripts four letters for one of them. A
/// bound that no honest reader meets, so the slow are not hurried and the fast are not suspected.
fn least_reading_ms(text: &str) -> u32 {
    let weigh = |letter: char| if u32::from(letter) < 0x2E80 { 15 } else { 60 };
    text.chars()
        .filter(|letter| !letter.is_whitespace())
        .map(weigh)
        .fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render_html(markdown: &str) -> String {
        render(markdown).html
    }

    #[test]
    fn headings_make_sections_with_a_least_reading_time() {
        let article = render(
            "開頭\n\n# 第一節 *重點*\n\n一二三四\n\n> # 引文\n\n## Two\n\nabcd efgh\n\n<section id=\"x\">",
        );
        let section = |title: &str, ms| Section {
            title: title.to_owned(),
            ms,
        };
        assert_eq!(
            article.sections,
            [
                section("", 120),
                section("第一節 重點", 5 * 60 + 4 * 60 + 2 * 60),
                section("Two", 3 * 15 + 8 * 15 + 15 * 15)
            ]
        );
        assert_eq!(
            article.html.matches("<section id=\"section-").count(),
            3,
            "{}",
            article.html
        );
        assert_eq!(article.html.matches("</section>").count(), 3, "{}", article.html);
        assert!(article.html.contains("&lt;section id="), "{}", article.html);
        assert_eq!(render("").sections, []);
        assert_eq!(render(&"# x\n\n".repeat(300)).sections.len(), MAX_SECTIONS);
    }

    #[test]
    fn what_could_run_is_text_or_gone() {
        let html = render_html(
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
    fn plain_words_keep_paragraphs_items_and_cells_apart() {
        let text = "# 要*點*\n\n黨\n史\n\n- 一\n- 二\n\n|甲|乙|\n|-|-|\n|1|[2](https://x.cn)|\n";
        assert_eq!(plain(text), "要點\n黨 史\n一\n二\n甲\n乙\n1\n2");
        assert_eq!(plain(""), "");
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
            assert!(is_too_deep(&text) || !render_html(&text).is_empty(), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in any::<String>()) {
            let once = render_html(&text);
            prop_assert_eq!(CLEANER.clean(&once).to_string(), once);
        }
    }
}
