//! What happens in a generated world: API calls, and people and other apps at the locks.
//!
//! Each code is a small story: it is created, and then things are done to it, soon or late. Nothing depends on a
//! call's success: what is done to a code that was refused meets no target and does nothing.

use keyway_core::access_code::Type;
use keyway_core::request::MaxTimeRounding;
use keyway_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use keyway_core::vendor::{Family, Vendor};

use super::Swarm;
use super::chance::Chance;
use super::locks::DrawnLock;
use crate::plan::{
    Action, AtEntry, CreateCode, Enter, EnterRepeatedly, PersonAdds, PersonEdits, Plan, PullBackup, RequestedPin, Step, UpdateCode,
};
use crate::plan_text::{Offset, PinText, Span};

/// How callers and people of a world behave: weights of what they do.
#[derive(Clone, Debug)]
pub struct Habits {
    codes: i64,
    creations: Vec<(u64, Kind)>,
    changes: Vec<(u64, Change)>,
    /// How often somebody meddles with a lock, in percent of the codes.
    meddling_percent: u64,
    meddling: Vec<(u64, Meddling)>,
    custom_pin_percent: u64,
    allowed_percent: u64,
    pool_percent: u64,
}

/// What a code is for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Ongoing,
    /// Begins within the hour, or has begun.
    Soon,
    /// Begins within the horizon.
    Within,
    /// Begins about 72 h ahead, where native schedules are stored.
    Ahead,
}

/// What is done to a code.
#[derive(Clone, Copy, Debug)]
enum Change {
    Pin,
    Window,
    Name,
    Type,
    Allowed,
    Delete,
    Pull,
    Look,
}

/// What people and other apps do at a lock.
#[derive(Clone, Copy, Debug)]
enum Meddling {
    Adds,
    Removes,
    Edits,
    Disables,
}

impl Habits {
    /// Leaves out some of everything, and weighs the rest.
    pub fn draw(chance: &mut Chance) -> Self {
        let weigh = |chance: &mut Chance| chance.weighted(&[(2, 1), (3, 3), (2, 9)]);
        let kinds = chance.some_of(&[Kind::Ongoing, Kind::Soon, Kind::Within, Kind::Ahead], 65);
        let others = [Change::Pin, Change::Window, Change::Name, Change::Type, Change::Allowed, Change::Pull, Change::Look];
        let mut changes: Vec<_> = chance.some_of(&others, 60).into_iter().map(|change| (weigh(chance), change)).collect();
        changes.push((weigh(chance) * 2, Change::Delete));
        let meddling = chance.some_of(&[Meddling::Adds, Meddling::Removes, Meddling::Edits, Meddling::Disables], 60);
        Self {
            codes: chance.spread(4, 16),
            creations: kinds.into_iter().map(|kind| (weigh(chance), kind)).collect(),
            changes,
            meddling_percent: chance.one_of(&[0, 30, 70, 120]),
            meddling: meddling.into_iter().map(|meddling| (weigh(chance), meddling)).collect(),
            custom_pin_percent: chance.one_of(&[20, 60, 95]),
            allowed_percent: chance.one_of(&[0, 30, 60]),
            pool_percent: chance.one_of(&[0, 25, 60]),
        }
    }
}

/// A code of the story.
pub(super) struct DrawnCode {
    pub name: String,
    pub lock: usize,
    pub window: Option<(i64, i64)>,
    pub born: i64,
}

pub(super) struct Teller<'a> {
    swarm: &'a Swarm,
    pub locks: &'a [DrawnLock],
    steps: Vec<(i64, Action)>,
    pub codes: Vec<DrawnCode>,
    pulls: u32,
}

