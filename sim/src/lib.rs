//! A virtual world of locks and vendors that drives a controller in virtual time, and a judge that watches.

pub mod agenda;
pub mod bounds;
pub mod cli;
pub mod coverage;
pub mod diff;
pub mod expect;
pub mod generate;
#[cfg(test)]
mod handwritten;
pub mod history;
pub mod invariant;
pub mod judge;
pub mod marks;
pub mod mutant;
pub mod noise;
pub mod occurrence;
mod panics;
pub mod plan;
pub mod plan_text;
pub mod quirk;
pub mod report;
pub mod request;
pub mod run;
pub mod scenario;
pub mod setup;
pub mod shrink;
pub mod simulation;
pub mod sweep;
pub mod trace;
pub mod verdict;
pub mod view;
pub mod watch;
pub mod words;
