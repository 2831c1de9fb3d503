//! A virtual world of locks and vendors that drives a controller in virtual time, and a judge that watches.

pub mod cli;
pub mod expect;
#[cfg(test)]
mod handwritten;
pub mod occurrence;
pub mod plan;
pub mod plan_text;
pub mod quirk;
pub mod report;
pub mod run;
pub mod scenario;
pub mod verdict;
pub mod view;
pub mod words;
