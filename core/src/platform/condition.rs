//! The conditions of a lock: what its description tells, what refusals tell, and whether the way to it is open.

use alloc::vec::Vec;

use super::Platform;
use super::pace::Urgency;
use super::reading::{Read, ReadKind};
use super::state::{Code, Device, Retry, raise};
use super::step::{At, Who};
use super::vendor::Symptom;
use crate::port::{Answer, DeviceInfo, Op, PathPart, Reason};
use crate::problem::ErrorCode;
use crate::time::{SECOND_MS, Timestamp};
use crate::vendor::{Profile, ReadBack, Vendor};

impl Platform {
    /// Whether the lock can be asked anything at all.
    pub(super) fn is_askable(&self, device: u32) -> bool {
        let device = self.device(device);
        !device.is_removed && !self.is_account_down(device.account)
    }

    /// Whether mutating commands may be sent to the lock (T28, `I-DEV-10`).
    pub(super) fn is_writable(&self, device: u32) -> bool {
        let info = &self.device(device).info;
        let has_way = !self.device(device).has_path_error() && info.has_rights && info.is_paid;
        self.is_askable(device) && (has_way || self.policy.writes_while_path_error())
    }

    /// What any answer may tell about account and path, whatever it answers.
    pub(super) fn take_condition(&mut self, account: u32, device: Option<u32>, sent_at: Timestamp, answer: &Answer) {
        match answer {
            Answer::RateLimited { retry_after_ms } => {
                self.throttle(account, *retry_after_ms, sent_at);
                if let Some(device) = device.filter(|_| self.policy.rate_limit_is_offline()) {
                    self.on_unreachable(device, PathPart::Lock, sent_at);
                }
            }
            Answer::Unauthorized => self.on_unauthorized(account, sent_at),
            Answer::Unreachable(PathPart::Tunnel) => self.raise_account_error(account, ErrorCode::BridgeDisconnected),
            Answer::Unreachable(part) => {
                if let Some(device) = device {
                    self.on_unreachable(device, *part, sent_at);
                }
            }
            Answer::Gone => {
                if let Some(device) = device {
                    self.want_condition(device, self.now);
                }
            }
            Answer::Refused(reason @ (Reason::NoRights | Reason::NotPaid | Reason::NoCredentials | Reason::NoGateway)) => {
                if let Some(device) = device {
                    self.on_device_refusal(device, *reason);
                }
            }
            Answer::Accepted
            | Answer::Done { .. }
            | Answer::Refused(_)
            | Answer::Busy
            | Answer::QueueFull
            | Answer::NotFound
            | Answer::MaybeDuplicate
            | Answer::ServerError { .. }
            | Answer::TimedOut
            | Answer::Entries { .. }
            | Answer::Entry(_)
            | Answer::Slot(_)
            | Answer::Devices { .. }
            | Answer::Device(_)
            | Answer::User { .. }
            | Answer::Assigned { .. }
            | Answer::Site { .. }
            | Answer::Clock { .. }
            | Answer::Registered { .. }
            | Answer::UserLevels(_) => {}
        }
    }

    pub(super) fn on_new_description(&mut self, device: u32, info: DeviceInfo) {
        let before = self.device(device).info.clone();
        let is_other_memory = before.lengths != info.lengths;
        let is_other_demand = is_other_memory || before.constraints != info.constraints || before.positions != info.positions;
        self.device_mut(device).info = info;
        if is_other_memory {
            self.want_listing(device, self.now);
        }
        if is_other_demand || before.keypad != self.device(device).info.keypad {
            let state = self.device_mut(device);
            state.capacity_met = None;
            state.first_missing_slot = None;
            state.has_one_length = false;
            self.unblock(device);
        }
        self.reconsider_refusal(device);
        self.refresh_conditions(device);
        self.stir(device);
    }

    /// Asks for the description of one device, at once or later.
    pub(super) fn want_condition(&mut self, device: u32, at: Timestamp) {
        let memory = &mut self.caches[device as usize];
        memory.condition_at = Some(memory.condition_at.map_or(at, |wanted| wanted.min(at)));
        self.again_device(device);
    }

    /// Reads the description of a device when it is wanted.
    pub(super) fn tend_condition(&mut self, device: u32) {
        let memory = &self.caches[device as usize];
        let is_wanted = memory.condition_at.is_some_and(|at| at <= self.now) && memory.condition_read.is_none();
        if !is_wanted || !self.is_askable(device) {
            return;
        }
        let account = self.device(device).account;
        if !self.may_call(account, Urgency::Condition, Who::device(device)) {
            return;
        }
        let epoch = self.device(device).epoch();
        let command = self.send_read(account, Some(device), None, Op::GetDevice);
        self.reads.insert(command, Read { sent_at: self.now, kind: ReadKind::Device { device, epoch } });
        let memory = &mut self.caches[device as usize];
        memory.condition_read = Some(command);
        memory.condition_at = memory.condition_again_at.take();
    }

