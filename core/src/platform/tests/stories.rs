//! Each test is one behaviour.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::bench::{Bench, DAY, Fate, HOUR, MINUTE, pin, readable_vendors, slot};
use crate::access_code::Status;
use crate::id::{Epoch, Handle, VendorDevice};
use crate::port::{Answer, News, Op, OpKind, Place, Reason};
use crate::problem::{ErrorCode, WarningCode};
use crate::request::{CreateMultiple, Refusal, Request, Response, UpdateMultiple};
use crate::vendor::{Ack, DuplicatePolicy, ReadBack, Vendor};

fn cloud() -> Bench {
    Bench::new(Vendor::GenericCloud.profile())
}

fn slots() -> Bench {
    Bench::new(Vendor::GenericSlot.profile())
}

/// The first `count` commands of a kind have this fate, the others the plain one.
fn first(kind: OpKind, count: usize, fate: Fate) -> Box<dyn FnMut(&crate::port::Command) -> Fate> {
    let mut left = count;
    Box::new(move |command| {
        if command.op.kind() == kind && left > 0 {
            left -= 1;
            fate.clone()
        } else {
            Fate::Plain
        }
    })
}

#[test]
fn a_native_code_is_scheduled_ahead_and_set_at_its_start() {
    let mut bench = cloud();
    let id = bench.create("4711", bench.window(5 * DAY, 7 * DAY));
    assert_eq!(bench.status(id), Some(Status::Unset));
    bench.run(DAY);
    assert!(bench.memory.is_empty(), "not before the preload");
    bench.run(2 * DAY);
    assert_eq!(bench.events_of(id), ["created", "scheduled_on_device"]);
    assert_eq!(bench.status(id), Some(Status::Unset));
    bench.run(3 * DAY);
    assert_eq!(bench.status(id), Some(Status::Set));
    bench.run(2 * DAY);
    assert_eq!(bench.status(id), None);
    assert_eq!(bench.events_of(id), ["created", "scheduled_on_device", "set_on_device", "removed_from_device", "deleted"]);
    assert!(bench.memory.is_empty());
    assert_eq!(bench.mutating(), 2);
}

#[test]
fn a_just_in_time_code_is_set_an_hour_ahead() {
    let mut bench = slots();
    let id = bench.create("4711", bench.window(2 * HOUR, 5 * HOUR));
    bench.run(HOUR - MINUTE);
    assert_eq!((bench.status(id), bench.memory.len()), (Some(Status::Unset), 0));
    bench.run(2 * MINUTE);
    assert_eq!((bench.status(id), bench.pins()), (Some(Status::Set), vec!["4711".to_string()]));
    bench.run(5 * HOUR);
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "removed_from_device", "deleted"]);
}

#[test]
fn a_stranger_keeps_his_slot() {
    let mut bench = slots();
    bench.stranger_sets(slot(1), "9009");
    bench.stranger_sets(slot(3), "9119");
    bench.run(11 * MINUTE);
    assert_eq!(bench.unmanaged().len(), 2);
    let (a, b) = (bench.create("1111", None), bench.create("2222", None));
    bench.run(MINUTE);
    assert_eq!((bench.status(a), bench.status(b)), (Some(Status::Set), Some(Status::Set)));
    assert_eq!(bench.pins(), ["1111", "2222", "9009", "9119"]);
    bench.memory.retain(|stored| stored.origin.is_some());
    bench.run(12 * MINUTE);
    assert!(bench.unmanaged().is_empty());
}

#[test]
fn an_update_rewrites_in_place() {
    let mut bench = slots();
    let id = bench.create("2468", None);
    bench.run(MINUTE);
    bench.update(id, |update| update.code = Some(pin("8642").into())).unwrap();
    assert_eq!(bench.status(id), Some(Status::Setting));
    bench.run(MINUTE);
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "changed", "set_on_device"]);
    assert_eq!((bench.pins(), bench.mutating()), (vec!["8642".to_string()], 2));
}

#[test]
fn without_update_in_place_the_entry_is_made_anew() {
    let mut bench = Bench::new(Vendor::August.profile());
    let id = bench.create("2468", bench.window(-HOUR, 9 * HOUR));
    bench.run(MINUTE);
    assert_eq!(bench.status(id), Some(Status::Set));
    bench.update(id, |update| update.code = Some(pin("8642").into())).unwrap();
    bench.run(MINUTE);
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "changed", "set_on_device"]);
    assert_eq!(bench.pins(), ["8642"]);
}

