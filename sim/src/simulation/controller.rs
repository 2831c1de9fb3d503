//! The controller under test: its steps, what it puts out, the views it shows, and its crashes.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::controller::{Input, Output, Outputs};
use keyway_core::draw::mix;
use keyway_core::id::{CallId, CodeId, CommandId, DeviceId, WorkspaceId};
use keyway_core::port::{Answer, Notice};
use keyway_core::request::{Request, Response};
use keyway_core::time::{MINUTE_MS, Timestamp};

use super::{Item, Simulation};
use crate::agenda::Class;
use crate::occurrence::{Lock, Occurrence, PROLOGUE_CALLS, Phase};
use crate::plan::{Action, CrashPoint};
use crate::request::call;
use crate::verdict::Verdict;

/// Outputs of one step beyond this are a flood.
const OUTPUTS_A_STEP_MAX: usize = 20_000;
/// Steps at one instant beyond this, for each lock, are a loop.
const STEPS_AN_INSTANT_MAX: u64 = 20_000;
/// Steps in all beyond this, per virtual hour and lock, are a flood.
const STEPS_AN_HOUR_MAX: u64 = 5_000;
/// All views are compared once in so many steps, for each lock: the cost of a step must not grow with the fleet.
const STEPS_A_COMPARISON: u64 = 256;

