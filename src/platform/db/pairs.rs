//! Rows by pairs of ids: one statement that is planned once, whatever their number.

use diesel::deserialize::QueryableByName;
use diesel::prelude::*;
use uuid::Uuid;

use super::conn::{DbConnection, MultiBackend};
use super::prepared::Prepared;
use super::types::UuidList;

/// Where many pairs of ids are looked up at once.
pub struct PairQuery {
    pub columns: &'static str,
    pub table: &'static str,
    /// The columns of the pair.
    pub keys: (&'static str, &'static str),
    /// More of a WHERE, with its AND.
    pub condition: &'static str,
    /// An ORDER BY.
    pub order: &'static str,
}

impl PairQuery {
    pub const fn of(columns: &'static str, table: &'static str, keys: (&'static str, &'static str)) -> Self {
        Self {
            columns,
            table,
            keys,
            condition: "",
            order: "",
        }
    }

    /// Each pair is looked up by both columns, whatever the database knows of the table: two `= ANY` made PostgreSQL walk
    /// all check-ins of an event until the first ANALYZE (3 ms instead of 0.2).
    pub fn load<T, A, B>(&self, conn: &mut DbConnection, pairs: &[(A, B)]) -> QueryResult<Vec<T>>
    where
        T: QueryableByName<MultiBackend> + 'static,
        A: Into<Uuid> + Copy,
        B: Into<Uuid> + Copy,
    {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let Self {
            columns,
            table,
            keys: (a, b),
            condition,
            order,
        } = self;
        let pairs = pairs.iter().map(|(a, b)| ((*a).into(), (*b).into()));
        let query = match conn {
            DbConnection::Pg(_) => Prepared::default()
                .sql(format!("SELECT {columns} FROM unnest("))
                .ids(UuidList::in_order::<Uuid>(pairs.clone().map(|(a, _)| a)))
                .sql(", ")
                .ids(UuidList::in_order::<Uuid>(pairs.map(|(_, b)| b)))
                .sql(format!(
                    ") AS p(a, b) CROSS JOIN LATERAL (SELECT {columns} FROM {table} \
                     WHERE {a} = p.a AND {b} = p.b{condition} OFFSET 0) AS t{order}"
                )),
            // CROSS JOIN: the list is read once, and the table by its index.
            DbConnection::Sqlite(_) => Prepared::default()
                .sql(format!(
                    "SELECT {columns} FROM (SELECT unhex(substr(value, 1, 32)) AS pair_a, \
                     unhex(substr(value, 33)) AS pair_b FROM json_each("
                ))
                .text(json(pairs))
                .sql(format!(
                    ")) CROSS JOIN {table} WHERE {a} = pair_a AND {b} = pair_b{condition}{order}"
                )),
        };
        query.load(conn)
    }
}

/// A list of texts: both ids of a pair in hexadecimal, one behind the other.
fn json(pairs: impl Iterator<Item = (Uuid, Uuid)>) -> String {
    let mut text = String::from("[");
    for (a, b) in pairs {
        text.push_str(if text.len() == 1 { "\"" } else { ",\"" });
        text.push_str(a.simple().encode_lower(&mut Uuid::encode_buffer()));
        text.push_str(b.simple().encode_lower(&mut Uuid::encode_buffer()));
        text.push('"');
    }
    text.push(']');
    text
}
