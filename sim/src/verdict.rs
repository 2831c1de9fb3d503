//! What a run came to: the verdicts with their exit codes, findings, and the fingerprint that identifies a failure.

use std::fmt;

use keyway_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a run came to; the gravest wins when several stories run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing to report.
    Pass,
    /// A mark that the plan or sweep requires was not hit.
    Vacuous,
    /// An expectation of the plan was not met.
    ExpectationNotMet,
    /// A broken controller was not caught.
    Survivor,
    /// The run did not converge in time.
    Liveness,
    /// Something happened that must never happen.
    Safety,
    /// The controller broke the rules of the boundary.
    Contract,
    /// The controller went past a bound on wakes, commands or events.
    Stuck,
    /// The controller panicked or broke.
    Panic,
    /// The same plan gave different bytes.
    NonDeterminism,
    /// The input was refused before anything ran.
    BadInput,
}

impl Verdict {
    /// The exit code of the program.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::BadInput => 2,
            Self::Safety => 10,
            Self::Liveness => 11,
            Self::Contract => 12,
            Self::ExpectationNotMet => 13,
            Self::Panic => 14,
            Self::Stuck => 15,
            Self::NonDeterminism => 16,
            Self::Vacuous => 17,
            Self::Survivor => 18,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Vacuous => "vacuous",
            Self::ExpectationNotMet => "expectation not met",
            Self::Survivor => "a broken controller survived",
            Self::Liveness => "liveness",
            Self::Safety => "safety",
            Self::Contract => "contract",
            Self::Stuck => "stuck",
            Self::Panic => "panic",
            Self::NonDeterminism => "non-determinism",
            Self::BadInput => "bad input",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One broken invariant, bound or expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The invariant's id, or `expect` for an expectation of the plan.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// What was seen and what was expected of whom, in one sentence with names and times.
    pub what: String,
    /// The roles of those involved, such as `online code on a by_slot lock`, for the fingerprint; no ids and no names.
    pub roles: String,
}

/// All that the first violating step broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// What was broken, in the registry's order.
    pub violations: Vec<Violation>,
    /// Identifies the failure: verdict, first invariant, roles, last transition.
    pub fingerprint: String,
}