/// Adds the steps, in the order of their times.
pub fn add(swarm: &Swarm, locks: &[DrawnLock], chance: &mut Chance, plan: &mut Plan) {
    let mut teller = Teller { swarm, locks, steps: Vec::new(), codes: Vec::new(), pulls: 0 };
    teller.meet_owners();
    for n in 1..=swarm.habits.codes {
        teller.create(n, chance);
    }
    if let Some(wide) = swarm.wide {
        let shared = wide.connect(locks, chance, plan);
        wide.tell(swarm, &shared, &mut teller, chance);
    }
    for at in 0..teller.codes.len() {
        teller.live(at, chance);
    }
    let meddlers = (swarm.habits.codes as u64 * swarm.habits.meddling_percent).div_ceil(100);
    for _ in 0..meddlers {
        teller.meddle(chance);
    }
    let Teller { mut steps, .. } = teller;
    // The sort is stable, so what is said of one code at one instant keeps its order.
    steps.sort_by_key(|(at, _)| *at);
    plan.steps = steps.into_iter().map(|(at, action)| Step { at: Offset::After(at), action, by: None }).collect();
}

/// The same for a lock that takes offline codes alone; worlds of the default draw have none.
fn offline(create: CreateCode, n: i64) -> CreateCode {
    CreateCode {
        pin: None,
        use_backup_access_code_pool: None,
        prefer_native_scheduling: None,
        is_offline_access_code: Some(true),
        is_one_time_use: (n % 4 == 0).then_some(true),
        max_time_rounding: (n % 3 == 0).then_some(MaxTimeRounding::Day),
        ..create
    }
}

