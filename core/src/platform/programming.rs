//! Bringing a lock's memory to what is wanted: the next command for each code, one mutating command at a time (`I-DEV-09`).

use super::Platform;
use super::condition::earliest;
use super::likeness::Content;
use super::obstacle::Obstacle;
use super::pace::Urgency;
use super::state::{Block, Code, Doubt, Goal, Held, Write};
use super::step::{At, Who};
use super::vendor::Symptom;
use crate::access_code::Status;
use crate::port::{Op, Place};
use crate::problem::ErrorCode;
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp, Window};
use crate::vendor::{Ack, Family, ReadBack};

/// As many questions as `R-03` lets be asked before the answer to the first is over.
const ASKINGS_KEPT: usize = 8;

impl Platform {
    /// What the lock shall hold of the code now; none: nothing.
    pub(super) fn wanted(&self, code: &Code) -> Option<Content> {
        let is_wanted = !code.is_gone && code.record.is_managed && self.is_due(code, self.now) && !code.is_expired(self.now);
        let pin = code.record.code.filter(|_| is_wanted)?;
        Some(Content { pin, window: code.stored_window(), name: code.display.clone() })
    }

    /// Whether an entry serves as what is wanted (`fit`).
    pub(super) fn fits(&self, code: &Code, held: &Held) -> bool {
        let Some(pin) = code.record.code else { return false };
        let is_same_name = held.name.as_ref().is_none_or(|name| *name == code.display);
        let is_enabled = held.is_enabled || !self.policy.detects_disabled_as_modified();
        held.pin == Some(pin) && is_same_name && is_enabled && held.window == code.stored_window()
    }

    /// Sends or reads what the code needs next. Returns when it is to be looked at again.
    pub(super) fn work(&mut self, at: At) -> Option<Timestamp> {
        let code = self.find(at)?;
        if !self.is_askable(at.device) {
            return None;
        }
        if code.write.is_some() {
            return self.await_write(at);
        }
        if code.passing.verify_at.is_some() && code.held.is_some() {
            return self.verify(at);
        }
        if code.before_outage.is_some() {
            self.want_recovery_listing(at.device);
            return None;
        }
        if !code.record.is_managed && !code.is_gone {
            return self.run_errand(at);
        }
        // With a user goes whatever it has.
        let goes_with_user = self.is_by_seat(at.device) && !self.wants_access(code);
        if let Some(extra) = code.surplus.first().filter(|_| !goes_with_user) {
            let place = extra.place;
            if self.wanted(code).is_none() || !self.take_up_surplus(at) {
                return self.erase(at, place);
            }
            // It was seen some time ago.
            self.want_verify(at, self.now);
            return self.verify(at);
        }
        if code.goal == Goal::Yield {
            // What others left switched off stays; what came back since they removed it goes (T26, `I-WIN-04`).
            if code.held.is_none() && code.has_trace {
                // It left without a word (EO-07).
                self.code_mut(at).has_trace = false;
                return None;
            }
            let returned = code.held.as_ref().filter(|held| held.is_enabled).map(|held| held.place)?;
            return if self.profile(at.device).family == Family::BySeat { self.work_by_seat(at) } else { self.erase(at, returned) };
        }
        if self.profile(at.device).family == Family::BySeat {
            return self.work_by_seat(at);
        }
        match (self.wanted(code), &code.held) {
            (Some(_), Some(held)) if self.fits(code, held) => self.confirm_if_new(at),
            (Some(wanted), _) => self.store(at, &wanted),
            (None, Some(held)) if self.lets_expire(code) => {
                let held = held.clone();
                self.forget_entry(at, held.place);
                self.finish_if_absent(at);
                None
            }
            (None, Some(held)) => {
                let place = held.place;
                self.erase(at, place)
            }
            (None, None) => {
                self.finish_if_absent(at);
                None
            }
        }
    }

    /// A controller that leaves the end to the lock's own schedule (`R-16` says no).
    fn lets_expire(&self, code: &Code) -> bool {
        !self.policy.erases_at_end_on_native() && code.is_native && code.is_expired(self.now)
    }

    /// T04, T07. Returns when it is to be looked at again.
    pub(super) fn confirm_if_new(&mut self, at: At) -> Option<Timestamp> {
        let code = self.code(at);
        let is_new = match code.record.status {
            // What is left of an older window serves this one too; yet before its start only T07 leads to `set`, one step later.
            Status::Setting if self.status_before(at) == Some(Status::Unset) => return Some(self.now + SECOND_MS),
            Status::Setting => true,
            Status::Unset => code.is_before_native_start(self.now) && !code.record.is_scheduled_on_device,
            Status::Set | Status::Removing | Status::Unknown => false,
        };
        if is_new {
            self.confirm(at);
        }
        None
    }

