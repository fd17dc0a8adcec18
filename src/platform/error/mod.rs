//! The one error type of services and handlers. What a client sees is a `Code` and its members; causes stay in the log.

mod code;

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

pub use code::{Code, Language};

use crate::platform::db;
use crate::platform::limits::Limit;

pub type AppResult<T> = Result<T, AppError>;

/// A field that is wrong: a JSON pointer, a stable code, and words for a developer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer into the request's body, or the parameter's name.
    #[schema(example = "/title")]
    pub field: String,
    #[schema(example = "too_long")]
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug)]
pub struct AppError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    retry_after_s: Option<u64>,
    limit: Option<Limit>,
    cause: Option<String>,
    retry: bool,
}

impl From<Code> for AppError {
    fn from(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            errors: Vec::new(),
            members: Map::new(),
            retry_after_s: None,
            limit: None,
            cause: None,
            retry: false,
        }))
    }
}

impl AppError {
    pub fn not_found() -> Self {
        Code::NotFound.into()
    }

    pub fn forbidden() -> Self {
        Code::Forbidden.into()
    }

    pub fn unauthorized() -> Self {
        Code::Unauthorized.into()
    }

    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut error = Self::from(Code::InvalidFields);
        error.0.errors = errors;
        error
    }

    /// One wrong field, found while doing the work.
    pub fn invalid_field(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError {
            field: field.into(),
            code,
            message: message.into(),
        }])
    }

    /// A refusal of what one field names: the problem document points at it. Whether that is missing or foreign is not told.
    #[must_use]
    pub fn at_field(mut self, field: &str) -> Self {
        if self.is_refusal() {
            let code = self.code();
            self.0.errors = vec![FieldError {
                field: field.into(),
                code: code.wire(),
                message: code.text(Language::En).to_owned(),
            }];
        }
        self
    }

    /// A limit that is reached for `left_s` more seconds; the answer names it in its `RateLimit` headers.
    pub fn rate_limited(limit: &Limit, left_s: u64) -> Self {
        let mut error = Self::from(Code::RateLimited).retry_after(left_s.max(1));
        error.0.limit = Some(*limit);
        error
    }

    /// Too much at once: the caller waits a little and repeats.
    pub fn overloaded() -> Self {
        Self::from(Code::Overloaded).retry_after(1)
    }

    /// The database, or something else that is needed, does not answer in time.
    pub fn unavailable() -> Self {
        Self::from(Code::Unavailable).retry_after(2)
    }

    /// A bug or a broken machine. The cause goes to the log, never to the client.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::from(Code::Internal).caused_by(cause)
    }

    /// Somebody else was faster with the same key: run the transaction again, it will find what they wrote.
    pub fn overtaken(error: diesel::result::Error) -> Self {
        let again = db::is_unique_violation(&error);
        let mut mapped = if again {
            Self::unavailable().caused_by(error.to_string())
        } else {
            Self::from(error)
        };
        mapped.0.retry |= again;
        mapped
    }

    /// What was read in this transaction is no longer so: run it again.
    pub fn again() -> Self {
        let mut error = Self::unavailable();
        error.0.retry = true;
        error
    }

    /// Adds a member of the problem document, e.g. `opens_at`. RFC 9457 has five names for itself.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Serialize) -> Self {
        debug_assert!(!["type", "title", "status", "detail", "instance"].contains(&member));
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.0.members.insert(member.to_owned(), value);
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub fn code(&self) -> Code {
        self.0.code
    }

    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    pub fn members(&self) -> &Map<String, Value> {
        &self.0.members
    }

    pub fn retry_after_s(&self) -> Option<u64> {
        self.0.retry_after_s
    }

    /// The limit that was reached.
    pub fn limit(&self) -> Option<&Limit> {
        self.0.limit.as_ref()
    }

    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Should the same transaction be tried again at once?
    pub fn is_worth_retrying(&self) -> bool {
        self.0.retry
    }

    pub fn is_unavailable(&self) -> bool {
        matches!(self.0.code, Code::Unavailable | Code::Overloaded)
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.wire())?;
        match &self.0.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for AppError {}

/// A database error nobody gave a meaning to: gone or slow is 503, everything else is our bug.
impl From<diesel::result::Error> for AppError {
    fn from(error: diesel::result::Error) -> Self {
        let retry = db::asks_for_retry(&error);
        let mut mapped = if retry || db::means_unavailable(&error) {
            Self::unavailable()
        } else {
            Code::Internal.into()
        };
        mapped.0.cause = Some(error.to_string());
        mapped.0.retry = retry;
        mapped
    }
}

impl AppError {
    /// Forbidden, or not found: the answer to whoever may not.
    pub fn is_refusal(&self) -> bool {
        matches!(self.code(), Code::Forbidden | Code::NotFound)
    }
}

/// For questions that are asked as 'may I?' or 'is it there?': `require(..).permitted()?`.
pub trait Permitted<T> {
    /// None for forbidden and not found. Anything else is no answer, and goes up.
    fn permitted(self) -> AppResult<Option<T>>;

    /// Who may `see` it is told that they may not, forbidden; anybody else what they are told who look: it is not there.
    fn or_as_seen<S>(self, see: impl FnOnce() -> AppResult<S>) -> AppResult<T>;
}

impl<T> Permitted<T> for AppResult<T> {
    fn permitted(self) -> AppResult<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_refusal() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn or_as_seen<S>(self, see: impl FnOnce() -> AppResult<S>) -> AppResult<T> {
        if let Some(value) = self.permitted()? {
            return Ok(value);
        }
        see()?;
        Err(AppError::forbidden())
    }
}

/// Gives a unique violation its meaning at the call site: `insert(..).on_conflict_is(Code::NameTaken)?`.
pub trait Conflict<T> {
    fn on_conflict_is(self, code: Code) -> AppResult<T>;
}

impl<T> Conflict<T> for diesel::QueryResult<T> {
    fn on_conflict_is(self, code: Code) -> AppResult<T> {
        self.map_err(|error| {
            if db::is_unique_violation(&error) {
                code.into()
            } else {
                error.into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_means_no() {
        let no = |error: AppError| Err::<(), _>(error).permitted();
        assert!(matches!(no(AppError::forbidden()), Ok(None)));
        assert!(matches!(no(AppError::not_found()), Ok(None)));
        assert!(matches!(Ok(()).permitted(), Ok(Some(()))));
        let gone = diesel::result::Error::BrokenTransactionManager;
        assert!(no(gone.into()).is_err_and(|error| error.code() == Code::Unavailable));
        assert!(no(AppError::again()).is_err_and(|error| error.is_worth_retrying()));
    }
}
