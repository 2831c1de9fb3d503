//! What others do to a lock: changes to our entries (lifecycle 6), fights with another writer (`R-62`), and entries that are nobody's here
//! (T33, T34).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Platform;
use super::reading::{Evidence, hides_pin};
use super::state::{Code, Goal, Held, Passing, Retry, Told};
use super::step::At;
use crate::access_code::{Record, Status, Type};
use crate::draw::{Purpose, draw_uuid};
use crate::event::EventType;
use crate::id::CodeId;
use crate::pin::Pin;
use crate::port::{Item, Name, ShownPin};
use crate::problem::{ErrorCode, WarningCode, WarningEntry};
use crate::time::Timestamp;

impl Platform {
    /// A read that may be believed shows a confirmed entry changed or gone.
    pub(super) fn overturn(&mut self, at: At, found: Option<&Item>) {
        let ours = found.filter(|item| self.is_still_ours(at, item)).cloned();
        let is_hidden = hides_pin(self.profile(at.device));
        let now = self.now;
        let code = self.code_mut(at);
        let before = code.held.take();
        code.held = ours.as_ref().map(|item| as_held(item, before.as_ref(), is_hidden, now));
        let was_told_removed = core::mem::take(&mut code.passing.was_told_removed);
        if let (None, Some(before)) = (&code.held, before) {
            super::reading::remember(&mut code.past, before);
        }
        if ours.is_none() {
            self.on_entry_left(at.device);
        }
        let has_other_writer = found.is_some() || was_told_removed;
        self.take_reversal(at, found.is_some(), has_other_writer);
        if let Some(stranger) = found.filter(|_| ours.is_none()).cloned() {
            self.on_stranger(at.device, &stranger);
        }
        self.again(at);
    }

    /// What a loss or change means for the code, by where it stands. Its `held` is up to date.
    fn take_reversal(&mut self, at: At, is_changed: bool, has_other_writer: bool) {
        let code = self.code(at);
        if code.is_gone || code.goal != Goal::Hold {
            if code.before_outage.is_some() {
                self.resolve(at);
            }
            return;
        }
        match code.record.status {
            Status::Unknown => {
                let was_confirmed = code.told.set || code.told.scheduled;
                let is_asked_otherwise = !was_confirmed;
                self.leave_outage(at, is_changed, has_other_writer, is_asked_otherwise);
            }
            Status::Set => self.on_reversal(at, is_changed, has_other_writer),
            Status::Unset if code.record.is_scheduled_on_device => self.on_reversal(at, is_changed, has_other_writer),
            Status::Setting | Status::Unset | Status::Removing => {}
        }
    }

    /// Recovery finds nothing of the code in the lock (lifecycle 4.4).
    pub(super) fn resolve_without_entry(&mut self, at: At) {
        let code = self.code(at);
        let was_confirmed = code.told.set || code.told.scheduled;
        let is_asked_otherwise = !was_confirmed || code.goal != Goal::Hold;
        self.leave_outage(at, false, false, is_asked_otherwise);
    }

    fn leave_outage(&mut self, at: At, is_changed: bool, has_other_writer: bool, is_asked_otherwise: bool) {
        let is_due = self.is_due(self.code(at), self.now);
        if is_asked_otherwise || !is_due || !self.is_askable(at.device) {
            if self.is_askable(at.device) {
                self.resolve(at);
            }
            return;
        }
        let code = self.code_mut(at);
        code.before_outage = None;
        self.on_reversal(at, is_changed, has_other_writer);
        self.refresh_pool(at.device);
    }

    /// T23 to T27: somebody else changed or removed a confirmed code.
    fn on_reversal(&mut self, at: At, is_changed: bool, has_other_writer: bool) {
        let event = if is_changed { EventType::ModifiedExternalToSeam } else { EventType::DeletedExternalToSeam };
        self.emit(at, event);
        let code = self.code(at);
        let is_honoured = code.record.is_external_modification_allowed && !self.policy.repairs_allowed_changes();
        if is_honoured && self.honour(at) {
            return;
        }
        let now = self.now;
        let code = self.code_mut(at);
        if code.record.is_external_modification_allowed {
            code.raise_warning(WarningCode::CodeModifiedExternalToSeam, now);
        } else {
            code.raise_error(ErrorCode::CodeModifiedExternalToSeam, now);
        }
        self.count_reversal(at, has_other_writer);
        self.restart_setting(at);
        self.refresh_pool(at.device);
    }

