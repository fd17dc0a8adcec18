//! What may happen to accounts and activation codes, and what else must change with it. Each function runs inside its
//! caller's transaction.

use diesel::QueryResult;
use serde_json::json;

use super::rules;
use super::sessions::{self, end_sessions, note, tell};
use super::store::{self, AccountRow, NewCode};
use super::{AccountId, Actor, SessionId};
use crate::app::Ctx;
use crate::members;
use crate::organizations::OrganizationId;
use crate::platform::config::AuthConfig;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Conflict};
use crate::platform::ids::Ids;
use crate::platform::keys::hash_secret;
use crate::platform::text::Patch;

/// An account to be made; it has no password until its activation code is used.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The member's uuid.
    pub id: AccountId,
    pub tenant: Option<OrganizationId>,
    pub account_name: Option<String>,
    pub phone: Option<String>,
}

/// Makes an account. Names and numbers are normalised; `phone_taken` or `account_name_taken` inside the tenant.
pub fn create_account(conn: &mut DbConnection, ctx: &Ctx, new: NewAccount) -> AppResult<()> {
    let account_name = new.account_name.as_deref().map(account_name).transpose()?;
    let phone = new.phone.as_deref().map(phone).transpose()?;
    if let Some(name) = &account_name {
        free(
            store::find_by_name(conn, new.tenant, name)?,
            Code::AccountNameTaken,
        )?;
    }
    if let Some(phone) = &phone {
        free(store::find_by_phone(conn, new.tenant, phone)?, Code::PhoneTaken)?;
    }
    let on_race = if phone.is_some() {
        Code::PhoneTaken
    } else {
        Code::AccountNameTaken
    };
    let row = AccountRow {
        account_name,
        phone,
        ..blank(new.id, new.tenant, ctx.now)
    };
    store::insert_account(conn, &row).on_conflict_is(on_race)?;
    Ok(())
}

/// Makes many at once, for people whom the caller has looked up already: a name or number that somebody took meanwhile
/// runs the transaction again.
pub fn create_accounts(conn: &mut DbConnection, ctx: &Ctx, new: Vec<NewAccount>) -> AppResult<()> {
    let mut rows = Vec::with_capacity(new.len());
    for new in new {
        rows.push(AccountRow {
            account_name: new.account_name.as_deref().map(account_name).transpose()?,
            phone: new.phone.as_deref().map(phone).transpose()?,
            ..blank(new.id, new.tenant, ctx.now)
        });
    }
    store::insert_accounts(conn, &rows).map_err(AppError::overtaken)
}

/// Has the first start made a system admin already?
pub fn has_system_admin(conn: &mut DbConnection) -> AppResult<bool> {
    Ok(store::count_system_admins(conn)? > 0)
}

/// Makes the account that makes tenants; `account_name_taken` when there is one of that name.
pub fn create_system_admin(
    conn: &mut DbConnection,
    now: Instant,
    ids: &Ids,
    name: &str,
) -> AppResult<AccountId> {
    let id: AccountId = ids.make();
    let name = account_name(name)?;
    free(store::find_by_name(conn, None, &name)?, Code::AccountNameTaken)?;
    let row = AccountRow {
        account_name: Some(name),
        is_system_admin: true,
        ..blank(id, None, now)
    };
    store::insert_account(conn, &row).on_conflict_is(Code::AccountNameTaken)?;
    Ok(id)
}

fn blank(id: AccountId, tenant_id: Option<OrganizationId>, now: Instant) -> AccountRow {
    AccountRow {
        id,
        tenant_id,
        account_name: None,
        phone: None,
        password_hash: None,
        is_system_admin: false,
        disabled_at: None,
        created_at: now,
        updated_at: now,
    }
}

fn account_name(text: &str) -> AppResult<String> {
    let name = rules::normalise_account_name(text);
    if rules::is_account_name(&name) {
        return Ok(name);
    }
    let allowed = "is not 2 to 64 letters, digits, '.', '_', '-', '@', with a letter among them";
    Err(AppError::invalid_field("/account_name", "malformed", allowed))
}

