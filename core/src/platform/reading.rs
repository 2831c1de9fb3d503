//! Reading back: periodic listings, direct reads that prove, and what either shows of our entries (`R-04`, port.md 5, `P-12`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Platform;
use super::condition::earliest;
use super::pace::Urgency;
use super::programming::Content;
use super::state::{Code, Doubt, Held, Write};
use super::step::{At, Who};
use super::vendor::Symptom;
use crate::id::{CommandId, Epoch, Slot};
use crate::port::{Answer, Item, News, OnLock, Op, Place, ShownPin, SlotContent};
use crate::time::{MINUTE_MS, Timestamp, Window};
use crate::vendor::{Ack, Family, Profile, ReadBack};

/// A read under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub sent_at: Timestamp,
    pub kind: ReadKind,
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadKind {
    /// The devices of an account.
    Devices { account: u32 },
    /// The description of one device.
    Device { device: u32, epoch: Epoch },
    /// All entries of a lock.
    Entries { device: u32, epoch: Epoch },
    /// One place, for the code that is or may be there.
    Place { at: At, place: Place, epoch: Epoch },
    /// One slot, to see whether it is free.
    Scout { at: At, slot: Slot, epoch: Epoch },
}

/// What the last reads showed of a lock, and which are due. Free to lose.
#[derive(Debug)]
pub(super) struct Memory {
    pub wake: Option<Timestamp>,
    /// The last listing agreed with all that is known, and nothing changed since.
    pub is_clean: bool,
    last: Option<Arc<[Item]>>,
    pub places: BTreeMap<Place, Item>,
    /// All entries were listed in this incarnation, by this process.
    pub has_inventory: bool,
    listing: Option<Listing>,
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
    /// Begin of the latest exchange that the lock itself answered.
    pub contact_at: Option<Timestamp>,
    pub unreachable_at: Timestamp,
    /// Codes that wait for another write to this lock.
    pub waiting: BTreeSet<u64>,
}

#[derive(Debug)]
struct Listing {
    started_at: Timestamp,
    is_fresh: bool,
    items: Vec<Item>,
}

impl Memory {
    pub fn new(now: Timestamp) -> Self {
        Self {
            wake: None,
            is_clean: false,
            last: None,
            places: BTreeMap::new(),
            has_inventory: false,
            listing: None,
            next_sync: now,
            fresh_at: None,
            list_not_before: now,
            list_failures: 0,
            recover_from: None,
            condition_at: None,
            condition_again_at: None,
            condition_read: None,
            condition_failures: 0,
            contact_at: None,
            unreachable_at: Timestamp::MIN,
            waiting: BTreeSet::new(),
        }
    }
}

impl Memory {
    /// Nothing known of a new incarnation; only the registered wake stays.
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self { wake: self.wake, ..Self::new(now) }
    }
}

/// How far a read may be relied on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub sent_at: Timestamp,
    pub is_fresh: bool,
}

/// Whether an entry is what was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Same,
    Different,
    /// The vendor shows too little to tell.
    Undecided,
}

impl Platform {
    /// The device's own business: its description, its listing, its pool, its peace.
    pub(super) fn tend(&mut self, device: u32) {
        self.tend_condition(device);
        self.calm_down(device);
        self.refill(device);
        self.tend_listing(device);
        let now = self.now;
        let memory = &self.caches[device as usize];
        let condition_at = memory.condition_at.filter(|at| *at > now && self.is_askable(device));
        let listing_at = self.listing_wanted(device).map(|(at, _)| at).filter(|at| *at > now);
        let calm_at = self.device(device).last_reversal.map(|at| at + self.config.policy.reversal_calm_ms).filter(|at| *at > now);
        self.wake_device(device, earliest(earliest(condition_at, listing_at), calm_at));
    }

    /// When the entries are to be listed next, and whether past every cache.
    fn listing_wanted(&self, device: u32) -> Option<(Timestamp, bool)> {
        let (state, memory) = (self.device(device), &self.caches[device as usize]);
        if memory.listing.is_some() || !self.is_askable(device) || self.profile(device).read_back == ReadBack::None {
            return None;
        }
        if state.unreachable.is_some() {
            // Only an answer of the lock itself shows that it can be reached again.
            let probe_at = memory.unreachable_at + self.policy.probe_delay_ms(memory.list_failures);
            return Some((memory.fresh_at.unwrap_or(probe_at).max(memory.list_not_before), true));
        }
        if state.has_path_error() {
            return None;
        }
        let fresh = memory.fresh_at.map(|at| (at, true));
        let (at, is_fresh) = fresh.filter(|(at, _)| *at <= memory.next_sync).unwrap_or((memory.next_sync, false));
        Some((at.max(memory.list_not_before), is_fresh))
    }

