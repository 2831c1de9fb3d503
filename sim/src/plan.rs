//! The one value that describes a run: world, operations, faults, chance, horizon, expectations.
//!
//! A plan is plain data with names for everything, so that a scenario file is a plan written down (`scenario`
//! adds reading with diagnostics, variants and repeats). Operations are total: one on a missing target is a
//! counted no-op, so that any element can be removed and a valid plan remains.

use keyway_core::config::{ExpiredRecordPolicy, PolicyConstants};
use keyway_core::pin::Pin;
use keyway_core::port::OpKind;
use keyway_core::time::Timestamp;
use keyway_core::vendor::{Ack, DuplicatePolicy, ReadBack, Vendor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan_text::{Offset, PinText, Span, Start};
use crate::quirk::Quirk;
use crate::words;

mod calls;
pub mod device;
mod expectations;
pub mod linked;
pub mod lookup;
pub mod unmanaged;

pub use calls::{CreateCode, CreateCodes, PullBackup, RequestedPin, UpdateCode};
use device::DeviceAction;
pub use expectations::{
    Bound, Counted, Expectations, ExpectedEntry, ExpectedStatus, ExpectedWindow, Never, NeverAbsent, NeverProblem, NeverStatus, NeverTwice,
    State, StateAt,
};
use linked::UpdateCodes;
use lookup::{DeleteOn, GetByPin, ListCodes};
use unmanaged::{SimulateUnmanaged, UnmanagedAction};

/// One run, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// A speaking name, in words joined by hyphens.
    pub name: String,
    /// What the story is about, for a reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The instant of `+0`.
    #[serde(default)]
    pub start: Start,
    /// How long the world may misbehave; then everything is healed and must converge.
    pub horizon: Span,
    /// The controller's entropy: its generated PINs, ids and jitter.
    #[serde(default)]
    pub entropy: u64,
    /// The seed of the world's noise: latencies, and which commands a ratio strikes.
    #[serde(default)]
    pub noise_seed: u64,
    /// Order of what happens at one instant: 0 is the order of declaration, any other number a permutation of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tie_order: u64,
    /// Constants of the controller's policy that differ from the defaults.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: PolicyOverrides,
    /// What becomes of expired records (`R-15`).
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "words::ExpiredRecords")]
    pub expired_record_policy: ExpiredRecordPolicy,
    /// Vendor logins. A device may name a vendor instead; each vendor then gets an account of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// Hubs, bridges and gateways shared by several devices. A device whose vendor needs one and that names none gets its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hubs: Vec<Hub>,
    /// The locks.
    pub devices: Vec<Device>,
    /// API calls, and people and other apps at the locks, each at its time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// When the controller dies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crashes: Vec<Crash>,
    /// What must be seen. A plan without expectations is judged by the invariants alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Expectations,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A vendor login.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its name in this plan.
    pub name: String,
    /// The vendor.
    #[schemars(with = "words::Vendors")]
    pub vendor: Vendor,
    /// The IANA zone configured for its devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Calls per minute, instead of the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_minute: Option<u32>,
    /// Devices in one page of the account's list, instead of the profile's page size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
    /// Seats that its plan pays for, where the vendor sells access by the seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
    /// Seats of these that others have taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_of_others: Option<u32>,
    /// The account whose login this is, connected once more in a workspace of its own. Each of its locks has a further name there, `ACCOUNT/LOCK`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<String>,
}

/// What lies between a cloud and several locks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Its name in this plan.
    pub name: String,
}

/// A lock. Fields that are absent come from the vendor's profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its name in this plan, and its serial unless that is given.
    pub name: String,
    /// Its serial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The vendor's id of it until it joins anew. A lock whose vendor tells no serial (`serial_hidden`) is the plan's only under this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<u32>,
    /// Whether it is in its account only from a fault on that brings it there (`device_joins_other_account`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub joins_later: bool,
    /// The vendor; may be absent where `account` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Vendors>")]
    pub vendor: Option<Vendor>,
    /// The account it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The hub it is behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// Places for codes, 1 to 65,535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Places that it really has, where `fewer_slots_than_told`; absent: two fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_slots: Option<u32>,
    /// PIN lengths it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_lengths: Option<Vec<u8>>,
    /// What it does with a PIN it already holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Duplicates>")]
    pub duplicate: Option<DuplicatePolicy>,
    /// What the first positive answer stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Acks>")]
    pub ack: Option<Ack>,
    /// What a read shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::ReadBacks>")]
    pub read_back: Option<ReadBack>,
    /// Whether reads show stored names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows_names: Option<bool>,
    /// Whether the lock keeps schedules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules: Option<bool>,
    /// Fixed time until effect, instead of the profile's range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Span>,
    /// Longest time until effect and answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat_max: Option<Span>,
    /// When a command counts as timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_timeout: Option<Span>,
    /// How old a plain read may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_lag: Option<Span>,
    /// Whether an entry can be changed without deleting it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_in_place: Option<bool>,
    /// The fewest and the most characters of a displayed name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_length: Option<(u8, u8)>,
    /// How far ahead a start must lie (`start_must_lie_ahead`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_margin: Option<Span>,
    /// Entries in one page of a listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
    /// Error of the lock's clock at the start: positive is fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_off: Option<Offset>,
    /// What its clock gains a day (`clock_drifts`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_drift: Option<Span>,
    /// IANA zone of the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Standing quirks: facts of this lock that no healing lifts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<Quirk>,
    /// What lies in its memory at `+0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<Stored>,
}

