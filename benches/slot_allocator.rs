//! The slot allocator beside what else could keep a lock's slots: an ordered set, a list of flags, a plain bit set.
//!
//! Each measurement starts from a lock of which some share is taken, at the same places for all contenders.

// The macros of the harness make public items without documentation.
#![allow(missing_docs)]

use std::array;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use fixedbitset::FixedBitSet;
use keyway_core::draw::{below, mix};
use keyway_core::id::Slot;
use keyway_core::slot::SlotAllocator;

const SLOTS: [u32; 4] = [30, 250, 1_024, 65_535];
const PERCENT_TAKEN: [u32; 4] = [10, 50, 90, 99];

/// What all contenders can do, over numbers from 1.
trait Contender: Clone {
    const NAME: &'static str;
    fn new(slots: u32) -> Self;
    fn allocate_lowest(&mut self) -> Option<u16>;
    fn take(&mut self, number: u16) -> bool;
    fn free(&mut self, number: u16) -> bool;
    fn is_free(&self, number: u16) -> bool;
}

impl Contender for SlotAllocator {
    const NAME: &'static str = "slot_allocator";

    fn new(slots: u32) -> Self {
        Self::new(slots)
    }

    fn allocate_lowest(&mut self) -> Option<u16> {
        self.allocate_lowest().map(|slot| slot.0)
    }

    fn take(&mut self, number: u16) -> bool {
        self.take(Slot(number))
    }

    fn free(&mut self, number: u16) -> bool {
        self.free(Slot(number))
    }

    fn is_free(&self, number: u16) -> bool {
        self.is_free(Slot(number))
    }
}

impl Contender for BTreeSet<u16> {
    const NAME: &'static str = "btree_set";

    fn new(slots: u32) -> Self {
        (1..=slots as u16).collect()
    }

    fn allocate_lowest(&mut self) -> Option<u16> {
        self.pop_first()
    }

    fn take(&mut self, number: u16) -> bool {
        self.remove(&number)
    }

    fn free(&mut self, number: u16) -> bool {
        self.insert(number)
    }

    fn is_free(&self, number: u16) -> bool {
        self.contains(&number)
    }
}

impl Contender for Vec<bool> {
    const NAME: &'static str = "vec_bool";

    fn new(slots: u32) -> Self {
        vec![true; slots as usize]
    }

    fn allocate_lowest(&mut self) -> Option<u16> {
        let at = self.iter().position(|is_free| *is_free)?;
        self[at] = false;
        Some(at as u16 + 1)
    }

    fn take(&mut self, number: u16) -> bool {
        std::mem::replace(&mut self[usize::from(number) - 1], false)
    }

    fn free(&mut self, number: u16) -> bool {
        !std::mem::replace(&mut self[usize::from(number) - 1], true)
    }

    fn is_free(&self, number: u16) -> bool {
        self[usize::from(number) - 1]
    }
}

impl Contender for FixedBitSet {
    const NAME: &'static str = "fixedbitset";

    fn new(slots: u32) -> Self {
        let mut set = Self::with_capacity(slots as usize);
        set.insert_range(..);
        set
    }

    fn allocate_lowest(&mut self) -> Option<u16> {
        let at = self.minimum()?;
        self.remove(at);
        Some(at as u16 + 1)
    }

    fn take(&mut self, number: u16) -> bool {
        let was_free = self.contains(usize::from(number) - 1);
        self.remove(usize::from(number) - 1);
        was_free
    }

    fn free(&mut self, number: u16) -> bool {
        !self.put(usize::from(number) - 1)
    }

    fn is_free(&self, number: u16) -> bool {
        self.contains(usize::from(number) - 1)
    }
}

/// A lock that filled up: most of the taken places are the lowest, every eighth of them lies anywhere in the rest.
fn filled<C: Contender>(slots: u32, percent: u32) -> C {
    let mut contender = C::new(slots);
    let taken = slots * percent / 100;
    let low = taken - taken / 8;
    for _ in 0..low {
        contender.allocate_lowest();
    }
    let mut left = taken - low;
    for chance in 0.. {
        if left == 0 {
            break;
        }
        left -= u32::from(contender.take(number(chance, slots)));
    }
    contender
}

