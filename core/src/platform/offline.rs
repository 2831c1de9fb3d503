//! Offline codes: the vendor's server computes the PIN, the lock is never asked anything, and what is given out can't be taken back
//! (lifecycle 8.1, `R-40` to `R-43`).
//!
//! Such a code has no place in a lock. It is registered once, and from then on the clock alone tells where it stands.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Platform;
use super::condition::earliest;
use super::reading::{Read, ReadKind};
use super::state::{Block, Code, Episode, Goal, Retry, blank_record, new_code};
use super::step::{At, Who};
use super::vendor::Symptom;
use crate::access_code::Status;
use crate::config::ExpiredRecordPolicy;
use crate::draw::{Purpose, draw, draw_uuid};
use crate::event::EventType;
use crate::id::{CodeId, CommandId, Handle, Key, WorkspaceId};
use crate::offline::{Asked, Misfit, OfflineKind, OfflineTerms, UserLevel, moved_by};
use crate::pin::Pin;
use crate::platform::pace::Urgency;
use crate::port::{Answer, Command, Op, Place, Reason};
use crate::problem::{ErrorCode, WarningCode};
use crate::request::{Create, MaxTimeRounding, Refusal, Response};
use crate::time::{DAY_MS, HOUR_MS, Timestamp, Window};

/// What makes a code an offline one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Offline {
    pub asked: Asked,
    /// The vendor's id, once the code is registered.
    pub handle: Option<Handle>,
    /// Its registration is sent and not answered.
    pub is_sent: bool,
}

/// A registration on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registration {
    pub at: At,
    pub sent_at: Timestamp,
    /// It was turned away; a copy of it may have been taken all the same (`P-01`).
    pub is_turned_away: bool,
}

impl Code {
    /// Whether nobody can take the code back any more: its PIN is given out and not over (`R-40`).
    pub fn is_irrevocable(&self, now: Timestamp) -> bool {
        self.offline.is_some() && self.record.code.is_some() && !self.is_expired(now)
    }
}

impl Platform {
    /// T01 for an offline code. The record shows the rounded window from the beginning (`V-07`, `V-09`).
    pub(super) fn create_offline(&mut self, workspace: WorkspaceId, device: u32, create: &Create) -> Result<Response, Refusal> {
        let Some(terms) = self.profile(device).offline.clone() else { return Err(Refusal::OfflineAccessCodesNotSupported) };
        if create.code.is_some() {
            return Err(Refusal::CannotSpecifyCode);
        }
        if create.common_code_key.is_some() {
            return Err(Refusal::CodeCannotBeShared);
        }
        let asked = asked(create)?;
        let until = asked.ends_at.unwrap_or(asked.starts_at + DAY_MS);
        self.check_window(Window { starts_at: asked.starts_at, ends_at: until })?;
        let (_, window) = terms.fit(&asked, self.levels(device)).map_err(refusal)?;
        self.check_device(device, Some(window), create.use_backup_access_code_pool, create.attempt_for_offline_device)?;
        let mut code = self.born(device, workspace, create.name.clone());
        code.record.is_offline_access_code = true;
        code.record.is_waiting_for_code_assignment = true;
        code.record.is_one_time_use = asked.is_one_time;
        code.record.is_external_modification_allowed = create.is_external_modification_allowed.unwrap_or(false);
        code.set_window(Some(self.policy.window_to_show(asked, window)));
        code.episode = Some(Episode::begin(self.now));
        code.offline = Some(Offline { asked, handle: None, is_sent: false });
        let id = code.record.access_code_id;
        let at = self.insert_code(device, code);
        self.emit(at, EventType::Created);
        self.again(at);
        Ok(Response::AccessCode(id))
    }

    /// A code that is about to be made, managed and without PIN and window.
    pub(super) fn born(&mut self, device: u32, workspace: WorkspaceId, name: Option<alloc::string::String>) -> Code {
        let now = self.now;
        let state = self.device_mut(device);
        state.codes_made += 1;
        let (n, device_id) = (state.codes_made, state.id);
        let id = CodeId(draw_uuid(self.config.entropy, Purpose::CodeId, device_id.0, n));
        let mut record = blank_record(id, workspace, device_id, now);
        record.is_managed = true;
        record.status = Status::Unset;
        //
        record.name = Some(name.unwrap_or_else(|| format!("Access Code {n}")));
        new_code(n, record, "".into())
    }

