//! One account's part of the world: the vendor's cloud, its hubs and bridges, and the locks behind them.
//!
//! For a write the site tells four things apart: taken by the cloud, in the lock's memory, shown by a read,
//! still there. Commands for one lock run in the order in which they were taken (`P-02`).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::lock::{Entry, Lock, Source};
use super::offline::Algorithm;
use crate::draw::digest;
use crate::id::{AccountId, CommandId, Epoch, Handle, Key, VendorDevice};
use crate::port::{Item, Name, News, Op, PathPart, Place};
use crate::time::Timestamp;
use crate::vendor::Model;

mod adoption;
mod cloud;
mod condition;
mod consequence;
mod desk;
mod hands;
mod queue;
mod seats;
mod shown;

pub use condition::{CloudCondition, LOSS_NOTICED_AFTER_MS, LockCondition, SLEEP_PERIOD_MS};
use condition::{Held, HubState};
pub use consequence::Consequence;
use desk::Desk;
pub use hands::PersonAdds;
use queue::{Job, Keyed};
pub use seats::{Seats, SiteUser};

/// The last slot that a plain listing shows under `scan_stops_early`.
pub const SCAN_ENDS_AT: u16 = 8;

/// A command as the vendor sees it: without the record it is for.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names it in its answer.
    pub command_id: CommandId,
    /// Idempotency key.
    pub key: Key,
    /// The lock meant.
    pub device: Option<VendorDevice>,
    /// Its incarnation.
    pub epoch: Epoch,
    /// What to do.
    pub op: Op,
    /// When the controller sent it.
    pub emitted_at: Timestamp,
}

/// What chance and noise have in store for one command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// Time from the cloud's taking it to its effect.
    pub apply_ms: i64,
    /// How old a plain read is.
    pub staleness_ms: i64,
    /// The cloud answers with a server error of this HTTP status and does nothing.
    pub fails_before: Option<u16>,
    /// The cloud answers with a server error of this HTTP status after doing it.
    pub fails_after: Option<u16>,
    /// Acknowledged, not done (`ack: nothing` only).
    pub ignored: bool,
    /// A plain listing comes back empty.
    pub listing_empty: bool,
    /// A plain listing stops after its first page.
    pub listing_truncated: bool,
    /// What the vendor's own choice of a PIN begins with.
    pub chance: u64,
}

/// A lock with its way to the cloud.
#[derive(Clone, Debug)]
pub struct LockSite {
    /// The lock itself.
    pub lock: Lock,
    /// Its serial.
    pub serial: Name,
    /// Its kind.
    pub model: Model,
    /// The vendor's id of it.
    pub device: VendorDevice,
    /// Its incarnation.
    pub epoch: Epoch,
    /// Whether it is in the account.
    pub present: bool,
    /// Its zone.
    pub zone: Option<Name>,
    hub: Option<usize>,
    conditions: BTreeMap<LockCondition, Held>,
    queue: VecDeque<Job>,
    /// What plain reads may show: since when, what. Never empty.
    versions: VecDeque<(Timestamp, Arc<[Item]>)>,
    /// What the last fresh read showed, for `cache_never_refreshed`.
    refreshed: Option<(Timestamp, Arc<[Item]>)>,
    /// Kept until the path is back: snapshot and news.
    own_log: Vec<(Timestamp, News)>,
    /// Entries of others that the platform claimed at the vendor.
    adopted: BTreeSet<Handle>,
    /// Answers by key, where keys are honoured (`P-04`).
    keys: BTreeMap<Key, Keyed>,
    /// Older states of memory, for `memory_rolled_back`.
    past: Option<Vec<Entry>>,
    /// The vendor's server for offline codes, as far as it is about this lock.
    desk: Desk,
}

/// One account's part of the world.
#[derive(Clone, Debug)]
pub struct Site {
    /// The account.
    pub account: AccountId,
    /// Calls per minute.
    pub rate_per_minute: Option<u32>,
    /// The locks.
    pub locks: Vec<LockSite>,
    /// The users of the site and the seats of its plan.
    pub seats: Seats,
    hubs: Vec<HubState>,
    conditions: BTreeMap<CloudCondition, Held>,
    calls: (i64, u32),
    penalty_until: Timestamp,
    next_device: u32,
    /// The number of the lock that a vendor id names.
    devices: BTreeMap<VendorDevice, usize>,
    /// Devices in one page of the list.
    pub page_size: u32,
}

