//! Work beside the requests: `Jobs` runs what is due every so often, `JobQueue` does what a transaction has asked to be
//! done after it. Each slice names its own.

mod periodic;
mod queue;
mod store;

pub use periodic::Jobs;
pub use queue::{Fate, Handlers, JobQueue};
pub use store::{Job, NewJob, enqueue, enqueue_toward, known_keys};

crate::id_types! {
    JobId,
}
