//! `/organizations/{id}/devices`, `/devices/enrolments`, `/device/events`. Codes and tokens are never cached, and no
//! answer that holds one is kept for an `Idempotency-Key`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::DeviceId;
use super::extract::device_ctx;
use super::rules::{Purpose, RoomDevice};
use super::service::{self, NewDevice};
use super::store::DeviceRow;
use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::events::{EventId, EventRow};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppResult, Code};
use crate::platform::http::{Answer, IdPath, Json, List, PageQuery, Query, Tagged, client_address, path_id};
use crate::platform::limits::Limit;
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(create_device)
        .service(list_devices)
        .service(revoke_device)
        .service(enrol_device)
        .service(list_device_events);
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "三樓會議室投影", "purposes": ["screen", "scanner"]}))]
struct CreateDevice {
    #[schema(example = "三樓會議室投影", min_length = 1, max_length = 100)]
    name: String,
    /// At least one. A scanner that finds its events by itself is a screen as well.
    purposes: Vec<Purpose>,
    /// Seconds from now that the device may be used, 60 to 157680000 (five years); without it, until it is revoked.
    expires_in_s: Option<i64>,
}

impl Check for CreateDevice {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/name", &mut self.name, 1, 100);
        if self.purposes.is_empty() || self.purposes.len() > 2 {
            problems.add("/purposes", "wrong_count", "needs screen, scanner, or both");
        }
        problems.optional_range("/expires_in_s", &self.expires_in_s, 60, 5 * 365 * 86_400);
    }
}

/// A projector page or a hand scanner of a room.
#[derive(Serialize, utoipa::ToSchema)]
struct DeviceView {
    id: DeviceId,
    organization_id: OrganizationId,
    name: String,
    purposes: Vec<Purpose>,
    created_at: Instant,
    /// When it turned its code into a token; null before.
    enrolled_at: Option<Instant>,
    /// Null: good until it is revoked.
    expires_at: Option<Instant>,
    /// To five minutes.
    last_seen_at: Option<Instant>,
}

impl From<DeviceRow> for DeviceView {
    fn from(row: DeviceRow) -> Self {
        let purposes = [
            row.is_screen.then_some(Purpose::Screen),
            row.is_scanner.then_some(Purpose::Scanner),
        ];
        Self {
            id: row.id,
            organization_id: row.organization_id,
            name: row.name,
            purposes: purposes.into_iter().flatten().collect(),
            created_at: row.created_at,
            enrolled_at: row.enrolled_at,
            expires_at: row.expires_at,
            last_seen_at: row.last_seen_at,
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct CreatedDeviceView {
    device: DeviceView,
    /// Type it on the device. It is good once, and told only here.
    #[schema(example = "K7QF-9XM2")]
    code: String,
    code_expires_at: Instant,
}

/// Make a device of a room, with a one-time code to type on it within ten minutes. Codes are secrets, so no answer is
/// kept for an `Idempotency-Key`: a repeat makes another device.
#[utoipa::path(tag = "devices", params(("id" = OrganizationId, Path)), request_body = CreateDevice, responses((status = 201, body = CreatedDeviceView), (status = 403, description = "forbidden")))]
#[post("/organizations/{id}/devices")]
async fn create_device(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    body: Json<CreateDevice>,
) -> AppResult<HttpResponse> {
    let ctx = app.ctx(who.0);
    let new = NewDevice {
        name: body.0.name,
        purposes: body.0.purposes,
        lives_s: body.0.expires_in_s,
    };
    let (row, code) = app
        .db
        .write(move |conn| service::create_device(conn, &ctx, id.0, &new))
        .await?;
    Ok(secret(&CreatedDeviceView {
        code,
        code_expires_at: row.code_expires_at,
        device: row.into(),
    }))
}

fn secret(view: &impl Serialize) -> HttpResponse {
    HttpResponse::Created()
        .insert_header(("cache-control", "no-store"))
        .json(view)
}

/// List the devices of this organization that are not revoked, the oldest first.
#[utoipa::path(tag = "devices", params(("id" = OrganizationId, Path), PageQuery), responses((status = 200, body = List<DeviceView>), (status = 403, description = "forbidden")))]
#[get("/organizations/{id}/devices")]
async fn list_devices(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<DeviceView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = query.page::<(Instant, DeviceId)>()?;
    let asked = page.clone();
    let rows = app
        .db
        .read(move |conn| service::list_devices(conn, &ctx, id.0, &asked))
        .await?;
    Ok(Tagged(page.list(
        rows,
        |row| (row.created_at, row.id),
        DeviceView::from,
    )))
}

/// Revoke a device. Its token, or the code it has not used yet, is worth nothing from then on; its live screen ends
/// within a second or two.
#[utoipa::path(tag = "devices", params(("id" = OrganizationId, Path), ("device_id" = DeviceId, Path)), responses((status = 204), (status = 403, description = "forbidden")))]
#[delete("/organizations/{id}/devices/{device_id}")]
async fn revoke_device(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    path: web::Path<(String, String)>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let device: DeviceId = path_id(&path.1)?;
    app.db
        .write(move |conn| service::revoke_device(conn, &ctx, id.0, device))
        .await?;
    Ok(Answer::no_content())
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "K7QF-9XM2"}))]
struct EnrolDevice {
    /// Case, spaces and hyphens do not matter.
    #[schema(example = "K7QF-9XM2", max_length = 64)]
    code: String,
}

