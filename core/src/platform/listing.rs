//! Listings of a lock: when they are made, whose entry is whose, and what is missing (`R-04`, `P-12`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Platform;
use super::clock::ClockWatch;
use super::likeness::{Content, Likeness, hides_pin, is_return_of, like, rounds_to};
use super::pace::Urgency;
use super::reading::{Evidence, Read, ReadKind};
use super::settling::tells_nothing;
use super::state::{Code, Doubt, Held, Write};
use super::step::{At, Who};
use crate::id::{CommandId, Slot};
use crate::pin::Pin;
use crate::port::{Answer, Item, Name, OnLock, Op, Place, ShownPin};
use crate::time::{MINUTE_MS, Timestamp};
use crate::vendor::{Family, Profile, ReadBack};

/// What the last reads showed of a lock, and which are due. Free to lose.
#[derive(Debug)]
pub(super) struct Memory {
    pub wake: Option<Timestamp>,
    /// The last listing agreed with all that is known, and nothing changed since.
    pub is_clean: bool,
    last: Option<Arc<[Item]>>,
    pub places: BTreeMap<Place, Item>,
    /// Since when reads show what they show in a place.
    shown_since: BTreeMap<Place, Timestamp>,
    /// Places that a notice said are taken, until a fresh listing tells.
    pub told: BTreeSet<Place>,
    /// Entries that a notice said have left, and that may be what an open creation made; no id is given twice.
    pub told_gone: BTreeSet<Place>,
    /// All entries were listed in this incarnation, by this process.
    pub has_inventory: bool,
    listing: Option<Listing>,
    /// One that was waited for long enough.
    given_up: Option<Listing>,
    next_sync: Timestamp,
    fresh_at: Option<Timestamp>,
    pub list_not_before: Timestamp,
    pub list_failures: u32,
    /// Only a listing begun from here on ends `unknown` (`R-21`).
    pub recover_from: Option<Timestamp>,
    pub condition_at: Option<Timestamp>,
    pub condition_again_at: Option<Timestamp>,
    pub condition_read: Option<CommandId>,
    pub condition_failures: u32,
    /// When the door's time slots are to be read next, and the read under way.
    pub levels_at: Timestamp,
    pub levels_read: Option<CommandId>,
    /// Begin of the latest exchange that the lock itself answered.
    pub contact_at: Option<Timestamp>,
    pub unreachable_at: Timestamp,
    /// The vendor's description said that lock or hub is down, since the path was last up.
    pub was_told_down: bool,
    /// The code that has a slot looked at; one at a time for a lock.
    pub scouting: Option<u64>,
    pub clock: ClockWatch,
    /// Codes that wait for another write to this lock.
    pub waiting: BTreeSet<u64>,
}

/// A listing under way. Its pages take as many calls, each when the account may call (`P-11`).
#[derive(Debug)]
struct Listing {
    started_at: Timestamp,
    is_fresh: bool,
    items: Vec<Item>,
    page: u32,
    /// The page is asked for, and not yet answered.
    is_asked: bool,
    /// When its last page was asked for.
    asked_at: Timestamp,
}

impl Memory {
    pub fn new(now: Timestamp) -> Self {
        Self {
            wake: None,
            is_clean: false,
            last: None,
            places: BTreeMap::new(),
            shown_since: BTreeMap::new(),
            told: BTreeSet::new(),
            told_gone: BTreeSet::new(),
            has_inventory: false,
            listing: None,
            given_up: None,
            next_sync: now,
            fresh_at: None,
            list_not_before: now,
            list_failures: 0,
            recover_from: None,
            condition_at: None,
            condition_again_at: None,
            condition_read: None,
            condition_failures: 0,
            levels_at: now,
            levels_read: None,
            contact_at: None,
            unreachable_at: Timestamp::MIN,
            was_told_down: false,
            scouting: None,
            clock: ClockWatch::new(now),
            waiting: BTreeSet::new(),
        }
    }
}

impl Memory {
    /// A direct read shows an entry.
    pub(super) fn show_one(&mut self, item: Item, now: Timestamp) {
        let known = self.places.remove(&item.place).map(|known| (known.place, known));
        self.show(item, &known.into_iter().collect(), now);
    }

