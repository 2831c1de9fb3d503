//! What lies in each lock, whose it is (`P-09`), what of it the controller was shown, and what others changed unseen.

use std::sync::Arc;

use keyway_core::access_code::{Record, Status};
use keyway_core::id::{AccountId, Epoch, Handle, VendorDevice};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, DeviceInfo, Item, Name, News, Notice, Op, Place, Reason, ShownPin, SlotContent};
use keyway_core::problem::WarningCode;
use keyway_core::time::{MINUTE_MS, SECOND_MS, Timestamp, Window};
use keyway_core::vendor::{Profile, ReadBack};

use super::commands::{Closing, Last, Sent, is_fresh, target};
use super::{Code, CodeIx, Goal, Hindrance, History, LockState};
use crate::occurrence::{Cause, Change, Lock, Origin, TrueEntry};

/// Two complete fresh listings this far apart show an absence (`P-12`).
const LISTINGS_APART_MS: i64 = 30 * SECOND_MS;

/// A copy of a notice comes within this time of the first (port.md 7).
const COPIES_COME_WITHIN_MS: i64 = 2 * MINUTE_MS;

/// An entry in a lock's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// As the world told it.
    pub entry: TrueEntry,
    /// The code it belongs to (`P-09`); none for what is not the controller's, or can't be proven to be after a join.
    pub code: Option<CodeIx>,
    /// Since when it is so.
    pub since: Timestamp,
    /// Who did it.
    pub cause: Cause,
    /// When others changed it, as far as the controller was not shown it.
    pub touched: Option<Touch>,
    /// From when on the time runs for the controller to clear it away: it came back by itself, or is a twin that the world made.
    pub granted_at: Option<Timestamp>,
    /// Which wish for the code the command that stored it served; none if no command did.
    pub version: Option<u32>,
}

/// A change by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// When.
    pub at: Timestamp,
    /// Whether the entry came.
    pub came: bool,
    /// Whether its PIN changed.
    pub pin: bool,
    /// Whether its window changed.
    pub window: bool,
    /// Whether it was switched on or off.
    pub enabled: bool,
    /// Whether its name changed.
    pub name: bool,
}

/// An entry of a code that others took away, as far as the controller was not shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where it was.
    pub place: Place,
    /// When it went.
    pub at: Timestamp,
    /// Its PIN.
    pub pin: Pin,
    /// Its name.
    pub name: Name,
    /// Its window.
    pub window: Option<Window>,
    /// Whether it was switched on.
    enabled: bool,
    /// What others had done to it before, as far as the controller was not shown it.
    touched: Option<Touch>,
    /// When the first complete fresh listing without it was sent for.
    listed_without: Option<Timestamp>,
    /// When a notice said that it is gone.
    noticed_at: Option<Timestamp>,
    is_in_listing: bool,
    /// Whether the controller knew it for the code's own.
    was_told: bool,
}

impl Lost {
    /// Whether nothing hinted at the loss.
    fn is_unseen(&self) -> bool {
        self.listed_without.is_none() && self.noticed_at.is_none()
    }

    /// The entry as it was, where `like` lies now.
    fn entry(&self, like: &TrueEntry) -> TrueEntry {
        TrueEntry { pin: self.pin, name: self.name.clone(), window: self.window, enabled: self.enabled, ..like.clone() }
    }
}

