//! Codes on the screen, proofs of having seen one, and a member's own code.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};

use super::checkpoints::NamedCheckpointView;
use crate::app::App;
use crate::attendance::CheckpointId;
use crate::attendance::codes;
use crate::attendance::doors::fresh_code;
use crate::attendance::service;
use crate::auth::SignedIn;
use crate::devices::Viewer;
use crate::events::EventId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{Answer, IdPath, Json, Query, client_address};
use crate::platform::limits::Limit;
use crate::platform::text::{Check, Problems};

/// The code to show now. Show it until `next_refresh_ms` has passed, then ask again.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CodeView {
    code: String,
    /// What the QR picture holds; any phone's camera opens it.
    url: String,
    #[schema(example = "042917")]
    typed_code: String,
    /// Until this code is refused.
    expires_in_ms: i64,
    /// Until there is a new one to show.
    next_refresh_ms: i64,
    server_time: Instant,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CodeQuery {
    /// The point whose code it is; needed where the event has points.
    checkpoint_id: Option<CheckpointId>,
}

impl Check for CodeQuery {}

async fn current_code(app: &App, who: Viewer, id: EventId, query: CodeQuery) -> AppResult<CodeView> {
    let (ctx, point) = (who.ctx(app), query.checkpoint_id);
    let event = who
        .read(app, move |conn| service::event_to_show(conn, &ctx, id, point))
        .await?;
    let now = app.clock.now();
    let shown = codes::show(&app.keys.current, event.id, point, event.code_window_s, now);
    Ok(CodeView {
        url: format!("{}/c/{}", app.config.server.public_url, shown.code),
        code: shown.code,
        typed_code: shown.typed_code,
        expires_in_ms: shown.expires_in_ms,
        next_refresh_ms: shown.next_refresh_ms,
        server_time: now,
    })
}

/// Find the check-in code to show now, of the event or of one of its points, with the six digits for those too far away to scan.
#[utoipa::path(tag = "attendance", security(("bearer" = []), ("device" = [])), params(("id" = EventId, Path), CodeQuery), responses((status = 200, body = CodeView), (status = 409, description = "not_open_yet, closed, event_cancelled")))]
#[get("/events/{id}/code")]
pub async fn find_code(
    app: web::Data<App>,
    who: Viewer,
    id: IdPath<EventId>,
    query: Query<CodeQuery>,
) -> AppResult<HttpResponse> {
    let view = current_code(&app, who, id.0, query.0).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(view))
}

/// The code to show now as an SVG picture.
#[utoipa::path(tag = "attendance", security(("bearer" = []), ("device" = [])), params(("id" = EventId, Path), CodeQuery), responses((status = 200, description = "image/svg+xml", body = String, content_type = "image/svg+xml"), (status = 409, description = "not_open_yet, closed, event_cancelled")))]
#[get("/events/{id}/code.svg")]
pub async fn find_code_svg(
    app: web::Data<App>,
    who: Viewer,
    id: IdPath<EventId>,
    query: Query<CodeQuery>,
) -> AppResult<HttpResponse> {
    let view = current_code(&app, who, id.0, query.0).await?;
    let svg = qr(&view.url)?
        .render::<qrcode::render::svg::Color>()
        .min_dimensions(480, 480)
        .build();
    Ok(picture("image/svg+xml", view.next_refresh_ms).body(svg))
}

/// The code to show now as a PNG picture.
#[utoipa::path(tag = "attendance", security(("bearer" = []), ("device" = [])), params(("id" = EventId, Path), CodeQuery), responses((status = 200, description = "image/png", body = Vec<u8>, content_type = "image/png"), (status = 409, description = "not_open_yet, closed, event_cancelled")))]
#[get("/events/{id}/code.png")]
pub async fn find_code_png(
    app: web::Data<App>,
    who: Viewer,
    id: IdPath<EventId>,
    query: Query<CodeQuery>,
) -> AppResult<HttpResponse> {
    let view = current_code(&app, who, id.0, query.0).await?;
    let png = png_of(&qr(&view.url)?)?;
    Ok(picture("image/png", view.next_refresh_ms).body(png))
}

fn picture(content_type: &str, next_refresh_ms: i64) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type(content_type)
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-next-refresh-ms", next_refresh_ms.to_string()));
    response
}

/// Medium error correction: readable from the back of a hall, through a reflection on the screen.
fn qr(text: &str) -> AppResult<qrcode::QrCode> {
    qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::M)
        .map_err(|error| AppError::internal(format!("a URL too long for a QR code: {error}")))
}

