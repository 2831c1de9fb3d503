//! What others do to our entries (lifecycle 6), and fights with another writer (`R-62`).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Platform;
use super::likeness::{hides_pin, is_name_of, rounds_to};
use super::listing::remember;
use super::reading::Evidence;
use super::state::{Code, Goal, Held, Retry, Told};
use super::step::At;
use crate::access_code::Status;
use crate::event::EventType;
use crate::port::{Item, OnLock, ShownPin};
use crate::problem::{ErrorCode, WarningCode, WarningEntry};
use crate::time::Timestamp;
use crate::vendor::Profile;

impl Platform {
    /// A read that may be believed shows a confirmed entry changed or gone.
    pub(super) fn overturn(&mut self, at: At, found: Option<&Item>, evidence: Evidence) {
        if found.is_none() && self.take_moved(at) {
            return;
        }
        // An old state of the entry that came back is the code's own too.
        let returned = found.and_then(|item| self.past_of(at, item)).cloned();
        let ours = found.filter(|item| self.is_still_ours(at, item) || returned.is_some()).cloned();
        let profile = self.profile(at.device).clone();
        let now = self.now;
        let code = self.code_mut(at);
        let before = code.held.take();
        code.held = ours.as_ref().map(|item| as_held(item, before.as_ref(), &profile, now));
        let told_removed_at = code.told_removed_at.take();
        if let (Some(held), Some(returned)) = (&mut code.held, returned) {
            held.pin = held.pin.or(returned.pin);
            held.is_edited = false;
        }
        let stored = code.stored_window();
        if let Some(held) = code.held.as_mut().filter(|held| rounds_to(held.window, stored, &profile)) {
            // What the lock rounded nobody changed.
            held.window = stored;
        }
        if let Some(before) = before {
            // An old listing may still show it: what it shows is no proof of a write of the same content (`P-05` c).
            remember(&mut code.past, before, now);
        }
        if ours.is_none() {
            if let Some(late) = &mut self.code_mut(at).late {
                // If it stored the entry, then that is what has left (P-05 d).
                late.is_without_effect = true;
            }
            self.on_entry_left(at.device);
        }
        // Whatever PIN others had given it unseen may have been a twin. Reads may have shown the change while a write was open.
        let shown_since = found.and_then(|item| self.caches[at.device as usize].shown_since(item.place));
        self.unblock_since(at.device, told_removed_at.or(shown_since).unwrap_or(now));
        // The vendor's copy alone is no entry: the lock has lost it.
        let is_loaded = found.is_some_and(|item| item.on_lock != OnLock::No);
        let has_other_writer = is_loaded || told_removed_at.is_some();
        self.take_reversal(at, is_loaded, has_other_writer);
        if let Some(stranger) = found.filter(|_| ours.is_none()).cloned() {
            self.place_item(at.device, &stranger, evidence);
        }
        self.again(at);
    }

    /// The entry is not lost: the vendor has given it another handle (`R-57`).
    fn take_moved(&mut self, at: At) -> bool {
        let (now, code) = (self.now, self.code(at));
        let Some(held) = code.held.as_ref().filter(|held| held.pin.is_some()) else { return false };
        let is_same_window = |window| rounds_to(window, held.window, self.profile(at.device));
        let is_it = |other: &Held| (other.pin, other.is_enabled) == (held.pin, held.is_enabled) && is_same_window(other.window);
        if let Some(position) = code.surplus.iter().position(is_it) {
            let window = held.window;
            let code = self.code_mut(at);
            code.held = Some(Held { confirmed_at: now, window, ..code.surplus.remove(position) });
        } else {
            let is_shown = |item: &&Item| {
                let is_free = item.place != held.place && self.owner_of_place(at.device, item.place).is_none();
                let is_same_window = rounds_to(item.window, held.window, self.profile(at.device));
                let is_same = matches!(item.pin, ShownPin::Shown(pin) if Some(pin) == held.pin) && is_same_window;
                is_free && is_same && item.name == held.name && item.enabled && item.on_lock == OnLock::Yes
            };
            let Some(place) = self.caches[at.device as usize].places.values().find(is_shown).map(|item| item.place) else { return false };
            let moved = Held { place, confirmed_at: now, ..held.clone() };
            self.code_mut(at).held = Some(moved);
        }
        self.code_quiet(at).told_removed_at = None;
        self.again(at);
        true
    }

