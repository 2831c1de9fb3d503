//! Lockly online (vendors.md 14): custom PINs of six to eight digits and no schedule on the lock.

use super::{Ack, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::Lengths;
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Lockly,
        lengths: Lengths::range(6, 8),
        ack: Ack::Queued,
        read_back: ReadBack::ExactLoaded,
        schedules: false,
        notices: Notices { keypad_use: true, online: true, hub: true, account: true, ..Notices::default() },
        hub: Some(PathPart::Hub),
        serial_path: SerialPath::Hub,
        apply_latency_ms: (3 * SECOND_MS, 15 * SECOND_MS),
        command_ttl_ms: 15 * MINUTE_MS,
        ..super::generic_cloud::profile()
    }
}
