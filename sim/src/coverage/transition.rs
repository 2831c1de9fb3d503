//! Which rows of the transition table (lifecycle.md 4.2) a run took, judged from the boundary alone: records, events, calls and answers.

use std::collections::BTreeMap;

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::event::EventType;
use keyway_core::id::{CallId, CodeId, CommandId, DeviceId};
use keyway_core::port::Answer;
use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::request::Request;
use keyway_core::time::Timestamp;

use crate::occurrence::Occurrence;

/// The rows of the table.
pub const ROWS: [&str; 41] = [
    "T01", "T02", "T03", "T04", "T05", "T06", "T07", "T08", "T09", "T10", "T11", "T12", "T13", "T14", "T15", "T16", "T17", "T18", "T19",
    "T20", "T21", "T22", "T23", "T24", "T25", "T26", "T27", "T28", "T29", "T30", "T31", "T32", "T33", "T34", "T35", "T36", "T37", "T38",
    "T39", "T40", "T41",
];

/// Watches a run and names the row of each transition.
#[derive(Debug, Default)]
pub struct Transitions {
    codes: BTreeMap<CodeId, Seen>,
    devices: BTreeMap<DeviceId, DeviceRecord>,
    /// Deletions that are called and not answered yet.
    deletes: BTreeMap<CallId, CodeId>,
    /// The code that a command is for.
    commands: BTreeMap<CommandId, CodeId>,
    step: Step,
    taken: Vec<&'static str>,
}

/// What is known of a code.
#[derive(Debug, Default)]
struct Seen {
    record: Option<Record>,
    /// It was written ahead of its start (T03).
    is_in_background: bool,
    /// It became `unknown` because its device was removed (T29).
    is_of_removed_device: bool,
}

/// What happened in the present step.
#[derive(Debug, Default)]
struct Step {
    events: BTreeMap<CodeId, Vec<EventType>>,
    deleted: Vec<CodeId>,
    /// Attempts that failed without a lasting refusal.
    failed: Vec<CodeId>,
    stored: Vec<CodeId>,
    after: BTreeMap<CodeId, Option<Record>>,
    devices_after: BTreeMap<DeviceId, DeviceRecord>,
}

/// One code in one step.
struct Look<'a> {
    now: Timestamp,
    events: &'a [EventType],
    is_deleted: bool,
    before: Option<&'a Record>,
    after: Option<&'a Record>,
    seen: &'a Seen,
    device_removed: bool,
}