/// One grey byte a pixel, 10 pixels a module, 4 modules of quiet zone as the standard asks.
fn png_of(code: &qrcode::QrCode) -> AppResult<Vec<u8>> {
    const SCALE: usize = 10;
    const QUIET: usize = 4;
    let (width, colors) = (code.width(), code.to_colors());
    let side = (width + 2 * QUIET) * SCALE;
    let mut pixels = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let (module_x, module_y) = ((x / SCALE).checked_sub(QUIET), (y / SCALE).checked_sub(QUIET));
            let dark = match (module_x, module_y) {
                (Some(mx), Some(my)) if mx < width && my < width => {
                    colors.get(my * width + mx) == Some(&qrcode::Color::Dark)
                }
                _ => false,
            };
            pixels.push(if dark { 0 } else { 255 });
        }
    }
    let mut file = Vec::new();
    let side = u32::try_from(side).map_err(|_| AppError::internal("a picture too large"))?;
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let write = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels));
    write.map_err(|error| AppError::internal(error.to_string()))?;
    Ok(file)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "AaIL6rDJdyOp8uqfk_h80msFGToKEgqUkB7-qFaVI8EA", "device_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}))]
pub struct CreateProof {
    code: String,
    /// The proof is good only together with this id.
    device_id: String,
}

impl Check for CreateProof {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/device_id", &mut self.device_id, 1, 200);
    }
}

/// What somebody holding a good code may know of the event before signing in.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ProofEventView {
    id: EventId,
    title: String,
    place: String,
    starts_at: Instant,
    /// The point whose code it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<NamedCheckpointView>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct ProofView {
    proof: String,
    expires_in_s: i64,
    event: ProofEventView,
}

/// Turn a code into a proof that lasts ten minutes on this device, so that it cannot expire while somebody signs in.
#[utoipa::path(tag = "attendance", security(()), request_body = CreateProof, responses((status = 201, body = ProofView), (status = 409, description = "not_open_yet, closed, event_cancelled"), (status = 410, description = "expired_code"), (status = 422, description = "invalid_code"), (status = 429, description = "rate_limited: too many from this address")))]
#[post("/check-in-proofs")]
pub async fn create_check_in_proof(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<CreateProof>,
) -> AppResult<Answer> {
    let now = app.clock.now();
    let read = fresh_code(&app.keys, &body.0.code, now);
    count_proof(&app, &request, read.as_ref().ok()).await?;
    let code = read?;
    let (event, point) = app
        .db
        .read_fresh(move |conn| service::event_of_code(conn, now, code.event, code.checkpoint))
        .await
        .map_err(|error| {
            if error.code() == Code::NotFound {
                Code::InvalidCode.into()
            } else {
                error
            }
        })?;
    Answer::created(&ProofView {
        proof: codes::make_proof(
            &app.keys.current,
            event.id,
            code.checkpoint,
            now,
            &body.0.device_id,
        ),
        expires_in_s: app.config.check_in.proof_s,
        event: ProofEventView {
            id: event.id,
            title: event.title,
            place: event.place,
            starts_at: event.starts_at,
            checkpoint: point.as_ref().map(NamedCheckpointView::from),
        },
    })
}

/// Takes no token, so it is limited by address; a hall of thousands is one address. A good code counts for its event:
/// what a stranger makes up behind the same address stops nobody who stands before the screen.
async fn count_proof(app: &App, request: &HttpRequest, code: Option<&codes::ReadCode>) -> AppResult<()> {
    let window = Duration::from_secs(600);
    let limit = Limit::on_addresses("proof-address", app.config.check_in.proofs_per_address, window);
    let address = client_address(request, &app.config.server.trusted_proxies);
    let subject = match code {
        Some(code) => format!("{address}:{}", code.event),
        None => address,
    };
    // A proof that was made counts as well.
    limit.admit(&app.cache, &subject).await.map(drop)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "AaIL6rDJdyOp8uqfk_h80msFGToKEgqUkB7-qFaVI8EA"}))]
pub struct VerifyCode {
    code: String,
}
impl Check for VerifyCode {}

#[derive(Serialize, utoipa::ToSchema)]
pub struct VerifiedCodeView {
    event_id: EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_id: Option<CheckpointId>,
    /// When the code's window began.
    starts_at: Instant,
}

/// Tell which event a scanned code belongs to, without checking in and without touching the database.
#[utoipa::path(tag = "attendance", request_body = VerifyCode, responses((status = 200, body = VerifiedCodeView), (status = 410, description = "expired_code"), (status = 422, description = "invalid_code")))]
#[post("/check-in-codes/verify")]
pub async fn verify_code(app: web::Data<App>, _who: SignedIn, body: Json<VerifyCode>) -> AppResult<Answer> {
    let code = fresh_code(&app.keys, &body.0.code, app.clock.now())?;
    Answer::ok(&VerifiedCodeView {
        event_id: code.event,
        checkpoint_id: code.checkpoint,
        starts_at: code.starts,
    })
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct PersonalCodeView {
    /// Show it as a QR picture to the organiser.
    code: String,
    next_refresh_ms: i64,
}

/// My own code, for an organiser to scan.
#[utoipa::path(tag = "attendance", responses((status = 200, body = PersonalCodeView)))]
#[get("/me/code")]
pub async fn find_personal_code(app: web::Data<App>, who: SignedIn) -> AppResult<HttpResponse> {
    let window_s = app.config.check_in.personal_code_s;
    let (code, next_refresh_ms) =
        codes::make_personal(&app.keys.current, who.0.member()?, window_s, app.clock.now());
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(PersonalCodeView {
            code,
            next_refresh_ms,
        }))
}
