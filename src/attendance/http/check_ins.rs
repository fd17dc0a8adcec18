//! Checking in: by oneself and by an organiser; annulling and accepting.

use std::time::Duration;

use actix_web::{post, web};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::checkpoints::PassageView;
use crate::app::{App, Ctx};
use crate::attendance::checkpoints::Kind;
use crate::attendance::codes::{self, Age};
use crate::attendance::desk::{CheckIn, CheckedIn, Found};
use crate::attendance::rules::{Claim, Location, Source};
use crate::attendance::service::{self, CheckInFor, Whom};
use crate::attendance::store::CheckInRow;
use crate::attendance::{CheckInId, CheckpointId, news_of};
use crate::auth::{Actor, SignedIn};
use crate::devices::{Purpose, Viewer};
use crate::events::EventId;
use crate::members::MemberId;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{Answer, IdPath, Json, Key, Once};
use crate::platform::limits::{Limit, Try};
use crate::platform::text::{Check, Problems};

/// A check-in on record. The same for every repeat of the same `client_event_id`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct CheckInView {
    pub id: CheckInId,
    pub event_id: EventId,
    pub member_id: MemberId,
    #[schema(example = "present")]
    status: String,
    source: Source,
    /// The phone's claim; of what was kept offline within the window of its code.
    occurred_at: Instant,
    /// The server's clock.
    received_at: Instant,
    /// It came in a way that a person looks at before it counts for a quorum.
    pub review: bool,
    /// When a person let it count.
    reviewed_at: Option<Instant>,
    /// When it was taken back; it makes nobody present any more.
    annulled_at: Option<Instant>,
    /// Of whoever showed the code of one of the event's points: passing it. The check-in itself may be an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    passage: Option<PassageView>,
}

impl From<&CheckInRow> for CheckInView {
    fn from(row: &CheckInRow) -> Self {
        Self {
            id: row.id,
            event_id: row.event_id,
            member_id: row.member_id,
            status: row.status.clone(),
            source: Source::parse(&row.source).unwrap_or(Source::Code),
            occurred_at: row.occurred_at,
            received_at: row.received_at,
            review: row.review.is_some(),
            reviewed_at: row.reviewed_at,
            annulled_at: row.annulled_at,
            passage: None,
        }
    }
}

impl From<&CheckedIn> for CheckInView {
    fn from(done: &CheckedIn) -> Self {
        Self {
            passage: done
                .passed
                .as_ref()
                .map(|passed| PassageView::of(&passed.passage, &passed.point)),
            ..Self::from(&done.row)
        }
    }
}

/// One of `code`; `event_id` with `typed_code`; `proof`.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "AaIL6rDJdyOp8uqfk_h80msFGToKEgqUkB7-qFaVI8EA", "client_event_id": "6a2f41a3-c54c-fce8-32d2-0324e1c32e22", "occurred_at": "2026-11-24T01:35:00Z", "device_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}))]
pub struct CreateCheckIn {
    /// What the screen shows, or the whole address in the QR picture.
    code: Option<String>,
    event_id: Option<EventId>,
    #[schema(example = "042917")]
    typed_code: Option<String>,
    proof: Option<String>,
    /// A UUID made on the phone: the same id again gives the same answer.
    pub client_event_id: Uuid,
    occurred_at: Instant,
    device_id: Option<String>,
    location: Option<Location>,
}

impl Check for CreateCheckIn {
    fn check(&mut self, problems: &mut Problems) {
        let ways = [
            self.code.is_some(),
            self.typed_code.is_some(),
            self.proof.is_some(),
        ];
        if ways.iter().filter(|given| **given).count() != 1
            || self.event_id.is_some() != self.typed_code.is_some()
        {
            let message = "give exactly one of: code; event_id with typed_code; proof";
            problems.add("/code", "one_of", message);
        }
        problems.optional_line("/device_id", &mut self.device_id, 200);
        if let Some(location) = &self.location {
            problems.range("/location/latitude", &location.latitude, -90.0, 90.0);
            problems.range("/location/longitude", &location.longitude, -180.0, 180.0);
            problems.range("/location/accuracy_m", &location.accuracy_m, 0.0, 100_000.0);
        }
    }
}

