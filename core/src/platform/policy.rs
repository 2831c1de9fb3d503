//! The decisions at which real platforms go wrong, as small functions over plain values.
//!
//! The default methods *are* the reference. A broken controller overrides one of them.

use crate::config::PolicyConstants;
use crate::draw::below;
use crate::offline::Asked;
use crate::port::Reason;
use crate::time::{DAY_MS, MINUTE_MS, SECOND_MS, Timestamp, Window};
use crate::vendor::Ack;

/// What the reference decides. Every method may be overridden by itself; durations are milliseconds.
pub trait Policy: Sync {
    /// Delay before attempt `failures + 1`, counted from the closing input of the attempt before (`R-03`). `is_long`: the same failure
    /// has lasted too long, or a twin is suspected (`R-54`). `jitter` is a raw draw (`R-55`).
    fn retry_delay_ms(&self, failures: u32, is_long: bool, jitter: u64, constants: &PolicyConstants) -> i64 {
        let doubled = constants.retry_base_ms.saturating_mul(1_i64 << failures.saturating_sub(1).min(20));
        let capped = if is_long { constants.retry_cap_long_ms } else { doubled.min(constants.retry_cap_ms) };
        let spread = capped * constants.retry_jitter_percent / 100;
        capped + below(jitter, spread as u64 + 1) as i64
    }

    /// Whether the first positive answer proves that the entry is in lock memory (port.md 5).
    fn is_ack_proof(&self, _ack: Ack) -> bool {
        false
    }

    /// Whether a server error counts as a definite refusal. It never does: it means *unknown* (`F-01`).
    fn server_error_is_refusal(&self) -> bool {
        false
    }

    /// Whether a write that timed out counts as not done. It never does (`P-03`).
    fn timeout_is_refusal(&self) -> bool {
        false
    }

    /// Whether an entry found after an ambiguous write, equal in all that the vendor shows, is adopted as our own (`P-05` c).
    fn adopts_own_entry_after_ambiguity(&self) -> bool {
        true
    }

    /// Whether the end of a removal waits for proof of absence (`P-12`).
    fn requires_absence_proof_before_removed(&self) -> bool {
        true
    }

    /// Whether something being in the planned slot proves our write (`F-04`).
    fn occupied_slot_is_proof(&self) -> bool {
        false
    }

    /// Whether a removal waits until every write of the code is settled (`R-19`).
    fn removal_needs_settled_writes(&self) -> bool {
        true
    }

    /// Whether a read begun at `read_started_at` may overturn what was confirmed at `confirmed_at` (`F-03`). `read_lag_ms`: how old what
    /// it shows may be (`P-06`).
    fn read_may_overturn(&self, read_started_at: Timestamp, confirmed_at: Timestamp, read_lag_ms: i64) -> bool {
        read_started_at >= confirmed_at + read_lag_ms
    }

    /// Whether a confirmed write is looked up in the vendor's cache at once, where nothing new can be learnt of it (`F-03`).
    fn looks_after_write(&self) -> bool {
        false
    }

    /// Whether one listing without an entry proves that it is gone (`P-12`).
    fn one_listing_proves_absence(&self) -> bool {
        false
    }

    /// How far apart two complete fresh listings must begin to prove an absence together (`P-12`).
    fn absence_spacing_ms(&self) -> i64 {
        30 * SECOND_MS
    }

    /// Whether a device that a listing of the account lacks counts as removed without asking for it (`F-08`).
    fn one_listing_proves_removal(&self) -> bool {
        false
    }

    /// Whether the same request is sent again by the clock after this refusal (`R-20`).
    fn keeps_trying_after_refusal(&self, reason: Reason) -> bool {
        !reason.is_permanent()
    }

    /// When a write that was refused as a twin is tried again though nothing visible changed (`R-54`).
    fn twin_refusal_retry_ms(&self, constants: &PolicyConstants) -> i64 {
        constants.refused_retry_ms
    }

