//! Which mutant is caught by what, after how many runs and how much time of one core.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cpu_time::ThreadTime;
use keyway_core::controller::Controllers;
use keyway_core::platform::Reference;
use rayon::prelude::*;
use serde::Serialize;

use super::{Mutant, mutants};
use crate::generate::plan_of_seed;
use crate::panics::{hush_panics, hushed};
use crate::plan::Plan;
use crate::run::{Options, run};
use crate::verdict::Finding;

/// How long a mutant is hunted by the sweep before it counts as a survivor.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Seeds, from 0.
    pub seeds: u64,
    /// Time of one core.
    pub time: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { seeds: 20_000, time: Duration::from_mins(1) }
    }
}

/// The first run that caught a mutant by an invariant that names what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caught {
    /// The name of the plan.
    pub plan: String,
    /// The invariant.
    pub id: String,
    /// Runs up to this one.
    pub runs: u64,
    /// Milliseconds of one core up to this one.
    pub cpu_ms: u64,
}

/// What became of one mutant.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub mutant: &'static str,
    /// What it does wrong.
    pub about: &'static str,
    /// The field case whose naive controller it is.
    pub naive_of: Option<&'static str>,
    /// Caught by a scenario.
    pub by_scenario: Option<Caught>,
    /// Caught by the sweep alone.
    pub by_sweep: Option<Caught>,
    /// Seeds that the sweep ran.
    pub seeds_run: u64,
    /// What else the sweep saw before: ids of invariants that name something else.
    pub seen_else: Vec<String>,
}

impl Row {
    /// Whether nothing that counts caught it: the sweep, or the story of the case whose naive controller it is.
    #[must_use]
    pub fn survived(&self) -> bool {
        let by_story = self.naive_of.is_some() && self.by_scenario.is_some();
        self.by_sweep.is_none() && !by_story
    }
}

/// All rows, in the order of the mutants.
#[derive(Clone, Debug, Serialize)]
pub struct Scoreboard {
    /// The rows.
    pub rows: Vec<Row>,
}

impl Scoreboard {
    /// The mutants that the sweep did not catch.
    #[must_use]
    pub fn survivors(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| row.survived()).map(|row| row.mutant).collect()
    }
}

/// Runs each mutant against the scenarios and then against seeds from 0 on. `progress` is told of each mutant that is done; once `stop` is raised,
/// those that were not caught yet have no row.
#[must_use]
pub fn scoreboard(budget: Budget, scenarios: &[Plan], stop: &AtomicBool, progress: &(dyn Fn(&Row) + Sync)) -> Scoreboard {
    hush_panics();
    let one = |mutant: Mutant| {
        let row = hunt(mutant, budget, scenarios, stop)?;
        progress(&row);
        Some(row)
    };
    Scoreboard { rows: mutants().into_par_iter().filter_map(one).collect() }
}

fn hunt(mutant: Mutant, budget: Budget, scenarios: &[Plan], stop: &AtomicBool) -> Option<Row> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let mut stories = Hunt::new(mutant);
    // The case that a naive controller is named after must tell; no other story can tell for it.
    let of_case = |plan: &&Plan| mutant.naive_of.is_none() || mutant.is_naive_in(plan);
    let by_scenario = scenarios.iter().filter(of_case).find_map(|plan| stories.try_plan(plan));
    let mut sweep = Hunt::new(mutant);
    let mut by_sweep = None;
    for seed in 0..budget.seeds {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        by_sweep = sweep.try_plan(&plan_of_seed(seed));
        if by_sweep.is_some() || sweep.began.elapsed() > budget.time {
            break;
        }
    }
    Some(Row {
        mutant: mutant.name,
        about: mutant.about,
        naive_of: mutant.naive_of,
        by_scenario,
        by_sweep,
        seeds_run: sweep.runs,
        seen_else: sweep.seen_else,
    })
}

/// The hunt for one mutant; it stays on one thread, whose time it counts.
struct Hunt {
    mutant: Mutant,
    controllers: Box<dyn Controllers>,
    began: ThreadTime,
    runs: u64,
    seen_else: Vec<String>,
}

impl Hunt {
    fn new(mutant: Mutant) -> Self {
        Self { mutant, controllers: mutant.controllers(), began: ThreadTime::now(), runs: 0, seen_else: Vec::new() }
    }

    fn try_plan(&mut self, plan: &Plan) -> Option<Caught> {
        self.runs += 1;
        let outcome = hushed(|| run(plan, self.controllers.as_ref(), Options::default())).ok()?;
        let id = self.right_one(outcome.finding.as_ref()?)?;
        if is_broken_by_reference(plan, &id) {
            return None;
        }
        Some(Caught { plan: plan.name.clone(), id, runs: self.runs, cpu_ms: self.began.elapsed().as_millis() as u64 })
    }

    /// The first broken invariant that names what is wrong with the mutant.
    fn right_one(&mut self, finding: &Finding) -> Option<String> {
        let ids = || finding.violations.iter().map(|violation| &violation.id);
        let right = ids().find(|id| self.mutant.catches.contains(&id.as_str())).cloned();
        if right.is_none() {
            let new: Vec<String> = ids().filter(|id| !self.seen_else.contains(id)).cloned().collect();
            self.seen_else.extend(new);
        }
        right
    }
}

/// Whether the reference breaks the same rule on this plan: then the plan says nothing about a mutant.
fn is_broken_by_reference(plan: &Plan, id: &str) -> bool {
    let outcome = hushed(|| run(plan, &Reference::new(), Options::default()));
    let finding = outcome.ok().and_then(|outcome| outcome.finding);
    finding.is_some_and(|finding| finding.violations.iter().any(|violation| violation.id == id))
}

impl fmt::Display for Scoreboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ids, by) = ("caught by", "first caught by");
        writeln!(f, "{:<29} {ids:<10} {:<37} {by:<15} {:>5} {:>5} {:>9}", "mutant", "in the scenario", "seed", "runs", "cpu")?;
        writeln!(f, "{:<29} {:<10} {:<37} {:<15}", "", "", "", "the sweep alone")?;
        for row in &self.rows {
            let case = row.naive_of.map_or_else(String::new, |case| format!(" {case}"));
            let name = format!("{}{case}", row.mutant);
            let (id, story) = row.by_scenario.as_ref().map_or(("-", "-"), |caught| (&caught.id, &caught.plan));
            let story: String = story.chars().take(37).collect();
            write!(f, "{name:<29} {id:<10} {story:<37} ")?;
            match &row.by_sweep {
                Some(Caught { plan, id, runs, cpu_ms }) => {
                    let seed = plan.trim_start_matches("seed-");
                    writeln!(f, "{id:<15} {seed:>5} {runs:>5} {cpu_ms:>6} ms")?;
                }
                None if !row.survived() => writeln!(f, "by a story alone, in {} seeds by none", row.seeds_run)?,
                None => writeln!(f, "SURVIVED after {} seeds; {}", row.seeds_run, seen(&row.seen_else))?,
            }
        }
        let (caught, all) = (self.rows.iter().filter(|row| row.by_sweep.is_some()).count(), self.rows.len());
        write!(f, "the sweep alone caught {caught} of {all}")
    }
}

fn seen(ids: &[String]) -> String {
    ids.first().map_or_else(|| "saw nothing".to_owned(), |id| format!("saw {id}"))
}
