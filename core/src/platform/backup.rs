//! The pool of backup codes on a device: filling it, pulling from it, and giving way to owners (lifecycle 7).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::Platform;
use super::state::{Code, Goal, Retry, blank_record, new_code};
use super::step::At;
use crate::access_code::Status;
use crate::draw::{Purpose, draw, draw_uuid};
use crate::event::EventType;
use crate::id::CodeId;
use crate::pin::Pin;
use crate::problem::ErrorCode;
use crate::request::Refusal;
use crate::time::Window;

/// Managed here, not pulled, and not on its way out.
fn is_pooled(code: &Code) -> bool {
    code.record.is_backup && code.record.is_managed && !code.is_pulled && !code.is_gone && code.goal == Goal::Hold
}

/// Whether a code waits for its twin to leave, and gets that one's place.
fn awaits_twin(code: &Code) -> bool {
    code.has_error(ErrorCode::DuplicateCodeOnDevice)
}

impl Platform {
    /// `R-05`, `R-34`: makes the backups that the pool lacks, as far as there is room that no owner waits for (`R-39`).
    pub(super) fn refill(&mut self, device: u32) {
        let state = self.device(device);
        let is_ready = state.is_pool_active && self.is_writable(device);
        if !is_ready || !self.caches[device as usize].has_inventory {
            return;
        }
        let target = self.config.policy.backup_pool_target.clamp(1, 5);
        let pooled = state.codes.iter().filter(|code| is_pooled(code)).count() as u32;
        let room = self.room_beside_owners(device);
        for _ in 0..target.saturating_sub(pooled).min(room) {
            let Some(pin) = self.backup_pin(device, 0) else { return };
            self.make_backup(device, pin);
        }
    }

    /// Whether a backup that nobody pulled lies in the lock and could give way to this code (`R-59`).
    pub(super) fn may_displace_backup(&self, at: At) -> bool {
        let is_in_lock = |code: &Code| is_pooled(code) && code.may_be_on_lock();
        self.policy.guests_outrank_backups() && !is_pooled(self.code(at)) && self.device(at.device).codes.iter().any(is_in_lock)
    }

    /// Due codes of owners that wait for a place, which a pooled backup that was lost leaves to them (`R-39`).
    pub(super) fn owners_before(&self, at: At) -> u32 {
        if !is_pooled(self.code(at)) || !self.policy.refill_leaves_room_for_owners() {
            return 0;
        }
        let is_waiting = |code: &&Code| {
            let is_owners = code.record.is_managed && !code.is_gone && !is_pooled(code);
            is_owners && code.held.is_none() && code.write.is_none() && !awaits_twin(code) && self.is_due(code, self.now)
        };
        self.device(at.device).codes.iter().filter(is_waiting).count() as u32
    }

    /// Places left when all that is due or on its way has got one.
    fn room_beside_owners(&self, device: u32) -> u32 {
        let state = self.device(device);
        let is_coming = |code: &&Code| {
            let is_absent = code.held.is_none() && code.write.is_none();
            let is_returning = code.goal == Goal::Hold && code.record.status == Status::Removing;
            is_absent && code.record.is_managed && !code.is_gone && (is_returning || self.is_due(code, self.now))
        };
        let leaves_room = self.policy.refill_leaves_room_for_owners();
        let coming = state.codes.iter().filter(is_coming).filter(|code| code.record.is_backup || leaves_room).count();
        // A slot that called itself occupied is no room for a backup, whatever the listings show: for a while, and as long as an owner's code may try it again.
        let has_owner = state.codes.iter().filter(is_coming).any(|code| !code.record.is_backup && !awaits_twin(code));
        let unwilling = if has_owner { self.refusing_slots(device) } else { self.unwilling_slots(device) };
        self.capacity(device).saturating_sub(self.entries_known(device) + unwilling + coming as u32)
    }

    fn make_backup(&mut self, device: u32, pin: Pin) {
        let now = self.now;
        let state = self.device_mut(device);
        state.codes_made += 1;
        let (n, device_id) = (state.codes_made, state.id);
        let workspace = self.config.accounts[self.device(device).account as usize].workspace;
        let id = CodeId(draw_uuid(self.config.entropy, Purpose::CodeId, device_id.0, n));
        let mut record = blank_record(id, workspace, device_id, now);
        record.is_managed = true;
        record.is_backup = true;
        record.code = Some(pin);
        record.name = Some(format!("Backup {id} (Seam)"));
        record.status = Status::Unset;
        let at = self.insert_code(device, new_code(n, record, "".into()));
        self.renew_display(at);
        // T01.
        self.emit(at, EventType::Created);
        self.again(at);
    }

    /// A PIN that nothing on the device has or will have (`I-BAK-07`).
    fn backup_pin(&self, device: u32, again: u64) -> Option<Pin> {
        let state = self.device(device);
        let in_use = state.codes.iter().filter(|_| state.has_one_length).flat_map(Code::known_pins).map(Pin::length).next();
        let length = in_use.or(self.lengths(device).shortest())?;
        let draw = draw(self.config.entropy, Purpose::Pin, state.id.0, (state.codes_made + 1) | (again << 32));
        let (constraints, used) = (state.info.constraints.clone(), self.pins_known(device));
        self.pin_spaces.free_pin(length, constraints, used, draw)
    }

    /// Every PIN that is, or is due to be, in the lock's memory, as far as it is shown (lifecycle 5, 5).
    pub(super) fn pins_known(&self, device: u32) -> BTreeSet<Pin> {
        let state = self.device(device);
        let declared = state.live().filter_map(|code| code.record.code);
        let resident = state.codes.iter().flat_map(Code::resident_pins);
        declared.chain(resident).collect()
    }

