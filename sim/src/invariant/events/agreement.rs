//! I-EVT-05 and I-EVT-09: what is told shows in the records, and what shows in them is told.

use keyway_core::access_code::{Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::problem::{ErrorCode, WarningCode};

use crate::invariant::Found;
use crate::invariant::problems::{raises_error, raises_warning};
use crate::invariant::story::{CodeChange, View};

/// I-EVT-05. What a crash hides, and what an end that has come may overtake in the same step, is granted.
pub(super) fn agreement(view: &View<'_>, found: &mut Found) {
    if view.is_reread {
        return;
    }
    for change in view.changes() {
        for (told, bounds, fact) in facts(view, &change) {
            let (least, most) = bounds;
            let code = view.history.code(change.code).id;
            if told < least || told > most {
                let wanted = if least == most { format!("{least}") } else { format!("{least} to {most}") };
                view.broken(found, "I-EVT-05", code, &format!("it {fact}, and that is told {told} times instead of {wanted}"));
            } else if least > 0 {
                found.armed("I-EVT-05");
            }
        }
    }
    for event in view.emitted() {
        if let Some(what) = without_fact(view, event) {
            view.broken(found, "I-EVT-05", event.access_code_id, &format!("{} is told, and {what}", event.event_type));
        }
    }
}

type Fact = (usize, (usize, usize), &'static str);

/// What a record's change must have told: how often it did, how often it must at least and at most, and what it is.
fn facts(view: &View<'_>, change: &CodeChange<'_>) -> impl Iterator<Item = Fact> {
    let code = view.history.code(change.code).id;
    let set = change.after.filter(|after| enters_set(change.before, after)).map(|_| {
        let told = view.count(code, EventType::SetOnDevice);
        (told, set_bounds(view, change), "becomes set")
    });
    let scheduled = change.after.filter(|after| enters_schedule(change.before, after)).map(|_| {
        let told = view.count(code, EventType::ScheduledOnDevice);
        let was_unset = change.before.is_some_and(|before| before.status == Status::Unset);
        (told, (usize::from(was_unset), 1), "becomes scheduled")
    });
    let gone = change.before.filter(|_| change.after.is_none()).map(|before| {
        let event = if before.is_managed { EventType::Deleted } else { EventType::UnmanagedRemoved };
        (view.count(code, event), (1, 1), "goes away")
    });
    [set, scheduled, gone].into_iter().flatten()
}

fn enters_set(before: Option<&Record>, after: &Record) -> bool {
    let was_managed = before.is_none_or(|before| before.is_managed);
    let was_set = before.is_some_and(|before| before.status == Status::Set);
    after.is_managed && was_managed && after.status == Status::Set && !was_set
}

/// Recovery from `unknown` tells nothing of what was set before with the same content (lifecycle 4.4).
fn set_bounds(view: &View<'_>, change: &CodeChange<'_>) -> (usize, usize) {
    if change.before.is_none_or(|before| before.status != Status::Unknown) {
        return (1, 1);
    }
    let code = view.history.code(change.code).id;
    match view.story.code(code).and_then(|seen| seen.left_unknown_as) {
        Some(Status::Set) => (0, 0),
        Some(Status::Setting | Status::Unset) => (1, 1),
        Some(Status::Removing | Status::Unknown) | None => (0, 1),
    }
}

/// T04; a schedule that is confirmed after its start is told by `set_on_device` alone (`EO-06`).
fn enters_schedule(before: Option<&Record>, after: &Record) -> bool {
    let was = before.is_some_and(|before| before.is_scheduled_on_device || !before.is_managed);
    after.is_managed && after.is_scheduled_on_device && !was && after.status == Status::Unset
}

/// An event whose fact the record does not show.
fn without_fact(view: &View<'_>, event: &Event) -> Option<&'static str> {
    let after = view.live(event.access_code_id);
    let has_ended = || {
        let record = after.or_else(|| view.before(event.access_code_id));
        record.and_then(|record| record.ends_at).is_some_and(|end| end <= view.now)
    };
    let is_fact = match event.event_type {
        EventType::SetOnDevice => {
            let before = view.before(event.access_code_id);
            let stayed = before.is_some_and(|before| before.status == Status::Set && before.is_managed);
            after.is_some_and(|after| after.status == Status::Set && !stayed) || has_ended()
        }
        EventType::ScheduledOnDevice => {
            let is_there = |after: &Record| after.is_scheduled_on_device && matches!(after.status, Status::Unset | Status::Set);
            after.is_some_and(is_there) || has_ended()
        }
        EventType::Deleted | EventType::UnmanagedRemoved => after.is_none(),
        // T33.
        EventType::UnmanagedCreated => after.is_none_or(|after| after.status == Status::Set),
        EventType::Created
        | EventType::Changed
        | EventType::RemovedFromDevice
        | EventType::DelayInSettingOnDevice
        | EventType::FailedToSetOnDevice
        | EventType::DelayInRemovingFromDevice
        | EventType::FailedToRemoveFromDevice
        | EventType::ModifiedExternalToSeam
        | EventType::DeletedExternalToSeam
        | EventType::BackupAccessCodePulled
        | EventType::UnmanagedConvertedToManaged
        | EventType::UnmanagedFailedToConvertToManaged => true,
    };
    (!is_fact).then_some("the record does not turn so")
}

/// I-EVT-09. A delay that a failure replaces within the same step leaves no trace in the record, and neither does either of a backup that gives way to an owner in it
///
pub(super) fn problem_pairs(view: &View<'_>, found: &mut Found) {
    if view.is_reread {
        return;
    }
    for change in view.changes() {
        let Some(after) = change.after else { continue };
        for event in PROBLEM_EVENTS {
            if is_raised(event, change.before, after) {
                found.armed("I-EVT-09");
                if view.count(after.access_code_id, event) == 0 {
                    view.broken(found, "I-EVT-09", after.access_code_id, &format!("it shows what {event} tells, and that is not told"));
                }
            }
        }
    }
    for event in view.emitted().iter().filter(|event| PROBLEM_EVENTS.contains(&event.event_type)) {
        let Some(after) = view.live(event.access_code_id) else { continue };
        let is_followed_by = |failure| view.count(event.access_code_id, failure) > 0;
        let gives_way = after.is_backup && after.status == Status::Removing;
        let replaced = match event.event_type {
            EventType::DelayInSettingOnDevice => is_followed_by(EventType::FailedToSetOnDevice) || gives_way,
            EventType::FailedToSetOnDevice => gives_way,
            EventType::DelayInRemovingFromDevice => is_followed_by(EventType::FailedToRemoveFromDevice),
            _ => false,
        };
        if !replaced && !is_raised(event.event_type, view.before(event.access_code_id), after) {
            view.broken(found, "I-EVT-09", event.access_code_id, &format!("{} is told, and the record does not show it", event.event_type));
        }
    }
}

const PROBLEM_EVENTS: [EventType; 4] = [
    EventType::DelayInSettingOnDevice,
    EventType::FailedToSetOnDevice,
    EventType::DelayInRemovingFromDevice,
    EventType::FailedToRemoveFromDevice,
];

/// Whether the record came to show what this event tells.
fn is_raised(event: EventType, before: Option<&Record>, after: &Record) -> bool {
    match event {
        EventType::DelayInSettingOnDevice => raises_warning(before, after, WarningCode::DelayInSettingOnDevice),
        EventType::FailedToSetOnDevice => raises_error(before, after, ErrorCode::FailedToSetOnDevice),
        EventType::DelayInRemovingFromDevice => raises_warning(before, after, WarningCode::DelayInRemovingFromDevice),
        EventType::FailedToRemoveFromDevice => raises_error(before, after, ErrorCode::FailedToRemoveFromDevice),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::tell;
    use crate::invariant::story::kit::{breaks, story};
    use crate::judge::testing::SLOT;
    use crate::occurrence::Occurrence;
    use keyway_core::access_code::{Record, Status};
    use keyway_core::event::EventType;
    use keyway_core::port::Place;
    use keyway_core::time::MINUTE_MS;

    #[test]
    fn a_new_unmanaged_code_that_does_not_show_set_is_found() {
        let mut story = story();
        story.person_stores(SLOT, Place::Slot(keyway_core::id::Slot(7)), "4711");
        let record = Record { is_managed: false, status: Status::Unset, ..story.draft(SLOT, "4711", None) };
        let told = story.emits(&record, EventType::UnmanagedCreated);
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![told, Occurrence::Saved, shows]);
        breaks(&mut story, "I-EVT-05");
    }

    #[test]
    fn a_code_that_becomes_set_in_silence_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.change(id, |record| record.status = Status::Set);
        breaks(&mut story, "I-EVT-05");
    }

    #[test]
    fn recovery_of_what_was_set_is_silent() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        story.change(id, |record| record.status = Status::Unknown);
        story.change(id, |record| record.status = Status::Set);
        story.must_hold();
    }

    #[test]
    fn recovery_of_what_was_not_set_is_told() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.change(id, |record| record.status = Status::Unknown);
        story.change(id, |record| record.status = Status::Set);
        breaks(&mut story, "I-EVT-05");
    }

    #[test]
    fn a_delay_that_the_record_does_not_show_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.wait(15 * MINUTE_MS);
        tell(&mut story, id, &[EventType::DelayInSettingOnDevice], |_| {});
        breaks(&mut story, "I-EVT-09");
    }
}
