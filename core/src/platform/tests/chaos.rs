//! Random calls, people and faults; then a quiet time, after which desired, shown and actual state must agree.

extern crate std;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::Cell;

use super::bench::{Bench, Fate, HOUR, MINUTE, readable_vendors, slot};
use crate::access_code::Status;
use crate::config::ExpiredRecordPolicy;
use crate::draw::{below, mix};
use crate::event::EventType;
use crate::id::{CodeId, Epoch, Handle, VendorDevice};
use crate::port::{Answer, Command, News, Op, PathPart, Place};
use crate::problem::ErrorCode;
use crate::time::Timestamp;
use crate::vendor::{Ack, DuplicatePolicy, Family, Profile, ReadBack, Vendor};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0);
        below(self.0, bound)
    }
}

fn profiles() -> Vec<Profile> {
    let mut masked = Vendor::GenericCloud.profile();
    masked.read_back = ReadBack::Masked;
    masked.ack = Ack::Queued;
    masked.update_in_place = false;
    let mut silent = Vendor::GenericSlot.profile();
    silent.ack = Ack::Nothing;
    silent.duplicate = DuplicatePolicy::Silent;
    silent.slots = 9;
    let mut unclear = Vendor::GenericCloud.profile();
    unclear.duplicate = DuplicatePolicy::RejectUnclear;
    unclear.slots = 8;
    let mut profiles: Vec<Profile> = readable_vendors().map(Vendor::profile).collect();
    profiles.extend([masked, silent, unclear]);
    profiles
}

fn fate(command: &Command, dice: &mut Dice) -> Fate {
    match dice.roll(14) {
        0 => Fate::LoseRequest,
        1 => Fate::LoseAnswer,
        2 => Fate::FailAfter,
        3 => Fate::FailBefore,
        4 => Fate::Answer(Answer::RateLimited { retry_after_ms: 20_000 }),
        5 => Fate::Answer(Answer::Busy),
        6 => Fate::Answer(Answer::Unreachable(PathPart::Lock)),
        7 => match command.op {
            Op::ListEntries { fresh: false, .. } => Fate::Answer(Answer::Entries { items: Vec::new().into(), next_page: None }),
            Op::ListDevices { .. } => Fate::Answer(Answer::Devices { items: Vec::new().into(), next_page: None }),
            Op::CreateEntry { .. } | Op::ReplaceEntry { .. } => Fate::Answer(Answer::MaybeDuplicate),
            _ => Fate::Plain,
        },
        _ => Fate::Plain,
    }
}

