//! The shadow of a run: codes, locks, devices, commands and calls as the stream of occurrences tells of them.
//!
//! It is brought up to date before any checker sees an occurrence, and keeps what a record or device was before the
//! present step. The terms of the invariants are defined on it.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::event::Event;
use keyway_core::id::{AccountId, CallId, CodeId, CommandId, DeviceId, WorkspaceId};
use keyway_core::pin::Pin;
use keyway_core::port::{Command, Place};
use keyway_core::request::{Refusal, Request, Response};
use keyway_core::time::Timestamp;
use keyway_core::vendor::{Family, Profile};

use crate::occurrence::{Cause, Change, Facts, Lock, LockFacts, Occurrence, Phase, TrueEntry};

/// A code, by the order in which the judge first heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeIx(pub u32);

/// What is known of a code.
#[derive(Clone, Debug)]
pub struct Code {
    /// Its id.
    pub id: CodeId,
    /// Its record; none before it was first read and after it is gone.
    pub record: Option<Box<Record>>,
    /// Its lock, once known.
    pub lock: Option<Lock>,
    /// When its record went.
    pub gone_at: Option<Timestamp>,
    /// What the record was before the present step; means something only if it changed in it.
    before: Option<Box<Record>>,
    is_changed: bool,
    last_transition: &'static str,
    is_touched: bool,
}

impl Code {
    /// Its last change of status, as text for fingerprints.
    #[must_use]
    pub const fn last_transition(&self) -> &'static str {
        self.last_transition
    }

    /// Its status now; none without a record.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.record.as_ref().map(|record| record.status)
    }
}

/// A lock and its device, account and memory.
#[derive(Clone, Debug)]
pub struct LockState {
    /// What never changes.
    pub facts: LockFacts,
    /// The device's own view as last read.
    pub device: Option<Box<DeviceRecord>>,
    /// What lies in its memory.
    pub memory: BTreeMap<Place, Stored>,
    /// Error of its clock in milliseconds; positive is fast.
    pub clock_off_ms: i64,
    /// Whether the lock itself works.
    pub works: bool,
    /// Whether commands can reach it.
    pub reach: bool,
    /// Faults active on its path.
    pub faults: u32,
    device_before: Option<Box<DeviceRecord>>,
    is_device_changed: bool,
    is_touched: bool,
}

/// An entry in a lock's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// As the world told it.
    pub entry: TrueEntry,
    /// Since when it is so.
    pub since: Timestamp,
    /// Who did it.
    pub cause: Cause,
}

/// What was handed to the controller in a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An API call.
    Call(CallId),
    /// An answer to a command, of this lock if it was about one.
    Answer(CommandId, Option<Lock>),
    /// A notice, about this lock if it was about one.
    Notice(Option<Lock>),
    /// A wake.
    Wake,
}

/// What happened so far in the present step, or in the last one until the next begins.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What was handed to the controller.
    pub input: Option<Input>,
    /// The commands it sent, each with the lock it means.
    pub commands: Vec<(Command, Option<Lock>)>,
    /// The events it emitted.
    pub events: Vec<Event>,
    /// The calls it answered.
    pub replies: Vec<(CallId, Result<Response, Refusal>)>,
    /// Whether anything was saved in it.
    pub is_saved: bool,
}

/// A call whose answer is out or still to come.
#[derive(Clone, Debug)]
pub struct Call {
    /// Of the caller.
    pub workspace: WorkspaceId,
    /// What was asked.
    pub request: Request,
}

/// The shadow of a run.
#[derive(Debug)]
pub struct History {
    facts: Facts,
    now: Timestamp,
    phase: Phase,
    codes: Vec<Code>,
    code_index: BTreeMap<CodeId, CodeIx>,
    locks: Vec<LockState>,
    lock_index: BTreeMap<DeviceId, Lock>,
    commands: BTreeMap<CommandId, (Command, Option<Lock>)>,
    calls: BTreeMap<CallId, Call>,
    step: Step,
    is_in_step: bool,
    is_up: bool,
    started_at: Option<Timestamp>,
    restarts: u32,
    touched_codes: Vec<CodeIx>,
    touched_locks: Vec<Lock>,
    changed_codes: Vec<CodeIx>,
    changed_devices: Vec<Lock>,
    edges: BTreeSet<(Timestamp, CodeIx)>,
}

