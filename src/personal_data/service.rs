//! Who may have what, and the order of an erasure.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::store::{self, AnswerKey, ErasureRow};
use super::tables::TABLES;
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::leaderboards;
use crate::members::{self, MemberId, MemberRow};
use crate::organizations::{self, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppResult, Code};
use crate::sharing;
use crate::webhooks;

/// Rows by the name of their table; tables without any are left out.
pub type Records = BTreeMap<&'static str, Vec<Value>>;

/// All that is held about the actor.
pub fn export(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Records> {
    let me = ctx.actor.member()?;
    let mut records = Records::new();
    for table in TABLES {
        let rows = store::list_rows(conn, table, me)?;
        if !rows.is_empty() {
            records.insert(table.name, rows);
        }
    }
    Ok(records)
}

/// What others' rows say of a member, as it was `at` that time.
#[derive(Debug, Clone)]
pub struct Mentions {
    member: MemberId,
    at: Instant,
    /// Not of who was active.
    has_looked: bool,
    lines: Vec<Uuid>,
    answers: Vec<AnswerKey>,
}

/// What was written while it was looked for is dated at most so long before: no request and no job takes longer.
const LATENESS_S: i64 = 3_600;

/// Looks for what is said of a person who is to be erased. It reads the whole log, so it comes before the transaction of
/// `erase`, which on SQLite nobody else's goes beside.
pub fn find_mentions(conn: &mut DbConnection, ctx: &Ctx, id: MemberId) -> AppResult<Mentions> {
    let member = members::find_member(conn, id)?;
    require_erasable(conn, ctx, &member)?;
    // Others `erase` has an answer for that needs no looking.
    let has_looked = member.deactivated_at.is_some() && !store::is_erased(conn, id)?;
    let (lines, answers) = match has_looked {
        true => store::list_mentions(conn, member.tenant_id, id, None)?,
        false => (Vec::new(), Vec::new()),
    };
    Ok(Mentions {
        member: id,
        at: ctx.now,
        has_looked,
        lines,
        answers,
    })
}

/// Empties what tells of a person who has left. By whoever manages the organization, and may do no less than they could.
/// It cannot be taken back; done before, nothing changes. Of what others' rows say that is `known`; what came since is
/// looked for here.
pub fn erase(conn: &mut DbConnection, ctx: &Ctx, known: &Mentions) -> AppResult<()> {
    let id = known.member;
    let seen = members::find_member(conn, id)?;
    require_erasable(conn, ctx, &seen)?;
    let member = members::hold_member(conn, id)?;
    organizations::require_ever(conn, ctx, member.organization_id, Right::ManageOrganization)?;
    if store::is_erased(conn, id)? {
        return Ok(());
    }
    if member.deactivated_at.is_none() || !known.has_looked {
        return Err(Code::MemberActive.into());
    }
    sharing::withdraw_all(conn, ctx, id)?;
    for table in TABLES {
        store::erase_rows(conn, table, id)?;
    }
    let since = known.at.plus_s(-LATENESS_S);
    let (mut lines, mut answers) = store::list_mentions(conn, member.tenant_id, id, Some(since))?;
    lines.extend(&known.lines);
    answers.extend(known.answers.iter().cloned());
    store::empty_mentions(conn, lines, &answers)?;
    webhooks::forget(conn, member.tenant_id, id)?;
    // Boards and other processes must forget the name, too.
    leaderboards::members_moved(conn, &ctx.ids, ctx.now, member.tenant_id, &[(id, None)])?;
    let erasure = ErasureRow {
        member_id: id,
        tenant_id: member.tenant_id,
        erased_at: ctx.now,
        erased_by: ctx.actor.account,
    };
    store::insert_erasure(conn, &erasure)?;
    let entry = Entry::of(
        "member.erase",
        id.0,
        member.tenant_id,
        member.organization_id,
        json!({}),
    );
    audit::record(conn, ctx, entry)
}

fn require_erasable(conn: &mut DbConnection, ctx: &Ctx, member: &MemberRow) -> AppResult<()> {
    // Of an archived organization too: by those above it.
    organizations::require_ever(conn, ctx, member.organization_id, Right::ManageOrganization)?;
    organizations::require_over(conn, ctx, member.id)
}

/// Nobody comes back whose name is not known any more.
pub fn is_erased(conn: &mut DbConnection, member: MemberId) -> AppResult<bool> {
    Ok(store::is_erased(conn, member)?)
}
