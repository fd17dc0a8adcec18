//! Lessons (微黨課): a working copy that is written and reviewed, and the versions that were published from it. Members
//! see the newest version; whatever they study, they study a version.

mod article;
mod audience;
mod commands;
mod courses;
mod files;
mod http;
mod lists;
mod rules;
mod search;
mod series;
mod service;
mod store;

#[cfg(feature = "failpoints")]
pub(crate) use article::{is_too_deep, plain, render};
pub use commands::{Audience, CreateLesson};
pub use courses::{
    Audiences, CourseVersion, admitted, admitted_until, audiences, hold_versions, titles, versions_of,
};
pub use lists::{LessonPlace, may_see, place, uses_file};
pub use rules::Kind;
pub use search::reindex;
pub use series::{prerequisites, series_lessons};
pub use service::{create_lesson, hold_to_write, publish_lesson, submit_lesson};

use utoipa_actix_web::service_config::ServiceConfig;

crate::id_types! {
    LessonId,
    SeriesId,
}

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    search::http::configure(cfg);
    http::configure(cfg);
    series::http::configure(cfg);
}
