//! The reference controller: it turns what was asked into commands, and what vendors say into records and events.
//!
//! For each code four things stay apart: what was asked, what was last sent, what was last confirmed, and what the last reads show. Inputs
//! only change these; one function, `pursue`, then brings each touched code to where it belongs.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use crate::access_code::{AccessCodeView, DeviceView};
use crate::config::{AccountConfig, Config};
use crate::controller::{Broken, Controller, Controllers, Input, Outputs};
use crate::id::{AccountId, CodeId, CommandId, DeviceId};
use crate::port::{Answer, Op, Place, Reason};
use crate::time::{MINUTE_MS, Timestamp};
use crate::vendor::ReadBack;

mod account;
mod answers;
mod backup;
mod choose;
mod clock;
mod condition;
mod device;
mod external;
mod intake;
mod length;
mod lifecycle;
mod likeness;
mod listing;
mod naming;
mod notice;
mod obstacle;
mod offline;
mod outage;
mod pace;
mod policy;
mod programming;
mod reading;
mod scouting;
mod season;
mod seat;
mod settling;
mod state;
mod step;
mod stranger;
#[cfg(test)]
mod tests;
mod unmanaged;
mod vendor;
mod workspaces;

pub use policy::{Honest, Policy};

use account::Watch;
use choose::PinSpaces;
use listing::Memory;
use offline::Registration;
use pace::Pace;
use reading::{Evidence, Read};
use state::{Account, Durable};
use step::{Agenda, At, Step, Who};

/// The factory of the reference controller.
#[derive(Clone, Copy)]
pub struct Reference {
    /// What it decides by.
    pub policy: &'static dyn Policy,
}

impl Reference {
    /// The reference with its own decisions.
    #[must_use]
    pub const fn new() -> Self {
        Self { policy: &Honest }
    }
}

impl Default for Reference {
    fn default() -> Self {
        Self::new()
    }
}

impl Controllers for Reference {
    fn start(&self, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Box<dyn Controller> {
        Box::new(Platform::start(self.policy, now, config, durable))
    }
}

/// The reference controller.
pub struct Platform {
    policy: &'static dyn Policy,
    config: Config,
    /// When this process began.
    began: Timestamp,
    /// The instant of the current step.
    now: Timestamp,
    state: Durable,
    /// Why it can't go on; from its start on.
    broken: Option<Broken>,
    /// The devices of each account, in the order in which they were met.
    account_devices: Vec<Vec<u32>>,
    /// For each account, those of its vendor in other workspaces.
    accounts_elsewhere: Vec<Vec<AccountId>>,
    /// The devices by id.
    device_index: BTreeMap<DeviceId, u32>,
    /// The live records by id.
    index: BTreeMap<CodeId, At>,
    /// Mutating commands that may still be answered, and the places they aimed at.
    writes: BTreeMap<CommandId, (At, Option<Place>)>,
    /// Registrations of offline codes that may still be answered.
    registrations: BTreeMap<CommandId, Registration>,
    /// Reads under way.
    reads: BTreeMap<CommandId, Read>,
    reads_sent: u64,
    /// As the accounts.
    watches: Vec<Watch>,
    paces: Vec<Pace>,
    /// As the devices.
    caches: Vec<Memory>,
    pin_spaces: PinSpaces,
    agenda: Agenda,
    /// Who is to be looked at before the step ends.
    todo: BTreeSet<Who>,
    todo_queues: BTreeSet<u32>,
    step: Step,
}

impl Platform {
    fn start(policy: &'static dyn Policy, now: Timestamp, config: &Config, durable: Option<&[u8]>) -> Self {
        let (state, broken) = match durable.map(serde_json::from_slice::<Durable>) {
            None => (Durable::default(), None),
            Some(Ok(state)) => (state, None),
            Some(Err(error)) => (Durable::default(), Some(Broken(error.to_string()))),
        };
        let mut config = config.clone();
        config.profiles.iter_mut().for_each(|profile| profile.keeps_offset &= policy.foresees_clock_changes());
        let paces = config.accounts.iter().map(|account| Pace::new(account.vendor.profile().rate_per_minute)).collect();
        let accounts_elsewhere = config.accounts.iter().map(|own| {
            let is_elsewhere = |other: &&AccountConfig| other.workspace != own.workspace && other.vendor == own.vendor;
            config.accounts.iter().filter(is_elsewhere).map(|other| other.account).collect()
        });
        let accounts_elsewhere = accounts_elsewhere.collect();
        let mut account_devices = vec![Vec::new(); config.accounts.len()];
        for (device, n) in state.devices.iter().zip(0..) {
            account_devices[device.account as usize].push(n);
        }
        let mut platform = Self {
            policy,
            watches: config.accounts.iter().map(|_| Watch::new(now)).collect(),
            config,
            began: now,
            now,
            caches: state.devices.iter().map(|_| Memory::new(now)).collect(),
            account_devices,
            accounts_elsewhere,
            device_index: state.devices.iter().zip(0..).map(|(device, n)| (device.id, n)).collect(),
            state,
            broken,
            index: BTreeMap::new(),
            writes: BTreeMap::new(),
            registrations: BTreeMap::new(),
            reads: BTreeMap::new(),
            reads_sent: 0,
            paces,
            pin_spaces: PinSpaces::default(),
            agenda: Agenda::default(),
            todo: BTreeSet::new(),
            todo_queues: BTreeSet::new(),
            step: Step::default(),
        };
        platform.resume();
        platform
    }