    fn show(&mut self, item: Item, known: &BTreeMap<Place, Item>, now: Timestamp) {
        if known.get(&item.place) != Some(&item) {
            self.shown_since.insert(item.place, now);
        }
        self.places.insert(item.place, item);
    }

    /// Since when reads show what they show in a place.
    pub(super) fn shown_since(&self, place: Place) -> Option<Timestamp> {
        self.shown_since.get(&place).copied()
    }

    /// Nothing known of a new incarnation; only the registered wake stays.
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self { wake: self.wake, ..Self::new(now) }
    }
}

impl Platform {
    /// The device's own business: its description, its listing, its pool, its peace.
    pub(super) fn tend(&mut self, device: u32) {
        self.tend_condition(device);
        self.calm_down(device);
        let full_at = self.doubt_full(device);
        self.refill(device);
        self.tend_listing(device);
        let levels_at = self.tend_levels(device);
        let clock_at = self.tend_clock(device);
        let now = self.now;
        let memory = &self.caches[device as usize];
        let condition_at = memory.condition_at.filter(|at| *at > now && self.is_askable(device));
        let listing_at = self.listing_wanted(device).map(|(at, _)| at).or(self.listing_given_up_at(device)).filter(|at| *at > now);
        let calm_at = self.device(device).last_reversal.map(|at| at + self.config.policy.reversal_calm_ms).filter(|at| *at > now);
        self.wake_device(device, [condition_at, listing_at, calm_at, levels_at, clock_at, full_at].into_iter().flatten().min());
    }

    /// When the entries are to be listed next, and whether past every cache.
    fn listing_wanted(&self, device: u32) -> Option<(Timestamp, bool)> {
        let (state, memory) = (self.device(device), &self.caches[device as usize]);
        if memory.listing.is_some() || !self.is_askable(device) || self.profile(device).read_back == ReadBack::None {
            return None;
        }
        if state.unreachable.is_some() {
            // Only an answer of the lock itself shows that it can be reached again.
            let probe_at = memory.unreachable_at + self.probe_delay_ms(memory.list_failures);
            return Some((memory.fresh_at.unwrap_or(probe_at).max(memory.list_not_before), true));
        }
        if state.is_cut_off() {
            return None;
        }
        let fresh = memory.fresh_at.map(|at| (at, true));
        let (at, is_fresh) = fresh.filter(|(at, _)| *at <= memory.next_sync).unwrap_or((memory.next_sync, false));
        Some((at.max(memory.list_not_before), is_fresh))
    }

    /// When the listing under way has taken longer than any should, where its time-out comes much later.
    fn listing_given_up_at(&self, device: u32) -> Option<Timestamp> {
        const PATIENCE_MIN_MS: i64 = 2 * MINUTE_MS;
        let listing = self.caches[device as usize].listing.as_ref().filter(|listing| listing.is_asked)?;
        let profile = self.profile(device);
        let patience_ms = (4 * profile.read_lat_max_ms(listing.is_fresh)).max(PATIENCE_MIN_MS);
        (patience_ms < profile.timeout_ms(false, listing.is_fresh)).then_some(listing.asked_at + patience_ms)
    }

    /// Others need not wait for a listing that was lost, it seems; should it come after all, it is as true as any (`P-01`).
    fn give_up_listing(&mut self, device: u32) {
        if self.listing_given_up_at(device).is_some_and(|at| at <= self.now)
            && let Some(listing) = self.caches[device as usize].listing.take()
        {
            self.on_listing_failed(device, &listing);
            self.caches[device as usize].given_up = Some(listing);
        }
    }

    fn on_listing_failed(&mut self, device: u32, listing: &Listing) {
        let again_at = self.probe_at(listing.asked_at, self.caches[device as usize].list_failures);
        let memory = &mut self.caches[device as usize];
        memory.list_not_before = again_at;
        memory.list_failures = memory.list_failures.saturating_add(1);
        if listing.is_fresh {
            memory.fresh_at = Some(again_at);
        }
    }

