//! The named ways in which a world misbehaves. Each is a fact of power, link, memory, clock, queue, seat, plan, credential,
//! rival or person, never a problem: problems are what a controller concludes.

use serde::{Deserialize, Serialize};

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quirk {
    /// The name used in plans.
    pub name: &'static str,
    /// How it begins and ends, unless a plan says otherwise.
    pub sort: Sort,
    /// Where it can occur.
    pub reaches: &'static [Reach],
    /// What the world does, in one sentence.
    pub statement: &'static str,
}

/// How a quirk begins and ends. All but standing ones disturb the lock they are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// A fact of the profile or device that healing does not lift.
    Standing,
    /// Scheduled, with a beginning and an end; healing ends it.
    Fault,
    /// Per command or notice.
    Noise,
    /// A person, a rival, another workspace.
    Actor,
}

/// Where a quirk can occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// On every lock.
    Any,
    /// On every lock with a vendor cloud.
    Cloud,
    /// Where the controller picks a numbered slot.
    BySlot,
    /// Where the vendor places the entry.
    ById,
    /// Where a hub, bridge or gateway lies between.
    Hub,
    /// Behind an on-premises tunnel (`V-15`).
    Tunnel,
    /// Where the lock keeps schedules.
    Native,
    /// Where entries can be read.
    ReadBack,
    /// Where the first positive answer proves nothing.
    AckNothing,
    /// Where an equal PIN is refused with its reason.
    Rejecting,
    /// Only where a plan overrides the profile.
    Override,
    /// With this vendor, by its name in plans.
    Vendor(&'static str),
    /// With this brand's locks behind somebody else's hub.
    BehindHub(&'static str),
}

/// The quirk with this name.
#[must_use]
pub fn quirk(name: &str) -> Option<&'static Quirk> {
    QUIRKS.iter().find(|quirk| quirk.name == name)
}

macro_rules! quirks {
    ($($name:ident $sort:ident [$($reach:expr),+] $statement:literal)*) => {
        &[$(Quirk { name: stringify!($name), sort: Sort::$sort, reaches: &[$($reach),+], statement: $statement },)*]
    };
}

const AUGUST: Reach = Reach::Vendor("august");
const YALE: Reach = Reach::Vendor("yale");
const SCHLAGE: Reach = Reach::Vendor("schlage");
const KWIKSET: Reach = Reach::Vendor("kwikset");
const SALTO_KS: Reach = Reach::Vendor("salto_ks");
const NUKI: Reach = Reach::Vendor("nuki");
const TTLOCK: Reach = Reach::Vendor("ttlock");
const IGLOOHOME: Reach = Reach::Vendor("igloohome");
const IGLOOHOME_OFFLINE: Reach = Reach::Vendor("igloohome_offline");
const ORACODE: Reach = Reach::Vendor("oracode");
const SMARTTHINGS: Reach = Reach::Vendor("smartthings");
const WYZE: Reach = Reach::Vendor("wyze");
const LOCKLY: Reach = Reach::Vendor("lockly");
const LOCKLY_OFFLINE: Reach = Reach::Vendor("lockly_offline");
const TWO_N: Reach = Reach::Vendor("two_n");
const ULTRALOQ: Reach = Reach::Vendor("ultraloq");
const GENERIC_SLOT: Reach = Reach::Vendor("generic_slot");

