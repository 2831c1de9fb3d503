//! Steps about a device as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A call about a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeviceAction {
    /// `/devices/update` with `is_managed: false`.
    GiveUp(String),
    /// `/devices/unmanaged/update` with `is_managed: true`.
    ManageAgain(String),
    /// `/access_codes/report_device_constraints`
    ReportLengths(ReportLengths),
}

impl DeviceAction {
    /// The device.
    #[must_use]
    pub fn on(&self) -> &str {
        match self {
            Self::GiveUp(device) | Self::ManageAgain(device) => device,
            Self::ReportLengths(report) => &report.on,
        }
    }
}

/// PIN lengths that somebody knows a device to take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportLengths {
    /// The device.
    pub on: String,
    /// `supported_code_lengths`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Vec<u8>>,
    /// `min_code_length`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u8>,
    /// `max_code_length`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u8>,
}
