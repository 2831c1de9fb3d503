//! Answers to mutating commands: what each proves, and what it leaves open (port.md 4).

use alloc::vec::Vec;

use super::Platform;
use super::listing::remember;
use super::state::{Block, Closing, DoneBefore, Doubt, Goal, Held, Retry, Write};
use super::step::At;
use super::vendor::Symptom;
use crate::id::Handle;
use crate::pin::Pin;
use crate::port::{Answer, Op, PathPart, Place, Reason};
use crate::problem::ErrorCode;
use crate::time::Timestamp;
use crate::vendor::{Ack, ReadBack};

impl Platform {
    /// An answer to the write that the code waits for.
    pub(super) fn on_write_answer(&mut self, at: At, answer: &Answer) {
        let (account, device) = (self.device(at.device).account, at.device);
        if self.code(at).write.as_ref().is_some_and(|write| write.may_have_stayed) {
            self.code_mut(at).write.iter_mut().for_each(|write| write.may_have_stayed = false);
        }
        let Some(write) = self.code(at).write.clone() else { return };
        self.take_condition(account, Some(device), write.sent_at, answer);
        if self.code(at).write.is_none() {
            return;
        }
        let now = self.now;
        let closed_at = write.closed.map_or(now, |closing| closing.at);
        if (!write.asked_before.is_empty() || write.accepted_at.is_some()) && was_not_taken(answer) {
            // That a copy was not taken says nothing of the one that was (P-01).
            self.close_write(at, Doubt::Lost);
            return;
        }
        match answer {
            Answer::Accepted => self.on_accepted(at, &write),
            Answer::Done { .. } if write.op.is_of_user() => {
                self.on_contact(device, write.sent_at);
                self.on_user_done(at, &write);
            }
            Answer::Done { handle } => {
                self.on_contact(device, write.sent_at);
                self.on_done(at, &write, *handle);
            }
            Answer::User { user } => self.on_user_made(at, *user),
            Answer::Assigned { pin, handle } => {
                self.on_contact(device, write.sent_at);
                self.on_assigned(at, *pin, *handle);
            }
            Answer::NotFound if write.op.is_of_user() => self.on_user_missing(at),
            Answer::NotFound => self.on_nothing_there(at, &write),
            Answer::Refused(reason) => self.on_refused(at, *reason, closed_at),
            Answer::Busy => self.on_not_applied(at, closed_at, 0),
            Answer::QueueFull => {
                self.on_not_applied(at, closed_at, 0);
                self.show(at, Symptom::QueueFull);
            }
            Answer::RateLimited { retry_after_ms } => {
                let floor = self.policy.retry_after_floor_ms(*retry_after_ms);
                self.remember_attempt(at);
                self.settle(at);
                self.attempt_failed(at, closed_at, floor);
            }
            Answer::Unreachable(part) => {
                self.on_not_applied(at, closed_at, 0);
                match part {
                    PathPart::Lock => self.show(at, Symptom::DroppedOff),
                    PathPart::Bridge => self.show(at, Symptom::BridgeDown),
                    PathPart::Hub | PathPart::Gateway | PathPart::Tunnel => {}
                }
            }
            Answer::Unauthorized | Answer::Gone => {
                self.settle(at);
                self.attempt_failed(at, closed_at, 0);
            }
            Answer::ServerError { .. } if self.policy.server_error_is_refusal() => self.on_not_applied(at, closed_at, 0),
            Answer::TimedOut if write.is_without_effect || self.policy.timeout_is_refusal() => {
                self.conclude(at, Doubt::Lost, closed_at);
                if write.is_without_effect && write.content().is_none() {
                    // The entry stayed, and others may have put it right meanwhile (T23, I-QUI-01).
                    self.want_verify(at, now);
                }
            }
            Answer::MaybeDuplicate => self.close_write(at, Doubt::Unclear),
            Answer::ServerError { .. } => {
                if matches!(write.op, Op::CreateEntry { .. }) {
                    self.show(at, Symptom::CreationFailed);
                }
                self.close_write(at, Doubt::Lost);
            }
            Answer::TimedOut
            | Answer::Entries { .. }
            | Answer::Entry(_)
            | Answer::Slot(_)
            | Answer::Devices { .. }
            | Answer::Device(_)
            | Answer::Site { .. }
            | Answer::Clock { .. }
            | Answer::Registered { .. }
            | Answer::UserLevels(_) => self.close_write(at, Doubt::Lost),
        }
        self.again(at);
    }

