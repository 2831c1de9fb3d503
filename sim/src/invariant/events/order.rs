//! I-EVT-03: the order of events, by the automaton of each code and by rules that look at records.

use keyway_core::access_code::Status;
use keyway_core::event::{Event, EventType};
use keyway_core::problem::ErrorCode;
use keyway_core::request::Request;

use crate::invariant::Found;
use crate::invariant::story::{Logged, View};

/// I-EVT-03: the automaton of each code, and the rules of order that look at records (`EO-03`, `EO-08`, `EO-11`, `EO-15` to `EO-17`).
/// `EO-13`'s promise that a lost code is set again is one of liveness, and judged elsewhere.
pub(super) fn order(view: &View<'_>, found: &mut Found) {
    for Logged { event, order, .. } in view.logged {
        match order {
            Ok(()) => found.armed("I-EVT-03"),
            Err(fault) => view.broken(found, "I-EVT-03", event.access_code_id, &format!("{}: {fault}", event.event_type)),
        }
        if event.event_type == EventType::BackupAccessCodePulled {
            pulled_backup_works(view, event, found);
        }
    }
    for event in view.emitted() {
        let rules = [too_early(view, event), torn_end(view, event), while_removing(view, event), by_pull(view, event)];
        let rules = rules.into_iter().chain([wrong_side(view, event), while_blind(view, event)]);
        for fault in rules.flatten() {
            view.broken(found, "I-EVT-03", event.access_code_id, &format!("{} {fault}", event.event_type));
        }
    }
}

/// `EO-14`.
fn pulled_backup_works(view: &View<'_>, event: &Event, found: &mut Found) {
    let Some(backup) = event.backup_access_code_id else { return };
    let works = view.story.code(backup).is_some_and(|seen| seen.life.works());
    // What a crash cut short may have ended the backup after its pull.
    if !works && !view.is_reread {
        view.broken(
            found,
            "I-EVT-03",
            event.access_code_id,
            "the pulled backup was never said to be set, or was said to be gone since (EO-14)",
        );
    }
}

/// `EO-03`. Where it is uncertain whether the owner wants a schedule on the lock, the just-in-time lead is granted.
fn too_early(view: &View<'_>, event: &Event) -> Option<String> {
    if event.event_type != EventType::SetOnDevice {
        return None;
    }
    let record = view.live(event.access_code_id)?;
    let start = record.starts_at?;
    let schedules = view.lock(record.device_id)?.facts.profile.schedules;
    let is_native = schedules && view.story.code(event.access_code_id).and_then(|seen| seen.prefers_schedule) == Some(true);
    let lead = if is_native || record.is_offline_access_code { 0 } else { view.history.facts().config.policy.just_in_time_lead_ms };
    (view.now < start - lead).then(|| format!("comes before the code is due, which starts at {start} (EO-03)"))
}

/// `EO-08`.
fn torn_end(view: &View<'_>, event: &Event) -> Option<String> {
    if event.event_type != EventType::RemovedFromDevice {
        return None;
    }
    let code = event.access_code_id;
    if view.live(code).is_some_and(|record| record.is_managed && record.status == Status::Removing) {
        return Some("is told, and the code goes on being removed (EO-08)".to_owned());
    }
    if view.count(code, EventType::Deleted) == 0 {
        return None;
    }
    let mut own = view.emitted().iter().filter(|one| one.access_code_id == code).skip_while(|one| !std::ptr::eq(*one, event));
    let follows = own.nth(1).is_some_and(|next| next.event_type == EventType::Deleted && next.occurred_at == event.occurred_at);
    (!follows).then(|| "is not followed at once by deleted (EO-08)".to_owned())
}

/// `EO-11`.
fn while_removing(view: &View<'_>, event: &Event) -> Option<String> {
    let is_of_setting = matches!(
        event.event_type,
        EventType::DelayInSettingOnDevice | EventType::FailedToSetOnDevice | EventType::ScheduledOnDevice | EventType::SetOnDevice
    );
    let before = view.before(event.access_code_id)?;
    let stays = view.live(event.access_code_id).is_none_or(|after| after.status == Status::Removing);
    let is_wrong = is_of_setting && before.status == Status::Removing && stays;
    is_wrong.then(|| "is told while the code is being removed (EO-11)".to_owned())
}

/// `EO-15`.
fn by_pull(view: &View<'_>, event: &Event) -> Option<String> {
    let (call, _) = view.call()?;
    let is_pull = matches!(call.request, Request::PullBackupAccessCode(_));
    (is_pull && event.event_type == EventType::Changed).then(|| "is told by a pull (EO-15)".to_owned())
}

const fn is_unmanaged(event: EventType) -> bool {
    matches!(
        event,
        EventType::UnmanagedCreated
            | EventType::UnmanagedFailedToConvertToManaged
            | EventType::UnmanagedConvertedToManaged
            | EventType::UnmanagedRemoved
    )
}

