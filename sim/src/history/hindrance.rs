//! What the description of a lock says is wrong with it or with the way to it.

use keyway_core::port::{DeviceInfo, PathPart};
use keyway_core::vendor::Profile;

/// What hinders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hindrance {
    /// The hub, bridge or gateway is down or gone.
    Hub,
    /// The lock is offline.
    Offline,
    /// The connected user lost its rights, in the one cloud that has a name for it.
    NoRights,
    /// The paid plan lapsed.
    NotPaid,
    /// The keypad is gone, in the one cloud that has a name for it.
    NoKeypad,
}

impl Hindrance {
    /// What a description tells of a lock with this profile. Who hears of a hub that is down needs no word about the locks behind it (`R-52`).
    pub(super) fn told_by(info: &DeviceInfo, profile: &Profile) -> impl Iterator<Item = Self> {
        let has_own_hub = matches!(profile.hub, Some(PathPart::Bridge | PathPart::Gateway));
        let is_hub = info.hub.is_some_and(|hub| !hub.up) || info.hub.is_none() && has_own_hub;
        let is_august = profile.vendor.is_in_august_cloud();
        let told = [
            (Self::Hub, is_hub),
            (Self::Offline, info.online == Some(false) && !is_hub),
            (Self::NoRights, !info.has_rights && is_august),
            (Self::NotPaid, !info.is_paid),
            (Self::NoKeypad, !info.keypad && is_august),
        ];
        told.into_iter().filter_map(|(hindrance, is_told)| is_told.then_some(hindrance))
    }
}
