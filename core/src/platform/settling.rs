//! Settling writes: what reads tell of them, when they count as run or as never to run, and what follows (`P-05`).

use super::Platform;
use super::likeness::{Content, Likeness, hides_pin, like, rounds_to};
use super::listing::remember;
use super::notice::COPIES_COME_WITHIN_MS;
use super::reading::Evidence;
use super::state::{Block, Closing, Doubt, Goal, Held, Write};
use super::step::At;
use super::vendor::Symptom;
use crate::draw::{Purpose, below, draw};
use crate::id::Handle;
use crate::port::{Item, OnLock, Op, Place, ShownPin};
use crate::problem::ErrorCode;
use crate::time::{SECOND_MS, Timestamp};
use crate::vendor::{Ack, Vendor};

impl Platform {
    /// What a read tells of a write that is not settled (`P-05`).
    pub(super) fn judge_write(&mut self, at: At, item: Option<&Item>, evidence: Evidence) {
        let code = self.code(at);
        let Some(write) = code.write.clone() else { return };
        let Some((pin, window, name)) = write.content() else {
            self.judge_change(at, &write, item, evidence);
            return;
        };
        let is_conclusive = is_conclusive(&write, evidence);
        // A plain read may show what lay there before it was removed, even one that was sent after that was told (P-06).
        let lag = self.lag_of(at.device, evidence);
        let is_before_removal = code.told_removed_at.is_some_and(|told_at| evidence.sent_at < told_at + lag);
        let is_after_sending = evidence.is_fresh && evidence.sent_at >= write.sent_at;
        let profile = self.profile(at.device);
        let content = Content { pin, window, name };
        // A name that begins as the new one may be that, cut short; the one that the entry had until then is no proof of another.
        let shows_former_name = item.is_some_and(|item| {
            let is_its_own = |held: &Held| held.place == item.place && held.name == item.name;
            item.name.is_some() && item.name.as_ref() != Some(&content.name) && code.entries().any(is_its_own)
        });
        let likeness = item.filter(|_| !shows_former_name).map_or(Likeness::Different, |item| like(item, &content, profile));
        let is_off = item.is_some_and(|item| !item.enabled) && self.policy.detects_disabled_as_modified();
        let is_known = |past: &Held| past.pin == Some(pin) && past.name.as_ref() == Some(&content.name);
        let is_old_state = item.is_some_and(|item| self.past_of(at, item).is_some());
        let is_new_to_lock = !is_old_state && !code.entries().chain(&code.past).any(is_known);
        let may_adopt = self.policy.adopts_own_entry_after_ambiguity() && (is_after_sending || is_new_to_lock);
        let is_taken_for_proof = item.is_some() && self.policy.occupied_slot_is_proof();
        if is_after_sending && likeness != Likeness::Different {
            self.note_seen(at);
        }
        // What is known of old may be shown by a read from before the write.
        if likeness == Likeness::Same && write.is_seen_off != is_off && (is_after_sending || !is_old_state) {
            self.code_mut(at).write.iter_mut().for_each(|write| write.is_seen_off = is_off);
        }
        let is_named = item.is_some_and(|item| item.name.as_ref() == Some(&content.name) && matches!(item.pin, ShownPin::Shown(_)));
        let is_lost = write.closed.is_some_and(|closing| matches!(closing.doubt, Doubt::Lost | Doubt::Removed));
        let is_edited = is_named && is_lost && !is_old_state;
        let was_done = write.closed.is_some_and(|closing| closing.doubt == Doubt::Removed);
        match (likeness, item) {
            // What is switched off was so before the write, or is so since: either way it is the code's own, and of no use.
            (Likeness::Same, Some(item)) if is_off && is_conclusive => {
                self.hold_useless(at, item, Some(&content));
                self.on_no_effect(at, &write, Some(item));
            }
            (Likeness::Same, _) if is_off => self.stop_looking(at, evidence),
            (Likeness::Same, Some(item)) if item.on_lock != OnLock::Yes => self.on_not_loaded(at, &write, item, evidence),
            // What was told to be removed since the read began is looked at once more.
            (Likeness::Same, Some(_)) if is_before_removal => self.want_verify(at, self.now),
            (Likeness::Same, Some(item)) if may_adopt => self.adopt(at, item.place),
            (Likeness::Same, _) => {}
            (Likeness::Different | Likeness::Undecided, Some(item)) if is_taken_for_proof => self.adopt(at, item.place),
            // It was stored for certain, and what the read shows is no sign that it left.
            (Likeness::Undecided, Some(item)) if is_conclusive && was_done && !is_off => self.adopt(at, item.place),
            // Its own name with a PIN or a window that the code never had: it was stored, and others have edited it since.
            (Likeness::Different, Some(item)) if is_conclusive && is_edited => {
                self.adopt(at, item.place);
                self.code_mut(at).held.iter_mut().for_each(|held| held.confirmed_at = write.sent_at);
                self.on_shown(at, item.place, Some(item), evidence);
            }
            (Likeness::Undecided, _) if is_conclusive => self.on_undecided(at, &write, item, evidence),
            (Likeness::Different, item) if is_conclusive => {
                self.on_no_effect(at, &write, item);
                self.show_own(at, item, evidence);
                self.place_other(at.device, item, evidence);
            }
            (Likeness::Different | Likeness::Undecided, _) => self.stop_looking(at, evidence),
        }
    }

