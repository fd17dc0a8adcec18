//! Rows and queries of jobs.

use std::collections::HashSet;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::JobId;
use crate::platform::db::schema::jobs;
use crate::platform::db::{AnyId, DbConnection, Instant, Json, delete_some, sql};
use crate::platform::ids::Ids;

/// Held to the end of the transaction by whoever takes jobs toward the outside; SQLite's writer is alone anyway.
const TAKERS: i64 = 0x007a_6869_6277; // the one after `lock_first_start`'s

/// What is to be done, once the transaction has committed.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub tenant: AnyId,
    pub kind: &'static str,
    /// A job whose key another job has had, within the last month, is none.
    pub key: Option<String>,
    pub payload: serde_json::Value,
    pub run_at: Instant,
}

/// A job that is being done.
#[derive(Debug, Clone, QueryableByName)]
pub struct Job {
    #[diesel(sql_type = sql::Uuid)]
    pub id: JobId,
    #[diesel(sql_type = sql::Uuid)]
    pub tenant_id: AnyId,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = sql::Json)]
    pub payload: Json,
    /// This one included.
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Nullable<sql::Instant>)]
    leased_until: Option<Instant>,
}

/// Asks for a job in the caller's transaction: it is done if, and only if, that commits.
pub fn enqueue(conn: &mut DbConnection, ids: &Ids, now: Instant, job: &NewJob) -> QueryResult<()> {
    insert(conn, ids, now, job, None)
}

/// The same for a job that works outside: of those toward one target few are under way at once.
pub fn enqueue_toward(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    job: &NewJob,
    target: AnyId,
) -> QueryResult<()> {
    insert(conn, ids, now, job, Some(target))
}

fn insert(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    job: &NewJob,
    target: Option<AnyId>,
) -> QueryResult<()> {
    let id: JobId = ids.make();
    diesel::sql_query(
        "INSERT INTO jobs (id, tenant_id, kind, job_key, payload, run_at, created_at, target_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    )
    .bind::<sql::Uuid, _>(id)
    .bind::<sql::Uuid, _>(job.tenant)
    .bind::<Text, _>(job.kind)
    .bind::<Nullable<Text>, _>(job.key.clone())
    .bind::<sql::Json, _>(Json(job.payload.clone()))
    .bind::<sql::Instant, _>(job.run_at)
    .bind::<sql::Instant, _>(now)
    .bind::<Nullable<sql::Uuid>, _>(target)
    .execute(conn)
    .map(|_| ())
}

/// Which of these keys a job has, or has had within the last month.
pub fn known_keys(conn: &mut DbConnection, keys: &[String]) -> QueryResult<HashSet<String>> {
    let found: Vec<Option<String>> = jobs::table
        .filter(jobs::job_key.eq_any(keys.to_vec()))
        .select(jobs::job_key)
        .load(conn)?;
    Ok(found.into_iter().flatten().collect())
}

/// `now` names the bind. SQLite numbers binds in the order in which a statement names them first.
fn due(now: &str) -> String {
    format!("finished_at IS NULL AND run_at <= {now} AND (leased_until IS NULL OR leased_until <= {now})")
}

/// Is there anything to do in the database?
pub fn has_due_inside(conn: &mut DbConnection, now: Instant) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = sql::Uuid)]
        #[expect(dead_code, reason = "that there is one is the answer")]
        id: JobId,
    }
    let query = format!(
        "SELECT id FROM jobs WHERE {} AND target_id IS NULL LIMIT 1",
        due("$1")
    );
    let found: Option<Id> = diesel::sql_query(query)
        .bind::<sql::Instant, _>(now)
        .get_result(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Takes some jobs in the database that are due, for whoever asks alone, until the lease ends.
pub fn take_inside(
    conn: &mut DbConnection,
    now: Instant,
    until: Instant,
    most: i64,
) -> QueryResult<Vec<Job>> {
    diesel::sql_query(take(conn, "target_id IS NULL", "$3"))
        .bind::<sql::Instant, _>(until)
        .bind::<sql::Instant, _>(now)
        .bind::<BigInt, _>(most)
        .load(conn)
}

/// Until `$1`, of those that are due at `$2`, the oldest first; `most` names the bind.
fn take(conn: &DbConnection, which: &str, most: &str) -> String {
    let skip = match conn {
        DbConnection::Pg(_) => " FOR UPDATE SKIP LOCKED",
        DbConnection::Sqlite(_) => "",
    };
    format!(
        "UPDATE jobs SET leased_until = $1, attempts = attempts + 1 WHERE id IN \
         (SELECT id FROM jobs WHERE {} AND {which} ORDER BY run_at, id LIMIT {most}{skip}) \
         RETURNING id, tenant_id, kind, payload, attempts, leased_until",
        due("$2")
    )
}

/// Toward whom something is due, and how much of it may be taken: of who did not answer before, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Target {
    #[diesel(sql_type = sql::Uuid)]
    pub target_id: AnyId,
    #[diesel(sql_type = BigInt)]
    room: i64,
}

