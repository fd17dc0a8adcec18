//! zhibu (支部, 'branch'): study and check-in for grass-roots membership organisations.
//!
//! One crate over one small `platform`; each slice has the same inner order `http -> service -> store`, and a slice
//! calls another slice's service inside the caller's transaction, never its store. `routes` names the slices and the pages.

pub mod app;
pub mod attendance;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod cli;
pub mod costs;
pub mod demo;
pub mod devices;
pub mod doctor;
pub mod event_templates;
pub mod events;
#[cfg(feature = "failpoints")]
pub mod fuzz;
pub mod guests;
pub mod home;
pub mod leaderboards;
pub mod lessons;
pub mod media;
pub mod members;
pub mod notices;
pub mod openapi;
pub mod organizations;
pub mod personal_data;
pub mod platform;
pub mod points;
pub mod quizzes;
pub mod routes;
pub mod server;
pub mod sharing;
pub mod sign_ups;
pub mod study;
pub mod study_plans;
pub mod volunteering;
pub mod webhooks;
