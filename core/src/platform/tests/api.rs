//! What calls answer, where no other test looks (api.md).

use alloc::vec;

use super::bench::{Bench, DAY, HOUR, MINUTE};
use crate::access_code::Status;
use crate::id::{CodeId, DeviceId};
use crate::request::{CreateMultiple, List, Refusal, Request, Response};
use crate::vendor::Vendor;

fn cloud() -> Bench {
    Bench::new(Vendor::GenericCloud.profile())
}

fn list(bench: &mut Bench, list: List) -> Result<Response, Refusal> {
    bench.call(Request::List(list))
}

/// `A-04`
#[test]
fn a_code_without_a_name_gets_a_numbered_one() {
    let mut bench = cloud();
    let ids = ["4711", "4712"].map(|pin| bench.create_with(pin, None, |create| create.name = None).unwrap());
    let name = |id: CodeId| bench.controller.access_code(id).unwrap().name.map(alloc::string::ToString::to_string).unwrap_or_default();
    assert_eq!(ids.map(name), ["Access Code 1", "Access Code 2"]);
}

/// `A-09`
#[test]
fn a_deletion_is_accepted_again_while_it_lasts_and_tells_nothing_more() {
    let mut bench = cloud();
    let id = bench.create("4711", None);
    bench.run(HOUR);
    assert_eq!(bench.delete(id), Ok(Response::Done));
    assert_eq!(bench.status(id), Some(Status::Removing));
    let sent = bench.mutating();
    assert_eq!(bench.delete(id), Ok(Response::Done));
    bench.run(HOUR);
    assert_eq!(bench.mutating(), sent, "the erasure that is under way is the one");
    assert_eq!(bench.events_of(id), ["created", "set_on_device", "removed_from_device", "deleted"]);
    assert_eq!(bench.delete(id), Err(Refusal::AccessCodeNotFound));
}

/// `A-11`
#[test]
fn a_list_wants_one_filter_and_shows_backups_and_what_is_leaving_in_order_of_creation() {
    let mut bench = cloud();
    let window = bench.window(0, DAY);
    let first = bench.create_with("4711", window, |create| create.use_backup_access_code_pool = Some(true)).unwrap();
    bench.run(MINUTE);
    let second = bench.create("4712", None);
    bench.run(HOUR);
    bench.delete(second).unwrap();
    assert_eq!(bench.status(second), Some(Status::Removing));
    let of_device = List { device_id: Some(Bench::device_id()), ..List::default() };
    let Ok(Response::AccessCodes(listed)) = list(&mut bench, of_device.clone()) else { panic!("a list") };
    let created: vec::Vec<_> = listed.iter().map(|id| (bench.controller.access_code(*id).unwrap().created_at, *id)).collect();
    assert!(created.is_sorted() && listed.contains(&first) && listed.last() == Some(&second));
    assert_eq!(listed.len(), 7, "with five backups");
    let of_ids = List { access_code_ids: Some(vec![second, first]), ..List::default() };
    assert_eq!(list(&mut bench, of_ids.clone()), Ok(Response::AccessCodes(vec![first, second])));
    assert_eq!(list(&mut bench, List::default()), Err(Refusal::InvalidInput));
    assert_eq!(list(&mut bench, List { access_code_ids: of_ids.access_code_ids, ..of_device }), Err(Refusal::InvalidInput));
}

/// api.md 3
#[test]
fn several_devices_are_named_once_each() {
    let mut bench = cloud();
    let one = Bench::device_id();
    let many = (0..51).map(DeviceId).collect();
    for device_ids in [vec![], vec![one, one], many] {
        let create = Request::CreateMultiple(CreateMultiple { device_ids, ..CreateMultiple::default() });
        assert_eq!(bench.call(create), Err(Refusal::InvalidInput));
    }
    let create = Request::CreateMultiple(CreateMultiple { device_ids: vec![one], ..CreateMultiple::default() });
    assert!(bench.call(create).is_ok());
}

/// `R-40`: a code that the vendor computes wants such a vendor.
#[test]
fn an_offline_code_is_for_locks_that_compute_them() {
    let mut bench = cloud();
    let window = bench.window(HOUR, DAY);
    let refused = bench.create_with("", window, |create| create.is_offline_access_code = Some(true));
    assert_eq!(refused, Err(Refusal::OfflineAccessCodesNotSupported));
}

/// api.md 4, 6 and 9: what waits in the pool is nobody's yet.
#[test]
fn a_backup_in_the_pool_takes_no_calls_and_a_pulled_one_can_be_deleted() {
    let mut bench = cloud();
    let window = bench.window(0, DAY);
    let guest = bench.create_with("4711", window, |create| create.use_backup_access_code_pool = Some(true)).unwrap();
    bench.run(HOUR);
    let backup = *bench.managed().iter().find(|id| **id != guest).unwrap();
    assert_eq!(bench.update(backup, |update| update.name = Some("mine".into())), Err(Refusal::AccessCodeIsBackup));
    assert_eq!(bench.delete(backup), Err(Refusal::AccessCodeIsBackup));
    assert_eq!(bench.pull(backup), Err(Refusal::AccessCodeIsBackup));
    let pulled = bench.pull(guest).unwrap();
    assert_eq!(bench.update(pulled, |update| update.name = Some("mine".into())), Err(Refusal::AccessCodeIsBackup));
    assert_eq!(bench.delete(pulled), Ok(Response::Done));
}
