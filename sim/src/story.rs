//! The library's front door: a story in code, in a file or of a seed, run with a controller of your own.

use std::path::{Path, PathBuf};

use keyway_core::controller::Controllers;

use crate::expect::settled;
use crate::generate::plan_of_seed;
use crate::plan::Plan;
use crate::report::Look;
use crate::report::page::Failure;
use crate::run::{Options, Outcome, run};
use crate::scenario::{self, BadInput};
use crate::trace;
use crate::verdict::Verdict;

/// A story that was read and checked, ready to be told to any controller.
///
/// ```
/// use keyway_core::platform::Reference;
/// use keyway_sim::Story;
///
/// let story = Story::new(&serde_json::json!({
///     "name": "one-guest", "horizon": "2h",
///     "devices": [{ "name": "L1", "vendor": "august" }],
///     "steps": [
///         { "at": "+1m", "do": { "create": { "code": "ann", "on": "L1", "pin": "4711" } } },
///         { "at": "+1h", "do": { "enter": { "on": "L1", "code": "ann", "must": "open" } } }
///     ]
/// }))?;
/// let told = story.tell(&Reference::new());
/// told.assert_passed();
/// assert!(told.outcome.marks.contains_key("I-WIN-05"), "{:?}", told.outcome.marks);
/// assert!(told.trace().lines().count() > 20);
/// # Ok::<(), keyway_sim::scenario::BadInput>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// What it tells. Whoever changes it by hand keeps its names right.
    pub plan: Plan,
}

impl Story {
    /// The story in the form of a scenario file: strict, with the same messages. Of a file with variants it is the story itself.
    ///
    /// # Errors
    /// [`BadInput`] for whatever is wrong with it.
    ///
    /// ```
    /// let wrong = keyway_sim::Story::new(&serde_json::json!({ "name": "n", "horizon": "1h", "devices": [{ "name": "L1", "vendor": "augst" }] }));
    /// assert!(wrong.unwrap_err().render(false, 100).contains("did you mean `august`?"));
    /// ```
    pub fn new(story: &serde_json::Value) -> Result<Self, BadInput> {
        let mut plans = scenario::parse("story", &format!("{story:#}"))?;
        Ok(Self { plan: plans.swap_remove(0) })
    }

    /// All stories of a scenario file.
    ///
    /// # Errors
    /// [`BadInput`] for whatever is wrong with it.
    ///
    /// ```
    /// let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/guest/backup-on-a-bad-night.json");
    /// for story in keyway_sim::Story::read(file.as_ref())? {
    ///     story.tell(&keyway_core::platform::Reference::new()).assert_passed();
    /// }
    /// # Ok::<(), keyway_sim::scenario::BadInput>(())
    /// ```
    pub fn read(file: &Path) -> Result<Vec<Self>, BadInput> {
        Ok(scenario::read(file)?.into_iter().map(|plan| Self { plan }).collect())
    }

    /// The story that a sweep tells for this seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self { plan: plan_of_seed(seed) }
    }

    /// Runs it in virtual time against a controller, and judges what came of it. The same story and the same controller give the same bytes.
    #[must_use]
    pub fn tell(&self, controllers: &dyn Controllers) -> Told<'_> {
        let outcome = run(&self.plan, controllers, Options { keep_log: true, ..Options::default() });
        Told { plan: &self.plan, verdict: settled(&self.plan, &outcome), outcome }
    }
}

/// What came of a story.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// The story.
    pub plan: &'a Plan,
    /// The verdict, settled by what the story expects: a story that expects to fail passes if it does.
    pub verdict: Verdict,
    /// The finding, the marks that were hit, the figures, the log, the hash.
    pub outcome: Outcome,
}

impl Told<'_> {
    /// The page that shows what was broken, without colours.
    #[must_use]
    pub fn page(&self) -> String {
        self.page_of("", &[])
    }

    fn page_of(&self, replay: &str, files: &[PathBuf]) -> String {
        let outcome = Outcome { verdict: self.verdict, ..self.outcome.clone() };
        Failure { plan: self.plan, outcome: &outcome, replay, files }.page(Look::default())
    }

    /// Everything that happened, as JSON lines; the last one is the hash.
    #[must_use]
    pub fn trace(&self) -> String {
        trace::text(self.plan, &self.outcome)
    }

    /// For tests: that it came out as the story expects.
    ///
    /// # Panics
    /// With the page if it did not; the story is then kept in `keyway-findings`, to be committed, replayed or shrunk.
    pub fn assert_passed(&self) {
        if self.verdict == Verdict::Pass {
            return;
        }
        let file = PathBuf::from("keyway-findings").join(format!("{}.json", self.plan.name.replace('/', "-")));
        let kept = scenario::write(&file, &scenario::to_text(self.plan));
        let files = kept.is_ok().then_some(file);
        let page = self.page_of("this test", files.as_slice());
        panic!("\n{page}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use keyway_core::platform::Reference;

    #[test]
    fn a_story_that_expects_the_wrong_thing_says_so() {
        let story = json!({
            "name": "shut", "horizon": "1h", "devices": [{ "name": "L1", "vendor": "august" }],
            "steps": [{ "at": "+1m", "do": { "enter": { "on": "L1", "pin": "4711", "must": "open" } } }]
        });
        let story = Story::new(&story).unwrap();
        let told = story.tell(&Reference::new());
        assert_eq!(told.verdict, Verdict::ExpectationNotMet);
        assert!(told.page().contains("EXPECTATION NOT MET"), "{}", told.page());
        let again = story.tell(&Reference::new());
        assert!(told.trace() == again.trace());
    }
}
