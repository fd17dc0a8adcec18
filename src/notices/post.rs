//! Posting: what a cause tells to the people it concerns, in its own transaction. Whoever has muted a kind is not told.

use std::collections::HashMap;

use super::rules::{self, Kind, NoticeData, QUIET, QuietHours};
use super::store::{self, NoticeRow, SettingsRow};
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult};
use crate::platform::ids::Ids;
use crate::platform::local_time;
use crate::webhooks::{self, Message};

/// One thing told to one member.
#[derive(Debug, Clone)]
pub struct NewNotice {
    pub tenant: OrganizationId,
    pub member: MemberId,
    pub kind: Kind,
    /// What caused it. The same of one cause is told once, however often it is posted.
    pub source: AnyId,
    pub event: Option<EventId>,
    pub data: NoticeData,
}

/// Puts them into the inboxes, and on their way to the outside where somebody has asked for that: all of it is there
/// when, and only when, the transaction commits. Three statements, whatever their number.
pub fn post(conn: &mut DbConnection, ids: &Ids, now: Instant, new: &[NewNotice]) -> AppResult<()> {
    let Some(first) = new.first() else { return Ok(()) };
    let tenant = first.tenant;
    let members: Vec<MemberId> = new.iter().map(|notice| notice.member).collect();
    let settings: HashMap<MemberId, SettingsRow> = store::list_settings(conn, &members)?
        .into_iter()
        .map(|row| (row.member_id, row))
        .collect();
    let mut rows = Vec::with_capacity(new.len());
    let mut messages = Vec::new();
    for notice in new {
        let set = settings.get(&notice.member);
        if set.is_some_and(|set| is_muted(set, notice.kind)) {
            continue;
        }
        let zone = local_time::zone(&notice.data.time_zone);
        let rings_at = rules::rings_at(now, set.map_or(Some(QUIET), quiet_of), zone);
        let row = row_of(ids, now, notice, rings_at)?;
        messages.push(Message {
            notice: row.id.0,
            member: notice.member,
            kind: notice.kind,
            event: notice.event,
            data: notice.data.clone(),
            send_at: rings_at,
        });
        rows.push(row);
    }
    store::insert_notices(conn, &rows)?;
    webhooks::send(conn, ids, now, tenant, &messages)
}

fn row_of(ids: &Ids, now: Instant, notice: &NewNotice, rings_at: Instant) -> AppResult<NoticeRow> {
    let data = serde_json::to_value(&notice.data).map_err(|error| AppError::internal(error.to_string()))?;
    Ok(NoticeRow {
        id: ids.make(),
        tenant_id: notice.tenant,
        member_id: notice.member,
        kind: notice.kind.as_str().to_owned(),
        source_id: notice.source,
        event_id: notice.event,
        data: Json(data),
        created_at: now,
        rings_at,
        read_at: None,
        updated_at: now,
    })
}

pub fn is_muted(set: &SettingsRow, kind: Kind) -> bool {
    muted_of(set).contains(&kind)
}

pub fn muted_of(set: &SettingsRow) -> Vec<Kind> {
    serde_json::from_value(set.muted.0.clone()).unwrap_or_default()
}

/// None: it may ring at any hour.
pub fn quiet_of(set: &SettingsRow) -> Option<QuietHours> {
    let minute = |value: Option<i32>| value.and_then(|minute| u32::try_from(minute).ok());
    Some(QuietHours {
        from_min: minute(set.quiet_from_min)?,
        until_min: minute(set.quiet_until_min)?,
    })
}
