//! A kit for hand-written histories: the judge's tests tell short stories with it, lawful ones and ones that break a single rule.
#![allow(dead_code, clippy::needless_pass_by_value)] // A kit: not every tool is in use, and arguments are written inline.

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::config::{AccountConfig, Config, ExpiredRecordPolicy, PolicyConstants};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CallId, CodeId, CommandId, DeviceId, Epoch, EventId, Handle, Key, Slot, VendorDevice, WorkspaceId};
use keyway_core::pin::{Pin, PinEquality};
use keyway_core::port::{Answer, Command, Item, News, Notice, OnLock, Op, Place, ShownPin, SlotContent};
use keyway_core::request::{Create, Delete, Request, Response, Update};
use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp, Window};
use keyway_core::vendor::{DuplicatePolicy, Vendor};

use super::Judge;
use crate::history::History;
use crate::invariant::{Found, Invariant};
use crate::occurrence::{Cause, Change, Facts, Lock, LockFacts, Occurrence, Origin, Phase, TrueEntry};

/// When stories begin.
pub const BEGIN: Timestamp = Timestamp(1_767_600_000_000);
/// A GenericCloud lock named `cloud`, behind no hub: schedules, places entries by handle.
pub const CLOUD: Lock = Lock(0);
/// A GenericSlot lock named `slot`, behind a hub: no schedules, numbered slots.
pub const SLOT: Lock = Lock(1);

/// The PIN of these digits.
pub fn pin(digits: &str) -> Pin {
    digits.parse().expect("digits")
}

/// A write into a slot, under a name of nobody's.
pub fn set_slot(slot: u16, digits: &str) -> Op {
    Op::SetSlot { slot: Slot(slot), pin: pin(digits), name: "code".into() }
}

/// A history under way, and the judge who watches it.
pub struct Story {
    /// The judge.
    pub judge: Judge,
    now: Timestamp,
    next: u64,
    records: Vec<Record>,
}

impl Story {
    /// A story judged by these checkers only, in which the controller has started and both locks are read through.
    pub fn judged_by(checkers: Vec<Box<dyn Invariant>>) -> Self {
        Self::with(checkers, |_| {})
    }

    /// The same, with other facts.
    pub fn with(checkers: Vec<Box<dyn Invariant>>, adapt: impl FnOnce(&mut Facts)) -> Self {
        let mut facts = facts();
        adapt(&mut facts);
        let judge = Judge::with_checkers(facts, checkers, Found::new(&[]));
        let mut story = Self { judge, now: BEGIN, next: 1, records: Vec::new() };
        story.occur(Occurrence::Phase(Phase::Prologue));
        for lock in [CLOUD, SLOT] {
            story.truth(lock, Change::Joined { device: VendorDevice(lock.0), epoch: Epoch(1) }, Cause::Beginning);
        }
        story.occur(Occurrence::Started { restart: false });
        story.wait(SECOND_MS);
        story.occur(Occurrence::Phase(Phase::Safety));
        for lock in [CLOUD, SLOT] {
            story.list(lock);
        }
        story.wait(DAY);
        story
    }

    /// A story judged by every checker there is.
    pub fn judged_by_all() -> Self {
        Self::judged_by(crate::invariant::checkers(&[]))
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The instant `ms` from now.
    pub fn after(&self, ms: i64) -> Timestamp {
        self.now + ms
    }

    /// The window from `from` to `to` milliseconds from now.
    pub fn window(&self, from: i64, to: i64) -> Window {
        Window { starts_at: self.after(from), ends_at: self.after(to) }
    }

    /// The shadow.
    pub fn history(&self) -> &History {
        self.judge.history()
    }

    /// Lets something happen now.
    pub fn occur(&mut self, occurrence: Occurrence) {
        self.judge.observe(self.now, &occurrence);
    }

    /// Lets time pass, with all the judge's deadlines.
    pub fn wait(&mut self, ms: i64) {
        let until = self.now + ms;
        while let Some(at) = self.judge.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.judge.deadline(self.now);
        }
        self.now = until;
    }

    /// Lets time pass until that instant.
    pub fn wait_until(&mut self, at: Timestamp) {
        self.wait(at - self.now);
    }

