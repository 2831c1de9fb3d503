//! igloohome's algoPINs (vendors.md 9): a server computes them for hours, days or one use, and the lock understands them without any contact.

use super::Profile;
use crate::offline::{OfflineTerms, OneTime};
use crate::time::DAY_MS;

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    let terms = OfflineTerms {
        pin_length: 10,
        hours: (1, 672),
        days: Some((29, 367)),
        one_time: OneTime::Hours(24),
        variants: Some((3, 5)),
        by_user_level: false,
        first_use_within_ms: Some(DAY_MS),
    };
    Profile { slots: 199, ..super::offline_profile(super::Vendor::IgloohomeOffline, terms) }
}