impl Teller<'_> {
    pub fn say(&mut self, at: i64, action: Action) {
        if (0..=self.swarm.horizon_ms).contains(&at) {
            self.steps.push((at, action));
        }
    }

    fn meet_owners(&mut self) {
        for (lock, drawn) in self.locks.iter().enumerate() {
            let owners = drawn.owners.iter().map(|name| DrawnCode { name: name.clone(), lock, window: None, born: 0 });
            self.codes.extend(owners);
        }
    }

    fn create(&mut self, n: i64, chance: &mut Chance) {
        let habits = &self.swarm.habits;
        let lock = chance.below(self.locks.len() as u64) as usize;
        let drawn = &self.locks[lock];
        // Most codes come early, so that something can happen to them.
        let born = self.swarm.moment(chance).min(self.swarm.moment(chance));
        let window = window(chance.weighted(&habits.creations), born, self.swarm.horizon_ms, chance);
        let name = format!("C{n}");
        let pooled = window.is_some() && chance.happens(habits.pool_percent);
        let create = CreateCode {
            code: name.clone(),
            on: drawn.name.clone(),
            pin: chance.happens(habits.custom_pin_percent).then(|| RequestedPin::Text(pin_for(drawn, chance).to_owned())),
            name: chance.happens(25).then(|| chance.one_of(&["guest", "cleaner of the third floor", "Zoë"]).to_owned()),
            starts: window.map(|(starts, _)| Offset::After(starts)),
            ends: window.map(|(_, ends)| Offset::After(ends)),
            preferred_code_length: chance.happens(15).then(|| chance.one_of(&[4, 5, 6, 8])),
            prefer_native_scheduling: (window.is_some() && chance.happens(20)).then_some(false),
            use_backup_access_code_pool: pooled.then_some(true),
            is_external_modification_allowed: chance.happens(habits.allowed_percent).then_some(true),
            attempt_for_offline_device: chance.happens(10).then_some(false),
            ..CreateCode::default()
        };
        let create = if drawn.profile.offline.is_some() { offline(create, n) } else { create };
        self.say(born, Action::Create(create));
        self.codes.push(DrawnCode { name, lock, window, born });
    }

    /// What becomes of a code: changes, and guests at the door.
    fn live(&mut self, at: usize, chance: &mut Chance) {
        let mut now = self.codes[at].born;
        for _ in 0..chance.weighted(&[(1, 0), (3, 1), (3, 2), (2, 3), (1, 5)]) {
            now += pause(chance);
            let change = chance.weighted(&self.swarm.habits.changes);
            self.change(at, now, change, chance);
        }
        if chance.happens(60) {
            self.visit(at, chance);
        }
    }

    fn change(&mut self, at: usize, now: i64, change: Change, chance: &mut Chance) {
        let code = self.codes[at].name.clone();
        let drawn = &self.locks[self.codes[at].lock];
        let update = UpdateCode { code: code.clone(), ..UpdateCode::default() };
        let action = match change {
            Change::Pin => Action::Update(UpdateCode { pin: Some(RequestedPin::Text(pin_for(drawn, chance).to_owned())), ..update }),
            Change::Name => Action::Update(UpdateCode { name: Some(format!("{code} renamed")), ..update }),
            Change::Type => Action::Update(UpdateCode { kind: Some(Type::Ongoing), ..update }),
            Change::Allowed => Action::Update(UpdateCode { is_external_modification_allowed: Some(chance.happens(50)), ..update }),
            Change::Window => {
                let window = moved(self.codes[at].window, now, chance);
                self.codes[at].window = Some(window);
                Action::Update(UpdateCode { starts: Some(Offset::After(window.0)), ends: Some(Offset::After(window.1)), ..update })
            }
            Change::Delete => Action::Delete(code),
            Change::Pull => return self.pull(code, now, chance),
            Change::Look if chance.happens(50) => Action::Get(code),
            Change::Look => Action::List(drawn.name.clone()),
        };
        self.say(now, action);
    }

    /// Somebody pulls a backup, tries it at the door, and perhaps asks again.
    fn pull(&mut self, code: String, now: i64, chance: &mut Chance) {
        self.pulls += 1;
        let named = format!("B{}", self.pulls);
        let of = self.codes.iter().find(|known| known.name == code).map_or(0, |known| known.lock);
        let on = self.locks[of].name.clone();
        self.say(now, Action::PullBackup(PullBackup { of: code.clone(), named: named.clone() }));
        self.say(now + MINUTE_MS, Action::Enter(Enter { on, code: Some(named.clone()), ..Enter::default() }));
        if chance.happens(25) {
            let later = now + pause(chance);
            self.say(later, Action::PullBackup(PullBackup { of: code, named }));
        }
    }

    /// A guest at the door, at the edges of the window or whenever.
    fn visit(&mut self, at: usize, chance: &mut Chance) {
        let code = &self.codes[at];
        let (born, window, name) = (code.born, code.window, code.name.clone());
        let on = self.locks[code.lock].name.clone();
        let enter = Enter { on, code: Some(name), ..Enter::default() };
        let edges = window.map_or([born + 5 * MINUTE_MS, born + HOUR_MS], |(starts, ends)| [starts, ends]);
        for edge in edges {
            let off = chance.one_of(&[-HOUR_MS, -MINUTE_MS, -1, 0, 1, SECOND_MS, 61 * SECOND_MS, 15 * MINUTE_MS]);
            self.say(edge + off, Action::Enter(enter.clone()));
        }
        if chance.happens(15) {
            let from = edges[0] + MINUTE_MS;
            let until = Offset::After((from + HOUR_MS).clamp(0, self.swarm.horizon_ms));
            if from <= self.swarm.horizon_ms {
                self.say(from, Action::EnterRepeatedly(EnterRepeatedly { enter, every: Span(10 * MINUTE_MS), until }));
            }
        }
    }

    /// People and other apps at the lock.
    fn meddle(&mut self, chance: &mut Chance) {
        let lock = chance.below(self.locks.len() as u64) as usize;
        let drawn = &self.locks[lock];
        let on = drawn.name.clone();
        let at = self.swarm.moment(chance);
        let target = self.target(lock, chance);
        let action = match chance.weighted(&self.swarm.habits.meddling) {
            Meddling::Adds => Action::PersonAdds(PersonAdds {
                slot: (drawn.profile.family == Family::BySlot && chance.happens(50)).then(|| any_slot(drawn, chance)),
                pin: PinText(pin_for(drawn, chance).parse().expect("a PIN of ours")),
                name: chance.happens(20).then(|| "neighbour".to_owned()),
                hidden: drawn.vendor == Vendor::SmartThings && chance.happens(30),
                on,
            }),
            Meddling::Removes => Action::PersonRemoves(target),
            Meddling::Disables => Action::PersonDisables(target),
            Meddling::Edits => {
                let new_end = (drawn.profile.schedules && chance.happens(40)).then(|| Offset::After(at + pause(chance)));
                let new_pin = new_end.is_none().then(|| PinText(pin_for(drawn, chance).parse().expect("a PIN of ours")));
                Action::PersonEdits(PersonEdits { target, new_pin, new_end })
            }
        };
        self.say(at, action);
    }

    /// An entry of a lock: of a code, by its place, or by its PIN.
    fn target(&self, lock: usize, chance: &mut Chance) -> AtEntry {
        let drawn = &self.locks[lock];
        let codes: Vec<&DrawnCode> = self.codes.iter().filter(|code| code.lock == lock).collect();
        let entry = AtEntry { on: drawn.name.clone(), ..AtEntry::default() };
        match chance.below(10) {
            0..=6 if !codes.is_empty() => AtEntry { code: Some(chance.one_of(&codes).name.clone()), ..entry },
            7 | 8 if drawn.profile.family == Family::BySlot => AtEntry { slot: Some(any_slot(drawn, chance)), ..entry },
            _ => AtEntry { pin: Some(PinText(chance.one_of(&drawn.pins).parse().expect("a PIN of ours"))), ..entry },
        }
    }
}