    /// A step: an input, then outputs and views read.
    pub fn step(&mut self, input: Occurrence, rest: Vec<Occurrence>) {
        self.occur(Occurrence::StepBegan);
        self.occur(input);
        for occurrence in rest {
            self.occur(occurrence);
        }
        self.occur(Occurrence::StepEnded);
    }

    /// A fresh record as `create` would make it; nothing happens yet.
    pub fn draft(&mut self, lock: Lock, digits: &str, window: Option<Window>) -> Record {
        Record {
            access_code_id: CodeId(u128::from(self.number())),
            workspace_id: WorkspaceId::numbered(0),
            device_id: self.device(lock),
            code: Some(pin(digits)),
            common_code_key: None,
            created_at: self.now,
            starts_at: window.map(|window| window.starts_at),
            ends_at: window.map(|window| window.ends_at),
            errors: Vec::new(),
            warnings: Vec::new(),
            is_backup: false,
            is_external_modification_allowed: false,
            is_managed: true,
            is_offline_access_code: false,
            is_one_time_use: false,
            is_scheduled_on_device: false,
            is_waiting_for_code_assignment: false,
            name: Some(format!("code {digits}")),
            pulled_backup_access_code_id: None,
            status: Status::Unset,
            kind: if window.is_some() { Type::TimeBound } else { Type::Ongoing },
        }
    }

    /// The call that makes this record.
    pub fn create_request(record: &Record) -> Request {
        Request::Create(Create {
            device_id: record.device_id,
            name: record.name.clone(),
            code: record.code.map(Into::into),
            starts_at: record.starts_at,
            ends_at: record.ends_at,
            is_external_modification_allowed: Some(record.is_external_modification_allowed),
            ..Create::default()
        })
    }

    /// Creates this record through the API in one step: call, event, save, answer, view.
    pub fn create(&mut self, record: Record) -> CodeId {
        let id = record.access_code_id;
        let rest = vec![self.emits(&record, EventType::Created), Occurrence::Saved];
        self.call(Self::create_request(&record), Response::AccessCode(id), rest, vec![record]);
        id
    }

    /// A code on this lock with this status from its creation on.
    pub fn code(&mut self, lock: Lock, digits: &str, window: Option<Window>, status: Status) -> CodeId {
        let mut record = self.draft(lock, digits, window);
        record.status = status;
        self.create(record)
    }

    /// A code that is confirmed on its lock: created, written, answered `Done`, and shown `set` (or scheduled, if its window lies ahead).
    pub fn confirmed(&mut self, lock: Lock, digits: &str, window: Option<Window>) -> CodeId {
        let is_ahead = window.is_some_and(|window| window.starts_at > self.now);
        let id = self.code(lock, digits, window, if is_ahead { Status::Unset } else { Status::Setting });
        self.write(id);
        self.wait(MINUTE_MS);
        id
    }

    /// Writes a code as declared to its lock, at once, and confirms it in its record.
    pub fn write(&mut self, id: CodeId) -> Place {
        let record = self.record(id).clone();
        let lock = self.lock_of(&record);
        let op = self.write_op(&record);
        let command = self.command(lock, Some(id), op);
        self.wait(SECOND_MS);
        let place = self.store(lock, Some(id), command);
        let handle = match place {
            Place::Handle(handle) => Some(handle),
            Place::Slot(_) => None,
        };
        let is_ahead = record.starts_at.is_some_and(|starts_at| starts_at > self.now);
        let events = if is_ahead { EventType::ScheduledOnDevice } else { EventType::SetOnDevice };
        let rest = vec![self.emits(&record, events), Occurrence::Saved];
        let mut after = record;
        after.is_scheduled_on_device = is_ahead || (lock == CLOUD && after.kind == Type::TimeBound);
        after.status = if is_ahead { Status::Unset } else { Status::Set };
        self.answer_with(command, Answer::Done { handle }, rest, vec![after]);
        place
    }

