//! `keyway sweep` runs the seeds, keeps what failed and prints the sum; `keyway merge` prints that of several shares.

use std::path::Path;
use std::time::Instant;

use super::run::{FINDINGS, unwritten};
use super::{Merge, Progress, Refused, Sweep, Told, complain, counted, interrupt, remark, say, text_of};
use crate::scenario;
use crate::sweep::{Accepted, BadLine, Order, Shared, Summary, Swept, sweep as run_all};
use crate::verdict::Verdict;

/// Runs what the command line says; the gravest verdict.
pub fn sweep(arguments: &Sweep, controllers: Shared) -> Verdict {
    swept(arguments, controllers).unwrap_or_else(|refused| complain(&refused))
}

fn swept(arguments: &Sweep, controllers: Shared) -> Result<Verdict, Refused> {
    let accepted = accepted(&arguments.told)?;
    if let Some(path) = &arguments.out {
        // Better told now than after hours.
        scenario::writable(path).map_err(|wrong| unwritten(path, &wrong))?;
    }
    let order = Order {
        share: arguments.shard,
        threads: arguments.threads,
        findings: Some(Path::new(FINDINGS).to_owned()),
        budget: arguments.budget,
        stuck_after: arguments.stuck_after,
        stop: interrupt::flag(),
        ..Order::of(arguments.seeds.clone())
    };
    let began = Instant::now();
    let mut bar = Progress::of(order.share.size(&order.seeds), "seeds").within(order.budget);
    let (swept, lost) = run_all(&order, controllers, &mut |progress| {
        let (findings, kinds) = (counted(progress.failed as usize, "finding", "findings"), counted(progress.kinds, "kind", "kinds"));
        bar.done_and(progress.done, || format!("{findings} of {kinds}, "));
    });
    bar.end();
    let took_ms = began.elapsed().as_millis().max(1) as u64;
    for (seed, why) in &lost {
        remark(&format!("error: the plan of seed {seed} could not be written to {why}; keyway run seed:{seed} runs it again\n"));
    }
    let verdict = tell(&swept, &accepted, &arguments.told, arguments.out.as_deref())?;
    if !arguments.told.json {
        remark(&format!("{} s, {} seeds a second\n", took_ms / 1_000, swept.tally.ran * 1_000 / took_ms));
    }
    Ok(verdict)
}

/// Joins what the command line says.
pub fn merge(arguments: &Merge) -> Result<Verdict, Refused> {
    let accepted = accepted(&arguments.told)?;
    let mut shares = Vec::new();
    for path in &arguments.files {
        let share = Swept::from_lines(&text_of(path)?).map_err(|bad| refused(path, &bad))?;
        shares.push((path.display().to_string(), share));
    }
    let merged = Swept::merged(shares).map_err(|message| {
        let help = Some("expected what `keyway sweep --shard I/N --out FILE` has written, once for each I".to_owned());
        Refused::Word { message, help }
    })?;
    tell(&merged, &accepted, &arguments.told, arguments.out.as_deref())
}

fn accepted(told: &Told) -> Result<Accepted, Refused> {
    let Some(path) = &told.accept else { return Ok(Accepted::default()) };
    Accepted::from_lines(&text_of(path)?).map_err(|bad| refused(path, &bad))
}

fn refused(path: &Path, bad: &BadLine) -> Refused {
    let BadLine { line, column, message } = bad;
    Refused::Word { message: format!("{}:{line}:{column}: {message}", path.display()), help: None }
}

/// Prints the sum and writes it; the verdict.
fn tell(swept: &Swept, accepted: &Accepted, told: &Told, out: Option<&Path>) -> Result<Verdict, Refused> {
    let summary = Summary::of(swept, accepted);
    if told.json {
        say(&(serde_json::to_string(&summary).unwrap_or_default() + "\n"));
    } else {
        let first = summary.findings.first();
        let first = first.map_or(String::new(), |group| format!("\nkeyway run seed:{} shows the first one", group.first_seed));
        say(&format!("{summary}{first}\n"));
    }
    if let Some(path) = out {
        scenario::write(path, &swept.to_lines()).map_err(|wrong| unwritten(path, &wrong))?;
    }
    Ok(summary.verdict)
}
