//! Keyed randomness: same key, same value, whatever else happened. Nothing here has a state that a draw advances.

use keyway_core::draw::{below, mix};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a draw is for; each has a key of its own per lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Time on the way to the vendor and back.
    Travel,
    /// Time from acceptance to effect.
    Apply,
    /// How old a plain read is.
    Staleness,
    /// Time of a notice on its way.
    NoticeTravel,
    /// Whether a fault with a ratio strikes.
    Strike,
    /// How late something comes that noise delays.
    Lateness,
}

const STREAMS: usize = 6;

/// The world's noise of one run.
#[derive(Clone, Debug)]
pub struct Noise {
    keys: Vec<[u64; STREAMS]>,
}

impl Noise {
    /// The noise of a seed for `locks` locks; one entity more stands for what concerns no lock.
    #[must_use]
    pub fn new(seed: u64, locks: usize) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(b"keyway\0\0");
        let key = |lock: usize| {
            let mut generator = ChaCha12Rng::from_seed(bytes);
            generator.set_stream(lock as u64);
            std::array::from_fn(|_| generator.next_u64())
        };
        Self { keys: (0..=locks).map(key).collect() }
    }

    /// 64 bits for the `n`-th draw of `kind` in a stream of a lock. A number beyond the locks means no lock.
    #[must_use]
    pub fn draw(&self, stream: Stream, lock: usize, kind: u64, n: u64) -> u64 {
        let key = self.keys[lock.min(self.keys.len() - 1)][stream as usize];
        mix(mix(key ^ kind) ^ n)
    }

    /// A number of the range, both ends included.
    #[must_use]
    pub fn within(&self, stream: Stream, lock: usize, kind: u64, n: u64, (from, to): (i64, i64)) -> i64 {
        from + below(self.draw(stream, lock, kind, n), (to - from).max(0) as u64 + 1) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_vectors() {
        let noise = Noise::new(4711, 2);
        let drawn = [noise.draw(Stream::Travel, 0, 1, 1), noise.draw(Stream::Travel, 0, 1, 2), noise.draw(Stream::Strike, 1, 7, 0)];
        insta::assert_debug_snapshot!(drawn);
    }

    #[test]
    fn a_lock_more_changes_no_other_locks_draws() {
        let (few, many) = (Noise::new(1, 1), Noise::new(1, 9));
        assert_eq!(few.draw(Stream::Apply, 0, 3, 4), many.draw(Stream::Apply, 0, 3, 4));
    }
}
