//! Offline codes: what the vendor's algorithm and the record must agree on, and what nobody can take back (`I-WIN-06` to `I-WIN-08`, `I-STA-13`,
//! `I-API-04`); and `I-WIN-01` and `I-WIN-02` for PINs that lie in no memory.

use std::collections::BTreeSet;

use keyway_core::access_code::{Record, Status};
use keyway_core::offline::OfflineKind;
use keyway_core::pin::Pin;
use keyway_core::problem::WarningCode;
use keyway_core::request::{Request, Response};
use keyway_core::time::{Timestamp, Window};

use super::{Found, Interests, Invariant, OfCode, Row};
use crate::history::{CodeIx, Computed, History};
use crate::occurrence::{Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-WIN-06"), Row::of("I-WIN-07"), Row::of("I-WIN-08"), Row::of("I-STA-13"), Row::of("I-API-04")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(Once::default()),
        Box::new(FirstDay::default()),
        OfCode::boxed(&["I-WIN-07"], first_day_is_told),
        OfCode::boxed(&["I-WIN-01", "I-WIN-02"], opens_when_asked),
        OfCode::boxed(&["I-WIN-08"], window_is_the_stored_one),
        OfCode::boxed(&["I-STA-13"], set_is_computed),
        Box::new(NoCommands),
        Box::new(Irrevocable),
    ]
}

/// The record of a managed offline code.
fn offline(history: &History, code: CodeIx) -> Option<&Record> {
    history.code(code).record.as_deref().filter(|record| record.is_managed && record.is_offline_access_code)
}

/// `I-WIN-06`, at the door.
#[derive(Default)]
struct Once {
    opened: BTreeSet<(Lock, Pin)>,
}

impl Invariant for Once {
    fn ids(&self) -> &'static [&'static str] {
        &["I-WIN-06"]
    }

    fn interests(&self) -> Interests {
        Interests::ENTERED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Entered { lock, pin, opened: true } = occurrence else { return };
        let Some(computed) = history.computed_pin(*lock, *pin).filter(|computed| computed.kind == OfflineKind::OneTime) else { return };
        found.armed("I-WIN-06");
        if !self.opened.insert((*lock, *pin)) {
            report(history, *lock, computed.code, found, "I-WIN-06", &format!("{pin} is for one use, and opened a second time"));
        }
    }
}

/// `I-WIN-07`, at the door.
#[derive(Default)]
struct FirstDay {
    opened: BTreeSet<(Lock, Pin)>,
}

impl Invariant for FirstDay {
    fn ids(&self) -> &'static [&'static str] {
        &["I-WIN-07"]
    }

    fn interests(&self) -> Interests {
        Interests::ENTERED
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Entered { lock, pin, opened: true } = occurrence else { return };
        let Some(computed) = history.computed_pin(*lock, *pin) else { return };
        let Some(until) = computed.first_use_until else { return };
        found.armed("I-WIN-07");
        let is_first = self.opened.insert((*lock, *pin));
        if is_first && history.local_time(*lock, now) >= until {
            report(history, *lock, computed.code, found, "I-WIN-07", &format!("{pin} was not used by {until}, and opens"));
        }
    }
}

/// Reports what happened at a door, by the code if it is known.
fn report(history: &History, lock: Lock, code: Option<CodeIx>, found: &mut Found, id: &'static str, what: &str) {
    match code {
        Some(code) => found.broken_by(id, history, code, what),
        None => found.broken(id, format!("{}: {what}", history.lock_name(lock)), history.lock_role(lock)),
    }
}

/// `I-WIN-07`, in the record.
fn first_day_is_told(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let Some(record) = offline(history, code) else { return };
    if history.computed_as_shown(code).is_none_or(|computed| computed.first_use_until.is_none()) {
        return;
    }
    found.armed("I-WIN-07");
    if !record.warnings.iter().any(|warning| warning.warning_code == WarningCode::IglooAlgopinMustBeUsedWithin24Hours) {
        found.broken_by("I-WIN-07", history, code, "must be used within 24 hours of its start, and does not say so");
    }
}

