//! What is shown live: one frame is made for each change of a thing, whatever the number of those who watch it. Who is slow
//! misses frames, never the newest; whatever is lost on the way of news is caught up with.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::cache::{Cache, News};
use super::error::{AppError, AppResult};

/// Changes within this time are shown together.
const PACE: Duration = Duration::from_millis(250);
/// A frame is made at least so often while somebody watches: news may be lost.
const REFRESH: Duration = Duration::from_secs(10);

/// All that is shown of a thing, written once for everybody: each replaces the one before.
#[derive(Debug)]
pub struct Frame {
    data: String,
    text: Bytes,
}

impl Frame {
    /// `event` is the name by which a page listens, `id` grows with what the frame tells.
    pub fn of(event: &str, id: i64, shown: &impl Serialize) -> AppResult<Self> {
        let data = serde_json::to_string(shown).map_err(|error| AppError::internal(error.to_string()))?;
        let text = Bytes::from(format!("id: {id}\nevent: {event}\ndata: {data}\n\n"));
        Ok(Self { data, text })
    }

    /// One server-sent event.
    pub fn text(&self) -> Bytes {
        self.text.clone()
    }
}

/// The newest frame of a thing; none yet.
pub type Latest = watch::Receiver<Option<Arc<Frame>>>;

/// The things of one sort that somebody watches on this process.
#[derive(Clone)]
pub struct Frames<K> {
    cache: Cache,
    watched: Arc<Mutex<HashMap<K, Latest>>>,
}

impl<K: Eq + Hash + Clone + Send + 'static> Frames<K> {
    pub fn new(cache: Cache) -> Self {
        Self {
            cache,
            watched: Arc::default(),
        }
    }

    /// The frames of a thing, which `make` makes anew when there is this news of it. The maker ends when nobody listens any more.
    pub fn watch<M, Fut>(&self, key: &K, news: News, make: M) -> Latest
    where
        M: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = AppResult<Frame>> + Send + 'static,
    {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frames) = watched.get(key)
            && frames.has_changed().is_ok()
        {
            return frames.clone();
        }
        let (sender, frames) = watch::channel(None);
        watched.retain(|_, frames| frames.has_changed().is_ok());
        watched.insert(key.clone(), frames.clone());
        tokio::spawn(make_frames(self.cache.clone(), news, make, sender));
        frames
    }
}

async fn make_frames<M, Fut>(cache: Cache, wanted: News, make: M, sender: watch::Sender<Option<Arc<Frame>>>)
where
    M: Fn() -> Fut + Send,
    Fut: Future<Output = AppResult<Frame>> + Send,
{
    let mut news = cache.listen();
    loop {
        match make().await {
            Ok(frame) => {
                sender.send_if_modified(|current| {
                    let changed = current.as_ref().is_none_or(|current| current.data != frame.data);
                    if changed {
                        *current = Some(Arc::new(frame));
                    }
                    changed
                });
            }
            Err(error) => tracing::debug!(%error, "no live frame"),
        }
        // The map holds one receiver; those who watch hold the others.
        if sender.receiver_count() <= 1 {
            return;
        }
        tokio::time::sleep(PACE).await;
        let next = async {
            loop {
                match news.recv().await {
                    Ok(heard) if heard != wanted => {}
                    _ => return,
                }
            }
        };
        let _ = tokio::time::timeout(REFRESH, next).await;
    }
}
