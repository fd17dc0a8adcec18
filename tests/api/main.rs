//! The one integration binary: a real server on a free port, through the same routes as in production.
//! `ZHIBU_TEST_BACKEND=sqlite` (default) or `postgres` with `ZHIBU_TEST_DATABASE_URL` and `ZHIBU_TEST_REDIS_URL`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cloned_ref_to_slice_refs,
    reason = "a test that cannot go on has failed, and says where"
)]

mod activation;
mod audit;
mod auth;
mod backup;
mod boards;
mod check_in;
mod checkpoints;
mod cost_races;
mod costs;
mod devices;
mod draws;
mod event_templates;
mod events;
mod fences;
#[cfg(feature = "failpoints")]
mod fuzz;
mod guard;
mod guests;
mod home;
mod leaderboard_races;
mod leaderboards;
mod lesson_files;
mod lessons;
mod lists;
mod locks;
mod main_job;
mod media;
mod members;
mod notices;
mod organizations;
mod personal_data;
mod places;
mod points;
mod process;
mod quizzes;
mod races;
mod readers;
mod roster;
mod search;
mod series;
mod sharing;
mod sharing_pictures;
mod sheet;
mod sign_up_races;
mod sign_ups;
mod study;
mod study_late;
mod study_plans;
mod support;
mod throttle;
mod topologies;
mod tus_client;
mod upgrades;
mod volunteering;
mod webhooks;
