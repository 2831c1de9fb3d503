//! What reads and descriptions show: the vendor's copy of a lock, which may be old, and the lock itself (`P-06`).

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::condition::BROKEN_LINKS;
use super::{Fate, LockCondition, LockSite, Order, SCAN_ENDS_AT, Site};
use crate::pin::Pin;
use crate::port::{Answer, DeviceInfo, HubInfo, Item, OnLock, Op, PathPart, Place, Reason, ShownPin, SlotContent};
use crate::time::Timestamp;
use crate::vendor::ReadBack;
use crate::world::lock::Source;
use crate::world::quirk::Quirk;

impl Site {
    /// Notes what plain reads may show from now on.
    pub(super) fn remember(&mut self, now: Timestamp, lock: usize) {
        let path_up = self.link_is_up(lock);
        let site = &mut self.locks[lock];
        let items = site.lock.items(now);
        if site.versions.back().is_some_and(|(_, last)| *last == items) {
            return;
        }
        site.versions.push_back((now, items));
        let horizon = now - site.lock.profile.read_lag_ms;
        while path_up && site.versions.len() > 1 && site.versions[1].0 <= horizon {
            site.versions.pop_front();
        }
    }

    pub(super) fn plain_listing(&self, now: Timestamp, lock: usize, page: u32, order: &Order, fate: Fate) -> (Answer, Option<Timestamp>) {
        let (snapshot_at, items) = self.shown(now, lock, order, fate);
        if fate.listing_empty {
            return (Answer::Entries { items: Arc::from([]), next_page: None }, Some(snapshot_at));
        }
        let (items, mut next_page) = page_of(&items, page, self.locks[lock].lock.profile.page_size);
        if fate.listing_truncated {
            next_page = None;
        }
        (Answer::Entries { items, next_page }, Some(snapshot_at))
    }

    pub(super) fn plain_read(&self, now: Timestamp, lock: usize, order: &Order, fate: Fate) -> (Answer, Option<Timestamp>) {
        let (snapshot_at, items) = self.shown(now, lock, order, fate);
        let place = match order.op {
            Op::ReadEntry { handle, .. } => Place::Handle(handle),
            Op::ReadSlot { slot, .. } => Place::Slot(slot),
            _ => return (Answer::Refused(Reason::NotSupported), None),
        };
        let item = items.iter().find(|item| item.place == place).cloned();
        (read_answer(place, item, &self.locks[lock]), Some(snapshot_at))
    }

    /// What plain reads show: the memory of a moment ago, or of the moment before the path went down (`P-06`).
    pub(super) fn shown(&self, now: Timestamp, lock: usize, order: &Order, fate: Fate) -> (Timestamp, Arc<[Item]>) {
        let site = &self.locks[lock];
        if site.lock.quirks.has(Quirk::CacheNeverRefreshed)
            && let Some((at, items)) = &site.refreshed
        {
            return (*at, items.clone());
        }
        let lag = if site.lock.quirks.has(Quirk::CacheBehindReport) { site.lock.profile.read_lag_ms } else { fate.staleness_ms };
        let mut snapshot_at = (order.emitted_at - lag).min(now);
        if let Some(down_since) = self.down_since(lock) {
            snapshot_at = snapshot_at.min(down_since);
        }
        let version = site.versions.iter().rev().find(|(since, _)| *since <= snapshot_at).unwrap_or(&site.versions[0]);
        snapshot_at = snapshot_at.max(version.0);
        let mut items = version.1.clone();
        if site.lock.profile.read_back == ReadBack::ExactLoaded {
            items = site.with_pending(items);
        }
        if site.lock.quirks.has(Quirk::PinBlankAfterWrite) {
            items = site.lock.items(now);
            snapshot_at = now;
        }
        if site.lock.quirks.has(Quirk::ScanStopsEarly) {
            items = items.iter().filter(|item| !matches!(item.place, Place::Slot(slot) if slot.0 > SCAN_ENDS_AT)).cloned().collect();
        }
        (snapshot_at, site.lock.as_listed(items, now))
    }

    pub(super) fn down_since(&self, lock: usize) -> Option<Timestamp> {
        let site = &self.locks[lock];
        let hub = site.hub.map(|hub| self.hubs[hub].down);
        let own = BROKEN_LINKS.into_iter().filter_map(|c| site.held(c));
        own.chain(hub).filter(|held| held.times > 0).map(|held| held.since).min()
    }

    pub(super) fn devices(&self, now: Timestamp, page: u32, fate: Fate) -> Answer {
        if fate.listing_empty {
            return Answer::Devices { items: Arc::from([]), next_page: None };
        }
        let present = self.locks.iter().enumerate().filter(|(_, site)| site.present);
        let all: Vec<_> = present.map(|(lock, _)| self.device_info(now, lock)).collect();
        let (items, next_page) = page_of(&all.into(), page, self.page_size);
        Answer::Devices { items, next_page: next_page.filter(|_| !fate.listing_truncated) }
    }