    /// The vendor says that the write was done: it was, and perhaps it is gone again, which only reads tell.
    fn on_done(&mut self, at: At, write: &Write, handle: Option<Handle>) {
        let code = self.code(at);
        let (absent_since, told_removed_at) = (code.passing.absent_since, code.told_removed_at);
        let is_stored = write.content().is_some() && write.place().is_some();
        let told_gone = &self.caches[at.device as usize].told_gone;
        let is_told_gone = handle.is_some_and(|handle| told_gone.contains(&Place::Handle(handle)));
        if absent_since.is_some() && write.content().is_some() {
            // A listing that ran after it lacks it, unless the next one shows it (P-12).
            self.close_write(at, Doubt::Removed);
            self.code_quiet(at).passing.absent_since = absent_since;
        } else if is_told_gone || is_stored && told_removed_at.is_some() && self.profile(at.device).read_back != ReadBack::None {
            self.close_write(at, Doubt::Removed);
        } else {
            self.on_applied(at, handle);
        }
    }

    /// An earlier command with the key of the present one was done: that is the answer to both (`P-04`), once the present one is closed (`I-DEV-09`).
    pub(super) fn on_done_when_asked_before(&mut self, at: At, handle: Option<Handle>) {
        let tells_where = |write: &&mut Write| write.place().is_some() || handle.is_some();
        if let Some(write) = self.code_mut(at).write.as_mut().filter(tells_where) {
            write.done_before = Some(DoneBefore { handle });
            if write.closed.is_some() {
                self.on_done_before(at, handle);
            }
        }
        self.again(at);
    }

    fn on_done_before(&mut self, at: At, handle: Option<Handle>) {
        match self.code(at).write.clone() {
            Some(write) if write.op.is_of_user() => self.on_user_done(at, &write),
            Some(_) | None => self.on_applied(at, handle),
        }
    }

    /// A write that was settled is answered after all (`P-01`), and nothing was sent for the code since.
    pub(super) fn on_late_answer(&mut self, at: At, answer: &Answer) {
        let (now, code) = (self.now, self.code(at));
        if let (Answer::Assigned { pin, handle }, Some(write)) = (answer, &code.write) {
            if matches!(write.op, Op::AssignPin { .. }) {
                // It was asked twice: a read will show it under the name of the code, or the second question gets the same answer.
                return;
            }
            // Another step is under way; that it is the code's own will be known when a read shows it.
            let (window, name) = (code.stored_window(), Some(code.display.clone()));
            let place = Place::Handle(*handle);
            let assigned =
                Held { place, pin: Some(*pin), window, name, is_enabled: true, is_edited: false, is_bound: false, confirmed_at: now };
            remember(&mut self.code_mut(at).past, assigned, now);
            return;
        }
        let is_assigned = |late: &Write| matches!((&late.op, answer), (Op::AssignPin { .. }, Answer::Assigned { .. }));
        let tells = |late: &Write| code.write.is_none() && (!late.op.is_of_user() || is_assigned(late));
        let Some(write) = code.late.clone().filter(tells) else { return };
        match answer {
            Answer::Assigned { pin, handle } => {
                self.code_mut(at).write = Some(write);
                self.on_assigned(at, *pin, *handle);
            }
            // Unless a read has shown that nothing is left of it.
            Answer::Done { handle } if !write.is_without_effect => {
                self.code_mut(at).write = Some(write.clone());
                self.on_done(at, &write, *handle);
            }
            Answer::Refused(Reason::PinTaken) => self.on_late_twin(at),
            Answer::Refused(Reason::Full) => {
                self.learn_full(at.device);
            }
            Answer::Refused(Reason::SlotOutOfRange) => {
                if let Some(Place::Slot(slot)) = write.place() {
                    self.learn_size(at.device, slot);
                }
            }
            // It is no less for good for having come late (`R-20`).
            Answer::Refused(reason) if reason.is_permanent() && self.is_asked_by(at, &write) => {
                let closed_at = write.closed.map_or(now, |closing| closing.at);
                self.code_mut(at).write = Some(write);
                self.on_permanent_refusal(at, *reason, closed_at);
                self.code_mut(at).late = None;
            }
            _ => {}
        }
    }

