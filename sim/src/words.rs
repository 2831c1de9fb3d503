//! The words that may stand in a plan, listed: an editor completes them from the schema, and the reader names the nearest one.

use std::borrow::Cow;

use keyway_core::access_code::Status;
use keyway_core::event::EventType;
use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::rule::INVARIANTS;
use keyway_core::vendor::Vendor;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The kinds of command.
pub const COMMANDS: &[&str] = &[
    "create_entry",
    "replace_entry",
    "set_schedule",
    "delete_entry",
    "set_slot",
    "clear_slot",
    "list_entries",
    "read_entry",
    "read_slot",
    "list_devices",
    "get_device",
    "read_clock",
    "set_clock",
    "create_user",
    "delete_user",
    "take_seat",
    "release_seat",
    "assign_pin",
    "adopt_entry",
    "read_site",
    "register_offline",
    "revoke_offline",
    "read_user_levels",
];

/// The refusals of the API.
pub const REFUSALS: &[&str] = &[
    "invalid_input",
    "access_code_not_time_bound",
    "unauthorized",
    "device_not_found",
    "device_type_not_supported",
    "access_code_not_found",
    "backup_access_code_not_found",
    "duplicate_access_code",
    "code_constraint_violated",
    "unsupported_code_length",
    "cannot_specify_code",
    "offline_access_codes_not_supported",
    "online_access_codes_not_supported",
    "time_rounding_exceeded",
    "no_matching_time_slot",
    "time_zone_required",
    "cannot_modify_offline_access_code",
    "cannot_delete_offline_access_code",
    "access_code_is_being_removed",
    "code_cannot_be_shared",
    "common_code_key_conflict",
    "device_offline",
    "backup_pool_not_supported",
    "no_backup_access_code_available",
    "access_code_is_backup",
    "cannot_convert_access_code",
    "access_code_managed_elsewhere",
    "window_in_past",
];

/// The vendors.
#[must_use]
pub fn vendors() -> Vec<&'static str> {
    Vendor::ALL.iter().map(|vendor| vendor.name()).collect()
}

/// The statuses.
#[must_use]
pub fn statuses() -> Vec<&'static str> {
    Status::ALL.iter().map(|status| status.name()).collect()
}

/// The errors.
#[must_use]
pub fn errors() -> Vec<&'static str> {
    ErrorCode::ALL.iter().map(|error| error.name()).collect()
}

/// The warnings.
#[must_use]
pub fn warnings() -> Vec<&'static str> {
    WarningCode::ALL.iter().map(|warning| warning.name()).collect()
}

/// The events of codes, without `access_code.`.
#[must_use]
pub fn events() -> Vec<&'static str> {
    EventType::ALL.iter().map(|event| event_name(*event)).collect()
}

/// The events of unmanaged entries, without `access_code.unmanaged.`.
#[must_use]
pub fn unmanaged_events() -> Vec<&'static str> {
    EventType::ALL.iter().filter_map(|event| event_name(*event).strip_prefix("unmanaged.")).collect()
}

/// The ids of the invariants, and `expect` for the plan's own expectations.
#[must_use]
pub fn invariants() -> Vec<&'static str> {
    INVARIANTS.iter().map(|invariant| invariant.id).chain(["expect"]).collect()
}

/// An event's name as plans write it: without `access_code.`.
#[must_use]
pub fn event_name(event: EventType) -> &'static str {
    event.name().strip_prefix("access_code.").unwrap_or(event.name())
}

fn sorted(mut words: Vec<&'static str>) -> Vec<&'static str> {
    words.sort_unstable();
    words.dedup();
    words
}

/// The words, and each of them with the signs that may follow it.
fn signed(words: &[&str], signs: &[&str]) -> Vec<String> {
    words.iter().flat_map(|word| std::iter::once((*word).to_owned()).chain(signs.iter().map(move |sign| format!("{word}{sign}")))).collect()
}

macro_rules! listed {
    ($($name:ident: $about:literal, $words:expr;)*) => {
        $(
            #[doc = $about]
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "enum": $words, "description": $about })
                }
            }
        )*
    };
}

listed! {
    Vendors: "A vendor.", vendors();
    Statuses: "A status.", statuses();
    Roundings: "How far the window of an offline code may be moved.", ["1hour", "1day", "1h", "1d"];
    Types: "Whether a code has a window.", ["time_bound", "ongoing"];
    Duplicates: "What a lock does with a PIN it already holds.", ["reject", "reject_unclear", "notify", "silent", "accept"];
    Acks: "What the first positive answer stands for.", ["applied", "queued", "nothing"];
    ReadBacks: "What a read shows.", ["exact", "exact_loaded", "masked", "presence", "none"];
    ExpiredRecords: "What becomes of expired records.", ["delete", "retain_unset"];
    Commands: "A kind of command.", COMMANDS;
    Refusals: "Why a call is refused.", REFUSALS;
    Invariants: "The id of an invariant.", invariants();
    Errors: "An error; with `?` it may be missing.", signed(&errors(), &["?"]);
    Warnings: "A warning; with `?` it may be missing.", signed(&warnings(), &["?"]);
    Problems: "An error or a warning.", sorted([errors(), warnings()].concat());
    Events: "An event of a code; with `?` it may be missing, with `*` it may come any number of times; `*` alone stands for any events.",
        [signed(&events(), &["?", "*"]), vec!["*".to_owned()]].concat();
    UnmanagedEvents: "An event of an unmanaged entry; with `?` it may be missing, with `*` it may come any number of times; `*` alone stands for any events.",
        [signed(&unmanaged_events(), &["?", "*"]), vec!["*".to_owned()]].concat();
}

#[cfg(test)]
mod tests {
    use keyway_core::port::OpKind;
    use keyway_core::request::Refusal;

    use super::*;

    #[test]
    fn the_lists_written_by_hand_are_those_of_core() {
        for word in COMMANDS {
            serde_json::from_value::<OpKind>((*word).into()).unwrap();
        }
        for word in REFUSALS {
            serde_json::from_value::<Refusal>((*word).into()).unwrap();
        }
        let expected = serde_json::from_value::<OpKind>("x".into()).unwrap_err().to_string();
        assert_eq!(expected.matches('`').count() / 2 - 1, COMMANDS.len());
        let expected = serde_json::from_value::<Refusal>("x".into()).unwrap_err().to_string();
        assert_eq!(expected.matches('`').count() / 2 - 1, REFUSALS.len());
    }
}
