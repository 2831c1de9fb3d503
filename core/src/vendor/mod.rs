//! What a vendor *is*, as data: one file a vendor, each giving a [`Profile`] (port.md 5 to 7, vendors.md).

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::offline::OfflineTerms;
use crate::pin::{Constraint, Lengths};
use crate::port::PathPart;
use crate::time::SECOND_MS;

macro_rules! vendors {
    ($($variant:ident = $name:literal, $file:ident, $about:literal;)*) => {
        $(pub mod $file;)*

        /// The vendors. A vendor is data: adding one adds a file, and a row here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Vendor {
            $(#[doc = $about] #[serde(rename = $name)] $variant,)*
        }

        impl Vendor {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in plans.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is, in one sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// The profile of an unchanged lock of this vendor.
            #[must_use]
            pub fn profile(self) -> Profile {
                match self { $(Self::$variant => $file::profile(),)* }
            }
        }
    };
}

vendors! {
    GenericCloud = "generic_cloud", generic_cloud, "Any cloud lock without a brand (`V-16`).";
    GenericSlot = "generic_slot", generic_slot, "A bare lock with numbered slots behind a hub (`V-19`).";
    August = "august", august, "Wi-Fi locks, or locks behind a Connect bridge.";
    SmartThings = "smartthings", smartthings, "Locks behind a SmartThings hub.";
    Yale = "yale", yale, "Wi-Fi locks in August's cloud (`V-04`).";
    Schlage = "schlage", schlage, "Wi-Fi locks of the Encode family.";
    Tedee = "tedee", tedee, "Locks behind a Tedee bridge, with a keypad.";
    Nuki = "nuki", nuki, "Locks whose codes need a paid hosting plan.";
    Ttlock = "ttlock", ttlock, "Locks of many brands behind a TTLock gateway.";
    Hubitat = "hubitat", hubitat, "Locks behind a Hubitat hub.";
    Wyze = "wyze", wyze, "Locks behind a gateway, whose PINs nobody can read.";
    Lockly = "lockly", lockly, "Lockly's online codes.";
    TwoN = "two_n", two_n, "2N intercoms.";
    Ultraloq = "ultraloq", ultraloq, "Wi-Fi locks that keep local time.";
    Kwikset = "kwikset", kwikset, "Wi-Fi locks whose codes nobody can list.";
    Igloohome = "igloohome", igloohome, "Locks behind an igloohome bridge with its queue of jobs.";
    SaltoKs = "salto_ks", salto_ks, "Locks of a site whose plan pays for a number of users.";
    Oracode = "oracode", oracode, "dormakaba Oracode locks, which are never online.";
    IgloohomeOffline = "igloohome_offline", igloohome_offline, "igloohome's algoPINs.";
    LocklyOffline = "lockly_offline", lockly_offline, "Lockly's offline codes.";
}

impl Vendor {
    /// Whether its locks live in August's cloud and carry August's names of problems (`V-04`).
    #[must_use]
    pub const fn is_in_august_cloud(self) -> bool {
        matches!(self, Self::August | Self::Yale)
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A kind of lock as both sides know it: an index into `Config::profiles`. A lock whose plan overrides its vendor's profile is a kind of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Model(pub u16);

/// What may be relied on with a kind of lock. Durations in milliseconds. All figures are ours (`V-01`) and may be overridden by a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The vendor.
    pub vendor: Vendor,
    /// Which commands it knows.
    pub family: Family,
    /// PIN lengths.
    pub lengths: Lengths,
    /// Constraints on PINs, names and windows.
    pub constraints: Vec<Constraint>,
    /// Places for codes that the device tells of (`positions`).
    pub slots: u32,
    /// Places at the end of memory that the lock keeps for itself, hidden from every listing (`V-10`); they count in `slots`.
    pub reserved_slots: u32,
    /// What the lock does with a PIN it already holds.
    pub duplicate: DuplicatePolicy,
    /// What the first positive answer stands for.
    pub ack: Ack,
    /// What a read shows.
    pub read_back: ReadBack,
    /// Whether reads show the name stored with an entry (`P-14`).
    pub shows_names: bool,
    /// Whether an entry can be changed without deleting it.
    pub update_in_place: bool,
    /// Whether the lock keeps schedules (native), so that codes are stored up to 72 h ahead.
    pub schedules: bool,
    /// Granularity of stored schedules, rounded outward.
    pub round_ms: i64,
    /// Whether an unmanaged code can be converted to a managed one, where its PIN can be read (`R-44`).
    pub converts_unmanaged: bool,
    /// Whether PIN lengths may be reported for its locks.
    pub takes_reported_lengths: bool,
    /// Whether a pool of backups is possible.
    pub backup_pool: bool,
    /// Whether `ReadClock` works.
    pub clock_readable: bool,
    /// Whether `SetClock` works.
    pub clock_settable: bool,
    /// Whether the vendor tells the device's zone.
    pub tells_zone: bool,
    /// Whether a stored schedule keeps the offset of the day of writing (`R-58`).
    pub keeps_offset: bool,
    /// Whether an entry of others has to be claimed at the vendor before it can be managed.
    pub claims_conversions: bool,
    /// Whether the vendor tells online and offline.
    pub tells_online: bool,
    /// The problem an unreachable lock shows (`R-52`): true for `device_offline`, false for `device_disconnected`.
    pub unreachable_is_offline: bool,
    /// The notices it sends.
    pub notices: Notices,
    /// What lies between cloud and lock.
    pub hub: Option<PathPart>,
    /// What runs one command at a time.
    pub serial_path: SerialPath,
    /// Whether a repeat of a key makes no second entry (`P-04`).
    pub key_honoured: bool,
    /// Calls per minute; none: unlimited.
    pub rate_per_minute: Option<u32>,
    /// Entries or devices in one page of a listing.
    pub page_size: u32,
    /// Typical time until the first answer, from and to.
    pub ack_latency_ms: (i64, i64),
    /// Typical time until the effect, from and to; beyond the first answer.
    pub apply_latency_ms: (i64, i64),
    /// The most time from emission until effect and closing answer, when nothing fires (port.md 6).
    pub lat_max_ms: i64,
    /// `TimedOut` comes this long after emission (`P-01`).
    pub command_timeout_ms: i64,
    /// A late execution comes at most this long after emission (`P-03`).
    pub command_ttl_ms: i64,
    /// How old a plain read may be while the path is up (`P-06`).
    pub read_lag_ms: i64,
    /// Jobs that the hub or bridge takes before it refuses more; none: any number.
    pub queue_limit: Option<u32>,
    /// A start must lie at least this far ahead; 0: may lie in the past (`start_must_lie_ahead`).
    pub start_margin_ms: i64,
    /// What it allows its offline codes; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<OfflineTerms>,
}

/// What the offline vendors have in common: a server that registers codes, and a lock that is never asked anything.
fn offline_profile(vendor: Vendor, terms: OfflineTerms) -> Profile {
    Profile {
        vendor,
        family: Family::Offline,
        lengths: Lengths::range(terms.pin_length, terms.pin_length),
        constraints: alloc::vec![Constraint::CannotSpecifyPinCode],
        duplicate: DuplicatePolicy::Accept,
        read_back: ReadBack::None,
        shows_names: false,
        update_in_place: false,
        schedules: false,
        backup_pool: false,
        tells_online: false,
        notices: Notices { account: true, ..Notices::default() },
        key_honoured: true,
        apply_latency_ms: (SECOND_MS, 3 * SECOND_MS),
        lat_max_ms: 10 * SECOND_MS,
        command_timeout_ms: 30 * SECOND_MS,
        command_ttl_ms: 30 * SECOND_MS,
        read_lag_ms: 0,
        offline: Some(terms),
        ..generic_cloud::profile()
    }
}

impl Profile {
    /// `lat_max` of reads (port.md 6): 60 s, or the vendor's own for `fresh` ones.
    #[must_use]
    pub fn read_lat_max_ms(&self, fresh: bool) -> i64 {
        if fresh { self.lat_max_ms } else { 60_000 }
    }

