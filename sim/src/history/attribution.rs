//! Whose an entry is (`P-09`), as far as a controller could tell.

use keyway_core::id::Epoch;
use keyway_core::pin::Pin;
use keyway_core::port::{Name, Op, Place};
use keyway_core::time::{Timestamp, Window};
use keyway_core::vendor::{Profile, ReadBack};

use super::heard::COPIES_COME_WITHIN_MS;
use super::memory::{Lost, Stored, Touch};
use super::told::Whose;
use super::{Code, CodeIx, History};
use crate::occurrence::{Cause, Lock, Origin, TrueEntry};

impl History {
    /// Whether reads of this lock can prove an entry to be the controller's after a join: its PIN is shown (`R-57`).
    pub(super) fn proves_by_pin(profile: &Profile) -> bool {
        matches!(profile.read_back, ReadBack::Exact | ReadBack::ExactLoaded)
    }

    /// Whether a code's entry can be known again after a join: reads show its PIN, and it was the code's.
    pub(super) fn is_proven_by_pin(&self, lock: Lock, code: CodeIx, entry: Pin) -> bool {
        Self::proves_by_pin(&self.lock(lock).facts.profile) && self.code(code).pins.contains(&entry)
    }

    /// Whether the word that a code's entry left parts the code from whatever lies in its place: reads show nothing of that (port.md 5), and the word comes too late
    /// to be a copy of one about what lay there before (port.md 7).
    pub(super) fn is_parted(&self, lock: Lock, code: CodeIx, told_at: Timestamp) -> bool {
        let profile = &self.lock(lock).facts.profile;
        let is_blank = profile.read_back == ReadBack::Presence && !profile.shows_names;
        is_blank && self.code(code).work.confirmed_at.is_some_and(|at| told_at > at + COPIES_COME_WITHIN_MS)
    }

    /// Whether an entry that came back, and whose PIN no read shows, may be older than the incarnation: nothing of its name was sent in it.
    fn is_from_before(&self, lock: Lock, code: CodeIx, entry: &TrueEntry) -> bool {
        let state = self.lock(lock);
        let is_it = |(epoch, name): &(Epoch, Name)| *epoch == state.epoch && *name == entry.name;
        state.joined_at.is_some() && !self.code(code).names.iter().any(is_it)
    }