    /// What a loss or change means for the code, by where it stands. Its `held` is up to date.
    fn take_reversal(&mut self, at: At, is_changed: bool, has_other_writer: bool) {
        let code = self.code(at);
        if code.is_gone || code.goal != Goal::Hold {
            // While the account can't be read nothing is said of it (EO-17).
            if code.before_outage.is_some() && self.is_askable(at.device) {
                self.resolve(at);
            }
            return;
        }
        match code.record.status {
            Status::Unknown => {
                let was_confirmed = code.told.set || code.told.scheduled;
                // Where only the PIN could tell, and is shown at last, it may be what it was.
                let is_asked_otherwise = !was_confirmed || self.is_confirmed(code);
                self.leave_outage(at, is_changed, has_other_writer, is_asked_otherwise);
            }
            Status::Set => self.on_reversal(at, is_changed, has_other_writer),
            Status::Unset if code.record.is_scheduled_on_device => self.on_reversal(at, is_changed, has_other_writer),
            Status::Setting | Status::Unset | Status::Removing => {}
        }
    }

    /// T23, T24, T25, T26, T27: somebody else changed or removed a confirmed code. One event for each new state (`R-29`, `R-31`).
    pub(super) fn on_reversal(&mut self, at: At, is_changed: bool, has_other_writer: bool) {
        let event = if is_changed { EventType::ModifiedExternalToSeam } else { EventType::DeletedExternalToSeam };
        self.emit(at, event);
        let code = self.code(at);
        let is_honoured = code.record.is_external_modification_allowed && !self.policy.repairs_allowed_changes();
        if is_honoured && self.honour(at) {
            return;
        }
        let now = self.now;
        let code = self.code_mut(at);
        if code.record.is_external_modification_allowed {
            code.raise_warning(WarningCode::CodeModifiedExternalToSeam, now);
        } else {
            // Until it is set again nobody need know of the hour that we moved.
            code.clear_warning(WarningCode::CodeModifiedExternalToSeam);
            code.raise_error(ErrorCode::CodeModifiedExternalToSeam, now);
        }
        self.count_reversal(at, has_other_writer);
        self.restart_setting(at);
        self.refresh_pool(at.device);
    }

    /// T25, T26: the owner allows others to change the code. False where a linked code must keep its PIN (IN-01).
    fn honour(&mut self, at: At) -> bool {
        let now = self.now;
        let code = self.code(at);
        let held = code.held.clone();
        let has_other_pin = held.as_ref().is_some_and(|held| held.pin != code.record.code);
        if code.record.common_code_key.is_some() && has_other_pin && !self.policy.adopts_pin_of_linked_code() {
            return false;
        }
        let schedules = self.profile(at.device).schedules;
        let code = self.code_mut(at);
        code.raise_warning(WarningCode::CodeModifiedExternalToSeam, now);
        if let Some(mut held) = held.filter(|held| held.is_enabled) {
            // What is adopted is the code's own from now on.
            held.is_edited = false;
            code.held = Some(held.clone());
            adopt_values(code, &held, schedules, now);
            if code.record.status == Status::Set && !core::mem::replace(&mut code.told.set, true) {
                self.emit(at, EventType::SetOnDevice);
            }
            self.forward_end(at);
        } else {
            code.goal = Goal::Yield;
            code.record.status = Status::Unset;
            code.record.is_scheduled_on_device = false;
            code.told = Told::default();
            code.episode = None;
            code.has_trace = code.held.is_some();
        }
        self.refresh_pool(at.device);
        true
    }