    /// `command_timeout`: the vendor's own of a write, 2 min of a read (port.md 6), and of a `fresh` one at least what a write has.
    #[must_use]
    pub fn timeout_ms(&self, mutating: bool, fresh: bool) -> i64 {
        const OF_A_READ_MS: i64 = 120_000;
        match (mutating, fresh) {
            (true, _) => self.command_timeout_ms,
            (false, true) => self.command_timeout_ms.max(OF_A_READ_MS),
            (false, false) => OF_A_READ_MS,
        }
    }
}

/// Which commands a vendor knows (port.md 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The vendor places entries and names them.
    ById,
    /// The controller picks a numbered slot.
    BySlot,
    /// Each code has a user of the site, who needs a seat; the vendor gives it a PIN.
    BySeat,
    /// The vendor computes PINs that the lock understands by itself.
    Offline,
}

/// What a lock does with a PIN it already holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DuplicatePolicy {
    /// `Refused(pin_taken)`.
    Reject,
    /// `MaybeDuplicate`.
    RejectUnclear,
    /// A `NotAdded` notice some seconds later.
    Notify,
    /// Not stored, no word.
    Silent,
    /// Stores a second entry (`twin_accepted`).
    Accept,
}

/// What the first positive answer to a write stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ack {
    /// In lock memory: `Done` comes at once.
    Applied,
    /// Stored or queued at the vendor: `Accepted`, later `Done`.
    Queued,
    /// Nothing: `Accepted`, later only the lock's notice.
    Nothing,
}

/// What a read shows of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadBack {
    /// Everything, from the lock.
    Exact,
    /// The vendor's copy, whose `on_lock` flag is true within `read_lag`.
    ExactLoaded,
    /// The PIN as stars.
    Masked,
    /// That something is there.
    Presence,
    /// Reads are not supported.
    None,
}

/// What runs one command at a time (port.md 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SerialPath {
    /// Each lock.
    Lock,
    /// The hub, bridge or gateway.
    Hub,
}

/// The notices a vendor sends (port.md 5); those about devices, accounts and plans all do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Notices {
    /// `EntryAdded`, `EntryChanged`, `EntryRemoved`, and for by_slot `NotAdded` and `AllRemoved`.
    pub entry: bool,
    /// `KeypadUsed`, with the entry's place if `use_names_entry`.
    pub keypad_use: bool,
    /// Whether `KeypadUsed` tells which entry.
    pub use_names_entry: bool,
    /// `LockOnline`, `LockOffline`.
    pub online: bool,
    /// `HubUp`, `HubDown`.
    pub hub: bool,
    /// `BatteryLow`, `BatteryChanged`.
    pub battery: bool,
    /// `KeypadAttached`, `KeypadDetached`.
    pub keypad: bool,
    /// `AccountRevoked`, `AccountRestored`.
    pub account: bool,
}
