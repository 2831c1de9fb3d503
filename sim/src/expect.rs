//! Whether a run shows what its plan expects. An observer of the stream of occurrences; it sees nothing else.

use std::collections::BTreeMap;

use keyway_core::access_code::Record;
use keyway_core::id::CodeId;
use keyway_core::pin::Pin;
use keyway_core::port::{Command, Op, Place};
use keyway_core::request::Refusal;
use keyway_core::time::Timestamp;

use crate::occurrence::{Facts, Lock, Occurrence, PROLOGUE_CALLS, TrueEntry};
use crate::plan::{Action, Bound, Counted, Door, Enter, ExpectedEntry, ExpectedStatus, Never, Plan, State};
use crate::plan_text::Offset;
use crate::run::Outcome;
use crate::verdict::{Verdict, Violation};
use crate::view::View;
use crate::words::event_name;

/// The id under which expectations that are not met are reported.
pub const ID: &str = "expect";

/// The expectations of one plan, watching one run.
#[derive(Debug)]
pub struct Expect {
    plan: Plan,
    facts: Facts,
    view: View,
    /// Whether there is anything to watch.
    is_armed: bool,
    /// The states by their times, the next one last.
    states: Vec<(Timestamp, State)>,
    events: BTreeMap<CodeId, Vec<&'static str>>,
    unmanaged_events: BTreeMap<String, Vec<&'static str>>,
    /// For each bound, the instants of what it counts, by code.
    counted: Vec<BTreeMap<Option<CodeId>, Vec<Timestamp>>>,
    refused: Vec<(String, Refusal)>,
    probes: Vec<Probe>,
    /// The PINs that each named code has had.
    pins: BTreeMap<String, Vec<Pin>>,
    never_seen: Vec<bool>,
    violations: Vec<Violation>,
}

/// An entry at a keypad that must have a result.
#[derive(Debug)]
struct Probe {
    enter: Enter,
    must: Door,
    lock: Lock,
    next: Timestamp,
    every_ms: Option<i64>,
    until: Timestamp,
}

impl Expect {
    /// Before the first occurrence.
    #[must_use]
    pub fn new(plan: &Plan, facts: &Facts) -> Self {
        let mut states: Vec<(Timestamp, State)> =
            plan.expect.at.iter().map(|state| (plan.instant(state.at), state.state.clone())).collect();
        states.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let probes: Vec<Probe> = plan.steps.iter().filter_map(|step| probe(plan, facts, step.at, &step.action)).collect();
        Self {
            is_armed: plan.expect != crate::plan::Expectations::default() || !probes.is_empty(),
            view: View::new(facts),
            facts: facts.clone(),
            states,
            events: BTreeMap::new(),
            unmanaged_events: BTreeMap::new(),
            counted: vec![BTreeMap::new(); plan.expect.bounds.len()],
            refused: Vec::new(),
            probes,
            pins: BTreeMap::new(),
            never_seen: vec![false; plan.expect.never.len()],
            violations: Vec::new(),
            plan: plan.clone(),
        }
    }

