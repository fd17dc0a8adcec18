//! What a quiz must be like, how an attempt draws and shuffles from it, and what it scores. No database, no clock, and
//! the randomness is the caller's.

use std::collections::BTreeSet;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::QuestionId;

/// Seconds after the end of an attempt that a hand-in may take on its way.
pub const GRACE_S: i64 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// One option is right.
    Single,
    /// One or more are right, and all of them are to be chosen.
    Multiple,
    /// Two options, one of them right.
    TrueFalse,
    /// All options are to be put into their order.
    Ordering,
}

/// A question as it was written. Indexes are those of `options`, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Question {
    pub id: QuestionId,
    pub kind: QuestionKind,
    pub text: String,
    pub options: Vec<String>,
    /// What is right; of an ordering all indexes in their order, else rising.
    pub answer: Vec<u8>,
    pub explanation: String,
}

impl Question {
    /// May what was answered to `other` be counted with what is answered to this one?
    pub fn asks_the_same(&self, other: &Self) -> bool {
        (self.kind, &self.options, &self.answer) == (other.kind, &other.options, &other.answer)
    }

    /// As a whole: what is half right is wrong.
    pub fn is_right(&self, chosen: &[u8]) -> bool {
        if self.kind == QuestionKind::Ordering {
            return self.answer == chosen;
        }
        let set = |indexes: &[u8]| indexes.iter().copied().collect::<BTreeSet<u8>>();
        set(&self.answer) == set(chosen)
    }
}

/// A quiz as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quiz {
    /// How many of the questions an attempt gets; null for all.
    pub draw: Option<u16>,
    /// The score that passes.
    pub pass_permille: i32,
    /// Null for as many as one likes.
    pub attempt_limit: Option<i32>,
    /// Null for as long as one likes.
    pub time_limit_s: Option<i64>,
    /// Questions and options in another order at each attempt; those of an ordering always are.
    pub shuffle: bool,
    pub questions: Vec<Question>,
}

impl Quiz {
    /// How many questions an attempt gets.
    pub fn asked(&self) -> usize {
        let all = self.questions.len();
        self.draw.map_or(all, |draw| usize::from(draw).min(all))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    Open,
    HandedIn,
    /// Its time was over before it was handed in. It counts, with nothing answered.
    Expired,
}

impl AttemptStatus {
    pub const ALL: [Self; 3] = [Self::Open, Self::HandedIn, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HandedIn => "handed_in",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A question of an attempt: which of the quiz, and which of its options stands at each place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    pub question: usize,
    pub order: Vec<u8>,
}

/// The questions of a new attempt.
pub fn draw(quiz: &Quiz, rng: &mut impl Rng) -> Vec<Drawn> {
    let mut places: Vec<usize> = (0..quiz.questions.len()).collect();
    places.shuffle(rng);
    places.truncate(quiz.asked());
    if !quiz.shuffle {
        places.sort_unstable();
    }
    let mut drawn = Vec::new();
    for place in places {
        if let Some(question) = quiz.questions.get(place) {
            drawn.push(Drawn {
                question: place,
                order: order(question, quiz.shuffle, rng),
            });
        }
    }
    drawn
}

/// True and false stay where everybody looks for them; an ordering that is not shuffled would tell its answer.
fn order(question: &Question, shuffle: bool, rng: &mut impl Rng) -> Vec<u8> {
    let mut order: Vec<u8> = (0..).take(question.options.len()).collect();
    let shuffled = match question.kind {
        QuestionKind::Ordering => true,
        QuestionKind::TrueFalse => false,
        QuestionKind::Single | QuestionKind::Multiple => shuffle,
    };
    if shuffled {
        order.shuffle(rng);
    }
    order
}

impl Drawn {
    /// The options in the order of this attempt.
    pub fn options(&self, question: &Question) -> Vec<String> {
        let option = |written: &u8| question.options.get(usize::from(*written)).cloned();
        self.order.iter().filter_map(option).collect()
    }

    /// From places in this attempt to indexes as they were written.
    pub fn written(&self, places: &[u8]) -> Vec<u8> {
        let index = |place: &u8| self.order.get(usize::from(*place)).copied();
        places.iter().filter_map(index).collect()
    }