    /// Brings an offline code to where it belongs: what the clock says, and its registration.
    pub(super) fn pursue_offline(&mut self, at: At) {
        self.turn_offline(at);
        let register_at = self.register(at);
        let turn_at = self.next_offline_turn(at);
        let now = self.now;
        self.wake_code(at, earliest(register_at, turn_at).map(|wake| wake.max(now)));
    }

    /// `R-41`, `R-42`: status by window and registration; `unknown` while nobody can ask the vendor (T20, T29, `R-53`).
    fn turn_offline(&mut self, at: At) {
        let now = self.now;
        let code = self.code(at);
        if code.is_gone {
            return;
        }
        if code.goal == Goal::Rest {
            // Over, and kept: nothing but the loss of its device hides that.
            if code.record.status == Status::Unknown && self.is_askable(at.device) {
                let code = self.code_mut(at);
                code.before_outage = None;
                code.record.status = Status::Unset;
            }
            return;
        }
        if code.is_expired(now) {
            return self.end_offline(at);
        }
        let is_started = code.record.starts_at.is_none_or(|starts_at| starts_at <= now);
        let is_registered = code.offline.as_ref().is_some_and(|offline| offline.handle.is_some());
        let is_registered = is_registered || !self.policy.shows_set_when_registered_only();
        let status = match (is_registered, is_started) {
            _ if !self.is_askable(at.device) => Status::Unknown,
            (true, true) => Status::Set,
            (false, true) => Status::Setting,
            (_, false) => Status::Unset,
        };
        let was = code.record.status;
        if status != was {
            let code = self.code_mut(at);
            code.before_outage = (status == Status::Unknown).then_some(was);
            code.record.status = status;
            if was == Status::Unknown {
                code.episode = code.episode.map(|episode| Episode { since: now, ..episode });
            }
        }
        if status == Status::Set && !self.code(at).told.set {
            self.code_mut(at).told.set = true;
            self.emit(at, EventType::SetOnDevice);
        }
        if let Some(episode) = self.code(at).episode.filter(|_| status != Status::Unknown) {
            self.turn_set_timers(at, episode, now);
        }
    }

    /// The code is over, by its window or by its one use: no lock need be asked (`R-42`, `R-43`).
    fn end_offline(&mut self, at: At) {
        let is_removed = self.device(at.device).is_removed;
        let code = self.code_mut(at);
        // What nobody was ever told to be set is not said to be removed (EO-07).
        let was_given_out = code.told.set && !is_removed;
        code.clear_error(ErrorCode::FailedToSetOnDevice);
        code.clear_error(ErrorCode::DormakabaOracodeNoValidUserLevel);
        code.clear_warning(WarningCode::DelayInSettingOnDevice);
        code.episode = None;
        match self.config.expired_record_policy {
            ExpiredRecordPolicy::Delete => self.end_record(at, was_given_out),
            ExpiredRecordPolicy::RetainUnset => {
                let code = self.code_mut(at);
                code.goal = Goal::Rest;
                code.before_outage = None;
                code.record.status = Status::Unset;
                if was_given_out {
                    self.emit(at, EventType::RemovedFromDevice);
                }
            }
        }
    }

    /// Sends the registration when it is time to. Returns when it is to be looked at again.
    fn register(&mut self, at: At) -> Option<Timestamp> {
        let code = self.code(at);
        let offline = code.offline.as_ref()?;
        let is_done = code.is_gone || code.goal != Goal::Hold || offline.handle.is_some() || offline.is_sent;
        if is_done || code.block.is_some() || !self.is_askable(at.device) {
            return None;
        }
        let asked = offline.asked;
        let terms = self.profile(at.device).offline.as_ref()?;
        let (kind, window) = match terms.fit(&asked, self.levels(at.device)) {
            Ok(fit) => fit,
            Err(misfit) => {
                self.refuse(at, if misfit == Misfit::UserLevel { Reason::NoUserLevel } else { Reason::BadWindow });
                return None;
            }
        };
        if let Some(not_before) = self.code(at).retry.not_before.filter(|not_before| *not_before > self.now) {
            return Some(not_before);
        }
        if self.has_no_variant(at, terms, kind, window) {
            self.refuse(at, Reason::NoVariance);
            return self.code(at).retry.not_before;
        }
        let account = self.device(at.device).account;
        if self.may_call(account, self.urgency(at), Who::Lock(at)) {
            self.show_window(at, window);
            self.send_registration(at, Op::RegisterOffline { kind, window });
        }
        None
    }

