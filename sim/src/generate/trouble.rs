//! What goes wrong in a generated world: faults and noise in times of trouble, rivals, and crashes of the controller.

use keyway_core::port::OpKind;
use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use keyway_core::vendor::{Ack, Family, Vendor};
use keyway_core::world::quirk::{Quirk, QuirkSort};

use super::chance::Chance;
use super::locks::DrawnLock;
use super::{Draw, Shape, Swarm};
use crate::plan::{Action, Crash, CrashPoint, Fault, Plan};
use crate::plan_text::{Offset, Span};
use crate::quirk;

/// The kinds of trouble that exist in a world.
#[derive(Clone, Debug)]
pub struct Kinds {
    faults: Vec<Quirk>,
    faults_a_spell: (i64, i64),
    noise: Vec<Quirk>,
    noise_a_spell: (i64, i64),
    one_in: (i64, i64),
    crashes: i64,
}

impl Kinds {
    /// Leaves most of it out. Clocks go wrong rarely, because what a wrong clock excuses is judged no more.
    pub fn draw(draw: &Draw, is_wide: bool, chance: &mut Chance) -> Self {
        let likely = |quirk: &Quirk| match quirk.sort() {
            QuirkSort::Standing => 0,
            _ if matches!(quirk, Quirk::ClockOff | Quirk::ClockResetWithBattery) => 5,
            QuirkSort::Noise => 45,
            QuirkSort::Fault => 35,
            QuirkSort::Actor => 25,
        };
        let is_known = |quirk: &Quirk| is_wide || !draw.is_default() || !of_other_vendors(*quirk);
        let quirks: Vec<Quirk> = Quirk::ALL.iter().copied().filter(|quirk| is_known(quirk) && chance.happens(likely(quirk))).collect();
        let (noise, faults) = quirks.iter().partition(|quirk| quirk.sort() == QuirkSort::Noise);
        Self {
            faults,
            faults_a_spell: chance.one_of(&[(0, 1), (1, 2), (2, 4)]),
            noise,
            noise_a_spell: chance.one_of(&[(0, 1), (1, 3), (2, 5)]),
            one_in: chance.one_of(&[(2, 4), (3, 10), (8, 50)]),
            crashes: chance.weighted(&[(13, 0), (3, 1), (3, 2), (2, 4)]).max(draw.shape.map_or(0, Shape::fewest_crashes)),
        }
    }
}

/// Adds faults and crashes. Crashes point into the steps, so those must be there.
pub fn add(swarm: &Swarm, locks: &[DrawnLock], chance: &mut Chance, plan: &mut Plan) {
    let kinds = &swarm.troubles;
    for spell in &swarm.spells {
        for (quirks, (fewest, most)) in [(&kinds.faults, kinds.faults_a_spell), (&kinds.noise, kinds.noise_a_spell)] {
            for _ in 0..chance.within(fewest, most) {
                let lock = &locks[chance.below(locks.len() as u64) as usize];
                let possible: Vec<Quirk> = quirks.iter().copied().filter(|quirk| suits(*quirk, lock)).collect();
                if !possible.is_empty() {
                    let quirk = chance.one_of(&possible);
                    plan.faults.push(fault(swarm, quirk, lock, *spell, chance));
                }
            }
        }
    }
    plan.faults.sort_by_key(|fault| match fault.from {
        Offset::After(ms) => ms,
        Offset::Instant(_) => unreachable!("the generator writes offsets"),
    });
    for _ in 0..swarm.troubles.crashes {
        let crash = crash(swarm, locks, chance, plan);
        plan.crashes.push(crash);
    }
}

