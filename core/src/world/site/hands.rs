//! What people, batteries and other apps do to a lock, and how it leaves its account and joins one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{Consequence, Site};
use crate::id::VendorDevice;
use crate::pin::{Lengths, Pin};
use crate::port::{Name, News, Place};
use crate::time::Timestamp;
use crate::vendor::Family;
use crate::world::lock::{Effect, Entry, Lock, Source, Write};
use crate::world::quirk::Quirk;

/// What a person stores.
#[derive(Clone, Debug)]
pub struct PersonAdds {
    /// Where; none: the first free place.
    pub place: Option<Place>,
    /// The PIN.
    pub pin: Pin,
    /// The name.
    pub name: Name,
    /// Seen by no read.
    pub hidden: bool,
}

impl Site {
    /// Somebody stores a PIN at the lock or by another app; whether it was stored.
    pub fn person_adds(&mut self, now: Timestamp, lock: usize, added: PersonAdds, out: &mut Vec<Consequence>) -> bool {
        if self.lacks_seat(lock) {
            return false;
        }
        let site = &mut self.locks[lock];
        let Some(place) = added.place.or_else(|| site.lock.free_place()) else { return false };
        site.past = Some(site.lock.entries.clone());
        let write = Write { place, must_exist: false, pin: added.pin, name: added.name, window: None, source: Source::External };
        let effect = site.lock.store(now, write);
        if !matches!(effect, Effect::Added | Effect::Changed) {
            return false;
        }
        if added.hidden
            && let Some(entry) = site.lock.entries.iter_mut().find(|entry| entry.place == place)
        {
            entry.hidden = true;
        }
        out.push(Consequence::Stored { lock, place, by: None });
        self.note_seats(lock, out);
        self.remember(now, lock);
        if !added.hidden {
            self.report(now, lock, effect, place, None, out);
        }
        true
    }

    /// Somebody, or the vendor's loss, removes an entry; whether it was there.
    pub fn removes(&mut self, now: Timestamp, lock: usize, place: Place, told: bool, out: &mut Vec<Consequence>) -> bool {
        let site = &mut self.locks[lock];
        let before = site.lock.entries.clone();
        if site.lock.erase(place) != Effect::Removed {
            return false;
        }
        site.past = Some(before);
        out.push(Consequence::Erased { lock, place, by: None });
        self.note_seats(lock, out);
        self.remember(now, lock);
        if told {
            self.report(now, lock, Effect::Removed, place, None, out);
        }
        true
    }

    /// Somebody changes an entry by `edit`; whether it was there, and the lock took the change.
    pub fn person_edits(
        &mut self,
        now: Timestamp,
        lock: usize,
        place: Place,
        edit: &dyn Fn(&mut Entry),
        out: &mut Vec<Consequence>,
    ) -> bool {
        let site = &mut self.locks[lock];
        let Some(before) = site.lock.entry(place).filter(|entry| entry.source != Source::Reserved) else { return false };
        let mut edited = before.clone();
        edit(&mut edited);
        // What the lock stores is of its own granularity, whoever writes it.
        edited.window = edited.window.map(|window| window.rounded_outward(site.lock.profile.round_ms));
        if edited == *before {
            return false;
        }
        if edited.window != before.window {
            edited.kept = site.lock.kept(edited.window, now);
        }
        // The PIN of a user is the site's, which gives none that its locks can't take.
        let is_flawed = site.lock.profile.family == Family::BySeat && site.lock.flaw(edited.pin).is_some();
        if edited.pin != before.pin && (is_flawed || site.lock.has_pin_elsewhere(edited.pin, place)) {
            return false;
        }
        site.past = Some(site.lock.entries.clone());
        site.lock.entries.iter_mut().filter(|entry| entry.place == place).for_each(|entry| *entry = edited.clone());
        out.push(Consequence::Stored { lock, place, by: None });
        self.note_seats(lock, out);
        self.remember(now, lock);
        self.report(now, lock, Effect::Changed, place, None, out);
        true
    }

