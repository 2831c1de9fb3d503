//! A virtual world of locks and vendors that drives a controller in virtual time, and a judge that watches.
//!
//! A [`Story`] is the way in: write one, read one, or take that of a seed, and tell it to your own
//! [`Controllers`](keyway_core::controller::Controllers). What comes back is [`Told`]: the verdict, what was broken, the trace.
//! `sim/examples/bring_your_own_controller.rs` is a whole controller under test; [`cli::main`] makes it a program.

pub mod agenda;
pub mod book;
pub mod bounds;
pub mod bytes;
pub mod cli;
pub mod coverage;
pub mod diff;
pub mod differential;
pub mod expect;
pub mod generate;
#[cfg(test)]
mod handwritten;
pub mod history;
pub mod invariant;
pub mod judge;
pub mod marks;
pub mod met;
pub mod mutant;
pub mod noise;
pub mod occurrence;
mod panics;
pub mod plan;
pub mod plan_text;
pub mod process;
pub mod quirk;
pub mod report;
pub mod request;
pub mod run;
pub mod scenario;
pub mod setup;
pub mod shrink;
pub mod simulation;
pub mod story;
#[cfg(feature = "proptest")]
pub mod strategy;
pub mod sweep;
pub mod trace;
pub mod verdict;
pub mod view;
pub mod watch;
pub mod words;

pub use story::{Story, Told};
