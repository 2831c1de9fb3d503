//! Calls that say what they mean by more than one id (api.md 4 and 6 to 8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RequestedPin;

/// `/access_codes/get` by device and PIN (`A-10`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetByPin {
    /// The device.
    pub on: String,
    /// The PIN.
    pub pin: RequestedPin,
}

/// `/access_codes/list` by ids (`A-11`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCodes {
    /// The codes.
    pub codes: Vec<String>,
}

/// `/access_codes/delete` with a device, which must be the code's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteOn {
    /// The code.
    pub code: String,
    /// The device.
    pub on: String,
}
