//! What checkers of records and events compare a step with: the log, the life of each code in it, and what bears on it.
//!
//! Crashes are dealt with here. Events enter the log with the save that contains them; those that a crash overtook
//! never happened. What is read after a restart is judged once, marked [`View::is_reread`]: a state to look at, and no
//! transition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use keyway_core::access_code::{DeviceRecord, Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CodeId, CommandId, DeviceId, Epoch, Key};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, AnswerClass, Command, News, Op, Place, Reason};
use keyway_core::problem::ErrorCode;
use keyway_core::request::{Refusal, Request, Response};
use keyway_core::time::Timestamp;

use super::life::{Circumstances, Life, OutOfOrder};
use super::{Found, Interests, Invariant, api, backups, events, linked, problems};
use crate::history::{Call, CodeIx, History, Input, LockState, Stored};
use crate::occurrence::{Cause, Change, Lock, Occurrence, Origin, TrueEntry};

/// One check of what a step did, or of what was read after a restart.
pub trait Check {
    /// The id it may report.
    fn id(&self) -> &'static str;

    /// Judges the step that just ended.
    fn check(&mut self, view: &View<'_>, found: &mut Found);

    /// Evaluates a predicate of states for every subject there is.
    fn full(&self, _view: &View<'_>, _found: &mut Found) {}
}

/// How a predicate of states fares with one subject.
pub enum Held {
    /// It says nothing about this one.
    Idle,
    /// Its premise is true and it holds.
    Kept,
    /// It does not hold, because of this.
    Broken(String),
}

/// A predicate of the state of one code, or of one device, evaluated whenever it changes.
pub struct States {
    /// The id it may report.
    pub id: &'static str,
    /// For a code.
    pub of_code: fn(&View<'_>, &Record) -> Held,
    /// For a device.
    pub of_device: fn(&View<'_>, Lock, &DeviceRecord) -> Held,
}

impl States {
    /// A predicate that says nothing about devices.
    #[must_use]
    pub fn of_codes(id: &'static str, of_code: fn(&View<'_>, &Record) -> Held) -> Box<dyn Check> {
        Box::new(Self { id, of_code, of_device: |_, _, _| Held::Idle })
    }

    /// A predicate of codes and devices.
    #[must_use]
    pub fn of_both(
        id: &'static str,
        of_code: fn(&View<'_>, &Record) -> Held,
        of_device: fn(&View<'_>, Lock, &DeviceRecord) -> Held,
    ) -> Box<dyn Check> {
        Box::new(Self { id, of_code, of_device })
    }

    fn judge_code(&self, view: &View<'_>, record: &Record, found: &mut Found) {
        match (self.of_code)(view, record) {
            Held::Idle => {}
            Held::Kept => found.armed(self.id),
            Held::Broken(what) => view.broken(found, self.id, record.access_code_id, &what),
        }
    }

    fn judge_device(&self, view: &View<'_>, lock: Lock, device: &DeviceRecord, found: &mut Found) {
        match (self.of_device)(view, lock, device) {
            Held::Idle => {}
            Held::Kept => found.armed(self.id),
            Held::Broken(what) => view.broken_device(found, self.id, lock, &what),
        }
    }
}

impl Check for States {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        for record in view.changes().filter_map(|change| change.after) {
            self.judge_code(view, record, found);
        }
        for (lock, _, after) in view.device_changes() {
            if let Some(device) = after {
                self.judge_device(view, lock, device, found);
            }
        }
    }

    fn full(&self, view: &View<'_>, found: &mut Found) {
        for (_, record) in view.live_codes() {
            self.judge_code(view, record, found);
        }
        for (lock, state) in view.history.locks() {
            if let Some(device) = state.device.as_deref() {
                self.judge_device(view, lock, device, found);
            }
        }
    }
}

/// A check without memory of its own: what a step did, or may not have done.
pub struct Steps {
    /// The id it may report.
    pub id: &'static str,
    /// Judges the step.
    pub judge: fn(&View<'_>, &mut Found),
}

impl Check for Steps {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        (self.judge)(view, found);
    }
}

/// A check without memory of its own: how a device and its codes go together.
pub struct Locks {
    /// The id it may report.
    pub id: &'static str,
    /// Judges a lock whose device or codes differ.
    pub judge: fn(&View<'_>, Lock, &mut Found),
}

impl Check for Locks {
    fn id(&self) -> &'static str {
        self.id
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        for lock in view.concerned_locks() {
            (self.judge)(view, lock, found);
        }
    }

    fn full(&self, view: &View<'_>, found: &mut Found) {
        for (lock, _) in view.history.locks() {
            (self.judge)(view, lock, found);
        }
    }
}

/// An event that is in the log from now on.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The event.
    pub event: Event,
    /// Whether the code's life may go on like this.
    pub order: Result<(), OutOfOrder>,
    /// For external events: whether somebody else did something that no event had told before.
    pub is_by_others: bool,
    /// The code's life in the log before it.
    pub life_before: Life,
}

/// A record that differs from what it was before the step.
#[derive(Clone, Copy, Debug)]
pub struct CodeChange<'a> {
    /// Which.
    pub code: CodeIx,
    /// Before the step; none: there was none.
    pub before: Option<&'a Record>,
    /// After it; none: it is gone.
    pub after: Option<&'a Record>,
}

/// What a check may look at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The shadow of the run.
    pub history: &'a History,
    /// Log, lives and what bears on them.
    pub story: &'a Story,
    /// The end of the step.
    pub now: Timestamp,
    /// This is what was read after a restart, and no step of the controller.
    pub is_reread: bool,
    /// The events that entered the log. In a re-reading: those of the step that the crash cut short.
    pub logged: &'a [Logged],
}

impl<'a> View<'a> {
    /// The record of this code, if it is there.
    #[must_use]
    pub fn live(&self, code: CodeId) -> Option<&'a Record> {
        self.history.code(self.history.find_code(code)?).record.as_deref()
    }

