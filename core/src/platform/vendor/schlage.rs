//! Schlage: a refusal as a duplicate and a cloud that fails at creations are told apart (vendors.md 3).

use super::{Problems, Symptom};
use crate::problem::WarningCode;

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let problems = match symptom {
        Symptom::MaybeTwin => Problems { warning: Some(WarningCode::SchlageDetectedDuplicate), error: None },
        Symptom::CreationFailed => Problems { warning: Some(WarningCode::SchlageCreationOutage), error: None },
        _ => return None,
    };
    Some(problems)
}
