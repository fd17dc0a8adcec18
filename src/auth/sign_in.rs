//! Signing in with a password. Every refusal looks the same, takes the same and is counted the same, whether there is
//! an account or not; what cannot be told apart by its answer must not be told apart by its time either.

use super::Actor;
use super::rules;
use super::service;
use super::sessions::{self, Device, Grant};
use super::store::{self, AccountRow};
use super::throttle::{self, SignInTries, Subject};
use crate::app::App;
use crate::organizations::OrganizationId;
use crate::platform::error::{AppResult, Code};

/// Names are unique in a tenant only: one person may have accounts in several under the same phone number.
const MAX_CANDIDATES: usize = 8;

pub struct SignIn {
    pub typed: String,
    pub password: String,
    /// Narrows the accounts to those of this tenant.
    pub tenant: Option<OrganizationId>,
    pub device: Device,
}

/// Who it may be, in the order in which a password that fits several is taken to be theirs.
#[derive(Clone)]
struct Candidate {
    account: AccountRow,
    knows_device: bool,
}

pub async fn login(app: &App, wish: SignIn, address: &str) -> AppResult<Grant> {
    let found = candidates(app, &wish).await?;
    let by_address = throttle::by_address(app, "login-address");
    let is_stranger = !found.iter().any(|candidate| candidate.knows_device);
    if is_stranger {
        by_address.check(&app.cache, address).await?;
    }
    let tag = tag(app, &wish);
    let subjects = subjects(app, &wish, &found, &tag);
    let mut tries = SignInTries::count(app, subjects).await?;
    let outcome = verify(app, wish, found, &tag, &mut tries).await;
    match &outcome {
        Ok(grant) => tries.succeed(grant.actor.account).await,
        Err(error) if matches!(error.code(), Code::InvalidCredentials | Code::RateLimited) => {
            if is_stranger {
                by_address.note(&app.cache, address).await;
            }
        }
        Err(_) => tries.give_back().await,
    }
    outcome
}

async fn candidates(app: &App, wish: &SignIn) -> AppResult<Vec<Candidate>> {
    let (typed, tenant, device) = (wish.typed.clone(), wish.tenant, wish.device.id.clone());
    app.db
        .read_fresh(move |conn| {
            let accounts = service::list_sign_in_candidates(conn, &typed, tenant, MAX_CANDIDATES)?;
            let mut found = Vec::with_capacity(accounts.len());
            for account in accounts {
                let knows_device = match &device {
                    Some(device) => store::knows_device(conn, account.id, device)?,
                    None => false,
                };
                found.push(Candidate {
                    account,
                    knows_device,
                });
            }
            Ok(found)
        })
        .await
}

/// Of what was typed, in one spelling and under a key: the cache tells nobody's phone number.
fn tag(app: &App, wish: &SignIn) -> [u8; 32] {
    let name =
        rules::normalise_phone(&wish.typed).unwrap_or_else(|| rules::normalise_account_name(&wish.typed));
    let tenant = wish.tenant.map(|id| *id.0.as_bytes()).unwrap_or_default();
    app.keys.current.sign_in.tag(&[&tenant, name.as_bytes()])
}

/// A device that has signed in before counts for itself: strangers cannot lock its owner out.
fn subjects(app: &App, wish: &SignIn, found: &[Candidate], tag: &[u8; 32]) -> Vec<Subject> {
    if found.is_empty() {
        let key = hex::encode(tag.get(..16).unwrap_or_default());
        return vec![Subject {
            account: None,
            knows_device: false,
            key,
        }];
    }
    let device = wish.device.id.as_deref().unwrap_or_default();
    let device = hex::encode(app.keys.current.sign_in.tag(&[device.as_bytes()]));
    let subject = |candidate: &Candidate| {
        let account = candidate.account.id;
        let key = match candidate.knows_device {
            true => format!("{account}:{device}"),
            false => account.to_string(),
        };
        Subject {
            account: Some(account),
            knows_device: candidate.knows_device,
            key,
        }
    };
    found.iter().map(subject).collect()
}

async fn verify(
    app: &App,
    wish: SignIn,
    found: Vec<Candidate>,
    tag: &[u8; 32],
    tries: &mut SignInTries<'_>,
) -> AppResult<Grant> {
    // Each with its hash: whoever has none must not be taken for the next one.
    let with_hash = |candidate: Candidate| {
        let hash = candidate.account.password_hash.clone()?;
        Some((candidate, hash))
    };
    let (found, hashes): (Vec<Candidate>, Vec<String>) = found.into_iter().filter_map(with_hash).unzip();
    // In one tenant there is rarely more than one, and never many.
    let at_least = match wish.tenant {
        Some(_) => 1,
        None => rules::least_hashes(tag, MAX_CANDIDATES),
    };
    let fits = app.auth.hasher().verify(wish.password, hashes, at_least).await?;
    let theirs = found
        .into_iter()
        .zip(fits)
        .find(|(candidate, fits)| *fits && tries.admits(candidate.account.id));
    let Some((candidate, _)) = theirs else {
        return Err(tries.refused().unwrap_or_else(|| Code::InvalidCredentials.into()));
    };
    let (ctx, device) = (app.ctx(Actor::nobody()), wish.device);
    app.db
        .write(move |conn| sessions::sign_in(conn, &ctx, &candidate.account, &device))
        .await
}
