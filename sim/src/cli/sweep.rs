//! `keyway sweep`: runs the seeds, keeps what failed, prints the sum.

use std::path::Path;
use std::time::Instant;

use super::run::{FINDINGS, unwritten};
use super::{Progress, Refused, Sweep, complain, counted, interrupt, remark, say};
use crate::scenario;
use crate::sweep::{Order, Share, Shared, Summary, sweep as run_all};
use crate::verdict::Verdict;

/// Runs what the command line says; the gravest verdict.
pub fn sweep(arguments: &Sweep, controllers: Shared) -> Verdict {
    swept(arguments, controllers).unwrap_or_else(|refused| complain(&refused))
}

fn swept(arguments: &Sweep, controllers: Shared) -> Result<Verdict, Refused> {
    if let Some(path) = &arguments.out {
        // Better told now than after hours.
        scenario::writable(path).map_err(|wrong| unwritten(path, &wrong))?;
    }
    let order = Order {
        threads: arguments.threads,
        findings: Some(Path::new(FINDINGS).to_owned()),
        budget: arguments.budget,
        stuck_after: arguments.stuck_after,
        stop: interrupt::flag(),
        ..Order::of(arguments.seeds.clone())
    };
    let began = Instant::now();
    let mut bar = Progress::of(Share::ALL.size(&order.seeds), "seeds").within(order.budget);
    let (swept, lost) = run_all(&order, controllers, &mut |progress| {
        bar.done_and(progress.done, || {
            format!("{} of {}, ", counted(progress.failed as usize, "finding", "findings"), counted(progress.kinds, "kind", "kinds"))
        });
    });
    bar.end();
    let took_ms = began.elapsed().as_millis().max(1) as u64;
    let summary = Summary::of(&swept);
    if arguments.json {
        say(&(serde_json::to_string(&summary).unwrap_or_default() + "\n"));
    } else {
        let first = summary
            .findings
            .first()
            .map_or(String::new(), |group| format!("\nkeyway run {FINDINGS}/seed-{}.json shows the first one", group.first_seed));
        say(&format!("{summary}{first}\n"));
        remark(&format!("{} s, {} seeds a second\n", took_ms / 1_000, swept.tally.ran * 1_000 / took_ms));
    }
    for (seed, why) in &lost {
        remark(&format!("error: the plan of seed {seed} could not be written to {why}; keyway run seed:{seed} runs it again\n"));
    }
    if let Some(path) = &arguments.out {
        scenario::write(path, &swept.to_lines()).map_err(|wrong| unwritten(path, &wrong))?;
    }
    Ok(summary.verdict)
}
