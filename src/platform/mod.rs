//! Everything a slice stands on. No word of the domain in here.

pub mod boards;
pub mod cache;
pub mod clock;
pub mod config;
pub mod db;
pub mod document;
pub mod error;
pub mod fault;
pub mod frames;
pub mod gather;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod local_time;
pub mod page;
pub mod redis;
pub mod sheet;
pub mod short_code;
pub mod text;
pub mod words;