#[test]
fn a_later_start_takes_a_set_code_out_again() {
    for (mut bench, is_native) in [(cloud(), true), (slots(), false)] {
        let id = bench.create("2468", bench.window(-HOUR, 9 * HOUR));
        bench.run(MINUTE);
        let window = bench.window(2 * DAY, 3 * DAY).unwrap();
        bench
            .update(id, |update| {
                update.starts_at = Some(window.starts_at);
                update.ends_at = Some(window.ends_at);
            })
            .unwrap();
        assert_eq!(bench.status(id), Some(Status::Removing));
        assert_eq!(bench.update(id, |update| update.name = Some("X".to_string())), Err(Refusal::AccessCodeIsBeingRemoved));
        bench.run(MINUTE);
        assert_eq!(bench.status(id), Some(Status::Unset));
        let expected: &[&str] = if is_native {
            &["created", "set_on_device", "changed", "removed_from_device", "scheduled_on_device"]
        } else {
            &["created", "set_on_device", "changed", "removed_from_device"]
        };
        assert_eq!(bench.events_of(id), expected);
    }
}

#[test]
fn a_server_error_means_unknown_and_the_entry_is_adopted() {
    let mut bench = cloud();
    bench.fates = first(OpKind::CreateEntry, 1, Fate::FailAfter);
    let id = bench.create("4711", None);
    bench.run(5 * MINUTE);
    assert_eq!(bench.status(id), Some(Status::Set));
    assert_eq!((bench.mutating(), bench.pins()), (1, vec!["4711".to_string()]));
    assert!(bench.unmanaged().is_empty());
    assert_eq!(bench.events_of(id), ["created", "set_on_device"]);
}

#[test]
fn a_lost_creation_is_repeated_once_its_absence_is_proven() {
    let mut bench = cloud();
    bench.fates = first(OpKind::CreateEntry, 1, Fate::FailBefore);
    let id = bench.create("4711", None);
    bench.run(5 * MINUTE);
    assert_eq!((bench.status(id), bench.mutating()), (Some(Status::Set), 2));
}

#[test]
fn a_lost_answer_is_found_out_by_reading() {
    for mut bench in [cloud(), slots(), Bench::new(Vendor::SmartThings.profile()), Bench::new(Vendor::August.profile())] {
        let kind = if bench.profile().family == crate::vendor::Family::ById { OpKind::CreateEntry } else { OpKind::SetSlot };
        bench.fates = first(kind, 1, Fate::LoseAnswer);
        bench.sends_notices = false;
        let id = bench.create("4711", None);
        bench.run(25 * MINUTE);
        assert_eq!((bench.status(id), bench.mutating()), (Some(Status::Set), 1), "{}", bench.profile().vendor);
    }
}

#[test]
fn smartthings_proves_by_the_unique_name() {
    let mut bench = Bench::new(Vendor::SmartThings.profile());
    let id = bench.create("4711", None);
    bench.run(MINUTE);
    assert_eq!(bench.status(id), Some(Status::Set));
    bench.update(id, |update| update.code = Some(pin("1174").into())).unwrap();
    bench.run(MINUTE);
    assert_eq!((bench.status(id), bench.pins()), (Some(Status::Set), vec!["1174".to_string()]));
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "changed", "set_on_device"]);
    bench.delete(id).unwrap();
    bench.run(MINUTE);
    assert_eq!((bench.status(id), bench.memory.len()), (None, 0));
}

#[test]
fn smartthings_counts_what_is_acknowledged_and_not_done() {
    let mut bench = Bench::new(Vendor::SmartThings.profile());
    bench.fates = first(OpKind::SetSlot, 10, Fate::AckNothing);
    let id = bench.create("4711", None);
    bench.run(10 * MINUTE);
    assert_eq!(bench.warnings(id), [WarningCode::SmartthingsFailedToSetAccessCode]);
    bench.run(50 * MINUTE);
    let expected = [
        ErrorCode::SmartthingsFailedToSetAccessCode,
        ErrorCode::SmartthingsFailedToSetAfterMultipleRetries,
        ErrorCode::FailedToSetOnDevice,
    ];
    assert_eq!(bench.errors(id), expected);
    bench.run(3 * HOUR);
    assert_eq!((bench.status(id), bench.errors(id)), (Some(Status::Set), vec![]));
}

