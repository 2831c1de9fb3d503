//! One step of the platform: access to state that notes what changed, and the order in which the outputs leave (`R-60`, `I-CTR-01`).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Platform;
use super::state::{Account, Code, Device, Write};
use crate::access_code::{DeviceRecord, DeviceView, Record, Status};
use crate::controller::{Output, Outputs};
use crate::draw::{Purpose, draw, draw_uuid};
use crate::event::{Event, EventType};
use crate::id::{CallId, CodeId, CommandId, EventId, Key};
use crate::port::{Command, Op};
use crate::request::{Refusal, Response};
use crate::time::Timestamp;
use crate::vendor::Profile;

/// Names a code: the index of its device, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub device: u32,
    pub n: u64,
}

/// Who wants to be woken, or to send. The order is that of EO-18: accounts, then device by device with its codes in order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Account(u32),
    /// `n` = 0 is the device itself.
    Lock(At),
}

impl Who {
    pub fn device(device: u32) -> Self {
        Self::Lock(At { device, n: 0 })
    }
}

/// What one `handle` has produced so far.
#[derive(Default)]
pub(super) struct Step {
    is_changed: bool,
    codes_before: BTreeMap<At, Option<Record>>,
    devices_before: BTreeMap<u32, Option<DeviceRecord>>,
    events: Vec<Event>,
    replies: Vec<(CallId, Result<Response, Refusal>)>,
    writes: Vec<Command>,
    reads: Vec<Command>,
}

/// How many of a lock's latest mutating commands are known by their ids.
const WRITES_KEPT: usize = 256;

/// The id of the n-th mutating command. It tells the device too, whatever a crash made forgotten.
fn write_id(device: u32, n: u64) -> CommandId {
    CommandId(u64::from(device) << 32 | n)
}

/// The number of a mutating command.
pub(super) fn number_of(command: CommandId) -> u64 {
    command.0 & u64::from(u32::MAX)
}

/// The device of a mutating command.
pub(super) fn device_written(command: CommandId) -> u32 {
    (command.0 >> 32) as u32
}

impl Platform {
    pub(super) fn device(&self, device: u32) -> &Device {
        &self.state.devices[device as usize]
    }

    pub(super) fn profile(&self, device: u32) -> &Profile {
        let model = usize::from(self.device(device).info.model.0);
        &self.config.profiles[model.min(self.config.profiles.len() - 1)]
    }

    /// For changes that the API may show or a crash may not lose.
    pub(super) fn device_mut(&mut self, device: u32) -> &mut Device {
        self.note_device(device);
        self.step.is_changed = true;
        &mut self.state.devices[device as usize]
    }

    pub(super) fn account_mut(&mut self, account: u32) -> &mut Account {
        for device in self.devices_of(account) {
            self.note_device(device);
        }
        self.step.is_changed = true;
        &mut self.state.accounts[account as usize]
    }

    pub(super) fn find(&self, at: At) -> Option<&Code> {
        let codes = &self.state.devices.get(at.device as usize)?.codes;
        let position = codes.binary_search_by_key(&at.n, |code| code.n).ok()?;
        Some(&codes[position])
    }

    /// The code at a place that is known to be filled.
    pub(super) fn code(&self, at: At) -> &Code {
        self.find(at).expect("a code is addressed only while it is remembered")
    }

    pub(super) fn code_mut(&mut self, at: At) -> &mut Code {
        if !self.step.codes_before.contains_key(&at) {
            let before = (!self.code(at).is_gone).then(|| self.code(at).record.clone());
            self.step.codes_before.insert(at, before);
        }
        self.step.is_changed = true;
        self.caches[at.device as usize].is_clean = false;
        self.code_quiet(at)
    }

    /// Whether the status of a code has changed in this step.
    pub(super) fn turned_in_step(&self, at: At) -> bool {
        self.status_before(at).is_some_and(|before| before != self.code(at).record.status)
    }

    /// The status that a code had before this step, if anything of it has changed since.
    pub(super) fn status_before(&self, at: At) -> Option<Status> {
        self.step.codes_before.get(&at)?.as_ref().map(|before| before.status)
    }

    /// For what a crash may lose and no API shows.
    pub(super) fn code_quiet(&mut self, at: At) -> &mut Code {
        let codes = &mut self.state.devices[at.device as usize].codes;
        let position = codes.binary_search_by_key(&at.n, |code| code.n).expect("a code is addressed only while it is remembered");
        &mut codes[position]
    }

