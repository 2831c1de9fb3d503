//! API calls: what is asked, whether it may be asked, and what it starts (api.md). A refused call changes nothing.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Platform;
use super::state::{Code, Episode, Goal, Told};
use super::step::At;
use crate::access_code::{Status, Type};
use crate::draw::{Purpose, draw, draw_uuid};
use crate::event::EventType;
use crate::id::{CodeId, DeviceId, WorkspaceId};
use crate::pin::{Constraint, Lengths, Pin, PinFault};
use crate::problem::{ErrorCode, WarningCode};
use crate::request::{
    BehaviorWhenCodeCannotBeShared, Create, CreateMultiple, Delete, Get, List, PullBackupAccessCode, Refusal, Request, RequestedCode,
    Response, Update, UpdateMultiple,
};
use crate::time::{Timestamp, Window};

/// Lengths that the API takes for a requested PIN (lifecycle 1).
const CODE_LEN_API: Lengths = Lengths::range(4, 9);

/// The most devices of one `create_multiple`.
const DEVICES_MAX: usize = 50;

/// A code that passed all checks and is not made yet.
struct Draft {
    device: u32,
    /// None where the vendor chooses it.
    pin: Option<Pin>,
    window: Option<Window>,
    name: Option<String>,
    key: Option<String>,
    prefers_native: bool,
    uses_pool: bool,
    is_external_modification_allowed: bool,
}

/// What an update asks for, checked.
struct Change {
    pin: Option<Pin>,
    window: Option<Window>,
    name: Option<String>,
    is_external_modification_allowed: bool,
    prefers_native: bool,
}

impl Platform {
    pub(super) fn serve(&mut self, workspace: WorkspaceId, request: Request) -> Result<Response, Refusal> {
        match request {
            Request::Create(create) => self.create(workspace, &create),
            Request::CreateMultiple(create) => self.create_multiple(workspace, &create),
            Request::Update(update) => self.update(workspace, &update),
            Request::UpdateMultiple(update) => self.update_multiple(workspace, &update),
            Request::Delete(delete) => self.delete(workspace, &delete),
            Request::Get(get) => self.get(workspace, &get),
            Request::List(list) => self.list(workspace, &list),
            Request::PullBackupAccessCode(pull) => self.pull_backup(workspace, &pull),
            Request::GenerateCode(generate) => self.generate_code(workspace, generate.device_id),
            Request::Unmanaged(request) => self.serve_unmanaged(workspace, request),
            Request::Device(request) => self.serve_device(workspace, &request),
        }
    }

    fn create(&mut self, workspace: WorkspaceId, create: &Create) -> Result<Response, Refusal> {
        let device = self.device_in(workspace, create.device_id)?;
        if create.is_one_time_use == Some(true) && create.is_offline_access_code != Some(true) {
            return Err(Refusal::InvalidInput);
        }
        if create.is_offline_access_code == Some(true) {
            requested_pin(create.code.as_ref())?;
            return self.create_offline(workspace, device, create);
        }
        self.check_takes_online(device)?;
        let window = self.new_window(create.starts_at, create.ends_at)?;
        let requested = requested_pin(create.code.as_ref())?;
        self.check_device(device, window, create.use_backup_access_code_pool, create.attempt_for_offline_device)?;
        let linked = match &create.common_code_key {
            Some(key) if key.is_empty() => return Err(Refusal::InvalidInput),
            Some(key) => self.group_pin(workspace, key),
            None => None,
        };
        let prefers_native = create.prefer_native_scheduling.unwrap_or(true);
        let pin = match (requested, linked) {
            (Some(pin), Some(linked)) if pin != linked => return Err(Refusal::CommonCodeKeyConflict),
            (_, Some(linked)) => {
                self.check_pin(device, linked).map_err(|_| Refusal::CodeCannotBeShared)?;
                Some(linked)
            }
            (Some(pin), None) => {
                self.check_pin(device, pin)?;
                Some(pin)
            }
            (None, None) if self.vendor_chooses_pins(device) && create.common_code_key.is_some() => {
                return Err(Refusal::CodeCannotBeShared);
            }
            (None, None) if self.vendor_chooses_pins(device) => None,
            (None, None) => Some(self.generated_pin(&[device], create.preferred_code_length).ok_or(Refusal::CodeConstraintViolated)?),
        };
        if let Some(pin) = pin {
            self.check_twin(device, None, pin, window, prefers_native)?;
        }
        let at = self.make(Draft {
            device,
            pin,
            window,
            name: create.name.clone(),
            key: create.common_code_key.clone(),
            prefers_native,
            uses_pool: create.use_backup_access_code_pool == Some(true),
            is_external_modification_allowed: create.is_external_modification_allowed.unwrap_or(false),
        });
        Ok(Response::AccessCode(self.code(at).record.access_code_id))
    }