    /// Whether the PIN of a write is still the one that is asked.
    fn is_asked_by(&self, at: At, write: &Write) -> bool {
        write.content().is_some_and(|(pin, ..)| self.code(at).record.code == Some(pin))
    }

    /// A write that was settled is said to have met a twin.
    pub(super) fn on_late_twin(&mut self, at: At) {
        let (now, code) = (self.now, self.code(at));
        let is_told = |write: &Write| write.closed.is_some_and(|closing| closing.doubt == Doubt::PinTaken);
        let is_news = |write: &Write| self.is_asked_by(at, write) && !is_told(write);
        if code.write.is_none() && code.late.as_ref().is_some_and(is_news) {
            self.conclude_twin(at, now);
            let told = Closing { at: now, doubt: Doubt::PinTaken };
            self.code_mut(at).late.iter_mut().for_each(|write| write.closed = Some(told));
        }
    }

    fn on_accepted(&mut self, at: At, write: &Write) {
        if write.accepted_at.is_some() || write.closed.is_some() {
            return;
        }
        let now = self.now;
        let ack = self.profile(at.device).ack;
        let ends_removal = write.op.is_erasing() && !self.policy.requires_absence_proof_before_removed();
        if self.policy.is_ack_proof(ack) || ends_removal {
            self.on_applied(at, None);
            return;
        }
        // The bridge has taken it: it had room, and is there (vendors.md 9), unless this is the answer to an earlier sending (P-04).
        let is_there = !self.is_bridge_missed(at.device);
        let is_over = |error| error == ErrorCode::IgloohomeBridgeTooManyPendingJobs || is_there;
        for error in [ErrorCode::IgloohomeBridgeOffline, ErrorCode::IgloohomeBridgeTooManyPendingJobs] {
            if is_over(error) && self.code(at).has_error(error) {
                self.code_mut(at).clear_error(error);
            }
        }
        let code = self.code_quiet(at);
        if let Some(write) = &mut code.write {
            write.accepted_at = Some(now);
        }
        if ack == Ack::Nothing {
            // A read that is accepted later runs later: it tells what became of the write (P-05 b).
            code.passing.verify_at = Some(now);
        }
    }

    /// The write is in lock memory, or the entry erased.
    pub(super) fn on_applied(&mut self, at: At, handle: Option<Handle>) {
        let now = self.now;
        let Some(write) = self.code(at).write.clone() else { return };
        let place = write.place().or(handle.map(Place::Handle));
        if write.op.is_erasing() {
            self.settle(at);
            self.code_mut(at).late = None;
            self.on_erased(at, write.place());
            return;
        }
        let Some(place) = place else {
            // Applied, but who knows where: the listing will show it.
            self.close_write(at, Doubt::Lost);
            return;
        };
        self.settle(at);
        let is_bound = self.code(at).is_bound_by(&write);
        // What a read showed under a new id is newer than the write that made it.
        let is_new = matches!(write.op, Op::CreateEntry { .. }) && self.policy.detects_disabled_as_modified();
        let is_shown_off = self.caches[at.device as usize].places.get(&place).is_some_and(|item| !item.enabled);
        let is_off = is_new && (write.is_seen_off || is_shown_off);
        let code = self.code_mut(at);
        code.late = None;
        code.told_removed_at = None;
        code.has_trace = true;
        let before = code.held.take();
        if write.content().is_some() {
            code.in_doubt.clear();
        }
        let overwritten = before.as_ref().map(|held| held.pin).filter(|pin| write.content().is_some_and(|(now, ..)| *pin != Some(now)));
        code.held = Some(match (&write.op, before) {
            (Op::SetSchedule { window, .. }, Some(held)) => {
                remember(&mut code.past, held.clone(), now);
                Held { window: *window, confirmed_at: now, ..held }
            }
            (_, before) => {
                // A look that came after the write may have shown already that others have switched it off since.
                let is_off_since = |held: &Held| held.place == place && !held.is_enabled && held.confirmed_at > write.sent_at;
                let is_enabled = !is_off && !before.as_ref().is_some_and(is_off_since);
                if let Some(held) = before {
                    remember(&mut code.past, held, now);
                }
                let content = write.content();
                let (pin, window, name) = content.map_or((None, None, None), |(pin, window, name)| (Some(pin), window, Some(name)));
                Held { place, pin, window, name, is_enabled, is_edited: false, is_bound, confirmed_at: now }
            }
        });
        code.passing.verify_at = None;
        if let Some(pin) = overwritten {
            self.unblock_twins_of(at.device, pin, now);
            // Nor must a PIN that is written over keep others from it, where no listing comes to tell them.
            self.stir(at.device);
        }
        self.learn_room(at.device);
        self.want_clock(at.device);
        if self.policy.looks_after_write() {
            self.sync_now(at.device);
        }
        self.again(at);
    }