    /// When the next expected state is due; it is compared after all that happens at that instant.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.states.last().map(|(at, _)| *at)
    }

    /// Compares the states that are due at `now`.
    pub fn at_deadline(&mut self, now: Timestamp) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            let Some((at, state)) = self.states.pop() else { return };
            let when = format!("at {}", self.clock(at));
            self.compare(at, &when, &state);
        }
    }

    /// Takes in what happens at `now`.
    pub fn observe(&mut self, now: Timestamp, occurrence: &Occurrence) {
        if !self.is_armed {
            return;
        }
        // A state of an instant is compared after that instant, even if nobody called at the deadline.
        if self.next_deadline().is_some_and(|at| at < now) {
            self.at_deadline(now - 1);
        }
        for event in self.view.observe(occurrence) {
            self.emitted(&event);
        }
        match occurrence {
            Occurrence::Recorded { code, after: Some(record) } => self.recorded(*code, record),
            Occurrence::Bound { code, .. } => {
                if let Some(record) = self.view.records.get(code).cloned() {
                    self.recorded(*code, &record);
                }
            }
            Occurrence::Replied { call_id, result: Err(refusal) } if call_id.0 < PROLOGUE_CALLS => {
                let names = self.plan.steps.get(call_id.0 as usize).map(|step| codes_of(&step.action)).unwrap_or_default();
                self.refused.extend(names.into_iter().map(|name| (name, *refusal)));
            }
            Occurrence::Commanded { command, lock } if self.view.has_begun() => self.commanded(now, command, *lock),
            Occurrence::Entered { lock, pin, opened } => self.entered(now, *lock, *pin, *opened),
            Occurrence::StepEnded | Occurrence::Truth { .. } => self.look_for_never(now),
            _ => {}
        }
    }

    /// Compares all that is known only at the end, and gives whatever was not met, in the order of its instants.
    #[must_use]
    pub fn finish(mut self, now: Timestamp) -> Vec<Violation> {
        if !self.is_armed {
            return Vec::new();
        }
        self.at_deadline(now);
        let end = std::mem::take(&mut self.plan.expect.end);
        self.compare(now, "at the end", &end);
        self.compare_refusals(now);
        self.compare_events(now);
        self.compare_bounds(now);
        self.untried_doors(now);
        self.violations.sort_by_key(|violation| violation.at);
        self.violations
    }

    /// What was not met so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    fn emitted(&mut self, event: &keyway_core::event::Event) {
        if !self.view.has_begun() {
            return;
        }
        let name = event_name(event.event_type);
        self.events.entry(event.access_code_id).or_default().push(name);
        if let Some(name) = name.strip_prefix("unmanaged.")
            && let Some(lock) = self.view.lock_of(event.device_id)
        {
            self.unmanaged_events.entry(lock.name.clone()).or_default().push(name);
        }
    }

    fn recorded(&mut self, code: CodeId, record: &Record) {
        let name = self.view.codes.iter().find(|(_, named)| **named == code).map(|(name, _)| name.clone());
        if let (Some(name), Some(pin)) = (name, record.code) {
            let pins = self.pins.entry(name).or_default();
            if !pins.contains(&pin) {
                pins.push(pin);
            }
        }
    }

    fn commanded(&mut self, now: Timestamp, command: &Command, lock: Option<Lock>) {
        for (bound, counted) in self.plan.expect.bounds.iter().zip(&mut self.counted) {
            let after_from = now >= self.plan.instant(bound.from);
            let before_until = bound.until.is_none_or(|until| now <= self.plan.instant(until));
            if after_from && before_until && counts(&self.plan, &self.view, bound, command, lock) {
                counted.entry(command.for_code).or_default().push(now);
            }
        }
    }

    fn entered(&mut self, now: Timestamp, lock: Lock, pin: Pin, opened: bool) {
        let due = |probe: &Probe| probe.lock == lock && probe.next == now;
        let pins = &self.pins;
        let is_meant = |probe: &Probe| match (&probe.enter.pin, &probe.enter.code) {
            (Some(text), _) => text.0 == pin,
            (None, Some(code)) => pins.get(code).is_some_and(|pins| pins.contains(&pin)),
            (None, None) => false,
        };
        let Some(probe) = self.probes.iter_mut().find(|probe| due(probe) && is_meant(probe)) else { return };
        let again = probe.every_ms.map(|every_ms| now + every_ms).filter(|next| *next <= probe.until);
        probe.next = again.unwrap_or(Timestamp::MAX);
        if (probe.must == Door::Open) != opened {
            let whose = probe.enter.code.as_ref().map_or(String::new(), |code| format!(" of {code}"));
            let (expected, seen) = if opened { ("must stay shut", "opens") } else { ("must open", "stays shut") };
            let name = self.view.lock(lock).name.clone();
            self.miss(now, "door", format!("the door of {name} {expected} to {pin}{whose}, but {seen}"));
        }
    }

    fn look_for_never(&mut self, now: Timestamp) {
        if !self.view.has_begun() {
            return;
        }
        for i in 0..self.never_seen.len() {
            if self.never_seen[i] {
                continue;
            }
            if let Some(what) = seen_now(&self.plan, &self.view, &self.plan.expect.never[i], now) {
                self.never_seen[i] = true;
                self.miss(now, "never", what);
            }
        }
    }

    fn compare(&mut self, at: Timestamp, when: &str, state: &State) {
        for (name, expected) in &state.memory {
            self.compare_memory(at, when, name, expected);
        }
        for (name, expected) in &state.codes {
            let seen = self.status(name);
            if seen != Ok(*expected) {
                let seen = seen.map_or_else(str::to_owned, status_name);
                self.miss(at, "status", format!("{when} {name} must be {}, but is {seen}", status_name(*expected)));
            }
        }
        for (name, expected) in &state.errors {
            let seen = self.errors(name);
            self.compare_problems(at, when, name, "errors", expected, seen);
        }
        for (name, expected) in &state.warnings {
            let seen = self.warnings(name);
            self.compare_problems(at, when, name, "warnings", expected, seen);
        }
        for (name, expected) in &state.windows {
            let wanted = (self.plan.instant(expected.starts), self.plan.instant(expected.ends));
            let record = self.view.codes.get(name).and_then(|code| self.view.records.get(code));
            let seen = record.and_then(|record| record.starts_at.zip(record.ends_at));
            if seen != Some(wanted) {
                let seen = seen.map_or("has none".to_owned(), |(starts, ends)| format!("shows {starts} to {ends}"));
                self.miss(at, "window", format!("{when} {name} must show the window {} to {}, but {seen}", wanted.0, wanted.1));
            }
        }
        for (name, expected) in &state.waits_for_pin {
            let record = self.view.codes.get(name).and_then(|code| self.view.records.get(code));
            let seen = record.map(|record| record.is_waiting_for_code_assignment);
            if seen != Some(*expected) {
                let seen = match seen {
                    Some(true) => "waits for one",
                    Some(false) => "waits for none",
                    None => "has no record",
                };
                let wanted = if *expected { "wait for a PIN" } else { "wait for no PIN" };
                self.miss(at, "assignment", format!("{when} {name} must {wanted}, but {seen}"));
            }
        }
        for (name, expected) in &state.free_slots {
            let Some(lock) = self.view.lock_named(name) else { continue };
            let seen = lock.usable_slots.saturating_sub(lock.entries().count() as u32);
            if seen != *expected {
                self.miss(at, "free slots", format!("{when} {name} must have {expected} free slots, but has {seen}"));
            }
        }
        for (name, expected) in &state.site_users {
            let Some(seen) = self.view.lock_named(name).map(|lock| lock.site_users) else { continue };
            if seen != *expected {
                self.miss(at, "site users", format!("{when} the site of {name} must have {expected} users of ours, but has {seen}"));
            }
        }
        for (name, expected) in &state.clock_error_at_most {
            let Some(off_ms) = self.view.lock_named(name).map(|lock| lock.clock_off_ms) else { continue };
            if off_ms.abs() > expected.0 {
                self.miss(at, "clock", format!("{when} the clock of {name} must be off by at most {expected}, but is off by {off_ms} ms"));
            }
        }
    }

    fn compare_memory(&mut self, at: Timestamp, when: &str, name: &str, expected: &[ExpectedEntry]) {
        let Some(lock) = self.view.lock_named(name) else { return };
        let seen: Vec<(&Place, &TrueEntry)> = lock.entries().collect();
        let fits = |i: usize, j: usize| fits(&self.view, &expected[i], *seen[j].0, seen[j].1);
        if seen.len() == expected.len() && is_assignable(expected.len(), fits) {
            return;
        }
        let expected: Vec<String> = expected.iter().map(told).collect();
        let seen: Vec<String> = seen.iter().map(|(place, entry)| found(&self.view, **place, entry)).collect();
        self.miss(at, "memory", format!("{when} {name} must hold [{}], but holds [{}]", expected.join(", "), seen.join(", ")));
    }

    fn compare_problems(&mut self, at: Timestamp, when: &str, name: &str, what: &str, expected: &[String], seen: Result<Vec<&str>, &str>) {
        let is_met = seen.as_ref().is_ok_and(|seen| {
            let allowed = |seen: &&&str| expected.iter().any(|name| name.strip_suffix('?').unwrap_or(name) == **seen);
            seen.iter().all(|name| allowed(&name)) && expected.iter().all(|name| name.ends_with('?') || seen.contains(&name.as_str()))
        });
        if !is_met {
            let seen = seen.map_or_else(str::to_owned, |seen| format!("[{}]", seen.join(", ")));
            let expected = expected.join(", ");
            self.miss(at, what, format!("{when} the {what} of {name} must be [{expected}], but are {seen}"));
        }
    }

    fn compare_refusals(&mut self, now: Timestamp) {
        for (name, refusal) in std::mem::take(&mut self.plan.expect.refused) {
            if self.refused.contains(&(name.clone(), refusal)) {
                continue;
            }
            let seen = self.refused.iter().find(|(seen, _)| *seen == name);
            let seen = seen.map_or("was not refused".to_owned(), |(_, refusal)| format!("was refused with {refusal}"));
            self.miss(now, "refusal", format!("a call for {name} must be refused with {refusal}, but {seen}"));
        }
    }

    fn compare_events(&mut self, now: Timestamp) {
        for (name, pattern) in std::mem::take(&mut self.plan.expect.events) {
            let code = self.view.codes.get(&name);
            let seen = code.and_then(|code| self.events.get(code)).cloned().unwrap_or_default();
            self.compare_pattern(now, &format!("the events of {name}"), &pattern, &seen);
        }
        for (name, pattern) in std::mem::take(&mut self.plan.expect.unmanaged_events) {
            let seen = self.unmanaged_events.get(&name).cloned().unwrap_or_default();
            self.compare_pattern(now, &format!("the events of unmanaged entries on {name}"), &pattern, &seen);
        }
    }

    fn compare_pattern(&mut self, now: Timestamp, what: &str, pattern: &[String], seen: &[&str]) {
        if !matches(pattern, seen) {
            self.miss(now, "events", format!("{what} must be [{}], but are [{}]", pattern.join(", "), seen.join(", ")));
        }
    }

    fn compare_bounds(&mut self, now: Timestamp) {
        for (i, bound) in std::mem::take(&mut self.plan.expect.bounds).into_iter().enumerate() {
            let code = bound.code.as_ref().map(|name| self.view.codes.get(name).copied());
            let is_meant = |of: &Option<CodeId>| match code {
                None => true,
                Some(code) => code.is_some() && *of == code,
            };
            let mut instants: Vec<Timestamp> =
                self.counted[i].iter().filter(|(of, _)| is_meant(of)).flat_map(|(_, instants)| instants).copied().collect();
            instants.sort_unstable();
            let seen = instants.len();
            let what = told_bound(&bound);
            if let Some(max) = bound.max
                && seen > max as usize
            {
                self.miss(instants[max as usize], "bound", format!("at most {max} {what}, but there are {seen}"));
            }
            if let Some(min) = bound.min
                && seen < min as usize
            {
                self.miss(now, "bound", format!("at least {min} {what}, but there are {seen}"));
            }
        }
    }

    /// A door that nobody tried proves nothing.
    fn untried_doors(&mut self, now: Timestamp) {
        for probe in std::mem::take(&mut self.probes) {
            if probe.next <= probe.until.min(now) {
                let who = match (&probe.enter.code, &probe.enter.pin) {
                    (Some(code), _) => format!("the PIN of {code}"),
                    (None, Some(pin)) => pin.0.to_string(),
                    (None, None) => "a PIN".to_owned(),
                };
                let at = self.clock(probe.next);
                self.miss(now, "door", format!("{who} must be entered at {} at {at}, but never was", probe.enter.on));
            }
        }
    }

    fn status(&self, name: &str) -> Result<ExpectedStatus, &'static str> {
        let code = self.view.codes.get(name).ok_or("never created")?;
        Ok(self.view.records.get(code).map_or(ExpectedStatus::Gone, |record| record.status.into()))
    }

    /// The own errors of a code, of a device, or of an account. A device without a declared account shows its account's errors too.
    fn errors(&self, name: &str) -> Result<Vec<&'static str>, &'static str> {
        if let Some(record) = self.record(name)? {
            return Ok(record.errors.iter().map(|entry| entry.error_code.name()).collect());
        }
        let mut names: Vec<&'static str> = Vec::new();
        for device in &self.plan.devices {
            let is_own = device.name == name;
            let of_account = device.account.as_deref() == Some(name) || (is_own && device.account.is_none());
            let Some(shown) = self.view.lock_named(&device.name).and_then(|lock| self.view.devices.get(&lock.device)) else { continue };
            let own = shown.errors.iter().filter(|_| is_own);
            names.extend(own.chain(shown.account_errors.iter().filter(|_| of_account)).map(|entry| entry.error_code.name()));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn warnings(&self, name: &str) -> Result<Vec<&'static str>, &'static str> {
        if let Some(record) = self.record(name)? {
            return Ok(record.warnings.iter().map(|entry| entry.warning_code.name()).collect());
        }
        let shown = self.view.lock_named(name).and_then(|lock| self.view.devices.get(&lock.device));
        Ok(shown.map_or(Vec::new(), |shown| shown.warnings.iter().map(|entry| entry.warning_code.name()).collect()))
    }

    /// The record of a code; none for a name that is no code's.
    fn record(&self, name: &str) -> Result<Option<&Record>, &'static str> {
        let is_other =
            self.facts.locks.iter().any(|lock| lock.name == name) || self.plan.accounts.iter().any(|account| account.name == name);
        if is_other {
            return Ok(None);
        }
        let code = self.view.codes.get(name).ok_or("none: it was never created")?;
        self.view.records.get(code).map(Some).ok_or("none: it is gone")
    }

    fn clock(&self, at: Timestamp) -> String {
        Offset::After(at - self.plan.start.0).to_string()
    }

    fn miss(&mut self, at: Timestamp, roles: &str, what: String) {
        self.violations.push(Violation { id: ID.to_owned(), at, what, roles: roles.to_owned() });
    }
}

