//! One run: plan in, outcome out.

use std::collections::BTreeMap;

use keyway_core::controller::Controllers;
use keyway_core::time::Timestamp;

use crate::occurrence::{Facts, Occurrence};
use crate::plan::Plan;
use crate::setup::Setup;
use crate::simulation::{Observer, Simulation};
use crate::trace::Hash;
use crate::verdict::{Finding, Verdict, Violation};

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
    /// Occurrences other than reads, their answers and the frame of a step.
    pub productive: u64,
    /// Faults and noise that fired before the heal phase.
    pub fired: u64,
    /// Crashes.
    pub crashes: u64,
    /// Crashes inside a step.
    pub crashes_inside: u64,
    /// Steps of the plan that met no target.
    pub no_targets: u64,
}

/// Runs a checked plan against the controllers that `controllers` starts, and judges it.
#[must_use]
pub fn run(plan: &Plan, controllers: &dyn Controllers, options: Options) -> Outcome {
    let setup = Setup::new(plan);
    let facts = setup.facts.clone();
    let mut bench = Bench::new(&facts, options);
    let (figures, marks) = Simulation::new(plan, setup, controllers, &mut bench).run();
    bench.close(figures, marks, facts)
}

/// Everybody who watches a run.
struct Bench {
    hash: Hash,
    log: Option<Vec<(Timestamp, Occurrence)>>,
    stopped: Option<Finding>,
}

impl Bench {
    fn new(_facts: &Facts, options: Options) -> Self {
        Self { hash: Hash::default(), log: options.keep_log.then(Vec::new), stopped: None }
    }

    fn close(self, figures: Figures, marks: BTreeMap<&'static str, u64>, facts: Facts) -> Outcome {
        let finding = self.stopped;
        Outcome {
            verdict: finding.as_ref().map_or(Verdict::Pass, |finding| finding.verdict),
            finding,
            hash: self.hash.value(),
            marks,
            figures,
            facts,
            log: self.log.unwrap_or_default(),
        }
    }
}

impl Observer for Bench {
    fn observe(&mut self, now: Timestamp, occurrence: &Occurrence) {
        self.hash.take(now, occurrence);
        if let Some(log) = &mut self.log {
            log.push((now, occurrence.clone()));
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn deadline(&mut self, _now: Timestamp) {}

    fn is_done(&self) -> bool {
        self.stopped.is_some()
    }

    fn convergence_ms(&self) -> i64 {
        6 * keyway_core::time::HOUR_MS
    }

    fn stop(&mut self, now: Timestamp, verdict: Verdict, why: String) {
        let violation = Violation { id: verdict.name().to_owned(), at: now, what: why, roles: String::new() };
        let fingerprint = verdict.name().to_owned();
        self.stopped = Some(Finding { verdict, violations: vec![violation], fingerprint });
    }
}
