//! What may lie in a lock's memory, and what may be sent to change it: `I-DEV-01` to `I-DEV-07`, `I-DEV-09` and `I-DEV-10`.

use keyway_core::pin::Constraint;
use keyway_core::port::{Op, Place};
use keyway_core::time::Timestamp;
use keyway_core::vendor::{DuplicatePolicy, Family, ReadBack};

use super::{Found, Interests, Invariant, OfCode, Row};
use crate::history::{Closing, CodeIx, History, Sent, Stored, Whose, is_path_error, target};
use crate::occurrence::{Cause, Change, Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row::of("I-DEV-01"),
    Row::of("I-DEV-02"),
    Row::of("I-DEV-03"),
    Row::of("I-DEV-04"),
    Row::of("I-DEV-05"),
    Row::of("I-DEV-06"),
    Row::of("I-DEV-07"),
    Row::of("I-DEV-09"),
    Row::of("I-DEV-10"),
];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(EqualPins),
        OfCode::boxed(&["I-DEV-02"], copies),
        Box::new(Capacity),
        Box::new(Constraints),
        OfCode::boxed(&["I-DEV-05"], versions),
        OfCode::boxed(&["I-DEV-06"], ghosts),
        Box::new(Foreign),
        Box::new(OneAtATime),
        Box::new(PathErrors),
    ]
}

/// The mutating command just sent, with its lock and code.
fn mutating<'a>(history: &'a History, occurrence: &Occurrence) -> Option<(&'a Sent, Lock)> {
    let Occurrence::Commanded { command, .. } = occurrence else { return None };
    let sent = history.sent(command.command_id).filter(|sent| sent.command.op.is_mutating())?;
    Some((sent, sent.lock?))
}

/// Reports a broken rule of a lock.
pub(super) fn broken_at(id: &'static str, history: &History, lock: Lock, what: &str, found: &mut Found) {
    found.broken(id, format!("{}: {what}", history.lock_name(lock)), history.lock_role(lock));
}

/// `I-DEV-01`. What people do at a lock that takes no notice of equal PINs is not judged: only entries that a command stored are compared. A PIN is
/// known to collide while the last that the controller was told of another place shows it there, not as its own code's.
struct EqualPins;

impl EqualPins {
    fn check(history: &History, lock: Lock, found: &mut Found) {
        let state = history.lock(lock);
        if state.facts.profile.duplicate == DuplicatePolicy::Accept {
            return;
        }
        let overlap = |one: &Stored, other: &Stored| match (one.entry.window, other.entry.window) {
            (Some(one), Some(other)) => one.overlaps(&other),
            _ => true,
        };
        for (place, stored) in state.memory.iter().filter(|(_, stored)| matches!(stored.cause, Cause::Command(_))) {
            let is_twin = |other: &Stored| other.entry.pin == stored.entry.pin && other.since <= stored.since && overlap(stored, other);
            if state.memory.iter().any(|(at, other)| at != place && is_twin(other)) {
                broken_at("I-DEV-01", history, lock, &format!("two entries hold the PIN {}", stored.entry.pin), found);
            }
        }
    }
}

impl Invariant for EqualPins {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DEV-01"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Some((sent, lock)) = mutating(history, occurrence) else { return };
        let (Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. } | Op::SetSlot { pin, .. }) = &sent.command.op else { return };
        found.armed("I-DEV-01");
        let place = sent.place();
        let is_own = |whose: Whose| whose == Whose::Unsure || sent.code.is_some_and(|code| whose == Whose::Code(code));
        let mut known = history.lock(lock).picture.places.iter();
        let twin =
            known.find(|(at, known)| Some(**at) != place && known.pin == Some(*pin) && known.whose != Whose::Free && !is_own(known.whose));
        if let (Some((at, _)), Some(code)) = (twin, sent.code) {
            found.broken_by("I-DEV-01", history, code, format!("sends the PIN {pin}, which is known to be at {at}"));
        } else if twin.is_some() {
            broken_at("I-DEV-01", history, lock, &format!("sends the PIN {pin} twice"), found);
        }
    }

    fn settled(&mut self, history: &History, _now: Timestamp, found: &mut Found) {
        for lock in history.touched_locks() {
            Self::check(history, *lock, found);
        }
    }

    fn full(&self, history: &History, _now: Timestamp, found: &mut Found) {
        for (lock, _) in history.locks() {
            Self::check(history, lock, found);
        }
    }
}

