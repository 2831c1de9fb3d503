//! Broken controllers that are the reference with something between it and the world: inputs or outputs are
//! dropped, held back, swapped or bent. What stands in between forgets everything at a restart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::marker::PhantomData;

use keyway_core::access_code::{AccessCodeView, DeviceView, Record, Status};
use keyway_core::config::Config;
use keyway_core::controller::{Broken, Controller, Controllers, Input, Output, Outputs};
use keyway_core::draw::mix;
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CallId, CodeId, CommandId, DeviceId, Epoch, EventId, Key, Slot, VendorDevice, WorkspaceId};
use keyway_core::pin::Pin;
use keyway_core::platform::{Policy, Reference};
use keyway_core::port::{Answer, Command, DeviceInfo, Item, Name, News, Notice, Op, Place, Reason, ShownPin, SlotContent};
use keyway_core::problem::ErrorCode;
use keyway_core::request::{Delete, Refusal, Request, Response};
use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp, Window};

/// The number of a call that the caller never made.
const NOBODYS_CALL: CallId = CallId(u64::MAX);

/// What stands between the reference and the world. Everything passes through unchanged unless said otherwise.
pub trait Tamper: Default + 'static {
    /// What a restart found on the disk.
    fn found(&mut self, _saved: &[u8]) {}

    /// The controller was started.
    fn started(&mut self, _is_restart: bool, _inner: &dyn Controller) {}

    /// What the controller is told.
    fn input(&mut self, _now: Timestamp, _input: &mut Input) {}

    /// What it does in the step of this input.
    fn outputs(&mut self, _now: Timestamp, _input: &Input, _outputs: &mut Vec<Output>, _inner: &dyn Controller) {}

    /// Something else that it is told in the same step.
    fn aside(&mut self) -> Option<Input> {
        None
    }

    /// When it wants to be woken.
    fn deadline(&self, own: Option<Timestamp>) -> Option<Timestamp> {
        own
    }

    /// What it shows of a device.
    fn device<'a>(&self, view: DeviceView<'a>) -> DeviceView<'a> {
        view
    }
}

/// A factory of controllers that are tampered with.
pub struct Tampered<T> {
    policy: &'static dyn Policy,
    tamper: PhantomData<fn() -> T>,
}

impl<T> Tampered<T> {
    /// Puts the tamper before the reference with these decisions.
    pub const fn new(policy: &'static dyn Policy) -> Self {
        Self { policy, tamper: PhantomData }
    }
}

struct Between<T> {
    inner: Box<dyn Controller>,
    tamper: T,
}

impl<T: Tamper> Controllers for Tampered<T> {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        let inner = Reference { policy: self.policy }.start(now, config, durable);
        let mut tamper = T::default();
        if let Some(saved) = durable {
            tamper.found(saved);
        }
        tamper.started(durable.is_some(), inner.as_ref());
        Box::new(Between { inner, tamper })
    }
}

impl<T: Tamper> Controller for Between<T> {
    fn handle(&mut self, now: Timestamp, mut input: Input, out: &mut Outputs) -> Result<(), Broken> {
        self.tamper.input(now, &mut input);
        let mut next = Some(input);
        while let Some(input) = next {
            let mut inner_out = Outputs::new(out.keeps_saves());
            self.inner.handle(now, input.clone(), &mut inner_out)?;
            let mut outputs: Vec<Output> = inner_out.drain().collect();
            self.tamper.outputs(now, &input, &mut outputs, self.inner.as_ref());
            for output in outputs {
                match output {
                    Output::Save(bytes) => out.save(|| bytes),
                    other => out.push(other),
                }
            }
            next = self.tamper.aside();
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.tamper.deadline(self.inner.next_deadline())
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        self.inner.access_codes(each);
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        self.inner.access_code(id)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.inner.device(id).map(|view| self.tamper.device(view))
    }
}

/// `F-01`, naive: a server error says what it says, which is that the write was refused.
#[derive(Debug, Default)]
pub struct BelievesServerErrors {
    creations: BTreeMap<CommandId, Name>,
    given_up: BTreeSet<Name>,
    known: BTreeSet<Place>,
}

impl Tamper for BelievesServerErrors {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        let Input::Answer { command_id, answer } = input else { return };
        match (self.creations.get(command_id), &mut *answer) {
            (Some(name), Answer::ServerError { .. }) => {
                self.given_up.insert(name.clone());
                *answer = Answer::Refused(Reason::StartInPast);
            }
            (Some(_), Answer::Done { handle: Some(handle) }) => drop(self.known.insert(Place::Handle(*handle))),
            // What it gave up cannot be there, so an entry like it is somebody else's.
            (_, Answer::Entries { items, .. }) => {
                let mut taken: Vec<Item> = items.to_vec();
                for item in taken.iter_mut().filter(|item| !self.known.contains(&item.place)) {
                    item.name = item.name.take().map(|name| if self.given_up.contains(&name) { "somebody else's".into() } else { name });
                }
                *items = taken.into();
            }
            _ => {}
        }
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for command in commands(outputs) {
            if let Op::CreateEntry { name, .. } = &command.op {
                self.creations.insert(command.command_id, name.clone());
            }
        }
    }
}

