//! The invariants: what each of them is, and the shape of a checker. One file a family, one checker an id.
//!
//! A checker reads the [`History`], which is up to date before the checker is called, and reports to [`Found`]. It
//! keeps state of its own only where its statement speaks of time, counts or order.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::rule::{self, INVARIANTS};
use keyway_core::time::Timestamp;

use crate::history::{CodeIx, History};
use crate::occurrence::Occurrence;
use crate::verdict::{Verdict, Violation};

pub mod alarms;
pub mod api;
pub mod backups;
pub mod bridge;
pub mod causes;
pub mod conduct;
pub mod contract;
pub mod convergence;
pub mod events;
pub mod harness;
pub mod identity;
pub mod life;
mod linked;
pub mod login;
mod memory;
mod naming;
pub mod offline;
pub mod pool;
pub mod problems;
pub mod progress;
mod quiet;
mod refusal;
pub mod status;
pub mod story;
pub mod transitions;
pub mod unmanaged;
pub mod window;
pub mod workspaces;

/// What one checker must do. All methods but `ids` do nothing unless written.
pub trait Invariant {
    /// The ids it may report; usually one.
    fn ids(&self) -> &'static [&'static str];

    /// The kinds of occurrence that [`observe`](Self::observe) wants to see. Ask for few: the judge calls nobody else.
    fn interests(&self) -> Interests {
        Interests::ALL
    }

    /// Sees an occurrence, after the history has taken it in.
    fn observe(&mut self, _history: &History, _now: Timestamp, _occurrence: &Occurrence, _found: &mut Found) {}

    /// Evaluates its predicate for the subjects that the history lists as touched: at the end of each step, after each change of the truth, and
    /// at each instant that the history announced for a code. Called only if there is such a subject.
    fn settled(&mut self, _history: &History, _now: Timestamp, _found: &mut Found) {}

    /// The next instant at which time alone may break it, beyond the instants that the history announces. Asked only of those whose interests hold
    /// [`Interests::DEADLINE`].
    fn deadline(&self) -> Option<Timestamp> {
        None
    }

    /// That instant has come.
    fn at_deadline(&mut self, _history: &History, _now: Timestamp, _found: &mut Found) {}

    /// Evaluates its predicate for every subject there is: slow, and must find nothing that the quick way did not.
    fn full(&self, _history: &History, _now: Timestamp, _found: &mut Found) {}
}

/// Whether a violation is a bug with a finite trace, or the lack of something within a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It must never happen.
    Safety,
    /// It must happen in time.
    Liveness,
    /// The controller broke the rules of the boundary.
    Contract,
    /// A bug of the harness itself.
    Harness,
}

impl Class {
    /// The verdict on a run that broke such a rule.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Safety => Verdict::Safety,
            Self::Liveness => Verdict::Liveness,
            Self::Contract => Verdict::Contract,
            Self::Harness => Verdict::Panic,
        }
    }
}

/// What an invariant speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The words say it.
pub enum Scope {
    Code,
    Device,
    Group,
    Workspace,
    World,
}

/// Where an invariant comes from; rules of the seed can't be waived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The wording of the seed.
    Seed,
    /// A documented behaviour of the platform or of a vendor.
    Docs,
    /// A rule of this project.
    Ours,
}

/// One invariant, as reports show it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its id.
    pub id: &'static str,
    /// What must hold, in one sentence.
    pub statement: &'static str,
    /// What kind of failure its violation is.
    pub class: Class,
    /// What it speaks about.
    pub scope: Scope,
    /// Where it comes from.
    pub origin: Origin,
}

impl Row {
    /// The row of an invariant of the rule table.
    ///
    /// # Panics
    /// If the table has no such id; in a constant, when it is compiled.
    #[must_use]
    pub const fn of(id: &str) -> Self {
        let mut at = 0;
        while at < INVARIANTS.len() {
            let rule = &INVARIANTS[at];
            if is_same(rule.id, id) {
                let class = match rule.class {
                    rule::Class::Safety => Class::Safety,
                    rule::Class::Liveness => Class::Liveness,
                };
                let scope = match rule.scope {
                    rule::Scope::Code => Scope::Code,
                    rule::Scope::Device => Scope::Device,
                    rule::Scope::Group => Scope::Group,
                    rule::Scope::Workspace => Scope::Workspace,
                    rule::Scope::World => Scope::World,
                };
                let origin = match rule.origin {
                    rule::Origin::Seed => Origin::Seed,
                    rule::Origin::Docs => Origin::Docs,
                    rule::Origin::Ours => Origin::Ours,
                };
                return Self { id: rule.id, statement: rule.statement, class, scope, origin };
            }
            at += 1;
        }
        panic!("the rule table has no such invariant")
    }

