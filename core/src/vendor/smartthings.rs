//! SmartThings (vendors.md 11): cloud to a hub, numbered slots that the controller picks, hidden PINs, three hidden reserved slots (`V-10`).

use alloc::vec;

use super::{Ack, DuplicatePolicy, Family, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::Lengths;
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::SmartThings,
        family: Family::BySlot,
        lengths: Lengths::range(4, 8),
        constraints: vec![],
        slots: 30,
        reserved_slots: 3,
        duplicate: DuplicatePolicy::Notify,
        ack: Ack::Nothing,
        read_back: ReadBack::Presence,
        shows_names: true,
        update_in_place: true,
        schedules: false,
        round_ms: MINUTE_MS,
        converts_unmanaged: false,
        takes_reported_lengths: true,
        backup_pool: true,
        clock_readable: false,
        clock_settable: false,
        tells_zone: true,
        keeps_offset: false,
        claims_conversions: false,
        tells_online: true,
        unreachable_is_offline: true,
        notices: Notices { entry: true, keypad_use: true, online: true, hub: true, battery: true, account: true, ..Notices::default() },
        hub: Some(PathPart::Hub),
        serial_path: SerialPath::Hub,
        key_honoured: false,
        rate_per_minute: Some(120),
        page_size: 50,
        ack_latency_ms: (500, 2 * SECOND_MS),
        apply_latency_ms: (3 * SECOND_MS, 20 * SECOND_MS),
        lat_max_ms: 4 * MINUTE_MS,
        command_timeout_ms: 5 * MINUTE_MS,
        command_ttl_ms: 30 * MINUTE_MS,
        read_lag_ms: 10 * SECOND_MS,
        queue_limit: None,
        start_margin_ms: 0,
        offline: None,
    }
}