    /// T25, T26: the owner allows others to change the code. False where a linked code must keep its PIN (IN-01).
    fn honour(&mut self, at: At) -> bool {
        let now = self.now;
        let code = self.code(at);
        let held = code.held.clone();
        let has_other_pin = held.as_ref().is_some_and(|held| held.pin != code.record.code);
        if code.record.common_code_key.is_some() && has_other_pin {
            return false;
        }
        let code = self.code_mut(at);
        code.raise_warning(WarningCode::CodeModifiedExternalToSeam, now);
        match held.filter(|held| held.is_enabled) {
            Some(held) => {
                if let Some(pin) = held.pin {
                    code.record.code = Some(pin);
                }
                if code.is_native {
                    code.set_window(held.window);
                    code.moved_window = None;
                }
                if let Some(name) = &held.name
                    && *name != code.display
                {
                    code.record.name = Some(name.to_string());
                    code.display = name.clone();
                }
                if code.is_before_native_start(now) || code.record.status == Status::Unset {
                    code.record.status = Status::Unset;
                } else {
                    code.record.status = Status::Set;
                }
            }
            None => {
                code.goal = Goal::Rest;
                code.record.status = Status::Unset;
                code.record.is_scheduled_on_device = false;
                code.told = Told::default();
                code.episode = None;
                code.has_trace = code.held.is_some();
            }
        }
        self.refresh_pool(at.device);
        true
    }

    /// `R-62`: three in an hour are a fight, and slow the re-sets down.
    fn count_reversal(&mut self, at: At, has_other_writer: bool) {
        let now = self.now;
        let constants = &self.config.policy;
        let (period, cap_long) = (constants.reversal_period_ms, constants.retry_cap_long_ms);
        let code = self.code_mut(at);
        code.reversals.retain(|reversal| now - *reversal < period);
        code.reversals.push(now);
        let count = code.reversals.len();
        let is_fight = code.is_in_fight || self.policy.is_fight(count);
        if is_fight {
            let jitter = (self.draw_jitter(at) % (cap_long / 10).max(1) as u64) as i64;
            let code = self.code_mut(at);
            code.is_in_fight = true;
            code.retry = Retry { failures: 0, since: None, not_before: Some(now + cap_long + jitter), absences: 0 };
        }
        let device = self.device_mut(at.device);
        device.last_reversal = Some(now);
        device.saw_other_writer |= has_other_writer;
        let is_shown = device.warnings.iter().any(|entry| entry.warning_code == WarningCode::ThirdPartyIntegrationDetected);
        if is_fight && device.saw_other_writer && !is_shown {
            device.warnings.push(WarningEntry { warning_code: WarningCode::ThirdPartyIntegrationDetected, created_at: now });
        }
        self.again_device(at.device);
    }

    /// `R-62`: long enough without a reversal, the device is at peace.
    pub(super) fn calm_down(&mut self, device: u32) {
        let calm_ms = self.config.policy.reversal_calm_ms;
        if self.device(device).last_reversal.is_none_or(|last| self.now < last + calm_ms) {
            return;
        }
        let state = self.device_mut(device);
        state.last_reversal = None;
        state.saw_other_writer = false;
        state.warnings.clear();
        let fighters: Vec<u64> =
            self.device(device).codes.iter().filter(|code| code.is_in_fight || !code.reversals.is_empty()).map(|code| code.n).collect();
        for n in fighters {
            let at = At { device, n };
            let code = self.code_mut(at);
            code.is_in_fight = false;
            code.reversals.clear();
            self.again(at);
        }
    }

    /// T33: an entry that is nobody's here becomes an unmanaged record.
    pub(super) fn on_stranger(&mut self, device: u32, item: &Item) {
        let now = self.now;
        let state = self.device_mut(device);
        state.codes_made += 1;
        let (n, device_id) = (state.codes_made, state.id);
        let account = &self.config.accounts[self.device(device).account as usize];
        let workspace_id = account.workspace;
        let id = CodeId(draw_uuid(self.config.entropy, Purpose::CodeId, device_id.0, n));
        let mut code = new_code(n, blank_record(id, workspace_id, device_id, now), item.name.clone().unwrap_or_else(|| "".into()));
        describe(&mut code, item, now);
        let at = self.insert_code(device, code);
        self.emit(at, EventType::UnmanagedCreated);
        self.unblock(device);
    }

