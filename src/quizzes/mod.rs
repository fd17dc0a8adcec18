//! Quizzes (測驗): the questions of a lesson, drawn and shuffled for each attempt by the server. Answers and explanations
//! leave it only with an attempt that has been handed in, or to whoever writes the lesson.
//!
//! A quiz is written as one document, kept in versions that never change; an attempt refers to the version it began with.

mod commands;
mod doors;
mod http;
mod rules;
mod service;
mod store;

pub use doors::{QuizStanding, standings};
pub use http::configure;

crate::id_types! {
    QuestionId,
    QuizAttemptId,
}
