//! Nuki (vendors.md 7): six digits without zeros, and a paid hosting plan without which nothing can be programmed.

use alloc::vec;

use super::{Ack, Notices, Profile, ReadBack, Vendor};
use crate::pin::{Constraint, Lengths};
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Nuki,
        lengths: Lengths::range(6, 6),
        constraints: vec![
            Constraint::NoZeros,
            Constraint::CannotStartWith12,
            Constraint::NameLength { min_length: 1, max_length: 20 },
        ],
        ack: Ack::Queued,
        read_back: ReadBack::ExactLoaded,
        notices: Notices { entry: true, keypad_use: true, online: true, hub: true, battery: true, account: true, ..Notices::default() },
        hub: Some(PathPart::Bridge),
        apply_latency_ms: (3 * SECOND_MS, 20 * SECOND_MS),
        lat_max_ms: 6 * MINUTE_MS,
        command_timeout_ms: 8 * MINUTE_MS,
        command_ttl_ms: 15 * MINUTE_MS,
        read_lag_ms: MINUTE_MS,
        ..super::generic_cloud::profile()
    }
}
