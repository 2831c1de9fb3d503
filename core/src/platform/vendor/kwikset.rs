//! Kwikset: a write or an erasure whose confirmation does not come (vendors.md 4).

use super::{Problems, Symptom};
use crate::problem::{ErrorCode, WarningCode};

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let problems = match symptom {
        Symptom::NotConfirmed => {
            Problems { warning: Some(WarningCode::KwiksetUnableToConfirmCode), error: Some(ErrorCode::KwiksetUnableToConfirmCode) }
        }
        Symptom::ErasureNotConfirmed => Problems { warning: None, error: Some(ErrorCode::KwiksetUnableToConfirmDeletion) },
        _ => return None,
    };
    Some(problems)
}
