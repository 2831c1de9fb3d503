//! Steps about codes that nobody manages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan_text::PinText;

/// A call below `/access_codes/unmanaged`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UnmanagedAction {
    /// `/access_codes/unmanaged/list`, of this device.
    List(String),
    /// `/access_codes/unmanaged/get`
    Get(AtUnmanaged),
    /// `/access_codes/unmanaged/convert_to_managed`
    Convert(ConvertUnmanaged),
    /// `/access_codes/unmanaged/update`, which converts too.
    Update(ConvertUnmanaged),
    /// `/access_codes/unmanaged/delete`
    Delete(AtUnmanaged),
}

impl UnmanagedAction {
    /// The code that it names.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        match self {
            Self::List(_) => None,
            Self::Get(target) | Self::Delete(target) => target.code.clone(),
            Self::Convert(convert) | Self::Update(convert) => convert.named.clone().or_else(|| convert.target.code.clone()),
        }
    }
}

/// An unmanaged record: the code of that name, or the one with this PIN on this device; one whose PIN is hidden is the first on its device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AtUnmanaged {
    /// A code that was managed, or that an earlier call named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Its PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinText>,
}

/// Arguments of a conversion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConvertUnmanaged {
    /// Which.
    #[serde(rename = "of")]
    pub target: AtUnmanaged,
    /// Its name in this plan from now on.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// `is_external_modification_allowed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_external_modification_allowed: Option<bool>,
    /// `force`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
}

/// `/access_codes/simulate/create_unmanaged_access_code`: the code lies on the lock, behind the controller's back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateUnmanaged {
    /// The device.
    pub on: String,
    /// The PIN, 4 to 8 digits.
    pub pin: PinText,
    /// The displayed name.
    pub name: String,
}