    /// Puts a new code into its device.
    pub(super) fn insert_code(&mut self, device: u32, code: Code) -> At {
        let at = At { device, n: code.n };
        self.step.codes_before.insert(at, None);
        self.step.is_changed = true;
        self.caches[device as usize].is_clean = false;
        self.index.insert(code.record.access_code_id, at);
        self.state.devices[device as usize].codes.push(code);
        at
    }

    /// Notes a device that was not there before this step.
    pub(super) fn note_new_device(&mut self, device: u32) {
        self.step.devices_before.insert(device, None);
        self.step.is_changed = true;
    }

    fn note_device(&mut self, device: u32) {
        if !self.step.devices_before.contains_key(&device) {
            let before = self.device_view(device).to_record();
            self.step.devices_before.insert(device, Some(before));
        }
    }

    /// What is composed into each code of the device when it is read; nothing of it is stored on codes (`R-10`).
    pub(super) fn device_view(&self, device: u32) -> DeviceView<'_> {
        let device = self.device(device);
        DeviceView {
            device_id: device.id,
            errors: &device.errors,
            account_errors: &self.state.accounts[device.account as usize].errors,
            warnings: &device.warnings,
            is_backup_pool_active: device.is_pool_active,
            is_backup_access_code_available: device.is_backup_available,
        }
    }

    /// Marks durable state as changed where no accessor does.
    pub(super) fn note_change(&mut self) {
        self.step.is_changed = true;
    }

    pub(super) fn emit(&mut self, at: At, event_type: EventType) {
        self.emit_naming(at, event_type, None);
    }

    /// Appends an event; its id is drawn from the code and the number of its event (`R-55`).
    pub(super) fn emit_naming(&mut self, at: At, event_type: EventType, backup: Option<CodeId>) {
        let (now, entropy) = (self.now, self.config.entropy);
        let account = self.config.accounts[self.device(at.device).account as usize].account;
        let code = self.code_mut(at);
        code.events += 1;
        let id = code.record.access_code_id;
        let event = Event {
            access_code_id: id,
            backup_access_code_id: backup,
            code: event_type.has_code().then_some(code.record.code).flatten(),
            connected_account_id: account,
            created_at: now,
            device_id: code.record.device_id,
            event_id: EventId(draw_uuid(entropy, Purpose::EventId, id.0, code.events)),
            event_type,
            occurred_at: now,
            workspace_id: code.record.workspace_id,
        };
        self.step.events.push(event);
    }

    pub(super) fn reply(&mut self, call_id: CallId, result: Result<Response, Refusal>) {
        self.step.replies.push((call_id, result));
    }

    /// Sends a mutating command and saves the intent with it.
    pub(super) fn send_write(&mut self, at: At, op: Op) {
        assert!(op.is_mutating(), "reads go another way");
        let entropy = self.config.entropy;
        self.state.last_command += 1;
        let (command, now) = (write_id(at.device, self.state.last_command), self.now);
        let code = self.code_mut(at);
        let key = Key(draw(entropy, Purpose::Key, code.record.access_code_id.0, code.phase));
        let for_code = Some(code.record.access_code_id);
        code.late = None;
        let write = Write {
            command,
            key,
            op: op.clone(),
            sent_at: now,
            accepted_at: None,
            closed: None,
            is_without_effect: false,
            is_twin_hinted: false,
            is_twin_outdated: false,
            asked_before: Vec::new(),
            done_before: None,
            was_seen: false,
            is_seen_off: false,
            may_have_stayed: false,
        };
        let place = write.place();
        code.write = Some(write);
        code.told_removed_at = None;
        code.passing.restart_deadline = None;
        code.passing.absent_since = None;
        code.passing.verify_at = None;
        self.writes.insert(command, (at, place));
        // Long before so many more were sent, the oldest can't be answered any more (P-01).
        let sent = || self.writes.range(write_id(at.device, 0)..write_id(at.device + 1, 0)).map(|(command, _)| *command);
        if let Some(oldest) = sent().next().filter(|_| sent().count() > WRITES_KEPT) {
            self.writes.remove(&oldest);
        }
        let device = self.device(at.device);
        let account = self.config.accounts[device.account as usize].account;
        let command = Command { command_id: command, key, account, device: Some(device.info.device), epoch: device.epoch(), for_code, op };
        self.step.writes.push(command);
    }

    /// Sends a command that was prepared; it leaves after the save.
    pub(super) fn push_write(&mut self, command: Command) {
        self.step.writes.push(command);
    }

    /// Sends a command that changes no memory; its id comes from a range of its own, one for each boot.
    pub(super) fn send_read(&mut self, account: u32, device: Option<u32>, for_code: Option<CodeId>, op: Op) -> CommandId {
        self.reads_sent += 1;
        let command_id = CommandId((1 << 52) | (u64::from(self.state.boots) << 32) | self.reads_sent);
        let (vendor_device, epoch) = device.map_or_else(Default::default, |device| {
            let info = &self.device(device).info;
            (Some(info.device), info.epoch)
        });
        self.step.reads.push(Command {
            command_id,
            key: Key(command_id.0),
            account: self.config.accounts[account as usize].account,
            device: vendor_device,
            epoch,
            for_code,
            op,
        });
        command_id
    }

    /// Ends the step: events, announcements, one save, replies, mutating commands, reads.
    pub(super) fn flush(&mut self, out: &mut Outputs) {
        let step = core::mem::take(&mut self.step);
        for (device, before) in &step.devices_before {
            // What stood before and stands again after the step never went.
            for error in &mut self.state.devices[*device as usize].errors {
                let known = before.iter().flat_map(|before| &before.errors).find(|known| known.error_code == error.error_code);
                error.created_at = known.map_or(error.created_at, |known| known.created_at);
            }
        }
        let save_late = !self.policy.saves_before_reply();
        let has_news = step.is_changed;
        step.events.into_iter().for_each(|event| out.push(Output::Event(event)));
        for (at, before) in &step.codes_before {
            let (id, now) = (self.code(*at).record.access_code_id, self.code(*at));
            let is_same = match before {
                Some(record) => !now.is_gone && *record == now.record,
                None => now.is_gone,
            };
            if !is_same {
                out.push(Output::Changed(id));
            }
        }
        for (device, before) in &step.devices_before {
            let view = self.device_view(*device);
            if before.as_ref().is_none_or(|before| before.view() != view) {
                out.push(Output::ChangedDevice(view.device_id));
            }
        }
        let replies = step.replies.into_iter().map(|(call_id, result)| Output::Reply { call_id, result });
        let commands = step.writes.into_iter().map(Output::Command);
        if has_news && !save_late && self.policy.saves_before_command() {
            self.save(out);
        }
        replies.for_each(|reply| out.push(reply));
        if has_news && save_late {
            self.save(out);
        }
        commands.for_each(|command| out.push(command));
        if has_news && !save_late && !self.policy.saves_before_command() {
            self.save(out);
        }
        step.reads.into_iter().for_each(|read| out.push(Output::Command(read)));
        self.state.last_command_sent = self.state.last_command;
        for (at, before) in step.codes_before {
            if before.is_some() && self.find(at).is_some_and(|code| code.is_gone) {
                self.prune(at.device);
            }
        }
    }

    fn save(&mut self, out: &mut Outputs) {
        out.save(|| serde_json::to_vec(&self.state).expect("durable state has string keys only"));
    }

    /// A code of this step that must be looked at again before the step ends.
    pub(super) fn again(&mut self, at: At) {
        self.todo.insert(Who::Lock(at));
    }

    /// A device of this step that must be looked at again before the step ends.
    pub(super) fn again_device(&mut self, device: u32) {
        self.todo.insert(Who::device(device));
    }

    /// All codes of a device: something changed that any of them may wait for.
    pub(super) fn stir(&mut self, device: u32) {
        let codes: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
        for n in codes {
            self.again(At { device, n });
        }
    }

    /// Registers the next wake of a code or device; an earlier registration is replaced.
    pub(super) fn wake_code(&mut self, at: At, wake: Option<Timestamp>) {
        let before = core::mem::replace(&mut self.code_quiet(at).passing.wake, wake);
        self.agenda.change(Who::Lock(at), before, wake);
    }

    pub(super) fn wake_device(&mut self, device: u32, wake: Option<Timestamp>) {
        let before = core::mem::replace(&mut self.caches[device as usize].wake, wake);
        self.agenda.change(Who::device(device), before, wake);
    }

    pub(super) fn wake_account(&mut self, account: u32, wake: Option<Timestamp>) {
        let before = core::mem::replace(&mut self.paces[account as usize].wake, wake);
        self.agenda.change(Who::Account(account), before, wake);
    }
}

/// Who is to be woken when.
#[derive(Default)]
pub(super) struct Agenda(alloc::collections::BTreeSet<(Timestamp, Who)>);

impl Agenda {
    fn change(&mut self, who: Who, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        before.map(|at| self.0.remove(&(at, who)));
        after.map(|at| self.0.insert((at, who)));
    }

    pub fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    /// All that is due by `now`; each must register anew.
    pub fn due(&self, now: Timestamp) -> Vec<Who> {
        self.0.iter().take_while(|(at, _)| *at <= now).map(|(_, who)| *who).collect()
    }
}
