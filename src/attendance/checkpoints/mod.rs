//! Checkpoints (簽到點): the points of an event that people pass, 出發、場館、返程, and a check-out (簽退). Passing the first
//! one makes somebody present, by the same check-in as anywhere; what more follows is in `rules`.

mod commands;
mod passing;
mod rules;
mod service;
mod store;

pub use commands::{ExitAll, WriteCheckpoints};
pub use passing::{Passing, find_sent, gate_of, new_passage};
pub use rules::{Kind, PresenceRule, Stay, minutes_until};
pub use service::{
    CheckpointPlan, Plan, annul_passage, annul_with, clone_points, exit_all, passages_at, passed_of, plan_of,
    require_gate, view_plan, write_checkpoints,
};
pub use store::{CheckpointRow, PassageRow, insert_passages};
