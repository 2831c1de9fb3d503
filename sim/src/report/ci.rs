//! What machines that build and people who look at them read: JUnit, annotations at files, and a summary in Markdown.

use std::fmt::Write as _;

use keyway_core::rule::statement;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::verdict::{Verdict, Violation};

/// A story, or a kind of finding of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The file that tells it, if there is one.
    pub file: Option<String>,
    /// What it came to.
    pub verdict: Verdict,
    /// What was broken.
    pub violations: Vec<Violation>,
    /// How often, if that was counted.
    pub count: Option<u64>,
    /// The command that shows it again.
    pub replay: String,
    /// The failure page, or another text about it.
    pub page: String,
}

impl Case {
    /// The first id that was broken and what was seen, in one line.
    fn said(&self) -> String {
        match self.violations.first() {
            Some(violation) => format!("{}: {}", violation.id, violation.what),
            None => self.verdict.name().to_owned(),
        }
    }
}

/// The cases as JUnit.
///
/// # Panics
/// Never: memory takes every line.
#[must_use]
pub fn junit(suite: &str, cases: &[Case]) -> String {
    let mut report = Report::new("keyway");
    let mut tests = TestSuite::new(suite);
    for case in cases {
        let status = if case.verdict == Verdict::Pass {
            TestCaseStatus::success()
        } else {
            let is_error = matches!(case.verdict, Verdict::Panic | Verdict::Stuck | Verdict::NonDeterminism | Verdict::BadInput);
            let mut status = TestCaseStatus::non_success(if is_error { NonSuccessKind::Error } else { NonSuccessKind::Failure });
            status
                .set_type(case.verdict.name())
                .set_message(case.said())
                .set_description(format!("{}\n\nreplay  {}", case.page, case.replay));
            status
        };
        let mut test = TestCase::new(case.name.as_str(), status);
        test.set_classname(case.file.as_deref().unwrap_or(suite));
        if let Some(file) = &case.file {
            test.extra.insert("file".into(), file.as_str().into());
        }
        tests.add_test_case(test);
    }
    report.add_test_suite(tests);
    report.to_string().expect("memory takes every line")
}

/// What GitHub shows beside the files of cases that failed, one workflow command a line.
#[must_use]
pub fn annotations(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases.iter().filter(|case| case.verdict != Verdict::Pass) {
        let file = case.file.as_ref().map_or(String::new(), |file| format!("file={},", property(file)));
        let title = property(&format!("{}: {}", case.verdict, case.name));
        let statement = case.violations.first().and_then(|violation| statement(&violation.id)).unwrap_or_default();
        let message = value(&format!("{}\n{statement}\nreplay: {}", case.said(), case.replay));
        writeln!(text, "::error {file}title={title}::{message}").unwrap_or_default();
    }
    text
}

fn value(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    value(text).replace(':', "%3A").replace(',', "%2C")
}

/// Cases that are listed in a summary.
const LISTED: usize = 50;

/// The cases in Markdown: what failed as a table, and each page to be opened.
#[must_use]
pub fn markdown(title: &str, cases: &[Case]) -> String {
    let failed: Vec<&Case> = cases.iter().filter(|case| case.verdict != Verdict::Pass).collect();
    let mut text = format!("## Keyway: {title}\n\n");
    if failed.is_empty() {
        writeln!(text, "✅ {} as expected", cases.len()).unwrap_or_default();
        return text;
    }
    writeln!(text, "❌ {} of {} not as expected\n", failed.len(), cases.len()).unwrap_or_default();
    text.push_str("| | verdict | broken | what was seen | replay |\n| --- | --- | --- | --- | --- |\n");
    for case in failed.iter().take(LISTED) {
        let name = case.file.as_deref().unwrap_or(&case.name);
        let count = case.count.map_or(String::new(), |count| format!(" × {count}"));
        let first = case.violations.first();
        let (id, what) = first.map_or(("", ""), |violation| (violation.id.as_str(), violation.what.as_str()));
        let cells = [format!("{name}{count}"), case.verdict.to_string(), id.to_owned(), what.to_owned()].map(|cell| celled(&cell));
        writeln!(text, "| {} | `{}` |", cells.join(" | "), case.replay.replace('|', "\\|")).unwrap_or_default();
    }
    if failed.len() > LISTED {
        writeln!(text, "\nand {} more", failed.len() - LISTED).unwrap_or_default();
    }
    for case in failed.iter().filter(|case| !case.page.is_empty()).take(5) {
        let page = case.page.trim().replace("```", "'''");
        writeln!(text, "\n<details><summary>{}</summary>\n\n```text\n{page}\n```\n\n</details>", celled(&case.name)).unwrap_or_default();
    }
    text
}

/// A text that stays inside its cell, and is no markup.
fn celled(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use keyway_core::time::Timestamp;

    use super::*;

    fn cases() -> Vec<Case> {
        let what = "code A on L1: is shown as set, and 5150 does not open | 100 %\n<b>".to_owned();
        let violation = Violation { id: "I-WIN-05".to_owned(), at: Timestamp(0), what, roles: String::new() };
        let passed = Case {
            name: "happy/august".to_owned(),
            file: Some("scenarios/happy/august.json".to_owned()),
            verdict: Verdict::Pass,
            violations: vec![],
            count: None,
            replay: "keyway run scenarios/happy/august.json".to_owned(),
            page: String::new(),
        };
        let failed = Case {
            name: "stolen-slot, variant: b".to_owned(),
            file: Some("scenarios/stolen,slot.json".to_owned()),
            verdict: Verdict::Safety,
            violations: vec![violation],
            page: "SAFETY  I-WIN-05\n\u{1b}[1m 1  +0s  ``` starts".to_owned(),
            replay: "keyway run scenarios/stolen,slot.json".to_owned(),
            ..passed.clone()
        };
        let died =
            Case { name: "seed-7".to_owned(), file: None, verdict: Verdict::Panic, violations: vec![], count: Some(3), ..passed.clone() };
        vec![passed, failed, died]
    }

    #[test]
    fn in_junit() {
        insta::assert_snapshot!(junit("stories", &cases()));
        assert!(junit("stories", &cases()[..1]).contains("failures=\"0\""));
    }

    #[test]
    fn as_annotations() {
        insta::assert_snapshot!(annotations(&cases()));
        assert_eq!(annotations(&cases()[..1]), "");
    }

    #[test]
    fn in_markdown() {
        insta::assert_snapshot!(markdown("stories", &cases()));
        insta::assert_snapshot!("in_markdown_all_well", markdown("stories", &cases()[..1]));
    }
}
