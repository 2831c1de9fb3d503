//! Hubitat Elevation (vendors.md 12): numbered slots behind a hub that takes everything and promises nothing; PINs can be read back. No schedules (`R-22`).

use super::{Profile, ReadBack, Vendor};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Hubitat,
        reserved_slots: 0,
        read_back: ReadBack::Exact,
        ..super::smartthings::profile()
    }
}
