//! `keyway coverage`: runs the stories and prints what they raised and cleared, and which story was the first to do so.

use std::sync::atomic::Ordering;

use super::mutants::stories;
use super::{Coverage, Engine, Progress, Refused, STUCK_AFTER, interrupt, part, remark, say};
use crate::coverage::Coverage as Table;
use crate::run::Options;
use crate::verdict::Verdict;

/// Runs them all and prints the table.
pub(super) fn coverage(engine: Engine, arguments: &Coverage) -> Result<Verdict, Refused> {
    let run = part(engine.run, "run")?;
    let stories = stories(&arguments.scenarios)?;
    let mut table = Table::default();
    let mut progress = Progress::of(stories.len() as u64, "stories");
    let (stop, mut ran) = (interrupt::flag(), 0);
    for plan in &stories {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        table.take(plan, &run(plan, Options { keep_log: true, unjudged: true, ..Options::default() }, STUCK_AFTER));
        ran += 1;
        progress.done(ran);
    }
    progress.end();
    if arguments.json {
        let lines = table.rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default() + "\n");
        say(&lines.collect::<String>());
    } else {
        say(&format!("{table}\n"));
    }
    if ran < stories.len() as u64 {
        remark(&format!("only {ran} of {} stories were run: it was stopped\n", stories.len()));
        interrupt::end();
    }
    Ok(Verdict::Pass)
}
