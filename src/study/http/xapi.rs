//! `GET /xapi/statements`: completions for learning record stores.

use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::auth::SignedIn;
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::Query;
use crate::platform::page::Page;
use crate::platform::text::Check;
use crate::study::service::{self, ReadCompletions};
use crate::study::{rows, xapi};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StatementQuery {
    /// Stored after this.
    since: Option<Instant>,
    /// Stored at this or before.
    until: Option<Instant>,
    /// Only of this lesson.
    lesson_id: Option<LessonId>,
    /// The oldest first; else the newest.
    ascending: Option<bool>,
    /// Statements in one answer, 1 to 200 (default 50).
    limit: Option<u16>,
    /// In `more`.
    cursor: Option<String>,
}

impl Check for StatementQuery {}

/// An xAPI StatementResult.
#[derive(Serialize, utoipa::ToSchema)]
struct StatementResultView {
    /// Statements of version 1.0.3: `completed`, of what is played by the video profile with `played-segments`, `progress` and
    /// `completion-threshold`. An id is the same whoever asks and whenever.
    #[schema(value_type = Vec<Object>)]
    statements: Vec<Value>,
    /// Where the next ones are, as a path with its query; empty when there are no more.
    more: String,
}

/// Read completed lessons as xAPI statements: of the people whom I might view when they completed them, and my own. What is
/// younger than half a minute is left for the next time; `X-Experience-API-Consistent-Through` tells how far this goes.
#[utoipa::path(tag = "study", params(StatementQuery), responses((status = 200, body = StatementResultView)))]
#[get("/xapi/statements")]
pub async fn list_statements(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<StatementQuery>,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let settled = service::settled_until(&ctx);
    type Key = (Instant, MemberId, LessonId);
    let page = Page::<Key>::from_query(query.limit, query.cursor.as_deref(), None)?;
    let asked = ReadCompletions {
        since: query.since,
        until: query.until,
        lesson: query.lesson_id,
        ascending: query.ascending.unwrap_or(false),
        page: page.clone(),
    };
    let found = app
        .db
        .read(move |conn| service::read_completions(conn, &ctx, &asked))
        .await?;
    let base = app.config.server.public_url.trim_end_matches('/');
    let key = |full: &service::FullCompletion| {
        let row = &full.row;
        (row.received_at, row.member_id, row.lesson_id)
    };
    let list = page.list(found, key, |full| {
        let played = rows::read_played(&full.row.played)?;
        Ok(xapi::statement(&full, &played, base))
    });
    let list = list.transpose()?;
    let more = list
        .next_cursor
        .map(|cursor| query.more(cursor))
        .unwrap_or_default();
    Ok(HttpResponse::Ok()
        .insert_header(("x-experience-api-version", "1.0.3"))
        .insert_header(("x-experience-api-consistent-through", settled.to_string()))
        .json(StatementResultView {
            statements: list.items,
            more,
        }))
}

impl StatementQuery {
    /// The same question from there on.
    fn more(&self, cursor: String) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("since", self.since.map(|at| at.to_string())),
            ("until", self.until.map(|at| at.to_string())),
            ("lesson_id", self.lesson_id.map(|id| id.to_string())),
            ("ascending", self.ascending.map(|is| is.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", Some(cursor)),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                text.append_pair(name, &value);
            }
        }
        format!("/api/v1/xapi/statements?{}", text.finish())
    }
}
