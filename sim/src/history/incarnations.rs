//! Which devices the controller has met, and which incarnation of each it knows.

use keyway_core::id::{AccountId, Epoch, VendorDevice};
use keyway_core::port::DeviceInfo;

use super::unsaved::Unsaved;
use super::{Hindrance, History, Picture, Sent};
use crate::occurrence::Lock;

impl History {
    /// Whether the vendor's answers have named this device.
    #[must_use]
    pub fn has_met(&self, account: AccountId, device: VendorDevice) -> bool {
        self.met.contains(&(account, device))
    }

    pub(super) fn meet_device(&mut self, account: AccountId, device: VendorDevice) {
        if self.met.insert((account, device)) {
            self.unsaved_known.push(Unsaved::Met(account, device));
        }
    }

    pub(super) fn meet(&mut self, sent: &Sent, info: &DeviceInfo) {
        self.meet_device(sent.command.account, info.device);
        if let Some(lock) = self.vendor_ids.get(&(sent.command.account, info.device)).copied() {
            self.learn_epoch(lock, info.epoch);
            let state = &mut self.locks[lock.0 as usize];
            state.positions = info.positions;
            let told = Hindrance::told_by(info, &state.facts.profile);
            let known = std::mem::take(&mut state.hindrances);
            state.hindrances = told.map(|hindrance| (hindrance, known.get(&hindrance).copied().unwrap_or(self.now))).collect();
            // What the lock demands may be another thing now (`R-20`).
            for code in self.lock(lock).codes.clone() {
                self.codes[code.0 as usize].work.reconsider();
            }
        }
    }

    /// The controller is told of an incarnation: a new one voids all it knew of the lock, and all that was on its way (`P-10`).
    pub(super) fn learn_epoch(&mut self, lock: Lock, epoch: Epoch) {
        let state = &mut self.locks[lock.0 as usize];
        let known = state.picture.epoch.unwrap_or_default();
        if epoch <= known {
            return;
        }
        let is_first = state.picture.epoch.is_none();
        let anew = Picture { epoch: Some(epoch), epoch_at: Some(self.now), is_stale: true, ..Picture::default() };
        let before = std::mem::replace(&mut state.picture, anew);
        self.unsaved_known.push(Unsaved::Incarnation(lock, Box::new(before)));
        if is_first {
            return;
        }
        let void: Vec<_> = self.open_commands(lock).filter(|sent| sent.command.epoch < epoch).map(|sent| sent.command.command_id).collect();
        for id in void {
            self.settle_command(id);
        }
        self.forget_closed(Some(lock));
        let proves = Self::proves_by_pin(&self.lock(lock).facts.profile);
        for code in self.lock(lock).codes.clone() {
            self.codes[code.0 as usize].work.change_cause(self.now);
            if !proves {
                self.find_lost(code, |_| true);
            }
        }
    }
}
