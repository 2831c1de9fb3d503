//! One run: plan in, outcome out.

use std::collections::BTreeMap;

use keyway_core::controller::Controllers;
use keyway_core::time::Timestamp;

use crate::occurrence::{Facts, Occurrence};
use crate::plan::Plan;
use crate::verdict::{Finding, Verdict};

/// What a run shall keep besides its verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep every occurrence, for a trace, a timeline or a snapshot.
    pub keep_log: bool,
    /// Judge by the invariants; off only for benchmarks.
    pub unjudged: bool,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What was broken, if anything.
    pub finding: Option<Finding>,
    /// The rolling hash over every occurrence.
    pub hash: u128,
    /// How often each mark was hit: premises of invariants before the heal phase, quirks, transitions.
    pub marks: BTreeMap<&'static str, u64>,
    /// Figures of the run.
    pub figures: Figures,
    /// What never changed.
    pub facts: Facts,
    /// Every occurrence in order, if it was to be kept.
    pub log: Vec<(Timestamp, Occurrence)>,
}

/// Counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Figures {
    /// Steps of the controller.
    pub steps: u64,
    /// Occurrences that were not no-change reads and their answers.
    pub productive: u64,
    /// Reads whose answer changed nothing.
    pub idle_reads: u64,
    /// Faults and noise that fired.
    pub fired: u64,
    /// Crashes, and of these inside a step.
    pub crashes: u64,
    /// Crashes inside a step.
    pub crashes_inside: u64,
    /// Steps of the plan that met no target.
    pub no_targets: u64,
}

/// Runs a checked plan against the controllers that `controllers` starts, and judges it.
#[must_use]
pub fn run(_plan: &Plan, _controllers: &dyn Controllers, _options: Options) -> Outcome {
    unimplemented!("wired in a later commit")
}
