//! Two operations: all of one's own, and the end of somebody's.

use actix_web::{HttpResponse, delete, get, web};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service::{self, Records};
use crate::app::App;
use crate::auth::SignedIn;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, file_response};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(export_me).service(erase_member);
}

#[derive(Serialize, utoipa::ToSchema)]
struct ExportView {
    member_id: MemberId,
    made_at: Instant,
    /// Rows by the name of their table, with the names of their columns: ids, times in RFC 3339, bytes in hexadecimal.
    #[schema(value_type = std::collections::BTreeMap<String, Vec<serde_json::Map<String, serde_json::Value>>>)]
    records: Records,
}

/// Everything that is held about me, as a file to keep: each row of each table, without secrets and without the ids of others
/// who decided something. A system admin, who is nobody's member, is refused. What the columns mean is told in words by the
/// operations that show them.
#[utoipa::path(tag = "personal data", responses((status = 200, body = ExportView), (status = 403, description = "forbidden")))]
#[get("/me/export")]
async fn export_me(app: web::Data<App>, who: SignedIn) -> AppResult<HttpResponse> {
    let (ctx, member_id) = (app.ctx(who.0.clone()), who.0.member()?);
    let made_at = ctx.now;
    let records = app
        .db
        .read_export(move |conn| service::export(conn, &ctx))
        .await?;
    let view = ExportView {
        member_id,
        made_at,
        records,
    };
    let bytes = serde_json::to_vec(&view).map_err(|error| AppError::internal(error.to_string()))?;
    Ok(file_response("application/json", "zhibu-export.json", bytes))
}

/// Erase what is held of a person who has left: name, numbers, sign-in, words they or others wrote about what they did, their
/// reflections with pictures, their notices. That somebody attended, studied and has points stays, without a name. For admins of
/// the organization; the member must be deactivated first. It cannot be undone; again, it changes nothing.
#[utoipa::path(tag = "personal data", params(("id" = MemberId, Path)), responses((status = 204), (status = 409, description = "member_active")))]
#[delete("/members/{id}/personal-data")]
async fn erase_member(app: web::Data<App>, who: SignedIn, id: IdPath<MemberId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let asked = ctx.clone();
    let known = app
        .db
        .read_fresh_long(move |conn| service::find_mentions(conn, &asked, id.0))
        .await?;
    app.db
        .write_long(move |conn| service::erase(conn, &ctx, &known))
        .await?;
    Ok(Answer::no_content())
}