    /// Whether a configuration may decline it.
    #[must_use]
    pub const fn is_waivable(&self) -> bool {
        match self.origin {
            Origin::Seed => false,
            Origin::Docs | Origin::Ours => !matches!(self.class, Class::Harness),
        }
    }
}

/// Whether two texts are the same, in a constant.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// One file of checkers.
struct Family {
    rows: &'static [Row],
    checkers: fn() -> Vec<Box<dyn Invariant>>,
}

/// All families; findings name ids in the order of the rule table, whatever the order here.
const FAMILIES: &[Family] = &[
    Family { rows: memory::ROWS, checkers: memory::checkers },
    Family { rows: window::ROWS, checkers: window::checkers },
    Family { rows: status::ROWS, checkers: status::checkers },
    Family { rows: transitions::ROWS, checkers: transitions::checkers },
    Family { rows: conduct::ROWS, checkers: conduct::checkers },
    Family { rows: causes::ROWS, checkers: causes::checkers },
    Family { rows: convergence::ROWS, checkers: convergence::checkers },
    Family { rows: progress::ROWS, checkers: progress::checkers },
    // The story carries the checks of the families that have none of their own.
    Family { rows: &[], checkers: story::checkers },
    Family { rows: problems::ROWS, checkers: Vec::new },
    Family { rows: events::ROWS, checkers: Vec::new },
    Family { rows: contract::ROWS, checkers: contract::checkers },
    Family { rows: backups::ROWS, checkers: Vec::new },
    Family { rows: pool::ROWS, checkers: pool::checkers },
    Family { rows: api::ROWS, checkers: Vec::new },
    Family { rows: offline::ROWS, checkers: offline::checkers },
    Family { rows: linked::ROWS, checkers: Vec::new },
    Family { rows: unmanaged::ROWS, checkers: unmanaged::checkers },
    Family { rows: bridge::ROWS, checkers: bridge::checkers },
    Family { rows: workspaces::ROWS, checkers: workspaces::checkers },
    Family { rows: harness::ROWS, checkers: harness::checkers },
];

/// Every invariant that is checked.
pub fn registry() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().flat_map(|family| family.rows)
}

/// The row of an id.
#[must_use]
pub fn row(id: &str) -> Option<&'static Row> {
    registry().find(|row| row.id == id)
}

/// The place of an id in the order in which findings name them: that of the rule table; the harness's own come last.
#[must_use]
pub fn rank(id: &str) -> usize {
    INVARIANTS.iter().position(|rule| rule.id == id).unwrap_or(INVARIANTS.len())
}

/// A fresh checker of every invariant that `waivers` leaves in force.
#[must_use]
pub fn checkers(waivers: &[String]) -> Vec<Box<dyn Invariant>> {
    let is_waived = |id: &&str| waivers.iter().any(|waiver| waiver == id) && row(id).is_some_and(Row::is_waivable);
    let all = FAMILIES.iter().flat_map(|family| (family.checkers)());
    all.filter(|checker| !checker.ids().iter().all(is_waived)).collect()
}

/// A checker of a predicate that holds, or not, of each code at each settled instant.
pub(crate) struct OfCode {
    ids: &'static [&'static str],
    check: fn(&History, CodeIx, Timestamp, &mut Found),
}

impl OfCode {
    /// A checker that evaluates `check`.
    pub(crate) fn boxed(ids: &'static [&'static str], check: fn(&History, CodeIx, Timestamp, &mut Found)) -> Box<dyn Invariant> {
        Box::new(Self { ids, check })
    }
}

impl Invariant for OfCode {
    fn ids(&self) -> &'static [&'static str] {
        self.ids
    }

    fn interests(&self) -> Interests {
        Interests::NONE
    }

    fn settled(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        for code in history.touched_codes() {
            (self.check)(history, *code, now, found);
        }
    }

    fn full(&self, history: &History, now: Timestamp, found: &mut Found) {
        for (code, _) in history.codes() {
            (self.check)(history, code, now, found);
        }
    }
}

/// What checkers report to.
#[derive(Debug, Default)]
pub struct Found {
    armed: BTreeMap<&'static str, u64>,
    violations: Vec<(Violation, &'static str)>,
    waived: BTreeSet<String>,
    is_past_safety: bool,
    is_recounting: bool,
    now: Timestamp,
}

impl Found {
    /// A sink that drops what is reported of waived ids.
    #[must_use]
    pub fn new(waivers: &[String]) -> Self {
        let waived = waivers.iter().filter(|id| row(id).is_some_and(Row::is_waivable)).cloned().collect();
        Self { waived, ..Self::default() }
    }

