//! `/events/{id}/service-hours`, `/me/service-hours`, `/members/{id}/service-hours`, `/organizations/{id}/service-hours`.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::ServiceHoursId;
use super::commands::ConfirmServiceHours;
use super::export::totals_sheet;
use super::service::{self, Hours, Proposal, Seen};
use super::statement::statement_pdf;
use super::store::{HoursRow, TotalRow, YearRow};
use crate::app::App;
use crate::auth::{AccountId, SignedIn};
use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{
    Answer, IdPath, LIST_OR_SHEET, List, Once, PageQuery, Query, Tagged, Wanted, file_response, language,
    sheet_response, wanted,
};
use crate::platform::page::{Found, Page};
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_event_service_hours)
        .service(confirm_service_hours)
        .service(annul_service_hours)
        .service(list_my_service_hours)
        .service(list_member_service_hours)
        .service(list_service_hour_totals);
}

/// Hours that an organiser has confirmed.
#[derive(Serialize, utoipa::ToSchema)]
struct ServiceHoursView {
    id: ServiceHoursId,
    event_id: EventId,
    member_id: MemberId,
    /// The member's at the time. Null where it is out of the reader's sight.
    organization_id: Option<OrganizationId>,
    /// The day on which the service began, where the event is; it counts for that year.
    served_on: NaiveDate,
    minutes: i32,
    /// What the event's points told then; null: there was no check-out.
    proposed_minutes: Option<i32>,
    /// Of other minutes than those.
    reason: Option<String>,
    confirmed_at: Instant,
    confirmed_by: AccountId,
    annulled_at: Option<Instant>,
    annul_reason: Option<String>,
}

impl ServiceHoursView {
    fn of(row: HoursRow, seen: &Seen) -> Self {
        Self {
            id: row.id,
            event_id: row.event_id,
            member_id: row.member_id,
            organization_id: seen.get(&row.organization_id).copied(),
            served_on: row.served_on,
            minutes: row.minutes,
            proposed_minutes: row.proposed_minutes,
            reason: row.reason,
            confirmed_at: row.confirmed_at,
            confirmed_by: row.confirmed_by,
            annulled_at: row.annulled_at,
            annul_reason: row.annul_reason,
        }
    }
}

/// Somebody who came to a volunteering event.
#[derive(Serialize, utoipa::ToSchema)]
struct ProposedHoursView {
    member_id: MemberId,
    name: String,
    /// Null where it is out of the reader's sight.
    organization_id: Option<OrganizationId>,
    /// Their check-in waits for a person: hours of all as they are proposed leave them out.
    review: bool,
    first_in_at: Instant,
    out_at: Option<Instant>,
    /// From the first check-in to the check-out; null without a check-out.
    proposed_minutes: Option<i32>,
    confirmed: Option<ServiceHoursView>,
}

impl ProposedHoursView {
    fn of(proposal: Proposal, seen: &Seen) -> Self {
        let person = proposal.person;
        Self {
            member_id: person.member,
            name: person.name,
            organization_id: seen.get(&person.organization).copied(),
            review: person.waits_for_review,
            first_in_at: person.first_in_at,
            out_at: person.out_at,
            proposed_minutes: person.minutes,
            confirmed: proposal.confirmed.map(|row| ServiceHoursView::of(row, seen)),
        }
    }
}

