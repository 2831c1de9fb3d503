//! `keyway shrink`: takes a failing story, writes a smaller one with the same finding beside it, and says how small it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::run::unwritten;
use super::{Engine, Progress, Refused, Shrink, counted, part, say};
use crate::panics::{finding, hush_panics};
use crate::plan::Plan;
use crate::report::Look;
use crate::run::Options;
use crate::scenario;
use crate::shrink::{Budget, Shrunk, shrink as make_small};
use crate::verdict::{Finding, Verdict};

/// Shrinks what the command line says.
pub fn shrink(engine: Engine, arguments: &Shrink) -> Result<Verdict, Refused> {
    let run = part(engine.run, "run")?;
    hush_panics();
    let find = |plan: &Plan| finding(plan, |plan| run(plan, Options::default()));
    let began = Instant::now();
    let plans = scenario::read(&arguments.file)?;
    let budget = Budget { runs: arguments.runs, time: Duration::from_secs(arguments.seconds) };
    let mut bar = Progress::of(budget.runs, "runs");
    let shrunk = plans.iter().find_map(|plan| make_small(plan, budget, &find, &mut |runs, _| bar.done(runs)));
    bar.end();
    let Some(shrunk) = shrunk else {
        let message = format!("{}: nothing is broken in it, so there is nothing to shrink", arguments.file.display());
        return Err(Refused::Word { message, help: Some("expected a story that `keyway run` finds something in".to_owned()) });
    };
    let path = arguments.output.clone().unwrap_or_else(|| beside(&arguments.file));
    let text = scenario::to_text(&told(&shrunk));
    verify(&path, &text, &shrunk.finding, &find)?;
    scenario::write(&path, &text).map_err(|wrong| unwritten(&path, &wrong))?;
    say(&summary(&shrunk, &path, began.elapsed()));
    Ok(Verdict::Pass)
}

fn beside(file: &Path) -> PathBuf {
    file.with_file_name(format!("{}-small.json", file.file_stem().unwrap_or_default().to_string_lossy()))
}

/// The plan, about what it breaks; what it was about before may long be gone.
fn told(shrunk: &Shrunk) -> Plan {
    let broken = shrunk.finding.violations.first();
    let about = broken.map_or(String::new(), |violation| format!("Breaks {}: {}", violation.id, violation.what));
    Plan { about, ..shrunk.plan.clone() }
}

/// That the text, read as the file will be, breaks the same.
fn verify(path: &Path, text: &str, expected: &Finding, find: &dyn Fn(&Plan) -> Option<Finding>) -> Result<(), Refused> {
    let again = scenario::parse(&path.display().to_string(), text)?.pop().and_then(|plan| find(&plan));
    if again.is_some_and(|finding| finding.fingerprint == expected.fingerprint) {
        return Ok(());
    }
    let message = format!("the small story does not break `{}` when it is run again; nothing was written", expected.fingerprint);
    Err(Refused::Word { message, help: Some("the runs of one plan differ: try `keyway run` on the story as it was".to_owned()) })
}

fn summary(shrunk: &Shrunk, path: &Path, took: Duration) -> String {
    let look = Look::of_stdout();
    let Shrunk { plan, finding, elements_before, elements, runs, is_finished } = shrunk;
    let end = if *is_finished { "nothing more helps" } else { "the budget has ended it: --runs and --seconds give more" };
    format!(
        "{}: {} down to {elements}, {}, {:.1} s; {end}\nbreaks {}\nwritten {path}; look at it with keyway run {path}\n",
        look.bold(&plan.name),
        counted(*elements_before, "element", "elements"),
        counted(*runs as usize, "run", "runs"),
        took.as_secs_f64(),
        finding.fingerprint,
        path = path.display(),
    )
}
