//! Periodic tasks: each slice names its own, one runner drives them. A task that fails is logged and tried again.

use std::future::Future;
use std::time::Duration;

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
                if let Err(error) = task().await {
                    tracing::warn!(job = name, %error, "a periodic task failed; it will be tried again");
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