/// With so many of each in hand at most, by whichever replica; whoever has waited longest first, but those behind all others
/// with whom something has failed: a few that hang would have every place again and again.
pub fn list_targets(conn: &mut DbConnection, now: Instant, most_each: i64) -> QueryResult<Vec<Target>> {
    // What has failed counts until it is done, not only while it is due again.
    let failing = "SELECT count(*) FROM jobs f WHERE f.target_id = jobs.target_id AND f.finished_at IS NULL \
                   AND f.last_error IS NOT NULL";
    let waiting = "SELECT target_id, count(*) AS due, count(CASE WHEN leased_until > $2 THEN 1 END) AS in_hand, \
                   min(CASE WHEN leased_until > $2 THEN NULL ELSE run_at END) AS since";
    let query = format!(
        "SELECT target_id, most - in_hand AS room FROM \
         (SELECT target_id, CASE WHEN failing > 0 THEN 1 ELSE $1 END AS most, failing, in_hand, due, since FROM \
          ({waiting}, ({failing}) AS failing FROM jobs \
           WHERE finished_at IS NULL AND run_at <= $2 AND target_id IS NOT NULL GROUP BY target_id) AS counted) AS judged \
         WHERE in_hand < most AND in_hand < due \
         ORDER BY CASE WHEN failing > 0 THEN 1 ELSE 0 END, since, target_id"
    );
    diesel::sql_query(query)
        .bind::<BigInt, _>(most_each)
        .bind::<sql::Instant, _>(now)
        .load(conn)
}

/// Takes some jobs toward the outside that are due, `most_each` of a target and `most` in all. Of several takers one waits
/// for the other, so that none takes more of a target than there is room for.
pub fn take_outside(
    conn: &mut DbConnection,
    now: Instant,
    until: Instant,
    most: i64,
    most_each: i64,
) -> QueryResult<Vec<Job>> {
    if let DbConnection::Pg(c) = conn {
        c.batch_execute(&format!("SELECT pg_advisory_xact_lock({TAKERS})"))?;
    }
    let (mut taken, mut rest) = (Vec::new(), most);
    for target in list_targets(conn, now, most_each)? {
        let query = take(conn, "target_id = $3", "$4");
        let some: Vec<Job> = diesel::sql_query(query)
            .bind::<sql::Instant, _>(until)
            .bind::<sql::Instant, _>(now)
            .bind::<sql::Uuid, _>(target.target_id)
            .bind::<BigInt, _>(target.room.min(rest))
            .load(conn)?;
        rest -= i64::try_from(some.len()).unwrap_or(rest);
        taken.extend(some);
        if rest <= 0 {
            break;
        }
    }
    Ok(taken)
}

/// Is the job still whose lease this is? Its row is locked then, until the transaction ends.
pub fn hold(conn: &mut DbConnection, job: &Job) -> QueryResult<bool> {
    let held = diesel::update(jobs::table.find(job.id))
        .filter(jobs::finished_at.is_null())
        .filter(jobs::leased_until.eq(job.leased_until))
        .set(jobs::attempts.eq(job.attempts))
        .execute(conn)?;
    Ok(held == 1)
}

pub fn finish(conn: &mut DbConnection, job: &Job, now: Instant, failure: Option<&str>) -> QueryResult<()> {
    diesel::update(jobs::table.find(job.id))
        .filter(jobs::leased_until.eq(job.leased_until))
        .set((
            jobs::finished_at.eq(now),
            jobs::failed.eq(failure.is_some()),
            jobs::last_error.eq(failure),
        ))
        .execute(conn)
        .map(|_| ())
}

/// To be done again from then on: the rest of a long one, or one that has failed.
pub fn put_back(
    conn: &mut DbConnection,
    job: &Job,
    at: Instant,
    payload: Option<&serde_json::Value>,
    error: Option<&str>,
) -> QueryResult<()> {
    let payload = payload.map_or_else(|| job.payload.clone(), |payload| Json(payload.clone()));
    // Each part of a long job has its attempts for itself.
    let attempts = if error.is_some() { job.attempts } else { 0 };
    diesel::update(jobs::table.find(job.id))
        .filter(jobs::leased_until.eq(job.leased_until))
        .set((
            jobs::run_at.eq(at),
            jobs::payload.eq(payload),
            jobs::attempts.eq(attempts),
            jobs::leased_until.eq(None::<Instant>),
            jobs::last_error.eq(error),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Forgets some of the jobs that were finished before then.
pub fn sweep(conn: &mut DbConnection, before: Instant) -> QueryResult<usize> {
    delete_some(conn, "jobs", "id", "finished_at < $1", before)
}