    /// The command that writes a record as declared: `CreateEntry`, or `SetSlot` to the first free slot.
    pub fn write_op(&self, record: &Record) -> Op {
        let (pin, name) = (record.code.expect("a PIN"), record.name.as_deref().unwrap_or_default().into());
        let lock = self.lock_of(record);
        if lock == CLOUD {
            return Op::CreateEntry { pin, name, window: record.window() };
        }
        let memory = &self.history().lock(lock).memory;
        let slot = (1..=u16::MAX).map(Slot).find(|slot| !memory.contains_key(&Place::Slot(*slot))).expect("a free slot");
        Op::SetSlot { slot, pin, name }
    }

    /// Sends a command in a step of its own.
    pub fn command(&mut self, lock: Lock, for_code: Option<CodeId>, op: Op) -> CommandId {
        let command = self.draft_command(lock, for_code, op);
        let id = command.command_id;
        self.step(Occurrence::Woken, vec![Occurrence::Saved, Occurrence::Commanded { command, lock: Some(lock) }]);
        id
    }

    /// A command with a key of its own; nothing happens yet.
    pub fn draft_command(&mut self, lock: Lock, for_code: Option<CodeId>, op: Op) -> Command {
        let number = self.number();
        Command {
            command_id: CommandId(number),
            key: Key(number),
            account: AccountId::numbered(lock.0),
            device: Some(VendorDevice(lock.0)),
            epoch: Epoch(1),
            for_code,
            op,
        }
    }

    /// The lock does what a writing command says; gives the place.
    pub fn store(&mut self, lock: Lock, origin: Option<CodeId>, command: CommandId) -> Place {
        let op = self.history().command(command).expect("a command").op.clone();
        let (place, pin, name, window) = match op {
            Op::CreateEntry { pin, name, window } => (Place::Handle(Handle(self.number() as u32)), pin, name, window),
            Op::ReplaceEntry { handle, pin, name, window } => (Place::Handle(handle), pin, name, window),
            Op::SetSlot { slot, pin, name } => (Place::Slot(slot), pin, name, None),
            other => panic!("{other:?} stores nothing"),
        };
        let origin = origin.map_or(Origin::Unclaimed, Origin::Code);
        let window = window.map(|window| window.rounded_outward(MINUTE_MS));
        let entry = TrueEntry { pin, name, window, kept: None, enabled: true, hidden: false, origin };
        self.truth(lock, Change::Stored { place, entry }, Cause::Command(command));
        place
    }

    /// Delivers an answer in a step of its own, and nothing follows from it.
    pub fn answer(&mut self, command: CommandId, answer: Answer) {
        self.answer_with(command, answer, Vec::new(), Vec::new());
    }

    /// Delivers an answer; then come outputs, then the views of records that changed.
    pub fn answer_with(&mut self, command_id: CommandId, answer: Answer, mut rest: Vec<Occurrence>, changed: Vec<Record>) {
        rest.extend(changed.into_iter().map(|record| self.shows(record)));
        self.step(Occurrence::Answered { command_id, answer, snapshot_at: Some(self.now) }, rest);
    }

    /// A call that is answered ok; outputs come before the answer, views after it.
    pub fn call(&mut self, request: Request, response: Response, mut rest: Vec<Occurrence>, changed: Vec<Record>) {
        let call_id = CallId(self.number());
        rest.push(Occurrence::Replied { call_id, result: Ok(response) });
        rest.extend(changed.into_iter().map(|record| self.shows(record)));
        self.step(Occurrence::Called { call_id, workspace: WorkspaceId::numbered(0), request }, rest);
    }

    /// Updates PIN and window through the API, and shows the record with this status.
    pub fn update(&mut self, id: CodeId, digits: Option<&str>, window: Option<Window>, status: Status) {
        let mut record = self.record(id).clone();
        let request = Request::Update(Update {
            access_code_id: id,
            code: digits.map(|digits| pin(digits).into()),
            starts_at: window.map(|window| window.starts_at),
            ends_at: window.map(|window| window.ends_at),
            ..Update::default()
        });
        record.code = digits.map(pin).or(record.code);
        if let Some(window) = window {
            (record.starts_at, record.ends_at, record.kind) = (Some(window.starts_at), Some(window.ends_at), Type::TimeBound);
        }
        (record.status, record.is_scheduled_on_device) = (status, false);
        let rest = vec![self.emits(&record, EventType::Changed), Occurrence::Saved];
        self.call(request, Response::AccessCode(id), rest, vec![record]);
    }

