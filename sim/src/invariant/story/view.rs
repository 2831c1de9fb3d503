//! What a check may look at: the step that just ended, and what was read after a restart.

use keyway_core::access_code::{DeviceRecord, Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::pin::Pin;
use keyway_core::problem::ErrorCode;
use keyway_core::request::{Refusal, Response};
use keyway_core::time::Timestamp;

use super::{LockSeen, Logged, Story};
use crate::history::{Call, CodeIx, History, Input, LockState, Stored};
use crate::invariant::Found;
use crate::invariant::events::counts::alters;
use crate::occurrence::{Lock, Origin};

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
    alters(before, after)
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