    fn tend_listing(&mut self, device: u32) {
        if self.profile(device).read_back == ReadBack::None {
            self.caches[device as usize].has_inventory = true;
            return;
        }
        let Some((_, is_fresh)) = self.listing_wanted(device).filter(|(at, _)| *at <= self.now) else { return };
        let account = self.device(device).account;
        let urgency = if is_fresh { Urgency::Proof } else { Urgency::Sync };
        if self.may_call(account, urgency, Who::device(device)) {
            let now = self.now;
            let memory = &mut self.caches[device as usize];
            memory.listing = Some(Listing { started_at: now, is_fresh, items: Vec::new() });
            if is_fresh {
                memory.fresh_at = None;
            }
            self.ask_for_entries(device, 0, is_fresh);
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

    /// An answer to any read.
    pub(super) fn on_read_answer(&mut self, read: Read, answer: Answer) {
        match read.kind {
            ReadKind::Devices { account } => self.on_devices(account, &read, answer),
            ReadKind::Device { device, epoch } if self.device(device).epoch() == epoch => self.on_device(device, &read, &answer),
            ReadKind::Entries { device, epoch } if self.device(device).epoch() == epoch => self.on_entries(device, &read, answer),
            ReadKind::Place { at, place, epoch } if self.device(at.device).epoch() == epoch => self.on_place(at, place, &read, &answer),
            ReadKind::Scout { at, slot, epoch } if self.device(at.device).epoch() == epoch => self.on_scouted(at, slot, &read, &answer),
            // Read in an incarnation that is over.
            ReadKind::Device { .. } | ReadKind::Entries { .. } | ReadKind::Place { .. } | ReadKind::Scout { .. } => {}
        }
    }

    fn on_entries(&mut self, device: u32, read: &Read, answer: Answer) {
        self.again_device(device);
        let (now, policy, account) = (self.now, self.policy, self.device(device).account);
        let Some(listing) = &mut self.caches[device as usize].listing else { return };
        let Answer::Entries { items, next_page } = answer else {
            let is_fresh = listing.is_fresh;
            let memory = &mut self.caches[device as usize];
            memory.listing = None;
            memory.list_not_before = now + policy.probe_delay_ms(memory.list_failures);
            memory.list_failures = memory.list_failures.saturating_add(1);
            if is_fresh {
                memory.fresh_at = Some(memory.list_not_before);
            }
            self.take_condition(account, Some(device), read.sent_at, &answer);
            return;
        };
        let is_fresh = listing.is_fresh;
        if let Some(page) = next_page.filter(|_| listing.items.len() < 1_000_000) {
            listing.items.extend(items.iter().cloned());
            self.ask_for_entries(device, page, is_fresh);
            return;
        }
        let Some(listing) = self.caches[device as usize].listing.take() else { return };
        let period = self.config.policy.sync_period_ms;
        let memory = &mut self.caches[device as usize];
        memory.next_sync = now + period;
        memory.list_failures = 0;
        let is_same = memory.is_clean && listing.items.is_empty() && memory.last.as_ref().is_some_and(|last| is_same_list(last, &items));
        if !listing.is_fresh && is_same {
            return;
        }
        memory.last = listing.items.is_empty().then(|| items.clone());
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
        let memory = &mut self.caches[device as usize];
        memory.has_inventory = true;
        memory.is_clean = true;
        memory.places = items.into_iter().map(|item| (item.place, item)).collect();
        let places: Vec<Place> = self.caches[device as usize].places.keys().copied().collect();
        let mut matched: BTreeSet<u64> = BTreeSet::new();
        for place in &places {
            let Some(item) = self.caches[device as usize].places.get(place).cloned() else { continue };
            if let Some(n) = self.place_item(device, &item, evidence) {
                matched.insert(n);
            }
        }
        let numbers: Vec<u64> = self.device(device).codes.iter().map(|code| code.n).collect();
        for n in numbers {
            self.compare_missing(At { device, n }, matched.contains(&n), evidence);
        }
        self.end_recovery(device, evidence);
        self.stir_if_waiting(device);
    }

    /// Everything may hang on the inventory: codes that could not be written without it go on.
    fn stir_if_waiting(&mut self, device: u32) {
        let codes = &self.device(device).codes;
        let waiting: Vec<u64> = codes
            .iter()
            .filter(|code| {
                code.write.is_some() || code.episode.is_some() || !code.surplus.is_empty() || (code.is_gone && code.held.is_some())
            })
            .map(|code| code.n)
            .collect();
        waiting.into_iter().for_each(|n| self.again(At { device, n }));
    }

    /// Finds whose entry an item is, and what it tells. Returns the number of its code.
    fn place_item(&mut self, device: u32, item: &Item, evidence: Evidence) -> Option<u64> {
        if let Some(n) = self.owner_of_place(device, item.place) {
            self.on_shown(At { device, n }, item.place, Some(item), evidence);
            return Some(n);
        }
        if let Some(n) = self.writer_of(device, item) {
            let at = At { device, n };
            self.judge_write(at, Some(item), evidence);
            return Some(n);
        }
        if let Some(n) = self.former_owner_of(device, item) {
            self.take_back(At { device, n }, item);
            return Some(n);
        }
        if !self.hides_own_write(device) {
            self.on_stranger(device, item);
        }
        None
    }

    fn owner_of_place(&self, device: u32, place: Place) -> Option<u64> {
        let codes = &self.device(device).codes;
        let held = codes.iter().find(|code| code.entries().any(|held| held.place == place));
        let written = || codes.iter().find(|code| code.write.as_ref().is_some_and(|write| write.place() == Some(place)));
        held.or_else(written).map(|code| code.n)
    }

    /// The code whose unsettled creation this entry equals in PIN, name and window (`P-09`).
    fn writer_of(&self, device: u32, item: &Item) -> Option<u64> {
        let profile = self.profile(device);
        let is_its_own = |code: &&Code| {
            let creation = code.write.as_ref().filter(|write| write.place().is_none());
            creation
                .and_then(Write::content)
                .is_some_and(|(pin, window, name)| like(item, &Content { pin, window, name }, profile) == Likeness::Same)
        };
        self.device(device).codes.iter().find(is_its_own).map(|code| code.n)
    }

    /// The code that once had an entry just like this one: an old state of memory came back, or the world doubled a command (`F-06`).
    fn former_owner_of(&self, device: u32, item: &Item) -> Option<u64> {
        let profile = self.profile(device);
        let was_its_own = |code: &&Code| code.past.iter().chain(&code.held).any(|past| is_return_of(item, past, profile));
        self.device(device).codes.iter().filter(|code| code.record.is_managed || code.is_gone).find(was_its_own).map(|code| code.n)
    }

    /// An entry of ours that should not be there, or not there.
    fn take_back(&mut self, at: At, item: &Item) {
        let now = self.now;
        let code = self.code_mut(at);
        let past = code.past.iter().chain(&code.held).find(|past| past.name == item.name || item.name.is_none());
        let pin = match item.pin {
            ShownPin::Shown(pin) => Some(pin),
            ShownPin::Masked | ShownPin::Blank => past.and_then(|past| past.pin),
        };
        let found =
            Held { place: item.place, pin, window: item.window, name: item.name.clone(), is_enabled: item.enabled, confirmed_at: now };
        if code.held.is_none() && code.write.is_none() && !code.is_gone {
            code.held = Some(declared_as(found, code));
        } else {
            code.surplus.push(found);
        }
        self.again(at);
    }

    /// While the PIN is hidden and no name is shown, a new entry may be our own unsettled creation.
    fn hides_own_write(&self, device: u32) -> bool {
        let profile = self.profile(device);
        let is_hidden = hides_pin(profile) && !profile.shows_names && profile.family == Family::ById;
        is_hidden && self.device(device).codes.iter().any(|code| code.write.is_some())
    }

    /// What a listing says by not showing something.
    fn compare_missing(&mut self, at: At, is_matched: bool, evidence: Evidence) {
        let spacing = self.policy.absence_spacing_ms();
        let shown = |place: &Place| self.caches[at.device as usize].places.contains_key(place);
        let code = self.code(at);
        let lost: Vec<Place> = code.entries().map(|held| held.place).filter(|place| !shown(place)).collect();
        let is_lost = !lost.is_empty();
        if is_lost {
            self.caches[at.device as usize].is_clean = false;
            self.miss(at, &lost, evidence);
        }
        let code = self.code(at);
        let Some(write) = code.write.as_ref().filter(|write| write.place().is_none() && !is_matched) else { return };
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

    /// A listing lacks entries of the code: a direct read must say so too (`P-12`).
    fn miss(&mut self, at: At, lost: &[Place], evidence: Evidence) {
        let code = self.code(at);
        let held = code.held.as_ref().filter(|held| lost.contains(&held.place));
        let Some(held) = held else {
            // A surplus entry: its erasure finds out.
            return;
        };
        let (place, confirmed_at) = (held.place, held.confirmed_at);
        let lag = self.profile(at.device).read_lag_ms;
        if self.policy.one_listing_proves_absence() && evidence.sent_at > confirmed_at {
            self.on_shown(at, place, None, Evidence { is_fresh: true, ..evidence });
        } else if code.write.is_none() {
            self.want_verify(at, confirmed_at + lag);
        }
    }

    /// Wants a direct fresh read of the code's place.
    pub(super) fn want_verify(&mut self, at: At, not_before: Timestamp) {
        let passing = &mut self.code_quiet(at).passing;
        passing.verify_at = Some(passing.verify_at.map_or(not_before, |wanted| wanted.min(not_before)));
        self.again(at);
    }

    /// A code that still waits for the read that ends its outage.
    pub(super) fn want_recovery_listing(&mut self, device: u32) {
        let memory = &self.caches[device as usize];
        let is_under_way = memory.fresh_at.is_some() || memory.listing.as_ref().is_some_and(|listing| listing.is_fresh);
        if memory.recover_from.is_some() && !is_under_way {
            self.want_listing(device, self.now);
        }
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

    /// Reads the place of the code's write or entry directly, when it is time to.
    pub(super) fn verify(&mut self, at: At) -> Option<Timestamp> {
        let code = self.code(at);
        let place = code.write.as_ref().and_then(Write::place).or(code.held.as_ref().map(|held| held.place))?;
        if code.passing.read.is_some() || self.device(at.device).has_path_error() {
            return None;
        }
        let wait = earliest_of_both(code.passing.verify_at, code.passing.read_not_before);
        if wait.is_some_and(|wait| wait > self.now) {
            return wait;
        }
        if self.profile(at.device).read_back == ReadBack::None {
            self.code_quiet(at).passing.verify_at = None;
            return None;
        }
        let account = self.device(at.device).account;
        if self.may_call(account, Urgency::Proof, Who::Lock(at)) {
            let op = match place {
                Place::Handle(handle) => Op::ReadEntry { handle, fresh: true },
                Place::Slot(slot) => Op::ReadSlot { slot, fresh: true },
            };
            let epoch = self.device(at.device).epoch();
            self.ask_for_code(at, op, ReadKind::Place { at, place, epoch });
        }
        None
    }

    fn ask_for_code(&mut self, at: At, op: Op, kind: ReadKind) {
        let account = self.device(at.device).account;
        let id = self.code(at).record.access_code_id;
        let command = self.send_read(account, Some(at.device), Some(id), op);
        self.reads.insert(command, Read { sent_at: self.now, kind });
        self.code_quiet(at).passing.read = Some(command);
    }

    /// A direct read has answered, or failed to.
    fn on_place(&mut self, at: At, place: Place, read: &Read, answer: &Answer) {
        if self.find(at).is_none() {
            return;
        }
        self.code_quiet(at).passing.read = None;
        self.again(at);
        let shown = match answer {
            Answer::Entry(item) | Answer::Slot(SlotContent::Occupied(item)) => Some(item),
            Answer::NotFound | Answer::Slot(SlotContent::Free { .. } | SlotContent::Reserved) => None,
            Answer::Accepted
            | Answer::Done { .. }
            | Answer::Refused(_)
            | Answer::Busy
            | Answer::QueueFull
            | Answer::RateLimited { .. }
            | Answer::Unreachable(_)
            | Answer::Unauthorized
            | Answer::Gone
            | Answer::MaybeDuplicate
            | Answer::ServerError { .. }
            | Answer::TimedOut
            | Answer::Entries { .. }
            | Answer::Devices { .. }
            | Answer::Device(_)
            | Answer::Clock { .. } => {
                self.on_read_failure(at, read, answer);
                return;
            }
        };
        let passing = &mut self.code_quiet(at).passing;
        passing.read_failures = 0;
        passing.read_not_before = None;
        self.on_contact(at.device, read.sent_at);
        let places = &mut self.caches[at.device as usize].places;
        match shown {
            Some(item) => places.insert(place, Item { place, ..item.clone() }),
            None => places.remove(&place),
        };
        self.on_shown(at, place, shown, Evidence { sent_at: read.sent_at, is_fresh: true });
    }

    fn on_read_failure(&mut self, at: At, read: &Read, answer: &Answer) {
        let account = self.device(at.device).account;
        self.take_condition(account, Some(at.device), read.sent_at, answer);
        let (now, policy) = (self.now, self.policy);
        let passing = &mut self.code_quiet(at).passing;
        passing.read_not_before = Some(now + policy.probe_delay_ms(passing.read_failures));
        passing.read_failures = passing.read_failures.saturating_add(1);
    }

    /// What a read shows in a place of the code.
    fn on_shown(&mut self, at: At, place: Place, item: Option<&Item>, evidence: Evidence) {
        let code = self.code(at);
        if code.write.as_ref().is_some_and(|write| write.place() == Some(place)) {
            self.judge_write(at, item, evidence);
            return;
        }
        if code.write.is_some() {
            return;
        }
        let Some(held) = code.held.as_ref().filter(|held| held.place == place) else {
            if item.is_none() && evidence.is_fresh {
                self.on_erased(at, Some(place));
            }
            return;
        };
        if !code.record.is_managed && !code.is_gone {
            self.on_stranger_shown(at, item, evidence);
            return;
        }
        let likeness = item.map_or(Likeness::Different, |item| like_held(item, held, self.profile(at.device)));
        let is_disabled = item.is_some_and(|item| !item.enabled) && held.is_enabled && self.policy.detects_disabled_as_modified();
        if likeness != Likeness::Different && !is_disabled {
            self.on_still_there(at, evidence);
            return;
        }
        let confirmed_at = held.confirmed_at;
        let lag = self.profile(at.device).read_lag_ms;
        if self.policy.read_may_overturn(evidence.sent_at, confirmed_at, lag, evidence.is_fresh) {
            self.code_quiet(at).passing.verify_at = None;
            self.overturn(at, item);
        } else {
            self.caches[at.device as usize].is_clean = false;
            self.want_verify(at, confirmed_at + lag);
        }
    }

    fn on_still_there(&mut self, at: At, evidence: Evidence) {
        if evidence.is_fresh {
            let passing = &mut self.code_quiet(at).passing;
            passing.verify_at = None;
            passing.was_told_removed = false;
        }
        if self.ends_outage(at, evidence) {
            self.resolve(at);
        }
    }

    /// Whether this read is the one that recovery waits for (`R-21`).
    pub(super) fn ends_outage(&self, at: At, evidence: Evidence) -> bool {
        let recover_from = self.caches[at.device as usize].recover_from;
        self.code(at).before_outage.is_some()
            && self.is_askable(at.device)
            && evidence.is_fresh
            && recover_from.is_some_and(|from| evidence.sent_at >= from)
    }

    /// After the listing that recovery waited for: codes without a known entry need nothing more, the others were compared or are verified.
    fn end_recovery(&mut self, device: u32, evidence: Evidence) {
        let numbers: Vec<u64> = self.device(device).live().filter(|code| code.before_outage.is_some()).map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            if self.code(at).held.is_none() && self.ends_outage(at, evidence) {
                self.resolve_without_entry(at);
            }
        }
    }

    /// Without read-back the last confirmation stands (`R-21`).
    pub(super) fn resolve_all(&mut self, device: u32) {
        let numbers: Vec<u64> = self.device(device).live().filter(|code| code.before_outage.is_some()).map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            if self.code(at).held.is_some() { self.resolve(at) } else { self.resolve_without_entry(at) }
        }
    }

    /// What a read tells of a write that is not settled (`P-05`).
    fn judge_write(&mut self, at: At, item: Option<&Item>, evidence: Evidence) {
        let code = self.code(at);
        let Some(write) = code.write.clone() else { return };
        let is_conclusive = evidence.is_fresh && write.runs_before_reads_since().is_some_and(|since| evidence.sent_at >= since);
        let is_after_sending = evidence.is_fresh && evidence.sent_at >= write.sent_at;
        let Some((pin, window, name)) = write.content() else {
            self.judge_change(at, &write, item, is_conclusive, is_after_sending);
            return;
        };
        let profile = self.profile(at.device);
        let content = Content { pin, window, name };
        let likeness = item.map_or(Likeness::Different, |item| like(item, &content, profile));
        let is_new_to_lock =
            code.entries().chain(&code.past).all(|past| past.pin != Some(pin) || past.name.as_ref() != Some(&content.name));
        let may_adopt = self.policy.adopts_own_entry_after_ambiguity() && (is_after_sending || is_new_to_lock);
        let is_taken_for_proof = item.is_some() && self.policy.occupied_slot_is_proof();
        match (likeness, item) {
            (Likeness::Same, Some(item)) if item.on_lock == OnLock::No => self.on_not_loaded(at, &write),
            (Likeness::Same, Some(item)) if may_adopt => self.adopt(at, item.place),
            (Likeness::Same, _) => {}
            (Likeness::Different | Likeness::Undecided, Some(item)) if is_taken_for_proof => self.adopt(at, item.place),
            (Likeness::Undecided, _) if is_conclusive => self.on_undecided(at, &write, item),
            (Likeness::Different, item) if is_conclusive => self.on_no_effect(at, &write, item),
            (Likeness::Different | Likeness::Undecided, _) => self.stop_looking(at),
        }
    }

    /// An inconclusive look at an open write: the closing answer will have another.
    fn stop_looking(&mut self, at: At) {
        if self.code(at).write.as_ref().is_some_and(|write| write.closed.is_none()) {
            self.code_quiet(at).passing.verify_at = None;
        }
    }

    /// Our own entry, found by reading (`F-01`).
    fn adopt(&mut self, at: At, place: Place) {
        let handle = match place {
            Place::Handle(handle) => Some(handle),
            Place::Slot(_) => None,
        };
        self.keep_unanswered(at);
        self.on_applied(at, handle);
    }

    /// An erasure, or a new schedule for an entry that stays.
    fn judge_change(&mut self, at: At, write: &Write, item: Option<&Item>, is_conclusive: bool, is_after_sending: bool) {
        let is_ours = item.filter(|item| self.is_still_ours(at, item)).is_some();
        match (&write.op, item) {
            (Op::SetSchedule { window, .. }, Some(item)) if rounds_to(item.window, *window, self.profile(at.device)) => {
                if is_after_sending {
                    self.keep_unanswered(at);
                    self.on_applied(at, None);
                }
            }
            (_, _) if is_ours && is_conclusive => self.on_no_effect(at, write, item),
            (_, _) if is_ours => self.stop_looking(at),
            (_, _) if is_after_sending => {
                let place = write.place();
                self.keep_unanswered(at);
                self.settle(at);
                self.on_erased(at, place);
            }
            (_, _) => self.stop_looking(at),
        }
    }

    /// Whether what lies in a place of the code is still the code's.
    pub(super) fn is_still_ours(&self, at: At, item: &Item) -> bool {
        let code = self.code(at);
        let Some(held) = code.entries().find(|held| held.place == item.place) else { return false };
        match item.place {
            Place::Handle(_) => true,
            Place::Slot(_) => {
                let has_our_name = held.name.is_some() && held.name == item.name;
                let has_our_pin = matches!(item.pin, ShownPin::Shown(pin) if Some(pin) == held.pin);
                let tells_nothing = item.name.is_none() && !matches!(item.pin, ShownPin::Shown(_));
                has_our_name || has_our_pin || tells_nothing
            }
        }
    }

    /// The vendor has the entry, the lock not yet (`lock_loads_late`).
    fn on_not_loaded(&mut self, at: At, write: &Write) {
        if write.closed.is_none() {
            return;
        }
        let (now, policy) = (self.now, self.policy);
        self.show(at, Symptom::NotLoaded);
        let passing = &mut self.code_quiet(at).passing;
        let wait = policy.probe_delay_ms(passing.read_failures);
        passing.read_failures = passing.read_failures.saturating_add(1);
        passing.absent_since = None;
        if write.place().is_some() {
            passing.verify_at = Some(now + wait);
        } else {
            self.want_listing(at.device, now + wait);
        }
    }

    /// Something is there, and nobody can tell what: only `Done` proves, so the same place is written again.
    fn on_undecided(&mut self, at: At, write: &Write, item: Option<&Item>) {
        let is_blank = item.is_some_and(|item| item.pin == ShownPin::Blank) && !hides_pin(self.profile(at.device));
        let (now, policy) = (self.now, self.policy);
        let passing = &mut self.code_quiet(at).passing;
        if is_blank && passing.read_failures < 3 {
            // Some locks show a PIN only some time after it was written (`pin_blank_after_write`).
            passing.verify_at = Some(now + policy.probe_delay_ms(passing.read_failures));
            passing.read_failures += 1;
            return;
        }
        self.on_no_effect(at, write, None);
        if let Some(Place::Slot(slot)) = write.place() {
            self.code_quiet(at).passing.kept_slot = Some(slot);
        }
    }

    /// A conclusive read: the write changed nothing. An open one still waits for its closing answer (`I-DEV-09`).
    fn on_no_effect(&mut self, at: At, write: &Write, item: Option<&Item>) {
        let is_storing = write.content().is_some();
        if is_storing && let Some(place) = write.place() {
            let is_lost = item.is_none_or(|item| !self.is_still_ours(at, item));
            if is_lost && self.code(at).held.as_ref().is_some_and(|held| held.place == place) {
                self.forget_entry(at, place);
            }
        }
        match write.closed {
            Some(closing) => self.conclude(at, closing.doubt, closing.at),
            None => {
                let code = self.code_mut(at);
                code.passing.verify_at = None;
                if let Some(write) = &mut code.write {
                    write.is_without_effect = true;
                }
                self.again(at);
            }
        }
    }

    /// The lowest slot that nothing is known to be in, once a fresh read has shown it free (`V-02`, `I-DEV-07`).
    pub(super) fn scouted_slot(&mut self, at: At) -> Option<Slot> {
        if let Some(slot) = self.code(at).passing.kept_slot {
            return Some(slot);
        }
        let slot = self.free_slot(at)?;
        if !self.policy.lowest_free_slot_excludes_unknown() {
            return Some(slot);
        }
        let passing = &self.code(at).passing;
        let (period, now) = (self.config.policy.sync_period_ms, self.now);
        if passing.scouted.is_some_and(|(scouted, seen_at)| scouted == slot && now - seen_at < period) {
            return Some(slot);
        }
        let is_waiting = passing.read.is_some() || passing.read_not_before.is_some_and(|not_before| not_before > now);
        if is_waiting || self.is_scouted_by_other(at, slot) {
            return None;
        }
        let (account, epoch) = (self.device(at.device).account, self.device(at.device).epoch());
        if self.may_call(account, self.urgency(at), Who::Lock(at)) {
            self.ask_for_code(at, Op::ReadSlot { slot, fresh: true }, ReadKind::Scout { at, slot, epoch });
        }
        None
    }

    fn is_scouted_by_other(&mut self, at: At, slot: Slot) -> bool {
        let is_scouted = self.reads.values().any(|read| {
            matches!(read.kind, ReadKind::Scout { at: other, slot: scouted, .. }
            if other != at && other.device == at.device && scouted == slot)
        });
        if is_scouted {
            self.caches[at.device as usize].waiting.insert(at.n);
        }
        is_scouted
    }

    /// The lowest free slot; once in a fight with another writer, the highest (`R-62`).
    fn free_slot(&mut self, at: At) -> Option<Slot> {
        let (state, profile) = (self.device(at.device), self.profile(at.device));
        let last = state.info.positions.saturating_sub(profile.reserved_slots).min(u32::from(u16::MAX)) as u16;
        let last = state.first_missing_slot.map_or(last, |missing| last.min(missing.0.saturating_sub(1)));
        let places = &self.caches[at.device as usize].places;
        let is_free = |slot: &Slot| {
            let place = Place::Slot(*slot);
            !places.contains_key(&place) && !state.closed_slots.contains(slot) && self.owner_of_place(at.device, place).is_none()
        };
        let mut slots = (1..=last).map(Slot);
        if self.code(at).is_in_fight { slots.rev().find(is_free) } else { slots.find(is_free) }
    }

    fn on_scouted(&mut self, at: At, slot: Slot, read: &Read, answer: &Answer) {
        if self.find(at).is_none() {
            return;
        }
        self.code_quiet(at).passing.read = None;
        let waiting = core::mem::take(&mut self.caches[at.device as usize].waiting);
        waiting.into_iter().for_each(|n| self.again(At { device: at.device, n }));
        self.again(at);
        let is_answer = matches!(answer, Answer::Slot(_) | Answer::NotFound);
        if is_answer {
            let passing = &mut self.code_quiet(at).passing;
            passing.read_failures = 0;
            passing.read_not_before = None;
            self.on_contact(at.device, read.sent_at);
        }
        match answer {
            Answer::Slot(SlotContent::Free { .. }) => {
                self.caches[at.device as usize].places.remove(&Place::Slot(slot));
                self.code_quiet(at).passing.scouted = Some((slot, read.sent_at));
            }
            Answer::Slot(SlotContent::Occupied(item)) => {
                let item = Item { place: Place::Slot(slot), ..item.clone() };
                self.caches[at.device as usize].places.insert(item.place, item.clone());
                self.place_item(at.device, &item, Evidence { sent_at: read.sent_at, is_fresh: true });
            }
            Answer::Slot(SlotContent::Reserved) => {
                self.device_mut(at.device).closed_slots.insert(slot);
            }
            Answer::NotFound => {
                let state = self.device_mut(at.device);
                state.first_missing_slot = Some(state.first_missing_slot.map_or(slot, |known| known.min(slot)));
            }
            Answer::Accepted
            | Answer::Done { .. }
            | Answer::Refused(_)
            | Answer::Busy
            | Answer::QueueFull
            | Answer::RateLimited { .. }
            | Answer::Unreachable(_)
            | Answer::Unauthorized
            | Answer::Gone
            | Answer::MaybeDuplicate
            | Answer::ServerError { .. }
            | Answer::TimedOut
            | Answer::Entries { .. }
            | Answer::Entry(_)
            | Answer::Devices { .. }
            | Answer::Device(_)
            | Answer::Clock { .. } => self.on_read_failure(at, read, answer),
        }
    }

    /// A slot that a refusal showed to be taken; the next listing tells by what.
    pub(super) fn note_occupied(&mut self, device: u32, place: Place) {
        let item = Item { place, pin: ShownPin::Masked, name: None, window: None, enabled: true, on_lock: OnLock::Yes };
        self.caches[device as usize].places.insert(place, item);
        self.want_listing(device, self.now);
    }

    /// A notice about an entry: a hint to read (port.md 7).
    pub(super) fn on_entry_news(&mut self, device: u32, place: Place, news: &News) {
        let now = self.now;
        let Some(n) = self.owner_of_place(device, place) else {
            self.want_listing(device, now);
            return;
        };
        let at = At { device, n };
        let is_removal = matches!(news, News::EntryRemoved(_));
        let code = self.code(at);
        if code.write.is_some() {
            if self.profile(device).ack == Ack::Nothing {
                self.want_verify(at, now);
            }
            return;
        }
        // Our own confirmed write sends notices too, and copies of them for a while.
        let is_echo = code.held.as_ref().is_some_and(|held| now - held.confirmed_at < 3 * MINUTE_MS);
        if is_removal {
            self.code_quiet(at).passing.was_told_removed = true;
        }
        if is_removal || !is_echo {
            let lag = self.profile(device).read_lag_ms;
            let confirmed_at = self.code(at).held.as_ref().map_or(now, |held| held.confirmed_at);
            self.want_verify(at, now.max(confirmed_at + lag));
        }
    }

    /// The lock says that a write added nothing (port.md 7). Without the write's own acceptance the notice may be an old copy.
    pub(super) fn on_not_added(&mut self, device: u32, slot: Slot, is_duplicate: bool) {
        let is_meant = |code: &&Code| {
            let write = code.write.as_ref();
            write.is_some_and(|write| write.place() == Some(Place::Slot(slot)) && write.content().is_some() && write.accepted_at.is_some())
        };
        let Some(n) = self.device(device).codes.iter().find(is_meant).map(|code| code.n) else { return };
        let at = At { device, n };
        if self.profile(device).ack != Ack::Nothing {
            return;
        }
        let doubt = if is_duplicate { Doubt::PinTaken } else { Doubt::Unclear };
        let is_settled = self.code(at).write.as_ref().is_some_and(|write| write.is_without_effect);
        if is_settled {
            self.conclude(at, doubt, self.now);
        } else {
            self.close_write(at, doubt);
        }
    }
}

fn is_same_list(left: &Arc<[Item]>, right: &Arc<[Item]>) -> bool {
    Arc::ptr_eq(left, right) || left == right
}

fn earliest_of_both(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.max(right)),
        (left, right) => left.or(right),
    }
}

