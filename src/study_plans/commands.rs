//! What clients may send about a plan, and what is wrong with it before anybody looks into the database.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use crate::lessons::{LessonId, SeriesId};
use crate::members::Standing;
use crate::organizations::OrganizationId;
use crate::platform::text::{Check, Problems, present};

/// Of a plan, those of its series included.
pub const MAX_LESSONS: usize = 100;
const MAX_SERIES: usize = 20;

/// A new plan, a draft until it is published.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"organization_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "title": "十一月學習計劃", "lesson_ids": ["01a20be8-c3a0-73b6-8911-a9d308c2654d"], "due_on": "2026-11-30"}))]
pub struct CreateStudyPlan {
    /// Asked are the members of this organization and all below it.
    pub organization_id: OrganizationId,
    pub title: String,
    #[serde(default)]
    pub description: String,
    /// In this order; at most 100, with those of the series.
    #[serde(default)]
    pub lesson_ids: Vec<LessonId>,
    /// Published series, for their lessons as they are now: those that are published for everybody whom the plan asks,
    /// in their order, after the lessons that are named. What a series comes to hold later is not asked for.
    #[serde(default)]
    pub series_ids: Vec<SeriesId>,
    /// The last day, where the organization is.
    pub due_on: NaiveDate,
    /// Empty: everybody.
    #[serde(default)]
    pub standings: Vec<Standing>,
    /// Whoever comes after the plan was published has at least this many days from then; 14 when left out.
    pub grace_days: Option<i32>,
}

/// A merge patch: what is left out stays. Once a plan is published only title, description and a later day can be changed.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"due_on": "2026-12-15"}))]
pub struct UpdateStudyPlan {
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub lesson_ids: Option<Vec<LessonId>>,
    /// With `lesson_ids`, or alone: the plan's lessons become what the two name.
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub series_ids: Option<Vec<SeriesId>>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub due_on: Option<NaiveDate>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub standings: Option<Vec<Standing>>,
    #[serde(default, with = "present")]
    #[schema(nullable = false)]
    pub grace_days: Option<i32>,
}

impl Check for CreateStudyPlan {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/title", &mut self.title, 1, 200);
        problems.paragraph("/description", &mut self.description, 0, 2_000);
        check_lessons(problems, &self.lesson_ids, &self.series_ids);
        check_day(problems, self.due_on);
        problems.optional_range("/grace_days", &self.grace_days, 0, 365);
    }
}

impl Check for UpdateStudyPlan {
    fn check(&mut self, problems: &mut Problems) {
        if let Some(title) = &mut self.title {
            problems.line("/title", title, 1, 200);
        }
        if let Some(description) = &mut self.description {
            problems.paragraph("/description", description, 0, 2_000);
        }
        if self.lesson_ids.is_some() || self.series_ids.is_some() {
            let lessons = self.lesson_ids.as_deref().unwrap_or_default();
            check_lessons(problems, lessons, self.series_ids.as_deref().unwrap_or_default());
        }
        if let Some(day) = self.due_on {
            check_day(problems, day);
        }
        problems.optional_range("/grace_days", &self.grace_days, 0, 365);
    }
}

fn check_day(problems: &mut Problems, day: NaiveDate) {
    if day.year() > 2199 {
        problems.add("/due_on", "too_large", "lies after the year 2199");
    }
}

fn check_lessons(problems: &mut Problems, lessons: &[LessonId], series: &[SeriesId]) {
    if lessons.len() > MAX_LESSONS || (lessons.is_empty() && series.is_empty()) {
        let message = format!("needs 1 to {MAX_LESSONS} items, or a series");
        problems.add("/lesson_ids", "wrong_count", message);
    }
    if series.len() > MAX_SERIES {
        problems.add(
            "/series_ids",
            "wrong_count",
            format!("takes at most {MAX_SERIES} items"),
        );
    }
    check_distinct(problems, "/lesson_ids", lessons);
    check_distinct(problems, "/series_ids", series);
}

fn check_distinct<Id: PartialEq>(problems: &mut Problems, field: &str, ids: &[Id]) {
    for (n, id) in ids.iter().enumerate() {
        if ids.iter().take(n).any(|before| before == id) {
            problems.add(format!("{field}/{n}"), "duplicate", "is there twice");
        }
    }
}
