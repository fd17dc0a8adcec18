//! A lane: a bounded queue in front of one blocking thread that applies whatever has queued up in ONE transaction.
//! The longer a commit takes, the more commands the next one carries; when idle nothing waits. Commands that share no row
//! may be spread over several threads, each with a queue of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Db, DbConnection};
use crate::platform::error::{AppError, AppResult};
use crate::platform::fault;

type Reply<O> = oneshot::Sender<AppResult<O>>;

enum Message<C, O> {
    Command(C, Reply<O>),
    Stop,
}

/// A lane. Commands of one thread are answered in order of arrival, after the commit.
pub struct Lane<C, O>(How<C, O>);

enum How<C, O> {
    Queues {
        /// At least one.
        queues: Vec<Queue<C, O>>,
        spread: Spread<C>,
        deadline: Duration,
    },
    /// A transaction for each command: what the benchmark compares a lane with.
    Each(Arc<Worker<C, O>>),
}

struct Queue<C, O> {
    sender: mpsc::Sender<Message<C, O>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Commands with the same number go to the same thread.
type Spread<C> = fn(&C) -> u64;

#[derive(Debug, Clone, Copy)]
pub struct LaneLimits {
    /// Where a database has several writers, more than one thread keeps more than one of them busy. Only for commands
    /// that lock nothing in common.
    pub threads: usize,
    /// Commands that may wait for each thread; one more is answered 503 with Retry-After.
    pub queue: usize,
    /// Commands in one transaction; 0: a transaction for each, without a queue.
    pub batch: usize,
    /// How long a caller waits. After it the outcome is unknown to the caller, who repeats with the same id.
    pub deadline: Duration,
}

impl<C: Send + Sync + 'static, O: Send + Sync + 'static> Lane<C, O> {
    /// `apply` gives one outcome for each command, in order, in the transaction it is called in; a refusal is an outcome,
    /// an error ends the transaction. It may be called again. `committed` runs after the commit and before the callers are answered: for news, never for truth.
    /// A command whose `apply` panics is answered with an error; the lane lives on.
    pub fn start<A, F>(
        name: &'static str,
        db: Db,
        limits: LaneLimits,
        spread: Spread<C>,
        apply: A,
        committed: F,
    ) -> std::io::Result<Self>
    where
        A: Fn(&mut DbConnection, &[C]) -> AppResult<Vec<AppResult<O>>> + Send + Sync + 'static,
        F: Fn(&[AppResult<O>]) + Send + Sync + 'static,
    {
        let worker = Worker {
            name,
            db,
            batch: limits.batch,
            apply: Box::new(apply),
            committed: Box::new(committed),
        };
        let worker = Arc::new(worker);
        if limits.batch == 0 {
            return Ok(Self(How::Each(worker)));
        }
        let start = |n: usize| {
            let (sender, receiver) = mpsc::channel(limits.queue);
            let worker = worker.clone();
            let thread = std::thread::Builder::new()
                .name(format!("lane-{name}-{n}"))
                .spawn(move || worker.run(receiver))?;
            Ok(Queue {
                sender,
                thread: Mutex::new(Some(thread)),
            })
        };
        Ok(Self(How::Queues {
            queues: (0..limits.threads.max(1))
                .map(start)
                .collect::<std::io::Result<_>>()?,
            spread,
            deadline: limits.deadline,
        }))
    }

    /// Hands a command in and waits for its outcome, which is durable when it comes.
    pub async fn submit(&self, command: C) -> AppResult<O> {
        let (queues, spread, deadline) = match &self.0 {
            How::Queues {
                queues,
                spread,
                deadline,
            } => (queues, spread, deadline),
            How::Each(worker) => return apply_one(worker.clone(), command).await,
        };
        let nth = usize::try_from(spread(&command) % queues.len() as u64).unwrap_or_default();
        let queue = queues
            .get(nth)
            .ok_or_else(|| AppError::internal("a lane without a thread"))?;
        let (reply, answer) = oneshot::channel();
        queue
            .sender
            .try_send(Message::Command(command, reply))
            .map_err(|_| AppError::overloaded())?;
        match tokio::time::timeout(*deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(AppError::unavailable().caused_by("a lane has ended")),
            // It stays in the queue and is done all the same: a code that was good when it was shown may not be when the
            // phone asks again, which then is told what was done.
            Err(_) => Err(AppError::unavailable().caused_by("the lane did not come to it in time")),
        }
    }

    /// Commands waiting now, for `/metrics`.
    pub fn waiting(&self) -> usize {
        match &self.0 {
            How::Queues { queues, .. } => queues.iter().map(Queue::waiting).sum(),
            How::Each(_) => 0,
        }
    }

    /// Do its threads still take commands? For `/readyz`: a server without its lane must get no requests.
    pub fn is_running(&self) -> bool {
        match &self.0 {
            How::Queues { queues, .. } => queues.iter().all(Queue::is_running),
            How::Each(_) => true,
        }
    }

