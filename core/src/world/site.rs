//! One account's part of the world: the vendor's cloud, its hubs and bridges, and the locks behind them.
//!
//! For a write the site tells four things apart: taken by the cloud, in the lock's memory, shown by a read,
//! still there. Commands for one lock run in the order in which they were taken (`P-02`).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::draw::digest;
use crate::id::{AccountId, CommandId, Epoch, Handle, Key, VendorDevice};
use crate::offline::OfflineKind;
use crate::pin::{Lengths, Pin};
use crate::port::{Answer, DeviceInfo, HubInfo, Item, Name, News, OnLock, Op, PathPart, Place, Reason, SlotContent};
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp, Window};
use crate::vendor::{Ack, DuplicatePolicy, Family, Model, ReadBack, SerialPath};

use super::lock::{Effect, Entry, Lock, Source, Write};
use super::offline::Algorithm;
use super::quirk::Quirk;

mod adoption;
mod desk;
mod seats;

use desk::Desk;
pub use seats::{Seats, SiteUser};

/// The vendor notices a lost lock or hub this long after the fact; until then it takes commands for it.
pub const LOSS_NOTICED_AFTER_MS: i64 = 5 * SECOND_MS;
/// A sleeping lock does its work at multiples of this.
pub const SLEEP_PERIOD_MS: i64 = 5 * MINUTE_MS;
/// The vendor takes this long to choose a PIN under `pin_assigned_late`.
const PIN_CHOSEN_AFTER_MS: i64 = 2 * MINUTE_MS - 10 * SECOND_MS;
/// The last slot that a plain listing shows under `scan_stops_early`.
pub const SCAN_ENDS_AT: u16 = 8;
/// Calls a minute under `rate_budget_small`.
pub const SMALL_RATE_PER_MINUTE: u32 = 4;

/// Each call during a pause makes it longer by this, under `rate_penalty_grows`.
pub const PENALTY_GROWTH_MS: i64 = 10 * SECOND_MS;

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

/// What follows from something that happened at a site.
#[derive(Clone, Debug)]
pub enum Consequence {
    /// The vendor answers a command. `after_write` tells answers that come at the effect from first answers.
    Answer {
        /// Which.
        command_id: CommandId,
        /// What.
        answer: Answer,
        /// The instant whose state it shows.
        snapshot_at: Option<Timestamp>,
    },
    /// The head of this lock's queue is ready at this time.
    RunAt {
        /// The lock, by its number in the site.
        lock: usize,
        /// When.
        at: Timestamp,
    },
    /// The vendor sends a notice.
    News {
        /// The lock, by its number in the site; none: about the account.
        lock: Option<usize>,
        /// What.
        news: News,
        /// When the fact happened.
        snapshot_at: Timestamp,
        /// The command whose effect it tells, if it closes one (`ack: nothing`).
        closes: Option<CommandId>,
        /// Not before this.
        not_before: Timestamp,
    },
    /// An entry was stored at a lock; it may have replaced another.
    Stored {
        /// The lock.
        lock: usize,
        /// Where.
        place: Place,
        /// By which command, if by one.
        by: Option<CommandId>,
    },
    /// An entry was erased from a lock.
    Erased {
        /// The lock.
        lock: usize,
        /// Where.
        place: Place,
        /// By which command, if by one.
        by: Option<CommandId>,
    },
    /// The vendor's server computed a PIN, which the lock understands from now on.
    Issued {
        /// The lock.
        lock: usize,
        /// The PIN.
        pin: Pin,
        /// The kind of code.
        kind: OfflineKind,
        /// When it opens.
        window: Window,
        /// By which command.
        by: CommandId,
    },
    /// A PIN that the lock understands by itself opened it for the first time.
    Used {
        /// The lock.
        lock: usize,
        /// The PIN.
        pin: Pin,
    },
    /// The lock was set back: it understands no PIN of before.
    Renewed {
        /// The lock.
        lock: usize,
    },
    /// A command ran after its `TimedOut` (`P-03`), or otherwise off the plain course.
    OffCourse {
        /// The lock.
        lock: usize,
    },
    /// The lock's clock differs.
    ClockChanged {
        /// The lock.
        lock: usize,
        /// By which command, if by one.
        by: Option<CommandId>,
    },
    /// The lock works, or does not: power, keypad.
    Works {
        /// The lock.
        lock: usize,
        /// Which.
        works: bool,
    },
    /// The lock joined its account anew.
    Joined {
        /// The lock.
        lock: usize,
    },
    /// The lock left its account.
    Left {
        /// The lock.
        lock: usize,
    },
    /// The seats of the site are not what they were, or whose they are.
    SeatsChanged {
        /// By which command, if by one.
        by: Option<CommandId>,
    },
}

/// A condition of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloudCondition {
    /// No call is answered.
    Down,
    /// Creations fail.
    CreateDown,
    /// Deletions fail.
    DeleteDown,
    /// Few calls a minute.
    RateSmall,
    /// Too many calls earn a pause that grows.
    PenaltyGrows,
    /// Login withdrawn.
    LoginRevoked,
    /// Credentials refused.
    CredentialChanged,
    /// Tunnel down.
    TunnelDown,
    /// Others have taken every seat of the site.
    SeatsUsedUp,
}

/// A condition of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockCondition {
    /// No power.
    Dead,
    /// Link broken; the lock itself works.
    LinkDown,
    /// The vendor lists it as offline.
    MarkedOffline,
    /// Works only at multiples of [`SLEEP_PERIOD_MS`].
    Asleep,
    /// Takes no code from the cloud.
    LoadsLate,
    /// Its own bridge is gone.
    BridgeGone,
    /// The user has no rights.
    RightsGone,
    /// No keypad.
    KeypadGone,
    /// A second write is refused as busy.
    Collides,
    /// The plan that pays for remote programming has ended.
    PlanLapsed,
    /// The device's own secret is missing.
    SecretMissing,
    /// No gateway is paired with it.
    GatewayGone,
    /// Its bridge takes no more jobs.
    QueueFull,
    /// A mode in which stored PINs do not open.
    OfficeMode,
    /// The server has no PIN left for it.
    VariantsUsedUp,
    /// The time slots of its door were taken away.
    LevelsMissing,
    /// The table of its door's time slots is shown as it was a while ago.
    LevelsSyncLate,
}

/// Conditions under which nothing gets to the lock.
const BROKEN_LINKS: [LockCondition; 4] =
    [LockCondition::Dead, LockCondition::LinkDown, LockCondition::BridgeGone, LockCondition::GatewayGone];

