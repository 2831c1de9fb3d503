//! The contract between controller and vendors: commands, answers, notices (port.md).

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, CodeId, CommandId, Epoch, Handle, Key, Slot, UserId, VendorDevice};
use crate::offline::{OfflineKind, UserLevel};
use crate::pin::{Constraint, Lengths, Pin};
use crate::time::{Timestamp, Window};
use crate::vendor::Model;

/// A displayed name, shared between the places that hold it.
pub type Name = Arc<str>;

/// One command (port.md 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Command {
    /// Unique over the controller's life.
    pub command_id: CommandId,
    /// Idempotency key (`P-04`).
    pub key: Key,
    /// The account it is sent through.
    pub account: AccountId,
    /// The vendor's id of the lock; none for commands to the account as a whole.
    pub device: Option<VendorDevice>,
    /// The incarnation of the lock that is meant (`P-10`).
    pub epoch: Epoch,
    /// The record on whose behalf it is sent. Only the judge sees it.
    pub for_code: Option<CodeId>,
    /// What to do.
    pub op: Op,
}

/// What a command asks for (port.md 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// by_id: store an entry where the vendor likes.
    CreateEntry {
        /// The PIN.
        pin: Pin,
        /// The displayed name.
        name: Name,
        /// The schedule, where the lock keeps one.
        window: Option<Window>,
    },
    /// by_id with update in place: the entry becomes this.
    ReplaceEntry {
        /// The entry.
        handle: Handle,
        /// The PIN.
        pin: Pin,
        /// The displayed name.
        name: Name,
        /// The schedule; none means always.
        window: Option<Window>,
    },
    /// by_id and by_seat with a schedule on the lock.
    SetSchedule {
        /// The entry.
        handle: Handle,
        /// The schedule; none means always.
        window: Option<Window>,
    },
    /// by_id: erase an entry.
    DeleteEntry {
        /// The entry.
        handle: Handle,
    },
    /// by_slot: store a PIN in a place the controller picked.
    SetSlot {
        /// The place.
        slot: Slot,
        /// The PIN.
        pin: Pin,
        /// The name stored with the place.
        name: Name,
    },
    /// by_slot: erase a place.
    ClearSlot {
        /// The place.
        slot: Slot,
    },
    /// by_seat: make a user of the site, without a seat or a PIN.
    CreateUser {
        /// The name that its entry will show.
        name: Name,
    },
    /// by_seat: end a user; that frees its seat and erases its PIN.
    DeleteUser {
        /// Whom.
        user: UserId,
    },
    /// by_seat: subscribe a user to one of the seats that the site's plan pays for.
    TakeSeat {
        /// Whom.
        user: UserId,
    },
    /// by_seat: unsubscribe a user; its PIN stays and does not open.
    ReleaseSeat {
        /// Whom.
        user: UserId,
    },
    /// by_seat: give a user with a seat a PIN for the lock.
    AssignPin {
        /// Whom.
        user: UserId,
        /// The schedule.
        window: Option<Window>,
        /// The PIN, where the site takes custom ones; else the vendor chooses.
        pin: Option<Pin>,
    },
    /// by_seat, and by_id under `adopt_needs_claim`: make an entry that others stored the platform's own at the vendor. No lock hears of it. Where access
    /// is sold by the seat the entry's user moves into the platform's group, and the answer tells which (`T31`).
    AdoptEntry {
        /// The entry.
        handle: Handle,
    },
    /// by_seat: the seats of the site's plan, and how many are taken.
    ReadSite,
    /// All entries of a lock, a page at a time.
    ListEntries {
        /// Which page, from 0.
        page: u32,
        /// Past every cache.
        fresh: bool,
    },
    /// by_id: one entry.
    ReadEntry {
        /// The entry.
        handle: Handle,
        /// Past every cache.
        fresh: bool,
    },
    /// by_slot: one place.
    ReadSlot {
        /// The place.
        slot: Slot,
        /// Past every cache.
        fresh: bool,
    },
    /// All devices of the account.
    ListDevices {
        /// Which page, from 0.
        page: u32,
    },
    /// One device.
    GetDevice,
    /// The lock's clock.
    ReadClock,
    /// Set the lock's clock.
    SetClock {
        /// The time it shall show.
        to: Timestamp,
    },
    /// offline: have the vendor compute a PIN. No lock hears of it.
    RegisterOffline {
        /// The kind of code.
        kind: OfflineKind,
        /// When it shall open.
        window: Window,
    },
    /// offline: take a PIN back, which no vendor can (`R-40`).
    RevokeOffline {
        /// The PIN.
        pin: Pin,
    },
    /// offline: the time slots that were set up for a door.
    ReadUserLevels,
}

