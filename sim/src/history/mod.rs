//! The shadow of a run: codes, locks, devices, commands and calls as the stream of occurrences tells of them.
//!
//! It is brought up to date before any checker sees an occurrence, and keeps what a record or device was before the
//! present step. The terms of the invariants are defined on it: here and in its rooms those about wishes, memory and
//! commands, and in [`bounds`](crate::bounds) those that speak of time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keyway_core::id::{AccountId, CallId, CodeId, CommandId, DeviceId, VendorDevice, WorkspaceId};
use keyway_core::port::Command;
use keyway_core::request::Request;
use keyway_core::time::Timestamp;
use keyway_core::vendor::Profile;

use crate::occurrence::{Facts, Lock, Occurrence, Phase};

mod attribution;
mod backlog;
mod code;
pub mod commands;
mod cut;
mod disturbances;
mod edges;
mod heard;
pub mod hindrance;
mod incarnations;
pub mod intents;
mod listed;
mod lock;
mod memory;
mod names;
pub mod offline;
mod reads;
mod records;
mod steps;
mod told;
mod unmanaged;
mod unsaved;
mod work;

pub use backlog::{Path, Quota};
pub(crate) use code::transition;
pub use code::{Acked, Code, CodeIx};
pub use commands::{Closing, Sent, is_fresh, target};
pub use hindrance::Hindrance;
pub use intents::{Goal, Intent, Why};
pub use lock::LockState;
pub use memory::{Lost, Stored, Touch};
pub use offline::{AskedOffline, Computed};
pub use records::is_path_error;
pub use steps::{Call, Input, Step};
pub use told::{Known, Picture, Whose};
pub use work::{Last, Work};

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
    locks_by_account: BTreeMap<AccountId, Vec<Lock>>,
    /// Each lock as every workspace sees it, by its first view.
    views: BTreeMap<Lock, Vec<Lock>>,
    vendor_ids: BTreeMap<(AccountId, VendorDevice), Lock>,
    /// The vendor's names of devices that its answers have told.
    met: BTreeSet<(AccountId, VendorDevice)>,
    paths: Vec<Path>,
    quotas: Vec<Quota>,
    commands: BTreeMap<CommandId, Sent>,
    fading: VecDeque<(Timestamp, CommandId)>,
    calls: BTreeMap<CallId, Call>,
    cleared: Vec<unsaved::Cleared>,
    cut: cut::Cut,
    untold: cut::Untold,
    step: Step,
    is_in_step: bool,
    is_real_step: bool,
    is_up: bool,
    is_echo: bool,
    started_at: Option<Timestamp>,
    restarts: u32,
    touched_codes: Vec<CodeIx>,
    touched_locks: Vec<Lock>,
    changed_codes: Vec<CodeIx>,
    changed_devices: Vec<Lock>,
    unsaved_losses: Vec<CodeIx>,
    unsaved_proofs: Vec<CodeIx>,
    /// What reads and notices told of places, as long as it is not saved.
    unsaved_known: Vec<unsaved::Unsaved>,
    edges: BTreeSet<(Timestamp, CodeIx)>,
}

