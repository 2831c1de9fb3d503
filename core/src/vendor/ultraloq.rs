//! Ultraloq (vendors.md 16): a Wi-Fi lock whose vendor tells no zone and whose owner can disable a code (`V-14`). It keeps
//! schedules (`R-22`).

use super::{Notices, Profile, Vendor};
use crate::time::SECOND_MS;

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Ultraloq,
        tells_zone: false,
        notices: Notices { keypad_use: true, online: true, battery: true, account: true, ..Notices::default() },
        apply_latency_ms: (3 * SECOND_MS, 15 * SECOND_MS),
        ..super::generic_cloud::profile()
    }
}