impl Simulation<'_> {
    pub(super) fn start_controller(&mut self, restart: bool) {
        let config = &self.setup.facts.config;
        let (now, durable) = (self.now, self.durable.as_deref());
        match catch_unwind(AssertUnwindSafe(|| self.controllers.start(now, config, durable))) {
            Ok(controller) => self.controller = Some(controller),
            Err(panic) => return self.stop(Verdict::Panic, panic_text(&panic)),
        }
        self.see(&Occurrence::Started { restart });
        self.compare_after_start();
        self.see(&Occurrence::StepEnded);
        self.wake_at = self.controller.as_ref().and_then(|controller| controller.next_deadline());
    }

    pub(super) fn wake(&mut self) {
        let nth = self.wakes;
        self.wakes += u32::from(self.phase == Phase::Safety);
        let cut = self.crash_where(|point| match point {
            CrashPoint::InWake { nth: of, outputs } if *of == nth => Some(*outputs),
            _ => None,
        });
        self.step(Occurrence::Woken, cut);
    }

    pub(super) fn crash_where(&self, outputs: impl Fn(&CrashPoint) -> Option<u32>) -> Option<(usize, usize)> {
        if self.phase != Phase::Safety {
            return None;
        }
        let mut open = self.plan.crashes.iter().enumerate().filter(|(index, _)| !self.crashes_done[*index]);
        open.find_map(|(index, crash)| outputs(&crash.when).map(|outputs| (index, outputs as usize)))
    }

    pub(super) fn call(&mut self, step: usize) {
        if self.phase != Phase::Safety {
            return;
        }
        let plan = self.plan;
        let call_id = CallId(step as u64);
        let resolved = call(&plan.steps[step].action, &self.setup, &self.names, &self.records);
        let Some((request, names)) = resolved else { return self.no_target(step) };
        self.naming.insert(call_id, names);
        let in_call = self.crash_where(|point| match point {
            CrashPoint::InCall { step: of, outputs } if *of == step as u32 => Some(*outputs),
            CrashPoint::AfterReply { step: of } if *of == step as u32 => Some(u32::MAX),
            _ => None,
        });
        let by = plan.steps[step].by.as_deref().and_then(|account| self.setup.workspace_named(account));
        let workspace = by.or_else(|| self.workspace_asked(&request));
        self.hand_call(call_id, workspace, request, in_call);
    }

    /// The workspace of the device or code that a call names.
    fn workspace_asked(&self, request: &Request) -> Option<WorkspaceId> {
        let (code, device) = request.target();
        let of_code = code.and_then(|code| self.records.get(&code)).map(|record| record.workspace_id);
        of_code.or_else(|| self.setup.workspace_of(device?))
    }

    pub(super) fn prologue_call(&mut self, index: usize) {
        let create = self.setup.prologue[index].clone();
        let call_id = CallId(PROLOGUE_CALLS + index as u64);
        if let Some((request, names)) = call(&Action::Create(create), &self.setup, &self.names, &self.records) {
            self.naming.insert(call_id, names);
            self.hand_call(call_id, None, request, None);
        }
    }

    fn hand_call(&mut self, call_id: CallId, workspace: Option<WorkspaceId>, request: Request, cut: Option<(usize, usize)>) {
        let workspace = workspace.unwrap_or(self.setup.facts.config.workspaces[0]);
        if self.controller.is_none() {
            return self.see(&Occurrence::CallLost { call_id });
        }
        self.step(Occurrence::Called { call_id, workspace, request }, cut);
    }

    pub(super) fn deliver_answer(&mut self, command_id: CommandId, answer: Answer, snapshot_at: Option<Timestamp>) {
        let Some(sent) = self.sent.get_mut(&command_id) else { return };
        if self.controller.is_none() {
            return; // Its TimedOut stands in for it (`P-07`).
        }
        if answer.is_closing() {
            sent.is_closed = true;
        }
        let (lock, op) = (sent.letter.lock, sent.op);
        let nth = self.answer_counts.entry((lock, op)).or_default();
        let counted = *nth;
        *nth += u32::from(self.phase == Phase::Safety);
        let nth = counted;
        let cut = self.crash_where(|point| match point {
            CrashPoint::InAnswer { on, command, nth: of, outputs } => {
                let here = lock.is_some() && self.setup.lock(on) == lock;
                (here && *command == op && *of == nth).then_some(*outputs)
            }
            _ => None,
        });
        self.step(Occurrence::Answered { command_id, answer, snapshot_at }, cut);
    }

    pub(super) fn deliver_notice(&mut self, notice: Notice, snapshot_at: Timestamp, lock: Option<Lock>, closes: Option<CommandId>) {
        if self.controller.is_none() {
            return;
        }
        if let Some(sent) = closes.and_then(|command| self.sent.get_mut(&command)) {
            sent.is_closed = true;
        }
        let counted = self.notice_counts.entry(lock).or_default();
        let nth = *counted;
        *counted += u32::from(self.phase == Phase::Safety);
        let cut = self.crash_where(|point| match point {
            CrashPoint::InNotice { on, nth: of, outputs } => {
                let here = on.as_ref().map(|on| self.setup.lock(on)) == lock.map(Some);
                (here && *of == nth).then_some(*outputs)
            }
            _ => None,
        });
        self.step(Occurrence::Noticed { notice, snapshot_at, lock }, cut);
    }

    pub(super) fn time_out(&mut self, command_id: CommandId) {
        if self.sent.get(&command_id).is_none_or(|sent| sent.is_closed) {
            return;
        }
        match self.down_until {
            Some(until) => self.agenda.add(until, Class::TimedOut, 0, Item::TimedOut { command_id }),
            None => self.deliver_answer(command_id, Answer::TimedOut, None),
        }
    }

    /// One step: the input, then its outputs in order, up to a crash among them; then the views that changed.
    pub(super) fn step(&mut self, handed: Occurrence, cut: Option<(usize, usize)>) {
        if !self.has_budget() || self.controller.is_none() {
            return;
        }
        self.see(&Occurrence::StepBegan);
        if handed != Occurrence::Woken && self.wake_at.is_some_and(|wake_at| wake_at <= self.now) {
            self.see(&Occurrence::WakeDue);
        }
        self.see(&handed);
        let (Some(input), Some(controller)) = (input(handed), self.controller.as_mut()) else { return };
        let mut outputs = std::mem::take(&mut self.outputs);
        let now = self.now;
        let handled = catch_unwind(AssertUnwindSafe(|| controller.handle(now, input, &mut outputs)));
        match handled {
            Err(panic) => self.stop(Verdict::Panic, panic_text(&panic)),
            Ok(Err(broken)) => self.stop(Verdict::Panic, broken.to_string()),
            Ok(Ok(())) if outputs.as_slice().len() > OUTPUTS_A_STEP_MAX => {
                self.stop(Verdict::Stuck, format!("one step has {} outputs", outputs.as_slice().len()));
            }
            Ok(Ok(())) => self.take_outputs(&mut outputs, cut),
        }
        outputs.drain().for_each(drop);
        self.outputs = outputs;
    }

    pub(super) fn take_outputs(&mut self, outputs: &mut Outputs, cut: Option<(usize, usize)>) {
        let after_reply = || outputs.as_slice().iter().position(|output| matches!(output, Output::Reply { result: Ok(_), .. }));
        let at = match cut {
            Some((_, outputs)) if outputs == u32::MAX as usize => after_reply().map(|reply| reply + 1),
            Some((_, outputs)) => Some(outputs),
            None => None,
        };
        let (mut codes, mut devices) = (BTreeSet::new(), BTreeSet::new());
        let total = outputs.as_slice().len();
        let mut list = outputs.drain();
        let mut has_saved = false;
        for output in list.by_ref().take(at.unwrap_or(total)) {
            has_saved |= matches!(output, Output::Save(_));
            self.take_output(output, &mut codes, &mut devices);
        }
        if let (Some((index, _)), Some(at)) = (cut, at) {
            for output in list {
                if let Output::Command(command) = output
                    && has_saved
                    && command.op.is_mutating()
                {
                    let lock = self.lock_meant(&command);
                    self.see(&Occurrence::Unsent { command, lock });
                }
            }
            self.crashes_done[index] = true;
            self.figures.crashes_inside += u64::from(at < total);
            return self.go_down(index);
        }
        drop(list);
        self.read_views(&codes, &devices);
        if mix(self.plan.noise_seed ^ self.figures.steps).is_multiple_of(STEPS_A_COMPARISON * self.fleet()) {
            self.compare_all();
        }
        self.see(&Occurrence::StepEnded);
        self.wake_at = self.controller.as_ref().and_then(|controller| controller.next_deadline());
    }

    pub(super) fn take_output(&mut self, output: Output, codes: &mut BTreeSet<CodeId>, devices: &mut BTreeSet<DeviceId>) {
        match output {
            Output::Reply { call_id, result } => {
                self.see(&Occurrence::Replied { call_id, result: result.clone() });
                if let Ok(response) = result {
                    self.bind(call_id, &response);
                }
            }
            Output::Command(command) => self.send(command),
            Output::Event(event) => {
                self.see(&Occurrence::Emitted(event.clone()));
                self.unsaved.push(event);
            }
            Output::Changed(code) => drop(codes.insert(code)),
            Output::ChangedDevice(device) => drop(devices.insert(device)),
            Output::Save(bytes) => {
                self.durable = Some(bytes);
                self.unsaved.clear();
                self.see(&Occurrence::Saved);
            }
        }
    }

    /// Gives the names of the plan to the codes that a reply names.
    pub(super) fn bind(&mut self, call_id: CallId, response: &Response) {
        let names = self.naming.remove(&call_id).unwrap_or_default();
        let codes: Vec<CodeId> = match response {
            Response::AccessCode(code) => vec![*code],
            Response::AccessCodes(codes) => codes.clone(),
            Response::GeneratedCode(_) | Response::Done => Vec::new(),
        };
        for (name, code) in names.into_iter().zip(codes) {
            self.names.insert(name.clone(), code);
            self.see(&Occurrence::Bound { name, code });
        }
    }

    pub(super) fn read_views(&mut self, codes: &BTreeSet<CodeId>, devices: &BTreeSet<DeviceId>) {
        for code in codes {
            self.read_code(*code, true);
        }
        for device in devices {
            self.read_device(*device, true);
        }
    }

    /// Reads a record again; whether it differs from the last copy.
    pub(super) fn read_code(&mut self, code: CodeId, announced: bool) -> bool {
        let Some(controller) = &self.controller else { return false };
        let view = controller.access_code(code);
        let known = self.records.get(&code);
        if view == known.map(Record::view) {
            return false;
        }
        let after = view.map(|view| view.to_record());
        if let Some(pin) = after.as_ref().and_then(|record| record.code) {
            self.pins.insert(code, pin);
        }
        let was_unmanaged = known.is_some_and(|known| !known.is_managed);
        if let Some(record) = after.as_ref().filter(|record| was_unmanaged && record.is_managed) {
            self.claim(record);
        }
        match &after {
            Some(record) => drop(self.records.insert(code, record.clone())),
            None => drop(self.records.remove(&code)),
        }
        if !announced {
            self.see(&Occurrence::Unannounced { what: format!("code {code}") });
        }
        self.see(&Occurrence::Recorded { code, after: after.map(Box::new) });
        true
    }

    pub(super) fn read_device(&mut self, device: DeviceId, announced: bool) -> bool {
        let Some(controller) = &self.controller else { return false };
        let view = controller.device(device);
        let known = self.devices.get(&device);
        if view == known.map(DeviceRecord::view) {
            return false;
        }
        let after = view.map(|view| view.to_record());
        match &after {
            Some(record) => drop(self.devices.insert(device, record.clone())),
            None => drop(self.devices.remove(&device)),
        }
        if !announced {
            self.see(&Occurrence::Unannounced { what: format!("device {device}") });
        }
        self.see(&Occurrence::DeviceRecorded { device, after: after.map(Box::new) });
        true
    }

    pub(super) fn all_views(&self) -> (BTreeSet<CodeId>, BTreeSet<DeviceId>) {
        let mut codes: BTreeSet<_> = self.records.keys().copied().collect();
        if let Some(controller) = &self.controller {
            controller.access_codes(&mut |code| {
                codes.insert(code);
            });
        }
        (codes, self.setup.facts.locks.iter().map(|lock| lock.device).collect())
    }

    /// The slow full comparison: whatever differs now was not announced (`I-CTR-01`).
    pub(super) fn compare_all(&mut self) {
        let (codes, devices) = self.all_views();
        for code in codes {
            self.read_code(code, false);
        }
        for device in devices {
            self.read_device(device, false);
        }
    }

    /// After a start everything is read again; a step back to the last save is no transition.
    pub(super) fn compare_after_start(&mut self) {
        let (codes, devices) = self.all_views();
        self.read_views(&codes, &devices);
    }

    pub(super) fn crash(&mut self, index: usize) {
        if self.controller.is_some() && self.phase == Phase::Safety {
            self.crashes_done[index] = true;
            self.go_down(index);
        }
    }

    pub(super) fn go_down(&mut self, index: usize) {
        self.controller = None;
        self.wake_at = None;
        self.unsaved.clear();
        self.figures.crashes += 1;
        self.mark("crash");
        self.see(&Occurrence::Crashed);
        for lock in self.setup.locks_of(&self.setup.target(None)) {
            self.disturb(lock);
        }
        let until = self.now + self.plan.crashes[index].down.0;
        self.down_until = Some(until);
        self.agenda.add(until, Class::Fault, self.crash_entity(), Item::Restart);
    }

    pub(super) fn restart(&mut self) {
        self.down_until = None;
        if self.crashes_done.iter().all(|done| *done) {
            // Nobody will read what is saved from now on, and to write it takes an eighth of a sweep.
            self.outputs = Outputs::new(false);
        }
        self.start_controller(true);
        for lock in self.setup.locks_of(&self.setup.target(None)) {
            self.disturb(lock);
        }
    }

    pub(super) fn has_budget(&mut self) -> bool {
        self.figures.steps += 1;
        if self.instant.0 == self.now {
            self.instant.1 += 1;
        } else {
            self.instant = (self.now, 1);
        }
        let hours = (self.now - self.setup.facts.begins_at) / (60 * MINUTE_MS) + 1;
        let locks = self.fleet();
        if self.instant.1 > STEPS_AN_INSTANT_MAX * locks {
            self.stop(Verdict::Stuck, format!("more than {} steps at one instant", STEPS_AN_INSTANT_MAX * locks));
        } else if self.figures.steps > hours as u64 * STEPS_AN_HOUR_MAX * locks {
            self.stop(Verdict::Stuck, format!("more than {} steps an hour", STEPS_AN_HOUR_MAX * locks));
        }
        !self.stopped
    }

    /// How many locks there are, and one where there are none.
    fn fleet(&self) -> u64 {
        self.setup.facts.locks.len().max(1) as u64
    }

    pub(super) fn stop(&mut self, verdict: Verdict, why: String) {
        self.stopped = true;
        self.observer.stop(self.now, verdict, why);
    }
}

/// What the controller is told of an occurrence that is its business.
fn input(handed: Occurrence) -> Option<Input> {
    match handed {
        Occurrence::Called { call_id, workspace, request } => Some(Input::Call { call_id, workspace, request }),
        Occurrence::Answered { command_id, answer, .. } => Some(Input::Answer { command_id, answer }),
        Occurrence::Noticed { notice, .. } => Some(Input::Notice(notice)),
        Occurrence::Woken => Some(Input::Wake),
        _ => None,
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}