/// `F-23`, naive: one lock does not take the PIN, so the PIN is bad, and is taken off all locks that have it.
#[derive(Debug, Default)]
pub struct WithdrawsEverywhere {
    codes: BTreeMap<CodeId, (Pin, WorkspaceId)>,
    withdrawn: Vec<(CodeId, WorkspaceId)>,
}

impl Tamper for WithdrawsEverywhere {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, inner: &dyn Controller) {
        if matches!(input, Input::Call { call_id, .. } if *call_id == NOBODYS_CALL) {
            outputs.retain(|output| !matches!(output, Output::Reply { .. }));
        }
        for output in outputs.iter() {
            let Output::Changed(id) = output else { continue };
            match inner.access_code(*id).and_then(|view| Some((view.code?, view.workspace_id))) {
                Some(known) => drop(self.codes.insert(*id, known)),
                None => drop(self.codes.remove(id)),
            }
        }
        let failed = outputs.iter().find_map(|output| match output {
            Output::Event(event) if event.event_type == EventType::FailedToSetOnDevice => Some(event.access_code_id),
            _ => None,
        });
        let Some((pin, _)) = failed.and_then(|failed| self.codes.get(&failed)).copied() else { return };
        let others = self.codes.iter().filter(|(id, (other, _))| Some(**id) != failed && *other == pin);
        self.withdrawn.extend(others.map(|(id, (_, workspace))| (*id, *workspace)));
    }

    fn aside(&mut self) -> Option<Input> {
        let (access_code_id, workspace) = self.withdrawn.pop()?;
        let request = Request::Delete(Delete { access_code_id, ..Delete::default() });
        Some(Input::Call { call_id: NOBODYS_CALL, workspace, request })
    }
}

/// `F-04`, naive: something came into the planned slot, so that was our write.
#[derive(Debug, Default)]
pub struct TakesOccupancyForSuccess {
    open: BTreeMap<CommandId, (Option<VendorDevice>, Place)>,
    done: Vec<CommandId>,
}

impl Tamper for TakesOccupancyForSuccess {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        match input {
            Input::Answer { command_id, answer } if answer.is_closing() => drop(self.open.remove(command_id)),
            Input::Notice(Notice { device, news: News::EntryAdded(place), .. }) => {
                let (done, place) = (&mut self.done, *place);
                done.extend(self.open.iter().filter(|(_, (on, planned))| on == device && *planned == place).map(|(command, _)| *command));
                self.open.retain(|command, _| !done.contains(command));
            }
            _ => {}
        }
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for command in commands(outputs) {
            if let Op::SetSlot { slot, .. } = command.op {
                self.open.insert(command.command_id, (command.device, Place::Slot(slot)));
            }
        }
    }

    fn aside(&mut self) -> Option<Input> {
        self.done.pop().map(|command_id| Input::Answer { command_id, answer: Answer::Done { handle: None } })
    }
}

/// `F-18`, naive: what was confirmed is held in memory only, so a restart writes it once more, to be sure.
#[derive(Debug, Default)]
pub struct ForgetsConfirmations {
    forgotten: Vec<(VendorDevice, Epoch, CodeId, Op)>,
}

