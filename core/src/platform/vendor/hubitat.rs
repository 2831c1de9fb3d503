//! Hubitat: a hub that has taken a write which the lock does not report, and positions that run out (vendors.md 12).

use super::{Problems, Symptom};
use crate::problem::ErrorCode;

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let problems = match symptom {
        Symptom::NotReported => Problems { warning: None, error: Some(ErrorCode::HubitatDeviceProgrammingDelay) },
        Symptom::Full => Problems { warning: None, error: Some(ErrorCode::HubitatNoFreePositionsAvailable) },
        _ => return None,
    };
    Some(problems)
}
