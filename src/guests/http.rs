//! `/events/{id}/guests`, public addresses, and checking in without an account.

use std::future::Future;
use std::time::Duration;

use actix_web::{HttpRequest, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::commands::{CancelOwnGuest, CheckInGuest, CreateGuest, CreateGuestLink, CreateOwnGuest};
use super::links::{self, Invitation};
use super::service::{self, Known};
use super::store::{Counts, GuestRow, LinkRow};
use super::{GuestId, GuestLinkId, pass};
use crate::app::App;
use crate::attendance;
use crate::auth::{Actor, SignedIn};
use crate::events::EventId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{Answer, IdPath, Json, List, Once, PageQuery, Query, Tagged, client_address};
use crate::platform::limits::Limit;
use crate::platform::page::Page;
use crate::platform::text::Check;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(list_guests)
        .service(create_guest)
        .service(delete_guest)
        .service(check_in_guest)
        .service(list_guest_links)
        .service(create_guest_link)
        .service(revoke_guest_link)
        .service(find_guest_invitation)
        .service(create_own_guest)
        .service(cancel_own_guest)
        .service(check_in_as_guest);
}

/// A guest of an event.
#[derive(Serialize, utoipa::ToSchema)]
struct GuestView {
    id: GuestId,
    event_id: EventId,
    /// Null: erased.
    name: Option<String>,
    phone: Option<String>,
    note: String,
    /// When they agreed that this is kept.
    consent_at: Instant,
    /// The public address they came by; null: an organiser put them down.
    link_id: Option<GuestLinkId>,
    created_at: Instant,
    cancelled_at: Option<Instant>,
    checked_in_at: Option<Instant>,
    /// pass, phone or by_hand.
    check_in_source: Option<String>,
    erased_at: Option<Instant>,
}

impl From<GuestRow> for GuestView {
    fn from(row: GuestRow) -> Self {
        Self {
            id: row.id,
            event_id: row.event_id,
            name: row.name,
            phone: row.phone,
            note: row.note,
            consent_at: row.consent_at,
            link_id: row.link_id,
            created_at: row.created_at,
            cancelled_at: row.cancelled_at,
            checked_in_at: row.checked_in_at,
            check_in_source: row.check_in_source,
            erased_at: row.erased_at,
        }
    }
}

/// What is kept of a write for its repeat: not name and number, which are erased one day.
#[derive(Serialize, Deserialize)]
struct KeptGuest {
    id: GuestId,
}

impl KeptGuest {
    fn of(row: &GuestRow) -> Self {
        Self { id: row.id }
    }
}

/// The guest as the list has them now, for who manages the event still.
async fn shown(app: &App, who: Actor, kept: Answer) -> AppResult<Answer> {
    let (ctx, KeptGuest { id }) = (app.ctx(who), kept.kept()?);
    let read = move |conn: &mut _| service::view_guest(conn, &ctx, id);
    kept.showing(&GuestView::from(app.db.read_fresh(read).await?))
}

/// A page of guests, with the numbers of all.
#[derive(Serialize, utoipa::ToSchema)]
struct GuestListView {
    #[serde(flatten)]
    list: List<GuestView>,
    invited: i32,
    present: i32,
}

#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GuestQuery {
    /// Only those who have come, or only those who have not.
    checked_in: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for GuestQuery {}

/// List an event's guests, for who manages it. Those who gave their place back are left out.
#[utoipa::path(tag = "guests", params(("id" = EventId, Path), GuestQuery), responses((status = 200, body = GuestListView)))]
#[get("/events/{id}/guests")]
async fn list_guests(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<GuestQuery>,
) -> AppResult<Tagged<GuestListView>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<GuestId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = page.clone();
    let read = move |conn: &mut _| service::list_guests(conn, &ctx, id.0, query.checked_in, &asked);
    let (found, Counts { invited, present }) = app.db.read(read).await?;
    Ok(Tagged(GuestListView {
        list: page.list(found, |row: &GuestRow| row.id, GuestView::from),
        invited,
        present,
    }))
}

