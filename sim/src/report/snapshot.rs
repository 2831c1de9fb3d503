//! The event log and the final memory of a run as compact text, for snapshots that people review. Ids are replaced by the plan's names.

use std::fmt::Write as _;

use keyway_core::event::Event;
use keyway_core::time::Timestamp;

use super::words;
use crate::occurrence::Facts;
use crate::occurrence::Occurrence;
use crate::plan::Plan;
use crate::run::Outcome;
use crate::view::View;
use crate::words::event_name;

/// The text for an outcome whose log was kept.
#[must_use]
pub fn snapshot(plan: &Plan, outcome: &Outcome) -> String {
    text_of(plan, &outcome.facts, &outcome.log)
}

/// The text for a stream.
#[must_use]
pub fn text_of(plan: &Plan, facts: &Facts, log: &[(Timestamp, Occurrence)]) -> String {
    let mut view = View::naming(facts, log);
    let mut events: Vec<Event> = Vec::new();
    for (_, occurrence) in log {
        let logged = view.observe(occurrence);
        events.extend(logged.into_iter().filter(|_| view.has_begun()));
    }
    let mut text = String::from("events\n");
    for event in &events {
        let pin = event.code.map_or(String::new(), |pin| format!(" {pin}"));
        let pulled = event.backup_access_code_id.map_or(String::new(), |code| format!(" {}", view.label(code)));
        let (at, label) = (words::clock(plan, event.created_at), view.label(event.access_code_id));
        writeln!(text, "  {at:<14} {label:<10} {}{pin}{pulled}", event_name(event.event_type)).unwrap_or_default();
    }
    text.push_str("memory\n");
    for lock in &view.locks {
        writeln!(text, "  {}", lock.name).unwrap_or_default();
        for (place, entry) in lock.entries() {
            let window = entry.window.map_or(String::new(), |window| format!(", {}", words::window(plan, window)));
            let disabled = if entry.enabled { "" } else { ", disabled" };
            let (place, owner) = (place.to_string(), words::owner(&view, entry));
            writeln!(text, "    {place:<9} {:<10} {owner}{window}{disabled}", entry.pin.to_string()).unwrap_or_default();
        }
    }
    text.push_str("codes\n");
    for (name, code) in &view.codes {
        let status = view.records.get(code).map_or("gone", |record| record.status.name());
        writeln!(text, "  {name:<10} {status}").unwrap_or_default();
    }
    text
}
