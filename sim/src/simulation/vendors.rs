//! The way between controller and vendors: commands, answers and notices, and the noise that strikes them.

use keyway_core::draw::mix;
use keyway_core::id::{AccountId, CodeId, CommandId, Epoch};
use keyway_core::port::{Answer, Command, News, Notice, Op, OpKind};
use keyway_core::time::{MINUTE_MS, SECOND_MS, Timestamp};
use keyway_core::vendor::{Ack, Profile};
use keyway_core::world::quirk::Quirk;
use keyway_core::world::site::{Consequence, Fate, Order};

use super::{Item, LATE_ANSWER_MS, Sent, Simulation};
use crate::agenda::Class;
use crate::noise::Stream;
use crate::occurrence::{Cause, Change, Lock, Occurrence};
use crate::plan::Fault;
use crate::setup::Target;
use crate::verdict::Verdict;

impl<'a> Simulation<'a> {
    /// Carries out what followed at a site.
    pub(super) fn follow(&mut self, site: usize) {
        let mut consequences = std::mem::take(&mut self.consequences);
        for consequence in consequences.drain(..) {
            self.follow_one(site, consequence);
        }
        self.consequences = consequences;
    }

    pub(super) fn follow_one(&mut self, site: usize, consequence: Consequence) {
        match consequence {
            Consequence::Answer { command_id, answer, snapshot_at } => self.send_answer(command_id, answer, snapshot_at),
            Consequence::RunAt { lock, at } => {
                let entity = self.setup.lock_at(site, lock).0;
                self.agenda.add(at, Class::Work, entity, Item::Run { site, lock });
            }
            Consequence::News { lock, news, snapshot_at, closes, not_before } => {
                self.send_notice(site, lock, news, snapshot_at, closes, not_before);
            }
            Consequence::Stored { lock, place, by } => {
                let lock = self.setup.lock_at(site, lock);
                self.show_entry(lock, place, by.map_or(Cause::World, Cause::Command));
                self.rivals_notice(lock, place, by);
            }
            Consequence::Erased { lock, place, by } => {
                let lock = self.setup.lock_at(site, lock);
                self.truth(lock, Change::Erased { place }, by.map_or(Cause::World, Cause::Command));
            }
            Consequence::SeatsChanged { by } => {
                for lock in 0..self.setup.sites[site].locks.len() {
                    self.show_seats(self.setup.lock_at(site, lock), by.map_or(Cause::World, Cause::Command));
                }
            }
            Consequence::Issued { lock, pin, kind, window, by } => {
                let code = self.sent.get(&by).and_then(|sent| sent.for_code);
                let change = Change::Computed { pin, kind, window, code };
                self.truth(self.setup.lock_at(site, lock), change, Cause::Command(by));
            }
            Consequence::Used { lock, pin } => self.truth(self.setup.lock_at(site, lock), Change::Used { pin }, Cause::World),
            Consequence::Renewed { lock } => self.truth(self.setup.lock_at(site, lock), Change::SetBack, Cause::World),
            Consequence::ClockChanged { lock, by } => {
                let off_ms = self.setup.sites[site].locks[lock].lock.clock_off_ms;
                self.truth(self.setup.lock_at(site, lock), Change::Clock { off_ms }, by.map_or(Cause::World, Cause::Command));
            }
            Consequence::OffCourse { lock } => self.disturb(self.setup.lock_at(site, lock)),
            Consequence::Works { lock, works } => {
                self.truth(self.setup.lock_at(site, lock), Change::Works(works), Cause::World);
            }
            Consequence::Joined { lock } => {
                let joined = &self.setup.sites[site].locks[lock];
                let change = Change::Joined { device: joined.device, epoch: joined.epoch };
                self.truth(self.setup.lock_at(site, lock), change, Cause::World);
            }
            Consequence::Left { lock } => self.truth(self.setup.lock_at(site, lock), Change::Left, Cause::World),
        }
    }

