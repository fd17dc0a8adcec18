//! The argument type is the permission: `SignedIn` for anybody with a live token, `SystemAdmin` for the one who makes
//! tenants. No database hop: the token, the clock and the revocations in memory decide.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use super::{AccountId, SessionId};
use crate::app::App;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::Fence;
use crate::platform::error::{AppError, AppResult};

/// Who acts, as the access token says.
#[derive(Clone, Debug)]
pub struct Actor {
    pub account: AccountId,
    pub session: SessionId,
    /// None for the system admin, who belongs to no tenant.
    pub tenant: Option<OrganizationId>,
    pub is_system_admin: bool,
}

impl Actor {
    /// Whoever runs the command line on the machine itself: may do what a system admin may.
    pub fn operator() -> Self {
        let nobody = uuid::Uuid::nil();
        Self {
            account: AccountId(nobody),
            session: SessionId(nobody),
            tenant: None,
            is_system_admin: true,
        }
    }

    /// Whoever has not shown yet who they are: may do nothing.
    pub fn nobody() -> Self {
        Self {
            is_system_admin: false,
            ..Self::operator()
        }
    }

    pub fn is_nobody(&self) -> bool {
        self.account.0.is_nil() && !self.is_system_admin
    }

    /// A member's id is its account's uuid. The system admin is no member: 403.
    pub fn member(&self) -> AppResult<MemberId> {
        if self.is_system_admin {
            Err(AppError::forbidden())
        } else {
            Ok(MemberId::from(self.account.0))
        }
    }
}

/// Anybody with a live access token; 401 otherwise.
pub struct SignedIn(pub Actor);

/// Somebody signed in whose stay is longer than a request: a stream asks again and again.
pub struct Stay {
    pub actor: Actor,
    token: String,
}

impl Stay {
    /// Is the token that opened the stream still good: not expired, its session not ended?
    pub fn is_valid(&self, app: &App) -> bool {
        app.auth.check(&self.token, app.clock.now()).is_some()
    }
}

impl FromRequest for Stay {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(actor(request).and_then(|actor| {
            let token = bearer(request).ok_or_else(AppError::unauthorized)?.to_owned();
            Ok(Self { actor, token })
        }))
    }
}

/// The system admin; 403 for anybody else.
pub struct SystemAdmin(pub Actor);

impl FromRequest for SignedIn {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(actor(request).map(Self))
    }
}

impl FromRequest for SystemAdmin {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(actor(request).and_then(|a| {
            if a.is_system_admin {
                Ok(Self(a))
            } else {
                Err(AppError::forbidden())
            }
        }))
    }
}

fn actor(request: &HttpRequest) -> AppResult<Actor> {
    let app = request
        .app_data::<web::Data<App>>()
        .ok_or_else(|| AppError::internal("no App in the app data"))?;
    let token = bearer(request).ok_or_else(AppError::unauthorized)?;
    let actor = app
        .auth
        .check(token, app.clock.now())
        .ok_or_else(AppError::unauthorized)?;
    if let Some(tenant) = actor.tenant {
        Fence::shut(tenant.0);
    }
    // The audit of refused access reads it from there.
    request.extensions_mut().insert(actor.clone());
    Ok(actor)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    credentials(request, "bearer")
}

/// What stands behind `scheme` in the one `Authorization` header. A request with two of them has none.
pub fn credentials<'a>(request: &'a HttpRequest, scheme: &str) -> Option<&'a str> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return None;
    };
    let (named, token) = header.to_str().ok()?.split_once(' ')?;
    named.eq_ignore_ascii_case(scheme).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_shown_who_they_are_may_do_nothing_and_is_not_who_runs_the_machine() {
        let (nobody, operator) = (Actor::nobody(), Actor::operator());
        assert!(nobody.is_nobody() && !nobody.is_system_admin);
        assert!(!operator.is_nobody() && operator.is_system_admin);
        let somebody = Actor {
            account: AccountId(uuid::Uuid::from_u128(1)),
            ..nobody
        };
        assert!(!somebody.is_nobody());
    }
}