    /// The time slots became known, or others, after the code was made.
    fn show_window(&mut self, at: At, window: Window) {
        let shown = self.code(at).offline.as_ref().map(|offline| self.policy.window_to_show(offline.asked, window));
        if shown.is_some() && self.code(at).window() != shown {
            self.code_mut(at).set_window(shown);
        }
    }

    /// The ends of the PINs that the vendor has given out for this device and counts, whatever became of the records (`R-43`).
    fn ends_of_places(&self, device: u32) -> impl Iterator<Item = Timestamp> {
        let given_out =
            self.device(device).codes.iter().filter(|code| code.offline.as_ref().is_some_and(|offline| offline.handle.is_some()));
        given_out.filter_map(|code| code.record.ends_at).filter(|ends_at| *ends_at > self.now)
    }

    /// Whether the codes of this device already use up what the vendor has for the start, or in all (`F-21`). Only a vendor that says how many PINs it
    /// has for a start says how many it has in all; the others are asked.
    fn has_no_variant(&self, at: At, terms: &OfflineTerms, kind: OfflineKind, window: Window) -> bool {
        let slot = OfflineTerms::variant_slot(kind, window.starts_at);
        let is_in_slot = |code: &&Code| {
            let offline = code.offline.as_ref().filter(|offline| offline.handle.is_some());
            let kind_of = offline.and_then(|offline| terms.fit(&offline.asked, self.levels(at.device)).ok());
            kind_of.is_some_and(|(kind, window)| OfflineTerms::variant_slot(kind, window.starts_at) == slot)
        };
        let used = self.device(at.device).codes.iter().filter(is_in_slot).count();
        let is_full = self.ends_of_places(at.device).count() >= self.device(at.device).info.positions as usize;
        terms.variants_of(kind).is_some_and(|variants| is_full || used >= variants as usize)
    }

    /// Sends a registration and saves that it was sent: a repeat has the same key, and makes no second code (`P-04`).
    fn send_registration(&mut self, at: At, op: Op) {
        let entropy = self.config.entropy;
        self.state.last_command += 1;
        let command_id = CommandId(self.state.last_command);
        let code = self.code_mut(at);
        let id = code.record.access_code_id;
        let key = Key(draw(entropy, Purpose::Key, id.0, code.phase));
        if let Some(offline) = &mut code.offline {
            offline.is_sent = true;
        }
        code.retry.not_before = None;
        self.registrations.insert(command_id, Registration { at, sent_at: self.now, is_turned_away: false });
        let device = self.device(at.device);
        let account = self.config.accounts[device.account as usize].account;
        let (device, epoch) = (Some(device.info.device), device.epoch());
        self.push_write(Command { command_id, key, account, device, epoch, for_code: Some(id), op });
    }

    /// After a restart a registration that nothing answered counts as timed out in time (`P-01`).
    pub(super) fn resume_offline(&mut self, at: At) {
        let deadline = self.now + self.profile(at.device).command_timeout_ms;
        let code = self.code_quiet(at);
        if let Some(offline) = code.offline.as_mut().filter(|offline| offline.is_sent) {
            offline.is_sent = false;
            code.retry.not_before = Some(deadline);
        }
    }

