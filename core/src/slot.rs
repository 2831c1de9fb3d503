//! The numbered places of a lock's memory, and the choice of the lowest free one (`V-02`).
//!
//! Free places are set bits. Up to 64 of them are one machine word; more are a summary tree, in which a bit
//! says that some place below it is free. Either way the lowest free place is one `trailing_zeros` a level.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Slot;

/// The most places a lock can have: slot numbers are 16 bits wide and start at 1.
pub const SLOTS_MAX: u32 = u16::MAX as u32;

const WORD_BITS: u32 = u64::BITS;

/// Which of a lock's places, numbered from 1, are free.
///
/// ```
/// use keyway_core::id::Slot;
/// use keyway_core::slot::SlotAllocator;
///
/// let mut slots = SlotAllocator::new(3);
/// assert!(slots.take(Slot(1))); // A stranger's.
/// assert_eq!([slots.allocate_lowest(), slots.allocate_lowest(), slots.allocate_lowest()], [Some(Slot(2)), Some(Slot(3)), None]);
/// assert!(slots.free(Slot(2)) && slots.lowest_free() == Some(Slot(2)));
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Plain", try_from = "Plain")]
pub struct SlotAllocator {
    slots: u32,
    free: u32,
    places: Places,
}

/// The free places as bits: bit 0 of the first leaf is slot 1, bits beyond the last slot stay 0.
#[derive(Clone, PartialEq, Eq)]
enum Places {
    /// Up to 64 places.
    Word(u64),
    /// Up to 4,096: a bit of `top` for each leaf.
    Two { top: u64, leaves: Box<[u64]> },
    /// Up to 65,535: a bit of `top` for each word of `middle`, and a bit of `middle` for each leaf.
    Three { top: u64, middle: Box<[u64]>, leaves: Box<[u64]> },
}

impl SlotAllocator {
    /// All of `slots` places free.
    ///
    /// # Panics
    /// If `slots` is not 1 to [`SLOTS_MAX`].
    #[must_use]
    pub fn new(slots: u32) -> Self {
        assert!((1..=SLOTS_MAX).contains(&slots), "a lock has 1 to {SLOTS_MAX} slots, not {slots}");
        let words = slots.div_ceil(WORD_BITS);
        let places = if words == 1 {
            Places::Word(low_bits(slots))
        } else if words <= WORD_BITS {
            Places::Two { top: low_bits(words), leaves: ones(slots) }
        } else {
            Places::Three { top: low_bits(words.div_ceil(WORD_BITS)), middle: ones(words), leaves: ones(slots) }
        };
        Self { slots, free: slots, places }
    }

    /// Takes the lowest free place; none if all are taken.
    #[inline]
    pub fn allocate_lowest(&mut self) -> Option<Slot> {
        let index = match &mut self.places {
            Places::Word(word) => {
                let bit = lowest(*word)?;
                *word &= *word - 1;
                bit
            }
            Places::Two { top, leaves } => {
                let at = lowest(*top)?;
                let (bit, is_empty) = pop_lowest(&mut leaves[at as usize]);
                if is_empty {
                    *top &= *top - 1;
                }
                at * WORD_BITS + bit
            }
            Places::Three { top, middle, leaves } => {
                let high = lowest(*top)?;
                let word = &mut middle[high as usize];
                let at = high * WORD_BITS + word.trailing_zeros();
                let (bit, is_empty) = pop_lowest(&mut leaves[at as usize]);
                if is_empty && pop_lowest(word).1 {
                    *top &= *top - 1;
                }
                at * WORD_BITS + bit
            }
        };
        self.free -= 1;
        Some(slot(index))
    }

    /// The lowest free place, which stays free; none if all are taken.
    #[inline]
    #[must_use]
    pub fn lowest_free(&self) -> Option<Slot> {
        let index = match &self.places {
            Places::Word(word) => lowest(*word)?,
            Places::Two { top, leaves } => {
                let at = lowest(*top)?;
                at * WORD_BITS + leaves[at as usize].trailing_zeros()
            }
            Places::Three { top, middle, leaves } => {
                let high = lowest(*top)?;
                let at = high * WORD_BITS + middle[high as usize].trailing_zeros();
                at * WORD_BITS + leaves[at as usize].trailing_zeros()
            }
        };
        Some(slot(index))
    }

    /// Takes this place. False, and nothing changes, if it is taken or the lock has no such place.
    #[inline]
    pub fn take(&mut self, slot: Slot) -> bool {
        if !self.is_free(slot) {
            return false;
        }
        let (at, bit) = split(u32::from(slot.0) - 1);
        match &mut self.places {
            Places::Word(word) => *word &= !bit,
            Places::Two { top, leaves } => {
                if clear(leaves, at, bit) {
                    *top &= !(1 << at);
                }
            }
            Places::Three { top, middle, leaves } => {
                if clear(leaves, at, bit) {
                    let (high, bit) = split(at);
                    if clear(middle, high, bit) {
                        *top &= !(1 << high);
                    }
                }
            }
        }
        self.free -= 1;
        true
    }

