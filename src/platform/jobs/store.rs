//! Rows and queries of jobs.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::JobId;
use crate::platform::db::schema::jobs;
use crate::platform::db::{AnyId, DbConnection, Instant, Json, sql};
use crate::platform::ids::Ids;

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
    let id: JobId = ids.make();
    diesel::sql_query(
        "INSERT INTO jobs (id, tenant_id, kind, job_key, payload, run_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind::<sql::Uuid, _>(id)
    .bind::<sql::Uuid, _>(job.tenant)
    .bind::<Text, _>(job.kind)
    .bind::<Nullable<Text>, _>(job.key.clone())
    .bind::<sql::Json, _>(Json(job.payload.clone()))
    .bind::<sql::Instant, _>(job.run_at)
    .bind::<sql::Instant, _>(now)
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

/// `now` names the bind.
fn due(now: &str) -> String {
    format!("finished_at IS NULL AND run_at <= {now} AND (leased_until IS NULL OR leased_until <= {now})")
}

/// Is there anything to do?
pub fn has_due(conn: &mut DbConnection, now: Instant) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = sql::Uuid)]
        #[expect(dead_code, reason = "that there is one is the answer")]
        id: JobId,
    }
    let found: Option<Id> = diesel::sql_query(format!("SELECT id FROM jobs WHERE {} LIMIT 1", due("$1")))
        .bind::<sql::Instant, _>(now)
        .get_result(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Takes some jobs that are due, for whoever asks alone, until the lease ends.
pub fn take_due(conn: &mut DbConnection, now: Instant, until: Instant, most: i64) -> QueryResult<Vec<Job>> {
    let skip = match conn {
        DbConnection::Pg(_) => " FOR UPDATE SKIP LOCKED",
        DbConnection::Sqlite(_) => "",
    };
    let query = format!(
        "UPDATE jobs SET leased_until = $1, attempts = attempts + 1 WHERE id IN \
         (SELECT id FROM jobs WHERE {} ORDER BY run_at, id LIMIT $3{skip}) \
         RETURNING id, tenant_id, kind, payload, attempts, leased_until",
        due("$2")
    );
    diesel::sql_query(query)
        .bind::<sql::Instant, _>(until)
        .bind::<sql::Instant, _>(now)
        .bind::<BigInt, _>(most)
        .load(conn)
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

/// Forgets jobs that were finished before then.
pub fn sweep(conn: &mut DbConnection, before: Instant) -> QueryResult<usize> {
    diesel::delete(jobs::table.filter(jobs::finished_at.lt(before))).execute(conn)
}