impl History {
    /// The shadow of a run that has not begun.
    #[must_use]
    pub fn new(facts: Facts) -> Self {
        let locks: Vec<LockState> = facts.locks.iter().map(LockState::new).collect();
        let lock_index = (0..).map(Lock).zip(&locks).map(|(lock, state)| (state.facts.device, lock)).collect();
        Self {
            now: facts.begins_at,
            facts,
            phase: Phase::Prologue,
            codes: Vec::new(),
            code_index: BTreeMap::new(),
            locks,
            lock_index,
            commands: BTreeMap::new(),
            calls: BTreeMap::new(),
            step: Step::default(),
            is_in_step: false,
            is_up: false,
            started_at: None,
            restarts: 0,
            touched_codes: Vec::new(),
            touched_locks: Vec::new(),
            changed_codes: Vec::new(),
            changed_devices: Vec::new(),
            edges: BTreeSet::new(),
        }
    }

    /// What never changes in the run.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The instant of the last occurrence.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Where the run stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the controller runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// How often the controller was started again.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether an occurrence belongs to a step of the controller that has not ended.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.is_in_step
    }

    /// Whether a change of a record now is a transition: not one when it was read again after a restart.
    #[must_use]
    pub fn is_transition(&self) -> bool {
        self.is_in_step
    }

    /// The present step, or the last one until the next begins.
    #[must_use]
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// A call by its number.
    #[must_use]
    pub fn call(&self, call: CallId) -> Option<&Call> {
        self.calls.get(&call)
    }

    /// A command that was sent.
    #[must_use]
    pub fn command(&self, id: CommandId) -> Option<&Command> {
        self.commands.get(&id).map(|(command, _)| command)
    }

    /// A code.
    #[must_use]
    pub fn code(&self, code: CodeIx) -> &Code {
        &self.codes[code.0 as usize]
    }

    /// All codes, in the order in which they were first heard of.
    pub fn codes(&self) -> impl Iterator<Item = (CodeIx, &Code)> {
        (0..).map(CodeIx).zip(&self.codes)
    }

    /// The code with this id, if it was ever heard of.
    #[must_use]
    pub fn find_code(&self, id: CodeId) -> Option<CodeIx> {
        self.code_index.get(&id).copied()
    }

    /// What the record was before the present step; the same as now if it did not change in it.
    #[must_use]
    pub fn previous(&self, code: CodeIx) -> Option<&Record> {
        let code = self.code(code);
        if code.is_changed { code.before.as_deref() } else { code.record.as_deref() }
    }

    /// A lock.
    #[must_use]
    pub fn lock(&self, lock: Lock) -> &LockState {
        &self.locks[lock.0 as usize]
    }

    /// All locks, in order of declaration.
    pub fn locks(&self) -> impl Iterator<Item = (Lock, &LockState)> {
        (0..).map(Lock).zip(&self.locks)
    }

    /// The lock with this device id.
    #[must_use]
    pub fn find_lock(&self, device: DeviceId) -> Option<Lock> {
        self.lock_index.get(&device).copied()
    }

    /// The profile of a code's lock.
    #[must_use]
    pub fn profile(&self, code: CodeIx) -> Option<&Profile> {
        self.code(code).lock.map(|lock| &self.lock(lock).facts.profile)
    }

    /// The workspace an account was connected in.
    #[must_use]
    pub fn workspace_of(&self, account: AccountId) -> Option<WorkspaceId> {
        self.facts.config.accounts.iter().find(|known| known.account == account).map(|known| known.workspace)
    }

    /// What a device's view was before the present step; the same as now if it did not change in it.
    #[must_use]
    pub fn previous_device(&self, lock: Lock) -> Option<&DeviceRecord> {
        let state = self.lock(lock);
        if state.is_device_changed { state.device_before.as_deref() } else { state.device.as_deref() }
    }

    /// Codes whose record changed in the present step, or was read again.
    #[must_use]
    pub fn changed_codes(&self) -> &[CodeIx] {
        &self.changed_codes
    }

    /// Locks whose device view changed in the present step, or was read again.
    #[must_use]
    pub fn changed_devices(&self) -> &[Lock] {
        &self.changed_devices
    }

    /// Codes to be evaluated anew: their record, memory, commands or device changed, or an instant of theirs has come.
    #[must_use]
    pub fn touched_codes(&self) -> &[CodeIx] {
        &self.touched_codes
    }

    /// Locks to be evaluated anew.
    #[must_use]
    pub fn touched_locks(&self) -> &[Lock] {
        &self.touched_locks
    }

    /// Whether anything is to be evaluated anew.
    #[must_use]
    pub fn has_touched(&self) -> bool {
        !(self.touched_codes.is_empty() && self.touched_locks.is_empty())
    }

    /// A code for a reader: its name if it has one, and its lock.
    #[must_use]
    pub fn code_name(&self, code: CodeIx) -> String {
        let code = self.code(code);
        let name = code.record.as_ref().and_then(|record| record.name.clone()).unwrap_or_else(|| code.id.to_string());
        let lock = code.lock.map_or_else(|| "no lock".to_owned(), |lock| self.lock(lock).facts.name.clone());
        format!("code {name} on {lock}")
    }

    /// What part a code plays, for fingerprints.
    #[must_use]
    pub fn role(&self, code: CodeIx) -> String {
        let state = self.code(code);
        let record = state.record.as_deref();
        let kind = match record.map(|record| record.kind) {
            Some(Type::Ongoing) => "ongoing",
            Some(Type::TimeBound) => "time-bound",
            None => "gone",
        };
        let backup = if record.is_some_and(|record| record.is_backup) { " backup" } else { "" };
        let family = match self.profile(code).map(|profile| profile.family) {
            Some(Family::ById) => "by_id",
            Some(Family::BySlot) => "by_slot",
            None => "unknown",
        };
        format!("{kind}{backup} code on a {family} lock")
    }

    /// Whether entering `pin` at the lock unlocks it at `at`, by the truth seen so far.
    #[must_use]
    pub fn opens(&self, lock: Lock, pin: Pin, at: Timestamp) -> bool {
        let state = self.lock(lock);
        state.works && state.memory.values().any(|stored| stored.entry.pin == pin && state.honours(&stored.entry, at))
    }

    /// The next instant at which a code must be evaluated anew.
    #[must_use]
    pub fn next_edge(&self) -> Option<Timestamp> {
        self.edges.first().map(|(at, _)| *at)
    }

    /// Takes in an occurrence.
    pub fn observe(&mut self, now: Timestamp, occurrence: &Occurrence) {
        self.now = now;
        match occurrence {
            Occurrence::Started { restart } => self.start(now, *restart),
            Occurrence::Crashed => (self.is_up, self.is_in_step) = (false, false),
            Occurrence::StepBegan => self.begin_step(),
            Occurrence::Called { call_id, workspace, request } => {
                self.step.input = Some(Input::Call(*call_id));
                self.calls.insert(*call_id, Call { workspace: *workspace, request: request.clone() });
            }
            Occurrence::Answered { command_id, .. } => {
                let lock = self.commands.get(command_id).and_then(|(_, lock)| *lock);
                self.step.input = Some(Input::Answer(*command_id, lock));
            }
            Occurrence::Noticed { lock, .. } => self.step.input = Some(Input::Notice(*lock)),
            Occurrence::Woken => self.step.input = Some(Input::Wake),
            Occurrence::Replied { call_id, result } => self.step.replies.push((*call_id, result.clone())),
            Occurrence::Commanded { command, lock } => {
                self.commands.insert(command.command_id, (command.clone(), *lock));
                self.step.commands.push((command.clone(), *lock));
            }
            Occurrence::Emitted(event) => self.step.events.push(event.clone()),
            Occurrence::Saved => self.step.is_saved = true,
            Occurrence::Recorded { code, after } => self.record(now, *code, after.clone()),
            Occurrence::DeviceRecorded { device, after } => self.record_device(*device, after.clone()),
            Occurrence::StepEnded => self.is_in_step = false,
            Occurrence::Truth { lock, change, cause } => self.change_truth(now, *lock, change, *cause),
            Occurrence::Faults { lock, active } => self.locks[lock.0 as usize].faults = *active,
            Occurrence::Reach { lock, up } => self.locks[lock.0 as usize].reach = *up,
            Occurrence::Phase(phase) => self.phase = *phase,
            Occurrence::CallLost { .. } | Occurrence::Bound { .. } | Occurrence::NoTarget { .. } => {}
            Occurrence::Unannounced { .. } | Occurrence::Disturbed { .. } | Occurrence::Entered { .. } => {}
        }
    }

    /// Lets time pass: touches the codes whose instant has come.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = now;
        while let Some((at, code)) = self.edges.first().copied() {
            if at > now {
                break;
            }
            self.edges.pop_first();
            self.touch_code(code);
        }
    }

    /// Everything touched was evaluated.
    pub fn settle(&mut self, _now: Timestamp) {
        for code in self.touched_codes.drain(..) {
            self.codes[code.0 as usize].is_touched = false;
        }
        for lock in self.touched_locks.drain(..) {
            self.locks[lock.0 as usize].is_touched = false;
        }
    }

    fn start(&mut self, now: Timestamp, restart: bool) {
        self.forget_before();
        self.is_up = true;
        self.restarts += u32::from(restart);
        self.started_at = Some(now);
    }

    fn begin_step(&mut self) {
        self.forget_before();
        self.is_in_step = true;
        self.step.input = None;
        self.step.commands.clear();
        self.step.events.clear();
        self.step.replies.clear();
        self.step.is_saved = false;
    }

    fn forget_before(&mut self) {
        for code in self.changed_codes.drain(..) {
            self.codes[code.0 as usize].is_changed = false;
        }
        for lock in self.changed_devices.drain(..) {
            self.locks[lock.0 as usize].is_device_changed = false;
        }
    }

    fn record(&mut self, now: Timestamp, id: CodeId, after: Option<Box<Record>>) {
        let ix = self.intern(id);
        let lock = after.as_ref().and_then(|record| self.find_lock(record.device_id));
        let is_transition = self.is_in_step;
        let code = &mut self.codes[ix.0 as usize];
        let before = std::mem::replace(&mut code.record, after);
        code.lock = code.lock.or(lock);
        code.gone_at = if code.record.is_none() { code.gone_at.or(Some(now)) } else { None };
        let (from, to) = (before.as_ref().map(|record| record.status), code.status());
        if is_transition && from != to {
            code.last_transition = transition(from, to);
        }
        if !code.is_changed {
            code.is_changed = true;
            code.before = before;
            self.changed_codes.push(ix);
        }
        self.touch_code(ix);
    }

    fn record_device(&mut self, device: DeviceId, after: Option<Box<DeviceRecord>>) {
        let Some(lock) = self.find_lock(device) else { return };
        let state = &mut self.locks[lock.0 as usize];
        let before = std::mem::replace(&mut state.device, after);
        if !state.is_device_changed {
            state.is_device_changed = true;
            state.device_before = before;
            self.changed_devices.push(lock);
        }
        self.touch_lock(lock);
    }

    fn change_truth(&mut self, now: Timestamp, lock: Lock, change: &Change, cause: Cause) {
        let state = &mut self.locks[lock.0 as usize];
        match change {
            Change::Stored { place, entry } => {
                state.memory.insert(*place, Stored { entry: entry.clone(), since: now, cause });
            }
            Change::Erased { place } => {
                state.memory.remove(place);
            }
            Change::Clock { off_ms } => state.clock_off_ms = *off_ms,
            Change::Works(works) => state.works = *works,
            Change::Joined { .. } | Change::Left | Change::Lengths(_) => {}
        }
        self.touch_lock(lock);
    }

    fn intern(&mut self, id: CodeId) -> CodeIx {
        let next = CodeIx(self.codes.len() as u32);
        let ix = *self.code_index.entry(id).or_insert(next);
        if ix == next {
            let (record, lock, gone_at, before) = (None, None, None, None);
            let (is_changed, is_touched) = (false, false);
            self.codes.push(Code { id, record, lock, gone_at, before, is_changed, last_transition: "", is_touched });
        }
        ix
    }

    fn touch_code(&mut self, ix: CodeIx) {
        let code = &mut self.codes[ix.0 as usize];
        if !code.is_touched {
            code.is_touched = true;
            self.touched_codes.push(ix);
        }
    }

    fn touch_lock(&mut self, lock: Lock) {
        let state = &mut self.locks[lock.0 as usize];
        if !state.is_touched {
            state.is_touched = true;
            self.touched_locks.push(lock);
        }
    }
}

