//! Schlage Encode (vendors.md 3): delete and create again, no zone told, and a refusal as a twin that may stand for the first four digits.

use alloc::vec;

use super::{Ack, Notices, Profile, ReadBack, Vendor};
use crate::pin::Constraint;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Schlage,
        constraints: vec![Constraint::UniqueFirstFourDigits],
        ack: Ack::Queued,
        read_back: ReadBack::ExactLoaded,
        update_in_place: false,
        tells_zone: false,
        keeps_offset: true,
        notices: Notices { keypad_use: true, use_names_entry: true, online: true, battery: true, account: true, ..Notices::default() },
        apply_latency_ms: (3 * SECOND_MS, 15 * SECOND_MS),
        command_timeout_ms: 5 * MINUTE_MS,
        command_ttl_ms: 15 * MINUTE_MS,
        read_lag_ms: MINUTE_MS,
        ..super::generic_cloud::profile()
    }
}
