//! 2N intercoms (vendors.md 15): quick and exact, under a secret of each device's own.

use super::{Profile, Vendor};
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::TwoN,
        slots: 1000,
        clock_readable: true,
        rate_per_minute: Some(300),
        ack_latency_ms: (200, SECOND_MS),
        apply_latency_ms: (SECOND_MS, 3 * SECOND_MS),
        lat_max_ms: 30 * SECOND_MS,
        command_timeout_ms: MINUTE_MS,
        command_ttl_ms: MINUTE_MS,
        read_lag_ms: 0,
        ..super::generic_cloud::profile()
    }
}
