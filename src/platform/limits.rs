//! Limits on tries. A guess is counted before it is judged, so that many at once do not get past, and given back when
//! it turns out to be no failure; a limit on an address is looked at before and counted after.

use std::time::Duration;

use crate::platform::cache::Cache;
use crate::platform::error::{AppError, AppResult};

/// What becomes of a key that has no counter yet while the cache of this process is full of live ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Guesses of passwords and codes fail closed: if old counters made room for new ones, a flood of made-up names
    /// would wash away the counter of the account that is really meant.
    Refuse,
    /// Addresses fail open: they are the second line, and whoever owns a large network can make up any number of
    /// them, which must keep nobody else out. Each limit has a room of its own, so they never crowd out guesses.
    Admit,
}

/// At most `quota` tries in a window that begins with the first of them.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its name in the cache and in the `RateLimit` headers.
    pub name: &'static str,
    pub quota: u32,
    pub window: Duration,
    pub when_full: WhenFull,
}

/// How a counter stands after it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub is_within: bool,
    /// Did this try add to the counter?
    pub is_new: bool,
    /// No room for a counter: `is_within` is `WhenFull`'s word, not a count's.
    pub is_full: bool,
    /// Seconds until the window ends.
    pub left_s: u64,
}

impl Limit {
    pub const fn on_guesses(name: &'static str, quota: u32, window: Duration) -> Self {
        Self {
            name,
            quota,
            window,
            when_full: WhenFull::Refuse,
        }
    }

    pub const fn on_addresses(name: &'static str, quota: u32, window: Duration) -> Self {
        Self {
            name,
            quota,
            window,
            when_full: WhenFull::Admit,
        }
    }

    /// Counts a try, or refuses it uncounted with 429.
    pub async fn admit<'a>(&self, cache: &'a Cache, subject: &str) -> AppResult<Try<'a>> {
        self.admit_item(cache, subject, None).await
    }

    /// The same for tries of which equal ones under way count once: `item` is what is tried.
    pub async fn admit_item<'a>(
        &self,
        cache: &'a Cache,
        subject: &str,
        item: Option<u64>,
    ) -> AppResult<Try<'a>> {
        let tally = cache.take(self, subject, item).await;
        if !tally.is_within {
            return Err(AppError::rate_limited(self, tally.left_s));
        }
        Ok(Try {
            cache,
            limit: *self,
            subject: subject.to_owned(),
            item,
            is_new: tally.is_new,
        })
    }

    /// 429 if the limit is reached; counts nothing.
    pub async fn check(&self, cache: &Cache, subject: &str) -> AppResult<()> {
        let tally = cache.peek(self, subject).await;
        if tally.is_within {
            Ok(())
        } else {
            Err(AppError::rate_limited(self, tally.left_s))
        }
    }

    /// Counts what has failed. Those under way when the limit is reached get past it: for second lines only.
    pub async fn note(&self, cache: &Cache, subject: &str) {
        cache.take(self, subject, None).await;
    }
}

/// A try that was counted. Dropped, it stays counted.
#[must_use = "give it back when it was no failure"]
pub struct Try<'a> {
    cache: &'a Cache,
    limit: Limit,
    subject: String,
    item: Option<u64>,
    is_new: bool,
}

impl Try<'_> {
    /// It was no failure.
    pub async fn give_back(&self) {
        if self.is_new {
            self.cache.give_back(&self.limit, &self.subject, self.item).await;
        }
    }

    /// It was a failure: the same item, tried again, counts again.
    pub async fn fail(&self) {
        if let Some(item) = self.item {
            self.cache.spend(&self.limit, &self.subject, item).await;
        }
    }

    /// It was a success that makes up for the failures before it.
    pub async fn forget(&self) {
        self.cache.forget(&self.limit, &self.subject).await;
    }
}
