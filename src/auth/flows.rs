//! The operations with tokens and passwords, apart from the sign-in: look at the database, hash off the async threads,
//! then write in one transaction.

use super::rules::{self, RefreshToken, Weakness};
use super::service;
use super::sessions::{self, Device, Grant};
use super::state::changes_noted;
use super::store::AccountRow;
use super::throttle;
use super::{AccountId, Actor};
use crate::app::App;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::keys::hash_secret;

pub async fn activate(
    app: &App,
    typed: &str,
    password: String,
    device: Device,
    address: &str,
) -> AppResult<Grant> {
    let by_address = throttle::by_address(app, "activation-address");
    by_address.check(&app.cache, address).await?;
    let outcome = use_code(app, typed, password, device).await;
    if outcome
        .as_ref()
        .is_err_and(|e| e.code() == Code::ActivationCodeInvalid)
    {
        by_address.note(&app.cache, address).await;
    }
    outcome
}

async fn use_code(app: &App, typed: &str, password: String, device: Device) -> AppResult<Grant> {
    let code = rules::normalise_activation_code(typed).ok_or(Code::ActivationCodeInvalid)?;
    let (code_hash, now) = (hash_secret(&code), app.clock.now());
    let looked_up = code_hash.clone();
    let account = app
        .db
        .read_fresh(move |conn| sessions::find_activation(conn, now, &looked_up))
        .await?;
    require_strong(app, &account, &password)?;
    let password_hash = app.auth.hasher().hash(password).await?;
    let ctx = app.ctx(Actor::nobody());
    let work = move |conn: &mut _| sessions::activate(conn, &ctx, &code_hash, &password_hash, &device);
    let grant = app.db.write(work).await?;
    changes_noted(app).await;
    Ok(grant)
}

pub async fn refresh(app: &App, token: &str, device_id: Option<String>, address: &str) -> AppResult<Grant> {
    // A genuine token counts for its own session: what strangers behind the same address make up must stop nobody.
    let token = app.auth.read_refresh_token(token);
    let subject = token.map_or_else(|| address.to_owned(), |token| token.session.to_string());
    let limit = throttle::by_address(app, "refresh");
    limit.check(&app.cache, &subject).await?;
    let outcome = match token {
        Some(token) => rotate(app, token, device_id).await,
        None => Err(Code::InvalidRefreshToken.into()),
    };
    if outcome
        .as_ref()
        .is_err_and(|e| e.code() == Code::InvalidRefreshToken)
    {
        limit.note(&app.cache, &subject).await;
    }
    outcome
}

async fn rotate(app: &App, token: RefreshToken, device_id: Option<String>) -> AppResult<Grant> {
    let ctx = app.ctx(Actor::nobody());
    let granted = app
        .db
        .write(move |conn| sessions::refresh(conn, &ctx, token, device_id.as_deref()))
        .await?;
    if granted.is_none() {
        changes_noted(app).await;
    }
    granted.ok_or_else(|| Code::InvalidRefreshToken.into())
}

pub async fn change_password(app: &App, actor: Actor, current: String, new: String) -> AppResult<()> {
    let counted = throttle::password_changes(app)
        .admit(&app.cache, &actor.account.to_string())
        .await?;
    let outcome = replace_password(app, actor, current, new).await;
    match &outcome {
        Ok(()) => counted.forget().await,
        Err(error) if error.code() == Code::WrongPassword => {}
        Err(_) => counted.give_back().await,
    }
    outcome
}

async fn replace_password(app: &App, actor: Actor, current: String, new: String) -> AppResult<()> {
    let account_id: AccountId = actor.account;
    let account = app
        .db
        .read_fresh(move |conn| service::find_account(conn, account_id))
        .await?;
    let hashes = account.password_hash.iter().cloned().collect();
    let fits = app.auth.hasher().verify(current, hashes, 1).await?;
    if !fits.contains(&true) {
        return Err(Code::WrongPassword.into());
    }
    require_strong(app, &account, &new)?;
    let password_hash = app.auth.hasher().hash(new).await?;
    let ctx = app.ctx(actor);
    app.db
        .write(move |conn| sessions::change_password(conn, &ctx, &account, &password_hash))
        .await?;
    changes_noted(app).await;
    Ok(())
}

fn require_strong(app: &App, account: &AccountRow, password: &str) -> AppResult<()> {
    let min_length = app.config.auth.password_min_length;
    let names: Vec<&str> = [&account.account_name, &account.phone]
        .into_iter()
        .filter_map(|n| n.as_deref())
        .collect();
    let reason = match rules::password_weakness(password, min_length, &names) {
        None => return Ok(()),
        Some(Weakness::TooShort) => "too_short",
        Some(Weakness::Common) => "common",
        Some(Weakness::ContainsAccount) => "contains_account",
    };
    Err(AppError::from(Code::PasswordTooWeak)
        .with("min_length", min_length)
        .with("reason", reason))
}
