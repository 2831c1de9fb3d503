//! What a story expects to be seen, never to be seen, and how often.

use std::collections::BTreeMap;

use keyway_core::access_code::Status;
use keyway_core::port::OpKind;
use keyway_core::request::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use crate::plan_text::{Offset, PinText, Span};
use crate::words;

/// What must be seen. All of it is checked; what is absent is free.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Expectations {
    /// The verdict: the id of the invariant that must be broken. Absent: the run must pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Invariants>")]
    pub verdict: Option<String>,
    /// States at given times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<StateAt>,
    /// The state at the end of the heal phase.
    #[serde(skip_serializing_if = "is_default")]
    pub end: State,
    /// Calls that must be refused: the index into `steps` is given by the code's name and the kind of call it failed in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, words::Refusals>")]
    pub refused: BTreeMap<String, Refusal>,
    /// The events of each code from `+0` on, in order, by their names without `access_code.`. A name with `?` may be missing, with `*`
    /// may come any number of times; `*` alone stands for any events.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<words::Events>>")]
    pub events: BTreeMap<String, Vec<String>>,
    /// The events of unmanaged entries on each device, in the same notation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<words::UnmanagedEvents>>")]
    pub unmanaged_events: BTreeMap<String, Vec<String>>,
    /// Limits on the commands sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<Bound>,
    /// What must not be seen at any instant from `+0` on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<Never>,
    /// Marks that the run must hit; a run that does not is vacuous.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
}

/// A state at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateAt {
    /// When.
    pub at: Offset,
    /// What.
    pub state: State,
}

/// What holds at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// The exact content of each lock named, in any order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub memory: BTreeMap<String, Vec<ExpectedEntry>>,
    /// The status of each code named, or `gone`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<String, ExpectedStatus>,
    /// The exact own errors of each code, or errors of each device or account, named. A name with `?` may be missing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<words::Errors>>")]
    pub errors: BTreeMap<String, Vec<String>>,
    /// The exact own warnings of each code, or warnings of each device, named. A name with `?` may be missing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<words::Warnings>>")]
    pub warnings: BTreeMap<String, Vec<String>>,
    /// The window that each code named shows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub windows: BTreeMap<String, ExpectedWindow>,
    /// Whether each code named waits for its vendor to choose a PIN.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waits_for_pin: BTreeMap<String, bool>,
    /// Free slots of each lock named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub free_slots: BTreeMap<String, u32>,
    /// Users that the controller made at the site of each lock named, with a seat or without.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub site_users: BTreeMap<String, u32>,
    /// How far the clock of each lock named is off, at most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clock_error_at_most: BTreeMap<String, Span>,
}

/// A window that a code must show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedWindow {
    /// Its start.
    pub starts: Offset,
    /// Its end.
    pub ends: Offset,
}

/// An entry that must be in a lock's memory. What is absent is free.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedEntry {
    /// Its slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u16>,
    /// Not in this slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_slot: Option<u16>,
    /// Its PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinText>,
    /// The code it belongs to, `none` for nobody's, or `backup` for a backup that was not pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A status, or that the record is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The seed's five and one more.
pub enum ExpectedStatus {
    Setting,
    Set,
    Unset,
    Removing,
    Unknown,
    /// No record: 404.
    Gone,
}

impl From<Status> for ExpectedStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Setting => Self::Setting,
            Status::Set => Self::Set,
            Status::Unset => Self::Unset,
            Status::Removing => Self::Removing,
            Status::Unknown => Self::Unknown,
        }
    }
}

/// What must not be seen, looked for after each step of the controller and each change of a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Never {
    /// A code shows this status (while its PIN is not in the memory of its lock, if so said).
    Status(NeverStatus),
    /// A code, device or account shows a problem.
    Problem(NeverProblem),
    /// A lock holds this PIN in two places.
    Twice(NeverTwice),
    /// No enabled entry of this code is in its lock.
    Absent(NeverAbsent),
}

/// A status that must not be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeverStatus {
    /// The code.
    pub code: String,
    /// The status.
    #[schemars(with = "words::Statuses")]
    pub is: Status,
    /// Only while no entry of its lock holds this PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_pin: Option<PinText>,
}

/// Problems that must not be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeverProblem {
    /// The code, device or account.
    pub of: String,
    /// Names of errors and warnings; absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<words::Problems>")]
    pub names: Vec<String>,
}

/// A PIN that must not be stored twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeverTwice {
    /// The lock.
    pub on: String,
    /// The PIN.
    pub pin: PinText,
}

/// A code that must not be missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeverAbsent {
    /// The code.
    pub code: String,
    /// From when; absent: `+0`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: Offset,
    /// Until when; absent: the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Offset>,
}

/// A limit on the commands sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Only to this device, or through this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Only on behalf of this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Which commands count.
    pub count: Counted,
    /// Of these only the ones of these kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<words::Commands>")]
    pub commands: Vec<OpKind>,
    /// Only commands to slots from and to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<(u16, u16)>,
    /// From when; absent: `+0`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: Offset,
    /// Until when; absent: the end of the heal phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Offset>,
    /// At least so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// Which commands a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Those that store or change an entry.
    Writes,
    /// Those that erase one.
    Erasures,
    /// Both.
    Mutating,
    /// Those that read.
    Reads,
    /// Those that set a clock.
    ClockSettings,
    /// All.
    All,
}
