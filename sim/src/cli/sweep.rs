//! `keyway sweep` runs the seeds, keeps what failed and prints the sum; `keyway merge` prints that of several shares.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::run::{FINDINGS, unwritten};
use super::small::{Made, Making, name_of};
use super::{Merge, Progress, Refused, Sweep, Told, complain, counted, interrupt, program, remark, say, text_of, worded};
use crate::plan::Plan;
use crate::report::ci::Case;
use crate::run::Options;
use crate::scenario;
use crate::shrink::{Budget, Shrunk};
use crate::sweep::{Accepted, BadLine, Group, Order, Shared, Summary, Swept, sweep as run_all};
use crate::verdict::Verdict;
use crate::watch::{is_one_given_up, run_watched};

/// Runs what the command line says; the gravest verdict.
pub fn sweep(arguments: &Sweep, controllers: &Shared) -> Verdict {
    swept(arguments, controllers).unwrap_or_else(|refused| complain(&refused))
}

fn swept(arguments: &Sweep, controllers: &Shared) -> Result<Verdict, Refused> {
    let accepted = accepted(&arguments.told)?;
    arguments.told.for_ci.check()?;
    if let Some(path) = &arguments.out {
        // Better told now than after hours.
        scenario::writable(path).map_err(|wrong| unwritten(path, &wrong))?;
    }
    let order = Order {
        draw: arguments.narrowed.draw(),
        share: arguments.shard,
        threads: arguments.threads,
        findings: Some(Path::new(FINDINGS).to_owned()),
        budget: arguments.budget,
        stuck_after: arguments.under_test.stuck_after(),
        stop: interrupt::flag(),
        ..Order::of(arguments.seeds.clone())
    };
    let began = Instant::now();
    let mut bar = Progress::of(order.share.size(&order.seeds), "seeds").within(order.budget);
    let (swept, lost) = run_all(&order, Arc::clone(controllers), &mut |progress| {
        let (findings, kinds) = (counted(progress.failed as usize, "finding", "findings"), counted(progress.kinds, "kind", "kinds"));
        bar.done_and(progress.done, || if progress.failed == 0 { String::new() } else { format!(", {findings} of {kinds}") });
    });
    bar.end();
    let took_ms = began.elapsed().as_millis().max(1) as u64;
    // What makes a seed fail again: which worlds it stands for, and who is tested.
    let words = format!("{}{}", order.draw.words(), arguments.under_test.words());
    for (seed, why) in &lost {
        remark(&format!(
            "error: the plan of seed {seed} could not be written to {why}; {} run seed:{seed}{words} runs it again\n",
            program(),
        ));
    }
    let verdict = tell(&swept, &accepted, &arguments.told, arguments.out.as_deref(), &words)?;
    if !arguments.told.json {
        remark(&format!("{} s, {} seeds a second\n", took_ms / 1_000, swept.tally.ran * 1_000 / took_ms));
    }
    if !arguments.no_shrink {
        let lines = shrink_all(&swept, &accepted, controllers, &order, &words);
        lines.iter().map(String::as_str).for_each(remark);
    }
    Ok(verdict)
}

/// Plans that are run to make one finding small.
const SHRINK_RUNS: u64 = 400;
/// Time that making one finding small may take.
const SHRINK_TIME: Duration = Duration::from_secs(5);

/// No finding is begun after so long; what is left can be made small by hand.
const SHRINK_ALL_TIME: Duration = Duration::from_mins(1);

