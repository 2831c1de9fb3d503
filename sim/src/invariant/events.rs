//! The event log: properties, order, counts, and how events agree with records and with what the world did (I-EVT).

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CodeId, EventId, WorkspaceId};
use keyway_core::port::Place;
use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::request::{Request, Response};
use keyway_core::time::Timestamp;

use super::life::Stage;
use super::problems::{raises_error, raises_warning};
use super::story::{Check, CodeChange, Logged, Steps, View};
use super::{Found, Row};
use crate::history::Stored;
use crate::occurrence::{Cause, Origin as StoredBy};

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

/// I-EVT-03: the automaton of each code, and the rules of order that look at records (`EO-03`, `EO-08`, `EO-11`, `EO-15` to `EO-17`).
/// `EO-13`'s promise that a lost code is set again is one of liveness, and judged elsewhere.
fn order(view: &View<'_>, found: &mut Found) {
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

/// I-EVT-04.
#[derive(Default)]
struct Counts {
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
fn alters(before: &Record, after: &Record) -> bool {
    before.code != after.code
        || before.name != after.name
        || before.starts_at != after.starts_at
        || before.ends_at != after.ends_at
        || before.kind != after.kind
        || before.is_external_modification_allowed != after.is_external_modification_allowed
}

/// I-EVT-05. What a crash hides, and what an end that has come may overtake in the same step, is granted.
fn agreement(view: &View<'_>, found: &mut Found) {
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

/// I-EVT-09. A delay that a failure replaces within the same step leaves no trace in the record.
fn problem_pairs(view: &View<'_>, found: &mut Found) {
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
        let replaced = match event.event_type {
            EventType::DelayInSettingOnDevice => view.count(event.access_code_id, EventType::FailedToSetOnDevice) > 0,
            EventType::DelayInRemovingFromDevice => view.count(event.access_code_id, EventType::FailedToRemoveFromDevice) > 0,
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

/// I-EVT-10. What the clock may have brought in the same step is granted.
fn silence(view: &View<'_>, found: &mut Found) {
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
fn others(view: &View<'_>, found: &mut Found) {
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
    use super::super::story::kit::{breaks, story};
    use super::*;
    use crate::judge::testing::{CLOUD, SLOT, Story};
    use crate::occurrence::Occurrence;
    use keyway_core::id::CallId;
    use keyway_core::port::Answer;
    use keyway_core::problem::{ErrorEntry, WarningEntry};
    use keyway_core::request::{Delete, Refusal};
    use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    /// A step by a wake: these events of the code, in order, saved, and its record changed.
    fn tell(story: &mut Story, id: CodeId, events: &[EventType], change: impl FnOnce(&mut Record)) {
        let mut record = story.record(id).clone();
        let mut rest: Vec<Occurrence> = events.iter().map(|event| story.emits(&record, *event)).collect();
        change(&mut record);
        rest.extend([Occurrence::Saved, story.shows(record)]);
        story.step(Occurrence::Woken, rest);
    }

    fn delayed(now: Timestamp) -> Vec<WarningEntry> {
        vec![WarningEntry { warning_code: WarningCode::DelayInSettingOnDevice, created_at: now }]
    }

    /// A code that is written, and whose confirmation is told by these events instead of the right one.
    fn confirmed_with(alter: impl FnOnce(&mut Event)) -> Story {
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

    #[test]
    fn a_lawful_life_with_trouble_breaks_nothing() {
        let mut story = Story::judged_by(super::super::story::checkers());
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
        let mut story = Story::judged_by(super::super::story::checkers());
        let window = story.window(2 * HOUR_MS, 5 * HOUR_MS);
        let id = story.confirmed(CLOUD, "1234", Some(window));
        story.wait_until(window.starts_at);
        tell(&mut story, id, &[EventType::SetOnDevice], |record| record.status = Status::Set);
        story.must_hold();
    }

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
    fn an_event_from_the_future_is_found() {
        breaks(&mut confirmed_with(|event| event.created_at = event.created_at + 1), "I-EVT-08");
    }

    #[test]
    fn a_delay_that_the_record_does_not_show_is_found() {
        let mut story = story();
        let id = story.code(SLOT, "1234", None, Status::Setting);
        story.wait(15 * MINUTE_MS);
        tell(&mut story, id, &[EventType::DelayInSettingOnDevice], |_| {});
        breaks(&mut story, "I-EVT-09");
    }

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
