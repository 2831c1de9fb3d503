//! When a checker wants to look at a lock again although nothing happens to it.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::time::Timestamp;

use crate::history::History;
use crate::occurrence::Lock;

/// One instant a lock, the earliest that was asked for.
#[derive(Debug, Default)]
pub struct Alarms {
    at: BTreeMap<Lock, Timestamp>,
    order: BTreeSet<(Timestamp, Lock)>,
}

impl Alarms {
    /// Whether `until` is over. If it is not, the alarm of the lock rings as soon as it is.
    pub fn is_over(&mut self, lock: Lock, until: Timestamp, now: Timestamp) -> bool {
        if now <= until {
            self.set(lock, until + 1);
        }
        now > until
    }

    /// Rings at that instant, or earlier if that was asked for.
    pub fn set(&mut self, lock: Lock, at: Timestamp) {
        if self.at.get(&lock).is_some_and(|earlier| *earlier <= at) {
            return;
        }
        self.silence(lock);
        self.at.insert(lock, at);
        self.order.insert((at, lock));
    }

    /// The lock is looked at now.
    pub fn silence(&mut self, lock: Lock) {
        if let Some(at) = self.at.remove(&lock) {
            self.order.remove(&(at, lock));
        }
    }

    /// When the next one rings.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The locks whose alarms ring by `now`, in their order; each must be set anew.
    pub fn ring(&mut self, now: Timestamp) -> BTreeSet<Lock> {
        let mut ringing = BTreeSet::new();
        while let Some((_, lock)) = self.order.first().copied().filter(|(at, _)| *at <= now) {
            self.silence(lock);
            ringing.insert(lock);
        }
        ringing
    }
}

/// The locks that were touched, or on which a code was.
#[must_use]
pub fn touched(history: &History) -> BTreeSet<Lock> {
    let of_codes = history.touched_codes().iter().filter_map(|code| history.code(*code).lock);
    of_codes.chain(history.touched_locks().iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lock_rings_once_at_the_earliest_instant_that_was_asked_for() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.next(), None);
        alarms.set(Lock(2), Timestamp(50));
        alarms.set(Lock(1), Timestamp(30));
        alarms.set(Lock(1), Timestamp(70));
        alarms.set(Lock(2), Timestamp(40));
        assert_eq!(alarms.next(), Some(Timestamp(30)));
        assert!(alarms.ring(Timestamp(29)).is_empty());
        assert_eq!(alarms.ring(Timestamp(40)), BTreeSet::from([Lock(1), Lock(2)]));
        assert_eq!(alarms.next(), None);
    }

    #[test]
    fn a_time_that_is_not_over_rings_just_after_it() {
        let mut alarms = Alarms::default();
        assert!(alarms.is_over(Lock(0), Timestamp(9), Timestamp(10)) && alarms.next().is_none());
        assert!(!alarms.is_over(Lock(0), Timestamp(10), Timestamp(10)));
        assert_eq!(alarms.next(), Some(Timestamp(11)));
        alarms.silence(Lock(0));
        assert_eq!(alarms.next(), None);
    }
}
