//! `/events`, and the calendar addresses.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::EventId;
use super::admission::Admission;
use super::calendar::{CONTENT_TYPE, Method, calendar};
use super::commands::{CloneEvent, CreateEvent, Expected, Geofence, PublishEvent, UpdateEvent, geofence_of};
use super::copy;
use super::lists::{self, ListEvents};
use super::rules::{Form, Status};
use super::service::{self, FullEvent};
use super::store::EventRow;
use super::sync::SyncToken;
use crate::app::App;
use crate::attendance::news_of;
use crate::auth::SignedIn;
use crate::organizations::{self, OrganizationId};
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, Json, List, Once, Query, Tagged, if_match};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(list_events)
        .service(create_event)
        .service(find_event)
        .service(update_event)
        .service(publish_event)
        .service(clone_event)
        .service(cancel_event)
        .service(close_event)
        .service(find_event_calendar)
        .service(create_calendar_feed)
        .service(delete_calendar_feed);
}

/// Calendar programs cannot sign in, so the feed's address is its secret; it stands outside `/api/v1`.
pub fn configure_feeds(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/calendars/{token}.ics").route(web::get().to(read_feed)));
}

/// An event as its attendees see it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct EventView {
    id: EventId,
    organization_id: OrganizationId,
    #[schema(example = "第四季度支部黨員大會")]
    title: String,
    description: String,
    place: String,
    starts_at: Instant,
    ends_at: Instant,
    #[schema(example = "Asia/Shanghai")]
    time_zone: String,
    status: Status,
    forms: Vec<Form>,
    /// `sign_up`: who is called may sign up, see the event's sign-up policy.
    admission: Admission,
    check_in_opens_at: Instant,
    /// Who checks in at this instant or later is late.
    late_from: Instant,
    check_in_closes_at: Instant,
    code_window_s: i32,
    offline_allowed: bool,
    geofence: Option<Geofence>,
    /// Who should attend; only for those who may see its attendance, and of organizations and people those that they see.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Expected>,
    roster_frozen_at: Option<Instant>,
    cancel_reason: Option<String>,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
}

fn view(row: EventRow, forms: Vec<Form>, expected: Option<Expected>) -> EventView {
    let geofence = geofence_of(&row);
    let admission = Admission::of(&row);
    EventView {
        id: row.id,
        organization_id: row.organization_id,
        title: row.title,
        description: row.description,
        place: row.place,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        time_zone: row.time_zone,
        status: Status::parse(&row.status).unwrap_or(Status::Draft),
        forms,
        admission,
        check_in_opens_at: row.check_in_opens_at,
        late_from: row.late_from,
        check_in_closes_at: row.check_in_closes_at,
        code_window_s: row.code_window_s,
        offline_allowed: row.offline_allowed,
        geofence,
        expected,
        roster_frozen_at: row.roster_frozen_at,
        cancel_reason: row.cancel_reason,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

impl From<(EventRow, Vec<Form>)> for EventView {
    fn from((row, forms): (EventRow, Vec<Form>)) -> Self {
        view(row, forms, None)
    }
}

impl From<FullEvent> for EventView {
    fn from(event: FullEvent) -> Self {
        view(event.row, event.forms, event.expected)
    }
}

fn answer(event: FullEvent) -> AppResult<Answer> {
    let version = event.row.version;
    Ok(Answer::ok(&EventView::from(event))?.version(version))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    /// Only events whose check-in is open now.
    check_in_open: Option<bool>,
    form: Option<Form>,
    /// Events that end, or whose check-in closes, at or after this instant.
    from: Option<Instant>,
    /// Events that start before this instant.
    to: Option<Instant>,
    /// Events called by this organization or one below it.
    organization_id: Option<OrganizationId>,
    /// Only events I am expected at.
    mine: Option<bool>,
    /// Only what has changed since the list that gave this `sync_token`, some of it perhaps again: with `mine=true`
    /// and no other filter.
    updated_since: Option<String>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}
impl Check for EventQuery {
    /// An event can change so that a filter no longer lets it through, and a phone would not hear of it.
    fn check(&mut self, problems: &mut Problems) {
        let narrowed = self.check_in_open.is_some()
            || self.form.is_some()
            || self.from.is_some()
            || self.to.is_some()
            || self.organization_id.is_some();
        if self.updated_since.is_some() && (narrowed || self.mine != Some(true)) {
            problems.add(
                "updated_since",
                "not_with_these",
                "goes with mine=true and no other filter",
            );
        }
    }
}

/// A page of events.
#[derive(Serialize, utoipa::ToSchema)]
struct EventList {
    #[serde(flatten)]
    list: List<EventView>,
    /// With the first page of `mine=true`: keep it, and send it as `updated_since` to be told what has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_token: Option<String>,
}

/// List events in order of their start: those I manage, and those I am expected at. What a phone keeps of `mine=true`
/// it brings up to date with `updated_since`; an event that is there already has been changed, or cancelled.
#[utoipa::path(tag = "events", params(EventQuery), responses((status = 200, body = EventList), (status = 410, description = "sync_token_outdated")))]
#[get("/events")]
async fn list_events(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<EventQuery>,
) -> AppResult<Tagged<EventList>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<(Instant, EventId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListEvents {
        check_in_open: query.check_in_open.unwrap_or(false),
        published: false,
        form: query.form,
        from: query.from,
        to: query.to,
        organization: query.organization_id,
        mine: query.mine.unwrap_or(false),
        updated_since: query.updated_since.as_deref().map(sync_token).transpose()?,
        page: page.clone(),
    };
    let (found, token) = app
        .db
        .read(move |conn| lists::list_events(conn, &ctx, &asked))
        .await?;
    Ok(Tagged(EventList {
        list: page.list(found, |(row, _)| (row.starts_at, row.id), EventView::from),
        sync_token: token.map(|token| token.encode()),
    }))
}

fn sync_token(text: &str) -> AppResult<SyncToken> {
    SyncToken::decode(text).ok_or_else(|| {
        AppError::invalid_field("updated_since", "not_a_sync_token", "is not a sync_token of ours")
    })
}

/// Create an event as a draft. What is left out of the check-in window comes from the organization's settings.
#[utoipa::path(tag = "events", request_body = CreateEvent, responses((status = 201, body = EventView)))]
#[post("/events")]
async fn create_event(app: web::Data<App>, who: SignedIn, once: Once<CreateEvent>) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        created(service::create_event(conn, ctx, body.clone())?)
    })
    .await
}

