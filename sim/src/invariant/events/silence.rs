//! I-EVT-10 and I-EVT-11: what must not be told, in a step that altered nothing and of others who did nothing.

use keyway_core::event::{Event, EventType};
use keyway_core::id::CodeId;
use keyway_core::port::Place;
use keyway_core::request::{Request, Response};

use super::counts::alters;
use crate::history::Stored;
use crate::invariant::Found;
use crate::invariant::life::Stage;
use crate::invariant::story::{Logged, View};
use crate::occurrence::{Cause, Origin as StoredBy};

/// I-EVT-10. What the clock may have brought in the same step is granted.
pub(super) fn silence(view: &View<'_>, found: &mut Found) {
    let Some((call, Some(reply))) = view.call() else { return };
    let what = match reply {
        Err(refusal) => format!("the call was refused as {refusal}"),
        Ok(Response::AccessCode(_) | Response::AccessCodes(_) | Response::GeneratedCode(_) | Response::Done) => match &call.request {
            Request::Update(update) if !alters_in_step(view, |code| code == update.access_code_id) => {
                "the update altered nothing".to_owned()
            }
            Request::UpdateMultiple(_) if !alters_in_step(view, |_| true) => "the update altered nothing".to_owned(),
            Request::Get(_) | Request::List(_) | Request::GenerateCode(_) => "the call only reads".to_owned(),
            Request::Unmanaged(request) if request.reads() => "the call only reads".to_owned(),
            Request::Create(_)
            | Request::CreateMultiple(_)
            | Request::Update(_)
            | Request::UpdateMultiple(_)
            | Request::Delete(_)
            | Request::PullBackupAccessCode(_)
            | Request::Unmanaged(_)
            | Request::Device(_) => return,
        },
    };
    found.armed("I-EVT-10");
    if let Some(event) = view.emitted().iter().find(|event| !view.may_come_by_clock(event)) {
        view.broken(found, "I-EVT-10", event.access_code_id, &format!("{} is told in a step in which {what}", event.event_type));
    }
}

fn alters_in_step(view: &View<'_>, is_meant: impl Fn(CodeId) -> bool) -> bool {
    view.changes().any(|change| match (change.before, change.after) {
        (Some(before), Some(after)) => is_meant(after.access_code_id) && (alters(before, after) || before.is_managed != after.is_managed),
        (before, after) => before.or(after).is_some_and(|record| is_meant(record.access_code_id)),
    })
}

/// I-EVT-11. Each change of others pays for one external event; which state each of them told can't be seen from here.
pub(super) fn others(view: &View<'_>, found: &mut Found) {
    for Logged { event, is_by_others, life_before, .. } in view.logged {
        let what = match event.event_type {
            EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam if !is_by_others => "nobody else changed its entry",
            EventType::UnmanagedCreated if life_before.stage() == Stage::Unborn && !was_strange(view, event) => {
                "nobody else has put such an entry into the lock"
            }
            EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam | EventType::UnmanagedCreated => {
                found.armed("I-EVT-11");
                continue;
            }
            _ => continue,
        };
        view.broken(found, "I-EVT-11", event.access_code_id, &format!("{} is told, and {what}", event.event_type));
    }
}

/// Whether an entry like the unmanaged code's was or is in the lock that the controller need not take for its own.
fn was_strange(view: &View<'_>, event: &Event) -> bool {
    let Some(lock) = view.history.find_lock(event.device_id) else { return true };
    let pin = view.live(event.access_code_id).and_then(|record| record.code);
    let is_like = |other: keyway_core::pin::Pin| pin.is_none_or(|pin| pin == other);
    let seen = view.story.lock(lock);
    let was_there = seen.is_some_and(|seen| seen.rejoined || seen.strangers.iter().any(|other| is_like(*other)));
    let is_strange = |(_, stored): (&Place, &Stored)| {
        let is_ours = match stored.entry.origin {
            StoredBy::Code(code) => view.live(code).is_some_and(|record| record.is_managed),
            StoredBy::Unclaimed | StoredBy::External | StoredBy::Other | StoredBy::Reserved => false,
        };
        is_like(stored.entry.pin) && !stored.entry.hidden && (!is_ours || !matches!(stored.cause, Cause::Command(_)))
    };
    // What another workspace writes may be listed before it is done (`P-06`).
    let is_anothers = || {
        let views = view.history.views(lock).iter().filter(|other| **other != lock);
        views
            .flat_map(|other| &view.history.lock(*other).codes)
            .any(|code| view.history.code(*code).pins.iter().any(|other| is_like(*other)))
    };
    was_there || view.history.lock(lock).memory.iter().any(is_strange) || is_anothers()
}

