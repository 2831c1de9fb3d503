//! Ground truth: locks, the clouds and hubs before them, and the named ways in which they misbehave.
//!
//! The world knows facts (power, link, memory, clock, queue, credential, rival); an error is always the
//! controller's conclusion. It draws no chance: what a command meets comes in as its [`site::Fate`].

pub mod lock;
pub mod offline;
pub mod quirk;
pub mod site;
