//! `keyway coverage --seeds`: how often each checker had something to judge in a sweep, and what the worlds of its seeds had in them.

use std::ops::Range;

use super::{Coverage, Progress, counted, interrupt, remark, say};
use crate::marks::{REQUIRED_FROM, missing, required};
use crate::sweep::{Ended, Hits, Order, Shared, sweep};
use crate::verdict::Verdict;

/// Runs the seeds and prints the marks; a required one that a big sweep missed has a verdict of its own.
pub fn marks(seeds: &Range<u64>, arguments: &Coverage, controllers: Shared) -> Verdict {
    let order = Order {
        draw: arguments.narrowed.draw(),
        threads: arguments.threads,
        budget: arguments.budget,
        stop: interrupt::flag(),
        ..Order::of(seeds.clone())
    };
    let mut bar = Progress::of(order.share.size(&order.seeds), "seeds").within(order.budget);
    let (swept, _) = sweep(&order, controllers, &mut |progress| bar.done(progress.done));
    bar.end();
    if swept.ended != Ended::Complete {
        remark(&format!("only {} of {} seeds were run\n", swept.tally.ran, order.share.size(&order.seeds)));
    }
    let tally = &swept.tally;
    let mut names: Vec<&str> = required();
    let others: Vec<&str> = tally.marks.keys().map(String::as_str).filter(|mark| !names.contains(mark)).collect();
    let required_count = names.len();
    names.extend(others);
    let hits = |name: &str| tally.marks.get(name).copied().unwrap_or_default();
    let mut lines = Vec::new();
    if !arguments.json {
        lines.push(format!("{}; * marks what a sweep of {REQUIRED_FROM} must hit\n", counted(tally.ran as usize, "seed", "seeds")));
        lines.push(format!("  {:<28} {:>9} {:>8} {:>12}", "mark", "seeds", "percent", "times"));
    }
    for (n, name) in names.iter().enumerate() {
        let Hits { seeds, times } = hits(name);
        if arguments.json {
            let line = serde_json::json!({ "mark": name, "required": n < required_count, "seeds": seeds, "times": times, "of": tally.ran });
            lines.push(line.to_string());
        } else {
            let star = if n < required_count { '*' } else { ' ' };
            let permille = seeds * 1_000 / tally.ran.max(1);
            lines.push(format!("{star} {name:<28} {seeds:>9} {:>6}.{} {times:>12}", permille / 10, permille % 10));
        }
    }
    let missing = missing(&tally.marks);
    if !arguments.json && !missing.is_empty() {
        lines.push(format!("\nmissing: {}", missing.join(", ")));
    }
    say(&(lines.join("\n") + "\n"));
    if tally.ran >= REQUIRED_FROM && !missing.is_empty() { Verdict::Vacuous } else { Verdict::Pass }
}
