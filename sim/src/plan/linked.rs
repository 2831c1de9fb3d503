//! Steps about codes that share one PIN.

use keyway_core::request::BehaviorWhenCodeCannotBeShared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan_text::Offset;

/// What becomes of a device that cannot share the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenNotShared {
    /// The call fails.
    Throw,
    /// That device gets a PIN of its own.
    CreateRandomCode,
}

impl From<WhenNotShared> for BehaviorWhenCodeCannotBeShared {
    fn from(when: WhenNotShared) -> Self {
        match when {
            WhenNotShared::Throw => Self::Throw,
            WhenNotShared::CreateRandomCode => Self::CreateRandomCode,
        }
    }
}

/// Arguments of an `update_multiple` call. Absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateCodes {
    /// A code of the group, by its name in this plan.
    pub group_of: String,
    /// The new name of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new start of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Offset>,
    /// The new end of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Offset>,
}