#[test]
fn a_told_twin_is_a_refusal_until_something_changes() {
    let mut profile = Vendor::GenericSlot.profile();
    profile.duplicate = DuplicatePolicy::Notify;
    profile.ack = Ack::Nothing;
    profile.read_back = ReadBack::Masked;
    let mut bench = Bench::new(profile);
    bench.stranger_sets(slot(3), "1234");
    let id = bench.create("1234", None);
    bench.run(5 * HOUR);
    assert_eq!(bench.errors(id), [ErrorCode::FailedToSetOnDevice, ErrorCode::DuplicateCodeOnDevice]);
    assert!(bench.mutating() <= 3, "{}", bench.mutating());
    bench.memory.clear();
    bench.notify(News::EntryRemoved(slot(3)));
    bench.run(20 * MINUTE);
    assert_eq!((bench.status(id), bench.errors(id)), (Some(Status::Set), vec![]));
    assert_eq!(bench.events_of(id), ["created", "failed_to_set_on_device", "set_on_device"]);
}

#[test]
fn a_visible_twin_keeps_the_write_back() {
    let mut bench = cloud();
    bench.stranger_sets(Place::Handle(Handle(1)), "1234");
    bench.run(11 * MINUTE);
    let id = bench.create("1234", None);
    bench.run(HOUR);
    assert_eq!((bench.mutating(), bench.status(id)), (0, Some(Status::Setting)));
    assert_eq!(bench.errors(id), [ErrorCode::FailedToSetOnDevice, ErrorCode::DuplicateCodeOnDevice]);
    bench.memory.clear();
    bench.run(15 * MINUTE);
    assert_eq!(bench.status(id), Some(Status::Set));
}

#[test]
fn an_ambiguous_write_is_settled_before_its_code_is_gone() {
    let mut bench = slots();
    bench.fates = first(OpKind::SetSlot, 1, Fate::LoseAnswer);
    let id = bench.create("2718", None);
    bench.run(3000);
    bench.delete(id).unwrap();
    assert_eq!(bench.status(id), Some(Status::Removing));
    bench.run(5 * MINUTE);
    assert_eq!((bench.status(id), bench.memory.len()), (None, 0));
    assert_eq!(bench.events_of(id), ["created", "removed_from_device", "deleted"]);
}

#[test]
fn a_code_that_was_never_sent_is_deleted_without_a_word_about_the_device() {
    let mut bench = cloud();
    let id = bench.create("2718", bench.window(9 * DAY, 10 * DAY));
    bench.delete(id).unwrap();
    assert_eq!(bench.status(id), None);
    assert_eq!(bench.events_of(id), ["created", "deleted"]);
    assert_eq!(bench.delete(id), Err(Refusal::AccessCodeNotFound));
}

#[test]
fn a_deletion_that_fails_for_a_day_is_told_and_repeated_slowly() {
    let mut bench = cloud();
    let id = bench.create("4004", None);
    bench.run(MINUTE);
    bench.fates = Box::new(|command| if matches!(command.op, Op::DeleteEntry { .. }) { Fate::FailBefore } else { Fate::Plain });
    bench.delete(id).unwrap();
    bench.run(30 * HOUR);
    assert_eq!((bench.status(id), bench.errors(id)), (Some(Status::Removing), vec![ErrorCode::FailedToRemoveFromDevice]));
    assert!((20..=42).contains(&bench.mutating()), "{}", bench.mutating());
    bench.fates = Box::new(|_| Fate::Plain);
    bench.run(2 * HOUR);
    assert_eq!(bench.status(id), None);
    let expected =
        ["created", "set_on_device", "delay_in_removing_from_device", "failed_to_remove_from_device", "removed_from_device", "deleted"];
    assert_eq!(bench.events_of(id), expected);
}

#[test]
fn a_clear_that_is_acknowledged_and_not_done_is_repeated() {
    let mut profile = Vendor::GenericSlot.profile();
    profile.ack = Ack::Nothing;
    let mut bench = Bench::new(profile);
    let id = bench.create("5005", None);
    bench.run(MINUTE);
    assert_eq!(bench.status(id), Some(Status::Set));
    bench.fates = first(OpKind::ClearSlot, 2, Fate::AckNothing);
    bench.delete(id).unwrap();
    bench.run(14 * MINUTE);
    assert_eq!((bench.status(id), bench.memory.len()), (None, 0));
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "removed_from_device", "deleted"]);
}

