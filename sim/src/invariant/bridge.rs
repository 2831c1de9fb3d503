//! What a bridge or hub does with the jobs that it accepted (`I-DEV-08`, `I-LIV-10`): it is the world that must keep these rules, as far as the boundary shows it.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::id::CommandId;
use keyway_core::port::{Answer, Op, Place};
use keyway_core::time::Timestamp;
use keyway_core::vendor::Ack;

use super::alarms::Alarms;
use super::{Found, Interests, Invariant, Row};
use crate::history::{History, Input, Sent, target};
use crate::occurrence::{Cause, Lock, Occurrence};

/// The rows of this family.
pub const ROWS: &[Row] = &[Row::of("I-DEV-08"), Row::of("I-LIV-10")];

/// Its checkers.
#[must_use]
pub fn checkers() -> Vec<Box<dyn Invariant>> {
    vec![Box::<Queue>::default(), Box::<Jobs>::default()]
}

/// Locks that one bridge serves at most.
pub const LOCKS_A_BRIDGE: usize = 5;

/// `I-DEV-08`, of bridges with a queue of their own. A job counts as pending from its acceptance, as the controller is told of it, until it ran, was answered or timed
/// out: a bridge that forgot it tells nobody. That it ends once means that no two of its answers tell of different ends; copies are the same one.
#[derive(Default)]
struct Queue {
    jobs: BTreeMap<CommandId, Job>,
    /// The last job that each hub ran, and when.
    last: BTreeMap<u32, (Timestamp, CommandId)>,
}

struct Job {
    lock: Lock,
    hub: u32,
    is_accepted: bool,
    is_over: bool,
    told: Option<Answer>,
}

impl Queue {
    fn count_locks(history: &History, found: &mut Found) {
        let mut served: BTreeMap<u32, Vec<Lock>> = BTreeMap::new();
        for (lock, state) in history.locks() {
            let has_queue = state.facts.profile.queue_limit.is_some() && state.facts.view_of.is_none();
            if let Some(hub) = state.facts.hub.filter(|_| has_queue) {
                served.entry(hub).or_default().push(lock);
            }
        }
        for locks in served.values().filter(|locks| locks.len() > LOCKS_A_BRIDGE) {
            let what = format!("the bridge of {} serves {} locks", history.lock_name(locks[0]), locks.len());
            found.broken("I-DEV-08", what, history.lock_role(locks[0]));
        }
    }

    fn answered(&mut self, history: &History, id: CommandId, answer: &Answer, found: &mut Found) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let (lock, hub) = (job.lock, job.hub);
        match answer {
            Answer::Accepted => {
                job.is_accepted = true;
                found.armed("I-DEV-08");
                let limit = history.lock(lock).facts.profile.queue_limit.unwrap_or(u32::MAX);
                let pending = self.jobs.values().filter(|job| job.hub == hub && job.is_accepted && !job.is_over).count();
                if pending > limit as usize {
                    let what = format!("{}: {pending} accepted jobs are pending on its bridge", history.lock_name(lock));
                    found.broken("I-DEV-08", what, history.lock_role(lock));
                }
            }
            // The cloud speaks of the lock, and of no job (`P-10`); or it says nothing of how the job ended (port.md 4); or it has turned a copy of the
            // command away, which became no job (`P-11`, vendors.md 9).
            Answer::TimedOut | Answer::Gone | Answer::ServerError { .. } | Answer::RateLimited { .. } | Answer::QueueFull => {
                job.is_over = true;
            }
            answer if answer.is_closing() => {
                job.is_over = true;
                let is_other_end = job.told.as_ref().is_some_and(|told| told != answer);
                job.told = Some(answer.clone());
                if is_other_end {
                    let what = format!("{}: one job is told to have ended in two ways", history.lock_name(lock));
                    found.broken("I-DEV-08", what, history.lock_role(lock));
                }
            }
            _ => {}
        }
    }

    fn ran(&mut self, history: &History, now: Timestamp, id: CommandId, found: &mut Found) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.is_over = true;
        if let Some((at, other)) = self.last.insert(job.hub, (now, id))
            && (at, other != id) == (now, true)
        {
            let what = format!("{}: its bridge runs two jobs at one time", history.lock_name(job.lock));
            found.broken("I-DEV-08", what, history.lock_role(job.lock));
        }
    }
}