impl CreateCheckIn {
    /// Reads the code or proof; everything that needs the database is decided by the lane.
    fn wish(&self, app: &App, actor: &Actor, late_upload: bool) -> AppResult<CheckIn> {
        let now = app.clock.now();
        let read = if let Some(code) = &self.code {
            read_code(app, code, now, self.occurred_at, late_upload)?
        } else if let Some(proof) = &self.proof {
            self.read_proof(app, proof, now)?
        } else {
            let judged_at = if late_upload {
                self.occurred_at.min(now)
            } else {
                now
            };
            let event = self.event_id.ok_or(Code::InvalidCode)?;
            let is_late = now.minus(judged_at) > chrono::TimeDelta::seconds(TYPED_LATE_S);
            Read {
                event,
                // Which point's it is, if not the event's own, only the database tells.
                checkpoint: None,
                judged_at,
                source: if is_late {
                    Source::Offline
                } else {
                    Source::TypedCode
                },
            }
        };
        if now.minus(read.judged_at).num_seconds() > app.config.check_in.offline_max_age_s {
            return Err(Code::ExpiredCode.into());
        }
        Ok(CheckIn {
            event: read.event,
            member: actor.member()?,
            submitted_by: actor.account,
            tenant: actor.tenant.ok_or_else(AppError::forbidden)?,
            client_event_id: AnyId(self.client_event_id),
            checkpoint: read.checkpoint,
            claim: Claim {
                source: read.source,
                judged_at: read.judged_at,
                // What was kept offline was seen in the code's own window, whatever the phone's clock says: the day it
                // counts for is not the phone's to choose.
                claimed_at: match read.source {
                    Source::Offline => read.judged_at,
                    _ => self.occurred_at,
                },
                received_at: now,
                location: self.location,
                device: self.device_id.as_deref().map(codes::device_of),
            },
            typed_code: self.typed_code.clone(),
            reason: None,
        })
    }

    /// What is meant, if a genuine code or proof tells, whatever it is still worth.
    fn about(&self, app: &App) -> Option<About> {
        let code = |text| codes::read(&app.keys, codes::code_in(text));
        let of_code = self.code.as_deref().and_then(code);
        let proof = |text| codes::read_proof(&app.keys, text);
        let of_proof = self.proof.as_deref().and_then(proof);
        let of_code = of_code.map(|code| (code.event, code.checkpoint));
        let of_proof = of_proof.map(|proof| (proof.event, proof.checkpoint));
        let (event, checkpoint) = self
            .event_id
            .map(|event| (event, None))
            .or(of_code)
            .or(of_proof)?;
        Some(About { event, checkpoint })
    }

    fn read_proof(&self, app: &App, text: &str, now: Instant) -> AppResult<Read> {
        let proof = codes::read_proof(&app.keys, text).ok_or(Code::InvalidCode)?;
        if self.device_id.as_deref().map(codes::device_of) != Some(proof.device) {
            return Err(Code::InvalidCode.into());
        }
        if now.minus(proof.at).num_seconds() > app.config.check_in.proof_s {
            return Err(Code::ExpiredCode.into());
        }
        Ok(Read {
            event: proof.event,
            checkpoint: proof.checkpoint,
            judged_at: proof.at,
            source: Source::Proof,
        })
    }
}

/// The event that somebody means, and its point.
#[derive(Clone, Copy)]
struct About {
    event: EventId,
    checkpoint: Option<CheckpointId>,
}

struct Read {
    event: EventId,
    checkpoint: Option<CheckpointId>,
    judged_at: Instant,
    source: Source,
}

/// A typed code in an upload that is older than this is no longer on the screen: it is an offline one.
const TYPED_LATE_S: i64 = 10;

/// A code that was kept offline is judged by its own window; otherwise it must be the current one or the one before.
fn read_code(app: &App, text: &str, now: Instant, claimed: Instant, late_upload: bool) -> AppResult<Read> {
    let code = codes::read(&app.keys, codes::code_in(text)).ok_or(Code::InvalidCode)?;
    match code.age(now) {
        Age::Fresh => Ok(Read {
            event: code.event,
            checkpoint: code.checkpoint,
            judged_at: now,
            source: Source::Code,
        }),
        Age::NotYet => Err(Code::InvalidCode.into()),
        Age::Expired if late_upload => Ok(Read {
            event: code.event,
            checkpoint: code.checkpoint,
            judged_at: claimed.clamp(code.starts, code.starts.plus_s(2 * i64::from(code.window_s))),
            source: Source::Offline,
        }),
        Age::Expired => Err(Code::ExpiredCode.into()),
    }
}

