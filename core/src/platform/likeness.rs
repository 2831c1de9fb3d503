//! Whether an entry that a read shows is one that was stored (`P-09`, `P-14`).

use serde::{Deserialize, Serialize};

use super::state::Held;
use crate::pin::Pin;
use crate::port::{Item, Name, ShownPin};
use crate::time::{HOUR_MS, Window};
use crate::vendor::{Family, Profile, ReadBack};

/// What an entry shall hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub pin: Pin,
    pub window: Option<Window>,
    pub name: Name,
}

/// Whether an entry is what was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Same,
    Different,
    /// The vendor shows too little to tell.
    Undecided,
}

/// Whether reads of this lock never show PINs.
pub(super) fn hides_pin(profile: &Profile) -> bool {
    matches!(profile.read_back, ReadBack::Masked | ReadBack::Presence)
}

pub(super) fn rounds_to(shown: Option<Window>, sent: Option<Window>, profile: &Profile) -> bool {
    let rounded = |window: Option<Window>| window.map(|window| window.rounded_outward(profile.round_ms.max(1)));
    let moved_by = |shift_ms: i64| sent.map(|sent| Window { starts_at: sent.starts_at + shift_ms, ends_at: sent.ends_at + shift_ms });
    // After a clock change such a vendor may show the same times an hour off.
    let is_shifted =
        profile.keeps_offset && shown.is_some() && [HOUR_MS, -HOUR_MS].into_iter().any(|by| rounded(shown) == rounded(moved_by(by)));
    !profile.schedules || rounded(shown) == rounded(sent) || is_shifted
}

/// A displayed name, where the lock may have cut it short (`name_cut_short`). Where the name is the only proof, it must be whole.
pub(super) fn is_name_of(shown: &str, sent: &str, profile: &Profile) -> bool {
    shown == sent || (!hides_pin(profile) && !shown.is_empty() && sent.starts_with(shown))
}

/// Whether an entry is what a write stored: equal in PIN, name and window, as far as they are shown (`P-09`, `P-14`).
pub(super) fn like(item: &Item, content: &Content, profile: &Profile) -> Likeness {
    let is_same_name = item.name.as_ref().map(|shown| is_name_of(shown, &content.name, profile));
    let is_same_window = rounds_to(item.window, content.window, profile);
    if !is_same_window || is_same_name == Some(false) {
        return Likeness::Different;
    }
    match item.pin {
        ShownPin::Shown(pin) if pin == content.pin => Likeness::Same,
        ShownPin::Shown(_) => Likeness::Different,
        ShownPin::Masked | ShownPin::Blank if is_same_name == Some(true) && hides_pin(profile) => Likeness::Same,
        ShownPin::Masked | ShownPin::Blank => Likeness::Undecided,
    }
}

/// Whether a confirmed entry is unchanged. A name that differs by itself says nothing where the PIN is shown (`R-64` a).
pub(super) fn like_held(item: &Item, held: &Held, profile: &Profile) -> Likeness {
    if !rounds_to(item.window, held.window, profile) {
        return Likeness::Different;
    }
    let is_same_name = match (&item.name, &held.name) {
        (Some(shown), Some(sent)) => Some(is_name_of(shown, sent, profile)),
        (Some(_) | None, _) => None,
    };
    match item.pin {
        ShownPin::Shown(pin) if Some(pin) == held.pin => Likeness::Same,
        ShownPin::Shown(_) => Likeness::Different,
        // Under the vendor's own id another name is just that; in a numbered slot it is another writer's entry.
        ShownPin::Masked | ShownPin::Blank if is_same_name == Some(false) && profile.family == Family::BySlot => Likeness::Different,
        ShownPin::Masked | ShownPin::Blank => Likeness::Undecided,
    }
}

/// Whether an entry in a place that nobody claims is one of ours of old: with a shown PIN by PIN and name, or by PIN, window and place; with a hidden one by its
/// unique name; without names only in its old place.
pub(super) fn is_return_of(item: &Item, past: &Held, profile: &Profile) -> bool {
    let name = match (&item.name, &past.name) {
        (Some(shown), Some(sent)) => Some(is_name_of(shown, sent, profile)),
        (Some(_) | None, _) => None,
    };
    let is_same_window = rounds_to(item.window, past.window, profile);
    let is_known_place = profile.family == Family::ById || item.place == past.place;
    match item.pin {
        ShownPin::Shown(pin) => Some(pin) == past.pin && (name == Some(true) || (is_same_window && name.is_none() && is_known_place)),
        ShownPin::Masked | ShownPin::Blank => hides_pin(profile) && name == Some(true),
    }
}