fn number(chance: u64, slots: u32) -> u16 {
    below(mix(chance), u64::from(slots)) as u16 + 1
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// One allocation: the mean over all that are left, lock after lock, each filled to the last place.
fn allocate_lowest<C: Contender>(group: &mut Group<'_>, slots: u32, percent: u32) {
    let start = filled::<C>(slots, percent);
    let free = u64::from(slots - slots * percent / 100);
    let locks = 1_024_u64.div_ceil(free);
    group.bench_function(BenchmarkId::new(C::NAME, format!("{slots}/{percent}%")), |bencher| {
        bencher.iter_custom(|rounds| {
            let (mut left, mut spent) = (rounds, Duration::ZERO);
            while left > 0 {
                let mut fleet: Vec<C> = (0..locks).map(|_| start.clone()).collect();
                let started = Instant::now();
                for lock in &mut fleet {
                    let count = left.min(free);
                    for _ in 0..count {
                        black_box(lock.allocate_lowest());
                    }
                    left -= count;
                }
                spent += started.elapsed();
            }
            spent
        });
    });
}

/// A code goes and another comes: some taken place is freed, then the lowest free one is taken.
fn free_and_allocate<C: Contender>(group: &mut Group<'_>, slots: u32, percent: u32) {
    let mut lock = filled::<C>(slots, percent);
    let mut taken: Vec<u16> = (1..=slots as u16).filter(|number| !lock.is_free(*number)).collect();
    let choices: Vec<u16> = (0..4_096).map(|n| below(mix(n), taken.len() as u64) as u16).collect();
    let mut at = 0;
    group.bench_function(BenchmarkId::new(C::NAME, format!("{slots}/{percent}%")), |bencher| {
        bencher.iter(|| {
            at = (at + 1) % choices.len();
            let place = &mut taken[usize::from(choices[at])];
            lock.free(*place);
            *place = lock.allocate_lowest().expect("the place just freed");
        });
    });
}

/// A taken place is freed and taken again.
fn free_and_take<C: Contender>(group: &mut Group<'_>, slots: u32, percent: u32) {
    let mut lock = filled::<C>(slots, percent);
    let taken: Vec<u16> = (1..=slots as u16).filter(|number| !lock.is_free(*number)).collect();
    let places: [u16; 256] = array::from_fn(|n| taken[below(mix(n as u64), taken.len() as u64) as usize]);
    let mut at = 0_u8;
    group.bench_function(BenchmarkId::new(C::NAME, format!("{slots}/{percent}%")), |bencher| {
        bencher.iter(|| {
            at = at.wrapping_add(1);
            let number = black_box(places[usize::from(at)]);
            lock.free(number) & lock.take(number)
        });
    });
}

/// Some place is looked at.
fn is_free<C: Contender>(group: &mut Group<'_>, slots: u32, percent: u32) {
    let lock = filled::<C>(slots, percent);
    let places: [u16; 256] = array::from_fn(|n| number(n as u64 ^ 1 << 40, slots));
    let mut at = 0_u8;
    group.bench_function(BenchmarkId::new(C::NAME, format!("{slots}/{percent}%")), |bencher| {
        bencher.iter(|| {
            at = at.wrapping_add(1);
            lock.is_free(black_box(places[usize::from(at)]))
        });
    });
}

macro_rules! operations {
    ($($operation:ident)*) => {
        /// Every operation on every lock, the contenders beside each other.
        fn all(criterion: &mut Criterion) {
            $(
                let mut group = criterion.benchmark_group(stringify!($operation));
                for (slots, percent) in SLOTS.into_iter().flat_map(|slots| PERCENT_TAKEN.map(|percent| (slots, percent))) {
                    $operation::<SlotAllocator>(&mut group, slots, percent);
                    $operation::<BTreeSet<u16>>(&mut group, slots, percent);
                    $operation::<FixedBitSet>(&mut group, slots, percent);
                    $operation::<Vec<bool>>(&mut group, slots, percent);
                }
                group.finish();
            )*
        }
    };
}

operations!(allocate_lowest free_and_allocate free_and_take is_free);

/// 256 measurements, so each is short: about three minutes in all.
fn brief() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(400)).sample_size(20)
}

criterion_group! {
    name = benches;
    config = brief();
    targets = all
}
criterion_main!(benches);