    /// Takes up the durable state: indexes, intents without a settled outcome (`R-60`), and a look at everything.
    fn resume(&mut self) {
        self.state.boots += 1;
        self.note_change();
        self.state.accounts.resize_with(self.config.accounts.len(), Account::default);
        for device in 0..self.state.devices.len() as u32 {
            self.learn_rate(device);
            let numbers: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
            for n in numbers {
                self.resume_code(At { device, n });
            }
            self.caches[device as usize].recover_from = Some(self.now);
            self.wake_device(device, Some(self.now));
            // That its description was to be asked for is forgotten.
            if self.device(device).refusal.is_some() || self.device(device).unreachable.is_some() {
                self.want_condition(device, self.now);
            }
        }
        for account in 0..self.state.accounts.len() as u32 {
            self.wake_account(account, Some(self.now));
        }
    }

    fn resume_code(&mut self, at: At) {
        let deadline = self.now + self.profile(at.device).command_timeout_ms;
        let (now, last_command_sent) = (self.now, self.state.last_command_sent);
        let profile = self.profile(at.device);
        let shows_pins = profile.read_back != ReadBack::None && !likeness::hides_pin(profile);
        let code = self.code_quiet(at);
        for write in code.write.iter_mut().filter(|write| write.closed.is_none() && write.accepted_at.is_none()) {
            write.may_have_stayed |= step::number_of(write.command) > last_command_sent;
        }
        let id = code.record.access_code_id;
        // What shows no PIN yet is read again before it is written over.
        let blank = code.held.as_ref().filter(|held| held.pin.is_none() && shows_pins);
        code.passing.verify_at = blank.map(|held| held.confirmed_at + MINUTE_MS);
        let is_gone = code.is_gone;
        let open = code.write.as_ref().filter(|write| write.closed.is_none()).map(|write| write.command);
        if open.or(code.unanswered).is_some() {
            code.passing.restart_deadline = Some(deadline);
        }
        let ids = |write: &state::Write| {
            let (place, asked) = (write.place(), write.asked_before.clone());
            asked.into_iter().chain([write.command]).map(move |command| (command, place))
        };
        let written = code.write.iter().chain(&code.late).flat_map(ids);
        let commands: Vec<(CommandId, Option<Place>)> = code.unanswered.map(|command| (command, None)).into_iter().chain(written).collect();
        self.writes.extend(commands.into_iter().map(|(command, place)| (command, (at, place))));
        if !is_gone {
            self.index.insert(id, at);
        }
        let takes_seat = self.code(at).write.as_ref().is_some_and(|write| matches!(write.op, Op::TakeSeat { .. }));
        if takes_seat {
            // Whether it has the seat a read tells that can't be old; what the last one told is forgotten.
            self.want_listing(at.device, now);
        }
        self.resume_offline(at);
        self.wake_code(at, Some(now));
    }

    fn take(&mut self, input: Input) {
        // Whatever comes, what is due now is due; what the input does must not make anybody miss it.
        self.todo.extend(self.agenda.due(self.now));
        match input {
            Input::Call { call_id, workspace, request } => {
                let result = self.serve(workspace, request);
                self.reply(call_id, result);
            }
            Input::Answer { command_id, answer } => self.take_answer(command_id, answer),
            Input::Notice(notice) => self.on_notice(&notice),
            Input::Wake => {}
        }
        self.settle_down();
    }

