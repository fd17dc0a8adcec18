//! Counters that expire, and news between processes. Holds no truth: it may be emptied, frozen or gone at any moment.
//! Every call to Redis has a deadline, after which the in-process side answers.

mod memory;
mod redis_cache;

use tokio::sync::broadcast;

use crate::platform::config::CacheConfig;
use crate::platform::limits::{Limit, Tally};
use crate::platform::redis::Redis;
use memory::MemoryCache;
use redis_cache::RedisCache;

#[derive(Clone)]
pub enum Cache {
    Memory(MemoryCache),
    Redis(Box<RedisCache>),
}

/// A piece of news: what changed, for whoever shows it live. Losing one is harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News(pub String);

impl Cache {
    /// Opens the cache the settings name. A Redis that is not there yet is tried again later, never waited for.
    pub fn open(config: &CacheConfig) -> Self {
        let memory = MemoryCache::default();
        match &config.redis {
            None => Self::Memory(memory),
            Some(topology) => {
                let redis = Redis::open(topology.clone(), &config.prefix, config.deadline);
                Self::Redis(Box::new(RedisCache::open(redis, memory)))
            }
        }
    }

    /// Adds a try to a limit's counter if it is within the quota. Of equal `item`s only the first adds,
    /// until it is given back or spent.
    pub async fn take(&self, limit: &Limit, subject: &str, item: Option<u64>) -> Tally {
        let key = key(limit, subject);
        match self {
            Self::Memory(memory) => memory.take(limit, &key, item),
            Self::Redis(redis) => redis.take(limit, &key, item).await,
        }
    }

    /// The counter as it stands, without adding to it. Not for limits that tell items apart.
    pub async fn peek(&self, limit: &Limit, subject: &str) -> Tally {
        let key = key(limit, subject);
        match self {
            Self::Memory(memory) => memory.peek(limit, &key),
            Self::Redis(redis) => redis.peek(limit, &key).await,
        }
    }

    /// Takes one try back from a counter.
    pub async fn give_back(&self, limit: &Limit, subject: &str, item: Option<u64>) {
        let key = key(limit, subject);
        match self {
            Self::Memory(memory) => memory.give_back(limit, &key, item),
            Self::Redis(redis) => redis.give_back(limit, &key, item).await,
        }
    }

    /// Leaves an item's try counted but lets the item itself go: tried again, it counts again.
    pub async fn spend(&self, limit: &Limit, subject: &str, item: u64) {
        let key = key(limit, subject);
        match self {
            Self::Memory(memory) => memory.spend(limit, &key, item),
            Self::Redis(redis) => redis.spend(limit, &key, item).await,
        }
    }

    pub async fn forget(&self, limit: &Limit, subject: &str) {
        let key = key(limit, subject);
        match self {
            Self::Memory(memory) => memory.forget(limit, &key),
            Self::Redis(redis) => redis.forget(limit, &key).await,
        }
    }

    /// Tells every process, this one at once. Never blocks and never fails.
    pub fn announce(&self, news: News) {
        match self {
            Self::Memory(memory) => memory.announce(news),
            Self::Redis(redis) => redis.announce(news),
        }
    }

    pub fn listen(&self) -> broadcast::Receiver<News> {
        match self {
            Self::Memory(memory) => memory.listen(),
            Self::Redis(redis) => redis.listen(),
        }
    }

    /// Does it answer within its deadline?
    pub async fn is_up(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Redis(redis) => redis.is_up().await,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Redis(_) => "redis",
        }
    }
}

fn key(limit: &Limit, subject: &str) -> String {
    format!("{}:{subject}", limit.name)
}
