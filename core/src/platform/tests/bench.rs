//! One account, one lock, and a vendor that does as it is told: the smallest world in which a controller can be watched.

extern crate std;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use crate::access_code::{DeviceRecord, Record, Status};
use crate::config::{AccountConfig, Config, ExpiredRecordPolicy, PolicyConstants};
use crate::controller::{Controller, Controllers, Input, Output, Outputs};
use crate::event::EventType;
use crate::id::{AccountId, CallId, CodeId, CommandId, DeviceId, Epoch, Handle, Slot, VendorDevice, WorkspaceId};
use crate::pin::Pin;
use crate::platform::Reference;
use crate::port::{
    Answer, Command, DeviceInfo, HubInfo, Item, Name, News, Notice, OnLock, Op, PathPart, Place, Reason, ShownPin, SlotContent,
};
use crate::problem::{ErrorCode, WarningCode};
use crate::request::{Create, Delete, PullBackupAccessCode, Refusal, Request, RequestedCode, Response, Update};
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp, Window};
use crate::vendor::{Ack, DuplicatePolicy, Family, Model, Profile, ReadBack, Vendor};

pub const MINUTE: i64 = MINUTE_MS;
pub const HOUR: i64 = 60 * MINUTE_MS;
pub const DAY: i64 = 24 * HOUR;

/// An entry as it really is.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub place: Place,
    pub pin: Pin,
    pub name: Name,
    pub window: Option<Window>,
    pub enabled: bool,
    /// The code whose command stored it.
    pub origin: Option<CodeId>,
    /// Somebody else changed it, or may have.
    pub touched: bool,
    /// The lock has it, and not only the vendor.
    pub is_loaded: bool,
    pub since: Timestamp,
}

/// What happens to one command.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// The plain course.
    Plain,
    /// It never arrives.
    LoseRequest,
    /// It runs; its answers are lost.
    LoseAnswer,
    /// It runs, and the cloud says that it failed.
    FailAfter,
    /// The cloud fails before anything happens.
    FailBefore,
    /// This answer, and no effect.
    Answer(Answer),
    /// Acknowledged, and not done.
    AckNothing,
}

/// What decides over fates.
pub type Fates = Box<dyn FnMut(&Command) -> Fate>;

pub struct Bench {
    pub config: Config,
    pub controller: Box<dyn Controller>,
    pub now: Timestamp,
    pub memory: Vec<Stored>,
    pub info: DeviceInfo,
    pub in_account: bool,
    pub is_authorized: bool,
    pub fates: Fates,
    pub events: Vec<(Timestamp, CodeId, EventType)>,
    pub commands: Vec<(Timestamp, Command)>,
    pub durable: Option<Vec<u8>>,
    pub replies: BTreeMap<CallId, Result<Response, Refusal>>,
    pub sends_notices: bool,
    /// Crash after this output of the next step that has as many; then stay down so long.
    pub crash: Option<usize>,
    pub crashes: u32,
    agenda: BTreeMap<(Timestamp, u64), Occurrence>,
    occurrences: u64,
    open: BTreeMap<CommandId, Command>,
    unsaved: Vec<(Timestamp, CodeId, EventType)>,
    records: BTreeMap<CodeId, Record>,
    device_record: Option<DeviceRecord>,
    next_handle: u32,
    calls: u64,
    touched: BTreeSet<CodeId>,
    accepted: BTreeSet<CommandId>,
    /// Prints all that crosses the boundary.
    pub is_traced: bool,
}

#[derive(Clone, Debug)]
enum Occurrence {
    Run(Command, Fate),
    Answer(CommandId, Answer),
    TimeOut(CommandId),
    Notice(News),
}

pub fn pin(text: &str) -> Pin {
    text.parse().unwrap()
}

impl Bench {
    pub fn new(profile: Profile) -> Self {
        Self::with(profile, |_| {})
    }

