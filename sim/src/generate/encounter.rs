//! What chance brings together too seldom: once in a while a wide world gets one of these for certain. They have dice of their own and come last, so that the plans of
//! all other seeds stay what they are.

use keyway_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use keyway_core::vendor::Vendor;
use keyway_core::world::quirk::Quirk;

use super::chance::Chance;
use super::trouble::plain_fault;
use super::wide::AGENCY;
use super::{Swarm, WIDE_EVERY, whole};
use crate::plan::lookup::{DeleteOn, GetByPin, ListCodes};
use crate::plan::unmanaged::{AtUnmanaged, ConvertUnmanaged, UnmanagedAction};
use crate::plan::{Action, AtEntry, CrashPoint, CreateCode, Enter, PersonEdits, Plan, RequestedPin, Step, UpdateCode};
use crate::plan_text::{Offset, PinText, Span};

/// Of so many wide worlds one has such a thing, if any fits.
const ONE_IN: u64 = 8;

type Encounter = fn(&Swarm, &mut Plan, &mut Chance) -> Option<()>;

/// Of so many seeds, of any world, two have their codes meant in all the ways in which calls may mean them, and two of the default draw meet what chance never brings.
const SINGLED_OUT_EVERY: u64 = 16;

const ENCOUNTERS: [Encounter; 5] = [calls_by_id, converts_unasked, edits_a_linked_pin, leaves_few_seats, uses_once];

/// Adds the first that fits, from a drawn one on.
pub fn add(swarm: &Swarm, seed: u64, plan: &mut Plan) {
    let mut chance = Chance::new(!seed);
    if swarm.wide.is_some() && (seed / WIDE_EVERY).is_multiple_of(ONE_IN) {
        let first = chance.below(ENCOUNTERS.len() as u64) as usize;
        let mut in_turn = ENCOUNTERS.iter().cycle().skip(first).take(ENCOUNTERS.len());
        let _ = in_turn.find_map(|one| one(swarm, plan, &mut chance));
    } else if matches!(seed % SINGLED_OUT_EVERY, 9 | 12) && !plan.crashes.iter().any(|crash| names_a_step(&crash.when)) {
        looks_up(swarm, plan, &mut chance);
    } else if !swarm.is_narrowed
        && matches!(seed % SINGLED_OUT_EVERY, 5 | 13)
        && !plan.crashes.iter().any(|crash| names_a_step(&crash.when))
    {
        whole::add(swarm, plan, &mut chance);
    } else {
        return;
    }
    plan.steps.sort_by_key(|step| match step.at {
        Offset::After(ms) => ms,
        Offset::Instant(at) => at - swarm.start,
    });
}

/// Steps that come in between would make another one of it.
const fn names_a_step(point: &CrashPoint) -> bool {
    matches!(point, CrashPoint::InCall { .. } | CrashPoint::AfterReply { .. })
}

fn say(plan: &mut Plan, at: i64, action: Action) {
    plan.steps.push(Step { at: Offset::After(at), action, by: None });
}

/// The creations of single codes with a PIN of their owner's on locks that two workspaces see, and when.
fn shared_codes(plan: &Plan) -> Vec<(i64, CreateCode)> {
    let owner = plan.accounts.iter().find_map(|account| account.shares.clone());
    let is_shared = |on: &str| owner.is_some() && plan.devices.iter().any(|device| device.name == on && device.account == owner);
    let creations = plan.steps.iter().filter_map(|step| match (&step.action, step.at) {
        (Action::Create(create), Offset::After(at)) if is_shared(&create.on) && create.pin.is_some() => Some((at, create.clone())),
        _ => None,
    });
    creations.collect()
}

/// Calls about a code by its id, from a workspace that is not its own (`I-WS-02`).
fn calls_by_id(_: &Swarm, plan: &mut Plan, chance: &mut Chance) -> Option<()> {
    let (born, create) = shared_codes(plan).into_iter().next()?;
    let update = UpdateCode { code: create.code.clone(), name: Some("ours".to_owned()), ..UpdateCode::default() };
    let actions = [Action::Get(create.code.clone()), Action::Update(update), Action::Delete(create.code)];
    let mut at = born;
    for action in actions {
        at += chance.spread(MINUTE_MS, 2 * HOUR_MS);
        plan.steps.push(Step { at: Offset::After(at), action, by: Some(AGENCY.to_owned()) });
    }
    Some(())
}

