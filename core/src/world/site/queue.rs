//! The commands that were taken for a lock: they run one at a time, in the order in which they were taken (`P-02`).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::condition::SLEEP_PERIOD_MS;
use super::consequence::answered;
use super::{Consequence, Fate, LockCondition, LockSite, Order, Site};
use crate::id::CommandId;
use crate::port::{Answer, Op, Place, Reason};
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp};
use crate::vendor::{Ack, DuplicatePolicy, SerialPath};
use crate::world::lock::{Effect, Source, Write};
use crate::world::quirk::Quirk;

/// The vendor takes this long to choose a PIN under `pin_assigned_late`.
const PIN_CHOSEN_AFTER_MS: i64 = 2 * MINUTE_MS - 10 * SECOND_MS;

/// A job that the cloud or hub has taken.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) order: Order,
    pub(super) fate: Fate,
    /// The handle promised to a new entry.
    pub(super) place: Option<Place>,
    pub(super) ready_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) enum Keyed {
    Pending(CommandId, Vec<CommandId>),
    Answered(Answer),
}

impl Site {
    /// Takes a command for a lock.
    pub(super) fn enqueue(&mut self, now: Timestamp, lock: usize, order: Order, fate: Fate, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        let command_id = order.command_id;
        let queued = order.op.is_mutating() && site.lock.profile.ack != Ack::Applied;
        if order.op.is_mutating() && site.lock.profile.key_honoured {
            site.keys.insert(order.key, Keyed::Pending(command_id, Vec::new()));
        }
        if queued && fate.fails_after.is_none() {
            out.push(answered(command_id, Answer::Accepted));
        }
        let place = matches!(order.op, Op::CreateEntry { .. }).then(|| Place::Handle(site.lock.new_handle()));
        site.queue.push_back(Job { order, fate, place, ready_at: Timestamp::MAX });
        if site.queue.len() == 1 {
            self.start_head(now, lock, out);
        }
    }

    /// Starts the head of a lock's queue, one at a time per serial path.
    pub(super) fn start_head(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        let by_hub = site.lock.profile.serial_path == SerialPath::Hub;
        let hub = site.hub.filter(|_| by_hub);
        let is_slow_to_choose = site.lock.quirks.has(Quirk::PinAssignedLate);
        let Some(job) = site.queue.front_mut() else { return };
        let from = hub.map_or(now, |hub| self.hubs[hub].busy_until.max(now));
        let is_chosen_late = is_slow_to_choose && matches!(job.order.op, Op::AssignPin { pin: None, .. });
        job.ready_at = from + job.fate.apply_ms + if is_chosen_late { PIN_CHOSEN_AFTER_MS } else { 0 };
        if let Some(hub) = hub {
            self.hubs[hub].busy_until = job.ready_at;
        }
        out.push(Consequence::RunAt { lock, at: job.ready_at });
    }

    /// The head of a lock's queue may be ready.
    pub fn run(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        self.finish_registrations(now, lock, out);
        let site = &self.locks[lock];
        let Some(job) = site.queue.front() else { return };
        let stalled = !self.link_is_up(lock) || site.holds(LockCondition::LoadsLate);
        let ttl_ms = site.lock.profile.command_ttl_ms;
        if now > job.order.emitted_at + ttl_ms {
            self.locks[lock].forget_head();
            return self.start_head(now, lock, out);
        }
        if stalled || job.ready_at > now {
            return; // Taken up again when the path is back, or at its own time.
        }
        if site.holds(LockCondition::Asleep) && now.0 % SLEEP_PERIOD_MS != 0 {
            let at = Timestamp((now.0 / SLEEP_PERIOD_MS + 1) * SLEEP_PERIOD_MS);
            self.locks[lock].queue[0].ready_at = at;
            return out.push(Consequence::RunAt { lock, at });
        }
        let job = self.locks[lock].queue.pop_front().expect("there is a head");
        if now > job.order.emitted_at + site_timeout(&self.locks[lock], &job.order.op) {
            out.push(Consequence::OffCourse { lock });
        }
        self.perform(now, lock, &job, out);
        self.start_head(now, lock, out);
    }

    /// A job reaches its lock.
    fn perform(&mut self, now: Timestamp, lock: usize, job: &Job, out: &mut Vec<Consequence>) {
        let command_id = job.order.command_id;
        if !job.order.op.is_mutating() {
            let (answer, snapshot_at) = self.locks[lock].direct_answer(now, &job.order, self.page_size);
            if matches!(job.order.op, Op::SetClock { .. }) {
                out.push(Consequence::ClockChanged { lock, by: Some(command_id) });
            }
            return out.push(Consequence::Answer { command_id, answer, snapshot_at });
        }
        let site = &mut self.locks[lock];
        if job.fate.ignored {
            return;
        }
        site.past = Some(site.lock.entries.clone());
        let closes = (site.lock.profile.ack == Ack::Nothing).then_some(command_id);
        let (effect, place, answer) = if job.order.op.is_of_user() {
            let (effect, place, answer) = self.write_for_user(now, lock, job);
            out.push(Consequence::SeatsChanged { by: Some(command_id) });
            (effect, place, Some(answer))
        } else {
            let (effect, place) = site.write(now, job);
            (effect, Some(place), closing_answer(effect, place, site))
        };
        if let Some(place) = place {
            match effect {
                Effect::Added | Effect::Changed => out.push(Consequence::Stored { lock, place, by: Some(command_id) }),
                Effect::Removed => out.push(Consequence::Erased { lock, place, by: Some(command_id) }),
                Effect::NotFound | Effect::Refused(_) | Effect::Twin => {}
            }
            self.remember(now, lock);
            self.report(now, lock, effect, place, closes, out);
        }
        let site = &mut self.locks[lock];
        // A cloud that fails says so where it has no other word for what it did, too.
        let failure = job.fate.fails_after.map(|status| Answer::ServerError { status, text: "invalid schedule".to_string() });
        if let Some(shown) = failure.or_else(|| answer.clone()) {
            out.push(Consequence::Answer { command_id, answer: shown, snapshot_at: Some(now) });
        }
        let Some(answer) = answer else {
            site.keys.remove(&job.order.key);
            return;
        };
        if site.lock.profile.key_honoured
            && let Some(Keyed::Pending(_, others)) = site.keys.insert(job.order.key, Keyed::Answered(answer.clone()))
        {
            let again = |command_id| Consequence::Answer { command_id, answer: answer.clone(), snapshot_at: Some(now) };
            out.extend(others.into_iter().map(again));
        }
    }

