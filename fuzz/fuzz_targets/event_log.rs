//! Events written down and read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyway_sim::differential::event_log(bytes));
