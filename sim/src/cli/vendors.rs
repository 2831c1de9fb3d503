//! `keyway vendors`: what each vendor can do, what it demands, how it misbehaves, and which problems the seed names for it.

use std::fmt::Write as _;

use keyway_core::problem::{ErrorCode, WarningCode};
use keyway_core::rule::{QUIRKS, Quirk, Reach};
use keyway_core::time::SECOND_MS;
use keyway_core::vendor::{Ack, DuplicatePolicy, Family, Profile, ReadBack, Vendor};
use keyway_core::world::quirk;

use super::Refused;
use crate::invariant::problems::may_carry;
use crate::scenario::nearest;

/// All vendors in short, or one of them whole.
pub(super) fn vendors(name: Option<&str>) -> Result<String, Refused> {
    let Some(name) = name else { return Ok(list()) };
    let names: Vec<&str> = Vendor::ALL.iter().map(|vendor| vendor.name()).collect();
    match Vendor::ALL.iter().find(|vendor| vendor.name() == name) {
        Some(vendor) => Ok(catalogue(*vendor)),
        None => Err(Refused::Word {
            message: format!("`{name}` is no vendor"),
            help: Some(match nearest(name, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", names.join(", ")),
            }),
        }),
    }
}

fn list() -> String {
    let mut text = String::new();
    for vendor in Vendor::ALL {
        let _ = writeln!(text, "{:<14}{}", vendor.name(), vendor.about());
    }
    text
}

fn catalogue(vendor: Vendor) -> String {
    let profile = vendor.profile();
    let mut text = format!("{vendor}\n{}\n\n", vendor.about());
    for (what, value) in capabilities(&profile) {
        let _ = writeln!(text, "  {what:<26}{value}");
    }
    let _ = writeln!(text, "\nquirks");
    for quirk in QUIRKS.iter().filter(|quirk| is_special(quirk, &profile)) {
        let is_built = quirk::Quirk::ALL.iter().any(|built| built.name() == quirk.name);
        let mark = if is_built { "" } else { " (not in the world yet)" };
        let _ = writeln!(text, "  {:<26}{}{mark}", quirk.name, quirk.statement);
    }
    let _ = writeln!(text, "\nproblems of its own");
    let problems = own_problems(vendor);
    if problems.is_empty() {
        let _ = writeln!(text, "  none: the generic ones say all");
    }
    for (kind, name, about) in problems {
        let _ = writeln!(text, "  {name:<46}{kind:<9}{about}");
    }
    text
}

fn capabilities(profile: &Profile) -> Vec<(&'static str, String)> {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let lengths: Vec<String> = profile.lengths.iter().map(|length| length.to_string()).collect();
    let family = match profile.family {
        Family::ById => "the vendor",
        Family::BySlot => "the controller",
        Family::BySeat => "the vendor, for a user with a seat",
        Family::Offline => "nobody: the lock computes",
    };
    let duplicate = match profile.duplicate {
        DuplicatePolicy::Reject => "refused with its reason",
        DuplicatePolicy::RejectUnclear => "refused with a sign that may mean something else",
        DuplicatePolicy::Notify => "not stored, told by a later notice",
        DuplicatePolicy::Silent => "not stored, without a word",
        DuplicatePolicy::Accept => "stored as a second entry",
    };
    let ack = match profile.ack {
        Ack::Applied => "in lock memory",
        Ack::Queued => "stored or queued at the vendor",
        Ack::Nothing => "nothing",
    };
    let read_back = match profile.read_back {
        ReadBack::Exact => "exact, from the lock",
        ReadBack::ExactLoaded => "exact, the vendor's copy",
        ReadBack::Masked => "the PIN as stars",
        ReadBack::Presence => "that something is there",
        ReadBack::None => "nothing can be read",
    };
    let constraints: Vec<String> = profile.constraints.iter().copied().map(constraint).collect();
    vec![
        ("PIN lengths", lengths.join(", ")),
        ("constraints", if constraints.is_empty() { "none".to_owned() } else { constraints.join(", ") }),
        ("places", format!("{}, of which {} are the lock's own", profile.slots, profile.reserved_slots)),
        ("place chosen by", family.to_owned()),
        ("schedule on the lock", yes(profile.schedules)),
        ("update in place", yes(profile.update_in_place)),
        ("converts unmanaged codes", yes(profile.converts_unmanaged)),
        ("backup pool", yes(profile.backup_pool)),
        ("an equal PIN is", duplicate.to_owned()),
        ("first answer proves", ack.to_owned()),
        ("a read shows", read_back.to_owned()),
        ("tells its zone", yes(profile.tells_zone)),
        ("clock read / set", format!("{} / {}", yes(profile.clock_readable), yes(profile.clock_settable))),
        ("longest latency", format!("{} s", profile.lat_max_ms / SECOND_MS)),
        ("times out after", format!("{} s", profile.command_timeout_ms / SECOND_MS)),
        ("calls a minute", profile.rate_per_minute.map_or("any number".to_owned(), |rate| rate.to_string())),
    ]
}

fn constraint(constraint: keyway_core::pin::Constraint) -> String {
    match serde_json::to_value(constraint) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(value) => value.as_object().and_then(|map| map.keys().next().cloned()).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// Whether a quirk tells of this kind of lock rather than of every lock.
fn is_special(quirk: &Quirk, profile: &Profile) -> bool {
    quirk.reaches.iter().any(|reach| match reach {
        Reach::Vendor(name) => *name == profile.vendor.name(),
        Reach::BySlot => profile.family == Family::BySlot,
        Reach::Hub => profile.hub.is_some(),
        Reach::AckNothing => profile.ack == Ack::Nothing,
        _ => false,
    })
}

/// The problems that the seed names for this vendor, and not for every one.
fn own_problems(vendor: Vendor) -> Vec<(&'static str, &'static str, &'static str)> {
    let is_own = |carries: &dyn Fn(Vendor) -> bool| carries(vendor) && !Vendor::ALL.iter().all(|other| carries(*other));
    let errors = ErrorCode::ALL.iter().filter(|code| is_own(&|vendor| may_carry::error(vendor, **code)));
    let warnings = WarningCode::ALL.iter().filter(|code| is_own(&|vendor| may_carry::warning(vendor, **code)));
    let errors = errors.map(|code| ("error", code.name(), code.message()));
    errors.chain(warnings.map(|code| ("warning", code.name(), code.message()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_names_constraints_quirks_and_problems() {
        let text = vendors(Some("nuki")).unwrap_or_default();
        for word in ["no_zeros", "plan_lapsed", "name_length"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(vendors(Some("hubitat")).unwrap_or_default().contains("hubitat_no_free_positions_available"));
        assert!(list().lines().count() == Vendor::ALL.len());
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_nearest() {
        let Err(Refused::Word { help, .. }) = vendors(Some("nukki")) else { panic!("no such vendor") };
        assert!(help.is_some_and(|help| help.contains("nuki")));
    }
}
