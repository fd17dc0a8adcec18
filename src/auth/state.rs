//! `Auth`: what every request needs in memory, and how it keeps up with the database.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;

use super::hasher::Hasher;
use super::revocations::Revocations;
use super::rules::RefreshToken;
use super::tokens::Tokens;
use super::{AccountId, Actor, SessionId};
use super::{service, store};
use crate::app::App;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db::{Db, Instant};
use crate::platform::error::AppResult;
use crate::platform::jobs::Jobs;
use crate::platform::keys::Keys;

/// How long after the last second of an access token or an address its revocation is still remembered.
const SPARE_S: i64 = 60;

fn longest_s(config: &Config) -> i64 {
    config.auth.access_token_s.max(config.media.longest_url_s())
}

/// Makes and checks tokens, hashes passwords, knows who is locked out. Clones share everything.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    tokens: Tokens,
    hasher: Hasher,
    revocations: Revocations,
    keys: Arc<Keys>,
    /// How long what a session was given may hold: its access tokens, the addresses of files.
    longest_s: i64,
}

impl Auth {
    pub fn new(config: &Arc<Config>, keys: Arc<Keys>) -> Self {
        Self(Arc::new(Inner {
            tokens: Tokens::new(&config.auth, &keys),
            hasher: Hasher::new(&config.auth),
            revocations: Revocations::default(),
            keys,
            longest_s: longest_s(config),
        }))
    }

    /// Who holds this access token, if it is live and not revoked.
    pub fn check(&self, token: &str, now: Instant) -> Option<Actor> {
        self.0
            .tokens
            .check(token, now)
            .filter(|actor| !self.0.revocations.is_revoked(actor))
    }

    /// Is neither the session nor the account known to have ended?
    pub fn is_live(&self, account: AccountId, session: SessionId) -> bool {
        !self.0.revocations.is_ended(account, session)
    }

    /// An access token and the seconds it lives.
    pub fn access_token(&self, actor: &Actor, now: Instant) -> AppResult<(String, i64)> {
        Ok((self.0.tokens.make(actor, now)?, self.0.tokens.lifetime_s()))
    }

    pub(super) fn refresh_token(&self, token: RefreshToken) -> String {
        token.encode(&self.0.keys)
    }

    pub(super) fn read_refresh_token(&self, text: &str) -> Option<RefreshToken> {
        RefreshToken::decode(text, &self.0.keys)
    }

    pub(super) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    /// Learns what other processes, and this one, have revoked since the last time.
    pub async fn catch_up(&self, db: &Db, clock: &Clock) -> AppResult<()> {
        let (now, memory_s) = (clock.now(), self.0.longest_s + SPARE_S);
        let since = self.0.revocations.since(now, memory_s);
        let rows = db
            .read_fresh(move |conn| Ok(store::list_changes(conn, since)?))
            .await?;
        self.0.revocations.learn(rows, now, memory_s);
        Ok(())
    }
}

/// Once at start, before the first request: what was revoked while this process was not there.
pub async fn load_revocations(app: &App) -> AppResult<()> {
    app.auth.catch_up(&app.db, &app.clock).await
}

/// After a commit that disabled or enabled an account: this process learns of it now, the others by their poll.
pub fn note_changes(app: &App) {
    let (auth, db, clock) = (app.auth.clone(), app.db.clone(), app.clock.clone());
    tokio::spawn(async move {
        if let Err(error) = auth.catch_up(&db, &clock).await {
            tracing::warn!(%error, "revocations could not be read; the poll tries again");
        }
    });
}

/// `note_changes` that has happened when it returns.
pub(super) async fn changes_noted(app: &App) {
    if let Err(error) = app.auth.catch_up(&app.db, &app.clock).await {
        tracing::warn!(%error, "revocations could not be read; the poll tries again");
    }
}

/// Learning of ended sessions and accounts every 400 ms; clearing away what has expired every hour.
pub fn jobs(jobs: &mut Jobs, app: &web::Data<App>) {
    let polled = app.clone();
    jobs.every("auth changes", Duration::from_millis(400), move || {
        let app = polled.clone();
        async move { app.auth.catch_up(&app.db, &app.clock).await }
    });
    let swept = app.clone();
    jobs.every("auth sweep", Duration::from_secs(3_600), move || {
        let app = swept.clone();
        async move { sweep(&app).await }
    });
}

/// Clears away what has ended long ago.
pub async fn sweep(app: &App) -> AppResult<()> {
    let (now, longest_s) = (app.clock.now(), longest_s(&app.config));
    app.db
        .sweep(move |conn| service::sweep_sessions(conn, now))
        .await?;
    app.db
        .sweep(move |conn| service::sweep_changes(conn, now, longest_s))
        .await
}
