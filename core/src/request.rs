//! The API calls of the seed's eight endpoints and of those about unmanaged codes, their answers and their typed refusals.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{CodeId, DeviceId};
use crate::pin::Pin;
use crate::time::Timestamp;

pub mod device;
pub mod unmanaged;

use device::DeviceRequest;
use unmanaged::UnmanagedRequest;

/// One call. Absent fields are `None`: default on create, unchanged on update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// `/access_codes/create`
    Create(Create),
    /// `/access_codes/create_multiple`
    CreateMultiple(CreateMultiple),
    /// `/access_codes/update`
    Update(Update),
    /// `/access_codes/update_multiple`
    UpdateMultiple(UpdateMultiple),
    /// `/access_codes/delete`
    Delete(Delete),
    /// `/access_codes/get`
    Get(Get),
    /// `/access_codes/list`
    List(List),
    /// `/access_codes/pull_backup_access_code`
    PullBackupAccessCode(PullBackupAccessCode),
    /// `/access_codes/generate_code`
    GenerateCode(GenerateCode),
    /// Those below `/access_codes/unmanaged`.
    Unmanaged(UnmanagedRequest),
    /// Those about a device as a whole.
    Device(DeviceRequest),
}

impl Request {
    /// The code that it names, and the device; of several devices the first.
    #[must_use]
    pub fn target(&self) -> (Option<CodeId>, Option<DeviceId>) {
        match self {
            Self::Create(create) => (None, Some(create.device_id)),
            Self::CreateMultiple(create) => (None, create.device_ids.first().copied()),
            Self::Update(update) => (Some(update.access_code_id), update.device_id),
            Self::UpdateMultiple(_) => (None, None),
            Self::Delete(delete) => (Some(delete.access_code_id), delete.device_id),
            Self::Get(get) => (get.access_code_id, get.device_id),
            Self::List(list) => (list.access_code_ids.as_ref().and_then(|ids| ids.first().copied()), list.device_id),
            Self::PullBackupAccessCode(pull) => (Some(pull.access_code_id), None),
            Self::GenerateCode(generate) => (None, Some(generate.device_id)),
            Self::Unmanaged(request) => request.target(),
            Self::Device(request) => (None, Some(request.device())),
        }
    }
}

/// The `code` of a request as it came in: text, or (wrongly, `F-24`) a number, which is refused and never converted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum RequestedCode {
    /// A string; a PIN if it is digits of a legal length.
    Text(String),
    /// A JSON number: always `invalid_input`.
    Number(i64),
}

impl From<Pin> for RequestedCode {
    fn from(pin: Pin) -> Self {
        Self::Text(alloc::string::ToString::to_string(&pin))
    }
}

/// Parameters of `/access_codes/create` (api.md 2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct Create {
    pub device_id: DeviceId,
    pub name: Option<String>,
    pub code: Option<RequestedCode>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub common_code_key: Option<String>,
    pub preferred_code_length: Option<u8>,
    pub prefer_native_scheduling: Option<bool>,
    pub use_backup_access_code_pool: Option<bool>,
    pub is_external_modification_allowed: Option<bool>,
    pub attempt_for_offline_device: Option<bool>,
    pub is_offline_access_code: Option<bool>,
    pub is_one_time_use: Option<bool>,
    pub max_time_rounding: Option<MaxTimeRounding>,
}

/// Parameters of `/access_codes/create_multiple` (api.md 3), whatever the method of the call (`A-06`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct CreateMultiple {
    pub device_ids: Vec<DeviceId>,
    pub behavior_when_code_cannot_be_shared: Option<BehaviorWhenCodeCannotBeShared>,
    pub name: Option<String>,
    pub code: Option<RequestedCode>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub preferred_code_length: Option<u8>,
    pub prefer_native_scheduling: Option<bool>,
    pub use_backup_access_code_pool: Option<bool>,
    pub is_external_modification_allowed: Option<bool>,
    pub attempt_for_offline_device: Option<bool>,
}