fn created(event: FullEvent) -> AppResult<Answer> {
    let (id, version) = (event.row.id, event.row.version);
    let answer = Answer::created(&EventView::from(event))?;
    Ok(answer.version(version).at(format!("/api/v1/events/{id}")))
}

/// Find one event that I manage or am expected at.
#[utoipa::path(tag = "events", params(("id" = EventId, Path)), responses((status = 200, body = EventView)))]
#[get("/events/{id}")]
async fn find_event(app: web::Data<App>, who: SignedIn, id: IdPath<EventId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    answer(
        app.db
            .read(move |conn| service::view_event(conn, &ctx, id.0))
            .await?,
    )
}

/// Change an event. Once check-in has opened, who is expected and when, where and how they check in is fixed; words,
/// forms and the end may still be mended. A published one cannot be moved to where its check-in would be over. The times
/// of its sign-up move with its beginning. Who is expected is changed by those who see all organizations that are; people
/// who have moved out of their sight stay named. Needs `If-Match`.
#[utoipa::path(tag = "events", params(("id" = EventId, Path)), request_body = UpdateEvent, responses((status = 200, body = EventView), (status = 409, description = "event_over, roster_frozen, other_currency: of a plan, in the year to which it would move"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[patch("/events/{id}")]
async fn update_event(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    request: HttpRequest,
    body: Json<UpdateEvent>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    answer(
        app.db
            .write(move |conn| service::update_event(conn, &ctx, id.0, version, body.0.clone()))
            .await?,
    )
}

/// Publish a draft: those whom it calls see it from now on, and get a notice. The body may be left out.
#[utoipa::path(tag = "events", params(("id" = EventId, Path)), request_body = PublishEvent, responses((status = 200, body = EventView), (status = 409, description = "not_a_draft")))]
#[post("/events/{id}/publish")]
async fn publish_event(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<PublishEvent>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(service::publish_event(conn, ctx, id.0, &body)?)
    })
    .await
}