    /// Frees this place. False, and nothing changes, if it is free already or the lock has no such place.
    #[inline]
    pub fn free(&mut self, slot: Slot) -> bool {
        if !self.contains(slot) || self.is_free(slot) {
            return false;
        }
        let (at, bit) = split(u32::from(slot.0) - 1);
        match &mut self.places {
            Places::Word(word) => *word |= bit,
            Places::Two { top, leaves } => {
                leaves[at as usize] |= bit;
                *top |= 1 << at;
            }
            Places::Three { top, middle, leaves } => {
                leaves[at as usize] |= bit;
                let (high, bit) = split(at);
                middle[high as usize] |= bit;
                *top |= 1 << high;
            }
        }
        self.free += 1;
        true
    }

    /// Whether this place exists and is free.
    #[inline]
    #[must_use]
    pub fn is_free(&self, slot: Slot) -> bool {
        let Some(index) = u32::from(slot.0).checked_sub(1) else { return false };
        let (at, bit) = split(index);
        // Bits beyond the last slot are never set, so that only whole words need a check.
        self.leaves().get(at as usize).is_some_and(|word| word & bit != 0)
    }

    /// Whether the lock has this place, free or taken.
    #[inline]
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        (1..=self.slots).contains(&u32::from(slot.0))
    }

    /// Free places.
    #[inline]
    #[must_use]
    pub fn free_count(&self) -> u32 {
        self.free
    }

    /// Places in all, free and taken; never 0.
    #[inline]
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // A lock without places has no allocator.
    pub fn len(&self) -> u32 {
        self.slots
    }

    /// The free places, lowest first.
    pub fn free_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.leaves().iter().zip(0_u32..).flat_map(|(word, at)| bits(*word, at))
    }

    /// The taken places, lowest first.
    pub fn taken_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let taken = move |(word, at): (&u64, u32)| bits(!word & low_bits(self.slots - at * WORD_BITS), at);
        self.leaves().iter().zip(0_u32..).flat_map(taken)
    }

    #[inline]
    fn leaves(&self) -> &[u64] {
        match &self.places {
            Places::Word(word) => core::slice::from_ref(word),
            Places::Two { leaves, .. } | Places::Three { leaves, .. } => leaves,
        }
    }
}

#[allow(clippy::missing_fields_in_debug)] // What is left out follows from what is shown.
impl fmt::Debug for SlotAllocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotAllocator")
            .field("slots", &self.slots)
            .field("taken", &self.taken_slots().map(|slot| slot.0).collect::<Vec<_>>())
            .finish()
    }
}

/// What is serialised: independent of the shape of the tree.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    slots: u32,
    taken: Vec<Slot>,
}

impl From<SlotAllocator> for Plain {
    fn from(from: SlotAllocator) -> Self {
        Self { slots: from.slots, taken: from.taken_slots().collect() }
    }
}

/// The data describe no lock: no such number of slots, or a taken one that is named twice or does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NoSlots;

impl fmt::Display for NoSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected 1 to {SLOTS_MAX} slots, each taken one among them and named once")
    }
}

impl TryFrom<Plain> for SlotAllocator {
    type Error = NoSlots;

    fn try_from(plain: Plain) -> Result<Self, NoSlots> {
        if !(1..=SLOTS_MAX).contains(&plain.slots) {
            return Err(NoSlots);
        }
        let mut allocator = Self::new(plain.slots);
        if plain.taken.into_iter().all(|slot| allocator.take(slot)) { Ok(allocator) } else { Err(NoSlots) }
    }
}

#[inline]
fn slot(index: u32) -> Slot {
    Slot(index as u16 + 1)
}

/// The word that holds a bit, and the bit in it.
#[inline]
fn split(index: u32) -> (u32, u64) {
    (index / WORD_BITS, 1 << (index % WORD_BITS))
}

#[inline]
fn lowest(word: u64) -> Option<u32> {
    (word != 0).then(|| word.trailing_zeros())
}

/// Clears the lowest set bit of a word that is not 0; tells which it was and whether the word is 0 now.
#[inline]
fn pop_lowest(word: &mut u64) -> (u32, bool) {
    let bit = word.trailing_zeros();
    *word &= *word - 1;
    (bit, *word == 0)
}

/// Clears a bit; tells whether its word is 0 now.
#[inline]
fn clear(words: &mut [u64], at: u32, bit: u64) -> bool {
    let word = &mut words[at as usize];
    *word &= !bit;
    *word == 0
}

/// The `count` lowest bits set, all of them from 64 on.
fn low_bits(count: u32) -> u64 {
    if count >= WORD_BITS { u64::MAX } else { (1 << count) - 1 }
}

