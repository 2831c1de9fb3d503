//! The life of a managed code by the clock and by what its lock comes to: due times, episodes, deadlines, and the transitions with their
//! events (lifecycle 4).

use alloc::vec::Vec;

use super::Platform;
use super::condition::earliest;
use super::state::{Code, Episode, Goal, Retry, Told};
use super::step::At;
use super::vendor::{Symptom, symptom_problems};
use crate::access_code::Status;
use crate::config::ExpiredRecordPolicy;
use crate::event::EventType;
use crate::problem::{ErrorCode, WarningCode};
use crate::time::Timestamp;

impl Platform {
    /// Brings one code to where it belongs now: first what the clock says, then what is to be sent or read for it.
    pub(super) fn pursue(&mut self, at: At) {
        let Some(code) = self.find(at) else { return };
        if code.offline.is_some() {
            return self.pursue_offline(at);
        }
        if code.record.is_managed && !code.is_gone {
            self.turn(at);
        } else if self.conversion_deadline(code).is_some_and(|deadline| deadline <= self.now) {
            self.fail_conversion(at);
        }
        let work_at = self.work(at);
        let turn_at = self.next_turn(at);
        let now = self.now;
        let Some(code) = self.find(at) else { return };
        let read_at = code.passing.read_not_before.filter(|read_at| *read_at > now);
        let wake = earliest(earliest(work_at, turn_at), read_at).map(|wake| wake.max(now));
        self.wake_code(at, wake);
    }

    /// When the code is to be in the lock (lifecycle 4.1).
    pub(super) fn due_at(&self, code: &Code) -> Timestamp {
        let lead = self.policy.programming_lead_ms(code.is_native, &self.config.policy);
        code.record.starts_at.map_or(code.record.created_at, |starts_at| code.record.created_at.max(starts_at - lead))
    }

    pub(super) fn is_due(&self, code: &Code, now: Timestamp) -> bool {
        code.goal == Goal::Hold && now >= self.due_at(code)
    }

    /// The clock's part: end, due time, start, and the timers of the episode.
    fn turn(&mut self, at: At) {
        let now = self.now;
        self.turn_at_end(at);
        // While nothing can be told of the lock, the timers of the episode rest (EO-17, R-21).
        if self.code(at).is_gone || self.code(at).record.status == Status::Unknown {
            return;
        }
        self.turn_when_due(at);
        self.mind_keypad(at);
        self.mind_bridge(at);
        let code = self.code(at);
        match (code.record.status, code.episode) {
            // What an answer of this very instant has confirmed is late no more (EO-18).
            (Status::Setting | Status::Unset, Some(episode)) if code.goal == Goal::Hold && !self.is_sure(code) => {
                self.turn_set_timers(at, episode, now);
            }
            (Status::Removing, Some(episode)) => self.turn_remove_timers(at, episode, now),
            (Status::Setting | Status::Unset | Status::Set | Status::Removing | Status::Unknown, _) => {}
        }
    }

    /// T14, T16, T38, T41: the end of the window. What becomes of the record then is configured (`R-15`, `R-61`).
    fn turn_at_end(&mut self, at: At) {
        let now = self.now;
        let code = self.code(at);
        if !code.is_expired(now) || code.goal == Goal::End {
            return;
        }
        let goal = match self.config.expired_record_policy {
            ExpiredRecordPolicy::Delete => Goal::End,
            ExpiredRecordPolicy::RetainUnset => Goal::Rest,
        };
        if code.goal == goal {
            return;
        }
        if code.record.status == Status::Removing {
            self.code_mut(at).goal = goal;
        } else {
            self.begin_removal(at, goal);
        }
    }

    /// T02, T03, T05, T06, `R-53`. What the lock will start by itself is not shown as `setting` before that (`R-14`).
    fn turn_when_due(&mut self, at: At) {
        let now = self.now;
        let code = self.code(at);
        if code.record.status != Status::Unset || code.is_expired(now) || !self.is_due(code, now) {
            return;
        }
        if !self.is_askable(at.device) {
            let code = self.code_mut(at);
            code.before_outage = Some(Status::Unset);
            code.record.status = Status::Unknown;
            return;
        }
        let is_confirmed = self.is_confirmed(code);
        if !is_confirmed && code.episode.is_none() {
            let since = self.due_at(code);
            self.code_mut(at).episode = Some(Episode::begin(since));
        }
        if self.code(at).is_before_native_start(now) {
            return;
        }
        let has_started = self.code(at).record.starts_at.is_none_or(|starts_at| starts_at <= now);
        if is_confirmed && has_started {
            self.confirm(at);
        } else {
            self.code_mut(at).record.status = Status::Setting;
        }
    }