fn phone(text: &str) -> AppResult<String> {
    rules::normalise_phone(text).ok_or_else(|| {
        AppError::invalid_field("/phone", "malformed", "is not a phone number of 5 to 15 digits")
    })
}

/// The index would say the same, but only of the first name or number that is taken.
fn free(holder: Option<AccountId>, code: Code) -> AppResult<()> {
    holder.map_or(Ok(()), |_| Err(code.into()))
}

pub fn find_account(conn: &mut DbConnection, id: AccountId) -> AppResult<AccountRow> {
    store::find_account(conn, id)?.ok_or_else(AppError::not_found)
}

/// Whoever an account is now, for work that goes on in its name while nobody is signed in: 403 when it is disabled.
pub fn actor_of(conn: &mut DbConnection, id: AccountId) -> AppResult<Actor> {
    let account = find_account(conn, id)?;
    match account.disabled_at {
        Some(_) => Err(AppError::forbidden()),
        None => Ok(sessions::actor(&account, SessionId(uuid::Uuid::nil()))),
    }
}

/// Changes what the patch names; null takes the name or number away. Has it changed anything?
pub fn update_account(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: AccountId,
    new_name: Patch<String>,
    new_phone: Patch<String>,
) -> AppResult<bool> {
    let account = find_account(conn, id)?;
    let tenant = account.tenant_id;
    let name = new_name.map(|name| name.as_deref().map(account_name).transpose());
    let name = name.transpose()?.filter(|name| *name != account.account_name);
    let number = new_phone.map(|number| number.as_deref().map(phone).transpose());
    let number = number.transpose()?.filter(|number| *number != account.phone);
    let changes = name.is_some() || number.is_some();
    if let Some(name) = name {
        if let Some(name) = &name {
            free(store::find_by_name(conn, tenant, name)?, Code::AccountNameTaken)?;
        }
        store::update_account_name(conn, id, name.as_deref(), ctx.now)
            .on_conflict_is(Code::AccountNameTaken)?;
    }
    if let Some(number) = number {
        if let Some(number) = &number {
            free(store::find_by_phone(conn, tenant, number)?, Code::PhoneTaken)?;
        }
        store::update_phone(conn, id, number.as_deref(), ctx.now).on_conflict_is(Code::PhoneTaken)?;
    }
    Ok(changes)
}

/// Locks an account out: no sign-in, no refresh, and within a second no access. Repeating it is harmless.
pub fn disable_account(conn: &mut DbConnection, ctx: &Ctx, id: AccountId) -> AppResult<()> {
    // Held first: a sign-in that is under way comes either before this, and is revoked, or after, and is refused.
    let account = store::find_account_for_update(conn, id)?.ok_or_else(AppError::not_found)?;
    if account.disabled_at.is_none() {
        store::update_disabled(conn, id, Some(ctx.now), ctx.now)?;
        tell(conn, &ctx.ids, ctx.now, id, None, true)?;
    }
    end_sessions(conn, ctx, id, None, store::DISABLED)
}

/// Lets an account sign in again; its former sessions stay ended.
pub fn enable_account(conn: &mut DbConnection, ctx: &Ctx, id: AccountId) -> AppResult<()> {
    let account = store::find_account_for_update(conn, id)?.ok_or_else(AppError::not_found)?;
    if account.disabled_at.is_some() {
        store::update_disabled(conn, id, None, ctx.now)?;
        tell(conn, &ctx.ids, ctx.now, id, None, false)?;
    }
    Ok(())
}

/// Sets a password that was hashed with `hash_password`. Ends no session: for new accounts (demo, command line).
pub fn set_password(
    conn: &mut DbConnection,
    now: Instant,
    id: AccountId,
    password_hash: &str,
) -> AppResult<()> {
    match store::update_password(conn, id, password_hash, now)? {
        0 => Err(AppError::not_found()),
        _ => Ok(()),
    }
}

/// The account, held until the transaction ends.
pub fn lock_account(conn: &mut DbConnection, id: AccountId) -> AppResult<AccountRow> {
    store::find_account_for_update(conn, id)?.ok_or_else(AppError::not_found)
}