    pub fn with(profile: Profile, tweak: impl FnOnce(&mut Config)) -> Self {
        let now = Timestamp(1_767_600_000_000);
        let account = AccountId::numbered(1);
        let mut config = Config {
            workspaces: vec![WorkspaceId::numbered(1)],
            accounts: vec![AccountConfig { account, workspace: WorkspaceId::numbered(1), vendor: profile.vendor, zone: None }],
            profiles: vec![profile.clone()],
            zones: alloc::collections::BTreeMap::new(),
            policy: PolicyConstants::default(),
            expired_record_policy: ExpiredRecordPolicy::Delete,
            entropy: 7,
            waivers: vec![],
        };
        tweak(&mut config);
        let info = DeviceInfo {
            device: VendorDevice(1),
            serial: Some("S1".into()),
            epoch: Epoch(1),
            model: Model(0),
            online: Some(true),
            hub: profile.hub.map(|part| HubInfo { part, number: 1, up: true }),
            keypad: true,
            lengths: profile.lengths,
            constraints: profile.constraints.clone().into(),
            positions: profile.slots,
            zone: None,
            has_rights: true,
            is_paid: true,
        };
        let controller = Reference::new().start(now, &config, None);
        let mut bench = Self {
            config,
            controller,
            now,
            memory: vec![],
            info,
            in_account: true,
            is_authorized: true,
            fates: Box::new(|_| Fate::Plain),
            events: vec![],
            commands: vec![],
            durable: None,
            replies: BTreeMap::new(),
            sends_notices: true,
            crash: None,
            crashes: 0,
            agenda: BTreeMap::new(),
            occurrences: 0,
            open: BTreeMap::new(),
            unsaved: vec![],
            records: BTreeMap::new(),
            device_record: None,
            next_handle: 100,
            calls: 0,
            touched: BTreeSet::new(),
            accepted: BTreeSet::new(),
            is_traced: false,
        };
        bench.run(MINUTE);
        bench
    }

    pub fn profile(&self) -> &Profile {
        &self.config.profiles[0]
    }

    pub fn device_id() -> DeviceId {
        DeviceId::of(AccountId::numbered(1), "S1")
    }

    // Calls.

    pub fn call(&mut self, request: Request) -> Result<Response, Refusal> {
        self.calls += 1;
        let call_id = CallId(self.calls);
        self.step(Input::Call { call_id, workspace: WorkspaceId::numbered(1), request });
        self.replies.get(&call_id).cloned().unwrap_or(Err(Refusal::Unauthorized))
    }

    pub fn create_with(&mut self, code: &str, window: Option<Window>, more: impl FnOnce(&mut Create)) -> Result<CodeId, Refusal> {
        let mut create = Create {
            device_id: Self::device_id(),
            code: (!code.is_empty()).then(|| RequestedCode::Text(code.to_string())),
            name: Some(format!("Guest {code}")),
            starts_at: window.map(|window| window.starts_at),
            ends_at: window.map(|window| window.ends_at),
            ..Create::default()
        };
        more(&mut create);
        match self.call(Request::Create(create))? {
            Response::AccessCode(id) => Ok(id),
            other => panic!("create answered {other:?}"),
        }
    }

    pub fn create(&mut self, code: &str, window: Option<Window>) -> CodeId {
        self.create_with(code, window, |_| {}).unwrap()
    }

    pub fn update(&mut self, id: CodeId, more: impl FnOnce(&mut Update)) -> Result<Response, Refusal> {
        let mut update = Update { access_code_id: id, ..Update::default() };
        more(&mut update);
        self.call(Request::Update(update))
    }

    pub fn delete(&mut self, id: CodeId) -> Result<Response, Refusal> {
        self.call(Request::Delete(Delete { access_code_id: id, device_id: None }))
    }

    pub fn pull(&mut self, id: CodeId) -> Result<CodeId, Refusal> {
        match self.call(Request::PullBackupAccessCode(PullBackupAccessCode { access_code_id: id }))? {
            Response::AccessCode(id) => Ok(id),
            other => panic!("pull answered {other:?}"),
        }
    }