#[test]
fn an_external_removal_is_repaired() {
    for mut bench in [cloud(), slots()] {
        let id = bench.create("2718", None);
        bench.run(MINUTE);
        bench.somebody_removes(id);
        bench.run(12 * MINUTE);
        assert_eq!(bench.status(id), Some(Status::Set));
        assert_eq!(bench.events_of(id), ["created", "set_on_device", "deleted_external_to_seam", "set_on_device"]);
        assert!(bench.errors(id).is_empty());
    }
}

#[test]
fn what_only_the_vendor_still_has_is_lost() {
    let mut bench = Bench::new(Vendor::August.profile());
    let id = bench.create("2718", None);
    bench.run(MINUTE);
    bench.somebody_changes(id, "2718");
    bench.memory[0].is_loaded = false;
    bench.run(12 * MINUTE);
    assert_eq!((bench.status(id), bench.memory.len()), (Some(Status::Set), 1));
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "deleted_external_to_seam", "set_on_device"]);
}

#[test]
fn a_code_that_never_loads_is_made_anew() {
    let mut bench = Bench::new(Vendor::August.profile());
    bench.fates = first(OpKind::CreateEntry, 1, Fate::LoseAnswer);
    let id = bench.create("2718", None);
    bench.run(2000);
    bench.memory[0].is_loaded = false;
    bench.run(20 * MINUTE);
    assert_eq!(bench.status(id), Some(Status::Setting));
    assert_eq!(bench.warnings(id), [WarningCode::DelayInSettingOnDevice, WarningCode::AugustDeviceProgrammingDelay]);
    bench.run(40 * MINUTE);
    assert_eq!((bench.status(id), bench.warnings(id), bench.mutating()), (Some(Status::Set), vec![], 3));
}

#[test]
fn an_external_removal_is_honoured_where_it_is_allowed() {
    let mut bench = cloud();
    let id = bench.create_with("2718", None, |create| create.is_external_modification_allowed = Some(true)).unwrap();
    bench.run(MINUTE);
    bench.somebody_removes(id);
    bench.run(HOUR);
    assert_eq!((bench.status(id), bench.memory.len()), (Some(Status::Unset), 0));
    assert_eq!(bench.warnings(id), [WarningCode::CodeModifiedExternalToSeam]);
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "deleted_external_to_seam"]);
    bench.update(id, |update| update.code = Some(pin("8172").into())).unwrap();
    bench.run(MINUTE);
    assert_eq!((bench.status(id), bench.warnings(id)), (Some(Status::Set), vec![]));
}

#[test]
fn an_external_change_is_undone_or_adopted() {
    for is_allowed in [false, true] {
        let mut bench = cloud();
        let id = bench.create_with("2718", None, |create| create.is_external_modification_allowed = Some(is_allowed)).unwrap();
        bench.run(MINUTE);
        bench.somebody_changes(id, "6666");
        bench.run(12 * MINUTE);
        assert_eq!(bench.status(id), Some(Status::Set));
        let code = bench.controller.access_code(id).unwrap().code;
        if is_allowed {
            assert_eq!((code, bench.pins()), (Some(pin("6666")), vec!["6666".to_string()]));
            assert_eq!(bench.events_of(id), ["created", "set_on_device", "modified_external_to_seam"]);
        } else {
            assert_eq!((code, bench.pins()), (Some(pin("2718")), vec!["2718".to_string()]));
            assert_eq!(bench.events_of(id), ["created", "set_on_device", "modified_external_to_seam", "set_on_device"]);
        }
    }
}

#[test]
fn an_account_outage_hides_what_nobody_can_know() {
    let mut bench = cloud();
    let set = bench.create("1111", None);
    let later = bench.create("2222", bench.window(20 * DAY, 21 * DAY));
    let lost = bench.create("3333", None);
    let deleted = bench.create("4444", None);
    bench.run(MINUTE);
    bench.is_authorized = false;
    bench.run(11 * MINUTE);
    assert_eq!(bench.device_errors(), [ErrorCode::InvalidCredentials, ErrorCode::AccountDisconnected]);
    assert_eq!((bench.status(set), bench.status(later)), (Some(Status::Unknown), Some(Status::Unset)));
    bench.somebody_removes(lost);
    bench.delete(deleted).unwrap();
    assert_eq!(bench.status(deleted), Some(Status::Unknown));
    bench.run(2 * HOUR);
    bench.is_authorized = true;
    bench.run(17 * MINUTE);
    assert!(bench.device_errors().is_empty());
    assert_eq!((bench.status(set), bench.status(lost), bench.status(deleted)), (Some(Status::Set), Some(Status::Set), None));
    assert_eq!(bench.events_of(set), ["created", "set_on_device"]);
    assert_eq!(bench.events_of(lost), ["created", "set_on_device", "deleted_external_to_seam", "set_on_device"]);
    assert_eq!(bench.events_of(deleted), ["created", "set_on_device", "removed_from_device", "deleted"]);
}