    /// The record of this code before the step, if it was there.
    #[must_use]
    pub fn before(&self, code: CodeId) -> Option<&'a Record> {
        self.history.previous(self.history.find_code(code)?)
    }

    /// All records that are there, in the order in which they were first seen.
    pub fn live_codes(&self) -> impl Iterator<Item = (CodeIx, &'a Record)> + 'a {
        self.history.codes().filter_map(|(ix, code)| Some((ix, code.record.as_deref()?)))
    }

    /// All records of this device.
    pub fn codes_on(&self, device: DeviceId) -> impl Iterator<Item = (CodeIx, &'a Record)> + 'a {
        let history = self.history;
        let codes = history.find_lock(device).into_iter().flat_map(move |lock| &history.lock(lock).codes);
        codes.filter_map(move |code| Some((*code, history.code(*code).record.as_deref()?)))
    }

    /// The records that differ.
    pub fn changes(&self) -> impl Iterator<Item = CodeChange<'a>> + 'a {
        let history = self.history;
        let changed = history.changed_codes().iter();
        let changes =
            changed.map(|code| CodeChange { code: *code, before: history.previous(*code), after: history.code(*code).record.as_deref() });
        changes.filter(|change| change.before != change.after)
    }

    /// The devices whose views differ: the lock, the view before the step, and after it.
    pub fn device_changes(&self) -> impl Iterator<Item = (Lock, Option<&'a DeviceRecord>, Option<&'a DeviceRecord>)> + 'a {
        let history = self.history;
        let changed = history.changed_devices().iter();
        let views = changed.map(move |lock| (*lock, history.previous_device(*lock), history.lock(*lock).device.as_deref()));
        views.filter(|(_, before, after)| before != after)
    }

    /// The devices whose view or one of whose records differs, each once.
    #[must_use]
    pub fn concerned_locks(&self) -> Vec<Lock> {
        let by_codes = self.changes().filter_map(|change| self.history.code(change.code).lock);
        let mut locks: Vec<Lock> = by_codes.chain(self.device_changes().map(|(lock, ..)| lock)).collect();
        locks.sort_unstable();
        locks.dedup();
        locks
    }

    /// The events that the step emitted, saved or not; none in a re-reading.
    #[must_use]
    pub fn emitted(&self) -> &'a [Event] {
        if self.is_reread { &[] } else { &self.history.step().events }
    }

    /// How often the step emitted such an event for this code.
    #[must_use]
    pub fn count(&self, code: CodeId, event: EventType) -> usize {
        self.emitted().iter().filter(|one| one.access_code_id == code && one.event_type == event).count()
    }

    /// The call that the step handled, and what it was answered.
    #[must_use]
    pub fn call(&self) -> Option<(&'a Call, Option<&'a Result<Response, Refusal>>)> {
        let step = self.history.step();
        let Some(Input::Call(call_id)) = step.input.as_ref().filter(|_| !self.is_reread) else { return None };
        let reply = step.replies.iter().find(|(id, _)| id == call_id).map(|(_, result)| result);
        Some((self.history.call(*call_id)?, reply))
    }

    /// The lock that is this device.
    #[must_use]
    pub fn lock(&self, device: DeviceId) -> Option<&'a LockState> {
        Some(self.history.lock(self.history.find_lock(device)?))
    }

    /// The backups of this device that a pull could take: `set` and not pulled (`R-35`).
    pub fn available_backups(&self, device: DeviceId) -> impl Iterator<Item = CodeId> + 'a {
        let story = self.story;
        let is_ready = |record: &Record| record.is_backup && record.is_managed && record.status == Status::Set;
        let ready = self.codes_on(device).filter(move |(_, record)| is_ready(record)).map(|(_, record)| record.access_code_id);
        ready.filter(move |id| !story.is_pulled(*id))
    }

    /// The PINs of the entries of this code that lie in its lock.
    pub fn pins_in_memory(&self, code: CodeId) -> impl Iterator<Item = Pin> + 'a {
        let found = self.history.find_code(code);
        let lock = found.and_then(|code| self.history.code(code).lock);
        let entries = lock.into_iter().flat_map(|lock| self.history.lock(lock).memory.values());
        let is_its_own = move |stored: &&Stored| stored.entry.origin == Origin::Code(code) || found.is_some() && stored.code == found;
        entries.filter(is_its_own).map(|stored| stored.entry.pin)
    }

    /// Whether the controller was told a cause for which setting the code fails at once: a permanent refusal (`R-20`, `R-54`), or the
    /// escalation of `R-11`.
    #[must_use]
    pub fn was_refused(&self, code: CodeId) -> bool {
        let record = self.live(code);
        let by_record = record.is_some_and(|record| shows_refusal(record) || is_escalated(self.now, record));
        let lock = record.and_then(|record| self.history.find_lock(record.device_id));
        // A lock that is full as far as anybody was told is full, whatever it has lost unseen (R-20, I-DEV-03).
        let is_known_full = |lock| {
            let (occupied, capacity) = self.history.known_room(lock);
            occupied >= capacity
        };
        // A length that was reported not to be taken is refused by whoever sends it, and so is what others made of the PIN against the
        // lock's constraints.
        let is_unfit = |lock| {
            let (pin, state) = (record.and_then(|record| record.code), self.history.lock(lock));
            let is_too_long = |pin: Pin| !state.told_lengths().contains(pin.length());
            let breaks = |pin: Pin| state.facts.profile.constraints.iter().any(|constraint| !constraint.admits(pin));
            pin.is_some_and(|pin| is_too_long(pin) || breaks(pin))
        };
        by_record
            || lock.is_some_and(is_known_full)
            || lock.is_some_and(is_unfit)
            || self.story.code(code).is_some_and(|seen| seen.was_refused)
            || lock.is_some_and(|lock| self.story.lock(lock).is_some_and(LockSeen::refuses))
    }

    /// Whether an event could come by the clock alone. A controller may do what is due in whatever step comes at that instant, so
    /// such an event says nothing about the call that the step handled.
    #[must_use]
    pub fn may_come_by_clock(&self, event: &Event) -> bool {
        let record = self.before(event.access_code_id).or_else(|| self.live(event.access_code_id));
        match event.event_type {
            EventType::SetOnDevice
            | EventType::DelayInSettingOnDevice
            | EventType::FailedToSetOnDevice
            | EventType::DelayInRemovingFromDevice
            | EventType::FailedToRemoveFromDevice => true,
            EventType::Created => record.is_some_and(|record| record.is_backup),
            EventType::Deleted | EventType::RemovedFromDevice => record.is_some_and(|record| self.has_ended(record) || record.is_backup),
            EventType::Changed
            | EventType::ScheduledOnDevice
            | EventType::ModifiedExternalToSeam
            | EventType::DeletedExternalToSeam
            | EventType::BackupAccessCodePulled
            | EventType::UnmanagedConvertedToManaged
            | EventType::UnmanagedFailedToConvertToManaged
            | EventType::UnmanagedCreated
            | EventType::UnmanagedRemoved => false,
        }
    }

    /// The same for a change of a record: the owner's fields stay, only backups are born, and what goes has ended or is a backup.
    #[must_use]
    pub fn may_change_by_clock(&self, change: &CodeChange<'_>) -> bool {
        let ends = |record: &Record| self.has_ended(record) || record.is_backup;
        match (change.before, change.after) {
            (Some(before), Some(after)) => {
                let begins_removal = after.status == Status::Removing && before.status != Status::Removing;
                !differs_by_owner(before, after) && (!begins_removal || ends(before))
            }
            (Some(before), None) => ends(before),
            (None, Some(after)) => after.is_backup,
            (None, None) => true,
        }
    }

    fn has_ended(&self, record: &Record) -> bool {
        record.ends_at.is_some_and(|end| end <= self.now)
    }

    /// Reports a violation by a code.
    pub fn broken(&self, found: &mut Found, id: &'static str, code: CodeId, what: &str) {
        match self.history.find_code(code) {
            Some(code) => found.broken_by(id, self.history, code, what),
            None => found.broken(id, format!("code {code}: {what}"), "a code without a record".to_owned()),
        }
    }

    /// Reports a violation by a device.
    pub fn broken_device(&self, found: &mut Found, id: &'static str, lock: Lock, what: &str) {
        let facts = &self.history.lock(lock).facts;
        found.broken(id, format!("lock {}: {what}", facts.name), format!("a lock of {}", facts.profile.vendor));
    }
}

