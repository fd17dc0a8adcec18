//! `/auth`: sign in, refresh, sign out, sessions, activation, password. Answers with tokens are never cached.
//! No operation here keeps its answer under an Idempotency-Key: what would be kept are secrets.

use actix_web::http::StatusCode;
use actix_web::http::header::USER_AGENT;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::rules::{self, RefreshToken};
use super::sessions::{self, Device, Grant};
use super::sign_in::{self, SignIn};
use super::state::changes_noted;
use super::store::{self, SessionRow};
use super::{SessionId, SignedIn, flows};
use crate::app::App;
use crate::members::MemberSummary;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Json, List, PageQuery, Query, client_address};
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(login)
        .service(refresh_session)
        .service(logout)
        .service(list_sessions)
        .service(delete_session)
        .service(activate_account)
        .service(change_password);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"account": "13900000001", "password": "correct horse battery staple", "device_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}))]
struct Login {
    /// Phone number, account name or employee number.
    #[schema(example = "13800138000", min_length = 1, max_length = 64)]
    account: String,
    #[schema(example = "three old tractors sing", min_length = 1, max_length = 256)]
    password: String,
    /// Made once by the app and kept: it protects the session and the account's owner.
    #[schema(example = "b1f7c7de-pixel", max_length = 128)]
    device_id: Option<String>,
    /// The root of my tree, where the same phone number or name has accounts in several.
    organization_id: Option<OrganizationId>,
}

impl Check for Login {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/account", &mut self.account, 1, 64);
        check_password(problems, "/password", &mut self.password);
        problems.optional_line("/device_id", &mut self.device_id, 128);
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"refresh_token": "AaIL6rDJdyOp8uqfk_h80msFGToKEgqUkB7-qFaVI8EA", "device_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}))]
struct RefreshSession {
    #[schema(example = "AZN0…", max_length = 256)]
    refresh_token: String,
    /// The same as at sign-in.
    #[schema(example = "b1f7c7de-pixel", max_length = 128)]
    device_id: Option<String>,
}

impl Check for RefreshSession {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/refresh_token", &mut self.refresh_token, 1, 256);
        problems.optional_line("/device_id", &mut self.device_id, 128);
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "K7QF-9XM2-P4TD", "password": "correct horse battery staple", "device_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}))]
struct ActivateAccount {
    /// As printed; case, spaces and hyphens do not matter.
    #[schema(example = "K7QF-9XM2-P4TD", max_length = 64)]
    code: String,
    #[schema(example = "three old tractors sing", min_length = 8, max_length = 256)]
    password: String,
    #[schema(example = "b1f7c7de-pixel", max_length = 128)]
    device_id: Option<String>,
}

impl Check for ActivateAccount {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/code", &mut self.code, 1, 64);
        check_password(problems, "/password", &mut self.password);
        problems.optional_line("/device_id", &mut self.device_id, 128);
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"current_password": "correct horse battery staple", "new_password": "a longer passphrase than before"}))]
struct ChangePassword {
    #[schema(example = "three old tractors sing", max_length = 256)]
    current_password: String,
    #[schema(example = "four new tractors hum", min_length = 8, max_length = 256)]
    new_password: String,
}

impl Check for ChangePassword {
    fn check(&mut self, problems: &mut Problems) {
        check_password(problems, "/current_password", &mut self.current_password);
        check_password(problems, "/new_password", &mut self.new_password);
    }
}

/// NFC and nothing else: surrounding space belongs to a password, and a long one is refused rather than cut.
fn check_password(problems: &mut Problems, field: &str, password: &mut String) {
    *password = rules::normalise_password(password);
    if password.is_empty() {
        problems.add(field, "required", "must not be empty");
    } else if password.len() > rules::PASSWORD_MAX_BYTES {
        problems.add(field, "too_long", "is longer than 256 bytes");
    } else if password.chars().any(char::is_control) {
        problems.add(field, "control_character", "control characters are not allowed");
    }
}

