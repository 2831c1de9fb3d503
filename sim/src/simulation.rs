//! Wires controller, clouds, locks, people at keypads and other apps together in virtual time.
//!
//! The simulation decides nothing: the plan says what happens, noise says how long it takes, the sites say what
//! follows, and every occurrence goes to the observer, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::controller::{Controller, Controllers, Input, Output, Outputs};
use keyway_core::draw::mix;
use keyway_core::event::Event;
use keyway_core::id::{CallId, CodeId, CommandId, DeviceId};
use keyway_core::port::{Answer, Command, News, Notice, Op, OpKind, Place};
use keyway_core::request::{Request, Response};
use keyway_core::time::{MINUTE_MS, SECOND_MS, Timestamp};
use keyway_core::vendor::Profile;
use keyway_core::world::lock::{Entry, Source};
use keyway_core::world::quirk::{Quirk, QuirkSort};
use keyway_core::world::site::{CloudCondition, Consequence, Fate, LockCondition, Order, PersonAdds};

use crate::agenda::{Agenda, Class};
use crate::noise::{Noise, Stream};
use crate::occurrence::{Cause, Change, Lock, Occurrence, Origin, PROLOGUE_CALLS, Phase, TrueEntry};
use crate::plan::{Action, AtEntry, CrashPoint, Enter, Fault, Plan};
use crate::request::{call, entries_meant};
use crate::run::Figures;
use crate::setup::{Setup, Target};
use crate::verdict::Verdict;

/// Sees every occurrence, in order.
pub trait Observer {
    /// Something happened.
    fn observe(&mut self, now: Timestamp, occurrence: &Occurrence);
    /// When it wants to look at the world although nothing happened.
    fn next_deadline(&self) -> Option<Timestamp>;
    /// That time has come, after everything else of the instant.
    fn deadline(&mut self, now: Timestamp);
    /// Whether it has seen enough.
    fn is_done(&self) -> bool;
    /// How long after the last trouble a correct controller may take until all has converged.
    fn convergence_ms(&self) -> i64;
    /// Why the run must end at once, if it must.
    fn stop(&mut self, now: Timestamp, verdict: Verdict, why: String);
}

/// Outputs of one step beyond this are a flood.
const OUTPUTS_A_STEP_MAX: usize = 20_000;
/// Steps at one instant beyond this are a loop.
const STEPS_AN_INSTANT_MAX: u32 = 20_000;
/// Steps in all beyond this, per virtual hour, are a flood.
const STEPS_AN_HOUR_MAX: u64 = 50_000;
/// A rival manager that is not told otherwise acts after this.
const RIVAL_DELAY_MS: i64 = 20 * SECOND_MS;
/// The clock of a lock under `clock_off` jumps by this unless the plan says otherwise.
const CLOCK_JUMP_MS: i64 = 10 * MINUTE_MS;
/// Nothing is forgotten before the controller's saved command ids may still be answered: late answers end this long after `command_ttl` (`P-01`).
const LATE_ANSWER_MS: i64 = 2 * MINUTE_MS;

enum Item {
    Fault { index: usize, begins: bool },
    Crash { index: usize },
    Restart,
    Act { step: usize },
    Rival { index: usize, lock: Lock, place: Place },
    Arrive { site: usize, order: Box<Order>, fate: Fate },
    Run { site: usize, lock: usize },
    Answer { command_id: CommandId, answer: Box<Answer>, snapshot_at: Option<Timestamp> },
    Notice { notice: Box<Notice>, snapshot_at: Timestamp, lock: Option<Lock>, closes: Option<CommandId> },
    TimedOut { command_id: CommandId },
    Call { step: usize },
    PrologueCall { index: usize },
    Enter { step: usize },
}

/// A command on its way.
struct Sent {
    lock: Option<usize>,
    op: OpKind,
    emitted_at: Timestamp,
    timeout_ms: i64,
    for_code: Option<CodeId>,
    is_closed: bool,
    /// Its number among commands of its kind on its lock, for noise.
    nth: u64,
    mutating: bool,
}

/// One run under way.
pub struct Simulation<'a> {
    plan: &'a Plan,
    setup: Setup,
    controllers: &'a dyn Controllers,
    controller: Option<Box<dyn Controller>>,
    durable: Option<Vec<u8>>,
    observer: &'a mut dyn Observer,
    agenda: Agenda<Item>,
    noise: Noise,
    now: Timestamp,
    phase: Phase,
    outputs: Outputs,
    /// The instant at which the controller wants to be woken.
    wake_at: Option<Timestamp>,
    down_until: Option<Timestamp>,
    sent: BTreeMap<CommandId, Sent>,
    unsaved: Vec<Event>,
    records: BTreeMap<CodeId, Record>,
    devices: BTreeMap<DeviceId, DeviceRecord>,
    names: BTreeMap<String, CodeId>,
    /// For each fault: how many it struck, and whether it is active.
    struck: Vec<u32>,
    active: Vec<bool>,
    faults_on: Vec<u32>,
    reach: Vec<bool>,
    counts: BTreeMap<(usize, u8), u64>,
    answer_counts: BTreeMap<(usize, OpKind), u32>,
    wakes: u32,
    crashes_done: Vec<bool>,
    /// Calls whose replies name a code: call to name.
    naming: BTreeMap<CallId, Vec<String>>,
    consequences: Vec<Consequence>,
    figures: Figures,
    instant: (Timestamp, u32),
    marks: BTreeMap<&'static str, u64>,
    stopped: bool,
}

