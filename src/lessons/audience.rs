//! Whom a lesson is for: its organizations with all below them, and there the members of some standings.

use super::commands::Audience;
use super::lists::FullLesson;
use super::store::{self, LessonRow};
use crate::app::Ctx;
use crate::members::Standing;
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult};

/// As far as the reader sees it, and the organizations beyond that.
pub fn read(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &LessonRow,
) -> AppResult<(Audience, Vec<OrganizationId>)> {
    let meant = store::list_audience(conn, row.id)?;
    let seen = organizations::in_sight(conn, ctx, &meant)?;
    let (organization_ids, elsewhere) = meant.into_iter().partition(|id| seen.contains(id));
    let standings = Standing::from_bits(row.audience_standings);
    let audience = Audience {
        organization_ids,
        standings,
    };
    Ok((audience, elsewhere))
}

pub fn bits(audience: &Audience) -> i32 {
    audience
        .standings
        .iter()
        .fold(0, |bits, standing| bits | standing.bit())
}

/// Fills in the defaults of a lesson of this organization and tree, and makes sure that the actor has this right wherever
/// the lesson goes. An organization of the `held` ones may have been archived since.
pub fn settle(
    conn: &mut DbConnection,
    ctx: &Ctx,
    (organization, tenant): (OrganizationId, OrganizationId),
    mut audience: Audience,
    held: &[OrganizationId],
    right: Right,
) -> AppResult<Audience> {
    if audience.organization_ids.is_empty() {
        audience.organization_ids.push(organization);
    }
    if audience.standings.is_empty() {
        audience.standings = Standing::ALL.to_vec();
    }
    audience.organization_ids.sort_unstable();
    audience.organization_ids.dedup();
    organizations::require_of_tree(conn, ctx, tenant, &audience.organization_ids, held, right)?;
    audience.standings = Standing::from_bits(bits(&audience));
    Ok(audience)
}

/// Whoever does not see all whom it is for cannot say anew whom it is for.
pub fn replace(
    conn: &mut DbConnection,
    ctx: &Ctx,
    lesson: &mut FullLesson,
    audience: Audience,
    right: Right,
) -> AppResult<()> {
    let held = lesson.audience.take().unwrap_or_default();
    let home = (lesson.row.organization_id, lesson.row.tenant_id);
    let audience = settle(conn, ctx, home, audience, &held.organization_ids, right)?;
    if audience != held {
        if !lesson.audience_elsewhere.is_empty() {
            return Err(AppError::forbidden());
        }
        lesson.row.audience_standings = bits(&audience);
        store::replace_audience(conn, &lesson.row, &audience.organization_ids)?;
    }
    lesson.audience = Some(audience);
    Ok(())
}
