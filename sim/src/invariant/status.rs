//! What a record may show: `I-STA-01` to `I-STA-07`, `I-STA-09`, and `I-STA-14`; how it may change is in `transitions`.
//!
//! While the controller is down there are no records to judge, and at the instant of a restart none that time alone would have changed.

use keyway_core::access_code::{Record, Status, Type};
use keyway_core::problem::ErrorCode;
use keyway_core::time::Timestamp;

use super::{Found, Interests, Invariant, OfCode, Row};
use crate::history::{CodeIx, Goal, History, Intent, Stored};
use crate::occurrence::Occurrence;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row::of("I-STA-01"),
    Row::of("I-STA-02"),
    Row::of("I-STA-03"),
    Row::of("I-STA-04"),
    Row::of("I-STA-05"),
    Row::of("I-STA-06"),
    Row::of("I-STA-07"),
    Row::of("I-STA-09"),
    Row::of("I-STA-14"),
];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        OfCode::boxed(&["I-STA-01"], set_is_true),
        OfCode::boxed(&["I-STA-02"], unset_is_true),
        OfCode::boxed(&["I-STA-03"], scheduled_is_true),
        OfCode::boxed(&["I-STA-04"], unknown_while_lost),
        OfCode::boxed(&["I-STA-05"], kind_and_bounds),
        OfCode::boxed(&["I-STA-06"], set_in_its_window),
        OfCode::boxed(&["I-STA-07"], native_setting),
        OfCode::boxed(&["I-STA-09"], assignment),
        OfCode::boxed(&["I-STA-14"], unmanaged),
        Box::new(UnmanagedCommands),
    ]
}

/// The record of a code that the controller manages, with the lock online codes are written to.
fn managed(history: &History, code: CodeIx) -> Option<&Record> {
    let record = history.code(code).record.as_deref()?;
    (history.is_up() && record.is_managed && !record.is_offline_access_code).then_some(record)
}

/// `I-STA-01`.
fn set_is_true(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    if managed(history, code).is_none_or(|record| record.status != Status::Set) {
        return;
    }
    found.armed("I-STA-01");
    if !history.is_matching(code) && !history.is_touched(code) {
        found.broken_by("I-STA-01", history, code, format!("is shown as set, and the lock has {}", memory_of(history, code)));
    }
}

/// What lies in the lock for a code, for a reader.
fn memory_of(history: &History, code: CodeIx) -> String {
    let what = |stored: &Stored| match (stored.entry.window, stored.entry.enabled) {
        (_, false) => format!("{}, disabled", stored.entry.pin),
        (None, true) => format!("{} without a window", stored.entry.pin),
        (Some(window), true) => format!("{} from {} to {}", stored.entry.pin, window.starts_at, window.ends_at),
    };
    let all: Vec<String> = history.entries(code).map(|(_, stored)| what(stored)).collect();
    if all.is_empty() { "nothing of it".to_owned() } else { all.join("; ") }
}

/// `I-STA-02`.
fn unset_is_true(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some(record) = managed(history, code) else { return };
    let state = history.code(code);
    let is_meant = record.status == Status::Unset && !record.is_scheduled_on_device && state.work.unsettled == 0;
    if !is_meant || history.is_touched(code) || history.is_catching_up() || history.rests_as_left(code) {
        return;
    }
    found.armed("I-STA-02");
    let is_lawful = |stored: &Stored| {
        let asked = |intent: &Intent| match intent.goal {
            Goal::Present { pin, window } => pin.is_none_or(|pin| pin == stored.entry.pin) && history.fits(code, stored, window),
            Goal::Absent => false,
        };
        history.is_granted(code, stored, now) || history.lawful(code, now).any(asked)
    };
    let is_empty_and_must_not =
        !history.is_resident(code) && !state.is_hindered && !state.work.is_refused_for_good && !history.is_absence_lawful(code, now);
    if is_empty_and_must_not || history.entries(code).any(|(_, stored)| !is_lawful(stored)) {
        let what = format!("is shown as unset, and the lock has {}, which is not lawful now", memory_of(history, code));
        found.broken_by("I-STA-02", history, code, what);
    }
}