impl<'a> Simulation<'a> {
    /// A run that is about to begin.
    pub fn new(plan: &'a Plan, setup: Setup, controllers: &'a dyn Controllers, observer: &'a mut dyn Observer) -> Self {
        let locks = setup.addresses.len();
        let now = setup.facts.begins_at;
        Self {
            plan,
            controllers,
            controller: None,
            durable: None,
            observer,
            agenda: Agenda::new(plan.tie_order),
            noise: Noise::new(plan.noise_seed, locks),
            now,
            phase: if setup.prologue.is_empty() { Phase::Safety } else { Phase::Prologue },
            outputs: Outputs::new(!plan.crashes.is_empty()),
            wake_at: None,
            down_until: None,
            sent: BTreeMap::new(),
            unsaved: Vec::new(),
            records: BTreeMap::new(),
            devices: BTreeMap::new(),
            names: BTreeMap::new(),
            struck: vec![0; plan.faults.len()],
            active: vec![false; plan.faults.len()],
            faults_on: vec![0; locks],
            reach: vec![true; locks],
            counts: BTreeMap::new(),
            answer_counts: BTreeMap::new(),
            wakes: 0,
            crashes_done: vec![false; plan.crashes.len()],
            naming: BTreeMap::new(),
            consequences: Vec::new(),
            figures: Figures::default(),
            instant: (now, 0),
            marks: BTreeMap::new(),
            stopped: false,
            setup,
        }
    }

    /// Runs to the end: prologue, safety phase, heal phase.
    pub fn run(mut self) -> (Figures, BTreeMap<&'static str, u64>) {
        self.begin();
        if self.phase == Phase::Prologue {
            self.run_until(self.setup.starts_at - 1);
            self.enter_phase(Phase::Safety, self.setup.starts_at);
        }
        self.schedule_story();
        self.run_until(self.setup.horizon_at);
        self.heal();
        (self.figures, self.marks)
    }

    fn begin(&mut self) {
        self.see(&Occurrence::Phase(self.phase));
        for n in 0..self.setup.addresses.len() {
            self.show_beginning(Lock(n as u32));
        }
        for index in 0..self.setup.prologue.len() {
            let at = self.setup.prologue_at(index);
            self.agenda.add(at, Class::Call, 0, Item::PrologueCall { index });
        }
        if self.phase == Phase::Safety {
            self.fill_memories();
        }
        self.start_controller(false);
    }

    fn show_beginning(&mut self, lock: Lock) {
        let address = self.setup.addresses[lock.0 as usize];
        let site = &self.setup.sites[address.site].locks[address.lock];
        let (device, epoch, off_ms) = (site.device, site.epoch, site.lock.clock_off_ms);
        let places: Vec<_> = site.lock.entries.iter().map(|entry| entry.place).collect();
        self.truth(lock, Change::Joined { device, epoch }, Cause::Beginning);
        if off_ms != 0 {
            self.truth(lock, Change::Clock { off_ms }, Cause::Beginning);
        }
        for place in places {
            self.show_entry(lock, place, Cause::Beginning);
        }
    }

    /// Puts the entries of strangers into the locks: before the controller starts, or at `+0` after the prologue.
    fn fill_memories(&mut self) {
        for (n, device) in self.plan.devices.iter().enumerate() {
            let Some(lock) = self.setup.lock(&device.name).filter(|lock| lock.0 as usize == n) else { continue };
            let address = self.setup.addresses[n];
            for stored in device.memory.iter().filter(|stored| stored.owner.is_none()) {
                let Some(pin) = stored.pin else { continue };
                let place = stored.slot.map(|slot| Place::Slot(keyway_core::id::Slot(slot)));
                let name = stored.name.as_deref().unwrap_or("owner").into();
                let added = PersonAdds { place, pin: pin.0, name, hidden: stored.hidden };
                let mut out = Vec::new();
                self.setup.sites[address.site].person_adds(self.now, address.lock, added, &mut out);
                for consequence in out {
                    if let Consequence::Stored { place, .. } = consequence {
                        self.show_entry(lock, place, Cause::Beginning);
                    }
                }
            }
        }
    }

    fn enter_phase(&mut self, phase: Phase, at: Timestamp) {
        self.now = self.now.max(at);
        self.phase = phase;
        self.see(&Occurrence::Phase(phase));
        if phase == Phase::Safety {
            self.fill_memories();
        }
    }

    /// Puts everything that the plan says into the agenda.
    fn schedule_story(&mut self) {
        for (index, fault) in self.plan.faults.iter().enumerate() {
            let from = self.setup.instant(fault.from);
            self.agenda.add(from, Class::Fault, index as u32, Item::Fault { index, begins: true });
            if !fault.for_good {
                let until = fault.until.map_or(self.setup.horizon_at, |until| self.setup.instant(until));
                self.agenda.add(until, Class::Fault, index as u32, Item::Fault { index, begins: false });
            }
        }
        for (index, crash) in self.plan.crashes.iter().enumerate() {
            if let CrashPoint::At(at) = crash.when {
                self.agenda.add(self.setup.instant(at), Class::Fault, u32::MAX / 2, Item::Crash { index });
            }
        }
        for (step, planned) in self.plan.steps.iter().enumerate() {
            let at = self.setup.instant(planned.at);
            match &planned.action {
                Action::Enter(_) => self.agenda.add(at, Class::Probe, step as u32, Item::Enter { step }),
                Action::EnterRepeatedly(_) => self.agenda.add(at, Class::Probe, step as u32, Item::Enter { step }),
                action if is_call(action) => self.agenda.add(at, Class::Call, step as u32, Item::Call { step }),
                _ => self.agenda.add(at, Class::Person, step as u32, Item::Act { step }),
            }
        }
    }

