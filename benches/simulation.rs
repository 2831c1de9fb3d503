//! The agenda beside std's heap, the simulator with and without its judge, the sweep on one thread and two, the shrinker, and one fuzz execution.

// The macros of the harness make public items without documentation.
#![allow(missing_docs)]

use std::collections::BinaryHeap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use keyway_core::draw::mix;
use keyway_core::platform::Reference;
use keyway_core::time::Timestamp;
use keyway_sim::Story;
use keyway_sim::agenda::{Agenda, Class};
use keyway_sim::bytes::lifecycle;
use keyway_sim::plan::Plan;
use keyway_sim::run::{Options, run};
use keyway_sim::shrink::{Budget, shrink};
use keyway_sim::sweep::{Order, sweep};
use serde_json::json;

fn agenda(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("agenda");
    for held in [100_u64, 10_000] {
        group.bench_function(BenchmarkId::new("agenda", held), |bencher| {
            let mut agenda = Agenda::new(0);
            (0..held).for_each(|n| agenda.add(Timestamp((mix(n) % 1_000_000) as i64), Class::Work, n as u32, n));
            bencher.iter(|| {
                let at = agenda.next_at().expect("something is held");
                let item = agenda.pop_until(at).expect("something is due");
                agenda.add(at + (mix(at.0 as u64) % 1_000_000) as i64, Class::Work, item as u32, item);
            });
        });
        group.bench_function(BenchmarkId::new("std BinaryHeap", held), |bencher| {
            let mut heap: BinaryHeap<(i64, u64)> = (0..held).map(|n| (-((mix(n) % 1_000_000) as i64), n)).collect();
            bencher.iter(|| {
                let (at, item) = heap.pop().expect("something is held");
                heap.push((at - (mix(at as u64) % 1_000_000) as i64, item));
            });
        });
    }
    group.finish();
}

/// Locks of one account in tens, with a code for each day; one write in ten gets no answer.
fn fleet(locks: usize, hours: usize) -> Plan {
    let accounts: Vec<_> = (0..locks.div_ceil(100))
        .map(|n| json!({ "name": format!("A{n}"), "vendor": "generic_cloud", "rate_per_minute": 1_000_000 }))
        .collect();
    let devices: Vec<_> = (0..locks).map(|n| json!({ "name": format!("L{n}"), "account": format!("A{}", n / 100) })).collect();
    let create = |lock: usize, day: usize| {
        let (from, until) = (24 * day + 4, 24 * day + 20);
        let pin = format!("{:04}", (lock * 37 + day * 101) % 10_000);
        let code = json!({ "code": format!("L{lock}-{day}"), "on": format!("L{lock}"), "pin": pin, "starts": format!("+{from}h"), "ends": format!("+{until}h") });
        json!({ "at": format!("+{}m", 24 * 60 * day + lock % 50 + 1), "do": { "create": code } })
    };
    let steps: Vec<_> = (0..hours.div_ceil(24)).flat_map(|day| (0..locks).map(move |lock| create(lock, day))).collect();
    let faults = json!([{ "quirk": "link_loses_answer", "one_in": 10, "commands": ["create_entry", "delete_entry"] }]);
    let horizon = format!("{hours}h");
    let story = json!({ "name": "fleet", "horizon": horizon, "accounts": accounts, "devices": devices, "steps": steps, "faults": faults });
    Story::new(&story).expect("a valid story").plan
}

/// Lock-days: a lock for a day with a read of it every ten minutes, judged and hashed, and without the judge.
fn simulator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fleet, lock-hours");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    for (locks, hours) in [(1, 720), (1_000, 24), (1_000, 2), (50_000, 2)] {
        let plan = fleet(locks, hours);
        for (name, unjudged) in [("judged", false), ("unjudged", true)] {
            let options = Options { unjudged, ..Options::default() };
            group.throughput(Throughput::Elements((locks * hours) as u64));
            group.bench_function(BenchmarkId::new(name, format!("{locks} locks for {hours} h")), |bencher| {
                bencher.iter(|| run(black_box(&plan), &Reference::new(), options));
            });
        }
    }
    group.finish();
}

/// The same world with as many writes as the locks take: what happens besides reads.
fn busy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("productive events");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    let plan = keyway_sim::generate::plan_of_seed(42);
    let options = Options::default();
    group.throughput(Throughput::Elements(run(&plan, &Reference::new(), options).figures.productive));
    group.bench_function("seed 42", |bencher| bencher.iter(|| run(black_box(&plan), &Reference::new(), options)));
    let plan = fleet(1_000, 24);
    group.throughput(Throughput::Elements(run(&plan, &Reference::new(), options).figures.productive));
    group.bench_function("fleet of 1,000", |bencher| bencher.iter(|| run(black_box(&plan), &Reference::new(), options)));
    group.finish();
}

fn many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("many plans");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(100));
    for threads in [1, 2] {
        let order = Order { threads: Some(threads), ..Order::of(0..100) };
        group.bench_function(BenchmarkId::new("sweep of 100 seeds, threads", threads), |bencher| {
            bencher.iter(|| sweep(&order, Arc::new(Reference::new()), &mut |_| {}));
        });
    }
    group.throughput(Throughput::Elements(1));
    let mut bytes = vec![0_u8, 2, 0, 0, 1, 0, 0, 0];
    for (n, tag) in [0_u8, 1, 2, 5, 4, 3, 8].into_iter().enumerate() {
        bytes.extend([tag, 0, 10 * n as u8, 0, 71, 7, 6, 0]);
    }
    group.bench_function("lifecycle of 64 bytes", |bencher| {
        bencher.iter(|| lifecycle(black_box(&bytes)));
    });
    let mut plan = fleet(4, 24);
    plan.expect = serde_json::from_value(json!({ "end": { "codes": { "L1-0": "set" } } })).expect("expectations");
    let find = |plan: &Plan| run(plan, &Reference::new(), Options::default()).finding;
    group.bench_function("shrink a wish that nobody can meet", |bencher| {
        let budget = Budget { runs: 400, time: Duration::from_mins(1) };
        bencher.iter(|| shrink(&plan, budget, &find, &mut |_| true).expect("it fails"));
    });
    group.finish();
}

criterion_group!(benches, agenda, simulator, busy, many);
criterion_main!(benches);
