//! `SmartThings`: attempts that fail without a reason, counted (`V-11`), and slots that run out (`V-10`).

use super::{Problems, Symptom};
use crate::problem::{ErrorCode, WarningCode};

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let (warning, error) = match symptom {
        Symptom::AttemptFailed => (Some(WarningCode::SmartthingsFailedToSetAccessCode), ErrorCode::SmartthingsFailedToSetAccessCode),
        Symptom::FailedManyTimes => (None, ErrorCode::SmartthingsFailedToSetAfterMultipleRetries),
        Symptom::Full => (None, ErrorCode::SmartthingsNoFreeSlotsAvailable),
        _ => return None,
    };
    Some(Problems { warning, error: Some(error) })
}