/// One of the lower slots, where the controller puts its codes.
fn any_slot(drawn: &DrawnLock, chance: &mut Chance) -> u16 {
    chance.within(1, i64::from(drawn.profile.slots.min(6))) as u16
}

/// A PIN for this lock: mostly of a length it takes, sometimes one that the platform must refuse.
pub(super) fn pin_for(drawn: &DrawnLock, chance: &mut Chance) -> &'static str {
    let fitting: Vec<_> = drawn.pins.iter().copied().filter(|pin| drawn.profile.lengths.contains(pin.len() as u8)).collect();
    if fitting.is_empty() || chance.happens(3) {
        return chance.one_of(&drawn.pins);
    }
    chance.one_of(&fitting)
}

fn window(kind: Kind, born: i64, horizon_ms: i64, chance: &mut Chance) -> Option<(i64, i64)> {
    let ahead = match kind {
        Kind::Ongoing => return None,
        Kind::Soon => chance.within(-30 * MINUTE_MS, HOUR_MS + 20 * MINUTE_MS),
        Kind::Within => chance.spread(HOUR_MS, (horizon_ms - born).max(2 * HOUR_MS)),
        Kind::Ahead => chance.within(3 * DAY_MS - 6 * HOUR_MS, 3 * DAY_MS + 6 * HOUR_MS),
    };
    let step = chance.weighted(&[(8, MINUTE_MS), (2, SECOND_MS)]);
    let starts = (born + ahead).max(0) / step * step;
    let length = chance.spread(10 * MINUTE_MS, 2 * DAY_MS) / step * step;
    // One that is over already would only be refused.
    Some((starts, (starts + length).max(born + 5 * MINUTE_MS)))
}

/// A new window: nearer, later, longer or shorter than the old one.
pub(super) fn moved(window: Option<(i64, i64)>, now: i64, chance: &mut Chance) -> (i64, i64) {
    let (starts, ends) = window.unwrap_or((now, now + 3 * HOUR_MS));
    let (starts, ends) = match chance.below(4) {
        0 => (starts, ends + chance.spread(10 * MINUTE_MS, 6 * HOUR_MS)),
        1 => (starts, ends - chance.spread(10 * MINUTE_MS, 6 * HOUR_MS)),
        2 => (now, now + chance.spread(30 * MINUTE_MS, 6 * HOUR_MS)),
        _ => {
            let ahead = chance.spread(MINUTE_MS, 4 * DAY_MS);
            (starts + ahead, ends + ahead)
        }
    };
    let starts = starts.max(0) / SECOND_MS * SECOND_MS;
    (starts, (ends / SECOND_MS * SECOND_MS).max(starts + 5 * MINUTE_MS))
}

/// Time between two things done to one code: in the middle of the first, soon after it, or long after it.
pub(super) fn pause(chance: &mut Chance) -> i64 {
    let (from, to) = chance.weighted(&[(3, (100, 20 * SECOND_MS)), (3, (MINUTE_MS, 30 * MINUTE_MS)), (3, (30 * MINUTE_MS, 8 * HOUR_MS))]);
    let ms = chance.spread(from, to);
    if ms < MINUTE_MS { ms } else { ms / SECOND_MS * SECOND_MS }
}