/// Check in with what the screen at the door shows, or pass one of the event's points with its code: the first check-in
/// point makes me present, a check-out ends my stay, and `passage` tells which it was. Repeating it with the same
/// `client_event_id` is harmless.
#[utoipa::path(tag = "attendance", request_body = CreateCheckIn, responses(
    (status = 201, description = "Checked in", body = CheckInView),
    (status = 200, description = "The same check-in, sent again", body = CheckInView),
    (status = 403, description = "not_expected, outside_area, forbidden: an account without a member"),
    (status = 409, description = "already_checked_in, already_checked_out (with `check_in`), not_checked_in, not_open_yet, closed, on_leave, event_cancelled, offline_not_allowed"),
    (status = 410, description = "expired_code"),
    (status = 422, description = "invalid_code, location_required, client_event_id_reused, invalid_fields"),
    (status = 429, description = "rate_limited: too many wrong typed codes"),
    (status = 503, description = "overloaded, unavailable: repeat the same request"),
))]
#[post("/check-ins")]
pub async fn check_in(app: web::Data<App>, who: SignedIn, body: Json<CreateCheckIn>) -> AppResult<Answer> {
    let done = submit(&app, &who.0, body.0, false).await?;
    answer(&done)
}

fn answer(done: &CheckedIn) -> AppResult<Answer> {
    let view = CheckInView::from(done);
    match done.found {
        Found::New => Answer::created(&view),
        Found::Repeat => Answer::ok(&view),
        Found::Standing => Err(AppError::from(standing_code(done)).with("check_in", view)),
    }
}

/// What is refused when it stands already.
pub fn standing_code(done: &CheckedIn) -> Code {
    match &done.passed {
        Some(passed) if Kind::of(&passed.point) == Kind::CheckOut => Code::AlreadyCheckedOut,
        _ => Code::AlreadyCheckedIn,
    }
}

/// Checks the actor in. A `late_upload` is judged by the time the phone saw the code.
pub async fn submit(
    app: &App,
    actor: &Actor,
    body: CreateCheckIn,
    late_upload: bool,
) -> AppResult<CheckedIn> {
    let client_event_id = AnyId(body.client_event_id);
    let wish = match body.wish(app, actor, late_upload) {
        Ok(wish) => wish,
        Err(refusal) => {
            let about = body.about(app);
            return recorded_before(app, actor, client_event_id, about, refusal).await;
        }
    };
    let about = Some(About {
        event: wish.event,
        checkpoint: wish.checkpoint,
    });
    let Some(guesses) = Guesses::of(app, &wish) else {
        return app.check_ins.submit(wish).await;
    };
    let counted = match guesses.admit().await {
        Ok(counted) => counted,
        Err(refusal) => return recorded_before(app, actor, client_event_id, about, refusal).await,
    };
    let outcome = app.check_ins.submit(wish).await;
    guesses.learn(&counted, &outcome).await;
    outcome
}

/// A code may have expired between a check-in and its repeat: what is on record answers, whatever the code is worth now.
/// `about` is what is meant, as far as the refused wish tells.
async fn recorded_before(
    app: &App,
    actor: &Actor,
    id: AnyId,
    about: Option<About>,
    refusal: AppError,
) -> AppResult<CheckedIn> {
    let account = actor.account;
    let found = app
        .db
        .read_fresh(move |conn| service::find_recorded(conn, account, id))
        .await?;
    let done = found.ok_or(refusal)?;
    let is_other = |about: About| {
        let passage = done.passed.as_ref().map(|passed| &passed.passage);
        let passed = passage.map(|passage| passage.checkpoint_id);
        about.event != done.row.event_id || about.checkpoint.is_some_and(|point| passed != Some(point))
    };
    if about.is_some_and(is_other) {
        return Err(Code::ClientEventIdReused.into());
    }
    Ok(done)
}

/// Six digits could be guessed: wrong ones are counted for each member at an event and at all together, and for all of a
/// tenant at an event.
struct Guesses<'a> {
    app: &'a App,
    by_member: Limit,
    by_member_anywhere: Limit,
    by_event: Limit,
    member_key: String,
    anywhere_key: String,
    event_key: String,
    guess: u64,
    guess_anywhere: u64,
}

