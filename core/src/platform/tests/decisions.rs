//! Single decisions, on states that were made by hand.

use alloc::vec::Vec;

use super::bench::{Bench, DAY, HOUR, MINUTE};
use crate::id::{Epoch, Handle, Slot};
use crate::platform::reading::{Evidence, Read, ReadKind};
use crate::platform::state::{Errand, Goal, Held};
use crate::platform::step::At;
use crate::platform::{Honest, Platform};
use crate::port::{Answer, DeviceInfo, Item, OnLock, Op, Place, Reason, ShownPin};
use crate::time::{SECOND_MS, Timestamp, Window};
use crate::vendor::{ReadBack, Vendor};

/// A platform that takes up what the bench's has saved.
fn platform(bench: &Bench) -> Platform {
    Platform::start(&Honest, bench.now, &bench.config, bench.durable.as_deref())
}

/// what cannot be set is noted, and no longer once it is right; what can be set is set.
#[test]
fn a_wrong_clock_is_noted_where_it_cannot_be_set() {
    for is_settable in [false, true] {
        let mut profile = Vendor::GenericSlot.profile();
        (profile.clock_readable, profile.clock_settable) = (true, is_settable);
        let mut platform = platform(&Bench::new(profile));
        let mut hear = |answer: &dyn Fn(Timestamp) -> Answer| {
            let (sent_at, epoch) = (platform.now, platform.state.devices[0].epoch());
            platform.on_clock(0, &Read { sent_at, kind: ReadKind::Clock { device: 0, epoch } }, &answer(sent_at));
            platform.state.devices[0].is_clock_wrong
        };
        let shows = |off_ms: i64| move |now: Timestamp| Answer::Clock { lock_time: now + off_ms };
        assert!(!hear(&shows(30 * SECOND_MS)), "within the tolerance");
        assert_eq!(hear(&shows(31 * SECOND_MS)), !is_settable);
        assert!(!hear(&shows(0)));
        assert_eq!(hear(&shows(-31 * SECOND_MS)), !is_settable);
        assert!(hear(&|_| Answer::Refused(Reason::ClockNotWritable)));
        assert!(hear(&shows(-31 * SECOND_MS)), "as long as it is wrong");
        assert!(!hear(&shows(-30 * SECOND_MS)));
    }
}

/// a read of an incarnation that is over is no news of the present one.
#[test]
fn what_was_read_before_a_join_tells_nothing() {
    let bench = Bench::new(Vendor::GenericSlot.profile());
    let mut platform = platform(&bench);
    let epoch = platform.state.devices[0].epoch();
    let mut hear = |epoch| {
        let info = DeviceInfo { keypad: false, ..bench.info.clone() };
        let read = Read { sent_at: bench.now, kind: ReadKind::Device { device: 0, epoch } };
        platform.on_read_answer(read, Answer::Device(info));
        platform.state.devices[0].info.keypad
    };
    assert!(hear(Epoch(epoch.0 + 1)));
    assert!(!hear(epoch));
}

/// a backup that has lost its own place is no owner, and takes no other backup's.
#[test]
fn one_owner_takes_the_place_of_one_backup() {
    let mut profile = Vendor::GenericSlot.profile();
    profile.slots = 4;
    let mut bench = Bench::new(profile);
    let window = bench.window(-HOUR, 9 * DAY);
    bench.create_with("1111", window, |create| create.use_backup_access_code_pool = Some(true)).unwrap();
    bench.run(10 * MINUTE);
    let mut platform = platform(&bench);
    let codes = &mut platform.state.devices[0].codes;
    assert_eq!(codes.iter().filter(|code| code.record.is_backup && code.held.is_some()).count(), 3);
    // The owner and the newest backup have lost their places.
    codes.iter_mut().find(|code| !code.record.is_backup).unwrap().held = None;
    let newest = codes.last_mut().unwrap();
    newest.held = None;
    let newest = newest.n;
    assert!(platform.make_room(0));
    let ending = platform.state.devices[0].codes.iter().filter(|code| code.goal == Goal::End);
    let ending: Vec<u64> = ending.map(|code| code.n).collect();
    assert_eq!(ending, [newest - 1], "the newest that lies in the lock");
}

/// the entry under another handle is the one that is alike in all.
#[test]
fn an_entry_that_moved_is_alike_in_all() {
    let mut bench = Bench::new(Vendor::GenericCloud.profile());
    bench.create("4711", bench.window(-HOUR, DAY));
    bench.run(MINUTE);
    let mut platform = platform(&bench);
    let code = &mut platform.state.devices[0].codes[0];
    let at = At { device: 0, n: code.n };
    let held = code.held.clone().unwrap();
    let longer = held.window.map(|window| Window { ends_at: window.ends_at + HOUR, ..window });
    let alike = |handle: u32| Held { place: Place::Handle(Handle(handle)), ..held.clone() };
    code.surplus.push(Held { window: longer, ..alike(901) });
    code.surplus.push(Held { is_enabled: false, ..alike(902) });
    code.surplus.push(alike(903));
    platform.overturn(at, None, Evidence { sent_at: bench.now, is_fresh: true });
    let code = platform.code(at);
    assert_eq!(code.held.as_ref().map(|held| held.place), Some(Place::Handle(Handle(903))));
    assert_eq!(code.surplus.len(), 2);
}