/// `I-WIN-01`, `I-WIN-02`: what the record shows opens by the window that was asked, rounding and the lock's clock granted.
fn opens_when_asked(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let (Some(asked), Some(lock)) = (history.code(code).offline, history.code(code).lock) else { return };
    let opens = |computed: &&Computed| history.lock(lock).works && computed.opens(history.local_time(lock, now));
    let Some(computed) = history.computed_as_shown(code).filter(opens) else { return };
    let granted_ms = asked.rounding_ms + history.skew(lock, now);
    found.armed("I-WIN-01");
    if now < asked.starts_at - granted_ms {
        found.broken_by("I-WIN-01", history, code, format!("{} opens more than {granted_ms} ms before its start", computed.pin));
    }
    let Some(ends_at) = asked.ends_at else { return };
    found.armed("I-WIN-02");
    if now > ends_at + granted_ms {
        found.broken_by("I-WIN-02", history, code, format!("{} opens more than {granted_ms} ms after its end", computed.pin));
    }
}

/// `I-WIN-08`. What was asked is known once the call was answered; what the vendor computed, once the record has its PIN.
fn window_is_the_stored_one(history: &History, code: CodeIx, _now: Timestamp, found: &mut Found) {
    let Some(shown) = offline(history, code).and_then(Record::window) else { return };
    if let Some(asked) = history.code(code).offline {
        found.armed("I-WIN-08");
        let wanted = Window { starts_at: asked.starts_at, ends_at: asked.ends_at.unwrap_or(shown.ends_at) };
        let moved = [shown.starts_at - wanted.starts_at, shown.ends_at - wanted.ends_at];
        if moved.iter().any(|by| by.abs() > asked.rounding_ms) {
            let what = format!(
                "{} to {} was asked, and {} to {} is too far from it",
                wanted.starts_at, wanted.ends_at, shown.starts_at, shown.ends_at
            );
            found.broken_by("I-WIN-08", history, code, what);
        }
        let terms = history.profile(code).and_then(|profile| profile.offline.as_ref());
        let rounds_outward = terms.is_some_and(|terms| !terms.by_user_level);
        if rounds_outward && (moved[0] > 0 || moved[1] < 0) {
            found.broken_by(
                "I-WIN-08",
                history,
                code,
                format!("its window was rounded inward, to {} to {}", shown.starts_at, shown.ends_at),
            );
        }
    }
    if let Some(computed) = history.computed_as_shown(code).filter(|computed| computed.window != shown) {
        let stored = computed.window;
        let what = format!(
            "{} opens from {} to {}, and the record shows {} to {}",
            computed.pin, stored.starts_at, stored.ends_at, shown.starts_at, shown.ends_at
        );
        found.broken_by("I-WIN-08", history, code, what);
    }
}

/// `I-STA-13`: the lock's own time counts at the bounds, or the true one, for nobody can read such a clock. The instant of the end is in bounds, for it
/// is then that the status changes. What was used up, or not used in time, is not shown, and neither is a lock that was set back.
fn set_is_computed(history: &History, code: CodeIx, now: Timestamp, found: &mut Found) {
    let Some(record) = offline(history, code).filter(|record| record.status == Status::Set && history.is_up()) else { return };
    let Some(lock) = history.code(code).lock.filter(|_| !history.is_catching_up()) else { return };
    found.armed("I-STA-13");
    let local = history.local_time(lock, now);
    let is_in_time = |window: Window| [now, local].iter().any(|at| (window.starts_at..=window.ends_at).contains(at));
    let what = match history.computed_as_shown(code) {
        None => format!("is shown as set, and its vendor never computed {:?} for it", record.code),
        Some(computed) if !is_in_time(computed.window) => {
            format!("is shown as set, and {} opens from {} to {}", computed.pin, computed.window.starts_at, computed.window.ends_at)
        }
        Some(_) => return,
    };
    found.broken_by("I-STA-13", history, code, what);
}

