//! What a big sweep must have met, so that finding nothing means something: every checker's premise, every trouble that plans are drawn with.

use std::collections::BTreeMap;

use keyway_core::world::quirk::{Quirk, QuirkSort};

use crate::generate::of_other_vendors;
use crate::invariant::{Class, registry};
use crate::sweep::Hits;

/// A sweep of so many seeds that misses a required mark is vacuous.
pub const REQUIRED_FROM: u64 = 20_000;
/// The invariant that a sweep checks itself, by comparison.
pub const DETERMINISM: &str = "I-DET-01";
/// Checkers whose premise no drawn plan makes true, for want of the vendors or the operations that they speak of; the stories must.
pub const OF_STORIES: &[&str] =
    &["I-WIN-06", "I-WIN-07", "I-WIN-08", "I-STA-13", "I-API-04", "I-LNK-01", "I-LNK-02", "I-LNK-03", "I-LNK-04", "I-UNM-03", "I-LIV-09"];
/// The controller died.
const CRASH: &str = "crash";

/// The ids of the checkers that a sweep must arm.
#[must_use]
pub fn checkers() -> Vec<&'static str> {
    let of_controllers = registry().filter(|row| !matches!(row.class, Class::Harness)).map(|row| row.id);
    of_controllers.filter(|id| *id != DETERMINISM && !OF_STORIES.contains(id)).chain([DETERMINISM]).collect()
}

/// All marks that a big sweep must hit, checkers first. What a lock is born with is no event, so it leaves no mark.
#[must_use]
pub fn required() -> Vec<&'static str> {
    let is_met = |quirk: &&Quirk| quirk.sort() != QuirkSort::Standing && !of_other_vendors(**quirk);
    let troubles = Quirk::ALL.iter().filter(is_met).map(|quirk| quirk.name());
    checkers().into_iter().chain([CRASH]).chain(troubles).collect()
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
