//! Lists: `{"items": […], "next_cursor": "…"|null}` in a stable order, 1 to 200 items a page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::platform::error::{AppError, AppResult};

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Send it back as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// The two parameters of every list. Flattening defeats `deny_unknown_fields`, so each filter struct repeats them.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items a page, 1 to 200 (default 50).
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl crate::platform::text::Check for PageQuery {}

/// A page that was asked for: `K` is the last key of the page before.
#[derive(Debug, Clone)]
pub struct Page<K> {
    pub limit: usize,
    pub after: Option<K>,
}

impl<K: Serialize + DeserializeOwned> Page<K> {
    pub fn from_query(limit: Option<u16>, cursor: Option<&str>) -> AppResult<Self> {
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
        })
    }

    /// Stores fetch this many: the one too many tells that there is a next page.
    pub fn fetch(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Cuts `rows` to the page and makes the cursor from the last row that stays.
    pub fn list<R, V>(&self, mut rows: Vec<R>, key: impl Fn(&R) -> K, view: impl FnMut(R) -> V) -> List<V> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = match rows.last() {
            Some(last) if more => serde_json::to_vec(&key(last))
                .ok()
                .map(|json| URL_SAFE_NO_PAD.encode(json)),
            _ => None,
        };
        List {
            items: rows.into_iter().map(view).collect(),
            next_cursor,
        }
    }
}

/// A cursor of ours holds no escaped control character, which no database takes as text.
fn key_of<K: DeserializeOwned>(json: &[u8]) -> Option<K> {
    let text = std::str::from_utf8(json).ok()?;
    if text.contains("\\u00") {
        None
    } else {
        serde_json::from_str(text).ok()
    }
}
