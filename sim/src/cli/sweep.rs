//! `keyway sweep`: runs the seeds, keeps what failed, prints the sum.

use std::path::Path;
use std::sync::Mutex;

use keyway_core::controller::Controllers;

use super::run::FINDINGS;
use super::{Progress, Sweep, say};
use crate::sweep::{Order, sweep as run_all};
use crate::verdict::Verdict;

/// Runs what the command line says; the gravest verdict.
pub fn sweep(arguments: &Sweep, controllers: &dyn Controllers) -> Verdict {
    let order = Order { seeds: arguments.seeds.clone(), threads: arguments.threads, findings: Some(Path::new(FINDINGS)) };
    let bar = Mutex::new(Progress::of(arguments.seeds.end - arguments.seeds.start, "seeds"));
    // Whoever finds the bar taken goes on working; the next one brings it up to date.
    let summary = run_all(&order, controllers, &|progress| {
        if let Ok(mut bar) = bar.try_lock() {
            bar.done(progress.done);
        }
    });
    if let Ok(bar) = bar.into_inner() {
        bar.end();
    }
    if arguments.json {
        say(&(serde_json::to_string(&summary).unwrap_or_default() + "\n"));
    } else {
        let first = summary
            .findings
            .first()
            .map_or(String::new(), |group| format!("\nkeyway run {FINDINGS}/seed-{}.json shows the first one", group.first_seed));
        say(&format!("{summary}{first}\n"));
    }
    summary.verdict
}
