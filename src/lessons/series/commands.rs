//! What clients may send about a series, and what is wrong with it before anybody looks into the database.

use serde::Deserialize;

use super::rules::{Flaw, flaws};
use crate::lessons::LessonId;
use crate::organizations::OrganizationId;
use crate::platform::text::{Check, Problems, present};

const MAX_LESSONS: usize = 100;

/// A place in the order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesPlace {
    pub lesson_id: LessonId,
    /// Lessons further up in the same series, to be finished first.
    #[serde(default)]
    pub prerequisite_ids: Vec<LessonId>,
}

/// A new series, a draft until it is published.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"organization_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "title": "黨史專題", "summary": "五講"}))]
pub struct CreateSeries {
    pub organization_id: OrganizationId,
    #[schema(example = "黨史專題")]
    pub title: String,
    #[serde(default)]
    pub summary: String,
    /// In their order, at most 100.
    #[serde(default)]
    pub lessons: Vec<SeriesPlace>,
}

/// A merge patch: what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "黨史專題（修訂）"}))]
pub struct UpdateSeries {
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub summary: Option<String>,
    /// The whole order anew, at most 100.
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub lessons: Option<Vec<SeriesPlace>>,
}

impl Check for CreateSeries {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/title", &mut self.title, 1, 200);
        problems.paragraph("/summary", &mut self.summary, 0, 1_000);
        check_lessons(problems, &self.lessons);
    }
}

impl Check for UpdateSeries {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(title) = &mut self.title {
            problems.line("/title", title, 1, 200);
        }
        if let Some(summary) = &mut self.summary {
            problems.paragraph("/summary", summary, 0, 1_000);
        }
        if let Some(lessons) = &self.lessons {
            check_lessons(problems, lessons);
        }
    }
}

fn check_lessons(problems: &mut Problems, lessons: &[SeriesPlace]) {
    if lessons.len() > MAX_LESSONS {
        let message = format!("has more than {MAX_LESSONS} items");
        return problems.add("/lessons", "too_many", message);
    }
    let order: Vec<_> = lessons
        .iter()
        .map(|place| (place.lesson_id, place.prerequisite_ids.as_slice()))
        .collect();
    for flaw in flaws(&order) {
        match flaw {
            Flaw::Repeated(place) => problems.add(
                format!("/lessons/{place}/lesson_id"),
                "repeated",
                "stands in the series already",
            ),
            Flaw::NotEarlier(place, number) => problems.add(
                format!("/lessons/{place}/prerequisite_ids/{number}"),
                "not_earlier",
                "is no lesson further up in this series",
            ),
        }
    }
}
