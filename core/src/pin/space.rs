//! The valid PINs of one length as a numbered list that is never written out, and the choice of a free one.
//!
//! Every set of constraints is a small automaton that reads digits from first to last. How many ways lead from
//! each of its states to a valid PIN is counted once; from these counts come the number of a PIN in the ordered
//! list of the valid ones (rank), the PIN with a given number (select), and so the k-th *free* PIN in one binary
//! search over what is used: no retry, no bitmap, and the same time at any fill.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Constraint, PIN_LENGTH_MAX, Pin, PinEquality};
use crate::draw::below;

/// The valid PINs of one length under a set of constraints, in ascending order. Built once for a kind of lock; at worst a few thousand states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinSpace {
    length: u8,
    /// The states layer by layer, by how many digits were read; the first is the start.
    states: Vec<State>,
}

/// What may follow after some digits. `ways` counts the valid PINs that go on from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    ways: u64,
    /// How many of them go on with a digit less than each.
    ways_below: [u64; 10],
    /// Where each digit leads; 0, the start, to which nothing leads, stands for a digit that ends in no valid PIN.
    next: [u32; 10],
}

impl PinSpace {
    /// The PINs of `length` digits that all of `constraints` admit; constraints that admit every PIN change nothing.
    ///
    /// # Panics
    /// If `length` is not 1 to 19.
    #[must_use]
    pub fn new(length: u8, constraints: &[Constraint]) -> Self {
        assert!((1..=PIN_LENGTH_MAX).contains(&length), "a PIN has 1 to {PIN_LENGTH_MAX} digits, not {length}");
        let rules = Rules::of(constraints);
        let mut states = vec![State::default()];
        let mut layer = BTreeMap::from([(Seen::default(), 0_u32)]);
        for position in 0..length {
            let mut following = BTreeMap::new();
            for (seen, at) in layer {
                for digit in 0..10 {
                    let Some(then) = rules.read(seen, position, length, digit) else { continue };
                    let to = *following.entry(then).or_insert_with(|| {
                        states.push(State::default());
                        states.len() as u32 - 1
                    });
                    states[at as usize].next[usize::from(digit)] = to;
                }
            }
            layer = following;
        }
        for (_, at) in layer {
            states[at as usize].ways = 1;
        }
        // Every state stands before those it leads to, so that one pass from the end counts all.
        for at in (0..states.len()).rev() {
            for digit in 0..10 {
                let to = states[at].next[digit];
                let ways = if to == 0 { 0 } else { states[to as usize].ways };
                let state = &mut states[at];
                state.ways_below[digit] = state.ways;
                state.ways += ways;
                if ways == 0 {
                    state.next[digit] = 0;
                }
            }
        }
        Self { length, states }
    }

    /// Digits of each PIN, 1 to 19.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }

    /// How many PINs are valid, 0 to 10^19.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.states[0].ways
    }

    /// How many valid PINs are less than this one; none if it is not valid itself.
    #[must_use]
    pub fn rank(&self, pin: Pin) -> Option<u64> {
        if pin.length() != self.length {
            return None;
        }
        let ranks = self.prefix_ranks(pin)?;
        Some(ranks.start)
    }

    /// The valid PIN with this rank; none from [`count`](Self::count) on.
    #[must_use]
    pub fn select(&self, rank: u64) -> Option<Pin> {
        if rank >= self.count() {
            return None;
        }
        let (mut at, mut rank, mut value) = (0, rank, 0);
        for _ in 0..self.length {
            let state = &self.states[at as usize];
            // A digit that leads nowhere has as many ways below it as the next one, which is then chosen. Of the comparisons only the first is
            // waited for: a third of the time of nine at once, half of that of a binary search.
            let half = if state.ways_below[5] <= rank { 5 } else { 0 };
            let digit = half + state.ways_below[half + 1..half + 5].iter().filter(|ways| **ways <= rank).count();
            rank -= state.ways_below[digit];
            at = state.next[digit];
            value = value * 10 + digit as u64;
        }
        Pin::new(self.length, value)
    }

    /// The ranks of the valid PINs that are equal to `pin`, which need not be valid itself; none if there are no such.
    #[must_use]
    pub fn equal_ranks(&self, pin: Pin, equality: PinEquality) -> Option<Range<u64>> {
        let compared = equality.compared(pin);
        if compared.length() == equality.compared_digits(self.length) { self.prefix_ranks(compared) } else { None }
    }

    /// The ranks of the valid PINs that begin with these digits, at most `length` of them; none if there are no such.
    fn prefix_ranks(&self, prefix: Pin) -> Option<Range<u64>> {
        let (mut at, mut rank) = (0, 0);
        for digit in prefix.digits() {
            let state = &self.states[at as usize];
            rank += state.ways_below[usize::from(digit)];
            at = state.next[usize::from(digit)];
            if at == 0 {
                return None;
            }
        }
        Some(rank..rank + self.states[at as usize].ways)
    }
}