    /// Counts a true premise of this invariant. Nothing counts once the heal phase has begun.
    pub fn armed(&mut self, id: &'static str) {
        if !self.is_past_safety && !self.is_recounting {
            *self.armed.entry(id).or_default() += 1;
        }
    }

    /// Counts a true premise of an invariant that is judged at the end of a run only.
    pub fn counted(&mut self, id: &'static str) {
        *self.armed.entry(id).or_default() += 1;
    }

    /// Reports a violation: what was seen and expected, and the roles of those involved. One of an id is kept.
    pub fn broken(&mut self, id: &'static str, what: String, roles: String) {
        self.push(id, what, roles, "");
    }

    /// Reports a violation by a code: its role and its last change of status are added.
    pub fn broken_by(&mut self, id: &'static str, history: &History, code: CodeIx, what: impl std::fmt::Display) {
        let what = format!("{}: {what}", history.code_name(code));
        self.push(id, what, history.role(code), history.code(code).last_transition());
    }

    fn push(&mut self, id: &'static str, what: String, roles: String, transition: &'static str) {
        let is_known = self.violations.iter().any(|(violation, _)| violation.id == id);
        if !is_known && !self.waived.contains(id) {
            self.violations.push((Violation { id: id.to_owned(), at: self.now, what, roles }, transition));
        }
    }

    /// True premises of each invariant before the heal phase.
    #[must_use]
    pub fn premises(&self) -> &BTreeMap<&'static str, u64> {
        &self.armed
    }

    /// Violations so far, each with the last change of status of the code it is about.
    #[must_use]
    pub fn violations(&self) -> &[(Violation, &'static str)] {
        &self.violations
    }

    pub(crate) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// While everything is evaluated once more no premise counts.
    pub(crate) fn set_recounting(&mut self, is_recounting: bool) {
        self.is_recounting = is_recounting;
    }

    pub(crate) fn leave_safety(&mut self) {
        self.is_past_safety = true;
    }
}

/// Kinds of occurrence, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interests(u32);

macro_rules! interests {
    ($($name:ident = $bit:literal, $pattern:pat,)*) => {
        #[allow(missing_docs)] // One for each variant of Occurrence.
        impl Interests {
            $(pub const $name: Self = Self(1 << $bit);)*

            /// The kind of an occurrence.
            #[must_use]
            pub const fn of(occurrence: &Occurrence) -> Self {
                match occurrence { $($pattern => Self::$name,)* }
            }
        }
    };
}

interests! {
    STARTED = 0, Occurrence::Started { .. },
    CRASHED = 1, Occurrence::Crashed,
    STEP_BEGAN = 2, Occurrence::StepBegan,
    CALLED = 3, Occurrence::Called { .. },
    CALL_LOST = 4, Occurrence::CallLost { .. },
    ANSWERED = 5, Occurrence::Answered { .. },
    NOTICED = 6, Occurrence::Noticed { .. },
    WOKEN = 7, Occurrence::Woken,
    REPLIED = 8, Occurrence::Replied { .. },
    BOUND = 9, Occurrence::Bound { .. },
    NO_TARGET = 10, Occurrence::NoTarget { .. },
    COMMANDED = 11, Occurrence::Commanded { .. },
    EMITTED = 12, Occurrence::Emitted(_),
    SAVED = 13, Occurrence::Saved,
    RECORDED = 14, Occurrence::Recorded { .. },
    DEVICE_RECORDED = 15, Occurrence::DeviceRecorded { .. },
    UNANNOUNCED = 16, Occurrence::Unannounced { .. },
    STEP_ENDED = 17, Occurrence::StepEnded,
    TRUTH = 18, Occurrence::Truth { .. },
    DISTURBED = 19, Occurrence::Disturbed { .. },
    FAULTS = 20, Occurrence::Faults { .. },
    REACH = 21, Occurrence::Reach { .. },
    ENTERED = 22, Occurrence::Entered { .. },
    PHASE = 23, Occurrence::Phase(_),
    CLAIMED = 24, Occurrence::Claimed { .. },
    SLOWED = 25, Occurrence::Slowed { .. },
    UNSENT = 26, Occurrence::Unsent { .. },
    WAKE_DUE = 27, Occurrence::WakeDue,
}

impl Interests {
    /// No occurrence, but the checker's own deadlines.
    pub const DEADLINE: Self = Self(1 << Self::COUNT);
    /// No kind at all.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self((1 << Self::COUNT) - 1);
    /// How many kinds there are.
    pub const COUNT: usize = 28;

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all kinds of `other` are in the set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The kind with this number.
    #[must_use]
    pub const fn numbered(number: usize) -> Self {
        Self(1 << number)
    }

    /// The number of a single kind.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0.trailing_zeros() as usize
    }
}
