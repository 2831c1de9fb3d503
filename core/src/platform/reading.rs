//! Direct reads of one place, and what they show of the code whose place it is (port.md 5).

use super::Platform;
use super::likeness::{Likeness, hides_pin, like_held};
use super::pace::Urgency;
use super::state::{Goal, Write};
use super::step::{At, Who};
use crate::id::{Epoch, Slot};
use crate::port::{Answer, Item, OnLock, Op, Place, ShownPin, SlotContent};
use crate::time::{MINUTE_MS, Timestamp};
use crate::vendor::ReadBack;

/// A read under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub sent_at: Timestamp,
    pub kind: ReadKind,
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadKind {
    /// The devices of an account.
    Devices { account: u32 },
    /// The seats of an account's site.
    Site { account: u32 },
    /// The description of one device.
    Device { device: u32, epoch: Epoch },
    /// The clock of a lock; or it is set.
    Clock { device: u32, epoch: Epoch },
    /// All entries of a lock.
    Entries { device: u32, epoch: Epoch },
    /// One place, for the code that is or may be there.
    Place { at: At, place: Place, epoch: Epoch },
    /// The time slots of a door (`V-09`).
    Levels { device: u32, epoch: Epoch },
    /// No read: the claim of an entry at the vendor.
    Claim { at: At, epoch: Epoch },
    /// One slot, to see whether it is free.
    Scout { at: At, slot: Slot, epoch: Epoch },
}

impl ReadKind {
    /// The device that it is about, in the incarnation that it had then.
    fn incarnation(self) -> Option<(u32, Epoch)> {
        match self {
            Self::Devices { .. } | Self::Site { .. } => None,
            Self::Device { device, epoch }
            | Self::Clock { device, epoch }
            | Self::Entries { device, epoch }
            | Self::Levels { device, epoch } => Some((device, epoch)),
            Self::Place { at, epoch, .. } | Self::Claim { at, epoch } | Self::Scout { at, epoch, .. } => Some((at.device, epoch)),
        }
    }
}

/// How far a read may be relied on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub sent_at: Timestamp,
    pub is_fresh: bool,
}

impl Platform {
    /// An answer to any read. What was read in an incarnation that is over tells nothing.
    pub(super) fn on_read_answer(&mut self, read: Read, answer: Answer) {
        if let Some((device, epoch)) = read.kind.incarnation()
            && self.device(device).epoch() != epoch
        {
            // Of the account it tells all the same (`V-17`).
            return self.take_condition(self.device(device).account, None, read.sent_at, &answer);
        }
        match read.kind {
            ReadKind::Devices { account } => self.on_devices(account, &read, answer),
            ReadKind::Site { account } => self.on_site(account, &read, &answer),
            ReadKind::Device { device, .. } => self.on_device(device, &read, &answer),
            ReadKind::Levels { device, .. } => self.on_levels(device, &read, &answer),
            ReadKind::Clock { device, .. } => self.on_clock(device, &read, &answer),
            ReadKind::Entries { device, .. } => self.on_entries(device, &read, answer),
            ReadKind::Place { at, place, .. } => self.on_place(at, place, &read, &answer),
            ReadKind::Scout { at, slot, .. } => self.on_scouted(at, slot, &read, &answer),
            ReadKind::Claim { at, .. } => self.on_claimed(at, &read, &answer),
        }
    }

    /// Wants a direct fresh read of the code's place.
    pub(super) fn want_verify(&mut self, at: At, not_before: Timestamp) {
        let passing = &mut self.code_quiet(at).passing;
        passing.verify_at = Some(passing.verify_at.map_or(not_before, |wanted| wanted.min(not_before)));
        self.again(at);
    }

    /// Reads the place of the code's write or entry directly, when it is time to.
    pub(super) fn verify(&mut self, at: At) -> Option<Timestamp> {
        let code = self.code(at);
        let place = code.write.as_ref().and_then(Write::place).or(code.held.as_ref().map(|held| held.place))?;
        // One that has taken twice as long as any should was lost on the way, however late that will be told: it does not keep others waiting.
        let given_up_by = self.now - 2 * self.profile(at.device).lat_max_ms;
        let is_under_way = code.passing.read.is_some_and(|read| self.reads.get(&read).is_none_or(|read| read.sent_at >= given_up_by));
        if is_under_way || self.device(at.device).is_cut_off() {
            return None;
        }
        let wait = earliest_of_both(code.passing.verify_at, code.passing.read_not_before);
        if wait.is_some_and(|wait| wait > self.now) {
            return wait;
        }
        if self.profile(at.device).read_back == ReadBack::None {
            self.code_quiet(at).passing.verify_at = None;
            return None;
        }
        let account = self.device(at.device).account;
        if self.may_call(account, Urgency::Proof, Who::Lock(at)) {
            let op = match place {
                Place::Handle(handle) => Op::ReadEntry { handle, fresh: true },
                Place::Slot(slot) => Op::ReadSlot { slot, fresh: true },
            };
            let epoch = self.device(at.device).epoch();
            self.ask_for_code(at, op, ReadKind::Place { at, place, epoch });
        }
        None
    }

