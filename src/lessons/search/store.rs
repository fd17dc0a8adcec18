//! The index: FTS5 on SQLite, tsvector on PostgreSQL, both over the same pieces. The one place where the two differ by more
//! than a word, because neither has what the other has.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, Text};

use super::fold::Folded;
use super::query::Query;
use crate::lessons::LessonId;
use crate::lessons::store::{Sight, for_student};
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection, Json, sql as types};
use crate::platform::page::{Found, Page};

/// A lesson as it is indexed.
pub struct Document {
    pub lesson: LessonId,
    pub tenant: OrganizationId,
    pub title: Folded,
    pub summary: Folded,
    /// The words of an article, and the transcript.
    pub text: Folded,
}

/// Puts it in place of what was indexed of this lesson before.
pub fn index(conn: &mut DbConnection, document: &Document) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(_) => index_sqlite(conn, document),
        DbConnection::Pg(_) => index_postgres(conn, document),
    }
}

fn index_sqlite(conn: &mut DbConnection, document: &Document) -> QueryResult<()> {
    forget_sqlite(conn, document.lesson)?;
    diesel::sql_query("INSERT INTO lesson_search_keys (lesson_id) VALUES ($1)")
        .bind::<types::Uuid, _>(document.lesson)
        .execute(conn)?;
    let spaced = |folded: &Folded| folded.pieces().collect::<Vec<_>>().join(" ");
    let query = "INSERT INTO lesson_search (rowid, title, summary, text) \
                 SELECT id, $1, $2, $3 FROM lesson_search_keys WHERE lesson_id = $4";
    diesel::sql_query(query)
        .bind::<Text, _>(spaced(&document.title))
        .bind::<Text, _>(spaced(&document.summary))
        .bind::<Text, _>(spaced(&document.text))
        .bind::<types::Uuid, _>(document.lesson)
        .execute(conn)
        .map(|_| ())
}

fn index_postgres(conn: &mut DbConnection, document: &Document) -> QueryResult<()> {
    let (title, summary, text) = (&document.title, &document.summary, &document.text);
    let with = |folded: &Folded, mark: &str| {
        let words = folded.pieces().map(|piece| format!("'{piece}'{mark}"));
        words.collect::<Vec<_>>().join(" ")
    };
    let heading = format!("{} {}", with(title, ":1A"), with(summary, ":1B"));
    let words = [title, summary, text].map(|folded| with(folded, "")).join(" ");
    let line = [title, summary, text].map(Folded::line).join("\n");
    let query = "INSERT INTO lesson_search (lesson_id, tenant_id, heading, words, line) \
                 VALUES ($1, $2, CAST($3 AS tsvector), CAST($4 AS tsvector), $5) \
                 ON CONFLICT (lesson_id) DO UPDATE SET heading = EXCLUDED.heading, words = EXCLUDED.words, line = EXCLUDED.line";
    diesel::sql_query(query)
        .bind::<types::Uuid, _>(document.lesson)
        .bind::<types::Uuid, _>(document.tenant)
        .bind::<Text, _>(heading)
        .bind::<Text, _>(words)
        .bind::<Text, _>(line)
        .execute(conn)
        .map(|_| ())
}

/// It is found no more.
pub fn forget(conn: &mut DbConnection, lesson: LessonId) -> QueryResult<()> {
    match conn {
        DbConnection::Sqlite(_) => forget_sqlite(conn, lesson),
        DbConnection::Pg(_) => delete(conn, "DELETE FROM lesson_search WHERE lesson_id = $1", lesson),
    }
}

fn forget_sqlite(conn: &mut DbConnection, lesson: LessonId) -> QueryResult<()> {
    let query =
        "DELETE FROM lesson_search WHERE rowid = (SELECT id FROM lesson_search_keys WHERE lesson_id = $1)";
    delete(conn, query, lesson)?;
    delete(
        conn,
        "DELETE FROM lesson_search_keys WHERE lesson_id = $1",
        lesson,
    )
}

fn delete(conn: &mut DbConnection, query: &str, lesson: LessonId) -> QueryResult<()> {
    diesel::sql_query(query)
        .bind::<types::Uuid, _>(lesson)
        .execute(conn)
        .map(|_| ())
}

#[derive(Debug, Clone)]
pub struct HitRow {
    pub id: LessonId,
    pub organization_id: OrganizationId,
    pub kind: String,
    /// The less the better.
    pub score: f64,
}

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub struct SearchFilter {
    pub query: Query,
    pub sight: Sight,
    /// Only what is for the actor.
    pub mine: bool,
    pub kind: Option<&'static str>,
    pub page: Page<(f64, LessonId)>,
}

/// How many of the best are looked at before all are: to see whether the actor may see a hit costs more than to rank it, and
/// a common word has ten thousand hits.
const BEST: [i64; 2] = [400, 4_000];
const ALL: i64 = i64::MAX;

