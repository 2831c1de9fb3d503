//! The event log: properties, order, counts, and how events agree with records and with what the world did (I-EVT).

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, EventId, WorkspaceId};
use keyway_core::time::Timestamp;

use super::story::{Check, Logged, Steps, View};
use super::{Found, Row};

mod agreement;
pub(super) mod counts;
mod order;
mod silence;

use agreement::{agreement, problem_pairs};
use counts::Counts;
use order::order;
use silence::{others, silence};

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row::of("I-EVT-01"),
    Row::of("I-EVT-02"),
    Row::of("I-EVT-03"),
    Row::of("I-EVT-04"),
    Row::of("I-EVT-05"),
    Row::of("I-EVT-06"),
    Row::of("I-EVT-07"),
    Row::of("I-EVT-08"),
    Row::of("I-EVT-09"),
    Row::of("I-EVT-10"),
    Row::of("I-EVT-11"),
];

/// The checks of this family.
#[must_use]
pub fn checks() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(Properties::default()),
        Box::new(Steps { id: "I-EVT-02", judge: names }),
        Box::new(Steps { id: "I-EVT-03", judge: order }),
        Box::new(Counts::default()),
        Box::new(Steps { id: "I-EVT-05", judge: agreement }),
        Box::new(Steps { id: "I-EVT-06", judge: pins }),
        Box::new(Steps { id: "I-EVT-07", judge: removals }),
        Box::new(Dates::default()),
        Box::new(Steps { id: "I-EVT-09", judge: problem_pairs }),
        Box::new(Steps { id: "I-EVT-10", judge: silence }),
        Box::new(Steps { id: "I-EVT-11", judge: others }),
    ]
}

/// I-EVT-01.
#[derive(Default)]
struct Properties {
    ids: BTreeSet<EventId>,
}

impl Check for Properties {
    fn id(&self) -> &'static str {
        "I-EVT-01"
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        for Logged { event, .. } in view.logged {
            found.armed(self.id());
            if !self.ids.insert(event.event_id) {
                view.broken(found, self.id(), event.access_code_id, &format!("{} carries the id of an earlier event", event.event_type));
            }
            if let Some(what) = wrong_property(view, event) {
                view.broken(found, self.id(), event.access_code_id, &format!("{} {what}", event.event_type));
            }
        }
    }
}

