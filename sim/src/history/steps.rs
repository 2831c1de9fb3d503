//! The steps of the controller: how it starts, what it is handed and what it does in each, what it saves, and how it dies.

use keyway_core::event::{Event, EventType};
use keyway_core::id::{CallId, CommandId, WorkspaceId};
use keyway_core::port::Command;
use keyway_core::request::{Refusal, Request, Response};
use keyway_core::time::Timestamp;

use super::{CodeIx, History, cut};
use crate::occurrence::Lock;

/// What was handed to the controller in a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An API call.
    Call(CallId),
    /// An answer to a command, of this lock if it was about one.
    Answer(CommandId, Option<Lock>),
    /// A notice, about this lock if it was about one.
    Notice(Option<Lock>),
    /// A wake.
    Wake,
}

/// What happened so far in the present step, or in the last one until the next begins.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What was handed to the controller.
    pub input: Option<Input>,
    /// The commands it sent, each with the lock it means.
    pub commands: Vec<(Command, Option<Lock>)>,
    /// The events it emitted.
    pub events: Vec<Event>,
    /// The calls it answered.
    pub replies: Vec<(CallId, Result<Response, Refusal>)>,
    /// How many of the events are saved.
    pub saved_events: usize,
}

/// A call whose answer is out or still to come.
#[derive(Clone, Debug)]
pub struct Call {
    /// Of the caller.
    pub workspace: WorkspaceId,
    /// What was asked.
    pub request: Request,
}

impl History {
    pub(super) fn start(&mut self, now: Timestamp, restart: bool) {
        self.forget_before();
        self.clear_step();
        (self.is_real_step, self.is_up) = (false, true);
        self.restarts += u32::from(restart);
        self.started_at = Some(now);
        // Nobody could do anything while the controller was down: its time begins now.
        for lock in &mut self.locks {
            lock.disturbed_at = now;
        }
        self.touch_all_codes();
        for n in 0..self.locks.len() {
            self.touch_lock(Lock(n as u32));
        }
    }

    pub(super) fn crash(&mut self, now: Timestamp) {
        // What was told and not saved is told again: both times mean the same reversal (`R-60`, `R-62`).
        let unsaved = self.step.events[self.step.saved_events..].iter();
        for code in unsaved.filter_map(|event| self.undone_by(event)).collect::<Vec<_>>() {
            self.codes[code.0 as usize].work.reversals.pop();
        }
        self.cut_short(now);
        self.take_back_untold(now);
        self.take_back_known();
        self.grant_unanswered_erasure();
        // What it read dies with it: an answer that comes now is one to a forgotten command, and tells nothing (`P-01`).
        self.commands.retain(|_, sent| sent.command.op.is_mutating());
        self.forget_past();
        (self.is_up, self.is_in_step, self.is_real_step, self.is_echo) = (false, false, false, true);
        for n in 0..self.locks.len() {
            self.retire_all(Lock(n as u32), now);
            self.locks[n].disturbed_at = now;
        }
        for code in self.unsaved_losses.drain(..) {
            self.codes[code.0 as usize].is_gone_for_good = false;
        }
        for code in self.unsaved_proofs.drain(..) {
            let work = &mut self.codes[code.0 as usize].work;
            (work.confirmed_at, work.absent_at) = (None, None);
            work.reason_at = work.reason_at.max(now);
        }
        self.forget_cleared();
    }

    pub(super) fn begin_step(&mut self) {
        self.forget_before();
        (self.is_in_step, self.is_real_step) = (true, true);
        self.cut = cut::Cut::default();
        self.untold = cut::Untold::default();
        self.clear_step();
    }

    pub(super) fn save(&mut self) {
        self.step.saved_events = self.step.events.len();
        self.untold = cut::Untold::default();
        self.unsaved_losses.clear();
        self.unsaved_proofs.clear();
        self.unsaved_known.clear();
        self.cleared.clear();
        self.keep_given_up();
    }

    fn clear_step(&mut self) {
        self.step.input = None;
        self.step.commands.clear();
        self.step.events.clear();
        self.step.replies.clear();
        self.step.saved_events = 0;
    }

    pub(super) fn emit(&mut self, now: Timestamp, event: &Event) {
        if let Some(code) = self.undone_by(event) {
            let calm = self.policy().reversal_calm_ms;
            for other in self.code(code).lock.map(|lock| self.lock(lock).codes.clone()).unwrap_or_default() {
                self.codes[other.0 as usize].work.stay_restless(now, calm);
            }
            self.codes[code.0 as usize].work.reverse(now);
        }
        self.step.events.push(event.clone());
    }

    /// The code of which an event tells a reversal.
    fn undone_by(&self, event: &Event) -> Option<CodeIx> {
        let is_external = matches!(event.event_type, EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam);
        self.find_code(event.access_code_id).filter(|code| is_external && self.is_undone(*code))
    }

    /// Whether the platform is to undo what others do to a code: only that is a reversal (`R-62`). What they may do stays as it is (T25, T26), unless the code
    /// shares its PIN with others (IN-01).
    fn is_undone(&self, code: CodeIx) -> bool {
        let record = self.code(code).record.as_deref();
        record.is_none_or(|record| !record.is_external_modification_allowed || record.common_code_key.is_some())
    }
}
