//! Runs a plan again: the same plan must give the same bytes.

use std::thread;

use keyway_core::controller::Controllers;
use keyway_core::time::Timestamp;

use crate::marks::{DETERMINISM, SURROUNDINGS};
use crate::occurrence::Occurrence;
use crate::panics::{LastWords, hushed};
use crate::plan::Plan;
use crate::run::{Options, Outcome, run};
use crate::verdict::{Finding, Verdict, Violation};

/// Runs a plan twice more; a finding if it comes to anything else. The error is a panic.
///
/// The first time nothing is changed (`I-DET-01`). The second time all is changed that a step must not read (`I-DET-02`): it runs later, on a thread of its own, which has
/// other keys for its hash maps, and in a heap that is laid out otherwise. What no such run shows, such as a clock that is read and not used, can't be seen from here;
/// that core itself can't read any of it is the compiler's word, since it is `no_std`.
pub fn compare(plan: &Plan, first: &Outcome, controllers: &dyn Controllers) -> Result<Option<Finding>, LastWords> {
    let again = |options| hushed(|| run(plan, controllers, options));
    let logged = Options { keep_log: true, ..Options::default() };
    let second = again(Options::default())?;
    if second.hash != first.hash {
        let logs = again(logged).ok().zip(again(logged).ok());
        return Ok(Some(finding(plan, DETERMINISM, [first, &second], logs)));
    }
    let third = elsewhere(plan, controllers, Options::default())?;
    if third.hash != first.hash {
        let logs = again(logged).ok().zip(elsewhere(plan, controllers, logged).ok());
        return Ok(Some(finding(plan, SURROUNDINGS, [first, &third], logs)));
    }
    Ok(None)
}

/// Runs a plan in other surroundings.
fn elsewhere(plan: &Plan, controllers: &dyn Controllers, options: Options) -> Result<Outcome, LastWords> {
    let run = || {
        let displaced: Vec<Vec<u8>> = (1..64).map(|n| vec![0; n * 37]).collect();
        let outcome = hushed(|| run(plan, controllers, options));
        drop(std::hint::black_box(displaced));
        outcome
    };
    thread::scope(|scope| scope.spawn(run).join().expect("what panics in a run is caught there"))
}

fn finding(plan: &Plan, id: &str, runs: [&Outcome; 2], logs: Option<(Outcome, Outcome)>) -> Finding {
    let what = logs.and_then(|(one, other)| first_difference(&one.log, &other.log));
    let (at, what) = what.unwrap_or_else(|| {
        let hashes = format!("two runs of one plan came to the hashes {:032x} and {:032x}", runs[0].hash, runs[1].hash);
        (plan.start.0, hashes)
    });
    let violation = Violation { id: id.into(), at, what, roles: String::new() };
    let fingerprint = format!("{}|{id}", Verdict::NonDeterminism);
    Finding { verdict: Verdict::NonDeterminism, violations: vec![violation], fingerprint }
}

/// The first occurrence in which two logs differ, in words.
fn first_difference(one: &[(Timestamp, Occurrence)], other: &[(Timestamp, Occurrence)]) -> Option<(Timestamp, String)> {
    let nth = (0..one.len().max(other.len())).find(|nth| one.get(*nth) != other.get(*nth))?;
    let told = |log: &[(Timestamp, Occurrence)]| match log.get(nth) {
        Some((at, occurrence)) => format!("{at} {}", serde_json::to_string(occurrence).unwrap_or_default()),
        None => "nothing more".to_owned(),
    };
    let at = one.get(nth).or(other.get(nth)).map_or(Timestamp::MIN, |(at, _)| *at);
    Some((at, format!("occurrence {nth} differs between two runs of one plan: {} and {}", told(one), told(other))))
}