    /// A read of a stranger's place.
    pub(super) fn on_stranger_shown(&mut self, at: At, item: Option<&Item>, evidence: Evidence) {
        let now = self.now;
        let Some(item) = item else {
            if evidence.is_fresh {
                let place = self.code(at).held.as_ref().map(|held| held.place);
                self.end_unmanaged_code(at);
                if let Some(place) = place {
                    self.caches[at.device as usize].places.remove(&place);
                }
                self.unblock(at.device);
                self.on_entry_left(at.device);
            }
            return;
        };
        if evidence.is_fresh {
            self.code_quiet(at).passing.verify_at = None;
        }
        let code = self.code(at);
        let is_same = code.held.as_ref().is_some_and(|held| {
            held.pin == shown_pin(item) && held.name == item.name && held.window == item.window && held.is_enabled == item.enabled
        });
        if is_same {
            return;
        }
        let is_other_entry = code.held.as_ref().is_some_and(|held| held.pin != shown_pin(item) && held.name != item.name);
        if is_other_entry {
            self.end_unmanaged_code(at);
            self.on_stranger(at.device, item);
            return;
        }
        describe(self.code_mut(at), item, now);
        self.unblock(at.device);
    }
}

/// Takes an unmanaged record's values from what a read shows.
fn describe(code: &mut Code, item: &Item, now: Timestamp) {
    code.record.code = shown_pin(item);
    code.record.name = item.name.as_ref().map(ToString::to_string);
    code.set_window(item.window);
    code.held = Some(Held {
        place: item.place,
        pin: shown_pin(item),
        window: item.window,
        name: item.name.clone(),
        is_enabled: item.enabled,
        confirmed_at: now,
    });
}

/// An entry of ours as it now is. What the read hides stays as it was; a name that differs by itself is mended with the next write.
fn as_held(item: &Item, before: Option<&Held>, is_hidden: bool, now: Timestamp) -> Held {
    let pin = match item.pin {
        ShownPin::Shown(pin) => Some(pin),
        ShownPin::Masked | ShownPin::Blank if is_hidden => None,
        ShownPin::Masked | ShownPin::Blank => before.and_then(|before| before.pin),
    };
    Held { place: item.place, pin, window: item.window, name: item.name.clone(), is_enabled: item.enabled, confirmed_at: now }
}

fn shown_pin(item: &Item) -> Option<Pin> {
    match item.pin {
        ShownPin::Shown(pin) => Some(pin),
        ShownPin::Masked | ShownPin::Blank => None,
    }
}

/// A record without anything in it; unmanaged, as found.
pub(super) fn blank_record(
    id: CodeId,
    workspace_id: crate::id::WorkspaceId,
    device_id: crate::id::DeviceId,
    created_at: Timestamp,
) -> Record {
    Record {
        access_code_id: id,
        workspace_id,
        device_id,
        code: None,
        common_code_key: None,
        created_at,
        starts_at: None,
        ends_at: None,
        errors: Vec::new(),
        warnings: Vec::new(),
        is_backup: false,
        is_external_modification_allowed: false,
        is_managed: false,
        is_offline_access_code: false,
        is_one_time_use: false,
        is_scheduled_on_device: false,
        is_waiting_for_code_assignment: false,
        name: None,
        pulled_backup_access_code_id: None,
        status: Status::Set,
        kind: Type::Ongoing,
    }
}

/// A code that has done nothing yet.
pub(super) fn new_code(n: u64, record: Record, display: Name) -> Code {
    Code {
        record,
        n,
        is_gone: false,
        goal: Goal::Hold,
        prefers_native: true,
        is_native: false,
        version: 0,
        phase: 0,
        display,
        moved_window: None,
        held: None,
        surplus: Vec::new(),
        past: Vec::new(),
        write: None,
        unanswered: None,
        has_trace: false,
        told: Told::default(),
        episode: None,
        before_outage: None,
        block: None,
        retry: Retry::default(),
        draws: 0,
        events: 0,
        is_pulled: false,
        reversals: Vec::new(),
        is_in_fight: false,
        passing: Passing::default(),
    }
}
