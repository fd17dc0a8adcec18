//! `/uploads`: tus 1.0 (https://tus.io/protocols/resumable-upload) with creation, creation-with-upload, expiration,
//! checksum and termination. Existing clients work: tus-js-client, tuspy, TUSKit.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, delete, get, options, patch, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::views::{self, MediaView};
use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::media::MediaId;
use crate::media::rules::{MediaPurpose, MediaState};
use crate::media::service::{self, NewUpload};
use crate::media::store::FileRow;
use crate::media::tus::{self, Checksum};
use crate::media::uploads::elsewhere;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{IdPath, require_plain, was_head};
use crate::platform::text::Problems;

/// How long the answer to the last byte waits for the file to be looked at.
const LOOK: Duration = Duration::from_secs(20);

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(tell_uploads)
        .service(create_upload)
        .service(find_upload)
        .service(continue_upload)
        .service(delete_upload)
        .service(override_upload);
}

/// Tell what uploads are taken: tus 1.0.0, its extensions, and the largest file.
#[utoipa::path(tag = "media", security(()), responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm")))]
#[options("/uploads")]
async fn tell_uploads(app: web::Data<App>) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(("tus-version", tus::VERSION))
        .insert_header(("tus-extension", tus::EXTENSIONS))
        .insert_header(("tus-checksum-algorithm", tus::ALGORITHMS))
        .insert_header(("tus-max-size", app.config.media.file_bytes))
        .finish()
}

/// Create an upload for an organization whose lessons I write or, as a receipt or a material, whose events I manage: tus
/// 1.0, so that it goes on after a lost connection.
///
/// Headers: `Tus-Resumable: 1.0.0`, `Upload-Length` (bytes), `Upload-Metadata` with `organization_id` (required),
/// `purpose` (`lesson`, `material` of an event, or `receipt`: a picture or a PDF of at most 20 MiB, seen by who sees what is spent there),
/// `filename` and `filetype` (the latter is not believed), each in base64. The body may begin with the first bytes
/// (`Content-Type: application/offset+octet-stream`). `Location` is where the bytes go. The room is taken now:
/// media_quota_exceeded when the organization's tree has no more. A repeat makes another upload; the one that
/// nobody goes on with is removed after `Upload-Expires`.
#[utoipa::path(tag = "media", params(("Tus-Resumable" = String, Header, description = "1.0.0"), ("Upload-Length" = u64, Header, description = "Bytes of the whole file"), ("Upload-Metadata" = String, Header, description = "Pairs of a key and a Base64 value, between commas: filename, filetype, purpose, organization_id"), ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256 and the Base64 digest of this body")), request_body(content = String, content_type = "application/offset+octet-stream"), responses((status = 201, description = "Location, Upload-Expires; Upload-Offset if there was a body"), (status = 400, description = "bad_request: `header` names the one that is missing or malformed"), (status = 412, description = "tus_version"), (status = 413, description = "too_large, media_quota_exceeded"), (status = 460, description = "checksum_mismatch")))]
#[post("/uploads")]
async fn create_upload(
    app: web::Data<App>,
    who: SignedIn,
    request: HttpRequest,
    payload: web::Payload,
) -> AppResult<HttpResponse> {
    require_version(&request)?;
    if request.headers().contains_key("upload-defer-length") {
        return Err(bad_header("Upload-Defer-Length"));
    }
    let new = new_upload(&request)?;
    let begins = content_type(&request).is_some();
    if begins {
        require_offset_type(&request)?;
    }
    let checksum = checksum(&request)?;
    let (ctx, wanted) = (app.ctx(who.0.clone()), new.clone());
    let row = app
        .db
        .write(move |conn| service::create_upload(conn, &ctx, wanted.clone()))
        .await?;
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("/api/v1/uploads/{}", row.id)));
    if row.size_bytes == 0 {
        look_at(&app, row.id, None).await;
    } else if begins {
        let appended = append(&app, &who.0, &row, checksum, payload, &request).await;
        if appended.is_err() {
            // Nobody knows its address.
            views::delete(&app, who.0, row.id).await?;
        }
        response.insert_header(("upload-offset", appended?));
    }
    Ok(with_expiry(&mut response, row.expires_at).finish())
}

fn new_upload(request: &HttpRequest) -> AppResult<NewUpload> {
    let length = number(request, "Upload-Length")?;
    let metadata = text(request, "upload-metadata").unwrap_or_default();
    let pairs = tus::parse_metadata(metadata).ok_or_else(|| bad_header("Upload-Metadata"))?;
    let value = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let organization = value("organization_id").ok_or_else(|| {
        AppError::invalid_field(
            "organization_id",
            "required",
            "stands in Upload-Metadata and says whose file it is",
        )
    })?;
    let organization: OrganizationId = organization
        .parse()
        .map_err(|_| AppError::invalid_field("organization_id", "wrong_type", "is no id"))?;
    let purpose = match value("purpose") {
        None => MediaPurpose::Lesson,
        Some(word) => MediaPurpose::parse(&word)
            .filter(|purpose| *purpose != MediaPurpose::Picture)
            .ok_or_else(|| AppError::invalid_field("purpose", "unknown_value", "is no purpose of ours"))?,
    };
    Ok(NewUpload {
        organization,
        purpose,
        name: file_name(value("filename").or_else(|| value("name")).unwrap_or_default()),
        size_bytes: length,
        metadata: metadata.to_owned(),
    })
}

