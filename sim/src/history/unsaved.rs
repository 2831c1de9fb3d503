//! What the controller was told or shown since its last save: a crash takes it back (`P-08`).

use keyway_core::id::{AccountId, VendorDevice};
use keyway_core::port::Place;
use keyway_core::time::Timestamp;

use super::{CodeIx, History, Known, Lost, Picture, Touch};
use crate::occurrence::Lock;

/// What was cleared of touches since the last save; a crash brings it back.
#[derive(Clone, Debug)]
pub(super) enum Cleared {
    Entry(Lock, Place, Touch),
    Lost(CodeIx, Lost),
    /// Somebody's entry at this place, since then, was this code's.
    Owner(Lock, Place, Timestamp, CodeIx),
}

/// What the controller was told of a lock since the last save; a crash takes it back.
#[derive(Clone, Debug)]
pub(super) enum Unsaved {
    /// Something of this place, of which it knew this before.
    Of(Lock, Place, Option<Known>),
    /// A new incarnation, which made void what it knew before.
    Incarnation(Lock, Box<Picture>),
    /// A name that the vendor has for a lock.
    Met(AccountId, VendorDevice),
    /// The first complete listing of an incarnation.
    Inventory(Lock),
}

impl History {
    /// It died before it saved what it was told: nobody was told (`P-08`, `R-60`).
    pub(super) fn take_back_known(&mut self) {
        for unsaved in std::mem::take(&mut self.unsaved_known).into_iter().rev() {
            match unsaved {
                Unsaved::Of(lock, place, Some(before)) => drop(self.locks[lock.0 as usize].picture.places.insert(place, before)),
                Unsaved::Of(lock, place, None) => drop(self.locks[lock.0 as usize].picture.places.remove(&place)),
                Unsaved::Incarnation(lock, before) => self.locks[lock.0 as usize].picture = *before,
                Unsaved::Met(account, device) => drop(self.met.remove(&(account, device))),
                Unsaved::Inventory(lock) => self.locks[lock.0 as usize].picture.is_inventoried = false,
            }
        }
    }

    /// The controller died: what it was shown since its last save, and listings it had only begun to compare, count as unseen again.
    pub(super) fn forget_cleared(&mut self) {
        for cleared in std::mem::take(&mut self.cleared) {
            match cleared {
                Cleared::Entry(lock, place, touch) => {
                    if let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place)
                        && stored.since <= touch.at
                    {
                        stored.touched = Some(touch);
                    }
                }
                Cleared::Owner(lock, place, since, code) => {
                    if let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place).filter(|stored| stored.since == since) {
                        stored.code = Some(code);
                        let state = &mut self.codes[code.0 as usize];
                        state.lost.retain(|lost| (lost.place, lost.at) != (place, since));
                        state.places.push(place);
                        self.touch_code(code);
                    }
                }
                Cleared::Lost(code, lost) => {
                    if self.code(code).places.is_empty() {
                        self.codes[code.0 as usize].lost.push(lost);
                    }
                }
            }
        }
        for code in &mut self.codes {
            for lost in &mut code.lost {
                (lost.listed_without, lost.noticed_at) = (None, None);
            }
        }
        for lock in &mut self.locks {
            lock.picture.is_stale = true;
        }
    }
}
