//! `/notices`: one's own inbox, live too, and `/me/notice-settings`.

use std::time::{Duration, Instant as Moment};

use actix_web::{HttpRequest, HttpResponse, get, post, put, web};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa_actix_web::service_config::ServiceConfig;

use super::NoticeId;
use super::live::Ticks;
use super::rules::{Kind, QuietHours};
use super::service::{self, NoticeSettings, Read, Told};
use crate::app::App;
use crate::auth::{SignedIn, Stay};
use crate::events::EventId;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::{AppResult, Language};
use crate::platform::http::{Answer, Json, List, Once, Query, Tagged, event_stream, language};
use crate::platform::local_time::{parse_minute, write_minute};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(list_notices)
        .service(watch_notices)
        .service(mark_notices_read)
        .service(find_notice_settings)
        .service(update_notice_settings);
}

/// Something a member should know.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
struct NoticeView {
    id: NoticeId,
    kind: Kind,
    /// What it is about, if that is an event.
    event_id: Option<EventId>,
    /// In the language of Accept-Language, as is `text`.
    #[schema(example = "候補成功")]
    headline: String,
    #[schema(example = "參觀紀念館 · 2026-12-01 14:30 · 東門")]
    text: String,
    created_at: Instant,
    /// Before then no phone should make a sound of it: my quiet hours.
    rings_at: Instant,
    read_at: Option<Instant>,
}

