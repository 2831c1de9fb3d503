//! `keyway mutants`: hunts the broken controllers and prints the scoreboard.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::target::files;
use super::{Mutants, Progress, Refused, complain, interrupt, remark, say};
use crate::mutant::{Budget, mutants as all, scoreboard};
use crate::plan::Plan;
use crate::scenario;
use crate::verdict::Verdict;

/// Where the scenarios of this repository lie.
const SCENARIOS: &str = "scenarios";

/// Hunts them all; a survivor has a verdict of its own.
pub fn mutants(arguments: &Mutants) -> Verdict {
    let stories = match stories(&arguments.scenarios) {
        Ok(stories) => stories,
        Err(refused) => return complain(&refused),
    };
    let budget = Budget { seeds: arguments.seeds, time: Duration::from_secs(arguments.seconds) };
    let (bar, done) = (Mutex::new(Progress::of(all().len() as u64, "mutants")), AtomicU64::new(0));
    let stop = interrupt::flag();
    let board = scoreboard(budget, &stories, &stop, &|_| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Ok(mut bar) = bar.lock() {
            bar.done(done);
        }
    });
    if let Ok(bar) = bar.into_inner() {
        bar.end();
    }
    let text = if arguments.json { serde_json::to_string(&board).unwrap_or_default() } else { board.to_string() };
    say(&(text + "\n"));
    let is_cut_short = board.rows.len() < all().len();
    if is_cut_short {
        remark(&format!("only {} of {} mutants were hunted to the end: it was stopped\n", board.rows.len(), all().len()));
    }
    if !board.survivors().is_empty() {
        return Verdict::Survivor;
    }
    if is_cut_short {
        interrupt::end();
    }
    Verdict::Pass
}

/// The stories of these files and folders; without any, those of `scenarios`.
pub(super) fn stories(words: &[String]) -> Result<Vec<Plan>, Refused> {
    let mut words = words.to_vec();
    if words.is_empty() && Path::new(SCENARIOS).is_dir() {
        words.push(SCENARIOS.to_owned());
    }
    let mut stories = Vec::new();
    for file in files(&words)? {
        stories.extend(scenario::read(&file)?);
    }
    Ok(stories)
}
