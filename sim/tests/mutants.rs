//! `keyway mutants` as a user meets it: the table, and the exit code of a survivor.

use std::path::Path;
use std::process::Command;

#[test]
fn a_survivor_has_an_exit_code_of_its_own() {
    let happy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/happy");
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    // One seed is too little to catch them all.
    let output = command.arg("mutants").arg(happy).args(["--seeds", "1"]).output().expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), err.as_ref()), (Some(18), ""), "{out}");
    assert!(out.contains("SURVIVED after 1 seed"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 120), "{out}");
}
