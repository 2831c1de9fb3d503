//! What happens in wide worlds alone, besides what happens everywhere: codes that share a PIN, conversions of what lies in a lock, and a second workspace
//! that is connected to the same locks.

use keyway_core::time::{HOUR_MS, MINUTE_MS};
use keyway_core::vendor::{Family, ReadBack};

use super::Swarm;
use super::chance::Chance;
use super::locks::{DrawnLock, plain_account};
use super::story::{self, DrawnCode, Teller};
use crate::plan::linked::{UpdateCodes, WhenNotShared};
use crate::plan::unmanaged::{AtUnmanaged, ConvertUnmanaged, UnmanagedAction};
use crate::plan::{Account, Action, CreateCode, CreateCodes, Plan, RequestedPin};
use crate::plan_text::{Offset, PinText};

/// The second workspace's name for what it shares.
pub const AGENCY: &str = "agency";

/// Which of these things exist in a world.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    groups: i64,
    conversions: i64,
    has_agency: bool,
}

impl Kinds {
    /// Leaves most of it out.
    pub fn draw(chance: &mut Chance) -> Self {
        Self {
            groups: chance.weighted(&[(6, 0), (3, 1), (1, 2)]),
            conversions: chance.weighted(&[(6, 0), (2, 1), (2, 3)]),
            has_agency: chance.happens(20),
        }
    }

    /// A second workspace connects the login of an account; the locks that it sees.
    pub fn connect(self, locks: &[DrawnLock], chance: &mut Chance, plan: &mut Plan) -> Vec<usize> {
        // Where nothing can be read neither workspace knows of the other's entries, and nobody can promise room; where both choose slots, they race for them.
        let is_fair = |lock: &&DrawnLock| lock.profile.read_back != ReadBack::None && lock.profile.family != Family::BySlot;
        let readable = locks.iter().filter(is_fair);
        let named: Vec<String> = readable.filter_map(|lock| lock.account.clone()).collect();
        if !self.has_agency || named.is_empty() {
            return Vec::new();
        }
        let owner = chance.one_of(&named.iter().map(String::as_str).collect::<Vec<_>>()).to_owned();
        let Some(vendor) = plan.accounts.iter().find(|account| account.name == owner).map(|account| account.vendor) else {
            return Vec::new();
        };
        let shared = Account { shares: Some(owner.clone()), ..plain_account(AGENCY, vendor) };
        plan.accounts.push(shared);
        (0..locks.len()).filter(|n| locks[*n].account.as_ref() == Some(&owner)).collect()
    }

    /// Adds what is asked for.
    pub fn tell(self, swarm: &Swarm, shared: &[usize], teller: &mut Teller<'_>, chance: &mut Chance) {
        for n in 1..=self.groups {
            group(swarm, n, teller, chance);
        }
        for n in 1..=self.conversions {
            conversion(swarm, n, shared, teller, chance);
        }
        for (n, lock) in (1..).zip(shared) {
            agency(swarm, n, *lock, teller, chance);
        }
    }
}

/// Codes on several locks that share a PIN as far as they can; later all of them are moved.
fn group(swarm: &Swarm, n: i64, teller: &mut Teller<'_>, chance: &mut Chance) {
    let online: Vec<usize> = (0..teller.locks.len()).filter(|lock| teller.locks[*lock].profile.offline.is_none()).collect();
    let members = chance.some_of(&online, 70);
    let Some(first) = members.first().copied() else { return };
    let born = swarm.moment(chance).min(swarm.moment(chance));
    let window = chance.happens(70).then(|| {
        let starts = born + chance.spread(MINUTE_MS, 6 * HOUR_MS) / MINUTE_MS * MINUTE_MS;
        (starts, starts + chance.spread(HOUR_MS, 30 * HOUR_MS) / MINUTE_MS * MINUTE_MS)
    });
    let names: Vec<String> = members.iter().map(|lock| format!("G{n}-{}", teller.locks[*lock].name)).collect();
    let codes = names.iter().zip(&members).map(|(name, lock)| (name.clone(), teller.locks[*lock].name.clone())).collect();
    let create = CreateCodes {
        codes,
        pin: chance.happens(40).then(|| RequestedPin::Text(story::pin_for(&teller.locks[first], chance).to_owned())),
        starts: window.map(|(starts, _)| Offset::After(starts)),
        ends: window.map(|(_, ends)| Offset::After(ends)),
        when_not_shared: chance.happens(60).then_some(if chance.happens(50) {
            WhenNotShared::Throw
        } else {
            WhenNotShared::CreateRandomCode
        }),
        is_external_modification_allowed: chance.happens(20).then_some(true),
        ..CreateCodes::default()
    };
    teller.say(born, Action::CreateMultiple(create));
    for (name, lock) in names.iter().zip(members) {
        teller.codes.push(DrawnCode { name: name.clone(), lock, window, born });
    }
    if chance.happens(60) {
        let later = born + story::pause(chance);
        let (starts, ends) = story::moved(window, later, chance);
        let update = UpdateCodes {
            group_of: names[0].clone(),
            name: chance.happens(30).then(|| "everybody".to_owned()),
            starts: Some(Offset::After(starts)),
            ends: Some(Offset::After(ends)),
        };
        teller.say(later, Action::UpdateMultiple(update));
    }
}

/// Somebody takes over, looks at or erases what lies in a lock and is nobody's.
fn conversion(swarm: &Swarm, n: i64, shared: &[usize], teller: &mut Teller<'_>, chance: &mut Chance) {
    let lock = chance.below(teller.locks.len() as u64) as usize;
    let drawn = &teller.locks[lock];
    let on = if shared.contains(&lock) && chance.happens(60) { format!("{AGENCY}/{}", drawn.name) } else { drawn.name.clone() };
    let pin = PinText(chance.one_of(&drawn.pins).parse().expect("a PIN of ours"));
    let target = AtUnmanaged { code: None, on: Some(on.clone()), pin: Some(pin) };
    let at = swarm.moment(chance);
    let named = format!("U{n}");
    let convert = ConvertUnmanaged {
        target: target.clone(),
        named: Some(named.clone()),
        is_external_modification_allowed: chance.happens(20).then_some(true),
        force: chance.happens(50).then_some(true),
    };
    let action = match chance.below(6) {
        0 => UnmanagedAction::List(on),
        1 => UnmanagedAction::Delete(target),
        2 => UnmanagedAction::Update(convert),
        _ => UnmanagedAction::Convert(convert),
    };
    if matches!(action, UnmanagedAction::Update(_) | UnmanagedAction::Convert(_)) {
        teller.codes.push(DrawnCode { name: named, lock, window: None, born: at });
    }
    teller.say(at, Action::Unmanaged(action));
}

/// The second workspace has a guest too.
fn agency(swarm: &Swarm, n: i64, lock: usize, teller: &mut Teller<'_>, chance: &mut Chance) {
    let drawn = &teller.locks[lock];
    if drawn.profile.offline.is_some() {
        return;
    }
    let (on, name, born) = (format!("{AGENCY}/{}", drawn.name), format!("A{n}"), swarm.moment(chance));
    let create = CreateCode {
        code: name.clone(),
        on,
        pin: chance.happens(60).then(|| RequestedPin::Text(story::pin_for(drawn, chance).to_owned())),
        ..CreateCode::default()
    };
    teller.say(born, Action::Create(create));
    teller.codes.push(DrawnCode { name, lock, window: None, born });
}
