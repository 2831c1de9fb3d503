//! What every controller keeps, whatever it decides: the records and devices that its API shows, and the numbers of its commands and events.
//! A controller of your own may begin with it; nothing here wants it.

use std::collections::BTreeMap;

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::config::Config;
use keyway_core::controller::{Output, Outputs};
use keyway_core::draw::{Purpose, draw_uuid};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CodeId, CommandId, DeviceId, Epoch, EventId, Key, WorkspaceId};
use keyway_core::port::{Command, DeviceInfo, Op};
use keyway_core::time::Timestamp;

/// The records and devices of one account. Whatever changes them tells of it.
#[derive(Debug)]
pub struct Book {
    account: AccountId,
    workspace: WorkspaceId,
    entropy: u64,
    records: BTreeMap<CodeId, Record>,
    devices: BTreeMap<DeviceId, DeviceRecord>,
    codes: u64,
    commands: u64,
    events: u64,
}

impl Book {
    /// An empty one of the first account.
    ///
    /// # Panics
    /// If there is no account.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let account = &config.accounts[0];
        Self {
            account: account.account,
            workspace: account.workspace,
            entropy: config.entropy,
            records: BTreeMap::new(),
            devices: BTreeMap::new(),
            codes: 0,
            commands: 0,
            events: 0,
        }
    }

    /// What the API shows of access codes.
    #[must_use]
    pub fn records(&self) -> &BTreeMap<CodeId, Record> {
        &self.records
    }

    /// What the API shows of devices.
    #[must_use]
    pub fn devices(&self) -> &BTreeMap<DeviceId, DeviceRecord> {
        &self.devices
    }

    /// How many commands were sent.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// A device as its vendor tells of it; its id.
    pub fn meet(&mut self, info: &DeviceInfo, out: &mut Outputs) -> DeviceId {
        let id = DeviceId::of(self.account, info.serial.as_deref().unwrap_or_default());
        self.devices.entry(id).or_insert_with(|| DeviceRecord::new(id));
        out.push(Output::ChangedDevice(id));
        id
    }

    /// A record that is not in the book yet, of an ongoing code that is being set.
    pub fn draft(&mut self, now: Timestamp, device: DeviceId) -> Record {
        self.codes += 1;
        let id = CodeId(draw_uuid(self.entropy, Purpose::CodeId, device.0, self.codes));
        Record::new(id, self.workspace, device, now)
    }

    /// Shows a record as it is now.
    pub fn show(&mut self, record: Record, out: &mut Outputs) {
        out.push(Output::Changed(record.access_code_id));
        self.records.insert(record.access_code_id, record);
    }

    /// Shows a record no more.
    pub fn remove(&mut self, id: CodeId, out: &mut Outputs) -> Option<Record> {
        out.push(Output::Changed(id));
        self.records.remove(&id)
    }

    /// Sends a command, to a device or to the account; its id.
    pub fn send(&mut self, device: Option<&DeviceInfo>, for_code: Option<CodeId>, op: Op, out: &mut Outputs) -> CommandId {
        self.commands += 1;
        let (command_id, key) = (CommandId(self.commands), Key(self.commands));
        let (epoch, device) = (device.map_or(Epoch(0), |info| info.epoch), device.map(|info| info.device));
        out.push(Output::Command(Command { command_id, key, account: self.account, device, epoch, for_code, op }));
        command_id
    }

    /// Emits an event of a record.
    pub fn tell(&mut self, now: Timestamp, record: &Record, event_type: EventType, out: &mut Outputs) {
        self.events += 1;
        out.push(Output::Event(Event {
            access_code_id: record.access_code_id,
            backup_access_code_id: None,
            code: record.code.filter(|_| event_type.has_code()),
            connected_account_id: self.account,
            created_at: now,
            device_id: record.device_id,
            event_id: EventId(draw_uuid(self.entropy, Purpose::EventId, record.access_code_id.0, self.events)),
            event_type,
            occurred_at: now,
            workspace_id: self.workspace,
        }));
    }
}
