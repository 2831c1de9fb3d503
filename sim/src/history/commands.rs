//! The commands that were sent: how each was closed and settled (`P-01`, `P-05`), and the attempts for each code (`R-03`).

use std::collections::BTreeSet;

use keyway_core::id::CommandId;
use keyway_core::pin::Pin;
use keyway_core::port::{Answer, AnswerClass, Command, News, Notice, Op, Place, Reason, SlotContent};
use keyway_core::time::{MINUTE_MS, Timestamp};
use keyway_core::vendor::{Ack, DuplicatePolicy};

use super::told::Whose;
use super::{CodeIx, Goal, History, Intent, Last, Stored};
use crate::occurrence::Lock;

/// An answer may come this long after a command's time to live (`P-01`).
const LATE_ANSWER_MS: i64 = 2 * MINUTE_MS;

/// A command on its way, or closed and not yet forgotten.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The command.
    pub command: Command,
    /// The lock it means.
    pub lock: Option<Lock>,
    /// The code it is for.
    pub code: Option<CodeIx>,
    /// When it was sent.
    pub at: Timestamp,
    /// The number of the code's wish that it serves.
    pub version: u32,
    /// When its first answer of any kind was delivered.
    pub answered_at: Option<Timestamp>,
    /// When its closing answer was delivered.
    pub closed_at: Option<Timestamp>,
    /// Whether its effect can't come any more (`P-05`).
    pub is_settled: bool,
    /// Whether a controller that was restarted since has saved that it counts as timed out (`P-01`).
    pub is_given_up: bool,
    /// Whether a controller that was restarted since need not know it any more, for it was over (`P-01`).
    pub is_past: bool,
    /// Where it stored something, by the truth, and when.
    pub stored: Option<(Place, Timestamp)>,
    /// Whether it erased something, by the truth.
    pub has_erased: bool,
    /// Whether a notice that is older than it could be taken for the word about it: whose the next one is nobody can tell then.
    pub may_be_told: bool,
}

impl Sent {
    /// The place that the command names.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        target(&self.command.op)
    }
}

/// The place that a mutating command names; a creation names none.
#[must_use]
pub fn target(op: &Op) -> Option<Place> {
    match op {
        Op::ReplaceEntry { handle, .. } | Op::SetSchedule { handle, .. } | Op::DeleteEntry { handle } => Some(Place::Handle(*handle)),
        Op::ReadEntry { handle, .. } => Some(Place::Handle(*handle)),
        Op::SetSlot { slot, .. } | Op::ClearSlot { slot } | Op::ReadSlot { slot, .. } => Some(Place::Slot(*slot)),
        Op::CreateEntry { .. } | Op::ListEntries { .. } | Op::ListDevices { .. } | Op::ReadSite => None,
        Op::CreateUser { .. } | Op::DeleteUser { .. } | Op::TakeSeat { .. } | Op::ReleaseSeat { .. } | Op::AssignPin { .. } => None,
        Op::GetDevice | Op::ReadClock | Op::SetClock { .. } | Op::AdoptEntry { .. } => None,
        Op::RegisterOffline { .. } | Op::RevokeOffline { .. } | Op::ReadUserLevels => None,
    }
}

/// Whether a mutating command stores something at this place.
pub(super) fn stores_at(op: &Op, place: Place) -> bool {
    !op.is_erasing() && target(op) == Some(place)
}

/// Whether a read passes every cache.
#[must_use]
pub fn is_fresh(op: &Op) -> bool {
    matches!(op, Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. })
}

/// How the last mutating command for a code ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Not yet.
    Open,
    /// Applied, or nothing was there to erase.
    Done,
    /// Not applied, for this reason.
    Refused(Reason),
    /// Not applied, for a passing reason.
    NotApplied,
    /// Nobody can tell.
    Ambiguous,
    /// Added nothing; the cause is open.
    MaybeDuplicate,
}

impl History {
    /// A command that was sent and is not forgotten.
    #[must_use]
    pub fn sent(&self, id: CommandId) -> Option<&Sent> {
        self.commands.get(&id)
    }

    /// The mutating commands on this lock that are not closed, or not settled.
    pub fn open_commands(&self, lock: Lock) -> impl Iterator<Item = &Sent> {
        self.lock(lock).open.iter().filter_map(|id| self.commands.get(id))
    }