impl Site {
    /// An account without locks.
    #[must_use]
    pub fn new(account: AccountId, rate_per_minute: Option<u32>, page_size: u32) -> Self {
        let (conditions, devices) = (BTreeMap::new(), BTreeMap::new());
        let (locks, hubs, seats) = (Vec::new(), Vec::new(), Seats::default());
        let (calls, penalty_until) = ((0, 0), Timestamp::MIN);
        Self { account, rate_per_minute, locks, seats, hubs, conditions, calls, penalty_until, next_device: 100, devices, page_size }
    }

    /// Adds a hub; its number.
    pub fn add_hub(&mut self, part: PathPart) -> usize {
        self.hubs.push(HubState {
            part,
            down: Held::default(),
            keeps_taking: Held::default(),
            seems_online: Held::default(),
            busy_until: Timestamp::MIN,
        });
        self.hubs.len() - 1
    }

    /// Adds a lock that is in the account from the beginning; its number.
    pub fn add_lock(
        &mut self,
        now: Timestamp,
        mut lock: Lock,
        serial: Name,
        model: Model,
        hub: Option<usize>,
        zone: Option<Name>,
    ) -> usize {
        self.next_device += 1;
        self.devices.insert(VendorDevice(self.next_device), self.locks.len());
        let versions = VecDeque::from([(now, lock.items(now))]);
        lock.algorithm = lock.profile.offline.clone().map(|terms| Algorithm::new(digest(serial.as_bytes()), terms));
        self.locks.push(LockSite {
            lock,
            serial,
            model,
            device: VendorDevice(self.next_device),
            epoch: Epoch(1),
            present: true,
            zone,
            hub,
            conditions: BTreeMap::new(),
            queue: VecDeque::new(),
            versions,
            refreshed: None,
            own_log: Vec::new(),
            adopted: BTreeSet::new(),
            keys: BTreeMap::new(),
            past: None,
            desk: Desk::default(),
        });
        let lock = self.locks.len() - 1;
        self.note_levels(now, lock);
        lock
    }

    /// What lies in a lock now has lain there for long: every read shows it.
    pub fn has_long_been_so(&mut self, now: Timestamp, lock: usize) {
        let site = &mut self.locks[lock];
        site.versions = VecDeque::from([(now, site.lock.items(now))]);
    }

    /// The vendor calls a lock by this id from the beginning.
    pub fn calls(&mut self, lock: usize, device: VendorDevice) {
        let given = core::mem::replace(&mut self.locks[lock].device, device);
        self.devices.remove(&given);
        self.devices.insert(device, lock);
    }

    /// The lock that a vendor id names now.
    #[must_use]
    pub fn lock_of(&self, device: VendorDevice) -> Option<usize> {
        self.last_lock_of(device).filter(|lock| self.locks[*lock].present)
    }

    /// The lock that a vendor id names, or has named until it left the account.
    #[must_use]
    pub fn last_lock_of(&self, device: VendorDevice) -> Option<usize> {
        self.devices.get(&device).copied()
    }

    /// The hub of a lock.
    #[must_use]
    pub fn hub_of(&self, lock: usize) -> Option<usize> {
        self.locks[lock].hub
    }
}

impl LockSite {
    fn own_places(&self) -> Vec<Place> {
        self.lock.entries.iter().filter(|entry| entry.source != Source::Reserved).map(|entry| entry.place).collect()
    }

    fn drop_ties(&mut self) {
        self.queue.clear();
        self.keys.clear();
        self.adopted.clear();
        self.own_log.clear();
        self.refreshed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Handle, Slot};
    use crate::port::{Answer, Reason};
    use crate::time::{MINUTE_MS, SECOND_MS};
    use crate::vendor::{Profile, Vendor};
    use crate::world::quirk::Quirk;
    use crate::world::site::hands::PersonAdds;

    /// One lock of a vendor in a site of its own, and the queue of what is due.
    struct Kit {
        site: Site,
        now: Timestamp,
        due: Vec<(Timestamp, usize)>,
        seen: Vec<Consequence>,
        next_command: u64,
    }

    impl Kit {
        fn new(vendor: Vendor, quirks: &[Quirk]) -> Self {
            Self::of(vendor.profile(), quirks)
        }

