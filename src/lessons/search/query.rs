//! What was asked for, as both databases take it. Only letters and digits get there: what was typed never reaches the
//! grammar of FTS5 or of tsquery.

use super::fold::{Folded, Kind};

/// Parts between spaces, all of which must be found; each stands in the text as one piece.
#[derive(Debug, Clone)]
pub struct Query {
    pub phrases: Vec<Folded>,
}

/// A piece of the index that a phrase asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Needle {
    text: String,
    /// Whatever begins with it.
    is_prefix: bool,
}

impl Query {
    pub fn of(text: &str) -> Self {
        let parts = text.split_whitespace().map(Folded::of);
        Self {
            phrases: parts.filter(|part| !part.runs.is_empty()).collect(),
        }
    }

    /// `"党史 史学" "a 股" *`
    pub fn fts5(&self) -> String {
        let phrase = |phrase: &Folded| {
            let needles = needles(phrase);
            let star = needles.last().is_some_and(|last| last.is_prefix);
            let words: Vec<String> = needles.into_iter().map(|needle| needle.text).collect();
            format!("\"{}\"{}", words.join(" "), if star { " *" } else { "" })
        };
        let phrases: Vec<String> = self.phrases.iter().map(phrase).collect();
        phrases.join(" AND ")
    }

    /// `'党史' & '史学' & 'a' & '股':*`; which of them stand side by side is told by `lines`.
    pub fn tsquery(&self, joined_by: &str) -> String {
        let needles = self.phrases.iter().flat_map(needles);
        let word = |needle: Needle| format!("'{}'{}", needle.text, if needle.is_prefix { ":*" } else { "" });
        needles.map(word).collect::<Vec<_>>().join(joined_by)
    }

    /// What a text's `line` must hold besides, because pieces in one text are not yet a phrase.
    pub fn lines(&self) -> Vec<String> {
        let phrases = self.phrases.iter();
        phrases
            .filter(|phrase| needles(phrase).len() > 1)
            .map(line)
            .collect()
    }
}

/// Pairs of neighbouring signs and words; the last sign of a run alone only where the phrase goes on after it.
fn needles(phrase: &Folded) -> Vec<Needle> {
    let mut needles: Vec<Needle> = phrase
        .pieces()
        .map(|text| Needle {
            text,
            is_prefix: false,
        })
        .collect();
    if let Some(run) = phrase.runs.last().filter(|run| run.kind == Kind::Signs) {
        if phrase.letters(run).len() > 1 {
            needles.pop();
        } else if let Some(last) = needles.last_mut() {
            last.is_prefix = true;
        }
    }
    needles
}

/// Signs at either end may go on in the text, words may not.
fn line(phrase: &Folded) -> String {
    let line = phrase.line();
    let mut line = line.as_str();
    let is_signs = |run: &super::fold::Run| run.kind == Kind::Signs;
    if phrase.runs.first().is_some_and(is_signs) {
        line = line.trim_start();
    }
    if phrase.runs.last().is_some_and(is_signs) {
        line = line.trim_end();
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_part_is_a_phrase() {
        let query = Query::of("  黨史學 A股 紅 half-day ");
        assert_eq!(
            query.fts5(),
            "\"党史 史学\" AND \"a 股\" * AND \"红\" * AND \"half day\""
        );
        assert_eq!(
            query.tsquery(" & "),
            "'党史' & '史学' & 'a' & '股':* & '红':* & 'half' & 'day'"
        );
        assert_eq!(query.lines(), ["党史学", " a 股", " half day "]);
        assert_eq!(Query::of("买A").lines(), ["买 a "]);
        assert_eq!(Query::of("买A").fts5(), "\"买 a\"");
        assert_eq!(Query::of("黨史，學").fts5(), "\"党史 史 学\" *");
    }

    #[test]
    fn operators_are_no_operators() {
        for text in [
            "", " ", "\"", "* OR", "NEAR(", "' & !", "-", ":*", "<->", "title:",
        ] {
            let query = Query::of(text);
            let words: Vec<&str> = ["OR", "NEAR", "title"]
                .into_iter()
                .filter(|w| text.contains(w))
                .collect();
            assert_eq!(query.phrases.len(), words.len(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_letters_stands_between_quotes(text in any::<String>()) {
            let query = Query::of(&text);
            let quoted = |query: &str, quote: char| query.split(quote).skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
            for inner in quoted(&query.fts5(), '"').into_iter().chain(quoted(&query.tsquery(" & "), '\'')) {
                prop_assert!(inner.chars().all(|c| c.is_alphanumeric() || c == ' '), "{inner:?}");
            }
        }
    }
}