    /// T01, and T02 in the same step if the code is due (`R-13`).
    fn make(&mut self, draft: Draft) -> At {
        let device = draft.device;
        let workspace = self.config.accounts[self.device(device).account as usize].workspace;
        let mut code = self.born(device, workspace, draft.name);
        code.record.code = draft.pin;
        code.record.is_waiting_for_code_assignment = draft.pin.is_none();
        code.record.common_code_key = draft.key;
        code.record.is_external_modification_allowed = draft.is_external_modification_allowed;
        code.set_window(draft.window);
        code.prefers_native = draft.prefers_native;
        code.is_native = draft.prefers_native && draft.window.is_some() && self.profile(device).schedules;
        let at = self.insert_code(device, code);
        self.renew_display(at);
        self.emit(at, EventType::Created);
        if draft.uses_pool {
            self.activate_pool(device);
        }
        self.again(at);
        self.again_device(device);
        at
    }

    fn create_multiple(&mut self, workspace: WorkspaceId, create: &CreateMultiple) -> Result<Response, Refusal> {
        let is_repeated = create.device_ids.iter().collect::<BTreeSet<_>>().len() != create.device_ids.len();
        if create.device_ids.is_empty() || create.device_ids.len() > DEVICES_MAX || is_repeated {
            return Err(Refusal::InvalidInput);
        }
        let window = self.new_window(create.starts_at, create.ends_at)?;
        let requested = requested_pin(create.code.as_ref())?;
        let mut devices = Vec::new();
        for id in &create.device_ids {
            let device = self.device_in(workspace, *id)?;
            self.check_takes_online(device)?;
            self.check_device(device, window, create.use_backup_access_code_pool, create.attempt_for_offline_device)?;
            devices.push(device);
        }
        let prefers_native = create.prefer_native_scheduling.unwrap_or(true);
        let pins = self.pins_for(create, &devices, requested, window, prefers_native)?;
        let is_linked = requested.is_none();
        let number = self.state.devices.iter().map(|device| device.codes_made).sum::<u64>();
        let key = format!("auto_set_by_create_multiple_{}", CodeId(draw_uuid(self.config.entropy, Purpose::CodeId, 0, number)));
        let ids = devices.into_iter().zip(pins).map(|(device, (pin, is_shared))| {
            let at = self.make(Draft {
                device,
                pin,
                window,
                name: create.name.clone(),
                key: (is_linked && is_shared).then(|| key.clone()),
                prefers_native,
                uses_pool: create.use_backup_access_code_pool == Some(true),
                is_external_modification_allowed: create.is_external_modification_allowed.unwrap_or(false),
            });
            self.code(at).record.access_code_id
        });
        Ok(Response::AccessCodes(ids.collect()))
    }