/// Two entries of one code for which the world's time to clear a twin away is over or never ran; whether they are the same.
fn surplus(history: &History, code: CodeIx, now: Timestamp, is_same: bool) -> Option<String> {
    if history.code(code).places.len() < 2 {
        return None;
    }
    // A second entry that a copy of a command made has its time, like any.
    let is_of_others = |stored: &Stored| stored.touched.is_some_and(|touch| !(touch.came && matches!(stored.cause, Cause::Command(_))));
    let is_counted = |stored: &Stored| !is_of_others(stored) && !history.is_granted(code, stored, now);
    let counted: Vec<(Place, &Stored)> = history.entries(code).filter(|(_, stored)| is_counted(stored)).collect();
    let pairs = counted.iter().enumerate().flat_map(|(n, one)| counted[n + 1..].iter().map(move |other| (one, other)));
    for ((at, one), (also, other)) in pairs {
        let same = (one.entry.pin, one.entry.window) == (other.entry.pin, other.entry.window);
        if same == is_same {
            return Some(format!("is at {at} with PIN {} and at {also} with PIN {}", one.entry.pin, other.entry.pin));
        }
    }
    None
}

/// `I-DEV-02`, for entries of one content; those that differ are `I-DEV-05`'s. That a slot holds one entry is how memory is told.
fn copies(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    if history.is_resident(code) {
        found.armed("I-DEV-02");
    }
    if let Some(what) = surplus(history, code, now, true) {
        found.broken_by("I-DEV-02", history, code, what);
    }
}

/// `I-DEV-03`.
struct Capacity;

impl Capacity {
    fn check(history: &History, lock: Lock, found: &mut Found) {
        let state = history.lock(lock);
        if state.used() > state.facts.usable_slots {
            broken_at("I-DEV-03", history, lock, &format!("{} entries in {} places", state.used(), state.facts.usable_slots), found);
        }
    }

    /// Whether a command only asks what became of the one before it: it has its key, and no read could tell (`P-04`, port.md 5).
    fn is_question(history: &History, sent: &Sent, lock: Lock) -> bool {
        let before = sent.code.and_then(|code| history.code(code).before_last());
        let is_blind = history.lock(lock).facts.profile.read_back == ReadBack::None;
        is_blind && before.is_some_and(|before| before.key == sent.command.key && !matches!(before.closing, Closing::Refused(_)))
    }
}

impl Invariant for Capacity {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DEV-03"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Some((sent, lock)) = mutating(history, occurrence) else { return };
        let picture = &history.lock(lock).picture;
        let is_free = |place: Place| picture.places.get(&place).is_none_or(|known| known.whose == Whose::Free);
        let adds = match &sent.command.op {
            Op::CreateEntry { .. } => true,
            Op::SetSlot { slot, .. } => is_free(Place::Slot(*slot)),
            _ => false,
        };
        if !adds || Self::is_question(history, sent, lock) {
            return;
        }
        found.armed("I-DEV-03");
        let (occupied, capacity) = history.known_room(lock);
        if occupied >= capacity {
            let what = format!("a write is sent although {occupied} of {capacity} places are known to be taken");
            match sent.code {
                Some(code) => found.broken_by("I-DEV-03", history, code, what),
                None => broken_at("I-DEV-03", history, lock, &what, found),
            }
        }
    }

    fn settled(&mut self, history: &History, _now: Timestamp, found: &mut Found) {
        for lock in history.touched_locks() {
            Self::check(history, *lock, found);
        }
    }

    fn full(&self, history: &History, _now: Timestamp, found: &mut Found) {
        for (lock, _) in history.locks() {
            Self::check(history, lock, found);
        }
    }
}

