//! Faults and rivals: how the plan's states of the world begin and end.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::id::{CodeId, CommandId};
use keyway_core::pin::Lengths;
use keyway_core::port::Place;
use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use keyway_core::world::lock::Source;
use keyway_core::world::quirk::{Quirk, QuirkSort};
use keyway_core::world::site::{CloudCondition, Consequence, LockCondition};

use super::vendors::Letter;
use super::{Item, Simulation};
use crate::agenda::Class;
use crate::occurrence::{Cause, Change, Lock, Occurrence, Phase};
use crate::plan::Fault;
use crate::setup::Target;

/// A rival manager that is not told otherwise acts after this.
const RIVAL_DELAY_MS: i64 = 20 * SECOND_MS;
/// The clock of a lock jumps by this unless the plan says otherwise.
const CLOCK_JUMP_MS: i64 = 10 * MINUTE_MS;
/// A clock under `clock_drifts` gains this a day unless the plan says otherwise.
const CLOCK_DRIFT_MS: i64 = 2 * SECOND_MS;

impl Simulation<'_> {
    pub(super) fn fault(&mut self, index: usize, begins: bool) {
        let plan = self.plan;
        let fault = &plan.faults[index];
        if self.active[index] == begins || (begins && self.phase != Phase::Safety) {
            return;
        }
        self.active[index] = begins;
        if fault.quirk.sort() == QuirkSort::Noise {
            return; // It disturbs when it strikes.
        }
        let target = self.setup.target(fault.on.as_deref());
        let locks = self.affected(&target, fault.quirk.0);
        if begins {
            self.mark(fault.quirk.name());
        }
        for lock in &locks {
            self.faults_on[lock.0 as usize] = (self.faults_on[lock.0 as usize] + u32::from(begins)).saturating_sub(u32::from(!begins));
            let active = self.faults_on[lock.0 as usize];
            if begins {
                self.figures.fired += 1;
            }
            self.see(&Occurrence::Faults { lock: *lock, active });
        }
        self.apply_fault(fault, &target, begins);
        self.show_reach();
    }

    /// The locks that a fault disturbs: conditions of an account or hub touch all locks behind it.
    pub(super) fn affected(&self, target: &Target, quirk: Quirk) -> Vec<Lock> {
        let locks = self.setup.locks_of(target);
        let widened: BTreeSet<Lock> = match scope_of(quirk) {
            Scope::Lock => locks.into_iter().collect(),
            Scope::Account => {
                let sites: BTreeSet<_> = locks.iter().map(|lock| self.setup.addresses[lock.0 as usize].site).collect();
                sites.into_iter().flat_map(|site| self.setup.locks_of(&Target::Account(site))).collect()
            }
            Scope::Hub => {
                let hubs: BTreeSet<_> = locks.iter().filter_map(|lock| self.hub_of(*lock)).collect();
                hubs.into_iter().flat_map(|(site, hub)| self.setup.locks_of(&Target::Hub(site, hub))).collect()
            }
        };
        widened.into_iter().flat_map(|lock| self.setup.views(lock)).copied().collect()
    }

    pub(super) fn hub_of(&self, lock: Lock) -> Option<(usize, usize)> {
        let address = self.setup.addresses[lock.0 as usize];
        Some((address.site, self.setup.sites[address.site].hub_of(address.lock)?))
    }

    pub(super) fn apply_fault(&mut self, fault: &Fault, target: &Target, begins: bool) {
        let locks = self.setup.locks_of(target);
        if let Some(condition) = cloud_condition(fault.quirk.0) {
            let sites: BTreeSet<_> = locks.iter().map(|lock| self.setup.addresses[lock.0 as usize].site).collect();
            for site in sites {
                self.setup.sites[site].set_cloud(self.now, condition, begins, &mut self.consequences);
                self.follow(site);
            }
            return;
        }
        if let Some(condition) = lock_condition(fault.quirk.0) {
            return self.on_each(&locks, |world, now, site, lock, out| world.setup.sites[site].set_lock(now, lock, condition, begins, out));
        }
        match fault.quirk.0 {
            Quirk::HubPowerLost | Quirk::HubForgetsQueue => {
                let hubs: BTreeSet<_> = locks.iter().filter_map(|lock| self.hub_of(*lock)).collect();
                for (site, hub) in hubs {
                    if fault.quirk.0 == Quirk::HubForgetsQueue && begins {
                        self.setup.sites[site].forget_queues(hub);
                    }
                    self.setup.sites[site].set_hub(self.now, hub, begins, &mut self.consequences);
                    self.follow(site);
                }
            }
            Quirk::HubFlushesLate | Quirk::BridgeSeemsOnline => {
                let hubs: BTreeSet<_> = locks.iter().filter_map(|lock| self.hub_of(*lock)).collect();
                for (site, hub) in hubs {
                    let at_site = &mut self.setup.sites[site];
                    match fault.quirk.0 {
                        Quirk::HubFlushesLate => at_site.set_keeps_taking(self.now, hub, begins),
                        _ => at_site.set_seems_online(self.now, hub, begins, &mut self.consequences),
                    }
                    self.follow(site);
                }
            }
            Quirk::SeatTakenAway => {
                let meant = fault.code.as_ref().and_then(|name| self.names.get(name)).copied();
                let made_by: BTreeMap<CommandId, CodeId> =
                    self.sent.iter().filter_map(|(command, sent)| Some((*command, sent.letter.code?))).collect();
                let is_meant = |command: CommandId| fault.code.is_none() || made_by.get(&command).copied() == meant;
                let sites: BTreeSet<_> = locks.iter().map(|lock| self.setup.addresses[lock.0 as usize].site).collect();
                for site in sites {
                    if begins {
                        self.setup.sites[site].takes_seat_away(self.now, is_meant, &mut self.consequences);
                    }
                    self.setup.sites[site].change_plan(self.now, if begins { -1 } else { 1 }, &mut self.consequences);
                    self.follow(site);
                }
            }
            Quirk::ClockOff => self.shift_clocks(fault, &locks, begins),
            Quirk::ClockResetWithBattery if begins => self.on_each(&locks, |world, now, site, lock, out| {
                world.setup.sites[site].gets_batteries(now, lock, jump_of(fault), out);
            }),
            Quirk::LengthRefusedByLock => self.change_lengths(&locks, begins),
            Quirk::DeviceLeavesAccount => self.on_each(&locks, |world, now, site, lock, out| {
                let site = &mut world.setup.sites[site];
                if begins { site.leaves(now, lock, out) } else { site.joins(now, lock, out) }
            }),
            Quirk::DeviceJoinsOtherAccount if begins => self.joins_other_account(fault, &locks),
            Quirk::RivalManager => self.rival_begins(fault, &locks, begins),
            _ if !begins => {}
            Quirk::ResetWipes => self.on_each(&locks, |world, now, site, lock, out| world.setup.sites[site].resets(now, lock, false, out)),
            Quirk::ResetKeepsEntries => {
                self.on_each(&locks, |world, now, site, lock, out| world.setup.sites[site].resets(now, lock, true, out));
            }
            Quirk::MemoryLostWithPower => {
                self.on_each(&locks, |world, now, site, lock, out| world.setup.sites[site].loses_memory(now, lock, out));
            }
            Quirk::MemoryRolledBack => {
                self.on_each(&locks, |world, now, site, lock, out| world.setup.sites[site].rolls_back(now, lock, out));
            }
            Quirk::VendorDropsEntry => self.on_each(&locks, |world, now, site, lock, out| {
                let entries = &world.setup.sites[site].locks[lock].lock.entries;
                let first = entries.iter().find(|entry| entry.source != Source::Reserved).map(|entry| entry.place);
                if let Some(place) = first {
                    world.setup.sites[site].removes(now, lock, place, false, out);
                }
            }),
            _ => {}
        }
    }

    pub(super) fn on_each(&mut self, locks: &[Lock], act: impl Fn(&mut Self, Timestamp, usize, usize, &mut Vec<Consequence>)) {
        for lock in locks {
            let address = self.setup.addresses[lock.0 as usize];
            let mut out = std::mem::take(&mut self.consequences);
            act(self, self.now, address.site, address.lock, &mut out);
            self.consequences = out;
            self.follow(address.site);
        }
    }

    /// The end of a jump takes it back, unless the clock was set since.
    pub(super) fn shift_clocks(&mut self, fault: &Fault, locks: &[Lock], begins: bool) {
        let (jump, from) = (jump_of(fault), self.setup.instant(fault.from));
        self.on_each(locks, |world, _, site, lock, out| {
            let site = &mut world.setup.sites[site];
            let is_undone = site.locks[lock].lock.clock_set_at.is_some_and(|set_at| set_at >= from);
            if begins || !is_undone {
                site.shifts_clock(lock, if begins { jump } else { -jump }, out);
            }
        });
    }

    /// An hour's drift of a clock.
    pub(super) fn drift(&mut self, lock: Lock) {
        let device = &self.plan.devices[lock.0 as usize];
        let gain_ms = device.clock_drift.map_or(CLOCK_DRIFT_MS, |drift| drift.0) / 24;
        self.on_each(&[lock], |world, _, site, lock, out| world.setup.sites[site].shifts_clock(lock, gain_ms, out));
        self.agenda.add(self.now + HOUR_MS, Class::Fault, self.crash_entity() + 1 + lock.0, Item::Drift { lock });
    }

    /// A lock that has left its account turns up in another; a lock that has not stays where it is.
    fn joins_other_account(&mut self, fault: &Fault, locks: &[Lock]) {
        let Some(there) = fault.becomes.as_deref().and_then(|name| self.setup.lock(name)) else { return };
        let Some(here) = locks.first().copied() else { return };
        let to = self.setup.addresses[there.0 as usize];
        let from = self.setup.addresses[here.0 as usize];
        let was = &self.setup.sites[from.site].locks[from.lock];
        if was.present || self.setup.sites[to.site].locks[to.lock].present {
            return;
        }
        let lock = was.lock.clone();
        self.on_each(&[there], |world, now, site, n, out| world.setup.sites[site].takes_in(now, n, &lock, out));
    }

    pub(super) fn change_lengths(&mut self, locks: &[Lock], begins: bool) {
        for lock in locks {
            let address = self.setup.addresses[lock.0 as usize];
            let true_lock = &mut self.setup.sites[address.site].locks[address.lock].lock;
            let all = true_lock.profile.lengths;
            true_lock.lengths = if begins { all.and(Lengths::range(6, 6)) } else { all };
            let lengths = true_lock.lengths;
            self.truth(*lock, Change::Lengths(lengths), Cause::World);
        }
    }

    pub(super) fn rival_begins(&mut self, fault: &Fault, locks: &[Lock], begins: bool) {
        if !begins {
            return;
        }
        for lock in locks {
            let address = self.setup.addresses[lock.0 as usize];
            let entries = &self.setup.sites[address.site].locks[address.lock].lock.entries;
            let places: Vec<_> = entries.iter().filter(|entry| matches!(entry.source, Source::Command(_))).map(|e| e.place).collect();
            let _ = fault;
            for place in places {
                self.rivals_notice(*lock, place, Some(CommandId(0)));
            }
        }
    }

    /// A rival manager sees what the controller stored in its slots and will clear it.
    pub(super) fn rivals_notice(&mut self, lock: Lock, place: Place, by: Option<CommandId>) {
        if by.is_none() {
            return;
        }
        let plan = self.plan;
        let site = self.setup.addresses[lock.0 as usize].site;
        let letter = Letter { site, lock: Some(lock), op: None, code: None, nth: 0 };
        for (index, fault) in plan.faults.iter().enumerate() {
            if fault.quirk.0 != Quirk::RivalManager || !self.active[index] || !self.matches(index, letter) {
                continue;
            }
            let Place::Slot(slot) = place else { continue };
            let (from, to) = fault.slots.unwrap_or((1, u16::MAX));
            if (from..=to).contains(&slot.0) {
                let delay = fault.delay.map_or(RIVAL_DELAY_MS, |delay| delay.0);
                self.agenda.add(self.now + delay, Class::Person, lock.0, Item::Rival { index, lock, place });
            }
        }
    }

    pub(super) fn rival_acts(&mut self, index: usize, lock: Lock, place: Place) {
        if !self.active[index] {
            return;
        }
        let address = self.setup.addresses[lock.0 as usize];
        let entry = self.setup.sites[address.site].locks[address.lock].lock.entry(place);
        if entry.is_some_and(|entry| matches!(entry.source, Source::Command(_))) {
            self.disturb(lock);
            self.setup.sites[address.site].removes(self.now, address.lock, place, true, &mut self.consequences);
            self.follow(address.site);
        }
    }

    pub(super) fn show_reach(&mut self) {
        for n in 0..self.setup.addresses.len() {
            let address = self.setup.addresses[n];
            let up = self.setup.sites[address.site].reaches(address.lock);
            if up != self.reach[n] {
                self.reach[n] = up;
                self.see(&Occurrence::Reach { lock: Lock(n as u32), up });
            }
        }
    }
}