/// What a run came to in the light of its plan: one that must fail by an invariant passes if that is among those broken first.
#[must_use]
pub fn settled(plan: &Plan, outcome: &Outcome) -> Verdict {
    let broken = outcome.finding.as_ref().map_or(&[][..], |finding| &finding.violations);
    match &plan.expect.verdict {
        Some(id) if broken.iter().any(|violation| violation.id == *id) => Verdict::Pass,
        Some(_) if outcome.verdict == Verdict::Pass => Verdict::ExpectationNotMet,
        None if outcome.verdict == Verdict::Pass && !missing_marks(plan, &outcome.marks).is_empty() => Verdict::Vacuous,
        _ => outcome.verdict,
    }
}

/// The marks that a plan requires and a run did not hit.
#[must_use]
pub fn missing_marks(plan: &Plan, marks: &BTreeMap<&'static str, u64>) -> Vec<String> {
    let is_hit = |mark: &&String| marks.get(mark.as_str()).is_some_and(|hits| *hits > 0);
    plan.expect.marks.iter().filter(|mark| !is_hit(mark)).cloned().collect()
}

fn probe(plan: &Plan, facts: &Facts, at: Offset, action: &Action) -> Option<Probe> {
    let (enter, every_ms, until) = match action {
        Action::Enter(enter) => (enter, None, at),
        Action::EnterRepeatedly(again) => (&again.enter, Some(again.every.0), again.until),
        _ => return None,
    };
    let lock = facts.locks.iter().position(|lock| lock.name == enter.on)?;
    let next = plan.instant(at);
    Some(Probe { enter: enter.clone(), must: enter.must?, lock: Lock(lock as u32), next, every_ms, until: plan.instant(until) })
}