/// `I-DEV-04`, for what commands stored. A length is in order if the profile or the keypad of the moment takes it.
struct Constraints;

impl Constraints {
    fn check(history: &History, lock: Lock, place: Place, stored: &Stored, found: &mut Found) {
        let (Cause::Command(id), Some(code)) = (stored.cause, stored.code) else { return };
        // A seat or a schedule leaves PIN and name as others made them.
        if history
            .sent(id)
            .is_some_and(|sent| matches!(sent.command.op, Op::TakeSeat { .. } | Op::ReleaseSeat { .. } | Op::SetSchedule { .. }))
        {
            return;
        }
        found.armed("I-DEV-04");
        let (state, pin, name) = (history.lock(lock), stored.entry.pin, &stored.entry.name);
        let profile = &state.facts.profile;
        let is_long_enough = state.told_lengths().contains(pin.length()) || state.lengths.contains(pin.length());
        let length = name.chars().count();
        let is_kept = |constraint: &Constraint| match constraint {
            Constraint::NameLength { min_length, max_length } => (usize::from(*min_length)..=usize::from(*max_length)).contains(&length),
            Constraint::NameMustBeUnique => {
                // What the world brought or brought back unseen nobody can mind.
                let is_seen = |at: &Place, other: &Stored| {
                    other.cause != Cause::World || state.picture.places.get(at).is_some_and(|known| known.whose != Whose::Free)
                };
                state.memory.iter().all(|(at, other)| *at == place || other.entry.name != *name || !is_seen(at, other))
            }
            pin_constraint => pin_constraint.admits(pin),
        };
        if !is_long_enough {
            found.broken_by("I-DEV-04", history, code, format!("a PIN of {} digits was stored", pin.length()));
        } else if let Some(constraint) = profile.constraints.iter().find(|constraint| !is_kept(constraint)) {
            found.broken_by("I-DEV-04", history, code, format!("{pin} under the name {name:?} breaks {constraint:?}"));
        }
    }
}

impl Invariant for Constraints {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DEV-04"]
    }

    fn interests(&self) -> Interests {
        Interests::TRUTH
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Truth { lock, change: Change::Stored { place, .. }, .. } = occurrence else { return };
        if let Some(stored) = history.lock(*lock).memory.get(place) {
            Self::check(history, *lock, *place, stored, found);
        }
    }

    fn full(&self, history: &History, _now: Timestamp, found: &mut Found) {
        for (lock, state) in history.locks() {
            for (place, stored) in &state.memory {
                Self::check(history, lock, *place, stored, found);
            }
        }
    }
}

/// `I-DEV-05`, for entries of one code that differ; equal ones are `I-DEV-02`'s.
fn versions(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    if history.is_resident(code) {
        found.armed("I-DEV-05");
    }
    if let Some(what) = surplus(history, code, now, false) {
        found.broken_by("I-DEV-05", history, code, what);
    }
}

/// `I-DEV-06`. What others brought back is granted, once the controller was shown it, for the time of a removal: it can't be erased in the very
/// step in which it is seen. While the controller is down its records can't be known.
fn ghosts(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let state = history.code(code);
    if !history.is_up() || state.places.is_empty() {
        return;
    }
    found.armed("I-DEV-06");
    if state.record.is_some() || state.is_residual {
        return;
    }
    let is_excused = |stored: &Stored| stored.touched.is_some() || history.is_granted(code, stored, now);
    if let Some((place, stored)) = history.entries(code).find(|(_, stored)| !is_excused(stored)) {
        found.broken_by("I-DEV-06", history, code, format!("has no record, and {} lies at {place}", stored.entry.pin));
    }
}

/// `I-DEV-07`. A complete listing tells of every slot; what looks like the controller's own work counts as not told apart.
struct Foreign;