#[test]
fn an_offline_lock_gets_what_it_missed_when_it_returns() {
    let mut bench = slots();
    let id = bench.create("1111", None);
    bench.run(MINUTE);
    bench.info.online = Some(false);
    bench.notify(News::LockOffline);
    bench.run(MINUTE);
    assert_eq!(bench.device_errors(), [ErrorCode::DeviceDisconnected]);
    bench.update(id, |update| update.code = Some(pin("2222").into())).unwrap();
    bench.run(2 * HOUR);
    assert_eq!((bench.status(id), bench.pins()), (Some(Status::Setting), vec!["1111".to_string()]));
    bench.info.online = Some(true);
    bench.notify(News::LockOnline);
    bench.run(MINUTE);
    assert_eq!((bench.status(id), bench.pins()), (Some(Status::Set), vec!["2222".to_string()]));
    let expected = ["created", "set_on_device", "changed", "delay_in_setting_on_device", "failed_to_set_on_device", "set_on_device"];
    assert_eq!(bench.events_of(id), expected);
}

#[test]
fn a_reset_lock_is_a_new_incarnation() {
    let mut bench = slots();
    let id = bench.create("1111", None);
    bench.stranger_sets(slot(9), "9999");
    bench.run(11 * MINUTE);
    let stranger = bench.unmanaged()[0];
    bench.in_account = false;
    bench.somebody_removes(id);
    bench.memory.clear();
    bench.notify(News::DeviceRemoved);
    assert_eq!((bench.status(id), bench.device_errors()), (Some(Status::Unknown), vec![ErrorCode::DeviceRemoved]));
    assert_eq!(bench.events_of(stranger), ["unmanaged.created", "unmanaged.removed"]);
    bench.run(HOUR);
    bench.in_account = true;
    bench.info.epoch = Epoch(2);
    bench.info.device = VendorDevice(2);
    bench.run(15 * MINUTE);
    assert_eq!((bench.status(id), bench.pins()), (Some(Status::Set), vec!["1111".to_string()]));
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "deleted_external_to_seam", "set_on_device"]);
    assert!(bench.device_errors().is_empty());
}

#[test]
fn entries_that_survive_a_reset_are_strangers_where_nothing_proves_them() {
    let mut profile = Vendor::GenericSlot.profile();
    profile.read_back = ReadBack::Presence;
    profile.shows_names = false;
    let mut bench = Bench::new(profile);
    let id = bench.create("6060", None);
    bench.run(MINUTE);
    bench.somebody_changes(id, "6060");
    bench.memory[0].origin = None;
    bench.info.epoch = Epoch(2);
    bench.run(30 * MINUTE);
    assert_eq!(bench.status(id), Some(Status::Setting));
    let expected = [ErrorCode::FailedToSetOnDevice, ErrorCode::DuplicateCodeOnDevice, ErrorCode::CodeModifiedExternalToSeam];
    assert_eq!(bench.errors(id), expected);
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "deleted_external_to_seam", "failed_to_set_on_device"]);
    assert_eq!(bench.unmanaged().len(), 1);
}

#[test]
fn an_empty_device_list_removes_nothing() {
    let mut bench = cloud();
    let id = bench.create("1111", None);
    bench.run(MINUTE);
    bench.fates = Box::new(|command| match command.op {
        Op::ListDevices { .. } => Fate::Answer(Answer::Devices { items: vec![].into(), next_page: None }),
        Op::ListEntries { .. } => Fate::Answer(Answer::Entries { items: vec![].into(), next_page: None }),
        _ => Fate::Plain,
    });
    bench.run(2 * HOUR);
    assert_eq!((bench.status(id), bench.device_errors()), (Some(Status::Set), vec![]));
    assert_eq!(bench.mutating(), 1);
}

#[test]
fn a_stale_cache_overturns_nothing() {
    let mut bench = slots();
    bench.fates = Box::new(|command| match command.op {
        Op::ListEntries { fresh: false, .. } => Fate::Answer(Answer::Entries { items: vec![].into(), next_page: None }),
        _ => Fate::Plain,
    });
    let id = bench.create("2468", None);
    bench.run(10 * MINUTE);
    bench.update(id, |update| update.code = Some(pin("8642").into())).unwrap();
    bench.run(2 * HOUR);
    assert_eq!((bench.mutating(), bench.status(id)), (2, Some(Status::Set)));
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "changed", "set_on_device"]);
}

