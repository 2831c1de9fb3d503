//! Broken controllers that decide wrongly: the reference with one or two of its decisions replaced.

use keyway_core::config::PolicyConstants;
use keyway_core::offline::Asked;
use keyway_core::platform::{Honest, Policy};
use keyway_core::port::Reason;
use keyway_core::time::{DAY_MS, MINUTE_MS, Timestamp, Window};

macro_rules! deciders {
    ($($(#[$doc:meta])* $name:ident { $($decision:tt)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl Policy for $name { $($decision)* }
        )*
    };
}

deciders! {
    /// `F-02`, naive: writes the same again after every empty read and every refusal, without a pause that grows.
    WritesAgain {
        fn absences_that_suspect_a_twin(&self) -> u32 {
            u32::MAX
        }

        fn twin_refusal_retry_ms(&self, constants: &PolicyConstants) -> i64 {
            constants.retry_base_ms
        }

        fn keeps_trying_after_refusal(&self, _: Reason) -> bool {
            true
        }

        fn retry_delay_ms(&self, _: u32, _: bool, _: u64, constants: &PolicyConstants) -> i64 {
            constants.retry_base_ms
        }
    }

    /// `F-07`, naive: a job that has expired has failed, and is forgotten.
    ForgetsExpiredJobs {
        fn timeout_is_refusal(&self) -> bool {
            true
        }

        fn removal_needs_settled_writes(&self) -> bool {
            false
        }
    }

    /// `F-12`, naive: what the vendor shows is what is there, and the lock keeps the times it was given.
    OverlooksClockChanges {
        fn foresees_clock_changes(&self) -> bool {
            false
        }
    }

    /// `F-13`, naive: memory is right, so the times are.
    OverlooksClocks {
        fn minds_clocks(&self) -> bool {
            false
        }
    }

    /// `F-14`, naive: what the lock made of a name is not the name, so somebody must have changed it.
    TakesShortNamesForChanges {
        fn name_difference_is_modification(&self) -> bool {
            true
        }
    }

    /// `F-25`, naive: does not see that a seat is gone, and makes another user whenever none is to be had.
    OverlooksSeats {
        fn minds_lost_seats(&self) -> bool {
            false
        }

        fn detects_disabled_as_modified(&self) -> bool {
            false
        }

        fn asks_for_missing_seats(&self) -> bool {
            true
        }

        fn keeps_user_without_seat(&self) -> bool {
            false
        }

        fn retry_delay_ms(&self, _: u32, _: bool, _: u64, constants: &PolicyConstants) -> i64 {
            constants.retry_base_ms
        }
    }

    /// `F-03`, naive: looks at the vendor's cache after each write, and believes what it shows.
    TrustsTheCache {
        fn looks_after_write(&self) -> bool {
            true
        }

        fn read_may_overturn(&self, _: Timestamp, _: Timestamp, _: i64) -> bool {
            true
        }
    }

    /// `F-08`, naive: what one list of devices lacks was removed.
    TrustsOneDeviceList {
        fn one_listing_proves_removal(&self) -> bool {
            true
        }
    }

    /// `F-09`, naive: a lock whose call was turned away for the rate is offline, and is called again at once.
    TakesThrottlingForDeath {
        fn rate_limit_is_offline(&self) -> bool {
            true
        }

        fn retry_after_floor_ms(&self, _: i64) -> i64 {
            0
        }
    }

    /// `F-15`, naive: a place of which nothing is known is free, and what was refused once may be taken the next time.
    WritesOverMasters {
        fn lowest_free_slot_excludes_unknown(&self) -> bool {
            false
        }

        fn absences_that_suspect_a_twin(&self) -> u32 {
            u32::MAX
        }

        fn retry_delay_ms(&self, _: u32, _: bool, _: u64, constants: &PolicyConstants) -> i64 {
            constants.retry_base_ms
        }
    }

    /// `F-16`, naive: a place out of range is a dead radio.
    TakesMissingPlacesForDeath {
        fn missing_place_is_offline(&self) -> bool {
            true
        }
    }

    /// `F-21`, naive: each copy of the news that a code was used is a use to it.
    CountsEachCopyOfAUse {
        fn counts_each_copy_of_a_use(&self) -> bool {
            true
        }
    }

    /// Deletes an offline code that was given out, as if its PIN stopped opening.
    RevokesOfflineCodes {
        fn revokes_offline_codes(&self) -> bool {
            true
        }
    }

    /// Shows the window that was asked for an offline code, and not the one that opens.
    ShowsAskedWindows {
        fn window_to_show(&self, asked: Asked, rounded: Window) -> Window {
            Window { starts_at: asked.starts_at, ends_at: asked.ends_at.unwrap_or(rounded.ends_at) }
        }
    }

    /// Says nothing of an offline code that must be used on its first day.
    HidesTheFirstDay {
        fn tells_of_first_day(&self) -> bool {
            false
        }
    }

    /// An offline code is on time by the clock alone, registered or not.
    TrustsTheClockAlone {
        fn shows_set_when_registered_only(&self) -> bool {
            false
        }
    }

    /// A write that timed out was not done, it thinks.
    GivesUpOnTimeouts {
        fn timeout_is_refusal(&self) -> bool {
            true
        }
    }

    /// Ends a removal although an earlier write may still come.
    RemovesInAHurry {
        fn removal_needs_settled_writes(&self) -> bool {
            false
        }
    }

    /// One listing without an entry, and the entry is gone.
    TrustsOneListing {
        fn one_listing_proves_absence(&self) -> bool {
            true
        }
    }

    /// Answers the caller before the promise is on the disk.
    AnswersBeforeSaving {
        fn saves_before_reply(&self) -> bool {
            false
        }
    }

    /// `F-10`, naive where the vendor tells no serial: whatever lock turns up is the one that was lost.
    TakesAnyLockForTheLostOne {
        fn lost_lock_returns_without_serial(&self) -> bool {
            true
        }
    }

    /// A conversion is the platform's own affair, which no vendor needs to hear of.
    ConvertsUnclaimed {
        fn claims_what_it_converts(&self) -> bool {
            false
        }
    }

    /// After a reset of the lock, old slots and handles still stand for what they stood for.
    KeepsOldPlaces {
        fn reset_voids_places(&self) -> bool {
            false
        }
    }

    /// Sends a PIN that it knows to be in the lock already.
    SendsTwins {
        fn sends_duplicate_pin(&self) -> bool {
            true
        }
    }

    /// Writes into a lock that it knows to be full.
    WritesIntoFullLocks {
        fn writes_beyond_capacity(&self) -> bool {
            true
        }
    }

    /// Hands one backup to everybody who asks.
    HandsOutBackupsTwice {
        fn backup_is_single_use(&self) -> bool {
            false
        }
    }

    /// Hands out a backup that is not on the lock yet.
    HandsOutUnfinishedBackups {
        fn backup_pull_picks_set_only(&self) -> bool {
            false
        }
    }

    /// A pulled backup keeps its end when the original's end moves.
    ForgetsPulledBackups {
        fn forwards_end_to_pulled_backup(&self) -> bool {
            false
        }
    }

    /// Tries again every half minute, for ever.
    NeverBacksOff {
        fn retry_delay_ms(&self, _: u32, _: bool, _: u64, constants: &PolicyConstants) -> i64 {
            constants.retry_base_ms
        }
    }

    /// The warning of delay stays when the code is set.
    KeepsDelayWarnings {
        fn clears_delay_warning_on_confirm(&self) -> bool {
            false
        }
    }

    /// Leaves `unknown` as soon as the account is back, without a look at the lock.
    RecoversBlindly {
        fn recovers_by_read_only(&self) -> bool {
            false
        }
    }

    /// Puts back what the owner allows others to change.
    OverridesAllowedChanges {
        fn repairs_allowed_changes(&self) -> bool {
            true
        }
    }

    /// Takes over the PIN that somebody gave to one of several codes that share theirs.
    AdoptsLinkedPins {
        fn adopts_pin_of_linked_code(&self) -> bool {
            true
        }
    }

    /// Does not see that somebody switched an entry off.
    OverlooksDisabledEntries {
        fn detects_disabled_as_modified(&self) -> bool {
            false
        }
    }

    /// Converts what another workspace manages like anybody's entry.
    TakesWithoutAsking {
        fn minds_other_workspaces(&self) -> bool {
            false
        }
    }

    /// Finds a code by its id, whoever asks.
    SharesIds {
        fn keeps_workspaces_apart(&self) -> bool {
            false
        }
    }

    /// Some failures in a row, and it never tries again.
    GivesUp {
        fn retry_delay_ms(&self, failures: u32, is_long: bool, jitter: u64, constants: &PolicyConstants) -> i64 {
            if failures >= 4 { 365 * DAY_MS } else { Honest.retry_delay_ms(failures, is_long, jitter, constants) }
        }
    }

    /// Sends writes down a path that it shows as broken.
    WritesOnBrokenPaths {
        fn writes_while_path_error(&self) -> bool {
            true
        }
    }

    /// What is gone is forgotten, also where it may come back.
    ForgetsTombstones {
        fn retains_tombstone_until_absent(&self) -> bool {
            false
        }
    }

    /// Fights with another writer as fast as it can.
    NeverYields {
        fn is_fight(&self, _: usize) -> bool {
            false
        }
    }

    /// A read that was under way when the confirmation came tells of what was before, and is believed.
    TrustsOldReads {
        fn read_may_overturn(&self, read_started_at: Timestamp, confirmed_at: Timestamp, read_lag_ms: i64) -> bool {
            read_started_at < confirmed_at || Honest.read_may_overturn(read_started_at, confirmed_at, read_lag_ms)
        }
    }

    /// Cuts the end of a window down to a whole half hour on its way to the lock.
    CutsWindows {
        fn window_to_store(&self, window: Window, _: Timestamp, _: i64) -> Window {
            let ends_at = window.ends_at.floor_to(30 * MINUTE_MS);
            if ends_at > window.starts_at { Window { ends_at, ..window } } else { window }
        }
    }

    /// A refused write is tried again after a quarter of an hour, whatever refused it.
    WaitsAfterRefusals {
        fn retry_delay_ms(&self, _: u32, _: bool, _: u64, constants: &PolicyConstants) -> i64 {
            constants.retry_cap_ms
        }
    }

    /// Leaves a full lock to the pool while the code of an owner waits.
    BackupsComeFirst {
        fn guests_outrank_backups(&self) -> bool {
            false
        }
    }

    /// Raises the error of a failure beside the warning of delay.
    KeepsBothProblems {
        fn warning_becomes_error_at_failure(&self) -> bool {
            false
        }
    }

    /// Sends windows that have begun to vendors who take only future ones.
    StartsInThePast {
        fn window_to_store(&self, window: Window, _: Timestamp, _: i64) -> Window {
            window
        }
    }

    /// Treats a refusal for good like any other failure.
    AsksRefusersAgain {
        fn keeps_trying_after_refusal(&self, _: Reason) -> bool {
            true
        }
    }

    /// Forgets the site user that got no seat.
    MakesUsersAgain {
        fn keeps_user_without_seat(&self) -> bool {
            false
        }
    }

    /// One refused call, and the account is lost.
    GivesAccountsUp {
        fn refusals_that_disconnect(&self) -> u32 {
            1
        }
    }

    /// However often calls are refused, only the credentials are said to be wrong.
    HoldsOnToAccounts {
        fn refusals_that_disconnect(&self) -> u32 {
            u32::MAX
        }
    }

    /// Takes the pause that a vendor asks for as advice.
    OverlooksPauses {
        fn retry_after_floor_ms(&self, _: i64) -> i64 {
            0
        }
    }
}
