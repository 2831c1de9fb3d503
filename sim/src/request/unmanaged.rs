//! Calls about codes that nobody manages: the record meant is looked up among those that the controller shows.

use std::collections::BTreeMap;

use keyway_core::access_code::Record;
use keyway_core::id::CodeId;
use keyway_core::request::Request;
use keyway_core::request::unmanaged::{
    ConvertToManaged, DeleteUnmanaged, GetUnmanaged, ListUnmanaged, UnmanagedRequest as Call, UpdateUnmanaged,
};

use crate::plan::unmanaged::{AtUnmanaged, UnmanagedAction};
use crate::setup::Setup;

/// The call, and the name that its answer gives to the code.
pub fn call(
    action: &UnmanagedAction,
    setup: &Setup,
    names: &BTreeMap<String, CodeId>,
    records: &BTreeMap<CodeId, Record>,
) -> Option<(Request, Vec<String>)> {
    let meant = |target: &AtUnmanaged| meant(target, setup, names, records);
    let (call, named) = match action {
        UnmanagedAction::List(device) => (Call::List(ListUnmanaged { device_id: setup.device(device)? }), None),
        UnmanagedAction::Get(AtUnmanaged { code: None, on: Some(on), pin: Some(pin) }) => {
            (Call::Get(GetUnmanaged { device_id: Some(setup.device(on)?), code: Some(pin.0.into()), ..GetUnmanaged::default() }), None)
        }
        UnmanagedAction::Get(target) => (Call::Get(GetUnmanaged { access_code_id: Some(meant(target)?), ..GetUnmanaged::default() }), None),
        UnmanagedAction::Convert(convert) => {
            let access_code_id = meant(&convert.target)?;
            let (is_external_modification_allowed, force) = (convert.is_external_modification_allowed, convert.force);
            (Call::ConvertToManaged(ConvertToManaged { access_code_id, is_external_modification_allowed, force }), convert.named.clone())
        }
        UnmanagedAction::Update(convert) => {
            let access_code_id = meant(&convert.target)?;
            let (is_external_modification_allowed, force) = (convert.is_external_modification_allowed, convert.force);
            let update = UpdateUnmanaged { access_code_id, is_managed: true, is_external_modification_allowed, force };
            (Call::Update(update), convert.named.clone())
        }
        UnmanagedAction::Delete(target) => (Call::Delete(DeleteUnmanaged { access_code_id: meant(target)? }), None),
    };
    Some((Request::Unmanaged(call), named.into_iter().collect()))
}

fn meant(target: &AtUnmanaged, setup: &Setup, names: &BTreeMap<String, CodeId>, records: &BTreeMap<CodeId, Record>) -> Option<CodeId> {
    if let Some(code) = &target.code {
        return names.get(code).copied();
    }
    let device = setup.device(target.on.as_deref()?)?;
    let on_device = records.values().filter(|record| record.device_id == device && !record.is_managed);
    let mut fitting = on_device.filter(|record| record.code.is_none() || target.pin.is_none_or(|pin| record.code == Some(pin.0)));
    fitting.next().map(|record| record.access_code_id)
}
