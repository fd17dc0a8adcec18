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
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    let mut value: T = serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        refusal(path, error.into_inner().to_string())
    })?;
    let mut problems = Problems::default();
    value.check(&mut problems);
    problems.into_result()?;
    Ok(value)
}

/// serde tells the kind of a fault only in its words; where it stops before a value, the name is in them too.
fn refusal(path: String, words: String) -> AppError {
    let kinds = [
        ("unknown field", "unknown_parameter"),
        ("duplicate field", "duplicate_parameter"),
        ("missing field", "required"),
        ("unknown variant", "unknown_value"),
    ];
    let kind = kinds.into_iter().find(|(start, _)| words.starts_with(start));
    let code = kind.map_or("wrong_type", |(_, code)| code);
    let name = match code {
        "unknown_parameter" | "duplicate_parameter" | "required" => {
            words.split('`').nth(1).unwrap_or_default().to_owned()
        }
        _ => path,
    };
    AppError::invalid_field(&name, code, words)
}

/// The `{id}` of a path.
pub struct IdPath<I>(pub I);

impl<I: FromStr> FromRequest for IdPath<I> {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").unwrap_or_default();
        ready(path_id(id).map(Self))
    }
}

/// An id as we write it, in letters of either case: a thing has one address, not one for each way to write a UUID.
pub fn path_id<I: FromStr>(text: &str) -> AppResult<I> {
    // The other ways (without hyphens, in braces, as a URN) have 32, 38 and 45 characters.
    let id = Some(text).filter(|text| text.len() == 36);
    id.and_then(|text| text.parse().ok())
        .ok_or_else(AppError::not_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its parsing is tested")]
    struct Asked {
        id: uuid::Uuid,
        limit: Option<u16>,
        open: Option<bool>,
        colour: Option<Colour>,
        from: Option<crate::platform::db::Instant>,
        cursor: Option<String>,
    }
    impl Check for Asked {}

    const ID: &str = "id=01a20be8-c3a0-73b6-8911-a9d308c2654c";

    #[test]
    fn each_kind_of_wrong_parameter_is_told_by_its_name() {
        for (query, name, code) in [
            ("x=1", "x", "unknown_parameter"),
            ("limit=1&limit=2", "limit", "duplicate_parameter"),
            ("limit=-1", "limit", "wrong_type"),
            ("limit=70000", "limit", "wrong_type"),
            ("limit=", "limit", "wrong_type"),
            ("open=maybe", "open", "wrong_type"),
            ("colour=blue", "colour", "unknown_value"),
            ("from=yesterday", "from", "wrong_type"),
            // A plus is a space in a query: 09:30:00+08:00 comes as %2B08:00.
            ("from=2026-11-24T09:30:00+08:00", "from", "wrong_type"),
            ("l%69mit=x", "limit", "wrong_type"),
        ] {
            let error = parse::<Asked>(&format!("{ID}&{query}")).unwrap_err();
            let told: Vec<_> = error
                .errors()
                .iter()
                .map(|e| (e.field.as_str(), e.code))
                .collect();
            assert_eq!(told, [(name, code)], "{query}");
        }
        let error = parse::<Asked>("id=7").unwrap_err();
        assert_eq!(error.errors()[0].field, "id");
        let error = parse::<Asked>("").unwrap_err();
        assert_eq!(
            (error.errors()[0].field.as_str(), error.errors()[0].code),
            ("id", "required")
        );
        let fine = format!("{ID}&limit=5&open=true&colour=red&from=2026-11-24T09:30:00%2B08:00&cursor=");
        assert!(parse::<Asked>(&fine).is_ok());
    }
}