    /// Whether the controller may take a command for closed without having seen it closed: it was restarted since, long enough ago (`P-01`), be it
    /// in an earlier life of which it saved so much.
    #[must_use]
    pub fn is_forgotten(&self, sent: &Sent, now: Timestamp) -> bool {
        let timeout = sent.lock.map_or(0, |lock| self.lock(lock).facts.profile.command_timeout_ms);
        let is_over = |started| sent.at < started && now >= started + timeout;
        sent.is_given_up || self.restarts() > 0 && self.started_at.is_some_and(is_over)
    }

    /// It died, and what it had saved need hold no more than the commands that are not over.
    pub(super) fn forget_past(&mut self) {
        let open: BTreeSet<CommandId> = self.locks.iter().flat_map(|lock| lock.open.iter().copied()).collect();
        for (id, sent) in &mut self.commands {
            sent.is_past |= !open.contains(id);
        }
    }

    /// A save keeps what the controller takes for closed since its restart.
    pub(super) fn keep_given_up(&mut self) {
        if self.restarts() == 0 {
            return;
        }
        let locks = self.locks().flat_map(|(lock, _)| self.open_commands(lock));
        let given_up: Vec<CommandId> =
            locks.filter(|sent| !sent.is_given_up && self.is_forgotten(sent, self.now)).map(|sent| sent.command.command_id).collect();
        for id in given_up {
            self.commands.entry(id).and_modify(|sent| sent.is_given_up = true);
        }
    }

