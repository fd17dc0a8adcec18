//! `/audit-log`.

use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use super::store::{AuditFilter, AuditRow};
use crate::app::App;
use crate::auth::{AccountId, SignedIn};
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, Instant};
use crate::platform::error::AppResult;
use crate::platform::http::{List, Query};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_audit_log);
}

/// Something that was done, or an access that was refused.
#[derive(Serialize, utoipa::ToSchema)]
struct AuditEntryView {
    id: AnyId,
    at: Instant,
    /// Who did it, a person or a room's device; the nil id is somebody at the machine's own command line.
    actor_id: Option<AccountId>,
    /// `<object>.<verb>`.
    #[schema(example = "event.publish")]
    action: String,
    /// `done` or `refused`.
    #[schema(example = "done")]
    outcome: String,
    #[schema(example = "event")]
    object_kind: String,
    /// Null for a refusal: what was asked for may be out of sight.
    object_id: Option<AnyId>,
    /// Where it was done; for a refusal, where the person belongs.
    organization_id: Option<OrganizationId>,
    /// What else there is to know: names of the fields, reasons, the route of a refusal.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// `x-request-id` of the request.
    request_id: Option<String>,
}

impl From<AuditRow> for AuditEntryView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor_id: row.actor_id,
            action: row.action,
            outcome: row.outcome,
            object_kind: row.object_kind,
            object_id: row.object_id,
            organization_id: row.organization_id,
            detail: row.detail.0,
            request_id: row.request_id,
        }
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Entries of this organization and those below it; without it, of all whose log I may read.
    organization_id: Option<OrganizationId>,
    /// Only what this person did or was refused.
    actor_id: Option<AccountId>,
    /// Only what was done to this thing.
    object_id: Option<AnyId>,
    /// Only this action, e.g. `role.grant`.
    action: Option<String>,
    /// At or after this instant.
    from: Option<Instant>,
    /// Before this instant.
    to: Option<Instant>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for AuditQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("action", &mut self.action, 100);
    }
}

/// Read the audit log, the newest entry first: for admins and inspectors of an organization, its subtree only.
#[utoipa::path(tag = "audit", params(AuditQuery), responses((status = 200, body = List<AuditEntryView>), (status = 403, description = "forbidden")))]
#[get("/audit-log")]
async fn list_audit_log(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<AuditQuery>,
) -> AppResult<web::Json<List<AuditEntryView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<(Instant, AnyId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = AuditFilter {
        organizations: None,
        tree: None,
        actor: query.actor_id,
        object: query.object_id,
        action: query.action,
        from: query.from,
        to: query.to,
        page: page.clone(),
    };
    let rows = app
        .db
        .read(move |conn| service::list_entries(conn, &ctx, query.organization_id, &asked))
        .await?;
    Ok(web::Json(page.list(
        rows,
        |row| (row.at, row.id),
        AuditEntryView::from,
    )))
}