        fn of(profile: Profile, quirks: &[Quirk]) -> Self {
            let mut site = Site::new(AccountId::numbered(0), profile.rate_per_minute, profile.page_size);
            let hub = profile.hub.map(|part| site.add_hub(part));
            let lock = Lock::new(Arc::new(profile), quirks.iter().copied().collect());
            site.add_lock(Timestamp(0), lock, Name::from("L1"), Model(0), hub, None);
            Self { site, now: Timestamp(0), due: Vec::new(), seen: Vec::new(), next_command: 0 }
        }

        fn send(&mut self, op: Op) -> CommandId {
            self.send_with(op, Fate { apply_ms: 1_000, ..Fate::default() }, None)
        }

        fn send_with(&mut self, op: Op, fate: Fate, key: Option<u64>) -> CommandId {
            self.next_command += 1;
            let command_id = CommandId(self.next_command);
            let device = self.site.locks[0].device;
            let key = Key(key.unwrap_or(self.next_command));
            let order = Order { command_id, key, device: Some(device), epoch: self.site.locks[0].epoch, op, emitted_at: self.now };
            self.with(|site, now, out| site.receive(now, order, fate, out));
            command_id
        }

        fn with(&mut self, act: impl FnOnce(&mut Site, Timestamp, &mut Vec<Consequence>)) {
            let mut out = Vec::new();
            act(&mut self.site, self.now, &mut out);
            for consequence in &out {
                if let Consequence::RunAt { lock, at } = consequence {
                    self.due.push((*at, *lock));
                }
            }
            self.seen.extend(out);
        }

        fn run_until(&mut self, until: i64) {
            while let Some(at) = self.due.iter().map(|(at, _)| *at).min().filter(|at| at.0 <= until) {
                let index = self.due.iter().position(|(due, _)| *due == at).unwrap();
                let (_, lock) = self.due.remove(index);
                self.now = at;
                self.with(|site, now, out| site.run(now, lock, out));
            }
            self.now = Timestamp(until);
        }

        fn answers(&self, command: CommandId) -> Vec<Answer> {
            let of = |consequence: &Consequence| match consequence {
                Consequence::Answer { command_id, answer, .. } if *command_id == command => Some(answer.clone()),
                _ => None,
            };
            self.seen.iter().filter_map(of).collect()
        }

        fn news(&self) -> Vec<News> {
            let of = |consequence: &Consequence| match consequence {
                Consequence::News { news, .. } => Some(news.clone()),
                _ => None,
            };
            self.seen.iter().filter_map(of).collect()
        }
    }

    fn set_slot(slot: u16, pin: &str) -> Op {
        Op::SetSlot { slot: Slot(slot), pin: pin.parse().unwrap(), name: Name::from("guest") }
    }

    fn create(pin: &str) -> Op {
        Op::CreateEntry { pin: pin.parse().unwrap(), name: Name::from("guest"), window: None }
    }

    #[test]
    fn what_an_answer_stands_for_is_the_profiles_word() {
        let mut applied = Kit::new(Vendor::GenericCloud, &[]);
        let command = applied.send(create("1234"));
        assert_eq!(applied.answers(command), []);
        applied.run_until(1_000);
        assert!(matches!(applied.answers(command)[..], [Answer::Done { handle: Some(_) }]));

        let mut queued = Kit::new(Vendor::August, &[]);
        let command = queued.send(create("1234"));
        assert_eq!(queued.answers(command), [Answer::Accepted]);
        queued.run_until(1_000);
        assert!(matches!(queued.answers(command)[..], [Answer::Accepted, Answer::Done { .. }]));

        let mut nothing = Kit::new(Vendor::SmartThings, &[]);
        let command = nothing.send(set_slot(1, "1234"));
        nothing.run_until(1_000);
        assert_eq!(nothing.answers(command), [Answer::Accepted]);
        assert_eq!(nothing.news(), [News::EntryAdded(Place::Slot(Slot(1)))]);
    }

    #[test]
    fn a_twin_on_smartthings_is_told_by_a_later_notice_or_not_at_all() {
        for (quirks, told) in [(&[][..], true), (&[Quirk::TwinDropped][..], false)] {
            let mut kit = Kit::new(Vendor::SmartThings, quirks);
            kit.send(set_slot(1, "1234"));
            kit.run_until(2_000);
            kit.send(set_slot(2, "1234"));
            kit.run_until(4_000);
            let not_added = News::NotAdded { slot: Slot(2), duplicate: true };
            assert_eq!(kit.news().contains(&not_added), told);
            let is_at_once = |consequence: &Consequence| {
                let Consequence::News { news: News::NotAdded { .. }, snapshot_at, not_before, .. } = consequence else { return false };
                *not_before < *snapshot_at + SECOND_MS
            };
            assert!(!kit.seen.iter().any(is_at_once), "it takes some seconds (twin_noticed_later)");
            assert_eq!(kit.site.locks[0].lock.entries.iter().filter(|entry| entry.source != Source::Reserved).count(), 1);
        }
    }