    /// An answer sets out for the controller.
    pub(super) fn send_answer(&mut self, command_id: CommandId, answer: Answer, snapshot_at: Option<Timestamp>) {
        let Some(sent) = self.sent.get(&command_id) else { return };
        let (lock, nth, kind) = (sent.lock.unwrap_or(usize::MAX), sent.nth, sent.op as u64);
        let (emitted_at, timeout_ms, op, code) = (sent.emitted_at, sent.timeout_ms, sent.op, sent.for_code);
        let range = self.profile_of(sent.lock).ack_latency_ms;
        let travel = self.noise.within(Stream::Travel, lock, kind + 100, nth, range) / 2;
        let mut at = self.now + travel;
        if answer != Answer::Accepted {
            if self.strike(Quirk::LinkLosesAnswer, sent_lock(lock), Some(op), code, nth) {
                return;
            }
            if self.strike(Quirk::LinkDelaysAnswer, sent_lock(lock), Some(op), code, nth) {
                let late = self.noise.within(Stream::Lateness, lock, kind, nth, (SECOND_MS, LATE_ANSWER_MS - SECOND_MS));
                at = emitted_at + timeout_ms + late;
            }
            if self.strike(Quirk::LinkDoublesAnswer, sent_lock(lock), Some(op), code, nth) {
                let again = self.noise.within(Stream::Lateness, lock, kind + 200, nth, (SECOND_MS, MINUTE_MS));
                let copy = Item::Answer { command_id, answer: Box::new(answer.clone()), snapshot_at };
                self.agenda.add(at + again, Class::Answer, lock_entity(lock), copy);
            }
        }
        let item = Item::Answer { command_id, answer: Box::new(answer), snapshot_at };
        self.agenda.add(at, Class::Answer, lock_entity(lock), item);
    }

    /// The vendor tells every account that its login was connected in.
    #[allow(clippy::needless_pass_by_value)] // Made for this, and copied for each account.
    pub(super) fn send_notice(
        &mut self,
        site: usize,
        lock: Option<usize>,
        news: News,
        snapshot_at: Timestamp,
        closes: Option<CommandId>,
        not_before: Timestamp,
    ) {
        for account in self.setup.accounts_of(site).collect::<Vec<_>>() {
            let of = lock.and_then(|lock| self.setup.view_of(account, site, lock));
            let closes = closes.filter(|command| of.is_none_or(|of| !self.is_for_other_view(of, *command)));
            self.send_notice_to(account, site, lock, of, news.clone(), snapshot_at, closes, not_before);
        }
    }

