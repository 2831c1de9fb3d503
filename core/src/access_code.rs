//! The access code as the API shows it: the seed's 21 properties, its five statuses and two types.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{CodeId, DeviceId, WorkspaceId};
use crate::pin::Pin;
use crate::problem::{ErrorEntry, WarningCode, WarningEntry};
use crate::time::{Timestamp, Window};

/// Where a code stands in its life (lifecycle 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Programming in progress.
    Setting,
    /// Confirmed on the device and active.
    Set,
    /// Outside its active range, or deactivated on purpose.
    Unset,
    /// Being erased or deactivated.
    Removing,
    /// The platform cannot tell.
    Unknown,
}

impl Status {
    /// All five, in the seed's order.
    pub const ALL: [Self; 5] = [Self::Setting, Self::Set, Self::Unset, Self::Removing, Self::Unknown];

    /// The seed's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Removing => "removing",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whether a code has a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Active from `starts_at` to `ends_at`.
    TimeBound,
    /// Active until somebody ends it.
    Ongoing,
}

/// A record as the controller's boundary shows it: *own* problems only, no availability flag (port.md 1).
/// The judge keeps copies of it; [`AccessCode`] is the API's object, composed of it and its device's view (`R-10`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AccessCodeView<'a> {
    /// Fixed at creation, never reused.
    pub access_code_id: CodeId,
    /// The workspace that sees this record.
    pub workspace_id: WorkspaceId,
    /// The device it belongs to.
    pub device_id: DeviceId,
    /// The PIN; none while waiting for assignment, or hidden by the vendor.
    pub code: Option<Pin>,
    /// The linked group.
    pub common_code_key: Option<&'a str>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Start of the window.
    pub starts_at: Option<Timestamp>,
    /// End of the window.
    pub ends_at: Option<Timestamp>,
    /// The code's own errors, at most one of a name.
    pub errors: &'a [ErrorEntry],
    /// The code's own warnings, at most one of a name.
    pub warnings: &'a [WarningEntry],
    /// Made by the platform for a pool; stays true after the pull.
    pub is_backup: bool,
    /// Whether others may change it at the lock.
    pub is_external_modification_allowed: bool,
    /// Whether this workspace manages it.
    pub is_managed: bool,
    /// Computed by the vendor's algorithm, never written to the lock.
    pub is_offline_access_code: bool,
    /// Burnt by its first use.
    pub is_one_time_use: bool,
    /// The lock confirmed that it holds the code with its schedule (`R-07`).
    pub is_scheduled_on_device: bool,
    /// The vendor has not chosen the PIN yet.
    pub is_waiting_for_code_assignment: bool,
    /// The full name, whatever the lock displays.
    pub name: Option<&'a str>,
    /// The backup that was pulled for this code.
    pub pulled_backup_access_code_id: Option<CodeId>,
    /// Where it stands.
    pub status: Status,
    /// Whether it has a window.
    #[serde(rename = "type")]
    pub kind: Type,
}

impl AccessCodeView<'_> {
    /// The declared window; none for an ongoing code.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        Some(Window { starts_at: self.starts_at?, ends_at: self.ends_at? })
    }

    /// An owned copy.
    #[must_use]
    pub fn to_record(&self) -> Record {
        Record {
            access_code_id: self.access_code_id,
            workspace_id: self.workspace_id,
            device_id: self.device_id,
            code: self.code,
            common_code_key: self.common_code_key.map(ToOwned::to_owned),
            created_at: self.created_at,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            errors: self.errors.to_owned(),
            warnings: self.warnings.to_owned(),
            is_backup: self.is_backup,
            is_external_modification_allowed: self.is_external_modification_allowed,
            is_managed: self.is_managed,
            is_offline_access_code: self.is_offline_access_code,
            is_one_time_use: self.is_one_time_use,
            is_scheduled_on_device: self.is_scheduled_on_device,
            is_waiting_for_code_assignment: self.is_waiting_for_code_assignment,
            name: self.name.map(ToOwned::to_owned),
            pulled_backup_access_code_id: self.pulled_backup_access_code_id,
            status: self.status,
            kind: self.kind,
        }
    }
}

/// An owned [`AccessCodeView`], field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(missing_docs)] // The fields are those of AccessCodeView.
pub struct Record {
    pub access_code_id: CodeId,
    pub workspace_id: WorkspaceId,
    pub device_id: DeviceId,
    pub code: Option<Pin>,
    pub common_code_key: Option<String>,
    pub created_at: Timestamp,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub errors: Vec<ErrorEntry>,
    pub warnings: Vec<WarningEntry>,
    pub is_backup: bool,
    pub is_external_modification_allowed: bool,
    pub is_managed: bool,
    pub is_offline_access_code: bool,
    pub is_one_time_use: bool,
    pub is_scheduled_on_device: bool,
    pub is_waiting_for_code_assignment: bool,
    pub name: Option<String>,
    pub pulled_backup_access_code_id: Option<CodeId>,
    pub status: Status,
    #[serde(rename = "type")]
    pub kind: Type,
}

