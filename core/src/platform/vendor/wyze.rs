//! Wyze: names in use, and refusals that suggest a twin nobody can read (vendors.md 13).

use super::{Problems, Symptom};
use crate::problem::ErrorCode;

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let problems = match symptom {
        Symptom::MaybeTwin => Problems { warning: None, error: Some(ErrorCode::WyzePotentialDuplicateCode) },
        Symptom::NameTaken => Problems { warning: None, error: Some(ErrorCode::WyzeDuplicateCodeName) },
        _ => return None,
    };
    Some(problems)
}
