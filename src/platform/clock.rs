//! The one place that reads the wall clock. Everything else is handed a `Clock`, so tests can stop time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

use crate::platform::db::Instant;

#[derive(Clone, Debug, Default)]
pub struct Clock {
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The server's own clock.
    pub fn system() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands still until it is moved; clones share it.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self {
            fixed: Some(Arc::new(AtomicI64::new(at.timestamp_micros()))),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the only reader of the wall clock")]
    pub fn now(&self) -> Instant {
        match &self.fixed {
            Some(micros) => Instant::from_micros(micros.load(Ordering::SeqCst)),
            None => Instant::from(Utc::now()),
        }
    }

    /// Moves a fixed clock; the system clock is not moved by anybody.
    pub fn advance(&self, by: Duration) {
        if let Some(micros) = &self.fixed {
            micros.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }

    pub fn set(&self, at: Instant) {
        if let Some(micros) = &self.fixed {
            micros.store(at.micros(), Ordering::SeqCst);
        }
    }
}