    pub(super) fn send(&mut self, now: Timestamp, command: &Command, lock: Option<Lock>) {
        let lock = lock.or_else(|| self.lock_by_vendor_id(command));
        let code = command.for_code.map(|id| self.intern(id));
        let is_mutating = command.op.is_mutating();
        if let (true, Some(code)) = (is_mutating, code) {
            self.end_window(code, now);
        }
        let started_at = self.started_at;
        let version = code.map_or(0, |code| self.code(code).version);
        let sent = Sent {
            command: command.clone(),
            lock,
            code,
            at: now,
            version,
            answered_at: None,
            closed_at: None,
            is_settled: false,
            is_given_up: false,
            is_past: false,
            stored: None,
            has_erased: false,
            may_be_told: false,
        };
        self.commands.insert(command.command_id, sent);
        if let (Op::SetClock { .. }, Some(lock)) = (&command.op, lock) {
            self.locks[lock.0 as usize].clock_settings += 1;
        }
        if !is_mutating {
            return;
        }
        while self.fading.front().is_some_and(|(until, _)| *until < now) {
            if let Some((_, id)) = self.fading.pop_front() {
                self.commands.remove(&id);
            }
        }
        if let Some(lock) = lock {
            self.locks[lock.0 as usize].open.push(command.command_id);
            self.count_backlog(lock, now, |path| path.open += 1);
        }
        if let Some(code) = code {
            // What a restart made it take for timed out told it nothing definite (`P-01`).
            let unheard = self.code(code).work.last.as_ref().filter(|last| last.closing == Closing::Open);
            let is_unheard = unheard.and_then(|last| self.sent(last.id)).is_some_and(|sent| self.is_forgotten(sent, now));
            let state = &mut self.codes[code.0 as usize];
            state.lock = state.lock.or(lock);
            if is_unheard {
                state.work.doubt_refusal();
            }
            state.work.unsettled += 1;
            state.work.attempt(now, &command.op);
            if let Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. } | Op::SetSlot { pin, .. } = &command.op {
                // Its record may be lost in a crash before anybody reads it.
                if !state.pins.contains(pin) {
                    state.pins.push(*pin);
                }
            }
            match &command.op {
                Op::CreateEntry { pin, name, .. } | Op::SetSlot { pin, name, .. } => drop(state.created.insert((*pin, name.clone()))),
                Op::ReplaceEntry { handle, pin, name, .. } => {
                    state.bound.insert((command.epoch, Place::Handle(*handle), *pin, name.clone()));
                }
                _ => {}
            }
            if let Op::CreateEntry { name, .. } | Op::ReplaceEntry { name, .. } | Op::SetSlot { name, .. } | Op::CreateUser { name } =
                &command.op
            {
                let sent = (command.epoch, name.clone());
                if !state.names.contains(&sent) {
                    state.names.push(sent);
                }
            }
            let (id, key, op) = (command.command_id, command.key, command.op.clone());
            let before = state.work.last.replace(Last { id, key, op, version, closing: Closing::Open, was_done: false, is_settled: false });
            // What was never sent came before this one all the same, as far as anybody can know, and has failed (`R-60`, `WAIT`).
            let unsent = state.work.unsent.take();
            state.work.failing_since = state.work.failing_since.or(started_at.filter(|_| unsent.is_some()));
            state.before_last = unsent.or(before);
            self.touch_code(code);
        }
    }

    pub(super) fn hear(&mut self, now: Timestamp, id: CommandId, answer: &Answer, snapshot_at: Option<Timestamp>) {
        let Some(sent) = self.commands.get_mut(&id) else { return };
        let was_closed = sent.closed_at.is_some();
        let was_answered_at = sent.answered_at;
        sent.answered_at = sent.answered_at.or(Some(now));
        if !sent.command.op.is_mutating() {
            if answer.is_closing()
                && let Some(sent) = self.commands.remove(&id)
            {
                self.read(now, &sent, answer, snapshot_at);
            }
            return;
        }
        if !answer.is_closing() {
            return;
        }
        let before = Sent { answered_at: was_answered_at, ..sent.clone() };
        self.keep_untold(&before);
        let Some(sent) = self.commands.get_mut(&id) else { return };
        sent.closed_at = sent.closed_at.or(Some(now));
        let sent = sent.clone();
        if !was_closed && let Some(lock) = sent.lock {
            self.count_backlog(lock, now, |path| path.open = path.open.saturating_sub(1));
        }
        if answer.class() == AnswerClass::Definitive {
            self.settle_command(id);
        }
        self.draw_conclusions(now, &sent, closing_of(&sent.command.op, answer), answer, snapshot_at);
        self.forget_closed(sent.lock);
    }

    /// A lock whose acknowledgement means nothing closes a command by its own notice about the place (`P-01`).
    pub(super) fn hear_notice(&mut self, now: Timestamp, notice: &Notice, snapshot_at: Timestamp, lock: Lock) {
        let profile = &self.lock(lock).facts.profile;
        let (place, closing) = match notice.news {
            News::EntryAdded(place) | News::EntryChanged(place) | News::EntryRemoved(place) => (place, Closing::Ambiguous),
            News::NotAdded { slot, duplicate: true } => (Place::Slot(slot), Closing::Refused(Reason::PinTaken)),
            News::NotAdded { slot, duplicate: false } => (Place::Slot(slot), Closing::MaybeDuplicate),
            _ => return,
        };
        if profile.ack != Ack::Nothing && profile.duplicate != DuplicatePolicy::Notify {
            return;
        }
        let is_removal = matches!(notice.news, News::EntryRemoved(_));
        let is_about = |sent: &Sent| {
            let same = sent.place() == Some(place) && sent.command.op.is_erasing() == is_removal;
            same && sent.command.epoch == notice.epoch && sent.closed_at.is_none()
        };
        let meant = || self.open_commands(lock).filter(|sent| is_about(sent) && snapshot_at >= sent.at);
        // That nothing was added is said of none that added something, if the code has another (`P-05` b).
        let is_refusal = matches!(notice.news, News::NotAdded { .. });
        let next_of = |first: &Sent| meant().find(|sent| sent.code == first.code && sent.stored.is_none());
        let sent = meant().next().map(|first| next_of(first).filter(|_| is_refusal).unwrap_or(first)).cloned();
        // Of a command that nothing has accepted yet nobody can tell whether the notice is an old copy; of one that another code's followed, which it means.
        let follows = |sent: &Sent, other: &Sent| {
            other.code != sent.code && other.place() == Some(place) && other.at > sent.at && !other.command.op.is_erasing()
        };
        // So may one that was saved to be sent and never was, as far as anybody can know (`R-60`).
        let is_unsent = |code: &CodeIx| self.code(*code).work.unsent.as_ref().is_some_and(|unsent| stores_at(&unsent.op, place));
        let is_followed = |sent: &Sent| {
            let codes = &self.lock(lock).codes;
            self.open_commands(lock).any(|other| follows(sent, other)) || codes.iter().any(is_unsent)
        };
        let is_doubtful = sent.as_ref().is_some_and(|sent| sent.answered_at.is_none() || sent.may_be_told || is_followed(sent));
        // Then the code of either may be taken for told.
        self.hear_late_refusal(now, lock, place, closing, sent.as_ref().filter(|_| !is_doubtful).and_then(|sent| sent.code));
        let Some(sent) = sent else {
            for sent in self.commands.values_mut().filter(|sent| sent.lock == Some(lock)) {
                sent.may_be_told |= is_about(sent);
            }
            return;
        };
        let closing = if is_doubtful && closing != Closing::Ambiguous { Closing::MaybeDuplicate } else { closing };
        self.keep_untold(&sent);
        let id = sent.command.command_id;
        if let Some(sent) = self.commands.get_mut(&id) {
            (sent.closed_at, sent.answered_at) = (Some(now), sent.answered_at.or(Some(now)));
        }
        self.count_backlog(lock, now, |path| path.open = path.open.saturating_sub(1));
        if matches!(closing, Closing::Refused(_)) {
            self.settle_command(id);
        }
        if closing == Closing::Ambiguous {
            self.note_closing(now, &sent, closing);
        } else {
            self.draw_conclusions(now, &sent, closing, &Answer::MaybeDuplicate, Some(snapshot_at));
        }
        self.forget_closed(Some(lock));
    }

    /// A copy of a write that is closed met a twin: its code is told of that as by an answer (`R-54`). That of an open one, `told`, is told in its turn.
    fn hear_late_refusal(&mut self, now: Timestamp, lock: Lock, place: Place, closing: Closing, told: Option<CodeIx>) {
        if closing != Closing::Refused(Reason::PinTaken) {
            return;
        }
        for code in self.lock(lock).codes.clone() {
            let state = self.code(code);
            let is_its = state.work.last.as_ref().is_some_and(|last| target(&last.op) == Some(place) && last.version == state.version);
            // Nothing of it is there; an older entry of its own elsewhere may be the very twin.
            if is_its && Some(code) != told && self.entries(code).all(|(at, _)| at != place) {
                let sent_at = state.work.last.as_ref().and_then(|last| self.sent(last.id)).map(|sent| sent.at);
                let may_be_outdated = sent_at.is_some_and(|sent_at| self.lock(lock).change_shown_at > sent_at);
                let work = &mut self.codes[code.0 as usize].work;
                (work.told_twin_at, work.is_twin) = (Some(now), true);
                if may_be_outdated {
                    // As after an answer: what was shown since it was sent permits a new try.
                    work.change_cause(now);
                }
                self.touch_code(code);
            }
        }
    }

    fn note_closing(&mut self, now: Timestamp, sent: &Sent, closing: Closing) {
        let Some(code) = sent.code else { return };
        let work = &mut self.codes[code.0 as usize].work;
        work.active_at = now;
        if let Some(last) = work.last.as_mut().filter(|last| last.id == sent.command.command_id) {
            last.closing = closing;
            last.was_done |= closing == Closing::Done;
        }
        self.touch_code(code);
    }

    /// What a closing answer to a mutating command says of memory, of other commands, and of the attempts for its code.
    fn draw_conclusions(&mut self, now: Timestamp, sent: &Sent, closing: Closing, answer: &Answer, snapshot_at: Option<Timestamp>) {
        self.note_closing(now, sent, closing);
        let Some(lock) = sent.lock else { return };
        let is_locks_word = match closing {
            Closing::Done => true,
            Closing::Refused(reason) => self.lock(lock).facts.profile.ack == Ack::Applied && is_of_memory(reason),
            Closing::Open | Closing::NotApplied | Closing::Ambiguous | Closing::MaybeDuplicate => false,
        };
        if is_locks_word {
            self.settle_earlier(lock, sent.at, sent.command.command_id);
        }
        match closing {
            Closing::Done => self.learn_done(now, lock, sent, answer, snapshot_at),
            Closing::Refused(reason) => self.learn_refusal(lock, sent, reason),
            Closing::Open | Closing::NotApplied | Closing::Ambiguous | Closing::MaybeDuplicate => {}
        }
        // Of a command that is forgotten nobody knows which place it named (`P-01`).
        if *answer == Answer::NotFound
            && let Some(place) = target(&sent.command.op).filter(|_| !sent.is_past)
        {
            self.tell_anew(lock, place, None, Whose::Free);
            // Whenever it left, it was not there when the command ran (`P-12`).
            self.learn_absence(now, lock, place, snapshot_at.unwrap_or(sent.at), sent.code.filter(|_| sent.command.op.is_erasing()));
        }
        let Some(code) = sent.code else { return };
        // A user that was made is no more than a beginning: what is tried again with another one is tried again.
        if closing == Closing::Done && !matches!(sent.command.op, Op::CreateUser { .. }) {
            // What was erased to make way ends no failure: the write that it makes way for belongs to the same attempt (`R-03`). Nor does a seat: a back-off
            // that was right when the quiet time began stays so until the code itself is there (`WAIT`).
            let is_wanted = matches!(self.goal(code), Some(Intent { goal: Goal::Present { .. }, .. }));
            let goes_on = is_wanted && (sent.command.op.is_erasing() || matches!(sent.command.op, Op::TakeSeat { .. }));
            let work = &mut self.codes[code.0 as usize].work;
            let failing_since = work.failing_since.filter(|_| goes_on);
            work.tries -= u32::from(work.tries > 0 && sent.command.op.is_erasing());
            work.succeed(now);
            work.failing_since = failing_since;
        } else if closing == Closing::Done {
        } else if sent.version == self.code(code).version {
            let is_twin = matches!(closing, Closing::Refused(Reason::PinTaken) | Closing::MaybeDuplicate);
            let may_be_outdated = is_twin && self.lock(lock).change_shown_at > sent.at;
            // What an earlier incarnation refused says nothing of this one.
            let is_void = self.lock(lock).picture.outdates(&sent.command);
            let work = &mut self.codes[code.0 as usize].work;
            work.fail(now, if is_void { Closing::Ambiguous } else { closing });
            if may_be_outdated {
                // It may have been refused before what was shown since it was sent: then that permits a new try (`R-54`).
                work.change_cause(now);
            }
        } else if closing == Closing::Refused(Reason::PinTaken) && self.is_pin_asked(code, &sent.command.op) {
            // A twin of the PIN that was asked then is one of the same PIN that is asked now (`R-54`).
            let work = &mut self.codes[code.0 as usize].work;
            (work.told_twin_at, work.is_twin) = (Some(now), true);
        }
    }

    fn is_pin_asked(&self, code: CodeIx, op: &Op) -> bool {
        let asked = self.goal(code).map(|intent| intent.goal);
        matches!(asked, Some(Goal::Present { pin: Some(pin), .. }) if pin_of(op) == Some(pin))
    }

    /// Commands accepted before one that the lock has answered for can't take effect any more (`P-02`, `P-05`).
    pub(super) fn settle_earlier(&mut self, lock: Lock, before: Timestamp, except: CommandId) {
        let members = self.path(lock).locks.clone();
        for member in members {
            let is_earlier = |sent: &Sent| sent.answered_at.is_some_and(|at| at <= before) && sent.command.command_id != except;
            let settled: Vec<CommandId> = self
                .open_commands(member)
                .filter(|sent| !sent.is_settled && is_earlier(sent))
                .map(|sent| sent.command.command_id)
                .collect();
            for id in settled {
                self.count_absence(id);
                self.settle_command(id);
            }
            self.forget_closed(Some(member));
        }
    }

    /// A read ran after an acknowledged write of which nothing is there: what others made of an entry of the code is nothing of the write (`R-54`).
    fn count_absence(&mut self, id: CommandId) {
        let Some(sent) = self.commands.get(&id).filter(|sent| !sent.command.op.is_erasing()) else { return };
        let written = pin_of(&sent.command.op);
        let is_of_it = |stored: &Stored| written.is_none_or(|pin| stored.entry.pin == pin);
        if let Some(code) = sent.code.filter(|code| !self.entries(*code).any(|(_, stored)| is_of_it(stored))) {
            self.codes[code.0 as usize].work.miss();
        }
    }

    pub(super) fn settle_command(&mut self, id: CommandId) {
        let Some(sent) = self.commands.get_mut(&id) else { return };
        if std::mem::replace(&mut sent.is_settled, true) {
            return;
        }
        let Some(code) = sent.code else { return };
        let work = &mut self.codes[code.0 as usize].work;
        work.unsettled = work.unsettled.saturating_sub(1);
        if let Some(last) = work.last.as_mut().filter(|last| last.id == id) {
            last.is_settled = true;
        }
        self.touch_code(code);
    }

    /// Takes what is closed and settled from the lock's list, and forgets commands whose answers can't come any more.
    pub(super) fn forget_closed(&mut self, lock: Option<Lock>) {
        let Some(lock) = lock else { return };
        let ttl = self.lock(lock).facts.profile.command_ttl_ms + LATE_ANSWER_MS;
        let (commands, fading) = (&self.commands, &mut self.fading);
        self.locks[lock.0 as usize].open.retain(|id| {
            let Some(sent) = commands.get(id) else { return false };
            let is_open = sent.closed_at.is_none() || !sent.is_settled;
            if !is_open {
                // The truth may still name it for as long as a late run is possible.
                fading.push_back((sent.at + ttl, *id));
            }
            is_open
        });
    }

    fn lock_by_vendor_id(&self, command: &Command) -> Option<Lock> {
        self.vendor_ids.get(&(command.account, command.device?)).copied()
    }

    /// Whether a read shows an entry, for the settlement of the command that stored it.
    pub(super) fn settle_shown(&mut self, lock: Lock, snapshot_at: Timestamp, answer: &Answer) {
        let shown: Vec<CommandId> = self
            .open_commands(lock)
            .filter(|sent| {
                !sent.is_settled && sent.stored.is_some_and(|(place, at)| at <= snapshot_at && shows(answer, place, &sent.command.op))
            })
            .map(|sent| sent.command.command_id)
            .collect();
        for id in shown {
            self.settle_command(id);
        }
        self.forget_closed(Some(lock));
    }
}