/// Whether anything differs that only somebody's word can change.
fn differs_by_owner(before: &Record, after: &Record) -> bool {
    before.code != after.code
        || before.name != after.name
        || before.window() != after.window()
        || before.kind != after.kind
        || before.is_external_modification_allowed != after.is_external_modification_allowed
        || before.is_managed != after.is_managed
        || before.common_code_key != after.common_code_key
        || before.pulled_backup_access_code_id != after.pulled_backup_access_code_id
}

/// Errors that stand only after a permanent refusal (`R-20`, `R-54`).
fn shows_refusal(record: &Record) -> bool {
    record.errors.iter().any(|entry| {
        matches!(
            entry.error_code,
            ErrorCode::DuplicateCodeOnDevice
                | ErrorCode::SmartthingsNoFreeSlotsAvailable
                | ErrorCode::AugustLockInvalidCodeLength
                | ErrorCode::AugustDeviceSlotsFull
                | ErrorCode::HubitatNoFreePositionsAvailable
                | ErrorCode::SaltoKsUserNotSubscribed
                | ErrorCode::WyzeDuplicateCodeName
                | ErrorCode::IgloohomeOfflineAccessCodeNoVarianceAvailable
                | ErrorCode::DormakabaOracodeNoValidUserLevel
        )
    })
}

/// Whether the record shows the escalation of `R-11`: its start has passed, and an error stands that began as a warning.
fn is_escalated(now: Timestamp, record: &Record) -> bool {
    let began_as_warning = |code: ErrorCode| {
        matches!(
            code,
            ErrorCode::SmartthingsFailedToSetAccessCode
                | ErrorCode::AugustDeviceProgrammingDelay
                | ErrorCode::AugustLockTemporarilyOffline
                | ErrorCode::KwiksetUnableToConfirmCode
        )
    };
    record.starts_at.is_some_and(|start| start <= now) && record.errors.iter().any(|entry| began_as_warning(entry.error_code))
}

