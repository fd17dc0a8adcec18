//! What may happen to sessions: their beginning by a password or a code, their refresh, their end. Each function runs
//! inside its caller's transaction; whoever ends a session also tells the other processes through `auth_changes`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::rules::{self, RefreshToken, Rotation, SessionState};
use super::service::find_account;
use super::store::{self, AccountRow, BY_OWNER, NewChange, REUSED, SessionRow};
use super::{AccountId, Actor, SessionId};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::members::{self, MemberId, MemberSummary};
use crate::organizations;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::ids::Ids;

/// Where somebody signs in from.
#[derive(Debug, Clone, Default)]
pub struct Device {
    pub id: Option<String>,
    pub name: Option<String>,
}

/// A sign-in or a refresh that was granted; the tokens are made from it after the commit.
#[derive(Clone)]
pub struct Grant {
    pub actor: Actor,
    pub generation: i32,
    pub member: Option<MemberSummary>,
}

/// Begins a session if the account is still as it was when its password was verified.
pub fn sign_in(conn: &mut DbConnection, ctx: &Ctx, seen: &AccountRow, device: &Device) -> AppResult<Grant> {
    let account = store::find_account_for_update(conn, seen.id)?.ok_or(Code::InvalidCredentials)?;
    if account.disabled_at.is_some() || account.password_hash != seen.password_hash {
        return Err(Code::InvalidCredentials.into());
    }
    start_session(conn, ctx, &account, device)
}

/// Uses an activation code up, sets the password, ends what sessions there were and begins one.
pub fn activate(
    conn: &mut DbConnection,
    ctx: &Ctx,
    code_hash: &[u8],
    password_hash: &str,
    device: &Device,
) -> AppResult<Grant> {
    let code = store::find_code(conn, code_hash, ctx.now)?.ok_or(Code::ActivationCodeInvalid)?;
    let account = store::find_account_for_update(conn, code.account)?.ok_or(Code::ActivationCodeInvalid)?;
    if account.disabled_at.is_some() || !is_backed(conn, ctx, &account, code.issuer)? {
        return Err(Code::ActivationCodeInvalid.into());
    }
    if store::use_code(conn, code_hash, ctx.now)? != 1 {
        return Err(Code::ActivationCodeInvalid.into());
    }
    store::end_codes(conn, account.id, ctx.now)?;
    store::update_password(conn, account.id, password_hash, ctx.now)?;
    end_sessions(conn, ctx, account.id, None, "activation")?;
    let grant = start_session(conn, ctx, &account, device)?;
    let detail = json!({ "reset": account.password_hash.is_some() });
    let by = by(ctx, &account, grant.actor.session);
    note(conn, &by, &account, "account.activate", account.id.0, detail)?;
    Ok(grant)
}

/// A code is worth no more than whoever issued it still is: one that was kept must not open the account of somebody who
/// has been given more rights since, nor reset a password once its issuer has left, or may not give such codes any more.
/// What was printed for people who have not begun yet outlives a change of office.
fn is_backed(
    conn: &mut DbConnection,
    ctx: &Ctx,
    account: &AccountRow,
    issuer: Option<AccountId>,
) -> AppResult<bool> {
    // Whoever issues codes on the machine itself has no account.
    let Some(issuer) = issuer else { return Ok(true) };
    let Some(issuer) = store::find_account(conn, issuer)? else {
        return Ok(true);
    };
    let theirs = by(ctx, &issuer, SessionId(Uuid::nil()));
    let resets = account.password_hash.is_some();
    if resets && (issuer.disabled_at.is_some() || !members::may_manage(conn, &theirs, account.id.into())?) {
        return Ok(false);
    }
    match organizations::require_over(conn, &theirs, MemberId::from(account.id)) {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Code::Forbidden => Ok(false),
        Err(error) => Err(error),
    }
}