/// The PIN that a command writes.
pub(super) fn pin_of(op: &Op) -> Option<Pin> {
    match op {
        Op::CreateEntry { pin, .. } | Op::ReplaceEntry { pin, .. } | Op::SetSlot { pin, .. } => Some(*pin),
        _ => None,
    }
}

/// Whether a read's answer shows at this place what the command wrote, and tells it from the work of others (`P-05` c).
fn shows(answer: &Answer, place: Place, op: &Op) -> bool {
    if matches!(op, Op::AssignPin { .. }) {
        // Its name was given to nobody else's user.
        return shows_place(answer, place);
    }
    let (pin, name) = match op {
        Op::CreateEntry { pin, name, .. } | Op::ReplaceEntry { pin, name, .. } | Op::SetSlot { pin, name, .. } => (*pin, name),
        _ => return false,
    };
    let is_it = |item: &keyway_core::port::Item| {
        let shown = item.pin == keyway_core::port::ShownPin::Shown(pin);
        let named = item.name.as_ref() == Some(name) && !matches!(item.pin, keyway_core::port::ShownPin::Shown(_));
        item.place == place && item.on_lock == keyway_core::port::OnLock::Yes && (shown || named)
    };
    match answer {
        Answer::Entries { items, .. } => items.iter().any(is_it),
        Answer::Entry(item) | Answer::Slot(SlotContent::Occupied(item)) => is_it(item),
        _ => false,
    }
}

