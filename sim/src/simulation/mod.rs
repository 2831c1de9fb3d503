//! Wires controller, clouds, locks, people at keypads and other apps together in virtual time.
//!
//! The simulation decides nothing: the plan says what happens, noise says how long it takes, the sites say what
//! follows, and every occurrence goes to the observer, in order.

use std::collections::{BTreeMap, VecDeque};

use keyway_core::access_code::{DeviceRecord, Record};
use keyway_core::controller::{Controller, Controllers, Outputs};
use keyway_core::event::Event;
use keyway_core::id::{CallId, CodeId, CommandId, DeviceId};
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, Notice, OpKind, Place};
use keyway_core::time::{MINUTE_MS, Timestamp};
use keyway_core::vendor::Family;
use keyway_core::world::lock::{Entry, Source};
use keyway_core::world::quirk::Quirk;
use keyway_core::world::site::{Consequence, Fate, Order};

use crate::agenda::{Agenda, Class};
use crate::noise::Noise;
use crate::occurrence::{Cause, Change, Lock, Occurrence, Origin, Phase, TrueEntry};
use crate::plan::{Action, CrashPoint, Plan};
use crate::run::Figures;
use crate::setup::Setup;
use crate::verdict::Verdict;

mod claims;
mod controller;
mod faults;
mod people;
mod vendors;

use vendors::Letter;

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
    /// Whether a healed world needs no more time, although a correct controller might take it.
    fn may_end(&self) -> bool;
    /// Why the run must end at once, if it must.
    fn stop(&mut self, now: Timestamp, verdict: Verdict, why: String);
}

/// Nothing is forgotten before the controller's saved command ids may still be answered: late answers end this long after `command_ttl` (`P-01`).
const LATE_ANSWER_MS: i64 = 2 * MINUTE_MS;

