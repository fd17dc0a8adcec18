//! Study plans (學習計劃): lessons that an organization asks the members of its subtree to finish by a date, and who has
//! done, is doing, has not begun, or is late. What was studied is study's; a plan only asks for it.

mod commands;
mod due;
mod export;
mod http;
mod rules;
mod service;
mod store;

pub use commands::CreateStudyPlan;
pub use due::{DueLesson, Finished, SHOWN_LATE_S, due_lessons, finished_by, titles};
pub use http::{DueLessonView, configure};
pub use service::{create_plan, publish_plan};

crate::id_types! {
    StudyPlanId,
}
