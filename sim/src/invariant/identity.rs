//! A controller that means the lock which is there, and not the one which was (`I-IDENT-01`).

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::id::{AccountId, CommandId, Epoch, Handle, VendorDevice};
use keyway_core::port::{Answer, Command, Item, News, Op, Place};
use keyway_core::time::Timestamp;

use super::{Found, Interests, Invariant};
use crate::history::{History, Input, target};
use crate::occurrence::{Cause, Change, Lock, Occurrence};

/// `I-IDENT-01`. A slot is learnt anew by any inventory of the incarnation. What was told and not saved is unknown again after a crash, until it is told again or
/// used. Where a vendor tells no serial nobody can know that what is listed anew is the lock that was there (`R-57`), so that the old vendor id may still be
/// asked for. That nothing meant for an old incarnation runs on a new one is the world's part.
#[derive(Default)]
pub(super) struct Identity {
    locks: BTreeMap<Lock, Knowledge>,
    /// Locks of which something was told since the last save.
    unsaved: BTreeSet<Lock>,
    /// The lock of each vendor id.
    names: BTreeMap<(AccountId, VendorDevice), Lock>,
    /// Commands that ask for devices, and their accounts.
    inventories: BTreeMap<CommandId, AccountId>,
    /// The newest incarnation in which each handle was learnt.
    handles: BTreeMap<(Lock, Handle), Epoch>,
}

/// What the controller knows of the incarnations of a lock.
#[derive(Clone, Copy, Default)]
struct Knowledge {
    /// The newest it was told of and has not forgotten.
    told: Epoch,
    /// The newest that a save holds, or that it has used.
    kept: Epoch,
    /// Whether it was ever told of another.
    has_risen: bool,
    /// Whether the vendor told no serial.
    is_nameless: bool,
    /// The vendor id of the present incarnation.
    device: VendorDevice,
}

impl Identity {
    fn tell(&mut self, account: AccountId, device: VendorDevice, epoch: Epoch, is_nameless: bool) {
        let Some(lock) = self.names.get(&(account, device)).copied() else { return };
        let Some(known) = self.locks.get_mut(&lock) else { return };
        known.is_nameless |= is_nameless;
        if epoch > known.told {
            self.unsaved.insert(lock);
            known.has_risen |= known.told > Epoch::default();
            known.told = epoch;
        }
    }

    fn end_unsaved(&mut self, end: impl Fn(&mut Knowledge)) {
        for lock in std::mem::take(&mut self.unsaved) {
            self.locks.get_mut(&lock).into_iter().for_each(&end);
        }
    }

    /// Notes the handles that an answer tells, by the incarnation that was asked.
    fn learn(&mut self, history: &History, command_id: CommandId, answer: &Answer) {
        let Some(Input::Answer(_, Some(lock))) = history.step().input else { return };
        let told = self.locks.get(&lock).map_or(Epoch::default(), |known| known.told);
        let asked = history.sent(command_id).map_or(told, |sent| sent.command.epoch);
        let mut note = |handle: Handle| {
            let learnt = self.handles.entry((lock, handle)).or_insert(asked);
            *learnt = asked.max(*learnt);
        };
        let mut note_item = |item: &Item| match item.place {
            Place::Handle(handle) => note(handle),
            Place::Slot(_) => {}
        };
        match answer {
            Answer::Entries { items, .. } => items.iter().for_each(note_item),
            Answer::Entry(item) => note_item(item),
            Answer::Done { handle: Some(handle) } => note(*handle),
            _ => {}
        }
    }

    fn hear(&mut self, command_id: CommandId, answer: &Answer) {
        let Some(account) = self.inventories.get(&command_id).copied() else { return };
        let items = match answer {
            Answer::Devices { items, .. } => &items[..],
            Answer::Device(info) => std::slice::from_ref(info),
            _ => &[],
        };
        for info in items {
            self.tell(account, info.device, info.epoch, info.serial.is_none());
        }
        if answer.is_closing() {
            self.inventories.remove(&command_id);
        }
    }

    fn fault(&self, history: &History, command: &Command, lock: Lock) -> Option<String> {
        let known = self.locks.get(&lock).filter(|known| known.has_risen)?;
        if known.is_nameless && command.device != Some(known.device) {
            return None;
        }
        let (kind, told) = (command.op.kind(), known.told);
        if command.epoch < told {
            return Some(format!("{kind:?} is sent to incarnation {} and {} is known", command.epoch.0, told.0));
        }
        let place = target(&command.op)?;
        let picture = &history.lock(lock).picture;
        let is_void = match place {
            Place::Handle(handle) => self.handles.get(&(lock, handle)).is_some_and(|learnt| *learnt < told),
            Place::Slot(_) => {
                let is_learnt = picture.is_inventoried || picture.places.contains_key(&place);
                command.op.is_mutating() && picture.epoch == Some(told) && !is_learnt
            }
        };
        is_void.then(|| format!("{kind:?} is sent to {place}, which was learnt of an older incarnation"))
    }

