//! What a listing shows: page by page what is there, and at its end what is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_core::access_code::Status;
use keyway_core::port::{Item, Op, Place};
use keyway_core::time::{SECOND_MS, Timestamp};

use super::{History, Known, LockState, Lost, Sent, Whose, is_fresh};
use crate::occurrence::Lock;

/// Two complete fresh listings this far apart show an absence (`P-12`).
const LISTINGS_APART_MS: i64 = 30 * SECOND_MS;

impl History {
    /// One page of a listing. A page that shows what it showed last time, of a lock where nothing is unseen or open, costs a comparison.
    pub(super) fn read_page(
        &mut self,
        now: Timestamp,
        lock: Lock,
        sent: &Sent,
        items: &Arc<[Item]>,
        is_last: bool,
        snapshot_at: Timestamp,
    ) {
        let Op::ListEntries { page, .. } = sent.command.op else { return };
        let state = &mut self.locks[lock.0 as usize];
        if page == 0 {
            (state.picture.listing_began, state.picture.listing_snapshot) = (Some(sent.at), snapshot_at);
        }
        state.picture.listing_snapshot = state.picture.listing_snapshot.min(snapshot_at);
        let at = page as usize;
        let is_known = state.picture.pages.get(at).is_some_and(|known| Arc::ptr_eq(known, items) || **known == **items);
        let is_same_end = !is_last || state.picture.pages.len() == at + 1;
        let is_quick = is_known && is_same_end && !state.picture.is_stale;
        if !is_quick {
            self.read_page_anew(lock, sent, items, at, is_last);
            if is_last {
                self.end_listing(lock, sent);
                self.refresh_staleness(lock, snapshot_at);
            }
        }
        if is_last && self.lock(lock).picture.listing_began.is_some() {
            self.tell_all(lock);
            let picture = &mut self.locks[lock.0 as usize].picture;
            picture.listed = Some((now, picture.listing_snapshot));
            // What was unseen when the lock called itself full was in it too.
            picture.limit = picture.limit.map(|limit| limit.max(picture.occupied()));
        }
    }

    fn read_page_anew(&mut self, lock: Lock, sent: &Sent, items: &Arc<[Item]>, at: usize, is_last: bool) {
        let picture = &mut self.locks[lock.0 as usize].picture;
        picture.pages.truncate(if is_last { at + 1 } else { picture.pages.len() });
        if picture.pages.len() <= at {
            picture.pages.resize(at + 1, Arc::from([]));
        }
        picture.pages[at] = items.clone();
        for item in items.iter() {
            self.read_item(lock, sent, item);
        }
        if is_fresh(&sent.command.op) {
            self.seek_lost_in_page(lock, items, at == 0);
        }
    }

    /// The last page of a listing was read anew: now all is known that it shows, and what it lacks.
    fn end_listing(&mut self, lock: Lock, sent: &Sent) {
        for page in self.lock(lock).picture.pages.clone() {
            for item in page.iter() {
                self.see_entry(lock, sent, item, self.lock(lock).picture.listing_snapshot);
            }
        }
        if is_fresh(&sent.command.op)
            && let Some(began) = self.lock(lock).picture.listing_began
        {
            self.end_fresh_listing(lock, began);
        }
        let LockState { memory, picture, .. } = self.lock(lock);
        let is_missed = |(place, known): &(&Place, &Known)| {
            // What a code put there and still has is no less its own for one listing without it, which shows no absence (P-12).
            let is_still_its_own =
                matches!(known.whose, Whose::Code(code) if memory.get(place).is_some_and(|stored| stored.code == Some(code)));
            let is_shown = picture.pages.iter().any(|page| page.iter().any(|item| item.place == **place));
            !(known.whose == Whose::Free || is_still_its_own || is_shown)
        };
        let missed: Vec<(Place, Known)> = picture.places.iter().filter(is_missed).map(|(place, known)| (*place, *known)).collect();
        for (place, known) in &missed {
            self.locks[lock.0 as usize].picture.missed.insert(*place, known.whose);
            // It was a code's own in this incarnation: a command for it can't meet anybody else's entry.
            let was_own = matches!(known.whose, Whose::Code(_));
            if was_own {
                self.tell_left(lock, *place);
            } else {
                self.forget_place(lock, *place);
            }
        }
        if !missed.is_empty() {
            self.show_change(lock);
        }
    }

    /// A complete fresh listing ended: two of them, or one after a notice, show an absence.
    fn end_fresh_listing(&mut self, lock: Lock, began: Timestamp) {
        let joined_at = self.lock(lock).joined_at;
        for code in self.lock(lock).codes.clone() {
            // One that began before it was told that the entry is there, or shown as set, may be from before that (`R-04`).
            let places = &self.lock(lock).picture.places;
            let is_its_own = |(_, known): &(&Place, &Known)| known.whose == Whose::Code(code);
            let told: BTreeMap<Place, Timestamp> = places.iter().filter(is_its_own).map(|(place, known)| (*place, known.since)).collect();
            let state = self.code(code);
            let set_at = if state.status() == Some(Status::Set) { state.status_since } else { Timestamp::MIN };
            let is_since = |began: Timestamp, lost: &Lost| began >= set_at && told.get(&lost.place).is_none_or(|since| began >= *since);
            let is_late = |lost: &Lost| began >= lost.at && is_since(began, lost);
            let shown = |lost: &Lost| {
                let is_absent = is_late(lost) && !lost.is_in_listing;
                // The first inventory of an incarnation tells what is missing from before (`R-57`).
                let is_inventory = joined_at.is_some_and(|joined_at| lost.at <= joined_at && began >= joined_at);
                let again = lost.listed_without.is_some_and(|first| began - first >= LISTINGS_APART_MS && is_since(first, lost));
                is_absent && (is_inventory || again || lost.noticed_at.is_some_and(|noticed| began >= noticed))
            };
            self.find_lost(code, shown);
            // A listing beside a write that may yet run says nothing of what that write stores.
            let is_open = self.code(code).work.unsettled > 0;
            for lost in &mut self.codes[code.0 as usize].lost {
                if lost.is_in_listing || is_open {
                    lost.listed_without = None;
                } else if is_late(lost) {
                    lost.listed_without = lost.listed_without.filter(|first| is_since(*first, lost)).or(Some(began));
                }
            }
        }
    }

    /// A listing must be read with care again while something in the lock is unseen or open, or newer than what was read.
    fn refresh_staleness(&mut self, lock: Lock, snapshot_at: Timestamp) {
        let state = self.lock(lock);
        let is_unseen = state.memory.values().any(|stored| stored.touched.is_some() || stored.since > snapshot_at);
        let is_lost = state.codes.iter().any(|code| !self.code(*code).lost.is_empty());
        // Only a look past every cache makes it known for a code's after a join.
        let is_unsure = |place: &Place| state.picture.places.get(place).is_some_and(|known| known.whose == Whose::Unsure);
        let is_doubted = state.memory.iter().any(|(place, stored)| stored.code.is_some() && is_unsure(place));
        let is_stale = is_unseen || is_lost || is_doubted || !state.open.is_empty();
        self.locks[lock.0 as usize].picture.is_stale = is_stale;
    }

    fn seek_lost_in_page(&mut self, lock: Lock, items: &Arc<[Item]>, is_first: bool) {
        for code in self.lock(lock).codes.clone() {
            for lost in &mut self.codes[code.0 as usize].lost {
                let is_here = items.iter().any(|item| item.place == lost.place);
                lost.is_in_listing = is_here || (lost.is_in_listing && !is_first);
            }
        }
    }
}
