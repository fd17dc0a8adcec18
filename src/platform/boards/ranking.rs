//! Who stands where among a million, and how many have more: answered in microseconds. Pure.
//!
//! Sorted chunks of a few hundred entrants with a tree of their lengths, and every entrant's score by id. A change moves
//! one entry within its chunk; a chunk that is full is split, one that has become sparse joins its neighbour.

use std::collections::HashMap;

use uuid::Uuid;

/// Entries at which a chunk is split. Moving half of so many costs less than finding them.
const FULL: usize = 512;
/// How full a bulk build makes them: room for changes, and no memory for nothing.
const FILL: usize = 384;
const SPARSE: usize = 128;

/// One entrant's score. The order of a board: points falling, then `reached_at` rising, then id rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// At most 2^53 either way, as Redis counts in doubles; what is beyond counts as that.
    pub points: i64,
    /// When these points were reached, in microseconds: who was there first stands first.
    pub reached_at: i64,
}

/// A line of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub id: Uuid,
    pub score: Score,
    /// 1 + how many have more points: 1, 2, 2, 4.
    pub rank: u64,
    /// In the full order, from 0.
    pub position: u64,
}

impl Score {
    const MOST: i64 = 1 << 53;

    pub(super) fn bounded(self) -> Self {
        Self {
            points: self.points.clamp(-Self::MOST, Self::MOST),
            ..self
        }
    }
}

impl Line {
    /// Neighbouring lines from a position on, of which the first one's rank is known.
    pub(super) fn run(
        from: u64,
        first_rank: u64,
        entrants: impl Iterator<Item = (Uuid, Score)>,
    ) -> Vec<Self> {
        let mut lines: Vec<Self> = Vec::with_capacity(entrants.size_hint().0);
        for (position, (id, score)) in (from..).zip(entrants) {
            let rank = match lines.last() {
                None => first_rank,
                Some(before) if before.score.points == score.points => before.rank,
                Some(_) => position + 1,
            };
            lines.push(Self {
                id,
                score,
                rank,
                position,
            });
        }
        lines
    }
}

/// Its derived order is the order of a board.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The points with their sign turned, so that they rise.
    against: i64,
    reached_at: i64,
    id: Uuid,
}

impl Entry {
    fn new(id: Uuid, score: Score) -> Self {
        Self {
            against: -score.points,
            reached_at: score.reached_at,
            id,
        }
    }

    fn score(&self) -> Score {
        Score {
            points: -self.against,
            reached_at: self.reached_at,
        }
    }
}

#[derive(Default)]
pub struct Ranking {
    /// In order, none of them empty.
    chunks: Vec<Vec<Entry>>,
    lengths: Lengths,
    scores: HashMap<Uuid, Score>,
}

impl Ranking {
    /// All at once, in any order. Of an entrant who comes twice the last score counts.
    pub fn build(entrants: Vec<(Uuid, Score)>) -> Self {
        let mut scores = HashMap::with_capacity(entrants.len());
        for (id, score) in entrants {
            scores.insert(id, score.bounded());
        }
        let mut entries: Vec<Entry> = scores.iter().map(|(id, score)| Entry::new(*id, *score)).collect();
        entries.sort_unstable();
        let chunks = entries.chunks(FILL).map(|entries| {
            let mut chunk = Vec::with_capacity(FULL);
            chunk.extend_from_slice(entries);
            chunk
        });
        let mut ranking = Self {
            chunks: chunks.collect(),
            lengths: Lengths::default(),
            scores,
        };
        ranking.measure();
        ranking
    }

    pub fn len(&self) -> u64 {
        self.scores.len() as u64
    }

    /// Gives an entrant a score, or with none takes them off.
    pub fn set(&mut self, id: Uuid, score: Option<Score>) {
        let score = score.map(Score::bounded);
        let before = match score {
            Some(score) => self.scores.insert(id, score),
            None => self.scores.remove(&id),
        };
        if before == score {
            return;
        }
        if let Some(before) = before {
            self.take_out(&Entry::new(id, before));
        }
        if let Some(score) = score {
            self.put_in(Entry::new(id, score));
        }
    }

    pub fn page(&self, from: u64, limit: u64) -> Vec<Line> {
        let (chunk, offset) = self.lengths.find(clamped(from));
        let rest = self.chunks.get(chunk..).unwrap_or_default();
        let entries = rest.iter().flatten().skip(offset).take(clamped(limit));
        let Some(first) = entries.clone().next() else {
            return Vec::new();
        };
        let first_rank = 1 + self.ahead_of(first.against);
        Line::run(from, first_rank, entries.map(|entry| (entry.id, entry.score())))
    }