impl ForgetsConfirmations {
    /// The write that would bring about again what a saved code says of the lock.
    fn write_again(code: &serde_json::Value) -> Option<(CodeId, Op)> {
        let record = &code["record"];
        if record["status"] != "set" || record["is_managed"] != true {
            return None;
        }
        let id = serde_json::from_value(record["access_code_id"].clone()).ok()?;
        let Place::Slot(slot) = serde_json::from_value(code["held"]["place"].clone()).ok()? else { return None };
        let pin = serde_json::from_value(code["held"]["pin"].clone()).ok()?;
        Some((id, Op::SetSlot { slot, pin, name: code["display"].as_str()?.into() }))
    }
}

impl Tamper for ForgetsConfirmations {
    fn found(&mut self, saved: &[u8]) {
        let state: serde_json::Value = serde_json::from_slice(saved).unwrap_or_default();
        for device in state["devices"].as_array().into_iter().flatten() {
            let info: Option<DeviceInfo> = serde_json::from_value(device["info"].clone()).ok();
            let codes = device["codes"].as_array().into_iter().flatten().filter_map(Self::write_again);
            let writes = codes.filter_map(|(code, op)| info.as_ref().map(|info| (info.device, info.epoch, code, op)));
            self.forgotten.extend(writes);
        }
    }

    fn outputs(&mut self, now: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        let of = |device: VendorDevice| commands(outputs).find(|command| command.device == Some(device)).map(|command| command.account);
        let ready: Vec<_> = self.forgotten.extract_if(.., |(device, ..)| of(*device).is_some()).collect();
        for (n, (device, epoch, code, op)) in (0..).zip(ready) {
            let Some(account) = commands(outputs).find(|command| command.device == Some(device)).map(|command| command.account) else {
                continue;
            };
            // Ids of a range that the reference never uses.
            let command_id = CommandId((1 << 51) | ((now.0 as u64) << 8) | n);
            let (device, for_code, key) = (Some(device), Some(code), Key(command_id.0));
            outputs.push(Output::Command(Command { command_id, key, account, device, epoch, for_code, op }));
        }
    }
}

/// `F-06`, naive: the record goes at once, and the erasure is a task in memory.
#[derive(Debug, Default)]
pub struct ClearsLater {
    tasks: VecDeque<(Timestamp, Command)>,
    done: Vec<CommandId>,
}

/// How long the task of [`ClearsLater`] waits for its turn.
const TASK_DELAY_MS: i64 = 30 * SECOND_MS;

impl Tamper for ClearsLater {
    fn outputs(&mut self, now: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        outputs.retain(|output| match output {
            Output::Command(command) if command.op.is_erasing() => {
                self.done.push(command.command_id);
                self.tasks.push_back((now + TASK_DELAY_MS, command.clone()));
                false
            }
            _ => true,
        });
        while let Some((_, command)) = self.tasks.pop_front_if(|(at, _)| *at <= now) {
            outputs.push(Output::Command(command));
        }
    }

    fn aside(&mut self) -> Option<Input> {
        self.done.pop().map(|command_id| Input::Answer { command_id, answer: Answer::Done { handle: None } })
    }

    fn deadline(&self, own: Option<Timestamp>) -> Option<Timestamp> {
        own.into_iter().chain(self.tasks.front().map(|(at, _)| *at)).min()
    }
}

/// `F-19`, naive: an erasure that was acknowledged was done.
#[derive(Debug, Default)]
pub struct TakesAcknowledgedForGone(BTreeSet<CommandId>);

impl Tamper for TakesAcknowledgedForGone {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        if let Input::Answer { command_id, answer: answer @ Answer::Accepted } = input
            && self.0.contains(command_id)
        {
            *answer = Answer::Done { handle: None };
        }
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        self.0.extend(commands(outputs).filter(|command| command.op.is_erasing()).map(|command| command.command_id));
    }
}

/// After a failed attempt, the acknowledgement of the next one is good enough.
#[derive(Debug, Default)]
pub struct LosesPatience {
    writes: BTreeMap<CommandId, CodeId>,
    failed: BTreeSet<CodeId>,
}