impl Invariant for Queue {
    fn ids(&self) -> &'static [&'static str] {
        &["I-DEV-08"]
    }

    fn interests(&self) -> Interests {
        Interests::PHASE.and(Interests::COMMANDED).and(Interests::ANSWERED).and(Interests::TRUTH)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, found: &mut Found) {
        match occurrence {
            Occurrence::Phase(_) => Self::count_locks(history, found),
            Occurrence::Commanded { command, lock: Some(lock) } if command.op.is_mutating() => {
                let facts = &history.lock(*lock).facts;
                if let Some(hub) = facts.hub.filter(|_| facts.profile.queue_limit.is_some()) {
                    let job = Job { lock: *lock, hub, is_accepted: false, is_over: false, told: None };
                    self.jobs.insert(command.command_id, job);
                }
            }
            Occurrence::Answered { command_id, answer, .. } => self.answered(history, *command_id, answer, found),
            Occurrence::Truth { cause: Cause::Command(id), .. } => self.ran(history, now, *id, found),
            _ => {}
        }
    }
}

/// `I-LIV-10`, on a path that is quiet: what was accepted there has run or is answered after the time that all jobs before it and it take. A time-out in a quiet time is no
/// report of the bridge's.
#[derive(Default)]
struct Jobs {
    alarms: Alarms,
    /// Jobs that changed a lock, whenever that is told, and those whose end was told, even to a process that died of it.
    ended: BTreeSet<CommandId>,
}

impl Jobs {
    fn judge(&mut self, history: &History, lock: Lock, now: Timestamp, found: &mut Found) {
        self.alarms.silence(lock);
        let facts = &history.lock(lock).facts;
        let Some(quiet) = history.quiet_since(lock).filter(|_| facts.hub.is_some() && facts.profile.ack == Ack::Queued) else { return };
        let has_ended = |sent: &Sent| sent.stored.is_some() || self.ended.contains(&sent.command.command_id);
        // What the lock refuses, or finds nothing to do for, changes nothing: that it ran is told by an answer alone, and answers may be late or lost (`P-06`).
        let ends_unseen = |sent: &Sent| {
            let is_in_place = matches!(target(&sent.command.op), Some(Place::Handle(_))) || sent.command.op.is_erasing();
            if is_in_place && target(&sent.command.op).is_some_and(|place| !history.lock(lock).memory.contains_key(&place)) {
                return true;
            }
            let (Some(code), Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. }) = (sent.code, &sent.command.op) else {
                return false;
            };
            history.has_twin(lock, code, *pin) || !history.has_room(code)
        };
        let is_pending = |sent: &&Sent| {
            // What was accepted for a device that has left, for which it can't run any more, is answered by nobody but the clock (`T40`).
            let is_of_now = sent.command.epoch == history.lock(lock).epoch;
            is_of_now && sent.command.op.is_mutating() && sent.closed_at.is_none() && !has_ended(sent) && !ends_unseen(sent)
        };
        for sent in history.open_commands(lock).filter(is_pending) {
            let Some(accepted_at) = sent.answered_at else { continue };
            found.armed("I-LIV-10");
            let since = quiet.max(accepted_at);
            let until = since + history.b_cmd(lock, since);
            if self.alarms.is_over(lock, until, now) {
                let what = format!("{}: a job accepted at {accepted_at} has come to no end since {since}", history.lock_name(lock));
                found.broken("I-LIV-10", what, history.lock_role(lock));
            }
        }
    }
}

