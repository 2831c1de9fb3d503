//! Bringing a lock's memory to what is wanted: one mutating command at a time for each code, what stands in its way, and what its answers
//! mean (port.md 4).

use super::Platform;
use super::pace::Urgency;
use super::reading::remember;
use super::state::{Block, Closing, Code, Doubt, Goal, Held, Retry, Write};
use super::step::{At, Who};
use super::vendor::{Symptom, symptom_problems};
use crate::access_code::Status;
use crate::draw::{Purpose, below, draw};
use crate::id::Handle;
use crate::pin::Pin;
use crate::port::{Answer, Name, Op, PathPart, Place, Reason};
use crate::problem::ErrorCode;
use crate::time::{Timestamp, Window};
use crate::vendor::{Ack, Family, ReadBack, Vendor};

/// What an entry shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub pin: Pin,
    pub window: Option<Window>,
    pub name: Name,
}

/// Why a write is not sent, though it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Another managed code holds the PIN (`R-46`).
    Prevented,
    /// A visible entry of somebody else holds the PIN (`R-46`).
    VisibleTwin,
    /// No room (`I-DEV-03`).
    Full,
    /// The lock would refuse it for ever (`I-DEV-04`, `R-20`).
    Unfit(Reason),
    /// Nothing to type on (`R-64` b).
    NoKeypad,
}

impl Platform {
    /// What the lock shall hold of the code now; none: nothing.
    pub(super) fn wanted(&self, code: &Code) -> Option<Content> {
        let is_wanted = !code.is_gone && code.record.is_managed && self.is_due(code, self.now) && !code.is_expired(self.now);
        let pin = code.record.code.filter(|_| is_wanted)?;
        Some(Content { pin, window: self.stored_window(code), name: code.display.clone() })
    }

    /// The schedule that goes to the lock; a pulled backup keeps none (`fit`).
    fn stored_window(&self, code: &Code) -> Option<Window> {
        let window = code.window().filter(|_| code.is_native && !code.record.is_backup);
        code.moved_window.filter(|_| window.is_some()).or(window)
    }