impl From<Told> for NoticeView {
    fn from(told: Told) -> Self {
        Self {
            id: told.row.id,
            kind: told.kind,
            event_id: told.row.event_id,
            headline: told.headline,
            text: told.text,
            created_at: told.row.created_at,
            rings_at: told.row.rings_at,
            read_at: told.row.read_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct NoticeQuery {
    /// Only those I have not read.
    unread: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for NoticeQuery {}

/// List my notices, the newest first. Nobody else can read them. They are forgotten after so many days as the server's
/// `notices.keep_days` says: a year, unless it was set.
#[utoipa::path(tag = "notices", params(NoticeQuery), responses((status = 200, body = List<NoticeView>)))]
#[get("/notices")]
async fn list_notices(
    app: web::Data<App>,
    who: SignedIn,
    request: HttpRequest,
    query: Query<NoticeQuery>,
) -> AppResult<Tagged<List<NoticeView>>> {
    let (ctx, query, words) = (app.ctx(who.0), query.0, language(&request));
    let page = Page::<NoticeId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let (asked, unread) = (page.clone(), query.unread.unwrap_or(false));
    let read = move |conn: &mut _| service::list_mine(conn, &ctx, unread, words, &asked);
    let found = app.db.read(read).await?;
    Ok(Tagged(page.list(
        found,
        |told: &Told| told.row.id,
        NoticeView::from,
    )))
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"up_to": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
struct MarkNoticesRead {
    /// These, at most 200.
    ids: Option<Vec<NoticeId>>,
    /// Or this one and all that were made before it, also one of them that arrives later: `ids` marks what was seen.
    up_to: Option<NoticeId>,
}

impl Check for MarkNoticesRead {
    fn check(&mut self, problems: &mut Problems) {
        if self.ids.is_some() == self.up_to.is_some() {
            problems.add("", "one_of", "needs either ids or up_to");
        }
        if self.ids.as_ref().is_some_and(|ids| ids.len() > 200) {
            problems.add("/ids", "too_many", "has more than 200 items");
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct UnreadView {
    unread: i64,
}

/// Mark my notices as read: some, or one and all before it. Doing it again changes nothing.
#[utoipa::path(tag = "notices", request_body = MarkNoticesRead, responses((status = 200, body = UnreadView)))]
#[post("/notices/read")]
async fn mark_notices_read(
    app: web::Data<App>,
    who: SignedIn,
    once: Once<MarkNoticesRead>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let read = match (body.ids, body.up_to) {
        (_, Some(last)) => Read::UpTo(last),
        (ids, None) => Read::These(ids.unwrap_or_default()),
    };
    app.write_once(who.0, key, move |conn, ctx| {
        Answer::ok(&UnreadView {
            unread: service::mark_read(conn, ctx, &read)?,
        })
    })
    .await
}

/// What I am told, and when it may ring. Quiet hours are of the day, in the time zone of my tree.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"muted": ["event_tomorrow"], "quiet_from": "22:00", "quiet_until": "07:00"}))]
struct NoticeSettingsBody {
    /// Kinds I am not told of, from now on.
    muted: Vec<Kind>,
    /// Both null: it may ring at any hour.
    quiet_from: Option<String>,
    quiet_until: Option<String>,
}

impl Check for NoticeSettingsBody {
    fn check(&mut self, problems: &mut Problems) {
        self.muted.sort_unstable_by_key(|kind| kind.as_str());
        self.muted.dedup();
        if self.quiet_from.is_some() != self.quiet_until.is_some() {
            problems.add(
                "/quiet_until",
                "both_or_none",
                "comes with quiet_from, or both are null",
            );
        }
        for (field, value) in [
            ("/quiet_from", &self.quiet_from),
            ("/quiet_until", &self.quiet_until),
        ] {
            if value.as_deref().is_some_and(|text| parse_minute(text).is_none()) {
                problems.add(field, "malformed", "is not a time of day like 22:00");
            }
        }
    }
}

impl From<NoticeSettingsBody> for NoticeSettings {
    fn from(body: NoticeSettingsBody) -> Self {
        let minute = |text: Option<String>| text.as_deref().and_then(parse_minute);
        let quiet = match (minute(body.quiet_from), minute(body.quiet_until)) {
            (Some(from_min), Some(until_min)) => Some(QuietHours { from_min, until_min }),
            _ => None,
        };
        Self {
            muted: body.muted,
            quiet,
        }
    }
}

impl From<NoticeSettings> for NoticeSettingsBody {
    fn from(settings: NoticeSettings) -> Self {
        Self {
            muted: settings.muted,
            quiet_from: settings.quiet.map(|quiet| write_minute(quiet.from_min)),
            quiet_until: settings.quiet.map(|quiet| write_minute(quiet.until_min)),
        }
    }
}

/// Find what I have set of my notices. At first nothing is muted, and it is quiet from 22:00 to 07:00.
#[utoipa::path(tag = "notices", responses((status = 200, body = NoticeSettingsBody)))]
#[get("/me/notice-settings")]
async fn find_notice_settings(app: web::Data<App>, who: SignedIn) -> AppResult<Tagged<NoticeSettingsBody>> {
    let ctx = app.ctx(who.0);
    let found = app
        .db
        .read(move |conn| service::find_settings(conn, &ctx))
        .await?;
    Ok(Tagged(found.into()))
}

/// Set what I am told, whole. What I mute is not kept for later.
#[utoipa::path(tag = "notices", request_body = NoticeSettingsBody, responses((status = 200, body = NoticeSettingsBody)))]
#[put("/me/notice-settings")]
async fn update_notice_settings(
    app: web::Data<App>,
    who: SignedIn,
    body: Json<NoticeSettingsBody>,
) -> AppResult<Answer> {
    let (ctx, wanted) = (app.ctx(who.0), NoticeSettings::from(body.0));
    let write = move |conn: &mut _| service::write_settings(conn, &ctx, &wanted);
    Answer::ok(&NoticeSettingsBody::from(app.db.write(write).await?))
}

/// The whole state of an inbox: each event of the stream replaces the one before.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
struct InboxFrame {
    unread: i64,
    /// The newest ten, newest first.
    latest: Vec<NoticeView>,
}

/// A silent connection is told that we live, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a stream ends after its session has.
const TRUST: Duration = Duration::from_secs(1);

/// Watch my inbox live (Server-Sent Events). Each event is the whole state, and the first comes at once, so that a stream
/// taken up again with `Last-Event-ID` has missed nothing. The stream ends with the access token: refresh, and resume.
#[utoipa::path(tag = "notices", responses((status = 200, description = "text/event-stream of InboxFrame", body = InboxFrame, content_type = "text/event-stream"), (status = 403, description = "forbidden: a system admin has no inbox")))]
#[get("/notices/live")]
async fn watch_notices(app: web::Data<App>, who: Stay, request: HttpRequest) -> AppResult<HttpResponse> {
    let member = who.actor.member()?;
    let mut ticks = app.notices.watch(member);
    ticks.mark_changed();
    let inbox = LiveInbox {
        ticks,
        stopping: app.live.stopping(),
        member,
        language: language(&request),
        last: None,
        spoke_at: Moment::now(),
        who,
        app,
    };
    Ok(event_stream(stream::unfold(inbox, LiveInbox::next)))
}

struct LiveInbox {
    app: web::Data<App>,
    who: Stay,
    member: MemberId,
    language: Language,
    ticks: Ticks,
    stopping: watch::Receiver<bool>,
    last: Option<InboxFrame>,
    spoke_at: Moment,
}

impl LiveInbox {
    async fn next(mut self) -> Option<(AppResult<Bytes>, Self)> {
        loop {
            let changed = tokio::select! {
                changed = tokio::time::timeout(TRUST, self.ticks.changed()) => changed,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            if !self.who.is_valid(&self.app) {
                return None;
            }
            let text = match changed {
                Ok(Ok(())) => match self.frame().await {
                    Some(text) => text,
                    None => continue,
                },
                Ok(Err(_)) => return None,
                Err(_) if self.spoke_at.elapsed() < HEARTBEAT => continue,
                Err(_) => ": alive\n\n".to_owned(),
            };
            self.spoke_at = Moment::now();
            return Some((Ok(Bytes::from(text)), self));
        }
    }

    /// None when there is nothing new to show. What the database does not answer now comes with the next change, or when
    /// the phone resumes.
    async fn frame(&mut self) -> Option<String> {
        let (member, words) = (self.member, self.language);
        let read = move |conn: &mut _| service::inbox(conn, member, words);
        let inbox = self.app.db.read_fresh(read).await.ok()?;
        let frame = InboxFrame {
            unread: inbox.unread,
            latest: inbox.latest.into_iter().map(NoticeView::from).collect(),
        };
        if self.last.as_ref() == Some(&frame) {
            return None;
        }
        let id = frame.latest.first().map(|notice| notice.id.to_string());
        let data = serde_json::to_string(&frame).unwrap_or_default();
        self.last = Some(frame);
        Some(format!(
            "id: {}\nevent: inbox\ndata: {data}\n\n",
            id.unwrap_or_default()
        ))
    }
}
