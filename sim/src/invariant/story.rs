//! What checkers of records and events compare a step with: the log, the life of each code in it, and what bears on it.
//!
//! Crashes are dealt with here. Events enter the log with the save that contains them; those that a crash overtook
//! never happened. What is read after a restart is judged once, marked [`View::is_reread`]: a state to look at, and no
//! transition.

use std::collections::BTreeMap;

use keyway_core::access_code::{DeviceRecord, Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CodeId, CommandId, DeviceId};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, AnswerClass, Command, News, Op, Place, Reason};
use keyway_core::problem::ErrorCode;
use keyway_core::request::{Refusal, Request, Response};
use keyway_core::time::Timestamp;

use super::life::{Circumstances, Life, OutOfOrder};
use super::{Found, Interests, Invariant};
use crate::history::{Call, CodeIx, History, Input, LockState};
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
        self.live_codes().filter(move |(_, record)| record.device_id == device)
    }

    /// The records that differ.
    pub fn changes(&self) -> impl Iterator<Item = CodeChange<'a>> + 'a {
        let history = self.history;
        let changed = history.changed_codes().iter();
        let changes = changed.map(|code| CodeChange {
            code: *code,
            before: history.previous(*code),
            after: history.code(*code).record.as_deref(),
        });
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

    /// The PINs of the entries of this code that lie in locks.
    pub fn pins_in_memory(&self, code: CodeId) -> impl Iterator<Item = Pin> + 'a {
        let entries = self.history.locks().flat_map(|(_, lock)| lock.memory.values());
        entries.filter(move |stored| stored.entry.origin == Origin::Code(code)).map(|stored| stored.entry.pin)
    }

    /// Whether the controller was told a cause for which setting the code fails at once: a permanent refusal (`R-20`, `R-54`), or the
    /// escalation of `R-11`.
    #[must_use]
    pub fn was_refused(&self, code: CodeId) -> bool {
        let record = self.live(code);
        let by_record = record.is_some_and(|record| shows_refusal(record) || is_escalated(self.now, record));
        let lock = record.and_then(|record| self.history.find_lock(record.device_id));
        by_record || self.story.code(code).is_some_and(|seen| seen.was_refused) || lock.is_some_and(|lock| self.story.lock(lock).is_some_and(LockSeen::refuses))
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

    /// Whether others changed its entry after the last write for it was sent.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        self.foreign.iter().any(|at| self.last_write.is_none_or(|write| *at >= write))
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