    pub(super) fn ask_for_code(&mut self, at: At, op: Op, kind: ReadKind) {
        let account = self.device(at.device).account;
        let id = self.code(at).record.access_code_id;
        let command = self.send_read(account, Some(at.device), Some(id), op);
        self.reads.insert(command, Read { sent_at: self.now, kind });
        self.code_quiet(at).passing.read = Some(command);
    }

    /// A direct read has answered, or failed to.
    fn on_place(&mut self, at: At, place: Place, read: &Read, answer: &Answer) {
        if self.find(at).is_none() {
            return;
        }
        self.code_quiet(at).passing.read = None;
        self.stir_waiting(at.device);
        self.again(at);
        let shown = match look(answer) {
            Some(Look::Entry(item)) => Some(item),
            Some(Look::Nothing | Look::Reserved | Look::NoPlace) => None,
            None => {
                self.on_read_failure(at, read, answer);
                return;
            }
        };
        let passing = &mut self.code_quiet(at).passing;
        passing.read_failures = 0;
        passing.read_not_before = None;
        self.on_contact(at.device, read.sent_at);
        let now = self.now;
        let memory = &mut self.caches[at.device as usize];
        match shown {
            Some(item) => memory.show_one(Item { place, ..item.clone() }, now),
            None => drop(memory.places.remove(&place)),
        }
        self.on_shown(at, place, shown, Evidence { sent_at: read.sent_at, is_fresh: true });
    }

    pub(super) fn on_read_failure(&mut self, at: At, read: &Read, answer: &Answer) {
        let account = self.device(at.device).account;
        self.take_condition(account, Some(at.device), read.sent_at, answer);
        let again_at = self.probe_at(read.sent_at, self.code(at).passing.read_failures);
        let passing = &mut self.code_quiet(at).passing;
        passing.read_not_before = Some(again_at);
        passing.read_failures = passing.read_failures.saturating_add(1);
    }

    /// What a read shows in a place of the code.
    pub(super) fn on_shown(&mut self, at: At, place: Place, item: Option<&Item>, evidence: Evidence) {
        let code = self.code(at);
        if code.write.as_ref().is_some_and(|write| write.place() == Some(place)) {
            self.judge_write(at, item, evidence);
            return;
        }
        if self.shows_taken_seat(at, place, item, evidence) {
            self.on_seat_shown(at);
        }
        if self.code(at).write.is_some() {
            return self.stop_looking_after(at, evidence);
        }
        let code = self.code(at);
        let Some(held) = code.held.as_ref().filter(|held| held.place == place) else {
            if item.is_none() && evidence.is_fresh {
                self.on_erased(at, Some(place));
            }
            return;
        };
        if !code.record.is_managed && !code.is_gone {
            self.on_stranger_shown(at, item, evidence);
            return;
        }
        if item.is_some_and(|item| self.is_yet_to_be_told(at, item)) {
            return self.want_verify(at, if evidence.is_fresh { self.now + MINUTE_MS } else { self.now });
        }
        let mut likeness = item.map_or(Likeness::Different, |item| like_held(item, held, self.profile(at.device)));
        // An earlier name of its own tells an old state where the PIN can't (P-14), which serves if it had the same PIN (R-64 a).
        let old_state = item.filter(|item| item.name != held.name).and_then(|item| self.past_of(at, item));
        let is_same_but_for_name = hides_pin(self.profile(at.device))
            && old_state.is_some_and(|past| past.pin.is_some() && (past.pin, past.window) == (held.pin, held.window));
        let is_old_state = old_state.is_some() && !is_same_but_for_name;
        if likeness == Likeness::Different && is_same_but_for_name {
            likeness = Likeness::Undecided;
        }
        // Ours was said to be gone: what has another name came after it, whatever PIN it has.
        let is_others = likeness == Likeness::Same && item.is_some_and(|item| !self.is_still_ours(at, item));
        let is_succeeded = item.is_some_and(|item| self.is_succeeded(at, held, item));
        if is_others || likeness == Likeness::Undecided && (is_old_state || is_succeeded) {
            likeness = Likeness::Different;
        }
        let is_off = item.is_some_and(|item| !item.enabled) && self.policy.detects_disabled_as_modified();
        let is_newer = self.policy.read_may_overturn(evidence.sent_at, held.confirmed_at, self.lag_of(at.device, evidence));
        let is_lost = self.shows_lost_seat(at.device, item) && likeness != Likeness::Different && held.is_enabled && is_newer;
        if is_lost && self.policy.minds_lost_seats() {
            return self.on_seat_lost(at, evidence);
        }
        let is_unloaded = item.is_some_and(|item| item.on_lock == OnLock::No);
        let is_disabled = held.is_enabled && (is_off || is_unloaded);
        let is_renamed = item
            .is_some_and(|item| self.policy.name_difference_is_modification() && item.name != code.record.name.as_deref().map(Into::into));
        let (confirmed_at, was_off) = (held.confirmed_at, !held.is_enabled && code.goal == Goal::Hold);
        let lag = self.lag_of(at.device, evidence);
        if likeness != Likeness::Different && !is_disabled && !is_renamed {
            let is_on = was_off && item.is_some_and(|item| item.enabled && item.on_lock == OnLock::Yes);
            let is_sure = !self.is_by_seat(at.device) || evidence.is_fresh;
            if is_on && is_sure && self.policy.read_may_overturn(evidence.sent_at, confirmed_at, lag) {
                // Others switched it on again, or its user has a seat again: it serves as it is.
                let now = self.now;
                let code = self.code_mut(at);
                code.held.iter_mut().for_each(|held| (held.is_enabled, held.confirmed_at) = (true, now));
                code.user.iter_mut().for_each(|user| user.has_seat = true);
                self.again(at);
            }
            self.on_still_there(at, evidence);
            return;
        }
        // What a read shows is as true as it is new; only what it does not show needs a fresh one (P-06, P-12).
        let is_shown_or_fresh = evidence.is_fresh || item.is_some();
        // An entry under an id of its own had no other content before the write that made it, however old the read; but it may have had no seat.
        let code = self.code(at);
        let is_as_made = matches!(place, Place::Handle(_))
            && !code.past.iter().any(|past| past.place == place)
            && !self.shows_lost_seat(at.device, item);
        let is_later = is_as_made && item.is_some() && !is_unloaded;
        if is_later || (is_shown_or_fresh && self.policy.read_may_overturn(evidence.sent_at, confirmed_at, lag)) {
            self.code_quiet(at).passing.verify_at = None;
            self.overturn(at, item, evidence);
        } else {
            self.caches[at.device as usize].is_clean = false;
            self.want_verify(at, self.now);
        }
    }

