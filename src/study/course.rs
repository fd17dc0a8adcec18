//! What a published version means for studying: how much is to be covered, how fast, and what an article's sections stand for.

use super::desk::Report;
use super::played::{Played, Span};
use super::rules::{Claim, Course};
use crate::lessons::{CourseVersion, Kind};
use crate::platform::error::{AppError, AppResult};

/// An article's sections are laid one behind the other on a line of time, each as long as reading it takes at least.
pub fn claim_of(report: &Report, version: &CourseVersion) -> AppResult<Claim> {
    let mut claim = report.claim.clone();
    if version.kind != Kind::Article {
        if !report.sections.is_empty() {
            let message = "this lesson is played: tell what was played, not sections";
            return Err(AppError::invalid_field("/sections", "not_an_article", message));
        }
        return Ok(claim);
    }
    if !claim.played.is_empty() {
        let message = "this lesson is an article: tell the sections that were seen";
        return Err(AppError::invalid_field("/played", "an_article", message));
    }
    let spans = section_spans(version);
    let mut seen = Vec::new();
    for (n, section) in report.sections.iter().enumerate() {
        let span = usize::try_from(*section).ok().and_then(|n| spans.get(n));
        let Some(span) = span else {
            let message = format!("the article has {} sections, counted from 0", spans.len());
            return Err(AppError::invalid_field(
                &format!("/sections/{n}"),
                "no_such_section",
                message,
            ));
        };
        seen.push(*span);
    }
    claim.played = Played::of(seen);
    // The position in an article is a section's number.
    claim.position_ms = claim.position_ms.map(|ms| ms / 1_000);
    Ok(claim)
}

pub fn section_spans(version: &CourseVersion) -> Vec<Span> {
    let mut at = 0u32;
    let lay = |ms: &u32| {
        let from = at;
        at = at.saturating_add(*ms);
        Span { from, to: at }
    };
    version.sections_ms.iter().map(lay).collect()
}

pub fn course_of(version: &CourseVersion) -> Course {
    Course {
        duration_ms: version.duration_ms,
        threshold_permille: version.threshold_permille,
        speed_percent: if version.kind == Kind::Article {
            100
        } else {
            version.speed_percent
        },
    }
}
