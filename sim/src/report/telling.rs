//! Occurrences as sentences, told one after the other: who does what, and how much is lost if nobody reads it.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::id::{CallId, CodeId, CommandId, DeviceId};
use keyway_core::pin::Pin;
use keyway_core::time::Timestamp;
use keyway_core::world::quirk::QuirkSort;

use super::words;
use crate::occurrence::{Cause, Change, Lock, Occurrence, Origin, PROLOGUE_CALLS, Phase};
use crate::plan::{Fault, Plan};
use crate::view::View;
use crate::words::event_name;

/// Tells a run; what is told refers to what was told before.
#[derive(Debug)]
pub struct Telling<'a> {
    plan: &'a Plan,
    calls: BTreeMap<CallId, String>,
    commands: BTreeMap<CommandId, String>,
    /// Beginnings and ends of the plan's faults that were told, by fault and lock.
    faults: BTreeSet<(usize, Lock, bool)>,
    /// What each PIN last did at each door.
    doors: BTreeMap<(Lock, Pin), bool>,
}

/// An occurrence in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whose doing it is.
    pub side: Side,
    /// How much is lost if nobody reads it.
    pub weight: Weight,
    /// What.
    pub what: String,
}

/// How much is lost if nobody reads of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Traffic.
    Quiet,
    /// Something changed.
    Change,
    /// The plan tells of it: what was asked, codes that it names, its faults, its people.
    Told,
}

/// The two sides of the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Locks, clouds and people.
    World,
    /// The controller.
    Controller,
}

#[expect(clippy::unnecessary_wraps, reason = "each arm of `tell` gives what may be nothing")]
fn changes(side: Side, what: String) -> Option<Said> {
    Some(Said { side, weight: Weight::Change, what })
}

#[expect(clippy::unnecessary_wraps, reason = "each arm of `tell` gives what may be nothing")]
fn matters(side: Side, what: String) -> Option<Said> {
    Some(Said { side, weight: Weight::Told, what })
}

#[expect(clippy::unnecessary_wraps, reason = "each arm of `tell` gives what may be nothing")]
fn quietly(side: Side, what: String) -> Option<Said> {
    Some(Said { side, weight: Weight::Quiet, what })
}

impl<'a> Telling<'a> {
    /// Nothing was told yet.
    pub fn of(plan: &'a Plan) -> Self {
        Self { plan, calls: BTreeMap::new(), commands: BTreeMap::new(), faults: BTreeSet::new(), doors: BTreeMap::new() }
    }

    /// Remembers what later occurrences refer to.
    pub fn note(&mut self, view: &View, occurrence: &Occurrence) {
        if let Occurrence::Commanded { command, lock } = occurrence
            && let Some(what) = words::command(view, &command.op, command.for_code)
        {
            self.commands.insert(command.command_id, on(view, *lock, &what));
        }
    }

