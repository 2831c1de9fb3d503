//! What may hold of an account, a hub or a lock for a while, and what it does to the way between the cloud and the lock.

use alloc::vec::Vec;

use super::consequence::loss;
use super::{Consequence, LockSite, Site};
use crate::port::{News, PathPart};
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp};

/// The vendor notices a lost lock or hub this long after the fact; until then it takes commands for it.
pub const LOSS_NOTICED_AFTER_MS: i64 = 5 * SECOND_MS;

/// A sleeping lock does its work at multiples of this.
pub const SLEEP_PERIOD_MS: i64 = 5 * MINUTE_MS;

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
pub(super) const BROKEN_LINKS: [LockCondition; 4] =
    [LockCondition::Dead, LockCondition::LinkDown, LockCondition::BridgeGone, LockCondition::GatewayGone];

/// How often a condition holds at once, since faults may overlap; and since when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) times: u32,
    pub(super) since: Timestamp,
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

/// A hub, bridge or gateway shared by locks.
#[derive(Clone, Debug)]
pub(super) struct HubState {
    pub(super) part: PathPart,
    pub(super) down: Held,
    /// What is behind it is taken all the same, for its return.
    pub(super) keeps_taking: Held,
    /// Nobody is told that it is down.
    pub(super) seems_online: Held,
    pub(super) busy_until: Timestamp,
}

impl Site {
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

    pub(super) fn holds(&self, condition: CloudCondition) -> bool {
        self.conditions.get(&condition).is_some_and(|held| held.times > 0)
    }

    /// Whether a job can run at the lock.
    pub(super) fn link_is_up(&self, lock: usize) -> bool {
        let site = &self.locks[lock];
        let hub_up = site.hub.is_none_or(|hub| self.hubs[hub].down.times == 0);
        hub_up && !BROKEN_LINKS.iter().any(|c| site.holds(*c))
    }

    /// The part of the path that the vendor knows to be down.
    pub(super) fn known_down(&self, now: Timestamp, lock: usize) -> Option<PathPart> {
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

    fn path_is_back(&mut self, now: Timestamp, lock: usize, out: &mut Vec<Consequence>) {
        let log = core::mem::take(&mut self.locks[lock].own_log);
        let kept = |(snapshot_at, news)| Consequence::News { lock: Some(lock), news, snapshot_at, closes: None, not_before: now };
        out.extend(log.into_iter().map(kept));
        // A job whose time has not come yet is under way as before; only one that found the path closed starts anew.
        if self.locks[lock].queue.front().is_some_and(|job| job.ready_at < now) {
            self.start_head(now, lock, out);
        }
    }
}

impl LockSite {
    pub(super) fn holds(&self, condition: LockCondition) -> bool {
        self.conditions.get(&condition).is_some_and(|held| held.times > 0)
    }

    pub(super) fn held(&self, condition: LockCondition) -> Option<Held> {
        self.conditions.get(&condition).copied()
    }

    /// Whether the lock itself works: power, keypad, and no mode that bars PINs.
    #[must_use]
    pub fn works(&self) -> bool {
        ![LockCondition::Dead, LockCondition::KeypadGone, LockCondition::OfficeMode].iter().any(|condition| self.holds(*condition))
    }
}
