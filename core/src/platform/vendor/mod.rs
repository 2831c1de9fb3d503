//! How each vendor's trouble becomes the problems that the seed names for it (vendors.md 21); never by a code that is not the seed's (`R-12`).

use crate::problem::{ErrorCode, WarningCode};
use crate::vendor::Vendor;

mod august;
mod generic;
mod smartthings;

/// What went wrong with setting a code, in words that all vendors share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    /// One attempt had no effect.
    AttemptFailed,
    /// Several attempts in a row had none (`V-11`).
    FailedManyTimes,
    /// The vendor has the code, the lock has not.
    NotLoaded,
    /// The lock could not be reached while a command was under way.
    DroppedOff,
    /// No room.
    Full,
    /// The lock takes no PIN of this length.
    BadLength,
}

/// The vendor's own names for a symptom: the warning comes first, where there is one (`R-11`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problems {
    pub warning: Option<WarningCode>,
    pub error: ErrorCode,
}

/// The vendor's own problems for a symptom; none where the generic errors say all.
pub(super) fn symptom_problems(vendor: Vendor, symptom: Symptom) -> Option<Problems> {
    match vendor {
        Vendor::August => august::problems(symptom),
        Vendor::SmartThings => smartthings::problems(symptom),
        Vendor::GenericCloud | Vendor::GenericSlot => generic::problems(symptom),
    }
}