    #[allow(clippy::too_many_arguments)] // One notice: what it says, and to whom.
    fn send_notice_to(
        &mut self,
        account: AccountId,
        site: usize,
        lock: Option<usize>,
        of: Option<Lock>,
        news: News,
        snapshot_at: Timestamp,
        closes: Option<CommandId>,
        not_before: Timestamp,
    ) {
        let at_site = &self.setup.sites[site];
        let (device, epoch) = match lock {
            Some(lock) => (Some(at_site.locks[lock].device), at_site.locks[lock].epoch),
            None => (None, Epoch(0)),
        };
        let noted_by = lock.map(|lock| &at_site.locks[lock].lock).filter(|lock| lock.profile.clock_readable && news.is_of_lock());
        let device_time = noted_by.map(|lock| snapshot_at + lock.clock_off_ms);
        let entity = of.map_or(usize::MAX, |lock| lock.0 as usize);
        let nth = self.count(entity, 255);
        let serial = mix(mix(entity as u64) ^ nth) >> 16;
        let notice = Notice { account, device, epoch, device_time, serial, news };
        // A notice about a hub or account stands or falls with the first lock behind it.
        let struck = of.or_else(|| self.setup.locks_of(&Target::Account(site)).first().copied());
        let strike = |world: &mut Self, quirk| world.strike(quirk, struck, None, None, nth);
        if strike(self, Quirk::NoticeLost) {
            return;
        }
        let travel = self.noise.within(Stream::NoticeTravel, entity, 0, nth, (200, 3 * SECOND_MS));
        let mut at = not_before + travel;
        if strike(self, Quirk::NoticeLate) {
            let delay = self.struck_by(Quirk::NoticeLate, struck).and_then(|fault| fault.delay).map(|delay| delay.0);
            at = not_before + delay.unwrap_or_else(|| self.noise.within(Stream::Lateness, entity, 1, nth, (10 * SECOND_MS, 2 * MINUTE_MS)));
        }
        if strike(self, Quirk::NoticeDoubled) {
            let planned: Vec<_> = self.struck_by(Quirk::NoticeDoubled, struck).map(|fault| fault.copies.clone()).unwrap_or_default();
            let drawn = self.noise.within(Stream::Lateness, entity, 2, nth, (5 * SECOND_MS, 2 * MINUTE_MS));
            let copies = if planned.is_empty() { vec![drawn] } else { planned.iter().map(|copy| copy.0.min(2 * MINUTE_MS)).collect() };
            for copy in copies {
                let item = Item::Notice { notice: Box::new(notice.clone()), snapshot_at, lock: of, closes };
                self.agenda.add(not_before + copy, Class::Answer, lock_entity(entity), item);
            }
        }
        let item = Item::Notice { notice: Box::new(notice), snapshot_at, lock: of, closes };
        self.agenda.add(at, Class::Answer, lock_entity(entity), item);
    }

    pub(super) fn count(&mut self, lock: usize, kind: u8) -> u64 {
        let count = self.counts.entry((lock, kind)).or_default();
        *count += 1;
        *count - 1
    }

    pub(super) fn profile_of(&self, lock: Option<usize>) -> &Profile {
        &self.setup.facts.locks[lock.unwrap_or(0).min(self.setup.facts.locks.len() - 1)].profile
    }