    /// One PIN for each device, and whether it is the shared one (`R-48`).
    fn pins_for(
        &self,
        create: &CreateMultiple,
        devices: &[u32],
        requested: Option<Pin>,
        window: Option<Window>,
        prefers_native: bool,
    ) -> Result<Vec<(Option<Pin>, bool)>, Refusal> {
        let can_take =
            |device: u32, pin: Pin| self.check_pin(device, pin).and_then(|()| self.check_twin(device, None, pin, window, prefers_native));
        let throws = create.behavior_when_code_cannot_be_shared != Some(BehaviorWhenCodeCannotBeShared::CreateRandomCode);
        let shared = match requested {
            Some(pin) if throws => {
                devices.iter().try_for_each(|device| can_take(*device, pin))?;
                Some(pin)
            }
            Some(pin) => Some(pin),
            None if throws => self.generated_pin(devices, create.preferred_code_length),
            None => self.generated_pin(&self.sharers(devices, create.preferred_code_length), create.preferred_code_length),
        };
        let pin_of = |device: &u32| match shared.filter(|pin| can_take(*device, *pin).is_ok()) {
            Some(pin) => Ok((Some(pin), true)),
            None if throws => Err(Refusal::CodeCannotBeShared),
            None if self.vendor_chooses_pins(*device) => Ok((None, false)),
            None => {
                let pin = self.generated_pin(&[*device], create.preferred_code_length);
                pin.map(|pin| (Some(pin), false)).ok_or(Refusal::CodeCannotBeShared)
            }
        };
        devices.iter().map(pin_of).collect()
    }

    /// The devices that can have one PIN together, in their order: one outsider does not keep the others apart (`R-48`).
    fn sharers(&self, devices: &[u32], preferred_length: Option<u8>) -> Vec<u32> {
        devices.iter().fold(Vec::new(), |sharers, device| {
            let with = [sharers.as_slice(), &[*device]].concat();
            if self.generated_pin(&with, preferred_length).is_some() { with } else { sharers }
        })
    }

    fn update(&mut self, workspace: WorkspaceId, update: &Update) -> Result<Response, Refusal> {
        let at = self.managed_in(workspace, update.access_code_id, update.device_id)?;
        let change = self.checked_change(at, update)?;
        self.apply(at, change);
        if update.is_managed == Some(false) {
            self.release(at);
        }
        Ok(Response::AccessCode(update.access_code_id))
    }

    fn checked_change(&self, at: At, update: &Update) -> Result<Change, Refusal> {
        let code = self.code(at);
        let record = &code.record;
        if record.is_backup {
            return Err(Refusal::AccessCodeIsBackup);
        }
        //
        if code.offline.is_some() {
            return Err(Refusal::CannotModifyOfflineAccessCode);
        }
        //
        if record.status == Status::Removing || code.goal == Goal::End {
            return Err(Refusal::AccessCodeIsBeingRemoved);
        }
        self.check_path(at.device, update.attempt_for_offline_device)?;
        let pin = requested_pin(update.code.as_ref())?;
        if pin.is_some_and(|pin| Some(pin) != record.code) && record.common_code_key.is_some() {
            return Err(Refusal::CommonCodeKeyConflict);
        }
        let window = self.changed_window(code, update.kind, update.starts_at, update.ends_at)?;
        if let Some(pin) = pin {
            // What others made of the PIN against the rules of the lock nobody may ask for.
            self.check_pin(at.device, pin)?;
        }
        let prefers_native = update.prefer_native_scheduling.unwrap_or(code.prefers_native);
        let pin = pin.or(record.code);
        // The other kind of schedule takes a place in the lock at another time.
        let is_moved = window != record.window() || prefers_native != code.prefers_native;
        if let Some(pin) = pin.filter(|pin| Some(*pin) != record.code || is_moved) {
            self.check_twin(at.device, Some(at.n), pin, window, prefers_native)?;
        }
        Ok(Change {
            pin,
            window,
            name: update.name.clone().or_else(|| record.name.clone()),
            is_external_modification_allowed: update.is_external_modification_allowed.unwrap_or(record.is_external_modification_allowed),
            prefers_native,
        })
    }

