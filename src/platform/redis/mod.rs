//! The way to Redis, for everything that uses it: one connection a process, to a single server, to the master that Sentinel
//! names, or to a Cluster. It is made and made again in the background; no caller waits for longer than a deadline.

mod link;
mod script;
mod topology;

pub use link::{Connection, Redis};
pub use script::Script;
pub use topology::{Topology, WrongAddress};
