//! Lists: `{"items": […], "next_cursor": "…"|null}` in a stable order, 1 to 200 items a page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{Datelike, NaiveDate};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::platform::error::{AppError, AppResult};
use crate::platform::page::{Found, Page};
use crate::platform::text::Check;

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Send it back as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
    /// With `count=true`: how many there are on all pages together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
}

impl<T> List<AppResult<T>> {
    /// The list, if every item could be shown.
    pub fn transpose(self) -> AppResult<List<T>> {
        Ok(List {
            items: self.items.into_iter().collect::<AppResult<_>>()?,
            next_cursor: self.next_cursor,
            count: self.count,
        })
    }
}

/// The three parameters of every list. Flattening defeats `deny_unknown_fields`, so each filter struct repeats them.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items a page, 1 to 200 (default 50).
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    pub count: Option<bool>,
}

impl Check for PageQuery {}

impl PageQuery {
    pub fn page<K: Serialize + DeserializeOwned>(&self) -> AppResult<Page<K>> {
        Page::from_query(self.limit, self.cursor.as_deref(), self.count)
    }
}

impl<K: Serialize + DeserializeOwned> Page<K> {
    pub fn from_query(limit: Option<u16>, cursor: Option<&str>, count: Option<bool>) -> AppResult<Self> {
        let limit = limit.unwrap_or(50);
        if !(1..=200).contains(&limit) {
            return Err(AppError::invalid_field(
                "limit",
                "out_of_range",
                "is not between 1 and 200",
            ));
        }
        let after = cursor
            .map(|text| URL_SAFE_NO_PAD.decode(text).ok().and_then(|json| key_of(&json)))
            .map(|key| {
                key.ok_or_else(|| {
                    AppError::invalid_field("cursor", "not_a_cursor", "is not a next_cursor of ours")
                })
            })
            .transpose()?;
        Ok(Self {
            limit: usize::from(limit),
            after,
            count: count.unwrap_or(false),
        })
    }

    /// Cuts what was found to the page and makes the cursor from the last row that stays.
    pub fn list<R, V>(&self, found: Found<R>, key: impl Fn(&R) -> K, view: impl FnMut(R) -> V) -> List<V> {
        let Found { mut rows, count } = found;
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = match rows.last() {
            Some(last) if more => cursor_of(&key(last)),
            _ => None,
        };
        List {
            items: rows.into_iter().map(view).collect(),
            next_cursor,
            count,
        }
    }
}

/// What a client sends back for the rows after the one with this key.
pub fn cursor_of(key: &impl Serialize) -> Option<String> {
    let json = serde_json::to_vec(key).ok()?;
    Some(URL_SAFE_NO_PAD.encode(json))
}

/// A cursor of ours holds no escaped control character, which no database takes as text, and no day that PostgreSQL does not know.
fn key_of<K: DeserializeOwned>(json: &[u8]) -> Option<K> {
    let text = std::str::from_utf8(json).ok()?;
    let is_odd_day = |part: &str| {
        let day: Result<NaiveDate, _> = part.parse();
        day.is_ok_and(|day| !(1..=9999).contains(&day.year()))
    };
    if text.contains("\\u00") || text.split('"').any(is_odd_day) {
        None
    } else {
        serde_json::from_str(text).ok()
    }
}
