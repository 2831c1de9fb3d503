//! The shadow of a run: codes, locks, devices, commands and calls as the stream of occurrences tells of them.
//!
//! It is brought up to date before any checker sees an occurrence, and keeps what a record or device was before the
//! present step. The terms of the invariants are defined on it: here and in its rooms those about wishes, memory and
//! commands, and in [`bounds`](crate::bounds) those that speak of time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CallId, CodeId, CommandId, DeviceId, Epoch, VendorDevice, WorkspaceId};
use keyway_core::pin::{Lengths, Pin};
use keyway_core::port::{Command, Name, Place};
use keyway_core::problem::{ErrorCode, ErrorEntry};
use keyway_core::request::{Refusal, Request, Response};
use keyway_core::time::{MINUTE_MS, Timestamp};
use keyway_core::vendor::{Family, Profile, SerialPath};

use crate::bounds::Peak;
use crate::occurrence::{Facts, Lock, LockFacts, Occurrence, Origin, Phase, TrueEntry};

mod attribution;
pub mod commands;
mod cut;
pub mod hindrance;
pub mod intents;
mod memory;
pub mod offline;
mod told;
mod unmanaged;

pub use commands::{Closing, Last, Sent, Work, is_fresh, target};
pub use hindrance::Hindrance;
pub use intents::{Goal, Intent, Why};
pub use memory::{Lost, Stored, Touch};
pub use offline::{AskedOffline, Computed};
pub use told::{Known, Picture, Whose};

/// An answer may come this long after a command's time to live (`P-01`).
const LATE_ANSWER_MS: i64 = 2 * MINUTE_MS;

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
    /// Whether the loss of its record is saved: a restart must not bring it back.
    pub is_gone_for_good: bool,
    /// Whether a restart came up without its record.
    pub is_lost_by_restart: bool,
    /// Whether it ever had a record.
    pub was_recorded: bool,
    /// Since when it has its status.
    pub status_since: Timestamp,
    /// What was asked for it, oldest first, without what is no longer lawful.
    pub intents: Vec<Intent>,
    /// Every PIN that was sent for it, or that its record showed as being in the lock.
    pub pins: Vec<Pin>,
    /// Every name that was sent for it, with the incarnation of its lock.
    pub names: Vec<(Epoch, Name)>,
    /// What commands made anew for it.
    created: BTreeSet<(Pin, Name)>,
    /// What was taken over by a conversion (T31) or put over an entry that was there, and where: if no command made the like anew, that is others' elsewhere.
    bound: BTreeSet<(Epoch, Place, Pin, Name)>,
    /// How often something was asked for it.
    pub version: u32,
    /// `prefer_native_scheduling` as last asked.
    pub prefers_native: bool,
    /// Whether that was ever changed (`R-23`).
    pub was_switched: bool,
    /// What was asked of it, if it is an offline code.
    pub offline: Option<AskedOffline>,
    /// When it was pulled from its pool.
    pub pulled_at: Option<Timestamp>,
    /// Whether it may stay in the lock for good: its device was removed, or it became unmanaged.
    pub is_residual: bool,
    /// What calls were answered ok for it.
    pub acked: Acked,
    /// Where entries of it lie.
    pub places: Vec<Place>,
    /// Entries that others took away unseen.
    pub lost: Vec<Lost>,
    /// What was done for it.
    pub work: Work,
    /// Whether memory is not what its goal wants now.
    pub is_off_goal: bool,
    /// Whether its lock would refuse it or has no room for it.
    pub is_hindered: bool,
    /// Since when neither is so.
    pub free_since: Timestamp,
    /// When it last became `unknown`.
    pub was_unknown_since: Option<Timestamp>,
    /// When the controller died of a deletion of it that it had not answered, if the record could not show since whether that is in force.
    perhaps_deleted_at: Option<Timestamp>,
    /// What the record was before the present step; means something only if it changed in it.
    before: Option<Box<Record>>,
    before_last: Option<Last>,
    is_changed: bool,
    last_transition: &'static str,
    edge: Option<Timestamp>,
    is_touched: bool,
}

/// What calls were answered ok for a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acked {
    /// Its creation.
    pub is_created: bool,
    /// Its deletion.
    pub is_deleted: bool,
    /// The pull of this backup for it.
    pub pulled: Option<CodeId>,
    /// Its name, as last given.
    pub name: Option<String>,
    /// Whether others may change it, as last given.
    pub allows: Option<bool>,
    /// The erasure of an entry that nobody manages.
    pub is_erasure_asked: bool,
}

