//! From the names of a plan to API calls and entries on a lock, at the moment a step happens.

use std::collections::BTreeMap;

use keyway_core::access_code::Record;
use keyway_core::id::{CodeId, Slot};
use keyway_core::port::Place;
use keyway_core::request::{Create, Delete, GenerateCode, Get, List, PullBackupAccessCode, Request, RequestedCode, Update};
use keyway_core::world::lock::Entry;

use crate::occurrence::Origin;
use crate::plan::lookup::{DeleteOn, GetByPin, ListCodes};
use crate::plan::{Action, AtEntry, CreateCode, RequestedPin, UpdateCode};
use crate::setup::Setup;

mod device;
mod linked;
mod unmanaged;

/// The call that a step makes now, and the names that its answer will give to codes; none if a name stands for nothing.
#[must_use]
pub fn call(
    action: &Action,
    setup: &Setup,
    names: &BTreeMap<String, CodeId>,
    records: &BTreeMap<CodeId, Record>,
) -> Option<(Request, Vec<String>)> {
    let code = |name: &str| names.get(name).copied();
    match action {
        Action::Create(create) => Some((Request::Create(creation(create, setup)?), vec![create.code.clone()])),
        Action::CreateMultiple(create) => {
            Some((Request::CreateMultiple(linked::creations(create, setup)?), create.codes.keys().cloned().collect()))
        }
        Action::Update(update) => Some((Request::Update(change(update, setup, code(&update.code)?)?), Vec::new())),
        Action::UpdateMultiple(update) => linked::updates(update, setup, names, records).map(|request| (request, Vec::new())),
        Action::Delete(name) => Some((Request::Delete(Delete { access_code_id: code(name)?, device_id: None }), Vec::new())),
        Action::DeleteOn(DeleteOn { code: name, on }) => {
            Some((Request::Delete(Delete { access_code_id: code(name)?, device_id: Some(setup.device(on)?) }), Vec::new()))
        }
        Action::GetByPin(GetByPin { on, pin }) => {
            let (device_id, code) = (Some(setup.device(on)?), Some(requested(pin)));
            Some((Request::Get(Get { device_id, code, ..Get::default() }), Vec::new()))
        }
        Action::ListCodes(ListCodes { codes }) => {
            let access_code_ids = Some(codes.iter().map(|name| code(name)).collect::<Option<_>>()?);
            Some((Request::List(List { device_id: None, access_code_ids }), Vec::new()))
        }
        Action::Get(name) => Some((Request::Get(Get { access_code_id: Some(code(name)?), ..Get::default() }), Vec::new())),
        Action::List(device) => Some((Request::List(List { device_id: Some(setup.device(device)?), access_code_ids: None }), Vec::new())),
        Action::GenerateCode(device) => Some((Request::GenerateCode(GenerateCode { device_id: setup.device(device)? }), Vec::new())),
        Action::PullBackup(pull) => {
            let request = Request::PullBackupAccessCode(PullBackupAccessCode { access_code_id: code(&pull.of)? });
            Some((request, vec![pull.named.clone()]))
        }
        Action::Unmanaged(action) => unmanaged::call(action, setup, names, records),
        Action::Device(action) => Some((Request::Device(device::call(action, setup)?), Vec::new())),
        Action::SimulateUnmanaged(_) => None,
        Action::PersonAdds(_) | Action::PersonRemoves(_) | Action::PersonEdits(_) | Action::PersonDisables(_) => None,
        Action::PersonSetsLength(_) => None,
        Action::Enter(_) | Action::EnterRepeatedly(_) => None,
    }
}

fn creation(create: &CreateCode, setup: &Setup) -> Option<Create> {
    Some(Create {
        device_id: setup.device(&create.on)?,
        name: Some(create.name.clone().unwrap_or_else(|| create.code.clone())),
        code: create.pin.as_ref().map(requested),
        starts_at: create.starts.map(|starts| setup.instant(starts)),
        ends_at: create.ends.map(|ends| setup.instant(ends)),
        common_code_key: create.common_code_key.clone(),
        preferred_code_length: create.preferred_code_length,
        prefer_native_scheduling: create.prefer_native_scheduling,
        use_backup_access_code_pool: create.use_backup_access_code_pool,
        is_external_modification_allowed: create.is_external_modification_allowed,
        attempt_for_offline_device: create.attempt_for_offline_device,
        is_offline_access_code: create.is_offline_access_code,
        is_one_time_use: create.is_one_time_use,
        max_time_rounding: create.max_time_rounding,
    })
}

fn change(update: &UpdateCode, setup: &Setup, access_code_id: CodeId) -> Option<Update> {
    let device_id = update.on.as_ref().map_or(Some(None), |on| setup.device(on).map(Some))?;
    Some(Update {
        access_code_id,
        code: update.pin.as_ref().map(requested),
        name: update.name.clone(),
        starts_at: update.starts.map(|starts| setup.instant(starts)),
        ends_at: update.ends.map(|ends| setup.instant(ends)),
        kind: update.kind,
        is_external_modification_allowed: update.is_external_modification_allowed,
        is_managed: update.is_managed,
        prefer_native_scheduling: update.prefer_native_scheduling,
        attempt_for_offline_device: update.attempt_for_offline_device,
        device_id,
    })
}

fn requested(pin: &RequestedPin) -> RequestedCode {
    match pin {
        RequestedPin::Text(text) => RequestedCode::Text(text.clone()),
        RequestedPin::Number(number) => RequestedCode::Number(*number),
    }
}

/// The place of the entry that a person means: by code, slot or PIN.
#[must_use]
pub fn entries_meant(
    meant: &AtEntry,
    entries: &[Entry],
    code: impl Fn(&str) -> Option<CodeId>,
    origin: impl Fn(&Entry) -> Origin,
) -> Option<Place> {
    let wanted = meant.code.as_deref().and_then(code).map(Origin::Code);
    let found = entries.iter().find(|entry| match (&meant.code, meant.slot, meant.pin) {
        (Some(_), _, _) => wanted.is_some_and(|wanted| origin(entry) == wanted),
        (None, Some(slot), _) => entry.place == Place::Slot(Slot(slot)),
        (None, None, Some(pin)) => entry.pin == pin.0,
        (None, None, None) => true,
    });
    found.map(|entry| entry.place)
}
