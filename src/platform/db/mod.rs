//! The doors to the database: `read`, `write`, and their blocking forms for lanes and commands.
//! Nothing else in the house opens a connection or a transaction.

mod conn;
mod copy;
mod fence;
mod lane;
mod literal;
pub mod migrate;
mod pairs;
mod prepared;
pub mod schema;
mod sweep;
pub mod types;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use tokio::sync::Semaphore;

pub use conn::{Backend, ConnectError, DbConnection, Manager, MultiBackend, Target};
pub use copy::{CopyError, copy_sqlite};
pub use fence::Fence;
pub use lane::{Lane, LaneLimits};
pub use literal::LiteralCondition;
pub use pairs::PairQuery;
pub use prepared::Prepared;
pub use sweep::{SWEPT_AT_ONCE, delete_some};
pub use types::{AnyId, Instant, Json, UuidList, sql};

use crate::platform::config::DatabaseConfig;
use crate::platform::error::{AppError, AppResult};
use crate::platform::fault;

type Pool = r2d2::Pool<Manager>;

/// Deadlocks and serialization failures are the database's way to say 'again'.
const WRITE_ATTEMPTS: u32 = 5;

/// How long a caller waits for a job that may take long.
const LONG: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
enum Way {
    Read,
    Write,
}

/// How long a caller waits, and whether a statement may take as long.
#[derive(Clone, Copy)]
enum Length {
    Usual,
    Long,
    /// Likewise, and few at a time.
    Export,
}

/// A piece of work in a transaction, which leaves what it has found where its caller takes it.
type Job<'a> = dyn FnMut(&mut DbConnection) -> AppResult<()> + 'a;
type SentJob = dyn FnMut(&mut DbConnection) -> AppResult<()> + Send;

#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    backend: Backend,
    has_replica: bool,
    readers: Pool,
    writers: Pool,
    // Callers wait here, as cheap futures, rather than as blocked threads.
    read_turns: Arc<Semaphore>,
    /// Of the readers only some at a time make exports, so that others are left for everybody.
    export_turns: Arc<Semaphore>,
    write_turns: Arc<Semaphore>,
    deadline: Duration,
}

impl Db {
    /// Opens the pools. Connections are made at once, so a wrong URL fails the start and says why; that of a replica is
    /// told in the log.
    pub fn open(config: &DatabaseConfig) -> Result<Self, r2d2::Error> {
        let (backend, write_target, read_target, writers, readers) = match config.url.as_deref() {
            Some(url) => (
                Backend::Postgres,
                Target::Postgres { url: url.to_owned() },
                Target::Postgres {
                    url: config.read_url.clone().unwrap_or_else(|| url.to_owned()),
                },
                config.connections,
                config.connections,
            ),
            None => {
                let path = config.sqlite_path.to_string_lossy().into_owned();
                let reader = Target::SqliteReader { path: path.clone() };
                (
                    Backend::Sqlite,
                    Target::SqliteWriter { path },
                    reader,
                    1,
                    config.connections,
                )
            }
        };
        let pool = |size: u32| {
            r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .test_on_check_out(false)
                .connection_timeout(config.deadline)
                .error_handler(Box::new(LogPoolErrors))
        };
        let manager = |target: Target| Manager {
            target,
            statement_timeout: config.statement_timeout,
        };
        let readers_of = manager(read_target);
        let writing = pool(writers).build(manager(write_target))?;
        // Nothing that must be kept waits for a replica: without one lists are missing, and check-ins go on.
        let reading = match config.read_url {
            Some(_) => pool(readers).build_unchecked(readers_of),
            None => pool(readers).build(readers_of)?,
        };
        Ok(Self(Arc::new(Inner {
            backend,
            has_replica: config.read_url.is_some(),
            writers: writing,
            readers: reading,
            read_turns: Arc::new(Semaphore::new(readers as usize)),
            export_turns: Arc::new(Semaphore::new((readers as usize / 4).max(1))),
            write_turns: Arc::new(Semaphore::new(writers as usize)),
            deadline: config.deadline,
        })))
    }

    pub fn backend(&self) -> Backend {
        self.0.backend
    }

    /// How long a caller waits for an answer, before 503.
    pub fn deadline(&self) -> Duration {
        self.0.deadline
    }

    /// One consistent look at the database: a read-only transaction, possibly on a replica that lags behind.
    /// Never use it to read what the same request has just written.
    pub async fn read<T, F>(&self, work: F) -> AppResult<T>
    where
        F: FnOnce(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.hop(Way::Read, Length::Usual, once(work)).await
    }

    /// A look at what is committed: never at a replica that lags behind. For what follows right on a write.
    pub async fn read_fresh<T, F>(&self, work: F) -> AppResult<T>
    where
        F: Fn(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.hop(self.fresh(), Length::Usual, work).await
    }

    /// Readers see all that is committed unless they are at a replica.
    fn fresh(&self) -> Way {
        match self.0.has_replica {
            true => Way::Write,
            false => Way::Read,
        }
    }

