//! People and other apps: at the lock, in the vendor's app, at the keypad.

use keyway_core::id::Slot;
use keyway_core::port::Place;
use keyway_core::time::Timestamp;
use keyway_core::world::lock::Entry;
use keyway_core::world::site::{Consequence, PersonAdds, Site};

use super::{Item, Simulation};
use crate::agenda::Class;
use crate::occurrence::{Cause, Change, Occurrence, Phase};
use crate::plan::{Action, AtEntry, Enter};
use crate::request::entries_meant;

impl Simulation<'_> {
    /// Puts the entries of strangers into the locks, before the controller starts.
    pub(super) fn fill_memories(&mut self) {
        for (n, device) in self.plan.devices.iter().enumerate() {
            let Some(lock) = self.setup.lock(&device.name).filter(|lock| lock.0 as usize == n) else { continue };
            let address = self.setup.addresses[n];
            for stored in device.memory.iter().filter(|stored| stored.owner.is_none()) {
                let Some(pin) = stored.pin else { continue };
                let place = stored.slot.map(|slot| Place::Slot(Slot(slot)));
                let name = stored.name.as_deref().unwrap_or("owner").into();
                let added = PersonAdds { place, pin: pin.0, name, hidden: stored.hidden };
                let mut out = Vec::new();
                let site = &mut self.setup.sites[address.site];
                site.person_adds(self.now, address.lock, added, &mut out);
                site.has_long_been_so(self.now, address.lock);
                for consequence in out {
                    if let Consequence::Stored { place, .. } = consequence {
                        self.show_entry(lock, place, Cause::Beginning);
                    }
                }
            }
        }
    }

    pub(super) fn act(&mut self, step: usize) {
        if self.phase != Phase::Safety {
            return;
        }
        let plan = self.plan;
        if !self.act_on(&plan.steps[step].action) {
            self.no_target(step);
        }
    }

    pub(super) fn no_target(&mut self, step: usize) {
        self.figures.no_targets += 1;
        self.see(&Occurrence::NoTarget { step: step as u32 });
    }

    /// Does what a person or another app does; whether there was a target.
    pub(super) fn act_on(&mut self, action: &Action) -> bool {
        match action {
            Action::PersonAdds(adds) => {
                let place = adds.slot.map(|slot| Place::Slot(Slot(slot)));
                let name = adds.name.as_deref().unwrap_or("owner").into();
                let added = PersonAdds { place, pin: adds.pin.0, name, hidden: adds.hidden };
                self.at_lock(&adds.on, "person_adds", |site, now, lock, out| site.person_adds(now, lock, added.clone(), out))
            }
            Action::SimulateUnmanaged(simulate) => {
                let added = PersonAdds { place: None, pin: simulate.pin.0, name: simulate.name.as_str().into(), hidden: false };
                self.at_lock(&simulate.on, "simulate_unmanaged", |site, now, lock, out| site.person_adds(now, lock, added.clone(), out))
            }
            Action::PersonRemoves(entry) => {
                let Some(place) = self.place_of(entry) else { return false };
                self.at_lock(&entry.on, "person_removes", |site, now, lock, out| site.removes(now, lock, place, true, out))
            }
            Action::PersonDisables(entry) => {
                let Some(place) = self.place_of(entry) else { return false };
                self.at_lock(&entry.on, "person_disables", |site, now, lock, out| {
                    site.switches_off(now, lock, place, out) || site.person_edits(now, lock, place, &|entry| entry.enabled = false, out)
                })
            }
            Action::PersonSetsLength(set) => {
                let done = self.at_lock(&set.on, "person_sets_length", |site, now, lock, out| site.sets_length(now, lock, set.length, out));
                if let Some(lock) = self.setup.lock(&set.on).filter(|_| done) {
                    let address = self.setup.addresses[lock.0 as usize];
                    let lengths = self.setup.sites[address.site].locks[address.lock].lock.lengths;
                    self.truth(lock, Change::Lengths(lengths), Cause::World);
                }
                done
            }
            Action::PersonEdits(edits) => {
                let Some(place) = self.place_of(&edits.target) else { return false };
                let new_end = edits.new_end.map(|end| self.setup.instant(end));
                let edit = |entry: &mut Entry| {
                    entry.pin = edits.new_pin.map_or(entry.pin, |pin| pin.0);
                    if let (Some(window), Some(end)) = (&mut entry.window, new_end)
                        && end > window.starts_at
                    {
                        window.ends_at = end;
                    }
                };
                self.at_lock(&edits.target.on, "person_edits", |site, now, lock, out| site.person_edits(now, lock, place, &edit, out))
            }
            _ => false,
        }
    }

    pub(super) fn at_lock(
        &mut self,
        name: &str,
        mark: &'static str,
        act: impl FnOnce(&mut Site, Timestamp, usize, &mut Vec<Consequence>) -> bool,
    ) -> bool {
        let Some(lock) = self.setup.lock(name) else { return false };
        let address = self.setup.addresses[lock.0 as usize];
        let done = act(&mut self.setup.sites[address.site], self.now, address.lock, &mut self.consequences);
        if done {
            self.mark(mark);
            self.disturb(lock);
        }
        self.follow(address.site);
        done
    }

    pub(super) fn place_of(&self, entry: &AtEntry) -> Option<Place> {
        let lock = self.setup.lock(&entry.on)?;
        let address = self.setup.addresses[lock.0 as usize];
        let entries = &self.setup.sites[address.site].locks[address.lock].lock.entries;
        let origin = |candidate: &Entry| self.true_entry(lock, candidate).origin;
        entries_meant(entry, entries, |name| self.names.get(name).copied(), origin)
    }

    pub(super) fn enter(&mut self, step: usize) {
        if self.phase != Phase::Safety {
            return;
        }
        let plan = self.plan;
        let (enter, repeated) = match &plan.steps[step].action {
            Action::Enter(enter) => (enter, None),
            Action::EnterRepeatedly(repeated) => (&repeated.enter, Some(repeated)),
            _ => return,
        };
        if !self.enter_once(enter) {
            self.no_target(step);
        }
        if let Some(repeated) = repeated {
            let next = self.now + repeated.every.0.max(1);
            if next <= self.setup.instant(repeated.until) {
                self.agenda.add(next, Class::Probe, step as u32, Item::Enter { step });
            }
        }
    }

    pub(super) fn enter_once(&mut self, enter: &Enter) -> bool {
        // Somebody who was told a PIN keeps it in mind when the code is gone.
        let known = enter.code.as_ref().and_then(|name| self.names.get(name)).and_then(|id| self.pins.get(id));
        let pin = enter.pin.map(|pin| pin.0).or_else(|| known.copied());
        let (Some(lock), Some(pin)) = (self.setup.lock(&enter.on), pin) else { return false };
        let address = self.setup.addresses[lock.0 as usize];
        let opened = self.setup.sites[address.site].enters(self.now, address.lock, pin, &mut self.consequences);
        self.see(&Occurrence::Entered { lock, pin, opened });
        self.follow(address.site);
        true
    }
}
