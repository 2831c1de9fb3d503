//! What the controller was shown of each lock: by answers, listings and notices, and what it can know from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_core::access_code::Status;
use keyway_core::id::{Epoch, Handle};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, Command, Item, Op, Place, Reason};
use keyway_core::time::Timestamp;
use keyway_core::vendor::ReadBack;

use super::commands::pin_of;
use super::unsaved::{Cleared, Unsaved};
use super::{Closing, Code, CodeIx, History, Last, LockState, Lost, Sent, Stored, Touch, Work, target};
use crate::occurrence::{Lock, Origin};

/// What the controller was told of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The PIN, if it was shown or written by the controller itself.
    pub pin: Option<Pin>,
    /// Whose it is.
    pub whose: Whose,
    /// When it was last told something of it that it did not know.
    pub(super) since: Timestamp,
    /// What was known of the place before a notice said that it left, or a listing lacked it; a read that shows it still there tells nothing new (port.md 7).
    pub(super) left: Option<Departed>,
}

/// What a notice said to have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departed {
    pub pin: Option<Pin>,
    pub whose: Whose,
    pub since: Timestamp,
}

impl Known {
    fn tells_the_same(&self, other: &Self) -> bool {
        (self.pin, self.whose) == (other.pin, other.whose)
    }
}

/// Whose an entry is, as far as the controller can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of this code.
    Code(CodeIx),
    /// Somebody else's.
    Foreign,
    /// It can't tell.
    Unsure,
    /// The place is free.
    Free,
}

/// What the controller was told of a lock.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The newest incarnation it was told of.
    pub epoch: Option<Epoch>,
    /// When it was told of that incarnation.
    pub epoch_at: Option<Timestamp>,
    /// Each place it was told of in that incarnation.
    pub places: BTreeMap<Place, Known>,
    /// Whether it was shown a complete listing in that incarnation.
    pub is_inventoried: bool,
    /// Positions that a refusal taught it, if any.
    pub limit: Option<u32>,
    /// When the last one did.
    pub(super) limited_at: Timestamp,
    /// Places that called themselves occupied, and when, of which nothing was shown since.
    pub(super) refused: BTreeMap<Place, Timestamp>,
    /// When the last complete listing was delivered, and its snapshot.
    pub listed: Option<(Timestamp, Timestamp)>,
    pub(super) pages: Vec<Arc<[Item]>>,
    pub(super) listing_began: Option<Timestamp>,
    pub(super) listing_snapshot: Timestamp,
    pub(super) is_stale: bool,
    /// Handles that it was told to be erased, and when; none is given twice.
    pub(super) erased: BTreeMap<Handle, Timestamp>,
    /// Places that a listing lacked, and whose they were. That nothing is there any more is known only when a direct read or an erasure says so (`P-12`).
    pub(super) missed: BTreeMap<Place, Whose>,
}

impl Picture {
    /// Places known to hold something.
    #[must_use]
    pub fn occupied(&self) -> u32 {
        self.places.values().filter(|known| known.whose != Whose::Free).count() as u32
    }

    /// Whether a command was emitted for an incarnation that is known to be over: its answer says nothing of this one (`R-57`).
    pub(super) fn outdates(&self, command: &Command) -> bool {
        self.epoch.is_some_and(|epoch| command.epoch < epoch)
    }
}

impl History {
    /// The places of a lock that are known to be taken, and all that it has as far as was told (`I-DEV-03`).
    #[must_use]
    pub fn known_room(&self, lock: Lock) -> (u32, u32) {
        let state = self.lock(lock);
        let told = state.positions;
        // Where nothing can be read room may come unseen, and is tried for after as long as a twin is.
        let is_blind = state.facts.profile.read_back == ReadBack::None;
        let is_doubted = is_blind && self.now() >= state.picture.limited_at + self.policy().refused_retry_ms;
        let limit = state.picture.limit.filter(|_| !is_doubted);
        (state.picture.occupied(), limit.map_or(told, |limit| limit.min(told)))
    }

    /// Whether all places of a lock are or may be taken, as far as anybody can know: by what is known to be there, or by writes of which it was not told what
    /// became (`P-05`, `R-60`).
    fn may_be_full(&self, lock: Lock) -> bool {
        let (occupied, capacity) = self.known_room(lock);
        let picture = &self.lock(lock).picture;
        let is_known = |place: Place| picture.places.get(&place).is_some_and(|known| known.whose != Whose::Free);
        let takes = |op: &Op| pin_of(op).is_some() && !target(op).is_some_and(is_known);
        let codes = self.lock(lock).codes.iter().map(|code| self.code(*code)).filter(|code| code.record.is_some());
        occupied + codes.filter(|code| in_doubt(&code.work).any(takes)).count() as u32 >= capacity
    }