impl Code {
    /// Whether the like of an entry was the code's, and can lie nowhere but in other places than this one. A join may have moved it (`R-57`).
    fn is_bound_elsewhere(&self, epoch: Epoch, place: Place, entry: &TrueEntry) -> bool {
        let is_like = |pin: &Pin, name: &Name| (*pin, name) == (entry.pin, &entry.name);
        let is_created = self.created.iter().any(|(pin, name)| is_like(pin, name));
        let bound = || self.bound.iter().filter(|(_, _, pin, name)| is_like(pin, name));
        if is_created || bound().next().is_none() {
            return false;
        }
        let mut places = bound().filter(|(since, ..)| *since == epoch).map(|(_, place, ..)| *place).peekable();
        if places.peek().is_some() { places.all(|bound| bound != place) } else { self.places.iter().any(|found| *found != place) }
    }

    /// Its last change of status, as text for fingerprints.
    #[must_use]
    pub const fn last_transition(&self) -> &'static str {
        self.last_transition
    }

    /// The mutating command for it before the last one.
    #[must_use]
    pub const fn before_last(&self) -> Option<&Last> {
        self.before_last.as_ref()
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
    /// The PINs that its vendor's server computed for it.
    pub computed: Vec<Computed>,
    /// Error of its clock in milliseconds; positive is fast.
    pub clock_off_ms: i64,
    /// Since when.
    pub clock_since: Timestamp,
    /// When the controller first had the means to see and undo that error (`R-56`).
    pub clock_means_at: Option<Timestamp>,
    /// How often a command tried to set it, since it went wrong or the path changed.
    pub clock_settings: u32,
    /// Since when these count.
    pub clock_settings_since: Timestamp,
    /// When the controller was last shown that something in its memory changed.
    pub change_shown_at: Timestamp,
    /// The seats of its site, where access is sold by the seat: how many are free, and the codes whose users have one.
    pub seats: Option<(u32, Vec<CodeId>)>,
    /// Whether the lock itself works.
    pub works: bool,
    /// PIN lengths it takes.
    pub lengths: Lengths,
    /// PIN lengths that a call reported; they count for the controller instead of those that the vendor tells.
    pub reported: Option<Lengths>,
    /// Whether a call ever asked that its device be given up.
    pub was_to_be_given_up: bool,
    /// Its incarnation.
    pub epoch: Epoch,
    /// Whether it is in its account.
    pub is_present: bool,
    /// When it joined its account anew, if it did.
    pub joined_at: Option<Timestamp>,
    /// Whether commands can reach it.
    pub reach: bool,
    /// Faults active on its path.
    pub faults: u32,
    /// Jobs that hold its path longer than one may without a fault.
    pub slow_jobs: u32,
    /// When last anything but the plain course happened: `last_disturbed`, save for what goes on.
    pub disturbed_at: Timestamp,
    /// The same without the down times of the controller.
    pub faulted_at: Timestamp,
    /// Codes of it, in the order in which they were first heard of.
    pub codes: Vec<CodeIx>,
    /// Mutating commands that are not closed, or not settled.
    pub open: Vec<CommandId>,
    /// What the controller was told of it.
    pub picture: Picture,
    /// Positions as the device last told them.
    pub positions: u32,
    /// What its last description says is wrong, and since which description.
    pub hindrances: BTreeMap<Hindrance, Timestamp>,
    /// When a read of it was last delivered.
    pub read_at: Option<Timestamp>,
    path: u32,
    scope: u32,
    device_before: Option<Box<DeviceRecord>>,
    is_device_changed: bool,
    is_touched: bool,
}

/// Locks whose commands run one at a time.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// The locks.
    pub locks: Vec<Lock>,
    /// `backlog`.
    pub backlog: Peak,
    /// The longest `lat_max` among them.
    pub lat_max_ms: i64,
    /// Mutating commands that are not closed.
    pub open: u32,
    /// Codes whose memory is not at its goal.
    pub off_goal: u32,
}

/// Locks that share a quota of calls.
#[derive(Clone, Debug, Default)]
pub struct Quota {
    /// The account.
    pub account: AccountId,
    /// How many locks it has.
    pub devices: u32,
    /// Codes whose memory is not at its goal.
    pub off_goal: Peak,
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
    /// How many of the events are saved.
    pub saved_events: usize,
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
    cleared: Vec<told::Cleared>,
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
    unsaved_known: Vec<told::Unsaved>,
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

