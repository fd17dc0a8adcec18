//! Tests that guard the house itself: what every operation, error code, migration and file must keep.

mod authz;
mod errors;
mod input;
mod layers;
mod migrations;
mod openapi;