    /// From indexes as they were written to places in this attempt; rising, unless their order is the answer.
    pub fn places(&self, question: &Question) -> Vec<u8> {
        let place = |written: &u8| {
            let mut places = (0u8..).zip(&self.order);
            places
                .find(|(_, index)| *index == written)
                .map(|(place, _)| place)
        };
        let mut places: Vec<u8> = question.answer.iter().filter_map(place).collect();
        if question.kind != QuestionKind::Ordering {
            places.sort_unstable();
        }
        places
    }
}

/// Bits of the options that were chosen, as they were written.
pub fn bits(written: &[u8]) -> i32 {
    written.iter().fold(0, |bits, index| {
        bits | 1i32.checked_shl(u32::from(*index)).unwrap_or(0)
    })
}

/// In thousandths, rounded down.
pub fn score_permille(right: usize, asked: usize) -> i32 {
    let thousandths = (right.min(asked) * 1_000).checked_div(asked).unwrap_or(0);
    i32::try_from(thousandths).unwrap_or(0)
}

/// What is wrong with an answer, by its place in the list of indexes; none for the list itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    NoSuchOption(usize),
    Repeated(usize),
    /// One is wanted.
    NotOne,
    /// An ordering names all of them.
    NotAll,
}

/// Looks indexes over that are to answer a question of this kind with so many options.
pub fn flaws(kind: QuestionKind, options: usize, indexes: &[u8]) -> Vec<Flaw> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (at, index) in indexes.iter().enumerate() {
        if usize::from(*index) >= options {
            found.push(Flaw::NoSuchOption(at));
        } else if !seen.insert(*index) {
            found.push(Flaw::Repeated(at));
        }
    }
    match kind {
        _ if !found.is_empty() => {}
        QuestionKind::Single | QuestionKind::TrueFalse if indexes.len() != 1 => found.push(Flaw::NotOne),
        QuestionKind::Ordering if indexes.len() != options => found.push(Flaw::NotAll),
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn question(kind: QuestionKind, options: u8, answer: &[u8]) -> Question {
        Question {
            id: QuestionId(uuid::Uuid::nil()),
            kind,
            text: String::new(),
            options: (0..options).map(|n| n.to_string()).collect(),
            answer: answer.to_vec(),
            explanation: String::new(),
        }
    }

    fn quiz(draw: Option<u16>, shuffle: bool, questions: Vec<Question>) -> Quiz {
        Quiz {
            draw,
            pass_permille: 600,
            attempt_limit: None,
            time_limit_s: None,
            shuffle,
            questions,
        }
    }

    #[test]
    fn an_option_that_is_named_twice_is_chosen_once_and_is_the_only_flaw() {
        assert_eq!(bits(&[1, 3, 1]), 0b1010);
        assert_eq!(flaws(QuestionKind::Single, 4, &[1, 1]), [Flaw::Repeated(1)]);
        assert_eq!(flaws(QuestionKind::Single, 4, &[4, 0]), [Flaw::NoSuchOption(0)]);
        assert_eq!(flaws(QuestionKind::Single, 4, &[1, 0]), [Flaw::NotOne]);
        assert_eq!(flaws(QuestionKind::Ordering, 3, &[1, 0]), [Flaw::NotAll]);
    }

    #[test]
    fn what_is_half_right_is_wrong() {
        let multiple = question(QuestionKind::Multiple, 4, &[0, 2]);
        assert!(multiple.is_right(&[2, 0]));
        for wrong in [&[0][..], &[], &[0, 1, 2], &[1, 3]] {
            assert!(!multiple.is_right(wrong));
        }
        let ordering = question(QuestionKind::Ordering, 3, &[2, 0, 1]);
        assert!(ordering.is_right(&[2, 0, 1]));
        assert!(!ordering.is_right(&[0, 1, 2]));
    }

    #[test]
    fn a_score_is_rounded_down() {
        assert_eq!(score_permille(2, 3), 666);
        assert_eq!(score_permille(3, 3), 1_000);
        assert_eq!(score_permille(0, 0), 0);
        assert_eq!(bits(&[0, 3]), 9);
    }

    #[test]
    fn an_answer_without_sense_is_told_by_its_place() {
        use QuestionKind::{Multiple, Ordering, Single, TrueFalse};
        assert_eq!(flaws(Single, 3, &[2]), []);
        assert_eq!(flaws(Single, 3, &[3]), [Flaw::NoSuchOption(0)]);
        assert_eq!(flaws(Single, 3, &[]), [Flaw::NotOne]);
        assert_eq!(flaws(TrueFalse, 2, &[0, 1]), [Flaw::NotOne]);
        assert_eq!(flaws(Multiple, 3, &[0, 1, 1]), [Flaw::Repeated(2)]);
        assert_eq!(flaws(Ordering, 3, &[0, 1]), [Flaw::NotAll]);
        assert_eq!(flaws(Ordering, 3, &[2, 0, 1]), []);
    }

    #[test]
    fn an_order_that_is_kept_is_kept_but_for_orderings() {
        let all = (0..40).map(|_| question(QuestionKind::Ordering, 10, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        let mut all: Vec<Question> = all.collect();
        all.push(question(QuestionKind::Single, 4, &[1]));
        let drawn = draw(&quiz(None, false, all), &mut StdRng::seed_from_u64(7));
        assert!(drawn.iter().map(|one| one.question).eq(0..41));
        assert_eq!(drawn.last().map(|one| one.order.clone()), Some(vec![0, 1, 2, 3]));
        assert!(
            drawn
                .iter()
                .take(40)
                .any(|one| one.order != [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        );
    }

    #[test]
    fn every_question_of_a_bank_is_drawn_by_somebody() {
        let bank: Vec<Question> = (0..10)
            .map(|_| question(QuestionKind::TrueFalse, 2, &[0]))
            .collect();
        let bank = quiz(Some(3), true, bank);
        let mut seen = BTreeSet::new();
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            seen.extend(draw(&bank, &mut rng).iter().map(|one| one.question));
        }
        assert_eq!(seen.len(), 10);
    }

    proptest! {
        /// Whatever is drawn and however it is shuffled: no question twice, the right places are right, and nothing else.
        #[test]
        fn shuffling_keeps_what_is_right(seed in any::<u64>(), draws in 1u16..12, shuffle in any::<bool>(), picks in prop::collection::vec((0usize..4, 2u8..11, any::<u16>()), 1..12)) {
            let mut rng = StdRng::seed_from_u64(seed);
            let kinds = [QuestionKind::Single, QuestionKind::Multiple, QuestionKind::TrueFalse, QuestionKind::Ordering];
            let questions: Vec<Question> = picks.iter().map(|(kind, options, bits)| {
                let kind = kinds[*kind];
                let options = if kind == QuestionKind::TrueFalse { 2 } else { *options };
                let mut answer: Vec<u8> = (0..options).collect();
                match kind {
                    QuestionKind::Ordering => answer.shuffle(&mut rng),
                    QuestionKind::Multiple => answer.retain(|n| *n == 0 || bits & (1 << n) != 0),
                    _ => answer = vec![(bits % u16::from(options)) as u8],
                }
                question(kind, options, &answer)
            }).collect();
            let quiz = quiz(Some(draws), shuffle, questions);
            let drawn = draw(&quiz, &mut rng);
            prop_assert_eq!(drawn.len(), quiz.asked());
            let distinct: BTreeSet<usize> = drawn.iter().map(|one| one.question).collect();
            prop_assert_eq!(distinct.len(), drawn.len());
            for one in &drawn {
                let question = &quiz.questions[one.question];
                let right = one.places(question);
                prop_assert_eq!(flaws(question.kind, question.options.len(), &right), []);
                prop_assert!(question.is_right(&one.written(&right)));
                let mut options = one.options(question);
                options.sort_unstable();
                let mut written = question.options.clone();
                written.sort_unstable();
                prop_assert_eq!(options, written);
                // One place less, or turned round, is wrong.
                let mut wrong = right.clone();
                if question.kind == QuestionKind::Ordering { wrong.reverse() } else { wrong.pop(); }
                prop_assert!(!question.is_right(&one.written(&wrong)));
            }
        }
    }
}
