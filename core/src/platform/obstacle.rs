//! What stands in the way of a write that is due: twins, a full lock, a PIN that does not fit; and how the API shows it.

use super::Platform;
use super::likeness::Content;
use super::listing::Memory;
use super::state::{Block, Code, Goal, Retry, Write};
use super::step::At;
use super::vendor::{Symptom, symptom_problems};
use crate::access_code::Status;
use crate::pin::{Pin, PinFault};
use crate::port::{Item, OnLock, Place, Reason, ShownPin};
use crate::problem::ErrorCode;
use crate::time::Timestamp;
use crate::vendor::ReadBack;

/// Why a write is not sent, though it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Another managed code holds the PIN (`R-46`).
    Prevented,
    /// A visible entry of somebody else holds the PIN (`R-46`).
    VisibleTwin,
    /// No room (`I-DEV-03`).
    Full,
    /// The lock would refuse it for ever (`I-DEV-04`, `R-20`).
    Unfit(Reason),
    /// The lock refused its length, though the description allows it; until then, if the clock can tell.
    Length { until: Option<Timestamp> },
    /// Nothing to type on (`R-64` b).
    NoKeypad,
}

impl Platform {
    pub(super) fn obstacle(&self, at: At, wanted: &Content) -> Option<Obstacle> {
        let device = self.device(at.device);
        match self.pin_rules(at.device).check(wanted.pin) {
            Ok(()) => {}
            Err(PinFault::Length) => return Some(Obstacle::Unfit(Reason::BadLength)),
            Err(PinFault::Constraint(_)) => return Some(Obstacle::Unfit(Reason::BadPin)),
        }
        if let Some(refused) = self.refused_length(at, wanted.pin) {
            return Some(refused);
        }
        if !device.info.keypad {
            return Some(Obstacle::NoKeypad);
        }
        if !self.policy.sends_duplicate_pin()
            && let Some(twin) = self.twin(at, wanted.pin)
        {
            return Some(twin);
        }
        self.is_without_room(at).then_some(Obstacle::Full)
    }

    /// Whether the code needs another place, and none is known to be free.
    pub(super) fn is_without_room(&self, at: At) -> bool {
        let is_new_entry = self.code(at).held.is_none();
        // Slots that called themselves occupied are tried again only where no backup can give way.
        let unwilling = if self.may_displace_backup(at) { self.unwilling_slots(at.device) } else { 0 };
        let owners = self.owners_before(at);
        let is_full = is_new_entry && self.entries_known(at.device) + unwilling + owners >= self.capacity(at.device);
        is_full && !self.policy.writes_beyond_capacity()
    }

    fn twin(&self, at: At, pin: Pin) -> Option<Obstacle> {
        let others = || self.device(at.device).codes.iter().filter(|code| code.n != at.n);
        // What a read shows in the place of an open write may be news that wait for the write to be settled.
        let places = &self.caches[at.device as usize].places;
        let shown = |code: &Code| places.get(&code.write.as_ref()?.place()?).map(|item| item.pin);
        let has_it = |code: &Code| code.resident_pins().any(|other| other == pin) || shown(code) == Some(ShownPin::Shown(pin));
        if others().any(|code| (code.record.is_managed || code.is_gone) && has_it(code)) {
            return Some(Obstacle::Prevented);
        }
        let is_visible = others().any(|code| !code.is_gone && !code.record.is_managed && code.record.code == Some(pin));
        is_visible.then_some(Obstacle::VisibleTwin)
    }

    /// Whether a plain listing showed this PIN in an entry that had left, or one that was the code's own, and the listing that tells whether it is back is
    /// on its way (`I-DEV-01`, `I-DEV-05`).
    pub(super) fn is_shown_unclaimed(&self, at: At, pin: Pin) -> bool {
        let is_it = |item: &Item| item.pin == ShownPin::Shown(pin) || self.past_of(at, item).is_some();
        let is_told_soon = self.is_fresh_listing_coming(at.device) && !self.policy.sends_duplicate_pin();
        let mut shown = self.caches[at.device as usize].places.values();
        is_told_soon && shown.any(|item| is_it(item) && self.owner_of_place(at.device, item.place).is_none())
    }