    fn take_answer(&mut self, command_id: CommandId, answer: Answer) {
        if let Some(read) = self.reads.get(&command_id).copied() {
            if answer.is_closing() {
                self.reads.remove(&command_id);
                self.on_read_answer(read, answer);
            }
            return;
        }
        if let Some(registration) = self.registrations.get(&command_id).copied() {
            self.on_registration_answer(command_id, registration, &answer);
            return;
        }
        let Some((at, place)) = self.writes.get(&command_id).copied() else {
            // Forgotten, or never sent: only what it tells of the lock matters (P-01).
            return self.hear_of_old(command_id, None, &answer);
        };
        let Some(code) = self.find(at) else { return };
        if code.write.as_ref().is_some_and(|write| write.command == command_id) {
            self.on_write_answer(at, &answer);
            return;
        }
        if let Answer::Done { handle } = answer
            && code.write.as_ref().is_some_and(|write| write.asked_before.contains(&command_id))
        {
            return self.on_done_when_asked_before(at, handle);
        }
        // A user has one PIN, whichever of the assignments made it.
        let is_late = code.late.as_ref().is_some_and(|write| write.command == command_id) || matches!(answer, Answer::Assigned { .. });
        if code.unanswered == Some(command_id) {
            self.on_answered(at);
        }
        if is_late {
            self.on_late_answer(at, &answer);
        } else {
            self.hear_of_old(command_id, Some((at, place)), &answer);
        }
    }

    /// An answer to a write that others have followed tells of the lock alone: what another copy of it left there (`P-02`), or that there was no room.
    fn hear_of_old(&mut self, command: CommandId, written: Option<(At, Option<Place>)>, answer: &Answer) {
        let device = step::device_written(command);
        // What an earlier incarnation took or did not take says nothing of this one.
        if self.state.devices.get(device as usize).is_none_or(|device| step::number_of(command) <= device.outdated_command) {
            return;
        }
        match (answer, written) {
            (Answer::Done { handle: Some(handle) }, _) => match (self.owner_of_place(device, Place::Handle(*handle)), written) {
                (None, _) => {
                    self.caches[device as usize].told.insert(Place::Handle(*handle));
                    self.want_listing(device, self.now);
                }
                (Some(n), Some((author, _))) => self.take_for_own(At { device, n }, author),
                (Some(_), None) => {}
            },
            // The entry was there when this was sent, and its id is nobody else's: it has left since, whoever took it away (P-12).
            (Answer::NotFound, Some((at, Some(place @ Place::Handle(_)))))
                if self.find(at).and_then(|code| code.held.as_ref()).is_some_and(|held| held.place == place) =>
            {
                self.on_shown(at, place, None, Evidence { sent_at: self.now, is_fresh: true });
            }
            (Answer::Refused(Reason::Full), _) => self.learn_full(device),
            (Answer::Refused(Reason::SlotOutOfRange), Some((_, Some(Place::Slot(slot))))) => self.learn_size(device, slot),
            _ => {}
        }
    }

    /// Looks at everybody that has a reason, until nobody has.
    fn settle_down(&mut self) {
        loop {
            while let Some(who) = self.todo.pop_first() {
                match who {
                    Who::Account(account) => {
                        self.tend_account(account);
                        self.todo_queues.insert(account);
                    }
                    Who::Lock(At { device, n: 0 }) => self.tend(device),
                    Who::Lock(at) => self.pursue(at),
                }
            }
            let Some(account) = self.todo_queues.pop_first() else { return };
            self.serve_queue(account);
        }
    }
}

impl Controller for Platform {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outputs) -> Result<(), Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        self.now = now;
        self.take(input);
        self.flush(out);
        Ok(())
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.agenda.next()
    }

    fn access_codes(&self, each: &mut dyn FnMut(CodeId)) {
        let devices = self.state.devices.iter();
        devices.flat_map(state::Device::live).for_each(|code| each(code.record.access_code_id));
    }

    fn access_code(&self, id: CodeId) -> Option<AccessCodeView<'_>> {
        let at = self.index.get(&id)?;
        self.find(*at).map(|code| code.record.view())
    }

    fn device(&self, id: DeviceId) -> Option<DeviceView<'_>> {
        self.device_index.get(&id).map(|device| self.device_view(*device))
    }
}