/// List who came to a volunteering event, by name, with the minutes that are proposed, from check-in to check-out, and
/// those that were confirmed.
#[utoipa::path(tag = "volunteering", params(("id" = EventId, Path), PageQuery), responses((status = 200, body = List<ProposedHoursView>), (status = 409, description = "not_volunteering")))]
#[get("/events/{id}/service-hours")]
async fn list_event_service_hours(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<ProposedHoursView>>> {
    let (ctx, page) = (app.ctx(who.0), query.0.page::<(String, MemberId)>()?);
    let (all, seen) = app
        .db
        .read(move |conn| service::list_proposals(conn, &ctx, id.0))
        .await?;
    let key = |one: &Proposal| (one.person.name.clone(), one.person.member);
    let count = page
        .count
        .then_some(all.len())
        .and_then(|n| i64::try_from(n).ok());
    let after = page.after.clone();
    let rows = all
        .into_iter()
        .filter(|one| after.as_ref().is_none_or(|after| key(one) > *after))
        .take(page.limit + 1)
        .collect();
    let view = |one| ProposedHoursView::of(one, &seen);
    Ok(Tagged(page.list(Found { rows, count }, key, view)))
}

/// What was confirmed by one request.
#[derive(Serialize, utoipa::ToSchema)]
struct ConfirmedHoursView {
    items: Vec<ServiceHoursView>,
    total_minutes: i64,
}

/// Confirm service hours: everybody's as they are proposed, or somebody's, all of the items or none. Other minutes than
/// those proposed need a reason. Who has not checked out has none until the event is over; then the organiser may say how
/// long it was, and why. Nobody has hours twice: what was confirmed is annulled first.
#[utoipa::path(tag = "volunteering", params(("id" = EventId, Path)), request_body = ConfirmServiceHours, responses((status = 200, body = ConfirmedHoursView), (status = 409, description = "not_volunteering, not_checked_in, not_checked_out, hours_confirmed (with `service_hours_id`), event_cancelled")))]
#[post("/events/{id}/service-hours/confirm")]
async fn confirm_service_hours(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<ConfirmServiceHours>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let (rows, seen) = service::confirm_hours(conn, ctx, id.0, &body)?;
        Answer::ok(&ConfirmedHoursView {
            total_minutes: rows.iter().map(|row| i64::from(row.minutes)).sum(),
            items: rows
                .into_iter()
                .map(|row| ServiceHoursView::of(row, &seen))
                .collect(),
        })
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "時長登記有誤"}))]
struct AnnulServiceHours {
    reason: String,
}