    /// `R-62`: three in an hour are a fight, and slow the re-sets down.
    fn count_reversal(&mut self, at: At, has_other_writer: bool) {
        let now = self.now;
        let constants = &self.config.policy;
        let (period, cap_long) = (constants.reversal_period_ms, constants.retry_cap_long_ms);
        let code = self.code_mut(at);
        code.reversals.retain(|reversal| now - *reversal < period);
        code.reversals.push(now);
        let count = code.reversals.len();
        let is_fight = code.is_in_fight || self.policy.is_fight(count);
        if is_fight {
            let jitter = (self.draw_jitter(at) % (cap_long / 10).max(1) as u64) as i64;
            let code = self.code_mut(at);
            code.is_in_fight = true;
            code.retry = Retry { failures: 0, since: None, not_before: Some(now + cap_long + jitter), absences: 0 };
        }
        let device = self.device_mut(at.device);
        device.last_reversal = Some(now);
        device.saw_other_writer |= has_other_writer;
        let is_shown = device.warnings.iter().any(|entry| entry.warning_code == WarningCode::ThirdPartyIntegrationDetected);
        if is_fight && device.saw_other_writer && !is_shown {
            device.warnings.push(WarningEntry { warning_code: WarningCode::ThirdPartyIntegrationDetected, created_at: now });
        }
        self.again_device(at.device);
    }

    /// `R-62`: long enough without a reversal, the device is at peace.
    pub(super) fn calm_down(&mut self, device: u32) {
        let calm_ms = self.config.policy.reversal_calm_ms;
        if self.device(device).last_reversal.is_none_or(|last| self.now < last + calm_ms) {
            return;
        }
        let state = self.device_mut(device);
        state.last_reversal = None;
        state.saw_other_writer = false;
        state.warnings.clear();
        let fighters: Vec<u64> =
            self.device(device).codes.iter().filter(|code| code.is_in_fight || !code.reversals.is_empty()).map(|code| code.n).collect();
        for n in fighters {
            let at = At { device, n };
            let code = self.code_mut(at);
            code.is_in_fight = false;
            code.reversals.clear();
            self.again(at);
        }
    }
}

/// `R-30`: what others stored becomes the record's own, as far as it is shown.
fn adopt_values(code: &mut Code, held: &Held, schedules: bool, now: Timestamp) {
    if let Some(pin) = held.pin {
        code.record.code = Some(pin);
    }
    if code.is_native || (schedules && code.window().is_none()) {
        code.set_window(held.window);
        code.is_native = held.window.is_some();
        code.moved_window = None;
    }
    code.record.is_scheduled_on_device = code.is_native;
    if let Some(name) = held.name.as_ref().filter(|name| **name != code.display) {
        code.record.name = Some(name.to_string());
        code.display = name.clone();
    }
    let is_early = code.is_before_native_start(now) || code.record.status == Status::Unset;
    code.record.status = if is_early { Status::Unset } else { Status::Set };
    // It becomes set once more when its new start comes.
    code.told.set &= !code.is_before_native_start(now);
}

/// An entry of ours as it now is. What the read hides stays as it was; a name that differs by itself is mended with the next write.
fn as_held(item: &Item, before: Option<&Held>, profile: &Profile, now: Timestamp) -> Held {
    let pin = match item.pin {
        ShownPin::Shown(pin) => Some(pin),
        ShownPin::Masked | ShownPin::Blank if hides_pin(profile) => None,
        ShownPin::Masked | ShownPin::Blank => before.and_then(|before| before.pin),
    };
    let is_renamed = |before: &Held| matches!((&item.name, &before.name), (Some(shown), Some(own)) if !is_name_of(shown, own, profile));
    Held {
        place: item.place,
        pin,
        window: item.window,
        name: item.name.clone(),
        is_enabled: item.enabled && item.on_lock != OnLock::No,
        is_edited: before.is_some_and(|before| before.is_edited || before.pin != pin && pin.is_some() || is_renamed(before)),
        is_bound: before.is_some_and(|before| before.is_bound),
        confirmed_at: now,
    }
}