/// The account of an activation code that is good so far.
pub fn find_activation(conn: &mut DbConnection, now: Instant, code_hash: &[u8]) -> AppResult<AccountRow> {
    let code = store::find_code(conn, code_hash, now)?.ok_or(Code::ActivationCodeInvalid)?;
    let account = store::find_account(conn, code.account)?.filter(|account| account.disabled_at.is_none());
    account.ok_or_else(|| Code::ActivationCodeInvalid.into())
}

/// Live sessions of one account; beginning one more ends the one that was used longest ago.
const SESSIONS: usize = 50;

/// The caller holds the account's row locked.
fn start_session(
    conn: &mut DbConnection,
    ctx: &Ctx,
    account: &AccountRow,
    device: &Device,
) -> AppResult<Grant> {
    let row = SessionRow {
        id: ctx.ids.make(),
        tenant_id: account.tenant_id,
        account_id: account.id,
        device_id: device.id.clone(),
        device_name: device.name.clone(),
        generation: 0,
        rotated_at: ctx.now,
        created_at: ctx.now,
        last_used_at: ctx.now,
        expires_at: ctx.now.plus_s(ctx.config.auth.refresh_token_s),
        revoked_at: None,
        revoke_reason: None,
    };
    let live = store::list_live_session_ids(conn, account.id, ctx.now)?;
    if let Some(too_many) = live.get(SESSIONS - 1..) {
        end_all(conn, ctx, account.id, too_many, "too_many")?;
    }
    store::insert_session(conn, &row)?;
    grant(conn, account, row.id, 0)
}

fn grant(
    conn: &mut DbConnection,
    account: &AccountRow,
    session: SessionId,
    generation: i32,
) -> AppResult<Grant> {
    let member = match account.is_system_admin {
        true => None,
        false => members::summary(conn, MemberId::from(account.id.0))?,
    };
    Ok(Grant {
        actor: actor(account, session),
        generation,
        member,
    })
}

/// The same moment, with this account as the one who acts.
fn by(ctx: &Ctx, account: &AccountRow, session: SessionId) -> Ctx {
    Ctx {
        actor: actor(account, session),
        ..ctx.clone()
    }
}

pub(super) fn actor(account: &AccountRow, session: SessionId) -> Actor {
    Actor {
        account: account.id,
        session,
        tenant: account.tenant_id,
        is_system_admin: account.is_system_admin,
    }
}

/// Rotates a refresh token. None means refused; then what was revoked must be committed, so it is no error here.
pub fn refresh(
    conn: &mut DbConnection,
    ctx: &Ctx,
    token: RefreshToken,
    device_id: Option<&str>,
) -> AppResult<Option<Grant>> {
    let Some(session) = store::find_session_for_update(conn, token.session)? else {
        return Ok(None);
    };
    let Some(account) = store::find_account(conn, session.account_id)? else {
        return Ok(None);
    };
    if account.disabled_at.is_some() {
        return Ok(None);
    }
    let state = SessionState {
        generation: session.generation,
        rotated_at: session.rotated_at,
        device_id: session.device_id,
        expires_at: session.expires_at,
        is_revoked: session.revoked_at.is_some(),
    };
    let generation = match rules::decide_rotation(&state, token.generation, device_id, ctx.now) {
        Rotation::Advance => {
            let expires_at = ctx.now.plus_s(ctx.config.auth.refresh_token_s);
            if store::advance_session(conn, session.id, state.generation, ctx.now, expires_at)? != 1 {
                return Ok(None);
            }
            state.generation.saturating_add(1)
        }
        Rotation::Repeat => state.generation,
        Rotation::Reuse => {
            end_session(conn, ctx, account.id, session.id, REUSED)?;
            let detail = json!({ "reason": REUSED });
            note(
                conn,
                &by(ctx, &account, session.id),
                &account,
                "session.end",
                session.id.0,
                detail,
            )?;
            return Ok(None);
        }
        Rotation::Ended => return Ok(None),
    };
    grant(conn, &account, session.id, generation).map(Some)
}

