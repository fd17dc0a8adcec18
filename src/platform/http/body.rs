//! JSON bodies: bounded, typed, strict, and refused with the pointer of what is wrong.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::{FromRequest, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::{RawValue, Value};

use super::objects::Objects;
use crate::platform::error::{AppError, AppResult, Code, FieldError};
use crate::platform::text::{Check, Problems};

/// A JSON body is at most this long unless an operation says otherwise.
pub const JSON_LIMIT: usize = 64 * 1024;

/// How long a whole body may take to arrive; set once for the server.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    pub arrival: Duration,
}

/// A checked JSON body of at most `LIMIT` bytes.
pub struct Json<T, const LIMIT: usize = JSON_LIMIT>(pub T);

impl<T: DeserializeOwned + Check + 'static, const LIMIT: usize> FromRequest for Json<T, LIMIT> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = AppResult<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            require_json(&request)?;
            let bytes = read_limited(&request, payload, LIMIT).await?;
            Ok(Self(parse(&bytes)?))
        })
    }
}

pub(super) fn require_json(request: &HttpRequest) -> AppResult<()> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json {
        Ok(())
    } else {
        Err(Code::UnsupportedMediaType.into())
    }
}

/// A compressed body would be read as what it is not; its length says nothing of what is in it.
pub fn require_plain(request: &HttpRequest) -> AppResult<()> {
    let mut codings = request.headers().get_all(CONTENT_ENCODING);
    let is_plain = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if codings.all(is_plain) {
        Ok(())
    } else {
        Err(Code::UnsupportedContentEncoding.into())
    }
}

fn declared_length(request: &HttpRequest) -> usize {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    length.unwrap_or(0)
}

/// Reads a whole body of at most `limit` bytes, within the server's time for it. One that says itself that it is
/// longer is refused unread.
pub async fn read_limited(request: &HttpRequest, mut payload: Payload, limit: usize) -> AppResult<Bytes> {
    require_plain(request)?;
    let too_large = || AppError::from(Code::TooLarge).with("limit_bytes", limit);
    if declared_length(request) > limit {
        return Err(too_large());
    }
    let arrival = request
        .app_data::<web::Data<BodyLimits>>()
        .map_or(Duration::from_secs(10), |l| l.arrival);
    let read = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk =
                chunk.map_err(|error| AppError::from(Code::BadRequest).caused_by(error.to_string()))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(arrival, read)
        .await
        .unwrap_or_else(|_| Err(Code::RequestTimeout.into()))
}

/// 400 for what is not JSON; 422 with a pointer for JSON of the wrong shape; then the body's own check.
pub(super) fn parse<T: DeserializeOwned + Check>(bytes: &[u8]) -> AppResult<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut value: T = serde_path_to_error::deserialize(Objects(&mut json)).map_err(|error| {
        let (path, cause) = (pointer(error.path()), error.into_inner());
        // serde_json calls it bad syntax when one of some words is wanted and the value is no text at all.
        let is_json = cause.is_data() || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        if is_json {
            let words = match cause.is_data() {
                true => cause.to_string(),
                false => "invalid type: expected text".to_owned(),
            };
            AppError::invalid(all_shape_errors::<T>(bytes, shape_error(path, &words)))
        } else {
            AppError::from(Code::MalformedJson)
                .with("at", format!("line {}, column {}", cause.line(), cause.column()))
        }
    })?;
    json.end().map_err(|_| AppError::from(Code::MalformedJson))?;
    let mut problems = Problems::default();
    value.check(&mut problems);
    problems.into_result()?;
    Ok(value)
}

/// One item of a batch as it came: parsed for itself, so that a wrong item refuses nobody but itself.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct RawItem(Box<RawValue>);

impl RawItem {
    /// The item with all that a body of its own would be checked for.
    pub fn parse<T: DeserializeOwned + Check>(&self) -> AppResult<T> {
        parse(self.0.get().as_bytes())
    }

    /// What can be read of it, whatever else is wrong.
    pub fn peek<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(Objects(&mut serde_json::Deserializer::from_str(self.0.get()))).ok()
    }
}

/// serde stops at the first fault. What is at fault and may be left out is taken away and the rest is read again, so
/// that a client is told of all of them, up to the first that hides the others: a required field.
fn all_shape_errors<T: DeserializeOwned>(bytes: &[u8], first: FieldError) -> Vec<FieldError> {
    let mut errors = vec![first];
    let Ok(mut rest) = serde_json::from_slice::<Value>(bytes) else {
        return errors;
    };
    while errors.len() < MAX_SHAPE_ERRORS {
        let Some(at) = errors.last().map(|error| error.field.clone()) else {
            break;
        };
        if !take_away(&mut rest, &at) {
            break;
        }
        match serde_path_to_error::deserialize::<_, T>(Objects(&rest)) {
            Ok(_) => break,
            Err(error) => {
                let path = pointer(error.path());
                let next = shape_error(path, &error.into_inner().to_string());
                if next.field == at {
                    break;
                }
                errors.push(next);
            }
        }
    }
    errors
}

const MAX_SHAPE_ERRORS: usize = 20;