/// Whether a read's answer shows an entry that is in the lock at this place.
fn shows_place(answer: &Answer, place: Place) -> bool {
    let is_it = |item: &keyway_core::port::Item| item.place == place && item.on_lock == keyway_core::port::OnLock::Yes;
    match answer {
        Answer::Entries { items, .. } => items.iter().any(is_it),
        Answer::Entry(item) => is_it(item),
        _ => false,
    }
}

/// Refusals that come from the lock's memory, not from the vendor's cloud.
fn is_of_memory(reason: Reason) -> bool {
    match reason {
        Reason::BadLength | Reason::BadPin | Reason::PinTaken | Reason::Full | Reason::SlotOccupied | Reason::SlotOutOfRange => true,
        Reason::BadName | Reason::NameTaken | Reason::StartInPast | Reason::NoKeypad | Reason::NotSupported | Reason::NoRights => false,
        Reason::NoSeat | Reason::NoGateway | Reason::NotPaid | Reason::NoCredentials | Reason::ClockNotWritable => false,
        Reason::NoUserLevel | Reason::NoVariance | Reason::BadWindow => false,
    }
}

fn closing_of(op: &Op, answer: &Answer) -> Closing {
    match answer {
        Answer::Accepted => Closing::Open,
        Answer::Done { .. } | Answer::User { .. } | Answer::Assigned { .. } => Closing::Done,
        Answer::NotFound if op.is_erasing() => Closing::Done,
        Answer::Refused(reason) => Closing::Refused(*reason),
        Answer::MaybeDuplicate => Closing::MaybeDuplicate,
        Answer::ServerError { .. } | Answer::TimedOut => Closing::Ambiguous,
        Answer::NotFound | Answer::Busy | Answer::QueueFull | Answer::RateLimited { .. } => Closing::NotApplied,
        Answer::Unreachable(_) | Answer::Unauthorized | Answer::Gone => Closing::NotApplied,
        Answer::Entries { .. } | Answer::Entry(_) | Answer::Slot(_) | Answer::Devices { .. } => Closing::NotApplied,
        Answer::Device(_) | Answer::Site { .. } | Answer::Clock { .. } => Closing::NotApplied,
        Answer::Registered { .. } | Answer::UserLevels(_) => Closing::NotApplied,
    }
}