impl Invariant for Foreign {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DEV-07"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Some((sent, lock)) = mutating(history, occurrence) else { return };
        let Some(place) = target(&sent.command.op) else { return };
        found.armed("I-DEV-07");
        let state = history.lock(lock);
        let is_told = state.facts.profile.family == Family::BySlot && state.picture.is_inventoried;
        let is_asked = |code: CodeIx| history.code(code).acked.is_erasure_asked && sent.command.op.is_erasing();
        let what = match state.picture.places.get(&place).map(|known| known.whose) {
            Some(Whose::Foreign) if sent.code.is_some_and(is_asked) => return,
            Some(Whose::Foreign) => "is known to be somebody else's",
            None if !is_told => "is unknown in this incarnation",
            Some(Whose::Code(_) | Whose::Unsure | Whose::Free) | None => return,
        };
        let what = format!("{:?} is sent, and {place} {what}", sent.command.op.kind());
        match sent.code {
            Some(code) => found.broken_by("I-DEV-07", history, code, what),
            None => broken_at("I-DEV-07", history, lock, &what, found),
        }
    }
}

/// `I-DEV-09`. The repeat of a step must carry its key while the step's outcome is open; once that is settled a new try may be a new step.
struct OneAtATime;

impl OneAtATime {
    fn conflict(history: &History, sent: &Sent, lock: Lock, now: Timestamp) -> Option<String> {
        let place = sent.place();
        let kind = sent.command.op.kind();
        let is_open = |other: &&Sent| {
            other.command.command_id != sent.command.command_id
                && other.closed_at.is_none()
                && !other.is_settled
                && !history.is_forgotten(other, now)
        };
        for other in history.open_commands(lock).filter(is_open) {
            let same_code = other.code.is_some() && other.code == sent.code;
            let same_place = place.is_some() && other.place() == place;
            let before = other.command.op.kind();
            if other.answered_at.is_none() && (same_code || same_place) {
                return Some(format!("{kind:?} is sent while {before:?} of {} has no answer", other.at));
            }
            if same_code && other.version >= sent.version {
                return Some(format!("{kind:?} is sent for the same wish while {before:?} of {} is not closed", other.at));
            }
        }
        None
    }

    fn is_rekeyed(history: &History, sent: &Sent) -> bool {
        let Some(last) = sent.code.and_then(|code| history.code(code).before_last()) else { return false };
        let is_repeat =
            last.op == sent.command.op && last.version == sent.version && last.closing == Closing::Ambiguous && !last.is_settled;
        is_repeat && last.key != sent.command.key
    }
}

impl Invariant for OneAtATime {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DEV-09"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Some((sent, lock)) = mutating(history, occurrence) else { return };
        found.armed("I-DEV-09");
        let rekeyed = || Self::is_rekeyed(history, sent).then(|| "repeats a step with an open outcome under another key".to_owned());
        let Some(what) = Self::conflict(history, sent, lock, now).or_else(rekeyed) else { return };
        match sent.code {
            Some(code) => found.broken_by("I-DEV-09", history, code, what),
            None => broken_at("I-DEV-09", history, lock, &what, found),
        }
    }
}

/// `I-DEV-10`, at the end of the step, when it is known whether the error stood before and after.
struct PathErrors;

