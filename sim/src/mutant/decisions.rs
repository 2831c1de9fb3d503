//! Broken controllers that decide wrongly: the reference with one or two of its decisions replaced.

use keyway_core::config::PolicyConstants;
use keyway_core::platform::Policy;
use keyway_core::port::Reason;
use keyway_core::time::{MINUTE_MS, Timestamp, Window};

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
    /// `F-01`, naive: a server error is a refusal, and what is found afterwards is somebody else's.
    BelievesServerErrors {
        fn server_error_is_refusal(&self) -> bool {
            true
        }

        fn adopts_own_entry_after_ambiguity(&self) -> bool {
            false
        }
    }

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

    /// `F-04`, naive: something lies in the planned slot, so the write was done.
    TakesOccupancyForSuccess {
        fn occupied_slot_is_proof(&self) -> bool {
            true
        }
    }

    /// `F-18`, naive: nothing is known of the locks after a restart, so everything is written again.
    ForgetsConfirmations {
        fn trusts_confirmations_after_restart(&self) -> bool {
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

    /// Any read counts, however old.
    TrustsOldReads {
        fn read_may_overturn(&self, _: Timestamp, _: Timestamp, _: i64, _: bool) -> bool {
            true
        }
    }

    /// Answers the caller before the promise is on the disk.
    AnswersBeforeSaving {
        fn saves_before_reply(&self) -> bool {
            false
        }
    }

    /// Sends a command before the intent is on the disk.
    SendsBeforeSaving {
        fn saves_before_command(&self) -> bool {
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

    /// Takes a slot of which it knows nothing for a free one.
    TakesUnknownSlots {
        fn lowest_free_slot_excludes_unknown(&self) -> bool {
            false
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

    /// Does not see that somebody switched an entry off.
    OverlooksDisabledEntries {
        fn detects_disabled_as_modified(&self) -> bool {
            false
        }
    }

    /// Leaves the end of a natively scheduled code to the lock.
    LeavesExpiredCodes {
        fn erases_at_end_on_native(&self) -> bool {
            false
        }
    }

    /// Cuts the end of a window down to a whole half hour on its way to the lock.
    CutsWindows {
        fn window_to_store(&self, window: Window, _: Timestamp, _: i64) -> Window {
            let ends_at = window.ends_at.floor_to(30 * MINUTE_MS);
            if ends_at > window.starts_at { Window { ends_at, ..window } } else { window }
        }
    }
}
