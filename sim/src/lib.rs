//! A virtual world of locks and vendors that drives a controller in virtual time, and a judge that watches.

pub mod history;
pub mod invariant;
pub mod judge;
pub mod occurrence;
pub mod plan;
pub mod plan_text;
pub mod quirk;
pub mod run;
pub mod verdict;