#[test]
fn throttling_is_no_dead_lock() {
    let mut bench = cloud();
    bench.fates = first(OpKind::CreateEntry, 2, Fate::Answer(Answer::RateLimited { retry_after_ms: 60_000 }));
    let id = bench.create("2468", None);
    bench.run(MINUTE);
    assert!(bench.device_errors().is_empty());
    bench.run(6 * MINUTE);
    assert_eq!(bench.status(id), Some(Status::Set));
}

#[test]
fn a_full_lock_says_so_until_there_is_room() {
    let mut profile = Vendor::August.profile();
    profile.slots = 1;
    let mut bench = Bench::new(profile);
    let (a, b) = (bench.create("1111", None), bench.create("2222", None));
    bench.run(MINUTE);
    assert_eq!(bench.errors(b), [ErrorCode::FailedToSetOnDevice, ErrorCode::AugustDeviceSlotsFull]);
    assert_eq!(bench.mutating(), 1);
    bench.delete(a).unwrap();
    bench.run(MINUTE);
    assert_eq!((bench.status(a), bench.status(b), bench.errors(b)), (None, Some(Status::Set), vec![]));
}

#[test]
fn a_lock_smaller_than_told_teaches_its_size() {
    let mut profile = Vendor::GenericSlot.profile();
    profile.slots = 5;
    let mut bench = Bench::new(profile);
    bench.fates = Box::new(|command| match command.op {
        Op::SetSlot { slot, .. } if slot.0 > 2 => Fate::Answer(Answer::Refused(Reason::SlotOutOfRange)),
        _ => Fate::Plain,
    });
    let ids: Vec<_> = ["1111", "2222", "3333", "4444"].into_iter().map(|code| bench.create(code, None)).collect();
    bench.run(HOUR);
    let beyond = bench.commands.iter().filter(|(_, command)| matches!(command.op, Op::SetSlot { slot, .. } if slot.0 > 2)).count();
    assert_eq!((beyond, bench.status(ids[1])), (1, Some(Status::Set)));
    assert!(bench.device_errors().is_empty());
    assert_eq!(bench.errors(ids[3]), [ErrorCode::FailedToSetOnDevice]);
}

#[test]
fn a_pulled_backup_works_at_once_and_the_pool_refills() {
    let mut bench = slots();
    let window = bench.window(-HOUR, 5 * HOUR);
    let id = bench.create_with("1111", window, |create| create.use_backup_access_code_pool = Some(true)).unwrap();
    assert_eq!(bench.device_errors(), [ErrorCode::EmptyBackupAccessCodePool]);
    assert_eq!(bench.pull(id), Err(Refusal::NoBackupAccessCodeAvailable));
    bench.run(2 * MINUTE);
    assert_eq!((bench.memory.len(), bench.device_errors()), (6, vec![]));
    let backup = bench.pull(id).unwrap();
    assert_eq!((bench.pull(id), bench.status(backup)), (Ok(backup), Some(Status::Set)));
    let record = bench.controller.access_code(backup).unwrap().to_record();
    assert_eq!((record.ends_at, record.starts_at), (window.map(|window| window.ends_at), Some(bench.now)));
    let later = bench.now + 7 * HOUR;
    bench.update(id, |update| update.ends_at = Some(later)).unwrap();
    assert_eq!(bench.controller.access_code(backup).unwrap().ends_at, Some(later));
    bench.run(2 * MINUTE);
    assert_eq!((bench.memory.len(), bench.status(backup)), (7, Some(Status::Set)));
    bench.run(8 * HOUR);
    assert_eq!((bench.status(id), bench.status(backup), bench.memory.len()), (None, None, 5));
}

#[test]
fn guests_outrank_backups() {
    let mut profile = Vendor::GenericSlot.profile();
    profile.slots = 3;
    let mut bench = Bench::new(profile);
    let window = bench.window(-HOUR, 9 * DAY);
    let first = bench.create_with("1111", window, |create| create.use_backup_access_code_pool = Some(true)).unwrap();
    bench.run(2 * MINUTE);
    assert_eq!(bench.memory.len(), 3);
    let others: Vec<_> = ["2222", "3333", "4444"].into_iter().map(|code| bench.create(code, None)).collect();
    bench.run(30 * MINUTE);
    assert_eq!(bench.pins(), ["1111", "2222", "3333"]);
    assert_eq!(bench.device_errors(), [ErrorCode::EmptyBackupAccessCodePool]);
    assert_eq!(bench.errors(others[2]), [ErrorCode::FailedToSetOnDevice]);
    bench.delete(first).unwrap();
    bench.run(30 * MINUTE);
    assert_eq!(bench.pins(), ["2222", "3333", "4444"]);
}