/// `count` set bits, in as few words as they need.
fn ones(count: u32) -> Box<[u64]> {
    let mut words = vec![u64::MAX; count.div_ceil(WORD_BITS) as usize];
    if let Some(last) = words.last_mut()
        && !count.is_multiple_of(WORD_BITS)
    {
        *last = low_bits(count % WORD_BITS);
    }
    words.into_boxed_slice()
}

fn bits(mut word: u64, at: u32) -> impl Iterator<Item = Slot> {
    core::iter::from_fn(move || {
        let bit = lowest(word)?;
        word &= word - 1;
        Some(slot(at * WORD_BITS + bit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{below, mix};
    use alloc::collections::BTreeSet;

    /// One size on each side of every change of shape.
    const SIZES: [u32; 12] = [1, 2, 30, 63, 64, 65, 250, 1_024, 4_096, 4_097, 65_472, SLOTS_MAX];

    #[test]
    fn lowest_first_until_full_and_again() {
        for slots in SIZES {
            let mut allocator = SlotAllocator::new(slots);
            for expected in 1..=slots {
                assert_eq!(allocator.lowest_free(), Some(Slot(expected as u16)));
                assert_eq!(allocator.allocate_lowest(), Some(Slot(expected as u16)));
            }
            assert_eq!((allocator.allocate_lowest(), allocator.lowest_free(), allocator.free_count()), (None, None, 0));
            assert_eq!(allocator.free_slots().count(), 0);
            assert_eq!(allocator.taken_slots().count(), slots as usize);
            for back in (1..=slots).rev() {
                assert!(allocator.free(Slot(back as u16)));
            }
            assert_eq!(allocator, SlotAllocator::new(slots));
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for slots in SIZES {
            let mut allocator = SlotAllocator::new(slots);
            let outside = [Some(0), u16::try_from(slots + 1).ok(), (slots < SLOTS_MAX).then_some(u16::MAX)];
            for number in outside.into_iter().flatten() {
                let slot = Slot(number);
                assert!(!allocator.contains(slot) && !allocator.is_free(slot) && !allocator.take(slot) && !allocator.free(slot));
            }
            assert!(!allocator.free(Slot(1)));
            assert!(allocator.take(Slot(1)) && !allocator.take(Slot(1)) && allocator.contains(Slot(1)));
            assert_eq!(allocator.free_count(), slots - 1);
        }
    }

    #[test]
    #[should_panic(expected = "a lock has 1 to 65535 slots, not 0")]
    fn a_lock_has_a_slot() {
        let _ = SlotAllocator::new(0);
    }

    #[test]
    fn agrees_with_a_set() {
        for (slots, seed) in SIZES.into_iter().flat_map(|slots| [(slots, 1), (slots, 2), (slots, 3)]) {
            let mut allocator = SlotAllocator::new(slots);
            let mut model: BTreeSet<u16> = (1..=slots as u16).collect();
            for step in 0..4_000_u64 {
                let chance = mix(mix(seed ^ u64::from(slots)) ^ step);
                // Phases of filling and of emptying, so that both ends are met; one number beyond the last is drawn as well.
                let is_filling = step / 700 % 2 == 0;
                let number = below(mix(chance), u64::from(slots) + 2) as u16;
                match (chance % 8, is_filling) {
                    (0..=4, true) | (0, false) => assert_eq!(allocator.allocate_lowest().map(|slot| slot.0), model.pop_first()),
                    (5..=6, true) | (1, false) => assert_eq!(allocator.take(Slot(number)), model.remove(&number)),
                    _ => {
                        let is_new = (1..=slots).contains(&u32::from(number)) && model.insert(number);
                        assert_eq!(allocator.free(Slot(number)), is_new);
                    }
                }
                assert_eq!(allocator.lowest_free().map(|slot| slot.0), model.first().copied());
                assert_eq!(allocator.is_free(Slot(number)), model.contains(&number));
                assert_eq!(allocator.free_count() as usize, model.len());
            }
            assert!(allocator.free_slots().map(|slot| slot.0).eq(model.iter().copied()));
            assert!(allocator.taken_slots().all(|slot| !model.contains(&slot.0)));
            assert_eq!(allocator.taken_slots().count() + model.len(), slots as usize);
        }
    }

    #[test]
    fn plain_data_and_back() {
        let mut allocator = SlotAllocator::new(100);
        assert!(allocator.take(Slot(1)) && allocator.take(Slot(70)));
        let text = serde_json::to_string(&allocator).unwrap();
        assert_eq!(text, r#"{"slots":100,"taken":[1,70]}"#);
        assert_eq!(serde_json::from_str::<SlotAllocator>(&text).unwrap(), allocator);
        for wrong in
            [r#"{"slots":0,"taken":[]}"#, r#"{"slots":9,"taken":[10]}"#, r#"{"slots":9,"taken":[3,3]}"#, r#"{"slots":9,"taken":[0]}"#]
        {
            assert!(serde_json::from_str::<SlotAllocator>(wrong).is_err(), "{wrong}");
        }
    }
}
