//! Who asks: accounts, passwords, activation codes, sessions and tokens (RELIABILITY.md P10–P13).
//! Knows nothing of roles: those are read from the database in each transaction by `organizations`.
//!
//! A member's account has the member's id; the system admin's account has no member and no tenant.
//! Other slices call the services below inside their own transaction, then `note_changes` after the commit.

mod extract;
mod flows;
mod hasher;
mod http;
mod revocations;
mod rules;
mod service;
mod sessions;
mod sign_in;
mod state;
mod store;
mod throttle;
mod tokens;

use utoipa_actix_web::service_config::ServiceConfig;

pub use extract::{Actor, SignedIn, Stay, SystemAdmin, credentials};
pub use hasher::hash_password;
pub use rules::normalise_phone;
pub use service::{
    NewAccount, actor_of, create_account, create_accounts, create_system_admin, disable_account,
    enable_account, find_account, has_system_admin, issue_activation_code, issue_activation_codes,
    lock_account, lock_accounts, reissue_system_admin_code, set_password, update_account,
};
pub use state::{Auth, jobs, load_revocations, note_changes, sweep};
pub use store::AccountRow;
pub use throttle::count_phone_change;
#[cfg(feature = "failpoints")]
pub(crate) use tokens::Tokens;

crate::id_types! {
    /// An account; equal to its member's id where there is a member.
    AccountId,
    /// A family of refresh tokens: one sign-in on one device.
    SessionId,
}

/// The operations below `/api/v1/auth`.
pub fn configure(cfg: &mut ServiceConfig<'_>) {
    http::configure(cfg);
}
