//! A controller that dies after any single output of any step loses nothing: all invariants hold, and all ends as it would have without.
//!
//! Calls are left out but for their replies, and so are notices: a call that was cut short was never answered, so that what comes of it is open.

use std::collections::BTreeMap;
use std::path::Path;

use keyway_core::id::CodeId;
use keyway_core::platform::Reference;
use keyway_core::port::{OpKind, Place};
use keyway_sim::occurrence::{Change, Lock, Occurrence};
use keyway_sim::plan::{Crash, CrashPoint, Expectations, Plan};
use keyway_sim::plan_text::Span;
use keyway_sim::run::{Options, Outcome, run};
use keyway_sim::scenario::read;
use keyway_sim::verdict::Verdict;
use rayon::prelude::*;

const KINDS: [OpKind; 10] = [
    OpKind::CreateEntry,
    OpKind::ReplaceEntry,
    OpKind::SetSchedule,
    OpKind::DeleteEntry,
    OpKind::SetSlot,
    OpKind::ClearSlot,
    OpKind::ReadEntry,
    OpKind::ReadSlot,
    OpKind::RegisterOffline,
    OpKind::ReadUserLevels,
];
const DOWN_MS: i64 = 1_000;

/// What must not depend on a crash: each code's status and errors, the PINs in each lock, and those that its vendor computed for it.
#[derive(Debug, Default, PartialEq)]
struct End {
    codes: BTreeMap<CodeId, String>,
    pins: BTreeMap<Lock, Vec<String>>,
}

fn end(outcome: &Outcome) -> End {
    let mut end = End::default();
    let mut memory: BTreeMap<(Lock, Place), String> = BTreeMap::new();
    for (_, occurrence) in &outcome.log {
        match occurrence {
            Occurrence::Recorded { code, after: Some(record) } if record.is_managed && !record.is_backup => {
                let errors: Vec<&str> = record.errors.iter().map(|entry| entry.error_code.name()).collect();
                end.codes.insert(*code, format!("{} {errors:?}", record.status));
            }
            Occurrence::Recorded { code, .. } => drop(end.codes.remove(code)),
            Occurrence::Truth { lock, change: Change::Stored { place, entry }, .. } => {
                drop(memory.insert((*lock, *place), entry.pin.to_string()));
            }
            Occurrence::Truth { lock, change: Change::Computed { pin, .. }, .. } => {
                end.pins.entry(*lock).or_default().push(pin.to_string());
            }
            Occurrence::Truth { lock, change: Change::Erased { place }, .. } => drop(memory.remove(&(*lock, *place))),
            _ => {}
        }
    }
    for ((lock, _), pin) in memory {
        end.pins.entry(lock).or_default().push(pin);
    }
    end.pins.values_mut().for_each(|pins| pins.sort());
    end
}

fn outcome(plan: &Plan, when: Option<CrashPoint>) -> Outcome {
    let mut plan = plan.clone();
    plan.crashes.extend(when.map(|when| Crash { when, down: Span(DOWN_MS) }));
    run(&plan, &Reference::new(), Options { keep_log: true, ..Options::default() })
}

/// What went wrong in one story, and how many crashes it was put through.
#[derive(Default)]
struct Tally {
    crashes: u64,
    wrong: Vec<String>,
}

impl Tally {
    /// Crashes at one kind of point, from its first occurrence to its last and after each output there.
    fn crash_at_each(&mut self, plan: &Plan, plain: &Outcome, wanted: &End, point: &dyn Fn(u32, u32) -> CrashPoint) {
        for nth in 0.. {
            for outputs in 0.. {
                let crashed = outcome(plan, Some(point(nth, outputs)));
                if crashed.figures.crashes == plain.figures.crashes {
                    return;
                }
                self.crashes += 1;
                let what = || format!("{} with {:?}", plan.name, point(nth, outputs));
                if crashed.verdict != Verdict::Pass {
                    self.wrong.push(format!("{}: {:?}", what(), crashed.finding.as_ref().map(|finding| &finding.violations)));
                } else if end(&crashed) != *wanted {
                    self.wrong.push(format!("{}: ends with {:?}, not {wanted:?}", what(), end(&crashed)));
                }
                if crashed.figures.crashes_inside == plain.figures.crashes_inside {
                    break; // After the step's last output.
                }
            }
        }
    }
}

fn crash_anywhere(mut plan: Plan) -> Tally {
    // What a story counts and times is its own; what must hold of every run is asked here.
    plan.expect = Expectations::default();
    let plain = outcome(&plan, None);
    let mut tally = Tally::default();
    if plain.verdict != Verdict::Pass {
        return tally; // A story that is about a verdict.
    }
    let wanted = end(&plain);
    tally.crash_at_each(&plan, &plain, &wanted, &|nth, outputs| CrashPoint::InWake { nth, outputs });
    for device in &plan.devices {
        for command in KINDS {
            let on = &device.name;
            tally.crash_at_each(&plan, &plain, &wanted, &|nth, outputs| CrashPoint::InAnswer { on: on.clone(), command, nth, outputs });
        }
    }
    tally
}

fn survives_a_crash_anywhere(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(folder);
    let entries = folder.read_dir().expect("a folder of scenarios").map(|entry| entry.expect("an entry").path());
    let files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    let plans = files.par_iter().flat_map(|file| read(file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))));
    let tallies: Vec<Tally> = plans.map(crash_anywhere).collect();
    let wrong: Vec<&String> = tallies.iter().flat_map(|tally| &tally.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let crashes: u64 = tallies.iter().map(|tally| tally.crashes).sum();
    assert!(crashes > 100, "only {crashes} crashes in {}", folder.display());
}

#[test]
fn the_happy_stories_survive_a_crash_anywhere() {
    survives_a_crash_anywhere("happy");
}

#[test]
fn the_guest_stories_survive_a_crash_anywhere() {
    survives_a_crash_anywhere("guest");
}

#[test]
fn the_stories_of_a_life_survive_a_crash_anywhere() {
    survives_a_crash_anywhere("life");
}
