//! Streams of occurrences written by hand, for the tests of those who watch them.

use keyway_core::access_code::{Record, Status, Type};
use keyway_core::config::{Config, ExpiredRecordPolicy, PolicyConstants};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CallId, CodeId, CommandId, DeviceId, Epoch, EventId, Key, Slot, VendorDevice, WorkspaceId};
use keyway_core::pin::PinEquality;
use keyway_core::port::{Answer, Command, Op, Place};
use keyway_core::problem::{ErrorCode, ErrorEntry};
use keyway_core::request::{Create, Refusal, Request, RequestedCode, Response};
use keyway_core::time::{Timestamp, Window};
use keyway_core::vendor::DuplicatePolicy;

use crate::occurrence::{Cause, Change, Facts, Lock, LockFacts, Occurrence, Origin, Phase, TrueEntry};
use crate::plan::Plan;
use crate::plan_text::Offset;
use crate::scenario;

/// A plan and a stream that grows line by line.
pub struct Hand {
    pub plan: Plan,
    pub facts: Facts,
    pub log: Vec<(Timestamp, Occurrence)>,
    now: Timestamp,
    commands: u64,
}

/// The code that this test calls by this letter.
pub fn code(name: &str) -> CodeId {
    CodeId(name.bytes().fold(0xC0DE, |id, byte| id * 257 + u128::from(byte)))
}