fn act(bench: &mut Bench, dice: &mut Dice, ids: &mut Vec<CodeId>) {
    let known = (!ids.is_empty()).then(|| ids[dice.roll(ids.len() as u64) as usize]);
    let pin = (1000 + dice.roll(30)).to_string();
    match dice.roll(22) {
        0..=4 => {
            let start = dice.roll(6) as i64 * HOUR - 2 * HOUR;
            let length = (1 + dice.roll(5) as i64) * HOUR;
            let window = if dice.roll(2) == 0 { None } else { bench.window(start, start + length) };
            let (pool, allows) = (dice.roll(5) == 0 && window.is_some(), dice.roll(4) == 0);
            let made = bench.create_with(if dice.roll(3) == 0 { "" } else { &pin }, window, |create| {
                create.use_backup_access_code_pool = Some(pool);
                create.is_external_modification_allowed = Some(allows);
            });
            ids.extend(made.ok());
        }
        5..=6 => {
            if let Some(id) = known {
                let _ = bench.update(id, |update| update.code = Some(pin.parse::<crate::pin::Pin>().unwrap().into()));
            }
        }
        7..=8 => {
            let window = bench.window(dice.roll(5) as i64 * HOUR - HOUR, 7 * HOUR).unwrap();
            if let Some(id) = known {
                let _ = bench.update(id, |update| {
                    update.starts_at = Some(window.starts_at);
                    update.ends_at = Some(window.ends_at);
                });
            }
        }
        9..=11 => {
            if let Some(id) = known {
                let _ = bench.delete(id);
            }
        }
        12 => {
            if let Some(id) = known {
                let _ = bench.pull(id);
            }
        }
        13 => {
            if let Some(id) = known {
                bench.somebody_removes(id);
            }
        }
        14 => {
            if let Some(id) = known.filter(|_| bench.memory.iter().all(|stored| stored.pin.to_string() != pin)) {
                bench.somebody_changes(id, &pin);
            }
        }
        15 => {
            let number = 1 + dice.roll(8) as u16;
            let place = if bench.profile().family == Family::BySlot { slot(number) } else { Place::Handle(Handle(u32::from(number))) };
            let is_free = bench.memory.iter().all(|stored| stored.place != place && stored.pin.to_string() != pin);
            let has_room = bench.memory.len() < (bench.profile().slots - bench.profile().reserved_slots) as usize;
            if is_free && has_room {
                bench.stranger_sets(place, &pin);
            }
        }
        16 => bench.memory.retain(|stored| stored.origin.is_some()),
        17 => {
            bench.info.online = Some(!bench.info.online.unwrap());
            bench.notify(if bench.info.online == Some(true) { News::LockOnline } else { News::LockOffline });
        }
        18 => bench.is_authorized = !bench.is_authorized,
        19 => bench.crash = Some(dice.roll(5) as usize),
        20 => bench.restart(),
        _ => {
            // A factory reset.
            bench.info.epoch = Epoch(bench.info.epoch.0 + 1);
            bench.info.device = VendorDevice(bench.info.device.0 + 1);
            let ids: Vec<CodeId> = bench.memory.iter().filter_map(|stored| stored.origin).collect();
            ids.into_iter().for_each(|id| bench.somebody_removes(id));
            bench.memory.clear();
        }
    }
}

fn story(profile: Profile, seed: u64) -> Bench {
    let retains = seed % 5 == 4;
    let mut bench = Bench::with(profile, |config| {
        if retains {
            config.expired_record_policy = ExpiredRecordPolicy::RetainUnset;
        }
    });
    bench.is_traced = std::env::var("KEYWAY_CHAOS_SEED").is_ok();
    let mut dice = Dice(seed);
    let trouble = Rc::new(Cell::new(true));
    let mut noise = Dice(mix(seed));
    let is_trouble = trouble.clone();
    bench.fates = Box::new(move |command| if is_trouble.get() { fate(command, &mut noise) } else { Fate::Plain });
    let mut ids = Vec::new();
    for _ in 0..40 {
        act(&mut bench, &mut dice, &mut ids);
        let wait = [1000, 20_000, 3 * MINUTE, 20 * MINUTE, HOUR][dice.roll(5) as usize];
        bench.run(wait);
    }
    trouble.set(false);
    bench.crash = None;
    bench.is_authorized = true;
    bench.info.online = Some(true);
    bench.run(6 * HOUR);
    bench
}

/// Every managed code is where it belongs, or says why not; nothing of ours is in memory without a record.
fn check_convergence(bench: &Bench, label: &str) {
    assert!(
        bench.device_errors().iter().all(|error| *error == ErrorCode::EmptyBackupAccessCodePool),
        "{label}: {:?}",
        bench.device_errors()
    );
    for id in bench.managed() {
        let record = bench.controller.access_code(id).unwrap().to_record();
        let mine: Vec<_> = bench.memory.iter().filter(|stored| stored.origin == Some(id)).collect();
        assert!(mine.iter().filter(|stored| !stored.touched).count() <= 1, "{label}: {mine:?}");
        let recent = bench.now - 20 * MINUTE;
        let is_just_made = record.created_at >= recent;
        let is_just_due = record.starts_at.is_some_and(|starts_at| (recent..=bench.now + HOUR).contains(&starts_at));
        if is_just_made || is_just_due || record.ends_at.is_some_and(|ends_at| (recent..=bench.now).contains(&ends_at)) {
            continue;
        }
        match record.status {
            Status::Set => assert!(
                mine.first().is_some_and(|stored| Some(stored.pin) == record.code || stored.touched),
                "{label}: {record:?} {mine:?}"
            ),
            Status::Unset if record.is_scheduled_on_device => assert_eq!(mine.len(), 1, "{label}: {record:?}"),
            Status::Unset => {
                let is_waiting = record.starts_at.is_some_and(|starts_at| starts_at > bench.now)
                    || record.ends_at.is_some_and(|ends_at| ends_at <= bench.now);
                assert!((is_waiting || !record.warnings.is_empty()) && mine.is_empty(), "{label}: {record:?} {mine:?}");
            }
            Status::Setting => assert!(!record.errors.is_empty(), "{label}: {record:?} in {:?}", bench.memory),
            Status::Removing | Status::Unknown => panic!("{label}: {record:?} in {:?}", bench.memory),
        }
    }
    for stored in bench.memory.iter().filter(|stored| stored.origin.is_some() && !stored.touched) {
        let record = bench.controller.access_code(stored.origin.unwrap());
        assert!(record.is_some(), "{label}: a ghost {stored:?}");
    }
}