/// Calls that mean codes by PIN, by several ids, and by an id and a device that is or is not the code's; and what several codes made at once have in common.
fn looks_up(swarm: &Swarm, plan: &mut Plan, chance: &mut Chance) {
    let creations = plan.steps.iter().filter_map(|step| match (&step.action, step.at) {
        (Action::Create(create), Offset::After(at)) => Some((at, create.clone())),
        _ => None,
    });
    let creations: Vec<(i64, CreateCode)> = creations.collect();
    for step in &mut plan.steps {
        if let Action::CreateMultiple(create) = &mut step.action {
            create.name = chance.happens(50).then(|| "all of us".to_owned());
            create.prefer_native_scheduling = chance.happens(30).then_some(false);
            create.attempt_for_offline_device = chance.happens(30).then_some(false);
            create.use_backup_access_code_pool = (create.ends.is_some() && chance.happens(30)).then_some(true);
        }
    }
    for (at, create) in creations.iter().take(4) {
        let other = plan.devices[chance.below(plan.devices.len() as u64) as usize].name.clone();
        let update = UpdateCode { code: create.code.clone(), ..UpdateCode::default() };
        let partner = creations[chance.below(creations.len() as u64) as usize].1.code.clone();
        let mut calls = vec![
            Action::ListCodes(ListCodes { codes: vec![create.code.clone(), partner] }),
            Action::Update(UpdateCode { on: Some(other.clone()), name: Some("another".to_owned()), ..update.clone() }),
            Action::Update(UpdateCode { attempt_for_offline_device: Some(false), name: Some("at hand".to_owned()), ..update.clone() }),
            Action::Update(UpdateCode { prefer_native_scheduling: Some(chance.happens(50)), ..update }),
        ];
        calls.extend(create.pin.clone().map(|pin| Action::GetByPin(GetByPin { on: create.on.clone(), pin })));
        if chance.happens(30) {
            calls.push(Action::DeleteOn(DeleteOn { code: create.code.clone(), on: other }));
        }
        for call in calls {
            let later = at + chance.spread(MINUTE_MS, 12 * HOUR_MS);
            if chance.happens(60) && later < swarm.horizon_ms {
                say(plan, later, call);
            }
        }
    }
}

/// A conversion, without force, of what another workspace manages (`I-WS-01`).
fn converts_unasked(_: &Swarm, plan: &mut Plan, chance: &mut Chance) -> Option<()> {
    let (born, create) = shared_codes(plan).into_iter().find(|(_, create)| create.starts.is_none())?;
    let RequestedPin::Text(pin) = create.pin? else { return None };
    let pin = PinText(pin.parse().ok()?);
    let target = AtUnmanaged { code: None, on: Some(format!("{AGENCY}/{}", create.on)), pin: Some(pin) };
    let convert = ConvertUnmanaged { target, named: None, is_external_modification_allowed: None, force: None };
    say(plan, born + chance.spread(20 * MINUTE_MS, 6 * HOUR_MS), Action::Unmanaged(UnmanagedAction::Convert(convert)));
    Some(())
}

/// Somebody gives one of several linked codes another PIN, as is allowed there (`IN-01`).
fn edits_a_linked_pin(_: &Swarm, plan: &mut Plan, chance: &mut Chance) -> Option<()> {
    let (born, code, on) = plan.steps.iter_mut().find_map(|step| match (&mut step.action, step.at) {
        (Action::CreateMultiple(create), Offset::After(born)) => {
            create.is_external_modification_allowed = Some(true);
            let (code, on) = create.codes.iter().next()?;
            Some((born, code.clone(), on.clone()))
        }
        _ => None,
    })?;
    let target = AtEntry { on, code: Some(code), slot: None, pin: None };
    let new_pin = PinText("778899".parse().ok()?);
    let edits = PersonEdits { target, new_pin: Some(new_pin), new_end: None };
    say(plan, born + chance.spread(10 * MINUTE_MS, 12 * HOUR_MS), Action::PersonEdits(edits));
    Some(())
}

/// A site whose plan pays for hardly more seats than are taken at the beginning (`F-25`).
fn leaves_few_seats(_: &Swarm, plan: &mut Plan, chance: &mut Chance) -> Option<()> {
    let account = plan.accounts.iter_mut().find(|account| account.vendor == Vendor::SaltoKs)?;
    let is_there = |on: &Option<String>| on.as_ref() == Some(&account.name);
    let taken: usize = plan.devices.iter().filter(|device| is_there(&device.account)).map(|device| device.memory.len()).sum();
    account.seats = Some(taken as u32 + chance.within(1, 2) as u32);
    Some(())
}

/// A code for one use, whose use is told more than once (`F-21`, `R-43`).
fn uses_once(swarm: &Swarm, plan: &mut Plan, chance: &mut Chance) -> Option<()> {
    let device = plan.devices.iter_mut().find(|device| device.vendor == Some(Vendor::LocklyOffline))?;
    let quirk = crate::quirk::Quirk(Quirk::ReportsOfflineUse);
    if !device.quirks.contains(&quirk) {
        device.quirks.push(quirk);
    }
    let on = device.name.clone();
    let born = swarm.moment(chance).min(swarm.horizon_ms - 4 * HOUR_MS).max(0) / HOUR_MS * HOUR_MS;
    let create = CreateCode {
        code: "once".to_owned(),
        on: on.clone(),
        starts: Some(Offset::After(born)),
        ends: Some(Offset::After(born + 24 * HOUR_MS)),
        is_offline_access_code: Some(true),
        is_one_time_use: Some(true),
        ..CreateCode::default()
    };
    let used_at = born + chance.spread(10 * MINUTE_MS, 3 * HOUR_MS);
    say(plan, born, Action::Create(create));
    say(plan, used_at, Action::Enter(Enter { on: on.clone(), code: Some("once".to_owned()), pin: None, must: None }));
    let mut doubled = plain_fault(Quirk::NoticeDoubled, Some(on), (born, used_at + HOUR_MS));
    doubled.copies = vec![Span(chance.spread(SECOND_MS, 10 * MINUTE_MS)), Span(chance.spread(SECOND_MS, HOUR_MS))];
    plan.faults.push(doubled);
    Some(())
}