impl Record {
    /// A managed code just made: ongoing, without PIN and name, on its way to the lock.
    #[must_use]
    pub fn new(access_code_id: CodeId, workspace_id: WorkspaceId, device_id: DeviceId, created_at: Timestamp) -> Self {
        Self {
            access_code_id,
            workspace_id,
            device_id,
            code: None,
            common_code_key: None,
            created_at,
            starts_at: None,
            ends_at: None,
            errors: Vec::new(),
            warnings: Vec::new(),
            is_backup: false,
            is_external_modification_allowed: false,
            is_managed: true,
            is_offline_access_code: false,
            is_one_time_use: false,
            is_scheduled_on_device: false,
            is_waiting_for_code_assignment: false,
            name: None,
            pulled_backup_access_code_id: None,
            status: Status::Setting,
            kind: Type::Ongoing,
        }
    }

    /// The same record, borrowed.
    #[must_use]
    pub fn view(&self) -> AccessCodeView<'_> {
        AccessCodeView {
            access_code_id: self.access_code_id,
            workspace_id: self.workspace_id,
            device_id: self.device_id,
            code: self.code,
            common_code_key: self.common_code_key.as_deref(),
            created_at: self.created_at,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            errors: &self.errors,
            warnings: &self.warnings,
            is_backup: self.is_backup,
            is_external_modification_allowed: self.is_external_modification_allowed,
            is_managed: self.is_managed,
            is_offline_access_code: self.is_offline_access_code,
            is_one_time_use: self.is_one_time_use,
            is_scheduled_on_device: self.is_scheduled_on_device,
            is_waiting_for_code_assignment: self.is_waiting_for_code_assignment,
            name: self.name.as_deref(),
            pulled_backup_access_code_id: self.pulled_backup_access_code_id,
            status: self.status,
            kind: self.kind,
        }
    }

    /// The declared window; none for an ongoing code.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.view().window()
    }
}

/// A device as the boundary shows it: what is composed into each of its codes when the API's object is read (`R-10`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceView<'a> {
    /// The device.
    pub device_id: DeviceId,
    /// Its own errors.
    pub errors: &'a [ErrorEntry],
    /// The errors of its account.
    pub account_errors: &'a [ErrorEntry],
    /// Its warnings that are projected on codes: only `third_party_integration_detected` (`R-10`).
    pub warnings: &'a [WarningEntry],
    /// Whether its backup pool was activated.
    pub is_backup_pool_active: bool,
    /// Whether the pool holds a backup that is `set` and not pulled (`R-35`).
    pub is_backup_access_code_available: bool,
}

/// An owned [`DeviceView`], field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(missing_docs)] // The fields are those of DeviceView.
pub struct DeviceRecord {
    pub device_id: DeviceId,
    pub errors: Vec<ErrorEntry>,
    pub account_errors: Vec<ErrorEntry>,
    pub warnings: Vec<WarningEntry>,
    pub is_backup_pool_active: bool,
    pub is_backup_access_code_available: bool,
}

impl DeviceView<'_> {
    /// An owned copy.
    #[must_use]
    pub fn to_record(&self) -> DeviceRecord {
        DeviceRecord {
            device_id: self.device_id,
            errors: self.errors.to_owned(),
            account_errors: self.account_errors.to_owned(),
            warnings: self.warnings.to_owned(),
            is_backup_pool_active: self.is_backup_pool_active,
            is_backup_access_code_available: self.is_backup_access_code_available,
        }
    }
}

impl DeviceRecord {
    /// A device without problems and without backups.
    #[must_use]
    pub fn new(device_id: DeviceId) -> Self {
        Self {
            device_id,
            errors: Vec::new(),
            account_errors: Vec::new(),
            warnings: Vec::new(),
            is_backup_pool_active: false,
            is_backup_access_code_available: false,
        }
    }

    /// The same device, borrowed.
    #[must_use]
    pub fn view(&self) -> DeviceView<'_> {
        DeviceView {
            device_id: self.device_id,
            errors: &self.errors,
            account_errors: &self.account_errors,
            warnings: &self.warnings,
            is_backup_pool_active: self.is_backup_pool_active,
            is_backup_access_code_available: self.is_backup_access_code_available,
        }
    }
}

