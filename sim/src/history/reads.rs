//! What the answers to reads show: of devices, of places, and of the entries in them.

use keyway_core::access_code::Status;
use keyway_core::id::VendorDevice;
use keyway_core::port::{Answer, Item, Op, Place, Reason, ShownPin, SlotContent};
use keyway_core::time::Timestamp;

use super::commands::stores_at;
use super::heard::COPIES_COME_WITHIN_MS;
use super::told::{Departed, in_doubt};
use super::unsaved::Cleared;
use super::{Closing, Code, CodeIx, History, Known, LockState, Lost, Sent, Stored, Touch, Whose, is_fresh, target};
use crate::occurrence::{Cause, Lock};

impl History {
    /// A read's answer was delivered.
    pub(super) fn read(&mut self, now: Timestamp, sent: &Sent, answer: &Answer, snapshot_at: Option<Timestamp>) {
        match answer {
            Answer::Devices { items, .. } => {
                for info in items.iter() {
                    self.meet(sent, info);
                }
            }
            Answer::Device(info) => self.meet(sent, info),
            Answer::Site { seats, used } if used < seats => self.find_seats(sent),
            _ => {}
        }
        let (Some(lock), Some(snapshot_at)) = (sent.lock, snapshot_at) else { return };
        if is_fresh(&sent.command.op) && sent.command.epoch == self.lock(lock).epoch {
            self.settle_earlier(lock, sent.at, sent.command.command_id);
        }
        if !self.lock(lock).open.is_empty() {
            self.settle_shown(lock, snapshot_at, answer);
        }
        self.locks[lock.0 as usize].read_at = Some(now);
        match answer {
            Answer::Entries { items, next_page } => self.read_page(now, lock, sent, items, next_page.is_none(), snapshot_at),
            Answer::Entry(item) | Answer::Slot(SlotContent::Occupied(item)) => {
                self.read_item(lock, sent, item);
                self.see_entry(lock, sent, item, snapshot_at);
            }
            Answer::Slot(SlotContent::Free { .. }) | Answer::NotFound => {
                let Some(place) = target(&sent.command.op) else { return };
                let before = self.tell_free(lock, place);
                self.locks[lock.0 as usize].picture.places.entry(place).and_modify(|known| known.left = None);
                if is_fresh(&sent.command.op) {
                    let was_missed = self.locks[lock.0 as usize].picture.missed.remove(&place).is_some();
                    if was_missed || before.is_some_and(|known| known.whose != Whose::Free) {
                        self.show_change(lock);
                    }
                    // A read from before the controller was shown an entry does not tell that it left.
                    if before.is_none_or(|known| sent.at >= known.since) {
                        self.learn_absence(now, lock, place, sent.at, None);
                    }
                }
            }
            Answer::Slot(SlotContent::Reserved) => {
                let Some(place) = target(&sent.command.op) else { return };
                self.tell(lock, place, None, Whose::Foreign);
            }
            _ => {}
        }
    }

    /// The site has seats, whatever was refused for want of one: a repeat under a key may get the answer that the first one got (`P-04`, `R-20`).
    fn find_seats(&mut self, sent: &Sent) {
        let of_account = (sent.command.account, VendorDevice(0))..=(sent.command.account, VendorDevice(u32::MAX));
        let locks = self.vendor_ids.range(of_account).map(|(_, lock)| *lock);
        let codes: Vec<CodeIx> = locks.flat_map(|lock| self.lock(lock).codes.iter().copied()).collect();
        for code in codes {
            let work = &mut self.codes[code.0 as usize].work;
            if work.last.as_ref().is_some_and(|last| last.closing == Closing::Refused(Reason::NoSeat)) {
                work.reconsider();
            }
        }
    }

