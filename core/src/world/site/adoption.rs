//! Entries that others stored and that the vendor lets nobody change who has not claimed them: everywhere where access is sold by the seat, elsewhere under
//! `adopt_needs_claim`.

use super::{LockSite, Order, Site};
use crate::id::Handle;
use crate::port::{Answer, Op, Place};
use crate::vendor::Family;
use crate::world::lock::Source;
use crate::world::quirk::Quirk;

impl Site {
    /// The entry is the platform's at the vendor from now on; the lock hears nothing of it.
    pub(super) fn adopts(&mut self, lock: usize, handle: Handle, order: &Order) -> Answer {
        let site = &mut self.locks[lock];
        let Some(entry) = site.lock.entry(Place::Handle(handle)) else { return Answer::NotFound };
        if site.lock.profile.family == Family::BySeat {
            let (name, has_seat) = (entry.name.clone(), entry.enabled);
            // From now on it is that user's, in an older state of memory too, and goes with it for good.
            let states = site.lock.entries.iter_mut().chain(site.past.iter_mut().flatten());
            states.filter(|entry| entry.place == Place::Handle(handle)).for_each(|entry| entry.source = Source::Command(order.command_id));
            return Answer::User { user: self.seats.take_over(name, has_seat, (lock, Place::Handle(handle)), order.command_id) };
        }
        site.adopted.insert(handle);
        Answer::Done { handle: None }
    }
}

impl LockSite {
    /// Whether a command is for an entry that somebody else stored and that nobody claimed.
    pub(super) fn is_unclaimed(&self, op: &Op) -> bool {
        let (Op::ReplaceEntry { handle, .. } | Op::SetSchedule { handle, .. } | Op::DeleteEntry { handle }) = op else { return false };
        let is_others = self.lock.entry(Place::Handle(*handle)).is_some_and(|entry| entry.source == Source::External);
        self.lock.quirks.has(Quirk::AdoptNeedsClaim) && is_others && !self.adopted.contains(handle)
    }
}
