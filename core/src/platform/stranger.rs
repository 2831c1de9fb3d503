//! Entries that are nobody's here: found, described, gone (T33, T34).

use alloc::string::ToString;

use super::Platform;
use super::reading::Evidence;
use super::state::{Code, Goal, Held, blank_record, new_code};
use super::step::At;
use crate::access_code::Status;
use crate::draw::{Purpose, draw_uuid};
use crate::event::EventType;
use crate::id::CodeId;
use crate::pin::Pin;
use crate::port::{Item, OnLock, Place, ShownPin};
use crate::time::{HOUR_MS, Timestamp};

impl Platform {
    /// T33: an entry that is nobody's here becomes an unmanaged record.
    pub(super) fn on_stranger(&mut self, device: u32, item: &Item) {
        if !self.is_askable(device) || item.on_lock == OnLock::No {
            // Read before the account was lost: nothing is told of it now (EO-17). Or only the vendor has it, and the lock may never take it.
            return;
        }
        let now = self.now;
        let state = self.device_mut(device);
        state.codes_made += 1;
        let (n, device_id) = (state.codes_made, state.id);
        let account = &self.config.accounts[self.device(device).account as usize];
        let workspace_id = account.workspace;
        let id = CodeId(draw_uuid(self.config.entropy, Purpose::CodeId, device_id.0, n));
        let mut code = new_code(n, blank_record(id, workspace_id, device_id, now), item.name.clone().unwrap_or_else(|| "".into()));
        describe(&mut code, item, now);
        let at = self.insert_code(device, code);
        self.emit(at, EventType::UnmanagedCreated);
        // That something is in a slot which called itself occupied is no news (`R-54`).
        let is_news = !matches!(item.place, Place::Slot(slot) if self.device(device).refusing.contains_key(&slot));
        if is_news || shown_pin(item).is_some() {
            // It may have been shown for a while, and only now be known for somebody's.
            self.unblock_since(device, self.caches[device as usize].shown_since(item.place).unwrap_or(now));
        }
    }

    /// A read of a stranger's place.
    pub(super) fn on_stranger_shown(&mut self, at: At, item: Option<&Item>, evidence: Evidence) {
        let now = self.now;
        if !self.is_askable(at.device) {
            // Read before the account was lost: nothing is told of it now (EO-17).
            return;
        }
        let Some(item) = item else {
            if evidence.is_fresh {
                let place = self.code(at).held.as_ref().map(|held| held.place);
                self.end_unmanaged_code(at);
                if let Some(place) = place {
                    self.note_left(at.device, place, evidence.sent_at);
                }
                self.on_entry_left(at.device);
            }
            return;
        };
        let mut told_changed_at = None;
        if evidence.is_fresh {
            let code = self.code_quiet(at);
            (code.passing.verify_at, code.told_removed_at) = (None, None);
            told_changed_at = code.passing.told_changed_at.take();
        }
        let code = self.code(at);
        let is_same = code.held.as_ref().is_some_and(|held| {
            held.pin == shown_pin(item) && held.name == item.name && held.window == item.window && held.is_enabled == item.enabled
        });
        if is_same {
            if let Some(changed_at) = told_changed_at {
                // Whatever changed there unseen, a twin may have left.
                self.unblock_since(at.device, changed_at);
            }
            if evidence.is_fresh {
                self.on_stranger_proven(at, item, evidence);
            }
            return;
        }
        let confirmed_at = code.held.as_ref().map_or(Timestamp::MIN, |held| held.confirmed_at);
        let lag = self.lag_of(at.device, evidence);
        if !self.policy.read_may_overturn(evidence.sent_at, confirmed_at, lag) {
            // What it shows may be older than what is known; so is the change that it seems to tell (P-06).
            self.caches[at.device as usize].is_clean = false;
            self.want_listing(at.device, now);
            return;
        }
        let is_other_entry = code.held.as_ref().is_some_and(|held| held.pin != shown_pin(item) && held.name != item.name);
        // What the stranger had overwritten may be back (F-06), or what somebody had made another entry of, under the id that was ours.
        // So may what had shown no PIN yet (`pin_blank_after_write`).
        let is_news = code.held.as_ref().is_some_and(|held| held.name != item.name || held.pin.is_none() && shown_pin(item).is_some());
        let is_back = is_news && self.former_owner_of(at.device, item).is_some() || self.is_under_former_handle(at.device, item);
        if is_other_entry || is_back {
            self.end_unmanaged_code(at);
            self.place_item(at.device, item, evidence);
            return;
        }
        describe(self.code_mut(at), item, now);
        // This is what a notice told of, if any did.
        let passing = &mut self.code_quiet(at).passing;
        (passing.verify_at, passing.told_changed_at) = (None, None);
        self.again(at);
        self.unblock(at.device);
    }

    /// What passes for a stranger's is the work of this code, as the answer to its write tells after all (`P-01`): it is one more than the code needs (`I-DEV-02`).
    pub(super) fn take_for_own(&mut self, at: At, author: At) {
        let code = self.code(at);
        let is_stranger = !code.record.is_managed && !code.is_gone;
        let Some(held) = code.held.clone().filter(|held| is_stranger && !self.is_managed_elsewhere(at.device, held.place)) else { return };
        self.end_unmanaged_code(at);
        self.code_mut(author).surplus.push(held);
        self.again(author);
    }

    /// A stranger's entry is known to have left its place by `left_at`: an older listing may still show it (`P-06`).
    pub(super) fn note_left(&mut self, device: u32, place: Place, left_at: Timestamp) {
        self.caches[device as usize].places.remove(&place);
        let left = &mut self.device_mut(device).left;
        left.retain(|(other, other_at)| *other != place && left_at < *other_at + HOUR_MS);
        left.push((place, left_at));
    }

    /// T34, of what has left by the instant at which that was told, or just now.
    pub(super) fn end_unmanaged_code(&mut self, at: At) {
        self.fail_conversion(at);
        self.emit(at, EventType::UnmanagedRemoved);
        let left_at = self.code(at).told_left_at().unwrap_or(self.now);
        let code = self.code_mut(at);
        code.is_gone = true;
        code.held = None;
        code.goal = Goal::End;
        (code.errand, code.awaited) = (None, None);
        code.past.clear();
        let id = code.record.access_code_id;
        self.index.remove(&id);
        // Its PIN and its place are free.
        self.unblock_since(at.device, left_at);
    }
}

/// Takes an unmanaged record's values from what a read shows.
pub(super) fn describe(code: &mut Code, item: &Item, now: Timestamp) {
    code.record.status = Status::Set;
    code.record.code = shown_pin(item);
    code.record.name = item.name.as_ref().map(ToString::to_string);
    code.set_window(item.window);
    code.held = Some(Held {
        place: item.place,
        pin: shown_pin(item),
        window: item.window,
        name: item.name.clone(),
        is_enabled: item.enabled,
        is_edited: false,
        is_bound: false,
        confirmed_at: now,
    });
}

fn shown_pin(item: &Item) -> Option<Pin> {
    match item.pin {
        ShownPin::Shown(pin) => Some(pin),
        ShownPin::Masked | ShownPin::Blank => None,
    }
}
