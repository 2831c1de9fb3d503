//! One run: plan in, outcome out.

use std::collections::BTreeMap;

use keyway_core::controller::Controllers;
use keyway_core::time::{HOUR_MS, Timestamp};

use crate::expect::Expect;
use crate::judge::Judge;
use crate::met::Met;
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
    /// End once all is healed and at rest, instead of when all had time to converge. What shows only in the calm after that is not seen.
    pub ends_at_rest: bool,
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

impl Outcome {
    /// What is left of a run that did not come to its end.
    #[must_use]
    pub fn without_a_run(plan: &Plan, finding: Finding) -> Self {
        Self {
            verdict: finding.verdict,
            finding: Some(finding),
            hash: 0,
            marks: BTreeMap::new(),
            figures: Figures::default(),
            facts: Setup::new(plan).facts,
            log: Vec::new(),
        }
    }
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
    let mut bench = Bench::new(plan, &facts, options);
    let (figures, marks) = Simulation::new(plan, setup, controllers, &mut bench).run();
    bench.close(figures, marks, facts)
}

/// Everybody who watches a run.
struct Bench {
    now: Timestamp,
    hash: Hash,
    log: Option<Vec<(Timestamp, Occurrence)>>,
    judge: Option<Judge>,
    expect: Expect,
    met: Met,
    stopped: Option<Finding>,
    ends_at_rest: bool,
}

impl Bench {
    fn new(plan: &Plan, facts: &Facts, options: Options) -> Self {
        Self {
            now: facts.begins_at,
            hash: Hash::default(),
            log: options.keep_log.then(Vec::new),
            judge: (!options.unjudged).then(|| Judge::new(facts.clone())),
            expect: Expect::new(plan, facts),
            met: Met::default(),
            stopped: None,
            ends_at_rest: options.ends_at_rest,
        }
    }

    fn close(self, figures: Figures, mut marks: BTreeMap<&'static str, u64>, facts: Facts) -> Outcome {
        if let Some(judge) = &self.judge {
            marks.extend(judge.armed());
        }
        marks.extend(self.met.marks());
        let judged = self.judge.as_ref().and_then(Judge::finding);
        // What a run that ended early did not come to is no expectation missed.
        let finding = self.stopped.or(judged).or_else(|| missed(self.expect.finish(self.now)));
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

fn missed(violations: Vec<Violation>) -> Option<Finding> {
    let first = violations.first()?;
    let fingerprint = format!("{}|{}|{}", Verdict::ExpectationNotMet, first.id, first.roles);
    Some(Finding { verdict: Verdict::ExpectationNotMet, fingerprint, violations })
}

impl Observer for Bench {
    fn observe(&mut self, now: Timestamp, occurrence: &Occurrence) {
        self.now = now;
        self.hash.take(now, occurrence);
        if let Some(log) = &mut self.log {
            log.push((now, occurrence.clone()));
        }
        self.expect.observe(now, occurrence);
        self.met.observe(occurrence);
        if let Some(judge) = &mut self.judge {
            judge.observe(now, occurrence);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let judged = self.judge.as_ref().and_then(Judge::next_deadline);
        [judged, self.expect.next_deadline()].into_iter().flatten().min()
    }

    fn deadline(&mut self, now: Timestamp) {
        self.now = now;
        self.expect.at_deadline(now);
        if let Some(judge) = &mut self.judge {
            judge.deadline(now);
        }
    }

    fn is_done(&self) -> bool {
        self.stopped.is_some() || self.judge.as_ref().is_some_and(Judge::is_decided)
    }

    fn convergence_ms(&self) -> i64 {
        self.judge.as_ref().map_or(6 * HOUR_MS, Judge::convergence_ms)
    }

    fn may_end(&self) -> bool {
        self.ends_at_rest && self.judge.as_ref().is_none_or(Judge::is_at_rest)
    }

    fn stop(&mut self, now: Timestamp, verdict: Verdict, why: String) {
        let violation = Violation { id: verdict.name().to_owned(), at: now, what: why, roles: String::new() };
        let fingerprint = verdict.name().to_owned();
        self.stopped = Some(Finding { verdict, violations: vec![violation], fingerprint });
    }
}