impl History {
    /// The shadow of a run that has not begun.
    #[must_use]
    pub fn new(facts: Facts) -> Self {
        let mut history = Self {
            now: facts.begins_at,
            locks: facts.locks.iter().map(|lock| LockState::new(lock, facts.begins_at)).collect(),
            lock_index: (0..).map(Lock).zip(&facts.locks).map(|(lock, facts)| (facts.device, lock)).collect(),
            locks_by_account: BTreeMap::new(),
            views: BTreeMap::new(),
            facts,
            phase: Phase::Prologue,
            codes: Vec::new(),
            code_index: BTreeMap::new(),
            vendor_ids: BTreeMap::new(),
            met: BTreeSet::new(),
            paths: Vec::new(),
            quotas: Vec::new(),
            commands: BTreeMap::new(),
            fading: VecDeque::new(),
            calls: BTreeMap::new(),
            cleared: Vec::new(),
            cut: cut::Cut::default(),
            untold: cut::Untold::default(),
            step: Step::default(),
            is_in_step: false,
            is_real_step: false,
            is_up: false,
            is_echo: false,
            started_at: None,
            restarts: 0,
            touched_codes: Vec::new(),
            touched_locks: Vec::new(),
            changed_codes: Vec::new(),
            changed_devices: Vec::new(),
            unsaved_losses: Vec::new(),
            unsaved_proofs: Vec::new(),
            unsaved_known: Vec::new(),
            edges: BTreeSet::new(),
        };
        let (mut paths_of_hubs, mut quotas) = (BTreeMap::new(), BTreeMap::new());
        for lock in (0..history.locks.len() as u32).map(Lock) {
            history.locks_by_account.entry(history.lock(lock).facts.account).or_default().push(lock);
            history.views.entry(history.first_view(lock)).or_default().push(lock);
            history.join_path(lock, &mut paths_of_hubs, &mut quotas);
        }
        history
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

    /// When the controller was last started.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
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

    /// Whether the controller has just been started again and has not had its first instant to catch up with the time.
    #[must_use]
    pub fn is_catching_up(&self) -> bool {
        !self.is_up || (self.restarts > 0 && self.started_at == Some(self.now))
    }

    /// Whether a change of a record now is a transition: not one when it was read again after a restart.
    #[must_use]
    pub fn is_transition(&self) -> bool {
        self.is_real_step
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
        self.commands.get(&id).map(|sent| &sent.command)
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
        self.code(code).lock.map(|lock| &*self.lock(lock).facts.profile)
    }

    /// Whether both are one lock, seen from two workspaces.
    #[must_use]
    pub fn is_same_lock(&self, one: Lock, other: Lock) -> bool {
        self.first_view(one) == self.first_view(other)
    }

    /// A lock as each workspace sees it, in order of declaration.
    #[must_use]
    pub fn views(&self, lock: Lock) -> &[Lock] {
        &self.views[&self.first_view(lock)]
    }

    /// The locks of an account, in order of declaration.
    #[must_use]
    pub fn locks_of(&self, account: AccountId) -> &[Lock] {
        self.locks_by_account.get(&account).map_or(&[], Vec::as_slice)
    }

    /// The lock as the workspace sees it that connected its account first.
    fn first_view(&self, lock: Lock) -> Lock {
        self.lock(lock).facts.view_of.unwrap_or(lock)
    }

    /// The workspace an account was connected in.
    #[must_use]
    pub fn workspace_of(&self, account: AccountId) -> Option<WorkspaceId> {
        self.facts.config.accounts.iter().find(|known| known.account == account).map(|known| known.workspace)
    }

    /// Takes in an occurrence.
    pub fn observe(&mut self, now: Timestamp, occurrence: &Occurrence) {
        self.now = now;
        self.is_echo &= matches!(occurrence, Occurrence::Disturbed { .. });
        match occurrence {
            Occurrence::Started { restart } => self.start(now, *restart),
            Occurrence::Crashed => self.crash(now),
            Occurrence::StepBegan => self.begin_step(),
            Occurrence::Called { call_id, workspace, request } => {
                self.step.input = Some(Input::Call(*call_id));
                self.calls.insert(*call_id, Call { workspace: *workspace, request: request.clone() });
                if let Request::Device(request) = request
                    && let Some(lock) = self.find_lock(request.device())
                {
                    self.locks[lock.0 as usize].was_to_be_given_up |= request.gives_up();
                }
            }
            Occurrence::Answered { command_id, answer, snapshot_at } => {
                let lock = self.commands.get(command_id).and_then(|sent| sent.lock);
                self.step.input = Some(Input::Answer(*command_id, lock));
                self.hear(now, *command_id, answer, *snapshot_at);
            }
            Occurrence::Noticed { notice, snapshot_at, lock } => {
                self.step.input = Some(Input::Notice(*lock));
                if let Some(lock) = lock {
                    self.hear_notice(now, notice, *snapshot_at, *lock);
                    self.hear_news(now, notice, *snapshot_at, *lock);
                }
            }
            Occurrence::Woken => self.step.input = Some(Input::Wake),
            Occurrence::Replied { call_id, result } => {
                self.step.replies.push((*call_id, result.clone()));
                if let Ok(response) = result {
                    self.accept(*call_id, response, now);
                }
            }
            Occurrence::Commanded { command, lock } => {
                self.send(now, command, *lock);
                self.step.commands.push((command.clone(), *lock));
            }
            Occurrence::Unsent { command, .. } => self.intend(command),
            Occurrence::Emitted(event) => self.emit(now, event),
            Occurrence::Saved => self.save(),
            Occurrence::Recorded { code, after } => self.record(now, *code, after.clone()),
            Occurrence::DeviceRecorded { device, after } => self.record_device(now, *device, after.clone()),
            Occurrence::StepEnded => {
                // After a restart there was no step: what was read is what the controller had saved.
                self.is_echo = !std::mem::replace(&mut self.is_in_step, false);
            }
            Occurrence::Truth { lock, change, cause } => self.change_truth(now, *lock, change, *cause),
            Occurrence::Claimed { lock, place, code } => self.claim(now, *lock, *place, *code),
            Occurrence::Disturbed { lock } => self.disturb(now, *lock),
            Occurrence::Faults { lock, active } => self.change_faults(now, *lock, *active),
            Occurrence::Slowed { lock, jobs } => {
                self.disturb(now, *lock);
                self.locks[lock.0 as usize].slow_jobs = *jobs;
            }
            Occurrence::Reach { lock, up } => self.change_reach(now, *lock, *up),
            Occurrence::Phase(phase) => self.change_phase(*phase),
            Occurrence::CallLost { .. } | Occurrence::Bound { .. } | Occurrence::NoTarget { .. } => {}
            Occurrence::Unannounced { .. } | Occurrence::Entered { .. } | Occurrence::WakeDue => {}
        }
    }
}
