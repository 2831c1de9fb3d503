//! Codes that the workspace does not manage: how they are read, taken over (T31, T32), erased on request (T34), and how a managed code becomes one (T30).

use alloc::vec::Vec;

use super::Platform;
use super::intake::requested_pin;
use super::likeness::{Content, Likeness, like};
use super::pace::Urgency;
use super::reading::{Evidence, Read, ReadKind};
use super::state::{Awaited, Claim, Code, Errand, Goal, Retry, SiteUser, Told, Write};
use super::step::{At, Who};
use super::stranger::describe;
use super::workspaces::Elsewhere;
use crate::access_code::Status;
use crate::event::EventType;
use crate::id::{CodeId, WorkspaceId};
use crate::port::{Answer, Item, OnLock, Op, Place};
use crate::problem::WarningCode;
use crate::request::unmanaged::{ConvertToManaged, GetUnmanaged, UnmanagedRequest};
use crate::request::{Refusal, Response};
use crate::time::Timestamp;

impl Platform {
    pub(super) fn serve_unmanaged(&mut self, workspace: WorkspaceId, request: UnmanagedRequest) -> Result<Response, Refusal> {
        match request {
            UnmanagedRequest::List(list) => {
                let device = self.known_device_in(workspace, list.device_id)?;
                let codes = self.device(device).live().filter(|code| is_seen_by(code, workspace)).map(|code| &code.record);
                let mut found: Vec<(Timestamp, CodeId)> = codes.map(|record| (record.created_at, record.access_code_id)).collect();
                found.sort_unstable();
                Ok(Response::AccessCodes(found.into_iter().map(|(_, id)| id).collect()))
            }
            UnmanagedRequest::Get(get) => self.get_unmanaged(workspace, &get),
            UnmanagedRequest::ConvertToManaged(convert) => self.convert(workspace, &convert),
            //
            UnmanagedRequest::Update(update) if !update.is_managed => Err(Refusal::InvalidInput),
            UnmanagedRequest::Update(update) => {
                let (access_code_id, force) = (update.access_code_id, update.force);
                let is_external_modification_allowed = update.is_external_modification_allowed;
                self.convert(workspace, &ConvertToManaged { access_code_id, is_external_modification_allowed, force })
            }
            UnmanagedRequest::Delete(delete) => self.delete_unmanaged(workspace, delete.access_code_id),
        }
    }

    fn get_unmanaged(&self, workspace: WorkspaceId, get: &GetUnmanaged) -> Result<Response, Refusal> {
        let id = match (get.access_code_id, get.device_id, &get.code) {
            (Some(id), None, None) => self.unmanaged_in(workspace, id).map(|_| id)?,
            (None, Some(device), Some(code)) => {
                let pin = requested_pin(Some(code))?;
                let device = self.known_device_in(workspace, device)?;
                let is_meant = |code: &&Code| is_seen_by(code, workspace) && code.record.code == pin;
                let code = self.device(device).live().find(is_meant).ok_or(Refusal::AccessCodeNotFound)?;
                code.record.access_code_id
            }
            (Some(_) | None, _, _) => return Err(Refusal::InvalidInput),
        };
        Ok(Response::AccessCode(id))
    }

    fn unmanaged_in(&self, workspace: WorkspaceId, id: CodeId) -> Result<At, Refusal> {
        let at = *self.index.get(&id).ok_or(Refusal::AccessCodeNotFound)?;
        if is_seen_by(self.code(at), workspace) { Ok(at) } else { Err(Refusal::AccessCodeNotFound) }
    }

