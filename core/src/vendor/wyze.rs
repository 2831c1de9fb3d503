//! Wyze (vendors.md 13): PINs are never shown again, and one sign stands for a twin and for other failures.

use alloc::vec;

use super::{Ack, DuplicatePolicy, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::Constraint;
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Wyze,
        constraints: vec![Constraint::NameMustBeUnique],
        slots: 50,
        duplicate: DuplicatePolicy::RejectUnclear,
        ack: Ack::Queued,
        read_back: ReadBack::Masked,
        notices: Notices { entry: true, keypad_use: true, online: true, hub: true, keypad: true, account: true, ..Notices::default() },
        hub: Some(PathPart::Gateway),
        serial_path: SerialPath::Hub,
        apply_latency_ms: (5 * SECOND_MS, 30 * SECOND_MS),
        lat_max_ms: 6 * MINUTE_MS,
        command_timeout_ms: 8 * MINUTE_MS,
        command_ttl_ms: 15 * MINUTE_MS,
        read_lag_ms: MINUTE_MS,
        ..super::generic_cloud::profile()
    }
}