    /// Deletes through the API, and shows the record with `removing`.
    pub fn delete(&mut self, id: CodeId) {
        let mut record = self.record(id).clone();
        record.status = Status::Removing;
        let request = Request::Delete(Delete { access_code_id: id, device_id: None });
        self.call(request, Response::Done, vec![Occurrence::Saved], vec![record]);
    }

    /// Shows a record changed, in a step by a wake without further outputs.
    pub fn change(&mut self, id: CodeId, change: impl FnOnce(&mut Record)) {
        let mut record = self.record(id).clone();
        change(&mut record);
        let shows = self.shows(record);
        self.step(Occurrence::Woken, vec![Occurrence::Saved, shows]);
    }

    /// The record goes, with its two events, in a step by a wake.
    pub fn drop_record(&mut self, id: CodeId) {
        let record = self.record(id).clone();
        let removed = self.emits(&record, EventType::RemovedFromDevice);
        let deleted = self.emits(&record, EventType::Deleted);
        self.records.retain(|known| known.access_code_id != id);
        let gone = Occurrence::Recorded { code: id, after: None };
        self.step(Occurrence::Woken, vec![removed, deleted, Occurrence::Saved, gone]);
    }

    /// Erases an entry by a command that is answered `Done`; the record is left as it is.
    pub fn erase(&mut self, id: CodeId, place: Place) {
        let lock = self.lock_of(&self.record(id).clone());
        let op = match place {
            Place::Handle(handle) => Op::DeleteEntry { handle },
            Place::Slot(slot) => Op::ClearSlot { slot },
        };
        let command = self.command(lock, Some(id), op);
        self.wait(SECOND_MS);
        self.truth(lock, Change::Erased { place }, Cause::Command(command));
        self.answer(command, Answer::Done { handle: None });
    }

    /// The truth of a lock changes.
    pub fn truth(&mut self, lock: Lock, change: Change, cause: Cause) {
        self.occur(Occurrence::Truth { lock, change, cause });
    }

    /// Somebody else stores a PIN.
    pub fn person_stores(&mut self, lock: Lock, place: Place, digits: &str) {
        self.world_stores(lock, place, entry(digits, Origin::External));
    }

    /// The world puts an entry somewhere.
    pub fn world_stores(&mut self, lock: Lock, place: Place, entry: TrueEntry) {
        self.occur(Occurrence::Disturbed { lock });
        self.truth(lock, Change::Stored { place, entry }, Cause::World);
    }

    /// The world takes an entry away.
    pub fn world_erases(&mut self, lock: Lock, place: Place) {
        self.occur(Occurrence::Disturbed { lock });
        self.truth(lock, Change::Erased { place }, Cause::World);
    }

    /// A complete listing, asked for and delivered at once, which shows everything.
    pub fn list(&mut self, lock: Lock) {
        self.list_with(lock, false, Vec::new());
    }

    /// A complete listing; with its answer come outputs.
    pub fn list_with(&mut self, lock: Lock, fresh: bool, rest: Vec<Occurrence>) {
        let command = self.command(lock, None, Op::ListEntries { page: 0, fresh });
        let state = self.history().lock(lock);
        let items =
            state.memory.iter().filter(|(_, stored)| !stored.entry.hidden).map(|(place, stored)| item(*place, &stored.entry)).collect();
        self.answer_with(command, Answer::Entries { items, next_page: None }, rest, Vec::new());
    }

    /// A fresh read of one place, asked for and delivered at once.
    pub fn read(&mut self, lock: Lock, place: Place) {
        let found = self.history().lock(lock).memory.get(&place).map(|stored| item(place, &stored.entry));
        let (op, answer) = match place {
            Place::Handle(handle) => (Op::ReadEntry { handle, fresh: true }, found.map_or(Answer::NotFound, Answer::Entry)),
            Place::Slot(slot) => {
                let content = found.map_or(SlotContent::Free { filler: None }, SlotContent::Occupied);
                (Op::ReadSlot { slot, fresh: true }, Answer::Slot(content))
            }
        };
        let command = self.command(lock, None, op);
        self.answer(command, answer);
    }