    /// Ends what is not lost for good, and waits until all is settled and had time to converge.
    fn heal(&mut self) {
        if self.is_over() {
            return;
        }
        // Scheduled ends at the horizon have run by now; what began without an end of its own ends here too.
        for index in 0..self.plan.faults.len() {
            if self.active[index] && !self.plan.faults[index].for_good {
                self.fault(index, false);
            }
        }
        self.enter_phase(Phase::Heal, self.setup.horizon_at);
        let mut end = self.now + self.observer.convergence_ms();
        while self.now < end && !self.is_over() {
            self.run_until(end);
            if self.has_unsettled_work() {
                let longest = self.setup.facts.locks.iter().map(|lock| lock.profile.command_ttl_ms).max().unwrap_or(0);
                end = end.max((self.now + longest).min(self.setup.horizon_at + 3 * self.observer.convergence_ms()));
            }
        }
        if !self.is_over() {
            self.compare_all();
            self.enter_phase(Phase::End, end);
        }
    }

    fn has_unsettled_work(&self) -> bool {
        self.down_until.is_some() || self.sent.values().any(|sent| sent.mutating && !sent.is_closed)
    }

    fn is_over(&self) -> bool {
        self.stopped || self.observer.is_done()
    }

    /// Runs everything due until `end`, included.
    fn run_until(&mut self, end: Timestamp) {
        while !self.is_over() {
            let item_at = self.agenda.next_at().unwrap_or(Timestamp::MAX);
            let wake_at = self.wake_at.filter(|_| self.controller.is_some()).unwrap_or(Timestamp::MAX);
            let look_at = self.observer.next_deadline().unwrap_or(Timestamp::MAX);
            let next = item_at.min(wake_at).min(look_at).max(self.now);
            if next > end {
                break;
            }
            self.now = next;
            if let Some(item) = self.next_item(wake_at <= next) {
                self.happen(item);
            } else if wake_at <= next {
                self.wake();
            } else {
                self.observer.deadline(self.now);
            }
        }
        self.now = self.now.max(end.min(Timestamp::MAX));
    }

    /// The next item of this instant; keypad entries come after the wake.
    fn next_item(&mut self, wake_is_due: bool) -> Option<Item> {
        if wake_is_due { self.agenda.pop_before(self.now, Class::Probe) } else { self.agenda.pop_until(self.now) }
    }

    fn happen(&mut self, item: Item) {
        match item {
            Item::Fault { index, begins } => self.fault(index, begins),
            Item::Crash { index } => self.crash(index),
            Item::Restart => self.restart(),
            Item::Act { step } => self.act(step),
            Item::Rival { index, lock, place } => self.rival_acts(index, lock, place),
            Item::Arrive { site, order, fate } => {
                self.setup.sites[site].receive(self.now, *order, fate, &mut self.consequences);
                self.follow(site);
            }
            Item::Run { site, lock } => {
                self.setup.sites[site].run(self.now, lock, &mut self.consequences);
                self.follow(site);
            }
            Item::Answer { command_id, answer, snapshot_at } => self.deliver_answer(command_id, *answer, snapshot_at),
            Item::Notice { notice, snapshot_at, lock, closes } => self.deliver_notice(*notice, snapshot_at, lock, closes),
            Item::TimedOut { command_id } => self.time_out(command_id),
            Item::Call { step } => self.call(step),
            Item::PrologueCall { index } => self.prologue_call(index),
            Item::Enter { step } => self.enter(step),
        }
    }

    fn see(&mut self, occurrence: &Occurrence) {
        if is_productive(occurrence) {
            self.figures.productive += 1;
        }
        self.observer.observe(self.now, occurrence);
    }

    fn mark(&mut self, mark: &'static str) {
        *self.marks.entry(mark).or_default() += 1;
    }

    fn truth(&mut self, lock: Lock, change: Change, cause: Cause) {
        self.see(&Occurrence::Truth { lock, change, cause });
    }

    fn show_entry(&mut self, lock: Lock, place: Place, cause: Cause) {
        let address = self.setup.addresses[lock.0 as usize];
        let entry = self.setup.sites[address.site].locks[address.lock].lock.entry(place).cloned();
        if let Some(entry) = entry {
            let entry = self.true_entry(&entry);
            self.truth(lock, Change::Stored { place, entry }, cause);
        }
    }

    fn true_entry(&self, entry: &Entry) -> TrueEntry {
        let origin = match entry.source {
            Source::Command(command) => match self.sent.get(&command).and_then(|sent| sent.for_code) {
                Some(code) => Origin::Code(code),
                None => Origin::Unclaimed,
            },
            Source::External => Origin::External,
            Source::Reserved => Origin::Reserved,
        };
        TrueEntry { pin: entry.pin, name: entry.name.clone(), window: entry.window, enabled: entry.enabled, hidden: entry.hidden, origin }
    }

    fn disturb(&mut self, lock: Lock) {
        if self.phase < Phase::Heal {
            self.figures.fired += 1;
        }
        self.see(&Occurrence::Disturbed { lock });
    }

    // What the world does.

    /// Carries out what followed at a site.
    fn follow(&mut self, site: usize) {
        let mut consequences = std::mem::take(&mut self.consequences);
        for consequence in consequences.drain(..) {
            self.follow_one(site, consequence);
        }
        self.consequences = consequences;
    }

