//! Notices: hints to read, and proof only where `P-12` says so (port.md 7).

use alloc::vec::Vec;

use super::Platform;
use super::state::{Closing, Code, Device, Doubt, Write};
use super::step::At;
use crate::id::{DeviceId, Slot, VendorDevice};
use crate::port::{News, Notice, Place};
use crate::time::{MINUTE_MS, SECOND_MS};
use crate::vendor::Ack;

/// Later than this after a notice no copy of it comes (port.md 7).
pub(super) const COPIES_COME_WITHIN_MS: i64 = 2 * MINUTE_MS;

impl Platform {
    /// A notice is a hint to read, and proof only where `P-12` says so.
    pub(super) fn on_notice(&mut self, notice: &Notice) {
        let Some(account) = self.config.accounts.iter().position(|known| known.account == notice.account) else { return };
        let account = account as u32;
        let named = notice.device.and_then(|vendor_device| self.device_named(account, vendor_device));
        let device = named.or_else(|| self.device_that_joins(account, &notice.news));
        if let (Some(device), Some(vendor_device)) = (device, notice.device) {
            if notice.epoch < self.device(device).epoch() {
                return;
            }
            if notice.epoch > self.device(device).epoch() {
                self.on_epoch_told(device, notice.epoch, vendor_device);
            }
        }
        match &notice.news {
            News::AccountRevoked => {
                self.watches[account as usize].was_told_revoked = true;
                self.want_devices(account);
            }
            News::AccountRestored => self.on_account_said_to_work(account),
            News::DeviceAdded { .. } => self.want_devices(account),
            News::HubUp(..) | News::HubDown(..) => {
                // A plain answer may be as old as the read lag.
                let lags = self.devices_of(account).into_iter().map(|device| self.profile(device).read_lag_ms);
                let lag = lags.max().unwrap_or(0);
                self.watches[account as usize].again_at = Some(self.now + lag + SECOND_MS);
                self.want_devices(account);
                self.devices_of(account).into_iter().for_each(|device| self.want_clock(device));
            }
            News::DeviceRemoved => match device {
                Some(device) => self.on_device_removed(device),
                None => self.want_devices(account),
            },
            News::BatteryChanged => {
                if let Some(device) = device {
                    self.want_clock(device);
                }
            }
            News::LockOnline | News::LockOffline | News::KeypadAttached | News::KeypadDetached | News::PlanChanged => match device {
                Some(device) => {
                    // A plain answer may be as old as the read lag: ask now, and once more when it can't be.
                    let lag = self.profile(device).read_lag_ms;
                    self.caches[device as usize].condition_again_at = Some(self.now + lag + SECOND_MS);
                    self.want_condition(device, self.now);
                    self.want_clock(device);
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
                    self.on_all_removed(device);
                }
            }
            News::KeypadUsed { place } => {
                if let Some(device) = device {
                    self.on_offline_use(device, *place);
                }
            }
            News::KeypadRefused | News::KeypadLocked | News::BatteryLow => {}
        }
    }

    fn device_named(&self, account: u32, vendor_device: VendorDevice) -> Option<u32> {
        let is_it = |device: &Device| device.info.device == vendor_device && !device.is_removed;
        self.account_devices[account as usize].iter().copied().find(|device| is_it(self.device(*device)))
    }

    /// A lock that joins anew has a new name at its vendor and keeps its serial (`R-57`).
    fn device_that_joins(&self, account: u32, news: &News) -> Option<u32> {
        let News::DeviceAdded { serial: Some(serial) } = news else { return None };
        self.device_index.get(&DeviceId::of(self.config.accounts[account as usize].account, serial)).copied()
    }

    /// All entries are said to be gone: one fresh listing that agrees is proof then (`P-12`).
    fn on_all_removed(&mut self, device: u32) {
        let now = self.now;
        self.forget_nameless(device, |_| true);
        self.forget_refusals(device, |_| true);
        let is_concerned = |code: &&Code| code.held.is_some() || code.write.is_some();
        let held: Vec<u64> = self.device(device).codes.iter().filter(is_concerned).map(|code| code.n).collect();
        for n in held {
            self.code_quiet(At { device, n }).told_removed_at.get_or_insert(now);
        }
        self.want_listing(device, now);
    }

    /// A notice about an entry: a hint to read (port.md 7).
    fn on_entry_news(&mut self, device: u32, place: Place, news: &News) {
        let now = self.now;
        if !matches!(news, News::EntryAdded(_)) {
            // A twin may have been in it, seen or unseen.
            self.unblock(device);
        }
        if matches!(news, News::EntryRemoved(_)) {
            // It called itself occupied, perhaps for what has left it.
            self.forget_refusals(device, |slot| place == Place::Slot(slot));
        } else {
            self.note_seen_late(device, place);
        }
        let Some(n) = self.owner_of_place(device, place) else {
            let told = &mut self.caches[device as usize].told;
            if matches!(news, News::EntryRemoved(_)) {
                told.remove(&place);
                self.forget_nameless(device, |left| left == place);
                self.on_unknown_removed(device, place);
            } else {
                told.insert(place);
            }
            self.want_listing(device, now);
            return;
        };
        let at = At { device, n };
        let is_removal = matches!(news, News::EntryRemoved(_));
        let code = self.code(at);
        if !code.record.is_managed && !code.is_gone {
            self.code_quiet(at).passing.told_changed_at = Some(now);
            self.want_verify(at, now);
            return;
        }
        // Our own confirmed write sends notices too, and copies of them come for a while.
        let is_echo = code.held.as_ref().is_some_and(|held| now - held.confirmed_at <= COPIES_COME_WITHIN_MS);
        let is_storing = code.write.as_ref().is_some_and(Write::is_storing);
        // What is added where an entry of ours was came after it had left.
        let is_successor = matches!(news, News::EntryAdded(_)) && code.held.is_some() && !is_storing && !is_echo;
        if is_successor || is_removal && code.write.is_none() {
            self.code_quiet(at).told_removed_at.get_or_insert(now);
        }
        if self.code(at).write.is_some() {
            self.note_seen(at);
            if is_removal {
                // What it meant a read tells that was sent after it.
                self.code_quiet(at).told_removed_at = Some(now);
            }
            if self.profile(device).ack == Ack::Nothing {
                self.want_verify(at, now);
            }
            return;
        }
        if is_removal || !is_echo {
            self.want_verify(at, now);
        }
    }

