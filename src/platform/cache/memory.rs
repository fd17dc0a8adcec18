//! The in-process side: enough for one machine, and what answers while Redis does not. Its memory is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::News;
use crate::platform::limits::{Limit, Tally, WhenFull};

/// Counters of a room, some 150 bytes each; each limit has its own, so that nobody fills that of another. A guess of a
/// password costs a hash, so a flood of made-up names needs the better part of an hour, and by then the first ones end; of
/// typed codes one member has few.
const ROOM: usize = 100_000;
/// Above so many, expired ones are swept, but not at every call: a sweep looks at all of them.
const SWEEP_ABOVE: usize = 10_000;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// The counters of one limit.
type Room = Arc<Mutex<Counters>>;

#[derive(Clone)]
pub struct MemoryCache {
    rooms: Arc<Mutex<HashMap<&'static str, Room>>>,
    news: broadcast::Sender<News>,
}

#[derive(Default)]
struct Counters {
    by_key: HashMap<String, Counter>,
    swept_at: Option<Instant>,
}

struct Counter {
    count: u32,
    /// What is being tried, where equal tries under way count once.
    items: Vec<u64>,
    until: Instant,
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self {
            rooms: Arc::default(),
            news: broadcast::channel(1024).0,
        }
    }
}

impl MemoryCache {
    fn in_room<T>(&self, limit: &Limit, work: impl FnOnce(&mut Counters) -> T) -> T {
        // Of all rooms only for a moment: a sweep of one looks at all that it has.
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms.entry(limit.name).or_default().clone();
        drop(rooms);
        work(&mut room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn take(&self, limit: &Limit, key: &str, item: Option<u64>) -> Tally {
        self.in_room(limit, |room| room.take(limit, key, item, Instant::now()))
    }

    pub fn peek(&self, limit: &Limit, key: &str) -> Tally {
        self.in_room(limit, |room| room.peek(limit, key, Instant::now()))
    }

    pub fn give_back(&self, limit: &Limit, key: &str, item: Option<u64>) {
        self.in_room(limit, |room| room.give_back(key, item));
    }

    pub fn spend(&self, limit: &Limit, key: &str, item: u64) {
        self.in_room(limit, |room| {
            if let Some(counter) = room.by_key.get_mut(key) {
                counter.items.retain(|tried| *tried != item);
            }
        });
    }

    pub fn forget(&self, limit: &Limit, key: &str) {
        self.in_room(limit, |room| room.by_key.remove(key));
    }

    pub fn announce(&self, news: News) {
        // Nobody listening is fine.
        let _ = self.news.send(news);
    }

    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
}

impl Counters {
    fn take(&mut self, limit: &Limit, key: &str, item: Option<u64>, now: Instant) -> Tally {
        self.sweep(now);
        let is_live = self.by_key.get(key).is_some_and(|counter| counter.until > now);
        if !is_live && self.by_key.len() >= ROOM && !self.by_key.contains_key(key) {
            return Tally {
                is_within: limit.when_full == WhenFull::Admit,
                is_new: false,
                is_full: true,
                left_s: SWEEP_EVERY.as_secs(),
            };
        }
        if !is_live {
            let fresh = Counter {
                count: 0,
                items: Vec::new(),
                until: now + limit.window,
            };
            self.by_key.insert(key.to_owned(), fresh);
        }
        let (mut is_within, mut is_new, mut left_s) = (false, false, 0);
        if let Some(counter) = self.by_key.get_mut(key) {
            let is_repeat = item.is_some_and(|item| counter.items.contains(&item));
            is_new = !is_repeat && counter.count < limit.quota;
            is_within = is_new || is_repeat;
            left_s = seconds_left(counter.until - now);
            if is_new {
                counter.count += 1;
                counter.items.extend(item);
            }
        }
        Tally {
            is_within,
            is_new,
            is_full: false,
            left_s,
        }
    }

    fn peek(&self, limit: &Limit, key: &str, now: Instant) -> Tally {
        let live = self.by_key.get(key).filter(|counter| counter.until > now);
        Tally {
            is_within: live.is_none_or(|counter| counter.count < limit.quota),
            is_new: false,
            is_full: false,
            left_s: live.map_or(0, |counter| seconds_left(counter.until - now)),
        }
    }

    fn give_back(&mut self, key: &str, item: Option<u64>) {
        let Some(counter) = self.by_key.get_mut(key) else {
            return;
        };
        if let Some(item) = item {
            let before = counter.items.len();
            counter.items.retain(|tried| *tried != item);
            if counter.items.len() == before {
                return;
            }
        }
        counter.count = counter.count.saturating_sub(1);
        if counter.count == 0 {
            self.by_key.remove(key);
        }
    }

    fn sweep(&mut self, now: Instant) {
        let is_due = self
            .swept_at
            .is_none_or(|at| now.duration_since(at) >= SWEEP_EVERY);
        if self.by_key.len() > SWEEP_ABOVE && is_due {
            self.by_key.retain(|_, counter| counter.until > now);
            self.swept_at = Some(now);
        }
    }
}

fn seconds_left(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESSES: Limit = Limit::on_guesses("guess", 3, Duration::from_secs(60));
    const ADDRESSES: Limit = Limit::on_addresses("address", 3, Duration::from_secs(60));

    fn within(counters: &mut Counters, limit: &Limit, key: &str, now: Instant) -> bool {
        counters.take(limit, key, None, now).is_within
    }

    #[test]
    fn a_quota_ends_with_its_window_and_refused_tries_are_not_counted() {
        let (mut counters, now) = (Counters::default(), Instant::now());
        for _ in 0..3 {
            assert!(within(&mut counters, &GUESSES, "a", now));
        }
        for _ in 0..5 {
            assert!(!within(&mut counters, &GUESSES, "a", now));
        }
        assert!(within(&mut counters, &GUESSES, "b", now));
        counters.give_back("a", None);
        assert!(within(&mut counters, &GUESSES, "a", now));
        assert!(!counters.peek(&GUESSES, "a", now).is_within);
        let later = now + Duration::from_secs(60);
        assert!(counters.peek(&GUESSES, "a", later).is_within);
        assert!(within(&mut counters, &GUESSES, "a", later));
        counters.give_back("a", None);
        assert!(
            !counters.by_key.contains_key("a"),
            "what was given back takes no room"
        );
    }

    #[test]
    fn equal_items_count_once_and_are_given_back_once() {
        let (mut counters, now) = (Counters::default(), Instant::now());
        let mut take = |item| counters.take(&GUESSES, "a", Some(item), now);
        assert!((0..50).all(|_| take(7).is_within));
        assert!(take(8).is_new && take(9).is_new);
        assert!(!take(10).is_within && take(7).is_within && !take(7).is_new);
        counters.give_back("a", Some(7));
        counters.give_back("a", Some(7));
        assert!(counters.take(&GUESSES, "a", Some(10), now).is_new);
        assert!(!counters.take(&GUESSES, "a", Some(7), now).is_within);
    }

    #[test]
    fn an_item_that_is_spent_counts_again() {
        let (cache, take) = (MemoryCache::default(), |c: &MemoryCache| {
            c.take(&GUESSES, "a", Some(7))
        });
        for _ in 0..3 {
            assert!(take(&cache).is_new && !take(&cache).is_new);
            cache.spend(&GUESSES, "a", 7);
        }
        assert!(!take(&cache).is_within);
    }

    #[test]
    fn a_room_that_is_full_is_in_no_other_limits_way() {
        let (cache, other) = (
            MemoryCache::default(),
            Limit::on_guesses("sign-in", 3, Duration::from_secs(60)),
        );
        for key in 0..ROOM {
            assert!(cache.take(&GUESSES, &key.to_string(), None).is_within);
        }
        assert!(!cache.take(&GUESSES, "one more", None).is_within);
        assert!(cache.take(&other, "one more", None).is_within);
    }

    #[test]
    fn a_full_room_refuses_new_guesses_admits_new_addresses_and_forgets_neither() {
        let now = Instant::now();
        for (limit, admits) in [(GUESSES, false), (ADDRESSES, true)] {
            let mut counters = Counters::default();
            for key in 0..ROOM {
                assert!(within(&mut counters, &limit, &key.to_string(), now));
            }
            assert_eq!(within(&mut counters, &limit, "one more", now), admits);
            assert_eq!(counters.by_key.len(), ROOM);
            assert!(within(&mut counters, &limit, "0", now));
            assert!(within(&mut counters, &limit, "0", now));
            assert!(
                !within(&mut counters, &limit, "0", now),
                "the first ones still count"
            );
            let later = now + Duration::from_secs(61);
            assert!(within(&mut counters, &limit, "one more", later));
            assert_eq!(counters.by_key.len(), 1, "the expired ones are gone");
        }
    }
}
