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

#[cfg(test)]
mod tests {
    use super::Likeness::{Different, Same, Undecided};
    use super::*;
    use crate::id::{Handle, Slot};
    use crate::port::{OnLock, Place};
    use crate::time::{MINUTE_MS, Timestamp};
    use crate::vendor::Vendor;

    const SLOT: Place = Place::Slot(Slot(1));
    const OTHER_SLOT: Place = Place::Slot(Slot(2));

    fn pin(text: &str) -> Pin {
        text.parse().unwrap()
    }

    fn profile(family: Family, read_back: ReadBack) -> Profile {
        Profile { family, read_back, round_ms: MINUTE_MS, ..Vendor::GenericSlot.profile() }
    }

    fn window(start_ms: i64, end_ms: i64) -> Window {
        Window { starts_at: Timestamp(start_ms), ends_at: Timestamp(end_ms) }
    }

    fn shows(place: Place, shown: ShownPin, name: Option<&str>) -> Item {
        Item { place, pin: shown, name: name.map(Into::into), window: None, enabled: true, on_lock: OnLock::Yes }
    }

    fn held(name: Option<&str>) -> Held {
        let name = name.map(Into::into);
        let confirmed_at = Timestamp(0);
        Held { place: SLOT, pin: Some(pin("1234")), window: None, name, is_enabled: true, is_edited: false, is_bound: false, confirmed_at }
    }

    const SHOWN: fn(&str) -> ShownPin = |text| ShownPin::Shown(text.parse().unwrap());

    /// P-14: windows are compared as the vendor rounds them, and not at all where it keeps none; R-58: an hour off, where it keeps the offset.
    #[test]
    fn windows_are_equal_as_far_as_the_vendor_keeps_them() {
        let mut profile = Profile { schedules: true, keeps_offset: false, ..profile(Family::ById, ReadBack::Exact) };
        let sent = Some(window(MINUTE_MS + 1, 2 * MINUTE_MS - 1));
        let by = |ms: i64| Some(window(MINUTE_MS + ms, 2 * MINUTE_MS + ms));
        assert!(rounds_to(by(0), sent, &profile));
        assert!(!rounds_to(by(MINUTE_MS), sent, &profile));
        assert!(!rounds_to(None, sent, &profile) && !rounds_to(by(0), None, &profile));
        assert!(!rounds_to(by(HOUR_MS), sent, &profile) && !rounds_to(by(-HOUR_MS), sent, &profile));
        profile.keeps_offset = true;
        assert!(rounds_to(by(HOUR_MS), sent, &profile) && rounds_to(by(-HOUR_MS), sent, &profile));
        assert!(!rounds_to(by(2 * HOUR_MS), sent, &profile));
        assert!(!rounds_to(None, sent, &profile) && !rounds_to(by(0), None, &profile));
        profile.schedules = false;
        assert!(rounds_to(None, sent, &profile) && rounds_to(by(2 * HOUR_MS), sent, &profile));
    }

    /// P-14: a name that was cut short is the same, unless it is the only proof.
    #[test]
    fn a_name_may_be_cut_short_where_the_pin_is_shown() {
        for (read_back, is_cut) in [(ReadBack::Exact, true), (ReadBack::None, true), (ReadBack::Masked, false), (ReadBack::Presence, false)]
        {
            let profile = profile(Family::BySlot, read_back);
            assert!(is_name_of("Cleaning", "Cleaning", &profile));
            assert_eq!(is_name_of("Clean", "Cleaning", &profile), is_cut, "{read_back:?}");
            assert!(!is_name_of("", "Cleaning", &profile) && !is_name_of("Cleaning crew", "Cleaning", &profile));
            assert!(!is_name_of("eaning", "Cleaning", &profile));
        }
    }

