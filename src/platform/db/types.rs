//! SQL types that both databases store natively, and the Rust types that go in and out of them:
//! `uuid | blob(16)`, `timestamptz | integer microseconds`, `jsonb | text`.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{self as ty, HasSqlType};
use diesel::sqlite::Sqlite;
use serde::{Deserialize, Serialize};

use super::conn::{MultiBackend, MultiRawValue};

/// The SQL side; `schema.rs` names its columns with these.
pub mod sql {
    use diesel::query_builder::QueryId;
    use diesel::sql_types::SqlType;

    #[derive(SqlType, QueryId, Clone, Copy, Default)]
    #[diesel(postgres_type(oid = 2950, array_oid = 2951))]
    #[diesel(sqlite_type(name = "Binary"))]
    pub struct Uuid;

    #[derive(SqlType, QueryId, Clone, Copy, Default)]
    #[diesel(postgres_type(oid = 1184, array_oid = 1185))]
    #[diesel(sqlite_type(name = "Long"))]
    pub struct Instant;

    #[derive(SqlType, QueryId, Clone, Copy, Default)]
    #[diesel(postgres_type(oid = 3802, array_oid = 3807))]
    #[diesel(sqlite_type(name = "Text"))]
    pub struct Json;

    /// Many ids in one bind: `uuid[]` on PostgreSQL, a JSON array of hex on SQLite. See `DbConnection::among`.
    #[derive(SqlType, QueryId, Clone, Copy, Default)]
    #[diesel(postgres_type(oid = 2951, array_oid = 0))]
    #[diesel(sqlite_type(name = "Text"))]
    pub struct UuidList;
}

macro_rules! in_both {
    ($($sql:ty => $rust:ty),* $(,)?) => {$(
        impl ToSql<$sql, MultiBackend> for $rust {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
                out.set_value((<$sql>::default(), self));
                Ok(IsNull::No)
            }
        }
        impl FromSql<$sql, MultiBackend> for $rust {
            fn from_sql(bytes: MultiRawValue<'_>) -> deserialize::Result<Self> {
                bytes.from_sql::<Self, $sql>()
            }
        }
    )*};
}

macro_rules! multi_sql_type {
    ($($sql:ty),*) => {$(
        impl HasSqlType<$sql> for MultiBackend {
            fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
                Self::lookup_sql_type::<$sql>(lookup)
            }
        }
    )*};
}
multi_sql_type!(sql::Uuid, sql::Instant, sql::Json, sql::UuidList);

impl ToSql<sql::Uuid, Pg> for uuid::Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<ty::Uuid, Pg>::to_sql(self, &mut out.reborrow())
    }
}
impl FromSql<sql::Uuid, Pg> for uuid::Uuid {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        FromSql::<ty::Uuid, Pg>::from_sql(bytes)
    }
}
impl ToSql<sql::Uuid, Sqlite> for uuid::Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}
impl FromSql<sql::Uuid, Sqlite> for uuid::Uuid {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let blob = <Vec<u8> as FromSql<ty::Binary, Sqlite>>::from_sql(bytes)?;
        Ok(uuid::Uuid::from_slice(&blob)?)
    }
}
in_both!(sql::Uuid => uuid::Uuid);

/// Declares id newtypes: stored as a uuid, written in JSON as its text form, never mixed up with one another.
#[macro_export]
macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            diesel::expression::AsExpression, diesel::deserialize::FromSqlRow, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = uuid::Uuid)]
        #[diesel(sql_type = $crate::platform::db::sql::Uuid)]
        pub struct $name(pub uuid::Uuid);

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }
        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
        impl<DB> diesel::serialize::ToSql<$crate::platform::db::sql::Uuid, DB> for $name
        where
            DB: diesel::backend::Backend,
            uuid::Uuid: diesel::serialize::ToSql<$crate::platform::db::sql::Uuid, DB>,
        {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, DB>,
            ) -> diesel::serialize::Result {
                diesel::serialize::ToSql::<$crate::platform::db::sql::Uuid, DB>::to_sql(&self.0, out)
            }
        }
        impl<DB> diesel::deserialize::FromSql<$crate::platform::db::sql::Uuid, DB> for $name
        where
            DB: diesel::backend::Backend,
            uuid::Uuid: diesel::deserialize::FromSql<$crate::platform::db::sql::Uuid, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                <uuid::Uuid as diesel::deserialize::FromSql<$crate::platform::db::sql::Uuid, DB>>::from_sql(bytes)
                    .map(Self)
            }
        }
    )*};
}

/// A point in time in UTC with the precision both databases keep: microseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow, utoipa::ToSchema,
)]
#[diesel(sql_type = sql::Instant)]
#[schema(value_type = String, format = DateTime, example = "2026-11-24T01:30:00Z")]
pub struct Instant(DateTime<Utc>);

