//! The life of smart-lock access codes as pure state machines: no clock, no randomness, no I/O.
//!
//! Three wings. The *vocabulary* (every module here but two) is what all speak. [`platform`] is the
//! reference controller and [`world`] the ground truth of locks and vendors; both import the
//! vocabulary and never each other.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
// What derives `Arbitrary` names it.
#[cfg(feature = "arbitrary")]
extern crate std;

pub mod access_code;
#[cfg(feature = "arbitrary")]
mod arbitrary;
pub mod config;
pub mod controller;
pub mod draw;
pub mod event;
pub mod id;
pub mod offline;
pub mod pin;
pub mod platform;
pub mod port;
pub mod problem;
pub mod request;
pub mod rule;
#[cfg(feature = "schema")]
mod schema;
pub mod slot;
pub mod time;
pub mod vendor;
pub mod world;
pub mod zone;
