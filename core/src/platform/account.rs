//! The accounts: their list of devices, their login, and what the list tells of each device (`V-17`, `F-08`, `R-57`).

use alloc::vec::Vec;

use super::Platform;
use super::condition::earliest;
use super::listing::Memory;
use super::pace::{Pace, Urgency};
use super::reading::{Read, ReadKind};
use super::state::{Device, is_path_error, raise};
use super::step::Who;
use crate::id::DeviceId;
use crate::port::{Answer, DeviceInfo, Op};
use crate::problem::ErrorCode;
use crate::time::Timestamp;

/// The periodic look at one account. Free to lose.
#[derive(Debug)]
pub(super) struct Watch {
    /// The list of devices is wanted from this instant on.
    pub list_at: Timestamp,
    listing: Option<DeviceListing>,
    failures: u32,
    /// Wanted once more, when no cache can be older than the hint that asked for it.
    pub again_at: Option<Timestamp>,
    /// Begin of the latest list that was answered.
    works_since: Timestamp,
    /// The seats of the account's site are to be read; they are being read.
    pub is_site_wanted: bool,
    pub is_site_read: bool,
    /// A notice told that the login was withdrawn.
    pub was_told_revoked: bool,
}

#[derive(Debug)]
struct DeviceListing {
    started_at: Timestamp,
    items: Vec<DeviceInfo>,
}

impl Watch {
    pub fn new(now: Timestamp) -> Self {
        Self {
            list_at: now,
            listing: None,
            failures: 0,
            again_at: None,
            works_since: Timestamp::MIN,
            is_site_wanted: false,
            is_site_read: false,
            was_told_revoked: false,
        }
    }
}

impl Platform {
    pub(super) fn is_account_down(&self, account: u32) -> bool {
        self.state.accounts[account as usize].errors.iter().any(|entry| is_path_error(entry.error_code))
    }

    /// Lists the devices of an account when it is time to.
    pub(super) fn tend_account(&mut self, account: u32) {
        let watch = &self.watches[account as usize];
        if watch.listing.is_none() && watch.list_at <= self.now && self.may_call(account, Urgency::Account, Who::Account(account)) {
            let watch = &mut self.watches[account as usize];
            watch.listing = Some(DeviceListing { started_at: self.now, items: Vec::new() });
            // Whoever asks from now on means another list.
            watch.list_at = Timestamp::MAX;
            self.ask_for_devices(account, 0);
        }
        self.tend_site(account);
        self.schedule_account(account);
    }

    /// Wakes an account for its list of devices or for its queue of calls.
    pub(super) fn schedule_account(&mut self, account: u32) {
        let watch = &self.watches[account as usize];
        let list_at = Some(watch.list_at).filter(|_| watch.listing.is_none());
        if list_at.is_some_and(|at| at <= self.now) && !self.is_queued(account, Urgency::Account, Who::Account(account)) {
            self.todo.insert(Who::Account(account));
        }
        let list_at = list_at.filter(|at| *at > self.now);
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
        let next_at = watch.again_at.take().unwrap_or(now + period);
        watch.list_at = watch.list_at.min(next_at);
        watch.failures = 0;
        watch.works_since = listing.started_at;
        // Before anything is confirmed again: what left with an earlier incarnation is not.
        for info in &listing.items {
            self.meet(account, info);
        }
        self.on_account_works(account);
        self.compare_devices(account, &listing.items, listing.started_at);
        self.want_site(account);
        self.schedule_account(account);
    }

    /// An answer that is no list: backs off, and takes what it tells about the login.
    fn on_account_failure(&mut self, account: u32, read: &Read, answer: &Answer) {
        self.take_condition(account, None, read.sent_at, answer);
        let again_at = self.probe_at(read.sent_at, self.watches[account as usize].failures);
        let watch = &mut self.watches[account as usize];
        watch.list_at = again_at;
        watch.failures = watch.failures.saturating_add(1);
        self.schedule_account(account);
    }

    pub(super) fn want_devices(&mut self, account: u32) {
        let now = self.now;
        let watch = &mut self.watches[account as usize];
        watch.list_at = watch.list_at.min(now);
        self.todo.insert(Who::Account(account));
    }

    /// A notice tells that the login is back: whatever fails from now on fails for another cause (`R-03`).
    pub(super) fn on_account_said_to_work(&mut self, account: u32) {
        self.watches[account as usize].failures = 0;
        self.want_devices(account);
    }