/// Whether reads of this lock never show PINs.
pub(super) fn hides_pin(profile: &Profile) -> bool {
    matches!(profile.read_back, ReadBack::Masked | ReadBack::Presence)
}

/// Keeps what an entry held, for the day it comes back (`F-06`). Few are enough: older states are rarer still.
pub(super) fn remember(past: &mut Vec<Held>, held: Held) {
    const KEPT: usize = 4;
    past.retain(|known| (known.pin, &known.name, known.window) != (held.pin, &held.name, held.window));
    past.push(held);
    if past.len() > KEPT {
        past.remove(0);
    }
}

/// What was found equals what is wanted up to what the lock rounds: then it is kept in the words of the record.
fn declared_as(found: Held, code: &Code) -> Held {
    let past = code.past.iter().rfind(|past| past.pin == found.pin);
    match past {
        Some(past) => Held { name: past.name.clone(), window: past.window, ..found },
        None => found,
    }
}

fn rounds_to(shown: Option<Window>, sent: Option<Window>, profile: &Profile) -> bool {
    let rounded = |window: Option<Window>| window.map(|window| window.rounded_outward(profile.round_ms.max(1)));
    !profile.schedules || rounded(shown) == rounded(sent)
}

/// A displayed name, where the lock may have cut it short (`name_cut_short`). Where the name is the only proof, it must be whole.
fn is_name_of(shown: &str, sent: &str, profile: &Profile) -> bool {
    shown == sent || (!hides_pin(profile) && !shown.is_empty() && sent.starts_with(shown))
}

