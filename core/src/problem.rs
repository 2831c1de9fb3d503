//! The seed's 39 errors and 12 warnings: family, owner, and the shape in which the API shows them (lifecycle 3).

use core::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::time::Timestamp;

/// Whom an error belongs to; it decides the flags of its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemFamily {
    /// The code's own.
    AccessCode,
    /// The device's, projected on each of its codes when read (`R-10`).
    Device,
    /// The account's, projected likewise.
    ConnectedAccount,
}

macro_rules! problems {
    ($(#[$doc:meta])* $name:ident[$count:literal]: $($variant:ident = $text:literal, $family:ident, $message:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(#[doc = $message] #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// All of them, in the seed's order.
            pub const ALL: [Self; $count] = [$(Self::$variant,)*];

            /// The seed's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Whom it belongs to.
            #[must_use]
            pub const fn family(self) -> ProblemFamily {
                match self { $(Self::$variant => ProblemFamily::$family,)* }
            }

            /// One sentence for a person.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

problems! {
    /// What keeps a code from working, by the seed's names.
    ErrorCode[39]:
    SmartthingsFailedToSetAccessCode = "smartthings_failed_to_set_access_code", AccessCode, "The hub could not store the code.";
    SmartthingsFailedToSetAfterMultipleRetries = "smartthings_failed_to_set_after_multiple_retries", AccessCode, "The hub could not store the code in several tries.";
    SmartthingsNoFreeSlotsAvailable = "smartthings_no_free_slots_available", AccessCode, "The lock behind the hub has no free slot.";
    FailedToSetOnDevice = "failed_to_set_on_device", AccessCode, "The code could not be set on the device.";
    FailedToRemoveFromDevice = "failed_to_remove_from_device", AccessCode, "The code could not be removed from the device.";
    DuplicateCodeOnDevice = "duplicate_code_on_device", AccessCode, "The device already holds this PIN under another entry.";
    DuplicateCodeAttemptPrevented = "duplicate_code_attempt_prevented", AccessCode, "Another managed code on the device has this PIN, so it was not sent.";
    IgloohomeBridgeTooManyPendingJobs = "igloohome_bridge_too_many_pending_jobs", AccessCode, "The bridge has too many pending jobs.";
    IgloohomeBridgeOffline = "igloohome_bridge_offline", AccessCode, "The bridge is offline or not linked to the lock.";
    IgloohomeOfflineAccessCodeNoVarianceAvailable = "igloohome_offline_access_code_no_variance_available", AccessCode, "No further PIN is left for this start time.";
    KwiksetUnableToConfirmCode = "kwikset_unable_to_confirm_code", AccessCode, "The device did not confirm that it stored the code.";
    KwiksetUnableToConfirmDeletion = "kwikset_unable_to_confirm_deletion", AccessCode, "The device did not confirm that it deleted the code.";
    CodeModifiedExternalToSeam = "code_modified_external_to_seam", AccessCode, "Somebody else changed or removed the code after it was set.";
    AugustLockInvalidCodeLength = "august_lock_invalid_code_length", AccessCode, "The lock does not take PINs of this length.";
    AugustDeviceProgrammingDelay = "august_device_programming_delay", AccessCode, "The code has not reached the lock yet.";
    AugustDeviceSlotsFull = "august_device_slots_full", AccessCode, "The lock has no room for another code.";
    AugustLockMissingKeypad = "august_lock_missing_keypad", AccessCode, "The lock has no keypad.";
    AugustLockTemporarilyOffline = "august_lock_temporarily_offline", AccessCode, "The lock went offline while the code was being programmed.";
    SaltoKsUserNotSubscribed = "salto_ks_user_not_subscribed", AccessCode, "The site user of this code has no subscription.";
    HubitatDeviceProgrammingDelay = "hubitat_device_programming_delay", AccessCode, "The code has not reached the lock yet.";
    HubitatNoFreePositionsAvailable = "hubitat_no_free_positions_available", AccessCode, "The lock has no free position.";
    WyzeDuplicateCodeName = "wyze_duplicate_code_name", AccessCode, "Another code on the lock has this name.";
    WyzePotentialDuplicateCode = "wyze_potential_duplicate_code", AccessCode, "The lock refused the code; it may hold this PIN already.";
    DormakabaOracodeNoValidUserLevel = "dormakaba_oracode_no_valid_user_level", AccessCode, "No user level of the lock fits the window.";
    AccountDisconnected = "account_disconnected", ConnectedAccount, "The vendor account is disconnected.";
    SaltoKsSubscriptionLimitExceeded = "salto_ks_subscription_limit_exceeded", ConnectedAccount, "The site has no free subscription.";
    DeviceOffline = "device_offline", Device, "The vendor reports the device as offline.";
    DeviceRemoved = "device_removed", Device, "The device was removed from the vendor account.";
    HubDisconnected = "hub_disconnected", Device, "The hub of the device is down.";
    DeviceDisconnected = "device_disconnected", Device, "The device cannot be reached.";
    EmptyBackupAccessCodePool = "empty_backup_access_code_pool", Device, "The pool of backup codes is empty.";
    AugustLockNotAuthorized = "august_lock_not_authorized", Device, "The connected user may not program the lock.";
    AugustLockMissingBridge = "august_lock_missing_bridge", Device, "The lock has no working bridge.";
    TtlockLockNotPairedToGateway = "ttlock_lock_not_paired_to_gateway", Device, "No paired gateway is in range of the lock.";
    MissingDeviceCredentials = "missing_device_credentials", Device, "The credentials of the device are missing.";
    AuxiliaryHeatRunning = "auxiliary_heat_running", Device, "The auxiliary heat is running.";
    SubscriptionRequired = "subscription_required", Device, "The paid plan of the device has lapsed.";
    InvalidCredentials = "invalid_credentials", ConnectedAccount, "The vendor refused the stored credentials.";
    BridgeDisconnected = "bridge_disconnected", ConnectedAccount, "The on-premises bridge does not answer.";
}

problems! {
    /// What a person should know about a code that works or soon will, by the seed's names.
    WarningCode[12]:
    SmartthingsFailedToSetAccessCode = "smartthings_failed_to_set_access_code", AccessCode, "The hub could not store the code.";
    SchlageDetectedDuplicate = "schlage_detected_duplicate", AccessCode, "The lock refused the code as a duplicate.";
    SchlageCreationOutage = "schlage_creation_outage", AccessCode, "The vendor fails to create codes at the moment.";
    CodeModifiedExternalToSeam = "code_modified_external_to_seam", AccessCode, "Somebody else changed or removed the code after it was set.";
    DelayInSettingOnDevice = "delay_in_setting_on_device", AccessCode, "Setting the code takes longer than usual.";
    DelayInRemovingFromDevice = "delay_in_removing_from_device", AccessCode, "Removing the code takes longer than usual.";
    ThirdPartyIntegrationDetected = "third_party_integration_detected", AccessCode, "Another lock manager is active on the device.";
    AugustDeviceProgrammingDelay = "august_device_programming_delay", AccessCode, "The code has not reached the lock yet.";
    AugustLockTemporarilyOffline = "august_lock_temporarily_offline", AccessCode, "The lock went offline while the code was being programmed.";
    IglooAlgopinMustBeUsedWithin24Hours = "igloo_algopin_must_be_used_within_24_hours", AccessCode, "The PIN must be used within 24 hours of its start.";
    ManagementTransferred = "management_transferred", AccessCode, "Another workspace took the code over.";
    KwiksetUnableToConfirmCode = "kwikset_unable_to_confirm_code", AccessCode, "The device did not confirm that it stored the code.";
}

/// An error on a code, device or account. At most one of a name in a list (`R-09`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorEntry {
    /// Which.
    pub error_code: ErrorCode,
    /// Since when; kept while it is raised again, new after it was cleared (`R-09`).
    pub created_at: Timestamp,
}

/// A warning on a code. At most one of a name in a list (`R-09`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WarningEntry {
    /// Which.
    pub warning_code: WarningCode,
    /// Since when; kept while it is raised again, new after it was cleared (`R-09`).
    pub created_at: Timestamp,
}

impl Serialize for ErrorEntry {
    /// With exactly one family of flags (lifecycle 3).
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let family = self.error_code.family();
        let flags = if family == ProblemFamily::ConnectedAccount { 3 } else { 1 };
        let mut map = serializer.serialize_map(Some(3 + flags))?;
        map.serialize_entry("created_at", &self.created_at)?;
        map.serialize_entry("error_code", &self.error_code)?;
        match family {
            ProblemFamily::AccessCode => map.serialize_entry("is_access_code_error", &true)?,
            ProblemFamily::Device => map.serialize_entry("is_device_error", &true)?,
            ProblemFamily::ConnectedAccount => {
                map.serialize_entry("is_bridge_error", &(self.error_code == ErrorCode::BridgeDisconnected))?;
                map.serialize_entry("is_connected_account_error", &true)?;
                map.serialize_entry("is_device_error", &false)?;
            }
        }
        map.serialize_entry("message", self.error_code.message())?;
        map.end()
    }
}

impl Serialize for WarningEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("created_at", &self.created_at)?;
        map.serialize_entry("message", self.warning_code.message())?;
        map.serialize_entry("warning_code", &self.warning_code)?;
        map.end()
    }
}
