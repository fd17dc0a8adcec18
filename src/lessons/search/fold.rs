//! Text as it is compared: runs of signs (Chinese, kana: no spaces between words) and words (letters and digits), each
//! letter with its place in the original. Width, case, accents and Traditional or Simplified make no difference.

use std::ops::Range;
use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A word is its first letters: nobody types more, and no index takes a word of any length.
const MAX_WORD: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Signs,
    Word,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub kind: Kind,
    letters: Range<usize>,
}

/// A text, folded.
#[derive(Debug, Clone, Default)]
pub struct Folded {
    letters: Vec<char>,
    /// Of each letter: which character of the original it comes from.
    places: Vec<usize>,
    pub runs: Vec<Run>,
}

impl Folded {
    pub fn of(text: &str) -> Self {
        let mut folded = Self::default();
        let mut open = None;
        for (place, original) in text.chars().enumerate() {
            fold(original, |letter| {
                // An accent belongs to the letter before it.
                if is_combining_mark(letter) {
                    return;
                }
                let kind = kind_of(letter);
                if let Some(kind) = kind {
                    folded.push(letter, place, kind, open == Some(kind));
                }
                open = kind;
            });
        }
        for run in &mut folded.runs {
            if run.kind == Kind::Word {
                run.letters.end = run.letters.end.min(run.letters.start + MAX_WORD);
            }
        }
        folded
    }

    fn push(&mut self, letter: char, place: usize, kind: Kind, goes_on: bool) {
        let at = self.letters.len();
        self.letters.push(letter);
        self.places.push(place);
        match self.runs.last_mut() {
            Some(run) if goes_on => run.letters.end = at + 1,
            _ => self.runs.push(Run {
                kind,
                letters: at..at + 1,
            }),
        }
    }

    pub fn letters(&self, run: &Run) -> &[char] {
        self.letters.get(run.letters.clone()).unwrap_or_default()
    }

    /// The characters of the original from one letter of a run to before another one.
    pub fn range(&self, run: &Run, from: usize, to: usize) -> Range<usize> {
        let place = |letter: usize| self.places.get(run.letters.start + letter).copied();
        match (place(from), place(to.saturating_sub(1))) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        }
    }

    /// What is indexed: words, pairs of neighbouring signs, and the last sign of each run alone, so that each sign
    /// begins a piece.
    pub fn pieces(&self) -> impl Iterator<Item = String> {
        self.runs.iter().flat_map(|run| {
            let letters = self.letters(run);
            let width = match run.kind {
                Kind::Word => letters.len().max(1),
                Kind::Signs => 2,
            };
            let step = if run.kind == Kind::Word { letters.len() } else { 1 };
            (0..letters.len()).step_by(step.max(1)).map(move |at| {
                let piece = letters.iter().skip(at).take(width);
                piece.collect::<String>()
            })
        })
    }

    /// The runs in one line with a space around each, in which a phrase is found as it stands.
    pub fn line(&self) -> String {
        let mut line = String::from(" ");
        for run in &self.runs {
            line.extend(self.letters(run));
            line.push(' ');
        }
        line
    }
}

fn kind_of(letter: char) -> Option<Kind> {
    // The dot in 卡爾・馬克思 stands among the signs, and so does what is no letter yet.
    if !letter.is_alphanumeric() {
        return None;
    }
    match letter {
        '\u{3005}'
        | '\u{3007}'
        | '\u{3041}'..='\u{3096}'
        | '\u{30A1}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}' => Some(Kind::Signs),
        '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{323AF}' => Some(Kind::Signs),
        _ => Some(Kind::Word),
    }
}

fn fold(original: char, mut each: impl FnMut(char)) {
    if original.is_ascii() {
        each(original.to_ascii_lowercase());
    } else if let Some(simplified) = simplify(original) {
        each(simplified);
    } else {
        for letter in std::iter::once(original).nfkd().flat_map(char::to_lowercase) {
            each(simplify(letter).unwrap_or(letter));
        }
    }
}

const FIRST: char = '\u{3400}';
const LAST: char = '\u{9FFF}';

