//! The operations that hash: look at the database, hash off the async threads, then write in one transaction.
//! Every refusal of a sign-in looks and takes the same, whether the account exists or not.

use std::time::Duration;

use super::rules::{self, Weakness};
use super::service::{self, Device, Grant, Moment};
use super::state::{changes_noted, fresh};
use super::store::{self, AccountRow};
use super::{AccountId, Actor};
use crate::app::App;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::keys::hash_secret;

const HOUR: Duration = Duration::from_secs(3_600);
/// One person may have accounts in some tenants under the same phone number.
const MAX_CANDIDATES: i64 = 3;

pub async fn login(app: &App, typed: &str, password: String, device: Device) -> AppResult<Grant> {
    let (name, phone) = (
        rules::normalise_account_name(typed),
        rules::normalise_phone(typed),
    );
    let mut counter = format!("login:{}", short_hash(phone.as_deref().unwrap_or(&name)));
    let (device_id, now) = (device.id.clone(), app.clock.now());
    let (candidates, is_known) = fresh(&app.db, move |conn| {
        let found = store::list_sign_in_candidates(conn, &name, phone.as_deref(), MAX_CANDIDATES)?;
        let mut is_known = false;
        for (account, device) in found.iter().zip(std::iter::repeat(device_id.as_deref())) {
            is_known =
                is_known || device.map_or(Ok(false), |d| store::knows_device(conn, account.id, d, now))?;
        }
        Ok((found, is_known))
    })
    .await?;
    if let Some(device) = device.id.as_deref().filter(|_| is_known) {
        // A device that has signed in before counts for itself: strangers cannot lock its owner out.
        counter = format!("{counter}:{}", short_hash(device));
    }
    throttle(app, &counter).await?;
    let hashes = candidates
        .iter()
        .filter_map(|account| account.password_hash.clone())
        .collect();
    let place = app
        .auth
        .hasher()
        .verify(password, hashes)
        .await?
        .ok_or(Code::InvalidCredentials)?;
    let account = candidates
        .into_iter()
        .nth(place)
        .ok_or(Code::InvalidCredentials)?;
    let at = moment(app);
    let grant = app
        .db
        .write(move |conn| service::sign_in(conn, &at, &account, &device))
        .await?;
    app.cache.forget(&counter).await;
    Ok(grant)
}

pub async fn activate(app: &App, typed: &str, password: String, device: Device) -> AppResult<Grant> {
    let code = rules::normalise_activation_code(typed).ok_or(Code::ActivationCodeInvalid)?;
    let (code_hash, now) = (hash_secret(&code), app.clock.now());
    let looked_up = code_hash.clone();
    let account = fresh(&app.db, move |conn| {
        service::find_activation(conn, now, &looked_up)
    })
    .await?;
    require_strong(app, &account, &password)?;
    let password_hash = app.auth.hasher().hash(password).await?;
    let at = moment(app);
    let work = move |conn: &mut _| service::activate(conn, &at, &code_hash, &password_hash, &device);
    let grant = app.db.write(work).await?;
    changes_noted(app).await;
    Ok(grant)
}

pub async fn refresh(app: &App, token: &str, device_id: Option<String>) -> AppResult<Grant> {
    let token = app
        .auth
        .read_refresh_token(token)
        .ok_or(Code::InvalidRefreshToken)?;
    let at = moment(app);
    let granted = app
        .db
        .write(move |conn| service::refresh(conn, &at, token, device_id.as_deref()))
        .await?;
    if granted.is_none() {
        changes_noted(app).await;
    }
    granted.ok_or_else(|| Code::InvalidRefreshToken.into())
}

pub async fn change_password(app: &App, actor: Actor, current: String, new: String) -> AppResult<()> {
    let account_id: AccountId = actor.account;
    let account = fresh(&app.db, move |conn| service::find_account(conn, account_id)).await?;
    let counter = format!("password:{account_id}");
    throttle(app, &counter).await?;
    let hashes = account.password_hash.iter().cloned().collect();
    app.auth
        .hasher()
        .verify(current, hashes)
        .await?
        .ok_or(Code::WrongPassword)?;
    require_strong(app, &account, &new)?;
    let password_hash = app.auth.hasher().hash(new).await?;
    let ctx = app.ctx(actor);
    app.db
        .write(move |conn| service::change_password(conn, &ctx, &account, &password_hash))
        .await?;
    app.cache.forget(&counter).await;
    changes_noted(app).await;
    Ok(())
}

fn moment(app: &App) -> Moment {
    Moment {
        now: app.clock.now(),
        ids: app.ids.clone(),
        refresh_token_s: app.config.auth.refresh_token_s,
    }
}

/// Counted before the password is looked at, so that many guesses at once do not get past; a success starts anew.
async fn throttle(app: &App, counter: &str) -> AppResult<()> {
    let (count, left_s) = app.cache.count(counter, HOUR).await;
    if count > app.config.auth.login_failures_per_hour {
        return Err(AppError::rate_limited(left_s.max(1)));
    }
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

/// Names in the cache tell nobody's phone number.
fn short_hash(text: &str) -> String {
    hex::encode(hash_secret(text).get(..16).unwrap_or_default())
}
