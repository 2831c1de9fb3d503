//! Why calls are refused: a refusal names what is wrong with the call, and what is plainly wrong with it is refused.
//!
//! Of several faults a controller may name any. What is due in the instant of the call may come before or after it, so a fault that
//! the records show on one side of the step alone may be named and need not be.

use keyway_core::access_code::{DeviceRecord, Record, Status, Type};
use keyway_core::id::{CodeId, DeviceId, WorkspaceId};
use keyway_core::pin::{Constraint, Pin};
use keyway_core::problem::ErrorCode;
use keyway_core::request::unmanaged::UnmanagedRequest;
use keyway_core::request::{Create, Refusal, Request, RequestedCode, Update};
use keyway_core::time::{Timestamp, Window};

use super::api::{obeys, wrong_form};
use super::story::View;
use crate::history::{Call, History, LockState, is_path_error};

/// What is wrong with this refusal of the call.
#[must_use]
pub fn wrong_refusal(view: &View<'_>, call: &Call, refusal: Refusal) -> Option<String> {
    let is_absent = Asked::of(view, call).fault(refusal) == Fault::Absent;
    is_absent.then(|| format!("was refused as {refusal}, which is not so"))
}

/// What a call that was taken had to be refused for.
#[must_use]
pub fn overlooked(view: &View<'_>, call: &Call) -> Option<String> {
    let asked = Asked::of(view, call);
    let refusal = JUDGED.iter().find(|refusal| asked.fault(**refusal) == Fault::Plain)?;
    Some(format!("was taken, though it had to be refused as {refusal}"))
}

/// What is held against a call that was taken, in this order. PINs that no lock takes are for I-API-03, and equal ones for I-DEV-01.
const JUDGED: [Refusal; 15] = [
    Refusal::DeviceNotFound,
    Refusal::AccessCodeNotFound,
    Refusal::AccessCodeIsBackup,
    Refusal::CannotModifyOfflineAccessCode,
    Refusal::CannotDeleteOfflineAccessCode,
    Refusal::AccessCodeIsBeingRemoved,
    Refusal::AccessCodeNotTimeBound,
    Refusal::OfflineAccessCodesNotSupported,
    Refusal::OnlineAccessCodesNotSupported,
    Refusal::BackupPoolNotSupported,
    Refusal::CannotSpecifyCode,
    Refusal::CommonCodeKeyConflict,
    Refusal::WindowInPast,
    Refusal::DeviceOffline,
    Refusal::InvalidInput,
];

/// Whether a call has a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It has, whatever the order within the instant.
    Plain,
    /// It depends on that, or on what the judge doesn't know.
    Possible,
    /// It has not.
    Absent,
}

impl Fault {
    const fn plain_if(is_so: bool) -> Self {
        if is_so { Self::Plain } else { Self::Absent }
    }

    const fn possible_if(is_so: bool) -> Self {
        if is_so { Self::Possible } else { Self::Absent }
    }

    /// Of what is so before the step, and after it.
    const fn of([before, after]: [bool; 2]) -> Self {
        match (before, after) {
            (true, true) => Self::Plain,
            (false, false) => Self::Absent,
            (true, false) | (false, true) => Self::Possible,
        }
    }

    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Plain, _) | (_, Self::Plain) => Self::Plain,
            (Self::Absent, Self::Absent) => Self::Absent,
            _ => Self::Possible,
        }
    }
}

/// A call, and what it is about.
struct Asked<'a> {
    view: &'a View<'a>,
    workspace: WorkspaceId,
    request: &'a Request,
    /// The devices that it names.
    devices: Vec<DeviceId>,
    /// The record of the managed code that it names, before the step and after it.
    records: [Option<&'a Record>; 2],
    /// The PIN that it asks for.
    code: Option<&'a RequestedCode>,
}