    /// The first active fault of this quirk on a lock.
    pub(super) fn struck_by(&self, quirk: Quirk, lock: Option<Lock>) -> Option<&'a Fault> {
        let plan = self.plan;
        let hits = |index: usize| match lock {
            Some(lock) => self.setup.locks_of(&self.setup.target(plan.faults[index].on.as_deref())).contains(&self.setup.views(lock)[0]),
            None => true,
        };
        (0..plan.faults.len()).find(|i| self.active[*i] && plan.faults[*i].quirk.0 == quirk && hits(*i)).map(|i| &plan.faults[i])
    }

    /// Whether noise of this quirk strikes this command, answer or notice; counts it if so.
    pub(super) fn strike(&mut self, quirk: Quirk, lock: Option<Lock>, op: Option<OpKind>, code: Option<CodeId>, nth: u64) -> bool {
        self.striking(quirk, lock, op, code, nth).is_some()
    }

    /// The noise of this quirk that strikes; counts it.
    fn striking(&mut self, quirk: Quirk, lock: Option<Lock>, op: Option<OpKind>, code: Option<CodeId>, nth: u64) -> Option<&'a Fault> {
        let plan = self.plan;
        for (index, fault) in plan.faults.iter().enumerate() {
            if fault.quirk.0 != quirk || !self.active[index] || !self.matches(fault, lock, op, code) {
                continue;
            }
            if fault.first.is_some_and(|first| self.struck[index] >= first) {
                continue;
            }
            let one_in = u64::from(fault.one_in.unwrap_or(1).max(1));
            let entity = lock.map_or(usize::MAX, |lock| lock.0 as usize);
            let kind = quirk as u64 * 64 + op.map_or(63, |op| op as u64);
            if self.noise.draw(Stream::Strike, entity, kind, nth).is_multiple_of(one_in) {
                self.struck[index] += 1;
                self.mark(quirk.name());
                match lock {
                    Some(lock) => self.disturb(lock),
                    // A call that names no lock: all may hang on its answer.
                    None => (0..self.setup.facts.locks.len()).for_each(|n| self.see(&Occurrence::Disturbed { lock: Lock(n as u32) })),
                }
                return Some(fault);
            }
        }
        None
    }

    pub(super) fn matches(&self, fault: &Fault, lock: Option<Lock>, op: Option<OpKind>, code: Option<CodeId>) -> bool {
        let on = match (&fault.on, lock) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(name), Some(lock)) => self.setup.locks_of(&self.setup.target(Some(name))).contains(&self.setup.views(lock)[0]),
        };
        let kind = fault.commands.is_empty() || op.is_some_and(|op| fault.commands.contains(&op));
        let of_code = fault.code.as_ref().is_none_or(|name| code.is_some() && self.names.get(name).copied() == code);
        on && kind && of_code
    }

    /// A command leaves the controller.
    pub(super) fn send(&mut self, command: Command) {
        let Some(site) = self.setup.site_of(command.account) else {
            return self.stop(Verdict::Contract, format!("command {} names no account of the configuration", command.command_id.0));
        };
        let at_site = &self.setup.sites[site];
        let local = command.device.and_then(|device| at_site.locks.iter().position(|lock| lock.device == device));
        let lock = local.and_then(|local| self.setup.view_of(command.account, site, local));
        self.see(&Occurrence::Commanded { command: command.clone(), lock });
        let entity = lock.map_or(usize::MAX, |lock| lock.0 as usize);
        let (op, is_registering) = (command.op.kind(), command.op.is_registering());
        let mutating = command.op.is_mutating() || is_registering;
        // Periodic reads are keyed by the virtual minute, so that one more or less shifts no other.
        let nth = if mutating { self.count(entity, op as u8) } else { (self.now.0 / MINUTE_MS) as u64 };
        let fresh = is_fresh(&command.op);
        let profile = self.profile_of(lock.map(|lock| lock.0 as usize)).clone();
        let timeout_ms = if is_registering { profile.command_timeout_ms } else { profile.timeout_ms(mutating, fresh) };
        let sent = Sent {
            lock: lock.map(|lock| lock.0 as usize),
            op,
            emitted_at: self.now,
            timeout_ms,
            for_code: command.for_code,
            is_closed: false,
            nth,
            mutating,
        };
        if self.sent.insert(command.command_id, sent).is_some() {
            return self.stop(Verdict::Contract, format!("command id {} was used before", command.command_id.0));
        }
        let command_id = command.command_id;
        self.agenda.add(self.now + timeout_ms, Class::TimedOut, lock_entity(entity), Item::TimedOut { command_id });
        let code = command.for_code;
        if self.strike(Quirk::LinkLosesRequest, lock, Some(op), code, nth) {
            return;
        }
        let fate = self.fate(&command.op, lock, code, nth, &profile);
        let travel = self.noise.within(Stream::Travel, entity, op as u64, nth, profile.ack_latency_ms) / 2;
        let order =
            Order { command_id, key: command.key, device: command.device, epoch: command.epoch, op: command.op, emitted_at: self.now };
        if self.strike(Quirk::LinkDoublesRequest, lock, Some(op), code, nth) {
            let again = self.noise.within(Stream::Lateness, entity, 300 + op as u64, nth, (SECOND_MS, 30 * SECOND_MS));
            let copy = Item::Arrive { site, order: Box::new(order.clone()), fate };
            self.agenda.add(self.now + travel + again, Class::Work, lock_entity(entity), copy);
        }
        self.agenda.add(self.now + travel, Class::Work, lock_entity(entity), Item::Arrive { site, order: Box::new(order), fate });
    }

    /// What noise has in store for a command.
    pub(super) fn fate(&mut self, op: &Op, lock: Option<Lock>, code: Option<CodeId>, nth: u64, profile: &Profile) -> Fate {
        let entity = lock.map_or(usize::MAX, |lock| lock.0 as usize);
        let kind = op.kind();
        // To look takes the lock no longer than to answer; only a write takes its time to move in.
        let changes = op.is_mutating() || op.is_registering();
        let range = if changes { profile.apply_latency_ms } else { profile.ack_latency_ms };
        let mut apply_ms = self.noise.within(Stream::Apply, entity, kind as u64, nth, range);
        let staleness_ms = self.noise.within(Stream::Staleness, entity, kind as u64, nth, (0, profile.read_lag_ms));
        let chance = if matches!(op, Op::AssignPin { .. }) { self.noise.draw(Stream::Lateness, entity, 500, nth) } else { 0 };
        let mut striking = |quirk| self.striking(quirk, lock, Some(kind), code, nth);
        let status = |fault: &Fault| fault.status.unwrap_or(502);
        let fails_before = if changes { striking(Quirk::CloudFailsBeforeStoring).map(status) } else { None };
        let fails_after = if changes { striking(Quirk::CloudFailsAfterStoring).map(status) } else { None };
        let mut strike = |quirk| striking(quirk).is_some();
        let plain_listing = matches!(op, Op::ListEntries { fresh: false, .. } | Op::ListDevices { .. });
        let silent = profile.ack == Ack::Nothing;
        let fate = Fate {
            apply_ms: 0,
            staleness_ms,
            chance,
            fails_before,
            fails_after,
            ignored: silent
                && (op.is_erasing() && strike(Quirk::ClearAckedNotDone)
                    || op.is_mutating() && !op.is_erasing() && strike(Quirk::WriteAckedNotStored)),
            listing_empty: plain_listing && strike(Quirk::ListingEmpty),
            listing_truncated: plain_listing && strike(Quirk::ListingTruncated),
        };
        if op.is_mutating() && strike(Quirk::LinkSlow) {
            let room = profile.command_ttl_ms - profile.lat_max_ms - MINUTE_MS;
            apply_ms = profile.lat_max_ms + self.noise.within(Stream::Lateness, entity, 400, nth, (0, room.max(0)));
        }
        Fate { apply_ms, ..fate }
    }
}

