//! What befalls a lock or an account as a whole, and uniform chance never draws: a lock turns up in another account or under another id, the list of devices comes
//! back short, the clocks change under a guest's stay, the seats of a site run out, a login is connected in two workspaces. Of so many seeds of the default draw one has such a thing, from dice of its own.

use keyway_core::port::OpKind;
use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use keyway_core::vendor::{Family, Vendor};
use keyway_core::world::quirk::Quirk;

use super::chance::Chance;
use super::locks::{no_device, plain_account};
use super::trouble::plain_fault;
use super::{CLOCK_CHANGES, Swarm};
use crate::plan::unmanaged::{AtUnmanaged, ConvertUnmanaged, UnmanagedAction};
use crate::plan::{Account, Action, CreateCode, Device, Fault, Plan, RequestedPin, Step, UpdateCode};
use crate::plan_text::{Offset, PinText, Start};
use crate::quirk;

/// Adds one of these to the plan.
pub fn add(swarm: &Swarm, plan: &mut Plan, chance: &mut Chance) {
    match chance.below(5) {
        0 => turns_up_elsewhere(swarm, plan, chance),
        1 => lists_are_short(swarm, plan, chance),
        2 => clocks_change(plan, chance),
        3 => seats_run_out(swarm, plan, chance),
        _ => two_workspaces(swarm, plan, chance),
    }
}

fn create(plan: &mut Plan, at: i64, create: CreateCode) {
    plan.steps.push(Step { at: Offset::After(at), action: Action::Create(create), by: None });
}

/// A lock leaves its account for good and joins another one (`F-17`), or the same one where no serial is told (`F-10`): there it is a new device (`R-57`).
fn turns_up_elsewhere(swarm: &Swarm, plan: &mut Plan, chance: &mut Chance) {
    let at = chance.below(plan.devices.len() as u64) as usize;
    let (is_hidden, vendor) = (chance.happens(50), vendor_of(plan, at));
    let is_hidden = is_hidden && !plan.devices[at].quirks.contains(&quirk::Quirk(Quirk::SerialHidden));
    if vendor.profile().family == Family::Offline {
        return;
    }
    let moves = |fault: &Fault| matches!(fault.quirk.0, Quirk::DeviceLeavesAccount | Quirk::ResetWipes | Quirk::ResetKeepsEntries);
    plan.faults.retain(|fault| !moves(fault));
    let device = &mut plan.devices[at];
    if is_hidden {
        // Calls name such a lock by its vendor's id.
        device.quirks.push(quirk::Quirk(Quirk::SerialHidden));
        device.vendor_id = Some(901);
    }
    let (name, serial) = (device.name.clone(), device.serial.clone().unwrap_or_else(|| device.name.clone()));
    let mut newcomer =
        Device { name: "elsewhere".to_owned(), serial: Some(serial), joins_later: true, memory: Vec::new(), ..device.clone() };
    newcomer.vendor_id = newcomer.vendor_id.map(|id| id + 1);
    if !is_hidden {
        (newcomer.account, newcomer.vendor, newcomer.hub) = (Some("other".to_owned()), None, None);
        plan.accounts.push(plain_account("other", vendor));
    }
    let on = newcomer.name.clone();
    plan.devices.push(newcomer);
    let left_at = swarm.moment(chance).min(swarm.horizon_ms / 2);
    create(plan, left_at / 2, CreateCode { code: "left behind".to_owned(), on: name.clone(), ..CreateCode::default() });
    let joined_at = left_at + chance.spread(MINUTE_MS, swarm.horizon_ms / 4);
    let mut leaves = plain_fault(Quirk::DeviceLeavesAccount, Some(name.clone()), (left_at, swarm.horizon_ms));
    let mut joins = plain_fault(Quirk::DeviceJoinsOtherAccount, Some(name), (joined_at, swarm.horizon_ms));
    joins.becomes = Some(on.clone());
    for fault in [&mut leaves, &mut joins] {
        (fault.until, fault.for_good) = (None, true);
    }
    plan.faults.extend([leaves, joins]);
    let born = joined_at + chance.spread(MINUTE_MS, HOUR_MS);
    let update = UpdateCode { code: "left behind".to_owned(), pin: Some(RequestedPin::Text("314159".to_owned())), ..UpdateCode::default() };
    let asked_at = joined_at + chance.spread(10 * MINUTE_MS, 2 * HOUR_MS);
    plan.steps.push(Step { at: Offset::After(asked_at.min(swarm.horizon_ms)), action: Action::Update(update), by: None });
    create(plan, born.min(swarm.horizon_ms), CreateCode { code: "newcomer".to_owned(), on, ..CreateCode::default() });
}

fn vendor_of(plan: &Plan, device: usize) -> Vendor {
    let device = &plan.devices[device];
    let of_account = |name: &String| plan.accounts.iter().find(|account| account.name == *name).map(|account| account.vendor);
    device.account.as_ref().and_then(of_account).or(device.vendor).unwrap_or(Vendor::GenericCloud)
}