    /// What others did to an entry of the code's own while a write was on its way to it shows only now. It is known from here on, whoever dies: reads that tell
    /// it once more are no news (`R-54`, `R-60`).
    fn show_own(&mut self, at: At, item: Option<&Item>, evidence: Evidence) {
        let code = self.code(at);
        let is_own = |shown: &&Item| code.write.is_none() && code.entries().any(|held| held.place == shown.place);
        if let Some(shown) = item.filter(is_own) {
            self.on_shown(at, shown.place, item, evidence);
        }
    }

    /// What lies where a write was to go is somebody's. Whose it is, is known at once: the next try must not meet it as a twin (`R-46`).
    fn place_other(&mut self, device: u32, item: Option<&Item>, evidence: Evidence) {
        if let Some(other) = item.filter(|item| self.owner_of_place(device, item.place).is_none()) {
            self.caches[device as usize].places.insert(other.place, other.clone());
            self.place_item(device, other, evidence);
        }
    }

    /// Something of the open write was there, if only for a while.
    pub(super) fn note_seen(&mut self, at: At) {
        if self.code(at).write.as_ref().is_some_and(|write| !write.was_seen) {
            self.code_mut(at).write.iter_mut().for_each(|write| write.was_seen = true);
        }
    }

    /// An erasure, or a new schedule for an entry that stays.
    fn judge_change(&mut self, at: At, write: &Write, item: Option<&Item>, evidence: Evidence) {
        let is_conclusive = is_conclusive(write, evidence);
        let is_after_sending = evidence.is_fresh && evidence.sent_at >= write.sent_at;
        let is_ours = item.is_some_and(|item| self.is_still_ours(at, item));
        let is_off = item.is_some_and(|item| !item.enabled) && self.policy.detects_disabled_as_modified();
        match (&write.op, item) {
            (Op::SetSchedule { window, .. }, Some(item)) if !is_off && rounds_to(item.window, *window, self.profile(at.device)) => {
                if is_after_sending {
                    self.keep_unanswered(at);
                    self.on_applied(at, None);
                    self.show_other_pin(at, write, item, evidence);
                }
            }
            (_, Some(_)) if is_ours && is_conclusive => {
                self.on_no_effect(at, write, item);
                self.show_own(at, item, evidence);
            }
            (_, _) if is_ours => self.stop_looking(at, evidence),
            (_, _) if is_conclusive => {
                let place = write.place();
                self.settle(at);
                self.on_erased(at, place);
                self.place_other(at.device, item, evidence);
            }
            (_, _) => self.stop_looking(at, evidence),
        }
    }

    /// Others gave an entry another PIN while its new schedule was on its way, which leaves the PIN as it is.
    fn show_other_pin(&mut self, at: At, write: &Write, item: &Item, evidence: Evidence) {
        let is_other = |held: &Held| matches!(item.pin, ShownPin::Shown(pin) if held.pin.is_some_and(|own| own != pin));
        if self.code(at).held.as_ref().is_some_and(is_other) {
            self.code_mut(at).held.iter_mut().for_each(|held| held.confirmed_at = write.sent_at);
            self.show_own(at, Some(item), evidence);
        }
    }

    /// Our own entry, found by reading (`F-01`).
    fn adopt(&mut self, at: At, place: Place) {
        let handle = match place {
            Place::Handle(handle) => Some(handle),
            Place::Slot(_) => None,
        };
        self.keep_unanswered(at);
        self.on_applied(at, handle);
    }

    /// An inconclusive look at an open write: the closing answer, if there will be one, will have another. A look that was wanted since it began is still to come.
    fn stop_looking(&mut self, at: At, evidence: Evidence) {
        if self.code(at).write.as_ref().is_some_and(|write| self.is_to_be_closed(at, write)) {
            let passing = &mut self.code_quiet(at).passing;
            passing.verify_at = passing.verify_at.filter(|wanted| *wanted > evidence.sent_at);
        }
    }

