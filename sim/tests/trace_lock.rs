//! Same bytes everywhere: the hashes of pinned seeds and of every scenario, in `trace.lock`, for every build and machine.
//!
//! A hash that moves although no behaviour was meant to change is a bug. After a wanted change `TRACE_LOCK=update cargo test`
//! writes the file anew, for `git diff` to show which stories moved. `TRACE_LOCK_ONLY=seed:1` or `=happy/august` compares no other
//! run, for machines on which a run takes minutes.

use std::path::Path;

use keyway_core::platform::Reference;
use keyway_sim::generate::plan_of_seed;
use keyway_sim::run::{Options, run};
use keyway_sim::{plan::Plan, scenario};
use rayon::prelude::*;

/// Many seeds, as each goes its own ways: what moves none of them has changed no behaviour that is worth the name.
fn seeds() -> impl Iterator<Item = u64> {
    (0..256).chain([1_000, 4_711, 65_536, u64::MAX])
}

#[test]
fn every_pinned_run_gives_the_bytes_it_gave() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scenarios = scenario::files_below(&home.join("../scenarios")).expect("the scenarios");
    let only = std::env::var("TRACE_LOCK_ONLY").unwrap_or_default();
    scenarios.retain(|file| file.to_string_lossy().contains(&only));
    let of_seeds = seeds().map(|seed| Plan { name: format!("seed:{seed}"), ..plan_of_seed(seed) });
    let mut plans: Vec<Plan> = of_seeds.filter(|plan| only.is_empty() || only == plan.name).collect();
    for file in scenarios {
        plans.extend(scenario::read(&file).expect("a good scenario"));
    }
    let line = |plan: &Plan| format!("{:032x} {}\n", run(plan, &Reference::new(), Options::default()).hash, plan.name);
    let lock: String = plans.par_iter().map(line).collect();
    let file = home.join("tests/trace.lock");
    if std::env::var_os("TRACE_LOCK").is_some_and(|word| word == "update") {
        return scenario::write(&file, &lock).expect("the file can be written");
    }
    let pinned = std::fs::read_to_string(&file).unwrap_or_default();
    let moved: Vec<&str> = lock.lines().filter(|line| !pinned.lines().any(|pinned| pinned == *line)).collect();
    let is_same = if only.is_empty() { pinned == lock } else { !lock.is_empty() && moved.is_empty() };
    assert!(is_same, "moved or new, or gone; if this is wanted: TRACE_LOCK=update cargo test --test trace_lock\n{moved:#?}");
}