/// Make a new draft like this event, its sign-up policy and its points included, at another time. What is told as an instant moves with
/// the start.
#[utoipa::path(tag = "events", params(("id" = EventId, Path)), request_body = CloneEvent, responses((status = 201, body = EventView)))]
#[post("/events/{id}/clone")]
async fn clone_event(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<CloneEvent>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        created(copy::clone_event(conn, ctx, id.0, &body)?)
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "颱風"}))]
struct CancelEvent {
    reason: String,
}

impl Check for CancelEvent {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Cancel an event, with a reason that everybody expected can read.
#[utoipa::path(tag = "events", params(("id" = EventId, Path)), request_body = CancelEvent, responses((status = 200, body = EventView), (status = 409, description = "event_over")))]
#[post("/events/{id}/cancel")]
async fn cancel_event(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<CancelEvent>,
) -> AppResult<Answer> {
    let (Once { body, key }, event) = (once, id.0);
    let cancel = move |conn: &mut _, ctx: &_| answer(service::cancel_event(conn, ctx, event, &body.reason)?);
    let cancelled = app.write_once(who.0, key, cancel).await?;
    app.cache.announce(news_of(event));
    Ok(cancelled)
}

/// Close a published event: check-in ends, and who has not come is absent. What will not take place is cancelled instead:
/// before check-in has opened nobody could have come.
#[utoipa::path(tag = "events", params(("id" = EventId, Path)), responses((status = 200, body = EventView), (status = 409, description = "event_over, not_open_yet (with `opens_at`)")))]
#[post("/events/{id}/close")]
async fn close_event(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<()>,
) -> AppResult<Answer> {
    let event = id.0;
    let close = move |conn: &mut _, ctx: &_| answer(service::close_event(conn, ctx, event)?);
    let closed = app.write_once(who.0, once.key, close).await?;
    app.cache.announce(news_of(event));
    Ok(closed)
}

/// The event as an iCalendar file. Opened again after a change it changes the entry in place; of a cancelled event it takes
/// the entry off (METHOD:CANCEL).
#[utoipa::path(tag = "events", params(("id" = EventId, Path)), responses((status = 200, description = "text/calendar", body = String, content_type = "text/calendar")))]
#[get("/events/{id}/calendar.ics")]
async fn find_event_calendar(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
) -> AppResult<HttpResponse> {
    let ctx = app.ctx(who.0);
    let read = move |conn: &mut _| {
        let row = service::attended_event(conn, &ctx, id.0)?;
        let names = organizations::names(conn, &[row.organization_id])?;
        Ok((row, names))
    };
    let (row, names) = app.db.read(read).await?;
    let text = calendar(std::slice::from_ref(&row), &names, Method::of(&row));
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}

#[derive(Serialize, utoipa::ToSchema)]
struct CalendarFeedView {
    /// Give it to a calendar program; whoever has it can read my events. It is shown only once.
    url: String,
}

/// Make a private calendar address of my events. An older one ends.
#[utoipa::path(tag = "events", responses((status = 201, body = CalendarFeedView)))]
#[post("/me/calendar-feed")]
async fn create_calendar_feed(app: web::Data<App>, who: SignedIn) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let token = app.db.write(move |conn| service::create_feed(conn, &ctx)).await?;
    Answer::created(&CalendarFeedView {
        url: format!("{}/calendars/{token}.ics", app.config.server.public_url),
    })
}

/// End my calendar address.
#[utoipa::path(tag = "events", responses((status = 204)))]
#[delete("/me/calendar-feed")]
async fn delete_calendar_feed(app: web::Data<App>, who: SignedIn) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    app.db.write(move |conn| service::revoke_feed(conn, &ctx)).await?;
    Ok(Answer::no_content())
}

async fn read_feed(app: web::Data<App>, token: web::Path<String>) -> Result<HttpResponse, AppError> {
    let (now, token) = (app.clock.now(), token.into_inner());
    let read = move |conn: &mut _| {
        let rows = service::read_feed(conn, now, &token)?;
        let callers: Vec<_> = rows.iter().map(|row| row.organization_id).collect();
        let names = organizations::names(conn, &callers)?;
        Ok((rows, names))
    };
    // An address that was ended, because somebody else has it, reads nothing from then on.
    let (rows, names) = app.db.read_fresh(read).await?;
    let text = calendar(&rows, &names, Method::Publish);
    Ok(HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .insert_header(("cache-control", "private, max-age=300"))
        .body(text))
}
