//! SQL of our own that a connection plans once and keeps: `diesel::sql_query` is planned anew at each call, which is
//! too dear for the reads of a lane.

use std::borrow::Cow;

use chrono::NaiveDate;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Date, Integer, Text, Untyped};
use diesel::{QueryResult, RunQueryDsl};
use uuid::Uuid;

use super::conn::{DbConnection, MultiBackend};
use super::types::{Instant, UuidList, sql};

/// A query: text and binds in turn. Its rows are read by name (`QueryableByName`). Name the columns:
/// a kept plan of `SELECT *` breaks when a migration of a newer replica adds one.
#[derive(Debug, Default)]
pub struct Prepared(Vec<Part>);

#[derive(Debug)]
enum Part {
    Sql(Cow<'static, str>),
    Ids(UuidList),
    Id(Uuid),
    Number(i32),
    Long(i64),
    Text(String),
    Date(NaiveDate),
    Instant(Instant),
}

impl Prepared {
    #[must_use]
    pub fn sql(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.push(Part::Sql(text.into()));
        self
    }

    /// A list of ids as one bind: the text is the same whatever its length.
    #[must_use]
    pub fn ids(mut self, ids: UuidList) -> Self {
        self.0.push(Part::Ids(ids));
        self
    }

    #[must_use]
    pub fn id(mut self, id: impl Into<Uuid>) -> Self {
        self.0.push(Part::Id(id.into()));
        self
    }

    #[must_use]
    pub fn number(mut self, number: i32) -> Self {
        self.0.push(Part::Number(number));
        self
    }

    #[must_use]
    pub fn long(mut self, number: i64) -> Self {
        self.0.push(Part::Long(number));
        self
    }

    #[must_use]
    pub fn date(mut self, date: NaiveDate) -> Self {
        self.0.push(Part::Date(date));
        self
    }

    #[must_use]
    pub fn instant(mut self, at: Instant) -> Self {
        self.0.push(Part::Instant(at));
        self
    }

    #[must_use]
    pub fn text(mut self, text: String) -> Self {
        self.0.push(Part::Text(text));
        self
    }
}

/// Kept by its text.
impl QueryId for Prepared {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Prepared {
    type SqlType = Untyped;
}

impl RunQueryDsl<DbConnection> for Prepared {}

impl QueryFragment<MultiBackend> for Prepared {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        for part in &self.0 {
            match part {
                Part::Sql(text) => out.push_sql(text),
                Part::Text(text) => out.push_bind_param::<Text, _>(text)?,
                Part::Id(id) => out.push_bind_param::<sql::Uuid, _>(id)?,
                Part::Number(number) => out.push_bind_param::<Integer, _>(number)?,
                Part::Long(number) => out.push_bind_param::<BigInt, _>(number)?,
                Part::Date(date) => out.push_bind_param::<Date, _>(date)?,
                Part::Instant(at) => out.push_bind_param::<sql::Instant, _>(at)?,
                Part::Ids(ids) => out.push_bind_param::<sql::UuidList, _>(ids)?,
            }
        }
        Ok(())
    }
}