    /// After how many writes that were acknowledged and then read back absent a hidden twin is suspected (`R-54`).
    fn absences_that_suspect_a_twin(&self) -> u32 {
        2
    }

    /// Whether a new incarnation voids all that was known of places and handles (`R-57`).
    fn reset_voids_places(&self) -> bool {
        true
    }

    /// Whether an entry is claimed at the vendor before it counts as converted, where it has to be (T31).
    fn claims_what_it_converts(&self) -> bool {
        true
    }

    /// Whether a lock that its vendor lists without a serial is taken for the one that was lost (`R-57` says no).
    fn lost_lock_returns_without_serial(&self) -> bool {
        false
    }

    /// Whether mutating commands are sent while the device carries a path error (`I-DEV-10`).
    fn writes_while_path_error(&self) -> bool {
        false
    }

    /// Whether throttling says something about a lock. It does not (`P-11`, `F-09`).
    fn rate_limit_is_offline(&self) -> bool {
        false
    }

    /// Whether a place that the lock has not is taken for a lock that cannot be reached (`F-16`).
    fn missing_place_is_offline(&self) -> bool {
        false
    }

    /// The floor that a vendor's `retry_after` puts under the next call of the account (`R-03`).
    fn retry_after_floor_ms(&self, retry_after_ms: i64) -> i64 {
        retry_after_ms.clamp(0, DAY_MS)
    }

    /// Whether a PIN that is known to be in the lock under another entry is sent all the same (`R-46`).
    fn sends_duplicate_pin(&self) -> bool {
        false
    }

    /// Whether the clocks of locks are read, and set when they are wrong (`R-56`).
    fn minds_clocks(&self) -> bool {
        true
    }

    /// Whether the choice of a slot leaves out what was not seen free (`I-DEV-07`).
    fn lowest_free_slot_excludes_unknown(&self) -> bool {
        true
    }

    /// Whether a write goes out although all known places are taken (`I-DEV-03`).
    fn writes_beyond_capacity(&self) -> bool {
        false
    }

    /// Whether what a gone code left in memory is remembered, so that a returning entry is cleared and not listed as a stranger's (`F-06`).
    fn retains_tombstone_until_absent(&self) -> bool {
        true
    }

    /// Whether an ok answer comes after the save that holds its promise (`R-60`).
    fn saves_before_reply(&self) -> bool {
        true
    }

    /// Whether a mutating command comes after the save that holds its intent (`R-60`).
    fn saves_before_command(&self) -> bool {
        true
    }

    /// Whether a pull hands out only a backup that is `set` (`I-BAK-02`).
    fn backup_pull_picks_set_only(&self) -> bool {
        true
    }

    /// Whether a backup is handed out once (`I-BAK-01`).
    fn backup_is_single_use(&self) -> bool {
        true
    }

    /// Whether a refill leaves the room that due codes of owners wait for (`R-39`).
    fn refill_leaves_room_for_owners(&self) -> bool {
        true
    }

    /// Whether a due code of an owner takes the place of a backup on a full lock (`R-59`).
    fn guests_outrank_backups(&self) -> bool {
        true
    }

    /// Whether a later change of the original's end moves the end of its pulled backup (`R-37`).
    fn forwards_end_to_pulled_backup(&self) -> bool {
        true
    }

    /// How long before its start a code is written: the preload of native schedules, else the just-in-time lead (lifecycle 1).
    fn programming_lead_ms(&self, is_native: bool, constants: &PolicyConstants) -> i64 {
        if is_native { constants.native_preload_ms } else { constants.just_in_time_lead_ms }
    }

    /// Whether a code is erased at its end although the lock stops honouring it by its own schedule (`R-16`).
    fn erases_at_end_on_native(&self) -> bool {
        true
    }

    /// Whether a confirmation clears the warning of delay (lifecycle 9).
    fn clears_delay_warning_on_confirm(&self) -> bool {
        true
    }

