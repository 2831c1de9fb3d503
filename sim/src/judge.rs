//! The judge: watches the stream of occurrences, keeps the history, and asks every checker whether it is broken.
//!
//! It reads nothing but the stream and the run's [`Facts`]: neither the controller's private state nor the world's.

use std::collections::BTreeMap;

use keyway_core::time::Timestamp;

use crate::history::History;
use crate::invariant::{self, Found, Interests, Invariant};
use crate::occurrence::{Facts, Occurrence, Phase};
use crate::verdict::{Finding, Verdict, Violation};

#[cfg(test)]
pub(crate) mod testing;

/// Watches one run.
pub struct Judge {
    history: History,
    checkers: Vec<Box<dyn Invariant>>,
    /// For each kind of occurrence, the checkers that want it.
    interested: [Vec<u16>; Interests::COUNT],
    /// Those with deadlines of their own.
    timed: Vec<u16>,
    found: Found,
    /// Whether the first violating step is over: nothing counts after it.
    is_decided: bool,
}

impl Judge {
    /// A judge who has seen nothing yet.
    #[must_use]
    pub fn new(facts: Facts) -> Self {
        let checkers = invariant::checkers(&facts.config.waivers);
        let found = Found::new(&facts.config.waivers);
        Self::with_checkers(facts, checkers, found)
    }

    fn with_checkers(facts: Facts, checkers: Vec<Box<dyn Invariant>>, found: Found) -> Self {
        let mut interested: [Vec<u16>; Interests::COUNT] = Default::default();
        for (kind, list) in interested.iter_mut().enumerate() {
            let wants = |checker: &dyn Invariant| checker.interests().contains(Interests::numbered(kind));
            list.extend((0_u16..).zip(&checkers).filter(|(_, checker)| wants(checker.as_ref())).map(|(at, _)| at));
        }
        let has_deadlines = |checker: &dyn Invariant| checker.interests().contains(Interests::DEADLINE);
        let timed = (0_u16..).zip(&checkers).filter(|(_, checker)| has_deadlines(checker.as_ref())).map(|(at, _)| at).collect();
        Self { history: History::new(facts), checkers, interested, timed, found, is_decided: false }
    }

    /// Takes in the next occurrence.
    pub fn observe(&mut self, now: Timestamp, occurrence: &Occurrence) {
        if self.is_decided {
            return;
        }
        if !self.history.is_in_step() && occurrence.ends_a_reading() {
            self.settle(self.history.now());
        }
        self.found.set_now(now);
        if let Occurrence::Phase(Phase::Heal | Phase::End) = occurrence {
            self.found.leave_safety();
        }
        self.history.observe(now, occurrence);
        for at in &self.interested[Interests::of(occurrence).number()] {
            self.checkers[usize::from(*at)].observe(&self.history, now, occurrence, &mut self.found);
        }
        if !self.history.is_in_step() && (occurrence.ends_a_reading() || matches!(occurrence, Occurrence::StepEnded)) {
            self.settle(now);
        }
        if matches!(occurrence, Occurrence::Phase(Phase::End)) {
            self.check_fully(now);
        }
    }

    /// Whether the first violating step is over.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.is_decided
    }

    /// The next instant at which time alone may break something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.is_decided {
            return None;
        }
        let own = self.timed.iter().filter_map(|at| self.checkers[usize::from(*at)].deadline()).min();
        [own, self.history.next_edge()].into_iter().flatten().min()
    }

    /// That instant has come. It may be called at any instant outside a step.
    pub fn deadline(&mut self, now: Timestamp) {
        if self.is_decided {
            return;
        }
        self.settle(self.history.now());
        self.found.set_now(now);
        self.history.advance(now);
        self.settle(now);
        for at in &self.timed {
            let checker = &mut self.checkers[usize::from(*at)];
            if checker.deadline().is_some_and(|deadline| deadline <= now) {
                checker.at_deadline(&self.history, now, &mut self.found);
            }
        }
        self.decide();
    }

    /// Evaluates every state predicate for every subject; must find nothing new.
    pub fn check_fully(&mut self, now: Timestamp) {
        if self.is_decided || self.history.is_in_step() {
            return;
        }
        self.settle(self.history.now());
        self.found.set_now(now);
        self.history.advance(now);
        self.settle(now);
        self.found.set_recounting(true);
        for checker in &self.checkers {
            checker.full(&self.history, now, &mut self.found);
        }
        self.found.set_recounting(false);
        self.decide();
    }

    /// All that the first violating step broke, in the registry's order.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let mut broken: Vec<(usize, Verdict, &Violation, &str)> = Vec::new();
        for (violation, transition) in self.found.violations() {
            let row = invariant::row(&violation.id).expect("every id that a checker reports has a row");
            let verdict = row.class.verdict();
            broken.push((invariant::rank(&violation.id), verdict, violation, *transition));
        }
        broken.sort_by_key(|(at, ..)| *at);
        let (_, _, first, transition) = broken.first()?;
        let verdict = broken.iter().map(|(_, verdict, ..)| *verdict).max()?;
        let fingerprint = format!("{verdict}|{}|{}|{transition}", first.id, first.roles);
        let violations = broken.iter().map(|(_, _, violation, _)| (*violation).clone()).collect();
        Some(Finding { verdict, violations, fingerprint })
    }

    /// Whether no bound runs, and everything is where it shall be and will stay there.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.next_deadline().is_none() && self.history.is_up() && crate::bounds::is_at_rest(&self.history)
    }

    /// How long after the last trouble a correct controller may take until all has converged: `B_CONV` as things stand, of the slowest lock.
    #[must_use]
    pub fn convergence_ms(&self) -> i64 {
        crate::bounds::convergence_ms(&self.history)
    }

    /// How often each invariant's premise was true before the heal phase; an invariant that was never armed is named with 0.
    #[must_use]
    pub fn armed(&self) -> BTreeMap<&'static str, u64> {
        let none = self.checkers.iter().flat_map(|checker| checker.ids()).map(|id| (*id, 0));
        none.chain(self.found.premises().iter().map(|(id, count)| (*id, *count))).collect()
    }

    /// The shadow of the run.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Asks every checker about what was touched since it was last asked.
    fn settle(&mut self, now: Timestamp) {
        if self.history.has_touched() {
            self.history.prepare();
            for checker in &mut self.checkers {
                checker.settled(&self.history, now, &mut self.found);
            }
            self.history.settle();
        }
        self.decide();
    }

    fn decide(&mut self) {
        self.is_decided = !self.found.violations().is_empty();
    }
}

impl Occurrence {
    /// Whether views that were read outside a step (after a restart) are complete when this occurs.
    const fn ends_a_reading(&self) -> bool {
        match self {
            Self::Started { .. } | Self::Recorded { .. } | Self::DeviceRecorded { .. } | Self::Unannounced { .. } => false,
            Self::Bound { .. } | Self::Emitted(_) | Self::Saved | Self::StepEnded => false,
            Self::WakeDue | Self::Called { .. } | Self::Answered { .. } | Self::Noticed { .. } | Self::Woken | Self::Replied { .. } => {
                false
            }
            Self::Commanded { .. } | Self::Unsent { .. } | Self::Claimed { .. } => false,
            Self::Crashed | Self::StepBegan | Self::CallLost { .. } | Self::NoTarget { .. } => true,
            Self::Truth { .. } | Self::Disturbed { .. } | Self::Faults { .. } | Self::Reach { .. } => true,
            Self::Slowed { .. } | Self::Entered { .. } | Self::Phase(_) => true,
        }
    }
}