/// The codes that a call is about, or the device, if it is about one as a whole.
fn codes_of(action: &Action) -> Vec<String> {
    match action {
        Action::Create(create) => vec![create.code.clone()],
        Action::CreateMultiple(create) => create.codes.keys().cloned().collect(),
        Action::Update(update) => vec![update.code.clone()],
        Action::UpdateMultiple(update) => vec![update.group_of.clone()],
        Action::Delete(code) | Action::Get(code) => vec![code.clone()],
        Action::DeleteOn(delete) => vec![delete.code.clone()],
        Action::GetByPin(get) => vec![get.on.clone()],
        Action::ListCodes(list) => list.codes.clone(),
        Action::PullBackup(pull) => vec![pull.of.clone(), pull.named.clone()],
        Action::Unmanaged(action) => action.code().into_iter().collect(),
        Action::Device(action) => vec![action.on().to_owned()],
        Action::List(_)
        | Action::GenerateCode(_)
        | Action::SimulateUnmanaged(_)
        | Action::PersonAdds(_)
        | Action::PersonRemoves(_)
        | Action::PersonEdits(_)
        | Action::PersonDisables(_)
        | Action::PersonSetsLength(_)
        | Action::Enter(_)
        | Action::EnterRepeatedly(_) => Vec::new(),
    }
}

