//! What checkers of records and events compare a step with: the log, the life of each code in it, and what bears on it.
//!
//! Crashes are dealt with here. Events enter the log with the save that contains them; those that a crash overtook
//! never happened. What is read after a restart is judged once, marked [`View::is_reread`]: a state to look at, and no
//! transition.

use std::collections::{BTreeMap, BTreeSet};

use keyway_core::access_code::{Record, Status};
use keyway_core::event::{Event, EventType};
use keyway_core::id::{CodeId, CommandId, DeviceId, Epoch};
use keyway_core::port::{Answer, AnswerClass, Command, News, Op, Place, Reason};
use keyway_core::request::{Refusal, Request, Response};
use keyway_core::time::Timestamp;

use super::life::{Circumstances, Life, OutOfOrder};
use crate::history::{History, Input};
use crate::occurrence::{Cause, Change, Lock, Origin, TrueEntry};

mod check;
mod chronicler;
mod seen;
mod view;

pub use check::{Check, Held, Locks, States, Steps};
pub use chronicler::checkers;
#[cfg(test)]
pub use chronicler::kit;
pub use seen::{LockSeen, Seen};
pub use view::{CodeChange, View};

/// An event that is in the log from now on.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The event.
    pub event: Event,
    /// Whether the code's life may go on like this.
    pub order: Result<(), OutOfOrder>,
    /// For external events: whether somebody else did something that no event had told before.
    pub is_by_others: bool,
    /// The code's life in the log before it.
    pub life_before: Life,
}

/// A write or an erasure that was sent and not answered for good.
#[derive(Clone, Copy, Debug)]
struct Sent {
    code: CodeId,
    lock: Option<Lock>,
    slot: Option<Place>,
    erases: bool,
    epoch: Epoch,
    /// No answer had told for certain.
    is_ambiguous: bool,
    /// The vendor had taken it.
    is_accepted: bool,
}

/// The log, the life of each code in it, and what bears on it, as seen so far.
#[derive(Debug, Default)]
pub struct Story {
    codes: BTreeMap<CodeId, Seen>,
    locks: BTreeMap<Lock, LockSeen>,
    /// Each backup that was pulled, with the original; they outlive both.
    pulled: BTreeSet<(CodeId, CodeId)>,
    crashed_at: Option<Timestamp>,
    /// The code whose write the answer of the present step said to have had no effect.
    unsaved_answer: Option<CodeId>,
    /// The step under way, or the one that the last crash cut short, has saved.
    has_saved: bool,
    sent: BTreeMap<CommandId, Sent>,
    /// Emitted and not saved.
    unsaved: Vec<Event>,
    /// Saved and not judged yet.
    saved: Vec<Event>,
}

/// Reading.
impl Story {
    /// What was seen of a code; none: nothing.
    #[must_use]
    pub fn code(&self, code: CodeId) -> Option<&Seen> {
        self.codes.get(&code)
    }

    /// What was seen of a lock; none: nothing.
    #[must_use]
    pub fn lock(&self, lock: Lock) -> Option<&LockSeen> {
        self.locks.get(&lock)
    }

    /// The codes for which this backup was pulled.
    pub fn originals_of(&self, backup: CodeId) -> impl Iterator<Item = CodeId> + '_ {
        let all = (backup, CodeId(0))..=(backup, CodeId(u128::MAX));
        self.pulled.range(all).map(|(_, original)| *original)
    }

    /// Whether this device came to take other PIN lengths than it once told.
    #[must_use]
    pub fn took_other_lengths(&self, device: DeviceId, history: &History) -> bool {
        history.find_lock(device).and_then(|lock| self.lock(lock)).is_some_and(|seen| seen.lengths_changed)
    }

    /// Whether this backup was pulled.
    #[must_use]
    pub fn is_pulled(&self, backup: CodeId) -> bool {
        self.originals_of(backup).next().is_some()
    }
}

/// Whether a command was turned away before anybody looked at what it asks.
fn is_turned_away(answer: &Answer) -> bool {
    match answer {
        Answer::Unreachable(_) | Answer::Busy | Answer::QueueFull | Answer::RateLimited { .. } | Answer::Unauthorized => true,
        Answer::Refused(reason) => matches!(reason, Reason::NoRights | Reason::NoGateway | Reason::NotPaid | Reason::NoCredentials),
        _ => false,
    }
}