    /// One transaction on the writer. `work` may be called again from the start when the database asks for it,
    /// so it must have no effect outside its connection.
    pub async fn write<T, F>(&self, work: F) -> AppResult<T>
    where
        F: Fn(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.hop(Way::Write, Length::Usual, work).await
    }

    /// `read` for the few jobs that may take long (a list of a hundred thousand rows): same rules, longer deadline.
    pub async fn read_long<T, F>(&self, work: F) -> AppResult<T>
    where
        F: FnOnce(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.hop(Way::Read, Length::Long, once(work)).await
    }

    /// `read_long` for files that one person asks for: they take turns, so that however many do, and hang up before they have
    /// them, some readers are left.
    pub async fn read_export<T, F>(&self, work: F) -> AppResult<T>
    where
        F: FnOnce(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.hop(Way::Read, Length::Export, once(work)).await
    }

    /// `read_fresh` likewise.
    pub async fn read_fresh_long<T, F>(&self, work: F) -> AppResult<T>
    where
        F: Fn(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.hop(self.fresh(), Length::Long, work).await
    }

    /// `write` for the few jobs that may take long (a roster of thousands of rows): same rules, longer deadline.
    pub async fn write_long<T, F>(&self, work: F) -> AppResult<T>
    where
        F: Fn(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.hop(Way::Write, Length::Long, work).await
    }