    /// Whether only the PIN can tell what lies in the code's slot, and it is not shown yet (`pin_blank_after_write`): under another name it may be the same entry
    /// still (`R-64` a), if nobody said that it left.
    fn is_yet_to_be_told(&self, at: At, item: &Item) -> bool {
        let code = self.code(at);
        let is_blank = item.pin == ShownPin::Blank && !hides_pin(self.profile(at.device));
        let is_renamed = code.held.as_ref().is_some_and(|held| held.name.is_some() && item.name.is_some() && item.name != held.name);
        is_blank && is_renamed && matches!(item.place, Place::Slot(_)) && code.told_removed_at.is_none()
    }

    /// How old what a read shows may be: a fresh one is never older than its emission (`P-06`).
    pub(super) fn lag_of(&self, device: u32, evidence: Evidence) -> i64 {
        if evidence.is_fresh { 0 } else { self.profile(device).read_lag_ms }
    }

    fn on_still_there(&mut self, at: At, evidence: Evidence) {
        if evidence.is_fresh {
            let code = self.code_quiet(at);
            (code.passing.absent_since, code.told_removed_at) = (None, None);
        }
        self.stop_looking_after(at, evidence);
        if self.ends_outage(at, evidence) {
            self.resolve(at);
        }
    }

    /// A look was had. One that was wanted since it began is still to come.
    fn stop_looking_after(&mut self, at: At, evidence: Evidence) {
        if evidence.is_fresh {
            let passing = &mut self.code_quiet(at).passing;
            passing.verify_at = passing.verify_at.filter(|wanted| *wanted > evidence.sent_at);
        }
    }
}

/// What a direct read shows of a place.
pub(super) enum Look<'a> {
    Nothing,
    Entry(&'a Item),
    /// The lock keeps the place for itself.
    Reserved,
    /// There is no such place, or no such entry.
    NoPlace,
}

/// What a direct read shows; none if it failed.
pub(super) fn look(answer: &Answer) -> Option<Look<'_>> {
    match answer {
        Answer::Entry(item) | Answer::Slot(SlotContent::Occupied(item)) => Some(Look::Entry(item)),
        Answer::Slot(SlotContent::Free { .. }) => Some(Look::Nothing),
        Answer::Slot(SlotContent::Reserved) => Some(Look::Reserved),
        Answer::NotFound => Some(Look::NoPlace),
        Answer::Accepted
        | Answer::Done { .. }
        | Answer::Refused(_)
        | Answer::Busy
        | Answer::QueueFull
        | Answer::RateLimited { .. }
        | Answer::Unreachable(_)
        | Answer::Unauthorized
        | Answer::Gone
        | Answer::MaybeDuplicate
        | Answer::ServerError { .. }
        | Answer::TimedOut
        | Answer::Entries { .. }
        | Answer::Devices { .. }
        | Answer::Device(_)
        | Answer::User { .. }
        | Answer::Assigned { .. }
        | Answer::Site { .. }
        | Answer::Clock { .. }
        | Answer::Registered { .. }
        | Answer::UserLevels(_) => None,
    }
}

fn earliest_of_both(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.max(right)),
        (left, right) => left.or(right),
    }
}