impl LockState {
    fn new(facts: &LockFacts) -> Self {
        Self {
            facts: facts.clone(),
            device: None,
            memory: BTreeMap::new(),
            clock_off_ms: 0,
            works: true,
            reach: true,
            faults: 0,
            device_before: None,
            is_device_changed: false,
            is_touched: false,
        }
    }

    /// Whether the lock would open for this entry at `at`, by its own clock.
    #[must_use]
    pub fn honours(&self, entry: &TrueEntry, at: Timestamp) -> bool {
        entry.enabled && entry.window.is_none_or(|window| window.contains(at + self.clock_off_ms))
    }
}

/// A change of status as text; none is a missing record.
fn transition(from: Option<Status>, to: Option<Status>) -> &'static str {
    macro_rules! pairs {
        ($($from:ident $before:literal),*) => {
            match (from, to) {
                (None, None) => "none>none",
                $((Some(Status::$from), None) => concat!($before, ">none"),
                  (None, Some(Status::$from)) => concat!("none>", $before),
                  (Some(Status::$from), Some(to)) => match to {
                      Status::Setting => concat!($before, ">setting"),
                      Status::Set => concat!($before, ">set"),
                      Status::Unset => concat!($before, ">unset"),
                      Status::Removing => concat!($before, ">removing"),
                      Status::Unknown => concat!($before, ">unknown"),
                  },)*
            }
        };
    }
    pairs!(Setting "setting", Set "set", Unset "unset", Removing "removing", Unknown "unknown")
}