    fn tend_listing(&mut self, device: u32) {
        self.give_up_listing(device);
        if self.profile(device).read_back == ReadBack::None {
            if !core::mem::replace(&mut self.caches[device as usize].has_inventory, true) {
                // Its pool waits for that.
                self.again_device(device);
            }
            return;
        }
        if !self.is_askable(device) {
            let memory = &mut self.caches[device as usize];
            memory.listing = memory.listing.take().filter(|listing| listing.is_asked);
            return;
        }
        let (is_fresh, page) = match &self.caches[device as usize].listing {
            Some(listing) if listing.is_asked => return,
            Some(listing) => (listing.is_fresh, listing.page),
            None => match self.listing_wanted(device).filter(|(at, _)| *at <= self.now) {
                Some((_, is_fresh)) => (is_fresh, 0),
                None => return,
            },
        };
        let account = self.device(device).account;
        let urgency = if is_fresh { Urgency::Proof } else { Urgency::Sync };
        if self.may_call(account, urgency, Who::device(device)) {
            let now = self.now;
            let memory = &mut self.caches[device as usize];
            if page == 0 {
                memory.listing = Some(Listing { started_at: now, is_fresh, items: Vec::new(), page, is_asked: true, asked_at: now });
                memory.fresh_at = memory.fresh_at.filter(|_| !is_fresh);
            } else if let Some(listing) = &mut memory.listing {
                (listing.is_asked, listing.asked_at) = (true, now);
            }
            self.ask_for_entries(device, page, is_fresh);
        }
    }

    fn ask_for_entries(&mut self, device: u32, page: u32, fresh: bool) {
        let account = self.device(device).account;
        let command = self.send_read(account, Some(device), None, Op::ListEntries { page, fresh });
        let epoch = self.device(device).epoch();
        self.reads.insert(command, Read { sent_at: self.now, kind: ReadKind::Entries { device, epoch } });
    }

    /// A listing past every cache, not before `at`.
    pub(super) fn want_listing(&mut self, device: u32, at: Timestamp) {
        let memory = &mut self.caches[device as usize];
        memory.fresh_at = Some(memory.fresh_at.map_or(at, |wanted| wanted.min(at)));
        self.again_device(device);
    }

    /// The periodic listing comes now.
    pub(super) fn sync_now(&mut self, device: u32) {
        self.caches[device as usize].next_sync = self.now;
        self.again_device(device);
    }

    /// A write in doubt that only listings can settle.
    pub(super) fn want_proof_listing(&mut self, at: At) {
        let spacing = self.policy.absence_spacing_ms();
        let code = self.code_quiet(at);
        code.passing.verify_at = None;
        let wanted = code.passing.absent_since.map(|first| first + spacing);
        let is_asked = self.caches[at.device as usize].fresh_at.is_some();
        if !is_asked && !self.is_listing_since(at) {
            self.want_listing(at.device, wanted.unwrap_or(self.now));
        }
    }

    /// Whether the listing under way can settle the code's write.
    fn is_listing_since(&self, at: At) -> bool {
        let since = self.code(at).write.as_ref().and_then(Write::runs_before_reads_since);
        let listing = self.caches[at.device as usize].listing.as_ref().filter(|listing| listing.is_fresh);
        listing.is_some_and(|listing| since.is_some_and(|since| listing.started_at >= since))
    }

    pub(super) fn on_entries(&mut self, device: u32, read: &Read, answer: Answer) {
        self.again_device(device);
        let (now, account, period_ms) = (self.now, self.device(device).account, self.config.policy.sync_period_ms);
        if let Some(listing) = self.caches[device as usize].given_up.take_if(|listing| listing.asked_at == read.sent_at) {
            if let Answer::Entries { items, next_page: None } = &answer {
                self.caches[device as usize].last = None;
                self.hold_listing(device, listing, items);
            }
            return self.take_condition(account, Some(device), read.sent_at, &answer);
        }
        let Some(listing) = &mut self.caches[device as usize].listing else { return };
        listing.is_asked = false;
        if matches!(answer, Answer::RateLimited { .. }) {
            return self.take_condition(account, Some(device), read.sent_at, &answer);
        }
        let Answer::Entries { items, next_page } = answer else {
            if let Some(listing) = self.caches[device as usize].listing.take() {
                self.on_listing_failed(device, &listing);
            }
            self.take_condition(account, Some(device), read.sent_at, &answer);
            return;
        };
        if let Some(page) = next_page.filter(|_| listing.items.len() < 1_000_000) {
            listing.items.extend(items.iter().cloned());
            listing.page = page;
            return;
        }
        let Some(listing) = self.caches[device as usize].listing.take() else { return };
        if core::mem::take(&mut self.caches[device as usize].list_failures) > 0 {
            self.resume_reads(device);
        }
        let memory = &mut self.caches[device as usize];
        memory.next_sync = now + period_ms;
        let is_same = memory.is_clean && listing.items.is_empty() && memory.last.as_ref().is_some_and(|last| is_same_list(last, &items));
        if !listing.is_fresh && is_same {
            return;
        }
        memory.last = listing.items.is_empty().then(|| items.clone());
        self.hold_listing(device, listing, &items);
    }

