//! When a PIN opens a door, and when it must: `I-WIN-01` to `I-WIN-05`.
//!
//! All are evaluated on intervals: whether an entry opens changes only with memory, clock and the lock's own state, what is lawful only with a wish
//! and the end of its time, and for each such instant the history touches the code. What opens unlawfully has one name: I-WIN-03 once the record is
//! gone, I-WIN-04 after a delete, I-WIN-02 after the end, I-WIN-01 while the code is wanted.

use keyway_core::access_code::Status;
use keyway_core::port::Place;
use keyway_core::time::Timestamp;

use super::{Found, Invariant, OfCode, Row};
use crate::history::{CodeIx, Goal, History, Intent, Stored, Why};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-WIN-01"), Row::of("I-WIN-02"), Row::of("I-WIN-03"), Row::of("I-WIN-04"), Row::of("I-WIN-05")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        OfCode::boxed(&["I-WIN-01"], lawful_pin_and_start),
        OfCode::boxed(&["I-WIN-02"], end),
        OfCode::boxed(&["I-WIN-03"], gone),
        OfCode::boxed(&["I-WIN-04"], deleted),
        OfCode::boxed(&["I-WIN-05"], works),
    ]
}

/// The code's entries that open now and that nobody else touched. What the world brought back may still be cleared away.
fn opening(history: &History, code: CodeIx, now: Timestamp) -> impl Iterator<Item = (Place, &Stored)> {
    let state = history.code(code);
    let lock = state.lock.map(|lock| history.lock(lock)).filter(|lock| lock.works && !state.is_residual);
    let is_counted = move |stored: &Stored| stored.touched.is_none() && !history.is_granted(code, stored, now);
    history.entries(code).filter(move |(_, stored)| lock.is_some_and(|lock| lock.honours(&stored.entry, now)) && is_counted(stored))
}

/// Windows that may lawfully show now.
fn lawful_windows(history: &History, code: CodeIx, now: Timestamp) -> impl Iterator<Item = Option<keyway_core::time::Window>> + '_ {
    history.lawful(code, now).filter_map(|intent| match intent.goal {
        Goal::Present { window, .. } => Some(window),
        Goal::Absent => None,
    })
}

/// `I-WIN-01`, while the code is wanted: a PIN written over a code that is being removed counts as absence.
fn lawful_pin_and_start(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let is_wanted = matches!(history.goal(code), Some(Intent { goal: Goal::Present { .. }, .. }));
    if !is_wanted || history.code(code).record.is_none() {
        return;
    }
    for (place, stored) in opening(history, code, now) {
        found.armed("I-WIN-01");
        let pin = stored.entry.pin;
        let is_asked = |intent: &Intent| matches!(intent.goal, Goal::Present { pin: asked, .. } if asked.is_none_or(|asked| asked == pin));
        if !history.lawful(code, now).any(is_asked) {
            return found.broken_by("I-WIN-01", history, code, format!("{pin} at {place} opens and is not, or no longer, what was asked"));
        }
        let early = history.early(code, now);
        // Switched since, it may be stored in either way (`R-23`).
        let in_any_way = history.policy().just_in_time_lead_ms.max(history.native_slack(code, now) + history.offset_slack(code));
        let early = if history.code(code).was_switched { in_any_way } else { early };
        let may_open = lawful_windows(history, code, now).any(|window| window.is_none_or(|window| now >= window.starts_at - early));
        if !may_open {
            return found.broken_by("I-WIN-01", history, code, format!("{pin} at {place} opens more than {early} ms before its start"));
        }
    }
}

/// `I-WIN-02`, of a code that was not deleted. An entry with a schedule is held to it by the lock; one without must be gone when the wish for it has had
/// its time.
fn end(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let is_deleted = matches!(history.goal(code), None | Some(Intent { why: Why::Deleted | Why::Own | Why::Left, goal: Goal::Absent, .. }));
    if is_deleted || history.code(code).record.is_none() {
        return;
    }
    let slack = history.native_slack(code, now) + history.offset_slack(code);
    for (place, stored) in opening(history, code, now) {
        found.armed("I-WIN-02");
        let is_scheduled = stored.entry.window.is_some();
        let may_open =
            |window: Option<keyway_core::time::Window>| window.is_none_or(|window| !is_scheduled || now <= window.ends_at + slack);
        if !lawful_windows(history, code, now).any(may_open) {
            let what = format!("{} at {place} still opens after its end", stored.entry.pin);
            return found.broken_by("I-WIN-02", history, code, what);
        }
    }
}

