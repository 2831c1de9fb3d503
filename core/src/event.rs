//! The 17 events of the log, with exactly the seed's properties.

use core::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::id::{AccountId, CodeId, DeviceId, EventId, WorkspaceId};
use crate::pin::Pin;
use crate::time::Timestamp;

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What happened to an access code. Events of devices and locks are none of these (`EV-04`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventType {
            /// All 17, in the seed's order.
            pub const ALL: [Self; 17] = [$(Self::$variant,)*];

            /// The seed's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

event_types! {
    /// T01.
    Created = "access_code.created",
    /// `R-17`.
    Changed = "access_code.changed",
    /// T04.
    ScheduledOnDevice = "access_code.scheduled_on_device",
    /// T05, T07, T22.
    SetOnDevice = "access_code.set_on_device",
    /// T12, T17, T36.
    RemovedFromDevice = "access_code.removed_from_device",
    /// T09.
    DelayInSettingOnDevice = "access_code.delay_in_setting_on_device",
    /// T10, T39.
    FailedToSetOnDevice = "access_code.failed_to_set_on_device",
    /// T16, T17, `R-51`.
    Deleted = "access_code.deleted",
    /// T18.
    DelayInRemovingFromDevice = "access_code.delay_in_removing_from_device",
    /// T19.
    FailedToRemoveFromDevice = "access_code.failed_to_remove_from_device",
    /// T23, T25, T27.
    ModifiedExternalToSeam = "access_code.modified_external_to_seam",
    /// T24, T26, T27.
    DeletedExternalToSeam = "access_code.deleted_external_to_seam",
    /// `R-36`.
    BackupAccessCodePulled = "access_code.backup_access_code_pulled",
    /// T31.
    UnmanagedConvertedToManaged = "access_code.unmanaged.converted_to_managed",
    /// T32.
    UnmanagedFailedToConvertToManaged = "access_code.unmanaged.failed_to_convert_to_managed",
    /// T33.
    UnmanagedCreated = "access_code.unmanaged.created",
    /// T34.
    UnmanagedRemoved = "access_code.unmanaged.removed",
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One entry of the event log. Serialised with exactly the properties the seed gives its type, in the seed's (alphabetical) order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// The affected code; for a pull, the original (`R-36`).
    pub access_code_id: CodeId,
    /// The backup that was pulled; only on `backup_access_code_pulled`.
    #[serde(default)]
    pub backup_access_code_id: Option<CodeId>,
    /// The PIN; only on `scheduled_on_device`, `set_on_device` and `deleted` (there null for a code that never got one).
    #[serde(default)]
    pub code: Option<Pin>,
    /// The vendor account of the device.
    pub connected_account_id: AccountId,
    /// When the record of the event was made.
    pub created_at: Timestamp,
    /// The device.
    pub device_id: DeviceId,
    /// Unique.
    pub event_id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// When the fact happened, or was detected (`EV-01`).
    pub occurred_at: Timestamp,
    /// The workspace whose log this is.
    pub workspace_id: WorkspaceId,
}

impl EventType {
    /// Whether events of this type carry `code`.
    #[must_use]
    pub const fn has_code(self) -> bool {
        matches!(self, Self::ScheduledOnDevice | Self::SetOnDevice | Self::Deleted)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_pull = self.event_type == EventType::BackupAccessCodePulled;
        let mut map = serializer.serialize_map(Some(8 + usize::from(is_pull) + usize::from(self.event_type.has_code())))?;
        map.serialize_entry("access_code_id", &self.access_code_id)?;
        if is_pull {
            map.serialize_entry("backup_access_code_id", &self.backup_access_code_id)?;
        }
        if self.event_type.has_code() {
            map.serialize_entry("code", &self.code)?;
        }
        map.serialize_entry("connected_account_id", &self.connected_account_id)?;
        map.serialize_entry("created_at", &self.created_at)?;
        map.serialize_entry("device_id", &self.device_id)?;
        map.serialize_entry("event_id", &self.event_id)?;
        map.serialize_entry("event_type", &self.event_type)?;
        map.serialize_entry("occurred_at", &self.occurred_at)?;
        map.serialize_entry("workspace_id", &self.workspace_id)?;
        map.end()
    }
}