impl Op {
    /// Whether it may change a lock's memory, or who may use what lies in it.
    #[must_use]
    pub const fn is_mutating(&self) -> bool {
        match self {
            Self::CreateEntry { .. } | Self::ReplaceEntry { .. } | Self::SetSchedule { .. } | Self::DeleteEntry { .. } => true,
            Self::SetSlot { .. } | Self::ClearSlot { .. } | Self::AssignPin { .. } => true,
            Self::CreateUser { .. } | Self::DeleteUser { .. } | Self::TakeSeat { .. } | Self::ReleaseSeat { .. } => true,
            Self::ListEntries { .. } | Self::ReadEntry { .. } | Self::ReadSlot { .. } => false,
            Self::ListDevices { .. } | Self::GetDevice | Self::ReadSite | Self::ReadClock | Self::SetClock { .. } => false,
            Self::RegisterOffline { .. } | Self::RevokeOffline { .. } | Self::ReadUserLevels | Self::AdoptEntry { .. } => false,
        }
    }

    /// Whether it makes the vendor's server compute a PIN: a change at the vendor that reaches no lock.
    #[must_use]
    pub const fn is_registering(&self) -> bool {
        matches!(self, Self::RegisterOffline { .. })
    }

    /// Whether it erases.
    #[must_use]
    pub const fn is_erasing(&self) -> bool {
        matches!(self, Self::DeleteEntry { .. } | Self::ClearSlot { .. } | Self::DeleteUser { .. })
    }

    /// Whether it names a user of the site, or makes one.
    #[must_use]
    pub const fn is_of_user(&self) -> bool {
        matches!(
            self,
            Self::CreateUser { .. } | Self::DeleteUser { .. } | Self::TakeSeat { .. } | Self::ReleaseSeat { .. } | Self::AssignPin { .. }
        )
    }

    /// The kind of command, without its payload.
    #[must_use]
    pub const fn kind(&self) -> OpKind {
        match self {
            Self::CreateEntry { .. } => OpKind::CreateEntry,
            Self::ReplaceEntry { .. } => OpKind::ReplaceEntry,
            Self::SetSchedule { .. } => OpKind::SetSchedule,
            Self::DeleteEntry { .. } => OpKind::DeleteEntry,
            Self::SetSlot { .. } => OpKind::SetSlot,
            Self::ClearSlot { .. } => OpKind::ClearSlot,
            Self::CreateUser { .. } => OpKind::CreateUser,
            Self::DeleteUser { .. } => OpKind::DeleteUser,
            Self::TakeSeat { .. } => OpKind::TakeSeat,
            Self::ReleaseSeat { .. } => OpKind::ReleaseSeat,
            Self::AssignPin { .. } => OpKind::AssignPin,
            Self::AdoptEntry { .. } => OpKind::AdoptEntry,
            Self::ReadSite => OpKind::ReadSite,
            Self::ListEntries { .. } => OpKind::ListEntries,
            Self::ReadEntry { .. } => OpKind::ReadEntry,
            Self::ReadSlot { .. } => OpKind::ReadSlot,
            Self::ListDevices { .. } => OpKind::ListDevices,
            Self::GetDevice => OpKind::GetDevice,
            Self::ReadClock => OpKind::ReadClock,
            Self::SetClock { .. } => OpKind::SetClock,
            Self::RegisterOffline { .. } => OpKind::RegisterOffline,
            Self::RevokeOffline { .. } => OpKind::RevokeOffline,
            Self::ReadUserLevels => OpKind::ReadUserLevels,
        }
    }
}

