//! What the vendor's cloud answers of itself, and which commands it takes for a lock.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::consequence::answered;
use super::queue::Keyed;
use super::{CloudCondition, Consequence, Fate, LockCondition, LockSite, Order, Site, desk};
use crate::port::{Answer, Op, PathPart, Reason};
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp};
use crate::vendor::{Family, ReadBack};
use crate::world::quirk::Quirk;

/// Calls a minute under `rate_budget_small`.
const SMALL_RATE_PER_MINUTE: u32 = 4;

/// Each call during a pause makes it longer by this, under `rate_penalty_grows`.
const PENALTY_GROWTH_MS: i64 = 10 * SECOND_MS;

impl Site {
    /// A command arrives at the vendor.
    pub fn receive(&mut self, now: Timestamp, order: Order, fate: Fate, out: &mut Vec<Consequence>) {
        if self.holds(CloudCondition::Down) {
            return;
        }
        let command_id = order.command_id;
        if let Some(answer) = self.account_answer(now) {
            out.push(answered(command_id, answer));
            return;
        }
        if let Op::ListDevices { page } = order.op {
            out.push(Consequence::Answer { command_id, answer: self.devices(now, page, fate), snapshot_at: Some(now) });
            return;
        }
        if order.op == Op::ReadSite {
            out.push(Consequence::Answer { command_id, answer: self.read_site(), snapshot_at: Some(now) });
            return;
        }
        let lock = order.device.and_then(|device| self.lock_of(device));
        let Some(lock) = lock.filter(|lock| matches!(order.op, Op::GetDevice) || self.locks[*lock].epoch == order.epoch) else {
            out.push(answered(command_id, Answer::Gone));
            return;
        };
        if desk::is_for_desk(&order.op) {
            return self.ask_desk(now, lock, &order, fate, out);
        }
        let is_of_site = matches!(order.op, Op::CreateUser { .. } | Op::TakeSeat { .. } | Op::ReleaseSeat { .. });
        if is_of_site && is_in_family(&order.op, &self.locks[lock]) {
            return self.receive_of_site(now, lock, &order, fate, out);
        }
        if let Some(answer) = self.honoured(lock, &order) {
            return out.push(answered(command_id, answer));
        }
        match self.lock_answer(now, lock, &order, fate) {
            Some((answer, snapshot_at)) => out.push(Consequence::Answer { command_id, answer, snapshot_at }),
            None => self.enqueue(now, lock, order, fate, out),
        }
    }

    /// What the account as a whole answers.
    fn account_answer(&mut self, now: Timestamp) -> Option<Answer> {
        if self.holds(CloudCondition::TunnelDown) {
            return Some(Answer::Unreachable(PathPart::Tunnel));
        }
        if self.holds(CloudCondition::LoginRevoked) || self.holds(CloudCondition::CredentialChanged) {
            return Some(Answer::Unauthorized);
        }
        let grows = self.holds(CloudCondition::PenaltyGrows);
        if grows && now < self.penalty_until {
            self.penalty_until = self.penalty_until + PENALTY_GROWTH_MS;
            return Some(Answer::RateLimited { retry_after_ms: self.penalty_until - now });
        }
        let small = self.holds(CloudCondition::RateSmall).then_some(SMALL_RATE_PER_MINUTE);
        let limit = small.or(self.rate_per_minute)?;
        let minute = now.0.div_euclid(MINUTE_MS);
        if self.calls.0 != minute {
            self.calls = (minute, 0);
        }
        self.calls.1 += 1;
        let over = self.calls.1 > limit;
        if over && grows {
            self.penalty_until = now + MINUTE_MS;
            return Some(Answer::RateLimited { retry_after_ms: MINUTE_MS });
        }
        over.then(|| Answer::RateLimited { retry_after_ms: (minute + 1) * MINUTE_MS - now.0 })
    }