    /// What this occurrence is in words, if it is worth any; the view stands before it.
    pub fn tell(&mut self, now: Timestamp, view: &View, occurrence: &Occurrence) -> Option<Said> {
        self.note(view, occurrence);
        match occurrence {
            Occurrence::Started { restart } => matters(Side::Controller, if *restart { "starts again" } else { "starts" }.to_owned()),
            Occurrence::Crashed => matters(Side::Controller, "crashes".to_owned()),
            Occurrence::Called { call_id, .. } => {
                self.calls.insert(*call_id, self.call_in_words(*call_id));
                None
            }
            Occurrence::CallLost { call_id } => {
                let what = self.call_in_words(*call_id);
                matters(Side::Controller, format!("asked to {what}, but is down"))
            }
            Occurrence::Replied { call_id, result } => {
                let what = self.calls.remove(call_id).unwrap_or_else(|| "a call".to_owned());
                let answer = match result {
                    Ok(_) => "ok".to_owned(),
                    Err(refusal) => format!("refused, {refusal}"),
                };
                matters(Side::Controller, format!("asked to {what}: {answer}"))
            }
            Occurrence::Commanded { command, lock } => {
                let what = words::command(view, &command.op, command.for_code)?;
                quietly(Side::Controller, format!("sends {}", on(view, *lock, &what)))
            }
            Occurrence::Unsent { command, lock } => {
                let what = words::command(view, &command.op, command.for_code)?;
                quietly(Side::Controller, format!("has not sent {}", on(view, *lock, &what)))
            }
            Occurrence::Answered { command_id, answer, .. } => {
                let what = self.commands.get(command_id)?;
                quietly(Side::Controller, format!("hears of {what}: {}", words::answer(answer)))
            }
            Occurrence::Noticed { notice, lock, .. } => {
                let what = on(view, *lock, &words::news(&notice.news));
                quietly(Side::Controller, format!("notice {what}"))
            }
            Occurrence::Emitted(event) => {
                let what = format!("event {} of {}", event_name(event.event_type), view.label(event.access_code_id));
                of_code(view, event.access_code_id, Side::Controller, what)
            }
            Occurrence::Recorded { code, after } => recorded(view, *code, after.as_deref()),
            Occurrence::DeviceRecorded { device, after } => device_recorded(view, *device, after.as_deref()),
            Occurrence::Unannounced { what } => changes(Side::Controller, format!("changed {what} without a word")),
            Occurrence::Truth { lock, change, cause } => {
                let is_told = match (change, cause) {
                    (_, Cause::World) => true,
                    (Change::Stored { entry, .. }, _) => matches!(entry.origin, Origin::Code(code) if view.is_named(code)),
                    (Change::Erased { place }, _) => view
                        .lock(*lock)
                        .memory
                        .get(place)
                        .is_some_and(|entry| matches!(entry.origin, Origin::Code(code) if view.is_named(code))),
                    _ => false,
                };
                let weight = if is_told { Weight::Told } else { Weight::Change };
                changed(self.plan, view, *lock, change).map(|said| Said { weight, ..said })
            }
            Occurrence::Claimed { lock, place, code } => {
                let name = view.lock(*lock).name.clone();
                changes(Side::World, format!("{name} {place} is {} now", view.label(*code)))
            }
            Occurrence::Faults { lock, active } => self.fault(now, view, *lock, *active),
            Occurrence::Slowed { lock, jobs } => {
                let name = view.lock(*lock).name.clone();
                let what = if *jobs == 0 { "a slow job is done" } else { "a slow job holds the path" };
                changes(Side::World, format!("{name}: {what}"))
            }
            Occurrence::Reach { lock, up } => {
                let name = view.lock(*lock).name.clone();
                matters(Side::World, format!("{name} {}", if *up { "can be programmed" } else { "can't be programmed" }))
            }
            Occurrence::Entered { lock, pin, opened } => {
                let name = view.lock(*lock).name.clone();
                let does = if *opened { "opens" } else { "stays shut" };
                // What a PIN does at a door is news when it is not what it did before.
                let is_news = self.doors.insert((*lock, *pin), *opened) != Some(*opened);
                let what = format!("somebody enters {pin} at {name}: it {does}");
                if is_news { matters(Side::World, what) } else { quietly(Side::World, what) }
            }
            Occurrence::Phase(Phase::Heal) => changes(Side::World, "all faults are healed".to_owned()),
            Occurrence::Phase(Phase::Prologue | Phase::Safety | Phase::End)
            | Occurrence::StepBegan
            | Occurrence::WakeDue
            | Occurrence::Woken
            | Occurrence::Bound { .. }
            | Occurrence::NoTarget { .. }
            | Occurrence::Saved
            | Occurrence::StepEnded
            | Occurrence::Disturbed { .. } => None,
        }
    }

    /// What begins or ends with it: the fault of the plan by its name, as far as one is due now.
    fn fault(&mut self, now: Timestamp, view: &View, lock: Lock, active: u32) -> Option<Said> {
        let name = view.lock(lock).name.clone();
        let is_due =
            |fault: &Fault| (self.plan.instant(fault.from) == now, fault.until.is_some_and(|until| self.plan.instant(until) == now));
        let all = self.plan.faults.iter().enumerate().filter(|(_, fault)| fault.quirk.sort() != QuirkSort::Noise);
        let due: Vec<(usize, &Fault, bool)> = all
            .flat_map(|(n, fault)| {
                let (begins, ends) = is_due(fault);
                [begins.then_some((n, fault, true)), ends.then_some((n, fault, false))].into_iter().flatten()
            })
            .collect();
        if due.is_empty() {
            let what = if active == 0 { "all faults over".to_owned() } else { format!("faults active: {active}") };
            return changes(Side::World, format!("{name}: {what}"));
        }
        // A fault of a hub or account is named with it, and strikes all locks behind it.
        let is_own = |(_, fault, _): &&(usize, &Fault, bool)| fault.on.as_ref().is_none_or(|on| *on == name);
        let meant: Vec<_> = if due.iter().any(|due| is_own(&due)) { due.iter().filter(is_own).collect() } else { due.iter().collect() };
        let mut what = Vec::new();
        for (n, fault, begins) in meant {
            if self.faults.insert((*n, lock, *begins)) {
                what.push(format!("{} {}", fault.quirk.name(), if *begins { "begins" } else { "is over" }));
            }
        }
        if what.is_empty() {
            return None;
        }
        matters(Side::World, format!("{name}: {}", what.join(", ")))
    }