    /// A description read for one device alone.
    pub(super) fn on_device(&mut self, device: u32, read: &Read, answer: &Answer) {
        let account = self.device(device).account;
        self.caches[device as usize].condition_read = None;
        if let Answer::Device(info) = answer {
            self.meet(account, info);
            self.reconsider_refusal(device);
            self.reconsider_lengths(device, read.sent_at);
            self.caches[device as usize].condition_failures = 0;
            if self.profile(device).read_back == ReadBack::None {
                self.on_contact(device, read.sent_at);
                if self.device(device).unreachable.is_some() {
                    // A command was turned away since this was asked, and nothing else will ever tell that the lock is back.
                    self.want_condition(device, self.now);
                }
            }
        } else if *answer == Answer::Gone {
            self.on_gone(device);
        } else {
            self.take_condition(account, Some(device), read.sent_at, answer);
            let again_at = self.probe_at(read.sent_at, self.caches[device as usize].condition_failures);
            let memory = &mut self.caches[device as usize];
            memory.condition_at = Some(again_at);
            memory.condition_failures = memory.condition_failures.saturating_add(1);
        }
        self.again_device(device);
    }

    /// `P-12`: the vendor has no such device or no such incarnation; the list of the account tells which.
    fn on_gone(&mut self, device: u32) {
        self.on_device_removed(device);
        let account = self.device(device).account;
        self.want_devices(account);
    }

    pub(super) fn on_unreachable(&mut self, device: u32, part: PathPart, sent_at: Timestamp) {
        let now = self.now;
        let memory = &mut self.caches[device as usize];
        if memory.contact_at.is_some_and(|contact_at| sent_at < contact_at) {
            return;
        }
        memory.unreachable_at = now;
        if self.device(device).unreachable != Some(part) {
            self.device_mut(device).unreachable = Some(part);
            self.refresh_conditions(device);
            self.want_condition(device, now);
        }
    }

    fn on_device_refusal(&mut self, device: u32, reason: Reason) {
        if self.device(device).refusal != Some(reason) {
            self.device_mut(device).refusal = Some(reason);
            self.refresh_conditions(device);
        }
        let wait = match reason {
            Reason::NoRights | Reason::NotPaid => self.profile(device).read_lag_ms + SECOND_MS,
            // No description tells of these: the next attempt will.
            _ => self.config.policy.retry_cap_ms,
        };
        self.want_condition(device, self.now + wait);
    }

    /// A description read after a refusal shows nothing wrong: the refusal's cause is gone, as far as anybody can tell.
    fn reconsider_refusal(&mut self, device: u32) {
        let state = self.device(device);
        if state.refusal.is_some() && state.info.has_rights && state.info.is_paid {
            self.device_mut(device).refusal = None;
            self.refresh_conditions(device);
        }
    }

    /// The lock itself answered something that was sent at `sent_at`.
    pub(super) fn on_contact(&mut self, device: u32, sent_at: Timestamp) {
        let memory = &mut self.caches[device as usize];
        memory.contact_at = Some(memory.contact_at.map_or(sent_at, |at| at.max(sent_at)));
        let is_newer = sent_at >= memory.unreachable_at;
        if is_newer && self.device(device).unreachable.is_some() {
            self.device_mut(device).unreachable = None;
            self.refresh_conditions(device);
            if self.device(device).has_path_error() {
                // The lock answers, and the vendor's description calls it unreachable: that must be old.
                self.want_condition(device, self.now);
            }
        }
    }

    /// Brings the device's errors in line with what is known of it, and acts when the way to it is free again.
    pub(super) fn refresh_conditions(&mut self, device: u32) {
        let now = self.now;
        let wanted = self.wanted_errors(device);
        let info = &self.device(device).info;
        if info.online == Some(false) || info.hub.is_some_and(|hub| !hub.up) {
            self.caches[device as usize].was_told_down = true;
        }
        let is_same = {
            let errors = &self.device(device).errors;
            errors.len() == wanted.len() && errors.iter().all(|entry| wanted.contains(&entry.error_code))
        };
        if is_same {
            return;
        }
        let was_blocked = self.device(device).has_path_error();
        let had_lock = !self.has_lost_lock(device);
        let is_known_cause = self.is_outage_known(device);
        let state = self.device_mut(device);
        state.errors.retain(|entry| wanted.contains(&entry.error_code));
        for code in wanted {
            raise(&mut state.errors, code, now);
        }
        let is_blocked = self.device(device).has_path_error();
        if had_lock && self.has_lost_lock(device) {
            self.show_drop(device);
        }
        if self.is_bridge_missed(device) {
            self.stir(device);
        }
        if was_blocked && !is_blocked && !self.device(device).is_removed {
            self.on_path_back(device, is_known_cause);
        }
    }

    /// Whether the lock itself is out of reach, and not what lies before it.
    fn has_lost_lock(&self, device: u32) -> bool {
        let is_lock = |error: ErrorCode| matches!(error, ErrorCode::DeviceOffline | ErrorCode::DeviceDisconnected);
        self.device(device).errors.iter().any(|entry| is_lock(entry.error_code))
    }