/// What a client needs to act for somebody.
#[derive(Serialize, ToSchema)]
struct TokensView {
    /// For `Authorization: Bearer …`.
    #[schema(example = "eyJ0eXAiOiJhdCtqd3Qi…")]
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds that the access token lives.
    #[schema(example = 900)]
    expires_in_s: i64,
    /// Good once: each refresh answers with its successor.
    #[schema(example = "AZN0…")]
    refresh_token: String,
    /// Null for the system admin, who is no member.
    member: Option<MemberSummary>,
}

fn tokens(app: &App, status: StatusCode, grant: Grant) -> AppResult<HttpResponse> {
    let (access_token, expires_in_s) = app.auth.access_token(&grant.actor, app.clock.now())?;
    let token = RefreshToken {
        session: grant.actor.session,
        generation: grant.generation,
    };
    let view = TokensView {
        access_token,
        token_type: "Bearer",
        expires_in_s,
        refresh_token: app.auth.refresh_token(token),
        member: grant.member,
    };
    Ok(HttpResponse::build(status)
        .insert_header(("cache-control", "no-store"))
        .json(view))
}

/// A sign-in on one device.
#[derive(Serialize, ToSchema)]
struct SessionView {
    id: SessionId,
    /// What the device calls itself (its User-Agent).
    #[schema(example = "zhibu-android/1.0")]
    device_name: Option<String>,
    /// Is it the one that asks?
    is_current: bool,
    created_at: Instant,
    last_used_at: Instant,
    expires_at: Instant,
}

impl SessionView {
    fn of(row: SessionRow, current: SessionId) -> Self {
        Self {
            id: row.id,
            device_name: row.device_name,
            is_current: row.id == current,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }
    }
}

fn device(request: &HttpRequest, id: Option<String>) -> Device {
    let header = request
        .headers()
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let name = header
        .map(|text| text.chars().take(120).collect::<String>())
        .filter(|text| !text.is_empty());
    Device { id, name }
}

fn address(app: &App, request: &HttpRequest) -> String {
    client_address(request, &app.config.server.trusted_proxies)
}

/// Sign in with a phone number, an account name or an employee number, and a password.
///
/// Whatever is wrong, the answer is the same `invalid_credentials`. Ten failures an hour for each account, then
/// `rate_limited`; a device on which the account has signed in before has ten of its own.
///
/// All of these are unique in a tree only. Up to eight accounts are tried: those of the phone number or account name,
/// then those of the employee number, older before younger; the first that the password fits is signed in to.
/// `organization_id` narrows them to one tree.
#[utoipa::path(
    tag = "auth",
    request_body = Login,
    responses(
        (status = 200, description = "Signed in", body = TokensView),
        (status = 401, description = "invalid_credentials"),
        (status = 422, description = "invalid_fields"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "overloaded, unavailable"),
    ),
    security(()),
)]
#[post("/auth/login")]
async fn login(app: web::Data<App>, request: HttpRequest, body: Json<Login>) -> AppResult<HttpResponse> {
    let body = body.0;
    let wish = SignIn {
        typed: body.account,
        password: body.password,
        tenant: body.organization_id,
        device: device(&request, body.device_id),
    };
    let grant = sign_in::login(&app, wish, &address(&app, &request)).await?;
    tokens(&app, StatusCode::OK, grant)
}

/// Exchange a refresh token for fresh tokens.
///
/// A lost answer: send the same token again from the same device within 30 seconds and the same successor comes.
/// Any other use of a used token ends the session.
#[utoipa::path(
    tag = "auth",
    request_body = RefreshSession,
    responses(
        (status = 200, description = "Refreshed", body = TokensView),
        (status = 401, description = "invalid_refresh_token"),
        (status = 422, description = "invalid_fields"),
        (status = 429, description = "rate_limited: too many failures of this session, or of made-up tokens from this address"),
        (status = 503, description = "unavailable"),
    ),
    security(()),
)]
#[post("/auth/refresh")]
async fn refresh_session(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<RefreshSession>,
) -> AppResult<HttpResponse> {
    let (body, address) = (body.0, address(&app, &request));
    let grant = flows::refresh(&app, &body.refresh_token, body.device_id, &address).await?;
    tokens(&app, StatusCode::OK, grant)
}

