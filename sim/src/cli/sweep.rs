//! `keyway sweep` runs the seeds, keeps what failed and prints the sum; `keyway merge` prints that of several shares.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::run::{FINDINGS, unwritten};
use super::small::{Made, Making, name_of};
use super::{Merge, Progress, Refused, Sweep, Told, complain, counted, interrupt, remark, say, text_of, worded};
use crate::generate::plan_of_seed;
use crate::panics::finding;
use crate::plan::Plan;
use crate::run::{Options, run};
use crate::scenario;
use crate::shrink::{Budget, Shrunk};
use crate::sweep::{Accepted, BadLine, Group, Order, Shared, Summary, Swept, sweep as run_all};
use crate::verdict::Verdict;

/// Runs what the command line says; the gravest verdict.
pub fn sweep(arguments: &Sweep, controllers: &Shared) -> Verdict {
    swept(arguments, controllers).unwrap_or_else(|refused| complain(&refused))
}

fn swept(arguments: &Sweep, controllers: &Shared) -> Result<Verdict, Refused> {
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
    let (swept, lost) = run_all(&order, Arc::clone(controllers), &mut |progress| {
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
    if !arguments.no_shrink {
        shrink_all(&swept, &accepted, controllers, &order.stop);
    }
    Ok(verdict)
}

/// Plans that are run to make one finding small.
const SHRINK_RUNS: u64 = 400;
/// Time that making one finding small may take.
const SHRINK_TIME: Duration = Duration::from_secs(5);

/// Writes a small story for each new kind of finding, beside the plan that failed.
fn shrink_all(swept: &Swept, accepted: &Accepted, controllers: &Shared, stop: &Arc<AtomicBool>) {
    // A step that never ends would have to be waited for in each try; runs that differ have no smaller story that can be trusted.
    let is_shrinkable =
        |group: &&Group| !matches!(group.verdict, Verdict::Stuck | Verdict::NonDeterminism) && !accepted.has(&group.fingerprint);
    let groups: Vec<&Group> = swept.tally.groups.values().filter(is_shrinkable).collect();
    let (bar, done) = (Mutex::new(Progress::of(groups.len() as u64, "findings to make small")), AtomicU64::new(0));
    let one = |group: &&Group| {
        let told = if stop.load(Ordering::Relaxed) { None } else { shrink_one(group, controllers, stop) };
        if let Ok(mut bar) = bar.lock() {
            bar.done(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
        told
    };
    let told: Vec<String> = groups.par_iter().filter_map(one).collect();
    if let Ok(bar) = bar.into_inner() {
        bar.end();
    }
    for line in told {
        remark(&line);
    }
}

fn shrink_one(group: &Group, controllers: &Shared, stop: &Arc<AtomicBool>) -> Option<String> {
    let plan = plan_of_seed(group.first_seed);
    let find = |plan: &Plan| finding(plan, |plan| run(plan, controllers.as_ref(), Options::default()));
    let finding = find(&plan).filter(|finding| finding.fingerprint == group.fingerprint)?;
    let name = name_of(&plan, &finding)?;
    let path = Path::new(FINDINGS).join(format!("{name}.json"));
    let budget = Budget { runs: SHRINK_RUNS, time: SHRINK_TIME };
    let log = Some(path.with_extension("steps.jsonl"));
    let making = Making { plan: &plan, finding: &finding, name: &name, path: &path, log, budget, stop: Arc::clone(stop) };
    match making.make(&find, None) {
        Ok(made) => made.map(|Made { shrunk: Shrunk { elements_before, elements, .. }, .. }| {
            format!("seed {}: {elements_before} elements down to {elements}: {}\n", group.first_seed, path.display())
        }),
        Err(refused) => Some(worded(&refused)),
    }
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
