//! TTLock (vendors.md 8): a gateway runs one command at a time, and the lock's clock can be read and set (`R-56`).

use super::{Notices, Profile, SerialPath, Vendor};
use crate::pin::Lengths;
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Ttlock,
        lengths: Lengths::range(4, 9),
        slots: 250,
        clock_readable: true,
        clock_settable: true,
        notices: Notices {
            keypad_use: true,
            use_names_entry: true,
            online: true,
            hub: true,
            battery: true,
            account: true,
            ..Notices::default()
        },
        hub: Some(PathPart::Gateway),
        serial_path: SerialPath::Hub,
        apply_latency_ms: (3 * SECOND_MS, 15 * SECOND_MS),
        lat_max_ms: 4 * MINUTE_MS,
        command_timeout_ms: 5 * MINUTE_MS,
        read_lag_ms: 10 * SECOND_MS,
        ..super::generic_cloud::profile()
    }
}