    /// Nothing is there any more in this place.
    pub(super) fn on_erased(&mut self, at: At, place: Option<Place>) {
        if let Some(place) = place {
            if self.forget_entry(at, place) {
                self.forget_refusals(at.device, |slot| place == Place::Slot(slot));
                let code = self.code_mut(at);
                // What makes way for another write is one attempt with it.
                let goes_on = code.goal == Goal::Hold;
                code.retry = if goes_on { Retry { not_before: None, ..code.retry } } else { Retry::default() };
            }
            if self.code(at).record.is_managed {
                self.caches[at.device as usize].places.remove(&place);
            } else {
                self.note_left(at.device, place, self.now);
            }
        }
        self.on_entry_left(at.device);
        self.again(at);
    }

    /// Nothing of the code is in this place any more. Returns whether anything was known to be.
    pub(super) fn forget_entry(&mut self, at: At, place: Place) -> bool {
        let now = self.now;
        let code = self.code_mut(at);
        let held = code.held.take_if(|held| held.place == place);
        if let Some(held) = &held {
            code.in_doubt.clear();
            remember(&mut code.past, held.clone(), now);
        }
        let left: Vec<Held> = code.surplus.extract_if(.., |held| held.place == place).chain(held).collect();
        let left_at = code.told_left_at().unwrap_or(now);
        for held in &left {
            self.unblock_twins_of(at.device, held.pin, left_at);
        }
        !left.is_empty()
    }

    fn on_nothing_there(&mut self, at: At, write: &Write) {
        self.settle(at);
        self.on_erased(at, write.place());
    }

    fn on_not_applied(&mut self, at: At, closed_at: Timestamp, floor_ms: i64) {
        // A copy of it may have been taken all the same: what has its name then is no stranger's (P-14).
        self.remember_attempt(at);
        self.settle(at);
        self.attempt_failed(at, closed_at, floor_ms);
        self.show_failed_attempt(at);
    }

    fn on_refused(&mut self, at: At, reason: Reason, closed_at: Timestamp) {
        let write = self.code(at).write.clone();
        // A copy of it may have been done all the same, and the word of that lost in a crash.
        self.remember_attempt(at);
        let is_blind = self.profile(at.device).read_back == ReadBack::None;
        match reason {
            // No look will tell more than the refusal does.
            Reason::PinTaken if is_blind => self.conclude(at, Doubt::PinTaken, closed_at),
            Reason::NameTaken if is_blind => self.conclude(at, Doubt::NameTaken, closed_at),
            Reason::PinTaken => self.close_write(at, Doubt::PinTaken),
            Reason::NameTaken => self.close_write(at, Doubt::NameTaken),
            Reason::Full => {
                self.settle(at);
                self.learn_full(at.device);
                self.back_off_unless_full(at, closed_at);
            }
            Reason::SlotOutOfRange if self.policy.missing_place_is_offline() => {
                let sent_at = write.map_or(self.now, |write| write.sent_at);
                self.on_not_applied(at, closed_at, 0);
                self.on_unreachable(at.device, PathPart::Lock, sent_at);
            }
            Reason::SlotOutOfRange => {
                self.settle(at);
                if let Some(Place::Slot(slot)) = write.and_then(|write| write.place()) {
                    self.learn_size(at.device, slot);
                }
                self.back_off_unless_full(at, closed_at);
            }
            Reason::SlotOccupied => {
                self.settle(at);
                if let Some(place) = write.and_then(|write| write.place()) {
                    self.note_occupied(at, place);
                }
                self.attempt_failed(at, closed_at, 0);
            }
            Reason::NoSeat => self.on_seat_refused(at, closed_at),
            Reason::BadLength | Reason::BadPin | Reason::BadName | Reason::NotSupported => self.on_permanent_refusal(at, reason, closed_at),
            // Of offline codes alone, which are no writes.
            Reason::NoUserLevel | Reason::NoVariance | Reason::BadWindow => self.on_permanent_refusal(at, reason, closed_at),
            Reason::NoKeypad => {
                let now = self.now;
                self.on_not_applied(at, closed_at, 0);
                self.want_condition(at.device, now);
            }
            Reason::StartInPast => {
                // The start that was sent had gone by when the lock looked at it: the next one leaves as much time for the way.
                let way_ms = write.map_or(0, |write| self.now - write.sent_at);
                self.code_quiet(at).passing.way_ms = way_ms;
                self.on_not_applied(at, closed_at, 0);
            }
            Reason::NoRights | Reason::NoGateway | Reason::NotPaid | Reason::NoCredentials | Reason::ClockNotWritable => {
                self.on_not_applied(at, closed_at, 0);
            }
        }
    }

