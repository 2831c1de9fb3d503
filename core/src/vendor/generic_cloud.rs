//! GenericCloud (`V-16`): one profile for the cloud locks without codes of their own in the seed.

use alloc::vec;

use super::{Ack, DuplicatePolicy, Family, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::Lengths;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::GenericCloud,
        family: Family::ById,
        lengths: Lengths::range(4, 8),
        constraints: vec![],
        slots: 100,
        reserved_slots: 0,
        duplicate: DuplicatePolicy::Reject,
        ack: Ack::Applied,
        read_back: ReadBack::Exact,
        shows_names: true,
        update_in_place: true,
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
        unreachable_is_offline: false,
        notices: Notices { keypad_use: true, online: true, account: true, ..Notices::default() },
        hub: None,
        serial_path: SerialPath::Lock,
        key_honoured: false,
        rate_per_minute: Some(60),
        page_size: 50,
        ack_latency_ms: (SECOND_MS, 3 * SECOND_MS),
        apply_latency_ms: (2 * SECOND_MS, 12 * SECOND_MS),
        lat_max_ms: 3 * MINUTE_MS,
        command_timeout_ms: 4 * MINUTE_MS,
        command_ttl_ms: 10 * MINUTE_MS,
        read_lag_ms: 30 * SECOND_MS,
        queue_limit: None,
        start_margin_ms: 0,
        offline: None,
    }
}
