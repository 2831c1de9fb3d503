//! How each vendor's trouble becomes the problems that the seed names for it (vendors.md 21); never by a code that is not the seed's (`R-12`).

use crate::problem::{ErrorCode, WarningCode};
use crate::vendor::Vendor;

mod august;
mod hubitat;
mod igloohome;
mod igloohome_offline;
mod kwikset;
mod oracode;
mod salto_ks;
mod schlage;
mod smartthings;
mod wyze;

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
    /// The hub has taken the write, and the lock has not reported it.
    NotReported,
    /// A creation ended in the cloud's own error.
    CreationFailed,
    /// Refused with a sign that stands for a twin among other things.
    MaybeTwin,
    /// The displayed name is in use.
    NameTaken,
    /// The bridge takes no more jobs.
    QueueFull,
    /// The one confirmation that proves a write has not come.
    NotConfirmed,
    /// The one confirmation that proves an erasure has not come.
    ErasureNotConfirmed,
    /// The bridge cannot be reached.
    BridgeDown,
    /// The vendor has no PIN left for an offline code's start.
    NoVariance,
    /// No time slot of the door is near an offline code's window.
    NoUserLevel,
    /// The code's user has no seat.
    NoSeat,
}

/// The vendor's own names for a symptom: the warning comes first, where there is one (`R-11`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problems {
    pub warning: Option<WarningCode>,
    pub error: Option<ErrorCode>,
}

/// The vendor's own problems for a symptom; none where the generic errors say all.
pub(super) fn symptom_problems(vendor: Vendor, symptom: Symptom) -> Option<Problems> {
    match vendor {
        Vendor::August | Vendor::Yale => august::problems(symptom),
        Vendor::SmartThings => smartthings::problems(symptom),
        Vendor::Schlage => schlage::problems(symptom),
        Vendor::Hubitat => hubitat::problems(symptom),
        Vendor::IgloohomeOffline => igloohome_offline::problems(symptom),
        Vendor::Oracode => oracode::problems(symptom),
        Vendor::Wyze => wyze::problems(symptom),
        Vendor::Kwikset => kwikset::problems(symptom),
        Vendor::Igloohome => igloohome::problems(symptom),
        Vendor::SaltoKs => salto_ks::problems(symptom),
        // The generic errors say all (`V-16`, `V-19`).
        _ => None,
    }
}

/// What an account shows while its site has no seat left; none where nothing is sold by the seat.
pub(super) fn site_full_error(vendor: Vendor) -> Option<ErrorCode> {
    (vendor == Vendor::SaltoKs).then_some(salto_ks::SITE_FULL)
}