/// Used PINs as seen from a [`PinSpace`]: the runs of used ranks. Memory grows with the used PINs, and shrinks again as they meet.
///
/// It is a set: a PIN that is used twice is freed by one [`remove`](Self::remove). Where that can happen, collect it afresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedPins {
    /// In order, with free ranks between any two.
    runs: Vec<Range<u64>>,
    /// For each run, how many ranks before it are free.
    free_before: Vec<u64>,
}

impl UsedPins {
    /// None used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `pins` make unusable in `space`. PINs of other lengths or breaking constraints may be among them.
    pub fn collect(space: &PinSpace, equality: PinEquality, pins: impl IntoIterator<Item = Pin>) -> Self {
        let mut ranges: Vec<_> = pins.into_iter().filter_map(|pin| space.equal_ranks(pin, equality)).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, run| {
            let meet = run.end >= next.start;
            if meet {
                run.end = next.end;
            }
            meet
        });
        let mut used = Self { runs: ranges, free_before: Vec::new() };
        used.recount(0);
        used
    }

    /// Marks the PINs equal to `pin` as used. False, and nothing changes, if they are or if `space` has none.
    ///
    /// `space` and `equality` must be those of all other calls.
    pub fn insert(&mut self, space: &PinSpace, equality: PinEquality, pin: Pin) -> bool {
        let Some(ranks) = space.equal_ranks(pin, equality) else { return false };
        let from = self.runs.partition_point(|run| run.end < ranks.start);
        let to = self.runs.partition_point(|run| run.start <= ranks.end);
        let beside = &self.runs[from..to];
        if beside.iter().any(|run| run.contains(&ranks.start)) {
            return false;
        }
        let run = beside.iter().fold(ranks, |run, other| run.start.min(other.start)..run.end.max(other.end));
        self.runs.splice(from..to, [run]);
        self.recount(from);
        true
    }

    /// Marks the PINs equal to `pin` as free. False, and nothing changes, if they are or if `space` has none.
    ///
    /// `space` and `equality` must be those of all other calls.
    pub fn remove(&mut self, space: &PinSpace, equality: PinEquality, pin: Pin) -> bool {
        let Some(ranks) = space.equal_ranks(pin, equality) else { return false };
        let at = self.runs.partition_point(|run| run.end <= ranks.start);
        let Some(run) = self.runs.get(at).filter(|run| run.contains(&ranks.start)).cloned() else { return false };
        let left = [run.start..ranks.start, ranks.end..run.end];
        self.runs.splice(at..=at, left.into_iter().filter(|run| !run.is_empty()));
        self.recount(at);
        true
    }

    /// How many valid PINs are used.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.used_through(self.runs.len())
    }

    /// The rank of the `nth` rank that is not used, counted from 0.
    fn nth_free(&self, nth: u64) -> u64 {
        nth + self.used_through(self.free_before.partition_point(|free| *free <= nth))
    }

    /// Used ranks in the first so many runs.
    fn used_through(&self, runs: usize) -> u64 {
        if runs == 0 { 0 } else { self.runs[runs - 1].end - self.free_before[runs - 1] }
    }

    /// Counts anew from a run on.
    fn recount(&mut self, at: usize) {
        self.free_before.truncate(at);
        let mut used_before = self.used_through(at);
        for run in &self.runs[at..] {
            self.free_before.push(run.start - used_before);
            used_before += run.end - run.start;
        }
    }
}

