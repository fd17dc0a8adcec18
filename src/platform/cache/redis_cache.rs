//! The Redis side. Whatever Redis does not answer in time, the in-process side answers.

use tokio::sync::{broadcast, mpsc};

use super::News;
use super::memory::MemoryCache;
use crate::platform::limits::{Limit, Tally};
use crate::platform::redis::{Redis, Script};

/// Look, increment and expiry in one step: a quota is never overrun, and no counter is left without its end.
static TAKE: Script = Script::new(&["local n = tonumber(redis.call('GET', KEYS[1]) or '0') \
    if n >= tonumber(ARGV[1]) then return {0, 0, redis.call('PTTL', KEYS[1])} end \
    if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
    return {1, 1, redis.call('PTTL', KEYS[1])}"]);
static TAKE_ITEM: Script = Script::new(&["local left = redis.call('PTTL', KEYS[1]) \
    if redis.call('SISMEMBER', KEYS[1], ARGV[3]) == 1 then return {1, 0, left} end \
    if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[1]) then return {0, 0, left} end \
    redis.call('SADD', KEYS[1], ARGV[3]) \
    if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
    return {1, 1, redis.call('PTTL', KEYS[1])}"]);
/// In the item's place stands something that nobody tries; first in, then out, because an empty set loses its end.
static SPEND: Script = Script::new(&["if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then \
    redis.call('SADD', KEYS[1], ARGV[2]) redis.call('SREM', KEYS[1], ARGV[1]) end"]);
static GIVE_BACK: Script = Script::new(&["local n = tonumber(redis.call('GET', KEYS[1]) or '0') \
    if n > 1 then redis.call('DECR', KEYS[1]) else redis.call('DEL', KEYS[1]) end"]);

#[derive(Clone)]
pub struct RedisCache {
    redis: Redis,
    fallback: MemoryCache,
    outbox: mpsc::Sender<News>,
}

impl RedisCache {
    pub fn open(redis: Redis, fallback: MemoryCache) -> Self {
        let (outbox, to_send) = mpsc::channel(4096);
        let cache = Self {
            redis,
            fallback,
            outbox,
        };
        tokio::spawn(cache.clone().send_news(to_send));
        tokio::spawn(cache.clone().receive_news());
        cache
    }

    /// The connection, for others that keep something in Redis.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    fn counter(&self, key: &str) -> String {
        self.redis.key(&format!("count:{key}"))
    }

    fn channel(&self) -> String {
        self.redis.key("news")
    }

    /// Counted here as well, so that losing Redis in the middle does not hand out fresh tries.
    pub async fn take(&self, limit: &Limit, key: &str, item: Option<u64>) -> Tally {
        let local = self.fallback.take(limit, key, item);
        if !local.is_within && !local.is_full {
            return local;
        }
        let script = if item.is_some() { &TAKE_ITEM } else { &TAKE };
        let window_ms = u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX);
        let keys = [self.counter(key)];
        let call = async |redis| {
            let arguments = (limit.quota, window_ms, item);
            let (is_within, is_new, left_ms): (bool, bool, i64) = script.run(redis, &keys, arguments).await?;
            Ok(Tally {
                is_within,
                is_new,
                is_full: false,
                left_s: seconds(left_ms).max(1),
            })
        };
        let Some(shared) = self.redis.call(call).await else {
            return local;
        };
        if local.is_new && !shared.is_within {
            self.fallback.give_back(limit, key, item);
        }
        Tally {
            is_new: shared.is_new || (shared.is_within && local.is_new),
            ..shared
        }
    }

    pub async fn peek(&self, limit: &Limit, key: &str) -> Tally {
        let local = self.fallback.peek(limit, key);
        if !local.is_within {
            return local;
        }
        let key = self.counter(key);
        let call = async |mut redis| {
            let mut pipe = redis::pipe();
            pipe.get(&key).pttl(&key);
            let (count, left_ms): (Option<u32>, i64) = pipe.query_async(&mut redis).await?;
            Ok(Tally {
                is_within: count.unwrap_or(0) < limit.quota,
                is_new: false,
                is_full: false,
                left_s: seconds(left_ms),
            })
        };
        self.redis.call(call).await.unwrap_or(local)
    }

    pub async fn give_back(&self, limit: &Limit, key: &str, item: Option<u64>) {
        self.fallback.give_back(limit, key, item);
        let key = self.counter(key);
        match item {
            Some(item) => self.send(redis::cmd("SREM").arg(key).arg(item)).await,
            None => self.run(&GIVE_BACK, key, None::<u64>).await,
        }
    }

    pub async fn spend(&self, limit: &Limit, key: &str, item: u64) {
        self.fallback.spend(limit, key, item);
        let spent = format!("spent:{}", rand::random::<u64>());
        self.run(&SPEND, self.counter(key), (item, spent)).await;
    }

    pub async fn forget(&self, limit: &Limit, key: &str) {
        self.fallback.forget(limit, key);
        self.send(redis::cmd("DEL").arg(self.counter(key))).await;
    }

    pub fn announce(&self, news: News) {
        self.fallback.announce(news.clone());
        // A full outbox means Redis is away; the live screens of other processes catch up by their own polling.
        let _ = self.outbox.try_send(news);
    }

    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.fallback.listen()
    }

    pub async fn is_up(&self) -> bool {
        let ping = async |mut redis| redis::cmd("PING").query_async::<()>(&mut redis).await;
        self.redis.call(ping).await.is_some()
    }

    async fn send(&self, command: &redis::Cmd) {
        let call = async |mut redis| command.query_async::<()>(&mut redis).await;
        self.redis.call(call).await;
    }

    async fn run(&self, script: &Script, key: String, arguments: impl redis::ToRedisArgs) {
        let call = async |redis| script.run::<()>(redis, &[key], arguments).await;
        self.redis.call(call).await;
    }

    async fn send_news(self, mut outbox: mpsc::Receiver<News>) {
        while let Some(news) = outbox.recv().await {
            self.send(redis::cmd("PUBLISH").arg(self.channel()).arg(&news.0))
                .await;
        }
    }

    async fn receive_news(self) {
        let hear = |text| self.fallback.announce(News(text));
        self.redis.listen(&self.channel(), hear).await;
    }
}

fn seconds(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds).unwrap_or(0).div_ceil(1000)
}