    /// The origin by `P-09`: the code of the command that stored it; an equal unsettled creation, whoever stored it; and for what was left behind
    /// or renamed by a join, the code it was of, where its PIN can be read.
    pub(super) fn attribute(
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
            let was_told_gone = |lost: &Lost| lost.place == place && lost.noticed_at.is_some_and(|at| self.is_parted(lock, code, at));
            if cause == Cause::World && !is_same && self.code(code).lost.iter().any(was_told_gone) {
                return None;
            }
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
        // So is one of which nobody knows whether it was sent before a crash (`R-60`).
        let is_unsent = |code: &CodeIx| self.code(*code).work.unsent.as_ref().is_some_and(|unsent| equals(&unsent.op));
        let unsent = || self.lock(lock).codes.iter().copied().find(is_unsent);
        if let Some(code) = unsettled.and_then(|sent| sent.code).or_else(unsent) {
            return Some(code);
        }
        if cause != Cause::World || !Self::proves_by_pin(&self.lock(lock).facts.profile) {
            return None;
        }
        // Under the vendor's own id a stranger's entry stays one, whatever somebody makes of it; in a slot, while it keeps its PIN and its name.
        let is_under_its_id = matches!(place, Place::Handle(_));
        let is_the_same = |before: &Stored| is_under_its_id || (before.entry.pin, &before.entry.name) == (entry.pin, &entry.name);
        if before.is_some_and(|before| before.code.is_none() && is_the_same(before)) {
            return None;
        }
        // Entries that outlived a join: changed under their own name, renumbered, or back in an old state.
        let shows_names = self.lock(lock).facts.profile.shows_names;
        let same = |pin: Pin, window: Option<Window>| (pin, window) == (entry.pin, entry.window);
        let is_known = |before: &Stored| !shows_names || before.touched.is_none();
        // A PIN that others gave it unseen is nobody's to know.
        let is_of_a_known_pin = |before: &Stored| before.touched.is_none_or(|touch| !touch.pin);
        let stays = |before: &&Stored| {
            let is_named = shows_names && before.entry.name == entry.name;
            let is_told = before.code.is_some_and(|code| self.whose_told(lock, place) == Some(Whose::Code(code)));
            let is_its_name = before.code.is_some_and(|code| self.is_name_of(code, &entry.name));
            // In its own slot PIN and window are proof enough (`R-57`), if anybody knew that it is the code's (`R-64` a).
            let is_proven = is_known(before) || matches!(place, Place::Slot(_)) && is_of_a_known_pin(before);
            let is_like_own = same(before.entry.pin, before.entry.window) && is_proven;
            let is_like_own = is_like_own && (!shows_names || is_named || is_told || self.outlived_join(lock, place, before));
            // Nor can anybody tell what lay there unseen in between from what was told to lie there.
            let is_as_told = matches!(place, Place::Slot(_)) && is_told && self.told_pin(lock, place) == Some(entry.pin);
            (is_named && is_its_name && is_told) || is_like_own || is_as_told
        };
        // Nobody can tell it from the one that was lost unseen at the same place, unless it has another name where nobody knew of the one (`R-64` a).
        let is_named = |lost: &Lost| !shows_names || lost.name == entry.name;
        let moved = |code: &CodeIx| {
            let is_told = self.whose_told(lock, place) == Some(Whose::Code(*code));
            // What was told before a join is void, and yet a controller may hold an equal PIN in the same slot for its own (`R-57`).
            let is_before_join = |lost: &Lost| {
                let is_untold = self.told(lock, place).is_none();
                self.lock(lock).joined_at.is_some_and(|joined_at| is_untold || lost.at <= joined_at)
            };
            // One that others gave it unseen nobody knows for the code's (`P-09`).
            let is_of_a_known_pin = |lost: &Lost| self.code(*code).pins.contains(&lost.pin);
            let is_known = |lost: &Lost| is_of_a_known_pin(lost) && (is_told || is_before_join(lost) && lost.was_told && lost.is_unseen());
            let is_here = |lost: &Lost| lost.place == place && (is_named(lost) || is_known(lost));
            // That it left was told, and what came since has no name of the code's.
            let is_successor = |lost: &Lost| shows_names && lost.noticed_at.is_some() && !self.is_name_of(*code, &entry.name);
            let is_near = |lost: &Lost| is_here(lost) || (lost.at == now && is_named(lost));
            let is_it = |lost: &Lost| same(lost.pin, lost.window) && is_near(lost) && !is_successor(lost);
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

    /// Whether a code's entry dates from before a join since which nobody was told anything of its slot: what was told before is void, and yet a controller may
    /// hold an equal PIN in the same slot for its own (`R-57`).
    pub(super) fn outlived_join(&self, lock: Lock, place: Place, before: &Stored) -> bool {
        // Some vendors confirm by reads alone.
        let was_known = before.code.is_some_and(|code| self.code(code).was_confirmed || self.code(code).work.confirmed_at.is_some());
        let is_from_before = self.lock(lock).joined_at.is_some_and(|joined_at| before.since <= joined_at);
        matches!(place, Place::Slot(_)) && was_known && is_from_before && self.told(lock, place).is_none()
    }

    /// Whether an entry may show this name for one that was sent for the code, which the lock may have cut short.
    pub(super) fn is_name_of(&self, code: CodeIx, shown: &Name) -> bool {
        self.code(code).names.iter().any(|(_, name)| name == shown || (!shown.is_empty() && name.starts_with(&**shown)))
    }

    /// What stays unseen of a change by others after a command rewrote a part of the entry.
    pub(super) fn left_of_touch(&self, id: keyway_core::id::CommandId, before: &Stored) -> Option<Touch> {
        let op = &self.sent(id)?.command.op;
        match op {
            Op::SetSchedule { .. } => {
                before.touched.filter(|touch| touch.pin).map(|touch| Touch { window: false, enabled: false, ..touch })
            }
            _ => None,
        }
    }

    /// Whether the lock minds that an entry has this PIN.
    pub(super) fn is_minded(&self, lock: Lock, stored: &Stored, pin: Pin) -> bool {
        self.lock(lock).facts.twins.is_some_and(|equality| equality.same(stored.entry.pin, pin))
    }

    /// Whether an entry may be the controller's work for all that reads show: a code's own of this incarnation that others edited under its name before
    /// anybody was told of it (`P-09`), or just what a code once had, which others can make of another entry too (`F-06`).
    pub(super) fn may_be_own(&self, lock: Lock, entry: &TrueEntry) -> bool {
        let state = self.lock(lock);
        let is_named = |code: &Code| code.names.iter().any(|(epoch, name)| *epoch == state.epoch && *name == entry.name);
        let had_it = |code: &Code| code.pins.contains(&entry.pin) && code.names.iter().any(|(_, name)| *name == entry.name);
        let may_be_of = |code: &Code| (entry.origin == Origin::Code(code.id) && is_named(code)) || had_it(code);
        state.facts.profile.shows_names && state.codes.iter().any(|code| may_be_of(self.code(*code)))
    }
}