impl Tamper for LosesPatience {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        let Input::Answer { command_id, answer } = input else { return };
        let Some(code) = self.writes.get(command_id) else { return };
        match answer {
            Answer::Accepted if self.failed.contains(code) => *answer = Answer::Done { handle: None },
            Answer::Done { .. } => drop(self.failed.remove(code)),
            answer if answer.is_closing() => drop(self.failed.insert(*code)),
            _ => {}
        }
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        let writes = commands(outputs).filter(|command| command.op.is_mutating() && !command.op.is_erasing());
        self.writes.extend(writes.filter_map(|command| Some((command.command_id, command.for_code?))));
    }
}

/// Tells nobody when nothing but the warnings of a code differ.
#[derive(Debug, Default)]
pub struct KeepsWarningsQuiet(BTreeMap<CodeId, Record>);

impl Tamper for KeepsWarningsQuiet {
    fn started(&mut self, _: bool, inner: &dyn Controller) {
        inner.access_codes(&mut |code| {
            self.0.extend(inner.access_code(code).map(|view| (code, view.to_record())));
        });
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, inner: &dyn Controller) {
        outputs.retain(|output| {
            let Output::Changed(code) = output else { return true };
            let Some(after) = inner.access_code(*code).map(|view| view.to_record()) else {
                self.0.remove(code);
                return true;
            };
            let same_but_warnings =
                self.0.get(code).is_some_and(|before| *before == Record { warnings: before.warnings.clone(), ..after.clone() });
            self.0.insert(*code, after);
            !same_but_warnings
        });
    }
}

/// Sends its commands first and saves then, in steps that promise nothing to a caller.
#[derive(Debug, Default)]
pub struct SendsBeforeSaving;

impl Tamper for SendsBeforeSaving {
    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        let save = outputs.iter().position(|output| matches!(output, Output::Save(_)));
        let last = outputs.iter().rposition(|output| matches!(output, Output::Command(command) if command.op.is_mutating()));
        let promises = outputs.iter().any(|output| matches!(output, Output::Reply { .. }));
        if let (Some(save), Some(last), false) = (save, last, promises)
            && save < last
        {
            outputs[save..=last].rotate_left(1);
        }
    }
}

/// Where a removal was slow, tells first that the code is deleted and then that it was removed.
#[derive(Debug, Default)]
pub struct DeletesFirst(BTreeSet<CodeId>);

impl Tamper for DeletesFirst {
    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        let place = |outputs: &[Output], code: CodeId, wanted: EventType| {
            outputs
                .iter()
                .position(|output| matches!(output, Output::Event(event) if event.event_type == wanted && event.access_code_id == code))
        };
        let slow: Vec<CodeId> =
            events(outputs).filter(|e| e.event_type == EventType::DelayInRemovingFromDevice).map(|e| e.access_code_id).collect();
        self.0.extend(slow);
        for code in &self.0 {
            if let (Some(removed), Some(deleted)) =
                (place(outputs, *code, EventType::RemovedFromDevice), place(outputs, *code, EventType::Deleted))
            {
                outputs.swap(removed, deleted);
            }
        }
    }
}

/// Keeps PINs as numbers on their way to the lock and pads them to four digits.
#[derive(Debug, Default)]
pub struct CountsPins;

impl Tamper for CountsPins {
    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for output in outputs {
            if let Output::Command(Command {
                op: Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. } | Op::SetSlot { pin, .. },
                ..
            }) = output
            {
                let digits = pin.value().max(1).ilog10() as u8 + 1;
                *pin = Pin::new(digits.max(4).min(pin.length()), pin.value()).unwrap_or(*pin);
            }
        }
    }
}

/// Makes the key of a command from what it asks for and nothing else, so that a new intent can look like an old one.
#[derive(Debug, Default)]
pub struct KeysByContent;

impl Tamper for KeysByContent {
    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for output in outputs {
            let Output::Command(command) = output else { continue };
            let content = match &command.op {
                Op::CreateEntry { pin, window, .. } => (*pin, window.map_or(0, |window| window.starts_at.0 ^ window.ends_at.0)),
                Op::SetSlot { pin, slot, .. } => (*pin, i64::from(slot.0)),
                _ => continue,
            };
            let code = command.for_code.map_or(0, |code| code.0 as u64);
            command.key = Key(mix(mix(code ^ content.0.value()) ^ content.1 as u64));
        }
    }
}

