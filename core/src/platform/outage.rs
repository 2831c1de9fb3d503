//! Times in which nobody can tell: an account without login, a removed device, a new incarnation; and the way back (T20 to T22, T29, T40, lifecycle 4.4).

use alloc::vec::Vec;

use super::Platform;
use super::likeness::hides_pin;
use super::listing::remember;
use super::reading::Evidence;
use super::state::{Code, Episode, Goal, Held, Passing, Retry, Told};
use super::step::At;
use crate::access_code::Status;
use crate::id::{Epoch, VendorDevice};
use crate::port::{DeviceInfo, Place};
use crate::problem::ErrorCode;
use crate::time::MINUTE_MS;
use crate::vendor::ReadBack;

impl Platform {
    pub(super) fn begin_outage(&mut self, device: u32) {
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
    pub(super) fn begin_recovery(&mut self, device: u32) {
        if !self.is_account_down(self.device(device).account) {
            self.end_lost_unmanaged(device);
        }
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

    /// A code that still waits for the read that ends its outage.
    pub(super) fn want_recovery_listing(&mut self, device: u32) {
        if self.caches[device as usize].recover_from.is_some() && !self.is_fresh_listing_coming(device) {
            self.want_listing(device, self.now);
        }
    }

    /// Whether this read is the one that recovery waits for (`R-21`).
    pub(super) fn ends_outage(&self, at: At, evidence: Evidence) -> bool {
        let recover_from = self.caches[at.device as usize].recover_from;
        self.code(at).before_outage.is_some()
            && self.is_askable(at.device)
            && evidence.is_fresh
            && recover_from.is_some_and(|from| evidence.sent_at >= from)
    }

    /// After the listing that recovery waited for: codes without a known entry need nothing more, the others were compared or are verified.
    pub(super) fn end_recovery(&mut self, device: u32, evidence: Evidence) {
        let numbers: Vec<u64> = self.device(device).live().filter(|code| code.before_outage.is_some()).map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            let is_absent = self.code(at).held.is_none() && self.ends_outage(at, evidence);
            if is_absent && !self.waits_for_pin(at, evidence) {
                self.resolve_without_entry(at);
            }
        }
    }

    /// Whether something of the code's name lies where its entry lay, and shows no PIN yet (`pin_blank_after_write`). Then it is looked at again, but not for ever:
    /// it may stay so.
    fn waits_for_pin(&mut self, at: At, evidence: Evidence) -> bool {
        const PATIENCE_MS: i64 = 3 * MINUTE_MS;
        let memory = &self.caches[at.device as usize];
        let is_late = memory.recover_from.is_none_or(|from| evidence.sent_at >= from + PATIENCE_MS);
        if is_late || !memory.places.values().any(|item| self.author_of_blank(at.device, item) == Some(at.n)) {
            return false;
        }
        self.want_listing(at.device, self.now + MINUTE_MS);
        true
    }

    /// Without read-back the last confirmation stands (`R-21`).
    fn resolve_all(&mut self, device: u32) {
        let numbers: Vec<u64> = self.device(device).live().filter(|code| code.before_outage.is_some()).map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            if self.code(at).offline.is_some() {
                // Its window tells.
                self.again(at);
                continue;
            }
            if self.code(at).held.is_some() { self.resolve(at) } else { self.resolve_without_entry(at) }
        }
    }