/// Whether an entry is what a write stored: equal in PIN, name and window, as far as they are shown (`P-09`, `P-14`).
fn like(item: &Item, content: &Content, profile: &Profile) -> Likeness {
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
fn like_held(item: &Item, held: &Held, profile: &Profile) -> Likeness {
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
        ShownPin::Masked | ShownPin::Blank if is_same_name == Some(false) => Likeness::Different,
        ShownPin::Masked | ShownPin::Blank => Likeness::Undecided,
    }
}

/// Whether an entry in a place that nobody claims is one of ours of old: with a shown PIN by PIN, window and name; with a hidden one by its
/// unique name; without names only in its old place.
fn is_return_of(item: &Item, past: &Held, profile: &Profile) -> bool {
    let name = match (&item.name, &past.name) {
        (Some(shown), Some(sent)) => Some(is_name_of(shown, sent, profile)),
        (Some(_) | None, _) => None,
    };
    let is_same_window = rounds_to(item.window, past.window, profile);
    let is_known_place = profile.family == Family::ById || item.place == past.place;
    match item.pin {
        ShownPin::Shown(pin) => Some(pin) == past.pin && is_same_window && (name == Some(true) || (name.is_none() && is_known_place)),
        ShownPin::Masked | ShownPin::Blank => hides_pin(profile) && name == Some(true),
    }
}
