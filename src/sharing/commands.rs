//! What clients may send about reflections and materials.

use serde::Deserialize;

use super::rules::Visibility;
use crate::media::MediaId;
use crate::platform::text::{Check, Problems, present};

/// What I took away from an event. Pictures come after it.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "聽老同志講當年修渠，才知道一碗水也有來處。", "visibility": "branch"}))]
pub struct CreateReflection {
    /// 1 to 5,000 characters, as they are: no markup.
    pub text: String,
    pub visibility: Visibility,
}

/// A merge patch: what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"visibility": "tree"}))]
pub struct UpdateReflection {
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub visibility: Option<Visibility>,
}

/// Why a reflection is not shown, or not any more. Its author reads it.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "請去掉服務對象的姓名"}))]
pub struct ReflectionReason {
    pub reason: String,
}

/// A file that goes with an event.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "參觀路線", "media_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
pub struct CreateMaterial {
    pub title: String,
    /// A file that I may see, ready, of the event's tree: a picture, a film, a recording or a PDF, uploaded with `purpose`
    /// `material` or for a lesson.
    pub media_id: MediaId,
    /// Where it stands, the smallest first; behind all others when left out.
    pub position: Option<i32>,
}

impl Check for CreateReflection {
    fn check(&mut self, problems: &mut Problems) {
        problems.paragraph("/text", &mut self.text, 1, 5_000);
    }
}

impl Check for UpdateReflection {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(text) = &mut self.text {
            problems.paragraph("/text", text, 1, 5_000);
        }
    }
}

impl Check for ReflectionReason {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

impl Check for CreateMaterial {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/title", &mut self.title, 1, 200);
        problems.optional_range("/position", &self.position, 0, 1_000);
    }
}
