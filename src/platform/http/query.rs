//! Parameters in the path and in the query: unknown ones are refused, a malformed id is 'nothing here'.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use crate::platform::error::{AppError, AppResult};
use crate::platform::text::{Check, Problems};

/// Checked query parameters; the struct says `deny_unknown_fields`.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Check> FromRequest for Query<T> {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned + Check>(query: &str) -> AppResult<T> {
    let mut value = actix_web::web::Query::<T>::from_query(query)
        .map_err(|error| {
            let words = error.to_string();
            let words = words.strip_prefix("Query deserialize error: ").unwrap_or(&words);
            let named = words.split('`').nth(1).unwrap_or_default();
            let code = if words.starts_with("unknown field") {
                "unknown_parameter"
            } else {
                "wrong_type"
            };
            AppError::invalid_field(named, code, words)
        })?
        .into_inner();
    let mut problems = Problems::default();
    value.check(&mut problems);
    problems.into_result()?;
    Ok(value)
}

/// The `{id}` of a path.
pub struct IdPath<I>(pub I);

impl<I: FromStr> FromRequest for IdPath<I> {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(AppError::not_found))
    }
}