/// How often a condition holds at once, since faults may overlap; and since when.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    times: u32,
    since: Timestamp,
}

/// A job that the cloud or hub has taken.
#[derive(Clone, Debug)]
struct Job {
    order: Order,
    fate: Fate,
    /// The handle promised to a new entry.
    place: Option<Place>,
    ready_at: Timestamp,
}

/// A hub, bridge or gateway shared by locks.
#[derive(Clone, Debug)]
struct HubState {
    part: PathPart,
    down: Held,
    /// What is behind it is taken all the same, for its return.
    keeps_taking: Held,
    /// Nobody is told that it is down.
    seems_online: Held,
    busy_until: Timestamp,
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
    /// Answers by key, where keys are honoured (`P-04`).
    /// Entries of others that the platform claimed at the vendor.
    adopted: BTreeSet<Handle>,
    keys: BTreeMap<Key, Keyed>,
    /// Older states of memory, for `memory_rolled_back`.
    past: Option<Vec<Entry>>,
    /// The vendor's server for offline codes, as far as it is about this lock.
    desk: Desk,
}

#[derive(Clone, Debug)]
enum Keyed {
    Pending(CommandId, Vec<CommandId>),
    Answered(Answer),
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

    /// Whether any command is waiting for a lock.
    #[must_use]
    pub fn has_jobs(&self) -> bool {
        self.locks.iter().any(|site| !site.queue.is_empty())
    }

    /// Jobs on the serial path of a lock that take longer than any job without a fault does (`lat_max`): all behind them must wait.
    #[must_use]
    pub fn slow_jobs(&self, lock: usize) -> u32 {
        let site = &self.locks[lock];
        let hub = site.hub.filter(|_| site.lock.profile.serial_path == SerialPath::Hub);
        let is_on_path = |other: usize| other == lock || hub.is_some() && self.locks[other].hub == hub;
        let is_slow = |site: &LockSite, job: &Job| job.fate.apply_ms >= site.lock.profile.lat_max_ms;
        let slow_at = |site: &LockSite| site.queue.iter().filter(|job| is_slow(site, job)).count() as u32;
        (0..self.locks.len()).filter(|other| is_on_path(*other)).map(|other| slow_at(&self.locks[other])).sum()
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

    /// Whether commands can reach this lock and programming is allowed: `reach(L)`.
    #[must_use]
    pub fn reaches(&self, lock: usize) -> bool {
        let bars = |condition: &CloudCondition| {
            !matches!(condition, CloudCondition::RateSmall | CloudCondition::PenaltyGrows | CloudCondition::SeatsUsedUp)
        };
        let account = self.conditions.iter().all(|(condition, held)| held.times == 0 || !bars(condition));
        let site = &self.locks[lock];
        let own = |condition| !site.holds(condition);
        let barred = [
            LockCondition::RightsGone,
            LockCondition::MarkedOffline,
            LockCondition::PlanLapsed,
            LockCondition::SecretMissing,
            LockCondition::QueueFull,
        ];
        account && site.present && self.link_is_up(lock) && barred.into_iter().all(own)
    }

    fn holds(&self, condition: CloudCondition) -> bool {
        self.conditions.get(&condition).is_some_and(|held| held.times > 0)
    }

    /// Whether a job can run at the lock.
    fn link_is_up(&self, lock: usize) -> bool {
        let site = &self.locks[lock];
        let hub_up = site.hub.is_none_or(|hub| self.hubs[hub].down.times == 0);
        hub_up && !BROKEN_LINKS.iter().any(|c| site.holds(*c))
    }

    /// The part of the path that the vendor knows to be down.
    fn known_down(&self, now: Timestamp, lock: usize) -> Option<PathPart> {
        let site = &self.locks[lock];
        let noticed = |held: Held| held.times > 0 && now >= held.since + LOSS_NOTICED_AFTER_MS;
        if let Some(hub) = site.hub.map(|hub| &self.hubs[hub])
            && noticed(hub.down)
            && hub.seems_online.times == 0
        {
            return Some(hub.part);
        }
        if site.held(LockCondition::BridgeGone).is_some_and(noticed) {
            return Some(PathPart::Bridge);
        }
        let lost = [LockCondition::Dead, LockCondition::LinkDown].iter().any(|c| site.held(*c).is_some_and(noticed));
        (lost || site.holds(LockCondition::MarkedOffline)).then_some(PathPart::Lock)
    }

    /// A command arrives at the vendor.
    pub fn receive(&mut self, now: Timestamp, order: Order, fate: Fate, out: &mut Vec<Consequence>) {
        if self.holds(CloudCondition::Down) {
            return;
        }
        let command_id = order.command_id;
        if let Some(answer) = self.account_answer(now) {
            out.push(answered(command_id, answer));
            return;
        }
        if let Op::ListDevices { page } = order.op {
            out.push(Consequence::Answer { command_id, answer: self.devices(now, page, fate), snapshot_at: Some(now) });
            return;
        }
        if order.op == Op::ReadSite {
            out.push(Consequence::Answer { command_id, answer: self.read_site(), snapshot_at: Some(now) });
            return;
        }
        let lock = order.device.and_then(|device| self.lock_of(device));
        let Some(lock) = lock.filter(|lock| matches!(order.op, Op::GetDevice) || self.locks[*lock].epoch == order.epoch) else {
            out.push(answered(command_id, Answer::Gone));
            return;
        };
        if desk::is_for_desk(&order.op) {
            return self.ask_desk(now, lock, &order, fate, out);
        }
        let is_of_site = matches!(order.op, Op::CreateUser { .. } | Op::TakeSeat { .. } | Op::ReleaseSeat { .. });
        if is_of_site && is_in_family(&order.op, &self.locks[lock]) {
            return self.receive_of_site(now, lock, &order, fate, out);
        }
        if let Some(answer) = self.honoured(lock, &order) {
            return out.push(answered(command_id, answer));
        }
        match self.lock_answer(now, lock, &order, fate) {
            Some((answer, snapshot_at)) => out.push(Consequence::Answer { command_id, answer, snapshot_at }),
            None => self.enqueue(now, lock, order, fate, out),
        }
    }

    /// What the account as a whole answers.
    fn account_answer(&mut self, now: Timestamp) -> Option<Answer> {
        if self.holds(CloudCondition::TunnelDown) {
            return Some(Answer::Unreachable(PathPart::Tunnel));
        }
        if self.holds(CloudCondition::LoginRevoked) || self.holds(CloudCondition::CredentialChanged) {
            return Some(Answer::Unauthorized);
        }
        let grows = self.holds(CloudCondition::PenaltyGrows);
        if grows && now < self.penalty_until {
            self.penalty_until = self.penalty_until + PENALTY_GROWTH_MS;
            return Some(Answer::RateLimited { retry_after_ms: self.penalty_until - now });
        }
        let small = self.holds(CloudCondition::RateSmall).then_some(SMALL_RATE_PER_MINUTE);
        let limit = small.or(self.rate_per_minute)?;
        let minute = now.0.div_euclid(MINUTE_MS);
        if self.calls.0 != minute {
            self.calls = (minute, 0);
        }
        self.calls.1 += 1;
        let over = self.calls.1 > limit;
        if over && grows {
            self.penalty_until = now + MINUTE_MS;
            return Some(Answer::RateLimited { retry_after_ms: MINUTE_MS });
        }
        over.then(|| Answer::RateLimited { retry_after_ms: (minute + 1) * MINUTE_MS - now.0 })
    }

    /// What the cloud answers of itself; none: the command goes to the lock.
    fn lock_answer(&mut self, now: Timestamp, lock: usize, order: &Order, fate: Fate) -> Option<(Answer, Option<Timestamp>)> {
        let refused = |reason| Some((Answer::Refused(reason), None));
        let server_error = |status, text: &str| Some((Answer::ServerError { status, text: text.to_string() }, None));
        let site = &self.locks[lock];
        let profile = &site.lock.profile;
        let is_custom = matches!(order.op, Op::AssignPin { pin: Some(_), .. });
        if !is_in_family(&order.op, site) || is_custom && !self.takes_custom_pins(lock) {
            return refused(Reason::NotSupported);
        }
        match &order.op {
            Op::GetDevice => return Some((Answer::Device(self.device_info(now, lock)), Some(now))),
            Op::AdoptEntry { handle } => return Some((self.adopts(lock, *handle, order), Some(now))),
            Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. } => {}
            Op::ListEntries { page, .. } => return Some(self.plain_listing(now, lock, *page, order, fate)),
            Op::ReadEntry { .. } | Op::ReadSlot { .. } => return Some(self.plain_read(now, lock, order, fate)),
            _ => {}
        }
        if order.op.is_mutating() && (site.holds(LockCondition::RightsGone) || site.is_unclaimed(&order.op)) {
            return refused(Reason::NoRights);
        }
        if order.op.is_mutating() && site.holds(LockCondition::PlanLapsed) {
            return refused(Reason::NotPaid);
        }
        if order.op.is_mutating() && site.holds(LockCondition::SecretMissing) {
            return refused(Reason::NoCredentials);
        }
        if site.holds(LockCondition::GatewayGone) {
            return if order.op.is_mutating() { refused(Reason::NoGateway) } else { Some((Answer::Unreachable(PathPart::Gateway), None)) };
        }
        if order.op.is_mutating() && (site.holds(LockCondition::QueueFull) || self.is_queue_full(lock)) {
            return Some((Answer::QueueFull, None));
        }
        let keeps_clock = !profile.clock_settable || site.lock.quirks.has(Quirk::ClockWriteRefused);
        if matches!(order.op, Op::SetClock { .. }) && keeps_clock {
            return refused(Reason::ClockNotWritable);
        }
        if matches!(order.op, Op::CreateEntry { .. }) && self.holds(CloudCondition::CreateDown)
            || matches!(order.op, Op::DeleteEntry { .. }) && self.holds(CloudCondition::DeleteDown)
        {
            return server_error(502, "bad gateway");
        }
        if let Some(status) = fate.fails_before.filter(|_| order.op.is_mutating()) {
            return server_error(status, "invalid schedule");
        }
        let keeps_taking = |part| site.hub.is_some_and(|hub| self.hubs[hub].part == part && self.hubs[hub].keeps_taking.times > 0);
        if let Some(part) = self.known_down(now, lock).filter(|part| !keeps_taking(*part)) {
            return Some((Answer::Unreachable(part), None));
        }
        if order.op.is_mutating() && site.holds(LockCondition::Collides) && site.queue.iter().any(|job| job.order.op.is_mutating()) {
            return Some((Answer::Busy, None));
        }
        None
    }

