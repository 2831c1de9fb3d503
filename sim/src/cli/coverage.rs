//! `keyway coverage`: runs the stories and prints what they raised and cleared, and which story was the first to do so.

use std::path::Path;

use super::target::files;
use super::{Coverage, Engine, Progress, Refused, part, say};
use crate::coverage::Coverage as Table;
use crate::run::Options;
use crate::scenario;
use crate::verdict::Verdict;

/// Where the scenarios of this repository lie.
const SCENARIOS: &str = "scenarios";

/// Runs them all and prints the table.
pub(super) fn coverage(engine: Engine, arguments: &Coverage) -> Result<Verdict, Refused> {
    let run = part(engine.run, "run")?;
    let mut words = arguments.scenarios.clone();
    if words.is_empty() && Path::new(SCENARIOS).is_dir() {
        words.push(SCENARIOS.to_owned());
    }
    let mut stories = Vec::new();
    for file in files(&words)? {
        stories.extend(scenario::read(&file)?);
    }
    let mut table = Table::default();
    let mut progress = Progress::of(stories.len() as u64, "stories");
    for (number, plan) in stories.iter().enumerate() {
        table.take(plan, &run(plan, Options { keep_log: true, unjudged: true }));
        progress.done(number as u64 + 1);
    }
    progress.end();
    if arguments.json {
        let lines = table.rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default() + "\n");
        say(&lines.collect::<String>());
    } else {
        say(&format!("{table}\n"));
    }
    Ok(Verdict::Pass)
}
