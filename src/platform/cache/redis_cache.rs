//! The Redis side. Whatever Redis does not answer in time, the in-process side answers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult, Script};
use tokio::sync::{OnceCell, broadcast, mpsc};

use super::News;
use super::memory::MemoryCache;
use crate::platform::config::CacheConfig;
use crate::platform::limits::{Limit, Tally};

/// Look, increment and expiry in one step: a quota is never overrun, and no counter is left without its end.
const TAKE: &str = "local n = tonumber(redis.call('GET', KEYS[1]) or '0') \
    if n >= tonumber(ARGV[1]) then return {0, 0, redis.call('PTTL', KEYS[1])} end \
    if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
    return {1, 1, redis.call('PTTL', KEYS[1])}";
const TAKE_ITEM: &str = "local left = redis.call('PTTL', KEYS[1]) \
    if redis.call('SISMEMBER', KEYS[1], ARGV[3]) == 1 then return {1, 0, left} end \
    if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[1]) then return {0, 0, left} end \
    redis.call('SADD', KEYS[1], ARGV[3]) \
    if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
    return {1, 1, redis.call('PTTL', KEYS[1])}";
/// In the item's place stands something that nobody tries; first in, then out, because an empty set loses its end.
const SPEND: &str = "if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then \
    redis.call('SADD', KEYS[1], ARGV[2]) redis.call('SREM', KEYS[1], ARGV[1]) end";
const GIVE_BACK: &str = "local n = tonumber(redis.call('GET', KEYS[1]) or '0') \
    if n > 1 then redis.call('DECR', KEYS[1]) else redis.call('DEL', KEYS[1]) end";

/// Callers have deadlines of their own; after this the connection itself gives up waiting.
const LONGEST_CALL: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct RedisCache {
    client: Client,
    manager: Arc<OnceCell<ConnectionManager>>,
    deadline: Duration,
    prefix: String,
    fallback: MemoryCache,
    outbox: mpsc::Sender<News>,
}

impl RedisCache {
    pub fn open(url: &str, config: &CacheConfig, fallback: MemoryCache) -> RedisResult<Self> {
        let client = Client::open(url)?;
        let (outbox, to_send) = mpsc::channel(4096);
        let cache = Self {
            client,
            manager: Arc::default(),
            deadline: config.deadline,
            prefix: config.prefix.clone(),
            fallback,
            outbox,
        };
        tokio::spawn(cache.clone().send_news(to_send));
        tokio::spawn(cache.clone().receive_news());
        Ok(cache)
    }

    pub async fn connection(&self) -> RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.deadline))
            .set_response_timeout(Some(self.deadline.max(LONGEST_CALL)))
            .set_number_of_retries(1);
        let connect = || ConnectionManager::new_with_config(self.client.clone(), config);
        self.manager.get_or_try_init(connect).await.cloned()
    }

    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn counter(&self, key: &str) -> String {
        format!("{}:count:{key}", self.prefix)
    }

    fn channel(&self) -> String {
        format!("{}:news", self.prefix)
    }

    /// None when Redis fails or is slower than the deadline, connecting included.
    async fn in_time<T>(&self, call: impl Future<Output = RedisResult<T>>) -> Option<T> {
        self.within(self.deadline, call).await
    }

    /// The same with another deadline.
    pub async fn within<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = RedisResult<T>>,
    ) -> Option<T> {
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                tracing::debug!(%error, "redis");
                metrics::counter!("zhibu_redis_failures").increment(1);
                None
            }
            Err(_) => {
                metrics::counter!("zhibu_redis_timeouts").increment(1);
                None
            }
        }
    }

    /// Counted here as well, so that losing Redis in the middle does not hand out fresh tries.
    pub async fn take(&self, limit: &Limit, key: &str, item: Option<u64>) -> Tally {
        let local = self.fallback.take(limit, key, item);
        if !local.is_within && !local.is_full {
            return local;
        }
        let call = async {
            let script = Script::new(if item.is_some() { TAKE_ITEM } else { TAKE });
            let mut call = script.key(self.counter(key));
            call.arg(limit.quota)
                .arg(u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX));
            if let Some(item) = item {
                call.arg(item);
            }
            let (is_within, is_new, left_ms): (bool, bool, i64) =
                call.invoke_async(&mut self.connection().await?).await?;
            Ok(Tally {
                is_within,
                is_new,
                is_full: false,
                left_s: seconds(left_ms).max(1),
            })
        };
        let Some(shared) = self.in_time(call).await else {
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
        let call = async {
            let key = self.counter(key);
            let mut pipe = redis::pipe();
            pipe.get(&key).pttl(&key);
            let (count, left_ms): (Option<u32>, i64) =
                pipe.query_async(&mut self.connection().await?).await?;
            Ok(Tally {
                is_within: count.unwrap_or(0) < limit.quota,
                is_new: false,
                is_full: false,
                left_s: seconds(left_ms),
            })
        };
        self.in_time(call).await.unwrap_or(local)
    }

    pub async fn give_back(&self, limit: &Limit, key: &str, item: Option<u64>) {
        self.fallback.give_back(limit, key, item);
        let call = async {
            let (mut connection, key) = (self.connection().await?, self.counter(key));
            match item {
                Some(item) => {
                    redis::cmd("SREM")
                        .arg(key)
                        .arg(item)
                        .query_async::<()>(&mut connection)
                        .await
                }
                None => {
                    Script::new(GIVE_BACK)
                        .key(key)
                        .invoke_async::<()>(&mut connection)
                        .await
                }
            }
        };
        self.in_time(call).await;
    }

    pub async fn spend(&self, limit: &Limit, key: &str, item: u64) {
        self.fallback.spend(limit, key, item);
        let call = async {
            let spent = format!("spent:{}", rand::random::<u64>());
            Script::new(SPEND)
                .key(self.counter(key))
                .arg(item)
                .arg(spent)
                .invoke_async::<()>(&mut self.connection().await?)
                .await
        };
        self.in_time(call).await;
    }

    pub async fn forget(&self, limit: &Limit, key: &str) {
        self.fallback.forget(limit, key);
        let call = async {
            let key = self.counter(key);
            redis::cmd("DEL")
                .arg(key)
                .query_async::<()>(&mut self.connection().await?)
                .await
        };
        self.in_time(call).await;
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
        let call = async {
            redis::cmd("PING")
                .query_async::<String>(&mut self.connection().await?)
                .await
        };
        self.in_time(call).await.is_some()
    }

    async fn send_news(self, mut outbox: mpsc::Receiver<News>) {
        while let Some(news) = outbox.recv().await {
            let call = async {
                let mut connection = self.connection().await?;
                redis::cmd("PUBLISH")
                    .arg(self.channel())
                    .arg(&news.0)
                    .query_async::<()>(&mut connection)
                    .await
            };
            self.in_time(call).await;
        }
    }

    /// One subscription for the whole process, taken up again whenever it breaks.
    async fn receive_news(self) {
        loop {
            if let Ok(mut pubsub) = self.client.get_async_pubsub().await
                && pubsub.subscribe(self.channel()).await.is_ok()
            {
                let mut messages = pubsub.into_on_message();
                while let Some(message) = messages.next().await {
                    if let Ok(text) = message.get_payload::<String>() {
                        self.fallback.announce(News(text));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn seconds(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds).unwrap_or(0).div_ceil(1000)
}