/// A property that is missing or too many. `deleted` may lack the PIN of a code that never had one.
fn wrong_property(view: &View<'_>, event: &Event) -> Option<&'static str> {
    let may_lack_pin = || !view.story.code(event.access_code_id).is_some_and(super::story::Seen::had_pin);
    if event.event_type.has_code() {
        let is_lawful = event.code.is_some() || (event.event_type == EventType::Deleted && may_lack_pin());
        if !is_lawful {
            return Some("has no code");
        }
    } else if event.code.is_some() {
        return Some("carries a code, which is not its own");
    }
    match (event.event_type == EventType::BackupAccessCodePulled, event.backup_access_code_id.is_some()) {
        (true, false) => Some("has no backup_access_code_id"),
        (false, true) => Some("carries a backup_access_code_id, which is not its own"),
        (true, true) | (false, false) => None,
    }
}

/// I-EVT-02. After a crash inside a step, a code that came and went in it left no record to compare with.
fn names(view: &View<'_>, found: &mut Found) {
    for Logged { event, .. } in view.logged {
        let named = [Some(event.access_code_id), event.backup_access_code_id];
        for code in named.into_iter().flatten() {
            if view.history.find_code(code).is_none() && !view.is_reread {
                view.broken(found, "I-EVT-02", event.access_code_id, &format!("{} names {code}, which nobody ever saw", event.event_type));
            }
        }
        let record = view.live(event.access_code_id).or_else(|| view.before(event.access_code_id));
        let device = record.map(|record| record.device_id);
        if record.is_some_and(|record| record.workspace_id != event.workspace_id) {
            view.broken(found, "I-EVT-02", event.access_code_id, &format!("{} names another workspace", event.event_type));
        } else if device.is_some_and(|device| device != event.device_id) {
            view.broken(found, "I-EVT-02", event.access_code_id, &format!("{} names another device", event.event_type));
        } else if account_of(view, event).is_some_and(|account| account != event.connected_account_id) {
            view.broken(found, "I-EVT-02", event.access_code_id, &format!("{} names another account", event.event_type));
        } else {
            found.armed("I-EVT-02");
        }
    }
}

/// The account of the event's device; none for a device that the plan does not know by its id.
fn account_of(view: &View<'_>, event: &Event) -> Option<AccountId> {
    view.lock(event.device_id).map(|lock| lock.facts.account)
}

/// I-EVT-06.
fn pins(view: &View<'_>, found: &mut Found) {
    for event in view.emitted().iter().filter(|event| event.event_type.has_code()) {
        let code = event.access_code_id;
        let Some(record) = view.live(code).or_else(|| view.before(code)) else { continue };
        let expected =
            if event.occurred_at < view.now { view.story.code(code).and_then(|seen| seen.pin_at(event.occurred_at)) } else { record.code };
        if event.code.is_some() && event.code != expected {
            let what = format!("{} carries {}, and the record says {}", event.event_type, shown(event.code), shown(expected));
            view.broken(found, "I-EVT-06", code, &what);
            continue;
        }
        found.armed("I-EVT-06");
        let is_told_of_lock = event.event_type == EventType::SetOnDevice && !record.is_offline_access_code;
        let is_touched = view.history.find_code(code).is_some_and(|code| view.history.is_touched(code));
        if is_told_of_lock && !is_touched && event.code.is_some() && !view.pins_in_memory(code).any(|pin| Some(pin) == event.code) {
            view.broken(found, "I-EVT-06", code, &format!("set_on_device carries {}, which is not in the lock", shown(event.code)));
        }
    }
}

fn shown(pin: Option<keyway_core::pin::Pin>) -> String {
    pin.map_or_else(|| "no PIN".to_owned(), |pin| pin.to_string())
}

/// I-EVT-07. Entries that others changed unseen don't count, nor twins and returned ones that the world made and there was no time to clear.
fn removals(view: &View<'_>, found: &mut Found) {
    for event in view.emitted().iter().filter(|event| event.event_type == EventType::RemovedFromDevice) {
        let Some(code) = view.history.find_code(event.access_code_id) else { continue };
        let record = view.before(event.access_code_id).or_else(|| view.live(event.access_code_id));
        if record.is_some_and(|record| record.is_offline_access_code) || view.history.is_touched(code) {
            continue;
        }
        found.armed("I-EVT-07");
        let mut own = view.history.entries(code).filter(|(_, stored)| !view.history.is_granted(code, stored, view.now));
        if let Some((_, stored)) = own.next() {
            let what = format!("its removal is told, and {} is still in the lock", stored.entry.pin);
            view.broken(found, "I-EVT-07", event.access_code_id, &what);
        }
    }
}

/// I-EVT-08.
#[derive(Default)]
struct Dates {
    last: BTreeMap<WorkspaceId, Timestamp>,
}

impl Check for Dates {
    fn id(&self) -> &'static str {
        "I-EVT-08"
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        for Logged { event, .. } in view.logged {
            found.armed(self.id());
            let last = self.last.insert(event.workspace_id, event.created_at);
            let what = if event.occurred_at > event.created_at {
                "was made before its fact happened"
            } else if event.created_at > view.now {
                "dates from the future"
            } else if last.is_some_and(|last| last > event.created_at) {
                "is dated before the event ahead of it in the log"
            } else {
                continue;
            };
            view.broken(found, self.id(), event.access_code_id, &format!("{} {what}", event.event_type));
        }
    }
}

