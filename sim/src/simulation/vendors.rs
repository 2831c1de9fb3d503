//! The way between controller and vendors: commands, answers and notices, and the noise that strikes them.

use std::sync::Arc;

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

/// A command, answer or notice on its way, as noise sees it.
#[derive(Clone, Copy)]
pub(super) struct Letter {
    pub site: usize,
    /// None: it names no lock, or none that is known.
    pub lock: Option<Lock>,
    pub op: Option<OpKind>,
    pub code: Option<CodeId>,
    /// Its number among those of its kind about its lock.
    pub nth: u64,
}

impl Letter {
    fn entity(&self) -> usize {
        entity_of(self.lock)
    }
}

impl<'a> Simulation<'a> {
    /// Carries out what followed at a site.
    pub(super) fn follow(&mut self, site: usize) {
        let mut consequences = std::mem::take(&mut self.consequences);
        for consequence in consequences.drain(..) {
            self.follow_one(site, consequence);
        }
        self.consequences = consequences;
        if self.may_slow {
            self.show_slow(site);
        }
    }

    /// Shows for each path of a site whether a job holds it longer than any may on the plain course.
    fn show_slow(&mut self, site: usize) {
        for lock in 0..self.setup.sites[site].locks.len() {
            let (jobs, first) = (self.setup.sites[site].slow_jobs(lock), self.setup.lock_at(site, lock));
            if std::mem::replace(&mut self.slow_on[first.0 as usize], jobs) != jobs {
                for view in self.setup.views(first).to_vec() {
                    self.see(&Occurrence::Slowed { lock: view, jobs });
                }
            }
        }
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
                // What the world's copy of an erasure that is done erases, no command asked for.
                let is_copy = by.and_then(|by| self.sent.get_mut(&by)).is_some_and(|sent| std::mem::replace(&mut sent.has_erased, true));
                self.truth(lock, Change::Erased { place }, by.filter(|_| !is_copy).map_or(Cause::World, Cause::Command));
            }
            Consequence::SeatsChanged { by } => {
                for lock in 0..self.setup.sites[site].locks.len() {
                    self.show_seats(self.setup.lock_at(site, lock), by.map_or(Cause::World, Cause::Command));
                }
            }
            Consequence::Issued { lock, pin, kind, window, by } => {
                let code = self.sent.get(&by).and_then(|sent| sent.letter.code);
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
        let (letter, kind, emitted_at, timeout_ms) = (sent.letter, sent.op as u64, sent.emitted_at, sent.timeout_ms);
        let (lock, nth) = (letter.entity(), letter.nth);
        let range = self.profile_of(letter).ack_latency_ms;
        let travel = self.noise.within(Stream::Travel, lock, kind + 100, nth, range) / 2;
        let mut at = self.now + travel;
        if answer != Answer::Accepted {
            if self.strike(Quirk::LinkLosesAnswer, letter) {
                return;
            }
            if self.strike(Quirk::LinkDelaysAnswer, letter) {
                let late = self.noise.within(Stream::Lateness, lock, kind, nth, (SECOND_MS, LATE_ANSWER_MS - SECOND_MS));
                at = emitted_at + timeout_ms + late;
            }
            if self.strike(Quirk::LinkDoublesAnswer, letter) {
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
        // Not of `entity`, whose greatest value is another one where words are short.
        let serial = mix(mix(of.map_or(u64::MAX, |lock| lock.0.into())) ^ nth) >> 16;
        let notice = Notice { account, device, epoch, device_time, serial, news };
        // A notice about a hub or account stands or falls with the first lock behind it.
        let struck = of.or_else(|| self.setup.locks_of(&Target::Account(site)).first().copied());
        let letter = Letter { site, lock: struck, op: None, code: None, nth };
        if self.strike(Quirk::NoticeLost, letter) {
            return;
        }
        let travel = self.noise.within(Stream::NoticeTravel, entity, 0, nth, (200, 3 * SECOND_MS));
        let mut at = not_before + travel;
        if let Some(fault) = self.striking(Quirk::NoticeLate, letter) {
            let delay = fault.delay.map(|delay| delay.0);
            at = not_before + delay.unwrap_or_else(|| self.noise.within(Stream::Lateness, entity, 1, nth, (10 * SECOND_MS, 2 * MINUTE_MS)));
        }
        if let Some(Fault { copies: planned, .. }) = self.striking(Quirk::NoticeDoubled, letter) {
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

    /// The profile of the lock that a letter is about, or of the first one of its site.
    pub(super) fn profile_of(&self, letter: Letter) -> &Arc<Profile> {
        let lock = letter.lock.or_else(|| (!self.setup.sites[letter.site].locks.is_empty()).then(|| self.setup.lock_at(letter.site, 0)));
        &self.setup.facts.locks[lock.map_or(0, |lock| lock.0 as usize)].profile
    }

    /// Whether noise of this quirk strikes this letter; counts it if so.
    fn strike(&mut self, quirk: Quirk, letter: Letter) -> bool {
        self.striking(quirk, letter).is_some()
    }

    /// The noise of this quirk that strikes; counts it.
    fn striking(&mut self, quirk: Quirk, letter: Letter) -> Option<&'a Fault> {
        let plan = self.plan;
        for (index, fault) in plan.faults.iter().enumerate() {
            if fault.quirk.0 != quirk || !self.active[index] || !self.matches(index, letter) {
                continue;
            }
            if fault.first.is_some_and(|first| self.struck[index] >= first) {
                continue;
            }
            let one_in = u64::from(fault.one_in.unwrap_or(1).max(1));
            let kind = quirk as u64 * 64 + letter.op.map_or(63, |op| op as u64);
            if self.noise.draw(Stream::Strike, letter.entity(), kind, letter.nth).is_multiple_of(one_in) {
                self.struck[index] += 1;
                self.mark(quirk.name());
                match letter.lock {
                    Some(lock) => self.disturb(lock),
                    // A call that names no lock: all locks of its account may hang on its answer.
                    None => self.setup.locks_of(&Target::Account(letter.site)).into_iter().for_each(|lock| self.disturb(lock)),
                }
                return Some(fault);
            }
        }
        None
    }

    /// Whether a fault is about this letter.
    pub(super) fn matches(&self, index: usize, letter: Letter) -> bool {
        let fault = &self.plan.faults[index];
        let on = self.struck_locks[index]
            .as_ref()
            .is_none_or(|locks| letter.lock.is_some_and(|lock| locks.contains(&self.setup.views(lock)[0])));
        let kind = fault.commands.is_empty() || letter.op.is_some_and(|op| fault.commands.contains(&op));
        let of_code = fault.code.as_ref().is_none_or(|name| letter.code.is_some() && self.names.get(name).copied() == letter.code);
        on && kind && of_code
    }

    /// The lock that a command means, if its vendor id names one of the account.
    pub(super) fn lock_meant(&self, command: &Command) -> Option<Lock> {
        let site = self.setup.site_of(command.account)?;
        let local = self.setup.sites[site].last_lock_of(command.device?)?;
        self.setup.view_of(command.account, site, local)
    }

    /// A command leaves the controller.
    pub(super) fn send(&mut self, command: Command) {
        let Some(site) = self.setup.site_of(command.account) else {
            return self.stop(Verdict::Contract, format!("command {} names no account of the configuration", command.command_id.0));
        };
        let lock = self.lock_meant(&command);
        self.note_look(&command);
        self.see(&Occurrence::Commanded { command: command.clone(), lock });
        let (op, is_registering) = (command.op.kind(), command.op.is_registering());
        let mutating = command.op.is_mutating() || is_registering;
        // Periodic reads are keyed by the virtual minute, so that one more or less shifts no other.
        let entity = entity_of(lock);
        let nth = if mutating { self.count(entity, op as u8) } else { (self.now.0 / MINUTE_MS) as u64 };
        let fresh = is_fresh(&command.op);
        let letter = Letter { site, lock, op: Some(op), code: command.for_code, nth };
        let profile = Arc::clone(self.profile_of(letter));
        let timeout_ms = profile.timeout_ms(mutating, fresh);
        let sent = Sent { letter, op, emitted_at: self.now, timeout_ms, is_closed: false, has_erased: false, mutating };
        if self.sent.insert(command.command_id, sent).is_some() {
            return self.stop(Verdict::Contract, format!("command id {} was used before", command.command_id.0));
        }
        let command_id = command.command_id;
        self.forget_old_reads();
        if !mutating {
            let longest = profile.command_ttl_ms.max(timeout_ms) + LATE_ANSWER_MS + MINUTE_MS;
            self.fading.push_back((self.now + longest, command_id));
        }
        self.agenda.add(self.now + timeout_ms, Class::TimedOut, lock_entity(entity), Item::TimedOut { command_id });
        if self.strike(Quirk::LinkLosesRequest, letter) {
            return;
        }
        let fate = self.fate(&command.op, letter, &profile);
        let travel = self.noise.within(Stream::Travel, entity, op as u64, nth, profile.ack_latency_ms) / 2;
        let order =
            Order { command_id, key: command.key, device: command.device, epoch: command.epoch, op: command.op, emitted_at: self.now };
        if self.strike(Quirk::LinkDoublesRequest, letter) {
            let again = self.noise.within(Stream::Lateness, entity, 300 + op as u64, nth, (SECOND_MS, 30 * SECOND_MS));
            let copy = Item::Arrive { site, order: Box::new(order.clone()), fate };
            self.agenda.add(self.now + travel + again, Class::Work, lock_entity(entity), copy);
        }
        self.agenda.add(self.now + travel, Class::Work, lock_entity(entity), Item::Arrive { site, order: Box::new(order), fate });
    }

    /// Memory must not grow with the reads of a year.
    fn forget_old_reads(&mut self) {
        while let Some((_, read)) = self.fading.front().filter(|(until, _)| *until < self.now) {
            self.sent.remove(read);
            self.fading.pop_front();
        }
    }

    /// What noise has in store for a command.
    pub(super) fn fate(&mut self, op: &Op, letter: Letter, profile: &Profile) -> Fate {
        let (entity, nth, kind) = (letter.entity(), letter.nth, op.kind());
        // To look takes the lock no longer than to answer; only a write takes its time to move in.
        let changes = op.is_mutating() || op.is_registering();
        let range = if changes { profile.apply_latency_ms } else { profile.ack_latency_ms };
        let mut apply_ms = self.noise.within(Stream::Apply, entity, kind as u64, nth, range);
        let staleness_ms = self.noise.within(Stream::Staleness, entity, kind as u64, nth, (0, profile.read_lag_ms));
        let chance = if matches!(op, Op::AssignPin { .. }) { self.noise.draw(Stream::Lateness, entity, 500, nth) } else { 0 };
        let mut striking = |quirk| self.striking(quirk, letter);
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

fn entity_of(lock: Option<Lock>) -> usize {
    lock.map_or(usize::MAX, |lock| lock.0 as usize)
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
                "devices": [{ "name": "L1", "vendor": vendor, "clock_off": "+47m" }],
                "steps": [
                    { "at": "+1s", "do": { "person_adds": { "on": "L1", "pin": "1234" } } },
                    { "at": "+2s", "do": { "enter": { "on": "L1", "pin": "1234" } } },
                ],
            })
        };
        let noted = |vendor: &str| {
            let plan = crate::Story::new(&story(vendor)).expect("a story").plan;
            let log = run(&plan, &Reference::new(), Options { keep_log: true, unjudged: true, ..Options::default() }).log;
            let used = log.into_iter().find_map(|(_, occurrence)| match occurrence {
                Occurrence::Noticed { notice, snapshot_at, .. } if matches!(notice.news, News::KeypadUsed { .. }) => {
                    Some((notice.device_time, snapshot_at))
                }
                _ => None,
            });
            used.expect("a notice of the use")
        };
        let (device_time, used_at) = noted("ttlock");
        assert_eq!(device_time, Some(used_at + 47 * 60_000));
        assert_eq!(noted("generic_cloud").0, None, "nobody can read that clock");
    }
}