    /// Takes up a listing with its last page.
    fn hold_listing(&mut self, device: u32, listing: Listing, items: &[Item]) {
        let mut all = listing.items;
        all.extend(items.iter().cloned());
        if listing.is_fresh {
            // This listing is the look that a path which is back asks for.
            let wanted = self.caches[device as usize].fresh_at;
            self.on_contact(device, listing.started_at);
            self.caches[device as usize].fresh_at = wanted;
        }
        self.compare_listing(device, all, Evidence { sent_at: listing.started_at, is_fresh: listing.is_fresh });
    }

    /// Holds a complete listing against all that is known of the lock.
    fn compare_listing(&mut self, device: u32, items: Vec<Item>, evidence: Evidence) {
        let now = self.now;
        let memory = &mut self.caches[device as usize];
        let is_first = !core::mem::replace(&mut memory.has_inventory, true);
        memory.is_clean = true;
        let known = core::mem::take(&mut memory.places);
        for item in items {
            memory.show(item, &known, now);
        }
        if evidence.is_fresh {
            memory.told.clear();
        }
        let places: Vec<Place> = self.caches[device as usize].places.keys().copied().collect();
        let mut created: BTreeSet<u64> = BTreeSet::new();
        for place in &places {
            let Some(item) = self.caches[device as usize].places.get(place).cloned() else { continue };
            if let Some(n) = self.place_item(device, &item, evidence) {
                created.insert(n);
            }
        }
        // Why they refused is to be seen now.
        let places = &self.caches[device as usize].places;
        let shown: Vec<Slot> =
            self.device(device).refusing.keys().copied().filter(|slot| places.contains_key(&Place::Slot(*slot))).collect();
        self.forget_refusals(device, |slot| shown.contains(&slot));
        let seen = self.caches[device as usize].places.values().filter(|item| item.on_lock != OnLock::No).count() as u32;
        if self.device(device).capacity_met.is_some_and(|met| met < seen) {
            // More than was known fitted in when the lock called itself full.
            self.device_mut(device).capacity_met = Some(seen);
        }
        let numbers: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
        for n in numbers {
            self.compare_missing(At { device, n }, created.contains(&n), evidence);
        }
        if evidence.is_fresh {
            self.forget_nameless(device, |_| true);
        }
        self.end_recovery(device, evidence);
        if is_first {
            // Everything may hang on the inventory: codes that could not be written without it go on.
            self.stir(device);
        } else {
            self.stir_if_waiting(device);
        }
    }

    /// What outlived a join in these places was found by now, or has left: from here on an equal PIN in the same slot under another name is somebody's (`R-57`).
    pub(super) fn forget_nameless(&mut self, device: u32, is_meant: impl Fn(Place) -> bool) {
        let is_past = |held: &Held| held.name.is_none() && matches!(held.place, Place::Slot(_)) && is_meant(held.place);
        if !self.profile(device).shows_names || !self.device(device).codes.iter().any(|code| code.past.iter().any(is_past)) {
            return;
        }
        for code in &mut self.device_mut(device).codes {
            code.past.retain(|held| !is_past(held));
        }
    }

    /// Whether a fresh listing is wanted or under way.
    pub(super) fn is_fresh_listing_coming(&self, device: u32) -> bool {
        let memory = &self.caches[device as usize];
        let can_be = self.profile(device).read_back != ReadBack::None;
        can_be && (memory.fresh_at.is_some() || memory.listing.as_ref().is_some_and(|listing| listing.is_fresh))
    }

