//! The choice of a slot: the lowest one that a fresh read has just shown to be free (`V-02`, `I-DEV-07`).

use super::Platform;
use super::reading::{Evidence, Look, Read, ReadKind, look};
use super::state::Code;
use super::step::{At, Who};
use crate::id::Slot;
use crate::port::{Answer, Item, OnLock, Op, Place, ShownPin};
use crate::slot::{SLOTS_MAX, SlotAllocator};
use crate::time::Timestamp;

impl Platform {
    /// The lowest slot that nothing is known to be in, once a fresh read has shown it free (`V-02`, `I-DEV-07`).
    pub(super) fn scouted_slot(&mut self, at: At) -> Option<Slot> {
        let slot = self.free_slot(at)?;
        if !self.policy.lowest_free_slot_excludes_unknown() {
            return Some(slot);
        }
        let passing = &self.code(at).passing;
        let (period, now) = (self.config.policy.sync_period_ms, self.now);
        if passing.scouted.is_some_and(|(scouted, seen_at)| scouted == slot && now - seen_at < period) {
            return Some(slot);
        }
        if passing.read.is_some() || passing.read_not_before.is_some_and(|not_before| not_before > now) {
            return None;
        }
        let memory = &mut self.caches[at.device as usize];
        if memory.scouting.is_some_and(|n| n != at.n) {
            memory.waiting.insert(at.n);
            return None;
        }
        let (account, epoch) = (self.device(at.device).account, self.device(at.device).epoch());
        if self.may_call(account, self.urgency(at), Who::Lock(at)) {
            self.ask_for_code(at, Op::ReadSlot { slot, fresh: true }, ReadKind::Scout { at, slot, epoch });
            self.caches[at.device as usize].scouting = Some(at.n);
        }
        None
    }

    /// The lowest free slot; once in a fight with another writer, the highest (`R-62`). Those that called themselves occupied come last, and in turn: one of them
    /// tried again and again would keep what is to be learnt of the others from growing younger.
    fn free_slot(&self, at: At) -> Option<Slot> {
        let (state, profile) = (self.device(at.device), self.profile(at.device));
        let last = state.info.positions.saturating_sub(profile.reserved_slots).min(SLOTS_MAX);
        let last = state.first_missing_slot.map_or(last, |missing| last.min(u32::from(missing.0.saturating_sub(1))));
        if last == 0 {
            return None;
        }
        let places = &self.caches[at.device as usize].places;
        let held = state.codes.iter().flat_map(Code::entries).map(|held| held.place);
        let aimed_at = state.codes.iter().filter_map(|code| code.write.as_ref()?.place());
        let taken = places.keys().copied().chain(held).chain(aimed_at).filter_map(Place::slot).chain(state.closed_slots.iter().copied());
        let mut slots = SlotAllocator::new(last);
        for slot in taken {
            slots.take(slot);
        }
        let mut willing = slots.clone();
        for slot in state.refusing.keys() {
            willing.take(*slot);
        }
        let first = if self.code(at).is_in_fight { willing.free_slots().last() } else { willing.lowest_free() };
        first.or_else(|| slots.free_slots().min_by_key(|slot| state.refusing.get(slot)))
    }

    /// Slots that called themselves occupied, and that the last reads show free all the same.
    pub(super) fn refusing_slots(&self, device: u32) -> u32 {
        self.refusing_since(device, Timestamp::MIN)
    }

    /// Those of them that did so lately: what was in them may leave unseen, as a twin may (`R-54`).
    pub(super) fn unwilling_slots(&self, device: u32) -> u32 {
        self.refusing_since(device, self.now - self.config.policy.refused_retry_ms)
    }

    fn refusing_since(&self, device: u32, since: Timestamp) -> u32 {
        let shown = &self.caches[device as usize].places;
        let is_shown_free = |place: Place| !shown.contains_key(&place) && self.owner_of_place(device, place).is_none();
        let is_meant = |(slot, refused_at): &(&Slot, &Timestamp)| **refused_at > since && is_shown_free(Place::Slot(**slot));
        self.device(device).refusing.iter().filter(is_meant).count() as u32
    }

    /// What made these slots call themselves occupied has left them, or shows.
    pub(super) fn forget_refusals(&mut self, device: u32, is_over: impl Fn(Slot) -> bool) {
        if self.device(device).refusing.keys().any(|slot| is_over(*slot)) {
            self.device_mut(device).refusing.retain(|slot, _| !is_over(*slot));
        }
    }

    pub(super) fn on_scouted(&mut self, at: At, slot: Slot, read: &Read, answer: &Answer) {
        let memory = &mut self.caches[at.device as usize];
        memory.scouting = None;
        let waiting = core::mem::take(&mut memory.waiting);
        for n in waiting {
            self.again(At { device: at.device, n });
        }
        if self.find(at).is_none() {
            return;
        }
        self.code_quiet(at).passing.read = None;
        self.again(at);
        let Some(look) = look(answer) else {
            self.on_read_failure(at, read, answer);
            return;
        };
        let passing = &mut self.code_quiet(at).passing;
        passing.read_failures = 0;
        passing.read_not_before = None;
        self.on_contact(at.device, read.sent_at);
        match look {
            Look::Nothing => {
                self.caches[at.device as usize].places.remove(&Place::Slot(slot));
                self.code_quiet(at).passing.scouted = Some((slot, read.sent_at));
            }
            Look::Entry(item) => {
                let item = Item { place: Place::Slot(slot), ..item.clone() };
                self.caches[at.device as usize].show_one(item.clone(), self.now);
                self.place_item(at.device, &item, Evidence { sent_at: read.sent_at, is_fresh: true });
            }
            Look::Reserved => {
                self.device_mut(at.device).closed_slots.insert(slot);
            }
            Look::NoPlace => self.learn_size(at.device, slot),
        }
    }

    /// The lock has no such slot, nor any above it.
    pub(super) fn learn_size(&mut self, device: u32, slot: Slot) {
        let state = self.device_mut(device);
        state.first_missing_slot = Some(state.first_missing_slot.map_or(slot, |known| known.min(slot)));
    }

    /// A slot that a refusal showed to be taken: by the code's own entry, if a look says so, else by something that the next listing tells of.
    pub(super) fn note_occupied(&mut self, at: At, place: Place) {
        let is_own = self.code(at).held.as_ref().is_some_and(|held| held.place == place);
        let now = self.now;
        if let Place::Slot(slot) = place {
            self.device_mut(at.device).refusing.insert(slot, now);
        }
        if is_own {
            self.want_verify(at, self.now);
            return;
        }
        let item = Item { place, pin: ShownPin::Masked, name: None, window: None, enabled: true, on_lock: OnLock::Yes };
        self.caches[at.device as usize].places.insert(place, item);
        self.want_listing(at.device, self.now);
    }
}
