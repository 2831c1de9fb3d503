//! The choice of a free PIN beside rejection sampling, which tries until it hits one: at any share of used PINs.

// The macros of the harness make public items without documentation.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use keyway_core::draw::{below, mix};
use keyway_core::pin::{Constraint, Pin, PinEquality, PinSpace, UsedPins, choose_free_pin};

const PER_MILLE_USED: [u64; 5] = [0, 500, 900, 990, 999];

fn pin_chooser(criterion: &mut Criterion) {
    for length in [4, 6] {
        let space = PinSpace::new(length, &[Constraint::NoTripleConsecutiveInts]);
        let mut group = criterion.benchmark_group(format!("free PIN of {length} digits"));
        for per_mille in PER_MILLE_USED {
            let taken: BTreeSet<Pin> =
                (0..space.count()).filter(|rank| mix(*rank) % 1_000 < per_mille).filter_map(|rank| space.select(rank)).collect();
            let used = UsedPins::collect(&space, PinEquality::Exact, taken.iter().copied());
            let mut n = 0;
            group.bench_function(BenchmarkId::new("choose_free_pin", per_mille), |bencher| {
                bencher.iter(|| {
                    n += 1;
                    choose_free_pin(black_box(&space), black_box(&used), mix(n))
                });
            });
            group.bench_function(BenchmarkId::new("rejection_sampling", per_mille), |bencher| {
                bencher.iter(|| {
                    loop {
                        n += 1;
                        let pin = space.select(below(mix(n), space.count()));
                        if pin.is_some_and(|pin| !taken.contains(&pin)) {
                            return pin;
                        }
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pin_chooser);
criterion_main!(benches);