    /// Codes that wait for what a listing tells are looked at.
    fn stir_if_waiting(&mut self, device: u32) {
        let codes = &self.device(device).codes;
        let waiting: Vec<u64> = codes
            .iter()
            .filter(|code| {
                code.write.is_some() || code.episode.is_some() || !code.surplus.is_empty() || (code.is_gone && code.held.is_some())
            })
            .map(|code| code.n)
            .collect();
        for n in waiting {
            self.again(At { device, n });
        }
    }

    /// Finds whose entry an item is, and what it tells. Returns the number of the code whose unsettled creation it is, if it is one.
    pub(super) fn place_item(&mut self, device: u32, item: &Item, evidence: Evidence) -> Option<u64> {
        if let Some(n) = self.owner_of_place(device, item.place) {
            self.on_shown(At { device, n }, item.place, Some(item), evidence);
            return None;
        }
        if self.is_managed_elsewhere(device, item.place) {
            self.on_stranger(device, item);
            return None;
        }
        if self.is_under_former_handle(device, item) && self.on_former_entry(device, item, evidence) {
            return None;
        }
        if let Some(n) = self.take_assigned(device, item) {
            return Some(n);
        }
        if let Some(n) = self.writer_of(device, item) {
            let at = At { device, n };
            if self.is_rather_written_elsewhere(at, item) {
                self.on_stranger(device, item);
                return None;
            }
            self.judge_write(at, Some(item), evidence);
            return Some(n);
        }
        if let Some(n) = self.awaited_by(device, item) {
            self.take_awaited(At { device, n }, item);
            return Some(n);
        }
        if self.on_former_entry(device, item, evidence) {
            return None;
        }
        if let (Some(n), Place::Handle(handle)) = (self.edited_creation(device, item, evidence), item.place) {
            let at = At { device, n };
            self.keep_unanswered(at);
            self.on_applied(at, Some(handle));
            self.on_shown(at, item.place, Some(item), evidence);
            return Some(n);
        }
        if let Some(n) = self.author_of_blank(device, item) {
            let at = At { device, n };
            // What an outage left waits for its end instead (`R-21`).
            if self.code(at).before_outage.is_none() {
                self.hold_useless(at, item, None);
                self.want_verify(at, self.now + MINUTE_MS);
            }
            return None;
        }
        if !evidence.is_fresh && self.may_be_older(device, item, evidence) {
            let has_left = self.device(device).left_at(item.place).is_some();
            let memory = &mut self.caches[device as usize];
            memory.is_clean = false;
            if has_left {
                memory.places.remove(&item.place);
            }
            self.want_listing(device, self.now);
        } else if !self.hides_own_write(device) {
            self.on_stranger(device, item);
        }
        None
    }

    /// The code that had an entry of this name in this place until lately and has none now. Some locks show a PIN only some time after it was written
    /// (`pin_blank_after_write`): until then a copy of its write that ran after all can't be told from others' work.
    pub(super) fn author_of_blank(&self, device: u32, item: &Item) -> Option<u64> {
        if item.pin != ShownPin::Blank || item.name.is_none() || hides_pin(self.profile(device)) {
            return None;
        }
        let is_bare = |code: &&Code| code.held.is_none() && code.write.is_none() && self.wanted(code).is_some();
        let had_it = |code: &Code| code.past.iter().any(|past| past.place == item.place && past.name == item.name);
        self.device(device).codes.iter().filter(is_bare).find(|code| had_it(code)).map(|code| code.n)
    }

    /// Whether an item has an id that an entry of ours once had: no other write can have made it, whatever else it equals.
    pub(super) fn is_under_former_handle(&self, device: u32, item: &Item) -> bool {
        let is_it = |past: &Held| matches!(item.place, Place::Handle(_)) && past.place == item.place;
        self.former_owner_of(device, item).is_some_and(|(_, past)| is_it(past))
    }

