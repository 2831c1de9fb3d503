//! The slot allocator against an ordered set, over any sequence of operations.
#![no_main]

use std::collections::BTreeSet;

use arbitrary::Arbitrary;
use keyway_core::id::Slot;
use keyway_core::slot::SlotAllocator;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Operation {
    Allocate,
    Take(u16),
    Free(u16),
}

fuzz_target!(|input: (u16, Vec<Operation>)| {
    let (slots, operations) = (input.0.max(1), input.1);
    let mut allocator = SlotAllocator::new(u32::from(slots));
    let mut free: BTreeSet<u16> = (1..=slots).collect();
    for operation in operations {
        match operation {
            Operation::Allocate => assert_eq!(allocator.allocate_lowest().map(|slot| slot.0), free.pop_first()),
            Operation::Take(number) => assert_eq!(allocator.take(Slot(number)), free.remove(&number)),
            Operation::Free(number) => {
                assert_eq!(allocator.free(Slot(number)), (1..=slots).contains(&number) && free.insert(number));
            }
        }
        assert_eq!(allocator.lowest_free().map(|slot| slot.0), free.first().copied());
    }
    assert!(allocator.free_slots().map(|slot| slot.0).eq(free));
});