    #[test]
    fn a_failure_after_storing_has_stored() {
        let mut kit = Kit::new(Vendor::GenericCloud, &[]);
        let command = kit.send_with(create("1234"), Fate { apply_ms: 1_000, fails_after: Some(502), ..Fate::default() }, None);
        kit.run_until(1_000);
        assert!(matches!(kit.answers(command)[..], [Answer::ServerError { .. }]));
        assert_eq!(kit.site.locks[0].lock.entries.len(), 1);
    }

    #[test]
    fn what_was_taken_waits_for_the_path_and_no_longer_than_its_time_to_live() {
        for (back_after_ms, entries) in [(5 * MINUTE_MS, 1), (11 * MINUTE_MS, 0)] {
            let mut kit = Kit::new(Vendor::GenericSlot, &[]);
            kit.send(set_slot(1, "1234"));
            kit.with(|site, now, out| site.set_lock(now, 0, LockCondition::Dead, true, out));
            kit.run_until(back_after_ms);
            assert!(kit.site.locks[0].lock.entries.is_empty());
            kit.with(|site, now, out| site.set_lock(now, 0, LockCondition::Dead, false, out));
            kit.run_until(back_after_ms + 10_000);
            assert_eq!(kit.site.locks[0].lock.entries.len(), entries);
            let late = kit.seen.iter().any(|consequence| matches!(consequence, Consequence::OffCourse { .. }));
            assert_eq!(late, entries == 1, "a run after the time-out is off the plain course");
        }
    }

    #[test]
    fn a_loss_is_noticed_after_a_moment_and_then_refuses_commands() {
        let mut kit = Kit::new(Vendor::GenericSlot, &[]);
        kit.with(|site, now, out| site.set_hub(now, 0, true, out));
        let taken = kit.send(set_slot(1, "1234"));
        kit.run_until(LOSS_NOTICED_AFTER_MS);
        let refused = kit.send(set_slot(2, "5678"));
        assert_eq!(kit.answers(taken), []);
        assert_eq!(kit.answers(refused), [Answer::Unreachable(PathPart::Hub)]);
    }

    #[test]
    fn an_honoured_key_makes_one_entry() {
        let mut kit = Kit::new(Vendor::August, &[]);
        let fate = Fate { apply_ms: 1_000, ..Fate::default() };
        let first = kit.send_with(create("1234"), fate, Some(7));
        let second = kit.send_with(create("1234"), fate, Some(7));
        kit.run_until(5_000);
        let third = kit.send_with(create("1234"), fate, Some(7));
        assert_eq!(kit.site.locks[0].lock.entries.len(), 1);
        assert_eq!(kit.answers(first)[1], kit.answers(second)[1]);
        assert_eq!(kit.answers(third), [kit.answers(first)[1].clone()]);
    }