    /// What stands against it is told by the event alone, even if it is known by now.
    fn convert(&mut self, workspace: WorkspaceId, convert: &ConvertToManaged) -> Result<Response, Refusal> {
        let at = self.unmanaged_in(workspace, convert.access_code_id)?;
        let is_forced = convert.force == Some(true);
        let (asked_at, force) = match self.code(at).errand {
            Some(Errand::Convert { asked_at, force, .. }) => (asked_at, force || is_forced),
            Some(Errand::Delete) | None => (self.now, is_forced),
        };
        let is_leaving = self.code(at).errand == Some(Errand::Delete);
        if is_leaving || !self.is_convertible(at) || (!force && self.elsewhere(at) != Elsewhere::Nobody) {
            self.code_mut(at).errand = Some(Errand::Delete).filter(|_| is_leaving);
            self.emit(at, EventType::UnmanagedFailedToConvertToManaged);
            return Ok(Response::AccessCode(convert.access_code_id));
        }
        let is_external_modification_allowed = convert.is_external_modification_allowed.unwrap_or(false);
        self.code_mut(at).errand = Some(Errand::Convert { asked_at, is_external_modification_allowed, force });
        // Whatever was read before may be old: the entry must be there now.
        self.want_verify(at, self.now);
        Ok(Response::AccessCode(convert.access_code_id))
    }

    /// `R-44`: nothing lasting stands against managing the code.
    fn is_convertible(&self, at: At) -> bool {
        let code = self.code(at);
        let is_fit = code.record.code.is_some_and(|pin| self.pin_rules(at.device).admits(pin));
        let is_usable = code.held.as_ref().is_some_and(|held| held.is_enabled);
        self.profile(at.device).converts_unmanaged
            && is_fit
            && is_usable
            && self.device(at.device).is_managed
            && !self.device(at.device).is_removed
    }

    fn delete_unmanaged(&mut self, workspace: WorkspaceId, id: CodeId) -> Result<Response, Refusal> {
        let at = self.unmanaged_in(workspace, id)?;
        self.fail_conversion(at);
        let code = self.code_mut(at);
        code.errand = Some(Errand::Delete);
        code.goal = Goal::End;
        self.again(at);
        Ok(Response::Done)
    }

    /// T32: the conversion that was asked for is not to be.
    pub(super) fn fail_conversion(&mut self, at: At) {
        if matches!(self.code(at).errand, Some(Errand::Convert { .. })) {
            self.code_mut(at).errand = None;
            self.emit(at, EventType::UnmanagedFailedToConvertToManaged);
        }
    }

    /// When a conversion that nothing has decided fails (`R-44`).
    pub(super) fn conversion_deadline(&self, code: &Code) -> Option<Timestamp> {
        match code.errand {
            Some(Errand::Convert { asked_at, .. }) => Some(asked_at + self.config.policy.fail_set_after_ms),
            Some(Errand::Delete) | None => None,
        }
    }

    /// What is to be done for an unmanaged code besides listing it. Returns when it is to be looked at again.
    pub(super) fn run_errand(&mut self, at: At) -> Option<Timestamp> {
        let code = self.code(at);
        match (code.errand, &code.held) {
            (Some(errand), Some(held)) if self.is_to_be_claimed(at, errand) => {
                let place = held.place;
                self.claim(at, place)
            }
            (Some(Errand::Delete), Some(held)) => {
                let place = held.place;
                self.erase(at, place)
            }
            (Some(Errand::Delete), None) if code.awaited.is_none() => {
                self.end_unmanaged_code(at);
                None
            }
            (Some(Errand::Convert { .. }), Some(_)) if code.passing.verify_at.is_none() => {
                self.want_verify(at, self.now);
                None
            }
            (Some(Errand::Convert { .. } | Errand::Delete) | None, _) => None,
        }
    }