impl Hand {
    /// The story in this text, at `+0`.
    pub fn telling(text: &str) -> Self {
        let plan = scenario::parse("hand.json", text).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))).remove(0);
        let locks = plan.devices.iter().map(|device| {
            let profile = device.vendor.expect("the tests name vendors").profile();
            let usable_slots = device.slots.unwrap_or(profile.slots);
            let twins = (profile.duplicate != DuplicatePolicy::Accept).then_some(PinEquality::Exact);
            let (device_id, account) = (DeviceId::of(AccountId::numbered(0), &device.name), AccountId::numbered(0));
            let (name, clock_settable) = (device.name.clone(), profile.clock_settable);
            LockFacts {
                name,
                device: device_id,
                account,
                view_of: None,
                hub: None,
                profile: profile.into(),
                usable_slots,
                master_prefix: None,
                twins,
                one_length: false,
                scan_ends_at: None,
                clock_settable,
                told_zone: None,
            }
        });
        let config = Config {
            workspaces: vec![WorkspaceId::numbered(0)],
            accounts: vec![],
            profiles: vec![],
            zones: std::collections::BTreeMap::new(),
            policy: PolicyConstants::default(),
            expired_record_policy: ExpiredRecordPolicy::Delete,
            entropy: 0,
            waivers: vec![],
        };
        let facts = Facts { config, locks: locks.collect(), begins_at: plan.start.0 };
        let now = plan.start.0;
        Self { plan, facts, log: vec![(now, Occurrence::Phase(Phase::Safety))], now, commands: 0 }
    }

    /// From now on it is this time.
    pub fn at(&mut self, offset: &str) -> &mut Self {
        let offset: Offset = serde_json::from_value(offset.into()).expect("an offset");
        self.now = self.plan.instant(offset);
        self
    }

    pub fn instant(&self) -> Timestamp {
        self.now
    }

    pub fn add(&mut self, occurrence: Occurrence) -> &mut Self {
        self.log.push((self.now, occurrence));
        self
    }

    /// A create call, its record, its event and its answer, in one step.
    pub fn created(&mut self, step: u64, name: &str, pin: &str) -> &mut Self {
        let device_id = self.facts.locks[0].device;
        let request = Request::Create(Create { device_id, code: Some(RequestedCode::Text(pin.into())), ..Create::default() });
        let call_id = CallId(step);
        self.add(Occurrence::StepBegan);
        self.add(Occurrence::Called { call_id, workspace: WorkspaceId::numbered(0), request });
        self.event(name, EventType::Created);
        self.add(Occurrence::Replied { call_id, result: Ok(Response::AccessCode(code(name))) });
        self.add(Occurrence::Bound { name: name.into(), code: code(name) });
        self.shown(name, pin, Status::Setting, &[])
    }

    /// A call that is refused.
    pub fn refused(&mut self, step: u64, refusal: Refusal) -> &mut Self {
        self.add(Occurrence::Replied { call_id: CallId(step), result: Err(refusal) })
    }

    /// The record of a code as it is now.
    pub fn shown(&mut self, name: &str, pin: &str, status: Status, errors: &[ErrorCode]) -> &mut Self {
        let errors = errors.iter().map(|error_code| ErrorEntry { error_code: *error_code, created_at: self.now }).collect();
        let record = Record {
            access_code_id: code(name),
            workspace_id: WorkspaceId::numbered(0),
            device_id: self.facts.locks[0].device,
            code: Some(pin.parse().expect("a PIN")),
            common_code_key: None,
            created_at: self.plan.start.0,
            starts_at: None,
            ends_at: None,
            errors,
            warnings: vec![],
            is_backup: false,
            is_external_modification_allowed: false,
            is_managed: true,
            is_offline_access_code: false,
            is_one_time_use: false,
            is_scheduled_on_device: false,
            is_waiting_for_code_assignment: false,
            name: None,
            pulled_backup_access_code_id: None,
            status,
            kind: Type::Ongoing,
        };
        self.add(Occurrence::Recorded { code: code(name), after: Some(Box::new(record)) });
        self.add(Occurrence::StepEnded)
    }

    /// An event, and the save that contains it.
    pub fn event(&mut self, name: &str, event_type: EventType) -> &mut Self {
        let at = self.now;
        self.add(Occurrence::Emitted(Event {
            access_code_id: code(name),
            backup_access_code_id: None,
            code: None,
            connected_account_id: AccountId::numbered(0),
            created_at: at,
            device_id: self.facts.locks[0].device,
            event_id: EventId(self.log.len() as u128),
            event_type,
            occurred_at: at,
            workspace_id: WorkspaceId::numbered(0),
        }));
        self.add(Occurrence::Saved)
    }

    /// A command to the first lock.
    pub fn sends(&mut self, for_code: &str, op: Op) -> &mut Self {
        self.commands += 1;
        let command = Command {
            command_id: CommandId(self.commands),
            key: Key(self.commands),
            account: AccountId::numbered(0),
            device: Some(VendorDevice(1)),
            epoch: Epoch(1),
            for_code: Some(code(for_code)),
            op,
        };
        self.add(Occurrence::Commanded { command, lock: Some(Lock(0)) })
    }

    pub fn sets_slot(&mut self, for_code: &str, slot: u16, pin: &str) -> &mut Self {
        self.sends(for_code, Op::SetSlot { slot: Slot(slot), pin: pin.parse().expect("a PIN"), name: "x".into() })
    }

    /// The answer to the last command.
    pub fn answered(&mut self, answer: Answer) -> &mut Self {
        let command_id = CommandId(self.commands);
        self.add(Occurrence::Answered { command_id, answer, snapshot_at: None })
    }

    /// An entry appears in the first lock: of this code, or of a stranger.
    pub fn stored(&mut self, slot: u16, pin: &str, owner: Option<&str>, window: Option<Window>) -> &mut Self {
        let origin = owner.map_or(Origin::External, |name| Origin::Code(code(name)));
        let cause = if owner.is_some() { Cause::Command(CommandId(self.commands)) } else { Cause::World };
        let pin = pin.parse().expect("a PIN");
        let entry = TrueEntry { pin, name: "x".into(), window, kept: None, enabled: true, hidden: false, origin };
        self.add(Occurrence::Truth { lock: Lock(0), change: Change::Stored { place: Place::Slot(Slot(slot)), entry }, cause })
    }

    pub fn erased(&mut self, slot: u16) -> &mut Self {
        self.add(Occurrence::Truth { lock: Lock(0), change: Change::Erased { place: Place::Slot(Slot(slot)) }, cause: Cause::World })
    }

    pub fn entered(&mut self, pin: &str, opened: bool) -> &mut Self {
        self.add(Occurrence::Entered { lock: Lock(0), pin: pin.parse().expect("a PIN"), opened })
    }
}