impl Instant {
    pub fn from_micros(micros: i64) -> Self {
        Self(DateTime::from_timestamp_micros(micros).unwrap_or_default())
    }

    pub fn micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    pub fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    pub fn seconds(self) -> i64 {
        self.0.timestamp()
    }

    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// Seconds later (or earlier, when negative); the range of time saturates.
    pub fn plus_s(self, seconds: i64) -> Self {
        Self::from_micros(self.micros().saturating_add(seconds.saturating_mul(1_000_000)))
    }

    pub fn minus(self, earlier: Self) -> TimeDelta {
        self.0 - earlier.0
    }
}

impl From<DateTime<Utc>> for Instant {
    fn from(at: DateTime<Utc>) -> Self {
        Self::from_micros(at.timestamp_micros())
    }
}

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// RFC 3339 with a zone; years outside 1970–2999 are refused rather than stored.
impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl std::str::FromStr for Instant {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use chrono::Datelike;
        let at = DateTime::parse_from_rfc3339(text)
            .map_err(|_| "not an RFC 3339 instant with a zone, like 2026-11-24T09:30:00+08:00")?
            .with_timezone(&Utc);
        if !(1970..3000).contains(&at.year()) {
            return Err("an instant outside the years 1970 to 2999");
        }
        Ok(Self::from(at))
    }
}

impl ToSql<sql::Instant, Pg> for Instant {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<ty::Timestamptz, Pg>::to_sql(&self.0, &mut out.reborrow())
    }
}
impl FromSql<sql::Instant, Pg> for Instant {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        <DateTime<Utc> as FromSql<ty::Timestamptz, Pg>>::from_sql(bytes).map(Self)
    }
}
impl ToSql<sql::Instant, Sqlite> for Instant {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.micros());
        Ok(IsNull::No)
    }
}
impl FromSql<sql::Instant, Sqlite> for Instant {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <i64 as FromSql<ty::BigInt, Sqlite>>::from_sql(bytes).map(Self::from_micros)
    }
}

/// A JSON document.
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow, Serialize, Deserialize)]
#[diesel(sql_type = sql::Json)]
#[serde(transparent)]
pub struct Json(pub serde_json::Value);

impl ToSql<sql::Json, Pg> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<ty::Jsonb, Pg>::to_sql(&self.0, &mut out.reborrow())
    }
}
impl FromSql<sql::Json, Pg> for Json {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        <serde_json::Value as FromSql<ty::Jsonb, Pg>>::from_sql(bytes).map(Self)
    }
}
impl ToSql<sql::Json, Sqlite> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.to_string());
        Ok(IsNull::No)
    }
}
impl FromSql<sql::Json, Sqlite> for Json {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<ty::Text, Sqlite>>::from_sql(bytes)?;
        Ok(Self(serde_json::from_str(&text)?))
    }
}

/// A list of ids as one bind value, so that a query over many ids is one cached statement on both backends.
#[derive(Debug, Clone, PartialEq, Eq, AsExpression)]
#[diesel(sql_type = sql::UuidList)]
pub struct UuidList(Vec<uuid::Uuid>);

impl UuidList {
    /// As given, for lists that are read side by side; collecting sorts and drops repetitions.
    pub fn in_order<I: Into<uuid::Uuid>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self(ids.into_iter().map(Into::into).collect())
    }
}

impl<I: Into<uuid::Uuid>> FromIterator<I> for UuidList {
    fn from_iter<T: IntoIterator<Item = I>>(ids: T) -> Self {
        let mut ids: Vec<_> = ids.into_iter().map(Into::into).collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }
}

impl ToSql<sql::UuidList, Pg> for UuidList {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<ty::Array<ty::Uuid>, Pg>::to_sql(&self.0, &mut out.reborrow())
    }
}
impl ToSql<sql::UuidList, Sqlite> for UuidList {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        let mut text = String::with_capacity(self.0.len() * 35 + 2);
        text.push('[');
        for (i, id) in self.0.iter().enumerate() {
            text.push_str(if i == 0 { "\"" } else { ",\"" });
            text.push_str(id.simple().encode_lower(&mut uuid::Uuid::encode_buffer()));
            text.push('"');
        }
        text.push(']');
        out.set_value(text);
        Ok(IsNull::No)
    }
}
impl ToSql<sql::UuidList, MultiBackend> for UuidList {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((sql::UuidList, self));
        Ok(IsNull::No)
    }
}
in_both!(sql::Instant => Instant, sql::Json => Json);

id_types! {
    /// An id whose table does not matter where it is used.
    AnyId,
}