    /// All entries are gone, as after a power cut.
    pub fn loses_memory(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let places: Vec<_> = self.locks[lock].own_places();
        for place in places {
            self.removes(now, lock, place, false, out);
        }
        if self.locks[lock].lock.profile.family == Family::BySlot && self.locks[lock].lock.profile.notices.entry {
            self.tell(now, Some(lock), News::AllRemoved, None, out);
        }
    }

    /// Somebody sets another PIN length at the lock; some firmware drops every entry then (`length_change_wipes`).
    pub fn sets_length(&mut self, now: Timestamp, lock: usize, length: u8, out: &mut Vec<Consequence>) -> bool {
        let site = &mut self.locks[lock];
        let lengths = Lengths::range(length, length);
        if site.lock.lengths == lengths {
            return false;
        }
        site.lock.lengths = lengths;
        if site.lock.quirks.has(Quirk::LengthChangeWipes) {
            self.loses_memory(now, lock, out);
        }
        true
    }

    /// The state of memory before its last change returns.
    pub fn rolls_back(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        let Some(past) = site.past.take() else { return };
        let present = core::mem::replace(&mut site.lock.entries, past);
        if site.lock.profile.family == Family::BySeat {
            // The site sends no lock the PIN of a user that is gone, and by the seat alone it opens.
            let seats = &self.seats;
            site.lock.entries.retain(|entry| entry.source == Source::External || seats.is_of_user(lock, entry.place));
            for entry in &mut site.lock.entries {
                entry.enabled = seats.seat_at(lock, entry.place).unwrap_or(entry.enabled);
            }
        }
        for entry in present.iter().filter(|entry| site.lock.entry(entry.place).is_none()) {
            out.push(Consequence::Erased { lock, place: entry.place, by: None });
        }
        for entry in site.lock.entries.iter().filter(|entry| !present.contains(entry)) {
            out.push(Consequence::Stored { lock, place: entry.place, by: None });
        }
        self.remember(now, lock);
    }

    /// The lock's clock jumps.
    pub fn shifts_clock(&mut self, lock: usize, jump_ms: i64, out: &mut Vec<Consequence>) {
        self.locks[lock].lock.clock_off_ms += jump_ms;
        out.push(Consequence::ClockChanged { lock, by: None });
    }

    /// Somebody puts new batteries in, and the lock's clock falls back (`clock_reset_with_battery`).
    pub fn gets_batteries(&mut self, now: Timestamp, lock: usize, set_back_ms: i64, out: &mut Vec<Consequence>) {
        self.shifts_clock(lock, -set_back_ms, out);
        if self.locks[lock].lock.profile.notices.battery {
            self.tell(now, Some(lock), News::BatteryChanged, None, out);
        }
    }

    /// Whatever was on its way to the lock is void, and its hub no longer busy with it.
    fn drop_ties(&mut self, lock: usize) {
        self.locks[lock].drop_ties();
        if let Some(hub) = self.locks[lock].hub {
            let heads = self.locks.iter().filter(|other| other.hub == Some(hub)).filter_map(|other| other.queue.front());
            self.hubs[hub].busy_until = heads.map(|job| job.ready_at).filter(|at| *at != Timestamp::MAX).max().unwrap_or(Timestamp::MIN);
        }
    }

    /// The lock is removed from the account.
    pub fn leaves(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        if !self.locks[lock].present {
            return;
        }
        self.locks[lock].present = false;
        self.drop_ties(lock);
        out.push(Consequence::Left { lock });
        self.tell(now, Some(lock), News::DeviceRemoved, None, out);
    }

    /// The lock joins its account anew, as the next incarnation (`P-10`).
    pub fn joins(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        self.next_device += 1;
        let device = VendorDevice(self.next_device);
        self.drop_ties(lock);
        let site = &mut self.locks[lock];
        self.devices.remove(&site.device);
        self.devices.insert(device, lock);
        site.present = true;
        site.device = device;
        site.epoch.0 += 1;
        out.push(Consequence::Joined { lock });
        self.rename_handles(lock, out);
        let site = &mut self.locks[lock];
        site.versions = VecDeque::from([(now, site.lock.items(now))]);
        let serial = (!site.lock.quirks.has(Quirk::SerialHidden)).then(|| site.serial.clone());
        self.tell(now, Some(lock), News::DeviceAdded { serial }, None, out);
    }

