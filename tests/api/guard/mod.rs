//! Tests that guard the house itself: what every operation, error code, migration and file must keep.

pub mod authz;
mod errors;
mod input;
mod layers;
mod migrations;
pub mod openapi;
mod repeats;
mod strict;