    /// The window after an update: one bound alone is enough where the code has the other.
    fn changed_window(
        &self,
        code: &Code,
        kind: Option<Type>,
        starts_at: Option<Timestamp>,
        ends_at: Option<Timestamp>,
    ) -> Result<Option<Window>, Refusal> {
        let is_asked = starts_at.is_some() || ends_at.is_some();
        if kind == Some(Type::Ongoing) {
            return if is_asked { Err(Refusal::InvalidInput) } else { Ok(None) };
        }
        let bounds = (starts_at.or(code.record.starts_at), ends_at.or(code.record.ends_at));
        let window = match bounds {
            (Some(starts_at), Some(ends_at)) => Some(Window { starts_at, ends_at }),
            (None, None) if kind.is_none() => None,
            (Some(_) | None, _) => return Err(Refusal::InvalidInput),
        };
        if let Some(window) = window.filter(|_| is_asked) {
            self.check_window(window)?;
        } else if code.is_expired(self.now) && kind.is_none() {
            return Err(Refusal::WindowInPast);
        }
        Ok(window)
    }

    /// T11, T12, T13, T35, T36, T37; `R-17`.
    fn apply(&mut self, at: At, change: Change) {
        let code = self.code(at);
        let record = &code.record;
        let is_window_changed = change.window != record.window();
        let is_pin_changed = change.pin != record.code;
        let is_name_changed = change.name != record.name;
        let is_flag_changed = change.is_external_modification_allowed != record.is_external_modification_allowed;
        if code.prefers_native != change.prefers_native {
            self.code_mut(at).prefers_native = change.prefers_native;
            self.switch_schedule(at);
        }
        if !(is_window_changed || is_pin_changed || is_name_changed || is_flag_changed) {
            return;
        }
        self.write_change(at, change, is_window_changed);
        if is_pin_changed || is_name_changed {
            self.renew_if_shown(at, is_pin_changed);
        }
        self.emit(at, EventType::Changed);
        self.start_change(at);
        self.again(at);
        self.stir(at.device);
    }

    /// `R-23`: what is due or stored keeps its kind of schedule; any other code has the new one, and may be due at another time by it.
    fn switch_schedule(&mut self, at: At) {
        let code = self.code(at);
        // Of a lock that can't be known all is unknown, be it stored or not.
        let is_idle = matches!(code.record.status, Status::Unset | Status::Unknown);
        if is_idle && !self.is_due(code, self.now) && !code.may_be_on_lock() {
            let has_schedules = self.profile(at.device).schedules;
            let code = self.code_mut(at);
            code.is_native = code.prefers_native && has_schedules && code.record.ends_at.is_some();
            if self.is_due(self.code(at), self.now) && self.code(at).record.status == Status::Unset {
                // However long ago its lead began by the new schedule.
                self.code_mut(at).episode = Some(Episode::begin(self.now));
            }
            self.again(at);
        }
    }

    fn write_change(&mut self, at: At, change: Change, is_window_changed: bool) {
        let has_schedules = self.profile(at.device).schedules;
        let code = self.code_mut(at);
        // After a join it may lie there still.
        let is_stored = code.may_be_on_lock() || code.has_trace && code.before_outage.is_some();
        let was_time_bound = code.record.ends_at.is_some();
        code.record.code = change.pin;
        code.record.name = change.name;
        if code.record.is_external_modification_allowed != change.is_external_modification_allowed {
            code.record.is_external_modification_allowed = change.is_external_modification_allowed;
            code.clear_error(ErrorCode::CodeModifiedExternalToSeam);
        }
        // the owner's next update ends what was honoured.
        code.clear_warning(WarningCode::CodeModifiedExternalToSeam);
        code.set_window(change.window);
        if is_window_changed {
            code.moved_window = None;
            code.is_across_change = false;
        }
        // a code that is stored keeps its kind of schedule.
        let keeps_kind = is_stored && was_time_bound;
        code.is_native = change.window.is_some() && if keeps_kind { code.is_native } else { change.prefers_native && has_schedules };
        self.forward_end(at);
    }