    /// A notice is delivered in a step of its own.
    pub fn notice(&mut self, lock: Lock, news: News, rest: Vec<Occurrence>) {
        let notice = self.draft_notice(lock, news);
        self.step(notice, rest);
    }

    /// A notice of this instant, not yet delivered.
    pub fn draft_notice(&mut self, lock: Lock, news: News) -> Occurrence {
        let notice = Notice {
            account: AccountId::numbered(lock.0),
            device: Some(VendorDevice(lock.0)),
            epoch: Epoch(1),
            device_time: None,
            serial: self.number(),
            news,
        };
        Occurrence::Noticed { notice, snapshot_at: self.now, lock: Some(lock) }
    }

    /// Shows a device changed, in a step by a wake.
    pub fn device_shows(&mut self, lock: Lock, change: impl FnOnce(&mut DeviceRecord)) {
        let shows = self.device_view(lock, change);
        self.step(Occurrence::Woken, vec![Occurrence::Saved, shows]);
    }

    /// A device's view as last read, changed.
    pub fn device_view(&mut self, lock: Lock, change: impl FnOnce(&mut DeviceRecord)) -> Occurrence {
        let device_id = self.device(lock);
        let known = self.history().lock(lock).device.as_deref().cloned();
        let mut record = known.unwrap_or(DeviceRecord {
            device_id,
            errors: Vec::new(),
            account_errors: Vec::new(),
            warnings: Vec::new(),
            is_backup_pool_active: false,
            is_backup_access_code_available: false,
        });
        change(&mut record);
        Occurrence::DeviceRecorded { device: device_id, after: Some(Box::new(record)) }
    }

    /// The controller dies and comes back after `down`; the records are read again as they are here.
    pub fn crash(&mut self, down: i64, records: impl FnOnce(&mut Vec<Record>)) {
        self.occur(Occurrence::Crashed);
        self.wait(down);
        self.occur(Occurrence::Started { restart: true });
        let before: Vec<CodeId> = self.records.iter().map(|record| record.access_code_id).collect();
        records(&mut self.records);
        let after = self.records.clone();
        for id in before.iter().filter(|id| after.iter().all(|record| record.access_code_id != **id)) {
            self.occur(Occurrence::Recorded { code: *id, after: None });
        }
        for record in after {
            self.occur(Occurrence::Recorded { code: record.access_code_id, after: Some(Box::new(record)) });
        }
        self.occur(Occurrence::StepEnded);
        self.step(Occurrence::Woken, Vec::new());
    }

    /// An event about a record, of this instant.
    pub fn emits(&mut self, record: &Record, event_type: EventType) -> Occurrence {
        let lock = self.lock_of(record);
        Occurrence::Emitted(Event {
            access_code_id: record.access_code_id,
            backup_access_code_id: None,
            code: if event_type.has_code() { record.code } else { None },
            connected_account_id: AccountId::numbered(lock.0),
            created_at: self.now,
            device_id: record.device_id,
            event_id: EventId(u128::from(self.number())),
            event_type,
            occurred_at: self.now,
            workspace_id: record.workspace_id,
        })
    }

    /// The view of a record, which is from now on what the story knows of it.
    pub fn shows(&mut self, record: Record) -> Occurrence {
        self.records.retain(|known| known.access_code_id != record.access_code_id);
        self.records.push(record.clone());
        Occurrence::Recorded { code: record.access_code_id, after: Some(Box::new(record)) }
    }

    /// A record as last shown.
    pub fn record(&self, id: CodeId) -> &Record {
        self.records.iter().find(|record| record.access_code_id == id).expect("a record")
    }

    /// Where the entry of a code lies.
    pub fn place_of(&self, id: CodeId) -> Place {
        let lock = self.lock_of(self.record(id));
        let memory = &self.history().lock(lock).memory;
        *memory.iter().find(|(_, stored)| stored.entry.origin == Origin::Code(id)).expect("an entry").0
    }

