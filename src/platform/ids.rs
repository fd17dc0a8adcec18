//! The one place that makes identifiers. Tests seed it, so snapshots hold exact ids.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

#[derive(Clone, Debug, Default)]
pub struct Ids {
    seeded: Option<Arc<AtomicU64>>,
}

impl Ids {
    /// UUIDv7: ordered by time of making, so that indexes grow at one end.
    pub fn system() -> Self {
        Self { seeded: None }
    }

    /// 00000000-0000-7000-8000-000000000001, …2, …3: for snapshots.
    pub fn seeded() -> Self {
        Self {
            seeded: Some(Arc::new(AtomicU64::new(1))),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the only maker of ids")]
    pub fn make<I: From<Uuid>>(&self) -> I {
        I::from(match &self.seeded {
            None => Uuid::now_v7(),
            Some(next) => {
                let n = next.fetch_add(1, Ordering::SeqCst);
                Uuid::from_u64_pair(0x7000, 0x8000_0000_0000_0000 | n)
            }
        })
    }
}
