//! What is known of a lock: its memory, its device and account as last read, the way to it, and what the controller was told of it.

use std::collections::BTreeMap;

use keyway_core::access_code::DeviceRecord;
use keyway_core::id::{CodeId, CommandId, Epoch};
use keyway_core::pin::Lengths;
use keyway_core::port::Place;
use keyway_core::time::Timestamp;

use super::{CodeIx, Computed, Hindrance, Picture, Stored};
use crate::occurrence::{LockFacts, Origin, TrueEntry};

/// A lock and its device, account and memory.
#[derive(Clone, Debug)]
pub struct LockState {
    /// What never changes.
    pub facts: LockFacts,
    /// The device's own view as last read.
    pub device: Option<Box<DeviceRecord>>,
    /// What lies in its memory.
    pub memory: BTreeMap<Place, Stored>,
    /// The PINs that its vendor's server computed for it.
    pub computed: Vec<Computed>,
    /// Error of its clock in milliseconds; positive is fast.
    pub clock_off_ms: i64,
    /// Since when.
    pub clock_since: Timestamp,
    /// When the controller first had the means to see and undo that error (`R-56`).
    pub clock_means_at: Option<Timestamp>,
    /// How often a command tried to set it, since it went wrong or the path changed.
    pub clock_settings: u32,
    /// Since when these count.
    pub clock_settings_since: Timestamp,
    /// When the controller was last shown that something in its memory changed.
    pub change_shown_at: Timestamp,
    /// The seats of its site, where access is sold by the seat: how many are free, and the codes whose users have one.
    pub seats: Option<(u32, Vec<CodeId>)>,
    /// Whether the lock itself works.
    pub works: bool,
    /// PIN lengths it takes.
    pub lengths: Lengths,
    /// PIN lengths that a call reported; they count for the controller instead of those that the vendor tells.
    pub reported: Option<Lengths>,
    /// Whether a call ever asked that its device be given up.
    pub was_to_be_given_up: bool,
    /// Its incarnation.
    pub epoch: Epoch,
    /// Whether it is in its account.
    pub is_present: bool,
    /// When it joined its account anew, if it did.
    pub joined_at: Option<Timestamp>,
    /// Whether commands can reach it.
    pub reach: bool,
    /// Faults active on its path.
    pub faults: u32,
    /// Jobs that hold its path longer than one may without a fault.
    pub slow_jobs: u32,
    /// When last anything but the plain course happened: `last_disturbed`, save for what goes on.
    pub disturbed_at: Timestamp,
    /// The same without the down times of the controller.
    pub faulted_at: Timestamp,
    /// Codes of it, in the order in which they were first heard of.
    pub codes: Vec<CodeIx>,
    /// Mutating commands that are not closed, or not settled.
    pub open: Vec<CommandId>,
    /// What the controller was told of it.
    pub picture: Picture,
    /// Positions as the device last told them.
    pub positions: u32,
    /// What its last description says is wrong, and since which description.
    pub hindrances: BTreeMap<Hindrance, Timestamp>,
    /// When a read of it was last delivered.
    pub read_at: Option<Timestamp>,
    pub(super) path: u32,
    pub(super) scope: u32,
    pub(super) device_before: Option<Box<DeviceRecord>>,
    pub(super) is_device_changed: bool,
    pub(super) is_touched: bool,
}

impl LockState {
    pub(super) fn new(facts: &LockFacts, begins_at: Timestamp) -> Self {
        Self {
            device: None,
            memory: BTreeMap::new(),
            computed: Vec::new(),
            clock_off_ms: 0,
            clock_since: begins_at,
            clock_means_at: None,
            clock_settings: 0,
            clock_settings_since: begins_at,
            change_shown_at: Timestamp::MIN,
            seats: None,
            works: true,
            lengths: facts.profile.lengths,
            reported: None,
            was_to_be_given_up: false,
            epoch: Epoch::default(),
            is_present: true,
            joined_at: None,
            reach: true,
            faults: 0,
            slow_jobs: 0,
            disturbed_at: begins_at,
            faulted_at: begins_at,
            codes: Vec::new(),
            open: Vec::new(),
            picture: Picture::default(),
            positions: facts.profile.slots,
            hindrances: BTreeMap::new(),
            read_at: None,
            path: 0,
            scope: 0,
            device_before: None,
            is_device_changed: false,
            is_touched: false,
            facts: facts.clone(),
        }
    }

    /// Whether the lock would open for this entry at `at`, by its own clock.
    #[must_use]
    pub fn honours(&self, entry: &TrueEntry, at: Timestamp) -> bool {
        let is_in_window = entry.kept_window().is_none_or(|window| window.contains(at + self.clock_off_ms));
        entry.enabled && is_in_window
    }

    /// PIN lengths that the controller may send, as it was told.
    #[must_use]
    pub fn told_lengths(&self) -> Lengths {
        self.reported.unwrap_or(self.facts.profile.lengths)
    }

    /// Entries that take a usable place: all but what the lock keeps for itself.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.memory.values().filter(|stored| stored.entry.origin != Origin::Reserved).count() as u32
    }
}