/// Tells again what it told when an answer comes a second time.
#[derive(Debug, Default)]
pub struct RepeatsItself(BTreeMap<CommandId, Vec<Event>>);

impl Tamper for RepeatsItself {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        let Input::Answer { command_id, answer: Answer::Done { .. } } = input else { return };
        if let Some(told) = self.0.get(command_id) {
            let again = told.iter().map(|event| Output::Event(Event { event_id: EventId(event.event_id.0 ^ 1), ..event.clone() }));
            outputs.splice(0..0, again.collect::<Vec<_>>());
            return;
        }
        self.0.insert(*command_id, events(outputs).cloned().collect());
    }
}

/// Goes on saying that there is a backup once one was pulled.
#[derive(Debug, Default)]
pub struct PromisesBackups(BTreeSet<DeviceId>);

impl Tamper for PromisesBackups {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, inner: &dyn Controller) {
        if let Input::Call { request: Request::PullBackupAccessCode(_), .. } = input {
            let pulled = replies(outputs).next().and_then(|response| match response {
                Response::AccessCode(code) => inner.access_code(*code),
                Response::AccessCodes(_) | Response::GeneratedCode(_) | Response::Done => None,
            });
            self.0.extend(pulled.map(|view| view.device_id));
        }
    }

    fn device<'a>(&self, view: DeviceView<'a>) -> DeviceView<'a> {
        let promised = view.is_backup_pool_active && self.0.contains(&view.device_id);
        DeviceView { is_backup_access_code_available: view.is_backup_access_code_available || promised, ..view }
    }
}

/// Shows a lock without an error of the hub before it.
#[derive(Debug, Default)]
pub struct KeepsHubsQuiet;

impl Tamper for KeepsHubsQuiet {
    fn device<'a>(&self, view: DeviceView<'a>) -> DeviceView<'a> {
        let is_of_hub = view.errors.iter().all(|entry| entry.error_code == ErrorCode::HubDisconnected);
        DeviceView { errors: if is_of_hub { &[] } else { view.errors }, ..view }
    }
}

/// Pulls backups and tells nobody.
#[derive(Debug, Default)]
pub struct PullsInSilence;

impl Tamper for PullsInSilence {
    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        outputs.retain(|output| !matches!(output, Output::Event(event) if event.event_type == EventType::BackupAccessCodePulled));
    }
}

/// Leaves codes out of a list while it cannot tell how they are.
#[derive(Debug, Default)]
pub struct HidesUnknownCodes;

impl Tamper for HidesUnknownCodes {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, inner: &dyn Controller) {
        if !matches!(input, Input::Call { request: Request::List(_), .. }) {
            return;
        }
        for output in outputs {
            if let Output::Reply { result: Ok(Response::AccessCodes(codes)), .. } = output {
                codes.retain(|code| inner.access_code(*code).is_none_or(|view| view.status != Status::Unknown));
            }
        }
    }
}

/// Tells of a change that it refused.
#[derive(Debug, Default)]
pub struct AnnouncesRefusedChanges {
    accounts: BTreeMap<DeviceId, AccountId>,
    told: u128,
}

impl Tamper for AnnouncesRefusedChanges {
    fn outputs(&mut self, now: Timestamp, input: &Input, outputs: &mut Vec<Output>, inner: &dyn Controller) {
        self.accounts.extend(events(outputs).map(|event| (event.device_id, event.connected_account_id)));
        let Input::Call { request: Request::Update(update), .. } = input else { return };
        let is_refused = outputs.iter().any(|output| matches!(output, Output::Reply { result: Err(_), .. }));
        let Some(view) = inner.access_code(update.access_code_id).filter(|view| is_refused && view.is_managed) else { return };
        let Some(account) = self.accounts.get(&view.device_id) else { return };
        self.told += 1;
        let event = Event {
            access_code_id: view.access_code_id,
            backup_access_code_id: None,
            code: None,
            connected_account_id: *account,
            created_at: now,
            device_id: view.device_id,
            event_id: EventId(view.access_code_id.0 ^ (self.told << 64) ^ now.0 as u128),
            event_type: EventType::Changed,
            occurred_at: now,
            workspace_id: view.workspace_id,
        };
        outputs.insert(0, Output::Event(event));
    }
}

