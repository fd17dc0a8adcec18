//! `/members/activation-codes` and `/members/{id}/activation-codes`.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, post, web};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::page::cards;
use super::service::{IssueActivationCodes, IssuedCode, issue_code, issue_codes};
use crate::app::App;
use crate::auth::SignedIn;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Language};
use crate::platform::http::{IdPath, Json, Wanted, language, sheet_response, wanted};
use crate::platform::sheet::{Cell, SheetFormat, write_sheet};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(issue_activation_codes).service(issue_activation_code);
}

#[derive(Serialize, utoipa::ToSchema)]
struct ActivationCodesView {
    items: Vec<ActivationCodeView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ActivationCodeView {
    member_id: MemberId,
    name: String,
    organization_name: String,
    #[schema(example = "K7QF-9XM2-P4TD")]
    code: String,
    expires_at: Instant,
}

impl From<IssuedCode> for ActivationCodeView {
    fn from(issued: IssuedCode) -> Self {
        Self {
            member_id: issued.member.member.id,
            name: issued.member.member.name,
            organization_name: issued.member.organization_name,
            code: issued.code,
            expires_at: issued.expires_at,
        }
    }
}

/// Issue one-time activation codes to members who have no password yet. With `Accept: text/html` they come as cards to
/// print on A4 and cut, with `text/csv` or the XLSX media type as a sheet. A repeat ends the codes of the first
/// request: codes are secrets, so no answer is kept for an `Idempotency-Key`.
#[utoipa::path(tag = "members", request_body = IssueActivationCodes, responses((status = 201, content((ActivationCodesView = "application/json"), (String = "text/html"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 406, description = "not_acceptable")))]
#[post("/members/activation-codes")]
async fn issue_activation_codes(
    app: web::Data<App>,
    who: SignedIn,
    request: HttpRequest,
    body: Json<IssueActivationCodes>,
) -> AppResult<HttpResponse> {
    let sheets = [SheetFormat::Csv, SheetFormat::Xlsx].map(Wanted::Sheet);
    let wanted = wanted(
        &request,
        &[&[Wanted::Json, Wanted::Html], sheets.as_slice()].concat(),
    )?;
    let ctx = app.ctx(who.0);
    let codes = app
        .db
        .write_long(move |conn| issue_codes(conn, &ctx, &body.0))
        .await?;
    Ok(match wanted {
        Wanted::Json => secret().json(ActivationCodesView {
            items: codes.into_iter().map(ActivationCodeView::from).collect(),
        }),
        // The page is what is printed; no other document is offered.
        Wanted::Html | Wanted::Pdf => printed(&app, &codes),
        Wanted::Sheet(format) => {
            let mut file = sheet_response(
                format,
                "activation-codes",
                sheet(format, language(&request), &codes)?,
            );
            *file.status_mut() = actix_web::http::StatusCode::CREATED;
            file
        }
    })
}

/// Issue a one-time code to one member, who may have a password already: then the code resets it. The password and the
/// sessions stay as they are until the code is used. With `Accept: text/html` it comes as a card to print.
#[utoipa::path(tag = "members", params(("id" = MemberId, Path)), responses((status = 201, content((ActivationCodeView = "application/json"), (String = "text/html"))), (status = 403, description = "forbidden: without the right over this member, or for myself"), (status = 406, description = "not_acceptable"), (status = 409, description = "member_inactive")))]
#[post("/members/{id}/activation-codes")]
async fn issue_activation_code(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    let wanted = wanted(&request, &[Wanted::Json, Wanted::Html])?;
    let ctx = app.ctx(who.0);
    let code = app.db.write(move |conn| issue_code(conn, &ctx, id.0)).await?;
    Ok(match wanted {
        Wanted::Html => printed(&app, &[code]),
        _ => secret().json(ActivationCodeView::from(code)),
    })
}

fn secret() -> HttpResponseBuilder {
    let mut response = HttpResponse::Created();
    response.insert_header(("cache-control", "no-store"));
    response
}

fn printed(app: &App, codes: &[IssuedCode]) -> HttpResponse {
    secret()
        .insert_header((
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'",
        ))
        .content_type("text/html; charset=utf-8")
        .body(cards(codes, &app.config.server.public_url))
}

fn sheet(format: SheetFormat, language: Language, codes: &[IssuedCode]) -> AppResult<Vec<u8>> {
    let headers = match language {
        Language::En => ["Name", "Branch", "Activation code", "Expires (UTC)"],
        Language::ZhHans => ["姓名", "所在支部", "激活码", "有效期至 (UTC)"],
        Language::ZhHant => ["姓名", "所在支部", "啟用碼", "有效期至 (UTC)"],
    };
    let rows = codes.iter().map(|issued| {
        vec![
            Cell::from(issued.member.member.name.as_str()),
            Cell::from(issued.member.organization_name.as_str()),
            Cell::from(issued.code.as_str()),
            Cell::from(issued.expires_at.utc().naive_utc()),
        ]
    });
    write_sheet(format, "activation codes", &headers, rows)
        .map_err(|error| AppError::internal(error.to_string()))
}
