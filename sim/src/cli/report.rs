//! `keyway report`: writes the page of a run or of a sweep.

use std::path::Path;

use super::run::{self, unwritten};
use super::{Engine, Refused, Report, Run, part, program, say, text_of};
use crate::expect::settled;
use crate::report::html::{Head, Recorded, of_run, of_sweep};
use crate::run::Options;
use crate::scenario;
use crate::setup::Setup;
use crate::sweep::{Accepted, Summary, Swept};
use crate::trace;
use crate::verdict::Verdict;

/// Writes the page of what the command line names. What it shows changes no exit code.
pub fn report(engine: Engine, arguments: &Report) -> Result<Verdict, Refused> {
    scenario::writable(&arguments.output).map_err(|wrong| unwritten(&arguments.output, &wrong))?;
    let page = match recorded(&arguments.what) {
        Some(text) if trace::is_trace(&text) => of_trace(arguments, &text)?,
        Some(text) => of_seeds(arguments, &text)?,
        None => of_story(engine, arguments)?,
    };
    scenario::write(&arguments.output, &page).map_err(|wrong| unwritten(&arguments.output, &wrong))?;
    say(&format!("{:<12}{}\n", "written", arguments.output.display()));
    Ok(Verdict::Pass)
}

/// The text of a trace or of a sweep; none: it is a scenario, or no file.
fn recorded(what: &str) -> Option<String> {
    let text = std::fs::read_to_string(what).ok()?;
    (trace::is_trace(&text) || text.starts_with("{\"sweep\":")).then_some(text)
}

fn of_trace(arguments: &Report, text: &str) -> Result<String, Refused> {
    let read = trace::read(text)
        .map_err(|bad| Refused::Word { message: format!("{}:{}: {}", arguments.what, bad.line, bad.message), help: None })?;
    let facts = Setup::new(&read.plan).facts;
    let broken = read.finding.as_ref().map_or(&[][..], |finding| &finding.violations);
    let is_as_expected = match &read.plan.expect.verdict {
        Some(id) => broken.iter().any(|violation| violation.id == *id),
        None => broken.is_empty(),
    };
    let verdict = read.finding.as_ref().map_or(Verdict::Pass, |finding| finding.verdict);
    let replay = format!("{} report {}", program(), arguments.what);
    let head = Head { verdict, is_as_expected, replay: &replay, hash: &read.hash };
    Ok(of_run(Recorded { plan: &read.plan, facts: &facts, log: &read.log, finding: read.finding.as_ref() }, head))
}

fn of_seeds(arguments: &Report, text: &str) -> Result<String, Refused> {
    let swept = Swept::from_lines(text).map_err(|bad| super::sweep::refused(Path::new(&arguments.what), &bad))?;
    let words = format!("{}{}", swept.draw.words(), arguments.under_test.words());
    Ok(of_sweep(&swept, &Summary::of(&swept, &Accepted::default()), &words))
}

fn of_story(engine: Engine, arguments: &Report) -> Result<String, Refused> {
    if !arguments.what.starts_with("seed:") && !arguments.what.starts_with("bytes:") {
        // A folder would be many pages.
        text_of(Path::new(&arguments.what))?;
    }
    let named = Run {
        what: vec![arguments.what.clone()],
        only: arguments.only.clone(),
        trace: None,
        noise_seed: None,
        json: false,
        timeline: false,
        for_ci: super::ForCi::default(),
        narrowed: arguments.narrowed.clone(),
        under_test: arguments.under_test.clone(),
    };
    let mut stories = run::stories(engine, &named)?;
    if stories.len() != 1 {
        let names: Vec<&str> = stories.iter().map(|story| story.plan.name.as_str()).collect();
        let message = format!("a page is of one story, but these are {}: {}", stories.len(), names.join(", "));
        return Err(Refused::Word { message, help: Some("choose one with `--only NAME`".to_owned()) });
    }
    let story = stories.remove(0);
    let options = Options { keep_log: true, ..Options::default() };
    let outcome = part(engine.run, "run")?(&story.plan, options, arguments.under_test.stuck_after());
    let head = Head {
        verdict: outcome.verdict,
        is_as_expected: settled(&story.plan, &outcome) == Verdict::Pass,
        replay: &format!("{} run {}{}", program(), story.replay, arguments.under_test.words()),
        hash: &format!("{:032x}", outcome.hash),
    };
    let finding = outcome.finding.as_ref();
    Ok(of_run(Recorded { plan: &story.plan, facts: &outcome.facts, log: &outcome.log, finding }, head))
}