/// A kind of command; plans name them in faults and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // One for each variant of Op.
pub enum OpKind {
    CreateEntry,
    ReplaceEntry,
    SetSchedule,
    DeleteEntry,
    SetSlot,
    ClearSlot,
    ListEntries,
    ReadEntry,
    ReadSlot,
    ListDevices,
    GetDevice,
    ReadClock,
    SetClock,
    CreateUser,
    DeleteUser,
    TakeSeat,
    ReleaseSeat,
    AssignPin,
    ReadSite,
    RegisterOffline,
    RevokeOffline,
    ReadUserLevels,
    AdoptEntry,
}

/// What comes back (port.md 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// First positive answer; proves `Profile::ack`, no more. Closes nothing.
    Accepted,
    /// Applied: the write is in lock memory, the erasure done, the clock set.
    Done {
        /// The vendor's id of the entry, for writes of the by_id family.
        handle: Option<Handle>,
    },
    /// Definitely not applied.
    Refused(Reason),
    /// The lock is busy with another write; not applied.
    Busy,
    /// The vendor's queue is full; not applied.
    QueueFull,
    /// Beyond the calls allowed; not applied (`P-11`).
    RateLimited {
        /// Not before this many milliseconds.
        retry_after_ms: i64,
    },
    /// The vendor did not take the command, because this part of the path is down.
    Unreachable(PathPart),
    /// The account's login or credentials are refused.
    Unauthorized,
    /// No such device or incarnation in the account.
    Gone,
    /// Nothing there; for an erasure that is success.
    NotFound,
    /// This write added nothing; an equal PIN or name may be there, or something else failed with the same sign.
    MaybeDuplicate,
    /// Ran at once, or never; the text proves nothing.
    ServerError {
        /// HTTP status.
        status: u16,
        /// What the vendor wrote.
        text: String,
    },
    /// Ran, or will run until `command_ttl`, or never. Emitted by the world at emission + `command_timeout` (`P-01`).
    TimedOut,
    /// A page of a listing.
    Entries {
        /// The entries, in the vendor's order.
        items: Arc<[Item]>,
        /// The page after this one.
        next_page: Option<u32>,
    },
    /// One entry.
    Entry(Item),
    /// One place of a by_slot lock.
    Slot(SlotContent),
    /// A page of the account's devices.
    Devices {
        /// The devices, in the vendor's order.
        items: Arc<[DeviceInfo]>,
        /// The page after this one.
        next_page: Option<u32>,
    },
    /// One device.
    Device(DeviceInfo),
    /// What the lock's clock shows.
    Clock {
        /// Its time.
        lock_time: Timestamp,
    },
    /// by_seat: a user was made.
    User {
        /// Whom.
        user: UserId,
    },
    /// by_seat: the user's PIN is in lock memory.
    Assigned {
        /// The PIN.
        pin: Pin,
        /// The vendor's id of the entry.
        handle: Handle,
    },
    /// by_seat: the seats of the site.
    Site {
        /// Of the plan.
        seats: u32,
        /// Taken by anybody.
        used: u32,
    },
    /// The vendor has computed a PIN: its lock takes it.
    Registered {
        /// The vendor's id of the code.
        handle: Handle,
        /// The PIN.
        pin: Pin,
        /// When it opens, rounded by the vendor.
        window: Window,
    },
    /// The time slots of a door, as the vendor shows them.
    UserLevels(Arc<[UserLevel]>),
}

impl Answer {
    /// How far it settles a command (`P-01`, port.md 4).
    #[must_use]
    pub const fn class(&self) -> AnswerClass {
        match self {
            Self::Accepted => AnswerClass::Interim,
            Self::MaybeDuplicate | Self::ServerError { .. } | Self::TimedOut => AnswerClass::Ambiguous,
            _ => AnswerClass::Definitive,
        }
    }

    /// Whether it closes its command.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        !matches!(self, Self::Accepted)
    }
}

/// How far an answer settles a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerClass {
    /// Closes nothing.
    Interim,
    /// Says what happened.
    Definitive,
    /// Closes the command and leaves open what happened.
    Ambiguous,
}