/// `I-STA-13`: all that is sent for such a code is its registration, which no lock hears of.
struct NoCommands;

impl Invariant for NoCommands {
    fn ids(&self) -> &'static [&'static str] {
        &["I-STA-13"]
    }

    fn interests(&self) -> Interests {
        Interests::COMMANDED
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        let Occurrence::Commanded { command, .. } = occurrence else { return };
        let Some(code) = command.for_code.and_then(|id| history.find_code(id)).filter(|code| history.is_offline(*code)) else { return };
        if !command.op.is_registering() {
            found.broken_by("I-STA-13", history, code, format!("{:?} is sent for it, and no lock can be told of it", command.op.kind()));
        }
    }
}

/// `I-API-04`.
struct Irrevocable;

impl Irrevocable {
    /// What a call that was answered ok did that nobody can; none if nothing, or if the call is about no offline code.
    fn broken(history: &History, request: &Request, is_ok: bool, now: Timestamp, found: &mut Found) -> Option<(CodeIx, &'static str)> {
        let (id, what) = match request {
            Request::Update(update) => (update.access_code_id, "an update of it was accepted"),
            Request::Delete(delete) => (delete.access_code_id, "it was deleted before its end"),
            _ => return None,
        };
        let code = history.find_code(id)?;
        let record = history.previous(code).filter(|record| record.is_managed && record.is_offline_access_code)?;
        let is_delete = matches!(request, Request::Delete(_));
        // V-08: what never got a PIN can be taken back.
        let is_free = is_delete && (record.code.is_none() || record.ends_at.is_some_and(|ends_at| ends_at <= now));
        if is_free {
            return None;
        }
        found.armed("I-API-04");
        is_ok.then_some((code, what))
    }
}