/// Whether a fault can be on a lock of this vendor and these capabilities (port.md 8).
fn suits(quirk: Quirk, lock: &DrawnLock) -> bool {
    let profile = &lock.profile;
    let by_slot = profile.family == Family::BySlot;
    let is_cloud = lock.vendor != Vendor::GenericSlot;
    match quirk {
        Quirk::LinkLosesRequest | Quirk::LinkLosesAnswer | Quirk::LinkDelaysAnswer | Quirk::LinkDoublesAnswer => true,
        Quirk::LinkDoublesRequest | Quirk::LinkSlow | Quirk::NoticeLost | Quirk::NoticeDoubled | Quirk::NoticeLate => true,
        Quirk::ListingEmpty | Quirk::ListingTruncated => is_cloud && profile.family != Family::Offline,
        Quirk::WriteAckedNotStored | Quirk::ClearAckedNotDone => profile.ack == Ack::Nothing,
        // Where the acknowledgement means nothing, the cloud has nothing to say after storing.
        Quirk::CloudFailsAfterStoring => is_cloud && profile.ack != Ack::Nothing,
        Quirk::CloudFailsBeforeStoring => is_cloud,
        Quirk::CloudDown | Quirk::LoginRevoked | Quirk::CredentialChanged | Quirk::TunnelProgramStopped => true,
        Quirk::CreatePathDown => matches!(lock.vendor, Vendor::GenericCloud | Vendor::Schlage),
        Quirk::DeletePathDown => is_cloud && !by_slot,
        Quirk::RateBudgetSmall | Quirk::LockMarkedOffline | Quirk::VendorDropsEntry => is_cloud,
        Quirk::RightsWithdrawn | Quirk::LockDropsMidCommand | Quirk::LockLoadsLate | Quirk::BridgeUnplugged => is_august(lock),
        Quirk::KeypadGone | Quirk::LengthRefusedByLock => is_august(lock),
        Quirk::LockPowerLost | Quirk::MemoryLostWithPower | Quirk::MemoryRolledBack | Quirk::ClockOff => true,
        Quirk::LockAsleep => by_slot || is_august(lock),
        Quirk::HubPowerLost | Quirk::HubForgetsQueue | Quirk::HubFlushesLate => profile.hub.is_some(),
        Quirk::BridgeSeemsOnline => profile.queue_limit.is_some(),
        Quirk::HubRadioCollides | Quirk::ResetKeepsEntries | Quirk::RivalManager => by_slot,
        Quirk::DeviceLeavesAccount | Quirk::ResetWipes => true,
        Quirk::SerialHidden | Quirk::AdoptNeedsClaim | Quirk::SlotOccupiedRefuses | Quirk::FewerSlotsThanTold | Quirk::TwinDropped => false,
        Quirk::TwinCauseUnclear | Quirk::OwnSlotIsTwin | Quirk::CacheBehindReport | Quirk::CacheNeverRefreshed => false,
        Quirk::FirstFourCompared | Quirk::OneLengthPerLock | Quirk::NameUnique => false,
        Quirk::SeatsUsedUp | Quirk::SeatTakenAway | Quirk::OfficeMode => lock.vendor == Vendor::SaltoKs,
        Quirk::PinAssignedLate => false,
        Quirk::ClockResetWithBattery => profile.notices.battery,
        Quirk::ClockDrifts | Quirk::ClockWriteRefused => false,
        Quirk::MasterSlotCounted | Quirk::MasterPrefixRefused | Quirk::DeviceJoinsOtherAccount => false,
        Quirk::OffsetFixedAtWrite | Quirk::ListingShiftsAfterDst | Quirk::ZoneUntold => false,
        Quirk::PlanLapsed => lock.vendor == Vendor::Nuki,
        Quirk::DeviceSecretMissing => lock.vendor == Vendor::TwoN,
        Quirk::GatewayUnpaired => lock.vendor == Vendor::Ttlock,
        Quirk::BridgeQueueFull => profile.queue_limit.is_some(),
        Quirk::VariantsUsedUp => lock.vendor == Vendor::IgloohomeOffline,
        Quirk::LevelMissing | Quirk::LevelsSyncLate => lock.vendor == Vendor::Oracode,
        Quirk::RatePenaltyGrows | Quirk::LengthChangeWipes | Quirk::ReportsOfflineUse => false,
        Quirk::PinBlankAfterWrite | Quirk::ScanStopsEarly | Quirk::ZerosWhenEmpty | Quirk::NameCutShort => false,
    }
}

/// Quirks that are not in the default draw: of other vendors, or of stories.
#[must_use]
pub fn of_other_vendors(quirk: Quirk) -> bool {
    if matches!(
        quirk,
        Quirk::RatePenaltyGrows
            | Quirk::LengthChangeWipes
            | Quirk::MasterSlotCounted
            | Quirk::MasterPrefixRefused
            | Quirk::DeviceJoinsOtherAccount
    ) {
        return true;
    }
    let of_a_site = matches!(quirk, Quirk::SeatsUsedUp | Quirk::SeatTakenAway | Quirk::OfficeMode | Quirk::PinAssignedLate);
    let of_offline_codes = matches!(quirk, Quirk::VariantsUsedUp | Quirk::LevelMissing | Quirk::LevelsSyncLate | Quirk::ReportsOfflineUse);
    let of_the_device = matches!(quirk, Quirk::FirstFourCompared | Quirk::OneLengthPerLock | Quirk::NameUnique);
    let of_the_way = matches!(quirk, Quirk::PlanLapsed | Quirk::DeviceSecretMissing | Quirk::GatewayUnpaired | Quirk::BridgeQueueFull);
    let of_a_clock = matches!(quirk, Quirk::ClockDrifts | Quirk::ClockResetWithBattery | Quirk::ClockWriteRefused);
    let of_a_zone = matches!(quirk, Quirk::OffsetFixedAtWrite | Quirk::ListingShiftsAfterDst | Quirk::ZoneUntold);
    let of_a_bridge = matches!(quirk, Quirk::HubFlushesLate | Quirk::BridgeSeemsOnline);
    of_a_clock || of_a_zone || of_a_site || of_a_bridge || of_offline_codes || of_the_device || of_the_way
}

