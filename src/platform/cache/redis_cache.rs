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

/// Increment and expiry in one step, so that a counter can never be left without its end.
const COUNT: &str = "local n = redis.call('INCR', KEYS[1]) \
    if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end \
    return {n, redis.call('PTTL', KEYS[1])}";

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

    async fn connection(&self) -> RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.deadline))
            .set_response_timeout(Some(self.deadline))
            .set_number_of_retries(1);
        let connect = || ConnectionManager::new_with_config(self.client.clone(), config);
        self.manager.get_or_try_init(connect).await.cloned()
    }

    fn counter(&self, key: &str) -> String {
        format!("{}:count:{key}", self.prefix)
    }

    fn channel(&self) -> String {
        format!("{}:news", self.prefix)
    }

    /// None when Redis fails or is slower than the deadline, connecting included.
    async fn in_time<T>(&self, call: impl Future<Output = RedisResult<T>>) -> Option<T> {
        match tokio::time::timeout(self.deadline, call).await {
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

    pub async fn count(&self, key: &str, window: Duration) -> (u32, u64) {
        let call = async {
            let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
            let (count, left_ms): (u32, i64) = Script::new(COUNT)
                .key(self.counter(key))
                .arg(window_ms)
                .invoke_async(&mut self.connection().await?)
                .await?;
            Ok((count, left_ms))
        };
        // Counted here as well, so that losing Redis in the middle does not hand out fresh tries.
        let local = self.fallback.count(key, window);
        match self.in_time(call).await {
            Some((count, left_ms)) => (count.max(local.0), seconds(left_ms).max(1)),
            None => local,
        }
    }

    pub async fn counted(&self, key: &str) -> (u32, u64) {
        let call = async {
            let key = self.counter(key);
            let mut pipe = redis::pipe();
            pipe.get(&key).pttl(&key);
            let (count, left_ms): (Option<u32>, i64) =
                pipe.query_async(&mut self.connection().await?).await?;
            Ok((count.unwrap_or(0), left_ms))
        };
        let local = self.fallback.counted(key);
        match self.in_time(call).await {
            Some((count, left_ms)) => (count.max(local.0), seconds(left_ms).max(local.1)),
            None => local,
        }
    }

    pub async fn forget(&self, key: &str) {
        self.fallback.forget(key);
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
