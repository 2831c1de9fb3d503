//! Bytes as a plan, run against the reference platform and judged.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyway_sim::bytes::lifecycle(bytes));