/// `I-WIN-03`. While the controller is down its records can't be known.
fn gone(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let state = history.code(code);
    let (Some(lock), Some(gone_at), true) = (state.lock, state.gone_at, history.is_up()) else { return };
    found.armed("I-WIN-03");
    let of_live = |stored: &Stored| stored.code.is_some_and(|other| history.code(other).record.is_some());
    for (place, stored) in opening(history, code, now) {
        let pin = stored.entry.pin;
        if !history.lock(lock).memory.values().any(|other| other.entry.pin == pin && of_live(other)) {
            return found.broken_by("I-WIN-03", history, code, format!("{pin} at {place} opens, and the code is gone since {gone_at}"));
        }
    }
}

/// `I-WIN-04`; a backup that the platform itself ends counts as deleted.
fn deleted(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some(Intent { why: Why::Deleted | Why::Own | Why::Left, goal: Goal::Absent, asked_at, .. }) = history.goal(code) else { return };
    if history.code(code).record.is_none() || lawful_windows(history, code, now).next().is_some() {
        return;
    }
    found.armed("I-WIN-04");
    if let Some((place, stored)) = opening(history, code, now).next() {
        let what = format!("{} at {place} still opens, deleted at {asked_at} on a path that was quiet since", stored.entry.pin);
        found.broken_by("I-WIN-04", history, code, what);
    }
}

