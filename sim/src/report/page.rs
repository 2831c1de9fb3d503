//! The failure page: what was broken, the story as a picture, what was expected of whom, how to see it again, and the files written.

use std::fmt::Write as _;
use std::path::PathBuf;

use keyway_core::rule::invariant;

use super::timeline::Timeline;
use super::{Look, words};
use crate::expect::{ID, missing_marks};
use crate::plan::Plan;
use crate::run::Outcome;
use crate::verdict::{Verdict, Violation};
use crate::view::View;

/// One failed story.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The plan, as small as it got.
    pub plan: &'a Plan,
    /// What it came to, with its log.
    pub outcome: &'a Outcome,
    /// The command that shows it again.
    pub replay: &'a str,
    /// The files that were written.
    pub files: &'a [PathBuf],
}

impl Failure<'_> {
    /// The page.
    #[must_use]
    pub fn page(&self, look: Look) -> String {
        let violations: &[Violation] = self.outcome.finding.as_ref().map_or(&[], |finding| &finding.violations);
        let mut text = self.headline(look, violations.first());
        let violated_at = violations.first().map(|violation| violation.at);
        let mut view = View::naming(&self.outcome.facts, &self.outcome.log);
        for (_, occurrence) in &self.outcome.log {
            view.observe(occurrence);
        }
        let violations: Vec<(&str, String)> =
            violations.iter().map(|violation| (violation.id.as_str(), words::plainly(self.plan, &view, &violation.what))).collect();
        let timeline = Timeline {
            plan: self.plan,
            facts: &self.outcome.facts,
            log: &self.outcome.log,
            violated_at,
            about: &violations.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>().join(" "),
        };
        writeln!(text, "\n{}", timeline.draw(look).trim_end()).unwrap_or_default();
        text.push('\n');
        for (id, what) in violations.iter().take(5) {
            writeln!(text, "{}", look.wrapped(&format!("{id:<12}"), what)).unwrap_or_default();
        }
        if violations.len() > 5 {
            writeln!(text, "{:<12}and {} more", "", violations.len() - 5).unwrap_or_default();
        }
        writeln!(text, "\n{:<12}{}", "replay", look.bold(self.replay)).unwrap_or_default();
        for file in self.files {
            writeln!(text, "{:<12}{}", "written", file.display()).unwrap_or_default();
        }
        text
    }

    fn headline(&self, look: Look, violation: Option<&Violation>) -> String {
        let verdict = self.outcome.verdict.name().to_uppercase();
        let Some(violation) = violation else {
            let why = look.wrapped("", &self.without_violation());
            return format!("{}  {}\n{why}\n", look.bad(&verdict), self.plan.name);
        };
        let at = words::clock(self.plan, violation.at);
        let id = if violation.id == ID { String::new() } else { format!("  {}", violation.id) };
        let mut text = format!("{}  {} at {at}\n", look.bad(&format!("{verdict}{id}")), self.plan.name);
        let statement = match invariant(&violation.id) {
            Some(rule) => rule.statement,
            None if violation.id == ID => "The story does not show what its plan expects.",
            None => "",
        };
        if !statement.is_empty() {
            writeln!(text, "{}", look.wrapped("", statement)).unwrap_or_default();
        }
        text
    }

    /// Why a story failed in which nothing was broken.
    fn without_violation(&self) -> String {
        match self.outcome.verdict {
            Verdict::NonDeterminism => "The same plan gave different bytes when it was run again.".to_owned(),
            Verdict::Vacuous => {
                let missing = missing_marks(self.plan, &self.outcome.marks).join(", ");
                format!("The run proves nothing: it never hit {missing}.")
            }
            _ => match &self.plan.expect.verdict {
                Some(id) => format!("The story must fail by {id}, but nothing was broken."),
                None => "Nothing more is known.".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keyway_core::access_code::Status;
    use keyway_core::event::EventType;
    use keyway_core::port::Answer;
    use keyway_core::time::{HOUR_MS, Window};

    use super::*;
    use crate::handwritten::Hand;
    use crate::occurrence::{Lock, Occurrence};
    use crate::run::Figures;
    use crate::verdict::Finding;

    /// A stranger takes the slot that was meant for A, and the controller takes it for its own work.
    fn stolen_slot() -> Hand {
        let mut hand = Hand::telling(
            r#"{ "name": "stolen-slot", "horizon": "6h",
                 "devices": [{ "name": "L1", "vendor": "generic_slot", "slots": 10, "latency": "5m", "lat_max": "5m" }],
                 "steps": [
                   { "at": "+0s", "do": { "create": { "code": "A", "on": "L1", "pin": "5150" } } },
                   { "at": "+2m", "do": { "person_adds": { "on": "L1", "pin": "9009" } } }
                 ] }"#,
        );
        hand.created(0, "A", "5150").sets_slot("A", 1, "5150");
        hand.at("+1s").answered(Answer::Accepted);
        hand.at("+1m").add(Occurrence::Faults { lock: Lock(0), active: 1 });
        let start = hand.plan.start.0;
        hand.at("+2m").stored(1, "9009", None, Some(Window { starts_at: start, ends_at: start + HOUR_MS }));
        hand.at("+3m").event("A", EventType::SetOnDevice).shown("A", "5150", Status::Set, &[]);
        hand
    }

    fn outcome(hand: &Hand) -> Outcome {
        let what = "A is shown as set on L1, but slot 1 of L1 holds 9009 of nobody, and 5150 is not in its memory".to_owned();
        let roles = "online code on a by_slot lock".to_owned();
        let violation = Violation { id: "I-STA-01".to_owned(), at: hand.instant(), what, roles };
        let finding = Finding { verdict: Verdict::Safety, violations: vec![violation], fingerprint: String::new() };
        Outcome {
            verdict: Verdict::Safety,
            finding: Some(finding),
            hash: 0,
            marks: BTreeMap::new(),
            figures: Figures::default(),
            facts: hand.facts.clone(),
            log: hand.log.clone(),
        }
    }

    #[test]
    fn the_failure_page() {
        let hand = stolen_slot();
        let failure = Failure {
            plan: &hand.plan,
            outcome: &outcome(&hand),
            replay: "keyway run keyway-findings/stolen-slot.json",
            files: &["keyway-findings/stolen-slot.json".into()],
        };
        insta::assert_snapshot!(failure.page(Look::default()));
        insta::assert_snapshot!("the_failure_page_in_60_columns", failure.page(Look { width: 60, colour: false }));
        let coloured = failure.page(Look { colour: true, ..Look::default() });
        assert!(coloured.contains("\u{1b}[1;31mSAFETY  I-STA-01\u{1b}[0m"), "{coloured}");
        insta::assert_snapshot!("the_failure_page_in_40_columns", failure.page(Look { width: 40, colour: false }));
        insta::assert_snapshot!("the_failure_page_in_160_columns_and_colours", failure.page(Look { width: 160, colour: true }));
        let fits = |width: usize| {
            let page = failure.page(Look { width, colour: false });
            // A command is pasted whole, and a file's name too.
            page.lines()
                .filter(|line| !line.starts_with("replay") && !line.starts_with("written"))
                .all(|line| line.chars().count() <= width)
        };
        assert!([40, 60, 80, 100, 160, 200].into_iter().all(fits));
        assert!(!failure.page(Look::default()).contains('\u{1b}'), "a pipe, or NO_COLOR, gets no colours");
    }

    #[test]
    fn the_timeline_of_a_passing_run() {
        let mut hand = stolen_slot();
        let end = hand.plan.start.0 + 2 * HOUR_MS;
        hand.at("+2h").erased(1);
        assert_eq!(hand.instant(), end);
        let timeline = Timeline { plan: &hand.plan, facts: &hand.facts, log: &hand.log, violated_at: None, about: "" };
        insta::assert_snapshot!(timeline.draw(Look::default()));
    }

    #[test]
    fn the_text_for_snapshots() {
        let hand = stolen_slot();
        insta::assert_snapshot!(super::super::snapshot::text_of(&hand.plan, &hand.facts, &hand.log));
    }
}
