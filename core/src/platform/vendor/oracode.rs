//! dormakaba Oracode: no time slot of the door fits (vendors.md 10).

use super::{Problems, Symptom};
use crate::problem::ErrorCode;

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let error = Some(ErrorCode::DormakabaOracodeNoValidUserLevel);
    (symptom == Symptom::NoUserLevel).then_some(Problems { warning: None, error })
}