/// What was seen of one code beside its record.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its events in the log.
    pub life: Life,
    /// Since when it has its status.
    pub status_since: Timestamp,
    /// While it is `unknown`: the status before that, if it is certain.
    pub known_as: Option<Status>,
    /// In the step in which it left `unknown`: the status before that, if it is certain and nothing was asked or lost meanwhile.
    pub left_unknown_as: Option<Status>,
    /// Whether something was asked or lost while it was `unknown`.
    was_moved_while_unknown: bool,
    /// When its set episode began at the earliest, beside its due time: an update, or a loss that was detected.
    pub episode_since: Option<Timestamp>,
    /// Whether the owner wants a native schedule (`prefer_native_scheduling`), where that is certain.
    pub prefers_schedule: Option<bool>,
    /// The PINs the record showed, each with its first instant.
    pins: Vec<(Timestamp, Option<Pin>)>,
    /// Writes sent and not definitely refused since its last removal.
    writes: u32,
    /// Whether it lay in a lock at any time since its last removal.
    was_stored: bool,
    /// When the last write was sent.
    last_write: Option<Timestamp>,
    /// When the last write was sent that leaves nothing as others made it, all but a new schedule or a seat; and its key.
    last_whole_write: Option<(Timestamp, Key)>,
    /// A permanent refusal of a write came since its last update or confirmation.
    was_refused: bool,
    /// The same for an erasure.
    pub was_removal_refused: bool,
    /// What others did to its entry and no event has told yet, as instants.
    foreign: Vec<Timestamp>,
}

impl Seen {
    /// Whether a write for it may have come through since its last removal (`EV-02`).
    #[must_use]
    pub fn was_maybe_written(&self) -> bool {
        self.writes > 0 || self.was_stored
    }

    /// The PIN that the record showed at this instant; the later one if it changed at it.
    #[must_use]
    pub fn pin_at(&self, at: Timestamp) -> Option<Pin> {
        self.pins.iter().rev().find(|(since, _)| *since <= at).and_then(|(_, pin)| *pin)
    }

    /// Whether its record ever showed a PIN.
    #[must_use]
    pub fn had_pin(&self) -> bool {
        self.pins.iter().any(|(_, pin)| pin.is_some())
    }
}

/// What was seen of one lock beside its present memory.
#[derive(Clone, Debug, Default)]
pub struct LockSeen {
    /// Whose entry lies where; the history has the rest.
    places: BTreeMap<Place, (Origin, Pin)>,
    /// The PINs of entries that ever lay there and were nobody's managed code, or were changed by others; hidden ones left out.
    pub strangers: Vec<Pin>,
    /// It was full once, or a refusal told that it has less room than it says.
    was_full: bool,
    /// It takes other PIN lengths than it once told.
    lengths_changed: bool,
    /// It joined anew, so that nothing in it is provably the controller's (`R-57`).
    pub rejoined: bool,
}

impl LockSeen {
    /// Whether it gave a lasting reason to refuse any write. When the controller learnt of it is its own affair, so it counts for good.
    const fn refuses(&self) -> bool {
        self.was_full || self.lengths_changed
    }
}

/// A write or an erasure that was sent and not answered for good.
#[derive(Clone, Copy, Debug)]
struct Sent {
    code: CodeId,
    lock: Option<Lock>,
    slot: Option<Place>,
    erases: bool,
    epoch: Epoch,
    /// No answer had told for certain.
    is_ambiguous: bool,
    /// The vendor had taken it.
    is_accepted: bool,
}

/// The log, the life of each code in it, and what bears on it, as seen so far.
#[derive(Debug, Default)]
pub struct Story {
    codes: BTreeMap<CodeId, Seen>,
    locks: BTreeMap<Lock, LockSeen>,
    /// Each backup that was pulled, with the original; they outlive both.
    pulled: BTreeSet<(CodeId, CodeId)>,
    crashed_at: Option<Timestamp>,
    /// The code whose write the answer of the present step said to have had no effect.
    unsaved_answer: Option<CodeId>,
    /// The step under way, or the one that the last crash cut short, has saved.
    has_saved: bool,
    sent: BTreeMap<CommandId, Sent>,
    /// Emitted and not saved.
    unsaved: Vec<Event>,
    /// Saved and not judged yet.
    saved: Vec<Event>,
}

/// Reading.
impl Story {
    /// What was seen of a code; none: nothing.
    #[must_use]
    pub fn code(&self, code: CodeId) -> Option<&Seen> {
        self.codes.get(&code)
    }

    /// What was seen of a lock; none: nothing.
    #[must_use]
    pub fn lock(&self, lock: Lock) -> Option<&LockSeen> {
        self.locks.get(&lock)
    }

    /// The codes for which this backup was pulled.
    pub fn originals_of(&self, backup: CodeId) -> impl Iterator<Item = CodeId> + '_ {
        let all = (backup, CodeId(0))..=(backup, CodeId(u128::MAX));
        self.pulled.range(all).map(|(_, original)| *original)
    }

    /// Whether this device came to take other PIN lengths than it once told.
    #[must_use]
    pub fn took_other_lengths(&self, device: DeviceId, history: &History) -> bool {
        history.find_lock(device).and_then(|lock| self.lock(lock)).is_some_and(|seen| seen.lengths_changed)
    }

    /// Whether this backup was pulled.
    #[must_use]
    pub fn is_pulled(&self, backup: CodeId) -> bool {
        self.originals_of(backup).next().is_some()
    }
}