    /// A backup that the lock will not take: its PIN is secret until the pull, so it gets another one (`R-25`); without room it ends.
    /// False if it is no pooled backup any more, and bears its problems like any code.
    pub(super) fn replace_backup(&mut self, at: At, is_full: bool) -> bool {
        let code = self.code(at);
        if !is_pooled(code) || code.held.is_some() || code.write.is_some() {
            return false;
        }
        if is_full && code.retry.not_before.is_some_and(|not_before| not_before > self.now) {
            // The lock calls a place taken that it shows free: a new backup would only start the same refusals again (`R-03`).
            return true;
        }
        if is_full && code.record.created_at == self.now {
            // What others left of the room went in the very step that made the backup: nobody hears of a code without a record (`I-EVT-02`).
            self.attempt_failed(at, self.now, 0);
            return true;
        }
        if is_full {
            self.begin_removal(at, Goal::End);
            return true;
        }
        let tries = u64::from(code.version) + 1;
        let Some(pin) = self.backup_pin(at.device, (at.n << 8) + tries).filter(|_| tries < 100) else { return false };
        let code = self.code_mut(at);
        code.record.code = Some(pin);
        code.block = None;
        code.begin_anew();
        self.renew_display(at);
        let floor = self.config.policy.retry_base_ms;
        self.attempt_failed(at, self.now, floor);
        // The new PIN waits as long as a first failure, and has not failed itself (`R-03`).
        let retry = &mut self.code_mut(at).retry;
        *retry = Retry { not_before: retry.not_before, ..Retry::default() };
        true
    }

    /// `R-59`: owners' codes that are due and find the lock full get the places of pooled backups, the newest first. Returns whether each gets one.
    pub(super) fn make_room(&mut self, device: u32) -> bool {
        if !self.policy.guests_outrank_backups() {
            return false;
        }
        let now = self.now;
        let state = self.device(device);
        let outranks = |code: &&Code| code.record.is_managed && !is_pooled(code);
        let waiting = state.live().filter(outranks).filter(|code| self.is_due(code, now) && !code.may_be_on_lock()).count();
        let leaving = state.codes.iter().filter(|code| code.goal == Goal::End && code.may_be_on_lock()).count();
        // What is not in the lock takes no place.
        let pooled = state.codes.iter().rev().filter(|code| is_pooled(code) && code.may_be_on_lock());
        let victims: Vec<u64> = pooled.take(waiting.saturating_sub(leaving)).map(|code| code.n).collect();
        let is_enough = leaving + victims.len() >= waiting;
        for n in victims {
            if self.turned_in_step(At { device, n }) {
                // What it has just come to is to be seen first (`I-EVT-05`): it gives way after another look.
                self.want_listing(device, now);
                continue;
            }
            // T15, T16.
            self.begin_removal(At { device, n }, Goal::End);
        }
        is_enough
    }

    /// Brings availability and the error of the empty pool in line with the backups (`R-35`, `I-ERR-14`).
    pub(super) fn refresh_pool(&mut self, device: u32) {
        let is_available = self.available(device).is_some();
        if self.device(device).is_backup_available != is_available {
            self.device_mut(device).is_backup_available = is_available;
        }
        self.refresh_conditions(device);
        if self.device(device).is_pool_active {
            self.again_device(device);
        }
    }

    /// The oldest backup that can be pulled.
    fn available(&self, device: u32) -> Option<At> {
        let sets_only = self.policy.backup_pull_picks_set_only();
        let once = self.policy.backup_is_single_use();
        let is_available = |code: &&Code| {
            let is_free = is_pooled(code) || !once && code.record.is_backup && !code.is_gone;
            is_free && (code.record.status == Status::Set || !sets_only)
        };
        self.device(device).codes.iter().find(is_available).map(|code| At { device, n: code.n })
    }

    /// Activates the pool of a device, for good (`R-32`).
    pub(super) fn activate_pool(&mut self, device: u32) {
        if !self.device(device).is_pool_active {
            self.device_mut(device).is_pool_active = true;
            self.refresh_pool(device);
        }
    }

    /// Hands out a backup for a code; later pulls return the same one. The event names the original (`R-36`).
    pub(super) fn pull(&mut self, at: At) -> Result<CodeId, Refusal> {
        let now = self.now;
        let record = &self.code(at).record;
        if record.is_backup {
            return Err(Refusal::AccessCodeIsBackup);
        }
        let window = record.window().ok_or(Refusal::AccessCodeNotTimeBound)?;
        if let Some(pulled) = record.pulled_backup_access_code_id {
            return if self.index.contains_key(&pulled) { Ok(pulled) } else { Err(Refusal::BackupAccessCodeNotFound) };
        }
        if now >= window.ends_at || self.code(at).goal == Goal::End || !self.device(at.device).is_pool_active {
            return Err(Refusal::NoBackupAccessCodeAvailable);
        }
        let backup = self.available(at.device).ok_or(Refusal::NoBackupAccessCodeAvailable)?;
        let code = self.code_mut(backup);
        code.is_pulled = true;
        code.begin_anew();
        code.set_window(Some(Window { starts_at: now, ends_at: window.ends_at }));
        let id = code.record.access_code_id;
        self.code_mut(at).record.pulled_backup_access_code_id = Some(id);
        self.emit_naming(at, EventType::BackupAccessCodePulled, Some(id));
        self.again(backup);
        self.refresh_pool(at.device);
        Ok(id)
    }
}