    /// An entrant's line, and the lines around it: up to so many before and after, itself included.
    pub fn find(&self, id: Uuid, neighbours: u64) -> Option<(Line, Vec<Line>)> {
        let position = self.position(&Entry::new(id, *self.scores.get(&id)?));
        let before = neighbours.min(position);
        let count = neighbours.saturating_add(before).saturating_add(1);
        let around = self.page(position - before, count);
        let line = *around.get(clamped(before))?;
        Some((line, around))
    }

    /// The chunk in which an entry is, or would be.
    fn chunk_of(&self, entry: &Entry) -> usize {
        let is_before = |chunk: &Vec<Entry>| chunk.last().is_some_and(|last| last < entry);
        let chunk = self.chunks.partition_point(is_before);
        chunk.min(self.chunks.len().saturating_sub(1))
    }

    fn position(&self, entry: &Entry) -> u64 {
        let n = self.chunk_of(entry);
        let within = self
            .chunks
            .get(n)
            .map_or(0, |chunk| chunk.partition_point(|other| other < entry));
        (self.lengths.before(n) + within) as u64
    }

    /// How many have more points.
    fn ahead_of(&self, against: i64) -> u64 {
        let is_ahead = |entry: &Entry| entry.against < against;
        let n = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(is_ahead));
        let within = self
            .chunks
            .get(n)
            .map_or(0, |chunk| chunk.partition_point(is_ahead));
        (self.lengths.before(n) + within) as u64
    }

    fn put_in(&mut self, entry: Entry) {
        let n = self.chunk_of(&entry);
        let Some(chunk) = self.chunks.get_mut(n) else {
            self.chunks.push(vec![entry]);
            return self.measure();
        };
        let at = chunk.partition_point(|other| *other < entry);
        chunk.insert(at, entry);
        if chunk.len() < FULL {
            return self.lengths.add(n, 1);
        }
        let upper = chunk.split_off(FULL / 2);
        self.chunks.insert(n + 1, upper);
        self.measure();
    }

    fn take_out(&mut self, entry: &Entry) {
        let n = self.chunk_of(entry);
        let Some(chunk) = self.chunks.get_mut(n) else {
            return;
        };
        if let Ok(at) = chunk.binary_search(entry) {
            chunk.remove(at);
            self.lengths.add(n, -1);
            if chunk.len() < SPARSE {
                self.join(n);
            }
        }
    }

    /// Puts a sparse chunk together with a neighbour, where the two leave room for more.
    fn join(&mut self, n: usize) {
        let left = if n + 1 < self.chunks.len() {
            n
        } else {
            n.saturating_sub(1)
        };
        let (Some(one), Some(other)) = (self.chunks.get(left), self.chunks.get(left + 1)) else {
            // The only chunk: nothing to join, and an empty one goes.
            self.chunks.retain(|chunk| !chunk.is_empty());
            return self.measure();
        };
        if one.len() + other.len() <= FILL || one.is_empty() || other.is_empty() {
            let mut upper = self.chunks.remove(left + 1);
            if let Some(lower) = self.chunks.get_mut(left) {
                lower.append(&mut upper);
            }
            self.measure();
        }
    }

    fn measure(&mut self) {
        self.lengths = Lengths::of(self.chunks.iter().map(Vec::len));
    }
}

/// A Fenwick tree over the lengths of chunks: sums of the first so many, in some ten steps.
#[derive(Default)]
struct Lengths(Vec<usize>);

impl Lengths {
    fn of(lengths: impl Iterator<Item = usize>) -> Self {
        let mut sums: Vec<usize> = lengths.collect();
        for n in 0..sums.len() {
            let sum = sums.get(n).copied().unwrap_or(0);
            if let Some(parent) = sums.get_mut(n | (n + 1)) {
                *parent += sum;
            }
        }
        Self(sums)
    }

    fn add(&mut self, mut n: usize, by: isize) {
        while let Some(sum) = self.0.get_mut(n) {
            *sum = sum.saturating_add_signed(by);
            n |= n + 1;
        }
    }

    /// Entries in the first `n` chunks.
    fn before(&self, mut n: usize) -> usize {
        let mut sum = 0;
        while n > 0 {
            sum += self.0.get(n - 1).copied().unwrap_or(0);
            n &= n - 1;
        }
        sum
    }

    /// The chunk that holds a position, and where in it; past the end the number of chunks.
    fn find(&self, position: usize) -> (usize, usize) {
        let (mut chunk, mut left) = (0, position);
        let mut step = (self.0.len() + 1).next_power_of_two() / 2;
        while step > 0 {
            if let Some(sum) = self.0.get(chunk + step - 1)
                && *sum <= left
            {
                chunk += step;
                left -= sum;
            }
            step /= 2;
        }
        (chunk, left)
    }
}