/// Whether a command was turned away before anybody looked at what it asks.
fn is_turned_away(answer: &Answer) -> bool {
    match answer {
        Answer::Unreachable(_) | Answer::Busy | Answer::QueueFull | Answer::RateLimited { .. } | Answer::Unauthorized => true,
        Answer::Refused(reason) => matches!(reason, Reason::NoRights | Reason::NoGateway | Reason::NotPaid | Reason::NoCredentials),
        _ => false,
    }
}

/// What crosses the boundary.
impl Story {
    fn command(&mut self, history: &History, now: Timestamp, command: &Command, lock: Option<Lock>) {
        let is_registering = command.op.is_registering();
        let Some(code) = command.for_code.filter(|_| command.op.is_mutating() || is_registering) else { return };
        let erases = command.op.is_erasing();
        let slot = if let Op::SetSlot { slot, .. } = command.op { Some(Place::Slot(slot)) } else { None };
        self.sent
            .insert(command.command_id, Sent { code, lock, slot, erases, epoch: command.epoch, is_ambiguous: false, is_accepted: false });
        // What is registered goes to no lock.
        if !erases && !is_registering {
            let seen = self.codes.entry(code).or_default();
            seen.writes += 1;
            seen.last_write = Some(now);
            // A repeat whose key is honoured writes nothing anew (`P-04`).
            let is_honoured = lock.is_some_and(|lock| history.lock(lock).facts.profile.key_honoured);
            let is_repeat = is_honoured && seen.last_whole_write.is_some_and(|(_, key)| key == command.key);
            // A seat brings back no entry that was lost meanwhile (`R-63`).
            let is_whole = !matches!(command.op, Op::SetSchedule { .. } | Op::CreateUser { .. } | Op::TakeSeat { .. });
            if !is_repeat && is_whole {
                seen.last_whole_write = Some((now, command.key));
            }
        }
    }

    fn answer(&mut self, history: &History, command: CommandId, answer: &Answer) {
        if answer.class() != AnswerClass::Definitive {
            // What was ambiguous once stays so, whatever is heard of it later (`EV-02`).
            if let Some(sent) = self.sent.get_mut(&command) {
                sent.is_ambiguous |= answer.class() == AnswerClass::Ambiguous;
                sent.is_accepted |= *answer == Answer::Accepted;
            }
            return;
        }
        // That a copy of one which the vendor had taken was turned away says nothing of that one (`P-02`).
        if self.sent.get(&command).is_some_and(|sent| sent.is_accepted) && is_turned_away(answer) {
            return;
        }
        let Some(sent) = self.sent.remove(&command) else { return };
        // Who heard first that its incarnation was over could not know what had become of it (`P-10`, `EV-02`).
        let told = history.find_code(sent.code).and_then(|code| history.code(code).lock).and_then(|lock| history.lock(lock).picture.epoch);
        let is_ambiguous = sent.is_ambiguous || told.is_some_and(|told| sent.epoch < told);
        let seen = self.codes.entry(sent.code).or_default();
        if !matches!(answer, Answer::Done { .. }) && !sent.erases && !is_ambiguous {
            seen.writes = seen.writes.saturating_sub(1);
            self.unsaved_answer = Some(sent.code);
        }
        let Answer::Refused(reason) = answer else { return };
        if sent.erases {
            seen.was_removal_refused |= reason.is_permanent();
        } else {
            seen.was_refused |= reason.is_permanent() || *reason == Reason::PinTaken;
        }
        if let Some(lock) = sent.lock.filter(|_| matches!(reason, Reason::Full | Reason::SlotOutOfRange)) {
            self.locks.entry(lock).or_default().was_full = true;
        }
    }

    fn notice(&mut self, news: &News, lock: Option<Lock>) {
        let News::NotAdded { slot, duplicate: true } = news else { return };
        let place = Some(Place::Slot(*slot));
        for sent in self.sent.values().filter(|sent| sent.lock == lock && sent.slot == place) {
            self.codes.entry(sent.code).or_default().was_refused = true;
        }
    }

    fn reply(&mut self, history: &History, result: &Result<Response, Refusal>) {
        let Some(Input::Call(call)) = history.step().input else { return };
        let Some(call) = history.call(call) else { return };
        // A call that a crash cut short leaves the preference uncertain; so does one that changes it.
        match (&call.request, result) {
            (Request::Create(create), Ok(Response::AccessCode(code))) => self.prefer(*code, create.prefer_native_scheduling),
            (Request::CreateMultiple(create), Ok(Response::AccessCodes(codes))) => {
                for code in codes {
                    self.prefer(*code, create.prefer_native_scheduling);
                }
            }
            (Request::Update(update), Ok(_)) if update.prefer_native_scheduling.is_some() => {
                self.codes.entry(update.access_code_id).or_default().prefers_schedule = None;
            }
            _ => {}
        }
    }

    fn prefer(&mut self, code: CodeId, native: Option<bool>) {
        self.codes.entry(code).or_default().prefers_schedule = Some(native != Some(false));
    }
}