/// What is shown; whatever a client's file system thinks of, it is never a path here.
fn file_name(sent: String) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
    let mut problems = Problems::default();
    problems.line("filename", &mut name, 1, 200);
    match problems.into_result() {
        Ok(()) => name,
        Err(_) => "file".to_owned(),
    }
}

/// Find how far an upload has come: `HEAD` is what a client sends when it comes back, and ends the request that still
/// hangs on its lost connection. `Upload-Offset` says how many bytes are here for good. All of them, and the answer to
/// `GET /media/{id}` says whether they are of use.
#[utoipa::path(tag = "media", params(("Tus-Resumable" = String, Header, description = "1.0.0"), ("id" = MediaId, Path)), responses((status = 200, body = MediaView, description = "Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires"), (status = 410, description = "upload_expired"), (status = 412, description = "tus_version")))]
#[get("/uploads/{id}")]
async fn find_upload(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MediaId>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    let mut row = own_upload(&app, &who.0, id.0).await?;
    if was_head(&request) {
        require_version(&request)?;
        app.media.end_writer(id.0).await;
        row = own_upload(&app, &who.0, id.0).await?;
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header(("upload-offset", row.received_bytes))
        .insert_header(("upload-length", row.size_bytes))
        .insert_header((CACHE_CONTROL, "no-store"));
    if !row.upload_metadata.is_empty() {
        response.insert_header(("upload-metadata", row.upload_metadata.as_str()));
    }
    if row.state() == MediaState::Uploading {
        with_expiry(&mut response, row.expires_at);
    }
    Ok(response.json(MediaView::whole(row, &app, &who.0)))
}

async fn own_upload(app: &App, actor: &Actor, id: MediaId) -> AppResult<FileRow> {
    let ctx = app.ctx(actor.clone());
    app.db
        .read_fresh(move |conn| service::own_upload(conn, &ctx, id))
        .await
}

/// Go on with an upload of my own: the bytes from `Upload-Offset` on.
///
/// What arrives before a connection is lost is kept, unless `Upload-Checksum` (sha1 or sha256) makes the request all or
/// nothing. One request writes at a time (upload_locked). A request without a byte for 30 seconds ends (request_timeout); how
/// long a whole file takes does not matter. The answer to the last byte waits up to 20 seconds while the file is looked at, so that
/// `GET /media/{id}` mostly says `ready` or `refused` at once; if it says `checking`, ask again after a second.
#[utoipa::path(tag = "media", params(("Tus-Resumable" = String, Header, description = "1.0.0"), ("Upload-Offset" = u64, Header, description = "Bytes that have arrived"), ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256 and the Base64 digest of this body"), ("id" = MediaId, Path)), request_body(content = String, content_type = "application/offset+octet-stream"), responses((status = 204, description = "Upload-Offset, Upload-Expires"), (status = 400, description = "bad_request: `header` names the one that is missing or malformed"), (status = 409, description = "upload_offset: `offset` says where it stands"), (status = 410, description = "upload_expired"), (status = 412, description = "tus_version"), (status = 413, description = "too_large: more bytes than were announced"), (status = 423, description = "upload_locked"), (status = 460, description = "checksum_mismatch: nothing of this request is kept")))]
#[patch("/uploads/{id}")]
async fn continue_upload(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MediaId>,
    request: HttpRequest,
    payload: web::Payload,
) -> AppResult<HttpResponse> {
    go_on(&app, who.0, id.0, &request, payload).await
}

async fn go_on(
    app: &web::Data<App>,
    actor: Actor,
    id: MediaId,
    request: &HttpRequest,
    payload: web::Payload,
) -> AppResult<HttpResponse> {
    let row = own_upload(app, &actor, id).await?;
    require_version(request)?;
    require_offset_type(request)?;
    let (offset, checksum) = (number(request, "Upload-Offset")?, checksum(request)?);
    if offset != row.received_bytes {
        return Err(elsewhere(&row));
    }
    let mut response = HttpResponse::NoContent();
    let offset = match row.state() {
        MediaState::Uploading => append(app, &actor, &row, checksum, payload, request).await?,
        // All of it is here, as this request says too.
        _ => offset,
    };
    response.insert_header(("upload-offset", offset));
    if offset < row.size_bytes {
        with_expiry(&mut response, app.clock.now().plus_s(app.config.media.upload_s));
    }
    Ok(response.finish())
}

/// Writes the body where the upload stands. The work is a task of its own: when the connection is lost the framework
/// drops this request, and what arrived must still be put down.
async fn append(
    app: &web::Data<App>,
    actor: &Actor,
    row: &FileRow,
    checksum: Option<Checksum>,
    payload: web::Payload,
    request: &HttpRequest,
) -> AppResult<i64> {
    require_plain(request)?;
    let room = row.size_bytes - row.received_bytes;
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
    if declared.is_some_and(|bytes| bytes > room) {
        return Err(AppError::from(Code::TooLarge).with("limit_bytes", room));
    }
    let id = row.id;
    let writer = app.media.begin(id, row.received_bytes, checksum).await?;
    let (shared, actor) = (app.clone(), actor.clone());
    let task = actix_web::rt::spawn(async move {
        let is_live = || shared.auth.is_live(actor.account, actor.session);
        let received = writer.receive(payload, is_live).await?;
        let looking = received.whole.map(|file| {
            let app = shared.clone();
            actix_web::rt::spawn(async move { look_at(&app, id, Some(file)).await })
        });
        Ok((received.offset, looking))
    });
    let done: AppResult<_> = task
        .await
        .map_err(|panic| AppError::internal(format!("an upload: {panic}")))?;
    let (offset, looking) = done?;
    if let Some(looking) = looking {
        let _ = tokio::time::timeout(LOOK, looking).await;
    }
    Ok(offset)
}

async fn look_at(app: &App, id: MediaId, file: Option<Arc<std::fs::File>>) {
    if let Err(error) = app.media.check(id, file).await {
        tracing::warn!(%error, "a file could not be looked at; the next round tries again");
    }
}

/// End an upload: its bytes go and their room is free. Of a finished one, the same as deleting the file.
#[utoipa::path(tag = "media", params(("Tus-Resumable" = String, Header, description = "1.0.0"), ("id" = MediaId, Path)), responses((status = 204), (status = 409, description = "media_in_use"), (status = 412, description = "tus_version")))]
#[delete("/uploads/{id}")]
async fn delete_upload(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MediaId>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    end(&app, who.0, id.0, &request).await
}

async fn end(app: &App, actor: Actor, id: MediaId, request: &HttpRequest) -> AppResult<HttpResponse> {
    if !has_version(request) {
        // Whose it is comes before how it is asked.
        own_upload(app, &actor, id).await?;
        return Err(version_error());
    }
    views::delete(app, actor, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Go on with an upload or end it where only POST gets through: `X-HTTP-Method-Override` says PATCH or DELETE, all
/// else is as there.
#[utoipa::path(tag = "media", params(("Tus-Resumable" = String, Header, description = "1.0.0"), ("id" = MediaId, Path)), request_body(content = String, content_type = "application/offset+octet-stream"), responses((status = 204, description = "As the operation that is meant"), (status = 400, description = "bad_request: no such override"), (status = 409, description = "upload_offset, media_in_use"), (status = 410, description = "upload_expired"), (status = 412, description = "tus_version"), (status = 413, description = "too_large"), (status = 423, description = "upload_locked"), (status = 460, description = "checksum_mismatch")))]
#[post("/uploads/{id}")]
async fn override_upload(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MediaId>,
    request: HttpRequest,
    payload: web::Payload,
) -> AppResult<HttpResponse> {
    match text(&request, "x-http-method-override").unwrap_or_default() {
        "PATCH" => go_on(&app, who.0, id.0, &request, payload).await,
        "DELETE" => end(&app, who.0, id.0, &request).await,
        _ => {
            own_upload(&app, &who.0, id.0).await?;
            Err(bad_header("X-HTTP-Method-Override"))
        }
    }
}

fn text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
}

fn bad_header(name: &str) -> AppError {
    AppError::from(Code::BadRequest).with("header", name)
}

fn number(request: &HttpRequest, name: &'static str) -> AppResult<i64> {
    let digits = text(request, name).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| bad_header(name))
}

fn checksum(request: &HttpRequest) -> AppResult<Option<Checksum>> {
    let header = text(request, "upload-checksum");
    header
        .map(|header| Checksum::parse(header).ok_or_else(|| bad_header("Upload-Checksum")))
        .transpose()
}

fn has_version(request: &HttpRequest) -> bool {
    text(request, "tus-resumable") == Some(tus::VERSION)
}

fn version_error() -> AppError {
    AppError::from(Code::TusVersion).with("tus_version", tus::VERSION)
}

fn require_version(request: &HttpRequest) -> AppResult<()> {
    if has_version(request) {
        Ok(())
    } else {
        Err(version_error())
    }
}

fn content_type(request: &HttpRequest) -> Option<&str> {
    request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
}

fn require_offset_type(request: &HttpRequest) -> AppResult<()> {
    if content_type(request).is_some_and(|sent| sent.trim().eq_ignore_ascii_case(tus::CONTENT_TYPE)) {
        Ok(())
    } else {
        Err(Code::UnsupportedMediaType.into())
    }
}

/// As HTTP writes dates.
fn with_expiry(response: &mut HttpResponseBuilder, at: Instant) -> &mut HttpResponseBuilder {
    response.insert_header((
        "upload-expires",
        at.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
    ))
}