/// `I-STA-03`, save for codes that are being erased and for those that nobody can tell of: their flag says what was.
fn scheduled_is_true(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let Some(record) = history.code(code).record.as_deref() else { return };
    let is_meant = record.is_scheduled_on_device && record.is_managed && history.is_up();
    if !is_meant || matches!(record.status, Status::Removing | Status::Unknown) {
        return;
    }
    found.armed("I-STA-03");
    let schedules = history.profile(code).is_some_and(|profile| profile.schedules);
    if !schedules || record.kind != Type::TimeBound || record.is_offline_access_code {
        found.broken_by("I-STA-03", history, code, "is shown as scheduled, and no schedule of it can be in the lock");
    } else if !history.is_matching(code) && !history.is_touched(code) {
        found.broken_by("I-STA-03", history, code, format!("is shown as scheduled, and the lock has {}", memory_of(history, code)));
    }
}

/// Whether the device was removed, and whether its account is lost.
pub(super) fn losses(history: &History, code: CodeIx) -> (bool, bool) {
    let device = history.code(code).lock.and_then(|lock| history.lock(lock).device.as_deref());
    let is_removed = History::device_shows(device, |error| error == ErrorCode::DeviceRemoved);
    (is_removed, History::device_shows(device, is_account_loss))
}

/// Whether a new incarnation of the lock was told, and the lock not read since: a removal and a return in one (`R-57`).
pub(super) fn meets_incarnation(history: &History, code: CodeIx) -> bool {
    let Some(lock) = history.code(code).lock.map(|lock| history.lock(lock)) else { return false };
    lock.picture.epoch_at.is_some_and(|told_at| told_at == history.now() || lock.read_at.is_none_or(|read_at| read_at < told_at))
}

pub(super) const fn is_account_loss(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::AccountDisconnected | ErrorCode::InvalidCredentials | ErrorCode::BridgeDisconnected)
}

/// `I-STA-04`, from the loss to the status.
fn unknown_while_lost(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some(record) = history.code(code).record.as_deref().filter(|record| record.is_managed) else { return };
    let (is_removed, is_lost) = losses(history, code);
    if history.is_catching_up() || record.is_offline_access_code || !(is_removed || is_lost) {
        return;
    }
    found.armed("I-STA-04");
    // At its very end nothing of it is due any more.
    let is_over = record.ends_at.is_some_and(|ends_at| ends_at <= now);
    let is_due = matches!(history.goal(code), Some(Intent { goal: Goal::Present { .. }, due_at, .. }) if *due_at < now && !is_over);
    let must_be_unknown = is_removed
        || match record.status {
            Status::Set | Status::Setting | Status::Removing => true,
            // What others removed with leave is not due before the owner's word (T26, T21).
            Status::Unset => (is_due && !history.rests_as_left(code)) || record.is_scheduled_on_device,
            Status::Unknown => return,
        };
    if must_be_unknown && record.status != Status::Unknown {
        let lost = if is_removed { "device" } else { "account" };
        found.broken_by("I-STA-04", history, code, format!("is shown as {} while its {lost} is lost", record.status));
    }
}

/// `I-STA-05`.
fn kind_and_bounds(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let Some(record) = history.code(code).record.as_deref() else { return };
    found.armed("I-STA-05");
    let is_right = match (record.kind, record.starts_at, record.ends_at) {
        (Type::TimeBound, Some(starts_at), Some(ends_at)) => starts_at < ends_at,
        (Type::Ongoing, None, None) => true,
        _ => false,
    };
    if !is_right {
        let what = format!("is {:?} from {:?} to {:?}", record.kind, record.starts_at, record.ends_at);
        found.broken_by("I-STA-05", history, code, what);
    }
}

/// `I-STA-06`.
fn set_in_its_window(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some(record) = managed(history, code).filter(|record| record.status == Status::Set) else { return };
    let Some(window) = record.window() else { return };
    if history.is_catching_up() {
        return;
    }
    found.armed("I-STA-06");
    let is_native = history.is_native(code) && !history.code(code).was_switched;
    let early = if is_native { 0 } else { history.policy().just_in_time_lead_ms };
    if now < window.starts_at - early || now > window.ends_at {
        let what = format!("is shown as set at {now}, its window being {} to {}", window.starts_at, window.ends_at);
        found.broken_by("I-STA-06", history, code, what);
    }
}