    fn call_in_words(&self, call_id: CallId) -> String {
        let step = self.plan.steps.get(call_id.0 as usize).filter(|_| call_id.0 < PROLOGUE_CALLS);
        step.map_or_else(|| "do something".to_owned(), |step| words::action(&step.action))
    }
}

fn recorded(view: &View, code: CodeId, after: Option<&Record>) -> Option<Said> {
    let label = view.label(code).to_owned();
    let before = view.records.get(&code).map(shown_record);
    let after = after.map(shown_record);
    match (before, after) {
        (_, None) => of_code(view, code, Side::Controller, format!("{label} is gone")),
        (Some(before), Some(after)) if before == after => None,
        // Codes that the plan does not name get their word with this very record.
        (None, Some(after)) if label == "a code" => changes(Side::Controller, format!("a new code shows {after}")),
        (_, Some(after)) => of_code(view, code, Side::Controller, format!("{label} shows {after}")),
    }
}

/// It matters if the plan names the code.
fn of_code(view: &View, code: CodeId, side: Side, what: String) -> Option<Said> {
    if view.is_named(code) { matters(side, what) } else { changes(side, what) }
}

fn device_recorded(view: &View, device: DeviceId, after: Option<&DeviceRecord>) -> Option<Said> {
    let name = view.lock_of(device).map_or("a device", |lock| &lock.name).to_owned();
    let before = view.devices.get(&device).map(shown_device).unwrap_or_default();
    let after = after.map(shown_device).unwrap_or_default();
    if before == after {
        return None;
    }
    let after = if after.is_empty() { "no problem" } else { &after };
    changes(Side::Controller, format!("{name} shows {after}"))
}

fn changed(plan: &Plan, view: &View, lock: Lock, change: &Change) -> Option<Said> {
    let name = view.lock(lock).name.clone();
    let what = match change {
        Change::Stored { place, entry } => {
            let window = entry.window.map_or(String::new(), |window| format!(", {}", words::window(plan, window)));
            let disabled = if entry.enabled { "" } else { ", disabled" };
            let owner = words::owner(view, entry);
            format!("{name} {place} holds {} of {owner}{window}{disabled}", entry.pin)
        }
        Change::Erased { place } => format!("{name} {place} is free"),
        Change::Clock { off_ms: 0 } => format!("the clock of {name} is right"),
        Change::Clock { off_ms } => format!("the clock of {name} is off by {off_ms} ms"),
        Change::Works(true) => format!("{name} works"),
        Change::Works(false) => format!("{name} is dead"),
        Change::Joined { epoch, .. } => format!("{name} joins anew, incarnation {}", epoch.0),
        Change::Seats { limit, used, .. } => format!("{used} of {limit} seats of the site of {name} are taken"),
        Change::Left => format!("{name} leaves its account"),
        Change::Computed { pin, .. } => format!("{name} takes {pin}, computed by its vendor"),
        Change::Used { pin } => format!("{name} was opened by {pin} for the first time"),
        Change::SetBack => format!("{name} takes no computed PIN of before"),
        Change::Lengths(lengths) => format!("{name} takes PINs of {:?} digits", lengths.iter().collect::<Vec<_>>()),
    };
    changes(Side::World, what)
}

fn on(view: &View, lock: Option<Lock>, what: &str) -> String {
    lock.map_or_else(|| what.to_owned(), |lock| format!("{}: {what}", view.lock(lock).name))
}

/// The problems of a record by their names, errors first.
pub fn problems(record: &Record) -> Vec<&'static str> {
    let errors = record.errors.iter().map(|entry| entry.error_code.name());
    errors.chain(record.warnings.iter().map(|entry| entry.warning_code.name())).collect()
}

/// A record in words: its status and its problems.
fn shown_record(record: &Record) -> String {
    let scheduled = if record.is_scheduled_on_device { ", scheduled" } else { "" };
    let problems = problems(record);
    let with = if problems.is_empty() { String::new() } else { format!(" with {}", problems.join(", ")) };
    format!("{}{scheduled}{with}", record.status)
}

/// A device in words: its problems.
pub fn shown_device(record: &DeviceRecord) -> String {
    let errors = record.errors.iter().chain(&record.account_errors).map(|entry| entry.error_code.name());
    errors.chain(record.warnings.iter().map(|entry| entry.warning_code.name())).collect::<Vec<_>>().join(", ")
}