/// An entry in a lock's memory at `+0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its place, for locks with numbered slots; else, or where absent, the first free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u16>,
    /// Its PIN; may be absent for an owner's code, whose PIN is then generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinText>,
    /// Its displayed name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The code it belongs to. Such a code is created through the API in an undisturbed time before `+0`. Without owner, people put it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Seen by no read (`twin_invisible`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub hidden: bool,
    /// How an owner's code is created: the fields of `create`, without its device, name and PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<CreateCode>,
}

/// Something that somebody does at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When.
    pub at: Offset,
    /// What.
    #[serde(rename = "do")]
    pub action: Action,
    /// The account in whose workspace a call is made; absent: that of the code or device which it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// An API call, or something people and other apps do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// `/access_codes/create`
    Create(CreateCode),
    /// `/access_codes/create_multiple`
    CreateMultiple(CreateCodes),
    /// `/access_codes/update`
    Update(UpdateCode),
    /// `/access_codes/update_multiple`
    UpdateMultiple(UpdateCodes),
    /// `/access_codes/delete`, of the code with this name.
    Delete(String),
    /// `/access_codes/delete`, of a code on a device.
    DeleteOn(DeleteOn),
    /// `/access_codes/get`, of the code with this name.
    Get(String),
    /// `/access_codes/get`, of a PIN on a device.
    GetByPin(GetByPin),
    /// `/access_codes/list`, of this device.
    List(String),
    /// `/access_codes/list`, of some codes.
    ListCodes(ListCodes),
    /// `/access_codes/generate_code`, for this device.
    GenerateCode(String),
    /// `/access_codes/pull_backup_access_code`
    PullBackup(PullBackup),
    /// Somebody stores a PIN at the lock itself or by another app.
    PersonAdds(PersonAdds),
    /// Somebody removes an entry at the lock or in the vendor's app.
    PersonRemoves(AtEntry),
    /// Somebody changes an entry in the vendor's app.
    PersonEdits(PersonEdits),
    /// Somebody switches an entry off in the vendor's app.
    PersonDisables(AtEntry),
    /// Somebody sets another PIN length at the lock.
    PersonSetsLength(SetLength),
    /// A call about codes that nobody manages.
    Unmanaged(UnmanagedAction),
    /// A call about a device as a whole.
    Device(DeviceAction),
    /// `/access_codes/simulate/create_unmanaged_access_code`. It acts on the lock alone; the record comes with the next read.
    SimulateUnmanaged(SimulateUnmanaged),
    /// Somebody enters a PIN at the keypad.
    Enter(Enter),
    /// Somebody enters the PIN again and again until `until`, which must always have the same result.
    EnterRepeatedly(EnterRepeatedly),
}

/// Somebody stores a PIN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonAdds {
    /// The lock.
    pub on: String,
    /// The PIN.
    pub pin: PinText,
    /// The place, for locks with numbered slots; where absent, the first free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u16>,
    /// The displayed name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seen by no read (`twin_invisible`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub hidden: bool,
}

/// An entry on a lock: by the code it belongs to, by slot, or by PIN; exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AtEntry {
    /// The lock.
    pub on: String,
    /// The code it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u16>,
    /// Its PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinText>,
}

/// Somebody sets another PIN length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLength {
    /// The lock.
    pub on: String,
    /// The only length that it takes from now on.
    pub length: u8,
}

/// Somebody changes an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonEdits {
    /// Which entry.
    #[serde(rename = "entry")]
    pub target: AtEntry,
    /// Its new PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_pin: Option<PinText>,
    /// Its new end, where the lock keeps schedules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_end: Option<Offset>,
}

/// Somebody at the keypad.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Enter {
    /// The lock.
    pub on: String,
    /// The PIN of this code; exactly one of `code` and `pin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// This PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinText>,
    /// What the door must do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must: Option<Door>,
}

/// Somebody at the keypad, again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnterRepeatedly {
    /// What is entered each time.
    pub enter: Enter,
    /// Time between two entries.
    pub every: Span,
    /// No entry after this.
    pub until: Offset,
}

