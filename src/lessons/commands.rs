//! What clients may send about a lesson, and what is wrong with it before anybody looks into the database.

use serde::{Deserialize, Serialize};

use super::article;
use super::files::{self, Subtitles};
use super::rules::Kind;
use crate::media::MediaId;
use crate::members::Standing;
use crate::organizations::OrganizationId;
use crate::platform::text::{Check, Patch, Problems, patch, present};

const MAX_ORGANIZATIONS: usize = 200;
const MAX_TAGS: usize = 20;
/// Characters; in Chinese 60 KB, what a request may hold.
const MAX_BODY: usize = 20_000;

/// Whom a lesson is for: the members of these organizations and all below them, of these standings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audience {
    /// Empty: the lesson's own organization.
    pub organization_ids: Vec<OrganizationId>,
    /// Empty: everybody.
    pub standings: Vec<Standing>,
}

/// A new lesson, a draft until a reviewer publishes it.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"organization_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "kind": "article", "title": "五分鐘微黨課", "body": "# 要點\n\n…"}))]
pub struct CreateLesson {
    pub organization_id: OrganizationId,
    pub kind: Kind,
    #[schema(example = "五分鐘微黨課")]
    pub title: String,
    #[serde(default)]
    pub summary: String,
    /// Of an article: Markdown.
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub transcript: String,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub audience: Audience,
    /// Of a video or an audio: the file that is played, uploaded before (`/uploads`). Needed to submit it.
    pub media_id: Option<MediaId>,
    /// A picture.
    pub poster_id: Option<MediaId>,
    /// WebVTT, one file a language, ten at most.
    #[serde(default)]
    pub subtitles: Vec<Subtitles>,
    /// Files to read or to keep, twenty at most.
    #[serde(default)]
    pub attachments: Vec<MediaId>,
    /// How much must be covered, in thousandths; 900 when left out.
    pub threshold_permille: Option<i32>,
    /// How fast it may be played, in hundredths of wall-clock time; 200 when left out.
    pub speed_percent: Option<i32>,
}

/// A merge patch: what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "五分鐘微黨課（修訂）", "tags": ["黨史"]}))]
pub struct UpdateLesson {
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub summary: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub body: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub transcript: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub tags: Option<Vec<String>>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub audience: Option<Audience>,
    #[serde(default, with = "patch")]
    pub media_id: Patch<MediaId>,
    #[serde(default, with = "patch")]
    pub poster_id: Patch<MediaId>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub subtitles: Option<Vec<Subtitles>>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub attachments: Option<Vec<MediaId>>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub threshold_permille: Option<i32>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub speed_percent: Option<i32>,
}

impl Check for CreateLesson {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/title", &mut self.title, 1, 200);
        problems.paragraph("/summary", &mut self.summary, 0, 1_000);
        check_body(problems, &mut self.body);
        problems.paragraph("/transcript", &mut self.transcript, 0, MAX_BODY);
        check_tags(problems, &mut self.tags);
        check_audience(problems, &self.audience);
        files::check(problems, &self.subtitles, &self.attachments);
        check_numbers(problems, self.threshold_permille, self.speed_percent);
    }
}

impl Check for UpdateLesson {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(title) = &mut self.title {
            problems.line("/title", title, 1, 200);
        }
        if let Some(summary) = &mut self.summary {
            problems.paragraph("/summary", summary, 0, 1_000);
        }
        if let Some(body) = &mut self.body {
            check_body(problems, body);
        }
        if let Some(transcript) = &mut self.transcript {
            problems.paragraph("/transcript", transcript, 0, MAX_BODY);
        }
        if let Some(tags) = &mut self.tags {
            check_tags(problems, tags);
        }
        if let Some(audience) = &self.audience {
            check_audience(problems, audience);
        }
        let (subtitles, attachments) = (self.subtitles.as_deref(), self.attachments.as_deref());
        files::check(
            problems,
            subtitles.unwrap_or_default(),
            attachments.unwrap_or_default(),
        );
        check_numbers(problems, self.threshold_permille, self.speed_percent);
    }
}

fn check_body(problems: &mut Problems, body: &mut String) {
    problems.paragraph("/body", body, 0, MAX_BODY);
    if body.chars().count() <= MAX_BODY && article::is_too_deep(body) {
        problems.add("/body", "nested_too_deep", "has quotes or lists nested too deep");
    }
}

fn check_tags(problems: &mut Problems, tags: &mut Vec<String>) {
    for (n, tag) in tags.iter_mut().enumerate() {
        problems.line(&format!("/tags/{n}"), tag, 1, 30);
    }
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > MAX_TAGS {
        problems.add("/tags", "too_many", format!("has more than {MAX_TAGS} items"));
    }
}

fn check_audience(problems: &mut Problems, audience: &Audience) {
    if audience.organization_ids.len() > MAX_ORGANIZATIONS {
        problems.add(
            "/audience/organization_ids",
            "too_many",
            format!("has more than {MAX_ORGANIZATIONS} items"),
        );
    }
}

fn check_numbers(problems: &mut Problems, threshold: Option<i32>, speed: Option<i32>) {
    problems.optional_range("/threshold_permille", &threshold, 1, 1_000);
    problems.optional_range("/speed_percent", &speed, 100, 400);
}