    /// A read shows an entry.
    pub(super) fn read_item(&mut self, lock: Lock, sent: &Sent, item: &Item) {
        let shown = match item.pin {
            ShownPin::Shown(pin) => Some(pin),
            ShownPin::Masked | ShownPin::Blank => None,
        };
        let state = self.lock(lock);
        let before = state.picture.places.get(&item.place).copied();
        let lag = if is_fresh(&sent.command.op) { 0 } else { state.facts.profile.read_lag_ms };
        let is_older = |erased_at: &Timestamp| sent.at < *erased_at + lag;
        if matches!(item.place, Place::Handle(handle) if state.picture.erased.get(&handle).is_some_and(is_older)) {
            return; // Perhaps a state from before the erasure (`P-06`).
        }
        self.locks[lock.0 as usize].picture.refused.remove(&item.place);
        let state = self.lock(lock);
        let shows_nothing_new = |known: Known| if shown.is_none() { item.name.is_none() } else { known.pin == shown };
        // Over a join an entry is the code's by a look past every cache alone: a plain read may be from before it, and who no longer waits hears none (`R-57`).
        let is_look = is_fresh(&sent.command.op) && sent.closed_at.is_none_or(|closed_at| closed_at >= self.now);
        let is_from_before =
            |stored: &Stored| stored.cause == Cause::World || state.joined_at.is_some_and(|joined_at| stored.since <= joined_at);
        let is_made_since = state.memory.get(&item.place).is_some_and(|stored| !is_from_before(stored));
        let is_blank = item.pin == ShownPin::Blank && Self::proves_by_pin(&state.facts.profile);
        // Until its PIN is shown nobody knows a write that nothing else confirmed; nor, while it is open, by a plain read, which may be from before it (P-05 c).
        let is_open = |code: &Code| code.status() == Some(Status::Setting) && in_doubt(&code.work).next().is_some();
        let is_plain = |code: &Code| !is_look && matches!(item.place, Place::Handle(_)) && is_open(code);
        let is_no_proof = |code: &Code| is_blank && code.work.confirmed_at.is_none() || is_plain(code);
        let is_sure =
            is_look || state.joined_at.is_none() || is_made_since || before.is_some_and(|known| matches!(known.whose, Whose::Code(_)));
        let whose = match state.memory.get(&item.place).filter(|stored| shown.is_none_or(|pin| pin == stored.entry.pin)) {
            Some(Stored { code: Some(_), .. }) if !is_sure => Whose::Unsure,
            Some(Stored { code: Some(code), .. }) if is_no_proof(self.code(*code)) => {
                before.filter(|known| known.whose != Whose::Free).map_or(Whose::Unsure, |known| known.whose)
            }
            Some(Stored { code: Some(code), .. }) => Whose::Code(*code),
            Some(_) if before.is_some_and(|known| self.looks_like(known, item)) => Whose::Unsure,
            // A place in doubt, or somebody's, stays so while reads show nothing of what is in it, or what they showed.
            Some(_) if before.is_some_and(|known| matches!(known.whose, Whose::Unsure | Whose::Foreign) && shows_nothing_new(known)) => {
                before.map_or(Whose::Unsure, |known| known.whose)
            }
            Some(stored) if self.may_be_own(lock, &stored.entry) => Whose::Unsure,
            // So does one of which it was said that it left, as that may have been a copy of an older word (port.md 7).
            Some(_) if shown.is_none() && item.name.is_none() && self.may_have_stayed(lock, item.place) => Whose::Unsure,
            // It shows nothing of itself, and what became of a write to this place nobody was told: only its `Done` would have proven it (port.md 5).
            Some(_) if shown.is_none() && item.name.is_none() && self.is_written_in_doubt(lock, item.place) => Whose::Unsure,
            Some(_) => Whose::Foreign,
            // It shows what was known already, and others have changed since.
            None => before.filter(|known| shown.is_some() && known.pin == shown).map_or(Whose::Unsure, |known| known.whose),
        };
        if item.on_lock == keyway_core::port::OnLock::No {
            // The vendor has it, the lock has not.
            if before.is_none() {
                self.tell(lock, item.place, None, Whose::Free);
            }
        } else {
            self.tell(lock, item.place, shown, whose);
            if let Whose::Code(code) = whose {
                self.bind_again(lock, code, item.place);
            }
            // What a notice told was a hint to read (port.md 7).
            let was_hinted = |known: Known| known.whose == Whose::Unsure && whose == Whose::Foreign;
            if before.is_none_or(|known| known.whose == Whose::Free || known.pin != shown || was_hinted(known)) {
                self.show_change(lock);
            }
        }
    }