    /// The ids that the first violating step broke.
    pub fn broken(&self) -> Vec<String> {
        let violations = self.judge.finding().map(|finding| finding.violations).unwrap_or_default();
        violations.into_iter().map(|violation| violation.id).collect()
    }

    /// Asserts that exactly this was broken, and shows what was found if not.
    #[track_caller]
    pub fn must_break(&mut self, id: &str) {
        self.judge.check_fully(self.now);
        assert_eq!(self.broken(), [id], "{:#?}", self.judge.finding());
    }

    /// Asserts that nothing was broken, by the quick way or the slow one.
    #[track_caller]
    pub fn must_hold(&mut self) {
        self.judge.check_fully(self.now);
        assert_eq!(self.judge.finding(), None);
    }

    /// A lock's id at the boundary.
    pub fn device(&self, lock: Lock) -> DeviceId {
        self.history().lock(lock).facts.device
    }

    fn lock_of(&self, record: &Record) -> Lock {
        self.history().find_lock(record.device_id).expect("a lock")
    }

    /// A number never given before.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

const DAY: i64 = 24 * HOUR_MS;

/// An enabled entry without a schedule.
pub fn entry(digits: &str, origin: Origin) -> TrueEntry {
    TrueEntry { pin: pin(digits), name: "entry".into(), window: None, kept: None, enabled: true, hidden: false, origin }
}

/// An entry as an exact read shows it.
pub fn item(place: Place, entry: &TrueEntry) -> Item {
    Item {
        place,
        pin: ShownPin::Shown(entry.pin),
        name: Some(entry.name.clone()),
        window: entry.window,
        enabled: entry.enabled,
        on_lock: OnLock::Yes,
    }
}

/// One account and one lock of each of the two generic vendors.
pub fn facts() -> Facts {
    let vendors = [Vendor::GenericCloud, Vendor::GenericSlot];
    let account = |(number, vendor): (u32, Vendor)| AccountConfig {
        account: AccountId::numbered(number),
        workspace: WorkspaceId::numbered(0),
        vendor,
        zone: None,
    };
    let lock = |(number, vendor): (u32, Vendor)| {
        let name = if vendor == Vendor::GenericCloud { "cloud" } else { "slot" };
        let account = AccountId::numbered(number);
        LockFacts {
            name: name.to_owned(),
            device: DeviceId::of(account, name),
            account,
            view_of: None,
            hub: (vendor == Vendor::GenericSlot).then_some(0),
            master_prefix: None,
            usable_slots: vendor.profile().slots,
            one_length: false,
            scan_ends_at: None,
            clock_settable: vendor.profile().clock_settable,
            told_zone: None,
            twins: (vendor.profile().duplicate != DuplicatePolicy::Accept).then_some(PinEquality::Exact),
            profile: vendor.profile().into(),
        }
    };
    Facts {
        config: Config {
            workspaces: vec![WorkspaceId::numbered(0)],
            accounts: (0..).zip(vendors).map(account).collect(),
            profiles: vendors.map(Vendor::profile).to_vec(),
            zones: std::collections::BTreeMap::new(),
            policy: PolicyConstants::default(),
            expired_record_policy: ExpiredRecordPolicy::Delete,
            entropy: 0,
            waivers: Vec::new(),
        },
        locks: (0..).zip(vendors).map(lock).collect(),
        begins_at: BEGIN,
    }
}

#[test]
fn a_lawful_life_breaks_nothing() {
    let mut story = Story::judged_by_all();
    let id = story.confirmed(SLOT, "1234", None);
    story.occur(Occurrence::Entered { lock: SLOT, pin: pin("1234"), opened: true });
    story.delete(id);
    let place = story.place_of(id);
    story.erase(id, place);
    story.drop_record(id);
    story.occur(Occurrence::Entered { lock: SLOT, pin: pin("1234"), opened: false });
    story.must_hold();
}

#[test]
fn a_door_that_opens_by_itself_is_a_bug_of_the_harness() {
    let mut story = Story::judged_by_all();
    story.occur(Occurrence::Entered { lock: SLOT, pin: pin("1234"), opened: true });
    story.must_break("harness");
}
