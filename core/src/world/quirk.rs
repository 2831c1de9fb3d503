//! The named ways in which the world misbehaves (port.md 8). A quirk names a fact of the world, never an error.

use core::fmt;

use serde::{Deserialize, Serialize};

/// What kind of element a quirk is; it decides what heals it and whether it disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuirkSort {
    /// A fact of the device: no healing lifts it and it disturbs nothing.
    Standing,
    /// A state of the world with a beginning and an end; or an event.
    Fault,
    /// Strikes single commands, answers, reads or notices.
    Noise,
    /// A person, a rival, another workspace.
    Actor,
}

macro_rules! quirks {
    ($($variant:ident = $name:literal, $sort:ident, $about:literal;)*) => {
        /// One named misbehaviour.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Quirk {
            $(#[doc = $about] #[serde(rename = $name)] $variant,)*
        }

        impl Quirk {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in plans.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its sort.
            #[must_use]
            pub const fn sort(self) -> QuirkSort {
                match self { $(Self::$variant => QuirkSort::$sort,)* }
            }

            /// What the world does, in one sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

quirks! {
    LinkLosesRequest = "link_loses_request", Noise, "A command gets lost on its way to the vendor.";
    LinkLosesAnswer = "link_loses_answer", Noise, "A command runs, and its answer gets lost.";
    LinkDelaysAnswer = "link_delays_answer", Noise, "A command runs, and its answer arrives after the time-out.";
    LinkDoublesAnswer = "link_doubles_answer", Noise, "An answer arrives a second time.";
    LinkDoublesRequest = "link_doubles_request", Noise, "A command reaches the vendor a second time.";
    LinkSlow = "link_slow", Noise, "A command takes longer than the vendor's longest latency.";
    NoticeLost = "notice_lost", Noise, "A notice gets lost.";
    NoticeDoubled = "notice_doubled", Noise, "A notice arrives up to two times more.";
    NoticeLate = "notice_late", Noise, "A notice arrives up to two minutes late, so that others overtake it.";
    ListingEmpty = "listing_empty", Noise, "A plain listing comes back empty and claims to be whole.";
    ListingTruncated = "listing_truncated", Noise, "A plain listing stops after its first page without a sign of more.";
    WriteAckedNotStored = "write_acked_not_stored", Noise, "A write is acknowledged and not stored.";
    ClearAckedNotDone = "clear_acked_not_done", Noise, "An erasure is acknowledged and not done.";
    CloudFailsAfterStoring = "cloud_fails_after_storing", Noise, "The cloud does what it is told and then answers with a server error that reads like a refusal.";
    CloudFailsBeforeStoring = "cloud_fails_before_storing", Noise, "The cloud answers with a server error and does nothing.";
    CloudDown = "cloud_down", Fault, "The cloud answers no call.";
    CreatePathDown = "create_path_down", Fault, "The cloud fails at creations only.";
    DeletePathDown = "delete_path_down", Fault, "The cloud fails at deletions only.";
    RateBudgetSmall = "rate_budget_small", Fault, "The cloud allows few calls a minute.";
    RatePenaltyGrows = "rate_penalty_grows", Fault, "Too many calls earn a pause of a minute, and each call meanwhile makes it ten seconds longer.";
    LoginRevoked = "login_revoked", Fault, "The account's login is withdrawn.";
    CredentialChanged = "credential_changed", Fault, "The stored credentials no longer fit.";
    TunnelProgramStopped = "tunnel_program_stopped", Fault, "The on-premises tunnel of the account is down.";
    PlanLapsed = "plan_lapsed", Fault, "The paid hosting plan of the lock has ended.";
    DeviceSecretMissing = "device_secret_missing", Actor, "The device's own user was never entered, or was changed.";
    GatewayUnpaired = "gateway_unpaired", Fault, "No gateway in range is paired with the lock.";
    BridgeQueueFull = "bridge_queue_full", Fault, "The bridge has as many jobs as it takes.";
    RightsWithdrawn = "rights_withdrawn", Fault, "The connected user may no longer program the lock.";
    LockPowerLost = "lock_power_lost", Fault, "The lock is dead until its power returns; its memory stays.";
    LockAsleep = "lock_asleep", Fault, "The lock wakes only every few minutes to do its work.";
    LockMarkedOffline = "lock_marked_offline", Fault, "The vendor lists the lock as offline and takes no command for it.";
    LockDropsMidCommand = "lock_drops_mid_command", Fault, "The link to the lock breaks while a command is under way.";
    LockLoadsLate = "lock_loads_late", Fault, "The cloud has the code and the lock does not load it.";
    HubPowerLost = "hub_power_lost", Fault, "The hub, bridge or gateway is down.";
    HubForgetsQueue = "hub_forgets_queue", Fault, "The hub restarts and drops the commands it had accepted.";
    HubRadioCollides = "hub_radio_collides", Fault, "A write that meets another under way to the same lock is refused as busy.";
    BridgeUnplugged = "bridge_unplugged", Fault, "The lock's own bridge is gone.";
    KeypadGone = "keypad_gone", Fault, "The keypad is taken away or its battery is dead.";
    DeviceLeavesAccount = "device_leaves_account", Actor, "The owner removes the lock from the account; at the end it is added again.";
    ResetWipes = "reset_wipes", Actor, "Factory reset: memory is empty and the lock joins as a new incarnation.";
    ResetKeepsEntries = "reset_keeps_entries", Actor, "Factory reset after which the old entries are still there, nobody's.";
    AdoptNeedsClaim = "adopt_needs_claim", Standing, "The vendor lets only those change an entry of others who have claimed it.";
    SerialHidden = "serial_hidden", Standing, "The vendor tells no serial.";
    MemoryLostWithPower = "memory_lost_with_power", Fault, "All entries are gone after a power cut.";
    MemoryRolledBack = "memory_rolled_back", Fault, "An older state of the memory returns.";
    VendorDropsEntry = "vendor_drops_entry", Fault, "The vendor loses one entry.";
    SlotOccupiedRefuses = "slot_occupied_refuses", Standing, "A write to an occupied slot is refused instead of replacing what is there.";
    FewerSlotsThanTold = "fewer_slots_than_told", Standing, "The lock has fewer places than it tells.";
    LengthChangeWipes = "length_change_wipes", Standing, "A new PIN length set at the keypad drops all entries.";
    FirstFourCompared = "first_four_compared", Standing, "PINs with the same first four digits are twins.";
    OneLengthPerLock = "one_length_per_lock", Standing, "While there are entries, PINs of other lengths are refused.";
    NameUnique = "name_unique", Standing, "A displayed name must differ from all others on the lock.";
    TwinDropped = "twin_dropped", Standing, "An equal PIN is not stored, without a word.";
    TwinCauseUnclear = "twin_cause_unclear", Standing, "A refusal as a duplicate may stand for something else.";
    OwnSlotIsTwin = "own_slot_is_twin", Standing, "Writing the PIN that the very slot holds already is refused as a duplicate.";
    CacheBehindReport = "cache_behind_report", Standing, "Plain reads come from a cache that lags by the whole read lag.";
    CacheNeverRefreshed = "cache_never_refreshed", Standing, "Plain reads come from a cache that only a fresh read brings up to date.";
    PinBlankAfterWrite = "pin_blank_after_write", Standing, "A PIN reads empty for a minute after it was written.";
    ScanStopsEarly = "scan_stops_early", Standing, "A plain listing ends at slot 8.";
    ZerosWhenEmpty = "zeros_when_empty", Standing, "A free slot shows zeros as its PIN.";
    LengthRefusedByLock = "length_refused_by_lock", Fault, "The keypad takes PINs of six digits only.";
    ClockOff = "clock_off", Fault, "The lock's clock jumps by a fixed amount; the end sets it right.";
    NameCutShort = "name_cut_short", Standing, "The displayed name is cut to 14 characters.";
    RivalManager = "rival_manager", Actor, "Another manager clears the slots it holds for its own.";
    SeatsUsedUp = "seats_used_up", Fault, "Others have taken every seat of the site.";
    SeatTakenAway = "seat_taken_away", Actor, "The plan pays for one seat less, and the vendor unsubscribes a user; at the end the seat is free again.";
    OfficeMode = "office_mode", Fault, "A mode of the lock in which stored PINs do not open.";
    PinAssignedLate = "pin_assigned_late", Standing, "The vendor takes about two minutes to choose a PIN.";
    VariantsUsedUp = "variants_used_up", Fault, "The vendor has no PIN left for any start.";
    LevelMissing = "level_missing", Fault, "The time slots of the door are taken away.";
    LevelsSyncLate = "levels_sync_late", Fault, "The table of the door's time slots is shown as it was half an hour ago.";
    ReportsOfflineUse = "reports_offline_use", Standing, "The lock's hub reports the use of offline codes.";
    ClockDrifts = "clock_drifts", Standing, "The lock's clock gains some seconds a day.";
    ClockResetWithBattery = "clock_reset_with_battery", Fault, "New batteries set the lock's clock back.";
    ClockWriteRefused = "clock_write_refused", Standing, "The lock's clock can't be set.";
    OffsetFixedAtWrite = "offset_fixed_at_write", Standing, "A stored schedule keeps the offset of the day of writing.";
    ListingShiftsAfterDst = "listing_shifts_after_dst", Standing, "After a clock change the times of entries written before it are shown shifted.";
    ZoneUntold = "zone_untold", Standing, "The vendor tells no time zone.";
    HubFlushesLate = "hub_flushes_late", Fault, "The vendor takes commands for a hub that is down, and the hub runs them on its return.";
    BridgeSeemsOnline = "bridge_seems_online", Fault, "A bridge that is dead is shown as online.";
    MasterSlotCounted = "master_slot_counted", Standing, "The last of the places that the lock tells of is that of its master code.";
    MasterPrefixRefused = "master_prefix_refused", Standing, "A PIN that begins like the programming code is turned away like a twin.";
    DeviceJoinsOtherAccount = "device_joins_other_account", Actor, "A lock that has left its account is added to another, under another vendor id.";
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