    /// Puts a lock on its serial path and into its quota.
    fn join_path(&mut self, lock: Lock, paths_of_hubs: &mut BTreeMap<u32, u32>, quotas: &mut BTreeMap<AccountId, u32>) {
        let (first, new_path, new_scope) = (self.first_view(lock), self.paths.len() as u32, self.quotas.len() as u32);
        let facts = &self.locks[lock.0 as usize].facts;
        // What several workspaces share is one path and one quota.
        let (account, lat_max_ms) = (self.locks[first.0 as usize].facts.account, facts.profile.lat_max_ms);
        let hub = facts.hub.filter(|_| facts.profile.serial_path == SerialPath::Hub);
        let path = match hub {
            Some(hub) => *paths_of_hubs.entry(hub).or_insert(new_path),
            None if first == lock => new_path,
            None => self.locks[first.0 as usize].path,
        };
        if path == new_path {
            self.paths.push(Path::default());
        }
        let scope = *quotas.entry(account).or_insert(new_scope);
        if scope == new_scope {
            self.quotas.push(Quota { account, ..Quota::default() });
        }
        self.quotas[scope as usize].devices += 1;
        let shared = &mut self.paths[path as usize];
        shared.locks.push(lock);
        shared.lat_max_ms = shared.lat_max_ms.max(lat_max_ms);
        let state = &mut self.locks[lock.0 as usize];
        (state.path, state.scope) = (path, scope);
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

    /// The serial path of a lock.
    #[must_use]
    pub fn path(&self, lock: Lock) -> &Path {
        &self.paths[self.lock(lock).path as usize]
    }

    /// The quota of a lock's account.
    #[must_use]
    pub fn scope(&self, lock: Lock) -> &Quota {
        &self.quotas[self.lock(lock).scope as usize]
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
        let name = code.record.as_ref().and_then(|record| record.name.clone());
        // A code that is gone keeps the name that it was asked for with.
        let name = name.or_else(|| code.acked.name.clone()).unwrap_or_else(|| code.id.to_string());
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
            Some(Family::BySeat) => "by_seat",
            Some(Family::Offline) => "offline",
            None => "unknown",
        };
        format!("{kind}{backup} code on a {family} lock")
    }

    /// A lock's name.
    #[must_use]
    pub fn lock_name(&self, lock: Lock) -> &str {
        &self.lock(lock).facts.name
    }

    /// What part a lock plays, for fingerprints.
    #[must_use]
    pub fn lock_role(&self, lock: Lock) -> String {
        match self.lock(lock).facts.profile.family {
            Family::ById => "by_id lock".to_owned(),
            Family::BySlot => "by_slot lock".to_owned(),
            Family::BySeat => "by_seat lock".to_owned(),
            Family::Offline => "offline lock".to_owned(),
        }
    }

    /// Whether entering `pin` at the lock unlocks it at `at`, by the truth seen so far.
    #[must_use]
    pub fn opens(&self, lock: Lock, pin: Pin, at: Timestamp) -> bool {
        let state = self.lock(lock);
        let takes = self.computed_pin(lock, pin).is_some_and(|computed| computed.opens(self.local_time(lock, at)));
        state.works && (takes || state.memory.values().any(|stored| stored.entry.pin == pin && state.honours(&stored.entry, at)))
    }

    /// Whether the device or its account carries one of these errors.
    #[must_use]
    pub fn device_shows(device: Option<&DeviceRecord>, of: impl Fn(ErrorCode) -> bool) -> bool {
        let has = |errors: &[ErrorEntry]| errors.iter().any(|error| of(error.error_code));
        device.is_some_and(|device| has(&device.errors) || has(&device.account_errors))
    }

    /// Whether memory is what the code's goal wants: the entry, if it is present and due; nothing, if it is absent.
    #[must_use]
    pub fn is_at_goal(&self, code: CodeIx) -> bool {
        if self.is_offline(code) {
            return true;
        }
        match self.goal(code) {
            None => true,
            Some(Intent { goal: Goal::Absent, .. }) => !self.is_resident(code),
            Some(Intent { goal: Goal::Present { .. }, due_at, .. }) => {
                if self.is_resident(code) {
                    self.is_matching(code)
                } else {
                    self.now < *due_at
                }
            }
        }
    }

