//! The choice of a free PIN beside a list of all of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyway_sim::differential::pin_chooser(bytes));