/// What the tests of this family share.
#[cfg(test)]
mod kit {
    use crate::invariant::story::kit::story;
    use crate::judge::testing::{SLOT, Story};
    use crate::occurrence::Occurrence;
    use keyway_core::access_code::{Record, Status};
    use keyway_core::event::{Event, EventType};
    use keyway_core::id::CodeId;
    use keyway_core::port::Answer;
    use keyway_core::problem::{WarningCode, WarningEntry};
    use keyway_core::time::Timestamp;

    /// A step by a wake: these events of the code, in order, saved, and its record changed.
    pub fn tell(story: &mut Story, id: CodeId, events: &[EventType], change: impl FnOnce(&mut Record)) {
        let mut record = story.record(id).clone();
        let mut rest: Vec<Occurrence> = events.iter().map(|event| story.emits(&record, *event)).collect();
        change(&mut record);
        rest.extend([Occurrence::Saved, story.shows(record)]);
        story.step(Occurrence::Woken, rest);
    }

    pub fn delayed(now: Timestamp) -> Vec<WarningEntry> {
        vec![WarningEntry { warning_code: WarningCode::DelayInSettingOnDevice, created_at: now }]
    }

    /// A code that is written, and whose confirmation is told by these events instead of the right one.
    pub fn confirmed_with(alter: impl FnOnce(&mut Event)) -> Story {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let mut record = story.record(id).clone();
        let op = story.write_op(&record);
        let command = story.command(SLOT, Some(id), op);
        story.store(SLOT, Some(id), command);
        let Occurrence::Emitted(mut event) = story.emits(&record, EventType::SetOnDevice) else { unreachable!() };
        alter(&mut event);
        record.status = Status::Set;
        story.answer_with(command, Answer::Done { handle: None }, vec![Occurrence::Emitted(event), Occurrence::Saved], vec![record]);
        story
    }
}

#[cfg(test)]
mod tests {
    use super::kit::{confirmed_with, delayed, tell};
    use crate::invariant::story::checkers;
    use crate::invariant::story::kit::{breaks, story};
    use crate::judge::testing::{CLOUD, SLOT, Story};
    use crate::occurrence::Occurrence;
    use keyway_core::access_code::Status;
    use keyway_core::event::EventType;
    use keyway_core::id::{AccountId, EventId};
    use keyway_core::port::Answer;
    use keyway_core::problem::{ErrorCode, ErrorEntry};
    use keyway_core::request::{Request, Response};
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    #[test]
    fn a_lawful_life_with_trouble_breaks_nothing() {
        let mut story = Story::judged_by(checkers());
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.wait(15 * MINUTE_MS);
        let now = story.now();
        tell(&mut story, id, &[EventType::DelayInSettingOnDevice], |record| record.warnings = delayed(now));
        story.change(id, |record| record.warnings.clear());
        story.write(id);
        let place = story.place_of(id);
        story.world_erases(SLOT, place);
        let now = story.now();
        tell(&mut story, id, &[EventType::DeletedExternalToSeam], |record| {
            record.status = Status::Setting;
            record.errors = vec![ErrorEntry { error_code: ErrorCode::CodeModifiedExternalToSeam, created_at: now }];
        });
        story.change(id, |record| record.errors.clear());
        story.write(id);
        let place = story.place_of(id);
        story.update(id, Some("5678"), None, Status::Setting);
        story.world_erases(SLOT, place);
        story.write(id);
        let place = story.place_of(id);
        story.delete(id);
        story.erase(id, place);
        story.drop_record(id);
        story.must_hold();
    }

    #[test]
    fn a_lawful_native_life_breaks_nothing() {
        let mut story = Story::judged_by(checkers());
        let window = story.window(2 * HOUR_MS, 5 * HOUR_MS);
        let id = story.confirmed(CLOUD, "1234", Some(window));
        story.wait_until(window.starts_at);
        tell(&mut story, id, &[EventType::SetOnDevice], |record| record.status = Status::Set);
        story.must_hold();
    }