/// Parameters of `/access_codes/update` (api.md 4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct Update {
    pub access_code_id: CodeId,
    pub device_id: Option<DeviceId>,
    pub code: Option<RequestedCode>,
    pub name: Option<String>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    #[serde(rename = "type")]
    pub kind: Option<crate::access_code::Type>,
    pub is_external_modification_allowed: Option<bool>,
    pub is_managed: Option<bool>,
    pub prefer_native_scheduling: Option<bool>,
    pub attempt_for_offline_device: Option<bool>,
}

/// Parameters of `/access_codes/update_multiple` (api.md 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct UpdateMultiple {
    pub common_code_key: String,
    pub name: Option<String>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
}

/// Parameters of `/access_codes/delete` (api.md 6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct Delete {
    pub access_code_id: CodeId,
    pub device_id: Option<DeviceId>,
}

/// Parameters of `/access_codes/get` (api.md 7): an id, or a device and a PIN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct Get {
    pub access_code_id: Option<CodeId>,
    pub device_id: Option<DeviceId>,
    pub code: Option<RequestedCode>,
}

/// Parameters of `/access_codes/list` (api.md 8): exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct List {
    pub device_id: Option<DeviceId>,
    pub access_code_ids: Option<Vec<CodeId>>,
}

/// Parameters of `/access_codes/pull_backup_access_code` (api.md 9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct PullBackupAccessCode {
    pub access_code_id: CodeId,
}

/// Parameters of `/access_codes/generate_code` (api.md 10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names are the API's.
pub struct GenerateCode {
    pub device_id: DeviceId,
}

/// How far an offline code's window may be moved to a grid point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MaxTimeRounding {
    /// One hour, the default.
    #[serde(rename = "1hour", alias = "1h")]
    Hour,
    /// One day.
    #[serde(rename = "1day", alias = "1d")]
    Day,
}

/// What `create_multiple` does with a device that cannot share the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BehaviorWhenCodeCannotBeShared {
    /// The call fails; nothing is created.
    Throw,
    /// That device gets a random PIN of its own.
    CreateRandomCode,
}

/// What a successful call answers. Objects are named, not copied: the API's object is read through the boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The code that was created, updated, read, or pulled. The attempt that belongs to a change (`A-07`) ends with what its code comes to.
    AccessCode(CodeId),
    /// The codes that were created or listed, in the order the API gives them.
    AccessCodes(Vec<CodeId>),
    /// A PIN that no code has, and that no code is made with.
    GeneratedCode(Pin),
    /// Done, with nothing to show.
    Done,
}

/// Why a call was refused; it then changed nothing (`A-02`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The names are those of api.md 1; rule `A-02` states them.
pub enum Refusal {
    InvalidInput,
    AccessCodeNotTimeBound,
    DeviceTypeNotSupported,
    Unauthorized,
    DeviceNotFound,
    AccessCodeNotFound,
    BackupAccessCodeNotFound,
    DuplicateAccessCode,
    CodeConstraintViolated,
    UnsupportedCodeLength,
    CannotSpecifyCode,
    OfflineAccessCodesNotSupported,
    OnlineAccessCodesNotSupported,
    TimeRoundingExceeded,
    NoMatchingTimeSlot,
    TimeZoneRequired,
    CannotModifyOfflineAccessCode,
    CannotDeleteOfflineAccessCode,
    AccessCodeIsBeingRemoved,
    CodeCannotBeShared,
    CommonCodeKeyConflict,
    DeviceOffline,
    BackupPoolNotSupported,
    NoBackupAccessCodeAvailable,
    AccessCodeIsBackup,
    CannotConvertAccessCode,
    AccessCodeManagedElsewhere,
    WindowInPast,
}

impl Refusal {
    /// The HTTP status of the refusal.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::DeviceNotFound | Self::AccessCodeNotFound | Self::BackupAccessCodeNotFound => 404,
            Self::DuplicateAccessCode => 409,
            _ => 400,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