/// What the controller was told of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The PIN, if it was shown or written by the controller itself.
    pub pin: Option<Pin>,
    /// Whose it is.
    pub whose: Whose,
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
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsaved {
    /// Something of this place, of which it knew this before.
    Of(Lock, Place, Option<Known>),
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
    is_stale: bool,
    /// Handles that it was told to be erased, and when; none is given twice.
    erased: std::collections::BTreeMap<Handle, Timestamp>,
    /// Places that a listing lacked. That nothing is there any more is known only when a direct read says so (`P-12`).
    missed: std::collections::BTreeSet<Place>,
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

    /// Free places that called themselves occupied so lately that nobody tries them again (`R-20`): what was in them unseen left unseen (`R-54`).
    #[must_use]
    pub fn unwilling_places(&self, lock: Lock) -> u32 {
        let (state, since) = (self.lock(lock), self.now() - self.policy().refused_retry_ms);
        let is_unwilling = |(place, at): &(&Place, &Timestamp)| **at > since && !state.memory.contains_key(place);
        state.picture.refused.iter().filter(is_unwilling).count() as u32
    }

    /// Whether a lock is full as far as anybody can know: what left it was never to be seen.
    fn is_full_unseen(&self, lock: Lock) -> bool {
        let state = self.lock(lock);
        let (occupied, capacity) = self.known_room(lock);
        state.facts.profile.read_back == ReadBack::None && occupied >= capacity
    }

    /// Entries of a code.
    pub fn entries(&self, code: CodeIx) -> impl Iterator<Item = (Place, &Stored)> {
        let state = self.code(code);
        let memory = state.lock.map(|lock| &self.lock(lock).memory);
        state.places.iter().filter_map(move |place| Some((*place, memory?.get(place)?)))
    }

    /// The code that lost its entry in this place at this moment, by nobody's wish.
    #[must_use]
    pub fn who_lost(&self, lock: Lock, place: Place, at: Timestamp) -> Option<CodeIx> {
        let is_it = |lost: &Lost| lost.place == place && lost.at == at;
        self.lock(lock).codes.iter().copied().find(|code| self.code(*code).lost.iter().any(is_it))
    }

    /// `resident(c)`.
    #[must_use]
    pub fn is_resident(&self, code: CodeIx) -> bool {
        !self.code(code).places.is_empty()
    }

    /// `touched(c)`: others changed something of the code that the controller was not shown.
    #[must_use]
    pub fn is_touched(&self, code: CodeIx) -> bool {
        !self.code(code).lost.is_empty() || self.entries(code).any(|(_, stored)| stored.touched.is_some())
    }

    /// Whether a code rests as others left it, as its owner allows (T26): lost or switched off, not set again, with its warning.
    #[must_use]
    pub fn rests_as_left(&self, code: CodeIx) -> bool {
        self.code(code).record.as_deref().is_some_and(|record| {
            let is_told = record.warnings.iter().any(|entry| entry.warning_code == WarningCode::CodeModifiedExternalToSeam);
            let is_left = is_told && record.is_external_modification_allowed;
            // The warning goes at the very end, with all that was due.
            (is_left || record.ends_at == Some(self.now())) && record.status == Status::Unset
        })
    }

    /// Whether somebody's entry took the place of one that was lost, and no read can tell: neither names nor PINs are shown.
    #[must_use]
    pub fn is_replaced_unseen(&self, code: CodeIx) -> bool {
        let Some(lock) = self.code(code).lock.map(|lock| self.lock(lock)) else { return false };
        let is_taken = |lost: &Lost| lock.memory.contains_key(&lost.place);
        !lock.facts.profile.shows_names && self.code(code).lost.iter().any(is_taken)
    }

    /// Whether the controller still has time to clear an entry away that the world made or brought back, or to mend one that it changed.
    #[must_use]
    pub fn is_granted(&self, code: CodeIx, stored: &Stored, now: Timestamp) -> bool {
        let granted_at = stored.granted_at.or((stored.cause == Cause::World).then_some(stored.since));
        let (Some(granted_at), Some(lock)) = (granted_at, self.code(code).lock) else { return false };
        self.quiet_since(lock).is_none_or(|quiet| {
            let since = quiet.max(granted_at);
            now <= since + self.b_set(code, since)
        })
    }

    /// When a proof was last delivered that memory is what the code's goal wants, which it still is: the answer to its write, or a complete listing
    /// taken after it that shows whose an entry is.
    #[must_use]
    pub fn confirmed_at(&self, code: CodeIx) -> Option<Timestamp> {
        let state = self.code(code);
        let lock = self.lock(state.lock?);
        if !self.is_at_goal(code) {
            return None;
        }
        if !self.is_resident(code) {
            return state.work.absent_at;
        }
        let proves = lock.facts.profile.shows_names || Self::proves_by_pin(&lock.facts.profile);
        // What others made of an entry is nothing that was confirmed, though it may be what rounding could make of it.
        let rounded = |window: Option<Window>| window.map(|window| window.rounded_outward(lock.facts.profile.round_ms.max(1)));
        let declared = state.record.as_deref().and_then(Record::window);
        let is_edited = |stored: &Stored| {
            stored.cause == Cause::World && stored.entry.window.is_some() && rounded(stored.entry.window) != rounded(declared)
        };
        let is_shown = |snapshot: Timestamp| {
            let is_it = |stored: &Stored| stored.since <= snapshot && !stored.entry.hidden && !is_edited(stored);
            self.entries(code).all(|(_, stored)| is_it(stored))
        };
        let listed = lock.picture.listed.filter(|(_, snapshot)| proves && is_shown(*snapshot)).map(|(delivered, _)| delivered);
        listed.max(state.work.confirmed_at)
    }

    /// `match(c)`: an enabled entry of the code has the record's PIN and fits its window.
    #[must_use]
    pub fn is_matching(&self, code: CodeIx) -> bool {
        let state = self.code(code);
        let Some(record) = state.record.as_deref() else { return false };
        self.entries(code).any(|(_, stored)| {
            let same = stored.entry.enabled && Some(stored.entry.pin) == record.code;
            same && self.fits(code, stored, record.window())
        })
    }

    /// `fit`: whether a stored window is what a code with this window should have in its lock. A lock without schedules stores none; where
    /// `prefer_native_scheduling` was changed both ways are right (`R-23`); of a pulled backup only the PIN counts.
    #[must_use]
    pub fn fits(&self, code: CodeIx, stored: &Stored, declared: Option<Window>) -> bool {
        let state = self.code(code);
        let Some(profile) = self.profile(code) else { return false };
        if state.pulled_at.is_some() {
            return true;
        }
        let is_native = profile.schedules && state.prefers_native && declared.is_some();
        match (stored.entry.window, declared) {
            (None, None) => true,
            (Some(_), None) => false,
            (None, Some(_)) => !is_native || state.was_switched,
            (Some(stored_window), Some(declared)) => {
                let sent_at = match stored.cause {
                    Cause::Command(id) => self.sent(id).map_or(stored.since, |sent| sent.at.min(stored.since)),
                    Cause::World | Cause::Beginning => stored.since,
                };
                // Nobody can tell from an entry that has another handle since when it was written.
                let written_from = sent_at.min(declared.starts_at - self.policy().native_preload_ms);
                // One shift, or none; most are of an hour.
                let shifts = |bound| {
                    let shifts = self.clock_shifts(written_from, bound).filter(|_| profile.keeps_offset);
                    std::iter::once(0).chain(shifts)
                };
                let is_fit_moved = |earlier: i64, later: i64| {
                    let form = Window { starts_at: stored_window.starts_at + earlier, ends_at: stored_window.ends_at - later };
                    fits_window(profile, form, declared, sent_at)
                };
                let is_fit = shifts(declared.starts_at).any(|earlier| shifts(declared.ends_at).any(|later| is_fit_moved(earlier, later)));
                (is_native || state.was_switched) && is_fit
            }
        }
    }

    /// Whether reads of this lock can prove an entry to be the controller's after a join: its PIN is shown (`R-57`).
    fn proves_by_pin(profile: &Profile) -> bool {
        matches!(profile.read_back, ReadBack::Exact | ReadBack::ExactLoaded)
    }

    /// Whether a code's entry can be known again after a join: reads show its PIN, and it was the code's.
    fn is_proven_by_pin(&self, lock: Lock, code: CodeIx, entry: Pin) -> bool {
        Self::proves_by_pin(&self.lock(lock).facts.profile) && self.code(code).pins.contains(&entry)
    }

    /// Whether an entry that came back, and whose PIN no read shows, may be older than the incarnation: nothing of its name was sent in it.
    fn is_from_before(&self, lock: Lock, code: CodeIx, entry: &TrueEntry) -> bool {
        let state = self.lock(lock);
        let is_it = |(epoch, name): &(Epoch, Name)| *epoch == state.epoch && *name == entry.name;
        state.joined_at.is_some() && !self.code(code).names.iter().any(is_it)
    }

    pub(super) fn change_truth(&mut self, now: Timestamp, lock: Lock, change: &Change, cause: Cause) {
        let is_drift = matches!(change, Change::Clock { off_ms } if self.is_drift(lock, *off_ms));
        match change {
            Change::Stored { place, entry } => self.put(now, lock, *place, entry, cause),
            Change::Erased { place } => self.take(now, lock, *place, cause),
            Change::Clock { off_ms } => {
                let tolerance = self.policy().clock_tolerance_ms;
                let state = &mut self.locks[lock.0 as usize];
                let was_off = state.clock_off_ms.abs() > tolerance;
                state.clock_off_ms = *off_ms;
                if !is_drift || was_off != (off_ms.abs() > tolerance) {
                    (state.clock_since, state.clock_means_at) = (now, None);
                    if !matches!(cause, Cause::Command(_)) {
                        (state.clock_settings, state.clock_settings_since) = (0, now);
                    }
                }
            }
            Change::Works(works) => self.locks[lock.0 as usize].works = *works,
            Change::Joined { device, epoch } => self.join(now, lock, *device, *epoch, cause),
            Change::Left => self.locks[lock.0 as usize].is_present = false,
            Change::Seats { limit, used, users } => {
                let seated = users.iter().filter(|(_, has_seat)| *has_seat).map(|(code, _)| *code).collect();
                self.locks[lock.0 as usize].seats = Some((limit.saturating_sub(*used), seated));
            }
            Change::Lengths(lengths) => self.locks[lock.0 as usize].lengths = *lengths,
            Change::Computed { .. } | Change::Used { .. } | Change::SetBack => self.change_offline(lock, change),
        }
        let is_of_memory = matches!(change, Change::Stored { .. } | Change::Erased { .. });
        if !is_of_memory {
            self.touch_codes_of(lock);
        }
        // Whoever uses a code disturbs nothing, and neither does a clock that drifts, which is a fact of the lock.
        if cause == Cause::World && !is_drift && !matches!(change, Change::Used { .. }) {
            self.locks[lock.0 as usize].disturbed_at = now;
            if !is_of_memory {
                self.give_reason(lock, now);
            }
        }
        self.weigh_hindrances(now, lock, is_of_memory);
        self.touch_lock(lock);
    }

    /// Whether a clock went wrong, or right, by no more than what is left alone (`R-56`).
    fn is_drift(&self, lock: Lock, off_ms: i64) -> bool {
        (off_ms - self.lock(lock).clock_off_ms).abs() <= self.policy().clock_tolerance_ms
    }

    fn put(&mut self, now: Timestamp, lock: Lock, place: Place, entry: &TrueEntry, cause: Cause) {
        let before = self.locks[lock.0 as usize].memory.remove(&place);
        self.unlink(lock, place, before.as_ref());
        let code = self.attribute(now, lock, (place, entry), before.as_ref(), cause);
        // What runs when it is settled is a copy.
        let has_stored = |sent: &Sent| sent.stored.is_some() || sent.is_settled;
        let is_change = cause == Cause::World || before.as_ref().is_none_or(|before| before.entry != *entry);
        let is_unasked = is_change && self.is_unasked(cause, has_stored);
        let touched = match cause {
            _ if is_unasked => {
                let same = before.as_ref().filter(|before| before.code == code);
                // What comes back before anybody was shown that it was gone has changed by no more than that (P-12).
                let returned = code.and_then(|code| self.code(code).lost.iter().find(|lost| lost.place == place && lost.is_unseen()));
                let earlier = same.map(|same| (same.entry.clone(), same.touched));
                Some(touch(now, earlier.or_else(|| returned.map(|lost| (lost.entry(entry), lost.touched))), entry))
            }
            Cause::Command(id) => before.as_ref().filter(|before| before.code == code).and_then(|before| self.left_of_touch(id, before)),
            Cause::World | Cause::Beginning => None,
        };
        if let Some(before) = before.as_ref().filter(|_| is_unasked)
            && let Some(owner) = before.code.filter(|owner| Some(*owner) != code)
        {
            self.lose(now, lock, owner, (place, before));
        }
        let granted_at = code.and_then(|code| self.grant(now, code, cause));
        let granted_at = granted_at.or(before.as_ref().filter(|before| before.code == code).and_then(|before| before.granted_at));
        // What a write left as others had made it is still to be seen and mended.
        let granted_at = granted_at.or(touched.filter(|_| cause != Cause::World).map(|touch| touch.at));
        let version = if let Cause::Command(id) = cause { self.commands.get(&id).map(|sent| sent.version) } else { None };
        let stored = Stored { entry: entry.clone(), code, since: now, cause, touched, granted_at, version };
        self.locks[lock.0 as usize].memory.insert(place, stored);
        self.locks[lock.0 as usize].picture.is_stale = true;
        if let Cause::Command(id) = cause
            && let Some(sent) = self.commands.get_mut(&id)
        {
            sent.stored = Some((place, now));
        }
        let Some(code) = code else { return };
        let state = &mut self.codes[code.0 as usize];
        state.lock = state.lock.or(Some(lock));
        state.places.push(place);
        state.lost.clear();
        if cause == Cause::World || granted_at == Some(now) {
            state.work.reason_at = now;
            state.work.change_cause(now);
        }
        self.touch_code(code);
    }

    /// Whether the world did something by itself: by a fault, by somebody's hand, or by running a copy of a command that has run already, which brings back an old
    /// state that nobody can know of (`P-04`).
    fn is_unasked(&self, cause: Cause, has_run: impl Fn(&Sent) -> bool) -> bool {
        match cause {
            Cause::World => true,
            Cause::Beginning => false,
            Cause::Command(id) => self.commands.get(&id).is_some_and(has_run),
        }
    }

    fn take(&mut self, now: Timestamp, lock: Lock, place: Place, cause: Cause) {
        let Some(before) = self.locks[lock.0 as usize].memory.remove(&place) else { return };
        self.unlink(lock, place, Some(&before));
        self.locks[lock.0 as usize].picture.is_stale = true;
        let is_unasked = self.is_unasked(cause, |sent| sent.has_erased || sent.is_settled);
        if let Some(owner) = before.code.filter(|_| is_unasked) {
            self.lose(now, lock, owner, (place, &before));
        }
        if let Cause::Command(id) = cause
            && let Some(sent) = self.commands.get_mut(&id)
        {
            sent.has_erased = true;
        }
    }

    pub(super) fn unlink(&mut self, _lock: Lock, place: Place, before: Option<&Stored>) {
        if let Some(owner) = before.and_then(|before| before.code) {
            self.codes[owner.0 as usize].places.retain(|known| *known != place);
            self.touch_code(owner);
        }
    }

    fn lose(&mut self, now: Timestamp, lock: Lock, owner: CodeIx, (place, before): (Place, &Stored)) {
        let (pin, name, window) = (before.entry.pin, before.entry.name.clone(), before.entry.window);
        let (enabled, touched) = (before.entry.enabled, before.touched);
        let was_told = self.whose_told(lock, place) == Some(Whose::Code(owner));
        let (listed_without, noticed_at, is_in_listing) = (None, None, false);
        let lost = Lost { place, at: now, pin, name, window, enabled, touched, listed_without, noticed_at, is_in_listing, was_told };
        let state = &mut self.codes[owner.0 as usize];
        state.lost.push(lost);
        state.work.reason_at = now;
        if state.record.as_ref().is_some_and(|record| record.status == Status::Setting) {
            // It was gone before it was confirmed: one more failure of the same trouble (`R-03`).
            state.work.failing_since = state.work.failing_since.or(Some(now));
        }
        state.work.change_cause(now);
        self.touch_code(owner);
    }

    /// The origin by `P-09`: the code of the command that stored it; an equal unsettled creation, whoever stored it; and for what was left behind
    /// or renamed by a join, the code it was of, where its PIN can be read.
    fn attribute(
        &mut self,
        now: Timestamp,
        lock: Lock,
        (place, entry): (Place, &TrueEntry),
        before: Option<&Stored>,
        cause: Cause,
    ) -> Option<CodeIx> {
        if let Origin::Code(id) = entry.origin {
            // What a join left behind counts as somebody's, however it was renumbered or changed since.
            let is_left_behind = self.lock(lock).joined_at == Some(now)
                || before.is_some_and(|before| before.code.is_none() && before.entry.origin == entry.origin);
            let code = self.intern(id);
            let is_same = before.is_some_and(|before| before.code == Some(code));
            let is_proven = cause != Cause::World || self.is_proven_by_pin(lock, code, entry.pin);
            // Of a code that is gone or known to be absent, and neither its PIN nor its name is to be seen: reads show somebody's entry.
            let profile = &self.lock(lock).facts.profile;
            let state = self.code(code);
            let is_known_absent = !is_same && state.places.is_empty() && state.lost.is_empty() && state.work.unsettled == 0;
            // Under the vendor's own id it is the same entry still, whatever others made of it.
            let is_known_by_handle =
                is_same && matches!(place, Place::Handle(_)) && self.whose_told(lock, place) == Some(Whose::Code(code));
            let is_missed = (state.record.is_none() || is_known_absent) && !is_known_by_handle;
            if !is_proven && is_missed && (Self::proves_by_pin(profile) || !profile.shows_names) {
                return None;
            }
            // What the controller was told to be somebody's stays that, whatever others make of it.
            let is_told_foreign = self.whose_told(lock, place) == Some(Whose::Foreign);
            if cause == Cause::World && is_told_foreign && before.is_some_and(|before| before.code.is_none()) && is_left_behind {
                return None;
            }
            // Neither its PIN nor, where reads show it, its name is the code's, or nobody was told yet that the place is: nobody can know.
            let is_named = !profile.shows_names || self.is_name_of(code, &entry.name);
            // One that came back by itself in this incarnation is known still where the controller knew it.
            let joined_at = self.lock(lock).joined_at;
            let is_back = before.is_some_and(|before| before.cause == Cause::World && joined_at.is_none_or(|at| before.since > at));
            let is_told = match self.whose_told(lock, place) {
                Some(Whose::Code(other)) => other == code,
                // That it was gone may have been shown, and that it came back not.
                Some(Whose::Free) => is_back && !before.is_some_and(|before| before.touched.is_some_and(|touch| touch.came)),
                None => is_back && self.code(code).work.confirmed_at.is_some(),
                Some(Whose::Foreign | Whose::Unsure) => false,
            };
            // What came back before anybody was shown that it was gone never left (P-12).
            let is_here = is_same || self.code(code).lost.iter().any(|lost| lost.place == place && lost.is_unseen());
            let is_unknowable = Self::proves_by_pin(profile) && !(is_here && is_named && is_told);
            let is_from_before = !is_same && self.is_from_before(lock, code, entry);
            return (is_proven || !(is_left_behind || is_unknowable || is_from_before)).then_some(code);
        }
        if matches!(entry.origin, Origin::Reserved | Origin::Other) || cause == Cause::Beginning {
            return None;
        }
        let equals = |op: &Op| match op {
            Op::CreateEntry { pin, name, window } => (*pin, name, *window) == (entry.pin, &entry.name, entry.window),
            Op::SetSlot { pin, name, .. } => (*pin, name) == (entry.pin, &entry.name),
            _ => false,
        };
        let unsettled = self.open_commands(lock).find(|sent| !sent.is_settled && sent.code.is_some() && equals(&sent.command.op));
        if let Some(sent) = unsettled {
            return sent.code;
        }
        if cause != Cause::World || !Self::proves_by_pin(&self.lock(lock).facts.profile) {
            return None;
        }
        // Under the vendor's own id a stranger's entry stays one, whatever somebody makes of it.
        if matches!(place, Place::Handle(_)) && before.is_some_and(|before| before.code.is_none()) {
            return None;
        }
        // Entries that outlived a join: changed under their own name, renumbered, or back in an old state.
        let shows_names = self.lock(lock).facts.profile.shows_names;
        let same = |pin: Pin, window: Option<Window>| (pin, window) == (entry.pin, entry.window);
        let is_known = |before: &Stored| !shows_names || before.touched.is_none();
        // A PIN that others gave it unseen is nobody's to know.
        let is_of_a_known_pin = |before: &Stored| before.touched.is_none_or(|touch| !touch.pin);
        // What was told before a join is void, and yet a controller may hold an equal PIN in the same slot for its own (`R-57`).
        let outlived_join = |before: &Stored| {
            let was_known = before.code.is_some_and(|code| self.code(code).work.confirmed_at.is_some());
            let is_from_before = self.lock(lock).joined_at.is_some_and(|joined_at| before.since <= joined_at);
            matches!(place, Place::Slot(_)) && was_known && is_from_before && self.told(lock, place).is_none()
        };
        let stays = |before: &&Stored| {
            let is_named = shows_names && before.entry.name == entry.name;
            let is_told = before.code.is_some_and(|code| self.whose_told(lock, place) == Some(Whose::Code(code)));
            let is_its_name = before.code.is_some_and(|code| self.is_name_of(code, &entry.name));
            // In its own slot PIN and window are proof enough (`R-57`), if anybody knew that it is the code's (`R-64` a).
            let is_proven = is_known(before) || matches!(place, Place::Slot(_)) && is_of_a_known_pin(before);
            let is_like_own = same(before.entry.pin, before.entry.window) && is_proven;
            let is_like_own = is_like_own && (!shows_names || is_named || is_told || outlived_join(before));
            // Nor can anybody tell what lay there unseen in between from what was told to lie there.
            let is_as_told = matches!(place, Place::Slot(_)) && is_told && self.told_pin(lock, place) == Some(entry.pin);
            (is_named && is_its_name && is_told) || is_like_own || is_as_told
        };
        // Nobody can tell it from the one that was lost unseen at the same place, unless it has another name where nobody knew of the one (`R-64` a).
        let is_named = |lost: &Lost| !shows_names || lost.name == entry.name;
        let moved = |code: &CodeIx| {
            let is_told = self.whose_told(lock, place) == Some(Whose::Code(*code));
            // What was told before a join is void, and yet a controller may hold an equal PIN in the same slot for its own (`R-57`).
            let is_before_join = |lost: &Lost| self.lock(lock).joined_at.is_some_and(|joined_at| lost.at <= joined_at);
            let is_known = |lost: &Lost| is_told || is_before_join(lost) && lost.was_told && lost.is_unseen();
            let is_here = |lost: &Lost| lost.place == place && (is_named(lost) || is_known(lost));
            let is_it = |lost: &Lost| same(lost.pin, lost.window) && (is_here(lost) || (lost.at == now && is_named(lost)));
            self.code(*code).lost.iter().any(is_it)
        };
        let returned = |code: &CodeIx| {
            let code = self.code(*code);
            // What is nobody's any more has nothing to come back to.
            shows_names
                && !code.is_residual
                && !code.is_bound_elsewhere(self.lock(lock).epoch, place, entry)
                && code.pins.contains(&entry.pin)
                && code.names.iter().any(|(_, name)| *name == entry.name)
        };
        let here = before.filter(stays).and_then(|before| before.code);
        let codes = &self.lock(lock).codes;
        here.or_else(|| codes.iter().copied().find(moved)).or_else(|| codes.iter().copied().find(returned))
    }

    /// Whether an entry may show this name for one that was sent for the code, which the lock may have cut short.
    fn is_name_of(&self, code: CodeIx, shown: &Name) -> bool {
        self.code(code).names.iter().any(|(_, name)| name == shown || (!shown.is_empty() && name.starts_with(&**shown)))
    }

    /// Whose the controller was told a place to be, in the incarnation that is.
    fn whose_told(&self, lock: Lock, place: Place) -> Option<Whose> {
        self.told(lock, place).map(|known| known.whose)
    }

    /// The PIN that the controller was told to lie in a place, in the incarnation that is.
    fn told_pin(&self, lock: Lock, place: Place) -> Option<Pin> {
        self.told(lock, place)?.pin
    }

    fn told(&self, lock: Lock, place: Place) -> Option<&Known> {
        let state = self.lock(lock);
        let is_of_now = state.picture.epoch == Some(state.epoch);
        state.picture.places.get(&place).filter(|_| is_of_now)
    }

    /// What stays unseen of a change by others after a command rewrote a part of the entry.
    fn left_of_touch(&self, id: keyway_core::id::CommandId, before: &Stored) -> Option<Touch> {
        let op = &self.sent(id)?.command.op;
        match op {
            Op::SetSchedule { .. } => {
                before.touched.filter(|touch| touch.pin).map(|touch| Touch { window: false, enabled: false, ..touch })
            }
            _ => None,
        }
    }

    /// Time to clear away what the world made: what came back by itself, and a twin of a late or doubled command.
    fn grant(&self, now: Timestamp, code: CodeIx, cause: Cause) -> Option<Timestamp> {
        let is_gone = self.code(code).record.is_none() && self.code(code).gone_at.is_some();
        match cause {
            Cause::World => (is_gone || self.is_resident(code)).then_some(now),
            Cause::Beginning => None,
            Cause::Command(id) => {
                let is_late = self.sent(id).is_none_or(|sent| sent.closed_at.is_some());
                let is_doubled = self.entries(code).any(|(_, stored)| stored.cause == cause);
                ((is_gone || self.is_resident(code)) && (is_late || is_doubled)).then_some(now)
            }
        }
    }

    fn join(&mut self, now: Timestamp, lock: Lock, device: VendorDevice, epoch: Epoch, cause: Cause) {
        let state = &mut self.locks[lock.0 as usize];
        (state.is_present, state.epoch) = (true, epoch);
        self.vendor_ids.insert((state.facts.account, device), lock);
        if cause == Cause::Beginning {
            state.picture.epoch = Some(epoch);
            return;
        }
        state.picture.is_stale = true;
        state.joined_at = Some(now);
        // What nothing proves to be ours counts as somebody's, and our codes as missing (`R-57`).
        let memory = &self.lock(lock).memory;
        let is_unproven = |stored: &Stored| stored.code.is_some_and(|code| !self.is_proven_by_pin(lock, code, stored.entry.pin));
        let places: Vec<Place> = memory.iter().filter(|(_, stored)| is_unproven(stored)).map(|(place, _)| *place).collect();
        for place in places {
            let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place) else { continue };
            let before = stored.clone();
            stored.code = None;
            self.unlink(lock, place, Some(&before));
            if let Some(owner) = before.code {
                self.lose(now, lock, owner, (place, &before));
            }
        }
        // Whatever was told of it in the old incarnation is void: what has a code's PIN is its own again.
        let is_of_a_code = |stored: &Stored| stored.code.is_none() && matches!(stored.entry.origin, Origin::Code(_));
        let memory = &self.lock(lock).memory;
        let nobodys = memory.iter().filter(|(_, stored)| is_of_a_code(stored)).map(|(place, stored)| (*place, stored.entry.clone()));
        for (place, entry) in nobodys.collect::<Vec<_>>() {
            self.put(now, lock, place, &entry, cause);
        }
    }

    /// Recomputes for each code of the lock that is not at its goal whether the lock would refuse it or has no room for it.
    fn weigh_hindrances(&mut self, now: Timestamp, lock: Lock, is_of_memory: bool) {
        for at in 0..self.lock(lock).codes.len() {
            let code = self.lock(lock).codes[at];
            if is_of_memory && self.code(code).work.failing_since.is_some() && self.code(code).work.refused_at.is_some() {
                // Anything that changed in memory permits a new try (`R-54`).
                self.codes[code.0 as usize].work.change_cause(now);
            }
            if self.code(code).is_off_goal || self.code(code).is_hindered {
                self.weigh_hindrance(now, code);
            }
        }
    }

    pub(super) fn weigh_hindrance(&mut self, now: Timestamp, code: CodeIx) {
        let is_hindered = self.is_refused(code) || !self.has_room(code) || self.is_past_proof(code) || self.is_taken_as_told(code);
        let state = &mut self.codes[code.0 as usize];
        if state.is_hindered && !is_hindered {
            state.free_since = now;
            state.work.change_cause(now);
        }
        if state.is_hindered != is_hindered {
            state.is_hindered = is_hindered;
            self.touch_code(code);
        }
    }

    /// Whether the lock has room for the code: it is there, or a usable place is free; where access is sold by the seat, it has one or one is free.
    #[must_use]
    pub fn has_room(&self, code: CodeIx) -> bool {
        let Some(lock) = self.code(code).lock else { return true };
        let state = self.lock(lock);
        if state.seats.as_ref().is_some_and(|(free, seated)| *free == 0 && !seated.contains(&self.code(code).id)) {
            return false;
        }
        self.is_resident(code) || state.used() < state.facts.usable_slots && !self.is_full_unseen(lock)
    }

    /// `refused(c)`: the lock would refuse the code's PIN for a lasting reason.
    #[must_use]
    pub fn is_refused(&self, code: CodeIx) -> bool {
        let (Some(lock), Some(intent)) = (self.code(code).lock, self.goal(code)) else { return false };
        let Goal::Present { pin: Some(pin), .. } = intent.goal else { return false };
        let state = self.lock(lock);
        let profile = &state.facts.profile;
        let is_told_off = state.reported.is_some_and(|lengths| !lengths.contains(pin.length()));
        let breaks =
            is_told_off || !state.lengths.contains(pin.length()) || profile.constraints.iter().any(|constraint| !constraint.admits(pin));
        let is_like_master = state.facts.master_prefix.is_some_and(|prefix| pin.prefix(4) == prefix);
        let is_of_other_length = |stored: &Stored| stored.code != Some(code) && stored.entry.pin.length() != pin.length();
        let is_odd = state.facts.one_length && state.memory.values().any(is_of_other_length);
        breaks || is_like_master || is_odd || self.has_twin(lock, code, pin)
    }

    /// Whether nobody can prove what became of the last write: nothing can be read, and it has a PIN that the lock drops without a word, so that no confirmation
    /// says where it is or that it is nowhere (vendors.md 4). Then neither a removal nor another PIN can follow it (`R-19`, `I-DEV-05`). The twin may be an old
    /// entry of the code itself, which came back (`F-06`).
    #[must_use]
    pub fn is_past_proof(&self, code: CodeIx) -> bool {
        let (Some(lock), Some(last)) = (self.code(code).lock, &self.code(code).work.last) else { return false };
        // What a join voided is in doubt no more (`P-10`).
        let is_in_doubt = !last.is_settled && matches!(last.closing, Closing::Open | Closing::Ambiguous);
        let (Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. }) = last.op else { return false };
        if !is_in_doubt || self.lock(lock).facts.profile.read_back != ReadBack::None {
            return false;
        }
        let has_made = |place: Place| {
            let is_last = |sent: &&Sent| sent.command.key == last.key;
            target(&last.op) == Some(place)
                || self.open_commands(lock).filter(is_last).any(|sent| sent.stored.is_some_and(|(stored, _)| stored == place))
        };
        self.lock(lock).memory.iter().any(|(place, stored)| self.is_minded(lock, stored, pin) && !has_made(*place))
    }

    /// Whether the lock minds that an entry has this PIN.
    fn is_minded(&self, lock: Lock, stored: &Stored, pin: Pin) -> bool {
        self.lock(lock).facts.twins.is_some_and(|equality| equality.same(stored.entry.pin, pin))
    }

    /// Whether another code had the PIN of this one in an entry to which others have given another one since, where no read shows PINs: as far as anybody was told
    /// it is taken, and must not be sent (`I-DEV-01`, `R-46`).
    fn is_taken_as_told(&self, code: CodeIx) -> bool {
        let (Some(lock), Some(intent)) = (self.code(code).lock, self.goal(code)) else { return false };
        let Goal::Present { pin: Some(pin), .. } = intent.goal else { return false };
        let state = self.lock(lock);
        let hides_pin = !matches!(state.facts.profile.read_back, ReadBack::Exact | ReadBack::ExactLoaded);
        let had_it = |other: CodeIx| other != code && self.code(other).pins.contains(&pin);
        let is_changed = |stored: &&Stored| stored.touched.is_some_and(|touch| touch.pin);
        hides_pin && state.memory.values().filter(is_changed).any(|stored| stored.code.is_some_and(had_it))
    }

    /// Whether an entry that is not the code's own has its PIN, on a lock that minds or where reads show it: then the controller must not send it (`I-DEV-01`).
    #[must_use]
    pub fn has_twin(&self, lock: Lock, code: CodeIx, pin: Pin) -> bool {
        let state = self.lock(lock);
        let is_shown = |stored: &Stored| stored.entry.pin == pin && !stored.entry.hidden && Self::proves_by_pin(&state.facts.profile);
        state.memory.values().any(|stored| stored.code != Some(code) && (self.is_minded(lock, stored, pin) || is_shown(stored)))
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
            let erased = &mut self.locks[lock.0 as usize].picture.erased;
            if sent.command.op.is_erasing() {
                erased.insert(handle, now);
            } else if erased.contains_key(&handle) {
                // The answer to what stored it has come late (`P-06`, `P-12`).
                return;
            }
        }
        let pin = match &sent.command.op {
            Op::AssignPin { .. } => assigned_pin(answer),
            Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. } | Op::SetSlot { pin, .. } => Some(*pin),
            _ => None,
        };
        let state = &mut self.locks[lock.0 as usize];
        if state.clock_means_at.is_none() {
            state.clock_means_at = Some(now);
        }
        if sent.command.op.is_erasing() {
            let (occupied, capacity) = self.known_room(lock);
            let frees = occupied >= capacity;
            let state = &mut self.locks[lock.0 as usize];
            state.picture.places.insert(place, Known { pin: None, whose: Whose::Free });
            if frees {
                // Capacity freed is a definite change of cause for all who wait for it (`R-03`).
                self.change_cause(lock, now);
            }
            return self.learn_absence(now, lock, place, sent.at, sent.code);
        }
        if let Some(code) = sent.code {
            self.learn_place(lock, place, code);
        }
        let state = &mut self.locks[lock.0 as usize];
        let whose = sent.code.map_or(Whose::Unsure, Whose::Code);
        let known = state.picture.places.get(&place).and_then(|known| known.pin);
        state.picture.places.insert(place, Known { pin: pin.or(known), whose });
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
    fn learn_absence(&mut self, now: Timestamp, lock: Lock, place: Place, since: Timestamp, erased_for: Option<CodeIx>) {
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
            (picture.limit, picture.limited_at) = (Some(picture.limit.map_or(taught, |limit| limit.min(taught))), now);
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
                let before = self.tell(lock, place, Some(Known { pin: None, whose: Whose::Free }));
                if is_fresh(&sent.command.op) {
                    let was_missed = self.locks[lock.0 as usize].picture.missed.remove(&place);
                    if was_missed || before.is_some_and(|known| known.whose != Whose::Free) {
                        self.show_change(lock);
                    }
                    self.learn_absence(now, lock, place, sent.at, None);
                }
            }
            Answer::Slot(SlotContent::Reserved) => {
                let Some(place) = target(&sent.command.op) else { return };
                self.tell(lock, place, Some(Known { pin: None, whose: Whose::Foreign }));
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
                self.locks[lock.0 as usize].picture.missed.insert(*place);
                // It was a code's own in this incarnation: a command for it can't meet anybody else's entry.
                let was_own = matches!(known.whose, Whose::Code(_));
                self.tell(lock, *place, Some(Known { pin: None, whose: Whose::Free }).filter(|_| was_own));
            }
            if !missed.is_empty() {
                self.show_change(lock);
            }
            if fresh && let Some(began) = self.lock(lock).picture.listing_began {
                self.end_fresh_listing(lock, began);
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
            let shown = |lost: &Lost| {
                let is_absent = began >= lost.at && !lost.is_in_listing;
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
                } else if began >= lost.at {
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
        let is_sure = is_look || state.joined_at.is_none() || before.is_some_and(|known| matches!(known.whose, Whose::Code(_)));
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
            self.tell(lock, item.place, before.or(Some(Known { pin: None, whose: Whose::Free })));
        } else {
            self.tell(lock, item.place, Some(Known { pin: shown, whose }));
            if before.is_none_or(|known| known.whose == Whose::Free || known.pin != shown) {
                self.show_change(lock);
            }
        }
    }

    /// Whether the last command of a code was to store something in this place, and no answer told what became of it: or one that it could not know to be
    /// unsent (`R-60`).
    fn is_written_in_doubt(&self, lock: Lock, place: Place) -> bool {
        let is_in_doubt = |last: &&Last| matches!(last.closing, Closing::Open | Closing::Ambiguous | Closing::MaybeDuplicate);
        let stores_here = |op: &Op| !op.is_erasing() && target(op) == Some(place);
        self.lock(lock).codes.iter().map(|code| &self.code(*code).work).any(|work| {
            let last = work.last.as_ref().filter(is_in_doubt).map(|last| &last.op);
            last.into_iter().chain(&work.unsent).any(stores_here)
        })
    }

    /// The controller is told of a place, which a crash before the next save takes back; none: it knows nothing of it any more.
    fn tell(&mut self, lock: Lock, place: Place, known: Option<Known>) -> Option<Known> {
        let places = &mut self.locks[lock.0 as usize].picture.places;
        let before = match known {
            Some(known) => places.insert(place, known),
            None => places.remove(&place),
        };
        if before != known {
            self.unsaved_known.push(Unsaved::Of(lock, place, before));
        }
        before
    }

    /// All of the lock is known from now on.
    fn tell_all(&mut self, lock: Lock) {
        if !std::mem::replace(&mut self.locks[lock.0 as usize].picture.is_inventoried, true) {
            self.unsaved_known.push(Unsaved::Inventory(lock));
        }
    }

    /// It died before it saved what it was told of places.
    pub(super) fn take_back_known(&mut self) {
        for unsaved in std::mem::take(&mut self.unsaved_known).into_iter().rev() {
            match unsaved {
                Unsaved::Of(lock, place, Some(before)) => drop(self.locks[lock.0 as usize].picture.places.insert(place, before)),
                Unsaved::Of(lock, place, None) => drop(self.locks[lock.0 as usize].picture.places.remove(&place)),
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

    /// Whether an entry may be the controller's work for all that reads show: a code's own of this incarnation that others edited under its name before
    /// anybody was told of it (`P-09`), or just what a code once had, which others can make of another entry too (`F-06`).
    fn may_be_own(&self, lock: Lock, entry: &TrueEntry) -> bool {
        let state = self.lock(lock);
        let is_named = |code: &Code| code.names.iter().any(|(epoch, name)| *epoch == state.epoch && *name == entry.name);
        let had_it = |code: &Code| code.pins.contains(&entry.pin) && code.names.iter().any(|(_, name)| *name == entry.name);
        let may_be_of = |code: &Code| (entry.origin == Origin::Code(code.id) && is_named(code)) || had_it(code);
        state.facts.profile.shows_names && state.codes.iter().any(|code| may_be_of(self.code(*code)))
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
            // Begun before the entry was confirmed, it may be from before that write.
            return owner.and_then(|code| self.code(code).work.confirmed_at).is_some_and(|confirmed_at| sent.at < confirmed_at);
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
        if let Some(code) = code {
            self.touch_code(code);
        }
        self.show_change(lock);
    }

    /// A notice was delivered.
    pub(super) fn hear_news(&mut self, now: Timestamp, notice: &Notice, snapshot_at: Timestamp, lock: Lock) {
        // An incarnation is known by the vendor's lists, or where its coming is told with the serial.
        let names_serial = matches!(notice.news, News::DeviceAdded { serial: Some(_) });
        if names_serial || notice.device.is_some_and(|device| self.has_met(notice.account, device)) {
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
                self.tell(lock, place, Some(Known { pin: before.and_then(|known| known.pin), whose: Whose::Unsure }));
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
            self.hear_of_successor(now, lock, place, |since| since == snapshot_at || is_departure && since > snapshot_at);
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
                self.tell(lock, known, None);
            }
            self.tell_all(lock);
        } else if let Some(place) = place {
            self.tell(lock, place, Some(Known { pin: None, whose: Whose::Free }));
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
    fn hear_of_successor(&mut self, now: Timestamp, lock: Lock, place: Place, is_meant: impl Fn(Timestamp) -> bool) {
        let state = self.lock(lock);
        let Some(stored) = state.memory.get(&place).filter(|stored| is_meant(stored.since) && stored.cause == Cause::World) else {
            return;
        };
        let Some(owner) = stored.code.filter(|_| stored.entry.origin == Origin::External && state.facts.profile.shows_names) else {
            return;
        };
        if self.is_name_of(owner, &stored.entry.name) || self.whose_told(lock, place) != Some(Whose::Code(owner)) {
            return;
        }
        // So soon after the code's own was confirmed it may be a copy of what was said of that.
        if self.code(owner).work.confirmed_at.is_some_and(|confirmed_at| now <= confirmed_at + COPIES_COME_WITHIN_MS) {
            return;
        }
        let before = stored.clone();
        self.unlink(lock, place, Some(&before));
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

    fn meet(&mut self, sent: &Sent, info: &DeviceInfo) {
        self.met.insert((sent.command.account, info.device));
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
        self.unsaved_known.retain(|unsaved| !matches!(unsaved, Unsaved::Of(of, ..) | Unsaved::Inventory(of) if *of == lock));
        state.picture = Picture { epoch: Some(epoch), epoch_at: Some(self.now), is_stale: true, ..Picture::default() };
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

/// The PIN that a vendor says it has chosen.
fn assigned_pin(answer: &Answer) -> Option<Pin> {
    match answer {
        Answer::Assigned { pin, .. } => Some(*pin),
        _ => None,
    }
}

/// Whether a stored window is the declared one, rounded outward, or with a start moved by the margin that the vendor demands.
fn fits_window(profile: &Profile, stored: Window, declared: Window, sent_at: Timestamp) -> bool {
    let early = declared.starts_at - stored.starts_at;
    let late = stored.ends_at - declared.ends_at;
    let margin = profile.start_margin_ms;
    let is_moved = margin > 0 && early < 0 && stored.starts_at <= sent_at + 2 * margin + profile.round_ms;
    ((0..=profile.round_ms).contains(&early) || is_moved) && (0..=profile.round_ms).contains(&late)
}

/// What others changed: all of it if the entry is not the one that was here.
fn touch(now: Timestamp, before: Option<(TrueEntry, Option<Touch>)>, after: &TrueEntry) -> Touch {
    let Some((before, earlier)) = before else {
        return Touch { at: now, came: true, pin: false, window: false, enabled: false, name: false };
    };
    let had = |aspect: fn(&Touch) -> bool| earlier.as_ref().is_some_and(aspect);
    Touch {
        at: now,
        came: had(|touch| touch.came),
        pin: before.pin != after.pin || had(|touch| touch.pin),
        window: before.window != after.window || had(|touch| touch.window),
        enabled: before.enabled != after.enabled || had(|touch| touch.enabled),
        name: before.name != after.name || had(|touch| touch.name),
    }
}