    /// P-09: what proves a write is its PIN; where PINs are hidden, its name; a window or a name that differs refutes it.
    #[test]
    fn what_a_write_stored_is_alike_in_all_that_is_shown() {
        let content = Content { pin: pin("1234"), window: None, name: "guest".into() };
        let [full, masked] = [ReadBack::Exact, ReadBack::Masked].map(|read_back| profile(Family::ById, read_back));
        let of = |shown, name, profile: &Profile| like(&shows(SLOT, shown, name), &content, profile);
        assert_eq!(of(SHOWN("1234"), Some("guest"), &full), Same);
        assert_eq!(of(SHOWN("1234"), None, &full), Same);
        assert_eq!(of(SHOWN("1235"), Some("guest"), &full), Different);
        assert_eq!(of(SHOWN("1234"), Some("other"), &full), Different);
        assert_eq!(of(ShownPin::Blank, Some("guest"), &full), Undecided);
        assert_eq!(of(ShownPin::Masked, Some("guest"), &masked), Same);
        assert_eq!(of(ShownPin::Masked, None, &masked), Undecided);
        assert_eq!(of(ShownPin::Masked, Some("other"), &masked), Different);
        let later = Item { window: Some(window(0, MINUTE_MS)), ..shows(SLOT, SHOWN("1234"), Some("guest")) };
        assert_eq!(like(&later, &content, &Profile { schedules: true, ..full }), Different);
    }

    /// R-64 a: another name alone says nothing where the PIN is shown, or the vendor's id is the same.
    #[test]
    fn a_held_entry_is_another_by_its_pin_or_by_its_name_in_a_slot() {
        let of = |shown, name, family| like_held(&shows(SLOT, shown, name), &held(Some("guest")), &profile(family, ReadBack::Masked));
        for family in [Family::BySlot, Family::ById] {
            assert_eq!(of(SHOWN("1234"), Some("other"), family), Same);
            assert_eq!(of(SHOWN("1235"), Some("guest"), family), Different);
            assert_eq!(of(ShownPin::Masked, Some("guest"), family), Undecided);
            assert_eq!(of(ShownPin::Masked, None, family), Undecided);
        }
        assert_eq!(of(ShownPin::Masked, Some("other"), Family::BySlot), Different);
        assert_eq!(of(ShownPin::Masked, Some("other"), Family::ById), Undecided);
        let scheduled = Profile { schedules: true, ..profile(Family::ById, ReadBack::Exact) };
        let later = Item { window: Some(window(0, MINUTE_MS)), ..shows(SLOT, SHOWN("1234"), Some("guest")) };
        assert_eq!(like_held(&later, &held(Some("guest")), &scheduled), Different);
    }

    /// F-06: what comes back is known by PIN and name, or by PIN, window and place where no name is shown; with a hidden PIN by its name alone.
    #[test]
    fn what_comes_back_is_known_by_what_is_shown() {
        let of = |item: &Item, name, family, read_back| {
            is_return_of(item, &held(name), &Profile { schedules: true, ..profile(family, read_back) })
        };
        let (full, masked, name) = (ReadBack::Exact, ReadBack::Masked, Some("guest"));
        assert!(of(&shows(OTHER_SLOT, SHOWN("1234"), name), name, Family::BySlot, full));
        assert!(!of(&shows(SLOT, SHOWN("1235"), name), name, Family::BySlot, full));
        assert!(!of(&shows(SLOT, SHOWN("1234"), Some("other")), name, Family::BySlot, full));
        assert!(of(&shows(SLOT, SHOWN("1234"), None), name, Family::BySlot, full));
        assert!(!of(&shows(OTHER_SLOT, SHOWN("1234"), None), name, Family::BySlot, full));
        assert!(of(&shows(Place::Handle(Handle(7)), SHOWN("1234"), None), name, Family::ById, full));
        let later = Item { window: Some(window(0, MINUTE_MS)), ..shows(SLOT, SHOWN("1234"), None) };
        assert!(!of(&later, name, Family::BySlot, full));
        assert!(of(&shows(OTHER_SLOT, ShownPin::Masked, name), name, Family::BySlot, masked));
        assert!(!of(&shows(SLOT, ShownPin::Masked, Some("other")), name, Family::BySlot, masked));
        assert!(!of(&shows(SLOT, ShownPin::Blank, name), name, Family::BySlot, full), "an empty look proves nothing");
    }
}