/// `I-STA-07`.
fn native_setting(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some(record) = managed(history, code).filter(|record| record.status == Status::Setting) else { return };
    let is_native = history.is_native(code) && !history.code(code).was_switched;
    let (true, Some(starts_at)) = (is_native, record.starts_at) else { return };
    found.armed("I-STA-07");
    if now < starts_at {
        found.broken_by("I-STA-07", history, code, format!("is shown as setting before its start at {starts_at}"));
    }
}

/// `I-STA-09`.
fn assignment(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let Some(record) = history.code(code).record.as_deref() else { return };
    let is_failed = record.errors.iter().any(|error| {
        let of = error.error_code;
        matches!(of, ErrorCode::IgloohomeOfflineAccessCodeNoVarianceAvailable | ErrorCode::DormakabaOracodeNoValidUserLevel)
    });
    found.armed("I-STA-09");
    let what = match record.code {
        Some(_) if record.is_waiting_for_code_assignment => "waits for a PIN and has one",
        None if record.is_managed && record.status == Status::Set => "is shown as set without a PIN",
        None if record.is_managed && !record.is_waiting_for_code_assignment && !is_failed => "has no PIN and waits for none",
        Some(_) | None => return,
    };
    found.broken_by("I-STA-09", history, code, what);
}

/// `I-STA-14`, the status.
fn unmanaged(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let Some(record) = history.code(code).record.as_deref().filter(|record| !record.is_managed) else { return };
    found.armed("I-STA-14");
    if !matches!(record.status, Status::Set | Status::Unset) {
        found.broken_by("I-STA-14", history, code, format!("is not managed and shown as {}", record.status));
    }
}

/// `I-STA-14`, the commands: only an erasure that a call asked for is lawful.
struct UnmanagedCommands;