    /// What the cloud answers of itself; none: the command goes to the lock.
    fn lock_answer(&mut self, now: Timestamp, lock: usize, order: &Order, fate: Fate) -> Option<(Answer, Option<Timestamp>)> {
        let refused = |reason| Some((Answer::Refused(reason), None));
        let server_error = |status, text: &str| Some((Answer::ServerError { status, text: text.to_string() }, None));
        let site = &self.locks[lock];
        let profile = &site.lock.profile;
        let is_custom = matches!(order.op, Op::AssignPin { pin: Some(_), .. });
        if !is_in_family(&order.op, site) || is_custom && !self.takes_custom_pins(lock) {
            return refused(Reason::NotSupported);
        }
        match &order.op {
            Op::GetDevice => return Some((Answer::Device(self.device_info(now, lock)), Some(now))),
            Op::AdoptEntry { handle } => return Some((self.adopts(lock, *handle, order), Some(now))),
            Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. } => {}
            Op::ListEntries { page, .. } => return Some(self.plain_listing(now, lock, *page, order, fate)),
            Op::ReadEntry { .. } | Op::ReadSlot { .. } => return Some(self.plain_read(now, lock, order, fate)),
            _ => {}
        }
        if order.op.is_mutating() && (site.holds(LockCondition::RightsGone) || site.is_unclaimed(&order.op)) {
            return refused(Reason::NoRights);
        }
        if order.op.is_mutating() && site.holds(LockCondition::PlanLapsed) {
            return refused(Reason::NotPaid);
        }
        if order.op.is_mutating() && site.holds(LockCondition::SecretMissing) {
            return refused(Reason::NoCredentials);
        }
        if site.holds(LockCondition::GatewayGone) {
            return if order.op.is_mutating() { refused(Reason::NoGateway) } else { Some((Answer::Unreachable(PathPart::Gateway), None)) };
        }
        if order.op.is_mutating() && (site.holds(LockCondition::QueueFull) || self.is_queue_full(lock)) {
            return Some((Answer::QueueFull, None));
        }
        let keeps_clock = !profile.clock_settable || site.lock.quirks.has(Quirk::ClockWriteRefused);
        if matches!(order.op, Op::SetClock { .. }) && keeps_clock {
            return refused(Reason::ClockNotWritable);
        }
        if matches!(order.op, Op::CreateEntry { .. }) && self.holds(CloudCondition::CreateDown)
            || matches!(order.op, Op::DeleteEntry { .. }) && self.holds(CloudCondition::DeleteDown)
        {
            return server_error(502, "bad gateway");
        }
        if let Some(status) = fate.fails_before.filter(|_| order.op.is_mutating()) {
            return server_error(status, "invalid schedule");
        }
        let keeps_taking = |part| site.hub.is_some_and(|hub| self.hubs[hub].part == part && self.hubs[hub].keeps_taking.times > 0);
        if let Some(part) = self.known_down(now, lock).filter(|part| !keeps_taking(*part)) {
            return Some((Answer::Unreachable(part), None));
        }
        if order.op.is_mutating() && site.holds(LockCondition::Collides) && site.queue.iter().any(|job| job.order.op.is_mutating()) {
            return Some((Answer::Busy, None));
        }
        None
    }

    /// Whether the hub of a lock has as many jobs as it takes.
    fn is_queue_full(&self, lock: usize) -> bool {
        let site = &self.locks[lock];
        let pending = || self.locks.iter().filter(|other| other.hub == site.hub).map(|other| other.queue.len()).sum::<usize>();
        site.lock.profile.queue_limit.is_some_and(|limit| pending() >= limit as usize)
    }

    /// What a repeat gets where its key is honoured, whatever has become of the path since (`P-04`).
    fn honoured(&mut self, lock: usize, order: &Order) -> Option<Answer> {
        let site = &mut self.locks[lock];
        if !order.op.is_mutating() || !site.lock.profile.key_honoured {
            return None;
        }
        match site.keys.get_mut(&order.key)? {
            Keyed::Answered(answer) => Some(answer.clone()),
            Keyed::Pending(first, others) => {
                if *first != order.command_id {
                    others.push(order.command_id);
                }
                Some(Answer::Accepted)
            }
        }
    }
}

/// Whether the vendor knows the command (`P-13`).
fn is_in_family(op: &Op, site: &LockSite) -> bool {
    let profile = &site.lock.profile;
    let reads = profile.read_back != ReadBack::None;
    match op {
        Op::CreateEntry { .. } | Op::DeleteEntry { .. } => profile.family == Family::ById,
        Op::ReplaceEntry { .. } => profile.family == Family::ById && profile.update_in_place,
        Op::SetSchedule { .. } => {
            profile.schedules && (profile.family == Family::BySeat || profile.family == Family::ById && profile.update_in_place)
        }
        Op::SetSlot { .. } | Op::ClearSlot { .. } => profile.family == Family::BySlot,
        Op::ListEntries { .. } => reads,
        Op::ReadEntry { .. } => profile.family != Family::BySlot && reads,
        Op::ReadSlot { .. } => profile.family == Family::BySlot && reads,
        Op::CreateUser { .. } | Op::DeleteUser { .. } | Op::TakeSeat { .. } | Op::ReleaseSeat { .. } | Op::AssignPin { .. } => {
            profile.family == Family::BySeat
        }
        Op::ReadSite => profile.family == Family::BySeat,
        Op::AdoptEntry { .. } => profile.claims_conversions,
        Op::ListDevices { .. } | Op::GetDevice => true,
        Op::ReadClock => profile.clock_readable,
        Op::SetClock { .. } => profile.clock_readable || profile.clock_settable,
        Op::RegisterOffline { .. } | Op::RevokeOffline { .. } | Op::ReadUserLevels => false,
    }
}
