//! igloohome online (vendors.md 9): jobs wait in the queue of a bridge that takes twenty of them; PINs are masked.

use super::{Ack, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::Lengths;
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::Igloohome,
        lengths: Lengths::range(4, 10),
        slots: 199,
        ack: Ack::Queued,
        read_back: ReadBack::Masked,
        update_in_place: false,
        notices: Notices { hub: true, battery: true, account: true, ..Notices::default() },
        hub: Some(PathPart::Bridge),
        serial_path: SerialPath::Hub,
        key_honoured: true,
        apply_latency_ms: (5 * SECOND_MS, 40 * SECOND_MS),
        lat_max_ms: MINUTE_MS,
        command_timeout_ms: 10 * MINUTE_MS,
        command_ttl_ms: 240 * MINUTE_MS,
        queue_limit: Some(20),
        converts_unmanaged: false,
        ..super::generic_cloud::profile()
    }
}