    /// A fresh read shows an unmanaged code's entry just as it is known: a conversion needs no more (T31).
    pub(super) fn on_stranger_proven(&mut self, at: At, item: &Item, evidence: Evidence) {
        let Some(Errand::Convert { asked_at, is_external_modification_allowed, force }) = self.code(at).errand else { return };
        if evidence.sent_at < asked_at {
            return;
        }
        if !self.is_convertible(at) || item.on_lock != OnLock::Yes {
            self.fail_conversion(at);
            return;
        }
        match self.elsewhere(at) {
            Elsewhere::Nobody => {}
            Elsewhere::Manager(manager) if force => self.hand_over(manager),
            Elsewhere::Busy if force => return self.want_verify(at, self.now + self.config.policy.retry_base_ms),
            Elsewhere::Manager(_) | Elsewhere::Busy | Elsewhere::Leaving => return self.fail_conversion(at),
        }
        if self.needs_claim(at) {
            self.code_quiet(at).passing.claim = Claim::Wanted;
            return self.again(at);
        }
        let schedules = self.profile(at.device).schedules;
        let now = self.now;
        let code = self.code_mut(at);
        code.errand = None;
        code.goal = Goal::Hold;
        code.record.is_managed = true;
        code.record.is_external_modification_allowed = is_external_modification_allowed;
        code.record.warnings.retain(|entry| entry.warning_code == WarningCode::ManagementTransferred);
        code.display = item.name.clone().unwrap_or_else(|| "".into());
        (code.prefers_native, code.is_native) = (true, schedules && code.record.ends_at.is_some());
        code.record.is_scheduled_on_device = code.is_native;
        code.record.status = if code.is_before_native_start(now) { Status::Unset } else { Status::Set };
        // The conversion itself tells that the code is on the lock; that it came to its start is told then (T05).
        code.told = Told { scheduled: true, set: !code.is_before_native_start(now) };
        code.has_trace = true;
        (code.episode, code.block, code.retry) = (None, None, Retry::default());
        code.held.iter_mut().for_each(|held| held.is_bound = true);
        self.emit(at, EventType::UnmanagedConvertedToManaged);
        self.again(at);
        self.stir(at.device);
    }

    /// Whether the entry of an unmanaged code is still to be claimed before anything can be done about it.
    fn needs_claim(&self, at: At) -> bool {
        let is_asked_for = self.profile(at.device).claims_conversions && self.policy.claims_what_it_converts();
        let code = self.code(at);
        is_asked_for && code.passing.claim != Claim::Made && code.user.is_none()
    }

    /// Whether the claim comes next: before an erasure at once, before a conversion when a read has shown that nothing stands against it.
    fn is_to_be_claimed(&self, at: At, errand: Errand) -> bool {
        self.needs_claim(at) && (errand == Errand::Delete || self.code(at).passing.claim == Claim::Wanted)
    }

    /// Makes the entry the platform's own at the vendor, which lets nobody else's be changed.
    fn claim(&mut self, at: At, place: Place) -> Option<Timestamp> {
        let Place::Handle(handle) = place else { return None };
        let passing = &self.code(at).passing;
        if passing.read.is_some() || self.device(at.device).has_path_error() {
            return None;
        }
        if let Some(wait) = passing.read_not_before.filter(|wait| *wait > self.now) {
            return Some(wait);
        }
        let account = self.device(at.device).account;
        if self.may_call(account, Urgency::Proof, Who::Lock(at)) {
            let epoch = self.device(at.device).epoch();
            self.ask_for_code(at, Op::AdoptEntry { handle }, ReadKind::Claim { at, epoch });
            self.code_quiet(at).passing.claim = Claim::None;
        }
        None
    }

    /// The claim was answered: then the entry is looked at once more, for it may have changed meanwhile.
    pub(super) fn on_claimed(&mut self, at: At, read: &Read, answer: &Answer) {
        if self.find(at).is_none() {
            return;
        }
        self.code_quiet(at).passing.read = None;
        self.again(at);
        match answer {
            // What is not there needs no claim: the next command finds out.
            Answer::Done { .. } | Answer::NotFound => self.code_quiet(at).passing.claim = Claim::Made,
            Answer::User { user } => {
                let code = self.code_mut(at);
                code.user = Some(SiteUser { id: *user, has_seat: code.held.as_ref().is_some_and(|held| held.is_enabled) });
            }
            _ => return self.on_read_failure(at, read, answer),
        }
        if matches!(self.code(at).errand, Some(Errand::Convert { .. })) {
            self.want_verify(at, self.now);
        }
    }