/// Writes a small story for each new kind of finding, beside the plan that failed; the most frequent ones first. What is worth to be told.
fn shrink_all(swept: &Swept, accepted: &Accepted, controllers: &Shared, order: &Order, words: &str) -> Vec<String> {
    let ends_at = Instant::now() + SHRINK_ALL_TIME;
    // A step that never ends would have to be waited for in each try; runs that differ have no smaller story that can be trusted.
    let is_shrinkable =
        |group: &&Group| !matches!(group.verdict, Verdict::Stuck | Verdict::NonDeterminism) && !accepted.has(&group.fingerprint);
    let groups = Summary::of(swept, accepted).findings;
    let groups: Vec<&Group> = groups.iter().filter(is_shrinkable).collect();
    let (bar, done) = (Mutex::new(Progress::of(groups.len() as u64, "findings made small")), AtomicU64::new(0));
    let one = |group: &&Group| {
        let seed = group.first_seed;
        let line = if order.stop.load(Ordering::Relaxed) || is_one_given_up() || Instant::now() >= ends_at {
            format!("seed {seed}: not made small; {} shrink seed:{seed}{words} does it\n", program())
        } else {
            shrink_one(group, controllers, order)?
        };
        if let Ok(mut bar) = bar.lock() {
            bar.done(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Some(line)
    };
    let told = groups.par_iter().with_max_len(1).filter_map(one).collect();
    if let Ok(bar) = bar.into_inner() {
        bar.end();
    }
    told
}

fn shrink_one(group: &Group, controllers: &Shared, order: &Order) -> Option<String> {
    let plan = order.draw.plan(group.first_seed);
    let find = |plan: &Plan| run_watched(plan, controllers, Options::default(), order.stuck_after).finding;
    let finding = find(&plan).filter(|finding| finding.fingerprint == group.fingerprint)?;
    let name = name_of(&plan, &finding)?;
    let path = order.findings.as_ref()?.join(format!("{name}.json"));
    let budget = Budget { runs: SHRINK_RUNS, time: SHRINK_TIME };
    let log = Some(path.with_extension("steps.jsonl"));
    let making = Making { plan: &plan, finding: &finding, name: &name, path: &path, log, budget, stop: Arc::clone(&order.stop) };
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
    let words = merged.draw.words();
    tell(&merged, &accepted, &arguments.told, arguments.out.as_deref(), &words)
}

fn accepted(told: &Told) -> Result<Accepted, Refused> {
    let Some(path) = &told.accept else { return Ok(Accepted::default()) };
    Accepted::from_lines(&text_of(path)?).map_err(|bad| refused(path, &bad))
}

pub(super) fn refused(path: &Path, bad: &BadLine) -> Refused {
    let BadLine { line, column, message } = bad;
    let help = Some("expected what `keyway sweep` wrote with `--out`, or for `--accept` fingerprints, one a line".to_owned());
    Refused::Word { message: format!("{}:{line}:{column}: {message}", path.display()), help }
}

/// Prints the sum and writes it; the verdict.
fn tell(swept: &Swept, accepted: &Accepted, told: &Told, out: Option<&Path>, words: &str) -> Result<Verdict, Refused> {
    let summary = Summary::of(swept, accepted);
    if told.for_ci.is_wanted() {
        told.for_ci.write("sweep", &cases(&summary, words))?;
    }
    if told.json {
        say(&(serde_json::to_string(&summary).unwrap_or_default() + "\n"));
    } else {
        let first = summary.findings.first();
        let first =
            first.map_or(String::new(), |group| format!("\n{} run seed:{}{words} shows the first one", program(), group.first_seed));
        say(&format!("{summary}{first}\n"));
    }
    if let Some(path) = out {
        scenario::write(path, &swept.to_lines()).map_err(|wrong| unwritten(path, &wrong))?;
    }
    Ok(summary.verdict)
}

/// The sweep as a whole, and each kind of finding that is not accepted.
fn cases(summary: &Summary, words: &str) -> Vec<Case> {
    let program = program();
    let Range { start, end } = summary.seeds;
    let whole = Case {
        name: format!("seeds {start}..{end}"),
        file: None,
        // What was found fails by itself, below.
        verdict: if summary.verdict == Verdict::Vacuous { Verdict::Vacuous } else { Verdict::Pass },
        violations: Vec::new(),
        count: None,
        replay: format!("{program} sweep --seeds {start}..{end}{words}"),
        page: summary.to_string(),
    };
    let found = summary.findings.iter().filter(|group| !summary.accepted.contains(&group.fingerprint)).map(|group| Case {
        name: group.fingerprint.clone(),
        verdict: group.verdict,
        violations: group.violations.clone(),
        count: Some(group.count),
        replay: format!("{program} run seed:{}{words}", group.first_seed),
        page: String::new(),
        ..whole.clone()
    });
    std::iter::once(whole.clone()).chain(found).collect()
}

#[cfg(test)]
mod tests {
    use keyway_core::config::Config;
    use keyway_core::controller::{Controller, Controllers};
    use keyway_core::time::Timestamp;

    use super::*;
    use crate::mutant::{Mutant, mutant};

    /// A mutant that threads can share.
    struct Mutated(Mutant);

    impl Controllers for Mutated {
        fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
            self.0.controllers().start(now, config, durable)
        }
    }

    #[test]
    fn a_finding_becomes_small_by_itself_and_fails_as_before() {
        let mutant = mutant("counts-pins").expect("a mutant of ours");
        let folder = tempfile::tempdir().unwrap();
        let order = Order { findings: Some(folder.path().to_owned()), ..Order::of(0..40) };
        let controllers: Shared = Arc::new(Mutated(mutant));
        let (mut swept, _) = run_all(&order, Arc::clone(&controllers), &mut |_| ());
        let (fingerprint, group) = swept.tally.groups.pop_first().expect("a mutant of ours is found");
        let seed = group.first_seed;
        swept.tally.groups = [(fingerprint.clone(), group)].into();
        let told = shrink_all(&swept, &Accepted::default(), &controllers, &order, "");
        assert!(told.len() == 1 && told[0].starts_with(&format!("seed {seed}: ")), "{told:?}");
        let path = Path::new(told[0].trim_end().rsplit(": ").next().unwrap());
        let small = scenario::read(path).unwrap().remove(0);
        assert_eq!(Some(small.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
        let again = run_watched(&small, &controllers, Options::default(), order.stuck_after).finding.unwrap();
        assert_eq!(again.fingerprint, fingerprint);
        // The plan as it was, and each step, are still there.
        let log = std::fs::read_to_string(path.with_extension("steps.jsonl")).unwrap();
        assert!(folder.path().join(format!("seed-{seed}.json")).exists() && log.contains("is_necessary"), "{log}");
        let accepted = Accepted::from_lines(&fingerprint).unwrap();
        assert!(shrink_all(&swept, &accepted, &controllers, &order, "").is_empty());
        order.stop.store(true, Ordering::Relaxed);
        assert!(shrink_all(&swept, &Accepted::default(), &controllers, &order, "")[0].contains("not made small"));
    }
}
