//! Parts of core beside slow and plain ones that do the same, over any bytes: what the fuzz targets and their corpus run.

use std::collections::BTreeSet;

use keyway_core::event::{Event, EventType};
use keyway_core::id::{AccountId, CodeId, DeviceId, EventId, Slot, WorkspaceId};
use keyway_core::pin::{Constraint, Lengths, Pin, PinEquality, PinRules, PinSpace, UsedPins, choose_free_pin};
use keyway_core::slot::SlotAllocator;
use keyway_core::time::Timestamp;

/// The constraints on PINs, a bit of the header each; only ever added to.
pub const CONSTRAINTS: [Constraint; 9] = [
    Constraint::NoZeros,
    Constraint::CannotStartWith12,
    Constraint::NoTripleConsecutiveInts,
    Constraint::NoAscendingOrDescendingSequence,
    Constraint::AtLeastThreeUniqueDigits,
    Constraint::CannotContain089,
    Constraint::CannotContain0789,
    Constraint::UniqueFirstFourDigits,
    Constraint::NoAllSameDigits,
];

/// For the fuzz target `slot_allocator`: beside an ordered set of the free slots.
///
/// The header is two bytes, the number of slots. Each three bytes after it are one operation: what, and with which slot.
///
/// # Panics
/// If they ever differ.
pub fn slot_allocator(bytes: &[u8]) {
    let Some((header, rest)) = bytes.split_at_checked(2) else { return };
    let slots = u16::from_le_bytes([header[0], header[1]]).max(1);
    let mut allocator = SlotAllocator::new(u32::from(slots));
    let mut free: BTreeSet<u16> = (1..=slots).collect();
    for record in rest.chunks_exact(3) {
        let number = u16::from_le_bytes([record[1], record[2]]);
        match record[0] % 3 {
            0 => assert_eq!(allocator.allocate_lowest().map(|slot| slot.0), free.pop_first()),
            1 => assert_eq!(allocator.take(Slot(number)), free.remove(&number)),
            _ => assert_eq!(allocator.free(Slot(number)), (1..=slots).contains(&number) && free.insert(number)),
        }
        assert_eq!(allocator.lowest_free().map(|slot| slot.0), free.first().copied());
        assert_eq!((allocator.free_count(), allocator.is_free(Slot(number))), (free.len() as u32, free.contains(&number)));
    }
    assert!(allocator.free_slots().map(|slot| slot.0).eq(free.iter().copied()));
    assert!(allocator.taken_slots().map(|slot| slot.0).eq((1..=slots).filter(|number| !free.contains(number))));
}

/// For the fuzz target `pin_chooser`: beside a list of all PINs of 3 digits.
///
/// The header is two bytes: equality in the second one's lowest bit, a constraint in each other. Each pair of bytes after it takes a PIN, or gives one back, and chooses one.
///
/// # Panics
/// If the choice is not free, or there is none although one is free.
pub fn pin_chooser(bytes: &[u8]) {
    let Some((header, rest)) = bytes.split_at_checked(2) else { return };
    let bits = u16::from(header[0]) | u16::from(header[1] >> 1) << 8;
    let constraints: Vec<Constraint> =
        CONSTRAINTS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, rule)| *rule).collect();
    let equality = if header[1].is_multiple_of(2) { PinEquality::Exact } else { PinEquality::FirstFour };
    let rules = PinRules { lengths: Lengths::range(3, 3), constraints: &constraints };
    let mut free: Vec<Pin> = (0..1_000).filter_map(|value| Pin::new(3, value)).filter(|pin| rules.check(*pin).is_ok()).collect();
    let valid = free.clone();
    let space = PinSpace::new(3, &constraints);
    assert_eq!(space.count(), valid.len() as u64);
    let mut used = UsedPins::new();
    for pair in rest.chunks_exact(2) {
        let word = u16::from_le_bytes([pair[0], pair[1]]);
        if word == u16::MAX {
            // All but a few at once, so that the last ones are met.
            for pin in valid.iter().skip(3) {
                used.insert(&space, equality, *pin);
            }
            free.retain(|pin| valid.iter().take(3).any(|kept| kept == pin));
        }
        let pin = Pin::new(3, u64::from(word) % 1_000).expect("three digits");
        let was_free = free.iter().position(|one| *one == pin);
        if word & 0x8000 == 0 {
            assert_eq!(used.insert(&space, equality, pin), was_free.is_some());
            was_free.map(|at| free.remove(at));
        } else {
            let is_taken = was_free.is_none() && valid.contains(&pin);
            assert_eq!(used.remove(&space, equality, pin), is_taken);
            free.extend(is_taken.then_some(pin));
        }
        match choose_free_pin(&space, &used, u64::from(word) << 48) {
            Some(chosen) => assert!(free.contains(&chosen), "{chosen} is not free"),
            None => assert!(free.is_empty(), "{} are free", free.len()),
        }
    }
}

/// For the fuzz target `event_log`: an event written down and read again is the same, and what is read from any text can be written.
///
/// # Panics
/// If it is not.
pub fn event_log(bytes: &[u8]) {
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        survives(&event);
    }
    for record in bytes.chunks_exact(8) {
        let number = u64::from_le_bytes(record.try_into().expect("eight bytes"));
        let id = u128::from(number) << 64 | u128::from(number.rotate_left(32));
        let event_type = EventType::ALL[usize::from(record[0]) % EventType::ALL.len()];
        let at = Timestamp((number >> 8) as i64 % 4_000_000_000_000);
        survives(&Event {
            access_code_id: CodeId(id),
            backup_access_code_id: (event_type == EventType::BackupAccessCodePulled).then_some(CodeId(!id)),
            code: Pin::new(record[1] % 10 + 4, number % 10_000).filter(|_| event_type.has_code()),
            connected_account_id: AccountId(id ^ 1),
            created_at: at,
            device_id: DeviceId(id ^ 2),
            event_id: EventId(id ^ 3),
            event_type,
            occurred_at: at,
            workspace_id: WorkspaceId(id ^ 4),
        });
    }
}

fn survives(event: &Event) {
    let text = serde_json::to_string(event).expect("an event is plain data");
    let again: Event = serde_json::from_str(&text).unwrap_or_else(|wrong| panic!("{wrong}: {text}"));
    assert_eq!(serde_json::to_string(&again).expect("an event is plain data"), text);
    assert_eq!(again.event_type, event.event_type);
}