    /// An answer to a registration, perhaps a late one.
    pub(super) fn on_registration_answer(&mut self, command_id: CommandId, registration: Registration, answer: &Answer) {
        let at = registration.at;
        let account = self.device(at.device).account;
        let is_for_good = matches!(answer, Answer::Refused(reason) if reason.is_permanent());
        if registration.is_turned_away && !is_for_good && !matches!(answer, Answer::Registered { .. }) {
            // That a copy is turned away too is not another refused call (V-17), nor another attempt.
            return;
        }
        self.take_condition(account, Some(at.device), registration.sent_at, answer);
        let is_open =
            self.find(at).is_some_and(|code| !code.is_gone && code.offline.as_ref().is_some_and(|offline| offline.handle.is_none()));
        if !is_open {
            self.registrations.remove(&command_id);
            return;
        }
        if !answer.is_closing() {
            return;
        }
        if let Answer::Registered { handle, pin, window } = answer {
            self.on_registered(at, *handle, *pin, *window);
            return;
        }
        // Another one may have been sent since this one timed out.
        if self.registrations.values().any(|other| other.at == at && other.sent_at > registration.sent_at) {
            return;
        }
        if let Some(offline) = &mut self.code_mut(at).offline {
            offline.is_sent = false;
        }
        if !matches!(answer, Answer::TimedOut | Answer::ServerError { .. })
            && let Some(registration) = self.registrations.get_mut(&command_id)
        {
            registration.is_turned_away = true;
        }
        match answer {
            Answer::Refused(reason) if reason.is_permanent() => {
                self.registrations.remove(&command_id);
                self.code_mut(at).phase += 1;
                self.refuse(at, *reason);
                if *reason == Reason::NoUserLevel {
                    self.caches[at.device as usize].levels_at = self.now;
                    self.again_device(at.device);
                }
            }
            Answer::RateLimited { retry_after_ms } => {
                let floor = self.policy.retry_after_floor_ms(*retry_after_ms);
                self.attempt_failed(at, self.now, floor);
            }
            _ => self.attempt_failed(at, self.now, 0),
        }
        self.again(at);
    }

    /// T07 for an offline code: its PIN shows from now on (`R-41`).
    fn on_registered(&mut self, at: At, handle: Handle, pin: Pin, window: Window) {
        let now = self.now;
        self.registrations.retain(|_, registration| registration.at != at);
        let Some(asked) = self.code(at).offline.as_ref().map(|offline| offline.asked) else { return };
        let wanted = Window { starts_at: asked.starts_at, ends_at: asked.ends_at.unwrap_or(window.ends_at) };
        if moved_by(wanted, window) > asked.rounding_ms {
            // A code for another time than may be shown: nobody is ever told its PIN.
            return self.refuse(at, Reason::BadWindow);
        }
        let is_for_first_day = self.profile(at.device).offline.as_ref().is_some_and(|terms| terms.first_use_until(window).is_some());
        self.show_window(at, window);
        let is_told = self.policy.tells_of_first_day();
        let code = self.code_mut(at);
        if let Some(offline) = &mut code.offline {
            (offline.handle, offline.is_sent) = (Some(handle), false);
        }
        code.record.code = Some(pin);
        code.record.is_waiting_for_code_assignment = false;
        code.clear_set_problems(false);
        code.episode = None;
        code.block = None;
        code.retry = Retry::default();
        if is_for_first_day && is_told {
            code.raise_warning(WarningCode::IglooAlgopinMustBeUsedWithin24Hours, now);
        }
        self.again(at);
    }

    /// A lasting refusal: the same is not asked again until its cause has gone (`R-20`, `V-08`, `V-09`). Where a PIN may still come, a place that becomes
    /// free is such a change.
    fn refuse(&mut self, at: At, reason: Reason) {
        match reason {
            Reason::NoVariance => self.show(at, Symptom::NoVariance),
            Reason::NoUserLevel => self.show(at, Symptom::NoUserLevel),
            _ => {}
        }
        let is_for_good = self.code(at).has_error(ErrorCode::IgloohomeOfflineAccessCodeNoVarianceAvailable);
        let is_free_at = self.ends_of_places(at.device).min().filter(|_| reason == Reason::NoVariance && !is_for_good);
        let code = self.code_mut(at);
        code.record.is_waiting_for_code_assignment &= !is_for_good;
        match is_free_at {
            Some(is_free_at) => code.retry.not_before = Some(is_free_at),
            None => code.block = Some(Block::Refused(reason)),
        }
        self.fail_to_set(at);
    }

