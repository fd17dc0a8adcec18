//! What the tags of `tables` mean in SQL. The two databases describe themselves in different words; what comes out is the same.

use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::tables::{Erasure, Table};
use crate::auth::AccountId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::schema::erasures;
use crate::platform::db::{DbConnection, Instant, Prepared, sql};

#[derive(Queryable, Insertable)]
#[diesel(table_name = erasures)]
pub struct ErasureRow {
    pub member_id: MemberId,
    pub tenant_id: OrganizationId,
    pub erased_at: Instant,
    pub erased_by: AccountId,
}

pub fn insert_erasure(conn: &mut DbConnection, row: &ErasureRow) -> QueryResult<usize> {
    diesel::insert_into(erasures::table).values(row).execute(conn)
}

pub fn is_erased(conn: &mut DbConnection, member: MemberId) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(erasures::table.find(member))).get_result(conn)
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// A member's rows of one table: ids as text, times in RFC 3339, bytes in hexadecimal.
pub fn list_rows(conn: &mut DbConnection, table: &Table, member: MemberId) -> QueryResult<Vec<Value>> {
    let whole = match conn {
        DbConnection::Pg(_) => "CAST(to_jsonb(t) AS text)".to_owned(),
        DbConnection::Sqlite(_) => sqlite_object(conn, table)?,
    };
    let query = format!(
        "SELECT {whole} AS line FROM {} t WHERE {} ORDER BY 1",
        table.name, table.rows
    );
    let lines: Vec<Line> = diesel::sql_query(query).bind::<sql::Uuid, _>(member).load(conn)?;
    let rows = lines.iter().map(|Line { line }| {
        let row: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
        Ok(Value::Object(told(table, row)))
    });
    rows.collect()
}

/// `json_object` with every column: bytes as the hexadecimal that `told` reads.
fn sqlite_object(conn: &mut DbConnection, table: &Table) -> QueryResult<String> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        kind: String,
    }
    let columns: Vec<Column> =
        diesel::sql_query("SELECT name, type AS kind FROM pragma_table_info(?) ORDER BY cid")
            .bind::<Text, _>(table.name)
            .load(conn)?;
    let part = |Column { name, kind }: &Column| match kind.as_str() {
        "BLOB" => {
            format!("'{name}', CASE WHEN t.{name} IS NULL THEN NULL ELSE '\\x' || lower(hex(t.{name})) END")
        }
        _ if table.json.contains(&name.as_str()) => format!("'{name}', json(t.{name})"),
        _ => format!("'{name}', t.{name}"),
    };
    let parts: Vec<String> = columns.iter().map(part).collect();
    Ok(format!("json_object({})", parts.join(", ")))
}

/// A row as it is given out.
fn told(table: &Table, row: Map<String, Value>) -> Map<String, Value> {
    row.into_iter()
        .filter(|(name, _)| !table.hidden.contains(&name.as_str()))
        .map(|(name, value)| {
            let value = match value {
                Value::Number(n) if table.yes_or_no.contains(&name.as_str()) => {
                    Value::Bool(n.as_i64() == Some(1))
                }
                value if is_time(&name) => time(value),
                Value::String(text) => Value::String(bytes(text)),
                value => value,
            };
            (name, value)
        })
        .collect()
}

fn is_time(column: &str) -> bool {
    column == "at" || column.ends_with("_at")
}

/// Microseconds, or PostgreSQL's words for the same.
fn time(value: Value) -> Value {
    let at = match &value {
        Value::Number(micros) => micros.as_i64().map(Instant::from_micros),
        Value::String(text) => chrono::DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| Instant::from_micros(at.timestamp_micros())),
        _ => None,
    };
    at.map_or(value, |at| Value::String(at.to_string()))
}

/// Sixteen bytes are an id, or what was cut to its length.
fn bytes(text: String) -> String {
    let Some(hex) = text.strip_prefix("\\x") else {
        return text;
    };
    match Uuid::try_parse(hex) {
        Ok(id) => id.to_string(),
        Err(_) => hex.to_owned(),
    }
}

pub fn erase_rows(conn: &mut DbConnection, table: &Table, member: MemberId) -> QueryResult<usize> {
    let query = match table.erasure {
        Erasure::Delete => format!("DELETE FROM {} WHERE {}", table.name, table.rows),
        Erasure::Blank([]) => return Ok(0),
        Erasure::Blank(columns) => {
            let sets: Vec<String> = columns
                .iter()
                .map(|(name, to)| format!("{name} = {to}"))
                .collect();
            format!(
                "UPDATE {} SET {} WHERE {}",
                table.name,
                sets.join(", "),
                table.rows
            )
        }
    };
    diesel::sql_query(query)
        .bind::<sql::Uuid, _>(member)
        .execute(conn)
}

/// An answer that is kept for repeats of its request.
#[derive(Debug, Clone, QueryableByName)]
pub struct AnswerKey {
    #[diesel(sql_type = sql::Uuid)]
    account_id: AccountId,
    #[diesel(sql_type = Text)]
    route: String,
    #[diesel(sql_type = Text)]
    key: String,
}

/// What others' rows say of somebody: lines of the log with words that went with what was done to them, and answers that
/// name them. Of all, which is read row by row, or of those `since` then, for which there are indexes.
pub fn list_mentions(
    conn: &mut DbConnection,
    tenant: OrganizationId,
    member: MemberId,
    since: Option<Instant>,
) -> QueryResult<(Vec<Uuid>, Vec<AnswerKey>)> {
    #[derive(QueryableByName)]
    struct LineId {
        #[diesel(sql_type = sql::Uuid)]
        id: Uuid,
    }
    let mention = format!("%{member}%");
    let from = |query: Prepared, column: &'static str| match since {
        Some(since) => query.sql(column).sql(" >= ").instant(since).sql(" AND "),
        None => query,
    };
    let lines = Prepared::default().sql("SELECT id FROM audit_log WHERE ");
    let lines: Vec<LineId> = from(lines, "at")
        .sql("detail <> '{}' AND tenant_id = ")
        .id(tenant)
        .sql(" AND (object_id = ")
        .id(member)
        .sql(" OR CAST(detail AS text) LIKE ")
        .text(mention.clone())
        .sql(")")
        .load(conn)?;
    let answers = Prepared::default().sql("SELECT account_id, route, key FROM idempotency_keys WHERE ");
    let answers = from(answers, "created_at")
        .sql("body LIKE ")
        .text(mention)
        .load(conn)?;
    Ok((lines.into_iter().map(|line| line.id).collect(), answers))
}

/// The words of these lines go, the lines stay. A repeat of a request is told that it was done, and no more.
pub fn empty_mentions(conn: &mut DbConnection, lines: Vec<Uuid>, answers: &[AnswerKey]) -> QueryResult<()> {
    let (open, close) = conn.among_parts();
    Prepared::default()
        .sql("UPDATE audit_log SET detail = '{}' WHERE id ")
        .sql(open)
        .ids(lines.into_iter().collect())
        .sql(close)
        .execute(conn)?;
    for answer in answers {
        diesel::sql_query(
            "UPDATE idempotency_keys SET body = '{}' WHERE account_id = $1 AND route = $2 AND key = $3",
        )
        .bind::<sql::Uuid, _>(answer.account_id)
        .bind::<Text, _>(&answer.route)
        .bind::<Text, _>(&answer.key)
        .execute(conn)?;
    }
    Ok(())
}
