//! Runs a plan again: the same plan must give the same bytes.

use keyway_core::controller::Controllers;
use keyway_core::time::Timestamp;

use crate::marks::DETERMINISM;
use crate::occurrence::Occurrence;
use crate::panics::{LastWords, hushed};
use crate::plan::Plan;
use crate::run::{Options, Outcome, run};
use crate::verdict::{Finding, Verdict, Violation};

/// Runs a plan again; a finding if it comes to anything else. The error is a panic.
pub fn compare(plan: &Plan, first: &Outcome, controllers: &dyn Controllers) -> Result<Option<Finding>, LastWords> {
    let again = |options| hushed(|| run(plan, controllers, options));
    let second = again(Options::default())?;
    if second.hash == first.hash {
        return Ok(None);
    }
    let logged = Options { keep_log: true, ..Options::default() };
    let what = match (again(logged), again(logged)) {
        (Ok(one), Ok(other)) => first_difference(&one.log, &other.log),
        _ => None,
    };
    let (at, what) = what.unwrap_or_else(|| {
        let hashes = format!("two runs of one plan came to the hashes {:032x} and {:032x}", first.hash, second.hash);
        (plan.start.0, hashes)
    });
    let violation = Violation { id: DETERMINISM.into(), at, what, roles: String::new() };
    let fingerprint = format!("{}|{DETERMINISM}", Verdict::NonDeterminism);
    Ok(Some(Finding { verdict: Verdict::NonDeterminism, violations: vec![violation], fingerprint }))
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