    fn follow_one(&mut self, site: usize, consequence: Consequence) {
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
    fn send_answer(&mut self, command_id: CommandId, answer: Answer, snapshot_at: Option<Timestamp>) {
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

    fn send_notice(
        &mut self,
        site: usize,
        lock: Option<usize>,
        news: News,
        snapshot_at: Timestamp,
        closes: Option<CommandId>,
        not_before: Timestamp,
    ) {
        let of = lock.map(|lock| self.setup.lock_at(site, lock));
        let at_site = &self.setup.sites[site];
        let account = at_site.account;
        let (device, epoch) = match lock {
            Some(lock) => (Some(at_site.locks[lock].device), at_site.locks[lock].epoch),
            None => (None, keyway_core::id::Epoch(0)),
        };
        let entity = of.map_or(usize::MAX, |lock| lock.0 as usize);
        let nth = self.count(entity, 255);
        let serial = mix(mix(entity as u64) ^ nth) >> 16;
        let notice = Notice { account, device, epoch, device_time: None, serial, news };
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

    fn count(&mut self, lock: usize, kind: u8) -> u64 {
        let count = self.counts.entry((lock, kind)).or_default();
        *count += 1;
        *count - 1
    }

    fn profile_of(&self, lock: Option<usize>) -> &Profile {
        &self.setup.facts.locks[lock.unwrap_or(0).min(self.setup.facts.locks.len() - 1)].profile
    }

    /// The first active fault of this quirk on a lock.
    fn struck_by(&self, quirk: Quirk, lock: Option<Lock>) -> Option<&'a Fault> {
        let plan = self.plan;
        let hits = |index: usize| match lock {
            Some(lock) => self.setup.locks_of(&self.setup.target(plan.faults[index].on.as_deref())).contains(&lock),
            None => true,
        };
        (0..plan.faults.len()).find(|i| self.active[*i] && plan.faults[*i].quirk.0 == quirk && hits(*i)).map(|i| &plan.faults[i])
    }

    /// Whether noise of this quirk strikes this command, answer or notice; counts it if so.
    fn strike(&mut self, quirk: Quirk, lock: Option<Lock>, op: Option<OpKind>, code: Option<CodeId>, nth: u64) -> bool {
        for index in 0..self.plan.faults.len() {
            let fault = &self.plan.faults[index];
            if fault.quirk.0 != quirk || !self.active[index] || !self.matches(fault, lock, op, code) {
                continue;
            }
            if fault.first.is_some_and(|first| self.struck[index] >= first) {
                continue;
            }
            let one_in = u64::from(fault.one_in.unwrap_or(1).max(1));
            let entity = lock.map_or(usize::MAX, |lock| lock.0 as usize);
            let kind = quirk as u64 * 64 + op.map_or(63, |op| op as u64);
            if self.noise.draw(Stream::Strike, entity, kind, nth) % one_in == 0 {
                self.struck[index] += 1;
                self.mark(quirk.name());
                if let Some(lock) = lock {
                    self.disturb(lock);
                }
                return true;
            }
        }
        false
    }

    fn matches(&self, fault: &Fault, lock: Option<Lock>, op: Option<OpKind>, code: Option<CodeId>) -> bool {
        let on = match (&fault.on, lock) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(name), Some(lock)) => self.setup.locks_of(&self.setup.target(Some(name))).contains(&lock),
        };
        let kind = fault.commands.is_empty() || op.is_some_and(|op| fault.commands.contains(&op));
        let of_code = fault.code.as_ref().is_none_or(|name| code.is_some() && self.names.get(name).copied() == code);
        on && kind && of_code
    }

    // Faults, people, rivals.