/// How far a fault of the clock moves it.
fn jump_of(fault: &Fault) -> i64 {
    fault.delay.map_or(CLOCK_JUMP_MS, |delay| delay.0)
}

/// Which locks a fault touches beyond those it names.
enum Scope {
    Lock,
    Hub,
    Account,
}

fn scope_of(quirk: Quirk) -> Scope {
    match quirk {
        Quirk::HubPowerLost | Quirk::HubForgetsQueue | Quirk::HubFlushesLate | Quirk::BridgeSeemsOnline => Scope::Hub,
        Quirk::SeatTakenAway => Scope::Account,
        quirk if cloud_condition(quirk).is_some() => Scope::Account,
        _ => Scope::Lock,
    }
}

fn cloud_condition(quirk: Quirk) -> Option<CloudCondition> {
    match quirk {
        Quirk::CloudDown => Some(CloudCondition::Down),
        Quirk::CreatePathDown => Some(CloudCondition::CreateDown),
        Quirk::DeletePathDown => Some(CloudCondition::DeleteDown),
        Quirk::RateBudgetSmall => Some(CloudCondition::RateSmall),
        Quirk::RatePenaltyGrows => Some(CloudCondition::PenaltyGrows),
        Quirk::LoginRevoked => Some(CloudCondition::LoginRevoked),
        Quirk::CredentialChanged => Some(CloudCondition::CredentialChanged),
        Quirk::SeatsUsedUp => Some(CloudCondition::SeatsUsedUp),
        Quirk::TunnelProgramStopped => Some(CloudCondition::TunnelDown),
        _ => None,
    }
}