/// A list of devices comes back empty or cut short, for a while or once in a while (`F-08`).
fn lists_are_short(swarm: &Swarm, plan: &mut Plan, chance: &mut Chance) {
    let quirk = if chance.happens(50) { Quirk::ListingEmpty } else { Quirk::ListingTruncated };
    let from = swarm.moment(chance);
    let mut short = plain_fault(quirk, None, (from, from + chance.spread(10 * MINUTE_MS, 3 * HOUR_MS)));
    (short.commands, short.one_in) = (vec![OpKind::ListDevices], chance.happens(50).then_some(2));
    plan.faults.push(short);
}

/// A lock that keeps the offset of the day of writing, and a stay over the night in which the clocks change (`F-12`, `R-58`).
fn clocks_change(plan: &mut Plan, chance: &mut Chance) {
    let (changes_at, zone) = chance.one_of(&[0, 1, 2, 3].map(|n| (CLOCK_CHANGES[n], ["Europe/Berlin", "America/New_York"][n / 2])));
    let before = chance.within(2, 20) * HOUR_MS;
    plan.start = Start(changes_at - before);
    plan.accounts.push(Account { zone: chance.happens(70).then(|| zone.to_owned()), ..plain_account("over night", Vendor::Schlage) });
    let quirks = [Quirk::OffsetFixedAtWrite, Quirk::ListingShiftsAfterDst].map(quirk::Quirk).to_vec();
    let (name, account) = ("over night lock".to_owned(), Some("over night".to_owned()));
    plan.devices.push(Device { name: name.clone(), account, zone: Some(zone.to_owned()), quirks, ..no_device() });
    let born = chance.spread(SECOND_MS, before / 2);
    let starts = born + chance.spread(MINUTE_MS, before / 3) / MINUTE_MS * MINUTE_MS;
    let ends = before / HOUR_MS * HOUR_MS + chance.within(2, 30) * HOUR_MS;
    let pin = chance.happens(50).then(|| RequestedPin::Text("1903".to_owned()));
    let (starts, ends) = (Some(Offset::After(starts)), Some(Offset::After(ends)));
    create(plan, born, CreateCode { code: "stay".to_owned(), on: name, pin, starts, ends, ..CreateCode::default() });
}

/// A site whose plan pays for few seats, which others take and give back while codes are made (`F-25`, `R-63`).
fn seats_run_out(swarm: &Swarm, plan: &mut Plan, chance: &mut Chance) {
    let seats = chance.within(2, 4) as u32;
    plan.accounts.push(Account { seats: Some(seats), seats_of_others: Some(1), ..plain_account("site", Vendor::SaltoKs) });
    let (name, site) = ("office".to_owned(), Some("site".to_owned()));
    plan.devices.push(Device { name: name.clone(), account: site, ..no_device() });
    for n in 1..=seats {
        let born = swarm.moment(chance);
        create(plan, born, CreateCode { code: format!("member {n}"), on: name.clone(), ..CreateCode::default() });
        for quirk in [Quirk::SeatTakenAway, Quirk::SeatsUsedUp] {
            let from = born + chance.spread(SECOND_MS, 10 * MINUTE_MS);
            plan.faults.push(plain_fault(quirk, Some(name.clone()), (from, from + chance.spread(MINUTE_MS, 2 * HOUR_MS))));
        }
    }
}

/// A login that is connected in two workspaces, one of which is to take over what the other one manages, with force or without (`R-45`, `I-WS-01`).
fn two_workspaces(swarm: &Swarm, plan: &mut Plan, chance: &mut Chance) {
    let vendor = chance.one_of(&[Vendor::GenericCloud, Vendor::GenericSlot, Vendor::August]);
    plan.accounts.push(plain_account("owner", vendor));
    plan.accounts.push(Account { shares: Some("owner".to_owned()), ..plain_account("agency", vendor) });
    plan.devices.push(Device { name: "door".to_owned(), account: Some("owner".to_owned()), ..no_device() });
    let (born, pin) = (swarm.moment(chance).min(swarm.horizon_ms / 2), "271828");
    let wished = Some(RequestedPin::Text(pin.to_owned()));
    create(plan, born, CreateCode { code: "cook".to_owned(), on: "door".to_owned(), pin: wished, ..CreateCode::default() });
    let target = AtUnmanaged { code: None, on: Some("agency/door".to_owned()), pin: pin.parse().ok().map(PinText) };
    let mut at = born;
    for force in [None, chance.happens(50).then_some(true)] {
        at += chance.spread(10 * MINUTE_MS, 4 * HOUR_MS);
        let convert = ConvertUnmanaged { target: target.clone(), named: None, is_external_modification_allowed: None, force };
        let action = Action::Unmanaged(UnmanagedAction::Convert(convert));
        plan.steps.push(Step { at: Offset::After(at.min(swarm.horizon_ms)), action, by: None });
    }
}