/// What crosses the boundary.
impl Story {
    fn command(&mut self, history: &History, now: Timestamp, command: &Command, lock: Option<Lock>) {
        let is_registering = command.op.is_registering();
        let Some(code) = command.for_code.filter(|_| command.op.is_mutating() || is_registering) else { return };
        let erases = command.op.is_erasing();
        let slot = if let Op::SetSlot { slot, .. } = command.op { Some(Place::Slot(slot)) } else { None };
        self.sent
            .insert(command.command_id, Sent { code, lock, slot, erases, epoch: command.epoch, is_ambiguous: false, is_accepted: false });
        // What is registered goes to no lock.
        if !erases && !is_registering {
            let seen = self.codes.entry(code).or_default();
            seen.writes += 1;
            seen.last_write = Some(now);
            // A repeat whose key is honoured writes nothing anew (`P-04`).
            let is_honoured = lock.is_some_and(|lock| history.lock(lock).facts.profile.key_honoured);
            let is_repeat = is_honoured && seen.last_whole_write.is_some_and(|(_, key)| key == command.key);
            // A seat brings back no entry that was lost meanwhile (`R-63`).
            let is_whole = !matches!(command.op, Op::SetSchedule { .. } | Op::CreateUser { .. } | Op::TakeSeat { .. });
            if !is_repeat && is_whole {
                seen.last_whole_write = Some((now, command.key));
            }
        }
    }

    fn answer(&mut self, history: &History, command: CommandId, answer: &Answer) {
        if answer.class() != AnswerClass::Definitive {
            // What was ambiguous once stays so, whatever is heard of it later (`EV-02`).
            if let Some(sent) = self.sent.get_mut(&command) {
                sent.is_ambiguous |= answer.class() == AnswerClass::Ambiguous;
                sent.is_accepted |= *answer == Answer::Accepted;
            }
            return;
        }
        // That a copy of one which the vendor had taken was turned away says nothing of that one (`P-02`).
        if self.sent.get(&command).is_some_and(|sent| sent.is_accepted) && is_turned_away(answer) {
            return;
        }
        let Some(sent) = self.sent.remove(&command) else { return };
        // Who heard first that its incarnation was over could not know what had become of it (`P-10`, `EV-02`).
        let told = history.find_code(sent.code).and_then(|code| history.code(code).lock).and_then(|lock| history.lock(lock).picture.epoch);
        let is_ambiguous = sent.is_ambiguous || told.is_some_and(|told| sent.epoch < told);
        let seen = self.codes.entry(sent.code).or_default();
        if !matches!(answer, Answer::Done { .. }) && !sent.erases && !is_ambiguous {
            seen.writes = seen.writes.saturating_sub(1);
            self.unsaved_answer = Some(sent.code);
        }
        let Answer::Refused(reason) = answer else { return };
        if sent.erases {
            seen.was_removal_refused |= reason.is_permanent();
        } else {
            seen.was_refused |= reason.is_permanent() || *reason == Reason::PinTaken;
        }
        if let Some(lock) = sent.lock.filter(|_| matches!(reason, Reason::Full | Reason::SlotOutOfRange)) {
            self.locks.entry(lock).or_default().was_full = true;
        }
    }

    fn notice(&mut self, news: &News, lock: Option<Lock>) {
        let News::NotAdded { slot, duplicate: true } = news else { return };
        let place = Some(Place::Slot(*slot));
        for sent in self.sent.values().filter(|sent| sent.lock == lock && sent.slot == place) {
            self.codes.entry(sent.code).or_default().was_refused = true;
        }
    }

    fn reply(&mut self, history: &History, result: &Result<Response, Refusal>) {
        let Some(Input::Call(call)) = history.step().input else { return };
        let Some(call) = history.call(call) else { return };
        // A call that a crash cut short leaves the preference uncertain; so does one that changes it.
        match (&call.request, result) {
            (Request::Create(create), Ok(Response::AccessCode(code))) => self.prefer(*code, create.prefer_native_scheduling),
            (Request::CreateMultiple(create), Ok(Response::AccessCodes(codes))) => {
                for code in codes {
                    self.prefer(*code, create.prefer_native_scheduling);
                }
            }
            (Request::Update(update), Ok(_)) if update.prefer_native_scheduling.is_some() => {
                self.codes.entry(update.access_code_id).or_default().prefers_schedule = None;
            }
            _ => {}
        }
    }