impl Transitions {
    /// Takes what happens next; the rows that it took.
    pub fn observe(&mut self, now: Timestamp, occurrence: &Occurrence) -> Vec<&'static str> {
        match occurrence {
            Occurrence::Called { call_id, request: Request::Delete(delete), .. } => {
                self.deletes.insert(*call_id, delete.access_code_id);
            }
            Occurrence::Replied { call_id, result } => {
                let deleted = self.deletes.remove(call_id).filter(|_| result.is_ok());
                self.step.deleted.extend(deleted);
            }
            Occurrence::Commanded { command, .. } => {
                if let Some(code) = command.for_code.filter(|_| command.op.is_mutating()) {
                    self.commands.insert(command.command_id, code);
                    if !command.op.is_erasing() {
                        self.step.stored.push(code);
                    }
                }
            }
            Occurrence::Answered { command_id, answer, .. } if is_transient_failure(answer) => {
                self.step.failed.extend(self.commands.get(command_id));
            }
            Occurrence::Emitted(event) => self.step.events.entry(event.access_code_id).or_default().push(event.event_type),
            Occurrence::Recorded { code, after } => drop(self.step.after.insert(*code, after.as_deref().cloned())),
            Occurrence::DeviceRecorded { device, after: Some(after) } => {
                drop(self.step.devices_after.insert(*device, after.as_ref().clone()));
            }
            Occurrence::StepEnded => self.end_step(now),
            // What a step lost with a crash is no transition.
            Occurrence::Crashed => self.step = Step::default(),
            _ => {}
        }
        std::mem::take(&mut self.taken)
    }

    fn end_step(&mut self, now: Timestamp) {
        let step = std::mem::take(&mut self.step);
        let mut codes: Vec<CodeId> =
            step.after.keys().chain(step.events.keys()).chain(&step.deleted).chain(&step.failed).copied().collect();
        codes.extend(&step.stored);
        codes.sort_unstable();
        codes.dedup();
        self.note_paths(&step);
        self.devices.extend(step.devices_after.clone());
        for code in codes {
            let seen = self.codes.entry(code).or_default();
            let after = step.after.get(&code).map_or(seen.record.as_ref(), Option::as_ref);
            let device = after.or(seen.record.as_ref()).and_then(|record| self.devices.get(&record.device_id));
            let look = Look {
                now,
                events: step.events.get(&code).map_or(&[], Vec::as_slice),
                is_deleted: step.deleted.contains(&code),
                before: seen.record.as_ref(),
                after,
                seen,
                device_removed: device.is_some_and(|device| device.errors.iter().any(|error| error.error_code == ErrorCode::DeviceRemoved)),
            };
            let (is_stored, is_failed) = (step.stored.contains(&code), step.failed.contains(&code));
            let is_ahead = look.is_ahead_of_start();
            let begins_background = is_stored && is_ahead && !seen.is_in_background;
            let is_being_set = look.before.is_some_and(|record| record.status == Status::Setting || seen.is_in_background);
            let holds = look.before.map(|record| record.status) == look.after.map(|record| record.status);
            if begins_background {
                self.taken.push("T03");
            }
            if is_failed && is_being_set && holds {
                self.taken.push("T08");
            }
            self.taken.extend(look.rows());
            let became_unknown = look.became(Status::Unknown);
            seen.is_of_removed_device = if became_unknown { look.device_removed } else { seen.is_of_removed_device };
            seen.is_in_background = (seen.is_in_background || begins_background) && is_ahead;
            if let Some(after) = step.after.get(&code) {
                seen.record.clone_from(after);
            }
        }
    }

    /// T21 and T28: what stays as it is when a path goes down.
    fn note_paths(&mut self, step: &Step) {
        let carries = |device: &DeviceRecord, is_kind: fn(ErrorCode) -> bool| {
            device.errors.iter().chain(&device.account_errors).any(|error| is_kind(error.error_code))
        };
        for (id, device) in &step.devices_after {
            let before = self.devices.get(id);
            let begins = |is_kind| carries(device, is_kind) && before.is_none_or(|before| !carries(before, is_kind));
            let codes = self.codes.iter().filter(|(code, _)| !step.after.contains_key(code)).filter_map(|(_, seen)| seen.record.as_ref());
            let here: Vec<&Record> = codes.filter(|record| record.device_id == *id && record.is_managed).collect();
            if begins(is_account_error) && here.iter().any(|record| record.status == Status::Unset && !record.is_scheduled_on_device) {
                self.taken.push("T21");
            }
            if begins(is_path_error) && here.iter().any(|record| matches!(record.status, Status::Setting | Status::Removing)) {
                self.taken.push("T28");
            }
        }
    }
}

