//! The in-process side: enough for one machine, and what answers while Redis does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::News;

/// Above this many counters the expired ones are swept; memory stays bounded by what is live.
const SWEEP_ABOVE: usize = 10_000;

#[derive(Clone)]
pub struct MemoryCache {
    counters: Arc<Mutex<HashMap<String, Counter>>>,
    news: broadcast::Sender<News>,
}

struct Counter {
    count: u32,
    until: Instant,
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self {
            counters: Arc::default(),
            news: broadcast::channel(1024).0,
        }
    }
}

impl MemoryCache {
    fn counters(&self) -> MutexGuard<'_, HashMap<String, Counter>> {
        self.counters
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn count(&self, key: &str, window: Duration) -> (u32, u64) {
        let now = Instant::now();
        let mut counters = self.counters();
        if counters.len() > SWEEP_ABOVE {
            counters.retain(|_, counter| counter.until > now);
        }
        let counter = counters.entry(key.to_owned()).or_insert(Counter {
            count: 0,
            until: now + window,
        });
        if counter.until <= now {
            *counter = Counter {
                count: 0,
                until: now + window,
            };
        }
        counter.count = counter.count.saturating_add(1);
        (counter.count, seconds_left(counter.until - now))
    }

    pub fn counted(&self, key: &str) -> (u32, u64) {
        let now = Instant::now();
        match self.counters().get(key) {
            Some(counter) if counter.until > now => (counter.count, seconds_left(counter.until - now)),
            _ => (0, 0),
        }
    }

    pub fn forget(&self, key: &str) {
        self.counters().remove(key);
    }

    pub fn announce(&self, news: News) {
        // Nobody listening is fine.
        let _ = self.news.send(news);
    }

    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
}

fn seconds_left(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}
