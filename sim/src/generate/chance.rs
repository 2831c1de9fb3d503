//! The dice of the generator: one ChaCha stream per seed, and the few ways in which plans are drawn from it.

use keyway_core::draw::below;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// An ordinary stream of chance. Draws depend on those before them, so this is for making plans, never for running them.
#[derive(Clone, Debug)]
pub struct Chance(ChaCha12Rng);

impl Chance {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(b"plan\0\0\0\0");
        Self(ChaCha12Rng::from_seed(bytes))
    }

    /// Any 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        below(self.word(), bound)
    }

    /// A number of the range, both ends included; `from` if the range is empty.
    pub fn within(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from).max(0) as u64 + 1) as i64
    }

    /// A length of time of the range, such that each power of two is about as likely as another.
    pub fn spread(&mut self, from_ms: i64, to_ms: i64) -> i64 {
        let doublings = (to_ms / from_ms.max(1)).max(1).ilog2();
        let top = from_ms << self.within(0, i64::from(doublings));
        self.within(from_ms, (2 * top).min(to_ms))
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Any of a list that is not empty.
    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// Any of a list, each as likely as its weight; the weights must not all be 0.
    pub fn weighted<T: Copy>(&mut self, list: &[(u64, T)]) -> T {
        let mut left = self.below(list.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in list {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        unreachable!("a number below the sum of the weights falls on one of them")
    }

    /// A part of a list, each item kept with this probability; at least one, if there is any.
    pub fn some_of<T: Copy>(&mut self, list: &[T], percent: u64) -> Vec<T> {
        let mut kept: Vec<T> = list.iter().copied().filter(|_| self.happens(percent)).collect();
        if kept.is_empty() && !list.is_empty() {
            kept.push(self.one_of(list));
        }
        kept
    }
}
