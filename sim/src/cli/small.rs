//! Small stories on the disk: the best so far while the shrinker works, the log of its steps, and the last word.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::run::unwritten;
use super::{Progress, Refused};
use crate::plan::Plan;
use crate::scenario;
use crate::shrink::{Attempt, Budget, Explained, Shrunk, explain, shrink, speaking_name};
use crate::verdict::Finding;
use crate::watch::is_one_given_up;

/// A plan that is being made small.
pub struct Making<'a> {
    /// The plan as it is.
    pub plan: &'a Plan,
    /// What it breaks.
    pub finding: &'a Finding,
    /// The name of what comes of it.
    pub name: &'a str,
    /// Where that is written.
    pub path: &'a Path,
    /// Where the steps are written; none: nowhere.
    pub log: Option<PathBuf>,
    pub budget: Budget,
    /// Raised by whoever wants it to end.
    pub stop: Arc<AtomicBool>,
}

/// What came of it.
pub struct Made {
    pub shrunk: Shrunk,
    pub explained: Vec<Explained>,
}

/// The characters that an element is told in.
const ELEMENT: usize = 96;

/// The best so far is written no more often than this, because a disk is slower than a run.
const WRITE_EVERY: Duration = Duration::from_millis(250);

impl Making<'_> {
    /// Makes it small and writes it. The error comes with the plan unharmed on the disk, if it was there.
    pub fn make(&self, find: &dyn Fn(&Plan) -> Option<Finding>, mut bar: Option<&mut Progress>) -> Result<Option<Made>, Refused> {
        let (mut log, mut written_at, mut trouble) = (String::new(), None::<Instant>, None);
        let mut observe = |attempt: &Attempt| {
            if let Some(bar) = &mut bar {
                bar.done(attempt.run);
            }
            if let Some(best) = attempt.kept {
                log += &serde_json::to_string(attempt).unwrap_or_default();
                log.push('\n');
                if written_at.is_none_or(|at| at.elapsed() >= WRITE_EVERY) {
                    written_at = Some(Instant::now());
                    trouble = self.write(best, self.finding).and_then(|()| self.write_log(&log)).err();
                }
            }
            trouble.is_none() && !is_one_given_up() && !self.stop.load(Ordering::Relaxed)
        };
        let shrunk = shrink(self.plan, self.budget, find, &mut observe);
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        let Some(shrunk) = shrunk else { return Ok(None) };
        self.verify(&shrunk, find)?;
        self.write(&shrunk.plan, &shrunk.finding)?;
        let ends_at = Instant::now() + self.budget.time;
        let explained =
            explain(&shrunk.plan, &shrunk.finding, find, &mut || Instant::now() < ends_at && !self.stop.load(Ordering::Relaxed));
        for element in &explained {
            log += &serde_json::to_string(element).unwrap_or_default();
            log.push('\n');
        }
        self.write_log(&log)?;
        Ok(Some(Made { shrunk, explained }))
    }

    fn write(&self, plan: &Plan, finding: &Finding) -> Result<(), Refused> {
        scenario::write(self.path, &scenario::to_text(&self.told(plan, finding))).map_err(|wrong| unwritten(self.path, &wrong))
    }

    fn write_log(&self, log: &str) -> Result<(), Refused> {
        let Some(path) = &self.log else { return Ok(()) };
        scenario::write(path, log).map_err(|wrong| unwritten(path, &wrong))
    }

    /// The plan, about what it breaks; what it was about before may long be gone.
    fn told(&self, plan: &Plan, finding: &Finding) -> Plan {
        let broken = finding.violations.first();
        let about = broken.map_or(String::new(), |violation| format!("Breaks {}: {}", violation.id, violation.what));
        Plan { name: self.name.to_owned(), about, ..plan.clone() }
    }

    /// That the text, read as the file will be, breaks the same.
    fn verify(&self, shrunk: &Shrunk, find: &dyn Fn(&Plan) -> Option<Finding>) -> Result<(), Refused> {
        let (path, text) = (self.path.display().to_string(), scenario::to_text(&self.told(&shrunk.plan, &shrunk.finding)));
        let again = scenario::parse(&path, &text)?.pop().and_then(|plan| find(&plan));
        if again.is_some_and(|finding| finding.fingerprint == shrunk.finding.fingerprint) {
            return Ok(());
        }
        let message = format!("the small story of {} does not break `{}` when it is run again", self.plan.name, self.finding.fingerprint);
        Err(Refused::Word { message, help: Some("the runs of one plan differ: try `keyway run` on the story as it was".to_owned()) })
    }
}

/// The name of the small story of a plan: that of a seed or of a fuzzer's input says nothing, so it gets one that says what is broken.
pub fn name_of(plan: &Plan, finding: &Finding) -> Option<String> {
    let says_nothing = |kind, is_digit: fn(char) -> bool| plan.name.strip_prefix(kind).is_some_and(|rest| rest.starts_with(is_digit));
    let is_made_up = says_nothing("seed-", |digit| digit.is_ascii_digit()) || says_nothing("bytes-", |digit| digit.is_ascii_hexdigit());
    is_made_up.then(|| speaking_name(finding)).filter(|name| !name.is_empty())
}

/// What the elements that are left do for the finding, a line each.
pub fn explained(elements: &[Explained]) -> String {
    let one = |Explained { place, element, is_necessary, order_matters, irrelevant }: &Explained| {
        let mut words = vec![if *is_necessary { "necessary".to_owned() } else { "not necessary".to_owned() }];
        words.extend(order_matters.map(|matters| if matters { "order matters" } else { "order irrelevant" }.to_owned()));
        if !irrelevant.is_empty() {
            words.push(format!("value irrelevant: {}", irrelevant.join(", ")));
        }
        let text = element.to_string();
        let text = if text.chars().count() > ELEMENT { text.chars().take(ELEMENT - 1).chain(['…']).collect() } else { text };
        format!("  {place:<14} {}\n    {text}\n", words.join("; "))
    };
    elements.iter().map(one).collect()
}
