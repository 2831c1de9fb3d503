//! `keyway shrink`: takes a failing story, writes a smaller one with the same finding, and says what its parts are good for.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::run::{FINDINGS, unwritten};
use super::small::{Made, Making, explained, name_of};
use super::target::plan_of_input;
use super::{Engine, Progress, Refused, Shrink, counted, interrupt, part, program, say};
use crate::generate::Draw;
use crate::plan::Plan;
use crate::report::Look;
use crate::run::Options;
use crate::scenario;
use crate::shrink::{Budget, Shrunk};
use crate::verdict::Verdict;
use crate::watch::is_one_given_up;

/// Shrinks what the command line says.
pub fn shrink(engine: Engine, arguments: &Shrink) -> Result<Verdict, Refused> {
    let run = part(engine.run, "run")?;
    let stuck_after = arguments.under_test.stuck_after();
    let find = |plan: &Plan| run(plan, Options::default(), stuck_after).finding;
    let began = Instant::now();
    let (plans, file) = stories(engine, &arguments.what, &arguments.narrowed.draw())?;
    let found = plans.iter().find_map(|plan| find(plan).map(|finding| (plan, finding)));
    let Some((plan, finding)) = found else {
        let message = format!("{}: nothing is broken in it, so there is nothing to shrink", arguments.what);
        return Err(Refused::Word { message, help: Some("expected a story that `keyway run` finds something in".to_owned()) });
    };
    if !file.exists() {
        // The plan is safe before anything is tried with it.
        scenario::write(&file, &scenario::to_text(plan)).map_err(|wrong| unwritten(&file, &wrong))?;
    }
    if is_one_given_up() {
        // Each try would have to be waited for, and would leave one more behind.
        let look_at = format!("{} run {}{}", program(), file.display(), arguments.under_test.words());
        say(&format!("{}: {}; that can't be made small, look at it with {look_at}\n", plan.name, finding.violations[0].what));
        return Ok(finding.verdict);
    }
    let speaking = name_of(plan, &finding);
    let path = arguments.output.clone().unwrap_or_else(|| match &speaking {
        Some(name) => file.with_file_name(format!("{name}.json")),
        None => beside(&file),
    });
    let budget = Budget { runs: arguments.runs, time: arguments.budget };
    let (name, log) = (speaking.as_ref().unwrap_or(&plan.name), arguments.log.clone());
    let making = Making { plan, finding: &finding, name, path: &path, log, budget, stop: interrupt::flag() };
    let mut bar = Progress::of(budget.runs, "runs");
    let made = making.make(&find, Some(&mut bar));
    bar.end();
    if let Some(Made { shrunk, explained: elements }) = made? {
        let look_at = format!("{} run {}{}", program(), path.display(), arguments.under_test.words());
        say(&(summary(&shrunk, &path, &look_at, began.elapsed()) + "\nwhat is left\n" + &explained(&elements)));
    }
    Ok(Verdict::Pass)
}

/// The stories that may be shrunk, and the file that they are in; that of a seed or of a fuzzer's input is yet to be written.
fn stories(engine: Engine, what: &str, draw: &Draw) -> Result<(Vec<Plan>, PathBuf), Refused> {
    let kept = |plan: Plan| {
        let file = Path::new(FINDINGS).join(format!("{}.json", plan.name));
        (vec![plan], file)
    };
    if let Some(input) = what.strip_prefix("bytes:") {
        return plan_of_input(Path::new(input)).map(kept);
    }
    let Some(seed) = what.strip_prefix("seed:") else {
        let file = PathBuf::from(what);
        return Ok((scenario::read(&file)?, file));
    };
    let seed = seed.parse().map_err(|_| Refused::Word {
        message: format!("`{what}` names no seed"),
        help: Some("expected a whole number, such as seed:4711".to_owned()),
    })?;
    Ok(kept(part(engine.generate, "seed")?(draw, seed)))
}

fn beside(file: &Path) -> PathBuf {
    file.with_file_name(format!("{}-small.json", file.file_stem().unwrap_or_default().to_string_lossy()))
}

fn summary(shrunk: &Shrunk, path: &Path, look_at: &str, took: Duration) -> String {
    let look = Look::of_stdout();
    let Shrunk { plan, finding, elements_before, elements, runs, is_finished } = shrunk;
    let end = if *is_finished { "nothing more helps" } else { "it ended early: --runs and --budget give more" };
    format!(
        "{}: {} down to {elements}, {}, {:.1} s; {end}\nbreaks {}\nwritten {path}; look at it with {look_at}\n",
        look.bold(&plan.name),
        counted(*elements_before, "element", "elements"),
        counted(*runs as usize, "run", "runs"),
        took.as_secs_f64(),
        finding.fingerprint,
        path = path.display(),
    )
}