    /// `R-37`: a pulled backup ends with its original.
    pub(super) fn forward_end(&mut self, at: At) {
        let record = &self.code(at).record;
        let Some((backup, ends_at)) = record.pulled_backup_access_code_id.zip(record.ends_at) else { return };
        let Some(at) = self.index.get(&backup).copied().filter(|_| self.policy.forwards_end_to_pulled_backup()) else { return };
        let code = self.code(at);
        if code.goal == Goal::Hold && code.record.ends_at != Some(ends_at) {
            self.code_mut(at).record.ends_at = Some(ends_at);
            self.again(at);
        }
    }

    /// A displayed name that would stay as it is needs no write.
    fn renew_if_shown(&mut self, at: At, is_pin_changed: bool) {
        let before = self.code(at).display.clone();
        self.renew_display(at);
        let profile = self.profile(at.device);
        if !is_pin_changed && !profile.shows_names {
            self.code_mut(at).display = before;
        }
    }

    /// What a change of the record means for the code where it stands. Whatever the owner says ends the rest that others brought about (EO-13), and what was refused
    /// is tried again (`R-20`, `R-54`).
    fn start_change(&mut self, at: At) {
        let now = self.now;
        let code = self.code_mut(at);
        code.block = None;
        // So is what was sent before and is refused after.
        code.write.iter_mut().chain(&mut code.late).for_each(|write| write.is_twin_outdated = true);
        code.begin_anew();
        if matches!(code.goal, Goal::Rest | Goal::Yield) {
            // A removal under way when the outage began is cancelled with it (T37).
            code.goal = Goal::Hold;
            code.episode = None;
            code.clear_removal_problems();
        }
        let code = self.code(at);
        let is_served = self.is_confirmed(code);
        let is_active = self.is_due(code, now) && !code.is_before_native_start(now);
        match code.record.status {
            Status::Unknown => {
                if !is_served || !self.is_due(code, now) {
                    let code = self.code_mut(at);
                    code.told = Told::default();
                    code.record.is_scheduled_on_device = false;
                }
            }
            Status::Set | Status::Setting if !is_active => self.begin_removal(at, Goal::Rest),
            Status::Set if is_served => {}
            Status::Set | Status::Setting => {
                self.code_mut(at).clear_set_problems(false);
                self.restart_setting(at);
            }
            Status::Unset if is_served && !is_active && self.is_due(code, now) => {}
            Status::Unset => {
                let is_due = self.is_due(code, now);
                let code = self.code_mut(at);
                code.clear_set_problems(false);
                code.told = Told::default();
                code.record.is_scheduled_on_device = false;
                code.episode = is_due.then(|| Episode::begin(now));
            }
            Status::Removing => {}
        }
    }

    /// `R-49`: all members are checked before any changes.
    fn update_multiple(&mut self, workspace: WorkspaceId, update: &UpdateMultiple) -> Result<Response, Refusal> {
        let members: Vec<At> = self.group(workspace, &update.common_code_key).collect();
        if members.is_empty() {
            return Err(Refusal::AccessCodeNotFound);
        }
        let mut changes = Vec::new();
        for at in members {
            let single = Update {
                access_code_id: self.code(at).record.access_code_id,
                name: update.name.clone(),
                starts_at: update.starts_at,
                ends_at: update.ends_at,
                ..Update::default()
            };
            changes.push((at, self.checked_change(at, &single)?));
        }
        for (at, change) in changes {
            self.apply(at, change);
        }
        Ok(Response::Done)
    }

    /// `A-09`: what is being deleted already is accepted again, without another event.
    fn delete(&mut self, workspace: WorkspaceId, delete: &Delete) -> Result<Response, Refusal> {
        let at = self.managed_in(workspace, delete.access_code_id, delete.device_id)?;
        let code = self.code(at);
        if code.record.is_backup && !code.is_pulled {
            return Err(Refusal::AccessCodeIsBackup);
        }
        if code.is_irrevocable(self.now) && !self.policy.revokes_offline_codes() {
            return Err(Refusal::CannotDeleteOfflineAccessCode);
        }
        let backup = code.record.pulled_backup_access_code_id.and_then(|backup| self.index.get(&backup).copied());
        for at in [at].into_iter().chain(backup) {
            self.end_by_owner(at);
        }
        Ok(Response::Done)
    }

