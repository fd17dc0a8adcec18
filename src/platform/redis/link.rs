//! The one connection. A task keeps it: connects, and connects again when somebody says that it is broken. Whoever calls
//! waits for that no longer than for an answer, and not at all when the last try has failed.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::sync::{mpsc, watch};

use super::Topology;

/// The whole of connecting: sentinels asked, signed in.
const CONNECT: Duration = Duration::from_secs(5);
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// What a call that failed weighs.
const FAILURE: u32 = 4;
/// Five calls without an answer and none with one: a server that is gone without a word, whose connection would break only
/// after minutes.
const GONE: u32 = 5 * FAILURE;
/// A cluster's client heals itself. One that does not, as a node is silent whose slots are another's by now, fails with some
/// of the calls only, and is made anew, not too often.
const NOT_HEALED: u32 = 50 * FAILURE;
const MADE_ANEW: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

#[derive(Clone)]
pub struct Redis {
    topology: Arc<Topology>,
    prefix: Arc<str>,
    deadline: Duration,
    state: watch::Receiver<State>,
    broken: mpsc::Sender<u64>,
    /// Of calls that failed, less what those that did not have made good.
    failures: Arc<AtomicU32>,
}

#[derive(Clone)]
enum State {
    Connecting,
    /// With a number that no other connection has.
    Up(u64, Connection),
    Down,
}

impl Redis {
    /// Connects in the background, for as long as this or a clone of it is there. Call it inside the runtime.
    pub fn open(topology: Topology, prefix: &str, deadline: Duration) -> Self {
        let topology = Arc::new(topology);
        let (state, seen) = watch::channel(State::Connecting);
        let (broken, reports) = mpsc::channel(1);
        tokio::spawn(keep_connected(topology.clone(), state, reports));
        Self {
            topology,
            prefix: prefix.into(),
            deadline,
            state: seen,
            broken,
            failures: Arc::default(),
        }
    }

    /// A key or channel of this installation.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// None when Redis fails or is slower than the deadline, connecting included.
    pub async fn call<T, F>(&self, call: impl FnOnce(Connection) -> F) -> Option<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        self.call_within(self.deadline, call).await
    }

    /// For what takes longer than the usual deadline; up to ten seconds.
    pub async fn call_within<T, F>(&self, deadline: Duration, call: impl FnOnce(Connection) -> F) -> Option<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let mut number = 0;
        let work = async {
            let connection;
            (number, connection) = self.connection().await?;
            call(connection).await
        };
        match tokio::time::timeout(deadline, work).await {
            Ok(Ok(value)) => {
                self.make_good();
                return Some(value);
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "redis");
                metrics::counter!("zhibu_redis_failures").increment(1);
                self.report(number, Some(&error));
            }
            Err(_) => {
                metrics::counter!("zhibu_redis_timeouts").increment(1);
                self.report(number, None);
            }
        }
        None
    }

    async fn connection(&self) -> RedisResult<(u64, Connection)> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match settled.as_deref() {
            Ok(State::Up(number, connection)) => Ok((*number, connection.clone())),
            _ => Err((ErrorKind::Io, "not connected").into()),
        }
    }

    fn make_good(&self) {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Of a cluster's nodes one answers for itself only.
        let less = if self.topology.heals_itself() { 1 } else { u32::MAX };
        let update = |failures: u32| Some(failures.saturating_sub(less));
        let _ = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    /// After a call that failed, or with no error took too long: is the connection any good?
    fn report(&self, number: u64, error: Option<&RedisError>) {
        if number == 0 {
            return; // There was none.
        }
        let failures = self.failures.fetch_add(FAILURE, Ordering::Relaxed) + FAILURE;
        let is_broken = match error {
            _ if self.topology.heals_itself() => failures >= NOT_HEALED,
            Some(error) => {
                let not_the_master = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown];
                error.is_unrecoverable_error()
                    || not_the_master
                        .iter()
                        .any(|kind| error.kind() == ErrorKind::Server(*kind))
            }
            None => failures >= GONE,
        };
        if is_broken {
            self.failures.store(0, Ordering::Relaxed);
            // Full: somebody has said so.
            let _ = self.broken.try_send(number);
        }
    }

    /// One subscription, taken up again whenever it breaks or the connection is another, as after a failover.
    pub async fn listen(&self, channel: &str, mut hear: impl FnMut(String)) {
        let mut state = self.state.clone();
        // The task that keeps the connection lives as long as this does, so its word never fails.
        while let Ok(number) = state
            .wait_for(|state| state.number() > 0)
            .await
            .map(|up| up.number())
        {
            let is_same = |state: &State| state.number() == number;
            if let Ok(Ok(mut pubsub)) = tokio::time::timeout(CONNECT, self.topology.listen()).await
                && pubsub.subscribe(channel).await.is_ok()
            {
                let mut messages = pubsub.into_on_message();
                loop {
                    tokio::select! {
                        message = messages.next() => match message {
                            Some(message) => message.get_payload().into_iter().for_each(&mut hear),
                            None => break,
                        },
                        _ = state.wait_for(|state| !is_same(state)) => break,
                    }
                }
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

impl State {
    /// 0: no connection.
    fn number(&self) -> u64 {
        match self {
            Self::Up(number, _) => *number,
            Self::Connecting | Self::Down => 0,
        }
    }
}

async fn keep_connected(
    topology: Arc<Topology>,
    state: watch::Sender<State>,
    mut reports: mpsc::Receiver<u64>,
) {
    let mut number = 0;
    loop {
        let connection = match tokio::time::timeout(CONNECT, topology.connect()).await {
            Ok(Ok(connection)) => Some(connection),
            Ok(Err(error)) => {
                tracing::debug!(%error, "connecting to redis");
                None
            }
            Err(_) => None,
        };
        match connection {
            Some(connection) => {
                number += 1;
                state.send_replace(State::Up(number, connection));
            }
            // What the old one still does is better than nothing.
            None if number > 0 && topology.heals_itself() => {}
            None => {
                state.send_replace(State::Down);
                tokio::select! {
                    () = tokio::time::sleep(TRY_AGAIN) => continue,
                    () = state.closed() => return,
                }
            }
        }
        // Of one that was already replaced others may still complain.
        while reports.recv().await != Some(number) {
            if reports.is_closed() {
                return;
            }
        }
        if topology.heals_itself() {
            tokio::time::sleep(MADE_ANEW).await;
        } else {
            state.send_replace(State::Connecting);
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
