//! The runner of the job table. A job that works in the database is done exactly once: its work and its end are one
//! transaction. One that works outside is done at least once, so whoever it talks to is told an id. Neither waits for the
//! other, nor what works outside for anybody but its own target: somebody out there may not answer for long.

use std::collections::HashMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};

use super::store::{self, Job};
use super::{Jobs, periodic};
use crate::platform::clock::Clock;
use crate::platform::db::{Db, DbConnection, Instant};
use crate::platform::error::AppResult;

/// Longer than any job takes; whoever dies with a job in hand loses it to another after this.
const LEASE_S: i64 = 120;
/// Jobs in hand at once, of either sort.
const MOST: usize = 16;
/// Jobs toward one target in hand at once, by all replicas together: one that does not answer occupies little.
const MOST_EACH: i64 = 2;
/// While somebody out there does not answer, others are looked for so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A job that fails so often is given up, and stays on record with its last error.
const MOST_ATTEMPTS: i32 = 20;
const KEEP_S: i64 = 31 * 86_400;

/// What becomes of a job that went well.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    Done,
    /// There is more to do, at once: so a long job is many short transactions.
    More(serde_json::Value),
    /// Again at this time; the words are for the log.
    Again(Instant, String),
    /// It will never succeed.
    GiveUp(String),
}

type InDatabase = Box<dyn Fn(&mut DbConnection, Instant, &Job) -> AppResult<Fate> + Send + Sync>;
type Outside = Box<dyn Fn(Job) -> Pin<Box<dyn Future<Output = AppResult<Fate>> + Send>> + Send + Sync>;

enum Work {
    InDatabase(InDatabase),
    Outside(Outside),
}