/// Why a command was refused (port.md 3, 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The lock takes no PIN of this length.
    BadLength,
    /// The PIN breaks a constraint.
    BadPin,
    /// The name breaks a constraint.
    BadName,
    /// The displayed name is in use.
    NameTaken,
    /// An equal PIN is in the lock.
    PinTaken,
    /// No room.
    Full,
    /// The start does not lie far enough ahead.
    StartInPast,
    /// The lock has no keypad.
    NoKeypad,
    /// Something is in that place.
    SlotOccupied,
    /// The lock has no such place.
    SlotOutOfRange,
    /// The vendor's family has no such command (`P-13`).
    NotSupported,
    /// The connected user lost its rights on the lock.
    NoRights,
    /// No paired gateway in range.
    NoGateway,
    /// The paid plan lapsed.
    NotPaid,
    /// The device's own credentials are missing.
    NoCredentials,
    /// The clock can't be set.
    ClockNotWritable,
    /// by_seat: the user has no seat, and the site none left for it.
    NoSeat,
    /// offline: no time slot of the door is near the window.
    NoUserLevel,
    /// offline: no PIN is left for this start.
    NoVariance,
    /// offline: the vendor computes no PINs for such a window.
    BadWindow,
}

impl Reason {
    /// Whether sending the same again is pointless until record, device or capacity change (`R-20`).
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        let is_of_capacity = matches!(self, Self::Full | Self::SlotOutOfRange | Self::NoSeat);
        let is_offline = matches!(self, Self::NoUserLevel | Self::NoVariance | Self::BadWindow);
        is_of_capacity || is_offline || matches!(self, Self::BadLength | Self::BadPin | Self::BadName | Self::NotSupported)
    }
}

/// A part of the way from platform to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PathPart {
    /// The lock itself.
    Lock,
    /// The hub of the lock.
    Hub,
    /// The lock's own Wi-Fi bridge (`V-03`).
    Bridge,
    /// The gateway of the lock.
    Gateway,
    /// The on-premises tunnel of the account (`V-15`).
    Tunnel,
}

/// An entry as a read shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Item {
    /// Where it is.
    pub place: Place,
    /// Its PIN, as far as it is shown.
    pub pin: ShownPin,
    /// Its displayed name, where the vendor shows one.
    pub name: Option<Name>,
    /// Its schedule, where the lock keeps one.
    pub window: Option<Window>,
    /// Whether the lock honours it.
    pub enabled: bool,
    /// Whether the lock itself holds it, or only the vendor's copy.
    pub on_lock: OnLock,
}

/// Where an entry is: the vendor's id or the numbered place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// by_id and by_seat.
    Handle(Handle),
    /// by_slot.
    Slot(Slot),
}

impl Place {
    /// Its number, if it is a slot.
    #[must_use]
    pub fn slot(self) -> Option<Slot> {
        match self {
            Self::Slot(slot) => Some(slot),
            Self::Handle(_) => None,
        }
    }
}

impl fmt::Display for Place {
    /// As reports tell it: `entry 3` or `slot 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handle(handle) => write!(f, "entry {}", handle.0),
            Self::Slot(slot) => write!(f, "slot {}", slot.0),
        }
    }
}

/// How much of a PIN a read shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShownPin {
    /// All of it.
    Shown(Pin),
    /// Stars.
    Masked,
    /// Nothing.
    Blank,
}

/// Whether the lock itself holds an entry of the vendor's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnLock {
    /// It does.
    Yes,
    /// Not yet.
    No,
    /// It does, and an erasure is under way.
    Deleting,
}

/// What a read of one place shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SlotContent {
    /// Nothing there; a filler some locks show instead of a PIN means nothing (`F-24`).
    Free {
        /// Zeros, under `zeros_when_empty`.
        filler: Option<Pin>,
    },
    /// An entry.
    Occupied(Item),
    /// Kept by the lock for itself.
    Reserved,
}