    /// Whether a closing answer is still to come. Where an acknowledgement is all that ever comes, none is waited for.
    fn is_to_be_closed(&self, at: At, write: &Write) -> bool {
        let is_all_said = self.profile(at.device).ack == Ack::Nothing && write.accepted_at.is_some();
        write.closed.is_none() && !is_all_said
    }

    /// Whether what lies in a place of the code is still the code's.
    pub(super) fn is_still_ours(&self, at: At, item: &Item) -> bool {
        let code = self.code(at);
        let Some(held) = code.entries().find(|held| held.place == item.place) else { return false };
        match item.place {
            Place::Handle(_) => true,
            Place::Slot(_) => {
                let has_name_of = |own: &Held| own.name.is_some() && own.name == item.name;
                let past = || code.past.iter().filter(|past| past.place == held.place);
                let has_our_name = has_name_of(held) || past().any(has_name_of);
                let has_our_pin = matches!(item.pin, ShownPin::Shown(pin) if Some(pin) == held.pin);
                let tells_nothing = tells_nothing(item) && !self.is_succeeded(at, held, item);
                // Ours was said to be gone: what has another name came after it, and so did what has one that others gave.
                let was_ours = |own: &Held| !own.is_edited && has_name_of(own);
                let is_named = item.name.is_some() && held.name.is_some();
                if code.told_removed_at.is_some() && is_named && !was_ours(held) && !past().any(was_ours) {
                    return false;
                }
                has_our_name || has_our_pin || tells_nothing
            }
        }
    }

    /// Whether what lies in the place of an entry came after it, though it tells nothing of itself: that the entry left was told later than copies of older
    /// such words can come (port.md 7).
    pub(super) fn is_succeeded(&self, at: At, held: &Held, item: &Item) -> bool {
        let is_told = |told_at: Timestamp| told_at > held.confirmed_at + COPIES_COME_WITHIN_MS;
        tells_nothing(item) && matches!(item.place, Place::Slot(_)) && self.code(at).told_removed_at.is_some_and(is_told)
    }

    /// The vendor has the entry, the lock not yet (`lock_loads_late`).
    fn on_not_loaded(&mut self, at: At, write: &Write, item: &Item, evidence: Evidence) {
        let Some(closing) = write.closed else { return };
        let now = self.now;
        self.show(at, Symptom::NotLoaded);
        let ends_at = write.sent_at + self.profile(at.device).command_ttl_ms;
        if evidence.is_fresh && evidence.sent_at >= ends_at {
            // It will never be loaded (P-03, P-05 d): what the vendor has of it makes way for another try.
            self.adopt(at, item.place);
            if let Some(held) = &mut self.code_mut(at).held {
                held.is_enabled = false;
            }
            self.attempt_failed(at, closing.at, 0);
            return;
        }
        let wait = self.probe_delay_ms(self.code(at).passing.read_failures);
        let passing = &mut self.code_quiet(at).passing;
        passing.read_failures = passing.read_failures.saturating_add(1);
        passing.absent_since = None;
        if write.place().is_some() {
            passing.verify_at = Some(now + wait);
        } else {
            self.want_listing(at.device, now + wait);
        }
    }

    /// Something is there, and nobody can tell what: only `Done` proves, and where it does not come the same place is written again.
    fn on_undecided(&mut self, at: At, write: &Write, item: Option<&Item>, evidence: Evidence) {
        if self.is_to_be_closed(at, write) {
            return self.stop_looking(at, evidence);
        }
        let is_blank = item.is_some_and(|item| item.pin == ShownPin::Blank) && !hides_pin(self.profile(at.device));
        let now = self.now;
        let delay_ms = self.probe_delay_ms(self.code(at).passing.read_failures);
        let passing = &mut self.code_quiet(at).passing;
        if is_blank && passing.read_failures < 3 {
            // Some locks show a PIN only some time after it was written (`pin_blank_after_write`).
            passing.verify_at = Some(now + delay_ms);
            passing.read_failures += 1;
            return;
        }
        let is_refused = write.closed.is_some_and(|closing| matches!(closing.doubt, Doubt::PinTaken | Doubt::NameTaken));
        if let Some(item) = item.filter(|_| !is_refused) {
            self.hold_useless(at, item, None);
        }
        self.on_no_effect(at, write, item);
        if let Some(late) = &mut self.code_mut(at).late {
            late.is_without_effect = false;
        }
    }

