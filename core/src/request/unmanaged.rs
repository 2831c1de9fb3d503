//! The API calls about codes that the workspace does not manage (api.md 12).

use serde::{Deserialize, Serialize};

use super::RequestedCode;
use crate::id::{CodeId, DeviceId};

/// One call below `/access_codes/unmanaged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UnmanagedRequest {
    /// `/access_codes/unmanaged/list`
    List(ListUnmanaged),
    /// `/access_codes/unmanaged/get`
    Get(GetUnmanaged),
    /// `/access_codes/unmanaged/convert_to_managed`
    ConvertToManaged(ConvertToManaged),
    /// `/access_codes/unmanaged/update`
    Update(UpdateUnmanaged),
    /// `/access_codes/unmanaged/delete`
    Delete(DeleteUnmanaged),
}

impl UnmanagedRequest {
    /// The code whose conversion is asked for, if one is (`A-14`).
    #[must_use]
    pub const fn converts(&self) -> Option<CodeId> {
        match self {
            Self::ConvertToManaged(convert) => Some(convert.access_code_id),
            Self::Update(update) => Some(update.access_code_id),
            Self::List(_) | Self::Get(_) | Self::Delete(_) => None,
        }
    }

    /// Whether it asks for a conversion by force.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        match self {
            Self::ConvertToManaged(convert) => convert.force == Some(true),
            Self::Update(update) => update.force == Some(true),
            Self::List(_) | Self::Get(_) | Self::Delete(_) => false,
        }
    }

    /// The code whose deletion is asked for, if one is.
    #[must_use]
    pub const fn deletes(&self) -> Option<CodeId> {
        match self {
            Self::Delete(delete) => Some(delete.access_code_id),
            Self::List(_) | Self::Get(_) | Self::ConvertToManaged(_) | Self::Update(_) => None,
        }
    }

    /// The code that it names, and the device.
    #[must_use]
    pub const fn target(&self) -> (Option<CodeId>, Option<DeviceId>) {
        match self {
            Self::List(list) => (None, Some(list.device_id)),
            Self::Get(get) => (get.access_code_id, get.device_id),
            Self::ConvertToManaged(convert) => (Some(convert.access_code_id), None),
            Self::Update(update) => (Some(update.access_code_id), None),
            Self::Delete(delete) => (Some(delete.access_code_id), None),
        }
    }

    /// Whether it only reads.
    #[must_use]
    pub const fn reads(&self) -> bool {
        matches!(self, Self::List(_) | Self::Get(_))
    }
}

/// Parameters of `/access_codes/unmanaged/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct ListUnmanaged {
    pub device_id: DeviceId,
}

/// Parameters of `/access_codes/unmanaged/get`: an id, or a device and a PIN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct GetUnmanaged {
    pub access_code_id: Option<CodeId>,
    pub device_id: Option<DeviceId>,
    pub code: Option<RequestedCode>,
}

/// Parameters of `/access_codes/unmanaged/convert_to_managed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct ConvertToManaged {
    pub access_code_id: CodeId,
    pub is_external_modification_allowed: Option<bool>,
    pub force: Option<bool>,
}

/// Parameters of `/access_codes/unmanaged/update`: a conversion under another name (`A-14`), so `is_managed` must be true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct UpdateUnmanaged {
    pub access_code_id: CodeId,
    pub is_managed: bool,
    pub is_external_modification_allowed: Option<bool>,
    pub force: Option<bool>,
}

/// Parameters of `/access_codes/unmanaged/delete`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct DeleteUnmanaged {
    pub access_code_id: CodeId,
}
