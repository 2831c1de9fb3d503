//! igloohome: a bridge whose queue is full, or that cannot be reached (vendors.md 9).

use super::{Problems, Symptom};
use crate::problem::ErrorCode;

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let problems = match symptom {
        Symptom::QueueFull => Problems { warning: None, error: Some(ErrorCode::IgloohomeBridgeTooManyPendingJobs) },
        Symptom::BridgeDown => Problems { warning: None, error: Some(ErrorCode::IgloohomeBridgeOffline) },
        _ => return None,
    };
    Some(problems)
}