/// The API's object: exactly the seed's 21 properties, in the seed's (alphabetical) order. What may be absent or null there is null here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessCode {
    /// Fixed at creation, never reused.
    pub access_code_id: CodeId,
    /// The PIN; null while waiting for assignment, or hidden by the vendor.
    pub code: Option<Pin>,
    /// The linked group.
    pub common_code_key: Option<String>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// The device it belongs to.
    pub device_id: DeviceId,
    /// End of the window.
    pub ends_at: Option<Timestamp>,
    /// Its own errors, then its device's, then its account's (`R-10`).
    pub errors: Vec<ErrorEntry>,
    /// Made by the platform for a pool; stays true after the pull.
    pub is_backup: bool,
    /// Whether its device's pool holds a backup to pull; never on a backup (`R-35`).
    pub is_backup_access_code_available: bool,
    /// Whether others may change it at the lock.
    pub is_external_modification_allowed: bool,
    /// Whether the workspace manages it.
    pub is_managed: bool,
    /// Computed by the vendor's algorithm, never written to the lock.
    pub is_offline_access_code: bool,
    /// Burnt by its first use.
    pub is_one_time_use: bool,
    /// The lock confirmed that it holds the code with its schedule (`R-07`).
    pub is_scheduled_on_device: bool,
    /// The vendor has not chosen the PIN yet.
    pub is_waiting_for_code_assignment: bool,
    /// The full name, whatever the lock displays.
    pub name: Option<String>,
    /// The backup that was pulled for this code.
    pub pulled_backup_access_code_id: Option<CodeId>,
    /// Start of the window.
    pub starts_at: Option<Timestamp>,
    /// Where it stands.
    pub status: Status,
    /// Whether it has a window.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Its own warnings, then `third_party_integration_detected` if its device has it (`R-10`).
    pub warnings: Vec<WarningEntry>,
}

impl AccessCode {
    /// The object of a record on its device. Only managed codes show what is their device's: its problems and its backups (`R-10`, `R-35`).
    ///
    /// # Panics
    /// If `device` is not the code's.
    #[must_use]
    pub fn compose(view: &AccessCodeView, device: &DeviceView) -> Self {
        assert_eq!(view.device_id, device.device_id, "a code is composed with its own device");
        let mut errors = view.errors.to_owned();
        let mut warnings = view.warnings.to_owned();
        if view.is_managed {
            errors.extend(device.errors.iter().chain(device.account_errors));
            warnings.extend(device.warnings.iter().filter(|warning| warning.warning_code == WarningCode::ThirdPartyIntegrationDetected));
        }
        Self {
            access_code_id: view.access_code_id,
            code: view.code,
            common_code_key: view.common_code_key.map(ToOwned::to_owned),
            created_at: view.created_at,
            device_id: view.device_id,
            ends_at: view.ends_at,
            errors,
            is_backup: view.is_backup,
            is_backup_access_code_available: device.is_backup_access_code_available && view.is_managed && !view.is_backup,
            is_external_modification_allowed: view.is_external_modification_allowed,
            is_managed: view.is_managed,
            is_offline_access_code: view.is_offline_access_code,
            is_one_time_use: view.is_one_time_use,
            is_scheduled_on_device: view.is_scheduled_on_device,
            is_waiting_for_code_assignment: view.is_waiting_for_code_assignment,
            name: view.name.map(ToOwned::to_owned),
            pulled_backup_access_code_id: view.pulled_backup_access_code_id,
            starts_at: view.starts_at,
            status: view.status,
            kind: view.kind,
            warnings,
        }
    }
}

/// The API's object of a code that the workspace does not manage: the properties of [`AccessCode`] that say something of such a one (lifecycle 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnmanagedAccessCode {
    /// Fixed at discovery, never reused.
    pub access_code_id: CodeId,
    /// The PIN; null where the vendor hides it.
    pub code: Option<Pin>,
    /// When it was discovered.
    pub created_at: Timestamp,
    /// The device it was found on.
    pub device_id: DeviceId,
    /// End of the window.
    pub ends_at: Option<Timestamp>,
    /// Its own errors.
    pub errors: Vec<ErrorEntry>,
    /// False.
    pub is_managed: bool,
    /// The name that the lock shows.
    pub name: Option<String>,
    /// Start of the window.
    pub starts_at: Option<Timestamp>,
    /// `set`, or `unset` if it is not on the lock.
    pub status: Status,
    /// Whether it has a window.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Its own warnings.
    pub warnings: Vec<WarningEntry>,
}

impl UnmanagedAccessCode {
    /// The object of an unmanaged record; none for a managed one, which is an [`AccessCode`].
    #[must_use]
    pub fn compose(view: &AccessCodeView) -> Option<Self> {
        (!view.is_managed).then(|| Self {
            access_code_id: view.access_code_id,
            code: view.code,
            created_at: view.created_at,
            device_id: view.device_id,
            ends_at: view.ends_at,
            errors: view.errors.to_owned(),
            is_managed: false,
            name: view.name.map(ToOwned::to_owned),
            starts_at: view.starts_at,
            status: view.status,
            kind: view.kind,
            warnings: view.warnings.to_owned(),
        })
    }
}