    /// From now + `start` to now + `end`.
    pub fn window(&self, start: i64, end: i64) -> Option<Window> {
        Some(Window { starts_at: self.now + start, ends_at: self.now + end })
    }

    // What can be seen.

    pub fn status(&self, id: CodeId) -> Option<Status> {
        self.controller.access_code(id).map(|view| view.status)
    }

    pub fn errors(&self, id: CodeId) -> Vec<ErrorCode> {
        let mut errors: Vec<ErrorCode> = self.controller.access_code(id).unwrap().errors.iter().map(|entry| entry.error_code).collect();
        errors.sort();
        errors
    }

    pub fn warnings(&self, id: CodeId) -> Vec<WarningCode> {
        self.controller.access_code(id).unwrap().warnings.iter().map(|entry| entry.warning_code).collect()
    }

    pub fn device_errors(&self) -> Vec<ErrorCode> {
        let view = self.controller.device(Self::device_id()).unwrap();
        view.errors.iter().chain(view.account_errors).map(|entry| entry.error_code).collect()
    }

    pub fn events_of(&self, id: CodeId) -> Vec<&'static str> {
        let events = self.events.iter().filter(|(_, code, _)| *code == id);
        events.map(|(_, _, event)| event.name().trim_start_matches("access_code.")).collect()
    }

    pub fn pins(&self) -> Vec<String> {
        let mut pins: Vec<String> = self.memory.iter().map(|stored| stored.pin.to_string()).collect();
        pins.sort();
        pins
    }

    pub fn mutating(&self) -> usize {
        self.commands.iter().filter(|(_, command)| command.op.is_mutating()).count()
    }

    pub fn unmanaged(&self) -> Vec<CodeId> {
        let mut ids = vec![];
        self.controller.access_codes(&mut |id| ids.push(id));
        ids.retain(|id| !self.controller.access_code(*id).unwrap().is_managed);
        ids
    }

    pub fn managed(&self) -> Vec<CodeId> {
        let mut ids = vec![];
        self.controller.access_codes(&mut |id| ids.push(id));
        ids.retain(|id| self.controller.access_code(*id).unwrap().is_managed);
        ids
    }

    // Time.

    /// Runs the world for so long.
    pub fn run(&mut self, ms: i64) {
        let until = self.now + ms;
        let mut turns_at_one_instant = 0;
        loop {
            let wake = self.controller.next_deadline().filter(|wake| *wake <= until);
            let occurrence = self.agenda.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= until);
            let at = match (wake, occurrence) {
                (None, None) => break,
                (Some(wake), Some((at, _))) => wake.min(at),
                (wake, occurrence) => wake.or(occurrence.map(|(at, _)| at)).unwrap(),
            }
            .max(self.now);
            turns_at_one_instant = if at == self.now { turns_at_one_instant + 1 } else { 0 };
            assert!(turns_at_one_instant < 2_000, "stuck at {at}");
            self.now = at;
            match occurrence {
                Some(key @ (due, _)) if due <= at => {
                    let occurrence = self.agenda.remove(&key).unwrap();
                    self.happen(occurrence);
                }
                _ => self.step(Input::Wake),
            }
        }
        self.now = self.now.max(until);
    }

    fn plan(&mut self, delay: i64, occurrence: Occurrence) {
        self.occurrences += 1;
        self.agenda.insert((self.now + delay, self.occurrences), occurrence);
    }

    fn happen(&mut self, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Run(command, fate) => self.arrive(&command, fate),
            Occurrence::Answer(id, answer) => {
                let is_known = !answer.is_closing() || self.open.remove(&id).is_some();
                if is_known {
                    self.accepted.insert(id);
                    self.step(Input::Answer { command_id: id, answer });
                }
            }
            Occurrence::TimeOut(id) => {
                if self.open.remove(&id).is_some() {
                    self.step(Input::Answer { command_id: id, answer: Answer::TimedOut });
                }
            }
            Occurrence::Notice(news) => self.notify(news),
        }
    }

    pub fn notify(&mut self, news: News) {
        let notice = Notice {
            account: AccountId::numbered(1),
            device: Some(self.info.device),
            epoch: self.info.epoch,
            device_time: None,
            serial: self.occurrences,
            news,
        };
        self.step(Input::Notice(notice));
    }

    // The controller, and what must hold after each of its steps.

    pub fn step(&mut self, input: Input) {
        if self.is_traced {
            std::println!("{} <- {input:?}", self.now);
        }
        let mut out = Outputs::new(true);
        self.controller.handle(self.now, input, &mut out).unwrap();
        let outputs: Vec<Output> = out.drain().collect();
        let cut = self.crash.filter(|cut| *cut < outputs.len());
        let done = cut.map_or(outputs.len(), |cut| cut + 1);
        let mut saved = true;
        let mut announced = vec![];
        let mut is_device_announced = false;
        for output in outputs.into_iter().take(done) {
            if self.is_traced && !matches!(output, Output::Save(_)) {
                std::println!("      -> {output:?}");
            }
            match output {
                Output::Reply { call_id, result } => {
                    assert!(saved || result.is_err(), "a reply before its save");
                    self.replies.insert(call_id, result);
                }
                Output::Command(command) => {
                    assert!(saved || !command.op.is_mutating(), "a write before its save");
                    self.emit(command);
                }
                Output::Event(event) => {
                    saved = false;
                    self.unsaved.push((event.occurred_at, event.access_code_id, event.event_type));
                }
                Output::Changed(id) => {
                    saved = false;
                    announced.push(id);
                }
                Output::ChangedDevice(_) => is_device_announced = true,
                Output::Save(bytes) => {
                    saved = true;
                    self.durable = Some(bytes);
                    let events = core::mem::take(&mut self.unsaved);
                    self.events.extend(events);
                }
            }
        }
        if cut.is_some() {
            self.restart();
            return;
        }
        assert!(self.unsaved.is_empty(), "an event without a save");
        self.check_announcements(&announced, is_device_announced);
        self.check_truth();
    }

    /// Crash now, come back after a quarter of a minute.
    pub fn restart(&mut self) {
        self.crash = None;
        self.crashes += 1;
        self.unsaved.clear();
        self.now = self.now + 15 * SECOND_MS;
        let controller = Reference::new().start(self.now, &self.config, self.durable.as_deref());
        self.controller = controller;
        self.records = self.read_records();
        self.device_record = self.controller.device(Self::device_id()).map(|view| view.to_record());
        // What was on its way is answered by TimedOut (P-07).
        let lost: Vec<(Timestamp, u64)> = self
            .agenda
            .iter()
            .filter(|(_, item)| matches!(item, Occurrence::Answer(..) | Occurrence::Notice(_)))
            .map(|(key, _)| *key)
            .collect();
        lost.into_iter().for_each(|key| {
            self.agenda.remove(&key);
        });
    }

    fn read_records(&self) -> BTreeMap<CodeId, Record> {
        let mut ids = vec![];
        self.controller.access_codes(&mut |id| ids.push(id));
        ids.into_iter().map(|id| (id, self.controller.access_code(id).unwrap().to_record())).collect()
    }

    fn check_announcements(&mut self, announced: &[CodeId], is_device_announced: bool) {
        let records = self.read_records();
        for id in records.keys().chain(self.records.keys()) {
            let is_same = records.get(id) == self.records.get(id);
            assert!(is_same || announced.contains(id), "a change of {id} was not announced");
        }
        for (id, record) in &records {
            let before = self.records.get(id).filter(|before| before.is_managed).map(|before| before.status);
            check_status(before, record);
            let starts_later = record.starts_at.is_some_and(|starts_at| starts_at > self.now);
            let is_native = self.profile().schedules && !record.is_backup && record.is_managed;
            assert!(!(is_native && starts_later && matches!(record.status, Status::Setting | Status::Set)), "{record:?}");
            let is_over = record.ends_at.is_some_and(|ends_at| ends_at <= self.now);
            let is_retained = self.config.expired_record_policy == ExpiredRecordPolicy::RetainUnset && record.status == Status::Unset;
            let is_leaving = is_retained || matches!(record.status, Status::Removing | Status::Unknown);
            assert!(!record.is_managed || !is_over || is_leaving, "{record:?}");
        }
        self.records = records;
        let device = self.controller.device(Self::device_id()).map(|view| view.to_record());
        assert!(device == self.device_record || is_device_announced, "a change of the device was not announced");
        self.device_record = device;
    }

    /// What is shown as set or scheduled is in memory, unless somebody touched it; and no entry of ours lacks a record.
    fn check_truth(&self) {
        for record in self.records.values().filter(|record| record.is_managed) {
            let is_shown = record.status == Status::Set || record.is_scheduled_on_device;
            let mine = self.memory.iter().find(|stored| stored.origin == Some(record.access_code_id));
            let is_touched = mine.is_none_or(|stored| stored.touched) && self.was_touched(record.access_code_id);
            let is_match = mine.is_some_and(|stored| stored.enabled && Some(stored.pin) == record.code);
            assert!(!is_shown || is_match || is_touched, "{record:?} is not in {:?}", self.memory);
            if record.status == Status::Set {
                let forbidden = |entry: &crate::problem::ErrorEntry| {
                    !matches!(entry.error_code, ErrorCode::AugustLockMissingKeypad | ErrorCode::CodeModifiedExternalToSeam)
                };
                assert!(!record.errors.iter().any(forbidden), "a set code has errors: {record:?}");
            }
            for error in &record.errors {
                let has_twin = record.warnings.iter().any(|warning| warning.warning_code.name() == error.error_code.name());
                assert!(!has_twin, "an error and a warning of one name: {record:?}");
            }
        }
        for stored in self.memory.iter().filter(|stored| !stored.touched) {
            if let Some(origin) = stored.origin {
                assert!(self.records.contains_key(&origin), "a ghost: {stored:?}");
                let copies = self.memory.iter().filter(|other| other.origin == Some(origin) && !other.touched).count();
                assert!(copies == 1, "{copies} entries of one code");
            }
        }
    }

    fn was_touched(&self, id: CodeId) -> bool {
        self.touched.contains(&id)
    }

    // The vendor.

    fn emit(&mut self, command: Command) {
        if command.op.is_mutating() {
            let is_blocked = self.device_errors_quiet().iter().any(|error| *error != ErrorCode::EmptyBackupAccessCodePool);
            assert!(!is_blocked, "a write under a path error: {command:?}");
            let is_unanswered = |open: &&Command| open.op.is_mutating() && !self.accepted.contains(&open.command_id);
            let rival = self.open.values().filter(is_unanswered).find(|open| open.for_code == command.for_code);
            assert!(rival.is_none(), "two writes at once for a code: {command:?} and {rival:?}");
        }
        self.commands.push((self.now, command.clone()));
        assert!(self.commands.iter().filter(|(at, _)| *at == self.now).count() < 500, "babbling");
        let fresh = matches!(
            command.op,
            Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. }
        );
        let timeout = self.profile().timeout_ms(command.op.is_mutating(), fresh);
        let fate = (self.fates)(&command);
        self.open.insert(command.command_id, command.clone());
        self.plan(timeout, Occurrence::TimeOut(command.command_id));
        self.plan(SECOND_MS, Occurrence::Run(command, fate));
    }

    fn device_errors_quiet(&self) -> Vec<ErrorCode> {
        let view = self.controller.device(Self::device_id());
        view.map(|view| view.errors.iter().chain(view.account_errors).map(|entry| entry.error_code).collect()).unwrap_or_default()
    }

    fn arrive(&mut self, command: &Command, fate: Fate) {
        let id = command.command_id;
        match fate {
            Fate::LoseRequest => {}
            Fate::Answer(answer) => self.plan(0, Occurrence::Answer(id, answer)),
            Fate::FailBefore => self.plan(0, Occurrence::Answer(id, Answer::ServerError { status: 502, text: "sorry".to_string() })),
            Fate::FailAfter => {
                self.execute(command);
                self.plan(0, Occurrence::Answer(id, Answer::ServerError { status: 502, text: "invalid schedule".to_string() }));
            }
            Fate::LoseAnswer => {
                self.execute(command);
            }
            Fate::AckNothing => self.plan(0, Occurrence::Answer(id, Answer::Accepted)),
            Fate::Plain => self.run_plainly(command),
        }
    }

    fn run_plainly(&mut self, command: &Command) {
        let id = command.command_id;
        if !command.op.is_mutating() {
            if let Some(answer) = self.execute(command) {
                self.plan(0, Occurrence::Answer(id, answer));
            }
            return;
        }
        if let Some(refusal) = self.path_answer(command) {
            self.plan(0, Occurrence::Answer(id, refusal));
            return;
        }
        match self.profile().ack {
            Ack::Applied => {
                let answer = self.apply(command);
                self.plan(0, Occurrence::Answer(id, answer));
            }
            Ack::Queued => {
                self.plan(0, Occurrence::Answer(id, Answer::Accepted));
                let answer = self.apply(command);
                self.plan(5 * SECOND_MS, Occurrence::Answer(id, answer));
            }
            Ack::Nothing => {
                self.plan(0, Occurrence::Answer(id, Answer::Accepted));
                self.apply(command);
            }
        }
    }

    /// Runs a command, whatever becomes of its answer.
    fn execute(&mut self, command: &Command) -> Option<Answer> {
        if let Some(answer) = self.path_answer(command) {
            return Some(answer);
        }
        Some(match &command.op {
            Op::ListDevices { .. } => Answer::Devices { items: self.device_list().into(), next_page: None },
            Op::GetDevice => Answer::Device(self.info.clone()),
            Op::ListEntries { .. } => {
                let items: Vec<Item> = self.memory.iter().map(|stored| self.show(stored)).collect();
                Answer::Entries { items: items.into(), next_page: None }
            }
            Op::ReadEntry { handle, .. } => {
                self.find(Place::Handle(*handle)).map_or(Answer::NotFound, |stored| Answer::Entry(self.show(stored)))
            }
            Op::ReadSlot { slot, .. } => {
                let free = Answer::Slot(SlotContent::Free { filler: None });
                self.find(Place::Slot(*slot)).map_or(free, |stored| Answer::Slot(SlotContent::Occupied(self.show(stored))))
            }
            Op::CreateUser { .. } | Op::DeleteUser { .. } | Op::TakeSeat { .. } | Op::ReleaseSeat { .. } => {
                Answer::Refused(Reason::NotSupported)
            }
            Op::AssignPin { .. } | Op::AdoptEntry { .. } | Op::ReadSite | Op::ReadClock | Op::SetClock { .. } => {
                Answer::Refused(Reason::NotSupported)
            }
            Op::RegisterOffline { .. } | Op::RevokeOffline { .. } | Op::ReadUserLevels => Answer::Refused(Reason::NotSupported),
            Op::CreateEntry { .. }
            | Op::ReplaceEntry { .. }
            | Op::SetSchedule { .. }
            | Op::DeleteEntry { .. }
            | Op::SetSlot { .. }
            | Op::ClearSlot { .. } => self.apply(command),
        })
    }

    fn device_list(&self) -> Vec<DeviceInfo> {
        if self.in_account { vec![self.info.clone()] } else { vec![] }
    }

    fn path_answer(&self, command: &Command) -> Option<Answer> {
        if !self.is_authorized {
            return Some(Answer::Unauthorized);
        }
        command.device?;
        if !self.in_account || command.epoch != self.info.epoch || command.device != Some(self.info.device) {
            return Some(Answer::Gone);
        }
        let is_for_lock = !matches!(command.op, Op::GetDevice | Op::ListEntries { fresh: false, .. });
        (is_for_lock && self.info.online == Some(false)).then_some(Answer::Unreachable(PathPart::Lock))
    }

    fn find(&self, place: Place) -> Option<&Stored> {
        self.memory.iter().find(|stored| stored.place == place)
    }

    fn show(&self, stored: &Stored) -> Item {
        let profile = self.profile();
        let pin = match profile.read_back {
            ReadBack::Exact | ReadBack::ExactLoaded => ShownPin::Shown(stored.pin),
            ReadBack::Masked => ShownPin::Masked,
            ReadBack::Presence | ReadBack::None => ShownPin::Blank,
        };
        Item {
            place: stored.place,
            pin,
            name: profile.shows_names.then(|| stored.name.clone()),
            window: stored.window.filter(|_| profile.schedules).map(|window| window.rounded_outward(profile.round_ms)),
            enabled: stored.enabled,
            on_lock: if stored.is_loaded { OnLock::Yes } else { OnLock::No },
        }
    }

    /// The effect of a mutating command, and its definitive answer.
    fn apply(&mut self, command: &Command) -> Answer {
        let origin = command.for_code;
        match command.op.clone() {
            Op::CreateEntry { pin, name, window } => {
                let place = Place::Handle(Handle(self.next_handle));
                self.next_handle += 1;
                self.write(Stored { place, pin, name, window, enabled: true, origin, touched: false, is_loaded: true, since: self.now })
            }
            Op::ReplaceEntry { handle, pin, name, window } => {
                let place = Place::Handle(handle);
                if self.find(place).is_none() {
                    return Answer::NotFound;
                }
                self.write(Stored { place, pin, name, window, enabled: true, origin, touched: false, is_loaded: true, since: self.now })
            }
            Op::SetSchedule { handle, window } => match self.memory.iter_mut().find(|stored| stored.place == Place::Handle(handle)) {
                Some(stored) => {
                    stored.window = window;
                    Answer::Done { handle: Some(handle) }
                }
                None => Answer::NotFound,
            },
            Op::SetSlot { slot, pin, name } => self.write(Stored {
                place: Place::Slot(slot),
                pin,
                name,
                window: None,
                enabled: true,
                origin,
                touched: false,
                is_loaded: true,
                since: self.now,
            }),
            Op::DeleteEntry { handle } => self.erase(Place::Handle(handle), origin),
            Op::ClearSlot { slot } => self.erase(Place::Slot(slot), origin),
            other => panic!("{other:?} changes nothing"),
        }
    }

    fn write(&mut self, stored: Stored) -> Answer {
        let profile = self.profile().clone();
        let room = (profile.slots - profile.reserved_slots) as usize;
        let is_new = self.find(stored.place).is_none();
        if is_new && self.memory.len() >= room {
            return Answer::Refused(Reason::Full);
        }
        if let Some(there) = self.find(stored.place) {
            // Nobody can know of a newcomer that no sync has shown.
            let is_unknown = there.origin.is_none() && self.now - there.since < 10 * MINUTE;
            assert!(there.origin == stored.origin || is_unknown, "{stored:?} clobbers {there:?}");
        }
        if self.memory.iter().any(|other| other.place != stored.place && other.pin == stored.pin) {
            match profile.duplicate {
                DuplicatePolicy::Reject => return Answer::Refused(Reason::PinTaken),
                DuplicatePolicy::RejectUnclear => return Answer::MaybeDuplicate,
                DuplicatePolicy::Notify => {
                    if let Place::Slot(slot) = stored.place {
                        self.plan(3 * SECOND_MS, Occurrence::Notice(News::NotAdded { slot, duplicate: true }));
                    }
                    return Answer::Done { handle: None };
                }
                DuplicatePolicy::Silent => return Answer::Done { handle: None },
                DuplicatePolicy::Accept => {}
            }
        }
        let place = stored.place;
        self.memory.retain(|other| other.place != place);
        self.memory.push(stored);
        self.memory.sort_by_key(|stored| stored.place);
        if self.sends_notices && profile.notices.entry {
            self.plan(2 * SECOND_MS, Occurrence::Notice(News::EntryAdded(place)));
        }
        match place {
            Place::Handle(handle) => Answer::Done { handle: Some(handle) },
            Place::Slot(_) => Answer::Done { handle: None },
        }
    }

    fn erase(&mut self, place: Place, origin: Option<CodeId>) -> Answer {
        let Some(there) = self.find(place) else {
            return match self.profile().family {
                Family::ById | Family::Offline => Answer::NotFound,
                Family::BySlot => Answer::Done { handle: None },
                Family::BySeat => unreachable!("the bench has no site"),
            };
        };
        assert!(there.origin == origin, "{origin:?} erases {there:?}");
        self.memory.retain(|stored| stored.place != place);
        if self.sends_notices && self.profile().notices.entry {
            self.plan(2 * SECOND_MS, Occurrence::Notice(News::EntryRemoved(place)));
        }
        Answer::Done { handle: None }
    }

    // Other people.

    pub fn stranger_sets(&mut self, place: Place, text: &str) {
        let stored = Stored {
            place,
            pin: pin(text),
            name: "Stranger".into(),
            window: None,
            enabled: true,
            origin: None,
            touched: false,
            is_loaded: true,
            since: self.now,
        };
        self.memory.retain(|other| other.place != place);
        self.memory.push(stored);
        self.memory.sort_by_key(|stored| stored.place);
    }

    /// Somebody removes the entry of a code.
    pub fn somebody_removes(&mut self, id: CodeId) {
        self.touched.insert(id);
        self.memory.retain(|stored| stored.origin != Some(id));
    }

    /// Somebody changes the PIN of a code's entry.
    pub fn somebody_changes(&mut self, id: CodeId, text: &str) {
        self.touched.insert(id);
        for stored in self.memory.iter_mut().filter(|stored| stored.origin == Some(id)) {
            stored.pin = pin(text);
            stored.touched = true;
        }
    }
}