    /// Free places that called themselves occupied so lately that nobody tries them again (`R-20`): what was in them unseen left unseen (`R-54`).
    #[must_use]
    pub fn unwilling_places(&self, lock: Lock) -> u32 {
        let (state, since) = (self.lock(lock), self.now() - self.policy().refused_retry_ms);
        let is_unwilling = |(place, at): &(&Place, &Timestamp)| **at > since && !state.memory.contains_key(place);
        state.picture.refused.iter().filter(is_unwilling).count() as u32
    }

    /// Whether a lock is full as far as anybody can know: what left it was never to be seen.
    pub(super) fn is_full_unseen(&self, lock: Lock) -> bool {
        let state = self.lock(lock);
        let (occupied, capacity) = self.known_room(lock);
        state.facts.profile.read_back == ReadBack::None && occupied >= capacity
    }

    /// Whose the controller was told a place to be, in the incarnation that is.
    pub(super) fn whose_told(&self, lock: Lock, place: Place) -> Option<Whose> {
        self.told(lock, place).map(|known| known.whose)
    }

    /// The PIN that the controller was told to lie in a place, in the incarnation that is.
    pub(super) fn told_pin(&self, lock: Lock, place: Place) -> Option<Pin> {
        self.told(lock, place)?.pin
    }

    pub(super) fn told(&self, lock: Lock, place: Place) -> Option<&Known> {
        let state = self.lock(lock);
        let is_of_now = state.picture.epoch == Some(state.epoch);
        state.picture.places.get(&place).filter(|_| is_of_now)
    }

    /// Whether an entry of the code has left this place, and the controller was not told so but by a listing (`P-12`), or died before it saved that (`P-08`).
    #[must_use]
    pub fn is_yet_to_leave(&self, code: CodeIx, place: Option<Place>) -> bool {
        let (Some(lock), Some(place)) = (self.code(code).lock, place) else { return false };
        let LockState { memory, picture, .. } = self.lock(lock);
        let was_its_own = |whose: Option<Whose>| whose == Some(Whose::Code(code));
        !memory.contains_key(&place) && (was_its_own(self.whose_told(lock, place)) || was_its_own(picture.missed.get(&place).copied()))
    }

    /// What the controller learns from a write or an erasure that was done.
    pub(super) fn learn_done(&mut self, now: Timestamp, lock: Lock, sent: &Sent, answer: &Answer, snapshot_at: Option<Timestamp>) {
        let place = match answer {
            Answer::Done { handle: Some(handle) } | Answer::Assigned { handle, .. } => Some(Place::Handle(*handle)),
            _ => target(&sent.command.op),
        };
        if self.lock(lock).picture.outdates(&sent.command) {
            return;
        }
        let Some(place) = place else { return self.learn_seat(lock, sent) };
        if self.is_done_over(sent, place) {
            return;
        }
        if let Place::Handle(handle) = place {
            let LockState { picture, memory, .. } = &mut self.locks[lock.0 as usize];
            // A listing that lacked it may be from before it was stored.
            let is_missed = picture.missed.contains_key(&place) && !memory.contains_key(&place);
            if sent.command.op.is_erasing() {
                picture.erased.insert(handle, now);
            } else if picture.erased.contains_key(&handle) || is_missed {
                // The answer to what stored it has come late (`P-06`, `P-12`).
                return;
            }
        }
        let pin = match &sent.command.op {
            // The one that the vendor says it has chosen.
            Op::AssignPin { .. } => match answer {
                Answer::Assigned { pin, .. } => Some(*pin),
                _ => None,
            },
            op => pin_of(op),
        };
        let state = &mut self.locks[lock.0 as usize];
        if state.clock_means_at.is_none() {
            state.clock_means_at = Some(now);
        }
        if sent.command.op.is_erasing() {
            state.picture.missed.remove(&place);
            let frees = self.may_be_full(lock);
            self.tell_anew(lock, place, None, Whose::Free);
            self.show_change(lock);
            if frees {
                // Capacity freed is a definite change of cause for all who wait for it (`R-03`).
                self.change_cause(lock, now);
            }
            // Whichever copy of it ran, and whenever: nothing of its own code was left then. What else a copy erased nobody was told (`P-02`).
            if let (Some(code), Some(ran_at)) = (sent.code, snapshot_at) {
                self.find_lost(code, |lost| lost.place == place && ran_at >= lost.at);
            }
            return self.learn_absence(now, lock, place, sent.at, sent.code);
        }
        if let Some(code) = sent.code {
            self.learn_place(lock, place, code);
        }
        let whose = sent.code.map_or(Whose::Unsure, Whose::Code);
        let known = self.lock(lock).picture.places.get(&place).and_then(|known| known.pin);
        self.tell_anew(lock, place, pin.or(known), whose);
        let state = &mut self.locks[lock.0 as usize];
        // More fitted in than was known when the lock called itself full.
        state.picture.limit = state.picture.limit.map(|limit| limit.max(state.picture.occupied()));
        // A late answer may speak of an entry that has since been replaced (port.md 7).
        let is_told = |stored: &Stored| snapshot_at.is_none_or(|snapshot_at| stored.since <= snapshot_at);
        // Nor does it tell what became of a command that was saved to follow it, and perhaps was sent (`R-60`).
        if let Some(code) = sent.code
            && self.is_at_goal(code)
            && self.code(code).work.unsent.is_none()
            && self.entries(code).all(|(_, stored)| is_told(stored))
        {
            self.codes[code.0 as usize].work.confirmed_at = Some(now);
            self.unsaved_proofs.push(code);
        }
    }

