//! A member's own inbox: read, marked, and set up. Nobody else reads it.

use serde_json::json;

use super::NoticeId;
use super::post::{muted_of, quiet_of};
use super::rules::{self, Kind, NoticeData, QUIET, QuietHours};
use super::store::{self, NoticeRow, SettingsRow};
use crate::app::Ctx;
use crate::members::MemberId;
use crate::platform::db::{DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::page::{Found, Page};

/// A notice as it is shown: with words in the reader's language.
#[derive(Debug, Clone)]
pub struct Told {
    pub row: NoticeRow,
    pub kind: Kind,
    pub headline: String,
    pub text: String,
}

impl Told {
    fn of(row: NoticeRow, language: Language) -> AppResult<Self> {
        let kind = Kind::parse(&row.kind).ok_or_else(|| AppError::internal("a notice of unknown kind"))?;
        let data: NoticeData = serde_json::from_value(row.data.0.clone())
            .map_err(|error| AppError::internal(format!("an unreadable notice: {error}")))?;
        let (headline, text) = rules::words(kind, language, &data);
        Ok(Self {
            row,
            kind,
            headline,
            text,
        })
    }
}

/// My notices, the newest first.
pub fn list_mine(
    conn: &mut DbConnection,
    ctx: &Ctx,
    unread: bool,
    language: Language,
    page: &Page<NoticeId>,
) -> AppResult<Found<Told>> {
    let found = store::list_notices(conn, ctx.actor.member()?, unread, page)?;
    let rows = found.rows.into_iter().map(|row| Told::of(row, language));
    Ok(Found {
        rows: rows.collect::<AppResult<_>>()?,
        count: found.count,
    })
}

/// How many of my notices I have not read. No permission asked.
pub fn count_unread(conn: &mut DbConnection, member: MemberId) -> AppResult<i64> {
    Ok(store::count_unread(conn, member)?)
}

/// What a live inbox shows.
pub struct Inbox {
    pub unread: i64,
    /// The newest ten.
    pub latest: Vec<Told>,
}

pub fn inbox(conn: &mut DbConnection, member: MemberId, language: Language) -> AppResult<Inbox> {
    let mut rows = store::list_notices(conn, member, false, &Page::first(10))?.rows;
    rows.truncate(10);
    let latest = rows.into_iter().map(|row| Told::of(row, language));
    Ok(Inbox {
        unread: store::count_unread(conn, member)?,
        latest: latest.collect::<AppResult<_>>()?,
    })
}

/// Which of my notices I have read.
#[derive(Debug, Clone)]
pub enum Read {
    These(Vec<NoticeId>),
    /// This one and all before it.
    UpTo(NoticeId),
}

/// Marks them, and tells how many are unread still. Others' notices, and those that are gone, are left out.
pub fn mark_read(conn: &mut DbConnection, ctx: &Ctx, read: &Read) -> AppResult<i64> {
    let member = ctx.actor.member()?;
    let (ids, up_to) = match read {
        Read::These(ids) => (ids.as_slice(), None),
        Read::UpTo(last) => ([].as_slice(), Some(*last)),
    };
    store::mark_read(conn, member, ids, up_to, ctx.now)?;
    count_unread(conn, member)
}

/// What a member wants to be told, and when it may ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeSettings {
    pub muted: Vec<Kind>,
    pub quiet: Option<QuietHours>,
}

pub fn find_settings(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<NoticeSettings> {
    let found = store::list_settings(conn, &[ctx.actor.member()?])?.pop();
    Ok(match found {
        Some(row) => NoticeSettings {
            muted: muted_of(&row),
            quiet: quiet_of(&row),
        },
        None => NoticeSettings {
            muted: Vec::new(),
            quiet: Some(QUIET),
        },
    })
}

/// Writes my settings whole: what is told from now on.
pub fn write_settings(
    conn: &mut DbConnection,
    ctx: &Ctx,
    wanted: &NoticeSettings,
) -> AppResult<NoticeSettings> {
    let member = ctx.actor.member()?;
    let tenant = ctx.actor.tenant.ok_or_else(AppError::forbidden)?;
    let minute = |minute: u32| i32::try_from(minute).ok();
    let row = SettingsRow {
        member_id: member,
        tenant_id: tenant,
        muted: Json(json!(wanted.muted)),
        quiet_from_min: wanted.quiet.and_then(|quiet| minute(quiet.from_min)),
        quiet_until_min: wanted.quiet.and_then(|quiet| minute(quiet.until_min)),
        updated_at: ctx.now,
    };
    store::save_settings(conn, &row)?;
    find_settings(conn, ctx)
}

/// Whose inbox has changed since then, and how far.
pub fn activity(conn: &mut DbConnection, since: Instant) -> AppResult<Vec<store::Activity>> {
    Ok(store::list_activity(conn, since)?)
}