    /// Recovery from `unknown`, once a read has shown what the lock holds (lifecycle 4.4). `held` of the code is up to date.
    pub(super) fn resolve(&mut self, at: At) {
        let now = self.now;
        if self.code_mut(at).before_outage.take().is_none() {
            return;
        }
        match self.code(at).goal {
            Goal::Hold | Goal::Yield => self.code_mut(at).record.status = Status::Unset,
            Goal::Rest if self.is_wanted_again(at) => self.call_off_removal(at),
            Goal::Rest | Goal::End => return self.resolve_removal(at),
        }
        let was_told = self.code(at).told.set || self.code(at).told.scheduled;
        if was_told {
            self.overlook_name(at);
        }
        if !self.is_due(self.code(at), now) {
            let code = self.code_mut(at);
            code.episode = None;
            code.clear_set_problems(false);
            code.clear_error(ErrorCode::CodeModifiedExternalToSeam);
            code.record.is_scheduled_on_device = false;
        } else if self.is_confirmed(self.code(at)) {
            self.confirm(at);
        } else if was_told && self.is_without_seat(at) {
            self.begin_without_seat(at);
        } else if was_told {
            // T23 to T27: an old state of it is there, or something of it was changed.
            let is_changed = self.code(at).held.is_some();
            self.on_reversal(at, is_changed, is_changed);
        } else {
            let code = self.code_mut(at);
            code.record.is_scheduled_on_device = false;
            code.episode = Some(code.episode.map_or_else(|| Episode::begin(now), |episode| Episode { since: now, ..episode }));
            code.record.status = if code.is_before_native_start(now) { Status::Unset } else { Status::Setting };
        }
        self.refresh_pool(at.device);
        self.again(at);
    }

    /// What is there as it was asked but for its name serves, and gets the name with the next write (`R-64` a).
    fn overlook_name(&mut self, at: At) {
        let code = self.code(at);
        let serves = |held: &Held| self.fits(code, &Held { name: None, ..held.clone() });
        if code.held.as_ref().is_some_and(serves) && !self.policy.name_difference_is_modification() {
            let name = code.display.clone();
            self.code_mut(at).held.iter_mut().for_each(|held| held.name = Some(name.clone()));
        }
    }

    /// Whether a code that was on its way out until its new start is due by now, and lies in the lock as it shall (`R-21`, `I-STA-08`).
    fn is_wanted_again(&self, at: At) -> bool {
        let code = self.code(at);
        self.now >= self.due_at(code) && !code.is_expired(self.now) && self.is_confirmed(code)
    }

    /// The new window's set episode begins now, as if the erasure had come to its end before it was due.
    fn call_off_removal(&mut self, at: At) {
        let code = self.code_mut(at);
        code.goal = Goal::Hold;
        code.clear_removal_problems();
        code.told = Told::default();
        code.episode = None;
        code.record.status = Status::Unset;
    }

    fn resolve_removal(&mut self, at: At) {
        let now = self.now;
        let code = self.code_mut(at);
        if code.may_be_on_lock() {
            let before = code.episode.filter(|_| code.goal != Goal::Hold);
            code.episode = Some(before.map_or_else(|| Episode::begin(now), |episode| Episode { since: now, ..episode }));
            code.record.status = Status::Removing;
            self.again(at);
        } else {
            self.finish_removal(at);
        }
    }

    /// Recovery finds nothing of the code in the lock (lifecycle 4.4).
    fn resolve_without_entry(&mut self, at: At) {
        let code = self.code(at);
        let was_confirmed = code.told.set || code.told.scheduled;
        let is_asked_otherwise = !was_confirmed || code.goal != Goal::Hold;
        self.leave_outage(at, false, false, is_asked_otherwise);
    }

    pub(super) fn leave_outage(&mut self, at: At, is_changed: bool, has_other_writer: bool, is_asked_otherwise: bool) {
        let is_due = self.is_due(self.code(at), self.now);
        if is_asked_otherwise || !is_due || !self.is_askable(at.device) {
            if self.is_askable(at.device) {
                self.resolve(at);
            }
            return;
        }
        let code = self.code_mut(at);
        code.before_outage = None;
        self.on_reversal(at, is_changed, has_other_writer);
        self.refresh_pool(at.device);
    }