    /// Whether the last confirmed knowledge is that the lock holds what is wanted.
    pub(super) fn is_confirmed(&self, code: &Code) -> bool {
        code.held.as_ref().is_some_and(|held| {
            let is_untouched = code.write.as_ref().is_none_or(|write| write.op.is_erasing() && write.place() != Some(held.place));
            is_untouched && self.fits(code, held)
        })
    }

    /// Whether nothing but the word for it is lacking: a look that was wanted since may yet tell otherwise.
    fn is_sure(&self, code: &Code) -> bool {
        self.is_confirmed(code) && code.passing.verify_at.is_none()
    }

    /// `R-64` b: a missing keypad shows on every due code, and does not end `set`.
    fn mind_keypad(&mut self, at: At) {
        let device = self.device(at.device);
        let (has_keypad, is_august) = (device.info.keypad, self.profile(at.device).vendor.is_in_august_cloud());
        let code = self.code(at);
        let is_shown = code.has_error(ErrorCode::AugustLockMissingKeypad);
        let is_missed = is_august && !has_keypad && self.is_due(code, self.now) && code.record.status != Status::Removing;
        let now = self.now;
        if is_missed && !is_shown {
            self.code_mut(at).raise_error(ErrorCode::AugustLockMissingKeypad, now);
        } else if is_shown && !is_missed {
            self.code_mut(at).clear_error(ErrorCode::AugustLockMissingKeypad);
        }
    }

    /// What waits for a bridge that is down says so, where the vendor has a name for it.
    fn mind_bridge(&mut self, at: At) {
        if self.is_bridge_missed(at.device) && !self.is_confirmed(self.code(at)) {
            self.show(at, Symptom::BridgeDown);
        }
    }

    /// Whether the lock is out of reach by its bridge, and the vendor has a name for that.
    pub(super) fn is_bridge_missed(&self, device: u32) -> bool {
        let is_down = self.device(device).errors.iter().any(|entry| entry.error_code == ErrorCode::HubDisconnected);
        is_down && symptom_problems(self.profile(device).vendor, Symptom::BridgeDown).is_some()
    }

    /// T09, T10 (`R-01`).
    pub(super) fn turn_set_timers(&mut self, at: At, episode: Episode, now: Timestamp) {
        let constants = &self.config.policy;
        let (delay_ms, fail_ms) = (constants.delay_set_after_ms, constants.fail_set_after_ms);
        if !episode.is_delayed && !episode.is_failed && now >= episode.since + delay_ms {
            let code = self.code_mut(at);
            code.episode = Some(Episode { is_delayed: true, ..episode });
            code.raise_warning(WarningCode::DelayInSettingOnDevice, now);
            self.emit(at, EventType::DelayInSettingOnDevice);
        }
        if now >= episode.since + fail_ms {
            self.fail_to_set(at);
        }
    }

    /// T10: by the timer, or at once after a permanent refusal.
    pub(super) fn fail_to_set(&mut self, at: At) {
        let (now, escalates) = (self.now, self.policy.warning_becomes_error_at_failure());
        let code = self.code(at);
        let since = self.due_at(code);
        let episode = code.episode.unwrap_or_else(|| Episode::begin(since));
        if episode.is_failed || code.goal != Goal::Hold || code.record.status == Status::Unknown {
            return;
        }
        let code = self.code_mut(at);
        code.episode = Some(Episode { is_failed: true, ..episode });
        code.clear_warning(WarningCode::DelayInSettingOnDevice);
        code.raise_error(ErrorCode::FailedToSetOnDevice, now);
        if escalates {
            escalate(code, now);
        }
        self.emit(at, EventType::FailedToSetOnDevice);
    }

    /// T18, T19 (`R-02`).
    fn turn_remove_timers(&mut self, at: At, episode: Episode, now: Timestamp) {
        let constants = &self.config.policy;
        let (delay_ms, fail_ms) = (constants.delay_remove_after_ms, constants.fail_remove_after_ms);
        if !episode.is_delayed && !episode.is_failed && now >= episode.since + delay_ms {
            let code = self.code_mut(at);
            code.episode = Some(Episode { is_delayed: true, ..episode });
            code.raise_warning(WarningCode::DelayInRemovingFromDevice, now);
            self.emit(at, EventType::DelayInRemovingFromDevice);
        }
        if !episode.is_failed && now >= episode.since + fail_ms {
            let code = self.code_mut(at);
            code.episode = Some(Episode { is_delayed: true, is_failed: true, ..episode });
            code.clear_warning(WarningCode::DelayInRemovingFromDevice);
            code.raise_error(ErrorCode::FailedToRemoveFromDevice, now);
            escalate(code, now);
            self.emit(at, EventType::FailedToRemoveFromDevice);
        }
    }

