//! zhibu (支部, 'branch').
pub mod platform;