/// The accounts that are there, held until the transaction ends, in the order of their ids.
pub fn lock_accounts(
    conn: &mut DbConnection,
    ids: impl IntoIterator<Item = AccountId>,
) -> AppResult<Vec<AccountRow>> {
    Ok(store::list_accounts_for_update(conn, ids)?)
}

/// Makes a one-use code like `K7QF-9XM2-P4TD` that sets the password, and ends older ones. It is told here once: only
/// its hash is kept. The account is held meanwhile: of codes that are issued at once, the last one is good.
pub fn issue_activation_code(
    conn: &mut DbConnection,
    now: Instant,
    ids: &Ids,
    config: &AuthConfig,
    account: AccountId,
    by: Option<AccountId>,
) -> AppResult<String> {
    let account = lock_account(conn, account)?;
    let codes = issue_activation_codes(conn, now, ids, config, &[&account], by)?;
    let code = codes.into_iter().next();
    code.ok_or_else(|| AppError::internal("no code for an account"))
}

/// The same for many accounts, which the caller holds: their codes, in the order of the accounts.
pub fn issue_activation_codes(
    conn: &mut DbConnection,
    now: Instant,
    ids: &Ids,
    config: &AuthConfig,
    accounts: &[&AccountRow],
    by: Option<AccountId>,
) -> AppResult<Vec<String>> {
    store::end_codes_of(conn, accounts.iter().map(|account| account.id), now)?;
    let (mut codes, mut rows) = (Vec::new(), Vec::new());
    for account in accounts {
        let code = rules::activation_code(rand::random());
        rows.push(NewCode {
            id: ids.make(),
            tenant_id: account.tenant_id,
            account_id: account.id,
            code_hash: hash_secret(&code.replace('-', "")),
            created_at: now,
            created_by: by,
            expires_at: now.plus_s(config.activation_code_s),
        });
        codes.push(code);
    }
    store::insert_codes(conn, &rows)?;
    Ok(codes)
}

/// A new code for a system admin who has lost the first one, or the password. For the command line.
pub fn reissue_system_admin_code(conn: &mut DbConnection, ctx: &Ctx, name: &str) -> AppResult<String> {
    let id = store::find_by_name(conn, None, &account_name(name)?)?.ok_or_else(AppError::not_found)?;
    let account = lock_account(conn, id)?;
    if account.disabled_at.is_some() {
        return Err(AppError::not_found());
    }
    note(conn, ctx, &account, "account.issue_reset_code", id.0, json!({}))?;
    issue_activation_code(conn, ctx.now, &ctx.ids, &ctx.config.auth, id, None)
}

/// For the log: somebody guesses at an account, on a device that it knows or on others.
pub fn note_throttled(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: AccountId,
    known_device: bool,
) -> AppResult<()> {
    let account = find_account(conn, id)?;
    let detail = json!({ "known_device": known_device });
    note(conn, ctx, &account, "account.throttle", id.0, detail)
}

/// Whose account this may be, at most `most` and, with a tenant, only its accounts: those of that phone number or
/// account name, then those of that employee number (a roster may hold nothing else), the older before the younger.
pub fn list_sign_in_candidates(
    conn: &mut DbConnection,
    typed: &str,
    tenant: Option<OrganizationId>,
    most: usize,
) -> AppResult<Vec<AccountRow>> {
    let (name, phone) = (
        rules::normalise_account_name(typed),
        rules::normalise_phone(typed),
    );
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let mut found = store::list_sign_in_candidates(conn, &name, phone.as_deref(), tenant, limit)?;
    for id in members::list_by_employee_no(conn, typed, tenant, limit)? {
        if found.len() < most && found.iter().all(|account| account.id != id.into()) {
            found.extend(store::find_account(conn, id.into())?);
        }
    }
    Ok(found)
}

/// Clears away sessions a month after their end, some at a time.
pub fn sweep_sessions(conn: &mut DbConnection, now: Instant) -> QueryResult<usize> {
    store::delete_some_sessions(conn, now.plus_s(-30 * 86_400))
}

/// The same of changes that every process knows or no longer needs.
pub fn sweep_changes(conn: &mut DbConnection, now: Instant, longest_s: i64) -> QueryResult<usize> {
    store::delete_some_changes(conn, now.plus_s(-longest_s - 3_600))
}
