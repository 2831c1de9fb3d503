//! What notices tell: that entries came, changed or left.

use keyway_core::port::{News, Notice, Place};
use keyway_core::time::{MINUTE_MS, Timestamp};

use super::unsaved::Cleared;
use super::{History, Known, Whose};
use crate::occurrence::{Cause, Lock, Origin};

/// A copy of a notice comes within this time of the first (port.md 7).
pub(super) const COPIES_COME_WITHIN_MS: i64 = 2 * MINUTE_MS;

impl History {
    /// A notice was delivered.
    pub(super) fn hear_news(&mut self, now: Timestamp, notice: &Notice, snapshot_at: Timestamp, lock: Lock) {
        // An incarnation is known by the vendor's lists, or where its coming is told with the serial.
        let names_serial = matches!(notice.news, News::DeviceAdded { serial: Some(_) });
        if let Some(device) = notice.device {
            if names_serial {
                self.meet_device(notice.account, device);
            }
            if !self.has_met(notice.account, device) {
                return; // Of what lock it speaks nobody can know yet (`R-57`).
            }
            self.learn_epoch(lock, notice.epoch);
        }
        let successors: Vec<Place> = match notice.news {
            News::EntryAdded(place) | News::EntryRemoved(place) => vec![place],
            News::AllRemoved => self.lock(lock).memory.keys().copied().collect(),
            _ => Vec::new(),
        };
        let is_departure = !matches!(notice.news, News::EntryAdded(_));
        for place in successors {
            self.hear_of_successor(now, lock, place, snapshot_at, is_departure);
        }
        let picture = &self.lock(lock).picture;
        // A late copy may tell of an entry that was erased since (port.md 7).
        let was_erased = |place: Place| matches!(place, Place::Handle(handle) if picture.erased.contains_key(&handle));
        if let News::EntryAdded(place) = notice.news
            && !was_erased(place)
        {
            let before = picture.places.get(&place).copied();
            if before.is_none_or(|known| known.whose == Whose::Free) {
                self.tell(lock, place, before.and_then(|known| known.pin), Whose::Unsure);
            }
            if before.is_some_and(|known| known.whose == Whose::Free) {
                // Whether it is still there the next listing tells, even one that shows what the last one showed.
                self.locks[lock.0 as usize].picture.is_stale = true;
            }
        }
        if matches!(notice.news, News::EntryAdded(_) | News::EntryChanged(_)) {
            self.show_change(lock);
        }
        let is_all = notice.news == News::AllRemoved;
        let place = match notice.news {
            News::EntryRemoved(place) => Some(place),
            _ => None,
        };
        if !is_all && place.is_none() {
            return;
        }
        self.show_change(lock);
        if is_all {
            for known in self.lock(lock).picture.places.keys().copied().collect::<Vec<_>>() {
                self.forget_place(lock, known);
            }
            self.tell_all(lock);
        } else if let Some(place) = place {
            self.tell_left(lock, place);
        }
        self.locks[lock.0 as usize].picture.is_stale = true;
        for code in self.lock(lock).codes.clone() {
            for lost in &mut self.codes[code.0 as usize].lost {
                if (is_all || Some(lost.place) == place) && snapshot_at >= lost.at {
                    lost.noticed_at = lost.noticed_at.or(Some(now));
                }
            }
        }
    }

    /// The controller is told that a code's entry left its place, or that something was added there: what lies there since came after it, and it
    /// is nobody's under another name, or where reads show nothing of it.
    fn hear_of_successor(&mut self, now: Timestamp, lock: Lock, place: Place, snapshot_at: Timestamp, is_departure: bool) {
        let state = self.lock(lock);
        let is_meant = |since: Timestamp| since == snapshot_at || is_departure && since > snapshot_at;
        let Some(stored) = state.memory.get(&place).filter(|stored| is_meant(stored.since) && stored.cause == Cause::World) else {
            return;
        };
        let Some(owner) = stored.code else { return };
        let is_parted = is_departure && self.is_parted(lock, owner, now);
        let is_renamed =
            stored.entry.origin == Origin::External && state.facts.profile.shows_names && !self.is_name_of(owner, &stored.entry.name);
        if !is_parted && !is_renamed {
            return;
        }
        // That something was added so soon after the controller was told of what lies there may be a copy of what was said of that.
        let known_since = |known: &Known| match (known.whose, known.left) {
            (whose, _) if whose == Whose::Code(owner) => Some(known.since),
            (_, Some(left)) if left.whose == Whose::Code(owner) => Some(left.since),
            _ => None,
        };
        let told = self.told(lock, place).and_then(known_since);
        // What left in this incarnation is no longer what lay there when it began (`R-57`).
        let is_known_gone = is_departure && state.joined_at.is_some_and(|joined_at| stored.since > joined_at);
        if !is_parted && !is_known_gone && !told.is_some_and(|since| is_departure || now > since + COPIES_COME_WITHIN_MS) {
            return;
        }
        let before = stored.clone();
        self.unlink(place, Some(&before));
        self.lose(before.since, lock, owner, (place, &before));
        if let Some(lost) = self.codes[owner.0 as usize].lost.last_mut() {
            lost.noticed_at = Some(now);
        }
        if let Some(stored) = self.locks[lock.0 as usize].memory.get_mut(&place) {
            stored.code = None;
        }
        self.cleared.push(Cleared::Owner(lock, place, before.since, owner));
        self.touch_lock(lock);
    }
}