    /// The next instant at which the clock changes anything for the code.
    fn next_turn(&self, at: At) -> Option<Timestamp> {
        let code = self.find(at)?;
        if code.is_gone {
            return None;
        }
        if !code.record.is_managed {
            return self.conversion_deadline(code);
        }
        let now = self.now;
        let ends_at = code.record.ends_at.filter(|ends_at| *ends_at > now && code.goal != Goal::End);
        if code.record.status == Status::Unknown {
            let due_at = Some(self.due_at(code)).filter(|due_at| *due_at > now);
            return earliest(ends_at, due_at);
        }
        let start = code.record.starts_at.filter(|_| code.is_native);
        let timer = self.next_timer(code);
        [ends_at, start, Some(self.due_at(code)), timer].into_iter().flatten().filter(|instant| *instant > now).min()
    }

    /// The next timer of the code's episode.
    pub(super) fn next_timer(&self, code: &Code) -> Option<Timestamp> {
        let constants = &self.config.policy;
        let (delay_ms, fail_ms) = match code.record.status {
            Status::Removing => (constants.delay_remove_after_ms, constants.fail_remove_after_ms),
            Status::Setting | Status::Set | Status::Unset | Status::Unknown => (constants.delay_set_after_ms, constants.fail_set_after_ms),
        };
        code.episode.filter(|episode| !episode.is_failed).map(|episode| {
            let delayed_at = episode.since + delay_ms;
            if episode.is_delayed || delayed_at <= self.now { episode.since + fail_ms } else { delayed_at }
        })
    }

    /// T04, T05, T07: the lock holds what is wanted.
    pub(super) fn confirm(&mut self, at: At) {
        let now = self.now;
        let keeps_delay = !self.policy.clears_delay_warning_on_confirm();
        let is_early = self.code(at).is_before_native_start(now);
        let code = self.code_mut(at);
        code.clear_set_problems(keeps_delay);
        code.clear_error(ErrorCode::CodeModifiedExternalToSeam);
        if code.is_across_change {
            code.raise_warning(WarningCode::CodeModifiedExternalToSeam, now);
        } else {
            code.clear_warning(WarningCode::CodeModifiedExternalToSeam);
        }
        code.retry = Retry::default();
        code.block = None;
        code.episode = None;
        code.has_trace = true;
        code.record.is_scheduled_on_device = code.is_native && code.record.ends_at.is_some();
        if is_early {
            if !core::mem::replace(&mut code.told.scheduled, true) {
                self.emit(at, EventType::ScheduledOnDevice);
            }
        } else {
            code.record.status = Status::Set;
            if !core::mem::replace(&mut code.told.set, true) {
                self.emit(at, EventType::SetOnDevice);
            }
        }
        if self.code(at).record.is_backup {
            self.refresh_pool(at.device);
        }
    }

    /// What was stored does not serve any more: another set episode begins now.
    pub(super) fn restart_setting(&mut self, at: At) {
        let now = self.now;
        let code = self.code_mut(at);
        code.told = Told::default();
        code.record.is_scheduled_on_device = false;
        code.moved_window = None;
        code.block = None;
        if !code.is_in_fight {
            code.retry = Retry::default();
        }
        code.episode = Some(Episode::begin(now));
        code.record.status = if code.is_before_native_start(now) { Status::Unset } else { Status::Setting };
    }

    /// T12, T14, T15, T16, T36, T38: the code is to leave the lock; then the record rests or ends.
    pub(super) fn begin_removal(&mut self, at: At, goal: Goal) {
        let now = self.now;
        let is_removed = self.device(at.device).is_removed;
        let is_lost = self.is_account_down(self.device(at.device).account);
        let code = self.code_mut(at);
        // To end what is being erased already changes nothing of how that goes on.
        let is_going = matches!(code.goal, Goal::Rest | Goal::End);
        code.goal = goal;
        if is_removed && goal == Goal::End {
            // the lock is out of reach for good; what it holds is a residual.
            self.end_record(at, false);
            return;
        }
        code.clear_set_problems(false);
        code.clear_error(ErrorCode::AugustLockMissingKeypad);
        code.block = None;
        if !is_going {
            code.retry = Retry::default();
        }
        code.record.is_scheduled_on_device = false;
        if code.record.status == Status::Unknown && code.before_outage != Some(Status::Removing) {
            code.episode = None;
        }
        // Nobody can tell now what became of an entry that was there; a record that stays is `unknown` until the lock is read.
        let is_unread = code.record.status == Status::Unknown && (code.has_trace || goal != Goal::End);
        if !code.may_be_on_lock() && !is_unread {
            self.finish_removal(at);
        } else if code.record.status != Status::Unknown {
            code.episode = Some(Episode::begin(now));
            // Nobody can tell what becomes of it while the account is lost (T21).
            code.before_outage = is_lost.then_some(Status::Removing);
            code.record.status = if is_lost { Status::Unknown } else { Status::Removing };
        }
        self.refresh_pool(at.device);
        self.again(at);
    }

