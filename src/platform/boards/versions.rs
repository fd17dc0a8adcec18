//! Up to which version of the truth a board is complete, and what of a batch may still be set in it. Pure; the scripts
//! for Redis say the same.

use uuid::Uuid;

use super::{Applied, Batch, Score};

/// Changes in one step. A longer batch is set in parts, so that nobody waits for all of it.
pub(super) const PART: usize = 1_000;

pub(super) type Change = (Uuid, Option<Score>);

/// Some of a batch's changes.
pub(super) struct Part<'a> {
    pub from: i64,
    pub to: i64,
    /// The batch they belong to.
    pub by: u64,
    pub is_first: bool,
    pub is_last: bool,
    pub changes: &'a [Change],
}

impl Batch {
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        // Also a batch without changes raises the version.
        let count = self.changes.len().div_ceil(PART).max(1);
        let by = rand::random_range(1..=u64::MAX);
        (0..count).zip(std::iter::repeat(by)).map(move |(n, by)| Part {
            from: self.from,
            to: self.to,
            by,
            is_first: n == 0,
            is_last: n + 1 == count,
            changes: self.changes.chunks(PART).nth(n).unwrap_or_default(),
        })
    }
}

/// Scores are absolute, so of a batch whose last part never comes nothing need be taken back: `at` has not moved, and
/// whoever goes on from there sets the same scores again, or later ones.
///
/// That alone would not do when two write at once. A late replica's next part could put older scores over newer ones that
/// the other's batch has set and will not set again; and a part could be missing from a board that was built anew
/// between two of them. So the version up to which anybody has begun to write never falls, and a batch goes on only while
/// nobody else has begun one on the same board. Who was overtaken stops; who began last goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions {
    pub at: i64,
    begun: i64,
    /// The batch that is half set; 0: none.
    by: u64,
}

impl Versions {
    pub fn complete(at: i64) -> Self {
        Self { at, begun: at, by: 0 }
    }

    /// For a board that gives way to one that is complete up to `at`: whoever still writes to it is told that it came too late.
    /// False: this one is further.
    pub fn give_way(&mut self, at: i64) -> bool {
        let gives_way = self.at <= at;
        if gives_way {
            (self.begun, self.by) = (i64::MAX, 0);
        }
        gives_way
    }

    /// May this part be set? `Done` means yes.
    pub fn judge(&self, part: &Part) -> Applied {
        if part.from > self.at {
            return Applied::Gap;
        }
        let is_overtaken = !part.is_first && part.by != self.by;
        if part.to < self.begun || is_overtaken {
            return Applied::Stale;
        }
        Applied::Done
    }

    /// After a part that was set.
    pub fn advance(&mut self, part: &Part) {
        if part.is_last {
            *self = Self::complete(part.to);
        } else {
            (self.begun, self.by) = (part.to, part.by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(from: i64, to: i64, by: u64, is_first: bool, is_last: bool) -> Part<'static> {
        Part {
            from,
            to,
            by,
            is_first,
            is_last,
            changes: &[],
        }
    }

    fn set(versions: &mut Versions, part: &Part) -> Applied {
        let judged = versions.judge(part);
        if judged == Applied::Done {
            versions.advance(part);
        }
        judged
    }

    #[test]
    fn a_long_batch_is_cut_and_only_its_last_part_says_so() {
        let change = (Uuid::nil(), None);
        for (changes, parts) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_500, 3)] {
            let batch = Batch {
                from: 1,
                to: 2,
                changes: vec![change; changes],
            };
            let cut: Vec<Part> = batch.parts().collect();
            assert_eq!(cut.len(), parts);
            assert_eq!(cut.iter().map(|part| part.changes.len()).sum::<usize>(), changes);
            assert!(cut[0].is_first && cut[parts - 1].is_last && cut[0].by != 0);
            assert_eq!(
                cut.iter().filter(|part| part.is_first || part.is_last).count(),
                parts.min(2)
            );
            assert!(cut.iter().all(|part| part.by == cut[0].by));
        }
    }

    #[test]
    fn only_the_last_part_raises_the_version() {
        let mut versions = Versions::complete(10);
        assert_eq!(set(&mut versions, &part(10, 20, 7, true, false)), Applied::Done);
        assert_eq!(versions.at, 10);
        assert_eq!(set(&mut versions, &part(10, 20, 7, false, true)), Applied::Done);
        assert_eq!(versions.at, 20);
        assert_eq!(set(&mut versions, &part(21, 30, 8, true, true)), Applied::Gap);
        assert_eq!(set(&mut versions, &part(10, 19, 8, true, true)), Applied::Stale);
        assert_eq!(
            set(&mut versions, &part(10, 20, 8, true, true)),
            Applied::Done,
            "the same again"
        );
    }

    #[test]
    fn a_late_part_never_covers_what_a_newer_batch_has_begun() {
        let mut versions = Versions::complete(10);
        let (old, new) = (part(10, 20, 1, true, false), part(10, 25, 2, true, false));
        assert_eq!(set(&mut versions, &old), Applied::Done);
        assert_eq!(set(&mut versions, &new), Applied::Done);
        let late = part(10, 20, 1, false, true);
        assert_eq!(set(&mut versions, &late), Applied::Stale);
        assert_eq!(
            set(&mut versions, &part(10, 20, 3, true, true)),
            Applied::Stale,
            "nor a whole one"
        );
        assert_eq!(set(&mut versions, &part(10, 25, 2, false, true)), Applied::Done);
        assert_eq!(versions.at, 25);
    }

    #[test]
    fn a_board_that_gave_way_takes_nothing_any_more() {
        let mut versions = Versions::complete(10);
        assert!(!versions.give_way(9));
        assert_eq!(set(&mut versions, &part(10, 20, 1, true, false)), Applied::Done);
        assert!(versions.give_way(10));
        assert_eq!(set(&mut versions, &part(10, 20, 1, false, true)), Applied::Stale);
        assert_eq!(set(&mut versions, &part(10, 20, 2, true, true)), Applied::Stale);
        assert_eq!(versions.at, 10);
    }

    #[test]
    fn a_batch_does_not_go_on_in_another_board() {
        let mut versions = Versions::complete(10);
        assert_eq!(set(&mut versions, &part(10, 20, 1, true, false)), Applied::Done);
        versions = Versions::complete(12);
        assert_eq!(set(&mut versions, &part(10, 20, 1, false, true)), Applied::Stale);
        assert_eq!(versions.at, 12);
    }
}