    /// T15, T16, T38, T41 (`R-61`).
    fn end_by_owner(&mut self, at: At) {
        let code = self.code(at);
        let is_removed = self.device(at.device).is_removed;
        match (code.goal, code.record.status) {
            (Goal::End, _) if !is_removed => {}
            (Goal::Rest, Status::Removing) => self.code_mut(at).goal = Goal::End,
            (Goal::Hold | Goal::Rest | Goal::Yield | Goal::End, _) => self.begin_removal(at, Goal::End),
        }
    }

    fn get(&self, workspace: WorkspaceId, get: &Get) -> Result<Response, Refusal> {
        let id = match (get.access_code_id, get.device_id, &get.code) {
            (Some(id), None, None) => self.managed_in(workspace, id, None).map(|_| id)?,
            (None, Some(device), Some(code)) => {
                let pin = requested_pin(Some(code))?.ok_or(Refusal::InvalidInput)?;
                self.code_with_pin(self.known_device_in(workspace, device)?, pin).ok_or(Refusal::AccessCodeNotFound)?
            }
            (Some(_) | None, _, _) => return Err(Refusal::InvalidInput),
        };
        Ok(Response::AccessCode(id))
    }

    /// the active one, else the next to start.
    fn code_with_pin(&self, device: u32, pin: Pin) -> Option<CodeId> {
        let now = self.now;
        let codes = self.device(device).live().filter(|code| code.record.is_managed && code.record.code == Some(pin));
        let rank = |code: &&Code| match code.window() {
            None => (0, Timestamp::MIN),
            Some(window) if window.contains(now) => (0, window.starts_at),
            Some(window) => (1, window.starts_at),
        };
        codes.min_by_key(rank).map(|code| code.record.access_code_id)
    }

    /// `A-11`.
    fn list(&self, workspace: WorkspaceId, list: &List) -> Result<Response, Refusal> {
        let mut found: Vec<(Timestamp, CodeId)> = match (list.device_id, &list.access_code_ids) {
            (Some(device), None) => {
                let device = self.known_device_in(workspace, device)?;
                let codes = self.device(device).live().filter(|code| code.record.is_managed);
                codes.map(|code| (code.record.created_at, code.record.access_code_id)).collect()
            }
            (None, Some(ids)) => {
                let ids: BTreeSet<&CodeId> = ids.iter().collect();
                let codes = ids.into_iter().filter_map(|id| self.managed_in(workspace, *id, None).ok());
                codes.map(|at| &self.code(at).record).map(|record| (record.created_at, record.access_code_id)).collect()
            }
            (Some(_), Some(_)) | (None, None) => return Err(Refusal::InvalidInput),
        };
        found.sort_unstable();
        Ok(Response::AccessCodes(found.into_iter().map(|(_, id)| id).collect()))
    }

    /// A PIN that the device takes and that nothing on it has, for a code that may be made later.
    fn generate_code(&self, workspace: WorkspaceId, device: DeviceId) -> Result<Response, Refusal> {
        let device = self.device_in(workspace, device)?;
        if self.device(device).info.constraints.contains(&Constraint::CannotSpecifyPinCode) {
            return Err(Refusal::CannotSpecifyCode);
        }
        self.generated_pin(&[device], None).map(Response::GeneratedCode).ok_or(Refusal::CodeConstraintViolated)
    }

    fn pull_backup(&mut self, workspace: WorkspaceId, pull: &PullBackupAccessCode) -> Result<Response, Refusal> {
        let at = self.managed_in(workspace, pull.access_code_id, None)?;
        self.pull(at).map(Response::AccessCode)
    }

    pub(super) fn known_device_in(&self, workspace: WorkspaceId, id: DeviceId) -> Result<u32, Refusal> {
        let owner = |device: u32| self.config.accounts[self.device(device).account as usize].workspace;
        let device = self.device_index.get(&id).copied();
        device.filter(|device| self.belongs_to(owner(*device), workspace)).ok_or(Refusal::DeviceNotFound)
    }