/// The legal orders of events (events.md 3), as far as the log alone can tell.
fn check_events(bench: &Bench, label: &str) {
    let codes: BTreeSet<CodeId> = bench.events.iter().map(|(_, id, _)| *id).collect();
    for id in codes {
        let events: Vec<(Timestamp, EventType)> =
            bench.events.iter().filter(|(_, code, _)| *code == id).map(|(at, _, event)| (*at, *event)).collect();
        let label = alloc::format!("{label}: {:?}", bench.events_of(id));
        assert!(matches!(events[0].1, EventType::Created | EventType::UnmanagedCreated), "{label}");
        let mut since_break: Vec<EventType> = Vec::new();
        let mut was_confirmed = false;
        for (number, (at, event)) in events.iter().enumerate() {
            let is_last = number + 1 == events.len();
            match event {
                EventType::Deleted | EventType::UnmanagedRemoved => assert!(is_last, "{label}"),
                EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam => assert!(was_confirmed, "{label}"),
                EventType::RemovedFromDevice => {
                    let is_end = events.get(number + 1).is_some_and(|(next_at, next)| next_at == at && *next == EventType::Deleted);
                    let is_rest = events[..number].iter().any(|(_, before)| *before == EventType::Changed);
                    let is_retained = bench.config.expired_record_policy == ExpiredRecordPolicy::RetainUnset;
                    assert!(is_end || is_rest || is_retained, "{label}");
                }
                EventType::Created | EventType::UnmanagedCreated => assert!(number == 0, "{label}"),
                _ => {}
            }
            let is_break = matches!(
                event,
                EventType::Changed | EventType::ModifiedExternalToSeam | EventType::DeletedExternalToSeam | EventType::RemovedFromDevice
            );
            if is_break {
                since_break.clear();
            } else {
                assert!(!since_break.contains(event), "{label}: twice {event}");
                since_break.push(*event);
            }
            if matches!(event, EventType::SetOnDevice | EventType::ScheduledOnDevice) {
                // A removal that was called off, or found nothing, left no event at its end.
                since_break.retain(|before| !matches!(before, EventType::DelayInRemovingFromDevice | EventType::FailedToRemoveFromDevice));
            }
            was_confirmed |= matches!(event, EventType::SetOnDevice | EventType::ScheduledOnDevice);
        }
    }
}

#[test]
fn after_any_trouble_all_agrees() {
    let number_in = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let only = number_in("KEYWAY_CHAOS_SEED");
    let seeds = only.map_or(0..number_in("KEYWAY_CHAOS_SEEDS").unwrap_or(25), |seed| seed..seed + 1);
    let skipped = number_in("KEYWAY_CHAOS_PROFILE").unwrap_or(0) as usize;
    for (number, profile) in profiles().into_iter().enumerate().skip(skipped) {
        for seed in seeds.clone() {
            std::println!("profile {number} seed {seed}");
            let bench = story(profile.clone(), seed);
            let label = alloc::format!("profile {number} seed {seed}");
            check_events(&bench, &label);
            check_convergence(&bench, &label);
        }
    }
}
