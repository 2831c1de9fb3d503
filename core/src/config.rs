//! What a controller is told before it starts: names, profiles, constants, entropy and waivers.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, WorkspaceId};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::vendor::{Model, Profile, Vendor};
use crate::zone::ClockChange;

/// Everything a controller may know about the world before it asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Config {
    /// The workspaces, in order of declaration.
    pub workspaces: Vec<WorkspaceId>,
    /// The accounts, in order of declaration.
    pub accounts: Vec<AccountConfig>,
    /// The kinds of lock that may be met; [`Model`] is an index into it.
    pub profiles: Vec<Profile>,
    /// The changes of clocks that may matter, by the IANA name of a zone, in order. Without any kind of lock that minds them there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub zones: BTreeMap<String, Vec<ClockChange>>,
    /// The time constants.
    pub policy: PolicyConstants,
    /// What becomes of a record whose code has expired (`R-15`).
    pub expired_record_policy: ExpiredRecordPolicy,
    /// The source of all the controller's chance (`R-55`).
    pub entropy: u64,
    /// Rules of origin *Ours* or *Docs* that this controller declines. Rules of the seed can't be waived.
    pub waivers: Vec<String>,
}

impl Config {
    /// The profile of a model.
    ///
    /// # Panics
    /// If the model is none of this configuration's.
    #[must_use]
    pub fn profile(&self, model: Model) -> &Profile {
        &self.profiles[usize::from(model.0)]
    }
}

/// One login at one vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountConfig {
    /// Its id, which the API shows as `connected_account_id`.
    pub account: AccountId,
    /// The workspace it was connected in.
    pub workspace: WorkspaceId,
    /// The vendor.
    pub vendor: Vendor,
    /// The IANA name of the zone configured for its devices, where the vendor tells none.
    pub zone: Option<String>,
}

/// What becomes of a record whose code has expired (`R-15`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExpiredRecordPolicy {
    /// It is deleted, with its event.
    #[default]
    Delete,
    /// It stays as `unset`.
    RetainUnset,
}

/// The constants of lifecycle 1. All durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConstants {
    /// A natively scheduled code is stored this long before its start.
    pub native_preload_ms: i64,
    /// A just-in-time code is stored this long before its start.
    pub just_in_time_lead_ms: i64,
    /// `delay_in_setting_on_device` after a code became due (`R-01`).
    pub delay_set_after_ms: i64,
    /// `failed_to_set_on_device` after a code became due (`R-01`).
    pub fail_set_after_ms: i64,
    /// `delay_in_removing_from_device` after removal became due (`R-02`).
    pub delay_remove_after_ms: i64,
    /// `failed_to_remove_from_device` after removal became due (`R-02`).
    pub fail_remove_after_ms: i64,
    /// Delay before the second attempt (`R-03`).
    pub retry_base_ms: i64,
    /// Longest delay between attempts (`R-03`).
    pub retry_cap_ms: i64,
    /// Longest delay once the same failure has lasted `retry_long_after_ms` (`R-03`).
    pub retry_cap_long_ms: i64,
    /// When `retry_cap_long_ms` begins to count (`R-03`).
    pub retry_long_after_ms: i64,
    /// Jitter added to a delay, at most, in percent (`R-03`).
    pub retry_jitter_percent: i64,
    /// Period of reading every online device back (`R-04`).
    pub sync_period_ms: i64,
    /// Backups kept on each device with a pool (`R-05`), 1 to 5.
    pub backup_pool_target: u32,
    /// Clock errors up to this are left alone (`R-56`).
    pub clock_tolerance_ms: i64,
    /// Period of reading a readable clock (`R-56`).
    pub clock_period_ms: i64,
    /// Period of trying again what was refused as a twin (`R-54`).
    pub refused_retry_ms: i64,
    /// Three reversals within this slow the re-sets down (`R-62`).
    pub reversal_period_ms: i64,
    /// A device without a reversal for this long is at peace again (`R-62`).
    pub reversal_calm_ms: i64,
    /// Consecutive failures before `smartthings_failed_to_set_after_multiple_retries` (`V-11`).
    pub multiple_retries: u32,
}

impl Default for PolicyConstants {
    fn default() -> Self {
        Self {
            native_preload_ms: 3 * DAY_MS,
            just_in_time_lead_ms: HOUR_MS,
            delay_set_after_ms: 15 * MINUTE_MS,
            fail_set_after_ms: 45 * MINUTE_MS,
            delay_remove_after_ms: 15 * MINUTE_MS,
            fail_remove_after_ms: HOUR_MS,
            retry_base_ms: 30 * SECOND_MS,
            retry_cap_ms: 15 * MINUTE_MS,
            retry_cap_long_ms: HOUR_MS,
            retry_long_after_ms: 2 * HOUR_MS,
            retry_jitter_percent: 20,
            sync_period_ms: 10 * MINUTE_MS,
            backup_pool_target: 5,
            clock_tolerance_ms: 30 * SECOND_MS,
            clock_period_ms: 6 * HOUR_MS,
            refused_retry_ms: DAY_MS,
            reversal_period_ms: HOUR_MS,
            reversal_calm_ms: 2 * HOUR_MS,
            multiple_retries: 5,
        }
    }
}
