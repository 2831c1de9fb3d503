//! The rules that code, tests and reports cite by id, each in one sentence; a test refuses ids that are not here.
//!
//! The errors and warnings, cited as E1 to E39 and W1 to W12 in the seed's order, are in [`problem`](crate::problem).

use serde::{Deserialize, Serialize};

mod api;
mod case;
mod event;
mod invariant;
mod lifecycle;
mod port;
mod quirk;
mod vendor;

pub use case::CASES;
pub use invariant::INVARIANTS;
pub use quirk::{QUIRKS, Quirk, Reach, Sort, quirk};

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The id by which it is cited, such as `R-20`.
    pub id: &'static str,
    /// What it says, in one sentence.
    pub statement: &'static str,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a rule comes from. Rules of the seed can't be waived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The seed's wording.
    Seed,
    /// A documented behaviour.
    Docs,
    /// A decision of this project, where the sources are silent or disagree.
    Ours,
}

/// One thing that must hold of every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InvariantRule {
    /// The id by which it is cited, such as `I-DEV-05`.
    pub id: &'static str,
    /// What must hold, in one sentence.
    pub statement: &'static str,
    /// Whether it forbids something or demands something.
    pub class: Class,
    /// What it speaks of.
    pub scope: Scope,
    /// When it is checked.
    pub kind: Kind,
    /// Where it comes from.
    pub origin: Origin,
}

/// Whether an invariant forbids something or demands something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something bad never happens.
    Safety,
    /// Something good happens within a bound after a stated quiet condition.
    Liveness,
}

/// What an invariant speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One access code.
    Code,
    /// One lock.
    Device,
    /// The codes that share a key.
    Group,
    /// One workspace.
    Workspace,
    /// The whole run.
    World,
}

/// When an invariant is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// After every event.
    PerEvent,
    /// By deadlines inside or at the end of a run.
    PerRun,
    /// Over several runs.
    Batch,
}

const PARTS: [&[Rule]; 7] = [lifecycle::TRANSITIONS, lifecycle::RULES, vendor::RULES, port::RULES, event::ORDER, event::LOG, api::RULES];

const COUNT: usize = {
    let (mut count, mut part) = (INVARIANTS.len(), 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

static ALL: [Rule; COUNT] = {
    let mut all = [Rule { id: "", statement: "", origin: Origin::Ours }; COUNT];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let (mut row, rules) = (0, PARTS[part]);
        while row < rules.len() {
            all[at] = rules[row];
            at += 1;
            row += 1;
        }
        part += 1;
    }
    let mut row = 0;
    while row < INVARIANTS.len() {
        let InvariantRule { id, statement, origin, .. } = INVARIANTS[row];
        all[at] = Rule { id, statement, origin };
        at += 1;
        row += 1;
    }
    all
};

/// All rules: lifecycle, vendors, port, events, API, and the invariants at the end.
pub static RULES: &[Rule] = &ALL;

/// The rule or invariant with this id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// The invariant with this id.
#[must_use]
pub fn invariant(id: &str) -> Option<&'static InvariantRule> {
    INVARIANTS.iter().find(|rule| rule.id == id)
}

/// A failure that was seen in the field and is retold as a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// The id by which it is cited, such as `F-01`.
    pub id: &'static str,
    /// What went wrong, in a few words.
    pub title: &'static str,
}

/// The field case with this id.
#[must_use]
pub fn case(id: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.id == id)
}

/// What the rule, invariant or field case with this id says.
#[must_use]
pub fn statement(id: &str) -> Option<&'static str> {
    rule(id).map(|rule| rule.statement).or_else(|| case(id).map(|case| case.title))
}

/// Rows of a table of one origin.
macro_rules! rows {
    ($origin:ident: $($id:literal $statement:literal)*) => {
        &[$($crate::rule::Rule { id: $id, statement: $statement, origin: $crate::rule::Origin::$origin },)*]
    };
}
use rows;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::String;

    fn numbered(prefix: &str, count: usize) -> impl Iterator<Item = String> {
        (1..=count).map(move |n| format!("{prefix}{n:02}"))
    }

    #[test]
    fn every_family_is_whole() {
        let families =
            [("T", 41), ("R-", 64), ("V-", 19), ("P-", 14), ("EO-", 18), ("EV-", 5), ("A-", 16), ("IN-", 1), ("I-DEV-", 10), ("I-WIN-", 8)];
        let rest = [
            ("I-STA-", 14),
            ("I-IDENT-", 1),
            ("I-BYTES-", 1),
            ("I-ERR-", 14),
            ("I-EVT-", 11),
            ("I-CTR-", 1),
            ("I-BAK-", 11),
            ("I-LNK-", 4),
            ("I-API-", 4),
            ("I-UNM-", 3),
            ("I-WS-", 2),
            ("I-ISO-", 1),
            ("I-LIV-", 10),
            ("I-QUI-", 1),
            ("I-DUR-", 1),
            ("I-DET-", 2),
            ("I-COV-", 1),
        ];
        let expected: BTreeSet<_> = families.into_iter().chain(rest).flat_map(|(prefix, count)| numbered(prefix, count)).collect();
        let found: BTreeSet<_> = RULES.iter().map(|rule| String::from(rule.id)).collect();
        assert_eq!(found, expected);
        assert_eq!(RULES.len(), expected.len());
        assert_eq!(INVARIANTS.len(), 100);
        assert!(CASES.iter().map(|case| String::from(case.id)).eq(numbered("F-", 25)));
    }

    #[test]
    fn statements_are_single_sentences() {
        for rule in RULES {
            let inner = rule.statement.strip_suffix('.').unwrap_or_else(|| panic!("{} does not end", rule.id));
            assert!(!inner.contains(". "), "{} is more than a sentence", rule.id);
            assert!(rule.statement.len() <= 400, "{} is too long", rule.id);
        }
    }

    #[test]
    fn ids_are_found() {
        assert_eq!(rule("R-20").map(|rule| rule.origin), Some(Origin::Ours));
        assert_eq!(invariant("I-LIV-01").map(|rule| rule.class), Some(Class::Liveness));
        assert_eq!(rule("I-LIV-01").map(|rule| rule.statement), invariant("I-LIV-01").map(|rule| rule.statement));
        assert_eq!(statement("F-24"), case("F-24").map(|case| case.title));
        assert_eq!((rule("F-24"), statement("")), (None, None));
    }
}
