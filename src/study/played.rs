//! Which parts of a lesson have been played: a set of milliseconds that only grows.
//!
//! Ranges are half-open, sorted, and neither overlap nor touch. Their union is commutative, associative and idempotent,
//! so replays, lost answers and several devices are harmless.

use super::varint::{put, take_as};

/// Half-open, in milliseconds of the lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub from: u32,
    pub to: u32,
}

impl Span {
    fn len(self) -> u64 {
        u64::from(self.to.saturating_sub(self.from))
    }
}

/// A union of ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Played(Vec<Span>);

impl Played {
    /// Any ranges in any order; empty ones and those that end before they begin hold nothing.
    pub fn of(ranges: impl IntoIterator<Item = Span>) -> Self {
        let mut spans: Vec<Span> = ranges.into_iter().filter(|span| span.from < span.to).collect();
        spans.sort_unstable();
        Self(joined(spans.into_iter()))
    }

    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn total_ms(&self) -> u64 {
        self.0.iter().map(|span| span.len()).sum()
    }

    /// What either of them holds.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (mut a, mut b) = (
            self.0.iter().copied().peekable(),
            other.0.iter().copied().peekable(),
        );
        let sorted = std::iter::from_fn(|| match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x <= y => a.next(),
            (_, Some(_)) => b.next(),
            _ => a.next(),
        });
        Self(joined(sorted))
    }

    /// What both of them hold.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        self.minus(&self.minus(other))
    }

    /// What this holds and `other` does not.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().copied().peekable();
        for span in &self.0 {
            let mut from = span.from;
            while let Some(hole) = holes.peek().copied().filter(|hole| hole.from < span.to) {
                if hole.from > from {
                    left.push(Span { from, to: hole.from });
                }
                from = from.max(hole.to);
                if hole.to > span.to {
                    // It may cover the beginning of the next one too.
                    break;
                }
                holes.next();
            }
            if from < span.to {
                left.push(Span { from, to: span.to });
            }
        }
        Self(left)
    }

    /// For the database: lengths of gap and range in turn, seven bits a byte, so that an hour in one piece is five bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (mut bytes, mut at) = (Vec::with_capacity(self.0.len() * 4), 0);
        for span in &self.0 {
            put(&mut bytes, u64::from(span.from - at));
            put(&mut bytes, u64::from(span.to - span.from));
            at = span.to;
        }
        bytes
    }

    /// None for what `encode` never writes.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (mut spans, mut at) = (Vec::new(), 0u32);
        while !bytes.is_empty() {
            let gap = take_as(&mut bytes)?;
            let length = take_as(&mut bytes)?;
            let from = at.checked_add(gap)?;
            let to = from.checked_add(length)?;
            if length == 0 || (gap == 0 && !spans.is_empty()) {
                return None;
            }
            spans.push(Span { from, to });
            at = to;
        }
        Some(Self(spans))
    }
}

/// Sorted ranges with those that overlap or touch made one.
fn joined(sorted: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::with_capacity(sorted.size_hint().0);
    for span in sorted {
        match out.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => out.push(span),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0u32..120, 0u32..120), 0..12)
            .prop_map(|pairs| pairs.into_iter().map(|(from, to)| Span { from, to }).collect())
    }

    fn model(spans: &[Span]) -> BTreeSet<u32> {
        spans.iter().flat_map(|span| span.from..span.to).collect()
    }

    proptest! {
        #[test]
        fn the_union_is_that_of_sets(a in ranges(), b in ranges(), c in ranges()) {
            let (x, y, z) = (Played::of(a.clone()), Played::of(b.clone()), Played::of(c));
            let both = x.union(&y);
            prop_assert_eq!(model(both.spans()), &model(&a) | &model(&b));
            prop_assert_eq!(&both, &y.union(&x));
            prop_assert_eq!(both.union(&z), x.union(&y.union(&z)));
            prop_assert_eq!(both.union(&x), both.clone());
            prop_assert_eq!(both.total_ms(), model(both.spans()).len() as u64);
            prop_assert!(both.spans().windows(2).all(|pair| pair[0].to < pair[1].from));
            prop_assert_eq!(model(x.minus(&y).spans()), &model(&a) - &model(&b));
            prop_assert_eq!(model(x.common(&y).spans()), &model(&a) & &model(&b));
        }

        #[test]
        fn what_was_written_is_read_back(a in ranges(), far in any::<u32>()) {
            let played = Played::of(a).union(&Played::of([Span { from: far, to: u32::MAX }]));
            prop_assert_eq!(Played::decode(&played.encode()), Some(played));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(played) = Played::decode(&bytes) {
                prop_assert_eq!(&Played::of(played.spans().iter().copied()), &played);
            }
        }
    }
}