/// Put a guest down who has agreed to it. At the door they say their telephone number, or an organiser checks them in.
#[utoipa::path(tag = "guests", params(("id" = EventId, Path)), request_body = CreateGuest, responses((status = 201, body = GuestView), (status = 409, description = "guest_exists, event_cancelled, event_over")))]
#[post("/events/{id}/guests")]
async fn create_guest(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<CreateGuest>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let create = move |conn: &mut _, ctx: &_| {
        Answer::created(&KeptGuest::of(&service::create_guest(conn, ctx, id.0, &body)?))
    };
    let kept = app.write_once(who.0.clone(), key, create).await?;
    shown(&app, who.0, kept).await
}

/// Take a guest off and erase what is held about them at once. That somebody came stays counted, without a name.
#[utoipa::path(tag = "guests", params(("id" = GuestId, Path)), responses((status = 200, body = GuestView)))]
#[delete("/guests/{id}")]
async fn delete_guest(app: web::Data<App>, who: SignedIn, id: IdPath<GuestId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let remove = move |conn: &mut _| service::remove_guest(conn, &ctx, id.0);
    Answer::ok(&GuestView::from(app.db.write(remove).await?))
}

/// Check a guest in by hand, while check-in is open.
#[utoipa::path(tag = "guests", params(("id" = GuestId, Path)), responses((status = 200, body = GuestView), (status = 409, description = "not_open_yet, closed, event_cancelled, guest_cancelled")))]
#[post("/guests/{id}/check-in")]
async fn check_in_guest(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<GuestId>,
    once: Once<()>,
) -> AppResult<Answer> {
    let check_in =
        move |conn: &mut _, ctx: &_| Answer::ok(&KeptGuest::of(&service::check_in_by_hand(conn, ctx, id.0)?));
    let kept = app.write_once(who.0.clone(), once.key, check_in).await?;
    shown(&app, who.0, kept).await
}

/// A public address of an event.
#[derive(Serialize, utoipa::ToSchema)]
struct GuestLinkView {
    id: GuestLinkId,
    event_id: EventId,
    places: i32,
    taken: i32,
    expires_at: Instant,
    created_at: Instant,
    revoked_at: Option<Instant>,
    /// Only in the answer that makes it: whoever has it can put themselves down.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl From<LinkRow> for GuestLinkView {
    fn from(row: LinkRow) -> Self {
        Self {
            id: row.id,
            event_id: row.event_id,
            places: row.places,
            taken: row.taken,
            expires_at: row.expires_at,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
            url: None,
        }
    }
}

/// List an event's public addresses, the oldest first, ended ones too.
#[utoipa::path(tag = "guests", params(("id" = EventId, Path), PageQuery), responses((status = 200, body = List<GuestLinkView>)))]
#[get("/events/{id}/guest-links")]
async fn list_guest_links(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<GuestLinkView>>> {
    let (ctx, page) = (app.ctx(who.0), query.0.page::<GuestLinkId>()?);
    let asked = page.clone();
    let read = move |conn: &mut _| links::list_links(conn, &ctx, id.0, &asked);
    let found = app.db.read(read).await?;
    Ok(Tagged(page.list(
        found,
        |row: &LinkRow| row.id,
        GuestLinkView::from,
    )))
}

/// Open an event to guests: an address by which people without an account put themselves down, with so many places and
/// an end. It is shown only once.
#[utoipa::path(tag = "guests", params(("id" = EventId, Path)), request_body = CreateGuestLink, responses((status = 201, body = GuestLinkView), (status = 409, description = "event_cancelled, event_over")))]
#[post("/events/{id}/guest-links")]
async fn create_guest_link(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    body: Json<CreateGuestLink>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let create = move |conn: &mut _| links::create_link(conn, &ctx, id.0, &body.0);
    let (row, secret) = app.db.write(create).await?;
    Answer::created(&GuestLinkView {
        url: Some(format!("{}/g/{secret}", app.config.server.public_url)),
        ..row.into()
    })
}

/// End a public address. Who has come by it stays on the list.
#[utoipa::path(tag = "guests", params(("id" = GuestLinkId, Path)), responses((status = 200, body = GuestLinkView)))]
#[post("/guest-links/{id}/revoke")]
async fn revoke_guest_link(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<GuestLinkId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        Answer::ok(&GuestLinkView::from(links::revoke_link(conn, ctx, id.0)?))
    })
    .await
}