    /// `V-17`: the first refusal raises one error, several in a row the other too. Refusals of calls older than a list that worked are stale.
    pub(super) fn on_unauthorized(&mut self, account: u32, sent_at: Timestamp) {
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
    pub(super) fn raise_account_error(&mut self, account: u32, error: ErrorCode) {
        let now = self.now;
        let was_down = self.is_account_down(account);
        raise(&mut self.account_mut(account).errors, error, now);
        if was_down {
            return;
        }
        let delay = self.probe_delay_ms(0);
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
        let was_down = self.is_account_down(account);
        if state.refusals == 0 && !was_down {
            return;
        }
        let state = self.account_mut(account);
        state.refusals = 0;
        state.errors.retain(|entry| !is_path_error(entry.error_code));
        if was_down {
            for device in self.devices_of(account) {
                self.begin_recovery(device);
            }
        }
    }

    pub(super) fn devices_of(&self, account: u32) -> Vec<u32> {
        self.account_devices[account as usize].clone()
    }

    /// `F-08`: a device that the list lacks is asked for; only the direct answer counts.
    fn compare_devices(&mut self, account: u32, items: &[DeviceInfo], started_at: Timestamp) {
        for device in self.devices_of(account) {
            let known = self.device(device);
            if known.is_removed {
                continue;
            }
            if items.iter().any(|info| info.device == known.info.device) {
                self.reconsider_lengths(device, started_at);
            } else if self.policy.one_listing_proves_removal() {
                self.on_device_removed(device);
            } else {
                self.want_condition(device, self.now);
            }
        }
    }

    /// A device as the vendor describes it: new, changed, or a new incarnation (`R-57`).
    pub(super) fn meet(&mut self, account: u32, info: &DeviceInfo) {
        if usize::from(info.model.0) >= self.config.profiles.len() {
            return;
        }
        let Some(device) = self.device_index.get(&self.device_id(account, info)).copied() else {
            return self.meet_unknown(account, info);
        };
        let known = self.device(device);
        if info.epoch > known.epoch() {
            self.on_new_incarnation(device, info.clone());
        } else if info.epoch == known.epoch() && !known.is_removed && *info != known.info {
            self.on_new_description(device, info.clone());
        }
    }

    /// A lock under an id that no device has (`R-57`).
    fn meet_unknown(&mut self, account: u32, info: &DeviceInfo) {
        if info.serial.is_none() && self.policy.lost_lock_returns_without_serial() {
            let devices = self.devices_of(account);
            if devices.iter().any(|device| self.device(*device).info.device == info.device) {
                return;
            }
            if let Some(lost) = devices.into_iter().find(|device| self.device(*device).is_removed) {
                return self.on_new_incarnation(lost, info.clone());
            }
        }
        self.add_device(account, info);
    }

    /// Where the vendor tells no serial, each incarnation is a device of its own.
    pub(super) fn device_id(&self, account: u32, info: &DeviceInfo) -> DeviceId {
        let account = self.config.accounts[account as usize].account;
        match &info.serial {
            Some(serial) => DeviceId::of(account, serial),
            None => DeviceId::without_serial(account, info.device, info.epoch),
        }
    }

    fn add_device(&mut self, account: u32, info: &DeviceInfo) {
        let (device, id) = (self.state.devices.len() as u32, self.device_id(account, info));
        self.device_index.insert(id, device);
        self.account_devices[account as usize].push(device);
        self.state.devices.push(Device {
            id,
            account,
            info: info.clone(),
            is_removed: false,
            is_managed: true,
            reported_lengths: None,
            unreachable: None,
            refusal: None,
            errors: Vec::new(),
            warnings: Vec::new(),
            is_pool_active: false,
            is_backup_available: false,
            capacity_met: None,
            capacity_met_at: self.now,
            first_missing_slot: None,
            has_one_length: false,
            closed_slots: alloc::collections::BTreeSet::new(),
            refusing: alloc::collections::BTreeMap::new(),
            left: Vec::new(),
            last_reversal: None,
            saw_other_writer: false,
            levels: None,
            is_clock_wrong: false,
            clock_settings: 0,
            clock_set_not_before: None,
            codes_made: 0,
            outdated_command: 0,
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
}
