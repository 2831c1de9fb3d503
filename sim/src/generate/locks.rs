//! The locks of a generated world: vendors, what sets a lock apart from its vendor's profile, hubs and accounts they
//! share, and what lies in their memory at `+0`.

use keyway_core::id::Slot;
use keyway_core::rule::{self, Reach};
use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use keyway_core::vendor::{Ack, DuplicatePolicy, Family, Profile, ReadBack, Vendor};
use keyway_core::world::quirk::{Quirk, QuirkSort};

use super::chance::Chance;
use super::{Shape, Swarm};
use crate::plan::{Account, CreateCode, Device, Hub, Plan, Stored};
use crate::plan_text::{Offset, PinText, Span};
use crate::setup::overridden;

/// A lock that was drawn, as far as story and trouble need to know it.
#[derive(Clone, Debug)]
pub struct DrawnLock {
    pub name: String,
    pub vendor: Vendor,
    pub hub: Option<String>,
    pub account: Option<String>,
    /// With the device's own figures.
    pub profile: Profile,
    /// PINs that people and callers use here; few, so that they collide.
    pub pins: Vec<&'static str>,
    /// Codes that exist from the prologue on.
    pub owners: Vec<String>,
}

/// PINs of the plans: leading zeros, one prefix in several lengths, and the factory codes of a SmartThings lock.
const PINS: [&str; 16] = [
    "0420", "4711", "1234", "5150", "9009", "0000", "2580", "6379", "00420", "04711", "47110", "42424", "004200", "471100", "123456",
    "990099",
];
const ZONES: [&str; 5] = ["Europe/Berlin", "America/New_York", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu"];

/// Adds 1 to 4 locks with what they need.
pub fn add(swarm: &Swarm, chance: &mut Chance, plan: &mut Plan) -> Vec<DrawnLock> {
    let fewest = swarm.shape.map_or(1, Shape::fewest_locks);
    let count = chance.weighted(&[(3, 1), (4, 2), (3, 3), (2, 4)]).max(fewest);
    let pin_count = chance.within(3, 8) as usize;
    let pins: Vec<_> = (0..pin_count).map(|_| chance.one_of(&PINS)).collect();
    let shares_account = chance.happens(50);
    let shares_hub = chance.happens(60);
    let mut locks = Vec::new();
    for n in 1..=count {
        let vendor = chance.one_of(&swarm.vendors);
        let mut device = Device { name: format!("L{n}"), ..no_device() };
        device.account = shares_account.then(|| account(chance, plan, vendor)).flatten();
        device.vendor = device.account.is_none().then_some(vendor);
        device.hub = hub(shares_hub, chance, plan, vendor, device.account.as_deref());
        if chance.happens(swarm.odd_percent) {
            make_odd(chance, vendor, &mut device);
            if swarm.wide.is_some() {
                own_quirks(chance, vendor, &mut device);
            }
        }
        if chance.happens(40) {
            device.zone = Some(chance.one_of(&ZONES).to_owned());
        }
        let profile = overridden(vendor.profile(), &device);
        let owners = fill(swarm, chance, &mut device, &profile, &pins);
        let (name, hub, account) = (device.name.clone(), device.hub.clone(), device.account.clone());
        locks.push(DrawnLock { name, vendor, hub, account, profile, pins: pins.clone(), owners });
        plan.devices.push(device);
    }
    locks
}

pub fn no_device() -> Device {
    Device {
        name: String::new(),
        serial: None,
        vendor_id: None,
        joins_later: false,
        vendor: None,
        account: None,
        hub: None,
        slots: None,
        pin_lengths: None,
        true_slots: None,
        duplicate: None,
        ack: None,
        read_back: None,
        shows_names: None,
        schedules: None,
        latency: None,
        lat_max: None,
        command_timeout: None,
        read_lag: None,
        update_in_place: None,
        name_length: None,
        start_margin: None,
        page_size: None,
        clock_off: None,
        clock_drift: None,
        zone: None,
        quirks: Vec::new(),
        memory: Vec::new(),
    }
}

/// An account with a name of its own: one that is there already, or a new one. None: the vendor's only one.
fn account(chance: &mut Chance, plan: &mut Plan, vendor: Vendor) -> Option<String> {
    let known: Vec<usize> = (0..plan.accounts.len()).filter(|n| plan.accounts[*n].vendor == vendor).collect();
    if !known.is_empty() && chance.happens(60) {
        return Some(plan.accounts[chance.one_of(&known)].name.clone());
    }
    if chance.happens(30) {
        return None;
    }
    let name = format!("acct{}", plan.accounts.len() + 1);
    let zone = chance.happens(30).then(|| chance.one_of(&ZONES).to_owned());
    let slow = vendor.profile().rate_per_minute.is_some() && chance.happens(15);
    let rate_per_minute = slow.then(|| chance.one_of(&[10, 20, 30]));
    plan.accounts.push(Account { zone, rate_per_minute, ..plain_account(&name, vendor) });
    Some(name)
}

/// An account as its vendor has it.
pub fn plain_account(name: &str, vendor: Vendor) -> Account {
    Account {
        name: name.to_owned(),
        vendor,
        zone: None,
        rate_per_minute: None,
        page_size: None,
        seats: None,
        seats_of_others: None,
        shares: None,
    }
}

/// A hub with a name, which locks of one vendor and account share. An August bridge is its lock's own.
fn hub(shares: bool, chance: &mut Chance, plan: &mut Plan, vendor: Vendor, account: Option<&str>) -> Option<String> {
    if !shares || vendor.profile().family != Family::BySlot || chance.happens(20) {
        return None;
    }
    let name = format!("hub-{}", account.unwrap_or(vendor.name()));
    if plan.hubs.iter().all(|hub| hub.name != name) {
        plan.hubs.push(Hub { name: name.clone() });
    }
    Some(name)
}

/// Gives a lock what sets it apart: figures, capabilities, standing quirks.
fn make_odd(chance: &mut Chance, vendor: Vendor, device: &mut Device) {
    if chance.happens(40) {
        // SmartThings keeps three of them for itself.
        device.slots = Some(chance.within(2, 6) as u32 + vendor.profile().reserved_slots);
    }
    if chance.happens(15) {
        device.pin_lengths = Some(chance.one_of::<&[u8]>(&[&[4], &[6], &[4, 6], &[5, 6]]).to_vec());
    }
    if chance.happens(20) {
        device.page_size = Some(chance.within(1, 4) as u32);
    }
    match vendor {
        Vendor::GenericCloud => odd_cloud(chance, device),
        Vendor::GenericSlot => odd_slot(chance, device),
        Vendor::August => odd_figures(chance, vendor, device),
        Vendor::SmartThings => {
            odd_figures(chance, vendor, device);
            quirks(chance, device, &[(25, Quirk::TwinDropped)]);
            by_slot_quirks(chance, device);
        }
        _ => odd_figures(chance, vendor, device),
    }
    quirks(chance, device, &[(10, Quirk::SerialHidden)]);
    if vendor.profile().schedules && chance.happens(15) {
        device.clock_off = Some(Offset::After(chance.spread(SECOND_MS, HOUR_MS)));
    }
}

/// What is known of this vendor's locks alone.
fn own_quirks(chance: &mut Chance, vendor: Vendor, device: &mut Device) {
    let is_its_own = |quirk: &Quirk| rule::quirk(quirk.name()).is_some_and(|row| row.reaches.contains(&Reach::Vendor(vendor.name())));
    for quirk in Quirk::ALL.iter().filter(|quirk| quirk.sort() == QuirkSort::Standing && is_its_own(quirk)) {
        if device.quirks.iter().all(|known| known.0 != *quirk) {
            quirks(chance, device, &[(15, *quirk)]);
        }
    }
}

fn odd_cloud(chance: &mut Chance, device: &mut Device) {
    device.duplicate = drawn(chance, 30, &[DuplicatePolicy::RejectUnclear, DuplicatePolicy::Silent, DuplicatePolicy::Accept]);
    device.schedules = chance.happens(30).then_some(false);
    if chance.happens(35) {
        device.ack = Some(Ack::Queued);
        device.read_back = drawn(chance, 60, &[ReadBack::ExactLoaded]);
    }
    if device.read_back.is_none() && chance.happens(20) {
        // With names: where the vendor places entries, nothing else tells a write whose answer was lost from a stranger's.
        device.read_back = Some(ReadBack::Masked);
    }
    if device.schedules.is_none() && chance.happens(15) {
        device.start_margin = Some(Span(chance.one_of(&[2, 5, 10]) * MINUTE_MS));
    }
    odd_figures(chance, Vendor::GenericCloud, device);
    let cut_short = if device.read_back == Some(ReadBack::Masked) { 0 } else { 15 };
    quirks(chance, device, &[(10, Quirk::TwinCauseUnclear), (cut_short, Quirk::NameCutShort), (10, Quirk::FewerSlotsThanTold)]);
}

fn odd_slot(chance: &mut Chance, device: &mut Device) {
    let twins = [DuplicatePolicy::RejectUnclear, DuplicatePolicy::Notify, DuplicatePolicy::Silent, DuplicatePolicy::Accept];
    device.duplicate = drawn(chance, 50, &twins);
    device.ack = drawn(chance, 55, &[Ack::Queued, Ack::Nothing]);
    if chance.happens(35) {
        device.read_back = Some(chance.one_of(&[ReadBack::Masked, ReadBack::Presence]));
        // Without names only `Done` proves a write, so the acknowledgement must come to mean something.
        device.shows_names = (device.ack != Some(Ack::Nothing) && chance.happens(40)).then_some(false);
    }
    odd_figures(chance, Vendor::GenericSlot, device);
    quirks(
        chance,
        device,
        &[
            (20, Quirk::OwnSlotIsTwin),
            (15, Quirk::ZerosWhenEmpty),
            (10, Quirk::TwinDropped),
            (10, Quirk::TwinCauseUnclear),
            (10, Quirk::FewerSlotsThanTold),
        ],
    );
    by_slot_quirks(chance, device);
}

fn by_slot_quirks(chance: &mut Chance, device: &mut Device) {
    let shows_pins = device.read_back.is_none_or(|read| read == ReadBack::Exact);
    let blank = if shows_pins { 10 } else { 0 };
    quirks(
        chance,
        device,
        &[
            (25, Quirk::SlotOccupiedRefuses),
            (15, Quirk::CacheBehindReport),
            (blank, Quirk::PinBlankAfterWrite),
            (15, Quirk::ScanStopsEarly),
        ],
    );
}

/// How slow the lock is, within what the vendor promises or with promises of its own.
fn odd_figures(chance: &mut Chance, vendor: Vendor, device: &mut Device) {
    let profile = vendor.profile();
    let mut lat_max_ms = profile.lat_max_ms;
    if chance.happens(10) && profile.command_ttl_ms >= 10 * MINUTE_MS {
        lat_max_ms = 5 * MINUTE_MS;
        device.lat_max = Some(Span(lat_max_ms));
        device.command_timeout = Some(Span(6 * MINUTE_MS));
    }
    if chance.happens(20) {
        device.latency = Some(Span(chance.spread(SECOND_MS, lat_max_ms / 3)));
    }
    if chance.happens(15) {
        device.read_lag = Some(Span(chance.one_of(&[1, 5, 60, 120]) * SECOND_MS));
    }
}

fn drawn<T: Copy>(chance: &mut Chance, percent: u64, list: &[T]) -> Option<T> {
    chance.happens(percent).then(|| chance.one_of(list))
}

fn quirks(chance: &mut Chance, device: &mut Device, likely: &[(u64, Quirk)]) {
    for (percent, quirk) in likely {
        if chance.happens(*percent) {
            device.quirks.push(crate::quirk::Quirk(*quirk));
        }
    }
}

/// What lies in memory at `+0`: strangers' entries, and codes of owners; their names.
fn fill(swarm: &Swarm, chance: &mut Chance, device: &mut Device, profile: &Profile, pins: &[&'static str]) -> Vec<String> {
    let room = profile.slots - profile.reserved_slots;
    let strangers = chance.weighted(&[(5, 0), (2, 1), (2, 2), (1, room)]).min(room).min(6);
    let mut owners = Vec::new();
    for n in 0..strangers {
        let slot = (profile.family == Family::BySlot && chance.happens(60)).then(|| n as u16 + 1).map(Slot);
        let pin = PinText(chance.one_of(pins).parse().expect("a PIN of ours"));
        let hidden = profile.vendor == Vendor::SmartThings && chance.happens(30);
        device.memory.push(Stored { slot: slot.map(|slot| slot.0), pin: Some(pin), hidden, ..no_entry() });
    }
    let owned = if chance.happens(35) { chance.within(1, 2) as u32 } else { 0 };
    for n in 0..owned.min(room.saturating_sub(strangers)) {
        let owner = format!("{}-owner{}", device.name, n + 1);
        // A prologue is undisturbed: an owner's PIN is left to the platform, so that no stranger has it.
        device.memory.push(Stored { owner: Some(owner.clone()), create: owners_window(swarm, chance), ..no_entry() });
        owners.push(owner);
    }
    owners
}

fn owners_window(swarm: &Swarm, chance: &mut Chance) -> Option<CreateCode> {
    let ends = chance.happens(50).then(|| Offset::After(chance.within(HOUR_MS, swarm.horizon_ms + HOUR_MS) / MINUTE_MS * MINUTE_MS));
    let allowed = chance.happens(25).then_some(true);
    if ends.is_none() && allowed.is_none() {
        return None;
    }
    Some(CreateCode { starts: ends.map(|_| Offset::After(0)), ends, is_external_modification_allowed: allowed, ..CreateCode::default() })
}

fn no_entry() -> Stored {
    Stored { slot: None, pin: None, name: None, owner: None, hidden: false, create: None }
}
