//! The bytes of a file, for whoever holds its address: ranges, tags, and nothing of it in memory but the piece that is
//! being sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, RANGE,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, web};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::auth::Actor;
use crate::media::MediaId;
use crate::media::files::Folder;
use crate::media::rules::{MediaState, Wanted, disposition, range_holds, wanted};
use crate::media::store::{self, FileRow};
use crate::media::tickets::Ticket;
use crate::media::uploads::blocking;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{IdPath, Query, has_tag, was_head};
use crate::platform::text::Check;

/// Read at a time: measured, larger pieces gain nothing.
const PIECE: u64 = 256 * 1024;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(find_media_content);
}

/// Where somebody reads a file's bytes for the next hours, without a token.
pub fn url_of(app: &App, actor: &Actor, id: MediaId) -> String {
    let (now, life_s) = (app.clock.now(), app.config.media.url_s);
    let ticket = Ticket::new(actor.account, actor.session, now, life_s).write(id, &app.keys.current);
    format!(
        "{}/api/v1/media/{id}/content?ticket={ticket}",
        app.config.server.public_url
    )
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ContentQuery {
    /// As it stands in the address.
    ticket: Option<String>,
}

impl Check for ContentQuery {}

/// Read the bytes of a file, as its address says. The address comes with what shows the file, and needs no token, so that
/// a player can use it as it is. It holds for four hours at least unless the installation says otherwise (longer than
/// watching takes: a player asks again and again for what comes next), for one member's session, and ends
/// within a second of that session. `Range` gives a part (206, 416); several parts in one request are not made, the
/// answer is then the whole file. `If-Range` and `If-None-Match` go by the `ETag`, which is the SHA-256.
#[utoipa::path(tag = "media", security(()), params(("id" = MediaId, Path), ContentQuery), responses((status = 200, description = "The bytes, of the file's own type", content_type = "application/octet-stream"), (status = 206, description = "Those that `Range` names", content_type = "application/octet-stream"), (status = 304, description = "As `If-None-Match` has it"), (status = 410, description = "media_url_expired: load what it came with again"), (status = 416, description = "range_not_satisfiable: `Content-Range` tells the size")))]
#[get("/media/{id}/content")]
async fn find_media_content(
    app: web::Data<App>,
    id: IdPath<MediaId>,
    query: Query<ContentQuery>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    let now = app.clock.now();
    let ticket = query
        .0
        .ticket
        .and_then(|text| Ticket::read(&text, id.0, &app.keys));
    let ticket = ticket.ok_or_else(AppError::not_found)?;
    if ticket.is_over(now) || !app.auth.is_live(ticket.account, ticket.session) {
        return Err(Code::MediaUrlExpired.into());
    }
    let row = ready_file(&app, id.0).await?;
    let (Some(sha256), Some(kind), Some(content_type)) = (row.sha256_hex(), row.kind(), &row.content_type)
    else {
        return Err(AppError::internal("a file that is ready and not known"));
    };
    let left_s = ticket.expires_s - now.seconds();
    let head = Head {
        etag: format!("\"{sha256}\""),
        content_type,
        disposition: disposition(kind, &row.name),
        cache: format!("private, max-age={left_s}, immutable"),
    };
    if let Some(prefix) = &app.config.media.x_accel_prefix {
        return Ok(head.hand_over(prefix, &row));
    }
    head.answer(&app, &row, &request).await
}

/// A replica of the database that lags may not know it yet.
async fn ready_file(app: &App, id: MediaId) -> AppResult<FileRow> {
    let is_ready = |row: &FileRow| row.state() == MediaState::Ready;
    let find = move |conn: &mut _| Ok(store::find_file(conn, id)?);
    if let Some(row) = app.db.read(find).await?.filter(is_ready) {
        return Ok(row);
    }
    let row = app.db.read_fresh(find).await?.filter(is_ready);
    row.ok_or_else(AppError::not_found)
}

/// What each answer about the bytes says.
struct Head<'a> {
    etag: String,
    content_type: &'a str,
    disposition: String,
    cache: String,
}

impl Head<'_> {
    fn begin(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        response
            .insert_header((CACHE_CONTROL, self.cache.as_str()))
            .insert_header((CONTENT_DISPOSITION, self.disposition.as_str()))
            .content_type(self.content_type);
        response
    }

    /// nginx sends the file, its ranges and its own tag; the right to read it was ours to judge.
    fn hand_over(&self, prefix: &str, row: &FileRow) -> HttpResponse {
        let place = format!("{prefix}{}", Folder::name(row.tenant_id, row.id));
        self.begin(StatusCode::OK)
            .insert_header((HeaderName::from_static("x-accel-redirect"), place))
            .finish()
    }

    async fn answer(&self, app: &App, row: &FileRow, request: &HttpRequest) -> AppResult<HttpResponse> {
        if has_tag(request, &self.etag) {
            return Ok(self
                .begin(StatusCode::NOT_MODIFIED)
                .insert_header((ETAG, self.etag.as_str()))
                .finish());
        }
        let size = row.size_bytes.unsigned_abs();
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let asked = match range_holds(header(IF_RANGE), &self.etag) {
            true => wanted(header(RANGE), size),
            false => Wanted::Whole,
        };
        let (status, first, last) = match asked {
            Wanted::Whole => (StatusCode::OK, 0, size.saturating_sub(1)),
            Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last),
            Wanted::Nothing => {
                return Err(AppError::from(Code::RangeNotSatisfiable).with("size_bytes", size));
            }
        };
        let mut response = self.begin(status);
        response
            .insert_header((ETAG, self.etag.as_str()))
            .insert_header((ACCEPT_RANGES, "bytes"));
        if status == StatusCode::PARTIAL_CONTENT {
            response.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{size}")));
        }
        let length = last + 1 - first;
        if was_head(request) {
            return Ok(response
                .no_chunking(length)
                .body(SizedStream::new(length, stream::empty::<io::Result<Bytes>>())));
        }
        let (folder, tenant, id) = (app.media.folder.clone(), row.tenant_id, row.id);
        if let Some(bucket) = &app.media.bucket {
            let bytes = bucket.get(tenant, id, first, last).await?;
            return Ok(response.body(SizedStream::new(length, bytes)));
        }
        let file = blocking(move || folder.open(tenant, id)).await?;
        Ok(response.body(SizedStream::new(length, pieces(file, first, last))))
    }
}

/// The bytes from the first to the last one, a piece at a time.
fn pieces(file: File, first: u64, last: u64) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    let file = Arc::new(file);
    stream::try_unfold(first, move |at| {
        let file = file.clone();
        async move {
            if at > last {
                return Ok(None);
            }
            let length = (last + 1 - at).min(PIECE);
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                file.read_exact_at(&mut piece, at)?;
                Ok::<_, io::Error>(Bytes::from(piece))
            });
            let piece = read.await.map_err(io::Error::other)??;
            Ok(Some((piece, at + length)))
        }
    })
}
