//! Named shapes: worlds in which one known kind of bad night happens for certain, where uniform chance would meet it rarely.
//!
//! A shape adds its steps and faults to an ordinary world whose other troubles are turned down.

use keyway_core::port::OpKind;
use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use keyway_core::vendor::{Family, Vendor};
use keyway_core::world::quirk::Quirk;
use serde::{Deserialize, Serialize};

use super::chance::Chance;
use super::locks::DrawnLock;
use super::trouble::plain_fault;
use super::{CLOCK_CHANGES, DRAWN, Swarm};
use crate::plan::{Action, AtEntry, CreateCode, Enter, Fault, PersonAdds, Plan, PullBackup, RequestedPin, Step, UpdateCode};
use crate::plan_text::{Offset, PinText, Span};

macro_rules! shapes {
    ($($variant:ident = $name:literal, $about:literal;)*) => {
        /// A kind of bad night.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Shape {
            $(#[doc = $about] #[serde(rename = $name)] $variant,)*
        }

        impl Shape {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What happens, in one sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

shapes! {
    ThunderingReconnect = "thundering_reconnect", "All locks are unreachable, much is asked meanwhile, and all come back at one instant.";
    SwizzledHubs = "swizzled_hubs", "The hubs fail one by one and heal in another order.";
    NoticeStorm = "notice_storm", "People are busy at the locks during an outage, and their notices come late, doubled and out of order.";
    SlowThenDuplicate = "slow_then_duplicate", "Writes are slow, so that a retry or a person's own entry meets its twin.";
    RevokeDuringWrite = "revoke_during_write", "Codes are deleted or changed while their write is under way.";
    DstNight = "dst_night", "Codes begin and end around the hour that a clock change repeats or skips.";
    FullLockWithBackups = "full_lock_with_backups", "Small locks are full of codes that each want a backup, and backups are pulled.";
    TwoManagers = "two_managers", "Another manager or a person works against the platform on the same locks.";
    CrashBetweenSendAndSave = "crash_between_send_and_save", "The controller dies inside the steps in which it sends and saves.";
    LostAnswerAndCrash = "lost_answer_and_crash", "Answers to writes get lost, and the controller dies before it knows.";
    ForgottenDeleteAndFullLock = "forgotten_delete_and_full_lock", "Removals come to nothing, and the place is needed for the next guest.";
    BridgeQueueAndRateLimit = "bridge_queue_and_rate_limit", "Many calls meet a small budget and links that are slow.";
}

const SLOTTED: [Vendor; 2] = [Vendor::GenericSlot, Vendor::SmartThings];

impl Shape {
    /// From which vendors its locks are drawn unless the caller says.
    pub(super) fn vendors(self) -> &'static [Vendor] {
        match self {
            Self::SwizzledHubs => &SLOTTED,
            _ => &DRAWN,
        }
    }

    /// The fewest locks with which it makes sense.
    pub(super) const fn fewest_locks(self) -> i64 {
        match self {
            Self::ThunderingReconnect | Self::SwizzledHubs => 3,
            _ => 1,
        }
    }

    /// The fewest crashes that belong to it.
    pub(super) const fn fewest_crashes(self) -> i64 {
        match self {
            Self::CrashBetweenSendAndSave => 4,
            Self::LostAnswerAndCrash => 2,
            _ => 0,
        }
    }

    /// What the locks must be like: before the story, which looks at them.
    pub(super) fn prepare(self, swarm: &Swarm, locks: &mut [DrawnLock], plan: &mut Plan) {
        for (lock, device) in locks.iter_mut().zip(&mut plan.devices) {
            match self {
                Self::FullLockWithBackups | Self::ForgottenDeleteAndFullLock => {
                    let slots = lock.profile.reserved_slots + device.memory.len() as u32 + 3;
                    (lock.profile.slots, device.slots) = (slots, Some(slots));
                }
                Self::DstNight => device.zone = Some(if swarm.start.0 % 2 == 0 { "Europe/Berlin" } else { "America/New_York" }.to_owned()),
                _ => {}
            }
        }
    }

    /// What happens, from the beginning of a time of trouble on.
    pub(super) fn arrange(self, swarm: &Swarm, locks: &[DrawnLock], chance: &mut Chance, plan: &mut Plan) {
        let mut night = Night { swarm, plan, codes: 0 };
        let length = chance.within(20, 150) * MINUTE_MS;
        let from = chance.within(MINUTE_MS, (swarm.horizon_ms - length - HOUR_MS).max(MINUTE_MS)) / SECOND_MS * SECOND_MS;
        let to = from + length;
        for (n, lock) in (0..).zip(locks) {
            self.strike(&mut night, lock, n, (from, to), chance);
        }
        plan.steps.sort_by_key(|step| match step.at {
            Offset::After(ms) => ms,
            Offset::Instant(_) => unreachable!("the generator writes offsets"),
        });
    }

    /// What happens at one lock.
    fn strike(self, night: &mut Night, lock: &DrawnLock, n: i64, (from, to): (i64, i64), chance: &mut Chance) {
        let codes = chance.within(2, 5);
        let writes: &[OpKind] = match lock.profile.family {
            Family::ById => &[OpKind::CreateEntry, OpKind::ReplaceEntry],
            Family::BySlot => &[OpKind::SetSlot],
            Family::BySeat => &[OpKind::CreateUser],
            Family::Offline => &[OpKind::RegisterOffline],
        };
        match self {
            Self::ThunderingReconnect => {
                night.fault(Quirk::CloudDown, lock, from, to);
                for _ in 0..codes {
                    let code = night.create(lock, chance.within(from - MINUTE_MS, to), None, chance);
                    night.change(code, chance.within(from, to), chance);
                }
            }
            Self::SwizzledHubs => {
                let quirk = if lock.profile.hub.is_some() { Quirk::HubPowerLost } else { Quirk::LockPowerLost };
                night.fault(quirk, lock, from + n * 2 * MINUTE_MS, chance.within(to, to + 30 * MINUTE_MS));
                for _ in 0..codes {
                    let code = night.create(lock, chance.within(from - MINUTE_MS, to), None, chance);
                    night.change(code, chance.within(to, to + 30 * MINUTE_MS), chance);
                }
            }
            Self::NoticeStorm => {
                night.fault(Quirk::CloudDown, lock, from, to);
                night.noise(Quirk::NoticeLate, lock, (from, to + HOUR_MS), &[]).delay = Some(Span(chance.within(30, 120) * SECOND_MS));
                night.noise(Quirk::NoticeDoubled, lock, (from, to + HOUR_MS), &[]);
                for _ in 0..codes {
                    let code = night.create(lock, from - chance.within(1, 20) * MINUTE_MS, None, chance);
                    night.meddle(lock, &code, chance.within(from, to + MINUTE_MS), chance);
                }
            }
            Self::SlowThenDuplicate => {
                let quirk = chance.one_of(&[Quirk::LinkSlow, Quirk::LinkDelaysAnswer, Quirk::LinkDoublesRequest]);
                night.noise(quirk, lock, (from, to), writes);
                for _ in 0..codes {
                    let (at, pin) = (chance.within(from, to), chance.one_of(&lock.pins));
                    night.create_with(lock, at, None, Some(pin));
                    if chance.happens(50) {
                        let pin = PinText(pin.parse().expect("a PIN of ours"));
                        let adds = PersonAdds { on: lock.name.clone(), pin, slot: None, name: None, hidden: false };
                        night.step(at + chance.spread(100, 2 * MINUTE_MS), Action::PersonAdds(adds));
                    }
                }
            }
            Self::RevokeDuringWrite => {
                if chance.happens(60) {
                    night.noise(Quirk::LinkSlow, lock, (from, to), &[]);
                }
                for _ in 0..codes {
                    let at = chance.within(from, to);
                    let code = night.create(lock, at, None, chance);
                    night.change(code, at + chance.spread(50, 2 * MINUTE_MS), chance);
                }
            }
            Self::DstNight => {
                let changes = CLOCK_CHANGES.map(|at| at.0 - night.swarm.start.0);
                let around = changes.into_iter().find(|ms| (0..=2 * DAY_MS).contains(ms)).unwrap_or(from);
                for _ in 0..codes {
                    let starts = (around + chance.within(-8, 4) * (HOUR_MS / 2)).max(MINUTE_MS);
                    let ends = starts + chance.within(1, 12) * (HOUR_MS / 2);
                    let code = night.create(lock, (starts - chance.spread(MINUTE_MS, 8 * HOUR_MS)).max(0), Some((starts, ends)), chance);
                    for edge in [starts, ends] {
                        night.enter(lock, &code, edge + chance.one_of(&[-HOUR_MS, -MINUTE_MS, MINUTE_MS, HOUR_MS]));
                    }
                }
            }
            Self::FullLockWithBackups => {
                for n in 0..codes {
                    let at = from + n * chance.within(1, 10) * MINUTE_MS;
                    let code = night.create_pooled(lock, at, (at, to + HOUR_MS));
                    night.step(
                        at + chance.spread(SECOND_MS, HOUR_MS),
                        Action::PullBackup(PullBackup { named: format!("pulled for {code}"), of: code }),
                    );
                }
            }
            Self::TwoManagers => {
                if lock.profile.family == Family::BySlot {
                    let rival = night.fault(Quirk::RivalManager, lock, from, to);
                    rival.slots = Some((1, chance.within(1, 5) as u16));
                    rival.delay = Some(Span(chance.spread(SECOND_MS, 30 * MINUTE_MS)));
                }
                for _ in 0..codes {
                    let code = night.create(lock, chance.within(from - 10 * MINUTE_MS, to), None, chance);
                    for _ in 0..chance.within(1, 3) {
                        night.meddle(lock, &code, chance.within(from, to), chance);
                    }
                }
            }
            Self::CrashBetweenSendAndSave => {
                for _ in 0..codes {
                    let at = chance.within(from, to);
                    let code = night.create(lock, at, None, chance);
                    night.change(code, at + chance.spread(SECOND_MS, HOUR_MS), chance);
                }
            }
            Self::LostAnswerAndCrash => {
                night.noise(Quirk::LinkLosesAnswer, lock, (from, to), &[]).one_in = Some(2);
                for _ in 0..codes {
                    let at = chance.within(from, to);
                    let code = night.create(lock, at, None, chance);
                    night.change(code, at + chance.spread(SECOND_MS, HOUR_MS), chance);
                }
            }
            Self::ForgottenDeleteAndFullLock => {
                let erases = match lock.profile.family {
                    Family::ById => OpKind::DeleteEntry,
                    Family::BySlot => OpKind::ClearSlot,
                    Family::BySeat => OpKind::DeleteUser,
                    Family::Offline => OpKind::RevokeOffline,
                };
                let quirk = chance.one_of(&[Quirk::LinkLosesRequest, Quirk::LinkLosesAnswer]);
                night.noise(quirk, lock, (from, to), &[erases]).one_in = Some(chance.within(1, 2) as u32);
                for n in 0..codes {
                    let at = from + n * 10 * MINUTE_MS;
                    let code = night.create(lock, at, None, chance);
                    night.step(at + chance.within(5, 25) * MINUTE_MS, Action::Delete(code));
                }
            }
            Self::BridgeQueueAndRateLimit => {
                let is_cloud = lock.vendor != Vendor::GenericSlot;
                if is_cloud {
                    night.fault(Quirk::RateBudgetSmall, lock, from, to);
                }
                if lock.profile.queue_limit.is_some() {
                    night.fault(Quirk::BridgeQueueFull, lock, from + MINUTE_MS, to - MINUTE_MS);
                }
                night.noise(Quirk::LinkSlow, lock, (from, to), &[]);
                for _ in 0..2 * codes {
                    let code = night.create(lock, chance.within(from, from + 5 * MINUTE_MS), None, chance);
                    night.change(code, chance.within(from, to), chance);
                }
            }
        }
    }
}

/// What a shape adds to a plan.
struct Night<'a> {
    swarm: &'a Swarm,
    plan: &'a mut Plan,
    codes: u32,
}

impl Night<'_> {
    fn step(&mut self, at: i64, action: Action) {
        if (0..=self.swarm.horizon_ms).contains(&at) {
            self.plan.steps.push(Step { at: Offset::After(at), action, by: None });
        }
    }

    fn fault(&mut self, quirk: Quirk, lock: &DrawnLock, from: i64, until: i64) -> &mut Fault {
        self.plan.faults.push(plain_fault(quirk, Some(lock.name.clone()), (from, until)));
        self.plan.faults.last_mut().expect("the one just added")
    }

    /// Noise that strikes all of these commands; none: all commands or notices.
    fn noise(&mut self, quirk: Quirk, lock: &DrawnLock, (from, until): (i64, i64), commands: &[OpKind]) -> &mut Fault {
        let fault = self.fault(quirk, lock, from, until);
        fault.commands = commands.to_vec();
        fault.one_in = Some(1);
        fault
    }

    fn create(&mut self, lock: &DrawnLock, at: i64, window: Option<(i64, i64)>, chance: &mut Chance) -> String {
        let pin = chance.happens(50).then(|| chance.one_of(&lock.pins));
        self.create_with(lock, at, window, pin)
    }

    fn create_with(&mut self, lock: &DrawnLock, at: i64, window: Option<(i64, i64)>, pin: Option<&str>) -> String {
        let create = self.creation(lock, window);
        let code = create.code.clone();
        self.step(
            at.clamp(0, self.swarm.horizon_ms),
            Action::Create(CreateCode { pin: pin.map(|pin| RequestedPin::Text(pin.to_owned())), ..create }),
        );
        code
    }

    fn create_pooled(&mut self, lock: &DrawnLock, at: i64, window: (i64, i64)) -> String {
        let create = self.creation(lock, Some(window));
        let code = create.code.clone();
        self.step(at.clamp(0, self.swarm.horizon_ms), Action::Create(CreateCode { use_backup_access_code_pool: Some(true), ..create }));
        code
    }

    fn creation(&mut self, lock: &DrawnLock, window: Option<(i64, i64)>) -> CreateCode {
        self.codes += 1;
        CreateCode {
            code: format!("N{}", self.codes),
            on: lock.name.clone(),
            starts: window.map(|(starts, _)| Offset::After(starts)),
            ends: window.map(|(_, ends)| Offset::After(ends)),
            ..CreateCode::default()
        }
    }

    /// A code is deleted, or gets another PIN or name.
    fn change(&mut self, code: String, at: i64, chance: &mut Chance) {
        let update = UpdateCode { code: code.clone(), ..UpdateCode::default() };
        let action = match chance.below(4) {
            0 | 1 => Action::Delete(code),
            2 => Action::Update(UpdateCode {
                pin: Some(RequestedPin::Text(chance.one_of(&["8642", "97531", "864209"]).to_owned())),
                ..update
            }),
            _ => Action::Update(UpdateCode { name: Some(format!("{code} renamed")), ..update }),
        };
        self.step(at, action);
    }

    /// A person removes the entry of a code or switches it off.
    fn meddle(&mut self, lock: &DrawnLock, code: &str, at: i64, chance: &mut Chance) {
        let target = AtEntry { on: lock.name.clone(), code: Some(code.to_owned()), ..AtEntry::default() };
        let removes = chance.happens(60);
        self.step(at, if removes { Action::PersonRemoves(target) } else { Action::PersonDisables(target) });
    }

    fn enter(&mut self, lock: &DrawnLock, code: &str, at: i64) {
        self.step(at, Action::Enter(Enter { on: lock.name.clone(), code: Some(code.to_owned()), ..Enter::default() }));
    }
}
