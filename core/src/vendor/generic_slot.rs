//! GenericSlot (`V-19`): the bare Z-Wave or Zigbee lock of vendors.md 0, without a brand.

use alloc::vec;

use super::{Ack, DuplicatePolicy, Family, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::Lengths;
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::GenericSlot,
        family: Family::BySlot,
        lengths: Lengths::range(4, 10),
        constraints: vec![],
        slots: 30,
        reserved_slots: 0,
        duplicate: DuplicatePolicy::Reject,
        ack: Ack::Applied,
        read_back: ReadBack::Exact,
        shows_names: true,
        update_in_place: true,
        schedules: false,
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
        notices: Notices { entry: true, keypad_use: true, online: true, hub: true, battery: true, ..Notices::default() },
        hub: Some(PathPart::Hub),
        serial_path: SerialPath::Hub,
        key_honoured: false,
        rate_per_minute: None,
        page_size: 50,
        ack_latency_ms: (200, SECOND_MS),
        apply_latency_ms: (500, 3 * SECOND_MS),
        lat_max_ms: MINUTE_MS,
        command_timeout_ms: 2 * MINUTE_MS,
        command_ttl_ms: 10 * MINUTE_MS,
        read_lag_ms: 5 * SECOND_MS,
        queue_limit: None,
        start_margin_ms: 0,
        offline: None,
    }
}
