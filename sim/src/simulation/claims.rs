//! Entries that a conversion made a code's own (`P-09`). No lock knows of it: it is a fact of the records, kept beside the locks.

use keyway_core::access_code::Record;
use keyway_core::id::CodeId;
use keyway_core::port::{Command, Op, Place};
use keyway_core::time::Timestamp;
use keyway_core::world::lock::{Entry, Source};

use super::Simulation;
use crate::occurrence::{Lock, Occurrence};

impl Simulation<'_> {
    /// Notes which place is read for a code.
    pub(super) fn note_look(&mut self, command: &Command) {
        let place = match command.op {
            Op::ReadSlot { slot, .. } => Place::Slot(slot),
            Op::ReadEntry { handle, .. } => Place::Handle(handle),
            _ => return,
        };
        if let Some(code) = command.for_code {
            self.looked_at.insert(code, place);
        }
    }

    /// A record that was unmanaged is managed: the one entry with its PIN and window is its own from now on; of several the one that was looked at for it.
    pub(super) fn claim(&mut self, record: &Record) {
        let Some(number) = self.setup.facts.locks.iter().position(|lock| lock.device == record.device_id) else { return };
        let (lock, address) = (Lock(number as u32), self.setup.addresses[number]);
        let entries = &self.setup.sites[address.site].locks[address.lock].lock.entries;
        let is_it = |entry: &&Entry| {
            let is_shown = !entry.hidden && entry.source != Source::Reserved;
            is_shown && Some(entry.pin) == record.code && entry.window == record.window()
        };
        let looked_at = self.looked_at.get(&record.access_code_id);
        let meant = entries.iter().filter(is_it).find(|entry| Some(&entry.place) == looked_at).or_else(|| entries.iter().find(is_it));
        let Some((place, written_at)) = meant.map(|entry| (entry.place, entry.written_at)) else { return };
        let stored_by = entries.iter().find(|entry| entry.place == place).map(|entry| entry.source);
        if matches!(stored_by, Some(Source::Command(command)) if self.is_for_other_view(lock, command)) {
            self.mark("other_workspace_takes");
        }
        self.claims.insert((lock, place), (written_at, record.access_code_id));
        self.see(&Occurrence::Claimed { lock, place, code: record.access_code_id });
    }

    /// The code that took this entry over, if it was not written since.
    pub(super) fn claimant(&self, lock: Lock, place: Place, written_at: Timestamp) -> Option<CodeId> {
        self.claims.get(&(lock, place)).filter(|(at, _)| *at == written_at).map(|(_, code)| *code)
    }
}