/// Whether a bound counts a command, but for its code and its time.
fn counts(plan: &Plan, view: &View, bound: &Bound, command: &Command, lock: Option<Lock>) -> bool {
    let op = &command.op;
    let is_counted = match bound.count {
        Counted::Writes => op.is_mutating() && !op.is_erasing(),
        Counted::Erasures => op.is_erasing(),
        Counted::Mutating => op.is_mutating(),
        Counted::Reads => !op.is_mutating() && !matches!(op, Op::SetClock { .. }),
        Counted::ClockSettings => matches!(op, Op::SetClock { .. }),
        Counted::All => true,
    };
    let name = lock.map(|lock| view.lock(lock).name.as_str());
    let account = name.and_then(|name| plan.devices.iter().find(|device| device.name == name)).and_then(|device| device.account.as_deref());
    let is_on = bound.on.as_deref().is_none_or(|on| name == Some(on) || account == Some(on));
    let slot = match op {
        Op::SetSlot { slot, .. } | Op::ClearSlot { slot } | Op::ReadSlot { slot, .. } => Some(slot.0),
        _ => None,
    };
    let in_slots = bound.slots.is_none_or(|(from, to)| slot.is_some_and(|slot| (from..=to).contains(&slot)));
    is_counted && is_on && in_slots && (bound.commands.is_empty() || bound.commands.contains(&op.kind()))
}