    #[test]
    fn an_id_that_comes_back_is_found() {
        let id = std::cell::Cell::new(EventId(0));
        let mut story = confirmed_with(|event| id.set(event.event_id));
        let code = story.history().codes().next().unwrap().1.id;
        let record = story.record(code).clone();
        let Occurrence::Emitted(mut event) = story.emits(&record, EventType::Changed) else { unreachable!() };
        event.event_id = id.get();
        let request =
            Request::Update(keyway_core::request::Update { access_code_id: code, name: Some("n".to_owned()), ..Default::default() });
        let mut after = record;
        after.name = Some("n".to_owned());
        story.call(request, Response::AccessCode(code), vec![Occurrence::Emitted(event), Occurrence::Saved], vec![after]);
        breaks(&mut story, "I-EVT-01");
    }

    #[test]
    fn a_missing_pin_is_found() {
        breaks(&mut confirmed_with(|event| event.code = None), "I-EVT-01");
    }

    #[test]
    fn a_wrong_account_is_found() {
        breaks(&mut confirmed_with(|event| event.connected_account_id = AccountId::numbered(7)), "I-EVT-02");
    }

    #[test]
    fn another_pin_than_the_records_is_found() {
        let other = crate::judge::testing::pin("9999");
        breaks(&mut confirmed_with(|event| event.code = Some(other)), "I-EVT-06");
    }

    #[test]
    fn a_pin_that_is_not_in_the_lock_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        tell(&mut story, id, &[EventType::SetOnDevice], |record| record.status = Status::Set);
        breaks(&mut story, "I-EVT-06");
    }

    #[test]
    fn a_removal_told_too_early_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.delete(id);
        story.drop_record(id);
        breaks(&mut story, "I-EVT-07");
    }

    #[test]
    fn an_event_from_the_future_is_found() {
        breaks(&mut confirmed_with(|event| event.created_at = event.created_at + 1), "I-EVT-08");
    }

    #[test]
    fn what_a_crash_overtook_never_happened() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let record = story.record(id).clone();
        let op = story.write_op(&record);
        let command = story.command(SLOT, Some(id), op);
        story.store(SLOT, Some(id), command);
        let told = story.emits(&record, EventType::SetOnDevice);
        story.occur(Occurrence::StepBegan);
        story.occur(Occurrence::Answered { command_id: command, answer: Answer::Done { handle: None }, snapshot_at: None });
        story.occur(told);
        story.crash(MINUTE_MS, |_| {});
        tell(&mut story, id, &[EventType::SetOnDevice], |record| record.status = Status::Set);
        story.must_hold();
    }

    #[test]
    fn what_was_saved_before_a_crash_did_happen() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let record = story.record(id).clone();
        let op = story.write_op(&record);
        let command = story.command(SLOT, Some(id), op);
        story.store(SLOT, Some(id), command);
        let told = story.emits(&record, EventType::SetOnDevice);
        story.occur(Occurrence::StepBegan);
        story.occur(Occurrence::Answered { command_id: command, answer: Answer::Done { handle: None }, snapshot_at: None });
        story.occur(told);
        story.occur(Occurrence::Saved);
        story.crash(MINUTE_MS, |records| records[0].status = Status::Set);
        story.must_hold();
        // The naive controller tells it again.
        story.change(id, |record| record.status = Status::Unknown);
        tell(&mut story, id, &[EventType::SetOnDevice], |record| record.status = Status::Set);
        assert!(story.broken().contains(&"I-EVT-03".to_owned()));
    }

    #[test]
    fn a_step_back_to_the_last_save_is_no_transition() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        // Announced and not saved: the crash undoes it.
        let mut record = story.record(id).clone();
        record.status = Status::Unknown;
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![shows]);
        story.crash(DAY_MS, |records| records[0].status = Status::Set);
        story.must_hold();
    }
}
