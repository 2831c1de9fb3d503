//! I-EVT-04: how often things are told.

use std::collections::BTreeMap;

use keyway_core::access_code::Record;
use keyway_core::event::EventType;
use keyway_core::id::CodeId;
use keyway_core::request::{Request, Response};

use crate::invariant::Found;
use crate::invariant::story::{Check, Logged, View};

/// I-EVT-04.
#[derive(Default)]
pub(super) struct Counts {
    /// Backup of each original that a pull was told of.
    pulls: BTreeMap<CodeId, CodeId>,
}

impl Check for Counts {
    fn id(&self) -> &'static str {
        "I-EVT-04"
    }

    fn check(&mut self, view: &View<'_>, found: &mut Found) {
        for Logged { event, life_before, .. } in view.logged {
            found.armed(self.id());
            let code = event.access_code_id;
            if life_before.has_said(event.event_type) {
                view.broken(found, self.id(), code, &format!("{} is told a second time", event.event_type));
            }
            if let Some(backup) = event.backup_access_code_id {
                let is_taken = self.pulls.values().any(|one| *one == backup);
                if self.pulls.insert(code, backup).is_some() || is_taken {
                    view.broken(found, self.id(), code, "a second pull is told of an original or of a backup");
                }
            }
        }
        if !view.is_reread {
            births(view, found);
            pulls(view, found);
            updates(view, found);
        }
    }
}

/// Each birth is told once.
fn births(view: &View<'_>, found: &mut Found) {
    for change in view.changes() {
        let (None, Some(after)) = (change.before, change.after) else { continue };
        let event = if after.is_managed { EventType::Created } else { EventType::UnmanagedCreated };
        let told = view.count(after.access_code_id, event);
        if told != 1 {
            view.broken(found, "I-EVT-04", after.access_code_id, &format!("a new record appears, and {event} is told {told} times"));
        }
    }
}

/// The first successful pull of an original is told once; a later one is `I-BAK-04`'s.
fn pulls(view: &View<'_>, found: &mut Found) {
    let Some((call, Some(Ok(Response::AccessCode(_))))) = view.call() else { return };
    let Request::PullBackupAccessCode(pull) = &call.request else { return };
    let original = pull.access_code_id;
    let told = view.count(original, EventType::BackupAccessCodePulled);
    let is_first = view.before(original).is_some_and(|record| record.pulled_backup_access_code_id.is_none());
    if is_first && told != 1 {
        view.broken(found, "I-EVT-04", original, &format!("its first pull is told {told} times"));
    }
}

/// `R-17`: each code that an accepted update altered has one `changed`, and nobody else has any. A pulled backup that follows its
/// original (`R-37`) may have one or none.
fn updates(view: &View<'_>, found: &mut Found) {
    let call = view.call().filter(|(_, reply)| reply.is_some_and(Result::is_ok)).map(|(call, _)| &call.request);
    let is_addressed = |record: &Record| match call {
        Some(Request::Update(update)) => record.access_code_id == update.access_code_id,
        Some(Request::UpdateMultiple(update)) => record.common_code_key.as_ref() == Some(&update.common_code_key),
        _ => false,
    };
    for change in view.changes() {
        let (Some(before), Some(after)) = (change.before, change.after) else { continue };
        let told = view.count(after.access_code_id, EventType::Changed);
        if is_addressed(before) && alters(before, after) && told != 1 {
            view.broken(found, "I-EVT-04", after.access_code_id, &format!("an update altered it, and changed is told {told} times"));
        }
    }
    for event in view.emitted().iter().filter(|event| event.event_type == EventType::Changed) {
        let code = event.access_code_id;
        let is_lawful = view.before(code).is_some_and(|record| is_addressed(record) || (call.is_some() && view.story.is_pulled(code)));
        if !is_lawful {
            view.broken(found, "I-EVT-04", code, "changed is told, and no accepted update addressed it");
        }
    }
}

/// Whether a field differs that an owner's update can alter (`R-17`).
pub(in crate::invariant) fn alters(before: &Record, after: &Record) -> bool {
    before.code != after.code
        || before.name != after.name
        || before.starts_at != after.starts_at
        || before.ends_at != after.ends_at
        || before.kind != after.kind
        || before.is_external_modification_allowed != after.is_external_modification_allowed
}

#[cfg(test)]
mod tests {
    use super::super::kit::{delayed, tell};
    use crate::invariant::story::kit::{breaks, story};
    use crate::judge::testing::{SLOT, Story};
    use crate::occurrence::Occurrence;
    use keyway_core::access_code::Status;
    use keyway_core::event::EventType;
    use keyway_core::request::{Request, Response};
    use keyway_core::time::{DAY_MS, MINUTE_MS};

    #[test]
    fn a_delay_told_twice_in_an_episode_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        for _ in 0..2 {
            story.wait(15 * MINUTE_MS);
            let now = story.now();
            tell(&mut story, id, &[EventType::DelayInSettingOnDevice], |record| record.warnings = delayed(now));
        }
        breaks(&mut story, "I-EVT-04");
    }

    #[test]
    fn a_birth_that_is_not_told_is_found() {
        let mut story = story();
        let record = story.draft(SLOT, "1234", None);
        let id = record.access_code_id;
        story.call(Story::create_request(&record), Response::AccessCode(id), vec![Occurrence::Saved], vec![record]);
        breaks(&mut story, "I-EVT-04");
    }

    #[test]
    fn a_pull_that_is_not_told_is_found() {
        let mut story = story();
        let window = story.window(0, DAY_MS);
        let id = story.confirmed(SLOT, "1234", Some(window));
        let backup = story.confirmed(SLOT, "4321", None);
        let mut after = story.record(id).clone();
        after.pulled_backup_access_code_id = Some(backup);
        let request = Request::PullBackupAccessCode(keyway_core::request::PullBackupAccessCode { access_code_id: id });
        story.call(request, Response::AccessCode(backup), vec![Occurrence::Saved], vec![after]);
        breaks(&mut story, "I-EVT-04");
    }

    #[test]
    fn an_update_that_is_not_told_is_found() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        let request =
            Request::Update(keyway_core::request::Update { access_code_id: id, name: Some("n".to_owned()), ..Default::default() });
        let mut after = story.record(id).clone();
        after.name = Some("n".to_owned());
        story.call(request, Response::AccessCode(id), vec![Occurrence::Saved], vec![after]);
        breaks(&mut story, "I-EVT-04");
    }
}