/// The best hits, and those of them that the actor may see; ten binds. Both databases take the same, and PostgreSQL needs
/// all of them.
fn hits(conn: &DbConnection, best: i64) -> String {
    let (ranked, key) = match conn {
        // bm25 over all that is in it; a hit in the title counts ten times, in the summary four times.
        DbConnection::Sqlite(_) => (
            "SELECT rowid AS key, rank AS score FROM lesson_search WHERE $1 <> '' AND lesson_search MATCH $2 AND $3 <> '' \
             AND rank MATCH 'bm25(10.0, 4.0, 1.0)' ORDER BY rank",
            // CROSS: in this order, else all lessons are walked beside the few that are best (46 ms instead of 1).
            "CROSS JOIN lesson_search_keys s ON s.id = best.key CROSS JOIN lessons l ON l.id = s.lesson_id",
        ),
        // ts_rank reads each vector that it ranks: those of whole texts would make it slow.
        DbConnection::Pg(_) => (
            "SELECT s.lesson_id AS key, -CAST(ts_rank('{0, 0, 0.4, 1}', s.heading, CAST($1 AS tsquery)) AS double precision) AS score \
             FROM lesson_search s WHERE s.words @@ CAST($2 AS tsquery) AND ($3 = CAST('[]' AS jsonb) OR NOT EXISTS \
             (SELECT 1 FROM jsonb_array_elements_text($3) AS p (part) WHERE strpos(s.line, p.part) = 0)) ORDER BY score",
            "JOIN lessons l ON l.id = best.key",
        ),
    };
    format!(
        "WITH best AS MATERIALIZED ({ranked} LIMIT {best}), hits AS MATERIALIZED (SELECT l.id, l.organization_id, l.kind, \
         best.score FROM best {key} WHERE ($4 OR l.tenant_id = $5) AND l.published_number IS NOT NULL \
         AND l.archived_at IS NULL AND ($6 OR l.organization_id {} OR {}) AND ($10 = '' OR l.kind = $10))",
        conn.among("$7"),
        for_student(conn, "l", "$8", "$9")
    )
}

macro_rules! filtered {
    ($conn:expr, $query:expr, $filter:expr) => {{
        let filter: &SearchFilter = $filter;
        let (any, all) = match $conn {
            DbConnection::Sqlite(_) => ("any".to_owned(), filter.query.fts5()),
            DbConnection::Pg(_) => (filter.query.tsquery(" | "), filter.query.tsquery(" & ")),
        };
        let (every_tenant, tenant) = filter.sight.tenant_binds();
        let (everywhere, managed) = filter.sight.managed_binds(filter.mine);
        let (standing, line) = filter.sight.student_binds();
        diesel::sql_query($query)
            .bind::<Text, _>(any)
            .bind::<Text, _>(all)
            .bind::<types::Json, _>(Json(serde_json::json!(filter.query.lines())))
            .bind::<Bool, _>(every_tenant)
            .bind::<types::Uuid, _>(tenant)
            .bind::<Bool, _>(everywhere)
            .bind::<types::UuidList, _>(managed)
            .bind::<Integer, _>(standing)
            .bind::<types::UuidList, _>(line)
            .bind::<Text, _>(filter.kind.unwrap_or_default())
    }};
}

/// The best first, the newest of equals first.
pub fn search(conn: &mut DbConnection, filter: &SearchFilter) -> QueryResult<Found<HitRow>> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    if let DbConnection::Pg(_) = conn {
        // The planner does not count what it takes to read vectors from outside their rows: for a common word it would
        // read them all. Until the transaction ends.
        diesel::sql_query("SET LOCAL enable_seqscan = off").execute(conn)?;
    }
    let page = &filter.page;
    let mut rows = Vec::new();
    for best in BEST.into_iter().chain([ALL]) {
        let found = search_among(conn, filter, best)?;
        let is_enough =
            found.is_all || found.rows.len() >= usize::try_from(page.fetch()).unwrap_or(usize::MAX);
        rows = found.rows;
        if is_enough {
            break;
        }
    }
    let count = if page.count {
        let query = format!("{} SELECT COUNT(*) AS count FROM hits", hits(conn, ALL));
        Some(filtered!(conn, query, filter).get_result::<Count>(conn)?.count)
    } else {
        None
    };
    Ok(Found { rows, count })
}

struct Among {
    rows: Vec<HitRow>,
    /// There were no more hits than were looked at.
    is_all: bool,
}

/// The page as the best hits tell it. Those that are as good as the last one looked at are left out unless all were: among
/// equals the newest comes first, and it may not have been looked at.
fn search_among(conn: &mut DbConnection, filter: &SearchFilter, best: i64) -> QueryResult<Among> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        taken: i64,
        #[diesel(sql_type = Nullable<Double>)]
        worst: Option<f64>,
        #[diesel(sql_type = Nullable<types::Uuid>)]
        id: Option<LessonId>,
        #[diesel(sql_type = Nullable<types::Uuid>)]
        organization_id: Option<OrganizationId>,
        #[diesel(sql_type = Nullable<Text>)]
        kind: Option<String>,
        #[diesel(sql_type = Nullable<Double>)]
        score: Option<f64>,
    }
    let page = &filter.page;
    let query = format!(
        "{} SELECT m.taken, m.worst, h.id, h.organization_id, h.kind, h.score \
         FROM (SELECT COUNT(*) AS taken, MAX(score) AS worst FROM best) m \
         LEFT JOIN (SELECT id, organization_id, kind, score FROM hits \
         WHERE $11 OR score > $12 OR (score = $12 AND id < $13) ORDER BY score, id DESC LIMIT $14) h ON 1 = 1 \
         ORDER BY h.score, h.id DESC",
        hits(conn, best)
    );
    let (score, id) = page
        .after
        .map_or((0.0, uuid::Uuid::nil()), |(score, id)| (score, id.0));
    let rows: Vec<Row> = filtered!(conn, query, filter)
        .bind::<Bool, _>(page.after.is_none())
        .bind::<Double, _>(score)
        .bind::<types::Uuid, _>(AnyId(id))
        .bind::<BigInt, _>(page.fetch())
        .load(conn)?;
    let is_all = rows.first().is_none_or(|row| row.taken < best);
    let hit = |row: Row| {
        let score = row.score?;
        let is_sure = is_all || row.worst.is_none_or(|worst| score < worst);
        is_sure.then_some(HitRow {
            id: row.id?,
            organization_id: row.organization_id?,
            kind: row.kind?,
            score,
        })
    };
    Ok(Among {
        rows: rows.into_iter().filter_map(hit).collect(),
        is_all,
    })
}