impl Check for AnnulServiceHours {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Take confirmed hours back, with a reason. The record stays; they may be confirmed anew.
#[utoipa::path(tag = "volunteering", params(("id" = ServiceHoursId, Path)), request_body = AnnulServiceHours, responses((status = 200, body = ServiceHoursView), (status = 409, description = "already_annulled")))]
#[post("/service-hours/{id}/annul")]
async fn annul_service_hours(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ServiceHoursId>,
    once: Once<AnnulServiceHours>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let (row, seen) = service::annul_hours(conn, ctx, id.0, &body.reason)?;
        Answer::ok(&ServiceHoursView::of(row, &seen))
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HoursQuery {
    /// Only this year. Of a total: the year of today when it is left out.
    year: Option<i32>,
    /// Items a page, 1 to 200 (default 50); without effect on a file, which holds all.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for HoursQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_range("year", &self.year, 1970, 2999);
    }
}

/// Hours with what they were served at.
#[derive(Serialize, utoipa::ToSchema)]
struct MemberHoursView {
    #[serde(flatten)]
    hours: ServiceHoursView,
    event_title: String,
}

/// A year's total.
#[derive(Serialize, utoipa::ToSchema)]
struct YearView {
    year: i32,
    minutes: i64,
    events: i64,
}

impl From<YearRow> for YearView {
    fn from(row: YearRow) -> Self {
        Self {
            year: row.year,
            minutes: row.minutes,
            events: row.events,
        }
    }
}

/// A member's service.
#[derive(Serialize, utoipa::ToSchema)]
struct MemberServiceView {
    member_id: MemberId,
    /// The newest first.
    items: Vec<MemberHoursView>,
    next_cursor: Option<String>,
    /// With `count=true`: how many there are on all pages together.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    /// Of each year, whatever the page, the newest first; with `year` of that one.
    years: Vec<YearView>,
    /// Of these years together.
    total_minutes: i64,
}

const LIST_OR_PDF: [Wanted; 2] = [Wanted::Json, Wanted::Pdf];

/// List my confirmed service hours, with a total for each year. A year is that of the day on which the service began,
/// where the event was. With `Accept: application/pdf` they come as a statement to print.
#[utoipa::path(tag = "volunteering", params(HoursQuery), responses((status = 200, content((MemberServiceView = "application/json"), (Vec<u8> = "application/pdf"))), (status = 406, description = "not_acceptable"), (status = 503, description = "document_font_missing: the admin sets `documents.font`")))]
#[get("/me/service-hours")]
async fn list_my_service_hours(
    app: web::Data<App>,
    who: SignedIn,
    request: HttpRequest,
    query: Query<HoursQuery>,
) -> AppResult<HttpResponse> {
    let member = who.0.member()?;
    member_service(&app, who, member, &request, query.0).await
}

/// List a member's confirmed service hours, with a total for each year. With `Accept: application/pdf` they come as a
/// statement to print.
#[utoipa::path(tag = "volunteering", params(("id" = MemberId, Path), HoursQuery), responses((status = 200, content((MemberServiceView = "application/json"), (Vec<u8> = "application/pdf"))), (status = 406, description = "not_acceptable"), (status = 503, description = "document_font_missing: the admin sets `documents.font`")))]
#[get("/members/{id}/service-hours")]
async fn list_member_service_hours(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    request: HttpRequest,
    query: Query<HoursQuery>,
) -> AppResult<HttpResponse> {
    member_service(&app, who, id.0, &request, query.0).await
}

async fn member_service(
    app: &web::Data<App>,
    who: SignedIn,
    member: MemberId,
    request: &HttpRequest,
    query: HoursQuery,
) -> AppResult<HttpResponse> {
    let (ctx, year) = (app.ctx(who.0), query.year);
    let page =
        Page::<(NaiveDate, ServiceHoursId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    if wanted(request, &LIST_OR_PDF)? == Wanted::Pdf {
        let read = move |conn: &mut _| service::statement(conn, &ctx, member, year);
        let statement = app.db.read(read).await?;
        let (language, config) = (language(request), app.config.clone());
        // Fonts are megabytes to read: not on a thread that others wait for.
        let write = move || {
            let (font, server) = (config.documents.font.as_deref(), &config.server.public_url);
            statement_pdf(&statement, language, font, server)
        };
        let bytes = web::block(write)
            .await
            .map_err(|error| AppError::internal(format!("writing a document ended abnormally: {error}")))??;
        return Ok(file_response("application/pdf", "service-hours.pdf", bytes));
    }
    let asked = page.clone();
    let look = move |conn: &mut _| service::member_hours(conn, &ctx, member, year, &asked);
    let Hours {
        member,
        found,
        seen,
        years,
    } = app.db.read(look).await?;
    let key = |(row, _): &(HoursRow, String)| (row.served_on, row.id);
    let view = |(row, event_title)| MemberHoursView {
        hours: ServiceHoursView::of(row, &seen),
        event_title,
    };
    let list = page.list(found, key, view);
    let years: Vec<YearView> = years
        .into_iter()
        .filter(|row| year.is_none_or(|year| row.year == year))
        .map(YearView::from)
        .collect();
    let view = MemberServiceView {
        member_id: member,
        items: list.items,
        next_cursor: list.next_cursor,
        count: list.count,
        total_minutes: years.iter().map(|year| year.minutes).sum(),
        years,
    };
    Ok(Tagged(view).respond_to(request))
}

/// What a member has in the year.
#[derive(Serialize, utoipa::ToSchema)]
struct ServiceTotalView {
    member_id: MemberId,
    name: String,
    employee_no: Option<String>,
    organization_id: OrganizationId,
    organization_name: String,
    year: i32,
    events: i64,
    minutes: i64,
}

impl ServiceTotalView {
    fn of(year: i32, row: TotalRow) -> Self {
        Self {
            member_id: row.member_id,
            name: row.name,
            employee_no: row.employee_no,
            organization_id: row.organization_id,
            organization_name: row.organization_name,
            year,
            events: row.events,
            minutes: row.minutes,
        }
    }
}

/// Rows of a file; nobody reads more in a spreadsheet.
const MOST_IN_FILE: usize = 200_000;

/// List what the members of an organization and all below it have served in a year, by name: those who have any hours.
/// With `Accept: text/csv` or the XLSX media type the whole list comes as a file.
#[utoipa::path(tag = "volunteering", params(("id" = OrganizationId, Path), HoursQuery), responses((status = 200, content((List<ServiceTotalView> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 406, description = "not_acceptable")))]
#[get("/organizations/{id}/service-hours")]
async fn list_service_hour_totals(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    request: HttpRequest,
    query: Query<HoursQuery>,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let wanted = wanted(&request, &LIST_OR_SHEET)?;
    let page = Page::<(String, MemberId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = match wanted {
        Wanted::Sheet(_) => Page::first(MOST_IN_FILE),
        _ => page.clone(),
    };
    let look = move |conn: &mut _| service::list_totals(conn, &ctx, id.0, query.year, &asked);
    let (year, found) = app.db.read_long(look).await?;
    let Wanted::Sheet(format) = wanted else {
        let key = |row: &TotalRow| (row.name.clone(), row.member_id);
        let list = page.list(found, key, |row| ServiceTotalView::of(year, row));
        return Ok(Tagged(list).respond_to(&request));
    };
    let language = language(&request);
    let bytes = web::block(move || totals_sheet(format, language, year, found.rows))
        .await
        .map_err(|error| AppError::internal(format!("writing a sheet ended abnormally: {error}")))??;
    Ok(sheet_response(format, "service-hours", bytes))
}