    /// A lock that was in another account is added to this one. What is in it is nobody's here.
    pub fn takes_in(&mut self, now: Timestamp, lock: usize, from: &Lock, out: &mut Vec<Consequence>) {
        self.drop_ties(lock);
        let site = &mut self.locks[lock];
        site.present = true;
        out.push(Consequence::Joined { lock });
        site.lock.entries.clear();
        for entry in &from.entries {
            let place = match entry.place {
                Place::Handle(_) => Place::Handle(site.lock.new_handle()),
                place @ Place::Slot(_) => place,
            };
            let source = if entry.source == Source::Reserved { Source::Reserved } else { Source::External };
            site.lock.entries.push(Entry { place, source, ..entry.clone() });
            out.push(Consequence::Stored { lock, place, by: None });
        }
        let off_ms = from.clock_off_ms - site.lock.clock_off_ms;
        if off_ms != 0 {
            self.shifts_clock(lock, off_ms, out);
        }
        let site = &mut self.locks[lock];
        site.versions = VecDeque::from([(now, site.lock.items(now))]);
        let serial = (!site.lock.quirks.has(Quirk::SerialHidden)).then(|| site.serial.clone());
        self.tell(now, Some(lock), News::DeviceAdded { serial }, None, out);
    }

    /// A factory reset: memory empty (or left behind, nobody's), then a join.
    pub fn resets(&mut self, now: Timestamp, lock: usize, keeps_entries: bool, out: &mut Vec<Consequence>) {
        let places = self.locks[lock].own_places();
        for place in places {
            if keeps_entries {
                let site = &mut self.locks[lock];
                let entry = site.lock.entries.iter_mut().find(|entry| entry.place == place).expect("an own place");
                entry.source = Source::External;
                out.push(Consequence::Stored { lock, place, by: None });
            } else {
                self.removes(now, lock, place, false, out);
            }
        }
        if let Some(algorithm) = &mut self.locks[lock].lock.algorithm {
            algorithm.renew();
            out.push(Consequence::Renewed { lock });
        }
        if self.locks[lock].present {
            self.joins(now, lock, out);
        }
    }

    /// A vendor's ids are void after a join: what is still there gets new ones.
    fn rename_handles(&mut self, lock: usize, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        if site.lock.profile.family == Family::BySlot {
            return;
        }
        // What the lock might roll back to has names that the vendor has given up.
        site.past = None;
        let entries = core::mem::take(&mut site.lock.entries);
        for mut entry in entries {
            out.push(Consequence::Erased { lock, place: entry.place, by: None });
            let old = entry.place;
            entry.place = Place::Handle(site.lock.new_handle());
            let of_it = self.seats.users.values_mut().filter(|user| user.entry == Some((lock, old)));
            of_it.for_each(|user| user.entry = Some((lock, entry.place)));
            out.push(Consequence::Stored { lock, place: entry.place, by: None });
            site.lock.entries.push(entry);
        }
    }

    /// Somebody enters a PIN; whether the door opens.
    pub fn enters(&mut self, now: Timestamp, lock: usize, pin: Pin, out: &mut Vec<Consequence>) -> bool {
        let site = &self.locks[lock];
        if !site.works() {
            return false;
        }
        if site.lock.algorithm.is_some() && self.enters_offline(now, lock, pin, out) {
            return true;
        }
        let site = &self.locks[lock];
        let notices = site.lock.profile.notices;
        let place = site.lock.opening_entry(pin, now + site.lock.clock_off_ms).map(|entry| entry.place);
        let news = match place {
            Some(place) => News::KeypadUsed { place: notices.use_names_entry.then_some(place) },
            None => News::KeypadRefused,
        };
        if notices.keypad_use {
            self.tell(now, Some(lock), news, None, out);
        }
        place.is_some()
    }
}
