//! August: the code moves to the lock in a second phase, and each way to fail there has a name (vendors.md 1).

use super::{Problems, Symptom};
use crate::problem::{ErrorCode, WarningCode};

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let (warning, error) = match symptom {
        Symptom::NotLoaded => (Some(WarningCode::AugustDeviceProgrammingDelay), ErrorCode::AugustDeviceProgrammingDelay),
        Symptom::DroppedOff => (Some(WarningCode::AugustLockTemporarilyOffline), ErrorCode::AugustLockTemporarilyOffline),
        Symptom::Full => (None, ErrorCode::AugustDeviceSlotsFull),
        Symptom::BadLength => (None, ErrorCode::AugustLockInvalidCodeLength),
        _ => return None,
    };
    Some(Problems { warning, error: Some(error) })
}
