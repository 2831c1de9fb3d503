//! What a set of stories has shown: for each problem, event, status, row of the transition table, change of status and quirk, how often it was raised,
//! how often it ended, and which story was the first. It reads the stream of occurrences and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use keyway_core::access_code::Status;
use keyway_core::event::EventType;
use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::world::quirk::{Quirk, QuirkSort};
use serde::Serialize;

mod transition;

use transition::Transitions;

use crate::occurrence::Occurrence;
use crate::plan::Plan;
use crate::run::Outcome;
use crate::words::event_name;

/// What a row tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An error of a code, device or account.
    Error,
    /// A warning of a code or device.
    Warning,
    /// An event in the log.
    Event,
    /// A status of a code.
    Status,
    /// A row of the transition table.
    Transition,
    /// A change of status.
    Change,
    /// A quirk that struck; one of the device, where a plan has it.
    Quirk,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it tells of.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How often it began.
    pub raised: u64,
    /// How often it ended; none: it has no end, as an event or a change.
    pub cleared: Option<u64>,
    /// The first story that raised it.
    pub first: Option<String>,
}

/// The table.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// The rows, by kind and in the order of the vocabulary; changes of status as they were met.
    pub rows: Vec<Row>,
    #[serde(skip)]
    places: BTreeMap<(Kind, String), usize>,
}

impl Default for Coverage {
    fn default() -> Self {
        let mut coverage = Self { rows: Vec::new(), places: BTreeMap::new() };
        for code in ErrorCode::ALL {
            coverage.add(Kind::Error, code.name());
        }
        for code in WarningCode::ALL {
            coverage.add(Kind::Warning, code.name());
        }
        for event in EventType::ALL {
            coverage.add(Kind::Event, event_name(event));
        }
        for status in Status::ALL {
            coverage.add(Kind::Status, status.name());
        }
        for row in transition::ROWS {
            coverage.add(Kind::Transition, row);
        }
        for quirk in Quirk::ALL {
            coverage.add(Kind::Quirk, quirk.name());
        }
        coverage
    }
}

impl Coverage {
    fn add(&mut self, kind: Kind, name: &str) {
        let has_end = !matches!(kind, Kind::Event | Kind::Transition | Kind::Change | Kind::Quirk);
        self.places.insert((kind, name.to_owned()), self.rows.len());
        self.rows.push(Row { kind, name: name.to_owned(), raised: 0, cleared: has_end.then_some(0), first: None });
    }

    fn row(&mut self, kind: Kind, name: &str) -> &mut Row {
        let key = (kind, name.to_owned());
        if !self.places.contains_key(&key) {
            self.add(kind, name);
        }
        &mut self.rows[self.places[&key]]
    }

    fn raise(&mut self, kind: Kind, name: &str, story: &str) {
        let row = self.row(kind, name);
        row.raised += 1;
        if row.first.is_none() {
            row.first = Some(story.to_owned());
        }
    }

    fn clear(&mut self, kind: Kind, name: &str) {
        if let Some(cleared) = &mut self.row(kind, name).cleared {
            *cleared += 1;
        }
    }

