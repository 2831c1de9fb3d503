//! Salto KS (vendors.md 5): each code is a user of the site with a seat that somebody pays for, and the vendor chooses its PIN (`V-05`).

use alloc::vec;

use super::{Ack, Family, Notices, Profile, ReadBack, SerialPath, Vendor};
use crate::pin::{Constraint, Lengths};
use crate::port::PathPart;
use crate::time::{MINUTE_MS, SECOND_MS};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        vendor: Vendor::SaltoKs,
        family: Family::BySeat,
        lengths: Lengths::range(6, 10),
        constraints: vec![Constraint::CannotSpecifyPinCode],
        ack: Ack::Queued,
        read_back: ReadBack::ExactLoaded,
        update_in_place: false,
        claims_conversions: true,
        backup_pool: false,
        notices: Notices { keypad_use: true, use_names_entry: true, online: true, hub: true, account: true, ..Notices::default() },
        hub: Some(PathPart::Hub),
        serial_path: SerialPath::Hub,
        key_honoured: true,
        apply_latency_ms: (5 * SECOND_MS, 60 * SECOND_MS),
        command_timeout_ms: 5 * MINUTE_MS,
        command_ttl_ms: 15 * MINUTE_MS,
        ..super::generic_cloud::profile()
    }
}