impl Invariant for UnmanagedCommands {
    fn ids(&self) -> &'static [&'static str] {
        &["I-STA-14"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Commanded { command, .. } = occurrence else { return };
        let Some(code) = command.for_code.filter(|_| command.op.is_mutating()).and_then(|id| history.find_code(id)) else { return };
        let state = history.code(code);
        let is_asked = state.acked.is_erasure_asked && command.op.is_erasing();
        if state.record.as_ref().is_some_and(|record| !record.is_managed) && !is_asked {
            found.broken_by("I-STA-14", history, code, format!("{:?} is sent for a code that is not managed", command.op.kind()));
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::Slot;
    use keyway_core::port::{Op, Place};
    use keyway_core::problem::ErrorEntry;
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

    use super::super::transitions;
    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story, pin};
    use crate::occurrence::{Cause, Change, TrueEntry};

    const ONE: Place = Place::Slot(Slot(1));

    fn story() -> Story {
        Story::judged_by(checkers())
    }

    #[test]
    fn set_needs_the_entry() {
        let mut story = story();
        story.code(SLOT, "1234", None, Status::Setting);
        let id = story.code(SLOT, "4321", None, Status::Setting);
        story.must_hold();
        story.change(id, |record| record.status = Status::Set);
        story.must_break("I-STA-01");
    }

    #[test]
    fn set_must_go_when_the_change_of_another_was_shown() {
        let mut story = story();
        story.confirmed(SLOT, "1234", None);
        let changed = TrueEntry { pin: pin("9876"), ..story.history().lock(SLOT).memory[&ONE].entry.clone() };
        story.world_stores(SLOT, ONE, changed);
        story.wait(DAY_MS);
        story.must_hold();
        story.list(SLOT);
        story.must_break("I-STA-01");
    }

    #[test]
    fn one_listing_shows_no_absence_and_two_do() {
        let mut story = story();
        story.confirmed(SLOT, "1234", None);
        story.world_erases(SLOT, ONE);
        story.wait(MINUTE_MS);
        story.list(SLOT);
        story.list_with(SLOT, true, Vec::new());
        story.must_hold();
        story.wait(30 * SECOND_MS);
        story.list_with(SLOT, true, Vec::new());
        story.must_break("I-STA-01");
    }

    #[test]
    fn what_a_crash_made_the_controller_forget_was_not_shown() {
        let mut story = story();
        story.confirmed(SLOT, "1234", None);
        story.world_erases(SLOT, ONE);
        story.wait(MINUTE_MS);
        story.list_with(SLOT, true, Vec::new());
        story.crash(MINUTE_MS, |_| {});
        story.list_with(SLOT, true, Vec::new());
        story.must_hold();
        story.read(SLOT, ONE);
        story.must_break("I-STA-01");
    }

    #[test]
    fn unset_needs_the_absence() {
        let mut story = story();
        let id = story.confirmed(CLOUD, "1234", Some(story.window(-HOUR_MS, 9 * DAY_MS)));
        story.update(id, None, Some(story.window(6 * DAY_MS, 9 * DAY_MS)), Status::Removing);
        story.wait(MINUTE_MS);
        story.change(id, |record| record.status = Status::Unset);
        story.must_hold();
        story.wait(2 * HOUR_MS);
        story.must_break("I-STA-02");
    }

    #[test]
    fn a_due_code_does_not_stay_unset_for_ever() {
        let mut story = story();
        let id = story.code(CLOUD, "1234", Some(story.window(DAY_MS, 2 * DAY_MS)), Status::Unset);
        assert!(story.history().find_code(id).is_some());
        story.wait(10 * MINUTE_MS);
        story.must_hold();
        story.wait(5 * HOUR_MS);
        story.must_break("I-STA-02");
    }

    #[test]
    fn scheduled_needs_the_schedule_in_the_lock() {
        let mut story = story();
        let window = story.window(DAY_MS, 2 * DAY_MS);
        let id = story.code(CLOUD, "1234", Some(window), Status::Unset);
        story.change(id, |record| record.is_scheduled_on_device = true);
        story.must_break("I-STA-03");
    }

    #[test]
    fn the_codes_of_a_removed_device_are_unknown() {
        let mut story = story();
        story.confirmed(SLOT, "1234", None);
        let error = ErrorEntry { error_code: ErrorCode::DeviceRemoved, created_at: story.now() };
        story.device_shows(SLOT, |device| device.errors.push(error));
        story.must_break("I-STA-04");
    }

    #[test]
    fn bounds_come_in_pairs() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.change(id, |record| record.ends_at = Some(record.created_at + DAY_MS));
        story.must_break("I-STA-05");
    }

    #[test]
    fn set_ends_with_its_window() {
        let mut story = story();
        let window = story.window(-HOUR_MS, 4 * HOUR_MS);
        story.confirmed(SLOT, "1234", Some(window));
        story.wait_until(window.ends_at);
        story.must_hold();
        story.wait(1);
        story.must_break("I-STA-06");
    }

    #[test]
    fn a_native_code_is_not_setting_before_its_start() {
        let mut story = story();
        let window = story.window(DAY_MS, 2 * DAY_MS);
        story.code(CLOUD, "1234", Some(window), Status::Setting);
        story.must_break("I-STA-07");
    }

    #[test]
    fn a_code_without_a_pin_waits_for_one() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.change(id, |record| record.code = None);
        story.must_break("I-STA-09");
    }

    #[test]
    fn an_unmanaged_code_is_set_or_unset_and_left_alone() {
        let mut story = story();
        let mut record = story.draft(SLOT, "1234", None);
        (record.is_managed, record.status) = (false, Status::Set);
        let id = record.access_code_id;
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![Occurrence::Saved, shows]);
        story.must_hold();
        story.command(SLOT, Some(id), Op::ClearSlot { slot: Slot(1) });
        story.must_break("I-STA-14");
    }

    #[test]
    fn a_whole_life_breaks_nothing() {
        let mut story = Story::judged_by(checkers().into_iter().chain(transitions::checkers()).collect());
        let window = story.window(DAY_MS, 2 * DAY_MS);
        let id = story.confirmed(CLOUD, "1234", Some(window));
        story.wait_until(window.starts_at);
        story.change(id, |record| record.status = Status::Set);
        let ongoing = story.confirmed(SLOT, "5555", None);
        story.update(ongoing, Some("6666"), None, Status::Setting);
        let command = story.command(SLOT, Some(ongoing), Op::SetSlot { slot: Slot(1), pin: pin("6666"), name: "code".into() });
        story.store(SLOT, Some(ongoing), command);
        story.answer(command, keyway_core::port::Answer::Done { handle: None });
        story.change(ongoing, |record| record.status = Status::Set);
        story.crash(HOUR_MS, |_| {});
        story.wait_until(window.ends_at);
        story.change(id, |record| record.status = Status::Removing);
        let place = story.place_of(id);
        story.erase(id, place);
        story.drop_record(id);
        story.truth(SLOT, Change::Works(false), Cause::World);
        story.wait(DAY_MS);
        story.must_hold();
    }
}