    /// Whether an entry serves as what is wanted (`fit`).
    pub(super) fn fits(&self, code: &Code, held: &Held) -> bool {
        let Some(pin) = code.record.code else { return false };
        let is_same_name = held.name.as_ref().is_none_or(|name| *name == code.display);
        let is_enabled = held.is_enabled || !self.policy.detects_disabled_as_modified();
        held.pin == Some(pin) && is_same_name && is_enabled && held.window == self.stored_window(code)
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
            return None;
        }
        if let Some(extra) = code.surplus.first() {
            let place = extra.place;
            return self.erase(at, place);
        }
        match (self.wanted(code), &code.held) {
            (Some(_), Some(held)) if self.fits(code, held) => {
                self.confirm_if_new(at);
                None
            }
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

    fn confirm_if_new(&mut self, at: At) {
        let code = self.code(at);
        let is_new = match code.record.status {
            Status::Setting => true,
            Status::Unset => code.is_before_native_start(self.now) && !code.record.is_scheduled_on_device,
            Status::Set | Status::Removing | Status::Unknown => false,
        };
        if is_new {
            self.confirm(at);
        }
    }

    fn finish_if_absent(&mut self, at: At) {
        let code = self.code(at);
        if code.record.status == Status::Removing && !code.is_gone {
            self.finish_removal(at);
        } else if code.goal == Goal::Hold && code.has_trace && code.record.status == Status::Unset {
            // T13 with a start far ahead: an erasure without a word.
            self.code_mut(at).has_trace = false;
        }
    }

    /// A write is open or in doubt: nothing else is sent until it is settled (`P-05`).
    fn await_write(&mut self, at: At) -> Option<Timestamp> {
        let now = self.now;
        let code = self.code(at);
        let write = code.write.as_ref()?;
        if write.closed.is_none() && code.passing.restart_deadline.is_some_and(|deadline| deadline <= now) {
            self.close_write(at, Doubt::Lost);
        }
        let code = self.code(at);
        let write = code.write.as_ref()?;
        if write.is_without_effect && self.wanted(code).is_none() {
            // A newer intent needs no closing answer to the step before (I-DEV-09).
            self.drop_write(at);
            self.again(at);
            return None;
        }
        let waits = write.closed.is_none() && (code.passing.verify_at.is_none() || write.is_without_effect);
        if waits {
            return code.passing.restart_deadline;
        }
        if self.profile(at.device).read_back == ReadBack::None {
            return self.repeat_unread(at);
        }
        match write.place() {
            Some(_) => self.verify(at),
            None => {
                self.want_proof_listing(at);
                None
            }
        }
    }

    /// Without reads the same step is repeated under its own key until it is answered for certain (`P-04`).
    fn repeat_unread(&mut self, at: At) -> Option<Timestamp> {
        let write = self.code(at).write.clone()?;
        let closing = write.closed?;
        if self.code(at).retry.not_before.is_none() {
            self.attempt_failed(at, closing.at, 0);
        }
        let not_before = self.code(at).retry.not_before?;
        if not_before > self.now || !self.is_writable(at.device) {
            return Some(not_before);
        }
        if self.may_call(self.device(at.device).account, self.urgency(at), Who::Lock(at)) {
            self.code_mut(at).retry.not_before = None;
            self.send_write(at, write.op);
        }
        None
    }

    /// Stores what is wanted: in place where an entry of ours is, else anew.
    fn store(&mut self, at: At, wanted: &Content) -> Option<Timestamp> {
        let is_due_now = self.code(at).record.status != Status::Removing;
        if !is_due_now {
            return None;
        }
        if let Some(obstacle) = self.obstacle(at, wanted) {
            self.meet_obstacle(at, obstacle);
            return None;
        }
        self.clear_obstacle(at);
        if let Some(wait) = self.hindrance(at) {
            return wait;
        }
        let (family, in_place) = (self.profile(at.device).family, self.profile(at.device).update_in_place);
        let held = self.code(at).held.clone();
        let op = match (family, held) {
            (Family::ById, Some(held)) if !in_place => return self.erase(at, held.place),
            (Family::ById, Some(held)) => self.replace_op(at, wanted, &held)?,
            (Family::ById, None) => self.create_op(at, wanted),
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

    fn create_op(&mut self, at: At, wanted: &Content) -> Op {
        let window = self.window_for_now(at, wanted.window);
        Op::CreateEntry { pin: wanted.pin, name: wanted.name.clone(), window }
    }

    /// The window as it goes out; a start that the vendor's margin moves is remembered (`F-22`).
    fn window_for_now(&mut self, at: At, window: Option<Window>) -> Option<Window> {
        let margin = self.profile(at.device).start_margin_ms;
        let declared = self.code(at).window().filter(|_| window.is_some())?;
        let moved = self.policy.window_to_store(declared, self.now, margin);
        if moved != declared {
            self.code_mut(at).moved_window = Some(moved);
        }
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
    fn erase(&mut self, at: At, place: Place) -> Option<Timestamp> {
        if let Some(wait) = self.hindrance(at) {
            return wait;
        }
        let op = match place {
            Place::Handle(handle) => Op::DeleteEntry { handle },
            Place::Slot(slot) => Op::ClearSlot { slot },
        };
        self.send_when_called(at, op)
    }

    fn send_when_called(&mut self, at: At, op: Op) -> Option<Timestamp> {
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

    /// Whether something beside the code itself keeps a write back: none if not; else when to look again, where the clock can tell.
    fn hindrance(&mut self, at: At) -> Option<Option<Timestamp>> {
        let code = self.code(at);
        if !self.is_writable(at.device) || !self.caches[at.device as usize].has_inventory {
            return Some(None);
        }
        match code.block {
            Some(Block::Refused(_)) if code.goal == Goal::Hold => return Some(None),
            Some(Block::Twin(until)) if code.goal == Goal::Hold && until > self.now => return Some(Some(until)),
            Some(Block::Refused(_) | Block::Twin(_)) | None => {}
        }
        if code.unanswered.is_some() {
            let deadline = code.passing.restart_deadline;
            if deadline.is_none_or(|deadline| deadline > self.now) {
                return Some(deadline);
            }
            self.on_answered(at);
        }
        let code = self.code(at);
        if let Some(not_before) = code.retry.not_before.filter(|not_before| *not_before > self.now) {
            return Some(Some(not_before));
        }
        if let Some(free_at) = self.lock_busy_until(at) {
            self.caches[at.device as usize].waiting.insert(at.n);
            return Some(Some(free_at));
        }
        None
    }

    /// A hub takes one write for a lock at a time (`hub_radio_collides`); a lost one does not hold up the others for long.
    fn lock_busy_until(&self, at: At) -> Option<Timestamp> {
        let profile = self.profile(at.device);
        if profile.family == Family::ById {
            return None;
        }
        let others = self.device(at.device).codes.iter().filter(|code| code.n != at.n);
        let open = others.filter_map(|code| code.write.as_ref()).filter(|write| write.closed.is_none() && !write.is_without_effect);
        open.map(|write| write.sent_at + profile.lat_max_ms).filter(|until| *until > self.now).min()
    }

    fn obstacle(&self, at: At, wanted: &Content) -> Option<Obstacle> {
        let (device, code) = (self.device(at.device), self.code(at));
        if !device.info.lengths.contains(wanted.pin.length()) {
            return Some(Obstacle::Unfit(Reason::BadLength));
        }
        if !super::choose::satisfies(wanted.pin, &device.info.constraints) {
            return Some(Obstacle::Unfit(Reason::BadPin));
        }
        if !device.info.keypad {
            return Some(Obstacle::NoKeypad);
        }
        if !self.policy.sends_duplicate_pin()
            && let Some(twin) = self.twin(at, wanted.pin)
        {
            return Some(twin);
        }
        let is_new_entry = code.held.is_none();
        let is_full = is_new_entry && self.entries_known(at.device) >= self.capacity(at.device);
        (is_full && !self.policy.writes_beyond_capacity()).then_some(Obstacle::Full)
    }

    fn twin(&self, at: At, pin: Pin) -> Option<Obstacle> {
        let others = || self.device(at.device).codes.iter().filter(|code| code.n != at.n);
        if others().any(|code| (code.record.is_managed || code.is_gone) && code.resident_pins().any(|other| other == pin)) {
            return Some(Obstacle::Prevented);
        }
        let is_visible = others().any(|code| !code.is_gone && !code.record.is_managed && code.record.code == Some(pin));
        is_visible.then_some(Obstacle::VisibleTwin)
    }

    /// Entries that the controller put there or knows of (`I-DEV-03`).
    pub(super) fn entries_known(&self, device: u32) -> u32 {
        let state = self.device(device);
        let ours = state.codes.iter().map(|code| {
            let is_adding = code.held.is_none() && code.write.as_ref().is_some_and(|write| write.content().is_some());
            code.entries().count() + usize::from(is_adding)
        });
        let owned = |place: &Place| state.codes.iter().any(|code| code.entries().any(|held| held.place == *place));
        let strangers = self.caches[device as usize].places.keys().filter(|place| !owned(place) && !self.is_being_written(device, **place));
        ours.sum::<usize>() as u32 + strangers.count() as u32
    }

    fn is_being_written(&self, device: u32, place: Place) -> bool {
        self.device(device).codes.iter().any(|code| code.write.as_ref().is_some_and(|write| write.place() == Some(place)))
    }

    /// Entries that fit in, as far as the device or its refusals have told.
    pub(super) fn capacity(&self, device: u32) -> u32 {
        let (state, profile) = (self.device(device), self.profile(device));
        let told = state.info.positions.saturating_sub(profile.reserved_slots);
        let slots = state.first_missing_slot.map_or(u32::MAX, |slot| u32::from(slot.0).saturating_sub(1));
        told.min(slots).min(state.capacity_met.unwrap_or(u32::MAX))
    }

    fn meet_obstacle(&mut self, at: At, obstacle: Obstacle) {
        let now = self.now;
        if self.code(at).record.is_backup && self.replace_backup(at, obstacle == Obstacle::Full) {
            return;
        }
        match obstacle {
            Obstacle::Prevented => {
                if !self.code(at).has_error(ErrorCode::DuplicateCodeAttemptPrevented) {
                    self.code_mut(at).raise_error(ErrorCode::DuplicateCodeAttemptPrevented, now);
                }
            }
            Obstacle::VisibleTwin => {
                if !self.code(at).has_error(ErrorCode::DuplicateCodeOnDevice) {
                    self.code_mut(at).raise_error(ErrorCode::DuplicateCodeOnDevice, now);
                }
                self.fail_to_set(at);
            }
            Obstacle::Full => {
                self.show(at, Symptom::Full);
                self.fail_to_set(at);
                self.make_room(at.device);
            }
            Obstacle::Unfit(reason) => {
                if reason == Reason::BadLength {
                    self.show(at, Symptom::BadLength);
                }
                self.fail_to_set(at);
            }
            Obstacle::NoKeypad => {}
        }
    }

    /// The conflict is gone at this attempt (lifecycle 9).
    fn clear_obstacle(&mut self, at: At) {
        let code = self.code(at);
        let is_told = matches!(code.block, Some(Block::Twin(until)) if until > self.now);
        let shows = |error| code.has_error(error);
        if shows(ErrorCode::DuplicateCodeAttemptPrevented) || (shows(ErrorCode::DuplicateCodeOnDevice) && !is_told) {
            let code = self.code_mut(at);
            code.clear_error(ErrorCode::DuplicateCodeAttemptPrevented);
            if !is_told {
                code.clear_error(ErrorCode::DuplicateCodeOnDevice);
                code.block = None;
            }
        }
    }

    /// An answer to the write that the code waits for.
    pub(super) fn on_write_answer(&mut self, at: At, answer: &Answer) {
        let (account, device) = (self.device(at.device).account, at.device);
        let Some(write) = self.code(at).write.clone() else { return };
        self.take_condition(account, Some(device), write.sent_at, answer);
        if self.code(at).write.is_none() {
            return;
        }
        let now = self.now;
        let closed_at = write.closed.map_or(now, |closing| closing.at);
        match answer {
            Answer::Accepted => self.on_accepted(at, &write),
            Answer::Done { handle } => {
                self.on_contact(device, write.sent_at);
                self.on_applied(at, *handle);
            }
            Answer::NotFound => self.on_nothing_there(at, &write),
            Answer::Refused(reason) => self.on_refused(at, *reason, closed_at),
            Answer::Busy | Answer::QueueFull => self.on_not_applied(at, closed_at, 0),
            Answer::RateLimited { retry_after_ms } => {
                let floor = self.policy.retry_after_floor_ms(*retry_after_ms);
                self.settle(at);
                self.attempt_failed(at, closed_at, floor);
            }
            Answer::Unreachable(part) => {
                self.on_not_applied(at, closed_at, 0);
                if *part == PathPart::Lock {
                    self.show(at, Symptom::DroppedOff);
                }
            }
            Answer::Unauthorized | Answer::Gone => {
                self.settle(at);
                self.attempt_failed(at, closed_at, 0);
            }
            Answer::ServerError { .. } if self.policy.server_error_is_refusal() => self.on_not_applied(at, closed_at, 0),
            Answer::TimedOut if write.is_without_effect || self.policy.timeout_is_refusal() => self.conclude(at, Doubt::Lost, closed_at),
            Answer::MaybeDuplicate => self.close_write(at, Doubt::Unclear),
            Answer::ServerError { .. }
            | Answer::TimedOut
            | Answer::Entries { .. }
            | Answer::Entry(_)
            | Answer::Slot(_)
            | Answer::Devices { .. }
            | Answer::Device(_)
            | Answer::Clock { .. } => self.close_write(at, Doubt::Lost),
        }
        self.again(at);
    }

    fn on_accepted(&mut self, at: At, write: &Write) {
        if write.accepted_at.is_some() || write.closed.is_some() {
            return;
        }
        let now = self.now;
        let ack = self.profile(at.device).ack;
        if self.policy.is_ack_proof(ack) {
            self.on_applied(at, None);
            return;
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
            self.on_erased(at, write.place());
            return;
        }
        let Some(place) = place else {
            // Applied, but who knows where: the listing will show it.
            self.close_write(at, Doubt::Lost);
            return;
        };
        self.settle(at);
        let code = self.code_mut(at);
        code.has_trace = true;
        let before = code.held.take();
        code.held = Some(match (&write.op, before) {
            (Op::SetSchedule { window, .. }, Some(held)) => Held { window: *window, confirmed_at: now, ..held },
            (_, before) => {
                before.into_iter().for_each(|held| remember(&mut code.past, held));
                let content = write.content();
                let (pin, window, name) = content.map_or((None, None, None), |(pin, window, name)| (Some(pin), window, Some(name)));
                Held { place, pin, window, name, is_enabled: true, confirmed_at: now }
            }
        });
        code.passing.verify_at = None;
        self.again(at);
    }

    /// Nothing is there any more in this place.
    pub(super) fn on_erased(&mut self, at: At, place: Option<Place>) {
        if let Some(place) = place {
            self.forget_entry(at, place);
            self.code_mut(at).retry = Retry::default();
            self.caches[at.device as usize].places.remove(&place);
        }
        self.on_entry_left(at.device);
        self.again(at);
    }

    pub(super) fn forget_entry(&mut self, at: At, place: Place) {
        let code = self.code_mut(at);
        if let Some(held) = code.held.take_if(|held| held.place == place) {
            remember(&mut code.past, held);
        }
        code.surplus.retain(|held| held.place != place);
    }

    fn on_nothing_there(&mut self, at: At, write: &Write) {
        self.settle(at);
        self.on_erased(at, write.place());
    }

    fn on_not_applied(&mut self, at: At, closed_at: Timestamp, floor_ms: i64) {
        self.settle(at);
        self.attempt_failed(at, closed_at, floor_ms);
        self.show_failed_attempt(at);
    }

    fn on_refused(&mut self, at: At, reason: Reason, closed_at: Timestamp) {
        let write = self.code(at).write.clone();
        match reason {
            Reason::PinTaken => self.close_write(at, Doubt::PinTaken),
            Reason::NameTaken => self.close_write(at, Doubt::NameTaken),
            Reason::Full => {
                self.settle(at);
                let known = self.entries_known(at.device);
                self.device_mut(at.device).capacity_met = Some(known);
                self.back_off_unless_new(at, closed_at);
            }
            Reason::SlotOutOfRange => {
                self.settle(at);
                if let Some(Place::Slot(slot)) = write.and_then(|write| write.place()) {
                    let state = self.device_mut(at.device);
                    state.first_missing_slot = Some(state.first_missing_slot.map_or(slot, |known| known.min(slot)));
                }
                self.back_off_unless_new(at, closed_at);
            }
            Reason::SlotOccupied => {
                self.settle(at);
                if let Some(place) = write.and_then(|write| write.place()) {
                    self.note_occupied(at.device, place);
                }
                self.attempt_failed(at, closed_at, 0);
            }
            Reason::BadLength | Reason::BadPin | Reason::BadName | Reason::NotSupported => self.on_permanent_refusal(at, reason, closed_at),
            Reason::NoKeypad => {
                let now = self.now;
                self.on_not_applied(at, closed_at, 0);
                self.want_condition(at.device, now);
            }
            Reason::StartInPast
            | Reason::NoRights
            | Reason::NoGateway
            | Reason::NotPaid
            | Reason::NoCredentials
            | Reason::ClockNotWritable => {
                self.on_not_applied(at, closed_at, 0);
            }
        }
    }

    /// A new entry meets the obstacle that the refusal taught; anything else must not be repeated without a pause.
    fn back_off_unless_new(&mut self, at: At, closed_at: Timestamp) {
        let code = self.code(at);
        if code.held.is_some() || code.goal != Goal::Hold {
            self.attempt_failed(at, closed_at, 0);
        }
    }

    /// `R-20`: not sent again until the record, the device or the capacity change.
    fn on_permanent_refusal(&mut self, at: At, reason: Reason, closed_at: Timestamp) {
        self.settle(at);
        if self.code(at).goal != Goal::Hold || self.policy.keeps_trying_after_refusal(reason) {
            self.attempt_failed(at, closed_at, 0);
            return;
        }
        if self.code(at).record.is_backup && self.replace_backup(at, false) {
            return;
        }
        self.code_mut(at).block = Some(Block::Refused(reason));
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
        match &mut write.closed {
            Some(closing) if closing.doubt == Doubt::Lost => closing.doubt = doubt,
            Some(_) => {}
            None => write.closed = Some(Closing { at: now, doubt }),
        }
        if doubt == Doubt::Lost && write.content().is_some() {
            code.has_trace = true;
        }
        code.passing.restart_deadline = None;
        code.passing.verify_at = Some(now);
        code.passing.absent_since = None;
        if !self.policy.removal_needs_settled_writes() && self.code(at).goal != Goal::Hold {
            self.settle(at);
        }
        self.again(at);
    }

    /// Reads showed that the write had no effect. What follows depends on why.
    pub(super) fn conclude(&mut self, at: At, doubt: Doubt, closed_at: Timestamp) {
        let was_accepted = self.code(at).write.as_ref().is_some_and(|write| write.accepted_at.is_some() && write.content().is_some());
        self.settle(at);
        match doubt {
            Doubt::Lost | Doubt::Unclear => {
                if was_accepted || doubt == Doubt::Unclear {
                    self.code_mut(at).retry.absences += 1;
                }
                self.attempt_failed(at, closed_at, 0);
                self.show_failed_attempt(at);
            }
            Doubt::NameTaken => {
                self.vary_display(at);
                self.attempt_failed(at, closed_at, 0);
            }
            Doubt::PinTaken => self.on_told_twin(at),
        }
        self.again(at);
    }

    /// `R-54`: an equal PIN is in the lock under an entry that nobody here can see or manage.
    fn on_told_twin(&mut self, at: At) {
        if self.code(at).goal != Goal::Hold {
            return;
        }
        if self.code(at).record.is_backup && self.replace_backup(at, false) {
            return;
        }
        let wait = self.policy.twin_refusal_retry_ms(&self.config.policy);
        let jitter = below(self.draw_jitter(at), (wait / 10).max(1) as u64) as i64;
        let now = self.now;
        let code = self.code_mut(at);
        code.block = Some(Block::Twin(now + wait + jitter));
        code.raise_error(ErrorCode::DuplicateCodeOnDevice, now);
        self.fail_to_set(at);
        self.show_failed_attempt(at);
    }

    /// `R-03`: the next attempt, counted from the closing input of this one.
    pub(super) fn attempt_failed(&mut self, at: At, closed_at: Timestamp, floor_ms: i64) {
        let now = self.now;
        let jitter = self.draw_jitter(at);
        let suspects = self.policy.absences_that_suspect_a_twin();
        // SmartThings counts failures instead (V-11).
        let can_suspect = self.profile(at.device).vendor != Vendor::SmartThings;
        let constants = &self.config.policy;
        let code = self.code(at);
        let since = code.retry.since.unwrap_or(now);
        let is_twin_suspected = can_suspect && code.retry.absences >= suspects;
        let is_long = now - since >= constants.retry_long_after_ms || code.is_in_fight || is_twin_suspected;
        let failures = code.retry.failures.saturating_add(1);
        let delay = self.policy.retry_delay_ms(failures, is_long, jitter, constants).max(floor_ms);
        let retry = &mut self.code_mut(at).retry;
        retry.failures = failures;
        retry.since = Some(since);
        retry.not_before = Some(closed_at + delay);
        self.again(at);
    }

    pub(super) fn draw_jitter(&mut self, at: At) -> u64 {
        let entropy = self.config.entropy;
        let code = self.code_mut(at);
        code.draws += 1;
        draw(entropy, Purpose::Jitter, code.record.access_code_id.0, code.draws)
    }

    /// The write is settled: it has run, or never will.
    pub(super) fn settle(&mut self, at: At) {
        self.drop_write(at);
        let code = self.code_mut(at);
        code.phase += 1;
        code.passing.verify_at = None;
        code.passing.absent_since = None;
        code.passing.scouted = None;
        code.passing.kept_slot = None;
        let waiting = core::mem::take(&mut self.caches[at.device as usize].waiting);
        waiting.into_iter().for_each(|n| self.again(At { device: at.device, n }));
    }

    pub(super) fn drop_write(&mut self, at: At) {
        let code = self.code(at);
        if let Some(write) = code.write.as_ref() {
            let command = write.command;
            if code.unanswered != Some(command) {
                self.writes.remove(&command);
            }
            self.code_mut(at).write = None;
        }
    }

    /// Reads settle a write that nothing has answered yet: its answer is still waited for.
    pub(super) fn keep_unanswered(&mut self, at: At) {
        let open = self.code(at).write.as_ref().filter(|write| write.accepted_at.is_none() && write.closed.is_none());
        if let Some(command) = open.map(|write| write.command) {
            self.code_mut(at).unanswered = Some(command);
        }
    }

    /// Any answer to a command that is settled already, or the end of the wait for one after a restart.
    pub(super) fn on_answered(&mut self, at: At) {
        if let Some(command) = self.code(at).unanswered {
            self.writes.remove(&command);
            let code = self.code_mut(at);
            code.unanswered = None;
            code.passing.restart_deadline = None;
            self.again(at);
        }
    }

    fn show_failed_attempt(&mut self, at: At) {
        let failures = self.code(at).retry.failures;
        self.show(at, Symptom::AttemptFailed);
        if failures >= self.config.policy.multiple_retries {
            self.show(at, Symptom::FailedManyTimes);
        }
    }

    /// Shows the vendor's own problem for a symptom while a code is being set (`R-11`).
    pub(super) fn show(&mut self, at: At, symptom: Symptom) {
        let now = self.now;
        let code = self.code(at);
        let is_setting = code.record.is_managed
            && !code.is_gone
            && code.goal == Goal::Hold
            && matches!(code.record.status, Status::Setting | Status::Unset)
            && code.episode.is_some();
        let Some(problems) = symptom_problems(self.profile(at.device).vendor, symptom).filter(|_| is_setting) else { return };
        let has_failed = code.episode.is_some_and(|episode| episode.is_failed);
        match problems.warning {
            Some(warning) if !has_failed => {
                if !code.record.warnings.iter().any(|entry| entry.warning_code == warning) {
                    self.code_mut(at).raise_warning(warning, now);
                }
            }
            Some(_) | None => {
                if !code.has_error(problems.error) {
                    self.code_mut(at).raise_error(problems.error, now);
                }
            }
        }
    }

    /// A twin block or a refusal ends: something that it hung on has changed.
    pub(super) fn unblock(&mut self, device: u32) {
        let blocked: alloc::vec::Vec<u64> =
            self.device(device).codes.iter().filter(|code| code.block.is_some()).map(|code| code.n).collect();
        for n in blocked {
            let at = At { device, n };
            let code = self.code_mut(at);
            code.block = None;
            code.retry = Retry::default();
            self.again(at);
        }
    }

    /// Room was made: those who wait for it, or for the PIN that left, are looked at.
    pub(super) fn on_entry_left(&mut self, device: u32) {
        if self.device(device).is_refill_blocked {
            self.device_mut(device).is_refill_blocked = false;
        }
        self.stir(device);
        self.again_device(device);
    }
}