    /// An entry like one that was ours. Returns whether it is.
    fn on_former_entry(&mut self, device: u32, item: &Item, evidence: Evidence) -> bool {
        let Some((n, past)) = self.former_owner_of(device, item) else { return false };
        if item.on_lock == OnLock::No {
            // A copy of a write that has yet to run, if it ever will: nothing of it is in the lock.
            self.caches[device as usize].is_clean = false;
            return true;
        }
        let lag = self.lag_of(device, evidence);
        let may_show = |past: &Held| self.policy.read_may_overturn(evidence.sent_at, past.confirmed_at, lag);
        let has_just_left = self.code(At { device, n }).past.iter().any(|past| past.place == item.place && !may_show(past));
        let is_late_enough = may_show(past);
        // Once it was shown to be back in its slot, it is ours whatever others name it (`R-64` a).
        let back = (is_late_enough && matches!(item.place, Place::Slot(_))).then(|| Held { place: item.place, name: None, ..past.clone() });
        if evidence.is_fresh && is_late_enough && !self.is_written_elsewhere(device, item) {
            self.take_back(At { device, n }, item);
        } else {
            let memory = &mut self.caches[device as usize];
            if has_just_left {
                // An old listing shows what has left since: it takes no place.
                memory.places.remove(&item.place);
            }
            // Only a look past every cache shows a return.
            memory.is_clean = false;
            if let Some(back) = back {
                let confirmed_at = back.confirmed_at;
                remember(&mut self.code_mut(At { device, n }).past, back, confirmed_at);
            }
            self.want_listing(device, self.now);
        }
        true
    }

    /// Whether an item may be what a stranger had in the same place until lately, or one that tells nothing of itself what a code of ours had.
    fn may_be_older(&self, device: u32, item: &Item, evidence: Evidence) -> bool {
        let lag = self.profile(device).read_lag_ms;
        let left_at = self.device(device).left_at(item.place);
        if left_at.is_some_and(|left_at| evidence.sent_at < left_at + lag) {
            return true;
        }
        let mut past = self.device(device).codes.iter().flat_map(|code| &code.past).filter(|past| past.place == item.place);
        tells_nothing(item) && past.any(|past| evidence.sent_at < past.confirmed_at + lag)
    }

    pub(super) fn owner_of_place(&self, device: u32, place: Place) -> Option<u64> {
        let codes = &self.device(device).codes;
        let held = codes.iter().find(|code| code.entries().any(|held| held.place == place));
        let written = || codes.iter().find(|code| code.write.as_ref().is_some_and(|write| write.place() == Some(place)));
        held.or_else(written).map(|code| code.n)
    }

    /// The code whose unsettled creation this entry equals in PIN, name and window (`P-09`).
    pub(super) fn writer_of(&self, device: u32, item: &Item) -> Option<u64> {
        let profile = self.profile(device);
        let is_its_own = |code: &&Code| {
            let creation = code.write.as_ref().filter(|write| write.place().is_none());
            creation
                .and_then(Write::content)
                .is_some_and(|(pin, window, name)| like(item, &Content { pin, window, name }, profile) == Likeness::Same)
        };
        self.device(device).codes.iter().find(is_its_own).map(|code| code.n)
    }

    /// The code whose unsettled creation stored this entry, by its PIN and its own name, before somebody gave it another window.
    fn edited_creation(&self, device: u32, item: &Item, evidence: Evidence) -> Option<u64> {
        let is_its_own = |code: &&Code| {
            let creation = code.write.as_ref().filter(|write| write.place().is_none() && write.sent_at <= evidence.sent_at);
            let is_it = |(pin, _, name): (Pin, _, Name)| item.pin == ShownPin::Shown(pin) && item.name.as_ref() == Some(&name);
            creation.and_then(Write::content).is_some_and(is_it)
        };
        self.device(device).codes.iter().find(is_its_own).map(|code| code.n)
    }

    /// The code that once had an entry just like this one: an old state of memory came back, or the world doubled a command (`F-06`).
    /// With it, what it held.
    pub(super) fn former_owner_of(&self, device: u32, item: &Item) -> Option<(u64, &Held)> {
        let codes = self.device(device).codes.iter().filter(|code| code.record.is_managed || code.is_gone);
        let owners = codes.flat_map(|code| self.pasts_of(At { device, n: code.n }, item).map(|past| (code.n, past)));
        // What may be a name that was cut short may as well be another one's whole name; PIN and window prove more than a PIN does, and a code has rather
        // the PIN that it has now than one that it once had.
        let is_of_old = |n: u64, past: &Held| past.pin != self.code(At { device, n }).record.code;
        owners.min_by_key(|(n, past)| (past.name != item.name, past.window != item.window, is_of_old(*n, past)))
    }