    /// Lets what is queued finish, then ends the threads. Blocks; call it when no request is in flight any more.
    pub fn finish(&self) {
        if let How::Queues { queues, .. } = &self.0 {
            queues.iter().for_each(Queue::finish);
        }
    }
}

impl<C, O> Queue<C, O> {
    fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    fn is_running(&self) -> bool {
        let thread = self.thread.lock();
        thread.is_ok_and(|thread| thread.as_ref().is_some_and(|thread| !thread.is_finished()))
    }

    fn finish(&self) {
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        let Some(thread) = thread else { return };
        if self.sender.blocking_send(Message::Stop).is_ok() && thread.join().is_err() {
            tracing::error!("a lane ended abnormally");
        }
    }
}

async fn apply_one<C, O>(worker: Arc<Worker<C, O>>, command: C) -> AppResult<O>
where
    C: Send + Sync + 'static,
    O: Send + Sync + 'static,
{
    let applied = worker.clone();
    let outcomes = worker
        .db
        .write(move |conn| (applied.apply)(conn, std::slice::from_ref(&command)))
        .await?;
    (worker.committed)(&outcomes);
    let outcome = outcomes.into_iter().next();
    outcome.unwrap_or_else(|| Err(AppError::internal("no outcome")))
}

type Apply<C, O> = dyn Fn(&mut DbConnection, &[C]) -> AppResult<Vec<AppResult<O>>> + Send + Sync;
type Committed<O> = dyn Fn(&[AppResult<O>]) + Send + Sync;

struct Worker<C, O> {
    name: &'static str,
    db: Db,
    batch: usize,
    apply: Box<Apply<C, O>>,
    committed: Box<Committed<O>>,
}

impl<C, O> Worker<C, O> {
    fn run(&self, mut receiver: mpsc::Receiver<Message<C, O>>) {
        let mut stopping = false;
        while !stopping {
            let (mut commands, mut replies) = (Vec::new(), Vec::new());
            let mut next = receiver.blocking_recv();
            while let Some(message) = next.take() {
                match message {
                    Message::Command(command, reply) => {
                        commands.push(command);
                        replies.push(reply);
                    }
                    Message::Stop => stopping = true,
                }
                if commands.len() < self.batch && !stopping {
                    next = receiver.try_recv().ok();
                }
            }
            if commands.is_empty() {
                return;
            }
            metrics::histogram!("zhibu_lane_batch", "lane" => self.name).record(commands.len() as f64);
            self.apply_all(&commands, replies);
        }
    }

    /// The batch in one transaction. A panic is an error like any other: its transaction ends with its connection,
    /// which the pool does not take back while its thread unwinds.
    fn write(&self, commands: &[C]) -> AppResult<Vec<AppResult<O>>> {
        let work = || {
            let outcomes = self.db.write_blocking(|conn| {
                let outcomes = (self.apply)(conn, commands);
                fault::point("lane::before_commit");
                outcomes
            });
            fault::point("lane::after_commit");
            outcomes
        };
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(AppError::internal("a batch of a lane panicked")))
    }

    /// What the checker of tests/faults must find out: callers are told before the commit.
    #[cfg(feature = "failpoints")]
    fn answer_first(&self, commands: &[C], replies: Vec<Reply<O>>) {
        let replies = Mutex::new(replies);
        let told = self.db.write_blocking(|conn| {
            let outcomes = (self.apply)(conn, commands)?;
            let replies = replies.lock().map(|mut replies| std::mem::take(&mut *replies));
            for (outcome, reply) in outcomes.into_iter().zip(replies.unwrap_or_default()) {
                let _ = reply.send(outcome);
            }
            fault::point("lane::before_commit");
            Ok(())
        });
        if let Err(error) = told {
            tracing::warn!(lane = self.name, %error, "a batch was answered and not kept");
        }
    }

    fn apply_all(&self, commands: &[C], replies: Vec<Reply<O>>) {
        #[cfg(feature = "failpoints")]
        if fault::is_broken("lane::answer_before_commit") {
            return self.answer_first(commands, replies);
        }
        match self.write(commands) {
            Ok(outcomes) if outcomes.len() == replies.len() => {
                // What is committed is committed: news that cannot be told changes no answer.
                if catch_unwind(AssertUnwindSafe(|| (self.committed)(&outcomes))).is_err() {
                    tracing::error!(lane = self.name, "telling of a batch panicked");
                }
                for (outcome, reply) in outcomes.into_iter().zip(replies) {
                    // A caller that has gone away asks again with the same id.
                    let _ = reply.send(outcome);
                }
            }
            Ok(_) => fail_all(replies, || {
                AppError::internal("a lane lost count of its outcomes")
            }),
            Err(error) if commands.len() == 1 || error.is_unavailable() => {
                let mut error = Some(error);
                fail_all(replies, || error.take().unwrap_or_else(AppError::unavailable));
            }
            // One poisoned command must not fail its neighbours: each gets a transaction of its own.
            Err(error) => {
                tracing::warn!(lane = self.name, %error, "a batch failed; applying its commands one by one");
                for (command, reply) in commands.iter().zip(replies) {
                    self.apply_all(std::slice::from_ref(command), vec![reply]);
                }
            }
        }
    }
}

fn fail_all<O>(replies: Vec<Reply<O>>, mut error: impl FnMut() -> AppError) {
    for reply in replies {
        let _ = reply.send(Err(error()));
    }
}