/// What a door does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// It opens.
    Open,
    /// It stays shut.
    Refuse,
}

/// Something that goes wrong (port.md 8). A fault of the sort *noise* strikes commands, answers, reads or notices; one of the sorts
/// *fault* and *actor* is a state of the world from `from` to `until`, or an event at `from`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub quirk: Quirk,
    /// The device, hub or account it strikes; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// From when; absent: `+0`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: Offset,
    /// Until when; absent: the horizon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Offset>,
    /// Noise: only these kinds of command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<words::Commands>")]
    pub commands: Vec<OpKind>,
    /// Noise: only commands on behalf of this code. `seat_taken_away`: the user of this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Noise: only the first so many that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
    /// Noise: one in so many that match; absent or 1: each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_in: Option<u32>,
    /// How late, how long, or how often, where the quirk has such a figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Noise that answers with a server error: its HTTP status; absent: 502.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Noise on notices: when further copies come, counted from the notice's fact; each at most 2 min.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Span>,
    /// `rival_manager`: the slots it holds for its own, from and to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<(u16, u16)>,
    /// `device_joins_other_account`: the device of this plan that the lock is from then on.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub becomes: Option<String>,
    /// Whether the heal phase leaves it as it is: lost for good.
    #[serde(default, skip_serializing_if = "is_default")]
    pub for_good: bool,
}

/// The controller dies and is started again from its last save (`P-08`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// When.
    pub when: CrashPoint,
    /// How long it is down.
    pub down: Span,
}

/// A point that a shrinker can't shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CrashPoint {
    /// At an instant, between steps.
    At(Offset),
    /// In the step that handles this element of `steps` (an API call), after so many of its outputs (0: before the first).
    InCall {
        /// Index into `steps`.
        step: u32,
        /// Outputs that still happen.
        outputs: u32,
    },
    /// Right after the answer `ok` to the call that creates, updates, deletes or pulls this code: its name in this plan and the call's kind.
    AfterReply {
        /// Index into `steps`.
        step: u32,
    },
    /// In the step that handles the n-th answer (from 0) to a kind of command on a lock.
    InAnswer {
        /// The lock.
        on: String,
        /// The kind of command.
        #[schemars(with = "words::Commands")]
        command: OpKind,
        /// Which one, from 0.
        nth: u32,
        /// Outputs that still happen.
        outputs: u32,
    },
    /// In the step that handles the n-th notice (from 0) about a lock.
    InNotice {
        /// The lock; absent: notices about an account as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        /// Which one, from 0.
        nth: u32,
        /// Outputs that still happen.
        outputs: u32,
    },
    /// In the n-th wake (from 0) of the controller.
    InWake {
        /// Which one, from 0.
        nth: u32,
        /// Outputs that still happen.
        outputs: u32,
    },
}

/// Constants of the controller's policy that differ from the defaults (lifecycle 1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // Each field is documented at PolicyConstants.
pub struct PolicyOverrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native_preload: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub just_in_time_lead: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_set_after: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_set_after: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_remove_after: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_remove_after: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_base: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_cap: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_cap_long: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_period: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_pool_target: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_retry: Option<Span>,
}

impl PolicyOverrides {
    /// The defaults with these overrides.
    #[must_use]
    pub fn constants(&self) -> PolicyConstants {
        let mut constants = PolicyConstants::default();
        let mut put = |field: fn(&mut PolicyConstants) -> &mut i64, value: Option<Span>| {
            if let Some(value) = value {
                *field(&mut constants) = value.0;
            }
        };
        put(|c| &mut c.native_preload_ms, self.native_preload);
        put(|c| &mut c.just_in_time_lead_ms, self.just_in_time_lead);
        put(|c| &mut c.delay_set_after_ms, self.delay_set_after);
        put(|c| &mut c.fail_set_after_ms, self.fail_set_after);
        put(|c| &mut c.delay_remove_after_ms, self.delay_remove_after);
        put(|c| &mut c.fail_remove_after_ms, self.fail_remove_after);
        put(|c| &mut c.retry_base_ms, self.retry_base);
        put(|c| &mut c.retry_cap_ms, self.retry_cap);
        put(|c| &mut c.retry_cap_long_ms, self.retry_cap_long);
        put(|c| &mut c.sync_period_ms, self.sync_period);
        put(|c| &mut c.refused_retry_ms, self.refused_retry);
        if let Some(target) = self.backup_pool_target {
            constants.backup_pool_target = target;
        }
        constants
    }
}

impl Plan {
    /// The instant of an offset.
    #[must_use]
    pub fn instant(&self, offset: Offset) -> Timestamp {
        offset.at(self.start.0)
    }

    /// The PIN that a text in a plan stands for; plans are validated, so this can't fail on a checked one.
    #[must_use]
    pub fn pin(text: &PinText) -> Pin {
        text.0
    }
}