    /// Entries that the controller put there or knows of (`I-DEV-03`), with those that it is adding or was told of by hearsay.
    pub(super) fn entries_known(&self, device: u32) -> u32 {
        let adding = self.device(device).codes.iter().filter(|code| self.is_adding(device, code)).count() as u32;
        self.entries_settled(device) + adding + self.entries_told(device)
    }

    /// Entries that only notices tell of: reads show nothing of them in the lock.
    fn entries_told(&self, device: u32) -> u32 {
        let Memory { places, told, .. } = &self.caches[device as usize];
        let is_unread = |place: &Place| places.get(place).is_none_or(|item| item.on_lock == OnLock::No);
        told.iter().filter(|place| is_unread(place) && self.owner_of_place(device, **place).is_none()).count() as u32
    }

    /// Entries that are there for certain, as far as is known: writes under way may come to nothing, and hearsay may be old.
    fn entries_settled(&self, device: u32) -> u32 {
        let ours = self.device(device).codes.iter().map(|code| code.entries().count()).sum::<usize>() as u32;
        // What only the vendor has takes no place in the lock.
        let in_lock = self.caches[device as usize].places.values().filter(|item| item.on_lock != OnLock::No);
        ours + in_lock.filter(|item| self.owner_of_place(device, item.place).is_none()).count() as u32
    }

    /// Whether a place counts as taken only by a write that is not settled, or by an entry that the last reads do not show.
    fn is_still_filling(&self, device: u32) -> bool {
        let places = &self.caches[device as usize].places;
        let is_missed = |code: &Code| {
            let is_looked_for = code.passing.read.is_some() || code.passing.verify_at.is_some();
            is_looked_for && code.held.as_ref().is_some_and(|held| !places.contains_key(&held.place))
        };
        let open = self.device(device).codes.iter().filter(|code| self.is_adding(device, code) || is_missed(code)).count() as u32;
        self.entries_known(device) - open < self.capacity(device)
    }

    /// Entries that fit in, as far as the device or its refusals have told.
    pub(super) fn capacity(&self, device: u32) -> u32 {
        let (state, profile) = (self.device(device), self.profile(device));
        // A place that the lock keeps for itself is no room (F-15).
        let kept = profile.reserved_slots + state.closed_slots.len() as u32;
        let told = state.info.positions.saturating_sub(kept);
        let slots = state.first_missing_slot.map_or(u32::MAX, |slot| u32::from(slot.0).saturating_sub(1));
        told.min(slots).min(state.capacity_met.unwrap_or(u32::MAX))
    }

    /// The lock calls itself full: then what is known to be in it is all that fits in.
    pub(super) fn learn_full(&mut self, device: u32) {
        // Old hearsay makes too much of the lock, and one more refusal tells; without a true one it would stay too small for ever.
        let (known, now) = (self.entries_settled(device) + self.entries_told(device), self.now);
        let state = self.device_mut(device);
        (state.capacity_met, state.capacity_met_at) = (Some(known), now);
        self.want_listing(device, now);
    }

    /// More fitted in than was known when the lock called itself full.
    pub(super) fn learn_room(&mut self, device: u32) {
        let known = self.entries_settled(device);
        if self.device(device).capacity_met.is_some_and(|met| met < known) {
            self.device_mut(device).capacity_met = Some(known);
        }
    }

    /// Where nothing can be read, room may come unseen: what the lock called full is tried again after as long as a twin is (`R-20`, `R-54`).
    /// Returns when.
    pub(super) fn doubt_full(&mut self, device: u32) -> Option<Timestamp> {
        let state = self.device(device);
        let is_blind = self.profile(device).read_back == ReadBack::None;
        let until = state.capacity_met.filter(|_| is_blind).map(|_| state.capacity_met_at + self.config.policy.refused_retry_ms)?;
        if until > self.now {
            return Some(until);
        }
        self.device_mut(device).capacity_met = None;
        self.on_entry_left(device);
        None
    }