/// A valid PIN that is not used, each with the same chance; none only if no such PIN is left (lifecycle 5).
///
/// `used` must be of this `space`; `draw` is any 64 bits (`R-55`).
///
/// ```
/// use keyway_core::draw::mix;
/// use keyway_core::pin::{Constraint, PinEquality, PinSpace, UsedPins, choose_free_pin};
///
/// let space = PinSpace::new(2, &[Constraint::CannotContain0789]);
/// assert_eq!(space.count(), 36);
/// let mut used = UsedPins::new();
/// while let Some(pin) = choose_free_pin(&space, &used, mix(used.count())) {
///     assert!(used.insert(&space, PinEquality::Exact, pin)); // It was free.
/// }
/// assert_eq!(used.count(), 36);
/// ```
#[must_use]
pub fn choose_free_pin(space: &PinSpace, used: &UsedPins, draw: u64) -> Option<Pin> {
    let free = space.count() - used.count();
    if free == 0 { None } else { space.select(used.nth_free(below(draw, free))) }
}

/// The constraints in the form in which digits are checked against them.
#[derive(Clone, Copy, Default)]
struct Rules {
    forbidden: u16,
    not_12: bool,
    no_runs: bool,
    no_sequence: bool,
    no_all_same: bool,
    three_unique: bool,
    first_four_unique: bool,
}

/// What the rules must remember of the digits read so far; what they need not is left at its default, so that states coincide.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    last: Option<u8>,
    /// The step of the run that ends here, and its digits.
    run: Option<(i8, u8)>,
    /// The one step that led from each digit to the next.
    whole: Option<i8>,
    /// The different digits, up to two; from three on all ten.
    unique: u16,
    /// The digits among the first four.
    first_four: u16,
}

const ALL_DIGITS: u16 = 0x3FF;

impl Rules {
    fn of(constraints: &[Constraint]) -> Self {
        let mut rules = Self::default();
        for constraint in constraints {
            match constraint {
                Constraint::NoZeros => rules.forbidden |= 1,
                Constraint::CannotContain089 => rules.forbidden |= 1 | 1 << 8 | 1 << 9,
                Constraint::CannotContain0789 => rules.forbidden |= 1 | 1 << 7 | 1 << 8 | 1 << 9,
                Constraint::CannotStartWith12 => rules.not_12 = true,
                Constraint::NoTripleConsecutiveInts => rules.no_runs = true,
                Constraint::NoAscendingOrDescendingSequence => rules.no_sequence = true,
                Constraint::NoAllSameDigits => rules.no_all_same = true,
                Constraint::AtLeastThreeUniqueDigits => rules.three_unique = true,
                Constraint::UniqueFirstFourDigits => rules.first_four_unique = true,
                Constraint::CannotSpecifyPinCode | Constraint::PinCodeMatchesExistingSet => {}
                Constraint::StartDateInFuture | Constraint::NameLength { .. } | Constraint::NameMustBeUnique => {}
            }
        }
        rules
    }