#[derive(Default)]
pub struct Handlers(HashMap<&'static str, Work>);

impl Handlers {
    /// `work` runs in one transaction with the end of its job, and may be called again.
    pub fn in_database<F>(&mut self, kind: &'static str, work: F)
    where
        F: Fn(&mut DbConnection, Instant, &Job) -> AppResult<Fate> + Send + Sync + 'static,
    {
        self.0.insert(kind, Work::InDatabase(Box::new(work)));
    }

    pub fn outside<F, Fut>(&mut self, kind: &'static str, work: F)
    where
        F: Fn(Job) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = AppResult<Fate>> + Send + 'static,
    {
        let work =
            move |job| -> Pin<Box<dyn Future<Output = AppResult<Fate>> + Send>> { Box::pin(work(job)) };
        self.0.insert(kind, Work::Outside(Box::new(work)));
    }
}

#[derive(Clone)]
pub struct JobQueue {
    db: Db,
    clock: Clock,
    handlers: Arc<Handlers>,
}

impl JobQueue {
    pub fn new(db: Db, clock: Clock, handlers: Handlers) -> Self {
        Self {
            db,
            clock,
            handlers: Arc::new(handlers),
        }
    }

    /// Does what is due until nothing is. Replicas share the work: each takes other jobs.
    pub async fn run_due(&self) -> AppResult<()> {
        loop {
            let (inside, outside) = join(self.run_inside(), self.run_outside()).await;
            // What was done inside may have asked for something outside.
            if inside? + outside? == 0 {
                return Ok(());
            }
        }
    }

    /// What works in the database; tells how much it was.
    async fn run_inside(&self) -> AppResult<usize> {
        let mut done = 0;
        loop {
            let jobs = self.take_inside().await?;
            if jobs.is_empty() {
                return Ok(done);
            }
            done += jobs.len();
            join_all(jobs.into_iter().map(|job| self.run(job))).await;
        }
    }

    /// What works outside: when one has ended another begins, and while some hang those toward others go on.
    async fn run_outside(&self) -> AppResult<usize> {
        let (mut done, mut in_hand) = (0, FuturesUnordered::new());
        loop {
            let taken = pin!(self.take_outside(MOST - in_hand.len()));
            let taken = alongside(taken, &mut in_hand).await;
            let (jobs, error) = taken.map_or_else(|error| (Vec::new(), Some(error)), |jobs| (jobs, None));
            done += jobs.len();
            in_hand.extend(jobs.into_iter().map(|job| self.run(job)));
            if in_hand.is_empty() {
                return error.map_or(Ok(done), Err);
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, in_hand.next()).await;
        }
    }

    async fn take_inside(&self) -> AppResult<Vec<Job>> {
        let now = self.clock.now();
        let due = move |conn: &mut _| Ok(store::has_due_inside(conn, now)?);
        if !self.db.read_fresh(due).await? {
            return Ok(Vec::new());
        }
        let (until, most) = (now.plus_s(LEASE_S), i64::try_from(MOST).unwrap_or(1));
        let take = move |conn: &mut _| Ok(store::take_inside(conn, now, until, most)?);
        self.db.write(take).await
    }

    async fn take_outside(&self, most: usize) -> AppResult<Vec<Job>> {
        let now = self.clock.now();
        let targets = move |conn: &mut _| Ok(store::list_targets(conn, now, MOST_EACH)?);
        if most == 0 || self.db.read_fresh(targets).await?.is_empty() {
            return Ok(Vec::new());
        }
        let (until, most) = (now.plus_s(LEASE_S), i64::try_from(most).unwrap_or(1));
        let take = move |conn: &mut _| Ok(store::take_outside(conn, now, until, most, MOST_EACH)?);
        self.db.write(take).await
    }

    async fn run(&self, job: Job) {
        let (id, kind) = (job.id, job.kind.clone());
        let result = match self.handlers.0.get(job.kind.as_str()) {
            Some(Work::InDatabase(_)) => self.run_in_database(job.clone()).await,
            Some(Work::Outside(work)) => match work(job.clone()).await {
                Ok(fate) => self.settle(job.clone(), fate).await,
                Err(error) => Err(error),
            },
            // Of a newer version: one of its replicas does it.
            None => return,
        };
        if let Err(error) = result {
            tracing::warn!(job = %id, kind, %error, "a job failed; it will be tried again");
            let fate = again(&job, self.clock.now(), error.to_string());
            if let Err(error) = self.settle(job, fate).await {
                tracing::warn!(job = %id, %error, "its failure could not be recorded; its lease will end");
            }
        }
    }

    async fn run_in_database(&self, job: Job) -> AppResult<()> {
        let (handlers, clock) = (self.handlers.clone(), self.clock.clone());
        let work = move |conn: &mut DbConnection| {
            // What it writes is not dated with when it began to wait for its turn.
            let now = clock.now();
            if !store::hold(conn, &job)? {
                return Ok(());
            }
            match handlers.0.get(job.kind.as_str()) {
                Some(Work::InDatabase(work)) => {
                    let fate = work(conn, now, &job)?;
                    apply(conn, &job, now, &fate)
                }
                _ => Ok(()),
            }
        };
        self.db.write_long(work).await
    }

    async fn settle(&self, job: Job, fate: Fate) -> AppResult<()> {
        let now = self.clock.now();
        self.db.write(move |conn| apply(conn, &job, now, &fate)).await
    }

    /// Looks for work every `pace`, and forgets what was finished a month ago.
    pub fn start(&self, jobs: &mut Jobs, pace: Duration) {
        let queue = self.clone();
        jobs.every("jobs", pace, move || {
            let queue = queue.clone();
            async move { queue.run_inside().await.map(|_| ()) }
        });
        let queue = self.clone();
        jobs.every("jobs toward the outside", pace, move || {
            let queue = queue.clone();
            async move { queue.run_outside().await.map(|_| ()) }
        });
        let queue = self.clone();
        jobs.every("sweep jobs", periodic::HOUR, move || {
            let (db, before) = (queue.db.clone(), queue.clock.now().plus_s(-KEEP_S));
            async move { db.sweep(move |conn| store::sweep(conn, before)).await }
        });
    }
}

fn apply(conn: &mut DbConnection, job: &Job, now: Instant, fate: &Fate) -> AppResult<()> {
    match fate {
        Fate::Done => store::finish(conn, job, now, None)?,
        Fate::More(payload) => store::put_back(conn, job, now, Some(payload), None)?,
        Fate::Again(at, why) => store::put_back(conn, job, *at, None, Some(why))?,
        Fate::GiveUp(why) => {
            tracing::warn!(job = %job.id, kind = job.kind, why, "a job is given up");
            metrics::counter!("zhibu_jobs_given_up", "kind" => job.kind.clone()).increment(1);
            store::finish(conn, job, now, Some(why))?;
        }
    }
    Ok(())
}

/// Twice as long after each failure, from two seconds to an hour.
fn again(job: &Job, now: Instant, why: String) -> Fate {
    if job.attempts >= MOST_ATTEMPTS {
        return Fate::GiveUp(why);
    }
    let exponent = u32::try_from(job.attempts).unwrap_or(0).min(12);
    Fate::Again(now.plus_s(2i64.pow(exponent).min(3_600)), why)
}

/// Waits for `first` while those in hand go on. One that is polled by nobody would keep the turn to write that it has been
/// given, and `first` wait for it until its deadline.
async fn alongside<T>(
    mut first: Pin<&mut impl Future<Output = T>>,
    in_hand: &mut (impl Stream + Unpin),
) -> T {
    loop {
        tokio::select! {
            done = &mut first => return done,
            Some(_) = in_hand.next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::sync::Semaphore;

    #[actix_web::test]
    async fn a_turn_that_is_given_to_a_job_in_hand_is_used_while_more_is_looked_for() {
        let turns = Arc::new(Semaphore::new(1));
        let take_turn = || {
            let turns = turns.clone();
            async move { drop(turns.acquire().await.unwrap()) }
        };
        let held = turns.clone().acquire_owned().await.unwrap();
        let mut in_hand = FuturesUnordered::from_iter([take_turn()]);
        assert!(in_hand.next().now_or_never().is_none(), "it stands in line");
        drop(held);
        // Control: the turn is given to it, and it does not know.
        assert!(take_turn().now_or_never().is_none());
        alongside(pin!(take_turn()), &mut in_hand).await;
        assert!(in_hand.is_empty());
    }
}
