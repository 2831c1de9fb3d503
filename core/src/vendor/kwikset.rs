//! Kwikset (vendors.md 4): nothing can be read back, and a late confirmation is the only proof there is.

use alloc::vec;

use super::{Ack, DuplicatePolicy, Notices, Profile, ReadBack, Vendor};
use crate::pin::Constraint;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Kwikset,
        constraints: vec![
            Constraint::StartDateInFuture,
            Constraint::NameLength { min_length: 2, max_length: 14 },
            Constraint::NameMustBeUnique,
        ],
        slots: 250,
        duplicate: DuplicatePolicy::Silent,
        ack: Ack::Queued,
        read_back: ReadBack::None,
        shows_names: false,
        notices: Notices { keypad_use: true, use_names_entry: true, online: true, battery: true, account: true, ..Notices::default() },
        key_honoured: true,
        ack_latency_ms: (2 * SECOND_MS, 10 * SECOND_MS),
        apply_latency_ms: (10 * SECOND_MS, MINUTE_MS),
        lat_max_ms: 12 * MINUTE_MS,
        command_timeout_ms: 15 * MINUTE_MS,
        command_ttl_ms: 30 * MINUTE_MS,
        read_lag_ms: 0,
        converts_unmanaged: false,
        ..super::generic_cloud::profile()
    }
}