/// `I-WIN-05`, of managed codes. Where the vendor demands that a start lies ahead, the start that was stored counts. An offline code that was used up, or
/// not used in time, is not shown, and neither is a lock that was set back.
fn works(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let state = history.code(code);
    let (Some(record), Some(lock)) = (state.record.as_deref(), state.lock) else { return };
    let (Status::Set, true, Some(pin)) = (record.status, record.is_managed, record.code) else { return };
    let lock_state = history.lock(lock);
    if history.is_catching_up() || !lock_state.works || history.is_touched(code) {
        return;
    }
    let is_spent = history.computed_as_shown(code).is_some_and(|computed| computed.is_spent(history.local_time(lock, now)));
    if is_spent || history.entries(code).any(|(_, stored)| !stored.entry.enabled) {
        return;
    }
    if let Some(window) = record.window() {
        let slack = history.native_slack(code, now) + history.unforeseen_shift(code);
        let moved = history.entries(code).filter_map(|(_, stored)| stored.entry.window).map(|window| window.starts_at).max();
        let margin = lock_state.facts.profile.start_margin_ms;
        let starts_at = moved.filter(|_| margin > 0).map_or(window.starts_at, |moved| moved.max(window.starts_at));
        if now < starts_at + slack || now > window.ends_at - slack {
            return;
        }
        // The end itself is no instant of the window.
        if now >= window.ends_at {
            return;
        }
    }
    found.armed("I-WIN-05");
    if !history.opens(lock, pin, now) {
        found.broken_by("I-WIN-05", history, code, format!("is shown as set, and {pin} does not open"));
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::{Handle, Slot};
    use keyway_core::port::Op;
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, entry, pin};
    use crate::occurrence::{Cause, Change, Origin, TrueEntry};

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(checkers())
    }

    #[test]
    fn only_what_was_asked_opens() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.update(id, Some("4321"), None, Status::Setting);
        story.wait(15 * MINUTE_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-WIN-01");
    }

    #[test]
    fn nothing_opens_before_its_time() {
        let mut story = story();
        let window = story.window(5 * HOUR_MS, 9 * HOUR_MS);
        let id = story.code(SLOT, "1234", Some(window), Status::Unset);
        let op = story.write_op(&story.record(id).clone());
        let command = story.command(SLOT, Some(id), op);
        story.store(SLOT, Some(id), command);
        story.must_break("I-WIN-01");
    }

    #[test]
    fn a_code_without_a_schedule_goes_in_time_after_its_end() {
        let mut story = story();
        let window = story.window(0, 4 * HOUR_MS);
        let id = story.confirmed(SLOT, "1234", Some(window));
        story.wait(4 * HOUR_MS);
        story.change(id, |record| record.status = Status::Removing);
        story.wait(10 * MINUTE_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-WIN-02");
    }

    #[test]
    fn a_schedule_that_ends_too_late_is_seen_at_once() {
        let mut story = story();
        let window = story.window(0, 4 * HOUR_MS);
        let id = story.code(CLOUD, "1234", Some(window), Status::Setting);
        let op = Op::CreateEntry { pin: pin("1234"), name: "code".into(), window: Some(story.window(0, 5 * HOUR_MS)) };
        let command = story.command(CLOUD, Some(id), op);
        story.store(CLOUD, Some(id), command);
        story.wait(4 * HOUR_MS + MINUTE_MS);
        story.must_hold();
        story.wait(1);
        story.must_break("I-WIN-02");
    }

    #[test]
    fn what_is_gone_does_not_open() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.drop_record(id);
        story.must_break("I-WIN-03");
    }

    #[test]
    fn what_is_deleted_stops_opening() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.wait(15 * MINUTE_MS);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-WIN-04");
    }

    #[test]
    fn a_fault_on_the_path_stops_the_time_of_a_removal() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.occur(crate::occurrence::Occurrence::Faults { lock: SLOT, active: 1 });
        story.delete(id);
        story.wait(3 * DAY_MS);
        story.must_hold();
        story.occur(crate::occurrence::Occurrence::Faults { lock: SLOT, active: 0 });
        story.wait(DAY_MS);
        story.must_break("I-WIN-04");
    }

    #[test]
    fn what_is_shown_as_set_opens() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let command = story.command(SLOT, Some(id), Op::ClearSlot { slot: Slot(1) });
        story.truth(SLOT, Change::Erased { place: ONE }, Cause::Command(command));
        story.must_break("I-WIN-05");
    }

    #[test]
    fn the_lock_judges_by_its_own_clock_and_is_excused_for_it() {
        let mut story = story();
        story.truth(CLOUD, Change::Clock { off_ms: -47 * MINUTE_MS }, Cause::World);
        let window = story.window(2 * HOUR_MS, 6 * HOUR_MS);
        let id = story.confirmed(CLOUD, "1234", Some(window));
        story.wait_until(window.starts_at);
        story.change(id, |record| record.status = Status::Set);
        story.wait(47 * MINUTE_MS);
        assert!(story.history().opens(CLOUD, pin("1234"), story.now()));
        story.wait_until(window.ends_at);
        story.change(id, |record| record.status = Status::Removing);
        story.wait(30 * MINUTE_MS);
        story.must_hold();
    }

    #[test]
    fn others_are_no_fault_of_the_platform() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let changed = TrueEntry { pin: pin("9876"), ..story.history().lock(SLOT).memory[&ONE].entry.clone() };
        story.world_stores(SLOT, ONE, changed);
        story.world_stores(CLOUD, Place::Handle(Handle(9)), entry("1234", Origin::External));
        story.wait(DAY_MS);
        assert!(story.history().is_touched(story.history().find_code(id).expect("a code")));
        story.must_hold();
    }

    #[test]
    fn a_life_in_its_window_breaks_nothing() {
        let mut story = story();
        let window = story.window(DAY_MS, 2 * DAY_MS);
        let id = story.confirmed(CLOUD, "1234", Some(window));
        story.wait_until(window.starts_at);
        story.change(id, |record| record.status = Status::Set);
        story.wait_until(window.ends_at);
        story.change(id, |record| record.status = Status::Removing);
        let place = story.place_of(id);
        story.erase(id, place);
        story.drop_record(id);
        story.wait(DAY_MS);
        story.must_hold();
    }
}