    /// What lies where the code was written is the code's, and does not serve: it is switched off, or nobody can tell what it holds.
    pub(super) fn hold_useless(&mut self, at: At, item: &Item, content: Option<&Content>) {
        let now = self.now;
        let code = self.code_mut(at);
        if code.held.as_ref().is_some_and(|held| held.place != item.place) {
            return;
        }
        let name = item.name.clone().or(content.map(|content| content.name.clone()));
        code.held = Some(Held {
            place: item.place,
            pin: content.map(|content| content.pin),
            window: content.and_then(|content| content.window),
            name,
            is_enabled: item.enabled,
            is_edited: false,
            is_bound: false,
            confirmed_at: now,
        });
    }

    /// A conclusive read: the write changed nothing. An open one still waits for its closing answer (`I-DEV-09`).
    fn on_no_effect(&mut self, at: At, write: &Write, item: Option<&Item>) {
        let is_storing = write.content().is_some();
        if is_storing && let Some(place) = write.place() {
            let is_lost = item.is_none_or(|item| !self.is_still_ours(at, item));
            if is_lost && self.code(at).held.as_ref().is_some_and(|held| held.place == place) {
                self.forget_entry(at, place);
            }
        }
        if !self.is_to_be_closed(at, write) {
            let closing = write.closed.unwrap_or(Closing { at: self.now, doubt: Doubt::Lost });
            return self.conclude(at, closing.doubt, closing.at);
        }
        let code = self.code_mut(at);
        code.passing.verify_at = None;
        if let Some(write) = &mut code.write {
            write.is_without_effect = true;
        }
        self.again(at);
    }

    /// Reads showed that the write had no effect. What follows depends on why.
    pub(super) fn conclude(&mut self, at: At, doubt: Doubt, closed_at: Timestamp) {
        let code = self.code(at);
        let write = code.write.as_ref();
        let was_accepted = write.is_some_and(|write| write.accepted_at.is_some() && write.content().is_some());
        let was_seen = write.is_some_and(|write| write.was_seen);
        let is_hinted = write.is_some_and(|write| write.is_twin_hinted);
        let is_outdated = write.and_then(Write::content).is_some_and(|(pin, ..)| code.record.code != Some(pin));
        // It may have been on the lock for a while (EV-02); a late refusal would have told otherwise.
        let left_a_trace = write.is_some_and(|write| {
            write.content().is_some() && write.closed.is_some_and(|closing| matches!(closing.doubt, Doubt::Lost | Doubt::Removed))
        });
        let is_renaming = write.is_some_and(|write| write.content().is_some()) && code.goal == Goal::Hold && code.retry.failures > 0;
        self.remember_attempt(at);
        self.settle(at);
        self.code_mut(at).has_trace |= left_a_trace;
        if let Some(late) = &mut self.code_mut(at).late {
            late.is_without_effect = true;
        }
        match doubt {
            // It tells nothing of the PIN that is asked by now.
            Doubt::PinTaken if is_outdated && self.code(at).goal == Goal::Hold => {}
            Doubt::Lost | Doubt::Removed if is_hinted && !is_outdated => self.conclude_twin(at, closed_at),
            // The twin that the sign stands for may be the code's own entry.
            Doubt::Unclear if self.is_own_twin(at) => self.conclude_twin(at, closed_at),
            // An entry that differs in its name alone serves; it gets the new one with the next write.
            Doubt::Lost | Doubt::Removed | Doubt::Unclear if is_renaming && self.keep_stored_name(at) => {}
            Doubt::Lost | Doubt::Removed | Doubt::Unclear => {
                let absences = &mut self.code_mut(at).retry.absences;
                *absences = if was_seen { 0 } else { *absences + u32::from(was_accepted || doubt == Doubt::Unclear) };
                self.attempt_failed(at, closed_at, 0);
                self.show_failed_attempt(at);
                if doubt == Doubt::Unclear {
                    self.show(at, Symptom::MaybeTwin);
                } else if was_accepted {
                    self.show(at, Symptom::NotReported);
                }
            }
            // The name had its suffix already, where it needed one: it gets another, and says what the vendor said (V-12).
            Doubt::NameTaken => {
                self.vary_display(at);
                self.show(at, Symptom::NameTaken);
                self.attempt_failed(at, closed_at, 0);
            }
            Doubt::PinTaken => self.conclude_twin(at, closed_at),
        }
        self.again(at);
    }

    pub(super) fn conclude_twin(&mut self, at: At, closed_at: Timestamp) {
        if self.is_own_twin(at) {
            self.keep_stored_name(at);
            self.attempt_failed(at, closed_at, 0);
        } else {
            self.on_told_twin(at);
        }
    }