    #[test]
    fn plain_reads_may_be_old_and_fresh_ones_are_not() {
        let mut kit = Kit::new(Vendor::GenericSlot, &[]);
        kit.run_until(60_000);
        kit.send(set_slot(1, "1234"));
        kit.run_until(62_000);
        let old = Fate { staleness_ms: 3_000, ..Fate::default() };
        let plain = kit.send_with(Op::ListEntries { page: 0, fresh: false }, old, None);
        let fresh = kit.send_with(Op::ListEntries { page: 0, fresh: true }, old, None);
        kit.run_until(70_000);
        let shown = |answers: Vec<Answer>| match &answers[..] {
            [Answer::Entries { items, .. }] => items.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((shown(kit.answers(plain)), shown(kit.answers(fresh))), (0, 1));
    }

    #[test]
    fn a_join_voids_ids_and_queues() {
        let mut kit = Kit::new(Vendor::GenericCloud, &[]);
        let device = kit.site.locks[0].device;
        kit.send(create("1234"));
        kit.with(|site, now, out| site.resets(now, 0, false, out));
        kit.run_until(60_000);
        assert!(kit.site.locks[0].lock.entries.is_empty());
        assert_ne!(kit.site.locks[0].device, device);
        assert_eq!(kit.site.locks[0].epoch, Epoch(2));
        let order = Order {
            command_id: CommandId(99),
            key: Key(99),
            device: Some(device),
            epoch: Epoch(1),
            op: Op::DeleteEntry { handle: Handle(2) },
            emitted_at: kit.now,
        };
        kit.with(|site, now, out| site.receive(now, order, Fate::default(), out));
        assert_eq!(kit.answers(CommandId(99)), [Answer::Gone]);
    }

    fn owner_adds(kit: &mut Kit) -> Handle {
        let added = PersonAdds { place: None, pin: "471147".parse().unwrap(), name: Name::from("owner"), hidden: false };
        kit.with(|site, now, out| assert!(site.person_adds(now, 0, added, out)));
        let Some(Place::Handle(handle)) = kit.site.locks[0].lock.entries.last().map(|entry| entry.place) else { panic!("a handle") };
        handle
    }

    #[test]
    fn what_others_stored_is_changed_by_who_claimed_it_where_that_is_asked() {
        for (quirks, is_asked) in [(&[][..], false), (&[Quirk::AdoptNeedsClaim][..], true)] {
            let mut kit = Kit::of(Profile { claims_conversions: true, ..Vendor::GenericCloud.profile() }, quirks);
            let handle = owner_adds(&mut kit);
            let early = kit.send(Op::DeleteEntry { handle });
            kit.run_until(2_000);
            assert_eq!(kit.answers(early).contains(&Answer::Refused(Reason::NoRights)), is_asked);
            assert_eq!(kit.site.locks[0].lock.entries.len(), usize::from(is_asked));
            kit.send(Op::AdoptEntry { handle });
            kit.send(Op::DeleteEntry { handle });
            kit.run_until(4_000);
            assert!(kit.site.locks[0].lock.entries.is_empty());
        }
    }

    #[test]
    fn a_lock_that_is_cut_off_keeps_what_concerns_its_memory_and_nothing_else() {
        let mut kit = Kit::new(Vendor::August, &[]);
        kit.with(|site, now, out| site.set_hub(now, 0, true, out));
        let handle = owner_adds(&mut kit);
        kit.with(|site, now, out| site.set_lock(now, 0, LockCondition::KeypadGone, true, out));
        let added = News::EntryAdded(Place::Handle(handle));
        assert!(kit.news().contains(&News::KeypadDetached) && !kit.news().contains(&added));
        kit.with(|site, now, out| site.set_hub(now, 0, false, out));
        assert!(kit.news().contains(&added));
    }

    #[test]
    fn a_full_lock_takes_no_pin_for_a_user_of_its_site() {
        let mut kit = Kit::of(Profile { slots: 1, ..Vendor::SaltoKs.profile() }, &[]);
        kit.site.seats.limit = 2;
        owner_adds(&mut kit);
        let made = kit.send(Op::CreateUser { name: Name::from("guest") });
        kit.run_until(2_000);
        let Some(Answer::User { user }) = kit.answers(made).pop() else { panic!("{:?}", kit.answers(made)) };
        kit.send(Op::TakeSeat { user });
        kit.run_until(4_000);
        let assigned = kit.send(Op::AssignPin { user, window: None, pin: None });
        kit.run_until(6_000);
        assert_eq!(kit.answers(assigned).pop(), Some(Answer::Refused(Reason::Full)));
    }

    #[test]
    fn calls_beyond_the_rate_are_refused_until_the_minute_is_over() {
        let mut kit = Kit::new(Vendor::GenericCloud, &[]);
        let mut last = CommandId(0);
        for _ in 0..61 {
            last = kit.send(Op::GetDevice);
        }
        assert_eq!(kit.answers(last), [Answer::RateLimited { retry_after_ms: MINUTE_MS }]);
    }

    #[test]
    fn nobody_gives_a_user_a_pin_that_its_site_would_not() {
        for (vendor, is_taken) in [(Vendor::SaltoKs, false), (Vendor::Nuki, true)] {
            let mut kit = Kit::new(vendor, &[]);
            let added = PersonAdds { place: None, pin: "345678".parse().unwrap(), name: Name::from("owner"), hidden: false };
            kit.with(|site, now, out| assert!(site.person_adds(now, 0, added, out)));
            let place = kit.site.locks[0].lock.entries[0].place;
            let pin = "3456".parse().unwrap();
            kit.with(|site, now, out| assert_eq!(site.person_edits(now, 0, place, &|entry| entry.pin = pin, out), is_taken));
        }
    }
}