    /// The next instant at which a code must be evaluated anew.
    #[must_use]
    pub fn next_edge(&self) -> Option<Timestamp> {
        self.edges.first().map(|(at, _)| *at)
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
            Occurrence::Phase(phase) => self.change_phase(now, *phase),
            Occurrence::CallLost { .. } | Occurrence::Bound { .. } | Occurrence::NoTarget { .. } => {}
            Occurrence::Unannounced { .. } | Occurrence::Entered { .. } | Occurrence::WakeDue => {}
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
            self.codes[code.0 as usize].edge = None;
            self.end_window(code, now);
            self.touch_code(code);
        }
    }

    /// Brings what is derived of the touched codes up to date; must run before they are evaluated.
    pub fn prepare(&mut self) {
        let now = self.now;
        for at in 0..self.touched_codes.len() {
            let code = self.touched_codes[at];
            self.retire(code, now);
            self.count_goal(code, now);
        }
    }

    /// Everything touched was evaluated.
    pub fn settle(&mut self) {
        let now = self.now;
        for at in 0..self.touched_codes.len() {
            let code = self.touched_codes[at];
            let next = self.edge_of(code, now);
            let state = &mut self.codes[code.0 as usize];
            state.is_touched = false;
            if state.edge != next {
                if let Some(old) = std::mem::replace(&mut state.edge, next) {
                    self.edges.remove(&(old, code));
                }
                if let Some(next) = next {
                    self.edges.insert((next, code));
                }
            }
        }
        self.touched_codes.clear();
        for lock in self.touched_locks.drain(..) {
            self.locks[lock.0 as usize].is_touched = false;
        }
    }

    fn start(&mut self, now: Timestamp, restart: bool) {
        self.forget_before();
        self.clear_step();
        (self.is_real_step, self.is_up) = (false, true);
        self.restarts += u32::from(restart);
        self.started_at = Some(now);
        // Nobody could do anything while the controller was down: its time begins now.
        for lock in &mut self.locks {
            lock.disturbed_at = now;
        }
        for n in 0..self.codes.len() {
            self.touch_code(CodeIx(n as u32));
        }
        for n in 0..self.locks.len() {
            self.touch_lock(Lock(n as u32));
        }
    }

    fn crash(&mut self, now: Timestamp) {
        self.cut_short(now);
        self.take_back_untold(now);
        self.take_back_known();
        self.grant_unanswered_erasure();
        // What it read dies with it: an answer that comes now is one to a forgotten command, and tells nothing (`P-01`).
        self.commands.retain(|_, sent| sent.command.op.is_mutating());
        self.forget_past();
        (self.is_up, self.is_in_step, self.is_real_step, self.is_echo) = (false, false, false, true);
        for n in 0..self.locks.len() {
            self.retire_all(Lock(n as u32), now);
            self.locks[n].disturbed_at = now;
        }
        for code in self.unsaved_losses.drain(..) {
            self.codes[code.0 as usize].is_gone_for_good = false;
        }
        for code in self.unsaved_proofs.drain(..) {
            let work = &mut self.codes[code.0 as usize].work;
            (work.confirmed_at, work.absent_at) = (None, None);
            work.reason_at = work.reason_at.max(now);
        }
        self.forget_cleared();
    }

    fn save(&mut self) {
        self.step.saved_events = self.step.events.len();
        self.untold = cut::Untold::default();
        self.unsaved_losses.clear();
        self.unsaved_proofs.clear();
        self.unsaved_known.clear();
        self.keep_cleared();
        self.keep_given_up();
    }

    fn begin_step(&mut self) {
        self.forget_before();
        (self.is_in_step, self.is_real_step) = (true, true);
        self.cut = cut::Cut::default();
        self.untold = cut::Untold::default();
        self.clear_step();
    }

    fn clear_step(&mut self) {
        self.step.input = None;
        self.step.commands.clear();
        self.step.events.clear();
        self.step.replies.clear();
        self.step.saved_events = 0;
    }

    fn forget_before(&mut self) {
        for code in self.changed_codes.drain(..) {
            self.codes[code.0 as usize].is_changed = false;
        }
        for lock in self.changed_devices.drain(..) {
            self.locks[lock.0 as usize].is_device_changed = false;
        }
    }

    fn emit(&mut self, now: Timestamp, event: &Event) {
        let is_external = matches!(event.event_type, EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam);
        if is_external && let Some(code) = self.find_code(event.access_code_id).filter(|code| self.is_undone(*code)) {
            let calm = self.policy().reversal_calm_ms;
            for other in self.code(code).lock.map(|lock| self.lock(lock).codes.clone()).unwrap_or_default() {
                self.codes[other.0 as usize].work.stay_restless(now, calm);
            }
            self.codes[code.0 as usize].work.reverse(now);
        }
        self.step.events.push(event.clone());
    }

    /// Whether the platform is to undo what others do to a code: only that is a reversal (`R-62`). What they may do stays as it is (T25, T26), unless the code
    /// shares its PIN with others (IN-01).
    fn is_undone(&self, code: CodeIx) -> bool {
        let record = self.code(code).record.as_deref();
        record.is_none_or(|record| !record.is_external_modification_allowed || record.common_code_key.is_some())
    }

    fn record(&mut self, now: Timestamp, id: CodeId, after: Option<Box<Record>>) {
        let ix = self.intern(id);
        if let Some(lock) = after.as_ref().and_then(|record| self.find_lock(record.device_id)) {
            self.adopt(ix, lock);
        }
        let is_transition = self.is_in_step;
        let ends =
            |event: &Event| matches!(event.event_type, EventType::Deleted | EventType::UnmanagedRemoved) && event.access_code_id == id;
        let is_saved = self.step.events[..self.step.saved_events].iter().any(ends);
        let had_ended = !is_transition && self.code(ix).was_recorded && self.had_ended(ix);
        let is_chosen = self.is_chosen_by_vendor(ix);
        let code = &mut self.codes[ix.0 as usize];
        let before = std::mem::replace(&mut code.record, after);
        code.gone_at = if code.record.is_none() { code.gone_at.or(Some(now)) } else { None };
        let (from, to) = (before.as_ref().map(|record| record.status), code.status());
        if from != to {
            code.status_since = now;
            code.work.active_at = code.work.active_at.max(now);
            if to == Some(Status::Unknown) {
                code.was_unknown_since = Some(now);
            }
            if to == Some(Status::Set) {
                // Whatever failed before, it works now, though no answer said so.
                (code.work.failing_since, code.work.tries) = (None, 0);
            }
            if is_transition {
                code.last_transition = transition(from, to);
            }
        }
        // A PIN that was only declared never lay in the lock, unless the vendor chose it.
        let is_held = |record: &&Record| is_chosen || record.status == Status::Set || record.is_scheduled_on_device;
        if let Some(pin) = code.record.as_deref().filter(is_held).and_then(|record| record.code).filter(|pin| !code.pins.contains(pin)) {
            code.pins.push(pin);
        }
        if to.is_none() && is_transition {
            code.is_gone_for_good = true;
            if !is_saved {
                self.unsaved_losses.push(ix);
            }
        } else if to.is_none() && had_ended {
            code.is_gone_for_good = true;
        } else if to.is_none() {
            // It was never saved: for all that follows it never was.
            (code.gone_at, code.is_lost_by_restart) = (None, true);
            code.intents.clear();
        } else {
            code.is_lost_by_restart = false;
        }
        if !is_transition {
            self.resume(ix, before.as_deref());
        } else if from == Some(Status::Unknown) && from != to {
            self.resume_known(ix);
        }
        self.infer(ix, before.as_deref(), now);
        let code = &mut self.codes[ix.0 as usize];
        code.was_recorded |= to.is_some();
        if !code.is_changed {
            code.is_changed = true;
            code.before = before;
            self.changed_codes.push(ix);
        }
        self.touch_code(ix);
    }

    fn record_device(&mut self, now: Timestamp, device: DeviceId, after: Option<Box<DeviceRecord>>) {
        let Some(lock) = self.find_lock(device) else { return };
        let state = &mut self.locks[lock.0 as usize];
        let before = std::mem::replace(&mut state.device, after);
        let had_path_error = Self::device_shows(before.as_deref(), is_path_error);
        let is_cleared = had_path_error && !Self::device_shows(state.device.as_deref(), is_path_error);
        if !state.is_device_changed {
            state.is_device_changed = true;
            state.device_before = before;
            self.changed_devices.push(lock);
        }
        if is_cleared {
            self.change_cause(lock, now);
        }
        self.touch_codes_of(lock);
        self.touch_lock(lock);
    }

    fn disturb(&mut self, now: Timestamp, lock: Lock) {
        self.retire_all(lock, now);
        let is_echo = self.is_echo;
        let state = &mut self.locks[lock.0 as usize];
        state.disturbed_at = now;
        if !is_echo {
            state.faulted_at = now;
        }
    }

    fn change_faults(&mut self, now: Timestamp, lock: Lock, active: u32) {
        self.retire_all(lock, now);
        let state = &mut self.locks[lock.0 as usize];
        (state.faults, state.disturbed_at, state.faulted_at) = (active, now, now);
        self.change_cause(lock, now);
        self.touch_codes_of(lock);
        self.touch_lock(lock);
    }

    fn change_reach(&mut self, now: Timestamp, lock: Lock, up: bool) {
        self.retire_all(lock, now);
        let state = &mut self.locks[lock.0 as usize];
        (state.reach, state.disturbed_at, state.faulted_at) = (up, now, now);
        if up && state.clock_means_at.is_none() {
            state.clock_means_at = Some(now);
        }
        (state.clock_settings, state.clock_settings_since) = (0, now);
        self.change_cause(lock, now);
        self.touch_codes_of(lock);
        self.touch_lock(lock);
    }

    fn change_phase(&mut self, _now: Timestamp, phase: Phase) {
        self.phase = phase;
        for n in 0..self.codes.len() {
            self.touch_code(CodeIx(n as u32));
        }
    }

    /// A definite change of cause for all that is to be done on a lock.
    pub(super) fn change_cause(&mut self, lock: Lock, now: Timestamp) {
        for at in 0..self.locks[lock.0 as usize].codes.len() {
            let code = self.locks[lock.0 as usize].codes[at];
            self.codes[code.0 as usize].work.change_cause(now);
        }
    }

    /// Something happened at a lock that may be reason to write any code of it.
    fn give_reason(&mut self, lock: Lock, now: Timestamp) {
        self.locks[lock.0 as usize].faulted_at = now;
        self.change_cause(lock, now);
    }

    fn retire_all(&mut self, lock: Lock, now: Timestamp) {
        for at in 0..self.locks[lock.0 as usize].codes.len() {
            let code = self.locks[lock.0 as usize].codes[at];
            if self.code(code).intents.len() > 1 {
                self.retire(code, now);
            }
        }
    }

    fn count_backlog(&mut self, lock: Lock, now: Timestamp, change: impl FnOnce(&mut Path)) {
        let path = &mut self.paths[self.locks[lock.0 as usize].path as usize];
        change(path);
        let backlog = path.open + 2 * path.off_goal;
        path.backlog.set(now, backlog);
    }

    /// Counts whether memory is at the code's goal.
    fn count_goal(&mut self, code: CodeIx, now: Timestamp) {
        let Some(lock) = self.code(code).lock else { return };
        let state = self.code(code);
        let wants_absence = matches!(self.goal(code), Some(Intent { goal: Goal::Absent, .. }));
        let is_residual = state.is_residual;
        let is_off = !is_residual && (!self.is_at_goal(code) || (wants_absence && state.record.is_some() && state.work.unsettled > 0));
        if is_off != state.is_off_goal {
            self.codes[code.0 as usize].is_off_goal = is_off;
            let change = |count: u32| if is_off { count + 1 } else { count.saturating_sub(1) };
            self.count_backlog(lock, now, |path| path.off_goal = change(path.off_goal));
            let quota = &mut self.quotas[self.locks[lock.0 as usize].scope as usize];
            let off_goal = change(quota.off_goal.now());
            quota.off_goal.set(now, off_goal);
        }
        if is_off || self.code(code).is_hindered {
            self.weigh_hindrance(now, code);
        }
    }

    /// The next instant after `now` at which time alone may change what holds of a code.
    fn edge_of(&self, code: CodeIx, now: Timestamp) -> Option<Timestamp> {
        let state = self.code(code);
        if state.record.is_none() && state.places.is_empty() {
            return None;
        }
        let mut next: Option<Timestamp> = None;
        let mut at = |instant: Timestamp| {
            if instant > now && next.is_none_or(|next| instant < next) {
                next = Some(instant);
            }
        };
        let (slack, offset_slack) = (self.native_slack(code, now), self.offset_slack(code));
        if self.is_up && self.is_catching_up() {
            at(now + 1);
        }
        for intent in &state.intents {
            at(intent.due_at);
            at(intent.due_at + 1);
            if let Goal::Present { window: Some(window), .. } = intent.goal {
                for instant in [window.starts_at, window.ends_at] {
                    at(instant - slack - offset_slack);
                    at(instant - slack);
                    at(instant);
                    at(instant + 1);
                    at(instant + slack + 1);
                    at(instant + slack + offset_slack + 1);
                }
            }
        }
        if let Some(lock) = state.lock {
            let off = self.lock(lock).clock_off_ms;
            for (_, stored) in self.entries(code) {
                if let Some(window) = stored.entry.kept_window() {
                    at(window.starts_at - off);
                    at(window.ends_at - off);
                }
            }
            self.offline_edges(code, lock, &mut at);
            self.quiet_edges(code, lock, &mut at);
        }
        next
    }

    /// The instants at which a quiet time has lasted long enough for something.
    fn quiet_edges(&self, code: CodeIx, lock: Lock, at: &mut impl FnMut(Timestamp)) {
        let state = self.code(code);
        for n in 0..state.intents.len().saturating_sub(1) {
            if let Some(until) = self.retires_at(code, n) {
                at(until + 1);
            }
        }
        let Some(quiet) = self.quiet_since(lock) else { return };
        let granted = self.entries(code).filter_map(|(_, stored)| stored.granted_at);
        let due = self.goal(code).map(|intent| intent.due_at);
        let begun = [Some(state.status_since), due, self.code_quiet_since(code)].into_iter().flatten();
        for since in begun.chain(granted) {
            let since = since.max(quiet);
            let b_set = self.b_set(code, since);
            at(since + b_set + 1);
            at(since + b_set + self.b_detect(lock, since) + 1);
            at(since + self.b_first(lock, since) + 1);
        }
        at(self.retry_deadline(code, lock) + 1);
    }

    /// When the next attempt for a code must have been made, as things stand (`I-LIV-05`).
    #[must_use]
    pub fn retry_deadline(&self, code: CodeIx, lock: Lock) -> Timestamp {
        let (work, policy, state) = (&self.code(code).work, self.policy(), self.lock(lock));
        // A failure that is under way counts as old as it will be when its command times out, be it after a restart (`P-01`).
        let since = work.active_at.max(state.disturbed_at);
        let is_long = work
            .failing_since
            .is_some_and(|failing| since + state.facts.profile.command_timeout_ms >= failing + policy.retry_long_after_ms)
            || work.is_fighting(work.active_at, policy)
            || work.absences >= crate::bounds::ABSENCES_THAT_SUSPECT_A_TWIN;
        let cap = match (work.is_twin, is_long) {
            (true, _) => policy.refused_retry_ms,
            (false, true) => policy.retry_cap_long_ms,
            (false, false) => policy.retry_cap_ms,
        };
        since + self.with_jitter(cap) + self.b_cmd(lock, since) + self.b_detect(lock, since)
    }

    fn intern(&mut self, id: CodeId) -> CodeIx {
        let next = CodeIx(self.codes.len() as u32);
        let ix = *self.code_index.entry(id).or_insert(next);
        if ix == next {
            self.codes.push(Code::new(id));
        }
        ix
    }

    /// A code is on this lock.
    fn adopt(&mut self, ix: CodeIx, lock: Lock) {
        let known = &mut self.codes[ix.0 as usize].lock;
        if *known != Some(lock) || !self.locks[lock.0 as usize].codes.contains(&ix) {
            *known = Some(lock);
            if !self.locks[lock.0 as usize].codes.contains(&ix) {
                self.locks[lock.0 as usize].codes.push(ix);
            }
        }
    }

    fn touch_code(&mut self, ix: CodeIx) {
        let code = &mut self.codes[ix.0 as usize];
        if !code.is_touched {
            code.is_touched = true;
            self.touched_codes.push(ix);
        }
    }

    fn touch_codes_of(&mut self, lock: Lock) {
        for at in 0..self.locks[lock.0 as usize].codes.len() {
            let code = self.locks[lock.0 as usize].codes[at];
            self.touch_code(code);
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

impl Code {
    fn new(id: CodeId) -> Self {
        Self {
            id,
            record: None,
            lock: None,
            gone_at: None,
            is_gone_for_good: false,
            is_lost_by_restart: false,
            was_recorded: false,
            status_since: Timestamp::MIN,
            intents: Vec::new(),
            pins: Vec::new(),
            names: Vec::new(),
            created: BTreeSet::new(),
            bound: BTreeSet::new(),
            version: 0,
            prefers_native: true,
            was_switched: false,
            offline: None,
            pulled_at: None,
            is_residual: false,
            acked: Acked::default(),
            places: Vec::new(),
            lost: Vec::new(),
            work: Work::new(),
            is_off_goal: false,
            is_hindered: false,
            free_since: Timestamp::MIN,
            was_unknown_since: None,
            perhaps_deleted_at: None,
            before: None,
            before_last: None,
            is_changed: false,
            last_transition: "",
            edge: None,
            is_touched: false,
        }
    }
}

impl LockState {
    fn new(facts: &LockFacts, begins_at: Timestamp) -> Self {
        Self {
            device: None,
            memory: BTreeMap::new(),
            computed: Vec::new(),
            clock_off_ms: 0,
            clock_since: begins_at,
            clock_means_at: None,
            clock_settings: 0,
            clock_settings_since: begins_at,
            change_shown_at: Timestamp::MIN,
            seats: None,
            works: true,
            lengths: facts.profile.lengths,
            reported: None,
            was_to_be_given_up: false,
            epoch: Epoch::default(),
            is_present: true,
            joined_at: None,
            reach: true,
            faults: 0,
            slow_jobs: 0,
            disturbed_at: begins_at,
            faulted_at: begins_at,
            codes: Vec::new(),
            open: Vec::new(),
            picture: Picture::default(),
            positions: facts.profile.slots,
            hindrances: BTreeMap::new(),
            read_at: None,
            path: 0,
            scope: 0,
            device_before: None,
            is_device_changed: false,
            is_touched: false,
            facts: facts.clone(),
        }
    }

    /// Whether the lock would open for this entry at `at`, by its own clock.
    #[must_use]
    pub fn honours(&self, entry: &TrueEntry, at: Timestamp) -> bool {
        let is_in_window = entry.kept_window().is_none_or(|window| window.contains(at + self.clock_off_ms));
        entry.enabled && is_in_window
    }

    /// PIN lengths that the controller may send, as it was told.
    #[must_use]
    pub fn told_lengths(&self) -> Lengths {
        self.reported.unwrap_or(self.facts.profile.lengths)
    }

    /// Entries that take a usable place: all but what the lock keeps for itself.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.memory.values().filter(|stored| stored.entry.origin != Origin::Reserved).count() as u32
    }
}

/// Errors of the path: while a device carries one, nothing is written to it.
#[must_use]
pub const fn is_path_error(error: ErrorCode) -> bool {
    use ErrorCode as E;
    match error {
        E::AccountDisconnected | E::DeviceOffline | E::DeviceRemoved | E::HubDisconnected | E::DeviceDisconnected => true,
        E::AugustLockNotAuthorized | E::AugustLockMissingBridge | E::TtlockLockNotPairedToGateway | E::MissingDeviceCredentials => true,
        E::SubscriptionRequired | E::InvalidCredentials | E::BridgeDisconnected => true,
        E::SaltoKsSubscriptionLimitExceeded | E::EmptyBackupAccessCodePool | E::AuxiliaryHeatRunning => false,
        E::SmartthingsFailedToSetAccessCode | E::SmartthingsFailedToSetAfterMultipleRetries | E::SmartthingsNoFreeSlotsAvailable => false,
        E::FailedToSetOnDevice | E::FailedToRemoveFromDevice | E::DuplicateCodeOnDevice | E::DuplicateCodeAttemptPrevented => false,
        E::IgloohomeBridgeTooManyPendingJobs | E::IgloohomeBridgeOffline | E::IgloohomeOfflineAccessCodeNoVarianceAvailable => false,
        E::KwiksetUnableToConfirmCode | E::KwiksetUnableToConfirmDeletion | E::CodeModifiedExternalToSeam => false,
        E::AugustLockInvalidCodeLength | E::AugustDeviceProgrammingDelay | E::AugustDeviceSlotsFull | E::AugustLockMissingKeypad => false,
        E::AugustLockTemporarilyOffline | E::SaltoKsUserNotSubscribed | E::HubitatDeviceProgrammingDelay => false,
        E::HubitatNoFreePositionsAvailable | E::WyzeDuplicateCodeName | E::WyzePotentialDuplicateCode => false,
        E::DormakabaOracodeNoValidUserLevel => false,
    }
}

/// A change of status as text; none is a missing record.
pub(crate) fn transition(from: Option<Status>, to: Option<Status>) -> &'static str {
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
