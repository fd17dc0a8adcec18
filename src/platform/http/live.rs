//! Whoever watches something live: Server-Sent Events, for as long as they may.

use std::future::Future;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use super::events::event_stream;
use crate::platform::error::AppResult;
use crate::platform::frames::Latest;

/// A silent connection is told that we live, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How old the answer to 'may they still watch?' may be when something is sent: what answers may itself know no more than was
/// true 250 ms ago, and together it is less than a second (RELIABILITY.md P10).
const TRUST: Duration = Duration::from_millis(600);

/// Who watches.
pub trait Watcher {
    /// As far as memory tells: asked each time, so an ended session's screen goes dark within a second.
    fn is_valid(&self) -> bool;

    /// Asked before something is sent, twice a second at most.
    fn may_watch(&mut self) -> impl Future<Output = bool>;

    /// Is that asked also when there is nothing to send? Of who may be sent away by what only the database knows.
    fn is_asked_in_silence(&self) -> bool {
        false
    }
}

/// The frames of a thing to one who may watch it now. The first comes at once: it is the whole state, so nothing is missed by who
/// comes back, whatever they saw last.
pub fn live_stream<W: Watcher + 'static>(
    mut frames: Latest,
    stopping: watch::Receiver<bool>,
    watcher: W,
) -> HttpResponse {
    frames.mark_changed();
    let listener = Listener {
        frames,
        stopping,
        watcher,
        spoke_at: Instant::now(),
        checked_at: Instant::now(),
    };
    event_stream(stream::unfold(listener, Listener::next))
}

/// What it is sent next depends on what it has seen, and on whether it may still see.
struct Listener<W> {
    frames: Latest,
    stopping: watch::Receiver<bool>,
    watcher: W,
    spoke_at: Instant,
    checked_at: Instant,
}

impl<W: Watcher> Listener<W> {
    async fn next(mut self) -> Option<(AppResult<Bytes>, Self)> {
        loop {
            let changed = tokio::select! {
                changed = tokio::time::timeout(TRUST, self.frames.changed()) => changed,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            if !self.watcher.is_valid() {
                return None;
            }
            let text = match changed {
                Ok(Ok(())) => self.frame(),
                Ok(Err(_)) => return None,
                Err(_) if self.spoke_at.elapsed() < HEARTBEAT => {
                    if self.watcher.is_asked_in_silence() && !self.may_watch().await {
                        return None;
                    }
                    continue;
                }
                Err(_) => Bytes::from_static(b": alive\n\n"),
            };
            if !self.may_watch().await {
                return None;
            }
            self.spoke_at = Instant::now();
            return Some((Ok(text), self));
        }
    }

    fn frame(&mut self) -> Bytes {
        match self.frames.borrow_and_update().as_deref() {
            None => Bytes::from_static(b": starting\n\n"),
            Some(frame) => frame.text(),
        }
    }

    async fn may_watch(&mut self) -> bool {
        if self.checked_at.elapsed() < TRUST {
            return true;
        }
        self.checked_at = Instant::now();
        self.watcher.may_watch().await
    }
}
