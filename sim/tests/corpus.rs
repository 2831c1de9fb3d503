//! The committed corpus of each fuzz target, replayed without a fuzzer; and every scenario file through the target that reads them.

use std::path::Path;

use keyway_sim::{bytes, differential};

/// Runs the target over all files of a folder; how many there were.
fn replay(folder: &str, target: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut count = 0;
    for entry in folder.read_dir().unwrap_or_else(|wrong| panic!("{}: {wrong}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            println!("{}", path.display()); // Shown if it panics.
            target(&std::fs::read(&path).expect("a file"));
            count += 1;
        }
    }
    count
}

#[test]
fn lifecycle() {
    assert!(replay("fuzz/corpus/lifecycle", bytes::lifecycle) >= 10);
}

#[test]
fn scenario_file() {
    assert!(replay("fuzz/corpus/scenario_file", bytes::scenario_file) >= 3);
    for folder in ["happy", "field", "guest", "regressions"] {
        assert!(replay(&format!("scenarios/{folder}"), bytes::scenario_file) >= 1);
    }
}

#[test]
fn pin_chooser() {
    assert!(replay("fuzz/corpus/pin_chooser", differential::pin_chooser) >= 8);
}

#[test]
fn event_log() {
    assert!(replay("fuzz/corpus/event_log", differential::event_log) >= 2);
}