    /// What others had made, and a join may have moved, is found: from now on it lies here and nowhere else in this incarnation (`R-57`).
    fn bind_again(&mut self, lock: Lock, code: CodeIx, place: Place) {
        let LockState { epoch, memory, .. } = self.lock(lock);
        let (epoch, Some(entry)) = (*epoch, memory.get(&place).map(|stored| &stored.entry)) else { return };
        let (its_pin, its_name) = (entry.pin, entry.name.clone());
        let bound = &self.code(code).bound;
        if bound.iter().any(|(since, _, pin, name)| *since < epoch && (*pin, name) == (its_pin, &its_name)) {
            self.codes[code.0 as usize].bound.insert((epoch, place, its_pin, its_name));
        }
    }

    /// Whether a command of which nobody knows what became was to store something in this place.
    fn is_written_in_doubt(&self, lock: Lock, place: Place) -> bool {
        self.lock(lock).codes.iter().any(|code| in_doubt(&self.code(*code).work).any(|op| stores_at(op, place)))
    }

    /// Whether what may be a code's is not known to have left this place: only a listing lacked it (`P-12`), or that was said so soon after the place was told of
    /// that the word may be about what lay there before.
    fn may_have_stayed(&self, lock: Lock, place: Place) -> bool {
        let may_be_its = |whose: Whose| matches!(whose, Whose::Code(_) | Whose::Unsure);
        let picture = &self.lock(lock).picture;
        let is_soon = |known: &Known| {
            let is_so = |left: Departed| may_be_its(left.whose) && known.since <= left.since + COPIES_COME_WITHIN_MS;
            known.left.is_some_and(is_so)
        };
        picture.places.get(&place).is_some_and(is_soon) || picture.missed.get(&place).is_some_and(|whose| may_be_its(*whose))
    }

    /// Whether an item looks like what the controller put at a place itself.
    fn looks_like(&self, known: Known, item: &Item) -> bool {
        let Whose::Code(code) = known.whose else { return false };
        let shows_other_pin = matches!((item.pin, known.pin), (ShownPin::Shown(pin), Some(own)) if pin != own);
        let last = self.code(code).work.last.as_ref().map(|last| &last.op);
        let other_name = match (last, &item.name) {
            (Some(Op::SetSlot { name, .. } | Op::CreateEntry { name, .. } | Op::ReplaceEntry { name, .. }), Some(shown)) => name != shown,
            _ => false,
        };
        !shows_other_pin && !other_name
    }