    fn send(&mut self, history: &History, command: &Command, found: &mut Found) {
        if matches!(command.op, Op::ListDevices { .. } | Op::GetDevice) {
            self.inventories.insert(command.command_id, command.account);
        }
        let Some(lock) = command.device.and_then(|device| self.names.get(&(command.account, device)).copied()) else { return };
        let what = self.fault(history, command, lock).or_else(|| strays(history, command, lock));
        let Some(known) = self.locks.get_mut(&lock) else { return };
        (known.told, known.kept) = (known.told.max(command.epoch), known.kept.max(command.epoch));
        if known.has_risen {
            found.armed("I-IDENT-01");
        }
        let Some(what) = what else { return };
        match command.for_code.and_then(|code| history.find_code(code)) {
            Some(code) => found.broken_by("I-IDENT-01", history, code, what),
            None => found.broken("I-IDENT-01", format!("{}: {what}", history.lock_name(lock)), history.lock_role(lock)),
        }
    }

    fn see_truth(&mut self, history: &History, lock: Lock, change: &Change, cause: Cause, found: &mut Found) {
        match (change, cause) {
            (Change::Joined { device, .. }, _) => {
                self.names.insert((history.lock(lock).facts.account, *device), lock);
                self.locks.entry(lock).or_default().device = *device;
            }
            (Change::Stored { .. } | Change::Erased { .. }, Cause::Command(id)) => {
                let Some(sent) = history.sent(id).filter(|sent| sent.command.epoch < history.lock(lock).epoch) else { return };
                let what = format!("{}: {:?} for an older incarnation was run", history.lock_name(lock), sent.command.op.kind());
                found.broken("I-IDENT-01", what, history.lock_role(lock));
            }
            _ => {}
        }
    }
}

/// Whether a write for a code goes to another lock than that of its record: a lock in another account is another one (`R-57`).
fn strays(history: &History, command: &Command, lock: Lock) -> Option<String> {
    let own = history.code(command.for_code.and_then(|id| history.find_code(id))?).lock?;
    let strays = command.op.is_mutating() && !history.is_same_lock(own, lock);
    strays
        .then(|| format!("{:?} is sent to {}, and its record is on {}", command.op.kind(), history.lock_name(lock), history.lock_name(own)))
}

impl Invariant for Identity {
    fn ids(&self) -> &'static [&'static str] {
        &["I-IDENT-01"]
    }

    fn interests(&self) -> Interests {
        let told = Interests::ANSWERED.and(Interests::NOTICED).and(Interests::TRUTH);
        told.and(Interests::COMMANDED).and(Interests::SAVED).and(Interests::CRASHED)
    }

    fn observe(&mut self, history: &History, _now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Answered { command_id, answer, .. } => {
                self.learn(history, *command_id, answer);
                self.hear(*command_id, answer);
            }
            Occurrence::Noticed { notice, .. } => {
                let is_nameless = matches!(notice.news, News::DeviceAdded { serial: None });
                let names_serial = matches!(notice.news, News::DeviceAdded { serial: Some(_) });
                if let Some(device) = notice.device.filter(|device| names_serial || history.has_met(notice.account, *device)) {
                    self.tell(notice.account, device, notice.epoch, is_nameless);
                }
            }
            Occurrence::Commanded { command, .. } => self.send(history, command, found),
            Occurrence::Saved => self.end_unsaved(|known| known.kept = known.told),
            Occurrence::Crashed => {
                // What it asked dies with it: an answer that comes now tells the next one nothing (`P-01`).
                self.inventories.clear();
                self.end_unsaved(|known| known.told = known.kept);
            }
            Occurrence::Truth { lock, change, cause } => self.see_truth(history, *lock, change, *cause, found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::testing::{SLOT, Story, set_slot};

    fn story() -> Story {
        Story::judged_by(vec![Box::<Identity>::default()])
    }

    fn join(story: &mut Story) {
        story.truth(SLOT, Change::Joined { device: VendorDevice(7), epoch: Epoch(2) }, Cause::World);
        let notice = keyway_core::port::Notice {
            account: story.history().lock(SLOT).facts.account,
            device: Some(VendorDevice(7)),
            epoch: Epoch(2),
            device_time: None,
            serial: 1,
            news: News::DeviceAdded { serial: Some("serial".into()) },
        };
        let snapshot_at = story.now();
        story.step(Occurrence::Noticed { notice, snapshot_at, lock: Some(SLOT) }, Vec::new());
    }

    #[test]
    fn an_old_incarnation_is_not_meant() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        join(&mut story);
        story.command(SLOT, Some(id), set_slot(1, "1234"));
        story.must_break("I-IDENT-01");
    }

    #[test]
    fn old_slots_are_void() {
        let mut story = story();
        let id = story.confirmed(SLOT, "1234", None);
        join(&mut story);
        let command = Command { epoch: Epoch(2), ..story.draft_command(SLOT, Some(id), set_slot(1, "1234")) };
        story.step(Occurrence::Woken, vec![Occurrence::Saved, Occurrence::Commanded { command, lock: Some(SLOT) }]);
        story.must_break("I-IDENT-01");
    }
}
