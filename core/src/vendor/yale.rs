//! Yale (vendors.md 2): the Wi-Fi locks live in August's cloud and behave like August's under another name (`V-04`).

use super::{Profile, Vendor};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    Profile { vendor: Vendor::Yale, ..super::august::profile() }
}
