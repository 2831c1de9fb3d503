//! What the controller was shown of each lock: by answers, listings and notices, and what it can know from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyway_core::id::{AccountId, Epoch, Handle, VendorDevice};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, DeviceInfo, Item, News, Notice, Op, Place, Reason, ShownPin, SlotContent};
use keyway_core::time::{MINUTE_MS, SECOND_MS, Timestamp};
use keyway_core::vendor::ReadBack;

use super::commands::{Closing, Last, Sent, Work, is_fresh, pin_of, stores_at, target};
use super::memory::{Lost, Stored, Touch};
use super::{CodeIx, Hindrance, History, LockState};
use crate::occurrence::{Cause, Lock, Origin};

/// Two complete fresh listings this far apart show an absence (`P-12`).
const LISTINGS_APART_MS: i64 = 30 * SECOND_MS;

/// A copy of a notice comes within this time of the first (port.md 7).
const COPIES_COME_WITHIN_MS: i64 = 2 * MINUTE_MS;

/// What the controller was told of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The PIN, if it was shown or written by the controller itself.
    pub pin: Option<Pin>,
    /// Whose it is.
    pub whose: Whose,
    /// When it was last told something of it that it did not know.
    pub(super) since: Timestamp,
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

/// What was cleared of touches since the last save; a crash brings it back.
#[derive(Clone, Debug)]
pub(super) enum Cleared {
    Entry(Lock, Place, Touch),
    Lost(CodeIx, Lost),
    /// Somebody's entry at this place, since then, was this code's.
    Owner(Lock, Place, Timestamp, CodeIx),
}

/// What the controller was told of a lock since the last save; a crash takes it back.
#[derive(Clone, Debug)]
pub(super) enum Unsaved {
    /// Something of this place, of which it knew this before.
    Of(Lock, Place, Option<Known>),
    /// A new incarnation, which made void what it knew before.
    Incarnation(Lock, Box<Picture>),
    /// A name that the vendor has for a lock.
    Met(AccountId, VendorDevice),
    /// The first complete listing of an incarnation.
    Inventory(Lock),
}

/// What the controller was told of a lock.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The newest incarnation it was told of.
    pub epoch: Option<Epoch>,
    /// When it was told of that incarnation.
    pub epoch_at: Option<Timestamp>,
    /// Each place it was told of in that incarnation.
    pub places: std::collections::BTreeMap<Place, Known>,
    /// Whether it was shown a complete listing in that incarnation.
    pub is_inventoried: bool,
    /// Positions that a refusal taught it, if any.
    pub limit: Option<u32>,
    /// When the last one did.
    limited_at: Timestamp,
    /// Places that called themselves occupied, and when, of which nothing was shown since.
    refused: std::collections::BTreeMap<Place, Timestamp>,
    /// When the last complete listing was delivered, and its snapshot.
    pub listed: Option<(Timestamp, Timestamp)>,
    pages: Vec<Arc<[Item]>>,
    listing_began: Option<Timestamp>,
    listing_snapshot: Timestamp,
    pub(super) is_stale: bool,
    /// Handles that it was told to be erased, and when; none is given twice.
    erased: std::collections::BTreeMap<Handle, Timestamp>,
    /// What was known of places before a notice said that it left; a read that shows it still there tells nothing new (port.md 7).
    said_to_have_left: std::collections::BTreeMap<Place, Known>,
    /// Places that a listing lacked, and whose they were. That nothing is there any more is known only when a direct read or an erasure says so (`P-12`).
    missed: std::collections::BTreeMap<Place, Whose>,
}

