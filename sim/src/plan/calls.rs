//! Arguments of the calls that create and change codes (api.md 1 to 5).

use std::collections::BTreeMap;

use keyway_core::access_code::Type;
use keyway_core::request::MaxTimeRounding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linked::WhenNotShared;
use crate::plan_text::Offset;
use crate::words;

/// Arguments of a create call. `code` names the code in this plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CreateCode {
    /// The code's name in this plan; also its `name` unless that is given.
    pub code: String,
    /// The device.
    pub on: String,
    /// The PIN; absent: the platform generates one. A JSON number is sent as a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<RequestedPin>,
    /// The name given to the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Start of the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Offset>,
    /// End of the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Offset>,
    /// `preferred_code_length`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_code_length: Option<u8>,
    /// `prefer_native_scheduling`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer_native_scheduling: Option<bool>,
    /// `use_backup_access_code_pool`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_backup_access_code_pool: Option<bool>,
    /// `is_external_modification_allowed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_external_modification_allowed: Option<bool>,
    /// `attempt_for_offline_device`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_for_offline_device: Option<bool>,
    /// `common_code_key`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_code_key: Option<String>,
    /// `is_offline_access_code`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_offline_access_code: Option<bool>,
    /// `is_one_time_use`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_one_time_use: Option<bool>,
    /// `max_time_rounding`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Roundings>")]
    pub max_time_rounding: Option<MaxTimeRounding>,
}

/// A PIN as an API user sends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequestedPin {
    /// Text.
    Text(String),
    /// A number, which every platform must refuse (`F-24`).
    Number(i64),
}

/// Arguments of a `create_multiple` call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCodes {
    /// The codes' names in this plan and their devices, in order.
    pub codes: BTreeMap<String, String>,
    /// The PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<RequestedPin>,
    /// Start of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Offset>,
    /// End of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Offset>,
    /// `behavior_when_code_cannot_be_shared`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_not_shared: Option<WhenNotShared>,
    /// `is_external_modification_allowed`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_external_modification_allowed: Option<bool>,
    /// The name given to the API for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `preferred_code_length`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_code_length: Option<u8>,
    /// `prefer_native_scheduling`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer_native_scheduling: Option<bool>,
    /// `use_backup_access_code_pool`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_backup_access_code_pool: Option<bool>,
    /// `attempt_for_offline_device`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_for_offline_device: Option<bool>,
}

/// Arguments of an update call. Absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateCode {
    /// The code's name in this plan.
    pub code: String,
    /// The new PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<RequestedPin>,
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Offset>,
    /// The new end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Offset>,
    /// `ongoing` drops the window.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Types>")]
    pub kind: Option<Type>,
    /// `is_external_modification_allowed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_external_modification_allowed: Option<bool>,
    /// `prefer_native_scheduling`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer_native_scheduling: Option<bool>,
    /// `is_managed`: false gives the code up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_managed: Option<bool>,
    /// `attempt_for_offline_device`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_for_offline_device: Option<bool>,
    /// `device_id`, which must be the code's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
}

/// Arguments of a pull.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullBackup {
    /// The original.
    pub of: String,
    /// The pulled backup's name in this plan from now on.
    #[serde(rename = "as")]
    pub named: String,
}
