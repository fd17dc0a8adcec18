//! Signing up: by oneself, or a group at once; one's own sign-up, and an event's list.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use serde::{Deserialize, Serialize};

use super::view::{ListedSignUpView, SignUpView};
use crate::app::App;
use crate::auth::SignedIn;
use crate::events::EventId;
use crate::members::MemberId;
use crate::platform::db::{AnyId, Instant};
use crate::platform::error::{AppError, AppResult, Code, FieldError};
use crate::platform::http::{
    Answer, IdPath, Json, LIST_OR_SHEET, List, Once, Query, Tagged, Wanted, language, sheet_response, wanted,
};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};
use crate::sign_ups::SignUpSessionId;
use crate::sign_ups::commands::{CreateGroupSignUp, CreateSignUp};
use crate::sign_ups::export::sign_up_sheet;
use crate::sign_ups::lists::{self, ListSignUps, Listed};
use crate::sign_ups::rules::Status;
use crate::sign_ups::service::{self, Found, GroupItem, SignUp, SignedUp};

/// Sign up for an event. Everybody gets a true answer at once: a place, a place in line, or why not. Repeating it with the
/// same `client_event_id` is harmless, and tells the place in line as it is now.
#[utoipa::path(tag = "sign-ups", params(("id" = EventId, Path)), request_body = CreateSignUp, responses(
    (status = 201, description = "Signed up: `confirmed` or `waitlisted`", body = SignUpView),
    (status = 200, description = "The same sign-up, sent again", body = SignUpView),
    (status = 403, description = "forbidden: an account without a member, an event that I only see"),
    (status = 409, description = "already_signed_up (with `sign_up`), sign_up_full, sign_up_not_open (with `opens_at`), sign_up_closed, no_sign_up, event_cancelled, event_over, member_inactive, on_leave"),
    (status = 422, description = "invalid_fields"),
    (status = 503, description = "overloaded, unavailable: repeat the same request"),
))]
#[post("/events/{id}/sign-ups")]
pub async fn create_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    body: Json<CreateSignUp>,
) -> AppResult<Answer> {
    let (actor, body) = (who.0, body.0);
    let wish = SignUp {
        event: id.0,
        member: actor.member()?,
        tenant: actor.tenant.ok_or_else(AppError::forbidden)?,
        submitted_by: actor.account,
        client_event_id: AnyId(body.client_event_id),
        session: body.session_id,
        answers: body.answers,
        wait: body.wait,
        by_organiser: false,
    };
    match app.sign_ups.submit(wish).await {
        Err(error) if error.code() == Code::NotFound => {
            let ctx = app.ctx(actor);
            let why = app.db.read(move |conn| lists::why_not(conn, &ctx, id.0)).await?;
            Err(why)
        }
        done => answer(done?, app.clock.now()),
    }
}

fn answer(done: SignedUp, now: Instant) -> AppResult<Answer> {
    let found = done.found;
    let view = SignUpView::of(done, now);
    match found {
        Found::New => Ok(Answer::created(&view)?.at(format!("/api/v1/sign-ups/{}", view.id))),
        Found::Repeat => Answer::ok(&view),
        Found::Standing => Err(AppError::from(Code::AlreadySignedUp).with("sign_up", view)),
    }
}

/// Find my newest sign-up for an event, with my place in line.
#[utoipa::path(tag = "sign-ups", params(("id" = EventId, Path)), responses((status = 200, body = SignUpView), (status = 403, description = "forbidden: an account without a member")))]
#[get("/events/{id}/sign-ups/mine")]
pub async fn find_my_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
) -> AppResult<Tagged<SignUpView>> {
    let ctx = app.ctx(who.0);
    let shown = app
        .db
        .read_fresh(move |conn| lists::find_mine(conn, &ctx, id.0))
        .await?;
    Ok(Tagged(shown.into()))
}

#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum GroupOutcome {
    Created,
    /// They were signed up before; that stands.
    Duplicate,
    Rejected,
}

/// What became of one person of the group.
#[derive(Serialize, utoipa::ToSchema)]
struct GroupItemView {
    member_id: MemberId,
    outcome: GroupOutcome,
    /// Why it was rejected.
    code: Option<&'static str>,
    /// With `invalid_fields`: which, as pointers into the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    sign_up: Option<SignUpView>,
}

