//! The slot allocator beside an ordered set, over any sequence of operations.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyway_sim::differential::slot_allocator(bytes));