/// Sets a new password if the old one is still what was verified, and ends the other sessions.
pub fn change_password(
    conn: &mut DbConnection,
    ctx: &Ctx,
    seen: &AccountRow,
    password_hash: &str,
) -> AppResult<()> {
    let account = store::find_account_for_update(conn, seen.id)?.ok_or(Code::Unauthorized)?;
    if account.password_hash != seen.password_hash {
        return Err(Code::WrongPassword.into());
    }
    store::update_password(conn, account.id, password_hash, ctx.now)?;
    store::end_codes(conn, account.id, ctx.now)?;
    end_sessions(conn, ctx, account.id, Some(ctx.actor.session), "password_changed")?;
    note(
        conn,
        ctx,
        &account,
        "account.change_password",
        account.id.0,
        json!({}),
    )
}

/// Ends the session of the token that asks.
pub fn sign_out(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<()> {
    end_session(conn, ctx, ctx.actor.account, ctx.actor.session, "signed_out")?;
    Ok(())
}

/// Ends one of the actor's own sessions; somebody else's is not found. Repeating it is harmless.
pub fn delete_session(conn: &mut DbConnection, ctx: &Ctx, id: SessionId) -> AppResult<()> {
    let session = store::find_session(conn, id)?.filter(|session| session.account_id == ctx.actor.account);
    let session = session.ok_or_else(AppError::not_found)?;
    if end_session(conn, ctx, ctx.actor.account, session.id, BY_OWNER)? {
        let account = find_account(conn, ctx.actor.account)?;
        note(
            conn,
            ctx,
            &account,
            "session.end",
            id.0,
            json!({ "reason": BY_OWNER }),
        )?;
    }
    Ok(())
}

/// Ends the live sessions of an account but one.
pub fn end_sessions(
    conn: &mut DbConnection,
    ctx: &Ctx,
    account: AccountId,
    except: Option<SessionId>,
    reason: &str,
) -> AppResult<()> {
    let mut live = store::list_live_session_ids(conn, account, ctx.now)?;
    live.retain(|session| Some(*session) != except);
    end_all(conn, ctx, account, &live, reason)
}

fn end_all(
    conn: &mut DbConnection,
    ctx: &Ctx,
    account: AccountId,
    sessions: &[SessionId],
    reason: &str,
) -> AppResult<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    store::revoke_sessions(conn, sessions, ctx.now, reason)?;
    let changes: Vec<NewChange> = sessions
        .iter()
        .map(|session| NewChange {
            id: ctx.ids.make(),
            account_id: account,
            session_id: Some(*session),
            is_revoked: true,
            changed_at: ctx.now,
        })
        .collect();
    store::insert_changes(conn, &changes)?;
    Ok(())
}

/// False when it had ended before.
fn end_session(
    conn: &mut DbConnection,
    ctx: &Ctx,
    account: AccountId,
    session: SessionId,
    reason: &str,
) -> AppResult<bool> {
    let ends = store::revoke_session(conn, session, ctx.now, reason)? == 1;
    if ends {
        tell(conn, &ctx.ids, ctx.now, account, Some(session), true)?;
    }
    Ok(ends)
}

/// What every process must learn within a second.
pub fn tell(
    conn: &mut DbConnection,
    ids: &Ids,
    changed_at: Instant,
    account_id: AccountId,
    session_id: Option<SessionId>,
    is_revoked: bool,
) -> AppResult<()> {
    let change = NewChange {
        id: ids.make(),
        account_id,
        session_id,
        is_revoked,
        changed_at,
    };
    store::insert_changes(conn, &[change])?;
    Ok(())
}

/// Puts it on record, where the account's owner belongs.
pub fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    account: &AccountRow,
    action: &str,
    object: Uuid,
    detail: Value,
) -> AppResult<()> {
    let home = match account.is_system_admin {
        true => None,
        false => Some(members::find_member(conn, MemberId::from(account.id))?.organization_id),
    };
    let entry = Entry {
        action,
        object,
        tenant: account.tenant_id,
        organization: home,
        detail,
    };
    audit::record(conn, ctx, entry)
}