    /// The state of the code's entries, now or once, that an item equals. The like of what it took over is others' elsewhere, unless a join may have moved that.
    pub(super) fn past_of(&self, at: At, item: &Item) -> Option<&Held> {
        self.pasts_of(at, item).next()
    }

    fn pasts_of(&self, at: At, item: &Item) -> impl Iterator<Item = &Held> {
        let (code, profile) = (self.code(at), self.profile(at.device));
        let may_be_it = move |past: &Held| !past.is_bound || self.may_have_moved_to(at, item, past);
        // What others made of it may in a slot as well be another's, unless a write of ours has yet to replace it.
        let is_same_entry = |held: &Held| held.place == item.place && (matches!(held.place, Place::Handle(_)) || code.write.is_some());
        let held = code.held.iter().filter(move |held| !held.is_edited || is_same_entry(held));
        code.past.iter().chain(held).filter(move |past| is_return_of(item, past, profile) && may_be_it(past))
    }

    /// Whether an entry of which there is but one may lie here now: where it lay, or after a join elsewhere, if it is not found there.
    fn may_have_moved_to(&self, at: At, item: &Item, past: &Held) -> bool {
        let is_where_it_lay = past.place == item.place;
        if !past.is_of_before() {
            return is_where_it_lay;
        }
        let is_found = self.code(at).entries().any(|held| held.place != item.place);
        let where_it_lay = self.caches[at.device as usize].places.get(&past.place);
        let is_shown_there = where_it_lay.is_some_and(|shown| is_return_of(shown, past, self.profile(at.device)));
        !is_found && (is_where_it_lay || !is_shown_there)
    }

    /// An entry of ours that should not be there, or not there.
    fn take_back(&mut self, at: At, item: &Item) {
        let now = self.now;
        let is_bound = self.past_of(at, item).is_some_and(|past| past.is_bound);
        let code = self.code_mut(at);
        let past = code.past.iter().chain(&code.held).find(|past| past.name == item.name || item.name.is_none());
        let pin = match item.pin {
            ShownPin::Shown(pin) => Some(pin),
            ShownPin::Masked | ShownPin::Blank => past.and_then(|past| past.pin),
        };
        let found = Held {
            place: item.place,
            pin,
            window: item.window,
            name: item.name.clone(),
            is_enabled: item.enabled,
            is_edited: false,
            is_bound,
            confirmed_at: now,
        };
        code.surplus.push(found);
        self.take_up_surplus(at);
        self.again(at);
    }

    /// What came back serves a live code that has nothing else in the lock. Returns whether there was such an entry.
    pub(super) fn take_up_surplus(&mut self, at: At) -> bool {
        let code = self.code(at);
        if code.surplus.is_empty() || code.held.is_some() || code.write.is_some() || code.is_gone {
            return false;
        }
        let profile = self.profile(at.device).clone();
        let code = self.code_mut(at);
        let found = code.surplus.remove(0);
        code.held = Some(declared_as(found, code, &profile));
        true
    }

    /// While the PIN is hidden and no name is shown, a new entry may be our own unsettled creation.
    fn hides_own_write(&self, device: u32) -> bool {
        let profile = self.profile(device);
        let is_hidden = hides_pin(profile) && !profile.shows_names && profile.family == Family::ById;
        is_hidden && self.device(device).codes.iter().any(|code| code.write.is_some())
    }

