//! The committed corpus of each fuzz target, replayed without a fuzzer; and every scenario file through the target that reads them.
//!
//! `CORPUS=update cargo test --test corpus` writes the stories of `scenarios` into the corpus of `lifecycle`, as far as bytes can tell
//! them; `cargo fuzz cmin` then leaves out what shows nothing new.

use std::path::{Path, PathBuf};

use keyway_core::platform::Reference;
use keyway_sim::run::{Options, run};
use keyway_sim::verdict::Verdict;
use keyway_sim::{bytes, differential, scenario};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All scenario files.
fn scenarios() -> Vec<PathBuf> {
    scenario::files_below(&root().join("scenarios")).expect("the scenarios")
}

/// Runs the target over all files of a folder; how many there were.
fn replay(folder: &str, target: fn(&[u8])) -> usize {
    let folder = root().join(folder);
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
    if std::env::var("CORPUS").is_ok_and(|wish| wish == "update") {
        write_stories();
    }
    assert!(replay("fuzz/corpus/lifecycle", bytes::lifecycle) >= 10);
}

fn write_stories() {
    for file in scenarios() {
        for plan in scenario::read(&file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))) {
            let told = bytes::bytes_of_plan(&plan);
            // A story in which nothing happens any more, or one that has become another, is not kept.
            let verdict = run(&bytes::plan_of_bytes(&told), &Reference::new(), Options::default()).verdict;
            if told.len() > bytes::WIDTH && verdict == Verdict::Pass {
                let name = plan.name.replace('/', "-");
                std::fs::write(root().join("fuzz/corpus/lifecycle").join(name), told).expect("the corpus can be written to");
            }
        }
    }
}

#[test]
fn a_story_that_bytes_can_tell_is_the_same_when_it_is_read_again() {
    let mut told = 0;
    for file in scenarios() {
        for plan in scenario::read(&file).unwrap_or_else(|bad| panic!("{}", bad.render(false, 100))) {
            let once = bytes::bytes_of_plan(&plan);
            let read = bytes::plan_of_bytes(&once);
            assert_eq!(bytes::bytes_of_plan(&read), once, "{}", plan.name);
            told += usize::from(!read.steps.is_empty());
        }
    }
    assert!(told > 150, "only {told} stories are told in bytes");
}

#[test]
fn scenario_file() {
    assert!(replay("fuzz/corpus/scenario_file", bytes::scenario_file) >= 3);
    for file in scenarios() {
        bytes::scenario_file(&std::fs::read(&file).expect("a file"));
    }
}

#[test]
fn slot_allocator() {
    assert!(replay("fuzz/corpus/slot_allocator", differential::slot_allocator) >= 8);
}

#[test]
fn pin_chooser() {
    assert!(replay("fuzz/corpus/pin_chooser", differential::pin_chooser) >= 8);
}

#[test]
fn event_log() {
    assert!(replay("fuzz/corpus/event_log", differential::event_log) >= 2);
}
