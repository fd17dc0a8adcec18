//! A new draft like an event that was: the same words, people, windows and way to sign up, at another time.

use super::EventId;
use super::commands::{CloneEvent, CreateEvent, geofence_of};
use super::service::{FullEvent, create_event, managed_event};
use crate::app::Ctx;
use crate::attendance;
use crate::organizations::Right;
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult};
use crate::sign_ups;

/// For who manages both the event and whom it calls; who was named and is theirs no more is left out. Everything of it that
/// is told as an instant moves with the start.
pub fn clone_event(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    wanted: &CloneEvent,
) -> AppResult<FullEvent> {
    super::require_event(conn, ctx, id, Right::ManageEvents)?;
    let old = managed_event(conn, ctx, id)?;
    if !old.elsewhere.organizations.is_empty() {
        return Err(AppError::forbidden());
    }
    let later_s = wanted.starts_at.minus(old.row.starts_at).num_seconds();
    let new = CreateEvent {
        organization_id: old.row.organization_id,
        title: wanted.title.clone().unwrap_or_else(|| old.row.title.clone()),
        description: old.row.description.clone(),
        place: old.row.place.clone(),
        starts_at: wanted.starts_at,
        ends_at: old.row.ends_at.plus_s(later_s),
        forms: old.forms,
        expected: old.expected.unwrap_or_default(),
        opens_before_s: Some(old.row.opens_before_s),
        late_after_s: Some(old.row.late_after_s),
        closes_after_s: Some(old.row.closes_after_s),
        code_window_s: Some(old.row.code_window_s),
        offline_allowed: Some(old.row.offline_allowed),
        geofence: geofence_of(&old.row),
    };
    let made = create_event(conn, ctx, new)?;
    sign_ups::clone_policy(conn, ctx, id, made.row.id, later_s)?;
    attendance::clone_points(conn, ctx, id, made.row.id)?;
    managed_event(conn, ctx, made.row.id)
}
