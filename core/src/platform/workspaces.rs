//! One lock in several workspaces: who manages an entry of it, and how its management passes from one to another (`R-44`, `R-45`).
//!
//! Each workspace has connected the lock for itself, so it is a device of its own in each, with records of its own. What tells that two devices are
//! one lock is the serial.

use super::Platform;
use super::state::{Code, Goal, Held, Write};
use super::step::{At, number_of};
use crate::id::DeviceId;
use crate::port::{Item, Place};
use crate::problem::WarningCode;

/// What a conversion finds out about an entry that another workspace manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// No other workspace manages it.
    Nobody,
    /// This code does, and rests.
    Manager(At),
    /// This code does, and a command for it is not settled: what becomes of the entry is open.
    Busy,
    /// The one that does is about to erase it.
    Leaving,
}

impl Platform {
    /// Who manages the entry of an unmanaged code in another workspace.
    pub(super) fn elsewhere(&self, at: At) -> Elsewhere {
        let Some(held) = self.code(at).held.as_ref().filter(|_| self.policy.minds_other_workspaces()) else { return Elsewhere::Nobody };
        match self.others_of(at.device).find(|(_, code)| code.record.is_managed && is_manager_of(code, held)) {
            None => Elsewhere::Nobody,
            Some((_, code)) if code.goal != Goal::Hold => Elsewhere::Leaving,
            Some((_, code)) if code.write.is_some() => Elsewhere::Busy,
            Some((at, _)) => Elsewhere::Manager(at),
        }
    }

    /// Whether a place is known to hold what another workspace manages: then it is neither a write of this one that was in doubt (`P-05` c),
    /// nor an old state that came back (`F-06`).
    pub(super) fn is_managed_elsewhere(&self, device: u32, place: Place) -> bool {
        let is_it = |code: &Code| code.record.is_managed && code.entries().any(|own| own.place == place);
        self.policy.minds_other_workspaces() && self.others_of(device).any(|(_, code)| is_it(code))
    }

    /// Whether an item may be what another workspace has just written.
    pub(super) fn is_written_elsewhere(&self, device: u32, item: &Item) -> bool {
        self.policy.minds_other_workspaces() && self.views_of(device).any(|other| self.writer_of(other, item).is_some())
    }

    /// Whether an item that equals what this code was to store is rather the work of another workspace, which has sent the same: for certain, while this
    /// command may never have left the process that died (`P-01`), or earlier, so that this one was refused as its copy (`R-54`).
    pub(super) fn is_rather_written_elsewhere(&self, at: At, item: &Item) -> bool {
        let rank = |at: At| self.code(at).write.as_ref().map(|write| (write.may_have_stayed, write.sent_at, number_of(write.command)));
        let writers = self.views_of(at.device).filter_map(|device| Some(At { device, n: self.writer_of(device, item)? }));
        self.policy.minds_other_workspaces() && { writers }.any(|other| rank(other) < rank(at))
    }

    /// The codes that other workspaces have on this lock.
    fn others_of(&self, device: u32) -> impl Iterator<Item = (At, &Code)> {
        self.views_of(device).flat_map(|device| self.device(device).live().map(move |code| (At { device, n: code.n }, code)))
    }

    /// The devices that this lock is in other workspaces: its serial gives it an id in each of their accounts.
    fn views_of(&self, device: u32) -> impl Iterator<Item = u32> {
        let own = self.device(device);
        let accounts = own.info.serial.iter().flat_map(move |serial| {
            let accounts = self.accounts_elsewhere[own.account as usize].iter();
            accounts.filter_map(move |account| self.device_index.get(&DeviceId::of(*account, serial)).copied())
        });
        accounts.filter(move |other| self.device(*other).epoch() == own.epoch() && !self.device(*other).is_removed)
    }

    /// T30: the entry has another manager from now on, and the former one is told so by its record alone (`R-45`).
    pub(super) fn hand_over(&mut self, from: At) {
        self.release(from);
        let now = self.now;
        self.code_mut(from).raise_warning(WarningCode::ManagementTransferred, now);
    }
}

/// Whether an entry is this code's: by its place, or as what its unsettled creation has stored.
fn is_manager_of(code: &Code, held: &Held) -> bool {
    let is_created = |write: &Write| write.content().is_some_and(|(pin, _, _)| Some(pin) == held.pin);
    code.entries().any(|own| own.place == held.place) || code.write.as_ref().is_some_and(is_created)
}
