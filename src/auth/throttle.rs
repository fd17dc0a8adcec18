//! The limits of the open operations (RELIABILITY.md P13): by account first, by address second.

use std::time::Duration;

use futures_util::future::join_all;

use super::service;
use super::{AccountId, Actor};
use crate::app::App;
use crate::platform::error::{AppError, AppResult};
use crate::platform::limits::{Limit, Try};

const HOUR: Duration = Duration::from_secs(3_600);

pub fn sign_ins(app: &App) -> Limit {
    Limit::on_guesses("login", app.config.auth.login_failures_per_hour, HOUR)
}

pub fn password_changes(app: &App) -> Limit {
    Limit::on_guesses("password", app.config.auth.login_failures_per_hour, HOUR)
}

/// Failures of one operation from one address. A hall of honest people may be one address, so it is generous, and
/// whoever signs in on a known device is not asked: strangers behind the same address cannot lock them out.
pub fn by_address(app: &App, name: &'static str) -> Limit {
    Limit::on_addresses(name, app.config.auth.failures_per_address_per_hour, HOUR)
}

/// Before somebody changes their own phone number: `phone_taken` tells whether another member of the tenant has it.
pub async fn count_phone_change(app: &App, actor: &Actor) -> AppResult<()> {
    let limit = Limit::on_guesses("phone-change", app.config.auth.phone_changes_per_hour, HOUR);
    // That a number is free is an answer too: it stays counted.
    limit
        .admit(&app.cache, &actor.account.to_string())
        .await
        .map(drop)
}

/// Whose failure an attempt to sign in would be.
pub struct Subject {
    /// None where nobody was found under what was typed.
    pub account: Option<AccountId>,
    pub knows_device: bool,
    pub key: String,
}

/// The counted tries of one attempt to sign in: one for each account that it may be about.
pub struct SignInTries<'a> {
    tries: Vec<(Option<AccountId>, Try<'a>)>,
    refused: Option<AppError>,
}

impl<'a> SignInTries<'a> {
    /// 429 when none of the accounts has a try left.
    pub async fn count(app: &'a App, subjects: Vec<Subject>) -> AppResult<Self> {
        let limit = sign_ins(app);
        let asked = subjects.into_iter().map(|subject| async move {
            let (account, admitted) = (subject.account, limit.admit(&app.cache, &subject.key).await);
            if admitted.is_err() {
                note_throttled(app, subject);
            }
            (account, admitted)
        });
        let mut counted = Self {
            tries: Vec::new(),
            refused: None,
        };
        for (account, admitted) in join_all(asked).await {
            match admitted {
                Ok(admitted) => counted.tries.push((account, admitted)),
                Err(error) => counted.refused = Some(error),
            }
        }
        match counted.refused.take_if(|_| counted.tries.is_empty()) {
            Some(refused) => Err(refused),
            None => Ok(counted),
        }
    }

    pub fn admits(&self, account: AccountId) -> bool {
        self.tries.iter().any(|(own, _)| *own == Some(account))
    }

    /// The refusal of an account that had no try left while others had.
    pub fn refused(&mut self) -> Option<AppError> {
        self.refused.take()
    }

    /// Nothing was learned of any password.
    pub async fn give_back(&self) {
        join_all(self.tries.iter().map(|(_, counted)| counted.give_back())).await;
    }

    /// This account starts anew. The others keep their failure: else whoever gives their own account somebody else's
    /// phone number could set a guess as its password, sign in, and have guessed for free.
    pub async fn succeed(&self, account: AccountId) {
        for (own, counted) in &self.tries {
            if *own == Some(account) {
                counted.forget().await;
            }
        }
    }
}

/// In the audit log, once an hour for each: guessing must not fill it. Beside the answer, whose time would tell that
/// there is an account.
fn note_throttled(app: &App, subject: Subject) {
    let Some(account) = subject.account else { return };
    let (db, cache, ctx) = (app.db.clone(), app.cache.clone(), app.ctx(Actor::nobody()));
    tokio::spawn(async move {
        let once = Limit::on_guesses("login-noted", 1, HOUR);
        if once.admit(&cache, &subject.key).await.is_err() {
            return;
        }
        let noted = db.write(move |conn| service::note_throttled(conn, &ctx, account, subject.knows_device));
        if let Err(error) = noted.await {
            tracing::warn!(%error, "guessing at an account could not be recorded");
        }
    });
}
