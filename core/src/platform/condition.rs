//! The conditions of accounts, hubs and locks: what the vendor's lists tell, what refusals tell, and what follows for the codes.

use alloc::vec::Vec;
use core::fmt::Write as _;

use super::Platform;
use super::pace::{Pace, Urgency};
use super::reading::{Memory, Read, ReadKind};
use super::state::{Device, raise};
use super::step::{At, Who};
use crate::access_code::Status;
use crate::event::EventType;
use crate::id::{Epoch, VendorDevice};
use crate::port::{Answer, DeviceInfo, News, Notice, Op, PathPart, Reason};
use crate::problem::ErrorCode;
use crate::time::{SECOND_MS, Timestamp};
use crate::vendor::{ReadBack, Vendor};

/// The periodic look at one account. Free to lose.
#[derive(Debug)]
pub(super) struct Watch {
    /// The list of devices is wanted from this instant on.
    pub list_at: Timestamp,
    listing: Option<DeviceListing>,
    failures: u32,
    /// Begin of the latest list that was answered.
    works_since: Timestamp,
    /// A notice told that the login was withdrawn.
    was_told_revoked: bool,
}

#[derive(Debug)]
struct DeviceListing {
    started_at: Timestamp,
    items: Vec<DeviceInfo>,
}

impl Watch {
    pub fn new(now: Timestamp) -> Self {
        Self { list_at: now, listing: None, failures: 0, works_since: Timestamp::MIN, was_told_revoked: false }
    }
}

impl Platform {
    pub(super) fn is_account_down(&self, account: u32) -> bool {
        !self.state.accounts[account as usize].errors.is_empty()
    }

    /// Whether the lock can be asked anything at all.
    pub(super) fn is_askable(&self, device: u32) -> bool {
        let device = self.device(device);
        !device.is_removed && !self.is_account_down(device.account)
    }

    /// Whether mutating commands may be sent to the lock (`I-DEV-10`).
    pub(super) fn is_writable(&self, device: u32) -> bool {
        let info = &self.device(device).info;
        let has_way = !self.device(device).has_path_error() && info.has_rights && info.is_paid;
        self.is_askable(device) && (has_way || self.policy.writes_while_path_error())
    }

    /// Lists the devices of an account when it is time to.
    pub(super) fn tend_account(&mut self, account: u32) {
        let watch = &self.watches[account as usize];
        if watch.listing.is_none() && watch.list_at <= self.now && self.may_call(account, Urgency::Account, Who::Account(account)) {
            self.watches[account as usize].listing = Some(DeviceListing { started_at: self.now, items: Vec::new() });
            self.ask_for_devices(account, 0);
        }
        self.schedule_account(account);
    }

    /// Wakes an account for its list of devices or for its queue of calls.
    pub(super) fn schedule_account(&mut self, account: u32) {
        let watch = &self.watches[account as usize];
        let list_at = if watch.listing.is_none() && watch.list_at > self.now { Some(watch.list_at) } else { None };
        let queue_at = self.queue_ready_at(account);
        self.wake_account(account, earliest(list_at, queue_at));
    }

    fn ask_for_devices(&mut self, account: u32, page: u32) {
        let command = self.send_read(account, None, None, Op::ListDevices { page });
        self.reads.insert(command, Read { sent_at: self.now, kind: ReadKind::Devices { account } });
    }

    pub(super) fn on_devices(&mut self, account: u32, read: &Read, answer: Answer) {
        let Some(listing) = &mut self.watches[account as usize].listing else { return };
        let Answer::Devices { items, next_page } = answer else {
            self.watches[account as usize].listing = None;
            self.on_account_failure(account, read, &answer);
            return;
        };
        listing.items.extend(items.iter().cloned());
        if let Some(page) = next_page.filter(|_| listing.items.len() < 1_000_000) {
            self.ask_for_devices(account, page);
            return;
        }
        let listing = self.watches[account as usize].listing.take().expect("looked at above");
        let (period, now) = (self.config.policy.sync_period_ms, self.now);
        let watch = &mut self.watches[account as usize];
        watch.list_at = watch.list_at.max(now + period);
        watch.failures = 0;
        watch.works_since = listing.started_at;
        self.on_account_works(account);
        self.compare_devices(account, &listing.items);
        self.schedule_account(account);
    }