    /// A direct read or a listing that is complete shows an entry: what others did to it is known from now on.
    pub(super) fn see_entry(&mut self, lock: Lock, sent: &Sent, item: &Item, snapshot_at: Timestamp) {
        if self.may_be_outdated(lock, sent, item.place) {
            return;
        }
        // Another name alone tells nothing of an entry whose PIN is yet to be shown, unless it was said that the entry left (`R-64` a).
        let is_yet_to_be_told = item.pin == ShownPin::Blank && Self::proves_by_pin(&self.lock(lock).facts.profile);
        for code in self.lock(lock).codes.clone() {
            let is_other_pin = |lost: &Lost| matches!(item.pin, ShownPin::Shown(pin) if pin != lost.pin);
            let is_renamed = |lost: &Lost| item.name.as_ref().is_some_and(|name| *name != lost.name);
            let differs = |lost: &Lost| is_other_pin(lost) || is_renamed(lost) && (!is_yet_to_be_told || lost.noticed_at.is_some());
            self.find_lost(code, |lost| lost.place == item.place && snapshot_at >= lost.at && differs(lost));
        }
        let state = &mut self.locks[lock.0 as usize];
        let schedules = state.facts.profile.schedules;
        let Some(stored) = state.memory.get_mut(&item.place) else { return };
        let Some(touch) = stored.touched.filter(|touch| snapshot_at >= touch.at) else { return };
        let entry = &stored.entry;
        let left = Touch {
            came: false,
            pin: touch.pin && item.pin != ShownPin::Shown(entry.pin),
            window: touch.window && !(schedules && item.window == entry.window),
            enabled: touch.enabled && item.enabled != entry.enabled,
            name: touch.name && item.name.as_ref() != Some(&entry.name),
            ..touch
        };
        if left == touch {
            return;
        }
        // What the vendor never shows stays unseen: a PIN, and that an entry without PIN and name is a code's that came back.
        let hides_pin = !matches!(item.pin, ShownPin::Shown(_));
        let is_anybodys = item.name.is_none() && stored.code.is_some();
        // An old state of memory may have come back with a PIN that others gave the entry then (`F-06`).
        let is_edited = stored.code.is_some_and(|code| !self.codes[code.0 as usize].pins.contains(&stored.entry.pin));
        let is_unseen = if touch.came { is_anybodys || is_edited } else { left.pin };
        stored.touched = Some(left).filter(|_| is_unseen && hides_pin);
        let code = stored.code;
        if let Some(granted_at) = stored.granted_at.as_mut() {
            *granted_at = self.now;
        }
        self.cleared.push(Cleared::Entry(lock, item.place, touch));
        // Another name alone is no news (`R-64` a).
        let is_news = left != Touch { name: left.name, ..touch };
        if let Some(known) = self.lock(lock).picture.places.get(&item.place).copied().filter(|_| is_news) {
            self.tell_anew(lock, item.place, known.pin, known.whose);
        }
        if let Some(code) = code {
            // A definite change of cause is one once it is shown, whatever was tried since it came (`R-03`).
            self.codes[code.0 as usize].work.show_cause(self.now);
            self.touch_code(code);
        }
        self.show_change(lock);
    }

    /// A plain read may be older than what the controller did itself at the place, and a fresh one older than its answer: it proves nothing
    /// against that (`R-04`, F-03).
    fn may_be_outdated(&self, lock: Lock, sent: &Sent, place: Place) -> bool {
        let state = self.lock(lock);
        let owner = state.memory.get(&place).and_then(|stored| stored.code);
        if is_fresh(&sent.command.op) {
            // Begun before the entry was confirmed, or its place told by an answer, it may be from before that write.
            let confirmed_at = owner.and_then(|code| self.code(code).work.confirmed_at);
            let is_its_own = |known: &&Known| owner.is_some_and(|code| known.whose == Whose::Code(code));
            // What it was told at this instant this read told it.
            let is_earlier = |since: &Timestamp| *since < self.now;
            let told_at = state.picture.places.get(&place).filter(is_its_own).map(|known| known.since).filter(is_earlier);
            // Some vendors confirm by reads alone.
            let is_set = |code: &CodeIx| self.code(*code).status() == Some(Status::Set);
            let set_at = owner.filter(is_set).map(|code| self.code(code).status_since);
            return confirmed_at.max(told_at).max(set_at).is_some_and(|known_at| sent.at < known_at);
        }
        let last_own = owner.map_or(Timestamp::MIN, |code| self.code(code).work.active_at);
        let is_open = owner.is_some_and(|code| self.code(code).work.unsettled > 0);
        is_open || sent.at < last_own + state.facts.profile.read_lag_ms
    }
}
