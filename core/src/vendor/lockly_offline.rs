//! Lockly's offline codes (`V-13`): chosen by the vendor, for a time or one use. The lock's hub tells when the path is up, and under
//! `reports_offline_use` what was entered.

use super::{Notices, Profile};
use crate::offline::{OfflineTerms, OneTime};
use crate::port::PathPart;

/// The profile.
#[must_use]
pub fn profile() -> Profile {
    let terms = OfflineTerms {
        pin_length: 10,
        hours: (1, 1_000),
        days: None,
        one_time: OneTime::AsAsked,
        variants: None,
        by_user_level: false,
        first_use_within_ms: None,
    };
    Profile {
        slots: 100,
        notices: Notices { use_names_entry: true, hub: true, account: true, ..Notices::default() },
        hub: Some(PathPart::Hub),
        ..super::offline_profile(super::Vendor::LocklyOffline, terms)
    }
}
