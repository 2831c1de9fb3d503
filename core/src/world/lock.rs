//! A lock: memory, keypad and local clock, and what its firmware accepts. `opens` is the truth at the door.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::id::{CommandId, Handle, Slot};
use crate::pin::{Lengths, Pin, PinEquality};
use crate::port::{Item, Name, OnLock, Place, Reason, ShownPin};
use crate::time::{MINUTE_MS, Timestamp, Window};
use crate::vendor::{DuplicatePolicy, Family, Profile, ReadBack};
use crate::zone::{ClockChange, shift_between};

use super::offline::Algorithm;
use super::quirk::Quirk;

/// The standing quirks of a lock, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuirkSet(u128);

impl QuirkSet {
    /// Whether `quirk` is in the set.
    #[must_use]
    pub fn has(self, quirk: Quirk) -> bool {
        self.0 >> (quirk as u128) & 1 == 1
    }
}

impl FromIterator<Quirk> for QuirkSet {
    fn from_iter<I: IntoIterator<Item = Quirk>>(quirks: I) -> Self {
        Self(quirks.into_iter().fold(0, |set, quirk| set | 1 << (quirk as u128)))
    }
}

/// Who put an entry into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A command of the controller.
    Command(CommandId),
    /// A person or another app.
    External,
    /// The lock itself.
    Reserved,
}

/// An entry of a lock's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub place: Place,
    /// Its PIN.
    pub pin: Pin,
    /// Its displayed name.
    pub name: Name,
    /// Its schedule, as it was written.
    pub window: Option<Window>,
    /// The schedule that the lock goes by, where that is another.
    pub kept: Option<Window>,
    /// Whether the lock honours it.
    pub enabled: bool,
    /// Seen by no read.
    pub hidden: bool,
    /// Who put it there.
    pub source: Source,
    /// When it was last written.
    pub written_at: Timestamp,
}

/// What a write wants to have in memory.
#[derive(Clone, Debug)]
pub struct Write {
    /// The place: a slot, or the handle of an entry that is to change or be made.
    pub place: Place,
    /// Whether an entry must already be there (by_id changes).
    pub must_exist: bool,
    /// The PIN.
    pub pin: Pin,
    /// The name.
    pub name: Name,
    /// The schedule.
    pub window: Option<Window>,
    /// Who writes.
    pub source: Source,
}

/// What became of a write or an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A new entry is there.
    Added,
    /// An entry differs.
    Changed,
    /// An entry is gone.
    Removed,
    /// Nothing to erase or change.
    NotFound,
    /// Refused for this reason; nothing changed.
    Refused(Reason),
    /// An equal PIN is there; nothing changed. What the lock says of it is its duplicate policy.
    Twin,
}

/// A lock.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Its kind.
    pub profile: Arc<Profile>,
    /// Its standing quirks.
    pub quirks: QuirkSet,
    /// Its memory, ordered by place.
    pub entries: Vec<Entry>,
    /// Whether it has power.
    pub powered: bool,
    /// Whether a keypad is attached.
    pub keypad: bool,
    /// Error of its clock; positive is fast.
    pub clock_off_ms: i64,
    /// When a command last set its clock.
    pub clock_set_at: Option<Timestamp>,
    /// The clock changes of the zone it stands in.
    pub clock_changes: Arc<[ClockChange]>,
    /// PIN lengths its keypad takes now.
    pub lengths: Lengths,
    /// Its programming code.
    pub master: Pin,
    /// Places that it tells and has not (`fewer_slots_than_told`).
    pub missing_places: u32,
    /// How it understands PINs that lie in no memory, where it can.
    pub algorithm: Option<Algorithm>,
    next_handle: u32,
}