/// What the world did.
impl Story {
    fn truth(&mut self, history: &History, now: Timestamp, lock: Lock, change: &Change, cause: Cause) {
        // What lies in a lock at the beginning may have pushed aside what the prologue stored.
        let by_others = !matches!(cause, Cause::Command(_));
        match change {
            Change::Stored { place, entry } => {
                // A lost seat switches an entry off, and is no change of it.
                let is_known = self.lock(lock).and_then(|seen| seen.places.get(place)) == Some(&(entry.origin, entry.pin));
                let is_seat_lost = is_known && !entry.enabled && history.lock(lock).seats.is_some();
                let stored = history.lock(lock).memory.get(place);
                // What a copy of a command brought back is nobody's wish (`P-04`).
                let is_unasked = stored.is_some_and(|stored| stored.touched.is_some_and(|touch| touch.at == now));
                let by_others = (by_others || is_unasked) && !is_seat_lost;
                self.displaced(history, now, lock, *place, by_others);
                self.stored(now, lock, *place, entry, by_others);
                if let Some(owner) = stored.and_then(|stored| stored.code).filter(|_| by_others) {
                    self.codes.entry(history.code(owner).id).or_default().suffer(now);
                }
                let state = history.lock(lock);
                let is_full = state.memory.len() >= state.facts.usable_slots as usize;
                self.locks.entry(lock).or_default().was_full |= is_full;
            }
            Change::Erased { place } => {
                let is_unasked = history.who_lost(lock, *place, now).is_some();
                self.displaced(history, now, lock, *place, by_others || is_unasked);
                self.locks.entry(lock).or_default().places.remove(place);
            }
            Change::Joined { .. } if cause == Cause::World => {
                self.locks.entry(lock).or_default().rejoined = true;
                for (_, code) in history.codes().filter(|(_, code)| code.lock == Some(lock) && code.record.is_some()) {
                    self.codes.entry(code.id).or_default().foreign.push(now);
                }
            }
            Change::Lengths(_) if cause != Cause::Beginning => self.locks.entry(lock).or_default().lengths_changed = true,
            Change::Seats { limit, used, .. } => self.locks.entry(lock).or_default().was_full |= used >= limit,
            Change::Joined { .. } | Change::Lengths(_) | Change::Clock { .. } | Change::Works(_) | Change::Left => {}
            Change::Computed { .. } | Change::Used { .. } | Change::SetBack => {}
        }
    }

    /// A conversion made an entry this code's own (`P-09`).
    fn claimed(&mut self, lock: Lock, place: Place, code: CodeId) {
        if let Some((origin, _)) = self.locks.entry(lock).or_default().places.get_mut(&place) {
            *origin = Origin::Code(code);
        }
        self.codes.entry(code).or_default().was_stored = true;
    }

    /// What lay at this place is replaced or erased.
    fn displaced(&mut self, history: &History, now: Timestamp, lock: Lock, place: Place, by_others: bool) {
        let seen = self.locks.entry(lock).or_default();
        let Some((Origin::Code(code), pin)) = seen.places.get(&place).copied() else {
            // What outlived a join is the code's own though the world knows no creator any more.
            if let Some(owner) = history.who_lost(lock, place, now).filter(|_| by_others) {
                self.codes.entry(history.code(owner).id).or_default().suffer(now);
            }
            return;
        };
        let record = history.find_code(code).and_then(|code| history.code(code).record.as_ref());
        // A residual may have been seen by a read that is still on its way.
        if record.is_none_or(|record| !record.is_managed) {
            seen.strangers.push(pin);
        }
        if by_others {
            self.codes.entry(code).or_default().foreign.push(now);
        }
    }

    fn stored(&mut self, now: Timestamp, lock: Lock, place: Place, entry: &TrueEntry, by_others: bool) {
        if let Origin::Code(code) = entry.origin {
            let seen = self.codes.entry(code).or_default();
            seen.was_stored = true;
            if by_others {
                seen.suffer(now);
            }
        }
        let is_strange = by_others || !matches!(entry.origin, Origin::Code(_));
        let seen = self.locks.entry(lock).or_default();
        if is_strange && !entry.hidden {
            seen.strangers.push(entry.pin);
        }
        seen.places.insert(place, (entry.origin, entry.pin));
    }
}

/// What the boundary showed.
impl Story {
    /// The history has taken in a view of this record.
    fn record(&mut self, history: &History, now: Timestamp, id: CodeId) {
        let Some(ix) = history.find_code(id) else { return };
        let is_reread = !history.is_transition();
        let Some(after) = history.code(ix).record.as_deref() else { return };
        let seen_at = if is_reread { self.crashed_at.unwrap_or(now) } else { now };
        self.codes.entry(id).or_default().turn(seen_at, is_reread, history.previous(ix), after);
        let backup = after.pulled_backup_access_code_id;
        if is_reread {
            // A crash may have undone a pull.
            self.pulled.retain(|(pulled, original)| *original != id || Some(*pulled) == backup);
        }
        if let Some(backup) = backup {
            self.pulled.insert((backup, id));
        }
    }

    /// A crash cut short a step that had saved: the intent to write may have been saved and the command never sent, and nobody can tell
    /// from a state that survived (`R-60`, `EV-02`).
    fn doubt_writes(&mut self, history: &History) {
        if !std::mem::take(&mut self.has_saved) {
            return;
        }
        for record in history.codes().filter_map(|(_, code)| code.record.as_deref()) {
            if record.is_managed && record.status != Status::Set {
                self.codes.entry(record.access_code_id).or_default().writes += 1;
            }
        }
    }

    /// Takes the events that entered the log since the last step ended.
    fn log(&mut self, history: &History, now: Timestamp, is_reread: bool) -> Vec<Logged> {
        let mut saved = std::mem::take(&mut self.saved);
        let logged = saved.drain(..).map(|event| self.log_one(history, now, is_reread, event)).collect();
        self.saved = saved;
        logged
    }