#[test]
fn one_pin_may_serve_disjoint_stays() {
    let mut bench = cloud();
    let a = bench.create("1234", bench.window(2 * HOUR, 4 * DAY));
    let window = bench.window(5 * DAY, 6 * DAY);
    assert_eq!(bench.create_with("1234", window, |_| {}), Err(Refusal::DuplicateAccessCode));
    let b = bench.create("1234", bench.window(8 * DAY, 9 * DAY));
    bench.run(4 * DAY - HOUR);
    bench.info.online = Some(false);
    bench.run(DAY + 3 * HOUR);
    assert_eq!(bench.errors(a), [ErrorCode::FailedToRemoveFromDevice]);
    assert_eq!(
        (bench.status(b), bench.errors(b)),
        (Some(Status::Unset), vec![ErrorCode::FailedToSetOnDevice, ErrorCode::DuplicateCodeAttemptPrevented])
    );
    bench.info.online = Some(true);
    bench.run(12 * MINUTE);
    assert_eq!((bench.status(a), bench.errors(b)), (None, vec![]));
    assert_eq!(bench.controller.access_code(b).map(|view| view.is_scheduled_on_device), Some(true));
}

#[test]
fn a_fight_slows_down_and_moves_away() {
    let mut bench = slots();
    let id = bench.create("4321", None);
    let mut writes = 0;
    for _ in 0..(12 * 60) {
        bench.run(MINUTE);
        if bench.memory.iter().any(|stored| stored.origin == Some(id) && stored.place <= slot(10)) {
            let place = bench.memory[0].place;
            bench.somebody_removes(id);
            bench.notify(News::EntryRemoved(place));
            writes += 1;
        }
    }
    assert!(writes <= 16, "{writes}");
    assert_eq!((bench.status(id), bench.memory.len()), (Some(Status::Set), 1));
}

#[test]
fn what_a_gone_code_left_is_cleared_when_it_returns() {
    let mut bench = cloud();
    let id = bench.create("4321", None);
    bench.run(MINUTE);
    let before = bench.memory.clone();
    bench.delete(id).unwrap();
    bench.run(MINUTE);
    assert_eq!(bench.status(id), None);
    bench.memory = before;
    bench.memory[0].touched = true;
    bench.run(12 * MINUTE);
    assert!(bench.memory.is_empty() && bench.unmanaged().is_empty());
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "removed_from_device", "deleted"]);
}

#[test]
fn a_group_shares_pin_and_window_under_its_key() {
    let mut bench = cloud();
    let window = bench.window(HOUR, 5 * HOUR).unwrap();
    let linked = CreateMultiple {
        device_ids: vec![Bench::device_id()],
        starts_at: Some(window.starts_at),
        ends_at: Some(window.ends_at),
        ..CreateMultiple::default()
    };
    let plain = CreateMultiple { code: Some(pin("4321").into()), ..linked.clone() };
    assert!(bench.call(Request::CreateMultiple(linked)).is_ok() && bench.call(Request::CreateMultiple(plain)).is_ok());
    let keys: Vec<_> = bench.managed().iter().map(|id| bench.controller.access_code(*id).unwrap().to_record().common_code_key).collect();
    assert!(keys[0].as_ref().is_some_and(|key| key.starts_with("auto_set_by_create_multiple_")) && keys[1].is_none());
    let id = bench.managed()[0];
    let later = window.ends_at + HOUR;
    let update = UpdateMultiple { common_code_key: keys[0].clone().unwrap(), ends_at: Some(later), ..UpdateMultiple::default() };
    assert_eq!(bench.call(Request::UpdateMultiple(update)), Ok(Response::Done));
    assert_eq!(bench.controller.access_code(id).unwrap().ends_at, Some(later));
    assert_eq!(bench.update(id, |update| update.code = Some(pin("8172").into())), Err(Refusal::CommonCodeKeyConflict));
}

