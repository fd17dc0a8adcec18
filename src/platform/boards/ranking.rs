//! A ranking in memory: entrants in order, whose places are found without walking. The order is cut into short runs; a
//! place is the lengths of the runs before it and the place in its own. No clock, no lock.

use std::cmp::Reverse;
use std::collections::HashMap;

use uuid::Uuid;

use super::{Found, Line, Page, Score};

/// A run is cut in two when it is longer than this.
const LONGEST: usize = 1_024;

/// What orders entrants: points falling, then who got there first, then id.
type Place = (Reverse<i64>, i64, Uuid);

#[derive(Debug, Default)]
pub struct Ranking {
    scores: HashMap<Uuid, Score>,
    /// None is empty, and each ends before the next begins.
    runs: Vec<Vec<Place>>,
}

fn place(id: Uuid, score: Score) -> Place {
    (Reverse(score.points), score.reached_at, id)
}

impl Ranking {
    /// Of all entrants at once. Of one who is there twice the last score counts.
    pub fn of(entrants: impl IntoIterator<Item = (Uuid, Score)>) -> Self {
        let scores: HashMap<Uuid, Score> = entrants.into_iter().collect();
        let mut places: Vec<Place> = scores.iter().map(|(id, score)| place(*id, *score)).collect();
        places.sort_unstable();
        let runs = places.chunks(LONGEST / 2).map(<[Place]>::to_vec).collect();
        Self { scores, runs }
    }

    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Sets a score, or takes the entrant off.
    pub fn set(&mut self, id: Uuid, score: Option<Score>) {
        let before = match score {
            Some(score) => self.scores.insert(id, score),
            None => self.scores.remove(&id),
        };
        if before == score {
            return;
        }
        if let Some(before) = before {
            self.take_out(&place(id, before));
        }
        if let Some(score) = score {
            self.put_in(place(id, score));
        }
    }

    /// The run in which a place is, or would be.
    fn run_of(&self, place: &Place) -> usize {
        let after = |run: &Vec<Place>| run.last().is_none_or(|last| last < place);
        let found = self.runs.partition_point(after);
        found.min(self.runs.len().saturating_sub(1))
    }

    fn take_out(&mut self, place: &Place) {
        let n = self.run_of(place);
        let Some(run) = self.runs.get_mut(n) else { return };
        if let Ok(at) = run.binary_search(place) {
            run.remove(at);
        }
        if run.is_empty() {
            self.runs.remove(n);
        }
    }

    fn put_in(&mut self, place: Place) {
        let n = self.run_of(&place);
        let Some(run) = self.runs.get_mut(n) else {
            self.runs.push(vec![place]);
            return;
        };
        if let Err(at) = run.binary_search(&place) {
            run.insert(at, place);
        }
        if run.len() > LONGEST {
            let rest = run.split_off(LONGEST / 2);
            self.runs.insert(n + 1, rest);
        }
    }

    /// How many stand before this place.
    fn before(&self, place: &Place) -> usize {
        let n = self.run_of(place);
        let earlier: usize = self.runs.iter().take(n).map(Vec::len).sum();
        let here = self
            .runs
            .get(n)
            .map_or(0, |run| run.partition_point(|other| other < place));
        earlier + here
    }

    /// How many have more points.
    fn above(&self, points: i64) -> usize {
        self.before(&(Reverse(points), i64::MIN, Uuid::nil()))
    }

    fn lines(&self, from: usize, limit: usize) -> Vec<Line> {
        let mut skip = from;
        let mut first = 0;
        for run in &self.runs {
            if skip < run.len() {
                break;
            }
            skip -= run.len();
            first += 1;
        }
        let places = self.runs.iter().skip(first).flatten().skip(skip).take(limit);
        let mut lines: Vec<Line> = Vec::with_capacity(limit.min(self.len()));
        for (n, (Reverse(points), reached_at, id)) in places.enumerate() {
            let rank = match lines.last() {
                Some(last) if last.score.points == *points => last.rank,
                Some(last) => last.position + 2,
                None => number(self.above(*points)) + 1,
            };
            lines.push(Line {
                id: *id,
                score: Score {
                    points: *points,
                    reached_at: *reached_at,
                },
                rank,
                position: number(from + n),
            });
        }
        lines
    }