    /// Whether a failure replaces the transient warnings by their errors (T10, `R-11`).
    fn warning_becomes_error_at_failure(&self) -> bool {
        true
    }

    /// Whether `removed_from_device` comes before `deleted` (`EO-08`).
    fn emits_removed_before_deleted(&self) -> bool {
        true
    }

    /// Whether an entry that is there but switched off counts as modified (lifecycle 6).
    fn detects_disabled_as_modified(&self) -> bool {
        true
    }

    /// Whether a displayed name that differs by itself counts as modified (`R-64` a).
    fn name_difference_is_modification(&self) -> bool {
        false
    }

    /// Whether an entry that lost its seat still counts as lost to its code (`R-63`).
    fn minds_lost_seats(&self) -> bool {
        true
    }

    /// Whether a user whose seat is refused is kept for the next attempt (`R-63`).
    fn keeps_user_without_seat(&self) -> bool {
        true
    }

    /// Whether a seat is asked for although the site has none left for the code (`R-63`, `R-20`).
    fn asks_for_missing_seats(&self) -> bool {
        false
    }

    /// Whether recovery from `unknown` waits for a read of the lock (`R-21`).
    fn recovers_by_read_only(&self) -> bool {
        true
    }

    /// Whether an external loss is repaired although the owner allows external changes (T26).
    fn repairs_allowed_changes(&self) -> bool {
        false
    }

    /// Whether a PIN that others stored is taken over on a code that shares its PIN with others (`IN-01`).
    fn adopts_pin_of_linked_code(&self) -> bool {
        false
    }

    /// Whether an entry that another workspace manages is taken over by force only, and from that workspace (`R-44`, `R-45`).
    fn minds_other_workspaces(&self) -> bool {
        true
    }

    /// Whether a call finds only what belongs to the caller's workspace (api.md 1).
    fn keeps_workspaces_apart(&self) -> bool {
        true
    }

    /// Whether so many reversals within the period make a fight of it (`R-62`).
    fn is_fight(&self, reversals: usize) -> bool {
        reversals >= 3
    }

    /// Refused calls after which an account counts as disconnected too (`V-17`).
    fn refusals_that_disconnect(&self) -> u32 {
        3
    }

    /// The part of the vendor's rate that the controller allows itself, in calls per minute.
    fn paced_rate_per_minute(&self, rate_per_minute: u32) -> u32 {
        (rate_per_minute / 2).max(1)
    }

    /// The window that goes to the lock: the start is moved as far ahead as the vendor demands (`F-22`).
    fn window_to_store(&self, window: Window, now: Timestamp, start_margin_ms: i64) -> Window {
        let earliest = (now + start_margin_ms + MINUTE_MS / 2).ceil_to(MINUTE_MS);
        let is_moved = start_margin_ms > 0 && earliest < window.ends_at;
        if is_moved { Window { starts_at: window.starts_at.max(earliest), ..window } } else { window }
    }

    /// The window that the record of an offline code shows: the vendor's, not the one that was asked (`I-WIN-08`).
    fn window_to_show(&self, _asked: Asked, rounded: Window) -> Window {
        rounded
    }

    /// Whether a further copy of the news that a one-time code was used counts as another use (`F-21`).
    fn counts_each_copy_of_a_use(&self) -> bool {
        false
    }

    /// Whether a code that must be used on its first day says so (`I-WIN-07`).
    fn tells_of_first_day(&self) -> bool {
        true
    }

    /// Whether the start of an offline code makes it `set` only once it is registered (`R-41`).
    fn shows_set_when_registered_only(&self) -> bool {
        true
    }

    /// Whether an offline code that was given out is deleted when its owner says so, as if anybody could take it back (`R-40`).
    fn revokes_offline_codes(&self) -> bool {
        false
    }

    /// Whether clock changes are reckoned with on locks that keep the offset of the day of writing (`R-58`).
    fn foresees_clock_changes(&self) -> bool {
        true
    }
}

/// The reference: every decision as it should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Honest;

impl Policy for Honest {}