impl Lock {
    /// A new lock, empty but for what it keeps for itself.
    #[must_use]
    pub fn new(profile: Arc<Profile>, quirks: QuirkSet) -> Self {
        let master = Pin::new(6, MASTER).expect("six digits");
        let reserved = (0..profile.reserved_slots).map(|n| reserved_entry(profile.slots - n, factory_code(n)));
        let master_entry = quirks.has(Quirk::MasterSlotCounted).then(|| reserved_entry(profile.slots, master));
        let mut entries: Vec<_> = master_entry.into_iter().chain(reserved).collect();
        entries.reverse();
        let lengths = profile.lengths;
        let missing_places = if quirks.has(Quirk::FewerSlotsThanTold) { 2.min(profile.slots - 1) } else { 0 };
        Self {
            profile,
            quirks,
            entries,
            powered: true,
            keypad: true,
            clock_off_ms: 0,
            clock_set_at: None,
            clock_changes: Arc::from([]),
            lengths,
            master,
            missing_places,
            algorithm: None,
            next_handle: 1,
        }
    }

    /// Places that can hold a code, the lock's own included.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.profile.slots - self.missing_places
    }

    /// Whether entering `pin` now unlocks.
    #[must_use]
    pub fn opens(&self, pin: Pin, now: Timestamp) -> bool {
        let local = now + self.clock_off_ms;
        let is_understood = self.algorithm.as_ref().is_some_and(|algorithm| algorithm.opens(pin, local));
        self.powered && self.keypad && (is_understood || self.opening_entry(pin, local).is_some())
    }

    /// The entry that a PIN would open by, at the lock's own time.
    #[must_use]
    pub fn opening_entry(&self, pin: Pin, local: Timestamp) -> Option<&Entry> {
        let is_in_time = |entry: &Entry| entry.kept.or(entry.window).is_none_or(|window| window.contains(local));
        self.entries.iter().find(|entry| entry.enabled && entry.pin == pin && is_in_time(entry))
    }

    /// The entry at a place.
    #[must_use]
    pub fn entry(&self, place: Place) -> Option<&Entry> {
        self.entries.binary_search_by_key(&place, |entry| entry.place).ok().map(|at| &self.entries[at])
    }

    /// A vendor's id for an entry that is about to be made.
    pub fn new_handle(&mut self) -> Handle {
        self.next_handle += 1;
        Handle(self.next_handle)
    }

    /// The lowest place free for a person who stores a code at the lock; none if it is full.
    pub fn free_place(&mut self) -> Option<Place> {
        if self.entries.len() as u32 >= self.capacity() {
            return None;
        }
        match self.profile.family {
            Family::ById | Family::BySeat => Some(Place::Handle(self.new_handle())),
            Family::Offline => None,
            Family::BySlot => (1..=self.capacity() as u16).map(|n| Place::Slot(Slot(n))).find(|place| self.entry(*place).is_none()),
        }
    }

    /// What the firmware does with another schedule for an entry that stays. Of its PIN and name nothing is asked: whatever they are, they lie there.
    pub fn reschedule(&mut self, now: Timestamp, place: Place, window: Option<Window>, source: Source) -> Effect {
        if window.is_some_and(|window| self.starts_too_soon(now, window)) {
            return Effect::Refused(Reason::StartInPast);
        }
        let window = window.map(|window| window.rounded_outward(self.profile.round_ms));
        let kept = self.kept(window, now);
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.place == place) else { return Effect::NotFound };
        (entry.window, entry.kept, entry.source, entry.written_at, entry.enabled) = (window, kept, source, now, true);
        Effect::Changed
    }

    fn starts_too_soon(&self, now: Timestamp, window: Window) -> bool {
        self.profile.start_margin_ms > 0 && window.starts_at < now + self.profile.start_margin_ms
    }

    /// What the firmware does with a write.
    pub fn store(&mut self, now: Timestamp, write: Write) -> Effect {
        if let Some(refusal) = self.refusal(now, &write) {
            return refusal;
        }
        let window = write.window.map(|window| window.rounded_outward(self.profile.round_ms));
        let name =
            if self.quirks.has(Quirk::NameCutShort) { Name::from(write.name.chars().take(14).collect::<String>()) } else { write.name };
        let source = write.source;
        let kept = self.kept(window, now);
        let entry = Entry { place: write.place, pin: write.pin, name, window, kept, enabled: true, hidden: false, source, written_at: now };
        match self.entries.binary_search_by_key(&write.place, |entry| entry.place) {
            Ok(at) => {
                self.entries[at] = entry;
                Effect::Changed
            }
            Err(at) => {
                self.entries.insert(at, entry);
                Effect::Added
            }
        }
    }

    /// What the lock makes of a schedule written now: local times, read at the offset of this day for good (`offset_fixed_at_write`).
    #[must_use]
    pub fn kept(&self, window: Option<Window>, now: Timestamp) -> Option<Window> {
        let read = |bound: Timestamp| bound + shift_between(&self.clock_changes, now, bound);
        let kept = window.map(|window| Window { starts_at: read(window.starts_at), ends_at: read(window.ends_at) });
        kept.filter(|kept| self.quirks.has(Quirk::OffsetFixedAtWrite) && Some(*kept) != window)
    }

    /// What a read makes of items after a clock change (`listing_shifts_after_dst`).
    #[must_use]
    pub fn as_listed(&self, items: Arc<[Item]>, now: Timestamp) -> Arc<[Item]> {
        if !self.quirks.has(Quirk::ListingShiftsAfterDst) || self.clock_changes.is_empty() {
            return items;
        }
        let shifted = |item: &Item| {
            let written_at = self.entry(item.place).map_or(now, |entry| entry.written_at);
            let shift_ms = -shift_between(&self.clock_changes, written_at, now);
            let window = item.window.map(|window| Window { starts_at: window.starts_at + shift_ms, ends_at: window.ends_at + shift_ms });
            Item { window, ..item.clone() }
        };
        items.iter().map(shifted).collect()
    }

    /// Erases a place.
    pub fn erase(&mut self, place: Place) -> Effect {
        match self.entries.binary_search_by_key(&place, |entry| entry.place) {
            Ok(at) if self.entries[at].source == Source::Reserved => Effect::Refused(Reason::SlotOutOfRange),
            Ok(at) => {
                self.entries.remove(at);
                Effect::Removed
            }
            Err(_) if self.is_out_of_range(place) => Effect::Refused(Reason::SlotOutOfRange),
            Err(_) => Effect::NotFound,
        }
    }

    /// Why no command can store such a PIN in this lock.
    pub fn flaw(&self, pin: Pin) -> Option<Reason> {
        if !self.lengths.contains(pin.length()) {
            return Some(Reason::BadLength);
        }
        self.profile.constraints.iter().any(|constraint| !constraint.admits(pin)).then_some(Reason::BadPin)
    }

    fn refusal(&self, now: Timestamp, write: &Write) -> Option<Effect> {
        let present = self.entry(write.place);
        if write.must_exist && present.is_none() {
            return Some(Effect::NotFound);
        }
        let reason = if !self.keypad {
            Some(Reason::NoKeypad)
        } else if let Some(reason) = self.flaw(write.pin) {
            Some(reason)
        } else if self.is_out_of_range(write.place) {
            Some(Reason::SlotOutOfRange)
        } else if self.is_other_length(write) {
            Some(Reason::BadLength)
        } else if self.is_name_taken(write) {
            Some(Reason::NameTaken)
        } else if present.is_some_and(|entry| entry.source == Source::Reserved) && !self.is_master_place(write.place)
            || self.quirks.has(Quirk::SlotOccupiedRefuses) && present.is_some_and(|entry| !is_rewrite(entry, write))
        {
            Some(Reason::SlotOccupied)
        } else if present.is_none() && self.entries.len() as u32 >= self.capacity() {
            Some(Reason::Full)
        } else if write.window.is_some_and(|window| self.starts_too_soon(now, window)) {
            Some(Reason::StartInPast)
        } else {
            None
        };
        reason.map(Effect::Refused).or_else(|| self.has_twin(write).then_some(Effect::Twin))
    }

    /// Whether this is the place of the master code: whoever writes it can program the lock from then on.
    #[must_use]
    pub fn is_master_place(&self, place: Place) -> bool {
        self.quirks.has(Quirk::MasterSlotCounted) && place == Place::Slot(Slot(self.profile.slots as u16))
    }

    /// The digits with which no PIN may begin (`master_prefix_refused`).
    #[must_use]
    pub fn master_prefix(&self) -> Option<Pin> {
        self.quirks.has(Quirk::MasterPrefixRefused).then(|| self.master.prefix(4))
    }

    /// Whether an entry with an equal PIN stands in the way of a write.
    fn has_twin(&self, write: &Write) -> bool {
        if self.master_prefix().is_some_and(|prefix| write.pin.prefix(4) == prefix) {
            return true;
        }
        let is_in_own_place = |entry: &Entry| entry.place == write.place && self.equality().same(entry.pin, write.pin);
        let own_place_counts = self.quirks.has(Quirk::OwnSlotIsTwin) && self.duplicate_policy() != DuplicatePolicy::Accept;
        self.has_pin_elsewhere(write.pin, write.place) || (own_place_counts && self.entries.iter().any(is_in_own_place))
    }

    /// Whether another place holds an equal PIN, and the lock minds.
    pub fn has_pin_elsewhere(&self, pin: Pin, place: Place) -> bool {
        let is_twin = |entry: &Entry| entry.place != place && self.equality().same(entry.pin, pin);
        self.duplicate_policy() != DuplicatePolicy::Accept && self.entries.iter().any(is_twin)
    }

    /// When it takes two PINs for the same.
    #[must_use]
    pub fn equality(&self) -> PinEquality {
        if self.quirks.has(Quirk::FirstFourCompared) { PinEquality::FirstFour } else { PinEquality::Exact }
    }

    fn is_other_length(&self, write: &Write) -> bool {
        let others = || self.entries.iter().filter(|entry| entry.place != write.place);
        self.quirks.has(Quirk::OneLengthPerLock) && others().any(|entry| entry.pin.length() != write.pin.length())
    }

    fn is_name_taken(&self, write: &Write) -> bool {
        let others = || self.entries.iter().filter(|entry| entry.place != write.place);
        self.quirks.has(Quirk::NameUnique) && others().any(|entry| entry.name == write.name)
    }

    /// What the lock does with a twin.
    #[must_use]
    pub fn duplicate_policy(&self) -> DuplicatePolicy {
        if self.quirks.has(Quirk::TwinDropped) { DuplicatePolicy::Silent } else { self.profile.duplicate }
    }

    fn is_out_of_range(&self, place: Place) -> bool {
        match place {
            Place::Handle(_) => false,
            Place::Slot(slot) => slot.0 == 0 || u32::from(slot.0) > self.capacity(),
        }
    }

    /// What a read shows of the memory now.
    #[must_use]
    pub fn items(&self, now: Timestamp) -> Arc<[Item]> {
        self.entries.iter().filter(|entry| !entry.hidden && entry.source != Source::Reserved).map(|entry| self.item(entry, now)).collect()
    }

    /// What a read shows of one entry.
    #[must_use]
    pub fn item(&self, entry: &Entry, now: Timestamp) -> Item {
        let blank = self.quirks.has(Quirk::PinBlankAfterWrite) && now < entry.written_at + MINUTE_MS;
        let pin = match self.profile.read_back {
            ReadBack::Exact | ReadBack::ExactLoaded if !blank => ShownPin::Shown(entry.pin),
            ReadBack::Masked if !blank => ShownPin::Masked,
            _ => ShownPin::Blank,
        };
        Item {
            place: entry.place,
            pin,
            name: self.profile.shows_names.then(|| entry.name.clone()),
            window: if self.profile.schedules { entry.window } else { None },
            enabled: entry.enabled,
            on_lock: OnLock::Yes,
        }
    }
}