impl Check for EnrolDevice {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/code", &mut self.code, 1, 64);
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct EnrolledDeviceView {
    /// For `Authorization: Device …`. It is told only here: keep it.
    device_token: String,
    device: DeviceView,
}

/// Turn an enrolment code into the device's token. The code is good once; wrong, used and expired ones are one answer.
/// Whoever loses the answer asks the organiser for a new device.
#[utoipa::path(tag = "devices", security(()), request_body = EnrolDevice, responses((status = 201, body = EnrolledDeviceView), (status = 422, description = "device_code_invalid, invalid_fields"), (status = 429, description = "rate_limited: too many failures from this address")))]
#[post("/devices/enrolments")]
async fn enrol_device(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<EnrolDevice>,
) -> AppResult<HttpResponse> {
    let quota = app.config.auth.failures_per_address_per_hour;
    let limit = Limit::on_addresses("device-address", quota, Duration::from_secs(3_600));
    let address = client_address(&request, &app.config.server.trusted_proxies);
    // Counted before the look, so that many at once do not get past; what was no guess is given back.
    let counted = limit.admit(&app.cache, &address).await?;
    let ctx = app.ctx(Actor::nobody());
    let enrolled = app
        .db
        .write(move |conn| service::enrol_device(conn, &ctx, &body.0.code))
        .await;
    if !matches!(&enrolled, Err(error) if error.code() == Code::DeviceCodeInvalid) {
        counted.give_back().await;
    }
    let (row, device_token) = enrolled?;
    Ok(secret(&EnrolledDeviceView {
        device_token,
        device: row.into(),
    }))
}

/// An event that a screen can show now.
#[derive(Serialize, utoipa::ToSchema)]
struct DeviceEventView {
    id: EventId,
    organization_id: OrganizationId,
    #[schema(example = "第四季度支部黨員大會")]
    title: String,
    place: String,
    starts_at: Instant,
    ends_at: Instant,
    check_in_closes_at: Instant,
}

impl From<EventRow> for DeviceEventView {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            title: row.title,
            place: row.place,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            check_in_closes_at: row.check_in_closes_at,
        }
    }
}

/// List the events that this screen can show now: called by its organization or one below it, with check-in open.
/// Only for devices whose purpose is `screen`.
#[utoipa::path(tag = "devices", security(("device" = [])), params(PageQuery), responses((status = 200, body = List<DeviceEventView>), (status = 403, description = "forbidden: a device that is no screen")))]
#[get("/device/events")]
async fn list_device_events(
    app: web::Data<App>,
    device: RoomDevice,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<DeviceEventView>>> {
    let (ctx, query) = (device_ctx(&app, device), query.0);
    let page = query.page::<(Instant, EventId)>()?;
    let asked = page.clone();
    let rows = app
        .db
        .read_fresh(move |conn| service::list_device_events(conn, &ctx, device, &asked))
        .await?;
    Ok(Tagged(page.list(
        rows,
        |row| (row.starts_at, row.id),
        DeviceEventView::from,
    )))
}
