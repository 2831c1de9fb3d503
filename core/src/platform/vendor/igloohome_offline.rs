//! igloohome's algoPINs: the variants of a start are used up (vendors.md 9).

use super::{Problems, Symptom};
use crate::problem::ErrorCode;

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    let error = Some(ErrorCode::IgloohomeOfflineAccessCodeNoVarianceAvailable);
    (symptom == Symptom::NoVariance).then_some(Problems { warning: None, error })
}