    fn prefer(&mut self, code: CodeId, native: Option<bool>) {
        self.codes.entry(code).or_default().prefers_schedule = Some(native != Some(false));
    }
}

/// What the world did.
impl Story {
    fn truth(&mut self, history: &History, now: Timestamp, lock: Lock, change: &Change, cause: Cause) {
        // What lies in a lock at the beginning may have pushed aside what the prologue stored.
        let by_others = !matches!(cause, Cause::Command(_));
        match change {
            Change::Stored { place, entry } => {
                // A lost seat switches an entry off, and is no change of it.
                let is_known = self.lock(lock).and_then(|seen| seen.places.get(place)) == Some(&(entry.origin, entry.pin));
                let is_seat_lost = is_known && !entry.enabled && history.lock(lock).seats.is_some();
                let stored = history.lock(lock).memory.get(place);
                // What a copy of a command brought back is nobody's wish (`P-04`).
                let is_unasked = stored.is_some_and(|stored| stored.touched.is_some_and(|touch| touch.at == now));
                let by_others = (by_others || is_unasked) && !is_seat_lost;
                self.displaced(history, now, lock, *place, by_others);
                self.stored(now, lock, *place, entry, by_others);
                if let Some(owner) = stored.and_then(|stored| stored.code).filter(|_| by_others) {
                    self.codes.entry(history.code(owner).id).or_default().suffer(now);
                }
                let state = history.lock(lock);
                let is_full = state.memory.len() >= state.facts.usable_slots as usize;
                self.locks.entry(lock).or_default().was_full |= is_full;
            }
            Change::Erased { place } => {
                let is_unasked = history.who_lost(lock, *place, now).is_some();
                self.displaced(history, now, lock, *place, by_others || is_unasked);
                self.locks.entry(lock).or_default().places.remove(place);
            }
            Change::Joined { .. } if cause == Cause::World => {
                self.locks.entry(lock).or_default().rejoined = true;
                for (_, code) in history.codes().filter(|(_, code)| code.lock == Some(lock) && code.record.is_some()) {
                    self.codes.entry(code.id).or_default().foreign.push(now);
                }
            }
            Change::Lengths(_) if cause != Cause::Beginning => self.locks.entry(lock).or_default().lengths_changed = true,
            Change::Seats { limit, used, .. } => self.locks.entry(lock).or_default().was_full |= used >= limit,
            Change::Joined { .. } | Change::Lengths(_) | Change::Clock { .. } | Change::Works(_) | Change::Left => {}
            Change::Computed { .. } | Change::Used { .. } | Change::SetBack => {}
        }
    }

    /// A conversion made an entry this code's own (`P-09`).
    fn claimed(&mut self, lock: Lock, place: Place, code: CodeId) {
        if let Some((origin, _)) = self.locks.entry(lock).or_default().places.get_mut(&place) {
            *origin = Origin::Code(code);
        }
        self.codes.entry(code).or_default().was_stored = true;
    }

    /// What lay at this place is replaced or erased.
    fn displaced(&mut self, history: &History, now: Timestamp, lock: Lock, place: Place, by_others: bool) {
        let seen = self.locks.entry(lock).or_default();
        let Some((Origin::Code(code), pin)) = seen.places.get(&place).copied() else {
            // What outlived a join is the code's own though the world knows no creator any more.
            if let Some(owner) = history.who_lost(lock, place, now).filter(|_| by_others) {
                self.codes.entry(history.code(owner).id).or_default().suffer(now);
            }
            return;
        };
        let record = history.find_code(code).and_then(|code| history.code(code).record.as_ref());
        // A residual may have been seen by a read that is still on its way.
        if record.is_none_or(|record| !record.is_managed) {
            seen.strangers.push(pin);
        }
        if by_others {
            self.codes.entry(code).or_default().foreign.push(now);
        }
    }

    fn stored(&mut self, now: Timestamp, lock: Lock, place: Place, entry: &TrueEntry, by_others: bool) {
        if let Origin::Code(code) = entry.origin {
            let seen = self.codes.entry(code).or_default();
            seen.was_stored = true;
            if by_others {
                seen.suffer(now);
            }
        }
        let is_strange = by_others || !matches!(entry.origin, Origin::Code(_));
        let seen = self.locks.entry(lock).or_default();
        if is_strange && !entry.hidden {
            seen.strangers.push(entry.pin);
        }
        seen.places.insert(place, (entry.origin, entry.pin));
    }
}