impl Invariant for Jobs {
    fn ids(&self) -> &'static [&'static str] {
        &["I-LIV-10"]
    }

    fn interests(&self) -> Interests {
        Interests::ANSWERED.and(Interests::TRUTH).and(Interests::DEADLINE)
    }

    fn observe(&mut self, history: &History, now: Timestamp, occurrence: &Occurrence, _found: &mut Found) {
        match occurrence {
            Occurrence::Answered { answer: Answer::Accepted, .. } => {
                if let Some(Input::Answer(_, Some(lock))) = history.step().input {
                    self.alarms.set(lock, now);
                }
            }
            Occurrence::Answered { command_id, answer, .. } if answer.is_closing() => drop(self.ended.insert(*command_id)),
            Occurrence::Truth { cause: Cause::Command(id), .. } => drop(self.ended.insert(*id)),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.alarms.next()
    }

    fn at_deadline(&mut self, history: &History, now: Timestamp, found: &mut Found) {
        for lock in self.alarms.ring(now) {
            self.judge(history, lock, now, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_core::access_code::Status;
    use keyway_core::id::Slot;
    use keyway_core::port::{Op, Place, Reason};
    use keyway_core::time::{DAY_MS, MINUTE_MS};

    use super::*;
    use crate::judge::testing::{SLOT, Story, pin};
    use crate::occurrence::Change;

    /// The slot lock behind a bridge that takes one job at a time.
    fn story() -> Story {
        Story::with(checkers(), |facts| {
            Arc::make_mut(&mut facts.locks[1].profile).queue_limit = Some(1);
            Arc::make_mut(&mut facts.locks[1].profile).ack = Ack::Queued;
        })
    }

    fn job(story: &mut Story, slot: u16) -> CommandId {
        let digits = format!("{}", 1000 + slot);
        let code = story.code(SLOT, &digits, None, Status::Setting);
        let op = Op::SetSlot { slot: keyway_core::id::Slot(slot), pin: pin(&digits), name: "n".into() };
        let command = story.command(SLOT, Some(code), op);
        story.answer(command, Answer::Accepted);
        command
    }

    #[test]
    fn a_bridge_takes_no_more_jobs_than_its_queue_holds() {
        let mut story = story();
        let first = job(&mut story, 1);
        story.store(SLOT, None, first);
        let second = job(&mut story, 2);
        story.answer(second, Answer::Refused(Reason::BadPin));
        job(&mut story, 3);
        story.must_hold();
        job(&mut story, 4);
        story.must_break("I-DEV-08");
    }

    #[test]
    fn a_bridge_serves_five_locks() {
        let mut story = Story::with(checkers(), |facts| {
            Arc::make_mut(&mut facts.locks[1].profile).queue_limit = Some(20);
            let same = facts.locks[1].clone();
            facts.locks.extend(std::iter::repeat_n(same, 5));
        });
        story.must_break("I-DEV-08");
    }

    #[test]
    fn a_job_ends_once() {
        let mut story = story();
        let job = job(&mut story, 1);
        story.answer(job, Answer::Refused(Reason::BadPin));
        story.answer(job, Answer::Refused(Reason::BadPin));
        story.must_hold();
        story.answer(job, Answer::ServerError { status: 502, text: "bad gateway".into() });
        // Its copy was turned away, and became no job.
        story.answer(job, Answer::QueueFull);
        story.must_hold();
        story.answer(job, Answer::NotFound);
        story.must_break("I-DEV-08");
    }

    #[test]
    fn jobs_run_one_at_a_time() {
        let mut story = story();
        let first = job(&mut story, 1);
        story.store(SLOT, None, first);
        let second = job(&mut story, 2);
        story.store(SLOT, None, second);
        story.must_break("I-DEV-08");
    }

    #[test]
    fn a_job_that_erased_its_entry_has_run() {
        let mut story = story();
        let first = job(&mut story, 1);
        story.store(SLOT, None, first);
        story.wait(MINUTE_MS / 2);
        let second = story.command(SLOT, None, Op::ClearSlot { slot: Slot(1) });
        story.answer(second, Answer::Accepted);
        story.truth(SLOT, Change::Erased { place: Place::Slot(Slot(1)) }, Cause::Command(second));
        story.wait(DAY_MS);
        story.must_hold();
    }

    #[test]
    fn an_accepted_job_comes_to_an_end() {
        let mut story = story();
        job(&mut story, 1);
        story.wait(MINUTE_MS / 2);
        story.must_hold();
        story.wait(DAY_MS);
        story.must_break("I-LIV-10");
    }
}