impl Picture {
    /// Places known to hold something.
    #[must_use]
    pub fn occupied(&self) -> u32 {
        self.places.values().filter(|known| known.whose != Whose::Free).count() as u32
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
        let Some(place) = place else { return };
        if self.lock(lock).picture.epoch.is_some_and(|epoch| sent.command.epoch < epoch) {
            return; // Done in an incarnation that is known to be over.
        }
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
            Op::AssignPin { .. } => assigned_pin(answer),
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

    /// Whether a command for the same place that was sent later was done already: what this one stored is no more, however late that is told (`P-02`).
    fn is_done_over(&self, sent: &Sent, place: Place) -> bool {
        let last = sent.code.and_then(|code| self.code(code).work.last.as_ref());
        last.is_some_and(|last| last.id != sent.command.command_id && last.closing == Closing::Done && target(&last.op) == Some(place))
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
    fn find_lost(&mut self, code: CodeIx, shown: impl Fn(&Lost) -> bool) {
        if self.code(code).lost.is_empty() {
            return;
        }
        let state = &mut self.codes[code.0 as usize];
        let (found, left): (Vec<Lost>, Vec<Lost>) = state.lost.drain(..).partition(|lost| shown(lost));
        state.lost = left;
        if !found.is_empty() {
            self.cleared.extend(found.into_iter().map(|lost| Cleared::Lost(code, lost)));
            self.touch_code(code);
        }
    }

    pub(super) fn learn_refusal(&mut self, lock: Lock, sent: &Sent, reason: Reason) {
        let now = self.now;
        let picture = &mut self.locks[lock.0 as usize].picture;
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

    /// A read's answer was delivered.
    pub(super) fn read(&mut self, now: Timestamp, sent: &Sent, answer: &Answer, snapshot_at: Option<Timestamp>) {
        match answer {
            Answer::Devices { items, .. } => {
                for info in items.iter() {
                    self.meet(sent, info);
                }
            }
            Answer::Device(info) => self.meet(sent, info),
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
                self.locks[lock.0 as usize].picture.said_to_have_left.remove(&place);
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

    /// One page of a listing. A page that shows what it showed last time, of a lock where nothing is unseen or open, costs a comparison.
    fn read_page(&mut self, now: Timestamp, lock: Lock, sent: &Sent, items: &Arc<[Item]>, is_last: bool, snapshot_at: Timestamp) {
        let Op::ListEntries { page, fresh } = sent.command.op else { return };
        let state = &mut self.locks[lock.0 as usize];
        if page == 0 {
            (state.picture.listing_began, state.picture.listing_snapshot) = (Some(sent.at), snapshot_at);
        }
        state.picture.listing_snapshot = state.picture.listing_snapshot.min(snapshot_at);
        let at = page as usize;
        let is_known = state.picture.pages.get(at).is_some_and(|known| Arc::ptr_eq(known, items) || **known == **items);
        let is_same_end = !is_last || state.picture.pages.len() == at + 1;
        let is_quick = is_known && is_same_end && !state.picture.is_stale;
        if !is_quick {
            self.read_page_anew(lock, sent, items, at, is_last, fresh, snapshot_at);
        }
        if is_last && self.lock(lock).picture.listing_began.is_some() {
            self.tell_all(lock);
            let picture = &mut self.locks[lock.0 as usize].picture;
            picture.listed = Some((now, picture.listing_snapshot));
            // What was unseen when the lock called itself full was in it too.
            picture.limit = picture.limit.map(|limit| limit.max(picture.occupied()));
        }
    }

    #[allow(clippy::too_many_arguments)] // The parts of one page.
    fn read_page_anew(
        &mut self,
        lock: Lock,
        sent: &Sent,
        items: &Arc<[Item]>,
        at: usize,
        is_last: bool,
        fresh: bool,
        snapshot_at: Timestamp,
    ) {
        let picture = &mut self.locks[lock.0 as usize].picture;
        picture.pages.truncate(if is_last { at + 1 } else { picture.pages.len() });
        if picture.pages.len() <= at {
            picture.pages.resize(at + 1, Arc::from([]));
        }
        picture.pages[at] = items.clone();
        for item in items.iter() {
            self.read_item(lock, sent, item);
        }
        if fresh {
            self.seek_lost_in_page(lock, items, at == 0);
        }
        if is_last {
            for page in self.lock(lock).picture.pages.clone() {
                for item in page.iter() {
                    self.see_entry(lock, sent, item, self.lock(lock).picture.listing_snapshot);
                }
            }
            if fresh && let Some(began) = self.lock(lock).picture.listing_began {
                self.end_fresh_listing(lock, began);
            }
            let LockState { memory, picture, .. } = self.lock(lock);
            let is_missed = |(place, known): &(&Place, &Known)| {
                // What a code put there and still has is no less its own for one listing without it, which shows no absence (P-12).
                let is_still_its_own =
                    matches!(known.whose, Whose::Code(code) if memory.get(place).is_some_and(|stored| stored.code == Some(code)));
                let is_shown = picture.pages.iter().any(|page| page.iter().any(|item| item.place == **place));
                !(known.whose == Whose::Free || is_still_its_own || is_shown)
            };
            let missed: Vec<(Place, Known)> = picture.places.iter().filter(is_missed).map(|(place, known)| (*place, *known)).collect();
            for (place, known) in &missed {
                self.locks[lock.0 as usize].picture.missed.insert(*place, known.whose);
                // It was a code's own in this incarnation: a command for it can't meet anybody else's entry.
                let was_own = matches!(known.whose, Whose::Code(_));
                if was_own {
                    self.tell_free(lock, *place);
                } else {
                    self.forget_place(lock, *place);
                }
            }
            if !missed.is_empty() {
                self.show_change(lock);
            }
            self.refresh_staleness(lock, snapshot_at);
        }
    }

    /// A listing must be read with care again while something in the lock is unseen or open, or newer than what was read.
    fn refresh_staleness(&mut self, lock: Lock, snapshot_at: Timestamp) {
        let state = self.lock(lock);
        let is_unseen = state.memory.values().any(|stored| stored.touched.is_some() || stored.since > snapshot_at);
        let is_lost = state.codes.iter().any(|code| !self.code(*code).lost.is_empty());
        // Only a look past every cache makes it known for a code's after a join.
        let is_unsure = |place: &Place| state.picture.places.get(place).is_some_and(|known| known.whose == Whose::Unsure);
        let is_doubted = state.memory.iter().any(|(place, stored)| stored.code.is_some() && is_unsure(place));
        let is_stale = is_unseen || is_lost || is_doubted || !state.open.is_empty();
        self.locks[lock.0 as usize].picture.is_stale = is_stale;
    }

    fn seek_lost_in_page(&mut self, lock: Lock, items: &Arc<[Item]>, is_first: bool) {
        for code in self.lock(lock).codes.clone() {
            for lost in &mut self.codes[code.0 as usize].lost {
                let is_here = items.iter().any(|item| item.place == lost.place);
                lost.is_in_listing = is_here || (lost.is_in_listing && !is_first);
            }
        }
    }

    /// A complete fresh listing ended: two of them, or one after a notice, show an absence.
    fn end_fresh_listing(&mut self, lock: Lock, began: Timestamp) {
        let joined_at = self.lock(lock).joined_at;
        for code in self.lock(lock).codes.clone() {
            // One that began before it was told that the entry is there may be from before that (`R-04`).
            let places = &self.lock(lock).picture.places;
            let is_early = |(_, known): &(&Place, &Known)| known.whose == Whose::Code(code) && began < known.since;
            let early: BTreeSet<Place> = places.iter().filter(is_early).map(|(place, _)| *place).collect();
            let is_late = |lost: &Lost| began >= lost.at && !early.contains(&lost.place);
            let shown = |lost: &Lost| {
                let is_absent = is_late(lost) && !lost.is_in_listing;
                // The first inventory of an incarnation tells what is missing from before (`R-57`).
                let is_inventory = joined_at.is_some_and(|joined_at| lost.at <= joined_at && began >= joined_at);
                let again = lost.listed_without.is_some_and(|first| began - first >= LISTINGS_APART_MS);
                is_absent && (is_inventory || again || lost.noticed_at.is_some_and(|noticed| began >= noticed))
            };
            self.find_lost(code, shown);
            // A listing beside a write that may yet run says nothing of what that write stores.
            let is_open = self.code(code).work.unsettled > 0;
            for lost in &mut self.codes[code.0 as usize].lost {
                if lost.is_in_listing || is_open {
                    lost.listed_without = None;
                } else if is_late(lost) {
                    lost.listed_without = lost.listed_without.or(Some(began));
                }
            }
        }
    }

    /// A read shows an entry.
    fn read_item(&mut self, lock: Lock, sent: &Sent, item: &Item) {
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
        let is_sure =
            is_look || state.joined_at.is_none() || is_made_since || before.is_some_and(|known| matches!(known.whose, Whose::Code(_)));
        let whose = match state.memory.get(&item.place).filter(|stored| shown.is_none_or(|pin| pin == stored.entry.pin)) {
            Some(Stored { code: Some(_), .. }) if !is_sure => Whose::Unsure,
            Some(Stored { code: Some(code), .. }) => Whose::Code(*code),
            Some(_) if before.is_some_and(|known| self.looks_like(known, item)) => Whose::Unsure,
            // A place in doubt, or somebody's, stays so while reads show nothing of what is in it, or what they showed.
            Some(_) if before.is_some_and(|known| matches!(known.whose, Whose::Unsure | Whose::Foreign) && shows_nothing_new(known)) => {
                before.map_or(Whose::Unsure, |known| known.whose)
            }
            Some(stored) if self.may_be_own(lock, &stored.entry) => Whose::Unsure,
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
            if before.is_none_or(|known| known.whose == Whose::Free || known.pin != shown) {
                self.show_change(lock);
            }
        }
    }

    /// Whether a command of which nobody knows what became was to store something in this place.
    fn is_written_in_doubt(&self, lock: Lock, place: Place) -> bool {
        self.lock(lock).codes.iter().any(|code| in_doubt(&self.code(*code).work).any(|op| stores_at(op, place)))
    }

    /// The controller is told of a place, which a crash before the next save takes back.
    fn tell(&mut self, lock: Lock, place: Place, pin: Option<Pin>, whose: Whose) -> Option<Known> {
        let before = self.lock(lock).picture.places.get(&place).copied();
        let since = match self.lock(lock).picture.said_to_have_left.get(&place) {
            Some(left) if left.whose == whose && left.pin.zip(pin).is_none_or(|(left, shown)| left == shown) => left.since,
            _ => self.now,
        };
        let known = Known { pin, whose, since };
        if !before.is_some_and(|before| before.tells_the_same(&known)) {
            self.set_known(lock, place, Some(known));
        }
        before
    }

    /// The controller is told that a place is free: in a full lock a definite change of cause for all who wait for room (`R-03`).
    fn tell_free(&mut self, lock: Lock, place: Place) -> Option<Known> {
        let frees = self.may_be_full(lock);
        let before = self.tell(lock, place, None, Whose::Free);
        if frees && before.is_some_and(|known| known.whose != Whose::Free) {
            self.change_cause(lock, self.now);
        }
        before
    }

    /// An answer to its own command tells the controller of a place: that is news, whatever it knew before.
    pub(super) fn tell_anew(&mut self, lock: Lock, place: Place, pin: Option<Pin>, whose: Whose) {
        self.set_known(lock, place, Some(Known { pin, whose, since: self.now }));
    }

    /// The controller knows nothing of a place any more.
    fn forget_place(&mut self, lock: Lock, place: Place) {
        self.set_known(lock, place, None);
    }

    fn set_known(&mut self, lock: Lock, place: Place, known: Option<Known>) {
        let picture = &mut self.locks[lock.0 as usize].picture;
        picture.said_to_have_left.remove(&place);
        let before = match known {
            Some(known) => picture.places.insert(place, known),
            None => picture.places.remove(&place),
        };
        if before != known {
            self.unsaved_known.push(Unsaved::Of(lock, place, before));
        }
    }

    /// All of the lock is known from now on.
    fn tell_all(&mut self, lock: Lock) {
        if !std::mem::replace(&mut self.locks[lock.0 as usize].picture.is_inventoried, true) {
            self.unsaved_known.push(Unsaved::Inventory(lock));
        }
    }

    /// It died before it saved what it was told: nobody was told (`P-08`, `R-60`).
    pub(super) fn take_back_known(&mut self) {
        for unsaved in std::mem::take(&mut self.unsaved_known).into_iter().rev() {
            match unsaved {
                Unsaved::Of(lock, place, Some(before)) => drop(self.locks[lock.0 as usize].picture.places.insert(place, before)),
                Unsaved::Of(lock, place, None) => drop(self.locks[lock.0 as usize].picture.places.remove(&place)),
                Unsaved::Incarnation(lock, before) => self.locks[lock.0 as usize].picture = *before,
                Unsaved::Met(account, device) => drop(self.met.remove(&(account, device))),
                Unsaved::Inventory(lock) => self.locks[lock.0 as usize].picture.is_inventoried = false,
            }
        }
    }

    /// The controller was shown something new in the lock: it may try again what was refused for good or as a twin (`R-20`, `R-54`).
    fn show_change(&mut self, lock: Lock) {
        self.locks[lock.0 as usize].change_shown_at = self.now;
        for at in 0..self.lock(lock).codes.len() {
            let code = self.lock(lock).codes[at];
            // Be it a word that came late, or beside another write that was open.
            let work = &self.code(code).work;
            if work.refused_at.is_some() || work.told_twin_at.is_some() {
                self.codes[code.0 as usize].work.change_cause(self.now);
            }
        }
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

    /// A plain read may be older than what the controller did itself at the place, and a fresh one older than its answer: it proves nothing
    /// against that (`R-04`, F-03).
    fn may_be_outdated(&self, lock: Lock, sent: &Sent, place: Place) -> bool {
        let state = self.lock(lock);
        let owner = state.memory.get(&place).and_then(|stored| stored.code);
        if is_fresh(&sent.command.op) {
            // Begun before the entry was confirmed, or its place told by an answer, it may be from before that write.
            let confirmed_at = owner.and_then(|code| self.code(code).work.confirmed_at);
            let is_its_own = |known: &&Known| owner.is_some_and(|code| known.whose == Whose::Code(code));
            let told_at = state.picture.places.get(&place).filter(is_its_own).map(|known| known.since);
            return confirmed_at.max(told_at).is_some_and(|known_at| sent.at < known_at);
        }
        let last_own = owner.map_or(Timestamp::MIN, |code| self.code(code).work.active_at);
        let is_open = owner.is_some_and(|code| self.code(code).work.unsettled > 0);
        is_open || sent.at < last_own + state.facts.profile.read_lag_ms
    }

    /// A direct read or a listing that is complete shows an entry: what others did to it is known from now on.
    fn see_entry(&mut self, lock: Lock, sent: &Sent, item: &Item, snapshot_at: Timestamp) {
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
        if let Some(known) = self.lock(lock).picture.places.get(&item.place).copied() {
            self.tell_anew(lock, item.place, known.pin, known.whose);
        }
        if let Some(code) = code {
            self.touch_code(code);
        }
        self.show_change(lock);
    }

    /// A notice was delivered.
    pub(super) fn hear_news(&mut self, now: Timestamp, notice: &Notice, snapshot_at: Timestamp, lock: Lock) {
        // An incarnation is known by the vendor's lists, or where its coming is told with the serial.
        let names_serial = matches!(notice.news, News::DeviceAdded { serial: Some(_) });
        if let Some(device) = notice.device {
            if names_serial {
                self.meet_device(notice.account, device);
            }
            if !self.has_met(notice.account, device) {
                return; // Of what lock it speaks nobody can know yet (`R-57`).
            }
            self.learn_epoch(lock, notice.epoch);
        }
        let picture = &self.lock(lock).picture;
        // A late copy may tell of an entry that was erased since (port.md 7).
        let was_erased = |place: Place| matches!(place, Place::Handle(handle) if picture.erased.contains_key(&handle));
        if let News::EntryAdded(place) = notice.news
            && !was_erased(place)
        {
            let before = picture.places.get(&place).copied();
            if before.is_none_or(|known| known.whose == Whose::Free) {
                self.tell(lock, place, before.and_then(|known| known.pin), Whose::Unsure);
            }
            if before.is_some_and(|known| known.whose == Whose::Free) {
                // Whether it is still there the next listing tells, even one that shows what the last one showed.
                self.locks[lock.0 as usize].picture.is_stale = true;
            }
        }
        if matches!(notice.news, News::EntryAdded(_) | News::EntryChanged(_)) {
            self.show_change(lock);
        }
        let successors: Vec<Place> = match notice.news {
            News::EntryAdded(place) | News::EntryRemoved(place) => vec![place],
            News::AllRemoved => self.lock(lock).memory.keys().copied().collect(),
            _ => Vec::new(),
        };
        let is_departure = !matches!(notice.news, News::EntryAdded(_));
        for place in successors {
            self.hear_of_successor(now, lock, place, snapshot_at, is_departure);
        }
        let is_all = notice.news == News::AllRemoved;
        let place = match notice.news {
            News::EntryRemoved(place) => Some(place),
            _ => None,
        };
        if !is_all && place.is_none() {
            return;
        }
        self.show_change(lock);
        if is_all {
            for known in self.lock(lock).picture.places.keys().copied().collect::<Vec<_>>() {
                self.forget_place(lock, known);
            }
            self.tell_all(lock);
        } else if let Some(place) = place
            && let Some(left) = self.tell_free(lock, place).filter(|known| known.whose != Whose::Free)
        {
            self.locks[lock.0 as usize].picture.said_to_have_left.insert(place, left);
        }
        self.locks[lock.0 as usize].picture.is_stale = true;
        for code in self.lock(lock).codes.clone() {
            for lost in &mut self.codes[code.0 as usize].lost {
                if (is_all || Some(lost.place) == place) && snapshot_at >= lost.at {
                    lost.noticed_at = lost.noticed_at.or(Some(now));
                }
            }
        }
    }

    /// The controller is told that a code's entry left its place, or that something was added there: what lies there since came after it, and under another name it
    /// is nobody's.
    fn hear_of_successor(&mut self, now: Timestamp, lock: Lock, place: Place, snapshot_at: Timestamp, is_departure: bool) {
        let state = self.lock(lock);
        let is_meant = |since: Timestamp| since == snapshot_at || is_departure && since > snapshot_at;
        let Some(stored) = state.memory.get(&place).filter(|stored| is_meant(stored.since) && stored.cause == Cause::World) else {
            return;
        };
        let Some(owner) = stored.code.filter(|_| stored.entry.origin == Origin::External && state.facts.profile.shows_names) else {
            return;
        };
        if self.is_name_of(owner, &stored.entry.name) {
            return;
        }
        // That something was added so soon after the controller was told of what lies there may be a copy of what was said of that.
        let is_own = |known: &&Known| known.whose == Whose::Code(owner);
        let told = self.told(lock, place).filter(is_own).map(|known| known.since);
        // What left in this incarnation is no longer what lay there when it began (`R-57`).
        let is_known_gone = is_departure && state.joined_at.is_some_and(|joined_at| stored.since > joined_at);
        if !is_known_gone && !told.is_some_and(|since| is_departure || now > since + COPIES_COME_WITHIN_MS) {
            return;
        }
        let before = stored.clone();
        self.unlink(place, Some(&before));
        self.lose(before.since, lock, owner, (place, &before));
        if let Some(lost) = self.codes[owner.0 as usize].lost.last_mut() {
            lost.noticed_at = Some(now);
        }
        if let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place) {
            stored.code = None;
        }
        self.cleared.push(Cleared::Owner(lock, place, before.since, owner));
        self.touch_lock(lock);
    }

    /// Whether the vendor's answers have named this device.
    #[must_use]
    pub fn has_met(&self, account: AccountId, device: VendorDevice) -> bool {
        self.met.contains(&(account, device))
    }

    fn meet_device(&mut self, account: AccountId, device: VendorDevice) {
        if self.met.insert((account, device)) {
            self.unsaved_known.push(Unsaved::Met(account, device));
        }
    }

    fn meet(&mut self, sent: &Sent, info: &DeviceInfo) {
        self.meet_device(sent.command.account, info.device);
        if let Some(lock) = self.vendor_ids.get(&(sent.command.account, info.device)).copied() {
            self.learn_epoch(lock, info.epoch);
            let state = &mut self.locks[lock.0 as usize];
            state.positions = info.positions;
            let told = Hindrance::told_by(info, &state.facts.profile);
            let known = std::mem::take(&mut state.hindrances);
            state.hindrances = told.map(|hindrance| (hindrance, known.get(&hindrance).copied().unwrap_or(self.now))).collect();
            // What the lock demands may be another thing now (`R-20`).
            for code in self.lock(lock).codes.clone() {
                self.codes[code.0 as usize].work.reconsider();
            }
        }
    }

    /// The controller is told of an incarnation: a new one voids all it knew of the lock, and all that was on its way (`P-10`).
    fn learn_epoch(&mut self, lock: Lock, epoch: Epoch) {
        let state = &mut self.locks[lock.0 as usize];
        let known = state.picture.epoch.unwrap_or_default();
        if epoch <= known {
            return;
        }
        let is_first = state.picture.epoch.is_none();
        let anew = Picture { epoch: Some(epoch), epoch_at: Some(self.now), is_stale: true, ..Picture::default() };
        let before = std::mem::replace(&mut state.picture, anew);
        self.unsaved_known.push(Unsaved::Incarnation(lock, Box::new(before)));
        if is_first {
            return;
        }
        let void: Vec<_> = self.open_commands(lock).filter(|sent| sent.command.epoch < epoch).map(|sent| sent.command.command_id).collect();
        for id in void {
            self.settle_command(id);
        }
        self.forget_closed(Some(lock));
        let proves = Self::proves_by_pin(&self.lock(lock).facts.profile);
        for code in self.lock(lock).codes.clone() {
            self.codes[code.0 as usize].work.change_cause(self.now);
            if !proves {
                self.find_lost(code, |_| true);
            }
        }
    }

    /// Since the last save nothing that the controller was shown is lost to a crash any more.
    pub(super) fn keep_cleared(&mut self) {
        self.cleared.clear();
    }

    /// The controller died: what it was shown since its last save, and listings it had only begun to compare, count as unseen again.
    pub(super) fn forget_cleared(&mut self) {
        for cleared in std::mem::take(&mut self.cleared) {
            match cleared {
                Cleared::Entry(lock, place, touch) => {
                    if let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place)
                        && stored.since <= touch.at
                    {
                        stored.touched = Some(touch);
                    }
                }
                Cleared::Owner(lock, place, since, code) => {
                    if let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place).filter(|stored| stored.since == since) {
                        stored.code = Some(code);
                        let state = &mut self.codes[code.0 as usize];
                        state.lost.retain(|lost| (lost.place, lost.at) != (place, since));
                        state.places.push(place);
                        self.touch_code(code);
                    }
                }
                Cleared::Lost(code, lost) => {
                    if self.code(code).places.is_empty() {
                        self.codes[code.0 as usize].lost.push(lost);
                    }
                }
            }
        }
        for code in &mut self.codes {
            for lost in &mut code.lost {
                (lost.listed_without, lost.noticed_at) = (None, None);
            }
        }
        for lock in &mut self.locks {
            lock.picture.is_stale = true;
        }
    }
}

/// What the last command of a code was to do, if no answer told what became of it, and one that the controller could not know to be unsent (`R-60`).
fn in_doubt(work: &Work) -> impl Iterator<Item = &Op> {
    let is_in_doubt = |last: &&Last| matches!(last.closing, Closing::Open | Closing::Ambiguous | Closing::MaybeDuplicate);
    work.last.iter().filter(is_in_doubt).chain(&work.unsent).map(|last| &last.op)
}

/// The PIN that a vendor says it has chosen.
fn assigned_pin(answer: &Answer) -> Option<Pin> {
    match answer {
        Answer::Assigned { pin, .. } => Some(*pin),
        _ => None,
    }
}