/// Says that a code which is on its way out is not there.
#[derive(Debug, Default)]
pub struct ForgetsWhatLeaves;

impl Tamper for ForgetsWhatLeaves {
    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for output in outputs {
            if let Output::Reply { result: Err(refusal @ Refusal::AccessCodeIsBeingRemoved), .. } = output {
                *refusal = Refusal::AccessCodeNotFound;
            }
        }
    }
}

/// After a restart it looks at its clock only every three hours.
#[derive(Debug, Default)]
pub struct Oversleeps {
    is_restart: bool,
}

impl Tamper for Oversleeps {
    fn started(&mut self, is_restart: bool, _: &dyn Controller) {
        self.is_restart = is_restart;
    }

    fn deadline(&self, own: Option<Timestamp>) -> Option<Timestamp> {
        own.map(|at| if self.is_restart { at.ceil_to(3 * HOUR_MS) } else { at })
    }
}

/// Goes on naming the PIN that was asked for when somebody changed it at the lock, with leave.
#[derive(Debug, Default)]
pub struct NamesOldPins {
    pins: BTreeMap<CodeId, Pin>,
    asked: BTreeMap<CodeId, Pin>,
}

impl Tamper for NamesOldPins {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, inner: &dyn Controller) {
        for output in outputs {
            match output {
                Output::Event(event) if event.event_type.has_code() => {
                    event.code = self.asked.get(&event.access_code_id).copied().or(event.code);
                }
                Output::Changed(code) => {
                    let Some(pin) = inner.access_code(*code).and_then(|view| view.code) else { continue };
                    let before = self.pins.insert(*code, pin).filter(|before| *before != pin);
                    match (before, input) {
                        (Some(_), Input::Call { .. }) => drop(self.asked.remove(code)),
                        (Some(before), _) => drop(self.asked.insert(*code, before)),
                        (None, _) => {}
                    }
                }
                _ => {}
            }
        }
    }
}

/// Reckons local times with the offset of today, also for a day after the clocks change.
#[derive(Debug, Default)]
pub struct IgnoresClockChanges {
    /// What was sent, and what was meant.
    sent: BTreeMap<(Timestamp, Timestamp), Window>,
}

/// When the clocks of Europe/Berlin and America/New_York change in 2026, and by how much a time behind the change is then missed.
const CLOCK_CHANGES: [(Timestamp, i64); 4] = [
    (Timestamp(1_774_746_000_000), HOUR_MS),
    (Timestamp(1_792_890_000_000), -HOUR_MS),
    (Timestamp(1_772_953_200_000), HOUR_MS),
    (Timestamp(1_793_512_800_000), -HOUR_MS),
];

impl IgnoresClockChanges {
    fn missed(now: Timestamp, bound: Timestamp) -> Timestamp {
        let error = CLOCK_CHANGES.iter().find(|(change, _)| now < *change && *change <= bound);
        error.map_or(bound, |(_, error)| bound + *error)
    }

    fn put_right(&self, item: &mut Item) {
        let known = item.window.and_then(|window| self.sent.get(&(window.starts_at, window.ends_at)));
        item.window = known.copied().or(item.window);
    }
}

impl Tamper for IgnoresClockChanges {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        match input {
            Input::Answer { answer: Answer::Entries { items, .. }, .. } => {
                let mut right: Vec<Item> = items.to_vec();
                for item in &mut right {
                    self.put_right(item);
                }
                *items = right.into();
            }
            Input::Answer { answer: Answer::Entry(item), .. } => self.put_right(item),
            _ => {}
        }
    }

    fn outputs(&mut self, now: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for output in outputs {
            let Output::Command(Command {
                op: Op::CreateEntry { window, .. } | Op::ReplaceEntry { window, .. } | Op::SetSchedule { window, .. },
                ..
            }) = output
            else {
                continue;
            };
            let Some(meant) = *window else { continue };
            let sent = Window { starts_at: Self::missed(now, meant.starts_at), ends_at: Self::missed(now, meant.ends_at) };
            if sent != meant && sent.starts_at < sent.ends_at {
                let stored = sent.rounded_outward(MINUTE_MS);
                self.sent.insert((stored.starts_at, stored.ends_at), meant.rounded_outward(MINUTE_MS));
                *window = Some(sent);
            }
        }
    }
}

