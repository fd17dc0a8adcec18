//! A second fence between trees, behind what each statement asks for: on PostgreSQL a transaction says whose rows it is about,
//! and row-level security (migration 0033) gives and takes no others. What says nothing gets nothing.
//!
//! A request is fenced in as soon as it is known who asks, and so is all that it reads and writes, its streams included. Outside
//! stand, with their statements as the only fence: lanes, which serve several trees in one transaction; jobs; what several
//! askers share (`Gather`, boards that are made); whoever has not said who they are yet; the system admin; commands.

use std::cell::Cell;
use std::future::Future;

use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    Open,
    Tenant(Uuid),
}

tokio::task_local! {
    static CURRENT: Cell<Fence>;
}

impl Fence {
    /// Of the request that this task answers; open outside of one.
    pub fn current() -> Self {
        CURRENT.try_with(Cell::get).unwrap_or(Self::Open)
    }

    /// Work that can be fenced in: a request.
    pub async fn around<F: Future>(work: F) -> F::Output {
        CURRENT.scope(Cell::new(Self::Open), work).await
    }

    /// From here on the request is about this tree, as a token of ours says.
    pub fn shut(tenant: Uuid) {
        // Without a request there is nothing to fence in.
        let _ = CURRENT.try_with(|fence| fence.set(Self::Tenant(tenant)));
    }

    /// A step of what goes on after the request was answered: its body.
    pub fn during<T>(self, step: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Cell::new(self), step)
    }

    /// The statement that tells PostgreSQL, until the transaction ends.
    pub(super) fn statement(self) -> String {
        match self {
            Self::Open => "SET LOCAL zhibu.tenant = '*'".to_owned(),
            Self::Tenant(tenant) => format!("SET LOCAL zhibu.tenant = '{tenant}'"),
        }
    }
}
