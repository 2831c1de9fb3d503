//! What a crash cut short: a call that was in force although nobody heard so, and changes that were saved before anybody saw them. The records that
//! are read after the restart tell.

use keyway_core::access_code::{Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CallId, CodeId, CommandId};
use keyway_core::port::Command;
use keyway_core::request::{Request, RequestedCode, Update};
use keyway_core::time::Timestamp;

use super::commands::Closing;
use super::{CodeIx, Goal, History, Input, Intent, Last, Picture, Sent, Why, Work};
use crate::occurrence::Lock;

/// The step in which the controller died.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut {
    at: Timestamp,
    /// The call it handled and had not answered.
    call: Option<CallId>,
    /// The events it had saved.
    events: Vec<Event>,
}

/// What was known before the present step was told something of a write, as long as that step is not saved.
#[derive(Clone, Debug, Default)]
pub(super) struct Untold {
    locks: Vec<(Lock, Picture, Vec<CommandId>)>,
    sent: Vec<Sent>,
    works: Vec<(CodeIx, Work)>,
}

impl History {
    /// The controller is told what became of a write. Whoever dies before the save that holds it has not heard it (`P-08`, `R-60`).
    pub(super) fn keep_untold(&mut self, told: &Sent) {
        let members = told.lock.map_or_else(Vec::new, |lock| self.path(lock).locks.clone());
        let open = members.iter().flat_map(|member| self.open_commands(*member)).cloned();
        let is_other = |sent: &Sent| sent.command.command_id != told.command.command_id;
        let sent: Vec<Sent> = open.filter(is_other).chain([told.clone()]).collect();
        let mut codes: Vec<CodeIx> = sent.iter().filter_map(|sent| sent.code).collect();
        codes.sort_unstable();
        codes.dedup();
        let state = |lock: Lock| (lock, self.lock(lock).picture.clone(), self.lock(lock).open.clone());
        let locks = members.into_iter().map(state).collect();
        let works = codes.into_iter().map(|code| (code, self.code(code).work.clone())).collect();
        self.untold = Untold { locks, sent, works };
    }

    /// It died: what it was told in the step that was not saved counts as untold.
    pub(super) fn take_back_untold(&mut self, now: Timestamp) {
        let Untold { locks, sent, works } = std::mem::take(&mut self.untold);
        for sent in sent {
            let is_known = |known: &Sent| known.closed_at.is_none() == sent.closed_at.is_none();
            if !self.commands.get(&sent.command.command_id).is_some_and(is_known)
                && let Some(lock) = sent.lock
            {
                self.count_backlog(lock, now, |path| path.open += 1);
            }
            self.commands.insert(sent.command.command_id, sent);
        }
        for (lock, picture, open) in locks {
            // What was settled in that step is open again, and not to be forgotten before it is settled once more (P-05).
            self.fading.retain(|(_, id)| !open.contains(id));
            let state = &mut self.locks[lock.0 as usize];
            (state.picture, state.open) = (picture, open);
        }
        for (code, work) in works {
            self.codes[code.0 as usize].work = work;
            self.touch_code(code);
        }
    }

    /// The controller dies now.
    pub(super) fn cut_short(&mut self, now: Timestamp) {
        let call = match self.step.input {
            Some(Input::Call(call)) if self.step.replies.iter().all(|(replied, _)| *replied != call) => Some(call),
            _ => None,
        };
        let events = self.step.events[..self.step.saved_events].to_vec();
        self.cut = if self.is_in_step { Cut { at: now, call, events } } else { Cut::default() };
        if let Some(Request::Delete(delete)) = self.unanswered().cloned() {
            for n in 0..self.codes.len() {
                // What is `unknown` shows no deletion before it leaves that (T38), and may be read unchanged after the restart.
                let is_unknown = self.codes[n].status() == Some(Status::Unknown);
                if is_unknown && self.goes_with(delete.access_code_id, self.codes[n].id) {
                    self.codes[n].perhaps_deleted_at = Some(now);
                }
            }
        }
    }

    /// It had saved that it would send a command, and died before. Whoever takes up from there can't know but that it was sent (`R-60`).
    pub(super) fn intend(&mut self, command: &Command) {
        if let Some(code) = command.for_code {
            let code = self.intern(code);
            let state = &mut self.codes[code.0 as usize];
            let (id, key, op, version) = (command.command_id, command.key, command.op.clone(), state.version);
            state.work.tries += 1;
            state.work.unsent = Some(Last { id, key, op, version, closing: Closing::Open, was_done: false, is_settled: false });
        }
    }

    /// Whether such an event of a code happened in the present step, or was the last that was saved of it before the crash.
    pub(super) fn has_emitted(&self, id: CodeId, event_type: EventType) -> bool {
        let is_it = |event: &Event| event.access_code_id == id && event.event_type == event_type;
        self.step.events.iter().any(is_it) || (!self.is_real_step && self.cut.events.iter().any(is_it))
    }

    /// Whether it was told in this step that others changed or removed a code.
    #[must_use]
    pub fn was_told_lost(&self, code: CodeIx) -> bool {
        let id = self.code(code).id;
        self.has_emitted(id, EventType::ModifiedExternalToSeam) || self.has_emitted(id, EventType::DeletedExternalToSeam)
    }