impl GroupItemView {
    fn of(item: GroupItem, now: Instant) -> Self {
        match item.outcome {
            Ok(done) => Self {
                member_id: item.member,
                outcome: if done.found == Found::New {
                    GroupOutcome::Created
                } else {
                    GroupOutcome::Duplicate
                },
                code: None,
                errors: Vec::new(),
                sign_up: Some(SignUpView::of(done, now)),
            },
            Err(error) => Self {
                member_id: item.member,
                outcome: GroupOutcome::Rejected,
                code: Some(error.code().wire()),
                errors: error.errors().to_vec(),
                sign_up: None,
            },
        }
    }
}

/// What became of everybody, in the order of the request.
#[derive(Serialize, utoipa::ToSchema)]
struct GroupSignUpView {
    items: Vec<GroupItemView>,
}

/// Sign several people up at once: by a secretary for their own people within the terms, or by an organiser of the event for
/// anybody they see, at any time until the roster is frozen. With `all_or_none` nobody is signed up unless all get a place.
#[utoipa::path(tag = "sign-ups", params(("id" = EventId, Path)), request_body = CreateGroupSignUp, responses(
    (status = 200, body = GroupSignUpView),
    (status = 403, description = "forbidden"),
    (status = 409, description = "With `all_or_none`: sign_up_full (with `member_ids`, those without a place), sign_up_not_open, sign_up_closed, no_sign_up, event_cancelled, event_over, roster_frozen, member_inactive, on_leave"),
))]
#[post("/events/{id}/sign-ups/group")]
pub async fn create_group_sign_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<CreateGroupSignUp>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let items = service::sign_up_group(conn, ctx, id.0, &body)?;
        let items = items.into_iter().map(|item| GroupItemView::of(item, ctx.now));
        Answer::ok(&GroupSignUpView {
            items: items.collect(),
        })
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SignUpQuery {
    /// Who has come is on the attendance sheet: not `attended` or `no_show`.
    status: Option<Status>,
    session_id: Option<SignUpSessionId>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for SignUpQuery {
    fn check(&mut self, problems: &mut Problems) {
        if matches!(self.status, Some(Status::Attended | Status::NoShow)) {
            problems.add("status", "not_a_filter", "is told by the attendance sheet");
        }
    }
}

/// As many sign-ups as a file holds.
const MOST_IN_FILE: usize = 100_000;

/// List an event's sign-ups in order of arrival: all of them for who administers the event, those of one's own people for a
/// secretary. With `Accept: text/csv` or the XLSX media type the whole list comes as a file.
#[utoipa::path(tag = "sign-ups", params(("id" = EventId, Path), SignUpQuery), responses((status = 200, content((List<ListedSignUpView> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 403, description = "forbidden"), (status = 406, description = "not_acceptable")))]
#[get("/events/{id}/sign-ups")]
pub async fn list_sign_ups(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    request: HttpRequest,
    query: Query<SignUpQuery>,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let wanted = wanted(&request, &LIST_OR_SHEET)?;
    let page = Page::<i64>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListSignUps {
        event: id.0,
        status: query.status,
        session: query.session_id,
        page: match wanted {
            Wanted::Sheet(_) => Page::first(MOST_IN_FILE),
            _ => page.clone(),
        },
    };
    let Wanted::Sheet(format) = wanted else {
        let found = app.db.read(move |conn| lists::list(conn, &ctx, &asked)).await?;
        let list = page.list(found, |listed: &Listed| listed.row.seq, ListedSignUpView::from);
        return Ok(Tagged(list).respond_to(&request));
    };
    let read = move |conn: &mut _| {
        let policy = lists::view_policy(conn, &ctx, asked.event)?;
        Ok((policy, lists::list(conn, &ctx, &asked)?.rows))
    };
    let (policy, rows) = app.db.read_export(read).await?;
    let language = language(&request);
    let bytes = web::block(move || sign_up_sheet(format, language, &policy, rows)).await;
    let bytes = bytes.map_err(|_| AppError::unavailable())??;
    Ok(sheet_response(format, "sign-ups", bytes))
}
