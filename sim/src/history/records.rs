//! What the records show: those of codes and those of devices, with what they were before the present step.

use keyway_core::access_code::{DeviceRecord, Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CodeId, DeviceId};
use keyway_core::problem::{ErrorCode, ErrorEntry};
use keyway_core::time::Timestamp;

use super::{Code, CodeIx, History, transition};
use crate::occurrence::Lock;

impl History {
    /// What the record was before the present step; the same as now if it did not change in it.
    #[must_use]
    pub fn previous(&self, code: CodeIx) -> Option<&Record> {
        let code = self.code(code);
        if code.is_changed { code.before.as_deref() } else { code.record.as_deref() }
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

    /// Whether the device or its account carries one of these errors.
    #[must_use]
    pub fn device_shows(device: Option<&DeviceRecord>, of: impl Fn(ErrorCode) -> bool) -> bool {
        let has = |errors: &[ErrorEntry]| errors.iter().any(|error| of(error.error_code));
        device.is_some_and(|device| has(&device.errors) || has(&device.account_errors))
    }

    /// A new step begins: what records and devices are now is what they were before it.
    pub(super) fn forget_before(&mut self) {
        for code in self.changed_codes.drain(..) {
            self.codes[code.0 as usize].is_changed = false;
        }
        for lock in self.changed_devices.drain(..) {
            self.locks[lock.0 as usize].is_device_changed = false;
        }
    }

    pub(super) fn record(&mut self, now: Timestamp, id: CodeId, after: Option<Box<Record>>) {
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
                code.was_confirmed = true;
                // Whatever failed before, it works now, though no answer said so.
                (code.work.failing_since, code.work.tries) = (None, 0);
            }
            if is_transition {
                code.last_transition = transition(from, to);
            }
        }
        // A PIN that was only declared never lay in the lock, unless the vendor chose it; one of before a conversion was nobody's (P-09).
        let was_in_lock = |record: &Record| is_chosen || record.status == Status::Set || record.is_scheduled_on_device;
        let is_held = |record: &&Record| record.is_managed && was_in_lock(record);
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

    pub(super) fn record_device(&mut self, now: Timestamp, device: DeviceId, after: Option<Box<DeviceRecord>>) {
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

    pub(super) fn intern(&mut self, id: CodeId) -> CodeIx {
        let next = CodeIx(self.codes.len() as u32);
        let ix = *self.code_index.entry(id).or_insert(next);
        if ix == next {
            self.codes.push(Code::new(id));
        }
        ix
    }

    /// A code is on this lock.
    pub(super) fn adopt(&mut self, ix: CodeIx, lock: Lock) {
        self.codes[ix.0 as usize].lock = Some(lock);
        let codes = &mut self.locks[lock.0 as usize].codes;
        if !codes.contains(&ix) {
            codes.push(ix);
        }
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