    /// An answer that is no list: backs off, and takes what it tells about the login.
    fn on_account_failure(&mut self, account: u32, read: &Read, answer: &Answer) {
        self.take_condition(account, None, read.sent_at, answer);
        let (now, policy) = (self.now, self.policy);
        let watch = &mut self.watches[account as usize];
        watch.list_at = now + policy.probe_delay_ms(watch.failures);
        watch.failures = watch.failures.saturating_add(1);
        self.schedule_account(account);
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
            | Answer::Clock { .. } => {}
        }
    }

    /// `V-17`: the first refusal raises one error, several in a row the other too. Refusals of calls older than a list that worked are stale.
    fn on_unauthorized(&mut self, account: u32, sent_at: Timestamp) {
        if sent_at < self.watches[account as usize].works_since {
            return;
        }
        let is_told = self.watches[account as usize].was_told_revoked;
        self.state.accounts[account as usize].refusals += 1;
        self.note_change();
        if is_told {
            self.raise_account_error(account, ErrorCode::AccountDisconnected);
            return;
        }
        self.raise_account_error(account, ErrorCode::InvalidCredentials);
        if self.state.accounts[account as usize].refusals >= self.policy.refusals_that_disconnect() {
            self.raise_account_error(account, ErrorCode::AccountDisconnected);
        }
    }

    /// T20, T21: what was on its way or on a lock can't be told any more.
    fn raise_account_error(&mut self, account: u32, error: ErrorCode) {
        let now = self.now;
        let was_down = self.is_account_down(account);
        raise(&mut self.account_mut(account).errors, error, now);
        if was_down {
            return;
        }
        let delay = self.policy.probe_delay_ms(0);
        let watch = &mut self.watches[account as usize];
        watch.list_at = watch.list_at.min(now + delay);
        for device in self.devices_of(account) {
            self.begin_outage(device);
        }
        self.todo.insert(Who::Account(account));
    }

    fn on_account_works(&mut self, account: u32) {
        self.watches[account as usize].was_told_revoked = false;
        let state = &self.state.accounts[account as usize];
        if state.refusals == 0 && state.errors.is_empty() {
            return;
        }
        let was_down = self.is_account_down(account);
        let state = self.account_mut(account);
        state.refusals = 0;
        state.errors.clear();
        if was_down {
            for device in self.devices_of(account) {
                self.begin_recovery(device);
            }
        }
    }

    pub(super) fn devices_of(&self, account: u32) -> Vec<u32> {
        (0..self.state.devices.len() as u32).filter(|device| self.device(*device).account == account).collect()
    }

    /// `F-08`: a device that the list lacks is asked for; only the direct answer counts.
    fn compare_devices(&mut self, account: u32, items: &[DeviceInfo]) {
        for info in items {
            self.meet(account, info);
        }
        for device in self.devices_of(account) {
            let known = self.device(device);
            if known.is_removed || items.iter().any(|info| info.device == known.info.device) {
                continue;
            }
            if self.policy.one_listing_proves_removal() {
                self.on_device_removed(device);
            } else {
                self.want_condition(device, self.now);
            }
        }
    }

    /// A device as the vendor describes it: new, changed, or a new incarnation (`R-57`).
    fn meet(&mut self, account: u32, info: &DeviceInfo) {
        if usize::from(info.model.0) >= self.config.profiles.len() {
            return;
        }
        let id = self.device_id(account, info);
        let Some(device) = self.devices_of(account).into_iter().find(|device| self.device(*device).id == id) else {
            self.add_device(account, info);
            return;
        };
        let known = self.device(device);
        if info.epoch > known.epoch() {
            self.on_new_incarnation(device, info.clone());
        } else if info.epoch == known.epoch() && !known.is_removed && *info != known.info {
            self.on_new_description(device, info.clone());
        }
    }

    /// Where the vendor tells no serial, each incarnation is a device of its own.
    fn device_id(&self, account: u32, info: &DeviceInfo) -> crate::id::DeviceId {
        let account = self.config.accounts[account as usize].account;
        if let Some(serial) = &info.serial {
            return crate::id::DeviceId::of(account, serial);
        }
        let mut text = alloc::string::String::new();
        let _ = write!(text, "vendor id {} epoch {}", info.device.0, info.epoch.0);
        crate::id::DeviceId::of(account, &text)
    }

    fn add_device(&mut self, account: u32, info: &DeviceInfo) {
        let device = self.state.devices.len() as u32;
        self.state.devices.push(Device {
            id: self.device_id(account, info),
            account,
            info: info.clone(),
            is_removed: false,
            unreachable: None,
            refusal: None,
            errors: Vec::new(),
            warnings: Vec::new(),
            is_pool_active: false,
            is_backup_available: false,
            capacity_met: None,
            first_missing_slot: None,
            closed_slots: alloc::collections::BTreeSet::new(),
            is_refill_blocked: false,
            last_reversal: None,
            saw_other_writer: false,
            codes_made: 0,
            codes: Vec::new(),
        });
        self.caches.push(Memory::new(self.now));
        self.note_new_device(device);
        self.learn_rate(device);
        self.refresh_conditions(device);
        self.again_device(device);
    }

    /// The slowest device sets the pace of its account.
    pub(super) fn learn_rate(&mut self, device: u32) {
        let account = self.device(device).account as usize;
        let rate = self.profile(device).rate_per_minute;
        let pace: &mut Pace = &mut self.paces[account];
        pace.rate_per_minute = match (pace.rate_per_minute, rate) {
            (Some(known), Some(rate)) => Some(known.min(rate)),
            (known, rate) => known.or(rate),
        };
    }

    fn on_new_description(&mut self, device: u32, info: DeviceInfo) {
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
            state.is_refill_blocked = false;
            self.unblock(device);
        }
        self.refresh_conditions(device);
        self.stir(device);
    }

    /// A description read for one device alone.
    pub(super) fn on_device(&mut self, device: u32, read: &Read, answer: &Answer) {
        let account = self.device(device).account;
        self.caches[device as usize].condition_read = None;
        match answer {
            Answer::Device(info) => {
                self.meet(account, info);
                self.reconsider_refusal(device);
                self.caches[device as usize].condition_failures = 0;
                if self.profile(device).read_back == ReadBack::None {
                    self.on_contact(device, read.sent_at);
                }
            }
            Answer::Gone => self.on_gone(device),
            Answer::Accepted
            | Answer::Done { .. }
            | Answer::Refused(_)
            | Answer::Busy
            | Answer::QueueFull
            | Answer::RateLimited { .. }
            | Answer::Unreachable(_)
            | Answer::Unauthorized
            | Answer::NotFound
            | Answer::MaybeDuplicate
            | Answer::ServerError { .. }
            | Answer::TimedOut
            | Answer::Entries { .. }
            | Answer::Entry(_)
            | Answer::Slot(_)
            | Answer::Devices { .. }
            | Answer::Clock { .. } => {
                self.take_condition(account, Some(device), read.sent_at, answer);
                let (now, policy) = (self.now, self.policy);
                let memory = &mut self.caches[device as usize];
                memory.condition_at = Some(now + policy.probe_delay_ms(memory.condition_failures));
                memory.condition_failures = memory.condition_failures.saturating_add(1);
            }
        }
        self.again_device(device);
    }

    /// `P-12`: the vendor has no such device or no such incarnation; the list of the account tells which.
    fn on_gone(&mut self, device: u32) {
        self.on_device_removed(device);
        let account = self.device(device).account;
        self.want_devices(account);
    }

    pub(super) fn want_devices(&mut self, account: u32) {
        let now = self.now;
        let watch = &mut self.watches[account as usize];
        watch.list_at = watch.list_at.min(now);
        self.todo.insert(Who::Account(account));
    }

    /// Asks for the description of one device, at once or later.
    pub(super) fn want_condition(&mut self, device: u32, at: Timestamp) {
        let memory = &mut self.caches[device as usize];
        memory.condition_at = Some(memory.condition_at.map_or(at, |wanted| wanted.min(at)));
        self.again_device(device);
    }

    /// T29.
    fn on_device_removed(&mut self, device: u32) {
        if self.device(device).is_removed {
            return;
        }
        self.device_mut(device).is_removed = true;
        self.end_unmanaged(device);
        self.begin_outage(device);
        self.refresh_conditions(device);
        self.stir(device);
    }

    /// T40, `R-57`: every place and handle is void, no command of the old incarnation will run, and inventory comes before any write.
    fn on_new_incarnation(&mut self, device: u32, info: DeviceInfo) {
        self.end_unmanaged(device);
        if !self.device(device).is_removed {
            self.device_mut(device).is_removed = true;
            self.begin_outage(device);
        }
        let resets = self.policy.reset_voids_places();
        let state = self.device_mut(device);
        state.is_removed = false;
        state.info = info;
        state.unreachable = None;
        state.refusal = None;
        state.capacity_met = None;
        state.first_missing_slot = None;
        state.is_refill_blocked = false;
        state.closed_slots.clear();
        self.caches[device as usize] = self.caches[device as usize].renewed(self.now);
        let numbers: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            self.keep_unanswered(at);
            self.drop_write(at);
            let deadline = self.code(at).passing.restart_deadline;
            let code = self.code_mut(at);
            code.block = None;
            code.retry = super::state::Retry::default();
            code.passing = super::state::Passing { wake: code.passing.wake, restart_deadline: deadline, ..Default::default() };
            code.surplus.clear();
            if resets && let Some(held) = code.held.take() {
                super::reading::remember(&mut code.past, held);
            }
        }
        self.learn_rate(device);
        self.refresh_conditions(device);
        self.begin_recovery(device);
    }

    /// A notice names an incarnation that the lists have not told yet: the old one ends now, the lists are read (`P-10`, `I-IDENT-01`).
    fn on_epoch_told(&mut self, device: u32, epoch: Epoch) {
        let info = DeviceInfo { epoch, ..self.device(device).info.clone() };
        self.on_new_incarnation(device, info);
        let account = self.device(device).account;
        self.want_devices(account);
    }

    fn begin_outage(&mut self, device: u32) {
        let is_removed = self.device(device).is_removed;
        let now = self.now;
        let numbers: Vec<u64> =
            self.device(device).live().filter(|code| code.record.is_managed && code.before_outage.is_none()).map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            let code = self.code(at);
            let is_affected = match code.record.status {
                Status::Set | Status::Setting | Status::Removing => true,
                Status::Unset => is_removed || code.record.is_scheduled_on_device || self.is_due(code, now),
                Status::Unknown => false,
            };
            if is_affected {
                let code = self.code_mut(at);
                code.before_outage = Some(code.record.status);
                code.record.status = Status::Unknown;
            }
            self.again(at);
        }
        self.refresh_pool(device);
    }

    /// `R-21`: the lock is read before any code leaves `unknown`.
    fn begin_recovery(&mut self, device: u32) {
        if !self.is_askable(device) {
            return;
        }
        let now = self.now;
        let memory = &mut self.caches[device as usize];
        memory.recover_from = Some(now);
        memory.list_not_before = now;
        memory.list_failures = 0;
        self.want_listing(device, now);
        self.forget_failures(device);
        if self.profile(device).read_back == ReadBack::None || !self.policy.recovers_by_read_only() {
            self.resolve_all(device);
        }
    }

    fn on_unreachable(&mut self, device: u32, part: PathPart, sent_at: Timestamp) {
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

    /// The lock itself answered something that was sent at `sent_at`.
    pub(super) fn on_contact(&mut self, device: u32, sent_at: Timestamp) {
        let memory = &mut self.caches[device as usize];
        memory.contact_at = Some(memory.contact_at.map_or(sent_at, |at| at.max(sent_at)));
        let is_newer = sent_at >= memory.unreachable_at;
        if is_newer && self.device(device).unreachable.is_some() {
            self.device_mut(device).unreachable = None;
            self.refresh_conditions(device);
        }
    }

    /// Brings the device's errors in line with what is known of it, and acts when the way to it is free again.
    pub(super) fn refresh_conditions(&mut self, device: u32) {
        let now = self.now;
        let wanted = self.wanted_errors(device);
        let is_same = {
            let errors = &self.device(device).errors;
            errors.len() == wanted.len() && errors.iter().all(|entry| wanted.contains(&entry.error_code))
        };
        if is_same {
            return;
        }
        let was_blocked = self.device(device).has_path_error();
        let state = self.device_mut(device);
        state.errors.retain(|entry| wanted.contains(&entry.error_code));
        for code in wanted {
            raise(&mut state.errors, code, now);
        }
        let is_blocked = self.device(device).has_path_error();
        if was_blocked && !is_blocked && !self.device(device).is_removed {
            self.on_path_back(device);
        }
    }

    /// The path is back: a definite change of cause, and a reason to look at once (`R-03`, `R-04`).
    fn on_path_back(&mut self, device: u32) {
        let memory = &mut self.caches[device as usize];
        memory.list_failures = 0;
        memory.list_not_before = self.now;
        self.want_listing(device, self.now);
        self.forget_failures(device);
    }

    /// A definite change of cause for all codes of the device: the next attempts come at once.
    fn forget_failures(&mut self, device: u32) {
        let numbers: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            let code = self.code(at);
            if code.retry != super::state::Retry::default() && !code.is_in_fight {
                self.code_mut(at).retry = super::state::Retry::default();
            }
            let passing = &mut self.code_quiet(at).passing;
            passing.read_failures = 0;
            passing.verify_at = passing.verify_at.map(|_| Timestamp::MIN);
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

    fn push_path_errors(&self, device: u32, wanted: &mut Vec<ErrorCode>) {
        let (state, profile) = (self.device(device), self.profile(device));
        let is_august = profile.vendor == Vendor::August;
        let lock_error = if profile.unreachable_is_offline { ErrorCode::DeviceOffline } else { ErrorCode::DeviceDisconnected };
        let is_hub_missing = profile.hub == Some(PathPart::Bridge) && state.info.hub.is_none();
        let is_hub_down = state.info.hub.is_some_and(|hub| !hub.up);
        let is_hub_unreachable = matches!(state.unreachable, Some(PathPart::Hub | PathPart::Bridge | PathPart::Gateway));
        if is_hub_missing && is_august {
            wanted.push(ErrorCode::AugustLockMissingBridge);
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

    /// A description read after a refusal shows nothing wrong: the refusal's cause is gone, as far as anybody can tell.
    pub(super) fn reconsider_refusal(&mut self, device: u32) {
        let state = self.device(device);
        if state.refusal.is_some() && state.info.has_rights && state.info.is_paid {
            self.device_mut(device).refusal = None;
            self.refresh_conditions(device);
        }
    }

    /// A notice is a hint to read, and proof only where `P-12` says so.
    pub(super) fn on_notice(&mut self, notice: &Notice) {
        let Some(account) = self.config.accounts.iter().position(|known| known.account == notice.account) else { return };
        let account = account as u32;
        let device = notice.device.and_then(|vendor_device| self.device_named(account, vendor_device));
        if let Some(device) = device {
            if notice.epoch < self.device(device).epoch() {
                return;
            }
            if notice.epoch > self.device(device).epoch() {
                self.on_epoch_told(device, notice.epoch);
            }
        }
        match &notice.news {
            News::AccountRevoked => {
                self.watches[account as usize].was_told_revoked = true;
                self.want_devices(account);
            }
            News::AccountRestored | News::DeviceAdded { .. } | News::HubUp(..) | News::HubDown(..) => self.want_devices(account),
            News::DeviceRemoved => match device {
                Some(device) => self.on_device_removed(device),
                None => self.want_devices(account),
            },
            News::LockOnline | News::LockOffline | News::KeypadAttached | News::KeypadDetached | News::PlanChanged => match device {
                Some(device) => {
                    // A plain answer may be as old as the read lag: ask now, and once more when it can't be.
                    let lag = self.profile(device).read_lag_ms;
                    self.caches[device as usize].condition_again_at = Some(self.now + lag + SECOND_MS);
                    self.want_condition(device, self.now);
                }
                None => self.want_devices(account),
            },
            News::EntryAdded(place) | News::EntryChanged(place) | News::EntryRemoved(place) => {
                if let Some(device) = device {
                    self.on_entry_news(device, *place, &notice.news);
                }
            }
            News::NotAdded { slot, duplicate } => {
                if let Some(device) = device {
                    self.on_not_added(device, *slot, *duplicate);
                }
            }
            News::AllRemoved => {
                if let Some(device) = device {
                    self.want_listing(device, self.now);
                }
            }
            News::KeypadUsed { .. } | News::KeypadRefused | News::KeypadLocked | News::BatteryLow | News::BatteryChanged => {}
        }
    }

    fn device_named(&self, account: u32, vendor_device: VendorDevice) -> Option<u32> {
        let mut devices = self.devices_of(account).into_iter();
        devices.find(|device| self.device(*device).info.device == vendor_device && !self.device(*device).is_removed)
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

    /// Ends the unmanaged records of a device that is gone (T34).
    fn end_unmanaged(&mut self, device: u32) {
        let numbers: Vec<u64> = self.device(device).live().filter(|code| !code.record.is_managed).map(|code| code.n).collect();
        for n in numbers {
            self.end_unmanaged_code(At { device, n });
        }
    }

    pub(super) fn end_unmanaged_code(&mut self, at: At) {
        self.emit(at, EventType::UnmanagedRemoved);
        let code = self.code_mut(at);
        code.is_gone = true;
        code.held = None;
        code.goal = super::state::Goal::End;
        let id = code.record.access_code_id;
        self.index.remove(&id);
    }
}

/// The earlier of two instants, where there are any.
pub(super) fn earliest(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}
