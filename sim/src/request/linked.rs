//! Calls about codes that share one PIN.

use std::collections::BTreeMap;

use keyway_core::access_code::Record;
use keyway_core::id::CodeId;
use keyway_core::request::{CreateMultiple, Request, UpdateMultiple};

use crate::plan::CreateCodes;
use crate::plan::linked::UpdateCodes;
use crate::setup::Setup;

/// The call that creates several codes at once.
pub fn creations(create: &CreateCodes, setup: &Setup) -> Option<CreateMultiple> {
    Some(CreateMultiple {
        device_ids: create.codes.values().map(|name| setup.device(name)).collect::<Option<_>>()?,
        behavior_when_code_cannot_be_shared: create.when_not_shared.map(Into::into),
        code: create.pin.as_ref().map(super::requested),
        starts_at: create.starts.map(|starts| setup.instant(starts)),
        ends_at: create.ends.map(|ends| setup.instant(ends)),
        name: create.name.clone(),
        preferred_code_length: create.preferred_code_length,
        prefer_native_scheduling: create.prefer_native_scheduling,
        use_backup_access_code_pool: create.use_backup_access_code_pool,
        is_external_modification_allowed: create.is_external_modification_allowed,
        attempt_for_offline_device: create.attempt_for_offline_device,
    })
}

/// The call that updates the group of a code; of a code without a key, a call with its name for a key, which no group has.
pub fn updates(
    update: &UpdateCodes,
    setup: &Setup,
    names: &BTreeMap<String, CodeId>,
    records: &BTreeMap<CodeId, Record>,
) -> Option<Request> {
    let record = records.get(names.get(&update.group_of)?);
    let key = record.and_then(|record| record.common_code_key.clone());
    Some(Request::UpdateMultiple(UpdateMultiple {
        common_code_key: key.unwrap_or_else(|| update.group_of.clone()),
        name: update.name.clone(),
        starts_at: update.starts.map(|starts| setup.instant(starts)),
        ends_at: update.ends.map(|ends| setup.instant(ends)),
    }))
}