    /// Should the entry show up after all, it is ours.
    pub(super) fn remember_attempt(&mut self, at: At) {
        let now = self.now;
        let Some(write) = self.code(at).write.as_ref() else { return };
        let Some((pin, window, name)) = write.content() else { return };
        let (place, is_bound) = (write.place().unwrap_or(Place::Handle(Handle(0))), self.code(at).is_bound_by(write));
        let attempt =
            Held { place, pin: Some(pin), window, name: Some(name), is_enabled: true, is_edited: false, is_bound, confirmed_at: now };
        remember(&mut self.code_mut(at).past, attempt, now);
    }

    /// Whether the twin may be the code's own entry (`own_slot_is_twin`, `F-18`): then the entry has to go before the PIN is accepted again.
    fn is_own_twin(&self, at: At) -> bool {
        let code = self.code(at);
        code.goal == Goal::Hold && code.entries().any(|held| held.pin.is_none() || held.pin == code.record.code)
    }

    /// An entry that differs in its name alone serves as it is (`R-64` a). Returns whether it is one.
    pub(super) fn keep_stored_name(&mut self, at: At) -> bool {
        let code = self.code(at);
        let serves = |held: &&Held| held.is_enabled && held.pin == code.record.code && held.window == code.stored_window();
        let Some(name) = code.held.as_ref().filter(serves).and_then(|held| held.name.clone()) else { return false };
        self.code_mut(at).display = name;
        true
    }

    /// `R-54`: an equal PIN is in the lock under an entry that nobody here can see or manage.
    fn on_told_twin(&mut self, at: At) {
        // It tells nothing of what is not to be stored now.
        if self.code(at).goal != Goal::Hold || !self.is_due(self.code(at), self.now) {
            return;
        }
        let code = self.code(at);
        if code.write.as_ref().or(code.late.as_ref()).is_some_and(|write| write.is_twin_outdated) {
            return self.again(at);
        }
        if self.code(at).record.is_backup && self.replace_backup(at, false) {
            return;
        }
        let wait = self.policy.twin_refusal_retry_ms(&self.config.policy);
        let jitter = below(self.draw_jitter(at), (wait / 10).max(1) as u64) as i64;
        let now = self.now;
        let code = self.code_mut(at);
        let sent_at = code.write.as_ref().or(code.late.as_ref()).map_or(now, |write| write.sent_at);
        code.block = Some(Block::Twin { sent_at, until: now + wait + jitter });
        code.raise_error(ErrorCode::DuplicateCodeOnDevice, now);
        self.show(at, Symptom::MaybeTwin);
        self.fail_to_set(at);
        self.show_failed_attempt(at);
    }

    /// T08, `R-03`: the next attempt, counted from the closing input of this one.
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
        let failures = code.retry.failures.saturating_add(1);
        let is_long = now - since >= constants.retry_long_after_ms || is_twin_suspected;
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
        self.stir_waiting(at.device);
    }

    /// Those who wait for another code's write or read to this lock are looked at.
    pub(super) fn stir_waiting(&mut self, device: u32) {
        let waiting = core::mem::take(&mut self.caches[device as usize].waiting);
        for n in waiting {
            self.again(At { device, n });
        }
    }

    pub(super) fn drop_write(&mut self, at: At) {
        let code = self.code_mut(at);
        if let Some(write) = code.write.take() {
            self.code_mut(at).late = Some(write);
        }
    }

    /// Reads settle a write that nothing has answered yet: its answer is still waited for.
    pub(super) fn keep_unanswered(&mut self, at: At) {
        let open = self.code(at).write.as_ref().filter(|write| write.accepted_at.is_none() && write.closed.is_none());
        let Some((command, sent_at)) = open.map(|write| (write.command, write.sent_at)) else { return };
        let profile = self.profile(at.device);
        // The lock's own notice may have closed it already, where an acknowledgement means nothing; if not, it times out by then (P-01).
        let closed_by = (profile.ack == Ack::Nothing).then_some(sent_at + profile.command_timeout_ms + SECOND_MS);
        let code = self.code_mut(at);
        code.unanswered = Some(command);
        code.passing.restart_deadline = closed_by.or(code.passing.restart_deadline);
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
}

/// Whether a read shows neither the PIN nor the name of what it shows.
pub(super) fn tells_nothing(item: &Item) -> bool {
    item.name.is_none() && !matches!(item.pin, ShownPin::Shown(_))
}

/// Whether a read shows what became of a write for good: it ran after it (`P-02`, `P-05` b).
fn is_conclusive(write: &Write, evidence: Evidence) -> bool {
    evidence.is_fresh && write.runs_before_reads_since().is_some_and(|since| evidence.sent_at >= since)
}