    fn fault(&mut self, index: usize, begins: bool) {
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
    fn affected(&self, target: &Target, quirk: Quirk) -> Vec<Lock> {
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
        widened.into_iter().collect()
    }

    fn hub_of(&self, lock: Lock) -> Option<(usize, usize)> {
        let address = self.setup.addresses[lock.0 as usize];
        Some((address.site, self.setup.sites[address.site].hub_of(address.lock)?))
    }

    fn apply_fault(&mut self, fault: &Fault, target: &Target, begins: bool) {
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
            Quirk::ClockOff => self.shift_clocks(fault, &locks, begins),
            Quirk::LengthRefusedByLock => self.change_lengths(&locks, begins),
            Quirk::DeviceLeavesAccount => self.on_each(&locks, |world, now, site, lock, out| {
                let site = &mut world.setup.sites[site];
                if begins { site.leaves(now, lock, out) } else { site.joins(now, lock, out) }
            }),
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

    fn on_each(&mut self, locks: &[Lock], act: impl Fn(&mut Self, Timestamp, usize, usize, &mut Vec<Consequence>)) {
        for lock in locks {
            let address = self.setup.addresses[lock.0 as usize];
            let mut out = std::mem::take(&mut self.consequences);
            act(self, self.now, address.site, address.lock, &mut out);
            self.consequences = out;
            self.follow(address.site);
        }
    }

    fn shift_clocks(&mut self, fault: &Fault, locks: &[Lock], begins: bool) {
        let jump = fault.delay.map_or(CLOCK_JUMP_MS, |delay| delay.0);
        for lock in locks {
            let address = self.setup.addresses[lock.0 as usize];
            let true_lock = &mut self.setup.sites[address.site].locks[address.lock].lock;
            true_lock.clock_off_ms += if begins { jump } else { -jump };
            let off_ms = true_lock.clock_off_ms;
            self.truth(*lock, Change::Clock { off_ms }, Cause::World);
        }
    }

    fn change_lengths(&mut self, locks: &[Lock], begins: bool) {
        for lock in locks {
            let address = self.setup.addresses[lock.0 as usize];
            let true_lock = &mut self.setup.sites[address.site].locks[address.lock].lock;
            let all = true_lock.profile.lengths;
            true_lock.lengths = if begins { all.and(keyway_core::pin::Lengths::range(6, 6)) } else { all };
            let lengths = true_lock.lengths;
            self.truth(*lock, Change::Lengths(lengths), Cause::World);
        }
    }

    fn rival_begins(&mut self, fault: &Fault, locks: &[Lock], begins: bool) {
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
    fn rivals_notice(&mut self, lock: Lock, place: Place, by: Option<CommandId>) {
        if by.is_none() {
            return;
        }
        let plan = self.plan;
        for (index, fault) in plan.faults.iter().enumerate() {
            if fault.quirk.0 != Quirk::RivalManager || !self.active[index] || !self.matches(fault, Some(lock), None, None) {
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

    fn rival_acts(&mut self, index: usize, lock: Lock, place: Place) {
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

    fn show_reach(&mut self) {
        for n in 0..self.setup.addresses.len() {
            let address = self.setup.addresses[n];
            let up = self.setup.sites[address.site].reaches(address.lock);
            if up != self.reach[n] {
                self.reach[n] = up;
                self.see(&Occurrence::Reach { lock: Lock(n as u32), up });
            }
        }
    }

    fn act(&mut self, step: usize) {
        if self.phase != Phase::Safety {
            return;
        }
        let plan = self.plan;
        if !self.act_on(&plan.steps[step].action) {
            self.no_target(step);
        }
    }

    fn no_target(&mut self, step: usize) {
        self.figures.no_targets += 1;
        self.see(&Occurrence::NoTarget { step: step as u32 });
    }

    /// Does what a person or another app does; whether there was a target.
    fn act_on(&mut self, action: &Action) -> bool {
        match action {
            Action::PersonAdds(adds) => {
                let place = adds.slot.map(|slot| Place::Slot(keyway_core::id::Slot(slot)));
                let name = adds.name.as_deref().unwrap_or("owner").into();
                let added = PersonAdds { place, pin: adds.pin.0, name, hidden: adds.hidden };
                self.at_lock(&adds.on, "person_adds", |site, now, lock, out| site.person_adds(now, lock, added.clone(), out))
            }
            Action::PersonRemoves(entry) => {
                let Some(place) = self.place_of(entry) else { return false };
                self.at_lock(&entry.on, "person_removes", |site, now, lock, out| site.removes(now, lock, place, true, out))
            }
            Action::PersonDisables(entry) => {
                let Some(place) = self.place_of(entry) else { return false };
                self.at_lock(&entry.on, "person_disables", |site, now, lock, out| {
                    site.person_edits(now, lock, place, &|entry| entry.enabled = false, out)
                })
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

    fn at_lock(
        &mut self,
        name: &str,
        mark: &'static str,
        act: impl FnOnce(&mut keyway_core::world::site::Site, Timestamp, usize, &mut Vec<Consequence>) -> bool,
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

    fn place_of(&self, entry: &AtEntry) -> Option<Place> {
        let lock = self.setup.lock(&entry.on)?;
        let address = self.setup.addresses[lock.0 as usize];
        let entries = &self.setup.sites[address.site].locks[address.lock].lock.entries;
        let origin = |candidate: &Entry| self.true_entry(candidate).origin;
        entries_meant(entry, entries, |name| self.names.get(name).copied(), origin)
    }

    fn enter(&mut self, step: usize) {
        if self.phase != Phase::Safety {
            return;
        }
        let plan = self.plan;
        match &plan.steps[step].action {
            Action::Enter(enter) => {
                if !self.enter_once(enter) {
                    self.no_target(step);
                }
            }
            Action::EnterRepeatedly(repeated) => {
                if !self.enter_once(&repeated.enter) {
                    self.no_target(step);
                }
                let next = self.now + repeated.every.0.max(1);
                if next <= self.setup.instant(repeated.until) {
                    self.agenda.add(next, Class::Probe, step as u32, Item::Enter { step });
                }
            }
            _ => {}
        }
    }

    fn enter_once(&mut self, enter: &Enter) -> bool {
        let code = enter.code.as_ref().and_then(|name| self.names.get(name)).and_then(|id| self.records.get(id));
        let pin = enter.pin.map(|pin| pin.0).or_else(|| code.and_then(|record| record.code));
        let (Some(lock), Some(pin)) = (self.setup.lock(&enter.on), pin) else { return false };
        let address = self.setup.addresses[lock.0 as usize];
        let opened = self.setup.sites[address.site].enters(self.now, address.lock, pin, &mut self.consequences);
        self.see(&Occurrence::Entered { lock, pin, opened });
        self.follow(address.site);
        true
    }

    // The controller.

    fn start_controller(&mut self, restart: bool) {
        let config = &self.setup.facts.config;
        let (now, durable) = (self.now, self.durable.as_deref());
        match catch_unwind(AssertUnwindSafe(|| self.controllers.start(now, config, durable))) {
            Ok(controller) => self.controller = Some(controller),
            Err(panic) => return self.stop(Verdict::Panic, panic_text(&panic)),
        }
        self.see(&Occurrence::Started { restart });
        self.compare_after_start();
        self.see(&Occurrence::StepEnded);
        self.wake_at = self.controller.as_ref().and_then(|controller| controller.next_deadline());
    }

    fn wake(&mut self) {
        let nth = self.wakes;
        self.wakes += 1;
        let cut = self.crash_where(|point| match point {
            CrashPoint::InWake { nth: of, outputs } if *of == nth => Some(*outputs),
            _ => None,
        });
        self.step(Input::Wake, &Occurrence::Woken, cut);
    }

    fn crash_where(&self, outputs: impl Fn(&CrashPoint) -> Option<u32>) -> Option<(usize, usize)> {
        if self.phase != Phase::Safety {
            return None;
        }
        let mut open = self.plan.crashes.iter().enumerate().filter(|(index, _)| !self.crashes_done[*index]);
        open.find_map(|(index, crash)| outputs(&crash.when).map(|outputs| (index, outputs as usize)))
    }

    fn call(&mut self, step: usize) {
        if self.phase != Phase::Safety {
            return;
        }
        let plan = self.plan;
        let call_id = CallId(step as u64);
        let resolved = call(&plan.steps[step].action, &self.setup, &self.names);
        let Some((request, names)) = resolved else { return self.no_target(step) };
        self.naming.insert(call_id, names);
        let in_call = self.crash_where(|point| match point {
            CrashPoint::InCall { step: of, outputs } if *of == step as u32 => Some(*outputs),
            CrashPoint::AfterReply { step: of } if *of == step as u32 => Some(u32::MAX),
            _ => None,
        });
        self.hand_call(call_id, request, in_call);
    }

    fn prologue_call(&mut self, index: usize) {
        let create = self.setup.prologue[index].clone();
        let call_id = CallId(PROLOGUE_CALLS + index as u64);
        if let Some((request, names)) = call(&Action::Create(create), &self.setup, &self.names) {
            self.naming.insert(call_id, names);
            self.hand_call(call_id, request, None);
        }
    }

    fn hand_call(&mut self, call_id: CallId, request: Request, cut: Option<(usize, usize)>) {
        let workspace = self.setup.facts.config.workspaces[0];
        if self.controller.is_none() {
            return self.see(&Occurrence::CallLost { call_id });
        }
        let input = Input::Call { call_id, workspace, request: request.clone() };
        self.step(input, &Occurrence::Called { call_id, workspace, request }, cut);
    }

    fn deliver_answer(&mut self, command_id: CommandId, answer: Answer, snapshot_at: Option<Timestamp>) {
        let Some(sent) = self.sent.get_mut(&command_id) else { return };
        if self.controller.is_none() {
            return; // Its TimedOut stands in for it (`P-07`).
        }
        if answer.is_closing() {
            sent.is_closed = true;
        }
        let (lock, op) = (sent.lock.unwrap_or(usize::MAX), sent.op);
        let nth = self.answer_counts.entry((lock, op)).or_default();
        *nth += 1;
        let nth = *nth - 1;
        let cut = self.crash_where(|point| match point {
            CrashPoint::InAnswer { on, command, nth: of, outputs } => {
                let here = self.setup.lock(on).is_some_and(|on| on.0 as usize == lock);
                (here && *command == op && *of == nth).then_some(*outputs)
            }
            _ => None,
        });
        let seen = Occurrence::Answered { command_id, answer: answer.clone(), snapshot_at };
        self.step(Input::Answer { command_id, answer }, &seen, cut);
    }

    fn deliver_notice(&mut self, notice: Notice, snapshot_at: Timestamp, lock: Option<Lock>, closes: Option<CommandId>) {
        if self.controller.is_none() {
            return;
        }
        if let Some(sent) = closes.and_then(|command| self.sent.get_mut(&command)) {
            sent.is_closed = true;
        }
        let seen = Occurrence::Noticed { notice: notice.clone(), snapshot_at, lock };
        self.step(Input::Notice(notice), &seen, None);
    }

    fn time_out(&mut self, command_id: CommandId) {
        if self.sent.get(&command_id).is_none_or(|sent| sent.is_closed) {
            return;
        }
        match self.down_until {
            Some(until) => self.agenda.add(until, Class::TimedOut, 0, Item::TimedOut { command_id }),
            None => self.deliver_answer(command_id, Answer::TimedOut, None),
        }
    }

    /// One step: the input, then its outputs in order, up to a crash among them; then the views that changed.
    fn step(&mut self, input: Input, seen: &Occurrence, cut: Option<(usize, usize)>) {
        if !self.has_budget() {
            return;
        }
        let Some(controller) = self.controller.as_mut() else { return };
        let mut outputs = std::mem::take(&mut self.outputs);
        let now = self.now;
        let handled = catch_unwind(AssertUnwindSafe(|| controller.handle(now, input, &mut outputs)));
        self.see(&Occurrence::StepBegan);
        self.see(seen);
        match handled {
            Err(panic) => self.stop(Verdict::Panic, panic_text(&panic)),
            Ok(Err(broken)) => self.stop(Verdict::Panic, broken.to_string()),
            Ok(Ok(())) if outputs.as_slice().len() > OUTPUTS_A_STEP_MAX => {
                self.stop(Verdict::Stuck, format!("one step has {} outputs", outputs.as_slice().len()));
            }
            Ok(Ok(())) => self.take_outputs(&mut outputs, cut),
        }
        outputs.drain().for_each(drop);
        self.outputs = outputs;
    }

    fn take_outputs(&mut self, outputs: &mut Outputs, cut: Option<(usize, usize)>) {
        let after_reply = || outputs.as_slice().iter().position(|output| matches!(output, Output::Reply { result: Ok(_), .. }));
        let at = match cut {
            Some((_, outputs)) if outputs == u32::MAX as usize => after_reply().map(|reply| reply + 1),
            Some((_, outputs)) => Some(outputs),
            None => None,
        };
        let (mut codes, mut devices) = (BTreeSet::new(), BTreeSet::new());
        let total = outputs.as_slice().len();
        let list: Vec<_> = outputs.drain().collect();
        for (k, output) in list.into_iter().enumerate() {
            if at == Some(k) {
                break;
            }
            self.take_output(output, &mut codes, &mut devices);
        }
        if let (Some((index, _)), Some(at)) = (cut, at) {
            self.crashes_done[index] = true;
            self.figures.crashes_inside += u64::from(at < total);
            return self.go_down(index);
        }
        self.read_views(&codes, &devices);
        if mix(self.plan.noise_seed ^ self.figures.steps).is_multiple_of(256) {
            self.compare_all();
        }
        self.see(&Occurrence::StepEnded);
        self.wake_at = self.controller.as_ref().and_then(|controller| controller.next_deadline());
    }

    fn take_output(&mut self, output: Output, codes: &mut BTreeSet<CodeId>, devices: &mut BTreeSet<DeviceId>) {
        match output {
            Output::Reply { call_id, result } => {
                self.see(&Occurrence::Replied { call_id, result: result.clone() });
                if let Ok(response) = result {
                    self.bind(call_id, &response);
                }
            }
            Output::Command(command) => self.send(command),
            Output::Event(event) => {
                self.see(&Occurrence::Emitted(event.clone()));
                self.unsaved.push(event);
            }
            Output::Changed(code) => drop(codes.insert(code)),
            Output::ChangedDevice(device) => drop(devices.insert(device)),
            Output::Save(bytes) => {
                self.durable = Some(bytes);
                self.unsaved.clear();
                self.see(&Occurrence::Saved);
            }
        }
    }

    /// Gives the names of the plan to the codes that a reply names.
    fn bind(&mut self, call_id: CallId, response: &Response) {
        let names = self.naming.remove(&call_id).unwrap_or_default();
        let codes: Vec<CodeId> = match response {
            Response::AccessCode(code) => vec![*code],
            Response::AccessCodes(codes) => codes.clone(),
            Response::Done => Vec::new(),
        };
        for (name, code) in names.into_iter().zip(codes) {
            self.names.insert(name.clone(), code);
            self.see(&Occurrence::Bound { name, code });
        }
    }

    /// A command leaves the controller.
    fn send(&mut self, command: Command) {
        let Some(site) = self.setup.site_of(command.account) else {
            return self.stop(Verdict::Contract, format!("command {} names no account of the configuration", command.command_id.0));
        };
        let at_site = &self.setup.sites[site];
        let local = command.device.and_then(|device| at_site.locks.iter().position(|lock| lock.device == device));
        let lock = local.map(|local| self.setup.lock_at(site, local));
        self.see(&Occurrence::Commanded { command: command.clone(), lock });
        let entity = lock.map_or(usize::MAX, |lock| lock.0 as usize);
        let (op, mutating) = (command.op.kind(), command.op.is_mutating());
        // Periodic reads are keyed by the virtual minute, so that one more or less shifts no other.
        let nth = if mutating { self.count(entity, op as u8) } else { (self.now.0 / MINUTE_MS) as u64 };
        let fresh = is_fresh(&command.op);
        let profile = self.profile_of(lock.map(|lock| lock.0 as usize)).clone();
        let timeout_ms = profile.timeout_ms(mutating, fresh);
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
    fn fate(&mut self, op: &Op, lock: Option<Lock>, code: Option<CodeId>, nth: u64, profile: &Profile) -> Fate {
        let entity = lock.map_or(usize::MAX, |lock| lock.0 as usize);
        let kind = op.kind();
        let mut apply_ms = self.noise.within(Stream::Apply, entity, kind as u64, nth, profile.apply_latency_ms);
        let staleness_ms = self.noise.within(Stream::Staleness, entity, kind as u64, nth, (0, profile.read_lag_ms));
        let mut strike = |quirk| self.strike(quirk, lock, Some(kind), code, nth);
        let plain_listing = matches!(op, Op::ListEntries { fresh: false, .. });
        let silent = profile.ack == keyway_core::vendor::Ack::Nothing;
        let fate = Fate {
            apply_ms: 0,
            staleness_ms,
            fails_before: op.is_mutating() && strike(Quirk::CloudFailsBeforeStoring),
            fails_after: op.is_mutating() && strike(Quirk::CloudFailsAfterStoring),
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

    // Views.

    fn read_views(&mut self, codes: &BTreeSet<CodeId>, devices: &BTreeSet<DeviceId>) {
        for code in codes {
            self.read_code(*code, true);
        }
        for device in devices {
            self.read_device(*device, true);
        }
    }

    /// Reads a record again; whether it differs from the last copy.
    fn read_code(&mut self, code: CodeId, announced: bool) -> bool {
        let Some(controller) = &self.controller else { return false };
        let view = controller.access_code(code);
        let known = self.records.get(&code);
        if view == known.map(Record::view) {
            return false;
        }
        let after = view.map(|view| view.to_record());
        match &after {
            Some(record) => drop(self.records.insert(code, record.clone())),
            None => drop(self.records.remove(&code)),
        }
        if !announced {
            self.see(&Occurrence::Unannounced { what: format!("code {code}") });
        }
        self.see(&Occurrence::Recorded { code, after: after.map(Box::new) });
        true
    }

    fn read_device(&mut self, device: DeviceId, announced: bool) -> bool {
        let Some(controller) = &self.controller else { return false };
        let view = controller.device(device);
        let known = self.devices.get(&device);
        if view == known.map(DeviceRecord::view) {
            return false;
        }
        let after = view.map(|view| view.to_record());
        match &after {
            Some(record) => drop(self.devices.insert(device, record.clone())),
            None => drop(self.devices.remove(&device)),
        }
        if !announced {
            self.see(&Occurrence::Unannounced { what: format!("device {device}") });
        }
        self.see(&Occurrence::DeviceRecorded { device, after: after.map(Box::new) });
        true
    }

    fn all_views(&self) -> (BTreeSet<CodeId>, BTreeSet<DeviceId>) {
        let mut codes: BTreeSet<_> = self.records.keys().copied().collect();
        if let Some(controller) = &self.controller {
            controller.access_codes(&mut |code| {
                codes.insert(code);
            });
        }
        (codes, self.setup.facts.locks.iter().map(|lock| lock.device).collect())
    }

    /// The slow full comparison: whatever differs now was not announced (`I-CTR-01`).
    fn compare_all(&mut self) {
        let (codes, devices) = self.all_views();
        for code in codes {
            self.read_code(code, false);
        }
        for device in devices {
            self.read_device(device, false);
        }
    }

    /// After a start everything is read again; a step back to the last save is no transition.
    fn compare_after_start(&mut self) {
        let (codes, devices) = self.all_views();
        self.read_views(&codes, &devices);
    }

    // Crashes.

    fn crash(&mut self, index: usize) {
        if self.controller.is_some() && self.phase == Phase::Safety {
            self.crashes_done[index] = true;
            self.go_down(index);
        }
    }

    fn go_down(&mut self, index: usize) {
        self.controller = None;
        self.wake_at = None;
        self.unsaved.clear();
        self.figures.crashes += 1;
        self.mark("crash");
        self.see(&Occurrence::Crashed);
        for n in 0..self.setup.addresses.len() {
            self.disturb(Lock(n as u32));
        }
        let until = self.now + self.plan.crashes[index].down.0;
        self.down_until = Some(until);
        self.agenda.add(until, Class::Fault, u32::MAX / 2, Item::Restart);
    }

    fn restart(&mut self) {
        self.down_until = None;
        self.start_controller(true);
        for n in 0..self.setup.addresses.len() {
            self.disturb(Lock(n as u32));
        }
    }

    fn has_budget(&mut self) -> bool {
        self.figures.steps += 1;
        if self.instant.0 == self.now {
            self.instant.1 += 1;
        } else {
            self.instant = (self.now, 1);
        }
        let hours = (self.now - self.setup.facts.begins_at) / (60 * MINUTE_MS) + 1;
        if self.instant.1 > STEPS_AN_INSTANT_MAX {
            self.stop(Verdict::Stuck, format!("{STEPS_AN_INSTANT_MAX} steps at one instant"));
        } else if self.figures.steps > hours as u64 * STEPS_AN_HOUR_MAX {
            self.stop(Verdict::Stuck, format!("more than {STEPS_AN_HOUR_MAX} steps an hour"));
        }
        !self.stopped
    }

    fn stop(&mut self, verdict: Verdict, why: String) {
        self.stopped = true;
        self.observer.stop(self.now, verdict, why);
    }
}

/// Which locks a fault touches beyond those it names.
enum Scope {
    Lock,
    Hub,
    Account,
}

fn scope_of(quirk: Quirk) -> Scope {
    match quirk {
        Quirk::HubPowerLost | Quirk::HubForgetsQueue => Scope::Hub,
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
        Quirk::LoginRevoked => Some(CloudCondition::LoginRevoked),
        Quirk::CredentialChanged => Some(CloudCondition::CredentialChanged),
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
        Quirk::KeypadGone => Some(LockCondition::KeypadGone),
        Quirk::HubRadioCollides => Some(LockCondition::Collides),
        _ => None,
    }
}

fn is_call(action: &Action) -> bool {
    match action {
        Action::Create(_) | Action::CreateMultiple(_) | Action::Update(_) | Action::Delete(_) => true,
        Action::Get(_) | Action::List(_) | Action::PullBackup(_) => true,
        Action::PersonAdds(_) | Action::PersonRemoves(_) | Action::PersonEdits(_) | Action::PersonDisables(_) => false,
        Action::Enter(_) | Action::EnterRepeatedly(_) => false,
    }
}

fn is_fresh(op: &Op) -> bool {
    matches!(op, Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. })
}

/// What counts as productive: all but reads, their answers, and the frame of a step.
fn is_productive(occurrence: &Occurrence) -> bool {
    match occurrence {
        Occurrence::StepBegan | Occurrence::StepEnded | Occurrence::Woken | Occurrence::Saved | Occurrence::Phase(_) => false,
        Occurrence::Commanded { command, .. } => command.op.is_mutating(),
        Occurrence::Answered { answer, .. } => !matches!(answer, Answer::Entries { .. } | Answer::Devices { .. } | Answer::Device(_)),
        _ => true,
    }
}

fn sent_lock(lock: usize) -> Option<Lock> {
    (lock != usize::MAX).then_some(Lock(lock as u32))
}

fn lock_entity(lock: usize) -> u32 {
    if lock == usize::MAX { 0 } else { lock as u32 + 1 }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}
