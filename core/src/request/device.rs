//! The API calls about a device as a whole: whether it is managed, and what somebody knows of the PINs it takes (api.md 11).

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::pin::Lengths;

/// Lengths that may be reported (lifecycle 1).
const REPORTED_LEN: core::ops::RangeInclusive<u8> = 4..=20;

/// One call about a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeviceRequest {
    /// `/devices/update`, and `/devices/unmanaged/update` where it is to be managed again.
    Update(UpdateDevice),
    /// `/access_codes/report_device_constraints`
    ReportConstraints(ReportDeviceConstraints),
}

impl DeviceRequest {
    /// The device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        match self {
            Self::Update(update) => update.device_id,
            Self::ReportConstraints(report) => report.device_id,
        }
    }

    /// Whether it gives the device up, with all codes on it (T30).
    #[must_use]
    pub fn gives_up(&self) -> bool {
        matches!(self, Self::Update(UpdateDevice { is_managed: Some(false), .. }))
    }

    /// The lengths that it reports, if it reports lawful ones.
    #[must_use]
    pub fn reported(&self) -> Option<Lengths> {
        match self {
            Self::Update(_) => None,
            Self::ReportConstraints(report) => report.lengths(),
        }
    }
}

/// Parameters of `/devices/update`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct UpdateDevice {
    pub device_id: DeviceId,
    pub is_managed: Option<bool>,
}

/// Parameters of `/access_codes/report_device_constraints`: the lengths, or the shortest and the longest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct ReportDeviceConstraints {
    pub device_id: DeviceId,
    pub supported_code_lengths: Option<Vec<u8>>,
    pub min_code_length: Option<u8>,
    pub max_code_length: Option<u8>,
}

impl ReportDeviceConstraints {
    /// The lengths that it reports; none if it says them in both ways, in neither, or outside what may be reported.
    #[must_use]
    pub fn lengths(&self) -> Option<Lengths> {
        let is_lawful = |length: &u8| REPORTED_LEN.contains(length);
        match (&self.supported_code_lengths, self.min_code_length, self.max_code_length) {
            (Some(lengths), None, None) if !lengths.is_empty() && lengths.iter().all(is_lawful) => Some(lengths.iter().copied().collect()),
            (None, Some(min), Some(max)) if is_lawful(&min) && is_lawful(&max) && min <= max => Some((min..=max).collect()),
            (Some(_) | None, _, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lengths: Option<&[u8]>, min_code_length: Option<u8>, max_code_length: Option<u8>) -> Option<Lengths> {
        let supported_code_lengths = lengths.map(<[u8]>::to_vec);
        ReportDeviceConstraints { supported_code_lengths, min_code_length, max_code_length, ..ReportDeviceConstraints::default() }.lengths()
    }

    #[test]
    fn lengths_are_reported_in_one_of_two_ways() {
        assert_eq!(report(Some(&[4, 6]), None, None), Some([4, 6].into_iter().collect()));
        assert_eq!(report(None, Some(5), Some(7)), Some(Lengths::range(5, 7)));
        for wrong in [
            report(None, None, None),
            report(Some(&[]), None, None),
            report(Some(&[3]), None, None),
            report(Some(&[21]), None, None),
            report(Some(&[6]), Some(4), Some(8)),
            report(None, Some(4), None),
            report(None, Some(8), Some(4)),
        ] {
            assert_eq!(wrong, None);
        }
    }
}