    /// An entry left of which nobody here knew: it may be what an open creation made, whose answer will tell.
    fn on_unknown_removed(&mut self, device: u32, place: Place) {
        let is_creating = |code: &Code| code.write.as_ref().is_some_and(|write| write.content().is_some() && write.place().is_none());
        let is_creating = self.device(device).codes.iter().any(is_creating);
        let told_gone = &mut self.caches[device as usize].told_gone;
        if is_creating {
            told_gone.insert(place);
        } else {
            told_gone.clear();
        }
    }

    /// The lock says that a write added nothing (port.md 7). Without the write's own acceptance the notice may be an old copy.
    fn on_not_added(&mut self, device: u32, slot: Slot, is_duplicate: bool) {
        let aims = |write: &Write| write.place() == Some(Place::Slot(slot)) && write.content().is_some();
        // It closes one that was taken and that nothing has closed (P-01); one that was turned away at once has hardly met anything.
        let rank = |write: &Write, is_open: bool| {
            // Of what an earlier process sent, that one may have heard that it was taken.
            let may_be_taken = is_open && write.sent_at < self.began;
            let (is_taken, is_closed) = (write.accepted_at.is_some() || may_be_taken, write.closed.is_some());
            (is_taken && !is_closed, is_open, is_taken || is_closed, write.command)
        };
        let meant = |code: &Code| {
            let open = code.write.as_ref().filter(|write| aims(write)).map(|write| rank(write, true));
            open.max(code.late.as_ref().filter(|late| aims(late)).map(|late| rank(late, false)))
        };
        let ranked = self.device(device).codes.iter().filter_map(|code| meant(code).map(|rank| (rank, code.n)));
        let Some(((is_awaited, is_open, ..), n)) = ranked.max() else { return };
        // One that has just told of a twin comes again perhaps (port.md 7).
        let has_told = |write: &Write| {
            let closing = write.closed.filter(|closing| closing.doubt == Doubt::PinTaken);
            aims(write) && closing.is_some_and(|closing| self.now - closing.at <= COPIES_COME_WITHIN_MS)
        };
        let may_be_copy = || self.device(device).codes.iter().any(|code| code.write.iter().chain(&code.late).any(has_told));
        if !is_awaited && is_duplicate && may_be_copy() {
            return;
        }
        if self.closes_an_earlier_write(At { device, n }, aims) {
            return;
        }
        if !is_open {
            if is_duplicate {
                self.on_late_twin(At { device, n });
            }
            return;
        }
        let at = At { device, n };
        if self.code(at).write.as_ref().is_some_and(|write| write.accepted_at.is_none()) {
            if let Some(write) = self.code_mut(at).write.as_mut().filter(|_| is_duplicate) {
                write.is_twin_hinted = true;
            }
            return;
        }
        let doubt = if is_duplicate { Doubt::PinTaken } else { Doubt::Unclear };
        let is_settled = self.code(at).write.as_ref().is_some_and(|write| write.is_without_effect);
        if is_settled {
            let closing = Closing { at: self.now, doubt };
            self.code_mut(at).write.iter_mut().for_each(|write| write.closed = Some(closing));
            self.conclude(at, doubt, self.now);
        } else {
            self.close_write(at, doubt);
        }
    }

    /// A write that a read found without effect has added something all the same, which others took away before the read: this is the word that it waited for
    /// (`P-01`).
    fn note_seen_late(&mut self, device: u32, place: Place) {
        let is_it = |write: &&Write| write.place() == Some(place) && write.content().is_some() && is_waiting(write);
        let late = self.device(device).codes.iter().filter_map(|code| Some((code.late.as_ref().filter(is_it)?.command, code.n)));
        if let Some((_, n)) = late.min() {
            self.code_mut(At { device, n }).late.iter_mut().for_each(|write| write.was_seen = true);
        }
    }

    /// Whether such a notice may as well be the word that another code's write to the same slot still waits for: that has it then (`P-01`), which of the two
    /// was meant nobody knows, and the next one is clear.
    fn closes_an_earlier_write(&mut self, at: At, aims: impl Fn(&Write) -> bool) -> bool {
        let (now, timeout_ms) = (self.now, self.profile(at.device).command_timeout_ms);
        let is_awaited = |write: &Write| is_waiting(write) && now < write.sent_at + timeout_ms;
        let late = |code: &Code| code.late.as_ref().filter(|write| aims(write) && is_awaited(write)).map(|write| write.command);
        let others = self.device(at.device).codes.iter().filter(|code| code.n != at.n);
        let Some((_, n)) = others.filter_map(|code| Some((late(code)?, code.n))).min() else { return false };
        let closing = Closing { at: now, doubt: Doubt::Unclear };
        self.code_mut(At { n, ..at }).late.iter_mut().for_each(|write| write.closed = Some(closing));
        true
    }
}

/// Whether a write that was taken still waits for the lock's own notice (`P-01`). What was seen in its slot did add something.
fn is_waiting(write: &Write) -> bool {
    write.closed.is_none() && write.accepted_at.is_some() && !write.was_seen
}