    /// `R-43`: where a use is reported, the first one ends a one-time code. Copies of the news tell nothing new.
    pub(super) fn on_offline_use(&mut self, device: u32, place: Option<Place>) {
        let Some(Place::Handle(handle)) = place else { return };
        let is_used = |code: &&Code| code.offline.as_ref().is_some_and(|offline| offline.handle == Some(handle));
        let Some((n, is_over, is_one_time)) = self
            .device(device)
            .codes
            .iter()
            .find(is_used)
            .map(|code| (code.n, code.is_gone || code.goal == Goal::Rest, code.record.is_one_time_use))
        else {
            return;
        };
        let at = At { device, n };
        if is_one_time && (!is_over || self.policy.counts_each_copy_of_a_use()) {
            self.end_offline(at);
        }
    }

    /// The next instant at which the clock changes anything for the code.
    fn next_offline_turn(&self, at: At) -> Option<Timestamp> {
        let code = self.find(at).filter(|code| !code.is_gone && code.goal == Goal::Hold)?;
        let record = &code.record;
        let timer = self.next_timer(code).filter(|_| record.status != Status::Unknown);
        [record.starts_at, record.ends_at, timer].into_iter().flatten().filter(|instant| *instant > self.now).min()
    }

    /// The door's time slots, as last read.
    fn levels(&self, device: u32) -> Option<&[UserLevel]> {
        self.device(device).levels.as_deref()
    }

    /// Reads the time slots of a door when it is time to; returns when that is.
    pub(super) fn tend_levels(&mut self, device: u32) -> Option<Timestamp> {
        let has_levels = self.profile(device).offline.as_ref().is_some_and(|terms| terms.by_user_level);
        let memory = &self.caches[device as usize];
        if !has_levels || memory.levels_read.is_some() || !self.is_askable(device) {
            return None;
        }
        if memory.levels_at > self.now {
            return Some(memory.levels_at);
        }
        let account = self.device(device).account;
        if self.may_call(account, Urgency::Condition, Who::device(device)) {
            let epoch = self.device(device).epoch();
            let command = self.send_read(account, Some(device), None, Op::ReadUserLevels);
            self.reads.insert(command, Read { sent_at: self.now, kind: ReadKind::Levels { device, epoch } });
            self.caches[device as usize].levels_read = Some(command);
        }
        None
    }

    pub(super) fn on_levels(&mut self, device: u32, read: &Read, answer: &Answer) {
        let (now, period) = (self.now, self.config.policy.sync_period_ms);
        self.caches[device as usize].levels_read = None;
        self.again_device(device);
        let Answer::UserLevels(levels) = answer else {
            self.caches[device as usize].levels_at = now + self.probe_delay_ms(0);
            let account = self.device(device).account;
            return self.take_condition(account, Some(device), read.sent_at, answer);
        };
        self.caches[device as usize].levels_at = now + period;
        if self.levels(device) != Some(&**levels) {
            self.on_new_levels(device, levels);
        }
    }

    /// An installer changed the time slots: codes that wait for one are looked at again (`V-09`).
    fn on_new_levels(&mut self, device: u32, levels: &Arc<[UserLevel]>) {
        self.device_mut(device).levels = Some(levels.to_vec());
        let waits = |code: &&Code| code.block == Some(Block::Refused(Reason::NoUserLevel));
        let waiting: Vec<u64> = self.device(device).live().filter(waits).map(|code| code.n).collect();
        for n in waiting {
            let at = At { device, n };
            let code = self.code_mut(at);
            code.block = None;
            code.retry = Retry::default();
            self.again(at);
        }
    }
}

/// What a call asks for. One-time codes may lack an end, which some vendors fix.
fn asked(create: &Create) -> Result<Asked, Refusal> {
    let starts_at = create.starts_at.ok_or(Refusal::InvalidInput)?;
    let is_one_time = create.is_one_time_use == Some(true);
    if create.ends_at.is_none() && !is_one_time {
        return Err(Refusal::InvalidInput);
    }
    let rounding_ms = match create.max_time_rounding {
        None | Some(MaxTimeRounding::Hour) => HOUR_MS,
        Some(MaxTimeRounding::Day) => DAY_MS,
    };
    Ok(Asked { starts_at, ends_at: create.ends_at, is_one_time, rounding_ms })
}

fn refusal(misfit: Misfit) -> Refusal {
    match misfit {
        Misfit::Duration => Refusal::InvalidInput,
        Misfit::Rounding => Refusal::TimeRoundingExceeded,
        Misfit::UserLevel => Refusal::NoMatchingTimeSlot,
    }
}