/// Sign by sign, whatever stands around it: so a part of a text is folded as in the whole, and nothing that a reader
/// sees in a text is missed. Where one Traditional sign has several Simplified ones, these count as the same.
fn simplify(sign: char) -> Option<char> {
    static TABLE: LazyLock<Vec<char>> = LazyLock::new(table);
    let at = u32::from(sign).checked_sub(u32::from(FIRST))?;
    TABLE.get(usize::try_from(at).ok()?).copied()
}

/// Kept apart by OpenCC, which looks at the words around them, or by habit of a region; common in our texts.
const SAME: [(char, char); 17] = [
    ('瞭', '了'),
    ('覆', '复'),
    ('画', '划'),
    ('链', '炼'),
    ('藉', '借'),
    ('馀', '余'),
    ('锺', '钟'),
    ('麽', '么'),
    ('伙', '夥'),
    ('彷', '仿'),
    ('彿', '佛'),
    ('沉', '沈'),
    ('祇', '只'),
    ('衹', '只'),
    ('牴', '抵'),
    ('着', '著'),
    ('甚', '什'),
];

fn table() -> Vec<char> {
    let signs = || FIRST..=LAST;
    // Each on a line of its own, so that OpenCC finds no words.
    let lines: String = signs().flat_map(|sign| [sign, '\n']).collect();
    let simplified = OpenCC::from_config(BuiltinConfig::T2s).map(|converter| converter.convert(&lines));
    let simplified = simplified.unwrap_or(lines);
    let mut table: Vec<char> = simplified.chars().filter(|sign| *sign != '\n').collect();
    if table.len() != signs().count() {
        // Never seen; then each sign is found as it is written.
        table = signs().collect();
    }
    for sign in &mut table {
        if let Some((_, same)) = SAME.iter().find(|(other, _)| other == sign) {
            *sign = *same;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> String {
        Folded::of(text).line()
    }

    #[test]
    fn traditional_and_simplified_are_one() {
        for (traditional, simplified) in [
            ("黨史學習", "党史学习"),
            ("臺灣為爲裡裏", "台湾为为里里"),
            ("計畫計劃", "计划计划"),
            ("瞭解答覆看著項鍊鍛鍊", "了解答复看着项链锻炼"),
            ("乾隆乾淨", "乾隆干净"),
            ("羣眾衆", "群众众"),
            ("什麼甚麼", "什么甚么"),
        ] {
            assert_eq!(line(traditional), line(simplified));
        }
        assert_ne!(line("党"), line("史"));
    }

    #[test]
    fn width_case_and_accents_make_no_difference() {
        assert_eq!(line("ＡＢＣ１２３ ﬁ Café"), " abc123 fi cafe ");
        assert_eq!(line("e\u{301}t"), " et ");
        assert_eq!(line("買A股、3.5"), " 买 a 股 3 5 ");
        assert_eq!(line("\"'*():&|!<->%_\\"), " ");
    }

    #[test]
    fn pieces_are_pairs_the_last_sign_and_words() {
        let pieces = |text: &str| Folded::of(text).pieces().collect::<Vec<_>>();
        assert_eq!(pieces("党史学，A1 b"), ["党史", "史学", "学", "a1", "b"]);
        assert_eq!(pieces(""), [""; 0]);
        assert_eq!(pieces("･卡・马"), ["卡", "马"]);
        assert_eq!(pieces(&"x".repeat(500)), ["x".repeat(MAX_WORD)]);
    }

    proptest! {
        /// No index grammar has anything but letters and digits to read.
        #[test]
        fn pieces_hold_letters_only(text in any::<String>()) {
            for piece in Folded::of(&text).pieces() {
                prop_assert!(!piece.is_empty() && piece.chars().all(char::is_alphanumeric), "{piece:?}");
            }
        }

        #[test]
        fn places_lie_in_the_text_and_never_go_back(text in any::<String>()) {
            let folded = Folded::of(&text);
            let length = text.chars().count();
            prop_assert!(folded.places.iter().all(|place| *place < length));
            prop_assert!(folded.places.is_sorted());
        }
    }
}