impl<'a> Guesses<'a> {
    const WINDOW: Duration = Duration::from_secs(300);
    /// Typed codes change at most this often.
    const SLOT_S: i64 = 5;
    /// Events whose codes a member may get wrong in a window. Ids of events can be made up, and each takes a counter.
    const EVENTS: u32 = 10;

    fn of(app: &'a App, wish: &CheckIn) -> Option<Self> {
        let (limits, typed) = (&app.config.check_in, wish.typed_code.as_ref()?);
        // One code at one time is one guess, however often it is sent at once; at another time it is another.
        let slot = wish.claim.judged_at.seconds().div_euclid(Self::SLOT_S);
        let guess = codes::guess_of(typed, slot);
        let anywhere = limits.typed_guesses_per_member.saturating_mul(Self::EVENTS);
        let (_, event) = wish.event.0.as_u64_pair();
        Some(Self {
            app,
            by_member: Limit::on_guesses("typed-code", limits.typed_guesses_per_member, Self::WINDOW),
            by_member_anywhere: Limit::on_guesses("typed-code-member", anywhere, Self::WINDOW),
            by_event: Limit::on_guesses("typed-code-event", limits.typed_guesses_per_event, Self::WINDOW),
            member_key: format!("{}:{}", wish.event, wish.member),
            anywhere_key: wish.member.to_string(),
            // With the guesser's tenant: who belongs to another one counts for nobody here.
            event_key: format!("{}:{}", wish.event, wish.tenant),
            guess,
            guess_anywhere: guess ^ event,
        })
    }

    /// A member's guess is counted before it is judged, so that parallel ones cannot slip through together. The event's
    /// limit is a second line: a hall full of right codes under way must not reach it, so it counts what has failed.
    async fn admit(&self) -> AppResult<[Try<'a>; 2]> {
        let cache = &self.app.cache;
        self.by_event.check(cache, &self.event_key).await?;
        let anywhere = self
            .by_member_anywhere
            .admit_item(cache, &self.anywhere_key, Some(self.guess_anywhere))
            .await?;
        let here = self
            .by_member
            .admit_item(cache, &self.member_key, Some(self.guess))
            .await;
        match here {
            Ok(here) => Ok([here, anywhere]),
            Err(refusal) => {
                anywhere.give_back().await;
                Err(refusal)
            }
        }
    }

    async fn learn(&self, counted: &[Try<'a>; 2], outcome: &AppResult<CheckedIn>) {
        match outcome {
            Err(error) if error.code() == Code::InvalidCode => {
                for counted in counted {
                    counted.fail().await;
                }
                self.by_event.note(&self.app.cache, &self.event_key).await;
            }
            // Answered without a look at the code: given back, these would give wrong guesses back.
            Ok(done) if done.found == Found::Repeat => {}
            Err(error) if error.code() == Code::ClientEventIdReused => {}
            // The code was right, or nobody has looked at it.
            _ => {
                for counted in counted {
                    counted.give_back().await;
                }
            }
        }
    }
}

/// Either `member_code`, read from the member's phone; or `member_id` with a reason.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"member_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "reason": "手機沒電", "client_event_id": "6a2f41a3-c54c-fce8-32d2-0324e1c32e22"}))]
pub struct CheckInMember {
    member_code: Option<String>,
    member_id: Option<MemberId>,
    reason: Option<String>,
    client_event_id: Uuid,
    /// The point that they pass; left out: they are checked in without passing any.
    checkpoint_id: Option<CheckpointId>,
    /// When the person came, if that is some time ago. Of a device it is not read: its scan is now.
    occurred_at: Option<Instant>,
}

impl Check for CheckInMember {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("/reason", &mut self.reason, 500);
        match (&self.member_code, &self.member_id, &self.reason) {
            (Some(_), None, _) | (None, Some(_), Some(_)) => {}
            (None, Some(_), None) => {
                problems.add("/reason", "required", "say why this person is marked by hand")
            }
            _ => problems.add(
                "/member_code",
                "one_of",
                "give either member_code, or member_id with a reason",
            ),
        }
    }
}