    /// Ids of other workspaces are not found.
    fn belongs_to(&self, owner: WorkspaceId, caller: WorkspaceId) -> bool {
        owner == caller || !self.policy.keeps_workspaces_apart()
    }

    /// A device that takes new codes: a removed one (`R-53`) and one that was given up are not found.
    fn device_in(&self, workspace: WorkspaceId, id: DeviceId) -> Result<u32, Refusal> {
        self.known_device_in(workspace, id).and_then(|device| {
            if self.device(device).is_removed || !self.device(device).is_managed { Err(Refusal::DeviceNotFound) } else { Ok(device) }
        })
    }

    fn managed_in(&self, workspace: WorkspaceId, id: CodeId, device: Option<DeviceId>) -> Result<At, Refusal> {
        let at = *self.index.get(&id).ok_or(Refusal::AccessCodeNotFound)?;
        let record = &self.code(at).record;
        let is_meant =
            self.belongs_to(record.workspace_id, workspace) && record.is_managed && device.is_none_or(|device| device == record.device_id);
        if is_meant { Ok(at) } else { Err(Refusal::AccessCodeNotFound) }
    }

    fn new_window(&self, starts_at: Option<Timestamp>, ends_at: Option<Timestamp>) -> Result<Option<Window>, Refusal> {
        match (starts_at, ends_at) {
            (None, None) => Ok(None),
            (Some(starts_at), Some(ends_at)) => {
                let window = Window { starts_at, ends_at };
                self.check_window(window).map(|()| Some(window))
            }
            (Some(_), None) | (None, Some(_)) => Err(Refusal::InvalidInput),
        }
    }

    pub(super) fn check_window(&self, window: Window) -> Result<(), Refusal> {
        let is_dated = window.starts_at >= Timestamp::MIN && window.ends_at <= Timestamp::MAX;
        if window.starts_at >= window.ends_at || !is_dated {
            return Err(Refusal::InvalidInput);
        }
        if window.ends_at <= self.now { Err(Refusal::WindowInPast) } else { Ok(()) }
    }

    fn check_takes_online(&self, device: u32) -> Result<(), Refusal> {
        if self.profile(device).offline.is_some() { Err(Refusal::OnlineAccessCodesNotSupported) } else { Ok(()) }
    }

    /// What a device demands of any new code.
    pub(super) fn check_device(
        &self,
        device: u32,
        window: Option<Window>,
        uses_pool: Option<bool>,
        attempts_offline: Option<bool>,
    ) -> Result<(), Refusal> {
        if uses_pool == Some(true) {
            //
            if window.is_none() {
                return Err(Refusal::InvalidInput);
            }
            if !self.profile(device).backup_pool {
                return Err(Refusal::BackupPoolNotSupported);
            }
        }
        let state = self.device(device);
        let starts_in_past = window.is_some_and(|window| window.starts_at <= self.now);
        if starts_in_past && state.info.constraints.contains(&Constraint::StartDateInFuture) {
            return Err(Refusal::CodeConstraintViolated);
        }
        self.check_path(device, attempts_offline)
    }

    /// `R-50`.
    fn check_path(&self, device: u32, attempts_offline: Option<bool>) -> Result<(), Refusal> {
        let state = self.device(device);
        let is_offline = state.has_path_error() || self.is_account_down(state.account);
        if attempts_offline == Some(false) && is_offline { Err(Refusal::DeviceOffline) } else { Ok(()) }
    }

    /// Whether a requested PIN may go to a device (lifecycle 5, 1).
    fn check_pin(&self, device: u32, pin: Pin) -> Result<(), Refusal> {
        let rules = self.pin_rules(device);
        if rules.constraints.contains(&Constraint::CannotSpecifyPinCode) {
            return Err(Refusal::CannotSpecifyCode);
        }
        rules.check(pin).map_err(|fault| match fault {
            PinFault::Length => Refusal::UnsupportedCodeLength,
            PinFault::Constraint(_) => Refusal::CodeConstraintViolated,
        })
    }