    pub(super) fn meet_obstacle(&mut self, at: At, obstacle: Obstacle) {
        let now = self.now;
        if self.code(at).record.is_backup && self.replace_backup(at, obstacle == Obstacle::Full) {
            return;
        }
        match obstacle {
            // What serves as it is needs no write that has to be withheld (R-64 a).
            Obstacle::Prevented | Obstacle::VisibleTwin if self.keep_stored_name(at) => {
                if self.turned_in_step(at) {
                    // That it is being set is to be seen first (`I-EVT-05`).
                    self.want_verify(at, now);
                }
                self.again(at);
            }
            Obstacle::Prevented => {
                if !self.code(at).has_error(ErrorCode::DuplicateCodeAttemptPrevented) {
                    self.code_mut(at).raise_error(ErrorCode::DuplicateCodeAttemptPrevented, now);
                }
            }
            Obstacle::VisibleTwin => {
                if !self.code(at).has_error(ErrorCode::DuplicateCodeOnDevice) {
                    self.code_mut(at).raise_error(ErrorCode::DuplicateCodeOnDevice, now);
                }
                self.fail_to_set(at);
            }
            // What others have put there is counted before a backup has to give way.
            Obstacle::Full if self.is_fresh_listing_coming(at.device) => {}
            // Whether the last place is taken, or free, shows when the write or the removal is settled.
            Obstacle::Full if self.make_room(at.device) || self.is_still_filling(at.device) => {
                self.caches[at.device as usize].waiting.insert(at.n);
            }
            Obstacle::Full => {
                self.show(at, Symptom::Full);
                self.fail_to_set(at);
            }
            Obstacle::Unfit(reason) => {
                if reason == Reason::BadLength {
                    self.show(at, Symptom::BadLength);
                }
                self.fail_to_set(at);
            }
            Obstacle::NoKeypad | Obstacle::Length { .. } => {}
        }
    }

    /// The conflict is gone at this attempt (lifecycle 9).
    pub(super) fn clear_obstacle(&mut self, at: At) {
        let code = self.code(at);
        let is_told = matches!(code.block, Some(Block::Twin { until, .. }) if until > self.now);
        let shows = |error| code.has_error(error);
        if shows(ErrorCode::DuplicateCodeAttemptPrevented) || (shows(ErrorCode::DuplicateCodeOnDevice) && !is_told) {
            let code = self.code_mut(at);
            code.clear_error(ErrorCode::DuplicateCodeAttemptPrevented);
            if !is_told {
                code.clear_error(ErrorCode::DuplicateCodeOnDevice);
                code.block = None;
            }
        }
    }

    pub(super) fn show_failed_attempt(&mut self, at: At) {
        let failures = self.code(at).retry.failures;
        self.show(at, Symptom::AttemptFailed);
        if failures >= self.config.policy.multiple_retries {
            self.show(at, Symptom::FailedManyTimes);
        }
    }

    /// Shows the vendor's own problem for a symptom while a code is being set, or removed where the symptom speaks of that too (`R-11`).
    pub(super) fn show(&mut self, at: At, symptom: Symptom) {
        let now = self.now;
        let code = self.code(at);
        let is_setting = code.goal == Goal::Hold && matches!(code.record.status, Status::Setting | Status::Unset);
        // A lock may drop off during a removal as well (vendors.md 1).
        let is_meant = is_setting || symptom == Symptom::DroppedOff && code.record.status == Status::Removing;
        let is_meant = is_meant && code.record.is_managed && !code.is_gone && code.episode.is_some();
        let Some(problems) = symptom_problems(self.profile(at.device).vendor, symptom).filter(|_| is_meant) else { return };
        let has_failed = code.episode.is_some_and(|episode| episode.is_failed);
        match problems.warning {
            Some(warning) if !has_failed || problems.error.is_none() => {
                if !code.record.warnings.iter().any(|entry| entry.warning_code == warning) {
                    self.code_mut(at).raise_warning(warning, now);
                }
            }
            Some(_) | None => {
                if let Some(error) = problems.error.filter(|error| !code.has_error(*error)) {
                    self.code_mut(at).raise_error(error, now);
                }
            }
        }
    }