impl<'a> Asked<'a> {
    fn of(view: &'a View<'a>, call: &'a Call) -> Self {
        let (workspace, request) = (call.workspace, &call.request);
        let (id, device) = request.target();
        let (devices, code) = match request {
            Request::CreateMultiple(create) => (create.device_ids.clone(), create.code.as_ref()),
            Request::Create(create) => (vec![create.device_id], create.code.as_ref()),
            Request::Update(update) => (Vec::new(), update.code.as_ref()),
            Request::Get(get) => (Vec::from_iter(device), get.code.as_ref()),
            Request::Unmanaged(UnmanagedRequest::Get(get)) => (Vec::from_iter(device), get.code.as_ref()),
            Request::UpdateMultiple(_) | Request::Delete(_) | Request::PullBackupAccessCode(_) => (Vec::new(), None),
            Request::List(_) | Request::GenerateCode(_) | Request::Device(_) | Request::Unmanaged(_) => (Vec::from_iter(device), None),
        };
        let own = |record: &&Record| record.is_managed && record.workspace_id == workspace;
        let records = id.map_or([None, None], |id| [view.before(id).filter(own), view.live(id).filter(own)]);
        Self { view, workspace, request, devices, records, code }
    }

    fn history(&self) -> &'a History {
        self.view.history
    }

    fn fault(&self, refusal: Refusal) -> Fault {
        let request = self.request;
        let is_pull = matches!(request, Request::PullBackupAccessCode(_));
        let is_delete = matches!(request, Request::Delete(_));
        let is_update = matches!(request, Request::Update(_));
        let is_group = matches!(request, Request::UpdateMultiple(_));
        let is_unmanaged = matches!(request, Request::Unmanaged(_));
        match refusal {
            Refusal::InvalidInput => self.form(),
            Refusal::Unauthorized => Fault::Absent,
            Refusal::DeviceNotFound => self.devices.iter().fold(Fault::Absent, |fault, device| fault.or(self.is_missing(*device))),
            Refusal::AccessCodeNotFound => self.is_code_missing(),
            Refusal::BackupAccessCodeNotFound => {
                Fault::possible_if(is_pull && self.is_either(|record| record.pulled_backup_access_code_id.is_some()))
            }
            Refusal::AccessCodeNotTimeBound if is_pull => self.is_record(|record| record.ends_at.is_none()),
            Refusal::NoBackupAccessCodeAvailable => Fault::possible_if(is_pull),
            Refusal::AccessCodeIsBackup if is_update || is_pull => self.is_record(|record| record.is_backup),
            Refusal::AccessCodeIsBackup if is_delete => {
                self.is_record(|record| record.is_backup && !self.view.story.is_pulled(record.access_code_id))
            }
            Refusal::CannotModifyOfflineAccessCode if is_update => self.is_record(|record| record.is_offline_access_code),
            // what nobody was told can be forgotten.
            Refusal::CannotDeleteOfflineAccessCode if is_delete => {
                let is_out = |record: &Record| record.code.is_some() && record.ends_at.is_none_or(|end| self.view.now < end);
                self.is_record(|record| record.is_offline_access_code && is_out(record))
            }
            //
            Refusal::AccessCodeIsBeingRemoved if is_update => {
                let is_hidden = Fault::possible_if(self.is_either(|record| record.status == Status::Unknown));
                self.is_record(|record| record.status == Status::Removing).or(is_hidden)
            }
            Refusal::CannotModifyOfflineAccessCode | Refusal::AccessCodeIsBeingRemoved | Refusal::AccessCodeIsBackup => {
                Fault::possible_if(is_group)
            }
            Refusal::AccessCodeNotTimeBound | Refusal::CannotDeleteOfflineAccessCode => Fault::Absent,
            Refusal::DuplicateAccessCode => Fault::possible_if(is_group || self.has_twin()),
            Refusal::CodeConstraintViolated => self.breaks_constraint(),
            Refusal::UnsupportedCodeLength => self.of_pin_on_devices(|pin, lock| !lock.told_lengths().contains(pin.length())),
            Refusal::CannotSpecifyCode => self.specifies(),
            Refusal::OfflineAccessCodesNotSupported => {
                let is_offline = self.create().is_some_and(is_offline);
                Fault::plain_if(is_offline && self.locks().any(|lock| lock.facts.profile.offline.is_none()))
            }
            Refusal::OnlineAccessCodesNotSupported => {
                let is_online = self.is_creation() && !self.create().is_some_and(is_offline);
                Fault::plain_if(is_online && self.locks().any(|lock| lock.facts.profile.offline.is_some()))
            }
            Refusal::TimeRoundingExceeded | Refusal::NoMatchingTimeSlot => Fault::possible_if(self.create().is_some_and(is_offline)),
            Refusal::TimeZoneRequired => Fault::possible_if(self.is_creation() && self.bounds() != (None, None)),
            Refusal::CodeCannotBeShared => {
                let is_multiple = matches!(request, Request::CreateMultiple(_));
                Fault::possible_if(is_multiple || self.create().is_some_and(|create| create.common_code_key.is_some()))
            }
            Refusal::CommonCodeKeyConflict => self.conflicts(),
            Refusal::DeviceOffline => self.is_cut_off(),
            Refusal::BackupPoolNotSupported => {
                Fault::plain_if(self.uses_pool() && self.locks().any(|lock| !lock.facts.profile.backup_pool))
            }
            Refusal::WindowInPast => self.is_past(),
            Refusal::DeviceTypeNotSupported => Fault::possible_if(matches!(request, Request::Device(_))),
            Refusal::CannotConvertAccessCode | Refusal::AccessCodeManagedElsewhere => Fault::possible_if(is_unmanaged),
        }
    }

    fn create(&self) -> Option<&'a Create> {
        if let Request::Create(create) = self.request { Some(create) } else { None }
    }

    fn update(&self) -> Option<&'a Update> {
        if let Request::Update(update) = self.request { Some(update) } else { None }
    }

    fn is_creation(&self) -> bool {
        matches!(self.request, Request::Create(_) | Request::CreateMultiple(_))
    }

    fn bounds(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        match self.request {
            Request::Create(create) => (create.starts_at, create.ends_at),
            Request::CreateMultiple(create) => (create.starts_at, create.ends_at),
            Request::Update(update) => (update.starts_at, update.ends_at),
            Request::UpdateMultiple(update) => (update.starts_at, update.ends_at),
            _ => (None, None),
        }
    }

    fn uses_pool(&self) -> bool {
        let uses = match self.request {
            Request::Create(create) => create.use_backup_access_code_pool,
            Request::CreateMultiple(create) => create.use_backup_access_code_pool,
            _ => None,
        };
        uses == Some(true)
    }

    fn is_record(&self, of: impl Fn(&Record) -> bool) -> Fault {
        Fault::of(self.records.map(|record| record.is_some_and(&of)))
    }

    fn is_either(&self, of: impl Fn(&Record) -> bool) -> bool {
        self.records.into_iter().flatten().any(of)
    }

    /// The locks of the devices that it names, or of the code that it names.
    fn locks(&self) -> impl Iterator<Item = &'a LockState> {
        let of_code = self.records.into_iter().flatten().map(|record| record.device_id).next();
        self.devices.iter().copied().chain(of_code).filter_map(|device| self.view.lock(device))
    }

    fn is_missing(&self, device: DeviceId) -> Fault {
        let history = self.history();
        let Some(lock) = history.find_lock(device) else { return Fault::Plain };
        if history.workspace_of(history.lock(lock).facts.account) != Some(self.workspace) {
            return Fault::Plain;
        }
        let views = [history.previous_device(lock), history.lock(lock).device.as_deref()];
        let missing = Fault::possible_if(views.contains(&None));
        // a device that left its account takes no new codes, and one that is no longer managed does not either.
        if matches!(self.request, Request::Create(_) | Request::CreateMultiple(_) | Request::GenerateCode(_) | Request::Device(_)) {
            let is_removed = |device: Option<&DeviceRecord>| History::device_shows(device, |error| error == ErrorCode::DeviceRemoved);
            let removed = Fault::of(views.map(is_removed));
            return missing.or(removed).or(Fault::possible_if(history.lock(lock).was_to_be_given_up));
        }
        missing
    }

    fn is_code_missing(&self) -> Fault {
        match self.request {
            Request::Update(_) | Request::Delete(_) | Request::PullBackupAccessCode(_) => {
                let (_, device) = self.request.target();
                let is_meant = |record: &Record| device.is_none_or(|device| device == record.device_id);
                Fault::of(self.records.map(|record| !record.is_some_and(is_meant)))
            }
            Request::Get(get) => match (get.access_code_id, get.device_id, &get.code) {
                (Some(_), None, None) => Fault::of(self.records.map(|record| record.is_none())),
                (None, Some(device), Some(code)) => {
                    let pin = pin_of(code);
                    let has = |record: Option<&Record>| record.is_some_and(|record| record.is_managed && record.code == pin);
                    let codes = self.codes_on(device).map(|records| records.map(has));
                    let stays = codes.clone().any(|has| has == [true, true]);
                    if stays {
                        Fault::Absent
                    } else {
                        Fault::of(codes.fold([true, true], |none, has| [none[0] && !has[0], none[1] && !has[1]]))
                    }
                }
                _ => Fault::Possible,
            },
            Request::UpdateMultiple(update) => {
                let is_member = |record: &Record| record.is_managed && record.common_code_key.as_ref() == Some(&update.common_code_key);
                let mut members = self.view.live_codes().filter(|(_, record)| is_member(record));
                let stays = |record: &Record| self.view.before(record.access_code_id).is_some_and(is_member);
                Fault::possible_if(!members.any(|(_, record)| record.workspace_id == self.workspace && stays(record)))
            }
            Request::Unmanaged(request) => {
                let own = |record: &&Record| !record.is_managed && record.workspace_id == self.workspace;
                let id = request.converts().or(request.deletes());
                let is_there = |id: CodeId| [self.view.before(id), self.view.live(id)].map(|record| record.as_ref().is_some_and(own));
                id.map_or(Fault::Possible, |id| Fault::of(is_there(id).map(|there| !there)))
            }
            Request::Create(_) | Request::CreateMultiple(_) | Request::List(_) | Request::GenerateCode(_) | Request::Device(_) => {
                Fault::Absent
            }
        }
    }

    /// The records on a device, before the step and after it.
    fn codes_on(&self, device: DeviceId) -> impl Iterator<Item = [Option<&'a Record>; 2]> + Clone {
        let history = self.history();
        let codes = history.find_lock(device).into_iter().flat_map(move |lock| &history.lock(lock).codes);
        codes.map(move |code| [history.previous(*code), history.code(*code).record.as_deref()])
    }

    /// Schema and rules across fields (api.md 2 to 12).
    fn form(&self) -> Fault {
        if self.code.and_then(wrong_form).is_some() {
            return Fault::Possible;
        }
        let (starts_at, ends_at) = self.bounds();
        let is_turned = starts_at.zip(ends_at).is_some_and(|(start, end)| end <= start);
        let is_half = starts_at.is_some() != ends_at.is_some();
        match self.request {
            // How long an offline code lasts is the vendor's matter.
            Request::Create(create) if is_offline(create) => {
                if starts_at.is_none() {
                    Fault::Plain
                } else {
                    Fault::Possible
                }
            }
            Request::Create(create) => {
                let is_odd = create.is_one_time_use == Some(true) || create.common_code_key.as_ref().is_some_and(String::is_empty);
                // a pool serves codes with an end.
                Fault::plain_if(is_half || is_turned || is_odd || self.uses_pool() && ends_at.is_none())
            }
            Request::CreateMultiple(create) => {
                let mut devices = create.device_ids.clone();
                devices.sort_unstable();
                devices.dedup();
                let is_odd = devices.is_empty() || devices.len() < create.device_ids.len();
                let is_bad = is_half || is_turned || is_odd || self.uses_pool() && ends_at.is_none();
                Fault::plain_if(is_bad).or(Fault::possible_if(devices.len() > 1))
            }
            Request::Update(update) => {
                let is_unknown = Fault::possible_if(self.records == [None, None]);
                Fault::of(self.windows_after(update).map(|window| window == Err(Refusal::InvalidInput))).or(is_unknown)
            }
            Request::UpdateMultiple(_) => Fault::possible_if(is_half || is_turned),
            Request::Get(get) => {
                let asked = (get.access_code_id.is_some(), get.device_id.is_some(), get.code.is_some());
                Fault::plain_if(!matches!(asked, (true, false, false) | (false, true, true)))
            }
            //
            Request::List(list) => match (list.device_id.is_some(), list.access_code_ids.is_some()) {
                (false, false) => Fault::Plain,
                (true, true) => Fault::Possible,
                (true, false) | (false, true) => Fault::Absent,
            },
            Request::Delete(_) | Request::PullBackupAccessCode(_) | Request::GenerateCode(_) => Fault::Absent,
            Request::Unmanaged(UnmanagedRequest::Delete(_) | UnmanagedRequest::List(_) | UnmanagedRequest::ConvertToManaged(_)) => {
                Fault::Absent
            }
            Request::Unmanaged(UnmanagedRequest::Get(_) | UnmanagedRequest::Update(_)) | Request::Device(_) => Fault::Possible,
        }
    }

    /// The window that an update makes of what the code had before the step and after it.
    fn windows_after(&self, update: &Update) -> [Result<Option<Window>, Refusal>; 2] {
        self.records.map(|record| {
            let (starts_at, ends_at) = (update.starts_at, update.ends_at);
            if update.kind == Some(Type::Ongoing) {
                return if (starts_at, ends_at) == (None, None) { Ok(None) } else { Err(Refusal::InvalidInput) };
            }
            let record = record.ok_or(Refusal::AccessCodeNotFound)?;
            match (starts_at.or(record.starts_at), ends_at.or(record.ends_at)) {
                (Some(starts_at), Some(ends_at)) if starts_at < ends_at => Ok(Some(Window { starts_at, ends_at })),
                (None, None) if update.kind.is_none() => Ok(None),
                _ => Err(Refusal::InvalidInput),
            }
        })
    }

    fn is_past(&self) -> Fault {
        let is_over = |window: Window| window.ends_at <= self.view.now;
        if let Some(update) = self.update() {
            let is_asked = self.bounds() != (None, None);
            let after = self.windows_after(update).map(|window| window.ok().flatten().is_some_and(is_over));
            return if is_asked { Fault::of(after) } else { Fault::possible_if(after.contains(&true)) };
        }
        match self.request {
            Request::Create(create) if is_offline(create) => Fault::Possible,
            Request::UpdateMultiple(_) => Fault::Possible,
            _ if self.is_creation() => Fault::plain_if(self.bounds().1.is_some_and(|end| end <= self.view.now)),
            _ => Fault::Absent,
        }
    }

    fn pin(&self) -> Option<Pin> {
        self.code.and_then(pin_of)
    }

    /// Of the PIN that it asks for, on any device that it would come to. Lengths may have changed unseen by the one or the other.
    fn of_pin_on_devices(&self, is_bad: impl Fn(Pin, &LockState) -> bool) -> Fault {
        let Some(pin) = self.pin().filter(|_| self.is_creation() || self.update().is_some()) else { return Fault::Absent };
        let of_lock = |lock: &LockState| {
            if self.view.story.took_other_lengths(lock.facts.device, self.history()) {
                return Fault::Possible;
            }
            Fault::plain_if(is_bad(pin, lock))
        };
        let is_as_before = self.records.iter().flatten().any(|record| record.code == Some(pin));
        let fault = self.locks().map(of_lock).fold(Fault::Absent, Fault::or);
        // A PIN that can't be shared, and one that the code has already, may be judged otherwise.
        let is_open = is_as_before || matches!(self.request, Request::CreateMultiple(_));
        if is_open && fault == Fault::Plain { Fault::Possible } else { fault }
    }

    fn breaks_constraint(&self) -> Fault {
        let by_pin = self.of_pin_on_devices(|pin, lock| lock.facts.profile.constraints.iter().any(|constraint| !obeys(pin, *constraint)));
        let starts_too_soon = self.bounds().0.is_some_and(|start| start <= self.view.now);
        let wants_future = |lock: &LockState| lock.facts.profile.constraints.contains(&Constraint::StartDateInFuture);
        let by_start = Fault::possible_if(starts_too_soon && self.locks().any(wants_future));
        // All PINs of a length may be taken.
        let is_choosing = self.code.is_none() && (self.is_creation() || matches!(self.request, Request::GenerateCode(_)));
        by_pin.or(by_start).or(Fault::possible_if(is_choosing))
    }

    fn specifies(&self) -> Fault {
        let is_asking =
            matches!(self.request, Request::GenerateCode(_)) || self.pin().is_some() && (self.is_creation() || self.update().is_some());
        let is_offline = self.create().is_some_and(is_offline);
        let is_forbidden = |lock: &LockState| lock.facts.profile.constraints.contains(&Constraint::CannotSpecifyPinCode);
        let is_bad = is_asking && (is_offline || self.locks().any(is_forbidden));
        if matches!(self.request, Request::CreateMultiple(_)) { Fault::possible_if(is_bad) } else { Fault::plain_if(is_bad) }
    }

    fn conflicts(&self) -> Fault {
        match self.request {
            Request::Create(create) => Fault::possible_if(create.common_code_key.is_some() && create.code.is_some()),
            Request::Update(_) => {
                let pin = self.pin();
                self.is_record(|record| pin.is_some() && record.code != pin && record.common_code_key.is_some())
            }
            _ => Fault::Absent,
        }
    }

    ///
    fn is_cut_off(&self) -> Fault {
        let attempts = match self.request {
            Request::Create(create) => create.attempt_for_offline_device,
            Request::CreateMultiple(create) => create.attempt_for_offline_device,
            Request::Update(update) => update.attempt_for_offline_device,
            _ => None,
        };
        let history = self.history();
        let shows = |lock: &LockState| {
            let before = history.find_lock(lock.facts.device).and_then(|lock| history.previous_device(lock));
            Fault::of([before, lock.device.as_deref()].map(|device| History::device_shows(device, is_path_error)))
        };
        if attempts == Some(false) { self.locks().map(shows).fold(Fault::Absent, Fault::or) } else { Fault::Absent }
    }

    /// Whether another code has, or had before the step, a PIN that the code gets (`R-46`); when both may be there is for I-DEV-01.
    fn has_twin(&self) -> bool {
        let id = self.request.target().0;
        let key = self.create().and_then(|create| create.common_code_key.as_ref());
        let own = self.records.into_iter().flatten().filter_map(|record| record.code);
        let pins: Vec<Pin> = self.pin().into_iter().chain(own).collect();
        let is_twin =
            |record: &Record| Some(record.access_code_id) != id && record.code.is_some_and(|pin| pins.contains(&pin) || key.is_some());
        let is_writing = self.is_creation() || self.update().is_some();
        is_writing && self.locks().any(|lock| self.codes_on(lock.facts.device).flatten().flatten().any(is_twin))
    }
}

