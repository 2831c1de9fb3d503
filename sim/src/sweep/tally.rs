//! What a part of the seeds came to, in a form that adds up: joining parts gives the same in any order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::run::Figures;
use crate::verdict::{Finding, Verdict, Violation};

/// One of several interleaved shares of the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Which one, from 1.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Share {
    /// All seeds.
    pub const ALL: Self = Self { index: 1, of: 1 };

    /// The seed with this number in the share; none: the share has no more.
    #[must_use]
    pub fn seed(self, seeds: &Range<u64>, nth: u64) -> Option<u64> {
        let at = nth.checked_mul(self.of)?.checked_add(self.index - 1)?;
        seeds.start.checked_add(at).filter(|seed| *seed < seeds.end)
    }

    /// How many seeds it has.
    #[must_use]
    pub fn size(self, seeds: &Range<u64>) -> u64 {
        (seeds.end - seeds.start).saturating_sub(self.index - 1).div_ceil(self.of)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().ok();
        let share = text.split_once('/').and_then(|(index, of)| Some(Self { index: number(index)?, of: number(of)? }));
        share.filter(|share| (1..=share.of).contains(&share.index)).ok_or_else(|| "expected a share such as 1/3, counted from 1".to_owned())
    }
}

/// How often a mark was hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hits {
    /// Seeds that hit it.
    pub seeds: u64,
    /// Times in all.
    pub times: u64,
}

impl Hits {
    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.times += other.times;
    }
}

/// All findings of one fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What they have in common.
    pub fingerprint: String,
    /// Seeds that failed so.
    pub count: u64,
    /// The lowest of them.
    pub first_seed: u64,
    /// Its verdict.
    pub verdict: Verdict,
    /// What its first violating step broke.
    pub violations: Vec<Violation>,
}

impl Group {
    /// The group of a single finding.
    #[must_use]
    pub fn of(seed: u64, finding: Finding) -> Self {
        let Finding { verdict, violations, fingerprint } = finding;
        Self { fingerprint, count: 1, first_seed: seed, verdict, violations }
    }

    /// The ids of what was broken, each once.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for violation in &self.violations {
            if !ids.contains(&violation.id.as_str()) {
                ids.push(&violation.id);
            }
        }
        ids
    }

    fn joined(self, other: Self) -> Self {
        let count = self.count + other.count;
        let first = if other.first_seed < self.first_seed { other } else { self };
        Self { count, ..first }
    }
}

/// Counts by value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(BTreeMap<u64, u64>);

impl Histogram {
    /// Counts a value once more.
    pub fn add(&mut self, value: u64) {
        *self.0.entry(value).or_default() += 1;
    }

    fn join(&mut self, other: Self) {
        for (value, count) in other.0 {
            *self.0.entry(value).or_default() += count;
        }
    }

    /// The lower median; 0 of nothing.
    #[must_use]
    pub fn median(&self) -> u64 {
        let half = self.0.values().sum::<u64>().div_ceil(2);
        let mut below = 0;
        let reaches_half = |(_, count): &(&u64, &u64)| {
            below += **count;
            below >= half
        };
        self.0.iter().find(reaches_half).map_or(0, |(value, _)| *value)
    }
}

/// What a part of the seeds came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Seeds that were run.
    pub ran: u64,
    /// Findings by fingerprint.
    pub groups: BTreeMap<String, Group>,
    /// Premises of invariants, quirks, and whatever else runs mark.
    pub marks: BTreeMap<String, Hits>,
    /// Productive events of a seed.
    pub productive: Histogram,
    /// Faults and noise that fired in a seed.
    pub fired: Histogram,
    /// Seeds in which the controller died inside a step.
    pub crashed_inside: u64,
    /// Seeds that were run twice.
    pub compared: u64,
}

impl Tally {
    /// Counts what a run says of itself, whatever was found in it.
    pub fn add_run(&mut self, marks: &BTreeMap<&'static str, u64>, figures: Figures) {
        for (mark, times) in marks {
            self.mark(mark, *times);
        }
        self.productive.add(figures.productive);
        self.fired.add(figures.fired);
        self.crashed_inside += u64::from(figures.crashes_inside > 0);
    }

    /// A mark was hit so many times in one seed.
    pub fn mark(&mut self, mark: &str, times: u64) {
        if times == 0 {
            return;
        }
        let hits = Hits { seeds: 1, times };
        match self.marks.get_mut(mark) {
            Some(known) => known.add(hits),
            None => drop(self.marks.insert(mark.to_owned(), hits)),
        }
    }

    /// Adds findings of one fingerprint.
    pub fn add_group(&mut self, group: Group) {
        let joined = match self.groups.remove(&group.fingerprint) {
            Some(known) => known.joined(group),
            None => group,
        };
        self.groups.insert(joined.fingerprint.clone(), joined);
    }

    /// This part and another one.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.ran += other.ran;
        for group in other.groups.into_values() {
            self.add_group(group);
        }
        for (mark, hits) in other.marks {
            self.marks.entry(mark).or_default().add(hits);
        }
        self.productive.join(other.productive);
        self.fired.join(other.fired);
        self.crashed_inside += other.crashed_inside;
        self.compared += other.compared;
        self
    }

    /// How many seeds failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_interleaved_and_complete() {
        let seeds = 10..21;
        let of = |index| {
            let share = Share { index, of: 3 };
            let list: Vec<u64> = (0..).map_while(|nth| share.seed(&seeds, nth)).collect();
            assert_eq!(list.len() as u64, share.size(&seeds));
            list
        };
        assert_eq!([of(1), of(2), of(3)], [vec![10, 13, 16, 19], vec![11, 14, 17, 20], vec![12, 15, 18]]);
        assert_eq!(Share::ALL.size(&seeds), 11);
        assert_eq!("2/3".parse(), Ok(Share { index: 2, of: 3 }));
        assert!(["", "3", "0/3", "4/3", "1/0", "a/b"].iter().all(|wrong| wrong.parse::<Share>().is_err()));
        let last = Share { index: 2, of: u64::MAX };
        assert_eq!((last.seed(&(0..9), 0), last.seed(&(0..9), 1), last.size(&(0..9))), (Some(1), None, 1));
    }

    #[test]
    fn medians_are_lower_medians() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.median(), 0);
        for value in [5, 1, 9, 7] {
            histogram.add(value);
        }
        assert_eq!(histogram.median(), 5);
        histogram.add(9);
        assert_eq!(histogram.median(), 7);
    }
}
