//! Counters that expire, and news between processes. Holds no truth: it may be emptied, frozen or gone at any moment.
//! Every call to Redis has a deadline, after which the in-process side answers.

mod memory;
mod redis_cache;

use std::time::Duration;

use tokio::sync::broadcast;

use crate::platform::config::CacheConfig;
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
    pub fn open(config: &CacheConfig) -> Result<Self, redis::RedisError> {
        let memory = MemoryCache::default();
        Ok(match &config.url {
            None => Self::Memory(memory),
            Some(url) => Self::Redis(Box::new(RedisCache::open(url, config, memory)?)),
        })
    }

    /// Adds one to a counter that starts again after `window`, and tells the new count and the seconds left.
    pub async fn count(&self, key: &str, window: Duration) -> (u32, u64) {
        match self {
            Self::Memory(memory) => memory.count(key, window),
            Self::Redis(redis) => redis.count(key, window).await,
        }
    }

    /// The counter as it stands, without adding to it.
    pub async fn counted(&self, key: &str) -> (u32, u64) {
        match self {
            Self::Memory(memory) => memory.counted(key),
            Self::Redis(redis) => redis.counted(key).await,
        }
    }

    pub async fn forget(&self, key: &str) {
        match self {
            Self::Memory(memory) => memory.forget(key),
            Self::Redis(redis) => redis.forget(key).await,
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