fn is_august(lock: &DrawnLock) -> bool {
    lock.vendor.is_in_august_cloud()
}

fn fault(swarm: &Swarm, quirk: Quirk, lock: &DrawnLock, (from, to): (i64, i64), chance: &mut Chance) -> Fault {
    // Noise needs time to strike; a fault has struck when it begins.
    let lasts = quirk.sort() == QuirkSort::Noise && chance.happens(70);
    let begins = if lasts { from } else { chance.within(from, from + (to - from) / 2) / SECOND_MS * SECOND_MS };
    let ends = if lasts || chance.happens(30) { to } else { chance.within(begins + SECOND_MS, to) / SECOND_MS * SECOND_MS };
    let lasts_to_the_end = to + 10 * MINUTE_MS > swarm.horizon_ms || chance.happens(4);
    let mut fault = plain_fault(quirk, on(quirk, lock, chance), (begins, ends.max(begins + SECOND_MS)));
    if lasts_to_the_end {
        fault.until = None;
    }
    match quirk.sort() {
        QuirkSort::Noise => narrow(swarm, quirk, lock, &mut fault, chance),
        QuirkSort::Fault | QuirkSort::Actor => particulars(quirk, &mut fault, chance),
        QuirkSort::Standing => unreachable!("a standing quirk is no fault"),
    }
    fault
}

/// A fault of which no more is said than whom it strikes and when.
pub fn plain_fault(quirk: Quirk, on: Option<String>, (from, until): (i64, i64)) -> Fault {
    Fault {
        quirk: quirk::Quirk(quirk),
        on,
        from: Offset::After(from),
        until: Some(Offset::After(until)),
        commands: Vec::new(),
        code: None,
        first: None,
        one_in: None,
        delay: None,
        status: None,
        copies: Vec::new(),
        slots: None,
        becomes: None,
        for_good: false,
    }
}

/// Whom it strikes: the lock, its hub or account by name, or everything.
fn on(quirk: Quirk, lock: &DrawnLock, chance: &mut Chance) -> Option<String> {
    let device = Some(lock.name.clone());
    match quirk {
        Quirk::HubPowerLost | Quirk::HubForgetsQueue => lock.hub.clone().or(device),
        Quirk::CloudDown | Quirk::LoginRevoked | Quirk::CredentialChanged | Quirk::TunnelProgramStopped => lock.account.clone().or(device),
        Quirk::CreatePathDown | Quirk::DeletePathDown | Quirk::RateBudgetSmall => lock.account.clone().or(device),
        Quirk::LinkLosesRequest | Quirk::LinkLosesAnswer | Quirk::NoticeLost if chance.happens(25) => None,
        _ => device,
    }
}

/// Which commands, answers or notices noise strikes, and how many of them.
fn narrow(swarm: &Swarm, quirk: Quirk, lock: &DrawnLock, fault: &mut Fault, chance: &mut Chance) {
    let on_notices = matches!(quirk, Quirk::NoticeLost | Quirk::NoticeDoubled | Quirk::NoticeLate);
    if chance.happens(20) {
        fault.first = Some(chance.within(1, 3) as u32);
    } else {
        let (from, to) = swarm.troubles.one_in;
        fault.one_in = Some(chance.within(from, to) as u32);
    }
    if !on_notices && chance.happens(35) {
        let kinds: &[OpKind] = match lock.profile.family {
            Family::ById => &[OpKind::CreateEntry, OpKind::DeleteEntry, OpKind::ReplaceEntry, OpKind::ListEntries],
            Family::BySlot => &[OpKind::SetSlot, OpKind::ClearSlot, OpKind::ReadSlot, OpKind::ListEntries],
            Family::BySeat => &[OpKind::CreateUser, OpKind::TakeSeat, OpKind::AssignPin, OpKind::DeleteUser, OpKind::ListEntries],
            Family::Offline => &[OpKind::RegisterOffline],
        };
        fault.commands = vec![chance.one_of(&fitting(quirk, kinds))];
    }
    if matches!(quirk, Quirk::CloudFailsAfterStoring | Quirk::CloudFailsBeforeStoring) && chance.happens(30) {
        fault.status = Some(chance.one_of(&[500, 503, 504]));
    }
    if quirk == Quirk::NoticeLate && chance.happens(50) {
        fault.delay = Some(Span(chance.within(5, 120) * SECOND_MS));
    }
    if quirk == Quirk::NoticeDoubled && chance.happens(30) {
        fault.copies = (0..chance.within(1, 2)).map(|_| Span(chance.within(1, 120) * SECOND_MS)).collect();
    }
}