impl Invariant for Irrevocable {
    fn ids(&self) -> &'static [&'static str] {
        &["I-API-04"]
    }

    fn interests(&self) -> Interests {
        Interests::STEP_ENDED
    }

    fn observe(&mut self, history: &History, now: Timestamp, _occurrence: &Occurrence, found: &mut Found) {
        for (call, result) in &history.step().replies {
            let Some(call) = history.call(*call) else { continue };
            let is_ok = matches!(result, Ok(Response::AccessCode(_) | Response::AccessCodes(_) | Response::Done));
            if let Some((code, what)) = Self::broken(history, &call.request, is_ok, now, found) {
                found.broken_by("I-API-04", history, code, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::{CodeId, Handle};
    use keyway_core::port::{Answer, Op};
    use keyway_core::problem::WarningEntry;
    use keyway_core::request::{Create, Delete, Update};
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};
    use keyway_core::vendor::Vendor;

    use super::*;
    use crate::judge::testing::{CLOUD, Story, pin};
    use crate::occurrence::{Cause, Change};

    const PIN: &str = "1234567890";

    fn story() -> Story {
        Story::with(checkers(), |facts| facts.locks[0].profile = Vendor::IgloohomeOffline.profile().into())
    }

    /// An offline code that was asked for these times from now, rounded to full hours by the platform and not registered yet.
    fn asked(story: &mut Story, from_ms: i64, to_ms: i64, is_one_time: bool) -> CodeId {
        let wanted = story.window(from_ms, to_ms);
        let mut record = story.draft(CLOUD, PIN, Some(wanted.rounded_outward(HOUR_MS)));
        (record.code, record.is_waiting_for_code_assignment) = (None, true);
        (record.is_offline_access_code, record.is_one_time_use, record.status) = (true, is_one_time, Status::Setting);
        let id = record.access_code_id;
        let request = Request::Create(Create {
            device_id: record.device_id,
            starts_at: Some(wanted.starts_at),
            ends_at: Some(wanted.ends_at),
            is_offline_access_code: Some(true),
            is_one_time_use: Some(is_one_time),
            ..Create::default()
        });
        story.call(request, Response::AccessCode(id), vec![Occurrence::Saved], vec![record]);
        id
    }

    /// The vendor computes the PIN for this window, and the record shows it with that window and what must be said.
    fn registered(story: &mut Story, id: CodeId, kind: OfflineKind, window: Window) {
        let command = story.command(CLOUD, Some(id), Op::RegisterOffline { kind, window });
        story.truth(CLOUD, Change::Computed { pin: pin(PIN), kind, window, code: Some(id) }, Cause::Command(command));
        let mut record = story.record(id).clone();
        (record.code, record.is_waiting_for_code_assignment) = (Some(pin(PIN)), false);
        record.status = if window.contains(story.now()) { Status::Set } else { Status::Unset };
        if window.ends_at - window.starts_at > DAY_MS {
            let warning_code = WarningCode::IglooAlgopinMustBeUsedWithin24Hours;
            record.warnings.push(WarningEntry { warning_code, created_at: story.now() });
        }
        story.answer_with(command, Answer::Registered { handle: Handle(1), pin: pin(PIN), window }, Vec::new(), vec![record]);
    }

    /// A registered code from now on.
    fn given_out(story: &mut Story, to_ms: i64, kind: OfflineKind) -> CodeId {
        let id = asked(story, 0, to_ms, kind == OfflineKind::OneTime);
        let window = story.record(id).window().expect("a window");
        registered(story, id, kind, window);
        id
    }

    fn enter(story: &mut Story, opened: bool) {
        story.occur(Occurrence::Entered { lock: CLOUD, pin: pin(PIN), opened });
    }

    #[test]
    fn a_code_for_one_use_opens_once() {
        let mut story = story();
        given_out(&mut story, 24 * HOUR_MS, OfflineKind::OneTime);
        enter(&mut story, true);
        story.truth(CLOUD, Change::Used { pin: pin(PIN) }, Cause::World);
        enter(&mut story, false);
        assert!(!story.history().opens(CLOUD, pin(PIN), story.now()));
        story.must_hold();
        enter(&mut story, true);
        story.must_break("I-WIN-06");
    }

    #[test]
    fn a_long_code_must_be_used_on_its_first_day() {
        let mut story = story();
        given_out(&mut story, 3 * DAY_MS, OfflineKind::Hourly);
        story.wait(DAY_MS + HOUR_MS);
        assert!(!story.history().opens(CLOUD, pin(PIN), story.now()));
        story.must_hold();
        enter(&mut story, true);
        story.must_break("I-WIN-07");
    }

    #[test]
    fn what_was_used_on_its_first_day_goes_on_opening() {
        let mut story = story();
        given_out(&mut story, 3 * DAY_MS, OfflineKind::Hourly);
        enter(&mut story, true);
        story.truth(CLOUD, Change::Used { pin: pin(PIN) }, Cause::World);
        story.wait(2 * DAY_MS);
        enter(&mut story, true);
        assert!(story.history().opens(CLOUD, pin(PIN), story.now()));
        story.must_hold();
    }

    #[test]
    fn a_long_code_says_that_it_must_be_used_soon() {
        let mut story = story();
        let id = given_out(&mut story, 3 * DAY_MS, OfflineKind::Hourly);
        story.must_hold();
        story.change(id, |record| record.warnings.clear());
        story.must_break("I-WIN-07");
    }

    #[test]
    fn the_record_shows_the_window_that_opens() {
        let mut story = story();
        let id = asked(&mut story, 10 * MINUTE_MS, 130 * MINUTE_MS, false);
        let rounded = story.record(id).window().expect("a window");
        registered(&mut story, id, OfflineKind::Hourly, rounded);
        story.must_hold();
        story.change(id, |record| record.starts_at = record.starts_at.map(|starts_at| starts_at + 10 * MINUTE_MS));
        story.must_break("I-WIN-08");
    }

    #[test]
    fn a_window_is_moved_no_further_than_was_allowed() {
        let mut story = story();
        let id = asked(&mut story, 10 * MINUTE_MS, 130 * MINUTE_MS, false);
        story.must_hold();
        story.change(id, |record| record.ends_at = record.ends_at.map(|ends_at| ends_at + HOUR_MS));
        story.must_break("I-WIN-08");
    }

    #[test]
    fn what_is_shown_as_set_was_computed_by_the_vendor() {
        let mut story = story();
        let id = asked(&mut story, 0, 5 * HOUR_MS, false);
        story.change(id, |record| (record.status, record.code) = (Status::Set, Some(pin(PIN))));
        story.must_break("I-STA-13");
    }

    /// A code that was asked for these times, and opens from now on for this long; and the end that was asked.
    fn opens(asked_from_ms: i64, asked_to_ms: i64, for_ms: i64) -> (Story, Timestamp) {
        let checkers = vec![OfCode::boxed(&["I-WIN-01", "I-WIN-02"], opens_when_asked)];
        let mut story = Story::with(checkers, |facts| facts.locks[0].profile = Vendor::IgloohomeOffline.profile().into());
        let ends_at = story.window(asked_from_ms, asked_to_ms).ends_at;
        let id = asked(&mut story, asked_from_ms, asked_to_ms, false);
        let window = story.window(0, for_ms).rounded_outward(HOUR_MS);
        registered(&mut story, id, OfflineKind::Hourly, window);
        (story, ends_at)
    }

    #[test]
    fn what_was_given_out_does_not_open_too_early() {
        opens(HOUR_MS, 5 * HOUR_MS, 5 * HOUR_MS).0.must_hold();
        opens(3 * HOUR_MS, 5 * HOUR_MS, 5 * HOUR_MS).0.must_break("I-WIN-01");
    }

    #[test]
    fn what_was_given_out_does_not_open_too_late() {
        let (mut story, ends_at) = opens(0, 5 * HOUR_MS, 8 * HOUR_MS);
        story.wait_until(ends_at + HOUR_MS);
        story.must_hold();
        story.wait(1);
        story.must_break("I-WIN-02");
    }

    #[test]
    fn what_is_shown_as_set_is_in_its_window() {
        let mut story = story();
        let id = given_out(&mut story, 5 * HOUR_MS, OfflineKind::Hourly);
        story.wait_until(story.record(id).ends_at.expect("an end") - 1);
        story.must_hold();
        story.wait(MINUTE_MS);
        story.must_break("I-STA-13");
    }

    #[test]
    fn no_lock_hears_of_an_offline_code() {
        let mut story = story();
        let id = given_out(&mut story, 5 * HOUR_MS, OfflineKind::Hourly);
        story.must_hold();
        story.command(CLOUD, Some(id), Op::DeleteEntry { handle: Handle(1) });
        story.must_break("I-STA-13");
    }

    #[test]
    fn what_is_given_out_can_be_neither_changed_nor_taken_back() {
        for is_update in [true, false] {
            let mut story = story();
            let id = given_out(&mut story, 5 * HOUR_MS, OfflineKind::Hourly);
            let request = if is_update {
                Request::Update(Update { access_code_id: id, name: Some("other".to_owned()), ..Update::default() })
            } else {
                Request::Delete(Delete { access_code_id: id, device_id: None })
            };
            story.must_hold();
            story.call(request, Response::AccessCode(id), vec![Occurrence::Saved], Vec::new());
            story.must_break("I-API-04");
        }
    }

    #[test]
    fn what_never_got_a_pin_can_be_deleted() {
        let mut story = story();
        let id = asked(&mut story, 0, 5 * HOUR_MS, false);
        story.call(Request::Delete(Delete { access_code_id: id, device_id: None }), Response::Done, vec![Occurrence::Saved], Vec::new());
        story.must_hold();
    }
}