impl Look<'_> {
    fn told(&self, event: EventType) -> bool {
        self.events.contains(&event)
    }

    fn is_ahead_of_start(&self) -> bool {
        let waits = |record: &Record| {
            record.kind == Type::TimeBound
                && record.status == Status::Unset
                && record.starts_at.is_some_and(|starts_at| self.now < starts_at)
        };
        self.after.is_some_and(waits)
    }

    fn became(&self, status: Status) -> bool {
        let is = |record: Option<&Record>| record.is_some_and(|record| record.status == status);
        is(self.after) && !is(self.before)
    }

    /// The rows that the step took for the code. One step may take several, as T01 and T02 do.
    fn rows(&self) -> Vec<&'static str> {
        let mut rows: Vec<&'static str> = self.told_rows();
        rows.extend(match (self.before, self.after) {
            (None, Some(after)) if after.status == Status::Setting => Some("T02"),
            (Some(before), Some(after)) if before.is_managed && after.is_managed => self.row_between(before, after),
            (Some(before), Some(after)) if before.is_managed && !after.is_managed => Some("T30"),
            (Some(before), None) if before.is_managed && before.status == Status::Removing => Some("T17"),
            (Some(before), None) if before.is_managed && !self.told(EventType::RemovedFromDevice) => Some("T16"),
            _ => None,
        });
        rows
    }

    /// Rows that their event tells.
    fn told_rows(&self) -> Vec<&'static str> {
        let row = |event: &EventType| match event {
            EventType::Created => Some("T01"),
            EventType::ScheduledOnDevice => Some("T04"),
            EventType::DelayInSettingOnDevice => Some("T09"),
            EventType::FailedToSetOnDevice => Some(if self.lost_its_seat() { "T39" } else { "T10" }),
            EventType::DelayInRemovingFromDevice => Some("T18"),
            EventType::FailedToRemoveFromDevice => Some("T19"),
            EventType::UnmanagedConvertedToManaged => Some("T31"),
            EventType::UnmanagedFailedToConvertToManaged => Some("T32"),
            EventType::UnmanagedCreated => Some("T33"),
            EventType::UnmanagedRemoved => Some("T34"),
            EventType::Changed
            | EventType::SetOnDevice
            | EventType::RemovedFromDevice
            | EventType::Deleted
            | EventType::ModifiedExternalToSeam
            | EventType::DeletedExternalToSeam
            | EventType::BackupAccessCodePulled => None,
        };
        self.events.iter().filter_map(row).collect()
    }

    fn lost_its_seat(&self) -> bool {
        let has = |record: &Record| record.errors.iter().any(|error| error.error_code == ErrorCode::SaltoKsUserNotSubscribed);
        let was_on_lock = self.before.is_some_and(|record| record.status == Status::Set || record.is_scheduled_on_device);
        was_on_lock && self.after.is_some_and(has)
    }

    fn row_between(&self, before: &Record, after: &Record) -> Option<&'static str> {
        let is_updated = self.told(EventType::Changed);
        let (is_altered, is_missing) = (self.told(EventType::ModifiedExternalToSeam), self.told(EventType::DeletedExternalToSeam));
        let is_external = is_altered || is_missing;
        let is_allowed = after.warnings.iter().any(|warning| warning.warning_code == WarningCode::CodeModifiedExternalToSeam);
        match (before.status, after.status) {
            (Status::Unset, Status::Unset | Status::Setting) if before.is_scheduled_on_device && is_external && !is_allowed => Some("T27"),
            (Status::Unset, Status::Setting) if is_updated => None,
            (Status::Unset, Status::Setting) if self.seen.is_in_background => Some("T06"),
            (Status::Unset, Status::Setting) => Some("T02"),
            (Status::Unset, Status::Set) if before.is_scheduled_on_device => Some("T05"),
            (Status::Unset, Status::Unset) if is_updated => Some("T13"),
            (Status::Setting, Status::Set) => self.told(EventType::SetOnDevice).then_some("T07"),
            (Status::Set, Status::Setting) if is_updated => Some("T11"),
            (Status::Set, Status::Setting) if is_altered => Some("T23"),
            (Status::Set, Status::Setting) if is_missing => Some("T24"),
            (Status::Set, Status::Set) if is_altered && is_allowed => Some("T25"),
            (Status::Set, Status::Unset) if is_missing && is_allowed => Some("T26"),
            (Status::Set, Status::Removing) if is_updated => Some("T12"),
            (Status::Setting, Status::Removing | Status::Unset) if is_updated => Some("T36"),
            (Status::Setting, Status::Setting) if is_updated => Some("T35"),
            (Status::Unset | Status::Setting | Status::Set, Status::Removing) => Some(if self.is_deleted { "T15" } else { "T14" }),
            (Status::Removing, Status::Removing) if self.is_deleted => Some("T41"),
            (Status::Unknown, Status::Unknown) if is_updated => Some("T37"),
            (Status::Unknown, Status::Unknown) if self.is_deleted => Some("T38"),
            (Status::Unknown, Status::Unknown) => None,
            (_, Status::Unknown) => Some(if self.device_removed { "T29" } else { "T20" }),
            (Status::Unknown, _) => Some(if self.seen.is_of_removed_device { "T40" } else { "T22" }),
            (Status::Unset, Status::Unset | Status::Set)
            | (Status::Setting, Status::Setting | Status::Unset)
            | (Status::Set, Status::Set | Status::Unset | Status::Setting)
            | (Status::Removing, Status::Removing | Status::Unset | Status::Setting | Status::Set) => None,
        }
    }
}

/// Whether an answer ends an attempt that is made again: what is refused for good is none of them (T10).
fn is_transient_failure(answer: &Answer) -> bool {
    match answer {
        Answer::Refused(reason) => !reason.is_permanent(),
        Answer::Busy
        | Answer::QueueFull
        | Answer::RateLimited { .. }
        | Answer::Unreachable(_)
        | Answer::MaybeDuplicate
        | Answer::ServerError { .. }
        | Answer::TimedOut => true,
        _ => false,
    }
}

fn is_account_error(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AccountDisconnected | ErrorCode::InvalidCredentials | ErrorCode::BridgeDisconnected)
}

fn is_path_error(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DeviceOffline | ErrorCode::DeviceDisconnected | ErrorCode::HubDisconnected | ErrorCode::SubscriptionRequired)
}