/// `EO-16`: the record says on which side of the border the code is.
fn wrong_side(view: &View<'_>, event: &Event) -> Option<String> {
    let before = view.before(event.access_code_id)?;
    let after = view.live(event.access_code_id);
    let stays = |is_managed: bool| before.is_managed == is_managed && after.is_none_or(|after| after.is_managed == is_managed);
    if is_unmanaged(event.event_type) {
        return stays(true).then(|| "is told of a managed code (EO-16)".to_owned());
    }
    stays(false).then(|| "is told of an unmanaged code (EO-16)".to_owned())
}

/// `EO-17`. A step that begins or ends the outage is granted.
fn while_blind(view: &View<'_>, event: &Event) -> Option<String> {
    let comes_from_vendor = match event.event_type {
        EventType::ScheduledOnDevice
        | EventType::SetOnDevice
        | EventType::RemovedFromDevice
        | EventType::ModifiedExternalToSeam
        | EventType::DeletedExternalToSeam
        | EventType::DelayInSettingOnDevice
        | EventType::FailedToSetOnDevice
        | EventType::DelayInRemovingFromDevice
        | EventType::FailedToRemoveFromDevice
        | EventType::UnmanagedConvertedToManaged
        | EventType::UnmanagedCreated
        | EventType::UnmanagedRemoved => true,
        // Known by the clock, or when it is asked for.
        EventType::UnmanagedFailedToConvertToManaged => false,
        EventType::Created | EventType::Changed | EventType::Deleted | EventType::BackupAccessCodePulled => false,
    };
    let lock = view.history.find_lock(event.device_id)?;
    let blinds =
        |code: ErrorCode| matches!(code, ErrorCode::AccountDisconnected | ErrorCode::InvalidCredentials | ErrorCode::BridgeDisconnected);
    let before = view.history.previous_device(lock)?.account_errors.iter().any(|entry| blinds(entry.error_code));
    let after = view.history.lock(lock).device.as_ref()?.account_errors.iter().any(|entry| blinds(entry.error_code));
    let record = view.live(event.access_code_id).or_else(|| view.before(event.access_code_id));
    // nobody need be asked.
    let is_offline = record.is_some_and(|record| record.is_offline_access_code);
    let is_wrong = comes_from_vendor && before && after && !is_offline;
    is_wrong.then(|| "is told while the account can't be read (EO-17)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::kit::{delayed, tell};
    use crate::invariant::story::kit::{breaks, story};
    use crate::judge::testing::{CLOUD, SLOT};
    use crate::occurrence::Occurrence;
    use keyway_core::access_code::Status;
    use keyway_core::event::EventType;
    use keyway_core::port::Answer;
    use keyway_core::problem::{ErrorCode, ErrorEntry};
    use keyway_core::time::{HOUR_MS, MINUTE_MS};

    #[test]
    fn a_native_code_that_is_set_before_its_start_is_found() {
        let mut story = story();
        let window = story.window(2 * HOUR_MS, 5 * HOUR_MS);
        let id = story.confirmed(CLOUD, "1234", Some(window));
        story.wait(HOUR_MS);
        tell(&mut story, id, &[EventType::SetOnDevice], |record| record.status = Status::Set);
        breaks(&mut story, "I-EVT-03");
    }

    #[test]
    fn an_end_told_before_the_removal_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let place = story.place_of(id);
        story.delete(id);
        story.erase(id, place);
        let record = story.record(id).clone();
        let events = [EventType::Deleted, EventType::RemovedFromDevice].map(|event| story.emits(&record, event));
        let mut rest = events.to_vec();
        rest.extend([Occurrence::Saved, Occurrence::Recorded { code: id, after: None }]);
        story.step(Occurrence::Woken, rest);
        breaks(&mut story, "I-EVT-03");
    }

    #[test]
    fn a_removal_of_what_was_never_written_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.delete(id);
        story.drop_record(id);
        breaks(&mut story, "I-EVT-03");
    }

    #[test]
    fn a_removal_of_what_may_have_been_written_is_lawful() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let op = story.write_op(&story.record(id).clone());
        let command = story.command(SLOT, Some(id), op);
        story.answer(command, Answer::TimedOut);
        story.delete(id);
        story.drop_record(id);
        story.must_hold();
    }

    #[test]
    fn what_is_told_during_an_outage_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        let now = story.now();
        let revoked = ErrorEntry { error_code: ErrorCode::AccountDisconnected, created_at: now };
        story.device_shows(SLOT, |device| device.account_errors = vec![revoked]);
        story.change(id, |record| record.status = Status::Unknown);
        story.wait(15 * MINUTE_MS);
        let now = story.now();
        tell(&mut story, id, &[EventType::DelayInSettingOnDevice], |record| record.warnings = delayed(now));
        breaks(&mut story, "I-EVT-03");
    }
}
