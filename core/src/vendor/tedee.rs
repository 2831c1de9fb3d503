//! Tedee (vendors.md 6): cloud to a bridge to Bluetooth, one command at a time for all locks of the bridge.

use alloc::vec;

use super::{Notices, Profile, SerialPath, Vendor};
use crate::pin::{Constraint, Lengths};
use crate::port::PathPart;
use crate::time::SECOND_MS;

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Tedee,
        lengths: Lengths::range(5, 8),
        constraints: vec![Constraint::AtLeastThreeUniqueDigits, Constraint::NoAscendingOrDescendingSequence],
        notices: Notices {
            entry: true,
            keypad_use: true,
            use_names_entry: true,
            online: true,
            hub: true,
            battery: true,
            keypad: false,
            account: true,
        },
        hub: Some(PathPart::Bridge),
        serial_path: SerialPath::Hub,
        apply_latency_ms: (3 * SECOND_MS, 15 * SECOND_MS),
        read_lag_ms: 10 * SECOND_MS,
        ..super::generic_cloud::profile()
    }
}