    /// `R-46`, `R-64` c: two managed codes with one PIN may not be resident at once.
    fn check_twin(&self, device: u32, except: Option<u64>, pin: Pin, window: Option<Window>, prefers_native: bool) -> Result<(), Refusal> {
        let is_native = prefers_native && self.profile(device).schedules;
        let asked = self.residency(window, is_native);
        let is_twin = |code: &&Code| {
            let is_other = code.record.is_managed && Some(code.n) != except && code.record.code == Some(pin);
            let mut other = self.residency(code.window(), code.is_native);
            // What others switched off with leave stays where it is (T26); the rest is on its way out.
            if matches!(code.goal, Goal::Rest | Goal::End) || code.is_expired(self.now) {
                other.ends_at = self.now + 1;
                other.starts_at = other.starts_at.min(self.now);
            }
            is_other && (code.goal == Goal::Hold || code.may_be_on_lock()) && other.overlaps(&asked)
        };
        if self.device(device).live().any(|code| is_twin(&code)) { Err(Refusal::DuplicateAccessCode) } else { Ok(()) }
    }

    /// When a code is in memory (lifecycle 8.4).
    fn residency(&self, window: Option<Window>, is_native: bool) -> Window {
        let lead = self.policy.programming_lead_ms(is_native, &self.config.policy);
        match window {
            Some(window) => Window { starts_at: window.starts_at - lead, ..window },
            None => Window { starts_at: self.now, ends_at: Timestamp::MAX },
        }
    }

    /// A PIN that all the devices take and none of them knows (`R-24`).
    fn generated_pin(&self, devices: &[u32], preferred_length: Option<u8>) -> Option<Pin> {
        let infos = || devices.iter().map(|device| &self.device(*device).info);
        let lengths = devices.iter().map(|device| self.lengths(*device)).reduce(Lengths::and)?;
        let length = preferred_length.filter(|length| lengths.contains(*length)).or(lengths.shortest())?;
        let constraints: Arc<[Constraint]> = infos().flat_map(|info| info.constraints.iter().copied()).collect();
        if constraints.contains(&Constraint::CannotSpecifyPinCode) {
            return None;
        }
        let used = devices.iter().flat_map(|device| self.pins_known(*device)).collect();
        let first = self.device(*devices.first()?);
        let draw = draw(self.config.entropy, Purpose::Pin, first.id.0, first.codes_made + 1);
        self.pin_spaces.free_pin(length, constraints, used, draw)
    }

    fn group<'a>(&'a self, workspace: WorkspaceId, key: &'a str) -> impl Iterator<Item = At> + 'a {
        (0..self.state.devices.len() as u32).flat_map(move |device| {
            let is_member = move |code: &&Code| {
                let record = &code.record;
                record.is_managed && record.workspace_id == workspace && record.common_code_key.as_deref() == Some(key)
            };
            self.device(device).live().filter(is_member).map(move |code| At { device, n: code.n })
        })
    }

    /// `R-47`: the first code of a key fixes the PIN.
    fn group_pin(&self, workspace: WorkspaceId, key: &str) -> Option<Pin> {
        self.group(workspace, key).find_map(|at| self.code(at).record.code)
    }
}

/// A requested PIN: digits of a legal length; a JSON number is refused, never converted (`I-BYTES-01`).
pub(super) fn requested_pin(code: Option<&RequestedCode>) -> Result<Option<Pin>, Refusal> {
    match code {
        None => Ok(None),
        Some(RequestedCode::Number(_)) => Err(Refusal::InvalidInput),
        Some(RequestedCode::Text(text)) => {
            let pin: Pin = text.parse().map_err(|_| Refusal::InvalidInput)?;
            if CODE_LEN_API.contains(pin.length()) { Ok(Some(pin)) } else { Err(Refusal::InvalidInput) }
        }
    }
}