fn clamped(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The plainest thing that is right: sort everything, count everybody.
    fn sorted(scores: &BTreeMap<Uuid, Score>) -> Vec<Line> {
        let mut all: Vec<(Uuid, Score)> = scores.iter().map(|(id, score)| (*id, *score)).collect();
        all.sort_by_key(|(id, score)| (std::cmp::Reverse(score.points), score.reached_at, *id));
        let more_than = |points| all.iter().filter(|(_, other)| other.points > points).count() as u64;
        let line = |(position, (id, score)): (u64, &(Uuid, Score))| Line {
            id: *id,
            score: *score,
            rank: 1 + more_than(score.points),
            position,
        };
        (0..).zip(&all).map(line).collect()
    }

    fn check(ranking: &Ranking, scores: &BTreeMap<Uuid, Score>) {
        let all = sorted(scores);
        assert_eq!(ranking.len(), all.len() as u64);
        assert_eq!(ranking.page(0, u64::MAX), all);
        assert!(
            ranking
                .chunks
                .iter()
                .all(|chunk| !chunk.is_empty() && chunk.len() < FULL)
        );
        for from in [0, 1, all.len() / 2, all.len().saturating_sub(1), all.len() + 3] {
            let expected: Vec<Line> = all.iter().skip(from).take(7).copied().collect();
            assert_eq!(ranking.page(from as u64, 7), expected);
        }
        for line in all.iter().step_by(1 + all.len() / 20) {
            let (found, around) = ranking.find(line.id, 3).unwrap();
            assert_eq!(found, *line);
            let (from, to) = (line.position.saturating_sub(3), line.position + 3);
            let expected: Vec<Line> = all
                .iter()
                .filter(|line| (from..=to).contains(&line.position))
                .copied()
                .collect();
            assert_eq!(around, expected);
        }
    }

    fn id(n: u128) -> Uuid {
        // In another order than their numbers, as ids of a new member are in none.
        Uuid::from_u128(n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
    }

    fn set(ranking: &mut Ranking, scores: &mut BTreeMap<Uuid, Score>, n: u128, score: Option<Score>) {
        ranking.set(id(n), score);
        match score {
            Some(score) => scores.insert(id(n), score),
            None => scores.remove(&id(n)),
        };
    }

    fn score() -> impl Strategy<Value = Score> {
        (-20i64..20, -3i64..3).prop_map(|(points, reached_at)| Score { points, reached_at })
    }

    proptest! {
        #[test]
        fn it_ranks_as_sorting_everything_does(
            first in proptest::collection::vec((0u128..60, score()), 0..80),
            later in proptest::collection::vec((0u128..60, proptest::option::of(score())), 0..200),
        ) {
            let first: Vec<(Uuid, Score)> = first.into_iter().map(|(n, score)| (id(n), score)).collect();
            let mut scores: BTreeMap<Uuid, Score> = first.iter().copied().collect();
            let mut ranking = Ranking::build(first);
            check(&ranking, &scores);
            for (n, score) in later {
                set(&mut ranking, &mut scores, n, score);
            }
            check(&ranking, &scores);
        }
    }

    #[test]
    fn chunks_split_and_join_as_thousands_come_climb_and_go() {
        let (mut ranking, mut scores) = (Ranking::default(), BTreeMap::new());
        for n in 0..3_000 {
            let points = i64::try_from(n % 700).unwrap();
            set(
                &mut ranking,
                &mut scores,
                n,
                Some(Score {
                    points,
                    reached_at: 0,
                }),
            );
        }
        check(&ranking, &scores);
        for n in 0..3_000 {
            let points = 700 - i64::try_from(n % 900).unwrap();
            set(
                &mut ranking,
                &mut scores,
                n,
                Some(Score {
                    points,
                    reached_at: 1,
                }),
            );
        }
        check(&ranking, &scores);
        (0..2_950).for_each(|n| set(&mut ranking, &mut scores, n, None));
        check(&ranking, &scores);
        assert_eq!(ranking.chunks.len(), 1, "what is left fits into one");
        (2_950..3_000).for_each(|n| set(&mut ranking, &mut scores, n, None));
        check(&ranking, &scores);
        assert!(ranking.chunks.is_empty() && ranking.find(id(1), 5).is_none());
    }

    #[test]
    fn points_end_where_doubles_stop_telling_them_apart() {
        let mut ranking = Ranking::default();
        for (n, points) in [(0, i64::MIN), (1, i64::MAX), (2, (1 << 53) + 1), (3, 1 << 53)] {
            ranking.set(
                id(n),
                Some(Score {
                    points,
                    reached_at: 0,
                }),
            );
        }
        let ranks: Vec<u64> = ranking.page(0, 9).iter().map(|line| line.rank).collect();
        assert_eq!(ranks, [1, 1, 1, 4]);
        assert_eq!(ranking.find(id(0), 0).unwrap().0.score.points, -(1 << 53));
    }
}