    /// A new entry meets the obstacle that the refusal taught; anything else, be it in another place, must not be tried without a pause.
    fn back_off_unless_full(&mut self, at: At, closed_at: Timestamp) {
        if !self.is_without_room(at) || self.code(at).goal != Goal::Hold {
            self.attempt_failed(at, closed_at, 0);
        }
    }

    /// `R-20`: not sent again until the record, the device or the capacity change.
    fn on_permanent_refusal(&mut self, at: At, reason: Reason, closed_at: Timestamp) {
        let refused = self.code(at).write.as_ref().and_then(Write::content).map(|(pin, ..)| pin);
        self.settle(at);
        if self.code(at).goal != Goal::Hold || self.policy.keeps_trying_after_refusal(reason) {
            self.attempt_failed(at, closed_at, 0);
            return;
        }
        let is_fit = |pin: &Pin| reason == Reason::BadLength && self.lengths(at.device).contains(pin.length());
        let fit = refused.filter(is_fit);
        if fit.is_some_and(|pin| self.is_of_other_length(at, pin)) {
            self.device_mut(at.device).has_one_length = true;
        }
        if self.code(at).record.is_backup && self.replace_backup(at, false) {
            return;
        }
        match fit {
            Some(pin) => self.block_length(at, pin, closed_at),
            None => self.code_mut(at).block = Some(Block::Refused(reason)),
        }
        // What the lock demands now may be new, and may change again soon.
        self.want_condition(at.device, self.now);
        if reason == Reason::BadLength {
            self.show(at, Symptom::BadLength);
        }
        self.fail_to_set(at);
    }

    /// Closed, but not settled: reads decide. A later closing answer only sharpens the doubt.
    pub(super) fn close_write(&mut self, at: At, doubt: Doubt) {
        let now = self.now;
        let code = self.code_mut(at);
        let Some(write) = &mut code.write else { return };
        if let Some(DoneBefore { handle }) = write.done_before.take() {
            return self.on_done_before(at, handle);
        }
        match &mut write.closed {
            Some(closing) if closing.doubt == Doubt::Lost => closing.doubt = doubt,
            Some(_) => {}
            None => write.closed = Some(Closing { at: now, doubt }),
        }
        code.passing.restart_deadline = None;
        code.passing.verify_at = Some(now);
        code.passing.absent_since = None;
        if self.profile(at.device).read_back == ReadBack::None {
            // What is in doubt for good holds up nobody.
            self.stir_waiting(at.device);
            self.again_device(at.device);
        }
        if !self.policy.removal_needs_settled_writes() && self.code(at).goal != Goal::Hold {
            self.settle(at);
        }
        self.again(at);
    }
}

/// Whether a command was turned away before anybody looked at what it asks.
fn was_not_taken(answer: &Answer) -> bool {
    let is_barred = |reason: &Reason| matches!(reason, Reason::NoRights | Reason::NoGateway | Reason::NotPaid | Reason::NoCredentials);
    match answer {
        Answer::Unreachable(_) | Answer::Busy | Answer::QueueFull | Answer::RateLimited { .. } | Answer::Unauthorized => true,
        Answer::Refused(reason) => is_barred(reason),
        _ => false,
    }
}