    /// The lock dropped off: what was under way to it then has that for a problem.
    fn show_drop(&mut self, device: u32) {
        let is_under_way = |code: &&Code| code.write.as_ref().is_some_and(|write| write.closed.is_none());
        let numbers: Vec<u64> = self.device(device).live().filter(is_under_way).map(|code| code.n).collect();
        for n in numbers {
            self.show(At { device, n }, Symptom::DroppedOff);
        }
    }

    /// Whether more than a single refused command told of the outage that the device's errors stand for.
    fn is_outage_known(&self, device: u32) -> bool {
        let lock_errors = [ErrorCode::DeviceOffline, ErrorCode::DeviceDisconnected, ErrorCode::HubDisconnected];
        let is_plain = self.device(device).errors.iter().all(|entry| lock_errors.contains(&entry.error_code));
        let memory = &self.caches[device as usize];
        !is_plain || memory.was_told_down || memory.list_failures > 0
    }

    /// The path is back: a reason to look at once (`R-04`), and a definite change of cause (`R-03`), unless one command alone was turned away.
    fn on_path_back(&mut self, device: u32, is_known_cause: bool) {
        let memory = &mut self.caches[device as usize];
        memory.list_failures = 0;
        memory.list_not_before = self.now;
        memory.was_told_down = false;
        self.want_listing(device, self.now);
        self.want_clock(device);
        if is_known_cause {
            self.forget_failures(device);
        }
        self.stir(device);
    }

    /// A definite change of cause for all codes of the device: the next attempts come at once.
    pub(super) fn forget_failures(&mut self, device: u32) {
        let numbers: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            let code = self.code(at);
            if code.retry != Retry::default() && !code.is_in_fight {
                self.code_mut(at).retry = Retry::default();
            }
            let passing = &mut self.code_quiet(at).passing;
            passing.verify_at = passing.verify_at.map(|_| Timestamp::MIN);
            self.again(at);
        }
        self.resume_reads(device);
    }

    /// Reads answer again: those that failed are made now, and not when their pause ends.
    pub(super) fn resume_reads(&mut self, device: u32) {
        let failed = self.device(device).codes.iter().filter(|code| code.passing.read_failures > 0);
        let numbers: Vec<u64> = failed.map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            let passing = &mut self.code_quiet(at).passing;
            (passing.read_failures, passing.read_not_before) = (0, None);
            self.again(at);
        }
    }

    fn wanted_errors(&self, device: u32) -> Vec<ErrorCode> {
        let state = self.device(device);
        let mut wanted = Vec::new();
        if state.is_removed {
            wanted.push(ErrorCode::DeviceRemoved);
        } else {
            self.push_path_errors(device, &mut wanted);
        }
        if state.is_pool_active && !state.is_backup_available {
            wanted.push(ErrorCode::EmptyBackupAccessCodePool);
        }
        wanted.dedup();
        wanted
    }

    /// The errors under which attempts pause; one unreachable lock has one name, by the profile (`R-52`).
    fn push_path_errors(&self, device: u32, wanted: &mut Vec<ErrorCode>) {
        let (state, profile) = (self.device(device), self.profile(device));
        let is_august = profile.vendor.is_in_august_cloud();
        let is_unpaired = is_hub_missing(profile, state) && profile.vendor == Vendor::Ttlock;
        let lock_error = if profile.unreachable_is_offline { ErrorCode::DeviceOffline } else { ErrorCode::DeviceDisconnected };
        let is_hub_missing = is_hub_missing(profile, state);
        let is_hub_down = state.info.hub.is_some_and(|hub| !hub.up);
        let is_hub_unreachable = matches!(state.unreachable, Some(PathPart::Hub | PathPart::Bridge | PathPart::Gateway));
        if is_hub_missing && is_august {
            wanted.push(ErrorCode::AugustLockMissingBridge);
        } else if is_unpaired {
            wanted.push(ErrorCode::TtlockLockNotPairedToGateway);
        } else if is_hub_missing || is_hub_down || is_hub_unreachable {
            wanted.push(ErrorCode::HubDisconnected);
        } else if state.info.online == Some(false) || state.unreachable == Some(PathPart::Lock) {
            wanted.push(lock_error);
        }
        if is_august && (!state.info.has_rights || state.refusal == Some(Reason::NoRights)) {
            wanted.push(ErrorCode::AugustLockNotAuthorized);
        }
        if !state.info.is_paid || state.refusal == Some(Reason::NotPaid) {
            wanted.push(ErrorCode::SubscriptionRequired);
        }
        if state.refusal == Some(Reason::NoCredentials) {
            wanted.push(ErrorCode::MissingDeviceCredentials);
        }
    }
}

/// Whether the lock's own bridge or gateway is not merely down, but gone.
fn is_hub_missing(profile: &Profile, state: &Device) -> bool {
    matches!(profile.hub, Some(PathPart::Bridge | PathPart::Gateway)) && state.info.hub.is_none()
}

/// The earlier of two instants, where there are any.
pub(super) fn earliest(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}