    pub fn page(&self, at: i64, from: u64, limit: u64) -> Page {
        Page {
            at,
            size: number(self.len()),
            lines: self.lines(size(from), size(limit)),
        }
    }

    /// Somebody's line, and up to so many on either side.
    pub fn find(&self, at: i64, id: Uuid, neighbours: u64) -> Found {
        let mut found = Found {
            at,
            size: number(self.len()),
            line: None,
            around: Vec::new(),
        };
        let Some(score) = self.scores.get(&id) else {
            return found;
        };
        let position = self.before(&place(id, *score));
        let neighbours = size(neighbours);
        let from = position.saturating_sub(neighbours);
        found.around = self.lines(from, position - from + 1 + neighbours);
        found.line = found.around.get(position - from).cloned();
        found
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The same by sorting everything each time.
    pub fn naive(scores: &BTreeMap<Uuid, Score>) -> Vec<Line> {
        let mut all: Vec<_> = scores.iter().collect();
        all.sort_by_key(|(id, score)| (-score.points, score.reached_at, **id));
        let rank = |points: i64| all.iter().filter(|(_, other)| other.points > points).count() + 1;
        let line = |(n, (id, score)): (usize, &(&Uuid, &Score))| Line {
            id: **id,
            score: **score,
            rank: number(rank(score.points)),
            position: number(n),
        };
        all.iter().enumerate().map(line).collect()
    }

    fn steps() -> impl Strategy<Value = Vec<(u8, Option<(i64, i64)>)>> {
        let score = prop::option::weighted(0.8, (-3i64..6, 0i64..4));
        prop::collection::vec((0u8..40, score), 0..200)
    }

    proptest! {
        #[test]
        fn whatever_is_set_and_taken_off_it_is_the_sorted_order(steps in steps(), from in 0u64..50, limit in 1u64..20) {
            let (mut ranking, mut scores) = (Ranking::default(), BTreeMap::new());
            for (id, score) in steps {
                let id = Uuid::from_u128(u128::from(id));
                let score = score.map(|(points, reached_at)| Score { points, reached_at });
                ranking.set(id, score);
                match score {
                    Some(score) => scores.insert(id, score),
                    None => scores.remove(&id),
                };
            }
            let all = naive(&scores);
            prop_assert_eq!(ranking.page(7, 0, 1_000).lines, all.clone());
            prop_assert_eq!(Ranking::of(scores.clone()).page(7, 0, 1_000).lines, all.clone());
            let page: Vec<_> = all.iter().skip(size(from)).take(size(limit)).cloned().collect();
            prop_assert_eq!(ranking.page(7, from, limit).lines, page);
            for (n, line) in all.iter().enumerate() {
                let found = ranking.find(7, line.id, 2);
                let around = &all[n.saturating_sub(2)..(n + 3).min(all.len())];
                prop_assert_eq!((found.line.as_ref(), &found.around[..]), (Some(line), around));
            }
            prop_assert_eq!(ranking.find(7, Uuid::from_u128(99), 2).line, None);
        }
    }

    #[test]
    fn runs_are_cut_and_go_when_they_are_empty() {
        let mut ranking = Ranking::default();
        let id = |n: u32| Uuid::from_u128(u128::from(n));
        let score = |n: u32| Score {
            points: i64::from(n % 97),
            reached_at: i64::from(n),
        };
        for n in 0..20_000 {
            ranking.set(id(n), Some(score(n)));
        }
        assert!(ranking.runs.len() >= 20 && ranking.runs.iter().all(|run| run.len() <= LONGEST));
        let scores: BTreeMap<_, _> = (0..20_000).map(|n| (id(n), score(n))).collect();
        assert_eq!(ranking.page(0, 9_990, 20).lines, naive_slice(&scores, 9_990, 20));
        for n in 0..20_000 {
            ranking.set(id(n), None);
        }
        assert_eq!((ranking.len(), ranking.runs.len()), (0, 0));
    }

    fn naive_slice(scores: &BTreeMap<Uuid, Score>, from: usize, limit: usize) -> Vec<Line> {
        let ranking = Ranking::of(scores.clone());
        let lines = ranking.page(0, 0, 1_000_000).lines;
        lines[from..from + limit].to_vec()
    }
}