    pub(super) fn finish_if_absent(&mut self, at: At) {
        let code = self.code(at);
        if code.record.status == Status::Removing && !code.is_gone {
            self.finish_removal(at);
        } else if code.goal == Goal::Hold && code.has_trace && code.record.status == Status::Unset {
            // T13 with a start far ahead: an erasure without a word.
            self.code_mut(at).has_trace = false;
        }
        let code = self.code(at);
        let is_waiting = code.goal == Goal::Hold && code.record.status == Status::Unset && !self.is_due(code, self.now);
        if is_waiting && code.has_error(ErrorCode::CodeModifiedExternalToSeam) {
            // Nothing in the lock is what is declared until then.
            self.code_mut(at).clear_error(ErrorCode::CodeModifiedExternalToSeam);
        }
    }

    /// By when the open write counts as closed, although nothing has answered it: after a restart, and where an acknowledgement means
    /// nothing, for there the lock's own notice may have closed it unnoticed, and nothing times out any more (`P-01`).
    fn closes_by(&self, at: At) -> Option<Timestamp> {
        let (code, profile) = (self.code(at), self.profile(at.device));
        let unheard = code.write.as_ref().filter(|write| profile.ack == Ack::Nothing && write.accepted_at.is_none());
        let by_notice = unheard.map(|write| write.sent_at + profile.command_timeout_ms + SECOND_MS);
        code.passing.restart_deadline.or(by_notice)
    }

    /// A write is open or in doubt: nothing else is sent until it is settled (`P-05`).
    fn await_write(&mut self, at: At) -> Option<Timestamp> {
        let now = self.now;
        let code = self.code(at);
        let write = code.write.as_ref()?;
        if write.closed.is_none() && self.closes_by(at).is_some_and(|deadline| deadline <= now) {
            self.close_write(at, Doubt::Lost);
        }
        let code = self.code(at);
        let write = code.write.as_ref()?;
        if write.is_without_effect && write.content().is_some() && self.wanted(code).is_none() {
            // A newer intent needs no closing answer to the step before (I-DEV-09).
            self.drop_write(at);
            self.again(at);
            return None;
        }
        if write.closed.is_some() && matches!(write.op, Op::TakeSeat { .. }) && !self.wants_access(code) {
            // The user that may have got a seat goes, and its seat with it.
            self.settle(at);
            self.again(at);
            return None;
        }
        let waits = write.closed.is_none() && (code.passing.verify_at.is_none() || write.is_without_effect);
        if waits {
            return self.closes_by(at);
        }
        if self.profile(at.device).read_back == ReadBack::None || write.op.is_of_user() {
            return self.repeat_unread(at);
        }
        if write.place().is_some() {
            return self.verify(at);
        }
        self.want_proof_listing(at);
        None
    }

    /// Where no read tells, the same step is repeated under its own key until it is answered for certain (`P-04`).
    fn repeat_unread(&mut self, at: At) -> Option<Timestamp> {
        let write = self.code(at).write.clone()?;
        let closing = write.closed?;
        if matches!(write.op, Op::TakeSeat { .. } | Op::AssignPin { .. }) && !self.wants_access(self.code(at)) {
            // The user goes, and with it whatever it got meanwhile.
            self.settle(at);
            self.again(at);
            return None;
        }
        let code = self.code(at);
        if matches!(write.op, Op::TakeSeat { .. }) && code.held.is_some() && code.passing.verify_at.is_some() {
            // Its entry shows whether it has the seat.
            return self.verify(at);
        }
        if write.op.is_erasing() {
            self.show_unconfirmed_erasure(at);
        } else {
            self.show(at, Symptom::NotConfirmed);
        }
        // A wait that was over before the answer is that of another attempt.
        if self.code(at).retry.not_before.is_none_or(|not_before| not_before <= closing.at) {
            self.attempt_failed(at, closing.at, 0);
        }
        if self.is_overtaken(at, &write) {
            // A command for the same entry that is sent now runs after it, and settles it when it is done (P-02, P-05 b).
            self.settle(at);
            let code = self.code_mut(at);
            let before = code.held.as_mut().and_then(|held| held.pin.take());
            code.in_doubt.extend(before.into_iter().chain(write.content().map(|(pin, ..)| pin)));
            self.again(at);
            return None;
        }
        let not_before = self.code(at).retry.not_before?;
        if !self.is_writable(at.device) {
            return None;
        }
        if not_before > self.now {
            return Some(not_before);
        }
        if self.may_call(self.device(at.device).account, self.urgency(at), Who::Lock(at)) {
            self.code_mut(at).retry.not_before = None;
            self.send_write(at, write.op);
            let mut asked_before = write.asked_before;
            asked_before.push(write.command);
            // No answer to an older one can come any more (P-01).
            asked_before.drain(..asked_before.len().saturating_sub(ASKINGS_KEPT));
            self.code_mut(at).write.iter_mut().for_each(|write| write.asked_before = core::mem::take(&mut asked_before));
        }
        None
    }