/// port.md 7: the word that an entry left may be a copy of an older one for two minutes; one that comes later means this entry.
#[test]
fn what_shows_nothing_came_later_when_the_word_of_a_departure_cannot_be_a_copy() {
    let mut profile = Vendor::GenericSlot.profile();
    (profile.read_back, profile.shows_names) = (ReadBack::Masked, false);
    let mut bench = Bench::new(profile);
    bench.create("4711", bench.window(-HOUR, DAY));
    bench.run(MINUTE);
    let mut platform = platform(&bench);
    let at = At { device: 0, n: platform.state.devices[0].codes[0].n };
    let held = platform.code(at).held.clone().unwrap();
    let item = Item { place: held.place, pin: ShownPin::Masked, name: None, window: None, enabled: true, on_lock: OnLock::Yes };
    let mut is_succeeded_when_told_after = |ms: i64| {
        platform.code_mut(at).told_removed_at = Some(held.confirmed_at + ms);
        platform.is_succeeded(at, &held, &item)
    };
    assert!(!is_succeeded_when_told_after(2 * MINUTE));
    assert!(is_succeeded_when_told_after(2 * MINUTE + 1));
}

/// P-06: a read from before a write shows nothing of it, though it shows what is to come back.
#[test]
fn what_was_switched_off_before_is_no_sign_of_the_new_entry() {
    let mut bench = Bench::new(Vendor::GenericCloud.profile());
    bench.create("4711", bench.window(-HOUR, DAY));
    bench.run(MINUTE);
    let mut platform = platform(&bench);
    let at = At { device: 0, n: platform.state.devices[0].codes[0].n };
    let held = platform.code(at).held.clone().unwrap();
    platform.forget_entry(at, held.place);
    let op = Op::CreateEntry { pin: held.pin.unwrap(), name: held.name.clone().unwrap(), window: held.window };
    platform.send_write(at, op);
    let pin = ShownPin::Shown(held.pin.unwrap());
    let item = Item { place: held.place, pin, name: held.name, window: held.window, enabled: false, on_lock: OnLock::Yes };
    let mut is_seen_off = |evidence: Evidence| {
        platform.judge_write(at, Some(&item), evidence);
        platform.code(at).write.as_ref().is_some_and(|write| write.is_seen_off)
    };
    assert!(!is_seen_off(Evidence { sent_at: bench.now, is_fresh: false }));
    assert!(!is_seen_off(Evidence { sent_at: bench.now - 1, is_fresh: true }));
    assert!(is_seen_off(Evidence { sent_at: bench.now, is_fresh: true }));
}

/// More fitted in than was known when the lock called itself full; never less.
#[test]
fn what_fits_in_a_full_lock_is_room() {
    let mut bench = Bench::new(Vendor::GenericSlot.profile());
    bench.create("1111", None);
    bench.run(MINUTE);
    let mut platform = platform(&bench);
    for (met, known) in [(None, None), (Some(0), Some(1)), (Some(1), Some(1)), (Some(5), Some(5))] {
        platform.state.devices[0].capacity_met = met;
        platform.learn_room(0);
        assert_eq!(platform.state.devices[0].capacity_met, known);
    }
}

/// T31: what only the vendor has is no entry that could be taken over.
#[test]
fn what_is_not_in_the_lock_is_not_taken_over() {
    for (on_lock, is_taken_over) in [(OnLock::No, false), (OnLock::Deleting, false), (OnLock::Yes, true)] {
        let mut bench = Bench::new(Vendor::GenericSlot.profile());
        let place = Place::Slot(Slot(5));
        bench.stranger_sets(place, "4711");
        bench.run(HOUR);
        let mut platform = platform(&bench);
        let code = platform.state.devices[0].codes.iter_mut().find(|code| !code.record.is_managed).unwrap();
        code.errand = Some(Errand::Convert { asked_at: bench.now, is_external_modification_allowed: false, force: false });
        let at = At { device: 0, n: code.n };
        let pin = ShownPin::Shown("4711".parse().unwrap());
        let item = Item { place, pin, name: Some("Stranger".into()), window: None, enabled: true, on_lock };
        platform.on_stranger_proven(at, &item, Evidence { sent_at: bench.now, is_fresh: true });
        assert_eq!((platform.code(at).record.is_managed, platform.code(at).errand), (is_taken_over, None));
    }
}