    /// What is remembered after `digit` at `position` of `length`; none if no valid PIN has it there.
    fn read(self, seen: Seen, position: u8, length: u8, digit: u8) -> Option<Seen> {
        let bit = 1_u16 << digit;
        let is_12 = self.not_12 && position == 1 && seen.last == Some(1) && digit == 2;
        let repeats = self.first_four_unique && position < 4 && seen.first_four & bit != 0;
        if self.forbidden & bit != 0 || is_12 || repeats {
            return None;
        }
        let step = seen.last.map(|last| digit as i8 - last as i8).filter(|step| (-1..=1).contains(step));
        let run = match (step, seen.run) {
            (Some(step), Some((run, digits))) if run == step => Some((step, digits + 1)),
            (Some(step), _) => Some((step, 2)),
            (None, _) => None,
        };
        let run = run.filter(|_| self.no_runs);
        let whole = step.filter(|step| position == 1 || seen.whole == Some(*step));
        let whole = whole.filter(|step| if *step == 0 { self.no_all_same } else { self.no_sequence });
        let unique = match seen.unique | bit {
            _ if !self.three_unique => 0,
            unique if unique.count_ones() >= 3 => ALL_DIGITS,
            unique => unique,
        };
        if run.is_some_and(|(_, digits)| digits >= 4) {
            return None;
        }
        if position + 1 == length {
            let is_valid = whole.is_none() && (!self.three_unique || unique == ALL_DIGITS);
            return is_valid.then(Seen::default);
        }
        let may_become_whole = position == 0 && (self.no_sequence || self.no_all_same || self.not_12);
        let last = (self.no_runs || whole.is_some() || may_become_whole).then_some(digit);
        let first_four = if self.first_four_unique && position < 3 { seen.first_four | bit } else { 0 };
        Some(Seen { last, run, whole, unique, first_four })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::mix;
    use alloc::collections::BTreeSet;

    /// All that say something of a PIN, and two that do not.
    const CONSTRAINTS: [Constraint; 11] = [
        Constraint::NoZeros,
        Constraint::CannotStartWith12,
        Constraint::NoTripleConsecutiveInts,
        Constraint::NoAscendingOrDescendingSequence,
        Constraint::AtLeastThreeUniqueDigits,
        Constraint::CannotContain089,
        Constraint::CannotContain0789,
        Constraint::UniqueFirstFourDigits,
        Constraint::NoAllSameDigits,
        Constraint::CannotSpecifyPinCode,
        Constraint::NameMustBeUnique,
    ];

    fn valid(length: u8, constraints: &[Constraint]) -> Vec<Pin> {
        let all = (0..10_u64.pow(u32::from(length))).map(|value| Pin::new(length, value).unwrap());
        all.filter(|pin| constraints.iter().all(|constraint| constraint.admits(*pin))).collect()
    }

    fn check(length: u8, constraints: &[Constraint]) {
        let space = PinSpace::new(length, constraints);
        let valid = valid(length, constraints);
        assert_eq!(space.count(), valid.len() as u64, "{length} {constraints:?}");
        for (rank, pin) in (0..).zip(&valid) {
            assert_eq!((space.rank(*pin), space.select(rank)), (Some(rank), Some(*pin)), "{length} {constraints:?}");
        }
        assert_eq!(space.select(space.count()), None);
        let listed: BTreeSet<_> = valid.into_iter().collect();
        for value in 0..10_u64.pow(u32::from(length)) {
            let pin = Pin::new(length, value).unwrap();
            assert_eq!(space.rank(pin).is_some(), listed.contains(&pin), "{pin} {constraints:?}");
        }
    }

    #[test]
    fn each_constraint_and_each_pair_agree_with_brute_force() {
        for first in CONSTRAINTS {
            for second in CONSTRAINTS {
                check(4, &[first, second]);
            }
        }
    }

    #[test]
    fn short_and_longer_pins_agree_with_brute_force() {
        for length in 1..=3 {
            for first in CONSTRAINTS {
                check(length, &[first]);
            }
            check(length, &CONSTRAINTS);
        }
        check(5, &[Constraint::NoTripleConsecutiveInts, Constraint::AtLeastThreeUniqueDigits]);
        check(6, &[Constraint::NoZeros, Constraint::CannotStartWith12]);
        check(6, &[Constraint::NoTripleConsecutiveInts, Constraint::UniqueFirstFourDigits]);
        check(6, &CONSTRAINTS);
    }

    #[test]
    fn the_longest_pins_fit() {
        assert_eq!(PinSpace::new(19, &[]).count(), 10_u64.pow(19));
        let space = PinSpace::new(19, &CONSTRAINTS);
        assert!(space.states.len() < 20_000, "{}", space.states.len());
        for n in 0..1_000 {
            let rank = below(mix(n), space.count());
            let pin = space.select(rank).unwrap();
            assert_eq!(space.rank(pin), Some(rank));
            assert!(CONSTRAINTS.iter().all(|constraint| constraint.admits(pin)), "{pin}");
        }
    }

    #[test]
    fn all_are_given_out_and_then_none() {
        for (constraints, seed) in [(&[][..], 1), (&[Constraint::UniqueFirstFourDigits, Constraint::CannotContain0789][..], 2)] {
            let space = PinSpace::new(4, constraints);
            let (mut used, mut model) = (UsedPins::new(), BTreeSet::new());
            for n in 0..space.count() {
                let pin = choose_free_pin(&space, &used, mix(seed ^ n)).unwrap();
                assert!(model.insert(pin) && used.insert(&space, PinEquality::Exact, pin), "{pin}");
                assert!(constraints.iter().all(|constraint| constraint.admits(pin)));
            }
            assert_eq!((used.count(), choose_free_pin(&space, &used, seed)), (space.count(), None));
            assert!(model.into_iter().eq(valid(4, constraints)));
        }
    }

    #[test]
    fn the_last_free_one_is_found_wherever_it_is() {
        let constraints = [Constraint::NoZeros, Constraint::AtLeastThreeUniqueDigits];
        let space = PinSpace::new(4, &constraints);
        let all = valid(4, &constraints);
        for (left, seed) in [(0, 1), (1, 2), (all.len() / 2, 3), (all.len() - 1, 4)] {
            let last = all[left];
            let mut used = UsedPins::collect(&space, PinEquality::Exact, all.iter().copied().filter(|pin| *pin != last));
            assert_eq!(choose_free_pin(&space, &used, mix(seed)), Some(last));
            assert!(used.insert(&space, PinEquality::Exact, last) && !used.insert(&space, PinEquality::Exact, last));
            assert_eq!(choose_free_pin(&space, &used, mix(seed)), None);
            assert!(used.remove(&space, PinEquality::Exact, last) && !used.remove(&space, PinEquality::Exact, last));
            assert_eq!(choose_free_pin(&space, &used, mix(seed)), Some(last));
        }
    }

    #[test]
    fn impossible_constraints_leave_nothing() {
        let space = PinSpace::new(2, &[Constraint::AtLeastThreeUniqueDigits]);
        assert_eq!((space.count(), choose_free_pin(&space, &UsedPins::new(), 0)), (0, None));
    }

    #[test]
    fn used_ranks_agree_with_a_set() {
        let constraints = [Constraint::UniqueFirstFourDigits];
        for equality in [PinEquality::Exact, PinEquality::FirstFour] {
            let space = PinSpace::new(5, &constraints);
            let all = valid(5, &constraints);
            let (mut used, mut pins) = (UsedPins::new(), BTreeSet::new());
            for step in 0..600_u64 {
                // Lengths 3 to 6: only some of them are of this space.
                let length = 3 + below(mix(step), 4) as u8;
                let pin = Pin::new(length, below(mix(step ^ 7 << 32), 10_u64.pow(u32::from(length)))).unwrap();
                used.insert(&space, equality, pin);
                pins.insert(pin);
                if step % 3 == 0 {
                    let gone = *pins.first().unwrap();
                    used.remove(&space, equality, gone);
                    pins.retain(|pin| !equality.same(*pin, gone));
                }
            }
            assert_eq!(used, UsedPins::collect(&space, equality, pins.iter().copied()));
            let is_used = |pin: &Pin| pins.iter().any(|other| equality.same(*pin, *other));
            let free: Vec<_> = all.iter().copied().filter(|pin| !is_used(pin)).collect();
            assert_eq!(space.count() - used.count(), free.len() as u64);
            for (nth, pin) in (0..).zip(&free) {
                assert_eq!(space.select(used.nth_free(nth)), Some(*pin));
            }
        }
    }
}