/// When it looks for a free slot, one that shows no PIN is free.
#[derive(Debug, Default)]
pub struct TakesBlankSlots {
    written: BTreeSet<(Option<VendorDevice>, Slot)>,
    scouts: BTreeSet<CommandId>,
}

impl Tamper for TakesBlankSlots {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        let Input::Answer { command_id, answer: Answer::Slot(content) } = input else { return };
        if let SlotContent::Occupied(item) = content
            && self.scouts.remove(command_id)
            && !matches!(item.pin, ShownPin::Shown(_))
        {
            *content = SlotContent::Free { filler: None };
        }
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for command in commands(outputs) {
            match command.op {
                Op::SetSlot { slot, .. } => drop(self.written.insert((command.device, slot))),
                Op::ReadSlot { slot, .. } if !self.written.contains(&(command.device, slot)) => {
                    self.scouts.insert(command.command_id);
                }
                _ => {}
            }
        }
    }
}

/// Asks the vendor for the codes of today, so that an entry whose time is over looks gone.
#[derive(Debug, Default)]
pub struct OverlooksExpiredEntries;

impl Tamper for OverlooksExpiredEntries {
    fn input(&mut self, now: Timestamp, input: &mut Input) {
        let is_over = |item: &Item| item.window.is_some_and(|window| window.ends_at <= now);
        let Input::Answer { answer, .. } = input else { return };
        match answer {
            Answer::Entries { items, .. } if items.iter().any(is_over) => {
                *items = items.iter().filter(|item| !is_over(item)).cloned().collect();
            }
            Answer::Entry(item) if is_over(item) => *answer = Answer::NotFound,
            _ => {}
        }
    }
}

/// One worker for all locks: it turns to the next lock when nothing is open on the one before.
#[derive(Debug, Default)]
pub struct WorksOneByOne {
    at: Option<VendorDevice>,
    open: BTreeSet<CommandId>,
    queue: VecDeque<Command>,
}

impl Tamper for WorksOneByOne {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        if let Input::Answer { command_id, answer } = input
            && answer.is_closing()
        {
            self.open.remove(command_id);
        }
        let mutating = |output: &mut Output| matches!(output, Output::Command(command) if command.op.is_mutating());
        self.queue.extend(outputs.extract_if(.., mutating).filter_map(|output| match output {
            Output::Command(command) => Some(command),
            _ => None,
        }));
        while let Some(command) = self.queue.pop_front_if(|next| self.open.is_empty() || next.device == self.at) {
            self.at = command.device;
            self.open.insert(command.command_id);
            outputs.push(Output::Command(command));
        }
    }
}

/// Takes the first listing that comes for the one that it asked for first, as if the vendors answered in order.
#[derive(Debug, Default)]
pub struct ExpectsAnswersInOrder(VecDeque<CommandId>);

impl Tamper for ExpectsAnswersInOrder {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        if let Input::Answer { command_id, .. } = input
            && self.0.contains(command_id)
            && let Some(first) = self.0.pop_front()
        {
            *command_id = first;
        }
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        let listings = commands(outputs).filter(|command| matches!(command.op, Op::ListEntries { .. }));
        self.0.extend(listings.map(|command| command.command_id));
    }
}

pub(super) fn commands(outputs: &[Output]) -> impl Iterator<Item = &Command> {
    outputs.iter().filter_map(|output| match output {
        Output::Command(command) => Some(command),
        _ => None,
    })
}

pub(super) fn events(outputs: &[Output]) -> impl Iterator<Item = &Event> {
    outputs.iter().filter_map(|output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    })
}

fn replies(outputs: &[Output]) -> impl Iterator<Item = &Response> {
    outputs.iter().filter_map(|output| match output {
        Output::Reply { result: Ok(response), .. } => Some(response),
        _ => None,
    })
}