/// What is seen now of what must never be seen.
fn seen_now(plan: &Plan, view: &View, never: &Never, now: Timestamp) -> Option<String> {
    match never {
        Never::Status(never) => {
            let record = view.records.get(view.codes.get(&never.code)?)?;
            let lock = view.lock_of(record.device_id)?;
            let is_stored = never.without_pin.is_some_and(|pin| lock.entries().any(|(_, entry)| entry.pin == pin.0));
            let without = never.without_pin.map_or(String::new(), |pin| format!(" while {} is not in {}", pin.0, lock.name));
            (record.status == never.is && !is_stored).then(|| format!("{} must never be {}{without}, but is", never.code, never.is))
        }
        Never::Problem(never) => {
            let names = problems_of(plan, view, &never.of);
            let seen = names.into_iter().find(|name| never.names.is_empty() || never.names.iter().any(|known| known == name))?;
            Some(format!("{} must never show {seen}, but does", never.of))
        }
        Never::Twice(never) => {
            let lock = view.lock_named(&never.on)?;
            let count = lock.entries().filter(|(_, entry)| entry.pin == never.pin.0).count();
            (count > 1).then(|| format!("{} must never hold {} twice, but does", never.on, never.pin.0))
        }
        Never::Absent(never) => {
            let in_time = now >= plan.instant(never.from) && never.until.is_none_or(|until| now <= plan.instant(until));
            let code = *view.codes.get(&never.code)?;
            let device = view.records.get(&code)?.device_id;
            let lock = view.lock_of(device)?;
            let is_there = lock.entries().any(|(_, entry)| entry.enabled && entry.origin == crate::occurrence::Origin::Code(code));
            (in_time && !is_there).then(|| format!("{} must never be missing from {}, but is", never.code, lock.name))
        }
    }
}

fn problems_of(plan: &Plan, view: &View, name: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    if let Some(record) = view.codes.get(name).and_then(|code| view.records.get(code)) {
        names.extend(record.errors.iter().map(|entry| entry.error_code.name()));
        names.extend(record.warnings.iter().map(|entry| entry.warning_code.name()));
    }
    for device in &plan.devices {
        let Some(shown) = view.lock_named(&device.name).and_then(|lock| view.devices.get(&lock.device)) else { continue };
        if device.name == name {
            names.extend(shown.errors.iter().map(|entry| entry.error_code.name()));
            names.extend(shown.warnings.iter().map(|entry| entry.warning_code.name()));
        }
        if device.account.as_deref() == Some(name) || (device.name == name && device.account.is_none()) {
            names.extend(shown.account_errors.iter().map(|entry| entry.error_code.name()));
        }
    }
    names
}

/// Whether a true entry is what an expected one says.
fn fits(view: &View, expected: &ExpectedEntry, place: Place, entry: &TrueEntry) -> bool {
    let slot = match place {
        Place::Slot(slot) => Some(slot.0),
        Place::Handle(_) => None,
    };
    let owner = match expected.owner.as_deref() {
        None => true,
        Some("none") => view.owner(entry).is_none(),
        Some("backup") => view.is_pooled_backup(entry),
        Some(name) => view.owner(entry) == Some(name),
    };
    owner
        && expected.pin.is_none_or(|pin| pin.0 == entry.pin)
        && expected.slot.is_none_or(|wanted| slot == Some(wanted))
        && expected.not_slot.is_none_or(|unwanted| slot != Some(unwanted))
}

