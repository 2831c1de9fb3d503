//! What lies in each lock, and what others changed in it unseen.

use keyway_core::access_code::{Record, Status};
use keyway_core::id::{Epoch, VendorDevice};
use keyway_core::pin::Pin;
use keyway_core::port::{Name, Op, Place};
use keyway_core::problem::WarningCode;
use keyway_core::time::{Timestamp, Window};
use keyway_core::vendor::{Profile, ReadBack};

use super::commands::{Closing, Sent, target};
use super::told::Whose;
use super::{CodeIx, Goal, History, Intent};
use crate::occurrence::{Cause, Change, Lock, Origin, TrueEntry};

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
    pub(super) listed_without: Option<Timestamp>,
    /// When a notice said that it is gone.
    pub(super) noticed_at: Option<Timestamp>,
    pub(super) is_in_listing: bool,
    /// Whether the controller knew it for the code's own.
    pub(super) was_told: bool,
}

impl Lost {
    /// Whether nothing hinted at the loss.
    pub(super) fn is_unseen(&self) -> bool {
        self.listed_without.is_none() && self.noticed_at.is_none()
    }

    /// The entry as it was, where `like` lies now.
    fn entry(&self, like: &TrueEntry) -> TrueEntry {
        TrueEntry { pin: self.pin, name: self.name.clone(), window: self.window, enabled: self.enabled, ..like.clone() }
    }
}

impl History {
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

    /// When an own entry of the code with the PIN that it wants left last of which nobody was told: one that had come back may have been the twin that a new one
    /// met, and left unseen like anybody's (`R-54`).
    #[must_use]
    pub fn own_twin_left_at(&self, code: CodeIx) -> Option<Timestamp> {
        let Goal::Present { pin, .. } = self.goal(code)?.goal else { return None };
        let may_be_it = |lost: &&Lost| Some(lost.pin) == pin && lost.noticed_at.is_none();
        self.code(code).lost.iter().filter(may_be_it).map(|lost| lost.at).max()
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
        // A new wish starts a new course of tries, and its time with it: one that ends a fight (`R-62`) is not late for what the fight had put off.
        let asked_at = self.goal(code).map_or(Timestamp::MIN, |intent| intent.asked_at);
        self.quiet_since(lock).is_none_or(|quiet| {
            let since = quiet.max(granted_at).max(asked_at);
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

    /// Whether memory is what the code's goal wants: the entry, if it is present and due; nothing, if it is absent.
    #[must_use]
    pub fn is_at_goal(&self, code: CodeIx) -> bool {
        if self.is_offline(code) {
            return true;
        }
        match self.goal(code) {
            None => true,
            Some(Intent { goal: Goal::Absent, .. }) => !self.is_resident(code),
            Some(Intent { goal: Goal::Present { .. }, due_at, .. }) => {
                if self.is_resident(code) {
                    self.is_matching(code)
                } else {
                    self.now < *due_at
                }
            }
        }
    }

    /// Whether entering `pin` at the lock unlocks it at `at`, by the truth seen so far.
    #[must_use]
    pub fn opens(&self, lock: Lock, pin: Pin, at: Timestamp) -> bool {
        let state = self.lock(lock);
        let takes = self.computed_pin(lock, pin).is_some_and(|computed| computed.opens(self.local_time(lock, at)));
        state.works && (takes || state.memory.values().any(|stored| stored.entry.pin == pin && state.honours(&stored.entry, at)))
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
        self.unlink(place, before.as_ref());
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
        self.unlink(place, Some(&before));
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

    pub(super) fn unlink(&mut self, place: Place, before: Option<&Stored>) {
        if let Some(owner) = before.and_then(|before| before.code) {
            self.codes[owner.0 as usize].places.retain(|known| *known != place);
            self.touch_code(owner);
        }
    }

    pub(super) fn lose(&mut self, now: Timestamp, lock: Lock, owner: CodeIx, (place, before): (Place, &Stored)) {
        let (pin, name, window) = (before.entry.pin, before.entry.name.clone(), before.entry.window);
        let (enabled, touched) = (before.entry.enabled, before.touched);
        let was_told = self.whose_told(lock, place) == Some(Whose::Code(owner)) || self.outlived_join(lock, place, before);
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
            self.unlink(place, Some(&before));
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
    pub(super) fn weigh_hindrances(&mut self, now: Timestamp, lock: Lock, is_of_memory: bool) {
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
