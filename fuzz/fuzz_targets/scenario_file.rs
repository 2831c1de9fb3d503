//! Any text as a scenario file: refused in words, or a plan that survives being written down.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyway_sim::bytes::scenario_file(bytes));