#[cfg(test)]
mod tests {
    use super::super::kit::{delayed, tell};
    use crate::invariant::story::kit::{breaks, story};
    use crate::judge::testing::SLOT;
    use crate::occurrence::Occurrence;
    use keyway_core::access_code::Status;
    use keyway_core::event::EventType;
    use keyway_core::id::{CallId, WorkspaceId};
    use keyway_core::port::Place;
    use keyway_core::request::{Delete, Refusal, Request, Response};
    use keyway_core::time::MINUTE_MS;

    #[test]
    fn a_refused_call_that_tells_something_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let record = story.record(id).clone();
        let event = story.emits(&record, EventType::Changed);
        let call_id = CallId(story.number());
        let request = Request::Update(keyway_core::request::Update { access_code_id: id, ..Default::default() });
        let called = Occurrence::Called { call_id, workspace: WorkspaceId::numbered(0), request };
        let replied = Occurrence::Replied { call_id, result: Err(Refusal::InvalidInput) };
        story.step(called, vec![event, Occurrence::Saved, replied]);
        let broken = story.broken();
        assert!(broken.contains(&"I-EVT-10".to_owned()), "{broken:?}");
    }

    #[test]
    fn an_update_that_alters_nothing_and_is_told_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let record = story.record(id).clone();
        let event = story.emits(&record, EventType::Changed);
        let request = Request::Update(keyway_core::request::Update { access_code_id: id, name: record.name.clone(), ..Default::default() });
        story.call(request, Response::AccessCode(id), vec![event, Occurrence::Saved], Vec::new());
        breaks(&mut story, "I-EVT-10");
    }

    #[test]
    fn what_is_due_may_be_told_in_the_step_of_a_refused_call() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.wait(15 * MINUTE_MS);
        let mut record = story.record(id).clone();
        let event = story.emits(&record, EventType::DelayInSettingOnDevice);
        record.warnings = delayed(story.now());
        let shows = story.shows(record);
        let call_id = CallId(story.number());
        let called = Occurrence::Called { call_id, workspace: WorkspaceId::numbered(0), request: Request::Delete(Delete::default()) };
        let replied = Occurrence::Replied { call_id, result: Err(Refusal::AccessCodeNotFound) };
        story.step(called, vec![replied, event, Occurrence::Saved, shows]);
        story.must_hold();
    }

    #[test]
    fn an_external_change_that_nobody_made_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        tell(&mut story, id, &[EventType::ModifiedExternalToSeam], |record| record.status = Status::Setting);
        breaks(&mut story, "I-EVT-11");
    }

    #[test]
    fn one_change_of_others_pays_for_one_event() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let place = story.place_of(id);
        story.world_erases(SLOT, place);
        tell(&mut story, id, &[EventType::DeletedExternalToSeam], |record| record.status = Status::Setting);
        story.must_hold();
        tell(&mut story, id, &[EventType::DeletedExternalToSeam], |_| {});
        breaks(&mut story, "I-EVT-11");
    }

    #[test]
    fn an_unmanaged_code_that_nobody_stored_is_found() {
        let mut story = story();
        let mut record = story.draft(SLOT, "4321", None);
        (record.is_managed, record.status) = (false, Status::Set);
        let event = story.emits(&record, EventType::UnmanagedCreated);
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![event, Occurrence::Saved, shows]);
        breaks(&mut story, "I-EVT-11");
    }

    #[test]
    fn an_unmanaged_code_that_somebody_stored_is_lawful() {
        let mut story = story();
        story.person_stores(SLOT, Place::Slot(keyway_core::id::Slot(3)), "4321");
        let mut record = story.draft(SLOT, "4321", None);
        (record.is_managed, record.status) = (false, Status::Set);
        let event = story.emits(&record, EventType::UnmanagedCreated);
        let shows = story.shows(record);
        story.step(Occurrence::Woken, vec![event, Occurrence::Saved, shows]);
        story.must_hold();
    }
}