    /// Whether a write in doubt changes an entry of the code to what is not wanted any more.
    fn is_overtaken(&self, at: At, write: &Write) -> bool {
        let code = self.code(at);
        let wanted = self.wanted(code).map(|wanted| (wanted.pin, wanted.window, wanted.name));
        let holds_it = code.held.as_ref().is_some_and(|held| write.place() == Some(held.place));
        holds_it && write.content().is_some_and(|content| wanted != Some(content))
    }

    /// Stores what is wanted: in place where an entry of ours is, else anew.
    fn store(&mut self, at: At, wanted: &Content) -> Option<Timestamp> {
        let is_due_now = self.code(at).record.status != Status::Removing;
        if !is_due_now {
            return None;
        }
        if self.is_shown_unclaimed(at, wanted.pin) {
            return None;
        }
        if let Some(obstacle) = self.obstacle(at, wanted) {
            self.meet_obstacle(at, obstacle);
            let (is_lasting, until) = match obstacle {
                Obstacle::VisibleTwin | Obstacle::Prevented | Obstacle::Unfit(_) => (true, None),
                Obstacle::Length { until } => (true, until),
                Obstacle::Full | Obstacle::NoKeypad => (false, None),
            };
            let stale = self.find(at)?.held.as_ref().filter(|held| is_lasting && held.pin.is_some_and(|pin| pin != wanted.pin));
            // The PIN that is asked cannot be stored; the one that is not asked any more must not go on opening (`I-WIN-01`).
            let erase_at = stale.map(|held| held.place).and_then(|place| self.erase(at, place));
            return earliest(erase_at, until);
        }
        self.clear_obstacle(at);
        if let Err(wait) = self.may_write(at) {
            return wait;
        }
        let (family, in_place) = (self.profile(at.device).family, self.profile(at.device).update_in_place);
        let held = self.code(at).held.clone();
        let op = match (family, held) {
            (Family::BySeat, _) => return None, // These go their own way.
            (Family::ById, Some(held)) if !in_place => return self.erase(at, held.place),
            (Family::ById, Some(held)) => self.replace_op(at, wanted, &held)?,
            (Family::ById, None) => self.create_op(at, wanted),
            // Its codes go another way.
            (Family::Offline, _) => return None,
            (Family::BySlot, Some(held)) if self.is_in_its_own_way(at, &held, wanted) => return self.erase(at, held.place),
            (Family::BySlot, held) => {
                let slot = match held.map(|held| held.place) {
                    Some(Place::Slot(slot)) => slot,
                    Some(Place::Handle(_)) | None => self.scouted_slot(at)?,
                };
                Op::SetSlot { slot, pin: wanted.pin, name: wanted.name.clone() }
            }
        };
        self.send_when_called(at, op)
    }

    /// Whether an own entry has to go before its slot takes another write: the slot called itself occupied (`slot_occupied_refuses`), or a write over an
    /// entry that is of no use failed, perhaps because the lock takes that entry for a twin (`own_slot_is_twin`).
    fn is_in_its_own_way(&self, at: At, held: &Held, wanted: &Content) -> bool {
        if matches!(held.place, Place::Slot(slot) if self.device(at.device).refusing.contains_key(&slot)) {
            return true;
        }
        let may_be_twin = held.pin.is_none_or(|pin| pin == wanted.pin);
        let is_useless = !held.is_enabled || held.pin.is_none();
        self.code(at).retry.failures > 0 && may_be_twin && is_useless
    }