fn is_offline(create: &Create) -> bool {
    create.is_offline_access_code == Some(true)
}

fn pin_of(code: &RequestedCode) -> Option<Pin> {
    match code {
        RequestedCode::Text(text) => text.parse().ok(),
        RequestedCode::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::id::CallId;
    use keyway_core::request::{Delete, PullBackupAccessCode, Response};

    use super::super::story::kit::{breaks, story};
    use super::*;
    use crate::judge::testing::{CLOUD, Story};
    use crate::occurrence::Occurrence;

    fn call(story: &mut Story, request: Request, result: Result<Response, Refusal>) {
        let call_id = CallId(story.number());
        story.step(
            Occurrence::Called { call_id, workspace: WorkspaceId::numbered(0), request },
            vec![Occurrence::Replied { call_id, result }],
        );
    }

    #[test]
    fn a_refusal_that_is_true_passes() {
        let mut story = story();
        let code = story.confirmed(CLOUD, "1234", None);
        let pull = Request::PullBackupAccessCode(PullBackupAccessCode { access_code_id: code });
        call(&mut story, pull, Err(Refusal::AccessCodeNotTimeBound));
        story.must_hold();
    }

    #[test]
    fn a_refusal_for_another_reason_is_found() {
        let mut story = story();
        let code = story.confirmed(CLOUD, "1234", None);
        call(&mut story, Request::Delete(Delete { access_code_id: code, ..Delete::default() }), Err(Refusal::AccessCodeIsBackup));
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn a_lawful_call_that_is_refused_for_its_form_is_found() {
        let mut story = story();
        let create = Create { device_id: story.device(CLOUD), ..Create::default() };
        call(&mut story, Request::Create(create), Err(Refusal::InvalidInput));
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn a_duplicate_that_nobody_has_is_found() {
        let mut story = story();
        story.confirmed(CLOUD, "1234", None);
        let create =
            |pin: &str| Create { device_id: story.device(CLOUD), code: Some(RequestedCode::Text(pin.to_owned())), ..Create::default() };
        let (twin, other) = (create("1234"), create("4321"));
        call(&mut story, Request::Create(twin), Err(Refusal::DuplicateAccessCode));
        story.must_hold();
        call(&mut story, Request::Create(other), Err(Refusal::DuplicateAccessCode));
        breaks(&mut story, "I-API-02");
    }

    #[test]
    fn an_ongoing_code_has_no_backup_to_give() {
        let mut story = story();
        let code = story.confirmed(CLOUD, "1234", None);
        let pull = Request::PullBackupAccessCode(PullBackupAccessCode { access_code_id: code });
        call(&mut story, pull, Ok(Response::AccessCode(code)));
        breaks(&mut story, "I-API-02");
    }
}