enum Item {
    Fault { index: usize, begins: bool },
    Crash { index: usize },
    Restart,
    Act { step: usize },
    Rival { index: usize, lock: Lock, place: Place },
    Drift { lock: Lock },
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
    letter: Letter,
    op: OpKind,
    emitted_at: Timestamp,
    timeout_ms: i64,
    is_closed: bool,
    /// An erasure of its erased something already.
    has_erased: bool,
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
    /// Reads that nothing can answer any more from these instants on.
    fading: VecDeque<(Timestamp, CommandId)>,
    unsaved: Vec<Event>,
    records: BTreeMap<CodeId, Record>,
    devices: BTreeMap<DeviceId, DeviceRecord>,
    names: BTreeMap<String, CodeId>,
    /// The last PIN that each code showed.
    pins: BTreeMap<CodeId, Pin>,
    /// For each fault: how many it struck, and whether it is active.
    struck: Vec<u32>,
    active: Vec<bool>,
    /// The locks that each fault is about; none: all.
    struck_locks: Vec<Option<Vec<Lock>>>,
    faults_on: Vec<u32>,
    slow_on: Vec<u32>,
    reach: Vec<bool>,
    /// Whether any job of this plan can take longer than one may.
    may_slow: bool,
    counts: BTreeMap<(usize, u8), u64>,
    answer_counts: BTreeMap<(Option<Lock>, OpKind), u32>,
    notice_counts: BTreeMap<Option<Lock>, u32>,
    wakes: u32,
    crashes_done: Vec<bool>,
    /// Calls whose replies name a code: call to name.
    naming: BTreeMap<CallId, Vec<String>>,
    consequences: Vec<Consequence>,
    figures: Figures,
    instant: (Timestamp, u64),
    marks: BTreeMap<&'static str, u64>,
    /// Entries that a conversion made a code's own: when they were written, and which code.
    claims: BTreeMap<(Lock, Place), (Timestamp, CodeId)>,
    /// The place that was last read for each code.
    looked_at: BTreeMap<CodeId, Place>,
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
            fading: VecDeque::new(),
            unsaved: Vec::new(),
            records: BTreeMap::new(),
            devices: BTreeMap::new(),
            names: BTreeMap::new(),
            pins: BTreeMap::new(),
            struck: vec![0; plan.faults.len()],
            active: vec![false; plan.faults.len()],
            struck_locks: plan.faults.iter().map(|fault| Some(setup.locks_of(&setup.target(Some(fault.on.as_deref()?))))).collect(),
            faults_on: vec![0; locks],
            slow_on: vec![0; locks],
            reach: vec![true; locks],
            may_slow: plan.faults.iter().any(|fault| fault.quirk.0 == Quirk::LinkSlow)
                || setup.facts.locks.iter().any(|lock| lock.profile.apply_latency_ms.1 >= lock.profile.lat_max_ms),
            counts: BTreeMap::new(),
            answer_counts: BTreeMap::new(),
            notice_counts: BTreeMap::new(),
            wakes: 0,
            crashes_done: vec![false; plan.crashes.len()],
            naming: BTreeMap::new(),
            consequences: Vec::new(),
            figures: Figures::default(),
            instant: (now, 0),
            marks: BTreeMap::new(),
            claims: BTreeMap::new(),
            looked_at: BTreeMap::new(),
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
        for lock in self.setup.locks_of(&self.setup.target(None)) {
            self.show_beginning(lock);
        }
        for index in 0..self.setup.prologue.len() {
            let at = self.setup.prologue_at(index);
            self.agenda.add(at, Class::Call, 0, Item::PrologueCall { index });
        }
        self.fill_memories();
        self.start_controller(false);
    }

    fn show_beginning(&mut self, lock: Lock) {
        let address = self.setup.addresses[lock.0 as usize];
        let site = &self.setup.sites[address.site].locks[address.lock];
        let (device, epoch, off_ms) = (site.device, site.epoch, site.lock.clock_off_ms);
        let places: Vec<_> = site.lock.entries.iter().map(|entry| entry.place).collect();
        if !site.present {
            return self.truth(lock, Change::Left, Cause::Beginning);
        }
        self.truth(lock, Change::Joined { device, epoch }, Cause::Beginning);
        if off_ms != 0 {
            self.truth(lock, Change::Clock { off_ms }, Cause::Beginning);
        }
        for place in places {
            self.show_entry(lock, place, Cause::Beginning);
        }
        if self.setup.facts.locks[lock.0 as usize].profile.family == Family::BySeat {
            self.show_seats(lock, Cause::Beginning);
        }
    }

    /// Shows the seats of a lock's site.
    fn show_seats(&mut self, lock: Lock, cause: Cause) {
        let site = &self.setup.sites[self.setup.addresses[lock.0 as usize].site];
        let code_of = |command| self.sent.get(&command).and_then(|sent| sent.letter.code);
        let users = site.seats.users.values().filter_map(|user| Some((code_of(user.made_by)?, user.has_seat))).collect();
        let used = site.seats.limit.saturating_sub(site.free_seats());
        self.truth(lock, Change::Seats { limit: site.seats.limit, used, users }, cause);
    }

    fn enter_phase(&mut self, phase: Phase, at: Timestamp) {
        self.now = self.now.max(at);
        self.phase = phase;
        self.see(&Occurrence::Phase(phase));
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
        for n in 0..self.setup.addresses.len() {
            let address = self.setup.addresses[n];
            if self.setup.sites[address.site].locks[address.lock].lock.quirks.has(Quirk::ClockDrifts) {
                self.drift(Lock(n as u32));
            }
        }
        for (index, crash) in self.plan.crashes.iter().enumerate() {
            if let CrashPoint::At(at) = crash.when {
                self.agenda.add(self.setup.instant(at), Class::Fault, self.crash_entity(), Item::Crash { index });
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

    /// Crashes and restarts come after the faults of their instant.
    pub(super) fn crash_entity(&self) -> u32 {
        self.plan.faults.len() as u32
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
        while self.now < end && !self.is_over() && !self.is_at_rest() {
            self.run_until(end);
            if self.has_unsettled_work() {
                let longest = self.setup.facts.locks.iter().map(|lock| lock.profile.command_ttl_ms).max().unwrap_or(0);
                end = end.max((self.now + longest).min(self.setup.horizon_at + 3 * self.observer.convergence_ms()));
            }
        }
        if !self.is_over() {
            self.compare_all();
            self.enter_phase(Phase::End, self.now);
        }
    }

    fn has_unsettled_work(&self) -> bool {
        self.down_until.is_some() || self.sent.values().any(|sent| sent.mutating && !sent.is_closed)
    }

    fn is_over(&self) -> bool {
        self.stopped || self.observer.is_done()
    }

    fn is_at_rest(&self) -> bool {
        self.phase == Phase::Heal && self.observer.may_end() && !self.has_unsettled_work()
    }

    /// Runs everything due until `end`, included.
    fn run_until(&mut self, end: Timestamp) {
        while !self.is_over() && !self.is_at_rest() {
            let item_at = self.agenda.next_at().unwrap_or(Timestamp::MAX);
            let wake_at = self.wake_at.filter(|_| self.controller.is_some()).unwrap_or(Timestamp::MAX);
            let look_at = self.observer.next_deadline().unwrap_or(Timestamp::MAX);
            let next = item_at.min(wake_at).min(look_at).max(self.now);
            if next > end {
                self.now = self.now.max(end);
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
            Item::Drift { lock } => self.drift(lock),
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

    /// A change of a lock, as each workspace sees it.
    #[allow(clippy::needless_pass_by_value)] // Made for this, and copied for each view.
    fn truth(&mut self, lock: Lock, change: Change, cause: Cause) {
        for view in self.setup.views(lock).to_vec() {
            self.truth_for(view, change.clone(), cause);
        }
    }

    fn show_entry(&mut self, lock: Lock, place: Place, cause: Cause) {
        let address = self.setup.addresses[lock.0 as usize];
        let entry = self.setup.sites[address.site].locks[address.lock].lock.entry(place).cloned();
        let Some(entry) = entry else { return };
        for view in self.setup.views(lock).to_vec() {
            let entry = self.true_entry(view, &entry);
            self.truth_for(view, Change::Stored { place, entry }, cause);
        }
    }

    /// What one workspace has the controller do is, to every other, done by somebody else.
    fn truth_for(&mut self, view: Lock, change: Change, cause: Cause) {
        let is_others = matches!(cause, Cause::Command(command) if self.is_for_other_view(view, command));
        if is_others {
            self.see(&Occurrence::Disturbed { lock: view });
        }
        self.see(&Occurrence::Truth { lock: view, change, cause: if is_others { Cause::World } else { cause } });
    }

    /// Whether a command went to this very lock from another workspace.
    fn is_for_other_view(&self, view: Lock, command: CommandId) -> bool {
        let meant = self.sent.get(&command).and_then(|sent| sent.letter.lock);
        meant.is_some_and(|meant| meant != view && self.setup.views(view).contains(&meant))
    }

    fn true_entry(&self, lock: Lock, entry: &Entry) -> TrueEntry {
        let claimed = self.claimant(lock, entry.place, entry.written_at).map(Origin::Code);
        let origin = claimed.unwrap_or_else(|| match entry.source {
            Source::Command(command) if self.is_for_other_view(lock, command) => Origin::Other,
            Source::Command(command) => match self.sent.get(&command).and_then(|sent| sent.letter.code) {
                Some(code) => Origin::Code(code),
                None => Origin::Unclaimed,
            },
            Source::External => Origin::External,
            Source::Reserved => Origin::Reserved,
        });
        let (pin, name, window, kept) = (entry.pin, entry.name.clone(), entry.window, entry.kept);
        TrueEntry { pin, name, window, kept, enabled: entry.enabled, hidden: entry.hidden, origin }
    }

    fn disturb(&mut self, lock: Lock) {
        if self.phase < Phase::Heal {
            self.figures.fired += 1;
        }
        for view in self.setup.views(lock).to_vec() {
            self.see(&Occurrence::Disturbed { lock: view });
        }
    }
}

fn is_call(action: &Action) -> bool {
    match action {
        Action::Create(_) | Action::CreateMultiple(_) | Action::Update(_) | Action::UpdateMultiple(_) | Action::Delete(_) => true,
        Action::Get(_) | Action::List(_) | Action::PullBackup(_) | Action::Unmanaged(_) | Action::GenerateCode(_) => true,
        Action::DeleteOn(_) | Action::GetByPin(_) | Action::ListCodes(_) | Action::Device(_) => true,
        Action::SimulateUnmanaged(_) => false,
        Action::PersonAdds(_) | Action::PersonRemoves(_) | Action::PersonEdits(_) | Action::PersonDisables(_) => false,
        Action::PersonSetsLength(_) => false,
        Action::Enter(_) | Action::EnterRepeatedly(_) => false,
    }
}

/// What counts as productive: all but reads, their answers, the frame of a step, and what only the judge is told.
fn is_productive(occurrence: &Occurrence) -> bool {
    match occurrence {
        Occurrence::StepBegan
        | Occurrence::WakeDue
        | Occurrence::StepEnded
        | Occurrence::Woken
        | Occurrence::Saved
        | Occurrence::Phase(_) => false,
        Occurrence::Disturbed { .. } | Occurrence::Unsent { .. } => false,
        Occurrence::Commanded { command, .. } => command.op.is_mutating(),
        Occurrence::Answered { answer, .. } => !matches!(answer, Answer::Entries { .. } | Answer::Devices { .. } | Answer::Device(_)),
        _ => true,
    }
}