fn is_fresh(op: &Op) -> bool {
    matches!(op, Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. })
}

fn sent_lock(lock: usize) -> Option<Lock> {
    (lock != usize::MAX).then_some(Lock(lock as u32))
}

fn lock_entity(lock: usize) -> u32 {
    if lock == usize::MAX { 0 } else { lock as u32 + 1 }
}

#[cfg(test)]
mod tests {
    use keyway_core::platform::Reference;
    use keyway_core::port::News;
    use serde_json::json;

    use crate::occurrence::Occurrence;
    use crate::run::{Options, run};

    #[test]
    fn a_lock_notes_a_use_by_its_own_clock() {
        let story = |vendor: &str| {
            json!({
                "name": "a-slow-clock",
                "horizon": "2h",
                "devices": [{ "name": "L1", "vendor": vendor, "clock_off": "-47m" }],
                "steps": [
                    { "at": "+1s", "do": { "person_adds": { "on": "L1", "pin": "1234" } } },
                    { "at": "+2s", "do": { "enter": { "on": "L1", "pin": "1234" } } },
                ],
            })
        };
        let noted = |vendor: &str| {
            let plan = crate::Story::new(&story(vendor)).expect("a story").plan;
            let log = run(&plan, &Reference::new(), Options { keep_log: true, unjudged: true }).log;
            let used = log.into_iter().find_map(|(_, occurrence)| match occurrence {
                Occurrence::Noticed { notice, snapshot_at, .. } if matches!(notice.news, News::KeypadUsed { .. }) => {
                    Some((notice.device_time, snapshot_at))
                }
                _ => None,
            });
            used.expect("a notice of the use")
        };
        let (device_time, used_at) = noted("ttlock");
        assert_eq!(device_time, Some(used_at - 47 * 60_000));
        assert_eq!(noted("generic_cloud").0, None, "nobody can read that clock");
    }
}