/// Sign out: ends the session of the access token. A body is not needed and not read.
#[utoipa::path(
    tag = "auth",
    responses((status = 204, description = "Signed out"), (status = 401, description = "unauthorized")),
)]
#[post("/auth/logout")]
async fn logout(app: web::Data<App>, who: SignedIn) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    app.db.write(move |conn| sessions::sign_out(conn, &ctx)).await?;
    changes_noted(&app).await;
    Ok(Answer::no_content())
}

/// Where I am signed in, newest first.
#[utoipa::path(
    tag = "auth",
    params(PageQuery),
    responses(
        (status = 200, description = "My live sessions", body = List<SessionView>),
        (status = 401, description = "unauthorized"),
        (status = 422, description = "invalid_fields"),
    ),
)]
#[get("/auth/sessions")]
async fn list_sessions(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<PageQuery>,
) -> AppResult<web::Json<List<SessionView>>> {
    let page = query.0.page::<(Instant, SessionId)>()?;
    let (account, now) = (who.0.account, app.clock.now());
    let asked = page.clone();
    let rows = app
        .db
        .read_fresh(move |conn| Ok(store::list_sessions(conn, account, now, &asked)?))
        .await?;
    let current = who.0.session;
    Ok(web::Json(page.list(
        rows,
        |row| (row.created_at, row.id),
        |row| SessionView::of(row, current),
    )))
}

/// End one of my sessions, e.g. of a lost phone.
#[utoipa::path(
    tag = "auth",
    params(("id" = SessionId, Path, description = "The session")),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "unauthorized"),
        (status = 404, description = "not_found"),
    ),
)]
#[delete("/auth/sessions/{id}")]
async fn delete_session(app: web::Data<App>, who: SignedIn, id: IdPath<SessionId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    app.db
        .write(move |conn| sessions::delete_session(conn, &ctx, id.0))
        .await?;
    changes_noted(&app).await;
    Ok(Answer::no_content())
}

/// Set a first password, or a new one, with an activation code, and be signed in.
///
/// The code is good once; other sessions of the account end.
#[utoipa::path(
    tag = "auth",
    request_body = ActivateAccount,
    responses(
        (status = 201, description = "Activated and signed in", body = TokensView),
        (status = 422, description = "activation_code_invalid, password_too_weak, invalid_fields"),
        (status = 429, description = "rate_limited: too many failures from this address"),
        (status = 503, description = "overloaded, unavailable"),
    ),
    security(()),
)]
#[post("/auth/activations")]
async fn activate_account(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<ActivateAccount>,
) -> AppResult<HttpResponse> {
    let body = body.0;
    let (device, address) = (device(&request, body.device_id), address(&app, &request));
    let grant = flows::activate(&app, &body.code, body.password, device, &address).await?;
    tokens(&app, StatusCode::CREATED, grant)
}

/// Change my password. My other sessions end; this one goes on.
#[utoipa::path(
    tag = "auth",
    request_body = ChangePassword,
    responses(
        (status = 204, description = "Changed"),
        (status = 401, description = "unauthorized"),
        (status = 403, description = "wrong_password"),
        (status = 422, description = "password_too_weak, invalid_fields"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "overloaded, unavailable"),
    ),
)]
#[post("/auth/password")]
async fn change_password(
    app: web::Data<App>,
    who: SignedIn,
    body: Json<ChangePassword>,
) -> AppResult<Answer> {
    flows::change_password(&app, who.0, body.0.current_password, body.0.new_password).await?;
    Ok(Answer::no_content())
}