    /// A user has got its seat: reads that began before may show its entry without (`P-06`).
    fn learn_seat(&mut self, lock: Lock, sent: &Sent) {
        let Some(code) = sent.code.filter(|_| matches!(sent.command.op, Op::TakeSeat { .. })) else { return };
        let places = self.lock(lock).picture.places.iter();
        let own: Vec<(Place, Option<Pin>)> =
            places.filter(|(_, known)| known.whose == Whose::Code(code)).map(|(place, known)| (*place, known.pin)).collect();
        for (place, pin) in own {
            self.tell_anew(lock, place, pin, Whose::Code(code));
        }
    }

    /// Whether a command for the same place that was sent later was done already: what this one stored is no more, however late that is told (`P-02`).
    fn is_done_over(&self, sent: &Sent, place: Place) -> bool {
        let last = sent.code.and_then(|code| self.code(code).work.last.as_ref());
        // That an own entry serves there may have been read (P-06).
        let serves = sent.command.op.is_erasing() && sent.code.is_some_and(|code| self.code(code).status() == Some(Status::Set));
        last.is_some_and(|last| last.id != sent.command.command_id && (last.was_done || serves) && target(&last.op) == Some(place))
    }

    /// An answer names the place of the code's entry: then it is known to be the code's, though others changed it before anybody was told.
    fn learn_place(&mut self, lock: Lock, place: Place, code: CodeIx) {
        let id = self.code(code).id;
        let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place) else { return };
        if stored.code.is_some() || stored.entry.origin != Origin::Code(id) {
            return;
        }
        stored.code = Some(code);
        stored.touched = Some(Touch { at: stored.since, came: false, pin: true, window: true, enabled: true, name: true });
        let state = &mut self.codes[code.0 as usize];
        state.places.push(place);
        state.lost.retain(|lost| lost.place != place);
        self.touch_code(code);
    }

    /// Absence of what was at this place is proven (`P-12`): by an erasure or by a fresh read that was sent for at `since`.
    pub(super) fn learn_absence(&mut self, now: Timestamp, lock: Lock, place: Place, since: Timestamp, erased_for: Option<CodeIx>) {
        for at in 0..self.lock(lock).codes.len() {
            let code = self.lock(lock).codes[at];
            // What was confirmed after a read had begun may be newer than what it shows (P-06).
            let is_set_since = |code: &Code| code.status() == Some(Status::Set) && code.status_since > since;
            if erased_for.is_none() && is_set_since(self.code(code)) {
                continue;
            }
            self.find_lost(code, |lost| lost.place == place && since >= lost.at);
        }
        if let Some(code) = erased_for
            && !self.is_resident(code)
            && self.code(code).work.unsettled == 0
        {
            self.codes[code.0 as usize].work.absent_at = Some(now);
            self.unsaved_proofs.push(code);
        }
    }

    /// The controller was shown these losses.
    pub(super) fn find_lost(&mut self, code: CodeIx, shown: impl Fn(&Lost) -> bool) {
        if self.code(code).lost.is_empty() {
            return;
        }
        let state = &mut self.codes[code.0 as usize];
        let (found, left): (Vec<Lost>, Vec<Lost>) = state.lost.drain(..).partition(|lost| shown(lost));
        state.lost = left;
        if !found.is_empty() {
            // A definite change of cause is one once it is shown, whatever was tried since it came (`R-03`).
            state.work.show_cause(self.now);
            self.cleared.extend(found.into_iter().map(|lost| Cleared::Lost(code, lost)));
            self.touch_code(code);
        }
    }

    pub(super) fn learn_refusal(&mut self, lock: Lock, sent: &Sent, reason: Reason) {
        let now = self.now;
        let picture = &mut self.locks[lock.0 as usize].picture;
        if picture.outdates(&sent.command) {
            return;
        }
        if let (Reason::SlotOccupied, Some(place)) = (reason, target(&sent.command.op)) {
            picture.refused.insert(place, now);
        }
        let taught = match (reason, target(&sent.command.op)) {
            // What it says of a command that is forgotten harms nobody, and teaches nobody (P-01).
            _ if sent.is_past => None,
            (Reason::Full, _) => Some(picture.occupied()),
            (Reason::SlotOutOfRange, Some(Place::Slot(slot))) => Some(u32::from(slot.0.saturating_sub(1))),
            _ => None,
        };
        if let Some(taught) = taught {
            let is_news = picture.limit.is_none_or(|limit| taught < limit);
            (picture.limit, picture.limited_at) = (Some(picture.limit.map_or(taught, |limit| limit.min(taught))), now);
            if let Some(code) = sent.code.filter(|_| is_news && reason == Reason::SlotOutOfRange) {
                // That is knowledge about capacity, and no failure of the path (`R-59`).
                let work = &mut self.codes[code.0 as usize].work;
                work.attempts = work.attempts.saturating_sub(1);
            }
            self.weigh_hindrances(now, lock, false);
        }
    }

    /// The controller is told of a place, which a crash before the next save takes back.
    pub(super) fn tell(&mut self, lock: Lock, place: Place, pin: Option<Pin>, whose: Whose) -> Option<Known> {
        let before = self.lock(lock).picture.places.get(&place).copied();
        let since = match before.and_then(|before| before.left) {
            Some(left) if left.whose == whose && left.pin.zip(pin).is_none_or(|(left, shown)| left == shown) => left.since,
            _ => self.now,
        };
        let known = Known { pin, whose, since, left: None };
        if !before.is_some_and(|before| before.tells_the_same(&known)) {
            self.set_known(lock, place, Some(known));
        }
        before
    }

    /// The controller is told that a place is free: in a full lock a definite change of cause for all who wait for room (`R-03`).
    pub(super) fn tell_free(&mut self, lock: Lock, place: Place) -> Option<Known> {
        let frees = self.may_be_full(lock);
        let before = self.tell(lock, place, None, Whose::Free);
        if frees && before.is_some_and(|known| known.whose != Whose::Free) {
            self.change_cause(lock, self.now);
        }
        before
    }

    /// The controller is told that what it knew of in a place has left, and may yet be shown that it is still there (port.md 7, `P-12`).
    pub(super) fn tell_left(&mut self, lock: Lock, place: Place) {
        if let Some(left) = self.tell_free(lock, place).filter(|known| known.whose != Whose::Free) {
            let left = Departed { pin: left.pin, whose: left.whose, since: left.since };
            self.locks[lock.0 as usize].picture.places.entry(place).and_modify(|known| known.left = Some(left));
        }
    }

    /// An answer to its own command tells the controller of a place: that is news, whatever it knew before.
    pub(super) fn tell_anew(&mut self, lock: Lock, place: Place, pin: Option<Pin>, whose: Whose) {
        self.set_known(lock, place, Some(Known { pin, whose, since: self.now, left: None }));
    }

    /// The controller knows nothing of a place any more.
    pub(super) fn forget_place(&mut self, lock: Lock, place: Place) {
        self.set_known(lock, place, None);
    }

    fn set_known(&mut self, lock: Lock, place: Place, known: Option<Known>) {
        let picture = &mut self.locks[lock.0 as usize].picture;
        let before = match known {
            Some(known) => picture.places.insert(place, known),
            None => picture.places.remove(&place),
        };
        if before != known {
            self.unsaved_known.push(Unsaved::Of(lock, place, before));
        }
    }

    /// All of the lock is known from now on.
    pub(super) fn tell_all(&mut self, lock: Lock) {
        if !std::mem::replace(&mut self.locks[lock.0 as usize].picture.is_inventoried, true) {
            self.unsaved_known.push(Unsaved::Inventory(lock));
        }
    }

    /// The controller was shown something new in the lock: it may try again what was refused for good or as a twin (`R-20`, `R-54`).
    pub(super) fn show_change(&mut self, lock: Lock) {
        self.locks[lock.0 as usize].change_shown_at = self.now;
        for at in 0..self.lock(lock).codes.len() {
            let code = self.lock(lock).codes[at];
            // Be it a word that came late, or beside another write that was open.
            let work = &self.code(code).work;
            if work.refused_at.is_some() || work.is_refused_for_good || work.told_twin_at.is_some() {
                self.codes[code.0 as usize].work.change_cause(self.now);
            }
        }
    }
}

/// What the last command of a code was to do, if no answer told what became of it, and one that the controller could not know to be unsent (`R-60`).
pub(super) fn in_doubt(work: &Work) -> impl Iterator<Item = &Op> {
    let is_in_doubt = |last: &&Last| matches!(last.closing, Closing::Open | Closing::Ambiguous | Closing::MaybeDuplicate);
    work.last.iter().filter(is_in_doubt).chain(&work.unsent).map(|last| &last.op)
}
