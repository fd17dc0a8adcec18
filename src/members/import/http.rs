//! `/members/imports`.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, post, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::file::Roster;
use super::service::{ImportReport, RejectedRow, apply_roster, read_roster};
use crate::app::App;
use crate::auth::SignedIn;
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{Query, language, read_limited};
use crate::platform::text::Check;

const FILE_LIMIT: usize = 8 << 20;
/// What a multipart form may add around the file.
const FORM_LIMIT: usize = 64 << 10;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(import_members);
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    /// Where the people belong, unless the column 所在支部 names an organization below it.
    organization_id: OrganizationId,
    /// Only tell what would happen (default false).
    dry_run: Option<bool>,
}
impl Check for ImportQuery {}

/// The refusal of a file: `rows` names every bad row.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ImportProblem {
    #[schema(example = "import_rejected")]
    code: String,
    rows: Vec<RejectedRow>,
}

/// Import a roster: XLSX, or CSV in UTF-8 or GB18030, as the body itself or as the part `file` of a multipart form, of
/// at most 8 MiB. Columns 姓名, 手機, 工號, 黨員類別, 所在支部, 入黨日期 or their Simplified or English names. All rows are
/// applied or none; people are known again by employee number, or by phone together with the name, so the same file twice
/// changes nothing. Nobody is changed who may do more than I.
#[utoipa::path(tag = "members", params(ImportQuery), request_body(content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (String = "text/csv"), (Vec<u8> = "multipart/form-data"))), responses((status = 200, description = "dry run: nothing was written", body = ImportReport), (status = 201, description = "applied", body = ImportReport), (status = 413, description = "too_large"), (status = 415, description = "unsupported_media_type"), (status = 422, description = "import_rejected, no_spreadsheet", body = ImportProblem)))]
#[post("/members/imports")]
async fn import_members(
    app: web::Data<App>,
    who: SignedIn,
    request: HttpRequest,
    query: Query<ImportQuery>,
    payload: web::Payload,
) -> AppResult<HttpResponse> {
    let (ctx, organization) = (app.ctx(who.0), query.0.organization_id);
    let dry_run = query.0.dry_run.unwrap_or(false);
    let asker = ctx.clone();
    // Nobody without the right makes us read a file; the transaction below asks again.
    app.db
        .read_fresh(move |conn| organizations::require(conn, &asker, organization, Right::ManageMembers))
        .await?;
    let file = read_file(&request, payload).await?;
    let roster = read_in_turn(&app, file).await?;
    let language = language(&request);
    let work = move |conn: &mut crate::platform::db::DbConnection| {
        apply_roster(
            conn,
            &ctx,
            organization,
            &roster,
            dry_run,
            language,
            &|_, _, _| {},
        )
    };
    let report = if dry_run {
        app.db.read_long(work).await?
    } else {
        app.db.write_long(work).await?
    };
    let status = if dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(HttpResponse::build(status).json(report))
}

/// Unpacking takes its time and needs no connection. Few at once: whoever finds no turn soon is told to come again.
async fn read_in_turn(app: &App, file: Bytes) -> AppResult<Roster> {
    let turn = app.roster_turns.clone().acquire_owned();
    let turn = tokio::time::timeout(app.config.database.deadline, turn).await;
    let Ok(Ok(turn)) = turn else {
        return Err(AppError::overloaded());
    };
    web::block(move || {
        let _turn = turn;
        read_roster(&file)
    })
    .await
    .map_err(|error| AppError::internal(format!("reading a roster ended abnormally: {error}")))?
}

async fn read_file(request: &HttpRequest, payload: web::Payload) -> AppResult<Bytes> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "multipart/form-data" => {
            let body = read_limited(request, payload.into_inner(), FILE_LIMIT + FORM_LIMIT).await?;
            part_named_file(request, body).await
        }
        "text/csv"
        | "application/csv"
        | "application/octet-stream"
        // What browsers on Windows call both kinds.
        | "application/vnd.ms-excel"
        | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => {
            read_limited(request, payload.into_inner(), FILE_LIMIT).await
        }
        _ => Err(Code::UnsupportedMediaType.into()),
    }
}

async fn part_named_file(request: &HttpRequest, body: Bytes) -> AppResult<Bytes> {
    let malformed = |error: actix_multipart::MultipartError| {
        AppError::from(Code::BadRequest).caused_by(error.to_string())
    };
    let mut form = Multipart::new(request.headers(), stream::iter([Ok(body)]));
    while let Some(part) = form.next().await {
        let mut part = part.map_err(malformed)?;
        let is_file = part.name() == Some("file");
        let bytes = part.bytes(FILE_LIMIT).await;
        let bytes = bytes
            .map_err(|_| AppError::from(Code::TooLarge).with("limit_bytes", FILE_LIMIT))?
            .map_err(malformed)?;
        if is_file {
            return Ok(bytes);
        }
    }
    Err(AppError::invalid_field(
        "file",
        "required",
        "the form has no part named file",
    ))
}