/// Check somebody in as an organiser, or let them pass one of the event's points: by the code on their phone, or by hand
/// with a reason. A scanner of a room does so by the code only.
#[utoipa::path(tag = "attendance", security(("bearer" = []), ("device" = [])), params(("id" = EventId, Path)), request_body = CheckInMember, responses(
    (status = 201, body = CheckInView), (status = 200, description = "Sent again", body = CheckInView),
    (status = 409, description = "already_checked_in, already_checked_out, not_checked_in, not_open_yet, event_cancelled, member_inactive"),
    (status = 410, description = "expired_code"), (status = 422, description = "invalid_code, client_event_id_reused, invalid_fields"),
))]
#[post("/events/{id}/check-ins")]
pub async fn check_in_member(
    app: web::Data<App>,
    who: Viewer,
    id: IdPath<EventId>,
    body: Json<CheckInMember>,
) -> AppResult<Answer> {
    // Before the code is looked at: what it is worth is told to scanners only.
    who.require(Purpose::Scanner)?;
    let (ctx, keys, body) = (who.ctx(&app), app.keys.clone(), body.0);
    let whom = match (&body.member_code, body.member_id) {
        (Some(code), _) => {
            let (member, at) = codes::read_personal(&app.keys, code).ok_or(Code::InvalidCode)?;
            if ctx.now.minus(at).num_seconds() >= 2 * app.config.check_in.personal_code_s {
                let about = Some(About {
                    event: id.0,
                    checkpoint: body.checkpoint_id,
                });
                let (id, refusal) = (AnyId(body.client_event_id), Code::ExpiredCode.into());
                return answer(&recorded_before(&app, &ctx.actor, id, about, refusal).await?);
            }
            Whom::Code(member, body.reason.clone())
        }
        (None, Some(member)) => Whom::Named(member, body.reason.clone().unwrap_or_default()),
        (None, None) => return Err(Code::InvalidCode.into()),
    };
    let asked = CheckInFor {
        whom,
        checkpoint: body.checkpoint_id,
        client_event_id: AnyId(body.client_event_id),
        occurred_at: body.occurred_at,
    };
    let done = app
        .db
        .write(move |conn| service::check_in_for(conn, &ctx, &keys, id.0, &asked))
        .await?;
    if done.is_new() {
        app.cache.announce(news_of(done.row.event_id));
    }
    answer(&done)
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "代人簽到"}))]
pub struct AnnulCheckIn {
    reason: String,
}

impl Check for AnnulCheckIn {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Annul a check-in, with a reason, and all points that were passed under it. The records stay; the person may check in
/// again.
#[utoipa::path(tag = "attendance", params(("id" = CheckInId, Path)), request_body = AnnulCheckIn, responses((status = 200, body = CheckInView), (status = 409, description = "already_annulled")))]
#[post("/check-ins/{id}/annul")]
pub async fn annul_check_in(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<CheckInId>,
    once: Once<AnnulCheckIn>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    judge(&app, who, key, move |conn, ctx| {
        service::annul_check_in(conn, ctx, id.0, &body.reason)
    })
    .await
}

/// One decision about a check-in, and the news of it for the event's screens.
async fn judge<F>(app: &App, who: SignedIn, key: Key, decide: F) -> AppResult<Answer>
where
    F: Fn(&mut DbConnection, &Ctx) -> AppResult<CheckInRow> + Send + 'static,
{
    let (tell, told) = std::sync::mpsc::channel();
    let work = move |conn: &mut DbConnection, ctx: &Ctx| {
        let row = decide(conn, ctx)?;
        // Nobody hears it before the commit: it is read after `write_once` has come back.
        let _ = tell.send(row.event_id);
        Answer::ok(&CheckInView::from(&row))
    };
    let answer = app.write_once(who.0, key, work).await?;
    if let Some(event) = told.try_iter().last() {
        app.cache.announce(news_of(event));
    }
    Ok(answer)
}

/// Accept a check-in that waits for review, so that it counts.
#[utoipa::path(tag = "attendance", params(("id" = CheckInId, Path)), responses((status = 200, body = CheckInView), (status = 409, description = "not_in_review, event_cancelled")))]
#[post("/check-ins/{id}/accept")]
pub async fn accept_check_in(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<CheckInId>,
    once: Once<()>,
) -> AppResult<Answer> {
    judge(&app, who, once.key, move |conn, ctx| {
        service::accept_check_in(conn, ctx, id.0)
    })
    .await
}