#[test]
fn a_number_is_no_pin() {
    let mut bench = cloud();
    let refused = bench.create_with("", None, |create| create.code = Some(crate::request::RequestedCode::Number(42)));
    assert_eq!(refused, Err(Refusal::InvalidInput));
    assert!(bench.managed().is_empty());
}

/// `R-20` for an offline code: only what no repetition can change is given up.
#[test]
fn a_registration_that_is_refused_for_now_is_repeated() {
    let mut bench = Bench::new(Vendor::LocklyOffline.profile());
    let window = bench.window(2 * HOUR, 5 * HOUR);
    let registered = Answer::Registered { handle: Handle(9), pin: pin("1029384756"), window: window.unwrap() };
    let mut answers = [Answer::Refused(Reason::StartInPast), registered].into_iter();
    bench.fates = Box::new(move |command| match command.op.kind() {
        OpKind::RegisterOffline => answers.next().map_or(Fate::LoseRequest, Fate::Answer),
        _ => Fate::Plain,
    });
    let id = bench.create_with("", window, |create| create.is_offline_access_code = Some(true)).unwrap();
    bench.run(MINUTE);
    assert_eq!(bench.errors(id), []);
    bench.run(HOUR);
    let shown = bench.controller.access_code(id).and_then(|view| view.code);
    assert_eq!(shown, Some(pin("1029384756")));
}

#[test]
fn unknown_answers_and_stray_copies_do_nothing() {
    let mut bench = cloud();
    let id = bench.create("4321", None);
    bench.run(MINUTE);
    let written = bench.commands.iter().find(|(_, command)| command.op.is_mutating()).unwrap().1.command_id;
    for command_id in [written, crate::id::CommandId(0), crate::id::CommandId(u64::MAX)] {
        for answer in [Answer::TimedOut, Answer::Done { handle: None }, Answer::NotFound, Answer::Gone] {
            bench.step(crate::controller::Input::Answer { command_id, answer });
        }
    }
    bench.run(HOUR);
    assert_eq!((bench.status(id), bench.mutating()), (Some(Status::Set), 1));
}

#[test]
fn a_restart_writes_nothing() {
    for mut bench in [cloud(), slots(), Bench::new(Vendor::SmartThings.profile())] {
        let id = bench.create("4321", None);
        bench.run(MINUTE);
        let before = bench.mutating();
        bench.restart();
        bench.run(HOUR);
        assert_eq!((bench.status(id), bench.mutating()), (Some(Status::Set), before));
        assert_eq!(bench.events_of(id), ["created", "set_on_device"]);
    }
}

/// Create, update, delete, with a crash after each output of each step in turn: every call that was answered holds, and all ends well.
#[test]
fn a_crash_anywhere_loses_no_promise() {
    for vendor in readable_vendors() {
        for crashed_step in 0..40 {
            for cut in 0..8 {
                crash_story(vendor, crashed_step, cut);
            }
        }
    }
}

fn crash_story(vendor: Vendor, crashed_step: usize, cut: usize) {
    let mut bench = Bench::new(vendor.profile());
    let mut steps = 0;
    let mut arm = |bench: &mut Bench| {
        steps += 1;
        if steps == crashed_step {
            bench.crash = Some(cut);
        }
    };
    arm(&mut bench);
    let created = bench.create_with("1357", None, |_| {}).ok();
    for _ in 0..12 {
        arm(&mut bench);
        bench.run(500);
    }
    let updated = created.map(|id| {
        arm(&mut bench);
        bench.update(id, |update| update.code = Some(pin("7531").into())).is_ok()
    });
    for _ in 0..12 {
        arm(&mut bench);
        bench.run(500);
    }
    bench.run(HOUR);
    if let Some(id) = created {
        assert_eq!(bench.status(id), Some(Status::Set), "{vendor} {crashed_step} {cut}");
        let expected =
            if updated == Some(true) { "7531" } else { bench.pins().first().map_or("", |pin| if pin == "7531" { "7531" } else { "1357" }) };
        assert_eq!(bench.pins(), [expected], "{vendor} {crashed_step} {cut}");
        assert_eq!(bench.events_of(id).iter().filter(|event| **event == "created").count(), 1);
    }
    for id in bench.managed() {
        arm(&mut bench);
        let _ = bench.delete(id);
    }
    bench.crash = None;
    bench.run(HOUR);
    for id in bench.managed() {
        let _ = bench.delete(id);
    }
    bench.run(HOUR);
    assert!(bench.memory.is_empty() && bench.managed().is_empty() && bench.unmanaged().is_empty(), "{vendor} {crashed_step} {cut}");
}