    fn create_op(&mut self, at: At, wanted: &Content) -> Op {
        let window = self.window_for_now(at, wanted.window);
        Op::CreateEntry { pin: wanted.pin, name: wanted.name.clone(), window }
    }

    /// The window as it goes out; a start that the vendor's margin moves is remembered (`F-22`).
    fn window_for_now(&mut self, at: At, window: Option<Window>) -> Option<Window> {
        let margin = self.profile(at.device).start_margin_ms;
        let declared = self.code(at).window().filter(|_| window.is_some())?;
        let foreseen = self.window_across_change(at, declared);
        // A way longer than the margin was a slow job's: a start that far ahead would be no longer what was asked.
        let arrives_at = self.now + self.code(at).passing.way_ms.min((margin - MINUTE_MS / 2).max(0));
        let moved = self.policy.window_to_store(foreseen, arrives_at, margin);
        self.code_mut(at).moved_window = Some(moved).filter(|moved| *moved != declared);
        Some(moved)
    }

    fn replace_op(&mut self, at: At, wanted: &Content, held: &Held) -> Option<Op> {
        let Place::Handle(handle) = held.place else { return None };
        let window = self.window_for_now(at, wanted.window);
        let is_schedule_only = held.pin == Some(wanted.pin) && held.name.as_ref() == Some(&wanted.name) && held.is_enabled;
        Some(if is_schedule_only && self.profile(at.device).schedules {
            Op::SetSchedule { handle, window }
        } else {
            Op::ReplaceEntry { handle, pin: wanted.pin, name: wanted.name.clone(), window }
        })
    }

    /// Erases one place that is ours.
    pub(super) fn erase(&mut self, at: At, place: Place) -> Option<Timestamp> {
        if let Err(wait) = self.may_write(at) {
            return wait;
        }
        let op = match (self.code(at).user, place) {
            (Some(user), _) => Op::DeleteUser { user: user.id },
            (None, Place::Handle(handle)) => Op::DeleteEntry { handle },
            (None, Place::Slot(slot)) => Op::ClearSlot { slot },
        };
        self.send_when_called(at, op)
    }

    pub(super) fn send_when_called(&mut self, at: At, op: Op) -> Option<Timestamp> {
        let account = self.device(at.device).account;
        if self.may_call(account, self.urgency(at), Who::Lock(at)) {
            self.send_write(at, op);
        }
        None
    }

    /// Codes that are wanted sooner go first.
    pub(super) fn urgency(&self, at: At) -> Urgency {
        let record = &self.code(at).record;
        Urgency::Write(record.starts_at.unwrap_or(record.created_at))
    }

    /// Whether a write may go out now. If not: when to look again, where the clock can tell.
    pub(super) fn may_write(&mut self, at: At) -> Result<(), Option<Timestamp>> {
        let code = self.code(at);
        if !self.is_writable(at.device) || !self.caches[at.device as usize].has_inventory {
            return Err(None);
        }
        match code.block {
            Some(Block::Refused(_)) if code.goal == Goal::Hold => return Err(None),
            Some(Block::Twin { until, .. }) if code.goal == Goal::Hold && until > self.now => return Err(Some(until)),
            // What was refused for its length is an obstacle to that PIN alone.
            Some(Block::Refused(_) | Block::Twin { .. } | Block::Length { .. }) | None => {}
        }
        if code.unanswered.is_some() {
            let deadline = code.passing.restart_deadline;
            if deadline.is_none_or(|deadline| deadline > self.now) {
                return Err(deadline);
            }
            self.on_answered(at);
        }
        if let Some(not_before) = self.code(at).retry.not_before.filter(|not_before| *not_before > self.now) {
            return Err(Some(not_before));
        }
        if let Some(free_at) = self.lock_busy_until(at) {
            self.caches[at.device as usize].waiting.insert(at.n);
            return Err(Some(free_at));
        }
        Ok(())
    }

    /// A hub takes one write for a lock at a time (`hub_radio_collides`); a lost one does not hold up the others for long.
    fn lock_busy_until(&self, at: At) -> Option<Timestamp> {
        let profile = self.profile(at.device);
        if profile.family != Family::BySlot {
            return None;
        }
        let others = self.device(at.device).codes.iter().filter(|code| code.n != at.n);
        let open = others.filter_map(|code| code.write.as_ref()).filter(|write| write.closed.is_none() && !write.is_without_effect);
        open.map(|write| write.sent_at + profile.lat_max_ms).filter(|until| *until > self.now).min()
    }
}