    /// Whether the hub of a lock has as many jobs as it takes.
    fn is_queue_full(&self, lock: usize) -> bool {
        let site = &self.locks[lock];
        let pending = || self.locks.iter().filter(|other| other.hub == site.hub).map(|other| other.queue.len()).sum::<usize>();
        site.lock.profile.queue_limit.is_some_and(|limit| pending() >= limit as usize)
    }

    /// What a repeat gets where its key is honoured, whatever has become of the path since (`P-04`).
    fn honoured(&mut self, lock: usize, order: &Order) -> Option<Answer> {
        let site = &mut self.locks[lock];
        if !order.op.is_mutating() || !site.lock.profile.key_honoured {
            return None;
        }
        match site.keys.get_mut(&order.key)? {
            Keyed::Answered(answer) => Some(answer.clone()),
            Keyed::Pending(first, others) => {
                if *first != order.command_id {
                    others.push(order.command_id);
                }
                Some(Answer::Accepted)
            }
        }
    }

    /// Takes a command for a lock.
    fn enqueue(&mut self, now: Timestamp, lock: usize, order: Order, fate: Fate, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        let command_id = order.command_id;
        let queued = order.op.is_mutating() && site.lock.profile.ack != Ack::Applied;
        if order.op.is_mutating() && site.lock.profile.key_honoured {
            site.keys.insert(order.key, Keyed::Pending(command_id, Vec::new()));
        }
        if queued && fate.fails_after.is_none() {
            out.push(answered(command_id, Answer::Accepted));
        }
        let place = matches!(order.op, Op::CreateEntry { .. }).then(|| Place::Handle(site.lock.new_handle()));
        site.queue.push_back(Job { order, fate, place, ready_at: Timestamp::MAX });
        if site.queue.len() == 1 {
            self.start_head(now, lock, out);
        }
    }

    /// Starts the head of a lock's queue, one at a time per serial path.
    fn start_head(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        let by_hub = site.lock.profile.serial_path == SerialPath::Hub;
        let hub = site.hub.filter(|_| by_hub);
        let is_slow_to_choose = site.lock.quirks.has(Quirk::PinAssignedLate);
        let Some(job) = site.queue.front_mut() else { return };
        let from = hub.map_or(now, |hub| self.hubs[hub].busy_until.max(now));
        let is_chosen_late = is_slow_to_choose && matches!(job.order.op, Op::AssignPin { pin: None, .. });
        job.ready_at = from + job.fate.apply_ms + if is_chosen_late { PIN_CHOSEN_AFTER_MS } else { 0 };
        if let Some(hub) = hub {
            self.hubs[hub].busy_until = job.ready_at;
        }
        out.push(Consequence::RunAt { lock, at: job.ready_at });
    }