/// What a guest is told of an event.
#[derive(Serialize, utoipa::ToSchema)]
struct GuestInvitationView {
    event_title: String,
    organization_name: String,
    place: String,
    starts_at: Instant,
    ends_at: Instant,
    time_zone: String,
    /// True: it does not take place.
    cancelled: bool,
    expires_at: Instant,
    /// 0: nobody can put themselves down any more.
    places_left: i32,
    /// Name and phone are erased so many days after the event.
    kept_days: i64,
}

/// Find what a public address invites to. Takes no token: the address is the right to ask.
#[utoipa::path(tag = "guests", security(()), params(("token" = String, Path)), responses((status = 200, body = GuestInvitationView)))]
#[get("/guest-invitations/{token}")]
async fn find_guest_invitation(
    app: web::Data<App>,
    request: HttpRequest,
    token: web::Path<String>,
) -> AppResult<Tagged<GuestInvitationView>> {
    let now = app.clock.now();
    let read = move |conn: &mut _| links::find_invitation(conn, now, &token);
    let found = counted(&app, &request, app.db.read_fresh(read)).await?;
    let Invitation {
        event,
        organization,
        expires_at,
        places_left,
    } = found;
    Ok(Tagged(GuestInvitationView {
        event_title: event.title,
        organization_name: organization,
        place: event.place,
        starts_at: event.starts_at,
        ends_at: event.ends_at,
        time_zone: event.time_zone,
        cancelled: event.status == "cancelled",
        expires_at,
        places_left,
        kept_days: app.config.guests.keep_days,
    }))
}

/// A guest with what their phone keeps.
#[derive(Serialize, utoipa::ToSchema)]
struct OwnGuestView {
    id: GuestId,
    event_id: EventId,
    name: Option<String>,
    created_at: Instant,
    cancelled_at: Option<Instant>,
    /// Keep it on the phone: with it one checks in and gives the place back.
    pass: String,
}

/// Put myself down as a guest, by a public address. Takes no token.
#[utoipa::path(tag = "guests", security(()), params(("token" = String, Path)), request_body = CreateOwnGuest, responses((status = 201, body = OwnGuestView), (status = 200, description = "The same client_event_id again", body = OwnGuestView), (status = 409, description = "guest_link_full, guest_exists, event_cancelled, event_over"), (status = 410, description = "guest_link_expired"), (status = 429, description = "rate_limited: too many failures from this address")))]
#[post("/guest-invitations/{token}/guests")]
async fn create_own_guest(
    app: web::Data<App>,
    request: HttpRequest,
    token: web::Path<String>,
    body: Json<CreateOwnGuest>,
) -> AppResult<Answer> {
    let (ids, now) = (app.ids.clone(), app.clock.now());
    let create = move |conn: &mut _| service::create_own_guest(conn, &ids, now, &token, &body.0);
    let (row, is_new) = counted(&app, &request, app.db.write(create)).await?;
    let view = OwnGuestView {
        pass: pass::make(&app.keys, row.id),
        id: row.id,
        event_id: row.event_id,
        name: row.name,
        created_at: row.created_at,
        cancelled_at: row.cancelled_at,
    };
    if is_new {
        Answer::created(&view)
    } else {
        Answer::ok(&view)
    }
}