    /// T16, T17, and the second half of T12 and T36: nothing of the code is on the lock.
    pub(super) fn finish_removal(&mut self, at: At) {
        let now = self.now;
        let code = self.code_mut(at);
        code.episode = None;
        code.retry = Retry::default();
        code.clear_removal_problems();
        let had_trace = core::mem::take(&mut code.has_trace);
        match code.goal {
            Goal::End => self.end_record(at, had_trace),
            Goal::Rest | Goal::Hold | Goal::Yield => {
                code.told = Told::default();
                code.before_outage = None;
                code.record.status = Status::Unset;
                if code.is_expired(now) {
                    code.clear_error(ErrorCode::CodeModifiedExternalToSeam);
                    code.clear_warning(WarningCode::CodeModifiedExternalToSeam);
                } else {
                    code.goal = Goal::Hold;
                    // The new window's set episode begins now, however long ago its lead began (T12, T36).
                    let is_due = self.is_due(self.code(at), now);
                    self.code_mut(at).episode = is_due.then(|| Episode::begin(now));
                }
                if had_trace {
                    self.emit(at, EventType::RemovedFromDevice);
                }
                self.again(at);
            }
        }
    }

    /// The record ends; a tombstone stays (`F-06`).
    pub(super) fn end_record(&mut self, at: At, was_removed: bool) {
        let first_removed = self.policy.emits_removed_before_deleted();
        if was_removed && first_removed {
            self.emit(at, EventType::RemovedFromDevice);
        }
        self.emit(at, EventType::Deleted);
        if was_removed && !first_removed {
            self.emit(at, EventType::RemovedFromDevice);
        }
        let remembers = self.policy.retains_tombstone_until_absent();
        let code = self.code_mut(at);
        code.is_gone = true;
        code.goal = Goal::End;
        code.episode = None;
        code.before_outage = None;
        if !remembers {
            code.past.clear();
        }
        let id = code.record.access_code_id;
        self.index.remove(&id);
        self.refresh_pool(at.device);
        self.stir(at.device);
    }

    /// Forgets the oldest tombstones beyond what a lock may plausibly bring back.
    pub(super) fn prune(&mut self, device: u32) {
        const KEPT: usize = 64;
        let is_spent = |code: &Code| {
            code.is_gone
                && !code.may_be_on_lock()
                && code.user.is_none()
                && code.write.is_none()
                && code.unanswered.is_none()
                && code.passing.read.is_none()
        };
        let codes = &self.device(device).codes;
        let spent = codes.iter().filter(|code| is_spent(code)).count();
        if spent <= 2 * KEPT {
            return;
        }
        let victims: Vec<u64> = codes.iter().filter(|code| is_spent(code)).take(spent - KEPT).map(|code| code.n).collect();
        for n in &victims {
            self.wake_code(At { device, n: *n }, None);
        }
        let codes = &mut self.state.devices[device as usize].codes;
        codes.retain(|code| victims.binary_search(&code.n).is_err());
    }
}

/// `R-11`: what was a warning becomes the error of the same name.
fn escalate(code: &mut Code, now: Timestamp) {
    let pairs = [
        (WarningCode::SmartthingsFailedToSetAccessCode, ErrorCode::SmartthingsFailedToSetAccessCode),
        (WarningCode::AugustDeviceProgrammingDelay, ErrorCode::AugustDeviceProgrammingDelay),
        (WarningCode::AugustLockTemporarilyOffline, ErrorCode::AugustLockTemporarilyOffline),
        (WarningCode::KwiksetUnableToConfirmCode, ErrorCode::KwiksetUnableToConfirmCode),
    ];
    for (warning, error) in pairs {
        if code.record.warnings.iter().any(|entry| entry.warning_code == warning) {
            code.clear_warning(warning);
            code.raise_error(error, now);
        }
    }
}