    /// Whether any command is waiting for a lock.
    #[must_use]
    pub fn has_jobs(&self) -> bool {
        self.locks.iter().any(|site| !site.queue.is_empty())
    }

    /// Jobs on the serial path of a lock that take longer than any job without a fault does (`lat_max`): all behind them must wait.
    #[must_use]
    pub fn slow_jobs(&self, lock: usize) -> u32 {
        let site = &self.locks[lock];
        let hub = site.hub.filter(|_| site.lock.profile.serial_path == SerialPath::Hub);
        let is_on_path = |other: usize| other == lock || hub.is_some() && self.locks[other].hub == hub;
        let is_slow = |site: &LockSite, job: &Job| job.fate.apply_ms >= site.lock.profile.lat_max_ms;
        let slow_at = |site: &LockSite| site.queue.iter().filter(|job| is_slow(site, job)).count() as u32;
        (0..self.locks.len()).filter(|other| is_on_path(*other)).map(|other| slow_at(&self.locks[other])).sum()
    }

    /// A hub restarts and drops what it had taken.
    pub fn forget_queues(&mut self, hub: usize) {
        for site in self.locks.iter_mut().filter(|site| site.hub == Some(hub)) {
            site.queue.clear();
            site.keys.retain(|_, keyed| matches!(keyed, Keyed::Answered(_)));
        }
        self.hubs[hub].busy_until = Timestamp::MIN;
    }
}

impl LockSite {
    fn forget_head(&mut self) {
        if let Some(job) = self.queue.pop_front() {
            self.keys.remove(&job.order.key);
        }
    }

    /// Performs a mutating job at the lock: what happened, and where.
    pub(super) fn write(&mut self, now: Timestamp, job: &Job) -> (Effect, Place) {
        let source = Source::Command(job.order.command_id);
        match &job.order.op {
            Op::CreateEntry { pin, name, window } => {
                let place = job.place.expect("a creation was promised a handle");
                let write = Write { place, must_exist: false, pin: *pin, name: name.clone(), window: *window, source };
                (self.lock.store(now, write), place)
            }
            Op::ReplaceEntry { handle, pin, name, window } => {
                let place = Place::Handle(*handle);
                let write = Write { place, must_exist: true, pin: *pin, name: name.clone(), window: *window, source };
                (self.lock.store(now, write), place)
            }
            Op::SetSchedule { handle, window } => {
                let place = Place::Handle(*handle);
                (self.lock.reschedule(now, place, *window, source), place)
            }
            Op::SetSlot { slot, pin, name } => {
                let place = Place::Slot(*slot);
                let write = Write { place, must_exist: false, pin: *pin, name: name.clone(), window: None, source };
                (self.lock.store(now, write), place)
            }
            Op::DeleteEntry { handle } => (self.lock.erase(Place::Handle(*handle)), Place::Handle(*handle)),
            Op::ClearSlot { slot } => (self.lock.erase(Place::Slot(*slot)), Place::Slot(*slot)),
            op => unreachable!("{op:?} changes no memory"),
        }
    }
}

/// What the vendor says of a mutating command that reached its lock; none: only the lock's notice tells, or nothing does.
fn closing_answer(effect: Effect, place: Place, site: &LockSite) -> Option<Answer> {
    let handle = match place {
        Place::Handle(handle) => Some(handle),
        Place::Slot(_) => None,
    };
    let silent = site.lock.profile.ack == Ack::Nothing;
    match effect {
        Effect::Added | Effect::Changed => (!silent).then_some(Answer::Done { handle }),
        Effect::Removed => (!silent).then_some(Answer::Done { handle: None }),
        Effect::NotFound => match (place, silent) {
            (Place::Slot(_), true) => None,
            (Place::Slot(_), false) => Some(Answer::Done { handle: None }),
            (Place::Handle(_), _) => Some(Answer::NotFound),
        },
        Effect::Refused(reason) => Some(Answer::Refused(reason)),
        Effect::Twin => match site.lock.duplicate_policy() {
            _ if site.lock.quirks.has(Quirk::TwinCauseUnclear) && !silent => Some(Answer::MaybeDuplicate),
            DuplicatePolicy::Reject => Some(Answer::Refused(Reason::PinTaken)),
            DuplicatePolicy::RejectUnclear => Some(Answer::MaybeDuplicate),
            DuplicatePolicy::Notify | DuplicatePolicy::Silent | DuplicatePolicy::Accept => None,
        },
    }
}

fn site_timeout(site: &LockSite, op: &Op) -> i64 {
    let fresh = matches!(op, Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. });
    site.lock.profile.timeout_ms(op.is_mutating(), fresh)
}