    /// The head of a lock's queue may be ready.
    pub fn run(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        self.finish_registrations(now, lock, out);
        let site = &self.locks[lock];
        let Some(job) = site.queue.front() else { return };
        let stalled = !self.link_is_up(lock) || site.holds(LockCondition::LoadsLate);
        let ttl_ms = site.lock.profile.command_ttl_ms;
        if now > job.order.emitted_at + ttl_ms {
            self.locks[lock].forget_head();
            return self.start_head(now, lock, out);
        }
        if stalled || job.ready_at > now {
            return; // Taken up again when the path is back, or at its own time.
        }
        if site.holds(LockCondition::Asleep) && now.0 % SLEEP_PERIOD_MS != 0 {
            let at = Timestamp((now.0 / SLEEP_PERIOD_MS + 1) * SLEEP_PERIOD_MS);
            self.locks[lock].queue[0].ready_at = at;
            return out.push(Consequence::RunAt { lock, at });
        }
        let job = self.locks[lock].queue.pop_front().expect("there is a head");
        if now > job.order.emitted_at + site_timeout(&self.locks[lock], &job.order.op) {
            out.push(Consequence::OffCourse { lock });
        }
        self.perform(now, lock, &job, out);
        self.start_head(now, lock, out);
    }

    /// A job reaches its lock.
    fn perform(&mut self, now: Timestamp, lock: usize, job: &Job, out: &mut Vec<Consequence>) {
        let command_id = job.order.command_id;
        if !job.order.op.is_mutating() {
            let (answer, snapshot_at) = self.locks[lock].direct_answer(now, &job.order, self.page_size);
            if matches!(job.order.op, Op::SetClock { .. }) {
                out.push(Consequence::ClockChanged { lock, by: Some(command_id) });
            }
            return out.push(Consequence::Answer { command_id, answer, snapshot_at });
        }
        let site = &mut self.locks[lock];
        if job.fate.ignored {
            return;
        }
        site.past = Some(site.lock.entries.clone());
        let closes = (site.lock.profile.ack == Ack::Nothing).then_some(command_id);
        let (effect, place, answer) = if job.order.op.is_of_user() {
            let (effect, place, answer) = self.write_for_user(now, lock, job);
            out.push(Consequence::SeatsChanged { by: Some(command_id) });
            (effect, place, Some(answer))
        } else {
            let (effect, place) = site.write(now, job);
            (effect, Some(place), closing_answer(effect, place, site))
        };
        if let Some(place) = place {
            match effect {
                Effect::Added | Effect::Changed => out.push(Consequence::Stored { lock, place, by: Some(command_id) }),
                Effect::Removed => out.push(Consequence::Erased { lock, place, by: Some(command_id) }),
                Effect::NotFound | Effect::Refused(_) | Effect::Twin => {}
            }
            self.remember(now, lock);
            self.report(now, lock, effect, place, closes, out);
        }
        let site = &mut self.locks[lock];
        // A cloud that fails says so where it has no other word for what it did, too.
        let failure = job.fate.fails_after.map(|status| Answer::ServerError { status, text: "invalid schedule".to_string() });
        if let Some(shown) = failure.or_else(|| answer.clone()) {
            out.push(Consequence::Answer { command_id, answer: shown, snapshot_at: Some(now) });
        }
        let Some(answer) = answer else {
            site.keys.remove(&job.order.key);
            return;
        };
        if site.lock.profile.key_honoured
            && let Some(Keyed::Pending(_, others)) = site.keys.insert(job.order.key, Keyed::Answered(answer.clone()))
        {
            let again = |command_id| Consequence::Answer { command_id, answer: answer.clone(), snapshot_at: Some(now) };
            out.extend(others.into_iter().map(again));
        }
    }

    /// The notice about what happened at a place.
    fn report(&mut self, now: Timestamp, lock: usize, effect: Effect, place: Place, closes: Option<CommandId>, out: &mut Vec<Consequence>) {
        let site = &self.locks[lock];
        let notify = site.lock.duplicate_policy() == DuplicatePolicy::Notify;
        let news = match (effect, place) {
            (Effect::Added, _) => News::EntryAdded(place),
            (Effect::Changed, _) => News::EntryChanged(place),
            (Effect::Removed, _) => News::EntryRemoved(place),
            // An erasure of nothing is reported as one that was done: the lock says what is true of the place.
            (Effect::NotFound, Place::Slot(_)) if closes.is_some() => News::EntryRemoved(place),
            (Effect::Twin, Place::Slot(slot)) if notify => {
                News::NotAdded { slot, duplicate: !site.lock.quirks.has(Quirk::TwinCauseUnclear) }
            }
            (Effect::NotFound | Effect::Twin | Effect::Refused(_), _) => return,
        };
        if site.lock.profile.notices.entry {
            self.tell(now, Some(lock), news, closes, out);
        }
    }

    /// Sends a notice, or keeps it in the lock's own log while the path is down.
    fn tell(&mut self, now: Timestamp, lock: Option<usize>, news: News, closes: Option<CommandId>, out: &mut Vec<Consequence>) {
        // An account hears nothing of a lock that is not in it, but that it left.
        if lock.is_some_and(|lock| !self.locks[lock].present && news != News::DeviceRemoved) && closes.is_none() {
            return;
        }
        if let Some(lock) = lock.filter(|lock| is_kept(&news) && !self.link_is_up(*lock)) {
            self.locks[lock].own_log.push((now, news));
            return;
        }
        let delay = if matches!(news, News::NotAdded { .. }) { 2 * SECOND_MS } else { 0 };
        out.push(Consequence::News { lock, news, snapshot_at: now, closes, not_before: now + delay });
    }