    fn log_one(&mut self, history: &History, now: Timestamp, is_reread: bool, event: Event) -> Logged {
        let id = event.access_code_id;
        let view = View { history, story: self, now, is_reread, logged: &[] };
        let change = Transition { before: view.before(id), after: view.live(id), is_reread };
        let circumstances = Circumstances {
            was_maybe_written: self.code(id).is_some_and(Seen::was_maybe_written),
            was_refused: view.was_refused(id),
            was_removal_refused: self.code(id).is_some_and(|seen| seen.was_removal_refused),
            has_seats: is_by_seat(history, id),
            is_residual: history.find_code(id).is_some_and(|code| history.code(code).is_residual),
            keeps_episode: change.keeps_episode(),
            is_scheduled: change.after.is_some_and(|after| after.is_scheduled_on_device && after.status == Status::Unset),
        };
        let rests = event.event_type == EventType::DeletedExternalToSeam && change.rests();
        // What a step had saved that a crash cut short was told then.
        let told_at = if is_reread { self.crashed_at.unwrap_or(now) } else { now };
        let seen = self.codes.entry(id).or_default();
        let life_before = seen.life;
        let order = seen.life.next(event.event_type, circumstances);
        if rests {
            seen.life.rest();
        }
        let is_by_others = seen.hear(told_at, event.event_type, circumstances.keeps_episode);
        Logged { event, order, is_by_others, life_before }
    }
}

/// A record before and after a step.
struct Transition<'a> {
    before: Option<&'a Record>,
    after: Option<&'a Record>,
    is_reread: bool,
}

impl Transition<'_> {
    /// An update need not begin a new set episode: nothing that is written differs, or nothing was being written (T13, T37), or a crash hides it.
    fn keeps_episode(&self) -> bool {
        let (Some(before), Some(after), false) = (self.before, self.after, self.is_reread) else { return true };
        let differs = before.code != after.code || before.window() != after.window();
        !differs || !matches!(before.status, Status::Setting | Status::Set)
    }

    /// T26: lost where changes are allowed.
    fn rests(&self) -> bool {
        let (Some(before), Some(after), false) = (self.before, self.after, self.is_reread) else { return false };
        after.is_external_modification_allowed && before.status == Status::Set && after.status == Status::Unset
    }
}

impl Seen {
    /// The record turns from `before` into `after`.
    fn turn(&mut self, seen_at: Timestamp, is_reread: bool, before: Option<&Record>, after: &Record) {
        if self.pins.last().is_none_or(|(_, pin)| *pin != after.code) {
            self.pins.push((seen_at, after.code));
        }
        if after.is_backup && before.is_some_and(|before| before.code != after.code) {
            // A pooled PIN that a lock refused is replaced without a word.
            self.life.begin_set_episode();
        }
        let from = before.map(|record| record.status);
        if from == Some(after.status) {
            return;
        }
        self.status_since = seen_at;
        self.left_unknown_as = self.known_as.filter(|_| !self.was_moved_while_unknown);
        self.known_as = from.filter(|_| after.status == Status::Unknown && !is_reread);
        self.was_moved_while_unknown = false;
        if from == Some(Status::Unknown) {
            self.life.begin_set_episode();
        }
        if from == Some(Status::Unknown) || from == Some(Status::Removing) || after.status == Status::Removing {
            self.life.begin_remove_episode();
        }
    }

    /// Others did something to its entry, once at an instant.
    fn suffer(&mut self, now: Timestamp) {
        if self.foreign.last() != Some(&now) {
            self.foreign.push(now);
        }
    }

    /// Draws the conclusions from an event of the log; says whether an external one has a cause.
    fn hear(&mut self, now: Timestamp, event: EventType, keeps_episode: bool) -> bool {
        match event {
            EventType::Changed => {
                self.was_moved_while_unknown = true;
                if !keeps_episode {
                    self.episode_since = Some(now);
                    self.was_refused = false;
                }
                true
            }
            EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam => {
                self.was_moved_while_unknown = true;
                self.episode_since = Some(now);
                let is_by_others = !self.foreign.is_empty();
                if is_by_others {
                    self.foreign.remove(0);
                }
                is_by_others
            }
            EventType::SetOnDevice | EventType::ScheduledOnDevice => {
                self.was_refused = false;
                // What lay there before the confirmed write was sent is history.
                if let Some((write, _)) = self.last_whole_write {
                    self.foreign.retain(|at| *at >= write);
                }
                true
            }
            EventType::RemovedFromDevice => {
                // What the same step sent comes after it.
                self.writes = u32::from(self.last_write == Some(now));
                self.was_stored = false;
                self.was_removal_refused = false;
                true
            }
            EventType::Created
            | EventType::DelayInSettingOnDevice
            | EventType::FailedToSetOnDevice
            | EventType::Deleted
            | EventType::DelayInRemovingFromDevice
            | EventType::FailedToRemoveFromDevice
            | EventType::BackupAccessCodePulled
            | EventType::UnmanagedFailedToConvertToManaged
            | EventType::UnmanagedCreated
            | EventType::UnmanagedRemoved => true,
            EventType::UnmanagedConvertedToManaged => {
                // It was taken over as it is, whatever others did before.
                self.foreign.clear();
                true
            }
        }
    }
}

/// The checker that carries all checks.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(Chronicler::new())]
}

fn all_checks() -> Vec<Box<dyn Check>> {
    let mut checks = problems::checks();
    checks.append(&mut events::checks());
    checks.append(&mut backups::checks());
    checks.append(&mut api::checks());
    checks.append(&mut linked::checks());
    checks
}