/// Give my place as a guest back; what is held about me is erased. Takes no token: the pass is the right. Doing it again
/// changes nothing.
#[utoipa::path(tag = "guests", security(()), request_body = CancelOwnGuest, responses((status = 204)))]
#[post("/guest-cancellations")]
async fn cancel_own_guest(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<CancelOwnGuest>,
) -> AppResult<Answer> {
    let now = app.clock.now();
    let id = pass::read(&app.keys, &body.0.pass).ok_or_else(AppError::not_found);
    let id = counted(&app, &request, async { id }).await?;
    let cancel = move |conn: &mut _| service::cancel_own_guest(conn, now, id);
    if app.db.write(cancel).await? {
        let (limit, address) = tries(&app, &request);
        limit.note(&app.cache, &address).await;
    }
    Ok(Answer::no_content())
}

/// That a guest has come. It names nobody: a telephone number alone tells nothing of whose it is.
#[derive(Serialize, utoipa::ToSchema)]
struct GuestCheckInView {
    id: GuestId,
    event_id: EventId,
    event_title: String,
    checked_in_at: Option<Instant>,
}

/// Check in as a guest with the code on the screen: by the pass, or by the telephone number one was put down with. Takes no
/// token. Doing it again gives the same record.
#[utoipa::path(tag = "guests", security(()), request_body = CheckInGuest, responses((status = 201, body = GuestCheckInView), (status = 200, description = "Checked in before", body = GuestCheckInView), (status = 403, description = "not_expected: no guest of this event"), (status = 409, description = "not_open_yet, closed, event_cancelled"), (status = 410, description = "expired_code"), (status = 422, description = "invalid_code"), (status = 429, description = "rate_limited: too many failures from this address")))]
#[post("/guest-check-ins")]
async fn check_in_as_guest(
    app: web::Data<App>,
    request: HttpRequest,
    body: Json<CheckInGuest>,
) -> AppResult<Answer> {
    let (row, title, is_new) = counted(&app, &request, check_in(&app, body.0)).await?;
    let view = GuestCheckInView {
        id: row.id,
        event_id: row.event_id,
        event_title: title,
        checked_in_at: row.checked_in_at,
    };
    if is_new {
        Answer::created(&view)
    } else {
        Answer::ok(&view)
    }
}

async fn check_in(app: &App, body: CheckInGuest) -> AppResult<(GuestRow, String, bool)> {
    let now = app.clock.now();
    let event = match (&body.code, &body.proof) {
        (Some(code), _) => attendance::event_of_code(&app.keys, code, now)?,
        (None, proof) => {
            let (proof, device) = (proof.as_deref().unwrap_or_default(), body.device_id.as_deref());
            let proof_s = app.config.check_in.proof_s;
            attendance::event_of_proof(&app.keys, proof, device.unwrap_or_default(), now, proof_s)?
        }
    };
    let known = match (&body.pass, &body.phone) {
        (Some(text), _) => Known::Pass(pass::read(&app.keys, text).ok_or(Code::NotExpected)?),
        (None, phone) => Known::Phone(phone.clone().unwrap_or_default()),
    };
    app.db
        .write(move |conn| {
            let (row, event, is_new) = service::check_in(conn, now, event, &known)?;
            Ok((row, event.title, is_new))
        })
        .await
}

/// What strangers try from an address is counted by it.
fn tries(app: &App, request: &HttpRequest) -> (Limit, String) {
    let quota = app.config.auth.failures_per_address_per_hour;
    let limit = Limit::on_addresses("guest-address", quota, Duration::from_secs(3_600));
    (limit, client_address(request, &app.config.server.trusted_proxies))
}

/// Tries that come to nothing count, and those that tell of a telephone number whether it is on the list, so that nobody
/// tries all of them; a hall of guests behind one address is not stopped by its own successes. A place that is given back
/// counts too: it may have been taken to see whether its number was free.
async fn counted<T>(
    app: &App,
    request: &HttpRequest,
    work: impl Future<Output = AppResult<T>>,
) -> AppResult<T> {
    let (limit, address) = tries(app, request);
    limit.check(&app.cache, &address).await?;
    let result = work.await;
    if let Err(error) = &result
        && matches!(
            error.code(),
            Code::NotFound | Code::NotExpected | Code::InvalidCode | Code::GuestExists
        )
    {
        limit.note(&app.cache, &address).await;
    }
    result
}
