//! dormakaba Oracode (vendors.md 10): locks that are never online; a server computes PINs for the time slots that an installer set up for each door.

use super::Profile;
use crate::offline::{OfflineTerms, OneTime};

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    let terms = OfflineTerms {
        pin_length: 9,
        hours: (1, 31 * 24),
        days: None,
        one_time: OneTime::Never,
        variants: None,
        by_user_level: true,
        first_use_within_ms: None,
    };
    Profile { slots: 200, rate_per_minute: Some(30), ..super::offline_profile(super::Vendor::Oracode, terms) }
}