    /// Notes what plain reads may show from now on.
    fn remember(&mut self, now: Timestamp, lock: usize) {
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

    fn plain_listing(&self, now: Timestamp, lock: usize, page: u32, order: &Order, fate: Fate) -> (Answer, Option<Timestamp>) {
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

    fn plain_read(&self, now: Timestamp, lock: usize, order: &Order, fate: Fate) -> (Answer, Option<Timestamp>) {
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
    fn shown(&self, now: Timestamp, lock: usize, order: &Order, fate: Fate) -> (Timestamp, Arc<[Item]>) {
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

    fn down_since(&self, lock: usize) -> Option<Timestamp> {
        let site = &self.locks[lock];
        let hub = site.hub.map(|hub| self.hubs[hub].down);
        let own = BROKEN_LINKS.into_iter().filter_map(|c| site.held(c));
        own.chain(hub).filter(|held| held.times > 0).map(|held| held.since).min()
    }

    fn devices(&self, now: Timestamp, page: u32, fate: Fate) -> Answer {
        if fate.listing_empty {
            return Answer::Devices { items: Arc::from([]), next_page: None };
        }
        let present = self.locks.iter().enumerate().filter(|(_, site)| site.present);
        let all: Vec<_> = present.map(|(lock, _)| self.device_info(now, lock)).collect();
        let (items, next_page) = page_of(&all.into(), page, self.page_size);
        Answer::Devices { items, next_page: next_page.filter(|_| !fate.listing_truncated) }
    }

    fn device_info(&self, now: Timestamp, lock: usize) -> DeviceInfo {
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

    fn hub_info(&self, now: Timestamp, lock: usize) -> Option<HubInfo> {
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

    // What faults, people and other apps do.

    /// A condition of the account begins (`true`) or ends once.
    pub fn set_cloud(&mut self, now: Timestamp, condition: CloudCondition, begins: bool, out: &mut Vec<Consequence>) {
        let changed = self.conditions.entry(condition).or_default().shift(now, begins);
        if condition == CloudCondition::SeatsUsedUp {
            out.push(Consequence::SeatsChanged { by: None });
            self.tell(now, None, News::PlanChanged, None, out);
        }
        let told = self.locks.first().is_some_and(|site| site.lock.profile.notices.account);
        if changed && condition == CloudCondition::LoginRevoked && told {
            self.tell(now, None, if begins { News::AccountRevoked } else { News::AccountRestored }, None, out);
        }
    }

    /// A condition of a lock begins (`true`) or ends once.
    pub fn set_lock(&mut self, now: Timestamp, lock: usize, condition: LockCondition, begins: bool, out: &mut Vec<Consequence>) {
        let worked = self.locks[lock].works();
        let was_up = self.link_is_up(lock);
        if !self.locks[lock].conditions.entry(condition).or_default().shift(now, begins) {
            return;
        }
        if matches!(condition, LockCondition::LevelsMissing | LockCondition::LevelsSyncLate) {
            self.note_levels(now, lock);
            return;
        }
        let site = &mut self.locks[lock];
        site.lock.powered = !site.holds(LockCondition::Dead);
        site.lock.keypad = !site.holds(LockCondition::KeypadGone);
        let (works, notices) = (site.works(), site.lock.profile.notices);
        if works != worked {
            out.push(Consequence::Works { lock, works });
        }
        if condition == LockCondition::KeypadGone && notices.keypad {
            self.tell(now, Some(lock), if begins { News::KeypadDetached } else { News::KeypadAttached }, None, out);
        }
        let is_up = self.link_is_up(lock);
        if is_up != was_up && notices.online {
            out.push(loss(now, Some(lock), if is_up { News::LockOnline } else { News::LockOffline }, is_up));
        }
        if is_up {
            self.path_is_back(now, lock, out);
        }
    }

    /// The lock's hub goes down (`true`) or comes up once.
    pub fn set_hub(&mut self, now: Timestamp, hub: usize, down: bool, out: &mut Vec<Consequence>) {
        if !self.hubs[hub].down.shift(now, down) {
            return;
        }
        if self.hubs[hub].seems_online.times == 0 {
            self.tell_of_hub(now, hub, out);
        }
        let behind: Vec<_> = (0..self.locks.len()).filter(|lock| self.locks[*lock].hub == Some(hub)).collect();
        for lock in behind {
            if self.link_is_up(lock) {
                self.path_is_back(now, lock, out);
            }
        }
    }

    /// The vendor's notice that a hub is down, or up again.
    fn tell_of_hub(&self, now: Timestamp, hub: usize, out: &mut Vec<Consequence>) {
        let (part, is_down) = (self.hubs[hub].part, self.hubs[hub].down.times > 0);
        let mut behind = self.locks.iter().filter(|site| site.hub == Some(hub));
        if behind.any(|site| site.lock.profile.notices.hub) {
            let news = if is_down { News::HubDown(part, hub as u32) } else { News::HubUp(part, hub as u32) };
            out.push(loss(now, None, news, !is_down));
        }
    }

    /// The vendor begins (`true`) or ceases to take commands for this hub while it is down (`hub_flushes_late`).
    pub fn set_keeps_taking(&mut self, now: Timestamp, hub: usize, begins: bool) {
        self.hubs[hub].keeps_taking.shift(now, begins);
    }

    /// The hub begins (`true`) or ceases to be shown as online whatever it is (`bridge_seems_online`).
    pub fn set_seems_online(&mut self, now: Timestamp, hub: usize, begins: bool, out: &mut Vec<Consequence>) {
        let has_changed = self.hubs[hub].seems_online.shift(now, begins);
        if has_changed && !begins && self.hubs[hub].down.times > 0 {
            self.tell_of_hub(now, hub, out);
        }
    }

    /// A hub restarts and drops what it had taken.
    pub fn forget_queues(&mut self, hub: usize) {
        for site in self.locks.iter_mut().filter(|site| site.hub == Some(hub)) {
            site.queue.clear();
            site.keys.retain(|_, keyed| matches!(keyed, Keyed::Answered(_)));
        }
        self.hubs[hub].busy_until = Timestamp::MIN;
    }

    /// The hub of a lock.
    #[must_use]
    pub fn hub_of(&self, lock: usize) -> Option<usize> {
        self.locks[lock].hub
    }

    fn path_is_back(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let log = core::mem::take(&mut self.locks[lock].own_log);
        let kept = |(snapshot_at, news)| Consequence::News { lock: Some(lock), news, snapshot_at, closes: None, not_before: now };
        out.extend(log.into_iter().map(kept));
        // A job whose time has not come yet is under way as before; only one that found the path closed starts anew.
        if self.locks[lock].queue.front().is_some_and(|job| job.ready_at < now) {
            self.start_head(now, lock, out);
        }
    }

    /// Somebody stores a PIN at the lock or by another app; whether it was stored.
    pub fn person_adds(&mut self, now: Timestamp, lock: usize, added: PersonAdds, out: &mut Vec<Consequence>) -> bool {
        if self.lacks_seat(lock) {
            return false;
        }
        let site = &mut self.locks[lock];
        let Some(place) = added.place.or_else(|| site.lock.free_place()) else { return false };
        site.past = Some(site.lock.entries.clone());
        let write = Write { place, must_exist: false, pin: added.pin, name: added.name, window: None, source: Source::External };
        let effect = site.lock.store(now, write);
        if !matches!(effect, Effect::Added | Effect::Changed) {
            return false;
        }
        if added.hidden
            && let Some(entry) = site.lock.entries.iter_mut().find(|entry| entry.place == place)
        {
            entry.hidden = true;
        }
        out.push(Consequence::Stored { lock, place, by: None });
        self.note_seats(lock, out);
        self.remember(now, lock);
        if !added.hidden {
            self.report(now, lock, effect, place, None, out);
        }
        true
    }

    /// Somebody, or the vendor's loss, removes an entry; whether it was there.
    pub fn removes(&mut self, now: Timestamp, lock: usize, place: Place, told: bool, out: &mut Vec<Consequence>) -> bool {
        let site = &mut self.locks[lock];
        let before = site.lock.entries.clone();
        if site.lock.erase(place) != Effect::Removed {
            return false;
        }
        site.past = Some(before);
        out.push(Consequence::Erased { lock, place, by: None });
        self.note_seats(lock, out);
        self.remember(now, lock);
        if told {
            self.report(now, lock, Effect::Removed, place, None, out);
        }
        true
    }

    /// Somebody changes an entry by `edit`; whether it was there, and the lock took the change.
    pub fn person_edits(
        &mut self,
        now: Timestamp,
        lock: usize,
        place: Place,
        edit: &dyn Fn(&mut Entry),
        out: &mut Vec<Consequence>,
    ) -> bool {
        let site = &mut self.locks[lock];
        let Some(before) = site.lock.entry(place).filter(|entry| entry.source != Source::Reserved) else { return false };
        let mut edited = before.clone();
        edit(&mut edited);
        // What the lock stores is of its own granularity, whoever writes it.
        edited.window = edited.window.map(|window| window.rounded_outward(site.lock.profile.round_ms));
        if edited == *before {
            return false;
        }
        if edited.window != before.window {
            edited.kept = site.lock.kept(edited.window, now);
        }
        if edited.pin != before.pin && site.lock.has_pin_elsewhere(edited.pin, place) {
            return false;
        }
        site.past = Some(site.lock.entries.clone());
        site.lock.entries.iter_mut().filter(|entry| entry.place == place).for_each(|entry| *entry = edited.clone());
        out.push(Consequence::Stored { lock, place, by: None });
        self.note_seats(lock, out);
        self.remember(now, lock);
        self.report(now, lock, Effect::Changed, place, None, out);
        true
    }

    /// All entries are gone, as after a power cut.
    pub fn loses_memory(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let places: Vec<_> = self.locks[lock].own_places();
        for place in places {
            self.removes(now, lock, place, false, out);
        }
        if self.locks[lock].lock.profile.family == Family::BySlot && self.locks[lock].lock.profile.notices.entry {
            self.tell(now, Some(lock), News::AllRemoved, None, out);
        }
    }

    /// Somebody sets another PIN length at the lock; some firmware drops every entry then (`length_change_wipes`).
    pub fn sets_length(&mut self, now: Timestamp, lock: usize, length: u8, out: &mut Vec<Consequence>) -> bool {
        let site = &mut self.locks[lock];
        let lengths = Lengths::range(length, length);
        if site.lock.lengths == lengths {
            return false;
        }
        site.lock.lengths = lengths;
        if site.lock.quirks.has(Quirk::LengthChangeWipes) {
            self.loses_memory(now, lock, out);
        }
        true
    }

    /// The state of memory before its last change returns.
    pub fn rolls_back(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        let Some(past) = site.past.take() else { return };
        let present = core::mem::replace(&mut site.lock.entries, past);
        if site.lock.profile.family == Family::BySeat {
            // The site sends no lock the PIN of a user that is gone, and by the seat alone it opens.
            let seats = &self.seats;
            site.lock.entries.retain(|entry| entry.source == Source::External || seats.is_of_user(lock, entry.place));
            for entry in &mut site.lock.entries {
                entry.enabled = seats.seat_at(lock, entry.place).unwrap_or(entry.enabled);
            }
        }
        for entry in present.iter().filter(|entry| site.lock.entry(entry.place).is_none()) {
            out.push(Consequence::Erased { lock, place: entry.place, by: None });
        }
        for entry in site.lock.entries.iter().filter(|entry| !present.contains(entry)) {
            out.push(Consequence::Stored { lock, place: entry.place, by: None });
        }
        self.remember(now, lock);
    }

    /// The lock's clock jumps.
    pub fn shifts_clock(&mut self, lock: usize, jump_ms: i64, out: &mut Vec<Consequence>) {
        self.locks[lock].lock.clock_off_ms += jump_ms;
        out.push(Consequence::ClockChanged { lock, by: None });
    }

    /// Somebody puts new batteries in, and the lock's clock falls back (`clock_reset_with_battery`).
    pub fn gets_batteries(&mut self, now: Timestamp, lock: usize, set_back_ms: i64, out: &mut Vec<Consequence>) {
        self.shifts_clock(lock, -set_back_ms, out);
        if self.locks[lock].lock.profile.notices.battery {
            self.tell(now, Some(lock), News::BatteryChanged, None, out);
        }
    }

    /// Whatever was on its way to the lock is void, and its hub no longer busy with it.
    fn drop_ties(&mut self, lock: usize) {
        self.locks[lock].drop_ties();
        if let Some(hub) = self.locks[lock].hub {
            let heads = self.locks.iter().filter(|other| other.hub == Some(hub)).filter_map(|other| other.queue.front());
            self.hubs[hub].busy_until = heads.map(|job| job.ready_at).filter(|at| *at != Timestamp::MAX).max().unwrap_or(Timestamp::MIN);
        }
    }

    /// The lock is removed from the account.
    pub fn leaves(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        if !self.locks[lock].present {
            return;
        }
        self.locks[lock].present = false;
        self.drop_ties(lock);
        out.push(Consequence::Left { lock });
        self.tell(now, Some(lock), News::DeviceRemoved, None, out);
    }

    /// The lock joins its account anew, as the next incarnation (`P-10`).
    pub fn joins(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        self.next_device += 1;
        let device = VendorDevice(self.next_device);
        self.drop_ties(lock);
        let site = &mut self.locks[lock];
        self.devices.remove(&site.device);
        self.devices.insert(device, lock);
        site.present = true;
        site.device = device;
        site.epoch.0 += 1;
        out.push(Consequence::Joined { lock });
        self.rename_handles(lock, out);
        let site = &mut self.locks[lock];
        site.versions = VecDeque::from([(now, site.lock.items(now))]);
        let serial = (!site.lock.quirks.has(Quirk::SerialHidden)).then(|| site.serial.clone());
        self.tell(now, Some(lock), News::DeviceAdded { serial }, None, out);
    }

    /// A lock that was in another account is added to this one. What is in it is nobody's here.
    pub fn takes_in(&mut self, now: Timestamp, lock: usize, from: &Lock, out: &mut Vec<Consequence>) {
        self.drop_ties(lock);
        let site = &mut self.locks[lock];
        site.present = true;
        out.push(Consequence::Joined { lock });
        site.lock.entries.clear();
        for entry in &from.entries {
            let place = match entry.place {
                Place::Handle(_) => Place::Handle(site.lock.new_handle()),
                place @ Place::Slot(_) => place,
            };
            let source = if entry.source == Source::Reserved { Source::Reserved } else { Source::External };
            site.lock.entries.push(Entry { place, source, ..entry.clone() });
            out.push(Consequence::Stored { lock, place, by: None });
        }
        let off_ms = from.clock_off_ms - site.lock.clock_off_ms;
        if off_ms != 0 {
            self.shifts_clock(lock, off_ms, out);
        }
        let site = &mut self.locks[lock];
        site.versions = VecDeque::from([(now, site.lock.items(now))]);
        let serial = (!site.lock.quirks.has(Quirk::SerialHidden)).then(|| site.serial.clone());
        self.tell(now, Some(lock), News::DeviceAdded { serial }, None, out);
    }

    /// A factory reset: memory empty (or left behind, nobody's), then a join.
    pub fn resets(&mut self, now: Timestamp, lock: usize, keeps_entries: bool, out: &mut Vec<Consequence>) {
        let places = self.locks[lock].own_places();
        for place in places {
            if keeps_entries {
                let site = &mut self.locks[lock];
                let entry = site.lock.entries.iter_mut().find(|entry| entry.place == place).expect("an own place");
                entry.source = Source::External;
                out.push(Consequence::Stored { lock, place, by: None });
            } else {
                self.removes(now, lock, place, false, out);
            }
        }
        if let Some(algorithm) = &mut self.locks[lock].lock.algorithm {
            algorithm.renew();
            out.push(Consequence::Renewed { lock });
        }
        if self.locks[lock].present {
            self.joins(now, lock, out);
        }
    }

    /// A vendor's ids are void after a join: what is still there gets new ones.
    fn rename_handles(&mut self, lock: usize, out: &mut Vec<Consequence>) {
        let site = &mut self.locks[lock];
        if site.lock.profile.family == Family::BySlot {
            return;
        }
        // What the lock might roll back to has names that the vendor has given up.
        site.past = None;
        let entries = core::mem::take(&mut site.lock.entries);
        for mut entry in entries {
            out.push(Consequence::Erased { lock, place: entry.place, by: None });
            let old = entry.place;
            entry.place = Place::Handle(site.lock.new_handle());
            let of_it = self.seats.users.values_mut().filter(|user| user.entry == Some((lock, old)));
            of_it.for_each(|user| user.entry = Some((lock, entry.place)));
            out.push(Consequence::Stored { lock, place: entry.place, by: None });
            site.lock.entries.push(entry);
        }
    }

    /// Somebody enters a PIN; whether the door opens.
    pub fn enters(&mut self, now: Timestamp, lock: usize, pin: crate::pin::Pin, out: &mut Vec<Consequence>) -> bool {
        let site = &self.locks[lock];
        if !site.works() {
            return false;
        }
        if site.lock.algorithm.is_some() && self.enters_offline(now, lock, pin, out) {
            return true;
        }
        let site = &self.locks[lock];
        let notices = site.lock.profile.notices;
        let place = site.lock.opening_entry(pin, now + site.lock.clock_off_ms).map(|entry| entry.place);
        let news = match place {
            Some(place) => News::KeypadUsed { place: notices.use_names_entry.then_some(place) },
            None => News::KeypadRefused,
        };
        if notices.keypad_use {
            self.tell(now, Some(lock), news, None, out);
        }
        place.is_some()
    }
}

impl LockSite {
    fn holds(&self, condition: LockCondition) -> bool {
        self.conditions.get(&condition).is_some_and(|held| held.times > 0)
    }

    fn held(&self, condition: LockCondition) -> Option<Held> {
        self.conditions.get(&condition).copied()
    }

    /// Whether the lock itself works: power, keypad, and no mode that bars PINs.
    #[must_use]
    pub fn works(&self) -> bool {
        ![LockCondition::Dead, LockCondition::KeypadGone, LockCondition::OfficeMode].iter().any(|condition| self.holds(*condition))
    }

    fn own_places(&self) -> Vec<Place> {
        self.lock.entries.iter().filter(|entry| entry.source != Source::Reserved).map(|entry| entry.place).collect()
    }

    fn forget_head(&mut self) {
        if let Some(job) = self.queue.pop_front() {
            self.keys.remove(&job.order.key);
        }
    }

    fn drop_ties(&mut self) {
        self.queue.clear();
        self.keys.clear();
        self.adopted.clear();
        self.own_log.clear();
        self.refreshed = None;
    }

    /// Performs a mutating job at the lock: what happened, and where.
    fn write(&mut self, now: Timestamp, job: &Job) -> (Effect, Place) {
        let source = Source::Command(job.order.command_id);
        match &job.order.op {
            Op::CreateEntry { pin, name, window } => {
                let place = job.place.expect("a creation was promised a handle");
                let write = Write { place, must_exist: false, pin: *pin, name: name.clone(), window: *window, source };
                (self.lock.store(now, write), place)
            }
            Op::ReplaceEntry { handle, pin, name, window } => {
                let place = Place::Handle(*handle);
                let write = Write { place, must_exist: true, pin: *pin, name: name.clone(), window: *window, source };
                (self.lock.store(now, write), place)
            }
            Op::SetSchedule { handle, window } => {
                let place = Place::Handle(*handle);
                (self.lock.reschedule(now, place, *window, source), place)
            }
            Op::SetSlot { slot, pin, name } => {
                let place = Place::Slot(*slot);
                let write = Write { place, must_exist: false, pin: *pin, name: name.clone(), window: None, source };
                (self.lock.store(now, write), place)
            }
            Op::DeleteEntry { handle } => (self.lock.erase(Place::Handle(*handle)), Place::Handle(*handle)),
            Op::ClearSlot { slot } => (self.lock.erase(Place::Slot(*slot)), Place::Slot(*slot)),
            op => unreachable!("{op:?} changes no memory"),
        }
    }

    /// A command that asks the lock itself: fresh reads and the clock.
    fn direct_answer(&mut self, now: Timestamp, order: &Order, page_size: u32) -> (Answer, Option<Timestamp>) {
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
    fn with_pending(&self, items: Arc<[Item]>) -> Arc<[Item]> {
        if self.lock.profile.read_back != ReadBack::ExactLoaded || !self.queue.iter().any(|job| job.order.op.is_mutating()) {
            return items;
        }
        let mut copy: Vec<Item> = items.to_vec();
        for job in &self.queue {
            match (&job.order.op, job.place) {
                (Op::CreateEntry { pin, name, window }, Some(place)) => copy.push(Item {
                    place,
                    pin: crate::port::ShownPin::Shown(*pin),
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

impl Held {
    /// Counts one more or one less; whether that changed whether the condition holds.
    fn shift(&mut self, now: Timestamp, begins: bool) -> bool {
        let held = self.times > 0;
        self.times = if begins { self.times + 1 } else { self.times.saturating_sub(1) };
        if !held && self.times > 0 {
            self.since = now;
        }
        held != (self.times > 0)
    }
}

/// What a person stores.
#[derive(Clone, Debug)]
pub struct PersonAdds {
    /// Where; none: the first free place.
    pub place: Option<Place>,
    /// The PIN.
    pub pin: crate::pin::Pin,
    /// The name.
    pub name: Name,
    /// Seen by no read.
    pub hidden: bool,
}

fn answered(command_id: CommandId, answer: Answer) -> Consequence {
    Consequence::Answer { command_id, answer, snapshot_at: None }
}

fn loss(now: Timestamp, lock: Option<usize>, news: News, is_back: bool) -> Consequence {
    let delay = if is_back { SECOND_MS } else { LOSS_NOTICED_AFTER_MS };
    Consequence::News { lock, news, snapshot_at: now, closes: None, not_before: now + delay }
}

/// Notices that a lock keeps while it can't send (port.md 7).
fn is_kept(news: &News) -> bool {
    let is_of_memory = matches!(news, News::EntryAdded(_) | News::EntryChanged(_) | News::EntryRemoved(_) | News::AllRemoved);
    is_of_memory || matches!(news, News::KeypadUsed { .. } | News::KeypadRefused | News::KeypadLocked)
}

/// Whether the vendor knows the command (`P-13`).
fn is_in_family(op: &Op, site: &LockSite) -> bool {
    let profile = &site.lock.profile;
    let reads = profile.read_back != ReadBack::None;
    match op {
        Op::CreateEntry { .. } | Op::DeleteEntry { .. } => profile.family == Family::ById,
        Op::ReplaceEntry { .. } => profile.family == Family::ById && profile.update_in_place,
        Op::SetSchedule { .. } => {
            profile.schedules && (profile.family == Family::BySeat || profile.family == Family::ById && profile.update_in_place)
        }
        Op::SetSlot { .. } | Op::ClearSlot { .. } => profile.family == Family::BySlot,
        Op::ListEntries { .. } => reads,
        Op::ReadEntry { .. } => profile.family != Family::BySlot && reads,
        Op::ReadSlot { .. } => profile.family == Family::BySlot && reads,
        Op::CreateUser { .. } | Op::DeleteUser { .. } | Op::TakeSeat { .. } | Op::ReleaseSeat { .. } | Op::AssignPin { .. } => {
            profile.family == Family::BySeat
        }
        Op::ReadSite => profile.family == Family::BySeat,
        Op::AdoptEntry { .. } => profile.claims_conversions,
        Op::ListDevices { .. } | Op::GetDevice => true,
        Op::ReadClock => profile.clock_readable,
        Op::SetClock { .. } => profile.clock_readable || profile.clock_settable,
        Op::RegisterOffline { .. } | Op::RevokeOffline { .. } | Op::ReadUserLevels => false,
    }
}

/// What the vendor says of a mutating command that reached its lock; none: only the lock's notice tells, or nothing does.
fn closing_answer(effect: Effect, place: Place, site: &LockSite) -> Option<Answer> {
    let handle = match place {
        Place::Handle(handle) => Some(handle),
        Place::Slot(_) => None,
    };
    let silent = site.lock.profile.ack == Ack::Nothing;
    match effect {
        Effect::Added | Effect::Changed => (!silent).then_some(Answer::Done { handle }),
        Effect::Removed => (!silent).then_some(Answer::Done { handle: None }),
        Effect::NotFound => match (place, silent) {
            (Place::Slot(_), true) => None,
            (Place::Slot(_), false) => Some(Answer::Done { handle: None }),
            (Place::Handle(_), _) => Some(Answer::NotFound),
        },
        Effect::Refused(reason) => Some(Answer::Refused(reason)),
        Effect::Twin => match site.lock.duplicate_policy() {
            _ if site.lock.quirks.has(Quirk::TwinCauseUnclear) && !silent => Some(Answer::MaybeDuplicate),
            DuplicatePolicy::Reject => Some(Answer::Refused(Reason::PinTaken)),
            DuplicatePolicy::RejectUnclear => Some(Answer::MaybeDuplicate),
            DuplicatePolicy::Notify | DuplicatePolicy::Silent | DuplicatePolicy::Accept => None,
        },
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
            let filler = site.lock.lengths.shortest().filter(|_| zeros).and_then(|length| crate::pin::Pin::new(length, 0));
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

fn site_timeout(site: &LockSite, op: &Op) -> i64 {
    let fresh = matches!(op, Op::ListEntries { fresh: true, .. } | Op::ReadEntry { fresh: true, .. } | Op::ReadSlot { fresh: true, .. });
    site.lock.profile.timeout_ms(op.is_mutating(), fresh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Handle, Slot};
    use crate::vendor::Vendor;

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
            let profile = vendor.profile();
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

    #[test]
    fn calls_beyond_the_rate_are_refused_until_the_minute_is_over() {
        let mut kit = Kit::new(Vendor::GenericCloud, &[]);
        let mut last = CommandId(0);
        for _ in 0..61 {
            last = kit.send(Op::GetDevice);
        }
        assert_eq!(kit.answers(last), [Answer::RateLimited { retry_after_ms: MINUTE_MS }]);
    }
}