impl Invariant for PathErrors {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DEV-10"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        if !history.is_up() {
            return;
        }
        for (command, _) in history.step().commands.iter().filter(|(command, _)| command.op.is_mutating()) {
            let Some(lock) = history.sent(command.command_id).and_then(|sent| sent.lock) else { continue };
            found.armed("I-DEV-10");
            let was = History::device_shows(history.previous_device(lock), is_path_error);
            let is = History::device_shows(history.lock(lock).device.as_deref(), is_path_error);
            if was && is {
                let what = format!("{:?} is sent while the device carries an error of its path", command.op.kind());
                broken_at("I-DEV-10", history, lock, &what, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_core::access_code::Status;
    use keyway_core::id::Slot;
    use keyway_core::port::{Answer, Item, News, ShownPin};
    use keyway_core::problem::{ErrorCode, ErrorEntry};
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, item, pin};
    use crate::occurrence::TrueEntry;

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(checkers())
    }

    fn set_slot(slot: u16, digits: &str) -> Op {
        Op::SetSlot { slot: Slot(slot), pin: pin(digits), name: "code".into() }
    }

    #[test]
    fn a_pin_that_is_known_to_be_there_is_not_sent() {
        let mut story = story();
        story.person_stores(SLOT, Place::Slot(Slot(5)), "1234");
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.command(SLOT, Some(id), set_slot(2, "1234"));
        story.must_hold();
        story.list(SLOT);
        story.wait(HOUR_MS);
        story.update(id, Some("1234"), None, Status::Setting);
        let first = story.history().open_commands(SLOT).next().expect("a command").command.command_id;
        story.answer(first, Answer::TimedOut);
        story.command(SLOT, Some(id), set_slot(3, "1234"));
        story.must_break("I-DEV-01");
    }

    #[test]
    fn a_code_lies_in_a_lock_once() {
        let mut story = Story::with(checkers(), |facts| Arc::make_mut(&mut facts.locks[1].profile).duplicate = DuplicatePolicy::Accept);
        let id = story.confirmed(SLOT, "1234", None);
        let command = story.command(SLOT, Some(id), set_slot(2, "1234"));
        story.store(SLOT, Some(id), command);
        story.must_break("I-DEV-02");
    }

    #[test]
    fn a_twin_that_the_world_made_must_go_in_time() {
        let mut story = Story::with(checkers(), |facts| Arc::make_mut(&mut facts.locks[0].profile).duplicate = DuplicatePolicy::Accept);
        let id = story.confirmed(CLOUD, "1234", None);
        let cause = story.history().entries(ix(&story, id)).next().expect("an entry").1.cause;
        let Cause::Command(command) = cause else { panic!("a command stored it") };
        story.store(CLOUD, Some(id), command);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-DEV-02");
    }

    fn ix(story: &Story, id: keyway_core::id::CodeId) -> CodeIx {
        story.history().find_code(id).expect("a code")
    }

    #[test]
    fn nothing_is_written_to_a_lock_known_to_be_full() {
        let mut story = Story::with(checkers(), |facts| {
            Arc::make_mut(&mut facts.locks[0].profile).slots = 1;
            facts.locks[0].usable_slots = 1;
        });
        story.person_stores(CLOUD, Place::Handle(keyway_core::id::Handle(77)), "9999");
        story.list(CLOUD);
        let id = story.code(CLOUD, "1234", None, Status::Setting);
        let op = story.write_op(&story.record(id).clone());
        story.command(CLOUD, Some(id), op);
        story.must_break("I-DEV-03");
    }

    #[test]
    fn what_is_stored_fits_the_lock() {
        let mut story = story();
        story.confirmed(CLOUD, "123", None);
        story.must_break("I-DEV-04");
    }

    #[test]
    fn two_versions_never_lie_together() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.update(id, Some("4321"), None, Status::Setting);
        let command = story.command(SLOT, Some(id), set_slot(2, "4321"));
        story.store(SLOT, Some(id), command);
        story.must_break("I-DEV-05");
    }

    #[test]
    fn a_record_does_not_go_before_its_entry() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.drop_record(id);
        story.must_break("I-DEV-06");
    }

    #[test]
    fn a_ghost_that_came_back_may_be_cleared_once_it_was_seen() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let entry = story.history().lock(SLOT).memory[&ONE].entry.clone();
        story.delete(id);
        story.erase(id, ONE);
        story.drop_record(id);
        story.world_stores(SLOT, ONE, entry);
        story.wait(DAY_MS);
        story.must_hold();
        story.list(SLOT);
        story.wait(MINUTE_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-DEV-06");
    }

    #[test]
    fn what_is_known_to_be_anothers_stays() {
        let mut story = story();
        story.person_stores(SLOT, ONE, "9999");
        story.list(SLOT);
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-DEV-07");
    }

    /// The controller dies between its save and a write to a slot, somebody adds something there, and reads show nothing of it. Had it no intent, it knows.
    fn writes_where_somebody_added(is_intended: bool) -> Story {
        let mut story = Story::with(checkers(), |facts| {
            let profile = Arc::make_mut(&mut facts.locks[1].profile);
            (profile.read_back, profile.shows_names) = (ReadBack::Masked, false);
        });
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let command = story.draft_command(SLOT, Some(id), set_slot(1, "1234"));
        let unsent = Occurrence::Unsent { command, lock: Some(SLOT) };
        for occurrence in [Occurrence::StepBegan, Occurrence::Woken, Occurrence::Saved] {
            story.occur(occurrence);
        }
        if is_intended {
            story.occur(unsent);
        }
        story.crash(MINUTE_MS, |_| {});
        story.person_stores(SLOT, ONE, "9999");
        let shown = Item { pin: ShownPin::Masked, name: None, ..item(ONE, &story.history().lock(SLOT).memory[&ONE].entry) };
        let listing = story.command(SLOT, None, Op::ListEntries { page: 0, fresh: true });
        story.answer(listing, Answer::Entries { items: vec![shown].into(), next_page: None });
        story.wait(HOUR_MS);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story
    }

    #[test]
    fn what_a_write_that_may_have_left_has_stored_is_nobodys_to_know() {
        writes_where_somebody_added(true).must_hold();
        writes_where_somebody_added(false).must_break("I-DEV-07");
    }

    #[test]
    fn what_was_told_in_a_step_that_died_was_not_told() {
        let mut story = story();
        story.person_stores(SLOT, ONE, "9999");
        story.list_with(SLOT, false, vec![Occurrence::Saved]);
        let removed = story.draft_notice(SLOT, News::EntryRemoved(ONE));
        for occurrence in [Occurrence::StepBegan, removed] {
            story.occur(occurrence);
        }
        story.crash(MINUTE_MS, |_| {});
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-DEV-07");
    }

    #[test]
    fn a_race_that_nobody_could_know_of_is_none() {
        let mut story = story();
        story.person_stores(SLOT, ONE, "9999");
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_hold();
    }

    #[test]
    fn a_second_write_waits_for_the_first_to_be_answered() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.wait(SECOND_MS);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-DEV-09");
    }

    #[test]
    fn a_repeat_with_an_open_outcome_carries_its_key() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let command = story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.wait(2 * MINUTE_MS);
        story.answer(command, Answer::TimedOut);
        story.wait(30 * SECOND_MS);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-DEV-09");
    }

    #[test]
    fn nothing_is_written_on_a_path_that_shows_an_error() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let created_at = story.now();
        story.device_shows(SLOT, |device| device.errors.push(ErrorEntry { error_code: ErrorCode::HubDisconnected, created_at }));
        story.wait(MINUTE_MS);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-DEV-10");
    }

    #[test]
    fn a_life_with_others_about_breaks_nothing() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.person_stores(SLOT, Place::Slot(Slot(2)), "2222");
        story.list(SLOT);
        let changed = TrueEntry { pin: pin("9876"), ..story.history().lock(SLOT).memory[&ONE].entry.clone() };
        story.world_stores(SLOT, ONE, changed);
        story.notice(SLOT, News::EntryChanged(ONE), Vec::new());
        story.read(SLOT, ONE);
        story.change(id, |record| record.status = Status::Setting);
        let command = story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.answer(command, Answer::Busy);
        story.wait(30 * SECOND_MS);
        let command = story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.store(SLOT, Some(id), command);
        story.answer(command, Answer::Done { handle: None });
        story.change(id, |record| record.status = Status::Set);
        story.wait(DAY_MS);
        story.must_hold();
    }
}