/// What the boundary showed.
impl Story {
    /// The history has taken in a view of this record.
    fn record(&mut self, history: &History, now: Timestamp, id: CodeId) {
        let Some(ix) = history.find_code(id) else { return };
        let is_reread = !history.is_transition();
        let Some(after) = history.code(ix).record.as_deref() else { return };
        let seen_at = if is_reread { self.crashed_at.unwrap_or(now) } else { now };
        self.codes.entry(id).or_default().turn(seen_at, is_reread, history.previous(ix), after);
        let backup = after.pulled_backup_access_code_id;
        if is_reread {
            // A crash may have undone a pull.
            self.pulled.retain(|(pulled, original)| *original != id || Some(*pulled) == backup);
        }
        if let Some(backup) = backup {
            self.pulled.insert((backup, id));
        }
    }

    /// A crash cut short a step that had saved: the intent to write may have been saved and the command never sent, and nobody can tell
    /// from a state that survived (`R-60`, `EV-02`).
    fn doubt_writes(&mut self, history: &History) {
        if !std::mem::take(&mut self.has_saved) {
            return;
        }
        for record in history.codes().filter_map(|(_, code)| code.record.as_deref()) {
            if record.is_managed && record.status != Status::Set {
                self.codes.entry(record.access_code_id).or_default().writes += 1;
            }
        }
    }

    /// Takes the events that entered the log since the last step ended.
    fn log(&mut self, history: &History, now: Timestamp, is_reread: bool) -> Vec<Logged> {
        let mut saved = std::mem::take(&mut self.saved);
        let logged = saved.drain(..).map(|event| self.log_one(history, now, is_reread, event)).collect();
        self.saved = saved;
        logged
    }

    fn log_one(&mut self, history: &History, now: Timestamp, is_reread: bool, event: Event) -> Logged {
        let id = event.access_code_id;
        let view = View { history, story: self, now, is_reread, logged: &[] };
        let change = Transition { before: view.before(id), after: view.live(id), is_reread };
        let circumstances = Circumstances {
            was_maybe_written: self.code(id).is_some_and(Seen::was_maybe_written),
            was_refused: view.was_refused(id),
            was_removal_refused: self.code(id).is_some_and(|seen| seen.was_removal_refused),
            has_seats: is_by_seat(history, id),
            is_residual: history.find_code(id).is_some_and(|code| history.code(code).is_residual),
            keeps_episode: change.keeps_episode(),
            is_scheduled: change.after.is_some_and(|after| after.is_scheduled_on_device && after.status == Status::Unset),
        };
        let rests = event.event_type == EventType::DeletedExternalToSeam && change.rests();
        // What a step had saved that a crash cut short was told then.
        let told_at = if is_reread { self.crashed_at.unwrap_or(now) } else { now };
        let seen = self.codes.entry(id).or_default();
        let life_before = seen.life;
        let order = seen.life.next(event.event_type, circumstances);
        if rests {
            seen.life.rest();
        }
        let is_by_others = seen.hear(told_at, event.event_type, circumstances.keeps_episode);
        Logged { event, order, is_by_others, life_before }
    }
}

/// A record before and after a step.
struct Transition<'a> {
    before: Option<&'a Record>,
    after: Option<&'a Record>,
    is_reread: bool,
}

impl Transition<'_> {
    /// An update need not begin a new set episode: nothing that is written differs, or nothing was being written (T13, T37), or a crash hides it.
    fn keeps_episode(&self) -> bool {
        let (Some(before), Some(after), false) = (self.before, self.after, self.is_reread) else { return true };
        let differs = before.code != after.code || before.window() != after.window();
        !differs || !matches!(before.status, Status::Setting | Status::Set)
    }

    /// T26: lost where changes are allowed.
    fn rests(&self) -> bool {
        let (Some(before), Some(after), false) = (self.before, self.after, self.is_reread) else { return false };
        after.is_external_modification_allowed && before.status == Status::Set && after.status == Status::Unset
    }
}

fn is_by_seat(history: &History, code: CodeId) -> bool {
    let profile = history.find_code(code).and_then(|code| history.profile(code));
    profile.is_some_and(|profile| profile.family == keyway_core::vendor::Family::BySeat)
}
