//! What the naive controllers of the field cases do between the reference and the world.

use std::collections::BTreeMap;

use keyway_core::access_code::AccessCodeView;
use keyway_core::controller::{Controller, Input, Output};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CodeId, CommandId, EventId, Key, VendorDevice};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, Command, Item, News, Notice, Op, Place, ShownPin, SlotContent};
use keyway_core::problem::ErrorCode;
use keyway_core::time::Timestamp;

use super::tampering::{Tamper, commands, events};

/// `F-05`, naive: tells of a removal whenever a message does.
#[derive(Debug, Default)]
pub struct TellsEachMessage {
    erasures: BTreeMap<CommandId, (Option<VendorDevice>, Place, CodeId)>,
    told: BTreeMap<CodeId, Vec<Event>>,
    repeats: u128,
}

impl TellsEachMessage {
    /// The code of whose erasure a message tells.
    fn told_of(&self, input: &Input) -> Option<CodeId> {
        match input {
            Input::Answer { command_id, answer: Answer::Done { .. } } => self.erasures.get(command_id).map(|(.., code)| *code),
            Input::Notice(Notice { device, news: News::EntryRemoved(place), .. }) => {
                let mut latest = self.erasures.values().rev();
                latest.find(|(on, erased, _)| on == device && erased == place).map(|(.., code)| *code)
            }
            _ => None,
        }
    }
}

impl Tamper for TellsEachMessage {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        let told = self.told_of(input).and_then(|code| self.told.get(&code));
        for event in told.into_iter().flatten() {
            self.repeats += 1;
            let event_id = EventId(event.event_id.0 ^ (self.repeats << 64));
            outputs.insert(0, Output::Event(Event { event_id, ..event.clone() }));
        }
        for event in events(outputs).filter(|event| event.event_type == EventType::RemovedFromDevice) {
            self.told.insert(event.access_code_id, vec![event.clone()]);
        }
        for command in commands(outputs) {
            let place = match command.op {
                Op::ClearSlot { slot } => Place::Slot(slot),
                Op::DeleteEntry { handle } => Place::Handle(handle),
                _ => continue,
            };
            self.erasures.extend(command.for_code.map(|code| (command.command_id, (command.device, place, code))));
        }
    }
}

/// `F-05`, the mirror case: tells that a code is deleted, and forgets to tell that it was removed.
#[derive(Debug, Default)]
pub struct TellsNoRemovals;

impl Tamper for TellsNoRemovals {
    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        outputs.retain(|output| !matches!(output, Output::Event(event) if event.event_type == EventType::RemovedFromDevice));
    }
}

/// `F-11`, naive: what it once saw in a slot is there until it erases it, or a notice tells that it left.
#[derive(Debug, Default)]
pub struct KeepsItsCache {
    seen: BTreeMap<(Option<VendorDevice>, Place), Item>,
    reads: BTreeMap<CommandId, (Option<VendorDevice>, Op)>,
}

impl Tamper for KeepsItsCache {
    fn input(&mut self, _: Timestamp, input: &mut Input) {
        match input {
            Input::Notice(Notice { device, news: News::EntryRemoved(place), .. }) => drop(self.seen.remove(&(*device, *place))),
            Input::Answer { command_id, answer } => match (self.reads.remove(command_id), answer) {
                (Some((device, _)), Answer::Entries { items, next_page: None }) if items.is_empty() => {
                    let of_lock = self.seen.iter().filter(|((on, _), _)| *on == device);
                    *items = of_lock.map(|(_, item)| item.clone()).collect();
                }
                (Some((device, _)), Answer::Entries { items, .. }) => {
                    self.seen.extend(items.iter().map(|item| ((device, item.place), item.clone())));
                }
                (Some((device, Op::ReadSlot { slot, .. })), Answer::Slot(content @ SlotContent::Free { .. })) => {
                    if let Some(item) = self.seen.get(&(device, Place::Slot(slot))) {
                        *content = SlotContent::Occupied(item.clone());
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn outputs(&mut self, _: Timestamp, _: &Input, outputs: &mut Vec<Output>, _: &dyn Controller) {
        for command in commands(outputs) {
            match command.op {
                Op::ClearSlot { slot } => drop(self.seen.remove(&(command.device, Place::Slot(slot)))),
                Op::ListEntries { .. } | Op::ReadSlot { .. } => {
                    drop(self.reads.insert(command.command_id, (command.device, command.op.clone())));
                }
                _ => {}
            }
        }
    }
}

/// `F-17`, naive: finds the entries of a removed lock again wherever a lock shows them, and goes on with their codes there.
#[derive(Debug, Default)]
pub struct FollowsLocks {
    reads: BTreeMap<CommandId, Command>,
    /// The PINs that each code had.
    pins: BTreeMap<CodeId, Vec<Pin>>,
    sent: u64,
}

impl FollowsLocks {
    /// The write that brings a code's entry up to date in another lock, where the code has changed since.
    fn catch_up(&mut self, read: &Command, items: &[Item], code: &AccessCodeView<'_>) -> Option<Command> {
        let pin = code.code?;
        let is_old =
            |item: &&Item| matches!(item.pin, ShownPin::Shown(shown) if shown != pin && self.pins[&code.access_code_id].contains(&shown));
        let item = items.iter().find(is_old)?;
        let (Place::Handle(handle), Some(name)) = (item.place, item.name.clone()) else { return None };
        self.sent += 1;
        let op = Op::ReplaceEntry { handle, pin, name, window: item.window };
        let command_id = CommandId((1 << 60) | self.sent);
        Some(Command { command_id, key: Key(command_id.0), for_code: Some(code.access_code_id), op, ..read.clone() })
    }
}

impl Tamper for FollowsLocks {
    fn outputs(&mut self, _: Timestamp, input: &Input, outputs: &mut Vec<Output>, controller: &dyn Controller) {
        for command in commands(outputs) {
            if matches!(command.op, Op::ListEntries { .. }) {
                self.reads.insert(command.command_id, command.clone());
            }
        }
        let mut codes = Vec::new();
        controller.access_codes(&mut |id| codes.push(id));
        let views: Vec<_> = codes.into_iter().filter_map(|id| controller.access_code(id)).filter(|code| code.is_managed).collect();
        for code in &views {
            let pins = self.pins.entry(code.access_code_id).or_default();
            pins.extend(code.code.filter(|pin| !pins.contains(pin)));
        }
        let Input::Answer { command_id, answer: Answer::Entries { items, .. } } = input else { return };
        let Some(read) = self.reads.remove(command_id) else { return };
        let is_lost = |code: &&AccessCodeView<'_>| {
            let device = controller.device(code.device_id);
            device.is_some_and(|device| device.errors.iter().any(|entry| entry.error_code == ErrorCode::DeviceRemoved))
        };
        for code in views.iter().filter(is_lost) {
            outputs.extend(self.catch_up(&read, items, code).map(Output::Command));
        }
    }
}