    /// Takes what a story showed; the outcome must have kept its log.
    pub fn take(&mut self, plan: &Plan, outcome: &Outcome) {
        let story = plan.name.as_str();
        for quirk in plan.devices.iter().flat_map(|device| &device.quirks) {
            self.raise(Kind::Quirk, quirk.name(), story);
        }
        for quirk in Quirk::ALL.iter().filter(|quirk| quirk.sort() != QuirkSort::Standing) {
            for _ in 0..outcome.marks.get(quirk.name()).copied().unwrap_or(0) {
                self.raise(Kind::Quirk, quirk.name(), story);
            }
        }
        let mut transitions = Transitions::default();
        let mut problems: BTreeMap<String, BTreeSet<(Kind, &'static str)>> = BTreeMap::new();
        let mut statuses: BTreeMap<String, Status> = BTreeMap::new();
        for (at, occurrence) in &outcome.log {
            for row in transitions.observe(*at, occurrence) {
                self.raise(Kind::Transition, row, story);
            }
            match occurrence {
                Occurrence::Emitted(event) => self.raise(Kind::Event, event_name(event.event_type), story),
                Occurrence::Recorded { code, after } => {
                    let whose = format!("{code:?}");
                    let errors = after.iter().flat_map(|record| record.errors.iter().map(|entry| (Kind::Error, entry.error_code.name())));
                    let warnings =
                        after.iter().flat_map(|record| record.warnings.iter().map(|entry| (Kind::Warning, entry.warning_code.name())));
                    let now = errors.chain(warnings).collect();
                    let before = problems.insert(whose.clone(), now).unwrap_or_default();
                    self.compare(&before, &problems[&whose], story);
                    let status = after.as_ref().map(|record| record.status);
                    let before = match status {
                        Some(status) => statuses.insert(whose, status),
                        None => statuses.remove(&whose),
                    };
                    self.change(before, status, story);
                }
                Occurrence::DeviceRecorded { device, after } => {
                    let whose = format!("{device:?}");
                    let errors = after.iter().flat_map(|device| device.errors.iter().chain(&device.account_errors));
                    let errors = errors.map(|entry| (Kind::Error, entry.error_code.name()));
                    let warnings =
                        after.iter().flat_map(|device| device.warnings.iter().map(|entry| (Kind::Warning, entry.warning_code.name())));
                    let now = errors.chain(warnings).collect();
                    let before = problems.insert(whose.clone(), now).unwrap_or_default();
                    self.compare(&before, &problems[&whose], story);
                }
                _ => {}
            }
        }
    }

    fn compare(&mut self, before: &BTreeSet<(Kind, &'static str)>, now: &BTreeSet<(Kind, &'static str)>, story: &str) {
        for (kind, name) in now.difference(before) {
            self.raise(*kind, name, story);
        }
        for (kind, name) in before.difference(now) {
            self.clear(*kind, name);
        }
    }

    fn change(&mut self, before: Option<Status>, now: Option<Status>, story: &str) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.clear(Kind::Status, &before.to_string());
        }
        if let Some(now) = now {
            self.raise(Kind::Status, &now.to_string(), story);
        }
        let word = |status: Option<Status>| status.map_or("none".to_owned(), |status| status.to_string());
        self.raise(Kind::Change, &format!("{} to {}", word(before), word(now)), story);
    }

    /// The rows that no story has raised, or none has cleared.
    pub fn empty(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.raised == 0 || row.cleared == Some(0))
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kind = None;
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.kind);
        for row in rows {
            if kind.replace(row.kind) != Some(row.kind) {
                let title = format!("{:?}", row.kind).to_lowercase();
                writeln!(f, "{title:<52}{:>8}{:>9}  first story", "raised", "cleared")?;
            }
            let cleared = row.cleared.map_or("-".to_owned(), |cleared| cleared.to_string());
            writeln!(f, "  {:<50}{:>8}{cleared:>9}  {}", row.name, row.raised, row.first.as_deref().unwrap_or("none"))?;
        }
        let empty = self.empty().count();
        write!(f, "{} of {} rows are raised, and cleared where they can be", self.rows.len() - empty, self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyway_core::platform::Reference;

    #[test]
    fn a_story_raises_and_clears_what_it_shows_and_nothing_else() {
        let text = r#"{ "name": "n", "horizon": "3h", "devices": [{ "name": "L1", "vendor": "nuki" }],
            "steps": [{ "at": "+10m", "do": { "create": { "code": "A", "on": "L1", "pin": "735291" } } }],
            "faults": [{ "quirk": "plan_lapsed", "on": "L1", "from": "+5m", "until": "+1h" }] }"#;
        let plan = crate::scenario::parse("n.json", text).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))).remove(0);
        let options = crate::run::Options { keep_log: true, ..crate::run::Options::default() };
        let mut coverage = Coverage::default();
        coverage.take(&plan, &crate::run::run(&plan, &Reference::new(), options));
        let mut figures = |kind, name: &str| {
            let row = coverage.row(kind, name).clone();
            (row.raised, row.cleared, row.first)
        };
        let first = Some("n".to_owned());
        assert_eq!(figures(Kind::Error, "subscription_required"), (1, Some(1), first.clone()));
        assert_eq!(figures(Kind::Quirk, "plan_lapsed"), (1, None, first.clone()));
        assert_eq!(figures(Kind::Change, "setting to set"), (1, None, first.clone()));
        for (row, times) in [("T01", 1), ("T02", 1), ("T07", 1), ("T09", 1), ("T14", 0), ("T11", 0)] {
            assert_eq!(figures(Kind::Transition, row).0, times, "{row}");
        }
        assert_eq!(figures(Kind::Error, "device_removed"), (0, Some(0), None));
        assert_eq!(figures(Kind::Status, "setting"), (1, Some(1), first));
    }
}