    /// What a listing says by not showing something.
    fn compare_missing(&mut self, at: At, is_created: bool, evidence: Evidence) {
        let spacing = self.policy.absence_spacing_ms();
        let shown = |place: &Place| self.caches[at.device as usize].places.contains_key(place);
        let code = self.code(at);
        let lost: Vec<Place> = code.entries().map(|held| held.place).filter(|place| !shown(place)).collect();
        let is_lost = !lost.is_empty();
        if is_lost {
            self.caches[at.device as usize].is_clean = false;
            self.miss(at, &lost, evidence);
        }
        self.miss_awaited(at, evidence);
        let code = self.code(at);
        let is_sought = |write: &&Write| write.place().is_none() && write.content().is_some() && !is_created;
        let Some(write) = code.write.as_ref().filter(is_sought) else { return };
        let runs_before = write.runs_before_reads_since();
        if !evidence.is_fresh || runs_before.is_none_or(|since| evidence.sent_at < since) {
            return;
        }
        let only_tells_why = write.closed.is_some_and(|closing| matches!(closing.doubt, Doubt::PinTaken | Doubt::NameTaken));
        let is_proven = only_tells_why || self.policy.one_listing_proves_absence();
        match code.passing.absent_since {
            _ if is_proven => self.judge_write(at, None, evidence),
            Some(first) if evidence.sent_at >= first + spacing => self.judge_write(at, None, evidence),
            Some(first) => self.want_listing(at.device, first + spacing),
            None => {
                self.code_quiet(at).passing.absent_since = Some(evidence.sent_at);
                self.want_listing(at.device, evidence.sent_at + spacing);
            }
        }
    }

    /// A listing lacks entries of the code: a direct read must say so too, or another listing past every cache, later (`P-12`).
    fn miss(&mut self, at: At, lost: &[Place], evidence: Evidence) {
        let code = self.code(at);
        let held = code.held.as_ref().filter(|held| lost.contains(&held.place));
        let Some(held) = held else {
            // A surplus entry: its erasure finds out.
            return;
        };
        let (place, confirmed_at) = (held.place, held.confirmed_at);
        let told_at = code.told_removed_at.filter(|told_at| evidence.is_fresh && evidence.sent_at >= *told_at);
        if told_at.is_some() && code.write.is_none() {
            // A notice and a fresh listing since are proof, however young the entry was and whosesoever (P-12).
            let is_strangers = !code.record.is_managed && !code.is_gone;
            self.code_quiet(at).passing.verify_at = None;
            if is_strangers {
                self.on_stranger_shown(at, None, evidence);
            } else {
                self.overturn(at, None, evidence);
            }
        } else if self.policy.one_listing_proves_absence() && evidence.sent_at > confirmed_at {
            self.on_shown(at, place, None, Evidence { is_fresh: true, ..evidence });
        } else if code.write.is_none() {
            let is_listed_without = evidence.is_fresh && evidence.sent_at >= confirmed_at;
            match code.passing.absent_since.filter(|_| is_listed_without) {
                // Two such listings are proof, whatever became of the direct read (P-12).
                Some(first) if evidence.sent_at >= first + self.policy.absence_spacing_ms() => {
                    self.code_quiet(at).passing.absent_since = None;
                    self.on_shown(at, place, None, evidence);
                    return;
                }
                Some(_) => {}
                None if is_listed_without => self.code_quiet(at).passing.absent_since = Some(evidence.sent_at),
                None => {}
            }
            self.want_verify(at, self.now);
        }
    }
}

fn is_same_list(left: &Arc<[Item]>, right: &Arc<[Item]>) -> bool {
    Arc::ptr_eq(left, right) || left == right
}

/// Keeps what an entry held, for the day it comes back (`F-06`). Few are enough: older states are rarer still.
/// From then on `confirmed_at` says when it was known to be gone.
pub(super) fn remember(past: &mut Vec<Held>, held: Held, now: Timestamp) {
    const KEPT: usize = 4;
    if held.is_edited {
        return;
    }
    past.retain(|known| (known.pin, &known.name, known.window) != (held.pin, &held.name, held.window));
    past.push(Held { confirmed_at: now, ..held });
    if past.len() > KEPT {
        past.remove(0);
    }
}

/// What was found equals what is wanted up to what the lock rounds: then it is kept in the words of the record.
fn declared_as(found: Held, code: &Code, profile: &Profile) -> Held {
    let is_it = |past: &&Held| past.pin == found.pin && rounds_to(found.window, past.window, profile);
    let past = code.past.iter().filter(is_it).rfind(|past| past.name == found.name).or_else(|| code.past.iter().rfind(is_it));
    let wanted = code.stored_window();
    let is_wanted = rounds_to(found.window, wanted, profile);
    let window = if is_wanted { wanted } else { past.map_or(found.window, |past| past.window) };
    match past {
        Some(past) => Held { name: past.name.clone(), window, ..found },
        None => Held { window, ..found },
    }
}
