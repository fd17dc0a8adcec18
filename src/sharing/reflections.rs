//! What may happen to a reflection, in which order, and who may do it. Approved is what was read: each change of its words
//! or pictures is a new version, and a published one that was changed is read again.

use serde_json::{Value, json};

use super::ReflectionId;
use super::commands::{CreateReflection, UpdateReflection};
use super::lists::{self, Shown};
use super::rules::{Decision, MAX_PICTURES, ReflectionStatus, Visibility};
use super::store::{self, PictureRow, ReflectionRow};
use crate::app::Ctx;
use crate::attendance;
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow};
use crate::media::{self, MediaId, Picture};
use crate::members::MemberId;
use crate::organizations::{self, Right};
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::platform::ids::Ids;
use crate::points::{self, Deed, Rule};

impl ReflectionRow {
    pub fn status(&self) -> ReflectionStatus {
        ReflectionStatus::parse(&self.status).unwrap_or(ReflectionStatus::Withdrawn)
    }

    pub fn visibility(&self) -> Visibility {
        Visibility::parse(&self.visibility).unwrap_or(Visibility::Event)
    }
}

/// By somebody who took part, once the event has begun. One of each member stands.
pub fn create_reflection(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    new: CreateReflection,
) -> AppResult<Shown> {
    let author = ctx.actor.member()?;
    let event = event_taken_part_in(conn, ctx, event, author)?;
    if let Some(standing) = store::find_standing(conn, event.id, author)? {
        return Err(AppError::from(Code::AlreadyShared).with("reflection_id", standing));
    }
    let mut row = ReflectionRow {
        id: ctx.ids.make(),
        tenant_id: event.tenant_id,
        organization_id: event.organization_id,
        event_id: event.id,
        author_id: author,
        branch_id: lists::branch_of(conn, author)?,
        text: new.text,
        visibility: new.visibility.as_str().to_owned(),
        status: String::new(),
        reason: None,
        decided_at: None,
        decided_by: None,
        published_at: None,
        withdrawn_at: None,
        version: 1,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    begin_again(conn, ctx, &mut row)?;
    // Of two at once the second finds the first.
    store::insert_reflection(conn, &row).map_err(AppError::overtaken)?;
    credit(conn, &ctx.ids, ctx.now, &row)?;
    lists::show(conn, ctx, row)
}

/// 404 for whoever may not know of the event, 403 for who did not take part. The roster is frozen then: who took part is
/// on it, or came.
fn event_taken_part_in(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    member: MemberId,
) -> AppResult<EventRow> {
    let event = events::find_event(conn, id)?;
    if !attendance::takes_part(conn, &event, member)? {
        events::view_event_row(conn, ctx, id)?;
        return Err(Code::NotExpected.into());
    }
    events::require_not_cancelled(&event)?;
    if ctx.now < event.starts_at {
        return Err(AppError::from(Code::EventNotBegun).with("starts_at", event.starts_at));
    }
    if event.roster_frozen_at.is_none() {
        attendance::freeze_if_due(conn, &ctx.ids, ctx.now, id)?;
    }
    Ok(event)
}

/// Seen by others at once, or read first.
fn begin_again(conn: &mut DbConnection, ctx: &Ctx, row: &mut ReflectionRow) -> AppResult<()> {
    let was_refused = store::was_refused(conn, row.event_id, row.author_id)?;
    let status = ReflectionStatus::first(ctx.config.sharing.moderated, was_refused);
    status.as_str().clone_into(&mut row.status);
    row.published_at = match status {
        ReflectionStatus::Published => row.published_at.or(Some(ctx.now)),
        _ => None,
    };
    Ok(())
}

pub fn update_reflection(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ReflectionId,
    version: Option<i32>,
    change: UpdateReflection,
) -> AppResult<Shown> {
    let mut row = held_by_author(conn, ctx, id)?;
    require_version(&row, version)?;
    require_editable(&row)?;
    let before = row.clone();
    row.text = change.text.unwrap_or(row.text);
    if let Some(visibility) = change.visibility {
        visibility.as_str().clone_into(&mut row.visibility);
    }
    if row != before {
        begin_again(conn, ctx, &mut row)?;
        save(conn, ctx, &mut row)?;
    }
    lists::show(conn, ctx, row)
}

/// Taken back by its author, whenever they like; done before, nothing changes.
pub fn withdraw_reflection(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId) -> AppResult<Shown> {
    let mut row = held_by_author(conn, ctx, id)?;
    if row.status() != ReflectionStatus::Withdrawn {
        ReflectionStatus::Withdrawn.as_str().clone_into(&mut row.status);
        row.withdrawn_at = Some(ctx.now);
        save(conn, ctx, &mut row)?;
    }
    lists::show(conn, ctx, row)
}

/// All of somebody whose data are erased, with their pictures; the words are emptied by who erases.
pub fn withdraw_all(conn: &mut DbConnection, ctx: &Ctx, author: MemberId) -> AppResult<()> {
    for mut row in store::lock_all_of(conn, author)? {
        for picture in store::list_pictures(conn, &[row.id])? {
            store::remove_picture(conn, &picture, ctx.now)?;
            media::remove_picture(conn, ctx, picture.media_id)?;
        }
        if row.status() != ReflectionStatus::Withdrawn {
            ReflectionStatus::Withdrawn.as_str().clone_into(&mut row.status);
            row.withdrawn_at = Some(ctx.now);
        }
        row.updated_at = ctx.now;
        // Not as the author would: the points stay, without a name.
        store::update_reflection(conn, &mut row)?;
    }
    Ok(())
}

/// By who manages the event, of the version that they have read.
pub fn decide(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ReflectionId,
    version: Option<i32>,
    decision: Decision,
    reason: Option<&str>,
) -> AppResult<Shown> {
    let seen = lists::seen(conn, ctx, id)?;
    let manages = organizations::require_ever(conn, ctx, seen.organization_id, Right::ManageEvents);
    manages.permitted()?.ok_or_else(AppError::forbidden)?;
    let mut row = store::lock_reflection(conn, id)?.ok_or_else(AppError::not_found)?;
    require_version(&row, version)?;
    let status = row.status().decided(decision).ok_or_else(|| wrong_status(&row))?;
    status.as_str().clone_into(&mut row.status);
    row.reason = reason.map(str::to_owned);
    row.decided_at = Some(ctx.now);
    row.decided_by = Some(ctx.actor.account);
    if status == ReflectionStatus::Published {
        row.published_at = Some(ctx.now);
    }
    save(conn, ctx, &mut row)?;
    note(conn, ctx, decision.action(), &row, reason)?;
    lists::show(conn, ctx, row)
}

/// May the actor add a picture now? Asked before it is written anew; `add_picture` asks again.
pub fn require_room(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId) -> AppResult<ReflectionRow> {
    let row = require_author(conn, ctx, id)?;
    require_editable(&row)?;
    let there = store::list_pictures(conn, &[id])?.len();
    if there >= MAX_PICTURES {
        return Err(AppError::from(Code::LimitReached).with("limit", MAX_PICTURES));
    }
    Ok(row)
}

/// Shows a picture, whose bytes are where files lie, with the reflection, behind the others.
pub fn add_picture(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: ReflectionId,
    file: MediaId,
    picture: &Picture,
) -> AppResult<(ReflectionRow, PictureRow)> {
    let mut row = held_by_author(conn, ctx, id)?;
    require_room(conn, ctx, id)?;
    media::settle_picture(conn, ctx, file, picture)?;
    let last = store::list_pictures_ever(conn, id)?.pop();
    let picture = PictureRow {
        reflection_id: id,
        // A number that was taken away is not given again: a late repeat of the taking away hits nothing else.
        number: last.map_or(1, |last| last.number + 1),
        tenant_id: row.tenant_id,
        media_id: file,
        width: picture.width,
        height: picture.height,
        added_at: ctx.now,
        removed_at: None,
    };
    store::insert_picture(conn, &picture)?;
    begin_again(conn, ctx, &mut row)?;
    save(conn, ctx, &mut row)?;
    Ok((row, picture))
}

/// Takes a picture away. What is left was read before, so it stays as it stands.
pub fn remove_picture(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId, number: i32) -> AppResult<()> {
    let mut row = held_by_author(conn, ctx, id)?;
    let picture = store::list_pictures(conn, &[id])?
        .into_iter()
        .find(|picture| picture.number == number)
        .ok_or_else(AppError::not_found)?;
    store::remove_picture(conn, &picture, ctx.now)?;
    media::remove_picture(conn, ctx, picture.media_id)?;
    save(conn, ctx, &mut row)
}

/// Liked or not, as often as it is sent. Only what is published can come to be liked.
pub fn set_like(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId, likes: bool) -> AppResult<()> {
    let member = ctx.actor.member()?;
    if !likes && store::delete_like(conn, id, member)? {
        return Ok(());
    }
    let row = lists::seen(conn, ctx, id)?;
    if likes {
        if row.status() != ReflectionStatus::Published {
            return Err(wrong_status(&row));
        }
        store::insert_like(conn, &row, member, ctx.now)?;
    }
    Ok(())
}

fn require_version(row: &ReflectionRow, version: Option<i32>) -> AppResult<()> {
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    Ok(())
}

fn require_editable(row: &ReflectionRow) -> AppResult<()> {
    if row.status().is_editable() {
        Ok(())
    } else {
        Err(wrong_status(row))
    }
}

fn wrong_status(row: &ReflectionRow) -> AppError {
    AppError::from(Code::ReflectionStatus).with("state", row.status())
}

pub fn require_author(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId) -> AppResult<ReflectionRow> {
    let row = lists::seen(conn, ctx, id)?;
    if ctx.actor.account == row.author_id.into() {
        Ok(row)
    } else {
        Err(AppError::forbidden())
    }
}

/// Locked until the transaction ends.
fn held_by_author(conn: &mut DbConnection, ctx: &Ctx, id: ReflectionId) -> AppResult<ReflectionRow> {
    require_author(conn, ctx, id)?;
    store::lock_reflection(conn, id)?.ok_or_else(AppError::not_found)
}

fn save(conn: &mut DbConnection, ctx: &Ctx, row: &mut ReflectionRow) -> AppResult<()> {
    row.updated_at = ctx.now;
    store::update_reflection(conn, row)?;
    credit(conn, &ctx.ids, ctx.now, row)
}

/// It is worth something while others can read it, if the event took place and its author took part: the event's row is
/// held, so that what takes these points back, a cancelling or an annulled check-in, comes before or after.
fn credit(conn: &mut DbConnection, ids: &Ids, now: Instant, row: &ReflectionRow) -> AppResult<()> {
    let source = AnyId(row.id.0);
    let event = events::lock_events(conn, &[row.event_id])?.pop();
    let counts = match event {
        Some(event) if events::require_not_cancelled(&event).is_ok() => {
            row.status() == ReflectionStatus::Published
                && attendance::takes_part(conn, &event, row.author_id)?
        }
        _ => false,
    };
    let Some(published_at) = row.published_at.filter(|_| counts) else {
        return points::reverse(conn, ids, now, &[(row.author_id, source)]);
    };
    let deed = Deed {
        source,
        ..Deed::of(Rule::ReflectionShared, row.author_id, row.event_id, published_at)
    };
    points::award(conn, ids, now, &[deed])
}

/// These were not expected, and there after all: what they have said of the event counts again. The caller holds the
/// events' rows, so whoever decides on it meanwhile finds them there.
pub fn took_part_after_all(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    people: &[(EventId, MemberId)],
) -> AppResult<()> {
    // Most have said nothing.
    for row in store::list_standing(conn, people)? {
        credit(conn, ids, now, &row)?;
    }
    Ok(())
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &ReflectionRow,
    reason: Option<&str>,
) -> AppResult<()> {
    let mut detail = json!({ "event_id": row.event_id, "author_id": row.author_id, "version": row.version });
    if let (Some(reason), Value::Object(members)) = (reason, &mut detail) {
        members.insert("reason".to_owned(), json!(reason));
    }
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}