    /// T29.
    pub(super) fn on_device_removed(&mut self, device: u32) {
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
    pub(super) fn on_new_incarnation(&mut self, device: u32, info: DeviceInfo) {
        self.end_unmanaged(device);
        if !self.device(device).is_removed {
            self.device_mut(device).is_removed = true;
            self.begin_outage(device);
        }
        let (resets, last_command) = (self.policy.reset_voids_places(), self.state.last_command);
        let state = self.device_mut(device);
        state.outdated_command = last_command;
        state.is_removed = false;
        state.info = info;
        state.unreachable = None;
        state.refusal = None;
        state.capacity_met = None;
        state.first_missing_slot = None;
        state.has_one_length = false;
        (state.clock_settings, state.clock_set_not_before) = (0, None);
        state.closed_slots.clear();
        state.refusing.clear();
        state.left.clear();
        self.caches[device as usize] = self.caches[device as usize].renewed(self.now);
        let is_hidden = hides_pin(self.profile(device));
        let numbers: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            self.keep_unanswered(at);
            if self.is_by_seat(device) && self.code(at).is_gone && self.code(at).user.is_none() {
                // With its user went all that it had, and a join moves nothing of that.
                self.code_mut(at).past.retain(|past| !past.is_bound || past.is_of_before());
            }
            // What was on its way may be there, under another name of its place.
            self.remember_attempt(at);
            self.code_mut(at).has_trace |= self.code(at).may_be_on_lock();
            self.drop_write(at);
            let deadline = self.code(at).passing.restart_deadline;
            let code = self.code_mut(at);
            code.block = None;
            if !code.is_in_fight {
                code.retry = Retry::default();
            }
            code.passing = Passing { wake: code.passing.wake, restart_deadline: deadline, ..Default::default() };
            code.late = None;
            code.surplus.clear();
            if resets && let Some(held) = code.held.take() {
                let confirmed_at = held.confirmed_at;
                if matches!(held.place, Place::Slot(_)) {
                    // In its own slot PIN and window are proof enough, whatever others named it (`R-57`, `R-64` a).
                    remember(&mut code.past, Held { name: None, ..held.clone() }, confirmed_at);
                }
                remember(&mut code.past, held, confirmed_at);
            }
            code.past.iter_mut().for_each(Held::outlive);
            if is_hidden {
                // A name that outlived a reset proves nothing: only a readable PIN would (R-57, P-14).
                code.past.clear();
                if !code.is_gone && code.record.is_managed {
                    self.renew_display(at);
                }
            }
        }
        self.learn_rate(device);
        self.refresh_conditions(device);
        self.begin_recovery(device);
    }

    /// A notice names an incarnation that the lists have not told yet: the old one ends now, the lists are read (`P-10`, `I-IDENT-01`).
    pub(super) fn on_epoch_told(&mut self, device: u32, epoch: Epoch, vendor_device: VendorDevice) {
        let info = DeviceInfo { epoch, device: vendor_device, ..self.device(device).info.clone() };
        self.on_new_incarnation(device, info);
        let account = self.device(device).account;
        self.want_devices(account);
    }

    /// Ends the unmanaged records of a device that is gone (T34); while its account can't be read nothing is said of them (EO-17).
    fn end_unmanaged(&mut self, device: u32) {
        let is_told = !self.is_account_down(self.device(device).account);
        let numbers: Vec<u64> = self.device(device).live().filter(|code| !code.record.is_managed).map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            if is_told {
                self.end_unmanaged_code(at);
            } else {
                let code = self.code_mut(at);
                (code.held, code.awaited) = (None, None);
            }
        }
    }

    /// Says of the unmanaged records what could not be said while the account was lost.
    fn end_lost_unmanaged(&mut self, device: u32) {
        let is_lost = |code: &&Code| !code.record.is_managed && code.held.is_none() && code.awaited.is_none();
        let numbers: Vec<u64> = self.device(device).live().filter(is_lost).map(|code| code.n).collect();
        for n in numbers {
            self.end_unmanaged_code(At { device, n });
        }
    }
}