/// Whether `count` things on one side can be paired off with as many on the other, `fits` saying which go together.
fn is_assignable(count: usize, fits: impl Fn(usize, usize) -> bool) -> bool {
    fn place(i: usize, taken_by: &mut [Option<usize>], tried: &mut [bool], fits: &impl Fn(usize, usize) -> bool) -> bool {
        for j in 0..taken_by.len() {
            if tried[j] || !fits(i, j) {
                continue;
            }
            tried[j] = true;
            if taken_by[j].is_none_or(|other| place(other, taken_by, tried, fits)) {
                taken_by[j] = Some(i);
                return true;
            }
        }
        false
    }
    let mut taken_by = vec![None; count];
    (0..count).all(|i| place(i, &mut taken_by, &mut vec![false; count], &fits))
}

/// Whether the names are what a pattern says: `name` once, `name?` at most once, `name*` any number of times, `*` anything.
fn matches(pattern: &[String], seen: &[&str]) -> bool {
    // The places in the pattern that may come next.
    let skip = |places: &mut Vec<bool>| {
        for i in 0..pattern.len() {
            if places[i] && pattern[i].ends_with(['?', '*']) {
                places[i + 1] = true;
            }
        }
    };
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    skip(&mut places);
    for name in seen {
        let mut after = vec![false; pattern.len() + 1];
        for (i, word) in pattern.iter().enumerate().filter(|(i, _)| places[*i]) {
            let is_star = word.ends_with('*');
            let is_it = word == "*" || word.strip_suffix(['?', '*']).unwrap_or(word) == *name;
            if is_it {
                after[if is_star { i } else { i + 1 }] = true;
            }
        }
        skip(&mut after);
        places = after;
    }
    places[pattern.len()]
}

fn status_name(status: ExpectedStatus) -> String {
    match status {
        ExpectedStatus::Setting => "setting",
        ExpectedStatus::Set => "set",
        ExpectedStatus::Unset => "unset",
        ExpectedStatus::Removing => "removing",
        ExpectedStatus::Unknown => "unknown",
        ExpectedStatus::Gone => "gone",
    }
    .to_owned()
}

/// An expected entry in words.
fn told(entry: &ExpectedEntry) -> String {
    let slot = entry.slot.map(|slot| format!("slot {slot}"));
    let not_slot = entry.not_slot.map(|slot| format!("not slot {slot}"));
    let pin = entry.pin.map(|pin| pin.0.to_string());
    let owner = match entry.owner.as_deref() {
        Some("none") => Some("of nobody".to_owned()),
        Some("backup") => Some("of a backup".to_owned()),
        owner => owner.map(|owner| format!("of {owner}")),
    };
    let words: Vec<String> = [slot, not_slot, pin, owner].into_iter().flatten().collect();
    if words.is_empty() { "anything".to_owned() } else { words.join(" ") }
}

/// A true entry in words.
fn found(view: &View, place: Place, entry: &TrueEntry) -> String {
    let slot = match place {
        Place::Slot(slot) => format!("slot {} ", slot.0),
        Place::Handle(_) => String::new(),
    };
    format!("{slot}{} of {}", entry.pin, view.owner(entry).unwrap_or("nobody"))
}

fn told_bound(bound: &Bound) -> String {
    let what = match bound.count {
        Counted::Writes => "writes",
        Counted::Erasures => "erasures",
        Counted::Mutating => "writes and erasures",
        Counted::Reads => "reads",
        Counted::ClockSettings => "settings of a clock",
        Counted::All => "commands",
    };
    let on = bound.on.as_ref().map_or(String::new(), |on| format!(" on {on}"));
    let code = bound.code.as_ref().map_or(String::new(), |code| format!(" for {code}"));
    let slots = bound.slots.map_or(String::new(), |(from, to)| format!(" to slots {from} to {to}"));
    let from = if bound.from == Offset::default() { String::new() } else { format!(" from {}", bound.from) };
    let until = bound.until.map_or(String::new(), |until| format!(" until {until}"));
    format!("{what}{on}{code}{slots}{from}{until}")
}

#[cfg(test)]
mod tests;
