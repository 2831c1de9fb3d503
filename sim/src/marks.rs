//! What a big sweep must have met, so that finding nothing means something: every checker's premise, every trouble that plans are drawn with.

use std::collections::BTreeMap;

use keyway_core::event::EventType;
use keyway_core::world::quirk::{Quirk, QuirkSort};

use crate::generate::of_other_vendors;
use crate::invariant::{Class, registry};
use crate::sweep::Hits;

/// A sweep of so many seeds that misses a required mark is vacuous (`I-COV-01`).
pub const REQUIRED_FROM: u64 = 20_000;
/// The invariants that a sweep checks itself, by comparison.
pub const DETERMINISM: &str = "I-DET-01";
/// The same in other surroundings.
pub const SURROUNDINGS: &str = "I-DET-02";
/// The invariant that a sweep checks itself, at its end: a big one in which something required was not met is vacuous.
pub const NON_VACUITY: &str = "I-COV-01";
/// Checkers whose premise no drawn plan makes true, for want of the vendors or the operations that they speak of; the stories must.
pub const OF_STORIES: &[&str] = &[
    "I-WIN-06", "I-WIN-07", "I-WIN-08", "I-STA-13", "I-API-04", "I-LNK-01", "I-LNK-02", "I-LNK-03", "I-LNK-04", "I-UNM-03", "I-LIV-09",
    "I-DEV-08", "I-WS-01", "I-WS-02",
];
/// Events of conversions, which no drawn plan asks for: likewise.
const TOLD_IN_STORIES: &[EventType] = &[EventType::UnmanagedConvertedToManaged, EventType::UnmanagedFailedToConvertToManaged];
/// Changes of status that drawn plans come to.
const CHANGES: &[&str] = &[
    "none>set",
    "none>setting",
    "none>unset",
    "removing>none",
    "removing>unknown",
    "removing>unset",
    "set>none",
    "set>removing",
    "set>setting",
    "set>unknown",
    "set>unset",
    "setting>none",
    "setting>removing",
    "setting>set",
    "setting>unknown",
    "setting>unset",
    "unknown>none",
    "unknown>removing",
    "unknown>set",
    "unknown>setting",
    "unknown>unset",
    "unset>none",
    "unset>removing",
    "unset>set",
    "unset>setting",
    "unset>unknown",
];
/// The controller died.
const CRASH: &str = "crash";

/// The ids of the checkers that a sweep must arm.
#[must_use]
pub fn checkers() -> Vec<&'static str> {
    let of_controllers = registry().filter(|row| !matches!(row.class, Class::Harness)).map(|row| row.id);
    of_controllers.filter(|id| !OF_STORIES.contains(id)).chain([DETERMINISM, SURROUNDINGS]).collect()
}

/// All marks that a big sweep must hit, checkers first (`I-COV-01`). What a lock is born with is no event, so it leaves no mark. Seeds draw few vendors and not every call:
/// that each problem, each quirk and each row of the transition table is met belongs to the stories, and `keyway coverage` counts it.
#[must_use]
pub fn required() -> Vec<&'static str> {
    let is_met = |quirk: &&Quirk| quirk.sort() != QuirkSort::Standing && !of_other_vendors(**quirk);
    let troubles = Quirk::ALL.iter().filter(is_met).map(|quirk| quirk.name());
    let events = EventType::ALL.iter().filter(|event| !TOLD_IN_STORIES.contains(event)).map(|event| event.name());
    checkers().into_iter().chain([CRASH]).chain(troubles).chain(events).chain(CHANGES.iter().copied()).collect()
}

/// Those of them that were not hit.
#[must_use]
pub fn missing(marks: &BTreeMap<String, Hits>) -> Vec<&'static str> {
    required().into_iter().filter(|mark| marks.get(*mark).is_none_or(|hits| hits.seeds == 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_required_once_and_missed_until_it_is_hit() {
        let mut names = required();
        assert_eq!(missing(&BTreeMap::new()), names);
        let hit = (names[0].to_owned(), Hits { seeds: 1, times: 1 });
        assert!(!missing(&BTreeMap::from([hit])).contains(&names[0]));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), required().len());
    }
}
