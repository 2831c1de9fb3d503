//! August (vendors.md 1): vendor cloud to a Wi-Fi lock or through a Connect bridge; the code moves to the lock in a second phase.

use alloc::vec;

use super::{Ack, DuplicatePolicy, Family, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::Lengths;
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::August,
        family: Family::ById,
        lengths: Lengths::range(4, 6),
        constraints: vec![],
        slots: 30,
        reserved_slots: 0,
        duplicate: DuplicatePolicy::Reject,
        ack: Ack::Queued,
        read_back: ReadBack::ExactLoaded,
        shows_names: true,
        update_in_place: false,
        schedules: true,
        round_ms: MINUTE_MS,
        converts_unmanaged: true,
        takes_reported_lengths: false,
        backup_pool: true,
        clock_readable: false,
        clock_settable: false,
        tells_zone: true,
        keeps_offset: false,
        claims_conversions: false,
        tells_online: true,
        unreachable_is_offline: true,
        notices: Notices {
            entry: true,
            keypad_use: true,
            use_names_entry: true,
            online: true,
            hub: true,
            battery: true,
            keypad: true,
            account: true,
        },
        hub: Some(PathPart::Bridge),
        serial_path: SerialPath::Lock,
        key_honoured: true,
        rate_per_minute: Some(120),
        page_size: 50,
        ack_latency_ms: (SECOND_MS, 3 * SECOND_MS),
        apply_latency_ms: (5 * SECOND_MS, MINUTE_MS),
        lat_max_ms: 12 * MINUTE_MS,
        command_timeout_ms: 15 * MINUTE_MS,
        command_ttl_ms: 30 * MINUTE_MS,
        read_lag_ms: 30 * SECOND_MS,
        queue_limit: None,
        start_margin_ms: 0,
        offline: None,
    }
}