/// The kinds of command that a quirk can strike.
fn fitting(quirk: Quirk, kinds: &[OpKind]) -> Vec<OpKind> {
    let reads = |kind: &OpKind| matches!(kind, OpKind::ListEntries | OpKind::ReadEntry | OpKind::ReadSlot);
    let erases = |kind: &OpKind| matches!(kind, OpKind::DeleteEntry | OpKind::ClearSlot);
    let kept = kinds.iter().copied().filter(|kind| match quirk {
        Quirk::ListingEmpty | Quirk::ListingTruncated => *kind == OpKind::ListEntries,
        Quirk::ClearAckedNotDone => erases(kind),
        Quirk::WriteAckedNotStored => !erases(kind) && !reads(kind),
        Quirk::CloudFailsAfterStoring | Quirk::CloudFailsBeforeStoring | Quirk::LinkSlow => !reads(kind),
        _ => true,
    });
    kept.collect()
}

/// What else is to be said of a fault or an actor.
fn particulars(quirk: Quirk, fault: &mut Fault, chance: &mut Chance) {
    match quirk {
        Quirk::ClockOff | Quirk::ClockResetWithBattery => fault.delay = Some(Span(chance.spread(10 * SECOND_MS, 3 * HOUR_MS))),
        Quirk::RivalManager => {
            let from = chance.within(1, 4) as u16;
            fault.slots = Some((from, from + chance.within(0, 4) as u16));
            fault.delay = chance.happens(50).then(|| Span(chance.spread(SECOND_MS, HOUR_MS)));
        }
        Quirk::DeviceLeavesAccount => fault.for_good = chance.happens(15),
        _ => {}
    }
}

/// A point at which the controller dies; most lie inside a step, because that is where promises break.
fn crash(swarm: &Swarm, locks: &[DrawnLock], chance: &mut Chance, plan: &Plan) -> Crash {
    let calls: Vec<u32> = (0..).zip(&plan.steps).filter(|(_, step)| changes_something(&step.action)).map(|(at, _)| at).collect();
    let lock = &locks[chance.below(locks.len() as u64) as usize];
    let outputs = chance.within(0, 6) as u32;
    let when = match chance.below(10) {
        0..=3 if !calls.is_empty() => CrashPoint::InCall { step: chance.one_of(&calls), outputs },
        4 | 5 if !calls.is_empty() => CrashPoint::AfterReply { step: chance.one_of(&calls) },
        6 | 7 => {
            let writes: &[OpKind] = match lock.profile.family {
                Family::ById => &[OpKind::CreateEntry, OpKind::DeleteEntry, OpKind::ListEntries],
                Family::BySlot => &[OpKind::SetSlot, OpKind::ClearSlot, OpKind::ReadSlot],
                Family::BySeat => &[OpKind::CreateUser, OpKind::TakeSeat, OpKind::AssignPin, OpKind::DeleteUser],
                Family::Offline => &[OpKind::RegisterOffline],
            };
            let nth = chance.within(0, 4) as u32;
            CrashPoint::InAnswer { on: lock.name.clone(), command: chance.one_of(writes), nth, outputs: outputs / 2 }
        }
        8 => CrashPoint::InWake { nth: chance.spread(1, 60) as u32, outputs: outputs / 2 },
        _ => CrashPoint::At(Offset::After(swarm.moment(chance))),
    };
    let down = chance.weighted(&[(5, (100, 30 * SECOND_MS)), (3, (MINUTE_MS, 20 * MINUTE_MS)), (1, (HOUR_MS, DAY_MS / 8))]);
    Crash { when, down: Span(chance.spread(down.0, down.1) / 100 * 100) }
}

fn changes_something(action: &Action) -> bool {
    matches!(action, Action::Create(_) | Action::Update(_) | Action::Delete(_) | Action::PullBackup(_))
}
