//! Vendors without names of their own in the seed: the generic errors say all (`V-16`, `V-19`).

use super::{Problems, Symptom};

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    match symptom {
        Symptom::AttemptFailed
        | Symptom::FailedManyTimes
        | Symptom::NotLoaded
        | Symptom::DroppedOff
        | Symptom::Full
        | Symptom::BadLength => None,
    }
}