/// A device as its vendor describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceInfo {
    /// The vendor's id.
    pub device: VendorDevice,
    /// The serial; none under `serial_hidden`.
    pub serial: Option<Name>,
    /// The incarnation.
    pub epoch: Epoch,
    /// The kind of lock: an index into `Config::profiles`.
    pub model: Model,
    /// Whether the vendor can reach the lock; none where the vendor does not tell.
    pub online: Option<bool>,
    /// What lies between cloud and lock, and whether it is up.
    pub hub: Option<HubInfo>,
    /// Whether a keypad is attached.
    pub keypad: bool,
    /// PIN lengths the lock takes.
    pub lengths: Lengths,
    /// Constraints on PINs, names and windows.
    pub constraints: Arc<[Constraint]>,
    /// Positions for codes, as the device tells them.
    pub positions: u32,
    /// IANA zone; none where the vendor does not tell.
    pub zone: Option<Name>,
    /// Whether the connected user may program the lock.
    pub has_rights: bool,
    /// Whether the paid plan is current.
    pub is_paid: bool,
}

/// What lies between cloud and lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HubInfo {
    /// Which part of the path it is.
    pub part: PathPart,
    /// Which one, unique in the account.
    pub number: u32,
    /// Whether the vendor believes it is up.
    pub up: bool,
}

/// Something a vendor sent on its own accord (port.md 7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// The account it concerns.
    pub account: AccountId,
    /// The lock; none for notices about the account.
    pub device: Option<VendorDevice>,
    /// The incarnation of the lock.
    pub epoch: Epoch,
    /// When the lock noted it, by its own clock, which may be wrong; none where nobody can read that clock, or the lock has no part in it.
    pub device_time: Option<Timestamp>,
    /// Unique per original notice, so that copies can be told apart from news.
    pub serial: u64,
    /// What it says.
    pub news: News,
}

/// What a notice says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// An entry is there now.
    EntryAdded(Place),
    /// An entry differs.
    EntryChanged(Place),
    /// An entry is gone.
    EntryRemoved(Place),
    /// A write added nothing; `duplicate` where the lock says why.
    NotAdded {
        /// The place meant.
        slot: Slot,
        /// Whether the lock named a duplicate as the cause.
        duplicate: bool,
    },
    /// Memory is empty.
    AllRemoved,
    /// A PIN was entered and accepted.
    KeypadUsed {
        /// The entry, where the vendor tells.
        place: Option<Place>,
    },
    /// A PIN was entered and refused.
    KeypadRefused,
    /// The keypad is dead for a while.
    KeypadLocked,
    /// The path to the lock is up.
    LockOnline,
    /// The path to the lock is down.
    LockOffline,
    /// A hub, bridge or gateway is up.
    HubUp(PathPart, u32),
    /// A hub, bridge or gateway is down.
    HubDown(PathPart, u32),
    /// The battery is low.
    BatteryLow,
    /// The battery was changed.
    BatteryChanged,
    /// A keypad was attached.
    KeypadAttached,
    /// The keypad was detached.
    KeypadDetached,
    /// A device is in the account.
    DeviceAdded {
        /// Its serial, unless hidden.
        serial: Option<Name>,
    },
    /// A device left the account.
    DeviceRemoved,
    /// The login was withdrawn.
    AccountRevoked,
    /// The login works again.
    AccountRestored,
    /// Plan or seats changed.
    PlanChanged,
}

impl News {
    /// Whether it comes from the lock itself, and not from what knows of it.
    #[must_use]
    pub const fn is_of_lock(&self) -> bool {
        match self {
            Self::EntryAdded(_) | Self::EntryChanged(_) | Self::EntryRemoved(_) | Self::NotAdded { .. } | Self::AllRemoved => true,
            Self::KeypadUsed { .. } | Self::KeypadRefused | Self::KeypadLocked | Self::KeypadAttached | Self::KeypadDetached => true,
            Self::BatteryLow | Self::BatteryChanged => true,
            Self::LockOnline | Self::LockOffline | Self::HubUp(..) | Self::HubDown(..) => false,
            Self::DeviceAdded { .. } | Self::DeviceRemoved | Self::AccountRevoked | Self::AccountRestored | Self::PlanChanged => false,
        }
    }
}
