//! Periodic tasks: each slice names its own, one runner drives them. A task that fails is logged and tried again.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;

use crate::platform::error::AppResult;

pub const HOUR: Duration = Duration::from_secs(3_600);

/// The tasks of one process; dropping it ends them between two runs.
#[derive(Default)]
pub struct Jobs(Vec<JoinHandle<()>>);

impl Jobs {
    /// Runs `task` every `period`, one run at a time. Every replica runs it, so it must be harmless to run twice.
    pub fn every<F, Fut>(&mut self, name: &'static str, period: Duration, task: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = AppResult<()>> + Send,
    {
        self.0.push(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // One that ended with a panic would be gone without a word, and with it what it looks after.
                let done = AssertUnwindSafe(task()).catch_unwind().await;
                match done {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(job = name, %error, "a periodic task failed; it will be tried again");
                    }
                    Err(_) => {
                        tracing::error!(job = name, "a periodic task panicked; it will be tried again");
                    }
                }
            }
        }));
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        for job in &self.0 {
            job.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[actix_web::test]
    async fn a_task_that_panics_or_fails_is_tried_again() {
        let (runs, mut jobs) = (Arc::new(AtomicU32::new(0)), Jobs::default());
        let (done, mut told) = tokio::sync::mpsc::unbounded_channel();
        let counted = runs.clone();
        jobs.every("test", Duration::from_millis(1), move || {
            let (run, done) = (counted.fetch_add(1, Ordering::Relaxed), done.clone());
            async move {
                match run {
                    0 => panic!("on purpose"),
                    1 => Err(crate::platform::error::AppError::unavailable()),
                    _ => {
                        let _ = done.send(run);
                        Ok(())
                    }
                }
            }
        });
        assert_eq!(told.recv().await, Some(2));
    }
}