fn lock_condition(quirk: Quirk) -> Option<LockCondition> {
    match quirk {
        Quirk::LockPowerLost => Some(LockCondition::Dead),
        Quirk::LockDropsMidCommand => Some(LockCondition::LinkDown),
        Quirk::LockMarkedOffline => Some(LockCondition::MarkedOffline),
        Quirk::LockAsleep => Some(LockCondition::Asleep),
        Quirk::LockLoadsLate => Some(LockCondition::LoadsLate),
        Quirk::BridgeUnplugged => Some(LockCondition::BridgeGone),
        Quirk::RightsWithdrawn => Some(LockCondition::RightsGone),
        Quirk::PlanLapsed => Some(LockCondition::PlanLapsed),
        Quirk::DeviceSecretMissing => Some(LockCondition::SecretMissing),
        Quirk::GatewayUnpaired => Some(LockCondition::GatewayGone),
        Quirk::BridgeQueueFull => Some(LockCondition::QueueFull),
        Quirk::OfficeMode => Some(LockCondition::OfficeMode),
        Quirk::VariantsUsedUp => Some(LockCondition::VariantsUsedUp),
        Quirk::LevelMissing => Some(LockCondition::LevelsMissing),
        Quirk::LevelsSyncLate => Some(LockCondition::LevelsSyncLate),
        Quirk::KeypadGone => Some(LockCondition::KeypadGone),
        Quirk::HubRadioCollides => Some(LockCondition::Collides),
        _ => None,
    }
}