    /// Clears away what is of no use any more, some rows a transaction, so that others write in between; `some` tells how
    /// many went, and clears `SWEPT_AT_ONCE` at most.
    pub async fn sweep<F>(&self, some: F) -> AppResult<()>
    where
        F: Fn(&mut DbConnection) -> QueryResult<usize> + Clone + Send + 'static,
    {
        loop {
            let some = some.clone();
            let gone = self.write(move |conn| Ok(some(conn)?)).await?;
            if i64::try_from(gone).unwrap_or(i64::MAX) < SWEPT_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// `write` where waiting is no harm: for lanes and commands, which are about all trees.
    pub fn write_blocking<T>(&self, work: impl Fn(&mut DbConnection) -> AppResult<T>) -> AppResult<T> {
        let mut told = None;
        self.write_behind(Fence::Open, &mut |conn| {
            told = Some(work(conn)?);
            Ok(())
        })?;
        told.ok_or_else(untold)
    }

    /// What `work` tells. All else is `run`, which knows nothing of its types: the compiler meets it once, not for each
    /// of the hundreds of jobs.
    async fn hop<T, F>(&self, way: Way, length: Length, mut work: F) -> AppResult<T>
    where
        F: FnMut(&mut DbConnection) -> AppResult<T> + Send + 'static,
        T: Send + 'static,
    {
        let told = Arc::new(Mutex::new(None));
        let teller = told.clone();
        let job = move |conn: &mut DbConnection| {
            let value = work(conn)?;
            *teller.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        };
        self.run(way, length, Box::new(job)).await?;
        let value = told.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(untold)
    }

    async fn run(&self, way: Way, length: Length, mut job: Box<SentJob>) -> AppResult<()> {
        let deadline = match length {
            Length::Usual => self.0.deadline,
            Length::Long | Length::Export => LONG,
        };
        let (db, fence, span) = (self.clone(), Fence::current(), tracing::Span::current());
        let turns = match way {
            Way::Read => &self.0.read_turns,
            Way::Write => &self.0.write_turns,
        };
        let in_time = tokio::time::timeout(deadline, async {
            // With the job, which goes on when its caller has gone.
            let export_turn = match length {
                Length::Export => self.0.export_turns.clone().acquire_owned().await.ok(),
                Length::Usual | Length::Long => None,
            };
            let turn = turns
                .clone()
                .acquire_owned()
                .await
                .map_err(|_| AppError::unavailable())?;
            tokio::task::spawn_blocking(move || {
                let _turns = (turn, export_turn);
                span.in_scope(|| db.run_blocking(way, fence, length, &mut *job))
            })
            .await
            .map_err(|panic| AppError::internal(format!("a database job ended abnormally: {panic}")))?
        });
        in_time
            .await
            .unwrap_or_else(|_| Err(AppError::unavailable().caused_by("the database did not answer in time")))
    }

    fn run_blocking(&self, way: Way, fence: Fence, length: Length, job: &mut Job<'_>) -> AppResult<()> {
        let mut in_time = |conn: &mut DbConnection| {
            if !matches!(length, Length::Usual) {
                take_time(conn)?;
            }
            job(conn)
        };
        match way {
            Way::Read => self.read_behind(fence, &mut in_time),
            Way::Write => self.write_behind(fence, &mut in_time),
        }
    }

    fn read_behind(&self, fence: Fence, job: &mut Job<'_>) -> AppResult<()> {
        let mut conn = self.0.readers.get().map_err(no_connection)?;
        begin(&mut conn, false, fence)?;
        let result = job(&mut conn);
        end(&mut conn, result)
    }

    fn write_behind(&self, fence: Fence, job: &mut Job<'_>) -> AppResult<()> {
        let mut attempt = 1;
        loop {
            let mut conn = self.0.writers.get().map_err(no_connection)?;
            let begin = begin(&mut conn, true, fence);
            let begun = begin.is_ok();
            let result = match begin {
                Ok(()) => {
                    let result = job(&mut conn);
                    fault::point("db::before_commit");
                    let result = end(&mut conn, result);
                    fault::point("db::after_commit");
                    result
                }
                Err(error) => Err(AppError::from(error)),
            };
            match result {
                // Nothing has been done on a connection that was dead before BEGIN: the next one may live.
                Err(_) if !begun && attempt < WRITE_ATTEMPTS => attempt += 1,
                Err(error) if error.is_worth_retrying() && attempt < WRITE_ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    /// The pools' size and use, for `/metrics`.
    pub fn connections_in_use(&self) -> u32 {
        let used = |pool: &Pool| {
            let state = pool.state();
            // While one is being opened it may be counted among the idle ones first.
            state.connections.saturating_sub(state.idle_connections)
        };
        used(&self.0.readers) + used(&self.0.writers)
    }
}

/// A read is done once; only writes are asked for again.
fn once<T>(
    work: impl FnOnce(&mut DbConnection) -> AppResult<T>,
) -> impl FnMut(&mut DbConnection) -> AppResult<T> {
    let mut work = Some(work);
    move |conn| match work.take() {
        Some(work) => work(conn),
        None => Err(untold()),
    }
}

fn untold() -> AppError {
    AppError::internal("a database job that was done told nothing")
}

fn no_connection(error: r2d2::Error) -> AppError {
    AppError::unavailable().caused_by(error.to_string())
}

/// Held to the end of the transaction by whoever fills a new database, so that of several processes starting together
/// one does. SQLite's writer is alone anyway.
pub fn lock_first_start(conn: &mut DbConnection) -> Result<(), DieselError> {
    use diesel::connection::SimpleConnection;
    const KEY: i64 = 0x007a_6869_6276; // the one after `migrate`'s
    match conn {
        DbConnection::Pg(c) => c.batch_execute(&format!("SELECT pg_advisory_xact_lock({KEY})")),
        DbConnection::Sqlite(_) => Ok(()),
    }
}

/// One statement of a long job, and its wait for a lock that another long job holds, may take as long as the job.
fn take_time(conn: &mut DbConnection) -> Result<(), DieselError> {
    use diesel::connection::SimpleConnection;
    match conn {
        DbConnection::Pg(c) => {
            let most = LONG.as_millis();
            c.batch_execute(&format!(
                "SET LOCAL statement_timeout = {most}; SET LOCAL lock_timeout = {most};"
            ))
        }
        DbConnection::Sqlite(_) => Ok(()),
    }
}

fn begin(conn: &mut DbConnection, writes: bool, fence: Fence) -> Result<(), DieselError> {
    match conn {
        // IMMEDIATE takes the write lock first: upgrading later is what loses writes to 'database is locked'.
        DbConnection::Sqlite(c) if writes => {
            AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")
        }
        DbConnection::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN"),
        // Both in one message: it costs no round trip.
        DbConnection::Pg(c) => {
            let begin = match writes {
                true => "BEGIN",
                false => "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            };
            let both = format!("{begin}; {}", fence.statement());
            AnsiTransactionManager::begin_transaction_sql(c, &both)
        }
    }
}

fn end(conn: &mut DbConnection, result: AppResult<()>) -> AppResult<()> {
    type Transactions = <DbConnection as Connection>::TransactionManager;
    match result {
        Ok(()) => {
            Transactions::commit_transaction(conn)?;
            Ok(())
        }
        Err(error) => {
            // The first error is the one that tells; a failed rollback leaves a broken connection that the pool drops.
            if let Err(rollback) = Transactions::rollback_transaction(conn) {
                tracing::warn!(error = %rollback, "rollback failed");
            }
            Err(error)
        }
    }
}

/// Does this error mean 'run the transaction again'?
pub fn asks_for_retry(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        DieselError::DatabaseError(_, info) => info.message().contains("deadlock detected"),
        _ => false,
    }
}

/// Does this error mean that the database is gone, busy or too slow, rather than that we asked it something wrong?
pub fn means_unavailable(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _)
        | DieselError::DatabaseError(DatabaseErrorKind::UnableToSendCommand, _)
        // A primary that has become a standby.
        | DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)
        | DieselError::BrokenTransactionManager => true,
        DieselError::DatabaseError(_, info) => [
            "terminating connection",
            "server closed the connection",
            "statement timeout",
            "lock timeout",
            "database is locked",
            "no connection to the server",
            "database or disk is full",
            "No space left on device",
            "is starting up",
            "is shutting down",
            "SSL connection",
            "could not receive data",
            "connection to server",
        ]
        .iter()
        .any(|sign| info.message().contains(sign)),
        _ => false,
    }
}

/// Is this a second row where a unique key allows one? The caller knows which key it meant.
pub fn is_unique_violation(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)
    )
}

#[derive(Debug)]
struct LogPoolErrors;

impl<E: std::error::Error> r2d2::HandleError<E> for LogPoolErrors {
    fn handle_error(&self, error: E) {
        tracing::warn!(%error, "database connection");
    }
}
