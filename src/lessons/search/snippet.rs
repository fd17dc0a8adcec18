//! Where in a text the hits are, and the passage that is shown around them: always cut from the original.

use std::ops::Range;

use super::fold::{Folded, Kind, Run};
use super::query::Query;

/// A part of a text, a hit or what stands beside one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub hit: bool,
}

/// Characters of a passage, and how many of them stand before its first hit.
const PASSAGE: usize = 80;
const BEFORE: usize = 20;

/// The ranges of characters that were asked for, in order, without overlaps.
pub fn hits(text: &str, query: &Query) -> Vec<Range<usize>> {
    let folded = Folded::of(text);
    let mut found = Vec::new();
    for phrase in &query.phrases {
        for runs in folded.runs.windows(phrase.runs.len()) {
            find(&folded, runs, phrase, &mut found);
        }
    }
    found.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Does the phrase stand in these runs? Of signs the first may begin and the last may end inside a run.
fn find(folded: &Folded, runs: &[Run], phrase: &Folded, found: &mut Vec<Range<usize>>) {
    let pairs = || runs.iter().zip(&phrase.runs);
    if pairs().any(|(run, wanted)| run.kind != wanted.kind) {
        return;
    }
    if let ([run], [wanted]) = (runs, phrase.runs.as_slice()) {
        return find_in_run(folded, run, phrase.letters(wanted), found);
    }
    let last = runs.len().saturating_sub(1);
    let fits = pairs().enumerate().all(|(place, (run, wanted))| {
        let (letters, wanted) = (folded.letters(run), phrase.letters(wanted));
        match run.kind {
            Kind::Signs if place == 0 => letters.ends_with(wanted),
            Kind::Signs if place == last => letters.starts_with(wanted),
            _ => letters == wanted,
        }
    });
    let ends = (
        runs.first().zip(phrase.runs.first()),
        runs.last().zip(phrase.runs.last()),
    );
    if let (true, (Some((first, begun)), Some((last, ended)))) = (fits, ends) {
        let from = folded.letters(first).len() - phrase.letters(begun).len();
        let begin = folded.range(first, from, from + 1).start;
        found.push(begin..folded.range(last, 0, phrase.letters(ended).len()).end);
    }
}

fn find_in_run(folded: &Folded, run: &Run, wanted: &[char], found: &mut Vec<Range<usize>>) {
    let letters = folded.letters(run);
    match run.kind {
        Kind::Word if letters == wanted => found.push(folded.range(run, 0, letters.len())),
        Kind::Word => {}
        Kind::Signs => {
            let windows = letters.windows(wanted.len()).enumerate();
            let places = windows.filter(|(_, window)| *window == wanted);
            found.extend(places.map(|(at, _)| folded.range(run, at, at + wanted.len())));
        }
    }
}

/// The whole text in pieces.
pub fn marked(text: &str, hits: &[Range<usize>]) -> Vec<Piece> {
    cut(text, hits, 0..text.chars().count())
}

/// The passage around the first hit and the place where it begins; none when nothing is hit.
pub fn passage(text: &str, hits: &[Range<usize>]) -> Option<(usize, Vec<Piece>)> {
    let length = text.chars().count();
    let first = hits.first()?;
    let begin = first
        .start
        .saturating_sub(BEFORE)
        .min(length.saturating_sub(PASSAGE));
    let end = length.min(begin + PASSAGE);
    Some((begin, cut(text, hits, begin..end)))
}

fn cut(text: &str, hits: &[Range<usize>], window: Range<usize>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut hits = hits.iter().peekable();
    let inside = text.chars().enumerate().skip(window.start).take(window.len());
    for (place, letter) in inside {
        while hits.next_if(|hit| hit.end <= place).is_some() {}
        let hit = hits.peek().is_some_and(|hit| hit.contains(&place));
        match pieces.last_mut() {
            Some(piece) if piece.hit == hit => piece.text.push(letter),
            _ => pieces.push(Piece {
                text: letter.to_string(),
                hit,
            }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(text: &str, query: &str) -> String {
        let pieces = marked(text, &hits(text, &Query::of(query)));
        let show = |piece: Piece| {
            if piece.hit {
                format!("[{}]", piece.text)
            } else {
                piece.text
            }
        };
        pieces.into_iter().map(show).collect()
    }

    #[test]
    fn hits_are_marked_in_the_original() {
        assert_eq!(show("為了黨史，为了", "为了"), "[為了]黨史，[为了]");
        assert_eq!(show("黨史學習教育", "党史 習教"), "[黨史]學[習教]育");
        assert_eq!(show("買A股票，A 股", "a股"), "買[A股]票，[A 股]");
        assert_eq!(show("Café cafes", "CAFE"), "[Café] cafes");
        assert_eq!(show("共12㎡大", "12m2"), "共[12㎡]大");
        assert_eq!(show("黨，史", "党史"), "黨，史");
        assert_eq!(show("abc", "ab"), "abc");
        assert_eq!(show("aaa", "\""), "aaa");
    }

    #[test]
    fn a_passage_begins_a_little_before_its_first_hit() {
        let text = format!("{}黨史{}", "前".repeat(200), "後".repeat(200));
        let (at, pieces) = passage(&text, &hits(&text, &Query::of("党史"))).unwrap();
        assert_eq!((at, pieces.len()), (180, 3));
        assert_eq!(
            pieces[1],
            Piece {
                text: "黨史".into(),
                hit: true
            }
        );
        let near_the_end = format!("{}黨史", "前".repeat(200));
        let (at, pieces) = passage(&near_the_end, &hits(&near_the_end, &Query::of("党史"))).unwrap();
        assert_eq!((at, pieces.len()), (122, 2));
        assert_eq!(passage(&text, &[]), None);
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[党黨史学學 aA1，é ﬁ㎡]{0,200}"]
    }

    proptest! {
        /// The pieces are the text; a passage is the part of it that begins where it says, and shows a hit.
        #[test]
        fn nothing_is_lost_or_invented(text in texts(), query in texts()) {
            let found = hits(&text, &Query::of(&query));
            let whole: String = marked(&text, &found).iter().map(|piece| piece.text.as_str()).collect();
            prop_assert_eq!(&whole, &text);
            if let Some((at, pieces)) = passage(&text, &found) {
                let shown: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
                let expected: String = text.chars().skip(at).take(PASSAGE).collect();
                prop_assert_eq!(shown, expected);
                prop_assert!(pieces.iter().any(|piece| piece.hit));
            }
        }

        /// Any part of a text, taken from between its spaces, finds it, and the mark stands where it was taken.
        #[test]
        fn what_stands_in_a_text_is_found(text in "[党黨史学學習a1é，]{1,60}", from in 0usize..60, length in 1usize..8) {
            let signs: Vec<char> = text.chars().collect();
            let from = from % signs.len();
            let part: String = signs.iter().skip(from).take(length).collect();
            let is_sign = |at: Option<usize>| at.and_then(|at| signs.get(at)).is_none_or(|c| !c.is_alphanumeric() || *c > '\u{3400}');
            let end = from + part.chars().count();
            // A word is found whole.
            let whole = (is_sign(from.checked_sub(1)) || is_sign(Some(from))) && (is_sign(Some(end)) || is_sign(end.checked_sub(1)));
            let query = Query::of(&part);
            if whole && !query.phrases.is_empty() {
                let found = hits(&text, &query);
                prop_assert!(found.iter().any(|hit| hit.start <= from + 1 + length && hit.end > from.saturating_sub(1)), "{} in {}", part, text);
                prop_assert!(!found.is_empty());
                let line = Folded::of(&text).line();
                prop_assert!(query.lines().iter().all(|wanted| line.contains(wanted.as_str())));
                let pieces: Vec<String> = Folded::of(&text).pieces().collect();
                for word in query.tsquery("\n").split('\n') {
                    let (word, prefix) = match word.strip_suffix(":*") { Some(word) => (word, true), None => (word, false) };
                    let word = word.trim_matches('\'');
                    prop_assert!(pieces.iter().any(|piece| piece == word || (prefix && piece.starts_with(word))), "{}", word);
                }
            }
        }
    }
}