    /// T30: from now on the code is nobody's. Without a word: what it holds stays in the lock, and nothing is sent for it any more.
    pub(super) fn release(&mut self, at: At) {
        let ttl_ms = self.profile(at.device).command_ttl_ms;
        let now = self.now;
        self.keep_unanswered(at);
        let unanswered = self.code(at).unanswered;
        self.writes.retain(|command, (other, _)| *other != at || Some(*command) == unanswered);
        let code = self.code_mut(at);
        code.record.is_managed = false;
        code.record.is_scheduled_on_device = false;
        code.record.errors.clear();
        code.record.warnings.retain(|entry| entry.warning_code == WarningCode::ManagementTransferred);
        code.record.status = if code.held.is_some() { Status::Set } else { Status::Unset };
        code.goal = Goal::Hold;
        (code.episode, code.block, code.before_outage, code.moved_window) = (None, None, None, None);
        (code.retry, code.told, code.has_trace, code.is_in_fight) = (Retry::default(), Told::default(), false, false);
        code.reversals.clear();
        code.past.clear();
        // Twins of its own are anybody's now, and listed as what they are.
        code.surplus.clear();
        let open = code.write.take();
        code.phase += 1;
        (code.late, code.user) = (None, None);
        (code.passing.verify_at, code.passing.absent_since) = (None, None);
        let until = open.as_ref().map_or(now, |write| write.sent_at + ttl_ms);
        let content = open.as_ref().and_then(Write::content).map(|(pin, window, name)| Content { pin, window, name });
        code.awaited = code.held.is_none().then_some(Awaited { content, until });
        let is_awaited = code.awaited.is_some();
        if is_awaited {
            self.want_listing(at.device, until);
        }
        self.refresh_pool(at.device);
        self.stir(at.device);
        self.again_device(at.device);
    }

    /// The released code whose last write, still open then, has stored this entry after all.
    pub(super) fn awaited_by(&self, device: u32, item: &Item) -> Option<u64> {
        let profile = self.profile(device);
        let is_it = |code: &&Code| {
            let content = code.awaited.as_ref().and_then(|awaited| awaited.content.as_ref());
            content.is_some_and(|content| like(item, content, profile) == Likeness::Same)
        };
        self.device(device).live().find(is_it).map(|code| code.n)
    }

    /// Two complete fresh listings without a released code's entry, when none of its writes can come any more: it is not on the lock (T34, `P-12`).
    pub(super) fn miss_awaited(&mut self, at: At, evidence: Evidence) {
        let spacing = self.policy.absence_spacing_ms();
        let code = self.code(at);
        let Some(awaited) = code.awaited.as_ref().filter(|_| code.held.is_none() && !code.is_gone) else { return };
        let until = awaited.until;
        if !evidence.is_fresh || evidence.sent_at < until {
            self.want_listing(at.device, until.max(self.now));
            return;
        }
        match code.passing.absent_since {
            Some(first) if evidence.sent_at >= first + spacing => self.end_unmanaged_code(at),
            Some(first) => self.want_listing(at.device, first + spacing),
            None => {
                self.code_quiet(at).passing.absent_since = Some(evidence.sent_at);
                self.want_listing(at.device, evidence.sent_at + spacing);
            }
        }
    }

    /// The entry that was awaited is there.
    pub(super) fn take_awaited(&mut self, at: At, item: &Item) {
        let now = self.now;
        let code = self.code_mut(at);
        code.awaited = None;
        code.passing.absent_since = None;
        describe(code, item, now);
        self.again(at);
    }
}

/// Whether a workspace sees a code as one that nobody there manages.
fn is_seen_by(code: &Code, workspace: WorkspaceId) -> bool {
    !code.record.is_managed && code.record.workspace_id == workspace
}