/// Whether a write to an occupied slot comes from the manager who filled it: the lock lets it change its own.
fn is_rewrite(entry: &Entry, write: &Write) -> bool {
    matches!((entry.source, write.source), (Source::Command(_), Source::Command(_)))
}

/// A programming code that nobody has changed.
const MASTER: u64 = 482_913;

/// Factory codes: fixed values that a generated or requested PIN can collide with (`V-10`).
fn factory_code(n: u32) -> Pin {
    Pin::new(4, [6_379, 1_379, 2_580][n as usize % 3]).expect("four digits")
}

fn reserved_entry(slot: u32, pin: Pin) -> Entry {
    Entry {
        place: Place::Slot(Slot(slot as u16)),
        pin,
        name: Name::from("reserved"),
        window: None,
        kept: None,
        enabled: true,
        hidden: true,
        source: Source::Reserved,
        written_at: Timestamp::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::Vendor;

    fn write(place: u16, pin: &str) -> Write {
        Write {
            place: Place::Slot(Slot(place)),
            must_exist: false,
            pin: pin.parse().unwrap(),
            name: Name::from("guest"),
            window: None,
            source: Source::Command(CommandId(1)),
        }
    }

    fn lock(vendor: Vendor, quirks: &[Quirk]) -> Lock {
        Lock::new(Arc::new(vendor.profile()), quirks.iter().copied().collect())
    }

    #[test]
    fn a_quirk_that_is_named_twice_is_there() {
        let quirks: QuirkSet = [Quirk::OwnSlotIsTwin, Quirk::OwnSlotIsTwin].into_iter().collect();
        assert!(quirks.has(Quirk::OwnSlotIsTwin) && !quirks.has(Quirk::LinkSlow));
    }

    #[test]
    fn a_stored_pin_opens_until_it_is_erased() {
        let mut lock = lock(Vendor::GenericSlot, &[]);
        let (now, pin) = (Timestamp(0), "0420".parse().unwrap());
        assert!(!lock.opens(pin, now));
        assert_eq!(lock.store(now, write(1, "0420")), Effect::Added);
        assert!(lock.opens(pin, now) && !lock.opens("420".parse().unwrap(), now));
        assert_eq!(lock.erase(Place::Slot(Slot(1))), Effect::Removed);
        assert!(!lock.opens(pin, now));
        assert_eq!(lock.erase(Place::Slot(Slot(1))), Effect::NotFound);
    }

    #[test]
    fn an_equal_pin_elsewhere_is_a_twin_and_in_the_own_slot_only_by_quirk() {
        let mut plain = lock(Vendor::GenericSlot, &[]);
        assert_eq!(plain.store(Timestamp(0), write(1, "1234")), Effect::Added);
        assert_eq!(plain.store(Timestamp(0), write(2, "1234")), Effect::Twin);
        assert_eq!(plain.store(Timestamp(0), write(1, "1234")), Effect::Changed);
        let mut odd = lock(Vendor::GenericSlot, &[Quirk::OwnSlotIsTwin]);
        assert_eq!(odd.store(Timestamp(0), write(1, "1234")), Effect::Added);
        assert_eq!(odd.store(Timestamp(0), write(1, "1234")), Effect::Twin);
    }

    #[test]
    fn reserved_places_take_room_open_the_door_and_are_never_shown() {
        let mut lock = lock(Vendor::SmartThings, &[]);
        assert!(lock.items(Timestamp(0)).is_empty());
        assert_eq!(lock.store(Timestamp(0), write(30, "1234")), Effect::Refused(Reason::SlotOccupied));
        assert_eq!(lock.store(Timestamp(0), write(31, "1234")), Effect::Refused(Reason::SlotOutOfRange));
        assert_eq!(lock.store(Timestamp(0), write(1, "6379")), Effect::Twin);
        assert!(lock.opens("6379".parse().unwrap(), Timestamp(0)), "a factory code is a code");
    }

    #[test]
    fn the_clock_of_the_lock_decides() {
        let mut lock = lock(Vendor::GenericCloud, &[]);
        let window = Window { starts_at: Timestamp(600_000), ends_at: Timestamp(1_200_000) };
        let handle = Place::Handle(lock.new_handle());
        let stored = lock.store(Timestamp(0), Write { place: handle, window: Some(window), ..write(1, "1234") });
        assert_eq!(stored, Effect::Added);
        let pin = "1234".parse().unwrap();
        assert!(!lock.opens(pin, Timestamp(599_999)) && lock.opens(pin, Timestamp(600_000)));
        assert!(lock.opens(pin, Timestamp(1_199_999)) && !lock.opens(pin, Timestamp(1_200_000)));
        lock.clock_off_ms = 60_000;
        assert!(lock.opens(pin, Timestamp(540_000)) && !lock.opens(pin, Timestamp(1_140_000)));
    }
}