/// All quirks.
pub static QUIRKS: &[Quirk] = quirks! {
    link_loses_request Noise [Reach::Any] "A command is lost on its way."
    link_loses_answer Noise [Reach::Any] "A command runs and its answer is lost."
    link_delays_answer Noise [Reach::Any] "An answer arrives after the command timed out."
    link_doubles_answer Noise [Reach::Any] "An answer arrives twice."
    link_doubles_request Noise [Reach::Any] "A command arrives twice."
    link_slow Noise [Reach::Any] "A command takes longer than the profile's maximum."
    notice_lost Noise [Reach::Any] "A notice is lost."
    notice_doubled Noise [Reach::Any] "One or two copies of a notice follow it."
    notice_late Noise [Reach::Any] "A notice comes up to two minutes late."
    notice_reordered Noise [Reach::Any] "A later notice arrives first."
    cloud_down Fault [Reach::Any] "Calls to the vendor fail or time out, all of them."
    cloud_fails_after_storing Fault [Reach::Cloud] "The cloud stores the code and then answers a server error that reads like a refusal."
    cloud_fails_before_storing Fault [Reach::Cloud] "The cloud answers a server error and does nothing."
    create_path_down Fault [SCHLAGE] "The cloud fails at creations and nothing else."
    delete_path_down Fault [Reach::Cloud] "The cloud fails at deletions and nothing else."
    listing_empty Noise [Reach::Cloud] "A listing claims to be whole and has no items."
    listing_truncated Noise [Reach::Cloud] "A listing from the cache ends after its first page without saying so."
    cache_behind_report Standing [Reach::BySlot] "Reads come from a cache that only the lock's reports update."
    cache_never_refreshed Standing [Reach::BySlot] "Reads come from a cache that only a fresh read updates."
    rate_budget_small Fault [Reach::Cloud] "Fewer calls a minute are allowed than usual."
    rate_penalty_grows Fault [Reach::Cloud] "Each call during a penalty makes it longer."
    login_revoked Fault [Reach::Any] "The account's login is withdrawn."
    credential_changed Fault [Reach::Any] "The stored credentials are no longer valid."
    tunnel_program_stopped Fault [Reach::Tunnel] "The program at the customer's end of the tunnel stops."
    device_secret_missing Actor [TWO_N] "The device's own user was never entered, or was changed."
    plan_lapsed Fault [NUKI] "The paid hosting plan ends."
    rights_withdrawn Fault [AUGUST, YALE] "The connected user loses the owner's rights on the lock."
    lock_power_lost Fault [Reach::Any] "The lock is without power."
    lock_asleep Fault [Reach::BySlot, AUGUST] "The lock wakes every few minutes only."
    lock_saving_power Fault [TTLOCK] "The lock's radio sleeps, so that it cannot be reached from afar."
    lock_marked_offline Fault [Reach::Cloud] "The vendor lists the lock as offline."
    lock_drops_mid_command Fault [AUGUST, YALE] "The lock loses its link while a command runs."
    lock_loads_late Fault [AUGUST, YALE] "The cloud has the code long before the lock has."
    hub_power_lost Fault [Reach::Hub] "The hub, bridge or gateway is without power."
    hub_forgets_queue Fault [Reach::Hub] "A restart of the hub drops what it had accepted."
    hub_flushes_late Fault [Reach::Hub] "The hub keeps its queue while it is down and runs it on its return."
    hub_radio_collides Fault [Reach::BySlot] "A second write queued for a lock finds the radio busy."
    bridge_queue_full Fault [IGLOOHOME] "The bridge has as many jobs as it takes."
    bridge_seems_online Fault [IGLOOHOME] "The bridge is dead and shown as online for a while."
    bridge_link_missing Fault [IGLOOHOME] "The lock is not linked to its bridge."
    bridge_unplugged Fault [AUGUST, YALE] "Somebody unplugged the Connect bridge."
    gateway_unpaired Fault [TTLOCK] "No gateway in range is paired with the lock."
    keypad_gone Fault [AUGUST, YALE] "The accessory keypad is taken away or its battery is dead."
    keypad_locked_out Fault [KWIKSET, IGLOOHOME] "The keypad is dead for a time after wrong entries."
    device_leaves_account Actor [Reach::Any] "The owner takes the lock out of the account."
    device_joins_other_account Actor [Reach::Any] "The same lock appears in another account under another vendor id."
    reset_wipes Fault [Reach::Any] "A factory reset empties the lock, which then joins again."
    reset_keeps_entries Fault [Reach::BySlot] "A factory reset leaves the entries in memory and forgets who made them."
    serial_hidden Standing [Reach::Any] "The vendor tells no serial."
    adopt_needs_claim Standing [Reach::ById] "A conversion must be claimed at the vendor."
    memory_lost_with_power Fault [Reach::Any] "A power cut empties the lock's memory."
    memory_rolled_back Fault [Reach::Any] "The lock's memory falls back to an earlier state."
    vendor_drops_entry Fault [Reach::Cloud] "The vendor loses an entry."
    write_acked_not_stored Noise [Reach::AckNothing] "A write is acknowledged and not in memory."
    clear_acked_not_done Noise [Reach::AckNothing] "An erasure is acknowledged and the entry stays."
    slot_occupied_overwrites Standing [Reach::BySlot] "A write to an occupied slot replaces what is there."
    slot_occupied_refuses Standing [Reach::BySlot] "A write to an occupied slot is refused."
    fewer_slots_than_told Fault [Reach::Any] "The device has fewer places than it tells."
    master_slot_counted Standing [Reach::BySlot] "The places told include the master code's."
    reserved_slots_hidden Standing [SMARTTHINGS] "The lock keeps slots for itself that no listing shows (`V-10`)."
    memory_full Fault [Reach::Any] "People's own codes take up all places."
    length_change_wipes Fault [SCHLAGE, GENERIC_SLOT] "A new PIN length set at the keypad drops all entries."
    one_length_per_lock Standing [SCHLAGE] "While there are entries, PINs of other lengths are refused."
    first_four_compared Standing [SCHLAGE] "PINs with the same first four digits are twins (`R-27`)."
    master_prefix_refused Standing [SCHLAGE, GENERIC_SLOT] "A PIN that begins like the programming code is not stored."
    length_refused_by_lock Fault [AUGUST, YALE] "This keypad takes other lengths than the device tells."
    twin_refused Standing [Reach::Rejecting] "An equal PIN is refused with its reason."
    twin_dropped Standing [KWIKSET, SMARTTHINGS, GENERIC_SLOT] "An equal PIN is not stored, and nothing says so."
    twin_noticed_later Standing [Reach::BySlot] "The lock says some seconds later that it did not add an equal PIN."
    twin_cause_unclear Standing [SCHLAGE, WYZE] "A twin, an earlier copy of ours and other failures give the same sign."
    own_slot_is_twin Fault [GENERIC_SLOT] "Writing to a slot the PIN that it already holds is refused as a twin."
    twin_accepted Standing [Reach::Override] "An equal PIN is stored as a second entry."
    twin_invisible Standing [KWIKSET, SMARTTHINGS, WYZE] "Somebody else's entry shows in no read."
    expired_entry_stays Fault [Reach::Native] "An entry whose window is over stays in memory."
    pin_blank_after_write Standing [Reach::BySlot] "Right after its creation an entry reads without a PIN."
    pin_masked Standing [Reach::BehindHub("schlage")] "PINs read as stars."
    scan_stops_early Standing [Reach::BySlot] "A scan of all slots ends after the first few."
    zeros_when_empty Standing [GENERIC_SLOT] "A free slot shows zeros for a PIN."
    local_add_as_slot_zero Fault [Reach::BehindHub("kwikset")] "A code added at a full lock is reported as slot 0."
    clock_off Standing [Reach::Any] "The lock's clock is wrong by a fixed amount."
    clock_drifts Standing [Reach::Any] "The lock's clock gains or loses some seconds a day."
    clock_reset_with_battery Fault [Reach::Any] "A change of batteries sets the lock's clock back."
    clock_write_refused Standing [TTLOCK] "The lock's clock cannot be set."
    zone_untold Standing [SCHLAGE, ULTRALOQ] "The vendor tells no time zone."
    zone_wrong Standing [ORACODE, LOCKLY, TWO_N] "The lock's configured zone is not the one it stands in."
    offset_fixed_at_write Standing [SCHLAGE] "A stored schedule keeps the offset of the day on which it was written (`R-58`)."
    listing_shifts_after_dst Standing [SCHLAGE] "After a clock change listed times are an hour off."
    start_must_lie_ahead Fault [KWIKSET, Reach::Override] "A start must lie some minutes in the future."
    confirmation_never_comes Noise [KWIKSET] "A command runs and its late confirmation is lost."
    name_cut_short Standing [KWIKSET, NUKI] "Displayed names are cut."
    name_unique Standing [KWIKSET, WYZE] "A displayed name must differ from all others on the lock."
    pin_assigned_late Standing [SALTO_KS, IGLOOHOME_OFFLINE, ORACODE, LOCKLY_OFFLINE] "The vendor takes minutes to choose the PIN."
    seats_used_up Fault [SALTO_KS] "Every seat of the site is taken."
    seat_taken_away Actor [SALTO_KS] "The vendor or the owner unsubscribes a user."
    office_mode Fault [SALTO_KS] "For a while stored PINs do not open."
    variants_used_up Fault [IGLOOHOME_OFFLINE] "The algorithm has no PIN left for that start."
    level_missing Fault [ORACODE] "No user level fits the window."
    levels_sync_late Fault [ORACODE] "The table of user levels is half an hour old."
    reports_offline_use Fault [LOCKLY_OFFLINE] "A hub reports keypad uses of offline codes (`R-43`)."
    rival_manager Actor [Reach::BySlot] "Another lock manager clears or rewrites slots."
    person_edits Actor [Reach::ReadBack] "Somebody changes an entry."
    person_disables Actor [Reach::ReadBack] "Somebody disables an entry."
    person_removes Actor [Reach::ReadBack] "Somebody removes an entry."
    other_workspace_takes Actor [Reach::Any] "Another workspace takes an entry over by force."
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::Vendor;
    use alloc::collections::BTreeSet;

    /// The sort that a name tells of.
    fn sort_of(name: &str) -> Sort {
        let standing = [
            "clock_",
            "zone_",
            "offset_",
            "cache_",
            "pin_",
            "name_",
            "slot_",
            "twin_",
            "one_length_",
            "first_four_",
            "master_",
            "scan_",
            "zeros_",
            "adopt_",
            "serial_",
        ];
        let noise = ["link_", "notice_", "listing_", "confirmation_"];
        let actor = ["person_", "rival_", "other_", "seat_taken_", "device_"];
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        match name {
            "clock_reset_with_battery" => Sort::Fault,
            // F-12 has it as a fact of the device.
            "listing_shifts_after_dst" => Sort::Standing,
            _ if name.ends_with("_hidden") || begins(&standing) => Sort::Standing,
            _ if name.contains("_acked_") || begins(&noise) => Sort::Noise,
            _ if begins(&actor) => Sort::Actor,
            _ => Sort::Fault,
        }
    }

    #[test]
    fn names_are_unique_and_tell_the_sort() {
        let names: BTreeSet<_> = QUIRKS.iter().map(|quirk| quirk.name).collect();
        assert_eq!(names.len(), QUIRKS.len());
        for quirk in QUIRKS {
            assert_eq!(quirk.sort, sort_of(quirk.name), "{}", quirk.name);
            assert!(quirk.statement.ends_with('.') && !quirk.statement.contains(". "), "{}", quirk.name);
            assert_eq!(super::quirk(quirk.name), Some(quirk));
        }
    }

    #[test]
    fn vendors_are_named_as_in_plans() {
        let named: BTreeSet<_> = QUIRKS.iter().flat_map(|quirk| quirk.reaches).collect();
        let without = [Vendor::GenericCloud, Vendor::Tedee, Vendor::Hubitat];
        for vendor in Vendor::ALL.iter().filter(|vendor| !without.contains(vendor)) {
            assert!(named.contains(&Reach::Vendor(vendor.name())), "{vendor}");
        }
    }
}