    pub(super) fn device_info(&self, now: Timestamp, lock: usize) -> DeviceInfo {
        let site = &self.locks[lock];
        let profile = &site.lock.profile;
        let lost = matches!(self.known_down(now, lock), Some(PathPart::Lock));
        DeviceInfo {
            device: site.device,
            serial: (!site.lock.quirks.has(Quirk::SerialHidden)).then(|| site.serial.clone()),
            epoch: site.epoch,
            model: site.model,
            online: profile.tells_online.then_some(!lost),
            hub: self.hub_info(now, lock),
            keypad: site.lock.keypad,
            lengths: site.lock.lengths,
            constraints: profile.constraints.iter().copied().collect(),
            positions: profile.slots,
            zone: site.zone.clone().filter(|_| profile.tells_zone && !site.lock.quirks.has(Quirk::ZoneUntold)),
            has_rights: !site.holds(LockCondition::RightsGone),
            is_paid: !site.holds(LockCondition::PlanLapsed),
        }
    }

    pub(super) fn hub_info(&self, now: Timestamp, lock: usize) -> Option<HubInfo> {
        let site = &self.locks[lock];
        let hub = site.hub?;
        if matches!(self.known_down(now, lock), Some(PathPart::Bridge)) && site.holds(LockCondition::BridgeGone) {
            return None; // A bridge that is unplugged is missing, not down.
        }
        if site.holds(LockCondition::GatewayGone) {
            return None;
        }
        let up = !matches!(self.known_down(now, lock), Some(part) if part != PathPart::Lock);
        Some(HubInfo { part: self.hubs[hub].part, number: hub as u32, up })
    }
}

impl LockSite {
    /// A command that asks the lock itself: fresh reads and the clock.
    pub(super) fn direct_answer(&mut self, now: Timestamp, order: &Order, page_size: u32) -> (Answer, Option<Timestamp>) {
        let place = match &order.op {
            Op::ListEntries { page, .. } => {
                let items = self.lock.items(now);
                self.refreshed = Some((now, items.clone()));
                let items = self.lock.as_listed(self.with_pending(items), now);
                let (items, next_page) = page_of(&items, *page, page_size);
                return (Answer::Entries { items, next_page }, Some(now));
            }
            Op::ReadClock => return (Answer::Clock { lock_time: now + self.lock.clock_off_ms }, Some(now)),
            Op::SetClock { to } => {
                self.lock.clock_off_ms = *to - now;
                self.lock.clock_set_at = Some(now);
                return (Answer::Done { handle: None }, Some(now));
            }
            Op::ReadEntry { handle, .. } => Place::Handle(*handle),
            Op::ReadSlot { slot, .. } => Place::Slot(*slot),
            op => unreachable!("{op:?} is no direct read"),
        };
        self.refreshed = Some((now, self.lock.items(now)));
        let shown = self.lock.entry(place).filter(|entry| !entry.hidden && entry.source != Source::Reserved);
        let item = shown.and_then(|entry| self.lock.as_listed(Arc::from([self.lock.item(entry, now)]), now).first().cloned());
        (read_answer(place, item, self), Some(now))
    }

    /// The vendor's copy: what the lock holds, and what is still on its way to it.
    pub(super) fn with_pending(&self, items: Arc<[Item]>) -> Arc<[Item]> {
        if self.lock.profile.read_back != ReadBack::ExactLoaded || !self.queue.iter().any(|job| job.order.op.is_mutating()) {
            return items;
        }
        let mut copy: Vec<Item> = items.to_vec();
        for job in &self.queue {
            match (&job.order.op, job.place) {
                (Op::CreateEntry { pin, name, window }, Some(place)) => copy.push(Item {
                    place,
                    pin: ShownPin::Shown(*pin),
                    name: Some(name.clone()),
                    window: window.map(|window| window.rounded_outward(self.lock.profile.round_ms)),
                    enabled: true,
                    on_lock: OnLock::No,
                }),
                (Op::DeleteEntry { handle }, _) => {
                    for item in copy.iter_mut().filter(|item| item.place == Place::Handle(*handle)) {
                        item.on_lock = OnLock::Deleting;
                    }
                }
                _ => {}
            }
        }
        copy.into()
    }
}

fn read_answer(place: Place, item: Option<Item>, site: &LockSite) -> Answer {
    match (place, item) {
        (Place::Handle(_), Some(item)) => Answer::Entry(item),
        (Place::Handle(_), None) => Answer::NotFound,
        (Place::Slot(_), Some(item)) => Answer::Slot(SlotContent::Occupied(item)),
        (Place::Slot(_), None) if site.lock.is_master_place(place) => Answer::Slot(SlotContent::Reserved),
        (Place::Slot(_), None) => {
            let zeros = site.lock.quirks.has(Quirk::ZerosWhenEmpty);
            let filler = site.lock.lengths.shortest().filter(|_| zeros).and_then(|length| Pin::new(length, 0));
            Answer::Slot(SlotContent::Free { filler })
        }
    }
}

fn page_of<T: Clone>(items: &Arc<[T]>, page: u32, page_size: u32) -> (Arc<[T]>, Option<u32>) {
    let size = page_size.max(1) as usize;
    if page == 0 && items.len() <= size {
        return (items.clone(), None);
    }
    let from = (page as usize * size).min(items.len());
    let to = (from + size).min(items.len());
    (items[from..to].into(), (to < items.len()).then_some(page + 1))
}