/// Keeps the story and puts each step before the checks. It is one checker with many ids, so that what a step did is gathered once.
pub struct Chronicler {
    ids: &'static [&'static str],
    story: Story,
    checks: Vec<Box<dyn Check>>,
    /// Views were read after a restart, and not judged yet.
    is_rereading: bool,
}

fn is_by_seat(history: &History, code: CodeId) -> bool {
    let profile = history.find_code(code).and_then(|code| history.profile(code));
    profile.is_some_and(|profile| profile.family == keyway_core::vendor::Family::BySeat)
}

impl Chronicler {
    /// A chronicler before the first occurrence, with every check there is.
    #[must_use]
    pub fn new() -> Self {
        static IDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| all_checks().iter().map(|check| check.id()).collect());
        Self { ids: &IDS, story: Story::default(), checks: all_checks(), is_rereading: false }
    }

    fn judge(&mut self, history: &History, now: Timestamp, is_reread: bool, found: &mut Found) {
        let logged = self.story.log(history, now, is_reread);
        if is_reread {
            // What the step that was cut short had told comes before what it had in mind.
            self.story.doubt_writes(history);
        }
        let view = View { history, story: &self.story, now, is_reread, logged: &logged };
        let step = history.step();
        let has_call = !is_reread && matches!(step.input, Some(Input::Call(_)));
        let is_idle = logged.is_empty() && view.emitted().is_empty() && !has_call;
        if is_idle && history.changed_codes().is_empty() && history.changed_devices().is_empty() {
            return;
        }
        for check in &mut self.checks {
            check.check(&view, found);
        }
    }
}

impl Default for Chronicler {
    fn default() -> Self {
        Self::new()
    }
}

impl Invariant for Chronicler {
    fn ids(&self) -> &'static [&'static str] {
        self.ids
    }

    fn interests(&self) -> Interests {
        let steps = Interests::STARTED.and(Interests::CRASHED).and(Interests::STEP_BEGAN).and(Interests::STEP_ENDED);
        let log = Interests::EMITTED.and(Interests::SAVED).and(Interests::RECORDED).and(Interests::REPLIED);
        steps
            .and(log)
            .and(Interests::COMMANDED)
            .and(Interests::ANSWERED)
            .and(Interests::NOTICED)
            .and(Interests::TRUTH)
            .and(Interests::CLAIMED)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Started { restart } => self.is_rereading = *restart,
            // What was read after a restart is judged by now, or there was nothing.
            Occurrence::StepBegan => {
                (self.is_rereading, self.story.has_saved, self.story.unsaved_answer) = (false, false, None);
            }
            Occurrence::Crashed => {
                self.story.unsaved.clear();
                self.story.crashed_at = Some(now);
                // What a step heard that was not saved is not known (`R-60`).
                let unheard = self.story.unsaved_answer.take().filter(|_| !self.story.has_saved);
                if let Some(code) = unheard {
                    self.story.codes.entry(code).or_default().writes += 1;
                }
            }
            Occurrence::StepEnded => {
                let is_reread = std::mem::take(&mut self.is_rereading);
                self.judge(history, now, is_reread, found);
            }
            Occurrence::Replied { result, .. } => self.story.reply(history, result),
            Occurrence::Emitted(event) => self.story.unsaved.push(event.clone()),
            Occurrence::Saved => {
                self.story.has_saved = true;
                self.story.saved.append(&mut self.story.unsaved);
            }
            Occurrence::Recorded { code, .. } => self.story.record(history, now, *code),
            Occurrence::Commanded { command, lock } => self.story.command(history, now, command, *lock),
            Occurrence::Answered { command_id, answer, .. } => self.story.answer(history, *command_id, answer),
            Occurrence::Noticed { notice, lock, .. } => self.story.notice(&notice.news, *lock),
            Occurrence::Truth { lock, change, cause } => self.story.truth(history, now, *lock, change, *cause),
            Occurrence::Claimed { lock, place, code } => self.story.claimed(*lock, *place, *code),
            _ => {}
        }
    }

    fn settled(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        if std::mem::take(&mut self.is_rereading) {
            self.judge(history, now, true, found);
        }
    }

    fn full(&self, history: &History, now: Timestamp, found: &mut Found) {
        let view = View { history, story: &self.story, now, is_reread: true, logged: &[] };
        for check in &self.checks {
            check.full(&view, found);
        }
    }
}

/// What the tests of the checks' files share.
#[cfg(test)]
pub mod kit {
    use super::checkers;
    use crate::judge::testing::Story;

    /// A story judged by every check of a step.
    pub fn story() -> Story {
        Story::judged_by(checkers())
    }

    /// Asserts that this was broken, and no other of its family.
    #[track_caller]
    pub fn breaks(story: &mut Story, id: &str) {
        let now = story.now();
        story.judge.check_fully(now);
        let broken = story.broken();
        let family: Vec<&str> = broken.iter().map(String::as_str).filter(|one| one[..6] == id[..6]).collect();
        assert_eq!(family, [id], "{:#?}", story.judge.finding());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_check_and_each_check_its_row() {
        let rows: Vec<&str> =
            [problems::ROWS, events::ROWS, backups::ROWS, api::ROWS, linked::ROWS].concat().iter().map(|row| row.id).collect();
        let checks: Vec<&str> = all_checks().iter().map(|check| check.id()).collect();
        assert_eq!(checks, rows);
    }
}