    /// Shows the vendor's own error for an erasure that nothing confirms, while the code is being removed.
    pub(super) fn show_unconfirmed_erasure(&mut self, at: At) {
        let now = self.now;
        let is_removing = self.code(at).record.is_managed && self.code(at).record.status == Status::Removing;
        let problems = symptom_problems(self.profile(at.device).vendor, Symptom::ErasureNotConfirmed).filter(|_| is_removing);
        if let Some(error) = problems.and_then(|problems| problems.error).filter(|error| !self.code(at).has_error(*error)) {
            self.code_mut(at).raise_error(error, now);
        }
    }

    /// A twin block or a refusal ends: something that it hung on has changed.
    pub(super) fn unblock(&mut self, device: u32) {
        self.unblock_since(device, self.now);
    }

    /// A twin block or a refusal ends: something that it hung on has changed at this instant.
    /// A twin that was refused later was refused in spite of the change, and stays blocked (`R-54`).
    pub(super) fn unblock_since(&mut self, device: u32, changed_at: Timestamp) {
        self.unblock_where(device, |code| match code.block {
            Some(Block::Twin { sent_at, .. }) => sent_at < changed_at,
            // What had changed by then did not help.
            Some(Block::Length { since, .. }) => since < changed_at,
            Some(Block::Refused(_)) => true,
            None => false,
        });
        self.doubt_twins(device, |_, write| write.sent_at < changed_at);
    }

    /// A PIN of ours has left the lock by `left_at`, as was told then: it may have been the twin, by the lock's own equality (`R-27`, `R-54`).
    pub(super) fn unblock_twins_of(&mut self, device: u32, pin: Option<Pin>, left_at: Timestamp) {
        let may_be_it = |other: Pin| pin.is_none_or(|pin| pin.prefix(4) == other.prefix(4));
        let was_refused_before = |code: &Code| matches!(code.block, Some(Block::Twin { sent_at, .. }) if sent_at < left_at);
        self.unblock_where(device, |code| was_refused_before(code) && code.record.code.is_some_and(may_be_it));
        self.doubt_twins(device, |pin, write| may_be_it(pin) && write.sent_at < left_at);
    }

    /// A write whose refusal may be yet to come may have met a twin that is no more.
    fn doubt_twins(&mut self, device: u32, may_be: impl Fn(Pin, &Write) -> bool) {
        let is_concerned = |write: &Write| !write.is_twin_outdated && write.content().is_some_and(|(pin, ..)| may_be(pin, write));
        let writes = |code: &Code| [&code.write, &code.late].into_iter().flatten().any(is_concerned);
        let codes = self.device(device).codes.iter().filter(|code| writes(code));
        let concerned: alloc::vec::Vec<u64> = codes.map(|code| code.n).collect();
        for n in concerned {
            let code = self.code_mut(At { device, n });
            let writes = code.write.iter_mut().chain(&mut code.late).filter(|write| is_concerned(write));
            writes.for_each(|write| write.is_twin_outdated = true);
        }
    }

    fn unblock_where(&mut self, device: u32, is_over: impl Fn(&Code) -> bool) {
        let codes = self.device(device).codes.iter().filter(|code| code.offline.is_none() && is_over(code));
        let blocked: alloc::vec::Vec<u64> = codes.map(|code| code.n).collect();
        for n in blocked {
            let at = At { device, n };
            let code = self.code_mut(at);
            code.block = None;
            code.retry = Retry::default();
            self.again(at);
        }
    }

    /// Room was made: those who wait for it, or for the PIN that left, are looked at.
    pub(super) fn on_entry_left(&mut self, device: u32) {
        self.stir(device);
        self.again_device(device);
    }

    /// Whether a write may take another place in the lock. One in doubt of which nothing will ever be read holds up nobody: a lock that it has filled says so.
    fn is_adding(&self, device: u32, code: &Code) -> bool {
        let is_blind = self.profile(device).read_back == ReadBack::None;
        let counts = |write: &Write| write.is_storing() && !(is_blind && write.closed.is_some());
        code.held.is_none() && code.write.as_ref().is_some_and(counts)
    }
}