    /// The call that was under way when the controller died last.
    pub fn unanswered(&self) -> Option<&Request> {
        self.calls.get(&self.cut.call?).map(|call| &call.request)
    }

    /// Whether a record that is missing after a restart had ended: it was to go, or the step that was cut short had dropped it.
    pub(super) fn had_ended(&self, code: CodeIx) -> bool {
        let id = self.code(code).id;
        let is_to_go = matches!(self.goal(code), Some(Intent { goal: Goal::Absent, .. }));
        let is_dropped = self.has_emitted(id, EventType::Deleted) || self.has_emitted(id, EventType::UnmanagedRemoved);
        let is_deleted = matches!(self.unanswered(), Some(Request::Delete(delete)) if self.goes_with(delete.access_code_id, id));
        is_to_go || is_dropped || is_deleted
    }

    /// Whether the deletion of one code is that of another: they are the same, or the other is its pulled backup.
    fn goes_with(&self, deleted: CodeId, id: CodeId) -> bool {
        let pulled = self.find_code(deleted).and_then(|original| self.code(original).acked.pulled);
        deleted == id || pulled == Some(id)
    }

    /// A record was read after a restart: if it shows that the unanswered call is in force, that call counts as accepted; what had ended is not wanted.
    pub(super) fn resume(&mut self, code: CodeIx, before: Option<&Record>) {
        let (at, id) = (self.cut.at, self.code(code).id);
        if self.code(code).record.is_none() && matches!(self.goal(code), Some(Intent { goal: Goal::Present { .. }, .. })) {
            return self.ask(code, Goal::Absent, Why::Deleted, at);
        }
        let (Some(request), Some(record)) = (self.unanswered().cloned(), self.code(code).record.clone()) else { return };
        // Perhaps the change was read in the very step that was cut short; then the event tells of it.
        let is_changed = before != Some(&*record) || self.has_emitted(id, EventType::Changed);
        match request {
            Request::Create(create) if self.code(code).intents.is_empty() => {
                self.codes[code.0 as usize].prefers_native = create.prefer_native_scheduling != Some(false);
            }
            Request::CreateMultiple(create) if self.code(code).intents.is_empty() => {
                self.codes[code.0 as usize].prefers_native = create.prefer_native_scheduling != Some(false);
            }
            Request::Update(update) if update.access_code_id == id && is_changed && shows(&record, &update) => {
                self.accept_update(&update, at);
            }
            Request::UpdateMultiple(group) if record.common_code_key.as_deref() == Some(group.common_code_key.as_str()) => {
                let (starts_at, ends_at) = (group.starts_at, group.ends_at);
                let update = Update { access_code_id: id, name: group.name, starts_at, ends_at, ..Update::default() };
                if is_changed && shows(&record, &update) {
                    self.accept_update(&update, at);
                }
            }
            Request::Delete(delete) if self.goes_with(delete.access_code_id, id) => {
                let was_removing = before.is_some_and(|before| before.status == Status::Removing);
                if record.status == Status::Removing && !was_removing {
                    self.ask(code, Goal::Absent, Why::Deleted, at);
                }
                self.codes[code.0 as usize].perhaps_deleted_at = Some(at).filter(|_| record.status == Status::Unknown);
            }
            Request::PullBackupAccessCode(pull) if pull.access_code_id == id => {
                if let Some(backup) = record.pulled_backup_access_code_id {
                    self.accept_pull(id, backup, at);
                }
            }
            Request::Create(_) | Request::CreateMultiple(_) | Request::Update(_) | Request::UpdateMultiple(_) => {}
            Request::Delete(_) | Request::Get(_) | Request::List(_) | Request::PullBackupAccessCode(_) => {}
            // The records themselves show a conversion, and an erasure was granted when the controller died.
            Request::GenerateCode(_) | Request::Unmanaged(_) => {}
            Request::Device(request) => {
                let is_released = !record.is_managed && before.is_some_and(|before| before.is_managed);
                if request.gives_up() && is_released && request.device() == record.device_id {
                    self.codes[code.0 as usize].is_residual = true;
                }
            }
        }
    }

    /// A code left `unknown`: only now it shows whether the deletion that nobody was told of is in force.
    pub(super) fn resume_known(&mut self, code: CodeIx) {
        let state = &mut self.codes[code.0 as usize];
        let (Some(at), status) = (state.perhaps_deleted_at.take(), state.status()) else { return };
        let is_wanted = matches!(self.goal(code), Some(Intent { goal: Goal::Present { .. }, .. }));
        if is_wanted && matches!(status, Some(Status::Removing) | None) {
            self.ask(code, Goal::Absent, Why::Deleted, at);
        }
    }
}

/// Whether a record has all that an update asks of it.
fn shows(record: &Record, update: &Update) -> bool {
    let code = match &update.code {
        Some(RequestedCode::Text(text)) => record.code.is_some_and(|pin| pin.to_string() == *text),
        Some(RequestedCode::Number(_)) => false,
        None => true,
    };
    let has_name = update.name.is_none() || update.name == record.name;
    let has_start = update.starts_at.is_none() || update.starts_at == record.starts_at;
    let has_end = update.ends_at.is_none() || update.ends_at == record.ends_at;
    let is_kind = update.kind.is_none_or(|kind| kind == record.kind);
    code && has_name && has_start && has_end && is_kind
}