/// Removes the member at the pointer; false when there is none, or when it is an item of a list, whose place counts.
fn take_away(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return false;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => members.remove(&name).is_some(),
        _ => false,
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => String::new(),
        })
        .collect()
}

/// serde tells the kind of a shape error only in its words; the words before ` at line` are ours to show.
fn shape_error(mut pointer: String, words: &str) -> FieldError {
    let message = words.split(" at line ").next().unwrap_or(words);
    let named = message.split('`').nth(1).unwrap_or_default();
    let code = if message.starts_with("unknown field") {
        "unknown_field"
    } else if message.starts_with("missing field") {
        "required"
    } else if message.starts_with("duplicate field") {
        "duplicate_field"
    } else if message.starts_with("unknown variant") {
        "unknown_value"
    } else {
        "wrong_type"
    };
    if matches!(code, "required" | "duplicate_field") && !pointer.ends_with(&format!("/{named}")) {
        pointer.push('/');
        pointer.push_str(named);
    }
    FieldError {
        field: pointer,
        code,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its parsing is tested")]
        n: u8,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its parsing is tested")]
        inner: Vec<Inner>,
    }
    impl Check for Body {}

    fn refusal(json: &str) -> (Code, String, &'static str) {
        let error = parse::<Body>(json.as_bytes()).unwrap_err();
        let first = error
            .errors()
            .first()
            .map(|e| (e.field.clone(), e.code))
            .unwrap_or_default();
        (error.code(), first.0, first.1)
    }

    #[test]
    fn each_kind_of_wrong_body_has_its_code_and_place() {
        assert_eq!(refusal("{"), (Code::MalformedJson, String::new(), ""));
        assert_eq!(
            refusal(r#"{"inner":[]} x"#),
            (Code::MalformedJson, String::new(), "")
        );
        assert_eq!(
            refusal(r#"{"inner":[{"n":300}]}"#),
            (Code::InvalidFields, "/inner/0/n".into(), "wrong_type")
        );
        assert_eq!(
            refusal(r#"{"inner":[],"x":1}"#),
            (Code::InvalidFields, "/x".into(), "unknown_field")
        );
        assert_eq!(
            refusal(r#"{"inner":[],"inner":[]}"#),
            (Code::InvalidFields, "/inner".into(), "duplicate_field")
        );
        assert_eq!(
            refusal(r#"{"inner":[{}]}"#),
            (Code::InvalidFields, "/inner/0/n".into(), "required")
        );
    }

    #[test]
    fn a_struct_is_an_object_and_no_list_of_its_fields() {
        let wrong = |at: &str| (Code::InvalidFields, at.to_owned(), "wrong_type");
        assert_eq!(refusal("[[]]"), wrong(""));
        assert_eq!(refusal("[]"), wrong(""));
        assert_eq!(refusal("null"), wrong(""));
        assert_eq!(refusal(r#"{"inner":[[1]]}"#), wrong("/inner/0"));
        assert!(parse::<Body>(br#"{"inner":[{"n":1}]}"#).is_ok());
        let items: Vec<RawItem> = serde_json::from_str(r#"[[[]], {"inner":[]}]"#).unwrap();
        let taken: Vec<bool> = items.iter().map(|item| item.parse::<Body>().is_ok()).collect();
        assert_eq!(taken, [false, true]);
        let seen: Vec<bool> = items.iter().map(|item| item.peek::<Body>().is_some()).collect();
        assert_eq!(seen, [false, true]);
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Patch {
        #[expect(dead_code, reason = "only its parsing is tested")]
        a: Option<u8>,
        #[expect(dead_code, reason = "only its parsing is tested")]
        b: Option<u8>,
        #[serde(default, with = "crate::platform::text::present")]
        #[expect(dead_code, reason = "only its parsing is tested")]
        d: Option<String>,
        #[serde(default, with = "crate::platform::text::present")]
        #[expect(dead_code, reason = "only its parsing is tested")]
        e: Option<Word>,
        #[expect(dead_code, reason = "only its parsing is tested")]
        c: u8,
    }
    impl Check for Patch {}

    #[derive(Debug, serde::Deserialize)]
    enum Word {}

    #[test]
    fn all_faults_are_told_up_to_the_one_that_hides_the_rest() {
        let told = |json: &str| -> Vec<(String, &str)> {
            let error = parse::<Patch>(json.as_bytes()).unwrap_err();
            error.errors().iter().map(|e| (e.field.clone(), e.code)).collect()
        };
        assert_eq!(
            told(r#"{"x":1,"a":"one","y/z":2,"b":-1,"c":3}"#),
            [
                ("/x".into(), "unknown_field"),
                ("/a".into(), "wrong_type"),
                ("/b".into(), "wrong_type"),
                ("/y~1z".into(), "unknown_field")
            ]
        );
        assert_eq!(
            told(r#"{"x":1,"c":"three"}"#),
            [("/x".into(), "unknown_field"), ("/c".into(), "wrong_type")]
        );
        assert_eq!(
            told(r#"{"a":null,"d":null,"e":null,"c":3}"#),
            [("/d".into(), "wrong_type"), ("/e".into(), "wrong_type")]
        );
        assert_eq!(
            told(r#"{"a":1,"a":2}"#),
            [("/a".into(), "duplicate_field"), ("/c".into(), "required")]
        );
    }
}