/// Only the edges of the transition table, or two of them in one step.
fn check_status(before: Option<Status>, record: &Record) {
    let is_legal = match (before, record.status) {
        (None, Status::Unset | Status::Setting | Status::Unknown) => true,
        (None, Status::Set) => !record.is_managed,
        (Some(Status::Removing), Status::Set) => false,
        (Some(Status::Unset), Status::Removing) => true,
        (None, Status::Removing) => false,
        (Some(_), _) => true,
    };
    assert!(is_legal, "from {before:?}: {record:?}");
    let (errors, warnings) = (&record.errors, &record.warnings);
    let names = errors.iter().map(|entry| entry.error_code.name()).chain(warnings.iter().map(|entry| entry.warning_code.name()));
    let is_removal = |name: &str| {
        matches!(name, "delay_in_removing_from_device" | "failed_to_remove_from_device" | "kwikset_unable_to_confirm_deletion")
    };
    for name in names {
        let is_setting = !is_removal(name) && name != "code_modified_external_to_seam";
        match record.status {
            // A lock may drop off during a removal too (W9, E18).
            Status::Removing => assert!(!is_setting || name == "august_lock_temporarily_offline", "{record:?}"),
            Status::Unknown => {}
            Status::Set | Status::Setting | Status::Unset => assert!(!is_removal(name), "{record:?}"),
        }
    }
    let is_error = errors.iter().any(|entry| entry.error_code == ErrorCode::CodeModifiedExternalToSeam);
    let is_warning = warnings.iter().any(|entry| entry.warning_code == WarningCode::CodeModifiedExternalToSeam);
    let allows = record.is_external_modification_allowed;
    assert!(!(allows && is_error) && (allows || !is_warning), "{record:?}");
}

/// The slot with this number.
pub fn slot(number: u16) -> Place {
    Place::Slot(Slot(number))
}

/// All vendors but those of which nothing can be read back: there the reference does not yet come to rest after every lost answer.
pub fn readable_vendors() -> impl Iterator<Item = Vendor> {
    Vendor::ALL.iter().copied().filter(|vendor| vendor.profile().read_back != ReadBack::None)
}
